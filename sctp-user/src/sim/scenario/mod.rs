//! Whole-protocol scenarios: two hosts with one or more paths between them, traffic both ways, faults,
//! and books that must balance in the end.
//!
//! A [`Scenario`] is data: hand-written in a test, or drawn from a seed ([`Scenario::random`]). It is
//! started into a [`Run`], which a test may also drive step by step; [`Run::finish`] demands:
//!
//! - after each step: data outstanding means a timer runs; nothing is delivered twice, damaged or out
//!   of order; buffers keep their bounds;
//! - in the end: every message was delivered exactly once, or its sender was told that it failed: because it might be
//!   given up, or because the association was lost; nothing stalls (the virtual time is limited) and nothing turns in circles.

mod ledger;
mod peer;
mod random;
mod reconfiguration;
mod run;
mod traffic;
mod witness;

pub use ledger::{Fault, Inbox, Outbox, Sent, balance};
pub use peer::{Behaviour, End, Ending, Move, Peer, PeerStats, Reader};
pub use reconfiguration::{ReconfigStats, Reconfiguration};
pub use run::{Failure, FailureKind, Report, Run};
pub use traffic::{PlannedMessage, Traffic};
pub use witness::WireStats;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use sctp_core::config::AssociationConfig;
use sctp_core::reliability::Reliability;

use super::link::LinkConfig;
use super::topology::Outage;

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Host 0; connects, unless told otherwise.
    Client,
    /// Host 1.
    Server,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What one side has and does.
#[derive(Clone, Debug, Default)]
pub struct SidePlan {
    /// Protocol parameters.
    pub config: AssociationConfig,
    /// What it sends.
    pub messages: Vec<PlannedMessage>,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// A path between the two hosts: a network of its own, with a link each way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathPlan {
    /// From the client to the server.
    pub to_server: LinkConfig,
    /// From the server to the client.
    pub to_client: LinkConfig,
}

impl PathPlan {
    /// A path that is the same both ways.
    pub fn symmetric(link: LinkConfig) -> Self {
        Self { to_server: link.clone(), to_client: link }
    }

    /// Sets the MTU both ways, and whether senders are told of packets that exceed it.
    pub fn set_mtu(&mut self, mtu: usize, reports_too_big: bool) {
        for link in [&mut self.to_server, &mut self.to_client] {
            (link.mtu, link.reports_too_big) = (mtu, reports_too_big);
        }
    }
}

/// Something that happens to a path.
#[derive(Clone, Debug, PartialEq)]
pub enum PathFault {
    /// It goes down, both ways.
    Down(Outage),
    /// It comes back.
    Up,
    /// Its links change.
    Change(Box<PathPlan>),
}

/// A whole scenario. `Default`: one clean path over IPv4, default parameters, nothing to send, the
/// client connects at once and shuts down when all is done.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Fixes all accidents and all that the endpoints draw.
    pub seed: u64,
    /// Addresses are IPv6.
    pub ipv6: bool,
    /// UDP port of both hosts, if SCTP travels in UDP (RFC 6951).
    pub udp_port: Option<u16>,
    /// The paths; the first one is where the client begins.
    pub paths: Vec<PathPlan>,
    /// The client.
    pub client: SidePlan,
    /// The server.
    pub server: SidePlan,
    /// Faults: when, which path, what.
    pub faults: Vec<(Duration, usize, PathFault)>,
    /// Virtual time after which the run counts as stalled.
    pub time_limit: Duration,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            ipv6: false,
            udp_port: None,
            paths: vec![PathPlan::default()],
            client: SidePlan {
                behaviour: Behaviour {
                    connect_at: Some(Duration::ZERO),
                    ending: Ending::Shutdown,
                    ..Behaviour::default()
                },
                ..SidePlan::default()
            },
            server: SidePlan::default(),
            faults: Vec::new(),
            time_limit: Duration::from_secs(2 * 3_600),
        }
    }
}

impl Scenario {
    /// Port of both sides.
    pub const PORT: u16 = 7;

    /// Starts it.
    pub fn start(self) -> Run {
        Run::new(self)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// What went wrong, with the seed.
    pub fn run(self) -> Result<Report, Box<Failure>> {
        self.start().finish()
    }

    /// The plan of a side.
    pub fn side(&self, side: Side) -> &SidePlan {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The address of a side on a path.
    pub fn address(&self, side: Side, path: usize) -> IpAddr {
        let host = 1 + side as u8;
        let net = path as u8;
        if self.ipv6 {
            Ipv6Addr::new(0x2001, 0xdb8, u16::from(net), 0, 0, 0, 0, u16::from(host)).into()
        } else {
            Ipv4Addr::new(10, 0, net, host).into()
        }
    }
}

/// `count` messages of `len` bytes on one stream, all at once and in order.
pub fn bulk(count: usize, len: usize) -> Vec<PlannedMessage> {
    let reliability = Reliability::Full;
    vec![PlannedMessage { at: Duration::ZERO, stream_id: 0, unordered: false, len, reliability }; count]
}
