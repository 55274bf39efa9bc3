//! The `ext_` functions of dreibh's socketapi: the functions of sockets under another name, which programs for sctplib call for all
//! of their descriptors. `ext_socket.h` says what was different there.

use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

use libc::{fd_set, mode_t, msghdr, pollfd, size_t, sockaddr, socklen_t, ssize_t, timeval};

use crate::associations::sctp_connectx;
use crate::calls;
use crate::outcome::{checked, finish};
use crate::structures::sctp_assoc_t;

/// A notification was received (`msg_flags`).
const MSG_NOTIFICATION: c_int = 0x8000;

/// SOCKETAPI_MAJOR_VERSION and SOCKETAPI_MINOR_VERSION of `ext_socket.h`.
const VERSION: c_uint = (0x2 << 16) | 0x2200;

/// `socket`.
///
/// # Safety
/// As `socket`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::socket(domain, kind, protocol) }
}

/// `bind`.
///
/// # Safety
/// As `bind`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_bind(
    sockfd: c_int,
    my_addr: *const sockaddr,
    addrlen: socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::bind(sockfd, my_addr, addrlen) }
}

/// `listen`.
///
/// # Safety
/// As `listen`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_listen(s: c_int, backlog: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::listen(s, backlog) }
}

/// `accept`.
///
/// # Safety
/// As `accept`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_accept(s: c_int, addr: *mut sockaddr, addrlen: *mut socklen_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::accept(s, addr, addrlen) }
}

/// `connect`.
///
/// # Safety
/// As `connect`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_connect(
    sockfd: c_int,
    serv_addr: *const sockaddr,
    addrlen: socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::connect(sockfd, serv_addr, addrlen) }
}

/// `shutdown`.
///
/// # Safety
/// As `shutdown`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_shutdown(s: c_int, how: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::shutdown(s, how) }
}

/// `close`.
///
/// # Safety
/// As `close`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_close(fd: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::close(fd) }
}

/// `getsockname`.
///
/// # Safety
/// As `getsockname`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_getsockname(
    sockfd: c_int,
    name: *mut sockaddr,
    namelen: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::getsockname(sockfd, name, namelen) }
}

/// `getpeername`.
///
/// # Safety
/// As `getpeername`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_getpeername(
    sockfd: c_int,
    name: *mut sockaddr,
    namelen: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::getpeername(sockfd, name, namelen) }
}

/// `getsockopt`.
///
/// # Safety
/// As `getsockopt`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_getsockopt(
    sockfd: c_int,
    level: c_int,
    optname: c_int,
    optval: *mut c_void,
    optlen: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::getsockopt(sockfd, level, optname, optval, optlen) }
}

/// `setsockopt`.
///
/// # Safety
/// As `setsockopt`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_setsockopt(
    sockfd: c_int,
    level: c_int,
    optname: c_int,
    optval: *const c_void,
    optlen: socklen_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::setsockopt(sockfd, level, optname, optval, optlen) }
}

/// `read`.
///
/// # Safety
/// As `read`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_read(fd: c_int, buf: *mut c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::read(fd, buf, count) }
}

/// `write`.
///
/// # Safety
/// As `write`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_write(fd: c_int, buf: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::write(fd, buf, count) }
}

/// `recv`.
///
/// # Safety
/// As `recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_recv(s: c_int, buf: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::recv(s, buf, len, flags) }
}

/// `recvfrom`.
///
/// # Safety
/// As `recvfrom`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_recvfrom(
    s: c_int,
    buf: *mut c_void,
    len: size_t,
    flags: c_int,
    from: *mut sockaddr,
    fromlen: *mut socklen_t,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::recvfrom(s, buf, len, flags, from, fromlen) }
}

/// `recvmsg`.
///
/// # Safety
/// As `recvmsg`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_recvmsg(s: c_int, msg: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::recvmsg(s, msg, flags) }
}

/// `send`.
///
/// # Safety
/// As `send`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_send(s: c_int, msg: *const c_void, len: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::send(s, msg, len, flags) }
}

/// `sendto`.
///
/// # Safety
/// As `sendto`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_sendto(
    s: c_int,
    msg: *const c_void,
    len: size_t,
    flags: c_int,
    to: *const sockaddr,
    tolen: socklen_t,
) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::sendto(s, msg, len, flags, to, tolen) }
}

/// `sendmsg`.
///
/// # Safety
/// As `sendmsg`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_sendmsg(s: c_int, msg: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's own arguments.
    unsafe { calls::sendmsg(s, msg, flags) }
}

/// `open`.
///
/// # Safety
/// As `open`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_open(pathname: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::open(pathname, flags, mode) }
}

/// `creat`.
///
/// # Safety
/// As `creat`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_creat(pathname: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::creat(pathname, mode) }
}

/// `pipe`.
///
/// # Safety
/// As `pipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_pipe(fds: *mut c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::pipe(fds) }
}

/// `poll`.
///
/// # Safety
/// As `poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_poll(fdlist: *mut pollfd, count: c_ulong, time: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::poll(fdlist, count, time) }
}

/// `select`.
///
/// # Safety
/// As `select`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_select(
    n: c_int,
    readfds: *mut fd_set,
    writefds: *mut fd_set,
    exceptfds: *mut fd_set,
    timeout: *mut timeval,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::select(n, readfds, writefds, exceptfds, timeout) }
}

/// `sctp_connectx`.
///
/// # Safety
/// As `sctp_connectx`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_connectx(
    sockfd: c_int,
    addrs: *const sockaddr,
    addrcnt: c_int,
    id: *mut sctp_assoc_t,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { sctp_connectx(sockfd, addrs, addrcnt, id) }
}

/// `fcntl`; `argument` is whatever the command has, if it has one. (`ext_socket.h` declares it by hand, with an ellipsis.)
///
/// cbindgen:ignore
///
/// # Safety
/// As `fcntl`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_fcntl(fd: c_int, cmd: c_int, argument: c_ulong) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { calls::fcntl(fd, cmd, argument) }
}

/// `ioctl`.
///
/// # Safety
/// As `ioctl`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ext_ioctl(d: c_int, request: c_int, argp: *const c_void) -> c_int {
    // Numbers of requests have 32 bits.
    let request = c_ulong::from(request as c_uint);
    // SAFETY: the caller's own arguments.
    unsafe { calls::ioctl(d, request, argp) }
}

/// `recvmsg`, which returns messages only if `receiveNotifications` is 0. What is received of notifications then is lost, also of
/// those that do not fit.
///
/// # Safety
/// As `recvmsg`.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the name in C")]
pub unsafe extern "C-unwind" fn ext_recvmsg2(
    sockfd: c_int,
    msg: *mut msghdr,
    flags: c_int,
    receiveNotifications: c_int,
) -> ssize_t {
    finish(|| {
        if msg.is_null() {
            return Err(libc::EFAULT);
        }
        // SAFETY: not null, and the caller's promise.
        let before = unsafe { msg.read() };
        loop {
            // SAFETY: the caller's own arguments.
            let got = checked(unsafe { calls::recvmsg(sockfd, msg, flags) })?;
            // SAFETY: as above.
            let is_notification = unsafe { (*msg).msg_flags } & MSG_NOTIFICATION != 0;
            if receiveNotifications != 0 || !is_notification {
                return Ok(got);
            }
            // SAFETY: as above; what was given is still valid.
            unsafe { msg.write(before) };
        }
    })
}

/// Whether sockets of SCTP can be made: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sctp_isavailable() -> c_int {
    // SAFETY: plain numbers.
    let fd = unsafe { calls::socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP) };
    if fd >= 0 {
        // SAFETY: just made.
        unsafe { calls::close(fd) };
    }
    c_int::from(fd >= 0)
}

/// Checksums are always CRC32c (RFC 9260, 6.8): 0 if `enable` is not 0, else -1 with EOPNOTSUPP.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the name in C")]
pub extern "C-unwind" fn sctp_enableCRC32(enable: c_uint) -> c_int {
    always_on(enable)
}

/// Packets that belong to no association are always answered (RFC 9260, 8.4): 0 if `enable` is not 0, else -1 with EOPNOTSUPP.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the name in C")]
pub extern "C-unwind" fn sctp_enableOOTBHandling(enable: c_uint) -> c_int {
    always_on(enable)
}

fn always_on(enable: c_uint) -> c_int {
    finish(|| if enable == 0 { Err(libc::EOPNOTSUPP) } else { Ok(0) })
}

/// The version of the socketapi whose functions these are: SOCKETAPI_MAJOR_VERSION in the upper 16 bits, SOCKETAPI_MINOR_VERSION
/// in the lower ones.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the name in C")]
pub extern "C-unwind" fn socketAPIGetVersion() -> c_uint {
    VERSION
}
