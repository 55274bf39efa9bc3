//! Sockets, ports and associations of a stack: which event is whose.

use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use sctp_core::arrival::Arrival;
use sctp_core::association::Association;
use sctp_core::endpoint::ListenerId;
use sctp_core::event::{AssociationId, Event};
use sctp_core::time::Time;

use super::engine::Engine;
use super::mailbox::{End, Interest, Link, Mailbox, Owner, SocketId, SocketKind};
use super::meter::{self, Admission};
use super::notification::Notification;
use super::ports::{BindingId, Ports};

/// Sockets and what belongs to them.
pub(super) struct Registry {
    pub(super) sockets: FxHashMap<SocketId, Mailbox>,
    pub(super) links: FxHashMap<AssociationId, Link>,
    pub(super) ports: Ports,
    /// Who gets the associations that come in.
    pub(super) listeners: FxHashMap<ListenerId, SocketId>,
    next_socket: u64,
    /// Associations without a socket that have not ended.
    pub(super) orphans: usize,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            sockets: FxHashMap::default(),
            links: FxHashMap::default(),
            ports: Ports::default(),
            listeners: FxHashMap::default(),
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

    /// Enters an association that began on a binding.
    pub(super) fn link(
        &mut self,
        id: AssociationId,
        binding: BindingId,
        socket: SocketId,
        admission: Option<Admission>,
    ) {
        self.links.insert(id, Link::new(Owner::Socket(socket), binding, admission));
        if let Some(mailbox) = self.sockets.get_mut(&socket) {
            mailbox.associations.insert(id);
        }
        self.ports.begin_association(binding);
    }

    /// Gives an event to its socket. Returns who is to be told that something changed.
    pub(super) fn route(
        &mut self,
        engine: &mut Engine,
        now: Time,
        id: AssociationId,
        (arrival, event): (Arrival, Event),
    ) -> Option<(SocketId, Change)> {
        if !self.links.contains_key(&id) {
            self.adopt(engine, id)?;
        }
        let link = self.links.get_mut(&id)?;
        let was_paused = link.paused;
        let change = link.apply(&event);
        let ended = link.end.is_some();
        let Owner::Socket(socket) = link.owner else {
            self.drive_orphan(engine, now, id);
            return None;
        };
        let mailbox = self.sockets.get_mut(&socket)?;
        let is_resumed = was_paused && !link.paused;
        if (matches!(event, Event::Readable) || is_resumed) && !link.queued {
            link.queue(engine, mailbox, id);
        }
        mailbox.apply(id, link, arrival, event);
        // Nobody will read or ask for what has ended on a one-to-many socket: forget it.
        if ended && mailbox.kind == SocketKind::OneToMany && !engine.endpoint.is_readable(id) {
            self.forget(engine, id);
        }
        Some((socket, change))
    }

    /// An association that the peer began: it belongs to the socket that listened for it, if that may have it.
    fn adopt(&mut self, engine: &mut Engine, id: AssociationId) -> Option<()> {
        let mut config = engine.endpoint.association(id)?.config().clone();
        let socket = *self.listeners.get(&engine.endpoint.listener_of(id)?)?;
        let mailbox = self.sockets.get(&socket)?;
        let binding = mailbox.binding?;
        let Ok(admission) = meter::admit(mailbox.meter.as_ref(), &mut config) else {
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
        self.link(id, binding, socket, admission);
        Some(())
    }

    /// Ends the life of a socket; its associations go on without it until their end.
    pub(super) fn close(&mut self, engine: &mut Engine, now: Time, socket: SocketId) -> Option<Mailbox> {
        let mailbox = self.sockets.remove(&socket)?;
        if let Some(listener) = mailbox.listener {
            self.stop_listening(engine, listener);
        }
        if let Some(binding) = mailbox.binding {
            self.ports.close(engine.driver.as_mut(), binding);
        }
        for id in &mailbox.associations {
            let has_unread = mailbox.unread.as_ref().is_some_and(|(owner, _)| owner == id);
            self.orphan(engine, now, *id, mailbox.linger, has_unread);
        }
        Some(mailbox)
    }

    /// Nobody gets associations of this listener any more. Those that waited to be accepted.
    pub(super) fn stop_listening(&mut self, engine: &mut Engine, listener: ListenerId) -> Vec<AssociationId> {
        let waiting = std::iter::from_fn(|| engine.endpoint.accept(listener)).collect();
        engine.endpoint.close_listener(listener);
        self.listeners.remove(&listener);
        waiting
    }

    /// An association has no socket any more; `has_unread`: somebody has read a part of a message.
    pub(super) fn orphan(
        &mut self,
        engine: &mut Engine,
        now: Time,
        id: AssociationId,
        linger: Option<Duration>,
        has_unread: bool,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.owner = Owner::Nobody;
        self.orphans += 1;
        // Data that nobody will read: the peer must learn that it was lost, as Linux tells it.
        let loses_data = !link.is_left && (has_unread || engine.endpoint.is_readable(id));
        let at_once = linger == Some(Duration::ZERO);
        // Nobody wants a set-up that goes on for the sake of nothing.
        let is_idle = |association: &Association| !association.has_unacknowledged();
        let given_up = !link.up && engine.endpoint.association(id).is_some_and(is_idle);
        let result = if loses_data || at_once || given_up {
            engine.endpoint.abort(now, id, Bytes::new())
        } else {
            // Of what comes behind this the core tells only when this is read.
            while engine.endpoint.receive(now, id).is_some() {}
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
            self.ports.end_association(engine.driver.as_mut(), link.binding);
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
    /// Enters what it has to read, if anything, among what waits for its socket. A pause begins behind a message of which a part
    /// was read.
    pub(super) fn queue(&mut self, engine: &Engine, mailbox: &mut Mailbox, id: AssociationId) {
        let is_wanted = !self.paused || mailbox.incoming.is_in_part(id);
        let first = engine.endpoint.next_arrival(id).filter(|_| is_wanted);
        self.queued = first.is_some();
        if let Some(arrival) = first {
            mailbox.incoming.queue(arrival, id);
        }
    }

    fn apply(&mut self, event: &Event) -> Change {
        // What is told of these comes behind all messages from before: they are wanted now.
        if matches!(event, Event::CommunicationLost { .. } | Event::ShutdownComplete | Event::Restart) {
            self.paused = false;
            // What comes behind a restart is another's.
            self.is_left &= !matches!(event, Event::Restart);
        }
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
    fn apply(&mut self, id: AssociationId, link: &mut Link, arrival: Arrival, event: Event) {
        if self.kind == SocketKind::Listener {
            self.acceptable += usize::from(matches!(event, Event::CommunicationUp { .. }));
        }
        if self.kind == SocketKind::OneToOne {
            self.at_end = link.peer_done || link.end.is_some();
        }
        let cuts_off = matches!(event, Event::PartialDeliveryAborted(_));
        let ended = (cuts_off || link.end.is_some()) && self.incoming.note_end(id);
        // The rest of that message was all that the pause let pass.
        if ended && link.paused {
            self.incoming.remove(id);
            link.queued = false;
        }
        let subscribed = link.subscribed.unwrap_or(self.subscribed);
        match Notification::from_event(event).filter(|it| subscribed.wants(it)) {
            // What the rest waits for.
            Some(notification) if cuts_off && ended => self.incoming.put_first(Some(id), notification),
            Some(notification) => self.incoming.notify(arrival, id, notification),
            None => {}
        }
    }
}
