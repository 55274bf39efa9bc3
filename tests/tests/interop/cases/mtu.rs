//! Packets that are too large for a network that does not say so.

use std::time::Duration;

use socketapi::{ChunkType, MtuSearchConfig, MtuState};
use system_tests::{Capture, count_packets, look_until, packet_fields};
use tempfile::NamedTempFile;

use super::Case;
use crate::ground::{Begins, Ground, MTU, Plan};
use crate::ours::{Association, Job};
use crate::peer::{LIMIT, Stack};
use crate::wire::Wire;

const SEARCH: &str = "Path MTU discovery by probes (RFC 8899)";

/// What the network carries once it is narrow.
const NARROW: u32 = 1400;
const IP_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;

pub(super) const CASES: &[Case] = &[
    Case::new(SEARCH, "the search ends where the network does", search),
    Case::new(SEARCH, "the network loses packets above 1,400 bytes, data flows meanwhile", |ground| {
        search_with_data(ground, |plan| plan)
    }),
    Case::new(SEARCH, "the same, and the peer demands that user data be authenticated", |ground| {
        search_with_data(ground, authenticated)
    }),
    Case::new(SEARCH, "by IPv6: the search ends where the network does", search_by_ipv6),
    Case {
        not_done: &[(Stack::Usrsctp, "peer: no; its usrsctp.h has no option for it")],
        ..Case::new(SEARCH, "the peer searches, and we answer its probes", |ground| {
            the_peer_searches(ground, MTU)
        })
    },
    Case {
        not_done: &[(Stack::Usrsctp, "peer: no; its usrsctp.h has no option for it")],
        ..Case::new(SEARCH, "the peer searches where the network loses packets above 1,400 bytes", |ground| {
            the_peer_searches(ground, NARROW)
        })
    },
];

fn plan() -> Plan {
    Plan::new(Begins::We).with_short_timers().peer("set path 0 20").config(|config| {
        let probe_timer = Duration::from_secs(1);
        config.mtu_search = Some(MtuSearchConfig { probe_timer, ..MtuSearchConfig::default() });
        config.path_max_retrans = 20;
        // Longer than the peer delays a SACK, or stands still: two time-outs for that, with full packets in flight, are taken
        // for a path that has shrunk (RFC 8899, 4.3). Nothing is lost here but probes, which have a timer of their own.
        config.rto_min = Duration::from_secs(2);
        config.rto_initial = config.rto_min;
        config.rto_max = config.rto_min;
    })
}

fn await_size(association: &Association, size: u32) {
    look_until(LIMIT, || {
        let path = association.stream.status().expect("it has not ended").paths[0];
        match (path.mtu_search, path.max_packet_size) == (MtuState::Complete, size as usize) {
            true => Ok(()),
            false => Err(format!("{path:?}")),
        }
    });
}

const DATA: Job = Job::new(500, 3000);

fn search(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan());
    await_size(&association, MTU - IP_HEADER);
    ground.send(&association, DATA);
    ground.end(&association);
    format!("found: {MTU} bytes with IP header")
}

/// User data is authenticated both ways: each packet that holds some has AUTH too (RFC 4895, 6.2).
fn authenticated(plan: Plan) -> Plan {
    plan.peer("set auth 1").peer("set authchunk 0").config(|config| {
        config.extensions.auth = true;
        config.auth.chunks.insert(ChunkType::DATA);
    })
}

/// The network is narrow from the beginning. What is on it is seen where it leaves our host: full packets are as large as
/// what was found, and IP cuts none.
fn search_with_data(ground: &mut Ground<'_>, with: fn(Plan) -> Plan) -> String {
    let file = NamedTempFile::new().expect("a temporary file");
    ground.narrow(NARROW);
    let capture = Capture::start_filtered(ground.ours, "w0", file.path(), "ip proto 132");
    let association = ground.associate(&with(plan()));
    let job = DATA.pace(Duration::from_millis(2));
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| association.send(job));
        await_size(&association, NARROW - IP_HEADER);
        sender.join().expect("it sends");
    });
    ground.peer.await_messages(job.count.into()).assert_complete(job.count.into(), job.bytes());
    ground.send(&association, DATA);
    ground.end(&association);
    ground.widen();
    let file = capture.finish();
    assert_eq!(count_packets(&file, "ip.flags.mf == 1 or ip.frag_offset > 0"), 0, "IP fragments");
    let lengths = packet_fields(&file, &format!("sctp.srcport == {}", ground.our_port()), ["ip.len"]);
    let largest = lengths.iter().map(|[len]| len[0].parse().expect("a length")).max().expect("packets");
    // Chunks are padded to four bytes.
    assert!((NARROW - 3..=NARROW).contains(&largest), "the largest packet has {largest} bytes");
    format!("found: {NARROW} bytes with IP header, no IP fragments, nothing lost")
}

fn search_by_ipv6(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan().by_ipv6());
    await_size(&association, MTU - IPV6_HEADER);
    ground.send(&association, DATA);
    ground.end(&association);
    format!("found: {MTU} bytes with IP header")
}

/// How often Linux probes at most.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const HEARTBEAT_ACK: u8 = 5;
const PAD: u8 = 132;

/// Linux begins after one interval, with 1,200 bytes, and goes on in steps as long as its probes are answered; three that
/// are not end it, an interval each.
fn the_peer_searches(ground: &mut Ground<'_>, mtu: u32) -> String {
    let interval = format!("set probe-interval {}", PROBE_INTERVAL.as_millis());
    let mut plan = Plan::new(Begins::Peer).peer(interval).config(|config| config.mtu_search = None);
    plan.config.path_mtu = mtu as usize;
    let wire = Wire::record(&mut plan);
    ground.narrow(mtu);
    let association = ground.associate(&plan);
    // A probe is a HEARTBEAT and a PAD.
    let chunks = |association: &Association| association.look(|it| it.stats().control_chunks_received);
    let before = chunks(&association);
    look_until(2 * LIMIT, || {
        let is_found =
            chunks(&association) >= before + 8 && (mtu - STEP..=mtu).contains(&mtu_of_peer(ground));
        if is_found {
            Ok(())
        } else {
            Err(format!("the search does not get on: {}", ground.peer.tell("status")))
        }
    });
    let found = mtu_of_peer(ground);
    ground.receive(&association, Job::new(100, 3000));
    ground.end(&association);
    ground.widen();
    let (probes, answers) =
        (wire.count_chunks(ground.peer_port(), PAD), wire.count_chunks(ground.our_port(), HEARTBEAT_ACK));
    assert!(probes > 0 && answers >= probes, "{probes} probes, {answers} answers");
    format!("{found} bytes after {probes} probes, each answered")
}

/// The smallest step of Linux's search at its end.
const STEP: u32 = 32;

fn mtu_of_peer(ground: &mut Ground<'_>) -> u32 {
    let status = ground.peer.tell("status");
    let mut words = status.split(' ').skip_while(|word| *word != "mtu");
    words.nth(1).and_then(|word| word.parse().ok()).expect("an MTU")
}
