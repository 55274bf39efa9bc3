//! Sockets that several processes hold, and clients that leave.

use nix::poll::PollFlags;
use sctp_abi::constants::SCTP_RECVRCVINFO;
use sctp_descriptors::{Command, Reply, Style};

use super::client::{END, THERE, at, clients};
use super::one::pair;

#[test]
fn a_process_that_took_a_token_and_died_holds_up_nobody() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 1));
    let client = here.socket(Style::OneToMany);
    client.send(Some(at(THERE, 1)), Vec::new(), b"for whoever lives");
    let other = there.another();
    let shared = server.shared_with(&other);
    shared.take_token();
    drop(shared);
    drop(other);
    assert_eq!(server.receive().payload, b"for whoever lives");
}

#[test]
fn what_another_process_has_read_is_not_promised_any_more() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 2));
    let client = here.socket(Style::OneToMany);
    client.send(Some(at(THERE, 2)), Vec::new(), b"once");
    server.wait_for(PollFlags::POLLIN);
    let other = there.another();
    let shared = server.shared_with(&other);
    let Reply::Received(received) = shared.receive_as(libc::MSG_DONTWAIT, 100, None) else {
        panic!("a message")
    };
    assert_eq!(received.payload, b"once");
    assert_eq!(received.stale, Some(server.take_token()));
}

/// One took the token and has not asked yet; the other asks without a token, and is told that one is stale.
#[test]
fn a_stale_token_is_not_taken_for_a_new_one() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 4));
    let client = here.socket(Style::OneToMany);
    client.send(Some(at(THERE, 4)), Vec::new(), b"one");
    let other = there.another();
    let second = server.shared_with(&other);
    let took = Some(second.take_token());
    let Reply::Received(received) = server.receive_as(libc::MSG_DONTWAIT, 100, None) else {
        panic!("a message")
    };
    assert_eq!(received.stale, took);
    assert_eq!(second.receive_as(libc::MSG_DONTWAIT, 100, took), Reply::Empty { stale: None });
    client.send(Some(at(THERE, 4)), Vec::new(), b"two");
    // As the first does, late, what it was told: it finds a later one, and gives it back.
    let later = server.take_token();
    assert!(received.stale.is_some_and(|stale| !later.is_up_to(stale)));
    assert_eq!(server.ask(Command::GiveBackToken(later)), Reply::Done);
    assert_eq!(second.receive().payload, b"two");
}

#[test]
fn processes_that_took_tokens_and_died_hold_up_nobody() {
    let [here, there] = clients();
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 5));
    let client = here.socket(Style::OneToMany);
    client.send(Some(at(THERE, 5)), Vec::new(), b"for whoever lives");
    for _ in 0..3 {
        let other = there.another();
        server.shared_with(&other).take_token();
    }
    assert_eq!(server.receive().payload, b"for whoever lives");
}

/// One reader has room for all of a message; the other gets the next one, not the end of the first.
#[test]
fn a_long_message_goes_to_one_reader() {
    let clients = clients();
    let (client, server) = pair(&clients, 6);
    server.set(SCTP_RECVRCVINFO, &1_i32.to_ne_bytes());
    client.send(None, Vec::new(), &[1; 100_000]);
    client.send(None, Vec::new(), &[2; 10]);
    let long = server.receive();
    assert_eq!((long.in_file, long.flags), (100_000, libc::MSG_EOR));
    assert_eq!(server.receive().payload, [2; 10]);
}

#[test]
fn the_board_says_when_writes_may_be_bare() {
    let [here, there] = clients();
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 3));
    let client = here.socket(Style::OneToOne);
    let before = client.slot();
    assert_eq!((before.max_bare_len, before.may_wait), (0, false));
    client.connect(at(THERE, 3));
    let after = client.slot();
    assert!(after.max_bare_len >= 65_536 && after.may_wait, "{after:?}");
    drop(listener.accept());
    client.wait_for(END);
    assert_eq!(client.ask(Command::TakeError), Reply::Errno(0));
    let ended = client.slot();
    assert_eq!((ended.max_bare_len, ended.may_wait), (0, false));
}
