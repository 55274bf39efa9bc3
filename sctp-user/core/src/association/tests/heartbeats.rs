//! What confirms a path, and what clears its errors (RFC 9260, 5.4, 8.2, 8.3).

use super::harness::{DELAY, Fate, Pair, Side, chunk, init, ip};
use crate::config::AssociationConfig;
use crate::path::PathState;
use crate::wire::chunk::ChunkType;
use core::time::Duration;
use std::collections::BTreeSet;

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
        potentially_failed_max_retrans: None,
        // Their answers would clear the counter, too.
        hb_interval: None,
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

/// RFC 9260, 8.1 to 8.3: what is lost on an idle path counts for that path and not for the association, as long as the
/// path that data takes works. The path becomes inactive, its counter stays, HEARTBEATs go on and bring it back.
/// RFC 9260, 8.2.
#[test]
fn what_is_lost_on_an_idle_path_does_not_end_the_association() {
    let mut pair = Pair::multihomed();
    let config = AssociationConfig {
        // A single error that counted would be one too many.
        association_max_retrans: 0,
        potentially_failed_max_retrans: None,
        ..AssociationConfig::default()
    };
    let most = config.path_max_retrans + 1;
    let (a, _) = pair.establish_with(config);
    pair.events(Side::A);
    let idle = ip("10.0.2.2");
    pair.set_rule(move |hop| if hop.destination == idle { Fate::Drop } else { Fate::Pass });
    let beats = |pair: &Pair| {
        pair.hops.iter().filter(|hop| hop.destination == idle && hop.has(ChunkType::HEARTBEAT)).count()
    };
    let mut told = Vec::new();
    for _ in 0..20 {
        pair.hops.clear();
        pair.run_secs(200);
        assert!(beats(&pair) > 0);
        told.extend(pair.events(Side::A));
        let path = pair.association(Side::A, a).paths().by_remote(idle).unwrap();
        let (state, errors) = (path.state, path.error_count);
        assert_eq!(state == PathState::Inactive, errors == most, "{errors}");
    }
    assert_eq!(told, ["10.0.2.2 Unreachable"]);
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(200);
    assert_eq!(pair.events(Side::A), ["10.0.2.2 Available"]);
    let path = pair.association(Side::A, a).paths().by_remote(idle).unwrap();
    assert_eq!((path.state, path.error_count), (PathState::Active, 0));
}

/// RFC 9260, 8.1, 8.3: lost HEARTBEATs that are not in a row never add up to a lost path or association.
#[test]
fn a_heartbeat_ack_clears_the_errors_and_measures_the_round_trip() {
    let mut pair = Pair::new();
    let config = AssociationConfig {
        association_max_retrans: 3,
        path_max_retrans: 2,
        potentially_failed_max_retrans: None,
        rto_min: Duration::from_millis(1),
        ..AssociationConfig::default()
    };
    let (a, z) = pair.establish_with(config);
    pair.z.endpoint.update_config(z, |config| config.hb_interval = None).unwrap();
    pair.events(Side::A);
    for _ in 0..8 {
        pair.drop_first(1, |hop| hop.has(ChunkType::HEARTBEAT));
        pair.run_secs(200);
    }
    assert!(pair.events(Side::A).is_empty());
    let path = pair.association(Side::A, a).paths().iter().next().unwrap();
    assert_eq!((path.error_count, path.rtt.srtt()), (0, Some(2 * DELAY)));
    assert!(path.rto() < Duration::from_millis(100), "many measurements of the same: {:?}", path.rto());
}

/// RFC 9260, 5.4: with HB.Max.Burst 1 one HEARTBEAT each RTO, else a peer could make us flood the addresses it lists. The
/// first one leaves at once, or after the first RTO.
#[test]
fn unconfirmed_addresses_are_probed_a_burst_at_a_time() {
    for (hb_max_burst, probes_at_once, expected) in
        [(1, true, [1, 2, 3]), (2, true, [2, 4, 4]), (1, false, [0, 1, 2])]
    {
        let mut pair = Pair::new();
        pair.listen(AssociationConfig { hb_max_burst, probes_at_once, ..AssociationConfig::default() });
        let listed = ["10.0.1.5", "10.0.1.6", "10.0.1.7", "10.0.1.8"];
        pair.set_rule(|_| Fate::Drop);
        pair.forge(Side::Z, 0, &[init(7, &listed)]);
        pair.drain();
        let (cookie, tag) = pair.last_cookie();
        pair.forge(Side::Z, tag, &[cookie]);
        for (second, expected) in (0..).zip(expected) {
            pair.run_for(Duration::from_millis(if second == 0 { 500 } else { 1_000 }));
            let probed: BTreeSet<_> = pair
                .hops
                .iter()
                .filter(|hop| hop.has(ChunkType::HEARTBEAT))
                .map(|hop| hop.destination)
                .collect();
            assert_eq!(probed.len(), expected, "{hb_max_burst}, after {second} RTOs");
        }
    }
}
