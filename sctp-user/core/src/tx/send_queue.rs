//! Messages of which nothing was sent yet: a queue for each stream, and the scheduler that picks the
//! stream whose turn it is.

use super::message::{DATA_CHUNK_HEADER_LEN, OutgoingMessage};
use super::outstanding::KEPT_CAPACITY;
use crate::serial::Ssn;
use crate::stream_set::StreamSet;
use crate::time::Time;
use core::cmp::Reverse;
use rustc_hash::FxHashMap;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

/// All messages that wait.
#[derive(Debug)]
pub(super) struct SendQueue {
    streams: FxHashMap<u16, Stream>,
    scheduler: Scheduler,
    /// Messages with a lifetime: when it is over, number, stream.
    lifetimes: BTreeSet<(Time, u64, u16)>,
    next_number: u64,
    messages: usize,
    chunk_bytes: usize,
    /// Messages that are held back until their streams are numbered anew (RFC 6525, 5.1.2 A1).
    pause: Option<Pause>,
}

/// Streams whose messages from a number on do not leave.
#[derive(Debug)]
struct Pause {
    streams: StreamSet,
    from: u64,
}

impl Pause {
    fn holds(&self, stream_id: u16, number: u64) -> bool {
        number >= self.from && self.streams.contains(stream_id)
    }
}

/// One stream's queue. Its front is never a message that was given up.
#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<Entry>,
    /// Entries in `queue` that were given up.
    given_up: usize,
    next_ssn: Ssn,
}

#[derive(Debug)]
struct Entry {
    /// Messages are numbered as they arrive, over all streams.
    number: u64,
    /// `None`: given up.
    message: Option<OutgoingMessage>,
}

/// Decides between the streams that have something to send. It knows each by its first message's
/// number; another discipline (RFC 8260, 3) is another variant.
#[derive(Debug)]
enum Scheduler {
    /// Messages leave in the order in which they came, whatever their stream (RFC 8260, 3.1).
    FirstComeFirstServed(BinaryHeap<Reverse<(u64, u16)>>),
}

impl Scheduler {
    /// `stream_id` has a new first message.
    fn activate(&mut self, stream_id: u16, first: u64) {
        match self {
            Self::FirstComeFirstServed(heads) => heads.push(Reverse((first, stream_id))),
        }
    }

    /// The stream has no message any longer, or another first one. Rare: only lost messages leave
    /// out of turn.
    fn deactivate(&mut self, stream_id: u16) {
        match self {
            Self::FirstComeFirstServed(heads) => heads.retain(|Reverse((_, id))| *id != stream_id),
        }
    }

    /// No stream has anything to send any longer.
    fn clear(&mut self) {
        match self {
            Self::FirstComeFirstServed(heads) => heads.clear(),
        }
    }

    /// The stream whose turn it is has sent its first message; `next` is the one behind it.
    fn advance(&mut self, next: Option<u64>) {
        match self {
            Self::FirstComeFirstServed(heads) => match (heads.peek_mut(), next) {
                (Some(mut head), Some(next)) => head.0.0 = next,
                (Some(head), None) => _ = PeekMut::pop(head),
                (None, _) => {}
            },
        }
    }

    /// The stream whose turn it is.
    fn next(&self) -> Option<u16> {
        match self {
            Self::FirstComeFirstServed(heads) => heads.peek().map(|&Reverse((_, stream_id))| stream_id),
        }
    }
}

impl Stream {
    fn first(&self) -> Option<u64> {
        self.queue.front().map(|entry| entry.number)
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
        while self.queue.front().is_some_and(|entry| entry.message.is_none()) {
            self.queue.pop_front();
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
    pub(super) fn new() -> Self {
        Self {
            streams: FxHashMap::default(),
            scheduler: Scheduler::FirstComeFirstServed(BinaryHeap::new()),
            lifetimes: BTreeSet::new(),
            next_number: 0,
            messages: 0,
            chunk_bytes: 0,
            pause: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.messages
    }

    /// Bytes that the messages will take in packets, if each goes into one chunk.
    pub(super) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// When the next lifetime is over.
    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.lifetimes.first().map(|&(expires, ..)| expires)
    }

    pub(super) fn push(&mut self, message: OutgoingMessage) {
        let number = self.next_number;
        self.next_number += 1;
        let stream_id = message.options.stream_id;
        if let Some(expires) = message.expires {
            self.lifetimes.insert((expires, number, stream_id));
        }
        self.messages += 1;
        self.chunk_bytes += chunk_len(&message);
        let held = self.holds(stream_id, number);
        let stream = self.streams.entry(stream_id).or_default();
        if stream.queue.is_empty() && !held {
            self.scheduler.activate(stream_id, number);
        }
        stream.queue.push_back(Entry { number, message: Some(message) });
    }

    /// The message whose turn it is.
    pub(super) fn peek(&self) -> Option<&OutgoingMessage> {
        self.streams.get(&self.scheduler.next()?)?.queue.front()?.message.as_ref()
    }

    /// Takes the message whose turn it is, with the stream sequence number that it gets (6.5).
    pub(super) fn pop(&mut self) -> Option<(OutgoingMessage, Ssn)> {
        let stream_id = self.scheduler.next()?;
        let stream = self.streams.get_mut(&stream_id)?;
        let Entry { number, message } = stream.queue.pop_front()?;
        let message = message?;
        let ssn = stream.next_ssn;
        if !message.options.unordered {
            stream.next_ssn = ssn.next();
        }
        stream.tidy();
        let next = stream.first();
        self.scheduler.advance(next.filter(|&next| !self.holds(stream_id, next)));
        self.discount(number, &message);
        Some((message, ssn))
    }

    /// Takes a message whose lifetime is over at `now`.
    pub(super) fn pop_expired(&mut self, now: Time) -> Option<OutgoingMessage> {
        let &(expires, number, stream_id) = self.lifetimes.first()?;
        if expires > now {
            return None;
        }
        self.remove(stream_id, number)
    }

    /// Takes a message of a stream that does not exist when there are `streams` of them.
    pub(super) fn pop_without_stream(&mut self, streams: u16) -> Option<OutgoingMessage> {
        let ids = self.streams.iter().filter(|(_, stream)| !stream.queue.is_empty());
        let stream_id = ids.map(|(&id, _)| id).filter(|&id| id >= streams).min()?;
        let number = self.streams.get(&stream_id)?.first()?;
        self.remove(stream_id, number)
    }

    fn remove(&mut self, stream_id: u16, number: u64) -> Option<OutgoingMessage> {
        let stream = self.streams.get_mut(&stream_id)?;
        let first = stream.first()?;
        let message = stream.give_up(number)?;
        stream.tidy();
        let new_first = stream.first();
        if new_first != Some(first) {
            self.scheduler.deactivate(stream_id);
            if let Some(new_first) = new_first.filter(|&new_first| !self.holds(stream_id, new_first)) {
                self.scheduler.activate(stream_id, new_first);
            }
        }
        self.discount(number, &message);
        Some(message)
    }

    /// A message has left its stream's queue.
    fn discount(&mut self, number: u64, message: &OutgoingMessage) {
        if let Some(expires) = message.expires {
            self.lifetimes.remove(&(expires, number, message.options.stream_id));
        }
        self.messages -= 1;
        self.chunk_bytes -= chunk_len(message);
    }

    fn holds(&self, stream_id: u16, number: u64) -> bool {
        self.pause.as_ref().is_some_and(|pause| pause.holds(stream_id, number))
    }

    /// Holds back what comes from now on for `streams`; what waits already still leaves.
    pub(super) fn pause(&mut self, streams: StreamSet) {
        self.pause = Some(Pause { streams, from: self.next_number });
    }

    /// Holds back all messages, also those that wait.
    pub(super) fn pause_all_now(&mut self) {
        self.scheduler.clear();
        self.pause = Some(Pause { streams: StreamSet::All, from: 0 });
    }

    /// The streams that are paused.
    pub(super) fn paused(&self) -> Option<&StreamSet> {
        self.pause.as_ref().map(|pause| &pause.streams)
    }

    /// Whether messages wait that came before their stream was paused.
    pub(super) fn waits_before_pause(&self) -> bool {
        let Some(pause) = &self.pause else { return false };
        let before = |stream: &Stream| stream.first().is_some_and(|first| first < pause.from);
        self.streams.iter().any(|(&id, stream)| before(stream) && pause.streams.contains(id))
    }

    /// What was held back may leave.
    pub(super) fn resume(&mut self) {
        let Some(pause) = self.pause.take() else { return };
        for (&id, stream) in &self.streams {
            if let Some(first) = stream.first().filter(|&first| pause.holds(id, first)) {
                self.scheduler.activate(id, first);
            }
        }
    }

    /// Numbers the messages of `streams` from 0 on again.
    pub(super) fn reset(&mut self, streams: &StreamSet) {
        let affected = self.streams.iter_mut().filter(|(id, _)| streams.contains(**id));
        affected.for_each(|(_, stream)| stream.next_ssn = Ssn(0));
    }

    /// Whether the next message of each of `streams` is its first one.
    pub(super) fn is_at_start(&self, streams: &StreamSet) -> bool {
        self.streams.iter().all(|(&id, stream)| stream.next_ssn == Ssn(0) || !streams.contains(id))
    }

    /// Bytes of send buffer that the messages take, counted one by one.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn counted_cost(&self) -> usize {
        let entries = self.streams.values().flat_map(|stream| &stream.queue);
        entries.filter_map(|entry| entry.message.as_ref()).map(OutgoingMessage::cost).sum()
    }
}

fn chunk_len(message: &OutgoingMessage) -> usize {
    (DATA_CHUNK_HEADER_LEN + message.payload.len()).next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::SendOptions;

    fn message(stream_id: u16, context: u32, expires: Option<u64>) -> OutgoingMessage {
        OutgoingMessage {
            options: SendOptions { stream_id, context, ..SendOptions::default() },
            expires: expires.map(Time::from_millis),
            payload: b"x".as_slice().into(),
        }
    }

    fn contexts(queue: &mut SendQueue) -> Vec<u32> {
        core::iter::from_fn(|| queue.pop()).map(|(message, _)| message.options.context).collect()
    }

    #[test]
    fn messages_leave_in_the_order_of_arrival_over_all_streams() {
        let mut queue = SendQueue::new();
        for (context, stream_id) in (0..).zip([5, 1, 5, 9, 1]) {
            queue.push(message(stream_id, context, None));
        }
        assert_eq!(contexts(&mut queue), [0, 1, 2, 3, 4]);
        assert!(queue.is_empty() && queue.chunk_bytes() == 0);
    }

    #[test]
    fn ordered_messages_are_numbered_for_each_stream_and_unordered_ones_are_not() {
        // RFC 9260, 6.5
        let mut queue = SendQueue::new();
        for (stream_id, unordered) in [(0, false), (1, false), (0, true), (0, false)] {
            let mut message = message(stream_id, 0, None);
            message.options.unordered = unordered;
            queue.push(message);
        }
        let ssns: Vec<_> = core::iter::from_fn(|| queue.pop()).map(|(_, ssn)| ssn.0).collect();
        assert_eq!(ssns, [0, 0, 1, 1]);
    }

    #[test]
    fn expired_messages_leave_no_trace_wherever_they_stood() {
        // RFC 9260, 11.1.5
        let mut queue = SendQueue::new();
        for (context, expires) in (0..).zip([Some(10), None, Some(5), Some(30), None]) {
            queue.push(message(0, context, expires));
        }
        assert_eq!(queue.next_expiry(), Some(Time::from_millis(5)));
        let now = Time::from_millis(10);
        let expired: Vec<_> =
            core::iter::from_fn(|| queue.pop_expired(now)).map(|message| message.options.context).collect();
        assert_eq!(expired, [2, 0]);
        assert_eq!(contexts(&mut queue), [1, 3, 4]);
        assert_eq!((queue.next_expiry(), queue.counted_cost()), (None, 0));
    }

    #[test]
    fn messages_given_up_behind_one_that_waits_do_not_pile_up() {
        let mut queue = SendQueue::new();
        queue.push(message(0, 0, None));
        for i in 0..1_000 {
            queue.push(message(0, 1, Some(i)));
            assert!(queue.pop_expired(Time::from_millis(i)).is_some());
            assert!(queue.streams.get(&0).is_some_and(|stream| stream.queue.len() < 4));
        }
        assert_eq!(contexts(&mut queue), [0]);
    }
}
