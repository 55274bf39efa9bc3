//! A scenario as it was read. Names are resolved: nodes and networks are indices.

use core::net::IpAddr;
use core::time::Duration;
use sctp_core::path::PathState;

use crate::sim::link::LinkConfig;

/// A scenario.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// What it shows.
    pub title: String,
    /// What its accidents follow from.
    pub seed: u64,
    pub(super) networks: Vec<NetworkPlan>,
    pub(super) nodes: Vec<NodePlan>,
    pub(super) routes: Vec<Route>,
    pub(super) listens: Vec<(usize, u16)>,
    pub(super) steps: Vec<Step>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) end: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct NetworkPlan {
    pub(super) name: String,
    pub(super) link: LinkConfig,
}

/// A node and its addresses.
#[derive(Clone, Debug)]
pub(super) struct NodePlan {
    pub(super) name: String,
    pub(super) kind: NodeKind,
    pub(super) attachments: Vec<Attachment>,
}

/// An address in a network, and the way from there into the network.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub(super) address: IpAddr,
    pub(super) network: usize,
    pub(super) link: LinkConfig,
}

impl Attachment {
    /// Whether one can send to the other without a router.
    pub(super) fn meets(&self, other: &Self) -> bool {
        (self.network, self.address.is_ipv4()) == (other.network, other.address.is_ipv4())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum NodeKind {
    Host(HostOptions),
    Router,
    /// The first attachment is inside, the second outside.
    Nat {
        timeout: Duration,
    },
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HostOptions {
    pub(super) udp_port: Option<u16>,
    pub(super) fast: bool,
    pub(super) heartbeat: Option<Duration>,
    pub(super) streams: Option<u16>,
    /// Addresses may change.
    pub(super) dynamic: bool,
    /// Addresses are kept out of packets.
    pub(super) hidden: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) node: usize,
    pub(super) network: Option<usize>,
    pub(super) via: usize,
}

/// Something that is done at some time.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) at: Duration,
    /// As it was written, for the timeline.
    pub(super) text: String,
    pub(super) action: Action,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Connect {
        host: usize,
        to: usize,
        port: u16,
        from: Option<u16>,
    },
    Send {
        host: usize,
        order: Order,
    },
    Shutdown(usize),
    Abort(usize),
    Restart(usize),
    Primary(usize, IpAddr),
    /// Of one node, or of all, in a network.
    Down(Option<usize>, usize),
    Up(Option<usize>, usize),
    Link {
        node: Option<usize>,
        network: usize,
        settings: Vec<Setting>,
    },
    /// A NAT, and its new address outside, if it gets one.
    Rebind(usize, Option<IpAddr>),
    Route(Route),
}

/// Messages that an application sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) count: u32,
    pub(super) size: usize,
    pub(super) every: Duration,
    pub(super) stream_id: u16,
    pub(super) unordered: bool,
}

/// One change of a link.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    Delay(Duration),
    Jitter(Duration),
    Rate(u64),
    Queue(usize),
    Mtu(usize),
    Silent,
    Loss(f64),
    Bursts(Duration, Duration),
    Duplicate(f64),
    Reorder(f64),
    Corrupt(f64),
}

/// What is expected of a host.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) host: usize,
    pub(super) what: Expected,
    /// By then, or then; without it at the end.
    pub(super) when: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    Delivered(usize),
    Up,
    Ended,
    Lost,
    NotLost,
    Restarted,
    GapBelow(Duration),
    AgainAtMost(u64),
    AgainAtLeast(u64),
    Primary(IpAddr),
    Path(IpAddr, PathState),
    PathSends(IpAddr),
}

impl Expected {
    /// Whether it is about the state at a time, and not about what has happened until then.
    pub(super) fn is_state(self) -> bool {
        matches!(self, Self::Primary(_) | Self::Path(..))
    }

    /// Which word may name a time; none if it is about the whole run.
    pub(super) fn preposition(self) -> Option<&'static str> {
        match self {
            Self::GapBelow(_) | Self::AgainAtMost(_) | Self::AgainAtLeast(_) | Self::PathSends(_) => None,
            _ if self.is_state() => Some("at"),
            _ => Some("by"),
        }
    }
}

impl Setting {
    pub(super) fn apply(self, link: &mut LinkConfig) {
        use crate::sim::link::Loss;
        match self {
            Self::Delay(delay) => link.delay = delay,
            Self::Jitter(jitter) => link.jitter = jitter,
            Self::Rate(rate) => link.rate = Some(rate),
            Self::Queue(bytes) => link.queue_bytes = bytes,
            Self::Mtu(mtu) => link.mtu = mtu,
            Self::Silent => link.reports_too_big = false,
            Self::Loss(probability) => link.loss = Loss::Random(probability),
            Self::Bursts(good_for, bad_for) => {
                link.loss = Loss::Bursts { good_for, bad_for, good: 0.0, bad: 1.0 };
            }
            Self::Duplicate(probability) => link.duplication = probability,
            Self::Reorder(probability) => link.reordering = probability,
            Self::Corrupt(probability) => link.corruption = probability,
        }
    }
}
