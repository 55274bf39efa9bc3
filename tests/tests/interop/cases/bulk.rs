//! Much data: fragments, streams, order, loss, a reader that does not read.

use std::time::{Duration, Instant};

use socketapi::SendInfo;

use super::{Case, From};
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};
use crate::wire::Wire;

const DATA: &str = "User data (RFC 9260, 6)";
const LOSS: &str = "Loss (RFC 9260, 6.3 and 7.2.4)";

pub(super) const CASES: &[Case] = &[
    Case::new(DATA, "messages of 8 to 100,000 bytes to the peer", |ground| sizes(ground, From::Us)),
    Case::new(DATA, "messages of 8 to 100,000 bytes from the peer", |ground| sizes(ground, From::Peer)),
    Case::new(DATA, "ten streams and no order, to the peer", |ground| many_streams(ground, From::Us)),
    Case::new(DATA, "ten streams and no order, from the peer", |ground| many_streams(ground, From::Peer)),
    Case::new(DATA, "large messages in no order, to the peer", |ground| large_unordered(ground, From::Us)),
    Case::new(DATA, "large messages in no order, from the peer", |ground| {
        large_unordered(ground, From::Peer)
    }),
    Case::new(
        DATA,
        "the payload protocol identifier arrives as it was given, both ways",
        protocol_identifiers,
    ),
    Case::new(DATA, "every message comes back from the peer's echo", echo),
    Case::new(DATA, "both sides send at the same time", both_ways),
    Case::new(DATA, "the peer stops reading and goes on", a_reader_that_pauses),
    Case::new(DATA, "we stop reading and go on", we_pause),
    Case::new(DATA, "messages larger than the receive buffer, to the peer", |ground| large(ground, From::Us)),
    Case::new(DATA, "messages larger than the receive buffer, from the peer", |ground| {
        large(ground, From::Peer)
    }),
    Case::new(LOSS, "5 % of the packets lost, to the peer", |ground| lossy(ground, From::Us)),
    Case::new(LOSS, "5 % of the packets lost, from the peer", |ground| lossy(ground, From::Peer)),
    Case::new(LOSS, "5 % of the packets lost, over UDP, both ways", |ground| {
        lossy_both_ways(ground, Plan::new(Begins::We).over_udp())
    }),
    Case::new(LOSS, "5 % of the packets lost, by IPv6, both ways", |ground| {
        lossy_both_ways(ground, Plan::new(Begins::We).by_ipv6())
    }),
    Case::new(LOSS, "5 % of the packets lost, with IPv4 and IPv6 on two networks, both ways", |ground| {
        lossy_both_ways(ground, Plan::new(Begins::Peer).by_both_families())
    }),
    Case::new(LOSS, "5 % of the packets lost, over UDP by IPv6, both ways", |ground| {
        lossy_both_ways(ground, Plan::new(Begins::Peer).by_ipv6().over_udp())
    }),
];

/// Moves a job from one side to the other and checks that nothing is wrong; returns how long it took.
fn transfer(ground: &mut Ground<'_>, association: &Association, job: Job, from: From) -> Duration {
    let start = Instant::now();
    match from {
        From::Us => ground.send(association, job),
        From::Peer => ground.receive(association, job),
    };
    start.elapsed()
}

fn rate(bytes: u64, time: Duration) -> String {
    format!(
        "{:.1} MB complete and in order, {:.0} Mbit/s",
        bytes as f64 / 1e6,
        bytes as f64 * 8e-6 / time.as_secs_f64()
    )
}

fn sizes(ground: &mut Ground<'_>, from: From) -> String {
    let association = ground.associate(&Plan::new(Begins::We));
    let (mut bytes, mut time) = (0, Duration::ZERO);
    for (count, size) in [(500, 8), (500, 1000), (300, 1444), (300, 3000), (40, 100_000)] {
        let job = Job::new(count, size);
        bytes += job.bytes();
        time += transfer(ground, &association, job, from);
    }
    ground.end(&association);
    rate(bytes, time)
}

fn many_streams(ground: &mut Ground<'_>, from: From) -> String {
    let association = ground.associate(&Plan::new(Begins::Peer).peer("set streams 10 10"));
    let (mut bytes, mut time) = (0, Duration::ZERO);
    for job in [Job::new(500, 2000).streams(10), Job::new(500, 2000).streams(10).unordered()] {
        bytes += job.bytes();
        time += transfer(ground, &association, job, from);
    }
    ground.end(&association);
    rate(bytes, time)
}

fn large_unordered(ground: &mut Ground<'_>, from: From) -> String {
    let association = ground.associate(&Plan::new(Begins::We).peer("set streams 3 3"));
    let job = Job::new(40, 100_000).streams(3).unordered();
    let time = transfer(ground, &association, job, from);
    ground.end(&association);
    rate(job.bytes(), time)
}

/// In network byte order on the wire, so that both sides and tshark name the same number.
fn protocol_identifiers(ground: &mut Ground<'_>) -> String {
    let mut plan = Plan::new(Begins::We);
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    ground.peer.tell("trace 1");
    for ppid in IDENTIFIERS {
        association.send_one(0, 100, &SendInfo::new().ppid(ppid));
        ground.peer.await_event(&format!("message stream 0 bytes 100 ppid {ppid}"));
        ground.peer.tell(&format!("send 1 100 ppid={ppid}"));
        assert_eq!(association.next_message().info.ppid, ppid);
    }
    ground.end(&association);
    for port in [ground.our_port(), ground.peer_port()] {
        let sent = wire.fields(
            &format!("sctp.srcport == {port} and sctp.chunk_type == 0"),
            ["sctp.data_payload_proto_id"],
        );
        let mut sent: Vec<u32> = sent.iter().map(|[ppids]| ppids[0].parse().expect("a number")).collect();
        // Some may have been sent twice.
        sent.dedup();
        assert_eq!(sent, IDENTIFIERS);
    }
    "0, 46 (Diameter), 0x01020304 and 0xfffffffe".into()
}

const IDENTIFIERS: [u32; 4] = [0, 46, 0x0102_0304, 0xffff_fffe];

fn echo(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&Plan::new(Begins::We));
    ground.peer.tell("echo 1");
    let job = Job::new(300, 5000).streams(3);
    let counts = std::thread::scope(|scope| {
        scope.spawn(|| association.send(job));
        association.receive(job.count.into())
    });
    counts.assert_complete(job.count.into(), job.bytes());
    ground.end(&association);
    "300 messages of 5,000 bytes there and back".into()
}

fn both_ways(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&Plan::new(Begins::We));
    let job = Job::new(1000, 1400).streams(2);
    let start = Instant::now();
    ground.converse_at_once(&association, job);
    let time = start.elapsed();
    ground.end(&association);
    rate(2 * job.bytes(), time)
}

/// More than the buffers of both sides take.
const MUCH: Job = Job::new(7_000, 1400);

/// The peer's window closes, is probed, and opens again (RFC 9260, 6.1 A).
fn a_reader_that_pauses(ground: &mut Ground<'_>) -> String {
    let mut plan = Plan::new(Begins::We).with_short_timers();
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    ground.peer.tell("read 0");
    let counts = std::thread::scope(|scope| {
        scope.spawn(|| association.send(MUCH));
        // Not by what is on the way, but by what the peer says; beside that no more is on the way than a probe. usrsctp calls a window that
        // is nearly closed one of a byte.
        association.await_state("the window does not close", |association| {
            association.peer_rwnd() < CLOSED as usize && association.outstanding_chunks() <= 1
        });
        // What is sent again into a closed window is a probe.
        let before = association.packets_sent();
        association.await_state("the window is not probed", |association| {
            association.stats().packets_sent >= before + 3
        });
        ground.peer.tell("read 1");
        ground.peer.await_messages(MUCH.count.into())
    });
    counts.assert_complete(MUCH.count.into(), MUCH.bytes());
    ground.end(&association);
    after_a_closed_window(&wire, ground.peer_port())
}

fn we_pause(ground: &mut Ground<'_>) -> String {
    let mut plan = Plan::new(Begins::We).with_short_timers();
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    ground.peer.tell(&MUCH.command());
    association.await_state("our window does not close", |association| {
        association.a_rwnd().is_some_and(|a_rwnd| a_rwnd < CLOSED)
    });
    let before = association.look(|association| association.stats().packets_received);
    association.await_state("our window is not probed", |association| {
        association.stats().packets_received >= before + 3
    });
    let counts = association.receive(MUCH.count.into());
    counts.assert_complete(MUCH.count.into(), MUCH.bytes());
    ground.end(&association);
    after_a_closed_window(&wire, ground.our_port())
}

/// No DATA of a job fits into what is left.
const CLOSED: u32 = 1400;

fn after_a_closed_window(wire: &Wire, reader: u16) -> String {
    let closed = wire.count(&format!("sctp.srcport == {reader} and sctp.sack_a_rwnd < {CLOSED}"));
    assert!(closed > 0, "no SACK closes the window");
    format!("{:.1} MB complete and in order, {closed} SACKs with a closed window", MUCH.bytes() as f64 / 1e6)
}

/// Messages that are larger than the receiver's buffer, so that it hands them over in pieces (RFC 9260, 6.9).
fn large(ground: &mut Ground<'_>, from: From) -> String {
    let plan = Plan::new(Begins::We).peer("set receive-buffer 300000");
    let association = ground.associate(&plan.config(|config| config.max_message_size = 4 << 20));
    let job = Job::new(3, 3 << 20);
    let counts = match from {
        From::Us => ground.send(&association, job),
        From::Peer => ground.receive(&association, job),
    };
    assert!(counts.pieces > counts.messages, "{counts:?}");
    ground.end(&association);
    format!("{} messages of 3 MiB, in {} pieces", counts.messages, counts.pieces)
}

fn lossy(ground: &mut Ground<'_>, from: From) -> String {
    let association = ground.associate(&hasty(Plan::new(Begins::Peer)).loss(5));
    let job = Job::new(1500, 1400).streams(2);
    let time = transfer(ground, &association, job, from);
    ground.end(&association);
    rate(job.bytes(), time)
}

fn lossy_both_ways(ground: &mut Ground<'_>, plan: Plan) -> String {
    let association = ground.associate(&hasty(plan).loss(5));
    let job = Job::new(800, 1400);
    let mut time = transfer(ground, &association, job, From::Us);
    time += transfer(ground, &association, job, From::Peer);
    ground.end(&association);
    rate(2 * job.bytes(), time)
}

/// Time-outs as short as the network deserves, and no failure of a path by mere loss.
fn hasty(plan: Plan) -> Plan {
    plan.with_short_timers().peer("set path 0 20").config(|config| {
        config.path_max_retrans = 20;
        config.sack_delay = Duration::from_millis(20);
    })
}
