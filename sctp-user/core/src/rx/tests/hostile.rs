//! Peers that break the rules, or try to use our memory up (RFC 5062 where it concerns the receiver).

use super::*;
use crate::rx::Violation;

fn small() -> AssociationConfig {
    AssociationConfig { receive_buffer: 20_000, max_message_size: 10_000, ..AssociationConfig::default() }
}

fn is_bad_fragment(outcome: DataOutcome) -> bool {
    matches!(outcome, DataOutcome::Violation(violation @ Violation::BadFragment { .. }) if violation.cause_code() == 13)
}

/// RFC 9260, 6.9: what two chunks with TSNs in a row must not be, in either order of arrival.
#[test]
fn fragments_that_contradict_each_other_are_violations() {
    let cases = [
        ("B within a message", ("B", 0, 0), ("B", 0, 0)),
        ("whole message within a message", ("B", 0, 0), ("BE", 0, 1)),
        ("M after E", ("BE", 0, 0), ("", 0, 0)),
        ("E after E", ("E", 0, 0), ("E", 0, 0)),
        ("another stream", ("B", 0, 0), ("E", 1, 0)),
        ("another SSN", ("B", 0, 0), ("E", 0, 1)),
        ("ordered, then unordered", ("B", 0, 0), ("UE", 0, 0)),
        ("unordered, then ordered", ("UB", 0, 0), ("E", 0, 0)),
    ];
    for (name, first, second) in cases {
        let make = |offset, (flags, stream_id, ssn)| chunk(offset, stream_id, ssn, flags, b"x");
        for (early, late) in [(make(5, first), make(6, second)), (make(6, second), make(5, first))] {
            let mut harness = Harness::new();
            assert_eq!(harness.packet(early), DataOutcome::Accepted, "{name}");
            assert!(is_bad_fragment(harness.packet(late)), "{name}");
        }
    }
}

#[test]
fn the_very_first_chunk_must_begin_a_message() {
    assert!(is_bad_fragment(Harness::new().packet(chunk(0, 0, 0, "E", b"x"))));
    assert!(is_bad_fragment(Harness::new().packet(chunk(0, 0, 0, "", b"x"))));
}

/// RFC 9260, 3.3.1, 6.6.
#[test]
fn unordered_fragments_may_differ_in_their_ssn() {
    let mut harness = Harness::new();
    let _ = harness.packet(chunk(0, 0, 5, "UB", b"o"));
    assert_eq!(harness.packet(chunk(1, 0, 9, "UE", b"k")), DataOutcome::Accepted);
    assert_eq!(harness.texts(), ["ok"]);
}

/// RFC 9260, 6.5: an SSN is used once.
#[test]
fn a_stream_sequence_number_used_twice_is_a_violation() {
    let expected = |ssn| DataOutcome::Violation(Violation::DuplicateSsn { stream_id: 0, ssn: Ssn(ssn) });
    let mut delivered = Harness::new();
    let _ = delivered.message(0);
    assert_eq!(delivered.packet(chunk(1, 0, 0, "BE", b"x")), expected(0));
    let mut waiting = Harness::new();
    let _ = waiting.packet(chunk(3, 0, 3, "BE", b"x"));
    assert_eq!(waiting.packet(chunk(4, 0, 3, "BE", b"x")), expected(3));
}

#[test]
fn a_message_above_the_limit_is_refused_for_want_of_resources() {
    let mut harness = Harness::with(&small());
    let mut outcome = DataOutcome::Accepted;
    let mut offset = 0;
    while outcome == DataOutcome::Accepted {
        outcome = harness.packet(chunk(offset, 0, 0, if offset == 0 { "B" } else { "" }, &[0; 1_000]));
        offset += 1;
    }
    assert_eq!(offset, 11);
    let DataOutcome::Violation(violation) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(violation, Violation::MessageTooLarge { len: 11_000, max: 10_000, .. }));
    assert_eq!(violation.cause_code(), 4);
}

/// RFC 9260, 6.9: a receiver that can take longer messages from now on does so, of DATA and of I-DATA.
#[test]
fn the_limit_on_messages_may_be_changed_later() {
    let raised = AssociationConfig { max_message_size: 20_000, ..small() };
    let mut harness = Harness::with(&small());
    harness.receiver.update_config(&raised);
    for offset in 0..11 {
        let flags = if offset == 0 { "B" } else { "" };
        let outcome = harness.packet(chunk(offset, 0, 0, flags, &[0; 1_000]));
        assert_eq!(outcome, DataOutcome::Accepted);
    }
    let mut harness = super::interleaved::harness(&small());
    harness.receiver.update_config(&raised);
    for offset in 0..11 {
        let flags = if offset == 0 { "B" } else { "" };
        let outcome = harness.packet(super::interleaved::i_data(offset, 0, 0, offset, flags, &[0; 1_000]));
        assert_eq!(outcome, DataOutcome::Accepted);
    }
}

/// Its turn never comes, for the number before it is never used: nothing of it can be handed over either.
#[test]
fn a_message_out_of_turn_that_the_buffer_cannot_hold_does_not_stall_the_association() {
    let mut harness = Harness::with(&AssociationConfig { max_message_size: usize::MAX, ..small() });
    let outcome = (0..100)
        .map(|offset| harness.packet(chunk(offset, 0, 1, if offset == 0 { "B" } else { "" }, &[0; 1_000])))
        .find(|&outcome| outcome != DataOutcome::Accepted);
    let Some(DataOutcome::Violation(violation)) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(violation, Violation::BufferExhausted { .. }));
    assert_eq!(violation.cause_code(), 4);
}

#[test]
fn a_flood_of_one_byte_chunks_is_bounded_by_its_bookkeeping() {
    let mut harness = Harness::with(&small());
    let accepted = (0..10_000).filter(|&offset| harness.message(offset) == DataOutcome::Accepted).count();
    assert!(accepted < 200, "{accepted}");
    assert!(harness.receiver.held_bytes() <= harness.receiver.max_held_bytes());
    assert_eq!(harness.sack().a_rwnd, 0);
}

#[test]
fn unordered_and_never_complete_fragments_are_bounded_too() {
    let mut harness = Harness::with(&small());
    for offset in 0..30_000 {
        let _ = harness.packet(chunk(2 * (29_999 - offset) + 1, 0, 0, "UB", b"x"));
        assert!(harness.receiver.held_bytes() <= harness.receiver.max_held_bytes());
    }
}

/// Gap offsets have 16 bits (RFC 9260, 3.3.4): what cannot be reported is not taken.
#[test]
fn a_tsn_far_ahead_is_dropped_without_being_acknowledged() {
    let mut harness = Harness::new();
    assert_eq!(harness.message(40_000), DataOutcome::NoBuffer);
    assert!(harness.receiver.sack_wanted());
    assert!(harness.sack().gap_blocks.is_empty());
}

#[test]
fn every_stream_can_be_used_and_nothing_stays_held() {
    let mut receiver = Receiver::new(&AssociationConfig::default(), INITIAL, u16::MAX);
    for stream_id in 0..u16::MAX {
        let data = chunk(stream_id.into(), stream_id, 0, "BE", b"x");
        assert_eq!(receiver.handle_data(Time::ZERO, data), DataOutcome::Accepted);
        assert!(receiver.read(Time::ZERO).is_some());
    }
    assert_eq!(receiver.held_bytes(), 0);
}
