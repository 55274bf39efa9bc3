//! What clients ask for.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::replace;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use sctp_abi::{Errno, Settings, Style, errno};
use sctp_descriptors::{
    self as descriptors, Address, Command, MAX_RECORD_LEN, OptionName, Peeled, Received, Reply, Request,
    SHOWN, SocketName, Token, VERSION,
};
use sctp_user::stack::{Socket, SocketKind};

use crate::guests::Identity;
use crate::options;
use crate::pair::Pair;
use crate::procfs::in_memory;
use crate::service::{Client, Service};
use crate::socket::{Phase, Place, Served};

/// A reply, and the descriptor that goes with it.
type Answer = Result<(Reply, Option<OwnedFd>), Errno>;

/// Names that are tried, and found to be taken, before a socket is refused.
const MOST_NAMES_TAKEN: usize = 4;

impl Service {
    /// Answers one record of a client.
    ///
    /// # Errors
    /// The client is to be dropped.
    pub(crate) fn answer(&mut self, number: u64, record: &[u8], shown: Option<&OwnedFd>) -> io::Result<()> {
        if !self.may_speak(number, shown) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let client = self.clients.get_mut(&number).ok_or(ErrorKind::NotFound)?;
        if !std::mem::replace(&mut client.greeted, true) {
            // The client hears our version in any case, and can say what is wrong.
            client.connection.send(&VERSION.to_ne_bytes())?;
            let same = record == VERSION.to_ne_bytes();
            return if same { Ok(()) } else { Err(ErrorKind::Unsupported.into()) };
        }
        let user = client.user;
        if record == SHOWN {
            shown.into_iter().for_each(|shown| {
                self.welcome(user, shown);
            });
            return Ok(());
        }
        let whole = client.joiner.push(record).map_err(|_| ErrorKind::InvalidData)?;
        let Some(message) = whole else { return Ok(()) };
        let request = Request::decode(&message).map_err(|_| ErrorKind::InvalidData)?;
        self.charge(user, &message);
        self.catch_up(user);
        let may_begin = self.clients.get(&number).is_some_and(|client| client.is_served);
        let answer = match request.command {
            Command::Socket { .. } | Command::ProcFile(_) if !may_begin => Err(Errno::EACCES),
            _ => self.execute(user, &request),
        };
        let (reply, descriptor) = match answer.and_then(shorten) {
            Ok(answer) => answer,
            Err(errno) => (Reply::Errno(errno.0), None),
        };
        let client = self.clients.get(&number).ok_or(ErrorKind::NotFound)?;
        let bytes = reply.encode();
        let rights: Vec<_> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
        let ancillary = [ControlMessage::ScmRights(&rights)];
        let ancillary = if rights.is_empty() { &[][..] } else { &ancillary[..] };
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(client.connection.as_raw_fd(), &[IoSlice::new(&bytes)], ancillary, flags, None)?;
        Ok(())
    }

    /// Whether a client is served: by the rules, or for what it shows.
    fn may_speak(&mut self, number: u64, shown: Option<&OwnedFd>) -> bool {
        let Some(&Client { user, is_served, is_guest, .. }) = self.clients.get(&number) else { return false };
        if is_served {
            return true;
        }
        let has_lease = shown.is_some_and(|shown| self.is_lease(shown));
        let is_guest = is_guest || shown.is_some_and(|shown| self.welcome(user, shown));
        if !has_lease && !is_guest {
            self.refuse(user);
        }
        if let Some(client) = self.clients.get_mut(&number) {
            (client.is_served, client.is_guest) = (has_lease, is_guest);
        }
        has_lease || is_guest
    }

    fn execute(&mut self, user: u32, request: &Request) -> Answer {
        let number = request.socket;
        if self.sockets.get(&number).is_some_and(|socket| !socket.is_of(user)) {
            return Ok((Reply::Show, None));
        }
        match &request.command {
            Command::Socket { ipv6, style } => return self.make_socket(user, *ipv6, *style),
            Command::Board => {
                return Ok((Reply::Done, Some(self.board(user)?.for_reading().map_err(io_errno)?)));
            }
            Command::ProcFile(name) => {
                self.charge_for_all_sockets(user);
                return Ok((Reply::Done, Some(self.proc_file(name)?)));
            }
            Command::Accept { took } => return self.accept(user, number, *took),
            Command::Linger => {
                return self.socket_of(user, number).map_or(Err(Errno::ENOTCONN), Served::linger);
            }
            Command::TakeError => return Ok((Reply::Errno(self.take_error(user, number)), None)),
            Command::GetOption { option, room, .. } if *option == options::ERROR => {
                return Ok((options::int(self.take_error(user, number), *room), None));
            }
            _ => {}
        }
        if self.control.rules().keep_port_from(user, &request.command) {
            return Err(Errno::EACCES);
        }
        // What was written bare before the command comes before it.
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.pair.look_again();
        }
        self.advance(number);
        let answer = self.command(user, number, &request.command);
        // Listening and connecting have to be followed; what was asked for may have made room.
        self.advance(number);
        answer
    }

    /// What is done to one socket.
    fn command(&mut self, user: u32, number: u64, command: &Command) -> Answer {
        let found = self.sockets.get_mut(&number).filter(|socket| socket.is_of(user));
        let Some(socket) = found else { return Err(Errno::ENOTCONN) };
        let ids = &mut self.ids;
        let of = |error| errno::of(&error);
        let reply = match command {
            Command::Bind(local) => socket.bind(*local).map(|()| Reply::Done),
            Command::Listen(backlog) => socket.listen(*backlog).map(|()| Reply::Done),
            Command::Connect(peer) => socket.connect(*peer),
            Command::SetUp(ticket) => socket.set_up(*ticket),
            Command::Send(message) => {
                socket.send_what_is_written(&mut self.buffer, ids);
                socket.check_writing()?;
                socket.send(ids, message)
            }
            Command::Receive(asked) => socket.receive(ids, asked),
            Command::GiveBackToken(token) => {
                socket.pair.took(*token);
                Ok(Reply::Done)
            }
            Command::Shutdown { how, awaited } => socket.shut(ids, *how, *awaited),
            Command::Queued => socket.readable(ids).map(count),
            Command::LocalAddress => socket.local_address().map(Reply::Address).map_err(of),
            Command::PeerAddress => socket.peer_address().map(Reply::Address).map_err(of),
            Command::Sender => socket.peer().map(Reply::Address).ok_or(Errno::ENOTCONN),
            Command::GetOption { option, room, input } => {
                return self.get_option(user, number, (*option, *room, input));
            }
            Command::SetOption { option, value } => {
                let was_plain = socket.is_plain();
                let reply = socket.set_option(ids, *option, value)?;
                let wants_more = was_plain && !socket.is_plain() && socket.early.can_come_back();
                Ok(if wants_more { Reply::GiveBack } else { reply })
            }
            Command::GiveBack(records) => socket.take_back(records).map(|()| Reply::Done),
            Command::Socket { .. }
            | Command::Board
            | Command::ProcFile(_)
            | Command::Linger
            | Command::TakeError
            | Command::Accept { .. } => Err(Errno::EINVAL),
        };
        reply.map(|reply| (reply, None))
    }

    /// Another user's socket is as if it were not there.
    fn socket_of(&mut self, user: u32, number: u64) -> Option<&mut Served> {
        self.sockets.get_mut(&number).filter(|socket| socket.is_of(user))
    }

    fn make_socket(&mut self, user: u32, ipv6: bool, style: descriptors::Style) -> Answer {
        let (kind, own) = match style {
            descriptors::Style::OneToOne => (SocketKind::OneToOne, Style::OneToOne),
            descriptors::Style::OneToMany => (SocketKind::OneToMany, Style::OneToMany),
        };
        let of = |error| errno::of(&error);
        let socket = self.stack.socket(kind).map_err(of)?;
        let mut settings = Settings::new(ipv6);
        settings.user = Some(user);
        socket.subscribe(settings.notifications(own)).map_err(of)?;
        socket.set_meter(self.control.meter(user)).map_err(of)?;
        socket.set_wildcard(settings.form.wildcard()).map_err(of)?;
        let (place, client) = self.new_place(user, style, own == Style::OneToMany)?;
        self.insert(Served::new(place, own, socket, settings), client)
    }

    /// Hands over the association that a token stood for, and offers the next.
    fn accept(&mut self, user: u32, listener: u64, took: Option<Token>) -> Answer {
        self.advance(listener);
        let socket = self.socket_of(user, listener).ok_or(Errno::EINVAL)?;
        if let Some(token) = took {
            socket.pair.took(token);
        }
        match &socket.phase {
            Phase::Listening(Some(_)) => {}
            Phase::Listening(None) => return Ok((Reply::Empty { stale: socket.pair.stale() }, None)),
            Phase::Many(_) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::EINVAL),
        }
        // If there is none the association goes on waiting.
        let place = self.new_place(user, descriptors::Style::OneToOne, true);
        let socket = self.socket_of(user, listener).ok_or(Errno::EINVAL)?;
        let place = place.inspect_err(|_| socket.pair.offer())?;
        let Phase::Listening(Some(accepted)) = replace(&mut socket.phase, Phase::Listening(None)) else {
            return Err(Errno::EINVAL);
        };
        let (descriptor, peer) = self.hand_over(listener, place, Style::OneToOne, accepted)?;
        self.advance(listener);
        // It offers the next one by now, if there is one.
        let waits = |socket: &Served| matches!(socket.phase, Phase::Listening(Some(_)));
        let listener = self.socket_of(user, listener).filter(|socket| !waits(socket));
        let stale = listener.and_then(|socket| socket.pair.stale());
        Ok((Reply::Accepted { peer, stale }, descriptor))
    }

    /// A descriptor for an association that was another socket's, and whose it is.
    fn hand_over(
        &mut self,
        from: u64,
        (place, client): (Place, OwnedFd),
        style: Style,
        socket: Socket,
    ) -> Result<(Option<OwnedFd>, Option<Address>), Errno> {
        let number = place.name.socket;
        let old = self.sockets.get_mut(&from).ok_or(Errno::EINVAL)?;
        let mut served = old.hand_over(place, style, socket);
        // Before it may be found to have ended.
        let peer = served.peer();
        let (_, descriptor) = self.insert(served, client)?;
        self.advance(number);
        Ok((descriptor, peer))
    }

    /// The value of an option, and the descriptor of a socket that it made.
    fn get_option(&mut self, user: u32, number: u64, asked: (OptionName, u32, &[u8])) -> Answer {
        let (option, room, input) = asked;
        // An association that was peeled off when there is no place for it would be lost.
        let place = if options::peels_off(option) {
            Some(self.new_place(user, descriptors::Style::OneToOne, true)?)
        } else {
            None
        };
        let socket = self.sockets.get_mut(&number).ok_or(Errno::ENOTCONN)?;
        let got = socket.get_option(&mut self.ids, option, input, room)?;
        let options::Got { reply: Reply::Value(value), peeled_off: Some((peeled_off, at)) } = got else {
            return Ok((got.reply, None));
        };
        let place = place.ok_or(Errno::EINVAL)?;
        let (descriptor, _) = self.hand_over(number, place, Style::PeeledOff, peeled_off)?;
        // What the token stood for may have gone along.
        let stale = self.sockets.get_mut(&number).and_then(|socket| socket.settle(&mut self.ids));
        let descriptor_at = Some(Peeled { stale, ..at });
        Ok((Reply::Value(descriptors::Value { descriptor: descriptor_at, ..value }), descriptor))
    }

    fn new_place(
        &mut self,
        user: u32,
        style: descriptors::Style,
        open: bool,
    ) -> Result<(Place, OwnedFd), Errno> {
        let holding = self.control.hold(user)?;
        let seat = self.board(user)?.take().ok_or(Errno::ENOBUFS)?;
        let (name, (pair, client)) = self.new_pair(seat.number(), style, open).map_err(io_errno)?;
        let identity = Identity::of(&client).map_err(io_errno)?;
        let waker = self.wakes.waker(name.socket);
        Ok((Place { user, identity, holding, name, seat, pair, waker }, client))
    }

    /// A pair with a name that nobody has taken before us.
    fn new_pair(
        &mut self,
        slot: u32,
        style: descriptors::Style,
        open: bool,
    ) -> io::Result<(SocketName, (Pair, OwnedFd))> {
        let mut again = 0..MOST_NAMES_TAKEN;
        loop {
            let name = SocketName { service: self.id, socket: self.new_number(), slot, style };
            match Pair::new(name, open) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && again.next().is_some() => {}
                made => return made.map(|pair| (name, pair)),
            }
        }
    }

    fn insert(&mut self, served: Served, client: OwnedFd) -> Answer {
        let number = served.name.socket;
        self.watch(served.pair.as_fd(), number, EpollFlags::empty()).map_err(|errno| Errno(errno as i32))?;
        self.sockets.insert(number, served);
        // What is allowed without asking is on the board before the program has the descriptor.
        self.advance(number);
        Ok((Reply::Done, Some(client)))
    }

    /// The pending error of a socket.
    fn take_error(&mut self, user: u32, number: u64) -> i32 {
        self.advance(number);
        self.socket_of(user, number).map_or(0, |socket| std::mem::take(&mut socket.error))
    }
}

/// Puts a long message into a file, beside its reply.
fn shorten((reply, descriptor): (Reply, Option<OwnedFd>)) -> Answer {
    match reply {
        Reply::Received(received) if received.payload.len() > MAX_RECORD_LEN => {
            let file = in_memory(&received.payload).map_err(|_| Errno::ENOMEM)?;
            let in_file = u32::try_from(received.payload.len()).unwrap_or(u32::MAX);
            Ok((Reply::Received(Received { payload: Vec::new(), in_file, ..received }), Some(file)))
        }
        reply => Ok((reply, descriptor)),
    }
}

fn count(bytes: usize) -> Reply {
    Reply::Number(i32::try_from(bytes).unwrap_or(i32::MAX))
}

pub(crate) fn io_errno(error: io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::ENOBUFS))
}
