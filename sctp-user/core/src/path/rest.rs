//! A path that held others up rests: of several paths at once one that loses much, or is slow beyond what the peer's
//! window can bear, would cost more than it brings.

use crate::time::Time;
use core::time::Duration;

/// The first rest lasts so many times as long as an answer takes; each further one twice as long.
const FIRST: u32 = 2;
/// The longest one.
const LONGEST: Duration = Duration::from_secs(10);

/// When a path rests, and how long it did the last time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest {
    until: Option<Time>,
    length: Duration,
}

impl Rest {
    /// Whether the path gets no new data now.
    pub fn is_on(&self, now: Time) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When the rest is over that is on now.
    pub(crate) fn end(&self, now: Time) -> Option<Time> {
        self.until.filter(|until| now < *until)
    }

    /// The path has held the others up; `answer` is how long an answer takes there. It rests twice as long as the last
    /// time, unless that was long ago.
    pub(crate) fn begin(&mut self, now: Time, answer: Duration) {
        if self.is_on(now) {
            return;
        }
        let soon_again = self.until.is_some_and(|until| now - until < 8 * self.length);
        self.length = if soon_again { 2 * self.length } else { FIRST * answer }.min(LONGEST);
        self.until = Some(now + self.length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_while_they_follow_one_another() {
        let mut rest = Rest::default();
        let at = Time::from_millis;
        let answer = Duration::from_millis(10);
        rest.begin(at(0), answer);
        assert!(rest.is_on(at(19)) && !rest.is_on(at(20)));
        rest.begin(at(10), answer);
        assert!(!rest.is_on(at(20)), "one at a time");
        rest.begin(at(100), answer);
        assert!(rest.is_on(at(139)) && !rest.is_on(at(140)), "twice as long");
        rest.begin(at(1_000), answer);
        assert!(rest.is_on(at(1_019)) && !rest.is_on(at(1_020)), "it had worked long enough");
    }
}
