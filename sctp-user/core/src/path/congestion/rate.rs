//! Delivery-rate samples: how fast a path delivers, measured over the flight of each packet.
//!
//! What left at one instant shares one record of how much had been delivered by then, so chunks need not carry
//! it: the time at which a chunk left is the name of its record.

use super::controller::{Acknowledged, RateSample};
use crate::time::Time;
use std::collections::VecDeque;

/// Records that are kept at most. Each is of another instant: with pacing some hundred are a round trip.
const MAX_RECORDS: usize = 65_536;

/// Measures one path.
#[derive(Debug, Default)]
pub(super) struct RateSampler {
    /// Bytes delivered in all.
    delivered: u64,
    delivered_at: Time,
    /// When the packet left that was acknowledged last.
    first_sent_at: Time,
    /// What is acknowledged up to here was sent while something else than the path was the limit.
    app_limited_until: u64,
    /// Of the instants at which data left, in their order.
    records: VecDeque<Record>,
}

/// How things stood when a packet left.
#[derive(Clone, Copy, Debug)]
struct Record {
    sent_at: Time,
    delivered: u64,
    delivered_at: Time,
    first_sent_at: Time,
    flight: usize,
    app_limited: bool,
}

impl RateSampler {
    /// A packet with `bytes` left; now `flight` bytes are in flight.
    pub(super) fn on_sent(&mut self, now: Time, bytes: usize, flight: usize) {
        if flight <= bytes {
            (self.first_sent_at, self.delivered_at) = (now, now);
        }
        if let Some(last) = self.records.back_mut().filter(|last| last.sent_at == now) {
            last.flight = flight;
            return;
        }
        if self.records.len() >= MAX_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(Record {
            sent_at: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            flight,
            app_limited: self.app_limited_until > self.delivered,
        });
    }

    /// The sample that an acknowledgement makes, by what left last of what it acknowledged.
    pub(super) fn on_ack(&mut self, ack: &Acknowledged) -> Option<RateSample> {
        self.delivered += ack.bytes as u64;
        self.delivered_at = ack.now;
        if !ack.data_waits || ack.rwnd == 0 {
            // With nothing in flight what leaves next leaves too little.
            self.app_limited_until = self.delivered + ack.flight_after.max(1) as u64;
        }
        let record = self.record_of(ack.latest?.at)?;
        self.first_sent_at = record.sent_at;
        let sending = record.sent_at - record.first_sent_at;
        let acknowledging = ack.now - record.delivered_at;
        Some(RateSample {
            delivered: self.delivered,
            prior_delivered: record.delivered,
            interval: sending.max(acknowledging),
            flight_at_send: record.flight,
            app_limited: record.app_limited,
        })
    }

    /// What was in flight waited for a time-out, not for the path: its acknowledgement says nothing of the rate.
    pub(super) fn on_timeout(&mut self) {
        self.records.clear();
    }

    /// The record of the instant `sent_at`; earlier ones are not needed any more.
    fn record_of(&mut self, sent_at: Time) -> Option<Record> {
        while self.records.pop_front_if(|record| record.sent_at < sent_at).is_some() {}
        self.records.front().filter(|record| record.sent_at == sent_at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::controller::LastSent;
    use super::*;
    use core::time::Duration;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn acked(now: u64, bytes: usize, sent_at: u64) -> Acknowledged {
        let latest = Some(LastSent { at: at(sent_at), retransmitted: false });
        Acknowledged { now: at(now), bytes, latest, rwnd: 1, data_waits: true, ..Acknowledged::default() }
    }

    #[test]
    fn a_sample_is_what_was_delivered_in_the_flight_of_a_packet() {
        let mut sampler = RateSampler::default();
        (0..20).for_each(|i| sampler.on_sent(at(100 + i), 1_000, (i as usize + 1) * 1_000));
        let samples: Vec<_> =
            (0..20).filter_map(|i| sampler.on_ack(&acked(150 + 2 * i, 1_000, 100 + i))).collect();
        let last = samples.last().expect("each acknowledgement makes one");
        assert_eq!((last.delivered, last.prior_delivered, last.flight_at_send), (20_000, 0, 20_000));
        assert_eq!(last.bytes_per_second(), 20_000 * 1_000 / 88);
    }

    #[test]
    fn an_acknowledgement_that_was_held_up_does_not_make_the_path_look_fast() {
        let mut sampler = RateSampler::default();
        (0..100).for_each(|i| sampler.on_sent(at(100 + i), 1_000, (i as usize + 1) * 1_000));
        sampler.on_ack(&acked(201, 1_000, 100));
        let sample = sampler.on_ack(&acked(250, 99_000, 199)).expect("a sample");
        assert_eq!(sample.bytes_per_second(), 100_000 * 1_000 / 150);
    }

    #[test]
    fn what_is_acknowledged_after_a_time_out_makes_no_sample() {
        let mut sampler = RateSampler::default();
        sampler.on_sent(at(0), 1_000, 1_000);
        sampler.on_sent(at(1), 1_000, 2_000);
        sampler.on_timeout();
        sampler.on_sent(at(60_000), 1_000, 1_000);
        assert_eq!(sampler.on_ack(&acked(60_005, 1_000, 1)), None);
        let sample = sampler.on_ack(&acked(60_010, 1_000, 60_000)).expect("a sample");
        assert_eq!(sample.interval, Duration::from_millis(10));
    }

    #[test]
    fn what_leaves_while_no_data_waits_tells_only_a_lower_bound() {
        let mut sampler = RateSampler::default();
        sampler.on_sent(at(0), 1_000, 1_000);
        sampler.on_sent(at(1), 1_000, 2_000);
        let dry = Acknowledged { data_waits: false, flight_after: 1_000, ..acked(10, 1_000, 0) };
        assert!(!sampler.on_ack(&dry).expect("a sample").app_limited);
        sampler.on_sent(at(11), 1_000, 2_000);
        assert!(!sampler.on_ack(&acked(12, 1_000, 1)).expect("a sample").app_limited);
        sampler.on_sent(at(13), 1_000, 2_000);
        assert!(sampler.on_ack(&acked(21, 1_000, 11)).expect("a sample").app_limited);
        assert!(!sampler.on_ack(&acked(23, 1_000, 13)).expect("a sample").app_limited);
    }
}
