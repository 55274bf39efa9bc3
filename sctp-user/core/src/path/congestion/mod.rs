//! Congestion control of one path (RFC 9260, 7.2).
//!
//! [`Congestion`] is told what happens (data sent, acknowledged, lost, timed out, the path idle) and
//! answers one question: may another packet leave? Nothing outside reads or sets the window by itself.
//! It asks the path's [`Controller`], which the user [chooses](CongestionControl), and adds what is the same
//! for all of them.

mod bbr;
mod burst;
mod choice;
mod controller;
mod cubic;
mod hystart;
mod pacer;
mod rate;
mod rfc9260;

pub use choice::{CongestionControl, ControllerFactory};
pub use controller::{Acknowledged, Controller, LastSent, RateSample, Start};

use crate::config::AssociationConfig;
use crate::time::Time;
use burst::BurstCredit;
use choice::Algorithm;
use core::net::IpAddr;
use pacer::Pacer;
use rate::RateSampler;

/// Congestion state of one path. Windows count whole DATA chunks, header and padding included (7.2).
#[derive(Debug)]
pub struct Congestion {
    chosen: CongestionControl,
    algorithm: Algorithm,
    burst: BurstCredit,
    /// The last packet filled the window: what was acknowledged since then was acknowledged to a
    /// sender that used its whole window, even if several SACKs came before it could send again.
    filled: bool,
    /// T3-rtx expired and nothing was acknowledged since: one packet in flight, no more (7.2.3).
    after_timeout: bool,
    pacer: Pacer,
    /// Only for controllers that want it.
    sampler: Option<Box<RateSampler>>,
}

impl Congestion {
    /// The initial window (7.2.1), and no threshold yet.
    pub fn new(pmdcs: usize, remote: IpAddr, config: &AssociationConfig) -> Self {
        let most = if remote.is_ipv4() { 4_404 } else { 4_344 };
        let cwnd = (4 * pmdcs).min((2 * pmdcs).max(most));
        Self::start(Start { cwnd, ssthresh: usize::MAX, pmdcs }, config)
    }

    fn start(start: Start, config: &AssociationConfig) -> Self {
        let chosen = config.congestion_control.clone();
        let algorithm = chosen.make(&start);
        Self {
            sampler: sampler_for(&algorithm),
            algorithm,
            chosen,
            burst: BurstCredit::new(start.pmdcs, config),
            filled: false,
            after_timeout: false,
            pacer: Pacer::default(),
        }
    }

    /// A window of this size, for tests.
    #[cfg(test)]
    pub(crate) fn with_cwnd(cwnd: usize, config: &AssociationConfig) -> Self {
        Self::start(Start { cwnd, ssthresh: usize::MAX, pmdcs: cwnd }, config)
    }

    /// Takes over what was changed on a living association. Another algorithm starts with the present window.
    pub fn update_config(&mut self, pmdcs: usize, config: &AssociationConfig) {
        self.burst.set_max_burst(config);
        if self.chosen != config.congestion_control {
            self.chosen = config.congestion_control.clone();
            let start = Start { cwnd: self.cwnd(), ssthresh: self.ssthresh(), pmdcs };
            self.algorithm = self.chosen.make(&start);
            self.sampler = sampler_for(&self.algorithm);
            self.pacer = Pacer::default();
        }
    }

    /// Bytes that may be in flight on this path.
    pub fn cwnd(&self) -> usize {
        self.algorithm.cwnd()
    }

    /// Up to here the window grows by slow start, above it by congestion avoidance.
    pub fn ssthresh(&self) -> usize {
        self.algorithm.ssthresh()
    }

    /// Progress towards the next step of congestion avoidance.
    pub fn partial_bytes_acked(&self) -> usize {
        self.algorithm.partial_bytes_acked()
    }

    /// See [`Controller::retransmits_repeatedly`].
    pub fn retransmits_repeatedly(&self) -> bool {
        self.algorithm.retransmits_repeatedly()
    }

    /// Whether a packet may leave while `flight` bytes are in flight, after `idle` RTOs without data.
    ///
    /// One that starts below cwnd may end above it (6.1 B). With nothing in flight no acknowledgement
    /// can come that would give new credit: so then one packet may always leave, when its time has come.
    /// RFC 9260, 7.2.1, 6.3.3.
    pub fn may_send(&self, now: Time, flight: usize, idle: u32, pmdcs: usize) -> bool {
        let in_burst = || !self.burst.is_used_up() || self.algorithm.pacing_rate().is_some();
        match flight {
            _ if self.pacer.holds(now) => false,
            0 => true,
            _ if self.after_timeout || !in_burst() => false,
            _ => flight < self.algorithm.window_after_idle(idle, pmdcs),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due: pacing holds packets back until then.
    pub fn deadline(&self) -> Option<Time> {
        self.pacer.deadline()
    }

    /// The time that packets were held back for may have come.
    pub fn handle_timeout(&mut self, now: Time) {
        self.pacer.handle_timeout(now);
    }

    /// Data is about to be sent after `idle` RTOs in which there was none.
    pub fn on_idle(&mut self, now: Time, idle: u32, pmdcs: usize) {
        self.algorithm.on_idle(now, idle, pmdcs);
    }

    /// A packet with `bytes` of DATA left; now `flight` bytes are in flight.
    pub fn on_sent(&mut self, now: Time, bytes: usize, flight: usize, pmdcs: usize) {
        self.burst.spend(bytes);
        self.filled = flight >= self.cwnd();
        self.algorithm.on_sent(now, bytes, flight);
        if let Some(sampler) = &mut self.sampler {
            sampler.on_sent(now, bytes, flight);
        }
        if let Some(rate) = self.algorithm.pacing_rate() {
            self.pacer.on_sent(now, bytes, rate, pmdcs);
        }
    }

    /// A SACK was taken in; for each path, also those of which it acknowledged nothing.
    pub fn on_ack(&mut self, mut ack: Acknowledged, pmdcs: usize) {
        if ack.bytes > 0 {
            self.after_timeout = false;
            ack.rate = self.sampler.as_mut().and_then(|sampler| sampler.on_ack(&ack));
            ack.in_full_use = ack.flight_before >= self.cwnd() || (self.filled && ack.data_waits);
            self.algorithm.on_ack(&ack, pmdcs);
        }
        self.burst.refill(&ack, self.cwnd(), pmdcs);
    }

    /// All that was sent is acknowledged (7.2.2, last item).
    pub fn on_all_acked(&mut self) {
        self.algorithm.on_all_acked();
    }

    /// A SACK showed that a chunk of `bytes` was lost.
    pub fn on_lost(&mut self, now: Time, bytes: usize) {
        self.algorithm.on_lost(now, bytes);
    }

    /// Chunks sent here were reported missing, and fast recovery begins (7.2.3, 7.2.4).
    pub fn on_fast_retransmit(&mut self, now: Time, pmdcs: usize) {
        self.algorithm.on_fast_retransmit(now, pmdcs);
    }

    /// T3-rtx expired (7.2.3; 6.3.3 E1).
    pub fn on_timeout(&mut self, now: Time, pmdcs: usize) {
        self.algorithm.on_timeout(now, pmdcs);
        self.sampler.iter_mut().for_each(|sampler| sampler.on_timeout());
        self.burst.reset(pmdcs);
        self.filled = false;
        self.after_timeout = true;
    }

    /// The peer echoed a mark of congestion; at most once for each window.
    pub fn on_ecn_echo(&mut self, now: Time, pmdcs: usize) {
        self.algorithm.on_ecn_echo(now, pmdcs);
    }
}

fn sampler_for(algorithm: &Algorithm) -> Option<Box<RateSampler>> {
    algorithm.wants_rate_samples().then(Box::default)
}

#[cfg(test)]
mod tests;
