//! UDP encapsulation: the peer's ports (RFC 6951).

use super::asconf_harness::of_type;
use super::harness::{Hop, Pair, Side, chunk, header_to, init, ip, packet};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::endpoint::UnreachableKind;
use crate::error::CommandError;
use crate::event::AssociationId;
use crate::net::{Ecn, PathAddress};
use crate::wire::chunk::{ChunkType, InitChunk, RawChunk};
use crate::wire::param::{Parameter, ParameterType};
use crate::wire::{ChecksumPolicy, Packet};
use bytes::Bytes;

fn established(config: AssociationConfig) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::multihomed();
    pair.udp_ports = [40_000, 9_899];
    pair.listen(config.clone());
    let peer = PathAddress { remote_udp_port: 9_899, ..PathAddress::to(ip("10.0.1.2")) };
    let a = pair.connect_to(Side::A, vec![peer], config);
    pair.run_secs(1);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    let z = pair.z.id();
    (pair, a, z)
}

fn ports(pair: &mut Pair, z: AssociationId) -> Vec<u16> {
    pair.association(Side::Z, z).paths().iter().map(|path| path.address.remote_udp_port).collect()
}

fn arrives(pair: &mut Pair, from: &str, port: u16, bytes: Bytes) {
    let path = PathAddress { local: Some(ip("10.0.1.2")), remote: ip(from), remote_udp_port: port };
    let now = pair.now;
    pair.z.endpoint.handle_packet(now, path, Ecn::NotCapable, bytes);
    pair.drain();
}

fn beat(tag: u32) -> Bytes {
    packet(header_to(Side::Z, tag), &[chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4])])
}

/// RFC 6951, 5.1 and 5.3: a port for each address, learned from the INIT on, and used for what goes there.
#[test]
fn each_address_has_its_own_port_and_packets_go_there() {
    let (mut pair, _, z) = established(AssociationConfig::default());
    assert_eq!(ports(&mut pair, z), [40_000, 40_000]);
    assert!(pair.hops.iter().filter(|hop| hop.from == Side::Z).all(|hop| hop.udp_port == 40_000));
    let tag = pair.association(Side::Z, z).local_tag();
    arrives(&mut pair, "10.0.2.1", 50_000, beat(tag));
    assert_eq!(ports(&mut pair, z), [40_000, 50_000], "a NAT may map each address in its own way");
    let last = pair.hops.last().unwrap();
    assert_eq!(
        (last.destination, last.udp_port, last.has(ChunkType::HEARTBEAT_ACK)),
        (ip("10.0.2.1"), 50_000, true)
    );
}

/// RFC 6951, 5.4: the port MUST be stored, once the verification tag was found right; not before.
#[test]
fn a_port_is_learned_from_verified_packets_only() {
    let (mut pair, _, z) = established(AssociationConfig::default());
    let tag = pair.association(Side::Z, z).local_tag();
    let peer_tag = pair.association(Side::Z, z).peer_tag();
    let mut damaged = beat(tag).to_vec();
    damaged[14] ^= 1;
    let reflected = packet(header_to(Side::Z, peer_tag ^ 1), &[chunk(ChunkType::ABORT, 1, &[])]);
    for bytes in [beat(tag ^ 1), beat(0), damaged.into(), reflected] {
        arrives(&mut pair, "10.0.1.1", 6_666, bytes);
        assert_eq!(ports(&mut pair, z)[0], 40_000);
    }
    arrives(&mut pair, "10.0.1.1", 40_001, beat(tag));
    assert_eq!(ports(&mut pair, z)[0], 40_001);
}

/// RFC 6951, 5.4 and 5.1: an INIT is answered where it came from, but only the COOKIE ECHO, whose cookie is ours, moves the
/// association.
#[test]
fn an_init_from_another_port_is_answered_there_and_moves_nothing() {
    let (mut pair, _, z) = established(AssociationConfig::default());
    pair.hops.clear();
    arrives(&mut pair, "10.0.1.1", 41_000, packet(header_to(Side::Z, 0), &[init(77, &[])]));
    let answer = pair.hops.last().unwrap();
    assert_eq!((answer.udp_port, answer.has(ChunkType::INIT_ACK)), (41_000, true));
    assert_eq!(ports(&mut pair, z)[0], 40_000);
    // The peer has restarted behind another port.
    let (echo, tag) = pair.last_cookie();
    arrives(&mut pair, "10.0.1.1", 41_000, packet(header_to(Side::Z, tag), &[echo]));
    assert!(pair.events(Side::Z).contains(&"Restart".to_owned()));
    assert_eq!(ports(&mut pair, z)[0], 41_000);
}

/// RFC 6951, 5.4: without encapsulation it is disabled for that address; 5.6: the path MTU follows.
#[test]
fn a_plain_packet_ends_the_encapsulation_of_its_address() {
    let (mut pair, _, z) = established(AssociationConfig::default());
    let tag = pair.association(Side::Z, z).local_tag();
    let size = |pair: &mut Pair| pair.association(Side::Z, z).paths().iter().next().unwrap().max_packet_size;
    assert_eq!(size(&mut pair), 1_472);
    arrives(&mut pair, "10.0.1.1", 0, beat(tag));
    assert_eq!((ports(&mut pair, z), size(&mut pair)), (vec![0, 40_000], 1_480));
    arrives(&mut pair, "10.0.1.1", 40_000, beat(tag));
    assert_eq!(size(&mut pair), 1_472, "MUST be decreased");
    arrives(&mut pair, "10.0.1.1", 40_002, beat(tag));
    assert_eq!(size(&mut pair), 1_472);
}

/// RFC 6951, 5.5: discarded if the tag cannot be verified (an ICMPv4 message may quote the UDP header only); else the UDP
/// port's absence is that of the protocol.
#[test]
fn icmp_of_the_udp_port_ends_the_association_if_the_tag_is_quoted() {
    let (mut pair, _, z) = established(AssociationConfig::default());
    let (now, peer_tag) = (pair.now, pair.association(Side::Z, z).peer_tag());
    let path = PathAddress { remote_udp_port: 40_000, ..PathAddress::to(ip("10.0.1.1")) };
    let quoted = packet(header_to(Side::A, peer_tag), &[chunk(ChunkType::DATA, 3, &[0; 13])]);
    let wrong = packet(header_to(Side::A, peer_tag ^ 1), &[chunk(ChunkType::DATA, 3, &[0; 13])]);
    for quoted in [&quoted[..0], &quoted[..7], &wrong[..]] {
        pair.z.endpoint.handle_unreachable(now, path, UnreachableKind::Port, quoted);
        assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    }
    pair.z.endpoint.handle_unreachable(now, path, UnreachableKind::Port, &quoted[..8]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 6951, 6.1.
#[test]
fn the_user_may_set_the_port_of_one_address_or_of_all() {
    let (mut pair, _, z) = established(AssociationConfig::default());
    let endpoint = &mut pair.z.endpoint;
    endpoint.set_remote_udp_port(z, Some(ip("10.0.2.1")), 1_234).unwrap();
    let unknown = endpoint.set_remote_udp_port(z, Some(ip("10.9.9.9")), 1);
    assert_eq!(unknown, Err(CommandError::UnknownAddress(ip("10.9.9.9"))));
    assert_eq!(ports(&mut pair, z), [40_000, 1_234]);
    pair.z.endpoint.set_remote_udp_port(z, None, 5_555).unwrap();
    assert_eq!(ports(&mut pair, z), [5_555, 5_555]);
    pair.hops.clear();
    let now = pair.now;
    pair.z.endpoint.request_heartbeat(now, z, ip("10.0.1.1")).unwrap();
    pair.drain();
    assert_eq!(pair.hops.last().map(|hop| hop.udp_port), Some(5_555));
}

/// RFC 6951, 5.7: addresses that a NAT would have to translate MUST NOT be put into packets.
/// RFC 6951, 3.2.
#[test]
fn addresses_can_be_kept_out_of_the_set_up() {
    let config = AssociationConfig { hide_addresses: true, ..AssociationConfig::default() };
    let (mut pair, a, z) = established(config);
    assert!(!lists_addresses(&pair));
    assert_eq!(pair.association(Side::A, a).paths().iter().count(), 1);
    assert_eq!(pair.association(Side::Z, z).paths().iter().count(), 1);
    let to_second = |hop: &Hop| hop.destination == ip("10.0.2.2");
    assert!(!pair.hops.iter().any(to_second));
}

/// Whether INIT or INIT ACK list an address.
fn lists_addresses(pair: &Pair) -> bool {
    let is_init = |chunk: &&RawChunk| matches!(chunk.chunk_type, ChunkType::INIT | ChunkType::INIT_ACK);
    let inits: Vec<_> = pair.hops.iter().flat_map(|hop| &hop.chunks).filter(is_init).collect();
    assert_eq!(inits.len(), 2);
    let listed = |init: &RawChunk| InitChunk::parse(init).unwrap().parameters;
    inits.into_iter().any(|init| listed(init).find(ParameterType::IPV4_ADDRESS).is_some())
}

/// RFC 6951, 3.2.
#[test]
fn a_single_address_is_not_listed() {
    let (single, multihomed) = (Pair::new(), Pair::multihomed());
    for (mut pair, listed) in [(single, false), (multihomed, true)] {
        pair.udp_ports = [40_000, 9_899];
        pair.establish();
        assert_eq!(lists_addresses(&pair), listed);
    }
}

/// RFC 6951, 5.3: UDP's own checksum does not stand in for it.
#[test]
fn packets_in_udp_have_their_checksum() {
    let (mut pair, a, z) = established(AssociationConfig::default());
    pair.send(Side::A, a, b"there");
    pair.send(Side::Z, z, b"back");
    pair.run_secs(1);
    for hop in &pair.hops {
        assert!(Packet::parse(hop.bytes.clone(), ChecksumPolicy::Crc32c).is_ok(), "{:?}", hop.chunks);
    }
}

/// RFC 6951, 3.2 and 5.7: nor are they put into ASCONF, whoever asks for it: wildcards are.
#[test]
fn hidden_addresses_stay_out_of_requests() {
    for hide_addresses in [true, false] {
        let mut config =
            AssociationConfig { hide_addresses, auto_asconf: true, ..super::auth::demanding(&[]) };
        config.extensions.asconf = true;
        let (mut pair, a, _) = established(config);
        let (now, new) = (pair.now, ip("10.0.3.1"));
        let answers = [
            pair.a.endpoint.add_local_address(now, a, new),
            pair.a.endpoint.remove_local_address(now, a, ip("10.0.2.1")),
            pair.a.endpoint.set_peer_primary(now, a, ip("10.0.1.1")),
        ];
        let named = if hide_addresses { Err(CommandError::NotInUse) } else { Ok(()) };
        assert_eq!(answers, [Ok(()), named, named]);
        pair.a.endpoint.set_local_addresses(now, vec![ip("10.0.1.1"), new]);
        pair.drain();
        let asconfs = of_type(&pair.hops, ChunkType::ASCONF);
        assert_eq!(asconfs.len(), 1);
        let address = |parameter| match parameter {
            Parameter::AddAddress(request) | Parameter::DeleteAddress(request) => request.address,
            Parameter::SetPrimaryAddress(request) => request.address,
            other => other.as_address().unwrap(),
        };
        let mut named =
            asconfs[0].parameters.iter().map(|raw| address(Parameter::parse(&raw.unwrap()).unwrap()));
        assert_eq!(named.all(|address| address.is_unspecified()), hide_addresses);
    }
}
