//! Paths that fail and come back.

use std::time::Duration;

use socketapi::{Notification, PathChange};

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;

const PATHS: &str = "Path failure and return (RFC 9260, 8.2 and 8.3)";

pub(super) const CASES: &[Case] = &[
    Case::new(PATHS, "we send, the primary path fails and returns", we_send),
    Case::new(PATHS, "the peer sends, its primary path fails and returns", the_peer_sends),
];

/// Small messages at a pace, for longer than a failure takes.
fn stream_of_messages() -> Job {
    Job::new(3000, 500).pace(Duration::from_millis(1))
}

fn we_send(ground: &mut Ground) -> String {
    let association = ground.associate(&Plan::new(Begins::We).on_both_networks().with_short_timers());
    let job = stream_of_messages();
    std::thread::scope(|scope| {
        scope.spawn(|| association.send(job));
        ground.peer.await_messages(200);
        ground.ours.unplug(0);
        association.await_notification(|it| is_change(it, PathChange::Unreachable));
        ground.ours.plug(0);
        association.await_notification(|it| is_change(it, PathChange::Available));
    });
    let counts = ground.peer.await_messages(job.count.into());
    counts.assert_complete(job.count.into(), job.bytes());
    association.shut_down();
    ground.peer.await_event("SHUTDOWN_COMP");
    format!("nothing lost, longest gap {} ms", counts.gap.as_millis())
}

fn the_peer_sends(ground: &mut Ground) -> String {
    let association = ground.associate(&Plan::new(Begins::Peer).on_both_networks().with_short_timers());
    let job = stream_of_messages();
    ground.peer.tell(&format!("{} tell=200", job.command()));
    let counts = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| association.receive(job.count.into()));
        ground.peer.await_event("sent 200");
        ground.ours.unplug(0);
        ground.peer.await_event("ADDR_UNREACHABLE 10.77.0.1");
        ground.ours.plug(0);
        ground.peer.await_event("ADDR_AVAILABLE 10.77.0.1");
        receiver.join().expect("it receives")
    });
    counts.assert_complete(job.count.into(), job.bytes());
    association.shut_down();
    ground.peer.await_event("SHUTDOWN_COMP");
    format!("nothing lost, longest gap {} ms", counts.gap.as_millis())
}

fn is_change(notification: &Notification, awaited: PathChange) -> bool {
    matches!(notification, Notification::PathChanged { change, .. } if *change == awaited)
}
