//! What BBR knows of the path: its bandwidth, its round-trip time, and what it can hold.

use super::super::controller::Acknowledged;
use crate::time::Time;
use core::time::Duration;

/// A round-trip time that was not seen again for so long is no longer believed.
const MIN_RTT_LIFE: Duration = Duration::from_secs(10);
/// A round-trip time longer than the shortest one by this part says that a queue stands. More than what probing
/// for bandwidth builds up by itself.
const QUEUE_PERCENT: u32 = 130;
/// More than this: one begins to.
const BEGINNING_PERCENT: u32 = 112;
/// The shortest round-trip time of a round trip is known after so many samples.
const SAMPLES: u32 = 8;
/// By this part of the shortest of all it grows from one round trip to the next where somebody is in slow start.
const NEWCOMER_DIVISOR: u32 = 8;

/// Measurements of one path.
#[derive(Debug)]
pub(super) struct Model {
    /// The highest delivery rate of the present cycle of probing and of the one before, bytes a second.
    bandwidth: [u64; 2],
    /// The present cycle has seen a rate that nothing but the path limited.
    was_full: bool,
    min_rtt: Option<Duration>,
    min_rtt_at: Time,
    last_rtt: Duration,
    /// The shortest round-trip times of this round trip, with the number of samples, and of the two before.
    present: (Duration, u32),
    before: [Option<Duration>; 2],
    /// Round trips since the start.
    pub(super) rounds: u64,
    /// This acknowledgement begins a round trip.
    pub(super) round_begins: bool,
    /// A round trip ends when what leaves from now on is acknowledged.
    next_round: u64,
    /// Bytes delivered in all.
    delivered: u64,
    /// Bytes found lost in this round trip, and bytes delivered before it.
    lost: u64,
    delivered_before: u64,
    /// The same of the round trip before: what part of it was lost, in 1/1,000.
    pub(super) loss_permille: u64,
    /// The last sample was of a flight that something else than the path limited.
    pub(super) app_limited: bool,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            bandwidth: [0; 2],
            was_full: false,
            min_rtt: None,
            min_rtt_at: Time::ZERO,
            last_rtt: Duration::ZERO,
            present: (Duration::MAX, 0),
            before: [None; 2],
            rounds: 0,
            round_begins: false,
            next_round: 0,
            delivered: 0,
            lost: 0,
            delivered_before: 0,
            loss_permille: 0,
            app_limited: false,
        }
    }

    /// Takes in what an acknowledgement tells.
    pub(super) fn on_ack(&mut self, ack: &Acknowledged) {
        self.round_begins = false;
        if let Some(rtt) = ack.rtt() {
            self.take_rtt(ack.now, rtt);
        }
        let Some(sample) = &ack.rate else { return };
        self.delivered = sample.delivered;
        self.app_limited = sample.app_limited;
        if sample.prior_delivered >= self.next_round {
            self.begin_round();
        }
        let rate = sample.bytes_per_second();
        // Shorter than a round trip is a flight that left in the middle of another one's acknowledgement.
        let reliable = self.min_rtt.is_some_and(|min_rtt| sample.interval >= min_rtt);
        if reliable && (!sample.app_limited || rate >= self.bandwidth()) {
            self.bandwidth[0] = self.bandwidth[0].max(rate);
            self.was_full |= !sample.app_limited;
        }
    }

    fn take_rtt(&mut self, now: Time, rtt: Duration) {
        self.last_rtt = rtt;
        self.present = (self.present.0.min(rtt), self.present.1 + 1);
        if self.min_rtt.is_none_or(|min_rtt| rtt <= min_rtt) {
            (self.min_rtt, self.min_rtt_at) = (Some(rtt), now);
        }
    }

    fn begin_round(&mut self) {
        let delivered = self.delivered.saturating_sub(self.delivered_before);
        self.loss_permille = self.lost * 1_000 / (self.lost + delivered).max(1);
        (self.lost, self.delivered_before) = (0, self.delivered);
        self.next_round = self.delivered;
        let (shortest, samples) = core::mem::replace(&mut self.present, (Duration::MAX, 0));
        self.before = [(samples >= SAMPLES).then_some(shortest), self.before[0]];
        self.rounds += 1;
        self.round_begins = true;
    }

    /// Chunks of `bytes` were lost.
    pub(super) fn on_lost(&mut self, bytes: usize) {
        self.lost += bytes as u64;
    }

    /// The bandwidth, bytes a second; 0 before the first sample.
    pub(super) fn bandwidth(&self) -> u64 {
        let [present, before] = self.bandwidth;
        present.max(before)
    }

    /// A cycle of probing is over: what was measured before it no longer counts, unless there was so little to send that
    /// nothing better is known.
    pub(super) fn begin_cycle(&mut self) {
        if core::mem::take(&mut self.was_full) {
            self.bandwidth = [0, self.bandwidth[0]];
        }
    }

    pub(super) fn min_rtt(&self) -> Option<Duration> {
        self.min_rtt
    }

    /// Whether the shortest round-trip time was seen too long ago.
    pub(super) fn min_rtt_is_old(&self, now: Time) -> bool {
        self.min_rtt.is_some() && now - self.min_rtt_at > MIN_RTT_LIFE
    }

    /// The last round-trip time is the shortest one, whatever it was before: the path is as empty as it gets.
    pub(super) fn renew_min_rtt(&mut self, now: Time) {
        (self.min_rtt, self.min_rtt_at) = (Some(self.last_rtt), now);
    }

    /// The last round-trip time says that somebody, perhaps not we, has filled a queue.
    pub(super) fn queue_stands(&self) -> bool {
        self.min_rtt.is_some_and(|min_rtt| self.last_rtt * 100 > min_rtt * QUEUE_PERCENT)
    }

    /// The last round-trip time says that a queue begins to stand.
    pub(super) fn queue_begins(&self) -> bool {
        self.min_rtt.is_some_and(|min_rtt| self.last_rtt * 100 > min_rtt * BEGINNING_PERCENT)
    }

    /// The round-trip time has grown within one by so much as it does where somebody's window grows by half.
    pub(super) fn newcomer(&self) -> bool {
        let ([Some(last), Some(before)], Some(min_rtt)) = (self.before, self.min_rtt) else { return false };
        last >= before + min_rtt / NEWCOMER_DIVISOR
    }

    /// Bytes that are in flight at full rate with empty queues, if it is known.
    pub(super) fn bdp(&self) -> Option<usize> {
        let min_rtt = self.min_rtt.filter(|_| self.bandwidth() > 0)?;
        let bytes = u128::from(self.bandwidth()) * min_rtt.as_nanos() / 1_000_000_000;
        usize::try_from(bytes).ok()
    }
}
