//! Looking at what comes next, several buffers, and bytes instead of messages.

use std::io::{IoSlice, IoSliceMut, Read, Write};

use socketapi::{Error, Notification, Notifications, Received, SctpSocket, SendInfo, SocketBuilder};

use crate::support::{LONG, Pair, in_memory, pattern, soon};

fn message(received: Received) -> Vec<u8> {
    received.into_message().expect("a message").into_bytes().to_vec()
}

/// RFC 6458, 9.8 (`MSG_PEEK`) and 5.3.6.
#[test]
fn what_was_looked_at_stays_the_next() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        server.set_read_timeout(Some(LONG));
        assert!(server.try_peek().unwrap().is_none(), "nothing is there");
        server.set_nonblocking(true);
        assert!(matches!(server.peek(), Err(Error::WouldBlock)));
        server.set_nonblocking(false);
        client.send(&pattern(3_000), &SendInfo::new().stream(1).ppid(4)).unwrap();
        client.send(b"second", &SendInfo::new().stream(2).unordered()).unwrap();
        for _ in 0..2 {
            let Some(Received::Message(next)) = server.peek().unwrap() else { panic!("not a message") };
            assert_eq!((next.info.stream, next.info.ppid, next.len()), (1, 4, 3_000));
            assert!(next.info.end_of_record);
        }
        let mut part = [0; 1_000];
        let (_, info) = server.recv(&mut part).unwrap().unwrap();
        assert!(!info.end_of_record && part[..] == pattern(3_000)[..1_000]);
        assert_eq!(message(server.peek().unwrap().unwrap()), pattern(3_000)[1_000..]);
        assert_eq!(server.recv_message().unwrap().unwrap().len(), 2_000);
        assert_eq!(message(server.peek().unwrap().unwrap()), b"second");
        assert_eq!(server.recv_message().unwrap().unwrap().into_bytes(), &b"second"[..]);
        client.shutdown().unwrap();
        assert!(server.peek().unwrap().is_none(), "the end");
        assert!(server.receive().unwrap().is_none());
    });
}

#[test]
fn notifications_and_messages_that_were_looked_at_keep_their_order() {
    Pair::each(|pair| {
        let server = SocketBuilder::new(&pair.server)
            .bind((pair.server_address, 0))
            .notifications(Notifications::ASSOCIATION | Notifications::SHUTDOWN)
            .one_to_many()
            .unwrap();
        server.set_read_timeout(Some(LONG));
        let client = SocketBuilder::new(&pair.client).connect(server.local_addr().unwrap()).unwrap();
        client.send(b"one", &SendInfo::new()).unwrap();
        client.shutdown().unwrap();
        client.set_read_timeout(Some(LONG));
        client.wait_ended().unwrap();
        let is_up =
            |it: &Received| matches!(it, Received::Notification(_, Notification::CommunicationUp { .. }));
        assert!(is_up(&server.peek().unwrap()) && is_up(&server.receive().unwrap()));
        assert_eq!(message(server.peek().unwrap()), b"one");
        assert_eq!(message(server.receive().unwrap()), b"one");
        let is_shutdown =
            |it: &Received| matches!(it, Received::Notification(_, Notification::ShutdownReceived));
        assert!(is_shutdown(&server.peek().unwrap()) && is_shutdown(&server.receive().unwrap()));
    });
}

/// RFC 6458, 9.2: what waits for the reader moves along.
#[test]
fn a_message_that_was_looked_at_is_peeled_off_with_its_association() {
    let pair = in_memory();
    let server = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
    server.set_read_timeout(Some(LONG));
    let client = SocketBuilder::new(&pair.client).connect(server.local_addr().unwrap()).unwrap();
    client.send(b"mine", &SendInfo::new()).unwrap();
    let Received::Message(next) = server.peek().unwrap() else { panic!("not a message") };
    let stream = server.peel_off(next.info.association).unwrap();
    assert!(server.try_peek().unwrap().is_none());
    assert_eq!(stream.recv_deadline(soon()).unwrap().unwrap().into_bytes(), &b"mine"[..]);
}

/// RFC 6458, 9.12 and 9.13.
#[test]
fn one_message_comes_out_of_several_buffers_and_goes_into_several() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        server.set_read_timeout(Some(LONG));
        let sent = pattern(4_000);
        let buffers = [&sent[..1], &[], &sent[1..2_500], &sent[2_500..]].map(IoSlice::new);
        client.send_vectored(&buffers, &SendInfo::new().ppid(8)).unwrap();
        let (mut first, mut second, mut third) = ([0; 1_500], [0; 2_000], [0; 1_000]);
        let mut buffers = [&mut first[..], &mut [], &mut second, &mut third].map(IoSliceMut::new);
        let (len, info) = server.recv_vectored(&mut buffers).unwrap().unwrap();
        assert_eq!((len, info.ppid, info.end_of_record), (4_000, 8, true));
        assert!([&first[..], &second, &third[..500]].concat() == sent && third[500..] == [0; 500]);
    });
}

/// RFC 6458, 7.3.
#[test]
fn bytes_are_written_and_read_as_with_tcp() {
    Pair::each(|pair| {
        let (mut server, client) = pair.connected();
        server.set_read_timeout(Some(LONG));
        client.options().set_default_send_info(SendInfo::new().stream(2));
        let sent = pattern(150_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (&client).write_all(&sent).unwrap();
                client.shutdown().unwrap();
            });
            assert_eq!(server.read(&mut []).unwrap(), 0);
            assert_eq!(server.peek().unwrap().unwrap().into_message().unwrap().info.stream, 2);
            let mut read = Vec::new();
            server.read_to_end(&mut read).unwrap();
            assert!(read == sent);
        });
        let error = (&client).write_all(b"too late").unwrap_err();
        assert!(matches!(error.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::NotConnected));
    });
}
