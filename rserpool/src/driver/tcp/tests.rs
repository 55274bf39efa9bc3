use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::Instant;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);
const MESSAGE: &[u8] = &[5, 0, 0, 8, 1, 2, 3, 4];

/// An endpoint that listens, with a clock of its own.
struct Server {
    tcp: TcpEndpoint,
    now: Time,
    next_incoming: u64,
}

impl Server {
    fn start(options: TcpOptions) -> Self {
        let mut tcp = TcpEndpoint::open(Vec::new(), options).expect("an endpoint");
        tcp.listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        Self { tcp, now: Time::ZERO, next_incoming: 0 }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp.places()[0]).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time-out");
        stream
    }

    /// What has happened, if anything.
    fn poll(&mut self) -> Option<TransportEvent> {
        self.tcp.look(self.now, &mut self.next_incoming);
        self.tcp.poll(self.now)
    }

    fn next(&mut self) -> TransportEvent {
        let start = Instant::now();
        loop {
            if let Some(event) = self.poll() {
                return event;
            }
            assert!(start.elapsed() < LIMIT, "nothing happens");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn accept(&mut self) -> (TcpStream, AssociationId) {
        let stream = self.connect();
        match self.next() {
            TransportEvent::Accepted { association, side: Side::AsapTcp, .. } => (stream, association),
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.tcp.handle_timeout(self.now);
    }
}

fn lost(association: AssociationId, reason: LostReason) -> TransportEvent {
    TransportEvent::Lost { association, reason }
}

fn message(association: AssociationId) -> TransportEvent {
    TransportEvent::Message { association, message: UserMessage::new(ASAP_PPID, MESSAGE) }
}

#[test]
fn messages_arrive_though_each_byte_comes_alone() {
    // RFC 5352, 3.3.
    let mut server = Server::start(TcpOptions::default());
    let (mut stream, association) = server.accept();
    stream.set_nodelay(true).expect("a socket");
    for byte in MESSAGE.repeat(3) {
        stream.write_all(&[byte]).expect("a connection");
    }
    for _ in 0..3 {
        assert_eq!(server.next(), message(association));
    }
    server.tcp.send(association, &Bytes::from_static(&[6, 0, 0, 5, 7]), server.now);
    let mut answer = [9; 8];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, [6, 0, 0, 5, 7, 0, 0, 0], "with its padding");
    drop(stream);
    assert_eq!(server.next(), lost(association, LostReason::Shutdown));
    assert_eq!(server.tcp.poll_timeout(), None);
}

#[test]
fn a_message_that_has_begun_has_to_end_in_time() {
    let mut server = Server::start(TcpOptions { patience: Duration::from_secs(5), ..TcpOptions::default() });
    let (mut stream, association) = server.accept();
    let (_idle, _) = server.accept();
    // One byte after the other does not make the time longer.
    for byte in &MESSAGE[..3] {
        stream.write_all(&[*byte]).expect("a connection");
        let start = Instant::now();
        while server.tcp.poll_timeout().is_none() {
            assert!(start.elapsed() < LIMIT && server.poll().is_none());
        }
        server.pass(Duration::from_secs(1));
    }
    assert_eq!(server.tcp.poll_timeout(), Some(Time::from_millis(5000)));
    server.pass(Duration::from_secs(2));
    assert_eq!(server.next(), lost(association, LostReason::TimedOut));
    assert!(stream.read(&mut [0]).is_err(), "it is reset");
    assert_eq!(server.tcp.refusals(), TcpRefusals { too_many: 0, too_slow: 1 });
    // Who has begun nothing may take its time: that is the machine's affair.
    server.pass(Duration::from_secs(1000));
    assert_eq!(server.poll(), None);
}

#[test]
fn what_is_no_message_ends_the_connection() {
    let mut server = Server::start(TcpOptions::default());
    for wrong in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4], &[5, 0, 0, 3], &[5, 0, 0xff, 0xff]] {
        let (mut stream, association) = server.accept();
        stream.write_all(&[MESSAGE, wrong].concat()).expect("a connection");
        assert_eq!(server.next(), message(association));
        assert_eq!(server.next(), lost(association, LostReason::Local), "{wrong:?}");
    }
}

#[test]
fn who_does_not_take_its_answers_is_not_asked_for_more_and_then_given_up() {
    let patience = Duration::from_secs(5);
    let mut server = Server::start(TcpOptions { patience, ..TcpOptions::default() });
    let (mut stream, association) = server.accept();
    stream.set_nonblocking(true).expect("a socket");
    let answer = Bytes::from([&[6, 0, 0xff, 0xfc][..], &[1; 0xfffc - 4]].concat());
    let (mut taken, mut start) = (0, Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        // As much as the kernel takes.
        let _ = stream.write(&MESSAGE.repeat(100));
        if let Some(event) = server.poll() {
            assert_eq!(event, message(association));
            server.tcp.send(association, &answer, server.now);
            (taken, start) = (taken + 1, Instant::now());
        }
    }
    assert!((1..1000).contains(&taken), "{taken} answers are kept for nobody");
    server.pass(patience);
    assert_eq!(server.next(), lost(association, LostReason::TimedOut));
}

#[test]
fn who_takes_its_answers_late_gets_all_of_them() {
    let mut server = Server::start(TcpOptions::default());
    let (mut stream, association) = server.accept();
    let answer = Bytes::from([&[6, 0, 0xff, 0xfc][..], &[1; 0xfffc - 4]].concat());
    let reader = std::thread::spawn(move || {
        for _ in 0..100 {
            stream.write_all(MESSAGE).expect("a connection");
        }
        let mut all = vec![0; 100 * 0xfffc];
        stream.read_exact(&mut all).expect("all answers");
        all
    });
    for _ in 0..100 {
        assert_eq!(server.next(), message(association));
        server.tcp.send(association, &answer, server.now);
    }
    while !reader.is_finished() {
        assert!(matches!(server.poll(), None | Some(TransportEvent::Lost { .. })));
    }
    assert!(reader.join().expect("no panic").chunks(0xfffc).all(|chunk| chunk == &answer[..]));
}

#[test]
fn there_is_a_limit_in_all_and_for_each_address() {
    let options = TcpOptions { max_connections: 3, max_of_address: 2, ..TcpOptions::default() };
    let mut server = Server::start(options);
    let (first, _) = server.accept();
    let (_second, _) = server.accept();
    let mut third = server.connect();
    let is_closed = |server: &mut Server, stream: &mut TcpStream| {
        let start = Instant::now();
        stream.set_nonblocking(true).expect("a socket");
        loop {
            assert_eq!(server.poll(), None);
            match stream.read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => assert!(start.elapsed() < LIMIT),
                outcome => break matches!(outcome, Ok(0) | Err(_)),
            }
        }
    };
    assert!(is_closed(&mut server, &mut third), "one too many of this address");
    let from = |host| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 79, 30, host], 0)).into()).expect("an address of our own");
        socket.connect(&server.tcp.places()[0].into()).expect("it listens");
        TcpStream::from(socket)
    };
    let (_other, mut another) = (from(1), from(2));
    assert!(matches!(server.next(), TransportEvent::Accepted { .. }));
    assert!(is_closed(&mut server, &mut another), "one too many in all");
    assert_eq!(server.tcp.refusals(), TcpRefusals { too_many: 2, too_slow: 0 });
    drop(first);
    assert!(matches!(server.next(), TransportEvent::Lost { .. }));
    server.accept();
}

#[test]
fn a_connection_that_is_refused_or_given_up_is_told_as_lost() {
    let mut server = Server::start(TcpOptions::default());
    let mut client = Server {
        tcp: TcpEndpoint::open(Vec::new(), TcpOptions::default()).expect("an endpoint"),
        now: Time::ZERO,
        next_incoming: 0,
    };
    let (first, second) = (AssociationId::Outgoing(0), AssociationId::Outgoing(1));
    client.tcp.connect(first, &Peer::from(server.tcp.places()[0]));
    assert!(matches!(client.next(), TransportEvent::Connected { association, .. } if association == first));
    let TransportEvent::Accepted { association, .. } = server.next() else { panic!("it has come") };
    client.tcp.send(first, &Bytes::from_static(MESSAGE), client.now);
    client.tcp.shut_down(first, client.now);
    assert_eq!(server.next(), message(association));
    assert_eq!(server.next(), lost(association, LostReason::Shutdown));
    let nobody = server.tcp.places()[0];
    drop(server);
    client.tcp.connect(second, &Peer::from(nobody));
    assert_eq!(client.next(), lost(second, LostReason::Aborted));
}
