//! Reassembly and order of delivery (RFC 9260, 6.5, 6.6, 6.9).

use super::*;

/// RFC 9260, 6.6: within a stream by SSN; other streams do not wait.
#[test]
fn ordered_messages_wait_for_earlier_ones_of_their_stream_only() {
    let mut harness = Harness::new();
    let _ = harness.packet(chunk(1, 1, 1, "BE", b"second"));
    let _ = harness.packet(chunk(2, 2, 0, "BE", b"other"));
    assert_eq!(harness.read(), Some((2, "other".into())));
    assert_eq!(harness.read(), None);
    let _ = harness.packet(chunk(0, 1, 0, "BE", b"first"));
    assert_eq!(harness.texts(), ["first", "second"]);
}

/// RFC 9260, 6.5: after 65535 comes 0.
/// RFC 9260, 1.6.
#[test]
fn stream_sequence_numbers_wrap() {
    let mut harness = Harness::new();
    for offset in 0..=u32::from(u16::MAX) + 3 {
        assert_eq!(harness.message(offset), DataOutcome::Accepted);
        assert!(harness.read().is_some());
    }
}

/// RFC 9260, 6.6: the U flag bypasses the order, and the SSN is ignored.
/// RFC 9260, 3.3.1.
#[test]
fn unordered_messages_are_delivered_as_soon_as_they_are_complete() {
    let mut harness = Harness::new();
    let _ = harness.packet(chunk(3, 0, 77, "UBE", b"late"));
    let _ = harness.packet(chunk(1, 0, 78, "UB", b"un"));
    assert_eq!(harness.texts(), ["late"]);
    let _ = harness.packet(chunk(2, 0, 79, "UE", b"ordered"));
    assert_eq!(harness.texts(), ["unordered"]);
    assert_eq!(harness.receiver.held_bytes(), 0);
}

/// RFC 9260, 6.9: fragments in any order; TSNs wrap within the message.
#[test]
fn fragments_are_put_together_whatever_their_order() {
    let pieces = [("B", "a"), ("", "b"), ("", "c"), ("E", "d")];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [0, 2, 3, 1]];
    for order in orders {
        let mut harness = Harness::new();
        for index in order {
            let (flags, text) = pieces[index];
            let outcome = harness.packet(chunk(index as u32, 0, 0, flags, text.as_bytes()));
            assert_eq!(outcome, DataOutcome::Accepted);
        }
        assert_eq!(harness.texts(), ["abcd"], "{order:?}");
        assert_eq!(harness.receiver.held_bytes(), 0);
    }
}

#[test]
fn a_long_message_is_put_together_from_either_end_and_from_the_middle() {
    let count = 600u32;
    let text: Vec<u8> = (0..count).map(|index| index as u8).collect();
    let forwards: Vec<u32> = (0..count).collect();
    let backwards: Vec<u32> = (0..count).rev().collect();
    let outwards: Vec<u32> = (0..count / 2).rev().flat_map(|index| [index, count - 1 - index]).collect();
    let even_then_odd: Vec<u32> = (0..count).step_by(2).chain((1..count).step_by(2)).collect();
    for order in [forwards, backwards, outwards, even_then_odd] {
        let mut harness = Harness::new();
        for &index in &order {
            let flags =
                [if index == 0 { "B" } else { "" }, if index + 1 == count { "E" } else { "" }].concat();
            let data = chunk(index, 0, 0, &flags, &[index as u8]);
            assert_eq!(harness.packet(data), DataOutcome::Accepted);
        }
        let message = harness.receiver.read(harness.now).unwrap();
        assert_eq!(message.into_bytes(), text);
        assert_eq!(harness.receiver.held_bytes(), 0);
    }
}

#[test]
fn neighbouring_messages_do_not_run_into_each_other() {
    let mut harness = Harness::new();
    for (offset, ssn, flags, text) in [
        (4, 2, "B", "e"),
        (1, 0, "E", "b"),
        (2, 1, "B", "c"),
        (5, 2, "E", "f"),
        (3, 1, "E", "d"),
        (0, 0, "B", "a"),
    ] {
        assert_eq!(harness.packet(chunk(offset, 0, ssn, flags, text.as_bytes())), DataOutcome::Accepted);
    }
    assert_eq!(harness.texts(), ["ab", "cd", "ef"]);
}

#[test]
fn a_message_tells_where_it_came_from() {
    let mut harness = Harness::new();
    let _ = harness.packet(chunk(0, 3, 0, "B", b"x"));
    let mut last = chunk(1, 3, 0, "E", b"y");
    last.ppid = 8;
    let _ = harness.packet(last);
    let message = harness.receiver.read(harness.now).unwrap();
    assert_eq!((message.stream_id, message.ssn, message.tsn), (3, Ssn(0), tsn(0)));
    assert_eq!(message.ppid, 7, "the first fragment's");
    assert!(!message.unordered);
    assert_eq!(message.len(), 2);
}

/// RFC 9260, 6.5: acknowledged by the normal procedure, answered with ERROR, discarded.
#[test]
fn data_on_a_stream_that_does_not_exist_is_acknowledged_and_discarded() {
    let mut harness = Harness::new();
    let outcome = harness.packet(chunk(0, STREAMS, 0, "BE", b"lost"));
    assert_eq!(outcome, DataOutcome::InvalidStream { stream_id: STREAMS });
    assert_eq!(harness.sack().cumulative_tsn_ack, tsn(0));
    assert_eq!((harness.read(), harness.receiver.held_bytes()), (None, 0));
}

#[test]
fn the_payload_of_a_reader_who_keeps_up_is_never_copied() {
    let mut harness = Harness::new();
    for offset in 0..200 {
        let data = chunk(offset, 0, offset as u16, "BE", b"payload");
        let address = data.payload.as_ptr();
        let _ = harness.packet(data);
        let message = harness.receiver.read(harness.now).unwrap();
        assert_eq!(message.payload[0].as_ptr(), address);
    }
}

#[test]
fn a_reader_who_is_behind_does_not_pin_the_datagrams() {
    let mut harness = Harness::new();
    let datagram = Bytes::from(vec![b'x'; 65_536]);
    for offset in 0..1_000 {
        let mut data = chunk(offset, 0, offset as u16, "BE", b"");
        data.payload = datagram.slice(offset as usize..offset as usize + 1);
        let _ = harness.packet(data);
    }
    let inside = datagram.as_ptr_range();
    let shared = core::iter::from_fn(|| harness.receiver.read(harness.now))
        .filter(|message| inside.contains(&message.payload[0].as_ptr()))
        .count();
    assert_eq!(shared, 64);
}
