//! The books must notice every way in which a protocol can lie.

use super::*;
use crate::sim::SimRng;
use crate::sim::scenario::{PlannedMessage, bulk};
use bytes::Bytes;
use core::time::Duration;
use sctp_core::reliability::Reliability;
use sctp_core::serial::{Mid, Ssn, Tsn};

/// Three ordered messages on stream 1, one unordered on stream 0.
fn books() -> (Outbox, Inbox) {
    let message = |unordered: bool| PlannedMessage {
        at: Duration::ZERO,
        stream_id: u16::from(!unordered),
        unordered,
        len: 300,
        reliability: Reliability::Full,
        pieces: 1,
    };
    let traffic =
        Arc::new(Traffic::new([false, false, false, true].map(message).to_vec(), &mut SimRng::new(1)));
    let mut outbox = Outbox::new(Arc::clone(&traffic));
    (0..4).for_each(|_| outbox.taken());
    (outbox, Inbox::new(traffic))
}

fn message(outbox: &Outbox, index: usize) -> Message {
    let planned = outbox.traffic.messages()[index];
    Message {
        stream_id: planned.stream_id,
        ssn: Ssn(index as u16),
        mid: Mid(index as u32),
        tsn: Tsn(0),
        ppid: outbox.traffic.ppid(index),
        unordered: planned.unordered,
        end_of_record: true,
        payload: core::iter::once(outbox.traffic.payload(index)).collect(),
    }
}

fn failure(outbox: &Outbox, index: usize, sent: bool) -> SendFailure {
    let planned = outbox.traffic.messages()[index];
    SendFailure {
        stream_id: planned.stream_id,
        ppid: outbox.traffic.ppid(index),
        unordered: planned.unordered,
        context: index as u32,
        sent,
        payload: outbox.traffic.payload(index),
    }
}

fn deliver(outbox: &Outbox, inbox: &mut Inbox, order: &[usize]) -> Result<(), Fault> {
    order.iter().try_for_each(|index| inbox.enter(message(outbox, *index)))
}

#[test]
fn everything_in_order_balances() {
    let (outbox, mut inbox) = books();
    assert_eq!(deliver(&outbox, &mut inbox, &[3, 0, 1, 2]), Ok(()));
    assert_eq!(balance(&outbox, &[&inbox], false), Ok(()));
    assert!(inbox.is_complete());
}

#[test]
fn a_lost_message_is_missed_unless_it_was_reported() {
    let (mut outbox, mut inbox) = books();
    deliver(&outbox, &mut inbox, &[0, 1, 3]).expect("in order");
    assert_eq!(balance(&outbox, &[&inbox], true), Err(Fault::Missing { index: 2 }));
    outbox.failed(&failure(&outbox, 2, true)).expect("named rightly");
    assert_eq!(balance(&outbox, &[&inbox], true), Ok(()));
    let without_loss = balance(&outbox, &[&inbox], false);
    assert!(matches!(without_loss, Err(Fault::WrongFailure { .. })), "failures need a lost association");
}

#[test]
fn order_copies_and_contents_are_checked_on_delivery() {
    let (outbox, mut inbox) = books();
    assert_eq!(deliver(&outbox, &mut inbox, &[1, 0]), Err(Fault::OutOfOrder { index: 0, after: 1 }));
    let (outbox, mut inbox) = books();
    assert_eq!(deliver(&outbox, &mut inbox, &[0, 0]), Err(Fault::Twice { index: 0 }));
    let (outbox, mut inbox) = books();
    let mut damaged = message(&outbox, 0);
    damaged.payload = core::iter::once(outbox.traffic.payload(1)).collect();
    assert_eq!(inbox.enter(damaged), Err(Fault::Damaged { index: 0 }));
    let other_stream = Message { stream_id: 0, ..message(&outbox, 0) };
    assert_eq!(inbox.enter(other_stream), Err(Fault::Damaged { index: 0 }));
    let unknown = Message { ppid: outbox.traffic.ppid(4), ..message(&outbox, 0) };
    assert!(matches!(inbox.enter(unknown), Err(Fault::Unknown { .. })));
}

#[test]
fn a_gap_in_a_stream_is_noticed_even_if_the_lost_message_was_reported() {
    let (mut outbox, mut inbox) = books();
    deliver(&outbox, &mut inbox, &[1, 2, 3]).expect("in order");
    outbox.failed(&failure(&outbox, 0, true)).expect("named rightly");
    assert_eq!(balance(&outbox, &[&inbox], true), Err(Fault::PastGap { index: 1, missing: 0 }));
}

#[test]
fn a_message_reported_as_unsent_must_not_arrive() {
    let (mut outbox, mut inbox) = books();
    deliver(&outbox, &mut inbox, &[0, 1, 2, 3]).expect("in order");
    outbox.failed(&failure(&outbox, 2, false)).expect("named rightly");
    assert_eq!(balance(&outbox, &[&inbox], true), Err(Fault::FailedUnsent { index: 2 }));
}

#[test]
fn failures_are_named_once_and_rightly() {
    let (mut outbox, _) = books();
    let right = failure(&outbox, 1, true);
    let wrong = [
        SendFailure { context: 2, ..right.clone() },
        SendFailure { stream_id: 9, ..right.clone() },
        SendFailure { payload: Bytes::from_static(b"short"), ..right.clone() },
    ];
    for failure in &wrong {
        assert!(outbox.failed(failure).is_err());
    }
    assert_eq!(outbox.failed(&right), Ok(()));
    assert!(outbox.failed(&right).is_err(), "once only");
}

#[test]
fn a_restarted_receiver_may_begin_in_the_middle() {
    let (mut outbox, mut before) = books();
    let mut after = Inbox::new(Arc::clone(&outbox.traffic));
    deliver(&outbox, &mut before, &[0]).expect("in order");
    deliver(&outbox, &mut after, &[2, 3]).expect("in order");
    outbox.failed(&failure(&outbox, 1, true)).expect("named rightly");
    assert_eq!(balance(&outbox, &[&before, &after], true), Ok(()));
}

#[test]
fn numbers_begin_again_as_often_as_a_reset_was_told_of() {
    let (outbox, mut inbox) = books();
    (0..2).for_each(|index| inbox.enter(message(&outbox, index)).unwrap());
    inbox.enter(Message { ssn: Ssn(0), ..message(&outbox, 2) }).unwrap();
    inbox.enter(message(&outbox, 3)).unwrap();
    assert_eq!(balance(&outbox, &[&inbox], false), Err(Fault::Renumbered { index: 2 }));
    inbox.reset(&[0]);
    assert_eq!(balance(&outbox, &[&inbox], false), Err(Fault::Renumbered { index: 2 }));
    inbox.reset(&[1]);
    assert_eq!(balance(&outbox, &[&inbox], false), Ok(()));
}

/// RFC 3758, 3.5 and 3.6: what may be given up may be missing, if its sender was told so.
#[test]
fn a_message_that_may_be_given_up_may_be_missing_if_that_was_told() {
    let reliability = Reliability::Retransmissions(0);
    let limited = PlannedMessage { reliability, ..bulk(1, 300)[0] };
    let traffic = Arc::new(Traffic::new(vec![limited, bulk(1, 300)[0]], &mut SimRng::new(1)));
    let (mut outbox, mut inbox) = (Outbox::new(Arc::clone(&traffic)), Inbox::new(traffic));
    (0..2).for_each(|_| outbox.taken());
    inbox.enter(message(&outbox, 1)).unwrap();
    assert_eq!(balance(&outbox, &[&inbox], false), Err(Fault::Missing { index: 0 }));
    outbox.failed(&failure(&outbox, 0, true)).unwrap();
    assert_eq!(balance(&outbox, &[&inbox], false), Ok(()));
    assert!(inbox.is_complete());
}

#[test]
fn a_message_in_pieces_fails_by_the_piece() {
    let planned = PlannedMessage { pieces: 3, ..bulk(1, 300)[0] };
    let traffic = Arc::new(Traffic::new(vec![planned, planned], &mut SimRng::new(1)));
    let mut outbox = Outbox::new(Arc::clone(&traffic));
    let failure = |outbox: &Outbox, index: usize, piece: usize, sent: bool| SendFailure {
        stream_id: planned.stream_id,
        ppid: outbox.traffic.ppid(index),
        unordered: false,
        context: index as u32,
        sent,
        payload: outbox.traffic.payload(index).slice(planned.piece(piece)),
    };
    (0..4).for_each(|_| outbox.taken());
    assert_eq!((outbox.next(), outbox.next_piece()), (Some(1), 1));
    for (piece, sent) in [(1, true), (2, false)] {
        outbox.failed(&failure(&outbox, 0, piece, sent)).unwrap();
    }
    outbox.failed(&failure(&outbox, 1, 0, true)).unwrap();
    let strange =
        SendFailure { payload: outbox.traffic.payload(0).slice(..99), ..failure(&outbox, 0, 0, true) };
    assert!(outbox.failed(&strange).is_err());
    let mut inbox = Inbox::new(Arc::clone(&traffic));
    assert_eq!(balance(&outbox, &[&inbox], true), Ok(()));
    // Its last piece never left.
    inbox.enter(message(&outbox, 0)).unwrap();
    assert_eq!(balance(&outbox, &[&inbox], true), Err(Fault::FailedUnsent { index: 0 }));
}

#[test]
fn a_message_whose_end_was_not_handed_over_need_not_come_and_must_not() {
    let planned = PlannedMessage { pieces: 2, ..bulk(1, 300)[0] };
    let traffic = Arc::new(Traffic::new(vec![planned], &mut SimRng::new(1)));
    let mut outbox = Outbox::new(Arc::clone(&traffic));
    outbox.taken();
    let mut inbox = Inbox::new(traffic);
    assert_eq!(balance(&outbox, &[&inbox], true), Ok(()));
    inbox.enter(message(&outbox, 0)).unwrap();
    assert_eq!(balance(&outbox, &[&inbox], true), Err(Fault::NotSent { index: 0 }));
}

#[test]
fn a_message_in_part_is_unfinished_until_its_end_or_word_of_none_comes() {
    let (outbox, mut inbox) = books();
    let part = |index: usize| Message { end_of_record: false, ..message(&outbox, index) };
    inbox.enter(part(0)).unwrap();
    inbox.enter(part(1)).unwrap();
    assert_eq!(inbox.unfinished(), 2);
    inbox.abort(&AbortedDelivery { stream_id: 1, unordered: false, mid: Mid(1) });
    assert_eq!(inbox.unfinished(), 1);
    inbox.restart();
    assert_eq!(inbox.unfinished(), 0);
}
