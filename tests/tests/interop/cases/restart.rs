//! One side forgets everything and begins anew from the same port.

use std::time::Duration;

use socketapi::{LossReason, Notification};

use super::Case;
use crate::ground::{Begins, Ground, Plan, our_stack};
use crate::ours::{Association, Job};

const RESTART: &str = "Restart (RFC 9260, 5.2)";

pub(super) const CASES: &[Case] = &[
    Case::new(RESTART, "we restart, the peer goes on with the same association", we_restart),
    Case::new(RESTART, "the peer restarts, we go on with the same association", the_peer_restarts),
];

fn we_restart(ground: &mut Ground<'_>) -> String {
    let plan = Plan::new(Begins::We);
    let before = ground.associate(&plan);
    // What we say at our end does not arrive.
    ground.ours.unplug(0);
    before.stream.abort(b"").expect("it has not ended");
    assert_eq!(before.await_loss(), LossReason::UserAborted);
    before.stack.close();
    drop(before);
    ground.ours.plug(0);
    let stack = our_stack(&plan);
    let stream = ground.connect(&stack, &plan);
    let after = Association::new(stack, stream);
    ground.peer.await_event("RESTART");
    converse(ground, &after)
}

fn the_peer_restarts(ground: &mut Ground<'_>) -> String {
    let plan = Plan::new(Begins::Peer);
    let association = ground.associate(&plan);
    ground.ours.unplug(0);
    ground.peer.tell("abort");
    ground.peer.tell("close");
    ground.ours.plug(0);
    ground.peer.tell(&format!("open {} 10.77.0.2", ground.peer_port()));
    ground.peer.tell(&format!("connect {} 10.77.0.1", ground.our_port()));
    association.await_notification(|it| matches!(it, Notification::Restarted));
    ground.peer.await_event("COMM_UP");
    converse(ground, &association)
}

fn converse(ground: &mut Ground<'_>, association: &Association) -> String {
    let job = Job::new(100, 3000).pace(Duration::ZERO);
    ground.converse(&association, job);
    ground.end(&association);
    "RESTART is told, then 100 messages each way".into()
}
