//! What the messages of which nothing was cut amount to, over all streams; and which of them may be given up.

use super::message::{Limit, OutgoingMessage, header_len};
use crate::time::Time;
use core::cmp::Reverse;
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    messages: usize,
    chunk_bytes: usize,
    /// They will be I-DATA.
    interleaving: bool,
    /// Those with a lifetime: when it is over, number, stream.
    lifetimes: BTreeSet<(Time, u64, u16)>,
    /// Those with a priority, the lowest first: priority, number, stream.
    priorities: BTreeSet<(Reverse<u32>, u64, u16)>,
}

impl Waiting {
    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.messages
    }

    /// Bytes that they will take in packets, if each goes into one chunk.
    pub(super) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// They will be I-DATA, or DATA; these are all of them.
    pub(super) fn set_interleaving<'a>(
        &mut self,
        interleaving: bool,
        messages: impl Iterator<Item = &'a OutgoingMessage>,
    ) {
        self.interleaving = interleaving;
        self.chunk_bytes = messages.map(|message| self.chunk_len(message)).sum();
    }

    /// One more.
    #[inline]
    pub(super) fn enter(&mut self, number: u64, message: &OutgoingMessage) {
        let stream_id = message.options.stream_id;
        match message.limit {
            Limit::Expires(at) => _ = self.lifetimes.insert((at, number, stream_id)),
            Limit::Priority(priority) => _ = self.priorities.insert((Reverse(priority), number, stream_id)),
            Limit::None | Limit::Retransmissions(_) => {}
        }
        self.messages += 1;
        self.chunk_bytes += self.chunk_len(message);
    }

    /// One was cut, or given up.
    #[inline]
    pub(super) fn leave(&mut self, number: u64, message: &OutgoingMessage) {
        let stream_id = message.options.stream_id;
        match message.limit {
            Limit::Expires(at) => _ = self.lifetimes.remove(&(at, number, stream_id)),
            Limit::Priority(priority) => _ = self.priorities.remove(&(Reverse(priority), number, stream_id)),
            Limit::None | Limit::Retransmissions(_) => {}
        }
        self.messages -= 1;
        self.chunk_bytes -= self.chunk_len(message);
    }

    /// All of them went.
    pub(super) fn clear(&mut self) {
        *self = Self { interleaving: self.interleaving, ..Self::default() };
    }

    /// When the next lifetime is over.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.lifetimes.first().map(|&(expires, ..)| expires)
    }

    /// Number and stream of one whose lifetime is over at `now`.
    pub(super) fn expired(&self, now: Time) -> Option<(u64, u16)> {
        let &(expires, number, stream_id) = self.lifetimes.first()?;
        (expires <= now).then_some((number, stream_id))
    }

    /// Numbers and streams of those with a priority below `priority`, the lowest first.
    pub(super) fn below(&self, priority: Option<u32>) -> impl Iterator<Item = (u64, u16)> {
        let below = self.priorities.iter().take_while(move |entry| is_below(entry.0.0, priority));
        below.map(|&(_, number, stream_id)| (number, stream_id))
    }

    fn chunk_len(&self, message: &OutgoingMessage) -> usize {
        (header_len(self.interleaving) + message.payload.len()).next_multiple_of(4)
    }
}

/// Whether a message of priority `value` stands below one of `priority`; `None`: above all that have one
/// (RFC 7496, 3.2 and 4.2).
pub(super) fn is_below(value: u32, priority: Option<u32>) -> bool {
    priority.is_none_or(|priority| value > priority)
}
