//! What a service manager (systemd) is told, and what it wants to hear.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Tells it something. Nobody may listen: then nothing happens.
pub fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Tells it that the program is alive, as often as it wants to hear it (`WatchdogSec=`).
#[derive(Debug)]
pub struct Watchdog {
    interval: Option<Duration>,
    next: Instant,
}

impl Watchdog {
    /// What this program was started with.
    pub fn of_environment() -> Self {
        // Half the time, as sd_watchdog_enabled(3) recommends.
        Self { interval: sd_notify::watchdog_enabled().map(|limit| limit / 2), next: Instant::now() }
    }

    /// Tells it, if it is time and the program is alive.
    pub fn look_after(&mut self, is_alive: impl FnOnce() -> bool) {
        let Some(interval) = self.interval.filter(|_| self.next <= Instant::now()) else { return };
        self.next = Instant::now() + interval;
        if is_alive() {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the program does not get on: the service manager is not told that it is alive");
        }
    }
}
