//! The kernel's half of a socket: a pair of `AF_UNIX` `SEQPACKET` ends.

use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sctp_descriptors::{Filler, Head, Marker, SocketName, Token};
use sctp_user::driver::{readable_bytes, unread_by_peer};
use socket2::{Domain, SockAddr, Socket, Type};

/// Records in front of a filler that are thrown away.
const MOST_STRAY: usize = 64;

/// The client's end is shut down for writing, at least.
const RDHUP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// The service's end.
#[derive(Debug)]
pub(crate) struct Pair {
    end: Socket,
    /// Tokens and fillers begin with it.
    marker: Marker,
    /// The size of a record that keeps the client's end from polling writable.
    filler_len: usize,
    /// Such a record is there, or about to come, and is to stay.
    filled: bool,
    /// Nothing was left to read when that was last tried, and the kernel tells when something comes.
    is_read_up: bool,
    /// The number of the last token.
    last_token: Token,
    /// It was not taken out, as far as is known.
    has_token: bool,
    /// The client left before it had read all.
    reset: bool,
    end_of_reading: End,
    name: SocketName,
    /// Both halves are shut down.
    is_shut_down: bool,
    /// To be bound to the client's name when the kernel has told of that.
    probe: Option<Socket>,
    /// The last copy of the client's end is closed.
    is_left: bool,
}

/// How far the client was told that it has nothing more to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// Our writing half is to be shut down.
    OwesShutdown,
    /// An empty record is to wake it up, when there is room.
    OwesRecord,
    /// It has one.
    HasRecord,
    /// Our writing half is shut down.
    ShutDown,
}

/// What came from the client.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message of so many bytes, behind its head if it has one.
    Record(Option<Head>, usize),
    /// A filler, or an empty record, which is no message of SCTP's.
    Stray,
    /// Nothing yet.
    Nothing,
    /// The client will write no more, but it may read.
    Shutdown,
    /// The last copy of the client's end is closed, and everything that it wrote has been read.
    Closed,
}

/// What became of a record for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Written,
    NoRoom,
    /// The client has gone, and will not read it.
    Lost,
}

impl Pair {
    /// A pair whose service's end has this name; the client's end comes back beside it, with a name of its own, which is free
    /// again when that is closed. Unless it is `open`, the client's end does not poll writable: it has written a filler that takes a
    /// quarter of its send buffer, which is where the kernel draws the line (`unix_writable`).
    pub(crate) fn new(name: SocketName, open: bool) -> io::Result<(Self, OwnedFd)> {
        let (end, client) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        end.bind(&abstract_address(&name.to_bytes())?)?;
        client.bind(&name_of_client(name)?)?;
        end.set_nonblocking(true)?;
        let (marker, filler_len) = (name.marker(), client.send_buffer_size()? / 4 + 1);
        if !open {
            let mut filler = marker.to_vec();
            filler.resize(filler_len, 0);
            client.send(&filler)?;
        }
        Ok((
            Self {
                end,
                marker,
                filler_len,
                filled: !open,
                is_read_up: false,
                last_token: Token(0),
                has_token: false,
                reset: false,
                end_of_reading: End::Open,
                name,
                is_shut_down: false,
                probe: None,
                is_left: false,
            },
            client.into(),
        ))
    }

    /// Lets the client's end poll writable from now on; edge-triggered pollers are told. What is not a filler goes nowhere:
    /// there was nobody to send it to.
    pub(crate) fn open(&mut self) {
        if !std::mem::take(&mut self.filled) {
            return;
        }
        // So much of a record tells whether it is one. Where the client was to fill its end, it may have left without.
        let mut start = Marker::default();
        let mut is_other = || self.end.read(&mut start).is_ok_and(|len| len != 0 && start != self.marker);
        let _ = (0..MOST_STRAY).all(|_| is_other());
    }

    /// From now on a filler is to be in the pair until something happens that the client waits for. The size of the one that the
    /// client is to write, unless one is there, or as many bytes: one that was asked for may never have come.
    pub(crate) fn close(&mut self) -> Filler {
        // Fillers come untold.
        self.look_again();
        let is_full = readable_bytes(&self.end).is_ok_and(|bytes| bytes as usize >= self.filler_len);
        let is_filled = std::mem::replace(&mut self.filled, true) && is_full;
        Filler(if is_filled { 0 } else { u32::try_from(self.filler_len).unwrap_or(u32::MAX) })
    }

    /// If not, fillers are to be read, those as well that come later.
    pub(crate) fn keep_filler(&mut self, is_kept: bool) {
        self.filled &= is_kept;
    }

    /// Whether a filler keeps the client's end from polling writable, or is to.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled
    }

    /// Whether a bare record may not begin so.
    pub(crate) fn is_marked(&self, record: &[u8]) -> bool {
        record.starts_with(&self.marker)
    }

    /// Tells the client that something waits, unless it knows. Without room it is not told: the pair is to be written to again
    /// when it has room.
    pub(crate) fn offer(&mut self) {
        let next = Token(self.last_token.0.wrapping_add(1));
        if !self.has_token
            && !self.has_ended()
            && self.write(&next.to_bytes(&self.marker)) == Outgoing::Written
        {
            (self.last_token, self.has_token) = (next, true);
        }
    }

    /// Whether there is a token that no client has taken out, as far as is known.
    pub(crate) fn has_token(&self) -> bool {
        self.has_token
    }

    /// A client has taken a token out.
    pub(crate) fn took(&mut self, token: Token) {
        self.has_token &= token != self.last_token;
    }

    /// Nothing waits any more. If there is a token, clients are to take it out, and all before it.
    pub(crate) fn stale(&mut self) -> Option<Token> {
        std::mem::take(&mut self.has_token).then_some(self.last_token)
    }

    /// A process has ended that may have taken the token out, and did not ask. Whether it was so: if the client has read
    /// everything, there is no token.
    pub(crate) fn lost_token(&mut self) -> bool {
        let lost = self.has_token && unread_by_peer(&self.end).is_ok_and(|bytes| bytes == 0);
        self.has_token &= !lost;
        lost
    }

    /// Whether a hang-up that the kernel tells of is the client's last close. The first behind [`shut_down`](Self::shut_down) may be only
    /// what that brought about; the client's name tells, which nobody has any more when it has left. A later one is another edge.
    pub(crate) fn is_left(&mut self) -> bool {
        let is_free = |probe: Socket| name_of_client(self.name).and_then(|name| probe.bind(&name)).is_ok();
        self.probe.take().is_none_or(is_free)
    }

    /// The last copy of the client's end is closed.
    pub(crate) fn hang_up(&mut self) {
        self.is_left = true;
        // ECONNRESET: it left something unread.
        self.reset |= self.end.take_error().is_ok_and(|error| error.is_some());
    }

    /// Something may have come, or what has come must be known now: the next [`read`](Self::read) asks the kernel.
    pub(crate) fn look_again(&mut self) {
        self.is_read_up = false;
    }

    /// Reads what comes next.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Incoming {
        if self.is_read_up {
            return Incoming::Nothing;
        }
        loop {
            match self.end.read(buffer) {
                Ok(0) => return self.end_or_empty(),
                Ok(len) => return self.recognize(buffer.get(..len).unwrap_or_default()),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    // The records that were written before are still there.
                    ErrorKind::ConnectionReset => self.reset = true,
                    ErrorKind::WouldBlock => {
                        // One that is written still is passed over when it comes.
                        self.filled = false;
                        self.is_read_up = true;
                        return Incoming::Nothing;
                    }
                    _ => return Incoming::Closed,
                },
            }
        }
    }

    /// What a record is, that is not empty.
    fn recognize(&mut self, record: &[u8]) -> Incoming {
        if !self.is_marked(record) {
            return Incoming::Record(None, record.len());
        }
        match Head::from_bytes(record, &self.marker) {
            Some(head) => Incoming::Record(Some(head), record.len() - Head::LEN),
            None => {
                self.filled = false;
                Incoming::Stray
            }
        }
    }

    /// Nothing was read: the end, or an empty record, which looks the same. Behind the end nothing is there; behind an empty record
    /// messages may be, also where the client has gone. What is not there then is not written any more.
    fn end_or_empty(&self) -> Incoming {
        let is_closed = self.is_left || !self.is_shut_down && self.polls(PollFlags::empty());
        let is_over = self.polls(RDHUP);
        match readable_bytes(&self.end) {
            Ok(0) if is_closed => Incoming::Closed,
            Ok(0) if is_over => Incoming::Shutdown,
            _ => Incoming::Stray,
        }
    }

    /// Whether one of these events is there, or the client's end is closed: the kernel tells of that in any case.
    fn polls(&self, events: PollFlags) -> bool {
        poll(&mut [PollFd::new(self.end.as_fd(), events)], PollTimeout::ZERO) == Ok(1)
    }

    /// Writes a record for the client.
    pub(crate) fn write(&mut self, record: &[u8]) -> Outgoing {
        loop {
            match self.end.send_with_flags(record, libc::MSG_NOSIGNAL) {
                Ok(_) => return Outgoing::Written,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Outgoing::NoRoom,
                    // The kernel has no memory for it now.
                    _ if error.raw_os_error() == Some(libc::ENOBUFS) => return Outgoing::NoRoom,
                    _ => {
                        self.end_of_reading = End::ShutDown;
                        return Outgoing::Lost;
                    }
                },
            }
        }
    }

    /// Tells the client that nothing more comes: it reads the end of file behind what it has. If the kernel has shut down the
    /// client's writing half, as it does for programs without a shim, both hang up: it is as if it had closed its end.
    pub(crate) fn end(&mut self) {
        self.shut(Shutdown::Write);
        self.end_of_reading = End::ShutDown;
    }

    /// Makes the client look, who learns why by asking. One record wakes one reader, who may ask for another one.
    pub(crate) fn wake(&mut self) {
        if self.end_of_reading != End::ShutDown {
            self.end_of_reading = End::OwesRecord;
            self.tell_end();
        }
    }

    /// The client is to be told by [`tell_end`](Self::tell_end): by the end of file, or by a record.
    pub(crate) fn owe(&mut self, is_eof: bool) {
        if self.end_of_reading != End::ShutDown {
            self.end_of_reading = if is_eof { End::OwesShutdown } else { End::OwesRecord };
        }
    }

    /// Tells the client what is owed, as soon as there is room for it.
    pub(crate) fn tell_end(&mut self) {
        if self.end_of_reading == End::OwesShutdown {
            self.end();
        }
        if self.owes_record() && self.write(&[]) == Outgoing::Written {
            self.end_of_reading = End::HasRecord;
        }
    }

    /// Whether a record still has to be written.
    pub(crate) fn owes_record(&self) -> bool {
        self.end_of_reading == End::OwesRecord
    }

    /// Whether nothing can be written to the client any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.end_of_reading == End::ShutDown
    }

    /// Lets the client write no more (EPIPE). What it has written can still be read; then comes [`Incoming::Shutdown`].
    pub(crate) fn refuse_more(&mut self) {
        self.look_again();
        self.shut(Shutdown::Read);
    }

    /// Once all is shut down another time would be an edge, which stands for the last close then.
    fn shut(&mut self, how: Shutdown) {
        if !self.is_shut_down {
            // Fails only if the client has gone.
            let _ = self.end.shutdown(how);
        }
    }

    /// Shuts both halves down, so that who polls the client's end sees a hang-up. We see one from now on, too: wait for edges, and ask
    /// whether it [is left](Self::is_left) then. Without a descriptor to ask by, all stays as it is.
    pub(crate) fn shut_down(&mut self) {
        if self.is_shut_down {
            return;
        }
        self.probe = Socket::new(Domain::UNIX, Type::SEQPACKET, None).ok();
        if self.probe.is_some() {
            self.end();
            self.refuse_more();
            self.is_shut_down = true;
        }
    }

    /// Whether both halves are shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.is_shut_down
    }

    /// A message will not be read, nor perhaps others. (Of a token that the client did not wait for nothing is lost.)
    pub(crate) fn lose(&mut self) {
        self.reset = true;
    }

    /// Whether the client left something unread, as far as is known.
    pub(crate) fn is_reset(&self) -> bool {
        self.reset
    }
}

impl AsFd for Pair {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// The address of the end of a pair that programs hold, where the service's has this name.
fn name_of_client(name: SocketName) -> io::Result<SockAddr> {
    abstract_address(&[&name.to_bytes(), b"/program".as_slice()].concat())
}

/// An abstract name as an address.
pub(crate) fn abstract_address(name: &[u8]) -> io::Result<SockAddr> {
    use std::os::unix::ffi::OsStrExt;
    let path = [&[0], name].concat();
    SockAddr::unix(std::ffi::OsStr::from_bytes(&path))
}

#[cfg(test)]
mod tests;
