//! The books of a scenario: what was sent, what came, what was reported lost, and whether they agree.

use sctp_core::event::{AbortedDelivery, SendFailure};
use sctp_core::message::Message;
use sctp_core::serial::Ssn;
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

use super::traffic::Traffic;

/// A broken promise of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// No message has this PPID.
    #[error("a message came that nobody sent (PPID {ppid:#x}, {len} bytes)")]
    Unknown {
        /// Its PPID.
        ppid: u32,
        /// Its length.
        len: usize,
    },
    /// It came before.
    #[error("message {index} was delivered twice")]
    Twice {
        /// Its number.
        index: usize,
    },
    /// The bytes, the stream or the unordered mark differ.
    #[error("message {index} was delivered damaged")]
    Damaged {
        /// Its number.
        index: usize,
    },
    /// A later message of the same stream came before it.
    #[error("message {index} was delivered after message {after} of the same stream")]
    OutOfOrder {
        /// Its number.
        index: usize,
        /// The number of the one before.
        after: usize,
    },
    /// Its stream was numbered anew, and nobody told of a reset (RFC 6525).
    #[error("message {index} was numbered as if its stream had been reset")]
    Renumbered {
        /// Its number.
        index: usize,
    },
    /// It came although an earlier one of its stream never did.
    #[error("message {index} was delivered although message {missing} of the same stream was not")]
    PastGap {
        /// Its number.
        index: usize,
        /// The earlier one's number.
        missing: usize,
    },
    /// The association has ended in good order, all was read, and parts of messages are still held.
    #[error("{bytes} bytes are held of messages that will never be complete")]
    Left {
        /// Bytes, bookkeeping included.
        bytes: usize,
    },
    /// The association has ended in good order, and neither the rest of a message came nor word that it will not.
    #[error("{messages} messages came in part, and nothing told that the rest will not come")]
    Unfinished {
        /// How many.
        messages: usize,
    },
    /// It neither arrived nor was it reported.
    #[error("message {index} got lost: neither delivered nor reported as failed")]
    Missing {
        /// Its number.
        index: usize,
    },
    /// It arrived before it was sent.
    #[error("message {index} was delivered but never sent")]
    NotSent {
        /// Its number.
        index: usize,
    },
    /// It was reported as never sent, yet it arrived.
    #[error("message {index} was reported as unsent, but was delivered")]
    FailedUnsent {
        /// Its number.
        index: usize,
    },
    /// A failure names a message wrongly, twice, or while the association was neither lost nor restarted.
    #[error("a failure was reported wrongly (PPID {ppid:#x})")]
    WrongFailure {
        /// PPID of the message.
        ppid: u32,
    },
    /// The association of a second set-up came up beside the first.
    #[error("a second association came up")]
    SecondAssociation,
    /// The endpoint refused a command that is right.
    #[error("the endpoint refused a command: {0}")]
    Refused(&'static str),
}

/// What became of a message, as its sender knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sent {
    /// Not given to the endpoint, or refused.
    #[default]
    No,
    /// Given to the endpoint.
    Yes,
    /// Given to the endpoint, but for its end.
    Partly,
    /// Reported as failed.
    Failed {
        /// Some of it may have been on the wire.
        maybe_delivered: bool,
    },
}

/// The sender's book.
#[derive(Debug)]
pub struct Outbox {
    /// What is to be sent.
    pub traffic: Arc<Traffic>,
    fates: Vec<Sent>,
    next: usize,
    /// Pieces of the next message that the endpoint took.
    pieces: usize,
}

impl Outbox {
    /// A book for `traffic`.
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self { fates: vec![Sent::No; traffic.messages().len()], traffic, next: 0, pieces: 0 }
    }

    /// Number of the message to be sent next; `None` if all were.
    pub fn next(&self) -> Option<usize> {
        (self.next < self.fates.len()).then_some(self.next)
    }

    /// Which piece of it is to be sent next.
    pub fn next_piece(&self) -> usize {
        self.pieces
    }

    /// That piece of the next message was taken by the endpoint.
    pub fn taken(&mut self) {
        let fate = &mut self.fates[self.next];
        if self.traffic.messages()[self.next].ends_with(self.pieces) {
            // Pieces before may have failed already.
            *fate = if matches!(fate, Sent::Failed { .. }) { *fate } else { Sent::Yes };
            (self.next, self.pieces) = (self.next + 1, 0);
        } else {
            *fate = if *fate == Sent::No { Sent::Partly } else { *fate };
            self.pieces += 1;
        }
    }

    /// The endpoint says that a message will not be delivered.
    ///
    /// # Errors
    /// If that is not a message on its way.
    pub fn failed(&mut self, failure: &SendFailure) -> Result<(), Fault> {
        let wrong = Fault::WrongFailure { ppid: failure.ppid };
        let index = self.traffic.index(failure.ppid).ok_or(wrong)?;
        let planned = self.traffic.messages()[index];
        let same = (failure.stream_id, failure.unordered, failure.context as usize)
            == (planned.stream_id, planned.unordered, index);
        if !same || !self.traffic.is_piece(index, &failure.payload) {
            return Err(wrong);
        }
        self.fates[index] = match self.fates[index] {
            // Its end is missing: the peer cannot have got it.
            Sent::Partly => Sent::Failed { maybe_delivered: false },
            Sent::Yes => Sent::Failed { maybe_delivered: failure.sent },
            Sent::Failed { maybe_delivered } if planned.pieces > 1 => {
                Sent::Failed { maybe_delivered: maybe_delivered && failure.sent }
            }
            Sent::No | Sent::Failed { .. } => return Err(wrong),
        };
        self.traffic.give_up(index);
        Ok(())
    }

    /// Messages taken by the endpoint so far.
    pub fn taken_count(&self) -> usize {
        self.next
    }

    /// Messages reported as failed.
    pub fn failed_count(&self) -> usize {
        self.fates.iter().filter(|fate| matches!(fate, Sent::Failed { .. })).count()
    }
}

/// The receiver's book.
#[derive(Debug)]
pub struct Inbox {
    traffic: Arc<Traffic>,
    delivered: Vec<bool>,
    /// Messages that came in part so far: stream, unordered, number.
    parts: BTreeMap<(u16, bool, u32), Message>,
    count: usize,
    /// Per stream: the last message that came in order.
    last_ordered: Vec<Option<usize>>,
    /// Per stream: its stream sequence number.
    last_ssn: Vec<Option<Ssn>>,
    /// Per stream: resets that were told of.
    resets: Vec<usize>,
    /// Per stream: the first messages after a reset.
    renumbered: Vec<Vec<usize>>,
}

impl Inbox {
    /// A book for what the other side's traffic brings.
    pub fn new(traffic: Arc<Traffic>) -> Self {
        let streams = traffic.messages().iter().map(|message| usize::from(message.stream_id) + 1).max();
        let delivered = vec![false; traffic.messages().len()];
        let streams = streams.unwrap_or(0);
        Self {
            traffic,
            delivered,
            parts: BTreeMap::new(),
            count: 0,
            last_ordered: vec![None; streams],
            last_ssn: vec![None; streams],
            resets: vec![0; streams],
            renumbered: vec![Vec::new(); streams],
        }
    }

    /// The streams, or all if none is listed, are numbered from 0 on again.
    pub fn reset(&mut self, streams: &[u16]) {
        for (stream, resets) in (0..).zip(&mut self.resets) {
            *resets += usize::from(streams.is_empty() || streams.contains(&stream));
        }
    }

    /// The peer has restarted: all streams begin anew, and what came in part has no rest.
    pub fn restart(&mut self) {
        self.reset(&[]);
        self.parts.clear();
    }

    /// Messages that came in part so far.
    pub fn unfinished(&self) -> usize {
        self.parts.len()
    }

    /// Enters a message that came, or a piece of one.
    ///
    /// # Errors
    /// If it should not have come, or not now, or not like this.
    pub fn enter(&mut self, message: Message) -> Result<(), Fault> {
        let key = (message.stream_id, message.unordered, message.mid.0);
        let message = match self.parts.remove(&key) {
            Some(mut whole) => {
                whole.payload.extend(message.payload);
                Message { end_of_record: message.end_of_record, ..whole }
            }
            None => message,
        };
        if message.end_of_record {
            return self.enter_whole(&message);
        }
        self.parts.insert(key, message);
        Ok(())
    }

    /// The rest of a message that came in part will not come.
    pub fn abort(&mut self, aborted: &AbortedDelivery) {
        self.parts.remove(&(aborted.stream_id, aborted.unordered, aborted.mid.0));
    }

    fn enter_whole(&mut self, message: &Message) -> Result<(), Fault> {
        let (ppid, len) = (message.ppid, message.len());
        let index = self.traffic.index(ppid).ok_or(Fault::Unknown { ppid, len })?;
        let planned = self.traffic.messages()[index];
        if (message.stream_id, message.unordered) != (planned.stream_id, planned.unordered)
            || !self.traffic.is_payload(index, &message.payload)
        {
            return Err(Fault::Damaged { index });
        }
        if core::mem::replace(&mut self.delivered[index], true) {
            return Err(Fault::Twice { index });
        }
        self.count += 1;
        if !planned.unordered {
            let last = self.last_ordered[usize::from(planned.stream_id)].replace(index);
            if let Some(after) = last.filter(|last| *last > index) {
                return Err(Fault::OutOfOrder { index, after });
            }
            self.check_number(index, usize::from(planned.stream_id), message.ssn);
        }
        Ok(())
    }

    /// Numbers of a stream go up, unless it was reset: the event that tells of it may be read after the message.
    fn check_number(&mut self, index: usize, stream: usize, ssn: Ssn) {
        let last = self.last_ssn[stream].replace(ssn);
        if last.is_some_and(|last| !last.less_than(ssn)) {
            self.renumbered[stream].push(index);
        }
    }

    /// No stream was numbered anew more often than it was reset.
    fn check_resets(&self) -> Result<(), Fault> {
        let mut streams = self.renumbered.iter().zip(&self.resets);
        let unexplained = streams.find_map(|(renumbered, &resets)| renumbered.get(resets).copied());
        unexplained.map_or(Ok(()), |index| Err(Fault::Renumbered { index }))
    }

    /// Messages that came.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether all that is planned has come, but for what was given up.
    pub fn is_complete(&self) -> bool {
        (0..).zip(&self.delivered).all(|(index, &delivered)| delivered || self.traffic.is_given_up(index))
    }

    /// Whether something may be given up of what is planned.
    pub fn expects_limited(&self) -> bool {
        (0..self.delivered.len()).any(|index| self.traffic.is_limited(index))
    }
}

/// Balances the books of one direction at the end of a run.
///
/// `may_fail`: the sender's association was lost or restarted, so that messages may have failed.
/// `inboxes`: the books of the receiver; several if it was restarted, then each holds what came in its time.
///
/// # Errors
/// The first entry that does not balance.
pub fn balance(outbox: &Outbox, inboxes: &[&Inbox], may_fail: bool) -> Result<(), Fault> {
    for (index, fate) in outbox.fates.iter().enumerate() {
        let copies = inboxes.iter().filter(|inbox| inbox.delivered[index]).count();
        match (fate, copies) {
            (_, 2..) => return Err(Fault::Twice { index }),
            (Sent::No | Sent::Partly, 1) => return Err(Fault::NotSent { index }),
            (Sent::Yes, 0) => return Err(Fault::Missing { index }),
            (Sent::Failed { maybe_delivered: false }, 1) => return Err(Fault::FailedUnsent { index }),
            (Sent::Failed { .. }, _) if !may_fail && !outbox.traffic.is_limited(index) => {
                return Err(Fault::WrongFailure { ppid: outbox.traffic.ppid(index) });
            }
            _ => {}
        }
    }
    // A receiver that was restarted begins in the middle of a stream: that is no gap.
    let from_start = inboxes.len() == 1;
    inboxes.iter().try_for_each(|inbox| inbox.check_resets().and_then(|()| no_gaps(inbox, from_start)))
}

/// Nothing of a stream was delivered past a message of the same stream that was not.
fn no_gaps(inbox: &Inbox, from_start: bool) -> Result<(), Fault> {
    let mut missing = vec![None; inbox.last_ordered.len()];
    let mut begun = vec![from_start; inbox.last_ordered.len()];
    for (index, planned) in
        inbox.traffic.messages().iter().enumerate().filter(|(_, planned)| !planned.unordered)
    {
        let stream = usize::from(planned.stream_id);
        match (inbox.delivered[index], missing[stream]) {
            (true, Some(missing)) => return Err(Fault::PastGap { index, missing }),
            (true, None) => begun[stream] = true,
            (false, None) if begun[stream] && !inbox.traffic.is_given_up(index) => {
                missing[stream] = Some(index);
            }
            (false, _) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
