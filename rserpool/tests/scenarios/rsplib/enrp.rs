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

pub(super) enum Standing {
    Active,
    Asked,
    /// It was left to another registrar.
    Inactive,
    /// Who has to agree to its takeover.
    Target(BTreeSet<RegistrarId>),
}

pub(super) struct PeerState {
    association: AssociationId,
    place: Peer,
    standing: Standing,
    /// Since when.
    since: Time,
    /// How far it has come with our table, whichever it wanted.
    position: Option<PeId>,
    is_downloading: bool,
}

impl PeerState {
    pub(super) fn due(&self) -> Time {
        self.since
            + match self.standing {
                Standing::Active => MAX_TIME_LAST_HEARD,
                Standing::Asked => MAX_TIME_NO_RESPONSE,
                Standing::Inactive | Standing::Target(_) => TAKEOVER_EXPIRY,
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

    fn send_to(&mut self, peer: RegistrarId, body: EnrpBody) {
        if let Some(association) = self.peers.get(&peer).map(|peer| peer.association) {
            self.send(association, peer, body);
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

    pub(super) fn send_presence(
        &mut self,
        association: AssociationId,
        to: RegistrarId,
        reply_required: bool,
    ) {
        self.send(association, to, self.presence(reply_required));
    }

    pub(super) fn beat(&mut self) {
        self.send_to_all(&self.presence(false));
        for place in self.known.clone() {
            let is_linked = self.links.values().any(|link| link.side == Side::Enrp && link.peer == place);
            if !is_linked {
                self.connect(Side::Enrp, place);
            }
        }
    }

    /// Unlike RSPLIB's, which wait until it has been silent for long, it doubts a peer at once: so it is as fast as ours, and contests
    /// are frequent.
    pub(super) fn lose_peer(&mut self, association: AssociationId, now: Time) {
        for peer in self.peers.values_mut().filter(|peer| peer.association == association) {
            peer.is_downloading = false;
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
        if let EnrpBody::Presence { server: Some(server), .. } = &body {
            self.note_peer(sender, association, server, now);
        }
        let Some(peer) = self.peers.get_mut(&sender) else { return };
        peer.association = association;
        (peer.standing, peer.since) = (Standing::Active, now);
        self.handle_body(sender, association, body, now);
    }

    fn note_peer(&mut self, id: RegistrarId, association: AssociationId, at: &ServerInformation, now: Time) {
        let place = Peer { addresses: at.transport.addresses.to_vec(), port: at.transport.port };
        self.peers.entry(id).or_insert(PeerState {
            association,
            place,
            standing: Standing::Active,
            since: now,
            position: None,
            is_downloading: false,
        });
    }

    fn handle_body(&mut self, from: RegistrarId, association: AssociationId, body: EnrpBody, now: Time) {
        match body {
            EnrpBody::Presence { reply_required, checksum, .. } => {
                if reply_required {
                    self.send_presence(association, from, false);
                }
                self.learn_or_audit(from, checksum.unwrap_or_default());
            }
            EnrpBody::ListRequest => self.answer_list_request(from),
            EnrpBody::ListResponse { servers, .. } => self.handle_list(servers),
            EnrpBody::HandleTableRequest { own_children_only } => self.send_part(from, own_children_only),
            EnrpBody::HandleTableResponse { more, rejected, pools } => {
                self.handle_table(from, more, rejected, pools);
            }
            EnrpBody::HandleUpdate { action: UpdateAction::Add, element, .. } => self.take_in(element),
            EnrpBody::HandleUpdate { action: UpdateAction::Delete, element, .. } => {
                self.entries.remove(&element.id);
            }
            EnrpBody::InitTakeover { target } => self.handle_init(from, target, now),
            EnrpBody::InitTakeoverAck { target } => self.handle_agreement(from, target),
            EnrpBody::TakeoverServer { target } => self.handle_takeover(from, target),
            EnrpBody::Error(causes) => panic!("{from} reports {causes:?}"),
        }
    }

    fn learn_or_audit(&mut self, from: RegistrarId, checksum: u16) {
        let theirs = self.elements().filter(|element| element.home == from);
        let is_equal = checksum_of(theirs.map(|element| element.id.0)) == checksum;
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if self.mentor.is_none() && !self.is_serving {
            peer.is_downloading = true;
            self.mentor = Some(from);
            self.send_to(from, EnrpBody::ListRequest);
            self.send_to(from, EnrpBody::HandleTableRequest { own_children_only: false });
        } else if self.is_serving && !is_equal && !peer.is_downloading {
            peer.is_downloading = true;
            for entry in self.entries.values_mut() {
                entry.is_marked = entry.info.home == from;
            }
            self.send_to(from, EnrpBody::HandleTableRequest { own_children_only: true });
        }
    }

    fn answer_list_request(&mut self, from: RegistrarId) {
        let rejected = !self.is_serving;
        let others = self.peers.iter().filter(|(id, _)| !rejected && **id != from);
        let servers = others.map(|(id, peer)| server(*id, &peer.place)).collect();
        self.send_to(from, EnrpBody::ListResponse { rejected, servers });
    }

    fn handle_list(&mut self, servers: Vec<ServerInformation>) {
        for ServerInformation { id, transport } in servers {
            if id != self.id && !self.peers.contains_key(&id) {
                let place = Peer { addresses: transport.addresses.to_vec(), port: transport.port };
                self.connect(Side::Enrp, place);
            }
        }
    }

    fn send_part(&mut self, to: RegistrarId, own_children_only: bool) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
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
        let rejected = !self.is_serving;
        self.send_to(to, EnrpBody::HandleTableResponse { more: more && !rejected, rejected, pools });
    }

    fn handle_table(&mut self, from: RegistrarId, more: bool, rejected: bool, pools: Vec<PoolEntry>) {
        let elements = pools.into_iter().flat_map(|pool| pool.elements);
        elements.for_each(|element| self.take_in(element));
        let own_children_only = self.is_serving;
        if more {
            return self.send_to(from, EnrpBody::HandleTableRequest { own_children_only });
        }
        if own_children_only && !rejected {
            self.entries.retain(|_, entry| !entry.is_marked || entry.info.home != from);
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.is_downloading = false;
        }
        self.is_serving |= self.mentor == Some(from);
    }

    /// It believes whoever says whose an element is, but for itself.
    fn take_in(&mut self, info: PoolElement) {
        if info.home == self.id {
            return;
        }
        let association = self.entries.get(&info.id).and_then(|entry| entry.association);
        let entry = Entry { info, association, due: None, is_asked: false, is_marked: false };
        self.entries.insert(entry.info.id, entry);
    }

    pub(super) fn look_after_peers(&mut self, now: Time) {
        let due = self.peers.iter().filter(|(_, peer)| peer.due() <= now);
        let due: Vec<RegistrarId> = due.map(|(id, _)| *id).collect();
        for id in due {
            let others: BTreeSet<RegistrarId> =
                self.peers.keys().copied().filter(|other| *other != id).collect();
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.since = now;
            match peer.standing {
                Standing::Asked => {
                    peer.standing = Standing::Target(others);
                    self.send_to_all(&EnrpBody::InitTakeover { target: id });
                }
                _ => {
                    peer.standing = Standing::Asked;
                    self.send_to(id, self.presence(true));
                }
            }
        }
    }

    fn handle_init(&mut self, from: RegistrarId, target: RegistrarId, now: Time) {
        if target == self.id {
            return self.send_to_all(&self.presence(false));
        }
        if let Some(peer) = self.peers.get_mut(&target) {
            if matches!(peer.standing, Standing::Target(_)) && self.id < from {
                return;
            }
            (peer.standing, peer.since) = (Standing::Inactive, now);
        }
        self.send_to(from, EnrpBody::InitTakeoverAck { target });
    }

    fn handle_agreement(&mut self, from: RegistrarId, target: RegistrarId) {
        let Some(peer) = self.peers.get_mut(&target) else { return };
        let Standing::Target(awaited) = &mut peer.standing else { return };
        if awaited.remove(&from) && awaited.is_empty() {
            self.peers.remove(&target);
            self.takeovers += 1;
            self.claim(target);
        }
    }

    fn handle_takeover(&mut self, by: RegistrarId, target: RegistrarId) {
        if target != self.id {
            self.peers.remove(&target);
            for entry in self.entries.values_mut().filter(|entry| entry.info.home == target) {
                entry.info.home = by;
            }
        }
    }
}

fn server(id: RegistrarId, place: &Peer) -> ServerInformation {
    let transport = Transport::sctp(place.port, place.addresses.clone(), TransportUse::DataOnly);
    ServerInformation { id, transport }
}
