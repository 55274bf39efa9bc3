//! Runs a scenario, and says what came of it.

use core::time::Duration;
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions};
use sctp_core::extensions::Extensions;
use sctp_core::net::PathAddress;
use sctp_core::path::Path;
use sctp_core::time::Time;

use super::application::{Facts, LabApplication, retransmitted};
use super::node::{LabNode, Nat, Router};
use super::script::{
    Action, Attachment, Expectation, Expected, HostOptions, NodeKind, NodePlan, Route, Script, Setting,
};
use crate::sim::endpoint_node::EndpointNode;
use crate::sim::link::LinkConfig;
use crate::sim::network::{Network, Outcome};
use crate::sim::rng::SimRng;
use crate::sim::tap::Tap;
use crate::sim::topology::{HostId, InterfaceId, LanId, Outage};

/// The first port of hosts that connect without naming one.
const FIRST_PORT: u16 = 40_000;
/// Labels of what is split from a scenario's seed; links use 0 and up in the network's own generator.
const ENDPOINT: u64 = 2 << 32;

/// A scenario on its way.
pub struct Lab {
    script: Script,
    network: Network<LabNode>,
    hosts: Vec<HostId>,
    /// For each node's attachments the interface, with its link as it is now.
    interfaces: Vec<Vec<(InterfaceId, LinkConfig)>>,
    rng: SimRng,
    ports: u16,
    lives: u64,
    timeline: Vec<(Time, String)>,
    failures: Vec<String>,
    /// What former lives of each host wrote down.
    past: Vec<Vec<Facts>>,
}

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What happened, line by line.
    pub timeline: Vec<String>,
    /// What was expected and did not come true; none: all is well.
    pub failures: Vec<String>,
}

impl Lab {
    /// Builds the network of a scenario.
    pub fn new(script: Script) -> Self {
        let rng = SimRng::new(script.seed);
        let mut lab = Self {
            network: Network::new(script.seed),
            hosts: Vec::new(),
            interfaces: Vec::new(),
            ports: FIRST_PORT,
            lives: 0,
            timeline: Vec::new(),
            failures: Vec::new(),
            past: script.nodes.iter().map(|_| Vec::new()).collect(),
            rng: rng.split(ENDPOINT),
            script,
        };
        for index in 0..lab.script.nodes.len() {
            let node = lab.make_node(index);
            let plan = &lab.script.nodes[index];
            let host = lab.network.add_host(&plan.name, node);
            let attach = |own: &Attachment| {
                let lan = LanId(own.network as u32);
                (lab.network.attach(host, lan, own.address, own.link.clone()), own.link.clone())
            };
            lab.interfaces.push(plan.attachments.iter().map(attach).collect());
            lab.hosts.push(host);
        }
        for route in lab.script.routes.clone() {
            lab.set_route(route);
        }
        lab
    }

    /// Shows all datagrams to `tap`.
    pub fn add_tap(&mut self, tap: Tap) {
        self.network.add_tap(tap);
    }

    /// Runs the scenario to its end.
    pub fn run(mut self) -> Report {
        let steps = core::mem::take(&mut self.script.steps);
        let expectations = core::mem::take(&mut self.script.expectations);
        let mut stops: Vec<Stop<'_>> = steps.iter().map(|step| (step.at, 0, Some(step), None)).collect();
        // The state at a time is looked at before what is done then.
        stops.extend(expectations.iter().map(|expectation| {
            let at = expectation.when.filter(|_| expectation.what.is_state());
            (at.unwrap_or(self.script.end), if at.is_some() { -1 } else { 1 }, None, Some(expectation))
        }));
        stops.sort_by_key(|(at, order, ..)| (*at, *order));
        for (at, _, step, expectation) in stops {
            if !self.run_until(at.min(self.script.end)) {
                return self.report();
            }
            if let Some(step) = step {
                self.timeline.push((self.network.now(), step.text.clone()));
                self.act(&step.action);
            }
            if let Some(expectation) = expectation {
                self.check(expectation);
            }
        }
        self.run_until(self.script.end);
        self.report()
    }

    /// False if the run broke before.
    fn run_until(&mut self, at: Duration) -> bool {
        match self.network.run_until(Time::ZERO + at, |_| false) {
            Outcome::TimeLimit | Outcome::Done => true,
            Outcome::Idle => {
                self.network.pass_to(Time::ZERO + at);
                true
            }
            outcome => {
                let why = self.explain(outcome);
                self.failures.push(format!("the run broke at {:?}: {why}", self.network.now()));
                false
            }
        }
    }

    fn explain(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Broken { host, what } => format!("{}: {what}", self.network.name(host)),
            Outcome::LiveLock { host } => format!("{} has always something to do", self.network.name(host)),
            Outcome::EventLimit => format!("it is too long: {} events", self.network.events()),
            other => format!("{other:?}"),
        }
    }

    fn report(mut self) -> Report {
        for index in 0..self.hosts.len() {
            let name = self.script.nodes[index].name.clone();
            let news: Vec<_> = self.lives_of(index).flat_map(|facts| facts.news.clone()).collect();
            self.timeline.extend(news.into_iter().map(|(at, text)| (at, format!("{name}: {text}"))));
            let delivered: usize = self.lives_of(index).map(|facts| facts.delivered.len()).sum();
            if let Some(last) = self.lives_of(index).filter_map(|facts| facts.delivered.last()).max().copied()
            {
                self.timeline.push((last, format!("{name}: the last of {delivered} messages was delivered")));
            }
        }
        self.timeline.sort_by_key(|(at, _)| *at);
        let line =
            |(at, text): &(Time, String)| format!("{:10.3} s  {text}", at.since(Time::ZERO).as_secs_f64());
        Report { timeline: self.timeline.iter().map(line).collect(), failures: self.failures }
    }

    fn make_node(&mut self, index: usize) -> LabNode {
        let plan = &self.script.nodes[index];
        let addresses = plan.attachments.iter().map(|own| own.address);
        match plan.kind {
            NodeKind::Router => LabNode::Router(Router::new(addresses.collect())),
            NodeKind::Nat { timeout } => {
                LabNode::Nat(Nat::new(plan.attachments[0].address, plan.attachments[1].address, timeout))
            }
            NodeKind::Host(options) => self.make_host(index, options),
        }
    }

    fn make_host(&mut self, index: usize, options: HostOptions) -> LabNode {
        let plan = &self.script.nodes[index];
        let config = EndpointConfig {
            local_addresses: plan.attachments.iter().map(|own| own.address).collect(),
            default_remote_udp_port: options.udp_port.unwrap_or(0),
            ..EndpointConfig::default()
        };
        self.lives += 1;
        let mut endpoint = Endpoint::new(config, self.rng.split(self.lives).seed_bytes());
        for (host, port) in &self.script.listens {
            if *host == index {
                let config = association_config(plan, &options);
                let listens = endpoint.listen(*port, ListenOptions { config, ..ListenOptions::default() });
                listens.expect("the parser lets each port be listened on once");
            }
        }
        let node = EndpointNode::new(endpoint, LabApplication::default(), options.udp_port);
        LabNode::Host(Box::new(node))
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Connect { host, to, port, from } => self.connect(*host, *to, *port, *from),
            Action::Send { host, order } => self.with_host(*host, |node, now| {
                node.application.order(now, *order);
                node.application.send(now, &mut node.endpoint);
            }),
            Action::Shutdown(host) => self.command(*host, |node, now, id| node.endpoint.shutdown(now, id)),
            Action::Abort(host) => {
                self.command(*host, |node, now, id| node.endpoint.abort(now, id, bytes::Bytes::new()));
            }
            Action::Primary(host, address) => {
                self.command(*host, |node, _, id| node.endpoint.set_primary(id, *address));
            }
            Action::Restart(host) => self.restart(*host),
            Action::Down(node, network) => {
                for (_, _, interface) in self.interfaces_in(*node, *network) {
                    self.network.take_down(interface, Outage::Silent);
                }
            }
            Action::Up(node, network) => {
                for (_, _, interface) in self.interfaces_in(*node, *network) {
                    self.network.take_up(interface);
                }
            }
            Action::Link { node, network, settings } => self.change_links(*node, *network, settings),
            Action::Rebind(nat, to) => self.rebind(*nat, *to),
            Action::Route(route) => self.set_route(*route),
        }
    }

    fn rebind(&mut self, nat: usize, to: Option<core::net::IpAddr>) {
        // The interface outside is the second one.
        if let (Some(address), Some((outside, _))) = (to, self.interfaces[nat].get(1))
            && !self.network.set_address(*outside, address)
        {
            return self.failures.push(format!("{address} is another NAT's address"));
        }
        self.network.with_node(self.hosts[nat], |node, _| {
            if let LabNode::Nat(nat) = node {
                nat.rebind(to);
            }
        });
    }

    fn connect(&mut self, host: usize, to: usize, port: u16, from: Option<u16>) {
        let local_port = from.unwrap_or_else(|| {
            self.ports += 1;
            self.ports
        });
        let NodeKind::Host(options) = self.script.nodes[host].kind else { return };
        let has_family = |address: &core::net::IpAddr| {
            self.script.nodes[host].attachments.iter().any(|own| own.address.is_ipv4() == address.is_ipv4())
        };
        let remote = self.script.nodes[to].attachments.iter().map(|own| own.address).find(has_family);
        if remote.is_none() {
            let [ours, theirs] = [host, to].map(|node| &self.script.nodes[node].name);
            return self.failures.push(format!("{ours} has no address of the families that {theirs} has"));
        }
        let udp_port = match self.script.nodes[to].kind {
            NodeKind::Host(HostOptions { udp_port, .. }) => udp_port.unwrap_or(0),
            _ => 0,
        };
        let peers = remote.map(|remote| PathAddress { remote_udp_port: udp_port, ..PathAddress::to(remote) });
        let request = ConnectRequest {
            local_port,
            local_addresses: Vec::new(),
            peers: peers.into_iter().collect(),
            peer_port: port,
            config: association_config(&self.script.nodes[host], &options),
        };
        let name = self.script.nodes[host].name.clone();
        let begun = self.network.with_node(self.hosts[host], |node, now| {
            let node = node.host_mut()?;
            let begun = node.endpoint.connect(now, request);
            if let Ok(id) = begun {
                node.application.begin(id);
            }
            begun.err()
        });
        if let Some(error) = begun {
            self.failures.push(format!("{name} cannot connect: {error}"));
        }
    }

    fn restart(&mut self, host: usize) {
        let fresh = self.make_node(host);
        let old = self.network.with_node(self.hosts[host], |node, _| core::mem::replace(node, fresh));
        if let LabNode::Host(mut old) = old {
            if let Some(id) = old.application.association {
                old.application.facts.again += retransmitted(&old.endpoint, id);
            }
            self.past[host].push(old.application.facts);
        }
    }

    fn change_links(&mut self, node: Option<usize>, network: usize, settings: &[Setting]) {
        for (node, own, interface) in self.interfaces_in(node, network) {
            let link = &mut self.interfaces[node][own].1;
            settings.iter().for_each(|setting| setting.apply(link));
            self.network.reconfigure(interface, link.clone());
        }
    }

    /// Node, number of the attachment and interface of each, or of one node, in a network.
    fn interfaces_in(&self, node: Option<usize>, network: usize) -> Vec<(usize, usize, InterfaceId)> {
        let mut found = Vec::new();
        for (index, plan) in self.script.nodes.iter().enumerate() {
            for (own, attachment) in plan.attachments.iter().enumerate() {
                if attachment.network == network && node.is_none_or(|node| node == index) {
                    found.push((index, own, self.interfaces[index][own].0));
                }
            }
        }
        found
    }

    fn set_route(&mut self, route: Route) {
        let lan = route.network.map(|network| LanId(network as u32));
        let nodes = &self.script.nodes;
        for (own, from) in nodes[route.node].attachments.iter().enumerate() {
            if let Some(via) = nodes[route.via].attachments.iter().position(|other| other.meets(from)) {
                let (interface, next_hop) =
                    (self.interfaces[route.node][own].0, self.interfaces[route.via][via].0);
                self.network.set_gateway(self.hosts[route.node], lan, interface, next_hop);
            }
        }
    }

    fn with_host(&mut self, host: usize, act: impl FnOnce(&mut EndpointNode<LabApplication>, Time)) {
        self.network.with_node(self.hosts[host], |node, now| {
            if let Some(node) = node.host_mut() {
                act(node, now);
            }
        });
    }

    /// Does something with the association that a host uses; that there is none, or that it refuses, is a failure.
    fn command<E: core::fmt::Display>(
        &mut self,
        host: usize,
        act: impl FnOnce(
            &mut EndpointNode<LabApplication>,
            Time,
            sctp_core::event::AssociationId,
        ) -> Result<(), E>,
    ) {
        let mut failed = None;
        self.with_host(host, |node, now| {
            failed = match node.application.association {
                Some(id) => act(node, now, id).err().map(|error| error.to_string()),
                None => Some("it has no association".into()),
            };
        });
        if let Some(what) = failed {
            let (now, name) = (self.network.now(), &self.script.nodes[host].name);
            self.failures.push(format!("{name} could not do as told at {now:?}: {what}"));
        }
    }

    /// What a host wrote down in each of its lives.
    fn lives_of(&self, host: usize) -> impl Iterator<Item = &Facts> {
        let present = self.network.node(self.hosts[host]).host().map(|node| &node.application.facts);
        self.past[host].iter().chain(present)
    }

    fn check(&mut self, expectation: &Expectation) {
        if let Err(found) = self.is_met(expectation) {
            let Expectation { line, text, .. } = expectation;
            self.failures.push(format!("line {line}: {text}: {found}"));
        }
    }

    /// Err says what was found instead.
    fn is_met(&self, expectation: &Expectation) -> Result<(), String> {
        let &Expectation { host, what, when, .. } = expectation;
        let limit = Time::ZERO + when.unwrap_or(self.script.end);
        let times = |of: fn(&Facts) -> &Vec<Time>| {
            let mut all: Vec<Time> =
                self.lives_of(host).flat_map(|facts| of(facts).iter().copied()).collect();
            all.retain(|at| *at <= limit);
            all
        };
        let happened =
            |of: fn(&Facts) -> &Vec<Time>| met(!times(of).is_empty(), || "it did not happen".into());
        match what {
            Expected::Delivered(count) => {
                let delivered = times(|facts| &facts.delivered).len();
                met(delivered == count, || format!("{delivered} were"))
            }
            Expected::Up => happened(|facts| &facts.up),
            Expected::Ended => happened(|facts| &facts.ended),
            Expected::Lost => happened(|facts| &facts.lost),
            Expected::Restarted => happened(|facts| &facts.restarted),
            Expected::NotLost => met(times(|facts| &facts.lost).is_empty(), || "it was".into()),
            Expected::GapBelow(most) => {
                let gap = self.lives_of(host).map(|facts| facts.longest_gap).max().unwrap_or_default();
                met(gap < most, || format!("the longest was {gap:?}"))
            }
            Expected::AgainAtMost(most) => {
                let again = self.again(host);
                met(again <= most, || format!("{again} were"))
            }
            Expected::AgainAtLeast(least) => {
                let again = self.again(host);
                met(again >= least, || format!("{again} were"))
            }
            Expected::Primary(address) => {
                let primary = self.path(host, |path, primary| primary.then_some(path.address.remote));
                met(primary == Some(address), || format!("it is {primary:?}"))
            }
            Expected::Path(address, state) => {
                let found = self.path(host, |path, _| (path.address.remote == address).then_some(path.state));
                met(found == Some(state), || format!("it is {found:?}"))
            }
            Expected::PathSends(address) => {
                let sent =
                    |path: &Path, _| (path.address.remote == address).then_some(path.stats.packets_sent);
                met(self.path(host, sent) > Some(0), || "nothing was sent".into())
            }
        }
    }

    fn again(&self, host: usize) -> u64 {
        let past: u64 = self.lives_of(host).map(|facts| facts.again).sum();
        let node = self.network.node(self.hosts[host]).host();
        let present =
            node.and_then(|node| Some(retransmitted(&node.endpoint, node.application.association?)));
        past + present.unwrap_or(0)
    }

    /// The first path of the host's association of which `pick` makes something; it is told whether it is the
    /// primary one.
    fn path<T>(&self, host: usize, pick: impl Fn(&Path, bool) -> Option<T>) -> Option<T> {
        let node = self.network.node(self.hosts[host]).host()?;
        let paths = node.endpoint.association(node.application.association?)?.paths();
        paths.iter().find_map(|path| pick(path, path.id == paths.primary()))
    }
}

/// A time at which something is done or looked at, those of the same time in this order.
type Stop<'a> = (Duration, i8, Option<&'a super::script::Step>, Option<&'a Expectation>);

fn met(is_met: bool, found: impl FnOnce() -> String) -> Result<(), String> {
    if is_met { Ok(()) } else { Err(found()) }
}

fn association_config(plan: &NodePlan, options: &HostOptions) -> AssociationConfig {
    let base = if options.fast { AssociationConfig::fast_failover() } else { AssociationConfig::default() };
    let mtu = plan.attachments.iter().map(|own| own.link.mtu).min().unwrap_or(1_500);
    let streams = options.streams.unwrap_or(base.outbound_streams);
    let extensions = Extensions { asconf: options.dynamic, auth: options.dynamic, ..base.extensions };
    AssociationConfig {
        hb_interval: options.heartbeat.or(base.hb_interval),
        path_mtu: mtu.min(base.path_mtu),
        outbound_streams: streams,
        max_inbound_streams: streams.max(base.max_inbound_streams),
        hide_addresses: options.hidden,
        extensions,
        ..base
    }
}
