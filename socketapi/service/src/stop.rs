//! The end of a service that is told to stop.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollFlags;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::service::{DEADLINE, Service};
use crate::socket::Phase;

impl Service {
    /// Takes no more clients, commands and records. What programs have written before is still sent, and their associations
    /// are shut down then; the loop sees to that as it does when a program shuts its descriptor down.
    pub(crate) fn begin_to_stop(&mut self) {
        self.listeners.clear();
        self.clients.clear();
        self.unwatch(self.control.as_fd());
        if let Err(errno) = self.set_deadline() {
            tracing::warn!(%errno, "no timer for the end: it takes as long as it takes");
        }
        let numbers: Vec<u64> = self.sockets.keys().copied().collect();
        for number in numbers {
            let Some(socket) = self.sockets.get_mut(&number) else { continue };
            match socket.phase {
                Phase::Open => socket.pair.refuse_more(),
                // As if the program had closed it. What was sent by commands is in the stack.
                Phase::Idle
                | Phase::Listening(_)
                | Phase::Connecting(_)
                | Phase::Ended { .. }
                | Phase::Many(_) => socket.is_stopping = true,
            }
            self.advance(number);
        }
    }

    /// Whether it is over: it was told to stop, and that is done, or took too long.
    pub(crate) fn has_stopped(&self) -> bool {
        let is_late = || self.control.stop_by().is_some_and(|by| by <= Instant::now());
        self.listeners.is_empty() && (self.sockets.is_empty() || is_late())
    }

    fn set_deadline(&mut self) -> nix::Result<()> {
        let Some(by) = self.control.stop_by() else { return Ok(()) };
        // A timer of zero would never ring.
        let left = by.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        timer.set(Expiration::OneShot(TimeSpec::from_duration(left)), TimerSetTimeFlags::empty())?;
        self.watch(timer.as_fd(), DEADLINE, EpollFlags::EPOLLIN)?;
        self.deadline = Some(timer);
        Ok(())
    }
}
