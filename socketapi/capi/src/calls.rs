//! The functions of sockets, as everybody calls them: those of the shim, which this library exports. They may be unwound
//! through (a thread that is cancelled), unlike the C library's as the crate `libc` declares them.

use core::ffi::{c_char, c_int, c_ulong, c_void};

use libc::{fd_set, mode_t, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t, timeval};

// Their symbols are found by name.
use sctp_preload as _;

unsafe extern "C-unwind" {
    pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    pub(crate) fn bind(fd: c_int, local: *const sockaddr, length: socklen_t) -> c_int;
    pub(crate) fn listen(fd: c_int, backlog: c_int) -> c_int;
    pub(crate) fn accept(fd: c_int, peer: *mut sockaddr, length: *mut socklen_t) -> c_int;
    pub(crate) fn connect(fd: c_int, peer: *const sockaddr, length: socklen_t) -> c_int;
    pub(crate) fn shutdown(fd: c_int, how: c_int) -> c_int;
    pub(crate) fn close(fd: c_int) -> c_int;
    pub(crate) fn getsockname(fd: c_int, local: *mut sockaddr, length: *mut socklen_t) -> c_int;
    pub(crate) fn getpeername(fd: c_int, peer: *mut sockaddr, length: *mut socklen_t) -> c_int;
    pub(crate) fn getsockopt(
        fd: c_int,
        level: c_int,
        option: c_int,
        value: *mut c_void,
        length: *mut socklen_t,
    ) -> c_int;
    pub(crate) fn setsockopt(
        fd: c_int,
        level: c_int,
        option: c_int,
        value: *const c_void,
        length: socklen_t,
    ) -> c_int;

    pub(crate) fn read(fd: c_int, buffer: *mut c_void, room: size_t) -> ssize_t;
    pub(crate) fn write(fd: c_int, bytes: *const c_void, length: size_t) -> ssize_t;
    pub(crate) fn recv(fd: c_int, buffer: *mut c_void, room: size_t, flags: c_int) -> ssize_t;
    pub(crate) fn recvfrom(
        fd: c_int,
        buffer: *mut c_void,
        room: size_t,
        flags: c_int,
        from: *mut sockaddr,
        length: *mut socklen_t,
    ) -> ssize_t;
    pub(crate) fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
    pub(crate) fn send(fd: c_int, bytes: *const c_void, length: size_t, flags: c_int) -> ssize_t;
    pub(crate) fn sendto(
        fd: c_int,
        bytes: *const c_void,
        length: size_t,
        flags: c_int,
        to: *const sockaddr,
        to_length: socklen_t,
    ) -> ssize_t;
    pub(crate) fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;

    pub(crate) fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    pub(crate) fn fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int;
    pub(crate) fn ioctl(fd: c_int, request: c_ulong, argument: *const c_void) -> c_int;

    // The C library's own: waiting is the kernel's.
    pub(crate) fn creat(path: *const c_char, mode: mode_t) -> c_int;
    pub(crate) fn pipe(fds: *mut c_int) -> c_int;
    pub(crate) fn poll(entries: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int;
    pub(crate) fn select(
        count: c_int,
        readable: *mut fd_set,
        writable: *mut fd_set,
        exceptional: *mut fd_set,
        timeout: *mut timeval,
    ) -> c_int;
}
