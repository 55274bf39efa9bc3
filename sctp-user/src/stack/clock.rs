//! The host's clock as the core's [`Time`].

use std::time::Instant;

use sctp_core::time::Time;

/// Nanoseconds since the stack was built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Time {
        self.at(Instant::now())
    }

    pub(super) fn at(self, instant: Instant) -> Time {
        Time::ZERO + instant.saturating_duration_since(self.0)
    }

    /// `None` for a time that no clock of this host can show.
    pub(super) fn instant(self, time: Time) -> Option<Instant> {
        self.0.checked_add(time.since(Time::ZERO))
    }
}
