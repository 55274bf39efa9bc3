//! Setting up (RFC 9260, 5.1).

use super::harness::{Fate, Hop, PORT_Z, Pair, Side, chunk, init};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::message::SendOptions;
use crate::wire::chunk::ChunkType;
use bytes::Bytes;
use core::time::Duration;

/// RFC 9260, 5.1.4, 5.1.6, 3.3.2, 3.3.3.
/// RFC 9260, 3, 5.1, 6.10, 8.4.
#[test]
fn four_packets_set_an_association_up() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    assert_eq!(
        pair.take_trace(),
        ["A -> INIT -> Z", "Z -> INIT_ACK -> A", "A -> COOKIE_ECHO -> Z", "Z -> COOKIE_ACK -> A"]
    );
    assert_eq!(pair.events(Side::A), ["up"]);
    assert_eq!(pair.events(Side::Z), ["up"]);
    let tags = (pair.association(Side::A, a).local_tag(), pair.association(Side::A, a).peer_tag());
    let association = pair.association(Side::Z, z);
    assert_eq!(tags, (association.peer_tag(), association.local_tag()));
}

/// RFC 9260, 3.2.2, 5.1.
#[test]
fn data_travels_beside_cookie_echo_and_is_acknowledged_at_once() {
    // RFC 9260, 5, 3.3.11, 3.3.12 and 5.1.5, step 7.
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, b"early");
    pair.run_for(Duration::from_millis(200));
    assert_eq!(
        pair.take_trace(),
        ["A -> INIT -> Z", "Z -> INIT_ACK -> A", "A -> COOKIE_ECHO+DATA -> Z", "Z -> COOKIE_ACK+SACK -> A"]
    );
    let z = pair.z.id();
    assert_eq!(pair.read(Side::Z, z), ["early"]);
    assert!(!pair.association(Side::A, a).has_unacknowledged());
}

/// RFC 9260, 4 and 5.1.4: T1-init and T1-cookie.
#[test]
fn each_lost_packet_of_the_handshake_is_made_up_for() {
    for lost in [ChunkType::INIT, ChunkType::INIT_ACK, ChunkType::COOKIE_ECHO, ChunkType::COOKIE_ACK] {
        let mut pair = Pair::new();
        pair.listen(AssociationConfig::default());
        pair.drop_first(2, move |hop| hop.has(lost));
        let a = pair.connect(AssociationConfig::default());
        pair.send(Side::A, a, b"early");
        pair.run_secs(20);
        assert_eq!(pair.state(Side::A, a), AssociationState::Established, "{lost}");
        let z = pair.z.id();
        assert_eq!(pair.read(Side::Z, z), ["early"], "{lost}");
        assert_eq!(pair.events(Side::Z), ["up"], "{lost}");
    }
}

#[test]
fn duplicates_of_the_handshake_change_nothing() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    pair.set_rule(|_| Fate::Twice);
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, b"early");
    pair.run_secs(5);
    let z = pair.z.id();
    assert_eq!(pair.read(Side::Z, z), ["early"]);
    assert_eq!(pair.events(Side::A), ["up"]);
    assert_eq!(pair.events(Side::Z), ["up"]);
}

/// RFC 9260, 4, 5.1.6, 5.1.
#[test]
fn init_is_sent_max_init_retransmits_times_again_with_doubled_time_outs() {
    let mut pair = Pair::new();
    let config = AssociationConfig { max_init_retransmits: 3, ..AssociationConfig::default() };
    pair.set_rule(|_| Fate::Drop);
    pair.connect(config);
    pair.run_for(Duration::from_millis(14_999));
    // At 0, 1, 3 and 7 s.
    assert_eq!(pair.take_trace().len(), 4);
    pair.run_for(Duration::from_millis(2));
    assert_eq!(pair.events(Side::A), ["lost: SetupTimedOut"]);
    pair.run_secs(100);
    assert!(pair.take_trace().is_empty());
}

#[test]
fn a_port_that_nobody_listens_on_answers_abort() {
    let mut pair = Pair::new();
    pair.connect(AssociationConfig::default());
    pair.run_secs(1);
    assert_eq!(pair.take_trace(), ["A -> INIT -> Z", "Z -> ABORT -> A"]);
    assert_eq!(pair.events(Side::A), ["lost: PeerAborted { cause: None, value: b\"\" }"]);
}

/// RFC 9260, 5.1.
#[test]
fn a_full_backlog_answers_cookie_echo_with_abort() {
    let mut pair = Pair::new();
    let options = crate::endpoint::ListenOptions { backlog: Some(0), ..Default::default() };
    pair.z.endpoint.listen(PORT_Z, options).unwrap();
    pair.connect(AssociationConfig::default());
    pair.run_secs(1);
    let trace = pair.take_trace();
    assert_eq!(trace.last().unwrap(), "Z -> ABORT -> A");
    assert_eq!(pair.events(Side::A), ["lost: PeerAborted { cause: Some(4), value: b\"\" }"]);
}

/// RFC 9260, 5.1 C: the cookie comes back whole, whatever its length; IP fragments the packet, in which it is alone.
/// RFC 9260, 3.3.11, 3.3.3.
#[test]
fn a_cookie_larger_than_a_packet_is_echoed_alone() {
    let mut pair = Pair::new();
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, b"early");
    pair.drain();
    let mut value = init(5, &[]).value.to_vec();
    value.extend_from_slice(&[0, 7, 0x75, 0x34]);
    value.extend_from_slice(&[3; 30_000]);
    let tag = pair.association(Side::A, a).local_tag();
    pair.hops.clear();
    pair.forge(Side::A, tag, &[chunk(ChunkType::INIT_ACK, 0, &value)]);
    pair.drain();
    assert_eq!(pair.hops.len(), 1);
    assert_eq!(pair.hops[0].chunks, [chunk(ChunkType::COOKIE_ECHO, 0, &[3; 30_000])]);
    pair.forge(Side::A, tag, &[chunk(ChunkType::COOKIE_ACK, 0, &[])]);
    pair.drain();
    assert!(pair.hops[1].has(ChunkType::DATA) && pair.hops[1].bytes.len() < 100);
}

/// RFC 9260, 5.1.1: OS is cut to what the peer's MIS allows, and no stream beyond it can be sent on.
/// RFC 9260, 3.3.3.
#[test]
fn each_side_sends_on_as_many_streams_as_the_other_takes() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig { outbound_streams: 7, max_inbound_streams: 3, ..Default::default() });
    let a = pair.connect(AssociationConfig {
        outbound_streams: 5,
        max_inbound_streams: 20,
        ..Default::default()
    });
    pair.run_secs(1);
    let z = pair.z.id();
    for (side, id, outbound, inbound) in [(Side::A, a, 3, 7), (Side::Z, z, 7, 3)] {
        let association = pair.association(side, id);
        assert_eq!((association.outbound_streams(), association.inbound_streams()), (outbound, inbound));
        let now = pair.now;
        let options = SendOptions { stream_id: outbound, ..SendOptions::default() };
        let refused = pair.host(side).endpoint.send(now, id, &options, Bytes::from_static(b"x"));
        assert_eq!(refused, Err(SendError::InvalidStream { stream_id: outbound, streams: outbound }));
    }
}

/// RFC 9260, 5.3.1, 5.1.
#[test]
fn an_association_set_up_anew_has_a_new_tag() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    let before = pair.association(Side::A, a).local_tag();
    pair.a.endpoint.release(a);
    pair.run_secs(1);
    let a = pair.connect(AssociationConfig::default());
    assert_ne!(pair.association(Side::A, a).local_tag(), before);
}

/// RFC 9260, 3.3.3 and 3.3.2.1.4: the TCB goes, and the peer gets an ABORT.
/// RFC 9260, 5.1, 5.1.2.
#[test]
fn an_init_ack_with_impossible_fields_ends_the_set_up_with_abort() {
    let cookie = [0, 7, 0, 8, 1, 2, 3, 4];
    let host_name = [0, 11, 0, 8, b'h', b'o', b's', 0];
    let good = [&init(5, &[]).value[..], &cookie].concat();
    let changed = |at: usize, bytes: &[u8]| {
        let mut value = good.clone();
        value[at..at + bytes.len()].copy_from_slice(bytes);
        value
    };
    let (no_cookie, with_host_name) = (init(5, &[]).value.to_vec(), [&good[..], &host_name].concat());
    let small_window = changed(4, &[0, 0, 5, 0]);
    let refused = [changed(8, &[0, 0]), changed(10, &[0, 0]), small_window, no_cookie, with_host_name];
    for (value, cause) in refused.into_iter().zip([7, 7, 7, 2, 5]) {
        let (abort, lost) = answer_to_init_ack(&value);
        assert_eq!((abort.header.verification_tag, abort.chunks[0].flags), (5, 0));
        assert_eq!(abort.chunks[0].value[..2], [0, cause]);
        assert_eq!(lost, [format!("lost: ProtocolError {{ cause: {cause} }}")]);
    }
    let (abort, lost) = answer_to_init_ack(&changed(0, &[0; 4]));
    assert_eq!(abort.chunks[0].flags, 1, "the T bit: there is no tag of the peer's to use");
    assert_eq!(lost, ["lost: ProtocolError { cause: 0 }"]);
}

/// The ABORT with which A answers such an INIT ACK, and A's events.
fn answer_to_init_ack(value: &[u8]) -> (Hop, Vec<String>) {
    let mut pair = Pair::new();
    let a = pair.connect(AssociationConfig::default());
    pair.drain();
    pair.hops.clear();
    let tag = pair.association(Side::A, a).local_tag();
    pair.forge(Side::A, tag, &[chunk(ChunkType::INIT_ACK, 0, value)]);
    pair.drain();
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.hops[0].chunks[0].chunk_type, ChunkType::ABORT);
    (pair.hops[0].clone(), pair.events(Side::A))
}

/// RFC 9260, 3.2.2: what INIT ACK holds that we do not know is reported beside COOKIE ECHO, as its upper bits say.
#[test]
fn unrecognized_parameters_of_init_ack_are_reported_beside_the_cookie() {
    let mut pair = Pair::new();
    let a = pair.connect(AssociationConfig::default());
    pair.drain();
    pair.hops.clear();
    let unknown = [[0xbf, 1, 0, 4], [0xff, 2, 0, 4], [0xff, 3, 0, 4]].concat();
    let cookie = [0, 7, 0, 8, 1, 2, 3, 4];
    let value = [&init(5, &[]).value[..], &unknown, &cookie].concat();
    let tag = pair.association(Side::A, a).local_tag();
    pair.forge(Side::A, tag, &[chunk(ChunkType::INIT_ACK, 0, &value)]);
    pair.drain();
    let report = [0, 8, 0, 12, 0xff, 2, 0, 4, 0xff, 3, 0, 4];
    let expected = [chunk(ChunkType::COOKIE_ECHO, 0, &[1, 2, 3, 4]), chunk(ChunkType::ERROR, 0, &report)];
    assert_eq!(pair.hops[0].chunks, expected);
}
