//! Requests at intervals.

use std::time::{Duration, Instant};

/// A pause between requests, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pause: Duration,
    next: Instant,
    /// Somebody could ask already.
    is_waited_for: bool,
}

impl Pace {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, next: Instant::now(), is_waited_for: false }
    }

    /// Whether there may be a request now; then the next pause begins.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        self.is_waited_for = !self.pause.is_zero() && now < self.next;
        if !self.is_waited_for {
            self.next = now + self.pause;
        }
        !self.is_waited_for
    }

    /// When the next request may be, if it is that what it waits for.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.is_waited_for.then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_between_requests_and_waited_for_only_by_who_could_ask() {
        let pause = Duration::from_secs(1);
        let (mut pace, begin) = (Pace::new(pause), Instant::now());
        assert!(pace.allows(begin));
        assert_eq!(pace.next_due(), None, "answers are waited for");
        assert!(!pace.allows(begin + pause / 2));
        assert_eq!(pace.next_due(), Some(begin + pause));
        assert!(pace.allows(begin + pause));
        let mut pace = Pace::new(Duration::ZERO);
        assert!((0..3).all(|_| pace.allows(begin)) && pace.next_due().is_none());
    }
}
