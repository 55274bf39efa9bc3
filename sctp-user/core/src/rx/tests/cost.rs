//! What received data costs: steps, not time. Ten times as much must cost about ten times as much, whatever the peer does.

use super::interleaved::{harness, i_data};
use super::*;
use crate::serial::Mid;
use crate::steps;
use crate::stream_set::StreamSet;
use crate::wire::chunk::{IForwardTsnChunk, SkippedMessage};

/// A receive buffer that is filled by the beginnings of ordered messages, of all of which it is not the turn; and how many.
fn full_of_parts(receive_buffer: usize) -> (Harness, u32) {
    let mut harness = harness(&AssociationConfig { receive_buffer, ..AssociationConfig::default() });
    let mut count = 0;
    while harness.data(i_data(count, 0, count + 1, 0, "B", b"x")) == DataOutcome::Accepted {
        count += 1;
    }
    assert!(count > 100 && !harness.receiver.is_readable());
    (harness, count)
}

/// RFC 9260, 6.9; RFC 8260, 2.3.1: with the buffer full, each I-FORWARD-TSN may bring the turn of a message, which is then
/// delivered in pieces; but not all that wait are asked each time.
#[test]
fn whose_turn_it_is_in_a_full_buffer_is_not_asked_of_all_that_wait() {
    let cost = |receive_buffer| {
        let (mut harness, count) = full_of_parts(receive_buffer);
        let steps = steps::of(|| {
            for offset in 0..1_000 {
                let streams = [SkippedMessage { stream_id: 1, unordered: false, mid: Mid(offset) }];
                let new_cumulative_tsn = tsn(count + offset);
                let forward = IForwardTsnChunk { new_cumulative_tsn, streams: streams.into_iter().collect() };
                harness.receiver.handle_i_forward_tsn(&forward);
            }
        });
        assert!(!harness.receiver.is_readable());
        let streams = [SkippedMessage { stream_id: 0, unordered: false, mid: Mid(0) }];
        let forward = IForwardTsnChunk {
            new_cumulative_tsn: tsn(count + 1_000),
            streams: streams.into_iter().collect(),
        };
        harness.receiver.handle_i_forward_tsn(&forward);
        assert_eq!(harness.texts().concat(), "x", "its turn has come");
        steps
    };
    let (few, many) = (cost(50_000), cost(500_000));
    assert!(many <= few + 100, "{few} steps with a tenth, {many} with all");
}

/// RFC 6525, 5.2.2: a reset of one stream does not look at what waits on all others.
#[test]
fn resetting_one_stream_costs_what_waits_on_it() {
    let mut harness =
        Harness::with(&AssociationConfig { receive_buffer: 1 << 20, ..AssociationConfig::default() });
    for offset in 0..3_000 {
        let ssn = u16::try_from(offset).unwrap() + 1;
        let stream_id = if offset % 100 == 0 { 1 } else { 0 };
        assert_eq!(harness.data(chunk(offset, stream_id, ssn, "BE", b"x")), DataOutcome::Accepted);
    }
    let last = tsn(2_999);
    let one = StreamSet::of(&[1]);
    let steps = steps::of(|| harness.receiver.reset_streams(&one, last).unwrap());
    assert!(steps <= 31, "{steps}");
    assert_eq!(harness.texts().len(), 30);
    harness.receiver.reset_streams(&StreamSet::All, last).unwrap();
    assert_eq!(harness.texts().len(), 2_970);
}
