//! Fillers: who is told to write one, and what becomes of those that come late or never.

use nix::poll::PollFlags;
use sctp_abi::constants::{SCTP_ABORT, SCTP_RECVRCVINFO};
use sctp_descriptors::{Command, Filler, Reply, Send, Style};

use super::client::{HERE, THERE, at, clients, wait_until};
use super::one::{pair, sndinfo};
use super::order::{send_until_full, servers};

const ON: [u8; 4] = 1_i32.to_ne_bytes();

fn message(to: Option<(&str, u16)>, len: usize) -> Command {
    let to = to.map(|(ip, port)| at(ip, port));
    Command::Send(Send { flags: 0, to, control: Vec::new(), payload: vec![7; len] })
}

/// An association has ended, and what came before is not read yet: no other one can begin on this socket (RFC 6458, 4.1.8). It was
/// told again and again to write a filler, which was taken out each time.
#[test]
fn a_socket_with_something_unread_of_its_ended_association_begins_no_other() {
    let clients = clients();
    let (client, server) = pair(&clients, 1);
    client.set(SCTP_RECVRCVINFO, &ON);
    server.write_bare(b"unread");
    client.wait_for(PollFlags::POLLIN);
    server.send(None, sndinfo(0, SCTP_ABORT, 0, 0), b"");
    let to_other = || client.ask_filling(message(Some(("127.0.0.3", 9)), 10));
    wait_until("the association ends", || !matches!(to_other(), Reply::Number(_)));
    for _ in 0..10 {
        assert_eq!(to_other(), Reply::Errno(libc::EADDRNOTAVAIL));
    }
    assert_eq!(client.receive().payload, b"unread");
}

/// Two clients send at once on one socket, to peers that do not read: each is told to write a filler once, and is told then when
/// there is room.
#[test]
fn who_waits_for_room_is_told_of_it_though_another_one_waits_too() {
    let [here, there] = clients();
    let servers = servers(&there, [2, 3]);
    let one = here.socket(Style::OneToMany);
    let another_client = here.another();
    let other = one.shared_with(&another_client);
    one.connect(at(THERE, 2));
    one.connect(at(THERE, 3));
    let refusals = || {
        send_until_full(&one, 2);
        send_until_full(&other, 3);
        [(&one, 2), (&other, 3)]
            .map(|(handle, port)| handle.ask_filling(message(Some((THERE, port)), 50_000)))
    };
    // Both are refused, and the filler of one is there for the other one, too.
    wait_until("nothing is under way any more", || {
        refusals().iter().all(|refusal| *refusal == Reply::Later(Filler(0)))
    });
    assert!(!one.events().contains(PollFlags::POLLOUT));
    for _ in 0..20 {
        servers[1].receive();
    }
    other.wait_for(PollFlags::POLLOUT);
    assert_eq!(other.ask_filling(message(Some((THERE, 3)), 50_000)), Reply::Number(50_000));
    // The first one finds that there is none for it, soon, and keeps the descriptor from polling writable.
    wait_until("it is refused", || {
        matches!(one.ask_filling(message(Some((THERE, 2)), 50_000)), Reply::Later(_))
            && !one.events().contains(PollFlags::POLLOUT)
    });
}

/// A set-up that nobody answers does not keep from a sender that there is room.
#[test]
fn who_waits_for_room_does_not_wait_for_a_set_up() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 4));
    server.set(SCTP_RECVRCVINFO, &ON);
    let client = here.socket(Style::OneToMany);
    client.connect(at(THERE, 4));
    let Reply::Begun { set_up, .. } = client.ask_filling(Command::Connect(at("127.0.0.3", 1))) else {
        panic!("it begins")
    };
    send_until_full(&client, 4);
    for _ in 0..20 {
        server.receive();
    }
    client.wait_for(PollFlags::POLLOUT);
    assert_eq!(client.ask_filling(message(Some((THERE, 4)), 50_000)), Reply::Number(50_000));
    assert!(matches!(client.ask(Command::SetUp(set_up.ticket)), Reply::Later(_)));
}

/// The set-up is over before the client comes to write its filler: that is taken out all the same.
#[test]
fn a_filler_that_comes_behind_what_it_was_for_keeps_nobody_waiting() {
    let [here, there] = clients();
    for style in [Style::OneToOne, Style::OneToMany] {
        let client = here.socket(style);
        // The first one uses up what a new pair has.
        for _ in 0..2 {
            let Reply::Begun { set_up, .. } = client.ask(Command::Connect(at(THERE, 5))) else {
                panic!("it begins")
            };
            let outcome = || client.ask(Command::SetUp(set_up.ticket));
            wait_until("nobody listens", || outcome() == Reply::Errno(libc::ECONNREFUSED));
            client.fill(set_up.filler);
            client.wait_for(PollFlags::POLLOUT);
            assert_eq!(client.ask(Command::TakeError) == Reply::Errno(0), style == Style::OneToMany);
        }
    }
    let server = there.socket(Style::OneToOne);
    server.listen(at(THERE, 5));
    let client = here.socket(Style::OneToOne);
    assert_ne!(client.try_to_connect(at("127.0.0.2", 6)), Reply::Done);
    let Reply::Begun { set_up, .. } = client.ask(Command::Connect(at(THERE, 5))) else { panic!("it begins") };
    wait_until("it is up", || client.ask(Command::SetUp(set_up.ticket)) == Reply::Done);
    assert_ne!(set_up.filler, Filler(0));
    client.fill(set_up.filler);
    client.wait_for(PollFlags::POLLOUT);
    client.write_bare(b"behind it");
    assert_eq!(server.accept().read_bare(), b"behind it");
    assert!(client.ask(Command::LocalAddress) != Reply::Address(at(HERE, 0)));
}
