//! The socket between keepers and broker: UNIX SEQPACKET on an abstract name.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind, connect, getsockopt,
        listen, recv, send, setsockopt, socket, sockopt,
    },
    sys::time::TimeVal,
    unistd::{User, getuid},
};

#[cfg(test)]
use nix::sys::socket::socketpair;

use super::message::{LEN, Message};

/// The name, in the abstract namespace. All versions share it, so that they find each other.
const NAME: &[u8] = b"sctp-user/port-broker";
/// The user that the daemon `sctpd` usually runs as, with CAP_NET_RAW alone.
pub const DAEMON_USER: &str = "sctpd";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// 0 if it lives in a process namespace that we do not see.
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

impl Peer {
    /// Root may do anything to us anyway, and so may ourselves; the user of `sctpd` was made by root.
    pub(crate) fn is_trusted(self) -> bool {
        let is_daemon =
            || matches!(User::from_name(DAEMON_USER), Ok(Some(daemon)) if daemon.uid.as_raw() == self.uid);
        self.uid == 0 || self.uid == getuid().as_raw() || is_daemon()
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Connects to the broker of our network namespace. Reads wait at most `patience` seconds.
    pub(crate) fn connect(patience: i64) -> io::Result<Self> {
        let socket = open(SockFlag::SOCK_CLOEXEC)?;
        connect(socket.as_raw_fd(), &UnixAddr::new_abstract(NAME)?)?;
        let patience = TimeVal::new(patience, 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        setsockopt(&socket, sockopt::SendTimeout, &patience)?;
        Ok(Self(socket))
    }

    /// Two ends of a connection; reads of the first wait at most `patience` seconds.
    #[cfg(test)]
    pub(crate) fn pair(patience: i64) -> (Self, Self) {
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let (first, second) = pair.unwrap();
        setsockopt(&first, sockopt::ReceiveTimeout, &TimeVal::new(patience, 0)).unwrap();
        (Self(first), Self(second))
    }

    pub(crate) fn peer(&self) -> io::Result<Peer> {
        let credentials = getsockopt(&self.0, sockopt::PeerCredentials)?;
        Ok(Peer { pid: credentials.pid(), uid: credentials.uid() })
    }

    pub(crate) fn send(&self, message: &Message) -> io::Result<()> {
        // A record goes as a whole or not at all.
        send(self.0.as_raw_fd(), &message.encode(), MsgFlags::MSG_NOSIGNAL)?;
        Ok(())
    }

    /// `None` at the end of the connection, and for what is no message.
    pub(crate) fn receive(&self) -> io::Result<Option<Message>> {
        let mut bytes = [0; 2 * LEN];
        let len = loop {
            match recv(self.0.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                result => break result?,
            }
        };
        Ok(Message::decode(&bytes[..len]))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The broker's end. Whoever binds the name is the broker.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

impl Listener {
    pub(crate) fn bind() -> io::Result<Self> {
        let socket = open(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
        bind(socket.as_raw_fd(), &UnixAddr::new_abstract(NAME)?)?;
        listen(&socket, Backlog::new(BACKLOG)?)?;
        Ok(Self(socket))
    }

    /// A socket that no connection can be taken from.
    #[cfg(test)]
    pub(crate) fn broken() -> Self {
        Self(open(SockFlag::SOCK_CLOEXEC).unwrap())
    }

    pub(crate) fn accept(&self) -> io::Result<Channel> {
        let accepted = accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
        Ok(Channel(crate::driver::sys::owned(accepted)))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(flags: SockFlag) -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}
