//! Stream schedulers, by what leaves on the wire (RFC 8260, 3), and I-DATA as it is sent (2.2.2).

use super::harness::{FULL, Harness, Sent, config};
use crate::config::{AssociationConfig, StreamScheduler};
use crate::message::SendOptions;
use crate::path::congestion::Congestion;
use crate::serial::Fsn;

/// The largest payload of an I-DATA chunk.
const FULL_I_DATA: usize = FULL - 4;

fn with(scheduler: StreamScheduler, interleaving: bool, values: &[(u16, u16)]) -> Harness {
    let stream_values = values.iter().copied().collect();
    let config = AssociationConfig { scheduler, stream_values, ..config() };
    let mut t = Harness::unconnected(1, &config);
    t.sender.set_interleaving(interleaving);
    t.sender.set_peer(1 << 20, 10);
    t.open_cwnd();
    t
}

fn enqueue(t: &mut Harness, stream_id: u16, len: usize) {
    t.try_enqueue(&SendOptions { stream_id, ..SendOptions::default() }, len).unwrap();
}

/// The streams of all chunks, in the order in which they leave.
fn streams(sent: &[Sent]) -> Vec<u16> {
    sent.iter().flat_map(|packet| &packet.chunks).map(|chunk| chunk.stream_id).collect()
}

/// The streams of all messages, in the order in which they begin.
fn begun(sent: &[Sent]) -> Vec<u16> {
    let chunks = sent.iter().flat_map(|packet| &packet.chunks);
    chunks.filter(|chunk| chunk.flags.begin).map(|chunk| chunk.stream_id).collect()
}

/// Bytes of each of the first `count` streams among the first `packets` packets.
fn bytes(sent: &[Sent], packets: usize, count: usize) -> Vec<usize> {
    let mut bytes = vec![0; count];
    let chunks = sent.iter().take(packets).flat_map(|packet| &packet.chunks);
    chunks.for_each(|chunk| bytes[usize::from(chunk.stream_id)] += chunk.payload.len());
    bytes
}

/// RFC 8260, 2.1 and 2.2.2: fragments are numbered in their message; B is on the first one, E on the last one; the
/// PPID is in the first one; ordered and unordered messages are counted apart.
#[test]
fn i_data_numbers_messages_and_fragments() {
    let mut t = with(StreamScheduler::FirstComeFirstServed, true, &[]);
    let ordered = SendOptions { stream_id: 3, ppid: 77, ..SendOptions::default() };
    t.try_enqueue(&ordered, 2 * FULL_I_DATA + 1).unwrap();
    t.try_enqueue(&SendOptions { unordered: true, ..ordered }, 1).unwrap();
    t.try_enqueue(&ordered, 1).unwrap();
    let sent = t.send();
    let seen: Vec<_> = sent.iter().flat_map(|packet| &packet.i_data).collect();
    let numbers: Vec<_> = seen.iter().map(|header| (header.mid.0, header.fsn(), header.ppid())).collect();
    let first = (0, Fsn(0), Some(77));
    assert_eq!(numbers, [first, (0, Fsn(1), None), (0, Fsn(2), None), first, (1, Fsn(0), Some(77))]);
    let flags: Vec<_> = seen.iter().map(|header| header.flags.to_string()).collect();
    assert_eq!(flags, ["B", "", "E", "UBE", "BE"]);
    assert!(
        seen.windows(2).all(|pair| pair[0].tsn.next() == pair[1].tsn),
        "TSNs are given as chunks are made"
    );
}

/// RFC 8260, 2.2.2: a retransmission is the same chunk.
#[test]
fn i_data_is_sent_again_as_it_was() {
    let mut t = with(StreamScheduler::RoundRobin, true, &[]);
    enqueue(&mut t, 0, 2 * FULL_I_DATA);
    enqueue(&mut t, 1, 2 * FULL_I_DATA);
    let before: Vec<_> = t.send().into_iter().flat_map(|packet| packet.i_data).collect();
    t.expire(0);
    let mut again: Vec<_> = t.send().into_iter().flat_map(|packet| packet.i_data).collect();
    again.sort_by_key(|header| header.tsn.distance_from(before[0].tsn));
    assert_eq!(again, before[..again.len()]);
    assert!(!again.is_empty());
    let outcome = t.sack(4, &[]);
    assert!(outcome.became_empty);
}

/// RFC 8260, 2.2.2: as with DATA, neither the congestion window nor the peer's window is exceeded.
#[test]
fn i_data_observes_both_windows() {
    let mut t = with(StreamScheduler::RoundRobin, true, &[]);
    t.path(0).congestion = Congestion::with_cwnd(3 * FULL, &config());
    (0..3).for_each(|stream_id| enqueue(&mut t, stream_id, 3 * FULL_I_DATA));
    let cwnd = 3 * FULL;
    let before = t.send();
    assert!((3..=4).contains(&before.len()), "cwnd, and no more than a packet beyond");
    assert!(t.path(0).flight_size < cwnd + FULL);
    t.open_cwnd();
    t.sack_window(before.len() as u32, 2 * FULL as u32);
    assert_eq!(t.send().len(), 2, "a_rwnd");
    t.sack_window(before.len() as u32 + 2, 1 << 20);
    assert!(!t.send().is_empty());
}

/// RFC 8260, 3.1.
#[test]
fn first_come_first_served_keeps_the_order_of_the_sends_with_i_data_too() {
    for interleaving in [false, true] {
        let mut t = with(StreamScheduler::FirstComeFirstServed, interleaving, &[]);
        for stream_id in [2, 0, 1, 2] {
            enqueue(&mut t, stream_id, 1_500);
        }
        let sent = t.send();
        assert_eq!(begun(&sent), [2, 0, 1, 2]);
        let mut messages = streams(&sent);
        messages.dedup();
        assert_eq!(messages, [2, 0, 1, 2], "nothing comes between");
    }
}

/// RFC 8260, 3.2: fair by messages without interleaving.
#[test]
fn round_robin_gives_each_stream_a_message_in_turn() {
    let mut t = with(StreamScheduler::RoundRobin, false, &[]);
    for stream_id in [0, 0, 0, 1, 2, 2] {
        enqueue(&mut t, stream_id, 1_500);
    }
    assert_eq!(begun(&t.send()), [0, 1, 2, 0, 2, 0]);
}

/// RFC 8260, 3.2: fair by I-DATA chunks with it.
#[test]
fn round_robin_gives_each_stream_a_fragment_in_turn_where_messages_are_interleaved() {
    let mut t = with(StreamScheduler::RoundRobin, true, &[]);
    enqueue(&mut t, 0, 4 * FULL_I_DATA);
    enqueue(&mut t, 1, 2 * FULL_I_DATA);
    enqueue(&mut t, 2, FULL_I_DATA);
    enqueue(&mut t, 1, FULL_I_DATA);
    let sent = t.send();
    assert_eq!(streams(&sent), [0, 1, 2, 0, 1, 0, 1, 0]);
    let of_stream_1 = sent.iter().flat_map(|packet| &packet.i_data).filter(|header| header.stream_id == 1);
    let mids: Vec<_> = of_stream_1.map(|header| header.mid.0).collect();
    assert_eq!(mids, [0, 0, 1], "2.2.2: one message of a stream at a time");
}

/// RFC 8260, 3.3: a packet holds chunks of one stream, and the next one those of the next stream.
#[test]
fn round_robin_per_packet_puts_one_stream_into_a_packet() {
    for interleaving in [false, true] {
        let mut t = with(StreamScheduler::RoundRobinPerPacket, interleaving, &[]);
        for _ in 0..8 {
            (0..3).for_each(|stream_id| enqueue(&mut t, stream_id, 200));
        }
        let sent = t.send();
        let packets: Vec<_> =
            sent.iter().map(|packet| (packet.chunks[0].stream_id, packet.chunks.len())).collect();
        assert_eq!(packets, [(0, 4), (1, 4), (2, 4), (0, 4), (1, 4), (2, 4)]);
        for packet in &sent {
            assert!(packet.chunks.iter().all(|chunk| chunk.stream_id == packet.chunks[0].stream_id));
        }
        t.expire(0);
        let again = t.send_one().unwrap();
        assert!(again.chunks.iter().all(|chunk| chunk.stream_id == 0), "nor do retransmissions mix streams");
    }
}

/// RFC 8260, 3.3 and RFC 9260, 6.9: a message longer than a packet is not interrupted where it cannot be.
#[test]
fn round_robin_per_packet_ends_a_message_first_unless_messages_are_interleaved() {
    for (interleaving, expected) in [(false, [0, 0, 1, 1]), (true, [0, 1, 0, 1])] {
        let mut t = with(StreamScheduler::RoundRobinPerPacket, interleaving, &[]);
        enqueue(&mut t, 0, 2 * FULL_I_DATA);
        enqueue(&mut t, 1, 2 * FULL_I_DATA);
        assert_eq!(streams(&t.send()), expected);
    }
}

/// RFC 8260, 3.4 and 4.3.2: the lower the value, the higher the priority; a long message of a lower one does not
/// delay it where messages are interleaved.
#[test]
fn the_stream_of_the_highest_priority_goes_first() {
    for (interleaving, expected) in [(false, [2, 2, 2, 1, 0, 3]), (true, [2, 1, 2, 2, 0, 3])] {
        let values = [(0, 7), (1, 1), (2, 5), (3, 7)];
        let mut t = with(StreamScheduler::Priority, interleaving, &values);
        enqueue(&mut t, 0, FULL_I_DATA);
        enqueue(&mut t, 3, FULL_I_DATA);
        enqueue(&mut t, 2, 3 * FULL_I_DATA);
        let mut sent = vec![t.send_one().unwrap()];
        enqueue(&mut t, 1, FULL_I_DATA);
        sent.extend(t.send());
        assert_eq!(streams(&sent), expected);
    }
}

/// RFC 8260, 3.4: streams of the same priority take turns.
#[test]
fn streams_of_the_same_priority_share_fairly() {
    let mut t = with(StreamScheduler::Priority, false, &[(9, 1)]);
    for stream_id in [9, 0, 0, 1] {
        enqueue(&mut t, stream_id, 10);
    }
    assert_eq!(streams(&t.send()), [0, 1, 0, 9]);
}

/// RFC 8260, 3.5: bytes count, not messages.
#[test]
fn fair_capacity_gives_streams_the_same_number_of_bytes() {
    for interleaving in [false, true] {
        let mut t = with(StreamScheduler::FairCapacity, interleaving, &[]);
        (0..20).for_each(|_| enqueue(&mut t, 0, 4_000));
        (0..800).for_each(|_| enqueue(&mut t, 1, 100));
        let bytes = bytes(&t.send(), 100, 2);
        // No closer than the longest message.
        let apart = if interleaving { FULL } else { 4_000 };
        assert!(bytes[0].abs_diff(bytes[1]) <= apart && bytes[0] > 30_000, "{bytes:?}");
    }
}

/// RFC 8260, 3 and 3.6: n times the weight, n times the capacity.
#[test]
fn weighted_fair_queueing_shares_in_proportion_to_the_weights() {
    for interleaving in [false, true] {
        let mut t = with(StreamScheduler::WeightedFairQueueing, interleaving, &[(1, 2), (2, 5)]);
        (0..50).for_each(|_| enqueue(&mut t, 0, 1_800));
        (0..300).for_each(|_| enqueue(&mut t, 1, 300));
        (0..100).for_each(|_| enqueue(&mut t, 2, 1_000));
        let bytes = bytes(&t.send(), 100, 3);
        let share = bytes[0];
        assert!(bytes[1].abs_diff(2 * share) <= 4_000 && bytes[2].abs_diff(5 * share) <= 9_500, "{bytes:?}");
        assert!(share > 8_000, "{bytes:?}");
    }
}

/// RFC 8260, 3.5: a stream that was silent gets no credit for it.
#[test]
fn a_stream_that_was_silent_does_not_shut_out_the_others() {
    let mut t = with(StreamScheduler::FairCapacity, true, &[]);
    (0..100).for_each(|_| enqueue(&mut t, 0, 1_000));
    (0..50).for_each(|_| drop(t.send_one()));
    (0..100).for_each(|_| enqueue(&mut t, 1, 1_000));
    let bytes = bytes(&t.send(), 40, 2);
    assert!(bytes[0].abs_diff(bytes[1]) <= 2 * FULL, "{bytes:?}");
}

/// RFC 8260, 4.3.2: at any time; a message that was begun is ended first where it cannot be interrupted.
#[test]
fn the_scheduler_can_be_changed_while_messages_wait() {
    for (interleaving, expected) in [(false, [0, 0, 1, 0, 0]), (true, [0, 1, 0, 0, 0])] {
        let mut t = with(StreamScheduler::FirstComeFirstServed, interleaving, &[]);
        enqueue(&mut t, 0, 2 * FULL_I_DATA);
        enqueue(&mut t, 0, 2 * FULL_I_DATA);
        enqueue(&mut t, 1, FULL_I_DATA);
        let mut sent = vec![t.send_one().unwrap()];
        let stream_values = [(0, 1)].into();
        let changed = AssociationConfig { scheduler: StreamScheduler::Priority, stream_values, ..config() };
        t.sender.update_config(&changed);
        sent.extend(t.send());
        assert_eq!(streams(&sent), expected);
    }
}
