//! What waits, and in which order it leaves.

use super::*;
use crate::message::SendOptions;
use crate::tx::message::Options;

fn message(stream_id: u16, context: u32, expires: Option<u64>) -> OutgoingMessage {
    OutgoingMessage {
        options: Options::new(&SendOptions { stream_id, context, ..SendOptions::default() }, None),
        limit: expires.map_or(Limit::None, |at| Limit::Expires(Time::from_millis(at))),
        key: None,
        payload: b"x".as_slice().into(),
    }
}

fn queue() -> SendQueue {
    SendQueue::new(&AssociationConfig::default())
}

/// Takes the message whose turn it is, wholly cut.
fn pop(queue: &mut SendQueue) -> Option<(OutgoingMessage, Mid)> {
    let mut begun = None;
    queue.cut(queue.turn()?.uncut, |message| {
        begun = Some((message.message, message.mid));
        0
    });
    begun
}

fn contexts(queue: &mut SendQueue) -> Vec<u32> {
    core::iter::from_fn(|| pop(queue)).map(|(message, _)| message.options.context).collect()
}

#[test]
fn messages_leave_in_the_order_of_arrival_over_all_streams() {
    let mut queue = queue();
    for (context, stream_id) in (0..).zip([5, 1, 5, 9, 1]) {
        queue.push(message(stream_id, context, None));
    }
    assert_eq!(contexts(&mut queue), [0, 1, 2, 3, 4]);
    assert!(queue.is_empty() && queue.chunk_bytes() == 0);
}

#[test]
fn ordered_and_unordered_messages_are_numbered_apart_for_each_stream() {
    // RFC 9260, 6.5; RFC 8260, 2.1
    let mut queue = queue();
    for (stream_id, unordered) in [(0, false), (1, false), (0, true), (0, false)] {
        let mut message = message(stream_id, 0, None);
        message.options.unordered = unordered;
        queue.push(message);
    }
    let mids: Vec<_> = core::iter::from_fn(|| pop(&mut queue)).map(|(_, mid)| mid.0).collect();
    assert_eq!(mids, [0, 0, 0, 1]);
}

#[test]
fn expired_messages_leave_no_trace_wherever_they_stood() {
    // RFC 9260, 11.1.5
    let mut queue = queue();
    for (context, expires) in (0..).zip([Some(10), None, Some(5), Some(30), None]) {
        queue.push(message(0, context, expires));
    }
    assert_eq!(queue.next_expiry(), Some(Time::from_millis(5)));
    let now = Time::from_millis(10);
    let expired: Vec<_> =
        core::iter::from_fn(|| queue.pop_expired(now)).map(|message| message.options.context).collect();
    assert_eq!(expired, [2, 0]);
    assert_eq!(contexts(&mut queue), [1, 3, 4]);
    assert_eq!((queue.next_expiry(), queue.counted_cost()), (None, 0));
}

#[test]
fn messages_given_up_behind_one_that_waits_do_not_pile_up() {
    let mut queue = queue();
    queue.push(message(0, 0, None));
    for i in 0..1_000 {
        queue.push(message(0, 1, Some(i)));
        assert!(queue.pop_expired(Time::from_millis(i)).is_some());
        assert!(queue.streams.get(&0).is_some_and(|stream| stream.queue.len() < 4));
    }
    assert_eq!(contexts(&mut queue), [0]);
}
