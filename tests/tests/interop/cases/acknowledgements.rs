//! How what came is acknowledged: at once where the sender wants it, and for good.

use std::time::Duration;

use super::{Case, From};
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::peer::Stack;
use crate::wire::Wire;

const IMMEDIATELY: &str = "SACK-IMMEDIATELY (RFC 7053)";
const NR_SACK: &str = "NR-SACK (draft-tuexen-tsvwg-sctp-multipath)";

pub(super) const CASES: &[Case] = &[
    Case::new(IMMEDIATELY, "we ask for it: the peer does not delay its SACK", |ground| {
        immediately(ground, From::Us)
    }),
    Case::new(IMMEDIATELY, "the peer asks for it: we do not delay our SACK", |ground| {
        immediately(ground, From::Peer)
    }),
    Case {
        not_done: &[(Stack::Linux, "peer: no; its linux/sctp.h has no chunk type 16")],
        ..Case::new(NR_SACK, "both sides acknowledge with it, 5 % of the packets lost", |ground| {
            nr_sacks(ground, true)
        })
    },
    Case::new(NR_SACK, "we offer it, the peer does not: both sides acknowledge with SACK", |ground| {
        nr_sacks(ground, false)
    }),
];

const SACK: u8 = 3;
const NON_RENEGABLE: u8 = 16;

/// As long as a SACK may wait (RFC 9260, 6.2).
const DELAY: Duration = Duration::from_millis(500);

/// One message after the other, each once the one before is acknowledged; in the capture, how long the SACKs took.
fn immediately(ground: &mut Ground<'_>, from: From) -> String {
    let plan = Plan::new(Begins::We).peer(format!("set sack-delay {} 9", DELAY.as_millis()));
    if ground.stack == Stack::Usrsctp {
        ground.peer.tell("sysctl enable_sack_immediately 1");
    }
    let mut plan = plan.config(|config| config.sack_delay = DELAY);
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    // The first SACK of an association is never delayed by some.
    ground.converse(&association, Job::new(1, 100));
    for job in [Job::new(1, 100), Job::new(1, 100).immediately()].into_iter().cycle().take(6) {
        match from {
            From::Us => {
                ground.send(&association, job);
                association
                    .await_state("it is acknowledged", |association| !association.has_unacknowledged());
            }
            From::Peer => {
                ground.receive(&association, job);
                ground.peer.await_event("DRY");
            }
        }
    }
    ground.end(&association);
    let port = if from == From::Us { ground.our_port() } else { ground.peer_port() };
    let waits = |bit: &str| sack_waits(&wire, port, bit).into_iter();
    let (asked, other) = (waits("1").min().expect("some"), waits("0").max().expect("some"));
    assert!(asked < DELAY / 2 && other >= DELAY / 2, "asked for: {asked:?}, other: {other:?}");
    format!(
        "after {:.1} ms where it is asked for, else after {} ms",
        asked.as_secs_f64() * 1e3,
        other.as_millis()
    )
}

/// How long each DATA from `port` with this I bit waited for the next SACK.
fn sack_waits(wire: &Wire, port: u16, bit: &str) -> Vec<Duration> {
    let packets =
        wire.fields("sctp", ["frame.time_relative", "sctp.srcport", "sctp.chunk_type", "sctp.data_i_bit"]);
    let time = |packet: &[Vec<String>; 4]| Duration::from_secs_f64(packet[0][0].parse().expect("seconds"));
    let is_from = |packet: &[Vec<String>; 4]| packet[1][0] == port.to_string();
    let is_sack = |packet: &[Vec<String>; 4]| packet[2].contains(&SACK.to_string());
    let asks =
        (0..packets.len()).filter(|&at| is_from(&packets[at]) && packets[at][3].iter().any(|it| it == bit));
    let answer = |at: usize| packets[at..].iter().find(|packet| !is_from(packet) && is_sack(packet));
    asks.filter_map(|at| answer(at).map(|packet| time(packet) - time(&packets[at]))).collect()
}

fn nr_sacks(ground: &mut Ground<'_>, in_peer: bool) -> String {
    let plan = Plan::new(Begins::We).with_short_timers().loss(5).config(|config| {
        config.extensions.nr_sack = true;
        config.path_max_retrans = 20;
    });
    let mut plan = plan.peer("set path 0 20");
    if ground.stack == Stack::Usrsctp {
        plan = plan.peer(format!("set nr-sack {}", u8::from(in_peer)));
    }
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    assert_eq!(association.extensions().nr_sack, in_peer);
    ground.converse(&association, Job::new(500, 1400));
    ground.end(&association);
    let counts = [ground.our_port(), ground.peer_port()]
        .map(|port| [SACK, NON_RENEGABLE].map(|chunk_type| wire.count_chunks(port, chunk_type)));
    for [sacks, nr_sacks] in counts {
        assert_eq!((sacks > 0, nr_sacks > 0), (!in_peer, in_peer), "{counts:?}");
    }
    "500 messages each way, complete and in order".into()
}
