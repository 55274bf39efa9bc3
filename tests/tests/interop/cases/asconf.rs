//! Addresses that come and go during an association.

use socketapi::{Notification, PathChange};

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};

const ASCONF: &str = "Changing addresses (RFC 5061)";

pub(super) const CASES: &[Case] = &[
    Case::new(ASCONF, "the peer adds an address", the_peer_adds),
    Case::new(ASCONF, "the peer removes an address", the_peer_removes),
    Case::new(ASCONF, "the peer chooses the address that we send to", the_peer_chooses),
    Case::new(ASCONF, "the peer moves to another network during a transfer", the_peer_moves),
];

/// Our addresses on both networks, and these of the peer.
fn plan(theirs: &[&str]) -> Plan {
    let plan = Plan::new(Begins::We).between(&["10.77.0.1", "10.77.1.1"], theirs).with_short_timers();
    plan.peer("set auth 1").peer("set asconf 1").config(|config| {
        config.extensions.auth = true;
        config.extensions.asconf = true;
    })
}

fn await_change(association: &Association, text: &str, awaited: PathChange) {
    let address: std::net::IpAddr = text.parse().expect("an address");
    let is_it = |it: &Notification| matches!(it, Notification::PathChanged { address: of, change } if (*of, *change) == (address, awaited));
    association.await_notification(is_it);
}

/// The peer's addresses, as we know them.
fn known(association: &Association) -> Vec<String> {
    let status = association.stream.status().expect("it has not ended");
    status.paths.iter().map(|path| path.address.to_string()).collect()
}

fn converse(ground: &mut Ground<'_>, association: &Association) {
    let job = Job::new(50, 3000);
    ground.peer.tell("forget");
    association.send(job);
    ground.peer.await_messages(job.count.into()).assert_complete(job.count.into(), job.bytes());
    ground.peer.tell(&job.command());
    association.receive(job.count.into()).assert_complete(job.count.into(), job.bytes());
}

fn end(ground: &mut Ground<'_>, association: &Association) {
    association.shut_down();
    ground.peer.await_event("SHUTDOWN_COMP");
}

fn the_peer_adds(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2"]));
    assert!(association.extensions().asconf);
    let port = ground.peer_port();
    ground.peer.tell(&format!("add {port} 10.77.1.2"));
    await_change(&association, "10.77.1.2", PathChange::Added);
    await_change(&association, "10.77.1.2", PathChange::Confirmed);
    // Without the first network, only the new address is left.
    ground.ours.unplug(0);
    converse(ground, &association);
    ground.ours.plug(0);
    end(ground, &association);
    "added, confirmed, and used when the first one fails".into()
}

fn the_peer_removes(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2", "10.77.1.2"]));
    let port = ground.peer_port();
    ground.peer.tell(&format!("remove {port} 10.77.0.2"));
    await_change(&association, "10.77.0.2", PathChange::Removed);
    assert_eq!(known(&association), ["10.77.1.2"]);
    converse(ground, &association);
    end(ground, &association);
    "removed, and data goes to the other one".into()
}

fn the_peer_chooses(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2", "10.77.1.2"]));
    let port = ground.peer_port();
    ground.peer.tell(&format!("peer-primary {port} 10.77.1.2"));
    await_change(&association, "10.77.1.2", PathChange::MadePrimary);
    let primary = association.stream.status().expect("it has not ended").primary;
    assert_eq!(primary, Some("10.77.1.2".parse().unwrap()));
    converse(ground, &association);
    end(ground, &association);
    "it is our primary path then".into()
}

/// A new address, made the primary one, and the old one away, while we send.
fn the_peer_moves(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2"]));
    let job = Job::new(2000, 1000).pace(std::time::Duration::from_millis(1));
    let port = ground.peer_port();
    std::thread::scope(|scope| {
        scope.spawn(|| association.send(job));
        ground.peer.await_messages(200);
        ground.peer.tell(&format!("add {port} 10.77.1.2"));
        await_change(&association, "10.77.1.2", PathChange::Confirmed);
        ground.peer.tell(&format!("peer-primary {port} 10.77.1.2"));
        await_change(&association, "10.77.1.2", PathChange::MadePrimary);
        ground.peer.tell(&format!("remove {port} 10.77.0.2"));
        await_change(&association, "10.77.0.2", PathChange::Removed);
    });
    let counts = ground.peer.await_messages(job.count.into());
    counts.assert_complete(job.count.into(), job.bytes());
    assert_eq!(known(&association), ["10.77.1.2"]);
    end(ground, &association);
    format!("nothing lost, longest gap {} ms", counts.gap.as_millis())
}
