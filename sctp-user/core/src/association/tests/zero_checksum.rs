//! Packets without a checksum (RFC 9653).

use super::harness::{Hop, Pair, Side, chunk, header_to, init, packet};
use crate::association::{AssociationState, to_raw};
use crate::config::AssociationConfig;
use crate::event::AssociationId;
use crate::wire::chunk::{ChunkType, InitChunk};
use crate::wire::param::{Parameter, ParameterType, Parameters};
use bytes::Bytes;

fn established(sides: [bool; 2]) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::new();
    pair.set_error_detection(sides);
    let (a, z) = pair.establish();
    pair.send(Side::A, a, b"there");
    pair.send(Side::Z, z, b"back");
    pair.run_secs(1);
    assert_eq!((pair.read(Side::Z, z), pair.read(Side::A, a)), (vec!["there".into()], vec!["back".into()]));
    (pair, a, z)
}

fn has_checksum(hop: &Hop) -> bool {
    hop.bytes[8..12] != [0; 4]
}

fn offered(pair: &Pair, chunk_type: ChunkType) -> Option<Bytes> {
    let chunk = pair.hops.iter().flat_map(|hop| &hop.chunks).find(|chunk| chunk.chunk_type == chunk_type)?;
    let init = InitChunk::parse(chunk).unwrap();
    assert!(
        init.parameters
            .iter()
            .filter(|p| p.as_ref().unwrap().param_type == ParameterType::ZERO_CHECKSUM_ACCEPTABLE)
            .count()
            <= 1
    );
    init.parameters.find(ParameterType::ZERO_CHECKSUM_ACCEPTABLE).map(|parameter| parameter.value)
}

/// RFC 9653, 4, 5.1 and 5.2: the parameter once in INIT and INIT ACK, with the method; checksums in INIT (rule 1 a), INIT ACK
/// and COOKIE ECHO (rule 2), none elsewhere.
#[test]
fn both_sides_announce_it_and_leave_out_checksums_from_the_cookie_ack_on() {
    let (pair, ..) = established([true; 2]);
    for kind in [ChunkType::INIT, ChunkType::INIT_ACK] {
        assert_eq!(offered(&pair, kind).as_deref(), Some(&[0, 0, 0, 1][..]), "{kind}");
    }
    for hop in &pair.hops {
        let needs =
            [ChunkType::INIT, ChunkType::INIT_ACK, ChunkType::COOKIE_ECHO].iter().any(|&t| hop.has(t));
        assert_eq!(has_checksum(hop), needs, "{:?}", hop.chunks);
    }
}

/// RFC 9653, 5.2, rule 1, and 5.1: who has not heard of it sends checksums; who must not accept it does not announce it.
#[test]
fn if_one_side_does_not_announce_it_every_packet_has_its_checksum() {
    for sides in [[true, false], [false, true], [false; 2]] {
        let (pair, ..) = established(sides);
        assert!(pair.hops.iter().all(has_checksum), "{sides:?}");
        assert_eq!(offered(&pair, ChunkType::INIT).is_some(), sides[0]);
        assert_eq!(offered(&pair, ChunkType::INIT_ACK).is_some(), sides[1]);
    }
}

/// RFC 9653, 5.1: the upper layer may forbid it.
#[test]
fn the_user_may_turn_it_off() {
    let mut pair = Pair::new();
    pair.set_error_detection([true; 2]);
    let mut config = AssociationConfig::default();
    config.extensions.zero_checksum = false;
    pair.establish_with(config);
    assert!(pair.hops.iter().all(has_checksum));
    assert_eq!(offered(&pair, ChunkType::INIT), None);
}

/// A packet without checksum: a HEARTBEAT, whose answer shows that it was taken.
fn naked(side: Side, tag: u32, chunk_type: ChunkType) -> Bytes {
    let mut bytes = packet(header_to(side, tag), &[chunk(chunk_type, 0, &[0, 1, 0, 4])]).to_vec();
    bytes[8..12].fill(0);
    bytes.into()
}

/// RFC 9653, 5.3: MUST accept if it was announced, whatever the peer has announced itself; otherwise MUST drop.
#[test]
fn a_zero_checksum_is_accepted_exactly_by_those_who_announced_it() {
    for (sides, accepted) in [([true, true], true), ([false, true], true), ([true, false], false)] {
        let (mut pair, _, z) = established(sides);
        let tag = pair.association(Side::Z, z).local_tag();
        pair.hops.clear();
        let (from, to) = (pair.address(Side::A), pair.address(Side::Z));
        pair.inject(Side::Z, from, to, naked(Side::Z, tag, ChunkType::HEARTBEAT));
        pair.drain();
        assert_eq!(pair.hops.iter().any(|hop| hop.has(ChunkType::HEARTBEAT_ACK)), accepted, "{sides:?}");
        // Any other wrong checksum is wrong.
        let mut bytes = naked(Side::Z, tag, ChunkType::HEARTBEAT).to_vec();
        bytes[11] = 1;
        pair.hops.clear();
        pair.inject(Side::Z, from, to, bytes.into());
        pair.drain();
        assert!(pair.hops.is_empty());
    }
}

/// RFC 9653, 5.2 and 5.3: what may come before there is an association, and an ASCONF from a new address, needs its checksum.
#[test]
fn init_cookie_echo_and_asconf_of_nobody_need_their_checksum() {
    let (mut pair, _, z) = established([true; 2]);
    let tag = pair.association(Side::Z, z).local_tag();
    let (from, to) = (pair.address(Side::A), pair.address(Side::Z));
    pair.hops.clear();
    let mut request = packet(header_to(Side::Z, 0), &[init(77, &[])]).to_vec();
    request[8..12].fill(0);
    pair.inject(Side::Z, from, to, request.into());
    pair.inject(Side::Z, from, to, naked(Side::Z, tag, ChunkType::COOKIE_ECHO));
    for chunk_type in [ChunkType::ASCONF, ChunkType::AUTH] {
        pair.inject(Side::Z, super::harness::ip("10.0.1.77"), to, naked(Side::Z, tag, chunk_type));
    }
    pair.drain();
    assert!(pair.hops.is_empty());
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 9653, 5.2, rule 1 b, and 5.3: who sends to nobody without a checksum learns it as soon as others do, where the layer below
/// finds damage; the answer has its checksum.
#[test]
fn packets_of_nobody_are_answered_with_or_without_their_checksum() {
    let stranger = super::harness::ip("10.0.1.77");
    for finds_damage in [true, false] {
        let (mut pair, ..) = established([finds_damage; 2]);
        let to = pair.address(Side::Z);
        let good = packet(header_to(Side::Z, 5), &[chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4])]);
        for (bytes, answered) in [(good, true), (naked(Side::Z, 5, ChunkType::HEARTBEAT), finds_damage)] {
            pair.hops.clear();
            pair.inject(Side::Z, stranger, to, bytes);
            pair.drain();
            let answers: Vec<_> = pair.hops.iter().map(has_checksum).collect();
            assert_eq!(answers, vec![true; usize::from(answered)]);
        }
    }
}

/// RFC 9653, 5.2, rule 1: a method that we do not know is as good as none; 4: the parameter's length is 8.
#[test]
fn a_method_that_is_not_ours_is_not_used() {
    for parameter in [Parameter::ZeroChecksumAcceptable(0), Parameter::ZeroChecksumAcceptable(2)] {
        let mut read = crate::extensions::Extensions::NONE;
        for raw in Parameters::from_iter([parameter]).iter() {
            assert!(read.take(&raw.unwrap()));
        }
        assert!(!read.zero_checksum);
    }
    let mut pair = Pair::new();
    pair.set_error_detection([true; 2]);
    pair.listen(AssociationConfig::default());
    let mut request = InitChunk::parse(&init(77, &[])).unwrap();
    request.parameters = Parameters::from_iter([Parameter::ZeroChecksumAcceptable(2)]);
    pair.forge(Side::Z, 0, &[to_raw(&request)]);
    pair.drain();
    let (echo, tag) = pair.last_cookie();
    pair.forge(Side::Z, tag, &[echo]);
    pair.drain();
    let answer = pair.hops.last().unwrap();
    assert!(answer.has(ChunkType::COOKIE_ACK) && has_checksum(answer));
}
