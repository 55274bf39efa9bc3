//! Addresses that a peer only claims to have, in its INIT or by ADD-IP: they make nobody another one.

use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::transport::{AssociationId, Command, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{ASAP_PPID, AsapMessage, EnrpBody, PoolElement, Transport, TransportUse, UpdateAction};
use rserpool::{PeId, Profile, RegistrarId, Time};

use crate::lone::{Lone, element_of};
use crate::memberships::description;
use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, POOL, address};

const NOW: Time = Time::from_millis(1000);

/// A registrar with an element on host 11, which is at host 12 as well.
struct Scene(Registrar);

impl Scene {
    fn new() -> Self {
        let mut scene = Self(Registrar::new(RegistrarConfig::new(RegistrarId(1), Profile::Fast), 7, NOW));
        scene.accept(1, &[11, 12]);
        let pool_handle = POOL.into();
        scene.hear(1, &AsapMessage::Registration { pool_handle, element: description(11, |_| {}) });
        assert_eq!(scene.0.handlespace().len(), 1);
        scene
    }

    /// Somebody comes from the first of these hosts, and says that it is at the others, too.
    fn accept(&mut self, number: u64, hosts: &[u8]) {
        let peer = peer(hosts);
        let association = AssociationId::Incoming(number);
        self.0.handle_event(TransportEvent::Accepted { association, side: Side::Asap, peer }, NOW);
    }

    fn hear(&mut self, number: u64, message: &AsapMessage) {
        let message = UserMessage::new(ASAP_PPID, message.encode(&FORMAT).expect("a message"));
        let association = AssociationId::Incoming(number);
        self.0.handle_event(TransportEvent::Message { association, message }, NOW);
    }

    /// The element turns out to be at these hosts.
    fn is_found(&mut self, hosts: &[u8]) {
        let (association, peer) = (AssociationId::Incoming(1), peer(hosts));
        self.0.handle_event(TransportEvent::PeerMoved { association, peer }, NOW);
    }

    /// Whether the element is gone after somebody has deregistered it.
    fn is_gone_after_deregistration_by(&mut self, number: u64) -> bool {
        self.hear(number, &AsapMessage::Deregistration { pool_handle: POOL.into(), pe_id: PeId(11) });
        self.0.handlespace().is_empty()
    }
}

fn peer(hosts: &[u8]) -> Peer {
    Peer { addresses: hosts.iter().map(|host| address(*host)).collect(), port: ASAP_PORT }
}

#[test]
fn nobody_deregisters_an_element_by_claiming_to_have_its_address() {
    // RFC 5352, 2.2.2.
    let mut scene = Scene::new();
    scene.accept(2, &[66, 11, 12]);
    assert!(!scene.is_gone_after_deregistration_by(2));
}

#[test]
fn nobody_deregisters_an_element_by_adding_its_address() {
    let mut scene = Scene::new();
    scene.accept(2, &[66]);
    scene.0.handle_event(
        TransportEvent::PeerMoved { association: AssociationId::Incoming(2), peer: peer(&[66, 11]) },
        NOW,
    );
    assert!(!scene.is_gone_after_deregistration_by(2));
}

#[test]
fn an_element_may_come_from_any_of_the_addresses_that_it_registered_with() {
    // RFC 5352, 3.1 rule 4.
    let mut scene = Scene::new();
    scene.accept(2, &[12, 11]);
    assert!(scene.is_gone_after_deregistration_by(2));
}

/// RFC 9260, 5.4: nobody answers there for the peer.
#[test]
fn users_are_sent_to_no_address_that_is_not_the_element_s() {
    let mut scene = Scene::new();
    let mut element = description(11, |_| {});
    element.user_transport.addresses = [11, 12].map(address).into_iter().collect();
    let registration = AsapMessage::Registration { pool_handle: POOL.into(), element };
    let addresses = |scene: &Scene| {
        let pools = scene.0.handlespace().pools();
        let elements = pools.flat_map(|pool| pool.elements());
        elements.flat_map(|element| element.info.user_transport.addresses.to_vec()).collect::<Vec<_>>()
    };
    scene.hear(1, &registration);
    assert_eq!(addresses(&scene), [11, 12].map(address));
    scene.is_found(&[11]);
    assert_eq!(addresses(&scene), [address(11)]);
    // It insists.
    scene.hear(1, &registration);
    assert_eq!(addresses(&scene), [address(11)]);
    // Somebody has answered after all.
    scene.is_found(&[11, 12]);
    scene.hear(1, &registration);
    assert_eq!(addresses(&scene), [11, 12].map(address));
    // It has left both, and is about to say where it is.
    scene.is_found(&[13]);
    assert_eq!(addresses(&scene), [11, 12].map(address));
}

#[test]
fn no_element_is_claimed_over_the_association_of_another_one_that_lists_its_address() {
    let mut lone = Lone::start(|config| config.enrp.suggest_takeovers = true);
    let friend = lone.befriend(2);
    let suggest = |lone: &mut Lone, hosts: &[u8]| {
        let addresses = hosts.iter().map(|host| address(*host));
        let asap_transport = Some(Transport::sctp(ASAP_PORT, addresses, TransportUse::DataOnly));
        let body = EnrpBody::HandleUpdate {
            action: UpdateAction::Add,
            takeover_suggested: true,
            pool_handle: POOL.into(),
            element: PoolElement { asap_transport, ..element_of(2, hosts[0]) },
        };
        lone.hear(2, friend, body);
    };
    let connected_to = |lone: &Lone| {
        let begun = lone.commands.iter().rev().find_map(|(_, command)| match command {
            Command::Connect { association, peer, .. } => Some((*association, peer.clone())),
            _ => None,
        });
        begun.expect("somebody")
    };
    suggest(&mut lone, &[66, 11]);
    let (association, place) = connected_to(&lone);
    assert_eq!(place, peer(&[66, 11]));
    lone.happen(TransportEvent::Connected { association, peer: place.clone() });
    lone.happen(TransportEvent::PeerMoved { association, peer: place.clone() });
    suggest(&mut lone, &[11]);
    let (_, of_the_other) = connected_to(&lone);
    assert_eq!(of_the_other, peer(&[11]));
    // Who is at just these addresses, too, is told over the association that is there.
    suggest(&mut lone, &[66, 11]);
    assert_eq!(connected_to(&lone).1, of_the_other);
}
