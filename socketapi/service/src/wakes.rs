//! How the sockets of the stack call the service's thread. Mostly they do so in that thread, which leads in the stack: it looks here
//! before it sleeps. Only who calls in another thread has to wake it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};

use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;

/// Numbers of sockets that may be able to go on, and a descriptor that is readable where another thread has called for one.
#[derive(Clone, Debug)]
pub(crate) struct Wakes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    called: Mutex<Called>,
    bell: EventFd,
}

#[derive(Debug)]
struct Called {
    sockets: Vec<u64>,
    /// The bell is readable.
    rung: bool,
    /// The service's.
    thread: ThreadId,
}

#[derive(Debug)]
struct SocketWaker {
    shared: Arc<Shared>,
    socket: u64,
}

impl Wakes {
    pub(crate) fn new() -> nix::Result<Self> {
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let called = Called { sockets: Vec::new(), rung: false, thread: thread::current().id() };
        Ok(Self { shared: Arc::new(Shared { called: Mutex::new(called), bell }) })
    }

    /// The calling thread is the service's.
    pub(crate) fn adopt(&self) {
        self.shared.called.lock().thread = thread::current().id();
    }

    /// Keep it: the stack knows a waker that it has already, but not two for the same socket.
    pub(crate) fn waker(&self, socket: u64) -> Waker {
        Arc::new(SocketWaker { shared: Arc::clone(&self.shared), socket }).into()
    }

    /// Whether there are any; then the service must not sleep.
    pub(crate) fn are_due(&self) -> bool {
        !self.shared.called.lock().sockets.is_empty()
    }

    /// Takes the sockets that were called for; one can be there more than once.
    pub(crate) fn take(&self) -> Vec<u64> {
        let mut called = self.shared.called.lock();
        if std::mem::take(&mut called.rung) {
            // Cannot fail: the counter is 1.
            let _ = self.shared.bell.read();
        }
        std::mem::take(&mut called.sockets)
    }
}

impl AsFd for Wakes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.bell.as_fd()
    }
}

impl Shared {
    fn call(&self, socket: u64) {
        let mut called = self.called.lock();
        called.sockets.push(socket);
        if !called.rung && called.thread != thread::current().id() {
            called.rung = true;
            // Cannot fail: the counter is 0.
            let _ = self.bell.write(1);
        }
    }
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.shared.call(self.socket);
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn is_rung(wakes: &Wakes) -> bool {
        poll(&mut [PollFd::new(wakes.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1)
    }

    #[test]
    fn only_other_threads_ring_the_bell_and_all_that_were_called_for_are_taken() {
        let wakes = Wakes::new().unwrap();
        wakes.adopt();
        wakes.waker(1).wake();
        assert!(wakes.are_due() && !is_rung(&wakes));
        thread::scope(|scope| {
            scope.spawn(|| [2, 3].into_iter().for_each(|socket| wakes.waker(socket).wake()));
        });
        assert!(is_rung(&wakes));
        assert_eq!(wakes.take(), [1, 2, 3]);
        assert!(!wakes.are_due() && !is_rung(&wakes));
    }
}
