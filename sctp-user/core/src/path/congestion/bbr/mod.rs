//! A controller that measures the path and sends at its pace, in the manner of BBR: it keeps about one
//! bandwidth-delay product in flight, and takes the loss of single packets for what it is on long and lossy paths.
//!
//! - `model` measures: the highest delivery rate of late, the shortest round-trip time, how much gets lost.
//! - This file decides: in which phase the path is, hence how fast packets leave and how many may be in flight.
//!
//! Losses while the round-trip time says that a queue stands are those of a full queue, and others may suffer from
//! it too: then what may be in flight is bounded, and the bound falls and grows at the rates with which CUBIC
//! is a match for Reno (RFC 9438, 4.3). Other losses have no consequence unless they are many.

mod model;

use super::controller::{Acknowledged, Controller, Start};
use super::pacer;
use crate::time::Time;
use core::time::Duration;
use model::Model;

/// Gains in per cent of bandwidth, or of the bandwidth-delay product. 182 is the least at which the rate can grow by half
/// in each round trip, and 150 the window for it. That is as fast as RFC 9260 grows with a SACK for every second packet: who begins
/// together ends together, and the queue that is built before the first answer from it comes is half a product.
const STARTUP_PACING: u64 = 182;
const STARTUP_WINDOW: u64 = 150;
const DRAIN_PACING: u64 = 35;
const DOWN_PACING: u64 = 90;
const UP_PACING: u64 = 125;
const WINDOW: u64 = 200;
const PROBE_RTT_WINDOW: u64 = 50;
/// The least window, in packets.
const LEAST_WINDOW: usize = 4;
/// The least pace spreads that over this time, whatever was measured. What was acknowledged late, because the
/// acknowledgements before were lost, makes a path look as slow as one packet in a minute; and at that pace nothing would
/// ever be measured that says otherwise.
const LEAST_PACE: Duration = Duration::from_secs(1);
/// Send a little slower than what was measured, so that queues drain.
const MARGIN: u64 = 99;
/// What a loss from a full queue leaves of what was in flight.
const BETA: usize = 70;
/// In 1/1,000 of a packet for each round trip: how fast a bound grows back while a queue stands.
const ALPHA: usize = 530;
/// More than this part lost in a round trip, in 1/1,000, is too much even without a queue.
const TOO_MUCH_LOSS: u64 = 20;
/// Growth of bandwidth, in per cent, that shows that the path is not full yet.
const STILL_GROWING: u64 = 125;
/// So many round trips without it: the path is full. One is enough where a queue stands.
const FULL_AFTER: u32 = 3;
/// Time between two probes for more bandwidth, from 2 to 3 s, and at most so many round trips: as long as Reno
/// takes to grow by that on fast paths.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
const PROBE_ROUNDS: u64 = 63;
/// How long little is in flight to see the path empty.
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);
/// Before anything was measured.
const ASSUMED_RTT: Duration = Duration::from_millis(1);

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The rate grows by half in each round trip until the path is full.
    Startup,
    /// The queue that start-up has built drains.
    Drain,
    /// Less than the bandwidth, so that queues drain and others find room.
    Down,
    /// The bandwidth.
    Cruise,
    /// One round trip that fills the path before more is tried.
    Refill,
    /// More than the bandwidth: is there more?
    Up,
    /// Little is in flight, to see the round-trip time of the empty path.
    ProbeRtt,
}

/// The controller.
#[derive(Debug)]
pub(super) struct Bbr {
    model: Model,
    phase: Phase,
    /// When the phase began.
    since: Time,
    since_round: u64,
    /// When the last probe for more bandwidth was over.
    cycle_since: Time,
    cycle_round: u64,
    cycles: u32,
    /// Bandwidth that was the highest when it grew last, and round trips since then.
    full_bandwidth: u64,
    full_rounds: u32,
    cwnd: usize,
    /// No more than this is in flight: more has made a queue overflow.
    bound: usize,
    /// Parts of a packet by which the bound has grown.
    bound_credit: usize,
    /// What a newcomer leaves us, and in which cycle one was seen last.
    half: Option<(usize, u32)>,
    /// The bound fell in this round trip.
    fell: bool,
    flight: usize,
    pmdcs: usize,
}

impl Bbr {
    pub(super) fn new(start: &Start) -> Self {
        Self {
            model: Model::new(),
            phase: Phase::Startup,
            since: Time::ZERO,
            since_round: 0,
            cycle_since: Time::ZERO,
            cycle_round: 0,
            cycles: 0,
            full_bandwidth: 0,
            full_rounds: 0,
            cwnd: start.cwnd,
            bound: usize::MAX,
            bound_credit: 0,
            half: None,
            fell: false,
            flight: 0,
            pmdcs: start.pmdcs,
        }
    }

    fn enter(&mut self, phase: Phase, now: Time) {
        self.phase = phase;
        self.since = now;
        self.since_round = self.model.rounds;
    }

    /// Bytes in flight at `percent` of the bandwidth-delay product, and what groups of packets need beside it.
    fn inflight(&self, percent: u64) -> usize {
        let Some(bdp) = self.model.bdp() else { return usize::MAX };
        let bytes = bdp.saturating_mul(usize::try_from(percent).unwrap_or(100)) / 100;
        bytes
            .saturating_add(2 * pacer::group(self.model.bandwidth(), self.pmdcs))
            .max(LEAST_WINDOW * self.pmdcs)
    }

    fn next_phase(&mut self, now: Time) {
        match self.phase {
            Phase::Startup => self.look_for_the_end_of_startup(now),
            Phase::Drain if self.flight <= self.inflight(100) => self.begin_cycle(now),
            Phase::Down if self.flight <= self.inflight(100) => self.enter(Phase::Cruise, now),
            Phase::Cruise if self.is_time_to_probe(now) => self.enter(Phase::Refill, now),
            Phase::Refill if self.model.rounds > self.since_round => self.enter(Phase::Up, now),
            Phase::Up if self.has_probed_enough(now) => self.begin_cycle(now),
            Phase::ProbeRtt => self.look_for_the_end_of_probe_rtt(now),
            _ => {}
        }
        let may_probe = !matches!(self.phase, Phase::Startup | Phase::ProbeRtt);
        if may_probe && self.model.min_rtt_is_old(now) {
            self.enter(Phase::ProbeRtt, now);
        }
    }

    fn look_for_the_end_of_startup(&mut self, now: Time) {
        if !self.model.round_begins || self.model.app_limited {
            return;
        }
        let bandwidth = self.model.bandwidth();
        if bandwidth >= self.full_bandwidth.saturating_mul(STILL_GROWING) / 100 {
            (self.full_bandwidth, self.full_rounds) = (bandwidth, 0);
        } else {
            self.full_rounds += 1;
        }
        let too_much_loss = self.model.loss_permille > TOO_MUCH_LOSS && self.model.rounds > 3;
        let enough = if self.model.queue_stands() { 1 } else { FULL_AFTER };
        if self.full_rounds >= enough || too_much_loss {
            self.enter(Phase::Drain, now);
        }
    }

    /// A cycle begins with letting queues drain.
    fn begin_cycle(&mut self, now: Time) {
        self.model.begin_cycle();
        self.cycles = self.cycles.wrapping_add(1);
        (self.cycle_since, self.cycle_round) = (now, self.model.rounds);
        self.enter(Phase::Down, now);
    }

    /// Senders that began together do not stay in step: the intervals vary in a pattern of seven.
    fn is_time_to_probe(&self, now: Time) -> bool {
        let interval = PROBE_INTERVAL + PROBE_INTERVAL * (self.cycles * 3 % 7) / 14;
        let packets = self.model.bdp().unwrap_or(0) / self.pmdcs.max(1);
        let rounds = PROBE_ROUNDS.min(packets.max(8) as u64);
        now - self.cycle_since >= interval || self.model.rounds - self.cycle_round >= rounds
    }

    /// The probe has filled what it may, or nothing more is there to fill it with.
    fn has_probed_enough(&self, now: Time) -> bool {
        let round_over = self.model.min_rtt().is_some_and(|min_rtt| now - self.since > min_rtt);
        let bounded = self.flight >= self.bound / 100 * 90 && self.model.queue_begins();
        let filled = self.flight >= self.inflight(UP_PACING) || bounded;
        let lost = self.fell || self.model.loss_permille > TOO_MUCH_LOSS;
        lost || self.model.app_limited || (round_over && (filled || self.model.queue_stands()))
    }

    fn look_for_the_end_of_probe_rtt(&mut self, now: Time) {
        let round_over = self.model.rounds > self.since_round + 1;
        if now - self.since >= PROBE_RTT_TIME && round_over {
            self.model.renew_min_rtt(now);
            self.enter(Phase::Cruise, now);
        }
    }

    /// A full queue has dropped something: less may be in flight. Once for each round trip.
    fn lower_bound(&mut self) {
        if self.fell {
            return;
        }
        self.fell = true;
        let held = self.flight.max(self.cwnd / 2).min(self.bound);
        // What start-up has overfilled says nothing against a path that is just full.
        let least = if self.phase == Phase::Drain { self.inflight(100) } else { LEAST_WINDOW * self.pmdcs };
        self.bound = (held / 100 * BETA).max(least);
        self.cwnd = self.cwnd.min(self.bound);
    }

    /// Somebody is in slow start. He will stop when a queue stands, and then grow by one packet in a round trip: what
    /// he is to have he must get now. He gets half, if he wants it; what he leaves is found by the next probe.
    fn make_room(&mut self) {
        let settled = match self.phase {
            Phase::Down | Phase::Cruise => self.model.rounds > self.since_round + 2,
            phase => phase == Phase::Refill,
        };
        if !self.model.round_begins || !settled || !self.model.newcomer() {
            return;
        }
        let held = self.flight.max(self.cwnd / 2).min(self.bound);
        let lately = self.half.filter(|&(_, cycle)| self.cycles.wrapping_sub(cycle) <= 1);
        let least = lately.map_or(held / 2, |(half, _)| half);
        self.half = Some((least, self.cycles));
        self.bound = (held / 100 * BETA).max(least).min(self.bound);
        self.fell = true;
    }

    /// The bound grows while it is in full use: as Reno does while a queue stands, with the flight while probing.
    fn raise_bound(&mut self, ack: &Acknowledged) {
        if self.bound == usize::MAX || self.fell || ack.flight_before < self.bound / 100 * 90 {
            return;
        }
        if self.phase == Phase::Up && !self.model.queue_begins() {
            self.bound = self.bound.saturating_add(ack.bytes / 4);
            return;
        }
        self.bound_credit += ack.bytes.saturating_mul(ALPHA) / 1_000;
        if self.bound_credit >= self.bound {
            self.bound_credit -= self.bound;
            self.bound = self.bound.saturating_add(self.pmdcs);
        }
    }

    /// The window follows what the path holds, but grows no faster than data is delivered.
    fn update_window(&mut self, acked: usize) {
        let gain = match self.phase {
            Phase::Startup => STARTUP_WINDOW,
            Phase::ProbeRtt => PROBE_RTT_WINDOW,
            _ => WINDOW,
        };
        let target = self.inflight(gain).min(self.bound).max(LEAST_WINDOW * self.pmdcs);
        self.cwnd = self.cwnd.saturating_add(acked).min(target);
    }

    /// Bytes a second, if so many leave in each round trip.
    fn in_each_rtt(&self, bytes: usize) -> u64 {
        let rtt = self.model.min_rtt().unwrap_or(ASSUMED_RTT).max(Duration::from_micros(1));
        u64::try_from(bytes as u128 * 1_000_000_000 / rtt.as_nanos()).unwrap_or(u64::MAX)
    }

    fn pacing_gain(&self) -> u64 {
        match self.phase {
            Phase::Startup => STARTUP_PACING,
            Phase::Drain => DRAIN_PACING,
            Phase::Down => DOWN_PACING,
            Phase::Cruise | Phase::Refill | Phase::ProbeRtt => 100,
            Phase::Up => UP_PACING,
        }
    }
}

impl Controller for Bbr {
    fn cwnd(&self) -> usize {
        self.cwnd
    }

    fn pacing_rate(&self) -> Option<u64> {
        let measured = self.model.bandwidth().saturating_mul(MARGIN) / 100;
        let bandwidth = match self.phase {
            _ if measured == 0 => self.in_each_rtt(self.cwnd),
            // Who had little to send so far knows little of the path.
            Phase::Startup => measured.max(self.in_each_rtt(LEAST_WINDOW * self.pmdcs)),
            _ => measured,
        };
        let rate = u128::from(bandwidth) * u128::from(self.pacing_gain()) / 100;
        let least = (LEAST_WINDOW * self.pmdcs) as u64 / LEAST_PACE.as_secs();
        Some(u64::try_from(rate).unwrap_or(u64::MAX).max(least))
    }

    fn wants_rate_samples(&self) -> bool {
        true
    }

    fn retransmits_repeatedly(&self) -> bool {
        true
    }

    fn on_sent(&mut self, _now: Time, _bytes: usize, flight: usize) {
        self.flight = flight;
    }

    fn on_ack(&mut self, ack: &Acknowledged, pmdcs: usize) {
        (self.flight, self.pmdcs) = (ack.flight_after, pmdcs);
        self.model.on_ack(ack);
        if self.model.round_begins {
            self.fell = false;
        }
        self.make_room();
        self.raise_bound(ack);
        self.next_phase(ack.now);
        self.update_window(ack.bytes);
    }

    fn on_lost(&mut self, _now: Time, bytes: usize) {
        self.model.on_lost(bytes);
        if self.model.queue_stands() && self.phase != Phase::Startup {
            self.lower_bound();
        }
    }

    fn on_fast_retransmit(&mut self, _now: Time, _pmdcs: usize) {}

    /// One packet, and from there as fast as data is delivered. What was measured stays.
    fn on_timeout(&mut self, _now: Time, pmdcs: usize) {
        self.cwnd = pmdcs;
    }

    /// A router says that a queue stands: the path is full.
    fn on_ecn_echo(&mut self, now: Time, _pmdcs: usize) {
        if self.phase == Phase::Startup {
            self.enter(Phase::Drain, now);
        }
        self.lower_bound();
    }
}
