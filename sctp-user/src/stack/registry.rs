//! Sockets, ports and associations of a stack: which event is whose.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use sctp_core::association::Association;
use sctp_core::event::{AssociationId, Event};
use sctp_core::time::Time;

use super::engine::Engine;
use super::error::Error;
use super::mailbox::{End, Interest, Link, Mailbox, Owner, SocketId, SocketKind};
use super::meter::{self, Admission};
use super::notification::Notification;

/// Sockets and what belongs to them.
pub(super) struct Registry {
    pub(super) sockets: FxHashMap<SocketId, Mailbox>,
    pub(super) links: FxHashMap<AssociationId, Link>,
    ports: FxHashMap<u16, Port>,
    /// Blocks of ports that were leased for sockets that did not bind one.
    ephemeral: Vec<RangeInclusive<u16>>,
    next_socket: u64,
    /// Associations without a socket that have not ended.
    pub(super) orphans: usize,
}

/// A port in use.
struct Port {
    /// Sockets that are bound to it.
    bound: usize,
    /// Who may bind further ones (RFC 6458, 8.1.27).
    shared_by: Option<u32>,
    /// The socket that gets the associations that come in.
    listener: Option<SocketId>,
    /// Associations that use it, also those that have lost their socket: until they have ended, the
    /// driver must bring their packets.
    associations: usize,
    addresses: Vec<IpAddr>,
}

impl Port {
    /// Another socket is bound while associations of an earlier one linger: both need their packets.
    fn widen(&mut self, engine: &mut Engine, number: u16, addresses: &[IpAddr]) -> Result<(), Error> {
        if self.addresses.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> =
            addresses.iter().filter(|address| !self.addresses.contains(address)).copied().collect();
        if addresses.is_empty() {
            // All addresses: the lease of some is replaced by one that covers them.
            engine.driver.release_port(number, &self.addresses);
            if let Err(taken) = engine.driver.lease_port(number, addresses) {
                // What lingers needs its packets still. That another stack is as quick is most unlikely.
                let _ = engine.driver.lease_port(number, &self.addresses);
                return Err(taken.into());
            }
            self.addresses.clear();
        } else if !missing.is_empty() {
            engine.driver.lease_port(number, &missing)?;
            self.addresses.extend(missing);
        }
        Ok(())
    }
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            sockets: FxHashMap::default(),
            links: FxHashMap::default(),
            ports: FxHashMap::default(),
            ephemeral: Vec::new(),
            next_socket: 0,
            orphans: 0,
        }
    }

    pub(super) fn add(&mut self, mailbox: Mailbox) -> SocketId {
        self.next_socket += 1;
        let id = SocketId(self.next_socket);
        self.sockets.insert(id, mailbox);
        id
    }

    /// Reserves `port`, or any if it is 0. `random` picks where the search starts. A port that is bound can be had once more if
    /// all of its sockets are `shared_by` the same.
    pub(super) fn bind_port(
        &mut self,
        engine: &mut Engine,
        port: u16,
        addresses: &[IpAddr],
        shared_by: Option<u32>,
        random: u16,
    ) -> Result<u16, Error> {
        let number = if port == 0 { self.ephemeral_port(engine, random)? } else { port };
        let ephemeral = self.is_ephemeral(number);
        match self.ports.get_mut(&number) {
            Some(in_use) if in_use.bound > 0 && (shared_by.is_none() || in_use.shared_by != shared_by) => {
                return Err(Error::PortInUse(number));
            }
            Some(in_use) => {
                if !ephemeral {
                    in_use.widen(engine, number, addresses)?;
                }
                in_use.bound += 1;
                in_use.shared_by = shared_by;
            }
            None => {
                // Ports of the leased block are ours already.
                if !ephemeral {
                    engine.driver.lease_port(number, addresses)?;
                }
                let addresses = addresses.to_vec();
                let port = Port { bound: 1, shared_by, listener: None, associations: 0, addresses };
                self.ports.insert(number, port);
            }
        }
        Ok(number)
    }

    /// A bound port is used with one more address.
    pub(super) fn widen_port(
        &mut self,
        engine: &mut Engine,
        port: u16,
        address: IpAddr,
    ) -> Result<(), Error> {
        let ephemeral = self.is_ephemeral(port);
        match self.ports.get_mut(&port).filter(|in_use| !ephemeral && !in_use.addresses.is_empty()) {
            Some(in_use) => in_use.widen(engine, port, &[address]),
            None => Ok(()),
        }
    }

    fn is_ephemeral(&self, port: u16) -> bool {
        self.ephemeral.iter().any(|block| block.contains(&port))
    }

    fn ephemeral_port(&mut self, engine: &mut Engine, random: u16) -> Result<u16, Error> {
        // The latest block first: the earlier ones were full.
        if let Some(port) = self.ephemeral.iter().rev().find_map(|block| self.free_port(block, random)) {
            return Ok(port);
        }
        let block = engine.driver.lease_ephemeral_ports()?;
        let port = self.free_port(&block, random);
        if !self.ephemeral.contains(&block) {
            self.ephemeral.push(block);
        }
        port.ok_or_else(|| crate::driver::LeaseError::Exhausted.into())
    }

    fn free_port(&self, block: &RangeInclusive<u16>, random: u16) -> Option<u16> {
        let count = block.end() - block.start() + 1;
        let first = random % count;
        (0..count)
            .map(|step| block.start() + (first as u32 + u32::from(step)).rem_euclid(u32::from(count)) as u16)
            .find(|port| !self.ports.contains_key(port))
    }

    /// A socket that was bound to the port is closed.
    fn unbind_port(&mut self, engine: &mut Engine, number: u16, socket: SocketId) {
        if let Some(port) = self.ports.get_mut(&number) {
            port.bound = port.bound.saturating_sub(1);
            port.listener.take_if(|listener| *listener == socket);
        }
        self.release_if_unused(engine, number);
    }

    fn release_if_unused(&mut self, engine: &mut Engine, number: u16) {
        let unused = |port: &Port| port.bound == 0 && port.associations == 0;
        if !self.ports.get(&number).is_some_and(unused) {
            return;
        }
        if let Some(port) = self.ports.remove(&number)
            && !self.is_ephemeral(number)
        {
            engine.driver.release_port(number, &port.addresses);
        }
    }

    /// Associations that come in on `port` are for `socket`.
    pub(super) fn set_listener(&mut self, port: u16, socket: SocketId) {
        if let Some(port) = self.ports.get_mut(&port) {
            port.listener = Some(socket);
        }
    }

    /// Nobody takes associations that come in on `port`.
    pub(super) fn forget_listener(&mut self, port: u16) {
        if let Some(port) = self.ports.get_mut(&port) {
            port.listener = None;
        }
    }

    /// Enters an association on local port `port`.
    pub(super) fn link(
        &mut self,
        id: AssociationId,
        port: u16,
        socket: SocketId,
        admission: Option<Admission>,
    ) {
        self.links.insert(id, Link::new(Owner::Socket(socket), port, admission));
        if let Some(mailbox) = self.sockets.get_mut(&socket) {
            mailbox.associations.insert(id);
        }
        if let Some(port) = self.ports.get_mut(&port) {
            port.associations += 1;
        }
    }

    /// Gives an event to its socket. Returns who is to be told that something changed.
    pub(super) fn route(
        &mut self,
        engine: &mut Engine,
        now: Time,
        id: AssociationId,
        event: Event,
    ) -> Option<(SocketId, Change)> {
        if !self.links.contains_key(&id) {
            self.adopt(engine, id)?;
        }
        let link = self.links.get_mut(&id)?;
        let change = link.apply(&event);
        let ended = link.end.is_some();
        let Owner::Socket(socket) = link.owner else {
            self.drive_orphan(engine, now, id);
            return None;
        };
        let mailbox = self.sockets.get_mut(&socket)?;
        mailbox.apply(id, link, event);
        // Nobody will read or ask for what has ended on a one-to-many socket, or before it was accepted: forget it.
        if ended && mailbox.kind != SocketKind::OneToOne && !engine.endpoint.is_readable(id) {
            mailbox.acceptable = mailbox.acceptable.saturating_sub(1);
            self.forget(engine, id);
        }
        Some((socket, change))
    }

    /// An association that the peer began: it belongs to the socket that listens on its port, if that may have it.
    fn adopt(&mut self, engine: &mut Engine, id: AssociationId) -> Option<()> {
        let association = engine.endpoint.association(id)?;
        let (port, mut config) = (association.local_port(), association.config().clone());
        let listener = self.ports.get(&port)?.listener?;
        let Ok(admission) = meter::admit(self.sockets.get(&listener)?.meter.as_ref(), &mut config) else {
            // The peer gets an ABORT.
            engine.endpoint.release(id);
            return None;
        };
        if admission.is_some() {
            let (send, receive) = (config.send_buffer, config.receive_buffer);
            // Buffers are in no way of the other parameters.
            let _ = engine.endpoint.update_config(id, |config| {
                (config.send_buffer, config.receive_buffer) = (send, receive);
            });
        }
        self.link(id, port, listener, admission);
        Some(())
    }

    /// Ends the life of a socket; its associations go on without it until their end.
    pub(super) fn close(&mut self, engine: &mut Engine, now: Time, socket: SocketId) -> Option<Mailbox> {
        let mailbox = self.sockets.remove(&socket)?;
        if mailbox.listening {
            engine.endpoint.close_listener(mailbox.port);
        }
        if mailbox.owns_port {
            self.unbind_port(engine, mailbox.port, socket);
        }
        for id in &mailbox.associations {
            self.orphan(engine, now, *id, &mailbox);
        }
        Some(mailbox)
    }

    fn orphan(&mut self, engine: &mut Engine, now: Time, id: AssociationId, mailbox: &Mailbox) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.owner = Owner::Nobody;
        self.orphans += 1;
        let unread = mailbox.unread.as_ref().is_some_and(|(owner, _)| *owner == id);
        // Data that nobody will read: the peer must learn that it was lost, as Linux tells it.
        let loses_data = unread || engine.endpoint.is_readable(id);
        let at_once = mailbox.linger == Some(std::time::Duration::ZERO);
        // Nobody wants a set-up that goes on for the sake of nothing.
        let is_idle = |association: &Association| !association.has_unacknowledged();
        let given_up = !link.up && engine.endpoint.association(id).is_some_and(is_idle);
        let result = if loses_data || at_once || given_up || mailbox.kind == SocketKind::Listener {
            engine.endpoint.abort(now, id, Bytes::new())
        } else {
            engine.endpoint.shutdown(now, id)
        };
        if link.end.is_some() || result.is_err() {
            self.forget(engine, id);
        }
    }

    fn drive_orphan(&mut self, engine: &mut Engine, now: Time, id: AssociationId) {
        while engine.endpoint.receive(now, id).is_some() {}
        if self.links.get(&id).is_some_and(|link| link.end.is_some()) {
            self.forget(engine, id);
        }
    }

    /// Forgets an association that has ended.
    pub(super) fn forget(&mut self, engine: &mut Engine, id: AssociationId) {
        if let Some(link) = self.links.remove(&id) {
            match link.owner {
                Owner::Nobody => self.orphans -= 1,
                Owner::Socket(socket) => {
                    if let Some(mailbox) = self.sockets.get_mut(&socket) {
                        mailbox.associations.remove(&id);
                    }
                }
            }
            engine.endpoint.release(id);
            if let Some(port) = self.ports.get_mut(&link.port) {
                port.associations -= 1;
            }
            self.release_if_unused(engine, link.port);
        }
    }

    /// Aborts everything: the stack ends.
    pub(super) fn abort_all(&mut self, engine: &mut Engine, now: Time) {
        for (id, _) in self.links.drain() {
            let _ = engine.endpoint.abort(now, id, Bytes::new());
        }
        self.orphans = 0;
    }
}

/// Who has to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Those who wait for this.
    One(Interest),
    /// All.
    Both,
}

impl Link {
    fn apply(&mut self, event: &Event) -> Change {
        match event {
            Event::CommunicationUp { .. } => self.up = true,
            Event::ShutdownReceived => self.peer_done = true,
            Event::CommunicationLost { reason } => self.end = Some(End::Lost(reason.clone())),
            Event::ShutdownComplete => self.end = Some(End::Shutdown),
            Event::Writable => return Change::One(Interest::Write),
            Event::Readable => return Change::One(Interest::Read),
            _ => return Change::One(Interest::Read),
        }
        Change::Both
    }
}

impl Mailbox {
    fn apply(&mut self, id: AssociationId, link: &mut Link, event: Event) {
        if self.kind == SocketKind::Listener {
            self.acceptable += usize::from(matches!(event, Event::CommunicationUp { .. }));
        }
        if self.kind == SocketKind::OneToOne {
            self.at_end = link.peer_done || link.end.is_some();
        }
        if matches!(event, Event::Readable) && !link.queued {
            link.queued = true;
            self.readable.push_back(id);
        }
        if link.end.is_some() || matches!(event, Event::PartialDeliveryAborted(_)) {
            self.note_end(id);
        }
        let subscribed = link.subscribed.unwrap_or(self.subscribed);
        if let Some(notification) = Notification::from_event(event).filter(|it| subscribed.wants(it)) {
            self.notify(id, notification);
        }
    }
}
