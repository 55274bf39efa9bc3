//! HEARTBEATs: what they carry, and when they are sent.

use std::time::{Duration, Instant};

use system_tests::{Capture, packet_fields, wait_until};
use tempfile::NamedTempFile;

use super::{Case, From};
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};
use crate::peer::{LIMIT, Stack};
use crate::wire::Wire;

const HEARTBEATS: &str = "HEARTBEAT (RFC 9260, 3.3.5, 3.3.6 and 8.3)";

pub(super) const CASES: &[Case] = &[
    Case::new(HEARTBEATS, "the peer returns 1,400 bytes of information whole", |ground| {
        large(ground, From::Us, &[100, 1_400])
    }),
    Case::new(HEARTBEATS, "we return 1,400 bytes of information whole", |ground| {
        large(ground, From::Peer, &[100, 1_400])
    }),
    Case {
        not_done: &[(
            Stack::Usrsctp,
            "no: it answers none that is larger than a packet of its own; a capture shows",
        )],
        ..Case::new(HEARTBEATS, "the peer returns 5,000 and 20,000 bytes of information whole", |ground| {
            large(ground, From::Us, &[5_000, 20_000])
        })
    },
    Case::new(HEARTBEATS, "we return 5,000 and 20,000 bytes of information whole", |ground| {
        large(ground, From::Peer, &[5_000, 20_000])
    }),
    Case::new(HEARTBEATS, "during an association we turn them on, and off again", |ground| {
        on_and_off(ground, From::Us)
    }),
    Case::new(HEARTBEATS, "during an association the peer turns them on, and off again", |ground| {
        on_and_off(ground, From::Peer)
    }),
    Case::new(HEARTBEATS, "our user asks for one, and the peer's for another", on_demand),
];

const REQUEST: u8 = 4;
const ACK: u8 = 5;

/// Neither side sends any by itself.
fn quiet(begins: Begins) -> Plan {
    Plan::new(begins).without_heartbeats().config(|config| config.mtu_search = None)
}

/// No stack sends such ones: they are forged on the sender's host, and the sender gets an answer to what it never asked.
fn large(ground: &mut Ground<'_>, from: From, sizes: &[usize]) -> String {
    let mut plan = quiet(Begins::We);
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    for size in sizes {
        let before = heard(&association);
        ground.forge(&association, from, &[&format!("heartbeat:{size}")]);
        wait_until(LIMIT, &format!("{size} bytes: no answer"), || heard(&association) > before);
    }
    ground.converse(&association, Job::new(10, 1000));
    ground.end(&association);
    let port = if from == From::Us { ground.peer_port() } else { ground.our_port() };
    let answers = wire.fields(
        &format!("sctp.srcport == {port} and sctp.chunk_type == {ACK}"),
        ["sctp.parameter_heartbeat_information"],
    );
    let answers: Vec<_> = answers.into_iter().map(|[info]| info.concat()).collect();
    assert_eq!(
        answers,
        sizes.iter().copied().map(information).collect::<Vec<_>>(),
        "the information is not what was sent"
    );
    "every byte as it was sent".into()
}

/// HEARTBEATs or their answers.
fn heard(association: &Association) -> u64 {
    association.look(|it| it.stats().control_chunks_received)
}

/// What `tests/peers/forge` puts into a HEARTBEAT, as tshark prints it.
fn information(size: usize) -> String {
    (0..size).map(|at| format!("{:02x}", (at * 7) & 0xff)).collect()
}

const INTERVAL: Duration = Duration::from_millis(200);

fn on_and_off(ground: &mut Ground<'_>, from: From) -> String {
    let plan = quiet(Begins::We).peer("set rto 200 100 400").config(|config| {
        config.rto_initial = Duration::from_millis(200);
        config.rto_min = Duration::from_millis(100);
    });
    let file = NamedTempFile::new().expect("a temporary file");
    // By the kernel's clock, which tells when packets passed, not when we read them.
    let capture = Capture::start_filtered(ground.ours, "lan0", file.path(), "ip proto 132");
    let association = ground.associate(&plan);
    ground.converse(&association, Job::new(1, 100));
    turn(ground, &association, from, Some(INTERVAL));
    let before = heard(&association);
    wait_until(LIMIT, "they do not begin", || heard(&association) >= before + 5);
    turn(ground, &association, from, None);
    let (mut last, mut since) = (heard(&association), Instant::now());
    wait_until(LIMIT, "they go on", || {
        if heard(&association) > last {
            (last, since) = (heard(&association), Instant::now());
        }
        since.elapsed() > INTERVAL * 4
    });
    ground.end(&association);
    let port = if from == From::Us { ground.our_port() } else { ground.peer_port() };
    let requests = format!("sctp.srcport == {port} and sctp.chunk_type == {REQUEST}");
    let packets = packet_fields(&capture.finish(), &requests, ["frame.time_relative"]);
    let times: Vec<f64> = packets.iter().map(|[time]| time[0].parse().expect("seconds")).collect();
    let shortest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    // HB.interval and half the RTO at least (8.3), which is 100 ms at least.
    assert!(shortest >= INTERVAL.as_secs_f64(), "{times:?}");
    format!("{} of them, none sooner than {:.0} ms after the one before", times.len(), shortest * 1e3)
}

fn turn(ground: &mut Ground<'_>, association: &Association, from: From, interval: Option<Duration>) {
    match from {
        From::Us => {
            let options = association.stream.options();
            options.change_path(None, |path| path.hb_interval = interval).expect("it has not ended");
        }
        From::Peer => {
            let milliseconds = interval.map_or(0, |interval| interval.as_millis());
            drop(ground.peer.tell(&format!("set path {milliseconds} 5")));
        }
    }
}

fn on_demand(ground: &mut Ground<'_>) -> String {
    let mut plan = quiet(Begins::We);
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    let handled = heard(&association);
    association.stream.options().request_heartbeat(plan.theirs[0]).expect("it is the peer's address");
    association.await_state("no answer", |it| it.stats().control_chunks_received == handled + 1);
    ground.peer.tell(&format!("heartbeat {} {}", ground.our_port(), plan.ours[0]));
    association.await_state("no HEARTBEAT", |it| it.stats().control_chunks_received == handled + 2);
    ground.end(&association);
    for port in [ground.our_port(), ground.peer_port()] {
        assert_eq!([REQUEST, ACK].map(|chunk_type| wire.count_chunks(port, chunk_type)), [1, 1]);
    }
    "one from each side, answered".into()
}
