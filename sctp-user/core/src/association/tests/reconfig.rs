//! Re-configuration between two endpoints (RFC 6525).

use super::harness::{Fate, Hop, Pair, Side, chunk};
use super::reconfig_harness::{BOTH, IN, OUT, config, re_config, reset_request, willing};
use crate::association::{AssociationState, to_raw};
use crate::config::{AssociationConfig, ReconfigPermissions};
use crate::endpoint::ResetDirections;
use crate::error::{ReconfigError, SendError};
use crate::extensions::Extensions;
use crate::message::SendOptions;
use crate::serial::Ssn;
use crate::time::Time;
use crate::wire::chunk::{ChunkType, DataChunk, DataFlags, RawChunk, ReConfigChunk};
use crate::wire::param::{Parameter, ReconfigResponse};
use bytes::Bytes;
use core::time::Duration;

/// RFC 6525, 5.1.2 A2 and A4, 5.2.2 E3 and E5, 5.2.7 H4; Appendix A, first example.
/// RFC 6525, 5.1.7.
#[test]
fn outgoing_streams_are_reset_and_the_others_go_on() {
    let (mut pair, a, z) = willing();
    for stream in [0, 1, 2] {
        pair.send_on(Side::A, a, stream, "x");
        pair.send_on(Side::A, a, stream, "y");
    }
    pair.run_secs(1);
    pair.reset(Side::A, a, OUT, &[1, 2]).unwrap();
    pair.run_secs(1);
    // The initial TSN is 0 here, six were used; nothing of Z's is answered, whose next request would be 0.
    assert_eq!(pair.said(a, z), ["A: OUT[1, 2]#0 answers -1 after 5", "Z: RESP#0=1"]);
    assert_eq!(pair.events(Side::A), ["StreamsReset { incoming: false, streams: [1, 2], outcome: Done }"]);
    assert_eq!(pair.events(Side::Z), ["StreamsReset { incoming: true, streams: [1, 2], outcome: Done }"]);
    pair.read(Side::Z, z);
    [0, 1, 2].iter().for_each(|&stream| pair.send_on(Side::A, a, stream, "z"));
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["z/0:2", "z/1:0", "z/2:0"]);
}

/// RFC 6525, 4.1 and 5.1.2 A4: no list, all streams.
/// RFC 6525, 5.2.2.
#[test]
fn all_outgoing_streams_are_reset_by_an_empty_list() {
    let (mut pair, a, z) = willing();
    [0, 9].iter().for_each(|&stream| pair.send_on(Side::A, a, stream, "x"));
    pair.reset(Side::A, a, OUT, &[]).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.said(a, z), ["A: OUT[]#0 answers -1 after 1", "Z: RESP#0=1"]);
    [0, 9].iter().for_each(|&stream| pair.send_on(Side::A, a, stream, "y"));
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/0:0", "x/9:0", "y/0:0", "y/9:0"]);
}

/// RFC 6525, 5.1.3, 5.2.3 F1, 5.1.2 A4 (the list is copied, the request answered), 5.2.2 E1; Appendix A, second example.
#[test]
fn incoming_streams_are_reset_by_the_peers_own_request() {
    let (mut pair, a, z) = willing();
    [1, 2].iter().for_each(|&stream| pair.send_on(Side::Z, z, stream, "x"));
    pair.run_secs(1);
    pair.reset(Side::A, a, IN, &[2, 1]).unwrap();
    pair.run_secs(1);
    let said = pair.said(a, z);
    assert_eq!(said, ["A: IN[1, 2]#0", "Z: OUT[1, 2]#0 answers 0 after 1", "A: RESP#0=1"]);
    assert_eq!(pair.events(Side::A), ["StreamsReset { incoming: true, streams: [1, 2], outcome: Done }"]);
    assert_eq!(pair.events(Side::Z), ["StreamsReset { incoming: false, streams: [1, 2], outcome: Done }"]);
    pair.send_on(Side::Z, z, 2, "y");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::A, a), ["x/1:0", "x/2:0", "y/2:0"]);
}

/// RFC 6525, 3.1 (combinations 3 and 9), 5.2.1 (one chunk holds all that is returned); Appendix A, third example.
/// RFC 6525, 5.1.2, 5.1.3, 5.2.2 and 5.2.3.
#[test]
fn streams_of_both_directions_are_reset_in_one_exchange() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 1, "x");
    pair.send_on(Side::Z, z, 1, "x");
    pair.run_secs(1);
    pair.reset(Side::A, a, BOTH, &[]).unwrap();
    pair.run_secs(1);
    let said = pair.said(a, z);
    let (request, reply) =
        ("A: OUT[]#0 answers -1 after 0 | IN[]#1", "Z: RESP#0=1 | OUT[]#0 answers 1 after 0");
    assert_eq!(said, [request, reply, "A: RESP#0=1"]);
    pair.send_on(Side::A, a, 1, "y");
    pair.send_on(Side::Z, z, 1, "y");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/1:0", "y/1:0"]);
    assert_eq!(pair.read_numbered(Side::A, a), ["x/1:0", "y/1:0"]);
}

/// RFC 6525, 5.1.2 A1 and A3: what was sent before leaves first, what comes after waits, other streams do not.
/// RFC 6525, 5.2.7.
#[test]
fn a_reset_comes_between_what_was_sent_before_and_what_is_sent_after() {
    let (mut pair, a, z) = willing();
    let long = "b".repeat(40_000);
    pair.send_on(Side::A, a, 1, &long);
    pair.send_on(Side::A, a, 1, "before");
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.send_on(Side::A, a, 1, "after");
    pair.send_on(Side::A, a, 2, "beside");
    pair.drop_first(2, |hop| hop.has(ChunkType::DATA));
    pair.run_secs(10);
    let got = pair.read_numbered(Side::Z, z);
    let short: Vec<_> = got.iter().map(|text| text.replace(&long, "long")).collect();
    let position = |text: &str| short.iter().position(|got| got == text).expect(text);
    assert_eq!(short.len(), 4);
    assert!(position("long/1:0") < position("before/1:1") && position("before/1:1") < position("after/1:0"));
    assert!(position("beside/2:0") < position("after/1:0"), "another stream does not wait");
    let said = pair.said(a, z);
    assert!(said[0].starts_with("A: OUT[1]#0"), "{said:?}");
    assert_eq!(said[1..], ["Z: RESP#0=1"], "all of the stream was acknowledged before");
}

/// RFC 6525, 5.2.2 E2: "In progress" until all is there; E5: then performed, without being asked again.
#[test]
fn a_reset_waits_for_data_of_other_streams_that_was_sent_before_it() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 2, "first");
    pair.run_secs(1);
    pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
    pair.send_on(Side::A, a, 2, "late");
    pair.drain();
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.send_on(Side::A, a, 1, "after");
    pair.run_for(Duration::from_millis(500));
    assert_eq!(pair.said(a, z), ["A: OUT[1]#0 answers -1 after 1", "Z: RESP#0=6"]);
    assert_eq!(pair.events(Side::A), Vec::<String>::new());
    pair.run_secs(3);
    assert_eq!(pair.read_numbered(Side::Z, z), ["first/2:0", "late/2:1", "after/1:0"]);
    assert!(pair.said(a, z).contains(&"Z: RESP#0=1".to_owned()));
}

/// RFC 6525, 5.2.7 H2: the timer runs on, the request is sent again, and that is no error.
#[test]
fn a_peer_that_says_in_progress_is_asked_again_without_counting_errors() {
    let (mut pair, a, z) = willing();
    pair.set_rule(
        |hop| if hop.from == Side::Z && hop.has(ChunkType::RE_CONFIG) { Fate::Drop } else { Fate::Pass },
    );
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.drain();
    let response_sequence = pair.association(Side::A, a).local_initial_tsn.0;
    let result = ReconfigResponse::IN_PROGRESS;
    let response = ReconfigResponse { response_sequence, result, next_tsns: None };
    for round in 1..20 {
        pair.forge_reconfig(Side::A, a, vec![Parameter::ReconfigResponse(response)]);
        pair.run_for(Duration::from_millis(1_001));
        let asked = pair.hops.iter().filter(|hop| hop.from == Side::A && hop.has(ChunkType::RE_CONFIG));
        assert_eq!((asked.count(), pair.association(Side::A, a).error_count), (round + 1, 0));
    }
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(5);
    assert!(pair.said(a, z).ends_with(&["Z: RESP#0=1".to_owned()]));
    assert_eq!(pair.events(Side::Z).len(), 1);
}

/// RFC 6525, 5.2.2 E2 and E4: data sent after the reset that comes before it waits, on the streams concerned.
#[test]
fn what_was_sent_after_a_deferred_reset_is_held_until_it_is_done() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 1, "old");
    pair.run_secs(1);
    let next = pair.association(Side::A, a).sender.next_tsn();
    let (tag, sequence) = (pair.association(Side::Z, z).local_tag(), pair.expected_request(Side::Z, z));
    let data = |offset, stream_id, ssn, payload: &'static str| {
        let flags = DataFlags { begin: true, end: true, ..DataFlags::default() };
        let payload = Bytes::from_static(payload.as_bytes());
        to_raw(&DataChunk { tsn: next.plus(offset), stream_id, ssn: Ssn(ssn), ppid: 0, flags, payload })
    };
    // The TSN before the last assigned one is missing.
    pair.forge(Side::Z, tag, &[reset_request(sequence, next.plus(1), &[1]), data(1, 2, 0, "beside")]);
    pair.forge(Side::Z, tag, &[data(2, 1, 0, "new"), data(3, 3, 0, "free")]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::IN_PROGRESS]);
    assert_eq!(pair.read_numbered(Side::Z, z), ["old/1:0", "beside/2:0", "free/3:0"]);
    pair.forge(Side::Z, tag, &[data(0, 1, 1, "last")]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::PERFORMED]);
    assert_eq!(pair.read_numbered(Side::Z, z), ["last/1:1", "new/1:0"]);
    // 5.2.1: what is said again is what was said last.
    pair.forge(Side::Z, tag, &[reset_request(sequence, next.plus(1), &[1])]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::PERFORMED]);
}

/// RFC 6525, 5.1.5 and 5.2.5, 5.2.7 H6; Appendix A, fifth example.
#[test]
fn added_outgoing_streams_are_used_once_the_peer_has_agreed() {
    let (mut pair, a, z) = willing();
    pair.add(Side::A, a, 3, 0).unwrap();
    let (now, options) = (pair.now, SendOptions { stream_id: 12, ..SendOptions::default() });
    let early = pair.a.endpoint.send(now, a, &options, Bytes::from_static(b"x"));
    assert_eq!(early, Err(SendError::InvalidStream { stream_id: 12, streams: 10 }));
    pair.run_secs(1);
    assert_eq!(pair.said(a, z), ["A: ADD_OUT 3#0", "Z: RESP#0=1"]);
    pair.send_on(Side::A, a, 12, "new");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["new/12:0"]);
    let changed = |outbound, inbound| {
        format!(
            "StreamsChanged {{ outbound_streams: {outbound}, inbound_streams: {inbound}, outcome: Done }}"
        )
    };
    assert_eq!(pair.events(Side::A), [changed(13, 10)]);
    assert_eq!(pair.events(Side::Z), [changed(10, 13)]);
}

/// RFC 6525, 5.1.6 and 5.2.6; Appendix A, last example. The peer's own request needs no permission: it was asked for.
#[test]
fn added_incoming_streams_are_the_peers_to_add() {
    let mut pair = Pair::new();
    pair.listen(config(ReconfigPermissions::ALL));
    let a = pair.connect(config(ReconfigPermissions::NONE));
    pair.run_secs(1);
    let z = pair.z.id();
    pair.add(Side::A, a, 0, 5).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.said(a, z), ["A: ADD_IN 5#0", "Z: ADD_OUT 5#0", "A: RESP#0=1"]);
    pair.send_on(Side::Z, z, 14, "new");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::A, a), ["new/14:0"]);
}

/// RFC 6525, 3.1, combination 7: the response and the peer's own request do not fit into one chunk.
/// RFC 6525, 5.1.2.
#[test]
fn streams_are_added_both_ways_by_one_request() {
    let (mut pair, a, z) = willing();
    pair.add(Side::A, a, 1, 2).unwrap();
    pair.run_secs(1);
    let expected = ["A: ADD_OUT 1#0 | ADD_IN 2#1", "Z: RESP#0=1 | RESP#1=6", "Z: ADD_OUT 2#0", "A: RESP#0=1"];
    let mut said = pair.said(a, z);
    said.sort();
    let mut sorted = expected.to_vec();
    sorted.sort_unstable();
    assert_eq!(said, sorted);
    let association = pair.association(Side::A, a);
    assert_eq!((association.outbound_streams(), association.inbound_streams()), (11, 12));
    assert_eq!(pair.reset(Side::A, a, OUT, &[10]), Ok(()), "the request is finished");
}

/// RFC 6525, 6.3.1: all is denied unless it was allowed; 5.1.7 D2; 6.1: the asker is told so.
/// RFC 6525, 5.2.1, 5.2.5 and 5.2.6.
#[test]
fn without_permission_everything_is_denied_and_nothing_changes() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config(ReconfigPermissions::NONE));
    pair.events(Side::A);
    pair.events(Side::Z);
    pair.send_on(Side::A, a, 1, "x");
    pair.send_on(Side::Z, z, 1, "x");
    pair.run_secs(1);
    pair.hops.clear();
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.send_on(Side::A, a, 1, "y");
    pair.run_secs(1);
    pair.reset(Side::A, a, IN, &[1]).unwrap();
    pair.run_secs(1);
    pair.reset_tsns(Side::A, a).unwrap();
    pair.run_secs(1);
    pair.add(Side::A, a, 1, 1).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::DENIED; 5]);
    let events = pair.events(Side::A);
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|event| event.contains("outcome: Denied")), "{events:?}");
    assert_eq!(pair.events(Side::Z), Vec::<String>::new());
    pair.send_on(Side::A, a, 1, "z");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/1:0", "y/1:1", "z/1:2"]);
    assert_eq!(pair.association(Side::Z, z).inbound_streams(), 10);
}

/// RFC 6525, 5.1.1: nothing is asked of a peer that did not announce RE-CONFIG.
#[test]
fn a_peer_without_the_extension_is_not_asked() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig { extensions: Extensions::NONE, ..AssociationConfig::default() });
    let a = pair.connect(config(ReconfigPermissions::ALL));
    pair.run_secs(1);
    pair.hops.clear();
    assert_eq!(pair.reset(Side::A, a, OUT, &[]), Err(ReconfigError::NotSupported));
    assert_eq!(pair.reset_tsns(Side::A, a), Err(ReconfigError::NotSupported));
    assert_eq!(pair.add(Side::A, a, 1, 0), Err(ReconfigError::NotSupported));
    pair.run_secs(1);
    assert!(pair.hops.is_empty());
}

/// RFC 6525, 6.3: one request at a time; what cannot be is refused before anything is sent.
/// RFC 6525, 5.1.1.
#[test]
fn commands_that_cannot_be_carried_out_are_refused() {
    let (mut pair, a, _) = willing();
    let no_stream = |stream_id| Err(ReconfigError::InvalidStream { stream_id, streams: 10 });
    assert_eq!(pair.reset(Side::A, a, OUT, &[3, 10]), no_stream(10));
    assert_eq!(pair.reset(Side::A, a, IN, &[11]), no_stream(11));
    assert_eq!(pair.reset(Side::A, a, ResetDirections::default(), &[]), Err(ReconfigError::Nothing));
    assert_eq!(pair.add(Side::A, a, 0, 0), Err(ReconfigError::Nothing));
    let too_many = |streams, max| Err(ReconfigError::TooManyStreams { streams, max });
    assert_eq!(pair.add(Side::A, a, 65_526, 0), too_many(65_526, 65_535));
    assert_eq!(pair.add(Side::A, a, 0, 2_039), too_many(2_039, 2_048));
    let many: Vec<u16> = (0..16_001).collect();
    let listed = Err(ReconfigError::TooManyListed { listed: 16_001, max: 16_000 });
    assert_eq!(pair.reset(Side::A, a, OUT, &many), listed);
    pair.run_secs(1);
    assert!(pair.hops.is_empty(), "nothing was sent");
    pair.reset(Side::A, a, OUT, &[]).unwrap();
    assert_eq!(pair.add(Side::A, a, 1, 0), Err(ReconfigError::InProgress));
    pair.run_secs(1);
    assert_eq!(pair.add(Side::A, a, 1, 0), Ok(()));
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    assert_eq!(pair.reset(Side::A, a, OUT, &[]), Err(ReconfigError::NotEstablished));
    pair.run_secs(1);
    assert_eq!(pair.reset(Side::A, a, OUT, &[]), Err(ReconfigError::Closed));
}

/// RFC 6525, 5.1.1: the same chunk again, after twice the time each time; errors are counted for path and association.
/// RFC 6525, 5.1.2, 5.1.3 and 5.1.4.
#[test]
fn a_request_without_answer_is_sent_again_and_counts_as_an_error() {
    let (mut pair, a, z) = willing();
    pair.set_rule(|hop| if hop.has(ChunkType::RE_CONFIG) { Fate::Drop } else { Fate::Pass });
    pair.reset(Side::A, a, OUT, &[]).unwrap();
    for (secs, repeats, errors) in [(0, 1, 0), (1, 2, 1), (1, 2, 1), (1, 3, 2), (3, 3, 2), (1, 4, 3)] {
        pair.run_for(Duration::from_secs(secs) + Duration::from_millis(1));
        let sent: Vec<_> = pair.hops.iter().filter(|hop| hop.has(ChunkType::RE_CONFIG)).collect();
        assert_eq!(sent.len(), repeats);
        assert!(sent.iter().all(|hop| hop.bytes == sent[0].bytes));
        assert_eq!(pair.association(Side::A, a).error_count, errors);
    }
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(10);
    assert_eq!(pair.association(Side::A, a).error_count, 0);
    assert!(pair.said(a, z).ends_with(&["Z: RESP#0=1".to_owned()]));
}

/// RFC 6525, 5.1.1: past the thresholds the association ends.
#[test]
fn a_request_that_is_never_answered_ends_the_association() {
    let mut pair = Pair::new();
    let (a, _) =
        pair.establish_with(AssociationConfig { hb_interval: None, ..config(ReconfigPermissions::ALL) });
    pair.set_rule(|hop| if hop.from == Side::Z { Fate::Drop } else { Fate::Pass });
    pair.reset(Side::A, a, OUT, &[]).unwrap();
    pair.run_secs(700);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
}

/// RFC 6525, 5.1.1 and RFC 9260, 8.1: heartbeats that are answered and data that is acknowledged do not keep a request
/// alive that the peer passes over. The user is told of both.
#[test]
fn a_peer_that_answers_everything_but_a_request_loses_the_association() {
    let (mut pair, a, _) = willing();
    pair.set_rule(|hop| if hop.has(ChunkType::RE_CONFIG) { Fate::Drop } else { Fate::Pass });
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    // So that no data goes along when it is sent again.
    pair.run_for(Duration::from_millis(500));
    while pair.state(Side::A, a) != AssociationState::Closed {
        assert!(pair.now < Time::from_millis(600_000), "it goes on");
        pair.send_on(Side::A, a, 2, "acknowledged");
        pair.run_secs(1);
        assert!(pair.association(Side::A, a).error_count <= 1);
    }
    // The first time, and Association.Max.Retrans times again.
    let asked = pair.hops.iter().filter(|hop| hop.from == Side::A && hop.has(ChunkType::RE_CONFIG));
    assert_eq!(asked.count(), 11);
    let failed = "StreamsReset { incoming: false, streams: [1], outcome: Failed { result: None } }";
    assert_eq!(pair.events(Side::A), [failed, "lost: TimedOut"]);
}

/// RFC 6525, 5.2.1: a request that comes again is answered as before, and not carried out again.
/// RFC 6525, 5.1.1.
#[test]
fn a_lost_response_is_sent_again_without_resetting_again() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 1, "x");
    pair.run_secs(1);
    pair.drop_first(2, |hop| hop.from == Side::Z && hop.has(ChunkType::RE_CONFIG));
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.run_secs(10);
    let said = pair.said(a, z);
    assert_eq!(said.iter().filter(|text| *text == "Z: RESP#0=1").count(), 3);
    assert_eq!(pair.events(Side::Z).len(), 1, "it was reset once");
    pair.send_on(Side::A, a, 1, "y");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/1:0", "y/1:0"]);
}

/// RFC 6525, 5.2.3: an outgoing reset on its way covers what the peer asks for: nothing to do.
#[test]
fn crossing_requests_for_the_same_streams_reset_them_once() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 1, "x");
    pair.run_secs(1);
    pair.hops.clear();
    pair.reset(Side::A, a, OUT, &[1, 2]).unwrap();
    pair.reset(Side::Z, z, IN, &[1]).unwrap();
    pair.run_secs(1);
    let said = pair.said(a, z);
    assert!(said.contains(&"A: RESP#0=0".to_owned()) && said.contains(&"Z: RESP#0=1".to_owned()), "{said:?}");
    assert_eq!(pair.events(Side::A), ["StreamsReset { incoming: false, streams: [1, 2], outcome: Done }"]);
    // 5.2.3, the other race: it comes after the reset.
    pair.reset(Side::Z, z, IN, &[1]).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.said(a, z), ["Z: IN[1]#1", "A: RESP#1=0"]);
}

/// RFC 6525, 5.2.3 and 5.1.1: what is not covered waits until the request on its way is answered.
/// RFC 6525, 5.1.2.
#[test]
fn crossing_requests_for_other_streams_are_carried_out_one_after_the_other() {
    let (mut pair, a, z) = willing();
    [1, 2].iter().for_each(|&stream| pair.send_on(Side::A, a, stream, "x"));
    pair.run_secs(1);
    pair.hops.clear();
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.reset(Side::Z, z, IN, &[1, 2]).unwrap();
    pair.run_secs(5);
    let said = pair.said(a, z);
    assert!(said.contains(&"A: RESP#0=6".to_owned()), "{said:?}");
    assert!(said.contains(&"A: OUT[1, 2]#1 answers 0 after 1".to_owned()), "{said:?}");
    [1, 2].iter().for_each(|&stream| pair.send_on(Side::A, a, stream, "y"));
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/1:0", "x/2:0", "y/1:0", "y/2:0"]);
}

/// RFC 6525, 5.2.1 and 5.2.3: the answer to one request of a chunk is said again, though that to the other one came later.
#[test]
fn both_requests_of_a_chunk_are_answered_again_when_the_first_answer_was_lost() {
    let (mut pair, a, z) = willing();
    for (side, id) in [(Side::A, a), (Side::Z, z)] {
        pair.send_on(side, id, 1, "x");
    }
    pair.run_secs(1);
    pair.events(Side::A);
    // A's request comes late, so that A cannot do yet all that Z asks for; and what it says of that does not come.
    pair.drop_first(1, |hop| hop.from == Side::A && hop.has(ChunkType::RE_CONFIG));
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.drain();
    let answers_two = |hop: &Hop| {
        let parameters = |chunk: &RawChunk| ReConfigChunk::parse(chunk).parameters.iter().count();
        let mut chunks = hop.chunks.iter().filter(|chunk| chunk.chunk_type == ChunkType::RE_CONFIG);
        hop.from == Side::A && chunks.any(|chunk| parameters(chunk) == 2)
    };
    pair.drop_first(2, answers_two);
    pair.reset(Side::Z, z, BOTH, &[1, 2]).unwrap();
    pair.run_secs(20);
    let said = pair.said(a, z);
    assert!(said.contains(&"A: RESP#0=1 | RESP#1=6".to_owned()), "{said:?}");
    assert!(said.contains(&"A: RESP#1=0".to_owned()), "{said:?}");
    assert_eq!(said.last().unwrap(), "A: RESP#0=1 | RESP#1=0", "{said:?}");
    assert_eq!(pair.add(Side::Z, z, 1, 0), Ok(()), "nothing is unanswered");
}

/// RFC 6525, 4.4 (result 4): requests that would wait for each other are both refused.
#[test]
fn two_sides_that_each_want_the_other_to_act_do_not_wait_for_ever() {
    for tsns in [false, true] {
        let (mut pair, a, z) = willing();
        pair.send_on(Side::A, a, 1, "x");
        pair.send_on(Side::Z, z, 1, "x");
        pair.run_secs(1);
        for (side, id) in [(Side::A, a), (Side::Z, z)] {
            if tsns { pair.reset_tsns(side, id).unwrap() } else { pair.reset(side, id, IN, &[1]).unwrap() }
        }
        pair.run_secs(5);
        for (side, id) in [(Side::A, a), (Side::Z, z)] {
            let events = pair.events(side);
            assert!(events.len() == 1 && events[0].contains("Failed { result: Some(4) }"), "{events:?}");
            assert_eq!(pair.add(side, id, 1, 0), Ok(()));
        }
        pair.run_secs(5);
        pair.send_on(Side::A, a, 1, "y");
        pair.run_secs(1);
        assert_eq!(pair.read_numbered(Side::Z, z), ["x/1:0", "y/1:1"]);
    }
}

/// RFC 9260, 9.2: what waits for a reset is delivered before the end.
#[test]
fn a_shutdown_waits_for_messages_that_wait_for_a_reset() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 1, "x");
    pair.drop_first(1, |hop| hop.has(ChunkType::RE_CONFIG));
    pair.reset(Side::A, a, OUT, &[1]).unwrap();
    pair.send_on(Side::A, a, 1, "y");
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_secs(10);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/1:0", "y/1:0"]);
}

/// RFC 9260, 5.2.4: a restart makes all numbers new; what was asked has failed.
#[test]
fn a_restart_of_the_peer_ends_a_request() {
    let (mut pair, _, z) = willing();
    pair.set_rule(|hop| if hop.has(ChunkType::RE_CONFIG) { Fate::Drop } else { Fate::Pass });
    pair.reset(Side::Z, z, OUT, &[1]).unwrap();
    pair.run_secs(1);
    pair.restart_a(&["10.0.1.1"]);
    pair.set_rule(|_| Fate::Pass);
    let a = pair.connect(config(ReconfigPermissions::ALL));
    pair.run_secs(1);
    let events = pair.events(Side::Z);
    assert!(
        events[0].contains("Failed { result: None }") && events.contains(&"Restart".to_owned()),
        "{events:?}"
    );
    pair.hops.clear();
    pair.reset(Side::Z, z, OUT, &[1]).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.said(a, z), ["Z: OUT[1]#0 answers -1 after -1", "A: RESP#0=1"]);
}

/// RFC 6525, 5.2.1: a SACK comes with the response.
#[test]
fn a_request_is_answered_with_a_sack_beside_the_response() {
    let (mut pair, a, _) = willing();
    pair.reset(Side::A, a, OUT, &[]).unwrap();
    pair.run_secs(1);
    let response = pair.hops.iter().find(|hop| hop.from == Side::Z).unwrap();
    assert!(response.has(ChunkType::RE_CONFIG) && response.has(ChunkType::SACK));
}

/// RFC 6525, 4: a type that is not recognized ends the chunk.
#[test]
fn an_unknown_parameter_ends_the_chunk() {
    let (mut pair, _, z) = willing();
    let sequence = pair.expected_request(Side::Z, z);
    let tag = pair.association(Side::Z, z).local_tag();
    let unknown = b"\x00\x63\x00\x04".to_vec();
    let mut value = unknown.clone();
    value.extend_from_slice(&re_config(vec![Parameter::SsnTsnReset(sequence)]).value);
    pair.forge(Side::Z, tag, &[chunk(ChunkType::RE_CONFIG, 0, &value)]);
    assert_eq!(pair.results(Side::Z), Vec::<u32>::new());
    let mut value = re_config(vec![Parameter::SsnTsnReset(sequence)]).value.to_vec();
    value.extend_from_slice(&unknown);
    pair.forge(Side::Z, tag, &[chunk(ChunkType::RE_CONFIG, 0, &value)]);
    assert_eq!(pair.results(Side::Z), [ReconfigResponse::PERFORMED], "what stood before it counts");
}
