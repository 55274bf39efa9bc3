//! Packets that no honest peer sends (RFC 9260, 12.2; RFC 5062).

use super::harness::{Fate, PORT_A, PORT_Z, Pair, Side, chunk, init, ip, packet};
use crate::association::{AssociationState, to_raw};
use crate::config::AssociationConfig;
use crate::wire::chunk::{ChunkType, RawChunk, SackChunk};
use crate::wire::{CommonHeader, checksum};
use bytes::Bytes;
use proptest::prelude::*;

/// A packet whose bytes were changed, with the checksum put right again.
fn with_checksum(mut bytes: Vec<u8>) -> Bytes {
    let sum = checksum(&bytes);
    if let Some(field) = bytes.get_mut(8..12) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    bytes.into()
}

fn inject(pair: &mut Pair, side: Side, bytes: Bytes) {
    let (source, destination) = (pair.address(side.other()), pair.address(side));
    pair.inject(side, source, destination, bytes);
}

fn any_chunk() -> impl Strategy<Value = RawChunk> {
    let types = prop_oneof![4 => 0..16_u8, 1 => any::<u8>()];
    let value = prop::collection::vec(prop_oneof![3 => 0..4_u8, 1 => any::<u8>()], 0..60);
    (types, any::<u8>(), value)
        .prop_map(|(chunk_type, flags, value)| chunk(ChunkType(chunk_type), flags, &value))
}

fn any_packet(tag: impl Strategy<Value = u32>) -> impl Strategy<Value = Bytes> {
    let header =
        |verification_tag| CommonHeader { source_port: PORT_A, destination_port: PORT_Z, verification_tag };
    (tag, prop::collection::vec(any_chunk(), 0..6))
        .prop_map(move |(tag, chunks)| packet(header(tag), &chunks))
}

proptest! {
    /// RFC 9260, 5.1, 8.4.
    #[test]
    fn a_listener_keeps_nothing_of_whatever_comes(
        packets in prop::collection::vec(any_packet(prop_oneof![Just(0), any::<u32>()]), 1..20),
    ) {
        let mut pair = Pair::new();
        pair.listen(AssociationConfig::default());
        for bytes in packets {
            inject(&mut pair, Side::Z, bytes);
            pair.drain();
        }
        prop_assert!(pair.z.endpoint.poll_timeout().is_none(), "no timer runs");
        prop_assert!(pair.z.events.is_empty());
    }

    /// RFC 9260, 8.5.
    #[test]
    fn without_the_tag_nobody_harms_an_association(
        tags in prop::collection::vec(any::<u32>(), 1..20),
        chunks in prop::collection::vec(any_chunk(), 1..6),
    ) {
        let mut pair = Pair::new();
        let (a, z) = pair.establish();
        let known = [pair.association(Side::Z, z).local_tag(), pair.association(Side::Z, z).peer_tag()];
        for tag in tags.into_iter().filter(|tag| !known.contains(tag)) {
            pair.forge(Side::Z, tag, &chunks);
            pair.drain();
        }
        pair.drop_in_flight();
        pair.send(Side::A, a, b"alive");
        pair.run_secs(2);
        prop_assert_eq!(pair.read(Side::Z, z), ["alive"]);
        prop_assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    }

    #[test]
    fn with_the_tag_any_chunks_at_worst_end_the_association(
        rounds in prop::collection::vec(prop::collection::vec(any_chunk(), 1..6), 1..12),
    ) {
        let mut pair = Pair::new();
        let (_, z) = pair.establish();
        let tag = pair.association(Side::Z, z).local_tag();
        for chunks in rounds {
            pair.forge(Side::Z, tag, &chunks);
            pair.drain();
        }
        pair.drop_in_flight();
        pair.set_rule(|_| super::harness::Fate::Drop);
        // It times out or lives on; it does not hang or go round for ever.
        pair.run_secs(2_000);
        prop_assert!(pair.state(Side::Z, z) == AssociationState::Closed);
    }

    #[test]
    fn an_honest_packet_with_changed_bytes_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        which in any::<prop::sample::Index>(),
    ) {
        let mut pair = Pair::new();
        let (a, z) = pair.establish();
        pair.send(Side::A, a, &[1; 3_000]);
        pair.send(Side::Z, z, &[2; 3_000]);
        pair.run_secs(1);
        let honest: Vec<_> = pair.hops.iter().filter(|hop| hop.from == Side::A).cloned().collect();
        let mut bytes = which.get(&honest).bytes.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        inject(&mut pair, Side::Z, with_checksum(bytes));
        pair.run_secs(1);
        // Whatever became of the association, nothing was delivered that A did not send.
        for message in pair.read(Side::Z, z) {
            prop_assert_eq!(message, vec![1; 3_000]);
        }
    }

    #[test]
    fn any_bytes_at_all_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut pair = Pair::new();
        pair.establish();
        inject(&mut pair, Side::Z, bytes.clone().into());
        inject(&mut pair, Side::Z, with_checksum(bytes));
        pair.run_secs(1);
    }
}

/// RFC 9260, 5.1.
#[test]
fn a_flood_of_inits_leaves_nothing_behind() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    for tag in 1..5_000 {
        pair.forge(Side::Z, 0, &[init(tag, &["10.0.1.1", "192.0.2.7"])]);
    }
    assert!(pair.z.endpoint.poll_timeout().is_none());
    pair.drain();
    // More answers than that do not wait: the rest is as good as lost.
    assert_eq!(pair.take_trace().len(), 1_024);
}

#[test]
fn a_packet_full_of_heartbeats_gets_a_bounded_number_of_answers() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.hops.clear();
    pair.forge(Side::Z, tag, &vec![chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4]); 300]);
    pair.drain();
    let answers: usize = pair.hops.iter().map(|hop| hop.chunks.len()).sum();
    assert_eq!(answers, 32);
    assert_eq!(pair.association(Side::Z, z).stats().replies_dropped, 300 - 32);
}

#[test]
fn heartbeat_acks_that_nobody_asked_for_verify_nothing() {
    // RFC 5062, 3: the nonce.
    let mut pair = Pair::new();
    let tag = {
        let (_, z) = pair.establish();
        pair.association(Side::Z, z).local_tag()
    };
    for path in 0..20 {
        let info = [0, 1, 0, 13, 1, 2, 3, 4, 5, 6, 7, 8, path];
        pair.forge(Side::Z, tag, &[chunk(ChunkType::HEARTBEAT_ACK, 0, &info)]);
    }
    pair.drain();
    assert_eq!(pair.events(Side::Z), ["up"]);
}

/// RFC 9260, 5.1.
#[test]
fn an_init_with_impossible_fields_gets_abort_and_one_with_tag_zero_nothing() {
    // RFC 9260, 3.3.2, 3.3.2.1.4, 5.1.2 and 12.2.4.1.
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let good = init(0x0102_0304, &[]).value.to_vec();
    let changed = |at: usize, bytes: &[u8]| {
        let mut value = good.clone();
        value[at..at + bytes.len()].copy_from_slice(bytes);
        chunk(ChunkType::INIT, 0, &value)
    };
    let with_host_name =
        chunk(ChunkType::INIT, 0, &[&good[..], &[0, 11, 0, 8, b'h', b'o', b's', 0]].concat());
    let bad = [changed(4, &[0, 0, 5, 0]), changed(8, &[0, 0]), changed(10, &[0, 0]), with_host_name];
    for (init, cause) in bad.into_iter().zip([7, 7, 7, 5]) {
        pair.hops.clear();
        pair.forge(Side::Z, 0, &[init]);
        pair.drain();
        let hop = &pair.hops[0];
        assert_eq!((hop.chunks[0].chunk_type, hop.chunks[0].flags), (ChunkType::ABORT, 0));
        assert_eq!(hop.header.verification_tag, 0x0102_0304);
        assert_eq!(hop.chunks[0].value[..2], [0, cause]);
    }
    pair.hops.clear();
    pair.forge(Side::Z, 0, &[changed(0, &[0; 4])]);
    pair.drain();
    assert!(pair.hops.is_empty());
}

/// RFC 9260, 3.3.3.1.2.
#[test]
fn unrecognized_parameters_of_init_are_reported_as_their_upper_bits_say() {
    // RFC 9260, 3.2.1 and 3.2.2.
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let unknown = [[0xbf, 1, 0, 4], [0xff, 2, 0, 4], [0x3f, 3, 0, 4], [0xff, 4, 0, 4]].concat();
    let value = [&init(7, &[]).value[..], &unknown].concat();
    pair.forge(Side::Z, 0, &[chunk(ChunkType::INIT, 0, &value)]);
    pair.drain();
    let ack = &pair.hops[0].chunks[0];
    // Skipped; reported; the end of the list.
    assert!(ack.value.ends_with(&[0, 8, 0, 8, 0xff, 2, 0, 4]));
}

/// RFC 9260, 6.10.
#[test]
fn unrecognized_chunks_are_treated_as_their_upper_bits_say() {
    // 3.2.
    let beat = || chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]);
    for (chunk_type, answer) in [
        (0x3e, &[][..]),
        (0x7e, &["Z -> ERROR -> A"][..]),
        (0xbe, &["Z -> HEARTBEAT_ACK -> A"][..]),
        (0xfe, &["Z -> ERROR+HEARTBEAT_ACK -> A"][..]),
    ] {
        let mut pair = Pair::new();
        let (_, z) = pair.establish();
        let tag = pair.association(Side::Z, z).local_tag();
        pair.take_trace();
        pair.forge(Side::Z, tag, &[chunk(ChunkType(chunk_type), 5, &[9]), beat()]);
        pair.drain();
        assert_eq!(pair.take_trace(), answer, "{chunk_type:#x}");
        if let Some(error) = pair.hops.last().filter(|hop| hop.has(ChunkType::ERROR)) {
            assert_eq!(error.chunks[0].value[..], [0, 6, 0, 9, chunk_type, 5, 0, 5, 9]);
        }
    }
}

/// RFC 9260, 3.3.1.
#[test]
fn data_without_user_data_and_acknowledgements_of_the_unsent_end_the_association() {
    // RFC 9260, 6.2, 12.4, 3.3.10.9 and 3.3.10.13.
    for (bad, cause) in [
        (chunk(ChunkType::DATA, 3, &[0; 12]), 9),
        (chunk(ChunkType::SACK, 0, &[0x12, 0x34, 0x56, 0x78, 0, 1, 0, 0, 0, 0, 0, 0]), 13),
    ] {
        let mut pair = Pair::new();
        let (_, z) = pair.establish();
        let tag = pair.association(Side::Z, z).local_tag();
        pair.hops.clear();
        pair.forge(Side::Z, tag, &[bad]);
        pair.drain();
        assert_eq!(pair.hops[0].chunks[0].chunk_type, ChunkType::ABORT);
        assert_eq!(pair.hops[0].chunks[0].value[..2], [0, cause]);
        let reason = format!("lost: ProtocolError {{ cause: {cause} }}");
        assert_eq!(pair.events(Side::Z), ["up", &reason]);
    }
}

/// RFC 9260, 3.3.7: an ABORT with a format error is discarded in silence, with a tag of either kind.
#[test]
fn an_abort_with_a_malformed_cause_is_discarded() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tags = [pair.association(Side::Z, z).local_tag(), pair.association(Side::Z, z).peer_tag()];
    pair.hops.clear();
    for (tag, flags) in tags.into_iter().zip(0..) {
        for value in [&[0, 12][..], &[0, 12, 0, 3], &[0, 12, 0, 9, 1, 2, 3, 4], &[0, 12, 0, 4, 0, 13, 0, 5]] {
            pair.forge(Side::Z, tag, &[chunk(ChunkType::ABORT, flags, value)]);
            assert_eq!(pair.state(Side::Z, z), AssociationState::Established, "{value:?}");
        }
    }
    pair.drain();
    assert!(pair.hops.is_empty());
    pair.forge(Side::Z, tags[0], &[chunk(ChunkType::ABORT, 0, &[0, 12, 0, 5, 1])]);
    pair.drain();
    assert_eq!(pair.events(Side::Z), ["up", "lost: PeerAborted { cause: Some(12), value: b\"\\x01\" }"]);
}

#[test]
fn answers_to_out_of_the_blue_packets_are_limited_in_rate() {
    let mut pair = Pair::new();
    for _ in 0..3_000 {
        pair.forge(Side::Z, 77, &[chunk(ChunkType::HEARTBEAT, 0, &[])]);
        pair.drain();
    }
    assert_eq!(pair.take_trace().len(), 1_000);
}

#[test]
fn packets_from_groups_and_port_zero_get_no_answer() {
    // RFC 9260, 3.1 and 8.4, rule 1.
    let mut pair = Pair::new();
    let header = |source_port| CommonHeader { source_port, destination_port: PORT_Z, verification_tag: 5 };
    let to = pair.address(Side::Z);
    pair.inject(Side::Z, ip("224.0.0.5"), to, packet(header(7), &[chunk(ChunkType::DATA, 3, &[0; 13])]));
    pair.inject(Side::Z, ip("10.0.1.1"), to, packet(header(0), &[chunk(ChunkType::DATA, 3, &[0; 13])]));
    pair.drain();
    assert!(pair.take_trace().is_empty());
}

/// RFC 9260, 3.2, 3.3.6 and 3.3.10.6: what is returned is returned whole, though it takes IP fragments.
/// RFC 9260, 8.3.
#[test]
fn answers_that_hold_a_chunk_larger_than_a_packet_are_sent_alone() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    let info = [&[0, 1, 0x27, 0x14][..], &[5; 10_000]].concat();
    let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &info);
    let unknown = chunk(ChunkType(0xfe), 0, &[6; 10_000]);
    pair.hops.clear();
    pair.send(Side::Z, z, b"beside them");
    pair.forge(Side::Z, tag, &[heartbeat]);
    pair.forge(Side::Z, tag, &[unknown]);
    // The chunk fits, but no packet has room for the report around it.
    pair.forge(Side::Z, tag, &[chunk(ChunkType(0xfe), 0, &[6; 65_500])]);
    pair.drain();
    let sent: Vec<_> = pair.hops.iter().map(|hop| hop.chunks.clone()).collect();
    assert_eq!(sent[0], [chunk(ChunkType::HEARTBEAT_ACK, 0, &info)]);
    let report = [&[0, 6, 0x27, 0x18, 0xfe, 0, 0x27, 0x14][..], &[6; 10_000]].concat();
    assert_eq!(sent[1], [chunk(ChunkType::ERROR, 0, &report)]);
    assert_eq!(sent[2].len(), 1);
    assert!(sent.len() == 3 && pair.hops[2].has(ChunkType::DATA));
    assert_eq!(pair.association(Side::Z, z).stats().replies_dropped, 1);
}

/// RFC 9260, 12.4: one packet provokes one packet of replies at most, not a burst of them.
#[test]
fn replies_to_one_packet_fit_into_one_packet() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    let unknown = |len: usize| chunk(ChunkType(0xfe), 0, &vec![6; len]);
    pair.hops.clear();
    pair.forge(Side::Z, tag, &vec![unknown(600); 20]);
    pair.drain();
    assert_eq!(pair.hops.len(), 1);
    assert_eq!(pair.hops[0].chunks.len(), 2);
    pair.hops.clear();
    pair.forge(Side::Z, tag, &vec![unknown(3_000); 3]);
    pair.drain();
    assert_eq!(pair.hops.len(), 1, "IP fragments it, but it is one");
    assert_eq!(pair.hops[0].chunks.len(), 1);
}

/// RFC 9260, 6.10: thousands of chunks fit into a packet. Of those that may be dear to process an honest one holds few.
#[test]
fn of_many_sacks_in_one_packet_the_first_few_count() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish_with(AssociationConfig { no_delay: true, ..AssociationConfig::default() });
    pair.set_rule(|hop| if hop.from == Side::Z { Fate::Drop } else { Fate::Pass });
    let first = pair.association(Side::A, a).sender.next_tsn();
    (0..20).for_each(|_| pair.send(Side::A, a, b"x"));
    pair.drain();
    let sack = |chunks| SackChunk {
        cumulative_tsn_ack: first.plus(chunks),
        a_rwnd: 1 << 20,
        gap_blocks: Default::default(),
        duplicates: Default::default(),
    };
    let sacks: Vec<_> = (0..20).map(|chunks| to_raw(&sack(chunks))).collect();
    let tag = pair.association(Side::A, a).local_tag();
    pair.forge(Side::A, tag, &sacks);
    assert_eq!(pair.association(Side::A, a).sender.outstanding_chunks(), 12);
    pair.forge(Side::A, tag, &sacks[19..]);
    assert_eq!(pair.association(Side::A, a).sender.outstanding_chunks(), 0);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}
