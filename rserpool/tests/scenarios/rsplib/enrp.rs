//! The model's ENRP side.

use std::collections::BTreeSet;

use rserpool::wire::{EnrpBody, EnrpMessage, PoolEntry, ServerInformation};

use super::*;
use crate::federation::checksum_of;

const MAX_TIME_LAST_HEARD: Duration = Duration::from_millis(600);
const MAX_TIME_NO_RESPONSE: Duration = Duration::from_millis(300);
const TAKEOVER_EXPIRY: Duration = Duration::from_millis(500);
/// Elements in one message.
const PART: usize = 5;

/// What its timer for a peer waits for.
pub(super) enum Standing {
    /// The next Presence.
    Active,
    /// A Presence that it has asked for.
    Asked,
    /// Who has to agree to its takeover.
    Target(BTreeSet<RegistrarId>),
}

pub(super) struct PeerState {
    place: Peer,
    standing: Standing,
    /// Since when.
    since: Time,
    /// It has agreed to another's takeover of it.
    is_left: bool,
    /// How far it has come with our table, whichever it wanted.
    position: Option<PeId>,
    /// A table is being fetched. Nothing but its end ends that, not even the end of the association.
    is_downloading: bool,
    /// It is the table of all elements.
    is_mentor: bool,
    has_list: bool,
}

impl PeerState {
    fn new(place: Peer, now: Time) -> Self {
        Self {
            place,
            standing: Standing::Active,
            since: now,
            is_left: false,
            position: None,
            is_downloading: false,
            is_mentor: false,
            has_list: false,
        }
    }

    pub(super) fn due(&self) -> Time {
        self.since
            + match self.standing {
                Standing::Active => MAX_TIME_LAST_HEARD,
                Standing::Asked => MAX_TIME_NO_RESPONSE,
                Standing::Target(_) => TAKEOVER_EXPIRY,
            }
    }
}

impl RsplibRegistrar {
    fn send(&mut self, association: AssociationId, receiver: RegistrarId, body: EnrpBody) {
        if self.links.get(&association).is_some_and(|link| link.is_up) {
            let message = EnrpMessage { sender: self.id, receiver, body };
            let data = message.encode(&Format::default()).expect("a message");
            self.commands
                .push_back(Command::Send { association, message: UserMessage::new(ENRP_PPID, data) });
        }
    }

    /// It sends to addresses. If there is no association with them there will be one; the model forgets the message meanwhile.
    fn send_to(&mut self, peer: RegistrarId, body: EnrpBody) {
        let Some(place) = self.peers.get(&peer).map(|peer| peer.place.clone()) else { return };
        if let Some(association) = self.link_with(place) {
            self.send(association, peer, body);
        }
    }

    fn link_with(&mut self, place: Peer) -> Option<AssociationId> {
        let mut links = self.links.iter().filter(|(_, link)| link.side == Side::Enrp && link.peer == place);
        let known = links.clone().find(|(_, link)| link.is_up).or(links.next());
        match known {
            Some((association, _)) => Some(*association),
            None => {
                self.connect(Side::Enrp, place);
                None
            }
        }
    }

    fn send_to_all(&mut self, body: &EnrpBody) {
        let peers: Vec<RegistrarId> = self.peers.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.send_to(peer, body.clone()));
    }

    pub(super) fn announce(&mut self, action: UpdateAction, element: &PoolElement) {
        let (pool_handle, element) = (POOL.into(), element.clone());
        self.send_to_all(&EnrpBody::HandleUpdate { action, takeover_suggested: false, pool_handle, element });
    }

    fn presence(&self, reply_required: bool) -> EnrpBody {
        let own = self.elements().filter(|element| element.home == self.id);
        let checksum = Some(checksum_of(own.map(|element| element.id.0)));
        EnrpBody::Presence { reply_required, checksum, server: Some(server(self.id, &self.place)) }
    }

    pub(super) fn greet(&mut self, association: AssociationId) {
        self.send(association, RegistrarId::NONE, self.presence(false));
    }

    pub(super) fn beat(&mut self) {
        self.send_to_all(&self.presence(false));
        for place in self.known.clone() {
            self.link_with(place);
        }
    }

    /// The hasty ones doubt a peer when its association ends. RSPLIB's do not care for that.
    pub(super) fn lose_peer(&mut self, link: &Link, now: Time) {
        for peer in self.peers.values_mut().filter(|peer| self.is_hasty && peer.place == link.peer) {
            if matches!(peer.standing, Standing::Active) {
                (peer.standing, peer.since) = (Standing::Asked, now);
            }
        }
    }

    pub(super) fn handle_enrp(&mut self, association: AssociationId, data: &[u8], now: Time) {
        if !self.links.contains_key(&association) {
            return;
        }
        let EnrpMessage { sender, body, .. } =
            EnrpMessage::parse(data, &Format::default()).expect("registrars say it").message;
        match body {
            EnrpBody::Presence { reply_required, checksum, server } => {
                let server = server.expect("registrars say where they are");
                self.note_peer(association, &server, now);
                self.learn_or_audit(sender, association, checksum.unwrap_or_default());
                if reply_required {
                    self.send(association, sender, self.presence(false));
                }
            }
            EnrpBody::ListRequest => self.answer_list_request(sender, association),
            EnrpBody::ListResponse { rejected: false, servers } => self.handle_list(servers, now),
            EnrpBody::ListResponse { .. } => {}
            EnrpBody::HandleTableRequest { own_children_only } => {
                self.send_part(sender, association, own_children_only);
            }
            EnrpBody::HandleTableResponse { more, rejected, pools } => {
                self.handle_table(sender, association, more && !rejected, pools, now);
                self.is_serving |= !(more || rejected) && self.mentor == Some(sender);
            }
            EnrpBody::HandleUpdate { action: UpdateAction::Add, element, .. } => self.take_in(element, now),
            EnrpBody::HandleUpdate { action: UpdateAction::Delete, element, .. } => {
                self.entries.remove(&element.id);
            }
            EnrpBody::InitTakeover { target } => self.handle_init(sender, association, target, now),
            EnrpBody::InitTakeoverAck { target } => self.handle_agreement(sender, target, now),
            EnrpBody::TakeoverServer { target } => self.handle_takeover(sender, target),
            EnrpBody::Error(causes) => panic!("{sender} reports {causes:?}"),
        }
    }

    /// Only a Presence is a sign of life; and it stops whatever is under way against the peer.
    fn note_peer(&mut self, association: AssociationId, at: &ServerInformation, now: Time) {
        let place = Peer { addresses: at.transport.addresses.to_vec(), port: at.transport.port };
        if let Some(link) = self.links.get_mut(&association) {
            link.peer = place.clone();
        }
        let is_new = !self.peers.contains_key(&at.id);
        let peer = self.peers.entry(at.id).or_insert_with(|| PeerState::new(place.clone(), now));
        peer.place = place;
        (peer.standing, peer.since, peer.is_left) = (Standing::Active, now, false);
        if is_new {
            self.send(association, at.id, self.presence(true));
        }
    }

    fn learn_or_audit(&mut self, from: RegistrarId, association: AssociationId, checksum: u16) {
        let theirs = self.elements().filter(|element| element.home == from);
        let is_equal = checksum_of(theirs.map(|element| element.id.0)) == checksum;
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let wants_list = !std::mem::replace(&mut peer.has_list, true);
        let is_mentor = self.mentor.is_none() && !self.is_serving;
        let is_wrong = !is_equal && !peer.is_downloading;
        peer.is_mentor |= is_mentor;
        peer.is_downloading |= is_mentor || is_wrong;
        if is_mentor {
            self.mentor = Some(from);
            self.send(association, from, EnrpBody::HandleTableRequest { own_children_only: false });
        } else if is_wrong {
            for entry in self.entries.values_mut().filter(|entry| entry.info.home == from) {
                entry.is_marked = true;
            }
            self.send(association, from, EnrpBody::HandleTableRequest { own_children_only: true });
        }
        if wants_list {
            self.send(association, from, EnrpBody::ListRequest);
        }
    }

    fn answer_list_request(&mut self, from: RegistrarId, association: AssociationId) {
        let servers = self.peers.iter().map(|(id, peer)| server(*id, &peer.place)).collect();
        self.send(association, from, EnrpBody::ListResponse { rejected: false, servers });
    }

    fn handle_list(&mut self, servers: Vec<ServerInformation>, now: Time) {
        for ServerInformation { id, transport } in servers {
            if id != self.id && !self.peers.contains_key(&id) {
                let place = Peer { addresses: transport.addresses.to_vec(), port: transport.port };
                self.peers.insert(id, PeerState::new(place, now));
                self.send_to(id, self.presence(false));
            }
        }
    }

    /// It answers while it learns itself, too. Only who has not shown itself is refused.
    fn send_part(&mut self, to: RegistrarId, association: AssociationId, own_children_only: bool) {
        let Some(peer) = self.peers.get_mut(&to) else {
            let body = EnrpBody::HandleTableResponse { more: false, rejected: true, pools: Vec::new() };
            return self.send(association, to, body);
        };
        let after = peer.position.take();
        let wanted = self.entries.values().map(|entry| &entry.info).filter(|element| {
            after.is_none_or(|after| element.id > after) && (!own_children_only || element.home == self.id)
        });
        let mut elements: Vec<PoolElement> = wanted.take(PART + 1).cloned().collect();
        let more = elements.len() > PART;
        elements.truncate(PART);
        peer.position = elements.last().map(|last| last.id).filter(|_| more);
        let pools = vec![PoolEntry { handle: POOL.into(), elements }];
        let pools = pools.into_iter().filter(|pool| !pool.elements.is_empty()).collect();
        self.send(association, to, EnrpBody::HandleTableResponse { more, rejected: false, pools });
    }

    fn handle_table(
        &mut self,
        from: RegistrarId,
        association: AssociationId,
        more: bool,
        pools: Vec<PoolEntry>,
        now: Time,
    ) {
        if !self.peers.contains_key(&from) {
            return;
        }
        let elements = pools.into_iter().flat_map(|pool| pool.elements);
        elements.for_each(|element| self.take_in(element, now));
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if more {
            let own_children_only = !peer.is_mentor;
            return self.send(association, from, EnrpBody::HandleTableRequest { own_children_only });
        }
        (peer.is_mentor, peer.is_downloading) = (false, false);
        self.entries.retain(|_, entry| !entry.is_marked || entry.info.home != from);
    }

    /// It believes whoever says whose an element is, but for itself; and forgets the element's association.
    fn take_in(&mut self, info: PoolElement, now: Time) {
        if info.home != self.id {
            let due = info.life.duration().map(|life| now + life);
            let entry = Entry { info, association: None, due, is_asked: false, is_marked: false };
            self.entries.insert(entry.info.id, entry);
        }
    }

    pub(super) fn look_after_peers(&mut self, now: Time) {
        let due = self.peers.iter().filter(|(_, peer)| peer.due() <= now);
        let due: Vec<RegistrarId> = due.map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.look_after_peer(id, now));
    }

    fn look_after_peer(&mut self, id: RegistrarId, now: Time) {
        let others: BTreeSet<RegistrarId> = self.peers.keys().copied().filter(|other| *other != id).collect();
        let has_elements = self.elements().any(|element| element.home == id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.since = now;
        match peer.standing {
            Standing::Active => {
                peer.standing = Standing::Asked;
                self.send_to(id, self.presence(true));
            }
            Standing::Asked if has_elements && !peer.is_left => {
                peer.standing = Standing::Target(others);
                self.send_to_all(&EnrpBody::InitTakeover { target: id });
            }
            // Somebody else takes it over, or has nothing to take, or not all have agreed in time: whatever becomes of its elements.
            Standing::Asked | Standing::Target(_) => self.forget_peer(id),
        }
    }

    fn forget_peer(&mut self, id: RegistrarId) {
        if let Some(peer) = self.peers.remove(&id) {
            self.known.retain(|place| *place != peer.place);
        }
    }

    fn handle_init(&mut self, from: RegistrarId, association: AssociationId, target: RegistrarId, now: Time) {
        if target == self.id {
            return self.send_to_all(&self.presence(false));
        }
        if let Some(peer) = self.peers.get_mut(&target) {
            if matches!(peer.standing, Standing::Target(_)) {
                if self.id < from {
                    return;
                }
                (peer.standing, peer.since) = (Standing::Asked, now);
            }
            peer.is_left = true;
        }
        self.send(association, from, EnrpBody::InitTakeoverAck { target });
    }

    fn handle_agreement(&mut self, from: RegistrarId, target: RegistrarId, now: Time) {
        let Some(peer) = self.peers.get_mut(&target) else { return };
        let Standing::Target(awaited) = &mut peer.standing else { return };
        awaited.remove(&from);
        if awaited.is_empty() {
            self.takeovers += 1;
            self.claim(target, now);
            self.forget_peer(target);
        }
    }

    fn handle_takeover(&mut self, by: RegistrarId, target: RegistrarId) {
        for entry in self.entries.values_mut().filter(|entry| entry.info.home == target) {
            entry.info.home = by;
        }
    }
}

fn server(id: RegistrarId, place: &Peer) -> ServerInformation {
    let transport = Transport::sctp(place.port, place.addresses.clone(), TransportUse::DataOnly);
    ServerInformation { id, transport }
}
