//! Commands to the service, over a connection for each thread: one to the service of this process, and one to each other service that it holds
//! sockets of, as they may come in messages or be inherited.
//!
//! A thread's own connection needs no lock, so nothing is held across `fork`. A child, which inherits its parent's
//! connection, sees another process id and opens its own; so does one between `vfork` and `exec`, and its parent after it.
//! Nobody who asks may be cancelled meanwhile (see `cancel`): an answer that was not taken would be the next one's.

use core::cell::RefCell;
use core::ffi::{c_int, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use sctp_descriptors::{
    Command, MAX_REPLY_LEN, Reply, Request, SHOWN, SocketName, VERSION, pieces, service_name,
};

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
    /// The service whose it is, by the number in the names of its sockets, once that is known.
    service: Option<u64>,
    how: How,
    /// Room for a reply.
    buffer: Vec<u8>,
}

/// How a thread has come to a service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// It is the one of this process.
    Found,
    /// By a socket that it holds.
    BySocket,
    /// By one that it had to show: it is served for what sockets it holds.
    AsGuest,
}

thread_local! {
    static CONNECTIONS: RefCell<Vec<Connection>> = const { RefCell::new(Vec::new()) };
}

/// Asks the service of this socket about it.
pub(crate) fn command(name: SocketName, command: Command) -> Result<Reply, c_int> {
    ask(name, command).map(|(reply, _)| reply)
}

/// The same; a descriptor may come with the reply.
pub(crate) fn ask(name: SocketName, command: Command) -> Result<(Reply, Option<OwnedFd>), c_int> {
    ask_for(Some(name), &Request { socket: name.socket, command })
}

/// Asks the service of this process what is about no socket.
pub(crate) fn ask_any(command: Command) -> Result<(Reply, Option<OwnedFd>), c_int> {
    ask_for(None, &Request { socket: 0, command })
}

/// The error is an `errno`: ENETDOWN where the service cannot be reached.
fn ask_for(about: Option<SocketName>, request: &Request) -> Result<(Reply, Option<OwnedFd>), c_int> {
    let own =
        CONNECTIONS.try_with(|own| own.try_borrow_mut().map(|mut own| ask_over(&mut own, about, request)));
    match own {
        Ok(Ok(answer)) => answer,
        // The thread's own are gone in a handler of `exit`, and busy in a handler of signals.
        _ => ask_over(&mut Vec::new(), about, request),
    }
}

fn ask_over(
    connections: &mut Vec<Connection>,
    about: Option<SocketName>,
    request: &Request,
) -> Result<(Reply, Option<OwnedFd>), c_int> {
    let process = std::process::id();
    connections.retain(|one| one.process == process && (!one.serves(about) || one.is_open()));
    let mut connection = match connections.iter().position(|one| one.serves(about)) {
        Some(at) => connections.swap_remove(at),
        None => Connection::open(process, about).map_err(|_| libc::ENETDOWN)?,
    };
    let answer = connection.ask(about, request);
    let no_number_left = |error: &io::Error| error.raw_os_error() == Some(libc::EMFILE);
    // Without a number for its descriptor the answer was heard all the same, and the next one needs the connection: its number, once
    // given back, may be gone.
    if answer.as_ref().map_or_else(no_number_left, |_| true) {
        connections.push(connection);
    }
    match answer {
        Ok((Reply::Errno(errno), _)) if errno != 0 => Err(errno),
        // Shown in vain, or not found.
        Ok((Reply::Show, _)) => Err(libc::EACCES),
        Ok(answer) => Ok(answer),
        Err(error) if no_number_left(&error) => Err(libc::EMFILE),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(libc::EPROTO),
        Err(_) => Err(libc::ENETDOWN),
    }
}

impl Connection {
    fn open(process: u32, about: Option<SocketName>) -> io::Result<Self> {
        let Some(name) = about else { return Self::greeted(process, find()?, None, How::Found) };
        let opened = Self::greeted(process, find_by(name)?, Some(name), How::BySocket);
        match opened {
            // Who is hung up on is not served but for what it holds.
            Err(error) if is_hang_up(&error) => {
                Self::greeted(process, find_by(name)?, Some(name), How::AsGuest)
            }
            opened => opened,
        }
    }

    fn greeted(process: u32, socket: OwnedFd, by: Option<SocketName>, how: How) -> io::Result<Self> {
        let identity = identity(socket.as_raw_fd()).ok_or_else(io::Error::last_os_error)?;
        let (socket, service) = (socket.into_raw_fd(), by.map(|name| name.service));
        let mut opened = Self { process, socket, identity, service, how, buffer: vec![0; MAX_REPLY_LEN] };
        // SAFETY: it cannot fail.
        let is_own = user_of_peer(socket)? == unsafe { libc::geteuid() };
        let shown = match how {
            How::Found => lease::number().filter(|_| !is_own),
            How::BySocket => None,
            How::AsGuest => by.and_then(table::find),
        };
        say(socket, &VERSION.to_ne_bytes(), Named::here(), shown)?;
        let (greeting, _) = opened.reply()?;
        if greeting != VERSION.to_ne_bytes() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(opened)
    }

    /// Whether it is the one to ask about this socket, or about none.
    fn serves(&self, about: Option<SocketName>) -> bool {
        match about {
            Some(name) => self.service == Some(name.service),
            None => {
                let is_as_good = self.how == How::BySocket && self.service.is_some_and(service::is_found);
                self.how == How::Found || is_as_good
            }
        }
    }

    fn is_open(&self) -> bool {
        identity(self.socket) == Some(self.identity)
    }

    /// Asks. A process that has changed its user shows what it holds once, and goes on.
    fn ask(&mut self, about: Option<SocketName>, request: &Request) -> io::Result<(Reply, Option<OwnedFd>)> {
        let bytes = request.encode();
        let answer = self.request(&bytes)?;
        let shown = if answer.0 == Reply::Show { about.and_then(table::find) } else { None };
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
        if let Some(fd) = descriptor.as_ref().filter(|_| self.how == How::Found) {
            self.learn(fd);
        }
        Ok((self.buffer.get(..len).unwrap_or_default(), descriptor))
    }
}

impl Connection {
    /// Who was told no more than the service's name learns the rest by the first socket. The board is none, and tells nothing.
    fn learn(&mut self, socket: &OwnedFd) {
        user_of_peer(socket.as_raw_fd()).into_iter().for_each(service::learn_maker);
        if self.service.is_none() {
            self.service = table::peer_name(socket.as_raw_fd()).map(|name| name.service);
            self.service.into_iter().for_each(service::learn_found);
        }
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

/// Comes to the service of this process.
fn find() -> io::Result<OwnedFd> {
    let service = service::find().ok_or(io::ErrorKind::NotFound)?;
    let socket = connect(service.name.as_encoded_bytes(), |user| service.is_trusted_of(user))?;
    service.tell_maker();
    Ok(socket)
}

/// Comes to the service of a socket.
fn find_by(name: SocketName) -> io::Result<OwnedFd> {
    connect(service_name(name.service).as_bytes(), service::may_be_of)
}

fn connect(name: &[u8], is_trusted: impl FnOnce(u32) -> bool) -> io::Result<OwnedFd> {
    let (address, length) = address::abstract_name(name).ok_or(io::ErrorKind::InvalidInput)?;
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
    if !is_trusted(user_of_peer(socket.as_raw_fd())?) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(socket)
}

fn is_hang_up(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
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
