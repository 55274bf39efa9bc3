//! The order of messages within their streams (RFC 9260, 6.5 and 6.6), and the queue to the reader.
//!
//! A message whose turn it is goes straight to the queue. Streams cost nothing until they are used,
//! then four bytes each in pages: a peer may ask for 65,535 of them.
//!
//! Ordered messages are counted by message identifiers (RFC 8260, 2.1); the SSN of DATA is the lower half of one.

use core::ops::RangeInclusive;
use std::collections::{BTreeMap, VecDeque};

use super::Violation;
use super::account::Charge;
use super::kept::Kept;
use super::run::{Head, Held};
use super::skipped::SkippedUnordered;
use crate::arrival::{Arrival, Arrivals};
use crate::config::FragmentInterleave;
use crate::event::AbortedDelivery;
use crate::message::Message;
use crate::serial::{Mid, Ssn, Tsn};
use crate::steps;
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

    /// RFC 6525, 5.2.2.
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

/// A message that is delivered in pieces, and of which the rest will not come.
#[derive(Debug)]
struct CutOff {
    /// Bytes that went to the queue.
    handed_over: usize,
    /// What of that was still there.
    dropped: Charge,
    /// The queue was searched, from its end on, up to an earlier message with the same number.
    is_found: bool,
}

impl CutOff {
    fn new(handed_over: usize) -> Self {
        Self { handed_over, dropped: Charge::default(), is_found: false }
    }

    /// Whether a piece with its number stays in the queue: those of a message before a reset of the stream do, which
    /// nobody may have begun to read.
    fn spares(&mut self, piece: &Held) -> bool {
        self.is_found |= piece.message.end_of_record;
        if !self.is_found {
            self.dropped.add(piece.charge);
        }
        self.is_found
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
    /// Who numbers what goes to the reader.
    arrivals: Arrivals,
    /// What the reader takes.
    ready: VecDeque<Held>,
    /// Other messages may come between the pieces of one (RFC 6458, 8.1.20, level 2).
    mixes_streams: bool,
    /// The message that is being delivered in pieces, unless others may come between.
    open: Option<MessageKey>,
    /// What waits for its end.
    behind: VecDeque<Held>,
    /// Messages of which the rest will not come.
    aborted: Vec<AbortedDelivery>,
    deferred_reset: Option<DeferredReset>,
    skipped: SkippedUnordered,
    /// Which TSNs went to the reader, where NR-SACKs tell of it.
    kept: Option<Kept>,
}

impl InboundStreams {
    pub(super) fn new(count: u16) -> Self {
        Self {
            count,
            interleaving: false,
            next_mids: NextMids::default(),
            waiting: BTreeMap::new(),
            arrivals: Arrivals::default(),
            ready: VecDeque::new(),
            mixes_streams: false,
            open: None,
            behind: VecDeque::new(),
            aborted: Vec::new(),
            deferred_reset: None,
            skipped: SkippedUnordered::default(),
            kept: None,
        }
    }

    /// Messages come with MIDs, of several streams at the same time.
    pub(super) fn set_interleaving(&mut self) {
        self.interleaving = true;
        self.mixes_streams = true;
    }

    pub(super) fn set_arrivals(&mut self, arrivals: Arrivals) {
        self.arrivals = arrivals;
    }

    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// What may come between the pieces of a message.
    pub(super) fn set_fragment_interleave(&mut self, level: FragmentInterleave) {
        self.mixes_streams = self.interleaving || level == FragmentInterleave::Streams;
        if self.mixes_streams {
            self.set_open(None);
        }
    }

    /// From now on nothing may come between the pieces of this message, or what waited for its end may.
    fn set_open(&mut self, open: Option<MessageKey>) {
        self.open = open;
        if open.is_none() {
            self.ready.append(&mut self.behind);
        }
    }

    /// There are so many streams from now on (RFC 6525, 5.2.5).
    pub(super) fn set_count(&mut self, count: u16) {
        self.count = count;
    }

    /// Whether the stream exists.
    pub(super) fn has(&self, stream_id: u16) -> bool {
        stream_id < self.count
    }

    /// Takes a whole message in: to the reader at once, or to wait for its turn (RFC 9260, 3.3.1, 6.5 and 6.6).
    /// RFC 9260, 1.6.
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
            self.push_ready(held);
            return Ok(());
        }
        let next = self.next_mids.get_mut(stream_id);
        if !self.interleaving {
            held.message.mid = ssn.to_mid(*next);
        }
        let mid = held.message.mid;
        if mid == *next {
            *next = next.next();
            self.push_ready(held);
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
                self.push_ready(held)
            }
        }
        self.next_mids.reset(streams);
        self.skipped.forget(streams);
        later.into_iter().try_for_each(|held| self.deliver(held))
    }

    /// All streams begin with 0 again; what waits is given to the reader, for nothing that is missing will come
    /// (RFC 6525, 5.2.4 G4 and G5).
    pub(super) fn reset_all(&mut self) {
        let held = self.deferred_reset.take().map(|deferred| deferred.held).unwrap_or_default();
        let waiting = self.take_waiting(&StreamSet::All);
        waiting.into_iter().chain(held).for_each(|held| self.push_ready(held));
        self.next_mids.reset(&StreamSet::All);
        self.skipped.forget(&StreamSet::All);
        if let Some(kept) = &mut self.kept {
            kept.clear();
        }
    }

    /// Takes the messages of `streams` that wait for others, in their order.
    fn take_waiting(&mut self, streams: &StreamSet) -> Vec<Held> {
        let mut taken = Vec::new();
        match streams {
            StreamSet::All => taken.extend(core::mem::take(&mut self.waiting).into_values()),
            StreamSet::Listed(streams) => {
                for &stream in streams {
                    let of_stream = (stream, 0)..=(stream, u32::MAX);
                    let of_stream = self.waiting.extract_if(of_stream, |_, _| true);
                    taken.extend(of_stream.inspect(|_| steps::count(1)).map(|(_, held)| held));
                }
            }
        }
        let Some(first) = taken.first().map(|held| held.message.tsn) else { return taken };
        taken.sort_by_key(|held| held.message.tsn.distance_from(first).cast_signed());
        taken
    }

    /// For the reader, but not between the pieces of another message unless that is wanted.
    #[inline]
    fn push_ready(&mut self, mut held: Held) {
        held.arrival = self.arrivals.next();
        if self.open.is_some() {
            // It is sure to reach the reader only once the other one is at its end.
            self.behind.push_back(held);
            return;
        }
        if let (Some(kept), Some(last)) = (&mut self.kept, held.last_tsn) {
            kept.note(held.message.tsn, last);
        }
        self.ready.push_back(held);
    }

    /// The number of the next ordered message of a stream.
    pub(super) fn next_mid(&mut self, stream_id: u16) -> Mid {
        *self.next_mids.get_mut(stream_id)
    }

    /// Whether nothing of its stream is before this message, so that its pieces may be read as they come.
    pub(super) fn is_next(&mut self, head: &Head) -> bool {
        let deferred = |deferred: &DeferredReset| deferred.holds(head.stream_id, head.tsn);
        let is_held = self.deferred_reset.as_ref().is_some_and(deferred);
        !is_held && (head.unordered || self.mid_of(head) == *self.next_mids.get_mut(head.stream_id))
    }

    /// The number of a message, all of it.
    fn mid_of(&mut self, head: &Head) -> Mid {
        match self.interleaving || head.unordered {
            true => head.mid,
            false => Ssn::of_mid(head.mid).to_mid(*self.next_mids.get_mut(head.stream_id)),
        }
    }

    /// Takes a piece of a message whose turn it [is](Self::is_next): to the reader, together with those before it that
    /// were not read.
    pub(super) fn deliver_piece(&mut self, mut held: Held) {
        let Message { stream_id, ssn, unordered, end_of_record, .. } = held.message;
        if !self.interleaving && !unordered {
            held.message.mid = ssn.to_mid(*self.next_mids.get_mut(stream_id));
        }
        let key = key_of(&held.message);
        let goes_on =
            |last: &&mut Held| last.is_piece && !last.message.end_of_record && key_of(&last.message) == key;
        match self.ready.back_mut().filter(goes_on) {
            Some(last) => last.append(held),
            None => {
                held.arrival = self.arrivals.next();
                self.ready.push_back(held);
            }
        }
        self.set_open((!end_of_record && !self.mixes_streams).then_some(key));
        if end_of_record && !unordered {
            let next = self.next_mids.get_mut(stream_id);
            *next = next.next();
            self.deliver_waiting(stream_id);
        }
    }

    /// The rest of these messages, which are being delivered in pieces, will not come. Pieces that were not read are
    /// dropped: what they cost. If all that was `handed_over` of a message was among them the reader need not know.
    /// RFC 3758, 3.6.
    pub(super) fn abort(&mut self, open: Vec<(Head, usize)>) -> Charge {
        let mut cut_off: BTreeMap<MessageKey, CutOff> = open
            .into_iter()
            .map(|(head, handed_over)| (self.key_of_head(&head), CutOff::new(handed_over)))
            .collect();
        let stays = |held: &Held| {
            let cut_off = cut_off.get_mut(&key_of(&held.message)).filter(|_| held.is_piece);
            cut_off.is_none_or(|cut_off| cut_off.spares(held))
        };
        let mut stay: Vec<_> = self.ready.iter().rev().map(stays).collect();
        self.ready.retain(|_| stay.pop().unwrap_or(true));
        self.set_open(self.open.filter(|open| !cut_off.contains_key(open)));
        let mut dropped = Charge::default();
        for ((stream_id, unordered, mid), message) in cut_off {
            if message.dropped.payload() < message.handed_over {
                self.aborted.push(AbortedDelivery { stream_id, unordered, mid: Mid(mid) });
            }
            dropped.add(message.dropped);
        }
        dropped
    }

    fn key_of_head(&mut self, head: &Head) -> MessageKey {
        (head.stream_id, head.unordered, self.mid_of(head).0)
    }

    /// A message of which the rest will not come; each is told once.
    pub(super) fn take_aborted(&mut self) -> Option<AbortedDelivery> {
        self.aborted.pop()
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
            let reached: Vec<_> = self.waiting.extract_if(keys, |_, _| true).map(|(_, held)| held).collect();
            reached.into_iter().for_each(|held| self.push_ready(held));
        }
        self.deliver_waiting(stream_id);
    }

    /// The same of the unordered messages; the cumulative TSN is now this one. Whole ones wait for nothing.
    pub(super) fn skip_unordered(&mut self, stream_id: u16, mid: Mid, cumulative: Tsn) {
        if self.has(stream_id) {
            self.skipped.note(stream_id, mid, cumulative);
        }
    }

    /// Whether the turn of this message is over, or it was skipped.
    pub(super) fn has_passed(&mut self, head: &Head, cumulative: Tsn) -> bool {
        let Head { stream_id, tsn, unordered, mid, .. } = *head;
        let is_later = self.deferred_reset.as_ref().is_some_and(|deferred| deferred.holds(stream_id, tsn));
        match unordered {
            _ if is_later => false,
            true => self.skipped.holds(head, cumulative),
            false => mid.less_than(*self.next_mids.get_mut(stream_id)),
        }
    }

    /// What the reader has not taken yet, and what it is to be told.
    pub(super) fn into_ready(self) -> (VecDeque<Held>, Vec<AbortedDelivery>) {
        (self.ready, self.aborted)
    }

    /// A message that the reader has not taken from the streams before these.
    pub(super) fn keep(&mut self, held: Held) {
        self.ready.push_back(held);
    }

    /// What the reader was not told yet by the streams before these.
    pub(super) fn keep_aborted(&mut self, aborted: Vec<AbortedDelivery>) {
        self.aborted = aborted;
    }

    /// Takes the next message for the reader.
    pub(super) fn read(&mut self) -> Option<Held> {
        let held = self.ready.pop_front();
        if self.ready.is_empty() && self.ready.capacity() > KEPT_CAPACITY {
            self.ready.shrink_to(KEPT_CAPACITY);
        }
        held
    }

    pub(super) fn next_arrival(&self) -> Option<Arrival> {
        self.ready.front().map(|held| held.arrival)
    }

    /// From now on it is noted which TSNs went to the reader.
    pub(super) fn note_kept(&mut self) {
        self.kept = Some(Kept::default());
    }

    /// What was noted of that.
    pub(super) fn kept_mut(&mut self) -> Option<&mut Kept> {
        self.kept.as_mut()
    }

    fn deliver_waiting(&mut self, stream_id: u16) {
        if self.waiting.is_empty() {
            return;
        }
        let mut next = *self.next_mids.get_mut(stream_id);
        while let Some(held) = self.waiting.remove(&(stream_id, next.0)) {
            next = next.next();
            *self.next_mids.get_mut(stream_id) = next;
            self.push_ready(held);
        }
    }
}

/// The numbers from `first` to `last`, which may wrap in between, as plain ranges in their order.
pub(super) fn mid_ranges(first: Mid, last: Mid) -> impl Iterator<Item = RangeInclusive<u32>> {
    let wraps = first.0 > last.0;
    let before = if wraps { first.0..=u32::MAX } else { first.0..=last.0 };
    core::iter::once(before).chain(wraps.then_some(0..=last.0))
}

/// Names a message: stream, unordered, number. The order of keys means nothing.
type MessageKey = (u16, bool, u32);

fn key_of(message: &Message) -> MessageKey {
    (message.stream_id, message.unordered, message.mid.0)
}
