//! What confirms a path, and what clears its errors (RFC 9260, 5.4, 8.2, 8.3).

use super::harness::{Fate, Pair, Side, chunk, ip};
use crate::config::AssociationConfig;
use crate::path::PathState;
use crate::wire::chunk::ChunkType;

/// RFC 9260, 5.4 and 3.3.5: the nonce of 64 bits must be the one that was sent, else whoever guesses that a HEARTBEAT is under way could
/// confirm an address that is not the peer's.
#[test]
fn a_heartbeat_ack_with_another_nonce_confirms_nothing() {
    let mut pair = Pair::multihomed();
    let unconfirmed = ip("10.0.2.1");
    pair.set_rule(move |hop| if hop.destination == unconfirmed { Fate::Drop } else { Fate::Pass });
    let (_, z) = pair.establish();
    let path = pair.association(Side::Z, z).paths().by_remote(unconfirmed).unwrap();
    let (id, (nonce, _)) = (path.id, path.heartbeat.pending.expect("a probe is under way"));
    let tag = pair.association(Side::Z, z).local_tag();
    let mut ack = |nonce: u64| {
        let mut info = vec![0, 1, 0, 13];
        info.extend(nonce.to_be_bytes());
        info.extend([id.0, 0, 0, 0]);
        pair.forge(Side::Z, tag, &[chunk(ChunkType::HEARTBEAT_ACK, 0, &info)]);
        pair.association(Side::Z, z).paths().by_remote(unconfirmed).unwrap().state
    };
    assert_eq!(ack(nonce ^ 1), PathState::Unconfirmed);
    assert_eq!(ack(nonce), PathState::Active, "the right nonce in the same form does");
}

/// RFC 9260, 8.2: the counter is of errors in a row.
#[test]
fn an_acknowledgement_clears_the_errors_of_its_path() {
    let mut pair = Pair::new();
    let config = AssociationConfig { hb_interval: None, ..AssociationConfig::default() };
    let (a, z) = pair.establish_with(config.clone());
    pair.events(Side::A);
    let rounds = 2 * config.path_max_retrans as usize + 2;
    for _ in 0..rounds {
        pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
        pair.send(Side::A, a, b"lost once");
        pair.run_secs(120);
        pair.send(Side::A, a, b"not lost");
        pair.run_secs(1);
    }
    assert_eq!(pair.read(Side::Z, z).len(), 2 * rounds);
    // RFC 7829, 3.2, rule 9: the acknowledgement of what was sent twice to one address clears its errors.
    let in_turn = ["10.0.1.2 PotentiallyFailed", "10.0.1.2 Available"].repeat(rounds);
    assert_eq!(pair.events(Side::A), in_turn, "neither the path nor the association is given up");
    let errors: Vec<_> = pair.association(Side::A, a).paths().iter().map(|path| path.error_count).collect();
    assert_eq!(errors, [0]);
}

/// RFC 9260, 8.1: errors on one path and acknowledgements from another one do not add up to a lost association.
#[test]
fn an_acknowledgement_clears_the_errors_of_the_association() {
    let mut pair = Pair::multihomed();
    let config = AssociationConfig {
        association_max_retrans: 3,
        path_max_retrans: 20,
        ..AssociationConfig::default()
    };
    let (a, z) = pair.establish_with(config);
    // The first attempt is always lost, the one on the other path never.
    let dead = ip("10.0.1.2");
    pair.set_rule(move |hop| if hop.destination == dead { Fate::Drop } else { Fate::Pass });
    for _ in 0..8 {
        pair.send(Side::A, a, b"to and fro");
        pair.run_secs(100);
    }
    assert_eq!(pair.read(Side::Z, z).len(), 8);
    assert!(pair.association(Side::A, a).paths().by_remote(dead).unwrap().error_count > 3);
}
