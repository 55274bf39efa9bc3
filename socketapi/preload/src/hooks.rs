//! The C functions that stand before the C library's. Nothing is decided here.

use core::ffi::{c_int, c_void};

use libc::{size_t, sockaddr, socklen_t, ssize_t};
use sctp_descriptors::{Command, OptionName};

use crate::ops::{self, Detour};
use crate::real::real;
use crate::{address, options, table};

/// Ends a hook: our result, our `errno`, or the C library's own answer.
fn conclude<T: From<i8>>(detour: Detour<T>, bypass: impl FnOnce() -> T) -> T {
    match detour {
        Detour::Bypass => bypass(),
        Detour::Done(value) => value,
        Detour::Failed(errno) => {
            // SAFETY: the location is the calling thread's own.
            unsafe { *libc::__errno_location() = errno };
            T::from(-1)
        }
    }
}

/// # Safety
/// As `socket(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    conclude(ops::socket(domain, kind, protocol), || {
        // SAFETY: the caller's own arguments.
        let fd = unsafe { (real().socket)(domain, kind, protocol) };
        table::forget(fd);
        fd
    })
}

/// # Safety
/// As `bind(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn bind(fd: c_int, local: *const sockaddr, length: socklen_t) -> c_int {
    let detour = ops::with_socket(fd, |name| {
        // SAFETY: the caller's promise.
        let local = unsafe { address::read(local, length) }?;
        ops::command(name, Command::Bind(local)).map(|()| 0)
    });
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().bind)(fd, local, length) })
}

/// # Safety
/// As `listen(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn listen(fd: c_int, backlog: c_int) -> c_int {
    let detour = ops::with_socket(fd, |name| {
        ops::command(name, Command::Listen(u32::try_from(backlog).unwrap_or(0))).map(|()| 0)
    });
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().listen)(fd, backlog) })
}

/// # Safety
/// As `accept4(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn accept4(fd: c_int, peer: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int {
    let detour = ops::with_socket(fd, |name| {
        let accepted = ops::accept(fd, name, flags)?;
        if let (false, Some(name)) = (peer.is_null(), table::lookup(accepted))
            && let Ok(value) = ops::address(name, Command::PeerAddress)
        {
            // SAFETY: the caller's promise.
            unsafe { address::write(value, peer, length) };
        }
        Ok(accepted)
    });
    conclude(detour, || {
        // SAFETY: the caller's own arguments.
        let accepted = unsafe { (real().accept4)(fd, peer, length, flags) };
        table::forget(accepted);
        accepted
    })
}

/// # Safety
/// As `accept(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn accept(fd: c_int, peer: *mut sockaddr, length: *mut socklen_t) -> c_int {
    // SAFETY: accept4 without flags is accept.
    unsafe { accept4(fd, peer, length, 0) }
}

/// # Safety
/// As `connect(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn connect(fd: c_int, peer: *const sockaddr, length: socklen_t) -> c_int {
    let detour = ops::with_socket(fd, |name| {
        // SAFETY: the caller's promise.
        let peer = unsafe { address::read(peer, length) }?;
        ops::connect(fd, name, peer).map(|()| 0)
    });
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().connect)(fd, peer, length) })
}

/// # Safety
/// As `getsockname(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getsockname(fd: c_int, local: *mut sockaddr, length: *mut socklen_t) -> c_int {
    let detour = ops::with_socket(fd, |name| {
        let value = ops::address(name, Command::LocalAddress)?;
        // SAFETY: the caller's promise.
        unsafe { address::write(value, local, length) };
        Ok(0)
    });
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().getsockname)(fd, local, length) })
}

/// # Safety
/// As `getpeername(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getpeername(fd: c_int, peer: *mut sockaddr, length: *mut socklen_t) -> c_int {
    let detour = ops::with_socket(fd, |name| {
        let value = ops::address(name, Command::PeerAddress)?;
        // SAFETY: the caller's promise.
        unsafe { address::write(value, peer, length) };
        Ok(0)
    });
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().getpeername)(fd, peer, length) })
}

/// # Safety
/// As `getsockopt(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    let named = OptionName { level, number: option };
    let detour = if options::is_served(named) {
        // SAFETY: the caller's promise.
        ops::with_socket(fd, |name| unsafe { options::get(fd, name, named, value, length) })
    } else {
        Detour::Bypass
    };
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().getsockopt)(fd, level, option, value, length) })
}

/// # Safety
/// As `setsockopt(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    length: socklen_t,
) -> c_int {
    let named = OptionName { level, number: option };
    let detour = if options::is_served(named) {
        // SAFETY: the caller's promise.
        ops::with_socket(fd, |name| unsafe { options::set(fd, name, named, value, length) })
    } else {
        Detour::Bypass
    };
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().setsockopt)(fd, level, option, value, length) })
}

/// # Safety
/// As `shutdown(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn shutdown(fd: c_int, how: c_int) -> c_int {
    let detour = ops::shutdown(fd, how);
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().shutdown)(fd, how) })
}

/// # Safety
/// As `read(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, room: size_t) -> ssize_t {
    let detour = ops::with_socket(fd, |name| ops::read(fd, name, buffer, room, 0));
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().read)(fd, buffer, room) })
}

/// # Safety
/// As `recv(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn recv(fd: c_int, buffer: *mut c_void, room: size_t, flags: c_int) -> ssize_t {
    let detour = ops::with_socket(fd, |name| ops::read(fd, name, buffer, room, flags));
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().recv)(fd, buffer, room, flags) })
}

/// # Safety
/// As `recvfrom(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    room: size_t,
    flags: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
) -> ssize_t {
    let detour = ops::with_socket(fd, |name| {
        let got = ops::read(fd, name, buffer, room, flags)?;
        if let (false, Ok(value)) = (peer.is_null(), ops::address(name, Command::PeerAddress)) {
            // SAFETY: the caller's promise.
            unsafe { address::write(value, peer, length) };
        }
        Ok(got)
    });
    // SAFETY: the caller's own arguments.
    conclude(detour, || unsafe { (real().recvfrom)(fd, buffer, room, flags, peer, length) })
}

/// What `read` becomes in programs compiled with `_FORTIFY_SOURCE`.
///
/// # Safety
/// As `read(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn __read_chk(fd: c_int, buffer: *mut c_void, room: size_t, size: size_t) -> ssize_t {
    // SAFETY: the caller's own arguments; at most the buffer's size.
    unsafe { read(fd, buffer, room.min(size)) }
}

/// What `recv` becomes in programs compiled with `_FORTIFY_SOURCE`.
///
/// # Safety
/// As `recv(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn __recv_chk(
    fd: c_int,
    buffer: *mut c_void,
    room: size_t,
    size: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's own arguments; at most the buffer's size.
    unsafe { recv(fd, buffer, room.min(size), flags) }
}

/// # Safety
/// As `close(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    table::forget(fd);
    // SAFETY: the caller's own argument.
    unsafe { (real().close)(fd) }
}

/// # Safety
/// As `dup(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: the caller's own argument.
    let copy = unsafe { (real().dup)(fd) };
    table::forget(copy);
    copy
}

/// # Safety
/// As `dup2(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup2(from: c_int, to: c_int) -> c_int {
    table::forget(to);
    // SAFETY: the caller's own arguments.
    unsafe { (real().dup2)(from, to) }
}

/// # Safety
/// As `dup3(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int {
    table::forget(to);
    // SAFETY: the caller's own arguments.
    unsafe { (real().dup3)(from, to, flags) }
}
