use super::harness::*;
use crate::config::AssociationConfig;
use crate::stream_set::StreamSet;
use core::time::Duration;

#[test]
fn new_data_stays_within_the_window_of_the_peer() {
    // RFC 9260, 6.1 A, 6.2.1 A and B
    let mut t = Harness::unconnected(1, &config());
    t.open_cwnd();
    t.sender.set_peer(3_500, 10);
    t.enqueue_full(6);
    assert_eq!(t.send_numbers(), [[0], [1], [2]]);
    assert_eq!(t.sender.peer_rwnd(), 500);
    t.sack_window(1, 2_500);
    assert!(t.send().is_empty(), "6.2.1 D ii: 2,500 less the 2,000 that are outstanding");
    t.sack_window(2, 3_000);
    assert_eq!(t.send_numbers(), [[3], [4]]);
}

#[test]
fn a_closed_window_is_probed_after_one_rto_and_then_ever_more_rarely() {
    // RFC 9260, 6.1 A
    let mut t = Harness::new();
    t.enqueue(FULL);
    t.send();
    t.sack_window(1, 0);
    t.enqueue_full(9);
    for (number, interval) in (1..).zip([1, 2, 4, 8]) {
        assert!(t.send().is_empty());
        assert_eq!(t.sender.deadline(), Some(t.now + Duration::from_secs(interval)));
        t.wait(interval * 1_000);
        t.sender.handle_timeout(t.now);
        assert_eq!(t.send_numbers(), [[number]], "one chunk");
        t.sack_window(number + 1, 0);
    }
    t.sack_window(5, 100_000);
    assert_eq!(t.send().len(), 4, "as cwnd allows");
    assert_eq!(t.sender.deadline(), None);
}

#[test]
fn probes_keep_to_an_rto_max_that_is_set_later() {
    // RFC 9260, 6.1 A; RFC 6458, 8.1.1
    let mut t = Harness::new();
    t.sender.update_config(&AssociationConfig { rto_max: Duration::from_millis(1_500), ..config() });
    t.enqueue(FULL);
    t.send();
    t.sack_window(1, 0);
    t.enqueue_full(9);
    t.wait(1_000);
    t.sender.handle_timeout(t.now);
    assert_eq!(t.send_numbers(), [[1]]);
    t.sack_window(2, 0);
    assert_eq!(t.sender.deadline(), Some(t.now + Duration::from_millis(1_500)));
}

#[test]
fn a_window_that_a_larger_chunk_does_not_fit_is_probed_when_larger_packets_fit() {
    // RFC 9260, 6.1 A; RFC 8899, 3
    let mut t = Harness::new();
    t.enqueue(FULL);
    t.send();
    t.sack_window(1, 1_500);
    t.enqueue(3 * FULL);
    assert_eq!(t.sender.deadline(), None, "its first part fits");
    t.path(0).max_packet_size += 2 * FULL;
    assert!(t.send().is_empty());
    assert_eq!(t.sender.deadline(), Some(t.now + Duration::from_secs(1)));
}

#[test]
fn an_unanswered_probe_is_no_error_while_sacks_come() {
    // RFC 9260, 6.1 A
    let mut t = Harness::new();
    t.enqueue_full(3);
    t.send();
    t.sack_window(3, 0);
    t.enqueue(FULL);
    t.wait(1_000);
    assert_eq!(t.send_numbers(), [[3]]);
    let cwnd = t.path(0).congestion.cwnd();
    t.sack_window(3, 0);
    assert!(t.expire(0).window_probe);
    assert_eq!(t.path(0).congestion.cwnd(), cwnd, "probing does not affect cwnd");
    assert_eq!(t.send_numbers(), [[3]]);
    assert!(!t.expire(0).window_probe, "no SACK came for this one: it counts");
}

#[test]
fn an_unanswered_probe_is_no_error_while_shutdowns_come() {
    // RFC 9260, 9.2: DATA is answered by SHUTDOWN, and a SACK only MAY go with it. 6.1 A
    let mut t = Harness::new();
    t.enqueue(FULL);
    t.send();
    t.sack_window(1, 0);
    t.enqueue(FULL);
    for _ in 0..20 {
        t.wait(100);
        t.send();
        t.wait(100);
        let shutdown = t.sender.handle_cumulative_ack(t.now, FIRST, &mut t.paths).unwrap();
        assert_eq!(shutdown.newly_acked_bytes, 0);
        if t.t3(0).is_some() {
            assert!(t.expire(0).window_probe);
        }
    }
    assert!(t.path(0).stats.t3_expiries > 10);
}

#[test]
fn a_probe_that_the_peer_dropped_is_sent_again_when_the_window_opens() {
    let mut t = Harness::new();
    t.enqueue(FULL);
    t.send();
    t.sack_window(1, 0);
    t.enqueue_full(2);
    t.wait(1_000);
    assert_eq!(t.send_numbers(), [[1]]);
    t.wait(1);
    t.sack_window(1, 0);
    t.wait(1);
    t.sack_window(1, 50_000);
    assert_eq!(t.send_numbers().concat(), [1, 2]);
}

/// RFC 9260, 6.1.
#[test]
fn a_peer_with_a_buffer_smaller_than_a_packet_gets_smaller_chunks() {
    // RFC 1122, 4.2.3.4
    let mut t = Harness::unconnected(1, &config());
    t.sender.set_peer(600, 10);
    t.enqueue(1_000);
    let sent = t.send();
    assert_eq!(sent[0].chunks[0].payload.len(), 600);
    t.sack_window(1, 200);
    assert!(t.send().is_empty(), "less than half of the buffer: not worth a packet");
    t.sack_window(1, 600);
    assert_eq!(t.send()[0].chunks[0].payload.len(), 400);
}

#[test]
fn the_flight_ends_at_most_one_packet_above_cwnd() {
    // RFC 9260, 6.1 B
    let mut t = Harness::with(1, &AssociationConfig { max_burst: 0, ..config() });
    t.enqueue_full(40);
    t.send();
    let path = t.path(0);
    let (flight, cwnd) = (path.flight_size, path.congestion.cwnd());
    assert!(flight >= cwnd && flight < cwnd + path.pmdcs(), "{flight} of {cwnd}");
}

/// Runs `rounds` round trips with a peer that acknowledges each `stretch` packets; the last flight.
fn flight_with(stretch: usize, rounds: usize) -> (usize, usize) {
    let mut t = Harness::with(1, &AssociationConfig { send_buffer: 64 << 20, ..config() });
    t.enqueue_full(6_000);
    let mut unacked = 0;
    let mut acked = 0;
    let mut in_flight: Vec<u32> = t.send_numbers().concat();
    for _ in 0..rounds {
        t.wait(10);
        for number in core::mem::take(&mut in_flight) {
            unacked += 1;
            if unacked == stretch {
                unacked = 0;
                acked = number + 1;
                t.sender.handle_sack(t.now, &sack(acked, &[]), &mut t.paths).unwrap();
                in_flight.extend(t.send_numbers().concat());
            }
        }
        if in_flight.is_empty() {
            // The peer's delayed acknowledgement.
            let all = t.sender.outstanding_chunks() as u32;
            unacked = 0;
            t.sack(acked + all, &[]);
            acked += all;
            in_flight = t.send_numbers().concat();
        }
    }
    let path = t.path(0);
    (path.flight_size, path.congestion.cwnd())
}

#[test]
fn the_flight_fills_the_window_however_the_peer_stretches_its_sacks() {
    // RFC 9260, 6.1 B and D
    for stretch in [1, 2, 8, 16] {
        let (flight, cwnd) = flight_with(stretch, 8);
        assert!(flight + 1_016 * stretch >= cwnd, "stretch {stretch}: {flight} of {cwnd}");
        assert!(cwnd > 8 * 1_016, "stretch {stretch}: cwnd {cwnd}");
    }
}

/// RFC 9260, 6.1.
#[test]
fn after_an_idle_time_the_window_is_smaller() {
    // RFC 9260, 7.2.1
    let mut t = Harness::new();
    t.enqueue(FULL);
    t.send();
    t.sack(1, &[]);
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(64 * 1_016, &config());
    t.wait(2_500);
    t.enqueue(FULL);
    t.send();
    assert_eq!(t.path(0).congestion.cwnd(), 16 * 1_016);
}

fn asks(t: &mut Harness) -> Vec<bool> {
    t.send().iter().flat_map(|packet| packet.chunks.iter().map(|chunk| chunk.flags.immediate)).collect()
}

#[test]
fn what_fills_the_peers_window_asks_to_be_acknowledged_at_once() {
    // RFC 7053, 4.2 and 5.1
    let mut t = Harness::unconnected(1, &config());
    t.open_cwnd();
    t.sender.set_peer(3_100, 10);
    t.enqueue_full(6);
    assert_eq!(asks(&mut t), [false, false, true]);
    t.sack_window(3, 1 << 20);
    assert_eq!(asks(&mut t), [false; 3], "nothing waits for the last one");
}

#[test]
fn what_a_reset_of_streams_waits_for_asks_to_be_acknowledged_at_once() {
    // RFC 7053, 4.2 and 5.1; RFC 6525, 5.1.2
    let mut t = Harness::new();
    t.enqueue(100);
    t.enqueue(100);
    t.sender.pause(StreamSet::All);
    t.enqueue(100);
    assert_eq!(asks(&mut t), [false, true], "the last one that leaves before");
}

/// RFC 9260, 6.1: rule A, a probe only when nothing is outstanding.
#[test]
fn a_closed_window_is_not_probed_while_data_is_outstanding() {
    let mut t = Harness::new();
    t.enqueue_full(2);
    t.send();
    t.sack_window(1, 0);
    t.enqueue_full(2);
    for _ in 0..10 {
        t.wait(300);
        t.sender.handle_timeout(t.now);
        assert!(t.send().is_empty());
    }
    t.sack_window(2, 0);
    assert!(t.sender.deadline().is_some_and(|probe_at| probe_at > t.now));
    t.wait(60_000);
    assert_eq!(t.send_numbers(), [[2]]);
}
