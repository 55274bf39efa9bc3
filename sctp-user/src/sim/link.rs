//! One direction of a line: from a host's interface into the network that it is attached to.
//!
//! A link is a small state machine of its own: a datagram goes in, out come the copies that arrive,
//! each with its time. Impairments are independent of each other and happen in the order of a real
//! line: MTU, queue, rate, loss, corruption, duplication, delay, reordering.

use bytes::Bytes;
use core::time::Duration;
use sctp_core::net::Ecn;
use sctp_core::time::Time;
use smallvec::SmallVec;

use super::datagram::{Datagram, Protocol};
use super::rng::SimRng;

/// How a link treats what is sent over it. `Default` is a perfect line of 1 ms and MTU 1,500.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// Propagation delay.
    pub delay: Duration,
    /// Further delay, evenly distributed up to this; it never changes the order.
    pub jitter: Duration,
    /// Bit/s; `None`: unlimited.
    pub rate: Option<u64>,
    /// Bytes that may wait while the line is busy; what does not fit is dropped.
    pub queue_bytes: usize,
    /// A datagram that finds more than so many bytes waiting is marked, if it is capable of ECN; `None`: never.
    pub ecn_threshold: Option<usize>,
    /// Largest datagram, IP header included.
    pub mtu: usize,
    /// Whether the sender of one that is too large is told (ICMP); else the path is a black hole for it.
    pub reports_too_big: bool,
    /// What gets lost on the way.
    pub loss: Loss,
    /// Probability that a datagram arrives twice.
    pub duplication: f64,
    /// Probability that a datagram is overtaken by later ones.
    pub reordering: f64,
    /// By how much at most an overtaken datagram comes late.
    pub reorder_delay: Duration,
    /// Probability that bits of a datagram flip.
    pub corruption: f64,
    /// What becomes of the checksum of a corrupted packet.
    pub corrupted_checksum: CorruptedChecksum,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            rate: None,
            queue_bytes: 256 * 1_024,
            ecn_threshold: None,
            mtu: 1_500,
            reports_too_big: true,
            loss: Loss::Random(0.0),
            duplication: 0.0,
            reordering: 0.0,
            reorder_delay: Duration::from_millis(5),
            corruption: 0.0,
            corrupted_checksum: CorruptedChecksum::Wrong,
        }
    }
}

/// A model of loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each datagram on its own with this probability.
    Random(f64),
    /// Gilbert-Elliott: the line changes between a good and a bad state. The states last for a time, not
    /// for a number of datagrams: a burst ends although the sender has fallen silent.
    Bursts {
        /// Mean time in the good state.
        good_for: Duration,
        /// Mean time in the bad state.
        bad_for: Duration,
        /// Loss in the good state.
        good: f64,
        /// Loss in the bad state.
        bad: f64,
    },
}

/// What becomes of the checksum of a corrupted SCTP packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CorruptedChecksum {
    /// It stays as it was: the receiver finds out (CRC32c detects any three flipped bits).
    #[default]
    Wrong,
    /// It is made right again: a hostile packet rather than a damaged one.
    Fixed,
}

/// What happened to the datagrams that were given to a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Datagrams given to the link.
    pub offered: u64,
    /// Copies that came out of it.
    pub carried: u64,
    /// Larger than the MTU.
    pub too_big: u64,
    /// The queue was full.
    pub queue_full: u64,
    /// Marked because the queue was long.
    pub marked: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Dropped because the interface of the sender or of the receiver was down.
    pub down: u64,
    /// Second copies made.
    pub duplicated: u64,
    /// Held back so that later ones overtake.
    pub reordered: u64,
    /// Bits flipped.
    pub corrupted: u64,
}

impl core::ops::AddAssign for LinkStats {
    fn add_assign(&mut self, other: Self) {
        self.offered += other.offered;
        self.carried += other.carried;
        self.too_big += other.too_big;
        self.queue_full += other.queue_full;
        self.marked += other.marked;
        self.lost += other.lost;
        self.down += other.down;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
    }
}

/// Why a link did not carry a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Larger than the MTU.
    TooBig,
    /// The queue was full.
    QueueFull,
    /// Lost on the way.
    Lost,
    /// The interface of the sender or of the receiver was down.
    Down,
    /// Nobody has the destination address.
    NoRoute,
}

/// The copies of a datagram that arrive, with their times.
pub type Arrivals = SmallVec<[(Time, Datagram); 2]>;

/// A link with its state.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    rng: SimRng,
    in_burst: bool,
    /// When that state ends.
    state_until: Time,
    /// When the last bit of what is queued has left.
    busy_until: Time,
    /// Nothing that is not meant to be overtaken arrives before this.
    last_arrival: Time,
    pub(super) stats: LinkStats,
}

impl Link {
    /// A link that draws its accidents from `rng`.
    pub fn new(config: LinkConfig, rng: SimRng) -> Self {
        Self {
            config,
            rng,
            in_burst: true,
            state_until: Time::ZERO,
            busy_until: Time::ZERO,
            last_arrival: Time::ZERO,
            stats: LinkStats::default(),
        }
    }

    /// How it is set.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// Sets it anew; what is on the way stays on the way, and what waits leaves at the new rate.
    pub fn set_config(&mut self, now: Time, config: LinkConfig) {
        let waiting = self.queued_bytes(now);
        self.config = config;
        self.busy_until = now + self.serialization(waiting);
    }

    /// What happened on it so far.
    pub fn stats(&self) -> &LinkStats {
        &self.stats
    }

    /// Whether the link carries a datagram: whole, in the fragments that its sender makes, or in those that the router in
    /// front of it does. A switch, which says nothing, makes none, nor does a router of IPv6 (RFC 8200, 5).
    fn takes(&self, datagram: &Datagram) -> bool {
        let len = datagram.wire_len();
        let LinkConfig { mtu, reports_too_big, .. } = self.config;
        let router_cuts = reports_too_big && datagram.destination.is_ipv4();
        len <= mtu || datagram.fragment_to.is_some_and(|to| router_cuts || to <= mtu)
    }

    /// Sends a datagram over the link.
    ///
    /// # Errors
    /// Why nothing of it arrives.
    pub fn carry(&mut self, now: Time, mut datagram: Datagram) -> Result<Arrivals, DropReason> {
        self.stats.offered += 1;
        if !self.takes(&datagram) {
            self.stats.too_big += 1;
            return Err(DropReason::TooBig);
        }
        let waiting = self.queued_bytes(now);
        let Some(left_at) = self.enqueue(now, datagram.wire_len()) else {
            self.stats.queue_full += 1;
            return Err(DropReason::QueueFull);
        };
        if self.is_lost(now) {
            self.stats.lost += 1;
            return Err(DropReason::Lost);
        }
        self.mark(waiting, &mut datagram);
        Ok(self.arrivals(left_at, datagram))
    }

    /// When the last bit will have left, or `None` if the queue is full.
    fn enqueue(&mut self, now: Time, len: usize) -> Option<Time> {
        if self.config.rate.is_none() {
            return Some(now);
        }
        let waiting = self.queued_bytes(now);
        if waiting > 0 && waiting + len > self.config.queue_bytes {
            return None;
        }
        self.busy_until = self.busy_until.max(now) + self.serialization(len);
        Some(self.busy_until)
    }

    /// How long the line takes for so many bytes.
    fn serialization(&self, len: usize) -> Duration {
        let nanos = |rate: u64| (len as u64 * 8).saturating_mul(1_000_000_000) / rate.max(1);
        Duration::from_nanos(self.config.rate.map_or(0, nanos))
    }

    /// Bytes that wait for the line at `now`, with the rest of what is on it.
    pub fn queued_bytes(&self, now: Time) -> usize {
        let bits = self.busy_until.since(now).as_nanos() * u128::from(self.config.rate.unwrap_or(0));
        usize::try_from(bits / 8_000_000_000).unwrap_or(usize::MAX)
    }

    /// RFC 3168, 5: a router marks instead of dropping.
    fn mark(&mut self, waiting: usize, datagram: &mut Datagram) {
        let is_long = self.config.ecn_threshold.is_some_and(|threshold| waiting > threshold);
        if is_long && matches!(datagram.ecn, Ecn::Ect0 | Ecn::Ect1) {
            self.stats.marked += 1;
            datagram.ecn = Ecn::CongestionExperienced;
        }
    }

    fn is_lost(&mut self, now: Time) -> bool {
        let probability = match self.config.loss {
            Loss::Random(probability) => probability,
            Loss::Bursts { good_for, bad_for, good, bad } => {
                self.move_burst(now, good_for, bad_for);
                if self.in_burst { bad } else { good }
            }
        };
        self.rng.chance(probability)
    }

    /// Brings the state of the line up to date.
    fn move_burst(&mut self, now: Time, good_for: Duration, bad_for: Duration) {
        // After a long silence the past no longer matters.
        let forgotten = (good_for + bad_for) * 100;
        if now.since(self.state_until) > forgotten {
            let bad_share = bad_for.as_secs_f64() / (good_for + bad_for).as_secs_f64();
            // The state before the one that begins now.
            self.in_burst = !self.rng.chance(bad_share);
            self.state_until = now;
        }
        while self.state_until <= now {
            self.in_burst = !self.in_burst;
            let mean = if self.in_burst { bad_for } else { good_for };
            self.state_until += self.rng.exponential(mean).max(Duration::from_nanos(1));
        }
    }

    fn arrivals(&mut self, left_at: Time, mut datagram: Datagram) -> Arrivals {
        let mut arrivals = Arrivals::new();
        if self.rng.chance(self.config.duplication) {
            self.stats.duplicated += 1;
            arrivals.push((self.arrival_time(left_at), datagram.clone()));
        }
        if self.rng.chance(self.config.corruption) {
            self.stats.corrupted += 1;
            self.corrupt(&mut datagram);
        }
        arrivals.push((self.arrival_time(left_at), datagram));
        self.stats.carried += arrivals.len() as u64;
        arrivals
    }

    fn arrival_time(&mut self, left_at: Time) -> Time {
        let arrival = left_at + self.config.delay + self.rng.duration(Duration::ZERO, self.config.jitter);
        if self.rng.chance(self.config.reordering) {
            self.stats.reordered += 1;
            return arrival + self.rng.duration(Duration::ZERO, self.config.reorder_delay);
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_arrival
    }

    /// Flips one to three different bits: as many as CRC32c is sure to detect in any packet.
    fn corrupt(&mut self, datagram: &mut Datagram) {
        let bits = datagram.payload.len() as u64 * 8;
        let mut flipped = SmallVec::<[u64; 3]>::new();
        let mut bytes = datagram.payload.to_vec();
        for _ in 0..self.rng.between(1, 3).min(bits) {
            let bit = self.rng.below(bits);
            if flipped.contains(&bit) {
                continue;
            }
            flipped.push(bit);
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
        if self.config.corrupted_checksum == CorruptedChecksum::Fixed && datagram.protocol == Protocol::Sctp {
            fix_checksum(&mut bytes);
        }
        datagram.payload = Bytes::from(bytes);
    }
}

/// Makes the CRC32c of an SCTP packet right (RFC 9260, 6.8 and appendix A).
pub fn fix_checksum(packet: &mut [u8]) {
    if packet.len() < 12 {
        return;
    }
    let checksum = sctp_core::wire::checksum(packet);
    packet[8..12].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests;
