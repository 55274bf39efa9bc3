//! Verification tags and their exceptions (RFC 9260, 8.5 and 8.5.1).

use super::harness::{Pair, Side, chunk};
use crate::association::AssociationState;
use crate::wire::chunk::ChunkType;

/// The T bit.
const T: u8 = 1;

/// RFC 9260, 8.5.
#[test]
fn a_packet_with_a_wrong_tag_is_discarded_in_silence() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let (ours, theirs) = (pair.association(Side::Z, z).local_tag(), pair.association(Side::Z, z).peer_tag());
    pair.take_trace();
    for tag in [ours ^ 1, theirs, 1, u32::MAX] {
        pair.forge(Side::Z, tag, &[chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4])]);
        pair.forge(Side::Z, tag, &[chunk(ChunkType::ABORT, 0, &[])]);
        pair.forge(Side::Z, tag, &[chunk(ChunkType::SHUTDOWN, 0, &[0; 4])]);
    }
    pair.drain();
    assert!(pair.take_trace().is_empty());
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

/// RFC 9260, 9.1, 3.3.7 and 8.5.1.
#[test]
fn rule_b_an_abort_has_our_tag_or_with_the_t_bit_the_peers() {
    for (flags, with_peer_tag, accepted) in
        [(0, false, true), (T, true, true), (0, true, false), (T, false, false)]
    {
        let mut pair = Pair::new();
        let (_, z) = pair.establish();
        let association = pair.association(Side::Z, z);
        let tag = if with_peer_tag { association.peer_tag() } else { association.local_tag() };
        pair.forge(Side::Z, tag, &[chunk(ChunkType::ABORT, flags, &[])]);
        assert_eq!(pair.state(Side::Z, z) == AssociationState::Closed, accepted, "{flags} {with_peer_tag}");
    }
}

/// RFC 9260, 8.5.1, 9.2.
#[test]
fn rule_c_shutdown_complete_ends_only_shutdown_ack_sent() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.forge(Side::Z, tag, &[chunk(ChunkType::SHUTDOWN_COMPLETE, 0, &[])]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 9260, 3.1, 8.5.1, 12.3, 8.4.
#[test]
fn rule_a_a_tag_of_zero_belongs_to_an_init_alone() {
    let mut pair = Pair::new();
    pair.listen(Default::default());
    let init = [1, 2, 3, 4, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    let init = chunk(ChunkType::INIT, 0, &init);
    pair.forge(Side::Z, 0, &[init.clone(), chunk(ChunkType::COOKIE_ACK, 0, &[])]);
    pair.forge(Side::Z, 0, &[chunk(ChunkType::SHUTDOWN_ACK, 0, &[])]);
    pair.drain();
    assert!(pair.take_trace().is_empty());
    pair.forge(Side::Z, 0, &[init]);
    pair.drain();
    assert_eq!(pair.take_trace(), ["Z -> INIT_ACK -> A"]);
    assert_eq!(pair.hops[0].header.verification_tag, 0x0102_0304);
}

/// RFC 9260, 8.5.1 C: as of ABORT, in the state in which it is waited for.
#[test]
fn rule_c_shutdown_complete_has_our_tag_or_with_the_t_bit_the_peers() {
    for (flags, with_peer_tag, accepted) in
        [(0, false, true), (T, true, true), (0, true, false), (T, false, false)]
    {
        let mut pair = Pair::new();
        let (a, z) = pair.establish();
        pair.drop_first(usize::MAX, |hop| hop.has(ChunkType::SHUTDOWN_COMPLETE));
        let now = pair.now;
        pair.a.endpoint.shutdown(now, a).unwrap();
        pair.run_for(core::time::Duration::from_millis(100));
        assert_eq!(pair.state(Side::Z, z), AssociationState::ShutdownAckSent);
        let association = pair.association(Side::Z, z);
        let tag = if with_peer_tag { association.peer_tag() } else { association.local_tag() };
        pair.forge(Side::Z, tag, &[chunk(ChunkType::SHUTDOWN_COMPLETE, flags, &[])]);
        assert_eq!(pair.state(Side::Z, z) == AssociationState::Closed, accepted, "{flags} {with_peer_tag}");
    }
}

/// RFC 9260, 12.3, 3.1, 3.3.2, 3.3.3, 5.1, 5.3.1, 8.5, 8.5.1.
#[test]
fn tags_of_sent_packets_are_the_peers() {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish();
    let tag_of_a = pair.association(Side::A, a).local_tag();
    let tag_of_z = pair.association(Side::Z, z).local_tag();
    pair.send(Side::A, a, &[1; 20_000]);
    pair.send(Side::Z, z, &[2; 20_000]);
    pair.run_secs(100);
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.association(Side::A, a).peer_tag(), tag_of_z);
    assert_eq!(pair.association(Side::Z, z).peer_tag(), tag_of_a);
    for hop in &pair.hops {
        let expected = match hop.from {
            _ if hop.has(ChunkType::INIT) => 0,
            Side::A => tag_of_z,
            Side::Z => tag_of_a,
        };
        assert_eq!(hop.header.verification_tag, expected, "{:?}", hop.chunks);
    }
    // What INIT and INIT ACK said.
    let offered = |chunk_type| {
        let mut chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
        let offer = chunks.find(|chunk| chunk.chunk_type == chunk_type).expect("it was sent");
        u32::from_be_bytes(*offer.value.first_chunk().unwrap())
    };
    assert_eq!((offered(ChunkType::INIT), offered(ChunkType::INIT_ACK)), (tag_of_a, tag_of_z));
}
