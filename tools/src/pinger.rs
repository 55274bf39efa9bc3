//! A user of the ping-pong service that loses nothing: it keeps what is not answered, and sends it again after a
//! fail-over.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rserpool::driver::{Error, Session};
use rserpool::session::SessionEvent;
use rserpool::transport::UserMessage;
use serde::{Deserialize, Serialize};

use crate::pingpong::{Message, PPID};

/// What was sent, and what came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Numbered requests.
    pub requests: u64,
    /// Requests that were answered.
    pub replies: u64,
    /// Requests that were sent again after a fail-over.
    pub repeats: u64,
    /// Numbers missing in the elements' counts of replies.
    pub gaps: u64,
    /// Replies to requests that were answered before.
    pub duplicates: u64,
    /// Numbers of replies that came twice: the element failed between a reply and its cookie.
    pub recounts: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, replies, repeats, gaps, duplicates, .. } = self;
        write!(
            f,
            "{requests} requests, {replies} replies, {repeats} repeats, {gaps} gaps, {duplicates} duplicates"
        )
    }
}

/// A reply that the application gets.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Number of the request.
    pub message: u64,
    /// Number of the reply in the element's count.
    pub number: u64,
    /// From the first sending of the request.
    pub after: Duration,
    /// Replies missing before this one.
    pub gap: u64,
}

/// Sends Pings at a steady rate, with some outstanding at most.
#[derive(Debug)]
pub struct Pinger {
    interval: Duration,
    most_outstanding: usize,
    next_send: Instant,
    outstanding: BTreeMap<u64, Instant>,
    last_reply: u64,
    /// The elements' messages are not sent at the moment: none is connected.
    is_connected: bool,
    is_draining: bool,
    /// What was sent, and what came.
    pub counts: Counts,
}

impl Pinger {
    /// On a session that is connected.
    pub fn new(interval: Duration, most_outstanding: usize) -> Self {
        Self {
            interval,
            most_outstanding,
            next_send: Instant::now(),
            outstanding: BTreeMap::new(),
            last_reply: 0,
            is_connected: true,
            is_draining: false,
            counts: Counts::default(),
        }
    }

    /// When the next request is to be sent; none while replies must come first.
    pub fn next_send(&self) -> Option<Instant> {
        let has_room = self.outstanding.len() < self.most_outstanding;
        (self.is_connected && !self.is_draining && has_room).then_some(self.next_send)
    }

    /// Requests that are not answered.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Sends no further requests.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Sends what is due.
    ///
    /// # Errors
    /// When the stack has failed.
    pub fn send_due(&mut self, session: &Session) -> Result<(), Error> {
        let now = Instant::now();
        while self.next_send().is_some_and(|due| due <= now) {
            // After a pause the rate is what it was before: nothing is made up for.
            self.next_send = (self.next_send + self.interval).max(now);
            self.counts.requests += 1;
            self.outstanding.insert(self.counts.requests, now);
            self.send(session, self.counts.requests)?;
        }
        Ok(())
    }

    /// A message came; the reply in it, if the application has not got it before.
    pub fn handle_reply(&mut self, message: UserMessage) -> Option<Reply> {
        let decoded = Message::decode(message.data).filter(|_| message.ppid == PPID);
        let Some(Message::Pong { message, reply: number, .. }) = decoded else { return None };
        let gap = number.saturating_sub(self.last_reply.saturating_add(1));
        self.counts.gaps = self.counts.gaps.saturating_add(gap);
        self.counts.recounts += u64::from(number <= self.last_reply);
        self.last_reply = number;
        let Some(sent) = self.outstanding.remove(&message) else {
            self.counts.duplicates += 1;
            return None;
        };
        self.counts.replies += 1;
        Some(Reply { message, number, after: sent.elapsed(), gap })
    }

    /// Something else happened in the session: after a fail-over, sends again what was not answered.
    ///
    /// # Errors
    /// When the stack has failed.
    pub fn handle_event(&mut self, event: &SessionEvent, session: &Session) -> Result<(), Error> {
        match event {
            SessionEvent::FailoverNecessary { .. } => self.is_connected = false,
            SessionEvent::FailoverComplete { .. } => {
                self.is_connected = true;
                let again: Vec<_> = self.outstanding.keys().copied().collect();
                for number in again {
                    self.counts.repeats += 1;
                    self.send(session, number)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self, session: &Session, number: u64) -> Result<(), Error> {
        match session.send(&Message::ping(number).to_user_message()) {
            // The element has failed meanwhile; the event that says so comes next, and later this is sent again.
            Err(Error::Send(_)) => {
                self.is_connected = false;
                Ok(())
            }
            result => result,
        }
    }
}
