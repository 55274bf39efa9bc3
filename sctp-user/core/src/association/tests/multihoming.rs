//! Several addresses (RFC 9260, 5.1.2, 5.4, 6.4, 8.1 to 8.3).

use super::harness::{Fate, Hop, Pair, Side, chunk, header_to, ip, packet};
use crate::config::AssociationConfig;
use crate::multipath::Multipath;
use crate::net::PathAddress;
use crate::path::PathState;
use crate::wire::chunk::{ChunkType, RawChunk};
use core::net::IpAddr;

/// RFC 9260, 5.1.2.
#[test]
fn addresses_that_init_lists_are_verified_by_heartbeats() {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish();
    for to in ["10.0.2.1", "10.0.2.2"].map(ip) {
        let mut probes = pair.hops.iter().filter(|hop| hop.destination == to);
        assert!(probes.any(|hop| hop.has(ChunkType::HEARTBEAT)), "{to}");
    }
    for (side, id) in [(Side::A, a), (Side::Z, z)] {
        assert_eq!(pair.association(side, id).paths().iter().count(), 2);
        assert!(pair.association(side, id).paths().iter().all(|path| path.state == PathState::Active));
    }
    assert_eq!(pair.events(Side::A), ["up", "10.0.2.2 Confirmed"]);
    assert_eq!(pair.events(Side::Z), ["up", "10.0.2.1 Confirmed"]);
    // 6.4: each is answered where it came from.
    let pairs_of = |chunk_type| {
        let hops = pair.hops.iter().filter(move |hop| hop.has(chunk_type));
        hops.map(|hop| (hop.from, hop.source, hop.destination)).collect::<Vec<_>>()
    };
    let turned = |&(from, source, to): &(Side, IpAddr, IpAddr)| (from.other(), to, source);
    let expected: Vec<_> = pairs_of(ChunkType::HEARTBEAT).iter().map(turned).collect();
    let mut answers = pairs_of(ChunkType::HEARTBEAT_ACK);
    answers.sort_by_key(|answer| expected.iter().position(|other| other == answer));
    assert_eq!(answers, expected);
}

/// RFC 9260, 6.4.1, 8.2.
#[test]
fn data_moves_to_the_other_path_when_the_primary_fails_and_back_when_it_returns() {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish();
    pair.events(Side::A);
    let dead = ip("10.0.1.2");
    pair.set_rule(move |hop| if hop.destination == dead { Fate::Drop } else { Fate::Pass });
    for round in 0..30_u8 {
        pair.send(Side::A, a, &[round; 100]);
        pair.run_secs(10);
    }
    assert_eq!(pair.read(Side::Z, z).len(), 30);
    assert_eq!(pair.events(Side::A), ["10.0.1.2 PotentiallyFailed", "10.0.1.2 Unreachable"]);
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(200);
    assert_eq!(pair.events(Side::A), ["10.0.1.2 Available"]);
    pair.hops.clear();
    pair.send(Side::A, a, b"home again");
    pair.run_secs(1);
    assert_eq!(pair.hops[0].destination, dead);
    assert_eq!(pair.hops[0].source, ip("10.0.1.1"));
}

#[test]
fn a_peer_that_is_gone_ends_the_association_although_nothing_is_sent() {
    let mut pair = Pair::multihomed();
    pair.establish();
    pair.events(Side::A);
    pair.set_rule(|_| Fate::Drop);
    pair.run_secs(3_000);
    assert_eq!(pair.events(Side::A).last().unwrap(), "lost: TimedOut");
    assert_eq!(pair.events(Side::Z).last().unwrap(), "lost: TimedOut");
}

/// RFC 9260, 5.4: an address that is not confirmed gets no chunks but HEARTBEAT and HEARTBEAT ACK, whatever
/// comes from there, else a peer could aim our answers at somebody else.
#[test]
fn an_unconfirmed_address_gets_nothing_but_heartbeats_and_their_answers() {
    let bad_stream = chunk(ChunkType::DATA, 3, &[0xff, 0xff, 0xff, 0xff, 0x77, 0, 0, 0, 0, 0, 0, 0, 1]);
    let no_data = chunk(ChunkType::DATA, 3, &[0xff; 12]);
    let cases = [
        (bad_stream, ChunkType::ERROR),
        (no_data, ChunkType::ABORT),
        (chunk(ChunkType(0xfe), 0, &[]), ChunkType::ERROR),
        (chunk(ChunkType::SHUTDOWN_ACK, 0, &[]), ChunkType::SHUTDOWN_COMPLETE),
    ];
    for (sent, answer) in cases {
        let mut pair = Pair::multihomed();
        let unconfirmed = ip("10.0.2.1");
        pair.set_rule(move |hop| if hop.destination == unconfirmed { Fate::Drop } else { Fate::Pass });
        let (_, z) = pair.establish();
        let association = pair.association(Side::Z, z);
        assert_eq!(association.paths().by_remote(unconfirmed).unwrap().state, PathState::Unconfirmed);
        let header = header_to(Side::Z, association.local_tag());
        pair.hops.clear();
        if answer == ChunkType::SHUTDOWN_COMPLETE {
            pair.z.endpoint.shutdown(pair.now, z).unwrap();
        }
        let chunks = [chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]), sent];
        pair.inject(Side::Z, unconfirmed, ip("10.0.1.2"), packet(header, &chunks));
        pair.drain();
        let answered = |hop: &Hop| hop.from == Side::Z && hop.has(answer);
        assert!(pair.hops.iter().any(answered), "{answer}");
        let mut to_unconfirmed = pair.hops.iter().filter(|hop| hop.destination == unconfirmed);
        let allowed =
            |chunk: &RawChunk| matches!(chunk.chunk_type, ChunkType::HEARTBEAT | ChunkType::HEARTBEAT_ACK);
        assert!(to_unconfirmed.all(|hop| hop.chunks.iter().all(allowed)), "{answer}");
    }
}

/// RFC 9260, 5.4: an address may be made the primary one before it is confirmed; data waits for that.
#[test]
fn an_unconfirmed_address_made_the_primary_one_gets_data_once_it_is_confirmed() {
    let mut pair = Pair::multihomed();
    let second = ip("10.0.2.2");
    pair.set_rule(move |hop| if hop.destination == second { Fate::Drop } else { Fate::Pass });
    let (a, z) = pair.establish();
    pair.events(Side::A);
    pair.a.endpoint.set_primary(a, second).unwrap();
    pair.drain();
    assert_eq!(pair.events(Side::A), ["10.0.2.2 MadePrimary"]);
    let paths = pair.association(Side::A, a).paths();
    assert_eq!(paths.get(paths.primary()).unwrap().address.remote, second);
    pair.hops.clear();
    pair.send(Side::A, a, b"before");
    pair.run_secs(1);
    assert!(pair.hops.iter().filter(|hop| hop.has(ChunkType::DATA)).all(|hop| hop.destination != second));
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(60);
    pair.hops.clear();
    pair.send(Side::A, a, b"after");
    pair.run_secs(1);
    let data = pair.hops.iter().find(|hop| hop.has(ChunkType::DATA)).unwrap();
    assert_eq!(data.destination, second);
    assert_eq!(pair.read(Side::Z, z), ["before", "after"]);
}

/// An association with a loopback address is one within this host, where a socket that is bound to that address reaches
/// the others, too.
/// RFC 9260, 5.1.2.
#[test]
fn all_addresses_of_a_peer_on_this_host_are_used_from_a_loopback_address() {
    let mut pair = Pair::with_addresses(&["127.0.0.1", "10.0.1.1"], &["127.0.0.1"]);
    let (a, z) = pair.establish();
    pair.run_secs(5);
    let paths = |pair: &mut Pair, side, id| {
        let paths = pair.association(side, id).paths();
        paths.iter().map(|path| (path.address.remote, path.state)).collect::<Vec<_>>()
    };
    let active = |address: &str| (ip(address), PathState::Active);
    assert_eq!(paths(&mut pair, Side::Z, z), [active("127.0.0.1"), active("10.0.1.1")]);
    assert_eq!(paths(&mut pair, Side::A, a), [active("127.0.0.1")]);
}

/// RFC 9260, 5.1.2 A and C: the source of the INIT ACK and what it lists are the peer's addresses, and no others.
/// RFC 9260, 3.3.3.
#[test]
fn addresses_from_the_user_that_the_peer_does_not_list_are_dropped() {
    for order in [["10.0.1.2", "192.0.2.9"], ["192.0.2.9", "10.0.1.2"]] {
        let mut pair = Pair::new();
        let elsewhere = ip("192.0.2.9");
        pair.set_rule(move |hop| if hop.destination == elsewhere { Fate::Drop } else { Fate::Pass });
        pair.listen(AssociationConfig::default());
        let peers = order.map(|address| PathAddress::to(ip(address))).to_vec();
        let a = pair.connect_to(Side::A, peers, AssociationConfig::default());
        pair.run_secs(5);
        assert_eq!(pair.events(Side::A), ["192.0.2.9 Removed", "up"]);
        let paths = pair.association(Side::A, a).paths();
        let left: Vec<_> = paths.iter().map(|path| (path.id, path.address.remote)).collect();
        assert_eq!(left, [(paths.primary(), ip("10.0.1.2"))]);
        pair.hops.clear();
        // Lost twice: T3-rtx would try the other address.
        pair.drop_first(2, |hop| hop.has(ChunkType::DATA));
        pair.send(Side::A, a, b"hello");
        pair.run_secs(60);
        assert!(pair.hops.iter().all(|hop| hop.destination != elsewhere));
        let z = pair.z.id();
        assert_eq!(pair.read(Side::Z, z), ["hello"]);
    }
}

/// RFC 9260, 5.1.2 C: of several, those that are listed stay, confirmed (5.4, rule 1) and usable at once.
#[test]
fn addresses_from_the_user_that_the_peer_lists_stay_confirmed() {
    let mut pair = Pair::multihomed();
    pair.listen(AssociationConfig::default());
    let peers = ["192.0.2.9", "10.0.2.2", "10.0.1.2"].map(|address| PathAddress::to(ip(address))).to_vec();
    pair.set_rule(|hop| if hop.destination == ip("192.0.2.9") { Fate::Drop } else { Fate::Pass });
    let a = pair.connect_to(Side::A, peers, AssociationConfig::default());
    pair.run_secs(5);
    assert_eq!(pair.events(Side::A), ["192.0.2.9 Removed", "up"]);
    let paths = pair.association(Side::A, a).paths();
    assert!(paths.iter().all(|path| path.state == PathState::Active));
    assert_eq!(paths.iter().map(|path| path.id.0).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(paths.get(paths.primary()).unwrap().address.remote, ip("10.0.2.2"));
}

/// Where the SACKs went since the last look.
fn sacks_to(pair: &mut Pair) -> Vec<IpAddr> {
    pair.run_secs(1);
    let sacks = pair.hops.iter().filter(|hop| hop.from == Side::Z && hop.has(ChunkType::SACK));
    let destinations = sacks.map(|hop| hop.destination).collect();
    pair.hops.clear();
    destinations
}

/// The last packet with DATA, as if it came from A's first address.
fn send_again(pair: &mut Pair, data: &Hop) {
    pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), data.bytes.clone());
}

/// RFC 9260, 6.4: the first path has failed, and with it SACKs; the peer sends again what they acknowledged on the second
/// one, and hears us there at once.
#[test]
fn data_that_comes_twice_because_the_peer_changed_the_path_is_acknowledged_where_it_comes_from() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish();
    pair.send(Side::A, a, b"hello");
    pair.run_secs(1);
    let data = last_data(&pair);
    pair.hops.clear();
    // The third time it is late: they do not arrive there either.
    for (expected, wait) in [("10.0.2.1", 0), ("10.0.2.1", 5), ("10.0.1.1", 0)] {
        (0..2).for_each(|_| pair.inject(Side::Z, ip("10.0.2.1"), ip("10.0.2.2"), data.bytes.clone()));
        pair.run_for(core::time::Duration::from_millis(300));
        let sacks = pair.hops.iter().filter(|hop| hop.from == Side::Z && hop.has(ChunkType::SACK));
        let destinations: Vec<_> = sacks.map(|hop| hop.destination).collect();
        assert!(
            !destinations.is_empty() && destinations.iter().all(|to| *to == ip(expected)),
            "{expected}: {destinations:?}"
        );
        pair.hops.clear();
        pair.run_secs(wait);
    }
}

fn last_data(pair: &Pair) -> Hop {
    pair.hops.iter().rfind(|hop| hop.has(ChunkType::DATA)).expect("DATA was sent").clone()
}

/// RFC 9260, 6.4: a duplicate may mean that SACKs do not arrive where the DATA comes from.
/// RFC 9260, 6.7.
#[test]
fn sacks_take_another_path_when_data_comes_twice_and_stay_there_while_it_comes_once() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish();
    pair.hops.clear();
    let (first, second) = (ip("10.0.1.1"), ip("10.0.2.1"));
    for expected in [[first, second], [second, first]] {
        pair.send(Side::A, a, b"hello");
        pair.drain();
        let data = last_data(&pair);
        assert_eq!(sacks_to(&mut pair), expected[..1]);
        pair.run_secs(2);
        // Twice, as in one flight.
        (0..2).for_each(|_| send_again(&mut pair, &data));
        let destinations = sacks_to(&mut pair);
        assert!(
            !destinations.is_empty() && destinations.iter().all(|to| *to == expected[1]),
            "{destinations:?}"
        );
    }
}

/// RFC 9260, 6.4: the choice is ours, and an address that does not answer is none.
#[test]
fn sacks_do_not_go_to_an_address_that_does_not_answer() {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish();
    pair.set_rule(|hop| if hop.destination == ip("10.0.1.1") { Fate::Drop } else { Fate::Pass });
    pair.run_secs(900);
    let path = pair.association(Side::Z, z).paths().by_remote(ip("10.0.1.1")).unwrap().state;
    assert_eq!(path, PathState::Inactive);
    pair.set_rule(|hop| if hop.has(ChunkType::DATA) { Fate::Drop } else { Fate::Pass });
    pair.hops.clear();
    pair.send(Side::A, a, b"hello");
    pair.drain();
    let data = last_data(&pair);
    send_again(&mut pair, &data);
    assert_eq!(sacks_to(&mut pair), [ip("10.0.2.1")]);
}

/// RFC 9260, 8.1: what is moved from path to path, sooner than T3-rtx expires, hides nobody's silence.
#[test]
fn a_peer_that_falls_silent_ends_an_association_that_uses_all_paths_at_once() {
    let mut pair = Pair::multihomed();
    let config = AssociationConfig {
        multipath: Multipath::Concurrent,
        hb_interval: None,
        ..AssociationConfig::default()
    };
    let (a, z) = pair.establish_with(config);
    // Both paths are measured.
    (0..100).for_each(|_| pair.send(Side::A, a, &[7; 1_000]));
    pair.run_secs(10);
    assert_eq!(pair.read(Side::Z, z).len(), 100);
    pair.events(Side::A);
    pair.set_rule(|_| Fate::Drop);
    pair.send(Side::A, a, b"nobody hears it");
    pair.run_secs(600);
    let events = pair.events(Side::A);
    assert_eq!(events.last().map(String::as_str), Some("lost: TimedOut"), "{events:?}");
}
