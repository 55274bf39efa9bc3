use std::collections::VecDeque;
use std::net::IpAddr;

use proptest::prelude::*;
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::{ConnectRequest, Endpoint};
use sctp_core::event::{AbortedDelivery, SendFailure};
use sctp_core::net::PathAddress;
use sctp_core::serial::{Mid, Ssn, Tsn};
use sctp_core::time::Time;

use super::*;

/// Names of associations, and an endpoint that gives out places.
fn two_associations() -> (Endpoint, AssociationId, AssociationId) {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [7; 32]);
    let mut begin = |last: u8| {
        let peer = PathAddress::to(IpAddr::from([127, 0, 0, last]));
        let request = ConnectRequest {
            local_port: 1,
            local_addresses: Vec::new(),
            peers: vec![peer],
            peer_port: 2,
            config: AssociationConfig::default(),
        };
        endpoint.connect(Time::from_millis(1), request).unwrap()
    };
    let (a, b) = (begin(1), begin(2));
    (endpoint, a, b)
}

fn message(end_of_record: bool) -> Message {
    Message {
        stream_id: 0,
        ssn: Ssn(0),
        mid: Mid(0),
        tsn: Tsn(0),
        ppid: 0,
        unordered: false,
        end_of_record,
        payload: SmallVec::new(),
    }
}

const NOTIFICATION: Notification = Notification::SenderDry;
const CUT_OFF: Notification =
    Notification::PartialDeliveryAborted(AbortedDelivery { stream_id: 0, unordered: false, mid: Mid(0) });

/// Messages of the associations as the core holds them, and the queue that is tested.
struct Reader {
    endpoint: Endpoint,
    incoming: Incoming,
    held: Vec<(AssociationId, VecDeque<Arrival>)>,
}

impl Reader {
    fn new() -> (Self, AssociationId, AssociationId) {
        let (endpoint, a, b) = two_associations();
        let held = vec![(a, VecDeque::new()), (b, VecDeque::new())];
        (Self { endpoint, incoming: Incoming::default(), held }, a, b)
    }

    fn messages_of(&mut self, id: AssociationId) -> &mut VecDeque<Arrival> {
        &mut self.held.iter_mut().find(|(of, _)| *of == id).unwrap().1
    }

    fn message(&mut self, id: AssociationId) {
        let arrival = self.endpoint.arrival();
        let held = self.messages_of(id);
        held.push_back(arrival);
        if held.len() == 1 {
            self.incoming.queue(arrival, id);
        }
    }

    fn notification(&mut self, id: AssociationId) {
        let arrival = self.endpoint.arrival();
        self.incoming.notify(arrival, id, NOTIFICATION);
    }

    /// Reads the next item; of a message its end, or a piece.
    fn read(&mut self, end_of_record: bool, level: FragmentInterleave) -> Option<(char, AssociationId)> {
        let held = &self.held;
        let first = |id| held.iter().find(|(of, _)| *of == id)?.1.front().copied();
        match self.incoming.next(first)? {
            Turn::Notification(id, _) => Some(('n', id?)),
            Turn::Message(id) => {
                let held = self.messages_of(id);
                held.pop_front();
                let next = held.front().copied();
                if let Some(arrival) = next {
                    self.incoming.queue(arrival, id);
                }
                self.incoming.note_read(id, &message(end_of_record), level);
                Some(('m', id))
            }
        }
    }

    fn read_all(&mut self) -> Vec<(char, AssociationId)> {
        std::iter::from_fn(|| self.read(true, FragmentInterleave::Nothing)).collect()
    }
}

proptest! {
    /// RFC 6458, 6.
    #[test]
    fn what_came_first_is_read_first(came in prop::collection::vec(any::<(bool, bool)>(), 0..40)) {
        let (mut reader, a, b) = Reader::new();
        let mut expected = Vec::new();
        for (is_first, is_message) in came {
            let id = if is_first { a } else { b };
            if is_message { reader.message(id) } else { reader.notification(id) }
            expected.push((if is_message { 'm' } else { 'n' }, id));
        }
        prop_assert_eq!(reader.incoming.is_empty(), expected.is_empty());
        prop_assert_eq!(reader.read_all(), expected);
        prop_assert!(reader.incoming.is_empty());
    }
}

/// Association `a` has a message of which a piece was read, and a notification and another message behind; `b` has one of
/// each, too.
fn in_part(level: FragmentInterleave) -> (Reader, AssociationId, AssociationId) {
    let (mut reader, a, b) = Reader::new();
    reader.message(a);
    assert_eq!(reader.read(false, level), Some(('m', a)));
    reader.notification(a);
    reader.message(b);
    reader.notification(b);
    (reader, a, b)
}

/// RFC 6458, 8.1.20, level 0.
#[test]
fn a_message_in_part_holds_up_all_of_the_socket() {
    let (mut reader, a, b) = in_part(FragmentInterleave::Nothing);
    assert!(reader.incoming.is_empty());
    assert_eq!(reader.read(true, FragmentInterleave::Nothing), None);
    reader.message(a);
    assert!(!reader.incoming.is_empty());
    assert_eq!(reader.read_all(), [('m', a), ('n', a), ('m', b), ('n', b)]);
}

/// RFC 6458, 8.1.20, level 1.
#[test]
fn a_message_in_part_holds_up_its_association() {
    let (mut reader, a, b) = in_part(FragmentInterleave::Associations);
    let level = FragmentInterleave::Associations;
    assert_eq!(reader.read(true, level), Some(('m', b)));
    assert_eq!(reader.read(true, level), Some(('n', b)));
    assert_eq!(reader.read(true, level), None);
    reader.message(a);
    assert_eq!(reader.read(true, level), Some(('m', a)));
    assert_eq!(reader.read(true, level), Some(('n', a)));
}

/// RFC 6458, 8.1.20, level 2.
#[test]
fn a_message_in_part_holds_up_nothing() {
    let (mut reader, a, b) = in_part(FragmentInterleave::Streams);
    assert_eq!(reader.read_all(), [('n', a), ('m', b), ('n', b)]);
}

/// RFC 6458, 6.1.7.
#[test]
fn the_end_of_a_message_in_part_is_told_before_what_waits_for_it() {
    let (mut reader, a, b) = in_part(FragmentInterleave::Nothing);
    assert!(reader.incoming.note_end(a));
    reader.incoming.put_first(Some(a), CUT_OFF);
    let first = |id| (id == b).then(|| reader.held[1].1[0]);
    let next = reader.incoming.next(first);
    assert!(
        matches!(next, Some(Turn::Notification(Some(_), Notification::PartialDeliveryAborted(_)))),
        "{next:?}"
    );
    assert_eq!(reader.read_all(), [('n', a), ('m', b), ('n', b)]);
    assert!(!reader.incoming.note_end(a));
}

#[test]
fn what_was_given_up_is_not_waited_for() {
    let (mut reader, a, b) = Reader::new();
    reader.message(a);
    reader.message(b);
    reader.notification(b);
    reader.message(a);
    reader.messages_of(a).pop_front();
    assert_eq!(reader.read_all(), [('m', b), ('n', b), ('m', a)]);
    reader.message(a);
    reader.messages_of(a).clear();
    assert_eq!(reader.read_all(), []);
}

/// RFC 6458, 9.2.
#[test]
fn an_association_takes_along_what_waits_and_its_order() {
    let (mut reader, a, b) = in_part(FragmentInterleave::Nothing);
    let peeled = reader.incoming.split_off(a);
    let mut own = Reader { incoming: peeled, held: reader.held.clone(), endpoint: two_associations().0 };
    assert_eq!(reader.read_all(), [('m', b), ('n', b)]);
    assert!(own.incoming.is_empty());
    own.incoming.note_end(a);
    assert_eq!(own.read_all(), [('n', a)]);
}

#[test]
fn notifications_are_bounded_and_what_is_dropped_is_counted() {
    let (mut reader, a, _) = Reader::new();
    (0..MOST_NOTIFICATIONS + 5).for_each(|_| reader.notification(a));
    (0..MOST_NOTIFICATIONS)
        .for_each(|_| assert_eq!(reader.read(true, FragmentInterleave::Nothing), Some(('n', a))));
    let next = reader.incoming.next(|_| None);
    assert!(matches!(next, Some(Turn::Notification(None, Notification::Overflow(5)))), "{next:?}");
    assert!(reader.incoming.is_empty());
}

fn failure(bytes: usize) -> Notification {
    Notification::SendFailed(Box::new(SendFailure {
        stream_id: 0,
        ppid: 0,
        unordered: false,
        context: 0,
        sent: true,
        payload: vec![0; bytes].into(),
    }))
}

/// Who sends again what has not arrived is to hear of all of it.
#[test]
fn all_that_a_send_buffer_held_is_told_of_when_an_association_ends() {
    let (mut reader, a, b) = Reader::new();
    (0..MOST_NOTIFICATIONS).for_each(|_| reader.notification(b));
    let smallest = AssociationConfig::default().send_buffer / 100;
    for _ in 0..smallest {
        reader.incoming.notify(Arrival::default(), a, failure(1));
    }
    reader.notification(b);
    let told = std::iter::from_fn(|| reader.incoming.next(|_| None));
    let failed = told.filter(|turn| matches!(turn, Turn::Notification(_, Notification::SendFailed(_))));
    assert_eq!(failed.count(), smallest);
}

#[test]
fn messages_that_were_given_up_are_bounded_by_their_bytes() {
    const BYTES: usize = 1 << 20;
    let (mut reader, a, b) = Reader::new();
    (0..20).for_each(|_| reader.incoming.notify(Arrival::default(), a, failure(BYTES)));
    assert_eq!(
        (reader.incoming.notifications.len(), reader.incoming.overflow),
        (MOST_FAILED_BYTES / BYTES, 4)
    );
    // What it has beside them has its own bound, and what is told of makes room.
    reader.notification(b);
    assert!(reader.incoming.next(|_| None).is_some());
    reader.incoming.notify(Arrival::default(), a, failure(BYTES));
    assert_eq!((reader.incoming.notifications.failures(), reader.incoming.overflow), (16, 4));
    reader.incoming.withdraw(a);
    assert_eq!(reader.incoming.notifications.failed_bytes(), 0);
    assert_eq!(reader.incoming.notifications.len(), 1);
}
