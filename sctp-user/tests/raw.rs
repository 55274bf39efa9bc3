//! Raw sockets, each test in a network namespace of its own (needs root).

mod common;

use std::io::Read;
use std::net::IpAddr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::{in_namespace, receive_until, send_cut};
use sctp_core::association::Association;
use sctp_core::config::AssociationConfig;
use sctp_core::message::SendOptions;
use sctp_core::net::{Ecn, IpMarks, PathAddress};
use sctp_user::driver::{
    Driver, Inbox, Outbox, Problem, Report, Transmit,
    raw::{RawConfig, RawDriver},
    udp::{UdpConfig, UdpDriver},
};
use sctp_user::stack::{Delivery, Error, Patience, Peer, SocketKind, Stack};
use socket2::{Domain, Protocol, Socket, Type};

/// A packet with these ports and payload; drivers look at nothing else.
fn packet(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0; 8], payload].concat()
}

fn open(port: u16, addresses: &[IpAddr]) -> RawDriver {
    let mut driver = RawDriver::open(&RawConfig::default()).unwrap();
    driver.lease_port(port, addresses).unwrap();
    driver
}

/// A stack alone in its namespace.
fn alone(receive_buffer: usize) -> RawDriver {
    RawDriver::open(&RawConfig { receive_buffer, share: false, ..RawConfig::default() }).unwrap()
}

fn send(driver: &mut RawDriver, path: PathAddress, ecn: Ecn, packets: &[Vec<u8>]) -> Vec<Report> {
    send_cut(driver, path, ecn, None, packets)
}

#[test]
fn packets_reach_the_stack_that_leased_their_port_over_both_families() {
    in_namespace(&["127.0.0.1", "::1"], || {
        let (mut a, mut b, mut bystander) = (open(5001, &[]), open(5002, &[]), open(5003, &[]));
        for address in common::loopbacks() {
            let path = PathAddress { local: Some(address), ..PathAddress::to(address) };
            let packets: Vec<_> = (0..100).map(|count| packet(5001, 5002, &[count; 1468])).collect();
            assert_eq!(send(&mut a, path, Ecn::Ect0, &packets), []);
            let mut inbox = Inbox::default();
            receive_until(&mut b, &mut inbox, |inbox| inbox.packets.len() >= 100);
            for (received, sent) in inbox.packets.iter().zip(&packets) {
                assert_eq!(received.datagram, sent[..]);
                assert_eq!(received.path, path, "the addresses of both ends are the same here");
                assert_eq!(received.ecn, Ecn::Ect0);
            }
            for driver in [&mut a, &mut bystander] {
                let mut inbox = Inbox::default();
                driver.receive(&mut inbox).unwrap();
                assert!(inbox.is_empty(), "neither the sender nor a bystander hears them: {inbox:?}");
            }
        }
    });
}

/// RFC 3168, 5: all four codepoints, of which routers write the last one.
#[test]
fn the_ecn_field_travels_both_ways_over_both_families() {
    in_namespace(&["127.0.0.1", "::1"], || {
        let (mut a, mut b) = (open(5001, &[]), open(5002, &[]));
        for address in common::loopbacks() {
            let path = PathAddress { local: Some(address), ..PathAddress::to(address) };
            for ecn in [Ecn::NotCapable, Ecn::Ect0, Ecn::Ect1, Ecn::CongestionExperienced] {
                assert_eq!(send(&mut a, path, ecn, &[packet(5001, 5002, b"marked")]), []);
                let mut inbox = Inbox::default();
                receive_until(&mut b, &mut inbox, |inbox| !inbox.packets.is_empty());
                assert_eq!(inbox.packets[0].ecn, ecn);
            }
        }
    });
}

#[test]
fn packets_as_large_as_the_loopback_carries_arrive_whole() {
    in_namespace(&["127.0.0.1", "::1"], || {
        let (mut a, mut b) = (open(5001, &[]), open(5002, &[]));
        for address in common::loopbacks() {
            let path = PathAddress::to(address);
            let largest = a.mtu(&path) - a.overhead(path.remote);
            assert!(largest > 65000, "the loopback's own MTU is used, not {largest}");
            // The first large packet finds small slots; those after it find large ones.
            for round in 0..3u8 {
                let packets = [
                    packet(5001, 5002, b"small"),
                    packet(5001, 5002, &vec![round; largest - 12]),
                    packet(5001, 5002, &vec![!round; 9000]),
                ];
                assert_eq!(send(&mut a, path, Ecn::NotCapable, &packets), []);
                let mut inbox = Inbox::default();
                receive_until(&mut b, &mut inbox, |inbox| inbox.packets.len() >= 3);
                for (received, sent) in inbox.packets.iter().zip(&packets) {
                    assert!(received.datagram == sent[..], "round {round}, {} bytes", sent.len());
                }
            }
        }
    });
}

/// RFC 8899, 5.
#[test]
fn a_packet_larger_than_the_link_is_reported_with_its_mtu_and_the_others_leave() {
    // RFC 8899, 4.5
    in_namespace(&["127.0.0.1"], || {
        common::ip("link set lo mtu 1500");
        let (mut a, mut b) = (open(5001, &[]), open(5002, &[]));
        let path = PathAddress::to([127, 0, 0, 1].into());
        let packets =
            [packet(5001, 5002, b"one"), packet(5001, 5002, &[0; 2000]), packet(5001, 5002, b"two")];
        let reports = send(&mut a, path, Ecn::NotCapable, &packets);
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert_eq!(reports[0].problem, Problem::PacketTooBig { mtu: 1500 });
        assert_eq!(reports[0].quoted[..12], packets[1][..12]);
        let mut inbox = Inbox::default();
        receive_until(&mut b, &mut inbox, |inbox| inbox.packets.len() >= 2);
        assert_eq!(inbox.packets[1].datagram, packets[2][..]);
        a.receive(&mut inbox).unwrap();
        assert_eq!(inbox.reports, [], "reported once");
    });
}

#[test]
fn an_address_that_is_not_leased_is_not_heard() {
    in_namespace(&["127.0.0.1", "127.0.0.2"], || {
        let mut a = open(5001, &[]);
        let mut b = open(5002, &[[127, 0, 0, 2].into()]);
        let to = |last| PathAddress::to([127, 0, 0, last].into());
        send(&mut a, to(1), Ecn::NotCapable, &[packet(5001, 5002, b"other")]);
        send(&mut a, to(2), Ecn::NotCapable, &[packet(5001, 5002, b"ours")]);
        let mut inbox = Inbox::default();
        receive_until(&mut b, &mut inbox, |inbox| !inbox.packets.is_empty());
        assert_eq!(inbox.packets.len(), 1);
        assert_eq!(inbox.packets[0].datagram[12..], b"ours"[..]);
        b.release_port(5002, &[[127, 0, 0, 2].into()]);
        send(&mut a, to(2), Ecn::NotCapable, &[packet(5001, 5002, b"late")]);
        inbox.packets.clear();
        b.receive(&mut inbox).unwrap();
        assert!(inbox.is_empty(), "a released port is silent");
    });
}

#[test]
fn a_stack_with_an_address_of_its_own_leaves_the_others_alone() {
    in_namespace(&["127.0.0.1", "127.0.0.2"], || {
        let mut a = open(5001, &[]);
        let config = RawConfig { addresses: vec![[127, 0, 0, 2].into()], ..RawConfig::default() };
        let mut b = RawDriver::open(&config).unwrap();
        let port = *b.lease_ephemeral_ports().unwrap().start();
        let to = |last| PathAddress::to([127, 0, 0, last].into());
        send(&mut a, to(1), Ecn::NotCapable, &[packet(5001, port, b"other")]);
        send(&mut a, to(2), Ecn::NotCapable, &[packet(5001, port, b"ours")]);
        let mut inbox = Inbox::default();
        receive_until(&mut b, &mut inbox, |inbox| !inbox.packets.is_empty());
        assert_eq!(inbox.packets[0].datagram[12..], b"ours"[..]);
        assert_eq!(b.local_addresses(), config.addresses);
    });
}

#[test]
fn protocol_unreachable_reaches_the_stack_that_sent_the_packet_and_no_other() {
    in_namespace(&["127.0.0.1"], || {
        let _neighbour = common::Neighbour::new();
        let (mut sender, mut bystander) = (open(5001, &[]), open(5002, &[]));
        for (here, there) in [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")] {
            let path = PathAddress::to(there.parse().unwrap());
            let packets = [packet(5001, 7, b"chunks")];
            assert_eq!(send(&mut sender, path, Ecn::NotCapable, &packets), []);
            let mut inbox = Inbox::default();
            receive_until(&mut sender, &mut inbox, |inbox| !inbox.reports.is_empty());
            let report = &inbox.reports[0];
            assert_eq!(report.problem, Problem::ProtocolUnreachable);
            assert_eq!(report.path, PathAddress { local: Some(here.parse().unwrap()), ..path });
            assert_eq!(report.quoted, packets[0][..]);
            // The kernel tells all raw sockets of the host: a bystander's next call must not fail for it.
            let local = PathAddress::to([127, 0, 0, 1].into());
            assert_eq!(send(&mut bystander, local, Ecn::NotCapable, &[packet(5002, 5001, b"fine")]), []);
            let mut inbox = Inbox::default();
            receive_until(&mut sender, &mut inbox, |inbox| !inbox.packets.is_empty());
            assert_eq!(inbox.packets[0].datagram[12..], b"fine"[..]);
            let mut inbox = Inbox::default();
            bystander.receive(&mut inbox).unwrap();
            assert!(inbox.is_empty(), "{inbox:?}");
        }
    });
}

/// RFC 9260, 10, ICMP8: "protocol unreachable" would end the sender's association.
#[test]
fn packets_that_find_the_receive_buffer_full_are_lost_without_an_answer() {
    in_namespace(&["127.0.0.1"], || {
        let neighbour = common::Neighbour::new();
        let mut sender = neighbour.run(|| alone(1 << 20));
        let mut receiver = alone(1);
        receiver.lease_port(5001, &[]).unwrap();
        for (there, table) in [("10.9.0.1", "raw"), ("fd09::1", "raw6")] {
            let path = PathAddress::to(there.parse().unwrap());
            let flood: Vec<_> = (0..100).map(|count| packet(7, 5001, &[count; 1000])).collect();
            send(&mut sender, path, Ecn::NotCapable, &flood);
            // The path itself may have to be found first.
            common::wait_until(|| drops(table) > 0);
        }
        let answers = common::counters().filter(|(name, _)| {
            matches!(&name[..], "Icmp OutDestUnreachs" | "Icmp6OutDestUnreachs" | "Icmp6OutParmProblems")
        });
        let answers: Vec<_> = answers.collect();
        assert_eq!(answers.len(), 3, "the kernel counts them under these names: {answers:?}");
        assert!(answers.iter().all(|(_, count)| *count == 0), "{answers:?}");
        let mut inbox = Inbox::default();
        receive_until(&mut receiver, &mut inbox, |inbox| {
            inbox.packets.iter().any(|p| p.path.remote.is_ipv6())
        });
        assert!(inbox.packets.len() < 200);
    });
}

/// Packets that found no room, of all raw sockets of a family in this namespace.
fn drops(table: &str) -> u64 {
    let table = std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap();
    table.lines().skip(1).map(|line| line.split(' ').next_back().unwrap().parse::<u64>().unwrap()).sum()
}

/// RFC 9260, 6.9: what was cut for a larger path cannot be cut again, and is left to IP; the kernel would cut it for the
/// interface only.
#[test]
fn what_a_switch_has_no_room_for_passes_in_fragments() {
    in_namespace(&["127.0.0.1"], || {
        let neighbour = common::Neighbour::behind_switch();
        let mut receiver = neighbour.run(|| alone(1 << 20));
        receiver.lease_port(5001, &[]).unwrap();
        let mut sender = alone(1 << 20);
        common::ip("link set here mtu 1280");
        for there in ["10.9.0.2", "fd09::2"] {
            let path = PathAddress::to(there.parse().unwrap());
            let large =
                |payload: u8| [packet(7, 5001, &[payload; 1400]), packet(7, 5001, &vec![payload; 60_000])];
            assert_eq!(send(&mut sender, path, Ecn::Ect0, &large(1)[..1]), [], "nobody says so");
            assert_eq!(send_cut(&mut sender, path, Ecn::Ect0, Some(1280), &large(2)), []);
            let mut inbox = Inbox::default();
            receive_until(&mut receiver, &mut inbox, |inbox| inbox.packets.len() >= 2);
            for (received, sent) in inbox.packets.iter().zip(large(2)) {
                assert!(received.datagram == sent[..], "{} bytes", received.datagram.len());
                assert_eq!((received.ecn, received.path.local), (Ecn::Ect0, Some(path.remote)));
            }
        }
        let unroutable = PathAddress::to([192, 0, 2, 1].into());
        let reports =
            send_cut(&mut sender, unroutable, Ecn::NotCapable, Some(1280), &[packet(7, 5001, b"x")]);
        assert_eq!(reports[0].problem, Problem::NetUnreachable);
    });
}

fn raw_stack() -> Stack {
    Stack::builder().driver(alone(1 << 20)).build().unwrap()
}

/// A stack of the whole host has the addresses, too, that the kernel takes for its own without listing them: all of 127/8.
#[test]
fn a_socket_is_bound_to_any_loopback_address() {
    in_namespace(&["127.0.0.1"], || {
        let stack = raw_stack();
        let bound = |kind, address: &str, port| {
            let socket = stack.socket(kind).unwrap();
            socket.bind(&[address.parse().unwrap()], port).unwrap();
            socket
        };
        let listener = bound(SocketKind::Listener, "127.0.0.53", 7000);
        listener.listen(1).unwrap();
        let client = bound(SocketKind::OneToOne, "127.9.9.9", 0);
        let peer = Peer { addresses: vec!["127.0.0.53".parse().unwrap()], port: 7000 };
        let id = client.connect(&peer).unwrap();
        client.wait_connected(id, Patience::Forever).unwrap();
        let accepted = listener.accept(Patience::Forever).unwrap();
        let remote = |association: &Association| association.paths().iter().next().unwrap().address.remote;
        let seen = accepted.association(accepted.only_association(), remote).unwrap();
        assert_eq!(seen, "127.9.9.9".parse::<IpAddr>().unwrap());
        let foreign = stack.socket(SocketKind::OneToOne).unwrap().bind(&["192.0.2.1".parse().unwrap()], 0);
        assert!(matches!(foreign, Err(Error::NotLocal(_))));
    });
}

/// RFC 8899, 4.3; RFC 9260, 6.9: a path that shrinks in silence while chunks for its former size are under way.
#[test]
fn an_association_survives_a_switch_that_becomes_narrower() {
    in_namespace(&["127.0.0.1"], || {
        let neighbour = common::Neighbour::behind_switch();
        let (told, lengths) = channel();
        neighbour.run(move || {
            let server = raw_stack();
            let listener = server.socket(SocketKind::Listener).unwrap();
            listener.bind(&[], 7000).unwrap();
            listener.listen(5).unwrap();
            thread::spawn(move || {
                let _server = server;
                loop {
                    let socket = listener.accept(Patience::Forever).unwrap();
                    while let Some(delivery) = socket.receive(usize::MAX, Patience::Forever).unwrap() {
                        if let Delivery::Message { message, .. } = delivery
                            && told.send(message.len()).is_err()
                        {
                            return;
                        }
                    }
                }
            });
        });
        let client = raw_stack();
        for there in ["10.9.0.2", "fd09::2"] {
            common::ip("link set here mtu 1500");
            let socket = client.socket(SocketKind::OneToOne).unwrap();
            let peer = Peer { addresses: vec![there.parse().unwrap()], port: 7000 };
            let quick = |config: &mut AssociationConfig| {
                *config = AssociationConfig::fast_failover();
                config.rto_min = Duration::from_millis(100);
            };
            socket.configure(None, quick).unwrap();
            let id = socket.connect(&peer).unwrap();
            socket.wait_connected(id, Patience::Forever).unwrap();
            let size = || {
                let largest = |association: &Association| {
                    association.paths().iter().map(|path| path.max_packet_size).max().unwrap()
                };
                socket.association(Some(id), largest).unwrap()
            };
            common::wait_until(|| size() >= 1460);
            common::ip("link set here mtu 1300");
            for _ in 0..20 {
                let message = Bytes::from(vec![7; 20_000]);
                socket.send(Some(id), &SendOptions::default(), &message, Patience::Forever).unwrap();
            }
            for _ in 0..20 {
                assert_eq!(lengths.recv_timeout(common::PATIENCE), Ok(20_000), "{there}");
            }
            assert!(size() < 1300);
            socket.shutdown(Some(id)).unwrap();
        }
    });
}

/// The next IP packet of a family on loopback that carries `protocol`, as it is on the wire.
fn on_the_wire(mut watcher: &Socket, v4: bool, protocol: u8) -> Vec<u8> {
    let mut packet = vec![0; 65_536];
    loop {
        let len = watcher.read(&mut packet).unwrap();
        let (is_v4, carries) = if packet[0] >> 4 == 4 { (true, packet[9]) } else { (false, packet[6]) };
        if (is_v4, carries) == (v4, protocol) {
            return packet[..len].to_vec();
        }
    }
}

/// Traffic class, flow label and hop limit of an IP packet.
fn marks_of(packet: &[u8]) -> (u8, u32, u8) {
    match packet[0] >> 4 {
        4 => (packet[1], 0, packet[8]),
        _ => {
            let first = u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]);
            ((first >> 20) as u8, first & 0xf_ffff, packet[7])
        }
    }
}

/// RFC 6458, 8.1.12: DSCP and flow label; RFC 3168, 5: the ECN field stays its own. Over raw IP and UDP.
#[test]
fn the_headers_of_packets_are_marked_as_their_path_is() {
    in_namespace(&["127.0.0.1", "::1"], || {
        let watcher = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0x300))).unwrap();
        watcher.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let addresses: Vec<_> = common::loopbacks().into_iter().collect();
        let mut raw = open(5001, &[]);
        let mut udp = UdpDriver::open(&UdpConfig { port: 9, ..UdpConfig::new(addresses.clone()) }).unwrap();
        let marks = IpMarks { dscp: 0xb8, hop_limit: 7, flow_label: 0x5_4321 };
        let send = |driver: &mut dyn Driver, remote_udp_port, remote: IpAddr, marks| {
            let path = PathAddress { local: Some(remote), remote, remote_udp_port };
            let (ecn, fragment_to) = (Ecn::Ect0, None);
            let run = Transmit { path, ecn, marks, fragment_to, segment_size: 100, len: 250 };
            let mut outbox = Outbox { transmits: vec![run], bytes: packet(5001, 5002, &[7; 238]) };
            assert!(outbox.flush(driver, &mut Vec::new()));
            let protocol = if remote_udp_port == 0 { 132 } else { 17 };
            marks_of(&on_the_wire(&watcher, remote.is_ipv4(), protocol))
        };
        for remote in addresses {
            let flow_label = if remote.is_ipv6() { marks.flow_label } else { 0 };
            for (udp_port, driver) in [(0, &mut raw as &mut dyn Driver), (9, &mut udp)] {
                assert_eq!(send(driver, udp_port, remote, marks), (0xba, flow_label, 7), "{remote}");
            }
            let (class, _, hops) = send(&mut raw, 0, remote, IpMarks::NONE);
            assert_eq!((class, hops), (0x02, 64), "{remote}: all is left to the host");
        }
    });
}
