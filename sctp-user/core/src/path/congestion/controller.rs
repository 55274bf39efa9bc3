//! What an algorithm of congestion control is told and asked: the trait that all of them implement.

use crate::time::Time;
use core::fmt;
use core::time::Duration;

/// Decides how much may be in flight on one path, and how fast it leaves.
///
/// It is told what happens, in the order in which it happens, and never asks for anything. Sizes are bytes of whole
/// DATA chunks, header and padding included (RFC 9260, 7.2). PMDCS, the largest DATA chunk that fits into a packet of
/// the path, comes with each call because path MTU discovery may change it at any time.
///
/// What all algorithms share is not theirs to do: Max.Burst, the one packet that may leave after a time-out, the
/// decision whether the window is in full use, delivery-rate samples and the spacing of packets are
/// [`Congestion`](super::Congestion)'s. A user's own algorithm comes by way of a
/// [`ControllerFactory`](super::ControllerFactory).
pub trait Controller: fmt::Debug + Send + Sync {
    /// Bytes that may be in flight.
    fn cwnd(&self) -> usize;

    /// Up to here the window grows by slow start; `usize::MAX` before the first loss, and where there is no such thing.
    fn ssthresh(&self) -> usize {
        usize::MAX
    }

    /// Progress towards the next step of congestion avoidance (7.2.2), where it is counted.
    fn partial_bytes_acked(&self) -> usize {
        0
    }

    /// Bytes a second at which packets are to leave; `None`: as fast as the window and Max.Burst let them.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }

    /// Whether [`Acknowledged::rate`] is wanted; to measure it costs something for each packet.
    fn wants_rate_samples(&self) -> bool {
        false
    }

    /// Whether a chunk whose retransmission was lost too is found by the acknowledgement of what left later, instead
    /// of waiting for T3-rtx as RFC 9260, 7.2.4, 5 has it.
    fn retransmits_repeatedly(&self) -> bool {
        false
    }

    /// The window that counts after `idle` RTOs in which nothing was sent.
    fn window_after_idle(&self, _idle: u32, _pmdcs: usize) -> usize {
        self.cwnd()
    }

    /// Data is about to be sent after `idle` RTOs in which there was none.
    fn on_idle(&mut self, _now: Time, _idle: u32, _pmdcs: usize) {}

    /// A packet with `bytes` of DATA left; now `flight` bytes are in flight.
    fn on_sent(&mut self, _now: Time, _bytes: usize, _flight: usize) {}

    /// A SACK acknowledged something that was sent here.
    fn on_ack(&mut self, ack: &Acknowledged, pmdcs: usize);

    /// All that was sent is acknowledged.
    fn on_all_acked(&mut self) {}

    /// Chunks of `bytes` were found lost by a SACK; called before [`on_fast_retransmit`](Self::on_fast_retransmit), and
    /// also while fast recovery lasts.
    fn on_lost(&mut self, _now: Time, _bytes: usize) {}

    /// Chunks sent here were reported missing, and fast recovery begins (7.2.3, 7.2.4).
    fn on_fast_retransmit(&mut self, now: Time, pmdcs: usize);

    /// T3-rtx expired: all that was in flight is taken for lost (7.2.3; 6.3.3 E1).
    fn on_timeout(&mut self, now: Time, pmdcs: usize);

    /// The peer echoed a mark of congestion, at most once for each window (RFC 3168, 6.1.2: as if a packet was lost).
    fn on_ecn_echo(&mut self, now: Time, pmdcs: usize) {
        self.on_fast_retransmit(now, pmdcs);
    }
}

/// Where a controller starts from: the initial window, or that of the one which it takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Bytes that may be in flight.
    pub cwnd: usize,
    /// Slow start ends there.
    pub ssthresh: usize,
    /// The largest DATA chunk that fits into a packet of the path.
    pub pmdcs: usize,
}

/// What one SACK acknowledged on a path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acknowledged {
    /// When it came.
    pub now: Time,
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
    /// Thousandths of the usual growth above ssthresh, where the windows of several paths grow together.
    pub growth: Option<u32>,
    /// When the chunk that left last among the acknowledged ones did, and whether it had left before.
    pub latest: Option<LastSent>,
    /// The window was in full use (7.2.1); found out by [`Congestion`](super::Congestion).
    pub in_full_use: bool,
    /// How fast data is delivered, for controllers that [want it](Controller::wants_rate_samples); found out by
    /// [`Congestion`](super::Congestion).
    pub rate: Option<RateSample>,
}

impl Acknowledged {
    /// What remains of an increase of the window where those of several paths grow together.
    pub fn share_of(&self, increase: usize) -> usize {
        self.growth.map_or(increase, |growth| increase * growth as usize / 1_000)
    }

    /// The round-trip time of what left last, if it left only once (6.3.1 C5).
    pub fn rtt(&self) -> Option<Duration> {
        self.latest.filter(|latest| !latest.retransmitted).map(|latest| self.now - latest.at)
    }
}

/// When a chunk left the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSent {
    /// When it did.
    pub at: Time,
    /// It had left before: the acknowledgement may be that of the first time.
    pub retransmitted: bool,
}

/// How fast data was delivered between the sending of a packet and its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSample {
    /// Bytes delivered in all, since the path began.
    pub delivered: u64,
    /// What `delivered` was when the packet left: a round trip is over when what left in it is acknowledged.
    pub prior_delivered: u64,
    /// How long it took to deliver the difference, or to send it if that took longer.
    pub interval: Duration,
    /// Bytes in flight when the packet left, with itself.
    pub flight_at_send: usize,
    /// The application, or the peer's window, did not fill the window then: the path may be faster than this.
    pub app_limited: bool,
}

impl RateSample {
    /// Bytes a second.
    pub fn bytes_per_second(&self) -> u64 {
        let bytes = u128::from(self.delivered.saturating_sub(self.prior_delivered));
        let nanos = self.interval.as_nanos().max(1);
        u64::try_from(bytes.saturating_mul(1_000_000_000) / nanos).unwrap_or(u64::MAX)
    }
}
