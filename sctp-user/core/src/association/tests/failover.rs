//! Quick failover, dormant state and the switch of the primary path (RFC 7829).

use super::harness::{Fate, Hop, Pair, Side, chunk, ip};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::error::{CommandError, ConnectError, ListenError};
use crate::event::AssociationId;
use crate::net::PathAddress;
use crate::path::{PathState, ThresholdError, Thresholds};
use crate::time::Time;
use crate::wire::chunk::ChunkType;
use core::time::Duration;

const FIRST: &str = "10.0.1.2";
const SECOND: &str = "10.0.2.2";

/// Two paths; A is to send. Events so far are forgotten.
fn established(config: AssociationConfig) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish_with(config);
    pair.events(Side::A);
    pair.hops.clear();
    (pair, a, z)
}

fn kill(pair: &mut Pair, dead: &'static [&'static str]) {
    pair.set_rule(move |hop| {
        let dead = dead.iter().any(|text| [hop.destination, hop.source].contains(&ip(text)));
        if dead { Fate::Drop } else { Fate::Pass }
    });
}

/// State and errors of A's path to `remote`.
fn path(pair: &mut Pair, a: AssociationId, remote: &str) -> (PathState, u32) {
    let path = pair.association(Side::A, a).paths().by_remote(ip(remote)).unwrap();
    (path.state, path.error_count)
}

fn sent_to(pair: &Pair, remote: &str, chunk_type: ChunkType) -> usize {
    let sent = |hop: &&Hop| hop.from == Side::A && hop.destination == ip(remote) && hop.has(chunk_type);
    pair.hops.iter().filter(sent).count()
}

/// RFC 7829, 3.2, rules 2, 3 and 12, and 7.1.
#[test]
fn the_first_timeout_moves_data_to_an_active_path_and_says_so() {
    let (mut pair, a, z) = established(AssociationConfig::default());
    kill(&mut pair, &[FIRST]);
    pair.send(Side::A, a, b"times out");
    pair.run_for(Duration::from_millis(1_100));
    assert_eq!(pair.events(Side::A), ["10.0.1.2 PotentiallyFailed"]);
    assert_eq!(path(&mut pair, a, FIRST), (PathState::PotentiallyFailed, 1));
    pair.hops.clear();
    (0..5).for_each(|_| pair.send(Side::A, a, b"goes round"));
    pair.run_secs(1);
    assert_eq!(sent_to(&pair, FIRST, ChunkType::DATA), 0);
    assert_eq!(pair.read(Side::Z, z).len(), 6);
    assert_eq!(path(&mut pair, a, SECOND), (PathState::Active, 0));
}

/// RFC 7829, 3.2, rules 5 and 6: HB.interval is ignored, and each unanswered HEARTBEAT is an error and doubles the RTO;
/// rule 8: then the path is inactive, the user is told, and HB.interval counts again.
#[test]
fn a_potentially_failed_path_is_probed_each_rto_until_it_is_inactive() {
    let (mut pair, a, _) = established(AssociationConfig::default());
    kill(&mut pair, &[FIRST]);
    pair.send(Side::A, a, b"times out");
    pair.run_secs(70);
    let to_first = |hop: &&Hop| hop.destination == ip(FIRST) && hop.has(ChunkType::HEARTBEAT);
    assert_eq!(pair.hops.iter().filter(to_first).count(), 5, "PMR - PFMR");
    assert_eq!(path(&mut pair, a, FIRST), (PathState::Inactive, 6));
    assert_eq!(pair.events(Side::A), ["10.0.1.2 PotentiallyFailed", "10.0.1.2 Unreachable"]);
    pair.hops.clear();
    pair.run_secs(600);
    let slow = pair.hops.iter().filter(to_first).count();
    assert!((4..=12).contains(&slow), "{slow} in ten minutes");
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

/// RFC 7829, 3.2, rule 5: where heartbeats are off, none is sent.
#[test]
fn without_heartbeats_a_potentially_failed_path_is_not_probed() {
    let (mut pair, a, z) = established(AssociationConfig { hb_interval: None, ..Default::default() });
    kill(&mut pair, &[FIRST]);
    pair.send(Side::A, a, b"times out");
    pair.run_secs(100);
    assert_eq!(sent_to(&pair, FIRST, ChunkType::HEARTBEAT), 0);
    assert_eq!(path(&mut pair, a, FIRST), (PathState::PotentiallyFailed, 1));
    assert_eq!(pair.read(Side::Z, z).len(), 1);
}

/// RFC 7829, 3.2, rule 7, and 7.1 (it leaves the state).
#[test]
fn a_heartbeat_ack_brings_a_potentially_failed_path_back() {
    let (mut pair, a, _) = established(AssociationConfig::default());
    pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
    pair.send(Side::A, a, b"lost once");
    pair.run_for(Duration::from_millis(1_100));
    assert_eq!(pair.events(Side::A), ["10.0.1.2 PotentiallyFailed", "10.0.1.2 Available"]);
    assert_eq!(path(&mut pair, a, FIRST), (PathState::Active, 0));
    assert_eq!(sent_to(&pair, SECOND, ChunkType::DATA), 1);
    pair.send(Side::A, a, b"home again");
    pair.run_secs(1);
    assert_eq!(sent_to(&pair, FIRST, ChunkType::DATA), 2, "the lost one and the new one");
    // 7.2 of RFC 9260: the window is what the time-out left.
    let cwnd = pair.association(Side::A, a).paths().by_remote(ip(FIRST)).unwrap().congestion.cwnd();
    assert!(cwnd <= 2 * 1_468, "{cwnd}");
}

/// RFC 7829, 3.2, rule 9.
#[test]
fn an_acknowledgement_of_what_went_to_two_addresses_clears_no_errors() {
    let config = AssociationConfig { hb_interval: None, ..AssociationConfig::default() };
    let (mut pair, a, z) = established(config);
    // Data to the second address is lost, too, so that the first one gets it again at the end.
    pair.drop_first(2, |hop| hop.has(ChunkType::DATA));
    pair.send(Side::A, a, b"twice lost");
    pair.run_secs(20);
    assert_eq!(pair.read(Side::Z, z).len(), 1);
    assert_eq!(path(&mut pair, a, FIRST), (PathState::PotentiallyFailed, 1));
    assert_eq!(path(&mut pair, a, SECOND), (PathState::PotentiallyFailed, 1));
    // Rule 10: data that went there only.
    pair.send(Side::A, a, b"once");
    pair.run_secs(1);
    assert_eq!(path(&mut pair, a, FIRST), (PathState::Active, 0));
    assert_eq!(path(&mut pair, a, SECOND), (PathState::PotentiallyFailed, 1));
}

/// RFC 7829, 3.2, rule 4, and rule 6: what T3-rtx says of data is not counted again for the HEARTBEAT beside it, so that
/// a peer with one address is not given up sooner than without quick failover.
#[test]
fn a_single_path_is_given_up_no_sooner_than_in_plain_sctp() {
    let lost_after = |potentially_failed_max_retrans| {
        let mut pair = Pair::new();
        let config = AssociationConfig { potentially_failed_max_retrans, ..Default::default() };
        let (a, _) = pair.establish_with(config);
        pair.set_rule(|_| Fate::Drop);
        pair.send(Side::A, a, b"into the void");
        let start = pair.now;
        while pair.state(Side::A, a) != AssociationState::Closed {
            pair.run_secs(1);
        }
        pair.now - start
    };
    let (plain, quick) = (lost_after(None), lost_after(Some(0)));
    assert!(quick >= plain, "{quick:?} against {plain:?}");
}

/// RFC 7829, 3.2, rule 4 and 4.1: while all paths fail data tries that with the fewest errors, whose state stays.
#[test]
fn data_goes_on_while_all_paths_are_failing_and_none_is_changed_by_that() {
    let config =
        AssociationConfig { association_max_retrans: 100, path_max_retrans: 2, ..Default::default() };
    let (mut pair, a, z) = established(config);
    kill(&mut pair, &[FIRST, SECOND]);
    pair.send(Side::A, a, b"patient");
    pair.run_secs(400);
    let dormant = [FIRST, SECOND].map(|remote| path(&mut pair, a, remote));
    assert!(dormant.iter().all(|&(state, errors)| state == PathState::Inactive && errors > 3), "{dormant:?}");
    assert!(dormant[0].1.abs_diff(dormant[1].1) <= 1, "they take turns: {dormant:?}");
    assert!(sent_to(&pair, FIRST, ChunkType::DATA) > 3 && sent_to(&pair, SECOND, ChunkType::DATA) > 3);
    kill(&mut pair, &[FIRST]);
    pair.run_secs(200);
    assert_eq!(pair.read(Side::Z, z).len(), 1);
}

/// RFC 7829, 5, rules 2 and 3.
#[test]
fn the_primary_path_is_switched_for_good_where_that_is_wanted() {
    for (psmr, home) in [(None, FIRST), (Some(0), SECOND)] {
        let config = AssociationConfig { primary_switchover_max_retrans: psmr, ..Default::default() };
        let (mut pair, a, _) = established(config);
        pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
        pair.send(Side::A, a, b"lost once");
        pair.run_secs(5);
        let made_primary = pair.events(Side::A).contains(&"10.0.2.2 MadePrimary".to_owned());
        assert_eq!(made_primary, psmr.is_some());
        assert_eq!(path(&mut pair, a, FIRST).0, PathState::Active);
        pair.hops.clear();
        pair.send(Side::A, a, b"where to?");
        pair.run_secs(1);
        assert_eq!(sent_to(&pair, home, ChunkType::DATA), 1);
        // Rule 3: a primary path of before serves again when the present one fails.
        kill(&mut pair, &[SECOND]);
        pair.send(Side::A, a, b"and back");
        pair.run_secs(5);
        assert!(sent_to(&pair, FIRST, ChunkType::DATA) > 0);
    }
}

/// RFC 7829, 3.2, rule 12, and 7.3.
#[test]
fn what_is_not_exposed_is_not_told() {
    let config = AssociationConfig { expose_potentially_failed: false, ..Default::default() };
    let (mut pair, a, _) = established(config);
    pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
    pair.send(Side::A, a, b"lost once");
    pair.run_secs(5);
    assert!(pair.events(Side::A).is_empty());
    kill(&mut pair, &[FIRST]);
    pair.send(Side::A, a, b"lost");
    pair.run_secs(100);
    assert_eq!(pair.events(Side::A), ["10.0.1.2 Unreachable"]);
}

/// RFC 7829, 5, rule 1, and 7.2.
#[test]
fn thresholds_that_do_not_fit_together_are_refused_and_change_nothing() {
    let bad = AssociationConfig {
        potentially_failed_max_retrans: Some(2),
        primary_switchover_max_retrans: Some(1),
        ..AssociationConfig::default()
    };
    let error = ThresholdError { switchover: 1, least: 2 };
    let (mut pair, a, _) = established(AssociationConfig::default());
    let endpoint = &mut pair.a.endpoint;
    let listen = crate::endpoint::ListenOptions { config: bad.clone(), ..Default::default() };
    assert_eq!(endpoint.listen(99, listen), Err(ListenError::Thresholds(error)));
    let request = crate::endpoint::ConnectRequest {
        local_port: 98,
        local_addresses: Vec::new(),
        peers: vec![PathAddress::to(ip(FIRST))],
        peer_port: 1,
        config: bad.clone(),
    };
    assert_eq!(endpoint.connect(pair.now, request), Err(ConnectError::Thresholds(error)));
    let changed = endpoint.update_config(a, |config| *config = bad.clone());
    assert_eq!(changed, Err(CommandError::Thresholds(error)));
    assert_eq!(endpoint.association(a).unwrap().config().potentially_failed_max_retrans, Some(0));
    let set = endpoint.set_thresholds(a, ip(FIRST), Thresholds::of(&bad));
    assert_eq!(set, Err(CommandError::Thresholds(error)));
}

/// RFC 7829, 7.2: an address may have thresholds of its own.
#[test]
fn each_path_has_its_own_thresholds() {
    let (mut pair, a, _) = established(AssociationConfig::default());
    let default = Thresholds::of(&AssociationConfig::default());
    let own = Thresholds { path_max_retrans: 1, potentially_failed_max_retrans: None, ..default };
    pair.a.endpoint.set_thresholds(a, ip(FIRST), own).unwrap();
    let unknown = pair.a.endpoint.set_thresholds(a, ip("10.9.9.9"), own);
    assert_eq!(unknown, Err(CommandError::UnknownAddress(ip("10.9.9.9"))));
    kill(&mut pair, &[FIRST, SECOND]);
    pair.send(Side::A, a, b"void");
    pair.run_secs(20);
    assert_eq!(path(&mut pair, a, FIRST), (PathState::Inactive, 2));
    assert_eq!(path(&mut pair, a, SECOND).0, PathState::PotentiallyFailed);
    // Those of the association, when changed, are for all paths (the wildcard address).
    pair.a.endpoint.update_config(a, |config| config.path_max_retrans = 9).unwrap();
    let paths = pair.association(Side::A, a).paths();
    assert!(paths.iter().all(|path| path.thresholds == Thresholds { path_max_retrans: 9, ..default }));
}

/// The promise of `docs/failover.md`: with the fast settings no gap in a bulk transfer is as long as a second.
#[test]
fn with_fast_settings_a_failed_path_stops_bulk_data_for_less_than_a_second() {
    let config = AssociationConfig::fast_failover();
    let (mut pair, a, z) = established(config);
    let (mut last, mut longest) = (pair.now, Duration::ZERO);
    let start: Time = pair.now;
    while pair.now - start < Duration::from_secs(10) {
        if pair.now - start >= Duration::from_secs(2) {
            kill(&mut pair, &[FIRST]);
        }
        if pair.association(Side::A, a).send_space() > 100_000 {
            pair.send(Side::A, a, &[7; 50_000]);
        }
        pair.run_for(Duration::from_millis(5));
        if !pair.read(Side::Z, z).is_empty() {
            longest = longest.max(pair.now - last);
            last = pair.now;
        }
    }
    longest = longest.max(pair.now - last);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert!(longest > Duration::from_millis(200), "the path did fail: {longest:?}");
}

/// RFC 7829, 8: whoever cannot lose packets of ours cannot make a path fail; a forged HEARTBEAT ACK brings none back.
#[test]
fn a_forged_heartbeat_ack_does_not_bring_a_path_back() {
    let (mut pair, a, _) = established(AssociationConfig::default());
    kill(&mut pair, &[FIRST]);
    pair.send(Side::A, a, b"times out");
    pair.run_for(Duration::from_millis(1_500));
    let tag = pair.association(Side::A, a).local_tag();
    let info = [&[0, 1, 0, 13], [0xab; 8].as_slice(), &[0, 0, 0, 0]].concat();
    pair.forge(Side::A, tag, &[chunk(ChunkType::HEARTBEAT_ACK, 0, &info)]);
    assert_eq!(path(&mut pair, a, FIRST).0, PathState::PotentiallyFailed);
}

/// RFC 6458, 6.1.2: spc_error says whether a HEARTBEAT or data showed that the path works.
#[test]
fn it_is_told_what_brought_a_path_back() {
    use crate::event::{Event, PathChange, SignOfLife};
    let sign_after = |hb_interval| {
        let (mut pair, a, _) = established(AssociationConfig { hb_interval, ..AssociationConfig::default() });
        kill(&mut pair, &[FIRST, SECOND]);
        pair.send(Side::A, a, b"held up");
        pair.run_secs(3);
        kill(&mut pair, &[]);
        pair.a.events.clear();
        if hb_interval.is_some() {
            // The HEARTBEATs come first: data waits for its time-out, which has doubled.
            let now = pair.now;
            pair.a.endpoint.request_heartbeat(now, a, ip(FIRST)).unwrap();
        }
        pair.run_secs(60);
        // RFC 7829, 3.2, rule 10: what was sent to two addresses says nothing of either; this goes to one.
        pair.send(Side::A, a, b"later");
        pair.run_secs(1);
        let mut events = pair.a.events.iter();
        events.find_map(|(_, event)| match event {
            Event::PathChanged { change: PathChange::Available(sign), .. } => Some(*sign),
            _ => None,
        })
    };
    assert_eq!(sign_after(Some(Duration::from_secs(30))), Some(SignOfLife::Heartbeat));
    assert_eq!(sign_after(None), Some(SignOfLife::Acknowledgement));
}
