//! Requests of the peer to change its addresses: what is done, what refused, what ignored (RFC 5061, 5.2 and 5.3).

use super::asconf_harness::{
    add, asconf, asconf_with, ask, delete, first_sequence, of_type, primary, refusals, remotes, signed, up,
    up_multihomed,
};
use super::harness::{Fate, Side, chunk, header_to, ip, packet};
use crate::association::{AssociationState, to_raw};
use crate::wire::cause::CauseCode;
use crate::wire::chunk::{AsconfChunk, AsconfKind, ChunkType};
use crate::wire::param::{CauseIndication, Parameter, ParameterType, Parameters};
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::*;

/// RFC 5061, 4.2.1, 4.2.2, 4.2.3, 4.2.4, 4.3; 5.2 V3, E6; 5.3 F7, F8, F11: what is refused, with which cause, and that the rest behind it is refused too.
#[test]
fn requests_that_must_be_refused_are() {
    let last = Some(CauseCode::DELETE_LAST_ADDRESS);
    let source = Some(CauseCode::DELETE_SOURCE_ADDRESS);
    let shortage = Some(CauseCode::RESOURCE_SHORTAGE);
    let unresolvable = Some(CauseCode::UNRESOLVABLE_ADDRESS);
    type Refusals = Vec<(u32, Option<CauseCode>)>;
    let cases: [(Vec<Parameter>, Refusals, &[&str]); 9] = [
        (vec![delete(9, "10.0.1.1")], vec![(9, last)], &["10.0.1.1"]),
        (vec![add(1, "10.0.2.1"), delete(2, "10.0.1.1")], vec![(2, source)], &["10.0.1.1", "10.0.2.1"]),
        (
            vec![delete(1, "10.9.9.9"), add(2, "10.0.2.1")],
            vec![(1, unresolvable), (2, shortage)],
            &["10.0.1.1"],
        ),
        (vec![add(3, "224.0.0.1")], vec![(3, unresolvable)], &["10.0.1.1"]),
        (vec![add(3, "255.255.255.255")], vec![(3, unresolvable)], &["10.0.1.1"]),
        (vec![add(3, "127.0.0.1")], vec![(3, unresolvable)], &["10.0.1.1"]),
        (vec![add(3, "2001:db8::1")], vec![(3, shortage)], &["10.0.1.1"]),
        (
            vec![primary(4, "10.9.9.9"), add(5, "10.0.2.1")],
            vec![(4, unresolvable), (5, None)],
            &["10.0.1.1", "10.0.2.1"],
        ),
        (vec![add(1, "10.0.1.1")], vec![], &["10.0.1.1"]),
    ];
    for (requests, expected, left) in cases {
        let (mut pair, a, z) = up();
        let first = first_sequence(&mut pair, a);
        let (responses, to) = ask(&mut pair, a, &asconf(first, requests.clone()), "10.0.1.1").unwrap();
        assert_eq!((refusals(&responses), to), (expected, ip("10.0.1.1")), "{requests:?}");
        assert_eq!(remotes(&mut pair, Side::Z, z), left, "{requests:?}");
        if let Some(Parameter::CauseIndication(CauseIndication { causes, .. })) = responses.first()
            && let Some(cause) = causes.find(CauseCode::DELETE_LAST_ADDRESS)
        {
            let tlv = Parameters::from_iter(requests).0;
            assert_eq!(cause.value, tlv, "4.3.1: the request itself");
        }
    }
}

/// RFC 9260, 3.3.2.1.2; RFC 5061, 4.2.1: an IPv4 address in the guise of IPv6 is that of IPv4.
#[test]
fn ipv4_addresses_in_the_guise_of_ipv6_are_those_of_ipv4() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let requests = [add(1, "::ffff:10.0.2.1"), add(2, "::ffff:10.0.1.1"), add(3, "::ffff:224.0.0.1")];
    let (responses, _) = ask(&mut pair, a, &asconf(first, requests), "10.0.1.1").unwrap();
    assert_eq!(refusals(&responses), [(3, Some(CauseCode::UNRESOLVABLE_ADDRESS))]);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
    let requests = [delete(4, "::ffff:10.0.2.1")];
    let (responses, _) = ask(&mut pair, a, &asconf(first.wrapping_add(1), requests), "10.0.1.1").unwrap();
    assert_eq!((responses, remotes(&mut pair, Side::Z, z)), (vec![], vec!["10.0.1.1".into()]));
}

/// RFC 5061, 5.3 F9 and F11: no more addresses than can be held.
#[test]
fn more_addresses_than_can_be_held_are_refused() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let text = |i: u32| format!("10.1.1.{i}");
    let requests = (0..20).map(|i| add(i, &text(i))).chain([delete(20, "10.1.1.1")]);
    let (responses, _) = ask(&mut pair, a, &asconf(first, requests), "10.0.1.1").unwrap();
    assert_eq!(remotes(&mut pair, Side::Z, z).len(), 16);
    let refused: Vec<_> = (15..21).map(|id| (id, Some(CauseCode::RESOURCE_SHORTAGE))).collect();
    assert_eq!(refusals(&responses), refused);
}

/// RFC 5061, 4.2.1, 4.2.2 and 4.2.4: a wildcard stands for the packet's source.
#[test]
fn wildcards_stand_for_the_source_of_the_packet() {
    let (mut pair, a, z) = up_multihomed();
    let first = first_sequence(&mut pair, a);
    let requests = [add(1, "0.0.0.0"), primary(2, "0.0.0.0")];
    let (responses, to) = ask(&mut pair, a, &asconf(first, requests), "10.0.3.1").unwrap();
    assert_eq!((responses, to), (vec![], ip("10.0.3.1")), "5.2 D2: found by the address in it");
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1", "10.0.3.1"]);
    let (responses, _) =
        ask(&mut pair, a, &asconf(first.wrapping_add(1), [delete(3, "0.0.0.0")]), "10.0.1.1").unwrap();
    assert!(responses.is_empty());
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
}

/// RFC 5061, 5.2 E1 to E5, 5.1.1 C3: numbers.
#[test]
fn only_the_next_request_is_processed_and_the_last_answers_are_kept() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let next = |i: u32| first.wrapping_add(i);
    assert!(ask(&mut pair, a, &asconf(next(1), [add(1, "10.0.2.1")]), "10.0.1.1").is_none(), "E5: ahead");
    let one = asconf(first, [delete(7, "10.0.1.1")]);
    let answer = ask(&mut pair, a, &one, "10.0.1.1");
    assert!(answer.is_some());
    assert_eq!(ask(&mut pair, a, &one, "10.0.1.1"), answer, "E2: from memory");
    let two = asconf(next(1), [add(8, "10.0.2.1")]);
    // E1-ext, E3, C3: both in one packet, both answered, in order.
    let bytes = signed(&mut pair, a, &[one.clone(), two.clone()]);
    pair.hops.clear();
    pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    let acks = of_type(&pair.hops, ChunkType::ASCONF_ACK);
    let numbers: Vec<_> = acks.iter().map(|ack| ack.sequence_number).collect();
    assert_eq!(numbers, [first, next(1)]);
    assert!(ask(&mut pair, a, &asconf(next(2), []), "10.0.1.1").is_some());
    assert!(ask(&mut pair, a, &one, "10.0.1.1").is_none(), "E1: forgotten");
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 4.1.1, 4.1.2, 5.2 D5: without AUTH it is discarded in silence, with all behind it.
#[test]
fn a_request_that_is_not_authenticated_is_discarded_with_all_behind_it() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let tag = pair.association(Side::Z, z).local_tag();
    let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]);
    pair.forge(Side::Z, tag, &[asconf(first, [add(1, "10.0.2.1")]), heartbeat]);
    // RFC 5062, 3: nor from elsewhere.
    let bytes = packet(header_to(Side::Z, tag), &[asconf(first, [add(1, "0.0.0.0")])]);
    pair.inject(Side::Z, ip("10.0.66.6"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
    assert!(pair.hops.is_empty());
    let ack = to_raw(&AsconfChunk {
        kind: AsconfKind::AsconfAck,
        sequence_number: first.wrapping_add(9),
        parameters: Parameters::default(),
    });
    pair.forge(Side::Z, tag, &[ack]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 5061, 4.1.1, 5.2 D3 and D4: a wrong tag, and addresses that name no association.
#[test]
fn a_request_from_afar_needs_the_tag_and_a_known_address() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let unknown = asconf_with(first, "10.0.99.1", [add(1, "10.0.2.1")]);
    let bytes = signed(&mut pair, a, &[unknown]);
    pair.inject(Side::Z, ip("10.0.2.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::ABORT), "out of the blue");
    pair.hops.clear();
    let bytes = packet(header_to(Side::Z, 1), &[asconf(first, [add(1, "10.0.2.1")])]);
    pair.inject(Side::Z, ip("10.0.2.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert!(pair.hops.is_empty());
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
}

/// RFC 5061, 5.2 V2: unknown requests are reported as their types ask for; what is known but misplaced is ignored (4.2,
/// 4.2.6).
#[test]
fn unknown_requests_are_reported() {
    let unknown = |param_type, correlation: u8| Parameter::Unknown {
        param_type: ParameterType(param_type),
        value: Bytes::copy_from_slice(&[0, 0, 0, correlation]),
    };
    let unrecognized = Some(CauseCode::UNRECOGNIZED_PARAMETERS);
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let requests = [
        Parameter::AdaptationLayerIndication(5),
        Parameter::SuccessIndication(6),
        unknown(0x9999, 1),
        unknown(0xd999, 2),
        add(3, "10.0.2.1"),
        unknown(0x4999, 4),
        add(5, "10.0.3.1"),
    ];
    let (responses, _) = ask(&mut pair, a, &asconf(first, requests), "10.0.1.1").unwrap();
    assert_eq!(refusals(&responses), [(2, unrecognized), (3, None), (4, unrecognized)]);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 4.1.1: the address in front is mandatory.
#[test]
fn a_request_without_the_address_in_front_is_discarded() {
    let (mut pair, a, z) = up();
    let sequence_number = first_sequence(&mut pair, a);
    let parameters = Parameters::from_iter([add(1, "10.0.2.1")]);
    let chunk = to_raw(&AsconfChunk { kind: AsconfKind::Asconf, sequence_number, parameters });
    assert!(ask(&mut pair, a, &chunk, "10.0.1.1").is_none());
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
}

/// RFC 5062, 2 and 4: a flood of requests, or one with thousands of them, brings no flood of answers or probes.
#[test]
fn floods_of_requests_are_answered_within_bounds() {
    let (mut pair, a, _) = up();
    let first = first_sequence(&mut pair, a);
    let thousands = (0..2_000).map(|i| add(i, &format!("10.7.{}.{}", i >> 8, i & 255)));
    let (responses, _) = ask(&mut pair, a, &asconf(first, thousands), "10.0.1.1").unwrap();
    assert!(responses.len() < 20);
    assert!(pair.hops.iter().all(|hop| hop.bytes.len() <= 508), "RFC 5061, 5.1.1 C5");
    pair.hops.clear();
    for i in 1..200_u32 {
        let victim = format!("10.8.0.{}", i & 255);
        let other = format!("10.7.0.{}", 0);
        let chunk = asconf(first.wrapping_add(i), [delete(1, &other), add(2, &victim)]);
        let bytes = signed(&mut pair, a, &[chunk]);
        pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
        pair.drain();
    }
    pair.run_secs(2);
    let probes = pair.hops.iter().filter(|hop| hop.has(ChunkType::HEARTBEAT)).count();
    assert!(probes < 40, "{probes}");
}

/// RFC 5061, 5.2 D2: nor does a packet that names thousands of associations cost thousands of look-ups; it is out of
/// the blue.
#[test]
fn a_packet_of_nothing_but_requests_from_afar_is_out_of_the_blue() {
    let (mut pair, a, z) = up();
    let chunks: Vec<_> = (0..500).map(|i| asconf_with(i, "10.0.99.1", [])).collect();
    let bytes = signed(&mut pair, a, &chunks);
    pair.inject(Side::Z, ip("10.0.66.6"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert_eq!(pair.hops.len(), 1);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

fn any_request() -> impl Strategy<Value = Parameter> {
    let address = (0..6_u8).prop_map(|i| format!("10.0.{i}.1")).boxed();
    prop_oneof![
        (any::<u32>(), address.clone()).prop_map(|(id, address)| add(id, &address)),
        (any::<u32>(), address.clone()).prop_map(|(id, address)| delete(id, &address)),
        (any::<u32>(), address).prop_map(|(id, address)| primary(id, &address)),
        (any::<u16>(), prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(param_type, value)| {
            Parameter::Unknown { param_type: ParameterType(param_type), value: value.into() }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an authenticated peer asks for, an address is left, state stays bounded, and data still comes through.
    #[test]
    fn whatever_is_asked_the_association_lives(
        rounds in prop::collection::vec(prop::collection::vec(any_request(), 0..8), 1..12),
    ) {
        let (mut pair, a, z) = up();
        // A has sent none of this, and would not know what to make of the answers.
        pair.set_rule(|hop| if hop.has(ChunkType::ASCONF_ACK) { Fate::Drop } else { Fate::Pass });
        let first = first_sequence(&mut pair, a);
        for (requests, i) in rounds.into_iter().zip(0..) {
            pair.send(Side::Z, z, &[i as u8; 3_000]);
            let chunk = asconf(first.wrapping_add(i), requests);
            let bytes = signed(&mut pair, a, &[chunk]);
            pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
            pair.run_for(Duration::from_millis(30));
            prop_assert!((1..=16).contains(&remotes(&mut pair, Side::Z, z).len()));
        }
        prop_assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
        pair.send(Side::A, a, b"still here");
        pair.run_secs(1);
        prop_assert_eq!(pair.read(Side::Z, z), ["still here"]);
    }
}
