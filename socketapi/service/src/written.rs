//! Messages that programs write into pairs.

use bytes::Bytes;
use sctp_abi::DefaultSend;
use sctp_abi::control::SendInfo;
use sctp_core::event::SendFailure;
use sctp_core::message::SendOptions;
use sctp_core::reliability::Reliability;
use sctp_descriptors::Head;

/// One that was read out of a pair.
#[derive(Debug)]
pub(crate) struct Written {
    head: Option<Head>,
    pub(crate) payload: Bytes,
}

impl Written {
    /// The record at the beginning of the buffer: `len` bytes, behind the head if it has one.
    pub(crate) fn new(head: Option<Head>, len: usize, buffer: &[u8]) -> Self {
        let start = head.map_or(0, |_| Head::LEN);
        let payload = buffer.get(start..start + len).unwrap_or_default();
        Self { head, payload: Bytes::copy_from_slice(payload) }
    }

    /// How to send it: a bare one as the defaults say.
    pub(crate) fn options(&self, default: &DefaultSend) -> SendOptions {
        let Some(head) = self.head else { return SendInfo::default().options(default) };
        SendOptions {
            stream_id: head.stream,
            ppid: head.ppid,
            unordered: head.unordered,
            context: head.context,
            sack_immediately: head.sack_immediately,
            // Nothing else was the default when it was written.
            reliability: Some(Reliability::Full),
            ..SendOptions::default()
        }
    }

    /// What is told of it if it cannot be sent any more.
    pub(crate) fn into_failure(self, default: &DefaultSend) -> SendFailure {
        let SendOptions { stream_id, ppid, unordered, context, .. } = self.options(default);
        SendFailure { stream_id, ppid, unordered, context, sent: false, payload: self.payload }
    }
}
