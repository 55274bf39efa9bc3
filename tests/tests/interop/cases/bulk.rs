//! Much data: fragments, streams, order, loss, a reader that does not read.

use std::time::{Duration, Instant};

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};

const DATA: &str = "User data (RFC 9260, 6)";
const LOSS: &str = "Loss (RFC 9260, 6.3 and 7.2.4)";

pub(super) const CASES: &[Case] = &[
    Case::new(DATA, "messages of 8 to 100,000 bytes to the peer", |ground| sizes(ground, From::Us)),
    Case::new(DATA, "messages of 8 to 100,000 bytes from the peer", |ground| sizes(ground, From::Peer)),
    Case::new(DATA, "ten streams and no order, to the peer", |ground| many_streams(ground, From::Us)),
    Case::new(DATA, "ten streams and no order, from the peer", |ground| many_streams(ground, From::Peer)),
    Case::new(DATA, "every message comes back from the peer's echo", echo),
    Case::new(DATA, "both sides send at the same time", both_ways),
    Case::new(DATA, "the peer stops reading and goes on", a_reader_that_pauses),
    Case::new(LOSS, "5 % of the packets lost, to the peer", |ground| lossy(ground, From::Us)),
    Case::new(LOSS, "5 % of the packets lost, from the peer", |ground| lossy(ground, From::Peer)),
    Case::new(LOSS, "5 % of the packets lost, over UDP, both ways", lossy_udp),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Us,
    Peer,
}

/// Moves a job from one side to the other and checks that nothing is wrong; returns how long it took.
fn transfer(ground: &mut Ground<'_>, association: &Association, job: Job, from: From) -> Duration {
    let start = Instant::now();
    let counts = if from == From::Us {
        ground.peer.tell("forget");
        association.send(job);
        ground.peer.await_messages(job.count.into())
    } else {
        ground.peer.tell(&job.command());
        association.receive(job.count.into())
    };
    counts.assert_complete(job.count.into(), job.bytes());
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
    ground.peer.tell(&job.command());
    let counts = std::thread::scope(|scope| {
        scope.spawn(|| association.send(job));
        association.receive(job.count.into())
    });
    counts.assert_complete(job.count.into(), job.bytes());
    ground.peer.await_messages(job.count.into()).assert_complete(job.count.into(), job.bytes());
    let time = start.elapsed();
    ground.end(&association);
    rate(2 * job.bytes(), time)
}

/// The peer's window closes, is probed, and opens again (RFC 9260, 6.1 A).
fn a_reader_that_pauses(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&Plan::new(Begins::We).with_short_timers());
    let job = Job::new(7_000, 1400);
    ground.peer.tell("read 0");
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| association.send(job));
        let closed = Instant::now() + crate::peer::LIMIT;
        // The sender stops before its end, and stays there.
        let (mut taken, mut before) = (0, u64::MAX);
        while taken != before {
            assert!(Instant::now() < closed && !sender.is_finished(), "the window does not close");
            before = taken;
            std::thread::sleep(Duration::from_millis(300));
            taken = association.stream.status().expect("it has not ended").stats.messages_sent;
        }
        ground.peer.tell("read 1");
        ground.peer.await_messages(job.count.into())
    })
    .assert_complete(job.count.into(), job.bytes());
    ground.end(&association);
    "9.8 MB complete and in order after a closed window".into()
}

fn lossy(ground: &mut Ground<'_>, from: From) -> String {
    let association = ground.associate(&hasty(Plan::new(Begins::Peer)).loss(5));
    let job = Job::new(1500, 1400).streams(2);
    let time = transfer(ground, &association, job, from);
    ground.end(&association);
    rate(job.bytes(), time)
}

fn lossy_udp(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&hasty(Plan::new(Begins::We).over_udp()).loss(5));
    let job = Job::new(800, 1400);
    let mut time = transfer(ground, &association, job, From::Us);
    time += transfer(ground, &association, job, From::Peer);
    ground.end(&association);
    rate(2 * job.bytes(), time)
}

/// Time-outs as short as the network deserves, and no failure of a path by mere loss.
fn hasty(plan: Plan) -> Plan {
    plan.with_short_timers().peer("set path 0 20").peer("set max-retrans 20").config(|config| {
        config.path_max_retrans = 20;
        config.sack_delay = Duration::from_millis(20);
    })
}
