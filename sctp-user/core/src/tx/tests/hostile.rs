use super::harness::*;
use crate::tx::SackError;
use crate::wire::chunk::{GapBlock, SackChunk};

fn blocks(up_to: u32, blocks: &[(u16, u16)]) -> SackChunk {
    let gap_blocks = blocks.iter().map(|&(start, end)| GapBlock { start, end }).collect();
    SackChunk { gap_blocks, ..sack(up_to, &[]) }
}

/// Six of eight chunks in flight, the first two acknowledged.
fn six_in_flight() -> Harness {
    let mut t = Harness::new();
    t.open_cwnd();
    t.enqueue_full(8);
    t.send();
    t.sack(2, &[]);
    t
}

#[test]
fn an_old_sack_changes_nothing() {
    // RFC 9260, 6.2.1 D i
    let mut t = six_in_flight();
    for up_to in [0, 1] {
        assert!(t.sack_window(up_to, 5).old);
    }
    let far_back = SackChunk { cumulative_tsn_ack: FIRST.plus(0x8000_0010), ..sack(0, &[]) };
    assert!(t.try_sack(&far_back).unwrap().old);
    assert_eq!((t.sender.outstanding_chunks(), t.sender.peer_rwnd()), (6, (1 << 20) - 6_000));
}

/// RFC 9260, 12.4.
#[test]
fn acknowledging_what_was_never_sent_is_an_error_and_changes_nothing() {
    // Optimistic acknowledgement: RFC 9260, 3.3.10.13 is the answer
    let mut t = six_in_flight();
    let highest_sent = FIRST.plus(7);
    let cumulative = SackError::CumulativeNotSent { cumulative_tsn_ack: FIRST.plus(8), highest_sent };
    assert_eq!(t.try_sack(&sack(9, &[])), Err(cumulative));
    let gap = SackError::GapNotSent { tsn: FIRST.plus(8), highest_sent };
    assert_eq!(t.try_sack(&sack(2, &[(4, 8)])), Err(gap));
    assert!(t.try_sack(&blocks(2, &[(2, u16::MAX)])).is_err());
    assert!(t.sender.handle_cumulative_ack(t.now, FIRST.plus(1_000), &mut t.paths).is_err());
    assert_eq!((t.sender.outstanding_chunks(), t.path(0).flight_size), (6, 6 * 1_016));
}

#[test]
fn gap_blocks_out_of_order_or_overlapping_mean_their_union() {
    let mut t = six_in_flight();
    t.try_sack(&blocks(2, &[(5, 6), (2, 3), (3, 3), (2, 2)])).unwrap();
    assert_eq!(t.path(0).flight_size, 2 * 1_016, "chunks 2 and 5 are missing");
    t.try_sack(&blocks(2, &[(2, 6), (3, 4)])).unwrap();
    assert_eq!(t.path(0).flight_size, 1_016);
}

#[test]
fn gap_blocks_that_make_no_sense_say_nothing() {
    let mut t = six_in_flight();
    t.try_sack(&blocks(2, &[(6, 2), (0, 0), (u16::MAX, 0), (1, 1), (0, 1)])).unwrap();
    assert_eq!(t.path(0).flight_size, 6 * 1_016);
}

#[test]
fn a_gap_block_at_the_cumulative_ack_cannot_take_the_timer_away() {
    let mut t = six_in_flight();
    t.try_sack(&blocks(2, &[(1, 6)])).unwrap();
    assert!(
        t.path(0).t3_rtx.is_some(),
        "the first chunk is not acknowledged as long as the ack point stands"
    );
    t.sack(8, &[]);
    assert!(t.sender.is_empty());
}

#[test]
fn the_largest_list_of_gap_blocks_is_harmless() {
    let mut t = six_in_flight();
    let many: Vec<_> = (0..u16::MAX).map(|i| (i % 6 + 1, 6)).collect();
    t.try_sack(&blocks(2, &many)).unwrap();
    assert_eq!(t.path(0).flight_size, 1_016);
}

/// RFC 9260, 5.1.
#[test]
fn a_sack_before_anything_was_sent_is_taken_or_refused() {
    let mut t = Harness::new();
    assert!(!t.sack(0, &[]).old);
    assert!(t.try_sack(&sack(1, &[])).is_err());
    assert!(t.try_sack(&blocks(0, &[(2, 2)])).is_err());
}

/// RFC 9260, 7.2.
#[test]
fn acknowledging_in_small_steps_does_not_open_the_window_faster() {
    // ACK splitting: RFC 9260, 7.2.1
    let mut t = Harness::new();
    t.enqueue_full(40);
    t.send();
    let cwnd = t.path(0).congestion.cwnd();
    (0..100).for_each(|_| _ = t.sack(1, &[]));
    assert!(t.path(0).congestion.cwnd() <= cwnd + 1_016);
}

/// RFC 9260, 9.2: SHUTDOWN acknowledges without gap blocks. If it contradicts those of the SACK before, what it
/// calls missing must be in flight again: chunks without a timer would never leave.
/// RFC 9260, 3.3.8.
#[test]
fn a_cumulative_ack_that_ends_within_a_gap_block_leaves_no_data_without_a_timer() {
    for (up_to, missing) in [(3, 2), (5, 1), (7, 1)] {
        let mut t = six_in_flight();
        t.sack(2, &[(3, 3), (5, 7)]);
        let ack = FIRST.plus(up_to).prev();
        t.sender.handle_cumulative_ack(t.now, ack, &mut t.paths).unwrap();
        t.sender.check_invariants(&t.paths);
        assert_eq!(t.path(0).flight_size, missing * 1_016, "acknowledged up to {up_to}");
        assert!(t.t3(0).is_some());
    }
}
