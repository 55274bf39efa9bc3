//! What each user may hold, and what happens beyond.

use std::io::Write;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, poll};
use sctp_descriptors::{Command, Reply, Style};
use sctp_service::{Access, Limits, Rules};

use super::client::{HERE, Handle, THERE, at, clients_under, wait_until};

const NO_BUFFERS: Reply = Reply::Errno(libc::ENOBUFS);
const NO_MEMORY: Reply = Reply::Errno(libc::ENOMEM);

fn rules(limits: Limits) -> Rules {
    Rules { limits, ..Rules::default() }
}

#[test]
fn a_socket_too_many_is_refused_until_another_is_closed() {
    let [(here, control), _] = clients_under(&rules(Limits { sockets: 2, ..Limits::default() }));
    let socket = Command::Socket { ipv6: false, style: Style::OneToMany };
    let (first, _second) = (here.socket(Style::OneToOne), here.socket(Style::OneToMany));
    assert_eq!(here.ask(0, socket.clone()).0, NO_BUFFERS);
    drop(first);
    assert_eq!(here.ask(0, socket).0, Reply::Done);
    let user = control.users()[0];
    assert_eq!((user.connections, user.refused), (1, 1));
}

#[test]
fn an_association_too_many_is_not_begun() {
    let [(here, control), (there, accepted)] =
        clients_under(&rules(Limits { associations: 1, ..Limits::default() }));
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 1));
    let (first, second) = (here.socket(Style::OneToOne), here.socket(Style::OneToOne));
    first.connect(at(THERE, 1));
    assert_eq!(second.ask_filling(Command::Connect(at(THERE, 1))), NO_MEMORY);
    let many = here.socket(Style::OneToMany);
    assert_eq!(many.send(Some(at(THERE, 1)), Vec::new(), b"hello"), NO_MEMORY);
    let config = sctp_service::defaults();
    let user = control.users()[0];
    assert_eq!((user.associations, user.buffer_bytes), (1, config.send_buffer + config.receive_buffer));
    // The end of the first makes room.
    drop((listener.accept(), first));
    wait_until("it ends", || [&control, &accepted].iter().all(|it| it.users()[0].associations == 0));
    second.connect(at(THERE, 1));
}

#[test]
fn buffers_are_counted_when_an_association_begins() {
    let buffer_bytes = 2 * Limits::SMALL_BUFFER - 1;
    let [(here, _), (there, _)] = clients_under(&rules(Limits { buffer_bytes, ..Limits::default() }));
    there.socket(Style::OneToOne).listen(at(THERE, 2));
    let socket = here.socket(Style::OneToOne);
    assert_eq!(socket.ask_filling(Command::Connect(at(THERE, 2))), NO_MEMORY);
}

/// What waits to be accepted costs as much.
#[test]
fn what_a_peer_begins_on_a_listener_is_counted_before_it_is_accepted() {
    let [(here, _), (there, control)] = clients_under(&Rules::default());
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 3));
    control.set_rules(rules(Limits { associations: 1, ..Limits::default() }));
    let (first, second) = (here.socket(Style::OneToOne), here.socket(Style::OneToOne));
    first.connect(at(THERE, 3));
    assert_eq!(control.users()[0].associations, 1);
    assert!(!begins(&second, 3));
    let accepted = listener.accept();
    assert_eq!(control.users()[0].associations, 1);
    first.write_bare(b"still here");
    assert_eq!(accepted.read_bare(), b"still here");
}

/// Whether an association begins, and is not aborted at once.
fn begins(client: &Handle<'_>, port: u16) -> bool {
    client.try_to_connect(at(THERE, port)) == Reply::Done && !client.events().contains(PollFlags::POLLHUP)
}

/// The limit holds, whether the program reads or not.
#[test]
fn associations_that_come_to_a_program_that_does_not_read_are_counted() {
    let [(here, _), (there, control)] = clients_under(&Rules::default());
    control.set_rules(rules(Limits { associations: 5, ..Limits::default() }));
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 6));
    let all: Vec<_> = (0..20).map(|_| here.socket(Style::OneToOne)).collect();
    let begun: Vec<_> = all.iter().map(|client| begins(client, 6)).collect();
    assert_eq!(begun.iter().filter(|begun| **begun).count(), 5);
    assert_eq!(control.users()[0].associations, 5);
}

/// What lingers after a close costs memory still, and is still its user's.
#[test]
fn associations_that_linger_after_a_close_are_counted() {
    let [(here, control), (there, _)] =
        clients_under(&rules(Limits { associations: 2, ..Limits::default() }));
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 7));
    for _ in 0..2 {
        let client = here.socket(Style::OneToMany);
        client.connect(at(THERE, 7));
        // More than the peer has room for.
        for _ in 0..8 {
            while client.send(Some(at(THERE, 7)), Vec::new(), &[0; 200_000]) != Reply::Number(200_000) {
                client.wait_for(PollFlags::POLLOUT);
            }
        }
    }
    let third = here.socket(Style::OneToMany);
    assert_eq!(third.ask_filling(Command::Connect(at(THERE, 7))), NO_MEMORY);
    assert_eq!(control.users()[0].associations, 2);
    // Their end makes room.
    drop(server);
    wait_until("they end", || control.users()[0].associations == 0);
}

/// Writes until nothing is taken for a while.
fn write_until_full(socket: &Handle<'_>) {
    socket.end.set_nonblocking(true).unwrap();
    let mut polled = [PollFd::new(socket.end.as_fd(), PollFlags::POLLOUT)];
    while poll(&mut polled, 500_u16).unwrap() == 1 {
        // A record may be longer than the room that there is.
        if (&socket.end).write(&[7; 50_000]).is_err() {
            std::thread::yield_now();
        }
    }
}

/// Nobody holds a descriptor of them any more. Their associations are what they cost.
#[test]
fn sockets_that_linger_at_a_peer_that_does_not_read_do_not_use_up_the_limit() {
    let [(here, control), (there, _)] = clients_under(&rules(Limits { sockets: 2, ..Limits::default() }));
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 8));
    let clients = [here.socket(Style::OneToOne), here.socket(Style::OneToOne)];
    clients.iter().for_each(|client| client.connect(at(THERE, 8)));
    clients.iter().for_each(write_until_full);
    drop(clients);
    let _socket = here.socket(Style::OneToOne);
    assert_eq!((control.users()[0].sockets, control.users()[0].associations), (1, 2));
}

#[test]
fn what_a_peer_begins_beyond_the_limit_is_aborted() {
    let [(here, _), (there, control)] = clients_under(&Rules::default());
    let server = there.socket(Style::OneToMany);
    server.listen(at(THERE, 4));
    control.set_rules(rules(Limits { associations: 1, ..Limits::default() }));
    let (first, second) = (here.socket(Style::OneToOne), here.socket(Style::OneToOne));
    first.connect(at(THERE, 4));
    first.write_bare(b"first");
    assert_eq!(server.receive().payload, b"first");
    // The ABORT may come before the set-up is over, or after.
    let mut error = second.try_to_connect(at(THERE, 4));
    if error == Reply::Done {
        second.wait_for(PollFlags::POLLHUP);
        error = second.ask(Command::TakeError);
    }
    assert!([libc::ECONNREFUSED, libc::ECONNRESET].map(Reply::Errno).contains(&error), "{error:?}");
    first.write_bare(b"again");
    assert_eq!(server.receive().payload, b"again");
}

#[test]
fn a_connection_too_many_is_hung_up_on_and_others_are_not() {
    let [(here, control), _] = clients_under(&rules(Limits { connections: 2, ..Limits::default() }));
    let second = here.another();
    assert!(here.is_refused_another());
    drop(second);
    // The service may see its end a little later.
    while here.is_refused_another() {}
    control.set_rules(Rules { access: Access::All, ..Rules::default() });
    assert!(!here.is_refused_another());
    let socket = here.socket(Style::OneToOne);
    assert_eq!(socket.ask(Command::Bind(at(HERE, 5))), Reply::Done);
}
