//! Sending: through the pair, bare or with a head, where that says all, else by a command.

use core::ffi::{c_int, c_uint, c_void};
use core::net::SocketAddr;

use libc::{MSG_DONTWAIT, MSG_EOR, MSG_NOSIGNAL, iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t};
use sctp_descriptors::{Command, Head, MAX_PAYLOAD_LEN, Marker, Reply, Send, Slot, SocketName};

use crate::detour::{Detour, Stop, keeping_errno, with_remembered, with_socket};
use crate::head::Headed;
use crate::parts::{Parts, one};
use crate::wait::{Turn, Wait};
use crate::{address, board, memory, ops, table, wait};

/// No program needs more control messages (ENOBUFS beyond), in bytes.
const MAX_CONTROL_LEN: usize = 20 * 1024;

/// No address is longer.
const ADDRESS_LEN: socklen_t = size_of::<libc::sockaddr_storage>() as socklen_t;

/// What is to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    parts: Parts<'a>,
    flags: c_int,
    to: Option<SocketAddr>,
    control: &'a [u8],
    /// Control messages and payload as a record, if they can be one; its stream.
    headed: Option<(u16, &'a [iovec])>,
}

/// `write()`.
///
/// # Safety
/// `bytes` is valid for `length`.
pub(crate) unsafe fn write(fd: c_int, bytes: *const c_void, length: size_t) -> Detour<isize> {
    match memory::check_range(bytes, length) {
        // SAFETY: the caller's promise.
        Ok(()) => unsafe { plain(fd, bytes, length, 0) },
        Err(errno) => with_socket(fd, |_| Err(errno)),
    }
}

/// `send()`.
///
/// # Safety
/// `bytes` is valid for `length`.
pub(crate) unsafe fn plain(fd: c_int, bytes: *const c_void, length: size_t, flags: c_int) -> Detour<isize> {
    let parts = one(bytes, length);
    // SAFETY: the caller's promise.
    let parts = unsafe { Parts::new(&parts) };
    with_remembered(fd, |fd, name, turn| {
        parts.check()?;
        send(fd, name, &Message::plain(parts, flags), turn)
    })
}

/// `writev()`.
///
/// # Safety
/// `parts` is valid for `count` pieces, each of which is valid for its length.
pub(crate) unsafe fn vector(fd: c_int, parts: *const iovec, count: c_int) -> Detour<isize> {
    with_remembered(fd, |fd, name, turn| {
        let count = usize::try_from(count).map_err(|_| libc::EINVAL)?;
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: the caller's promise.
        let parts = unsafe { Parts::from_c(parts, count, libc::EINVAL) }?;
        if parts.len() == 0 {
            return Ok(0);
        }
        send(fd, name, &Message::plain(parts, 0), turn)
    })
}

/// `sendto()`.
///
/// # Safety
/// `bytes` is valid for `length`; `to` is null or valid for `to_length` bytes.
pub(crate) unsafe fn to(
    fd: c_int,
    bytes: *const c_void,
    length: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_length: socklen_t,
) -> Detour<isize> {
    let parts = one(bytes, length);
    // SAFETY: the caller's promise.
    let parts = unsafe { Parts::new(&parts) };
    with_remembered(fd, |fd, name, turn| {
        parts.check()?;
        if !to.is_null() && to_length == 0 {
            return Err(libc::EINVAL.into());
        }
        // SAFETY: the caller's promise.
        let to = unsafe { destination(to, to_length) }?;
        send(fd, name, &Message { to, ..Message::plain(parts, flags) }, turn)
    })
}

/// `sendmsg()`.
///
/// # Safety
/// `message` is null or valid, with all that it points to.
pub(crate) unsafe fn message(fd: c_int, message: *const msghdr, flags: c_int) -> Detour<isize> {
    let mut headed = Headed::NONE;
    with_remembered(fd, |fd, name, turn| {
        memory::check(message)?;
        // SAFETY: the caller's promise.
        let message = unsafe { &*message };
        // SAFETY: the caller's promise.
        let parts = unsafe { Parts::from_c(message.msg_iov, message.msg_iovlen as _, libc::EMSGSIZE) }?;
        let length = message.msg_namelen;
        // What is longer than any address the kernel cuts, here only.
        let length = c_int::try_from(length).map_or(length, |_| length.min(ADDRESS_LEN));
        // SAFETY: the caller's promise.
        let to = unsafe { destination(message.msg_name.cast(), length) }?;
        // SAFETY: the caller's promise.
        let control = unsafe { control_of(message) }?;
        // A call that has waited for room goes on with what it waited with.
        if turn == Turn::First {
            headed.make(control, parts, &name.marker());
        }
        let message = Message { to, control, headed: headed.record(), ..Message::plain(parts, flags) };
        send(fd, name, &message, turn)
    })
}

/// `sendmmsg()`: messages until one cannot be sent.
///
/// # Safety
/// `messages` is valid for `count` entries with all that they point to.
pub(crate) unsafe fn messages(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
) -> Detour<c_int> {
    let mut sent = 0;
    let look = || keeping_errno(|| table::recall(fd));
    let name = if count > 1 { look() } else { None };
    // Another thread may put another file there between two messages.
    while sent < count.min(1_024) && (sent == 0 || look() == name) {
        // SAFETY: below `count`, and the caller's promise.
        let entry = unsafe { &mut *messages.add(sent as usize) };
        // SAFETY: the caller's promise.
        match unsafe { message(fd, &raw const entry.msg_hdr, flags) } {
            Detour::Done(length) => entry.msg_len = length as c_uint,
            // What was sent before counts; the failure shows itself again.
            _ if sent > 0 => break,
            Detour::Bypass => return Detour::Bypass,
            Detour::Failed(errno) => return Detour::Failed(errno),
        }
        sent += 1;
    }
    Detour::Done(sent as c_int)
}

/// # Safety
/// `to` is null or valid for `length` bytes.
unsafe fn destination(to: *const sockaddr, length: socklen_t) -> Result<Option<SocketAddr>, c_int> {
    if to.is_null() || length == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    match unsafe { address::read(to, length) } {
        Err(libc::EAFNOSUPPORT | libc::EOPNOTSUPP) => Err(libc::EINVAL),
        other => other.map(Some),
    }
}

/// # Safety
/// The message's control messages are valid for their length.
unsafe fn control_of(message: &msghdr) -> Result<&[u8], c_int> {
    let length: usize = message.msg_controllen as _;
    if length > MAX_CONTROL_LEN {
        return Err(libc::ENOBUFS);
    }
    if length == 0 {
        return Ok(&[]);
    }
    memory::check(message.msg_control)?;
    // SAFETY: not wrong, and the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(message.msg_control.cast::<u8>(), length) })
}

/// The control messages for the service. Of musl a length is an `int` with four bytes behind it, which programs leave as they were;
/// in the kernel it is one number of eight.
fn control_as_kernel_has_it(control: &[u8]) -> Vec<u8> {
    let mut control = control.to_vec();
    if cfg!(all(target_env = "musl", target_pointer_width = "64", target_endian = "little")) {
        clear_padding(&mut control);
    }
    control
}

fn clear_padding(control: &mut [u8]) {
    const WORD: usize = 8;
    let mut rest = control;
    while let Some((length, behind)) = rest.split_first_chunk_mut::<WORD>() {
        length[WORD / 2..].fill(0);
        let whole = (u64::from_le_bytes(*length) as usize).next_multiple_of(WORD).max(WORD);
        let Some(next) = behind.get_mut(whole - WORD..) else { return };
        rest = next;
    }
}

/// Sends a message of this process's own memory, as [`plain`], and waits until that is done, which is no cancellation point.
pub(crate) fn bytes(fd: c_int, name: SocketName, bytes: &[u8]) -> Result<isize, Stop> {
    let parts = one(bytes.as_ptr().cast(), bytes.len());
    // SAFETY: of `bytes`, which are only read.
    let parts = unsafe { Parts::new(&parts) };
    let message = Message::plain(parts, 0);
    wait::turns(fd, name, |fd, turn| send(fd, name, &message, turn))
}

fn send(fd: c_int, name: SocketName, message: &Message<'_>, turn: Turn) -> Result<isize, Stop> {
    let written = match turn {
        // The message waits for its association, which is being set up, and has been taken whatever becomes of that:
        // notifications tell (RFC 6458, 6.1.1 and 6.1.11), and on one-to-one sockets SO_ERROR. A time-out or a signal ends the
        // waiting, and changes nothing.
        Turn::After(Wait::SetUp(sent, _), _) => return Ok(sent as isize),
        Turn::After(Wait::Written(..), outcome) => Some(outcome),
        Turn::First if may_be_written(fd, name, message)? => Some(write_message(fd, message)),
        _ => None,
    };
    match written {
        Some(Ok(length)) => return Ok(message.sent(length) as isize),
        Some(Err(libc::EAGAIN)) if turn == Turn::First && message.flags & MSG_DONTWAIT == 0 => {
            return Err(Stop::Wait(message.room()));
        }
        // No socket at all. What is another socket has got what the program wanted it to get.
        Some(Err(libc::ENOTSOCK)) => return Err(Stop::Stranger),
        // The kernel has told what is not ours by itself: it sends no signal for pairs.
        Some(Err(libc::EPIPE)) if table::confirm(fd, name).is_ok() => return Err(broken(message)),
        // The pair's buffers are smaller than the message.
        None | Some(Err(libc::EMSGSIZE)) => {}
        Some(Err(errno)) => return Err(errno.into()),
    }
    table::confirm(fd, name)?;
    command(fd, name, message, turn).map(|length| length as isize)
}

/// EPIPE.
fn broken(message: &Message<'_>) -> Stop {
    if message.flags & MSG_NOSIGNAL == 0 { Stop::Broken } else { libc::EPIPE.into() }
}

/// Whether it may be written into the pair. A bare one does to a stranger what the program wanted; for one with a head the kernel is
/// asked before, and the board is looked at behind that: the later, the better.
fn may_be_written(fd: c_int, name: SocketName, message: &Message<'_>) -> Result<bool, Stop> {
    let may_be = || may_be_in_pair(board::slot(name), &name.marker(), message);
    let is_so_far = may_be();
    if !is_so_far || message.headed.is_none() {
        return Ok(is_so_far);
    }
    table::confirm(fd, name)?;
    Ok(may_be())
}

/// Whether what can be written into the pair says all that there is to say.
fn may_be_in_pair(slot: Slot, marker: &Marker, message: &Message<'_>) -> bool {
    let (length, most) = (message.parts.len(), slot.max_bare_len as usize);
    let says_more =
        message.to.is_some() || message.flags & !(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR) != 0 || length == 0;
    let fits = match message.headed {
        Some((stream, _)) => stream < slot.streams && length.saturating_add(Head::LEN) <= most,
        None if message.control.is_empty() => {
            length <= most && !message.parts.start_with(marker, marker.len())
        }
        None => false,
    };
    fits && !says_more
}

impl<'a> Message<'a> {
    /// Of which nothing is said.
    fn plain(parts: Parts<'a>, flags: c_int) -> Self {
        Self { parts, flags, to: None, control: &[], headed: None }
    }

    /// What is written into the pair.
    fn record(&self) -> &[iovec] {
        self.headed.map_or(self.parts.as_slice(), |(_, record)| record)
    }

    /// What is to be waited for, if the pair is full: the kernel waits, as it does for all sockets.
    fn room(&self) -> Wait {
        let record = self.record();
        Wait::Written(record.as_ptr(), record.len(), self.flags & (MSG_DONTWAIT | MSG_NOSIGNAL))
    }

    /// How much of the message is among so many bytes of the record.
    fn sent(&self, written: usize) -> usize {
        written.saturating_sub(self.headed.map_or(0, |_| Head::LEN))
    }
}

fn write_message(fd: c_int, message: &Message<'_>) -> Result<usize, c_int> {
    let record = message.record();
    let flags = message.flags & MSG_NOSIGNAL | MSG_DONTWAIT;
    wait::write_record(fd, record.as_ptr(), record.len(), flags)
}

fn command(fd: c_int, name: SocketName, message: &Message<'_>, turn: Turn) -> Result<usize, Stop> {
    if let Turn::After(Wait::Room, outcome) = turn {
        outcome?;
    }
    let length = message.parts.len();
    if length > MAX_PAYLOAD_LEN {
        return Err(libc::EMSGSIZE.into());
    }
    let patient = wait::is_patient(fd, message.flags);
    let send = Send {
        flags: wait::told(message.flags, patient),
        to: message.to,
        control: control_as_kernel_has_it(message.control),
        payload: message.parts.copy_out(length),
    };
    match ops::ask_filling(fd, name, Command::Send(send)).map(|(reply, _)| reply) {
        Ok(Reply::Number(sent)) => Ok(usize::try_from(sent).unwrap_or(length)),
        Ok(Reply::Done) => Ok(length),
        Ok(Reply::Begun { result, .. }) => Err(Stop::Wait(Wait::SetUp(result, None))),
        Ok(Reply::Later(_)) if patient => Err(Stop::Wait(Wait::Room)),
        Ok(Reply::Later(_)) => Err(libc::EAGAIN.into()),
        Err(libc::EPIPE) => Err(broken(message)),
        Err(errno) => Err(errno.into()),
        Ok(_) => Err(libc::EPROTO.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: Marker = *b"0123456789abcdef";

    const SLOT: Slot =
        Slot { socket: 1, max_bare_len: 20, streams: 3, may_wait: true, lingers: false, has_error: false };

    fn is_bare(payload: &[u8], flags: c_int, to: Option<SocketAddr>, control: &[u8]) -> bool {
        let parts = one(payload.as_ptr().cast(), payload.len());
        // SAFETY: of `payload`.
        let parts = unsafe { Parts::new(&parts) };
        let message = Message { to, control, ..Message::plain(parts, flags) };
        may_be_in_pair(SLOT, &MARKER, &message)
    }

    fn is_headed(slot: Slot, payload: &[u8], flags: c_int, to: Option<SocketAddr>, stream: u16) -> bool {
        let parts = one(payload.as_ptr().cast(), payload.len());
        // SAFETY: of `payload`.
        let parts = unsafe { Parts::new(&parts) };
        let headed = Some((stream, parts.as_slice()));
        may_be_in_pair(
            slot,
            &MARKER,
            &Message { to, control: b"control", headed, ..Message::plain(parts, flags) },
        )
    }

    #[test]
    fn messages_are_headed_on_streams_that_the_board_tells_of_and_with_head_no_longer_than_it_allows() {
        let slot = Slot { max_bare_len: Head::LEN as u32 + 7, ..SLOT };
        let flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR;
        assert!(is_headed(slot, b"payload", 0, None, 0) && is_headed(slot, b"payload", flags, None, 2));
        assert!(!is_headed(slot, b"payload", 0, None, 3) && !is_headed(slot, b"payload", 0, None, u16::MAX));
        assert!(!is_headed(slot, b"payload.", 0, None, 0) && !is_headed(slot, b"", 0, None, 0));
        assert!(!is_headed(slot, b"payload", 0, Some(([127, 0, 0, 1], 7).into()), 0));
        assert!(!is_headed(slot, b"payload", libc::MSG_FIN, None, 0));
        let none = Slot { max_bare_len: 0, streams: 0, ..slot };
        assert!(!is_headed(none, b"payload", 0, None, 0));
        assert!(!is_headed(Slot { streams: 0, ..slot }, b"payload", 0, None, 0));
        assert!(!is_headed(Slot { max_bare_len: 0, ..slot }, b"payload", 0, None, 0));
    }

    /// The head is in front of it.
    #[test]
    fn a_payload_that_begins_like_a_token_may_be_headed() {
        let slot = Slot { max_bare_len: 1_000, ..SLOT };
        assert!(is_headed(slot, &MARKER, 0, None, 0));
    }

    #[test]
    fn only_what_is_no_more_than_its_payload_goes_bare() {
        let flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR;
        assert!(is_bare(b"payload", 0, None, b"") && is_bare(b"payload", flags, None, b""));
        assert!(!is_bare(b"payload", 0, None, b"control"));
        assert!(!is_bare(b"payload", 0, Some(([127, 0, 0, 1], 7).into()), b""));
        // RFC 6458, 4.1.8: MSG_EOF and MSG_ABORT end the association.
        assert!(!is_bare(b"payload", libc::MSG_FIN, None, b""));
    }

    #[test]
    fn only_payloads_of_lengths_that_the_board_allows_go_bare() {
        assert!(
            is_bare(&[1; 20], 0, None, b"")
                && !is_bare(&[1; 21], 0, None, b"")
                && !is_bare(b"", 0, None, b"")
        );
    }

    #[test]
    fn what_musl_leaves_behind_lengths_is_cleared_and_nothing_else() {
        let message = |length: u32, padding: u32, rest: &[u8]| {
            [&length.to_le_bytes()[..], &padding.to_le_bytes(), rest].concat()
        };
        let all = |padding| [message(18, padding, &[9; 16]), message(16, padding, &[8; 8])].concat();
        let mut control = all(u32::MAX);
        clear_padding(&mut control);
        assert_eq!(control, all(0));
        for length in [0, 1, 7, 17, u32::MAX] {
            clear_padding(&mut message(length, 5, &[7; 9]));
        }
    }

    #[test]
    fn a_payload_that_begins_like_a_token_goes_by_command() {
        assert!(!is_bare(&MARKER, 0, None, b"") && !is_bare(b"0123456789abcdefgh", 0, None, b""));
        assert!(is_bare(&MARKER[..15], 0, None, b"") && is_bare(b"x0123456789abcdef", 0, None, b""));
    }
}
