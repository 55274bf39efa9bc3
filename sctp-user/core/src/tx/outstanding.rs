//! Data that has a TSN and is not yet cumulatively acknowledged.
//!
//! Chunks lie in a ring in the order of their TSNs. Inside, a chunk is named by its *position*: 0 for
//! the initial TSN, one more for each further TSN, in 64 bits, so that positions have an order and
//! never wrap; TSNs are for the wire only. Work for a SACK is in proportion to what it changes: the gap
//! blocks are compared with those of the SACK before, and chunks that are marked for retransmission
//! have an index of their own.
//!
//! What a hostile peer can make of it is bounded in [`gaps`].

use super::message::{Fragment, MESSAGE_OVERHEAD, SentMessage, header_len};
use super::slab::Slab;
use crate::path::{PathId, PathSet};
use crate::serial::{Fsn, Tsn};
use crate::stream_set::StreamSet;
use crate::time::Time;
use crate::wire::chunk::DataFlags;
use core::cmp::Reverse;
use core::ops::Range;
use std::collections::{BTreeSet, VecDeque};

mod abandon;
mod gaps;
mod keep;
mod report;

pub(super) use gaps::{MAX_COUNTED, MAX_GAPS};
pub(super) use report::{AckReport, PathAck};

/// Chunks that may be outstanding. Gap blocks can speak of 65,535 (RFC 9260, 3.3.4), but a stream's sequence numbers
/// must not reach so far that a late one looks early (6.5): receivers, ours too, drop what lies further ahead.
/// Nor are there 2^31 messages of a stream, or fragments of one, in flight (RFC 8260, 2.1).
pub(super) const MAX_OUTSTANDING_CHUNKS: usize = 32_767;

/// Entries that an idle association keeps memory for.
pub(super) const KEPT_CAPACITY: usize = 16;

/// One DATA or I-DATA chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// Its message's place, see [`Outstanding::messages`].
    message: u32,
    /// Its number in the message.
    fsn: Fsn,
    /// Where its payload starts in the message.
    offset: u32,
    /// Bytes of payload.
    len: u32,
    /// Bytes in front of the payload.
    header_len: u8,
    /// When it was sent the last time.
    pub(super) sent_at: Time,
    /// Where it was sent to the last time.
    pub(super) path: PathId,
    /// How often it was sent again; if it was, it is no measure of the RTT (6.3.1 C5).
    pub(super) retransmissions: u16,
    /// It was sent to more than one address: its acknowledgement does not say which one works.
    several_paths: bool,
    /// It was marked by fast retransmit once, and will not be again (7.2.4, 5).
    pub(super) fast_retransmitted: bool,
    pub(super) state: ChunkState,
}

/// The life of a chunk. Cumulatively acknowledged ones are no longer here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkState {
    /// On its way.
    InFlight {
        /// Miss indications so far (7.2.4).
        misses: u8,
    },
    /// Taken for lost, to be sent again.
    Marked(Cause),
    /// The peer has it, but may still renege.
    GapAcked,
    /// Its message was given up: it counts as acknowledged whether the peer has it or not, and its payload is gone.
    Abandoned {
        /// Miss indications so far, if it was in flight.
        misses: u8,
    },
}

/// Why a chunk is marked for retransmission: it decides on the path (6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// T3-rtx expired, or its path failed.
    TimedOut,
    /// Reported missing.
    Missing,
    /// Late, and it holds other paths up.
    Late,
}

impl Chunk {
    /// Bytes of payload.
    pub(super) fn payload_len(&self) -> usize {
        self.len as usize
    }

    /// Whether its message was given up.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.state, ChunkState::Abandoned { .. })
    }

    /// Bytes in a packet: header, payload, padding.
    /// RFC 9260, 7.2.
    pub(super) fn wire_len(&self) -> usize {
        (usize::from(self.header_len) + self.payload_len()).next_multiple_of(4)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outstanding {
    initial_tsn: Tsn,
    chunks: VecDeque<Chunk>,
    /// Position of the first chunk.
    first: u64,
    /// Chunks are I-DATA, and those of messages of several streams may take turns (RFC 8260).
    interleaving: bool,
    /// Messages of which something was cut and not all is acknowledged.
    messages: Slab<SentMessage>,
    /// What the peer reported behind the first gap: ascending, disjoint, within the chunks and never
    /// the first chunk.
    gaps: Vec<Range<u64>>,
    /// What of that it will never take back (NR-SACK).
    kept: Vec<Range<u64>>,
    /// Retransmissions of chunks.
    sent_again: u64,
    /// Chunks that were taken back, or that could have been and never will.
    reneged: u64,
    /// Miss indications say nothing new of chunks before this position.
    misses_from: u64,
    /// No chunk before this position is in flight.
    flight_from: u64,
    /// Positions of the chunks marked for retransmission.
    marked: BTreeSet<u64>,
    in_flight_payload: usize,
    in_flight: usize,
    /// Messages that may be given up and were not.
    limited: usize,
    /// Those with a priority, the lowest first: priority, number, place.
    priorities: BTreeSet<(Reverse<u32>, u64, u32)>,
}

impl Outstanding {
    pub(super) fn new(initial_tsn: Tsn) -> Self {
        Self {
            initial_tsn,
            chunks: VecDeque::new(),
            first: 0,
            interleaving: false,
            messages: Slab::default(),
            gaps: Vec::new(),
            kept: Vec::new(),
            sent_again: 0,
            reneged: 0,
            misses_from: 0,
            flight_from: 0,
            marked: BTreeSet::new(),
            in_flight_payload: 0,
            in_flight: 0,
            limited: 0,
            priorities: BTreeSet::new(),
        }
    }

    /// Chunks that are not cumulatively acknowledged.
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// The position after the cumulative TSN ack point.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The position of the next new chunk.
    pub(super) fn end(&self) -> u64 {
        self.first + self.chunks.len() as u64
    }

    /// Payload that is on its way: neither acknowledged nor taken for lost.
    pub(super) fn in_flight_payload(&self) -> usize {
        self.in_flight_payload
    }

    /// Whether anything is on its way.
    pub(super) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// The position after the last chunk of `streams`.
    pub(super) fn end_of(&self, streams: &StreamSet) -> u64 {
        let is_of = |position: &u64| {
            let message = self.get(*position).and_then(|chunk| self.messages.get(chunk.message));
            message.is_some_and(|message| streams.contains(message.message.options.stream_id))
        };
        (self.first..self.end()).rev().find(is_of).map_or(self.first, |last| last + 1)
    }

    /// Gives the next new chunk this TSN. Nothing may be outstanding.
    pub(super) fn set_next_tsn(&mut self, tsn: Tsn) {
        debug_assert!(self.chunks.is_empty());
        // As if TSNs had always been counted so that this one comes next.
        self.initial_tsn = Tsn(tsn.0.wrapping_sub(self.end() as u32));
    }

    /// The TSN at `position`.
    pub(super) fn tsn(&self, position: u64) -> Tsn {
        // Truncation is what makes a TSN of a position.
        self.initial_tsn.plus(position as u32)
    }

    pub(super) fn get(&self, position: u64) -> Option<&Chunk> {
        self.chunks.get(self.index(position)?)
    }

    fn index(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.first)?).ok()
    }

    /// Whether chunks are I-DATA.
    pub(super) fn is_interleaving(&self) -> bool {
        self.interleaving
    }

    /// Chunks are I-DATA from now on, or DATA. What is outstanding must be marked for retransmission: then no
    /// chunk counts by its size on the wire.
    pub(super) fn set_interleaving(&mut self, interleaving: bool) {
        self.interleaving = interleaving;
    }

    /// Takes a message that is about to be cut; its place.
    #[inline]
    pub(super) fn begin_message(&mut self, message: SentMessage) -> u32 {
        let (limit, number) = (message.message.limit, message.number);
        let slot = self.messages.insert(message);
        self.note_limit(slot, limit, number);
        slot
    }

    /// Cuts the next `len` bytes of a message into its fragment `fsn`, a chunk that is now in flight on `path` (6.9).
    /// RFC 9260, 3.3.1.
    /// RFC 8899, 3.
    pub(super) fn cut(
        &mut self,
        slot: u32,
        fsn: Fsn,
        len: usize,
        path: PathId,
        now: Time,
        paths: &mut PathSet,
    ) -> Option<u64> {
        let position = self.end();
        let message = self.messages.get_mut(slot)?;
        message.note_chunk(position);
        let (offset, chunk_len) = (u32::try_from(message.cut).ok()?, u32::try_from(len).ok()?);
        message.cut += len;
        let chunk = Chunk {
            message: slot,
            fsn,
            offset,
            len: chunk_len,
            header_len: u8::try_from(header_len(self.interleaving)).unwrap_or(u8::MAX),
            sent_at: now,
            path,
            retransmissions: 0,
            several_paths: false,
            fast_retransmitted: false,
            state: ChunkState::InFlight { misses: 0 },
        };
        self.join_flight(&chunk, paths);
        self.chunks.push_back(chunk);
        Some(position)
    }

    /// The path that the message at a place was given.
    pub(super) fn path_of(&self, slot: u32) -> Option<PathId> {
        self.messages.get(slot)?.message.options.path
    }

    /// The chunk at `position` as it goes on the wire (RFC 9260, 3.3.1 and 6.9; RFC 8260, 2.1 and 2.2.2).
    pub(super) fn fragment(&self, position: u64) -> Option<Fragment<'_>> {
        let chunk = self.get(position)?;
        let SentMessage { message, mid, .. } = self.messages.get(chunk.message)?;
        let start = chunk.offset as usize;
        let end = start + chunk.payload_len();
        let last = end == message.payload.len() && !message.options.more;
        let flags = DataFlags {
            immediate: last && message.options.sack_immediately,
            unordered: message.options.unordered,
            begin: start == 0 && !message.options.continues,
            end: last,
        };
        Some(Fragment {
            tsn: self.tsn(position),
            stream_id: message.options.stream_id,
            mid: *mid,
            fsn: chunk.fsn,
            ppid: message.options.ppid,
            key: message.key_id(),
            flags,
            payload: message.payload.get(start..end)?,
        })
    }

    /// The first position marked for retransmission.
    pub(super) fn first_marked(&self) -> Option<u64> {
        self.marked.first().copied()
    }

    /// Takes a chunk in flight for lost.
    pub(super) fn mark(&mut self, position: u64, cause: Cause, paths: &mut PathSet) {
        let Some(index) = self.index(position) else { return };
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        if !matches!(chunk.state, ChunkState::InFlight { .. }) {
            return;
        }
        chunk.state = ChunkState::Marked(cause);
        chunk.fast_retransmitted |= cause == Cause::Missing;
        let chunk = *chunk;
        self.leave_flight(&chunk, paths);
        self.marked.insert(position);
    }

    /// Takes all chunks in flight on `path` for lost; how many.
    pub(super) fn mark_path(&mut self, path: PathId, cause: Cause, paths: &mut PathSet) -> usize {
        let before = self.marked.len();
        for hole in 0..=self.gaps.len() {
            for position in self.hole(hole) {
                if self.get(position).is_some_and(|chunk| chunk.path == path) {
                    self.mark(position, cause, paths);
                }
            }
        }
        self.marked.len() - before
    }

    /// All chunks of the path `from`, of which none is in flight, belong to the path `to`.
    pub(super) fn reassign(&mut self, from: PathId, to: PathId) {
        let chunks = self.chunks.iter_mut().filter(|chunk| chunk.path == from);
        chunks.for_each(|chunk| chunk.path = to);
    }

    /// A marked chunk is sent again on `path`.
    pub(super) fn retransmit(&mut self, position: u64, path: PathId, now: Time, paths: &mut PathSet) {
        if !self.marked.remove(&position) {
            return;
        }
        let Some(index) = self.index(position) else { return };
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        chunk.state = ChunkState::InFlight { misses: 0 };
        chunk.several_paths |= chunk.path != path;
        (chunk.path, chunk.sent_at) = (path, now);
        chunk.retransmissions = chunk.retransmissions.saturating_add(1);
        let chunk = *chunk;
        self.join_flight(&chunk, paths);
        self.flight_from = self.flight_from.min(position);
        self.sent_again += 1;
    }

    /// Takes off what lies before `new_first`, with the last report of it missing (6.7).
    /// RFC 9260, 3.3.8.
    pub(super) fn acknowledge_up_to(&mut self, new_first: u64, paths: &mut PathSet, report: &mut AckReport) {
        while self.first < new_first {
            let Some(chunk) = self.chunks.pop_front() else { break };
            let position = self.first;
            self.first += 1;
            self.settle(position, &chunk, paths, report);
            report.freed += chunk.payload_len();
            report.freed += self.forget_message_of(position, &chunk);
        }
        self.trim_kept();
        self.trim_gaps(paths, report);
        if self.chunks.is_empty() && self.chunks.capacity() > KEPT_CAPACITY {
            self.chunks.shrink_to(KEPT_CAPACITY);
            self.messages.shrink_to(KEPT_CAPACITY);
        }
    }

    /// A chunk is acknowledged: it no longer counts as what it was.
    fn settle(&mut self, position: u64, chunk: &Chunk, paths: &mut PathSet, report: &mut AckReport) {
        match chunk.state {
            // RFC 3758, 3.5 A2: what was abandoned adds nothing to a window.
            ChunkState::GapAcked | ChunkState::Abandoned { .. } => return,
            ChunkState::Marked(_) => _ = self.marked.remove(&position),
            ChunkState::InFlight { .. } => self.leave_flight(chunk, paths),
        }
        report.add(position, chunk);
    }

    /// Drops the message of `chunk`, just acknowledged, if that was its end: the chunks of a message have ascending
    /// TSNs. Bytes that come free by it.
    fn forget_message_of(&mut self, position: u64, chunk: &Chunk) -> usize {
        let Some(message) = self.messages.get(chunk.message) else { return 0 };
        if position + 1 < message.positions.end || message.uncut() > 0 {
            return self.settle_part(position, chunk);
        }
        if message.is_open() {
            let (limit, number) = (message.message.limit, message.number);
            self.forget_limit(chunk.message, limit, number);
        }
        self.messages.remove(chunk.message);
        MESSAGE_OVERHEAD
    }

    fn join_flight(&mut self, chunk: &Chunk, paths: &mut PathSet) {
        self.in_flight += 1;
        self.in_flight_payload += chunk.payload_len();
        if let Some(path) = paths.get_mut(chunk.path) {
            path.flight_size += chunk.wire_len();
        }
    }

    fn leave_flight(&mut self, chunk: &Chunk, paths: &mut PathSet) {
        self.in_flight -= 1;
        self.in_flight_payload -= chunk.payload_len();
        if let Some(path) = paths.get_mut(chunk.path) {
            path.flight_size = path.flight_size.saturating_sub(chunk.wire_len());
            // RFC 9260, 6.3.2 R2
            path.t3_rtx.take_if(|_| path.flight_size == 0);
        }
    }

    /// Takes out every message that was not given up, in the order of arrival: nothing is outstanding afterwards.
    pub(super) fn drain_messages(
        &mut self,
        paths: &mut PathSet,
    ) -> impl Iterator<Item = SentMessage> + use<> {
        for chunk in self.chunks.drain(..) {
            if let Some(path) = paths.get_mut(chunk.path) {
                (path.flight_size, path.t3_rtx) = (0, None);
            }
            self.first += 1;
        }
        (self.in_flight, self.in_flight_payload) = (0, 0);
        self.gaps.clear();
        self.kept.clear();
        self.marked.clear();
        self.limited = 0;
        self.priorities.clear();
        let mut messages: Vec<_> = self.messages.drain().filter(SentMessage::is_open).collect();
        messages.sort_unstable_by_key(|message| message.number);
        messages.into_iter()
    }
}

/// Checks of the counts against what is there.
#[cfg(any(test, debug_assertions))]
impl Outstanding {
    /// Bytes of send buffer that chunks and messages take, counted one by one.
    pub(super) fn counted_cost(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(Chunk::payload_len).sum();
        let messages = self.messages.iter().map(|message| message.uncut() + MESSAGE_OVERHEAD);
        chunks + messages.sum::<usize>()
    }

    /// Panics unless every count is right.
    pub(super) fn check(&self, paths: &PathSet) {
        let chunks = || (self.first..).zip(&self.chunks);
        let in_flight = || chunks().filter(|(_, chunk)| matches!(chunk.state, ChunkState::InFlight { .. }));
        assert_eq!(self.in_flight, in_flight().count());
        assert_eq!(self.in_flight_payload, in_flight().map(|(_, chunk)| chunk.payload_len()).sum::<usize>());
        for path in paths.iter() {
            let flight =
                in_flight().filter(|(_, chunk)| chunk.path == path.id).map(|(_, chunk)| chunk.wire_len());
            assert_eq!(path.flight_size, flight.sum::<usize>(), "flight size of {:?}", path.id);
        }
        let marked = chunks().filter(|(_, chunk)| matches!(chunk.state, ChunkState::Marked(_)));
        assert!(
            self.marked.iter().copied().eq(marked.map(|(position, _)| position)),
            "index of marked chunks"
        );
        let acked = chunks().filter(|(_, chunk)| chunk.state == ChunkState::GapAcked);
        let in_gaps = self.gaps.iter().cloned().flatten();
        let in_gaps = in_gaps.filter(|&position| !self.get(position).is_some_and(Chunk::is_abandoned));
        assert!(in_gaps.eq(acked.map(|(position, _)| position)), "gap blocks");
        self.check_abandoned();
    }
}
