//! Signals that end a program in good order.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;

/// No sleep is longer, so that no clock overflows.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Whether [`Signals`] have taken SIGINT or SIGTERM.
static ARE_TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether SIGINT or SIGTERM has come: is taken, or held back, and then left where it is.
///
/// # Errors
/// The system's.
pub fn have_come() -> io::Result<bool> {
    if ARE_TAKEN.load(Ordering::Acquire) {
        return Ok(true);
    }
    let set: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)?;
    let mut polled = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    Ok(ppoll(&mut polled, Some(TimeSpec::from_duration(Duration::ZERO)), None)? > 0)
}

/// Holds back signals, to be asked for.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    has_come: AtomicBool,
}

impl Signals {
    /// Holds SIGINT and SIGTERM back from now on. Call it before the program starts threads.
    ///
    /// # Errors
    /// The system's.
    pub fn hold() -> io::Result<Self> {
        Self::hold_all(&[Signal::SIGINT, Signal::SIGTERM])
    }

    /// Holds these signals back from now on.
    ///
    /// # Errors
    /// The system's.
    pub fn hold_all(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block()?;
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { descriptor, has_come: AtomicBool::new(false) })
    }

    /// Whether one has come so far, whoever has asked before.
    ///
    /// # Errors
    /// The system's.
    pub fn have_come(&self) -> io::Result<bool> {
        self.wait(Some(Duration::ZERO))
    }

    /// Waits until one comes, at most for `limit`. Whether one has come so far.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<bool> {
        if !self.has_come.load(Ordering::Acquire) && self.next(limit)?.is_some() {
            self.has_come.store(true, Ordering::Release);
        }
        Ok(self.has_come.load(Ordering::Acquire))
    }

    /// Waits until one comes, at most for `limit`, and takes it.
    ///
    /// # Errors
    /// The system's.
    pub fn next(&self, limit: Option<Duration>) -> io::Result<Option<Signal>> {
        let limit = limit.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        let mut polled = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut polled, Some(TimeSpec::from_duration(limit)), None) {
            Ok(_) | Err(Errno::EINTR) => self.take(),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&self) -> io::Result<Option<Signal>> {
        let told = self.descriptor.read_signal()?;
        let signal = told.and_then(|told| Signal::try_from(told.ssi_signo as i32).ok());
        if matches!(signal, Some(Signal::SIGINT | Signal::SIGTERM)) {
            ARE_TAKEN.store(true, Ordering::Release);
        }
        Ok(signal)
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn who_asks_again_hears_of_it_too() {
        let signals = Signals::hold().expect("a descriptor");
        assert!(!signals.have_come().expect("an answer") && !have_come().expect("an answer"));
        raise(Signal::SIGTERM).expect("a signal of our own");
        assert!(have_come().expect("an answer"), "it is left where it is");
        for _ in 0..2 {
            assert!(signals.have_come().expect("an answer"));
        }
        assert!(have_come().expect("an answer") && signals.wait(None).expect("an answer"));
    }
}
