//! Stacks that share a host: in one process, in several, and when some of them are killed
//! (each test in a network namespace of its own; needs root).

mod common;

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::IpAddr,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use bytes::Bytes;
use common::{PATIENCE, in_namespace, receive_until};
use sctp_core::{
    net::{Ecn, IpMarks, PathAddress},
    wire::{ChecksumPolicy, ChunkType, CommonHeader, Packet, PacketBuilder, RawChunk},
};
use sctp_user::driver::{
    Driver, Inbox, LeaseError, OpenError, Outbox, Transmit,
    raw::{RawConfig, RawDriver},
};

const HERE: [u8; 4] = [127, 0, 0, 1];

fn open() -> RawDriver {
    RawDriver::open(&RawConfig::default()).unwrap()
}

/// A peer that takes no part in the sharing, as if it were on another host.
fn stranger(port: u16) -> RawDriver {
    let mut driver = RawDriver::open(&RawConfig { share: false, ..RawConfig::default() }).unwrap();
    driver.lease_port(port, &[]).unwrap();
    driver
}

fn send(driver: &mut RawDriver, from: u16, to: u16, tag: u32, chunk_type: ChunkType, value: &[u8]) {
    let mut outbox = Outbox::default();
    let header = CommonHeader { source_port: from, destination_port: to, verification_tag: tag };
    let mut builder = PacketBuilder::new(&mut outbox.bytes, header, 1500);
    builder.push(&RawChunk { chunk_type, flags: 0, value: Bytes::copy_from_slice(value) }).unwrap();
    let len = builder.finish();
    let path = PathAddress::to(HERE.into());
    outbox.transmits.push(Transmit {
        path,
        ecn: Ecn::NotCapable,
        marks: IpMarks::NONE,
        fragment_to: None,
        segment_size: len,
        len,
    });
    assert!(outbox.flush(driver, &mut Vec::new()));
}

/// The next packet: tag, first chunk, flags.
fn receive(driver: &mut RawDriver) -> (u32, ChunkType, u8) {
    let mut inbox = Inbox::default();
    receive_until(driver, &mut inbox, |inbox| !inbox.packets.is_empty());
    let packet = Packet::parse(inbox.packets[0].datagram.clone(), ChecksumPolicy::Crc32c).unwrap();
    let chunk = packet.chunks().next().unwrap().unwrap();
    (packet.header.verification_tag, chunk.chunk_type, chunk.flags)
}

/// Sends to a port that nobody has, or will have in a moment, until the broker answers. It may not have heard of the end of a lease yet: what
/// comes before is lost, like a packet on the way.
fn await_abort(peer: &mut RawDriver, from: u16, to: u16) {
    let deadline = Instant::now() + PATIENCE;
    let mut inbox = Inbox::default();
    while inbox.packets.is_empty() {
        assert!(Instant::now() < deadline, "no ABORT");
        send(peer, from, to, 0xabcd, ChunkType::HEARTBEAT, &[0, 1, 0, 4]);
        thread::yield_now();
        peer.receive(&mut inbox).unwrap();
    }
    let packet = Packet::parse(inbox.packets[0].datagram.clone(), ChecksumPolicy::Crc32c).unwrap();
    assert_eq!(packet.first_chunk_type(), Some(ChunkType::ABORT));
    assert_eq!(packet.header.verification_tag, 0xabcd);
}

fn holder(result: Result<(), LeaseError>) -> i32 {
    match result.unwrap_err() {
        LeaseError::Taken { pid, .. } => pid,
        other => panic!("{other}"),
    }
}

/// Tries until the lease is given: the end of a process takes its time.
fn lease_when_free(driver: &mut RawDriver, port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = driver.lease_port(port, &[]) {
        assert!(Instant::now() < deadline, "{error}");
        thread::yield_now();
    }
}

#[test]
fn a_port_belongs_to_one_stack_until_it_ends() {
    in_namespace(&["127.0.0.1"], || {
        let (mut first, mut second, mut third) = (open(), open(), open());
        first.lease_port(7000, &[]).unwrap();
        let error = second.lease_port(7000, &[]).unwrap_err();
        let pid = std::process::id();
        assert!(
            error.to_string().starts_with(&format!("SCTP port 7000 is taken by process {pid}:")),
            "{error}"
        );
        let address = |last| IpAddr::from([127, 0, 0, last]);
        second.lease_port(7001, &[address(2)]).unwrap();
        third.lease_port(7001, &[address(3)]).unwrap();
        assert!(third.lease_port(7001, &[address(4), address(2)]).is_err());
        second.lease_port(7001, &[address(4)]).unwrap();
        drop(first);
        lease_when_free(&mut second, 7000);
        second.release_port(7000, &[]);
        lease_when_free(&mut third, 7000);
    });
}

#[test]
fn stacks_get_different_blocks_of_ephemeral_ports() {
    in_namespace(&["127.0.0.1"], || {
        let (mut first, mut second) = (open(), open());
        let blocks = [
            first.lease_ephemeral_ports().unwrap(),
            second.lease_ephemeral_ports().unwrap(),
            first.lease_ephemeral_ports().unwrap(),
        ];
        for (index, block) in blocks.iter().enumerate() {
            assert!(!block.is_empty());
            assert!(blocks[..index].iter().all(|other| !other.contains(block.start())), "{blocks:?}");
        }
    });
}

#[test]
fn stacks_that_start_together_elect_one_broker() {
    in_namespace(&["127.0.0.1"], || {
        // New threads are in the namespace of the thread that starts them.
        let starting: Vec<_> = (0..8u16)
            .map(|number| {
                thread::spawn(move || {
                    let mut driver = open();
                    driver.lease_port(7000 + number, &[]).unwrap();
                    driver
                })
            })
            .collect();
        let drivers: Vec<RawDriver> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
        let mut late = open();
        for number in 0..8 {
            assert_eq!(holder(late.lease_port(7000 + number, &[])), std::process::id() as i32);
        }
        drop(drivers);
        lease_when_free(&mut late, 7000);
    });
}

#[test]
fn packets_to_nobody_are_answered_once_and_those_to_a_stack_are_its_own() {
    in_namespace(&["127.0.0.1"], || {
        let (mut stack, _other) = (open(), open());
        stack.lease_port(7000, &[]).unwrap();
        let mut peer = stranger(9000);
        send(&mut peer, 9000, 7000, 0, ChunkType::INIT, &[5; 16]);
        assert_eq!(receive(&mut stack), (0, ChunkType::INIT, 0));
        send(&mut peer, 9000, 7001, 0, ChunkType::INIT, &[6; 16]);
        assert_eq!(receive(&mut peer), (0x0606_0606, ChunkType::ABORT, 0), "none for port 7000 before it");
        send(&mut peer, 9000, 7001, 77, ChunkType::SHUTDOWN_ACK, b"");
        assert_eq!(receive(&mut peer), (77, ChunkType::SHUTDOWN_COMPLETE, 1));
    });
}

#[test]
fn packets_to_an_address_on_which_a_port_is_not_leased_are_answered() {
    in_namespace(&["127.0.0.1"], || {
        let mut stack = open();
        stack.lease_port(7000, &[[127, 0, 0, 9].into()]).unwrap();
        let mut peer = stranger(9000);
        send(&mut peer, 9000, 7000, 0, ChunkType::INIT, &[5; 16]);
        assert_eq!(receive(&mut peer), (0x0505_0505, ChunkType::ABORT, 0));
    });
}

/// IPV6_V6ONLY: the wildcards of the two families do not meet.
#[test]
fn a_port_of_one_family_may_be_another_stacks_in_the_other() {
    in_namespace(&["127.0.0.1"], || {
        let (v4, v6) = ([0; 4].into(), [0; 16].into());
        let (mut six, mut four) = (open(), open());
        six.lease_port(7000, &[v6]).unwrap();
        four.lease_port(7000, &[v4]).unwrap();
        assert_eq!(holder(six.lease_port(7000, &[[127, 0, 0, 1].into()])), std::process::id() as i32);
        assert_eq!(holder(open().lease_port(7000, &[])), std::process::id() as i32);
        let mut peer = stranger(9000);
        send(&mut peer, 9000, 7000, 8, ChunkType::DATA, &[0; 13]);
        assert_eq!(receive(&mut four).0, 8);
        let mut inbox = Inbox::default();
        six.receive(&mut inbox).unwrap();
        assert!(inbox.is_empty(), "{inbox:?}");
        four.release_port(7000, &[v4]);
        await_abort(&mut peer, 9000, 7000);
    });
}

#[test]
fn a_host_with_programs_of_another_kind_can_be_kept_silent() {
    in_namespace(&["127.0.0.1"], || {
        let silent = RawConfig { answer_out_of_the_blue: false, ..RawConfig::default() };
        let mut stack = RawDriver::open(&silent).unwrap();
        stack.lease_port(7000, &[]).unwrap();
        let mut peer = stranger(9000);
        send(&mut peer, 9000, 7001, 7, ChunkType::DATA, &[0; 13]);
        send(&mut peer, 9000, 7000, 8, ChunkType::DATA, &[0; 13]);
        assert_eq!(receive(&mut stack).0, 8);
        let mut inbox = Inbox::default();
        peer.receive(&mut inbox).unwrap();
        assert!(inbox.is_empty(), "{inbox:?}");
    });
}

#[test]
fn the_peers_of_a_killed_process_get_abort() {
    in_namespace(&["127.0.0.1"], || {
        let _broker = open();
        let mut process = StackProcess::start(7000);
        let mut peer = stranger(9000);
        process.kill();
        await_abort(&mut peer, 9000, 7000);
    });
}

#[test]
fn when_the_broker_is_killed_the_survivors_keep_their_ports() {
    in_namespace(&["127.0.0.1"], || {
        let mut broker = StackProcess::start(7000);
        let survivors = [StackProcess::start(7001), StackProcess::start(7002)];
        let mut ours = open();
        ours.lease_port(7003, &[]).unwrap();
        assert_eq!(holder(ours.lease_port(7000, &[])), broker.pid());
        broker.kill();
        lease_when_free(&mut ours, 7000);
        assert_eq!(holder(ours.lease_port(7001, &[])), survivors[0].pid());
        assert_eq!(holder(ours.lease_port(7002, &[])), survivors[1].pid());
        let mut newcomer = open();
        assert_eq!(holder(newcomer.lease_port(7003, &[])), std::process::id() as i32);
        // The new broker answers as the old one did.
        let mut peer = stranger(9000);
        send(&mut peer, 9000, 7009, 3, ChunkType::DATA, &[0; 13]);
        assert_eq!(receive(&mut peer), (3, ChunkType::ABORT, 1));
    });
}

#[test]
fn a_broker_of_another_user_is_not_believed() {
    in_namespace(&["127.0.0.1"], || {
        // Holds the name as user "nobody" until its input ends.
        let script = "import os,socket,sys\n\
             os.setuid(65534)\n\
             s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n\
             s.bind('\\0sctp-user/port-broker')\ns.listen()\nprint('ready',flush=True)\nsys.stdin.read()";
        let python =
            Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut squatter) = python else {
            println!("SKIPPED: no python3 to play the other user");
            return;
        };
        let mut line = String::new();
        BufReader::new(squatter.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let error = RawDriver::open(&RawConfig::default()).unwrap_err();
        squatter.kill().unwrap();
        squatter.wait().unwrap();
        assert!(matches!(error, OpenError::Lease(LeaseError::Broker(_))), "{error}");
        assert!(error.to_string().contains("user 65534"), "{error}");
    });
}

#[test]
fn a_process_without_the_privilege_is_told_what_to_do() {
    in_namespace(&["127.0.0.1"], || {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "stack_process", "--nocapture"])
            .env(PORT_VARIABLE, "7000")
            .uid(65534)
            .output();
        let Ok(output) = output else {
            println!("SKIPPED: user 65534 may not run this program");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let expected = "raw sockets need CAP_NET_RAW: run as root, or use UDP encapsulation (--udp)";
        assert!(text.contains(expected), "{text}");
    });
}

/// A process with a stack of its own that holds a port.
struct StackProcess(Child);

const PORT_VARIABLE: &str = "SCTP_TEST_STACK_PORT";

impl StackProcess {
    /// Runs `stack_process` of this program in a process, in the namespace of this thread.
    fn start(port: u16) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "stack_process", "--nocapture"])
            .env(PORT_VARIABLE, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = lines.any(|line| line.is_ok_and(|line| line.ends_with("ready")));
        assert!(is_ready, "the process with port {port} did not start");
        Self(child)
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for StackProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test: what [`StackProcess`] runs.
#[test]
fn stack_process() {
    let Ok(port) = env::var(PORT_VARIABLE) else { return };
    let mut driver = match RawDriver::open(&RawConfig::default()) {
        Ok(driver) => driver,
        Err(error) => return println!("{error}"),
    };
    driver.lease_port(port.parse().unwrap(), &[]).unwrap();
    println!("ready");
    // Until our parent ends, or kills us.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
