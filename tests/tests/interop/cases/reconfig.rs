//! Streams and TSNs that are numbered anew, and streams that are added.

use socketapi::{Notification, ReconfigOutcome, ReconfigPermissions, ResetDirections};
use system_tests::wait_until;

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};
use crate::peer::LIMIT;

const RECONFIG: &str = "Re-configuration (RFC 6525)";

pub(super) const CASES: &[Case] = &[
    Case::new(RECONFIG, "the peer resets its streams", the_peer_resets_its_streams),
    Case::new(RECONFIG, "the peer has us reset ours", the_peer_resets_ours),
    Case::new(RECONFIG, "the peer resets the association", the_peer_resets_the_association),
    Case::new(RECONFIG, "the peer adds streams, its own and ours", the_peer_adds_streams),
    Case::new(RECONFIG, "the peer asks for what we do not permit", the_peer_is_denied),
    Case::new(RECONFIG, "we reset our streams", we_reset_our_streams),
    Case::new(RECONFIG, "we have the peer reset its streams", we_reset_the_peers),
    Case::new(RECONFIG, "we reset the association", we_reset_the_association),
    Case::new(RECONFIG, "we add streams, our own and the peer's", we_add_streams),
];

fn plan() -> Plan {
    Plan::new(Begins::We).peer("set reconfig 1").peer("set enable-reset 7").config(|config| {
        config.extensions.reconfig = true;
        config.reconfig_permissions = ReconfigPermissions::ALL;
    })
}

/// The number in its stream of the one message that the peer sends.
fn ssn_from_peer(ground: &mut Ground<'_>, association: &Association) -> u16 {
    ground.peer.tell(&Job::new(1, 100).command());
    association.next_message().info.ssn
}

/// The number in its stream of the one message that we send.
fn ssn_from_us(ground: &mut Ground<'_>, association: &Association) -> String {
    let before = ground.peer.counts().messages;
    association.send(Job::new(1, 100));
    ground.peer.await_messages(before + 1);
    let counts = ground.peer.tell("counts");
    counts.rsplit(' ').next().expect("the last word").to_owned()
}

fn the_peer_resets_its_streams(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    assert_eq!((ssn_from_peer(ground, &association), ssn_from_peer(ground, &association)), (0, 1));
    ground.peer.tell("reset 2");
    ground.peer.await_event("STREAM_RESET flags 2");
    assert_eq!(ssn_from_peer(ground, &association), 0);
    ground.end(&association);
    "its messages are numbered from 0 again".into()
}

fn the_peer_resets_ours(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    assert_eq!(
        (ssn_from_us(ground, &association), ssn_from_us(ground, &association)),
        ("0".into(), "1".into())
    );
    ground.peer.tell("reset 1 0");
    ground.peer.await_event("STREAM_RESET flags 1");
    assert_eq!(ssn_from_us(ground, &association), "0");
    ground.end(&association);
    "our messages are numbered from 0 again".into()
}

fn the_peer_resets_the_association(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    ssn_from_peer(ground, &association);
    ssn_from_us(ground, &association);
    // What is on the way then is skipped (RFC 6525, 5.2.4, G2 to G4): nothing is.
    association.await_state("it is acknowledged", |association| !association.has_unacknowledged());
    ground.peer.tell("reset-association");
    ground.peer.await_event("ASSOC_RESET flags 0");
    assert_eq!(ssn_from_peer(ground, &association), 0);
    assert_eq!(ssn_from_us(ground, &association), "0");
    ground.end(&association);
    "messages both ways are numbered from 0 again".into()
}

fn the_peer_adds_streams(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    let before = streams(&association);
    ground.peer.tell("add-streams 5 0");
    ground.peer.await_event("STREAM_CHANGE flags 0");
    assert_eq!(streams(&association), (before.0, before.1 + 5));
    ground.peer.tell("add-streams 0 3");
    wait_until(LIMIT, "no further streams", || streams(&association) == (before.0 + 3, before.1 + 5));
    let job = Job::new(100, 100).streams(before.0 + 3);
    ground.send(&association, job);
    ground.end(&association);
    "5 of its own, 3 of ours, and data on all of ours".into()
}

fn streams(association: &Association) -> (u16, u16) {
    let status = association.stream.status().expect("it has not ended");
    (status.outbound_streams, status.inbound_streams)
}

fn the_peer_is_denied(ground: &mut Ground<'_>) -> String {
    let plan = plan().config(|config| config.reconfig_permissions = ReconfigPermissions::NONE);
    let association = ground.associate(&plan);
    ssn_from_peer(ground, &association);
    ground.peer.tell("reset 2");
    let told = ground.peer.await_event("STREAM_RESET");
    let flags: u32 = told.split(' ').nth(3).and_then(|word| word.parse().ok()).expect("flags");
    assert_ne!(flags & 4, 0, "{told}");
    assert_eq!(ssn_from_peer(ground, &association), 1);
    ground.end(&association);
    "it is told so, and its messages keep their numbers".into()
}

fn we_reset_our_streams(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    assert_eq!(
        (ssn_from_us(ground, &association), ssn_from_us(ground, &association)),
        ("0".into(), "1".into())
    );
    let ours = ResetDirections { outgoing: true, incoming: false };
    association.stream.options().reset_streams(ours, &[]).expect("nothing else is asked");
    association.await_notification(|it| is_reset(it, false));
    ground.peer.await_event("STREAM_RESET flags 1");
    assert_eq!(ssn_from_us(ground, &association), "0");
    ground.end(&association);
    "our messages are numbered from 0 again".into()
}

fn we_reset_the_peers(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    assert_eq!((ssn_from_peer(ground, &association), ssn_from_peer(ground, &association)), (0, 1));
    let theirs = ResetDirections { outgoing: false, incoming: true };
    association.stream.options().reset_streams(theirs, &[0]).expect("nothing else is asked");
    association.await_notification(|it| is_reset(it, true));
    assert_eq!(ssn_from_peer(ground, &association), 0);
    ground.end(&association);
    "its messages are numbered from 0 again".into()
}

fn is_reset(notification: &Notification, of_peer: bool) -> bool {
    let done = ReconfigOutcome::Done;
    matches!(notification, Notification::StreamsReset { incoming, outcome, .. } if (*incoming, *outcome) == (of_peer, done))
}

fn we_reset_the_association(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    ssn_from_peer(ground, &association);
    ssn_from_us(ground, &association);
    association.stream.options().reset_association().expect("nothing else is asked");
    let done = ReconfigOutcome::Done;
    let is_done =
        |it: &Notification| matches!(it, Notification::AssociationReset { outcome, .. } if *outcome == done);
    association.await_notification(is_done);
    ground.peer.await_event("ASSOC_RESET flags 0");
    assert_eq!(ssn_from_peer(ground, &association), 0);
    assert_eq!(ssn_from_us(ground, &association), "0");
    ground.end(&association);
    "messages both ways are numbered from 0 again".into()
}

fn we_add_streams(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    let before = streams(&association);
    for (ours, theirs) in [(5, 0), (0, 3)] {
        association.stream.options().add_streams(ours, theirs).expect("nothing else is asked");
        let done = ReconfigOutcome::Done;
        let is_done = |it: &Notification| matches!(it, Notification::StreamsChanged { outcome, .. } if *outcome == done);
        association.await_notification(is_done);
    }
    assert_eq!(streams(&association), (before.0 + 5, before.1 + 3));
    let job = Job::new(100, 100).streams(before.0 + 5);
    ground.send(&association, job);
    let job = job.streams(before.1 + 3);
    ground.receive(&association, job);
    ground.end(&association);
    "5 of ours, 3 of its own, and data on all of them".into()
}
