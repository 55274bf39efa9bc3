//! Random and damaged packets at a live stack, beside a proper transfer.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use system_tests::{
    Capture, Host, Lab, PerfServer, Program, has_judge_or_skip, perf_result, run_perf_client, source_ports,
    start_perf_client,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
/// Packets in each direction.
const PACKETS: usize = 25_000;
const SERVER_PORT: u16 = 5001;
/// What a server may grow by: buffers of the transfer that runs meanwhile, and the allocator's slack.
const MORE_KIB: u64 = 64 << 10;

/// Makes packets: noise, and valid packets of all kinds with bytes changed.
struct Generator {
    random: StdRng,
    valid: Vec<Vec<u8>>,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/sctp_packet");
        let mut files: Vec<_> =
            std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let valid =
            files.iter().map(|file| std::fs::read(file).unwrap()).filter(|bytes| bytes.len() >= 16).collect();
        Self { random: StdRng::seed_from_u64(seed), valid }
    }

    /// The next packet from one port to another; three of four have the right checksum.
    fn packet(&mut self, from: u16, to: u16) -> Vec<u8> {
        let mut packet = if self.random.random_ratio(1, 5) { self.noise() } else { self.damaged() };
        if packet.len() >= 12 {
            packet[..2].copy_from_slice(&from.to_be_bytes());
            packet[2..4].copy_from_slice(&to.to_be_bytes());
            if self.random.random_ratio(1, 3) {
                // The tag of an INIT.
                packet[4..8].fill(0);
            }
            if self.random.random_ratio(3, 4) {
                packet[8..12].fill(0);
                let checksum = crc32c::crc32c(&packet);
                packet[8..12].copy_from_slice(&checksum.to_le_bytes());
            }
        }
        packet
    }

    fn noise(&mut self) -> Vec<u8> {
        let len = self.random.random_range(0..1400);
        (0..len).map(|_| self.random.random()).collect()
    }

    fn damaged(&mut self) -> Vec<u8> {
        let which = self.random.random_range(0..self.valid.len());
        let mut packet = self.valid[which].clone();
        packet.truncate(1400);
        for _ in 0..self.random.random_range(0..4) {
            let at = self.random.random_range(0..packet.len());
            packet[at] = self.random.random();
        }
        if self.random.random_ratio(1, 8) {
            packet.truncate(self.random.random_range(0..packet.len()));
        }
        packet
    }
}

/// Sends packets from one host to another, over raw IP or in UDP.
fn blast(host: &Host, from: &str, to: &str, udp: bool, mut next: impl FnMut() -> Vec<u8> + Send) {
    let (from, to): (Ipv4Addr, Ipv4Addr) = (from.parse().unwrap(), to.parse().unwrap());
    host.inside(|| {
        if udp {
            let socket = UdpSocket::bind((from, 0)).unwrap();
            for _ in 0..PACKETS {
                // A full queue loses some: so be it.
                let _ = socket.send_to(&next(), (to, 9899));
            }
        } else {
            let socket = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Raw)
                .expect("root");
            let peer = SockaddrIn::from(SocketAddrV4::new(to, 0));
            for _ in 0..PACKETS {
                let _ =
                    sendto(socket.as_raw_fd(), &with_ip_header(from, to, &next()), &peer, MsgFlags::empty());
            }
        }
    });
}

/// The kernel fills in length, identification and checksum.
fn with_ip_header(from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 132, 0, 0];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

/// Starts a client, and learns its port from its COOKIE ECHO.
fn client_and_port(lab: &Lab, udp: bool, line: &str) -> (Program, u16) {
    let folder = TempDir::new().unwrap();
    // The type of the first chunk: after 20 bytes of IP, 8 of UDP, 12 of common header.
    let filter = if udp { "udp and ip[40] = 10" } else { "proto 132 and ip[32] = 10" };
    let capture = Capture::start_filtered(&lab.a, "n0", &folder.path().join("cookie.pcap"), filter);
    let client = start_perf_client(&lab.a, line);
    let file = capture.finish_after("sctp.chunk_type == 10");
    (client, source_ports(&file)[0])
}

fn a_stack_survives(udp: bool) {
    if !has_judge_or_skip() {
        return;
    }
    let seed = std::env::var("HOSTILE_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("replay with HOSTILE_SEED={seed}");
    let mut generator = Generator::new(seed);
    let lab = Lab::new(1, 1500);
    let (local, remote) = (lab.a.v4(0), lab.b.v4(0));
    let transport = if udp { "--udp" } else { "--raw" };
    let mut server = PerfServer::start(&lab.b, &format!("{transport} --local {remote} --port {SERVER_PORT}"));

    // A listener, with no association yet.
    let before = server.resident_kib();
    blast(&lab.a, &local, &remote, udp, || {
        let from = generator.random.random();
        generator.packet(from, SERVER_PORT)
    });

    // An association, both its ends.
    let line = format!("{remote} --local {local} {transport} --port {SERVER_PORT}");
    let (client, port) = client_and_port(&lab, udp, &format!("{line} --time 6"));
    blast(&lab.a, &local, &remote, udp, || generator.packet(port, SERVER_PORT));
    blast(&lab.b, &remote, &local, udp, || generator.packet(SERVER_PORT, port));
    let sent = perf_result(client, LIMIT);
    assert_eq!(sent["verified"], true, "the transfer went on: {sent}");
    let counted = server.next_count(LIMIT);
    assert_eq!((&counted["bytes"], &counted["messages"]), (&sent["bytes"], &sent["messages"]));
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < MORE_KIB, "the server grew by {grown} KiB");

    // Then it serves as ever; and nobody else had an association.
    let result = run_perf_client(&lab.a, &format!("{line} --count 100"), LIMIT);
    assert_eq!(result["verified"], true);
    assert_eq!(server.next_count(LIMIT)["messages"], 100);
    server.program.signal(Signal::SIGTERM);
    let (_, output) = server.program.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(output.matches("\"bytes\"").count(), 2, "{output}");
    assert!(!output.contains("an association ended") && !output.contains("panicked"), "{output}");
}

#[test]
fn a_stack_over_raw_ip_survives_random_and_damaged_packets() {
    a_stack_survives(false);
}

#[test]
fn a_stack_over_udp_survives_random_and_damaged_packets() {
    a_stack_survives(true);
}
