//! Waiting, not waiting, and being woken.

use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socketapi::{AssociationConfig, Error, LossReason, SendInfo, SocketBuilder};

use crate::support::{LONG, Pair, in_memory, pattern, soon, start, wait_until};

/// Short enough to wait for, in tests of time-outs.
const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_read_ends_at_its_deadline_and_not_before() {
    Pair::each(|pair| {
        let (server, _client) = pair.connected();
        let begun = Instant::now();
        server.set_read_timeout(Some(SHORT));
        assert!(matches!(server.recv_message(), Err(Error::TimedOut)));
        assert!(matches!(server.recv_deadline(begun + 2 * SHORT), Err(Error::TimedOut)));
        assert!(begun.elapsed() >= 2 * SHORT);
    });
}

#[test]
fn a_non_blocking_socket_never_waits() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        let (listener, address) = pair.listen();
        listener.set_nonblocking(true);
        assert!(matches!(listener.accept(), Err(Error::WouldBlock)));
        let other = SocketBuilder::new(&pair.client).nonblocking().connect(address).unwrap();
        wait_until("set-up", || !matches!(other.wait_connected(), Err(Error::WouldBlock)));
        other.wait_connected().unwrap();
        server.set_nonblocking(true);
        assert!(matches!(server.recv_message(), Err(Error::WouldBlock)));
        client.send(b"here", &SendInfo::new()).unwrap();
        wait_until("the message", || server.socket().readiness().0);
        assert_eq!(server.recv_message().unwrap().unwrap().len(), 4);
    });
}

#[test]
fn a_full_send_buffer_blocks_until_the_reader_makes_room() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.set_nonblocking(true);
        let message = Bytes::from(pattern(60_000));
        let mut sent = 0;
        while client.send_bytes(message.clone(), &SendInfo::new()).is_ok() {
            sent += 1;
            assert!(sent < 1_000, "buffers are bounded");
        }
        let error = client.send_deadline(message.clone(), &SendInfo::new(), Instant::now() + SHORT);
        assert!(matches!(error, Err(Error::TimedOut) | Ok(())), "{error:?}");
        sent += usize::from(error.is_ok());
        client.set_nonblocking(false);
        let reader = start(move || {
            for _ in 0..sent + 50 {
                assert_eq!(server.recv_deadline(soon()).unwrap().unwrap().len(), 60_000);
            }
            server
        });
        for _ in 0..50 {
            client.send_deadline(message.clone(), &SendInfo::new(), soon()).unwrap();
        }
        drop(reader.finish());
    });
}

#[test]
fn closing_a_socket_wakes_all_threads_that_wait_for_it() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        let (listener, _) = pair.listen();
        let (server, listener) = (Arc::new(server), Arc::new(listener));
        let mut readers = Vec::new();
        for _ in 0..4 {
            let server = Arc::clone(&server);
            readers.push(start(move || server.recv_message()));
        }
        let acceptor = {
            let listener = Arc::clone(&listener);
            start(move || listener.accept().map(|_| ()))
        };
        server.close();
        listener.close();
        for reader in readers {
            assert!(matches!(reader.finish(), Err(Error::Closed)));
        }
        assert!(matches!(acceptor.finish(), Err(Error::Closed)));
        assert!(client.recv_deadline(soon()).unwrap().is_none());
    });
}

#[test]
fn closing_a_stack_wakes_all_its_threads() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        let reader = start(move || server.recv_message());
        pair.server.close();
        assert!(matches!(reader.finish(), Err(Error::StackClosed | Error::Lost(_))));
        assert!(matches!(client.recv_deadline(soon()), Err(Error::Lost(_))), "the peer is told");
        assert!(matches!(pair.listen_again(), Err(Error::StackClosed)));
    });
}

impl Pair {
    fn listen_again(&self) -> Result<(), Error> {
        socketapi::SctpListener::bind(&self.server, (self.server_address, 0)).map(|_| ())
    }
}

#[test]
fn a_thread_that_sends_does_not_stop_one_that_reads() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        let client = Arc::new(client);
        let reading = Arc::clone(&client);
        let reader = start(move || reading.recv_deadline(soon()).unwrap().unwrap().len());
        let echo = start(move || {
            let message = server.recv_deadline(soon()).unwrap().unwrap();
            server.send_bytes(message.into_bytes(), &SendInfo::new()).unwrap();
            server
        });
        client.send(b"ping", &SendInfo::new()).unwrap();
        assert_eq!(reader.finish(), 4);
        drop(echo.finish());
    });
}

/// Counts how often a task is woken, and lets a thread wait for it.
struct Bell {
    rung: parking_lot::Mutex<bool>,
    changed: parking_lot::Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock() = true;
        self.changed.notify_all();
    }
}

fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let bell = Arc::new(Bell { rung: false.into(), changed: parking_lot::Condvar::new() });
    let waker = Waker::from(Arc::clone(&bell));
    loop {
        if let Poll::Ready(result) = poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let mut rung = bell.rung.lock();
        while !*rung {
            assert!(!bell.changed.wait_for(&mut rung, LONG).timed_out(), "never woken");
        }
        *rung = false;
    }
}

#[test]
fn tasks_are_woken_when_they_can_go_on() {
    Pair::each(|pair| {
        let (listener, address) = pair.listen();
        let connecting = SocketBuilder::new(&pair.client).nonblocking().connect(address).unwrap();
        let (server, _) = block_on(|context| listener.poll_accept(context)).unwrap();
        let id = connecting.association();
        block_on(|context| connecting.socket().poll_connected(context, id)).unwrap();
        let message = Bytes::from(pattern(50_000));
        let sender = start(move || {
            for _ in 0..100 {
                block_on(|context| connecting.poll_send(context, &message, &SendInfo::new())).unwrap();
            }
            connecting
        });
        for _ in 0..100 {
            let received = block_on(|context| server.poll_receive(context)).unwrap().unwrap();
            assert_eq!(received.into_message().unwrap().len(), 50_000);
        }
        drop(sender.finish());
    });
}

#[test]
fn a_connect_gives_up_when_nobody_answers() {
    let pair = in_memory();
    let quick = AssociationConfig {
        rto_initial: Duration::from_millis(5),
        rto_max: Duration::from_millis(10),
        max_init_retransmits: 2,
        ..AssociationConfig::default()
    };
    drop(pair.server);
    let error = SocketBuilder::new(&pair.client).config(quick).connect("10.0.0.1:9").unwrap_err();
    assert!(matches!(error, Error::Lost(LossReason::SetupTimedOut)), "{error}");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn what_is_gathered_leaves_together() {
    Pair::each(|pair| {
        let (server, client) = pair.connected();
        client.options().set_no_delay(true).unwrap();
        let sent = || client.status().unwrap().stats.packets_sent;
        let gathering = pair.client.gather();
        let before = sent();
        for _ in 0..20 {
            client.send(b"answer", &SendInfo::new()).unwrap();
        }
        assert_eq!(sent(), before);
        drop(gathering);
        for _ in 0..20 {
            assert_eq!(server.recv_message().unwrap().unwrap().len(), 6);
        }
        // A heartbeat or its answer may be among them.
        assert!((before + 1..before + 10).contains(&sent()), "{} packets", sent() - before);
    });
}
