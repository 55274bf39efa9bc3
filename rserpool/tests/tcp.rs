//! Pool users over TCP at a registrar over real sockets, on loopback addresses that no other test uses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rserpool::driver::{
    PoolElement, PoolElementOptions, PoolUser, PoolUserOptions, Registrar, RegistrarOptions, Service,
    ServiceSession, TcpOptions,
};
use rserpool::registrar::RegistrarConfig;
use rserpool::session::SessionEvent;
use rserpool::transport::{Peer, UserMessage};
use rserpool::wire::{ASAP_PORT, AsapMessage, Format, MessageStream, Protocol, Transport, TransportUse};
use rserpool::{Profile, RegistrarId};
use socketapi::Stack;

const PROFILE: Profile = Profile::Fast;
const LIMIT: Duration = Duration::from_secs(20);

struct Echo;

impl Service for Echo {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        session.send(message).expect("the session is up");
    }
}

fn stack(test: u8, host: u8) -> Stack {
    let builder = Stack::builder().transport(socketapi::Transport::Udp).address([127, 79, test, host]);
    builder.linger(Duration::ZERO).build().expect("a stack")
}

/// A registrar, and an element that serves. Whoever comes over TCP is on the address of this host.
struct Site {
    registrar: Registrar,
    _element: PoolElement,
    at_user: Stack,
    _others: [Stack; 2],
}

impl Site {
    fn new(test: u8, tcp: TcpOptions) -> Self {
        let (at_registrar, at_element, at_user) = (stack(test, 2), stack(test, 3), stack(test, 4));
        let mut options = RegistrarOptions::new(PROFILE.sctp_settings());
        options.tcp = Some(TcpOptions { is_required: true, ..tcp });
        let config = RegistrarConfig::new(RegistrarId(1), PROFILE);
        let registrar = Registrar::start(&at_registrar, config, options).expect("a registrar");
        let known = vec![Peer { addresses: at_registrar.local_addresses(), port: ASAP_PORT }];
        let options = PoolElementOptions::new("Pool".into(), known, PROFILE);
        let element = PoolElement::start(&at_element, options, Echo).expect("an element");
        element.next_event(Some(Instant::now() + LIMIT)).expect("a registration");
        Self { registrar, _element: element, at_user, _others: [at_registrar, at_element] }
    }

    fn address(&self) -> SocketAddr {
        self.registrar.tcp_addrs()[0]
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time-out");
        stream
    }
}

fn request() -> Vec<u8> {
    let message = AsapMessage::HandleResolution { subscribe: false, pool_handle: "Pool".into(), items: None };
    message.encode(&Format::default()).expect("a message").to_vec()
}

/// Reads so many answers, each of which has to have the element.
fn await_answers(stream: &mut TcpStream, count: usize) {
    let (mut messages, mut buffer) = (MessageStream::new(65_535), [0; 4096]);
    let mut seen = 0;
    while seen < count {
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "the registrar has closed after {seen} answers");
        messages.push(&buffer[..read]);
        while let Some(data) = messages.pop().expect("messages") {
            match AsapMessage::parse(&data, &Format::default()).expect("ASAP").message {
                AsapMessage::HandleResolutionResponse { elements, .. } => assert_eq!(elements.len(), 1),
                other => panic!("{other:?}"),
            }
            seen += 1;
        }
    }
}

#[test]
fn a_user_that_asks_over_tcp_talks_to_elements_over_sctp() {
    // RFC 5352, 2.1 and 3.3.
    let site = Site::new(31, TcpOptions::default());
    assert_eq!(site.address(), SocketAddr::from(([127, 79, 31, 2], ASAP_PORT)));
    let mut options = PoolUserOptions::new(Vec::new(), PROFILE);
    options.config.over_tcp.registrars = vec![site.address()];
    let user = PoolUser::start(&site.at_user, options).expect("a user");
    assert_eq!(user.resolve("Pool".into(), Some(Instant::now() + LIMIT)).expect("an element").len(), 1);
    let session = user.open_session("Pool".into());
    session.wait_connected(LIMIT).expect("a connection");
    session.send(&UserMessage::new(7, "hello")).expect("it is connected");
    loop {
        match session.receive(Some(Instant::now() + LIMIT)).expect("an answer") {
            SessionEvent::Data(reply) => break assert_eq!(&reply.data[..], b"hello"),
            SessionEvent::BusinessCard(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn announces_may_tell_of_tcp_before_sctp() {
    // RFC 5352, 2.2.10.
    let site = Site::new(38, TcpOptions { is_announced: true, ..TcpOptions::default() });
    let announced = site.registrar.inspect(|registrar| registrar.config().announce_transports.clone());
    let sctp = Transport::sctp(ASAP_PORT, [site.address().ip()], TransportUse::DataOnly);
    let tcp = Transport { protocol: Protocol::Tcp, ..sctp.clone() };
    assert_eq!(announced, [tcp, sctp]);
    let silent = Site::new(39, TcpOptions::default());
    assert!(silent.registrar.inspect(|registrar| registrar.config().announce_transports.is_empty()));
}

#[test]
fn a_user_leaves_a_registrar_over_tcp_that_is_gone_for_another() {
    // RFC 5352, 3.3 and 3.6.
    let mut sites = [32, 33].map(|test| Some(Site::new(test, TcpOptions::default())));
    let at_user = stack(37, 4);
    let mut options = PoolUserOptions::new(Vec::new(), PROFILE);
    options.config.over_tcp.registrars = sites.iter().flatten().map(Site::address).collect();
    let user = PoolUser::start(&at_user, options).expect("a user");
    let resolve = || user.resolve("Pool".into(), Some(Instant::now() + LIMIT)).expect("an element").len();
    let answered = |site: &Option<Site>| site.as_ref().map(|site| site.registrar.statistics().resolutions);
    assert_eq!(resolve(), 1);
    let home = sites.iter().position(|site| answered(site) == Some(1)).expect("somebody has answered");
    assert_eq!(answered(&sites[1 - home]), Some(0));
    sites[home] = None;
    assert_eq!(resolve(), 1);
    assert_eq!(answered(&sites[1 - home]), Some(1));
}

#[test]
fn requests_are_answered_in_order_however_they_are_cut() {
    let site = Site::new(34, TcpOptions::default());
    let mut stream = site.connect();
    stream.set_nodelay(true).expect("a socket");
    for byte in request().repeat(3) {
        stream.write_all(&[byte]).expect("a connection");
    }
    await_answers(&mut stream, 3);
    stream.write_all(&request().repeat(500)).expect("a connection");
    await_answers(&mut stream, 500);
}

#[test]
fn who_sends_noise_or_half_messages_or_does_not_read_is_closed_and_others_are_served() {
    let options = TcpOptions { patience: Duration::from_millis(300), ..TcpOptions::default() };
    let site = Site::new(35, options);
    let mut noisy = site.connect();
    noisy.write_all(b"GET / HTTP/1.1\r\nHost: registrar\r\n\r\n").expect("a connection");
    let mut half = site.connect();
    half.write_all(&request()[..7]).expect("a connection");
    let mut deaf = site.connect();
    deaf.set_write_timeout(Some(LIMIT)).expect("a time-out");
    let flood = std::thread::spawn(move || {
        let much = request().repeat(1000);
        // Until the registrar has enough of it.
        (0..100_000).any(|_| deaf.write_all(&much).is_err())
    });
    await_end(&mut noisy);
    await_end(&mut half);
    let mut other = site.connect();
    other.write_all(&request()).expect("a connection");
    await_answers(&mut other, 1);
    assert!(flood.join().expect("no panic"), "it is not closed");
    assert!(site.registrar.statistics().bad_messages == 0);
}

fn await_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert!(rest.is_empty());
}

#[test]
fn thousands_of_connections_are_served_and_one_too_many_is_closed() {
    const COUNT: usize = 2000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if hard < 3 * COUNT as u64 {
        println!("SKIPPED: {hard} descriptors are too few");
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("it may be raised so far");
    let site = Site::new(36, TcpOptions { max_of_address: COUNT, ..TcpOptions::default() });
    let mut all: Vec<TcpStream> = (0..COUNT).map(|_| site.connect()).collect();
    for stream in &mut all {
        stream.write_all(&request()).expect("a connection");
    }
    all.iter_mut().for_each(|stream| await_answers(stream, 1));
    await_end(&mut site.connect());
    drop(all);
    let start = Instant::now();
    loop {
        // Until those that have gone are noticed.
        let mut stream = site.connect();
        if stream.write_all(&request()).is_ok() && stream.peek(&mut [0]).is_ok_and(|read| read > 0) {
            break await_answers(&mut stream, 1);
        }
        assert!(start.elapsed() < LIMIT);
    }
}
