//! CUBIC (RFC 9438): after a loss the window returns along a cubic function of time to where the loss was, stays
//! there for a while, and then looks for more. So its growth does not depend on the round-trip time.

use super::controller::{Acknowledged, Controller, Start};
use super::hystart::HyStart;
use super::rfc9260::decayed;
use crate::time::Time;
use core::time::Duration;

/// C, in packets a cubic second (RFC 9438, 5.1).
const C: f64 = 0.4;
/// What a loss leaves of the window (4.6).
const BETA: f64 = 0.7;
/// Growth of the Reno-friendly estimate, packets for each window acknowledged (4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// The window of CUBIC, in bytes with their fractions.
#[derive(Debug)]
pub(super) struct Cubic {
    cwnd: f64,
    ssthresh: usize,
    /// The window at the last loss, less if it had been more at the one before (fast convergence, 4.7).
    w_max: f64,
    /// The window just before the last loss.
    cwnd_prior: f64,
    /// Congestion avoidance since the last loss, once it has begun.
    epoch: Option<Epoch>,
    hystart: HyStart,
}

/// A stage of congestion avoidance.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// When, without the time in which the window was not in full use (4.2).
    began: Time,
    acked_at: Time,
    /// Seconds until the window is back at `plateau`.
    k: f64,
    plateau: f64,
    /// Where Reno's window would be.
    w_est: f64,
}

impl Cubic {
    pub(super) fn new(start: &Start) -> Self {
        Self {
            cwnd: start.cwnd as f64,
            ssthresh: start.ssthresh,
            w_max: 0.0,
            cwnd_prior: 0.0,
            epoch: None,
            hystart: HyStart::default(),
        }
    }

    /// 4.6 and 4.7. Not below four packets, as for all of SCTP (RFC 9260, 7.2.3).
    fn reduce(&mut self, pmdcs: usize) {
        let converges = self.cwnd < self.w_max;
        self.w_max = if converges { self.cwnd * (1.0 + BETA) / 2.0 } else { self.cwnd };
        self.cwnd_prior = self.cwnd;
        self.ssthresh = ((self.cwnd * BETA).round() as usize).max(4 * pmdcs);
        self.epoch = None;
    }

    /// RFC 9260, 7.2.1, with the early exit of RFC 9406.
    fn slow_start(&mut self, ack: &Acknowledged, pmdcs: usize) {
        if let (Some(latest), Some(rtt)) = (ack.latest, ack.rtt()) {
            self.hystart.on_rtt(ack.now, latest.at, rtt);
        }
        if ack.in_full_use {
            self.cwnd += ack.bytes.min(pmdcs) as f64 / self.hystart.divisor();
        }
        if self.hystart.ends_slow_start() {
            self.ssthresh = self.cwnd();
        }
    }

    fn avoid_congestion(&mut self, ack: &Acknowledged, pmdcs: usize) {
        let (cwnd, packet, acked) = (self.cwnd, pmdcs.max(1) as f64, ack.bytes as f64);
        let (w_max, cwnd_prior) = (self.w_max, self.cwnd_prior);
        let epoch = self.epoch.get_or_insert_with(|| Epoch::begin(ack.now, cwnd, w_max, packet));
        let alpha = if epoch.w_est < cwnd_prior { ALPHA } else { 1.0 };
        epoch.w_est += alpha * packet * acked / cwnd;
        let elapsed = ack.now - epoch.began;
        // 4.3: where Reno would have more, so do we.
        if epoch.window(elapsed, packet) < epoch.w_est {
            self.cwnd = cwnd.max(epoch.w_est);
            return;
        }
        // 4.4 and 4.5: towards where the function is a round trip from now, by half of the window at most.
        let target = epoch.window(elapsed + ack.rtt().unwrap_or_default(), packet).clamp(cwnd, 1.5 * cwnd);
        self.cwnd += (target - cwnd) * acked / cwnd;
    }
}

impl Epoch {
    fn begin(now: Time, cwnd: f64, w_max: f64, packet: f64) -> Self {
        let plateau = w_max.max(cwnd);
        Self { began: now, acked_at: now, k: ((plateau - cwnd) / packet / C).cbrt(), plateau, w_est: cwnd }
    }

    /// An acknowledgement came; whether the window was in full use until then (5.8).
    fn pass_time(&mut self, now: Time, in_full_use: bool) {
        if !in_full_use {
            self.began += now - self.acked_at;
        }
        self.acked_at = now;
    }

    /// W_cubic (4.2).
    fn window(&self, elapsed: Duration, packet: f64) -> f64 {
        self.plateau + C * packet * (elapsed.as_secs_f64() - self.k).powi(3)
    }
}

impl Controller for Cubic {
    fn cwnd(&self) -> usize {
        self.cwnd as usize
    }

    fn ssthresh(&self) -> usize {
        self.ssthresh
    }

    fn window_after_idle(&self, idle: u32, pmdcs: usize) -> usize {
        decayed(self.cwnd(), idle, pmdcs)
    }

    /// RFC 9260, 7.2.1. The time without data is none in which the window could have grown (RFC 9438, 5.8).
    fn on_idle(&mut self, _now: Time, idle: u32, pmdcs: usize) {
        let decayed = decayed(self.cwnd(), idle, pmdcs);
        if decayed < self.cwnd() {
            self.ssthresh = self.cwnd();
            self.cwnd = decayed as f64;
            self.epoch = None;
        }
    }

    fn on_ack(&mut self, ack: &Acknowledged, pmdcs: usize) {
        match () {
            () if ack.in_fast_recovery => {}
            () if self.cwnd() < self.ssthresh => self.slow_start(ack, pmdcs),
            () if ack.in_full_use => self.avoid_congestion(ack, pmdcs),
            () => {}
        }
        if let Some(epoch) = &mut self.epoch {
            epoch.pass_time(ack.now, ack.in_full_use);
        }
    }

    fn on_fast_retransmit(&mut self, _now: Time, pmdcs: usize) {
        self.reduce(pmdcs);
        self.cwnd = self.ssthresh as f64;
    }

    /// As a loss (4.6), but a mark never raises the window, however small it is.
    fn on_ecn_echo(&mut self, now: Time, pmdcs: usize) {
        let before = self.cwnd;
        self.on_fast_retransmit(now, pmdcs);
        self.cwnd = self.cwnd.min(before);
    }

    /// 4.8: the first stage afterwards begins at its own plateau.
    fn on_timeout(&mut self, _now: Time, pmdcs: usize) {
        self.reduce(pmdcs);
        self.w_max = 0.0;
        self.cwnd = pmdcs as f64;
        self.hystart = HyStart::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::controller::LastSent;
    use super::*;

    /// PMDCS of these tests.
    const P: usize = 1_000;
    const RTT: u64 = 100;

    /// A round trip in which a window in full use is acknowledged, two packets at a time; the window after it.
    fn round(cubic: &mut Cubic, now: &mut u64) -> usize {
        *now += RTT;
        let latest = LastSent { at: Time::from_millis(*now - RTT), retransmitted: false };
        let ack = Acknowledged {
            now: Time::from_millis(*now),
            bytes: 2 * P,
            latest: Some(latest),
            in_full_use: true,
            ..Acknowledged::default()
        };
        (0..(cubic.cwnd() / P / 2).max(1)).for_each(|_| cubic.on_ack(&ack, P));
        cubic.cwnd() / P
    }

    fn after_loss(cwnd: usize) -> Cubic {
        let mut cubic = Cubic::new(&Start { cwnd: cwnd * P, ssthresh: usize::MAX, pmdcs: P });
        cubic.on_fast_retransmit(Time::ZERO, P);
        cubic
    }

    #[test]
    fn the_window_is_steep_then_flat_then_steep_again() {
        // RFC 9438, 4.2, 4.4 and 4.5: of 1,000 packets, 300 are lost at the start; K is the cube root of 300 / 0.4.
        let (mut cubic, mut now, k) = (after_loss(1_000), 0, 750_f64.cbrt());
        for second in 1..=15 {
            (0..10).for_each(|_| _ = round(&mut cubic, &mut now));
            let (window, expected) = (cubic.cwnd / P as f64, 1_000.0 + 0.4 * (f64::from(second) - k).powi(3));
            assert!((window - expected).abs() < 8.0, "{window} packets after {second} s, not {expected}");
        }
    }

    #[test]
    fn a_small_window_grows_as_renos_would() {
        // RFC 9438, 4.3: 0.53 packets in a round trip up to where the loss was, then one.
        let (mut cubic, mut now) = (after_loss(20), 0);
        let windows: Vec<_> = (0..20).map(|_| round(&mut cubic, &mut now)).collect();
        assert_eq!(windows, [14, 15, 15, 16, 16, 17, 17, 17, 18, 18, 19, 19, 20, 21, 22, 23, 24, 25, 26, 27]);
    }

    #[test]
    fn a_second_loss_on_the_way_leaves_room_for_others() {
        // RFC 9438, 4.6 and 4.7
        let mut cubic = after_loss(1_000);
        assert_eq!((cubic.cwnd(), cubic.ssthresh()), (700 * P, 700 * P));
        cubic.on_fast_retransmit(Time::ZERO, P);
        assert_eq!((cubic.cwnd(), cubic.w_max as usize), (490 * P, 595 * P), "fast convergence");
        (0..20).for_each(|_| cubic.on_fast_retransmit(Time::ZERO, P));
        assert_eq!(cubic.cwnd(), 4 * P, "RFC 9260, 7.2.3: the floor");
    }

    #[test]
    fn a_mark_counts_as_a_loss_and_never_raises_the_window() {
        // RFC 9438, 4.6; RFC 3168, 6.1.2
        let mut cubic = after_loss(1_000);
        cubic.on_ecn_echo(Time::ZERO, P);
        assert_eq!((cubic.cwnd(), cubic.ssthresh()), (490 * P, 490 * P));
        cubic.on_timeout(Time::ZERO, P);
        cubic.on_ecn_echo(Time::ZERO, P);
        assert_eq!((cubic.cwnd(), cubic.ssthresh()), (P, 4 * P));
    }

    #[test]
    fn a_time_out_leaves_one_packet_and_the_next_stage_begins_where_slow_start_ends() {
        // RFC 9438, 4.8
        let (mut cubic, mut now) = (after_loss(1_000), 0);
        cubic.on_timeout(Time::ZERO, P);
        assert_eq!((cubic.cwnd(), cubic.ssthresh()), (P, 490 * P));
        while cubic.cwnd() < cubic.ssthresh() {
            round(&mut cubic, &mut now);
        }
        round(&mut cubic, &mut now);
        assert_eq!(cubic.epoch.map(|epoch| epoch.k), Some(0.0));
    }

    #[test]
    fn a_window_that_is_not_in_full_use_does_not_grow() {
        // RFC 9260, 7.2.1 and 7.2.2
        let mut cubic = after_loss(100);
        let ack = Acknowledged { now: Time::from_millis(50_000), bytes: 2 * P, ..Acknowledged::default() };
        cubic.on_ack(&ack, P);
        assert_eq!(cubic.cwnd(), 70 * P);
    }

    #[test]
    fn time_in_which_the_window_is_not_used_is_no_time_of_growth() {
        // RFC 9438, 4.2 and 5.8
        let (mut cubic, mut now) = (after_loss(100), 0);
        let (mut limited, mut later) = (after_loss(100), 0);
        for _ in 0..3 {
            assert_eq!(round(&mut cubic, &mut now), round(&mut limited, &mut later));
        }
        for _ in 0..600 {
            later += RTT;
            let ack = Acknowledged { now: Time::from_millis(later), bytes: P, ..Acknowledged::default() };
            limited.on_ack(&ack, P);
        }
        assert_eq!(round(&mut limited, &mut later), round(&mut cubic, &mut now));
    }

    #[test]
    fn idle_time_halves_the_window_and_is_no_time_of_growth() {
        // RFC 9260, 7.2.1; RFC 9438, 5.8
        let (mut cubic, mut now) = (after_loss(100), 0);
        round(&mut cubic, &mut now);
        round(&mut cubic, &mut now);
        let cwnd = cubic.cwnd();
        assert_eq!(cubic.window_after_idle(1, P), cwnd / 2);
        cubic.on_idle(Time::from_millis(now), 1, P);
        assert_eq!((cubic.cwnd(), cubic.ssthresh()), (cwnd / 2, cwnd));
        assert!(cubic.epoch.is_none());
    }
}
