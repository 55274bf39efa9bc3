//! What the hooked functions do for a descriptor of ours.

use core::ffi::{c_int, c_void};
use core::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use sctp_descriptors::{Command, Reply, Request, SocketName};

use crate::control;
use crate::real::real;
use crate::table;

/// What became of a call.
pub(crate) enum Detour<T> {
    /// Not ours: the C library's turn.
    Bypass,
    /// Done.
    Done(T),
    /// Failed, with this `errno`.
    Failed(c_int),
}

impl<T> From<Result<T, c_int>> for Detour<T> {
    fn from(result: Result<T, c_int>) -> Self {
        result.map_or_else(Detour::Failed, Detour::Done)
    }
}

/// Runs `operation` with the socket's name, if `fd` is ours.
pub(crate) fn with_socket<T>(fd: c_int, operation: impl FnOnce(SocketName) -> Result<T, c_int>) -> Detour<T> {
    table::lookup(fd).map_or(Detour::Bypass, |name| operation(name).into())
}

/// `socket()` for protocol 132 and one-to-one style; the service does not do the other one yet.
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Detour<c_int> {
    let style = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
    if protocol != libc::IPPROTO_SCTP || style != libc::SOCK_STREAM {
        return Detour::Bypass;
    }
    if domain != libc::AF_INET && domain != libc::AF_INET6 {
        return Detour::Bypass;
    }
    let command = Command::Socket { ipv6: domain == libc::AF_INET6 };
    control::ask(&Request { socket: 0, command }).and_then(|(_, fd)| adopt(fd, kind)).into()
}

/// Commands that only change something.
pub(crate) fn command(name: SocketName, command: Command) -> Result<(), c_int> {
    control::ask(&Request { socket: name.socket, command }).map(|_| ())
}

/// Commands that ask for an address.
pub(crate) fn address(name: SocketName, command: Command) -> Result<SocketAddr, c_int> {
    match control::ask(&Request { socket: name.socket, command })? {
        (Reply::Address(address), _) => Ok(address),
        _ => Err(libc::EPROTO),
    }
}

/// The pending error, which is cleared; 0 for none.
pub(crate) fn take_error(name: SocketName) -> c_int {
    command(name, Command::TakeError).err().unwrap_or(0)
}

/// `connect()`.
pub(crate) fn connect(fd: c_int, name: SocketName, peer: SocketAddr) -> Result<(), c_int> {
    begin(fd, name, Command::Connect(peer))?;
    await_setup(fd, name)
}

/// A command that may begin the set-up of an association. If the descriptor polls writable since an earlier set-up failed, a
/// filler makes it do so no more.
pub(crate) fn begin(fd: c_int, name: SocketName, command: Command) -> Result<Reply, c_int> {
    let request = Request { socket: name.socket, command };
    let (reply, _) = control::ask(&request)?;
    let Reply::Fill(length) = reply else { return Ok(reply) };
    let filler = vec![0u8; length as usize];
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `filler` is valid for its length.
    if unsafe { (real().send)(fd, filler.as_ptr().cast(), filler.len(), flags) } < 0 {
        return Err(errno());
    }
    control::ask(&request).map(|(reply, _)| reply)
}

/// Waits for the end of a set-up, as long as the descriptor may wait (O_NONBLOCK, SO_SNDTIMEO): the service makes it writable
/// then.
pub(crate) fn await_setup(fd: c_int, name: SocketName) -> Result<(), c_int> {
    if is_non_blocking(fd) || !await_event(fd, libc::POLLOUT, send_timeout(fd))? {
        return Err(libc::EINPROGRESS);
    }
    match take_error(name) {
        0 => Ok(()),
        errno => Err(errno),
    }
}

/// `shutdown()`, of an association only. The service learns of it from the kernel, after all that was written before. SCTP has
/// no half that could stop reading alone (RFC 6458, 4.1.7).
pub(crate) fn shutdown(fd: c_int, how: c_int) -> Detour<c_int> {
    let associated = with_socket(fd, |name| match how {
        libc::SHUT_RD | libc::SHUT_WR | libc::SHUT_RDWR => address(name, Command::PeerAddress).map(|_| 0),
        _ => Err(libc::EINVAL),
    });
    match associated {
        Detour::Done(_) if how != libc::SHUT_RD => Detour::Bypass,
        other => other,
    }
}

/// `accept4()`: a token read from the listener stands for one waiting association. A descriptor is reserved before:
/// one that comes when the program has no number left for it would be lost, and its association with it.
pub(crate) fn accept(fd: c_int, name: SocketName, flags: c_int) -> Result<c_int, c_int> {
    let reserved = reserve(fd)?;
    let mut token = [0u8; 1];
    // SAFETY: `token` is valid for its length.
    let got = unsafe { (real().recv)(fd, token.as_mut_ptr().cast(), token.len(), 0) };
    match got {
        1 => {}
        0 => return Err(libc::EINVAL),
        _ => return Err(errno()),
    }
    drop(reserved);
    let (_, accepted) = control::ask(&Request { socket: name.socket, command: Command::Accept })?;
    adopt(accepted, flags)
}

fn reserve(fd: c_int) -> Result<OwnedFd, c_int> {
    // SAFETY: a plain number.
    let reserved = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    if reserved < 0 {
        return Err(errno());
    }
    // SAFETY: just made, and known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(reserved) })
}

/// `read()`. A record is a message, or a piece of one; what a short read leaves must stay. So the record is peeked at
/// (the socket's SO_PEEK_OFF moves on by what was read), and taken out of the kernel's queue once it is read up.
pub(crate) fn read(
    fd: c_int,
    name: SocketName,
    buffer: *mut c_void,
    room: usize,
    flags: c_int,
) -> Result<isize, c_int> {
    let only_peeks = flags & libc::MSG_PEEK != 0;
    let offset = if only_peeks { peek_offset(fd)? } else { 0 };
    let peek = flags | libc::MSG_PEEK | libc::MSG_TRUNC;
    // SAFETY: the caller's buffer, valid for `room` bytes.
    let rest = unsafe { (real().recv)(fd, buffer, room, peek) };
    let Ok(rest) = usize::try_from(rest) else {
        return Err(errno());
    };
    if rest == 0 {
        // The end; the service knows whether it is a good one.
        return match take_error(name) {
            0 => Ok(0),
            errno => Err(errno),
        };
    }
    if only_peeks {
        set_peek_offset(fd, offset)?;
    } else if rest <= room {
        let take = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: nothing is written: there is no room.
        unsafe { (real().recv)(fd, core::ptr::null_mut(), 0, take) };
    }
    Ok(rest.min(room) as isize)
}

fn peek_offset(fd: c_int) -> Result<c_int, c_int> {
    let mut offset: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let value = (&raw mut offset).cast();
    // SAFETY: both pointers are valid, and `length` is the value's.
    let result =
        unsafe { (real().getsockopt)(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, value, &raw mut length) };
    if result == 0 { Ok(offset) } else { Err(errno()) }
}

fn set_peek_offset(fd: c_int, offset: c_int) -> Result<(), c_int> {
    let length = size_of::<c_int>() as libc::socklen_t;
    let value = (&raw const offset).cast();
    // SAFETY: the value is valid for its length.
    let result = unsafe { (real().setsockopt)(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, value, length) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

fn adopt(fd: Option<OwnedFd>, flags: c_int) -> Result<c_int, c_int> {
    let fd = fd.ok_or(libc::EPROTO)?;
    set_peek_offset(fd.as_raw_fd(), 0)?;
    if flags & libc::SOCK_NONBLOCK != 0 {
        // SAFETY: `fd` is open.
        let status = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
        // SAFETY: as above.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, status | libc::O_NONBLOCK) };
    }
    if flags & libc::SOCK_CLOEXEC == 0 {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) };
    }
    table::forget(fd.as_raw_fd());
    Ok(fd.into_raw_fd())
}

fn is_non_blocking(fd: c_int) -> bool {
    // SAFETY: a plain number.
    unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK != 0 }
}

/// SO_SNDTIMEO in milliseconds, as `poll` has it: -1 for none.
fn send_timeout(fd: c_int) -> c_int {
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut length = size_of::<libc::timeval>() as libc::socklen_t;
    let value = (&raw mut time).cast();
    // SAFETY: both pointers are valid, and `length` is the value's. A failure leaves it as it is.
    unsafe { (real().getsockopt)(fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, value, &raw mut length) };
    let milliseconds = time.tv_sec.saturating_mul(1_000).saturating_add((time.tv_usec + 999) / 1_000);
    if milliseconds == 0 { -1 } else { c_int::try_from(milliseconds).unwrap_or(c_int::MAX) }
}

/// Whether one of `events` came in time.
fn await_event(fd: c_int, events: i16, timeout: c_int) -> Result<bool, c_int> {
    let mut wanted = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one valid entry.
    let ready = unsafe { libc::poll(&raw mut wanted, 1, timeout) };
    if ready < 0 { Err(errno()) } else { Ok(ready > 0) }
}

/// The calling thread's `errno`.
pub(crate) fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
