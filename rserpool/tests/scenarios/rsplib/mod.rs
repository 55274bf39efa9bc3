//! A registrar that behaves as RSPLIB's (3.4.4) does among others, with one pool and the timers of `Profile::Fast`. Where that departs
//! from RFC 5353:
//!
//! - The smaller identifier wins an arbitration. With nobody to agree, as among two registrars, a takeover never completes.
//! - A takeover to which not all have agreed in time is given up for good, as is one that was left to another; the peer is forgotten.
//! - Its Takeover Server is not delivered: peers learn of the new homes by audits, and once the elements register again.
//! - It believes anybody's deletions, and whoever says whose an element is.
//! - One position for all downloads of a peer. A table request before a Presence is refused. It answers while it learns itself.
//! - Only a Presence is a sign of life. The end of an association with a peer is none of death, and does not end a download.
//!
//! Where RSPLIB would wait for longer than the scenarios do, a hasty one does not: it doubts a peer as soon as its association ends, as
//! ours do, so that many begin a takeover in the same instant.
//!
//! [`enrp`] is what it has to do with other registrars; here are elements.

mod enrp;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rserpool::transport::{AssociationId, Command, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::UpdateAction;
use rserpool::wire::{ASAP_PPID, AsapMessage, ENRP_PPID, Format, PoolElement, Transport, TransportUse};
use rserpool::{PeId, RegistrarId, Time};

use crate::world::POOL;
use enrp::PeerState;

const HEARTBEAT: Duration = Duration::from_millis(250);
const KEEP_ALIVE: Duration = Duration::from_millis(250);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_millis(400);

/// An association, or an attempt at one.
#[derive(Clone)]
struct Link {
    side: Side,
    peer: Peer,
    is_up: bool,
}

/// An element, and how it stands with it.
struct Entry {
    info: PoolElement,
    /// Where it has registered, or was told that this is its home now.
    association: Option<AssociationId>,
    /// When to ask it, or to give it up; that of another registrar only the latter.
    due: Option<Time>,
    is_asked: bool,
    /// An audit has not come across it yet.
    is_marked: bool,
}

pub(crate) struct RsplibRegistrar {
    id: RegistrarId,
    place: Peer,
    /// Registrars that are known beforehand.
    known: Vec<Peer>,
    is_serving: bool,
    mentor: Option<RegistrarId>,
    /// When to serve without a mentor.
    alone_at: Time,
    next_beat: Time,
    is_hasty: bool,
    links: BTreeMap<AssociationId, Link>,
    next_association: u64,
    peers: BTreeMap<RegistrarId, PeerState>,
    entries: BTreeMap<PeId, Entry>,
    commands: VecDeque<Command>,
    /// How many it has taken over.
    pub(crate) takeovers: usize,
}

impl RsplibRegistrar {
    pub(crate) fn new(id: RegistrarId, place: Peer, known: Vec<Peer>, is_hasty: bool, now: Time) -> Self {
        Self {
            id,
            place,
            known,
            is_serving: false,
            mentor: None,
            alone_at: now + 2 * HEARTBEAT,
            next_beat: now,
            is_hasty,
            links: BTreeMap::new(),
            next_association: 0,
            peers: BTreeMap::new(),
            entries: BTreeMap::new(),
            commands: VecDeque::new(),
            takeovers: 0,
        }
    }

    /// What it knows.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &PoolElement> {
        self.entries.values().map(|entry| &entry.info)
    }

    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let elements = self.entries.values().filter_map(|entry| entry.due);
        let peers = self.peers.values().map(PeerState::due);
        elements.chain(peers).chain([self.next_beat]).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        self.is_serving |= now >= self.alone_at;
        if now >= self.next_beat {
            self.next_beat = now + HEARTBEAT;
            self.beat();
        }
        self.look_after_peers(now);
        let due = |(_, entry): &(&PeId, &Entry)| entry.due.is_some_and(|due| due <= now);
        let due: Vec<PeId> = self.entries.iter().filter(due).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.look_after(id, now));
    }

    pub(crate) fn handle_event(&mut self, event: TransportEvent, now: Time) {
        match event {
            TransportEvent::Accepted { association, side, peer } => {
                self.links.insert(association, Link { side, peer, is_up: true });
            }
            TransportEvent::Connected { association, peer } => self.handle_connected(association, peer, now),
            TransportEvent::Message { association, message } if message.ppid == ASAP_PPID => {
                let parsed = AsapMessage::parse(&message.data, &Format::default()).expect("elements say it");
                self.handle_asap(association, parsed.message, now);
            }
            TransportEvent::Message { association, message } => {
                self.handle_enrp(association, &message.data, now);
            }
            TransportEvent::Lost { association, .. } => {
                if let Some(link) = self.links.remove(&association) {
                    self.lose_peer(&link, now);
                }
                self.lose_elements(association);
            }
            TransportEvent::Undelivered { .. }
            | TransportEvent::Measured { .. }
            | TransportEvent::PeerMoved { .. }
            | TransportEvent::Moved { .. }
            | TransportEvent::Resolved { .. }
            | TransportEvent::Announce { .. } => {}
        }
    }

    fn handle_connected(&mut self, association: AssociationId, peer: Peer, now: Time) {
        let Some(link) = self.links.get_mut(&association) else { return };
        (link.is_up, link.peer) = (true, peer);
        if link.side == Side::Enrp {
            return self.greet(association);
        }
        let here = self.entries.iter().filter(|(_, entry)| entry.association == Some(association));
        let here: Vec<PeId> = here.map(|(id, _)| *id).collect();
        here.into_iter().for_each(|id| self.ask(id, true, now));
    }

    fn connect(&mut self, side: Side, peer: Peer) -> AssociationId {
        let association = AssociationId::Outgoing(self.next_association);
        self.next_association += 1;
        self.links.insert(association, Link { side, peer: peer.clone(), is_up: false });
        self.commands.push_back(Command::Connect { association, side, peer });
        association
    }

    fn send_asap(&mut self, association: AssociationId, message: &AsapMessage) {
        let data = message.encode(&Format::default()).expect("a message");
        self.commands.push_back(Command::Send { association, message: UserMessage::new(ASAP_PPID, data) });
    }

    fn handle_asap(&mut self, association: AssociationId, message: AsapMessage, now: Time) {
        match message {
            AsapMessage::Registration { element, .. } => self.register(association, element, now),
            AsapMessage::EndpointKeepAliveAck { pe_id, .. } => self.handle_ack(association, pe_id, now),
            message => panic!("no element of these scenarios says {message:?}"),
        }
    }

    fn register(&mut self, association: AssociationId, element: PoolElement, now: Time) {
        let Some(link) = self.links.get(&association) else { return };
        let asap = Transport::sctp(link.peer.port, link.peer.addresses.clone(), TransportUse::DataOnly);
        let info = PoolElement { home: self.id, asap_transport: Some(asap), ..element };
        let pe_id = info.id;
        self.adopt(info.clone(), association, now);
        let response = AsapMessage::RegistrationResponse {
            rejected: false,
            pool_handle: POOL.into(),
            pe_id,
            errors: Vec::new(),
        };
        self.send_asap(association, &response);
        self.announce(UpdateAction::Add, &info);
    }

    fn adopt(&mut self, info: PoolElement, association: AssociationId, now: Time) {
        let due = Some(now + KEEP_ALIVE);
        let entry = Entry { info, association: Some(association), due, is_asked: false, is_marked: false };
        self.entries.insert(entry.info.id, entry);
    }

    fn handle_ack(&mut self, association: AssociationId, id: PeId, now: Time) {
        let own = self.id;
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.info.home == own) else { return };
        entry.association = Some(association);
        (entry.due, entry.is_asked) = (Some(now + KEEP_ALIVE), false);
    }

    /// The time has come to ask an element, or it has not answered, or has not been heard of.
    fn look_after(&mut self, id: PeId, now: Time) {
        let Some(entry) = self.entries.get(&id) else { return };
        if entry.is_asked || entry.info.home != self.id {
            self.remove(id);
        } else {
            self.ask(id, false, now);
        }
    }

    fn remove(&mut self, id: PeId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if entry.info.home == self.id {
            self.announce(UpdateAction::Delete, &entry.info);
        }
    }

    /// The Keep-Alive; with the H flag if the element does not know that this is its home.
    fn ask(&mut self, id: PeId, new_home: bool, now: Time) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.due = Some(now + KEEP_ALIVE_TIMEOUT);
        entry.is_asked = true;
        let Some(association) = entry.association else { return };
        let (registrar, pool_handle) = (self.id, POOL.into());
        let message = AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id: Some(id) };
        self.send_asap(association, &message);
    }

    /// Whoever they have left it for: they are gone. All are told of those of which it has not heard that they are another's.
    fn lose_elements(&mut self, association: AssociationId) {
        let gone = self.entries.iter().filter(|(_, entry)| entry.association == Some(association));
        let gone: Vec<PeId> = gone.map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|id| self.remove(id));
    }

    /// Elements of a registrar that this one has taken over are its own, and are to know it.
    fn claim(&mut self, of: RegistrarId, now: Time) {
        let theirs = self.entries.iter().filter(|(_, entry)| entry.info.home == of);
        let theirs: Vec<PeId> = theirs.map(|(id, _)| *id).collect();
        for id in theirs {
            let asap = self.entries.get(&id).and_then(|entry| entry.info.asap_transport.clone());
            let asap = asap.expect("registrars say where elements are");
            let peer = Peer { addresses: asap.addresses.to_vec(), port: asap.port };
            let association = self.connect(Side::Asap, peer);
            if let Some(entry) = self.entries.get_mut(&id) {
                (entry.info.home, entry.association) = (self.id, Some(association));
                (entry.due, entry.is_asked) = (Some(now + KEEP_ALIVE_TIMEOUT), true);
            }
        }
    }
}
