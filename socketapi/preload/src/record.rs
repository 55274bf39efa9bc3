//! Records in the pair: what is there, looked at without taking it, and taking it.
//!
//! A record is a message, or a piece of one; what a short read leaves must stay. So a record is peeked at (SO_PEEK_OFF of the
//! socket moves on by what was read), and taken out of the kernel's queue once it is read up. The next peek begins at 0 then. Where
//! nothing but tokens comes no peek moves on.

use core::ffi::c_int;
use core::mem::size_of;
use core::ptr::NonNull;

use libc::{MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, msghdr};
use sctp_descriptors::{ByteBuf, Command, Filler, MAX_RECORD_LEN, Marker, SocketName, Style, Token};

use crate::detour::{Stop, checked, errno};
use crate::parts::{Parts, one};
use crate::{address, control, real, table};

const TOKEN_LEN: usize = Token::LEN;

/// So many bytes of a marker are as good as all: the service's own number, which it picked at random.
const SURE_LEN: usize = 8;

/// SO_PEEK_OFF's "off".
const AT_THE_FIRST: c_int = -1;

/// What comes next in a pair.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A bare record, of which so many bytes were left to read. As many of them as there was room for have been read.
    Bare(usize),
    /// A token, which is still there.
    Token,
    /// Nothing, for now.
    Nothing,
    /// The end of file.
    End,
}

/// Looks at what comes next, and reads it if it is bare.
pub(crate) fn look(fd: c_int, name: SocketName, parts: Parts<'_>) -> Result<Head, Stop> {
    let before = parts.first_bytes();
    let mut sender = address::NO_NAME;
    // SAFETY: all zeros is a valid message header.
    let mut message: msghdr = unsafe { core::mem::zeroed() };
    message.msg_name = (&raw mut sender).cast();
    message.msg_namelen = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    message.msg_iov = parts.as_slice().as_ptr().cast_mut();
    message.msg_iovlen = parts.as_slice().len() as _;
    // SAFETY: `message` and all that it points to live until the call returns.
    let rest = checked(unsafe { real::recvmsg(fd, &raw mut message, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC) });
    let rest = match rest {
        Ok(0) => return table::confirm(fd, name).map(|()| Head::End),
        Ok(rest) => rest,
        Err(libc::EAGAIN) => return table::confirm(fd, name).map(|()| Head::Nothing),
        Err(errno) => return table::confirm(fd, name).and(Err(errno.into())),
    };
    if address::socket_name(&sender, message.msg_namelen) != Some(name) {
        return Err(unlook(fd, rest.min(parts.len())));
    }
    // To one-to-many sockets nothing else comes; another thread may be looking at the beginning of this one.
    let is_token = match name.style {
        Style::OneToOne if rest == TOKEN_LEN => is_token(fd, name, parts),
        style => Ok(style == Style::OneToMany),
    };
    match is_token {
        Ok(true) => {}
        Ok(false) => return Ok(Head::Bare(rest)),
        // Another thread or process has taken it meanwhile.
        Err(libc::EAGAIN) => return Ok(Head::Nothing),
        Err(errno) => return Err(errno.into()),
    }
    // The program finds in its buffer what it is given, and behind that what was there. Many count on that.
    parts.copy_in(before.get(..parts.len()).unwrap_or(&before));
    Ok(Head::Token)
}

/// The record that was peeked at is a stranger's. If it is another one of ours, it is to be read from where it was.
fn unlook(fd: c_int, length: usize) -> Stop {
    match peek_offset(fd) {
        Ok(after) if after >= length as c_int => {
            let _ = set_peek_offset(fd, after - length as c_int);
            Stop::Stranger
        }
        _ => Stop::Stranger,
    }
}

/// Whether a token was peeked at, where as many bytes were left of a record as it has. No offset is needed to tell, which other
/// threads move: the end of a longer record that looks like one is somebody's who knows the marker, and loses it. Only where
/// threads share a one-to-one socket and read it into fewer bytes than it takes to be sure, they may miss one.
fn is_token(fd: c_int, name: SocketName, parts: Parts<'_>) -> Result<bool, c_int> {
    let length = parts.len().min(TOKEN_LEN);
    if !parts.start_with(&name.marker(), length.min(size_of::<Marker>())) {
        return Ok(false);
    }
    if length >= SURE_LEN {
        return Ok(true);
    }
    // The program has not room for enough of it, so it is read again.
    let offset = peek_offset(fd)?;
    if offset != AT_THE_FIRST && offset != length as c_int {
        return Ok(false);
    }
    let is_token = peek_token(fd, name)?.is_some();
    if !is_token && offset != AT_THE_FIRST {
        set_peek_offset(fd, length as c_int)?;
    }
    Ok(is_token)
}

/// The token that comes next, if one does; it stays.
fn peek_token(fd: c_int, name: SocketName) -> Result<Option<Token>, c_int> {
    rewind(fd)?;
    let mut whole = [0; TOKEN_LEN];
    receive(fd, &mut whole, MSG_PEEK)?;
    rewind(fd)?;
    Ok(Token::from_bytes(&whole, &name.marker()))
}

/// Takes the token out that was looked at. None if another thread or process was faster.
pub(crate) fn take_token(fd: c_int, name: SocketName) -> Option<Token> {
    let mut whole = [0; TOKEN_LEN];
    receive(fd, &mut whole, 0).ok()?;
    Token::from_bytes(&whole, &name.marker())
}

/// As [`look`], but everything stays as it was.
pub(crate) fn glance(fd: c_int, name: SocketName) -> Result<Head, Stop> {
    let no_room = one(NonNull::dangling().as_ptr(), 0);
    // SAFETY: no bytes.
    look(fd, name, unsafe { Parts::new(&no_room) })
}

/// As [`look`], for who leaves it there (MSG_PEEK); also how much of the record was read before. Where that is nothing, other threads find
/// the record meanwhile.
pub(crate) fn look_only(fd: c_int, name: SocketName, parts: Parts<'_>) -> Result<(Head, usize), Stop> {
    let offset = peek_offset(fd)?;
    if offset == 0 {
        peek_at_the_first(fd)?;
    }
    let head = look(fd, name, parts);
    if offset != AT_THE_FIRST {
        set_peek_offset(fd, offset)?;
    }
    Ok((head?, usize::try_from(offset).unwrap_or(0)))
}

/// Takes the record out that was looked at; its whole length. None if another thread or process was faster.
pub(crate) fn take(fd: c_int) -> Option<usize> {
    receive(fd, &mut [], MSG_TRUNC).ok()
}

/// Receives without waiting.
fn receive(fd: c_int, buffer: &mut [u8], flags: c_int) -> Result<usize, c_int> {
    let (start, length) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: `buffer` is valid for its length.
    checked(unsafe { real::recv(fd, start, length, flags | MSG_DONTWAIT) })
}

/// Takes out the bare records that are there.
pub(crate) fn take_bare(fd: c_int, name: SocketName) -> Result<Vec<ByteBuf>, c_int> {
    let mut buffer = vec![0; MAX_RECORD_LEN];
    let mut records = Vec::new();
    loop {
        let parts = one(buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: of `buffer`.
        let parts = unsafe { Parts::new(&parts) };
        match look(fd, name, parts) {
            Ok(Head::Bare(length)) if take(fd).is_some() => {
                records.push(ByteBuf::from(parts.copy_out(length)));
            }
            Ok(Head::Token) => return rewind(fd).map(|()| records),
            Ok(_) | Err(Stop::Stranger) => return Ok(records),
            Err(stop) => return Err(stop.errno()),
        }
    }
}

/// Takes out tokens that promise what is not there: up to this one.
pub(crate) fn discard(fd: c_int, name: SocketName, stale: Option<Token>) {
    let Some(last) = stale else { return };
    // One that lies behind bare records is met, and asked for in vain, when these have been read.
    while glance(fd, name) == Ok(Head::Token)
        && let Ok(Some(first)) = peek_token(fd, name)
        && first.is_up_to(last)
    {
        match take_token(fd, name) {
            Some(taken) if taken.is_up_to(last) => {}
            // Another thread was faster with that one, and this one is good.
            Some(later) => {
                // If the service is gone, so is all that it could stand for.
                let _ = control::command(name, Command::GiveBackToken(later));
                return;
            }
            None => return,
        }
    }
}

/// Writes a filler, so that the descriptor polls writable no more. Without room it does not do so anyway.
pub(crate) fn fill(fd: c_int, name: SocketName, Filler(length): Filler) -> Result<(), c_int> {
    if length == 0 {
        return Ok(());
    }
    let mut filler = name.marker().to_vec();
    filler.resize(TOKEN_LEN.max(length as usize), 0);
    let flags = MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `filler` is valid for its length.
    match checked(unsafe { real::send(fd, filler.as_ptr().cast(), filler.len(), flags) }) {
        Ok(_) | Err(libc::EAGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// As on Linux, who waits for edges of this descriptor hears that it can be written to: the service takes the empty record out.
pub(crate) fn nudge(fd: c_int) {
    // SAFETY: nothing is read. Without room there is an edge to come.
    unsafe { real::send(fd, core::ptr::null(), 0, MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
}

/// What a socket begins with: each peek moves on by what it read, so that threads that read at once get different records.
pub(crate) fn peek_onwards(fd: c_int) -> Result<(), c_int> {
    set_peek_offset(fd, 0)
}

/// For sockets to which nothing but tokens comes, at which many threads and processes may wait (workers in `accept`): no peek moves
/// anything. Else a token would be hidden from the others while one looks at it; and who puts the offset back would put back that of
/// another's look, and hide the tokens for good.
pub(crate) fn peek_at_the_first(fd: c_int) -> Result<(), c_int> {
    set_peek_offset(fd, AT_THE_FIRST)
}

/// The next peek begins at the beginning again.
pub(crate) fn rewind(fd: c_int) -> Result<(), c_int> {
    if peek_offset(fd)? > 0 { set_peek_offset(fd, 0) } else { Ok(()) }
}

pub(crate) fn peek_offset(fd: c_int) -> Result<c_int, c_int> {
    let mut offset: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let value = (&raw mut offset).cast();
    // SAFETY: both pointers are valid, and `length` is the value's.
    let result = unsafe { real::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, value, &raw mut length) };
    if result == 0 { Ok(offset) } else { Err(errno()) }
}

pub(crate) fn set_peek_offset(fd: c_int, offset: c_int) -> Result<(), c_int> {
    let length = size_of::<c_int>() as libc::socklen_t;
    let value = (&raw const offset).cast();
    // SAFETY: the value is valid for its length.
    let result = unsafe { real::setsockopt(fd, libc::SOL_SOCKET, libc::SO_PEEK_OFF, value, length) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

#[cfg(test)]
mod tests;
