//! Supervision and time limits (RFC 9260, 8, 9.2; RFC 6458, 8.1.8).

use super::harness::{Fate, Pair, Side, ip};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::wire::chunk::ChunkType;
use bytes::Bytes;
use core::time::Duration;

/// RFC 9260, 3.3.5.
#[test]
fn an_idle_path_is_probed_once_per_interval_and_rto() {
    // 8.3: RTO + HB.interval, with a jitter of half the RTO.
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    pair.run_secs(3_100);
    let sent = pair.association(Side::A, a).paths().iter().next().unwrap().stats.heartbeats_sent;
    assert!((96..=104).contains(&sent), "{sent}");
}

#[test]
fn heartbeats_can_be_turned_off_and_on_and_asked_for() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.a.endpoint.update_config(a, |config| config.hb_interval = None).unwrap();
    pair.z.endpoint.update_config(z, |config| config.hb_interval = None).unwrap();
    pair.take_trace();
    pair.run_secs(1_000);
    assert!(pair.take_trace().is_empty());
    let now = pair.now;
    pair.a.endpoint.request_heartbeat(now, a, ip("10.0.1.2")).unwrap();
    let unknown = pair.a.endpoint.request_heartbeat(now, a, ip("10.9.9.9"));
    assert_eq!(unknown, Err(CommandError::UnknownAddress(ip("10.9.9.9"))));
    pair.run_secs(1);
    assert_eq!(pair.take_trace(), ["A -> HEARTBEAT -> Z", "Z -> HEARTBEAT_ACK -> A"]);
    pair.a.endpoint.update_config(a, |config| config.hb_interval = Some(Duration::from_secs(1))).unwrap();
    pair.run_secs(20);
    assert!(pair.take_trace().len() > 12);
}

#[test]
fn data_that_is_never_acknowledged_ends_the_association_after_max_retrans() {
    // 8.1. HEARTBEATs would count as well.
    let mut pair = Pair::new();
    let (a, _) = pair.establish_with(AssociationConfig { hb_interval: None, ..Default::default() });
    pair.events(Side::A);
    pair.set_rule(|_| Fate::Drop);
    pair.send(Side::A, a, b"into the void");
    pair.run_secs(600);
    let events = pair.events(Side::A);
    let path = ["10.0.1.2 PotentiallyFailed", "10.0.1.2 Unreachable"];
    assert_eq!(events, [path.as_slice(), &["failed 0", "lost: TimedOut"]].concat());
    let data = pair.hops.iter().filter(|hop| hop.from == Side::A && hop.has(ChunkType::DATA)).count();
    assert_eq!(data, 11, "once, and Association.Max.Retrans times again");
}

/// RFC 9260, 9.2.
#[test]
fn a_shutdown_that_nobody_answers_ends_after_max_retrans() {
    let mut pair = Pair::new();
    // So few that T5 has no part in it.
    let config = AssociationConfig { association_max_retrans: 4, ..AssociationConfig::default() };
    let (a, _) = pair.establish_with(config);
    pair.events(Side::A);
    pair.set_rule(|_| Fate::Drop);
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_secs(600);
    assert_eq!(pair.events(Side::A), ["lost: TimedOut"]);
    let sent = pair.hops.iter().filter(|hop| hop.has(ChunkType::SHUTDOWN)).count();
    assert_eq!(sent, 5, "once, and Association.Max.Retrans times again");
    assert!(!pair.hops.iter().any(|hop| hop.has(ChunkType::ABORT)));
}

#[test]
fn t5_bounds_a_shutdown_whose_peer_answers_everything_but_shutdown() {
    // 9.2: 5 * RTO.Max, then ABORT. The count of retransmissions never gets as far as that.
    let mut pair = Pair::new();
    let config = AssociationConfig { association_max_retrans: 4, ..AssociationConfig::default() };
    let (a, z) = pair.establish_with(config);
    let tag = pair.association(Side::A, a).local_tag();
    pair.set_rule(|hop| if hop.has(ChunkType::SHUTDOWN) { Fate::Drop } else { Fate::Pass });
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    for second in 0..310 {
        let ended = pair.state(Side::A, a) == AssociationState::Closed;
        assert_eq!(ended, second >= 300, "after {second} s");
        // Any packet restarts T2 and its count.
        let header = super::harness::header_to(Side::A, tag);
        let (to, from) = (pair.address(Side::A), pair.address(Side::Z));
        pair.inject(Side::A, from, to, super::harness::packet(header, &[]));
        pair.run_secs(1);
    }
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
    assert!(pair.take_trace().contains(&"A -> ABORT -> Z".to_string()));
}

#[test]
fn autoclose_ends_an_association_without_user_data() {
    let mut pair = Pair::new();
    let config = AssociationConfig { autoclose: Some(Duration::from_secs(100)), ..Default::default() };
    let (a, z) = pair.establish_with(config);
    pair.run_secs(90);
    pair.send(Side::Z, z, b"still here");
    pair.run_secs(90);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    pair.run_secs(11);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
}

/// RFC 9260, 3.3.7, 8.5.1.
#[test]
fn an_abort_brings_the_users_reason_to_the_peer() {
    // RFC 9260, 9.1 and 3.3.10.12.
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    let now = pair.now;
    pair.a.endpoint.abort(now, a, Bytes::from_static(b"enough")).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.events(Side::A), ["up", "lost: UserAborted"]);
    assert_eq!(pair.events(Side::Z), ["up", "lost: PeerAborted { cause: Some(12), value: b\"enough\" }"]);
    assert_eq!(pair.a.endpoint.abort(now, a, Bytes::new()), Err(CommandError::Closed));
}

/// RFC 6458, 8.1.3: sinit_max_init_timeo bounds the time-out of INIT, and of nothing else.
#[test]
fn an_init_waits_no_longer_than_the_user_allows() {
    let mut pair = Pair::new();
    pair.set_rule(|_| Fate::Drop);
    let config = AssociationConfig {
        max_init_timeout: Some(Duration::from_millis(1_500)),
        max_init_retransmits: 4,
        ..AssociationConfig::default()
    };
    let begun = pair.now;
    let a = pair.connect(config);
    // 1 s, and then 1.5 s instead of 2, 4, 8, 16 s.
    pair.run_for(Duration::from_millis(6_900));
    assert_eq!(pair.state(Side::A, a), AssociationState::CookieWait);
    pair.run_for(Duration::from_millis(200));
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed, "{:?}", pair.now - begun);
    assert_eq!(pair.hops.len(), 5);
}

/// RFC 6458, 8.1.2: sasoc_cookie_life of a listener; RFC 9260, 5.2.6.
#[test]
fn the_cookies_of_a_listener_live_as_long_as_it_says() {
    let stale_with = |cookie_life| {
        let mut pair = Pair::new();
        pair.listen(AssociationConfig { cookie_life, ..AssociationConfig::default() });
        let mut lost = false;
        // The first COOKIE ECHO is lost; the next one leaves an RTO later.
        pair.set_rule(move |hop| {
            let is_first = hop.has(ChunkType::COOKIE_ECHO) && !core::mem::replace(&mut lost, true);
            if is_first { Fate::Drop } else { Fate::Pass }
        });
        let a = pair.connect(AssociationConfig::default());
        pair.run_secs(10);
        assert_eq!(pair.state(Side::A, a), AssociationState::Established);
        pair.trace.iter().any(|line| line == "Z -> ERROR -> A")
    };
    assert!(!stale_with(None));
    assert!(stale_with(Some(Duration::from_millis(500))));
}
