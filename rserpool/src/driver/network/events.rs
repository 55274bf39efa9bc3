//! What happens to a machine: messages, notifications, announces, answers to names. Sockets that have something take turns, and who has
//! nothing yet is looked for all the time, so that no flood at one of them keeps what comes from elsewhere waiting.

use std::mem;
use std::net::SocketAddr;

use socketapi::{
    AssociationId as SocketAssociation, Message, Notification, PathChange, PathState, PathStatus, Patience,
    Received, SendFailure,
};

use super::{Error, Network};
use crate::driver::multicast::AnnounceReceiver;
use crate::driver::names::Names;
use crate::transport::{AssociationId, LostReason, Peer, Side, TransportEvent, UserMessage};

/// After so many events it is looked for others, though the sockets that are known to have some have more.
const LOOK_EACH: u32 = 64;

impl Network {
    /// The next thing that happened, without waiting.
    pub(in crate::driver) fn poll_event(&mut self) -> Result<Option<TransportEvent>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            self.turn = self.turn.wrapping_add(1);
            if self.turn.is_multiple_of(LOOK_EACH) {
                self.look()?;
            }
            if let Some(event) = self.poll_tcp() {
                return Ok(Some(event));
            }
            let Some(socket) = self.ready.pop_front() else {
                if self.look()? {
                    continue;
                }
                return Ok(None);
            };
            let bound = &mut self.sockets[socket];
            match bound.socket.try_receive()? {
                Some(received) => {
                    self.ready.push_back(socket);
                    self.handle(socket, received);
                }
                None => bound.is_ready = false,
            }
        }
    }

    /// What has come over TCP, each second time.
    fn poll_tcp(&mut self) -> Option<TransportEvent> {
        let tcp = self.tcp.as_mut()?;
        if self.turn.is_multiple_of(2) { None } else { tcp.poll(self.stack.now()) }
    }

    /// Whether there is something to read.
    fn look(&mut self) -> Result<bool, Error> {
        let announces = self.receivers.iter_mut().filter_map(AnnounceReceiver::receive);
        self.events.extend(announces);
        self.events.extend(self.lookups.iter().filter_map(Names::receive));
        let mut ready = Vec::new();
        match self.poller.wait(&mut ready, Patience::None) {
            Err(error) if error.is_temporary() => {}
            result => result?,
        }
        for socket in ready.iter().map(|readiness| readiness.token as usize) {
            if !std::mem::replace(&mut self.sockets[socket].is_ready, true) {
                self.ready.push_back(socket);
            }
        }
        let now = self.stack.now();
        let tcp_has = self.tcp.as_mut().is_some_and(|tcp| tcp.look(now, &mut self.next_incoming));
        Ok(tcp_has || !self.ready.is_empty() || !self.events.is_empty())
    }

    pub(super) fn handle(&mut self, socket: usize, received: Received) {
        match received {
            Received::Message(message) => self.handle_message(message),
            Received::Notification(Some(id), notification) => {
                self.handle_notification(socket, id, notification);
            }
            Received::Notification(None, notification) => self.handle_overflow(&notification),
        }
    }

    /// Notifications were lost: any association may have room for what waits.
    fn handle_overflow(&mut self, notification: &Notification) {
        tracing::warn!(?notification);
        self.backlogs.associations().into_iter().for_each(|name| self.flush(name));
    }

    /// A message that all but fills the receive buffer comes in pieces, with no other of its association between them. They are copied,
    /// since a short piece may hold a long packet; the stack takes no message longer than [`UserMessage::MAX_LEN`].
    fn handle_message(&mut self, message: Message) {
        let info = message.info;
        let Some(&association) = self.names.get(&info.association) else { return };
        let Some(link) = self.links.get_mut(&association).filter(|link| !link.is_closing) else { return };
        let mut data = message.into_bytes();
        if !info.end_of_record || !link.begun.is_empty() {
            link.begun.extend_from_slice(&data);
            if !info.end_of_record {
                return;
            }
            data = mem::take(&mut link.begun).freeze();
        }
        let message = UserMessage { ppid: info.ppid, stream: info.stream, unordered: info.unordered, data };
        self.events.push_back(TransportEvent::Message { association, message });
    }

    fn handle_notification(&mut self, socket: usize, id: SocketAssociation, notification: Notification) {
        match notification {
            Notification::CommunicationUp { inbound: true, .. } => self.accept(socket, id),
            Notification::CommunicationUp { .. } => {
                self.note_addresses(socket);
                if let Some(&association) = self.names.get(&id) {
                    let peer = self.peer(socket, id);
                    self.events.push_back(TransportEvent::Connected { association, peer });
                }
            }
            Notification::SendFailed(failure) => {
                if let Some(&association) = self.names.get(&id) {
                    let SendFailure { ppid, stream_id: stream, unordered, payload: data, .. } = *failure;
                    let message = UserMessage { ppid, stream, unordered, data };
                    self.events.push_back(TransportEvent::Undelivered { association, message });
                }
            }
            // The peer has given up what it had begun to send (RFC 3758, 3.6).
            Notification::PartialDeliveryAborted(_) => {
                if let Some(link) = self.names.get(&id).and_then(|name| self.links.get_mut(name)) {
                    link.begun.clear();
                }
            }
            Notification::CommunicationLost(reason) => self.lose(id, LostReason::from(&reason)),
            Notification::ShutdownComplete => self.lose(id, LostReason::Shutdown),
            // The peer has forgotten all: the old association is over, and a new one has come.
            Notification::Restarted => {
                self.lose(id, LostReason::Aborted);
                self.accept(socket, id);
            }
            Notification::SenderDry => {
                if let Some(&name) = self.names.get(&id) {
                    self.flush(name);
                }
            }
            Notification::LocalAddressChanged { .. } => self.note_addresses(socket),
            Notification::PathChanged {
                change:
                    PathChange::Added | PathChange::Removed | PathChange::Confirmed | PathChange::Unreachable,
                ..
            } => self.note_peer(socket, id),
            other => tracing::debug!(?other, "ignored"),
        }
    }

    /// Tells the machine of its addresses where they have changed.
    fn note_addresses(&mut self, socket: usize) {
        let bound = &self.sockets[socket];
        if !bound.config.auto_asconf || bound.side != Side::Asap {
            return;
        }
        match self.local(Side::Asap) {
            Ok((addresses, _)) if addresses != self.known_addresses => {
                self.known_addresses.clone_from(&addresses);
                self.events.push_back(TransportEvent::Moved { side: Side::Asap, addresses });
            }
            _ => {}
        }
    }

    /// Tells the machine where a peer is found.
    fn note_peer(&mut self, socket: usize, id: SocketAssociation) {
        let Some(&association) = self.names.get(&id) else { return };
        let Ok(status) = self.sockets[socket].socket.status(id) else { return };
        // It has only claimed to have these, and nobody there knows of it (RFC 9260, 5.4).
        let is_foreign = |path: &&PathStatus| {
            path.state == PathState::Unconfirmed && path.error_count > path.thresholds.path_max_retrans
        };
        let foreign: Vec<_> = status.paths.iter().filter(is_foreign).map(|path| path.address).collect();
        let mut peer = self.peer(socket, id);
        peer.addresses.retain(|address| !foreign.contains(address));
        self.events.push_back(TransportEvent::PeerMoved { association, peer });
    }

    fn accept(&mut self, socket: usize, id: SocketAssociation) {
        let association = AssociationId::Incoming(self.next_incoming);
        self.next_incoming += 1;
        self.add_link(association, socket, id, None);
        let peer = self.peer(socket, id);
        let side = self.sockets[socket].side;
        self.events.push_back(TransportEvent::Accepted { association, side, peer });
    }

    fn lose(&mut self, id: SocketAssociation, reason: LostReason) {
        let Some(&association) = self.names.get(&id) else { return };
        let Some((link, backlog)) = self.remove_link(association) else { return };
        if !link.is_closing {
            let undelivered = |message| TransportEvent::Undelivered { association, message };
            self.events.extend(backlog.into_iter().map(undelivered));
            self.events.push_back(TransportEvent::Lost { association, reason });
        }
    }

    fn peer(&self, socket: usize, id: SocketAssociation) -> Peer {
        let addresses = self.sockets[socket].socket.peer_addrs(id).unwrap_or_default();
        let port = addresses.first().map_or(0, SocketAddr::port);
        Peer { addresses: addresses.iter().map(SocketAddr::ip).collect(), port }
    }
}
