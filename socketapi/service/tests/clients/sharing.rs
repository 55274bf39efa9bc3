//! Sockets that several processes hold, and clients that leave.

use std::os::unix::fs::FileExt;

use nix::poll::PollFlags;
use sctp_descriptors::{Command, Reply, Slot, Style};

use super::client::{Handle, THERE, at, clients};

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

/// The slot of a socket on the board of its user.
fn slot(socket: &Handle<'_>, board: &std::fs::File) -> Option<Slot> {
    let mut bytes = [0; Slot::LEN];
    board.read_exact_at(&mut bytes, u64::from(socket.name.slot) * Slot::LEN as u64).unwrap();
    Slot::from_bytes(bytes, socket.name.socket)
}

#[test]
fn the_board_says_when_writes_may_be_bare() {
    let [here, there] = clients();
    let (_, board) = here.ask(0, Command::Board);
    let board = std::fs::File::from(board.unwrap());
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 3));
    let client = here.socket(Style::OneToOne);
    let before = slot(&client, &board).unwrap();
    assert_eq!((before.max_bare_len, before.may_wait), (0, false));
    client.connect(at(THERE, 3));
    let after = slot(&client, &board).unwrap();
    assert!(after.max_bare_len >= 65_536 && after.may_wait, "{after:?}");
    let accepted = listener.accept();
    drop(accepted);
    client.wait_for(PollFlags::POLLHUP);
    assert_eq!(client.ask(Command::TakeError), Reply::Errno(0));
    assert_eq!(slot(&client, &board), None);
}
