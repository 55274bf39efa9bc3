//! Packets that are marked instead of lost.

use super::{Case, From};
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::wire::Wire;

const ECN: &str = "Explicit congestion notification (RFC 4960, Appendix A)";
const ECNE: u8 = 12;
const CWR: u8 = 13;

pub(super) const CASES: &[Case] = &[
    Case::new(ECN, "both sides agree on it, we connect", |ground| agree(ground, Begins::We)),
    Case::new(ECN, "both sides agree on it, the peer connects", |ground| agree(ground, Begins::Peer)),
    Case::new(ECN, "5 % of all packets marked, we send: the peer echoes, we reduce our window", |ground| {
        marked(ground, From::Us)
    }),
    Case::new(ECN, "5 % of all packets marked, the peer sends: we echo, it reduces its window", |ground| {
        marked(ground, From::Peer)
    }),
    Case::new(ECN, "we offer it, the peer does not", without),
    Case::new(ECN, "the peer offers it, we do not", |ground| {
        not_agreed(ground, &plan(Begins::Peer).config(|config| config.extensions.ecn = false))
    }),
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

fn without(ground: &mut Ground<'_>) -> String {
    not_agreed(ground, &plan(Begins::We).peer("set ecn 0"))
}

/// Nothing is marked as capable of it (RFC 4960, Appendix A: only once both sides have agreed), so no router marks it.
fn not_agreed(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let mut plan = plan.clone();
    plan.marks = 100;
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    assert!(!association.extensions().ecn);
    ground.converse(&association, Job::new(100, 1400));
    ground.end(&association);
    let ours = ground.our_port();
    assert_eq!(wire.count(&format!("ip.dsfield.ecn != 0 and sctp.srcport == {ours}")), 0);
    "not agreed, no packet is ECN-capable, 100 messages each way".into()
}

/// A stretch of the network next to us marks packets of both directions.
fn marked(ground: &mut Ground<'_>, from: From) -> String {
    let mut plan = plan(Begins::We);
    plan.marks = 5;
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    assert!(association.extensions().ecn);
    let job = Job::new(1000, 1400);
    let (sender, receiver) = match from {
        From::Us => (ground.our_port(), ground.peer_port()),
        From::Peer => (ground.peer_port(), ground.our_port()),
    };
    match from {
        From::Us => ground.send(&association, job),
        From::Peer => ground.receive(&association, job),
    };
    ground.end(&association);
    let (echoes, reductions) = (wire.count_chunks(receiver, ECNE), wire.count_chunks(sender, CWR));
    let sent = |ecn| wire.count(&format!("ip.dsfield.ecn == {ecn} and sctp.srcport == {sender}"));
    assert!(
        echoes > 0 && reductions > 0,
        "{echoes} ECNE, {reductions} CWR; {} packets are capable of ECN, {} marked",
        sent(2),
        sent(3)
    );
    format!("complete and in order, {echoes} ECNE, {reductions} CWR")
}
