//! A client that sends each word of its command line on a stream of its own and prints what comes back.
//!
//! See `echo_server` and `tokio_echo` for servers:
//!
//!     cargo run -p socketapi --example echo_client -- 127.0.0.1 127.0.0.2 hello world

use std::net::IpAddr;
use std::time::{Duration, Instant};

use socketapi::{SctpStream, SendInfo, SocketBuilder, Stack, Transport};

const PORT: u16 = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut address = || arguments.next().ok_or("usage: echo_client OUR_ADDRESS SERVER WORD...");
    let (ours, server): (IpAddr, IpAddr) = (address()?.parse()?, address()?.parse()?);
    let words: Vec<String> = arguments.collect();

    let stack = Stack::builder().transport(Transport::Udp).address(ours).build()?;
    let streams = u16::try_from(words.len())?.max(1);
    let stream: SctpStream = SocketBuilder::new(&stack).streams(streams, streams).connect((server, PORT))?;
    for (number, word) in (0..).zip(&words) {
        stream.send(word.as_bytes(), &SendInfo::new().stream(number))?;
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    for _ in &words {
        let message = stream.recv_deadline(deadline)?.ok_or("the server has left")?;
        let number = message.info.stream;
        println!("stream {number}: {}", String::from_utf8_lossy(&message.into_bytes()));
    }
    // In good order: the server is told, and has everything.
    stream.shutdown()?;
    stream.set_read_timeout(Some(Duration::from_secs(5)));
    println!("ended: {:?}", stream.wait_ended()?);
    Ok(())
}
