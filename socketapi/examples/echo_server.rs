//! A server that sends each message back on the stream that it came on; a thread for each association.
//!
//! Over UDP encapsulation, so it needs no privileges. On one terminal, and then a client on another:
//!
//!     cargo run -p socketapi --example echo_server -- 127.0.0.2
//!     cargo run -p socketapi --example echo_client -- 127.0.0.1 127.0.0.2 hello world

use std::net::IpAddr;

use socketapi::{Error, SctpListener, SctpStream, SendInfo, Stack, Transport};

const PORT: u16 = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: IpAddr = std::env::args().nth(1).ok_or("usage: echo_server ADDRESS")?.parse()?;
    let stack = Stack::builder().transport(Transport::Udp).address(address).build()?;
    let listener = SctpListener::bind(&stack, (address, PORT))?;
    println!("listening on {address}, SCTP port {PORT}, UDP port {}", stack.udp_port());
    loop {
        let (stream, peer) = listener.accept()?;
        println!("{peer} is here");
        std::thread::spawn(move || match echo(&stream) {
            Ok(()) => println!("{peer} has left"),
            Err(error) => println!("{peer}: {error}"),
        });
    }
}

fn echo(stream: &SctpStream) -> Result<(), Error> {
    while let Some(message) = stream.recv_message()? {
        let info = SendInfo::new().stream(message.info.stream).ppid(message.info.ppid);
        stream.send_bytes(message.into_bytes(), &info)?;
    }
    Ok(())
}
