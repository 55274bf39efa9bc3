//! A limit to what may happen in a second.

use crate::Time;

/// Counts events in whole seconds: at most `limit` in each.
#[derive(Clone, Copy, Default)]
pub(crate) struct RateLimiter {
    second: u64,
    count: u32,
}

impl RateLimiter {
    /// Counts one more event; whether it is within the limit.
    pub(crate) fn allows(&mut self, limit: Option<u32>, now: Time) -> bool {
        let second = now.as_nanos() / 1_000_000_000;
        if second != self.second {
            *self = Self { second, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        limit.is_none_or(|limit| self.count <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_limit_waits_for_the_next_second() {
        let mut limiter = RateLimiter::default();
        let mut at = |millis| limiter.allows(Some(2), Time::from_millis(millis));
        assert_eq!([at(0), at(10), at(20), at(999), at(1000)], [true, true, false, false, true]);
    }
}
