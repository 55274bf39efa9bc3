//! Registrars that are known beforehand: by their addresses, or by names that stand for them (RFC 5353, 3.2.2.1).

use crate::Time;
use crate::registrar::Registrar;
use crate::transport::{AssociationId, Command, Peer, Side, Target};

/// Registrars that names may stand for.
const MAX_NAMED: usize = 256;

/// What the names of registrars stand for.
#[derive(Default)]
pub(super) struct Named {
    peers: Vec<Peer>,
    are_resolved: bool,
    /// Who answered was this registrar, by its identifier: that has been logged.
    has_met_ourselves: bool,
}

impl Registrar {
    /// Where registrars are, as far as is known beforehand.
    pub(super) fn known_places(&self) -> impl Iterator<Item = &Peer> {
        self.config.enrp.peers.iter().chain(&self.enrp.named.peers)
    }

    /// Whether names stand for nobody yet because they are being resolved.
    pub(super) fn awaits_names(&self) -> bool {
        !self.config.enrp.names.is_empty() && !self.enrp.named.are_resolved
    }

    pub(super) fn resolve_names(&mut self) {
        if !self.config.enrp.names.is_empty() {
            self.io.push(Command::Resolve { side: Side::Enrp });
        }
    }

    /// What the names stand for now. Who is gone is not sought any more; associations with it go on as long as it lives.
    pub(in crate::registrar) fn seek_named_peers(&mut self, targets: Vec<Target>, now: Time) {
        let named = &mut self.enrp.named;
        named.peers = targets.into_iter().take(MAX_NAMED).map(|target| target.peer).collect();
        named.are_resolved = true;
        self.seek_known_peers(now);
        self.check_startup(now);
    }

    /// Connects to the registrars that are known beforehand, unless they are linked.
    pub(super) fn seek_known_peers(&mut self, now: Time) {
        let sought: Vec<Peer> =
            self.known_places().filter(|peer| !self.is_ourselves(peer)).cloned().collect();
        for peer in sought {
            if !self.enrp.is_linked(&peer) {
                self.open_link(peer, None, now);
            }
        }
    }

    /// A name may stand for all registrars, this one among them.
    fn is_ourselves(&self, peer: &Peer) -> bool {
        self.config.enrp.transport.as_ref().is_some_and(|own| {
            own.port == peer.port && own.addresses.iter().any(|address| peer.has_address(*address))
        })
    }

    /// Who answers is this registrar, at an address that it does not know as its own.
    pub(super) fn leave_ourselves(&mut self, association: AssociationId, now: Time) {
        if !std::mem::replace(&mut self.enrp.named.has_met_ourselves, true) {
            let id = self.config.id;
            tracing::warn!(%id, "a peer has this registrar's identifier: it is this one itself, or one of both needs another identifier");
        }
        self.enrp.links.remove(&association);
        self.io.push(Command::Abort { association });
        self.check_startup(now);
    }
}
