//! The receive window (RFC 9260, 6.2 and 6.2.1; RFC 1122, 4.2.3.3).

use super::*;

const BUFFER: usize = 40_000;

fn harness() -> Harness {
    Harness::with(&AssociationConfig { receive_buffer: BUFFER, ..AssociationConfig::default() })
}

fn big(offset: u32) -> DataChunk {
    chunk(offset, 0, offset as u16, "BE", &[b'x'; 1_000])
}

/// Fills the window with 40 messages of 1,000 bytes and acknowledges them.
fn closed() -> Harness {
    let mut harness = harness();
    for offset in 0..40 {
        assert_eq!(harness.packet(big(offset)), DataOutcome::Accepted);
    }
    assert_eq!(harness.sack().a_rwnd, 0);
    harness
}

/// RFC 9260, 6.2 B and C: down by what is buffered, up by what is delivered.
#[test]
fn the_window_follows_the_payload_held() {
    let mut harness = harness();
    assert_eq!(harness.receiver.a_rwnd(), 40_000);
    let _ = harness.packet(big(0));
    assert_eq!((harness.receiver.a_rwnd(), harness.sack().a_rwnd), (39_000, 39_000));
    let _ = harness.read();
    assert_eq!(harness.receiver.a_rwnd(), 40_000);
}

/// RFC 9260, 6.2: new TSNs above the highest are dropped, a SACK that does not include them is sent at once.
#[test]
fn a_closed_window_drops_new_data_and_says_so_at_once() {
    let mut harness = closed();
    assert_eq!(harness.packet(big(40)), DataOutcome::NoBuffer);
    assert!(harness.receiver.sack_wanted());
    let sack = harness.sack();
    assert_eq!((sack.cumulative_tsn_ack, sack.a_rwnd), (tsn(39), 0));
    assert!(sack.gap_blocks.is_empty());
}

/// RFC 9260, 6.2: a TSN below the highest one is taken although the window is closed; nothing that was
/// acknowledged is dropped for it.
#[test]
fn a_closed_window_still_lets_holes_be_filled() {
    let mut harness = harness();
    for offset in (0..41).filter(|&offset| offset != 7) {
        assert_eq!(harness.packet(big(offset)), DataOutcome::Accepted);
    }
    assert_eq!(harness.receiver.a_rwnd(), 0);
    assert_eq!(harness.packet(big(7)), DataOutcome::Accepted);
    assert_eq!(harness.sack().cumulative_tsn_ack, tsn(40));
    assert_eq!(harness.texts().len(), 41);
}

/// RFC 9260, 6.2: an update once the window grew by a quarter of the buffer, not for every message.
#[test]
fn a_window_that_reopens_is_announced_once_for_each_quarter() {
    let mut harness = closed();
    let mut updates = Vec::new();
    for read in 1..=40 {
        let _ = harness.read();
        if harness.receiver.sack_wanted() {
            updates.push((read, harness.sack().a_rwnd));
        }
    }
    assert_eq!(updates, [(10, 10_000), (20, 20_000), (30, 30_000), (40, 40_000)]);
}

/// RFC 1122, 4.2.3.3: the right edge of the window does not move by less than a segment.
/// RFC 9260, 6.2.
#[test]
fn a_sack_does_not_tell_of_a_silly_window() {
    let mut harness = closed();
    let _ = harness.read();
    assert_eq!(harness.sack().a_rwnd, 0, "1000 bytes are less than a packet");
    let _ = harness.read();
    assert_eq!(harness.sack().a_rwnd, 2_000);
}

/// The end of a closed window never passes in silence: also if less than a quarter is freed, once there
/// is nothing more to read.
/// RFC 9260, 6.2.
#[test]
fn the_last_read_announces_a_window_that_was_closed() {
    let mut harness = harness();
    let _ = harness.packet(chunk(0, 0, 0, "BE", &[b'x'; 500]));
    for offset in 1..41 {
        let flags = if offset == 1 { "B" } else { "" };
        // Not its turn: it cannot be delivered in pieces.
        assert_eq!(harness.packet(chunk(offset, 0, 2, flags, &[b'x'; 990])), DataOutcome::Accepted);
    }
    assert_eq!(harness.sack().a_rwnd, 0);
    assert_eq!(harness.packet(chunk(41, 0, 2, "E", b"x")), DataOutcome::NoBuffer);
    harness.sack();
    assert!(harness.read().is_some() && harness.read().is_none());
    assert!(harness.receiver.sack_wanted());
    assert_eq!(harness.sack().a_rwnd, 400);
    assert_eq!(harness.packet(chunk(41, 0, 2, "E", b"x")), DataOutcome::Accepted);
    assert_eq!(harness.packet(chunk(42, 0, 1, "BE", b"y")), DataOutcome::Accepted);
    assert_eq!(harness.texts().len(), 2);
}

/// RFC 9260, 6.1 A: a sender probes a closed window; if it has reopened meanwhile the probe is taken.
#[test]
fn a_window_probe_is_taken_as_soon_as_there_is_room() {
    let mut harness = closed();
    assert_eq!(harness.packet(big(40)), DataOutcome::NoBuffer);
    harness.sack();
    let _ = harness.read();
    assert_eq!(harness.packet(big(40)), DataOutcome::Accepted);
}

/// RFC 9260, 6.1 A: the sender counts payload only, so the window must make up for the bookkeeping of small chunks.
#[test]
fn a_sender_of_tiny_messages_that_keeps_to_the_window_loses_nothing_to_a_reader_who_sleeps() {
    let mut harness =
        Harness::with(&AssociationConfig { receive_buffer: 1 << 20, ..AssociationConfig::default() });
    let (mut sent, mut a_rwnd, mut unacknowledged) = (0_u32, 1 << 20, 0);
    while unacknowledged + 64 <= a_rwnd {
        assert_eq!(
            harness.packet(chunk(sent, 0, sent as u16, "BE", &[0; 64])),
            DataOutcome::Accepted,
            "message {sent}"
        );
        sent += 1;
        unacknowledged += 64;
        if unacknowledged == 100 * 64 {
            a_rwnd = harness.sack().a_rwnd as usize;
            unacknowledged = 0;
        }
    }
    assert!(sent > 4_000, "a window that closes after {sent} messages wastes the memory there is");
}

/// RFC 9260, 6.2 C: what waits for the rest of its message is held, and counts.
#[test]
fn fragments_that_wait_count_against_the_window() {
    let mut harness = harness();
    let _ = harness.packet(chunk(0, 0, 0, "B", &[b'x'; 1_000]));
    assert_eq!(harness.sack().a_rwnd, 39_000);
    let _ = harness.packet(chunk(1, 0, 0, "", &[b'x'; 1_000]));
    assert_eq!((harness.receiver.a_rwnd(), harness.sack().a_rwnd), (38_000, 38_000));
    let _ = harness.packet(chunk(2, 0, 0, "E", &[b'x'; 1_000]));
    assert_eq!(harness.sack().a_rwnd, 37_000, "put together it still waits for its reader");
    let _ = harness.read();
    assert_eq!(harness.receiver.a_rwnd(), 40_000);
}

/// RFC 9260, 3.3.2, 3.3.3: what was offered at the set-up is not taken away.
#[test]
fn the_buffer_of_a_living_association_stays() {
    let mut harness = harness();
    harness
        .receiver
        .update_config(&AssociationConfig { receive_buffer: 2_000, ..AssociationConfig::default() });
    assert_eq!(harness.receiver.a_rwnd(), 40_000);
    for offset in 0..40 {
        assert_eq!(harness.packet(big(offset)), DataOutcome::Accepted);
    }
}

/// RFC 9260, 6.2: a window that has grown is told without waiting for DATA.
#[test]
fn a_buffer_that_is_made_larger_opens_the_window_of_a_living_association() {
    let mut harness = harness();
    for offset in 0..40 {
        assert_eq!(harness.packet(big(offset)), DataOutcome::Accepted);
    }
    assert_eq!((harness.sack().a_rwnd, harness.packet(big(40))), (0, DataOutcome::NoBuffer));
    harness.sack();
    let config = AssociationConfig { receive_buffer: 60_000, ..AssociationConfig::default() };
    harness.receiver.update_config(&config);
    assert!(harness.receiver.sack_wanted());
    assert_eq!((harness.sack().a_rwnd, harness.packet(big(40))), (20_000, DataOutcome::Accepted));
}

/// RFC 9260, 3.3.4: a_rwnd has 32 bits, however large the buffer is.
#[test]
fn a_buffer_larger_than_a_window_can_be_is_taken_for_the_largest_window() {
    let mut harness =
        Harness::with(&AssociationConfig { receive_buffer: usize::MAX, ..AssociationConfig::default() });
    let _ = harness.message(0);
    assert!(harness.sack().a_rwnd > u32::MAX - 1_000);
}
