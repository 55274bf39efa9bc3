//! Packets without a checksum.

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::Job;
use crate::wire::Wire;

const ZERO: &str = "Zero checksum (RFC 9653)";

/// Neither peer has it: Linux has no such option (include/uapi/linux/sctp.h of 6.1), usrsctp got it after this release. On
/// raw IP nobody may use it anyway; so the offer is what can be tested, and that nothing follows from it.
pub(super) const CASES: &[Case] = &[
    Case::new(ZERO, "we offer it, the peer has none: each packet has its checksum, we connect", |ground| {
        offered(ground, Begins::We)
    }),
    Case::new(ZERO, "the same, the peer connects", |ground| offered(ground, Begins::Peer)),
];

/// Of the parameter Zero Checksum Acceptable.
const ACCEPTABLE: u16 = 0x8001;

fn offered(ground: &mut Ground<'_>, begins: Begins) -> String {
    let mut plan = Plan::new(begins).config(|config| config.extensions.zero_checksum = true);
    plan.detects_errors = true;
    let wire = Wire::record(&mut plan);
    let association = ground.associate(&plan);
    assert!(!association.extensions().zero_checksum);
    ground.converse(&association, Job::new(100, 3000));
    ground.end(&association);
    let (ours, theirs) = (ground.our_port(), ground.peer_port());
    let offers =
        |port| wire.count(&format!("sctp.srcport == {port} and sctp.parameter_type == {ACCEPTABLE}"));
    assert_eq!((offers(ours) > 0, offers(theirs)), (true, 0));
    assert_eq!(wire.count("sctp.checksum == 0 or sctp.checksum.status != 1"), 0);
    "100 messages each way (peer: no; its headers have no option for it)".into()
}
