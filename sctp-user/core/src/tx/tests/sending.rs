use super::harness::*;
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::message::SendOptions;
use crate::reliability::Reliability;
use crate::tx::message::MESSAGE_OVERHEAD;
use bytes::Bytes;
use core::time::Duration;

/// RFC 9260, 3.3.1, 6.7.
#[test]
fn a_message_leaves_in_one_chunk_and_is_gone_when_acknowledged() {
    let mut t = Harness::new();
    let free = t.sender.free();
    t.enqueue(FULL);
    assert_eq!(t.send_numbers(), [[0]]);
    assert!(t.sender.has_outstanding() && !t.sender.has_unsent());
    let outcome = t.sack(1, &[]);
    assert!(outcome.became_empty && outcome.cumulative_advanced);
    assert_eq!((outcome.newly_acked_bytes, t.sender.free()), (FULL, free));
}

/// RFC 9260, 5.
#[test]
fn nothing_leaves_before_the_peer_has_answered() {
    let mut t = Harness::unconnected(1, &config());
    t.enqueue(10);
    assert!(t.send().is_empty());
    t.sender.set_peer(1 << 20, 10);
    assert_eq!(t.send_numbers(), [[0]]);
}

/// RFC 9260, 6.5.
#[test]
fn messages_for_streams_that_the_peer_did_not_grant_fail() {
    let mut t = Harness::unconnected(1, &config());
    for stream_id in [0, 5, 9] {
        t.try_enqueue(&SendOptions { stream_id, context: stream_id.into(), ..SendOptions::default() }, 10)
            .unwrap();
    }
    t.sender.set_peer(1 << 20, 6);
    let failure = t.sender.poll_failure().unwrap();
    assert_eq!((failure.context, failure.sent, failure.payload.len()), (9, false, 10));
    assert!(t.sender.poll_failure().is_none());
    let streams: Vec<_> = t.send().iter().flat_map(|p| p.chunks.iter().map(|c| c.stream_id)).collect();
    assert_eq!(streams, [0, 5]);
    let refused = t.try_enqueue(&SendOptions { stream_id: 6, ..SendOptions::default() }, 1);
    assert_eq!(refused, Err(SendError::InvalidStream { stream_id: 6, streams: 6 }));
}

/// RFC 9260, 6.
#[test]
fn small_messages_share_a_packet() {
    // RFC 9260, 6.10
    let mut t = Harness::new();
    (0..3).for_each(|_| t.enqueue(100));
    assert_eq!(t.send_numbers(), [[0, 1, 2]]);
}

/// RFC 9260, 3.3.1, 6.
#[test]
fn a_long_message_is_cut_into_chunks_with_consecutive_tsns_and_one_ssn() {
    // RFC 9260, 6.9
    let mut t = Harness::new();
    let options = SendOptions { stream_id: 3, ppid: 9, sack_immediately: true, ..SendOptions::default() };
    t.try_enqueue(&options, 2 * FULL + 500).unwrap();
    t.try_enqueue(&options, 10).unwrap();
    let sent = t.send();
    let chunks: Vec<_> = sent.iter().flat_map(|packet| &packet.chunks).collect();
    let flags: Vec<_> = chunks.iter().map(|chunk| chunk.flags.to_string()).collect();
    // RFC 7053, 4.1 and 7: on the last chunk of the message.
    assert_eq!(flags, ["B", "", "IE", "IBE"]);
    let seen: Vec<_> = chunks.iter().map(|c| (c.tsn.distance_from(FIRST), c.ssn.0, c.ppid)).collect();
    assert_eq!(seen, [(0, 0, 9), (1, 0, 9), (2, 0, 9), (3, 1, 9)]);
    assert_eq!(chunks.iter().map(|chunk| chunk.payload.len()).sum::<usize>(), 2 * FULL + 510);
}

#[test]
fn the_fragmentation_point_limits_the_payload_of_a_chunk() {
    let mut t = Harness::with(1, &AssociationConfig { fragmentation_point: 300, ..config() });
    t.enqueue(700);
    let lens: Vec<_> = t.send().iter().flat_map(|p| p.chunks.iter().map(|c| c.payload.len())).collect();
    assert_eq!(lens, [300, 300, 100]);
}

/// RFC 9260, 6.
#[test]
fn chunks_fit_the_smallest_path() {
    // RFC 9260, 6.9: AMDCS
    let mut t = Harness::with(2, &config());
    t.path(1).max_packet_size = 528;
    t.enqueue(1_000);
    let sent = t.send();
    assert!(sent.iter().flat_map(|packet| &packet.chunks).all(|chunk| chunk.payload.len() <= 500));
    assert_eq!(sent.iter().map(|packet| packet.chunks.len()).sum::<usize>(), 2);
}

#[test]
fn a_full_send_buffer_says_so_and_tells_when_it_has_room_again() {
    let mut t = Harness::with(1, &AssociationConfig { send_buffer: 2_400, ..config() });
    t.enqueue_full(2);
    let refused = t.try_enqueue(&SendOptions::default(), FULL);
    assert_eq!(refused, Err(SendError::WouldBlock { free: t.sender.free() }));
    assert!(!t.sender.take_writable());
    t.send();
    t.sack(1, &[]);
    assert!(t.sender.take_writable());
    assert!(!t.sender.take_writable(), "once");
    t.enqueue(FULL);
    let too_large = t.try_enqueue(&SendOptions::default(), 2_000_000);
    assert!(matches!(too_large, Err(SendError::TooLarge { len: 2_000_000, .. })));
    assert_eq!(t.try_enqueue(&SendOptions::default(), 0), Err(SendError::Empty));
}

#[test]
fn a_message_that_was_not_sent_in_its_lifetime_is_given_back() {
    // RFC 9260, 11.1.5
    let mut t = Harness::new();
    let short = with(Reliability::Timed(Duration::from_millis(50)));
    t.enqueue_full(20);
    t.send();
    t.try_enqueue(&short, 10).unwrap();
    assert_eq!(t.sender.deadline(), Some(t.now + Duration::from_millis(50)));
    t.wait(50);
    t.sender.handle_timeout(t.now);
    let failure = t.sender.poll_failure().unwrap();
    assert_eq!((failure.sent, failure.payload.len()), (false, 10));
    assert_eq!(t.sender.deadline(), None);
}

#[test]
fn a_message_of_which_a_part_was_sent_outlives_its_lifetime_without_partial_reliability() {
    // RFC 9260, 11.1.5
    let mut t = Harness::new();
    let short = with(Reliability::Timed(Duration::from_millis(50)));
    t.try_enqueue(&short, 40 * FULL).unwrap();
    t.send();
    t.wait(100);
    t.sender.handle_timeout(t.now);
    assert!(t.sender.poll_failure().is_none());
    assert!(t.sender.has_unsent());
}

#[test]
fn small_packets_wait_while_data_is_in_flight_unless_told_otherwise() {
    // Nagle's algorithm (RFC 9260, 6.10 and 6.1; RFC 1122, 4.2.3.4)
    let mut t = Harness::with(1, &AssociationConfig { no_delay: false, ..config() });
    t.enqueue(100);
    assert_eq!(t.send_numbers(), [[0]]);
    t.enqueue(100);
    assert!(t.send().is_empty(), "waits for more");
    t.enqueue(900);
    assert_eq!(t.send_numbers(), [vec![1]], "a packet can be filled; what is left waits again");
    t.sack(2, &[]);
    assert_eq!(t.send_numbers(), [[2]]);
    t.enqueue(100);
    assert!(t.send().is_empty());
    t.sender.set_draining();
    let last = t.send();
    assert!(last[0].chunks[0].flags.immediate, "RFC 9260, 6.1; RFC 7053, 5.1: the I bit in SHUTDOWN-PENDING");
}

#[test]
fn nothing_waits_for_more_while_the_send_buffer_is_full() {
    // RFC 1122, 4.2.3.4; RFC 7053, 4.2: the writer goes on with the acknowledgement, so it is not to be delayed
    let send_buffer = 2 * (100 + MESSAGE_OVERHEAD);
    let mut t = Harness::with(1, &AssociationConfig { no_delay: false, send_buffer, ..config() });
    t.enqueue(100);
    assert_eq!(t.send_numbers(), [[0]]);
    t.enqueue(100);
    assert!(t.send().is_empty(), "more may come");
    let refused = t.try_enqueue(&SendOptions::default(), 100);
    assert!(matches!(refused, Err(SendError::WouldBlock { .. })), "{refused:?}");
    let sent = t.send();
    assert!(sent[0].chunks[0].flags.immediate);
    t.sack(2, &[]);
    assert!(t.sender.take_writable());
    t.enqueue(100);
    assert!(!t.send()[0].chunks[0].flags.immediate);
    t.enqueue(100);
    assert!(t.send().is_empty(), "there is room again");
}

#[test]
fn the_end_of_a_message_that_was_cut_does_not_wait() {
    let mut t = Harness::with(1, &AssociationConfig { no_delay: false, ..config() });
    t.enqueue(FULL + 10);
    assert_eq!(t.send_numbers(), [[0], [1]]);
}

#[test]
fn everything_not_wholly_acknowledged_comes_back_when_the_association_is_lost() {
    let mut t = Harness::new();
    for context in 0..4 {
        let options = SendOptions { context, ..SendOptions::default() };
        t.try_enqueue(&options, 2 * FULL).unwrap();
    }
    t.send_one();
    t.send_one();
    t.send_one();
    t.sack(3, &[]);
    let failures = t.sender.fail_all(&mut t.paths);
    let seen: Vec<_> = failures.iter().map(|f| (f.context, f.sent, f.payload.len())).collect();
    assert_eq!(seen, [(1, true, 2_000), (2, false, 2_000), (3, false, 2_000)]);
    assert!(t.sender.is_empty());
    t.sender.check_invariants(&t.paths);
}

#[test]
fn four_hundred_kilobytes_of_small_messages_leave_in_full_packets() {
    let mut t = Harness::with(1, &AssociationConfig { send_buffer: 16 << 20, no_delay: false, ..config() });
    t.open_cwnd();
    for _ in 0..25_000 {
        t.sender
            .enqueue(t.now, &SendOptions::default(), None, None, bytes::Bytes::from_static(&[1; 16]))
            .unwrap();
    }
    let mut packets = 0;
    let mut acked = 0;
    while let Some(sent) = t.send_one_unchecked() {
        packets += 1;
        acked += sent;
        if packets % 2 == 0 {
            t.sender.handle_sack(t.now, &sack(acked, &[]), &mut t.paths).unwrap();
        }
    }
    assert_eq!((acked, packets), (25_000, 25_000_u32.div_ceil(1_016 / 32)));
}

#[test]
fn fragments_of_a_message_share_its_marks() {
    // RFC 9260, 3.3.1 and 6.9: U and PPID in each of them; B in the first, E in the last, neither between.
    for unordered in [false, true] {
        let mut t = Harness::new();
        let options = SendOptions { unordered, ppid: 0x0102_0304, stream_id: 3, ..SendOptions::default() };
        t.try_enqueue(&options, 3 * FULL + 1).unwrap();
        let chunks: Vec<_> = t.send().into_iter().flat_map(|sent| sent.chunks).collect();
        let marks: Vec<_> = chunks.iter().map(|chunk| (chunk.flags.begin, chunk.flags.end)).collect();
        assert_eq!(marks.first(), Some(&(true, false)));
        assert_eq!(marks.last(), Some(&(false, true)));
        assert!(marks.len() > 2 && marks[1..marks.len() - 1].iter().all(|&mark| mark == (false, false)));
        assert!(chunks.iter().all(|chunk| chunk.flags.unordered == unordered));
        assert!(chunks.iter().all(|chunk| (chunk.ppid, chunk.stream_id) == (0x0102_0304, 3)));
    }
}

/// RFC 9260, 1.6.
#[test]
fn the_chunks_in_flight_have_a_limit() {
    // RFC 9260, 6.1: far below 2^31 TSNs, and below 2^15 messages of one stream; so are messages of a stream and
    // fragments of one (RFC 8260, 2.1).
    let config = AssociationConfig { send_buffer: 1 << 30, ..config() };
    let mut t = Harness::with(1, &config);
    t.sender.set_peer(u32::MAX, 10);
    t.open_cwnd();
    for _ in 0..33_000 {
        let options = SendOptions::default();
        t.sender.enqueue(t.now, &options, None, None, Bytes::from_static(b"x")).unwrap();
    }
    let sent: u32 = core::iter::from_fn(|| t.send_one_unchecked()).sum();
    assert_eq!(sent, 32_767);
    t.sack(1, &[]);
    assert_eq!(t.send_one_unchecked(), Some(1));
}

/// RFC 9260, 6.2.
#[test]
fn an_empty_message_is_refused() {
    let mut t = Harness::new();
    assert_eq!(t.try_enqueue(&SendOptions::default(), 0), Err(SendError::Empty));
    assert!(t.send().is_empty());
}

/// RFC 9260, 7.2: the length of a chunk is that with its padding.
#[test]
fn padding_counts_as_in_flight() {
    let mut t = Harness::new();
    t.enqueue(1);
    t.send();
    assert_eq!(t.path(0).flight_size, 20);
    let cwnd = t.path(0).congestion.cwnd();
    t.enqueue_full(8);
    t.send();
    t.sack(1, &[]);
    assert_eq!(t.path(0).congestion.cwnd(), cwnd + 20);
}
