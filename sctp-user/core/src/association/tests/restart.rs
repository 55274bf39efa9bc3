//! Unexpected INIT, INIT ACK, COOKIE ECHO and COOKIE ACK (RFC 9260, 5.2).

use super::harness::{Fate, PORT_A, Pair, Side, chunk, init, ip};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::event::AssociationId;
use crate::net::PathAddress;
use crate::wire::cause::{CauseCode, Causes};
use crate::wire::chunk::{ChunkType, InitChunk, RawChunk};
use core::time::Duration;

/// Another tag of the peer's.
const OTHER: u32 = 0x7777_7777;

/// Z has sent INIT to A and got no answer.
fn z_in_cookie_wait() -> (Pair, AssociationId) {
    let mut pair = Pair::new();
    let peers = vec![PathAddress::to(pair.address(Side::A))];
    let z = pair.connect_to(Side::Z, peers, AssociationConfig::default());
    pair.drain();
    pair.drop_in_flight();
    (pair, z)
}

/// The INIT ACK of a peer with this tag.
fn init_ack(initiate_tag: u32) -> RawChunk {
    let mut value = init(initiate_tag, &[]).value.to_vec();
    value.extend_from_slice(&[0, 7, 0, 8, 1, 2, 3, 4]);
    chunk(ChunkType::INIT_ACK, 0, &value)
}

/// Z has sent COOKIE ECHO to a peer with tag `OTHER` and got no answer.
fn z_in_cookie_echoed() -> (Pair, AssociationId) {
    let (mut pair, z) = z_in_cookie_wait();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.forge(Side::Z, tag, &[init_ack(OTHER)]);
    pair.drain();
    pair.drop_in_flight();
    assert_eq!(pair.state(Side::Z, z), AssociationState::CookieEchoed);
    (pair, z)
}

fn causes(pair: &Pair, chunk_type: ChunkType) -> Vec<CauseCode> {
    let chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let values =
        chunks.filter(|chunk| chunk.chunk_type == chunk_type).map(|chunk| Causes(chunk.value.clone()));
    values.flat_map(|causes| causes.iter().map(|cause| cause.unwrap().code).collect::<Vec<_>>()).collect()
}

/// RFC 9260, 5.2.2, 5.2.4.
#[test]
fn action_a_a_peer_that_restarted_gets_a_new_association_in_the_place_of_the_old() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let old_tag = pair.association(Side::Z, z).local_tag();
    pair.send(Side::Z, z, b"never acknowledged");
    pair.restart_a(&["10.0.1.1"]);
    let a = pair.connect(AssociationConfig::default());
    pair.run_secs(5);
    assert_eq!(pair.events(Side::Z), ["up", "failed 0", "Restart"]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    assert_ne!(pair.association(Side::Z, z).local_tag(), old_tag);
    pair.send(Side::A, a, b"after");
    pair.send(Side::Z, z, b"too");
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z), ["after"]);
    assert_eq!(pair.read(Side::A, a), ["too"]);
}

#[test]
fn messages_that_were_complete_before_the_restart_can_still_be_read() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.send(Side::A, a, b"before");
    pair.run_secs(1);
    pair.restart_a(&["10.0.1.1"]);
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, b"after");
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z), ["before", "after"]);
}

/// RFC 9260, 5.2.4 A. A peer that restarts again and again holds no more memory than one that does not.
#[test]
fn restarts_do_not_pile_up_messages_that_nobody_reads() {
    let mut pair = Pair::new();
    let config = AssociationConfig { receive_buffer: 20_000, ..AssociationConfig::default() };
    let (mut a, z) = pair.establish_with(config);
    for _ in 0..10 {
        (0..12).for_each(|_| pair.send(Side::A, a, &[7; 1_000]));
        pair.run_secs(1);
        pair.restart_a(&["10.0.1.1"]);
        a = pair.connect(AssociationConfig::default());
        pair.run_secs(1);
    }
    let held = pair.association(Side::Z, z).held_bytes();
    assert!((12_000..40_000).contains(&held), "{held} bytes are held");
    assert!(pair.read(Side::Z, z).len() >= 12);
    pair.send(Side::A, a, b"there is room again");
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z), ["there is room again"]);
}

#[test]
fn a_restart_with_new_addresses_is_refused_and_they_are_named() {
    // 5.2.2; 3.3.10.11.
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.hops.clear();
    pair.forge(Side::Z, 0, &[init(OTHER, &["10.0.1.1", "10.0.1.77"])]);
    pair.drain();
    assert_eq!(causes(&pair, ChunkType::ABORT), [CauseCode::RESTART_WITH_NEW_ADDRESSES]);
    assert_eq!(pair.hops[0].header.verification_tag, OTHER);
    assert!(pair.hops[0].bytes.ends_with(&[0, 5, 0, 8, 10, 0, 1, 77]));
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.association(Side::Z, z).local_tag(), tag);
}

/// RFC 9260, 5.2.2.
#[test]
fn an_init_for_an_established_association_is_answered_with_a_new_tag_and_changes_nothing() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish_with(AssociationConfig { max_inbound_streams: 33, ..Default::default() });
    let (local, peer) = (pair.association(Side::Z, z).local_tag(), pair.association(Side::Z, z).peer_tag());
    let (_, new_tag) = pair.cookie_for(Side::Z, OTHER);
    assert!(new_tag != local && new_tag != 0);
    let offers = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let offers = offers.filter(|chunk| chunk.chunk_type == ChunkType::INIT_ACK);
    let offers: Vec<_> = offers.map(|ack| InitChunk::parse(ack).unwrap()).collect();
    assert!(offers[0].inbound_streams == 33 && offers[1].inbound_streams == 33);
    assert_eq!(offers[1].a_rwnd, offers[0].a_rwnd, "but for tag and TSN it is the offer of before");
    assert_eq!(pair.hops.last().unwrap().header.verification_tag, OTHER);
    let association = pair.association(Side::Z, z);
    assert_eq!((association.local_tag(), association.peer_tag()), (local, peer));
}

/// RFC 9260, 5.2.4.
#[test]
fn action_a_in_shutdown_ack_sent_repeats_shutdown_ack_with_an_error() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let (cookie, tag) = pair.cookie_for(Side::Z, OTHER);
    pair.drop_first(100, |hop| hop.has(ChunkType::SHUTDOWN_COMPLETE));
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.state(Side::Z, z), AssociationState::ShutdownAckSent);
    pair.hops.clear();
    pair.forge(Side::Z, tag, &[cookie]);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::SHUTDOWN_ACK));
    assert_eq!(causes(&pair, ChunkType::ERROR), [CauseCode::COOKIE_RECEIVED_WHILE_SHUTTING_DOWN]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::ShutdownAckSent);
    // 9.2: the same for an INIT, which gets no INIT ACK.
    pair.hops.clear();
    pair.forge(Side::Z, 0, &[init(OTHER, &[])]);
    pair.drain();
    assert!(pair.hops.len() == 1 && pair.hops[0].has(ChunkType::SHUTDOWN_ACK));
}

/// RFC 9260, 5.2.4.
#[test]
fn action_b_in_cookie_wait_the_peers_cookie_wins() {
    let (mut pair, z) = z_in_cookie_wait();
    let (cookie, tag) = pair.cookie_for(Side::Z, OTHER);
    assert_eq!(tag, pair.association(Side::Z, z).local_tag(), "5.2.1: the tag of our INIT");
    pair.forge(Side::Z, tag, &[cookie]);
    pair.drain();
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.association(Side::Z, z).peer_tag(), OTHER);
    assert_eq!(pair.take_trace().last().unwrap(), "Z -> COOKIE_ACK -> A");
    assert_eq!(pair.association(Side::Z, z).outbound_streams(), 5);
}

/// RFC 9260, 5.1.2 and 5.2.4: what the user named and the peer does not list is not the peer's, whoever began.
#[test]
fn action_b_in_cookie_wait_leaves_the_addresses_that_the_peer_lists() {
    let mut pair = Pair::new();
    let peers = ["10.0.1.1", "10.0.1.77"].map(|peer| PathAddress::to(ip(peer))).to_vec();
    let z = pair.connect_to(Side::Z, peers, AssociationConfig::default());
    pair.drain();
    pair.drop_in_flight();
    let (cookie, tag) = pair.cookie_for(Side::Z, OTHER);
    pair.forge(Side::Z, tag, &[cookie]);
    pair.drain();
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    let paths: Vec<_> = pair.association(Side::Z, z).paths().iter().map(|path| path.address.remote).collect();
    assert_eq!(paths, [ip("10.0.1.1")]);
}

/// RFC 9260, 5.2.4.
#[test]
fn action_b_in_cookie_echoed_takes_the_peers_new_tag() {
    let (mut pair, z) = z_in_cookie_echoed();
    let (cookie, tag) = pair.cookie_for(Side::Z, OTHER + 1);
    pair.forge(Side::Z, tag, &[cookie]);
    pair.drain();
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.association(Side::Z, z).peer_tag(), OTHER + 1);
}

/// RFC 9260, 5.2.4.
#[test]
fn action_c_our_own_late_cookie_is_discarded() {
    // Z answered INIT before it sent its own: its cookie has another tag of Z, no Tie-Tags.
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let (cookie, old_tag) = pair.cookie_for(Side::Z, OTHER);
    let peers = vec![PathAddress::to(pair.address(Side::A))];
    let z = pair.connect_to(Side::Z, peers, AssociationConfig::default());
    let tag = pair.association(Side::Z, z).local_tag();
    pair.forge(Side::Z, tag, &[init_ack(OTHER)]);
    pair.drain();
    pair.take_trace();
    pair.forge(Side::Z, old_tag, &[cookie]);
    pair.drain();
    assert_eq!(pair.state(Side::Z, z), AssociationState::CookieEchoed);
    assert!(pair.take_trace().is_empty());
}

/// RFC 9260, 5.1.5, 5.2.4.
#[test]
fn action_d_in_cookie_echoed_establishes_and_later_only_acknowledges() {
    let (mut pair, z) = z_in_cookie_echoed();
    let (cookie, tag) = pair.cookie_for(Side::Z, OTHER);
    for _ in 0..2 {
        pair.take_trace();
        pair.forge(Side::Z, tag, core::slice::from_ref(&cookie));
        pair.drain();
        assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
        assert_eq!(pair.take_trace(), ["Z -> COOKIE_ACK -> A"]);
    }
    assert_eq!(pair.events(Side::Z), ["up"]);
}

/// RFC 9260, 5.2.2, 5.2.4.
#[test]
fn cookies_that_the_table_does_not_show_are_discarded() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    // X X 0 0: from before the association.
    let before = pair.cookie_for(Side::Z, OTHER);
    let a = pair.connect(AssociationConfig::default());
    pair.run_secs(1);
    let z = pair.z.id();
    let (local, peer) = (pair.association(Side::Z, z).local_tag(), pair.association(Side::Z, z).peer_tag());
    // X M M M: an INIT with the peer's own tag.
    let replayed = pair.cookie_for(Side::Z, peer);
    for (cookie, tag) in [before, replayed] {
        pair.take_trace();
        pair.forge(Side::Z, tag, &[cookie]);
        pair.drain();
        assert!(pair.take_trace().is_empty());
        let association = pair.association(Side::Z, z);
        assert_eq!((association.local_tag(), association.peer_tag()), (local, peer));
    }
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

/// RFC 9260, 1.3.
#[test]
fn both_sides_may_begin_at_once_and_get_one_association() {
    // 5.2.1, collision.
    let mut pair = Pair::new();
    let a = pair.connect(AssociationConfig::default());
    let peers = vec![PathAddress::to(pair.address(Side::A))];
    let z = pair.connect_to(Side::Z, peers, AssociationConfig::default());
    pair.send(Side::A, a, b"to z");
    pair.send(Side::Z, z, b"to a");
    pair.run_secs(5);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.read(Side::Z, z), ["to z"]);
    assert_eq!(pair.read(Side::A, a), ["to a"]);
    assert_eq!(pair.events(Side::A), ["up"]);
}

/// RFC 9260, 5.2.1.
#[test]
fn an_init_in_cookie_echoed_with_a_new_address_is_refused() {
    let (mut pair, z) = z_in_cookie_echoed();
    pair.hops.clear();
    pair.forge(Side::Z, 0, &[init(OTHER, &["10.0.1.1", "10.0.9.9"])]);
    pair.drain();
    assert_eq!(causes(&pair, ChunkType::ABORT), [CauseCode::RESTART_WITH_NEW_ADDRESSES]);
    assert!(pair.hops[0].bytes.ends_with(&[0, 12, 0, 5, 0, 8, 10, 0, 9, 9]), "the one that is new");
    assert_eq!(pair.state(Side::Z, z), AssociationState::CookieEchoed);
}

#[test]
fn unexpected_init_ack_and_cookie_ack_are_discarded() {
    // 5.2.3, 5.2.5; 5.2.6: neither does the staleness of a cookie concern anybody any more.
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let association = pair.association(Side::Z, z);
    let (tag, peer_tag) = (association.local_tag(), association.peer_tag());
    pair.take_trace();
    // 3.3.3: nor one that would end a set-up.
    let no_streams = [[0; 4], [0, 5, 0, 0]].concat();
    for (at, bytes) in [(0, &[][..]), (0, &[0; 4]), (8, &no_streams[..4]), (8, &no_streams[4..])] {
        let mut ack = init_ack(OTHER);
        let mut value = ack.value.to_vec();
        value[at..at + bytes.len()].copy_from_slice(bytes);
        ack.value = value.into();
        pair.forge(Side::Z, tag, &[ack]);
    }
    pair.forge(Side::Z, tag, &[chunk(ChunkType::COOKIE_ACK, 0, &[])]);
    pair.forge(Side::Z, tag, &[chunk(ChunkType::ERROR, 0, &[0, 3, 0, 8, 0, 0, 0, 9])]);
    pair.drain();
    assert!(pair.take_trace().is_empty());
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.association(Side::Z, z).peer_tag(), peer_tag);
    assert_eq!(pair.events(Side::Z), ["up"]);
    let (mut pair, z) = z_in_cookie_wait();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.take_trace();
    pair.forge(Side::Z, tag, &[chunk(ChunkType::COOKIE_ACK, 0, &[])]);
    pair.drain();
    assert!(pair.take_trace().is_empty());
    assert_eq!(pair.state(Side::Z, z), AssociationState::CookieWait);
}

#[test]
fn a_stale_cookie_gets_an_error_and_the_peer_begins_again_asking_for_more_time() {
    // 5.1.5 step 4, 5.2.6.
    let mut pair = Pair::new();
    pair.set_cookie_life(Duration::from_millis(5));
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    pair.run_secs(2);
    let trace = pair.take_trace();
    let begin = ["A -> INIT -> Z", "Z -> INIT_ACK -> A", "A -> COOKIE_ECHO -> Z", "Z -> ERROR -> A"];
    assert_eq!(trace[..5], [&begin[..], &["A -> INIT -> Z"]].concat());
    let second = pair.hops.iter().filter(|hop| hop.has(ChunkType::INIT)).nth(1).unwrap();
    let asked = InitChunk::parse(&second.chunks[0]).unwrap().parameters;
    assert!(asked.find(crate::wire::ParameterType::COOKIE_PRESERVATIVE).is_some());
    // No more than the peer grants: the set-up ends after Max.Init.Retransmits, it does not go round for ever.
    pair.run_secs(100);
    assert_eq!(pair.events(Side::A), ["lost: SetupTimedOut"]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
}

/// RFC 9260, 5.2.6: the peer adds to its own life span, not to the one before. The first copy of each COOKIE ECHO is lost, so
/// that it arrives 1 s late, and then 1.2 s.
#[test]
fn each_stale_cookie_asks_for_more_than_the_one_before() {
    let mut pair = Pair::new();
    pair.set_cookie_life(Duration::from_millis(700));
    pair.listen(AssociationConfig::default());
    let mut echoes = 0;
    pair.set_rule(move |hop| {
        echoes += u32::from(hop.has(ChunkType::COOKIE_ECHO));
        if hop.has(ChunkType::COOKIE_ECHO) && echoes % 2 == 1 { Fate::Drop } else { Fate::Pass }
    });
    pair.connect(AssociationConfig { rto_max: Duration::from_millis(1200), ..AssociationConfig::default() });
    pair.run_secs(20);
    assert_eq!(pair.events(Side::A), ["up"]);
    let inits = pair.hops.iter().filter_map(|hop| InitChunk::parse(&hop.chunks[0]).ok());
    let asked =
        inits.filter_map(|init| init.parameters.find(crate::wire::ParameterType::COOKIE_PRESERVATIVE));
    assert!(asked.count() > 0);
}

/// RFC 9260, 5.1.5 step 4: the packet with the stale cookie is discarded, and its DATA with it. It need not wait for
/// T3-rtx, which may have backed off for long.
#[test]
fn data_beside_a_stale_cookie_leaves_again_beside_the_next_one() {
    let mut pair = Pair::new();
    pair.set_cookie_life(Duration::from_millis(15));
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, b"early");
    pair.run_for(Duration::from_millis(100));
    let trace = pair.take_trace();
    assert_eq!(
        trace[3..],
        [
            "Z -> ERROR -> A",
            "A -> INIT -> Z",
            "Z -> INIT_ACK -> A",
            "A -> COOKIE_ECHO+DATA -> Z",
            "Z -> COOKIE_ACK+SACK -> A",
        ]
    );
    let z = pair.z.id();
    assert_eq!(pair.read(Side::Z, z), ["early"]);
}

#[test]
fn a_duplicate_of_the_cookie_in_use_never_goes_stale() {
    // 5.2.4, rule 3.
    let mut pair = Pair::new();
    pair.establish();
    let (cookie, tag) = pair.last_cookie();
    pair.run_secs(70);
    pair.take_trace();
    pair.forge(Side::Z, tag, &[cookie]);
    pair.drain();
    assert_eq!(pair.take_trace(), ["Z -> COOKIE_ACK -> A"]);
}

#[test]
fn a_shutdown_ack_of_an_old_association_is_answered_during_the_set_up() {
    // 8.5.1 E, 9.2.
    let (mut pair, z) = z_in_cookie_wait();
    pair.hops.clear();
    pair.forge(Side::Z, 0x5555, &[chunk(ChunkType::SHUTDOWN_ACK, 0, &[])]);
    pair.drain();
    let hop = &pair.hops[0];
    assert_eq!((hop.chunks[0].chunk_type, hop.chunks[0].flags), (ChunkType::SHUTDOWN_COMPLETE, 1));
    assert_eq!((hop.header.verification_tag, hop.header.destination_port), (0x5555, PORT_A));
    assert_eq!(pair.state(Side::Z, z), AssociationState::CookieWait);
}

/// RFC 9260, 5.2.1: our offer stays as it was, the cookie holds the Tie-Tags, and nothing else changes.
#[test]
fn an_init_in_cookie_echoed_gets_our_own_offer_and_tie_tags() {
    let (mut pair, z) = z_in_cookie_echoed();
    let (tag, t1) = (pair.association(Side::Z, z).local_tag(), pair.z.endpoint.poll_timeout());
    let first =
        pair.hops.iter().flat_map(|hop| &hop.chunks).find(|chunk| chunk.chunk_type == ChunkType::INIT);
    let first = InitChunk::parse(first.expect("an INIT")).unwrap();
    pair.forge(Side::Z, 0, &[init(OTHER, &[])]);
    pair.drain();
    let answer = pair.hops.last().unwrap().chunks[0].clone();
    assert_eq!(answer.chunk_type, ChunkType::INIT_ACK);
    let answer = InitChunk::parse(&answer).unwrap();
    assert_eq!((answer.initiate_tag, answer.initial_tsn), (first.initiate_tag, first.initial_tsn));
    assert_eq!(answer.initiate_tag, tag);
    assert_eq!(pair.state(Side::Z, z), AssociationState::CookieEchoed);
    assert_eq!(pair.z.endpoint.poll_timeout(), t1, "T1 runs on");
    let (cookie, _) = pair.last_cookie();
    // Behind the authentication code: time, life span, tags; then the Tie-Tags.
    let tie_tags = &cookie.value[32 + 8 + 4 + 8..][..8];
    assert!(tie_tags.iter().any(|&byte| byte != 0));
}

/// RFC 9260, 5.2.4.
#[test]
fn a_stale_cookie_for_an_association_gets_an_error() {
    let mut pair = Pair::new();
    pair.set_cookie_life(Duration::from_secs(60));
    let (_, z) = pair.establish();
    let (cookie, tag) = pair.cookie_for(Side::Z, OTHER);
    pair.run_secs(70);
    pair.hops.clear();
    pair.forge(Side::Z, tag, &[cookie]);
    pair.drain();
    assert_eq!(causes(&pair, ChunkType::ERROR), [CauseCode::STALE_COOKIE]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.events(Side::Z), ["up"]);
}

/// RFC 9260, 5.2.4, 7.2.1.
#[test]
fn a_restart_begins_with_a_new_congestion_window() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let window = |pair: &mut Pair| {
        let path = pair.association(Side::Z, z).paths().iter().next().unwrap();
        (path.congestion.cwnd(), path.congestion.ssthresh(), path.rtt.srtt())
    };
    let (initial, ..) = window(&mut pair);
    pair.send(Side::Z, z, &[7; 200_000]);
    pair.run_secs(5);
    assert!(window(&mut pair).0 > initial);
    pair.restart_a(&["10.0.1.1"]);
    pair.connect(AssociationConfig::default());
    pair.run_for(Duration::from_millis(100));
    assert_eq!(window(&mut pair), (initial, usize::MAX, None));
}

/// RFC 9260, 5.2.6: a longer life of cookies helps whoever sends them again.
#[test]
fn no_more_than_a_second_beyond_the_round_trip_is_asked_for() {
    for (staleness_us, asked) in [(0_u32, 30), (200_000, 230), (3_600_000_000, 1_030)] {
        let (mut pair, z) = z_in_cookie_echoed();
        let tag = pair.association(Side::Z, z).local_tag();
        pair.run_for(Duration::from_millis(30));
        pair.hops.clear();
        let cause = [&[0, 3, 0, 8][..], &staleness_us.to_be_bytes()].concat();
        pair.forge(Side::Z, tag, &[chunk(ChunkType::ERROR, 0, &cause)]);
        pair.drain();
        let init = InitChunk::parse(&pair.hops[0].chunks[0]).unwrap();
        let preservative = init.parameters.find(crate::wire::ParameterType::COOKIE_PRESERVATIVE).unwrap();
        assert_eq!(preservative.value[..], u32::to_be_bytes(asked), "{staleness_us} us");
    }
}
