//! Streams reset and added by the calls of an application (RFC 6525, 6).

use socketapi::{
    Error, Notification, Notifications, Received, ReconfigError, ReconfigOutcome, ReconfigPermissions,
    ResetDirections, SctpStream, SendInfo,
};
use std::io::ErrorKind;

use crate::support::{LONG, Pair, in_memory};

const BOTH: ResetDirections = ResetDirections { outgoing: true, incoming: true };

fn notification(stream: &SctpStream) -> Notification {
    match stream.receive().unwrap() {
        Some(Received::Notification(_, notification)) => notification,
        other => panic!("{other:?}"),
    }
}

fn message(stream: &SctpStream) -> (u16, u16, Vec<u8>) {
    let message = stream.recv_message().unwrap().expect("not the end");
    (message.info.stream, message.info.ssn, message.into_bytes().to_vec())
}

fn permit(server: &SctpStream, client: &SctpStream) {
    server.options().set_reconfig_permissions(ReconfigPermissions::ALL).unwrap();
    assert_eq!(server.options().reconfig_permissions().unwrap(), ReconfigPermissions::ALL);
    for stream in [server, client] {
        stream.set_read_timeout(Some(LONG));
    }
}

/// RFC 6525, 6.1.1 and 6.3.2.
#[test]
fn streams_are_reset_and_both_sides_are_told() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        permit(&server, &client);
        let info = SendInfo::new().stream(1);
        (0..2).for_each(|_| client.send(b"before", &info).unwrap());
        (0..2).for_each(|_| server.send(b"before", &info).unwrap());
        for stream in [&server, &client] {
            assert_eq!([message(stream).1, message(stream).1], [0, 1]);
            stream.subscribe(Notifications::STREAM_RESET).unwrap();
        }
        client.options().reset_streams(BOTH, &[1]).unwrap();
        for stream in [&server, &client] {
            let mut directions = [false; 2];
            for _ in 0..2 {
                let Notification::StreamsReset { incoming, streams, outcome } = notification(stream) else {
                    panic!()
                };
                assert_eq!((streams.as_slice(), outcome), (&[1][..], ReconfigOutcome::Done));
                directions[usize::from(incoming)] = true;
            }
            assert_eq!(directions, [true; 2]);
        }
        client.send(b"after", &info).unwrap();
        server.send(b"after", &info).unwrap();
        assert_eq!(message(&server), (1, 0, b"after".to_vec()));
        assert_eq!(message(&client), (1, 0, b"after".to_vec()));
    });
}

/// RFC 6525, 6.1.3 and 6.3.4.
#[test]
fn streams_are_added_and_used() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        permit(&server, &client);
        client.subscribe(Notifications::STREAM_CHANGE).unwrap();
        let before = client.status().unwrap().outbound_streams;
        client.options().add_streams(2, 0).unwrap();
        let Notification::StreamsChanged { outbound_streams, outcome, .. } = notification(&client) else {
            panic!()
        };
        assert_eq!((outbound_streams, outcome), (before + 2, ReconfigOutcome::Done));
        client.send(b"new", &SendInfo::new().stream(before + 1)).unwrap();
        assert_eq!(message(&server), (before + 1, 0, b"new".to_vec()));
    });
}

/// RFC 6525, 6.1.2 and 6.3.3.
#[test]
fn an_association_is_reset() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        permit(&server, &client);
        client.subscribe(Notifications::ASSOCIATION_RESET).unwrap();
        client.send_default(b"before").unwrap();
        assert_eq!(message(&server).1, 0);
        client.options().reset_association().unwrap();
        let Notification::AssociationReset { outcome: ReconfigOutcome::Done, .. } = notification(&client)
        else {
            panic!()
        };
        client.send_default(b"after").unwrap();
        assert_eq!(message(&server).1, 0);
        let Err(Error::Reconfig(ReconfigError::TooSoon { .. })) = client.options().reset_association() else {
            panic!()
        };
    });
}

/// RFC 6525, 6.3.1 and 6.1.1: what is not permitted is denied; 6.3: EALREADY while one is on its way.
#[test]
fn without_permission_the_asker_is_told_so() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    client.set_read_timeout(Some(LONG));
    client.subscribe(Notifications::ALL).unwrap();
    server.options().set_reconfig_permissions(ReconfigPermissions::NONE).unwrap();
    client.options().reset_streams(ResetDirections { outgoing: true, incoming: false }, &[]).unwrap();
    let denied = loop {
        if let Notification::StreamsReset { outcome, .. } = notification(&client) {
            break outcome;
        }
    };
    assert_eq!(denied, ReconfigOutcome::Denied);
    assert_eq!(Error::Reconfig(ReconfigError::InProgress).kind(), ErrorKind::ResourceBusy);
}
