//! Messages of several streams that may be cut at the same time.

use socketapi::{LossReason, StreamScheduler};

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::peer::Stack;

const INTERLEAVING: &str = "User message interleaving (RFC 8260)";
const NOT_IN_USRSCTP: (Stack, &str) =
    (Stack::Usrsctp, "peer: no; its usrsctp.h has no SCTP_INTERLEAVING_SUPPORTED");
/// Its receiver expects what its sender does, so ours is never put together there.
const FRAGMENTS: (Stack, &str) =
    (Stack::Linux, "peer: no; it numbers the second fragment 0 instead of 1 (2.1), as the next case shows");

pub(super) const CASES: &[Case] = &[
    Case {
        not_done: &[NOT_IN_USRSCTP],
        ..Case::new(INTERLEAVING, "whole messages in I-DATA both ways, we connect", |ground| {
            whole_messages(ground, Begins::We)
        })
    },
    Case {
        not_done: &[NOT_IN_USRSCTP],
        ..Case::new(INTERLEAVING, "whole messages in I-DATA both ways, the peer connects", |ground| {
            whole_messages(ground, Begins::Peer)
        })
    },
    Case {
        not_done: &[NOT_IN_USRSCTP, FRAGMENTS],
        ..Case::new(INTERLEAVING, "messages cut into several I-DATA", fragments)
    },
    Case {
        not_done: &[NOT_IN_USRSCTP],
        ..Case::new(INTERLEAVING, "fragments that a peer numbers wrongly end the association", wrong_numbers)
    },
    Case {
        not_done: &[NOT_IN_USRSCTP],
        ..Case::new(INTERLEAVING, "whole messages in I-DATA with each scheduler of both sides", |ground| {
            schedulers(ground, &plan(Begins::We))
        })
    },
    Case::new(INTERLEAVING, "in DATA with each scheduler of both sides", |ground| {
        schedulers(ground, &Plan::new(Begins::We))
    }),
    Case::new(INTERLEAVING, "we offer it, the peer does not: DATA", without),
];

/// The path MTU is not searched for. If the first probe got lost and T3-rtx expired twice in a row then (RTO.Min may be
/// shorter than the peer delays a SACK), our packets would shrink to 508 bytes (RFC 8899, 4.3) and messages be cut, which Linux
/// acknowledges and never hands out ([`FRAGMENTS`]).
fn plan(begins: Begins) -> Plan {
    let plan = Plan::new(begins).peer("sysctl intl_enable 1").peer("set frag-interleave 1");
    plan.peer("set interleaving 1").config(|config| {
        config.extensions.interleaving = true;
        config.mtu_search = None;
    })
}

fn whole_messages(ground: &mut Ground<'_>, begins: Begins) -> String {
    let job = Job::new(300, 1000).streams(5);
    exchange(ground, begins, &[Job::new(300, 100), job, job.unordered()])
}

fn fragments(ground: &mut Ground<'_>) -> String {
    let job = Job::new(300, 5000).streams(5);
    exchange(ground, Begins::We, &[job, job.unordered()])
}

fn exchange(ground: &mut Ground<'_>, begins: Begins, jobs: &[Job]) -> String {
    let association = ground.associate(&plan(begins).loss(1).with_short_timers());
    assert!(association.extensions().interleaving);
    for job in jobs {
        ground.converse(&association, *job);
    }
    ground.end(&association);
    ground.peer.tell("sysctl intl_enable 0");
    "300 messages of each kind each way, complete and in order at 1 % loss".into()
}

/// Two fragments of one message have the same number: which is which, nobody can know.
fn wrong_numbers(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(Begins::We));
    ground.peer.tell("send 1 5000");
    let reason = association.await_loss();
    assert_eq!(reason, LossReason::ProtocolError { cause: 13 });
    ground.peer.await_event("COMM_LOST");
    ground.peer.tell("sysctl intl_enable 0");
    "ABORT with cause 13, Protocol Violation".into()
}

/// FCFS, priority and round robin in Linux; usrsctp has round robin, per packet too, priority, fair bandwidth and FCFS.
fn theirs(stack: Stack) -> u32 {
    match stack {
        Stack::Linux => 3,
        Stack::Usrsctp => 6,
    }
}

/// Messages on five streams each way at the same time, under each scheduler.
fn schedulers(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let job = Job::new(100, 1000).streams(5);
    for (scheduler, number) in StreamScheduler::ALL.into_iter().zip((0..theirs(ground.stack)).cycle()) {
        let plan = plan.clone().peer(format!("set scheduler {number}"));
        let association = ground.associate(&plan.config(|config| {
            config.scheduler = scheduler;
            config.stream_values = (0..5).map(|stream| (stream, stream + 1)).collect();
        }));
        ground.converse_at_once(&association, job);
        ground.end(&association);
        ground.peer.tell("close");
    }
    if ground.stack == Stack::Linux {
        ground.peer.tell("sysctl intl_enable 0");
    }
    format!("our 6, {} of the peer, complete and in order", theirs(ground.stack))
}

fn without(ground: &mut Ground<'_>) -> String {
    let association =
        ground.associate(&Plan::new(Begins::We).config(|config| config.extensions.interleaving = true));
    assert!(!association.extensions().interleaving);
    ground.converse(&association, Job::new(100, 5000).streams(5));
    ground.end(&association);
    "not agreed, 100 messages of 5,000 bytes each way".into()
}
