//! Paths that fail and come back.

use std::time::Duration;

use sctp_core::path::{Path, PathState};
use socketapi::{AssociationConfig, Notification, PathChange};

use super::{Case, From};
use crate::ground::{Begins, Ground, Hosts, Plan};
use crate::ours::{Association, Job};
use crate::peer::Counts;
use crate::wire::Wire;

const PATHS: &str = "Path failure and return (RFC 9260, 8.2 and 8.3)";
const PRIMARY: &str = "Primary path (RFC 9260, 6.4)";
const QUICK: &str = "Quick failover (RFC 7829)";

/// How long data may stand still with the fast settings of `docs/failover.md`, where packets take no longer than they
/// should: the RTO is `rto_min` then. On a machine that is busy with other things it is greater, and so is the gap.
const QUICK_GAP: Duration = Duration::from_secs(1);
const QUICK_RTO: Duration = Duration::from_millis(250);

/// What was seen of a path that failed.
struct Seen {
    counts: Counts,
    /// Of the sender, when the path failed.
    rto: Duration,
}

pub(super) const CASES: &[Case] = &[
    Case::new(PATHS, "we send, the primary path fails and returns", |ground| {
        let plan = plain(Begins::We);
        report(
            &we_send(ground, &plan, stream_of(PLAIN), PathChange::Unreachable)
                .unwrap_or_else(|miss| panic!("{miss}")),
        )
    }),
    Case::new(PATHS, "the peer sends, its primary path fails and returns", |ground| {
        report(&the_peer_sends(ground, &plain(Begins::Peer)))
    }),
    Case::new(PRIMARY, "our user chooses another primary path", |ground| chosen(ground, From::Us)),
    Case::new(PRIMARY, "the peer's user chooses another primary path", |ground| chosen(ground, From::Peer)),
    Case::new(PRIMARY, "ten addresses on each side: data goes to the tenth", ten_addresses),
    Case::new(QUICK, "fast settings: we send, the primary path fails and returns", |ground| {
        we_send_quickly(ground, &fast(Begins::We))
    }),
    Case::new(QUICK, "fast settings: the peer sends, its primary path fails and returns", |ground| {
        the_peer_sends_quickly(ground, &fast(Begins::Peer))
    }),
    Case::new(
        QUICK,
        "fast settings, from IPv4 to IPv6: we send, the primary path fails and returns",
        |ground| we_send_quickly(ground, &fast(Begins::We).by_both_families()),
    ),
    Case::new(
        QUICK,
        "fast settings, from IPv4 to IPv6: the peer sends, its primary path fails and returns",
        |ground| the_peer_sends_quickly(ground, &fast(Begins::Peer).by_both_families()),
    ),
    Case::new(QUICK, "after the primary path failed, another one stays the primary path", we_switch),
];

/// Plain RFC 9260: data stays on a path until it is inactive.
fn plain(begins: Begins) -> Plan {
    Plan::new(begins)
        .on_both_networks()
        .with_short_timers()
        .config(|config| config.potentially_failed_max_retrans = None)
}

/// The fast settings on both sides; the peer's path counts as failed after one error more.
fn fast(begins: Begins) -> Plan {
    Plan::new(begins)
        .on_both_networks()
        .config(|config| *config = AssociationConfig::fast_failover())
        .peer("set rto 500 250 2000")
        .peer("set path 1000 1")
        .peer("set potentially-failed 0")
}

/// 12 Mbit/s for so many seconds.
fn stream_of(seconds: u32) -> Job {
    Job::new(1000 * seconds, 1440).pace(Duration::from_millis(1))
}

/// Longer than a path takes to be seen to fail, and than it takes to be inactive.
const FAST: u32 = 3;
const PLAIN: u32 = 6;

/// Sets an association up, and waits until both sides know that the second path works too: until then they send nothing
/// there, neither data nor SACKs (RFC 9260, 5.4). We ask at once. Of the addresses that we list, a peer knows it at first
/// only if its user connected to them, and Linux asks for the first time after RTO.Initial, give or take a half.
fn associate(ground: &mut Ground<'_>, plan: &Plan) -> Association {
    let association = ground.associate(plan);
    if plan.begins == Begins::We {
        ground.peer.await_events(plan.ours[1..].iter().map(|address| format!("ADDR_CONFIRMED {address}")));
    }
    let is_confirmed = |path: &Path| path.state == PathState::Active;
    association.await_state("a path is not confirmed", |it| it.paths().iter().all(is_confirmed));
    association
}

fn we_send(ground: &mut Ground<'_>, plan: &Plan, job: Job, failure: PathChange) -> Result<Seen, String> {
    let association = associate(ground, plan);
    let seen = fail_and_return(ground, &association, job, failure);
    ground.end(&association);
    seen
}

/// While we send, the first network fails until we say so and data goes on without it, and returns. Or all was sent before that was so.
fn fail_and_return(
    ground: &mut Ground<'_>,
    association: &Association,
    job: Job,
    failure: PathChange,
) -> Result<Seen, String> {
    let (rto, goes_on) = std::thread::scope(|scope| {
        scope.spawn(|| association.send(job));
        ground.peer.await_messages(200);
        let rto = our_rto(association);
        ground.ours.unplug(0);
        association.await_notification(|it| is_change(it, failure));
        let (more, all) = (ground.peer.counts().messages + 100, job.count.into());
        ground.peer.await_messages(more.min(all));
        ground.ours.plug(0);
        association.await_notification(|it| {
            matches!(it, Notification::PathChanged { change: PathChange::Available(_), .. })
        });
        (rto, more <= all)
    });
    let counts = ground.peer.await_messages(job.count.into());
    counts.assert_complete(job.count.into(), job.bytes());
    if goes_on { Ok(Seen { counts, rto }) } else { Err("the network failed when all was sent".into()) }
}

fn our_rto(association: &Association) -> Duration {
    let paths = association.stream.status().expect("it has not ended").paths;
    paths.iter().map(|path| path.rto).max().expect("there is a path")
}

fn the_peer_sends(ground: &mut Ground<'_>, plan: &Plan) -> Seen {
    let association = associate(ground, plan);
    let job = stream_of(FAST);
    ground.peer.tell(&format!("{} tell=200", job.command()));
    let (counts, rto) = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| association.receive(job.count.into()));
        ground.peer.await_event("sent 200");
        let rto = ground.peer.rto();
        ground.ours.unplug(0);
        ground.peer.await_event("ADDR_UNREACHABLE 10.77.0.1");
        ground.ours.plug(0);
        ground.peer.await_event("ADDR_AVAILABLE 10.77.0.1");
        (receiver.join().expect("it receives"), rto)
    });
    counts.assert_complete(job.count.into(), job.bytes());
    ground.end(&association);
    Seen { counts, rto }
}

fn we_send_quickly(ground: &mut Ground<'_>, plan: &Plan) -> String {
    quick(ground, |ground| we_send(ground, plan, stream_of(FAST), PathChange::PotentiallyFailed))
}

fn the_peer_sends_quickly(ground: &mut Ground<'_>, plan: &Plan) -> String {
    quick(ground, |ground| Ok(the_peer_sends(ground, plan)))
}

/// RFC 7829, 5: the primary path is switched for good.
fn we_switch(ground: &mut Ground<'_>) -> String {
    let plan = fast(Begins::We).config(|config| config.primary_switchover_max_retrans = Some(0));
    quick(ground, |ground| {
        let association = associate(ground, &plan);
        let seen = fail_and_return(ground, &association, stream_of(FAST), PathChange::MadePrimary);
        let primary = association.stream.status().expect("it has not ended").primary;
        ground.end(&association);
        if primary == Some("10.77.1.2".parse().expect("an address")) {
            seen
        } else {
            Err(format!("the primary path is {primary:?}"))
        }
    })
}

/// Data goes where the user wants it, and comes back when the user changes his mind.
fn chosen(ground: &mut Ground<'_>, from: From) -> String {
    let mut plan = plain(Begins::We);
    let wire = Wire::record(&mut plan);
    let association = associate(ground, &plan);
    for network in [1, 0] {
        choose(ground, &association, from, &plan, network);
        let job = Job::new(100, 1000);
        match from {
            From::Us => drop(ground.send(&association, job)),
            From::Peer => drop(ground.receive(&association, job)),
        }
    }
    ground.end(&association);
    let port = if from == From::Us { ground.our_port() } else { ground.peer_port() };
    let on = |network: usize| {
        let network = format!("ip.addr == 10.77.{network}.0/24");
        wire.count(&format!("sctp.srcport == {port} and sctp.chunk_type == 0 and {network}"))
    };
    let (first, second) = (on(0), on(1));
    assert!(first.min(second) >= 50, "packets with DATA on the two networks: {first}, {second}");
    "data takes it, and the first one again when that is chosen".into()
}

/// Sends data of one side to this address of the other.
fn choose(ground: &mut Ground<'_>, association: &Association, from: From, plan: &Plan, which: usize) {
    match from {
        From::Us => association.stream.set_primary(plan.theirs[which]).expect("it is the peer's address"),
        From::Peer => {
            let (port, address) = (ground.our_port(), plan.ours[which]);
            drop(ground.peer.tell(&format!("primary {port} {address}")));
        }
    }
}

/// Five on each network.
fn ten_addresses(ground: &mut Ground<'_>) -> String {
    let all = |last: u8| (0..2).flat_map(move |network| Hosts::addresses(network, last)).collect();
    let mut plan = plain(Begins::We);
    (plan.ours, plan.theirs) = (all(1), all(2));
    let wire = Wire::record(&mut plan);
    let association = associate(ground, &plan);
    assert_eq!(association.stream.status().expect("it has not ended").paths.len(), 10);
    let theirs = ground.peer.tell("status");
    assert!(plan.ours.iter().all(|address| theirs.contains(&format!(" {address}"))), "{theirs}");
    for from in [From::Us, From::Peer] {
        choose(ground, &association, from, &plan, 9);
    }
    ground.converse(&association, Job::new(100, 1000));
    ground.end(&association);
    for (port, address) in [(ground.our_port(), plan.theirs[9]), (ground.peer_port(), plan.ours[9])] {
        let there = format!("sctp.srcport == {port} and sctp.chunk_type == 0 and ip.dst == {address}");
        assert!(wire.count(&there) >= 50, "no data to {address}");
    }
    "both sides know all, each confirmed; 100 messages each way to the tenth".into()
}

/// How often it is tried whether data goes on so soon, and stays where it went: when one of the sides stands still for a moment, as may be
/// on a busy machine, data does too, and paths that are well are left.
const TRIES: usize = 5;

fn quick(ground: &mut Ground<'_>, case: impl Fn(&mut Ground<'_>) -> Result<Seen, String>) -> String {
    let mut misses = Vec::new();
    while misses.len() < TRIES {
        match case(ground).and_then(|seen| judge(&seen)) {
            Ok(report) => return report,
            Err(miss) => misses.push(miss),
        }
        ground.peer.tell("close");
    }
    panic!("never quick: {misses:?}")
}

fn judge(seen: &Seen) -> Result<String, String> {
    let allowed = QUICK_GAP * seen.rto.div_duration_f64(QUICK_RTO).ceil().max(1.0) as u32;
    match seen.counts.gap {
        gap if gap < allowed => Ok(report(seen)),
        gap => Err(format!("data stood still for {gap:?}, RTO {:?}", seen.rto)),
    }
}

fn report(seen: &Seen) -> String {
    format!("nothing lost, longest gap {} ms", seen.counts.gap.as_millis())
}

fn is_change(notification: &Notification, awaited: PathChange) -> bool {
    matches!(notification, Notification::PathChanged { change, .. } if *change == awaited)
}
