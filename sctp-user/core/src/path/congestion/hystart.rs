//! The early exit from slow start (HyStart++, RFC 9406): round-trip times that grow say that a queue does, before it
//! overflows.

use crate::time::Time;
use core::time::Duration;

/// RFC 9406, 4.3.
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const RTT_SAMPLES: u32 = 8;
const CSS_GROWTH_DIVISOR: f64 = 4.0;
const CSS_ROUNDS: u32 = 5;
/// Round-trip times longer than the shortest by this part, in per cent, leave no doubt that a queue stands. To grow on for
/// five of them, if only slowly, would make one overflow that holds no more than the path itself.
const NO_DOUBT: u32 = 150;

/// What is known of the round trips of a slow start.
#[derive(Debug, Default)]
pub(super) struct HyStart {
    /// A round trip ends when something that left after this is acknowledged.
    round_began: Time,
    samples: u32,
    /// The shortest round-trip time of this round and of the one before.
    present: Option<Duration>,
    before: Option<Duration>,
    /// The shortest of all.
    shortest: Option<Duration>,
    /// Conservative slow start: the growth has slowed down to see whether the queue is one.
    conservative: Option<Conservative>,
}

#[derive(Debug)]
struct Conservative {
    baseline: Duration,
    rounds: u32,
    /// There is no doubt of the queue: the window waits for the end of it, or of slow start.
    holds: bool,
}

impl HyStart {
    /// Something that left at `sent_at` took so long.
    pub(super) fn on_rtt(&mut self, now: Time, sent_at: Time, rtt: Duration) {
        if sent_at >= self.round_began {
            self.begin_round(now);
        }
        self.samples += 1;
        let present = self.present.map_or(rtt, |present| present.min(rtt));
        self.present = Some(present);
        let shortest = self.shortest.map_or(rtt, |shortest| shortest.min(rtt));
        self.shortest = Some(shortest);
        if self.samples < RTT_SAMPLES {
            return;
        }
        match (&self.conservative, self.before) {
            (None, Some(before)) => {
                let threshold = (before / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if present >= before + threshold {
                    self.conservative = Some(Conservative { baseline: present, rounds: 0, holds: false });
                }
            }
            // It was a passing delay.
            (Some(conservative), _) if present < conservative.baseline => self.conservative = None,
            _ => {}
        }
        if let Some(conservative) = &mut self.conservative {
            conservative.holds = present * 100 > shortest * NO_DOUBT;
        }
    }

    fn begin_round(&mut self, now: Time) {
        self.round_began = now;
        (self.before, self.present, self.samples) = (self.present.take(), None, 0);
        if let Some(conservative) = &mut self.conservative {
            conservative.rounds += 1;
        }
    }

    /// By how much slower the window is to grow.
    pub(super) fn divisor(&self) -> f64 {
        match &self.conservative {
            Some(conservative) if conservative.holds => f64::INFINITY,
            Some(_) => CSS_GROWTH_DIVISOR,
            None => 1.0,
        }
    }

    /// The queue has stayed for long enough.
    pub(super) fn ends_slow_start(&self) -> bool {
        self.conservative.as_ref().is_some_and(|conservative| conservative.rounds >= CSS_ROUNDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Round trips of these milliseconds, ten samples each.
    fn after(rounds: &[u64]) -> HyStart {
        let (mut hystart, mut now) = (HyStart::default(), 1_000);
        for &rtt in rounds {
            for _ in 0..10 {
                hystart.on_rtt(
                    Time::from_millis(now + rtt),
                    Time::from_millis(now),
                    Duration::from_millis(rtt),
                );
            }
            now += rtt;
        }
        hystart
    }

    #[test]
    fn a_round_trip_time_that_grows_by_an_eighth_slows_growth_down() {
        // RFC 9406, 4.2
        assert_eq!(after(&[80, 80, 89]).divisor(), 1.0);
        assert_eq!(after(&[80, 80, 90]).divisor(), 4.0);
        assert_eq!(after(&[10, 13]).divisor(), 1.0, "less than 4 ms is noise");
        assert_eq!(after(&[400, 416]).divisor(), 4.0, "16 ms is not");
    }

    #[test]
    fn where_the_queue_is_beyond_doubt_the_window_does_not_grow_at_all() {
        // RFC 9406, 4.2, where growth by a quarter is the most
        assert_eq!(after(&[80, 80, 120]).divisor(), 4.0);
        let mut held = after(&[80, 80, 121]);
        assert_eq!(held.divisor(), f64::INFINITY);
        assert!(!held.ends_slow_start());
        (0..10).for_each(|_| {
            held.on_rtt(Time::from_millis(9_000), Time::from_millis(8_919), Duration::from_millis(81))
        });
        assert_eq!(held.divisor(), 1.0, "it was somebody else's, and is gone");
    }

    #[test]
    fn slow_start_ends_after_five_round_trips_with_a_queue_or_goes_on_without_one() {
        // RFC 9406, 4.2
        assert!(!after(&[80, 90, 91, 92, 93, 94]).ends_slow_start());
        assert!(after(&[80, 90, 91, 92, 93, 94, 95]).ends_slow_start());
        assert_eq!(after(&[80, 90, 81]).divisor(), 1.0);
    }
}
