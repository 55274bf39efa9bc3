//! What a running stack tells of itself: to its own process ([`Stack::statistics`](crate::stack::Stack::statistics))
//! and, over a socket that only the same user and root may read, to the host's administrator.
//!
//! A stack that was built with [`StackBuilder::serve_statistics`](crate::stack::StackBuilder::serve_statistics)
//! has a UNIX socket with an abstract name. Who connects gets one JSON object a line ([`Line`]) and then the end;
//! nothing is ever read. Like a raw socket, an abstract name is seen in its network namespace only.

mod client;
mod report;
mod server;

pub use client::{Found, ReadError, Snapshot, running};
pub use report::{
    AssociationReport, Counters, EndpointReport, GeneralStatistics, PathReport, StackReport, Timing,
    UserReport,
};

pub(crate) use server::Server;

use serde::{Deserialize, Serialize};

/// What abstract names begin with; the process and a random number follow.
const NAME: &str = "sctp-stat/";

/// A line of what a statistics socket sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Line {
    /// The stack itself: the first line.
    Stack(Box<StackReport>),
    /// A socket that takes associations.
    Endpoint(EndpointReport),
    /// An association.
    Association(Box<AssociationReport>),
    /// A user of a service that shares the stack.
    User(UserReport),
}
