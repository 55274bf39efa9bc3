//! A one-to-many server: all associations come from one socket, with the notifications about them.
//!
//! Each message is sent to all who are there.
//!
//!     cargo run -p socketapi --example notifications -- 127.0.0.2
//!     cargo run -p socketapi --example echo_client -- 127.0.0.1 127.0.0.2 hello

use std::net::IpAddr;

use socketapi::{
    Notification, Notifications, Received, SctpSocket, SendInfo, SocketBuilder, Stack, Transport,
};

const PORT: u16 = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: IpAddr = std::env::args().nth(1).ok_or("usage: notifications ADDRESS")?.parse()?;
    let stack = Stack::builder().transport(Transport::Udp).address(address).build()?;
    let socket: SctpSocket = SocketBuilder::new(&stack)
        .bind((address, PORT))
        .notifications(Notifications::ASSOCIATION | Notifications::PATHS | Notifications::SHUTDOWN)
        .one_to_many()?;
    println!("listening on {address}, SCTP port {PORT}, UDP port {}", stack.udp_port());
    loop {
        match socket.receive()? {
            Received::Message(message) => {
                let info = SendInfo::new().stream(message.info.stream).ppid(message.info.ppid);
                for (association, error) in socket.send_to_all(&message.into_bytes(), &info) {
                    println!("{association:?} did not get it: {error}");
                }
            }
            Received::Notification(Some(association), what) => match what {
                Notification::CommunicationUp { outbound_streams, inbound_streams, .. } => {
                    let peer = socket.peer_addrs(association)?;
                    println!(
                        "{peer:?} is here, with {inbound_streams} streams in and {outbound_streams} out"
                    );
                }
                other => println!("{association:?}: {other:?}"),
            },
            Received::Notification(None, about_all) => println!("{about_all:?}"),
        }
    }
}
