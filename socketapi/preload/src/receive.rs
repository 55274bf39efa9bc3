//! Receiving: from the pair, and what is there for the asking.

use core::ffi::{c_int, c_uint, c_void};
use core::net::SocketAddr;
use core::ptr;
use core::time::Duration;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use libc::{MSG_DONTWAIT, MSG_EOR, MSG_PEEK, iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, timespec};
use sctp_descriptors::{Command, MAX_RECORD_LEN, Receive, Received, Reply, SocketName, Token};

use crate::detour::{Detour, Stop, keeping_errno, with_remembered, with_socket};
use crate::parts::{Parts, one};
use crate::record::{self, Head};
use crate::wait::{Turn, Wait};
use crate::{address, board, control, memory, ops, table, wait, waiting};

/// How often the service may say that a record waits where none is: another thread may be about to take it.
const MAX_LOOKS: u32 = 8;

/// What is to be received, and where to.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    parts: Parts<'a>,
    flags: c_int,
    control_room: usize,
    /// Whether the sender's address is of interest.
    from: bool,
}

/// What was received.
struct Got {
    len: usize,
    flags: c_int,
    from: Option<SocketAddr>,
    control: Vec<u8>,
}

impl Got {
    /// The end of file.
    const END: Self = Self { len: 0, flags: 0, from: None, control: Vec::new() };
}

/// What the service answers.
enum Answer {
    Got(Got),
    Empty,
    InPair,
}

/// `read()`, which does not look at the socket for no bytes.
///
/// # Safety
/// `buffer` is valid for `room` bytes.
pub(crate) unsafe fn read(fd: c_int, buffer: *mut c_void, room: size_t) -> Detour<isize> {
    let checked = memory::check_range(buffer, room);
    if room == 0 || checked.is_err() {
        return with_socket(fd, |_| checked.map(|()| 0));
    }
    // SAFETY: the caller's promise.
    unsafe { plain(fd, buffer, room, 0) }
}

/// `recv()`.
///
/// # Safety
/// `buffer` is valid for `room` bytes.
pub(crate) unsafe fn plain(fd: c_int, buffer: *mut c_void, room: size_t, flags: c_int) -> Detour<isize> {
    let parts = one(buffer, room);
    // SAFETY: the caller's promise.
    let parts = unsafe { Parts::new(&parts) };
    let wanted = Wanted { parts, flags, control_room: 0, from: false };
    with_remembered(fd, |fd, name, turn| {
        parts.check()?;
        receive(fd, name, &wanted, turn).map(|got| got.len as isize)
    })
}

/// `readv()`.
///
/// # Safety
/// `parts` is valid for `count` pieces, each of which is valid for its length.
pub(crate) unsafe fn vector(fd: c_int, parts: *const iovec, count: c_int) -> Detour<isize> {
    with_remembered(fd, |fd, name, turn| {
        let count = usize::try_from(count).map_err(|_| libc::EINVAL)?;
        // SAFETY: the caller's promise.
        let parts = unsafe { Parts::from_c(parts, count, libc::EINVAL) }?;
        if parts.len() == 0 {
            return Ok(0);
        }
        let wanted = Wanted { parts, flags: 0, control_room: 0, from: false };
        receive(fd, name, &wanted, turn).map(|got| got.len as isize)
    })
}

/// `recvfrom()`.
///
/// # Safety
/// `buffer` is valid for `room` bytes; `peer` and `length` are null, or valid: `peer` for `*length` bytes.
pub(crate) unsafe fn from(
    fd: c_int,
    buffer: *mut c_void,
    room: size_t,
    flags: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
) -> Detour<isize> {
    let parts = one(buffer, room);
    // SAFETY: the caller's promise.
    let parts = unsafe { Parts::new(&parts) };
    let wanted = Wanted { parts, flags, control_room: 0, from: !peer.is_null() };
    with_remembered(fd, |fd, name, turn| {
        parts.check()?;
        let got = receive(fd, name, &wanted, turn)?;
        // SAFETY: the caller's promise.
        unsafe { write_address(got.from, peer, length) }?;
        Ok(got.len as isize)
    })
}

/// `recvmsg()`.
///
/// # Safety
/// `message` is null or valid, with all that it points to.
pub(crate) unsafe fn message(fd: c_int, message: *mut msghdr, flags: c_int) -> Detour<isize> {
    with_remembered(fd, |fd, name, turn| {
        memory::check(message)?;
        // SAFETY: the caller's promise.
        let message = unsafe { &mut *message };
        // SAFETY: the caller's promise.
        unsafe { into_message(fd, name, message, flags, turn) }
    })
}

/// # Safety
/// All that `message` points to is valid.
unsafe fn into_message(
    fd: c_int,
    name: SocketName,
    message: &mut msghdr,
    flags: c_int,
    turn: Turn,
) -> Result<isize, Stop> {
    // SAFETY: the caller's promise.
    let parts = unsafe { Parts::from_c(message.msg_iov, message.msg_iovlen as _, libc::EMSGSIZE) }?;
    let wants_name = !message.msg_name.is_null();
    if wants_name {
        c_int::try_from(message.msg_namelen).map_err(|_| libc::EINVAL)?;
    }
    let control_room = if message.msg_control.is_null() { 0 } else { message.msg_controllen as _ };
    let wanted = Wanted { parts, flags, control_room, from: wants_name };
    let got = receive(fd, name, &wanted, turn)?;
    if wants_name {
        // SAFETY: the caller's promise.
        unsafe { write_address(got.from, message.msg_name.cast(), &raw mut message.msg_namelen) }?;
    }
    let control = got.control.get(..control_room).unwrap_or(&got.control);
    if !control.is_empty() {
        memory::check(message.msg_control)?;
        // SAFETY: the caller's promise; no more than there is room for.
        unsafe { ptr::copy_nonoverlapping(control.as_ptr(), message.msg_control.cast(), control.len()) };
    }
    message.msg_controllen = control.len() as _;
    // As in the kernel, this one comes back.
    message.msg_flags = got.flags | flags & libc::MSG_CMSG_CLOEXEC;
    Ok(got.len as isize)
}

/// `recvmmsg()`: messages until one would have to be waited for, after the first if the flags say so. The time-out is looked at
/// between messages, as in the kernel.
///
/// # Safety
/// `messages` is valid for `count` entries with all that they point to; `timeout` is null or valid.
pub(crate) unsafe fn messages(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> Detour<c_int> {
    // SAFETY: null, or the caller's promise.
    let limit = unsafe { timeout.as_ref() }.map(duration).transpose();
    let Ok(limit) = limit else { return Detour::Failed(libc::EINVAL) };
    let begin = std::time::Instant::now();
    let mut flags = flags;
    let mut received = 0;
    let look = || keeping_errno(|| table::recall(fd));
    let name = if count > 1 { look() } else { None };
    // Another thread may put another file there between two messages.
    while received < count.min(1_024) && (received == 0 || look() == name) {
        // SAFETY: below `count`, and the caller's promise.
        let entry = unsafe { &mut *messages.add(received as usize) };
        let once = flags & !libc::MSG_WAITFORONE;
        // SAFETY: the caller's promise.
        match unsafe { message(fd, &raw mut entry.msg_hdr, once) } {
            Detour::Done(length) => entry.msg_len = length as c_uint,
            // What was received before counts; the failure shows itself again.
            _ if received > 0 => break,
            Detour::Bypass => return Detour::Bypass,
            Detour::Failed(errno) => return Detour::Failed(errno),
        }
        received += 1;
        if flags & libc::MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        if limit.is_some_and(|limit| begin.elapsed() >= limit) {
            break;
        }
    }
    Detour::Done(received as c_int)
}

/// EINVAL if it is none.
fn duration(time: &timespec) -> Result<Duration, c_int> {
    let nanoseconds = u32::try_from(time.tv_nsec).ok().filter(|nanoseconds| *nanoseconds < 1_000_000_000);
    let seconds = u64::try_from(time.tv_sec).ok();
    seconds.zip(nanoseconds).map(|(whole, rest)| Duration::new(whole, rest)).ok_or(libc::EINVAL)
}

/// # Safety
/// Both pointers are null, or valid: `peer` for `*length` bytes.
unsafe fn write_address(
    from: Option<SocketAddr>,
    peer: *mut sockaddr,
    length: *mut socklen_t,
) -> Result<(), c_int> {
    match from {
        Some(_) if peer.is_null() => {}
        // SAFETY: the caller's promise.
        Some(from) => unsafe { address::write(from, peer, length) }?,
        // SAFETY: not wrong, and the caller's promise.
        None if !memory::is_wrong(length) => unsafe { *length = 0 },
        None => {}
    }
    Ok(())
}

/// Into this process's own memory, as [`plain`]. The kernel's flags may be given.
pub(crate) fn bytes(
    fd: c_int,
    name: SocketName,
    buffer: &mut [u8],
    flags: c_int,
    turn: Turn,
) -> Result<usize, Stop> {
    let parts = one(buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: of `buffer`.
    let parts = unsafe { Parts::new(&parts) };
    receive(fd, name, &Wanted { parts, flags, control_room: 0, from: false }, turn).map(|got| got.len)
}

fn receive(fd: c_int, name: SocketName, wanted: &Wanted<'_>, turn: Turn) -> Result<Got, Stop> {
    if wanted.flags & libc::MSG_ERRQUEUE != 0 {
        return Err(libc::EAGAIN.into());
    }
    let woken = match turn {
        // SO_RCVTIMEO, or a signal.
        Turn::After(Wait::Record(..), outcome) => outcome? == 0,
        _ => false,
    };
    let may_wait =
        wanted.flags & MSG_DONTWAIT == 0 && table::is_settled(fd, name) && board::slot(name).may_wait;
    // An empty record is seen once by who peeks, and that was the wait.
    let mut first = woken.then(|| ending(fd, name, wanted));
    let (mut looks, mut ends) = (0, 0);
    loop {
        match first.take().map_or_else(|| look(fd, name, wanted), Ok)? {
            Looked::Got(got) => return Ok(with_peer(name, wanted, got)),
            Looked::Token(took) => match ask(fd, name, wanted, took, false)? {
                Answer::Got(got) => return Ok(got),
                Answer::Empty | Answer::InPair => {}
            },
            // The record was for one of those who wait.
            Looked::End(took) => match ask(fd, name, wanted, took, woken || waiting::may_wait(fd, name))? {
                Answer::Got(got) => return Ok(got),
                // It was an empty record, or somebody has shut the pair down without us.
                Answer::Empty | Answer::InPair if ends == 0 => ends += 1,
                Answer::Empty | Answer::InPair => return Ok(Got::END),
            },
            Looked::Nothing => {
                let patient = wait::is_patient(fd, wanted.flags);
                if may_wait && patient {
                    return Err(Stop::Wait(Wait::Record(name, false)));
                }
                looks += 1;
                match ask(fd, name, wanted, None, false).inspect_err(|_| take_wake_up(fd, name))? {
                    Answer::Got(got) => return Ok(got),
                    Answer::InPair if looks < MAX_LOOKS => {}
                    _ if patient => {
                        // The service has heard that we wait.
                        table::settle(fd, name);
                        return Err(Stop::Wait(Wait::Record(name, true)));
                    }
                    _ => return Err(libc::EAGAIN.into()),
                }
            }
        }
    }
}

/// What was found in the pair.
enum Looked {
    Got(Got),
    /// A token, which was taken out, or is left there.
    Token(Option<Token>),
    Nothing,
    /// The end of file, or an empty record, which was taken out: the service tells which. If another thread took that out, a token
    /// behind it may have been instead.
    End(Option<Token>),
}

/// Looks into the pair, and takes what was read.
fn look(fd: c_int, name: SocketName, wanted: &Wanted<'_>) -> Result<Looked, Stop> {
    let room = wanted.parts.len();
    if wanted.flags & MSG_PEEK != 0 {
        return Ok(match record::look_only(fd, name, wanted.parts)? {
            (Head::Nothing, _) => Looked::Nothing,
            (Head::End, _) => ending(fd, name, wanted),
            (Head::Token, _) => Looked::Token(None),
            (Head::Bare(rest), before) => Looked::Got(bare(rest, room, Some(before + rest))),
        });
    }
    let mut got = match record::look(fd, name, wanted.parts)? {
        Head::Nothing => return Ok(Looked::Nothing),
        Head::End => return Ok(ending(fd, name, wanted)),
        Head::Token => return Ok(Looked::Token(record::take_token(fd, name))),
        Head::Bare(rest) if rest <= room => bare(rest, room, record::take(fd)),
        Head::Bare(rest) => bare(rest, room, None),
    };
    read_on(fd, name, wanted.parts, &mut got)?;
    Ok(Looked::Got(got))
}

/// The end of file, or an empty record, which is taken out.
fn ending(fd: c_int, name: SocketName, wanted: &Wanted<'_>) -> Looked {
    let takes = wanted.flags & MSG_PEEK == 0;
    Looked::End(takes.then(|| record::take_token(fd, name)).flatten())
}

/// An error was told by command, and the empty record that is in the pair for it wakes nobody up: as on Linux `poll` says no more of it.
/// Where others may wait it is theirs.
pub(crate) fn take_wake_up(fd: c_int, name: SocketName) {
    if !waiting::may_wait(fd, name) && matches!(record::glance(fd, name), Ok(Head::End)) {
        record::take_token(fd, name);
    }
}

/// What a read of a bare record brought, of which `rest` bytes were left. The whole length, if the record was read to its end,
/// tells whether it was the end of a message.
fn bare(rest: usize, room: usize, whole: Option<usize>) -> Got {
    let ends = rest <= room && whole.is_none_or(|whole| whole != MAX_RECORD_LEN);
    Got { len: rest.min(room), flags: if ends { MSG_EOR } else { 0 }, from: None, control: Vec::new() }
}

/// Reads more pieces of the message, as far as there is room and they are there.
fn read_on(fd: c_int, name: SocketName, parts: Parts<'_>, got: &mut Got) -> Result<(), Stop> {
    while got.flags & MSG_EOR == 0 && got.len < parts.len() {
        let rest = parts.behind(got.len);
        // SAFETY: as `parts`, of which they are the rest.
        let rest = unsafe { Parts::new(&rest) };
        let more = match record::look(fd, name, rest)? {
            Head::Bare(more) if more <= rest.len() => bare(more, rest.len(), record::take(fd)),
            Head::Bare(more) => bare(more, rest.len(), None),
            Head::Token => return Ok(record::rewind(fd)?),
            Head::Nothing | Head::End => return Ok(()),
        };
        got.len += more.len;
        got.flags = more.flags;
    }
    Ok(())
}

/// Bare messages come from the one peer there is.
fn with_peer(name: SocketName, wanted: &Wanted<'_>, got: Got) -> Got {
    let from = if wanted.from { ops::address(name, Command::Sender).ok() } else { None };
    Got { from, ..got }
}

/// `woken`: this call waited, and an empty record ended that.
fn ask(
    fd: c_int,
    name: SocketName,
    wanted: &Wanted<'_>,
    took: Option<Token>,
    woken: bool,
) -> Result<Answer, c_int> {
    let flags = wait::told(wanted.flags, wait::is_patient(fd, wanted.flags));
    let room = clamped(wanted.parts.len());
    let asked = Receive { flags, room, control_room: clamped(wanted.control_room), took, woken };
    match control::ask(name, Command::Receive(asked))? {
        (Reply::Received(received), file) => keep(fd, name, wanted, received, file).map(Answer::Got),
        (Reply::Empty { stale }, _) => {
            record::discard(fd, name, stale);
            Ok(Answer::Empty)
        }
        (Reply::InPair, _) => Ok(Answer::InPair),
        _ => Err(libc::EPROTO),
    }
}

fn clamped(room: usize) -> u32 {
    u32::try_from(room).unwrap_or(u32::MAX)
}

/// Gives the program what came.
fn keep(
    fd: c_int,
    name: SocketName,
    wanted: &Wanted<'_>,
    received: Received,
    file: Option<OwnedFd>,
) -> Result<Got, c_int> {
    let Received { flags, from, control, mut payload, in_file, stale } = received;
    record::discard(fd, name, stale);
    if in_file > 0 {
        let file = File::from(file.ok_or(libc::EPROTO)?);
        payload.resize((in_file as usize).min(wanted.parts.len()), 0);
        file.read_exact_at(&mut payload, 0).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
    }
    let len = wanted.parts.copy_in(&payload);
    Ok(Got { len, flags, from, control })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_record_ends_its_message_unless_it_is_of_the_greatest_length() {
        let flags = |rest, room, whole| bare(rest, room, whole).flags;
        assert_eq!(flags(10, 100, Some(10)), MSG_EOR);
        assert_eq!(flags(10, 10, Some(30)), MSG_EOR);
        assert_eq!(flags(10, 9, None), 0);
        assert_eq!(flags(MAX_RECORD_LEN, MAX_RECORD_LEN, Some(MAX_RECORD_LEN)), 0);
        assert_eq!(flags(10, 100, Some(MAX_RECORD_LEN)), 0);
    }
}
