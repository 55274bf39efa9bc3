//! The loop, and who is served.

use std::collections::hash_map::Entry;
use std::io::{self, ErrorKind};
use std::mem::replace;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::timerfd::TimerFd;
use rustc_hash::FxHashMap;
use sctp_abi::AssocIds;
use sctp_descriptors::{Joiner, MAX_PIECE_LEN, service_name};
use sctp_user::driver::{Heard, hear};
use sctp_user::stack::Stack;
use socket2::{Domain, Socket, Type};

use crate::board::Board;
use crate::control::Control;
use crate::guests::Identity;
use crate::pair::abstract_address;
use crate::socket::{Outcome, Served};
use crate::turns::Turns;
use crate::users::{Held, Limits, Resource};
use crate::wakes::Wakes;

/// Records of one control connection, and rounds of looking for hang-ups, before it is the turn of others; of a connection 1 where users
/// get in each other's way.
const SHARE: usize = 16;
/// So many bare records, bytes of a request, and sockets to look at count as a turn of their user's beside the one that it has.
const TURN_RECORDS: usize = 8;
const TURN_BYTES: usize = 64 << 10;
const TURN_SOCKETS: usize = 64;
/// Clients at a time that have not said anything yet, and are not served unless they show what they hold.
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
/// Numbers of clients and sockets begin here; each is larger than the one before, and none is used twice in a hundred thousand million.
const FIRST_NUMBER: u64 = 16;
/// How much larger is up to chance, below 2 to the power of 28: more than anybody has names for.
const STEP_SHIFT: u32 = 4;

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
    /// Who says what comes by it: at first who has opened it.
    pub(crate) user: u32,
    /// By the rules, or since it has shown our lease.
    pub(crate) is_served: bool,
    /// It has shown a socket of ours, and is served for what sockets it holds.
    pub(crate) is_guest: bool,
    pub(crate) greeted: bool,
    pub(crate) joiner: Joiner,
    /// It waits for its turn.
    is_due: bool,
    /// The kernel is to tell of what it says.
    is_watched: bool,
    _held: Held,
}

/// Where clients come to. Bind it before a change of user: clients see, and trust, whose it was then.
#[derive(Debug)]
pub struct Listener {
    by_name: Socket,
    /// For who knows no more of the service than a socket.
    by_id: Socket,
    id: u64,
}

impl Listener {
    /// Listens for clients at the abstract UNIX name `name`, and at the one that its sockets tell ([`service_name`]).
    ///
    /// # Errors
    /// [`ServiceError::Name`].
    pub fn bind(name: &str) -> Result<Self, ServiceError> {
        let at =
            |name: &str| listen(name).map_err(|source| ServiceError::Name { name: name.to_owned(), source });
        let id = rand::random();
        Ok(Self { by_name: at(name)?, by_id: at(&service_name(id))?, id })
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
    turns: Turns,
    boards: FxHashMap<u32, Board>,
    /// Numbers of associations, for all programs.
    pub(crate) ids: AssocIds,
    /// None once it is to stop.
    pub(crate) listeners: Vec<Socket>,
    /// What tells its lease from other pipes, if it has one.
    lease: Option<Identity>,
    /// There was no descriptor for a client: the listener is not watched until there may be one.
    is_deaf: bool,
    /// When it is over at the latest, then.
    pub(crate) deadline: Option<TimerFd>,
    epoll: Epoll,
    latest_number: u64,
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
        let Listener { by_name, by_id, id } = listener;
        let system = |what| move |source| ServiceError::System { what, source };
        let epoll =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(system("make an epoll descriptor"))?;
        let wakes = Wakes::new().map_err(system("make an event descriptor"))?;
        let own = [(wakes.as_fd(), WAKES), (control.as_fd(), STOP)];
        for (fd, number) in [(by_name.as_fd(), LISTENER), (by_id.as_fd(), LISTENER)].into_iter().chain(own) {
            epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, number)).map_err(system("wait for events"))?;
        }
        Ok(Self {
            stack,
            id,
            control,
            sockets: FxHashMap::default(),
            clients: FxHashMap::default(),
            wakes,
            turns: Turns::default(),
            boards: FxHashMap::default(),
            ids: AssocIds::default(),
            listeners: vec![by_name, by_id],
            lease: None,
            is_deaf: false,
            deadline: None,
            epoll,
            latest_number: FIRST_NUMBER,
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
                    number => self.note(number, event.events()),
                }
            }
            self.wakes.take().into_iter().for_each(|number| self.line_up(number));
            for _ in 0..self.turns.round() {
                self.turns.next().into_iter().for_each(|number| self.serve(number));
            }
        }
        Ok(())
    }

    /// Serves the network until there is something else to do. How long to wait for events of other descriptors then; not at all
    /// where there are none.
    fn doze(&self) -> Option<EpollTimeout> {
        // Who has had a share goes on when the others had theirs.
        if self.turns.are_due() || self.wakes.are_due() {
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

    /// The kernel has news of a client or a socket.
    fn note(&mut self, number: u64, events: EpollFlags) {
        if let Some(client) = self.clients.get_mut(&number) {
            if !replace(&mut client.is_due, true) {
                self.turns.wait(client.user, number);
            } else if replace(&mut client.is_watched, false) {
                // It would be told again and again until its turn has come.
                let _ = self.epoll.delete(client.connection.as_fd());
            }
        } else if let Some(socket) = self.sockets.get_mut(&number) {
            // It may have been told before, and more have come since.
            socket.pair.look_again();
            if events.contains(EpollFlags::EPOLLHUP) {
                return self.hang_up(number);
            }
            // As above; but its last close is told of.
            let nothing = EpollFlags::EPOLLET;
            if socket.is_due && replace(&mut socket.watched, nothing) != nothing {
                let _ = self.epoll.modify(socket.pair.as_fd(), &mut EpollEvent::new(nothing, number));
            }
            self.line_up(number);
        }
    }

    /// There is something to do for a socket, when it is its user's turn.
    fn line_up(&mut self, number: u64) {
        if let Some(socket) = self.sockets.get_mut(&number)
            && !replace(&mut socket.is_due, true)
        {
            self.turns.wait(socket.user, number);
        }
    }

    /// It is its turn.
    fn serve(&mut self, number: u64) {
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.is_due = false;
            return self.advance(number);
        }
        self.listen_to(number);
    }

    /// The last copy of a program's descriptor is closed, or its pair is shut down both ways.
    fn hang_up(&mut self, number: u64) {
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        if !socket.hung_up && socket.pair.is_left() {
            socket.hang_up(&mut self.ids);
            if !socket.lingers() {
                socket.holding.release();
            }
            // Told once is enough. The rest of its life is driven by the stack. Cannot fail: it was added.
            let _ = self.epoll.delete(socket.pair.as_fd());
        }
        self.turns.charge(socket.user, 1);
        self.advance(number);
    }

    /// What a program closed before it gave a command is closed when the command is done, and what the stack has called for is
    /// seen: in which order events are told is no promise of the kernel's.
    fn hear(&mut self, user: u32) -> bool {
        let mut any = false;
        for number in self.wakes.take() {
            let owner = self.sockets.get(&number).map(|socket| socket.user);
            if self.turns.are_contended() && owner != Some(user) {
                // That is for its owner's turn.
                self.line_up(number);
                continue;
            }
            any = true;
            self.turns.charge(user, 1);
            self.advance(number);
        }
        let mut events = [EpollEvent::empty(); 64];
        for _ in 0..SHARE {
            let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
            // What else there is the kernel tells each time, until it is in a line and not watched any more.
            let is_crowded = self.turns.are_contended() || count == events.len();
            for event in events.iter().take(count) {
                let (number, events) = (event.data(), event.events());
                let is_news = events.contains(EpollFlags::EPOLLHUP) && self.sockets.contains_key(&number);
                any |= is_news;
                if is_news || is_crowded {
                    self.note(number, events);
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
    pub(crate) fn catch_up(&mut self, user: u32) {
        self.stack.look();
        for _ in 0..ROUNDS {
            if !self.hear(user) {
                break;
            }
            self.stack.look();
        }
    }

    /// Lets a socket do what it can.
    pub(crate) fn advance(&mut self, number: u64) {
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        socket.is_contended = self.turns.are_contended();
        let outcome = socket.advance(&mut self.buffer, &mut self.ids);
        self.turns.charge(socket.user, std::mem::take(&mut socket.passed) / TURN_RECORDS);
        match outcome {
            Outcome::Over => return self.end(number),
            // Nobody will ask any more.
            _ if self.listeners.is_empty() && socket.has_ended() && !socket.awaits_last_sends() => {
                return self.end(number);
            }
            Outcome::Again if !replace(&mut socket.is_due, true) => self.turns.wait(socket.user, number),
            Outcome::Again | Outcome::Waits => {}
        }
        socket.seat.show(socket.slot());
        if socket.is_shut_down() && !socket.hung_up {
            socket.pair.shut_down();
        }
        let interest = socket.interest();
        if !socket.hung_up && replace(&mut socket.watched, interest) != interest {
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
        self.charge_for_all_sockets(user);
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

    /// It is the name of a socket for all to see, and anybody may take an abstract name: so nobody can tell which one comes next.
    pub(crate) fn new_number(&mut self) -> u64 {
        loop {
            let step = 1 + u64::from(rand::random::<u32>() >> STEP_SHIFT);
            let number = self.latest_number.wrapping_add(step);
            self.latest_number = number;
            let is_free = !self.sockets.contains_key(&number) && !self.clients.contains_key(&number);
            if number >= FIRST_NUMBER && is_free {
                return number;
            }
        }
    }

    /// Takes a control connection from each place where it listens.
    fn admit(&mut self) {
        let come: Vec<_> = self.listeners.iter().map(Socket::accept).collect();
        for comes in come {
            match comes {
                Ok((connection, _)) => self.take(connection),
                Err(error) if is_short_of_descriptors(&error) => {
                    tracing::warn!(%error, "no client can be taken until another one or a socket has gone");
                    self.listeners.iter().for_each(|listener| self.unwatch(listener.as_fd()));
                    self.is_deaf = true;
                    return;
                }
                Err(_) => {}
            }
        }
    }

    /// Takes a control connection, if its user may have one more.
    fn take(&mut self, connection: Socket) {
        let Ok(peer) = getsockopt(&connection, sockopt::PeerCredentials) else { return };
        let (user, own) = (peer.uid(), nix::unistd::geteuid().as_raw());
        self.turns.charge(user, 1);
        let is_served = self.control.rules().access.serves(user, peer.gid(), own);
        if !is_served {
            self.make_room_for_a_proof();
        }
        let Some(held) = self.control.take(user, Resource::Connection) else { return };
        let number = self.new_number();
        let ready = connection.set_nonblocking(true).is_ok()
            && self.watch(connection.as_fd(), number, EpollFlags::EPOLLIN).is_ok();
        if ready {
            let (is_guest, greeted, is_due, is_watched) = (false, false, false, true);
            let joiner = Joiner::default();
            let client = Client {
                connection,
                user,
                is_served,
                is_guest,
                greeted,
                joiner,
                is_due,
                is_watched,
                _held: held,
            };
            self.clients.insert(number, client);
        }
    }

    /// Whether there is a client; one who has shown nothing keeps nothing going.
    fn serves_clients(&self) -> bool {
        self.clients.values().any(|client| client.is_served)
    }

    /// One more client may show that it holds our lease, or a socket of ours. Of too many that say nothing the oldest goes.
    fn make_room_for_a_proof(&mut self) {
        let is_unproven = |client: &Client| !client.is_served && !client.is_guest;
        let unproven =
            self.clients.iter().filter(|(_, client)| is_unproven(client)).map(|(number, _)| *number);
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
        let is_heard = |listener: &Socket| match self.watch(listener.as_fd(), LISTENER, EpollFlags::EPOLLIN) {
            Ok(()) | Err(Errno::EEXIST) => true,
            Err(_) => false,
        };
        if self.is_deaf {
            self.is_deaf = !self.listeners.iter().all(is_heard);
        }
    }

    /// Reads requests and answers them, as far as it is this client's turn. A connection's end ends nothing else: sockets live as
    /// long as descriptors.
    fn listen_to(&mut self, number: u64) {
        let mut message = std::mem::take(&mut self.message);
        let share = if self.turns.are_contended() { 1 } else { SHARE };
        for _ in 0..share {
            let Some(client) = self.clients.get_mut(&number) else { break };
            let goes_on = match hear(&client.connection, &mut message) {
                Ok(Heard { len: 0, .. }) => false,
                Ok(Heard { len, shown, user }) => {
                    // A process may have become another user since it came. The kernel tells of each record.
                    client.user = user.unwrap_or(client.user);
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
        self.hear_again_of(number);
    }

    /// It waits no more; the kernel is to tell of what it says next.
    fn hear_again_of(&mut self, number: u64) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        client.is_due = false;
        if !replace(&mut client.is_watched, true) {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
            if self.epoll.add(client.connection.as_fd(), event).is_err() {
                // It would wait for ever.
                self.clients.remove(&number);
            }
        }
    }

    /// What is asked for costs more than most.
    pub(crate) fn charge(&mut self, user: u32, message: &[u8]) {
        self.turns.charge(user, message.len() / TURN_BYTES);
    }

    /// So does what looks at all sockets.
    pub(crate) fn charge_for_all_sockets(&mut self, user: u32) {
        self.turns.charge(user, self.sockets.len() / TURN_SOCKETS);
    }
}

/// Of this process, or of all; or there is no memory for one.
fn is_short_of_descriptors(error: &io::Error) -> bool {
    let short = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|errno| short.contains(&errno))
}

fn listen(name: &str) -> io::Result<Socket> {
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    listener.bind(&abstract_address(name.as_bytes())?)?;
    listener.listen(128)?;
    listener.set_nonblocking(true)?;
    // What is accepted has it, too, from its first record on.
    setsockopt(&listener, sockopt::PassCred, &true)?;
    Ok(listener)
}
