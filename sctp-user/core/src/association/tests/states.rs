//! What is sent and what is taken in which state (RFC 9260, 4, 6, 8.3, 9.2).

use super::harness::{DELAY, Fate, Hop, Pair, Side, chunk};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::event::AssociationId;
use crate::message::SendOptions;
use crate::net::PathAddress;
use crate::wire::chunk::{ChunkType, RawChunk};
use bytes::Bytes;

/// Z in each state that it can be in, with its tag.
fn each_state() -> Vec<(AssociationState, Pair, AssociationId)> {
    use AssociationState::{
        CookieEchoed, CookieWait, Established, ShutdownAckSent, ShutdownPending, ShutdownReceived,
        ShutdownSent,
    };
    let states = [
        CookieWait,
        CookieEchoed,
        Established,
        ShutdownPending,
        ShutdownSent,
        ShutdownReceived,
        ShutdownAckSent,
    ];
    states.map(in_state).into_iter().collect()
}

fn in_state(state: AssociationState) -> (AssociationState, Pair, AssociationId) {
    let mut pair = Pair::new();
    let z = if matches!(state, AssociationState::CookieWait | AssociationState::CookieEchoed) {
        let peers = vec![PathAddress::to(pair.address(Side::A))];
        pair.connect_to(Side::Z, peers, AssociationConfig::default())
    } else {
        pair.establish().1
    };
    let now = pair.now;
    pair.set_rule(|_| Fate::Drop);
    match state {
        AssociationState::CookieEchoed => {
            pair.drain();
            let tag = pair.association(Side::Z, z).local_tag();
            let mut value = super::harness::init(0x7777, &[]).value.to_vec();
            value.extend_from_slice(&[0, 7, 0, 8, 1, 2, 3, 4]);
            pair.forge(Side::Z, tag, &[chunk(ChunkType::INIT_ACK, 0, &value)]);
        }
        AssociationState::ShutdownPending | AssociationState::ShutdownSent => {
            if state == AssociationState::ShutdownPending {
                pair.send(Side::Z, z, b"never acknowledged");
            }
            pair.z.endpoint.shutdown(now, z).unwrap();
        }
        AssociationState::ShutdownReceived | AssociationState::ShutdownAckSent => {
            if state == AssociationState::ShutdownReceived {
                pair.send(Side::Z, z, b"never acknowledged");
            }
            let association = pair.association(Side::Z, z);
            let tag = association.local_tag();
            // What Z has acknowledged of its own data: nothing.
            let ack = first_tsn(&pair).wrapping_sub(1).to_be_bytes();
            pair.forge(Side::Z, tag, &[chunk(ChunkType::SHUTDOWN, 0, &ack)]);
        }
        _ => {}
    }
    pair.drain();
    assert_eq!(pair.state(Side::Z, z), state);
    pair.hops.clear();
    (state, pair, z)
}

/// Z's initial TSN, as its INIT ACK told it.
fn first_tsn(pair: &Pair) -> u32 {
    let mut acks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let ack = acks.find(|chunk| chunk.chunk_type == ChunkType::INIT_ACK).expect("an INIT ACK");
    u32::from_be_bytes(*ack.value[12..].first_chunk().unwrap())
}

/// Small messages do not wait for more.
fn no_delay() -> AssociationConfig {
    AssociationConfig { no_delay: true, ..AssociationConfig::default() }
}

fn answers(pair: &mut Pair, z: AssociationId, chunks: &[RawChunk]) -> Vec<ChunkType> {
    let tag = pair.association(Side::Z, z).local_tag();
    pair.forge(Side::Z, tag, chunks);
    pair.drain();
    let from_z = pair.hops.iter().filter(|hop| hop.from == Side::Z);
    from_z.flat_map(|hop| hop.chunks.iter().map(|chunk| chunk.chunk_type)).collect()
}

/// RFC 9260, 6.
#[test]
fn data_is_sent_and_taken_in_its_states_only() {
    use AssociationState::{Established, ShutdownPending, ShutdownReceived, ShutdownSent};
    for (state, mut pair, z) in each_state() {
        let data = chunk(ChunkType::DATA, 3, &[0; 13]);
        let sacks = answers(&mut pair, z, &[data]).contains(&ChunkType::SACK);
        let takes = matches!(state, Established | ShutdownPending | ShutdownSent);
        // A TSN far from the ones in use is dropped, which asks for a SACK at once (6.2): DATA is looked at.
        assert_eq!(sacks, takes, "{state:?}");
    }
    for (state, mut pair, z) in each_state() {
        pair.run_secs(100);
        let sent = pair.hops.iter().any(|hop| hop.from == Side::Z && hop.has(ChunkType::DATA));
        // In these Z has data that is not acknowledged.
        assert_eq!(sent, matches!(state, ShutdownPending | ShutdownReceived), "{state:?}");
        assert!(pair.association(Side::Z, z).stats().packets_sent > 0);
    }
}

/// RFC 9260, 8.3.
#[test]
fn heartbeats_are_answered_in_their_states() {
    use AssociationState::{CookieEchoed, Established, ShutdownPending, ShutdownReceived, ShutdownSent};
    for (state, mut pair, z) in each_state() {
        let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4]);
        let tag = pair.association(Side::Z, z).local_tag();
        pair.forge(Side::Z, tag, &[heartbeat]);
        if state == CookieEchoed {
            // Until COOKIE ACK has come the answer waits (5.1 C).
            pair.forge(Side::Z, tag, &[chunk(ChunkType::COOKIE_ACK, 0, &[])]);
        }
        pair.drain();
        let answered = pair.hops.iter().any(|hop| hop.has(ChunkType::HEARTBEAT_ACK));
        let due = matches!(state, CookieEchoed | Established | ShutdownPending | ShutdownReceived);
        // In SHUTDOWN-SENT they may be answered.
        assert_eq!(answered, due || state == ShutdownSent, "{state:?}");
    }
}

/// RFC 9260, 9.2: the user's own SHUTDOWN is ignored in SHUTDOWN-RECEIVED, the peer's is still answered.
/// RFC 9260, 4.
#[test]
fn after_a_shutdown_no_message_is_taken() {
    use AssociationState::{ShutdownAckSent, ShutdownPending, ShutdownReceived, ShutdownSent};
    for state in [ShutdownPending, ShutdownSent, ShutdownReceived, ShutdownAckSent] {
        let (_, mut pair, z) = in_state(state);
        let now = pair.now;
        let refused = pair.z.endpoint.send(now, z, &SendOptions::default(), Bytes::from_static(b"late"));
        assert_eq!(refused, Err(SendError::ShuttingDown), "{state:?}");
        pair.z.endpoint.shutdown(now, z).unwrap();
        assert_eq!(pair.state(Side::Z, z), state, "it is under way");
    }
    let (_, mut pair, z) = in_state(ShutdownReceived);
    pair.run_secs(1);
    // The peer has it all now, and says so by another SHUTDOWN.
    let data = pair.hops.iter().flat_map(|hop| &hop.chunks).find(|chunk| chunk.chunk_type == ChunkType::DATA);
    let ack = data.expect("T3 has sent it again").value.slice(..4);
    assert!(answers(&mut pair, z, &[chunk(ChunkType::SHUTDOWN, 0, &ack)]).contains(&ChunkType::SHUTDOWN_ACK));
}

/// RFC 9260, 9.2, 6.2.
#[test]
fn in_shutdown_sent_data_is_answered_by_shutdown() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(no_delay());
    // Two packets of A's are under way; the first one is lost.
    pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
    (0..2).for_each(|_| pair.send(Side::A, a, &[7; 1_000]));
    pair.drain();
    let now = pair.now;
    pair.z.endpoint.shutdown(now, z).unwrap();
    pair.hops.clear();
    pair.run_for(DELAY);
    let from_z: Vec<_> = pair.hops.iter().filter(|hop| hop.from == Side::Z).collect();
    // The first SHUTDOWN, and the answer to the packet with DATA: with a SACK, for there is a gap.
    assert_eq!(from_z.len(), 2);
    assert!(from_z[1].has(ChunkType::SHUTDOWN) && from_z[1].has(ChunkType::SACK));
    pair.run_secs(10);
    assert_eq!(pair.read(Side::Z, z).len(), 2);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
}

/// RFC 9260, 9.2: both have sent SHUTDOWN, so both get SHUTDOWN ACK in SHUTDOWN-ACK-SENT.
#[test]
fn both_sides_may_shut_down_at_the_same_time() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.z.endpoint.shutdown(now, z).unwrap();
    pair.take_trace();
    pair.run_secs(1);
    let trace = pair.take_trace();
    let count = |name: &str| trace.iter().filter(|line| line.contains(name)).count();
    assert_eq!((count("SHUTDOWN_ACK"), count("SHUTDOWN_COMPLETE")), (2, 2), "{trace:?}");
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 9260, 6, 6.10.
#[test]
fn control_chunks_stand_before_data() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    for round in 0..20 {
        pair.send(Side::A, a, &[round; 2_000]);
        pair.send(Side::Z, z, &[round; 2_000]);
        let tag = pair.association(Side::Z, z).local_tag();
        pair.forge(Side::Z, tag, &[chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4])]);
        pair.run_for(DELAY);
    }
    pair.run_secs(2);
    let is_data = |chunk: &RawChunk| chunk.chunk_type == ChunkType::DATA;
    let mixed = |hop: &&Hop| hop.chunks.iter().any(is_data) && !hop.chunks.iter().all(is_data);
    assert!(pair.hops.iter().filter(mixed).count() > 5);
    assert!(pair.hops.iter().all(|hop| hop.chunks.is_sorted_by_key(is_data)));
}

/// RFC 9260, 6.10, 6.9, 6.1.
#[test]
fn packets_with_a_sack_and_data_fit_the_path() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(no_delay());
    for _ in 0..20 {
        // One packet, whose SACK waits for something to go along with.
        pair.send(Side::A, a, b"a request");
        pair.run_for(DELAY);
        pair.send(Side::Z, z, &[2; 5_000]);
        pair.run_secs(1);
    }
    assert_eq!((pair.read(Side::A, a).len(), pair.read(Side::Z, z).len()), (20, 20));
    let both = |hop: &&Hop| hop.has(ChunkType::SACK) && hop.has(ChunkType::DATA);
    assert!(pair.hops.iter().filter(both).count() > 5);
    // 1,500 less the IP header.
    assert!(pair.hops.iter().all(|hop| hop.bytes.len() <= 1_480));
}

/// RFC 9260, 6.10.
#[test]
fn a_partial_chunk_is_dropped_and_what_stands_before_it_counts() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.hops.clear();
    let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4]);
    let whole =
        super::harness::packet(super::harness::header_to(Side::Z, tag), &[heartbeat.clone(), heartbeat]);
    let mut cut = whole[..whole.len() - 4].to_vec();
    let sum = crate::wire::checksum(&cut);
    cut[8..12].copy_from_slice(&sum.to_be_bytes());
    let (from, to) = (pair.address(Side::A), pair.address(Side::Z));
    pair.inject(Side::Z, from, to, cut.into());
    pair.drain();
    let acks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    assert_eq!(acks.filter(|chunk| chunk.chunk_type == ChunkType::HEARTBEAT_ACK).count(), 1);
}

/// RFC 9260, 6, 9.2: neither SACK nor SHUTDOWN has anything to say during the set-up, and SACK nothing after SHUTDOWN.
#[test]
fn acknowledgements_are_taken_in_their_states_only() {
    use AssociationState::{CookieEchoed, CookieWait, Established, ShutdownPending, ShutdownReceived};
    for (state, mut pair, z) in each_state() {
        let tag = pair.association(Side::Z, z).local_tag();
        // What was never sent: looked at, it ends the association (12.4).
        let unsent = [0x12, 0x34, 0x56, 0x78, 0, 1, 0, 0, 0, 0, 0, 0];
        pair.forge(Side::Z, tag, &[chunk(ChunkType::SACK, 0, &unsent)]);
        let taken = matches!(state, CookieEchoed | Established | ShutdownPending | ShutdownReceived);
        assert_eq!(pair.state(Side::Z, z) == AssociationState::Closed, taken, "{state:?}");
    }
    for state in [CookieWait, CookieEchoed] {
        let (_, mut pair, z) = in_state(state);
        let tag = pair.association(Side::Z, z).local_tag();
        pair.forge(Side::Z, tag, &[chunk(ChunkType::SHUTDOWN, 0, &[0x12, 0x34, 0x56, 0x78])]);
        pair.drain();
        assert_eq!((pair.state(Side::Z, z), pair.hops.len()), (state, 0));
    }
}

/// RFC 9260, 9.2.
#[test]
fn a_shutdown_ack_that_nobody_answers_ends_after_max_retrans() {
    let (_, mut pair, z) = in_state(AssociationState::ShutdownAckSent);
    // So few that T5 has no part in it.
    pair.z.endpoint.update_config(z, |config| config.association_max_retrans = 4).unwrap();
    pair.events(Side::Z);
    pair.run_secs(600);
    assert_eq!(pair.events(Side::Z), ["lost: TimedOut"]);
    let sent = pair.hops.iter().filter(|hop| hop.has(ChunkType::SHUTDOWN_ACK)).count();
    assert_eq!(sent, 4, "Association.Max.Retrans times again");
}
