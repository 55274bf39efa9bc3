//! Messages between established associations (RFC 9260, 6).

use super::harness::{Fate, Pair, Side};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::wire::chunk::ChunkType;
use bytes::Bytes;

/// RFC 9260, 1.3.
#[test]
fn messages_cross_in_both_directions_whole_and_in_order() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let long: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
    pair.send(Side::A, a, b"one");
    pair.send(Side::A, a, &long);
    pair.send(Side::Z, z, b"two");
    pair.run_secs(5);
    let got = pair.read(Side::Z, z);
    assert_eq!(got.len(), 2);
    assert!(got[0] == "one" && got[1] == long);
    assert_eq!(pair.read(Side::A, a), ["two"]);
    assert!(!pair.association(Side::A, a).has_unacknowledged());
}

#[test]
fn losses_and_duplicates_do_not_show() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let mut count = 0_u32;
    pair.set_rule(move |_| {
        count += 1;
        match count % 7 {
            0 => Fate::Drop,
            1 => Fate::Twice,
            _ => Fate::Pass,
        }
    });
    let messages: Vec<Vec<u8>> = (0..200_u8).map(|index| vec![index; 700]).collect();
    messages.iter().for_each(|message| pair.send(Side::A, a, message));
    pair.run_secs(120);
    assert_eq!(pair.read(Side::Z, z), messages);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

/// RFC 9260, 6.2: one SACK for every second packet at least, also of packets that come all at once,
/// because the sender's window grows with each (7.2.1).
#[test]
fn a_batch_of_packets_is_acknowledged_by_more_than_one_sack() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    (0..3).for_each(|_| pair.send(Side::A, a, &[7; 1_452]));
    pair.drain();
    pair.hops.clear();
    pair.run_secs(1);
    let sacks = pair.hops.iter().filter(|hop| hop.from == Side::Z && hop.has(ChunkType::SACK));
    assert_eq!(sacks.count(), 2, "the first packet of an association, and two more");
    assert_eq!(pair.read(Side::Z, z).len(), 3);
}

/// RFC 9260, 3.2: a chunk's length has 16 bits, so no path MTU makes a packet longer than that is of use.
#[test]
fn messages_leave_however_large_the_path_mtu_is_said_to_be() {
    let mut pair = Pair::new();
    let config = AssociationConfig { path_mtu: 1 << 20, ..AssociationConfig::default() };
    let (a, z) = pair.establish_with(config);
    for len in [65_490, 65_535, 70_000, 200_000] {
        pair.send(Side::A, a, &vec![7; len]);
    }
    pair.run_secs(2);
    assert_eq!(
        pair.read(Side::Z, z).iter().map(Bytes::len).collect::<Vec<_>>(),
        [65_490, 65_535, 70_000, 200_000]
    );
}

/// RFC 6458, 6.1.7: who has read a piece of a message is told that the rest does not come, before it is told of the end. Pieces
/// that were not read say nothing.
#[test]
fn the_end_of_the_association_aborts_a_partial_delivery() {
    for reads in [true, false] {
        let mut pair = Pair::new();
        let config = AssociationConfig {
            receive_buffer: 8_000,
            partial_delivery_point: Some(2_000),
            ..AssociationConfig::default()
        };
        let (a, z) = pair.establish_with(config);
        pair.send(Side::A, a, &[7; 60_000]);
        pair.run_secs(1);
        let now = pair.now;
        if reads {
            assert!(!pair.z.endpoint.receive(now, z).unwrap().end_of_record);
            pair.run_secs(1);
        }
        pair.a.endpoint.abort(now, a, Bytes::new()).unwrap();
        pair.run_secs(1);
        let events = pair.events(Side::Z);
        let told = events.iter().position(|event| event.starts_with("PartialDeliveryAborted"));
        assert_eq!(told, reads.then_some(events.len() - 2), "{events:?}");
        assert!(events.last().unwrap().starts_with("lost"), "{events:?}");
        assert!(pair.read(Side::Z, z).is_empty());
    }
}
