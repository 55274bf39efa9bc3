//! Commands to the service.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, send, socket, sockopt,
};
use sctp_descriptors::{Command, MAX_REPLY_LEN, Reply, Request, Slot, SocketName, VERSION, pieces};

use crate::sys;

/// What the service answers: an `errno`, or a reply and the descriptor that came with it.
pub(crate) type Answer = nix::Result<(Reply, Option<OwnedFd>)>;

/// A connection to the service, and its board.
#[derive(Debug)]
pub(crate) struct Control {
    socket: OwnedFd,
    /// Whose service it is.
    pub(crate) user: u32,
    /// The user that it has become, who makes its sockets and boards.
    pub(crate) maker: u32,
    board: File,
    buffer: Vec<u8>,
}

impl Control {
    /// Connects to the service at this abstract name.
    pub(crate) fn connect(service: &str) -> io::Result<Self> {
        let kind = (AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        let socket = socket(kind.0, kind.1, kind.2, None)?;
        connect(socket.as_raw_fd(), &UnixAddr::new_abstract(service.as_bytes())?)?;
        let user = getsockopt(&socket, sockopt::PeerCredentials)?.uid();
        let mut buffer = vec![0; MAX_REPLY_LEN];
        say(&socket, &VERSION.to_ne_bytes())?;
        let (len, _) = hear(&socket, &mut buffer)?;
        if buffer.get(..len) != Some(&VERSION.to_ne_bytes()) {
            return Err(ErrorKind::Unsupported.into());
        }
        let (_, board) = exchange(&socket, &mut buffer, &Request { socket: 0, command: Command::Board })?;
        let board = File::from(board.ok_or(ErrorKind::InvalidData)?);
        let maker = board.metadata()?.uid();
        Ok(Self { socket, user, maker, board, buffer })
    }

    /// Asks the service. ENETDOWN: it cannot be reached.
    pub(crate) fn ask(&mut self, socket: u64, command: Command) -> Answer {
        let request = Request { socket, command };
        match exchange(&self.socket, &mut self.buffer, &request).map_err(|_| Errno::ENETDOWN)? {
            (Reply::Errno(errno), _) if errno != 0 => Err(Errno::from_raw(errno)),
            // Another user's, which has come from another program. Only the shim shows descriptors.
            (Reply::Show, _) => Err(Errno::EACCES),
            answer => Ok(answer),
        }
    }

    /// What the board says of a socket.
    pub(crate) fn slot(&self, name: SocketName) -> Slot {
        let mut bytes = [0; Slot::LEN];
        match self.board.read_exact_at(&mut bytes, u64::from(name.slot) * Slot::LEN as u64) {
            Ok(()) => Slot::from_bytes(bytes, name.socket).unwrap_or_default(),
            Err(_) => Slot::default(),
        }
    }
}

fn exchange(socket: &OwnedFd, buffer: &mut [u8], request: &Request) -> io::Result<(Reply, Option<OwnedFd>)> {
    for piece in pieces(&request.encode()) {
        say(socket, &piece)?;
    }
    let (len, descriptor) = hear(socket, buffer)?;
    let reply = Reply::decode(buffer.get(..len).unwrap_or_default());
    Ok((reply.map_err(|_| ErrorKind::InvalidData)?, descriptor))
}

fn say(socket: &OwnedFd, record: &[u8]) -> io::Result<()> {
    retry(|| send(socket.as_raw_fd(), record, MsgFlags::MSG_NOSIGNAL))?;
    Ok(())
}

fn hear(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    match retry(|| sys::receive(socket.as_fd(), buffer))? {
        (0, _) => Err(ErrorKind::UnexpectedEof.into()),
        got => Ok(got),
    }
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
