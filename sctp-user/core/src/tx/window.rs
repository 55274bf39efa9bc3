//! The peer's receive window, and probing it while it is closed (RFC 9260, 6.1 A and 6.2.1).

use crate::config::AssociationConfig;
use crate::time::Time;
use core::time::Duration;

/// What we know of the peer's receive buffer.
#[derive(Debug)]
pub(super) struct PeerWindow {
    /// As last advertised.
    a_rwnd: usize,
    /// The largest that was ever advertised: the best guess at the size of the buffer.
    largest: usize,
    /// When the last acknowledgement came: SACK, or SHUTDOWN.
    pub(super) sacked_at: Option<Time>,
    /// When to send a probe, while the window is closed and nothing is outstanding.
    pub(super) probe_at: Option<Time>,
    /// Its time has come; it leaves as soon as a path can take it.
    probe_waits: bool,
    /// Probes since the window closed.
    probes: u32,
    /// RTO of the path in use when the last SACK came.
    rto: Duration,
    rto_max: Duration,
}

impl PeerWindow {
    pub(super) fn new(config: &AssociationConfig) -> Self {
        Self {
            a_rwnd: 0,
            largest: 0,
            sacked_at: None,
            probe_at: None,
            probe_waits: false,
            probes: 0,
            rto: config.rto_initial,
            rto_max: config.rto_max,
        }
    }

    /// As last advertised.
    pub(super) fn advertised(&self) -> usize {
        self.a_rwnd
    }

    /// The largest that was ever advertised.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// The peer says how much it can take.
    pub(super) fn advertise(&mut self, a_rwnd: u32) {
        self.a_rwnd = usize::try_from(a_rwnd).unwrap_or(usize::MAX);
        self.largest = self.largest.max(self.a_rwnd);
    }

    /// Takes over RTO.Max when it is changed on a living association.
    pub(super) fn update_config(&mut self, config: &AssociationConfig) {
        self.rto_max = config.rto_max;
    }

    /// The RTO that times the first probe.
    pub(super) fn set_rto(&mut self, rto: Duration) {
        self.rto = rto;
    }

    /// Bytes that may still be sent with `in_flight` on their way (6.2.1 B, C and D ii).
    pub(super) fn room(&self, in_flight: usize) -> usize {
        self.a_rwnd.saturating_sub(in_flight)
    }

    /// Whether a fragment cut short to fit the window is worth sending: only if the window is at
    /// least half open, else small windows would make for small packets (RFC 1122, 4.2.3.4).
    /// RFC 9260, 6.1.
    pub(super) fn worth_filling(&self, room: usize) -> bool {
        room > 0 && room >= self.largest / 2
    }

    /// With nothing outstanding, data waits that does not fit: a probe is due after one RTO, further
    /// ones after twice the time each (6.1 A).
    pub(super) fn wait_to_probe(&mut self, now: Time) {
        if self.probe_at.is_none() && !self.probe_waits {
            let factor = 1_u32.checked_shl(self.probes).unwrap_or(u32::MAX);
            self.probe_at = Some(now + self.rto.saturating_mul(factor).min(self.rto_max));
        }
    }

    /// Whether a probe may be sent.
    /// RFC 9260, 6.1.
    pub(super) fn probe_due(&self, now: Time) -> bool {
        self.probe_waits || self.probe_at.is_some_and(|at| at <= now)
    }

    /// Whether a probe is due, or will be.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn waits_to_probe(&self) -> bool {
        self.probe_waits || self.probe_at.is_some()
    }

    /// Stops the timer of a probe that is due.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.probe_waits |= self.probe_at.take_if(|at| *at <= now).is_some();
    }

    /// A probe was sent.
    pub(super) fn probed(&mut self) {
        (self.probe_at, self.probe_waits) = (None, false);
        self.probes = self.probes.saturating_add(1);
    }

    /// Nothing waits for the window: data was sent, or there is none.
    pub(super) fn stop_waiting(&mut self) {
        (self.probe_at, self.probe_waits) = (None, false);
    }

    /// Data was sent into an open window.
    pub(super) fn opened(&mut self) {
        self.probes = 0;
    }
}
