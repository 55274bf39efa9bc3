//! The deadlines of all associations, the earliest first.
//!
//! An association stands here under a time that is not later than its next deadline. Most deadlines
//! move into the future again and again (T3-rtx with each SACK): then the old, earlier time simply
//! stays until it comes, and the association is entered again under its new one. So a SACK costs
//! nothing here, and a wake-up too early happens at most once per time-out.

use super::slots::{Entry, Slot};
use crate::time::Time;
use std::collections::BTreeSet;

/// Ordered deadlines.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    entries: BTreeSet<(Time, Slot)>,
}

impl Deadlines {
    /// The earliest deadline.
    pub(super) fn first(&self) -> Option<Time> {
        self.entries.first().map(|&(time, _)| time)
    }

    /// Takes the earliest association whose time has come out of the list.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Slot> {
        let &(time, slot) = self.entries.first()?;
        if time > now {
            return None;
        }
        self.entries.pop_first();
        Some(slot)
    }

    /// Enters an association under `deadline` if it does not stand under an earlier time already.
    pub(super) fn update(&mut self, slot: Slot, entry: &mut Entry, deadline: Option<Time>) {
        let Some(deadline) = deadline else { return };
        if entry.deadline.is_some_and(|entered| entered <= deadline) {
            return;
        }
        self.remove(slot, entry);
        self.entries.insert((deadline, slot));
        entry.deadline = Some(deadline);
    }

    /// Takes an association out of the list.
    pub(super) fn remove(&mut self, slot: Slot, entry: &mut Entry) {
        if let Some(entered) = entry.deadline.take() {
            self.entries.remove(&(entered, slot));
        }
    }
}
