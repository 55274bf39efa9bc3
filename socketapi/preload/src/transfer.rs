//! `sendfile` and `splice`, which move bytes inside of the kernel where they can: here they pass through this process.

use core::ffi::{c_int, c_uint};

use libc::{off_t, size_t};
use sctp_descriptors::SocketName;

use crate::detour::{Detour, Stop, checked, with_waiting_socket};
use crate::wait::{Turn, Wait};
use crate::{hold, real, receive, send, wait};

/// A message is at most so long: what a pipe holds, which is how the kernel does it.
const CHUNK: usize = 64 * 1024;

/// `sendfile()`, where the socket is ours.
///
/// # Safety
/// `offset` is null or valid.
pub(crate) unsafe fn sendfile(out: c_int, from: c_int, offset: *mut off_t, length: size_t) -> Detour<isize> {
    with_waiting_socket(out, |out, name, _| {
        // SAFETY: null, or the caller's promise.
        let given = unsafe { offset.as_mut() };
        let start = match &given {
            Some(given) => **given,
            None => position(from)?,
        };
        let sent = hold::during(out, name, |out| send_file(out, name, from, start, length))?;
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
fn send_file(out: c_int, name: SocketName, from: c_int, start: off_t, length: usize) -> Result<usize, Stop> {
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
            Err(errno) => return Err(errno.into()),
        };
        match send::bytes(out, name, chunk) {
            Ok(_) => sent += chunk.len(),
            Err(_) if sent > 0 => break,
            Err(stop) => return Err(stop),
        }
    }
    Ok(sent)
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
    // A socket has no offset.
    let has_offset = !to_offset.is_null() || !from_offset.is_null();
    let waits = flags & libc::SPLICE_F_NONBLOCK == 0;
    let sends = with_waiting_socket(to, |to, name, turn| {
        if has_offset {
            return Err(libc::ESPIPE.into());
        }
        pipe_to_socket(from, to, name, length, waits, turn)
    });
    let Detour::Bypass = sends else { return sends };
    with_waiting_socket(from, |from, name, turn| {
        if has_offset {
            return Err(libc::ESPIPE.into());
        }
        socket_to_pipe(from, name, to, length, waits, turn)
    })
}

/// What is taken out of the pipe must be sent, so it is taken when there is room.
fn pipe_to_socket(
    from: c_int,
    to: c_int,
    name: SocketName,
    length: usize,
    waits: bool,
    turn: Turn,
) -> Result<isize, Stop> {
    await_ready(to, libc::POLLOUT, waits, turn)?;
    await_ready(from, libc::POLLIN, waits, turn)?;
    let mut buffer = vec![0; CHUNK.min(length)];
    // SAFETY: `buffer` has so much room.
    let got = checked(unsafe { real::read(from, buffer.as_mut_ptr().cast(), buffer.len()) })?;
    let chunk = buffer.get(..got).unwrap_or_default();
    if chunk.is_empty() {
        return Ok(0);
    }
    loop {
        match send::bytes(to, name, chunk) {
            // It may not wait, or no longer (SO_SNDTIMEO, a signal), but the bytes must not be lost.
            Err(Stop::Errno(libc::EAGAIN | libc::EINTR)) => wait::insist_on_room(to)?,
            other => return other,
        }
    }
}

/// At most as much as the pipe takes without waiting.
fn socket_to_pipe(
    from: c_int,
    name: SocketName,
    to: c_int,
    length: usize,
    waits: bool,
    turn: Turn,
) -> Result<isize, Stop> {
    await_ready(to, libc::POLLOUT, waits, turn)?;
    // A pipe that polls writable takes PIPE_BUF bytes at once.
    let mut buffer = vec![0u8; libc::PIPE_BUF.min(length)];
    let flags = if waits { 0 } else { libc::MSG_DONTWAIT };
    let got = receive::bytes(from, name, &mut buffer, flags, turn)?;
    // SAFETY: so many bytes of `buffer` were received.
    Ok(checked(unsafe { real::write(to, buffer.as_ptr().cast(), got) }).map(|written| written as isize)?)
}

/// The descriptor must poll so: now, or it is waited for if it may.
fn await_ready(fd: c_int, events: i16, waits: bool, turn: Turn) -> Result<(), Stop> {
    if let Turn::After(Wait::Other(..), outcome) = turn {
        outcome?;
    }
    match wait::polls(fd, events, 0, || true) {
        Err(libc::EAGAIN) if waits && !wait::is_non_blocking(fd) => Err(Stop::Wait(Wait::Other(fd, events))),
        outcome => Ok(outcome.map(drop)?),
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
