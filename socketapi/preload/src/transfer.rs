//! `sendfile` and `splice`, which move bytes inside of the kernel where they can: here they pass through this process.

use core::ffi::{c_int, c_uint};

use libc::{off_t, size_t};
use sctp_descriptors::SocketName;

use crate::detour::{Detour, Stop, checked, errno, with_socket};
use crate::{real, receive, send, wait};

/// A message is at most so long: what a pipe holds, which is how the kernel does it.
const CHUNK: usize = 64 * 1024;

/// `sendfile()`, where the socket is ours.
///
/// # Safety
/// `offset` is null or valid.
pub(crate) unsafe fn sendfile(out: c_int, from: c_int, offset: *mut off_t, length: size_t) -> Detour<isize> {
    with_socket(out, |name| {
        // SAFETY: null, or the caller's promise.
        let given = unsafe { offset.as_mut() };
        let start = match &given {
            Some(given) => **given,
            None => position(from)?,
        };
        let sent = send_file(out, name, from, start, length)?;
        let end = start + sent as off_t;
        match given {
            Some(given) => *given = end,
            // SAFETY: plain numbers.
            None => drop(unsafe { libc::lseek(from, end, libc::SEEK_SET) }),
        }
        Ok(sent as isize)
    })
}

fn position(file: c_int) -> Result<off_t, c_int> {
    // SAFETY: plain numbers.
    let position = unsafe { libc::lseek(file, 0, libc::SEEK_CUR) };
    // As `sendfile` has it for what is no file.
    if position < 0 { Err(libc::EINVAL) } else { Ok(position) }
}

/// Sends so many bytes from there on, or fewer if the file ends or sending fails after the first.
fn send_file(out: c_int, name: SocketName, from: c_int, start: off_t, length: usize) -> Result<usize, c_int> {
    let mut buffer = vec![0; CHUNK.min(length)];
    let mut sent = 0;
    while sent < length {
        let room = buffer.len().min(length - sent);
        // SAFETY: `buffer` has so much room.
        let got = unsafe { real::pread(from, buffer.as_mut_ptr().cast(), room, start + sent as off_t) };
        let chunk = match checked(got) {
            Ok(0) => break,
            Ok(got) => buffer.get(..got).unwrap_or_default(),
            Err(_) if sent > 0 => break,
            Err(errno) => return Err(errno),
        };
        match send::bytes(out, name, chunk, 0).map_err(errno_of) {
            Ok(_) => sent += chunk.len(),
            Err(_) if sent > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(sent)
}

fn errno_of(stop: Stop) -> c_int {
    match stop {
        Stop::Errno(errno) => errno,
        Stop::Stranger => libc::EBADF,
    }
}

/// `splice()`, where one end is a socket of ours, and the other one a pipe.
///
/// # Safety
/// Both offsets are null or valid.
pub(crate) unsafe fn splice(
    from: c_int,
    from_offset: *const off_t,
    to: c_int,
    to_offset: *const off_t,
    length: size_t,
    flags: c_uint,
) -> Detour<isize> {
    let sends = with_socket(to, |name| {
        // A socket has no offset.
        if !to_offset.is_null() || !from_offset.is_null() {
            return Err(libc::ESPIPE);
        }
        pipe_to_socket(from, to, name, length, flags)
    });
    let Detour::Bypass = sends else { return sends };
    with_socket(from, |_| {
        if !to_offset.is_null() || !from_offset.is_null() {
            return Err(libc::ESPIPE);
        }
        socket_to_pipe(from, to, length, flags)
    })
}

/// What is taken out of the pipe must be sent, so it is taken when there is room.
fn pipe_to_socket(
    from: c_int,
    to: c_int,
    name: SocketName,
    length: usize,
    flags: c_uint,
) -> Result<isize, c_int> {
    let waits = flags & libc::SPLICE_F_NONBLOCK == 0;
    if !is_ready(to, libc::POLLOUT, waits)? || !is_ready(from, libc::POLLIN, waits)? {
        return Err(libc::EAGAIN);
    }
    let mut buffer = vec![0; CHUNK.min(length)];
    // SAFETY: `buffer` has so much room.
    let got = checked(unsafe { real::read(from, buffer.as_mut_ptr().cast(), buffer.len()) })?;
    let chunk = buffer.get(..got).unwrap_or_default();
    if chunk.is_empty() {
        return Ok(0);
    }
    loop {
        match send::bytes(to, name, chunk, 0).map_err(errno_of) {
            // It may not wait, but the bytes must not be lost.
            Err(libc::EAGAIN | libc::EINTR) => wait::await_writable(to).map(|_| ())?,
            other => return other,
        }
    }
}

/// At most as much as the pipe takes without waiting.
fn socket_to_pipe(from: c_int, to: c_int, length: usize, flags: c_uint) -> Result<isize, c_int> {
    let waits = flags & libc::SPLICE_F_NONBLOCK == 0;
    if !is_ready(to, libc::POLLOUT, waits)? {
        return Err(libc::EAGAIN);
    }
    // A pipe that polls writable takes PIPE_BUF bytes at once.
    let mut buffer = vec![0u8; libc::PIPE_BUF.min(length)];
    let flags = if waits { 0 } else { libc::MSG_DONTWAIT };
    // SAFETY: `buffer` has so much room.
    let got = match unsafe { receive::plain(from, buffer.as_mut_ptr().cast(), buffer.len(), flags) } {
        Detour::Done(got) => got as usize,
        Detour::Failed(errno) => return Err(errno),
        Detour::Bypass => return Err(libc::EBADF),
    };
    // SAFETY: so many bytes of `buffer` were received.
    checked(unsafe { real::write(to, buffer.as_ptr().cast(), got) }).map(|written| written as isize)
}

/// Whether the descriptor polls so, at once or as soon as it does.
fn is_ready(fd: c_int, events: i16, waits: bool) -> Result<bool, c_int> {
    let waits = waits && !wait::is_non_blocking(fd);
    let mut wanted = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one valid entry.
    match unsafe { real::poll(&raw mut wanted, 1, if waits { -1 } else { 0 }) } {
        -1 => Err(errno()),
        ready => Ok(ready > 0),
    }
}

/// Whether `preadv2` and `pwritev2` can be done: a socket has no position, and Linux's of SCTP have none of their flags.
pub(crate) fn at_position(offset: off_t, flags: c_int) -> Result<(), c_int> {
    match (offset, flags) {
        (-1, 0) => Ok(()),
        (-1, _) => Err(libc::EOPNOTSUPP),
        _ => Err(libc::ESPIPE),
    }
}
