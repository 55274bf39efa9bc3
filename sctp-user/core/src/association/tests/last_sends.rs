//! What a user with queues of its own may send after a SHUTDOWN has come (RFC 9260, 9.2).

use super::harness::{DELAY, Fate, Pair, Side};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::event::AssociationId;
use crate::message::SendOptions;
use crate::wire::chunk::ChunkType;
use bytes::Bytes;
use core::time::Duration;

fn awaiting() -> AssociationConfig {
    AssociationConfig { awaits_last_sends: true, ..AssociationConfig::default() }
}

/// A has sent SHUTDOWN, Z has it and waits for its user.
fn shut_down_by_a(config: AssociationConfig) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config);
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_for(Duration::from_millis(500));
    assert_eq!(pair.events(Side::Z), ["up", "ShutdownReceived"]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::ShutdownReceived);
    assert!(pair.association(Side::Z, z).awaits_last_sends());
    (pair, a, z)
}

fn finish(pair: &mut Pair, z: AssociationId) {
    let now = pair.now;
    pair.z.endpoint.finish_sending(now, z).unwrap();
}

fn send_late(pair: &mut Pair, z: AssociationId) -> Result<(), SendError> {
    let now = pair.now;
    pair.z.endpoint.send(now, z, &SendOptions::default(), Bytes::from_static(b"late"))
}

/// RFC 9260, 9.2: what was given before is delivered before the SHUTDOWN ACK, and nothing is taken behind it.
#[test]
fn the_last_sends_are_delivered_before_the_shutdown_is_acknowledged() {
    let (mut pair, a, z) = shut_down_by_a(awaiting());
    let large = vec![7; 50_000];
    pair.send(Side::Z, z, &large);
    pair.run_secs(2);
    pair.send(Side::Z, z, b"the last");
    pair.send(Side::Z, z, b"the very last");
    assert!(!pair.hops.iter().any(|hop| hop.has(ChunkType::SHUTDOWN_ACK)));
    finish(&mut pair, z);
    assert_eq!(send_late(&mut pair, z), Err(SendError::ShuttingDown));
    pair.run_secs(2);
    assert_eq!(pair.read(Side::A, a), [&large[..], b"the last", b"the very last"]);
    assert_eq!(pair.events(Side::A).last().unwrap(), "ShutdownComplete");
    assert_eq!(pair.events(Side::Z).last().unwrap(), "ShutdownComplete");
}

/// RFC 9260, 9.2, with T2 and T3 making up for what is lost.
#[test]
fn the_last_sends_survive_losses() {
    for lost in [ChunkType::DATA, ChunkType::SACK, ChunkType::SHUTDOWN, ChunkType::SHUTDOWN_ACK] {
        let (mut pair, a, z) = shut_down_by_a(awaiting());
        pair.drop_first(2, move |hop| hop.has(lost));
        pair.send(Side::Z, z, b"one");
        pair.run_for(DELAY);
        pair.send(Side::Z, z, b"two");
        finish(&mut pair, z);
        pair.run_secs(30);
        assert_eq!(pair.read(Side::A, a), ["one", "two"], "{lost}");
        assert_eq!(pair.events(Side::A).last().unwrap(), "ShutdownComplete", "{lost}");
        assert_eq!(pair.events(Side::Z).last().unwrap(), "ShutdownComplete", "{lost}");
    }
}

/// RFC 9260, 9.2: the upper layer's SHUTDOWN is no reason to send one then.
#[test]
fn a_shutdown_of_the_user_means_that_nothing_more_comes() {
    let (mut pair, a, z) = shut_down_by_a(awaiting());
    pair.send(Side::Z, z, b"the last");
    let now = pair.now;
    pair.z.endpoint.shutdown(now, z).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.read(Side::A, a), ["the last"]);
    assert_eq!(pair.events(Side::Z).last().unwrap(), "ShutdownComplete");
    assert!(!pair.trace.iter().any(|line| line.starts_with("Z") && line.contains("-> SHUTDOWN ->")));
}

/// RFC 9260, 9.1: an abort waits for nothing.
#[test]
fn an_abort_ends_the_wait() {
    let (mut pair, _, z) = shut_down_by_a(awaiting());
    pair.send(Side::Z, z, b"not any more");
    let now = pair.now;
    pair.z.endpoint.abort(now, z, Bytes::new()).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
    assert!(pair.events(Side::A).last().unwrap().starts_with("lost"));
}

/// RFC 9260, 9.2: T5-shutdown-guard is five times RTO.Max, and the peer's has expired by then.
#[test]
fn a_user_that_says_nothing_holds_the_association_no_longer_than_t5_runs() {
    let config = AssociationConfig { rto_max: Duration::from_secs(2), ..awaiting() };
    let (mut pair, _, z) = shut_down_by_a(config);
    pair.set_rule(|hop| if hop.from == Side::A { Fate::Drop } else { Fate::Pass });
    pair.run_for(Duration::from_millis(9_400));
    assert!(pair.association(Side::Z, z).awaits_last_sends());
    pair.run_for(Duration::from_millis(200));
    assert_eq!(pair.state(Side::Z, z), AssociationState::ShutdownAckSent);
    assert_eq!(send_late(&mut pair, z), Err(SendError::ShuttingDown));
}

/// RFC 6458, 8.1.26 (explicit end of record) beside RFC 9260, 9.2: a message is whole, or the end is no good one.
#[test]
fn the_rest_of_a_message_is_a_last_send_and_its_lack_aborts() {
    for whole in [true, false] {
        let mut pair = Pair::new();
        let (a, z) = pair.establish_with(awaiting());
        let begins = SendOptions { more: true, ..SendOptions::default() };
        let now = pair.now;
        pair.z.endpoint.send(now, z, &begins, Bytes::from_static(b"begin")).unwrap();
        pair.a.endpoint.shutdown(now, a).unwrap();
        pair.run_secs(1);
        if whole {
            pair.send(Side::Z, z, b"+end");
        }
        finish(&mut pair, z);
        pair.run_secs(1);
        let end = pair.events(Side::A).pop().unwrap();
        assert_eq!(end == "ShutdownComplete", whole, "{end}");
        assert_eq!(pair.read(Side::A, a), if whole { vec!["begin+end"] } else { vec![] });
    }
}

/// Who has asked for the end itself has said that nothing more comes; and without the setting nobody is waited for.
#[test]
fn nothing_is_awaited_of_who_has_shut_down_or_does_not_want_it() {
    for config in [awaiting(), AssociationConfig::default()] {
        let mut pair = Pair::new();
        let (a, z) = pair.establish_with(config.clone());
        pair.send(Side::Z, z, &[7; 20_000]);
        let now = pair.now;
        if config.awaits_last_sends {
            pair.z.endpoint.shutdown(now, z).unwrap();
        }
        pair.a.endpoint.shutdown(now, a).unwrap();
        pair.run_for(2 * DELAY);
        assert!(!pair.association(Side::Z, z).awaits_last_sends());
        finish(&mut pair, z);
        pair.run_secs(5);
        assert_eq!(pair.read(Side::A, a), [vec![7; 20_000]]);
        assert_eq!(pair.events(Side::Z).last().unwrap(), "ShutdownComplete");
    }
}
