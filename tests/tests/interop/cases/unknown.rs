//! Chunks of types that nobody knows: what to do with them is in their two highest bits.

use super::{Case, From};
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::wire::Wire;

const UNKNOWN: &str = "Unknown chunks (RFC 9260, 3.2)";

pub(super) const CASES: &[Case] = &[
    Case::new(UNKNOWN, "from us: the peer stops or goes on, and reports, as their types say", |ground| {
        unknown(ground, From::Us)
    }),
    Case::new(UNKNOWN, "from the peer: we stop or go on, and report, as their types say", |ground| {
        unknown(ground, From::Peer)
    }),
];

const ERROR: u8 = 9;
const HEARTBEAT_ACK: u8 = 5;

/// A chunk of a type that is not assigned, whether it is to be reported, and whether what follows it is to be read.
const CHUNKS: [(&str, bool, bool); 4] = [
    ("3e000008deadbeef", false, false),
    ("7e000008deadbeef", true, false),
    ("be000008deadbeef", false, true),
    ("fe000008deadbeef", true, true),
];

/// Each in a packet with a HEARTBEAT behind it. (Linux aborts at the answer to a HEARTBEAT with less information than its own
/// have, 18 bytes for instance.)
fn unknown(ground: &mut Ground<'_>, from: From) -> String {
    let mut plan = Plan::new(Begins::We).without_heartbeats().config(|config| config.mtu_search = None);
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    for (chunk, ..) in CHUNKS {
        ground.forge(&association, from, &[chunk, "heartbeat:100"]);
    }
    // Behind all of them.
    ground.converse(&association, Job::new(10, 1000));
    ground.end(&association);
    let port = if from == From::Us { ground.peer_port() } else { ground.our_port() };
    let reports =
        wire.fields(&format!("sctp.srcport == {port} and sctp.chunk_type == {ERROR}"), ["sctp.cause_code"]);
    let reported: Vec<_> = reports.iter().map(|[causes]| causes.concat()).collect();
    // RFC 9260, 3.3.10.6: Unrecognized Chunk Type.
    assert_eq!(reported, ["0x0006", "0x0006"], "{reports:?}");
    assert_eq!(wire.count_chunks(port, HEARTBEAT_ACK), CHUNKS.iter().filter(|chunk| chunk.2).count());
    "two of four reported, what follows is read behind two".into()
}
