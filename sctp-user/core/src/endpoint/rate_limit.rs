//! Limits answers to packets that anybody can send in any number.

use crate::time::Time;

/// So many a second, evenly refilled; one second's worth may come at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    /// Allowed a second.
    rate: u64,
    /// Credit in billionths of an answer.
    credit: u64,
    /// When the credit was counted.
    counted_at: Time,
}

const ANSWER: u64 = 1_000_000_000;

impl RateLimit {
    pub(super) fn new(rate: u32) -> Self {
        let rate = u64::from(rate);
        Self { rate, credit: rate * ANSWER, counted_at: Time::ZERO }
    }

    /// Whether one more is allowed now; counts it if so.
    pub(super) fn allow(&mut self, now: Time) -> bool {
        let nanos = u64::try_from(now.since(self.counted_at).as_nanos()).unwrap_or(u64::MAX);
        let refilled = self.credit.saturating_add(nanos.saturating_mul(self.rate));
        self.credit = refilled.min(self.rate * ANSWER);
        self.counted_at = now.max(self.counted_at);
        match self.credit.checked_sub(ANSWER) {
            Some(rest) => self.credit = rest,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_gives_back_a_seconds_worth() {
        let mut limit = RateLimit::new(3);
        let mut allowed = |millis| (0..10).filter(|_| limit.allow(Time::from_millis(millis))).count();
        assert_eq!(allowed(0), 3);
        assert_eq!(allowed(0), 0);
        assert_eq!(allowed(334), 1);
        assert_eq!(allowed(100_000), 3, "unused credit does not pile up");
        assert_eq!(allowed(0), 0, "time that runs backwards gives nothing");
    }
}
