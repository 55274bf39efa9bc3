//! The endpoint: many associations behind one interface (RFC 9260, 5, 8.4, 8.5).
//!
//! It finds the association that a packet belongs to, answers INITs without keeping state, answers
//! packets that belong to nobody, and takes turns among its associations when they want to send.
//! It reads no clock and opens no socket: a driver hands it packets and the time, and takes away
//! packets, events and the next deadline. [`Endpoint`] tells the methods apart:
//!
//! - *commands* of the layer above: [`connect`](Endpoint::connect), [`send`](Endpoint::send) …
//! - *input* from below: [`handle_packet`](Endpoint::handle_packet),
//!   [`handle_timeout`](Endpoint::handle_timeout) …
//! - *output*: [`poll_transmit`](Endpoint::poll_transmit), [`poll_event`](Endpoint::poll_event),
//!   [`poll_timeout`](Endpoint::poll_timeout).
//!
//! Any order of calls is right. After commands and input, drain the output.

mod addresses;
pub mod bound;
mod cookie;
mod deadlines;
mod demux;
mod early_sacks;
mod listener;
pub mod out_of_the_blue;
mod rate_limit;
mod receive;
mod reconfiguration;
pub mod scope;
mod slots;
mod stats;
#[cfg(test)]
mod tests;
mod transmit;

pub use bound::Bound;
pub use listener::{ListenOptions, ListenerId};
pub use out_of_the_blue::StatelessPacket;
pub use reconfiguration::ResetDirections;
pub use stats::EndpointStats;

pub(crate) use cookie::{StateCookie, Tags};
pub(crate) use scope::{is_unicast, source_for};

use crate::arrival::{Arrival, Arrivals};
use crate::association::{Association, Blueprint, Context, Quoted, initial_tsn};
use crate::auth::AuthOffer;
use crate::config::{AssociationConfig, EndpointConfig};
use crate::error::{CommandError, ConnectError, SendError};
use crate::event::{AssociationId, Event};
use crate::message::{Message, SendOptions};
use crate::net::{Ecn, PathAddress, Transmit};
use crate::path::{PathParameters, Thresholds};
use crate::rng::Random;
use crate::time::Time;
use bytes::Bytes;
use cookie::CookieKeys;
use core::net::IpAddr;
use core::time::Duration;
use deadlines::Deadlines;
use demux::{Demux, PeerKey};
use early_sacks::EarlySacks;
use listener::Listeners;
use rate_limit::RateLimit;
use slots::{Slot, Slots};
use stats::Counters;
use std::collections::VecDeque;
use std::sync::Arc;
use transmit::Carried;

/// What ASSOCIATE needs (RFC 9260, 11.1.2).
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Our port.
    pub local_port: u16,
    /// Our addresses, as [`Bound`] has them; empty: all of the endpoint's.
    pub local_addresses: Vec<IpAddr>,
    /// Addresses of the peer, the one to begin with first.
    pub peers: Vec<PathAddress>,
    /// The peer's port.
    pub peer_port: u16,
    /// Parameters of the association.
    pub config: AssociationConfig,
}

/// What an ICMP message says about a packet of ours (RFC 9260, 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreachableKind {
    /// ICMPv4 "Protocol Unreachable", ICMPv6 "Unrecognized Next Header Type Encountered".
    Protocol,
    /// "Port Unreachable": of plain SCTP it is ignored (ICMP3); of SCTP in UDP it speaks of the
    /// UDP port (RFC 6951, 5.5).
    Port,
    /// Any other "Destination Unreachable".
    Destination,
    /// ICMPv4 "Fragmentation Needed", ICMPv6 "Packet Too Big".
    PacketTooBig {
        /// Largest IP packet that the next hop takes, bytes.
        mtu: u32,
    },
}

/// Many associations, one interface. See the [module](self).
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    random: Random,
    cookie_keys: CookieKeys,
    slots: Slots,
    demux: Demux,
    listeners: Listeners,
    deadlines: Deadlines,
    /// Associations that may have something to send, in turn.
    ready: VecDeque<Slot>,
    /// Associations that got packets since the last batch end.
    batch: Vec<Slot>,
    events: VecDeque<(AssociationId, Arrival, Event)>,
    arrivals: Arrivals,
    /// Packets that belong to no association.
    stateless: VecDeque<(PathAddress, StatelessPacket)>,
    early_sacks: EarlySacks,
    /// Limits answers to packets that anybody can send.
    answers: RateLimit,
    counters: Counters,
    carried: Option<Carried>,
    /// Its bytes; the buffer is used again.
    carried_bytes: Vec<u8>,
}

impl Endpoint {
    /// An endpoint without associations. All of its randomness follows from `seed`.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let cookie_keys = CookieKeys::new(&mut random, config.cookie_key_life);
        let demux = Demux::new(&mut random);
        Self {
            cookie_keys,
            slots: Slots::default(),
            listeners: Listeners::new(demux.keyed()),
            demux,
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            batch: Vec::new(),
            events: VecDeque::new(),
            arrivals: Arrivals::default(),
            stateless: VecDeque::new(),
            early_sacks: EarlySacks::default(),
            answers: RateLimit::new(config.out_of_the_blue_rate),
            counters: Counters::default(),
            carried: None,
            carried_bytes: Vec::new(),
            random,
            config,
        }
    }

    /// Begins to set up an association (ASSOCIATE; RFC 9260, 11.1.2). `Event::CommunicationUp` or
    /// `Event::CommunicationLost` follows; messages may be sent at once, they wait.
    /// RFC 9260, 5.3.1.
    pub fn connect(&mut self, now: Time, mut request: ConnectRequest) -> Result<AssociationId, ConnectError> {
        // An IPv4 address in the guise of IPv6 is the one that packets will come from.
        request.peers.iter_mut().for_each(|peer| peer.remote = peer.remote.to_canonical());
        let primary = request.peers.first().ok_or(ConnectError::NoPeerAddress)?.remote;
        self.check_request(&request)?;
        let bound = Bound::new(&request.local_addresses);
        let ours = bound.resolve(&self.config.local_addresses);
        let blueprint = Blueprint {
            local_port: request.local_port,
            peer_port: request.peer_port,
            tags: Tags { local: self.random.verification_tag(), peer: 0 },
            initial_tsn: initial_tsn(&mut self.random),
            local_addresses: scope::known(&ours, primary, request.config.hide_addresses),
            bound,
            auth: AuthOffer::of(&request.config, &mut self.random),
            config: Arc::new(self.offerable(request.config)),
            arrivals: self.arrivals.clone(),
        };
        let default_port = self.config.default_remote_udp_port;
        let peers = request.peers.iter().map(|&peer| match peer.remote_udp_port {
            0 => PathAddress { remote_udp_port: default_port, ..peer },
            _ => peer,
        });
        let association = Association::connect(now, blueprint, &peers.collect::<Vec<_>>());
        let slot = self.slots.insert(association, None);
        self.settle(slot);
        Ok(self.slots.get(slot).map_or(AssociationId { slot: slot.0, generation: 0 }, |entry| entry.id))
    }

    /// `config` without what the layer below does not allow (RFC 9653, 3).
    fn offerable(&self, mut config: AssociationConfig) -> AssociationConfig {
        config.extensions.zero_checksum &= self.config.alternate_error_detection;
        config
    }

    /// Whether an association may be set up with these peers: not a second one (RFC 9260, 1.3).
    fn check_request(&self, request: &ConnectRequest) -> Result<(), ConnectError> {
        let &ConnectRequest { local_port, peer_port, .. } = request;
        if local_port == 0 || peer_port == 0 {
            return Err(ConnectError::InvalidPort);
        }
        Thresholds::of(&request.config).check()?;
        let bound = Bound::new(&request.local_addresses);
        for peer in &request.peers {
            if !is_unicast(peer.remote) {
                return Err(ConnectError::NotUnicast(peer.remote));
            }
            let key = PeerKey { local_port, peer_port, peer_address: peer.remote };
            let entries = self.demux.claimants(&key).filter_map(|slot| self.slots.get(slot));
            if entries.into_iter().any(|entry| entry.association.bound().overlaps(&bound)) {
                return Err(ConnectError::AlreadyConnected { local_port });
            }
        }
        let max = self.config.max_associations;
        if self.slots.len() >= max { Err(ConnectError::TooManyAssociations { max }) } else { Ok(()) }
    }

    /// Queues a message (SEND; RFC 9260, 11.1.5).
    pub fn send(
        &mut self,
        now: Time,
        id: AssociationId,
        options: &SendOptions,
        payload: Bytes,
    ) -> Result<(), SendError> {
        let slot = self.slots.find(id).ok_or(SendError::Closed)?;
        let entry = self.slots.get_mut(slot).ok_or(SendError::Closed)?;
        // A refusal can set free what waited for more, too (Nagle's algorithm).
        let sent = entry.association.send(now, options, payload);
        if !entry.is_busy_sending() {
            self.settle(slot);
        }
        sent
    }

    /// Whether the send buffer has room for a message of `len` bytes. If not, `Event::Writable` follows when it has. Of what
    /// has ended it is true: a send tells.
    pub fn has_room(&mut self, id: AssociationId, len: usize) -> bool {
        let entry = self.slots.find(id).and_then(|slot| self.slots.get_mut(slot));
        entry.is_none_or(|entry| entry.association.has_room(len))
    }

    /// Takes the next message (RECEIVE; RFC 9260, 11.1.7). Works past the association's end, until
    /// [`release`](Self::release).
    pub fn receive(&mut self, now: Time, id: AssociationId) -> Option<Message> {
        let slot = self.slots.find(id)?;
        let entry = self.slots.get_mut(slot)?;
        let message = entry.association.receive(now)?;
        // All that reading can bring about: the peer is to hear of the window.
        if !entry.ready && entry.association.wants_sack() {
            self.settle(slot);
        }
        Some(message)
    }

    /// Whether [`receive`](Self::receive) has a message.
    pub fn is_readable(&self, id: AssociationId) -> bool {
        self.next_arrival(id).is_some()
    }

    /// The place of the message that [`receive`](Self::receive) has, among all messages and events of the endpoint.
    pub fn next_arrival(&self, id: AssociationId) -> Option<Arrival> {
        self.association(id)?.next_arrival()
    }

    /// A place behind all messages and events that there are: of what the layer above adds.
    pub fn arrival(&self) -> Arrival {
        self.arrivals.next()
    }

    /// Ends an association in good order: what is queued is delivered first (SHUTDOWN; RFC 9260, 9.2).
    pub fn shutdown(&mut self, now: Time, id: AssociationId) -> Result<(), CommandError> {
        self.command(id, |association, _| {
            association.shutdown(now);
            Ok(())
        })
    }

    /// Everything that was to be sent before the peer's SHUTDOWN came has been sent
    /// ([`AssociationConfig::awaits_last_sends`]). Does nothing where that is not awaited; to [shut down](Self::shutdown) means
    /// the same then.
    /// RFC 9260, 9.2.
    pub fn finish_sending(&mut self, now: Time, id: AssociationId) -> Result<(), CommandError> {
        self.command(id, |association, _| {
            association.finish_sending(now);
            Ok(())
        })
    }

    /// Ends an association at once and tells the peer `reason` (ABORT; RFC 9260, 9.1).
    pub fn abort(&mut self, _now: Time, id: AssociationId, reason: Bytes) -> Result<(), CommandError> {
        self.command(id, |association, _| {
            association.abort(reason);
            Ok(())
        })
    }

    /// Forgets an ended association with all that was not read; one that still lives is aborted.
    /// RFC 9260, 9, 14.2.
    pub fn release(&mut self, id: AssociationId) {
        // An ended one refuses the command, which is right.
        let _ = self.command(id, |association, _| {
            association.abort(Bytes::new());
            Ok(())
        });
        let Some(slot) = self.slots.find(id) else { return };
        self.settle(slot);
        let Some(mut entry) = self.slots.remove(slot) else { return };
        self.deadlines.remove(slot, &mut entry);
        self.counters.note_gone(&entry.association.stats());
        if let Some(listener) = entry.listener.and_then(|listener| self.listeners.get_mut(listener)) {
            listener.forget(id);
        }
    }

    /// Makes `remote` the address that messages go to (SET PRIMARY; RFC 9260, 11.1.6).
    pub fn set_primary(&mut self, id: AssociationId, remote: IpAddr) -> Result<(), CommandError> {
        self.command(id, |association, _| association.set_primary(remote))
    }

    /// Sends a HEARTBEAT to `remote` now (RFC 9260, 11.1.10).
    pub fn request_heartbeat(
        &mut self,
        now: Time,
        id: AssociationId,
        remote: IpAddr,
    ) -> Result<(), CommandError> {
        self.command(id, |association, random| {
            association.request_heartbeat(&mut Context { now, random }, remote)
        })
    }

    /// The association named `id`, until it is released.
    pub fn association(&self, id: AssociationId) -> Option<&Association> {
        let slot = self.slots.find(id)?;
        self.slots.get(slot).map(|entry| &entry.association)
    }

    /// The living associations between one of our ports and a peer, named by any of its addresses: more than one where several
    /// sockets have the port, on different addresses.
    pub fn find(
        &self,
        local_port: u16,
        peer_address: IpAddr,
        peer_port: u16,
    ) -> impl Iterator<Item = AssociationId> + '_ {
        let found = self.demux.claimants(&PeerKey { local_port, peer_port, peer_address });
        found.filter_map(|slot| self.slots.get(slot)).map(|entry| entry.id)
    }

    /// Who listened for an association that the peer began.
    pub fn listener_of(&self, id: AssociationId) -> Option<ListenerId> {
        self.slots.get(self.slots.find(id)?)?.listener
    }

    /// Changes parameters of a living association.
    pub fn update_config(
        &mut self,
        id: AssociationId,
        change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<(), CommandError> {
        self.command(id, |association, _| association.update_config(change))
    }

    /// Sets the UDP encapsulation port of the peer's address `remote`, or with `None` of all its addresses; 0 for plain IP
    /// (RFC 6951, 6.1). The port that its packets come from takes its place.
    pub fn set_remote_udp_port(
        &mut self,
        id: AssociationId,
        remote: Option<IpAddr>,
        port: u16,
    ) -> Result<(), CommandError> {
        self.command(id, |association, _| association.set_remote_udp_port(remote, port))
    }

    /// The largest RTO that any path of an association had since this was last asked, and the peer's address of that path; `None`:
    /// there was no measurement and no time-out meanwhile (`sas_maxrto` of `SCTP_GET_ASSOC_STATS`).
    pub fn take_largest_rto(&mut self, id: AssociationId) -> Option<(IpAddr, Duration)> {
        let slot = self.slots.find(id)?;
        self.slots.get_mut(slot)?.association.take_largest_rto()
    }

    /// Changes parameters of the path to `remote` alone. What is changed for all paths afterwards holds for it, too.
    pub fn update_path(
        &mut self,
        id: AssociationId,
        remote: IpAddr,
        change: impl FnOnce(&mut PathParameters),
    ) -> Result<(), CommandError> {
        self.command(id, |association, _| association.update_path(remote, change))
    }

    /// Sets how many errors in a row the path to `remote` may have; those of all paths, also of those to come, are in
    /// [`AssociationConfig`] (RFC 7829, 7.2).
    pub fn set_thresholds(
        &mut self,
        id: AssociationId,
        remote: IpAddr,
        thresholds: Thresholds,
    ) -> Result<(), CommandError> {
        self.command(id, |association, _| association.set_thresholds(remote, thresholds))
    }

    /// Does something to a living association.
    fn command(
        &mut self,
        id: AssociationId,
        act: impl FnOnce(&mut Association, &mut Random) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let slot = self.slots.find(id).ok_or(CommandError::Closed)?;
        let entry = self.slots.get_mut(slot).ok_or(CommandError::Closed)?;
        if entry.association.is_closed() {
            return Err(CommandError::Closed);
        }
        act(&mut entry.association, &mut self.random)?;
        self.settle(slot);
        Ok(())
    }

    /// A datagram came in: an SCTP packet without IP and UDP headers, and the ECN field of the former.
    pub fn handle_packet(&mut self, now: Time, path: PathAddress, ecn: Ecn, datagram: Bytes) {
        self.receive_packet(now, path, ecn, datagram);
    }

    /// No more packets are waiting right now: acknowledgements that waited for more may leave.
    pub fn handle_batch_end(&mut self, now: Time) {
        for slot in core::mem::take(&mut self.batch) {
            if let Some(entry) = self.slots.get_mut(slot) {
                entry.in_batch = false;
                entry.association.end_batch(now);
                self.settle(slot);
            }
        }
    }

    /// An ICMP message came in about a packet of ours to `path`; `quoted` is what it quotes of it, from
    /// the SCTP common header on (RFC 9260, 10).
    /// RFC 8899, 4.6.1.
    pub fn handle_unreachable(&mut self, now: Time, path: PathAddress, kind: UnreachableKind, quoted: &[u8]) {
        let Some(quoted) = Quoted::read(quoted) else { return };
        let key = PeerKey {
            local_port: quoted.source_port,
            peer_port: quoted.destination_port,
            peer_address: path.remote,
        };
        // ICMP5.
        let Some(slot) = self.find_near(&key, path.local) else { return };
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.association.handle_unreachable(now, path.remote, kind, &quoted);
        }
        self.settle(slot);
    }

    /// Acts on all deadlines that are due.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(slot) = self.deadlines.pop_due(now) {
            let Some(entry) = self.slots.get_mut(slot) else { continue };
            entry.deadline = None;
            if entry.association.deadline().is_some_and(|deadline| deadline <= now) {
                entry.association.handle_timeout(&mut Context { now, random: &mut self.random });
            }
            self.settle_after(now, slot);
        }
    }

    /// Appends packets to send now to `buffer`: one to `max_segments` of them, all to one path and all of
    /// one size, but the last may be shorter. `None`: nothing to send now.
    pub fn poll_transmit(
        &mut self,
        now: Time,
        buffer: &mut Vec<u8>,
        max_segments: usize,
    ) -> Option<Transmit> {
        self.next_batch(now, buffer, max_segments)
    }

    /// The next event for the layer above.
    pub fn poll_event(&mut self) -> Option<(AssociationId, Event)> {
        self.poll_arrived_event().map(|(id, _, event)| (id, event))
    }

    /// The next event for the layer above, and its place among the messages that came.
    pub fn poll_arrived_event(&mut self) -> Option<(AssociationId, Arrival, Event)> {
        // What a released association had to say interests nobody any more.
        while let Some(event) = self.events.pop_front() {
            if self.slots.find(event.0).is_some() {
                return Some(event);
            }
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; a time that has passed is due
    /// now. `None`: no timer runs.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.first()
    }

    /// After anything that may have changed an association: it may have something to send.
    fn settle(&mut self, slot: Slot) {
        self.note_changes(slot);
        if let Some(entry) = self.slots.get_mut(slot)
            && !entry.ready
            && !entry.association.is_closed()
        {
            entry.ready = true;
            self.ready.push_back(slot);
        }
    }

    /// As [`settle`](Self::settle), after a time-out: a deadline that has not moved although it was acted
    /// on would be due for ever; it waits for the next tick instead.
    fn settle_after(&mut self, now: Time, slot: Slot) {
        self.settle(slot);
        if let Some(entry) = self.slots.get_mut(slot)
            && entry.deadline.is_some_and(|deadline| deadline <= now)
        {
            self.deadlines.remove(slot, entry);
            self.deadlines.update(slot, entry, Some(now + core::time::Duration::from_millis(1)));
        }
    }

    /// Takes over what an association has to say.
    fn note_changes(&mut self, slot: Slot) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let farewell = entry.association.take_farewell();
        while let Some((arrival, event)) = entry.association.poll_event() {
            self.counters.note_event(&event);
            self.events.push_back((entry.id, arrival, event));
        }
        if entry.association.is_closed() {
            entry.unregister(slot, &mut self.demux);
            self.deadlines.remove(slot, entry);
        } else {
            if entry.association.take_addresses_changed() {
                entry.unregister(slot, &mut self.demux);
                entry.register(slot, &mut self.demux);
            }
            let deadline = entry.association.deadline();
            self.deadlines.update(slot, entry, deadline);
        }
        if let Some(farewell) = farewell {
            let (path, packet) = *farewell;
            self.push_stateless(path, packet);
        }
    }

    /// Panics unless deadlines and flight sizes are what they must be: for tests and debug builds.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self) {
        for entry in self.slots.iter() {
            entry.association.check_invariants();
            let deadline = entry.association.deadline();
            let covered =
                deadline.is_none_or(|deadline| self.poll_timeout().is_some_and(|at| at <= deadline));
            assert!(covered, "poll_timeout is after a timer that runs: {deadline:?}");
        }
    }
}
