//! Path MTU discovery by probes (RFC 8899, 6.2) and padding (RFC 4820).

use super::harness::{Fate, Hop, Pair, Side, chunk, header_to, init, ip, packet};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::endpoint::UnreachableKind;
use crate::error::SendError;
use crate::event::AssociationId;
use crate::message::SendOptions;
use crate::net::PathAddress;
use crate::path::mtu::{MtuSearchConfig, MtuState};
use crate::path::{Path, PathState};
use crate::wire::chunk::{ChunkType, InitChunk, RawChunk};
use crate::wire::param::{Parameter, Parameters};
use core::time::Duration;

const REMOTE: &str = "10.0.1.2";

/// A network that drops SCTP packets larger than `limit`, and fragments that hold more, and says nothing.
fn carries(pair: &mut Pair, limit: usize) {
    pair.set_rule(move |hop| {
        if hop.fragment_to.map_or(hop.bytes.len(), |to| to - 20) > limit { Fate::Drop } else { Fate::Pass }
    });
}

fn searching(mut pair: Pair, limit: usize) -> (Pair, AssociationId, AssociationId) {
    pair.mtu_search = Some(MtuSearchConfig::default());
    carries(&mut pair, limit);
    let (a, z) = pair.establish();
    (pair, a, z)
}

fn path<'a>(pair: &'a mut Pair, a: AssociationId, remote: &str) -> &'a Path {
    pair.association(Side::A, a).paths().by_remote(ip(remote)).unwrap()
}

fn is_probe(hop: &Hop) -> bool {
    hop.has(ChunkType::PAD)
}

/// RFC 8899, 6.2 and 6.2.1.2; 3, item 2; RFC 4820, 3: HEARTBEAT and PAD alone fill a packet that must not be fragmented.
/// RFC 8899, 4.4.
#[test]
fn a_probe_is_a_heartbeat_with_padding_and_its_answer_raises_the_packet_size() {
    let (mut pair, a, _) = searching(Pair::new(), 1_480);
    pair.run_secs(1);
    assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 1_480);
    let probes: Vec<_> = pair.hops.iter().filter(|hop| hop.from == Side::A && is_probe(hop)).collect();
    assert_eq!(probes.iter().map(|hop| hop.bytes.len()).collect::<Vec<_>>()[..3], [1_200, 1_260, 1_380]);
    for probe in probes {
        let types: Vec<_> = probe.chunks.iter().map(|chunk| chunk.chunk_type).collect();
        assert_eq!(types, [ChunkType::HEARTBEAT, ChunkType::PAD]);
        assert!(probe.fragment_to.is_none());
        assert_eq!(probe.chunks[1].flags, 0);
    }
    let answers = pair.hops.iter().filter(|hop| hop.has(ChunkType::HEARTBEAT_ACK));
    assert!(answers.clone().count() > 5 && answers.clone().all(|hop| hop.bytes.len() < 100));
}

/// RFC 8899, 4.1: a probe has the size that it stands for, whatever the peer wants authenticated (RFC 4895, 6.2), so that
/// packets with DATA behind AUTH fit what was found.
#[test]
fn a_probe_has_the_size_that_it_stands_for_whatever_is_authenticated() {
    let lists: [&[ChunkType]; 4] = [
        &[ChunkType::DATA],
        &[ChunkType::HEARTBEAT],
        &[ChunkType::PAD],
        &[ChunkType::DATA, ChunkType::HEARTBEAT, ChunkType::PAD],
    ];
    for list in lists {
        let mut pair = Pair::new();
        pair.mtu_search = Some(MtuSearchConfig::default());
        carries(&mut pair, 1_400);
        let (a, _) = pair.establish_with(super::auth::demanding(list));
        pair.run_secs(1);
        assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 1_380, "{list:?}");
        let probes = pair.hops.iter().filter(|hop| hop.from == Side::A && is_probe(hop));
        let sizes: Vec<_> = probes.map(|hop| hop.bytes.len()).collect();
        assert_eq!(sizes, [1_200, 1_260, 1_380, 1_432], "{list:?}");
        pair.send(Side::A, a, &[7; 20_000]);
        pair.run_secs(1);
        let longest =
            pair.hops.iter().filter(|hop| hop.has(ChunkType::DATA)).map(|hop| hop.bytes.len()).max();
        // A little room is kept for an AUTH chunk that only probes need.
        let kept = if list == [ChunkType::PAD] { 40 } else { 0 };
        assert_eq!(longest, Some(1_380 - kept), "{list:?}");
    }
}

/// RFC 8899, 6.2.1.1: the search begins when the peer is known to answer, not before.
/// RFC 8899, 3.
#[test]
fn nothing_is_probed_and_no_packet_is_larger_than_the_base_size_before_the_association_is_up() {
    let mut pair = Pair::new();
    pair.mtu_search = Some(MtuSearchConfig::default());
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, &[1; 5_000]);
    pair.run_for(Duration::from_millis(39));
    assert!(pair.hops.iter().any(|hop| hop.has(ChunkType::DATA)));
    assert!(
        pair.hops
            .iter()
            .filter(|hop| hop.from == Side::A)
            .all(|hop| hop.bytes.len() <= 1_200 && !is_probe(hop))
    );
}

/// RFC 9260, 5.1 C: DATA beside COOKIE ECHO is allowed, not demanded; where it makes the packet too large for the path,
/// the association comes up all the same.
#[test]
fn a_cookie_echo_whose_data_does_not_fit_the_path_goes_alone_in_the_end() {
    let mut pair = Pair::new();
    pair.mtu_search = Some(MtuSearchConfig::default());
    carries(&mut pair, 700);
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, &[1; 5_000]);
    pair.run_secs(60);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    let z = pair.z.id();
    assert_eq!(pair.read(Side::Z, z).len(), 1);
}

/// RFC 8899, 6.2.1.2: a lost probe is discounted; 3, item 7: no sign of congestion, and a found size does not open the
/// window.
#[test]
fn lost_probes_are_nobodys_errors_and_a_found_size_leaves_the_window_as_it_is() {
    let (mut pair, a, _) = searching(Pair::new(), 1_200);
    let window = path(&mut pair, a, REMOTE).congestion.cwnd();
    pair.run_secs(120);
    let path = path(&mut pair, a, REMOTE);
    assert_eq!((path.state, path.error_count, path.mtu.state()), (PathState::Active, 0, MtuState::Complete));
    assert!(path.stats.mtu_probes_sent >= 4);
    assert_eq!((path.congestion.cwnd(), path.stats.t3_expiries, path.max_packet_size), (window, 0, 1_200));
    assert_eq!(pair.events(Side::A), ["up"]);
    let (mut pair, a, _) = searching(Pair::new(), 8_980);
    pair.run_secs(120);
    let path = self::path(&mut pair, a, REMOTE);
    assert_eq!((path.congestion.cwnd(), path.max_packet_size), (window, 8_980));
}

/// RFC 8899, 4.3 and 6.2; RFC 9260, 6.9: chunks that were cut for a larger path are fragmented by IP.
/// RFC 6951, 5.5, 5.6; RFC 8899, 3.
#[test]
fn a_path_that_shrinks_in_silence_is_found_out_and_loses_nothing() {
    let (mut pair, a, z) = searching(Pair::new(), 8_980);
    pair.run_secs(1);
    assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 8_980);
    carries(&mut pair, 1_400);
    pair.hops.clear();
    (0..10).for_each(|_| pair.send(Side::A, a, &[9; 20_000]));
    pair.run_secs(30);
    assert_eq!(pair.read(Side::Z, z).len(), 10);
    let path = path(&mut pair, a, REMOTE);
    assert_eq!((path.stats.black_holes, path.max_packet_size), (1, 1_380));
    let cut = pair.hops.iter().filter_map(|hop| hop.fragment_to);
    assert_eq!(cut.min(), Some(1_220), "what was cut before, to what the path is known to carry");
    let after = pair.hops.iter().rev().take(20);
    assert!(
        after
            .filter(|hop| hop.has(ChunkType::DATA))
            .all(|hop| hop.fragment_to.is_none() && hop.bytes.len() <= 1_380)
    );
}

/// RFC 8899, 4.3: only packets that are larger than what the path is known to carry say anything of its MTU.
#[test]
fn messages_that_fit_the_base_size_may_get_lost_and_packets_stay_as_large_as_they_were() {
    let (mut pair, a, z) = searching(Pair::new(), 1_480);
    pair.run_secs(1);
    for _ in 0..4 {
        carries(&mut pair, 0);
        pair.send(Side::A, a, &[9; 1_000]);
        pair.run_for(Duration::from_millis(500));
        carries(&mut pair, 1_480);
        pair.run_secs(10);
    }
    assert_eq!(pair.read(Side::Z, z).len(), 4);
    let path = path(&mut pair, a, REMOTE);
    assert_eq!((path.stats.t3_expiries, path.stats.black_holes, path.max_packet_size), (4, 0, 1_480));
}

/// RFC 9260, 6.10: a chunk that does not fit and cannot be cut is no reason for a packet of others that does not fit
/// either, whatever leaves together with it.
#[test]
fn what_fits_the_path_is_not_bundled_into_packets_that_do_not() {
    let (mut pair, a, _) = searching(Pair::new(), 1_480);
    pair.run_secs(1);
    // What IP would fragment gets lost, too: no router is there to do it.
    pair.set_rule(|hop| if hop.bytes.len() > 1_400 { Fate::Drop } else { Fate::Pass });
    (0..20).for_each(|_| pair.send(Side::A, a, &[9; 500]));
    pair.send(Side::A, a, &[9; 20_000]);
    pair.hops.clear();
    for _ in 0..40 {
        pair.a.endpoint.request_heartbeat(pair.now, a, ip(REMOTE)).unwrap();
        pair.run_for(Duration::from_millis(500));
    }
    assert!(path(&mut pair, a, REMOTE).stats.black_holes > 0);
    let mut oversize = pair.hops.iter().filter(|hop| hop.fragment_to.is_some()).peekable();
    assert!(oversize.peek().is_some());
    assert!(oversize.all(|hop| hop.chunks.len() == 1));
}

/// RFC 8899, 6.2.1.4, 4.6.1; RFC 9260, 10: ICMP6 and ICMP7. Only with the peer's tag, and never below the minimum.
#[test]
fn a_message_with_the_right_tag_guides_the_search_and_any_other_is_ignored() {
    let (mut pair, a, z) = searching(Pair::new(), 8_980);
    pair.run_secs(1);
    let tag = pair.association(Side::A, a).peer_tag();
    let quote = |tag: u32| packet(header_to(Side::Z, tag), &[chunk(ChunkType::DATA, 3, &[0; 16])]);
    let report = |pair: &mut Pair, mtu, tag| {
        let (now, kind) = (pair.now, UnreachableKind::PacketTooBig { mtu });
        pair.a.endpoint.handle_unreachable(now, PathAddress::to(ip(REMOTE)), kind, &quote(tag)[..8]);
        path(pair, a, REMOTE).max_packet_size
    };
    assert_eq!(report(&mut pair, 1_400, tag ^ 1), 8_980);
    assert_eq!(report(&mut pair, 68, tag), 8_980);
    carries(&mut pair, 1_404);
    assert_eq!(report(&mut pair, 1_424, tag), 1_200, "the base size until the probe is answered");
    pair.run_secs(1);
    assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 1_404);
    pair.send(Side::A, a, &[9; 20_000]);
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z).len(), 1);
}

#[test]
fn without_a_search_or_on_the_loopback_no_probe_is_sent_and_the_configured_size_is_used() {
    // RFC 8899, 3, item 5: what the local link says.
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    pair.run_secs(60);
    assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 1_480);
    assert!(!pair.hops.iter().any(is_probe));
    let mut pair = Pair::with_addresses(&["127.0.0.1"], &["127.0.0.2"]);
    pair.mtu_search = Some(MtuSearchConfig::default());
    let (a, _) = pair.establish_with(AssociationConfig { path_mtu: 65_535, ..Default::default() });
    pair.run_secs(60);
    assert_eq!(path(&mut pair, a, "127.0.0.2").max_packet_size, 65_512);
    assert!(!pair.hops.iter().any(is_probe));
}

/// RFC 8899, 5.2: a state machine for each path; RFC 9260, 6.9 (AMDCS) and 7.3.
/// RFC 8899, 5.
#[test]
fn each_path_is_searched_and_chunks_fit_the_smallest() {
    let mut pair = Pair::multihomed();
    pair.mtu_search = Some(MtuSearchConfig::default());
    pair.set_rule(|hop| {
        let limit = if hop.destination.to_string().starts_with("10.0.2.") { 1_260 } else { 8_980 };
        if hop.bytes.len() > limit { Fate::Drop } else { Fate::Pass }
    });
    let (a, z) = pair.establish();
    pair.run_secs(2);
    assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 8_980);
    assert_eq!(path(&mut pair, a, "10.0.2.2").max_packet_size, 1_260);
    pair.hops.clear();
    pair.send(Side::A, a, &[3; 20_000]);
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z).len(), 1);
    let chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let data: Vec<_> = chunks.filter(|chunk| chunk.chunk_type == ChunkType::DATA).collect();
    assert!(data.iter().all(|chunk| chunk.value.len() + 4 <= 1_260 - 12));
    // Bundled, for all that.
    assert!(pair.hops.iter().any(|hop| hop.bytes.len() > 8_000 && !is_probe(hop)));
}

/// RFC 8899, 5.2 (DISABLED): no probes where nobody answers; and when the path is back the search begins anew.
#[test]
fn a_dead_path_is_not_probed_and_one_that_returns_is_searched_again() {
    let (mut pair, a, _) = searching(Pair::multihomed(), 8_980);
    pair.run_secs(2);
    let dead = ip("10.0.2.2");
    pair.set_rule(move |hop| if hop.destination == dead { Fate::Drop } else { Fate::Pass });
    pair.run_secs(200);
    assert_eq!(path(&mut pair, a, "10.0.2.2").state, PathState::Inactive);
    assert_eq!(path(&mut pair, a, "10.0.2.2").mtu.state(), MtuState::Disabled);
    pair.hops.clear();
    pair.run_secs(1_000);
    assert!(!pair.hops.iter().any(|hop| is_probe(hop) && hop.destination == dead));
    carries(&mut pair, 1_480);
    pair.run_secs(200);
    assert_eq!(path(&mut pair, a, "10.0.2.2").max_packet_size, 1_480);
}

/// RFC 9260, 8.3: no HEARTBEAT after SHUTDOWN, not even as a probe.
#[test]
fn nothing_is_probed_after_shutdown() {
    let (mut pair, a, _) = searching(Pair::new(), 65_535);
    pair.set_rule(|hop| if hop.from == Side::Z { Fate::Drop } else { Fate::Pass });
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.state(Side::A, a), AssociationState::ShutdownSent);
    pair.hops.clear();
    pair.run_secs(100);
    assert!(!pair.hops.iter().any(|hop| hop.from == Side::A && is_probe(hop)));
}

/// RFC 8899, 6.2.2.2: the UDP header counts.
/// RFC 8899, 5.
#[test]
fn in_udp_probes_leave_room_for_its_header() {
    let mut pair = Pair::new();
    pair.mtu_search = Some(MtuSearchConfig::default());
    carries(&mut pair, 1_472);
    pair.listen(AssociationConfig::default());
    let peer = PathAddress { remote_udp_port: 9_899, ..PathAddress::to(ip(REMOTE)) };
    pair.udp_ports = [9_899; 2];
    let a = pair.connect_to(Side::A, vec![peer], AssociationConfig::default());
    pair.run_secs(2);
    assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 1_472);
    assert!(pair.hops.iter().all(|hop| hop.udp_port == 9_899));
}

/// RFC 8899, 6.2.2.4: the UDP header is none of ours, and the tag must be right.
#[test]
fn in_udp_a_message_with_the_right_tag_guides_the_search() {
    let mut pair = Pair::new();
    pair.mtu_search = Some(MtuSearchConfig::default());
    carries(&mut pair, 1_472);
    pair.listen(AssociationConfig::default());
    pair.udp_ports = [9_899; 2];
    let peer = PathAddress { remote_udp_port: 9_899, ..PathAddress::to(ip(REMOTE)) };
    let a = pair.connect_to(Side::A, vec![peer], AssociationConfig::default());
    pair.run_secs(2);
    let tag = pair.association(Side::A, a).peer_tag();
    carries(&mut pair, 1_304);
    for (tag, size) in [(tag ^ 1, 1_472), (tag, 1_304)] {
        let quoted = packet(header_to(Side::Z, tag), &[chunk(ChunkType::DATA, 3, &[0; 16])]);
        let (now, kind) = (pair.now, UnreachableKind::PacketTooBig { mtu: 1_304 + 28 });
        pair.a.endpoint.handle_unreachable(now, peer, kind, &quoted[..8]);
        pair.run_secs(1);
        assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, size);
    }
}

/// RFC 8899, 4.6.1: addresses and ports must be those of a packet of ours.
#[test]
fn a_message_about_another_address_or_other_ports_is_ignored() {
    let (mut pair, a, _) = searching(Pair::new(), 8_980);
    pair.run_secs(1);
    let tag = pair.association(Side::A, a).peer_tag();
    let good = packet(header_to(Side::Z, tag), &[chunk(ChunkType::DATA, 3, &[0; 16])]);
    let with_port = |at: usize| {
        let mut quoted = good.to_vec();
        quoted[at] ^= 1;
        quoted
    };
    let quotes = [("10.0.9.9", good.to_vec()), (REMOTE, with_port(1)), (REMOTE, with_port(3))];
    for (remote, quoted) in quotes {
        let (now, kind) = (pair.now, UnreachableKind::PacketTooBig { mtu: 1_400 });
        pair.a.endpoint.handle_unreachable(now, PathAddress::to(ip(remote)), kind, &quoted);
        assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 8_980);
    }
}

/// RFC 8899, 4.1 and 6.1.1: the answer must hold the nonce of the probe under way.
#[test]
fn a_made_up_answer_does_not_raise_the_packet_size() {
    let (mut pair, a, _) = searching(Pair::new(), 1_200);
    pair.run_secs(1);
    let tag = pair.association(Side::A, a).local_tag();
    for size in [1_260_u16, 9_000, 65_535] {
        let info = [&[0, 1, 0, 15][..], &[7; 8], &[0], &size.to_be_bytes(), &[0]].concat();
        pair.forge(Side::A, tag, &[chunk(ChunkType::HEARTBEAT_ACK, 0, &info)]);
        assert_eq!(path(&mut pair, a, REMOTE).max_packet_size, 1_200);
    }
}

/// RFC 4820, 3: a PAD chunk is discarded, and the chunks behind it are processed.
/// RFC 8899, 4.1.
#[test]
fn a_pad_chunk_is_ignored_wherever_it_stands() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.hops.clear();
    let pad = |len: usize| chunk(ChunkType::PAD, 0xff, &vec![0xff; len]);
    let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4]);
    pair.forge(Side::Z, tag, &[pad(0), pad(1), heartbeat.clone(), pad(1_000)]);
    pair.forge(Side::Z, tag, &[pad(1_400)]);
    pair.drain();
    let answers: Vec<_> = pair.hops.iter().flat_map(|hop| &hop.chunks).collect();
    let ack = RawChunk { chunk_type: ChunkType::HEARTBEAT_ACK, ..heartbeat };
    assert_eq!(answers, [&ack], "and no ERROR");
}

/// RFC 4820, 4: a PAD parameter of an INIT is discarded, not reported, and the cookie does not depend on it.
#[test]
fn a_pad_parameter_changes_nothing() {
    let answer = |padding: Option<usize>| {
        let mut pair = Pair::new();
        pair.listen(AssociationConfig::default());
        let mut request = InitChunk::parse(&init(77, &[])).unwrap();
        let pad = padding.map(Parameter::Pad);
        request.parameters = Parameters::from_iter(pad);
        pair.forge(Side::Z, 0, &[crate::association::to_raw(&request)]);
        pair.drain();
        pair.hops.last().expect("an INIT ACK").chunks[0].value.len()
    };
    assert_eq!(answer(None), answer(Some(0)));
    assert_eq!(answer(None), answer(Some(1_000)));
}

/// RFC 9260, 5.1: COOKIE ACK is the first that the peer hears; until then it takes nothing else for an answer.
#[test]
fn probes_wait_for_the_cookie_ack() {
    let (pair, ..) = searching(Pair::new(), 1_480);
    let from_z = pair.hops.iter().filter(|hop| hop.from == Side::Z);
    let first: Vec<_> = from_z.map(|hop| hop.chunks[0].chunk_type).take(3).collect();
    assert_eq!(first[..2], [ChunkType::INIT_ACK, ChunkType::COOKIE_ACK]);
    assert!(pair.hops.iter().any(|hop| hop.from == Side::Z && is_probe(hop)));
}

/// RFC 6458, 8.1.11: an error instead of fragments; it is the present MTU that counts.
#[test]
fn messages_are_not_cut_where_the_user_says_so() {
    let config = AssociationConfig { disable_fragments: true, ..AssociationConfig::default() };
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config);
    // 20 of IP, 12 of SCTP, 16 of DATA.
    let largest = 1_500 - 48;
    let send = |pair: &mut Pair, len: usize, end_of_record: bool| {
        let options = SendOptions { more: !end_of_record, ..SendOptions::default() };
        let now = pair.now;
        pair.a.endpoint.send(now, a, &options, vec![7; len].into())
    };
    assert_eq!(send(&mut pair, largest, true), Ok(()));
    let refused = SendError::TooLarge { len: largest + 1, max: largest };
    assert_eq!(send(&mut pair, largest + 1, true), Err(refused));
    // Pieces of one message count together.
    assert_eq!(send(&mut pair, 1_000, false), Ok(()));
    let together = SendError::TooLarge { len: 2_000, max: largest };
    assert_eq!(send(&mut pair, 1_000, true), Err(together));
    assert_eq!(send(&mut pair, 200, true), Ok(()));
    pair.a.endpoint.update_config(a, |config| config.fragmentation_point = 100).unwrap();
    assert_eq!(send(&mut pair, 101, true), Err(SendError::TooLarge { len: 101, max: 100 }));
    pair.a.endpoint.update_config(a, |config| config.disable_fragments = false).unwrap();
    assert_eq!(send(&mut pair, 5_000, true), Ok(()));
    pair.run_secs(2);
    let lengths: Vec<_> = pair.read(Side::Z, z).iter().map(|message| message.len()).collect();
    assert_eq!(lengths, [largest, 1_200, 5_000]);
}
