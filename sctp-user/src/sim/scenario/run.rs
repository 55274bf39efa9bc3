//! A scenario on its way, and what comes out of it.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use sctp_core::config::EndpointConfig;
use sctp_core::endpoint::{ConnectRequest, Endpoint};
use sctp_core::event::LossReason;
use sctp_core::net::PathAddress;
use sctp_core::time::Time;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::features::Features;
use super::ledger::{Fault, balance};
use super::peer::{Behaviour, End, Peer, PeerStats};
use super::traffic::Traffic;
use super::witness::WireStats;
use super::{NatPlan, PathFault, Scenario, Side};
use crate::sim::endpoint_node::EndpointNode;
use crate::sim::link::LinkStats;
use crate::sim::network::{Network, Outcome};
use crate::sim::queue::Change;
use crate::sim::rng::SimRng;
use crate::sim::topology::{HostId, InterfaceId, LanId};
use crate::sim::translator::Translator;

/// A scenario that was started.
pub struct Run {
    scenario: Scenario,
    /// The network, for a test that wants to interfere.
    pub network: Network<EndpointNode<Peer>>,
    hosts: [HostId; 2],
    /// For each path the client's and the server's interface.
    pub interfaces: Vec<[InterfaceId; 2]>,
    traffic: [Arc<Traffic>; 2],
    wire: Rc<RefCell<WireStats>>,
    rng: SimRng,
    /// Incarnations of hosts that were replaced, in the order of their going.
    gone: Vec<(Side, EndpointNode<Peer>)>,
}

/// Labels of what is split from a scenario's seed; links use 0 and up in the network's own generator.
const TRAFFIC: u64 = 1 << 32;
const ENDPOINT: u64 = 2 << 32;

impl Run {
    pub(super) fn new(scenario: Scenario) -> Self {
        let rng = SimRng::new(scenario.seed);
        let traffic = Side::BOTH.map(|side| {
            let messages = scenario.side(side).messages.clone();
            Arc::new(Traffic::new(messages, &mut rng.split(TRAFFIC + side as u64)))
        });
        let mut network = Network::new(scenario.seed);
        let wire = Rc::new(RefCell::new(WireStats::default()));
        let witness = Rc::clone(&wire);
        let extensions = scenario.extensions();
        network.add_tap(Box::new(move |observation| witness.borrow_mut().watch(observation, extensions)));
        let hosts = Side::BOTH.map(|side| {
            let behaviour = scenario.side(side).behaviour.clone();
            let node = new_node(&scenario, side, behaviour, &traffic, rng.split(ENDPOINT + side as u64));
            network.add_host(if side == Side::Client { "client" } else { "server" }, node)
        });
        let interfaces = attach(&mut network, &scenario, hosts);
        let mut run = Self { scenario, network, hosts, interfaces, traffic, wire, rng, gone: Vec::new() };
        run.schedule_faults();
        run.schedule_moves();
        run
    }

    fn schedule_moves(&mut self) {
        for (moves, at) in self.scenario.nat.iter().flat_map(|nat| (1..).zip(&nat.moves)) {
            let address = self.scenario.outside_address(moves);
            self.network.schedule(Time::ZERO + *at, Change::Address(self.interfaces[0][0], address));
        }
    }

    fn schedule_faults(&mut self) {
        for (at, path, fault) in &self.scenario.faults {
            for side in Side::BOTH {
                let interface = self.interfaces[*path][side as usize];
                let change = match fault {
                    PathFault::Down(outage) => Change::Down(interface, *outage),
                    PathFault::Up => Change::Up(interface),
                    PathFault::Change(plan) if side == Side::Client => {
                        Change::Reconfigure(interface, plan.to_server.clone())
                    }
                    PathFault::Change(plan) => Change::Reconfigure(interface, plan.to_client.clone()),
                };
                self.network.schedule(Time::ZERO + *at, change);
            }
        }
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// A side's node.
    pub fn node(&self, side: Side) -> &EndpointNode<Peer> {
        self.network.node(self.hosts[side as usize])
    }

    /// A side's application.
    pub fn peer(&self, side: Side) -> &Peer {
        &self.node(side).application
    }

    /// The name of a side's host in the network.
    pub fn host(&self, side: Side) -> HostId {
        self.hosts[side as usize]
    }

    /// Runs until this virtual time.
    ///
    /// # Errors
    /// What went wrong before.
    pub fn run_until(&mut self, at: Duration) -> Result<(), Box<Failure>> {
        let outcome = self.network.run_until(Time::ZERO + at, |_| false);
        match outcome {
            Outcome::TimeLimit | Outcome::Idle => Ok(()),
            other => Err(self.failure(FailureKind::Network(other))),
        }
    }

    /// Replaces a host by one that knows nothing, as after a crash, and that behaves in this way. What
    /// the old one received counts in the balance.
    pub fn restart_with(&mut self, side: Side, behaviour: Behaviour) {
        let rng = self.rng.split(ENDPOINT + 2 + self.gone.len() as u64);
        let fresh = new_node(&self.scenario, side, behaviour, &self.traffic, rng);
        let old = self.network.with_node(self.host(side), |node, _| core::mem::replace(node, fresh));
        self.gone.push((side, old));
    }

    fn is_settled(network: &Network<EndpointNode<Peer>>, hosts: [HostId; 2]) -> bool {
        let nodes = hosts.map(|host| network.node(host));
        // Once a side has ended, the other one has to find out.
        let ends = nodes.iter().any(|node| node.application.end.is_some());
        nodes.iter().all(|node| node.application.is_settled(&node.endpoint, ends))
    }

    /// Runs to the end and balances the books.
    ///
    /// # Errors
    /// What went wrong.
    pub fn finish(&mut self) -> Result<Report, Box<Failure>> {
        let hosts = self.hosts;
        let limit = Time::ZERO + self.scenario.time_limit;
        match self.network.run_until(limit, |network| Self::is_settled(network, hosts)) {
            Outcome::Done => {}
            Outcome::TimeLimit | Outcome::Idle => return Err(self.failure(FailureKind::Stalled)),
            other => return Err(self.failure(FailureKind::Network(other))),
        }
        for side in Side::BOTH {
            self.balance(side).map_err(|fault| self.failure(FailureKind::Books { sender: side, fault }))?;
        }
        if let Some(kind) = self.accusation().filter(|_| !self.scenario.has_forgers()) {
            return Err(self.failure(kind));
        }
        match *self.wire.borrow() {
            WireStats { malformed: packets @ 1.., .. } => {
                Err(self.failure(FailureKind::Malformed { packets }))
            }
            WireStats { out_of_place: packets @ 1.., .. } => {
                Err(self.failure(FailureKind::OutOfPlace { packets }))
            }
            WireStats { ecn_echoes: 1.., .. } if self.network.total_stats().marked == 0 => {
                Err(self.failure(FailureKind::EchoOfNothing))
            }
            _ => Ok(self.report()),
        }
    }

    /// A side that says that the other one broke the protocol: one of them is wrong, if all packets are theirs. Whoever
    /// has given up waiting for the end of SHUTDOWN tells the peer by such an ABORT, too (T5-shutdown-guard; RFC 9260, 9.2).
    fn accusation(&self) -> Option<FailureKind> {
        let timed_out = Some(End::Lost(LossReason::TimedOut));
        if Side::BOTH.iter().any(|side| self.peer(*side).end == timed_out) {
            return None;
        }
        Side::BOTH.into_iter().find_map(|by| {
            let cause = self.peer(by).end.as_ref()?.accusation()?;
            Some(FailureKind::Accused { by, cause })
        })
    }

    /// Balances what this side sent in its present life. What it sent before a restart of its own has
    /// no sender any more who could report it.
    fn balance(&self, sender: Side) -> Result<(), Fault> {
        let peer = self.peer(sender);
        let receiver = sender.other();
        if self.gone.iter().any(|(side, _)| *side == sender) {
            return Ok(());
        }
        let gone = self.gone.iter().filter(|(side, _)| *side == receiver);
        let mut inboxes: Vec<_> = gone.map(|(_, node)| &node.application.inbox).collect();
        inboxes.push(&self.peer(receiver).inbox);
        balance(&peer.outbox, &inboxes, peer.may_have_failures())
    }

    /// What happened so far.
    pub fn report(&self) -> Report {
        let mut report = Report {
            runs: 1,
            features: Features::of(&self.scenario),
            links: self.network.total_stats(),
            wire: *self.wire.borrow(),
            events: self.network.events(),
            virtual_time: self.network.now().since(Time::ZERO),
            ..Report::default()
        };
        for node in Side::BOTH.map(|side| self.node(side)) {
            let peer = &node.application;
            report.peers += peer.stats(&node.endpoint);
            report.messages_sent += peer.outbox.taken_count() as u64;
            report.messages_failed += peer.outbox.failed_count() as u64;
            report.messages_delivered += peer.inbox.count() as u64;
            report.associations_lost += u64::from(matches!(peer.end, Some(End::Lost(_))));
            report.rebindings += node.translators.iter().map(Translator::rebound).sum::<u64>();
        }
        report
    }

    fn failure(&self, kind: FailureKind) -> Box<Failure> {
        let state = Side::BOTH.map(|side| describe(side, self.node(side))).concat();
        Box::new(Failure { seed: self.scenario.seed, at: self.network.now(), kind, state })
    }
}

fn new_node(
    scenario: &Scenario,
    side: Side,
    behaviour: Behaviour,
    traffic: &[Arc<Traffic>; 2],
    mut rng: SimRng,
) -> EndpointNode<Peer> {
    let udp_port = scenario.udp_port.unwrap_or(0);
    let addresses = |side| (0..scenario.paths.len()).map(move |path| scenario.address(side, path));
    let nat = scenario.nat.as_ref().filter(|_| side == Side::Client);
    let local_addresses = match nat {
        Some(_) => scenario.inside_addresses(),
        None => addresses(side).collect(),
    };
    let config = EndpointConfig {
        local_addresses,
        default_remote_udp_port: udp_port,
        alternate_error_detection: scenario.side(side).finds_damage,
        ..EndpointConfig::default()
    };
    let to = |remote| PathAddress { remote_udp_port: udp_port, ..PathAddress::to(remote) };
    let request = ConnectRequest {
        local_port: Scenario::PORT,
        local_addresses: Vec::new(),
        peers: addresses(side.other()).take(1).map(to).collect(),
        peer_port: Scenario::PORT,
        config: scenario.side(side).config.clone(),
    };
    let mut endpoint = Endpoint::new(config, rng.seed_bytes());
    let [sends, expects] = [side, side.other()].map(|side| Arc::clone(&traffic[side as usize]));
    let peer = Peer::new(behaviour, request, sends, expects);
    peer.listen(&mut endpoint).expect("a fresh endpoint has no listener yet");
    let mut node = EndpointNode::new(endpoint, peer, scenario.udp_port);
    node.translators = nat.map_or_else(Vec::new, |nat| translators(scenario, nat));
    node
}

/// The NATs of the client: both forget their mappings at the same times, and the first one gets other addresses.
fn translators(scenario: &Scenario, nat: &NatPlan) -> Vec<Translator> {
    let one = |(path, inside): (usize, IpAddr)| {
        let moves = (1..).zip(&nat.moves).map(|(moves, at)| (at, Some(scenario.outside_address(moves))));
        let rebinds = nat.rebinds.iter().map(|at| (at, None)).chain(moves.filter(|_| path == 0));
        let rebinds = rebinds.map(|(at, to)| (Time::ZERO + *at, to)).collect();
        Translator::new(scenario.address(Side::Client, path), nat.timeout).of(inside).rebinding(rebinds)
    };
    scenario.inside_addresses().into_iter().enumerate().map(one).collect()
}

fn attach(
    network: &mut Network<EndpointNode<Peer>>,
    scenario: &Scenario,
    hosts: [HostId; 2],
) -> Vec<[InterfaceId; 2]> {
    let attach_path = |(index, path): (usize, &super::PathPlan)| {
        let lan = LanId(index as u32);
        let [client, server] = hosts;
        [
            network.attach(client, lan, scenario.address(Side::Client, index), path.to_server.clone()),
            network.attach(server, lan, scenario.address(Side::Server, index), path.to_client.clone()),
        ]
    };
    scenario.paths.iter().enumerate().map(attach_path).collect()
}

fn describe(side: Side, node: &EndpointNode<Peer>) -> String {
    let peer = &node.application;
    let association = peer.association.and_then(|id| node.endpoint.association(id));
    let state = association.map(|association| association.state());
    let mut text = format!(
        "{side:?}: {state:?}, end {:?}, {} sent, {} failed, {} received, next deadline {:?}\n",
        peer.end,
        peer.outbox.taken_count(),
        peer.outbox.failed_count(),
        peer.inbox.count(),
        node.endpoint.poll_timeout(),
    );
    for path in association.iter().flat_map(|association| association.paths().iter()) {
        text += &format!(
            "  {}: {:?}, {} errors, {} in flight of {}, packets of {} ({:?}), RTO {:?}, T3 {:?}\n",
            path.address.remote,
            path.state,
            path.error_count,
            path.flight_size,
            path.congestion.cwnd(),
            path.max_packet_size,
            path.mtu.state(),
            path.rto(),
            path.t3_rtx,
        );
    }
    text
}

/// Sums over one run, or many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Runs.
    pub runs: u64,
    /// Messages that endpoints took.
    pub messages_sent: u64,
    /// Messages that were delivered.
    pub messages_delivered: u64,
    /// Messages that were reported as failed.
    pub messages_failed: u64,
    /// Associations that were lost, counted on each side.
    pub associations_lost: u64,
    /// How often a NAT gave the client another port.
    pub rebindings: u64,
    /// In how many runs which feature was in use.
    pub features: Features,
    /// What the endpoints counted.
    pub peers: PeerStats,
    /// What the links did.
    pub links: LinkStats,
    /// What was seen on the wire.
    pub wire: WireStats,
    /// Events of the simulator.
    pub events: u64,
    /// Virtual time.
    pub virtual_time: Duration,
}

impl core::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.messages_sent += other.messages_sent;
        self.messages_delivered += other.messages_delivered;
        self.messages_failed += other.messages_failed;
        self.associations_lost += other.associations_lost;
        self.rebindings += other.rebindings;
        self.features += other.features;
        self.peers += other.peers;
        self.links += other.links;
        self.wire += other.wire;
        self.events += other.events;
        self.virtual_time += other.virtual_time;
    }
}

/// A run that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Seed of the scenario.
    pub seed: u64,
    /// When, in virtual time.
    pub at: Time,
    /// What.
    pub kind: FailureKind,
    /// Both sides at that moment, in words.
    pub state: String,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The time limit came, or nothing was left to happen, before both sides were done.
    Stalled,
    /// A live-lock, or a broken invariant.
    Network(Outcome),
    /// The books do not balance.
    Books {
        /// Whose messages they are about.
        sender: Side,
        /// What does not balance.
        fault: Fault,
    },
    /// An association was lost because one side says that the other one broke the protocol.
    Accused {
        /// The side that says so, or was told by ABORT.
        by: Side,
        /// The cause code (RFC 9260, 3.3.10).
        cause: u16,
    },
    /// Packets were sent that our own parser refuses.
    Malformed {
        /// How many.
        packets: u64,
    },
    /// Packets were sent that only an extension explains that is not in use.
    OutOfPlace {
        /// How many.
        packets: u64,
    },
    /// Congestion was echoed that no router has marked.
    EchoOfNothing,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} at {:?}: ", self.seed, self.at)?;
        match &self.kind {
            FailureKind::Stalled => write!(f, "stalled")?,
            FailureKind::Network(Outcome::Broken { what, .. }) => write!(f, "{what}")?,
            FailureKind::Network(outcome) => write!(f, "{outcome:?}")?,
            FailureKind::Books { sender, fault } => write!(f, "of the {sender:?}'s messages: {fault}")?,
            FailureKind::Accused { by, cause } => {
                write!(f, "the {by:?}'s association was lost by a breach of the protocol, cause {cause}")?;
            }
            FailureKind::Malformed { packets } => write!(f, "{packets} malformed packets were sent")?,
            FailureKind::OutOfPlace { packets } => {
                write!(f, "{packets} packets of an extension that is not in use were sent")?;
            }
            FailureKind::EchoOfNothing => write!(f, "congestion was echoed that nobody marked")?,
        }
        write!(f, "\n{}", self.state)
    }
}

impl core::error::Error for Failure {}
