//! ICMP (RFC 9260, 10; RFC 6951, 5.5), and the UDP port of a peer (RFC 6951, 5.4).

use super::auth::demanding;
use super::harness::{PORT_A, PORT_Z, Pair, Side, chunk, ip};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::endpoint::UnreachableKind;
use crate::event::AssociationId;
use crate::net::{Ecn, PathAddress};
use crate::wire::chunk::ChunkType;

/// A is up, its peer is reached through UDP if `udp_port` is not 0.
fn established(udp_port: u16) -> (Pair, AssociationId) {
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    let (tag, path) = (pair.association(Side::A, a).local_tag(), path(&mut pair, udp_port));
    let header = super::harness::header_to(Side::A, tag);
    let beat = super::harness::packet(header, &[chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4])]);
    let now = pair.now;
    pair.a.endpoint.handle_packet(now, path, Ecn::NotCapable, beat);
    pair.drain();
    pair.events(Side::A);
    (pair, a)
}

fn path(pair: &mut Pair, remote_udp_port: u16) -> PathAddress {
    PathAddress { local: Some(pair.address(Side::A)), remote: pair.address(Side::Z), remote_udp_port }
}

/// What a router quotes of a packet of A's.
fn quote(tag: u32, chunk_type: ChunkType, initiate_tag: u32) -> Vec<u8> {
    let ports = [PORT_A.to_be_bytes(), PORT_Z.to_be_bytes()].concat();
    [&ports[..], &tag.to_be_bytes(), &[0; 4], &[chunk_type.0, 0, 0, 20], &initiate_tag.to_be_bytes()].concat()
}

fn report(pair: &mut Pair, kind: UnreachableKind, quoted: &[u8]) -> Vec<String> {
    let (now, path) = (pair.now, path(pair, 0));
    pair.a.endpoint.handle_unreachable(now, path, kind, quoted);
    pair.drain();
    pair.events(Side::A)
}

const LOST: &str = "lost: Unreachable { address: 10.0.1.2 }";

/// RFC 9260, 10.
#[test]
fn icmp8_protocol_unreachable_is_as_an_abort() {
    let (mut pair, a) = established(0);
    let tag = pair.association(Side::A, a).peer_tag();
    assert_eq!(report(&mut pair, UnreachableKind::Protocol, &quote(tag, ChunkType::DATA, 0)), [LOST]);
}

/// RFC 9260, 10; RFC 4895, 6.3: who ends associations only on authenticated words does not end them on those of a router.
#[test]
fn icmp8_is_ignored_where_an_abort_without_authentication_is() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish_with(demanding(&[ChunkType::ABORT]));
    pair.events(Side::A);
    let tag = pair.association(Side::A, a).peer_tag();
    let told = report(&mut pair, UnreachableKind::Protocol, &quote(tag, ChunkType::DATA, 0));
    assert_eq!((told, pair.state(Side::A, a)), (vec![], AssociationState::Established));
}

/// RFC 9260, 10.
#[test]
fn icmp6_a_wrong_tag_or_too_short_a_quote_is_discarded() {
    let (mut pair, a) = established(0);
    let (local, peer) = (pair.association(Side::A, a).local_tag(), pair.association(Side::A, a).peer_tag());
    let good = quote(peer, ChunkType::DATA, 0);
    for quoted in [&good[..7], &[], &quote(peer ^ 1, ChunkType::DATA, 0), &quote(0, ChunkType::INIT, local)] {
        assert!(report(&mut pair, UnreachableKind::Protocol, quoted).is_empty());
    }
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

#[test]
fn icmp8_an_init_that_nobody_understands_ends_the_set_up() {
    let mut pair = Pair::new();
    let a = pair.connect(AssociationConfig::default());
    pair.drain();
    let tag = pair.association(Side::A, a).local_tag();
    let forged = quote(0, ChunkType::INIT, tag ^ 1);
    assert!(report(&mut pair, UnreachableKind::Protocol, &forged).is_empty());
    assert_eq!(report(&mut pair, UnreachableKind::Protocol, &quote(0, ChunkType::INIT, tag)), [LOST]);
}

/// RFC 9260, 10.
#[test]
fn icmp3_port_unreachable_counts_only_where_packets_travel_in_udp() {
    for (udp_port, events) in [(0, &[][..]), (9_899, &[LOST][..])] {
        let (mut pair, a) = established(udp_port);
        let tag = pair.association(Side::A, a).peer_tag();
        assert_eq!(report(&mut pair, UnreachableKind::Port, &quote(tag, ChunkType::DATA, 0)), events);
    }
}

/// RFC 9260, 10.
#[test]
fn icmp7_packets_shrink_to_the_reported_mtu_and_never_grow() {
    let (mut pair, a) = established(0);
    let tag = pair.association(Side::A, a).peer_tag();
    for (mtu, size) in [(9_000, 1_480), (1_280, 1_260), (1_400, 1_260), (1, 508)] {
        report(&mut pair, UnreachableKind::PacketTooBig { mtu }, &quote(tag, ChunkType::DATA, 0));
        assert_eq!(pair.association(Side::A, a).paths().iter().next().unwrap().max_packet_size, size);
    }
}

#[test]
fn icmp9_an_unreachable_destination_counts_against_its_path() {
    let (mut pair, a) = established(0);
    let tag = pair.association(Side::A, a).peer_tag();
    let quoted = quote(tag, ChunkType::DATA, 0);
    // RFC 7829, 3.2, rule 2: an error as any other.
    assert_eq!(report(&mut pair, UnreachableKind::Destination, &quoted), ["10.0.1.2 PotentiallyFailed"]);
    for _ in 1..5 {
        assert!(report(&mut pair, UnreachableKind::Destination, &quoted).is_empty());
    }
    assert_eq!(report(&mut pair, UnreachableKind::Destination, &quoted), ["10.0.1.2 Unreachable"]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

#[test]
fn the_peers_udp_port_is_learned_and_costs_its_header() {
    let (mut pair, a) = established(9_899);
    let path = pair.association(Side::A, a).paths().iter().next().unwrap();
    assert_eq!((path.address.remote_udp_port, path.max_packet_size), (9_899, 1_472));
}

/// RFC 9260, 7.3.
#[test]
fn each_address_of_the_peer_has_a_path_mtu_of_its_own() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish();
    let quoted = quote(pair.association(Side::A, a).peer_tag(), ChunkType::DATA, 0);
    let (now, kind) = (pair.now, UnreachableKind::PacketTooBig { mtu: 1_280 });
    pair.a.endpoint.handle_unreachable(now, PathAddress::to(ip("10.0.2.2")), kind, &quoted);
    let sizes: Vec<_> =
        pair.association(Side::A, a).paths().iter().map(|path| path.max_packet_size).collect();
    assert_eq!(sizes, [1_480, 1_260]);
}
