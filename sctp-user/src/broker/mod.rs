//! How the SCTP stacks of one host share its ports.
//!
//! Raw sockets know nothing of ports: two stacks could use the same one, and a packet to a port that
//! nobody uses reaches all stacks, none of which may answer. So the first stack of a network namespace
//! is its *broker*, on an abstract UNIX socket (abstract names have exactly the scope of raw sockets).
//!
//! | part | does |
//! |---|---|
//! | [`keeper`] | in each stack: a thread that holds the stack's leases, and elects a broker |
//! | [`server`] | in one stack of the namespace: the thread that is the broker |
//! | [`table`] | who has which ports |
//! | [`message`] | what keeper and broker say to each other |
//! | [`channel`] | the socket between them |
//!
//! A lease lasts as long as the connection, so a killed process loses its leases at once, and the
//! broker answers its peers with ABORT from then on. When the broker dies, the keepers see the end of
//! their connections, race for the name, and lease again. A broker is believed, and a stack is served,
//! only if the other side runs as root, as the same user, or as the user of `sctpd`.

use std::{net::IpAddr, ops::RangeInclusive};

use sctp_core::endpoint::bound::meet;

mod answer;
mod channel;
mod keeper;
mod message;
mod server;
mod table;

pub use channel::DAEMON_USER;

pub(crate) use answer::{Answer, answer};
pub(crate) use keeper::LeaseKeeper;

/// Ports of one of our addresses, of all of a family (its unspecified address), or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: Option<IpAddr>,
    pub(crate) ports: RangeInclusive<u16>,
}

impl Lease {
    /// Whether a packet could belong to both.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        let same_address = match (self.address, other.address) {
            (Some(ours), Some(theirs)) => meet(ours, theirs),
            _ => true,
        };
        same_address && self.ports.start() <= other.ports.end() && other.ports.start() <= self.ports.end()
    }
}
