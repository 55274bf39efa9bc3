//! Notifications in line with messages (RFC 6458, 6.1).

use socketapi::{
    AssociationState, LossReason, Notification, Notifications, Received, ReconfigPermissions,
    ResetDirections, SctpStream, SendInfo, SocketBuilder,
};

use crate::support::{LONG, Pair, in_memory, soon, wait_until};

fn next(stream: &SctpStream) -> Received {
    stream.set_read_timeout(Some(LONG));
    stream.receive().unwrap().expect("not the end")
}

#[test]
fn up_comes_before_the_messages_and_the_end_after_them() {
    Pair::each(|pair| {
        let server = SocketBuilder::new(&pair.server)
            .bind((pair.server_address, 0))
            .notifications(Notifications::ASSOCIATION | Notifications::SHUTDOWN)
            .one_to_many()
            .unwrap();
        server.set_read_timeout(Some(LONG));
        let port = server.local_addrs().unwrap()[0].port();
        let client = SctpStream::connect(&pair.client, (pair.server_address, port)).unwrap();
        for _ in 0..3 {
            client.send(b"message", &SendInfo::new()).unwrap();
        }
        client.shutdown().unwrap();
        client.set_read_timeout(Some(LONG));
        client.wait_ended().unwrap();
        // All of it has happened before the first read: the order is the socket's own.
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(&"complete")) {
            seen.push(match server.receive().unwrap() {
                Received::Message(_) => "message",
                Received::Notification(_, Notification::CommunicationUp { inbound: true, .. }) => "up",
                Received::Notification(_, Notification::ShutdownReceived) => "shutdown",
                Received::Notification(_, Notification::ShutdownComplete) => "complete",
                Received::Notification(_, other) => panic!("{other:?}"),
            });
        }
        assert_eq!(seen, ["up", "message", "message", "message", "shutdown", "complete"]);
    });
}

#[test]
fn a_loss_comes_after_the_messages_that_arrived_before_it() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    server.subscribe(Notifications::ASSOCIATION).unwrap();
    client.send(b"before", &SendInfo::new()).unwrap();
    wait_until("the message", || server.socket().readiness().0);
    client.abort(b"now").unwrap();
    wait_until("the loss", || server.status().unwrap().state == AssociationState::Closed);
    assert_eq!(next(&server).into_message().unwrap().into_bytes(), &b"before"[..]);
    let Received::Notification(_, Notification::CommunicationLost(reason)) = next(&server) else { panic!() };
    assert!(matches!(reason, LossReason::PeerAborted { .. }));
    assert!(server.recv_deadline(soon()).is_err());
}

/// RFC 6458, 6: one queue, also of what came behind several messages.
#[test]
fn a_notification_stands_where_it_came_between_messages() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        server.options().set_reconfig_permissions(ReconfigPermissions::ALL).unwrap();
        server.subscribe(Notifications::STREAM_RESET).unwrap();
        client.subscribe(Notifications::STREAM_RESET).unwrap();
        let outgoing = ResetDirections { outgoing: true, incoming: false };
        for _ in 0..2 {
            (0..3).for_each(|_| client.send(b"message", &SendInfo::new()).unwrap());
            client.options().reset_streams(outgoing, &[]).unwrap();
            assert!(matches!(next(&client), Received::Notification(_, Notification::StreamsReset { .. })));
        }
        client.send(b"message", &SendInfo::new()).unwrap();
        let seen: Vec<_> = (0..9).map(|_| matches!(next(&server), Received::Message(_))).collect();
        assert_eq!(seen, [true, true, true, false, true, true, true, false, true]);
    });
}

#[test]
fn messages_of_a_lost_association_come_back() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    client.subscribe(Notifications::SEND_FAILED).unwrap();
    // More than the receiver takes while nobody reads: the rest cannot be delivered.
    client.set_nonblocking(true);
    let mut sent = 0;
    while client.send(&[7; 50_000], &SendInfo::new().context(sent).ppid(3)).is_ok() {
        sent += 1;
    }
    client.set_nonblocking(false);
    server.abort(b"no").unwrap();
    let Received::Notification(_, Notification::SendFailed(failure)) = next(&client) else { panic!() };
    assert_eq!((failure.ppid, failure.payload.len()), (3, 50_000));
    assert!(failure.context < sent);
}

/// RFC 6458, 6.1.9: who subscribes when nothing is left to send is told at once.
#[test]
fn nothing_is_told_that_was_not_asked_for() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        server.subscribe(Notifications::SENDER_DRY).unwrap();
        assert!(matches!(next(&server), Received::Notification(_, Notification::SenderDry)));
        server.send(b"x", &SendInfo::new()).unwrap();
        assert_eq!(client.recv_deadline(soon()).unwrap().unwrap().len(), 1);
        assert!(matches!(next(&server), Received::Notification(_, Notification::SenderDry)));
        client.shutdown().unwrap();
        assert!(server.receive().unwrap().is_none(), "no notification of the shutdown");
    });
}
