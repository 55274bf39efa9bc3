//! A message on its way out.

use super::outstanding::Chunk;
use crate::auth::HeldKey;
use crate::event::SendFailure;
use crate::message::SendOptions;
use crate::path::PathId;
use crate::reliability::{Policy, Reliability};
use crate::serial::{Fsn, Mid, Ssn, Tsn};
use crate::time::Time;
use crate::wire::chunk::{ChunkType, DATA_HEADER_LEN, DataFlags, DataHeader, I_DATA_HEADER_LEN, IDataHeader};
use crate::wire::{CHUNK_HEADER_LEN, NoRoom, PacketBuilder};
use bytes::Bytes;
use core::ops::Range;

/// Bytes of a DATA or I-DATA chunk in front of its payload.
pub(super) const fn header_len(interleaving: bool) -> usize {
    CHUNK_HEADER_LEN + if interleaving { I_DATA_HEADER_LEN } else { DATA_HEADER_LEN }
}

/// What a message costs in the send buffer besides its payload: its own entry and that of one chunk.
pub(super) const MESSAGE_OVERHEAD: usize = size_of::<SentMessage>() + size_of::<Chunk>();

/// How far the sender goes for a message: its [`Reliability`], with the lifetime as a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    None,
    Expires(Time),
    Retransmissions(u32),
    Priority(u32),
}

impl Limit {
    pub(super) fn new(now: Time, reliability: Reliability) -> Self {
        match reliability {
            Reliability::Full => Self::None,
            Reliability::Timed(lifetime) => Self::Expires(now + lifetime),
            Reliability::Retransmissions(limit) => Self::Retransmissions(limit),
            Reliability::Priority(priority) => Self::Priority(priority),
        }
    }

    /// When the message's lifetime is over.
    pub(super) fn expires(self) -> Option<Time> {
        if let Self::Expires(at) = self { Some(at) } else { None }
    }

    /// The message's priority, if it may have to make room for others.
    pub(super) fn priority(self) -> Option<u32> {
        if let Self::Priority(priority) = self { Some(priority) } else { None }
    }

    /// Whether a chunk that was sent again `retransmissions` times is not to be sent (again) at `now`.
    /// RFC 3758, 4.1.
    pub(super) fn is_over(self, now: Time, retransmissions: u16) -> bool {
        match self {
            Self::None | Self::Priority(_) => false,
            Self::Expires(at) => at <= now,
            Self::Retransmissions(limit) => u32::from(retransmissions) >= limit,
        }
    }

    /// The policy that the message falls to.
    pub(super) fn policy(self) -> Option<Policy> {
        match self {
            Self::None => None,
            Self::Expires(_) => Some(Policy::Timed),
            Self::Retransmissions(_) => Some(Policy::Retransmissions),
            Self::Priority(_) => Some(Policy::Priority),
        }
    }
}

/// What of a message's [`SendOptions`] is still wanted once its [`Limit`] is known. Messages are moved several times, so
/// they are kept small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) stream_id: u16,
    pub(super) ppid: u32,
    pub(super) context: u32,
    pub(super) unordered: bool,
    pub(super) sack_immediately: bool,
    pub(super) more: bool,
    /// The path that it is to leave on.
    pub(super) path: Option<PathId>,
    /// It is a piece of a message, and not the first one.
    pub(super) continues: bool,
}

impl Options {
    /// `path`: that to [`SendOptions::path`].
    pub(super) fn new(options: &SendOptions, path: Option<PathId>) -> Self {
        let SendOptions { stream_id, ppid, context, unordered, sack_immediately, more, .. } = *options;
        Self { stream_id, ppid, context, unordered, sack_immediately, more, path, continues: false }
    }
}

/// A message that waits in the send queue, or a piece of one that is handed over in several.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    pub(super) options: Options,
    pub(super) limit: Limit,
    /// The shared key that it is to be authenticated with, if not the active one.
    pub(super) key: Option<HeldKey>,
    pub(super) payload: Bytes,
}

impl OutgoingMessage {
    /// The number of the shared key that it is to be authenticated with, if not the active one.
    pub(super) fn key_id(&self) -> Option<u16> {
        self.key.as_ref().map(HeldKey::id)
    }

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
    /// Bytes of its chunks that are acknowledged cumulatively, or that the peer has promised to keep.
    pub(super) settled: usize,
    /// It was given up.
    abandoned: bool,
    /// Positions from that of its first chunk to behind its last one; chunks of others may lie between.
    pub(super) positions: Range<u64>,
}

impl SentMessage {
    /// The message with this number, of which nothing was sent yet.
    pub(super) fn new(number: u64, message: OutgoingMessage, mid: Mid) -> Self {
        Self { number, message, mid, cut: 0, settled: 0, abandoned: false, positions: 0..0 }
    }

    /// Bytes that are not in a chunk yet; none once it was abandoned.
    pub(super) fn uncut(&self) -> usize {
        self.message.payload.len().saturating_sub(self.cut)
    }

    /// A chunk of it has this position.
    pub(super) fn note_chunk(&mut self, position: u64) {
        if self.positions.is_empty() {
            self.positions.start = position;
        }
        self.positions.end = position + 1;
    }

    /// Whether it was given up, and its payload returned to the user.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Whether what becomes of it is open: it was neither given up, nor has the peer all of it for good.
    pub(super) fn is_open(&self) -> bool {
        !self.message.payload.is_empty()
    }

    /// Takes it out as a failure; what stays says only which message is skipped.
    pub(super) fn abandon(&mut self) -> SendFailure {
        let payload = core::mem::take(&mut self.message.payload);
        self.abandoned = true;
        let OutgoingMessage { options, limit, ref mut key, .. } = self.message;
        OutgoingMessage { options, limit, key: key.take(), payload }.into_failure(true)
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
    /// The shared key of its message, if it has one of its own.
    pub(super) key: Option<u16>,
    pub(super) flags: DataFlags,
    pub(super) payload: &'a [u8],
}

impl Fragment<'_> {
    /// Whether the packet may take it: chunks under different keys do not share one (RFC 6458, 5.3.8).
    pub(super) fn may_join(&self, interleaving: bool, packet: &mut PacketBuilder<'_>) -> bool {
        may_join(self.key, interleaving, packet)
    }

    /// Appends it to a packet, as I-DATA or as DATA (RFC 8260, 2.2.1).
    pub(super) fn write(&self, interleaving: bool, packet: &mut PacketBuilder<'_>) -> Result<(), NoRoom> {
        let Self { tsn, stream_id, mid, fsn, ppid, flags, payload, .. } = *self;
        if interleaving {
            let ppid_or_fsn = if flags.begin { ppid } else { fsn.0 };
            packet.push_i_data(&IDataHeader { tsn, stream_id, mid, ppid_or_fsn, flags }, payload)
        } else {
            let ssn = Ssn::of_mid(mid);
            packet.push_data(&DataHeader { tsn, stream_id, ssn, ppid, flags }, payload)
        }
    }
}

/// Whether user data that is to be authenticated with this shared key may come into the packet.
#[inline]
pub(super) fn may_join(key: Option<u16>, interleaving: bool, packet: &mut PacketBuilder<'_>) -> bool {
    packet.take_key(if interleaving { ChunkType::I_DATA } else { ChunkType::DATA }, key)
}
