//! The loop, and who is served.

use std::collections::hash_map::Entry;
use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::timerfd::TimerFd;
use rustc_hash::FxHashMap;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use sctp_abi::AssocIds;
use sctp_descriptors::{Joiner, MAX_PIECE_LEN};
use sctp_user::stack::Stack;
use socket2::{Domain, Socket, Type};

use crate::board::Board;
use crate::control::Control;
use crate::guests::Identity;
use crate::pair::abstract_address;
use crate::socket::{Outcome, Served};
use crate::users::{Held, Limits, Resource};
use crate::wakes::Wakes;

/// Records of one control connection, and rounds of looking for hang-ups, before it is the turn of others.
const SHARE: usize = 16;
/// Clients at a time that have not said anything yet, and are not served unless they show the lease.
const MOST_UNPROVEN: usize = 64;
/// Times that what was done before a command may lead to more that is to be done before it.
const ROUNDS: usize = 4;
/// A record of the client is no longer: its send buffer has this size by default, and root cannot be stopped anyway.
const BUFFER_LEN: usize = 1 << 20;

/// Descriptors that are not a client's and not a socket's.
const LISTENER: u64 = 0;
const WAKES: u64 = 1;
const LEASE: u64 = 2;
const STOP: u64 = 3;
pub(crate) const DEADLINE: u64 = 4;
/// Numbers of clients and sockets begin here; none is used twice.
const FIRST_NUMBER: u64 = 16;

/// Why a service cannot start, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The name of its control socket is taken, or not a name.
    #[error("cannot listen for clients at the abstract name {name}: {source}")]
    Name {
        /// The name.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: Errno,
    },
}

/// A control connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connection: Socket,
    pub(crate) user: u32,
    /// By the rules, or since it has shown our lease.
    pub(crate) is_served: bool,
    pub(crate) greeted: bool,
    pub(crate) joiner: Joiner,
    _held: Held,
}

/// Where clients come to. Bind it before a change of user: clients see, and trust, whose it was then.
#[derive(Debug)]
pub struct Listener(Socket);

impl Listener {
    /// Listens for clients at the abstract UNIX name `name`.
    ///
    /// # Errors
    /// [`ServiceError::Name`].
    pub fn bind(name: &str) -> Result<Self, ServiceError> {
        listen(name).map(Self).map_err(|source| ServiceError::Name { name: name.to_owned(), source })
    }
}

/// A stack that serves other processes.
#[derive(Debug)]
pub struct Service {
    pub(crate) stack: Stack,
    /// Tells this service's descriptors from others'.
    pub(crate) id: u64,
    pub(crate) control: Control,
    pub(crate) sockets: FxHashMap<u64, Served>,
    pub(crate) clients: FxHashMap<u64, Client>,
    pub(crate) wakes: Wakes,
    boards: FxHashMap<u32, Board>,
    /// Numbers of associations, for all programs.
    pub(crate) ids: AssocIds,
    /// `None` once it is to stop.
    pub(crate) listener: Option<Socket>,
    /// What tells its lease from other pipes, if it has one.
    lease: Option<Identity>,
    /// There was no descriptor for a client: the listener is not watched until there may be one.
    is_deaf: bool,
    /// When it is over at the latest, then.
    pub(crate) deadline: Option<TimerFd>,
    epoll: Epoll,
    next_number: u64,
    /// For records.
    pub(crate) buffer: Vec<u8>,
    /// For commands.
    message: Vec<u8>,
}

impl Service {
    /// Serves clients that come to `listener`, as the rules of `control` allow.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn open(stack: Stack, listener: Listener, control: Control) -> Result<Self, ServiceError> {
        let Listener(listener) = listener;
        let system = |what| move |source| ServiceError::System { what, source };
        let epoll =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(system("make an epoll descriptor"))?;
        let wakes = Wakes::new().map_err(system("make an event descriptor"))?;
        for (fd, number) in [(listener.as_fd(), LISTENER), (wakes.as_fd(), WAKES), (control.as_fd(), STOP)] {
            epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, number)).map_err(system("wait for events"))?;
        }
        Ok(Self {
            stack,
            id: rand::random(),
            control,
            sockets: FxHashMap::default(),
            clients: FxHashMap::default(),
            wakes,
            boards: FxHashMap::default(),
            ids: AssocIds::default(),
            listener: Some(listener),
            lease: None,
            is_deaf: false,
            deadline: None,
            epoll,
            next_number: FIRST_NUMBER,
            buffer: vec![0; BUFFER_LEN],
            message: vec![0; MAX_PIECE_LEN],
        })
    }

    /// Serves besides who shows this pipe, whoever that is: a program of which parts give up their privileges.
    #[must_use]
    pub fn serving_who_shows(mut self, pipe: Identity) -> Self {
        self.lease = Some(pipe);
        self
    }

    /// Serves. With a `lease`, which is the reading end of a pipe, until its other ends, all sockets and all
    /// control connections are closed; then the stack, if this is its last handle, still ends its associations in
    /// good order. Without one it serves for ever, or until it is told to [stop](Control::stop).
    ///
    /// # Errors
    /// [`ServiceError::System`] if it cannot wait for events.
    pub fn run(mut self, mut lease: Option<OwnedFd>) -> Result<(), ServiceError> {
        let system = |source| ServiceError::System { what: "wait for events", source };
        if let Some(lease) = &lease {
            self.watch(lease.as_fd(), LEASE, EpollFlags::EPOLLIN).map_err(system)?;
            self.lease = Identity::of(lease).ok();
        }
        let for_ever = lease.is_none();
        let mut events = [EpollEvent::empty(); 64];
        self.wakes.adopt();
        while !self.has_stopped()
            && (for_ever || lease.is_some() || !self.sockets.is_empty() || self.serves_clients())
        {
            let count = match self.doze() {
                Some(patience) => match self.epoll.wait(&mut events, patience) {
                    Err(Errno::EINTR) => 0,
                    other => other.map_err(system)?,
                },
                None => 0,
            };
            for event in events.iter().take(count) {
                match event.data() {
                    LISTENER => self.admit(),
                    // Taken below, with those that this thread has called for.
                    WAKES => {}
                    // Nothing is written into it: its end is the only event.
                    LEASE => lease = None,
                    STOP => self.begin_to_stop(),
                    // Told by the timer itself.
                    DEADLINE => {}
                    number => self.serve(number, event.events()),
                }
            }
            self.wakes.take().into_iter().for_each(|number| self.advance(number));
        }
        Ok(())
    }

    /// Serves the network until there is something else to do. How long to wait for events of other descriptors then; not at all
    /// where there are none.
    fn doze(&self) -> Option<EpollTimeout> {
        // A socket has had its share, and goes on when the others had theirs.
        if self.wakes.are_due() {
            self.stack.look();
            return Some(EpollTimeout::ZERO);
        }
        match self.stack.serve_until(self.epoll.0.as_fd()) {
            Ok(has_events) => has_events.then_some(EpollTimeout::ZERO),
            // A stack that has failed tells so at each call, by its sockets; clients are still answered.
            Err(_) if self.wakes.are_due() => None,
            Err(_) => Some(EpollTimeout::NONE),
        }
    }

    fn serve(&mut self, number: u64, events: EpollFlags) {
        if self.clients.contains_key(&number) {
            return self.listen_to(number);
        }
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.pair.look_again();
            // It may have been told before, and more have come since.
            if events.contains(EpollFlags::EPOLLHUP) && !socket.hung_up && socket.pair.is_left() {
                socket.hang_up(&mut self.ids);
                if !socket.lingers() {
                    socket.holding.release();
                }
                // Told once is enough. The rest of its life is driven by the stack. Cannot fail: it was added.
                let _ = self.epoll.delete(socket.pair.as_fd());
            }
            self.advance(number);
        }
    }

    /// What a program closed before it gave a command is closed when the command is done, and what the stack has called for is
    /// seen: in which order events are told is no promise of the kernel's.
    fn hear(&mut self) -> bool {
        let woken = self.wakes.take();
        let mut any = !woken.is_empty();
        woken.into_iter().for_each(|number| self.advance(number));
        let mut events = [EpollEvent::empty(); 64];
        // The kernel tells of others each time.
        for _ in 0..SHARE {
            let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
            for event in events.iter().take(count) {
                let (number, events) = (event.data(), event.events());
                if events.contains(EpollFlags::EPOLLHUP) && self.sockets.contains_key(&number) {
                    any = true;
                    self.serve(number, events);
                }
            }
            if count < events.len() {
                break;
            }
        }
        any
    }

    /// What has come, and what is due, comes before a command; and so does what follows from it, as far as it stays on this host:
    /// there a kernel has done it when a call returns.
    pub(crate) fn catch_up(&mut self) {
        self.stack.look();
        for _ in 0..ROUNDS {
            if !self.hear() {
                break;
            }
            self.stack.look();
        }
    }

    /// Lets a socket do what it can.
    pub(crate) fn advance(&mut self, number: u64) {
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        match socket.advance(&mut self.buffer, &mut self.ids) {
            Outcome::Over => return self.end(number),
            // Nobody will ask any more.
            _ if self.listener.is_none() && socket.has_ended() && !socket.awaits_last_sends() => {
                return self.end(number);
            }
            Outcome::Again => self.wakes.call(number),
            Outcome::Waits => {}
        }
        socket.seat.show(socket.slot());
        if socket.is_shut_down() && !socket.hung_up {
            socket.pair.shut_down();
        }
        let interest = socket.interest();
        if !socket.hung_up && std::mem::replace(&mut socket.watched, interest) != interest {
            let mut event = EpollEvent::new(interest, number);
            // Cannot fail: it was added, and still is.
            let _ = self.epoll.modify(socket.pair.as_fd(), &mut event);
        }
    }

    fn end(&mut self, number: u64) {
        let Some(mut socket) = self.sockets.remove(&number) else { return };
        socket.forget_all(&mut self.ids);
        drop(socket);
        self.listen_again();
    }

    /// The board of a user.
    pub(crate) fn board(&mut self, user: u32) -> Result<&Board, sctp_abi::Errno> {
        match self.boards.entry(user) {
            Entry::Occupied(board) => Ok(board.into_mut()),
            Entry::Vacant(place) => {
                let board = Board::new(Limits::MOST_SOCKETS).map_err(|_| sctp_abi::Errno::ENOBUFS)?;
                Ok(place.insert(board))
            }
        }
    }

    /// A process that ends may have taken a token, and not asked: who shares its sockets is told anew.
    fn renew_tokens(&mut self, user: u32) {
        let sockets =
            self.sockets.iter_mut().filter(|(_, socket)| socket.user == user || socket.guests.has(user));
        let lost: Vec<u64> =
            sockets.filter_map(|(number, socket)| socket.pair.lost_token().then_some(*number)).collect();
        lost.into_iter().for_each(|number| self.advance(number));
    }

    pub(crate) fn watch(&self, fd: BorrowedFd<'_>, number: u64, events: EpollFlags) -> nix::Result<()> {
        self.epoll.add(fd, EpollEvent::new(events, number))
    }

    pub(crate) fn unwatch(&self, fd: BorrowedFd<'_>) {
        // Cannot fail for what was added.
        let _ = self.epoll.delete(fd);
    }

    pub(crate) fn new_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Takes a control connection, if its user may have one more.
    fn admit(&mut self) {
        let Some(listener) = &self.listener else { return };
        let connection = match listener.accept() {
            Ok((connection, _)) => connection,
            Err(error) if is_short_of_descriptors(&error) => {
                tracing::warn!(%error, "no client can be taken until another one or a socket has gone");
                self.unwatch(listener.as_fd());
                self.is_deaf = true;
                return;
            }
            Err(_) => return,
        };
        let Ok(peer) = getsockopt(&connection, sockopt::PeerCredentials) else { return };
        let (user, own) = (peer.uid(), nix::unistd::geteuid().as_raw());
        let is_served = self.control.rules().access.serves(user, peer.gid(), own);
        if !is_served {
            if self.lease.is_none() {
                return self.refuse(user);
            }
            self.make_room_for_a_proof();
        }
        let Some(held) = self.control.take(user, Resource::Connection) else { return };
        let number = self.new_number();
        let ready = connection.set_nonblocking(true).is_ok()
            && self.watch(connection.as_fd(), number, EpollFlags::EPOLLIN).is_ok();
        if ready {
            let joiner = Joiner::default();
            self.clients
                .insert(number, Client { connection, user, is_served, greeted: false, joiner, _held: held });
        }
    }

    /// Whether there is a client; one who has shown nothing keeps nothing going.
    fn serves_clients(&self) -> bool {
        self.clients.values().any(|client| client.is_served)
    }

    /// One more client may show that it is of our program, that it holds our lease. Of too many that say nothing the oldest goes.
    fn make_room_for_a_proof(&mut self) {
        let unproven = self.clients.iter().filter(|(_, client)| !client.is_served).map(|(number, _)| *number);
        let (count, oldest) = (unproven.clone().count(), unproven.min());
        if let Some(oldest) = oldest.filter(|_| count >= MOST_UNPROVEN) {
            self.clients.remove(&oldest);
        }
    }

    /// Whether this is our lease. Either end of a pipe has the same identity.
    pub(crate) fn is_lease(&self, shown: &OwnedFd) -> bool {
        self.lease.is_some() && Identity::of(shown).ok() == self.lease
    }

    pub(crate) fn refuse(&self, user: u32) {
        self.control.refuse(user);
        tracing::info!(user, "a client is not served");
    }

    /// A descriptor was given back: perhaps for a client who waits.
    fn listen_again(&mut self) {
        if std::mem::take(&mut self.is_deaf)
            && let Some(listener) = &self.listener
        {
            self.is_deaf = self.watch(listener.as_fd(), LISTENER, EpollFlags::EPOLLIN).is_err();
        }
    }

    /// Reads requests and answers them, as far as it is this client's turn. A connection's end ends nothing else: sockets live as
    /// long as descriptors.
    fn listen_to(&mut self, number: u64) {
        let mut message = std::mem::take(&mut self.message);
        for _ in 0..SHARE {
            let Some(client) = self.clients.get_mut(&number) else { break };
            let goes_on = match hear(&client.connection, &mut message) {
                Ok((0, _)) => false,
                Ok((len, shown)) => {
                    let record = message.get(..len).unwrap_or_default();
                    self.answer(number, record, shown.as_ref()).is_ok()
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => error.kind() == ErrorKind::Interrupted,
            };
            if !goes_on && let Some(client) = self.clients.remove(&number) {
                self.renew_tokens(client.user);
                drop(client);
                self.listen_again();
            }
        }
        self.message = message;
    }
}

/// Of this process, or of all; or there is no memory for one.
fn is_short_of_descriptors(error: &io::Error) -> bool {
    let short = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|errno| short.contains(&errno))
}

/// Reads a record, and the descriptor that came with it.
fn hear(connection: &Socket, record: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(record)];
    let heard = recvmsg(connection, parts, &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let shown = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((heard.bytes, shown))
}

fn listen(name: &str) -> io::Result<Socket> {
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    listener.bind(&abstract_address(name.as_bytes())?)?;
    listener.listen(128)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
