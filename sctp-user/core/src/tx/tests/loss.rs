use super::harness::*;
use crate::config::AssociationConfig;
use crate::path::{PathId, PathState};
use crate::tx::AckedPath;
use core::time::Duration;

/// Ten full packets in flight on path 0, which has room for them and more.
fn ten_in_flight(paths: u8) -> Harness {
    let mut t = Harness::with(paths, &config());
    t.open_cwnd();
    t.enqueue_full(10);
    assert_eq!(t.send().len(), 10);
    t
}

#[test]
fn t3_runs_while_data_is_in_flight_and_stops_with_the_last_acknowledgement() {
    // RFC 9260, 6.3.2 R1 to R3
    let mut t = Harness::new();
    t.enqueue_full(2);
    t.send();
    let first = t.path(0).t3_rtx.unwrap();
    assert_eq!(first, t.now + Duration::from_secs(1));
    t.wait(10);
    t.enqueue(FULL);
    t.send();
    assert_eq!(t.path(0).t3_rtx, Some(first), "6.1: sending more does not restart it");
    t.sack(1, &[]);
    assert_eq!(t.t3(0), t.t3_if_started(0), "R3: the earliest chunk is acknowledged");
    t.wait(10);
    let running = t.path(0).t3_rtx;
    t.sack(1, &[(2, 2)]);
    assert_eq!(t.path(0).t3_rtx, running, "R3: the earliest chunk is still missing");
    t.sack(3, &[]);
    assert_eq!(t.path(0).t3_rtx, None, "R2");
}

/// RFC 9260, 6.1.
#[test]
fn a_time_out_sends_one_packet_at_once_and_the_rest_as_the_window_opens() {
    // RFC 9260, 6.3.3 E1 to E3
    let mut t = ten_in_flight(1);
    let cwnd = t.path(0).congestion.cwnd();
    assert!(!t.expire(0).window_probe);
    assert_eq!(t.path(0).rto(), Duration::from_secs(2), "E2");
    assert_eq!(t.path(0).congestion.ssthresh(), cwnd / 2, "E1");
    assert_eq!(t.path(0).congestion.cwnd(), t.path(0).pmdcs());
    assert_eq!(t.send_numbers(), [[0]], "E3; one packet in flight, 7.2.3");
    assert_eq!(t.t3(0), t.t3_if_started(0), "E4");
    t.sack(1, &[]);
    assert_eq!(t.send_numbers(), [[1], [2]], "slow start");
    t.sack(3, &[]);
    assert_eq!(t.send_numbers(), [[3], [4], [5]]);
    t.sack(10, &[]);
    assert!(t.sender.is_empty());
}

/// RFC 9260, 6.1.
#[test]
fn a_time_out_bundles_as_many_chunks_as_fit() {
    // RFC 9260, 6.3.3 E3
    let mut t = Harness::new();
    for _ in 0..4 {
        t.enqueue(400);
        t.send();
    }
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0, 1]]);
}

/// RFC 9260, 6.4.
#[test]
fn what_timed_out_goes_to_another_active_path() {
    // RFC 9260, 6.4.1
    let mut t = ten_in_flight(2);
    t.expire(0);
    let sent = t.send();
    assert!(sent.iter().all(|packet| packet.path == 1));
    assert_eq!(sent[0].numbers(), [0]);
    assert!(t.path(0).t3_rtx.is_none());
    assert_eq!(t.t3(1), t.t3_if_started(1), "6.3.3: the RTO of that path");
    let outcome = t.sack(1, &[]);
    // RFC 7829, 3.2, rule 9: whichever transmission it was that arrived.
    let ambiguous = AckedPath { path: PathId(1), certain: false, largest: 16 + FULL };
    assert_eq!(outcome.acked_paths.as_slice(), [ambiguous], "8.2: only the path of the last transmission");
}

#[test]
fn the_packet_after_a_time_out_leaves_although_the_other_path_is_full() {
    // RFC 9260, 6.3.3 E3
    let mut t = Harness::with(2, &config());
    t.paths.set_primary(PathId(1));
    t.enqueue_full(20);
    t.send();
    t.paths.set_primary(PathId(0));
    assert!(!t.send().is_empty());
    t.expire(1);
    let sent = t.send_one().unwrap();
    assert_eq!((sent.path, sent.numbers()), (0, vec![0]));
}

#[test]
fn a_failed_path_hands_over_what_it_had_in_flight() {
    let mut t = ten_in_flight(2);
    t.path(0).state = PathState::Inactive;
    t.sender.handle_path_failed(PathId(0), &mut t.paths);
    let sent = t.send();
    assert!(!sent.is_empty() && sent.iter().all(|packet| packet.path == 1));
    t.sender.check_invariants(&t.paths);
}

#[test]
fn data_keeps_being_tried_on_all_paths_in_turn_while_none_is_active() {
    // RFC 9260, 8.2: dormant state
    let mut t = Harness::with(3, &config());
    t.enqueue(FULL);
    t.send();
    t.paths.iter_mut().for_each(|path| path.state = PathState::Inactive);
    let mut on = 0;
    for expected in [1, 2, 0, 1] {
        t.expire(on);
        on = t.send_one().unwrap().path;
        assert_eq!(on, expected);
    }
}

/// RFC 9260, 6.7.
#[test]
fn the_third_miss_indication_makes_a_fast_retransmission() {
    // RFC 9260, 7.2.4
    let mut t = ten_in_flight(1);
    t.sack(1, &[(2, 2)]);
    t.sack(1, &[(2, 3)]);
    assert!(t.send().is_empty());
    let cwnd = t.path(0).congestion.cwnd();
    t.sack(1, &[(2, 4)]);
    assert_eq!(t.path(0).congestion.cwnd(), cwnd / 2, "7.2.3");
    assert_eq!(t.path(0).stats.fast_retransmits, 1);
    let sent = t.send();
    assert_eq!(sent[0].numbers(), [1]);
    assert_eq!(t.t3(0), t.t3_if_started(0), "4: the first outstanding chunk is sent again");
}

/// RFC 9260, 6.7.
#[test]
fn miss_indications_count_only_below_the_highest_newly_acknowledged_chunk() {
    // RFC 9260, 7.2.4: HTNA
    let mut t = ten_in_flight(1);
    t.sack(0, &[(1, 1), (8, 8)]);
    t.sack(0, &[(1, 2), (8, 8)]);
    t.sack(0, &[(1, 3), (8, 8)]);
    assert_eq!(t.send_numbers(), [[0]], "0 was missed three times, 4 to 7 once");
}

#[test]
fn a_repeated_sack_is_no_miss_indication() {
    // RFC 9260, 7.2.4
    let mut t = ten_in_flight(1);
    (0..9).for_each(|_| _ = t.sack(0, &[(1, 3)]));
    assert!(t.send().is_empty());
}

#[test]
fn a_fast_retransmission_leaves_although_the_window_is_full() {
    // RFC 9260, 7.2.4, 3
    let mut t = Harness::new();
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(8 * 1_016, &config());
    t.enqueue_full(20);
    for end in 1..=3 {
        t.send();
        t.sack(0, &[(1, end)]);
    }
    let path = t.path(0);
    assert!(path.flight_size >= path.congestion.cwnd());
    assert_eq!(t.send_numbers(), [[0]], "one packet, and no new data with it");
}

#[test]
fn a_chunk_is_fast_retransmitted_once() {
    // RFC 9260, 7.2.4, 5
    let mut t = ten_in_flight(1);
    for end in 1..=3 {
        t.sack(0, &[(1, end)]);
    }
    assert_eq!(t.send()[0].numbers(), [0]);
    for end in 4..=9 {
        t.sack(0, &[(1, end)]);
    }
    assert!(t.send().is_empty(), "now only T3-rtx helps");
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0]]);
}

#[test]
fn what_sacks_have_no_room_to_tell_holds_no_retransmission_up() {
    // RFC 9260, 6.2: as many gap blocks as fit; 7.2.4, 5: "as soon as cwnd allows"; 6.1 B
    let config = AssociationConfig { send_buffer: 1 << 22, max_burst: 0, ..config() };
    let mut t = Harness::with(1, &config);
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(1_000 * 1_016, &config);
    t.enqueue_full(1_000);
    assert_eq!(t.send().len(), 1_000);
    let gaps: Vec<_> = (0..150).map(|gap| (2 * gap + 1, 2 * gap + 1)).collect();
    (1..=150).for_each(|arrived| _ = t.sack(0, &gaps[..arrived]));
    assert_eq!(t.send_numbers(), [[0]], "half a window is free, and 700 packets seem to be in flight");
    t.enqueue_full(100);
    let again: Vec<_> = (150..500)
        .flat_map(|_| {
            t.sack(0, &gaps);
            t.send_numbers().concat()
        })
        .collect();
    assert!(again.len() > 100, "{} chunks", again.len());
    assert!(again.iter().all(|number| number % 2 == 0 && *number < 300), "nothing new: {again:?}");
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0]], "7.2.3: one packet");
}

#[test]
fn a_few_gap_blocks_tell_all_there_is_to_tell() {
    // RFC 9260, 6.1 C, 6.2
    let mut t = Harness::new();
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(100 * 1_016, &config());
    t.enqueue_full(100);
    t.send();
    let gaps = [(1, 1), (3, 3), (5, 5), (7, 7), (9, 9)];
    (1..=5).for_each(|arrived| _ = t.sack(0, &gaps[..arrived]));
    assert_eq!(t.send_numbers(), [[0]]);
    (0..200).for_each(|_| _ = t.sack(0, &gaps));
    assert!(t.send().is_empty(), "the window is full");
}

/// Of ten chunks the first was lost, and the time-out told so; 1 and 2 have just left again.
fn two_sent_again_after_a_time_out() -> Harness {
    let mut t = ten_in_flight(1);
    t.expire(0);
    t.send();
    t.wait(10);
    t.sack(1, &[]);
    assert_eq!(t.send_numbers(), [[1], [2]]);
    t
}

#[test]
fn what_was_sent_again_after_a_time_out_is_not_missing_for_what_had_arrived_before() {
    // RFC 9260, 6.2: a SACK may have had no room for it; 7.2.4: miss indications
    let mut t = two_sent_again_after_a_time_out();
    for end in 5..=8 {
        t.sack(1, &[(5, end)]);
    }
    assert_eq!(t.path(0).stats.fast_retransmits, 0, "5 to 8 left before 1 did so again");
}

#[test]
fn what_was_sent_again_after_a_time_out_is_missing_if_what_left_later_arrives() {
    // RFC 9260, 7.2.4
    let mut t = two_sent_again_after_a_time_out();
    t.wait(10);
    for end in 2..=4 {
        t.sack(1, &[(2, end)]);
        t.wait(1);
        t.send();
    }
    assert_eq!(t.path(0).stats.fast_retransmits, 1);
}

#[test]
fn the_window_is_cut_once_in_fast_recovery() {
    // RFC 9260, 7.2.4, 2 and 6
    let mut t = ten_in_flight(1);
    for end in 1..=3 {
        t.sack(0, &[(1, end)]);
    }
    let cwnd = t.path(0).congestion.cwnd();
    t.send();
    t.sack(4, &[(5, 5)]);
    t.sack(4, &[(5, 6)]);
    t.sack(4, &[(5, 7)]);
    assert_eq!(t.send_numbers(), [[4]], "marked, and sent as cwnd allows");
    assert_eq!((t.path(0).congestion.cwnd(), t.path(0).stats.fast_retransmits), (cwnd, 1));
    t.sack(9, &[]);
    assert!(t.sender.recovery.holds_any());
    t.sack(10, &[]);
    assert!(!t.sender.recovery.holds_any(), "6.2.1 D iv: the exit point is acknowledged");
}

#[test]
fn in_fast_recovery_an_advancing_sack_counts_for_all_that_is_missing() {
    // RFC 9260, 7.2.4
    let mut t = ten_in_flight(1);
    for gaps in [&[(1, 1)][..], &[(1, 1), (3, 3)], &[(1, 1), (3, 3), (5, 5)], &[(1, 1), (3, 3), (5, 6)]] {
        t.sack(0, gaps);
    }
    assert_eq!(t.send()[0].numbers(), [0,], "0 has three, 2 has three less one, 4 has one");
    t.sack(2, &[(3, 3), (5, 6)]);
    let missing: Vec<_> = t.send_numbers().concat();
    assert!(missing.iter().all(|number| [2, 4].contains(number)));
}

#[test]
fn fast_recovery_ends_with_a_time_out() {
    let mut t = ten_in_flight(1);
    for end in 1..=3 {
        t.sack(0, &[(1, end)]);
    }
    t.send();
    t.expire(0);
    t.send();
    let cwnd = t.path(0).congestion.cwnd();
    t.sack(4, &[]);
    assert!(t.path(0).congestion.cwnd() > cwnd, "slow start goes on");
}

#[test]
fn a_reneged_chunk_is_in_flight_again_and_timed() {
    // RFC 9260, 6.2.1 D iii and 6.3.2 R4
    let mut t = Harness::new();
    t.enqueue_full(2);
    t.send();
    t.sack(0, &[(1, 1)]);
    assert_eq!(t.path(0).flight_size, 1_016);
    t.sack(0, &[]);
    assert_eq!(t.path(0).flight_size, 2_032);
    assert!(t.path(0).t3_rtx.is_some());
    t.expire(0);
    t.sack(2, &[]);
    assert!(t.sender.is_empty());
}

#[test]
fn a_late_acknowledgement_of_a_marked_chunk_spares_its_retransmission() {
    let mut t = ten_in_flight(1);
    t.expire(0);
    t.sack(10, &[]);
    assert!(t.send().is_empty() && t.sender.is_empty());
    t.enqueue_full(1);
    assert_eq!(t.send_numbers(), [[10]]);
}

#[test]
fn the_round_trip_time_is_not_measured_from_what_was_sent_twice() {
    // RFC 9260, 6.3.1 C5
    let mut t = Harness::new();
    t.enqueue(FULL);
    t.send();
    t.expire(0);
    t.send();
    t.wait(5);
    t.sack(1, &[]);
    assert_eq!(t.path(0).rtt.srtt(), None);
    t.enqueue(FULL);
    t.send();
    t.wait(5);
    t.sack(2, &[]);
    assert_eq!(t.path(0).rtt.srtt(), Some(Duration::from_millis(5)));
    // What was sent once does not count either if something before it was sent again since.
    let mut t = Harness::new();
    t.enqueue_full(2);
    t.send();
    for _ in 0..3 {
        t.enqueue(FULL);
        t.send();
    }
    t.sack(0, &[(1, 1)]);
    let measured = t.path(0).rtt.srtt();
    t.wait(70);
    t.sack(0, &[(1, 2)]);
    t.sack(0, &[(1, 3)]);
    assert_eq!(t.send()[0].numbers(), [0]);
    t.wait(500);
    let before = t.path(0).rtt.srtt();
    t.sack(4, &[]);
    assert!(measured.is_some() && t.path(0).rtt.srtt() == before);
}

#[test]
fn a_chunk_larger_than_the_shrunk_path_mtu_goes_alone_in_a_larger_packet() {
    // RFC 9260, 6.9: it cannot be cut again, IP has to fragment it
    let mut t = Harness::new();
    t.enqueue(FULL);
    t.enqueue(100);
    t.send();
    t.path(0).max_packet_size = 528;
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0]]);
}

#[test]
fn each_path_has_a_congestion_window_of_its_own() {
    // RFC 9260, 7.2
    let mut t = Harness::with(2, &config());
    t.enqueue_full(3);
    t.send();
    let before = t.path(1).congestion.cwnd();
    assert_eq!(t.path(0).congestion.cwnd(), before);
    t.expire(0);
    assert_eq!(t.path(1).congestion.cwnd(), before);
    assert!(t.path(0).congestion.cwnd() < before);
    // 7.2.1: and what is acknowledged opens that of the path that carried it.
    t.paths.set_primary(PathId(1));
    t.enqueue_full(20);
    t.send();
    let (small, full) = (t.path(0).congestion.cwnd(), t.path(1).congestion.cwnd());
    t.sack(1, &[]);
    assert_eq!(t.path(0).congestion.cwnd(), small);
    assert!(t.path(1).congestion.cwnd() > full);
}

#[test]
fn sending_the_earliest_chunk_again_restarts_t3_and_nothing_else_does() {
    // RFC 9260, 6.1
    let mut t = ten_in_flight(1);
    let running = t.t3(0);
    t.wait(100);
    // Chunk 3 is missing, but 0 is the earliest that is outstanding.
    for end in 4..=6 {
        t.sack(0, &[(1, 2), (4, end)]);
        t.sack(0, &[(1, 2), (4, end)]);
    }
    let sent = t.send_numbers();
    assert_eq!(sent, [[0], [3]]);
    assert_eq!(t.t3(0), t.t3_if_started(0), "0 was among them");
    assert_ne!(t.t3(0), running);
    let mut t = ten_in_flight(1);
    t.sack(1, &[]);
    let running = t.t3(0);
    t.wait(100);
    t.enqueue_full(1);
    assert_eq!(t.send_numbers(), [[10]]);
    assert_eq!(t.t3(0), running, "new data");
}

#[test]
fn what_is_to_be_sent_again_goes_before_new_data() {
    // RFC 9260, 6.1 C and 6.10
    let mut t = Harness::new();
    t.open_cwnd();
    (0..8).for_each(|_| t.enqueue(200));
    t.send();
    t.expire(0);
    (0..8).for_each(|_| t.enqueue(200));
    t.sack(0, &[(4, 4)]);
    t.sack(0, &[(4, 5)]);
    let mut numbers: Vec<u32> = Vec::new();
    while let Some(sent) = t.send_one() {
        assert!(sent.numbers().is_sorted(), "in a packet TSNs rise");
        numbers.extend(sent.numbers());
        let up_to = numbers.iter().max().copied().unwrap_or(0) + 1;
        if numbers.len() == 12 {
            break;
        }
        t.sack(up_to.min(4), &[]);
    }
    let first_new = numbers.iter().position(|&number| number >= 8).unwrap_or(numbers.len());
    assert!(numbers[..first_new].starts_with(&[0, 1, 2, 3]), "{numbers:?}");
}

#[test]
fn a_sack_that_brings_the_third_miss_grows_the_window_before_it_is_cut() {
    // RFC 9260, 7.2.4
    let mut t = Harness::new();
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(8 * 1_016, &config());
    t.enqueue_full(30);
    t.send();
    let cwnd = t.path(0).congestion.cwnd();
    // The cumulative ack advances with each of them, and each tells that 4 is missing.
    t.sack(1, &[(5, 5)]);
    t.send();
    t.sack(2, &[(5, 6)]);
    t.send();
    let grown = t.path(0).congestion.cwnd();
    assert_eq!(grown, cwnd + 2 * 1_016);
    t.sack(3, &[(5, 7)]);
    assert_eq!(t.path(0).congestion.ssthresh(), (grown + 1_016) / 2, "first the growth, then the half");
}
