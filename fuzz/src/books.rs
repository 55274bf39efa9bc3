//! What one of two endpoints sent and the other one read.

use bytes::Bytes;
use sctp_core::event::SendFailure;
use sctp_core::message::Message;
use std::collections::{BTreeMap, VecDeque};

/// Streams that are used.
pub(crate) const STREAMS: usize = 3;

/// A message on its way.
struct Sent {
    number: u32,
    payload: Bytes,
    /// It may be given up.
    limited: bool,
}

/// One direction's books. Each message has a number, which is its context as well.
#[derive(Default)]
pub(crate) struct Books {
    ordered: [VecDeque<Sent>; STREAMS],
    unordered: Vec<Sent>,
    /// Behind which a later message of the stream was read.
    passed_over: Vec<Sent>,
    /// Reported as failed: whether some of it was on the wire.
    failed: BTreeMap<u32, bool>,
    /// What was read so far of messages that come in pieces: by stream, unordered mark and number.
    begun: BTreeMap<(u16, bool, u32), Vec<u8>>,
}

impl Books {
    pub(crate) fn sent(
        &mut self,
        number: u32,
        stream: usize,
        unordered: bool,
        limited: bool,
        payload: Bytes,
    ) {
        let sent = Sent { number, payload, limited };
        match unordered {
            true => self.unordered.push(sent),
            false => self.ordered[stream].push_back(sent),
        }
    }

    pub(crate) fn failed(&mut self, failure: &SendFailure) {
        let before = self.failed.insert(failure.context, failure.sent);
        assert!(before.is_none(), "message {} failed twice", failure.context);
    }

    /// Panics unless it was sent, was not read before, and is not behind a later one of its stream.
    pub(crate) fn read(&mut self, message: Message) {
        let (stream, unordered) = (usize::from(message.stream_id), message.unordered);
        let (key, complete) = ((message.stream_id, unordered, message.mid.0), message.end_of_record);
        self.begun.entry(key).or_default().extend_from_slice(&message.into_bytes());
        if !complete {
            return;
        }
        let payload = Bytes::from(self.begun.remove(&key).unwrap_or_default());
        let number = if unordered {
            let at = self.unordered.iter().position(|sent| sent.payload == payload);
            self.unordered.swap_remove(at.expect("what is read was sent, and not read before")).number
        } else {
            self.read_ordered(stream, &payload)
        };
        assert_ne!(self.failed.get(&number), Some(&false), "message {number} was reported as unsent");
    }

    /// Nothing more comes of a message that was read in part.
    pub(crate) fn ends_early(&mut self, stream: u16, unordered: bool, mid: u32) {
        self.begun.remove(&(stream, unordered, mid));
    }

    fn read_ordered(&mut self, stream: usize, payload: &Bytes) -> u32 {
        loop {
            let next = self.ordered[stream].pop_front().expect("what is read was sent, in this order");
            if next.payload == *payload {
                return next.number;
            }
            assert!(next.limited, "message {} was passed over, and may not be given up", next.number);
            self.passed_over.push(next);
        }
    }

    /// Whether each message was read to its end, or its sender knows that it failed because it might be given up.
    pub(crate) fn balance(&self) -> bool {
        let unread = self.ordered.iter().flatten().chain(&self.unordered).chain(&self.passed_over);
        let failed = |sent: &Sent| sent.limited && self.failed.contains_key(&sent.number);
        self.begun.is_empty() && unread.into_iter().all(failed)
    }
}
