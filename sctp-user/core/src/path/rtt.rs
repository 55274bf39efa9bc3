//! Round-trip time and retransmission time-out (RFC 9260, 6.3.1).

use crate::config::AssociationConfig;
use crate::time::Time;
use core::time::Duration;

/// Clock granularity G, the least RTTVAR (rule G1).
const GRANULARITY: Duration = Duration::from_millis(1);

/// RTT state of one path.
#[derive(Clone, Copy, Debug)]
pub struct RttEstimator {
    srtt: Option<Duration>,
    rttvar: Duration,
    rto: Duration,
    rto_min: Duration,
    rto_max: Duration,
    measured_at: Option<Time>,
    latest: Option<Duration>,
    /// The largest RTO since this was last asked for.
    largest: Option<Duration>,
}

impl RttEstimator {
    /// Before any measurement: RTO.Initial (C1).
    pub fn new(config: &AssociationConfig) -> Self {
        let mut rtt = Self {
            srtt: None,
            rttvar: Duration::ZERO,
            rto: config.rto_initial,
            rto_min: config.rto_min,
            rto_max: config.rto_max,
            measured_at: None,
            latest: None,
            largest: None,
        };
        rtt.set_rto(config.rto_initial);
        rtt
    }

    /// Takes over RTO.Min and RTO.Max when they are changed on a living association.
    pub fn set_bounds(&mut self, config: &AssociationConfig) {
        self.rto_min = config.rto_min;
        self.rto_max = config.rto_max;
        self.set_rto(self.rto);
    }

    /// The present RTO, between RTO.Min and RTO.Max.
    pub fn rto(&self) -> Duration {
        self.rto
    }

    /// The smoothed round-trip time, once there is a measurement.
    pub fn srtt(&self) -> Option<Duration> {
        self.srtt
    }

    /// The round-trip time's variation.
    pub fn rttvar(&self) -> Duration {
        self.rttvar
    }

    /// How long the last answer took.
    pub(crate) fn latest(&self) -> Option<Duration> {
        self.latest
    }

    /// Something sent at `sent_at`, and only once (C5), was answered at `now`.
    ///
    /// It counts if it left after the measurement before it was taken: so there is one measurement
    /// for each round trip, no more and no less (C4). Returns whether it counted.
    /// RFC 9260, 6.3.1.
    pub fn measure(&mut self, sent_at: Time, now: Time) -> bool {
        self.latest = Some(now - sent_at);
        if self.measured_at.is_some_and(|measured_at| sent_at < measured_at) {
            return false;
        }
        self.measured_at = Some(now);
        self.update(now - sent_at);
        true
    }

    /// C2 and C3, with RTO.Alpha 1/8 and RTO.Beta 1/4.
    fn update(&mut self, measured: Duration) {
        let srtt = match self.srtt {
            None => {
                self.rttvar = measured / 2;
                measured
            }
            Some(srtt) => {
                self.rttvar = (self.rttvar * 3 + srtt.abs_diff(measured)) / 4;
                (srtt * 7 + measured) / 8
            }
        };
        self.srtt = Some(srtt);
        self.rttvar = self.rttvar.max(GRANULARITY);
        self.set_rto(srtt + self.rttvar * 4);
        self.note_largest();
    }

    /// T3-rtx expired: the time-out doubles (6.3.3 E2).
    pub fn back_off(&mut self) {
        self.set_rto(self.rto.saturating_mul(2));
        self.note_largest();
    }

    fn note_largest(&mut self) {
        self.largest = self.largest.max(Some(self.rto));
    }

    /// The largest RTO that came of a measurement or a time-out since this was last asked.
    pub(crate) fn take_largest(&mut self) -> Option<Duration> {
        self.largest.take()
    }

    /// C6 and C7. The upper bound wins should the user have set the two the wrong way round.
    fn set_rto(&mut self, rto: Duration) {
        self.rto = rto.max(self.rto_min).min(self.rto_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn estimator() -> RttEstimator {
        RttEstimator::new(&AssociationConfig { rto_min: 10 * MS, ..AssociationConfig::default() })
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn the_first_measurement_sets_srtt_and_half_of_it_as_variation() {
        // RFC 9260, 6.3.1 C1, C2
        let mut rtt = estimator();
        assert_eq!((rtt.rto(), rtt.srtt()), (1_000 * MS, None));
        assert!(rtt.measure(at(0), at(100)));
        assert_eq!((rtt.srtt(), rtt.rttvar(), rtt.rto()), (Some(100 * MS), 50 * MS, 300 * MS));
    }

    #[test]
    fn later_measurements_are_smoothed() {
        // RFC 9260, 6.3.1 C3
        let mut rtt = estimator();
        rtt.measure(at(0), at(100));
        assert!(rtt.measure(at(100), at(280)));
        assert_eq!(rtt.srtt(), Some(110 * MS));
        assert_eq!(rtt.rttvar(), Duration::from_micros(57_500));
        assert_eq!(rtt.rto(), 340 * MS);
    }

    #[test]
    fn one_measurement_counts_for_each_round_trip() {
        // RFC 9260, 6.3.1 C4
        let mut rtt = estimator();
        assert!(rtt.measure(at(0), at(100)));
        assert!(!rtt.measure(at(50), at(150)), "sent before the last measurement was taken");
        assert!(rtt.measure(at(100), at(200)));
    }

    #[test]
    fn the_time_out_stays_between_its_bounds() {
        // RFC 9260, 6.3.1 C6 and C7, 6.3.3 E2
        let mut rtt = RttEstimator::new(&AssociationConfig::default());
        rtt.measure(at(0), at(1));
        assert_eq!(rtt.rto(), 1_000 * MS);
        (0..10).for_each(|_| rtt.back_off());
        assert_eq!(rtt.rto(), 60_000 * MS);
        rtt.measure(at(10), at(11));
        assert_eq!(rtt.rto(), 1_000 * MS, "a new measurement collapses the doubled time-out");
    }

    #[test]
    fn steady_round_trips_do_not_bring_the_variation_to_zero() {
        // RFC 9260, 6.3.1 G1
        let mut rtt = estimator();
        (0..100).for_each(|i| assert!(rtt.measure(at(i * 100), at(i * 100 + 100))));
        assert_eq!(rtt.rttvar(), MS);
    }
}
