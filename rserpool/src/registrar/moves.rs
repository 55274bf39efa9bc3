//! Peers whose addresses are not what they were when their associations began.

use super::Registrar;
use crate::handlespace::ElementKey;
use crate::transport::{AssociationId, Peer};
use crate::wire::{PoolElement, Protocol};

impl Registrar {
    /// A peer is found at other addresses from now on. What is new of them its elements register by themselves (applic-mobility draft,
    /// and with each renewal).
    pub(super) fn move_peer(&mut self, association: AssociationId, peer: Peer) {
        let Some(state) = self.associations.get_mut(&association) else { return };
        let before = std::mem::replace(&mut state.peer, peer.clone());
        let keys: Vec<ElementKey> = state.elements.iter().copied().collect();
        self.leave_places(association, &before);
        self.enter_place(association, &peer);
        keys.into_iter().for_each(|key| self.leave_addresses(key, &peer));
    }

    /// Users are sent to no address of an element of ours any more where its peer is not, unless none would be left: then it is about to
    /// register others.
    fn leave_addresses(&mut self, key: ElementKey, peer: &Peer) {
        let Some(element) = self.handlespace.get(key) else { return };
        let mut transport = element.info.user_transport.clone();
        transport.addresses.retain(|address| peer.has_address(*address));
        let is_ours = element.info.home == self.config.id;
        let has_changed = transport != element.info.user_transport && !transport.addresses.is_empty();
        if !is_ours || !has_changed || matches!(transport.protocol, Protocol::Opaque(_)) {
            return;
        }
        let (user_transport, asap_transport) = (transport, Some(peer.as_sctp()));
        let info = PoolElement { user_transport, asap_transport, ..element.info.clone() };
        self.change_element(key, info);
    }
}
