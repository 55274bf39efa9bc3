//! Stacks on TUN interfaces, each test in a network namespace of its own (needs root).

mod common;

use std::{
    fs,
    net::IpAddr,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{in_namespace, receive_until};
use sctp_core::message::SendOptions;
use sctp_core::net::{Ecn, PathAddress};
use sctp_user::driver::{
    Driver, Inbox, OpenError, Problem, Report,
    tun::{TunAddress, TunConfig, TunDriver},
};
use sctp_user::stack::{Delivery, Patience, Peer, Socket, SocketKind, Stack};

const A: [&str; 2] = ["10.8.1.2/24", "fd08:1::2/64"];
const B: [&str; 2] = ["10.8.2.2/24", "fd08:2::2/64"];

fn config(addresses: [&str; 2], mtu: usize) -> TunConfig {
    let addresses: Vec<TunAddress> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    TunConfig { mtu, ..TunConfig::new(addresses) }
}

fn address(text: &str) -> IpAddr {
    text.parse::<TunAddress>().unwrap().address()
}

/// Lets the kernel of this namespace route.
fn be_a_router() {
    for file in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        fs::write(format!("/proc/sys/net/{file}"), "1").unwrap();
    }
}

/// A packet with ports and a tag; drivers look at nothing else.
fn packet(payload: &[u8]) -> Vec<u8> {
    [&[0x13, 0x89, 0x13, 0x8a][..], &[0; 8], payload].concat()
}

/// Packets that may be cut, or not.
fn send(
    driver: &mut TunDriver,
    path: PathAddress,
    ecn: Ecn,
    may_fragment: bool,
    packets: &[Vec<u8>],
) -> Vec<Report> {
    common::send_cut(driver, path, ecn, may_fragment.then_some(65_535), packets)
}

#[test]
fn the_kernel_routes_packets_of_any_size_between_two_stacks_with_their_marks() {
    in_namespace(&[], || {
        be_a_router();
        let mut a = TunDriver::open(&config(A, 1500)).unwrap();
        let mut b = TunDriver::open(&config(B, 1500)).unwrap();
        for (here, there) in A.into_iter().zip(B) {
            let (here, there) = (address(here), address(there));
            // Larger than the interface: in fragments.
            let sizes = [1, 700, 1440, 1450, 9000, 65_000];
            for ecn in [Ecn::NotCapable, Ecn::Ect0, Ecn::Ect1] {
                let packets: Vec<_> = sizes.iter().map(|&size| packet(&vec![size as u8; size])).collect();
                assert_eq!(send(&mut a, PathAddress::to(there), ecn, true, &packets), []);
                let mut inbox = Inbox::default();
                receive_until(&mut b, &mut inbox, |inbox| inbox.packets.len() >= packets.len());
                for received in &inbox.packets {
                    let path = PathAddress { local: Some(there), ..PathAddress::to(here) };
                    assert_eq!((received.path, received.ecn), (path, ecn));
                }
                let mut came: Vec<&[u8]> =
                    inbox.packets.iter().map(|received| &received.datagram[..]).collect();
                came.sort_by_key(|datagram| datagram.len());
                assert!(
                    came == packets,
                    "{:?}",
                    came.iter().map(|datagram| datagram.len()).collect::<Vec<_>>()
                );
            }
        }
    });
}

#[test]
fn a_router_says_too_big_and_packets_that_may_be_cut_are_from_then_on() {
    in_namespace(&[], || {
        be_a_router();
        let mut a = TunDriver::open(&config(A, 1500)).unwrap();
        let mut b = TunDriver::open(&config(B, 1300)).unwrap();
        for there in B.map(address) {
            let large = [packet(&[1; 1400])];
            assert_eq!(send(&mut a, PathAddress::to(there), Ecn::NotCapable, false, &large), []);
            let mut inbox = Inbox::default();
            receive_until(&mut a, &mut inbox, |inbox| !inbox.reports.is_empty());
            assert_eq!(inbox.reports[0].problem, Problem::PacketTooBig { mtu: 1300 });
            assert_eq!(inbox.reports[0].path.remote, there);
            assert_eq!(inbox.reports[0].quoted[..12], large[0][..12]);
            send(&mut a, PathAddress::to(there), Ecn::NotCapable, true, &large);
            receive_until(&mut b, &mut inbox, |inbox| !inbox.packets.is_empty());
            assert_eq!(inbox.packets[0].datagram, large[0][..]);
        }
    });
}

/// RFC 9260, 6.9: before any router has said so.
#[test]
fn fragments_are_as_small_as_the_sender_is_told() {
    in_namespace(&[], || {
        be_a_router();
        let mut a = TunDriver::open(&config(A, 1500)).unwrap();
        let mut b = TunDriver::open(&config(B, 1280)).unwrap();
        for there in B.map(address) {
            let large = packet(&[1; 1400]);
            let path = PathAddress::to(there);
            let packets = [large.clone()];
            assert_eq!(common::send_cut(&mut a, path, Ecn::Ect0, Some(1280), &packets), []);
            let mut inbox = Inbox::default();
            receive_until(&mut b, &mut inbox, |inbox| !inbox.packets.is_empty());
            assert_eq!(inbox.packets[0].datagram, large[..]);
            a.receive(&mut inbox).unwrap();
            assert_eq!(inbox.reports, [], "no router had to say anything");
        }
    });
}

#[test]
fn what_must_not_be_cut_and_is_too_long_for_the_interface_is_reported() {
    // RFC 8899, 3
    in_namespace(&[], || {
        let mut a = TunDriver::open(&config(A, 1400)).unwrap();
        for there in B.map(address) {
            let packets = [packet(&[1; 1400])];
            let reports = send(&mut a, PathAddress::to(there), Ecn::NotCapable, false, &packets);
            assert_eq!(reports.len(), 1);
            assert_eq!(reports[0].problem, Problem::PacketTooBig { mtu: 1400 });
            assert_eq!(reports[0].quoted[..12], packets[0][..12]);
        }
    });
}

#[test]
fn a_host_without_sctp_is_reported() {
    in_namespace(&[], || {
        let mut a = TunDriver::open(&config(A, 1500)).unwrap();
        for there in ["10.8.1.1", "fd08:1::1"] {
            let path = PathAddress::to(there.parse().unwrap());
            let mut inbox = Inbox::default();
            // The kernel limits its ICMP messages, those of all namespaces together.
            let deadline = Instant::now() + common::PATIENCE;
            while inbox.reports.is_empty() {
                assert!(Instant::now() < deadline, "no report of {there}");
                send(&mut a, path, Ecn::NotCapable, false, &[packet(b"chunks")]);
                common::receive_for(&mut a, &mut inbox, Duration::from_millis(200));
            }
            assert_eq!(inbox.reports[0].problem, Problem::ProtocolUnreachable, "{there}");
            assert_eq!(inbox.reports[0].quoted, packet(b"chunks")[..]);
        }
    });
}

#[test]
fn the_kernel_can_ping_a_stack() {
    in_namespace(&[], || {
        if Command::new("ping").arg("-V").stdout(Stdio::null()).status().is_err() {
            println!("SKIPPED: ping is missing: install the package iputils-ping");
            return;
        }
        let _stack = Stack::builder().tun(config(A, 1500)).build().unwrap();
        for address in A.map(address) {
            // The second size takes fragments both ways.
            for size in ["56", "8000"] {
                let ping = ["-c", "3", "-i", "0.2", "-W", "10", "-s", size, &address.to_string()];
                let output = Command::new("ping").args(ping).output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(said.contains("3 received"), "{said}");
            }
        }
    });
}

#[test]
fn an_address_of_the_host_itself_is_refused() {
    in_namespace(&["10.8.1.2"], || {
        let refused = TunDriver::open(&config(A, 1500)).unwrap_err();
        assert!(
            matches!(refused, OpenError::NotOurs { address } if address.to_string() == "10.8.1.2"),
            "{refused}"
        );
        assert!(TunDriver::open(&TunConfig::new([])).is_err());
        assert!(TunDriver::open(&config(B, 100)).is_err(), "no link of IPv6 is so small");
    });
}

#[test]
fn a_network_that_another_interface_has_is_refused() {
    in_namespace(&[], || {
        let first = TunDriver::open(&config(A, 1500)).unwrap();
        for again in ["10.8.1.2/24", "10.8.1.3/24"] {
            let refused = TunDriver::open(&config([again, "fd08:3::2/64"], 1500)).unwrap_err();
            assert!(
                matches!(refused, OpenError::NetworkTaken { side, .. } if side.to_string() == "10.8.1.1"),
                "{refused}"
            );
        }
        drop(first);
        TunDriver::open(&config(A, 1500)).unwrap();
    });
}

#[test]
fn two_stacks_move_large_messages_over_both_families_at_different_mtus() {
    in_namespace(&[], || {
        be_a_router();
        let client = Stack::builder().tun(config(A, 9000)).build().unwrap();
        let server = Stack::builder().tun(config(B, 1400)).build().unwrap();
        let listener = server.socket(SocketKind::Listener).unwrap();
        listener.bind(&[], 7000).unwrap();
        listener.listen(5).unwrap();
        for there in B.map(address) {
            let reader = thread::scope(|scope| {
                let accepted = scope.spawn(|| listener.accept(Patience::Forever).unwrap());
                let socket = client.socket(SocketKind::OneToOne).unwrap();
                let peer = Peer { addresses: vec![there], port: 7000 };
                let association = socket.connect(&peer).unwrap();
                socket.wait_connected(association, Patience::Forever).unwrap();
                let server_side = accepted.join().unwrap();
                let reading = scope.spawn(move || read_all(&server_side));
                for number in 0..50u8 {
                    let message = Bytes::from(vec![number; 100_000]);
                    socket
                        .send(Some(association), &SendOptions::default(), &message, Patience::Forever)
                        .unwrap();
                }
                socket.shutdown(Some(association)).unwrap();
                reading.join().unwrap()
            });
            let expected: Vec<(u8, usize)> = (0..50).map(|number| (number, 100_000)).collect();
            assert_eq!(reader, expected, "{there}");
        }
    });
}

/// First byte and length of each message until the end of the association.
fn read_all(socket: &Socket) -> Vec<(u8, usize)> {
    let mut messages = Vec::new();
    while let Some(delivery) = socket.receive(usize::MAX, Patience::Forever).unwrap() {
        if let Delivery::Message { message, .. } = delivery {
            let bytes = message.into_bytes();
            assert!(bytes.iter().all(|&byte| byte == bytes[0]));
            messages.push((bytes[0], bytes.len()));
        }
    }
    messages
}
