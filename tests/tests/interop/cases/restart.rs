//! One side forgets everything and begins anew from the same port.

use std::time::Duration;

use socketapi::{LossReason, Notification};

use super::Case;
use crate::ground::{Begins, Ground, Plan, our_stack};
use crate::ours::{Association, Job};

const RESTART: &str = "Restart (RFC 9260, 5.2)";

pub(super) const CASES: &[Case] = &[
    Case::new(RESTART, "we restart, the peer goes on with the same association", |ground| {
        we_restart(ground, &Plan::new(Begins::We))
    }),
    Case::new(RESTART, "the peer restarts, we go on with the same association", |ground| {
        the_peer_restarts(ground, &Plan::new(Begins::Peer))
    }),
    Case::new(RESTART, "by IPv6: we restart", |ground| we_restart(ground, &Plan::new(Begins::We).by_ipv6())),
    Case::new(RESTART, "by IPv6: the peer restarts", |ground| {
        the_peer_restarts(ground, &Plan::new(Begins::Peer).by_ipv6())
    }),
    Case::new(RESTART, "with IPv4 and IPv6 on two networks: we restart", |ground| {
        we_restart(ground, &Plan::new(Begins::We).by_both_families())
    }),
    Case::new(RESTART, "with IPv4 and IPv6 on two networks: the peer restarts", |ground| {
        the_peer_restarts(ground, &Plan::new(Begins::Peer).by_both_families())
    }),
];

fn we_restart(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let before = ground.associate(plan);
    // What we say at our end does not arrive.
    ground.unplug_all();
    before.stream.abort(b"").expect("it has not ended");
    assert_eq!(before.await_loss(), LossReason::UserAborted);
    before.stack.close();
    drop(before);
    ground.plug_all();
    let stack = our_stack(plan);
    let stream = ground.connect(&stack, plan);
    let after = Association::new(stack, stream);
    ground.peer.await_event("RESTART");
    converse(ground, &after)
}

fn the_peer_restarts(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let association = ground.associate(plan);
    ground.unplug_all();
    ground.peer.tell("abort");
    ground.peer.tell("close");
    ground.plug_all();
    ground.connect_peer_again(plan);
    association.await_notification(|it| matches!(it, Notification::Restarted));
    ground.peer.await_event("COMM_UP");
    converse(ground, &association)
}

fn converse(ground: &mut Ground<'_>, association: &Association) -> String {
    let job = Job::new(100, 3000).pace(Duration::ZERO);
    ground.converse(association, job);
    ground.end(association);
    "RESTART is told, then 100 messages each way".into()
}
