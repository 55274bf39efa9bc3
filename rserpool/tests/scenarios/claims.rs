//! Elements that a registrar wants to tell that it is their home, and what may come between (RFC 5353, 3.5.2; enrp-takeover draft).

use std::time::Duration;

use rserpool::RegistrarId;
use rserpool::registrar::{RegistrarEvent, RemovalReason};
use rserpool::transport::{AssociationId, Command, LostReason, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{ASAP_PPID, AsapMessage, EnrpBody, Life, PoolElement, PoolEntry, UpdateAction};

use crate::federation::checksum_of;
use crate::lone::{Lone, element_of, server};
use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, POOL, address};

fn update(action: UpdateAction, takeover_suggested: bool, element: PoolElement) -> EnrpBody {
    EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle: POOL.into(), element }
}

fn suggestion(element: PoolElement) -> EnrpBody {
    update(UpdateAction::Add, true, element)
}

/// A registrar that takes elements over where that is suggested, and two peers.
fn scene() -> (Lone, [AssociationId; 2]) {
    let mut lone = Lone::start(|config| config.enrp.suggest_takeovers = true);
    let peers = [2, 3].map(|host| lone.befriend(host));
    (lone, peers)
}

/// The set-ups to elements that were begun: with which host.
fn set_ups(lone: &Lone) -> Vec<(AssociationId, u8)> {
    let begun = lone.commands.iter().filter_map(|(_, command)| match command {
        Command::Connect { association, side: Side::Asap, peer } => {
            let host = (0..=255).find(|host| peer.addresses == [address(*host)]);
            Some((*association, host.expect("a host")))
        }
        _ => None,
    });
    begun.collect()
}

#[test]
fn who_has_found_another_home_or_has_gone_before_its_turn_is_not_claimed() {
    let (mut lone, [giver, other]) = scene();
    for host in 60..=130 {
        lone.hear(2, giver, suggestion(element_of(2, host)));
    }
    let begun = set_ups(&lone);
    assert_eq!(begun.len(), 64, "the others wait");
    // One has registered elsewhere, one has gone; and a third one that was never suggested has come in its place.
    lone.hear(3, other, update(UpdateAction::Add, false, element_of(3, 130)));
    lone.hear(2, giver, update(UpdateAction::Delete, false, element_of(2, 129)));
    lone.hear(3, other, update(UpdateAction::Add, false, element_of(3, 200)));
    for (association, _) in begun {
        lone.happen(TransportEvent::Lost { association, reason: LostReason::Aborted });
    }
    let hosts: Vec<u8> = set_ups(&lone).into_iter().map(|(_, host)| host).collect();
    assert_eq!(hosts, (60..=128).collect::<Vec<_>>());
}

#[test]
fn who_waits_for_its_turn_does_not_lose_it_when_its_home_s_table_is_fetched() {
    let (mut lone, [giver, _]) = scene();
    for host in 60..=130 {
        lone.hear(2, giver, suggestion(element_of(2, host)));
    }
    let begun = set_ups(&lone);
    assert_eq!(begun.len(), 64, "the others wait");
    // Of one the home says meanwhile that nobody is to take it over.
    lone.hear(2, giver, update(UpdateAction::Add, false, element_of(2, 130)));
    // An audit fails: the table is fetched.
    lone.said(giver);
    let checksum = Some(checksum_of(std::iter::empty()));
    lone.hear(2, giver, EnrpBody::Presence { reply_required: false, checksum, server: Some(server(2)) });
    assert_eq!(lone.asked(giver), [EnrpBody::HandleTableRequest { own_children_only: true }]);
    let elements = (124..=130).map(|host| element_of(2, host)).collect();
    let pools = vec![PoolEntry { handle: POOL.into(), elements }];
    lone.hear(2, giver, EnrpBody::HandleTableResponse { more: false, rejected: false, pools });
    for (association, _) in begun {
        lone.happen(TransportEvent::Lost { association, reason: LostReason::Aborted });
    }
    let hosts: Vec<u8> = set_ups(&lone).into_iter().map(|(_, host)| host).skip(64).collect();
    assert_eq!(hosts, (124..=129).collect::<Vec<_>>());
}

#[test]
fn an_element_that_is_suggested_and_cannot_be_found_stays_its_homes() {
    let (mut lone, [giver, other]) = scene();
    let element = PoolElement { asap_transport: None, ..element_of(2, 60) };
    lone.hear(2, giver, suggestion(element.clone()));
    assert_eq!(lone.elements(), [element]);
    assert_eq!((lone.asked(other), set_ups(&lone)), (vec![], vec![]));
}

#[test]
fn the_life_of_an_element_is_its_homes_to_watch() {
    // RFC 5352, 3.2.
    const LIFE: Duration = Duration::from_millis(100);
    let (mut lone, [giver, other]) = scene();
    lone.hear(2, giver, suggestion(PoolElement { life: Life::from(LIFE), ..element_of(2, 60) }));
    lone.run_for(2 * LIFE);
    assert_eq!((lone.elements().len(), lone.asked(other)), (1, vec![]), "it is the other registrar's still");
    let (association, _) = set_ups(&lone)[0];
    let peer = Peer { addresses: vec![address(60)], port: ASAP_PORT };
    lone.happen(TransportEvent::Connected { association, peer });
    let ack = AsapMessage::EndpointKeepAliveAck { pool_handle: POOL.into(), pe_id: element_of(2, 60).id };
    let message = UserMessage::new(ASAP_PPID, ack.encode(&FORMAT).expect("an ack"));
    lone.happen(TransportEvent::Message { association, message });
    assert_eq!(lone.elements()[0].home, RegistrarId(50));
    lone.events();
    lone.run_for(LIFE);
    let removed = lone.events().into_iter().find_map(|event| match event {
        RegistrarEvent::Removed { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(removed, Some(RemovalReason::LifeExpired));
}
