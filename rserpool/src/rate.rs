//! Limits to how often something may happen.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Time;

/// So many times in a second, maybe less than once: from once in a day to a thousand million times.
///
/// ```
/// use rserpool::Rate;
///
/// let rate: Rate = "0.5".parse().unwrap();
/// assert_eq!(rate, Rate::per_second(0.5).unwrap());
/// assert_eq!(rate.to_string(), "0.5");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds from one time to the next.
    interval: u64,
}

/// Text or number that is no [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number per second is needed, from 0.00002 to 1000000000")]
pub struct InvalidRate;

const SECOND: u64 = 1_000_000_000;
const DAY: f64 = 86_400.0;

impl Rate {
    /// So many times in a second; none if that is out of range.
    pub fn per_second(times: f64) -> Option<Self> {
        let is_in_range = times >= 1.0 / DAY && times <= SECOND as f64;
        is_in_range.then(|| Self { interval: (SECOND as f64 / times).round() as u64 })
    }

    /// From one time to the next.
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        text.parse().ok().and_then(Self::per_second).ok_or(InvalidRate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No more digits than it takes to read the same again.
        let times = SECOND as f64 / self.interval as f64;
        let rounded = (0..9).map(|digits| (times * 10_f64.powi(digits)).round() / 10_f64.powi(digits));
        let same = rounded.into_iter().find(|rounded| Self::per_second(*rounded) == Some(*self));
        write!(f, "{}", same.unwrap_or(times))
    }
}

/// Holds something to a [`Rate`]: what comes at once may be as much as the rate allows in a second, but once at least.
///
/// It only knows when the next one would be due if they came evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateLimiter {
    due: u64,
}

impl RateLimiter {
    /// Whether one more is within the rate; if so, it counts.
    pub(crate) fn allows(&mut self, rate: Option<Rate>, now: Time) -> bool {
        let Some(Rate { interval }) = rate else { return true };
        let now = now.as_nanos();
        let next = self.due.max(now).saturating_add(interval);
        let is_within = next - now <= interval.max(SECOND);
        if is_within {
            self.due = next;
        }
        is_within
    }

    /// Whether it is as if nothing had happened.
    pub(crate) fn is_at_rest(&self, now: Time) -> bool {
        self.due <= now.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_rate_has_to_wait() {
        let mut limiter = RateLimiter::default();
        let rate = Rate::per_second(2.0);
        let mut at = |millis| limiter.allows(rate, Time::from_millis(millis));
        assert_eq!([0, 10, 20, 499, 500, 501].map(&mut at), [true, true, false, false, true, false]);
        assert_eq!([5000, 5000, 5000].map(&mut at), [true, true, false]);
        assert!(!limiter.is_at_rest(Time::from_millis(5999)) && limiter.is_at_rest(Time::from_millis(6000)));
    }

    #[test]
    fn a_rate_below_one_in_a_second_allows_one_at_a_time() {
        let mut limiter = RateLimiter::default();
        let mut at = |millis| limiter.allows(Rate::per_second(0.1), Time::from_millis(millis));
        assert_eq!([0, 1000, 9999, 10_000].map(&mut at), [true, false, false, true]);
    }

    #[test]
    fn rates_are_written_as_numbers_per_second() {
        for text in ["1", "0.1", "3", "250.5", "0.00002", "1000000000"] {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "0", "-1", "nan", "inf", "1e10", "0.000001", "x"] {
            assert_eq!(wrong.parse::<Rate>(), Err(InvalidRate), "{wrong}");
        }
    }
}
