//! A path: one pair of addresses with all that is measured and decided for it alone
//! (RFC 9260, 6.3, 7.2, 8.2). Several paths are the base case: nothing here is per association.

use crate::config::AssociationConfig;
use crate::net::{IpDefaults, IpMarks, PathAddress};
use crate::time::Time;
use crate::wire::COMMON_HEADER_LEN;
use core::time::Duration;

/// Names a path in its association's [`PathSet`], and no other one soon after it is gone; but see [`PathSet::retain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathId(pub u8);

/// Whether a path may carry data (RFC 9260, 5.4 and 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathState {
    /// Not yet verified by a HEARTBEAT with a nonce: carries no data, unless it is the one in use during set-up.
    Unconfirmed,
    /// Usable.
    Active,
    /// Some errors in a row: data takes another path if there is one, HEARTBEATs find out (RFC 7829, 3).
    PotentiallyFailed,
    /// Too many errors in a row.
    Inactive,
}

/// Heartbeat bookkeeping of a path (RFC 9260, 8.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Heartbeat {
    /// When the next one is due, if heartbeats are on.
    pub next_at: Option<Time>,
    /// Nonce and sending time of the one that was not yet answered.
    pub pending: Option<(u64, Time)>,
}

/// One path.
#[derive(Debug)]
pub struct Path {
    /// Its index.
    pub id: PathId,
    /// Where its packets go.
    pub address: PathAddress,
    /// Whether it may carry data.
    pub state: PathState,
    /// Errors in a row (8.2).
    pub error_count: u32,
    /// How many of them change its state.
    pub thresholds: Thresholds,
    /// What the user may set for it alone.
    pub parameters: PathParameters,
    /// What its IP headers say: follows from the parameters.
    pub(crate) marks: IpMarks,
    /// RTT and RTO (6.3.1).
    pub rtt: rtt::RttEstimator,
    /// Congestion window and its fellows (7.2).
    pub congestion: congestion::Congestion,
    /// Largest SCTP packet (common header included, IP and UDP headers not).
    pub max_packet_size: usize,
    /// Bytes of each packet that an AUTH chunk takes, where DATA or SACK are authenticated (RFC 4895).
    pub reserved: usize,
    /// None of our addresses may be its source now: it carries nothing (RFC 5061, 5.3).
    pub sourceless: bool,
    /// Bytes in flight on this path (flightsize): whole DATA chunks, header and padding included (7.2).
    pub flight_size: usize,
    /// T3-rtx (6.3.2); armed exactly while `flight_size > 0`.
    pub t3_rtx: Option<Time>,
    /// Chunks at positions before this one were sent before the window last shrank: congestion that they met has been
    /// answered (RFC 3168, 6.1.2).
    pub(crate) slowed_down_at: u64,
    /// Heartbeats.
    pub heartbeat: Heartbeat,
    /// The search for its MTU, which sets `max_packet_size` while it is on.
    pub mtu: mtu::MtuSearch,
    /// When anything was last sent again here: what left before is no measure of the RTT (6.3.1 C5).
    pub retransmitted_at: Option<Time>,
    /// Where data is on several paths at once: this one gets no new data for a while.
    pub rest: Rest,
    /// When data was last sent here, for idle decay of cwnd (7.2.1) and idle heartbeats (8.3).
    pub last_data_sent: Option<Time>,
    /// Counters.
    pub stats: PathStats,
}

/// Counters of a path.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathStats {
    /// T3-rtx expiries.
    pub t3_expiries: u64,
    /// Fast retransmits (entries into fast recovery).
    pub fast_retransmits: u64,
    /// Times that a congestion mark shrank the window.
    pub ecn_reductions: u64,
    /// DATA chunks sent again, for whatever reason.
    pub retransmitted_chunks: u64,
    /// Heartbeats sent.
    pub heartbeats_sent: u64,
    /// SCTP packets sent.
    pub packets_sent: u64,
    /// SCTP packets received from this address.
    pub packets_received: u64,
    /// Times that the path became inactive.
    pub failures: u64,
    /// Times that it became potentially failed.
    pub potential_failures: u64,
    /// Probes of the path MTU sent.
    pub mtu_probes_sent: u64,
    /// Times that full packets turned out to get lost.
    pub black_holes: u64,
}

pub mod congestion;
mod failover;
pub mod mtu;
mod parameters;
mod rest;
pub mod rtt;
mod thresholds;

pub use parameters::PathParameters;
pub use rest::Rest;
pub use thresholds::{ThresholdError, Thresholds};

impl Path {
    /// A path that nothing is known of yet.
    /// RFC 9260, 7.2.
    pub fn new(
        id: PathId,
        address: PathAddress,
        state: PathState,
        max_packet_size: usize,
        config: &AssociationConfig,
    ) -> Self {
        let parameters = PathParameters::of(config);
        Self {
            id,
            address,
            state,
            error_count: 0,
            thresholds: Thresholds::of(config),
            parameters,
            marks: parameters.marks(IpDefaults::of(config, address.remote)),
            rtt: rtt::RttEstimator::new(config),
            congestion: congestion::Congestion::new(pmdcs_of(max_packet_size), address.remote, config),
            max_packet_size,
            reserved: 0,
            sourceless: false,
            flight_size: 0,
            t3_rtx: None,
            slowed_down_at: 0,
            heartbeat: Heartbeat::default(),
            mtu: mtu::MtuSearch::default(),
            retransmitted_at: None,
            rest: Rest::default(),
            last_data_sent: None,
            stats: PathStats::default(),
        }
    }

    /// The present RTO.
    pub fn rto(&self) -> Duration {
        self.rtt.rto()
    }

    /// The path has held others up: it rests, and a HEARTBEAT finds out whether it works at all, since nothing that
    /// could time out is left there (8.2).
    pub(crate) fn give_rest(&mut self, now: Time) {
        if self.rest.is_on(now) {
            return;
        }
        self.rest.begin(now, self.patience());
        if self.heartbeat.pending.is_none() && self.heartbeat.next_at.is_some() {
            (self.heartbeat.next_at, self.last_data_sent) = (Some(now), None);
        }
    }

    /// How long an answer takes; nothing before the first one. While something is in flight, what the last one took counts,
    /// too: queues grow faster than the smoothed round-trip time.
    pub(crate) fn answer_time(&self) -> Duration {
        let last = self.rtt.latest().filter(|_| self.flight_size > 0);
        self.rtt.srtt().max(last).unwrap_or_default()
    }

    /// How long an answer takes at most, as far as measured: a round trip more than the last one, since a queue may grow.
    pub(crate) fn patience(&self) -> Duration {
        self.rtt.srtt().map_or(self.rto(), |_| self.answer_time() * 2 + self.rtt.rttvar() * 4)
    }

    /// PMDCS: the largest DATA chunk, header included, that fits into a packet.
    /// RFC 8899, 5.
    pub fn pmdcs(&self) -> usize {
        pmdcs_of(self.max_packet_size.saturating_sub(self.reserved))
    }

    /// Whether congestion control lets another packet with DATA leave (6.1 B and D).
    #[inline]
    pub fn may_send(&self, now: Time) -> bool {
        self.may_send_beside(now, self.flight_size)
    }

    /// The same if `flight` bytes were in flight.
    #[inline]
    pub(crate) fn may_send_beside(&self, now: Time, flight: usize) -> bool {
        self.congestion.may_send(now, flight, self.idle_rtos(now), self.pmdcs())
    }

    /// How many RTOs ago data was last sent here (7.2.1).
    pub(crate) fn idle_rtos(&self, now: Time) -> u32 {
        let idle = self.last_data_sent.map_or(Duration::ZERO, |sent| now - sent);
        if idle < self.rto() {
            return 0;
        }
        let rtos = idle.as_nanos().checked_div(self.rto().as_nanos()).unwrap_or(0);
        u32::try_from(rtos).unwrap_or(u32::MAX)
    }

    /// Starts T3-rtx anew with the present RTO.
    /// RFC 9260, 6.1, 6.3.3.
    pub(crate) fn restart_t3(&mut self, now: Time) {
        self.t3_rtx = Some(now + self.rto());
    }

    /// Starts T3-rtx if it is not running (6.3.2 R1).
    pub(crate) fn start_t3(&mut self, now: Time) {
        if self.t3_rtx.is_none() {
            self.restart_t3(now);
        }
    }

    /// Whether new data may be sent here as a matter of course.
    pub fn is_active(&self) -> bool {
        self.state == PathState::Active
    }

    /// Whether it was used and does not answer, be it for the moment or for long.
    pub fn is_failing(&self) -> bool {
        matches!(self.state, PathState::PotentiallyFailed | PathState::Inactive)
    }
}

/// PMDCS of a path with packets of at most `max_packet_size` bytes.
fn pmdcs_of(max_packet_size: usize) -> usize {
    max_packet_size.saturating_sub(COMMON_HEADER_LEN) & !3
}

/// The paths of an association. Never empty once the association exists.
#[derive(Debug, Default)]
pub struct PathSet {
    paths: Vec<Path>,
    primary: PathId,
    /// Where to begin to look for a free id.
    next_id: u8,
    /// [`Path::reserved`] of all paths.
    reserved: usize,
}

impl PathSet {
    /// At most so many peer addresses are used; further ones are ignored (bounded state; RFC 5062, 4).
    pub const MAX_PATHS: usize = 16;

    /// Adds a path for `address`; `None` if the set is full.
    pub fn add(
        &mut self,
        address: PathAddress,
        state: PathState,
        max_packet_size: usize,
        config: &AssociationConfig,
    ) -> Option<PathId> {
        if self.paths.len() >= Self::MAX_PATHS {
            return None;
        }
        let id = self.free_id();
        let mut path = Path::new(id, address, state, max_packet_size, config);
        path.reserved = self.reserved;
        self.paths.push(path);
        Some(id)
    }

    /// Keeps so many bytes of each packet free for an AUTH chunk.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.reserved = bytes;
        self.paths.iter_mut().for_each(|path| path.reserved = bytes);
    }

    /// Keeps the paths that `keep` is true of, under new indices without gaps, and returns the others: for the
    /// set-up, while no index is in use yet. A primary path that goes is followed by the first one.
    pub fn retain(&mut self, keep: impl Fn(&Path) -> bool) -> Vec<Path> {
        let primary = self.primary;
        let (kept, dropped): (Vec<_>, Vec<_>) = core::mem::take(&mut self.paths).into_iter().partition(keep);
        let primary = kept.iter().position(|path| path.id == primary).unwrap_or(0);
        self.paths = kept;
        self.next_id = 0;
        for (path, id) in self.paths.iter_mut().zip(0..) {
            path.id = PathId(id);
            self.next_id = id + 1;
        }
        self.primary = self.paths.get(primary).map_or(PathId(0), |path| path.id);
        dropped
    }

    /// Takes out a path; the others keep their ids. If it was the primary path, another one must be made so before.
    pub(crate) fn remove(&mut self, id: PathId) -> Option<Path> {
        self.index(id).map(|index| self.paths.remove(index))
    }

    /// An id that no path has; those that were in use lately come last.
    fn free_id(&mut self) -> PathId {
        while self.index(PathId(self.next_id)).is_some() {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = PathId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Where a path stands: at its id, unless some before it were taken out.
    fn index(&self, id: PathId) -> Option<usize> {
        let usual = usize::from(id.0);
        match self.paths.get(usual) {
            Some(path) if path.id == id => Some(usual),
            _ => self.paths.iter().position(|path| path.id == id),
        }
    }

    /// All paths.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter()
    }

    /// All paths, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Path> {
        self.paths.iter_mut()
    }

    /// The path with this index.
    pub fn get(&self, id: PathId) -> Option<&Path> {
        self.paths.get(self.index(id)?)
    }

    /// The path with this index, to be changed.
    pub fn get_mut(&mut self, id: PathId) -> Option<&mut Path> {
        let index = self.index(id)?;
        self.paths.get_mut(index)
    }

    /// The path to this peer address.
    pub fn by_remote(&self, remote: core::net::IpAddr) -> Option<&Path> {
        self.paths.iter().find(|path| path.address.remote == remote)
    }

    /// The primary path (RFC 9260, 6.4).
    pub fn primary(&self) -> PathId {
        self.primary
    }

    /// Makes `id` the primary path; false if there is no such path.
    pub fn set_primary(&mut self, id: PathId) -> bool {
        let exists = self.get(id).is_some();
        if exists {
            self.primary = id;
        }
        exists
    }
}
