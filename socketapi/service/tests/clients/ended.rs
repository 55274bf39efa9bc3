//! Associations and sockets that have ended.

use nix::poll::PollFlags;
use sctp_abi::constants::{SCTP_EOF, SCTP_RECVNXTINFO, SCTP_RECVRCVINFO};
use sctp_descriptors::{Command, Reply, Style};
use sctp_service::{Control, Rules};

use super::client::{Client, HERE, Handle, THERE, at, clients, clients_under, wait_until};
use super::many::{SCTP_ASSOC_CHANGE, assoc_change, subscribe};
use super::one::{pair, rcvinfo, sndinfo};

const ON: [u8; 4] = 1_i32.to_ne_bytes();

/// The associations of a service's only user.
fn associations(control: &Control) -> usize {
    control.users().iter().map(|user| user.associations).sum()
}

fn one_to_many(client: &Client) -> Handle<'_> {
    let socket = client.socket(Style::OneToMany);
    socket.set(SCTP_RECVRCVINFO, &ON);
    socket
}

/// RFC 6458, 6.1.1: SCTP_COMM_LOST, since the association was up; SCTP_CANT_STR_ASSOC is of one that never was.
#[test]
fn an_association_that_was_up_is_lost_however_late_the_subscription() {
    let clients = clients();
    let (client, server) = pair(&clients, 1);
    subscribe(&client, SCTP_ASSOC_CHANGE);
    server.set(SCTP_RECVRCVINFO, &ON);
    client.send(None, Vec::new(), b"never read");
    server.wait_for(PollFlags::POLLIN);
    drop(server);
    assert_eq!(assoc_change(&client.receive().payload).0, 1);
}

/// As on Linux, and so that the sender of what is still to be read can be told.
#[test]
fn both_addresses_outlive_the_association() {
    let clients = clients();
    let (client, server) = pair(&clients, 2);
    let before = [Command::LocalAddress, Command::PeerAddress].map(|command| client.ask(command));
    assert!(before.iter().all(|reply| matches!(reply, Reply::Address(_))), "{before:?}");
    drop(server);
    client.wait_for(PollFlags::POLLHUP);
    assert_eq!([Command::LocalAddress, Command::PeerAddress].map(|command| client.ask(command)), before);
}

/// RFC 6458, 3.1.4: `msg_name` is the peer's address, also of an association that has ended meanwhile.
#[test]
fn a_message_of_an_association_that_has_ended_has_its_sender() {
    let [(here, begun), (there, _)] = clients_under(&Rules::default());
    let server = one_to_many(&there);
    server.listen(at(THERE, 3));
    server.set(SCTP_RECVNXTINFO, &ON);
    let client = one_to_many(&here);
    client.send(Some(at(THERE, 3)), Vec::new(), b"hello");
    let (_, _, number) = rcvinfo(&server.receive().control);
    server.send(None, sndinfo(0, 0, 0, number), b"answer");
    let (_, _, own) = rcvinfo(&client.receive().control);
    client.send(None, sndinfo(0, 0, 0, own), b"last");
    client.send(None, sndinfo(0, SCTP_EOF, 0, own), b"");
    wait_until("it ends", || associations(&begun) == 0);
    let last = server.receive();
    assert_eq!(
        (last.payload.as_slice(), last.from.map(|from| from.ip())),
        (&b"last"[..], Some(at(HERE, 0).ip()))
    );
}

/// As on Linux, ENOTCONN where a read would wait for ever.
#[test]
fn a_socket_whose_associations_have_ended_does_not_wait() {
    for looks_ahead in [0_i32, 1] {
        let [(here, _), (there, accepted)] = clients_under(&Rules::default());
        let server = one_to_many(&there);
        server.listen(at(THERE, 4));
        let client = one_to_many(&here);
        client.set(SCTP_RECVNXTINFO, &looks_ahead.to_ne_bytes());
        client.send(Some(at(THERE, 4)), Vec::new(), b"hello");
        let (_, _, number) = rcvinfo(&server.receive().control);
        server.send(None, sndinfo(0, 0, 0, number), b"last");
        client.wait_for(PollFlags::POLLIN);
        server.send(None, sndinfo(0, SCTP_EOF, 0, number), b"");
        wait_until("it ends", || associations(&accepted) == 0);
        assert_eq!(client.receive().payload, b"last");
        assert_eq!(client.receive_as(0, 100, None), Reply::Errno(libc::ENOTCONN), "{looks_ahead}");
    }
}

/// The limit is of associations that there are: one that has ended does not count for ever.
#[test]
fn an_association_that_has_ended_is_not_counted() {
    let [(here, begun), (there, accepted)] = clients_under(&Rules::default());
    let server = one_to_many(&there);
    server.listen(at(THERE, 5));
    let client = one_to_many(&here);
    client.set(SCTP_RECVNXTINFO, &ON);
    client.send(Some(at(THERE, 5)), Vec::new(), b"hello");
    assert_eq!(associations(&begun), 1);
    let (_, _, number) = rcvinfo(&server.receive().control);
    server.send(None, sndinfo(0, 0, 0, number), b"last");
    client.wait_for(PollFlags::POLLIN);
    server.send(None, sndinfo(0, SCTP_EOF, 0, number), b"");
    wait_until("it ends", || associations(&accepted) == 0);
    assert_eq!(client.receive().payload, b"last");
    assert_eq!(associations(&begun), 0);
}

/// RFC 6458, 6.1.1. Linux charges no association change to the receive buffer: none is dropped.
#[test]
fn every_association_that_comes_is_seen_to_go() {
    const MANY: usize = 520;
    let [(here, _), (there, accepted)] = clients_under(&Rules::default());
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 6));
    subscribe(&server, SCTP_ASSOC_CHANGE);
    for _ in 0..MANY {
        here.socket(Style::OneToOne).connect(at(THERE, 6));
    }
    wait_until("all end", || associations(&accepted) == 0);
    let (mut up, mut down) = (0, 0);
    while server.events().contains(PollFlags::POLLIN) {
        match assoc_change(&server.receive().payload).0 {
            0 => up += 1,
            _ => down += 1,
        }
    }
    assert_eq!((up, down), (MANY, MANY));
}
