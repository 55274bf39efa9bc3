//! Messages that are given up after some of them was sent (RFC 3758, 3.5 A2 and A3).

use super::{Chunk, ChunkState, Outstanding};
use crate::event::SendFailure;
use crate::path::{PathId, PathSet};
use crate::reliability::Policy;
use crate::serial::Fsn;
use crate::time::Time;
use crate::tx::message::{Limit, SentMessage};
use crate::tx::waiting::is_below;
use crate::wire::chunk::SkippedMessage;
use core::cmp::Reverse;

/// A message that was given up.
#[derive(Debug)]
pub(in crate::tx) struct GivenUp {
    pub(in crate::tx) failure: SendFailure,
    pub(in crate::tx) policy: Option<Policy>,
    /// Bytes that it took of the send buffer.
    pub(in crate::tx) freed: usize,
}

impl Outstanding {
    pub(super) fn note_limit(&mut self, slot: u32, limit: Limit, number: u64) {
        self.limited += usize::from(limit != Limit::None);
        if let Limit::Priority(priority) = limit {
            self.priorities.insert((Reverse(priority), number, slot));
        }
    }

    pub(super) fn forget_limit(&mut self, slot: u32, limit: Limit, number: u64) {
        self.limited -= usize::from(limit != Limit::None);
        if let Limit::Priority(priority) = limit {
            self.priorities.remove(&(Reverse(priority), number, slot));
        }
    }

    /// Whether any message may be given up.
    pub(in crate::tx) fn has_limited(&self) -> bool {
        self.limited > 0
    }

    /// The message of the first marked chunk, if that chunk is not to be sent again.
    pub(in crate::tx) fn overdue_marked(&self, now: Time) -> Option<u32> {
        let chunk = self.get(self.first_marked()?)?;
        let limit = self.messages.get(chunk.message)?.message.limit;
        limit.is_over(now, chunk.retransmissions).then_some(chunk.message)
    }

    /// Whether the lifetime of the message at `slot` is over.
    pub(in crate::tx) fn has_expired(&self, slot: u32, now: Time) -> bool {
        let expires = self.messages.get(slot).and_then(|message| message.message.limit.expires());
        expires.is_some_and(|at| at <= now)
    }

    /// Positions of the message's chunks that are not cumulatively acknowledged.
    fn chunks_of(&self, slot: u32) -> impl Iterator<Item = (u64, &Chunk)> {
        let positions = self.messages.get(slot).map_or(0..0, |message| message.positions.clone());
        let outstanding = positions.start.max(self.first)..positions.end;
        let chunks = outstanding.filter_map(|position| Some((position, self.get(position)?)));
        chunks.filter(move |(_, chunk)| chunk.message == slot)
    }

    /// Bytes of send buffer that come free at once when the message is given up.
    fn payload_left(&self, slot: u32) -> usize {
        let chunks: usize = self.chunks_of(slot).map(|(_, chunk)| chunk.payload_len()).sum();
        chunks + self.messages.get(slot).map_or(0, SentMessage::uncut)
    }

    /// Messages of a priority below `priority`, the lowest first, with the bytes of send buffer that each takes.
    /// None that is on its way: the network must be heard first on whether it is congested (RFC 3758, 3.5 F5).
    pub(in crate::tx) fn messages_below(&self, priority: Option<u32>) -> impl Iterator<Item = (u32, usize)> {
        let below = self.priorities.iter().take_while(move |entry| is_below(entry.0.0, priority));
        let waiting = below.filter(|&&(.., slot)| !self.is_in_flight(slot));
        waiting.map(|&(.., slot)| (slot, self.payload_left(slot)))
    }

    fn is_in_flight(&self, slot: u32) -> bool {
        self.chunks_of(slot).any(|(_, chunk)| matches!(chunk.state, ChunkState::InFlight { .. }))
    }

    /// Gives a message up, with all its chunks (RFC 3758, 3.5 A2 and A3). One that was not cut to its end gets one
    /// more TSN: by that the peer, which may have all that came before it, learns that the rest is missing (3.6).
    pub(in crate::tx) fn abandon(&mut self, slot: u32, paths: &mut PathSet) -> Option<GivenUp> {
        let freed = self.payload_left(slot);
        let positions: Vec<_> = self.chunks_of(slot).map(|(position, _)| position).collect();
        let end = self.end();
        let message = self.messages.get_mut(slot).filter(|message| message.is_open())?;
        let (limit, number, is_partial) = (message.message.limit, message.number, message.uncut() > 0);
        let failure = message.abandon();
        if is_partial {
            message.note_chunk(end);
            self.chunks.push_back(Chunk::never_sent(slot));
        }
        positions.into_iter().for_each(|position| self.abandon_chunk(position, paths));
        self.forget_limit(slot, limit, number);
        Some(GivenUp { failure, policy: limit.policy(), freed })
    }

    /// RFC 3758, 3.5.
    fn abandon_chunk(&mut self, position: u64, paths: &mut PathSet) {
        let Some(index) = self.index(position) else { return };
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let before = *chunk;
        let misses = if let ChunkState::InFlight { misses } = before.state { misses } else { u8::MAX };
        (chunk.state, chunk.len) = (ChunkState::Abandoned { misses }, 0);
        match before.state {
            ChunkState::Marked(_) => _ = self.marked.remove(&position),
            ChunkState::InFlight { .. } => self.leave_flight(&before, paths),
            ChunkState::GapAcked | ChunkState::Abandoned { .. } => {}
        }
    }

    /// What the peer is to be told of the chunk at `position`, if it was given up.
    pub(in crate::tx) fn skipped(&self, position: u64) -> Option<SkippedMessage> {
        let chunk = self.get(position).filter(|chunk| chunk.is_abandoned())?;
        let SentMessage { message, mid, .. } = self.messages.get(chunk.message)?;
        let (stream_id, unordered) = (message.options.stream_id, message.options.unordered);
        Some(SkippedMessage { stream_id, unordered, mid: *mid })
    }

    /// Panics unless the counts are right.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_abandoned(&self) {
        let kept = || self.messages.iter().filter(|message| message.is_open());
        let limited = kept().filter(|message| message.message.limit != Limit::None).count();
        assert_eq!(self.limited, limited, "messages with a limit");
        let priorities = kept().filter(|message| matches!(message.message.limit, Limit::Priority(_))).count();
        assert_eq!(self.priorities.len(), priorities, "messages with a priority");
        for chunk in &self.chunks {
            let message = self.messages.get(chunk.message).expect("a chunk has a message");
            assert_eq!(chunk.is_abandoned(), message.is_abandoned(), "3.5 A3: all of a message is given up");
        }
    }
}

impl Chunk {
    /// Stands for what was not cut of a message that was given up.
    fn never_sent(message: u32) -> Self {
        Self {
            message,
            fsn: Fsn(0),
            offset: 0,
            len: 0,
            header_len: 0,
            sent_at: Time::ZERO,
            path: PathId(0),
            retransmissions: 0,
            several_paths: false,
            fast_retransmitted: false,
            state: ChunkState::Abandoned { misses: u8::MAX },
        }
    }
}
