//! What waits to be read at one socket, in the order in which it came: messages, which stay with their associations in the core, where
//! they count against a_rwnd, and notifications (RFC 6458, 6).

mod notices;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sctp_core::arrival::Arrival;
use sctp_core::config::FragmentInterleave;
use sctp_core::event::{AssociationId, LossReason};
use sctp_core::message::Message;
use smallvec::SmallVec;

use super::notification::Notification;
use notices::Notices;

/// Notifications that wait at most; later ones are dropped and counted ([`Notification::Overflow`]).
const MOST_NOTIFICATIONS: usize = 1_024;
/// Bytes that messages take which were given up, and which nobody has been told of yet; later ones are dropped, and counted, too. It
/// is some times what send buffers hold, so that who sends again what comes back loses nothing when an association ends.
const MOST_FAILED_BYTES: usize = 16 << 20;
/// Beyond so many, an association whose beginning nobody has been told of is not told of at all when it ends. So a reader that
/// knows of an association hears of its end, and the queue is no longer than this and what the associations add that live.
const MOST_CHANGES: usize = 2_048;

/// What a read finds.
#[derive(Debug)]
pub(super) enum Turn {
    /// A message of this association, which is not in the queue any more.
    Message(AssociationId),
    /// This, of which the overflow has no association.
    Notification(Option<AssociationId>, Notification),
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// Associations with messages to read, each where its first one stands.
    readable: BinaryHeap<Reverse<(Arrival, AssociationId)>>,
    notifications: Notices,
    overflow: u64,
    /// Associations of which a message is being read in pieces: nothing else of theirs comes before its end ...
    in_part: SmallVec<[AssociationId; 1]>,
    /// ... nor of others (RFC 6458, 8.1.20, level 0).
    alone: bool,
}

impl Incoming {
    /// Whether something can be read; messages may have gone since, as when they were given up.
    pub(super) fn is_empty(&self) -> bool {
        let has_messages = match self.holder() {
            None => !self.readable.is_empty(),
            Some(holder) => self.has_messages_of(holder),
        };
        !has_messages && self.first_notification().is_none() && !self.tells_overflow()
    }

    /// The association that all others wait for.
    fn holder(&self) -> Option<AssociationId> {
        self.in_part.first().copied().filter(|_| self.alone)
    }

    fn has_messages_of(&self, id: AssociationId) -> bool {
        self.readable.iter().any(|Reverse((_, of))| *of == id)
    }

    fn tells_overflow(&self) -> bool {
        self.overflow > 0 && self.notifications.is_empty()
    }

    /// An association, which is not in the queue, has messages to read, the first of which stands here.
    pub(super) fn queue(&mut self, arrival: Arrival, id: AssociationId) {
        self.readable.push(Reverse((arrival, id)));
    }

    /// What came first of all that may be read, and takes it out. `first` says where the first message of an association
    /// stands, or forgets that it is in the queue.
    pub(super) fn next(&mut self, first: impl FnMut(AssociationId) -> Option<Arrival>) -> Option<Turn> {
        let message = self.first_message(first);
        let place = self.first_notification();
        let told = place.and_then(|place| self.notifications.get(place)).map(|(arrival, ..)| *arrival);
        match (message, told) {
            (Some((arrival, id)), told) if told.is_none_or(|told| arrival < told) => {
                self.remove(id);
                Some(Turn::Message(id))
            }
            _ if self.tells_overflow() => {
                Some(Turn::Notification(None, Notification::Overflow(std::mem::take(&mut self.overflow))))
            }
            _ => {
                let (_, id, notification) = self.notifications.remove(place?)?;
                Some(Turn::Notification(Some(id), notification))
            }
        }
    }

    fn first_message(
        &mut self,
        mut first: impl FnMut(AssociationId) -> Option<Arrival>,
    ) -> Option<(Arrival, AssociationId)> {
        if let Some(holder) = self.holder() {
            return self.has_messages_of(holder).then(|| first(holder)).flatten().map(|at| (at, holder));
        }
        while let Some(&Reverse((arrival, id))) = self.readable.peek() {
            match first(id) {
                Some(at) if at == arrival => return Some((at, id)),
                // The one that was the first has gone.
                Some(at) => {
                    self.readable.pop();
                    self.queue(at, id);
                }
                None => {
                    self.readable.pop();
                }
            }
        }
        None
    }

    fn first_notification(&self) -> Option<usize> {
        let waits =
            |id: &AssociationId| !self.in_part.is_empty() && (self.alone || self.in_part.contains(id));
        self.notifications.iter().position(|(_, id, _)| !waits(id))
    }

    /// An association is not in the queue any more.
    pub(super) fn remove(&mut self, id: AssociationId) {
        match self.readable.peek() {
            Some(Reverse((_, first))) if *first == id => drop(self.readable.pop()),
            _ => self.readable.retain(|Reverse((_, of))| *of != id),
        }
    }

    /// A message of `id` was read, or a piece of one.
    pub(super) fn note_read(&mut self, id: AssociationId, message: &Message, level: FragmentInterleave) {
        self.in_part.retain(|of| *of != id);
        if !message.end_of_record && level != FragmentInterleave::Streams {
            self.in_part.push(id);
        }
        self.alone = level == FragmentInterleave::Nothing;
    }

    /// Whether a message of `id` is being read in pieces.
    pub(super) fn is_in_part(&self, id: AssociationId) -> bool {
        self.in_part.contains(&id)
    }

    /// No further pieces of a message of `id` come; whether one was being read in pieces.
    pub(super) fn note_end(&mut self, id: AssociationId) -> bool {
        let before = self.in_part.len();
        self.in_part.retain(|of| *of != id);
        self.in_part.len() < before
    }

    pub(super) fn notify(&mut self, arrival: Arrival, id: AssociationId, notification: Notification) {
        let waiting = self.notifications.len() - self.notifications.failures();
        let is_full = match &notification {
            Notification::SendFailed(_) => self.notifications.failed_bytes() >= MOST_FAILED_BYTES,
            change if change.begins() || change.ends() => false,
            _ => waiting >= MOST_NOTIFICATIONS,
        };
        if waiting >= MOST_CHANGES && notification.ends() && self.notifications.forget_beginning(id) {
            self.overflow += 2;
        } else if is_full {
            self.overflow += 1;
        } else {
            self.notifications.push_back((arrival, id, notification));
        }
    }

    /// Puts a notification before all that waits: one that was taken, or the end of the message that the rest waits for.
    pub(super) fn put_first(&mut self, id: Option<AssociationId>, notification: Notification) {
        match (id, notification) {
            (Some(id), notification) => {
                self.notifications.push_front((Arrival::default(), id, notification));
            }
            (None, Notification::Overflow(dropped)) => self.overflow += dropped,
            (None, _) => {}
        }
    }

    /// Nothing is told of an association.
    pub(super) fn withdraw(&mut self, id: AssociationId) {
        self.notifications.take_those_of(id);
    }

    /// Why an association was lost, if that is still to be told.
    pub(super) fn why_lost(&self, id: AssociationId) -> Option<&LossReason> {
        self.notifications.iter().find_map(|(_, of, notification)| match notification {
            Notification::CommunicationLost(reason) if *of == id => Some(reason),
            _ => None,
        })
    }

    /// Whether it is still to be told that an association was restarted.
    pub(super) fn tells_restart(&self, id: AssociationId) -> bool {
        self.notifications.iter().any(|(_, of, it)| *of == id && matches!(it, Notification::Restarted))
    }

    /// Takes out what belongs to `id`, for a socket of its own (peel-off; RFC 6458, 9.2).
    pub(super) fn split_off(&mut self, id: AssociationId) -> Self {
        let theirs = self.notifications.take_those_of(id);
        let (readable, ours) = self.readable.drain().partition(|Reverse((_, of))| *of == id);
        self.readable = ours;
        let is_in_part = self.note_end(id);
        Self {
            readable,
            notifications: theirs,
            overflow: 0,
            in_part: is_in_part.then_some(id).into_iter().collect(),
            alone: self.alone,
        }
    }
}

#[cfg(test)]
mod tests;
