//! Threads of this process as supervised programs, over two services whose stacks reach each other in memory.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sctp_service::{Control, Listener, Rules, Service, defaults};
use sctp_supervisor::{enter, supervise};
use sctp_user::driver::mem::MemDriver;
use sctp_user::stack::Stack;
use socket2::{Domain, Protocol, Socket, Type};

/// Supervisors of one process do not know of each other, and may pick the same number: one test at a time, in which one thing
/// happens after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const HERE: &str = "127.0.0.1";
const THERE: &str = "127.0.0.2";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn drivers() -> (MemDriver, MemDriver) {
    MemDriver::pair([ip(HERE)], [ip(THERE)], 1_500).unwrap()
}

/// Runs `body` in a thread of its own, whose system calls are supervised.
fn supervised<T: Send + 'static>(
    driver: MemDriver,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let stack = Stack::builder().driver(driver).defaults(defaults()).build().unwrap();
    let name = format!("sctp-supervisor-test/{:032x}", rand::random::<u128>());
    let service =
        Service::open(stack, Listener::bind(&name).unwrap(), Control::new(Rules::default()).unwrap())
            .unwrap();
    thread::spawn(move || service.run(None));
    let (ours, its) = UnixStream::pair().unwrap();
    thread::spawn(move || supervise(its, &name).unwrap());
    thread::spawn(move || {
        enter(ours).unwrap();
        body()
    })
}

fn socket() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::from(libc::IPPROTO_SCTP))).unwrap()
}

fn listener(port: u16) -> Socket {
    let listener = socket();
    listener.bind(&SocketAddr::new(ip(THERE), port).into()).unwrap();
    listener.listen(5).unwrap();
    listener
}

fn connected(port: u16) -> Socket {
    let socket = socket();
    socket.connect(&SocketAddr::new(ip(THERE), port).into()).unwrap();
    socket
}

#[test]
fn supervised_threads_connect_and_exchange_messages() {
    let _alone = alone();
    let (here, there) = drivers();
    let (is_listening, listens) = channel();
    let server = supervised(there, move || {
        let listener = listener(1);
        is_listening.send(()).unwrap();
        let (mut accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.as_socket().unwrap().ip(), ip(HERE));
        let mut all = Vec::new();
        // Pieces of messages: what a short read leaves stays.
        let mut piece = [0; 1_000];
        while let Ok(len @ 1..) = accepted.read(&mut piece) {
            all.push(len);
            accepted.write_all(&piece[..len]).unwrap();
        }
        all
    });
    listens.recv().unwrap();
    let client = supervised(here, || {
        let mut socket = connected(1);
        // Above the numbers that others of the program have.
        assert!(socket.as_raw_fd() >= 64, "{socket:?}");
        assert_eq!(socket.peer_addr().unwrap().as_socket(), Some(SocketAddr::new(ip(THERE), 1)));
        assert_eq!(socket.r#type().unwrap(), Type::STREAM);
        socket.write_all(&[7; 2_500]).unwrap();
        let mut echo = vec![0; 2_500];
        socket.read_exact(&mut echo).unwrap();
        assert_eq!(echo, [7; 2_500]);
    });
    client.join().unwrap();
    assert_eq!(server.join().unwrap(), [1_000, 1_000, 500]);
}

#[test]
fn descriptors_that_do_not_wait_and_time_outs_are_the_program_s() {
    let _alone = alone();
    let (_here, there) = drivers();
    let done = supervised(there, || {
        let listener = listener(2);
        listener.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        let idle = socket();
        let unconnected = idle.recv(&mut [MaybeUninit::uninit(); 8]).unwrap_err();
        assert_eq!(unconnected.raw_os_error(), Some(libc::ENOTCONN));
    });
    done.join().unwrap();
}

#[test]
fn other_sockets_of_a_supervised_thread_are_the_kernel_s() {
    let _alone = alone();
    let (here, _there) = drivers();
    let done = supervised(here, || {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"as ever").unwrap();
        let mut got = [0; 7];
        other.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"as ever");
        // Their numbers may be as high as ours.
        let high = nix::fcntl::fcntl(&one, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(900)).unwrap();
        assert_eq!(nix::sys::socket::send(high, b"too", nix::sys::socket::MsgFlags::empty()), Ok(3));
        let mut got = [0; 3];
        other.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"too");
    });
    done.join().unwrap();
}
