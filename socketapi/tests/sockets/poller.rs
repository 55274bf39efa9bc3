//! Waiting for many sockets at once.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socketapi::{Error, Patience, Poller, Readiness, SendInfo};

use crate::support::{LONG, Pair, in_memory};

#[test]
fn a_poller_tells_which_sockets_are_ready_until_they_are_read() {
    Pair::each(|pair| {
        let ends: Vec<_> = (0..5).map(|_| pair.connected()).collect();
        let poller = Poller::new(&pair.server);
        for (token, (server, _)) in (0..).zip(&ends) {
            poller.add(server.socket(), token, false).unwrap();
        }
        let mut ready = Vec::new();
        assert!(matches!(poller.wait(&mut ready, Patience::None), Err(Error::WouldBlock)));
        ends[3].1.send(b"x", &SendInfo::new()).unwrap();
        let long = || Patience::Until(pair.server.now() + LONG);
        poller.wait(&mut ready, long()).unwrap();
        let expected = Readiness { token: 3, readable: true, writable: false };
        assert_eq!(ready, [expected]);
        poller.wait(&mut ready, Patience::None).unwrap();
        assert_eq!(ready, [expected], "level-triggered");
        ends[3].0.recv_message().unwrap();
        assert!(matches!(poller.wait(&mut ready, Patience::None), Err(Error::WouldBlock)));
        ends[1].1.shutdown().unwrap();
        poller.wait(&mut ready, long()).unwrap();
        assert_eq!(ready[0].token, 1, "the end is readable");
    });
}

#[test]
fn a_connecting_socket_becomes_writable_and_a_listener_readable() {
    Pair::each(|pair| {
        let (listener, address) = pair.listen();
        let poller = Poller::new(&pair.client);
        let stream = socketapi::SocketBuilder::new(&pair.client).nonblocking().connect(address).unwrap();
        poller.add(stream.socket(), 1, true).unwrap();
        let mut ready = Vec::new();
        poller.wait(&mut ready, Patience::Until(pair.client.now() + LONG)).unwrap();
        assert_eq!(ready, [Readiness { token: 1, readable: false, writable: true }]);
        let accepting = Poller::new(&pair.server);
        accepting.add(listener.socket(), 2, true).unwrap();
        accepting.wait(&mut ready, Patience::Until(pair.server.now() + LONG)).unwrap();
        assert_eq!(ready, [Readiness { token: 2, readable: true, writable: false }]);
    });
}

#[test]
fn the_descriptor_is_readable_while_something_is_ready() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    let poller = Poller::new(&pair.server);
    poller.add(server.socket(), 0, false).unwrap();
    let descriptor = poller.descriptor().unwrap();
    let mut ready = Vec::new();
    assert!(poller.wait(&mut ready, Patience::None).is_err());
    let readable = |timeout: PollTimeout| {
        poll(&mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)], timeout).unwrap() == 1
    };
    assert!(!readable(PollTimeout::ZERO));
    client.send(b"x", &SendInfo::new()).unwrap();
    assert!(readable(PollTimeout::try_from(LONG).unwrap()));
    poller.wait(&mut ready, Patience::None).unwrap();
    server.recv_message().unwrap();
    assert!(poller.wait(&mut ready, Patience::None).is_err());
    assert!(!readable(PollTimeout::ZERO));
}

#[test]
fn a_socket_of_another_stack_is_refused() {
    let pair = in_memory();
    let (server, _client) = pair.connected();
    assert!(matches!(Poller::new(&pair.client).add(server.socket(), 0, false), Err(Error::Closed)));
}
