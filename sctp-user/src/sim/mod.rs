//! A simulated network under virtual time, and whole-protocol runs on it.
//!
//! The protocol cores read no clock and open no socket, so a test can be their clock and their
//! network: a [`Network`] owns [`Node`]s, wakes each one when a datagram arrives or its deadline
//! comes, and carries what it sends over [`Link`]s that delay, lose, double, reorder and damage it.
//! Between two events no time passes: hours of protocol take milliseconds.
//!
//! ```text
//!   host A                LAN 1                 host B
//!   node ──┬─ interface ══ link ═══════▶ interface ─┬── node
//!          │  interface ◀═══════ link ══ interface  │         one link for each direction
//!          └─ interface ══ link ═══════▶ interface ─┘
//!                         LAN 2                               several networks: several paths
//! ```
//!
//! Everything random follows from one seed; the generator of each link is split from it, so that a
//! change on one link leaves the accidents of the others as they were. A run ends with a typed
//! [`Outcome`]; live-locks end it too, instead of hanging the test.
//!
//! The network knows nothing of SCTP: RSerPool's machines run on it as well. [`EndpointNode`] puts an
//! SCTP endpoint with its [`Application`] on it, [`scenario`] makes whole-protocol tests of two of them, [`flows`]
//! lets several share a bottleneck.

mod datagram;
mod endpoint_node;
mod link;
mod network;
mod node;
mod queue;
mod rng;
mod tap;
mod topology;
mod trace;
mod translator;

pub mod flows;
pub mod lab;
pub mod scenario;

pub use datagram::{Datagram, Protocol, Unreachable, UnreachableReason};
pub use endpoint_node::{Application, EndpointNode};
pub use link::{Arrivals, CorruptedChecksum, DropReason, Link, LinkConfig, LinkStats, Loss, fix_checksum};
pub use network::{Limits, Network, Outcome};
pub use node::Node;
pub use queue::Change;
pub use rng::SimRng;
pub use tap::{Fate, Observation, Tap};
pub use topology::{HostId, InterfaceId, LanId, Outage};
pub use trace::{SimCapture, trace};
pub use translator::Translator;
