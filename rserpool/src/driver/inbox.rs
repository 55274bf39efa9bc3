//! Events that wait for the application, those of each session apart.

use std::collections::VecDeque;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::session::{ServiceEvent, SessionEvent};

/// Events of one session that may wait.
pub(super) const MAX_EVENTS: usize = 1000;
/// Bytes of messages among them: of large ones, which may have 1 MiB, not so many.
const MAX_BYTES: usize = 4 << 20;

/// What an event holds of what its peer has sent.
pub(super) trait Weight {
    /// In bytes.
    fn weight(&self) -> usize;
}

impl Weight for SessionEvent {
    fn weight(&self) -> usize {
        match self {
            Self::Data(message) => message.data.len(),
            _ => 0,
        }
    }
}

impl Weight for ServiceEvent {
    fn weight(&self) -> usize {
        match self {
            Self::Data { message, .. } => message.data.len(),
            Self::CookieEcho { cookie, .. } => cookie.len(),
            _ => 0,
        }
    }
}

/// Sessions that the application has, and what waits for it in each.
pub(super) struct Inbox<K, E> {
    sessions: FxHashMap<K, Waiting<E>>,
    /// How many sessions have no room for more.
    full: usize,
}

struct Waiting<E> {
    events: VecDeque<E>,
    bytes: usize,
}

impl<E: Weight> Waiting<E> {
    fn is_full(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.bytes >= MAX_BYTES
    }
}

impl<K: Eq + Hash, E: Weight> Inbox<K, E> {
    pub(super) fn new() -> Self {
        Self { sessions: FxHashMap::default(), full: 0 }
    }

    pub(super) fn open(&mut self, session: K) {
        self.sessions.insert(session, Waiting { events: VecDeque::new(), bytes: 0 });
    }

    pub(super) fn close(&mut self, session: &K) {
        let waiting = self.sessions.remove(session);
        self.full -= usize::from(waiting.is_some_and(|waiting| waiting.is_full()));
    }

    /// Whether there is such a session. The event is taken in any case: who looks for [room](Self::has_room) before gets no further.
    pub(super) fn push(&mut self, session: &K, event: E) -> bool {
        let Some(waiting) = self.sessions.get_mut(session) else { return false };
        let was_full = waiting.is_full();
        waiting.bytes += event.weight();
        waiting.events.push_back(event);
        self.full += usize::from(!was_full && waiting.is_full());
        true
    }

    pub(super) fn pop(&mut self, session: &K) -> Option<E> {
        let waiting = self.sessions.get_mut(session)?;
        let was_full = waiting.is_full();
        let event = waiting.events.pop_front()?;
        waiting.bytes -= event.weight();
        self.full -= usize::from(was_full && !waiting.is_full());
        Some(event)
    }

    pub(super) fn is_full(&self, session: &K) -> bool {
        self.sessions.get(session).is_some_and(Waiting::is_full)
    }

    /// Whether there is room in all sessions.
    pub(super) fn has_room(&self) -> bool {
        self.full == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::UserMessage;

    fn message(bytes: usize) -> SessionEvent {
        SessionEvent::Data(UserMessage::new(0, vec![0; bytes]))
    }

    #[test]
    fn one_full_session_is_enough_and_it_is_full_by_number_or_by_bytes() {
        let mut inbox = Inbox::new();
        [1, 2].into_iter().for_each(|session| inbox.open(session));
        (1..MAX_EVENTS).for_each(|_| assert!(inbox.push(&1, message(1))));
        assert!(inbox.has_room());
        assert!(inbox.push(&1, message(1)) && inbox.push(&2, message(MAX_BYTES)));
        assert!(inbox.is_full(&1) && inbox.is_full(&2));
        assert!(inbox.pop(&1).is_some() && !inbox.is_full(&1) && !inbox.has_room());
        assert!(inbox.pop(&2).is_some() && inbox.has_room());
        assert_eq!(inbox.pop(&2), None);
    }

    #[test]
    fn a_session_that_is_closed_takes_nothing_and_holds_nobody_up() {
        let mut inbox = Inbox::new();
        inbox.open(1);
        assert!(inbox.push(&1, message(MAX_BYTES)) && !inbox.has_room());
        inbox.close(&1);
        assert!(inbox.has_room() && !inbox.push(&1, message(MAX_BYTES)) && inbox.has_room());
    }
}
