//! Several users.

use nix::poll::PollFlags;
use sctp_abi::constants::SCTP_RECVRCVINFO;
use sctp_descriptors::{Command, Reply, Style};
use sctp_service::{Access, Rules};

use super::client::{Client, Handle, THERE, at, clients_under};
use super::one::pair;

const ON: [u8; 4] = 1_i32.to_ne_bytes();

fn for_all() -> [Client; 2] {
    clients_under(&Rules { access: Access::All, ..Rules::default() }).map(|(client, _)| client)
}

/// A client of another user; `None` where this is not root.
#[expect(unsafe_code, reason = "the C library would change the user of all threads")]
fn as_nobody(client: &Client) -> Option<Client> {
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: not root");
        return None;
    }
    let service = client.service.clone();
    let connecting = std::thread::spawn(move || {
        // SAFETY: numbers only; it changes this thread, which ends with this function.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, -1, NOBODY, -1) }, 0);
        Client::connect(&service)
    });
    Some(connecting.join().unwrap())
}

#[test]
fn the_error_of_an_ended_socket_is_its_user_s_alone() {
    let clients = for_all();
    let Some(stranger) = as_nobody(&clients[0]) else { return };
    let (client, server) = pair(&clients, 7);
    server.set(SCTP_RECVRCVINFO, &ON);
    client.send(None, Vec::new(), b"never read");
    server.wait_for(PollFlags::POLLIN);
    drop(server);
    client.wait_for(PollFlags::POLLIN);
    let (stolen, _) = stranger.ask(client.name.socket, Command::TakeError);
    assert_eq!((stolen, client.ask(Command::TakeError)), (Reply::Show, Reply::Errno(libc::ECONNRESET)));
}

/// A daemon listens as root, forks, and its children give their privileges up: whoever holds the descriptor may use it.
#[test]
fn a_socket_is_of_whoever_shows_its_descriptor() {
    let clients = for_all();
    let [here, there] = &clients;
    let Some(worker) = as_nobody(there) else { return };
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 1));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 1));
    let shared = listener.shared_with(&worker);
    assert_eq!(shared.ask(Command::LocalAddress), Reply::Show);
    worker.show(&shared.end);
    assert_eq!(shared.ask(Command::LocalAddress), Reply::Address(at(THERE, 1)));
    // What comes of it is the worker's own.
    let accepted: Handle<'_> = shared.accept();
    client.write_bare(b"hello");
    assert_eq!(accepted.read_bare(), b"hello");
    assert!(matches!(accepted.ask(Command::PeerAddress), Reply::Address(_)));
}

#[test]
fn a_guest_that_took_a_token_and_died_holds_up_nobody() {
    let clients = for_all();
    let [here, there] = &clients;
    let Some(worker) = as_nobody(there) else { return };
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 2));
    let shared = listener.shared_with(&worker);
    worker.show(&shared.end);
    assert!(matches!(shared.ask(Command::LocalAddress), Reply::Address(_)));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 2));
    shared.take_token();
    drop(shared);
    drop(worker);
    listener.accept();
}

#[test]
fn nothing_but_its_descriptor_opens_another_user_s_socket() {
    let [here, there] = for_all();
    let Some(stranger) = as_nobody(&there) else { return };
    let (socket, other) = (there.socket(Style::OneToOne), here.socket(Style::OneToOne));
    let own = stranger.socket(Style::OneToOne);
    for shown in [&own.end, &other.end] {
        stranger.show(shown);
        assert_eq!(stranger.ask(socket.name.socket, Command::LocalAddress).0, Reply::Show);
    }
    assert!(matches!(own.ask(Command::LocalAddress), Reply::Address(_)));
}
