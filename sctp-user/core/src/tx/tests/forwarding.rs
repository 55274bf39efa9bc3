//! Advanced.Peer.Ack.Point and FORWARD TSN (RFC 3758, 3.5).

use super::harness::*;
use crate::config::{AssociationConfig, StreamScheduler};
use crate::message::SendOptions;
use crate::path::{PathId, PathState};
use crate::reliability::Reliability;
use crate::serial::Mid;
use crate::tx::{AckedPath, SackOutcome};
use crate::wire::chunk::SkippedMessage;
use core::time::Duration;

const ONCE: Reliability = Reliability::Retransmissions(0);

/// `count` messages that fill a packet each and are sent once only, on its way; behind them a reliable one.
fn sent_once(paths: u8, count: usize) -> Harness {
    let mut t = Harness::partial(paths, &config());
    t.open_cwnd();
    (0..count).for_each(|_| t.enqueue_with(ONCE, FULL));
    t.enqueue(FULL);
    assert_eq!(t.send().len(), count + 1);
    t
}

fn options(stream_id: u16, unordered: bool) -> SendOptions {
    SendOptions { stream_id, unordered, ..with(ONCE) }
}

#[test]
fn the_ack_point_moves_over_what_is_abandoned_and_no_further() {
    // RFC 3758, 4.3
    // RFC 3758, 3.5 C1 and C2, with the example: 102 acked, 103 and 104 abandoned, 105 to come, 106 acked
    let mut t = Harness::partial(1, &config());
    t.open_cwnd();
    for policy in [Reliability::Full, ONCE, ONCE, Reliability::Full, Reliability::Full] {
        t.enqueue_with(policy, FULL);
    }
    t.send();
    t.sack(1, &[(4, 4)]);
    t.expire(0);
    assert_eq!(t.forwarded(), Some((3, vec![(0, 2)])), "A5: a time-out moves it, too");
    assert_eq!(t.send_numbers(), [[3]]);
    assert_eq!(t.forwarded(), None, "nothing is new");
    t.sack(5, &[]);
    assert!(t.sender.is_empty() && t.forwarded().is_none());
    assert_eq!(t.t3(0), None);
}

#[test]
fn an_abandoned_chunk_behind_one_that_is_acknowledged_is_told_when_its_turn_has_come() {
    // RFC 3758, 3.5 C2: a gap-acknowledged chunk is none that was abandoned; the peer may renege on it
    let mut t = sent_once(1, 3);
    t.sack(0, &[(1, 1)]);
    t.expire(0);
    assert_eq!(t.forwarded(), Some((1, vec![(0, 0)])));
    t.sack(2, &[]);
    assert_eq!(t.forwarded(), Some((3, vec![(0, 2)])), "C3: without delay (F3)");
}

#[test]
fn an_acknowledgement_is_old_by_what_was_acknowledged_before() {
    // RFC 3758, 3.5 F4: not by the ack point
    let mut t = sent_once(1, 2);
    t.expire(0);
    assert_eq!(t.forwarded().unwrap().0, 2);
    assert!(!t.sack(0, &[]).old);
    assert!(!t.sack(1, &[]).old);
    assert!(t.sack(0, &[]).old);
}

#[test]
fn each_stream_is_listed_once_and_unordered_messages_are_not() {
    // RFC 3758, 3.2 and 3.5 C4
    let mut t = Harness::partial(1, &config());
    t.open_cwnd();
    for (stream_id, unordered) in [(3, false), (1, true), (3, false), (2, false), (3, true), (2, true)] {
        t.try_enqueue(&options(stream_id, unordered), FULL).unwrap();
    }
    t.send();
    t.expire(0);
    assert_eq!(t.forwarded(), Some((6, vec![(2, 0), (3, 1)])));
}

#[test]
fn what_the_peer_has_confirmed_is_no_longer_listed() {
    // RFC 3758, 3.5 C4: "for each abandoned TSN", and those before the cumulative TSN ack are no longer known
    let mut t = Harness::partial(1, &config());
    t.open_cwnd();
    (1..=3).for_each(|stream_id| t.try_enqueue(&options(stream_id, false), FULL).unwrap());
    t.send();
    t.expire(0);
    assert_eq!(t.forwarded(), Some((3, vec![(1, 0), (2, 0), (3, 0)])));
    t.sack(2, &[]);
    t.expire(0);
    assert_eq!(t.forwarded(), Some((3, vec![(3, 0)])));
}

#[test]
fn a_forward_tsn_fits_into_a_packet_however_many_streams_are_skipped() {
    // RFC 3758, 3.5 C4: the ack point is lowered to the last TSN that fits
    const STREAMS: u16 = 400;
    let mut t = Harness::partial(1, &config());
    t.sender.set_peer(1 << 20, STREAMS);
    t.open_cwnd();
    (0..STREAMS).for_each(|stream_id| t.try_enqueue(&options(stream_id, false), 8).unwrap());
    t.send();
    t.expire(0);
    let (end, streams) = t.forwarded().unwrap();
    let fit = (16 + FULL - 8) / 4;
    assert_eq!((end as usize, streams.len()), (fit, fit));
    t.sack(end, &[]);
    let (end, streams) = t.forwarded().unwrap();
    assert_eq!((end, streams.len()), (400, 400 - fit));
}

#[test]
fn the_ack_point_is_never_further_ahead_than_receivers_keep_track_of() {
    let mut t = Harness::partial(1, &config());
    t.open_cwnd();
    (0..5_000)
        .for_each(|_| t.sender.enqueue(t.now, &options(0, true), None, None, vec![7; 4].into()).unwrap());
    while t.send_one_unchecked().is_some() {}
    t.expire(0);
    assert_eq!(t.forwarded(), Some((4_096, vec![])));
    t.sack(4_096, &[]);
    assert_eq!(t.forwarded(), Some((5_000, vec![])));
}

#[test]
fn t3_runs_for_a_forward_tsn_and_sends_it_again() {
    // RFC 3758, 3.5 C5 and A5
    let mut t = Harness::partial(1, &config());
    t.enqueue_with(ONCE, FULL);
    t.send();
    t.expire(0);
    for _ in 0..3 {
        assert!(t.forwarded().is_some());
        assert_eq!(t.t3(0), t.t3_if_started(0), "nothing but the FORWARD TSN is in flight");
        let rto = t.path(0).rto();
        assert!(!t.expire(0).window_probe);
        assert_eq!(t.path(0).rto(), rto * 2, "RFC 9260, 6.3.3 E2");
    }
    t.forwarded();
    let outcome = t.sack(1, &[]);
    assert_eq!(outcome.acked_paths.as_slice(), [AckedPath { path: PathId(0), certain: false, largest: 0 }]);
    assert!(outcome.became_empty);
    assert_eq!((t.t3(0), t.sender.deadline()), (None, None));
}

#[test]
fn a_forward_tsn_goes_again_on_another_path() {
    // RFC 3758, 3.5 C5; RFC 9260, 6.4.1
    let mut t = Harness::partial(2, &config());
    t.enqueue_with(ONCE, FULL);
    t.send();
    t.expire(0);
    assert_eq!(t.send_forward_tsn().unwrap().0, 1);
    assert_eq!((t.t3(0), t.t3(1)), (None, t.t3_if_started(1)));
    t.path(1).state = PathState::Inactive;
    t.sender.handle_path_failed(PathId(1), &mut t.paths);
    assert_eq!(t.t3(1), None);
    assert_eq!(t.send_forward_tsn().unwrap().0, 0);
}

#[test]
fn a_forward_tsn_never_goes_to_an_address_that_is_not_confirmed() {
    // RFC 3758, 3.5 C3
    let mut t = Harness::partial(2, &config());
    t.path(1).state = PathState::Unconfirmed;
    t.enqueue_with(ONCE, FULL);
    t.send();
    for state in [PathState::Active, PathState::PotentiallyFailed, PathState::Inactive] {
        t.path(0).state = state;
        t.expire(0);
        assert_eq!(t.send_forward_tsn().unwrap().0, 0, "{state:?}");
    }
}

#[test]
fn a_forward_tsn_moves_with_its_path_gone() {
    // RFC 5061, 5.3; RFC 3758, 3.5 C5
    let mut t = Harness::partial(2, &config());
    t.enqueue_with(ONCE, FULL);
    t.send();
    t.expire(0);
    assert_eq!(t.send_forward_tsn().unwrap().0, 1);
    t.sender.handle_path_removed(PathId(1), PathId(0), &mut t.paths);
    t.paths.remove(PathId(1));
    assert_eq!(t.send_forward_tsn().unwrap().0, 0);
    t.sack(1, &[]);
    assert!(t.sender.is_empty());
}

#[test]
fn a_forward_tsn_is_repeated_after_a_round_trip_and_not_with_each_sack() {
    // RFC 3758, 3.5 C3 and F2
    let mut t = Harness::partial(1, &config());
    t.open_cwnd();
    t.enqueue_with(ONCE, FULL);
    t.enqueue_full(9);
    t.send();
    t.wait(100);
    [(1, 1), (1, 2), (1, 3)].into_iter().for_each(|gap| _ = t.sack(0, &[gap]));
    assert!(t.forwarded().is_some());
    t.wait(99);
    t.sack(0, &[(1, 3)]);
    assert!(t.forwarded().is_none());
    t.wait(1);
    t.sack(0, &[(1, 3)]);
    assert!(t.forwarded().is_some());
}

#[test]
fn a_shutdown_acknowledges_what_was_skipped() {
    // RFC 9260, 9.2; RFC 3758, 3.5 C1
    let mut t = sent_once(1, 1);
    t.sack(0, &[(1, 1)]);
    t.expire(0);
    t.forwarded();
    let outcome = t.sender.handle_cumulative_ack(t.now, FIRST.plus(1), &mut t.paths).unwrap();
    assert!(matches!(outcome, SackOutcome { became_empty: true, .. }));
    t.sender.check_invariants(&t.paths);
    assert_eq!(t.t3(0), None);
}

#[test]
fn a_cumulative_ack_that_ends_within_what_was_skipped_keeps_the_rest_alive() {
    // RFC 3758, 3.5 C5: SHUTDOWN has no gap blocks, which contradicts the ones before
    let mut t = sent_once(1, 4);
    t.sack(0, &[(2, 4)]);
    t.expire(0);
    t.forwarded();
    t.sender.handle_cumulative_ack(t.now, FIRST.plus(2), &mut t.paths).unwrap();
    t.sender.check_invariants(&t.paths);
    t.sack(5, &[]);
    assert!(t.sender.is_empty());
}

#[test]
fn new_data_leaves_behind_a_closed_window_once_the_skip_is_confirmed() {
    // RFC 9260, 6.1 A: a probe needs an empty flight; what was abandoned is none (RFC 3758, 3.5 A2)
    let mut t = Harness::partial(1, &config());
    t.enqueue_with(ONCE, FULL);
    t.enqueue_with(Reliability::Full, FULL);
    assert_eq!(t.send().len(), 2);
    t.sack_window(0, 0);
    t.expire(0);
    assert!(t.forwarded().is_some());
    t.send();
    t.sack_window(2, 0);
    t.enqueue(FULL);
    assert!(t.send().is_empty());
    let probe_at = t.sender.deadline().expect("a probe is due");
    t.now = probe_at;
    t.sender.handle_timeout(t.now);
    assert_eq!(t.send_numbers(), [[2]]);
}

#[test]
fn a_lost_association_forwards_nothing() {
    let mut t = sent_once(1, 1);
    t.expire(0);
    t.sender.abandon_overdue(t.now, &mut t.paths);
    assert_eq!(t.sender.fail_all(&mut t.paths).len(), 2, "the one that was given up, and the reliable one");
    assert!(t.forwarded().is_none());
    t.sender.check_invariants(&t.paths);
}

/// Messages are interleaved, and streams take turns.
fn interleaved() -> Harness {
    let config = AssociationConfig { scheduler: StreamScheduler::RoundRobin, ..config() };
    let mut t = Harness::partial(1, &config);
    t.sender.set_interleaving(true);
    t.open_cwnd();
    t
}

fn skipped(stream_id: u16, unordered: bool, mid: u32) -> SkippedMessage {
    SkippedMessage { stream_id, unordered, mid: Mid(mid) }
}

#[test]
fn i_forward_tsn_speaks_of_unordered_messages_too() {
    // RFC 8260, 2.3.1
    let mut t = interleaved();
    for (stream_id, unordered) in [(3, false), (1, true), (3, false), (3, true), (1, true)] {
        t.try_enqueue(&options(stream_id, unordered), 900).unwrap();
    }
    t.send();
    t.expire(0);
    let streams = vec![skipped(1, true, 1), skipped(3, false, 1), skipped(3, true, 0)];
    assert_eq!(t.i_forwarded(), Some((5, streams)));
    t.sack(5, &[]);
    assert!(t.sender.is_empty());
}

#[test]
fn a_message_is_given_up_whatever_lies_between_its_fragments() {
    // RFC 8260, 2.3.1; RFC 3758, 3.5 A3: the fragments of three messages take turns
    let mut t = interleaved();
    t.try_enqueue(&options(1, false), 2_700).unwrap();
    t.try_enqueue(&SendOptions { stream_id: 2, ..SendOptions::default() }, 2_700).unwrap();
    t.try_enqueue(&options(3, true), 2_700).unwrap();
    assert_eq!(t.send().len(), 9);
    t.expire(0);
    assert_eq!(t.send_numbers(), [[1]], "the one that is reliable");
    assert_eq!(t.take_failures(), [(2_700, true), (2_700, true)]);
    assert_eq!(t.i_forwarded(), Some((1, vec![skipped(1, false, 0)])));
    t.sack(2, &[]);
    assert_eq!(t.i_forwarded(), Some((4, vec![skipped(1, false, 0), skipped(3, true, 0)])));
    t.sack(4, &[]);
    assert_eq!(t.send_numbers(), [[4], [7]]);
    t.sack(5, &[]);
    assert_eq!(t.i_forwarded().unwrap().0, 7);
    t.sack(9, &[]);
    assert!(t.sender.is_empty());
}

#[test]
fn the_rest_of_a_message_is_not_cut_while_others_go_on() {
    // RFC 3758, 4.1 TR4, with RFC 8260, 3: its turn comes, and its lifetime is over
    let mut t = interleaved();
    let timed = SendOptions { stream_id: 1, ..with(Reliability::Timed(Duration::from_millis(500))) };
    t.try_enqueue(&timed, 30 * FULL).unwrap();
    t.try_enqueue(&SendOptions { stream_id: 2, ..SendOptions::default() }, 30 * FULL).unwrap();
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(4 * FULL, &config());
    assert_eq!(t.send_numbers(), [[0], [1], [2], [3]]);
    t.wait(500);
    t.sack(4, &[]);
    assert_eq!(t.i_forwarded(), Some((5, vec![skipped(1, false, 0)])), "one TSN for what was never sent");
    assert_eq!(t.take_failures(), [(30 * FULL, true)]);
    let chunks: Vec<_> = t.send().into_iter().flat_map(|sent| sent.chunks).collect();
    assert!(chunks.len() > 3 && chunks.iter().all(|chunk| chunk.stream_id == 2));
}
