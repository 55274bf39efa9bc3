//! A message on its way out.

use super::outstanding::Chunk;
use crate::event::SendFailure;
use crate::message::SendOptions;
use crate::serial::{Fsn, Mid, Ssn, Tsn};
use crate::time::Time;
use crate::wire::chunk::{DATA_HEADER_LEN, DataFlags, DataHeader, I_DATA_HEADER_LEN, IDataHeader};
use crate::wire::{CHUNK_HEADER_LEN, NoRoom, PacketBuilder};
use bytes::Bytes;

/// Bytes of a DATA or I-DATA chunk in front of its payload.
pub(super) const fn header_len(interleaving: bool) -> usize {
    CHUNK_HEADER_LEN + if interleaving { I_DATA_HEADER_LEN } else { DATA_HEADER_LEN }
}

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
    /// Messages are numbered as they arrive, over all streams.
    pub(super) number: u64,
    pub(super) message: OutgoingMessage,
    /// The same for all its fragments (RFC 8260, 2.1). What DATA carries as SSN is the lower half.
    pub(super) mid: Mid,
    /// Bytes that were made into chunks so far.
    pub(super) cut: usize,
    /// Number of the next fragment.
    pub(super) next_fsn: Fsn,
}

impl SentMessage {
    /// Bytes that are not in a chunk yet.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn uncut(&self) -> usize {
        self.message.payload.len().saturating_sub(self.cut)
    }
}

/// A chunk as it goes on the wire.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub(super) tsn: Tsn,
    pub(super) stream_id: u16,
    pub(super) mid: Mid,
    pub(super) fsn: Fsn,
    pub(super) ppid: u32,
    pub(super) flags: DataFlags,
    pub(super) payload: &'a [u8],
}

impl Fragment<'_> {
    /// Appends it to a packet, as I-DATA or as DATA (RFC 8260, 2.2.1).
    pub(super) fn write(&self, interleaving: bool, packet: &mut PacketBuilder<'_>) -> Result<(), NoRoom> {
        let Self { tsn, stream_id, mid, fsn, ppid, flags, payload } = *self;
        if interleaving {
            let ppid_or_fsn = if flags.begin { ppid } else { fsn.0 };
            packet.push_i_data(&IDataHeader { tsn, stream_id, mid, ppid_or_fsn, flags }, payload)
        } else {
            let ssn = Ssn::of_mid(mid);
            packet.push_data(&DataHeader { tsn, stream_id, ssn, ppid, flags }, payload)
        }
    }
}
