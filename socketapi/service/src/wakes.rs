//! How the sockets of the stack call the service's thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Wake, Waker};

use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;

/// Numbers of sockets that may be able to go on, and a descriptor that is readable while there are any.
#[derive(Clone, Debug)]
pub(crate) struct Wakes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    called: Mutex<Vec<u64>>,
    bell: EventFd,
}

#[derive(Debug)]
struct SocketWaker {
    shared: Arc<Shared>,
    socket: u64,
}

impl Wakes {
    pub(crate) fn new() -> nix::Result<Self> {
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { shared: Arc::new(Shared { called: Mutex::new(Vec::new()), bell }) })
    }

    /// Keep it: the stack knows a waker that it has already, but not two for the same socket.
    pub(crate) fn waker(&self, socket: u64) -> Waker {
        Arc::new(SocketWaker { shared: Arc::clone(&self.shared), socket }).into()
    }

    /// Calls for `socket` as its waker would.
    pub(crate) fn call(&self, socket: u64) {
        self.shared.call(socket);
    }

    /// Takes the sockets that were called for; one can be there more than once.
    pub(crate) fn take(&self) -> Vec<u64> {
        let mut called = self.shared.called.lock();
        // Nothing to read, EAGAIN, is fine too.
        let _ = self.shared.bell.read();
        std::mem::take(&mut called)
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
        if called.is_empty() {
            // Cannot fail: the counter is 0.
            let _ = self.bell.write(1);
        }
        called.push(socket);
    }
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.shared.call(self.socket);
    }
}
