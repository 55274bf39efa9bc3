//! The order of messages within their streams (RFC 9260, 6.5 and 6.6), and the queue to the reader.
//!
//! A message whose turn it is goes straight to the queue. Streams cost nothing until they are used,
//! then four bytes each in pages: a peer may ask for 65,535 of them.
//!
//! Ordered messages are counted by message identifiers (RFC 8260, 2.1); the SSN of DATA is the lower half of one.

use core::ops::RangeInclusive;
use std::collections::{BTreeMap, VecDeque};

use super::Violation;
use super::run::{Head, Held};
use crate::message::Message;
use crate::serial::{Mid, Ssn, Tsn};
use crate::stream_set::StreamSet;

/// Streams in a page.
const PAGE: usize = 64;

/// Room in the queue that is kept while it is empty.
const KEPT_CAPACITY: usize = 1_024;

/// The MID of the next ordered message of each stream.
#[derive(Debug, Default)]
struct NextMids {
    pages: Vec<Option<Box<[Mid; PAGE]>>>,
}

impl NextMids {
    fn get_mut(&mut self, stream_id: u16) -> &mut Mid {
        let (page, index) = (usize::from(stream_id) / PAGE, usize::from(stream_id) % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        &mut self.pages[page].get_or_insert_with(|| Box::new([Mid(0); PAGE]))[index]
    }

    fn reset(&mut self, streams: &StreamSet) {
        match streams {
            StreamSet::All => self.pages.clear(),
            StreamSet::Listed(streams) => streams.iter().for_each(|&stream| *self.get_mut(stream) = Mid(0)),
        }
    }
}

/// A reset that waits for data that was sent before it (RFC 6525, 5.2.2 E2).
#[derive(Debug)]
struct DeferredReset {
    streams: StreamSet,
    last_assigned_tsn: Tsn,
    /// Messages that were sent after it.
    held: Vec<Held>,
}

impl DeferredReset {
    fn holds(&self, stream_id: u16, tsn: Tsn) -> bool {
        self.last_assigned_tsn.less_than(tsn) && self.streams.contains(stream_id)
    }
}

/// All streams that the peer sends on.
#[derive(Debug)]
pub(super) struct InboundStreams {
    count: u16,
    /// Messages come with MIDs (I-DATA), not SSNs.
    interleaving: bool,
    next_mids: NextMids,
    /// Ordered messages that wait for earlier ones, by stream and MID.
    waiting: BTreeMap<(u16, u32), Held>,
    /// What the reader takes.
    ready: VecDeque<Held>,
    deferred_reset: Option<DeferredReset>,
}

impl InboundStreams {
    pub(super) fn new(count: u16) -> Self {
        Self {
            count,
            interleaving: false,
            next_mids: NextMids::default(),
            waiting: BTreeMap::new(),
            ready: VecDeque::new(),
            deferred_reset: None,
        }
    }

    /// Messages come with MIDs, or with SSNs.
    pub(super) fn set_interleaving(&mut self, interleaving: bool) {
        self.interleaving = interleaving;
    }

    /// There are so many streams from now on (RFC 6525, 5.2.5).
    pub(super) fn set_count(&mut self, count: u16) {
        self.count = count;
    }

    /// Whether the stream exists.
    pub(super) fn has(&self, stream_id: u16) -> bool {
        stream_id < self.count
    }

    /// Takes a whole message in: to the reader at once, or to wait for its turn.
    pub(super) fn deliver(&mut self, mut held: Held) -> Result<(), Violation> {
        if let Some(deferred) = self
            .deferred_reset
            .as_mut()
            .filter(|deferred| deferred.holds(held.message.stream_id, held.message.tsn))
        {
            deferred.held.push(held);
            return Ok(());
        }
        let Message { stream_id, ssn, unordered, .. } = held.message;
        if unordered {
            self.ready.push_back(held);
            return Ok(());
        }
        let next = self.next_mids.get_mut(stream_id);
        if !self.interleaving {
            held.message.mid = ssn.to_mid(*next);
        }
        let mid = held.message.mid;
        if mid == *next {
            *next = next.next();
            self.ready.push_back(held);
            self.deliver_waiting(stream_id);
            return Ok(());
        }
        // The span of TSNs is below 2^15, so an honest SSN is less than that ahead (`tsn_map::MAX_SPAN`).
        let (stale, key) = (mid.less_than(*next), (stream_id, mid.0));
        if stale || self.waiting.contains_key(&key) {
            return Err(self.duplicate(&held.message));
        }
        self.waiting.insert(key, held);
        Ok(())
    }

    /// `streams` are to be reset once all up to `last_assigned_tsn` has come: what was sent later waits.
    pub(super) fn defer_reset(&mut self, streams: StreamSet, last_assigned_tsn: Tsn) {
        self.deferred_reset = Some(DeferredReset { streams, last_assigned_tsn, held: Vec::new() });
    }

    /// `streams` begin with 0 again: all up to `last_assigned_tsn` has come (RFC 6525, 5.2.2 E3 and E4).
    pub(super) fn reset(&mut self, streams: &StreamSet, last_assigned_tsn: Tsn) -> Result<(), Violation> {
        let mut later = self.deferred_reset.take().map(|deferred| deferred.held).unwrap_or_default();
        for held in self.take_waiting(streams) {
            // What still waits although nothing is missing follows a number that the peer left out.
            if last_assigned_tsn.less_than(held.message.tsn) {
                later.push(held)
            } else {
                self.ready.push_back(held)
            }
        }
        self.next_mids.reset(streams);
        later.into_iter().try_for_each(|held| self.deliver(held))
    }

    /// All streams begin with 0 again; what waits is given to the reader, for nothing that is missing will come
    /// (RFC 6525, 5.2.4 G4 and G5).
    pub(super) fn reset_all(&mut self) {
        let held = self.deferred_reset.take().map(|deferred| deferred.held).unwrap_or_default();
        let waiting = self.take_waiting(&StreamSet::All);
        self.ready.extend(waiting.into_iter().chain(held));
        self.next_mids.reset(&StreamSet::All);
    }

    /// Takes the messages of `streams` that wait for others, in their order.
    fn take_waiting(&mut self, streams: &StreamSet) -> Vec<Held> {
        let taken = self.waiting.extract_if(.., |(stream, _), _| streams.contains(*stream));
        let mut taken: Vec<_> = taken.map(|(_, held)| held).collect();
        let Some(first) = taken.first().map(|held| held.message.tsn) else { return taken };
        taken.sort_by_key(|held| held.message.tsn.distance_from(first).cast_signed());
        taken
    }

    fn duplicate(&self, message: &Message) -> Violation {
        let Message { stream_id, ssn, mid, .. } = *message;
        match self.interleaving {
            true => Violation::DuplicateMid { stream_id, mid },
            false => Violation::DuplicateSsn { stream_id, ssn },
        }
    }

    /// The peer gives up on what is missing up to `mid` (or the SSN in it) in a stream: what waited for it goes to the
    /// reader (RFC 3758, 3.6). A number that was passed already says nothing, nor does a stream that does not exist.
    pub(super) fn skip(&mut self, stream_id: u16, mid: Mid) {
        if !self.has(stream_id) {
            return;
        }
        let next = self.next_mids.get_mut(stream_id);
        let mid = if self.interleaving { mid } else { Ssn::of_mid(mid).to_mid(*next) };
        if mid.less_than(*next) {
            return;
        }
        let first = core::mem::replace(next, mid.next());
        for mids in mid_ranges(first, mid) {
            let keys = (stream_id, *mids.start())..=(stream_id, *mids.end());
            self.ready.extend(self.waiting.extract_if(keys, |_, _| true).map(|(_, held)| held));
        }
        self.deliver_waiting(stream_id);
    }

    /// Whether the turn of this ordered message is over.
    pub(super) fn has_passed(&mut self, head: &Head) -> bool {
        let Head { stream_id, tsn, unordered, mid, .. } = *head;
        let is_later = self.deferred_reset.as_ref().is_some_and(|deferred| deferred.holds(stream_id, tsn));
        !unordered && !is_later && mid.less_than(*self.next_mids.get_mut(stream_id))
    }

    /// What the reader has not taken yet.
    pub(super) fn into_ready(self) -> VecDeque<Held> {
        self.ready
    }

    /// A message that the reader has not taken from the streams before these.
    pub(super) fn keep(&mut self, held: Held) {
        self.ready.push_back(held);
    }

    /// Takes the next message for the reader.
    pub(super) fn read(&mut self) -> Option<Held> {
        let held = self.ready.pop_front();
        if self.ready.is_empty() && self.ready.capacity() > KEPT_CAPACITY {
            self.ready.shrink_to(KEPT_CAPACITY);
        }
        held
    }

    pub(super) fn is_readable(&self) -> bool {
        !self.ready.is_empty()
    }

    fn deliver_waiting(&mut self, stream_id: u16) {
        if self.waiting.is_empty() {
            return;
        }
        let next = self.next_mids.get_mut(stream_id);
        while let Some(held) = self.waiting.remove(&(stream_id, next.0)) {
            *next = next.next();
            self.ready.push_back(held);
        }
    }
}

/// The numbers from `first` to `last`, which may wrap in between, as plain ranges in their order.
pub(super) fn mid_ranges(first: Mid, last: Mid) -> impl Iterator<Item = RangeInclusive<u32>> {
    let wraps = first.0 > last.0;
    let before = if wraps { first.0..=u32::MAX } else { first.0..=last.0 };
    core::iter::once(before).chain(wraps.then_some(0..=last.0))
}
