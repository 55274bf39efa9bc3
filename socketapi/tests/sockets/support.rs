//! Pairs of stacks that reach each other.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socketapi::{MemDriver, SctpListener, SctpStream, Stack, Transport};

/// No wait of a test may reach it: what takes so long hangs.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Two stacks, and an address of each.
pub(crate) struct Pair {
    pub(crate) server: Stack,
    pub(crate) client: Stack,
    pub(crate) server_address: &'static str,
}

/// Two stacks joined in memory.
pub(crate) fn in_memory() -> Pair {
    let ours = [[10, 0, 0, 1].into(), [10, 0, 1, 1].into()];
    let theirs = [[10, 0, 0, 2].into(), [10, 0, 1, 2].into()];
    let (server, client) = MemDriver::pair(ours, theirs, 1500).unwrap();
    Pair {
        server: Stack::builder().driver(server).build().unwrap(),
        client: Stack::builder().driver(client).build().unwrap(),
        server_address: "10.0.0.1",
    }
}

/// Two stacks over UDP on two loopback addresses, at ports that the host picked.
pub(crate) fn over_udp() -> Pair {
    let udp = |address: [u8; 4]| Stack::builder().transport(Transport::Udp).address(address).udp_port(0);
    let server = udp([127, 0, 0, 2]).build().unwrap();
    let client = udp([127, 0, 0, 3]).remote_udp_port(server.udp_port()).build().unwrap();
    Pair { server, client, server_address: "127.0.0.2" }
}

impl Pair {
    /// Runs a test on every kind of pair.
    pub(crate) fn each(test: impl Fn(&Pair)) {
        test(&in_memory());
        test(&over_udp());
    }

    /// A listener, and the address where it is found.
    pub(crate) fn listen(&self) -> (SctpListener, SocketAddr) {
        let listener = SctpListener::bind(&self.server, (self.server_address, 0)).unwrap();
        let port = listener.local_addrs().unwrap()[0].port();
        (listener, SocketAddr::new(self.server_address.parse().unwrap(), port))
    }

    /// Both ends of one association: the server's first.
    pub(crate) fn connected(&self) -> (SctpStream, SctpStream) {
        let (listener, address) = self.listen();
        let client = SctpStream::connect(&self.client, address).unwrap();
        let (server, _) = listener.accept_deadline(soon()).unwrap();
        (server, client)
    }
}

/// A deadline that only a hanging test reaches.
pub(crate) fn soon() -> Instant {
    Instant::now() + LONG
}

/// Runs `work` in a thread that [`finish`] waits for.
pub(crate) fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Work<T> {
    let (done, result) = mpsc::channel();
    let thread = std::thread::spawn(move || done.send(work()).unwrap());
    Work { thread, result }
}

pub(crate) struct Work<T> {
    thread: JoinHandle<()>,
    result: mpsc::Receiver<T>,
}

impl<T> Work<T> {
    /// What the thread returned; panics if it hangs.
    pub(crate) fn finish(self) -> T {
        match self.result.recv_timeout(LONG) {
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a thread hangs"),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                std::panic::resume_unwind(self.thread.join().unwrap_err())
            }
        }
    }
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Looks until `condition` holds.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = soon();
    while !condition() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::yield_now();
    }
}
