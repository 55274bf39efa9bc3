//! When messages are given up, and what becomes of them (RFC 3758, 3.5 A2, A3 and 4.1; RFC 7496, 3).

use super::harness::*;
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::message::SendOptions;
use crate::reliability::{Abandoned, Policy, Reliability};
use core::time::Duration;

const SOON: Reliability = Reliability::Timed(Duration::from_millis(500));

fn once() -> Reliability {
    Reliability::Retransmissions(0)
}

/// One path with room for all, both sides with partial reliability.
fn open(paths: u8) -> Harness {
    let mut t = Harness::partial(paths, &config());
    t.open_cwnd();
    t
}

/// Messages that fill a packet each, sent; number 0 is the first.
fn sent(policies: &[Reliability]) -> Harness {
    let mut t = open(1);
    policies.iter().for_each(|&policy| t.enqueue_with(policy, FULL));
    assert_eq!(t.send().len(), policies.len());
    t
}

/// Three SACKs that report chunk `missing` missing, of `sent`.
fn report_missing(t: &mut Harness, missing: u32, sent: u32) {
    for received in missing + 1..sent {
        t.sack(missing, &[(missing + 1, received)]);
    }
}

fn counted(t: &Harness, policy: Policy) -> (u64, u64) {
    let Abandoned { unsent, sent } = t.sender.abandoned(None, Some(policy));
    (unsent, sent)
}

#[test]
fn a_message_past_its_lifetime_is_not_sent_again() {
    // RFC 3758, 4.1 TR4
    let mut t = sent(&[SOON, Reliability::Full]);
    t.expire(0);
    assert_eq!(t.send_numbers(), [[1]]);
    assert_eq!(t.take_failures(), [(FULL, true)]);
    assert_eq!(counted(&t, Policy::Timed), (0, 1));
}

#[test]
fn a_message_within_its_lifetime_is_as_good_as_reliable() {
    // RFC 3758, 4.1 TR1 and TR2
    let mut t = sent(&[Reliability::Timed(Duration::from_millis(1_001)), Reliability::Full]);
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0]]);
    assert!(t.take_failures().is_empty());
}

#[test]
fn a_message_past_its_lifetime_is_not_sent_at_all_and_takes_no_tsn() {
    // RFC 3758, 4.1 TR3, even if nobody has called `handle_timeout`
    let mut t = open(1);
    t.enqueue_with(SOON, FULL);
    t.wait(500);
    t.enqueue(FULL);
    assert_eq!(t.send_numbers(), [[0]]);
    assert_eq!(t.take_failures(), [(FULL, false)]);
    assert_eq!((t.forwarded(), counted(&t, Policy::Timed)), (None, (1, 0)));
}

#[test]
fn what_does_not_fit_the_window_behind_a_message_past_its_lifetime_is_probed() {
    // RFC 9260, 6.1 A
    let mut t = sent(&[Reliability::Full]);
    t.enqueue_with(SOON, 10);
    t.enqueue(FULL);
    t.sack_window(1, 20);
    t.wait(500);
    assert_eq!(t.sender.deadline(), Some(t.now), "the short one fits");
    assert!(t.send().is_empty());
    assert_eq!(t.take_failures(), [(10, false)]);
    assert_eq!(t.sender.deadline(), Some(t.now + Duration::from_secs(1)));
}

#[test]
fn the_rest_of_a_message_past_its_lifetime_is_not_sent() {
    // RFC 3758, 4.1 TR4 and 3.5 A3. The peer may have all that was sent: one more TSN says that something is missing.
    let mut t = Harness::partial(1, &config());
    t.enqueue_with(SOON, 40 * FULL);
    let chunks = u32::try_from(t.send().len()).unwrap();
    t.wait(500);
    t.enqueue(FULL);
    t.sack(chunks, &[]);
    assert_eq!(t.forwarded(), Some((chunks + 1, vec![(0, 0)])));
    assert_eq!(t.take_failures(), [(40 * FULL, true)]);
    assert_eq!(t.send_numbers(), [[chunks + 1]]);
}

/// RFC 7496, 3.
#[test]
fn without_partial_reliability_what_was_sent_is_never_given_up() {
    // RFC 3758, 3.3.2
    let mut t = Harness::new();
    t.open_cwnd();
    [SOON, once(), Reliability::Priority(9)].into_iter().for_each(|policy| t.enqueue_with(policy, FULL));
    t.send();
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0]]);
    t.sack(1, &[]);
    assert_eq!(t.send_numbers(), [[1], [2]]);
    assert!(t.take_failures().is_empty() && t.forwarded().is_none());
}

/// RFC 3758, 3.4.
#[test]
fn a_message_is_given_up_when_it_would_be_sent_again_too_often() {
    // RFC 3758, 3.5
    // RFC 7496, 3.1: time-outs
    let mut t = sent(&[Reliability::Retransmissions(2)]);
    for _ in 0..2 {
        t.expire(0);
        assert_eq!(t.send_numbers(), [[0]]);
    }
    assert!(t.take_failures().is_empty());
    t.expire(0);
    assert!(t.send().is_empty());
    assert_eq!(t.take_failures(), [(FULL, true)]);
    assert_eq!(counted(&t, Policy::Retransmissions), (0, 1));
}

#[test]
fn fast_retransmissions_count_and_congestion_control_does_its_part() {
    // RFC 7496, 3.1; RFC 3758, 3.5 F5
    let mut t = sent(&[once(), Reliability::Full, Reliability::Full, Reliability::Full]);
    let cwnd = t.path(0).congestion.cwnd();
    report_missing(&mut t, 0, 4);
    assert!(t.send().is_empty());
    assert_eq!(t.take_failures(), [(FULL, true)]);
    assert_eq!((t.path(0).congestion.ssthresh(), t.path(0).stats.fast_retransmits), (cwnd / 2, 1));
}

#[test]
fn a_time_out_of_what_is_given_up_is_a_time_out() {
    // RFC 7496, 3.1; RFC 3758, 3.5 F5
    let mut t = sent(&[once()]);
    let cwnd = t.path(0).congestion.cwnd();
    t.expire(0);
    assert!(t.send().is_empty());
    let pmdcs = t.path(0).pmdcs();
    assert_eq!((t.path(0).congestion.ssthresh(), t.path(0).congestion.cwnd()), (cwnd / 2, pmdcs));
    assert_eq!((t.path(0).rto(), t.path(0).stats.t3_expiries), (Duration::from_secs(2), 1));
}

#[test]
fn all_of_a_message_is_given_up_with_one_of_its_chunks() {
    // RFC 3758, 3.5 A3: chunks that were acknowledged, are in flight, and were never sent
    let mut t = open(1);
    t.enqueue_with(once(), 4 * FULL);
    t.enqueue(FULL);
    assert_eq!(t.send_numbers(), [[0], [1], [2], [3], [4]]);
    t.sack(0, &[(1, 1)]);
    t.sack(0, &[(1, 2)]);
    t.sack(0, &[(1, 2), (4, 4)]);
    assert!(t.send().is_empty());
    assert_eq!(t.take_failures(), [(4 * FULL, true)]);
    assert_eq!(t.forwarded(), Some((4, vec![(0, 0)])));
    assert_eq!(t.path(0).flight_size, 0);
    t.sack(5, &[]);
    assert!(t.sender.is_empty());
}

#[test]
fn what_was_given_up_counts_as_acknowledged_but_opens_no_window() {
    // RFC 3758, 3.5 A2
    let mut t = sent(&[once(), Reliability::Full, Reliability::Full]);
    t.expire(0);
    assert_eq!(t.send_numbers(), [[1]], "the window of one packet is not taken up by the first");
    t.forwarded();
    let before = (t.path(0).congestion.cwnd(), t.path(0).congestion.partial_bytes_acked());
    let outcome = t.sack(1, &[]);
    assert_eq!((outcome.newly_acked_bytes, outcome.cumulative_advanced), (0, true));
    assert_eq!((t.path(0).congestion.cwnd(), t.path(0).congestion.partial_bytes_acked()), before);
}

#[test]
fn what_was_given_up_on_its_way_may_still_turn_out_to_be_lost() {
    // RFC 3758, 3.5 F5: the window shrinks as if it were to be sent again
    let mut t = open(1);
    t.enqueue_with(SOON, 40 * FULL);
    t.path(0).congestion = crate::path::congestion::Congestion::with_cwnd(4 * FULL, &config());
    assert_eq!(t.send_numbers(), [[0], [1], [2], [3]]);
    t.wait(500);
    t.enqueue_full(8);
    assert_eq!(t.send_numbers(), [[5], [6], [7], [8]], "4 stands for what was never sent");
    (6..8).for_each(|end| _ = t.sack(0, &[(5, end - 1)]));
    assert_eq!(t.path(0).stats.fast_retransmits, 0);
    t.sack(0, &[(5, 7)]);
    assert_eq!((t.path(0).stats.fast_retransmits, t.path(0).congestion.cwnd()), (1, 4 * (FULL + 16)));
}

#[test]
fn a_late_acknowledgement_of_what_was_given_up_changes_nothing() {
    // RFC 3758, 3.5 A2: finally acknowledged, also if the peer has it, and takes it back (RFC 9260, 6.2.1)
    let mut t = sent(&[Reliability::Full, once(), Reliability::Full, Reliability::Full]);
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0]]);
    assert_eq!(t.take_failures(), [(FULL, true)]);
    t.sack(0, &[(1, 3)]);
    t.sack(0, &[]);
    t.sack(4, &[]);
    assert!(t.sender.is_empty() && t.take_failures().is_empty());
}

#[test]
fn a_failure_is_told_once_and_gives_its_memory_back() {
    let mut t = sent(&[once()]);
    let whole = AssociationConfig::default().send_buffer;
    t.expire(0);
    t.forwarded();
    assert_eq!(t.take_failures().len(), 1);
    let held = whole - t.sender.free();
    assert!(held < FULL, "{held} bytes are held of a message without payload");
    assert!(t.sender.fail_all(&mut t.paths).is_empty());
    assert_eq!(t.sender.free(), whole);
}

/// A send buffer for `messages` full messages, with no window to send them.
fn small_buffer(messages: usize) -> Harness {
    let overhead = crate::tx::message::MESSAGE_OVERHEAD;
    let config = AssociationConfig { send_buffer: messages * (FULL + overhead), ..config() };
    Harness::partial(1, &config)
}

fn try_priority(t: &mut Harness, priority: u32) -> bool {
    match t.try_enqueue(&with(Reliability::Priority(priority)), FULL) {
        Ok(()) => true,
        Err(SendError::WouldBlock { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn lower_priorities_make_room_for_higher_ones() {
    // RFC 7496, 3.2 and 4.2: 0 is the highest
    let mut t = small_buffer(3);
    for (len, priority) in [(FULL, 5), (FULL / 2, 7), (FULL / 2 + 4, 7), (FULL / 2, 5)] {
        t.enqueue_with(Reliability::Priority(priority), len);
    }
    assert!(
        !try_priority(&mut t, 8) && !try_priority(&mut t, 7),
        "nobody gives way to the same or a lower one"
    );
    assert!(t.take_failures().is_empty());
    assert!(try_priority(&mut t, 6));
    assert_eq!(
        t.take_failures(),
        [(FULL / 2, false), (FULL / 2 + 4, false)],
        "as many as are needed, the oldest first"
    );
    assert_eq!(counted(&t, Policy::Priority), (2, 0));
    assert_eq!(t.sender.queued_messages(), 3);
}

#[test]
fn any_other_message_stands_above_all_priorities() {
    // RFC 7496, 3.2
    let mut t = small_buffer(3);
    (0..3).for_each(|_| t.enqueue_with(Reliability::Priority(0), FULL));
    for policy in [Reliability::Full, SOON, once()] {
        t.enqueue_with(policy, FULL);
    }
    assert_eq!(t.take_failures().len(), 3);
    assert!(!try_priority(&mut t, 0), "and gives way to none");
}

#[test]
fn nothing_is_given_up_in_vain() {
    // RFC 7496, 3.2
    let mut t = small_buffer(3);
    t.enqueue(2 * FULL);
    t.enqueue_with(Reliability::Priority(9), FULL - 4);
    let too_large = t.try_enqueue(&SendOptions::default(), 2 * FULL);
    assert!(matches!(too_large, Err(SendError::WouldBlock { .. })));
    let no_stream = SendOptions { stream_id: 99, ..SendOptions::default() };
    assert!(matches!(t.try_enqueue(&no_stream, FULL), Err(SendError::InvalidStream { .. })));
    assert!(t.take_failures().is_empty());
}

#[test]
fn what_waits_to_be_sent_again_makes_room_and_what_is_on_its_way_does_not() {
    // RFC 7496, 3.2; RFC 3758, 3.5 F5; RFC 3758, 4.3
    let mut t = small_buffer(3);
    t.open_cwnd();
    (0..3).for_each(|_| t.enqueue_with(Reliability::Priority(5), FULL));
    assert_eq!(t.send().len(), 3);
    assert!(!try_priority(&mut t, 1));
    t.expire(0);
    assert_eq!(t.send_numbers(), [[0]], "one packet after a time-out");
    assert!(try_priority(&mut t, 1));
    assert_eq!(t.take_failures(), [(FULL, true), (FULL, true)]);
    assert_eq!(counted(&t, Policy::Priority), (0, 2));
    t.sack(1, &[]);
    assert_eq!(t.forwarded(), Some((3, vec![(0, 2)])));
    assert_eq!(t.send_numbers(), [[3]]);
}

#[test]
fn without_partial_reliability_only_unsent_messages_make_room() {
    // RFC 3758, 3.3.2; RFC 7496, 3.2
    let mut t = small_buffer(3);
    t.sender.set_partial_reliability(false);
    (0..2).for_each(|_| t.enqueue_with(Reliability::Priority(5), FULL));
    t.send();
    t.expire(0);
    t.enqueue_with(Reliability::Priority(5), FULL);
    assert!(try_priority(&mut t, 1));
    assert_eq!(t.take_failures(), [(FULL, false)]);
    assert!(!try_priority(&mut t, 0) || t.take_failures() == [(FULL, false)]);
}

#[test]
fn a_message_without_a_policy_has_that_of_its_association() {
    // RFC 6458, 8.1.32 (SCTP_DEFAULT_PRINFO)
    let config = AssociationConfig { reliability: once(), ..config() };
    let mut t = Harness::partial(1, &config);
    t.enqueue(FULL);
    t.enqueue_with(Reliability::Full, FULL);
    t.send();
    t.expire(0);
    assert_eq!(t.send_numbers(), [[1]]);
    assert_eq!(t.take_failures().len(), 1);
}
