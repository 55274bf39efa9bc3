//! Path MTU discovery by probes (RFC 8899), for one path.
//!
//! [`MtuSearch`] is a state machine without I/O: the association tells it what happens to its probes, sends those
//! that it asks for, and takes over the packet size ([`MtuSearch::packet_size`], the PLPMTU). Sizes are of SCTP
//! packets, common header included; the table is of IP packets, as links have them.
//!
//! A search climbs a table of sizes that links really have, one step for each round trip, until a probe gets lost for
//! good or a message says where the path ends. A size that is not acknowledged costs nothing but the wait: data goes on
//! with the size found so far.

use crate::time::Time;
use core::time::Duration;

/// Sizes of IP packets that links carry: IPv6's least, tunnels, PPPoE, Ethernet, jumbo frames, the largest of all.
const STEPS: [usize; 9] = [1_280, 1_400, 1_452, 1_492, 1_500, 4_352, 9_000, 16_384, 65_535];

/// Probes in a row of one size that may get lost (RFC 8899, 5.1.2: MAX_PROBES).
const MAX_PROBES: u8 = 3;

/// Time-outs of full packets in a row that mean that they no longer fit (4.3).
const BLACK_HOLE: u8 = 2;

/// How to search for path MTUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MtuSearchConfig {
    /// Largest IP packet that is tried (MAX_PLPMTU with its headers); the driver's refusals bound it as well.
    pub max_mtu: usize,
    /// How long a probe may take (PROBE_TIMER): at least 1 s, and better more than 15 s (RFC 8899, 5.1.1).
    pub probe_timer: Duration,
    /// How long a size that was found is kept before larger ones are tried again (PMTU_RAISE_TIMER; 600 s). A path
    /// that carried no data meanwhile waits as long again.
    pub raise_timer: Duration,
}

impl Default for MtuSearchConfig {
    fn default() -> Self {
        Self { max_mtu: 65_535, probe_timer: Duration::from_secs(16), raise_timer: Duration::from_secs(600) }
    }
}

/// Where a search stands (RFC 8899, 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MtuState {
    /// There is no search: it is off, or the path does not answer, or never leaves the host.
    #[default]
    Disabled,
    /// The base size is being confirmed.
    Base,
    /// Larger sizes are being tried.
    Searching,
    /// The largest size is known.
    Complete,
    /// Not even the base size gets through.
    Error,
}

/// The sizes between which a search moves, of SCTP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// MIN_PLPMTU.
    pub(crate) min: usize,
    /// BASE_PLPMTU.
    pub(crate) base: usize,
    /// MAX_PLPMTU.
    pub(crate) max: usize,
    /// Bytes of IP and UDP headers.
    pub(crate) headers: usize,
}

/// The search on one path.
#[derive(Clone, Copy, Debug, Default)]
pub struct MtuSearch {
    state: MtuState,
    limits: Limits,
    config: MtuSearchConfig,
    packet_size: usize,
    /// PROBED_SIZE.
    probed: usize,
    /// PROBE_COUNT.
    count: u8,
    /// Nonce of the probe under way.
    pending: Option<u64>,
    /// When the last probe left.
    probed_at: Time,
    /// Nothing larger than this gets through, as far as is known.
    ceiling: usize,
    /// PROBE_TIMER while a probe is under way; else when the next one is due (PMTU_RAISE_TIMER at the end of a search).
    timer: Option<Time>,
    /// Time-outs since a full packet was acknowledged.
    time_outs: u8,
    /// The largest packet with DATA since last none was in flight.
    largest_sent: usize,
}

impl MtuSearch {
    /// Begins, or begins anew: the path answers (RFC 8899, 5.2, BASE).
    pub(crate) fn start(limits: Limits, config: MtuSearchConfig) -> Self {
        let mut search = Self { limits, config, ..Self::default() };
        search.fall_back(Time::ZERO);
        search
    }

    /// Where it stands.
    pub fn state(&self) -> MtuState {
        self.state
    }

    /// The largest SCTP packet that may be sent (PLPMTU), while the search is not disabled.
    pub fn packet_size(&self) -> Option<usize> {
        (self.state != MtuState::Disabled).then_some(self.packet_size)
    }

    /// When [`on_timer`](Self::on_timer) is due.
    pub(crate) fn timer(&self) -> Option<Time> {
        self.timer
    }

    /// Whether no data was sent on the path since the last probe.
    pub(crate) fn is_idle(&self, last_data_sent: Option<Time>) -> bool {
        last_data_sent.is_none_or(|sent_at| sent_at < self.probed_at)
    }

    /// The path no longer answers (DISABLED).
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// The timer expired: the size of the probe that is to be sent now, if any. `idle`: no data was sent on the path
    /// since the last probe. `nonce` is to come back with the probe's answer.
    /// RFC 8899, 6.2.1.3.
    pub(crate) fn on_timer(&mut self, now: Time, nonce: u64, idle: bool) -> Option<usize> {
        self.timer = None;
        if self.pending.take().is_some() {
            self.on_probe_lost();
        } else if self.state == MtuState::Complete {
            if idle {
                // 5.1.1: may be inhibited.
                self.schedule(now, now);
                return None;
            }
            self.raise();
        }
        match self.state {
            MtuState::Disabled => return None,
            MtuState::Complete => {
                self.schedule(now, now);
                return None;
            }
            MtuState::Base | MtuState::Searching | MtuState::Error => {}
        }
        self.pending = Some(nonce);
        self.probed_at = now;
        // 5.1.1: MUST NOT be smaller than 1 second.
        self.timer = Some(now + self.config.probe_timer.max(Duration::from_secs(1)));
        Some(self.probed)
    }

    /// PMTU_RAISE_TIMER expired: larger sizes are tried again.
    fn raise(&mut self) {
        self.ceiling = self.limits.max;
        self.search_on();
    }

    /// 5.3.1: a probe of the same size follows, up to MAX_PROBES of them.
    /// RFC 8899, 3.
    fn on_probe_lost(&mut self) {
        self.count += 1;
        if self.count < MAX_PROBES {
            return;
        }
        self.count = 0;
        match self.state {
            MtuState::Base => self.enter_error(),
            MtuState::Searching => self.state = MtuState::Complete,
            MtuState::Error | MtuState::Complete | MtuState::Disabled => {}
        }
    }

    /// The answer to the probe with `nonce` came; false if there is none under way.
    /// RFC 8899, 4.1, 6.1.1.
    pub(crate) fn on_answer(&mut self, now: Time, nonce: u64) -> bool {
        if self.pending != Some(nonce) {
            return false;
        }
        self.pending = None;
        self.time_outs = 0;
        self.packet_size = self.probed;
        self.search_on();
        // A round trip has passed since the last probe (3, item 7).
        self.schedule(now, now);
        true
    }

    /// The next probe leaves at `next`, or, if the search is over, when it is time to look again.
    /// RFC 8899, 5.2.
    fn schedule(&mut self, now: Time, next: Time) {
        let over = self.state == MtuState::Complete;
        self.timer = Some(if over { now + self.config.raise_timer } else { next });
    }

    /// The path is in doubt: probes wait, and the one under way does not count.
    pub(crate) fn postpone(&mut self, until: Time) {
        self.pending = None;
        self.timer = Some(until);
    }

    /// On to the next size, if there is one below the ceiling.
    /// RFC 8899, 5.3.2.
    fn search_on(&mut self) {
        self.count = 0;
        let from = self.packet_size;
        let steps = STEPS.iter().map(|step| step.saturating_sub(self.limits.headers) & !3);
        let next = steps.filter(|&step| step > from).min().unwrap_or(from).min(self.ceiling);
        self.state = if next > from { MtuState::Searching } else { MtuState::Complete };
        self.probed = next;
    }

    /// A validated message says that the path carries packets of `size` bytes at most (4.6.2); `rtt` is the time that
    /// must pass between two probes. Whether anything changed.
    /// RFC 8899, 8.
    pub(crate) fn on_too_big(&mut self, now: Time, size: usize, rtt: Duration) -> bool {
        let size = size & !3;
        let probing = self.pending.is_some();
        match self.state {
            MtuState::Disabled => return false,
            _ if size < self.limits.min => return false,
            _ if size < self.packet_size => self.on_shrunk(size),
            // Beyond what is in use it can speak of the probe alone; what is not below that makes no sense.
            MtuState::Searching if probing && size < self.probed => {
                self.ceiling = size;
                self.search_on();
                // The table has served: the message names the size.
                self.probed = self.probed.max(size);
            }
            MtuState::Base if probing && size < self.probed => self.enter_error(),
            _ => return false,
        }
        self.pending = None;
        self.schedule(now, now.max(self.probed_at + rtt));
        true
    }

    /// The path carries less than it did.
    /// RFC 8899, 4.6.2.
    fn on_shrunk(&mut self, size: usize) {
        if size < self.limits.base {
            return self.enter_error();
        }
        self.packet_size = self.limits.base;
        self.ceiling = size;
        self.search_on();
        self.probed = self.probed.max(size);
    }

    /// A packet of `len` bytes with DATA leaves; `alone`: nothing else is in flight.
    pub(crate) fn on_sent(&mut self, len: usize, alone: bool) {
        self.largest_sent = if alone { len } else { self.largest_sent.max(len) };
    }

    /// T3-rtx expired, with so many bytes of DATA in flight: if full packets get lost again and again, they are too large.
    /// Whether that is so now.
    /// RFC 6951, 5.5, 5.6; RFC 8899, 4.3.
    pub(crate) fn on_time_out(&mut self, now: Time, flight_size: usize) -> bool {
        let least = match self.state {
            MtuState::Disabled | MtuState::Error => return false,
            MtuState::Base => self.limits.min,
            MtuState::Searching | MtuState::Complete => self.limits.base,
        };
        // No packet was larger; or what is in flight is so little that, with all headers and other chunks beside it, it was in no
        // such packet.
        if self.packet_size <= least || self.largest_sent <= least || flight_size <= least / 2 {
            return false;
        }
        self.time_outs += 1;
        if self.time_outs < BLACK_HOLE {
            return false;
        }
        match self.state {
            // Data tells it sooner than the probes.
            MtuState::Base => self.enter_error(),
            _ => self.fall_back(now),
        }
        true
    }

    /// A DATA chunk of `len` bytes was acknowledged.
    pub(crate) fn on_acknowledged(&mut self, len: usize) {
        let least = if self.state == MtuState::Base { self.limits.min } else { self.limits.base };
        if len > least {
            self.time_outs = 0;
        }
    }

    /// To the base size, which is to be confirmed (BASE).
    fn fall_back(&mut self, now: Time) {
        self.state = MtuState::Base;
        self.packet_size = self.limits.base;
        self.probed = self.limits.base;
        self.ceiling = self.limits.max;
        (self.count, self.time_outs) = (0, 0);
        self.pending = None;
        self.timer = Some(now);
    }

    /// Down to the least size; the base size is tried on (ERROR).
    fn enter_error(&mut self) {
        self.state = MtuState::Error;
        self.packet_size = self.limits.min;
        self.probed = self.limits.base;
        self.ceiling = self.limits.max;
        (self.count, self.time_outs) = (0, 0);
    }

    /// What must hold at any time: for tests and debug builds.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check(&self) {
        if self.state == MtuState::Disabled {
            return;
        }
        assert!(self.limits.min <= self.packet_size && self.packet_size <= self.limits.max, "{self:?}");
        assert!(self.probed <= self.limits.max && self.count < MAX_PROBES, "{self:?}");
        assert!(self.timer.is_some(), "a search goes on: {self:?}");
    }
}

#[cfg(test)]
mod tests;
