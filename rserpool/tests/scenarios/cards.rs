//! Business cards (RFC 5352, 3.9): who somebody is, and whom to turn to when he fails.

use std::time::Duration;

use rserpool::PeId;
use rserpool::session::{BusinessCard, ServiceConfig, ServiceEvent, ServiceSessions, SessionEvent};
use rserpool::transport::{AssociationId, Command, Peer, Side, TransportEvent};
use rserpool::wire::{ASAP_PPID, AsapMessage, Policy, PoolElement, Protocol};

use crate::sessions::{Client, is_complete};
use crate::stranger::FORMAT;
use crate::world::{POOL, SERVICE_PORT, World, address};

const SECOND: Duration = Duration::from_secs(1);

fn description(host: u8) -> PoolElement {
    World::element_config(host, &[], Policy::default()).description()
}

fn card(pool: &str, hosts: &[u8]) -> BusinessCard {
    let elements = hosts.iter().map(|host| description(*host)).collect();
    BusinessCard { pool_handle: pool.into(), elements }
}

/// A client whose elements all have this card.
fn client(card: &BusinessCard) -> Client {
    let config = |_| ServiceConfig { business_card: Some(card.clone()), ..ServiceConfig::default() };
    Client::with(|_| {}, |world| (11..=13).for_each(|host| world.set_service(host, config(host))))
}

#[test]
fn a_session_begins_with_the_elements_card() {
    // RFC 5352, 3.9 and 4.
    let card = card(POOL, &[12, 13]);
    let mut client = client(&card);
    client.world.run_for(SECOND / 10);
    client.take_events();
    assert_eq!(client.events.last(), Some(&SessionEvent::BusinessCard(card)));
    let of_service = client.world.sent.iter().find(|(from, _, _)| from.1 == SERVICE_PORT);
    let (_, _, first) = of_service.expect("a message");
    assert_eq!((first.ppid, first.data[0]), (ASAP_PPID, 13));
    client.ping();
    assert_eq!(client.replies, [1]);
}

#[test]
fn a_fail_over_goes_to_whom_the_card_names_and_down_its_list() {
    // RFC 5352, 3.9 BC2. Round robin would choose another one in half of the cases.
    for order in [[11, 12, 13], [12, 13, 11], [13, 11, 12], [13, 12, 11], [11, 13, 12], [12, 11, 13]] {
        let mut client = client(&card(POOL, &order));
        client.ping();
        let left: Vec<u8> = order.iter().copied().filter(|host| *host != client.host()).collect();
        for expected in &left {
            let host = client.host();
            client.world.kill(host);
            client.wait(SECOND, is_complete);
            assert_eq!(client.host(), *expected, "{order:?}");
            client.ping();
        }
        assert_eq!(client.replies, [1, 2, 3]);
    }
}

#[test]
fn elements_that_a_card_names_and_that_are_not_there_cost_no_more_than_an_attempt() {
    let mut dead = card(POOL, &[77, 78, 79]);
    dead.elements.iter_mut().for_each(|element| element.user_transport.port = 9);
    dead.elements[1].user_transport.protocol = Protocol::Udp;
    let mut client = client(&dead);
    client.ping();
    let first = client.host();
    client.world.kill(first);
    client.wait(SECOND, is_complete);
    client.ping();
    assert_eq!(client.replies, [1, 2]);
    let tried: Vec<u8> =
        client.world.attempts.iter().map(|(_, _, to)| to.0).filter(|host| *host > 70).collect();
    assert_eq!(tried, [77, 79]);
}

#[test]
fn an_element_cannot_have_another_one_reported() {
    // RFC 5352, 3.5: only whom the registrar has named at this address.
    let mut lie = card(POOL, &[11, 12, 13]);
    lie.elements.iter_mut().for_each(|element| element.user_transport.port = 9);
    let mut client = client(&lie);
    client.ping();
    let first = client.host();
    client.world.freeze(first);
    client.wait(SECOND, is_complete);
    client.world.run_for(SECOND);
    let reported = client.world.sent.iter().filter_map(|(_, _, message)| {
        match AsapMessage::parse(&message.data, &FORMAT).map(|parsed| parsed.message) {
            Ok(AsapMessage::EndpointUnreachable { pe_id, .. }) => Some(pe_id.0),
            _ => None,
        }
    });
    assert_eq!(reported.collect::<Vec<_>>(), [u32::from(first)]);
}

#[test]
fn an_element_has_no_say_about_another_pool() {
    let mut client = client(&card("AnotherPool", &[77]));
    client.ping();
    let first = client.host();
    client.world.kill(first);
    client.wait(SECOND, is_complete);
    assert!(client.world.attempts.iter().all(|(_, _, to)| to.0 != 77));
}

#[test]
fn a_card_may_change_at_any_time() {
    // RFC 5352, 3.9.
    let mut client = client(&card(POOL, &[11, 12, 13]));
    client.ping();
    let host = client.host();
    let last = if host == 13 { 12 } else { 13 };
    client.world.with_service(host, |service| service.set_business_card(card(POOL, &[last])));
    client.wait(SECOND, |event| *event == SessionEvent::BusinessCard(card(POOL, &[last])));
    client.world.kill(host);
    client.wait(SECOND, is_complete);
    assert_eq!(client.host(), last);
}

#[test]
fn a_card_says_where_its_element_is_when_that_moves_and_nobody_else() {
    // The applic-mobility draft.
    let moved = |hosts: &[u8]| TransportEvent::Moved {
        side: Side::Asap,
        addresses: hosts.iter().map(|host| address(*host)).collect(),
    };
    let said = |service: &mut ServiceSessions, hosts: &[u8]| {
        service.handle_event(moved(hosts));
        let commands = std::iter::from_fn(|| service.poll_command());
        let cards = commands.map(|command| match command {
            Command::Send { message, .. } => message.data,
            other => panic!("{other:?}"),
        });
        cards.collect::<Vec<_>>()
    };
    let mut expected = card(POOL, &[11, 12]);
    expected.elements[0].user_transport.addresses = [address(51), address(52)].into_iter().collect();
    let expected = AsapMessage::from(expected).encode(&FORMAT).expect("a card");
    for (follows_host, expected) in
        [(Some(PeId(11)), vec![expected]), (Some(PeId(13)), vec![]), (None, vec![])]
    {
        let business_card = Some(card(POOL, &[11, 12]));
        let config = ServiceConfig { business_card, follows_host, ..ServiceConfig::default() };
        let mut service = ServiceSessions::new(config, 1);
        let peer = Peer { addresses: vec![address(21)], port: 1 };
        let association = AssociationId::Incoming(1);
        service.handle_event(TransportEvent::Accepted { association, side: Side::Asap, peer });
        assert!(service.poll_command().is_some(), "the card that a session begins with");
        assert_eq!(said(&mut service, &[51, 52]), expected, "{follows_host:?}");
        // It is told once; and a host without addresses is nowhere else yet.
        assert!(said(&mut service, &[51, 52]).is_empty() && said(&mut service, &[]).is_empty());
    }
}

#[test]
fn a_user_that_is_an_element_presents_itself_behind_the_cookie() {
    // RFC 5352, 3.8, 3.9 and 4.
    let own = card("UsersPool", &[21]);
    let mut client = Client::with(|config| config.business_card = Some(own.clone()), |_| {});
    client.ping();
    let host = client.host();
    client.world.kill(host);
    client.wait(SECOND, is_complete);
    client.ping();
    let presented = client.world.service_events.iter().filter_map(|(_, event)| match event {
        ServiceEvent::BusinessCard { pool_handle, elements, .. } => {
            Some(BusinessCard { pool_handle: pool_handle.clone(), elements: elements.clone() })
        }
        _ => None,
    });
    let presented: Vec<_> = presented.collect();
    assert_eq!(presented, [own.clone(), own]);
    let second = (client.host(), SERVICE_PORT);
    let received = client.world.sent.iter().filter(|(_, to, it)| *to == second && it.ppid == ASAP_PPID);
    assert_eq!(received.map(|(_, _, message)| message.data[0]).collect::<Vec<_>>(), [12, 13]);
}
