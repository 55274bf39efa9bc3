//! Data on both networks at the same time.

use sctp_core::path::PathState;
use socketapi::Multipath;

use super::{Case, From};
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::peer::Stack;
use crate::wire::Wire;

const MULTIPATH: &str = "Concurrent multipath transfer (draft-tuexen-tsvwg-sctp-multipath)";

pub(super) const CASES: &[Case] = &[
    Case::new(MULTIPATH, "we send on both networks", |ground| on_both(ground, From::Us, 0)),
    Case::new(MULTIPATH, "we send on both networks, 5 % of the packets lost", |ground| {
        on_both(ground, From::Us, 5)
    }),
    Case {
        not_done: &[(
            Stack::Linux,
            "peer: no; its linux/sctp.h (uapi) has no option for it, and data takes the primary path",
        )],
        ..Case::new(MULTIPATH, "the peer sends on both networks", |ground| on_both(ground, From::Peer, 0))
    },
    Case {
        not_done: &[(
            Stack::Linux,
            "peer: no; its linux/sctp.h (uapi) has no option for it, and data takes the primary path",
        )],
        ..Case::new(MULTIPATH, "the peer sends on both networks, 5 % of the packets lost", |ground| {
            on_both(ground, From::Peer, 5)
        })
    },
];

/// The peer needs to know nothing of it to receive.
fn on_both(ground: &mut Ground<'_>, from: From, loss: u32) -> String {
    let plan = Plan::new(Begins::We).on_both_networks().with_short_timers().loss(loss);
    let mut plan = plan.peer("set path 300 20").config(|config| {
        config.multipath = Multipath::Concurrent;
        config.path_max_retrans = 20;
    });
    let wire = Wire::record(&mut plan);
    if from == From::Peer {
        ground.peer.tell("sysctl cmt_on_off 1");
    }
    let association = ground.associate(&plan);
    let job = Job::new(1500, 1400);
    // Before the second path is confirmed it carries nothing.
    let port = match from {
        From::Us => {
            association.await_state("the second path is not confirmed", |it| {
                it.paths().iter().all(|path| path.state == PathState::Active)
            });
            ground.send(&association, job);
            ground.our_port()
        }
        From::Peer => {
            ground.peer.await_event("ADDR_CONFIRMED 10.77.1.1");
            ground.receive(&association, job);
            ground.peer.tell("sysctl cmt_on_off 0");
            ground.peer_port()
        }
    };
    ground.end(&association);
    let shares = [0, 1].map(|network| {
        let on_it =
            format!("sctp.srcport == {port} and sctp.chunk_type == 0 and ip.addr == 10.77.{network}.0/24");
        wire.count(&on_it)
    });
    let least = shares.into_iter().min().unwrap_or_default();
    assert!(least >= 20, "packets with DATA on the two networks: {shares:?}");
    let percent = least * 100 / shares.iter().sum::<usize>();
    format!("complete and in order, {percent} % of the packets with DATA on the less used network")
}
