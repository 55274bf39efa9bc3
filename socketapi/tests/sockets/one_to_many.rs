//! One socket, many associations.

use std::collections::HashMap;

use socketapi::{
    Error, Notification, Notifications, Received, SctpSocket, SctpStream, SendInfo, SocketBuilder,
};

use crate::support::{LONG, Pair, pattern, soon, wait_until};

fn sockets(pair: &Pair) -> (SctpSocket, SctpSocket, (&'static str, u16)) {
    let server = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
    let port = server.local_addrs().unwrap()[0].port();
    let client = SocketBuilder::new(&pair.client).one_to_many_client().unwrap();
    server.set_read_timeout(Some(LONG));
    client.set_read_timeout(Some(LONG));
    (server, client, (pair.server_address, port))
}

#[test]
fn sending_to_an_address_sets_the_association_up() {
    Pair::each(|pair| {
        let (server, client, address) = sockets(pair);
        let first = client.send_to(b"one", address, &SendInfo::new().ppid(1)).unwrap();
        let second = client.send_to(b"two", address, &SendInfo::new().ppid(2)).unwrap();
        assert_eq!(first, second, "one association");
        let message = server.recv_message().unwrap();
        assert_eq!((message.info.ppid, message.len()), (1, 3));
        let association = message.info.association;
        server.send(association, b"reply", &SendInfo::new()).unwrap();
        let mut buffer = [0; 100];
        let (len, info) = client.recv(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], info.association), (&b"reply"[..], first));
        assert_eq!(server.recv_message().unwrap().info.ppid, 2);
        assert_eq!(server.peer_addrs(association).unwrap().len(), client.local_addrs().unwrap().len());
    });
}

#[test]
fn messages_of_several_associations_are_read_as_they_came() {
    Pair::each(|pair| {
        let (server, client, address) = sockets(pair);
        let other = SocketBuilder::new(&pair.client).one_to_many_client().unwrap();
        let here = || {
            let count = |id| server.status(id).unwrap().stats.data_chunks_received;
            server.associations().into_iter().map(count).sum::<u64>()
        };
        let mut sent = Vec::new();
        for (from, count) in [(&client, 5), (&other, 3), (&client, 1), (&other, 2), (&client, 4)] {
            for _ in 0..count {
                sent.push(u32::try_from(sent.len()).unwrap());
                from.send_to(b"x", address, &SendInfo::new().ppid(sent.len() as u32 - 1)).unwrap();
            }
            wait_until("these messages", || here() == sent.len() as u64);
        }
        let read: Vec<_> = sent.iter().map(|_| server.recv_message().unwrap().info.ppid).collect();
        assert_eq!(read, sent);
    });
}

#[test]
fn a_peeled_off_association_takes_its_unread_messages_along() {
    Pair::each(|pair| {
        let (server, client, address) = sockets(pair);
        let id = client.send_to(&pattern(5_000), address, &SendInfo::new()).unwrap();
        client.send(id, b"second", &SendInfo::new()).unwrap();
        let mut part = [0; 2_000];
        let (_, info) = server.recv(&mut part).unwrap();
        assert!(!info.end_of_record);
        let stream: SctpStream = server.peel_off(info.association).unwrap();
        assert!(server.associations().is_empty());
        assert!(matches!(server.send(info.association, b"x", &SendInfo::new()), Err(Error::NoAssociation)));
        assert_eq!(stream.recv_deadline(soon()).unwrap().unwrap().len(), 3_000, "the rest");
        assert_eq!(stream.recv_deadline(soon()).unwrap().unwrap().into_bytes(), &b"second"[..]);
        stream.send(b"answer", &SendInfo::new()).unwrap();
        assert_eq!(client.recv_message().unwrap().into_bytes(), &b"answer"[..]);
    });
}

#[test]
fn ended_associations_are_read_to_their_end_and_forgotten() {
    Pair::each(|pair| {
        let (server, client, address) = sockets(pair);
        let id = client.send_to(b"last words", address, &SendInfo::new()).unwrap();
        client.shutdown(id).unwrap();
        assert_eq!(server.recv_message().unwrap().into_bytes(), &b"last words"[..]);
        wait_until("both ends forget", || {
            client.associations().is_empty() && server.associations().is_empty()
        });
        assert!(matches!(client.send(id, b"x", &SendInfo::new()), Err(Error::NoAssociation)));
        client.send_to(b"again", address, &SendInfo::new()).unwrap();
        assert_eq!(server.recv_message().unwrap().into_bytes(), &b"again"[..]);
    });
}

#[test]
fn a_full_association_does_not_block_another() {
    Pair::each(|pair| {
        let (server, client, address) = sockets(pair);
        let other = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
        let other_port = other.local_addrs().unwrap()[0].port();
        client.set_nonblocking(true);
        let full = client.send_to(b"begin", address, &SendInfo::new()).unwrap();
        while client.send(full, &pattern(60_000), &SendInfo::new()).is_ok() {}
        client.send_to(b"through", (address.0, other_port), &SendInfo::new()).unwrap();
        other.set_read_timeout(Some(LONG));
        assert_eq!(other.recv_message().unwrap().into_bytes(), &b"through"[..]);
        drop(server);
    });
}

#[test]
fn a_thousand_associations_live_on_one_socket() {
    Pair::each(|pair| {
        let server = SocketBuilder::new(&pair.server)
            .bind((pair.server_address, 0))
            .notifications(Notifications::ASSOCIATION)
            .one_to_many()
            .unwrap();
        server.set_read_timeout(Some(LONG));
        let address = (pair.server_address, server.local_addrs().unwrap()[0].port());
        let clients: Vec<SctpStream> =
            (0..1_000).map(|_| SctpStream::connect(&pair.client, address).unwrap()).collect();
        for (number, client) in clients.iter().enumerate() {
            client.send(&number.to_be_bytes(), &SendInfo::new()).unwrap();
        }
        let (mut up, mut messages) = (0, HashMap::new());
        while messages.len() < 1_000 {
            match server.receive().unwrap() {
                Received::Notification(_, Notification::CommunicationUp { inbound: true, .. }) => up += 1,
                Received::Message(message) => {
                    let association = message.info.association;
                    server.send_bytes(association, message.into_bytes(), &SendInfo::new()).unwrap();
                    messages.insert(association, ());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((up, server.associations().len()), (1_000, 1_000));
        for (number, client) in clients.iter().enumerate() {
            let echo = client.recv_deadline(soon()).unwrap().unwrap();
            assert_eq!(echo.into_bytes()[..], number.to_be_bytes());
        }
        drop(clients);
        wait_until("all ended", || server.associations().is_empty());
    });
}

/// RFC 6458, 3.1.3.
#[test]
fn a_socket_that_stops_to_listen_keeps_what_it_has() {
    Pair::each(|pair| {
        let (server, client, address) = sockets(pair);
        let id = client.send_to(b"one", address, &SendInfo::new()).unwrap();
        assert_eq!(server.recv_message().unwrap().len(), 3);
        server.stop_listening().unwrap();
        assert!(matches!(SctpStream::connect(&pair.client, address), Err(Error::Lost(_))), "refused");
        client.send(id, b"more", &SendInfo::new()).unwrap();
        assert_eq!(server.recv_message().unwrap().len(), 4);
        server.listen().unwrap();
        let late = SctpStream::connect(&pair.client, address).unwrap();
        late.send(b"late", &SendInfo::new()).unwrap();
        assert_eq!(server.recv_message().unwrap().into_bytes(), &b"late"[..]);
    });
}
