//! One side forgets everything and begins anew from the same port.

use std::time::Duration;

use socketapi::{LossReason, Notification};

use super::{Case, From};
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};
use crate::peer::Stack;

const RESTART: &str = "Restart (RFC 9260, 5.2)";

pub(super) const CASES: &[Case] = &[
    Case::new(RESTART, "we restart, the peer goes on with the same association", |ground| {
        we_restart(ground, &Plan::new(Begins::We))
    }),
    Case::new(RESTART, "the peer restarts, we go on with the same association", |ground| {
        the_peer_restarts(ground, &Plan::new(Begins::Peer))
    }),
    Case {
        not_done: &[(
            Stack::Usrsctp,
            "no: it sends no data any more, and answers no SHUTDOWN; a capture shows",
        )],
        ..Case::new(RESTART, "data of both sides is on the way when we restart", |ground| {
            restart_with_data(ground, From::Us)
        })
    },
    Case::new(RESTART, "data of both sides is on the way when the peer restarts", |ground| {
        restart_with_data(ground, From::Peer)
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
    ground.unplug_all();
    let after = begin_anew(ground, plan, before);
    converse(ground, &after)
}

/// What we say at our end does not arrive: the network is away.
fn begin_anew(ground: &mut Ground<'_>, plan: &Plan, before: Association) -> Association {
    before.stream.abort(b"").expect("it has not ended");
    assert_eq!(before.await_loss(), LossReason::UserAborted);
    before.stack.close();
    drop(before);
    ground.plug_all();
    let stack = ground.our_stack(plan);
    let stream = ground.connect(&stack, plan);
    let after = Association::new(stack, stream);
    ground.peer.await_event("RESTART");
    after
}

fn the_peer_restarts(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let association = ground.associate(plan);
    ground.unplug_all();
    the_peer_begins_anew(ground, plan, &association);
    converse(ground, &association)
}

fn the_peer_begins_anew(ground: &mut Ground<'_>, plan: &Plan, association: &Association) {
    ground.peer.tell("abort");
    ground.peer.tell("close");
    ground.plug_all();
    ground.connect_peer_again(plan);
    association.await_notification(|it| matches!(it, Notification::Restarted));
    ground.peer.await_event("COMM_UP");
}

/// What was sent to the side that restarts belongs to its former life: none of it arrives in the new one.
fn restart_with_data(ground: &mut Ground<'_>, who: From) -> String {
    let plan = Plan::new(if who == From::Us { Begins::We } else { Begins::Peer }).with_short_timers();
    let association = ground.associate(&plan);
    let job = Job::new(100, 1000);
    ground.unplug_all();
    association.send(job);
    ground.peer.tell(&job.command());
    ground.peer.await_event("sent 100");
    let association = match who {
        From::Us => begin_anew(ground, &plan, association),
        From::Peer => {
            the_peer_begins_anew(ground, &plan, &association);
            association
        }
    };
    converse(ground, &association)
}

fn converse(ground: &mut Ground<'_>, association: &Association) -> String {
    let job = Job::new(100, 3000).pace(Duration::ZERO);
    ground.converse(association, job);
    ground.end(association);
    "RESTART is told, then 100 messages each way".into()
}
