//! How associations begin and end.

use socketapi::LossReason;

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;

const SET_UP: &str = "Set-up and shutdown (RFC 9260, 5 and 9)";
const ADDRESSES: &str = "Addresses (RFC 9260, 3.3.2)";
const UDP: &str = "UDP encapsulation (RFC 6951)";

pub(super) const CASES: &[Case] = &[
    Case::new(SET_UP, "we connect and shut down", |ground| talk(ground, &Plan::new(Begins::We), Ends::We)),
    Case::new(SET_UP, "we connect, the peer shuts down", |ground| {
        talk(ground, &Plan::new(Begins::We), Ends::Peer)
    }),
    Case::new(SET_UP, "the peer connects and shuts down", |ground| {
        talk(ground, &Plan::new(Begins::Peer), Ends::Peer)
    }),
    Case::new(SET_UP, "the peer connects, we shut down", |ground| {
        talk(ground, &Plan::new(Begins::Peer), Ends::We)
    }),
    Case::new(SET_UP, "the peer aborts, and we know why", the_peer_aborts),
    Case::new(SET_UP, "we abort, and the peer knows", we_abort),
    Case::new(SET_UP, "each side gets as many streams as the other allows", streams_are_negotiated),
    Case::new(SET_UP, "we connect through 30 % loss", |ground| {
        talk(ground, &hurried(Begins::We).loss(30), Ends::We)
    }),
    Case::new(SET_UP, "the peer connects through 30 % loss", |ground| {
        talk(ground, &hurried(Begins::Peer).loss(30), Ends::Peer)
    }),
    Case::new(ADDRESSES, "we connect by IPv6", |ground| talk(ground, &v6(Begins::We), Ends::We)),
    Case::new(ADDRESSES, "the peer connects by IPv6", |ground| talk(ground, &v6(Begins::Peer), Ends::Peer)),
    Case::new(ADDRESSES, "we connect with IPv4 and IPv6 on two networks", |ground| {
        lists_all_addresses(ground, &mixed(Begins::We))
    }),
    Case::new(ADDRESSES, "the peer connects with IPv4 and IPv6 on two networks", |ground| {
        lists_all_addresses(ground, &mixed(Begins::Peer))
    }),
    Case::new(UDP, "we connect", |ground| talk(ground, &Plan::new(Begins::We).over_udp(), Ends::We)),
    Case::new(UDP, "the peer connects", |ground| {
        talk(ground, &Plan::new(Begins::Peer).over_udp(), Ends::Peer)
    }),
    Case::new(UDP, "we connect by IPv6", |ground| talk(ground, &v6(Begins::We).over_udp(), Ends::We)),
];

#[derive(PartialEq, Eq)]
enum Ends {
    We,
    Peer,
}

fn v6(begins: Begins) -> Plan {
    Plan::new(begins).between(&["fd77:0::1"], &["fd77:0::2"])
}

fn mixed(begins: Begins) -> Plan {
    Plan::new(begins).between(&["10.77.0.1", "fd77:1::1"], &["10.77.0.2", "fd77:1::2"])
}

/// Timers short enough for a set-up that loses packets, but for usrsctp's guard of SHUTDOWN: five times RTO.Max.
fn hurried(begins: Begins) -> Plan {
    Plan::new(begins)
        .with_short_timers()
        .peer("set rto 200 100 4000")
        .peer("set path 0 20")
        .peer("set max-retrans 20")
        .config(|config| {
            config.max_init_retransmits = 30;
            config.association_max_retrans = 30;
            config.path_max_retrans = 30;
            config.hb_interval = None;
        })
}

/// A message each way, and an end in good order.
fn talk(ground: &mut Ground<'_>, plan: &Plan, ends: Ends) -> String {
    let association = ground.associate(plan);
    let job = Job::new(10, 200);
    ground.converse(&association, job);
    if ends == Ends::We {
        association.shut_down();
    } else {
        ground.peer.tell("shutdown");
        association.await_end();
    }
    ground.peer.await_event("SHUTDOWN_COMP");
    "10 messages each way, end in good order".into()
}

fn the_peer_aborts(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&Plan::new(Begins::We));
    ground.peer.tell("abort");
    // RFC 9260, 3.3.10.12: the peer's user did it.
    let reason = association.await_loss();
    assert!(matches!(reason, LossReason::PeerAborted { cause: Some(12), .. }), "{reason:?}");
    "ABORT with cause 12, User-Initiated Abort".into()
}

fn we_abort(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&Plan::new(Begins::Peer));
    association.stream.abort(b"no more").expect("it has not ended");
    ground.peer.await_event("COMM_LOST");
    "COMM_LOST at the peer".into()
}

fn streams_are_negotiated(ground: &mut Ground<'_>) -> String {
    for begins in [Begins::We, Begins::Peer] {
        let plan = Plan::new(begins).peer("set streams 7 5").config(|config| {
            config.outbound_streams = 9;
            config.max_inbound_streams = 4;
        });
        let association = ground.associate(&plan);
        let status = association.stream.status().expect("it has not ended");
        // RFC 9260, 5.1.1: the lower number of what one side asks for and the other allows.
        assert_eq!((status.outbound_streams, status.inbound_streams), (5, 4));
        let theirs = ground.peer.tell("status");
        assert!(theirs.contains("out 4 in 5"), "{theirs}");
        ground.end(&association);
        ground.peer.tell("close");
    }
    "9 asked, 5 allowed: 5; 7 asked, 4 allowed: 4".into()
}

fn lists_all_addresses(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let association = ground.associate(plan);
    let theirs = ground.peer.tell("status");
    assert!(theirs.contains("10.77.0.1") && theirs.contains("fd77:1::1"), "{theirs}");
    let status = association.stream.status().expect("it has not ended");
    assert_eq!(status.paths.len(), 2, "{status:?}");
    ground.end(&association);
    "both sides know both addresses".into()
}
