//! Sockets and their names: `socket`, `bind`, `listen`, `accept`, `connect`, `shutdown`, addresses.

use core::ffi::{c_int, c_uint, c_ulong};
use core::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use libc::{sockaddr, socklen_t};
use sctp_descriptors::{Command, Reply, SocketName, Style, Ticket};

use crate::cancel::uncancelled;
use crate::detour::{Detour, Stop, errno, keeping_errno, with_socket, with_waiting_socket};
use crate::exempt::is_exempt;
use crate::record::{self, Head};
use crate::wait::{Turn, Wait};
use crate::{address, board, control, hold, memory, real, table, wait, waiting};

/// `socket()` for protocol 132; both styles of RFC 6458.
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Detour<c_int> {
    let Some(command) = creation(domain, kind, protocol).filter(|_| !is_exempt()) else {
        return Detour::Bypass;
    };
    keeping_errno(|| uncancelled(|| control::ask_any(command).and_then(|(_, fd)| adopt(fd, kind))).into())
}

/// `socketpair()`: there are no pairs of SCTP.
pub(crate) fn socket_pair(domain: c_int, kind: c_int, protocol: c_int) -> Detour<c_int> {
    match creation(domain, kind, protocol) {
        Some(_) => Detour::Failed(libc::EOPNOTSUPP),
        None => Detour::Bypass,
    }
}

/// What `socket()` is to ask for, if it is ours.
fn creation(domain: c_int, kind: c_int, protocol: c_int) -> Option<Command> {
    let style = match kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) {
        libc::SOCK_STREAM => Style::OneToOne,
        libc::SOCK_SEQPACKET => Style::OneToMany,
        _ => return None,
    };
    let ipv6 = match domain {
        libc::AF_INET => false,
        libc::AF_INET6 => true,
        _ => return None,
    };
    // No other protocol of IP has packets in sequence.
    let is_ours = match protocol {
        libc::IPPROTO_SCTP => true,
        0 => style == Style::OneToMany,
        _ => false,
    };
    is_ours.then_some(Command::Socket { ipv6, style })
}

/// # Safety
/// `local` is null or valid for `length` bytes.
pub(crate) unsafe fn bind(fd: c_int, local: *const sockaddr, length: socklen_t) -> Detour<c_int> {
    with_socket(fd, |name| {
        // SAFETY: the caller's promise.
        let local = unsafe { address::read(local, length) }.map_err(|errno| match errno {
            libc::EOPNOTSUPP => libc::EINVAL,
            other => other,
        })?;
        control::command(name, Command::Bind(local)).map(|_| 0)
    })
}

pub(crate) fn listen(fd: c_int, backlog: c_int) -> Detour<c_int> {
    with_socket(fd, |name| {
        control::command(name, Command::Listen(backlog))?;
        match (name.style, backlog) {
            (Style::OneToMany, _) => {}
            // It listens no more.
            (Style::OneToOne, 0) => record::peek_onwards(fd)?,
            (Style::OneToOne, _) => record::peek_at_the_first(fd)?,
        }
        Ok(0)
    })
}

/// # Safety
/// `peer` is null or valid for `length` bytes.
pub(crate) unsafe fn connect(fd: c_int, peer: *const sockaddr, length: socklen_t) -> Detour<c_int> {
    with_waiting_socket(fd, |fd, name, turn| {
        if let Turn::After(Wait::SetUp(result, Some(ticket)), outcome) = turn {
            return set_up(fd, name, result, ticket, outcome);
        }
        // SAFETY: the caller's promise.
        let peer = unsafe { address::read(peer, length) }.map_err(|errno| match errno {
            libc::EAFNOSUPPORT => libc::EINVAL,
            other => other,
        })?;
        match ask_filling(fd, name, Command::Connect(peer))?.0 {
            Reply::Begun { result, set_up } => Err(unfinished(fd, result, set_up.ticket)),
            _ => Err(libc::EPROTO.into()),
        }
    })
}

/// An address that the service knows, for `getsockname` and its like.
pub(crate) fn address(name: SocketName, command: Command) -> Result<SocketAddr, c_int> {
    match control::command(name, command)? {
        Reply::Address(address) => Ok(address),
        _ => Err(libc::EPROTO),
    }
}

/// `getsockname()`, `getpeername()`.
///
/// # Safety
/// Both pointers are null, or valid: `value` for `*length` bytes.
pub(crate) unsafe fn get_address(
    fd: c_int,
    command: Command,
    value: *mut sockaddr,
    length: *mut socklen_t,
) -> Detour<c_int> {
    with_socket(fd, |name| {
        let found = address(name, command.clone())?;
        // SAFETY: the caller's promise.
        unsafe { address::write(found, value, length) }.map(|()| 0)
    })
}

/// The pending error, which is cleared; 0 for none.
pub(crate) fn take_error(name: SocketName) -> c_int {
    control::command(name, Command::TakeError).err().unwrap_or(0)
}

/// A command whose end the descriptor may have to tell. If it would poll writable before, a filler makes it do so no more.
pub(crate) fn ask_filling(
    fd: c_int,
    name: SocketName,
    command: Command,
) -> Result<(Reply, Option<OwnedFd>), c_int> {
    let answer = control::ask(name, command)?;
    record::fill(fd, name, answer.0.filler())?;
    Ok(answer)
}

/// A set-up is to be waited for as long as the descriptor may wait (O_NONBLOCK, SO_SNDTIMEO): the service makes it writable
/// when it is over.
fn unfinished(fd: c_int, result: c_int, ticket: Ticket) -> Stop {
    if wait::is_non_blocking(fd) {
        return libc::EINPROGRESS.into();
    }
    Stop::Wait(Wait::SetUp(result, Some(ticket)))
}

/// What has become of a set-up that was waited for.
fn set_up(
    fd: c_int,
    name: SocketName,
    result: c_int,
    ticket: Ticket,
    outcome: Result<usize, c_int>,
) -> Result<c_int, Stop> {
    outcome.map_err(|errno| if errno == libc::EAGAIN { libc::EINPROGRESS } else { errno })?;
    match ask_filling(fd, name, Command::SetUp(ticket))?.0 {
        Reply::Done => Ok(result),
        // Another one was over.
        Reply::Later(_) => Err(unfinished(fd, result, ticket)),
        _ => Err(libc::EPROTO.into()),
    }
}

/// Waits for a set-up that an option began, which is no cancellation point.
pub(crate) fn await_setup(
    fd: c_int,
    name: SocketName,
    result: c_int,
    ticket: Ticket,
) -> Result<c_int, c_int> {
    let over = wait::turns(fd, name, |fd, turn| match turn {
        Turn::After(_, outcome) => set_up(fd, name, result, ticket, outcome),
        Turn::First => Err(unfinished(fd, result, ticket)),
    });
    over.map_err(Stop::errno)
}

/// `shutdown()`, which is the service's: behind all that was written before.
pub(crate) fn shutdown(fd: c_int, how: c_int) -> Detour<c_int> {
    with_socket(fd, |name| {
        control::command(name, Command::Shutdown { how, awaited: false })?;
        // The board says by now that calls are to ask before they wait. Those that waited before are still counted.
        if waiting::may_wait(fd, name) {
            control::command(name, Command::Shutdown { how, awaited: true })?;
        }
        if how == libc::SHUT_WR {
            record::nudge(fd);
        }
        Ok(0)
    })
}

/// The socket, if a `close` of `fd` may have to wait. What the program has open besides is not to notice that we look.
pub(crate) fn lingering(fd: c_int) -> Option<SocketName> {
    let name = board::is_known().then(|| keeping_errno(|| table::recall(fd))).flatten();
    name.filter(|name| board::lingers(*name))
}

/// Behind a `close`, which has to wait where SO_LINGER says so: until the association has ended, or a signal comes.
pub(crate) fn linger(name: SocketName) {
    let wait = || {
        let asked = control::ask(name, Command::Linger);
        if let Ok((Reply::Number(seconds), Some(end))) = asked {
            let milliseconds = seconds.saturating_mul(1_000);
            let mut wanted = libc::pollfd { fd: end.as_raw_fd(), events: 0, revents: 0 };
            // SAFETY: one valid entry.
            unsafe { real::poll(&raw mut wanted, 1, milliseconds) };
        }
    };
    keeping_errno(|| uncancelled(wait));
}

/// `accept4()`. A token in the pair stands for one waiting association.
///
/// # Safety
/// Both pointers are null, or valid: `peer` for `*length` bytes.
pub(crate) unsafe fn accept(
    fd: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
    flags: c_int,
) -> Detour<c_int> {
    if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
        return with_socket(fd, |_| Err(libc::EINVAL));
    }
    with_waiting_socket(fd, |fd, name, turn| {
        let (accepted, address) = accept_one(fd, name, turn)?;
        let accepted = adopt(Some(accepted), flags)?;
        if let (false, Some(value)) = (peer.is_null(), address) {
            // SAFETY: the caller's promise.
            let written = unsafe { address::write(value, peer, length) };
            // SAFETY: just made, and not told to anybody; the kernel, too, takes it back.
            written.inspect_err(|_| unsafe { drop(OwnedFd::from_raw_fd(accepted)) })?;
        }
        Ok(accepted)
    })
}

/// An association, and whose it is.
fn accept_one(fd: c_int, name: SocketName, turn: Turn) -> Result<(OwnedFd, Option<SocketAddr>), Stop> {
    if let Turn::After(_, outcome) = turn {
        outcome?;
    }
    // A descriptor that came when the program has no number left for it would be lost, and its association with it.
    let (head, took) = with_number_left(fd, || {
        let head = record::glance(fd, name)?;
        let took = if head == Head::Token { record::take_token(fd, name) } else { None };
        Ok((head, took))
    })?;
    match control::ask(name, Command::Accept { took }) {
        Ok((Reply::Accepted { peer, stale }, Some(accepted))) => {
            record::discard(fd, name, stale);
            return Ok((accepted, peer));
        }
        Ok((Reply::Empty { stale }, _)) => record::discard(fd, name, stale),
        Err(libc::EAGAIN) => {}
        Err(errno) => return Err(errno.into()),
        Ok(_) => return Err(libc::EPROTO.into()),
    }
    if head == Head::End {
        return Err(Stop::Errno(match take_error(name) {
            0 => libc::EINVAL,
            errno => errno,
        }));
    }
    Err(if wait::is_non_blocking(fd) { libc::EAGAIN.into() } else { Stop::Wait(Wait::Record(name, true)) })
}

/// Does something, which does not wait, while a number is reserved; fails if none is left.
pub(crate) fn with_number_left<T>(fd: c_int, act: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    hold::without_fork(|| {
        // SAFETY: plain numbers.
        let reserved = unsafe { real::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
        if reserved < 0 {
            return Err(errno().into());
        }
        let result = act();
        // SAFETY: made here, and known to nobody else.
        unsafe { real::close(reserved) };
        result
    })
}

/// Makes a descriptor that came from the service the program's; `flags` are those of `socket()`.
pub(crate) fn adopt(fd: Option<OwnedFd>, flags: c_int) -> Result<c_int, c_int> {
    let fd = fd.ok_or(libc::EPROTO)?;
    let name = table::peer_name(fd.as_raw_fd());
    name.into_iter().for_each(board::prepare);
    if name.is_none_or(|name| name.style == Style::OneToOne) {
        record::peek_onwards(fd.as_raw_fd())?;
    }
    if flags & libc::SOCK_NONBLOCK != 0 {
        // SAFETY: plain numbers.
        unsafe { real::fcntl(fd.as_raw_fd(), libc::F_SETFL, (libc::O_RDWR | libc::O_NONBLOCK) as _) };
    }
    Ok(release(fd, flags & libc::SOCK_CLOEXEC != 0))
}

/// Makes a descriptor that came from the service, with close-on-exec, the program's.
pub(crate) fn release(fd: OwnedFd, close_on_exec: bool) -> c_int {
    if !close_on_exec {
        // SAFETY: plain numbers.
        unsafe { real::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) };
    }
    table::forget(fd.as_raw_fd());
    table::lookup(fd.as_raw_fd()).into_iter().for_each(|name| table::settle(fd.as_raw_fd(), name));
    fd.into_raw_fd()
}

/// `ioctl()`: how much waits, and what of sockets and of pairs is not the same; the rest is the kernel's.
///
/// # Safety
/// `value` is null or valid, where the request has one.
pub(crate) unsafe fn ioctl(fd: c_int, request: u64, value: *mut c_int) -> Detour<c_int> {
    match request as c_uint as u64 {
        FIONREAD => with_socket(fd, |name| {
            let waiting = match record::glance(fd, name) {
                Ok(Head::Bare(waiting)) => c_int::try_from(waiting).unwrap_or(c_int::MAX),
                _ => match control::command(name, Command::Queued)? {
                    Reply::Number(waiting) => waiting,
                    _ => return Err(libc::EPROTO),
                },
            };
            memory::check(value)?;
            // SAFETY: not wrong, and the caller's promise.
            unsafe { value.write_unaligned(waiting) };
            Ok(0)
        }),
        // Pairs have these, and sockets of SCTP on Linux have not.
        SIOCOUTQ | SIOCATMARK | SIOCUNIXFILE => with_socket(fd, |_| Err(libc::ENOTTY)),
        ROUTES..=LAST_ROUTES | ADDRESSES..=LAST_ADDRESSES | NEIGHBOURS..=LAST_NEIGHBOURS => {
            // SAFETY: the caller's promise.
            with_socket(fd, |_| unsafe { ioctl_of_ip(request, value) })
        }
        _ => Detour::Bypass,
    }
}

/// What sockets of IP tell of the host, and a pair does not.
///
/// # Safety
/// As [`ioctl`].
unsafe fn ioctl_of_ip(request: u64, value: *mut c_int) -> Result<c_int, c_int> {
    // SAFETY: plain numbers.
    let socket = unsafe { real::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(errno());
    }
    // SAFETY: just made.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let argument = value.expose_provenance() as c_ulong;
    // SAFETY: the caller's promise.
    let result = unsafe { real::ioctl(socket.as_raw_fd(), request as c_ulong, argument) };
    if result < 0 { Err(errno()) } else { Ok(result) }
}

/// Linux's numbers; the second is also TIOCOUTQ.
const FIONREAD: u64 = 0x541b;
const SIOCOUTQ: u64 = 0x5411;
const SIOCATMARK: u64 = 0x8905;
const SIOCUNIXFILE: u64 = 0x89e0;
/// SIOCADDRT, SIOCDELRT, SIOCRTMSG.
const ROUTES: u64 = 0x890b;
const LAST_ROUTES: u64 = 0x890d;
/// SIOCGIFADDR to SIOCSIFNETMASK.
const ADDRESSES: u64 = 0x8915;
const LAST_ADDRESSES: u64 = 0x891c;
/// SIOCDARP, SIOCGARP, SIOCSARP.
const NEIGHBOURS: u64 = 0x8953;
const LAST_NEIGHBOURS: u64 = 0x8955;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_protocol_132_are_ours_and_no_others() {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let (stream, packets, sctp) = (libc::SOCK_STREAM, libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP);
        let ours = |ipv6, style| Some(Command::Socket { ipv6, style });
        assert_eq!(creation(libc::AF_INET, stream | flags, sctp), ours(false, Style::OneToOne));
        assert_eq!(creation(libc::AF_INET6, packets, sctp), ours(true, Style::OneToMany));
        assert_eq!(creation(libc::AF_INET, packets, 0), ours(false, Style::OneToMany));
        for (domain, kind, protocol) in [
            (libc::AF_INET, stream, 0),
            (libc::AF_INET, stream, libc::IPPROTO_TCP),
            (libc::AF_INET, packets, libc::IPPROTO_TCP),
            (libc::AF_INET, libc::SOCK_DGRAM, sctp),
            (libc::AF_INET, libc::SOCK_RAW, sctp),
            (libc::AF_UNIX, packets, 0),
            (libc::AF_PACKET, stream, sctp),
        ] {
            assert_eq!(creation(domain, kind, protocol), None, "{domain} {kind} {protocol}");
        }
    }
}
