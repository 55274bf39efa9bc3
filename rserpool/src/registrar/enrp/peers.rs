//! Who the other registrars are, and whether they live (RFC 5353, 3.4).

use std::net::IpAddr;

use super::startup::Phase;
use super::tables::{Download, Upload};
use super::takeover::Takeover;
use super::{Enrp, EnrpTimer};
use crate::registrar::{Registrar, RegistrarEvent, Right, Timer};
use crate::transport::{AssociationId, Command, Peer, Side};
use crate::wire::{EnrpBody, ServerInformation};
use crate::{RegistrarId, Time};

/// Associations of peers that have not said who they are, beside those of who has.
const MAX_NAMELESS: usize = 256;

/// An association with another registrar, or an attempt at one.
pub(super) struct Link {
    pub(super) peer: Peer,
    pub(super) is_up: bool,
    /// Who it is, once it has said so.
    pub(super) registrar: Option<RegistrarId>,
    /// In milliseconds; zero until it is measured.
    distance: u32,
    /// When it came up.
    since: Time,
}

/// How it stands with a peer.
pub(super) enum Standing {
    /// It has been heard not long ago.
    Active,
    /// It has been silent, and was asked whether it is there.
    Asked,
    /// Another registrar takes it over ("not active").
    LeftToAnother,
    /// We mean to take it over.
    Target(Takeover),
}

/// How many other registrars are of each standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PeerCounts {
    /// Heard not long ago.
    pub active: usize,
    /// Silent, and asked whether they are there.
    pub asked: usize,
    /// Another registrar takes them over.
    pub left_to_another: usize,
    /// This registrar means to take them over.
    pub being_taken_over: usize,
}

/// Another registrar.
pub(super) struct PeerRegistrar {
    /// Where it is; none if only others have told of it, or of its elements.
    pub(super) place: Option<Peer>,
    /// The association that it was heard on last.
    pub(super) association: Option<AssociationId>,
    pub(super) last_heard: Time,
    pub(super) standing: Standing,
    pub(super) download: Option<Download>,
    pub(super) upload: Option<Upload>,
    /// A download was broken off: the peer may go on with it when it is asked for another one.
    pub(super) must_drain: bool,
    /// Counts downloads: what the last one did not bring is gone.
    pub(super) round: u32,
    /// Downloads in a row that did not make its checksum ours, and when to try again.
    pub(super) vain_audits: u32,
    pub(super) next_audit: Time,
}

impl PeerRegistrar {
    fn new(place: Option<Peer>, now: Time) -> Self {
        Self {
            place,
            association: None,
            last_heard: now,
            standing: Standing::Active,
            download: None,
            upload: None,
            must_drain: false,
            round: 0,
            vain_audits: 0,
            next_audit: now,
        }
    }

    /// Whether its answer to a takeover matters.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.standing, Standing::Active | Standing::Asked)
    }
}

impl Enrp {
    /// The association to send to a peer on.
    pub(super) fn way_to(&self, id: RegistrarId) -> Option<AssociationId> {
        let association = self.peers.get(&id)?.association?;
        self.links.get(&association).is_some_and(|link| link.is_up).then_some(association)
    }

    /// How far a peer is, as far as is known.
    pub(in crate::registrar) fn distance_of(&self, id: RegistrarId) -> u32 {
        let link = self.way_to(id).and_then(|association| self.links.get(&association));
        link.map_or(0, |link| link.distance)
    }

    /// Notes how far the other end of an association is; whether it is one of ours.
    pub(in crate::registrar) fn set_distance(&mut self, association: AssociationId, distance: u32) -> bool {
        let link = self.links.get_mut(&association);
        link.map(|link| link.distance = distance).is_some()
    }

    pub(in crate::registrar) fn peer_counts(&self) -> PeerCounts {
        let mut counts = PeerCounts::default();
        for peer in self.peers.values() {
            *match peer.standing {
                Standing::Active => &mut counts.active,
                Standing::Asked => &mut counts.asked,
                Standing::LeftToAnother => &mut counts.left_to_another,
                Standing::Target(_) => &mut counts.being_taken_over,
            } += 1;
        }
        counts
    }

    pub(in crate::registrar) fn link_count(&self) -> usize {
        self.links.len()
    }

    pub(super) fn is_linked(&self, place: &Peer) -> bool {
        self.links.values().any(|link| {
            link.peer.port == place.port
                && link.peer.addresses.iter().any(|address| place.addresses.contains(address))
        })
    }
}

impl Registrar {
    /// The registrars that this one knows of.
    pub fn peers(&self) -> impl Iterator<Item = RegistrarId> {
        self.enrp.peers.keys().copied()
    }

    /// The registrars that this one has an association with, and since when.
    pub fn linked_peers(&self) -> impl Iterator<Item = (RegistrarId, Time)> {
        let ways = self.enrp.peers.keys().filter_map(|id| Some((*id, self.enrp.way_to(*id)?)));
        ways.filter_map(|(id, way)| Some((id, self.enrp.links.get(&way)?.since)))
    }

    /// Somebody has come who wants to be a peer.
    pub(in crate::registrar) fn accept_enrp(&mut self, association: AssociationId, peer: Peer, now: Time) {
        let nameless = self.enrp.links.values().filter(|link| link.registrar.is_none()).count();
        let is_welcome = peer.addresses.first().is_some_and(|from| self.may_be_peer(*from));
        if !is_welcome || nameless >= MAX_NAMELESS + self.known_places().count() {
            self.statistics.refused_associations += 1;
            // A name may stand for it by now.
            self.resolve_names();
            self.io.push(Command::Abort { association });
            return;
        }
        self.enrp
            .links
            .insert(association, Link { peer, is_up: true, registrar: None, distance: 0, since: now });
    }

    /// Whether who comes from an address may be a registrar: the access rules say so, or it is where we, or our peers, know one.
    pub(super) fn may_be_peer(&self, from: IpAddr) -> bool {
        let access = &self.config.access;
        let is_known = || {
            let learned = self.enrp.peers.values().filter_map(|peer| peer.place.as_ref());
            self.known_places().chain(learned).any(|place| place.has_address(from))
        };
        match access.rule_for(Right::Peer, from, None) {
            Some(rule) => rule.allows,
            None => access.allows(Right::Peer, from, None) || is_known(),
        }
    }

    /// Whether this was one of ours.
    pub(in crate::registrar) fn handle_enrp_connected(
        &mut self,
        association: AssociationId,
        peer: &Peer,
        now: Time,
    ) -> bool {
        let Some(link) = self.enrp.links.get_mut(&association) else { return false };
        (link.is_up, link.since) = (true, now);
        link.peer = peer.clone();
        let receiver = link.registrar.unwrap_or_default();
        self.io.push(Command::Measure { association });
        // RSPLIB refuses what comes before a Presence; and who answers says who it is.
        self.send_presence(association, receiver, true);
        true
    }

    /// Whether this was one of ours.
    pub(in crate::registrar) fn handle_enrp_lost(&mut self, association: AssociationId, now: Time) -> bool {
        let Some(link) = self.enrp.links.remove(&association) else { return false };
        if let Some(id) = link.registrar {
            self.lose_way(id, association, link.is_up, now);
            // It may be elsewhere now.
            self.resolve_names();
        }
        self.check_startup(now);
        true
    }

    /// A peer's association has ended. If there is no other one, it is asked at once whether it is there.
    fn lose_way(&mut self, id: RegistrarId, association: AssociationId, was_up: bool, now: Time) {
        let mut others = self.enrp.links.iter().filter(|(_, link)| link.registrar == Some(id));
        let other = others.next().map(|(association, _)| *association);
        let Some(peer) = self.enrp.peers.get_mut(&id) else { return };
        if peer.association != Some(association) {
            return;
        }
        peer.association = other;
        let (is_active, is_asked) = (peer.is_active(), matches!(peer.standing, Standing::Asked));
        self.break_off_tables(id, now);
        match other {
            None if is_asked && !was_up => self.begin_takeover(id, now), // RFC 5353, 3.4.3: "if the send fails".
            None if is_active => self.ask(id, now),
            // There is another way to it; or it is being taken over, and not monitored (3.5.1).
            _ => {}
        }
    }

    fn presence(&self, reply_required: bool) -> EnrpBody {
        let transport = self.config.enrp.transport.clone();
        EnrpBody::Presence {
            reply_required,
            checksum: Some(self.handlespace.checksum(self.config.id).value()),
            server: transport.map(|transport| ServerInformation { id: self.config.id, transport }),
        }
    }

    pub(super) fn send_presence(
        &mut self,
        association: AssociationId,
        receiver: RegistrarId,
        reply_required: bool,
    ) {
        self.statistics.presences += 1;
        self.send_on(association, receiver, self.presence(reply_required));
    }

    /// RFC 5353, 3.5.1: somebody takes us for dead.
    pub(super) fn show_presence(&mut self) {
        let presence = self.presence(false);
        self.statistics.presences += self.send_to_all(&presence) as u64;
        if self.config.enrp.multicast {
            self.statistics.presences += 1;
            self.multicast(presence);
        }
    }

    /// RFC 5353, 3.4.2; and who is not linked is sought.
    pub(super) fn beat(&mut self, now: Time) {
        self.show_presence();
        let peers: Vec<RegistrarId> = self.enrp.peers.keys().copied().collect();
        for id in peers {
            self.link_to(id, now);
        }
        let links = self.enrp.links.iter().filter(|(_, link)| link.is_up);
        links.for_each(|(&association, _)| self.io.push(Command::Measure { association }));
        self.seek_known_peers(now);
        let next = now + self.vary(self.config.enrp.heartbeat_cycle, 125);
        self.timers.set(Timer::Enrp(EnrpTimer::Heartbeat), next);
    }

    pub(super) fn open_link(
        &mut self,
        peer: Peer,
        registrar: Option<RegistrarId>,
        now: Time,
    ) -> AssociationId {
        let association = self.connect(Side::Enrp, peer.clone(), now);
        self.enrp
            .links
            .insert(association, Link { peer, is_up: false, registrar, distance: 0, since: Time::ZERO });
        association
    }

    /// Connects to a peer whose place is known, unless that is being done.
    pub(super) fn link_to(&mut self, id: RegistrarId, now: Time) {
        let Some(peer) = self.enrp.peers.get(&id) else { return };
        let Some(place) = peer.place.clone().filter(|_| peer.association.is_none()) else { return };
        let association = self.open_link(place, Some(id), now);
        if let Some(peer) = self.enrp.peers.get_mut(&id) {
            peer.association = Some(association);
        }
    }

    /// Adds a peer. False if that may not be.
    pub(super) fn add_peer(&mut self, id: RegistrarId, place: Option<Peer>, now: Time) -> bool {
        if id == RegistrarId::NONE || id == self.config.id {
            return false;
        }
        if let Some(peer) = self.enrp.peers.get_mut(&id) {
            peer.place = peer.place.take().or(place);
            return true;
        }
        if self.enrp.peers.len() >= self.config.enrp.max_peers {
            tracing::warn!(%id, "too many registrars: this one is ignored");
            return false;
        }
        self.enrp.peers.insert(id, PeerRegistrar::new(place, now));
        self.timers.set(Timer::Enrp(EnrpTimer::Peer(id)), now + self.config.enrp.max_time_last_heard);
        self.emit(RegistrarEvent::PeerFound(id));
        true
    }

    /// A peer was heard on an association. Whether it is one (RFC 5353, 3.4.1).
    pub(super) fn hear(&mut self, id: RegistrarId, association: AssociationId, now: Time) -> bool {
        let is_new = !self.enrp.peers.contains_key(&id);
        if !self.add_peer(id, None, now) {
            return false;
        }
        if let (Some(link), Some(peer)) =
            (self.enrp.links.get_mut(&association), self.enrp.peers.get_mut(&id))
        {
            link.registrar = Some(id);
            peer.place.get_or_insert_with(|| link.peer.clone());
            peer.association = Some(association);
        }
        if is_new {
            self.send_presence(association, id, true);
        }
        self.note_life(id, now);
        true
    }

    /// The port that a peer listens at is not always the one that it came from.
    pub(super) fn note_place(&mut self, id: RegistrarId, association: AssociationId, port: u16) {
        let Some(link) = self.enrp.links.get(&association) else { return };
        let place = Peer { addresses: link.peer.addresses.clone(), port };
        if let Some(peer) = self.enrp.peers.get_mut(&id) {
            peer.place = Some(place);
        }
    }

    /// A peer was heard by multicast.
    pub(super) fn hear_from_afar(&mut self, id: RegistrarId, place: Peer, now: Time) {
        if self.add_peer(id, Some(place), now) {
            self.note_life(id, now);
            self.link_to(id, now);
        }
    }

    fn note_life(&mut self, id: RegistrarId, now: Time) {
        let Some(peer) = self.enrp.peers.get_mut(&id) else { return };
        peer.last_heard = now;
        let before = std::mem::replace(&mut peer.standing, Standing::Active);
        if !matches!(before, Standing::Active) {
            self.timers.set(Timer::Enrp(EnrpTimer::Peer(id)), now + self.config.enrp.max_time_last_heard);
        }
        if matches!(before, Standing::Target(_)) {
            self.emit(RegistrarEvent::TakeoverGivenUp { target: id });
        }
    }

    /// RFC 5353, 3.4.3. The timer is not set anew each time that a peer is heard.
    pub(super) fn look_after(&mut self, id: RegistrarId, now: Time) {
        let Some(peer) = self.enrp.peers.get(&id) else { return };
        let silence_ends = peer.last_heard + self.config.enrp.max_time_last_heard;
        match peer.standing {
            Standing::Active if silence_ends > now => {
                self.timers.set(Timer::Enrp(EnrpTimer::Peer(id)), silence_ends);
            }
            Standing::Active => self.ask(id, now),
            Standing::Asked => self.begin_takeover(id, now),
            Standing::LeftToAnother => self.ask(id, now),
            Standing::Target(_) => self.insist(id, now),
        }
    }

    /// Asks a peer whether it is there.
    fn ask(&mut self, id: RegistrarId, now: Time) {
        let Some(peer) = self.enrp.peers.get_mut(&id) else { return };
        if matches!(peer.standing, Standing::Target(_)) {
            return;
        }
        peer.standing = Standing::Asked;
        self.timers.set(Timer::Enrp(EnrpTimer::Peer(id)), now + self.config.enrp.max_time_no_response);
        match self.enrp.way_to(id) {
            Some(association) => self.send_presence(association, id, true),
            // Once it is up a Presence is sent.
            None => self.link_to(id, now),
        }
    }

    /// Forgets a peer, and what was under way with it.
    pub(super) fn remove_peer(&mut self, id: RegistrarId, now: Time) {
        if self.enrp.peers.remove(&id).is_none() {
            return;
        }
        for timer in [EnrpTimer::Peer(id), EnrpTimer::Download(id), EnrpTimer::Upload(id)] {
            self.timers.clear(Timer::Enrp(timer));
        }
        let gone: Vec<AssociationId> = self
            .enrp
            .links
            .iter()
            .filter(|(_, link)| link.registrar == Some(id))
            .map(|(id, _)| *id)
            .collect();
        for association in gone {
            self.enrp.links.remove(&association);
            self.timers.clear(Timer::SetUp(association));
            self.io.push(Command::Abort { association });
        }
        self.complete_takeovers(now);
        if matches!(self.enrp.phase, Phase::Starting(_)) {
            self.check_startup(now);
        }
    }
}
