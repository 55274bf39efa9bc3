//! Messages that are written into the pair with what is said of them.

use std::io::{ErrorKind, Write};

use sctp_abi::constants::{SCTP_DEFAULT_PRINFO, SCTP_RECVRCVINFO, SCTP_SEND_FAILED_EVENT, SCTP_UNORDERED};
use sctp_descriptors::{Command, Head, Reply, Slot};

use super::client::{Client, Handle, clients};
use super::last_sends::is_held_up;
use super::many::subscribe;
use super::one::{pair, rcvinfo, sndinfo};

const ON: [u8; 4] = 1_i32.to_ne_bytes();

fn head(stream: u16, ppid: u32) -> Head {
    Head { stream, ppid, ..Head::default() }
}

fn record(handle: &Handle<'_>, head: Head, payload: &[u8]) -> Vec<u8> {
    [&head.to_bytes(&handle.name.marker())[..], payload].concat()
}

fn write(handle: &Handle<'_>, head: Head, payload: &[u8]) {
    handle.write_bare(&record(handle, head, payload));
}

/// A server that is told of messages.
fn told(clients: &[Client; 2], port: u16) -> (Handle<'_>, Handle<'_>) {
    let (client, server) = pair(clients, port);
    server.set(SCTP_RECVRCVINFO, &ON);
    (client, server)
}

/// Stream, PPID and payload of the next message.
fn next(server: &Handle<'_>) -> (u16, u32, Vec<u8>) {
    let received = server.receive();
    let (stream, ppid, _) = rcvinfo(&received.control);
    (stream, ppid, received.payload)
}

/// RFC 6458, 5.3.4: on one stream all come in the order in which they were sent, however that was.
#[test]
fn bare_headed_and_commanded_messages_arrive_in_their_order_with_what_was_said() {
    let clients = clients();
    let (client, server) = told(&clients, 1);
    for number in 0..100_u32 {
        let payload = number.to_be_bytes();
        match number % 4 {
            0 => client.write_bare(&payload),
            1 | 2 => write(&client, head(0, number), &payload),
            _ => assert_eq!(client.send(None, sndinfo(0, 0, number, 0), &payload), Reply::Number(4)),
        }
    }
    for number in 0..100_u32 {
        let ppid = if number % 4 == 0 { 0 } else { number };
        assert_eq!(next(&server), (0, ppid, number.to_be_bytes().to_vec()));
    }
}

#[test]
fn all_that_a_head_says_reaches_the_peer() {
    let clients = clients();
    let (client, server) = told(&clients, 2);
    let streams = client.slot().streams;
    assert!(streams > 1);
    let unordered = Head { unordered: true, ..head(0, u32::MAX) };
    let immediate = Head { sack_immediately: true, context: 7, ..head(streams - 1, 0xdead_beef) };
    write(&client, unordered, b"unordered");
    write(&client, immediate, &vec![9; 50_000]);
    let received = server.receive();
    let flags = u16::from_ne_bytes([received.control[20], received.control[21]]);
    assert_eq!((flags, rcvinfo(&received.control).1), (SCTP_UNORDERED, u32::MAX));
    assert_eq!(next(&server), (streams - 1, 0xdead_beef, vec![9; 50_000]));
}

/// Wrong heads of who does not look at the board: others are not harmed by a message to a stream that there is not, and what is no head
/// is no message.
#[test]
fn a_stream_that_there_is_not_is_the_pending_error_and_the_rest_is_sent() {
    let clients = clients();
    let (client, server) = told(&clients, 3);
    let streams = client.slot().streams;
    write(&client, head(0, 1), b"before");
    write(&client, head(streams, 2), b"nowhere");
    let mut strange = record(&client, head(0, 3), b"strange");
    strange[22] = 0x80;
    client.write_bare(&strange);
    client.write_bare(&record(&client, head(0, 4), b""));
    write(&client, head(0, 5), b"behind");
    assert_eq!(next(&server), (0, 1, b"before".to_vec()));
    assert_eq!(next(&server), (0, 5, b"behind".to_vec()));
    assert!(client.slot().has_error);
    assert_eq!(client.ask(Command::TakeError), Reply::Errno(libc::EINVAL));
}

/// RFC 6458, 8.1.32: a head says nothing of when a message is given up, and the time counts from the call on.
#[test]
fn no_message_is_to_be_headed_where_the_default_is_to_give_up() {
    let clients = clients();
    let (client, _server) = pair(&clients, 4);
    let prinfo = |policy: u16| {
        let mut value = 0_u32.to_ne_bytes().to_vec();
        value.extend(1_000_u32.to_ne_bytes());
        value.extend(policy.to_ne_bytes());
        value.extend([0; 2]);
        value
    };
    assert_ne!(client.slot().streams, 0);
    client.set(SCTP_DEFAULT_PRINFO, &prinfo(0x10));
    assert!(matches!(client.slot(), Slot { streams: 0, max_bare_len: 1.., .. }));
    client.set(SCTP_DEFAULT_PRINFO, &prinfo(0));
    assert_ne!(client.slot().streams, 0);
}

/// Writes messages with numbers as PPID and context until neither end has room for more; how many.
fn write_all_that_fits(client: &Handle<'_>, server: &Handle<'_>) -> u32 {
    client.end.set_nonblocking(true).unwrap();
    let (mut count, mut before) = (0_u32, Vec::new());
    loop {
        let said = Head { unordered: count % 3 == 0, context: count, ..head(1, count) };
        let record = record(client, said, &[1; 20_000]);
        match (&client.end).write(&record) {
            Ok(len) => {
                assert_eq!(len, record.len());
                count += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                // For their answers the services move on what there is.
                let now = [client, server].map(|end| (end.ask(Command::LocalAddress), end.associations()));
                if is_held_up(client) && before == now {
                    return count;
                }
                before = now.to_vec();
            }
        }
    }
}

/// Nobody reads, so that heads wait in the pair, and in the service when it empties that (SHUT_WR).
#[test]
fn heads_that_have_waited_for_room_are_as_they_were() {
    let clients = clients();
    let (client, server) = told(&clients, 5);
    let count = write_all_that_fits(&client, &server);
    let shutdown = Command::Shutdown { how: libc::SHUT_WR, awaited: false };
    assert_eq!(client.ask(shutdown), Reply::Done);
    assert_eq!(client.slot().streams, 0);
    let mut ppids: Vec<u32> = (0..count).map(|_| next(&server).1).collect();
    ppids.sort_unstable();
    assert!(ppids.into_iter().eq(0..count));
}

/// RFC 6458, 6.1.11: of what was in the stack, and of what was still in the pair; in order, and before the error that a read has.
#[test]
fn who_wants_to_know_is_told_of_all_that_fails_with_its_context() {
    let clients = clients();
    let (client, server) = pair(&clients, 6);
    subscribe(&client, SCTP_SEND_FAILED_EVENT);
    let count = write_all_that_fits(&client, &server);
    // It has not read everything.
    drop(server);
    let mut contexts = Vec::new();
    while contexts.last() != Some(&(count - 1)) {
        let told = client.receive().payload;
        let word = |at: usize| u32::from_ne_bytes(told[at..at + 4].try_into().unwrap());
        assert_eq!(told[..2], SCTP_SEND_FAILED_EVENT.to_ne_bytes());
        assert_eq!((u32::from_be(word(16)), told.len()), (word(20), 32 + 20_000));
        contexts.push(word(20));
    }
    let first = contexts[0];
    assert!(contexts.into_iter().eq(first..count));
    assert_eq!(client.receive_as(0, 1, None), Reply::Errno(libc::ECONNRESET));
}

/// Who does not want to know is told nothing, and writes on meanwhile.
#[test]
fn what_is_written_behind_the_end_is_thrown_away() {
    let clients = clients();
    let (client, server) = pair(&clients, 7);
    subscribe(&client, SCTP_SEND_FAILED_EVENT);
    drop(server);
    assert_eq!(client.read_bare(), b"");
    for number in 0..2_000 {
        // There may be no room.
        let _ = (&client.end).write(&record(&client, head(0, number), &[1; 5_000]));
    }
    assert_eq!(client.send(None, sndinfo(0, 0, 0, 0), b"x"), Reply::Errno(libc::EPIPE));
}
