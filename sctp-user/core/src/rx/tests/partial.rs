//! Messages that are delivered in pieces (RFC 9260, 6.9; RFC 6458, 8.1.20 and 8.1.21).

use super::interleaved::i_data;
use super::*;
use crate::config::FragmentInterleave;
use crate::event::AbortedDelivery;
use crate::serial::Mid;
use crate::wire::chunk::{IForwardTsnChunk, SkippedMessage};
use proptest::prelude::*;

fn small() -> AssociationConfig {
    AssociationConfig { receive_buffer: 20_000, max_message_size: 1 << 30, ..AssociationConfig::default() }
}

fn with_point(point: usize, fragment_interleave: FragmentInterleave) -> AssociationConfig {
    AssociationConfig { partial_delivery_point: Some(point), fragment_interleave, ..small() }
}

/// What can be read: stream, text, and whether the message ends with it.
fn pieces(harness: &mut Harness) -> Vec<(u16, String, bool)> {
    let read = core::iter::from_fn(|| harness.receiver.read(harness.now));
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    read.map(|message| (message.stream_id, message.end_of_record, message.into_bytes()))
        .map(|(stream_id, end, bytes)| (stream_id, text(bytes), end))
        .collect()
}

fn piece(stream_id: u16, text: &str, end: bool) -> (u16, String, bool) {
    (stream_id, text.into(), end)
}

/// RFC 9260, 6.9: when the buffer is full the beginning is handed over, to make room for the rest.
#[test]
fn a_message_larger_than_the_buffer_is_delivered_in_pieces() {
    for flags in ["", "U"] {
        let mut harness = Harness::with(&small());
        let mut got = 0;
        for offset in 0..1_000_u32 {
            let place = match offset {
                0 => "B",
                999 => "E",
                _ => "",
            };
            let data = chunk(offset, 3, 0, &[flags, place].concat(), &[offset as u8; 1_000]);
            assert_eq!(harness.packet(data), DataOutcome::Accepted);
            while let Some(message) = harness.receiver.read(harness.now) {
                assert_eq!((message.stream_id, message.tsn), (3, tsn(0)));
                assert_eq!(message.end_of_record, got + message.len() == 1_000_000);
                for byte in message.into_bytes() {
                    assert_eq!(byte, (got / 1_000) as u8);
                    got += 1;
                }
            }
        }
        assert_eq!((got, harness.receiver.held_bytes()), (1_000_000, 0));
    }
}

/// RFC 6458, 8.1.20; RFC 9260, 6.5: what waited for the end of another message stays before what comes later on its stream.
#[test]
fn a_stream_keeps_its_order_when_the_level_of_interleaving_changes() {
    let mut harness = Harness::with(&with_point(1, FragmentInterleave::Associations));
    let _ = harness.packet(chunk(0, 1, 0, "B", b"a"));
    let _ = harness.packet(chunk(3, 2, 0, "BE", b"first"));
    harness.receiver.update_config(&with_point(1, FragmentInterleave::Streams));
    let _ = harness.packet(chunk(1, 1, 0, "", b"b"));
    let _ = harness.packet(chunk(4, 2, 1, "BE", b"second"));
    let _ = harness.packet(chunk(2, 1, 0, "E", b"c"));
    let got: Vec<_> = pieces(&mut harness).into_iter().filter(|(stream_id, ..)| *stream_id == 2).collect();
    assert_eq!(got, [piece(2, "first", true), piece(2, "second", true)]);
}

/// RFC 9260, 6.9; RFC 8260, 2.2.3: the buffer is full of messages out of turn; the one whose turn it is comes late, or its
/// turn does.
#[test]
fn with_a_full_buffer_the_next_message_is_delivered_in_pieces_as_soon_as_it_can_be() {
    let full = || {
        let mut harness = super::interleaved::harness(&small());
        (0..90).for_each(|i| {
            assert_eq!(harness.packet(i_data(2 * i + 2, 0, i + 1, 0, "B", b"x")), DataOutcome::Accepted)
        });
        assert!(harness.sack().a_rwnd < 1_000 && !harness.receiver.is_readable());
        harness
    };
    let mut harness = full();
    let _ = harness.packet(i_data(1, 0, 0, 0, "B", b"first"));
    assert_eq!(pieces(&mut harness), [piece(0, "first", false)]);
    let mut harness = full();
    harness.receiver.handle_i_forward_tsn(&IForwardTsnChunk {
        new_cumulative_tsn: tsn(0),
        streams: smallvec::smallvec![SkippedMessage { stream_id: 0, unordered: false, mid: Mid(0) }],
    });
    assert_eq!(pieces(&mut harness), [piece(0, "x", false)]);
}

/// RFC 9260, 6.9: so it is when whole messages that wait for their turn fill the buffer.
#[test]
fn with_a_buffer_full_of_whole_messages_the_one_that_is_begun_is_delivered_in_pieces() {
    let mut harness = super::interleaved::harness(&small());
    let _ = harness.packet(i_data(0, 1, 0, 0, "B", b"begun"));
    for i in 0..90 {
        assert_eq!(harness.packet(i_data(i + 2, 0, i + 1, 0, "BE", b"x")), DataOutcome::Accepted);
    }
    assert_eq!(pieces(&mut harness), [piece(1, "begun", false)]);
}

/// RFC 6458, 8.1.21: a message that fits is delivered whole unless the user wants it otherwise.
#[test]
fn a_message_that_the_buffer_can_hold_is_delivered_whole() {
    let mut harness = Harness::with(&small());
    for offset in 0..18 {
        let flags = if offset == 0 { "B" } else { "" };
        let _ = harness.packet(chunk(offset, 0, 0, flags, &[0; 1_000]));
        assert!(!harness.receiver.is_readable());
    }
    let _ = harness.packet(chunk(18, 0, 0, "E", &[0; 100]));
    assert!(harness.receiver.read(harness.now).unwrap().end_of_record);
}

/// RFC 6458, 8.1.21.
#[test]
fn pieces_are_delivered_from_the_partial_delivery_point_on() {
    let mut harness = Harness::with(&with_point(4, FragmentInterleave::Associations));
    let _ = harness.packet(chunk(0, 0, 0, "B", b"ab"));
    assert!(!harness.receiver.is_readable());
    let _ = harness.packet(chunk(1, 0, 0, "", b"cd"));
    assert_eq!(pieces(&mut harness), [piece(0, "abcd", false)]);
    let _ = harness.packet(chunk(2, 0, 0, "", b"ef"));
    let _ = harness.packet(chunk(3, 0, 0, "", b"gh"));
    assert_eq!(pieces(&mut harness), [piece(0, "efgh", false)], "what came since the last read is one piece");
    let _ = harness.packet(chunk(4, 0, 0, "E", b"i"));
    let _ = harness.packet(chunk(5, 0, 1, "BE", b"next"));
    assert_eq!(pieces(&mut harness), [piece(0, "i", true), piece(0, "next", true)]);
    assert_eq!(harness.receiver.held_bytes(), 0);
}

/// RFC 6458, 8.1.20: below level 2 nothing comes between the pieces of a message.
#[test]
fn other_messages_wait_for_the_end_of_one_in_pieces_unless_streams_may_mix() {
    use FragmentInterleave::{Associations, Nothing, Streams};
    for (level, mixes) in [(Nothing, false), (Associations, false), (Streams, true)] {
        let mut harness = Harness::with(&with_point(1, level));
        let _ = harness.packet(chunk(0, 0, 0, "B", b"a"));
        // The hole hides the rest of it: what follows is whole.
        let _ = harness.packet(chunk(2, 1, 0, "BE", b"other"));
        let _ = harness.packet(chunk(3, 0, 9, "UBE", b"unordered"));
        let _ = harness.packet(chunk(4, 0, 1, "BE", b"later"));
        let others = [piece(1, "other", true), piece(0, "unordered", true)];
        let first = pieces(&mut harness);
        assert_eq!(first[0], piece(0, "a", false));
        assert_eq!(first[1..], if mixes { &others } else { &others[..0] }[..]);
        let _ = harness.packet(chunk(1, 0, 0, "E", b"b"));
        let rest = pieces(&mut harness);
        assert_eq!(rest[0], piece(0, "b", true));
        assert_eq!(rest.last().unwrap(), &piece(0, "later", true));
        assert_eq!(rest.len(), if mixes { 2 } else { 4 });
    }
}

/// RFC 8260, 2.2.1 and 4.3.1: where messages are interleaved pieces of several are read in turn.
#[test]
fn interleaved_messages_are_delivered_in_pieces_at_the_same_time() {
    let config = with_point(1, FragmentInterleave::Nothing);
    let mut harness = super::interleaved::harness(&config);
    for (offset, stream_id, fsn, flags) in
        [(0, 0, 0, "B"), (1, 1, 0, "B"), (2, 0, 1, ""), (3, 1, 1, "E"), (4, 0, 2, "E")]
    {
        let _ = harness.packet(i_data(offset, stream_id, 0, fsn, flags, b"x"));
    }
    let expected =
        [(0, false), (1, false), (0, false), (1, true), (0, true)].map(|(id, end)| piece(id, "x", end));
    assert_eq!(pieces(&mut harness), expected);
    assert_eq!(harness.receiver.held_bytes(), 0);
}

/// RFC 8260, 2.2.1: a message whose turn has not come is not delivered, not even in part.
#[test]
fn a_message_in_pieces_waits_for_its_turn() {
    let mut harness = super::interleaved::harness(&with_point(1, FragmentInterleave::Streams));
    let _ = harness.packet(i_data(0, 0, 1, 0, "B", b"second"));
    assert!(!harness.receiver.is_readable());
    let _ = harness.packet(i_data(1, 0, 0, 0, "BE", b"first"));
    assert_eq!(pieces(&mut harness), [piece(0, "first", true)]);
    let _ = harness.packet(i_data(2, 0, 1, 1, "E", b"!"));
    assert_eq!(pieces(&mut harness), [piece(0, "second!", true)]);
}

/// RFC 9260, 6.2: a message without end is read as it comes, and its bytes are never held longer.
#[test]
fn a_message_without_end_is_bounded_by_its_size_alone() {
    let mut harness = Harness::with(&AssociationConfig { max_message_size: 500_000, ..small() });
    let outcome = (0..10_000).find_map(|offset| {
        let flags = if offset == 0 { "B" } else { "" };
        let outcome = harness.packet(chunk(offset, 0, 0, flags, &[0; 1_000]));
        let _ = pieces(&mut harness);
        (outcome != DataOutcome::Accepted).then_some((offset, outcome))
    });
    let Some((500, DataOutcome::Violation(violation))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(violation.cause_code(), 4);
}

/// A peer that begins messages and never ends them pays for each place in our memory.
#[test]
fn messages_begun_and_read_in_part_are_bounded() {
    for read in [false, true] {
        let config = with_point(1, FragmentInterleave::Streams);
        let mut harness = super::interleaved::harness(&config);
        let mut violation = None;
        for offset in 0..30_000 {
            let outcome = harness.packet(i_data(offset, (offset % 10) as u16, offset, 0, "UB", b"x"));
            assert!(harness.receiver.held_bytes() <= harness.receiver.max_held_bytes());
            if read {
                let _ = pieces(&mut harness);
            }
            if let DataOutcome::Violation(found) = outcome {
                violation = Some(found);
                break;
            }
        }
        assert_eq!(violation.map(crate::rx::Violation::cause_code), read.then_some(4));
    }
}

/// RFC 6458, 6.1.7; RFC 6525, 5.2.4 G4; RFC 9260, 5.2.4 A: what was read in part and will not end is told of.
#[test]
fn the_reader_hears_that_the_rest_of_a_message_will_not_come() {
    let aborted = AbortedDelivery { stream_id: 2, unordered: false, mid: Mid(0) };
    for restart in [false, true] {
        for read in [false, true] {
            let config = with_point(1, FragmentInterleave::Associations);
            let mut harness = Harness::with(&config);
            let _ = harness.packet(chunk(0, 2, 0, "B", b"a"));
            if read {
                assert_eq!(pieces(&mut harness), [piece(2, "a", false)]);
                let _ = harness.packet(chunk(1, 2, 0, "", b"b"));
            }
            let _ = harness.packet(chunk(5, 1, 0, "BE", b"other"));
            if restart {
                harness.receiver = harness.receiver.restart(&config, INITIAL, STREAMS);
            } else {
                harness.receiver.reset_tsns(tsn(100));
            }
            // If nothing was read, then nothing was begun.
            assert_eq!(harness.receiver.poll_aborted(), read.then_some(aborted));
            assert_eq!(harness.receiver.poll_aborted(), None);
            assert_eq!(pieces(&mut harness), [piece(1, "other", true)]);
            assert_eq!(harness.receiver.held_bytes(), 0);
        }
    }
}

/// Fragments of some messages, one stream after the other in turn, in the order of TSNs.
fn messages() -> impl Strategy<Value = Vec<(u16, bool, Vec<usize>)>> {
    prop::collection::vec((0..4_u16, any::<bool>(), prop::collection::vec(1..900_usize, 1..8)), 1..20)
}

proptest! {
    /// Whatever the order of arrival, the point and the level: the pieces make up the messages, those of a stream in
    /// their order, and below level 2 one after the other.
    #[test]
    fn pieces_make_up_the_messages(
        messages in messages(),
        point in 1..2_000_usize,
        interleaving in any::<bool>(),
        mixes in any::<bool>(),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize), 0..60),
        reads in prop::collection::vec(any::<bool>(), 200),
    ) {
        let level = if mixes { FragmentInterleave::Streams } else { FragmentInterleave::Nothing };
        let config = with_point(point, level);
        let mut harness =
            if interleaving { super::interleaved::harness(&config) } else { Harness::with(&config) };
        let (mut chunks, mut texts) = (Vec::new(), Vec::new());
        let mut mids = [[0_u32; 2]; 4];
        for (number, (stream_id, unordered, lens)) in messages.iter().enumerate() {
            let next = &mut mids[usize::from(*stream_id)][usize::from(*unordered)];
            let mid = core::mem::replace(next, *next + 1);
            for (fsn, len) in lens.iter().enumerate() {
                let flags = [
                    if *unordered { "U" } else { "" },
                    if fsn == 0 { "B" } else { "" },
                    if fsn + 1 == lens.len() { "E" } else { "" },
                ].concat();
                chunks.push((*stream_id, mid, fsn as u32, flags, vec![number as u8; *len]));
            }
            texts.push((*stream_id, *unordered, number as u8, lens.iter().sum::<usize>()));
        }
        let mut order: Vec<_> = (0..chunks.len()).collect();
        for (index, far) in swaps {
            let index = index.index(order.len());
            let other = (index + far).min(order.len() - 1);
            order.swap(index, other);
        }
        let mut got: Vec<(u16, bool, u8, usize)> = Vec::new();
        let mut open: Vec<(u16, bool, u8, usize)> = Vec::new();
        let mut take = |harness: &mut Harness| {
            while let Some(message) = harness.receiver.read(harness.now) {
                let (stream_id, unordered, end) = (message.stream_id, message.unordered, message.end_of_record);
                let bytes = message.into_bytes();
                let place = open.iter().position(|part| (part.0, part.1, part.2) == (stream_id, unordered, bytes[0]));
                let mut part = place.map_or((stream_id, unordered, bytes[0], 0), |place| open.remove(place));
                assert!(open.is_empty() || mixes || interleaving, "nothing comes between");
                assert!(bytes.iter().all(|byte| *byte == part.2));
                part.3 += bytes.len();
                if end { got.push(part) } else { open.push(part) }
            }
        };
        for (step, index) in order.into_iter().enumerate() {
            let (stream_id, mid, fsn, flags, payload) = &chunks[index];
            let offset = index as u32;
            let outcome = if interleaving {
                harness.packet(i_data(offset, *stream_id, *mid, *fsn, flags, payload))
            } else {
                harness.packet(chunk(offset, *stream_id, *mid as u16, flags, payload))
            };
            prop_assert_ne!(outcome, DataOutcome::NoBuffer);
            prop_assert_eq!(outcome, DataOutcome::Accepted);
            if reads.get(step).is_none_or(|&read| read) {
                take(&mut harness);
            }
        }
        take(&mut harness);
        prop_assert_eq!(harness.receiver.held_bytes(), 0);
        for stream_id in 0..4 {
            let ordered = |part: &&(u16, bool, u8, usize)| part.0 == stream_id && !part.1;
            prop_assert!(got.iter().filter(ordered).eq(texts.iter().filter(ordered)));
        }
        got.sort_unstable();
        texts.sort_unstable();
        prop_assert_eq!(got, texts);
    }
}
