//! Two stacks of one process over the host's loopback: UDP always, raw IP where it is permitted.
//!
//! A thread reads and answers; what is measured is the calls of the other side until the answer is there.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use socketapi::{Error, SctpListener, SctpStream, SendInfo, SocketBuilder, Stack, Transport};
use tokio::runtime::{Builder, Runtime};

/// Bytes that one measured step moves.
const STEP: usize = 8 << 20;
/// PPID of a message that is to be sent back; others are only read.
const ANSWER: u32 = 1;
const BUFFERS: usize = 4 << 20;
const PORT: u16 = 5001;

/// A connection whose other end is served by a thread.
struct Loopback {
    client: SctpStream,
    server: JoinHandle<Result<(), Error>>,
}

impl Loopback {
    fn open(transport: Transport) -> Result<Self, Error> {
        let server_stack = stack(transport, 2)?;
        let client_stack = stack(transport, 3)?;
        let address = SocketAddr::from(([127, 0, 88, 2], PORT));
        let listener = SocketBuilder::new(&server_stack).buffers(BUFFERS, BUFFERS).bind(address).listen()?;
        let server = std::thread::spawn(move || serve(&listener));
        let builder = SocketBuilder::new(&client_stack).no_delay(true).buffers(BUFFERS, BUFFERS);
        let builder = builder.remote_udp_port(server_stack.udp_port());
        Ok(Self { client: builder.connect(address)?, server })
    }

    /// Moves a step's worth of messages, the last of which is answered when all before it were read.
    fn transfer(&self, payload: &Bytes) -> Result<(), Error> {
        let messages = STEP / payload.len();
        for _ in 1..messages {
            self.client.send_bytes(payload.clone(), &SendInfo::new())?;
        }
        self.round_trip(payload)
    }

    fn round_trip(&self, payload: &Bytes) -> Result<(), Error> {
        self.client.send_bytes(payload.clone(), &SendInfo::new().ppid(ANSWER))?;
        let answer = self.client.recv_message()?.ok_or(Error::NotConnected)?;
        assert_eq!(answer.len(), payload.len());
        Ok(())
    }

    fn close(self) -> Result<(), Error> {
        self.client.shutdown()?;
        self.server.join().expect("the server does not panic")
    }
}

/// The same with tasks: client and server each have a runtime of one thread.
struct TokioLoopback {
    client: socketapi::tokio::SctpStream,
    runtime: Runtime,
    server: JoinHandle<Result<(), Error>>,
}

impl TokioLoopback {
    fn open(transport: Transport) -> Result<Self, Error> {
        let server_stack = stack(transport, 4)?;
        let client_stack = stack(transport, 5)?;
        let address = SocketAddr::from(([127, 0, 88, 4], PORT));
        let listener = SctpListener::bind(&server_stack, address)?;
        let server = std::thread::spawn(move || runtime().block_on(serve_tasks(listener.into())));
        let builder = SocketBuilder::new(&client_stack).remote_udp_port(server_stack.udp_port());
        let runtime = runtime();
        let client = runtime.block_on(socketapi::tokio::SctpStream::connect_with(builder, address))?;
        Ok(Self { client, runtime, server })
    }

    fn round_trip(&self, payload: &Bytes) -> Result<(), Error> {
        self.runtime.block_on(async {
            self.client.send_bytes(payload.clone(), &SendInfo::new().ppid(ANSWER)).await?;
            let answer = self.client.recv_message().await?.ok_or(Error::NotConnected)?;
            assert_eq!(answer.len(), payload.len());
            Ok(())
        })
    }

    fn close(self) -> Result<(), Error> {
        self.client.shutdown()?;
        self.server.join().expect("the server does not panic")
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime without drivers")
}

async fn serve_tasks(listener: socketapi::tokio::SctpListener) -> Result<(), Error> {
    let (stream, _) = listener.accept().await?;
    while let Some(message) = stream.recv_message().await? {
        stream.send_bytes(message.into_bytes(), &SendInfo::new().ppid(ANSWER)).await?;
    }
    Ok(())
}

fn stack(transport: Transport, host: u8) -> Result<Stack, Error> {
    Stack::builder().transport(transport).address([127, 0, 88, host]).udp_port(0).build()
}

fn serve(listener: &SctpListener) -> Result<(), Error> {
    let (stream, _) = listener.accept()?;
    while let Some(message) = stream.recv_message()? {
        if message.info.ppid == ANSWER {
            stream.send_bytes(message.into_bytes(), &SendInfo::new().ppid(ANSWER))?;
        }
    }
    Ok(())
}

fn loopback(criterion: &mut Criterion) {
    for (transport, name) in [(Transport::Udp, "UDP"), (Transport::Raw, "raw IP")] {
        let connection = match Loopback::open(transport) {
            Ok(connection) => connection,
            Err(error) => {
                println!("SKIPPED: {name}: {error}");
                continue;
            }
        };
        let mut group = criterion.benchmark_group(format!("loopback, {name}"));
        group.sample_size(20);
        for size in [64, 1_444, 65_536] {
            let payload = Bytes::from(vec![0x5a; size]);
            group.throughput(Throughput::Bytes((STEP / size * size) as u64));
            group.bench_function(format!("{size} bytes"), |bench| {
                bench.iter(|| connection.transfer(&payload).expect("the association lives"));
            });
        }
        let payload = Bytes::from(vec![0x5a; 100]);
        group.throughput(Throughput::Elements(1));
        group.bench_function("round trip of 100 bytes", |bench| {
            bench.iter(|| connection.round_trip(&payload).expect("the association lives"));
        });
        connection.close().expect("it ends in good order");
        let connection = TokioLoopback::open(transport).expect("the blocking one could be opened");
        group.bench_function("round trip of 100 bytes, tokio", |bench| {
            bench.iter(|| connection.round_trip(&payload).expect("the association lives"));
        });
        connection.close().expect("it ends in good order");
        group.finish();
    }
}

criterion_group!(benches, loopback);
criterion_main!(benches);
