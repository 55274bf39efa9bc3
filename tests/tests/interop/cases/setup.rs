//! How associations begin and end.

use socketapi::{Error, LossReason, Notification, SendInfo};
use system_tests::{Capture, count_packets};
use tempfile::NamedTempFile;

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};
use crate::wire::Wire;

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
    Case::new(SET_UP, "65,535 streams each way", all_streams),
    Case::new(
        SET_UP,
        "both sides tell their adaptation layer indication (RFC 5061, 4.2.6)",
        adaptation_layers,
    ),
    Case::new(SET_UP, "nobody listens at the peer: we are refused", we_are_refused),
    Case::new(SET_UP, "nobody listens with us: the peer is refused", the_peer_is_refused),
    Case::new(SET_UP, "we connect through 30 % loss", |ground| {
        talk(ground, &hurried(Begins::We).loss(30), Ends::We)
    }),
    Case::new(SET_UP, "the peer connects through 30 % loss", |ground| {
        talk(ground, &hurried(Begins::Peer).loss(30), Ends::Peer)
    }),
    Case::new(SET_UP, "both connect at the same time", both_connect),
    Case::new(SET_UP, "data waits on both sides when we shut down", |ground| {
        shut_down_with_data(ground, Ends::We)
    }),
    Case::new(SET_UP, "data waits on both sides when the peer shuts down", |ground| {
        shut_down_with_data(ground, Ends::Peer)
    }),
    Case::new(SET_UP, "both shut down at the same time", both_shut_down),
    Case::new(SET_UP, "the network fails for good: both sides give up", both_give_up),
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
    Case::new(UDP, "the peer connects by IPv6", |ground| {
        talk(ground, &v6(Begins::Peer).over_udp(), Ends::Peer)
    }),
    Case::new(UDP, "we connect with IPv4 and IPv6 on two networks", |ground| {
        lists_all_addresses(ground, &mixed(Begins::We).over_udp())
    }),
    Case::new(UDP, "the peer connects with IPv4 and IPv6 on two networks", |ground| {
        lists_all_addresses(ground, &mixed(Begins::Peer).over_udp())
    }),
];

#[derive(PartialEq, Eq)]
enum Ends {
    We,
    Peer,
}

fn v6(begins: Begins) -> Plan {
    Plan::new(begins).by_ipv6()
}

fn mixed(begins: Begins) -> Plan {
    Plan::new(begins).by_both_families()
}

/// Timers short enough for a set-up that loses packets.
fn hurried(begins: Begins) -> Plan {
    Plan::new(begins).with_short_timers().peer("set path 0 30").peer(MANY_ATTEMPTS).config(|config| {
        config.max_init_retransmits = 30;
        config.path_max_retrans = 30;
        config.hb_interval = None;
    })
}

/// INITs of the peer, and milliseconds from one to the next.
const MANY_ATTEMPTS: &str = "set attempts 30 400";

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
    ground.peer.tell("abort enough-of-this");
    // RFC 9260, 3.3.10.12: the peer's user did it, for this reason.
    let reason = association.await_loss();
    let LossReason::PeerAborted { cause: Some(12), value } = &reason else { panic!("{reason:?}") };
    assert_eq!(&value[..], b"enough-of-this");
    "ABORT with cause 12, User-Initiated Abort, and the reason".into()
}

fn we_abort(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&Plan::new(Begins::Peer));
    association.stream.abort(b"no more").expect("it has not ended");
    let told = ground.peer.await_event("COMM_LOST");
    // The cause, its length, and the reason.
    assert!(told.contains("00 0c 00 0b 6e 6f 20 6d 6f 72 65"), "{told}");
    "COMM_LOST at the peer, with the reason".into()
}

/// Both are in COOKIE-WAIT when the first INIT comes (RFC 9260, 5.2.1): the network is away when they begin.
fn both_connect(ground: &mut Ground<'_>) -> String {
    let mut plan = Plan::new(Begins::We).with_short_timers().peer(MANY_ATTEMPTS);
    plan.config.max_init_retransmits = 30;
    let wire = Wire::record(&mut plan);
    ground.ours.unplug(0);
    let (stack, stream) = ground.begin_on_both_sides(&plan);
    ground.ours.plug(0);
    stream.set_nonblocking(false);
    stream.wait_connected().expect("the peer answers");
    ground.peer.await_event("COMM_UP");
    let association = Association::new(stack, stream);
    ground.converse(&association, Job::new(10, 200));
    ground.end(&association);
    assert_eq!((wire.count_chunks(ground.our_port(), 1) > 0, wire.count("sctp.chunk_type == 6")), (true, 0));
    "one association, 10 messages each way".into()
}

/// Data waits on both sides, without a network, when one side shuts down: all of it comes, and then the end.
fn shut_down_with_data(ground: &mut Ground<'_>, ends: Ends) -> String {
    let association = ground.associate(&Plan::new(Begins::We).with_short_timers());
    let job = Job::new(200, 1000);
    ground.ours.unplug(0);
    association.send(job);
    ground.peer.tell(&job.command());
    ground.peer.await_event("sent 200");
    match ends {
        Ends::We => association.stream.shutdown().expect("it has not ended"),
        Ends::Peer => drop(ground.peer.tell("shutdown")),
    }
    ground.ours.plug(0);
    association.receive_to_end().counts().assert_complete(job.count.into(), job.bytes());
    ground.peer.await_event("SHUTDOWN_COMP");
    ground.peer.counts().assert_complete(job.count.into(), job.bytes());
    "200 messages each way, then the end in good order".into()
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

/// The first and the last, and those where 16 bits could be taken for 15 or for signed.
const FAR_STREAMS: [u16; 5] = [0, 1, 32_767, 32_768, 65_534];

fn all_streams(ground: &mut Ground<'_>) -> String {
    let plan = Plan::new(Begins::We).peer("set streams 65535 65535").config(|config| {
        config.outbound_streams = 65_535;
        config.max_inbound_streams = 65_535;
    });
    let association = ground.associate(&plan);
    let status = association.stream.status().expect("it has not ended");
    assert_eq!((status.outbound_streams, status.inbound_streams), (65_535, 65_535));
    ground.peer.tell("trace 1");
    for stream in FAR_STREAMS {
        association.send_one(0, 100, &SendInfo::new().stream(stream));
        ground.peer.await_event(&format!("message stream {stream} bytes 100"));
        ground.peer.tell(&format!("send 1 100 stream={stream}"));
        assert_eq!(association.next_message().info.stream, stream);
    }
    ground.end(&association);
    "agreed, and data on the first and the last of them".into()
}

fn adaptation_layers(ground: &mut Ground<'_>) -> String {
    for begins in [Begins::We, Begins::Peer] {
        let plan = Plan::new(begins).peer("set adaptation 0x01020304");
        let association = ground.associate(&plan.config(|config| config.adaptation_indication = Some(7)));
        let is_it = |it: &Notification| matches!(it, Notification::AdaptationIndication(0x0102_0304));
        association.await_notification(is_it);
        ground.peer.await_event("ADAPTATION 7");
        ground.end(&association);
        ground.peer.tell("close");
    }
    "told, whoever connects".into()
}

fn we_are_refused(ground: &mut Ground<'_>) -> String {
    let plan = Plan::new(Begins::We);
    let refusal = ground.try_to_connect(&plan).expect_err("nobody listens");
    assert!(matches!(refusal, Error::Lost(LossReason::PeerAborted { .. })), "{refusal:?}");
    "refused at once".into()
}

/// Unanswered, it would go on for longer than we wait ([`LIMIT`](crate::peer::LIMIT)). It gives up at the first answer, or the second one
/// if it has sent INIT again meanwhile.
fn the_peer_is_refused(ground: &mut Ground<'_>) -> String {
    let file = NamedTempFile::new().expect("a temporary file");
    // Strays are not in a stack's own capture.
    let capture = Capture::start_filtered(ground.ours, "lan0", file.path(), "ip proto 132");
    let _stack = ground.let_peer_connect_in_vain(&Plan::new(Begins::Peer));
    ground.peer.await_event("CANT_STR_ASSOC");
    let file =
        capture.finish_after(&format!("sctp.srcport == {} and sctp.chunk_type == 6", ground.our_port()));
    let [inits, aborts] = [(ground.peer_port(), 1), (ground.our_port(), 6)].map(|(port, chunk)| {
        count_packets(&file, &format!("sctp.srcport == {port} and sctp.chunk_type == {chunk}"))
    });
    assert!(inits > 0 && aborts > 0 && aborts <= inits, "{aborts} ABORTs to {inits} INITs");
    "refused at once".into()
}

/// Both are in SHUTDOWN-SENT when the other's SHUTDOWN comes (RFC 9260, 9.2).
fn both_shut_down(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&Plan::new(Begins::We).with_short_timers());
    let job = Job::new(50, 1000);
    ground.peer.tell(&job.command());
    association.send(job);
    ground.peer.await_messages(job.count.into()).assert_complete(job.count.into(), job.bytes());
    association.await_state("the peer has not taken all", |it| !it.has_unacknowledged());
    ground.peer.await_event("DRY");
    ground.ours.unplug(0);
    ground.peer.tell("shutdown");
    association.stream.shutdown().expect("it has not ended");
    ground.ours.plug(0);
    association.receive_to_end().counts().assert_complete(job.count.into(), job.bytes());
    ground.peer.await_event("SHUTDOWN_COMP");
    "50 messages each way, then the end in good order".into()
}

fn both_give_up(ground: &mut Ground<'_>) -> String {
    // While the network is there nothing is sent that might come too late.
    let plan = Plan::new(Begins::We).with_short_timers().without_heartbeats().peer("set max-retrans 2");
    let association = ground.associate(&plan.config(|config| {
        config.association_max_retrans = 2;
        config.mtu_search = None;
    }));
    let job = Job::new(10, 1000);
    ground.ours.unplug(0);
    ground.peer.tell(&job.command());
    association.send(job);
    let reason = association.await_loss();
    assert_eq!(reason, LossReason::TimedOut);
    ground.peer.await_event("COMM_LOST");
    ground.ours.plug(0);
    "after two retransmissions in vain".into()
}

fn lists_all_addresses(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let association = ground.associate(plan);
    let theirs = ground.peer.tell("status");
    assert!(theirs.contains("10.77.0.1") && theirs.contains("fd77:1::1"), "{theirs}");
    let status = association.stream.status().expect("it has not ended");
    assert_eq!(status.paths.len(), 2, "{status:?}");
    // It asks the address that it was only told of whether it is there.
    if plan.begins == Begins::We {
        ground.peer.await_events(plan.ours[1..].iter().map(|address| format!("ADDR_CONFIRMED {address}")));
    }
    ground.end(&association);
    "both sides know both addresses".into()
}
