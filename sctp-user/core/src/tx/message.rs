//! A message on its way out.

use super::outstanding::Chunk;
use crate::event::SendFailure;
use crate::message::SendOptions;
use crate::serial::Ssn;
use crate::time::Time;
use crate::wire::CHUNK_HEADER_LEN;
use crate::wire::chunk::DATA_HEADER_LEN;
use bytes::Bytes;

/// Bytes of a DATA chunk in front of its payload.
pub(super) const DATA_CHUNK_HEADER_LEN: usize = CHUNK_HEADER_LEN + DATA_HEADER_LEN;

/// What a message costs in the send buffer besides its payload: its own entry and that of one chunk.
pub(super) const MESSAGE_OVERHEAD: usize = size_of::<SentMessage>() + size_of::<Chunk>();

/// A message that waits in the send queue.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    pub(super) options: SendOptions,
    /// When it is given up, if nothing of it was sent before (RFC 9260, 11.1.5).
    pub(super) expires: Option<Time>,
    pub(super) payload: Bytes,
}

impl OutgoingMessage {
    /// Bytes that it takes of the send buffer.
    pub(super) fn cost(&self) -> usize {
        self.payload.len() + MESSAGE_OVERHEAD
    }

    /// What the user gets back of a message that failed.
    pub(super) fn into_failure(self, sent: bool) -> SendFailure {
        SendFailure {
            stream_id: self.options.stream_id,
            ppid: self.options.ppid,
            unordered: self.options.unordered,
            context: self.options.context,
            sent,
            payload: self.payload,
        }
    }
}

/// A message of which at least one fragment has a TSN.
#[derive(Debug)]
pub(super) struct SentMessage {
    pub(super) message: OutgoingMessage,
    /// The same for all its fragments (6.9); without meaning when unordered.
    pub(super) ssn: Ssn,
    /// Bytes that were made into chunks so far.
    pub(super) cut: usize,
}

impl SentMessage {
    /// Bytes that are not in a chunk yet.
    pub(super) fn uncut(&self) -> usize {
        self.message.payload.len().saturating_sub(self.cut)
    }
}
