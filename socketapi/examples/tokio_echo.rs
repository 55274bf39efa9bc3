//! The server of `echo_server` with tokio: a task for each association.
//!
//!     cargo run -p socketapi --example tokio_echo -- 127.0.0.2
//!     cargo run -p socketapi --example echo_client -- 127.0.0.1 127.0.0.2 hello world

use std::net::IpAddr;
use std::time::Duration;

use socketapi::tokio::{SctpListener, SctpStream};
use socketapi::{Error, SendInfo, Stack, Transport};
use tokio::time::timeout;

const PORT: u16 = 7;
/// Who says nothing for so long is sent away.
const SILENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: IpAddr = std::env::args().nth(1).ok_or("usage: tokio_echo ADDRESS")?.parse()?;
    let stack = Stack::builder().transport(Transport::Udp).address(address).build()?;
    let listener = SctpListener::bind(&stack, (address, PORT))?;
    println!("listening on {address}, SCTP port {PORT}, UDP port {}", stack.udp_port());
    loop {
        let (stream, peer) = listener.accept().await?;
        println!("{peer} is here");
        tokio::spawn(async move {
            match echo(stream).await {
                Ok(()) => println!("{peer} has left"),
                Err(error) => println!("{peer}: {error}"),
            }
        });
    }
}

async fn echo(stream: SctpStream) -> Result<(), Error> {
    // A read that is cut off has read nothing: no message is lost.
    while let Ok(message) = timeout(SILENCE, stream.recv_message()).await {
        let Some(message) = message? else { return Ok(()) };
        let info = SendInfo::new().stream(message.info.stream).ppid(message.info.ppid);
        // Waits while the peer does not read what it asked for.
        stream.send_bytes(message.into_bytes(), &info).await?;
    }
    stream.finish().await.map(drop)
}
