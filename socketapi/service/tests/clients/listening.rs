//! `listen`.

use sctp_descriptors::{Command, OptionName, Reply, Style};

use super::client::{Handle, THERE, at, clients};

const STYLES: [(Style, u16); 2] = [(Style::OneToOne, 1), (Style::OneToMany, 2)];

fn listens(socket: &Handle<'_>) -> bool {
    let option = OptionName { level: libc::SOL_SOCKET, number: libc::SO_ACCEPTCONN };
    let Reply::Value(value) = socket.ask(Command::GetOption { option, room: 4, input: Vec::new() }) else {
        panic!("a number")
    };
    value.bytes == 1_i32.to_ne_bytes()
}

/// As on Linux, a second call changes the backlog.
#[test]
fn a_socket_can_listen_twice() {
    let [here, there] = clients();
    for (style, port) in STYLES {
        let server = there.socket(style);
        assert_eq!(server.ask(Command::Bind(at(THERE, port))), Reply::Done);
        for backlog in [1, 3] {
            assert_eq!(server.ask(Command::Listen(backlog)), Reply::Done, "{style:?}");
        }
        let clients: Vec<_> = (0..3).map(|_| here.socket(Style::OneToOne)).collect();
        clients.iter().for_each(|client| client.connect(at(THERE, port)));
    }
}

/// RFC 6458, 3.1.3 and 4.1.3.
#[test]
fn a_backlog_of_zero_ends_listening() {
    let [here, there] = clients();
    for (style, port) in STYLES {
        let server = there.socket(style);
        server.listen(at(THERE, port));
        assert!(listens(&server));
        assert_eq!(server.ask(Command::Listen(0)), Reply::Done);
        assert!(!listens(&server), "{style:?}");
        let client = here.socket(Style::OneToOne);
        assert_eq!(client.try_to_connect(at(THERE, port)), Reply::Errno(libc::ECONNREFUSED));
        assert_eq!(server.ask(Command::Listen(5)), Reply::Done);
        client.connect(at(THERE, port));
    }
}

#[test]
fn a_backlog_of_zero_begins_nothing() {
    let [_, there] = clients();
    for (style, port) in STYLES {
        let server = there.socket(style);
        assert_eq!(server.ask(Command::Bind(at(THERE, port))), Reply::Done);
        assert_eq!(server.ask(Command::Listen(0)), Reply::Done);
        assert!(!listens(&server), "{style:?}");
    }
}

/// As on Linux (`__sys_listen`).
#[test]
fn a_negative_backlog_is_the_largest() {
    let [here, there] = clients();
    let listener = there.socket(Style::OneToOne);
    assert_eq!(listener.ask(Command::Bind(at(THERE, 1))), Reply::Done);
    assert_eq!(listener.ask(Command::Listen(-1)), Reply::Done);
    let all: Vec<_> = (0..5).map(|_| here.socket(Style::OneToOne)).collect();
    all.iter().for_each(|client| client.connect(at(THERE, 1)));
}
