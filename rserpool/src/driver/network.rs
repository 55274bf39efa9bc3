//! The associations of one machine over SCTP sockets: names of the machine on one side, sockets on the other.
//!
//! Here are the sockets, and what the machine wants done; [`events`] is what happens to it.

mod events;
mod flow;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::BytesMut;
use rustc_hash::{FxHashMap, FxHashSet};
use socketapi::{
    AssociationConfig, AssociationId as SocketAssociation, Error as SocketError, Notifications, Poller,
    SctpSocket, SendInfo, SocketBuilder, Stack,
};

use super::Error;
use super::backlog::Backlogs;
use super::multicast::{AnnounceReceiver, AnnounceSender};
use super::names::{NameOptions, Names};
use super::tcp::{TcpEndpoint, TcpOptions, TcpRefusals};
use crate::transport::{AssociationId, Command, LostReason, Peer, Side, TransportEvent, UserMessage};
use crate::{RegistrarName, Time};

pub(super) use flow::Flow;

/// Where a machine's sockets are bound, and what its associations are like.
pub(super) struct Binding {
    /// Which of the machine's endpoints it is.
    pub(super) side: Side,
    /// Our addresses; none for all of the stack's.
    pub(super) addresses: Vec<IpAddr>,
    /// Our port, 0 for any.
    pub(super) port: u16,
    /// Whether peers may set up associations with us.
    pub(super) listen: bool,
    pub(super) config: AssociationConfig,
}

/// One association.
struct Link {
    /// Index of its socket.
    socket: usize,
    id: SocketAssociation,
    /// With whom, where we have set it up.
    peer: Option<Peer>,
    /// The machine has forgotten it: shut it down once the backlog is sent.
    is_closing: bool,
    /// What comes of it is not read for now.
    is_paused: bool,
    /// A message of which more is to come.
    begun: BytesMut,
}

/// Moves the messages of one machine.
///
/// Two associations with the same peer need two ports on our side. So what the first socket cannot connect to, because
/// it has an association with that peer already, is connected to from another socket.
pub(super) struct Network {
    stack: Stack,
    poller: Poller,
    sockets: Vec<Bound>,
    links: FxHashMap<AssociationId, Link>,
    backlogs: Backlogs,
    names: FxHashMap<SocketAssociation, AssociationId>,
    next_incoming: u64,
    /// What happened outside of the sockets: associations that could not be begun, for example.
    events: VecDeque<TransportEvent>,
    /// Sockets that may have something to read, each once: they take turns.
    ready: VecDeque<usize>,
    senders: Vec<(Side, AnnounceSender)>,
    pub(super) receivers: Vec<AnnounceReceiver>,
    /// Our addresses towards elements and users, as the machine knows them.
    known_addresses: Vec<IpAddr>,
    /// Names that are being resolved.
    lookups: Vec<Names>,
    tcp: Option<TcpEndpoint>,
    /// Whether peers that do not read what is sent to them are not read either.
    awaits_readers: bool,
    /// Counts what is polled.
    turn: u32,
}

/// A socket of one of the machine's endpoints; the first of each is the one that it is known by.
struct Bound {
    side: Side,
    config: AssociationConfig,
    socket: SctpSocket,
    is_ready: bool,
}

impl Network {
    pub(super) fn open(stack: &Stack, binding: Binding) -> Result<Self, Error> {
        let mut network = Self {
            stack: stack.clone(),
            poller: Poller::new(stack),
            sockets: Vec::new(),
            links: FxHashMap::default(),
            backlogs: Backlogs::default(),
            names: FxHashMap::default(),
            next_incoming: 0,
            events: VecDeque::new(),
            ready: VecDeque::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            known_addresses: Vec::new(),
            lookups: Vec::new(),
            tcp: None,
            awaits_readers: false,
            turn: 0,
        };
        network.bind(binding)?;
        Ok(network)
    }

    /// Opens one of the machine's endpoints.
    pub(super) fn bind(&mut self, binding: Binding) -> Result<(), Error> {
        let Binding { side, addresses, port, listen, config } = binding;
        let any = IpAddr::from([0, 0, 0, 0]);
        let addresses = if addresses.is_empty() { vec![any] } else { addresses };
        let bind: Vec<_> = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(self.add_socket(side, &config, &bind, listen)?)
    }

    /// From now on peers that do not read what is sent to them are not read either: who answers all that comes has never so much for one of
    /// them that it would have to be aborted.
    pub(super) fn await_readers(&mut self) {
        self.awaits_readers = true;
    }

    /// Sends announces of an endpoint to a group, from its addresses and port. Whether any of its interfaces knows multicast.
    pub(super) fn announce_to(&mut self, side: Side, group: SocketAddr, ttl: u32) -> Result<bool, Error> {
        let (addresses, port) = self.local(side)?;
        let sender = AnnounceSender::open(group, ttl, &addresses, port)?;
        let reaches_any = sender.reaches_any();
        self.senders.push((side, sender));
        Ok(reaches_any)
    }

    /// Finds out what names of registrars stand for, and tells the machine each time.
    pub(super) fn resolve(
        &mut self,
        side: Side,
        names: &[RegistrarName],
        options: &NameOptions,
    ) -> Result<(), Error> {
        if !names.is_empty() {
            self.lookups.push(Names::start(side, names.to_vec(), options.clone())?);
        }
        Ok(())
    }

    /// Connects over TCP as well, from these addresses; none for what the system chooses.
    pub(super) fn use_tcp(&mut self, addresses: Vec<IpAddr>) -> Result<(), Error> {
        self.tcp = Some(TcpEndpoint::open(addresses, TcpOptions::default())?);
        Ok(())
    }

    /// Takes connections over TCP as well: at `addresses`, unless the options say where.
    pub(super) fn serve_tcp(
        &mut self,
        options: &TcpOptions,
        addresses: Vec<IpAddr>,
        port: u16,
    ) -> Result<(), Error> {
        let (addresses, port) = options.place.clone().unwrap_or((addresses, port));
        let mut tcp = TcpEndpoint::open(Vec::new(), options.clone())?;
        for address in addresses {
            match tcp.listen(SocketAddr::new(address, port)) {
                Err(error) if options.is_required => {
                    return Err(Error::system("listen for pool users over TCP")(error));
                }
                Err(error) => {
                    tracing::warn!(%error, %address, port, "no pool users are served over TCP here")
                }
                Ok(()) => {}
            }
        }
        self.tcp = Some(tcp);
        Ok(())
    }

    /// Where connections over TCP are taken.
    pub(super) fn tcp_places(&self) -> Vec<SocketAddr> {
        self.tcp.as_ref().map_or_else(Vec::new, TcpEndpoint::places)
    }

    pub(super) fn tcp_refusals(&self) -> TcpRefusals {
        self.tcp.as_ref().map(TcpEndpoint::refusals).unwrap_or_default()
    }

    fn add_socket(
        &mut self,
        side: Side,
        config: &AssociationConfig,
        bind: &[SocketAddr],
        listen: bool,
    ) -> Result<(), SocketError> {
        let notifications = Notifications::ASSOCIATION
            | Notifications::PATHS
            | Notifications::SENDER_DRY
            | Notifications::SEND_FAILED
            | Notifications::PARTIAL_DELIVERY;
        let builder = SocketBuilder::new(&self.stack)
            .config(config.clone())
            .bind(bind)
            .notifications(notifications)
            .nonblocking();
        let socket = if listen { builder.one_to_many()? } else { builder.one_to_many_client()? };
        self.poller.add(socket.socket(), self.sockets.len() as u64, false)?;
        self.sockets.push(Bound { side, config: config.clone(), socket, is_ready: false });
        Ok(())
    }

    /// The port of an endpoint, and its addresses. Loopback and link-local addresses are left out when there are
    /// others: they mean something else on other hosts.
    pub(super) fn local(&self, side: Side) -> Result<(Vec<IpAddr>, u16), Error> {
        let first = self.sockets.iter().find(|bound| bound.side == side);
        let all = first.map_or(Ok(Vec::new()), |bound| bound.socket.local_addrs())?;
        let port = all.first().map_or(0, SocketAddr::port);
        Ok((for_others(all).iter().map(SocketAddr::ip).collect(), port))
    }

    /// The same as socket addresses; none if they cannot be had.
    pub(super) fn places(&self, side: Side) -> Vec<SocketAddr> {
        let (addresses, port) = self.local(side).unwrap_or_default();
        addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
    }

    /// What to poll: the sockets' bell first, then the multicast sockets, the answers to names, TCP.
    pub(super) fn descriptors(&self) -> Result<Vec<OwnedFd>, Error> {
        let copy = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map_err(Error::system("copy a descriptor"));
        let mut all = vec![self.poller.descriptor()?];
        for socket in self.receivers.iter().flat_map(AnnounceReceiver::sockets) {
            all.push(copy(socket.as_fd())?);
        }
        for names in &self.lookups {
            all.push(copy(names.descriptor())?);
        }
        if let Some(tcp) = &self.tcp {
            all.push(copy(tcp.descriptor())?);
        }
        Ok(all)
    }

    /// Whether messages of an association wait for room in its send buffer.
    pub(super) fn has_backlog(&self, association: AssociationId) -> bool {
        self.backlogs.contains(association)
    }

    /// Whether messages of any association do.
    pub(super) fn has_backlogs(&self) -> bool {
        !self.backlogs.is_empty()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.tcp.as_ref()?.poll_timeout()
    }

    /// Time passed.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if let Some(tcp) = &mut self.tcp {
            tcp.handle_timeout(now);
        }
    }

    /// Does what a machine wants done, without waiting.
    pub(super) fn execute(&mut self, command: Command) {
        let Some(command) = self.execute_over_tcp(command) else { return };
        match command {
            Command::Connect { association, side, peer } => self.connect(association, side, &peer),
            Command::Send { association, message } => self.send(association, message),
            Command::Shutdown { association } => self.shut_down(association),
            Command::Abort { association } => self.abort(association, b""),
            Command::Measure { association } => self.measure(association),
            Command::Resolve { side } => {
                self.lookups.iter().filter(|names| names.side() == side).for_each(Names::wish);
            }
            Command::Announce { side, data } => {
                let senders = self.senders.iter_mut().filter(|(of, _)| *of == side);
                senders.for_each(|(_, sender)| sender.send(&data));
            }
        }
    }

    fn shut_down(&mut self, association: AssociationId) {
        if let Some(link) = self.links.get_mut(&association) {
            link.is_closing = true;
            self.control(Flow::Resume(association));
            self.flush(association);
        }
    }

    /// Shuts all associations over SCTP down, and takes no more.
    pub(super) fn shut_all_down(&mut self) {
        for bound in &self.sockets {
            if let Err(error) = bound.socket.stop_listening() {
                tracing::debug!(%error, "a stack that has failed takes nobody anyway");
            }
        }
        let all: Vec<_> = self.links.keys().copied().collect();
        all.into_iter().for_each(|association| self.shut_down(association));
    }

    /// Does what concerns a TCP connection; returns what does not.
    fn execute_over_tcp(&mut self, command: Command) -> Option<Command> {
        let Some(tcp) = &mut self.tcp else { return Some(command) };
        let now = self.stack.now();
        match command {
            Command::Connect { association, side: Side::AsapTcp, peer } => tcp.connect(association, &peer),
            Command::Send { association, message } if tcp.contains(association) => {
                tcp.send(association, &message.data, now);
            }
            Command::Shutdown { association } if tcp.contains(association) => tcp.shut_down(association, now),
            Command::Abort { association } if tcp.contains(association) => tcp.abort(association),
            other => return Some(other),
        }
        None
    }

    fn measure(&mut self, association: AssociationId) {
        let Some(link) = self.links.get(&association) else { return };
        let Ok(status) = self.sockets[link.socket].socket.status(link.id) else { return };
        let primary = status.paths.iter().find(|path| Some(path.address) == status.primary);
        if let Some(round_trip) = primary.and_then(|path| path.srtt) {
            self.events.push_back(TransportEvent::Measured { association, round_trip });
        }
    }

    fn connect(&mut self, name: AssociationId, side: Side, peer: &Peer) {
        match self.try_connect(side, peer) {
            Ok((socket, id)) => self.add_link(name, socket, id, Some(peer.clone())),
            Err(error) => {
                tracing::debug!(%error, ?peer, "cannot connect");
                self.events.push_back(TransportEvent::Lost { association: name, reason: LostReason::Local });
            }
        }
    }

    fn try_connect(&mut self, side: Side, peer: &Peer) -> Result<(usize, SocketAssociation), SocketError> {
        let addresses: Vec<_> = peer.addresses.iter().map(|ip| SocketAddr::new(*ip, peer.port)).collect();
        let mut refusal = None;
        for index in self.sockets_without(side, peer) {
            match self.sockets[index].socket.connect(&addresses[..]) {
                Err(error @ SocketError::Connect(_)) => refusal = Some(error),
                result => return Ok((index, result?)),
            }
        }
        let Some(first) = self.sockets.iter().find(|bound| bound.side == side) else {
            return Err(refusal.unwrap_or(SocketError::NotConnected));
        };
        let local = first.socket.local_addrs()?;
        let bound: Vec<_> = local.iter().map(|local| SocketAddr::new(local.ip(), 0)).collect();
        let config = first.config.clone();
        self.add_socket(side, &config, &bound, false)?;
        let index = self.sockets.len() - 1;
        Ok((index, self.sockets[index].socket.connect(&addresses[..])?))
    }

    /// An endpoint's sockets that have not been connected to this peer: to try the others as well would take the longer the more
    /// sessions there are.
    fn sockets_without(&self, side: Side, peer: &Peer) -> Vec<usize> {
        let with_peer = self.links.values().filter(|link| link.peer.as_ref() == Some(peer));
        let busy: FxHashSet<_> = with_peer.map(|link| link.socket).collect();
        let is_free = |index: &usize| self.sockets[*index].side == side && !busy.contains(index);
        (0..self.sockets.len()).filter(is_free).collect()
    }

    fn add_link(&mut self, name: AssociationId, socket: usize, id: SocketAssociation, peer: Option<Peer>) {
        let begun = BytesMut::new();
        self.links.insert(name, Link { socket, id, peer, is_closing: false, is_paused: false, begun });
        self.names.insert(id, name);
    }

    /// With what waited for room.
    fn remove_link(&mut self, name: AssociationId) -> Option<(Link, VecDeque<UserMessage>)> {
        let link = self.links.remove(&name)?;
        self.names.remove(&link.id);
        Some((link, self.backlogs.take(name)))
    }

    fn send(&mut self, name: AssociationId, message: UserMessage) {
        let Some(link) = self.links.get(&name) else { return self.give_back(name, message) };
        // With a backlog from before, what is acknowledged gives the sign to go on.
        if !self.backlogs.contains(name) && self.try_send(link, &message).is_ok() {
            return;
        }
        self.backlogs.push(name, message);
        if self.awaits_readers && self.backlogs.is_long(name) {
            self.control(Flow::Pause(name));
        }
        if let Some(slow) = self.backlogs.excessive(name) {
            self.give_up(slow);
        }
    }

    /// An error if the message has to wait.
    fn try_send(&self, link: &Link, message: &UserMessage) -> Result<(), SocketError> {
        let mut info = SendInfo::new().stream(message.stream).ppid(message.ppid);
        info.unordered = message.unordered;
        match self.sockets[link.socket].socket.send_bytes(link.id, message.data.clone(), &info) {
            // Too large for the socket, or no such stream: no later one could take it either.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                tracing::warn!(%error, "message dropped");
                Ok(())
            }
            result => result,
        }
    }

    fn give_up(&mut self, association: AssociationId) {
        tracing::warn!(?association, "the peer reads too slowly: aborted");
        let is_closing = self.links.get(&association).is_some_and(|link| link.is_closing);
        self.abort(association, b"too many messages wait");
        if !is_closing {
            self.events.push_back(TransportEvent::Lost { association, reason: LostReason::Local });
        }
    }

    /// A message for an association whose loss waits to be told.
    fn give_back(&mut self, association: AssociationId, message: UserMessage) {
        let is_its_loss = |event: &TransportEvent| matches!(event, TransportEvent::Lost { association: of, .. } if *of == association);
        if let Some(place) = self.events.iter().position(is_its_loss) {
            self.events.insert(place, TransportEvent::Undelivered { association, message });
        }
    }

    /// Sends what waits, as far as there is room, and listens again to who has read enough.
    fn flush(&mut self, name: AssociationId) {
        self.send_backlog(name);
        if self.awaits_readers && self.backlogs.is_short(name) {
            self.control(Flow::Resume(name));
        }
    }

    /// Sends what waits, as far as there is room; then shuts down what is to be closed.
    fn send_backlog(&mut self, name: AssociationId) {
        let Some(link) = self.links.get(&name) else { return };
        while let Some(message) = self.backlogs.first(name) {
            match self.try_send(link, message) {
                Err(SocketError::WouldBlock) => return,
                // The association is over, and a notification says so: what waits is then undelivered.
                Err(error) => {
                    tracing::debug!(%error, ?name, "message not sent");
                    break;
                }
                Ok(()) => self.backlogs.pop(name),
            }
        }
        if link.is_closing
            && let Err(error) = self.sockets[link.socket].socket.leave(link.id)
        {
            tracing::debug!(%error, ?name, "nothing to shut down");
            self.remove_link(name);
        }
    }

    fn abort(&mut self, name: AssociationId, reason: &[u8]) {
        if let Some((link, _)) = self.remove_link(name)
            && let Err(error) = self.sockets[link.socket].socket.abort(link.id, reason)
        {
            tracing::debug!(%error, ?name, "nothing to abort");
        }
    }
}

/// Places that mean the same host to others; all if there are none.
pub(super) fn for_others(all: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_far = |place: &SocketAddr| match place.ip() {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let far: Vec<_> = all.iter().copied().filter(is_far).collect();
    if far.is_empty() { all } else { far }
}

#[cfg(test)]
mod tests;
