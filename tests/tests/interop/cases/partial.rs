//! Messages that are given up.

use std::time::Duration;

use sctp_core::reliability::Reliability;
use socketapi::Notification;

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};
use crate::peer::{Counts, Stack};

const PARTIAL: &str = "Partial reliability (RFC 3758, RFC 7496)";

/// In some runs: its guard of SHUTDOWN (five times RTO.Max) ends the association.
const USRSCTP_STALLS: (Stack, &str) =
    (Stack::Usrsctp, "no: once all that it had is given up, it may send nothing more, and aborts");

pub(super) const CASES: &[Case] = &[
    Case::new(PARTIAL, "we send each message once only, 10 % of the packets lost", |ground| {
        we_send_once(ground, Job::new(800, 1000).streams(4))
    }),
    Case::new(PARTIAL, "the same, unordered and in fragments", |ground| {
        we_send_once(ground, Job::new(100, 4000).streams(4).unordered())
    }),
    Case {
        not_done: &[USRSCTP_STALLS],
        ..Case::new(PARTIAL, "the peer sends each message once only, 10 % of the packets lost", |ground| {
            the_peer_sends_once(ground, Job::new(800, 1000).streams(4))
        })
    },
    Case {
        not_done: &[USRSCTP_STALLS],
        ..Case::new(PARTIAL, "the same, unordered and in fragments, from the peer", |ground| {
            the_peer_sends_once(ground, Job::new(100, 4000).streams(4).unordered())
        })
    },
    Case::new(PARTIAL, "our messages live 100 ms, the network fails for longer", ours_grow_old),
    Case {
        not_done: &[USRSCTP_STALLS],
        ..Case::new(
            PARTIAL,
            "the peer's messages live 100 ms, the network fails for longer",
            the_peers_grow_old,
        )
    },
];

/// How long a message may wait.
const LIFETIME: Duration = Duration::from_millis(100);

fn plan() -> Plan {
    Plan::new(Begins::We)
        .with_short_timers()
        .peer("set pr 1")
        .peer("set path 0 20")
        .peer("set max-retrans 20")
        .config(|config| config.path_max_retrans = 20)
}

/// One more message that is not given up, so that it is known how many there were.
fn last(job: Job) -> Job {
    Job { count: 1, first: job.count, ..Job::new(1, job.size) }
}

fn we_send_once(ground: &mut Ground<'_>, job: Job) -> String {
    let association = ground.associate(&plan().loss(10));
    assert!(association.extensions().partial_reliability);
    association.send(job.reliability(Reliability::Retransmissions(0)));
    we_gave_up(ground, &association, job, 0)
}

fn ours_grow_old(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    let job = Job::new(400, 1000).pace(Duration::from_millis(2));
    std::thread::scope(|scope| {
        scope.spawn(|| association.send(job.reliability(Reliability::Timed(LIFETIME))));
        ground.peer.await_messages(50);
        ground.ours.unplug(0);
        association.await_notification(|it| matches!(it, Notification::SendFailed(_)));
        ground.ours.plug(0);
    });
    we_gave_up(ground, &association, job, 1)
}

/// Each message that did not come is one that we were told of: `before`, or until the end. (Not the other way round: of
/// one that did come, the acknowledgement may be lost.)
fn we_gave_up(ground: &mut Ground<'_>, association: &Association, job: Job, before: u64) -> String {
    association.send(last(job));
    association.shut_down();
    ground.peer.await_event("SHUTDOWN_COMP");
    let counts = ground.peer.counts();
    let told = before + association.count_notifications(|it| matches!(it, Notification::SendFailed(_)));
    assert!(counts.missing <= told, "{counts:?}, but we were told of {told}");
    seen(&counts, job)
}

fn the_peer_sends_once(ground: &mut Ground<'_>, job: Job) -> String {
    let association = ground.associate(&plan().loss(10));
    ground.peer.tell(&format!("{} rtx=0", job.command()));
    the_peer_gave_up(ground, &association, job)
}

fn the_peers_grow_old(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    let job = Job::new(400, 1000).pace(Duration::from_millis(2));
    ground.peer.tell(&format!("{} ttl={} tell=50", job.command(), LIFETIME.as_millis()));
    ground.peer.await_event("sent 50");
    ground.ours.unplug(0);
    ground.peer.await_event("SEND_FAILED");
    ground.ours.plug(0);
    the_peer_gave_up(ground, &association, job)
}

fn the_peer_gave_up(ground: &mut Ground<'_>, association: &Association, job: Job) -> String {
    ground.peer.await_event(&format!("sent {}", job.count));
    ground.peer.tell(&last(job).command());
    ground.peer.await_event(&format!("sent {}", job.count + 1));
    ground.peer.tell("shutdown");
    let counts = association.receive_to_end();
    seen(&counts, job)
}

fn seen(counts: &Counts, job: Job) -> String {
    assert!(counts.missing > 0, "{counts:?}");
    assert_eq!(counts.messages + counts.missing, u64::from(job.count) + 1);
    assert_eq!((counts.damaged, counts.disordered, counts.duplicated), (0, 0, 0));
    format!("{} of {} given up, the rest once and in order", counts.missing, job.count)
}
