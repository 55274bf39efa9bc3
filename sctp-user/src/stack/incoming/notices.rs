//! Notifications that wait, in their order, and what they take.

use std::collections::VecDeque;

use sctp_core::arrival::Arrival;
use sctp_core::event::{AssociationId, SendFailure};

use crate::stack::notification::Notification;

/// When it came, of which association, what.
pub(super) type Notice = (Arrival, AssociationId, Notification);

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Notices {
    queue: VecDeque<Notice>,
    /// Beginnings of associations among them.
    beginnings: usize,
    /// Messages that were given up among them.
    failures: usize,
    failed_bytes: usize,
}

impl Notices {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// How many of them are messages that were given up.
    pub(super) fn failures(&self) -> usize {
        self.failures
    }

    /// Bytes that these take.
    pub(super) fn failed_bytes(&self) -> usize {
        self.failed_bytes
    }

    pub(super) fn get(&self, place: usize) -> Option<&Notice> {
        self.queue.get(place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.queue.iter()
    }

    pub(super) fn push_back(&mut self, notice: Notice) {
        self.count(&notice.2);
        self.queue.push_back(notice);
    }

    pub(super) fn push_front(&mut self, notice: Notice) {
        self.count(&notice.2);
        self.queue.push_front(notice);
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<Notice> {
        let removed = self.queue.remove(place)?;
        self.beginnings -= usize::from(removed.2.begins());
        if let Some(bytes) = failed_bytes(&removed.2) {
            self.failures -= 1;
            self.failed_bytes -= bytes;
        }
        Some(removed)
    }

    /// Takes the beginning of an association out; false if it is not here.
    pub(super) fn forget_beginning(&mut self, id: AssociationId) -> bool {
        if self.beginnings == 0 {
            return false;
        }
        let place = self.queue.iter().position(|(_, of, it)| *of == id && it.begins());
        place.and_then(|place| self.remove(place)).is_some()
    }

    /// Takes out what is of this association.
    pub(super) fn take_those_of(&mut self, id: AssociationId) -> Self {
        let (mut theirs, mut others) = (Self::default(), Self::default());
        for notice in std::mem::take(&mut self.queue) {
            if notice.1 == id { theirs.push_back(notice) } else { others.push_back(notice) }
        }
        *self = others;
        theirs
    }

    fn count(&mut self, notification: &Notification) {
        self.beginnings += usize::from(notification.begins());
        if let Some(bytes) = failed_bytes(notification) {
            self.failures += 1;
            self.failed_bytes += bytes;
        }
    }
}

/// What a message takes that was given up.
fn failed_bytes(notification: &Notification) -> Option<usize> {
    let Notification::SendFailed(failure) = notification else { return None };
    Some(failure.payload.len() + size_of::<SendFailure>() + size_of::<Notice>())
}
