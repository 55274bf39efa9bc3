//! Streams and TSNs numbered anew (RFC 6525).

use super::*;
use crate::rx::Violation;
use crate::stream_set::StreamSet;

fn take(rx: &mut Harness, chunk: DataChunk) {
    assert_eq!(rx.packet(chunk), DataOutcome::Accepted);
}

/// RFC 6525, 5.2.4 G4 and G5: parts of messages are dropped, whole ones delivered, and memory is free again.
#[test]
fn new_tsns_end_what_is_missing() {
    let mut rx = Harness::new();
    take(&mut rx, chunk(0, 1, 0, "BE", b"first"));
    // One fragment of two, a message behind a missing one, a missing TSN between.
    take(&mut rx, chunk(1, 2, 0, "B", b"part"));
    take(&mut rx, chunk(4, 1, 2, "BE", b"waits"));
    let next = Tsn(77);
    rx.receiver.reset_tsns(next);
    assert_eq!(rx.texts(), ["first", "waits"]);
    assert_eq!((rx.receiver.held_bytes(), rx.receiver.cumulative_tsn()), (0, next.prev()));
    assert!(!rx.receiver.has_gaps());
    let new = |offset| DataChunk { tsn: next.plus(offset), ..chunk(0, 1, offset as u16, "BE", b"new") };
    assert_eq!(rx.packet(new(0)), DataOutcome::Accepted);
    assert_eq!(rx.packet(new(1)), DataOutcome::Accepted);
    assert_eq!(rx.texts(), ["new", "new"]);
}

/// RFC 6525, 5.2.4 G4; draft-tuexen-tsvwg-sctp-multipath, 4.4.1: what was kept under the old TSNs says nothing of the
/// new ones.
#[test]
fn new_tsns_are_not_taken_for_kept_ones() {
    let mut rx = Harness::new();
    rx.receiver.note_kept();
    take(&mut rx, chunk(5, 1, 0, "UBE", b"read"));
    rx.receiver.reset_tsns(tsn(1));
    take(&mut rx, chunk(5, 1, 0, "B", b"part"));
    let sack = rx.receiver.make_nr_sack(rx.now, 1_400);
    assert!(sack.non_renegable_blocks.is_empty() && sack.renegable_blocks.len() == 1);
}

/// RFC 6525, 5.2.2 E3: a message behind a number that the peer left out is delivered by the reset, not lost.
#[test]
fn a_reset_delivers_what_still_waits() {
    let mut rx = Harness::new();
    take(&mut rx, chunk(0, 1, 0, "BE", b"zero"));
    take(&mut rx, chunk(1, 1, 2, "BE", b"two"));
    take(&mut rx, chunk(2, 1, 1_000, "BE", b"thousand"));
    rx.receiver.reset_streams(&StreamSet::of(&[1]), tsn(2)).unwrap();
    assert_eq!(rx.texts(), ["zero", "two", "thousand"]);
    take(&mut rx, chunk(3, 1, 0, "BE", b"again"));
    assert_eq!(rx.texts(), ["again"]);
}

/// RFC 6525, 5.2.2 E4: what was held is processed like any other data, contradictions included.
#[test]
fn held_messages_that_contradict_each_other_are_found_when_they_are_released() {
    let mut rx = Harness::new();
    rx.receiver.defer_reset(StreamSet::All, tsn(0));
    take(&mut rx, chunk(1, 1, 0, "BE", b"one"));
    take(&mut rx, chunk(2, 1, 0, "BE", b"one again"));
    take(&mut rx, chunk(0, 1, 0, "BE", b"before"));
    assert!(rx.receiver.has_all_up_to(tsn(0)));
    let violation = rx.receiver.reset_streams(&StreamSet::All, tsn(0));
    assert_eq!(violation, Err(Violation::DuplicateSsn { stream_id: 1, ssn: Ssn(0) }));
}

/// RFC 6525, 5.1.4: while the TSNs may be others than they seem, nothing new is taken or acknowledged.
#[test]
fn a_suspended_receiver_takes_nothing_new() {
    let mut rx = Harness::new();
    rx.receiver.set_suspended(true);
    assert_eq!(rx.packet(chunk(0, 1, 0, "BE", b"old or new")), DataOutcome::NoBuffer);
    assert_eq!(rx.sack().cumulative_tsn_ack, INITIAL.prev());
    rx.receiver.set_suspended(false);
    assert_eq!(rx.packet(chunk(0, 1, 0, "BE", b"old")), DataOutcome::Accepted);
}
