//! One-to-one sockets.

use std::net::IpAddr;

use nix::poll::PollFlags;
use sctp_abi::constants::{SCTP_EVENT, SCTP_RCVINFO, SCTP_RECVRCVINFO, SCTP_SNDINFO};
use sctp_descriptors::{ByteBuf, Command, MAX_RECORD_LEN, OptionName, Reply, Style};

use super::client::{Client, END, HERE, Handle, SCTP, THERE, at, clients};

const MSG_EOR: i32 = libc::MSG_EOR;
const MSG_NOTIFICATION: i32 = 0x8000;

/// A control message.
pub(crate) fn control(kind: i32, data: &[u8]) -> Vec<u8> {
    let len = 16 + data.len();
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend(SCTP.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(len.next_multiple_of(8), 0);
    bytes
}

/// `SCTP_SNDINFO` (RFC 6458, 5.3.4).
pub(crate) fn sndinfo(stream: u16, flags: u16, ppid: u32, association: i32) -> Vec<u8> {
    let mut data = [stream.to_ne_bytes(), flags.to_ne_bytes()].concat();
    data.extend(ppid.to_be_bytes());
    data.extend(0_u32.to_ne_bytes());
    data.extend(association.to_ne_bytes());
    control(SCTP_SNDINFO, &data)
}

/// The stream, payload protocol identifier and association of `SCTP_RCVINFO` (5.3.5).
pub(crate) fn rcvinfo(bytes: &[u8]) -> (u16, u32, i32) {
    assert_eq!(bytes[..16], control(SCTP_RCVINFO, &[0; 28])[..16]);
    let word = |at: usize| <[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap();
    let stream = u16::from_ne_bytes([bytes[16], bytes[17]]);
    (stream, u32::from_be_bytes(word(24)), i32::from_ne_bytes(word(40)))
}

pub(crate) fn pair<'a>([here, there]: &'a [Client; 2], port: u16) -> (Handle<'a>, Handle<'a>) {
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, port));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, port));
    let accepted = listener.accept();
    (client, accepted)
}

#[test]
fn plain_messages_cross_bare_both_ways() {
    let clients = clients();
    let (client, server) = pair(&clients, 1);
    client.write_bare(b"hello");
    assert_eq!(server.read_bare(), b"hello");
    server.write_bare(b"answer");
    assert_eq!(client.read_bare(), b"answer");
}

#[test]
fn a_record_that_does_not_end_its_message_has_the_largest_length() {
    let clients = clients();
    let (client, server) = pair(&clients, 2);
    let long: Vec<u8> = (0..MAX_RECORD_LEN + 100).map(|at| at as u8).collect();
    client.write_bare(&long);
    assert_eq!(server.read_bare(), long[..MAX_RECORD_LEN]);
    assert_eq!(server.read_bare(), long[MAX_RECORD_LEN..]);
}

/// Bare, a message of just this length would have no end.
#[test]
fn a_message_of_whole_records_is_asked_for() {
    let clients = clients();
    let (client, server) = pair(&clients, 3);
    client.write_bare(&vec![7; MAX_RECORD_LEN]);
    client.write_bare(b"next");
    let received = server.receive();
    assert_eq!((received.payload.len(), received.flags), (MAX_RECORD_LEN, MSG_EOR));
    assert_eq!(server.read_bare(), b"next");
}

#[test]
fn a_message_that_looks_like_a_token_is_asked_for() {
    let clients = clients();
    let (client, server) = pair(&clients, 4);
    client.write_bare(&server.name.marker());
    assert_eq!(server.receive().payload, server.name.marker());
}

/// RFC 6458, 8.1.29: what a read tells of is what is wanted when it reads.
#[test]
fn messages_that_came_before_information_was_wanted_are_given_back_and_asked_for() {
    let clients = clients();
    let (client, server) = pair(&clients, 20);
    client.send(None, sndinfo(1, 0, 11, 0), b"read before");
    client.send(None, sndinfo(2, 0, 22, 0), b"partly read");
    client.send(None, sndinfo(3, 0, 33, 0), b"unread");
    assert_eq!(server.read_bare(), b"read before");
    assert_eq!(server.read_bare(), b"partly read");
    let record = server.read_bare();
    let option = OptionName { level: SCTP, number: SCTP_RECVRCVINFO };
    let set = Command::SetOption { option, value: 1_i32.to_ne_bytes().to_vec() };
    assert_eq!(server.ask(set), Reply::GiveBack);
    let records = vec![ByteBuf::from(b"read".to_vec()), ByteBuf::from(record)];
    assert_eq!(server.ask(Command::GiveBack(records.clone())), Reply::Done);
    client.send(None, sndinfo(4, 0, 44, 0), b"later");
    for (payload, stream, ppid) in [(&b"read"[..], 2, 22), (b"unread", 3, 33), (b"later", 4, 44)] {
        let received = server.receive();
        let (on, what, _) = rcvinfo(&received.control);
        assert_eq!((&received.payload[..], on, what, received.flags), (payload, stream, ppid, MSG_EOR));
    }
    // Once only, and nothing that was not written.
    assert_eq!(server.ask(Command::GiveBack(records)), Reply::Errno(libc::EINVAL));
}

/// RFC 6458, 5.3.4, 5.3.5, 8.1.29.
#[test]
fn control_messages_go_out_and_come_in() {
    let clients = clients();
    let (client, server) = pair(&clients, 5);
    server.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    assert_eq!(client.send(None, sndinfo(3, 0, 99, 0), b"told"), Reply::Number(4));
    let received = server.receive();
    assert_eq!((received.payload.as_slice(), received.flags), (&b"told"[..], MSG_EOR));
    let (stream, ppid, _) = rcvinfo(&received.control);
    assert_eq!((stream, ppid), (3, 99));
    assert_eq!(received.from.map(|from| from.ip()), Some(at(HERE, 0).ip()));
}

#[test]
fn short_reads_leave_the_rest_and_peeking_leaves_all() {
    let clients = clients();
    let (client, server) = pair(&clients, 6);
    server.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    client.send(None, Vec::new(), b"abcdef");
    let token = server.take_token();
    let read = |flags, room, took| match server.receive_as(flags, room, took) {
        Reply::Received(received) => (received.payload, received.flags),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(libc::MSG_PEEK, 4, Some(token)), (b"abcd".to_vec(), 0));
    assert_eq!(read(0, 4, None), (b"abcd".to_vec(), 0));
    assert_eq!(server.events(), PollFlags::POLLIN | PollFlags::POLLOUT);
    let token = server.take_token();
    assert_eq!(read(0, 4, Some(token)), (b"ef".to_vec(), MSG_EOR));
    assert_eq!(server.events(), PollFlags::POLLOUT);
}

/// RFC 6458, 6.1.5.
#[test]
fn a_notification_comes_between_messages_and_end_of_file() {
    const SCTP_SHUTDOWN_EVENT: u16 = 0x8005;
    let clients = clients();
    let (client, server) = pair(&clients, 7);
    let mut event = 0_i32.to_ne_bytes().to_vec();
    event.extend(SCTP_SHUTDOWN_EVENT.to_ne_bytes());
    event.extend([1, 0]);
    server.set(SCTP_EVENT, &event);
    client.send(None, Vec::new(), b"last words");
    drop(client);
    assert_eq!(server.receive().payload, b"last words");
    let told = server.receive();
    assert_eq!(told.flags, MSG_NOTIFICATION | MSG_EOR);
    assert_eq!(told.payload[..2], SCTP_SHUTDOWN_EVENT.to_ne_bytes());
    assert_eq!(told.from.map(|from| from.ip()), Some(IpAddr::from([127, 0, 0, 1])));
    server.wait_for(END);
    assert_eq!(server.read_bare(), b"");
}

/// RFC 6458, 4.1.8: while the buffer is full the descriptor does not poll writable, and is told when there is room.
#[test]
fn a_full_send_buffer_is_waited_for() {
    let clients = clients();
    let (client, server) = pair(&clients, 8);
    server.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    let message = vec![0; 50_000];
    let mut sent = 0;
    // What is under way still makes room after a refusal.
    while client.events().contains(PollFlags::POLLOUT) {
        sent += usize::from(client.send(None, Vec::new(), &message) == Reply::Number(50_000));
    }
    for _ in 0..sent {
        assert_eq!(server.receive().payload.len(), message.len());
    }
    client.wait_for(PollFlags::POLLOUT);
    assert_eq!(client.send(None, Vec::new(), &message), Reply::Number(50_000));
    assert_eq!(server.receive().payload.len(), message.len());
}

/// Whoever closes without having read aborts the association, so that the peer knows.
#[test]
fn what_is_left_unread_resets_the_peer() {
    let clients = clients();
    let (client, server) = pair(&clients, 9);
    server.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    client.send(None, Vec::new(), b"never read");
    server.wait_for(PollFlags::POLLIN);
    drop(server);
    client.wait_for(PollFlags::POLLIN);
    assert_eq!(client.ask(sctp_descriptors::Command::TakeError), Reply::Errno(libc::ECONNRESET));
}

/// A client that looked, and found nothing, before both the message and the end came.
#[test]
fn what_came_before_the_end_is_not_passed_over_by_who_asks_after_it() {
    let clients = clients();
    let (client, server) = pair(&clients, 30);
    client.write_bare(b"last words");
    drop(client);
    server.wait_for(END);
    assert_eq!(server.receive_as(0, 64, None), Reply::InPair);
    assert_eq!(server.read_bare(), b"last words");
    assert_eq!(server.read_bare(), b"");
    assert_eq!(server.ask(Command::TakeError), Reply::Errno(0));
}
