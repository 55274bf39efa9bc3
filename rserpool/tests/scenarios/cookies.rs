//! Cookies that users carry from element to element (RFC 5352, 3.8), and users who do not carry what they got.

use std::time::Duration;

use bytes::Bytes;
use rserpool::session::{CookieError, CookieKey, CookieProtection, ServiceConfig, ServiceEvent};
use rserpool::transport::UserMessage;
use rserpool::wire::{AsapMessage, TransportUse};

use crate::sessions::{Client, is_complete};
use crate::stranger::FORMAT;
use crate::world::{POOL, Place, SERVICE_PORT, World};

const SECOND: Duration = Duration::from_secs(1);

fn protected(seed: u8) -> ServiceConfig {
    let key = CookieKey::new(&[seed; 32]).expect("long enough");
    ServiceConfig { cookies: Some(CookieProtection::new(POOL.into(), key)), ..ServiceConfig::default() }
}

/// A client of elements 11 to 13 with these keys.
fn client(keys: [u8; 3]) -> Client {
    Client::with(
        |_| {},
        |world| (11..).zip(keys).for_each(|(host, key)| world.set_service(host, protected(key))),
    )
}

/// The cookies that elements have sent to the user.
fn cookies(world: &World) -> Vec<Bytes> {
    let cookies = world.sent.iter().filter(|(_, to, _)| to.0 == 21).filter_map(|(_, _, message)| {
        match AsapMessage::parse(&message.data, &FORMAT).map(|parsed| parsed.message) {
            Ok(AsapMessage::Cookie(cookie)) => Some(cookie),
            _ => None,
        }
    });
    cookies.collect()
}

fn rejections(world: &World) -> Vec<(u8, CookieError)> {
    let rejections = world.service_events.iter().filter_map(|(host, event)| match event {
        ServiceEvent::CookieRejected { error, .. } => Some((*host, *error)),
        _ => None,
    });
    rejections.collect()
}

#[test]
fn a_signed_cookie_is_opaque_to_the_user_and_state_to_the_next_element() {
    let mut client = client([1, 1, 1]);
    (0..3).for_each(|_| client.ping());
    let sent = cookies(&client.world);
    assert_eq!(sent.len(), 3);
    for (cookie, count) in sent.iter().zip(1_u64..) {
        assert_eq!(cookie.len() % 4, 0);
        assert_ne!(cookie[..], count.to_be_bytes());
    }
    for _ in 0..2 {
        let host = client.host();
        client.world.kill(host);
        client.wait(SECOND, is_complete);
        client.ping();
    }
    assert_eq!(client.replies, [1, 2, 3, 4, 5]);
    assert_eq!(rejections(&client.world), []);
}

#[test]
fn an_element_with_another_key_is_left_for_one_with_the_right_key() {
    let mut client = client([1, 1, 2]);
    if client.host() == 13 {
        let session = client.session;
        client.world.with_user(21, |user, now| user.force_failover(session, false, now));
        client.wait(SECOND, is_complete);
    }
    client.ping();
    let first = client.host();
    client.world.kill(first);
    for _ in 0..5 {
        client.wait(SECOND, is_complete);
        client.world.run_for(Duration::from_millis(5));
        if client.host() != 13 {
            break;
        }
    }
    client.world.run_for(SECOND / 10);
    client.take_events();
    client.ping();
    assert_eq!((client.host(), client.replies.last()), (if first == 11 { 12 } else { 11 }, Some(&2)));
    assert!(rejections(&client.world).iter().all(|it| *it == (13, CookieError::WrongSignature)));
}

/// A stranger that poses as a user of element 11.
fn pose(world: &mut World, port: u16) -> (Place, rserpool::transport::AssociationId) {
    let place = (31, port);
    world.add_stranger(place);
    (place, world.connect(place, (11, SERVICE_PORT)))
}

fn echo(world: &mut World, port: u16, cookie: impl Into<Bytes>) {
    let (place, association) = pose(world, port);
    world.say(place, association, &AsapMessage::CookieEcho(cookie.into()));
}

#[test]
fn a_user_cannot_make_a_cookie() {
    // RFC 5352, 3.8: a cookie should be verified by the receiving element.
    let mut client = client([1, 1, 1]);
    client.ping();
    let mut changed = cookies(&client.world)[0].to_vec();
    changed[39] += 1;
    let world = &mut client.world;
    echo(world, 1, 99_u64.to_be_bytes().to_vec());
    echo(world, 2, changed);
    echo(world, 3, Vec::new());
    let (forged, changed) = ((11, CookieError::NotSigned), (11, CookieError::WrongSignature));
    assert_eq!(rejections(world), [forged, changed, forged]);
}

#[test]
fn a_user_cannot_go_back_to_an_older_cookie_at_the_same_element() {
    let mut client = client([1, 1, 1]);
    (0..3).for_each(|_| client.ping());
    let sent = cookies(&client.world);
    let world = &mut client.world;
    echo(world, 1, sent[2].clone());
    echo(world, 2, sent[2].clone());
    assert_eq!(rejections(world), [], "its element may fail before there is a newer one");
    echo(world, 3, sent[1].clone());
    assert_eq!(rejections(world), [(11, CookieError::Superseded)]);
}

#[test]
fn a_cookie_does_not_live_for_ever() {
    let mut client = Client::with(
        |_| {},
        |world| {
            for host in 11..=13 {
                let mut config = protected(1);
                config.cookies.as_mut().expect("there").max_age = Some(60 * SECOND);
                world.set_service(host, config);
            }
        },
    );
    client.ping();
    let cookie = cookies(&client.world)[0].clone();
    let world = &mut client.world;
    world.with_service(11, |service| service.set_time(59 * SECOND));
    echo(world, 1, cookie.clone());
    assert_eq!(rejections(world), []);
    world.with_service(11, |service| service.set_time(61 * SECOND));
    echo(world, 2, cookie);
    assert_eq!(rejections(world), [(11, CookieError::TooOld { age: 61 * SECOND })]);
}

#[test]
fn state_is_told_at_the_beginning_of_a_session_and_once() {
    // RFC 5352, 3.8: the cookie echo is the first message.
    let mut client = client([1, 1, 1]);
    (0..2).for_each(|_| client.ping());
    let cookie = cookies(&client.world)[1].clone();
    let world = &mut client.world;
    let (place, association) = pose(world, 1);
    let count = |world: &mut World| {
        let before = world.sent.len();
        world.say_data(place, association, UserMessage::new(33, "?"));
        let reply = world.sent[before..].iter().find(|(_, to, it)| *to == place && it.ppid == 33);
        let count: [u8; 8] = reply.expect("a reply").2.data[..8].try_into().expect("a count");
        u64::from_be_bytes(count)
    };
    assert_eq!(count(world), 1);
    world.say(place, association, &AsapMessage::CookieEcho(cookie));
    assert_eq!(count(world), 2, "the session goes on from what was, not from the cookie");
    assert_eq!(rejections(world), []);
}

#[test]
fn without_control_channel_there_are_no_cookies_and_no_cards() {
    // RFC 5352, 3.8 and 3.9.
    let mut world = World::new();
    world.add_registrar(1);
    let mut config = World::element_config(11, &[1], rserpool::wire::Policy::default());
    config.user_transport.protocol = rserpool::wire::Protocol::Sctp(TransportUse::DataOnly);
    let card =
        rserpool::session::BusinessCard { pool_handle: POOL.into(), elements: vec![config.description()] };
    world.add_element_with(11, config);
    let transport_use = TransportUse::DataOnly;
    world.set_service(
        11,
        ServiceConfig { transport_use, business_card: Some(card.clone()), ..ServiceConfig::default() },
    );
    world.add_user(21, &[1], |config| config.business_card = Some(card));
    world.run_for(SECOND);
    let session = world.with_user(21, |user, now| user.open_session(POOL.into(), now));
    world.run_for(SECOND / 10);
    let data = UserMessage::new(rserpool::wire::ASAP_PPID, "PPID 11 is data like any other");
    world.with_user(21, |user, _| user.send(session, data)).expect("connected");
    world.run_for(SECOND / 10);
    let of_session =
        world.sent.iter().filter(|(from, to, _)| *from == (11, SERVICE_PORT) || to.1 == SERVICE_PORT);
    let ppids: Vec<_> = of_session.map(|(_, _, message)| message.ppid).collect();
    assert_eq!(ppids, [11, 33]);
    assert_eq!(world.service_events, []);
}
