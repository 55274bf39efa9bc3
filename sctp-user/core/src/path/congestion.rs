//! Congestion control of one path (RFC 9260, 7.2).
//!
//! [`Congestion`] is told what happens (data sent, acknowledged, lost, timed out, the path idle) and
//! answers one question: may another packet leave? Its methods are the seam for other algorithms:
//! nothing outside reads or sets the window by itself. PMDCS, the largest DATA chunk that fits into a
//! packet of the path, comes with each call because path MTU discovery may change it at any time.

use crate::config::AssociationConfig;
use core::net::IpAddr;

/// Congestion state of one path. Windows count whole DATA chunks, header and padding included (7.2).
#[derive(Clone, Debug)]
pub struct Congestion {
    cwnd: usize,
    ssthresh: usize,
    partial_bytes_acked: usize,
    /// Packets that one event may send beyond what it acknowledged; 0: no limit (RFC 6458, 8.1.24).
    max_burst: usize,
    /// Bytes that may still leave before the next acknowledgement.
    burst_credit: usize,
    /// The last packet filled the window: what was acknowledged since then was acknowledged to a
    /// sender that used its whole window, even if several SACKs came before it could send again.
    filled: bool,
    /// T3-rtx expired and nothing was acknowledged since: one packet in flight, no more (7.2.3).
    after_timeout: bool,
}

/// What one SACK acknowledged on a path.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// Bytes of DATA chunks that were not acknowledged before.
    pub bytes: usize,
    /// Bytes in flight on the path before the SACK.
    pub flight_before: usize,
    /// Bytes in flight on the path after it.
    pub flight_after: usize,
    /// Bytes that the peer's window leaves room for.
    pub rwnd: usize,
    /// There is data that waits for the window to open.
    pub data_waits: bool,
    /// The association was in fast recovery when the SACK came.
    pub in_fast_recovery: bool,
}

impl Congestion {
    /// The initial window (7.2.1), and no threshold yet.
    pub fn new(pmdcs: usize, remote: IpAddr, config: &AssociationConfig) -> Self {
        let most = if remote.is_ipv4() { 4_404 } else { 4_344 };
        let max_burst = usize::try_from(config.max_burst).unwrap_or(0);
        Self {
            cwnd: (4 * pmdcs).min((2 * pmdcs).max(most)),
            ssthresh: usize::MAX,
            partial_bytes_acked: 0,
            max_burst,
            burst_credit: allowance(max_burst, pmdcs),
            filled: false,
            after_timeout: false,
        }
    }

    /// A window of this size, for tests.
    #[cfg(test)]
    pub(crate) fn with_cwnd(cwnd: usize, config: &AssociationConfig) -> Self {
        Self { cwnd, ..Self::new(cwnd, IpAddr::from([0, 0, 0, 0]), config) }
    }

    /// Takes over Max.Burst when it is changed on a living association.
    pub fn set_max_burst(&mut self, config: &AssociationConfig) {
        self.max_burst = usize::try_from(config.max_burst).unwrap_or(0);
    }

    /// Bytes that may be in flight on this path.
    pub fn cwnd(&self) -> usize {
        self.cwnd
    }

    /// Up to here the window grows by slow start, above it by congestion avoidance.
    pub fn ssthresh(&self) -> usize {
        self.ssthresh
    }

    /// Progress towards the next step of congestion avoidance.
    pub fn partial_bytes_acked(&self) -> usize {
        self.partial_bytes_acked
    }

    /// Whether a packet may leave while `flight` bytes are in flight, after `idle` RTOs without data.
    ///
    /// One that starts below cwnd may end above it (6.1 B). With nothing in flight no acknowledgement
    /// can come that would give new credit: so then one packet may always leave.
    pub fn may_send(&self, flight: usize, idle: u32, pmdcs: usize) -> bool {
        match flight {
            0 => true,
            _ if self.after_timeout || self.burst_credit == 0 => false,
            _ => flight < self.decayed(idle, pmdcs),
        }
    }

    /// The window after `idle` RTOs in which nothing was sent (7.2.1). It never grows by that.
    fn decayed(&self, idle: u32, pmdcs: usize) -> usize {
        let halved = self.cwnd.checked_shr(idle).unwrap_or(0);
        halved.max(self.cwnd.min(4 * pmdcs))
    }

    /// Data is about to be sent after `idle` RTOs in which there was none.
    pub fn on_idle(&mut self, idle: u32, pmdcs: usize) {
        let decayed = self.decayed(idle, pmdcs);
        if decayed < self.cwnd {
            self.ssthresh = self.cwnd;
            self.cwnd = decayed;
        }
    }

    /// A packet with `bytes` of DATA left; now `flight` bytes are in flight.
    pub fn on_sent(&mut self, bytes: usize, flight: usize) {
        self.burst_credit = self.burst_credit.saturating_sub(bytes);
        self.filled = flight >= self.cwnd;
    }

    /// A SACK was taken in; for each path, also those of which it acknowledged nothing.
    pub fn on_ack(&mut self, ack: &Acknowledged, pmdcs: usize) {
        if ack.bytes > 0 {
            self.after_timeout = false;
            self.grow(ack, pmdcs);
        }
        self.refill_burst_credit(ack, pmdcs);
    }

    /// Slow start (7.2.1) and congestion avoidance (7.2.2): only a window in full use grows, and not
    /// in fast recovery. At most one PMDCS for each SACK (L = 1), which makes ACK splitting useless.
    fn grow(&mut self, ack: &Acknowledged, pmdcs: usize) {
        let in_full_use = ack.flight_before >= self.cwnd || (self.filled && ack.data_waits);
        if ack.in_fast_recovery {
            return;
        }
        if self.cwnd <= self.ssthresh {
            if in_full_use {
                self.cwnd += ack.bytes.min(pmdcs);
            }
            return;
        }
        self.partial_bytes_acked += ack.bytes;
        if self.partial_bytes_acked >= self.cwnd {
            if in_full_use {
                self.partial_bytes_acked -= self.cwnd;
                self.cwnd += pmdcs;
            } else {
                self.partial_bytes_acked = self.cwnd;
            }
        }
    }

    /// Max.Burst (6.1 D) limits what is sent beyond that which the SACK acknowledged, so that a peer
    /// that acknowledges eight packets at once still gets eight and Max.Burst more.
    ///
    /// Credit adds up over SACKs that come before the sender has its turn, as if it had had one after
    /// each: else a flight that must catch up with a window far larger would grow by Max.Burst in a round
    /// trip. It adds up only as far as the windows could use it: a peer's window that opens after a while
    /// sees a burst, not a flood.
    fn refill_burst_credit(&mut self, ack: &Acknowledged, pmdcs: usize) {
        let allowance = allowance(self.max_burst, pmdcs);
        self.burst_credit = if ack.data_waits {
            let usable = self.cwnd.saturating_sub(ack.flight_after).min(ack.rwnd);
            let unused = if self.burst_credit > allowance { self.burst_credit } else { 0 };
            let turn = if ack.bytes > 0 || unused == 0 { allowance } else { 0 };
            let credit = unused.saturating_add(turn).saturating_add(ack.bytes);
            credit.min(allowance.max(usable))
        } else {
            allowance
        };
    }

    /// All that was sent is acknowledged (7.2.2, last item).
    pub fn on_all_acked(&mut self) {
        self.partial_bytes_acked = 0;
    }

    /// Chunks sent here were reported missing, and fast recovery begins (7.2.3, 7.2.4).
    pub fn on_fast_retransmit(&mut self, pmdcs: usize) {
        self.ssthresh = (self.cwnd / 2).max(4 * pmdcs);
        self.cwnd = self.ssthresh;
        self.partial_bytes_acked = 0;
    }

    /// T3-rtx expired (7.2.3; 6.3.3 E1).
    pub fn on_timeout(&mut self, pmdcs: usize) {
        self.ssthresh = (self.cwnd / 2).max(4 * pmdcs);
        self.cwnd = pmdcs;
        self.partial_bytes_acked = 0;
        self.burst_credit = allowance(self.max_burst, pmdcs);
        self.filled = false;
        self.after_timeout = true;
    }
}

/// Bytes of a burst that no acknowledgement has paid for.
fn allowance(max_burst: usize, pmdcs: usize) -> usize {
    if max_burst == 0 { usize::MAX } else { max_burst.saturating_mul(pmdcs) }
}

#[cfg(test)]
#[path = "congestion_tests.rs"]
mod tests;
