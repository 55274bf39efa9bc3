//! Messages that are given up.

use std::cell::Cell;
use std::time::Duration;

use sctp_core::reliability::Reliability;
use socketapi::Notification;

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job, Ledger};
use crate::peer::{Counts, Stack};
use crate::wire::Wire;

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
    Case::new(
        PARTIAL,
        "our send buffer is full: messages of low priority make room for others",
        ours_make_room,
    ),
];

/// How long a message may wait.
const LIFETIME: Duration = Duration::from_millis(100);

fn plan() -> Plan {
    Plan::new(Begins::We)
        .with_short_timers()
        .peer("set pr 1")
        .peer("set path 0 20")
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
    let told = Cell::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| association.send(job.reliability(Reliability::Timed(LIFETIME))));
        ground.peer.await_messages(50);
        ground.ours.unplug(0);
        // What is given up first may have arrived, and only its acknowledgement not.
        let arrived = ground.peer.counts().messages;
        association.await_notification(|it| {
            let Notification::SendFailed(failure) = it else { return false };
            told.set(told.get() + 1);
            u64::from(number(&failure.payload)) >= arrived
        });
        ground.ours.plug(0);
    });
    we_gave_up(ground, &association, job, told.get())
}

/// Each message that did not come is one that we were told of: so many `before`, the others until the end. (Not the other way
/// round: of one that did come, the acknowledgement may be lost.)
fn we_gave_up(ground: &mut Ground<'_>, association: &Association, job: Job, before: u64) -> String {
    association.send(last(job));
    ground.end(association);
    let counts = ground.peer.counts();
    let told = before + association.count_notifications(|it| matches!(it, Notification::SendFailed(_)));
    assert!(counts.missing <= told, "{counts:?}, but we were told of {told}");
    seen(&counts, job)
}

/// Packets are lost in the peer's kernel: all that came is in our capture.
fn the_peer_sends_once(ground: &mut Ground<'_>, job: Job) -> String {
    let mut plan = plan();
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    ground.peer.tell("run tc qdisc add dev vec0 root netem loss 10%");
    ground.peer.tell(&format!("{} rtx=0", job.command()));
    let ledger = the_peer_gave_up(ground, &association, job);
    ground.peer.tell("run tc qdisc del dev vec0 root");
    association.stack.close();
    let counts = ledger.counts();
    // RFC 3758, 3.6: what came whole is delivered, however far the peer has gone on.
    assert_eq!(counts.messages, wire.whole_messages(ground.peer_port()));
    seen(&counts, job)
}

fn the_peers_grow_old(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    let job = Job::new(400, 1000).pace(Duration::from_millis(2));
    ground.peer.tell(&format!("{} ttl={} tell=50", job.command(), LIFETIME.as_millis()));
    ground.peer.await_event("sent 50");
    ground.ours.unplug(0);
    ground.peer.await_event("SEND_FAILED");
    ground.ours.plug(0);
    let ledger = the_peer_gave_up(ground, &association, job);
    seen(&ledger.counts(), job)
}

/// Receives to the end what the peer does not give up. All that does not come is among what it gave up, by its own count:
/// its SCTP_SEND_FAILED_EVENTs leave out what Linux had sent. The other way round Linux counts too much: messages that
/// may be sent once only are given up with the first SACK, whether it acknowledges them or not.
fn the_peer_gave_up(ground: &mut Ground<'_>, association: &Association, job: Job) -> Ledger {
    ground.peer.await_event(&format!("sent {}", job.count));
    ground.peer.tell(&last(job).command());
    ground.peer.await_event(&format!("sent {}", job.count + 1));
    ground.peer.await_event("DRY");
    let abandoned = ground.peer.abandoned();
    ground.peer.tell("shutdown");
    let ledger = association.receive_to_end();
    ground.peer.await_event("SHUTDOWN_COMP");
    let counts = ledger.counts();
    assert!(counts.missing <= abandoned, "{counts:?}, but the peer gave up {abandoned}");
    ledger
}

fn seen(counts: &Counts, job: Job) -> String {
    assert!(counts.missing > 0, "{counts:?}");
    assert_eq!(counts.messages + counts.missing, u64::from(job.count) + 1);
    assert_eq!((counts.damaged, counts.disordered, counts.duplicated), (0, 0, 0));
    format!("{} of {} given up, the rest once and in order", counts.missing, job.count)
}

/// What is of little worth, and then what is worth more and finds no room: 0 is the highest priority.
const CHEAP: Job = Job { reliability: Reliability::Priority(9), ..Job::new(40, 1000) };
const DEAR: Job = Job { reliability: Reliability::Priority(1), first: CHEAP.count, ..Job::new(15, 1000) };
const ALL: Job = Job::new(CHEAP.count + DEAR.count, 1000);

fn ours_make_room(ground: &mut Ground<'_>) -> String {
    // Room for all of one kind, and little more.
    let association = ground.associate(&plan().config(|config| config.send_buffer = 50_000));
    ground.ours.unplug(0);
    association.send(CHEAP);
    association.send(DEAR);
    ground.ours.plug(0);
    association.send(last(ALL));
    ground.end(&association);
    let counts = ground.peer.counts();
    let told = association.count_notifications(|it| matches!(it, Notification::SendFailed(_)));
    let is_dear = |it: &Notification| matches!(it, Notification::SendFailed(failure) if number(&failure.payload) >= DEAR.first);
    assert_eq!(association.count_notifications(is_dear), 0, "what is worth more was given up");
    assert!(counts.missing <= told, "{counts:?}, but we were told of {told}");
    seen(&counts, ALL)
}

/// The number of a message.
fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(u32::MAX, |first| u32::from_be_bytes(*first))
}
