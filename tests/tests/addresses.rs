//! The host's addresses change, and the peer follows (RFC 5061; auto-asconf), over raw IP between two namespaces.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use socketapi::{
    AssociationConfig, Notification, Notifications, PathChange, Received, SctpStream, SendInfo,
    SocketBuilder, Stack, Transport,
};
use system_tests::{Lab, is_root_or_skip};

const LONG: Duration = Duration::from_secs(30);
const PORT: u16 = 5_061;

/// What happened to the peer's addresses, told by the side that watches.
type News = (IpAddr, PathChange);

fn config() -> AssociationConfig {
    let mut config = AssociationConfig { auto_asconf: true, ..AssociationConfig::default() };
    (config.extensions.auth, config.extensions.asconf) = (true, true);
    config
}

fn stack() -> Stack {
    Stack::builder().transport(Transport::Raw).watch_addresses(true).build().expect("root may")
}

/// Takes one association, tells of its paths, and sends a message for each that it gets, until the end.
fn serve(address: String, ready: Sender<()>, news: Sender<News>) {
    let stack = stack();
    let builder = SocketBuilder::new(&stack).config(config()).notifications(Notifications::PATHS);
    let listener = builder.bind((address.as_str(), PORT)).listen().unwrap();
    ready.send(()).unwrap();
    let (stream, _) = listener.accept_deadline(Instant::now() + LONG).unwrap();
    stream.set_read_timeout(Some(LONG));
    while let Some(received) = stream.receive().unwrap() {
        match received {
            Received::Notification(_, Notification::PathChanged { address, change }) => {
                news.send((address, change)).unwrap();
            }
            Received::Notification(..) => {}
            Received::Message(message) => stream.send_bytes(message.into_bytes(), &SendInfo::new()).unwrap(),
        }
    }
}

/// Waits for this piece of news; others before it are of no interest.
fn await_news(news: &Receiver<News>, wanted: News) {
    let end = Instant::now() + LONG;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let next = news.recv_timeout(left).unwrap_or_else(|error| panic!("{wanted:?}: {error}"));
        if next == wanted {
            return;
        }
    }
}

fn echo(stream: &SctpStream, text: &'static [u8]) {
    stream.send(text, &SendInfo::new()).unwrap();
    assert_eq!(stream.recv_message().unwrap().unwrap().into_bytes(), text);
}

#[test]
fn an_address_that_the_host_gets_is_used_by_the_peer_and_one_that_it_loses_is_not() {
    if !is_root_or_skip() {
        return;
    }
    let lab = Lab::new(1, 1500);
    // So that the second address of a network stays when the first one goes.
    lab.a.ip("link set n0 up");
    let script = "echo 1 > /proc/sys/net/ipv4/conf/n0/promote_secondaries";
    assert!(lab.a.command("sh").args(["-c", script]).status().unwrap().success());
    let (ready, is_ready) = channel();
    let (news, told) = channel();
    let (old, new): (IpAddr, IpAddr) = (lab.a.v4(0).parse().unwrap(), "10.77.0.101".parse().unwrap());
    let server = lab.b.v4(0);
    std::thread::scope(|scope| {
        let (address, b) = (server.clone(), &lab.b);
        scope.spawn(move || b.inside(|| serve(address, ready, news)));
        is_ready.recv_timeout(LONG).unwrap();
        let (a, server) = (&lab.a, &server);
        a.inside(move || {
            let stack = stack();
            let stream =
                SocketBuilder::new(&stack).config(config()).connect((server.as_str(), PORT)).unwrap();
            stream.set_read_timeout(Some(LONG));
            echo(&stream, b"before");
            a.ip(&format!("addr add {new}/24 dev n0"));
            await_news(&told, (new, PathChange::Added));
            await_news(&told, (new, PathChange::Confirmed));
            echo(&stream, b"with both");
            a.ip(&format!("addr del {old}/24 dev n0"));
            await_news(&told, (old, PathChange::Removed));
            echo(&stream, b"after");
            stream.shutdown().unwrap();
            stream.wait_ended().unwrap();
        });
    });
}
