//! A client with several addresses that watches its paths while it talks to a server.
//!
//! Loopback addresses will do to see it; on a real host take the addresses of two interfaces, and pull a cable.
//! A server with two addresses, then the client:
//!
//!     cargo run -p socketapi --example multihoming -- server 127.0.0.2 127.0.1.2
//!     cargo run -p socketapi --example multihoming -- client 127.0.0.2 127.0.0.1 127.0.1.1

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socketapi::{
    AssociationConfig, Error, Notification, Notifications, PathChange, Received, SctpListener, SctpStream,
    SendInfo, SocketBuilder, Stack, Transport,
};

const PORT: u16 = 7;
const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let addresses = |texts: &[String]| texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
    match &arguments[..] {
        [role, ours @ ..] if role == "server" => serve(addresses(ours)?)?,
        [role, server, ours @ ..] if role == "client" => talk(server.parse()?, addresses(ours)?)?,
        _ => return Err("usage: multihoming server OURS... | multihoming client SERVER OURS...".into()),
    }
    Ok(())
}

fn stack(addresses: Vec<IpAddr>) -> Result<Stack, Error> {
    // A path that fails is noticed within a second.
    let defaults = AssociationConfig::fast_failover();
    Stack::builder().transport(Transport::Udp).addresses(addresses).defaults(defaults).build()
}

fn serve(ours: Vec<IpAddr>) -> Result<(), Error> {
    let stack = stack(ours)?;
    // Bound to all addresses of the stack: peers are told all of them.
    let listener = SctpListener::bind(&stack, ("0.0.0.0", PORT))?;
    println!("listening on {:?}", listener.local_addrs()?);
    loop {
        let (stream, peer) = listener.accept()?;
        println!("{peer} is here, with the addresses {:?}", stream.peer_addrs()?);
        while let Ok(Some(message)) = stream.recv_message() {
            stream.send_bytes(message.into_bytes(), &SendInfo::new())?;
        }
    }
}

fn talk(server: IpAddr, ours: Vec<IpAddr>) -> Result<(), Error> {
    let stack = stack(ours)?;
    let stream: SctpStream = SocketBuilder::new(&stack)
        .notifications(Notifications::PATHS)
        .connect(SocketAddr::new(server, PORT))?;
    println!("the server has the addresses {:?}", stream.peer_addrs()?);
    for round in 0..ROUNDS {
        stream.send(&round.to_be_bytes(), &SendInfo::new())?;
        wait_for_answer(&stream)?;
        for path in stream.status()?.paths {
            println!("{}: {:?}, RTO {:?}, cwnd {}", path.address, path.state, path.rto, path.cwnd);
        }
        // The application may choose the path, too.
        if let Some(other) = stream.peer_addrs()?.last() {
            stream.set_primary(other.ip())?;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    stream.shutdown()?;
    println!("ended: {:?}", stream.wait_ended()?);
    Ok(())
}

/// Reads up to the next message. Meanwhile a path may fail: then the message takes another one.
fn wait_for_answer(stream: &SctpStream) -> Result<(), Error> {
    loop {
        match stream.receive()?.ok_or(Error::NotConnected)? {
            Received::Message(_) => return Ok(()),
            Received::Notification(_, Notification::PathChanged { address, change }) => {
                let gone = matches!(change, PathChange::PotentiallyFailed | PathChange::Unreachable);
                println!("{address}: {change:?}{}", if gone { ", taking another path" } else { "" });
            }
            Received::Notification(..) => {}
        }
    }
}
