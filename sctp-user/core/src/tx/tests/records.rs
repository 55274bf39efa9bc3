//! Messages handed over in pieces (explicit EOR; RFC 6458, 8.1.26), and messages larger than the buffer.

use super::harness::{FULL, Harness, config};
use crate::config::{AssociationConfig, StreamScheduler};
use crate::error::SendError;
use crate::message::SendOptions;
use crate::reliability::Reliability;
use crate::stream_set::StreamSet;

fn with(interleaving: bool, config: &AssociationConfig) -> Harness {
    let mut t = Harness::unconnected(1, config);
    t.sender.set_interleaving(interleaving);
    t.sender.set_peer(1 << 20, 10);
    t.open_cwnd();
    t
}

fn piece(t: &mut Harness, stream_id: u16, more: bool, len: usize) {
    t.try_enqueue(&SendOptions { stream_id, more, ..SendOptions::default() }, len).unwrap();
}

/// The chunks that leave: stream, number in the stream, flags, length.
fn leave(t: &mut Harness) -> Vec<(u16, u16, String, usize)> {
    let chunks = t.send().into_iter().flat_map(|packet| packet.chunks);
    chunks.map(|chunk| (chunk.stream_id, chunk.ssn.0, chunk.flags.to_string(), chunk.payload.len())).collect()
}

fn chunk(stream_id: u16, number: u16, flags: &str, len: usize) -> (u16, u16, String, usize) {
    (stream_id, number, flags.into(), len)
}

/// RFC 6458, 8.1.26; RFC 9260, 6.9: the pieces are one message, and DATA of no other comes between.
#[test]
fn pieces_are_one_message_that_nothing_interrupts() {
    let mut t = with(false, &config());
    piece(&mut t, 0, true, 10);
    piece(&mut t, 1, false, 20);
    assert_eq!(leave(&mut t), [chunk(0, 0, "B", 10)]);
    assert!(t.sender.has_open_record());
    piece(&mut t, 0, true, FULL + 5);
    assert_eq!(leave(&mut t), [chunk(0, 0, "", FULL), chunk(0, 0, "", 5)]);
    piece(&mut t, 0, false, 30);
    piece(&mut t, 0, false, 40);
    assert_eq!(leave(&mut t), [chunk(0, 0, "E", 30), chunk(1, 0, "BE", 20), chunk(0, 1, "BE", 40)]);
    assert!(!t.sender.has_open_record());
    let outcome = t.sack(6, &[]);
    assert!(outcome.became_empty && t.sender.is_empty());
}

/// RFC 9260, 6.5 and 9.2: a message in pieces on a stream that the peer does not grant fails as a whole; the end of the
/// association does not wait for the rest of it.
#[test]
fn pieces_for_a_stream_that_the_peer_did_not_grant_leave_no_open_message() {
    let mut t = Harness::unconnected(1, &config());
    t.open_cwnd();
    for (stream_id, more) in [(0, false), (8, true), (8, true), (9, false)] {
        piece(&mut t, stream_id, more, 10);
    }
    t.sender.set_peer(1 << 20, 8);
    assert!(!t.sender.has_open_record());
    assert_eq!(core::iter::from_fn(|| t.sender.poll_failure()).count(), 3);
    assert_eq!(leave(&mut t), [chunk(0, 0, "BE", 10)]);
}

/// RFC 8260, 4.4 and 2.1: with I-DATA other streams go on, and fragments are numbered over all pieces.
#[test]
fn with_i_data_other_streams_go_on_between_the_pieces() {
    let mut t = with(true, &config());
    let first = SendOptions { ppid: 7, unordered: true, more: true, ..SendOptions::default() };
    t.try_enqueue(&first, 10).unwrap();
    piece(&mut t, 1, false, 20);
    assert_eq!(leave(&mut t), [chunk(0, 0, "UB", 10), chunk(1, 0, "BE", 20)]);
    piece(&mut t, 0, true, 30);
    piece(&mut t, 0, false, 40);
    let sent: Vec<_> = t.send().into_iter().flat_map(|packet| packet.i_data).collect();
    let seen: Vec<_> = sent.iter().map(|header| (header.fsn().0, header.flags.to_string())).collect();
    assert_eq!(
        seen,
        [(1, "U".into()), (2, "UE".to_string())],
        "what was said with the first piece holds for all"
    );
}

/// A change of the scheduler does not open a message that DATA must not interrupt.
#[test]
fn a_message_in_pieces_stays_alone_whatever_the_scheduler() {
    let mut t = with(false, &config());
    piece(&mut t, 3, true, 10);
    assert_eq!(leave(&mut t), [chunk(3, 0, "B", 10)]);
    piece(&mut t, 1, false, 10);
    let scheduler = StreamScheduler::Priority;
    t.sender.update_config(&AssociationConfig { scheduler, ..config() });
    assert!(t.send().is_empty());
    piece(&mut t, 3, false, 10);
    assert_eq!(leave(&mut t), [chunk(3, 0, "E", 10), chunk(1, 0, "BE", 10)]);
}

/// RFC 6525, 5.1.2 A1: a pause lets a message end that was begun before it.
#[test]
fn a_paused_stream_still_ends_the_message_that_it_has_begun() {
    let mut t = with(false, &config());
    piece(&mut t, 0, true, 10);
    let _ = t.send();
    t.sack(1, &[]);
    t.sender.pause(StreamSet::of(&[0]));
    assert!(!t.sender.is_drained());
    piece(&mut t, 0, false, 10);
    piece(&mut t, 0, false, 20);
    // RFC 7053, 4.2: the reset waits for the acknowledgement.
    assert_eq!(leave(&mut t), [chunk(0, 0, "IE", 10)]);
    t.sack(2, &[]);
    assert!(t.sender.is_drained());
    t.sender.reset_paused(t.now);
    assert_eq!(leave(&mut t), [chunk(0, 0, "BE", 20)]);
}

#[test]
fn the_limit_is_on_the_whole_message_and_the_pieces_are_reliable() {
    let mut t = with(false, &AssociationConfig { max_message_size: 100, ..config() });
    let reliability = Some(Reliability::Timed(core::time::Duration::from_millis(1)));
    let options = SendOptions { more: true, reliability, ..SendOptions::default() };
    t.try_enqueue(&options, 60).unwrap();
    assert_eq!(t.try_enqueue(&options, 41), Err(SendError::TooLarge { len: 101, max: 100 }));
    assert_eq!(t.sender.deadline(), None, "no lifetime ends");
    piece(&mut t, 0, false, 40);
    assert_eq!(leave(&mut t).len(), 2);
}

/// RFC 6458, 3.1.3 leaves it to us what is too large; its bytes are in memory anyway.
#[test]
fn a_message_larger_than_the_send_buffer_is_taken_when_the_buffer_is_empty() {
    let mut t = with(false, &AssociationConfig { send_buffer: 5_000, ..config() });
    t.enqueue(10);
    assert!(matches!(t.try_enqueue(&SendOptions::default(), 50_000), Err(SendError::WouldBlock { .. })));
    let _ = t.send();
    t.sack(1, &[]);
    assert!(t.sender.take_writable());
    t.enqueue(50_000);
    assert!(matches!(t.try_enqueue(&SendOptions::default(), 1), Err(SendError::WouldBlock { .. })));
    assert_eq!(t.send().len(), 50);
    t.sack(51, &[]);
    assert!(t.sender.take_writable() && t.sender.is_empty());
}
