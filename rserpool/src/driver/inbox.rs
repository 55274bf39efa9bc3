//! Events that wait for the application, those of each session apart.

use std::collections::VecDeque;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::network::Flow;
use crate::session::{ServiceEvent, SessionEvent};
use crate::wire::PoolElement;

/// Bytes of one session that may wait, bookkeeping included, and one event more. What its peer sends beyond that stays in the
/// association's receive buffer, and then with the peer (RFC 9260, 6.2). What that buffer holds at the association's end comes all the
/// same, but a session that is full gets no other association.
const MAX_BYTES: usize = 256 << 10;

/// What an event holds of what its peer has sent.
pub(super) trait Weight {
    /// In bytes, without the event's own.
    fn weight(&self) -> usize;
}

impl Weight for SessionEvent {
    fn weight(&self) -> usize {
        match self {
            Self::Data(message) => message.data.len(),
            Self::BusinessCard(card) => size_of_val(&card.elements[..]),
            Self::Connected { .. } | Self::FailoverComplete { .. } => size_of::<PoolElement>(),
            Self::FailoverNecessary { .. } | Self::Waiting { .. } => 0,
        }
    }
}

impl Weight for ServiceEvent {
    fn weight(&self) -> usize {
        match self {
            Self::Data { message, .. } => message.data.len(),
            Self::CookieEcho { cookie, .. } => cookie.len(),
            Self::BusinessCard { elements, .. } => size_of_val(&elements[..]),
            Self::Started { .. } | Self::CookieRejected { .. } | Self::Ended { .. } => 0,
        }
    }
}

/// Sessions that the application has, and what waits for it in each.
pub(super) struct Inbox<K, E> {
    sessions: FxHashMap<K, Waiting<E>>,
    /// Sessions that have become full, or have room again.
    flows: VecDeque<Flow<K>>,
}

struct Waiting<E> {
    events: VecDeque<E>,
    bytes: usize,
    is_full: bool,
}

impl<K: Copy + Eq + Hash, E: Weight> Inbox<K, E> {
    pub(super) fn new() -> Self {
        Self { sessions: FxHashMap::default(), flows: VecDeque::new() }
    }

    pub(super) fn open(&mut self, session: K) {
        self.sessions.insert(session, Waiting { events: VecDeque::new(), bytes: 0, is_full: false });
    }

    pub(super) fn close(&mut self, session: K) {
        self.sessions.remove(&session);
    }

    /// Whether there is such a session. The event is taken in any case: who heeds the [flows](Self::poll_flow) gets no further.
    pub(super) fn push(&mut self, session: K, event: E) -> bool {
        let Some(waiting) = self.sessions.get_mut(&session) else { return false };
        waiting.bytes += cost(&event);
        waiting.events.push_back(event);
        if waiting.bytes >= MAX_BYTES {
            waiting.is_full = true;
            // Each time: a session may get an association when it is full, if it was connecting.
            self.flows.push_back(Flow::Pause(session));
        }
        true
    }

    pub(super) fn pop(&mut self, session: K) -> Option<E> {
        let waiting = self.sessions.get_mut(&session)?;
        let event = waiting.events.pop_front()?;
        waiting.bytes -= cost(&event);
        // Not with each event that is fetched: to pause and to go on has its price.
        if waiting.is_full && waiting.bytes <= MAX_BYTES / 2 {
            waiting.is_full = false;
            self.flows.push_back(Flow::Resume(session));
        }
        Some(event)
    }

    /// Whose peer has to wait, or may send again.
    pub(super) fn poll_flow(&mut self) -> Option<Flow<K>> {
        self.flows.pop_front()
    }
}

fn cost<E: Weight>(event: &E) -> usize {
    event.weight() + size_of::<E>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::UserMessage;

    fn message(bytes: usize) -> SessionEvent {
        SessionEvent::Data(UserMessage::new(0, vec![0; bytes]))
    }

    /// Pushes small messages until the session is full; how many.
    fn fill(inbox: &mut Inbox<u8, SessionEvent>, session: u8) -> usize {
        let push = |_: &usize| {
            assert!(inbox.push(session, message(100)));
            inbox.poll_flow().is_none()
        };
        (1..=MAX_BYTES).take_while(push).count() + 1
    }

    #[test]
    fn a_full_session_pauses_and_half_empty_goes_on() {
        let mut inbox = Inbox::new();
        [1, 2].into_iter().for_each(|session| inbox.open(session));
        let count = fill(&mut inbox, 1);
        assert!((MAX_BYTES / 300..=MAX_BYTES / 100).contains(&count), "{count} fit");
        assert!(inbox.push(2, message(MAX_BYTES)));
        assert_eq!(inbox.poll_flow(), Some(Flow::Pause(2)));
        let fetched = (1..=count).find(|_| {
            assert!(inbox.pop(1).is_some());
            inbox.flows.pop_front() == Some(Flow::Resume(1))
        });
        assert!((count / 2..=count / 2 + 2).contains(&fetched.unwrap()), "{fetched:?} of {count}");
        assert!(inbox.pop(2).is_some());
        assert_eq!((inbox.poll_flow(), inbox.pop(2)), (Some(Flow::Resume(2)), None));
    }

    #[test]
    fn what_comes_all_the_same_pauses_again() {
        let mut inbox = Inbox::new();
        inbox.open(1);
        fill(&mut inbox, 1);
        assert!(inbox.push(1, message(1)));
        assert_eq!(inbox.poll_flow(), Some(Flow::Pause(1)));
    }

    #[test]
    fn a_session_that_is_closed_takes_nothing() {
        let mut inbox = Inbox::new();
        inbox.open(1);
        inbox.close(1);
        assert!(!inbox.push(1, message(MAX_BYTES)));
        assert_eq!((inbox.poll_flow(), inbox.pop(1)), (None, None));
    }
}
