use bytes::Bytes;
use proptest::prelude::*;
use sctp_core::event::{
    AbortedDelivery, AuthenticationEvent, LossReason, PathChange, ReconfigOutcome, SendFailure, SignOfLife,
};
use sctp_core::serial::Mid;
use sctp_user::stack::Notification;

use super::{Origin, encode};
use crate::address::Form;
use crate::constants::*;
use crate::events::{Events, TYPES};

/// What a Linux kernel wrote (6.1, little-endian; `tests/linux/events.c`).
const LINUX: &str = include_str!("../../tests/linux/events.linux");

const ORIGIN: Origin =
    Origin { number: 4, peer_port: 7000, was_up: true, streams: (5, 3), form: Form::new(false) };

fn all() -> Events {
    let mut events = Events::default();
    events.overwrite(&[1; TYPES]);
    events
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn one(notification: Notification, origin: &Origin) -> String {
    let records = encode(&notification, origin, all());
    assert_eq!(records.len(), 1);
    hex(&records[0])
}

fn failure() -> SendFailure {
    SendFailure {
        stream_id: 1,
        ppid: 5,
        unordered: true,
        context: 77,
        sent: false,
        payload: Bytes::from_static(b"lost"),
    }
}

/// Linux wrote it, and nothing behind it.
fn is_linux(written: &str) {
    assert!(LINUX.contains(&format!(" data {written} ")), "{written}");
}

/// RFC 6458, 6.1.1, 6.1.5, 6.1.6, 6.1.8, 6.1.9; RFC 6525, 6.1.1 and 6.1.2.
#[test]
#[cfg(target_endian = "little")]
fn notifications_have_the_bytes_of_linux() {
    let of = |number, notification| is_linux(&one(notification, &Origin { number, ..ORIGIN }));
    let up = Notification::CommunicationUp { inbound: true, outbound_streams: 5, inbound_streams: 3 };
    of(4, up);
    let why = LossReason::PeerAborted { cause: Some(12), value: Bytes::from_static(b"why") };
    of(6, Notification::CommunicationLost(why));
    of(5, Notification::CommunicationLost(LossReason::UserAborted));
    of(4, Notification::ShutdownComplete);
    of(4, Notification::ShutdownReceived);
    of(4, Notification::AdaptationIndication(0x0102_0304));
    of(4, Notification::Authentication(AuthenticationEvent::NotSupported));
    of(3, Notification::SenderDry);
    let outcome = ReconfigOutcome::Done;
    of(4, Notification::StreamsReset { incoming: true, streams: vec![], outcome });
    of(4, Notification::StreamsReset { incoming: false, streams: vec![1], outcome });
    let reset = Notification::AssociationReset { local_tsn: 0x291f_b232, remote_tsn: 0xeb98_6e67, outcome };
    of(4, reset);
}

/// RFC 6458, 6.1.4 and 6.1.11: a message that was never sent, as Linux wrote it, but for the number of its association.
#[test]
#[cfg(target_endian = "little")]
fn a_message_that_failed_is_told_in_both_forms() {
    let origin = Origin { number: 0, ..ORIGIN };
    let records = encode(&Notification::SendFailed(Box::new(failure())), &origin, all());
    let records: Vec<String> = records.iter().map(|record| hex(record)).collect();
    let expected = [
        "0380000034000000000000000100000007000000000000054d00000000000000000000000000000000000000000000006c6f7374",
        "0d800000240000000000000001000700000000054d00000000000000000000006c6f7374",
    ];
    assert_eq!(records, expected);
    expected.into_iter().for_each(is_linux);
}

/// RFC 6458, 6.1.1.
#[test]
#[cfg(target_endian = "little")]
fn a_set_up_that_failed_is_no_association_that_was_lost() {
    let origin = Origin { was_up: false, number: 0, ..ORIGIN };
    let refused = Notification::CommunicationLost(LossReason::SetupTimedOut);
    assert_eq!(one(refused, &origin), "0180000014000000040000000000000000000000");
}

/// RFC 6458, 6.1.2: with the port, and in the form of the socket's family.
#[test]
#[cfg(target_endian = "little")]
fn addresses_of_the_peer_have_the_bytes_of_linux() {
    for change in [PathChange::Confirmed, PathChange::MadePrimary] {
        let notification = Notification::PathChanged { address: "127.0.0.4".parse().unwrap(), change };
        for (ipv6, number) in [(false, 7), (true, 9)] {
            let form = Form::new(ipv6);
            is_linux(&one(notification.clone(), &Origin { number, peer_port: 7003, form, ..ORIGIN }));
        }
    }
}

/// RFC 6458, 6.1.2: spc_error (its numbers are those of Linux).
#[test]
#[cfg(target_endian = "little")]
fn what_brought_a_path_back_is_told() {
    for (sign, error) in [(SignOfLife::Heartbeat, "02000000"), (SignOfLife::Acknowledgement, "01000000")] {
        let change = PathChange::Available(sign);
        let notification = Notification::PathChanged { address: "127.0.0.4".parse().unwrap(), change };
        let told = one(notification, &ORIGIN);
        // Behind the header, the address and spc_state.
        assert_eq!(told[2 * (8 + 128 + 4)..][..8], *error);
    }
}

/// RFC 6458, 6.1.3: the cause in network byte order, its value with padding.
#[test]
#[cfg(target_endian = "little")]
fn an_error_of_the_peer_is_told_as_it_came() {
    let error = Notification::RemoteError { cause: 1, value: Bytes::from_static(&[0, 9, 0, 0, 7]) };
    assert_eq!(one(error, &ORIGIN), "04800000180000000001000004000000 0009000007000000".replace(' ', ""));
}

/// RFC 6458, 6.1.7; RFC 6525, 6.1.3: how many streams there are, where Linux says how many were added.
#[test]
#[cfg(target_endian = "little")]
fn partial_delivery_and_streams_are_told() {
    let aborted = AbortedDelivery { stream_id: 3, unordered: false, mid: Mid(9) };
    let aborted = Notification::PartialDeliveryAborted(aborted);
    assert_eq!(one(aborted, &ORIGIN), "068000001800000000000000040000000300000009000000");
    let denied = Notification::StreamsChanged {
        outbound_streams: 7,
        inbound_streams: 3,
        outcome: ReconfigOutcome::Denied,
    };
    assert_eq!(one(denied, &ORIGIN), "0c800400100000000400000003000700");
}

/// RFC 6458, 6.2.
#[test]
fn only_what_was_subscribed_to_is_told() {
    let failed = Notification::SendFailed(Box::new(failure()));
    assert!(encode(&failed, &ORIGIN, Events::default()).is_empty());
    let mut events = Events::default();
    events.set(SCTP_SEND_FAILED_EVENT, true);
    let records = encode(&failed, &ORIGIN, events);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0][..2], SCTP_SEND_FAILED_EVENT.to_ne_bytes());
    // C has no word for it.
    assert!(encode(&Notification::Overflow(3), &ORIGIN, all()).is_empty());
}

proptest! {
    #[test]
    fn each_record_says_its_own_length(
        payload in prop::collection::vec(any::<u8>(), 0..100),
        streams in prop::collection::vec(any::<u16>(), 0..10),
        cause in any::<u16>(),
    ) {
        let payload = Bytes::from(payload);
        let failure = SendFailure { payload: payload.clone(), ..failure() };
        let aborted = LossReason::PeerAborted { cause: Some(cause), value: payload.clone() };
        let notifications = [
            Notification::SendFailed(Box::new(failure)),
            Notification::RemoteError { cause, value: payload },
            Notification::CommunicationLost(aborted),
            Notification::StreamsReset { incoming: true, streams, outcome: ReconfigOutcome::Done },
        ];
        for notification in notifications {
            for record in encode(&notification, &ORIGIN, all()) {
                let len: [u8; 4] = record[4..8].try_into().unwrap();
                prop_assert_eq!(u32::from_ne_bytes(len) as usize, record.len());
            }
        }
    }
}
