//! Sockets and their names.

use core::ffi::{c_int, c_void};
use core::ptr;

use libc::{sockaddr, socklen_t};
use sctp_descriptors::{Command, OptionName};

use crate::{ops, options, real, table};

/// # Safety
/// As `socket(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    ops::socket(domain, kind, protocol).conclude(|| {
        // SAFETY: the caller's own arguments.
        let fd = unsafe { real::socket(domain, kind, protocol) };
        table::forget(fd);
        fd
    })
}

/// # Safety
/// As `socketpair(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn socketpair(
    domain: c_int,
    kind: c_int,
    protocol: c_int,
    ends: *mut c_int,
) -> c_int {
    ops::socket_pair(domain, kind, protocol).conclude(|| {
        // SAFETY: the caller's own arguments.
        let made = unsafe { real::socketpair(domain, kind, protocol, ends) };
        if made == 0 {
            // SAFETY: the kernel has just written both.
            unsafe { [*ends, *ends.add(1)] }.into_iter().for_each(table::forget);
        }
        made
    })
}

/// # Safety
/// As `bind(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn bind(fd: c_int, local: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { ops::bind(fd, local, length).conclude(|| real::bind(fd, local, length)) }
}

/// # Safety
/// As `listen(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn listen(fd: c_int, backlog: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    ops::listen(fd, backlog).conclude(|| unsafe { real::listen(fd, backlog) })
}

/// # Safety
/// As `accept4(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn accept4(
    fd: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { ops::accept(fd, peer, length, flags) }.conclude(|| {
        // SAFETY: as above.
        let accepted = unsafe { real::accept4(fd, peer, length, flags) };
        table::forget(accepted);
        accepted
    })
}

/// # Safety
/// As `accept(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn accept(
    fd: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: accept4 without flags is accept.
    unsafe { accept4(fd, peer, length, 0) }
}

/// # Safety
/// As `connect(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn connect(fd: c_int, peer: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { ops::connect(fd, peer, length).conclude(|| real::connect(fd, peer, length)) }
}

/// An alias of glibc's.
///
/// # Safety
/// As `connect(2)`.
#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn __connect(fd: c_int, peer: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { connect(fd, peer, length) }
}

/// # Safety
/// As `getsockname(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn getsockname(
    fd: c_int,
    local: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        ops::get_address(fd, Command::LocalAddress, local, length)
            .conclude(|| real::getsockname(fd, local, length))
    }
}

/// # Safety
/// As `getpeername(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn getpeername(
    fd: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        ops::get_address(fd, Command::PeerAddress, peer, length)
            .conclude(|| real::getpeername(fd, peer, length))
    }
}

/// # Safety
/// As `getsockopt(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn getsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        options::get(fd, OptionName { level, number: option }, value, length)
            .conclude(|| real::getsockopt(fd, level, option, value, length))
    }
}

/// # Safety
/// As `setsockopt(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn setsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    length: socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        options::set(fd, OptionName { level, number: option }, value, length)
            .conclude(|| real::setsockopt(fd, level, option, value, length))
    }
}

/// # Safety
/// As `shutdown(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn shutdown(fd: c_int, how: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    ops::shutdown(fd, how).conclude(|| unsafe { real::shutdown(fd, how) })
}

/// FIONREAD is ours, and what pairs have and sockets of SCTP have not.
///
/// # Safety
/// As `ioctl(2)`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C-unwind" fn ioctl(
    fd: c_int,
    request: core::ffi::c_ulong,
    argument: core::ffi::c_ulong,
) -> c_int {
    let value = ptr::with_exposed_provenance_mut(argument as usize);
    // SAFETY: the caller's own arguments.
    unsafe { ops::ioctl(fd, request, value).conclude(|| real::ioctl(fd, request, argument)) }
}
