//! What comes first, and who is told: full buffers, tokens and fillers of several threads and processes.

use std::io::Write;

use nix::poll::{PollFd, PollFlags, poll};
use sctp_abi::constants::SCTP_RECVRCVINFO;
use sctp_descriptors::{Command, Filler, MAX_RECORD_LEN, Reply, Send, Style, Ticket};

use super::client::{Client, Handle, THERE, at, clients};
use super::one::{pair, sndinfo};

const ON: [u8; 4] = 1_i32.to_ne_bytes();

fn command(payload: &[u8]) -> Command {
    Command::Send(Send {
        flags: libc::MSG_DONTWAIT,
        to: None,
        control: Vec::new(),
        payload: payload.to_vec(),
    })
}

/// Writes bare messages until the kernel has no room for a while. How many there were.
pub(crate) fn write_until_full(socket: &Handle<'_>) -> usize {
    use std::os::fd::AsFd;
    socket.end.set_nonblocking(true).unwrap();
    let mut written = 0;
    loop {
        let mut polled = [PollFd::new(socket.end.as_fd(), PollFlags::POLLOUT)];
        if (&socket.end).write(&[7; 10_000]).is_ok() {
            written += 1;
        } else if poll(&mut polled, 300_u16).unwrap() == 0 {
            return written;
        }
    }
}

/// Sends until this association has no room for a message of 50,000 bytes, and what was under way has arrived.
pub(crate) fn send_until_full(socket: &Handle<'_>, port: u16) {
    let send = || socket.send(Some(at(THERE, port)), Vec::new(), &[0; 50_000]);
    while let Reply::Number(_) | Reply::Begun { .. } = send() {}
    let mut before = String::new();
    // How much room there is is told there: as long as that changes, something is under way.
    while let now = socket.associations()
        && now != before
    {
        while let Reply::Number(_) = send() {}
        before = now;
    }
}

/// One-to-many sockets that listen at these ports, and tell of messages.
pub(crate) fn servers<'a>(there: &'a Client, ports: [u16; 2]) -> [Handle<'a>; 2] {
    ports.map(|port| {
        let server = there.socket(Style::OneToMany);
        server.listen(at(THERE, port));
        server.set(SCTP_RECVRCVINFO, &ON);
        server
    })
}

/// RFC 6458, 5.3.4: messages of one stream, sent in order by one thread, arrive in order.
#[test]
fn a_command_comes_behind_all_that_was_written_bare() {
    let clients = clients();
    let (client, server) = pair(&clients, 1);
    server.set(SCTP_RECVRCVINFO, &ON);
    for _ in 0..20 {
        for _ in 0..250 {
            client.write_bare(b"bare");
        }
        assert_eq!(client.send(None, Vec::new(), b"command"), Reply::Number(7));
        for at in 0..250 {
            assert_eq!(server.receive().payload, b"bare", "message {at}");
        }
        assert_eq!(server.receive().payload, b"command");
    }
}

/// RFC 6458, 5.3.4 (SCTP_SENDALL).
#[test]
fn what_goes_to_all_goes_to_each_of_them_once_or_to_none() {
    const SCTP_SENDALL: u16 = 0x40;
    let [here, there] = clients();
    let servers = servers(&there, [2, 3]);
    let client = here.socket(Style::OneToMany);
    client.connect(at(THERE, 3));
    let mut refused = 0;
    while refused < 5 {
        send_until_full(&client, 2);
        // Room may have come since.
        match client.send(None, sndinfo(0, SCTP_SENDALL, 0, 0), &[9; 60_000]) {
            Reply::Later(_) => refused += 1,
            sent => {
                assert_eq!((sent, servers[1].receive().payload.len()), (Reply::Number(60_000), 60_000));
            }
        }
        assert_eq!(client.send(Some(at(THERE, 3)), Vec::new(), b"after"), Reply::Number(5));
        assert_eq!(servers[1].receive().payload, b"after");
    }
}

/// RFC 6458, 4.1.8; Linux: closing with unread data is an ABORT at once, whatever waits to be sent.
#[test]
fn a_program_that_dies_with_both_directions_full_resets_its_peer() {
    let clients = clients();
    let (client, server) = pair(&clients, 4);
    write_until_full(&client);
    write_until_full(&server);
    drop(client);
    while !server.read_bare().is_empty() {}
    assert_eq!(server.ask(Command::TakeError), Reply::Errno(libc::ECONNRESET));
}

#[test]
fn an_accept_without_a_token_leaves_none_behind() {
    let [here, there] = clients();
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 5));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 5));
    // The token came between the look into the pair and this command.
    listener.wait_for(PollFlags::POLLIN);
    let (reply, accepted) = there.ask(listener.name.socket, Command::Accept { took: None });
    assert!(accepted.is_some());
    let stale = Some(listener.take_token());
    assert!(matches!(reply, Reply::Accepted { peer: Some(_), stale: told } if told == stale), "{reply:?}");
}

/// What cannot be bare comes while the pair has no room for its token.
#[test]
fn a_token_that_had_no_room_comes_when_there_is_some() {
    let clients = clients();
    for count in 10..18 {
        let (client, server) = pair(&clients, 100 + count);
        for _ in 0..count {
            client.write_bare(&[7; 10_000]);
        }
        // Two whole pieces: a message that is asked for.
        client.write_bare(&[8; MAX_RECORD_LEN]);
        // All has reached the service, as far as it can.
        let Reply::Number(_) = server.ask(Command::Queued) else { panic!("a number") };
        for _ in 0..count {
            assert_eq!(server.read_bare().len(), 10_000);
        }
        assert_eq!(server.receive().payload.len(), MAX_RECORD_LEN, "after {count} messages");
    }
}

/// A thread was told to write a filler, and did not: it died, or the pair had no room.
#[test]
fn a_filler_that_never_comes_leaves_no_descriptor_writable_for_ever() {
    let clients = clients();
    let (client, server) = pair(&clients, 6);
    server.set(SCTP_RECVRCVINFO, &ON);
    // What is sent meanwhile may make room.
    let mut replies = (0..1_000).map(|_| client.ask(command(&[0; 50_000])));
    let mut fills = || replies.any(|reply| matches!(reply, Reply::Later(Filler(1..))));
    assert!(fills() && fills() && fills(), "no filler is asked for any more, and it polls writable");
}

/// Two threads connect by one socket: the one whose peer does not answer is not told of the other's success.
#[test]
fn a_set_up_is_awaited_though_another_one_is_over() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 7));
    let client = here.socket(Style::OneToMany);
    let begin = |address| match client.ask_filling(Command::Connect(address)) {
        Reply::Begun { set_up, .. } => set_up.ticket,
        other => panic!("{other:?}"),
    };
    let unanswered = begin(at("127.0.0.3", 1));
    let answered = begin(at(THERE, 7));
    client.wait_for(PollFlags::POLLOUT);
    let outcome = |ticket: Ticket| client.ask(Command::SetUp(ticket));
    assert_eq!(outcome(answered), Reply::Done);
    assert!(matches!(outcome(unanswered), Reply::Later(_)));
}

/// A peer that does not read holds up messages to itself, not the set-up of another association.
#[test]
fn a_set_up_is_not_held_up_by_a_peer_that_does_not_read() {
    let [here, there] = clients();
    let servers = servers(&there, [8, 9]);
    let client = here.socket(Style::OneToMany);
    send_until_full(&client, 8);
    client.connect(at(THERE, 9));
    drop(servers);
}

#[test]
fn a_descriptor_is_not_for_bare_messages_while_a_refused_one_waits() {
    let clients = clients();
    let (client, server) = pair(&clients, 10);
    server.set(SCTP_RECVRCVINFO, &ON);
    while client.slot().max_bare_len != 0 {
        client.send(None, Vec::new(), &[0; 50_000]);
    }
    while client.slot().max_bare_len == 0 {
        assert_eq!(server.receive().payload.len(), 50_000);
    }
}
