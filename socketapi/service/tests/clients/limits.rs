//! What each user may hold, and what happens beyond.

use nix::poll::PollFlags;
use sctp_descriptors::{Command, Reply, Style};
use sctp_service::{Access, Limits, Rules};

use super::client::{HERE, THERE, at, clients_under};

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
    let [(here, control), (there, _)] =
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
    drop(first);
    second.connect(at(THERE, 1));
}

#[test]
fn buffers_are_counted_when_an_association_begins() {
    let config = sctp_service::defaults();
    let buffer_bytes = config.send_buffer + config.receive_buffer - 1;
    let [(here, _), (there, _)] = clients_under(&rules(Limits { buffer_bytes, ..Limits::default() }));
    there.socket(Style::OneToOne).listen(at(THERE, 2));
    let socket = here.socket(Style::OneToOne);
    assert_eq!(socket.ask_filling(Command::Connect(at(THERE, 2))), NO_MEMORY);
}

#[test]
fn what_may_not_be_accepted_waits_until_it_may() {
    let [(here, _), (there, control)] = clients_under(&Rules::default());
    let listener = there.socket(Style::OneToOne);
    listener.listen(at(THERE, 3));
    control.set_rules(rules(Limits { associations: 0, ..Limits::default() }));
    let client = here.socket(Style::OneToOne);
    client.connect(at(THERE, 3));
    let took = Some(listener.take_token());
    assert_eq!(listener.ask(Command::Accept { took }), NO_MEMORY);
    control.set_rules(Rules::default());
    let accepted = listener.accept();
    client.write_bare(b"still here");
    assert_eq!(accepted.read_bare(), b"still here");
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
