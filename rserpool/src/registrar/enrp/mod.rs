//! The registrar's ENRP side (RFC 5353, 3): registrars tell each other of their elements, and take over those of who is gone.
//!
//! | file | what |
//! | --- | --- |
//! | [`peers`] | who the other registrars are, and whether they live (3.4) |
//! | [`known`] | who they are said to be beforehand, by address and by name |
//! | [`startup`] | learning peers and handlespace from a mentor (3.2) |
//! | [`tables`] | Handle Tables, both ways, and audits (3.2.3, 3.6) |
//! | [`updates`] | Handle Updates, both ways (3.3) |
//! | [`takeover`] | arbitration and takeover (3.5) |
//! | [`claims`] | making taken-over elements change their home |

mod claims;
mod known;
mod peers;
mod startup;
mod tables;
mod takeover;
mod updates;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use claims::Claims;
use known::Named;
pub use peers::PeerCounts;
use peers::{Link, PeerRegistrar};
use startup::Phase;

use super::Registrar;
use crate::transport::{AssociationId, Command, Peer, Side};
use crate::wire::{EnrpBody, EnrpMessage, ErrorCause};
use crate::{RegistrarId, Time};

/// What the ENRP side remembers.
pub(super) struct Enrp {
    phase: Phase,
    links: BTreeMap<AssociationId, Link>,
    peers: BTreeMap<RegistrarId, PeerRegistrar>,
    named: Named,
    pub(super) claims: Claims,
}

/// A timer of the ENRP side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum EnrpTimer {
    /// The next Presence.
    Heartbeat,
    /// The mentor does not answer, or it is time to look for another one.
    Mentor,
    /// A peer has been silent, or a takeover takes too long.
    Peer(RegistrarId),
    /// A peer owes the next part of its table.
    Download(RegistrarId),
    /// A peer does not fetch the next part of our table.
    Upload(RegistrarId),
    /// More elements may be told that this is their home.
    Claims,
}

impl Enrp {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Serving,
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            named: Named::default(),
            claims: Claims::default(),
        }
    }
}

impl Registrar {
    pub(super) fn handle_enrp_timer(&mut self, timer: EnrpTimer, now: Time) {
        match timer {
            EnrpTimer::Heartbeat => self.beat(now),
            EnrpTimer::Mentor => self.handle_mentor_timer(now),
            EnrpTimer::Peer(id) => self.look_after(id, now),
            EnrpTimer::Download(id) => self.fail_download(id, now),
            EnrpTimer::Upload(id) => self.forget_upload(id),
            EnrpTimer::Claims => self.claim_more(now),
        }
    }

    /// A message of another registrar.
    pub(super) fn handle_enrp(&mut self, association: AssociationId, data: &[u8], now: Time) {
        if !self.enrp.links.contains_key(&association) {
            return;
        }
        let parsed = match EnrpMessage::parse(data, &self.config.format) {
            Ok(parsed) => parsed,
            Err(error) => {
                tracing::debug!(%error, ?association, "bad ENRP message");
                self.statistics.bad_messages += 1;
                return self.report_to_peer(association, error.report());
            }
        };
        let causes = parsed.unrecognized.into_iter().map(ErrorCause::unrecognized_parameter);
        self.report_to_peer(association, causes.collect());
        let EnrpMessage { sender, receiver, body } = parsed.message;
        if sender == self.config.id
            && self.enrp.links.get(&association).is_some_and(|link| link.registrar.is_none())
        {
            return self.leave_ourselves(association, now);
        }
        let is_for_us = receiver == RegistrarId::NONE || receiver == self.config.id;
        if !is_for_us || !self.hear(sender, association, now) {
            self.statistics.bad_messages += 1;
            return;
        }
        self.handle_body(sender, association, body, now);
    }

    fn handle_body(&mut self, sender: RegistrarId, association: AssociationId, body: EnrpBody, now: Time) {
        match body {
            EnrpBody::Presence { reply_required, checksum, server } => {
                if let Some(place) = server.and_then(|server| Peer::of_sctp(&server.transport)) {
                    self.note_place(sender, association, place.port);
                }
                if reply_required {
                    self.send_presence(association, sender, false);
                }
                self.consider_mentor(sender, now);
                if let Some(checksum) = checksum {
                    self.audit(sender, checksum, now);
                }
            }
            EnrpBody::HandleTableRequest { own_children_only } => {
                self.answer_table_request(sender, own_children_only, now);
            }
            EnrpBody::HandleTableResponse { more, rejected, pools } => {
                self.handle_table(sender, more, rejected, pools, now);
            }
            EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element } => {
                self.handle_update(sender, action, takeover_suggested, pool_handle, element, now);
            }
            EnrpBody::ListRequest => self.answer_list_request(sender),
            EnrpBody::ListResponse { rejected, servers } => {
                self.handle_list(sender, rejected, servers, now);
            }
            EnrpBody::InitTakeover { target } => self.handle_init_takeover(sender, target, now),
            EnrpBody::InitTakeoverAck { target } => self.handle_takeover_ack(sender, target, now),
            EnrpBody::TakeoverServer { target } => self.handle_takeover(sender, target, now),
            EnrpBody::Error(causes) => tracing::debug!(?sender, ?causes, "a peer reports an error"),
        }
    }

    /// A multicast datagram: only Presences come so.
    pub(super) fn handle_enrp_datagram(&mut self, source: SocketAddr, data: &[u8], now: Time) {
        if !self.config.enrp.multicast || !self.may_be_peer(source.ip()) {
            return;
        }
        let Ok(parsed) = EnrpMessage::parse(data, &self.config.format) else { return };
        let EnrpMessage { sender, body: EnrpBody::Presence { server, .. }, .. } = parsed.message else {
            return;
        };
        let place = server.and_then(|server| Peer::of_sctp(&server.transport));
        let port = place.map_or(source.port(), |place| place.port);
        self.hear_from_afar(sender, Peer { addresses: vec![source.ip()], port }, now);
    }

    /// Tells a peer what we did not understand, where RFC 5354 demands it (RFC 5353, 3.7).
    fn report_to_peer(&mut self, association: AssociationId, causes: Vec<ErrorCause>) {
        if !causes.is_empty() {
            self.send_on(association, RegistrarId::NONE, EnrpBody::Error(causes));
        }
    }

    fn send_on(&mut self, association: AssociationId, receiver: RegistrarId, body: EnrpBody) {
        let message = EnrpMessage { sender: self.config.id, receiver, body };
        self.io.send_enrp(association, &message, &self.config.format);
    }

    /// Sends to a peer. If there is no way to it, an audit finds out later what it has missed.
    fn send_to(&mut self, peer: RegistrarId, body: EnrpBody) -> bool {
        let Some(association) = self.enrp.way_to(peer) else { return false };
        self.send_on(association, peer, body);
        true
    }

    /// Sends to all peers that can be reached (RFC 5353, 3.1).
    fn send_to_all(&mut self, body: &EnrpBody) -> usize {
        let peers: Vec<RegistrarId> = self.enrp.peers.keys().copied().collect();
        peers.into_iter().filter(|peer| self.send_to(*peer, body.clone())).count()
    }

    fn multicast(&mut self, body: EnrpBody) {
        let message = EnrpMessage { sender: self.config.id, receiver: RegistrarId::NONE, body };
        match message.encode(&self.config.format) {
            Ok(data) => self.io.push(Command::Announce { side: Side::Enrp, data }),
            Err(error) => tracing::warn!(%error, "Presence not sent"),
        }
    }
}
