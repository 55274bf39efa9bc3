//! One-to-many sockets.

use nix::poll::PollFlags;
use sctp_abi::constants::{SCTP_EOF, SCTP_EVENT, SCTP_RECVRCVINFO, SCTP_SOCKOPT_PEELOFF};
use sctp_descriptors::{Command, OptionName, Reply, Send, Style, Value};

use super::client::{HERE, Handle, SCTP, THERE, at, clients};
use super::one::{control, rcvinfo, sndinfo};
use super::order::servers;

pub(crate) const SCTP_ASSOC_CHANGE: u16 = 0x8001;

pub(crate) fn subscribe(socket: &Handle<'_>, kind: u16) {
    let mut event = 0_i32.to_ne_bytes().to_vec();
    event.extend(kind.to_ne_bytes());
    event.extend([1, 0]);
    socket.set(SCTP_EVENT, &event);
}

/// The state and the association of an `sctp_assoc_change` (RFC 6458, 6.1.1).
pub(crate) fn assoc_change(record: &[u8]) -> (u16, i32) {
    assert_eq!(record[..2], SCTP_ASSOC_CHANGE.to_ne_bytes());
    let state = u16::from_ne_bytes([record[8], record[9]]);
    (state, i32::from_ne_bytes(record[16..20].try_into().unwrap()))
}

/// RFC 6458, 3.1.3: an association begins with a message; 3.1.6: it ends with SCTP_EOF.
#[test]
fn associations_begin_and_end_with_messages() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 1));
    server.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    subscribe(&server, SCTP_ASSOC_CHANGE);
    let client = here.socket(Style::OneToMany);
    client.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    let begun = client.send(Some(at(THERE, 1)), sndinfo(1, 0, 7, 0), b"first");
    assert!(matches!(begun, Reply::Begun { result: 5, .. }), "{begun:?}");
    let (state, association) = assoc_change(&server.receive().payload);
    assert_eq!(state, 0);
    let message = server.receive();
    assert_eq!(message.payload, b"first");
    assert_eq!(rcvinfo(&message.control), (1, 7, association));
    assert_eq!(message.from.map(|from| from.ip()), Some(at(HERE, 0).ip()));
    assert_eq!(server.send(None, sndinfo(0, 0, 8, association), b"answer"), Reply::Number(6));
    let answer = client.receive();
    assert_eq!(answer.payload, b"answer");
    let (_, _, own) = rcvinfo(&answer.control);
    assert_eq!(client.send(None, sndinfo(0, SCTP_EOF, 0, own), b""), Reply::Number(0));
    assert_eq!(assoc_change(&server.receive().payload), (3, association));
    // It is gone, and so is its number.
    assert_eq!(server.send(None, sndinfo(0, 0, 8, association), b"late"), Reply::Errno(libc::EPIPE));
}

/// RFC 6458, 9.2.
#[test]
fn a_peeled_off_association_takes_its_unread_messages_along() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 2));
    server.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    let client = here.socket(Style::OneToMany);
    client.send(Some(at(THERE, 2)), Vec::new(), b"one");
    client.send(Some(at(THERE, 2)), Vec::new(), b"two");
    let (_, _, association) = rcvinfo(&server.receive().control);
    server.wait_for(PollFlags::POLLIN);
    let option = OptionName { level: SCTP, number: SCTP_SOCKOPT_PEELOFF };
    let input = [association.to_ne_bytes(), [0; 4]].concat();
    let (reply, fd) = there.ask(server.name.socket, Command::GetOption { option, room: 8, input });
    let Reply::Value(Value { descriptor: Some(place), .. }) = reply else { panic!("{reply:?}") };
    let peeled = Handle::of(&there, fd.unwrap());
    assert_eq!(peeled.receive().payload, b"two");
    // The token of the message that has moved promises nothing any more.
    assert_eq!(place.stale, Some(server.take_token()));
    assert_eq!(server.receive_as(libc::MSG_DONTWAIT, 100, None), Reply::Empty { stale: None });
    peeled.send(None, Vec::new(), b"three");
    assert_eq!(client.receive().payload, b"three");
}

#[test]
fn a_set_up_that_fails_is_told_by_the_error_and_by_a_notification() {
    let [here, _there] = clients();
    let client = here.socket(Style::OneToMany);
    subscribe(&client, SCTP_ASSOC_CHANGE);
    assert_eq!(client.try_to_connect(at(THERE, 3)), Reply::Errno(libc::ECONNREFUSED));
    // Linux has no pending error of it.
    assert_eq!(client.ask(Command::TakeError), Reply::Errno(0));
    assert_eq!(assoc_change(&client.receive().payload).0, 4);
}

/// RFC 6458, 3.1.3: without its message nobody asked for the association.
#[test]
fn a_set_up_whose_message_is_refused_leaves_nothing_behind() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 6));
    let client = here.socket(Style::OneToMany);
    subscribe(&client, SCTP_ASSOC_CHANGE);
    let on_stream = |stream| client.send(Some(at(THERE, 6)), sndinfo(stream, 0, 0, 0), b"x");
    assert_eq!(on_stream(60_000), Reply::Errno(libc::EINVAL));
    assert_eq!(client.receive_as(0, 100, None), Reply::Errno(libc::ENOTCONN));
    on_stream(0);
    assert_eq!(assoc_change(&client.receive().payload).0, 0);
}

/// Nobody answers: what waits for them has the room of one send buffer. Other associations go on.
#[test]
fn messages_to_peers_that_do_not_answer_do_not_fill_the_memory() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 8));
    let client = here.socket(Style::OneToMany);
    client.connect(at(THERE, 8));
    let send = |to, len| {
        let (flags, payload) = (libc::MSG_DONTWAIT, vec![0; len]);
        client.ask_filling(Command::Send(Send { flags, to: Some(to), control: Vec::new(), payload }))
    };
    let silent = |port| at("127.0.0.3", port);
    let outcomes: Vec<_> = (1..=20).map(|port| send(silent(port), 400_000)).collect();
    assert_eq!(outcomes[..2], [Reply::Number(400_000), Reply::Number(400_000)]);
    assert!(outcomes[2..].iter().all(|outcome| matches!(outcome, Reply::Later(_))), "{outcomes:?}");
    assert!(!client.events().contains(PollFlags::POLLOUT));
    assert_eq!(send(at(THERE, 8), 400_000), Reply::Number(400_000));
    // Small ones are many.
    assert!((100..200).all(|port| send(silent(port), 1) == Reply::Number(1)));
}

/// The core holds no more of a peer; a list of very many would take long.
#[test]
fn a_peer_has_no_more_addresses_than_are_held() {
    const SCTP_DSTADDRV4: i32 = 7;
    let [here, _there] = clients();
    let client = here.socket(Style::OneToMany);
    let to = |count: u8| {
        let more: Vec<_> = (1..count).flat_map(|last| control(SCTP_DSTADDRV4, &[127, 0, 9, last])).collect();
        client.send(Some(at(THERE, 7)), more, b"x")
    };
    assert_eq!(to(17), Reply::Errno(libc::ENOBUFS));
    let very_many = control(SCTP_DSTADDRV4, &[127, 0, 0, 9]).repeat(30_000);
    assert_eq!(client.send(Some(at(THERE, 7)), very_many, b"x"), Reply::Errno(libc::ENOBUFS));
    assert!(!matches!(to(16), Reply::Errno(_)));
}

/// RFC 6458, 5.3.2 (SCTP_SENDALL).
#[test]
fn one_message_goes_to_all() {
    const SCTP_SENDALL: u16 = 0x40;
    let [here, there] = clients();
    let servers = servers(&there, [4, 5]);
    let client = here.socket(Style::OneToMany);
    client.connect(at(THERE, 4));
    client.connect(at(THERE, 5));
    assert_eq!(client.send(None, sndinfo(0, SCTP_SENDALL, 0, 0), b"to all"), Reply::Number(6));
    for server in &servers {
        assert_eq!(server.receive().payload, b"to all");
    }
}
