//! Commands to the service, over a connection for each thread.
//!
//! A thread's own connection needs no lock, so nothing is held across `fork`. A child, which inherits its parent's
//! connection, sees another process id and opens its own; so does one between `vfork` and `exec`, and its parent after it.
//! Nobody who asks may be cancelled meanwhile (see `cancel`): an answer that was not taken would be the next one's.

use core::cell::RefCell;
use core::ffi::{c_int, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use sctp_descriptors::{Command, MAX_REPLY_LEN, Reply, Request, SHOWN, SocketName, VERSION, pieces};

use crate::cancel::uncancelled;
use crate::{address, lease, real, service, table};

/// Control descriptors are moved up here, out of the way of programs that count on low numbers.
const LOWEST_DESCRIPTOR: c_ulong = 500;

struct Connection {
    process: u32,
    /// Not an owned descriptor: a program that closes all numbers closes this one, and another one may have it by now.
    socket: RawFd,
    /// Device and inode: they tell whether the number is still this connection.
    identity: (u64, u64),
    /// Room for a reply.
    buffer: Vec<u8>,
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// Asks the service about this socket.
pub(crate) fn command(name: SocketName, command: Command) -> Result<Reply, c_int> {
    ask(&Request { socket: name.socket, command }).map(|(reply, _)| reply)
}

/// Asks the service; a descriptor may come with the reply.
/// The error is an `errno`: ENETDOWN where the service cannot be reached.
pub(crate) fn ask(request: &Request) -> Result<(Reply, Option<OwnedFd>), c_int> {
    let own = CONNECTION.try_with(|own| own.try_borrow_mut().map(|mut own| ask_over(&mut own, request)));
    match own {
        Ok(Ok(answer)) => answer,
        // The thread's own is gone in a handler of `exit`, and busy in a handler of signals.
        _ => ask_over(&mut None, request),
    }
}

fn ask_over(
    connection: &mut Option<Connection>,
    request: &Request,
) -> Result<(Reply, Option<OwnedFd>), c_int> {
    let process = std::process::id();
    if connection.as_ref().is_none_or(|connection| connection.process != process || !connection.is_open()) {
        *connection = Some(Connection::open(process).map_err(|_| libc::ENETDOWN)?);
    }
    let Some(open) = connection.as_mut() else { return Err(libc::ENETDOWN) };
    match open.ask(request) {
        Ok((Reply::Errno(errno), _)) if errno != 0 => Err(errno),
        // Shown in vain, or not found.
        Ok((Reply::Show, _)) => Err(libc::EACCES),
        Ok(answer) => Ok(answer),
        // No number was left for the descriptor. The answer was heard, and the next one needs the connection: its number, once
        // given back, may be gone.
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => Err(libc::EMFILE),
        Err(error) => {
            *connection = None;
            let is_nonsense = error.kind() == io::ErrorKind::InvalidData;
            Err(if is_nonsense { libc::EPROTO } else { libc::ENETDOWN })
        }
    }
}

impl Connection {
    fn open(process: u32) -> io::Result<Self> {
        let socket = connect()?;
        let identity = identity(socket.as_raw_fd()).ok_or_else(io::Error::last_os_error)?;
        let mut opened =
            Self { process, socket: socket.into_raw_fd(), identity, buffer: vec![0; MAX_REPLY_LEN] };
        greet(opened.socket)?;
        let (greeting, _) = opened.reply()?;
        if greeting != VERSION.to_ne_bytes() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(opened)
    }

    fn is_open(&self) -> bool {
        identity(self.socket) == Some(self.identity)
    }

    /// Asks. A process that has changed its user shows what it holds once, and goes on.
    fn ask(&mut self, request: &Request) -> io::Result<(Reply, Option<OwnedFd>)> {
        let bytes = request.encode();
        let answer = self.request(&bytes)?;
        let shown = if answer.0 == Reply::Show { table::find(request.socket) } else { None };
        let Some(fd) = shown else { return Ok(answer) };
        say(self.socket, &SHOWN, Named::here(), Some(fd))?;
        self.request(&bytes)
    }

    /// Says something, and hears the answer; a descriptor may come with it.
    fn request(&mut self, request: &[u8]) -> io::Result<(Reply, Option<OwnedFd>)> {
        let user = Named::here();
        for piece in pieces(request) {
            say(self.socket, &piece, user, None)?;
        }
        let (bytes, descriptor) = self.reply()?;
        Ok((Reply::decode(bytes).map_err(|_| io::ErrorKind::InvalidData)?, descriptor))
    }

    fn reply(&mut self) -> io::Result<(&[u8], Option<OwnedFd>)> {
        let (len, descriptor) = receive(self.socket, &mut self.buffer)?;
        // Who was told no more than the service's name learns it here. The board is no socket, and tells nothing.
        let made_by = descriptor.as_ref().and_then(|fd| user_of_peer(fd.as_raw_fd()).ok());
        made_by.into_iter().for_each(service::learn_maker);
        Ok((self.buffer.get(..len).unwrap_or_default(), descriptor))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The thread may be about to end.
        uncancelled(|| {
            if self.is_open() {
                // SAFETY: the number is still ours.
                unsafe { real::close(self.socket) };
            }
        });
    }
}

/// What tells this open descriptor from all others.
fn identity(fd: RawFd) -> Option<(u64, u64)> {
    // SAFETY: all zeros is a valid value of it.
    let mut found: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: `found` is valid.
    (unsafe { libc::fstat(fd, &raw mut found) } == 0).then_some((found.st_dev, found.st_ino))
}

fn connect() -> io::Result<OwnedFd> {
    let service = service::find().ok_or(io::ErrorKind::NotFound)?;
    let (address, length) =
        address::abstract_name(service.name.as_encoded_bytes()).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: plain numbers.
    let low = unsafe { real::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    let low = owned(low)?;
    // SAFETY: `low` is open.
    let high = unsafe { real::fcntl(low.as_raw_fd(), libc::F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR) };
    let socket = owned(high).unwrap_or(low);
    // SAFETY: the address is valid for `length` bytes.
    let result = unsafe { real::connect(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if !service.is_trusted_of(user_of_peer(socket.as_raw_fd())?) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    service.tell_maker();
    Ok(socket)
}

/// Who made the other end of a UNIX socket, or listened there.
pub(crate) fn user_of_peer(socket: c_int) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    let value = (&raw mut peer).cast();
    // SAFETY: `peer` is valid for `length` bytes.
    let result =
        unsafe { real::getsockopt(socket, libc::SOL_SOCKET, libc::SO_PEERCRED, value, &raw mut length) };
    if result == 0 { Ok(peer.uid) } else { Err(io::Error::last_os_error()) }
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Room for a descriptor beside a message, and for who sends it, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Ancillary([u8; 64]);

/// Who speaks where the kernel would name another one: the service is told by the kernel who has sent a record, which is the real user
/// unless the process names another one that it is. What it may do is the effective one's.
#[derive(Clone, Copy)]
struct Named(Option<libc::ucred>);

impl Named {
    fn here() -> Self {
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        // SAFETY: the three numbers are valid.
        unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) };
        // SAFETY: these cannot fail.
        let who = || unsafe { libc::ucred { pid: libc::getpid(), uid: effective, gid: libc::getgid() } };
        Self((real != effective).then(who))
    }
}

/// Says our version, and shows the lease where the service is another user's.
fn greet(socket: RawFd) -> io::Result<()> {
    // SAFETY: it cannot fail.
    let is_own = user_of_peer(socket)? == unsafe { libc::geteuid() };
    say(socket, &VERSION.to_ne_bytes(), Named::here(), lease::number().filter(|_| !is_own))
}

/// Sends a record, and beside it a descriptor, and who we are.
fn say(socket: RawFd, record: &[u8], Named(user): Named, fd: Option<c_int>) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: record.as_ptr().cast_mut().cast(), iov_len: record.len() };
    let mut ancillary = Ancillary([0; 64]);
    // SAFETY: all zeros is a valid message header.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = ancillary.0.as_mut_ptr().cast();
    let mut length = 0;
    if let Some(fd) = fd {
        length += put(&mut ancillary.0[length..], libc::SCM_RIGHTS, fd);
    }
    if let Some(user) = user {
        length += put(&mut ancillary.0[length..], libc::SCM_CREDENTIALS, user);
    }
    message.msg_controllen = length as _;
    // SAFETY: `message` and all that it points to live until the call returns.
    retry(|| unsafe { real::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) }).map(|_| ())
}

/// Writes a control message of SOL_SOCKET into the beginning of `room`, which is aligned as it must be; the length that it takes.
fn put<T>(room: &mut [u8], kind: c_int, value: T) -> usize {
    let size = size_of::<T>() as u32;
    // SAFETY: plain numbers.
    let (space, length) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size)) };
    assert!(space <= room.len(), "control messages have room");
    let header = room.as_mut_ptr().cast::<libc::cmsghdr>();
    // SAFETY: header and value lie within `room`.
    unsafe {
        (*header).cmsg_len = length as _;
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = kind;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
    }
    space
}

fn receive(socket: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut ancillary = Ancillary([0; 64]);
    // SAFETY: all zeros is a valid message header.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = ancillary.0.as_mut_ptr().cast();
    message.msg_controllen = ancillary.0.len() as _;
    // SAFETY: `message` and all that it points to live until the call returns.
    let got = retry(|| unsafe { real::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) })?;
    if got == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    // SAFETY: the kernel filled `message`.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: not null means that the kernel wrote a header there.
    let descriptor = match unsafe { header.as_ref() } {
        Some(found) if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS => {
            // SAFETY: such a message carries at least one descriptor; more do not fit.
            Some(owned(unsafe { core::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<c_int>()) })?)
        }
        _ => None,
    };
    Ok((got, descriptor))
}

/// The service answers at once, so a signal does not interrupt an exchange.
fn retry(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(done) => return Ok(done),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}
