//! Packets that are too large for a network that does not say so.

use std::time::{Duration, Instant};

use socketapi::{MtuSearchConfig, MtuState};

use super::Case;
use crate::ground::{Begins, Ground, MTU, Plan};
use crate::ours::{Association, Job};
use crate::peer::LIMIT;

const SEARCH: &str = "Path MTU discovery by probes (RFC 8899)";

/// What the network carries once it is narrow.
const NARROW: u32 = 1400;
const IP_HEADER: u32 = 20;

pub(super) const CASES: &[Case] = &[
    Case::new(SEARCH, "the search ends where the network does", |ground| search(ground, MTU)),
    Case::new(SEARCH, "the network loses packets above 1,400 bytes", |ground| search(ground, NARROW)),
];

fn plan() -> Plan {
    Plan::new(Begins::We).with_short_timers().peer("set path 0 20").peer("set max-retrans 20").config(
        |config| {
            let probe_timer = Duration::from_secs(1);
            config.mtu_search = Some(MtuSearchConfig { probe_timer, ..MtuSearchConfig::default() });
            config.path_max_retrans = 20;
        },
    )
}

fn await_size(association: &Association, size: u32) {
    let end = Instant::now() + LIMIT;
    loop {
        let path = association.stream.status().expect("it has not ended").paths[0];
        if (path.mtu_search, path.max_packet_size) == (MtuState::Complete, size as usize) {
            return;
        }
        assert!(Instant::now() < end, "{path:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(ground: &mut Ground<'_>, association: &Association) {
    let job = Job::new(500, 3000);
    ground.peer.tell("forget");
    association.send(job);
    ground.peer.await_messages(job.count.into()).assert_complete(job.count.into(), job.bytes());
}

fn search(ground: &mut Ground<'_>, mtu: u32) -> String {
    ground.set_mtu(0, mtu);
    let association = ground.associate(&plan());
    await_size(&association, mtu - IP_HEADER);
    send(ground, &association);
    end(ground, &association);
    format!("found: {mtu} bytes with IP header")
}

fn end(ground: &mut Ground<'_>, association: &Association) {
    ground.end(&association);
    ground.set_mtu(0, MTU);
}
