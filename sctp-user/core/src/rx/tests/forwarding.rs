//! FORWARD TSN at the receiver (RFC 3758, 3.6).

use super::*;
use crate::event::AbortedDelivery;
use crate::rx::Violation;
use crate::rx::tsn_map::MAX_SPAN;
use crate::serial::{Fsn, Mid};
use crate::stream_set::StreamSet;
use crate::wire::chunk::{
    ForwardTsnChunk, IDataChunk, IDataHeader, IForwardTsnChunk, SkippedMessage, SkippedStream,
};

impl Harness {
    /// A packet with a FORWARD TSN up to this offset, and streams with their sequence numbers.
    fn forward(&mut self, offset: u32, streams: &[(u16, u16)]) {
        let streams = streams.iter().map(|&(stream_id, ssn)| SkippedStream { stream_id, ssn: Ssn(ssn) });
        let chunk = ForwardTsnChunk { new_cumulative_tsn: tsn(offset), streams: streams.collect() };
        self.receiver.handle_forward_tsn(&chunk);
        self.receiver.end_of_packet(self.now);
    }

    /// How many TSNs are cumulatively acknowledged.
    fn cumulative(&self) -> u32 {
        self.receiver.cumulative_tsn().next().distance_from(INITIAL)
    }
}

/// RFC 3758, 3.6, with the example of the RFC: 103 is skipped, 104 and 105 are there, 106 is missing, 107 is there.
#[test]
fn the_cumulative_tsn_moves_over_what_is_skipped_and_what_had_arrived_behind_it() {
    let mut harness = Harness::new();
    for offset in [0, 2, 3, 5] {
        let _ = harness.packet(chunk(offset, 0, 0, "UBE", b"x"));
    }
    harness.forward(1, &[]);
    assert_eq!(harness.cumulative(), 4);
    let sack = harness.sack();
    assert_eq!(
        (sack.cumulative_tsn_ack, sack.gap_blocks[0].start),
        (tsn(3), 2),
        "3.2: no gap is reported below"
    );
}

/// RFC 3758, 3.6; RFC 9260, 6.9: a message that has filled the buffer, and whose turn comes because what was before it is
/// skipped, is handed over in pieces: nothing else makes room for the rest of it.
#[test]
fn a_message_that_fills_the_buffer_is_delivered_in_pieces_once_what_was_before_it_is_skipped() {
    let config = AssociationConfig { receive_buffer: 20_000, ..AssociationConfig::default() };
    let mut harness = Harness::with(&config);
    let filled = (2..100).take_while(|&offset| {
        harness.packet(chunk(offset, 1, 0, "", &[b'x'; 1_000])) == DataOutcome::Accepted
    });
    assert_eq!(filled.count(), 20);
    assert_eq!(harness.packet(chunk(1, 1, 0, "B", &[b'x'; 1_000])), DataOutcome::Accepted);
    assert!(!harness.receiver.is_readable());
    harness.forward(0, &[(0, 0)]);
    assert_eq!(harness.read().map(|(stream_id, text)| (stream_id, text.len())), Some((1, 21_000)));
    assert_eq!(harness.packet(chunk(22, 1, 0, "E", b"x")), DataOutcome::Accepted);
}

/// RFC 3758, 3.6: an old one changes nothing but is answered, for our SACK may be lost.
#[test]
fn an_old_forward_tsn_is_answered_at_once() {
    let mut harness = Harness::new();
    (0..3).for_each(|offset| _ = harness.message(offset));
    harness.take_wanted();
    for offset in [1, 2] {
        harness.forward(offset, &[]);
        assert!(harness.take_wanted());
        assert_eq!(harness.cumulative(), 3);
    }
}

/// RFC 3758, 3.6: for the SACK it is as good as DATA.
#[test]
fn a_forward_tsn_is_acknowledged_like_data() {
    let mut harness = Harness::new();
    (0..2).for_each(|offset| _ = harness.message(offset));
    harness.take_wanted();
    harness.forward(2, &[]);
    assert!(!harness.receiver.sack_wanted());
    assert_eq!(harness.receiver.sack_deadline(), Some(harness.now + core::time::Duration::from_millis(200)));
    harness.forward(3, &[]);
    assert!(harness.take_wanted(), "every second packet");
    let _ = harness.packet(chunk(5, 0, 0, "UBE", b"x"));
    harness.take_wanted();
    harness.forward(4, &[]);
    assert!(harness.take_wanted(), "RFC 9260, 6.7: a gap was closed");
}

/// RFC 3758, 3.6: stranded messages up to the listed number, and those that follow without a gap.
#[test]
fn what_waited_for_a_skipped_message_is_delivered_in_order() {
    let mut harness = Harness::new();
    for (offset, ssn, text) in [(1, 1, "b"), (3, 3, "d"), (4, 4, "e"), (6, 6, "g")] {
        let _ = harness.packet(chunk(offset, 2, ssn, "BE", text.as_bytes()));
    }
    assert!(harness.texts().is_empty());
    harness.forward(2, &[(2, 2)]);
    assert_eq!(harness.texts(), ["b", "d", "e"]);
    let _ = harness.packet(chunk(5, 2, 5, "BE", b"f"));
    assert_eq!(harness.texts(), ["f", "g"]);
}

/// RFC 3758, 3.6: "earlier than or equal to", with numbers that wrap.
#[test]
fn skipped_numbers_wrap() {
    let mut harness = Harness::new();
    let first = u32::from(u16::MAX) - 1;
    for offset in 0..first {
        let _ = harness.message(offset);
        assert!(harness.read().is_some());
    }
    for (offset, ssn, text) in [(first + 1, u16::MAX, "-1"), (first + 3, 1, "1"), (first + 4, 2, "2")] {
        let _ = harness.packet(chunk(offset, 0, ssn, "BE", text.as_bytes()));
    }
    harness.forward(first + 2, &[(0, 0)]);
    assert_eq!(harness.texts(), ["-1", "1", "2"]);
}

/// RFC 3758, 3.6: only the streams that are listed move on.
#[test]
fn streams_that_are_not_listed_do_not_move() {
    let mut harness = Harness::new();
    let _ = harness.packet(chunk(2, 1, 1, "BE", b"one"));
    let _ = harness.packet(chunk(3, 2, 1, "BE", b"two"));
    harness.forward(1, &[(1, 0)]);
    assert_eq!(harness.texts(), ["one"]);
}

/// RFC 3758, 3.6: numbers that go back, streams that do not exist, and one stream twice.
#[test]
fn a_list_that_makes_no_sense_does_no_harm() {
    let mut harness = Harness::new();
    (0..5).for_each(|offset| _ = harness.message(offset));
    harness.forward(5, &[(0, 2), (STREAMS, 1), (u16::MAX, 1), (0, 5), (0, 3), (0, 6 + (1 << 15))]);
    let _ = harness.packet(chunk(6, 0, 6, "BE", b"next"));
    assert_eq!(harness.texts().last().unwrap(), "next");
}

/// RFC 3758, 3.6: parts of a message of which some is skipped are thrown away, and their memory comes back.
#[test]
fn a_message_of_which_a_part_is_skipped_is_thrown_away() {
    // Of fragments 1 to 4, these have arrived; the last one skipped is 3 or 4.
    for arrived in [&[1, 2, 3][..], &[2, 3, 4], &[1, 4], &[1, 2, 4], &[3], &[4], &[1, 3]] {
        for skipped in [3, 4] {
            let mut harness = Harness::new();
            let _ = harness.message(0);
            for &offset in arrived {
                let flags = ["B", "", "", "E"][offset as usize - 1];
                assert_eq!(harness.packet(chunk(offset, 1, 0, flags, b"part")), DataOutcome::Accepted);
            }
            harness.forward(skipped, &[(1, 0)]);
            harness.forward(4, &[(1, 0)]);
            assert_eq!(harness.texts(), ["message"]);
            assert_eq!(harness.receiver.held_bytes(), 0, "{arrived:?}");
            assert_eq!(harness.packet(chunk(5, 1, 1, "BE", b"next")), DataOutcome::Accepted);
            assert_eq!(harness.texts(), ["next"]);
        }
    }
}

/// RFC 3758, 3.6: what misses nothing up to the new cumulative TSN can still be completed.
#[test]
fn a_message_that_misses_nothing_so_far_goes_on() {
    let mut harness = Harness::new();
    let _ = harness.packet(chunk(1, 1, 0, "B", b"be"));
    let _ = harness.packet(chunk(2, 1, 0, "", b"gi"));
    harness.forward(1, &[]);
    let _ = harness.packet(chunk(3, 1, 0, "E", b"n"));
    assert_eq!(harness.texts(), ["begin"]);
}

/// RFC 3758, 3.6 and 3.5 C2: a message that was given up before all of it was sent misses no TSN.
#[test]
fn a_message_that_stops_at_the_new_cumulative_tsn_is_thrown_away() {
    for missing in [true, false] {
        for (flags, ssn) in [("", 1), ("U", 0)] {
            let mut harness = Harness::new();
            if !missing {
                let _ = harness.message(0);
            }
            let _ = harness.packet(chunk(1, 1, 0, &[flags, "B"].concat(), b"begun"));
            harness.take_wanted();
            harness.forward(1, if flags.is_empty() { &[(1, 0)] } else { &[] });
            // "MUST treat this FORWARD TSN as out-of-date", and SHOULD send a SACK.
            assert!(missing || harness.take_wanted());
            assert_eq!(harness.cumulative(), 2);
            harness.texts();
            assert_eq!(harness.receiver.held_bytes(), 0);
            let next = chunk(2, 1, ssn, &[flags, "BE"].concat(), b"next");
            assert_eq!(harness.packet(next), DataOutcome::Accepted);
            assert_eq!(harness.texts(), ["next"]);
        }
    }
}

/// RFC 3758, 3.6: "MUST NOT update its Cumulative TSN". An old one has nothing to say of what is numbered anew since.
#[test]
fn an_old_forward_tsn_skips_nothing_if_no_message_stops_there() {
    let mut harness = Harness::new();
    let _ = harness.message(0);
    let _ = harness.packet(chunk(1, 1, 0, "B", b"be"));
    harness.forward(0, &[(1, 0), (2, 0)]);
    let _ = harness.packet(chunk(2, 1, 0, "E", b"gin"));
    let _ = harness.packet(chunk(3, 2, 0, "BE", b"other"));
    assert_eq!(harness.texts(), ["message", "begin", "other"]);
}

/// RFC 3758, 3.6: the FORWARD TSN that tells of a message without an end may be lost, and with no TSN missing none comes
/// again. In whatever order they come: TSN 0 is whole, 1 and 2 stop, 3 and 4 are a message, of the same stream or another.
#[test]
fn a_message_that_begins_behind_one_without_an_end_takes_its_place() {
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 2, 4, 0, 1], [2, 3, 1, 4, 0], [1, 3, 4, 2, 0]] {
        for (unordered, next) in [("", (1, 1)), ("", (2, 0)), ("U", (1, 0))] {
            let mut harness = Harness::new();
            harness.receiver.allow_giving_up();
            for offset in order {
                let (stream_id, ssn) = if offset < 3 { (1, 0) } else { next };
                let data = match offset {
                    0 => chunk(0, 0, 0, "BE", b"whole"),
                    1 => chunk(1, stream_id, ssn, &[unordered, "B"].concat(), b"stops"),
                    2 => chunk(2, stream_id, ssn, unordered, b"here"),
                    3 => chunk(3, stream_id, ssn, &[unordered, "B"].concat(), b"ne"),
                    _ => chunk(4, stream_id, ssn, &[unordered, "E"].concat(), b"xt"),
                };
                assert_eq!(harness.packet(data), DataOutcome::Accepted, "{order:?} {unordered}");
            }
            let mut texts = harness.texts();
            texts.sort();
            assert_eq!(texts, ["next", "whole"], "{order:?} {unordered}");
            assert_eq!(harness.receiver.held_bytes(), 0);
            let _ = harness.packet(chunk(5, 1, 1 + u16::from(next == (1, 1)), "UBE", b"x"));
            let _ = harness.packet(chunk(6, 2, u16::from(next.0 == 2), "BE", b"on"));
            assert_eq!(harness.texts(), ["x", "on"]);
        }
    }
}

/// RFC 3758, 3.6: the reader of such a message is told.
#[test]
fn the_reader_of_a_part_hears_that_another_message_took_its_place() {
    let config = AssociationConfig { partial_delivery_point: Some(1), ..AssociationConfig::default() };
    for told in [true, false] {
        let mut harness = Harness::with(&config);
        harness.receiver.allow_giving_up();
        let _ = harness.packet(chunk(0, 2, 0, "B", b"part"));
        assert_eq!(harness.texts(), ["part"]);
        if told {
            harness.forward(0, &[(2, 0)]);
        }
        assert_eq!(harness.packet(chunk(1, 2, 1, "BE", b"next")), DataOutcome::Accepted);
        let aborted = AbortedDelivery { stream_id: 2, unordered: false, mid: Mid(0) };
        assert_eq!(harness.receiver.poll_aborted(), Some(aborted));
        assert_eq!((harness.texts(), harness.receiver.held_bytes()), (vec!["next".into()], 0));
    }
}

/// RFC 3758, 3.6 and 3.5 C4: the ack point may be lowered into a message, of which the rest comes late or never.
#[test]
fn fragments_behind_a_skipped_beginning_are_thrown_away_whatever_their_order() {
    for order in [[2, 3, 4], [4, 3, 2], [3, 2, 4], [3, 4, 2], [2, 4, 3], [4, 2, 3]] {
        let mut harness = Harness::new();
        harness.forward(1, &[(1, 0)]);
        for offset in order {
            let flags = if offset == 4 { "E" } else { "" };
            assert_eq!(
                harness.packet(chunk(offset, 1, 0, flags, b"part")),
                DataOutcome::Accepted,
                "{order:?}"
            );
        }
        assert_eq!(harness.packet(chunk(5, 1, 1, "BE", b"next")), DataOutcome::Accepted);
        assert_eq!((harness.texts(), harness.receiver.held_bytes()), (vec!["next".into()], 0));
        assert_eq!(harness.cumulative(), 6);
    }
}

/// RFC 9260, 6.9 still holds behind what was skipped.
#[test]
fn a_fragment_without_a_beginning_that_was_not_skipped_is_a_violation() {
    let mut harness = Harness::new();
    harness.forward(1, &[]);
    let _ = harness.packet(chunk(2, 0, 0, "BE", b"whole"));
    let outcome = harness.packet(chunk(3, 0, 1, "E", b"end"));
    assert_eq!(outcome, DataOutcome::Violation(Violation::BadFragment { tsn: tsn(3) }));
}

/// RFC 3758, 3.6: a skipped TSN that comes late is a duplicate, and reported as one.
#[test]
fn a_skipped_tsn_that_comes_late_is_a_duplicate() {
    let mut harness = Harness::new();
    harness.forward(1, &[(0, 1)]);
    harness.take_wanted();
    assert_eq!(harness.message(1), DataOutcome::Duplicate);
    assert_eq!(harness.sack().duplicates.as_slice(), [tsn(1)]);
    assert!(harness.texts().is_empty());
}

/// What no honest peer can have sent is not believed: it is answered, and nothing moves.
#[test]
fn a_forward_tsn_that_leads_too_far_is_not_followed() {
    let mut harness = Harness::new();
    (0..2).for_each(|offset| _ = harness.message(offset));
    harness.take_wanted();
    for ahead in [MAX_SPAN + 1, u32::MAX / 2, 1 << 31] {
        harness.forward(1 + ahead, &[(0, 9)]);
        assert!(harness.take_wanted());
        assert_eq!(harness.cumulative(), 2);
    }
    harness.forward(1 + MAX_SPAN, &[(0, 9)]);
    assert_eq!(harness.cumulative(), 2 + MAX_SPAN);
}

/// RFC 3758, 3.6: the reader of a part is told that it will not be completed; what follows it is delivered.
#[test]
fn the_reader_of_a_part_hears_that_the_rest_was_given_up() {
    for read in [true, false] {
        let config = AssociationConfig { partial_delivery_point: Some(1), ..AssociationConfig::default() };
        let mut harness = Harness::with(&config);
        let _ = harness.packet(chunk(0, 2, 0, "B", b"part"));
        if read {
            assert_eq!(harness.texts(), ["part"]);
        }
        let _ = harness.packet(chunk(3, 2, 1, "BE", b"next"));
        harness.forward(2, &[(2, 0)]);
        let aborted = AbortedDelivery { stream_id: 2, unordered: false, mid: Mid(0) };
        assert_eq!(harness.receiver.poll_aborted(), read.then_some(aborted));
        assert_eq!((harness.texts(), harness.receiver.held_bytes()), (vec!["next".into()], 0));
    }
}

/// The window grows again by what is thrown away.
#[test]
fn thrown_away_fragments_open_the_window() {
    let mut harness = Harness::new();
    let before = harness.receiver.a_rwnd();
    for offset in 1..200 {
        let _ = harness.packet(chunk(offset, 0, 0, "", &[7; 1_000]));
    }
    assert!(harness.receiver.a_rwnd() < before - 190_000);
    harness.forward(0, &[(0, 0)]);
    assert_eq!((harness.receiver.a_rwnd(), harness.receiver.held_bytes()), (before, 0));
}

/// Interleaved messages (RFC 8260).
struct Interleaved(Harness);

impl Interleaved {
    fn new() -> Self {
        let config = AssociationConfig::default();
        let receiver = Receiver::new(&config, INITIAL, STREAMS).interleaved(&config);
        Self(Harness { receiver, now: Time::from_millis(1) })
    }

    /// A packet with a fragment; `flags` as in [`chunk`].
    fn packet(
        &mut self,
        offset: u32,
        (stream_id, mid, fsn): (u16, u32, u32),
        flags: &str,
        text: &str,
    ) -> DataOutcome {
        let has = |letter| flags.contains(letter);
        let flags = DataFlags { immediate: false, unordered: has('U'), begin: has('B'), end: has('E') };
        let ppid_or_fsn = if flags.begin { 7 } else { Fsn(fsn).0 };
        let header = IDataHeader { tsn: tsn(offset), stream_id, mid: Mid(mid), ppid_or_fsn, flags };
        let payload = Bytes::copy_from_slice(text.as_bytes());
        let outcome = self.0.receiver.handle_data(self.0.now, IDataChunk { header, payload });
        self.0.receiver.end_of_packet(self.0.now);
        outcome
    }

    /// A packet with an I-FORWARD-TSN.
    fn forward(&mut self, offset: u32, messages: &[(u16, bool, u32)]) {
        let message = |&(stream_id, unordered, mid)| SkippedMessage { stream_id, unordered, mid: Mid(mid) };
        let streams = messages.iter().map(message).collect();
        self.0.receiver.handle_i_forward_tsn(&IForwardTsnChunk { new_cumulative_tsn: tsn(offset), streams });
        self.0.receiver.end_of_packet(self.0.now);
    }
}

/// RFC 8260, 2.3.1: what was said of ordered messages holds for both kinds, each with its own count.
#[test]
fn interleaved_messages_are_skipped_by_stream_and_kind() {
    let mut t = Interleaved::new();
    let _ = t.packet(1, (1, 0, 1), "", "skipped");
    let _ = t.packet(2, (1, 1, 0), "BE", "kept");
    let _ = t.packet(3, (1, 0, 1), "U", "skipped");
    let _ = t.packet(4, (1, 1, 0), "UB", "un");
    let _ = t.packet(5, (2, 0, 0), "B", "oth");
    t.forward(3, &[(1, false, 0), (1, true, 0)]);
    assert_eq!(t.0.texts(), ["kept"]);
    let _ = t.packet(6, (1, 1, 1), "UE", "ordered");
    let _ = t.packet(7, (2, 0, 1), "E", "er");
    assert_eq!((t.0.texts(), t.0.receiver.held_bytes()), (vec!["unordered".into(), "other".into()], 0));
    assert_eq!(t.0.cumulative(), 8);
}

/// RFC 8260, 2.3.1 and 2.1: MIDs wrap, and the peer may skip them in one go.
#[test]
fn skipped_identifiers_wrap() {
    let mut t = Interleaved::new();
    t.forward(0, &[(1, false, i32::MAX as u32), (1, true, i32::MAX as u32)]);
    t.forward(1, &[(1, false, u32::MAX - 1), (1, true, u32::MAX - 1)]);
    let _ = t.packet(3, (1, u32::MAX, 1), "U", "skipped");
    let _ = t.packet(4, (1, 1, 0), "BE", "later");
    let _ = t.packet(5, (1, 0, 0), "BE", "kept");
    t.forward(3, &[(1, false, u32::MAX), (1, true, 0)]);
    assert_eq!((t.0.texts(), t.0.receiver.held_bytes()), (vec!["kept".into(), "later".into()], 0));
}

/// RFC 8260, 2.3.1, RFC 3758, 3.6: a message that was given up before all of it was sent misses no TSN.
#[test]
fn an_interleaved_message_that_stops_is_thrown_away() {
    let mut t = Interleaved::new();
    let _ = t.packet(0, (1, 0, 0), "B", "begun");
    let _ = t.packet(1, (1, 0, 0), "UB", "begun");
    let _ = t.packet(2, (2, 0, 0), "B", "go");
    t.forward(1, &[(1, false, 0), (1, true, 0), (3, false, 0)]);
    assert_eq!(t.0.cumulative(), 3);
    for (offset, message, flags, text) in
        [(3, (2, 0, 1), "E", "on"), (4, (1, 1, 0), "BE", "next"), (5, (3, 0, 0), "BE", "kept")]
    {
        assert_eq!(t.packet(offset, message, flags, text), DataOutcome::Accepted);
    }
    assert_eq!(t.0.texts(), ["goon", "next", "kept"]);
    assert_eq!(t.0.receiver.held_bytes(), 0);
}

/// RFC 3758, 3.5 C4: the ack point may be lowered into a message, of which the rest comes late.
#[test]
fn late_fragments_of_a_skipped_message_are_thrown_away() {
    let mut t = Interleaved::new();
    t.forward(0, &[(1, false, 0)]);
    assert_eq!(t.packet(1, (1, 0, 1), "", "late"), DataOutcome::Accepted);
    assert_eq!((t.0.cumulative(), t.0.receiver.held_bytes()), (2, 0));
    let _ = t.packet(2, (1, 1, 0), "BE", "next");
    assert_eq!(t.0.texts(), ["next"]);
}

/// RFC 8260, 2.3.1: an unordered one, too, has no place where it could wait for what was skipped; others of its stream do
/// not suffer, nor does the one with its number after a reset of the stream (2.3.2).
#[test]
fn late_fragments_of_a_skipped_unordered_message_are_thrown_away() {
    let mut t = Interleaved::new();
    let _ = t.packet(1, (2, 0, 0), "BE", "other");
    t.forward(0, &[(1, true, 4)]);
    assert_eq!(t.packet(2, (1, 4, 1), "U", "late"), DataOutcome::Accepted);
    assert_eq!(t.packet(3, (1, 4, 2), "UE", "late"), DataOutcome::Accepted);
    let _ = t.packet(4, (1, 5, 1), "UE", "xt");
    let _ = t.packet(5, (1, 5, 0), "UB", "ne");
    assert_eq!((t.0.texts(), t.0.receiver.held_bytes()), (vec!["other".into(), "next".into()], 0));
    t.0.receiver.reset_streams(&StreamSet::of(&[1]), tsn(5)).unwrap();
    let _ = t.packet(6, (1, 4, 0), "UB", "a");
    let _ = t.packet(7, (1, 4, 1), "UE", "new");
    assert_eq!(t.0.texts(), ["anew"]);
    // Long afterwards the number may come again.
    t.forward(8, &[(1, true, 7)]);
    for offset in 9..10 + MAX_SPAN {
        let _ = t.packet(offset, (2, offset, 0), "UBE", "x");
        assert!(t.0.read().is_some());
    }
    let _ = t.packet(10 + MAX_SPAN, (1, 7, 0), "UB", "a");
    let _ = t.packet(11 + MAX_SPAN, (1, 7, 1), "UE", "gain");
    assert_eq!(t.0.texts(), ["again"]);
}

/// RFC 8260, 2.3.1: lists that make no sense.
#[test]
fn a_list_of_interleaved_messages_that_makes_no_sense_does_no_harm() {
    let mut t = Interleaved::new();
    let _ = t.packet(0, (1, 0, 0), "BE", "first");
    t.forward(
        1,
        &[(1, false, 0), (STREAMS, false, 3), (u16::MAX, true, 3), (1, false, 1 + (1 << 31)), (1, true, 0)],
    );
    let _ = t.packet(2, (1, 1, 0), "BE", "next");
    assert_eq!(t.0.texts(), ["first", "next"]);
}

/// RFC 6525, 5.1.4: while a reset of TSNs is not answered nothing is taken. A SACK that says so would bring the next FORWARD
/// TSN at once (RFC 3758, 3.5 F2), and so on without end.
#[test]
fn no_sack_answers_a_forward_tsn_while_tsns_may_be_others() {
    let mut harness = Harness::new();
    harness.receiver.set_suspended(true);
    harness.forward(3, &[]);
    assert!(!harness.receiver.sack_wanted());
    harness.receiver.set_suspended(false);
    harness.forward(3, &[]);
    assert_eq!(harness.cumulative(), 4);
}
