//! Pacing: packets leave in small groups that are spaced in time, not all at once.

use crate::time::Time;
use core::time::Duration;

/// A group lasts so long at the rate of the path: long enough for segmentation offload, short enough for queues.
const GROUP: Duration = Duration::from_millis(1);
/// Bytes of a group at most: what one call with segmentation offload takes.
const MAX_GROUP: usize = 64_000;
/// A wake-up may come so late without loss of rate: what was missed leaves beside the next group.
const LATENESS: Duration = Duration::from_millis(1);

/// When the next group may leave.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    /// When all that has left is paid for, at the rate at which it left.
    paid_at: Time,
    /// Nothing leaves before this time; `None`: the group is not yet complete, or its time is over.
    hold_until: Option<Time>,
}

impl Pacer {
    /// Whether nothing may leave at `now`.
    pub(super) fn holds(&self, now: Time) -> bool {
        self.hold_until.is_some_and(|until| now < until)
    }

    /// When to try again.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.hold_until
    }

    /// The time has come to `now`.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.hold_until.take_if(|until| *until <= now);
    }

    /// A packet with `bytes` left.
    pub(super) fn on_sent(&mut self, now: Time, bytes: usize, rate: u64, pmdcs: usize) {
        let earliest = Time::from_nanos(now.as_nanos().saturating_sub(as_nanos(LATENESS)));
        self.paid_at = self.paid_at.max(earliest) + time_for(bytes, rate);
        let complete = self.paid_at >= now + time_for(group(rate, pmdcs), rate);
        self.hold_until = complete.then_some(self.paid_at);
    }
}

/// Bytes of a group: about a millisecond of `rate`, but at least two packets.
pub(super) fn group(rate: u64, pmdcs: usize) -> usize {
    let bytes = u128::from(rate) * GROUP.as_nanos() / 1_000_000_000;
    usize::try_from(bytes).unwrap_or(usize::MAX).min(MAX_GROUP).max(2 * pmdcs)
}

/// How long `bytes` take at `rate` bytes a second.
fn time_for(bytes: usize, rate: u64) -> Duration {
    let nanos = (bytes as u128).saturating_mul(1_000_000_000) / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn as_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: usize = 1_000;

    /// Bytes that leave at `now` at this rate.
    fn send_all(pacer: &mut Pacer, now: Time, rate: u64) -> usize {
        let mut sent = 0;
        while !pacer.holds(now) {
            pacer.on_sent(now, P, rate, P);
            sent += P;
        }
        sent
    }

    #[test]
    fn groups_of_a_millisecond_leave_at_the_rate() {
        let (mut pacer, mut now, mut sent) = (Pacer::default(), Time::from_millis(1_000), 0);
        while now < Time::from_millis(2_000) {
            let group = send_all(&mut pacer, now, 10_000_000);
            assert!(group <= 21 * P, "{group} bytes at once");
            sent += group;
            now = pacer.deadline().expect("it holds");
            pacer.handle_timeout(now);
        }
        assert!((9_900_000..10_100_000).contains(&sent), "{sent} bytes in a second");
    }

    #[test]
    fn a_slow_path_gets_two_packets_at_a_time() {
        let (mut pacer, now) = (Pacer::default(), Time::from_millis(1_000));
        send_all(&mut pacer, now, 10_000);
        let now = pacer.deadline().expect("it holds");
        assert_eq!(send_all(&mut pacer, now, 10_000), 2 * P);
        assert_eq!(pacer.deadline(), Some(now + Duration::from_millis(200)));
    }

    #[test]
    fn late_wake_ups_cost_no_rate_and_long_silence_earns_no_burst() {
        let rate = 10_000_000;
        let (mut pacer, mut now, mut sent) = (Pacer::default(), Time::from_millis(1_000), 0);
        for _ in 0..1_000 {
            sent += send_all(&mut pacer, now, rate);
            now = pacer.deadline().expect("it holds") + Duration::from_micros(900);
        }
        let due = (now - Time::from_millis(1_000)).as_secs_f64() * rate as f64;
        assert!((due - sent as f64).abs() < due / 100.0, "{sent} bytes of {due}");
        assert!(send_all(&mut pacer, now + Duration::from_secs(10), rate) <= 21 * P);
    }
}
