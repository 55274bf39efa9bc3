//! When a SACK goes out and what it says (RFC 9260, 5.1, 6.2, 6.7, 9.2).

use super::*;
use crate::path::PathParameters;
use crate::rx::sack::LONG_BATCHES_TO_STRETCH;
use core::time::Duration;

/// A harness whose first DATA has been acknowledged.
fn running(sack_frequency: u32) -> Harness {
    let sack_frequency = Some(sack_frequency);
    let mut harness = Harness::with(&AssociationConfig { sack_frequency, ..AssociationConfig::default() });
    let _ = harness.message(0);
    harness.sack();
    harness
}

/// RFC 9260, 5.1: after the first DATA chunk, a SACK immediately.
#[test]
fn the_first_data_of_an_association_is_acknowledged_at_once() {
    let mut harness = Harness::new();
    assert_eq!(harness.message(0), DataOutcome::Accepted);
    assert!(harness.receiver.sack_wanted());
    assert_eq!(harness.sack().cumulative_tsn_ack, tsn(0));
    assert!(!harness.receiver.sack_wanted() && !harness.receiver.sack_pending());
}

/// RFC 9260, 3.3.4: before any DATA the cumulative TSN ack is the initial TSN minus one.
/// RFC 9260, 6.2.
#[test]
fn a_sack_before_any_data_names_the_tsn_before_the_initial_one() {
    assert_eq!(Harness::new().sack().cumulative_tsn_ack, INITIAL.prev());
}

/// RFC 9260, 6.2: every second packet, not every second chunk.
/// RFC 9260, 5.1.
#[test]
fn every_second_packet_is_acknowledged_whatever_number_of_chunks_it_holds() {
    let mut harness = running(2);
    for offset in 1..4 {
        let _ = harness.data(chunk(offset, 0, offset as u16, "BE", b"a"));
    }
    harness.receiver.end_of_packet(harness.now);
    assert!(!harness.receiver.sack_wanted());
    assert!(harness.receiver.sack_pending(), "but outgoing DATA takes it along");
    let _ = harness.message(4);
    assert!(harness.receiver.sack_wanted());
}

/// RFC 9260, 6.2: within 200 ms of the arrival of any unacknowledged DATA chunk.
#[test]
fn a_lone_packet_is_acknowledged_after_the_sack_delay() {
    let mut harness = running(2);
    let _ = harness.message(1);
    let deadline = harness.receiver.sack_deadline().unwrap();
    assert_eq!(deadline, harness.now + Duration::from_millis(200));
    harness.receiver.handle_sack_timeout(harness.now);
    assert!(!harness.receiver.sack_wanted(), "too early");
    harness.receiver.handle_sack_timeout(deadline);
    assert!(harness.take_wanted());
    assert_eq!(harness.receiver.sack_deadline(), None);
}

/// RFC 9260, 6.2: SACK.Delay must not be more than 500 ms.
#[test]
fn a_sack_delay_of_more_than_500_ms_is_cut() {
    let config = AssociationConfig { sack_delay: Duration::from_secs(9), ..AssociationConfig::default() };
    let mut harness = Harness::with(&config);
    let _ = harness.message(0);
    harness.sack();
    let _ = harness.message(1);
    assert_eq!(harness.receiver.sack_deadline(), Some(harness.now + Duration::from_millis(500)));
}

/// RFC 6458, 8.1.19: what a user says of delayed acknowledgement holds for an association that is up, too.
#[test]
fn delay_and_frequency_may_be_changed_later() {
    let mut harness = running(2);
    let sack_delay = Duration::from_millis(50);
    let config = AssociationConfig { sack_delay, sack_frequency: Some(1), ..AssociationConfig::default() };
    harness.receiver.update_config(&AssociationConfig { sack_frequency: Some(2), ..config.clone() });
    let _ = harness.message(1);
    assert_eq!(harness.receiver.sack_deadline(), Some(harness.now + sack_delay));
    harness.sack();
    harness.receiver.update_config(&config);
    let _ = harness.message(2);
    assert!(harness.take_wanted());
}

/// RFC 9260, 6.7: a gap is reported at once, and so is every packet until it is filled.
/// RFC 9260, 6.2, 7.2.4.
#[test]
fn while_there_is_a_gap_every_packet_is_acknowledged_at_once() {
    let mut harness = running(2);
    for offset in [2, 3, 5] {
        let _ = harness.message(offset);
        assert!(harness.receiver.sack_wanted());
        harness.sack();
    }
    assert_eq!(harness.sack().to_string(), "SACK cum_ack=4294967294 a_rwnd=1048548 gaps=2-3,5-5");
    let _ = harness.message(1);
    assert!(harness.take_wanted(), "one gap is left");
    let _ = harness.message(4);
    assert!(harness.take_wanted(), "the packet that fills the gap");
    let _ = harness.message(6);
    assert!(!harness.receiver.sack_wanted(), "back to every second packet");
}

/// RFC 9260, 6.2: a packet with duplicates and no new DATA is answered at once, the TSN reported.
#[test]
fn a_packet_with_duplicates_only_is_answered_at_once() {
    let mut harness = running(2);
    assert_eq!(harness.message(0), DataOutcome::Duplicate);
    assert!(harness.receiver.sack_wanted());
    assert_eq!(harness.sack().duplicates.as_slice(), [tsn(0)]);
    assert!(harness.sack().duplicates.is_empty(), "reported once");
}

/// RFC 9260, 6.2; RFC 7053, 5.2: the I bit, whatever made the sender set it.
#[test]
fn the_i_bit_asks_for_a_sack_at_once() {
    let mut harness = running(2);
    let _ = harness.packet(chunk(1, 0, 1, "BEI", b"a"));
    assert!(harness.receiver.sack_wanted());
}

/// RFC 9260, 9.2: in SHUTDOWN-SENT each packet with DATA is answered at once.
/// RFC 9260, 4.
#[test]
fn in_a_shutdown_every_packet_is_answered_at_once() {
    let mut harness = running(2);
    harness.receiver.request_immediate_sack();
    assert!(!harness.receiver.sack_wanted(), "nothing to acknowledge yet");
    let _ = harness.message(1);
    assert!(harness.take_wanted());
    let _ = harness.message(2);
    assert!(harness.take_wanted());
}

#[test]
fn a_packet_without_data_changes_nothing() {
    let mut harness = running(2);
    let _ = harness.message(1);
    for _ in 0..5 {
        harness.receiver.end_of_packet(harness.now);
    }
    assert!(!harness.receiver.sack_wanted());
}

/// RFC 9260, 6.7: as many gap blocks as fit, the lowest first.
/// RFC 9260, 6.2.
#[test]
fn a_sack_keeps_to_the_room_it_is_given() {
    let mut harness = running(2);
    for offset in (2..40).step_by(2) {
        let _ = harness.message(offset);
        let _ = harness.message(offset);
    }
    let sack = harness.receiver.make_sack(harness.now, 16 + 4 * 20 + 3);
    assert_eq!((sack.gap_blocks.len(), sack.duplicates.len()), (19, 1));
    assert_eq!(sack.gap_blocks[0].start, 2);
    let sack = harness.receiver.make_sack(harness.now, 16);
    assert!(sack.gap_blocks.is_empty() && sack.cumulative_tsn_ack == tsn(0));
}

/// Receives a batch of `len` packets in order, asking after each one; how many SACKs went out.
fn batch(harness: &mut Harness, next: &mut u32, len: u32) -> u32 {
    let mut sacks = 0;
    for _ in 0..len {
        let _ = harness.message(*next);
        *next += 1;
        sacks += u32::from(harness.take_wanted());
        while harness.read().is_some() {}
    }
    harness.receiver.end_of_batch(harness.now);
    sacks + u32::from(harness.take_wanted())
}

#[test]
fn sacks_stretch_only_while_the_batches_are_longer_than_the_stretch() {
    let mut harness = running(8);
    let mut next = 1;
    for _ in 0..LONG_BATCHES_TO_STRETCH {
        assert_eq!(batch(&mut harness, &mut next, 24), 12, "every second packet at first");
    }
    assert_eq!(batch(&mut harness, &mut next, 24), 3, "many long batches: stretched");
    assert_eq!(batch(&mut harness, &mut next, 5), 1, "the end of a batch leaves nothing behind");
    assert_eq!(batch(&mut harness, &mut next, 24), 12, "a short batch ends it");
}

#[test]
fn at_the_end_of_a_batch_at_most_one_packet_is_unacknowledged() {
    let mut harness = running(64);
    let mut next = 1;
    (0..LONG_BATCHES_TO_STRETCH).for_each(|_| _ = batch(&mut harness, &mut next, 70));
    for len in [70, 70, 70, 2, 70, 70, 69, 3] {
        batch(&mut harness, &mut next, len);
        let unacknowledged = harness.receiver.sack_pending();
        batch(&mut harness, &mut next, 1);
        assert!(!unacknowledged || !harness.receiver.sack_pending());
    }
}

#[test]
fn a_gap_an_idle_time_and_a_new_path_end_the_stretch() {
    let stretched = || {
        let mut harness = running(8);
        let mut next = 1;
        for _ in 0..LONG_BATCHES_TO_STRETCH {
            batch(&mut harness, &mut next, 24);
        }
        (harness, next)
    };
    let (mut harness, mut next) = stretched();
    let _ = harness.message(next + 1);
    harness.sack();
    let _ = harness.message(next);
    harness.sack();
    next += 2;
    assert_eq!(batch(&mut harness, &mut next, 24), 12, "gap");

    let (mut harness, mut next) = stretched();
    harness.now += Duration::from_millis(201);
    assert_eq!(batch(&mut harness, &mut next, 24), 12, "idle time");

    let (mut harness, mut next) = stretched();
    let config = AssociationConfig { sack_frequency: Some(8), ..AssociationConfig::default() };
    harness.receiver.handle_new_path(&PathParameters::of(&config));
    assert_eq!(batch(&mut harness, &mut next, 24), 12, "new path");
}

/// RFC 6458, 8.1.19: a SACK frequency of 1 turns delayed acknowledgement off.
#[test]
fn a_sack_frequency_of_one_acknowledges_every_packet() {
    let mut harness = running(1);
    let _ = harness.message(1);
    assert!(harness.receiver.sack_wanted());
}
