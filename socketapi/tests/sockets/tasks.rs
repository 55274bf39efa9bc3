//! Sockets of asynchronous programs: calls that are given up, many tasks on one socket, halves, ends.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use socketapi::tokio::{SctpListener, SctpSocket, SctpStream};
use socketapi::{
    Bytes, End, Error, LossReason, MemDriver, Notification, Notifications, Received, SendInfo, SocketBuilder,
    Stack, Status,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{LONG, Pair, in_memory, over_udp, pattern, wait_until};

/// Runs a test under both flavours of runtime.
fn under_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let one = Builder::new_current_thread().enable_time().build().unwrap();
    let many = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    for runtime in [one, many] {
        run(&runtime, test());
    }
}

fn run(runtime: &Runtime, test: impl Future<Output = ()>) {
    runtime.block_on(async { timeout(LONG, test).await.expect("the test hangs") });
}

fn alone(test: impl Future<Output = ()>) {
    run(&Builder::new_current_thread().enable_time().build().unwrap(), test);
}

fn connected(pair: &Pair) -> (SctpStream, SctpStream) {
    let (server, client) = pair.connected();
    (server.into(), client.into())
}

fn number_of(message: &Bytes) -> u32 {
    u32::from_be_bytes(message[..4].try_into().unwrap())
}

/// Gives a call up after so many turns of other tasks, and makes it anew, until it is done.
async fn insist<T, F: Future<Output = T>>(turns: &mut impl Iterator<Item = u8>, call: impl Fn() -> F) -> T {
    loop {
        let turns = turns.next().unwrap();
        tokio::select! {
            biased;
            done = call() => return done,
            // Where nothing is waited for, tokio lets a task that never yields wait for ever.
            () = yields(turns) => tokio::task::yield_now().await,
        }
    }
}

async fn yields(turns: u8) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

#[test]
fn messages_go_there_and_back_under_each_runtime() {
    under_each_runtime(|| async {
        for pair in [in_memory(), over_udp()] {
            let (listener, address) = pair.listen();
            let listener = SctpListener::from(listener);
            let server = tokio::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                while let Some(message) = stream.recv_message().await.unwrap() {
                    stream.send_bytes(message.into_bytes(), &SendInfo::new()).await.unwrap();
                }
            });
            let client = SctpStream::connect(&pair.client, address).await.unwrap();
            for len in [1, 100, 5_000, 200_000] {
                let sent = pattern(len);
                client.send(&sent, &SendInfo::new().stream(1)).await.unwrap();
                let mut echo = vec![0; len + 1];
                let (read, info) = client.recv(&mut echo).await.unwrap().unwrap();
                assert!(info.end_of_record && echo[..read] == sent);
            }
            assert_eq!(client.finish().await.unwrap(), End::Shutdown);
            server.await.unwrap();
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Sends, reads and accepts are given up at random points and made again.
    #[test]
    fn calls_that_are_given_up_lose_and_double_nothing(
        turns in prop::collection::vec(0_u8..6, 1..50),
        len in 4_usize..6_000,
        buffer in 8_192_usize..40_000,
        udp in any::<bool>(),
    ) {
        const MESSAGES: u32 = 100;
        let pair = if udp { over_udp() } else { in_memory() };
        let (listener, address) = pair.listen();
        listener.options().set_receive_buffer(buffer).unwrap();
        let listener = SctpListener::from(listener);
        alone(async move {
            let mut backwards = turns.clone().into_iter().rev().cycle();
            let accepting = tokio::spawn(async move {
                insist(&mut backwards, || listener.accept()).await.unwrap().0
            });
            let builder = SocketBuilder::new(&pair.client).buffers(buffer, buffer);
            let client = SctpStream::connect_with(builder, address).await.unwrap();
            let server = accepting.await.unwrap();
            let mut writes = turns.clone().into_iter().cycle();
            let sender = tokio::spawn(async move {
                for number in 0..MESSAGES {
                    let payload = Bytes::from([&number.to_be_bytes()[..], &pattern(len)].concat());
                    let send = || client.send_bytes(payload.clone(), &const { SendInfo::new() });
                    insist(&mut writes, send).await.unwrap();
                }
                client.finish().await.unwrap()
            });
            let mut reads = turns.into_iter().cycle();
            let mut numbers = Vec::new();
            while let Some(message) = insist(&mut reads, || server.recv_message()).await.unwrap() {
                assert_eq!(message.len(), len + 4);
                numbers.push(number_of(&message.into_bytes()));
            }
            assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
            assert_eq!(sender.await.unwrap(), End::Shutdown);
        });
    }
}

#[test]
fn associations_are_accepted_once_each_whoever_gives_up() {
    const CLIENTS: usize = 40;
    under_each_runtime(|| async {
        let pair = in_memory();
        let (listener, address) = pair.listen();
        let listener = Arc::new(SctpListener::from(listener));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let stack = pair.client.clone();
            clients.spawn(async move { SctpStream::connect(&stack, address).await.unwrap() });
        }
        let mut servers = JoinSet::new();
        for task in 0..CLIENTS as u8 {
            let listener = Arc::clone(&listener);
            servers.spawn(async move {
                let mut turns = [task % 5, 1, 0, 3].into_iter().cycle();
                insist(&mut turns, || listener.accept()).await.unwrap().0
            });
        }
        let clients: Vec<_> = clients.join_all().await;
        let servers: HashSet<_> = servers.join_all().await.iter().map(SctpStream::association).collect();
        assert_eq!((clients.len(), servers.len()), (CLIENTS, CLIENTS));
    });
}

/// A task that was woken for a message and is aborted before it runs: the others take the message.
#[test]
fn tasks_that_are_aborted_take_no_message_with_them() {
    const MESSAGES: u32 = 2_000;
    const READERS: usize = 8;
    under_each_runtime(|| async {
        let pair = in_memory();
        let (server, client) = connected(&pair);
        let (server, seen) = (Arc::new(server), Arc::new(Mutex::new(Vec::new())));
        let reader = || {
            let (server, seen) = (Arc::clone(&server), Arc::clone(&seen));
            tokio::spawn(async move {
                while let Some(message) = server.recv_message().await.unwrap() {
                    seen.lock().push(number_of(&message.into_bytes()));
                }
            })
        };
        let mut readers: Vec<_> = (0..READERS).map(|_| reader()).collect();
        for number in 0..MESSAGES {
            client.send(&number.to_be_bytes(), &SendInfo::new()).await.unwrap();
            // Always another one, sometimes before it has run, sometimes after.
            let victim = number as usize * 5 % READERS;
            yields((number % 4) as u8).await;
            std::mem::replace(&mut readers[victim], reader()).abort();
        }
        client.shutdown().unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
        let mut seen = seen.lock().clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>());
    });
}

/// Counts how often it is polled.
async fn counted<T>(polls: Arc<AtomicUsize>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        polls.fetch_add(1, Ordering::Relaxed);
        future.as_mut().poll(context)
    })
    .await
}

/// More than may wait by `poll_*`: each has a place of its own, so that none wakes another.
const CROWD: usize = 1_500;

#[test]
fn a_crowd_of_tasks_reads_from_one_socket_without_waking_each_other() {
    under_each_runtime(|| async {
        let pair = in_memory();
        let server = Arc::new(SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap());
        let client = SctpStream::connect(&pair.client, server.local_addrs().unwrap()[0]).await.unwrap();
        let polls = Arc::new(AtomicUsize::new(0));
        let mut readers = JoinSet::new();
        for _ in 0..CROWD {
            let (server, polls) = (Arc::clone(&server), Arc::clone(&polls));
            readers.spawn(async move { counted(polls, server.recv_message()).await.unwrap() });
        }
        while polls.load(Ordering::Relaxed) < CROWD {
            tokio::task::yield_now().await;
        }
        // Whoever spins does it now.
        yields(200).await;
        assert!(polls.load(Ordering::Relaxed) <= 2 * CROWD, "{polls:?} polls, and nothing to read");
        for number in 0..CROWD as u32 {
            client.send(&number.to_be_bytes(), &SendInfo::new()).await.unwrap();
        }
        let numbers: HashSet<_> =
            readers.join_all().await.into_iter().map(|message| number_of(&message.into_bytes())).collect();
        assert_eq!(numbers.len(), CROWD);
    });
}

#[test]
fn a_crowd_of_tasks_waits_for_room_without_waking_each_other() {
    under_each_runtime(|| async {
        let pair = in_memory();
        let (server, client) = connected(&pair);
        client.options().set_send_buffer(10_000).unwrap();
        let client = Arc::new(client);
        let polls = Arc::new(AtomicUsize::new(0));
        let mut senders = JoinSet::new();
        for number in 0..CROWD as u32 {
            let (client, polls) = (Arc::clone(&client), Arc::clone(&polls));
            senders.spawn(async move {
                let payload = [&number.to_be_bytes()[..], &pattern(2_000)].concat();
                counted(polls, client.send(&payload, &SendInfo::new())).await.unwrap();
            });
        }
        while polls.load(Ordering::Relaxed) < CROWD {
            tokio::task::yield_now().await;
        }
        // Both buffers are full.
        let is_full = |status: &Status| status.peer_window < 2_000 && status.unacknowledged_chunks <= 1;
        while !is_full(&client.status().unwrap()) {
            tokio::task::yield_now().await;
        }
        let before = polls.load(Ordering::Relaxed);
        yields(200).await;
        // A probe of the window may wake all of them a few times; who spins would look two hundred times.
        let looks = polls.load(Ordering::Relaxed) - before;
        assert!(looks <= 10 * CROWD, "nobody reads, and there are {looks} looks");
        let mut numbers = HashSet::new();
        while numbers.len() < CROWD {
            assert!(numbers.insert(number_of(&server.recv_message().await.unwrap().unwrap().into_bytes())));
        }
        senders.join_all().await;
    });
}

/// The waker of a task that owns what it waits for: dropping it closes a socket.
struct Owner {
    _stream: socketapi::SctpStream,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_call_that_is_given_up_leaves_no_waker_behind() {
    let pair = in_memory();
    let (listener, address) = pair.listen();
    let (server, client) = connected(&pair);
    let connect = || Owner { _stream: socketapi::SctpStream::connect(&pair.client, address).unwrap() };
    let [first, second] = [connect(), connect()].map(Arc::new);
    let mut call = Box::pin(server.recv_message());
    for owner in [&first, &second] {
        let waker = Waker::from(Arc::clone(owner));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!([Arc::strong_count(&first), Arc::strong_count(&second)], [1, 2], "the last one is woken");
    // The stack has the last handles of both streams, which close with its lock free: else this hangs.
    drop((first, second));
    drop(call);
    wait_until("their streams are closed", || pair.client.associations().len() == 1);
    drop((client, listener));
}

#[test]
fn halves_send_and_read_at_the_same_time() {
    under_each_runtime(|| async {
        let pair = in_memory();
        let (server, client) = connected(&pair);
        let mut tasks = JoinSet::new();
        for stream in [server, client] {
            stream.options().set_send_buffer(20_000).unwrap();
            let (mut read, mut write) = stream.into_split();
            let writes = tokio::spawn(async move {
                for number in 0..50_u32 {
                    let payload = [&number.to_be_bytes()[..], &pattern(40_000)].concat();
                    write.send(&payload, &SendInfo::new()).await.unwrap();
                }
                write
            });
            tasks.spawn(async move {
                for number in 0..50 {
                    let message = read.recv_message().await.unwrap().unwrap();
                    assert_eq!(number_of(&message.into_bytes()), number);
                }
                read.reunite(writes.await.unwrap()).unwrap()
            });
        }
        let mut streams = tasks.join_all().await;
        let (one, other) = (streams.pop().unwrap(), streams.pop().unwrap());
        let (read, _write) = one.into_split();
        let (_read, write) = other.into_split();
        assert!(read.reunite(write).is_err(), "of two streams");
    });
}

/// Time is the runtime's: here it jumps to the next deadline as soon as all tasks wait.
#[test]
fn a_deadline_cuts_a_call_off_and_nothing_is_lost() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let pair = in_memory();
        let (server, client) = connected(&pair);
        let hour = Duration::from_secs(3_600);
        assert!(timeout(hour, server.recv_message()).await.is_err());
        assert!(timeout(hour, server.wait_ended()).await.is_err());
        let listener = SctpListener::bind(&pair.server, (pair.server_address, 0)).unwrap();
        assert!(timeout(hour, listener.accept()).await.is_err());
        let mut sent = 0;
        client.options().set_send_buffer(10_000).unwrap();
        while let Ok(result) = timeout(hour, client.send(&pattern(5_000), &SendInfo::new())).await {
            result.unwrap();
            sent += 1;
        }
        assert!(sent > 0, "it ends only because the peer does not read");
        client.options().set_send_buffer(1 << 20).unwrap();
        client.send(b"the last one", &SendInfo::new()).await.unwrap();
        client.shutdown().unwrap();
        let mut read = 0;
        while let Some(message) = server.recv_message().await.unwrap() {
            read += usize::from(message.len() == 5_000);
        }
        assert_eq!(read, sent);
    });
}

#[test]
fn a_connect_that_is_given_up_leaves_no_association() {
    alone(async {
        let [ours, theirs] = [[10, 9, 0, 1], [10, 9, 0, 2]].map(|address| [address.into()]);
        // Nobody is at the other end.
        let (driver, _silence) = MemDriver::pair(ours, theirs, 1500).unwrap();
        let stack = Stack::builder().driver(driver).build().unwrap();
        let connect = SctpStream::connect(&stack, "10.9.0.2:5000");
        assert!(timeout(Duration::from_millis(10), connect).await.is_err());
        wait_until("it is forgotten", || stack.associations().is_empty());
    });
}

#[test]
fn how_an_association_ends_is_told() {
    under_each_runtime(|| async {
        let pair = in_memory();
        let (server, client) = connected(&pair);
        client.send(b"unread", &SendInfo::new()).await.unwrap();
        client.send(b"and this", &SendInfo::new()).await.unwrap();
        assert_eq!(client.finish().await.unwrap(), End::Shutdown, "the peer has it all");
        assert_eq!(server.peek().await.unwrap().unwrap().into_message().unwrap().len(), 6);
        assert_eq!(server.recv_message().await.unwrap().unwrap().len(), 6);
        let mut all = [0; 20];
        assert_eq!(server.recv(&mut all).await.unwrap().unwrap().0, 8);
        assert!(server.recv_message().await.unwrap().is_none());

        let (server, client) = connected(&pair);
        client.abort(b"enough").unwrap();
        let lost = LossReason::PeerAborted { cause: Some(12), value: Bytes::from_static(b"enough") };
        assert_eq!(server.wait_ended().await.unwrap(), End::Lost(lost));
        assert!(matches!(server.recv_message().await, Err(Error::Lost(_))));
        assert!(matches!(server.send(b"x", &SendInfo::new()).await, Err(Error::Lost(_))));
    });
}

#[test]
fn tasks_that_wait_are_told_that_the_stack_is_closed() {
    under_each_runtime(|| async {
        let pair = in_memory();
        let (server, _client) = connected(&pair);
        let reader = tokio::spawn(async move { server.recv_message().await });
        yields(3).await;
        pair.server.close();
        assert!(matches!(reader.await.unwrap(), Err(Error::StackClosed)));
    });
}

#[test]
fn one_socket_serves_many_associations_and_lets_them_go() {
    under_each_runtime(|| async {
        let pair = in_memory();
        let server = SctpSocket::bind(&pair.server, (pair.server_address, 0)).unwrap();
        server.subscribe(Notifications::ASSOCIATION).unwrap();
        let address = server.local_addrs().unwrap()[0];
        let client = SctpSocket::from(SocketBuilder::new(&pair.client).one_to_many_client().unwrap());
        let id = client.send_to(b"one", address, &SendInfo::new()).await.unwrap();
        client.wait_connected(id).await.unwrap();
        let up = server.receive().await.unwrap();
        assert!(matches!(up, Received::Notification(_, Notification::CommunicationUp { .. })));
        let mut buffer = [0; 10];
        let (len, info) = server.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..len], b"one");
        let stream = server.peel_off(info.association).unwrap();
        stream.send(b"peeled off", &SendInfo::new()).await.unwrap();
        assert_eq!(client.recv_message().await.unwrap().len(), 10);
        client.shutdown(id).unwrap();
        // SCTP_SHUTDOWN_COMP is not the end: that comes behind it.
        assert!(stream.recv_message().await.unwrap().is_none());
        assert_eq!(stream.wait_ended().await.unwrap(), End::Shutdown);
    });
}

#[test]
fn bytes_go_through_as_through_tcp() {
    under_each_runtime(|| async {
        let pair = over_udp();
        let (server, client) = connected(&pair);
        let (mut read, mut write) = client.into_split();
        let echo = tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(server);
            tokio::io::copy(&mut read, &mut write).await.unwrap()
        });
        let all = pattern(300_000);
        let sent = all.clone();
        let sender = tokio::spawn(async move {
            write.write_all(&sent).await.unwrap();
            write.flush().await.unwrap();
            write
        });
        let mut back = vec![0; all.len()];
        read.read_exact(&mut back).await.unwrap();
        assert!(back == all);
        sender.await.unwrap().shutdown().await.unwrap();
        assert_eq!(echo.await.unwrap(), all.len() as u64);
        assert_eq!(read.read(&mut back).await.unwrap(), 0, "the end");
    });
}

/// A task that is never short of messages lets others run.
#[test]
fn a_busy_reader_does_not_starve_other_tasks() {
    const MESSAGES: usize = 1_000;
    alone(async {
        let pair = in_memory();
        let (server, client) = connected(&pair);
        for _ in 0..MESSAGES {
            client.send(b"x", &SendInfo::new()).await.unwrap();
        }
        wait_until("all have come", || {
            server.status().unwrap().stats.data_chunks_received == MESSAGES as u64
        });
        let read = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&read);
        let other = tokio::spawn(async move { seen.load(Ordering::Relaxed) });
        for _ in 0..MESSAGES {
            server.recv_message().await.unwrap().unwrap();
            read.fetch_add(1, Ordering::Relaxed);
        }
        assert!(other.await.unwrap() < MESSAGES / 2);
    });
}
