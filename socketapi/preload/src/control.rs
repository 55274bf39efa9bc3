//! Commands to the service, over a connection for each thread.
//!
//! A thread's own connection needs no lock, so nothing is held across `fork`. A child, which inherits its parent's
//! connection, sees another process id and opens its own.

use core::cell::RefCell;
use core::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use sctp_descriptors::{MAX_MESSAGE_LEN, Reply, Request, SERVICE_VARIABLE, VERSION};

use crate::address;
use crate::real::real;

/// Control descriptors are moved up here, out of the way of programs that count on low numbers.
const LOWEST_DESCRIPTOR: c_int = 500;

struct Connection {
    process: u32,
    socket: OwnedFd,
    /// Room for a reply.
    buffer: Vec<u8>,
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
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
    if connection.as_ref().is_none_or(|connection| connection.process != process) {
        *connection = Some(Connection::open(process).map_err(|_| libc::ENETDOWN)?);
    }
    let Some(open) = connection.as_mut() else { return Err(libc::ENETDOWN) };
    let (reply, descriptor) = match open.exchange(&request.encode()) {
        Ok((bytes, descriptor)) => (Reply::decode(bytes), descriptor),
        Err(_) => {
            *connection = None;
            return Err(libc::ENETDOWN);
        }
    };
    match reply.map_err(|_| libc::EPROTO)? {
        Reply::Errno(errno) if errno != 0 => Err(errno),
        reply => Ok((reply, descriptor)),
    }
}

impl Connection {
    fn open(process: u32) -> io::Result<Self> {
        let mut opened = Self { process, socket: connect()?, buffer: vec![0; MAX_MESSAGE_LEN] };
        let (greeting, _) = opened.exchange(&VERSION.to_ne_bytes())?;
        if greeting != VERSION.to_ne_bytes() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(opened)
    }

    /// Says something, and hears the answer; a descriptor may come with it.
    fn exchange(&mut self, request: &[u8]) -> io::Result<(&[u8], Option<OwnedFd>)> {
        send(self.socket.as_raw_fd(), request)?;
        let (len, descriptor) = receive(self.socket.as_raw_fd(), &mut self.buffer)?;
        Ok((self.buffer.get(..len).unwrap_or_default(), descriptor))
    }
}

fn connect() -> io::Result<OwnedFd> {
    let name = std::env::var_os(SERVICE_VARIABLE).ok_or(io::ErrorKind::NotFound)?;
    let (address, length) =
        address::abstract_name(name.as_encoded_bytes()).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: plain numbers.
    let low = unsafe { (real().socket)(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    let low = owned(low)?;
    // SAFETY: `low` is open.
    let high = unsafe { libc::fcntl(low.as_raw_fd(), libc::F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR) };
    let socket = owned(high).unwrap_or(low);
    // SAFETY: the address is valid for `length` bytes.
    let result = unsafe { (real().connect)(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Room for one descriptor beside a message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Ancillary([u8; 32]);

fn send(socket: RawFd, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: `bytes` is valid for its length.
    retry(|| unsafe { (real().send)(socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
        .map(|_| ())
}

fn receive(socket: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut ancillary = Ancillary([0; 32]);
    // SAFETY: all zeros is a valid message header.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = ancillary.0.as_mut_ptr().cast();
    message.msg_controllen = ancillary.0.len();
    // SAFETY: `message` and all that it points to live until the call returns.
    let got = retry(|| unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) })?;
    if got == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
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
