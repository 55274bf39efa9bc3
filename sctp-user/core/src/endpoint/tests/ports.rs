//! Several endpoints with one port: each is what it is by its addresses, too (RFC 9260, 1.3).

use super::request;
use crate::association::AssociationState;
use crate::association::tests::harness::{PORT_Z, Pair, Side, chunk, ip, packet};
use crate::endpoint::{ConnectRequest, ListenOptions, ListenerId};
use crate::error::{ConnectError, ListenError};
use crate::event::AssociationId;
use crate::wire::CommonHeader;
use crate::wire::chunk::ChunkType;
use core::net::IpAddr;

const Z: [&str; 3] = ["10.0.1.2", "10.0.1.3", "2001:db8::2"];

fn pair() -> Pair {
    Pair::with_addresses(&["10.0.1.1", "2001:db8::1"], &Z)
}

fn listen(pair: &mut Pair, addresses: &[&str]) -> Result<ListenerId, ListenError> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
    let options = ListenOptions { addresses, backlog: Some(9), ..ListenOptions::default() };
    pair.z.endpoint.listen(PORT_Z, options)
}

/// Z begins, from one of its addresses, always with the same peer.
fn connect_from(pair: &mut Pair, local: &str) -> Result<AssociationId, ConnectError> {
    let now = pair.now;
    let local_addresses = vec![ip(local)];
    pair.z.endpoint.connect(now, ConnectRequest { local_addresses, ..request(PORT_Z, "10.0.1.1") })
}

#[test]
fn each_address_has_a_listener_of_its_own() {
    let mut pair = pair();
    let first = listen(&mut pair, &Z[..1]).unwrap();
    let second = listen(&mut pair, &Z[1..]).unwrap();
    for (port, peer) in [(1, Z[1]), (2, Z[0]), (3, Z[2])] {
        let now = pair.now;
        pair.a.endpoint.connect(now, request(port, peer)).unwrap();
        pair.run_secs(1);
    }
    let peers = |pair: &mut Pair, listener| {
        let ids: Vec<_> = std::iter::from_fn(|| pair.z.endpoint.accept(listener)).collect();
        assert!(ids.iter().all(|id| pair.z.endpoint.listener_of(*id) == Some(listener)));
        let port = |id| pair.z.endpoint.association(id).unwrap().peer_port();
        ids.into_iter().map(port).collect::<Vec<_>>()
    };
    assert_eq!([first, second].map(|listener| peers(&mut pair, listener)), [vec![2], vec![1, 3]]);
}

#[test]
fn listeners_do_not_share_an_address() {
    let mut pair = pair();
    let first = listen(&mut pair, &Z[..2]).unwrap();
    let taken = Err(ListenError::PortInUse(PORT_Z));
    for addresses in [&Z[1..], &[], &["0.0.0.0"]] {
        assert_eq!(listen(&mut pair, addresses), taken, "{addresses:?}");
    }
    let six = listen(&mut pair, &["::"]).unwrap();
    assert_eq!(listen(&mut pair, &Z[2..]), taken);
    let endpoint = &mut pair.z.endpoint;
    assert_eq!(endpoint.set_listener_addresses(first, &[ip(Z[0]), ip(Z[2])]), taken.map(|_| ()));
    endpoint.close_listener(six);
    endpoint.set_listener_addresses(first, &[ip(Z[0]), ip(Z[2])]).unwrap();
    listen(&mut pair, &Z[1..2]).unwrap();
}

fn listen_divided(pair: &mut Pair, addresses: &[&str]) -> Result<ListenerId, ListenError> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
    let options = ListenOptions { addresses, backlog: Some(99), divided: true, ..ListenOptions::default() };
    pair.z.endpoint.listen(PORT_Z, options)
}

/// What waits at a listener.
fn waiting(pair: &mut Pair, listener: ListenerId) -> usize {
    std::iter::from_fn(|| pair.z.endpoint.accept(listener)).count()
}

fn connect_to(pair: &mut Pair, ports: core::ops::Range<u16>) {
    let now = pair.now;
    for port in ports {
        pair.a.endpoint.connect(now, request(port, Z[0])).unwrap();
    }
    pair.run_secs(1);
}

/// SO_REUSEPORT.
#[test]
fn what_comes_in_is_divided_among_those_who_listen_together() {
    let mut pair = pair();
    let all: Vec<_> = (0..4).map(|_| listen_divided(&mut pair, &Z[..1]).unwrap()).collect();
    connect_to(&mut pair, 1..81);
    let shares: Vec<_> = all.iter().map(|listener| waiting(&mut pair, *listener)).collect();
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    assert_eq!(shares.iter().sum::<usize>(), 80);
    // Those who are left get all.
    all[1..].iter().for_each(|listener| pair.z.endpoint.close_listener(*listener));
    connect_to(&mut pair, 101..121);
    assert_eq!(waiting(&mut pair, all[0]), 20);
    pair.z.endpoint.close_listener(all[0]);
    listen(&mut pair, &[]).unwrap();
}

/// A cookie is good for all of them: who has answered the INIT may be gone.
#[test]
fn a_cookie_of_one_who_listens_no_more_is_taken_by_another() {
    let mut pair = pair();
    let all: Vec<_> = (0..2).map(|_| listen_divided(&mut pair, &Z[..1]).unwrap()).collect();
    let now = pair.now;
    for port in 1..9 {
        pair.a.endpoint.connect(now, request(port, Z[0])).unwrap();
    }
    pair.drain();
    (0..8).for_each(|_| pair.deliver_one());
    pair.drain();
    (0..8).for_each(|_| pair.deliver_one());
    pair.z.endpoint.close_listener(all[0]);
    pair.run_secs(1);
    assert_eq!(waiting(&mut pair, all[1]), 8);
}

#[test]
fn those_who_listen_together_all_say_so() {
    let mut pair = pair();
    let first = listen_divided(&mut pair, &Z[..2]).unwrap();
    let taken = Err(ListenError::PortInUse(PORT_Z));
    assert_eq!(listen(&mut pair, &Z[..1]), taken);
    let second = listen_divided(&mut pair, &Z[1..]).unwrap();
    assert_eq!(pair.z.endpoint.listeners_at(PORT_Z, ip(Z[1])), [first, second]);
    // The wildcard gets what no address does.
    let all = listen_divided(&mut pair, &[]).unwrap();
    connect_to(&mut pair, 1..9);
    assert_eq!([first, all].map(|listener| waiting(&mut pair, listener)), [8, 0]);
    pair.z.endpoint.set_listener_addresses(first, &[ip(Z[2])]).unwrap();
    connect_to(&mut pair, 11..19);
    assert_eq!([first, all].map(|listener| waiting(&mut pair, listener)), [0, 8]);
}

/// IPV6_V6ONLY.
#[test]
fn a_wildcard_of_one_family_takes_nothing_of_the_other_and_tells_of_none() {
    let mut pair = pair();
    let listener = listen(&mut pair, &["0.0.0.0"]).unwrap();
    let now = pair.now;
    pair.a.endpoint.connect(now, request(1, Z[2])).unwrap();
    let a = pair.a.endpoint.connect(now, request(2, Z[1])).unwrap();
    pair.run_secs(1);
    let z = pair.z.endpoint.accept(listener).unwrap();
    assert_eq!(pair.z.endpoint.accept(listener), None);
    let remotes = |pair: &mut Pair, side, id| {
        let paths = pair.association(side, id).paths().iter().map(|path| path.address.remote);
        paths.collect::<Vec<_>>()
    };
    assert_eq!(remotes(&mut pair, Side::A, a), [Z[1], Z[0]].map(ip));
    assert_eq!(remotes(&mut pair, Side::Z, z), [ip("10.0.1.1")], "the peer has IPv6, which leads nowhere");
}

#[test]
fn two_endpoints_have_an_association_with_the_same_peer_each() {
    let mut pair = pair();
    let options = ListenOptions { addresses: vec![ip("10.0.1.1")], ..ListenOptions::default() };
    pair.a.endpoint.listen(PORT_Z, options).unwrap();
    let first = connect_from(&mut pair, Z[0]).unwrap();
    let second = connect_from(&mut pair, Z[1]).unwrap();
    let again = connect_from(&mut pair, Z[1]);
    assert_eq!(again, Err(ConnectError::AlreadyConnected { local_port: PORT_Z }));
    pair.run_secs(1);
    let found: Vec<_> = pair.z.endpoint.find(PORT_Z, ip("10.0.1.1"), PORT_Z).collect();
    assert_eq!(found, [first, second]);
    for (number, id) in [first, second].into_iter().enumerate() {
        pair.send(Side::Z, id, format!("from {number}").as_bytes());
    }
    pair.run_secs(1);
    for id in [pair.a.events[0].0, pair.a.id()] {
        let said = pair.read(Side::A, id).pop().unwrap();
        pair.send(Side::A, id, &[b"to who sends ", said.as_ref()].concat());
    }
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, first), ["to who sends from 0"]);
    assert_eq!(pair.read(Side::Z, second), ["to who sends from 1"]);
    // The end of one is none of the other.
    let now = pair.now;
    pair.z.endpoint.shutdown(now, first).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.state(Side::Z, first), AssociationState::Closed);
    pair.send(Side::Z, second, b"still there");
    pair.run_secs(1);
    let id = pair.a.events.iter().rev().map(|(id, _)| *id).find(|id| pair.a.endpoint.is_readable(*id));
    assert_eq!(pair.read(Side::A, id.unwrap()), ["still there"]);
}

/// RFC 9260, 5.2.2: an INIT is unexpected to the endpoint that it is for, and not to its neighbour.
#[test]
fn an_init_to_one_endpoint_is_no_restart_for_another_one() {
    let mut pair = pair();
    let first = listen(&mut pair, &Z[..1]).unwrap();
    let second = listen(&mut pair, &Z[1..2]).unwrap();
    let now = pair.now;
    pair.a.endpoint.connect(now, request(5, Z[0])).unwrap();
    pair.run_secs(1);
    let old = pair.z.endpoint.accept(first).unwrap();
    // The peer has lost its association, and comes with the same port to the other endpoint.
    pair.restart_a(&["10.0.1.1"]);
    let now = pair.now;
    pair.a.endpoint.connect(now, request(5, Z[1])).unwrap();
    pair.run_secs(1);
    let new = pair.z.endpoint.accept(second).unwrap();
    assert_ne!(old, new);
    assert_eq!([old, new].map(|id| pair.state(Side::Z, id)), [AssociationState::Established; 2]);
    assert!(!pair.events(Side::Z).iter().any(|event| event.contains("Restart")));
}

/// RFC 9260, 8.4: nobody is at this address, although somebody is at this port.
#[test]
fn an_init_to_an_address_without_an_endpoint_is_out_of_the_blue() {
    let mut pair = pair();
    listen(&mut pair, &Z[..1]).unwrap();
    let now = pair.now;
    pair.a.endpoint.connect(now, request(5, Z[1])).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.events(Side::A), ["lost: PeerAborted { cause: None, value: b\"\" }"]);
}

/// RFC 5061, 5.2: what was under way to an address when it was taken off is no reason for an ABORT.
#[test]
fn a_packet_to_an_address_that_was_taken_off_is_still_the_associations() {
    let mut pair = pair();
    let id = connect_from(&mut pair, Z[0]).unwrap();
    let header = CommonHeader { source_port: PORT_Z, destination_port: PORT_Z, verification_tag: 7 };
    let heartbeat = packet(header, &[chunk(ChunkType::HEARTBEAT, 0, b"")]);
    let before = pair.z.endpoint.stats().out_of_blues;
    pair.inject(Side::Z, ip("10.0.1.1"), ip(Z[1]), heartbeat);
    assert_eq!(pair.state(Side::Z, id), AssociationState::CookieWait);
    assert_eq!(pair.z.endpoint.stats().out_of_blues, before);
}
