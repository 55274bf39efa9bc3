//! What clients ask for.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use sctp_abi::{Errno, errno};
use sctp_descriptors::{Command, Reply, Request, SocketName, VERSION};
use sctp_user::stack::SocketKind;

use crate::options;
use crate::pair::Pair;
use crate::service::Service;
use crate::socket::Served;

/// A reply, and the descriptor that goes with it.
type Answer = Result<(Reply, Option<OwnedFd>), i32>;

impl Service {
    /// Answers one message of a client.
    ///
    /// # Errors
    /// The client is to be dropped.
    pub(crate) fn answer(&mut self, number: u64, message: &[u8]) -> io::Result<()> {
        let client = self.clients.get_mut(&number).ok_or(ErrorKind::NotFound)?;
        if !std::mem::replace(&mut client.greeted, true) {
            // The client hears our version in any case, and can say what is wrong.
            client.connection.send(&VERSION.to_ne_bytes())?;
            let same = message == VERSION.to_ne_bytes();
            return if same { Ok(()) } else { Err(ErrorKind::Unsupported.into()) };
        }
        let user = client.user;
        let request = Request::decode(message).map_err(|_| ErrorKind::InvalidData)?;
        let (reply, descriptor) =
            self.execute(user, &request).unwrap_or_else(|errno| (Reply::Errno(errno), None));
        let client = self.clients.get(&number).ok_or(ErrorKind::NotFound)?;
        let bytes = reply.encode();
        let rights: Vec<_> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
        let ancillary = [ControlMessage::ScmRights(&rights)];
        let ancillary = if rights.is_empty() { &[][..] } else { &ancillary[..] };
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(client.connection.as_raw_fd(), &[IoSlice::new(&bytes)], ancillary, flags, None)?;
        Ok(())
    }

    fn execute(&mut self, user: u32, request: &Request) -> Answer {
        let number = request.socket;
        match &request.command {
            Command::Socket { ipv6 } => return self.make_socket(user, *ipv6),
            Command::Accept => return self.accept(user, number),
            Command::TakeError => return Ok((Reply::Errno(self.take_error(user, number)), None)),
            Command::GetOption { option, room, .. } if *option == options::ERROR => {
                return Ok((options::int(self.take_error(user, number), *room), None));
            }
            _ => {}
        }
        let result = self.command(user, number, &request.command);
        // Listening and connecting have to be followed.
        self.advance(number);
        result.map(|reply| (reply, None)).map_err(|errno| errno.0)
    }

    /// What is done to one socket, and needs no other one.
    fn command(&mut self, user: u32, number: u64, command: &Command) -> Result<Reply, Errno> {
        let found = self.sockets.get_mut(&number).filter(|socket| socket.is_of(user));
        let Some(socket) = found else { return options::of_ended(command) };
        let of = |error| errno::of(&error);
        match command {
            Command::Bind(local) => socket.bind(*local).map(|()| Reply::Done),
            Command::Listen(backlog) => socket.listen(*backlog).map(|()| Reply::Done),
            Command::Connect(peer) => socket.connect(*peer),
            Command::LocalAddress => socket.local_address().map(Reply::Address).map_err(of),
            Command::PeerAddress => socket.peer_address().map(Reply::Address).map_err(of),
            Command::GetOption { option, room, input } => {
                socket.get_option(&mut self.ids, *option, input, *room)
            }
            Command::SetOption { option, value } => socket.set_option(&mut self.ids, *option, value),
            Command::Socket { .. } | Command::TakeError | Command::Accept => Err(Errno::EINVAL),
        }
    }

    /// Another user's socket is as if it were not there.
    fn socket_of(&mut self, user: u32, number: u64) -> Option<&mut Served> {
        self.sockets.get_mut(&number).filter(|socket| socket.is_of(user))
    }

    fn make_socket(&mut self, user: u32, ipv6: bool) -> Answer {
        let socket = self.stack.socket(SocketKind::OneToOne).map_err(|error| errno::of(&error).0)?;
        let number = self.new_number();
        let (pair, client) = self.new_pair(user, number, false)?;
        let served = Served::new(user, pair, socket, self.wakes.waker(number), ipv6);
        self.insert(number, served, client)
    }

    /// Hands over the association that a token stood for, and offers the next.
    fn accept(&mut self, user: u32, listener: u64) -> Answer {
        let number = self.new_number();
        let socket = self.socket_of(user, listener).ok_or(libc::EBADF)?;
        // The token was there, the association is not: somebody else has taken it.
        let accepted = socket.take_waiting().ok_or(libc::ECONNABORTED)?;
        let made = self.new_pair(user, number, true);
        self.advance(listener);
        let (pair, client) = made?;
        let waker = self.wakes.waker(number);
        let socket = self.socket_of(user, listener).ok_or(libc::EBADF)?;
        let served = socket.accepted(pair, accepted, waker);
        let answer = self.insert(number, served, client);
        self.advance(number);
        answer
    }

    fn new_pair(&self, user: u32, number: u64, open: bool) -> Result<(Pair, OwnedFd), i32> {
        if self.sockets.values().filter(|socket| socket.user == user).count() >= self.limits.sockets {
            return Err(libc::ENOBUFS);
        }
        Pair::new(SocketName { service: self.id, socket: number }, open)
            .map_err(|error| error.raw_os_error().unwrap_or(libc::ENOBUFS))
    }

    fn insert(&mut self, number: u64, served: Served, client: OwnedFd) -> Answer {
        self.watch(served.pair.as_fd(), number, EpollFlags::empty()).map_err(|errno| errno as i32)?;
        self.sockets.insert(number, served);
        Ok((Reply::Done, Some(client)))
    }

    /// The pending error of a socket, also of one that has ended.
    fn take_error(&mut self, user: u32, number: u64) -> i32 {
        if let Some(socket) = self.socket_of(user, number) {
            return std::mem::take(&mut socket.error);
        }
        let at = self.errors.iter().position(|(ended, _)| *ended == number);
        at.and_then(|at| self.errors.remove(at)).map_or(0, |(_, errno)| errno)
    }
}
