//! The attacks of RFC 5062, each without effect. Z is the server; the attacker speaks by hand-made packets.

use super::asconf_harness::up_multihomed;
use super::harness::{Fate, PORT_A, PORT_Z, Pair, Side, chunk, header_to, init, ip, packet};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::endpoint::UnreachableKind;
use crate::event::AssociationId;
use crate::net::PathAddress;
use crate::path::PathState;
use crate::wire::CommonHeader;
use crate::wire::chunk::{ChunkType, RawChunk};
use core::time::Duration;

/// Where the attacker really is.
const ATTACKER: &str = "10.0.9.9";
/// Who is to suffer.
const VICTIM: &str = "10.0.1.1";
/// The attacker's tag.
const TAG: u32 = 0x0bad_0bad;

/// What the attacker's host sends to Z.
fn attack(pair: &mut Pair, source: &str, tag: u32, chunks: &[RawChunk]) {
    let to = pair.address(Side::Z);
    pair.inject(Side::Z, ip(source), to, packet(header_to(Side::Z, tag), chunks));
    pair.drain();
}

/// The attacker has set up an association with Z that lists `victims` too. Z's tag, and the association.
fn associate(pair: &mut Pair, victims: &[&str]) -> (u32, AssociationId) {
    pair.listen(AssociationConfig::default());
    attack(pair, ATTACKER, 0, &[init(TAG, victims)]);
    let (cookie, tag) = pair.last_cookie();
    attack(pair, ATTACKER, tag, &[cookie]);
    let id = pair.z.id();
    assert_eq!(pair.state(Side::Z, id), AssociationState::Established);
    (tag, id)
}

fn heartbeat() -> RawChunk {
    chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4])
}

/// RFC 5062, 2: camping on a valid peer's address. The victim's host does not know the association, and its ABORT
/// to the HEARTBEAT that verifies the address (RFC 9260, 5.4) ends it within a round trip.
#[test]
fn who_camps_on_an_address_is_gone_when_its_owner_hears_of_it() {
    let mut pair = Pair::new();
    // Packets to the attacker's own address reach nobody else.
    pair.set_rule(|hop| if hop.destination == ip(ATTACKER) { Fate::Drop } else { Fate::Pass });
    let (_, camper) = associate(&mut pair, &[VICTIM]);
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.state(Side::Z, camper), AssociationState::Closed);
    let a = pair.connect(AssociationConfig::default());
    pair.run_secs(1);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

/// RFC 5062, 3: hijacking by way of the Tie-Tags. A cookie for an INIT that meets an association holds random numbers
/// in the place of its tags (RFC 9260, 5.2.2), so whoever got the peer's address does not learn them.
/// RFC 9260, 5.1.3.
#[test]
fn a_cookie_does_not_tell_the_tags_of_an_association() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tags = [pair.association(Side::Z, z).local_tag(), pair.association(Side::Z, z).peer_tag()];
    let (cookie, _) = pair.cookie_for(Side::Z, TAG);
    for tag in tags {
        assert!(cookie.value.windows(4).all(|bytes| bytes != tag.to_be_bytes()), "{tag:#x} is in the cookie");
    }
}

/// RFC 5062, 3: the same attack's last step. An ASCONF that nobody authenticated changes no address (RFC 5061, 4.1.1).
#[test]
fn an_asconf_without_authentication_changes_no_address() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    let address = [0, 5, 0, 8, 10, 0, 1, 1];
    let add = [0xc0, 1, 0, 16, 0, 0, 0, 1, 0, 5, 0, 8, 10, 0, 9, 9];
    let asconf = [&[0xff, 0xff, 0xff, 0xf0][..], &address, &add].concat();
    pair.forge(Side::Z, tag, &[chunk(ChunkType::ASCONF, 0, &asconf)]);
    pair.run_secs(1);
    let paths: Vec<_> = pair.association(Side::Z, z).paths().iter().map(|path| path.address.remote).collect();
    assert_eq!(paths, [ip(VICTIM)]);
}

/// RFC 5062, 4: hijacking by a restart. The user hears of it before anything of the new peer's.
#[test]
fn a_restart_is_told_before_what_the_new_peer_says() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    pair.restart_a(&[VICTIM]);
    let a = pair.connect(AssociationConfig::default());
    pair.send(Side::A, a, b"it is me");
    let before = pair.z.events.len();
    pair.run_secs(1);
    let since: Vec<_> = pair.z.events[before..].iter().map(|(_, event)| format!("{event:?}")).collect();
    let at = |name: &str| since.iter().position(|event| event == name);
    assert!(at("Restart").is_some() && at("Restart") < at("Readable"), "{since:?}");
    assert_eq!(pair.read(Side::Z, z), ["it is me"]);
}

/// RFC 5062, 4; RFC 9260, 5.2.2: whoever has got an address that was the peer's cannot restart the association with a
/// cookie from before the peer gave it up (RFC 5061, 5.3 F13).
#[test]
fn a_cookie_from_before_an_address_was_deleted_restarts_nothing() {
    let (mut pair, a, z) = up_multihomed();
    attack(&mut pair, "10.0.2.1", 0, &[init(TAG, &[VICTIM])]);
    let (cookie, tag) = pair.last_cookie();
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.run_secs(1);
    pair.events(Side::Z);
    attack(&mut pair, "10.0.2.1", tag, &[cookie]);
    assert!(pair.events(Side::Z).is_empty());
    let remotes: Vec<_> =
        pair.association(Side::Z, z).paths().iter().map(|path| path.address.remote).collect();
    assert_eq!(remotes, [ip(VICTIM)]);
    assert_ne!(pair.association(Side::Z, z).peer_tag(), TAG);
}

/// RFC 5062, 5: a large transfer is to be turned to the victim by not acknowledging it. No address that is not confirmed
/// gets DATA (RFC 9260, 5.4), whatever becomes of the attacker's own.
#[test]
fn no_data_goes_to_an_address_that_did_not_answer_a_heartbeat() {
    let mut pair = Pair::new();
    // The victim's host has no SCTP, so that no ABORT comes from it.
    pair.set_rule(|_| Fate::Drop);
    let (_, z) = associate(&mut pair, &[VICTIM]);
    (0..50).for_each(|_| pair.send(Side::Z, z, &[1; 10_000]));
    pair.run_secs(3_000);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed, "T3 has ended it");
    let mut to_victim = pair.hops.iter().filter(|hop| hop.destination == ip(VICTIM)).peekable();
    assert!(to_victim.peek().is_some());
    assert!(to_victim.all(|hop| hop.chunks.iter().all(|chunk| chunk.chunk_type == ChunkType::HEARTBEAT)));
}

/// RFC 5062, 5.3: the victim's ICMP ends the attacker's association (RFC 9260, 10, ICMP8).
/// RFC 9260, 12.4.
#[test]
fn a_victim_without_sctp_ends_the_attack_by_icmp() {
    let mut pair = Pair::new();
    pair.set_rule(|_| Fate::Drop);
    let (_, z) = associate(&mut pair, &[VICTIM]);
    pair.run_for(Duration::from_millis(1));
    let probe =
        pair.hops.iter().rfind(|hop| hop.destination == ip(VICTIM)).expect("a HEARTBEAT").bytes.clone();
    let path = PathAddress::to(ip(VICTIM));
    pair.z.endpoint.handle_unreachable(pair.now, path, UnreachableKind::Protocol, &probe[..12]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 5062, 5.3: whoever acknowledges what was not sent yet, guessing TSNs that he does not see, is aborted.
/// RFC 9260, 12.4.
#[test]
fn guessed_acknowledgements_end_the_association() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.set_rule(|_| Fate::Drop);
    pair.send(Side::Z, z, b"one chunk");
    pair.drain();
    let data = pair.hops.iter().rfind(|hop| hop.has(ChunkType::DATA)).expect("DATA left").chunks[0].clone();
    let tsn = u32::from_be_bytes(*data.value.first_chunk().unwrap());
    let sack = [&tsn.wrapping_add(1).to_be_bytes()[..], &[0, 1, 0, 0, 0, 0, 0, 0]].concat();
    pair.forge(Side::Z, tag, &[chunk(ChunkType::SACK, 0, &sack)]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 5062, 6: a cookie that is sent again and again is to make Z send HEARTBEATs to the victim each time. A cookie for
/// an association that is there brings no further ones, and each makes HB.Max.Burst small ones at most.
#[test]
fn a_cookie_sent_again_brings_no_further_heartbeats() {
    let mut pair = Pair::new();
    pair.set_rule(|_| Fate::Drop);
    let victims: Vec<_> = (1..=10).map(|i| format!("10.0.1.{i}")).collect();
    let victims: Vec<_> = victims.iter().map(String::as_str).collect();
    let (tag, _) = associate(&mut pair, &victims);
    let (cookie, _) = pair.last_cookie();
    for _ in 0..100 {
        attack(&mut pair, ATTACKER, tag, core::slice::from_ref(&cookie));
        pair.run_for(Duration::from_millis(1));
    }
    let probes: Vec<_> = pair.hops.iter().filter(|hop| hop.has(ChunkType::HEARTBEAT)).collect();
    assert_eq!(probes.len(), 1, "HB.Max.Burst");
    assert!(probes[0].bytes.len() < cookie.value.len(), "smaller than what asked for it");
}

/// RFC 5062, 6.3: no long life of a cookie because somebody asks for it (RFC 9260, 5.2.6): at most twice the usual one.
#[test]
fn no_cookie_lives_long_because_somebody_asked_for_it() {
    let mut pair = Pair::new();
    pair.set_cookie_life(Duration::from_secs(60));
    pair.set_rule(|_| Fate::Drop);
    pair.listen(AssociationConfig::default());
    let preservative = [0, 9, 0, 8, 0xff, 0xff, 0xff, 0xff];
    let value = [&init(TAG, &[VICTIM]).value[..], &preservative].concat();
    attack(&mut pair, ATTACKER, 0, &[chunk(ChunkType::INIT, 0, &value)]);
    let (cookie, tag) = pair.last_cookie();
    pair.run_secs(121);
    attack(&mut pair, ATTACKER, tag, &[cookie]);
    assert_eq!(pair.take_trace().last().unwrap(), "Z -> ERROR /lost/ -> A", "the cookie is stale");
    assert!(pair.z.events.is_empty());
}

/// RFC 5062, 7: redirection. The cookie knows the ports of its INIT; with others it is discarded in silence.
/// RFC 9260, 4, 5.1, 5.1.5.
#[test]
fn a_cookie_is_good_for_its_own_ports_only() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let (cookie, verification_tag) = pair.cookie_for(Side::Z, TAG);
    pair.take_trace();
    let (from, to) = (pair.address(Side::A), pair.address(Side::Z));
    for (source_port, destination_port) in [(PORT_A + 1, PORT_Z), (PORT_A, PORT_Z + 1), (PORT_Z, PORT_A)] {
        let header = CommonHeader { source_port, destination_port, verification_tag };
        pair.inject(Side::Z, from, to, packet(header, core::slice::from_ref(&cookie)));
        pair.drain();
    }
    assert!(pair.take_trace().is_empty() && pair.z.events.is_empty());
    pair.forge(Side::Z, verification_tag, &[cookie]);
    pair.drain();
    assert_eq!(pair.events(Side::Z), ["up"]);
}

/// RFC 5062, 8: one packet with many chunks that ask for answers is to be answered by many packets. It gets one, and
/// from an address that is not confirmed none but what answers its HEARTBEATs.
/// RFC 9260, 12.4.
#[test]
fn one_packet_is_answered_by_one_packet() {
    let mut pair = Pair::multihomed();
    let unconfirmed = ip("10.0.2.1");
    pair.set_rule(move |hop| if hop.destination == unconfirmed { Fate::Drop } else { Fate::Pass });
    let (_, z) = pair.establish();
    let header = header_to(Side::Z, pair.association(Side::Z, z).local_tag());
    let unknown = chunk(ChunkType(0xfe), 0, &[7; 100]);
    for source in [ip(VICTIM), unconfirmed] {
        let state = pair.association(Side::Z, z).paths().by_remote(source).expect("a path").state;
        pair.hops.clear();
        let chunks: Vec<_> = (0..60).flat_map(|_| [heartbeat(), unknown.clone()]).collect();
        let asked = packet(header, &chunks);
        let to = pair.address(Side::Z);
        pair.inject(Side::Z, source, to, asked.clone());
        pair.drain();
        let to_source: Vec<_> = pair.hops.iter().filter(|hop| hop.destination == source).collect();
        assert_eq!(to_source.len(), 1, "{source}");
        assert!(to_source[0].bytes.len() <= asked.len());
        assert!(state == PathState::Active || !to_source[0].has(ChunkType::ERROR));
    }
}

/// RFC 5062, 9: the answer to an INIT is larger than the INIT, so it is kept small: the cookie holds what must be
/// known and no more, and of unrecognized parameters not many are returned.
/// RFC 9260, 3.3.11, 5.1.3, 12.4.
#[test]
fn an_init_ack_is_small_whatever_the_init_holds() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    attack(&mut pair, VICTIM, 0, &[init(TAG, &[])]);
    assert!(pair.hops[0].bytes.len() < 300, "{} bytes", pair.hops[0].bytes.len());
    let unknown: Vec<u8> = [[0xff, 1, 0, 8, 1, 2, 3, 4]; 100].concat();
    let value = [&init(TAG, &[]).value[..], &unknown].concat();
    attack(&mut pair, VICTIM, 0, &[chunk(ChunkType::INIT, 0, &value)]);
    let (asked, answered) = (value.len() + 16, pair.hops[1].bytes.len());
    assert!(answered < asked && answered < 900, "{answered} bytes for {asked}");
}

/// RFC 5062, 10: a forged ICMP message makes the path MTU small, so that the answers to one packet no longer fit into one.
/// What does not fit is dropped, and the MTU has a lower bound.
#[test]
fn answers_that_a_small_mtu_leaves_no_room_for_are_dropped() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let association = pair.association(Side::Z, z);
    let (tag, peer_tag) = (association.local_tag(), association.peer_tag());
    let quoted = packet(CommonHeader { verification_tag: peer_tag, ..header_to(Side::A, 0) }, &[heartbeat()]);
    let path = PathAddress::to(pair.address(Side::A));
    pair.z.endpoint.handle_unreachable(pair.now, path, UnreachableKind::PacketTooBig { mtu: 68 }, &quoted);
    pair.hops.clear();
    let unknown = chunk(ChunkType(0xfe), 0, &[7; 100]);
    pair.forge(Side::Z, tag, &vec![unknown; 12]);
    pair.drain();
    assert_eq!(pair.hops.len(), 1);
    assert!(pair.hops[0].bytes.len() <= 508, "{} bytes", pair.hops[0].bytes.len());
    assert!(pair.association(Side::Z, z).stats().replies_dropped > 0);
}
