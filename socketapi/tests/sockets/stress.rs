//! Many threads at once, and hostile surroundings: whatever happens, every call comes back.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp_core::net::{Ecn, PathAddress};
use sctp_user::driver::{Driver, Inbox, Received, Report, Sent, Transmit};
use socketapi::{Error, SctpListener, SctpStream, SendInfo, Stack};

use crate::support::{Pair, in_memory, pattern, soon, start};

const CLIENTS: usize = 8;
const ASSOCIATIONS: usize = 50;

/// Sends back what comes, one association after the other, until told to stop by a message of one byte.
fn serve(listener: &SctpListener) {
    loop {
        let (stream, _) = listener.accept_deadline(soon()).unwrap();
        // Lost, or ended in good order: the next one.
        while let Ok(Some(message)) = stream.recv_deadline(soon()) {
            if message.len() == 1 {
                return;
            }
            if stream.send_deadline(message.into_bytes(), &SendInfo::new(), soon()).is_err() {
                break;
            }
        }
    }
}

/// One association that ends in one of many ways.
fn use_and_end(stream: &SctpStream, way: usize) {
    let text = pattern(100 + 700 * way);
    for _ in 0..1 + way % 3 {
        stream.send_deadline(text.clone().into(), &SendInfo::new(), soon()).unwrap();
    }
    match way % 6 {
        // With everything under way.
        0 => {}
        1 => stream.abort(b"enough").unwrap(),
        2 => {
            assert_eq!(stream.recv_deadline(soon()).unwrap().unwrap().into_bytes(), text);
            stream.shutdown().unwrap();
            stream.wait_ended().unwrap();
        }
        // Closed, or aborted, under the hands of a reader that waits without a limit.
        3 => std::thread::scope(|scope| {
            scope.spawn(|| while stream.recv_message().is_ok() {});
            stream.close();
        }),
        4 => std::thread::scope(|scope| {
            scope.spawn(|| while stream.recv_message().is_ok_and(|message| message.is_some()) {});
            stream.abort(b"").unwrap();
        }),
        _ => assert_eq!(stream.recv_deadline(soon()).unwrap().unwrap().into_bytes(), text),
    }
}

#[test]
fn threads_that_open_close_and_abort_while_others_talk_all_come_to_their_end() {
    Pair::each(|pair| {
        let (listener, address) = pair.listen();
        let listener = Arc::new(listener);
        let servers: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let listener = Arc::clone(&listener);
                start(move || serve(&listener))
            })
            .collect();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let stack = pair.client.clone();
                start(move || {
                    for number in 0..ASSOCIATIONS {
                        use_and_end(&SctpStream::connect(&stack, address).unwrap(), client + number);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.finish());
        for _ in 0..CLIENTS {
            let stream = SctpStream::connect(&pair.client, address).unwrap();
            stream.send(b"!", &SendInfo::new()).unwrap();
            // Read to the end, else the close could abort it before the server has read.
            while stream.recv_deadline(soon()).is_ok_and(|message| message.is_some()) {}
        }
        servers.into_iter().for_each(|server| server.finish());
    });
}

/// A network on which something for others always waits.
struct Flood(OwnedFd);

impl Driver for Flood {
    fn send(&mut self, batch: &[Transmit], _bytes: &[u8], _reports: &mut Vec<Report>) -> Sent {
        Sent { transmits: batch.len(), segments: 0 }
    }
    fn receive(&mut self, inbox: &mut Inbox) -> std::io::Result<()> {
        let path = PathAddress::to([10, 0, 0, 2].into());
        let datagram = Bytes::from_static(b"no packet at all");
        inbox.packets.push(Received { path, ecn: Ecn::NotCapable, datagram });
        Ok(())
    }
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.0.as_fd()]
    }
    fn max_segments(&self) -> usize {
        1
    }
    fn mtu(&self, _path: &PathAddress) -> usize {
        1_500
    }
    fn overhead(&self, _remote: std::net::IpAddr) -> usize {
        20
    }
    fn local_addresses(&self) -> Vec<std::net::IpAddr> {
        vec![[10, 0, 0, 1].into()]
    }
}

#[test]
fn a_flood_of_packets_for_others_does_not_keep_a_call_beyond_its_time() {
    let readable = std::fs::File::open("/dev/zero").unwrap();
    let stack = Stack::builder().driver(Flood(readable.into())).linger(Duration::ZERO).build().unwrap();
    let listener = SctpListener::bind(&stack, "10.0.0.1:5000").unwrap();
    let calls = start(move || {
        let timed = listener.accept_deadline(Instant::now() + Duration::from_millis(20)).err();
        listener.set_nonblocking(true);
        (timed, listener.accept().err())
    });
    assert!(matches!(calls.finish(), (Some(Error::TimedOut), Some(Error::WouldBlock))));
}

/// A task whose executor is broken.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        // Not `panic!`, whose message would look like a failure of this test.
        std::panic::resume_unwind(Box::new("broken"));
    }
}

#[test]
fn a_waker_that_panics_does_not_stop_the_stack() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    for _ in 0..3 {
        let waker = Waker::from(Arc::new(Broken));
        let mut context = Context::from_waker(&waker);
        assert!(server.poll_receive(&mut context).is_pending());
        // Whichever thread wakes the task lives on.
        let sent = catch_unwind(AssertUnwindSafe(|| client.send(b"x", &SendInfo::new())));
        sent.expect("the waker is not of this stack").unwrap();
        assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 1);
    }
}

/// Counts nothing, does nothing: the waker of a call that was given up.
struct GivenUp;

impl Wake for GivenUp {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn calls_that_were_given_up_do_not_pile_up() {
    let pair = in_memory();
    let (server, client) = pair.connected();
    let tasks: Vec<_> = (0..3_000).map(|_| Arc::new(GivenUp)).collect();
    for task in &tasks {
        let waker = Waker::from(Arc::clone(task));
        assert!(server.poll_receive(&mut Context::from_waker(&waker)).is_pending());
    }
    let kept = tasks.iter().filter(|task| Arc::strong_count(task) > 1).count();
    assert!(kept <= 1_024, "{kept} wakers are kept");
    assert!(Arc::strong_count(tasks.last().unwrap()) > 1, "the latest is not forgotten");
    client.send(b"x", &SendInfo::new()).unwrap();
    assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 1);
}
