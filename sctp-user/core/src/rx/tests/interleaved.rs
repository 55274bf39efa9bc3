//! I-DATA as it is received (RFC 8260, 2.2.3), from honest peers and from others.

use super::*;
use crate::rx::Violation;
use crate::serial::{Fsn, Mid};
use crate::wire::chunk::{IDataChunk, IDataHeader};
use proptest::prelude::*;

/// An I-DATA chunk: TSN's offset, stream, MID, FSN, and flags as in [`chunk`].
pub(super) fn i_data(
    offset: u32,
    stream_id: u16,
    mid: u32,
    fsn: u32,
    flags: &str,
    payload: &[u8],
) -> IDataChunk {
    let has = |letter| flags.contains(letter);
    let flags = DataFlags { immediate: has('I'), unordered: has('U'), begin: has('B'), end: has('E') };
    let ppid_or_fsn = if flags.begin { 7 } else { fsn };
    let header = IDataHeader { tsn: tsn(offset), stream_id, mid: Mid(mid), ppid_or_fsn, flags };
    IDataChunk { header, payload: Bytes::copy_from_slice(payload) }
}

pub(super) fn harness(config: &AssociationConfig) -> Harness {
    let mut harness = Harness::with(config);
    harness.receiver = Receiver::new(config, INITIAL, STREAMS).interleaved(config);
    harness
}

fn new() -> Harness {
    harness(&AssociationConfig::default())
}

fn small() -> AssociationConfig {
    AssociationConfig { receive_buffer: 20_000, max_message_size: 10_000, ..AssociationConfig::default() }
}

/// RFC 8260, 2.2.3: stream, U bit and MID say which message, the FSN says where.
#[test]
fn fragments_of_several_messages_come_in_any_order() {
    let mut harness = new();
    let chunks = [
        i_data(0, 0, 0, 0, "B", b"ab"),
        i_data(1, 1, 0, 0, "B", b"12"),
        i_data(2, 0, 0, 0, "UB", b"xy"),
        i_data(3, 1, 0, 2, "E", b"56"),
        i_data(4, 0, 0, 1, "UE", b"z"),
        i_data(5, 1, 0, 1, "", b"34"),
        i_data(6, 0, 0, 1, "E", b"c"),
    ];
    for chunk in chunks {
        assert_eq!(harness.packet(chunk), DataOutcome::Accepted);
    }
    assert_eq!(harness.texts(), ["xyz", "123456", "abc"]);
    assert_eq!(harness.receiver.held_bytes(), 0);
}

/// RFC 8260, 2.2.3: no assumption about the TSNs; 2.1: the PPID is the first fragment's.
#[test]
fn tsns_say_nothing_of_the_place_in_a_message() {
    let mut harness = new();
    let _ = harness.packet(i_data(0, 4, 0, 2, "E", b"c"));
    let _ = harness.packet(i_data(1, 4, 0, 0, "B", b"a"));
    let _ = harness.packet(i_data(2, 4, 0, 1, "", b"b"));
    let message = harness.receiver.read(harness.now).unwrap();
    assert_eq!((message.ppid, message.tsn, message.stream_id), (7, tsn(1), 4));
    assert_eq!(message.into_bytes(), "abc");
}

/// RFC 8260, 2.1: ordered messages are delivered in the order of their MIDs, which wrap.
#[test]
fn ordered_messages_wait_for_their_turn_and_unordered_ones_do_not() {
    let mut harness = new();
    let _ = harness.packet(i_data(0, 0, 1, 0, "BE", b"second"));
    let _ = harness.packet(i_data(1, 0, 9, 0, "UBE", b"unordered"));
    assert_eq!(harness.texts(), ["unordered"]);
    let _ = harness.packet(i_data(2, 0, 0, 0, "BE", b"first"));
    assert_eq!(harness.texts(), ["first", "second"]);
}

/// RFC 8260, 4.1: the lower half of the MID is what programs see as SSN.
#[test]
fn more_messages_than_ssns_are_told_apart_by_their_mids() {
    let mut harness = new();
    for mid in 0..70_000 {
        assert_eq!(harness.data(i_data(mid, 0, mid, 0, "BE", b"x")), DataOutcome::Accepted);
        let message = harness.receiver.read(harness.now).unwrap();
        assert_eq!((message.mid, message.ssn), (Mid(mid), Ssn(mid as u16)));
    }
    assert!(matches!(
        harness.packet(i_data(70_000, 0, 69_999, 0, "BE", b"x")),
        DataOutcome::Violation(Violation::DuplicateMid { stream_id: 0, mid: Mid(69_999) })
    ));
}

/// RFC 8260, 2.1: what the fragments of one message must not say, in either order of arrival.
#[test]
fn fragments_that_contradict_each_other_are_violations() {
    let cases = [
        ("the same number twice", (1, ""), (1, "")),
        ("the first one twice", (0, "B"), (0, "B")),
        ("two ends", (1, "E"), (2, "E")),
        ("behind the end", (2, "E"), (3, "")),
        ("a whole message, and a fragment", (0, "BE"), (1, "")),
        ("the first number without B", (0, ""), (5, "")),
        ("far behind the end", (2, "E"), (9_999, "")),
    ];
    for (name, one, two) in cases {
        for (early, late) in [(one, two), (two, one)] {
            let mut harness = new();
            // MID 1 waits for its turn: whole messages stay too. A fragment of another message makes the slow path.
            let _ = harness.packet(i_data(9, 3, 0, 0, "B", b"x"));
            let early = harness.packet(i_data(4, 0, 1, early.0, early.1, b"x"));
            let late = harness.packet(i_data(5, 0, 1, late.0, late.1, b"x"));
            let violation = [early, late].into_iter().find_map(|outcome| match outcome {
                DataOutcome::Violation(violation) => Some(violation),
                _ => None,
            });
            if name != "a whole message, and a fragment" {
                let violation = violation.unwrap_or_else(|| panic!("{name}"));
                assert!(matches!(violation, Violation::BadInterleavedFragment { .. }), "{name}: {violation}");
                assert_eq!(violation.cause_code(), 13);
            }
            assert!(harness.receiver.held_bytes() <= harness.receiver.max_held_bytes());
        }
    }
}

#[test]
fn a_message_identifier_used_twice_is_a_violation() {
    let mut waiting = new();
    let _ = waiting.packet(i_data(0, 0, 3, 0, "BE", b"x"));
    let expected = DataOutcome::Violation(Violation::DuplicateMid { stream_id: 0, mid: Mid(3) });
    assert_eq!(waiting.packet(i_data(1, 0, 3, 0, "BE", b"x")), expected);
}

#[test]
fn a_message_above_the_limit_is_refused_for_want_of_resources() {
    let mut harness = harness(&small());
    let too_large = |outcome| matches!(outcome, DataOutcome::Violation(Violation::MessageTooLarge { .. }));
    for fsn in 0..10 {
        let flags = if fsn == 0 { "B" } else { "" };
        assert_eq!(harness.packet(i_data(fsn, 0, 0, fsn, flags, &[0; 1_000])), DataOutcome::Accepted);
    }
    assert!(too_large(harness.packet(i_data(10, 0, 0, 10, "", &[0; 1_000]))));
    // A fragment for each byte at the least.
    let mut harness = self::harness(&small());
    assert!(too_large(harness.packet(i_data(0, 0, 0, u32::MAX, "", b"x"))));
}

/// RFC 8260, 6: fragments of messages without end must not use the memory up.
#[test]
fn messages_that_are_begun_and_never_ended_are_bounded() {
    for (flags, fsn) in [("B", 0), ("UB", 0), ("", 5), ("U", 9_000), ("E", 7)] {
        let mut harness = harness(&small());
        for offset in 0..30_000 {
            let (stream_id, mid) = ((offset % 10) as u16, offset);
            let outcome = harness.packet(i_data(offset, stream_id, mid, fsn, flags, b"x"));
            assert!(harness.receiver.held_bytes() <= harness.receiver.max_held_bytes());
            if let DataOutcome::Violation(violation) = outcome {
                assert_eq!(violation.cause_code(), 4, "{violation}");
                break;
            }
        }
    }
}

/// A message: stream, unordered, bytes.
type Text = (u16, bool, Vec<u8>);

/// Messages of some streams: the chunks as a round robin would send them, and the texts by stream.
fn interleave(messages: &[(u16, bool, Vec<usize>)]) -> (Vec<IDataChunk>, Vec<Text>) {
    let mut mids = [[0_u32; 2]; 4];
    let (mut fragments, mut texts) = (Vec::new(), Vec::new());
    for (number, (stream_id, unordered, lens)) in messages.iter().enumerate() {
        let next = &mut mids[usize::from(*stream_id)][usize::from(*unordered)];
        let mid = core::mem::replace(next, *next + 1);
        let mut text = Vec::new();
        for (fsn, &len) in lens.iter().enumerate() {
            let piece: Vec<u8> = (0..len).map(|byte| (number * 31 + fsn * 7 + byte) as u8).collect();
            let flags = [
                if *unordered { "U" } else { "" },
                if fsn == 0 { "B" } else { "" },
                if fsn + 1 == lens.len() { "E" } else { "" },
            ];
            fragments.push((fsn, *stream_id, mid, flags.concat(), piece.clone()));
            text.extend(piece);
        }
        texts.push((*stream_id, *unordered, text));
    }
    fragments.sort_by_key(|(fsn, ..)| *fsn);
    let numbered = (0..).zip(fragments);
    let chunks = numbered.map(|(offset, (fsn, stream_id, mid, flags, piece))| {
        i_data(offset, stream_id, mid, fsn as u32, &flags, &piece)
    });
    (chunks.collect(), texts)
}

proptest! {
    /// RFC 8260, 2.2.3: each message once, whole, those of a stream in order; then nothing is held.
    #[test]
    fn interleaved_messages_survive_any_order_of_arrival(
        messages in prop::collection::vec((0..4_u16, any::<bool>(), prop::collection::vec(1..40_usize, 1..6)), 1..30),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
    ) {
        let (chunks, texts) = interleave(&messages);
        let mut harness = new();
        for chunk in picks.iter().map(|pick| pick.get(&chunks)).chain(&chunks) {
            let outcome = harness.packet(chunk.clone());
            prop_assert!(matches!(outcome, DataOutcome::Accepted | DataOutcome::Duplicate), "{:?}", outcome);
        }
        let got: Vec<_> = core::iter::from_fn(|| harness.receiver.read(harness.now))
            .map(|message| (message.stream_id, message.unordered, message.into_bytes().to_vec())).collect();
        prop_assert_eq!(harness.receiver.held_bytes(), 0);
        for stream_id in 0..4 {
            let ordered = |(id, unordered, _): &&Text| *id == stream_id && !unordered;
            prop_assert!(got.iter().filter(ordered).eq(texts.iter().filter(ordered)));
        }
        let sorted = |mut texts: Vec<_>| { texts.sort(); texts };
        prop_assert_eq!(sorted(got), sorted(texts));
    }

    /// Any chunks at all: no panic, and the memory bound holds.
    #[test]
    fn no_i_data_breaks_the_bounds(
        inputs in prop::collection::vec((0..300_u32, 0..12_u16, 0..3_u32, 0..6_u32, 0..16_u8, 1..3_000_usize), 0..300),
    ) {
        let mut harness = harness(&AssociationConfig { receive_buffer: 8_000, max_message_size: 6_000, ..small() });
        for (offset, stream_id, mid, fsn, flags, len) in inputs {
            let mut chunk = i_data(offset, stream_id, mid, fsn, "", &vec![0; len]);
            chunk.header.flags = DataFlags::from_bits(flags);
            if let DataOutcome::Violation(_) = harness.packet(chunk) {
                break;
            }
            prop_assert!(harness.receiver.held_bytes() <= harness.receiver.max_held_bytes());
        }
    }
}

#[test]
fn the_fsn_is_not_read_from_a_first_fragment() {
    // RFC 8260, 2.1: there the field is the PPID.
    let mut chunk = i_data(0, 0, 0, 0, "B", b"a");
    chunk.header.ppid_or_fsn = 5;
    assert_eq!(chunk.header.fsn(), Fsn(0));
    let mut harness = new();
    let _ = harness.packet(chunk);
    let _ = harness.packet(i_data(1, 0, 0, 1, "E", b"b"));
    assert_eq!(harness.texts(), ["ab"]);
}

/// RFC 8260, 2.1: the I bit means what it means in DATA.
#[test]
fn the_i_bit_of_i_data_asks_for_a_sack_at_once() {
    for (flags, at_once) in [("BE", false), ("BEI", true)] {
        let mut harness = new();
        let _ = harness.packet(i_data(0, 0, 0, 0, "BE", b"the first one is acknowledged at once"));
        harness.take_wanted();
        let _ = harness.packet(i_data(1, 0, 1, 0, flags, b"a"));
        assert_eq!(harness.take_wanted(), at_once, "{flags}");
    }
}
