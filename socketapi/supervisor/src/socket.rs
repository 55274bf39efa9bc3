//! A socket of ours: our copy of the program's end of a pair.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{PeerCredentials, ReceiveTimeout, SendTimeout};
use nix::sys::socket::{MsgFlags, UnixAddr, getpeername, getsockopt, recv, send};
use sctp_descriptors::{ByteBuf, Filler, MAX_RECORD_LEN, SocketName, Style, Token};

use crate::sys;

/// SO_PEEK_OFF's "off": each look begins at the beginning, and moves nothing.
const AT_THE_FIRST: i32 = -1;

/// A descriptor, and the name of its peer.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) fd: OwnedFd,
    pub(crate) name: SocketName,
}

/// What is first in a pair.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// Nothing yet.
    Nothing,
    /// The end.
    End,
    /// A token.
    Token,
    /// A bare record.
    Bare(Record),
}

/// A message, or a piece of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What is left of it, as far as it was looked at.
    pub(crate) bytes: Vec<u8>,
    /// How long that is.
    pub(crate) left: usize,
    /// How much of it was read before.
    pub(crate) before: usize,
}

impl Socket {
    /// `None`: it is not one of ours. Anybody may bind a name like ours, so it is asked who did.
    pub(crate) fn new(fd: OwnedFd, is_maker: impl FnOnce(u32) -> bool) -> Option<Self> {
        let peer: UnixAddr = getpeername(fd.as_raw_fd()).ok()?;
        let name = SocketName::from_bytes(peer.as_abstract()?)?;
        let made_by = getsockopt(&fd, PeerCredentials).ok()?.uid();
        is_maker(made_by).then_some(Self { fd, name })
    }

    /// The flags of a call: MSG_DONTWAIT is among them where the descriptor does not wait (O_NONBLOCK).
    pub(crate) fn flags(&self, flags: i32) -> i32 {
        let non_blocking = fcntl(&self.fd, FcntlArg::F_GETFL)
            .is_ok_and(|status| OFlag::from_bits_retain(status).contains(OFlag::O_NONBLOCK));
        if non_blocking { flags | libc::MSG_DONTWAIT } else { flags }
    }

    /// SO_RCVTIMEO and SO_SNDTIMEO: how long a call waits; `None` for ever.
    pub(crate) fn patience(&self, events: PollFlags) -> Option<Duration> {
        let time = if events.contains(PollFlags::POLLIN) {
            getsockopt(&self.fd, ReceiveTimeout)
        } else {
            getsockopt(&self.fd, SendTimeout)
        };
        let time = time.ok()?;
        let seconds = u64::try_from(time.tv_sec()).ok()?;
        let patience =
            Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0));
        (!patience.is_zero()).then_some(patience)
    }

    /// Whether one of these events is there.
    pub(crate) fn polls(&self, events: PollFlags) -> bool {
        poll(&mut [PollFd::new(self.fd.as_fd(), events)], PollTimeout::ZERO) == Ok(1)
    }

    /// Looks at what is first, at up to `room` bytes of it. What a short read leaves of a record must stay: how much of it was
    /// read is the kernel's SO_PEEK_OFF, which all processes share that have the descriptor.
    pub(crate) fn front(&self, room: usize) -> nix::Result<Front> {
        let marker = self.name.marker();
        let offset = self.offset()?;
        let before = usize::try_from(offset).unwrap_or(0);
        let mut bytes = vec![0; room.max(Token::LEN)];
        let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let left = match recv(self.fd.as_raw_fd(), &mut bytes, look) {
            Ok(0) => return Ok(Front::End),
            Err(Errno::EAGAIN) => return Ok(Front::Nothing),
            other => other?,
        };
        if offset != AT_THE_FIRST {
            self.set_offset(before)?;
        }
        bytes.truncate(left);
        // To one-to-many sockets nothing else comes.
        let is_token = before == 0 && Token::from_bytes(&bytes, &marker).is_some();
        if self.name.style == Style::OneToMany || is_token {
            return Ok(Front::Token);
        }
        bytes.truncate(room);
        Ok(Front::Bare(Record { bytes, left, before }))
    }

    /// So much of the first record has been read.
    pub(crate) fn set_offset(&self, offset: usize) -> nix::Result<()> {
        let offset = i32::try_from(offset).map_err(|_| Errno::EINVAL)?;
        sys::set_int_option(self.fd.as_fd(), libc::SO_PEEK_OFF, offset)
    }

    /// For sockets to which nothing but tokens comes, and that programs with other supervisors may share: no look moves anything.
    pub(crate) fn peek_at_the_first(&self) -> nix::Result<()> {
        sys::set_int_option(self.fd.as_fd(), libc::SO_PEEK_OFF, AT_THE_FIRST)
    }

    fn offset(&self) -> nix::Result<i32> {
        sys::int_option(self.fd.as_fd(), libc::SO_PEEK_OFF)
    }

    /// The next look begins at the beginning again.
    fn rewind(&self) -> nix::Result<()> {
        if self.offset()? > 0 { self.set_offset(0) } else { Ok(()) }
    }

    /// Takes the first record out.
    pub(crate) fn discard(&self) {
        // If another process was faster there is nothing to take out.
        let _ = recv(self.fd.as_raw_fd(), &mut [], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC);
    }

    /// Takes out the bare records that are there.
    pub(crate) fn take_bare(&self) -> nix::Result<Vec<ByteBuf>> {
        let mut records = Vec::new();
        while let Front::Bare(record) = self.front(MAX_RECORD_LEN)? {
            self.discard();
            records.push(ByteBuf::from(record.bytes));
        }
        Ok(records)
    }

    /// Takes a token out, if one is first.
    pub(crate) fn take_token(&self) -> nix::Result<Option<Token>> {
        if self.front(0)? != Front::Token {
            return Ok(None);
        }
        self.token(MsgFlags::empty())
    }

    /// Takes out tokens that promise what is not there: up to this one. A later one that was taken instead, since another
    /// process was faster, is returned.
    pub(crate) fn drop_stale(&self, stale: Option<Token>) -> nix::Result<Option<Token>> {
        let Some(last) = stale else { return Ok(None) };
        while self.front(0)? == Front::Token
            && self.token(MsgFlags::MSG_PEEK)?.is_some_and(|first| first.is_up_to(last))
        {
            match self.token(MsgFlags::empty())? {
                Some(taken) if taken.is_up_to(last) => {}
                other => return Ok(other),
            }
        }
        Ok(None)
    }

    /// The first record, if it is a token.
    fn token(&self, flags: MsgFlags) -> nix::Result<Option<Token>> {
        self.rewind()?;
        let mut record = [0; Token::LEN];
        let got = recv(self.fd.as_raw_fd(), &mut record, flags | MsgFlags::MSG_DONTWAIT);
        self.rewind()?;
        match got {
            Ok(_) => Ok(Token::from_bytes(&record, &self.name.marker())),
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Sends a bare record.
    pub(crate) fn send(&self, record: &[u8]) -> nix::Result<()> {
        send(self.fd.as_raw_fd(), record, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL).map(drop)
    }

    /// Keeps the descriptor from polling writable.
    pub(crate) fn fill(&self, Filler(len): Filler) -> nix::Result<()> {
        if len == 0 {
            return Ok(());
        }
        let mut filler = self.name.marker().to_vec();
        filler.resize(filler.len().max(len as usize), 0);
        match self.send(&filler) {
            // Without room it does not poll writable anyway.
            Ok(()) | Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Makes a descriptor as a program asked for it (`SOCK_NONBLOCK`).
    pub(crate) fn prepare(fd: &OwnedFd, flags: i32) -> nix::Result<()> {
        sys::set_int_option(fd.as_fd(), libc::SO_PEEK_OFF, 0)?;
        if flags & libc::SOCK_NONBLOCK != 0 {
            let status = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
            fcntl(fd, FcntlArg::F_SETFL(status | OFlag::O_NONBLOCK))?;
        }
        Ok(())
    }
}
