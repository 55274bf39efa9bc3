//! What it costs: steps, not time. Ten times as much must cost about ten times as much, whatever a peer or a user does.

use super::harness::{FULL, Harness, config, with};
use crate::config::{AssociationConfig, StreamScheduler};
use crate::message::SendOptions;
use crate::reliability::Reliability;
use crate::steps;
use crate::stream_set::StreamSet;
use bytes::Bytes;
use core::time::Duration;

const SCHEDULERS: [StreamScheduler; 6] = [
    StreamScheduler::FirstComeFirstServed,
    StreamScheduler::RoundRobin,
    StreamScheduler::RoundRobinPerPacket,
    StreamScheduler::Priority,
    StreamScheduler::FairCapacity,
    StreamScheduler::WeightedFairQueueing,
];

/// A sender with so many streams and a message on each, whose lifetimes end in an order that is none.
fn mortal(scheduler: StreamScheduler, streams: u16) -> Harness {
    let mut t = Harness::unconnected(1, &AssociationConfig { scheduler, send_buffer: 1 << 30, ..config() });
    t.sender.set_peer(1 << 20, streams);
    for stream_id in 0..streams {
        let millis = u64::from(stream_id.wrapping_mul(40_503) % 1_000) + 1;
        let options = with(Reliability::Timed(Duration::from_millis(millis)));
        let options = SendOptions { stream_id, context: stream_id.into(), ..options };
        t.sender.enqueue(t.now, &options, Bytes::from_static(b"x")).unwrap();
    }
    t
}

/// RFC 8260, 3: messages that are given up out of turn leave the schedulers without a look at all other streams.
#[test]
fn messages_that_expire_on_many_streams_cost_no_more_for_each_than_on_few() {
    for scheduler in SCHEDULERS {
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
    for scheduler in SCHEDULERS {
        let mut t = mortal(scheduler, 1_000);
        for stream_id in (0..1_000).rev() {
            let options = SendOptions { stream_id, context: 2_000, ..SendOptions::default() };
            t.sender.enqueue(t.now, &options, Bytes::from_static(b"y")).unwrap();
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
        t.sender.enqueue(t.now, &options, Bytes::from(vec![7; FULL])).unwrap();
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
