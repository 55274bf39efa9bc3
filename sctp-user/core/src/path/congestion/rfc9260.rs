//! Slow start and congestion avoidance (RFC 9260, 7.2): the algorithm that every SCTP has.

use super::controller::{Acknowledged, Controller, Start};
use super::hystart::HyStart;
use crate::time::Time;

/// The window of RFC 9260.
#[derive(Debug)]
pub(super) struct Rfc9260 {
    cwnd: usize,
    ssthresh: usize,
    partial_bytes_acked: usize,
    /// Ends the first slow start before a whole window is lost.
    hystart: HyStart,
}

impl Rfc9260 {
    /// RFC 9260, 7.2.1.
    pub(super) fn new(start: &Start) -> Self {
        Self {
            cwnd: start.cwnd,
            ssthresh: start.ssthresh,
            partial_bytes_acked: 0,
            hystart: HyStart::default(),
        }
    }

    /// 7.2.1; the first time, with the early exit of RFC 9406: where no threshold is known, the window would else grow to
    /// twice what the path holds, and all that is too much would get lost at once.
    fn slow_start(&mut self, ack: &Acknowledged, pmdcs: usize) {
        let increase = if ack.in_full_use { ack.bytes.min(pmdcs) } else { 0 };
        if self.ssthresh < usize::MAX {
            self.cwnd += increase;
            return;
        }
        if let (Some(latest), Some(rtt)) = (ack.latest, ack.rtt()) {
            self.hystart.on_rtt(ack.now, latest.at, rtt);
        }
        self.cwnd += (increase as f64 / self.hystart.divisor()) as usize;
        if self.hystart.ends_slow_start() {
            self.ssthresh = self.cwnd;
        }
    }

    /// 7.2.3: half the window, but not less than four packets.
    fn lower_ssthresh(&mut self, pmdcs: usize) {
        self.ssthresh = (self.cwnd / 2).max(4 * pmdcs);
        self.partial_bytes_acked = 0;
    }
}

impl Controller for Rfc9260 {
    fn cwnd(&self) -> usize {
        self.cwnd
    }

    fn ssthresh(&self) -> usize {
        self.ssthresh
    }

    fn partial_bytes_acked(&self) -> usize {
        self.partial_bytes_acked
    }

    /// The window after `idle` RTOs in which nothing was sent (7.2.1). It never grows by that.
    fn window_after_idle(&self, idle: u32, pmdcs: usize) -> usize {
        decayed(self.cwnd, idle, pmdcs)
    }

    /// RFC 9260, 7.1, 7.2.1, 7.2.2.
    fn on_idle(&mut self, _now: Time, idle: u32, pmdcs: usize) {
        let decayed = decayed(self.cwnd, idle, pmdcs);
        if decayed < self.cwnd {
            self.ssthresh = self.cwnd;
            self.cwnd = decayed;
        }
    }

    /// Slow start (7.2.1) and congestion avoidance (7.2.2): only a window in full use grows, and not
    /// in fast recovery. At most one PMDCS for each SACK (L = 1), which makes ACK splitting useless.
    /// RFC 9260, 7.2.
    fn on_ack(&mut self, ack: &Acknowledged, pmdcs: usize) {
        if ack.in_fast_recovery {
            return;
        }
        if self.cwnd <= self.ssthresh {
            self.slow_start(ack, pmdcs);
            return;
        }
        self.partial_bytes_acked += ack.bytes;
        if self.partial_bytes_acked >= self.cwnd {
            if ack.in_full_use {
                self.partial_bytes_acked -= self.cwnd;
                self.cwnd += ack.share_of(pmdcs);
            } else {
                self.partial_bytes_acked = self.cwnd;
            }
        }
    }

    /// 7.2.2, last item.
    fn on_all_acked(&mut self) {
        self.partial_bytes_acked = 0;
    }

    /// RFC 9260, 7.2.3.
    fn on_fast_retransmit(&mut self, _now: Time, pmdcs: usize) {
        self.lower_ssthresh(pmdcs);
        self.cwnd = self.ssthresh;
    }

    /// A mark never raises the window, however small it is.
    fn on_ecn_echo(&mut self, now: Time, pmdcs: usize) {
        let before = self.cwnd;
        self.on_fast_retransmit(now, pmdcs);
        self.cwnd = self.cwnd.min(before);
    }

    /// RFC 9260, 7.2.3.
    fn on_timeout(&mut self, _now: Time, pmdcs: usize) {
        self.lower_ssthresh(pmdcs);
        self.cwnd = pmdcs;
    }
}

/// A window that halves for each RTO without data, down to four packets (7.2.1). It never grows by that.
pub(super) fn decayed(cwnd: usize, idle: u32, pmdcs: usize) -> usize {
    let halved = cwnd.checked_shr(idle).unwrap_or(0);
    halved.max(cwnd.min(4 * pmdcs))
}
