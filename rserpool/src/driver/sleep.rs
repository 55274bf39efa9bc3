//! What the thread of a machine waits for: the network, a bell, other sockets, the time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use parking_lot::Mutex;
use socketapi::{Stack, Time};

use super::Error;

/// Names of what is watched; what else there is has none of interest.
const BELL: u64 = 0;
const TIMER: u64 = 1;
const OTHER: u64 = 2;
/// Descriptors looked at in one go: the others stay ready.
const BATCH: usize = 8;

/// The thread serves the network itself while it sleeps, so that no other thread has to wake it for each packet.
pub(super) struct Sleep {
    stack: Stack,
    /// The bell, the timer, and the sockets.
    all: Epoll,
    /// The bell alone, for when nothing is to come in.
    deaf: Epoll,
    bell: EventFd,
    timer: TimerFd,
    /// When the timer rings, if it does.
    programmed: Mutex<Option<Time>>,
    _sockets: Vec<OwnedFd>,
}

impl Sleep {
    pub(super) fn new(stack: &Stack, sockets: Vec<OwnedFd>) -> Result<Self, Error> {
        Self::open(stack, sockets).map_err(io::Error::from).map_err(Error::system("watch descriptors"))
    }

    fn open(stack: &Stack, sockets: Vec<OwnedFd>) -> Result<Self, Errno> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let [all, deaf] = [(), ()].map(|()| Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC));
        let (all, deaf) = (all?, deaf?);
        let watch = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        for epoll in [&all, &deaf] {
            epoll.add(&bell, watch(BELL))?;
            epoll.add(&timer, watch(TIMER))?;
        }
        sockets.iter().try_for_each(|socket| all.add(socket, watch(OTHER)))?;
        let programmed = Mutex::new(None);
        Ok(Self { stack: stack.clone(), all, deaf, bell, timer, programmed, _sockets: sockets })
    }

    /// Wakes the thread.
    pub(super) fn ring(&self) {
        // The only failure is that the counter is full: then it rings already.
        let _ = self.bell.write(1);
    }

    /// Until the bell rings, something has come, if that is wanted, or the time has come.
    pub(super) fn until(&self, deadline: Option<Time>, listens: bool) {
        self.program(deadline);
        let epoll = if listens { &self.all } else { &self.deaf };
        // What goes wrong with the stack, the sockets tell. A signal only makes the loop look around once more.
        let patience = match listens && self.stack.serve_until(epoll.0.as_fd()).is_ok() {
            true => EpollTimeout::ZERO,
            false => EpollTimeout::NONE,
        };
        let mut ready = [EpollEvent::empty(); BATCH];
        let count = epoll.wait(&mut ready, patience).unwrap_or(0);
        for event in &ready[..count] {
            match event.data() {
                BELL => drop(self.bell.read()),
                TIMER => {
                    // It has rung, or was put off meanwhile.
                    let _ = self.timer.wait();
                    *self.programmed.lock() = None;
                }
                _ => {}
            }
        }
    }

    /// A timer that rings too early is left to ring: deadlines are mostly put off before they come.
    fn program(&self, deadline: Option<Time>) {
        let Some(deadline) = deadline else { return };
        let mut programmed = self.programmed.lock();
        if programmed.is_some_and(|at| at <= deadline) {
            return;
        }
        // Zero would stop it.
        let left = deadline.since(self.stack.now()).max(std::time::Duration::from_nanos(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(left));
        if self.timer.set(once, TimerSetTimeFlags::empty()).is_ok() {
            *programmed = Some(deadline);
        }
    }
}
