//! The cases, by feature.

mod asconf;
mod auth;
mod bulk;
mod interleaving;
mod paths;
mod reconfig;
mod restart;
mod setup;

use crate::ground::Ground;
use crate::peer::Stack;

/// Something that is done with a peer.
pub(crate) struct Case {
    /// What of SCTP it is about, with the RFC.
    pub(crate) feature: &'static str,
    /// What is seen, as a sentence.
    pub(crate) what: &'static str,
    /// Peers that cannot do it, and why.
    pub(crate) not_in: &'static [(Stack, &'static str)],
    /// Does it, and says what was measured. Panics if something is not as it should be.
    pub(crate) run: fn(&mut Ground<'_>) -> String,
}

impl Case {
    const fn new(feature: &'static str, what: &'static str, run: fn(&mut Ground<'_>) -> String) -> Self {
        Self { feature, what, not_in: &[], run }
    }
}

/// All cases, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let all = [
        setup::CASES,
        bulk::CASES,
        paths::CASES,
        restart::CASES,
        auth::CASES,
        asconf::CASES,
        reconfig::CASES,
        interleaving::CASES,
    ];
    all.into_iter().flatten()
}
