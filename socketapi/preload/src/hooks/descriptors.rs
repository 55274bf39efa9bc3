//! Numbers of descriptors: what comes to mean something else is forgotten, after it has happened. What was forgotten too often
//! is looked up again. The lease of the program's service is spared, and so is what calls hold.

use core::ffi::{c_int, c_ulong};

use crate::detour::set_errno;
use crate::{hold, lease, ops, real, table};

/// The service sees that the socket is closed by the kernel.
///
/// # Safety
/// As `close(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C-unwind" fn close(fd: c_int) -> c_int {
    if lease::is(fd) {
        return 0;
    }
    if hold::is(fd) {
        set_errno(libc::EBADF);
        return -1;
    }
    let lingering = ops::lingering(fd);
    // SAFETY: the caller's own argument.
    let closed = unsafe { real::close(fd) };
    table::forget(fd);
    lingering.filter(|_| closed == 0).into_iter().for_each(ops::linger);
    closed
}

/// # Safety
/// As `dup(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn dup(fd: c_int) -> c_int {
    // SAFETY: the caller's own argument.
    let copy = unsafe { real::dup(fd) };
    table::copied(fd, copy);
    copy
}

/// # Safety
/// As `dup2(2)`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C-unwind" fn dup2(from: c_int, to: c_int) -> c_int {
    lease::make_way(to);
    // SAFETY: the caller's own arguments.
    let copy = hold::making_way(from, to, || unsafe { real::dup2(from, to) });
    table::copied(from, copy);
    copy
}

/// # Safety
/// As `dup3(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int {
    lease::make_way(to);
    // SAFETY: the caller's own arguments.
    let copy = hold::making_way(from, to, || unsafe { real::dup3(from, to, flags) });
    table::copied(from, copy);
    copy
}

/// # Safety
/// As `fcntl(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int {
    // Close-on-exec.
    if command == libc::F_SETFD && lease::is(fd) {
        return 0;
    }
    // SAFETY: the caller's own arguments.
    let result = unsafe { real::fcntl(fd, command, argument) };
    if matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) {
        table::copied(fd, result);
    }
    result
}

/// Names that only glibc has.
#[cfg(target_env = "gnu")]
mod glibc {
    use core::ffi::c_uint;

    use super::*;

    /// # Safety
    /// As `close_range(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
        let closed = lease::spared(first..=last, |part| {
            // SAFETY: the caller's own arguments.
            unsafe { real::close_range(*part.start(), *part.end(), flags) }
        });
        table::forget_range(first, last);
        closed
    }

    /// # Safety
    /// As `closefrom(3)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn closefrom(first: c_int) {
        let start = c_uint::try_from(first).unwrap_or(0);
        lease::spared(start..=c_uint::MAX, |part| {
            if *part.end() == c_uint::MAX {
                // SAFETY: the caller's own argument.
                unsafe { real::closefrom(*part.start() as c_int) };
            } else {
                for fd in part {
                    // SAFETY: a number that the caller does not want to be open.
                    let _ = unsafe { real::close(fd as c_int) };
                }
            }
            0
        });
        table::forget_range(start, c_uint::MAX);
    }

    /// # Safety
    /// As `close(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __close(fd: c_int) -> c_int {
        // SAFETY: the caller's own argument.
        unsafe { close(fd) }
    }

    /// # Safety
    /// As `dup2(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __dup2(from: c_int, to: c_int) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { dup2(from, to) }
    }

    /// # Safety
    /// As `fcntl(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn __fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int {
        // SAFETY: the caller's own arguments.
        unsafe { fcntl(fd, command, argument) }
    }

    /// # Safety
    /// As `fcntl(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C-unwind" fn fcntl64(fd: c_int, command: c_int, argument: c_ulong) -> c_int {
        // SAFETY: the caller's own arguments; 64-bit machines have one kind of lock.
        unsafe { fcntl(fd, command, argument) }
    }
}
