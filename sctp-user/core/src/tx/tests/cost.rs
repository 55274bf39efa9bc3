//! What it costs: steps, not time. Ten times as much must cost about ten times as much, whatever a peer or a user does.

use super::harness::{FULL, Harness, config, sack, with};
use crate::config::{AssociationConfig, StreamScheduler};
use crate::message::SendOptions;
use crate::reliability::Reliability;
use crate::steps;
use crate::stream_set::StreamSet;
use crate::tx::outstanding::MAX_GAPS;
use crate::wire::chunk::SackChunk;
use bytes::Bytes;
use core::time::Duration;

/// A sender with so many streams and a message on each, whose lifetimes end in an order that is none.
fn mortal(scheduler: StreamScheduler, streams: u16) -> Harness {
    let mut t = Harness::unconnected(1, &AssociationConfig { scheduler, send_buffer: 1 << 30, ..config() });
    t.sender.set_peer(1 << 20, streams);
    for stream_id in 0..streams {
        let millis = u64::from(stream_id.wrapping_mul(40_503) % 1_000) + 1;
        let options = with(Reliability::Timed(Duration::from_millis(millis)));
        let options = SendOptions { stream_id, context: stream_id.into(), ..options };
        t.sender.enqueue(t.now, &options, None, None, Bytes::from_static(b"x")).unwrap();
    }
    t
}

/// RFC 8260, 3: messages that are given up out of turn leave the schedulers without a look at all other streams.
#[test]
fn messages_that_expire_on_many_streams_cost_no_more_for_each_than_on_few() {
    for scheduler in StreamScheduler::ALL {
        let cost = |streams| {
            let mut t = mortal(scheduler, streams);
            let steps = steps::of(|| {
                for _ in 0..10 {
                    t.wait(90);
                    t.sender.handle_timeout(t.now);
                    t.sender.check_invariants(&t.paths);
                }
            });
            let left = t.sender.queued_messages();
            assert!(left > 0 && left < usize::from(streams) / 5, "{scheduler:?}: {left}");
            steps
        };
        let (few, many) = (cost(2_000), cost(20_000));
        assert!(
            many < 11 * few && many < 4 * 20_000,
            "{scheduler:?}: {few} steps for a tenth, {many} for all"
        );
    }
}

/// RFC 8260, 3.1 to 3.6: what is left is sent by the rules; a stream whose first message was given up is served as before.
#[test]
fn what_outlives_the_others_is_still_scheduled_by_the_rules() {
    for scheduler in StreamScheduler::ALL {
        let mut t = mortal(scheduler, 1_000);
        for stream_id in (0..1_000).rev() {
            let options = SendOptions { stream_id, context: 2_000, ..SendOptions::default() };
            t.sender.enqueue(t.now, &options, None, None, Bytes::from_static(b"y")).unwrap();
        }
        t.wait(500);
        t.sender.handle_timeout(t.now);
        t.open_cwnd();
        let sent: Vec<_> = t.send().into_iter().flat_map(|packet| packet.chunks).collect();
        let second: Vec<_> = sent.iter().filter(|chunk| chunk.payload == b"y"[..]).collect();
        assert_eq!(second.len(), 1_000, "{scheduler:?}: each is sent once");
        let first = sent.len() - second.len();
        assert!(first > 100, "{first}");
        match scheduler {
            StreamScheduler::FirstComeFirstServed => {
                let ids: Vec<_> = sent.iter().map(|chunk| chunk.stream_id).collect();
                assert!(ids[..first].is_sorted() && ids[first..].is_sorted_by(|a, b| a > b));
            }
            _ => {
                // By packets, a turn may be of two messages.
                let mut turns: Vec<_> = sent.iter().map(|chunk| chunk.stream_id).collect();
                turns.dedup();
                turns.truncate(1_000);
                turns.sort_unstable();
                turns.dedup();
                assert_eq!(turns.len(), 1_000, "{scheduler:?}: each stream has a turn before any has two");
            }
        }
    }
}

/// RFC 6525, 5.1.2 A1: how far the streams are that are to be reset is not asked of all of them for each packet.
#[test]
fn waiting_for_a_stream_reset_costs_little_for_each_packet() {
    let mut t = Harness::unconnected(1, &AssociationConfig { send_buffer: 1 << 30, ..config() });
    t.sender.set_peer(1 << 30, 10_000);
    t.open_cwnd();
    for stream_id in 0..10_000 {
        let options = SendOptions { stream_id, ..SendOptions::default() };
        t.sender.enqueue(t.now, &options, None, None, Bytes::from(vec![7; FULL])).unwrap();
    }
    t.sender.pause(StreamSet::All);
    let steps = steps::of(|| {
        while t.send_one_unchecked().is_some() {
            assert!(!t.sender.is_drained());
        }
    });
    assert!(steps <= 2 * 10_000, "{steps} steps");
    let all = t.sender.outstanding_chunks();
    assert_eq!(all, 10_000);
    t.sack(10_000, &[]);
    assert!(t.sender.is_drained());
}

/// So many chunks in flight.
fn in_flight(chunks: u32) -> Harness {
    let config = AssociationConfig { send_buffer: 1 << 30, ..config() };
    let mut t = Harness::unconnected(1, &config);
    t.sender.set_peer(1 << 30, 1);
    t.open_cwnd();
    for _ in 0..chunks {
        t.sender.enqueue(t.now, &SendOptions::default(), None, None, Bytes::from(vec![7; FULL])).unwrap();
    }
    while t.send_one_unchecked().is_some() {}
    assert_eq!(t.sender.outstanding_chunks(), chunks as usize);
    t
}

/// Takes a SACK in without the checks, which look at all that is outstanding.
fn take_in(t: &mut Harness, sack: &SackChunk) {
    t.sender.handle_sack(t.now, sack, &mut t.paths).unwrap();
}

/// RFC 9260, 6.2.1: a receiver may take back what it reported in gap blocks; but not for ever more than was sent to it.
#[test]
fn a_peer_cannot_keep_us_busy_by_taking_back_and_giving_again() {
    const CHUNKS: u32 = 10_000;
    let mut t = in_flight(CHUNKS);
    let (none, all) = (sack(0, &[]), sack(0, &[(1, CHUNKS - 1)]));
    let steps = steps::of(|| {
        for _ in 0..1_000 {
            take_in(&mut t, &all);
            take_in(&mut t, &none);
        }
    });
    assert!(steps < 4 * CHUNKS as usize + 1_000 * 20, "{steps} steps for {CHUNKS} chunks that were sent");
    t.sender.check_invariants(&t.paths);
    // The first chunk is missing all the time, and the association goes on.
    t.expire(0);
    assert_eq!(t.send_numbers().concat()[0], 0);
    t.sack(CHUNKS, &[]);
    assert!(t.sender.is_empty());
}

/// RFC 9260, 6.2.1 D iii: an honest receiver that takes back all that it had, once, is taken at its word.
#[test]
fn what_was_sent_once_may_be_taken_back_once() {
    let mut t = in_flight(100);
    t.sack(0, &[(1, 99)]);
    assert_eq!(t.path(0).flight_size, FULL + 16);
    t.sack(0, &[]);
    assert_eq!(t.path(0).flight_size, 100 * (FULL + 16));
    // Again, and more than was sent since: it says nothing, and what it says cumulatively still holds.
    t.sack(0, &[(1, 99)]);
    t.sack(1, &[]);
    assert_eq!(t.path(0).flight_size, FULL + 16, "the second one was not acknowledged either way");
    assert_eq!(t.sender.outstanding_chunks(), 99);
}

/// RFC 9260, 7.2.4: each SACK brings a miss indication to all that is missing below what it newly acknowledges.
#[test]
fn miss_indications_cost_little_once_a_chunk_is_sent_again() {
    let cost = |chunks: u32| {
        let mut t = in_flight(chunks);
        let steps = steps::of(|| {
            for first in (chunks / 2..chunks).rev() {
                take_in(&mut t, &sack(0, &[(first, chunks - 1)]));
            }
        });
        t.sender.check_invariants(&t.paths);
        steps
    };
    let (few, many) = (cost(2_000), cost(20_000));
    assert!(many < 12 * few && many < 20 * 20_000, "{few} steps for a tenth, {many} for all");
}

/// RFC 9260, 3.3.4: a SACK of 64 KB can report more stretches than a receiver can have.
#[test]
fn gap_blocks_without_end_are_read_up_to_a_limit() {
    let mut t = in_flight(20_000);
    let gaps: Vec<_> = (0..9_000).map(|gap| (2 * gap + 1, 2 * gap + 1)).collect();
    take_in(&mut t, &sack(0, &gaps));
    assert_eq!(t.path(0).flight_size, (20_000 - MAX_GAPS) * (FULL + 16));
    let steps = steps::of(|| take_in(&mut t, &sack(0, &gaps[..1])));
    assert!(steps < 5 * MAX_GAPS, "{steps}");
    t.sender.check_invariants(&t.paths);
}
