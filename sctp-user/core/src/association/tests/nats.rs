//! A host with two interfaces, each behind a NAT of its own (RFC 6951, 5.7).

use super::asconf_harness::{dynamic, locals, of_type, remotes};
use super::harness::{Fate, Hop, Pair, Side, ip};
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::event::AssociationId;
use crate::path::PathState;
use crate::wire::chunk::ChunkType;
use crate::wire::param::Parameter;

const INSIDE: [&str; 2] = ["192.168.0.1", "192.168.1.1"];
/// Of a wider scope than what is inside, as they mostly are.
const OUTSIDE: [&str; 2] = ["192.0.2.1", "198.51.100.1"];
const PORTS: [u16; 2] = [20_001, 30_002];

/// Both up. Z has two addresses and A has two interfaces, of which the association knows one.
fn behind_two_nats() -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::with_addresses(&INSIDE, &["192.0.2.2", "198.51.100.2"]);
    pair.udp_ports = [9_899; 2];
    pair.nats = (0..2).map(|nat| (ip(INSIDE[nat]), ip(OUTSIDE[nat]), PORTS[nat])).collect();
    pair.listen(dynamic());
    let a = pair.connect(AssociationConfig { hide_addresses: true, ..dynamic() });
    pair.run_secs(5);
    let z = pair.z.id();
    assert_eq!(locals(&mut pair, Side::A, a), [INSIDE[0]]);
    assert_eq!(remotes(&mut pair, Side::A, a), ["192.0.2.2", "198.51.100.2"]);
    assert_eq!(remotes(&mut pair, Side::Z, z), [OUTSIDE[0]]);
    pair.events(Side::A);
    pair.events(Side::Z);
    pair.hops.clear();
    (pair, a, z)
}

fn from_second(hop: &Hop) -> bool {
    hop.source == ip(OUTSIDE[1])
}

/// RFC 6951, 5.7: set up with one address, the other one is added by wildcards only. RFC 5061, 4.2.1: the source is added; with it
/// goes the UDP port that the packet came from (RFC 6951, 5.4). 5.3 F1: nothing else leaves from there before.
#[test]
fn a_second_address_is_added_by_a_wildcard_that_comes_from_it() {
    let (mut pair, a, z) = behind_two_nats();
    pair.a.endpoint.add_local_address(pair.now, a, ip(INSIDE[1])).unwrap();
    pair.send(Side::A, a, b"meanwhile");
    pair.run_secs(5);
    let first = pair.hops.iter().position(|hop| hop.has(ChunkType::ASCONF_ACK)).unwrap();
    for hop in pair.hops[..first].iter().filter(|hop| from_second(hop)) {
        let types: Vec<_> = hop.chunks.iter().map(|chunk| chunk.chunk_type).collect();
        assert_eq!(types, [ChunkType::AUTH, ChunkType::ASCONF]);
    }
    let asked = of_type(&pair.hops, ChunkType::ASCONF);
    assert_eq!(asked.len(), 1);
    for raw in asked[0].parameters.iter() {
        match Parameter::parse(&raw.unwrap()).unwrap() {
            Parameter::AddAddress(request) => assert!(request.address.is_unspecified()),
            other => assert!(other.as_address().unwrap().is_unspecified()),
        }
    }
    assert_eq!(pair.read(Side::Z, z), ["meanwhile"]);
    assert_eq!(pair.events(Side::A), ["LocalAddressChanged { address: 192.168.1.1, change: Added }"]);
    assert_eq!(remotes(&mut pair, Side::Z, z), OUTSIDE);
    assert_eq!(locals(&mut pair, Side::A, a), INSIDE);
    for path in pair.association(Side::Z, z).paths().iter() {
        assert_eq!(path.state, PathState::Active);
        assert_eq!(path.address.remote_udp_port, PORTS[usize::from(path.address.remote == ip(OUTSIDE[1]))]);
    }
    // Each of A's paths leaves from an address of its own.
    let sources: Vec<_> =
        pair.association(Side::A, a).paths().iter().map(|path| path.address.local).collect();
    assert_eq!(sources, INSIDE.map(|address| Some(ip(address))));
}

/// RFC 9260, 6.4: what the second address is for.
#[test]
fn when_the_first_nat_dies_both_directions_go_through_the_second() {
    let (mut pair, a, z) = behind_two_nats();
    pair.a.endpoint.add_local_address(pair.now, a, ip(INSIDE[1])).unwrap();
    pair.run_secs(5);
    let dead = |address: std::net::IpAddr| address == ip(OUTSIDE[0]) || address == ip(INSIDE[0]);
    pair.set_rule(move |hop| if dead(hop.source) || dead(hop.destination) { Fate::Drop } else { Fate::Pass });
    for _ in 0..10 {
        pair.send(Side::A, a, b"up");
        pair.send(Side::Z, z, b"down");
        pair.run_secs(20);
    }
    assert_eq!((pair.read(Side::Z, z).len(), pair.read(Side::A, a).len()), (10, 10));
    let events = [pair.events(Side::A), pair.events(Side::Z)].concat();
    assert!(!events.iter().any(|event| event.starts_with("lost")), "{events:?}");
}

/// RFC 5061, 5.1 B4, 5.2 E5: where the second interface leads nowhere, the request is not taken back, and does not stand in the way
/// of others for ever. The association is none the worse for it.
#[test]
fn an_interface_that_leads_nowhere_is_refused_and_nothing_else_suffers() {
    let (mut pair, a, z) = behind_two_nats();
    pair.nats.pop();
    pair.a.endpoint.add_local_address(pair.now, a, ip(INSIDE[1])).unwrap();
    for _ in 0..12 {
        pair.send(Side::A, a, b"on");
        pair.run_secs(10);
    }
    assert_eq!(pair.read(Side::Z, z).len(), 12);
    assert_eq!(
        pair.events(Side::A),
        ["LocalAddressChanged { address: 192.168.1.1, change: AdditionRefused }"]
    );
    assert_eq!(locals(&mut pair, Side::A, a), [INSIDE[0]]);
    assert_eq!(remotes(&mut pair, Side::Z, z), [OUTSIDE[0]]);
    // The next request is answered.
    pair.a.endpoint.announce_source(pair.now, a).unwrap();
    pair.run_secs(2);
    assert_eq!(of_type(&pair.hops, ChunkType::ASCONF).last().unwrap().parameters.iter().count(), 3);
    assert_eq!(pair.events(Side::A), [] as [&str; 0]);
}

/// RFC 5061, 5.1 B4; RFC 6951, 5.7: a request that is lost is sent again from the same place.
#[test]
fn a_lost_request_leaves_from_the_same_place_again() {
    let (mut pair, a, z) = behind_two_nats();
    pair.drop_first(2, |hop| hop.has(ChunkType::ASCONF));
    pair.a.endpoint.add_local_address(pair.now, a, ip(INSIDE[1])).unwrap();
    pair.run_secs(20);
    assert_eq!(remotes(&mut pair, Side::Z, z), OUTSIDE);
    assert!(pair.hops.iter().filter(|hop| hop.has(ChunkType::ASCONF)).all(from_second));
}

/// RFC 6951, 5.7, RFC 5061, 4.2.2: "all but this one" takes the second address away, too. It is added again.
#[test]
fn after_an_announcement_the_other_address_is_added_again() {
    let (mut pair, a, z) = behind_two_nats();
    pair.a.endpoint.add_local_address(pair.now, a, ip(INSIDE[1])).unwrap();
    pair.run_secs(5);
    pair.nats[0].1 = ip("192.0.2.9");
    pair.a.endpoint.announce_source(pair.now, a).unwrap();
    pair.run_secs(5);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["192.0.2.9", OUTSIDE[1]]);
    assert_eq!(locals(&mut pair, Side::A, a), INSIDE);
}

/// RFC 6951, 5.7: no address may stand in a packet, so that none can be taken off by name or preferred.
#[test]
fn what_would_have_to_be_named_is_refused() {
    let (mut pair, a, _) = behind_two_nats();
    let now = pair.now;
    pair.a.endpoint.add_local_address(now, a, ip(INSIDE[1])).unwrap();
    pair.run_secs(2);
    let endpoint = &mut pair.a.endpoint;
    assert_eq!(endpoint.remove_local_address(now, a, ip(INSIDE[1])), Err(CommandError::NotInUse));
    assert_eq!(endpoint.set_peer_primary(now, a, ip(INSIDE[1])), Err(CommandError::NotInUse));
}
