//! The graceful end (RFC 9260, 9.2).

use super::harness::{DELAY, Pair, Side};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::message::SendOptions;
use crate::wire::chunk::ChunkType;
use bytes::Bytes;

/// RFC 9260, 3.3.8, 3.3.9, 3.3.13 and 9.2.
/// RFC 9260, 3, 6.10, 8.5.1.
#[test]
fn three_packets_end_an_association() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.take_trace();
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_secs(1);
    assert_eq!(
        pair.take_trace(),
        ["A -> SHUTDOWN -> Z", "Z -> SHUTDOWN_ACK -> A", "A -> SHUTDOWN_COMPLETE -> Z"]
    );
    assert_eq!(pair.events(Side::A), ["up", "ShutdownComplete"]);
    assert_eq!(pair.events(Side::Z), ["up", "ShutdownReceived", "ShutdownComplete"]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 9260, 4, 6, 6.2, 9.2.
#[test]
fn what_is_queued_on_both_sides_is_delivered_first() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let message = vec![7; 50_000];
    pair.send(Side::A, a, &message);
    pair.send(Side::Z, z, &message);
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    let refused = pair.a.endpoint.send(now, a, &SendOptions::default(), Bytes::from_static(b"late"));
    assert_eq!(refused, Err(SendError::ShuttingDown));
    pair.run_secs(5);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
    assert!(pair.read(Side::A, a) == [message.clone()] && pair.read(Side::Z, z) == [message]);
}

/// RFC 9260, 9.2.
#[test]
fn each_lost_packet_of_the_end_is_made_up_for() {
    for lost in [ChunkType::SHUTDOWN, ChunkType::SHUTDOWN_ACK, ChunkType::SHUTDOWN_COMPLETE] {
        let mut pair = Pair::new();
        let (a, z) = pair.establish();
        pair.drop_first(2, move |hop| hop.has(lost));
        let now = pair.now;
        pair.a.endpoint.shutdown(now, a).unwrap();
        pair.run_secs(30);
        assert_eq!(pair.state(Side::A, a), AssociationState::Closed, "{lost}");
        assert_eq!(pair.state(Side::Z, z), AssociationState::Closed, "{lost}");
        assert_eq!(pair.events(Side::Z).last().unwrap(), "ShutdownComplete", "{lost}");
    }
}

#[test]
fn both_sides_may_begin_at_once() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.z.endpoint.shutdown(now, z).unwrap();
    pair.run_secs(5);
    assert_eq!(pair.events(Side::A).last().unwrap(), "ShutdownComplete");
    assert_eq!(pair.events(Side::Z).last().unwrap(), "ShutdownComplete");
}

/// RFC 9260, 6: SACK belongs to the states in which DATA is taken. In SHUTDOWN-ACK-SENT one would reach a peer that
/// has ended already and answers with ABORT (8.4): a good end would look like a failure.
#[test]
fn a_reader_who_is_late_does_not_spoil_the_end() {
    let mut pair = Pair::new();
    let config = AssociationConfig { receive_buffer: 4_000, ..AssociationConfig::default() };
    let (a, z) = pair.establish_with(config);
    pair.send(Side::A, a, &[7; 3_500]);
    pair.run_secs(1);
    pair.drop_first(1, |hop| hop.has(ChunkType::SHUTDOWN_COMPLETE));
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_for(core::time::Duration::from_millis(100));
    assert_eq!(pair.state(Side::Z, z), AssociationState::ShutdownAckSent);
    assert_eq!(pair.read(Side::Z, z).len(), 1);
    pair.run_secs(10);
    assert_eq!(pair.events(Side::Z).last().unwrap(), "ShutdownComplete");
}

/// RFC 9260, 9.2: what is left is sent before SHUTDOWN ACK; more that it could wait for (6.1, Nagle) cannot come.
#[test]
fn a_received_shutdown_lets_the_small_rest_go_at_once() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.send(Side::Z, z, b"first");
    pair.run_secs(1);
    pair.hops.clear();
    pair.send(Side::Z, z, b"on its way");
    pair.drain();
    pair.send(Side::Z, z, b"kept back");
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_for(DELAY);
    assert_eq!(pair.hops.iter().filter(|hop| hop.has(ChunkType::DATA)).count(), 2);
    pair.run_secs(1);
    assert_eq!(pair.read(Side::A, a), ["first", "on its way", "kept back"]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
}
