//! What a socket can do without waiting. Each call either succeeds, fails, or says `Pending`.

use std::net::IpAddr;
use std::task::Poll;

use bytes::Bytes;
use sctp_core::association::Association;
use sctp_core::config::AssociationConfig;
use sctp_core::endpoint::{Bound, ConnectRequest, ListenOptions};
use sctp_core::error::{CommandError, SendError};
use sctp_core::event::AssociationId;
use sctp_core::message::{Message, SendOptions};
use sctp_core::net::PathAddress;
use sctp_core::path::Thresholds;
use sctp_core::time::Time;

use super::error::Error;
use super::incoming::Turn;
use super::mailbox::{End, Interest, Link, Mailbox, Owner, SocketId, SocketKind};
use super::meter;
use super::notification::Notification;
use super::ports::BindingId;
use super::registry::Change;
use super::state::State;
use crate::driver::route;

/// What [`Socket::receive`](super::Socket::receive) brings.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// A message, or a part of one.
    Message {
        /// Association that it came on.
        association: AssociationId,
        /// The message, or what an earlier short read left of it.
        message: Message,
        /// It ends here; false when the rest waits for the next read, or is still to come (RFC 6458, 8.1.20).
        end_of_record: bool,
    },
    /// Something happened; only kinds that the socket subscribed to.
    Notification {
        /// To which association; `None` for [`Notification::Overflow`].
        association: Option<AssociationId>,
        /// What.
        notification: Notification,
    },
}

/// What [`Socket::poll_next`](super::Socket::poll_next) finds.
#[derive(Clone, Debug)]
pub enum Next {
    /// A message, or a part of one, for [`Socket::receive`](super::Socket::receive).
    Message,
    /// Something happened, as in [`Delivery::Notification`].
    Notification {
        /// To which association.
        association: Option<AssociationId>,
        /// What.
        notification: Notification,
    },
}

/// Where to connect to.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Addresses of the peer, the one to begin with first.
    pub addresses: Vec<IpAddr>,
    /// Its SCTP port.
    pub port: u16,
}

impl State {
    pub(super) fn mailbox(&mut self, socket: SocketId) -> Result<&mut Mailbox, Error> {
        self.registry.sockets.get_mut(&socket).ok_or(Error::Closed)
    }

    pub(super) fn bind(&mut self, socket: SocketId, addresses: &[IpAddr], port: u16) -> Result<(), Error> {
        let driver = &self.engine.driver;
        let is_foreign = |address: &&IpAddr| !address.is_unspecified() && !driver.is_ours(**address);
        if let Some(foreign) = addresses.iter().find(is_foreign) {
            return Err(Error::NotLocal(*foreign));
        }
        let mailbox = self.mailbox(socket)?;
        let sharing = mailbox.sharing;
        let asked = if addresses.is_empty() { mailbox.wildcard.clone() } else { Bound::new(addresses) };
        let bound = self.own(&asked);
        let random = self.random.below(1 << 16) as u16;
        let driver = self.engine.driver.as_mut();
        let (binding, port) = self.registry.ports.bind(driver, port, &bound, sharing, random)?;
        let mailbox = self.mailbox(socket)?;
        mailbox.bound = bound;
        mailbox.bound_to_all = asked.is_wildcard();
        mailbox.port = port;
        mailbox.binding = Some(binding);
        Ok(())
    }

    /// The wildcard stands for the addresses that the stack was built for, which may be fewer than the host's. Where it has
    /// none of a family, it stands for itself.
    fn own(&self, asked: &Bound) -> Bound {
        let own = asked.resolve(&self.addresses);
        if own.is_empty() || self.addresses.is_empty() { asked.clone() } else { Bound::new(&own) }
    }

    /// Takes over what `from` is bound to, which has its port no more.
    pub(super) fn take_port(&mut self, now: Time, socket: SocketId, from: SocketId) -> Result<(), Error> {
        self.stop_listening(now, from)?;
        let old = self.mailbox(from)?;
        let (binding, port) = (old.binding.take(), old.port);
        let (bound, bound_to_all) = (old.bound.clone(), old.bound_to_all);
        let mailbox = self.mailbox(socket)?;
        mailbox.bound = bound;
        mailbox.bound_to_all = bound_to_all;
        mailbox.port = port;
        mailbox.binding = binding;
        Ok(())
    }

    fn bind_if_unbound(&mut self, socket: SocketId) -> Result<(u16, BindingId), Error> {
        if self.mailbox(socket)?.port == 0 {
            self.bind(socket, &[], 0)?;
        }
        let mailbox = self.mailbox(socket)?;
        Ok((mailbox.port, mailbox.binding.ok_or(Error::Closed)?))
    }

    /// Takes associations on the socket's port. `backlog` counts for listeners only; when it listens already, that is changed.
    pub(super) fn listen(&mut self, socket: SocketId, backlog: usize) -> Result<(), Error> {
        let (port, binding) = self.bind_if_unbound(socket)?;
        let mailbox = self.mailbox(socket)?;
        let backlog = (mailbox.kind == SocketKind::Listener).then_some(backlog);
        if let Some(listener) = mailbox.listener {
            self.engine.endpoint.set_backlog(listener, backlog);
            return Ok(());
        }
        let (mut config, bound) = (mailbox.config.clone(), mailbox.bound.clone());
        let divided = mailbox.sharing.is_some_and(|sharing| sharing.divided);
        let local = bound.resolve(&self.engine.driver.local_addresses());
        if let Some(&first) = local.first()
            && local.iter().all(IpAddr::is_loopback)
        {
            // Peers are on this host too. Elsewhere a peer may be anywhere: the configured MTU is the start.
            self.suit_mtu(&mut config, &PathAddress::to(first));
        }
        self.registry.ports.listen(binding)?;
        let same = self.check_addresses(port, socket);
        same.inspect_err(|_| self.registry.ports.stop_listening(binding))?;
        let addresses = bound.addresses().to_vec();
        let options = ListenOptions { addresses, backlog, divided, config };
        let listens = self.engine.endpoint.listen(port, options);
        let listener = listens.inspect_err(|_| self.registry.ports.stop_listening(binding))?;
        self.mailbox(socket)?.listener = Some(listener);
        self.registry.listeners.insert(listener, socket);
        Ok(())
    }

    /// Who divides what comes to an address has the same addresses as the others, as on Linux, unless one of them named none.
    fn check_addresses(&self, port: u16, socket: SocketId) -> Result<(), Error> {
        let registry = &self.registry;
        let own = registry.sockets.get(&socket).ok_or(Error::Closed)?;
        if own.bound_to_all {
            return Ok(());
        }
        let at = |address: &IpAddr| self.engine.endpoint.listeners_at(port, *address);
        let others = own.bound.addresses().iter().flat_map(at);
        let others = others.filter_map(|listener| registry.sockets.get(registry.listeners.get(listener)?));
        let is_same = |other: &Mailbox| other.bound_to_all || other.bound.has_same(&own.bound);
        if others.into_iter().all(is_same) { Ok(()) } else { Err(Error::OtherAddresses(port)) }
    }

    /// The path MTU to begin with is that of the interface. Where none is searched for, the configured one holds, as long as
    /// the interface carries it (RFC 6458, 8.1.12: SPP_PMTUD_DISABLE).
    fn suit_mtu(&self, config: &mut AssociationConfig, path: &PathAddress) {
        let interface = self.engine.mtu(path);
        let fixed = config.mtu_search.is_none();
        config.path_mtu = if fixed { config.path_mtu.min(interface) } else { interface };
    }

    pub(super) fn stop_listening(&mut self, now: Time, socket: SocketId) -> Result<(), Error> {
        let mailbox = self.mailbox(socket)?;
        if let Some((listener, binding)) = mailbox.listener.take().zip(mailbox.binding) {
            mailbox.acceptable = 0;
            let linger = mailbox.linger;
            let waiting = self.registry.stop_listening(&mut self.engine, listener);
            for id in waiting {
                self.mailbox(socket)?.associations.remove(&id);
                self.registry.orphan(&mut self.engine, now, id, linger, false);
            }
            self.registry.ports.stop_listening(binding);
        }
        Ok(())
    }

    /// Takes the association that has waited longest, into a socket of its own.
    pub(super) fn accept(&mut self, listener: SocketId) -> Poll<Result<SocketId, Error>> {
        let Some(listens) = self.mailbox(listener)?.listener else {
            return Poll::Ready(Err(Error::NotListening));
        };
        let Some(id) = self.engine.endpoint.accept(listens) else {
            self.mailbox(listener)?.acceptable = 0;
            return Poll::Pending;
        };
        let mailbox = self.mailbox(listener)?;
        mailbox.acceptable = mailbox.acceptable.saturating_sub(1);
        Poll::Ready(self.move_to_new_socket(listener, id))
    }

    /// Gives an association of a one-to-many socket a socket of its own (RFC 6458, 9.2).
    pub(super) fn peel_off(&mut self, socket: SocketId, id: AssociationId) -> Result<SocketId, Error> {
        self.resume_reading(socket, id)?;
        self.move_to_new_socket(socket, id)
    }

    fn move_to_new_socket(&mut self, from: SocketId, id: AssociationId) -> Result<SocketId, Error> {
        let old = self.registry.sockets.get_mut(&from).ok_or(Error::Closed)?;
        // The socket that it comes from may have been changed since the association began.
        let config = self.engine.endpoint.association(id).map_or(&old.config, Association::config).clone();
        let mut mailbox = Mailbox::new(SocketKind::OneToOne, config);
        mailbox.port = old.port;
        mailbox.bound.clone_from(&old.bound);
        mailbox.bound_to_all = old.bound_to_all;
        mailbox.subscribed = old.subscribed;
        mailbox.linger = old.linger;
        mailbox.meter.clone_from(&old.meter);
        mailbox.remote_udp_port = old.remote_udp_port;
        mailbox.association = Some(id);
        old.associations.remove(&id);
        mailbox.associations.insert(id);
        old.move_to(id, &mut mailbox);
        // An association that waited has been entered when it came up.
        let link = self.registry.links.get_mut(&id).ok_or(Error::NoAssociation)?;
        mailbox.binding = self.registry.ports.split(link.binding);
        link.binding = mailbox.binding.unwrap_or(link.binding);
        let socket = self.registry.add(mailbox);
        let link = self.registry.links.get_mut(&id).ok_or(Error::NoAssociation)?;
        link.owner = Owner::Socket(socket);
        let at_end = link.peer_done || link.end.is_some();
        self.mailbox(socket)?.at_end = at_end;
        Ok(socket)
    }

    /// Begins an association. [`State::connected`] tells how it went.
    pub(super) fn connect(
        &mut self,
        now: Time,
        socket: SocketId,
        peer: &Peer,
        change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<AssociationId, Error> {
        if let Some(&remote) = peer.addresses.iter().find(|remote| route::is_link_local(**remote)) {
            return Err(Error::LinkLocal(remote));
        }
        let (local_port, binding) = self.bind_if_unbound(socket)?;
        let mailbox = self.mailbox(socket)?;
        let (kind, mut config) = (mailbox.kind, mailbox.config.clone());
        if kind != SocketKind::OneToMany && mailbox.listener.is_some() {
            return Err(Error::Listening);
        }
        let bound = mailbox.bound.clone();
        let (udp_port, meter) = (mailbox.remote_udp_port, mailbox.meter.clone());
        if kind != SocketKind::OneToMany && mailbox.association.is_some() {
            return Err(Error::Associated);
        }
        let remote_udp_port = udp_port.unwrap_or(self.remote_udp_port);
        let ours = bound.resolve(&self.engine.driver.local_addresses());
        let has_family = |remote: &&IpAddr| ours.iter().any(|local| local.is_ipv4() == remote.is_ipv4());
        if let Some(&remote) = peer.addresses.first()
            && !peer.addresses.iter().any(|remote| has_family(&remote))
        {
            return Err(Error::NoCommonFamily(remote));
        }
        let path = |&remote| self.engine.path_to(remote, remote_udp_port, &ours);
        let peers: Vec<_> = peer.addresses.iter().map(path).collect();
        // Where the driver names a source for one, it has a way.
        let has_route = |path: &PathAddress| self.engine.driver.has_route(&ours, path.remote);
        if let Some(first) = peers.first()
            && !peers.iter().any(|path| path.local.is_some() || has_route(path))
        {
            return Err(Error::NoRoute(first.remote));
        }
        self.suit_mtu(&mut config, peers.first().ok_or(Error::NoAddress)?);
        change(&mut config);
        let admission = meter::admit(meter.as_ref(), &mut config)?;
        let local_addresses = bound.addresses().to_vec();
        let request = ConnectRequest { local_port, local_addresses, peers, peer_port: peer.port, config };
        let id = self.engine.endpoint.connect(now, request)?;
        self.registry.link(id, binding, socket, admission);
        if kind == SocketKind::OneToOne {
            self.mailbox(socket)?.association = Some(id);
        }
        Ok(id)
    }

    /// Whether the set-up is over, and how.
    pub(super) fn connected(&mut self, socket: SocketId, id: AssociationId) -> Poll<Result<(), Error>> {
        let mailbox = self.mailbox(socket)?;
        // One-to-many sockets keep nothing of an association that has ended but what they tell of it.
        if let Some(reason) = mailbox.incoming.why_lost(id) {
            return Poll::Ready(Err(Error::Lost(reason.clone())));
        }
        match self.registry.links.get(&id) {
            Some(Link { end: Some(End::Lost(reason)), .. }) => Poll::Ready(Err(Error::Lost(reason.clone()))),
            // It may have ended in good order meanwhile: what came before that is to be read.
            Some(Link { up: true, .. }) => Poll::Ready(Ok(())),
            Some(Link { end: Some(End::Shutdown), .. }) | None => Poll::Ready(Err(Error::NoAssociation)),
            Some(_) => Poll::Pending,
        }
    }

    /// The association towards a peer, if this socket has one.
    pub(super) fn find(&self, socket: SocketId, peer: &Peer) -> Option<AssociationId> {
        let port = self.registry.sockets.get(&socket)?.port;
        let known = |address: &IpAddr| self.engine.endpoint.find(port, *address, peer.port);
        peer.addresses.iter().flat_map(known).find(|id| self.check_owner(socket, *id).is_ok())
    }

    /// The socket's association: the one named, or the only one.
    pub(super) fn association_of(
        &self,
        socket: SocketId,
        named: Option<AssociationId>,
    ) -> Result<AssociationId, Error> {
        let mailbox = self.registry.sockets.get(&socket).ok_or(Error::Closed)?;
        let id = named.or(mailbox.association).ok_or(Error::NotConnected)?;
        self.check_owner(socket, id)?;
        Ok(id)
    }

    fn check_owner(&self, socket: SocketId, id: AssociationId) -> Result<(), Error> {
        let owner = self.registry.links.get(&id).map(|link| link.owner);
        if owner == Some(Owner::Socket(socket)) { Ok(()) } else { Err(Error::NoAssociation) }
    }

    pub(super) fn send(
        &mut self,
        now: Time,
        id: AssociationId,
        options: &SendOptions,
        payload: &Bytes,
    ) -> Poll<Result<(), Error>> {
        // Cloning `Bytes` counts a reference; a refused message is tried again.
        match self.engine.endpoint.send(now, id, options, payload.clone()) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(SendError::WouldBlock { .. }) => Poll::Pending,
            Err(error) => Poll::Ready(Err(self.why_ended(id).unwrap_or_else(|| error.into()))),
        }
    }

    /// Whether an association is over, or forgotten.
    pub(super) fn has_ended(&self, id: AssociationId) -> bool {
        self.registry.links.get(&id).is_none_or(|link| link.end.is_some())
    }

    fn why_ended(&self, id: AssociationId) -> Option<Error> {
        match self.registry.links.get(&id)?.end.as_ref()? {
            End::Lost(reason) => Some(Error::Lost(reason.clone())),
            End::Shutdown => Some(Error::ShuttingDown),
        }
    }

    /// The next item of a socket, at most `limit` bytes of a message; `None` at the end of a one-to-one
    /// association.
    pub(super) fn receive(
        &mut self,
        now: Time,
        socket: SocketId,
        limit: usize,
    ) -> Poll<Result<Option<Delivery>, Error>> {
        let mailbox = self.registry.sockets.get_mut(&socket).ok_or(Error::Closed)?;
        if let Some((id, message)) = mailbox.unread.take() {
            return Poll::Ready(Ok(Some(mailbox.deliver(id, message, limit))));
        }
        while let Some(turn) = self.next_turn(socket) {
            let delivery = match turn {
                Turn::Message(id) => self.read(now, socket, id, limit),
                Turn::Notification(association, notification) => {
                    Some(Delivery::Notification { association, notification })
                }
            };
            if delivery.is_some() {
                return Poll::Ready(Ok(delivery));
            }
        }
        self.at_end(socket)
    }

    /// What a read would find next: a notification, which this takes, or a message, which stays.
    pub(super) fn next(&mut self, socket: SocketId) -> Poll<Result<Option<Next>, Error>> {
        if self.mailbox(socket)?.unread.is_some() {
            return Poll::Ready(Ok(Some(Next::Message)));
        }
        let next = match self.next_turn(socket) {
            None => return self.at_end(socket),
            Some(Turn::Message(id)) => {
                self.queue(socket, id);
                Next::Message
            }
            Some(Turn::Notification(association, notification)) => {
                Next::Notification { association, notification }
            }
        };
        Poll::Ready(Ok(Some(next)))
    }

    /// Takes what came first out of what waits for a socket.
    fn next_turn(&mut self, socket: SocketId) -> Option<Turn> {
        let (endpoint, links) = (&self.engine.endpoint, &mut self.registry.links);
        self.registry.sockets.get_mut(&socket)?.incoming.next(|id| {
            let first = endpoint.next_arrival(id);
            if first.is_none()
                && let Some(link) = links.get_mut(&id)
            {
                link.queued = false;
            }
            first
        })
    }

    /// Reads the next message of an association whose turn it is.
    fn read(&mut self, now: Time, socket: SocketId, id: AssociationId, limit: usize) -> Option<Delivery> {
        let message = self.engine.endpoint.receive(now, id);
        if let Some(message) = &message {
            self.registry.sockets.get_mut(&socket)?.note_read(id, message);
        }
        let more = self.queue(socket, id);
        let delivery = self.registry.sockets.get_mut(&socket)?.deliver(id, message?, limit);
        if !more {
            self.forget_if_ended(socket, id);
        }
        self.pass_on(socket);
        Some(delivery)
    }

    /// Enters an association that was taken out of what waits for a socket again; whether it has more to read.
    pub(super) fn queue(&mut self, socket: SocketId, id: AssociationId) -> bool {
        let registry = &mut self.registry;
        let Some(mailbox) = registry.sockets.get_mut(&socket) else { return false };
        let Some(link) = registry.links.get_mut(&id) else { return false };
        link.queue(&self.engine, mailbox, id);
        link.queued
    }

    fn at_end<T>(&mut self, socket: SocketId) -> Poll<Result<Option<T>, Error>> {
        let mailbox = self.mailbox(socket)?;
        match (mailbox.kind, mailbox.association) {
            (SocketKind::OneToOne, None) => Poll::Ready(Err(Error::NotConnected)),
            (SocketKind::OneToOne, Some(id)) if mailbox.at_end => match self.why_ended(id) {
                Some(error @ Error::Lost(_)) => Poll::Ready(Err(error)),
                _ => Poll::Ready(Ok(None)),
            },
            _ => Poll::Pending,
        }
    }

    /// An ended association of a one-to-many socket that has been read to its end is forgotten.
    fn forget_if_ended(&mut self, socket: SocketId, id: AssociationId) {
        let many =
            self.registry.sockets.get(&socket).is_some_and(|mailbox| mailbox.kind == SocketKind::OneToMany);
        if many && self.registry.links.get(&id).is_some_and(|link| link.end.is_some()) {
            self.registry.forget(&mut self.engine, id);
        }
    }

    /// More is left than this reader took: the next one may come.
    fn pass_on(&mut self, socket: SocketId) {
        if self
            .registry
            .sockets
            .get(&socket)
            .is_some_and(|mailbox| mailbox.waiters.len() > 1 && mailbox.is_readable())
        {
            self.tell(socket, Change::One(Interest::Read));
        }
    }

    /// Ends an association in good order.
    pub(super) fn shutdown(&mut self, now: Time, id: AssociationId) -> Result<(), Error> {
        Ok(self.engine.endpoint.shutdown(now, id)?)
    }

    /// Whether the association is wholly over.
    pub(super) fn ended(&self, id: AssociationId) -> Option<End> {
        match self.registry.links.get(&id) {
            Some(link) => link.end.clone(),
            None => Some(End::Shutdown),
        }
    }

    /// Changes parameters: of one association, or of those to come.
    pub(super) fn configure(
        &mut self,
        socket: SocketId,
        id: Option<AssociationId>,
        change: impl Fn(&mut AssociationConfig),
    ) -> Result<(), Error> {
        match id {
            Some(id) => {
                self.check_owner(socket, id)?;
                Ok(self.engine.endpoint.update_config(id, change)?)
            }
            None => {
                let mailbox = self.mailbox(socket)?;
                let mut changed = mailbox.config.clone();
                change(&mut changed);
                Thresholds::of(&changed).check().map_err(CommandError::from)?;
                mailbox.config = changed;
                // A one-to-one socket and its association are one (RFC 6458, 8).
                if let Some(id) = mailbox.association {
                    let _ = self.engine.endpoint.update_config(id, change);
                } else if let Some(listener) = mailbox.listener {
                    self.engine.endpoint.update_listener(listener, change)?;
                }
                Ok(())
            }
        }
    }

    /// The association, to be looked at.
    pub(super) fn association(&self, id: AssociationId) -> Result<&Association, Error> {
        self.engine.endpoint.association(id).ok_or(Error::NoAssociation)
    }
}

impl Mailbox {
    /// At most `limit` bytes of the message; the rest waits.
    fn deliver(&mut self, id: AssociationId, mut message: Message, limit: usize) -> Delivery {
        let rest = split_off(&mut message, limit);
        let end_of_record = rest.is_none() && message.end_of_record;
        self.unread = rest.map(|rest| (id, rest));
        Delivery::Message { association: id, message, end_of_record }
    }
}

/// Cuts a message after `limit` bytes, without copying.
fn split_off(message: &mut Message, limit: usize) -> Option<Message> {
    let mut at = 0;
    let cut = message.payload.iter().position(|piece| {
        at += piece.len();
        at > limit
    })?;
    let mut rest = message.clone();
    rest.payload.drain(..cut);
    message.payload.truncate(cut + 1);
    let kept = message.payload[cut].len() - (at - limit);
    message.payload[cut].truncate(kept);
    rest.payload[0] = rest.payload[0].slice(kept..);
    message.payload.retain(|piece| !piece.is_empty());
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sctp_core::serial::{Mid, Ssn, Tsn};

    proptest! {
        #[test]
        fn short_reads_give_a_message_piece_by_piece(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..8),
            limits in prop::collection::vec(1_usize..30, 1..40),
        ) {
            let whole = pieces.concat();
            let mut message = Message {
                stream_id: 1,
                ssn: Ssn(7),
                mid: Mid(7),
                tsn: Tsn(u32::MAX),
                ppid: 5,
                unordered: false,
                end_of_record: true,
                payload: pieces.into_iter().map(Bytes::from).collect(),
            };
            let mut read = Vec::new();
            for limit in limits.into_iter().cycle() {
                let rest = split_off(&mut message, limit);
                prop_assert!(message.len() <= limit);
                prop_assert!(message.len() == limit || rest.is_none());
                read.extend_from_slice(&message.into_bytes());
                match rest {
                    Some(next) => message = next,
                    None => break,
                }
            }
            prop_assert_eq!(read, whole);
        }
    }
}
