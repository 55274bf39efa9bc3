//! Packets that are marked instead of lost.

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::peer::Stack;
use crate::wire::Wire;

const ECN: &str = "Explicit congestion notification (RFC 4960, Appendix A)";
/// Marking is done by netem in the Linux peer's kernel.
const NO_MARKS: (Stack, &str) = (Stack::Usrsctp, "not tested: nothing marks packets on its network");

const ECNE: u8 = 12;
const CWR: u8 = 13;

pub(super) const CASES: &[Case] = &[
    Case::new(ECN, "both sides agree on it, we connect", |ground| agree(ground, Begins::We)),
    Case::new(ECN, "both sides agree on it, the peer connects", |ground| agree(ground, Begins::Peer)),
    Case {
        not_done: &[NO_MARKS],
        ..Case::new(
            ECN,
            "5 % of the peer's packets marked: we echo, it reduces its window",
            the_peer_is_marked,
        )
    },
    Case {
        not_done: &[NO_MARKS],
        ..Case::new(ECN, "5 % of our packets marked: the peer echoes, we reduce our window", we_are_marked)
    },
];

fn plan(begins: Begins) -> Plan {
    Plan::new(begins).peer("set ecn 1").config(|config| config.extensions.ecn = true)
}

fn agree(ground: &mut Ground<'_>, begins: Begins) -> String {
    let association = ground.associate(&plan(begins));
    assert!(association.extensions().ecn);
    ground.end(&association);
    "agreed".into()
}

fn the_peer_is_marked(ground: &mut Ground<'_>) -> String {
    marked(ground, false, &["tc qdisc add dev vec0 root netem loss 5% ecn"], &["tc qdisc del dev vec0 root"])
}

fn we_are_marked(ground: &mut Ground<'_>) -> String {
    let begin = [
        "ip link add ifb0 type ifb",
        "ip link set ifb0 up",
        "tc qdisc add dev vec0 ingress",
        "tc filter add dev vec0 parent ffff: matchall action mirred egress redirect dev ifb0",
        "tc qdisc add dev ifb0 root netem loss 5% ecn",
    ];
    marked(ground, true, &begin, &["tc qdisc del dev vec0 ingress", "ip link del ifb0"])
}

/// Data from us or from the peer while the peer's kernel does `begin`, and what the capture shows of it.
fn marked(ground: &mut Ground<'_>, from_us: bool, begin: &[&str], end: &[&str]) -> String {
    let mut plan = plan(Begins::We);
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    begin.iter().for_each(|line| drop(ground.peer.tell(&format!("run {line}"))));
    let job = Job::new(1000, 1400);
    let counts = if from_us {
        association.send(job);
        ground.peer.await_messages(job.count.into())
    } else {
        ground.peer.tell(&job.command());
        association.receive(job.count.into())
    };
    counts.assert_complete(job.count.into(), job.bytes());
    end.iter().for_each(|line| drop(ground.peer.tell(&format!("run {line}"))));
    ground.end(&association);
    let count = |chunk_type: u8| wire.count(&format!("sctp.chunk_type == {chunk_type}"));
    let (echoes, reductions) = (count(ECNE), count(CWR));
    assert!(echoes > 0 && reductions > 0, "{echoes} ECNE, {reductions} CWR");
    format!("complete and in order, {echoes} ECNE, {reductions} CWR")
}
