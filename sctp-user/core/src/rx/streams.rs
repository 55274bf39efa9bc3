//! The order of messages within their streams (RFC 9260, 6.5 and 6.6), and the queue to the reader.
//!
//! A message whose turn it is goes straight to the queue. Streams cost nothing until they are used,
//! then two bytes each in pages: a peer may ask for 65,535 of them.

use std::collections::{BTreeMap, VecDeque};

use super::Violation;
use super::reassembly::Held;
use crate::message::Message;
use crate::serial::Ssn;

/// Streams in a page.
const PAGE: usize = 64;

/// Room in the queue that is kept while it is empty.
const KEPT_CAPACITY: usize = 1_024;

/// The next SSN of each stream.
#[derive(Debug, Default)]
struct NextSsns {
    pages: Vec<Option<Box<[Ssn; PAGE]>>>,
}

impl NextSsns {
    fn get_mut(&mut self, stream_id: u16) -> &mut Ssn {
        let (page, index) = (usize::from(stream_id) / PAGE, usize::from(stream_id) % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        &mut self.pages[page].get_or_insert_with(|| Box::new([Ssn(0); PAGE]))[index]
    }
}

/// All streams that the peer sends on.
#[derive(Debug)]
pub(super) struct InboundStreams {
    count: u16,
    next_ssns: NextSsns,
    /// Ordered messages that wait for earlier ones, by stream and SSN.
    waiting: BTreeMap<(u16, u16), Held>,
    /// What the reader takes.
    ready: VecDeque<Held>,
}

impl InboundStreams {
    pub(super) fn new(count: u16) -> Self {
        Self { count, next_ssns: NextSsns::default(), waiting: BTreeMap::new(), ready: VecDeque::new() }
    }

    /// Whether the stream exists.
    pub(super) fn has(&self, stream_id: u16) -> bool {
        stream_id < self.count
    }

    /// Takes a whole message in: to the reader at once, or to wait for its turn.
    pub(super) fn deliver(&mut self, held: Held) -> Result<(), Violation> {
        let Message { stream_id, ssn, unordered, .. } = held.message;
        if unordered {
            self.ready.push_back(held);
            return Ok(());
        }
        let next = self.next_ssns.get_mut(stream_id);
        if ssn == *next {
            *next = next.next();
            self.ready.push_back(held);
            self.deliver_waiting(stream_id);
            return Ok(());
        }
        // The span of TSNs is below 2^15, so an honest SSN is less than that ahead (`tsn_map::MAX_SPAN`).
        let (stale, key) = (ssn.less_than(*next), (stream_id, ssn.0));
        if stale || self.waiting.contains_key(&key) {
            return Err(Violation::DuplicateSsn { stream_id, ssn });
        }
        self.waiting.insert(key, held);
        Ok(())
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
        let next = self.next_ssns.get_mut(stream_id);
        while let Some(held) = self.waiting.remove(&(stream_id, next.0)) {
            *next = next.next();
            self.ready.push_back(held);
        }
    }
}
