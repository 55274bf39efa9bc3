//! What is still to be made into chunks: for each stream the rest of the message that is being cut, and a queue of
//! those behind it. The [scheduler](super::scheduler) picks the stream whose turn it is.

use super::message::{Limit, OutgoingMessage, SentMessage};
use super::outstanding::KEPT_CAPACITY;
use super::scheduler::Scheduler;
use super::waiting::Waiting;
use crate::auth::HeldKey;
use crate::config::AssociationConfig;
use crate::path::PathId;
use crate::serial::{Fsn, Mid};
use crate::steps;
use crate::stream_set::StreamSet;
use crate::time::Time;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// All messages that wait.
#[derive(Debug)]
pub(super) struct SendQueue {
    streams: FxHashMap<u16, Stream>,
    scheduler: Scheduler,
    /// Kept, because it is asked for several times for each packet; see [`choose`](Self::choose).
    turn: Option<Turn>,
    interleaving: bool,
    waiting: Waiting,
    next_number: u64,
    /// Streams with a message that is partly cut.
    partials: usize,
    /// Streams with a message that is handed over in pieces, and whose end is missing.
    records: usize,
    /// Messages that are held back until their streams are numbered anew (RFC 6525, 5.1.2 A1).
    pause: Option<Pause>,
}

/// Streams whose messages from a number on do not leave.
#[derive(Debug)]
struct Pause {
    streams: StreamSet,
    from: u64,
    /// Those of which something from before may still be there: such a stream never comes back to this list.
    busy: Vec<u16>,
}

impl Pause {
    fn holds(&self, stream_id: u16, number: u64) -> bool {
        number >= self.from && self.streams.contains(stream_id)
    }
}

/// One stream. The front of its queue is never a message that was given up.
#[derive(Debug, Default)]
struct Stream {
    /// The message that is being cut.
    partial: Option<Partial>,
    queue: VecDeque<Entry>,
    /// Entries in `queue` that were given up.
    given_up: usize,
    next_mids: NextMids,
    /// The message that is handed over in pieces, while its end is missing.
    record: Option<Record>,
    /// Something of a message was cut, but not yet its end.
    within_message: bool,
    /// Identifier of the message that was cut last.
    mid: Mid,
    /// Number of its next fragment.
    next_fsn: Fsn,
}

/// A message that is handed over in pieces (explicit EOR; RFC 6458, 8.1.26).
#[derive(Clone, Debug)]
struct Record {
    /// Number of the first piece.
    first: u64,
    /// What was said with it.
    ppid: u32,
    unordered: bool,
    key: Option<HeldKey>,
    /// Bytes so far.
    len: usize,
}

/// A stream counts its ordered and its unordered messages apart (RFC 8260, 2.1).
#[derive(Clone, Copy, Debug, Default)]
struct NextMids {
    ordered: Mid,
    unordered: Mid,
}

/// A message of which some is cut, and some is not.
#[derive(Clone, Copy, Debug)]
struct Partial {
    number: u64,
    /// Its place among the messages sent.
    slot: u32,
    uncut: usize,
    /// Further pieces of the message follow.
    more: bool,
    /// Its own shared key.
    key: Option<u16>,
}

/// What is to be cut next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    stream_id: u16,
    number: u64,
    /// Its place among the messages sent, if some of it was cut before.
    pub(super) slot: Option<u32>,
    /// Bytes that are in no chunk yet.
    pub(super) uncut: usize,
    /// Further pieces of the message follow.
    more: bool,
    /// The shared key that the message has of its own.
    pub(super) key: Option<u16>,
}

#[derive(Debug)]
struct Entry {
    /// Messages are numbered as they arrive, over all streams.
    number: u64,
    /// `None`: given up.
    message: Option<OutgoingMessage>,
}

impl Stream {
    /// Number of the first message that is not wholly cut.
    fn first(&self) -> Option<u64> {
        let partial = self.partial.map(|partial| partial.number);
        partial.or_else(|| self.queue.front().map(|entry| entry.number))
    }

    /// Number of its first message, if it is not held back; the rest of one never is.
    fn ready(&self, stream_id: u16, pause: Option<&Pause>) -> Option<u64> {
        let is_held = |first| pause.is_some_and(|pause| pause.holds(stream_id, first));
        self.first().filter(|&first| self.within_message || !is_held(first))
    }

    /// Whether something of it that came before its pause is not cut yet.
    fn waits_before(&self, pause_from: u64) -> bool {
        let record = self.record.as_ref().map(|record| record.first);
        self.within_message || self.first().or(record).is_some_and(|first| first < pause_from)
    }

    fn number_message(&mut self, unordered: bool) -> Mid {
        let next = if unordered { &mut self.next_mids.unordered } else { &mut self.next_mids.ordered };
        let mid = *next;
        *next = mid.next();
        mid
    }

    /// What is to be cut next of it: one message at a time (RFC 8260, 2.2.2).
    fn turn(&self, stream_id: u16) -> Option<Turn> {
        if let Some(Partial { number, slot, uncut, more, key }) = self.partial {
            return Some(Turn { stream_id, number, slot: Some(slot), uncut, more, key });
        }
        let Entry { number, message } = self.queue.front()?;
        let message = message.as_ref()?;
        let (uncut, more, key) = (message.payload.len(), message.options.more, message.key_id());
        Some(Turn { stream_id, number: *number, slot: None, uncut, more, key })
    }

    /// Takes its first message, of which nothing was cut, with the identifier that it gets (RFC 9260, 6.5; RFC 8260, 2.1).
    fn begin(&mut self) -> Option<SentMessage> {
        let Entry { number, message } = self.queue.pop_front()?;
        let message = message?;
        if !message.options.continues {
            self.mid = self.number_message(message.options.unordered);
            self.next_fsn = Fsn(0);
        }
        self.tidy();
        Some(SentMessage::new(number, message, self.mid))
    }

    fn get(&self, number: u64) -> Option<&OutgoingMessage> {
        let index = self.queue.binary_search_by_key(&number, |entry| entry.number).ok()?;
        self.queue.get(index)?.message.as_ref()
    }

    /// Takes the message out of its place in the queue.
    fn give_up(&mut self, number: u64) -> Option<OutgoingMessage> {
        let index = self.queue.binary_search_by_key(&number, |entry| entry.number).ok()?;
        let message = self.queue.get_mut(index)?.message.take()?;
        self.given_up += 1;
        Some(message)
    }

    /// Drops what was given up: at the front at once, elsewhere when it is most of the queue, which
    /// keeps both the queue's length and the work for each message bounded.
    fn tidy(&mut self) {
        while self.given_up > 0 && self.queue.pop_front_if(|entry| entry.message.is_none()).is_some() {
            self.given_up -= 1;
        }
        if self.given_up > self.queue.len() / 2 {
            self.queue.retain(|entry| entry.message.is_some());
            self.given_up = 0;
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT_CAPACITY {
            self.queue.shrink_to(KEPT_CAPACITY);
        }
    }
}

impl SendQueue {
    pub(super) fn new(config: &AssociationConfig) -> Self {
        Self {
            streams: FxHashMap::default(),
            scheduler: Scheduler::new(config.scheduler, &config.stream_values),
            turn: None,
            interleaving: false,
            waiting: Waiting::default(),
            next_number: 0,
            partials: 0,
            records: 0,
            pause: None,
        }
    }

    /// Messages are to be interleaved, or not: agreed on with the peer before anything is sent.
    pub(super) fn set_interleaving(&mut self, interleaving: bool) {
        self.interleaving = interleaving;
        self.scheduler.set_interleaving(interleaving);
        let entries = self.streams.values().flat_map(|stream| &stream.queue);
        self.waiting.set_interleaving(interleaving, entries.filter_map(|entry| entry.message.as_ref()));
    }

    /// Changes the scheduler, or what it knows of the streams.
    pub(super) fn set_scheduler(&mut self, config: &AssociationConfig) {
        if self.scheduler.is(config.scheduler, &config.stream_values) {
            return;
        }
        let active = self.active();
        self.scheduler.change(config.scheduler, &config.stream_values, active);
        self.choose();
    }

    /// Streams that have something to send, and the numbers of their first messages.
    fn active(&self) -> Vec<(u64, u16)> {
        let streams = self.streams.iter();
        streams.filter_map(|(&id, stream)| Some((stream.ready(id, self.pause.as_ref())?, id))).collect()
    }

    /// Whether all is cut.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.len() == 0 && self.partials == 0
    }

    /// Messages of which nothing was cut yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that these messages will take in packets, if each goes into one chunk.
    pub(super) fn chunk_bytes(&self) -> usize {
        self.waiting.chunk_bytes()
    }

    /// When the next lifetime is over.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.waiting.next_expiry()
    }

    pub(super) fn push(&mut self, mut message: OutgoingMessage) {
        let number = self.next_number;
        self.next_number += 1;
        let stream_id = message.options.stream_id;
        self.enter_record(number, &mut message);
        self.waiting.enter(number, &message);
        let stream = self.streams.entry(stream_id).or_default();
        let was_waiting = stream.first().is_some();
        stream.queue.push_back(Entry { number, message: Some(message) });
        if !was_waiting && stream.ready(stream_id, self.pause.as_ref()).is_some() {
            self.scheduler.activate(stream_id, number);
            self.choose();
        }
    }

    /// Notes how far a message has come that is handed over in pieces; the first one says what holds for all.
    fn enter_record(&mut self, number: u64, message: &mut OutgoingMessage) {
        let more = message.options.more;
        if self.records == 0 && !more {
            return;
        }
        let stream = self.streams.entry(message.options.stream_id).or_default();
        let before = stream.record.take();
        if before.is_none() && !more {
            return;
        }
        message.limit = Limit::None;
        let OutgoingMessage { options, key, payload, .. } = message;
        options.continues = before.is_some();
        let mut record = before.unwrap_or_else(|| Record {
            first: number,
            ppid: options.ppid,
            unordered: options.unordered,
            key: key.clone(),
            len: 0,
        });
        (options.ppid, options.unordered) = (record.ppid, record.unordered);
        key.clone_from(&record.key);
        record.len += payload.len();
        stream.record = more.then_some(record);
        self.records -= usize::from(options.continues);
        self.records += usize::from(more);
    }

    /// Bytes of the message that is being handed over in pieces on a stream.
    pub(super) fn record_len(&self, stream_id: u16) -> usize {
        if self.records == 0 {
            return 0;
        }
        let record = self.streams.get(&stream_id).and_then(|stream| stream.record.as_ref());
        record.map_or(0, |record| record.len)
    }

    /// Whether the end of a message is missing that is handed over in pieces.
    pub(super) fn has_open_record(&self) -> bool {
        self.records > 0
    }

    /// What is to be cut next.
    pub(super) fn turn(&self) -> Option<Turn> {
        self.turn
    }

    /// The path that the message whose turn it is was given, if nothing of it was cut.
    pub(super) fn path_of_next(&self) -> Option<PathId> {
        let Turn { stream_id, number, .. } = self.turn?;
        self.streams.get(&stream_id)?.get(number)?.options.path
    }

    /// To be called after anything that may have changed whose turn it is, or what its stream has.
    fn choose(&mut self) {
        self.turn = self.find_turn();
    }

    fn find_turn(&self) -> Option<Turn> {
        let stream_id = self.scheduler.next()?;
        self.streams.get(&stream_id)?.turn(stream_id)
    }

    /// Cuts `len` bytes of the message whose turn it is. One of which nothing was cut goes to `begin`, which finds a place
    /// for it among the messages sent. That place, and the fragment's number.
    pub(super) fn cut(&mut self, len: usize, begin: impl FnOnce(SentMessage) -> u32) -> Option<(u32, Fsn)> {
        let Turn { stream_id, number, slot, uncut, more, key } = self.turn?;
        let stream = self.streams.get_mut(&stream_id)?;
        let slot = match slot {
            Some(slot) => slot,
            None => {
                let message = stream.begin()?;
                self.waiting.leave(number, &message.message);
                begin(message)
            }
        };
        let fsn = stream.next_fsn;
        stream.next_fsn = fsn.next();
        let uncut = uncut.saturating_sub(len);
        self.partials -= usize::from(stream.partial.is_some());
        self.partials += usize::from(uncut > 0);
        stream.partial = (uncut > 0).then_some(Partial { number, slot, uncut, more, key });
        let is_end = uncut == 0 && !more;
        stream.within_message = !is_end;
        self.scheduler.served(len, is_end, stream.ready(stream_id, self.pause.as_ref()));
        match self.scheduler.next() {
            Some(next) if next == stream_id => self.turn = stream.turn(stream_id),
            _ => self.choose(),
        }
        Some((slot, fsn))
    }

    /// A packet with new chunks is complete.
    pub(super) fn end_packet(&mut self) {
        if self.scheduler.end_packet() {
            self.choose();
        }
    }

    /// Whether the packet in work is to take no further chunk (RFC 8260, 3.3).
    pub(super) fn packet_is_full(&self) -> bool {
        self.scheduler.packet_is_full()
    }

    /// Whether chunks of different streams are not to share a packet (RFC 8260, 3.3).
    pub(super) fn keeps_streams_apart(&self) -> bool {
        self.scheduler.keeps_streams_apart()
    }

    /// Takes all messages of which nothing was cut, in the order of their arrival.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = OutgoingMessage> + use<> {
        let streams = core::mem::take(&mut self.streams);
        let mut entries: Vec<_> = streams.into_values().flat_map(|stream| stream.queue).collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        self.scheduler.clear();
        self.turn = None;
        self.waiting.clear();
        self.pause = None;
        (self.partials, self.records) = (0, 0);
        entries.into_iter().filter_map(|entry| entry.message)
    }

    /// Takes a message whose lifetime is over at `now`.
    pub(super) fn pop_expired(&mut self, now: Time) -> Option<OutgoingMessage> {
        let (number, stream_id) = self.waiting.expired(now)?;
        self.remove(stream_id, number)
    }

    /// Bytes of send buffer that each message of a priority below `priority` takes, the lowest first.
    pub(super) fn costs_below(&self, priority: Option<u32>) -> impl Iterator<Item = usize> {
        let below = self.waiting.below(priority);
        below
            .filter_map(|(number, stream_id)| self.streams.get(&stream_id)?.get(number))
            .map(OutgoingMessage::cost)
    }

    /// Takes the message of the lowest priority, if that is below `priority`.
    pub(super) fn pop_below(&mut self, priority: Option<u32>) -> Option<OutgoingMessage> {
        let (number, stream_id) = self.waiting.below(priority).next()?;
        self.remove(stream_id, number)
    }

    /// The message at `slot` among those sent was given up: its rest is not to be cut.
    pub(super) fn abandon_partial(&mut self, stream_id: u16, slot: u32) {
        let Some(stream) = self.streams.get_mut(&stream_id) else { return };
        if stream.partial.take_if(|partial| partial.slot == slot).is_none() {
            return;
        }
        stream.within_message = false;
        self.partials -= 1;
        self.scheduler.deactivate(stream_id);
        if let Some(first) = stream.ready(stream_id, self.pause.as_ref()) {
            self.scheduler.activate(stream_id, first);
        }
        self.choose();
    }

    /// Takes the messages of streams that do not exist when there are `streams` of them.
    pub(super) fn take_without_stream(&mut self, streams: u16) -> Vec<OutgoingMessage> {
        let without = self.streams.iter().filter(|&(&id, stream)| id >= streams && !stream.queue.is_empty());
        let mut without: Vec<_> = without.map(|(&id, _)| id).collect();
        without.sort_unstable();
        let taken: Vec<_> = without.into_iter().flat_map(|id| self.take_queue(id)).collect();
        if !taken.is_empty() {
            let active = self.active();
            self.scheduler.restart(active);
            self.choose();
        }
        taken
    }

    /// Takes the messages of a stream of which nothing was cut. The scheduler does not know yet.
    fn take_queue(&mut self, stream_id: u16) -> Vec<OutgoingMessage> {
        let Some(stream) = self.streams.get_mut(&stream_id) else { return Vec::new() };
        if !stream.within_message {
            self.records -= usize::from(stream.record.take().is_some());
        }
        stream.given_up = 0;
        let queue = core::mem::take(&mut stream.queue);
        let messages = queue.into_iter().filter_map(|Entry { number, message }| Some((number, message?)));
        let messages = messages.inspect(|(number, message)| self.waiting.leave(*number, message));
        messages.map(|(_, message)| message).collect()
    }

    fn remove(&mut self, stream_id: u16, number: u64) -> Option<OutgoingMessage> {
        let stream = self.streams.get_mut(&stream_id)?;
        let before = stream.ready(stream_id, self.pause.as_ref());
        let message = stream.give_up(number)?;
        stream.tidy();
        let after = stream.ready(stream_id, self.pause.as_ref());
        if after != before {
            self.scheduler.deactivate(stream_id);
            if let Some(first) = after {
                self.scheduler.activate(stream_id, first);
            }
            self.choose();
        }
        self.waiting.leave(number, &message);
        Some(message)
    }

    /// Holds back what comes from now on for `streams`; what waits already still leaves.
    pub(super) fn pause(&mut self, streams: StreamSet) {
        self.pause_from(streams, self.next_number);
    }

    fn pause_from(&mut self, streams: StreamSet, from: u64) {
        let busy =
            self.streams.iter().filter(|(id, stream)| stream.waits_before(from) && streams.contains(**id));
        let busy = busy.map(|(&id, _)| id).collect();
        self.pause = Some(Pause { streams, from, busy });
    }

    /// Holds back all messages, also those that wait, but not the rest of one that is partly cut.
    pub(super) fn pause_all_now(&mut self) {
        self.pause_from(StreamSet::All, 0);
        let active = self.active();
        self.scheduler.restart(active);
        self.choose();
    }

    /// The streams that are paused.
    pub(super) fn paused(&self) -> Option<&StreamSet> {
        self.pause.as_ref().map(|pause| &pause.streams)
    }

    /// Whether messages wait that came before their stream was paused.
    pub(super) fn waits_before_pause(&mut self) -> bool {
        let Some(Pause { from, busy, .. }) = &mut self.pause else { return false };
        let waits = |id: &u16| self.streams.get(id).is_some_and(|stream| stream.waits_before(*from));
        while let Some(last) = busy.last() {
            steps::count(1);
            if waits(last) {
                return true;
            }
            busy.pop();
        }
        false
    }

    /// What was held back may leave.
    pub(super) fn resume(&mut self) {
        let Some(pause) = self.pause.take() else { return };
        for (&id, stream) in &self.streams {
            let first = stream.first().filter(|&first| !stream.within_message && pause.holds(id, first));
            if let Some(first) = first {
                self.scheduler.activate(id, first);
            }
        }
        self.choose();
    }

    /// Numbers the messages of `streams` from 0 on again, ordered and unordered ones (RFC 8260, 2.3.2).
    pub(super) fn reset(&mut self, streams: &StreamSet) {
        let affected = self.streams.iter_mut().filter(|(id, _)| streams.contains(**id));
        affected.for_each(|(_, stream)| stream.next_mids = NextMids::default());
    }

    /// Whether the next message of each of `streams` is its first one.
    pub(super) fn is_at_start(&self, streams: &StreamSet) -> bool {
        let counts_unordered = self.interleaving;
        let is_at_start = |NextMids { ordered, unordered }: NextMids| {
            ordered == Mid(0) && (unordered == Mid(0) || !counts_unordered)
        };
        self.streams.iter().all(|(&id, stream)| is_at_start(stream.next_mids) || !streams.contains(id))
    }

    /// Panics unless the turn that is kept is the one that there is.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check(&self) {
        assert_eq!(self.turn, self.find_turn(), "whose turn it is");
        self.scheduler.check(self.active().len());
    }

    /// Bytes of send buffer that the messages take, counted one by one.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn counted_cost(&self) -> usize {
        let entries = self.streams.values().flat_map(|stream| &stream.queue);
        entries.filter_map(|entry| entry.message.as_ref()).map(OutgoingMessage::cost).sum()
    }
}

#[cfg(test)]
mod tests;
