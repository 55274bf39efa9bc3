//! Data on several paths at once, and NR-SACK (draft-tuexen-tsvwg-sctp-multipath).

use super::harness::*;
use crate::config::AssociationConfig;
use crate::multipath::Multipath;
use crate::path::PathState;
use crate::time::Time;
use crate::wire::chunk::{GapBlock, NrSackChunk};
use core::time::Duration;

fn concurrent() -> AssociationConfig {
    AssociationConfig { multipath: Multipath::Concurrent, max_burst: 0, ..config() }
}

/// Two paths with a round-trip time each, the first one twice as fast.
fn two_paths(config: &AssociationConfig) -> Harness {
    let mut t = Harness::with(2, config);
    for (id, millis) in [(0, 100), (1, 200)] {
        let sent = t.now;
        t.path(id).rtt.measure(sent, sent + Duration::from_millis(millis));
    }
    t
}

/// An NR-SACK of `up_to` chunks; blocks by the numbers of their first and last chunk.
fn nr_sack(up_to: u32, renegable: &[(u32, u32)], kept: &[(u32, u32)], packets: u8) -> NrSackChunk {
    let blocks = |gaps: &[(u32, u32)]| sack(up_to, gaps).gap_blocks.into_iter().collect::<Vec<GapBlock>>();
    NrSackChunk {
        cumulative_tsn_ack: FIRST.plus(up_to).prev(),
        a_rwnd: 1 << 20,
        renegable_blocks: blocks(renegable).into(),
        non_renegable_blocks: blocks(kept).into(),
        duplicates: Default::default(),
        packets,
    }
}

fn take_in(t: &mut Harness, sack: &NrSackChunk) {
    t.sender.handle_nr_sack(t.now, sack, &mut t.paths).unwrap();
    t.sender.check_invariants(&t.paths);
}

/// Which path each chunk took.
fn paths_of(t: &mut Harness) -> Vec<(u32, u8)> {
    t.send().iter().flat_map(|sent| sent.numbers().into_iter().map(|number| (number, sent.path))).collect()
}

#[test]
fn new_data_fills_the_window_of_each_active_path() {
    // Section 3
    let mut t = two_paths(&concurrent());
    t.enqueue_full(20);
    let sent = paths_of(&mut t);
    let on = |path| sent.iter().filter(|&&(_, taken)| taken == path).count();
    assert!(on(0) >= 4 && on(1) >= 4, "{sent:?}");
    assert_eq!(sent[0].1, 0, "the faster one first");
    let mut t = two_paths(&config());
    t.enqueue_full(20);
    assert!(paths_of(&mut t).iter().all(|&(_, path)| path == 0), "one path at a time by default");
    let mut t = two_paths(&concurrent());
    t.path(1).state = PathState::Inactive;
    t.enqueue_full(20);
    assert!(paths_of(&mut t).iter().all(|&(_, path)| path == 0), "only active ones");
}

#[test]
fn a_slow_path_takes_of_the_peers_window_what_faster_ones_leave() {
    // Section 5: buffer splitting
    let mut t = two_paths(&concurrent());
    let first_window = t.path(0).congestion.cwnd();
    t.sender.set_peer(u32::try_from(first_window).unwrap(), 10);
    t.enqueue_full(20);
    assert!(paths_of(&mut t).iter().all(|&(_, path)| path == 0));
}

#[test]
fn chunks_that_overtake_each_other_on_two_paths_are_not_missing() {
    // Section 3.1: split fast retransmissions
    let mut t = two_paths(&concurrent());
    t.enqueue_full(9);
    let sent = paths_of(&mut t);
    let on = |path| sent.iter().filter(move |&&(_, taken)| taken == path).map(|&(number, _)| number);
    let (fast, slow): (Vec<_>, Vec<_>) = (on(0).collect(), on(1).collect());
    assert!(fast.len() > 3 && slow.len() > 3, "{sent:?}");
    let first_slow = slow[0];
    assert!(first_slow > fast[0]);
    // The fast path's chunks arrive one after the other; those of the slow one are on their way.
    for &number in &slow[1..4] {
        t.sack(fast.len() as u32, &[(number, number)]);
    }
    assert_eq!(t.path(1).stats.fast_retransmits, 1, "behind it three left on its own path");
    assert_eq!(t.path(0).stats.fast_retransmits, 0);
    let mut t = two_paths(&concurrent());
    t.enqueue_full(9);
    t.send();
    for &number in &fast[1..4] {
        t.sack(0, &[(1, number)]);
    }
    assert_eq!(t.path(1).stats.fast_retransmits, 0, "no chunk of the slow path is missed by them");
    assert_eq!(t.path(0).stats.fast_retransmits, 1);
}

#[test]
fn each_path_has_a_fast_recovery_of_its_own() {
    // Section 3.1
    let mut t = two_paths(&concurrent());
    t.enqueue_full(9);
    let sent = paths_of(&mut t);
    let slow: Vec<_> = sent.iter().filter(|sent| sent.1 == 1).map(|sent| sent.0).collect();
    for end in 1..=3 {
        t.sack(0, &[(1, end)]);
    }
    let window = t.path(1).congestion.cwnd();
    assert!(t.sender.recovery.holds(crate::path::PathId(0)));
    assert!(!t.sender.recovery.holds(crate::path::PathId(1)));
    for &number in &slow[1..4] {
        t.sack(0, &[(1, 3), (number, number)]);
    }
    assert!(t.path(1).congestion.cwnd() <= window);
    assert_eq!((t.path(0).stats.fast_retransmits, t.path(1).stats.fast_retransmits), (1, 1));
}

#[test]
fn a_delayed_acknowledgement_of_several_packets_counts_as_several_misses() {
    // Section 3.3
    let mut t = two_paths(&concurrent());
    t.path(1).state = PathState::Inactive;
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(1 << 20, &concurrent());
    t.enqueue_full(8);
    t.send();
    take_in(&mut t, &nr_sack(0, &[], &[(1, 2)], 2));
    assert_eq!(t.path(0).stats.fast_retransmits, 0);
    take_in(&mut t, &nr_sack(0, &[], &[(1, 4)], 2));
    assert_eq!(t.path(0).stats.fast_retransmits, 1, "two packets each: four misses");
}

#[test]
fn what_the_peer_keeps_for_good_makes_room_in_the_send_buffer() {
    // Section 4.4.2
    let mut t = Harness::new();
    t.open_cwnd();
    t.enqueue_full(6);
    t.send();
    let free = t.sender.free();
    take_in(&mut t, &nr_sack(0, &[(1, 1)], &[(2, 3)], 0));
    assert_eq!(t.sender.free(), free + 2 * FULL, "1 may still be taken back");
    // Not repeated, and still kept; what is renegable may go.
    take_in(&mut t, &nr_sack(0, &[(5, 5)], &[], 0));
    assert_eq!(t.sender.free(), free + 2 * FULL);
    t.expire(0);
    let again: Vec<_> = t.send_numbers().concat();
    assert!(again.contains(&0) && !again.contains(&2) && !again.contains(&3), "{again:?}");
    let failures = t.sender.fail_all(&mut t.paths);
    assert_eq!(failures.len(), 4, "what the peer has for good has not failed");
}

#[test]
fn a_long_message_is_let_go_when_all_of_it_is_kept() {
    let mut t = Harness::new();
    t.open_cwnd();
    t.enqueue(FULL);
    t.enqueue(3 * FULL);
    t.send();
    let free = t.sender.free();
    take_in(&mut t, &nr_sack(0, &[], &[(1, 1)], 0));
    take_in(&mut t, &nr_sack(0, &[], &[(1, 2)], 0));
    assert_eq!(t.sender.free(), free);
    take_in(&mut t, &nr_sack(0, &[], &[(1, 3)], 0));
    assert_eq!(t.sender.free(), free + 3 * FULL);
    take_in(&mut t, &nr_sack(4, &[], &[], 0));
    assert!(t.sender.is_empty());
}

/// A SHUTDOWN that was overtaken by the NR-SACK must not ask for what is no longer there.
#[test]
fn a_late_cumulative_ack_does_not_bring_back_what_is_kept() {
    let mut t = Harness::new();
    t.open_cwnd();
    t.enqueue_full(4);
    t.send();
    take_in(&mut t, &nr_sack(0, &[], &[(1, 3)], 0));
    t.sender.handle_cumulative_ack(t.now, FIRST, &mut t.paths).unwrap();
    t.sender.check_invariants(&t.paths);
    assert!(t.sender.is_empty(), "the first was all that was missing");
}

#[test]
fn what_is_late_on_one_path_is_sent_again_on_another_once_nothing_else_moves() {
    // Section 5.3: chunk rescheduling
    let mut t = two_paths(&concurrent());
    t.enqueue_full(8);
    let sent = paths_of(&mut t);
    let slow: Vec<_> = sent.iter().filter(|sent| sent.1 == 1).map(|sent| sent.0).collect();
    let last_fast = slow[0];
    t.wait(100);
    t.sack(last_fast, &[]);
    t.sender.reschedule(t.now, &mut t.paths);
    assert!(t.send().is_empty(), "it is not late yet");
    let at = t.sender.deadline().expect("somebody looks again");
    assert!(at > t.now && at < Time::from_millis(3_000));
    t.now = at;
    t.sender.handle_timeout(t.now);
    t.sender.reschedule(t.now, &mut t.paths);
    let again = paths_of(&mut t);
    assert!(again.iter().all(|&(number, path)| slow.contains(&number) && path == 0), "{again:?}");
    assert!(!again.is_empty());
}

#[test]
fn a_silent_path_rests_and_begins_again_with_one_packet() {
    // Section 5.3; RFC 9260, 7.2.3
    let mut t = two_paths(&concurrent());
    t.enqueue_full(40);
    let slow: Vec<_> = paths_of(&mut t).iter().filter(|sent| sent.1 == 1).map(|sent| sent.0).collect();
    t.wait(900);
    t.sack(slow[0], &[]);
    t.sender.reschedule(t.now, &mut t.paths);
    let again = paths_of(&mut t);
    assert_eq!(again[0], (slow[0], 0), "the other path has room again");
    let now = t.now;
    let pmdcs = t.path(1).pmdcs();
    assert!(t.path(1).rest.is_on(now) && t.path(1).congestion.cwnd() == pmdcs);
    assert!(again.iter().all(|&(_, path)| path == 0), "{again:?}");
    let until = t.path(1).rest.end(now).expect("it rests");
    t.sender.reschedule(t.now, &mut t.paths);
    assert!(t.sender.deadline().is_some_and(|at| at <= until), "data waits for the end of the rest");
}

#[test]
fn what_left_well_before_something_that_arrived_on_the_same_path_is_lost_each_time() {
    let mut t = two_paths(&concurrent());
    t.path(1).state = PathState::Inactive;
    t.enqueue_full(12);
    t.send();
    for end in 1..=3 {
        t.sack(0, &[(1, end)]);
    }
    assert_eq!(t.send_numbers()[0], [0]);
    t.wait(100);
    t.sack(0, &[(1, 4)]);
    let next = t.send_numbers().concat();
    t.wait(100);
    t.sack(0, &[(1, 4), (next[0], next[0])]);
    assert_eq!(t.send_numbers()[0], [0], "the retransmission was overtaken by what left later");
}

#[test]
fn what_is_lost_waits_for_room_rather_than_taking_a_way_that_is_far_longer() {
    // Section 5.3
    let mut t = two_paths(&concurrent());
    let sent_at = t.now + Duration::from_secs(1);
    t.path(1).rtt.measure(sent_at, sent_at + Duration::from_secs(2));
    t.path(0).flight_size = usize::MAX / 2;
    let first = crate::path::PathId(0);
    assert_eq!(t.sender.path_for_lost(first, false, &t.paths), Some(first));
    assert_ne!(t.sender.path_for_lost(first, true, &t.paths), Some(first), "it is silent");
}

#[test]
fn pooled_windows_grow_no_faster_together_than_one_alone() {
    // Section 6: with equal paths each grows by a quarter of a packet for each window (RFC 6356, 3).
    let config = AssociationConfig { multipath: Multipath::Pooled, ..concurrent() };
    let mut t = Harness::with(2, &config);
    for id in 0..2 {
        let sent = t.now;
        t.path(id).rtt.measure(sent, sent + Duration::from_millis(100));
    }
    let pool = t.sender.pooled_growth(&t.paths).expect("both are measured");
    let cwnd = t.path(0).congestion.cwnd();
    assert!((240..=260).contains(&pool.growth(cwnd)), "{}", pool.growth(cwnd));
    assert!(two_paths(&concurrent()).sender.pooled_growth(&t.paths).is_none());
}
