//! What an association has to say.

use std::collections::VecDeque;

use crate::arrival::{Arrival, Arrivals};
use crate::event::Event;

/// Events in their order, each with its place among the messages that came.
#[derive(Debug)]
pub(super) struct Events {
    arrivals: Arrivals,
    waiting: VecDeque<(Arrival, Event)>,
}

impl Events {
    pub(super) fn new(arrivals: Arrivals) -> Self {
        Self { arrivals, waiting: VecDeque::new() }
    }

    pub(super) fn push_back(&mut self, event: Event) {
        self.waiting.push_back((self.arrivals.next(), event));
    }

    pub(super) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.push_back(event));
    }

    pub(super) fn pop_front(&mut self) -> Option<(Arrival, Event)> {
        self.waiting.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Who gives out their places, and those of the association's messages.
    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }
}
