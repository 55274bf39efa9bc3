//! Decides between the streams that have something to send (RFC 8260, 3).
//!
//! Each discipline gives such a stream a *rank*, and the stream with the lowest rank has its turn:
//!
//! | discipline | rank |
//! |---|---|
//! | first come, first served (3.1) | the number of its first message, in the order of arrival |
//! | round robin (3.2), also by packets (3.3) | the number of its turn, given when it joins and after each turn |
//! | priority (3.4) | its priority, then the number of its turn |
//! | fair capacity (3.5), weighted fair queueing (3.6) | its virtual time: bytes sent, divided by its weight |
//!
//! A turn is a message; a fragment if messages are interleaved; or a packet. The stream whose turn it is stands
//! apart from the heap of the others, so that a stream that is alone costs a comparison for each message. One that has
//! nothing to send any longer without having had its turn (its messages were given up) leaves a *void* turn behind, which
//! is dropped once it is the first of the heap, or once half of the heap is void.

use crate::config::StreamScheduler;
use crate::steps;
use core::cmp::Reverse;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BinaryHeap};

/// Bits of virtual time below one byte of a stream with the weight 1.
const WEIGHT_SHIFT: u32 = 16;

/// A stream that has something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    rank: u128,
    stream_id: u16,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scheduler {
    discipline: StreamScheduler,
    /// Priorities or weights (RFC 8260, 4.3.3); 0 where there is none.
    values: BTreeMap<u16, u16>,
    /// Messages are interleaved: streams may change at each fragment.
    interleaving: bool,
    current: Option<Turn>,
    /// Its first one is not void.
    others: BinaryHeap<Reverse<Turn>>,
    /// How many of a stream's turns in `others` are void: those of the lowest ranks.
    void: FxHashMap<u16, usize>,
    /// How many turns are void.
    voids: usize,
    /// The current stream is within a message that no other may interrupt (RFC 9260, 6.9).
    within_message: bool,
    /// The packet in work takes no other stream's chunks (RFC 8260, 3.3).
    packet_is_full: bool,
    /// Turns given so far.
    turns: u64,
    /// Virtual time of the stream that was served last.
    virtual_time: u128,
    /// Virtual times of streams that have nothing to send.
    left_at: FxHashMap<u16, u128>,
}

impl Scheduler {
    pub(super) fn new(discipline: StreamScheduler, values: &BTreeMap<u16, u16>) -> Self {
        Self {
            discipline,
            values: values.clone(),
            interleaving: false,
            current: None,
            others: BinaryHeap::new(),
            void: FxHashMap::default(),
            voids: 0,
            within_message: false,
            packet_is_full: false,
            turns: 0,
            virtual_time: 0,
            left_at: FxHashMap::default(),
        }
    }

    /// From now on messages are interleaved, or not.
    pub(super) fn set_interleaving(&mut self, interleaving: bool) {
        self.interleaving = interleaving;
    }

    /// Whether this is the discipline, and these are the streams' values.
    pub(super) fn is(&self, discipline: StreamScheduler, values: &BTreeMap<u16, u16>) -> bool {
        self.discipline == discipline && self.values == *values
    }

    /// Changes the discipline; `streams` has those with something to send, and the numbers of their first messages.
    /// A message that is under way and cannot be interrupted goes on.
    pub(super) fn change(
        &mut self,
        discipline: StreamScheduler,
        values: &BTreeMap<u16, u16>,
        streams: Vec<(u64, u16)>,
    ) {
        let (interleaving, within_message, current) = (self.interleaving, self.within_message, self.current);
        *self = Self { interleaving, within_message, current, ..Self::new(discipline, values) };
        self.restart(streams);
    }

    /// `streams` are those that have something to send from now on.
    pub(super) fn restart(&mut self, mut streams: Vec<(u64, u16)>) {
        let current = self.next().filter(|_| self.within_message);
        self.clear_others();
        streams.sort_unstable_by_key(|&(first, stream_id)| (Some(stream_id) != current, first));
        self.current = current.map(|stream_id| Turn { rank: 0, stream_id });
        for (first, stream_id) in streams {
            self.activate(stream_id, first);
        }
    }

    /// No stream has anything to send any longer.
    pub(super) fn clear(&mut self) {
        self.current = None;
        self.clear_others();
        self.within_message = false;
    }

    fn clear_others(&mut self) {
        self.others.clear();
        self.void.clear();
        self.voids = 0;
    }

    /// The stream whose turn it is.
    pub(super) fn next(&self) -> Option<u16> {
        self.current.map(|turn| turn.stream_id)
    }

    /// Whether the packet in work takes no further chunk.
    pub(super) fn packet_is_full(&self) -> bool {
        self.packet_is_full
    }

    /// Whether chunks of different streams are not to share a packet (RFC 8260, 3.3).
    pub(super) fn keeps_streams_apart(&self) -> bool {
        self.discipline == StreamScheduler::RoundRobinPerPacket
    }

    /// `stream_id` has something to send again; `first` is the number of its first message.
    pub(super) fn activate(&mut self, stream_id: u16, first: u64) {
        if self.within_message && self.next() == Some(stream_id) {
            return;
        }
        // It comes back to the turn that it had; but its first message is another one.
        if self.discipline != StreamScheduler::FirstComeFirstServed && self.take_void(stream_id) {
            return;
        }
        let turn = Turn { rank: self.first_rank(stream_id, first), stream_id };
        match self.current {
            None => self.current = Some(turn),
            Some(current) if turn < current && !self.within_message => {
                self.current = Some(turn);
                self.others.push(Reverse(current));
            }
            Some(_) => self.others.push(Reverse(turn)),
        }
    }

    /// The stream, which had something to send, has no message any longer, or another first one.
    pub(super) fn deactivate(&mut self, stream_id: u16) {
        if self.next() == Some(stream_id) {
            self.within_message = false;
            self.leave();
        } else {
            *self.void.entry(stream_id).or_default() += 1;
            self.voids += 1;
            self.drop_voids();
        }
    }

    /// The stream whose turn it is has sent `len` bytes, perhaps the end of a message; `next` is the number of what
    /// is then its first message.
    #[inline]
    pub(super) fn served(&mut self, len: usize, is_end: bool, next: Option<u64>) {
        let Some(Turn { rank, stream_id }) = self.current else { return };
        self.within_message = !is_end && !self.interleaving;
        self.virtual_time = rank;
        let rank = self.next_rank(stream_id, rank, len, next);
        self.current = Some(Turn { rank, stream_id });
        match next {
            _ if self.within_message => {}
            None => {
                self.packet_is_full = self.keeps_streams_apart();
                self.leave();
            }
            Some(_) => self.give_way(),
        }
    }

    /// A packet with new chunks is complete; whether it may be another stream's turn now.
    pub(super) fn end_packet(&mut self) -> bool {
        if !self.keeps_streams_apart() {
            return false;
        }
        let had_another_turn = core::mem::take(&mut self.packet_is_full);
        if !had_another_turn && !self.within_message {
            let rank = self.next_turn();
            if let Some(current) = &mut self.current {
                current.rank = rank;
            }
            self.give_way();
        }
        true
    }

    fn first_rank(&mut self, stream_id: u16, first: u64) -> u128 {
        match self.discipline {
            StreamScheduler::FirstComeFirstServed => first.into(),
            StreamScheduler::RoundRobin | StreamScheduler::RoundRobinPerPacket => self.next_turn(),
            StreamScheduler::Priority => self.priority(stream_id) | self.next_turn(),
            StreamScheduler::FairCapacity | StreamScheduler::WeightedFairQueueing => {
                self.left_at.remove(&stream_id).unwrap_or_default().max(self.virtual_time)
            }
        }
    }

    fn next_rank(&mut self, stream_id: u16, rank: u128, len: usize, next: Option<u64>) -> u128 {
        match self.discipline {
            StreamScheduler::FirstComeFirstServed => next.map_or(rank, u128::from),
            StreamScheduler::RoundRobinPerPacket => rank,
            StreamScheduler::RoundRobin | StreamScheduler::Priority if self.within_message => rank,
            StreamScheduler::RoundRobin => self.next_turn(),
            StreamScheduler::Priority => self.priority(stream_id) | self.next_turn(),
            StreamScheduler::FairCapacity | StreamScheduler::WeightedFairQueueing => {
                rank + ((len as u128) << WEIGHT_SHIFT) / u128::from(self.weight(stream_id))
            }
        }
    }

    /// The current stream has nothing to send.
    fn leave(&mut self) {
        if let Some(turn) = self.current {
            self.note_left(turn);
        }
        self.current = self.others.pop().map(|Reverse(turn)| turn);
        self.drop_voids();
    }

    /// Remembers how far a stream is that has nothing to send.
    fn note_left(&mut self, turn: Turn) {
        if matches!(self.discipline, StreamScheduler::FairCapacity | StreamScheduler::WeightedFairQueueing) {
            self.left_at.insert(turn.stream_id, turn.rank);
        }
    }

    /// Lets another stream go first whose rank is lower.
    fn give_way(&mut self) {
        let Some(current) = &mut self.current else { return };
        if self.others.peek().is_none_or(|Reverse(first)| first >= current) {
            return;
        }
        if let Some(mut first) = self.others.peek_mut() {
            core::mem::swap(current, &mut first.0);
        }
        self.drop_voids();
    }

    /// Drops void turns that come first, and all of them once they are most of the heap.
    #[inline]
    fn drop_voids(&mut self) {
        if self.voids > 0 {
            self.drop_first_voids();
        }
    }

    fn drop_first_voids(&mut self) {
        if self.voids > self.others.len() / 2 {
            return self.drop_all_voids();
        }
        while let Some(Reverse(first)) = self.others.peek().copied()
            && self.take_void(first.stream_id)
        {
            steps::count(1);
            self.note_left(first);
            self.others.pop();
        }
    }

    fn drop_all_voids(&mut self) {
        let turns = core::mem::take(&mut self.others).into_sorted_vec();
        steps::count(turns.len());
        for Reverse(turn) in turns.into_iter().rev() {
            if self.take_void(turn.stream_id) {
                self.note_left(turn);
            } else {
                self.others.push(Reverse(turn));
            }
        }
    }

    /// Whether a turn of the stream is void; if so, it counts as dropped, or as given back.
    fn take_void(&mut self, stream_id: u16) -> bool {
        let Some(voids) = self.void.get_mut(&stream_id) else { return false };
        *voids -= 1;
        if *voids == 0 {
            self.void.remove(&stream_id);
        }
        self.voids -= 1;
        true
    }

    fn next_turn(&mut self) -> u128 {
        self.turns += 1;
        self.turns.into()
    }

    /// RFC 8260, 4.3.2: the higher the value, the lower the priority.
    fn priority(&self, stream_id: u16) -> u128 {
        u128::from(self.value(stream_id)) << 64
    }

    /// RFC 8260, 3.
    fn weight(&self, stream_id: u16) -> u16 {
        match self.discipline {
            StreamScheduler::WeightedFairQueueing => self.value(stream_id).max(1),
            _ => 1,
        }
    }

    fn value(&self, stream_id: u16) -> u16 {
        self.values.get(&stream_id).copied().unwrap_or(0)
    }

    /// Panics unless the streams with a turn are `ready`, and none of the void turns comes first.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check(&self, ready: usize) {
        // The rest of its message may be missing (explicit EOR).
        let waits = usize::from(self.within_message);
        let turns = self.others.len() - self.voids + usize::from(self.current.is_some());
        assert!(turns == ready || turns == ready + waits, "{turns} streams have a turn, not {ready}");
        assert_eq!(self.voids, self.void.values().sum::<usize>(), "void turns");
        let first = self.others.peek().map(|Reverse(turn)| turn.stream_id);
        assert!(first.is_none_or(|first| !self.void.contains_key(&first)), "the first turn is void");
    }
}
