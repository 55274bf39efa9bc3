//! Our side of an association: it sends and counts what the peer's `peer.c` counts and sends.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use sctp_core::extensions::Extensions;
use sctp_core::reliability::Reliability;
use socketapi::{Error, Message, Notification, Received, SctpStream, SendInfo, Stack};
use system_tests::wait_until;

use crate::peer::{Counts, LIMIT};

/// Our end of an association, and the stack that it lives in.
pub(crate) struct Association {
    pub(crate) stream: SctpStream,
    pub(crate) stack: Stack,
    notifications: Mutex<VecDeque<Notification>>,
}

/// Messages to send: numbered, with a pattern that follows from the number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) count: u32,
    pub(crate) size: usize,
    /// They take turns on so many streams.
    pub(crate) streams: u16,
    pub(crate) unordered: bool,
    pub(crate) immediately: bool,
    /// Time from one to the next.
    pub(crate) pace: Duration,
    /// The number of the first one.
    pub(crate) first: u32,
    /// When ours are given up.
    pub(crate) reliability: Reliability,
}

impl Job {
    pub(crate) const fn new(count: u32, size: usize) -> Self {
        Self {
            count,
            size,
            streams: 1,
            unordered: false,
            immediately: false,
            pace: Duration::ZERO,
            first: 0,
            reliability: Reliability::Full,
        }
    }

    pub(crate) fn streams(mut self, streams: u16) -> Self {
        self.streams = streams;
        self
    }

    pub(crate) fn unordered(mut self) -> Self {
        self.unordered = true;
        self
    }

    pub(crate) fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// Each message asks for a SACK at once.
    pub(crate) fn immediately(mut self) -> Self {
        self.immediately = true;
        self
    }

    pub(crate) fn reliability(mut self, reliability: Reliability) -> Self {
        self.reliability = reliability;
        self
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.count) * self.size as u64
    }

    /// The same as a command for the peer.
    pub(crate) fn command(&self) -> String {
        let Self { count, size, streams, first, .. } = self;
        let (unordered, immediately) = (u8::from(self.unordered), u8::from(self.immediately));
        let pace = self.pace.as_micros();
        format!(
            "send {count} {size} from={first} streams={streams} unordered={unordered} pace={pace} \
             immediately={immediately}"
        )
    }
}

impl Drop for Association {
    /// Where a case has failed: what we know of the association.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let id = Some(self.stream.association());
            match self.stream.socket().association(id, |association| format!("{association:#?}")) {
                Ok(text) => println!("our side: {}", without_queues(&text)),
                Err(error) => println!("our side: {error}"),
            }
        }
    }
}

/// Without the messages that wait: thousands of lines.
fn without_queues(text: &str) -> String {
    let mut within = None;
    let mut is_shown = |line: &&str| {
        let depth = line.len() - line.trim_start().len();
        if within.is_some_and(|queue| depth > queue) {
            return false;
        }
        within = line.trim_start().starts_with("queue: [").then_some(depth);
        true
    };
    text.lines().filter(|line| is_shown(line)).collect::<Vec<_>>().join("\n")
}

impl Association {
    pub(crate) fn new(stack: Stack, stream: SctpStream) -> Self {
        Self { stream, stack, notifications: Mutex::default() }
    }

    /// Sends all messages of a job; each may wait for room no longer than [`LIMIT`].
    pub(crate) fn send(&self, job: Job) {
        let start = Instant::now();
        for (sent, number) in (job.first..).take(job.count as usize).enumerate() {
            let due = start + job.pace * sent as u32;
            // The rate that the job names, not a wait for anything.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let stream = (number % u32::from(job.streams)) as u16;
            let info = SendInfo {
                unordered: job.unordered,
                sack_immediately: job.immediately,
                ..SendInfo::new().stream(stream).reliability(job.reliability)
            };
            self.send_one(number, job.size, &info);
        }
    }

    /// Sends message `number`.
    pub(crate) fn send_one(&self, number: u32, size: usize, info: &SendInfo) {
        let deadline = Instant::now() + LIMIT;
        self.stream.send_deadline(message(number, size), info, deadline).expect("there is room");
    }

    /// Receives so many messages, and notifications that come between.
    pub(crate) fn receive(&self, messages: u64) -> Counts {
        let mut ledger = Ledger::default();
        self.receive_until(&mut ledger, |ledger| ledger.counts.messages >= messages);
        ledger.counts()
    }

    /// Receives until the ledger says that it is enough.
    pub(crate) fn receive_until(&self, ledger: &mut Ledger, is_enough: impl Fn(&Ledger) -> bool) {
        while !is_enough(ledger) {
            match self.next() {
                Received::Message(message) => ledger.enter(message),
                Received::Notification(_, notification) => {
                    self.notifications.lock().push_back(notification);
                }
            }
        }
    }

    /// Waits for a notification that `is_it`; those before it are passed over. No message may come meanwhile.
    pub(crate) fn await_notification(&self, is_it: impl Fn(&Notification) -> bool) -> Notification {
        loop {
            let held = self.notifications.lock().pop_front();
            let notification = held.unwrap_or_else(|| match self.next() {
                Received::Notification(_, notification) => notification,
                Received::Message(message) => panic!("a message came: {:?}", message.info),
            });
            if is_it(&notification) {
                return notification;
            }
        }
    }

    /// The next message; notifications before it are kept.
    pub(crate) fn next_message(&self) -> Message {
        loop {
            match self.next() {
                Received::Message(message) => return message,
                Received::Notification(_, notification) => self.notifications.lock().push_back(notification),
            }
        }
    }

    /// What both sides agreed on.
    pub(crate) fn extensions(&self) -> Extensions {
        self.look(|association| association.extensions())
    }

    /// Looks at something of the core's association.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&sctp_core::association::Association) -> T) -> T {
        self.stream.socket().association(Some(self.stream.association()), look).expect("it has not ended")
    }

    /// Waits until something is so of the core's association.
    pub(crate) fn await_state(
        &self,
        missing: &str,
        is_so: impl Fn(&sctp_core::association::Association) -> bool,
    ) {
        wait_until(LIMIT, missing, || self.look(&is_so));
    }

    /// SCTP packets that left.
    pub(crate) fn packets_sent(&self) -> u64 {
        self.stream.status().expect("it has not ended").stats.packets_sent
    }

    fn next(&self) -> Received {
        self.stream.set_read_timeout(Some(LIMIT));
        let received = self.stream.receive().unwrap_or_else(|error| panic!("receive: {error}"));
        received.expect("the association has not ended")
    }

    /// Ends the association in good order, on our word.
    pub(crate) fn shut_down(&self) {
        self.stream.shutdown().expect("it has not ended");
        self.await_end();
    }

    /// Receives until the peer has ended the association in good order.
    pub(crate) fn receive_to_end(&self) -> Ledger {
        let mut ledger = Ledger::default();
        self.stream.set_read_timeout(Some(LIMIT));
        loop {
            match self.stream.receive() {
                Ok(Some(Received::Message(message))) => ledger.enter(message),
                Ok(Some(Received::Notification(..))) => {}
                Ok(None) => return ledger,
                Err(error) => panic!("no end in good order: {error}"),
            }
        }
    }

    /// How many notifications came, and were not passed over, that `is_it`.
    pub(crate) fn count_notifications(&self, is_it: impl Fn(&Notification) -> bool) -> u64 {
        self.notifications.lock().iter().filter(|it| is_it(it)).count() as u64
    }

    /// Waits until the association has ended in good order.
    pub(crate) fn await_end(&self) {
        self.stream.set_read_timeout(Some(LIMIT));
        loop {
            match self.stream.receive() {
                Ok(Some(Received::Notification(_, notification))) => {
                    self.notifications.lock().push_back(notification);
                }
                Ok(None) => return,
                other => panic!("no end in good order: {other:?}"),
            }
        }
    }

    /// Waits until the association is lost, and tells why.
    pub(crate) fn await_loss(&self) -> socketapi::LossReason {
        self.stream.set_read_timeout(Some(LIMIT));
        loop {
            match self.stream.receive() {
                Ok(Some(Received::Notification(..))) => {}
                Err(Error::Lost(reason)) => return reason,
                other => panic!("the association was not lost: {other:?}"),
            }
        }
    }
}

/// What came, by the numbers in the messages.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) counts: Counts,
    seen: HashSet<u32>,
    next: HashMap<u16, u32>,
    /// Pieces of messages that have not ended, by stream and number.
    begun: HashMap<(u16, u32), Vec<u8>>,
    highest: u32,
    last: Option<Instant>,
}

impl Ledger {
    fn enter(&mut self, received: Message) {
        let now = Instant::now();
        self.counts.pieces += 1;
        let info = received.info;
        let (key, piece) = ((info.stream, info.mid), received.into_bytes());
        if !info.end_of_record {
            self.begun.entry(key).or_default().extend_from_slice(&piece);
            return;
        }
        let bytes = match self.begun.remove(&key) {
            Some(begun) => [&begun[..], &piece].concat().into(),
            None => piece,
        };
        let gap = self.last.replace(now).map_or(Duration::ZERO, |last| now - last);
        self.counts.gap = self.counts.gap.max(gap);
        self.counts.messages += 1;
        self.counts.bytes += bytes.len() as u64;
        let Some(number) = bytes.first_chunk().map(|chunk| u32::from_be_bytes(*chunk)) else {
            self.counts.damaged += 1;
            return;
        };
        self.counts.damaged += u64::from(bytes != message(number, bytes.len()));
        self.counts.duplicated += u64::from(!self.seen.insert(number));
        self.highest = self.highest.max(number + 1);
        if !info.unordered {
            let next = self.next.entry(info.stream).or_default();
            self.counts.disordered += u64::from(number < *next);
            *next = number + 1;
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let missing = u64::from(self.highest) - self.seen.len() as u64;
        Counts { missing, ..self.counts.clone() }
    }
}

/// Message `number`: the number, and a pattern. The same as in `peer.c`.
fn message(number: u32, size: usize) -> Bytes {
    let pattern = |at: usize| (number as usize * 31 + at * 7 + (at >> 8) * 13) as u8;
    let body = (4..size).map(pattern);
    number.to_be_bytes().into_iter().chain(body).collect()
}
