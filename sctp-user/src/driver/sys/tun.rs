//! The descriptor of a TUN interface, which tun-tap gives as a bare number.

use std::os::fd::{AsRawFd, BorrowedFd};

use tun_tap::Iface;

/// Borrows the interface's descriptor.
pub(crate) fn descriptor(interface: &Iface) -> BorrowedFd<'_> {
    // SAFETY: the interface owns the descriptor and outlives the borrow, which is tied to it.
    unsafe { BorrowedFd::borrow_raw(interface.as_raw_fd()) }
}
