//! Re-configuration requests and responses that no honest peer sends (RFC 6525).

use super::harness::{Fate, Pair, Side, chunk};
use super::reconfig_harness::{config, out_reset, re_config, reset_request, willing};
use crate::association::{AssociationState, to_raw};
use crate::config::{AssociationConfig, ReconfigPermissions};
use crate::message::SendOptions;
use crate::serial::Tsn;
use crate::wire::cause::CauseCode;
use crate::wire::chunk::{ChunkType, ErrorChunk, ReConfigChunk};
use crate::wire::param::{AddStreams, IncomingReset, Parameter, Parameters, ReconfigResponse};
use bytes::Bytes;
use proptest::prelude::*;

/// A TSN from before the initial ones of these tests.
const OLD: Tsn = Tsn(0xfff0_0000);

fn in_reset(request_sequence: u32, streams: &[u16]) -> Parameter {
    Parameter::IncomingReset(IncomingReset { request_sequence, streams: streams.into() })
}

fn add(request_sequence: u32, new_streams: u16) -> AddStreams {
    AddStreams { request_sequence, new_streams }
}

fn response(response_sequence: u32, result: u32) -> Parameter {
    Parameter::ReconfigResponse(ReconfigResponse { response_sequence, result, next_tsns: None })
}

/// Cause codes of the ERROR chunks that `side` has sent since the last look.
fn errors(pair: &mut Pair, side: Side) -> Vec<CauseCode> {
    pair.drain();
    let hops = core::mem::take(&mut pair.hops);
    let chunks = hops.iter().filter(|hop| hop.from == side).flat_map(|hop| &hop.chunks);
    let errors = chunks.filter(|chunk| chunk.chunk_type == ChunkType::ERROR);
    errors.flat_map(|chunk| ErrorChunk::parse(chunk).causes.iter()).map(|cause| cause.unwrap().code).collect()
}

/// RFC 6525, 5.2.1 and 4.4 (result 5): only the next number is carried out, only the last one answered again.
#[test]
fn requests_out_of_sequence_are_refused() {
    let (mut pair, _, z) = willing();
    let first = pair.expected_request(Side::Z, z);
    let cumulative = pair.association(Side::Z, z).receiver.as_ref().unwrap().cumulative_tsn();
    for wrong in [first.wrapping_add(1), first.wrapping_sub(1), first.wrapping_add(1 << 31)] {
        pair.forge_reconfig(Side::Z, z, vec![out_reset(wrong, cumulative, &[])]);
        assert_eq!(pair.results(Side::Z), [ReconfigResponse::BAD_SEQUENCE_NUMBER]);
    }
    for number in [first, first.wrapping_add(1)] {
        pair.forge_reconfig(Side::Z, z, vec![out_reset(number, cumulative, &[])]);
        assert_eq!(pair.results(Side::Z), [ReconfigResponse::PERFORMED]);
    }
    pair.forge_reconfig(Side::Z, z, vec![out_reset(first, cumulative, &[])]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::BAD_SEQUENCE_NUMBER], "two requests ago");
    pair.forge_reconfig(
        Side::Z,
        z,
        vec![out_reset(first.wrapping_add(2), cumulative, &[]), in_reset(first.wrapping_add(4), &[])],
    );
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::BAD_SEQUENCE_NUMBER; 2]);
    let resets = pair.events(Side::Z).len();
    assert_eq!(resets, 2, "only what was in sequence was carried out");
}

/// RFC 6525, 5.2.1: an old request that comes again, from the network or an attacker, does not undo what came since.
#[test]
fn a_repeated_request_does_not_reset_a_stream_in_use_again() {
    let (mut pair, a, z) = willing();
    let first = pair.expected_request(Side::Z, z);
    let next = pair.association(Side::A, a).sender.next_tsn();
    let request = reset_request(first, next.prev(), &[0]);
    let tag = pair.association(Side::Z, z).local_tag();
    pair.forge(Side::Z, tag, core::slice::from_ref(&request));
    pair.send(Side::A, a, b"one");
    pair.run_secs(1);
    (0..40).for_each(|_| pair.forge(Side::Z, tag, core::slice::from_ref(&request)));
    pair.send(Side::A, a, b"two");
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z), ["one", "two"]);
    assert_eq!(pair.events(Side::Z).len(), 1);
}

/// RFC 6525, 4.4 (result 3): streams that do not exist.
#[test]
fn streams_that_do_not_exist_are_not_reset() {
    let (mut pair, _, z) = willing();
    let first = pair.expected_request(Side::Z, z);
    pair.forge_reconfig(Side::Z, z, vec![out_reset(first, OLD, &[1, 10])]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::WRONG_SSN]);
    pair.forge_reconfig(Side::Z, z, vec![in_reset(first.wrapping_add(1), &[65_535])]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::WRONG_SSN]);
    assert!(pair.events(Side::Z).is_empty());
}

/// RFC 6525, 5.2.5 and 5.2.6: limits, to which the peer cannot come nearer in steps either.
#[test]
fn streams_are_added_up_to_the_limit_only() {
    let mut pair = Pair::new();
    let limited = AssociationConfig { max_inbound_streams: 12, ..config(ReconfigPermissions::ALL) };
    let (_, z) = pair.establish_with(limited);
    pair.hops.clear();
    let mut sequence = pair.expected_request(Side::Z, z);
    let results = [2, 1, 1, 2, 0];
    for (count, result) in [3, 1, 1, 1, 0].into_iter().zip(results) {
        pair.forge_reconfig(Side::Z, z, vec![Parameter::AddOutgoingStreams(add(sequence, count))]);
        assert_eq!(pair.results(Side::Z), [result]);
        sequence = sequence.wrapping_add(1);
    }
    assert_eq!(pair.association(Side::Z, z).inbound_streams(), 12);
    pair.forge_reconfig(Side::Z, z, vec![Parameter::AddIncomingStreams(add(sequence, 3))]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::DENIED]);
    pair.forge_reconfig(
        Side::Z,
        z,
        vec![Parameter::AddIncomingStreams(add(sequence.wrapping_add(1), 65_535))],
    );
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::DENIED]);
}

/// RFC 6525, 5.2.2 E2: a last assigned TSN that never comes defers its own reset, and nothing else.
#[test]
fn a_forged_last_tsn_stops_no_data() {
    let (mut pair, a, z) = willing();
    let first = pair.expected_request(Side::Z, z);
    let far = pair.association(Side::A, a).sender.next_tsn().plus(1 << 30);
    pair.forge_reconfig(Side::Z, z, vec![out_reset(first, far, &[])]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::IN_PROGRESS]);
    (0..50).for_each(|_| pair.send(Side::A, a, &[1; 5_000]));
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z).len(), 50);
    pair.hops.clear();
    // One at a time (4.4, result 4): not even the number is used up.
    for number in [1, 1] {
        pair.forge_reconfig(Side::Z, z, vec![Parameter::SsnTsnReset(first.wrapping_add(number))]);
        assert_eq!(pair.results(Side::Z), [ReconfigResponse::REQUEST_IN_PROGRESS]);
    }
}

/// RFC 6525, 3.1: ERROR with Protocol Violation for what may not stand together; nothing of it is carried out.
/// RFC 6525, 4.2, 4.3, 4.4 and 4.5.
#[test]
fn combinations_that_are_not_allowed_are_reported() {
    let (mut pair, _, z) = willing();
    let n = pair.expected_request(Side::Z, z);
    let tsn = |offset: u32| Parameter::SsnTsnReset(n.wrapping_add(offset));
    let out = |offset: u32| out_reset(n.wrapping_add(offset), OLD, &[]);
    let add_out = |offset: u32| Parameter::AddOutgoingStreams(add(n.wrapping_add(offset), 1));
    let bad = [
        vec![],
        vec![tsn(0), out(1)],
        vec![out(0), add_out(1)],
        vec![out(0), out(1)],
        vec![tsn(0), tsn(1)],
        vec![response(0, 1), in_reset(n, &[])],
        vec![response(0, 1), add_out(0)],
        vec![response(0, 1), response(1, 1), response(2, 1)],
        vec![out(0), in_reset(n.wrapping_add(1), &[]), response(0, 1)],
    ];
    for parameters in bad {
        pair.forge_reconfig(Side::Z, z, parameters);
        assert_eq!(errors(&mut pair, Side::Z), [CauseCode::PROTOCOL_VIOLATION]);
    }
    let tag = pair.association(Side::Z, z).local_tag();
    // 4.1 to 4.6: lengths that are not those of the type.
    let lengths: [(u8, usize); 7] = [(13, 13), (14, 9), (15, 2), (15, 8), (16, 12), (17, 4), (18, 12)];
    for (param_type, len) in lengths {
        let mut value = vec![0, param_type, 0, 4 + u8::try_from(len).unwrap()];
        value.resize((4 + len).next_multiple_of(4), 0);
        pair.forge(Side::Z, tag, &[chunk(ChunkType::RE_CONFIG, 0, &value)]);
        assert_eq!(errors(&mut pair, Side::Z), [CauseCode::PROTOCOL_VIOLATION], "{param_type}: {len}");
    }
    assert!(pair.events(Side::Z).is_empty());
    pair.forge_reconfig(Side::Z, z, vec![out(0)]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::PERFORMED]);
}

/// RFC 6525, 5.2.7 H1: a response to nothing that was asked says nothing.
#[test]
fn responses_that_nobody_asked_for_change_nothing() {
    let (mut pair, a, z) = willing();
    let number = pair.association(Side::Z, z).local_initial_tsn.0;
    let next_tsns = Some((Tsn(1), Tsn(2)));
    let tsns = ReconfigResponse { response_sequence: number, result: 1, next_tsns };
    pair.forge_reconfig(Side::Z, z, vec![response(number, 1), Parameter::ReconfigResponse(tsns)]);
    pair.forge_reconfig(Side::Z, z, vec![response(number.wrapping_sub(1), 2)]);
    pair.send(Side::A, a, b"x");
    pair.send(Side::Z, z, b"y");
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z), ["x"]);
    assert_eq!(pair.read(Side::A, a), ["y"]);
    assert!(pair.events(Side::Z).is_empty());
}

/// RFC 6525, 4.4: either both TSNs MUST be present or none; success without them resets nothing.
#[test]
fn a_tsn_reset_without_tsns_has_failed() {
    let (mut pair, a, z) = willing();
    let now = pair.now;
    pair.a.endpoint.reset_association(now, a).unwrap();
    let number = pair.association(Side::A, a).local_initial_tsn.0;
    pair.forge_reconfig(Side::A, a, vec![response(number, ReconfigResponse::PERFORMED)]);
    pair.drain();
    let events = pair.events(Side::A);
    assert!(events.len() == 1 && events[0].contains("Failed { result: Some(1) }"), "{events:?}");
    pair.drop_in_flight();
    pair.send(Side::A, a, b"x");
    pair.send(Side::Z, z, b"y");
    pair.run_secs(1);
    assert_eq!((pair.read(Side::Z, z).len(), pair.read(Side::A, a).len()), (1, 1));
}

/// A list as long as a chunk can hold: answered, and not echoed into packets that cannot leave.
#[test]
fn the_longest_list_of_streams_is_refused_in_a_small_packet() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish_with(AssociationConfig {
        outbound_streams: 65_535,
        max_inbound_streams: 65_535,
        ..config(ReconfigPermissions::ALL)
    });
    pair.send(Side::Z, z, b"x");
    pair.run_secs(1);
    pair.hops.clear();
    let n = pair.expected_request(Side::Z, z);
    let streams: Vec<u16> = (0..32_000).collect();
    pair.forge_reconfig(Side::Z, z, vec![in_reset(n, &streams)]);
    pair.drain();
    assert!(pair.hops.iter().all(|hop| hop.bytes.len() < 100));
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::DENIED]);
    pair.forge_reconfig(Side::Z, z, vec![out_reset(n.wrapping_add(1), OLD, &streams)]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::PERFORMED]);
}

/// RFC 6525, 5.1.1: before the association is up, and after its SHUTDOWN, nothing is carried out.
#[test]
fn requests_in_other_states_are_not_carried_out() {
    let (mut pair, _, z) = willing();
    let n = pair.expected_request(Side::Z, z);
    let now = pair.now;
    pair.set_rule(|_| super::harness::Fate::Drop);
    pair.z.endpoint.shutdown(now, z).unwrap();
    assert_eq!(pair.state(Side::Z, z), AssociationState::ShutdownSent);
    pair.forge_reconfig(Side::Z, z, vec![out_reset(n, OLD, &[])]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::DENIED]);
    assert!(!pair.events(Side::Z).iter().any(|event| event.contains("Reset")));
}

fn any_parameter() -> impl Strategy<Value = (u8, u32, u32, Vec<u16>)> {
    (0..8_u8, 0..3_u32, prop_oneof![0..4_u32, any::<u32>()], prop::collection::vec(0..12_u16, 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever requests and responses come, with data between: invariants hold, timers run, nothing panics.
    #[test]
    fn any_re_config_chunks_at_worst_end_the_association(
        rounds in prop::collection::vec((prop::collection::vec(any_parameter(), 0..3), any::<bool>(), 0..4_u8), 1..30),
    ) {
        let (mut pair, a, z) = willing();
        for (parameters, to_z, command) in rounds {
            let (side, id) = if to_z { (Side::Z, z) } else { (Side::A, a) };
            if [Side::A, Side::Z].into_iter().zip([a, z]).any(|(s, id)| pair.state(s, id) != AssociationState::Established) {
                break;
            }
            let next = pair.expected_request(side, id);
            let own = pair.association(side, id).local_initial_tsn.0;
            let cumulative = pair.association(side, id).receiver.as_ref().unwrap().cumulative_tsn();
            let chunk = parameters.into_iter().map(|(kind, offset, number, streams)| match kind {
                0 => out_reset(next.wrapping_add(offset), cumulative.plus(number), &streams),
                1 => in_reset(next.wrapping_add(offset), &streams),
                2 => Parameter::SsnTsnReset(next.wrapping_add(offset)),
                3 => Parameter::AddOutgoingStreams(add(next.wrapping_add(offset), number as u16)),
                4 => Parameter::AddIncomingStreams(add(next.wrapping_add(offset), number as u16)),
                _ => Parameter::ReconfigResponse(ReconfigResponse {
                    response_sequence: own.wrapping_add(offset),
                    result: number % 8,
                    next_tsns: (kind == 7).then_some((Tsn(number), Tsn(number.wrapping_mul(3)))),
                }),
            });
            let chunk = re_config(chunk.collect());
            let tag = pair.association(side, id).local_tag();
            pair.forge(side, tag, &[chunk]);
            let now = pair.now;
            match command {
                0 => _ = pair.host(side).endpoint.reset_association(now, id),
                1 => _ = pair.host(side).endpoint.add_streams(now, id, 1, 1),
                2 => {
                    let both = crate::endpoint::ResetDirections { outgoing: true, incoming: true };
                    _ = pair.host(side).endpoint.reset_streams(now, id, both, &[]);
                }
                _ => pair.send(side, id, b"x"),
            }
            pair.run_for(core::time::Duration::from_millis(15));
        }
    }
}

/// RFC 6525, 5.2.1: the answer that comes again is the same, but 32 KB for each request of a few bytes are not to be had.
#[test]
fn a_long_answer_is_repeated_once_in_an_rto() {
    let mut pair = Pair::new();
    let config = AssociationConfig { outbound_streams: 20_000, ..config(ReconfigPermissions::ALL) };
    let config = AssociationConfig { max_inbound_streams: 20_000, ..config };
    let (a, z) = pair.establish_with(config);
    let streams: Vec<_> = (0..10_000).collect();
    for &stream_id in &[0, 9_999] {
        let options = SendOptions { stream_id, ..SendOptions::default() };
        let now = pair.now;
        pair.z.endpoint.send(now, z, &options, Bytes::from_static(b"x")).unwrap();
    }
    pair.run_secs(1);
    pair.read(Side::A, a);
    let first = pair.expected_request(Side::Z, z);
    pair.set_rule(
        |hop| if hop.from == Side::Z && hop.has(ChunkType::RE_CONFIG) { Fate::Drop } else { Fate::Pass },
    );
    pair.hops.clear();
    let bytes_of_answers = |pair: &mut Pair, streams: &[u16]| {
        let request = ReConfigChunk { parameters: Parameters::from_iter([in_reset(first, streams)]) };
        let tag = pair.association(Side::Z, z).local_tag();
        pair.hops.clear();
        pair.forge(Side::Z, tag, &[to_raw(&request)]);
        pair.drain();
        let chunks = pair.hops.iter().filter(|hop| hop.from == Side::Z).flat_map(|hop| &hop.chunks);
        chunks
            .filter(|chunk| chunk.chunk_type == ChunkType::RE_CONFIG)
            .map(|chunk| chunk.value.len())
            .sum::<usize>()
    };
    assert!(bytes_of_answers(&mut pair, &streams) > 20_000);
    let again: Vec<_> = (0..20).map(|_| bytes_of_answers(&mut pair, &[])).collect();
    assert_eq!(again, [0; 20]);
    pair.run_secs(10);
    assert!(bytes_of_answers(&mut pair, &[]) > 20_000);
}
