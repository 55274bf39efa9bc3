//! Waiting for several descriptors: the kernel's work; what it says of ours is made complete. There is nothing to drop meanwhile.

use core::ffi::c_int;

use libc::{nfds_t, pollfd, sigset_t, timespec};

use crate::{polling, real};

/// # Safety
/// As `poll(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn poll(entries: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int {
    // SAFETY: the caller's own arguments; if any has events, the kernel has written them.
    unsafe { polling::correct(entries, count, real::poll(entries, count, timeout)) }
}

/// # Safety
/// As `ppoll(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn ppoll(
    entries: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: as `poll`.
    unsafe { polling::correct(entries, count, real::ppoll(entries, count, timeout, mask)) }
}

/// # Safety
/// As `poll(2)`; `room` is the size of what `entries` points to.
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn __poll_chk(
    entries: *mut pollfd,
    count: nfds_t,
    timeout: c_int,
    room: libc::size_t,
) -> c_int {
    // SAFETY: as `poll`.
    unsafe { polling::correct(entries, count, real::__poll_chk(entries, count, timeout, room)) }
}

/// # Safety
/// As `ppoll(2)`; `room` is the size of what `entries` points to.
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn __ppoll_chk(
    entries: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
    room: libc::size_t,
) -> c_int {
    // SAFETY: as `poll`.
    unsafe { polling::correct(entries, count, real::__ppoll_chk(entries, count, timeout, mask, room)) }
}
