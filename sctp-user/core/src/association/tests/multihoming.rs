//! Several addresses (RFC 9260, 5.1.2, 5.4, 6.4, 8.1 to 8.3).

use super::harness::{Fate, Pair, Side, ip};
use crate::path::PathState;
use crate::wire::chunk::ChunkType;

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
}

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
    assert_eq!(pair.events(Side::A), ["10.0.1.2 Unreachable"]);
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
