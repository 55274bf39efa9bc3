//! A descriptor that wakes a thread out of `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// An eventfd that is written once for each time that it is heard.
#[derive(Debug)]
pub(super) struct Bell {
    descriptor: EventFd,
    rung: bool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Self { descriptor: EventFd::from_value_and_flags(0, flags)?, rung: false })
    }

    /// Makes the descriptor readable.
    pub(super) fn ring(&mut self) {
        if !std::mem::replace(&mut self.rung, true) {
            // Cannot fail: the counter is 0.
            let _ = self.descriptor.write(1);
        }
    }

    /// Makes it unreadable again.
    pub(super) fn hush(&mut self) {
        if std::mem::take(&mut self.rung) {
            let _ = self.descriptor.read();
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
