//! Associations and sockets that have ended.

use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, poll};
use sctp_abi::constants::{
    SCTP_EOF, SCTP_NODELAY, SCTP_RECVNXTINFO, SCTP_RECVRCVINFO, SCTP_SENDER_DRY_EVENT,
};
use sctp_descriptors::{Command, OptionName, Receive, Received, Reply, Style};
use sctp_service::{Control, Rules};

use super::client::{Client, END, HERE, Handle, SCTP, THERE, at, clients, clients_under, wait_until};
use super::many::{SCTP_ASSOC_CHANGE, assoc_change, subscribe};
use super::one::{pair, rcvinfo, sndinfo};
use super::order::write_until_full;

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

/// The server answers its first message, and ends the association; the client reads the answer when it has ended.
fn ends_behind_a_message(server: &Handle<'_>, client: &Handle<'_>, accepted: &Control) {
    let (_, _, number) = rcvinfo(&server.receive().control);
    server.send(None, sndinfo(0, 0, 0, number), b"last");
    client.wait_for(PollFlags::POLLIN);
    server.send(None, sndinfo(0, SCTP_EOF, 0, number), b"");
    wait_until("it ends", || associations(accepted) == 0);
    assert_eq!(client.receive().payload, b"last");
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
    client.wait_for(END);
    assert_eq!([Command::LocalAddress, Command::PeerAddress].map(|command| client.ask(command)), before);
}

/// As Linux has it: after an error reads fail, once with the error, then since there is no association.
#[test]
fn a_socket_whose_association_was_aborted_stays_one() {
    let clients = clients();
    let (client, server) = pair(&clients, 7);
    client.set(SCTP_NODELAY, &ON);
    server.set(SCTP_RECVRCVINFO, &ON);
    client.send(None, Vec::new(), b"never read");
    server.wait_for(PollFlags::POLLIN);
    drop(server);
    client.wait_for(PollFlags::POLLIN);
    assert_eq!(client.read_bare(), b"");
    assert_eq!(client.receive_as(0, 100, None), Reply::Errno(libc::ECONNRESET));
    assert_eq!(client.receive_as(0, 100, None), Reply::Errno(libc::ENOTCONN));
    assert_eq!(client.receive_as(libc::MSG_DONTWAIT, 100, None), Reply::Empty { stale: None });
    assert_eq!(client.events(), PollFlags::POLLOUT);
    assert_eq!(client.send(None, Vec::new(), b"late"), Reply::Errno(libc::EPIPE));
    let again = [Command::Connect(at(THERE, 7)), shutdown(libc::SHUT_WR)];
    assert_eq!(again.map(|command| client.ask(command)), [Reply::Errno(libc::EISCONN), Reply::Done]);
    let option = OptionName { level: SCTP, number: SCTP_NODELAY };
    let Reply::Value(value) = client.ask(Command::GetOption { option, room: 4, input: Vec::new() }) else {
        panic!("no value")
    };
    assert_eq!(value.bytes, ON);
}

/// Reads before there is an association say nothing of the one that follows.
#[test]
fn a_socket_that_was_read_too_early_connects_all_the_same() {
    let [here, there] = clients();
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 12));
    let client = here.socket(Style::OneToOne);
    assert_eq!(client.receive_as(0, 100, None), Reply::Errno(libc::ENOTCONN));
    client.connect(at(THERE, 12));
    let server = listener.accept();
    client.write_bare(b"hello");
    assert_eq!(server.read_bare(), b"hello");
}

/// The error goes to one of those who wait, and the others are woken up as well.
#[test]
fn all_who_wait_are_woken_up_by_a_reset() {
    let clients = clients();
    let (client, server) = pair(&clients, 13);
    server.set(SCTP_RECVRCVINFO, &ON);
    client.send(None, Vec::new(), b"never read");
    server.wait_for(PollFlags::POLLIN);
    drop(server);
    for errno in [libc::ECONNRESET, libc::ENOTCONN, libc::ENOTCONN] {
        assert_eq!(client.read_bare(), b"");
        let woken = Receive { flags: 0, room: 100, control_room: 0, took: None, woken: true };
        assert_eq!(client.ask(Command::Receive(woken)), Reply::Errno(errno));
    }
}

/// Several calls may wait at one socket: each that was woken up by an empty record leaves one for the next.
#[test]
fn all_who_wait_are_woken_up_by_the_end() {
    let clients = clients();
    let (client, server) = pair(&clients, 8);
    assert_eq!(client.ask(Command::Shutdown { how: libc::SHUT_WR, awaited: true }), Reply::Done);
    server.wait_for(END);
    for _ in 0..3 {
        assert_eq!(client.read_bare(), b"");
        let woken = Receive { flags: 0, room: 100, control_room: 0, took: None, woken: true };
        assert_eq!(client.ask(Command::Receive(woken)), Reply::Errno(libc::ENOTCONN));
    }
    drop(server);
}

/// RFC 9260, 9.2: what was given before is sent. The commands of one socket come behind its records.
#[test]
fn a_socket_is_shut_down_behind_what_was_written() {
    let clients = clients();
    let (client, server) = pair(&clients, 9);
    (0..500).for_each(|_| client.write_bare(&[1; 100]));
    assert_eq!(client.ask(shutdown(libc::SHUT_RDWR)), Reply::Done);
    assert_eq!(client.send(None, Vec::new(), b"late"), Reply::Errno(libc::EPIPE));
    assert_eq!(client.read_bare(), b"");
    assert_eq!(client.receive_as(0, 100, None), end_of_file());
    (0..500).for_each(|_| assert_eq!(server.read_bare(), [1; 100]));
    server.wait_for(END);
}

fn shutdown(how: i32) -> Command {
    Command::Shutdown { how, awaited: false }
}

fn end_of_file() -> Reply {
    let nothing = Vec::new;
    Reply::Received(Received {
        flags: 0,
        from: None,
        control: nothing(),
        payload: nothing(),
        in_file: 0,
        stale: None,
    })
}

/// RFC 6458, 4.1.7, SHUT_RD. What had come is read still, and what comes is not held against the peer.
#[test]
fn a_socket_that_reads_no_more_throws_away_what_comes() {
    let clients = clients();
    let (client, server) = pair(&clients, 10);
    server.set(SCTP_RECVRCVINFO, &ON);
    client.write_bare(b"before");
    server.wait_for(PollFlags::POLLIN);
    assert_eq!(server.ask(shutdown(libc::SHUT_RD)), Reply::Done);
    for _ in 0..100 {
        client.wait_for(PollFlags::POLLOUT);
        client.write_bare(&[2; 60_000]);
    }
    let Reply::Received(before) = server.receive_as(0, 100, Some(server.take_token())) else {
        panic!("nothing was read")
    };
    assert_eq!(before.payload, b"before");
    assert_eq!((server.read_bare(), server.receive_as(0, 100, None)), (Vec::new(), end_of_file()));
    server.write_bare(b"answer");
    assert_eq!(client.read_bare(), b"answer");
    drop(server);
    client.wait_for(END);
    assert_eq!(client.ask(Command::TakeError), Reply::Errno(0));
}

/// However it ended: with the last descriptor the socket is gone, and what was its user's.
#[test]
fn the_last_close_of_an_ended_socket_is_seen() {
    let [(here, begun), (there, accepted)] = clients_under(&Rules::default());
    let sockets = |control: &Control| control.users().iter().map(|user| user.sockets).sum::<usize>();
    for how in [libc::SHUT_RD, libc::SHUT_WR, libc::SHUT_RDWR] {
        let clients = [&here, &there].map(|client| Client::connect(&client.service));
        let (client, server) = pair(&clients, 11);
        assert_eq!(client.ask(shutdown(how)), Reply::Done);
        assert_eq!(client.ask(shutdown(libc::SHUT_RDWR)), Reply::Done);
        server.wait_for(END);
        drop(server);
        wait_until("the peer's socket goes", || sockets(&accepted) == 0);
        assert!(matches!(client.ask(Command::PeerAddress), Reply::Address(_)) && sockets(&begun) == 1);
        drop(client);
        wait_until("the socket goes", || sockets(&begun) == 0);
    }
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
        ends_behind_a_message(&server, &client, &accepted);
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
    ends_behind_a_message(&server, &client, &accepted);
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

fn linger(client: &Handle<'_>) {
    let option = OptionName { level: libc::SOL_SOCKET, number: libc::SO_LINGER };
    let value = [1_i32, 7].map(i32::to_ne_bytes).concat();
    assert_eq!(client.ask(Command::SetOption { option, value }), Reply::Done);
}

/// As on Linux, it is dropped, and takes nothing with it that was written before. RFC 9260, 9.2: a peer that has more to send than our
/// window must not keep us from ending.
#[test]
fn what_comes_behind_the_last_close_harms_nothing_that_was_written() {
    for lingers in [false, true] {
        let [(here, control), (there, _)] = clients_under(&Rules::default());
        let clients = [here, there];
        let (client, server) = pair(&clients, 21);
        if lingers {
            linger(&client);
        }
        let written = write_until_full(&client);
        drop(client);
        for _ in 0..100 {
            server.wait_for(PollFlags::POLLOUT);
            server.write_bare(&[8; 10_000]);
        }
        let read = std::iter::from_fn(|| Some(server.read_bare()).filter(|record| !record.is_empty()));
        assert_eq!(read.count(), written);
        assert_eq!(server.ask(Command::TakeError), Reply::Errno(0));
        wait_until("it is over", || associations(&control) == 0);
    }
}

/// RFC 6458, 4.1.4: a message that nobody has read, whatever is in front of it.
#[test]
fn a_message_behind_a_notification_is_left_unread_by_who_lingers() {
    let clients = clients();
    let (client, server) = pair(&clients, 22);
    linger(&client);
    subscribe(&client, SCTP_SENDER_DRY_EVENT);
    client.wait_for(PollFlags::POLLIN);
    server.write_bare(b"never read");
    // It has come when all is acknowledged.
    subscribe(&server, SCTP_SENDER_DRY_EVENT);
    server.receive();
    drop(client);
    wait_until("it is aborted", || server.ask(Command::TakeError) == Reply::Errno(libc::ECONNRESET));
}

/// As on Linux, `close` waits with SO_LINGER until the peer has got everything, and the association has ended; that of a copy does not.
#[test]
fn who_closes_the_last_descriptor_can_wait_for_the_end() {
    let [(here, control), (there, _)] = clients_under(&Rules::default());
    let clients = [here, there];
    let (client, server) = pair(&clients, 20);
    assert!(!client.slot().lingers);
    linger(&client);
    assert!(client.slot().lingers);
    write_until_full(&client);
    let (number, copy) = (client.name.socket, client.end.try_clone().unwrap());
    drop(client);
    assert_eq!(clients[0].ask(number, Command::Linger).0, Reply::Done);
    drop(copy);
    // Who closed a copy may be late, and wait as well.
    let bells = [(); 2].map(|()| {
        let (seconds, bell) = clients[0].ask(number, Command::Linger);
        assert_eq!(seconds, Reply::Number(7));
        bell.unwrap()
    });
    let ends = |bell: &OwnedFd, patience: u16| {
        poll(&mut [PollFd::new(bell.as_fd(), PollFlags::empty())], patience) == Ok(1)
    };
    assert!(!bells.iter().any(|bell| ends(bell, 0)));
    // It is its user's as long as it lingers.
    assert_eq!(control.users()[0].sockets, 1);
    while !server.read_bare().is_empty() {}
    assert!(bells.iter().all(|bell| ends(bell, 30_000)));
    wait_until("it is over", || clients[0].ask(number, Command::Linger).0 == Reply::Errno(libc::ENOTCONN));
    assert_eq!((control.users()[0].sockets, associations(&control)), (0, 0));
}
