//! Pool users over TCP (RFC 5352, 2.1 and 3.3): connections in the place of associations.
//!
//! Who connects may mean harm: there is a limit to their number, a message that has begun has to end soon, who does not take an
//! answer is not asked for more, and given up after a while.

mod connection;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rustc_hash::FxHashMap;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use socketapi::Time;

use super::Error;
use crate::timers::Timers;
use crate::transport::{AssociationId, LostReason, Peer, Side, TransportEvent, UserMessage};
use crate::wire::ASAP_PPID;
use connection::{Connection, Reading};

/// What the TCP side of a registrar takes, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Its addresses and port; none for those of the ASAP side.
    pub place: Option<(Vec<IpAddr>, u16)>,
    /// Whether a registrar that cannot listen there does not start; else it goes on without TCP, and warns.
    pub is_required: bool,
    /// Whether announces tell of it. They then have transports in them: those of TCP, and the one of SCTP.
    pub is_announced: bool,
    /// Connections at the same time; further ones are closed at once.
    pub max_connections: usize,
    /// Connections of one address at the same time.
    pub max_of_address: usize,
    /// How long a message may take from its first byte to its last, and an answer until it is taken.
    pub patience: Duration,
}

impl Default for TcpOptions {
    /// Where the ASAP side is, if that is possible.
    fn default() -> Self {
        Self {
            place: None,
            is_required: false,
            is_announced: false,
            max_connections: 4096,
            max_of_address: 256,
            patience: Duration::from_secs(30),
        }
    }
}

/// Whom the TCP side of a registrar has sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TcpRefusals {
    /// Connections closed at once, because there were too many.
    pub too_many: u64,
    /// Connections ended because of a message that took too long, or an answer that was not taken.
    pub too_slow: u64,
}

/// Longest request that a registrar takes over TCP. Pool users have nothing long to say.
const MAX_REQUEST: usize = 4096;
/// Longest answer that a pool user takes.
const MAX_ANSWER: usize = u16::MAX as usize;
/// What is looked at together.
const BATCH: usize = 64;
/// How long not to listen when there are no descriptors.
const PAUSE: Duration = Duration::from_secs(1);
/// Users that may wait to be accepted.
const BACKLOG: i32 = 1024;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Deadline {
    /// A message has begun.
    Message(AssociationId),
    /// An answer is not taken.
    Output(AssociationId),
    /// A listener pauses.
    Listen(usize),
}

/// The TCP connections of one machine.
pub(super) struct TcpEndpoint {
    epoll: Epoll,
    listeners: Vec<TcpListener>,
    options: TcpOptions,
    /// Where own connections come from; none for what the system chooses.
    local: Vec<IpAddr>,
    connections: BTreeMap<AssociationId, Connection>,
    of_address: FxHashMap<IpAddr, usize>,
    /// Connections that may have something to read, once each.
    ready: VecDeque<AssociationId>,
    deadlines: Timers<Deadline>,
    events: VecDeque<TransportEvent>,
    refusals: TcpRefusals,
}

/// Names a connection, or a listener, to the kernel.
fn token(id: AssociationId) -> u64 {
    match id {
        AssociationId::Incoming(number) => number << 2,
        AssociationId::Outgoing(number) => (number << 2) | 1,
    }
}

const LISTENER: u64 = 2;

impl TcpEndpoint {
    /// One that connects only.
    pub(super) fn open(local: Vec<IpAddr>, options: TcpOptions) -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(io::Error::from)
            .map_err(Error::system("prepare for TCP"))?;
        Ok(Self {
            epoll,
            listeners: Vec::new(),
            options,
            local,
            connections: BTreeMap::new(),
            of_address: FxHashMap::default(),
            ready: VecDeque::new(),
            deadlines: Timers::new(),
            events: VecDeque::new(),
            refusals: TcpRefusals::default(),
        })
    }

    /// Takes connections at an address.
    pub(super) fn listen(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        self.listeners.push(socket.into());
        self.watch_listener(self.listeners.len() - 1)
    }

    /// Where it listens.
    pub(super) fn places(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    pub(super) fn refusals(&self) -> TcpRefusals {
        self.refusals
    }

    fn watch_listener(&self, index: usize) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, ((index as u64) << 2) | LISTENER);
        Ok(self.epoll.add(&self.listeners[index], event)?)
    }

    /// Readable when there is something to do.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    pub(super) fn contains(&self, id: AssociationId) -> bool {
        self.connections.contains_key(&id)
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// Gives up who has taken too long.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        while let Some(deadline) = self.deadlines.pop_expired(now) {
            match deadline {
                Deadline::Message(id) | Deadline::Output(id) => {
                    tracing::debug!(?id, "the peer is too slow");
                    self.refusals.too_slow += 1;
                    self.reset(id);
                    self.lose(id, LostReason::TimedOut);
                }
                Deadline::Listen(index) => {
                    if let Err(error) = self.watch_listener(index) {
                        tracing::warn!(%error, "cannot listen");
                    }
                }
            }
        }
    }

    /// Looks what has happened. Whether there is something to poll.
    pub(super) fn look(&mut self, now: Time, next_incoming: &mut u64) -> bool {
        let mut events = [EpollEvent::empty(); BATCH];
        let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        for event in &events[..count] {
            let number = event.data() >> 2;
            match event.data() & 3 {
                LISTENER => self.accept_from(number as usize, now, next_incoming),
                0 => self.handle_readiness(AssociationId::Incoming(number), now),
                _ => self.handle_readiness(AssociationId::Outgoing(number), now),
            }
        }
        !self.ready.is_empty() || !self.events.is_empty()
    }

    fn accept_from(&mut self, index: usize, now: Time, next_incoming: &mut u64) {
        for _ in 0..BATCH {
            match self.listeners[index].accept() {
                Ok((stream, peer)) => self.accept(stream, peer, next_incoming),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "no TCP connections can be taken for a moment");
                    // The kernel would tell of it again and again.
                    let _ = self.epoll.delete(&self.listeners[index]);
                    return self.deadlines.set(Deadline::Listen(index), now + PAUSE);
                }
            }
        }
    }

    fn accept(&mut self, stream: TcpStream, peer: SocketAddr, next_incoming: &mut u64) {
        let address = peer.ip().to_canonical();
        let of_address = self.of_address.get(&address).copied().unwrap_or_default();
        if self.connections.len() >= self.options.max_connections || of_address >= self.options.max_of_address
        {
            tracing::debug!(%peer, "too many TCP connections");
            self.refusals.too_many += 1;
            return;
        }
        let id = AssociationId::Incoming(*next_incoming);
        *next_incoming += 1;
        let connection = Connection::accepted(stream, peer, MAX_REQUEST);
        match connection.and_then(|connection| self.add(id, connection)) {
            Ok(()) => {
                let peer = Peer { addresses: vec![address], port: peer.port() };
                let side = Side::AsapTcp;
                self.events.push_back(TransportEvent::Accepted { association: id, side, peer });
            }
            Err(error) => tracing::debug!(%error, %peer, "TCP connection lost at once"),
        }
    }

    fn add(&mut self, id: AssociationId, connection: Connection) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        self.epoll.add(connection.stream(), EpollEvent::new(flags, token(id)))?;
        if matches!(id, AssociationId::Incoming(_)) {
            *self.of_address.entry(connection.address()).or_default() += 1;
        }
        self.connections.insert(id, connection);
        Ok(())
    }

    /// Sets up a connection: with the first address, since TCP has no other.
    pub(super) fn connect(&mut self, id: AssociationId, peer: &Peer) {
        let Some(&address) = peer.addresses.first() else {
            return self
                .events
                .push_back(TransportEvent::Lost { association: id, reason: LostReason::Unreachable });
        };
        let to = SocketAddr::new(address, peer.port);
        let from = self.local.iter().find(|local| local.is_ipv4() == address.is_ipv4());
        let connection = Connection::connecting(to, from.copied(), MAX_ANSWER);
        if let Err(error) = connection.and_then(|connection| self.add(id, connection)) {
            tracing::debug!(%error, %to, "cannot connect");
            self.events.push_back(TransportEvent::Lost { association: id, reason: LostReason::Unreachable });
        }
    }

    fn handle_readiness(&mut self, id: AssociationId, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.is_connecting() {
            match connection.finish_connecting() {
                Ok(false) => return,
                Ok(true) => {
                    let peer = connection.peer();
                    self.events.push_back(TransportEvent::Connected { association: id, peer });
                }
                Err(error) => return self.lose(id, reason(&error)),
            }
        }
        self.flush(id, now);
        self.make_ready(id);
    }

    fn make_ready(&mut self, id: AssociationId) {
        if self.connections.get_mut(&id).is_some_and(Connection::become_ready) {
            self.ready.push_back(id);
        }
    }

    /// The next thing that happened.
    pub(super) fn poll(&mut self, now: Time) -> Option<TransportEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let id = self.ready.pop_front()?;
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let reading = connection.read();
            self.watch_message(id, &reading, now);
            match reading {
                Reading::Message(data) => {
                    self.make_ready(id);
                    let message = UserMessage::new(ASAP_PPID, data);
                    return Some(TransportEvent::Message { association: id, message });
                }
                Reading::More => self.make_ready(id),
                Reading::Nothing => {}
                Reading::End(reason) => {
                    if reason != LostReason::Shutdown {
                        self.reset(id);
                    }
                    self.lose(id, reason);
                }
            }
        }
    }

    fn watch_message(&mut self, id: AssociationId, reading: &Reading, now: Time) {
        let is_within = self.connections.get(&id).is_some_and(Connection::is_within_message);
        let deadline = Deadline::Message(id);
        if !is_within || matches!(reading, Reading::Message(_)) {
            self.deadlines.clear(deadline);
        }
        if is_within && !self.deadlines.is_running(deadline) {
            self.deadlines.set(deadline, now + self.options.patience);
        }
    }

    pub(super) fn send(&mut self, id: AssociationId, data: &Bytes, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.queue(data) {
            true => self.flush(id, now),
            false => {
                tracing::debug!(?id, "the peer reads too slowly");
                self.refusals.too_slow += 1;
                self.reset(id);
                self.lose(id, LostReason::Local);
            }
        }
    }

    fn flush(&mut self, id: AssociationId, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.flush() {
            Err(error) => self.lose(id, reason(&error)),
            Ok(false) if !self.deadlines.is_running(Deadline::Output(id)) => {
                self.deadlines.set(Deadline::Output(id), now + self.options.patience);
            }
            Ok(false) => {}
            Ok(true) if connection.is_closing() => self.remove(id),
            Ok(true) => {
                self.deadlines.clear(Deadline::Output(id));
                self.make_ready(id);
            }
        }
    }

    /// Closes once everything is sent.
    pub(super) fn shut_down(&mut self, id: AssociationId, now: Time) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.close();
            self.flush(id, now);
        }
    }

    pub(super) fn abort(&mut self, id: AssociationId) {
        self.reset(id);
        self.remove(id);
    }

    /// Makes the end an abrupt one.
    fn reset(&self, id: AssociationId) {
        if let Some(connection) = self.connections.get(&id)
            && let Err(error) = SockRef::from(connection.stream()).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(%error, ?id, "cannot reset");
        }
    }

    fn lose(&mut self, id: AssociationId, reason: LostReason) {
        let is_known = self.connections.get(&id).is_some_and(|connection| !connection.is_closing());
        self.remove(id);
        if is_known {
            self.events.push_back(TransportEvent::Lost { association: id, reason });
        }
    }

    fn remove(&mut self, id: AssociationId) {
        self.deadlines.clear(Deadline::Message(id));
        self.deadlines.clear(Deadline::Output(id));
        let Some(connection) = self.connections.remove(&id) else { return };
        if matches!(id, AssociationId::Incoming(_))
            && let Some(count) = self.of_address.get_mut(&connection.address())
        {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&connection.address());
            }
        }
    }
}

fn reason(error: &io::Error) -> LostReason {
    match error.kind() {
        ErrorKind::TimedOut => LostReason::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => LostReason::Unreachable,
        _ => LostReason::Aborted,
    }
}
