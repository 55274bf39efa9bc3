//! The cases, by feature.

mod acknowledgements;
mod asconf;
mod auth;
mod bulk;
mod checksum;
mod cookies;
mod ecn;
mod heartbeats;
mod interleaving;
mod mtu;
mod multipath;
mod partial;
mod paths;
mod reconfig;
mod restart;
mod setup;
mod unknown;

use crate::ground::{From, Ground};
use crate::peer::Stack;

/// Something that is done with a peer.
pub(crate) struct Case {
    /// What of SCTP it is about, with the RFC.
    pub(crate) feature: &'static str,
    /// What is seen, as a sentence.
    pub(crate) what: &'static str,
    /// Peers with which it is not done, and why: `peer: no; SOURCE OF THE FACT`, or `no: ...` where it is
    /// known to fail.
    pub(crate) not_done: &'static [(Stack, &'static str)],
    /// Does it, and says what was measured. Panics if something is not as it should be.
    pub(crate) run: fn(&mut Ground<'_>) -> String,
}

impl Case {
    const fn new(feature: &'static str, what: &'static str, run: fn(&mut Ground<'_>) -> String) -> Self {
        Self { feature, what, not_done: &[], run }
    }
}

/// All cases, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let all = [
        setup::CASES,
        cookies::CASES,
        unknown::CASES,
        bulk::CASES,
        acknowledgements::CASES,
        heartbeats::CASES,
        paths::CASES,
        multipath::CASES,
        restart::CASES,
        partial::CASES,
        auth::CASES,
        asconf::CASES,
        ecn::CASES,
        mtu::CASES,
        reconfig::CASES,
        interleaving::CASES,
        checksum::CASES,
    ];
    all.into_iter().flatten()
}
