//! Verification tags and their exceptions (RFC 9260, 8.5 and 8.5.1).

use super::harness::{Pair, Side, chunk};
use crate::association::AssociationState;
use crate::wire::chunk::ChunkType;

/// The T bit.
const T: u8 = 1;

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

#[test]
fn rule_c_shutdown_complete_ends_only_shutdown_ack_sent() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.forge(Side::Z, tag, &[chunk(ChunkType::SHUTDOWN_COMPLETE, 0, &[])]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 9260, 3.1, 8.5.1 and 12.3.
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
