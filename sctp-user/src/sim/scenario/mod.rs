//! Whole-protocol scenarios: two hosts with one or more paths between them, traffic both ways, faults,
//! and books that must balance in the end.
//!
//! A [`Scenario`] is data: hand-written in a test, or drawn from a seed ([`Scenario::random`]). It is
//! started into a [`Run`], which a test may also drive step by step; [`Run::finish`] demands:
//!
//! - after each step: data outstanding means a timer runs; nothing is delivered twice, damaged or out
//!   of order; buffers keep their bounds;
//! - in the end: every message was delivered exactly once, or its sender was told that it failed: because it might be
//!   given up, or because the association was lost, which no side's breach of the protocol is the reason for; nothing stalls
//!   (the virtual time is limited) and nothing turns in circles.

mod features;
mod keys;
mod ledger;
mod peer;
mod random;
mod reconfiguration;
mod run;
mod traffic;
mod witness;

pub use features::Features;
pub use keys::KeyChange;
pub use ledger::{Fault, Inbox, Outbox, Sent, balance};
pub use peer::{Behaviour, End, Ending, Move, Peer, PeerStats, Reader};
pub use reconfiguration::{ReconfigStats, Reconfiguration};
pub use run::{Failure, FailureKind, Report, Run};
pub use traffic::{PlannedMessage, Traffic};
pub use witness::WireStats;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use sctp_core::config::AssociationConfig;
use sctp_core::extensions::Extensions;
use sctp_core::reliability::Reliability;

use super::link::{CorruptedChecksum, LinkConfig};
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
    /// The layer below finds damage by itself, so that checksums may be left out (RFC 9653).
    pub finds_damage: bool,
}

/// A NAT that all of the client's packets go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatPlan {
    /// It forgets a mapping by which nothing went out for so long.
    pub timeout: Duration,
    /// When it forgets all of them.
    pub rebinds: Vec<Duration>,
    /// When it gets another address, too.
    pub moves: Vec<Duration>,
    /// The client has an interface on the second path, too, behind a NAT of its own, which keeps its address.
    pub second: bool,
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
    /// What the client is behind, if SCTP travels in UDP. It has one address there, and should not tell it.
    pub nat: Option<NatPlan>,
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
            nat: None,
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

    /// Both sides' extensions that are in use.
    pub fn extensions(&self) -> Extensions {
        let offered = |side: &SidePlan| {
            let offered = side.config.extensions;
            Extensions { zero_checksum: offered.zero_checksum && side.finds_damage, ..offered }
        };
        offered(&self.client).common(offered(&self.server))
    }

    /// Whether the lines change packets in ways that no checksum finds.
    pub fn has_forgers(&self) -> bool {
        let changed = self.faults.iter().filter_map(|(_, _, fault)| match fault {
            PathFault::Change(plan) => Some(&**plan),
            PathFault::Down(_) | PathFault::Up => None,
        });
        let links = self.paths.iter().chain(changed).flat_map(|path| [&path.to_server, &path.to_client]);
        links.into_iter().any(|link| link.corrupted_checksum == CorruptedChecksum::Fixed)
    }

    /// The addresses that the client has behind its NATs.
    pub fn inside_addresses(&self) -> Vec<IpAddr> {
        let inside = |net: u8| match self.ipv6 {
            true => Ipv6Addr::new(0xfd00, 0, 0, net.into(), 0, 0, 0, 1).into(),
            false => Ipv4Addr::new(192, 168, net, 1).into(),
        };
        let nats = self.nat.as_ref().map_or(0, |nat| 1 + u8::from(nat.second));
        (0..nats).map(inside).collect()
    }

    /// The NAT's address on the first path after so many moves.
    pub fn outside_address(&self, moves: usize) -> IpAddr {
        match (self.address(Side::Client, 0), moves as u8) {
            (address, 0) => address,
            (IpAddr::V4(_), moves) => Ipv4Addr::new(10, 0, 0, 10 + moves).into(),
            (IpAddr::V6(_), moves) => {
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10 + u16::from(moves)).into()
            }
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
    let at = Duration::ZERO;
    vec![PlannedMessage { at, stream_id: 0, unordered: false, len, reliability, pieces: 1 }; count]
}
