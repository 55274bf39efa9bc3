//! The simulator itself: a clock that jumps from event to event, and the nodes that it wakes.

use core::net::IpAddr;
use core::time::Duration;
use sctp_core::time::Time;

use super::datagram::{Datagram, Unreachable, UnreachableReason};
use super::link::{DropReason, LinkConfig, LinkStats};
use super::node::Node;
use super::queue::{Change, Event, EventQueue};
use super::rng::SimRng;
use super::tap::{Fate, Observation, Tap};
use super::topology::{HostId, InterfaceId, LanId, Outage, Topology};

/// Bounds that turn a live-lock into a failure instead of a hang.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events and time-outs at one virtual instant.
    pub per_instant: u64,
    /// Events and time-outs of the whole run.
    pub per_run: u64,
    /// Datagrams that a node may send in answer to one input.
    pub per_step: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_instant: 50_000, per_run: 50_000_000, per_step: 20_000 }
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The condition of the caller came true.
    Done,
    /// Nothing will ever happen again: no datagram on the way, no deadline.
    Idle,
    /// The virtual time that the caller gave is over.
    TimeLimit,
    /// Too many events at one instant, or too many datagrams from one step of this host.
    LiveLock {
        /// The host that was served last.
        host: HostId,
    },
    /// [`Limits::per_run`] is used up.
    EventLimit,
    /// A node found something wrong with itself.
    Broken {
        /// The node.
        host: HostId,
        /// What it said.
        what: String,
    },
}

struct Host<N> {
    name: String,
    node: N,
    /// The node's deadline, asked for after each step.
    deadline: Option<Time>,
}

/// A network of hosts, each with a node of type `N` (use an enum or `Box<dyn Node>` to mix).
///
/// One seed fixes all accidents: the same calls with the same seed give the same run, event by event.
pub struct Network<N> {
    now: Time,
    events: EventQueue,
    topology: Topology,
    hosts: Vec<Host<N>>,
    limits: Limits,
    events_at_instant: u64,
    events_total: u64,
    taps: Vec<Tap>,
}

impl<N: Node> Network<N> {
    /// An empty network whose accidents follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Time::ZERO,
            events: EventQueue::default(),
            topology: Topology::new(SimRng::new(seed)),
            hosts: Vec::new(),
            limits: Limits::default(),
            events_at_instant: 0,
            events_total: 0,
            taps: Vec::new(),
        }
    }

    /// Sets other bounds.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Shows all datagrams to `tap` from now on.
    pub fn add_tap(&mut self, tap: Tap) {
        self.taps.push(tap);
    }

    /// Adds a host.
    pub fn add_host(&mut self, name: &str, node: N) -> HostId {
        self.hosts.push(Host { name: name.to_owned(), node, deadline: None });
        HostId(self.hosts.len() - 1)
    }

    /// Gives a host an address in a network; `link` is its way into that network. What comes to the
    /// host uses the senders' links: so the two directions of a path are set independently.
    ///
    /// # Panics
    /// If another interface has that address.
    pub fn attach(&mut self, host: HostId, lan: LanId, address: IpAddr, link: LinkConfig) -> InterfaceId {
        self.topology.attach(host, lan, address, link)
    }

    /// As [`attach`](Self::attach), but the way into the network is the link that `other` has, with its queue and
    /// its rate: a bottleneck that both share.
    ///
    /// # Panics
    /// If another interface has that address.
    pub fn attach_beside(
        &mut self,
        host: HostId,
        lan: LanId,
        address: IpAddr,
        other: InterfaceId,
    ) -> InterfaceId {
        self.topology.attach_beside(host, lan, address, other)
    }

    /// Makes a host send to `destination` by this interface, whatever the addresses say.
    pub fn set_route(&mut self, host: HostId, destination: IpAddr, interface: InterfaceId) {
        self.topology.set_route(host, destination, interface);
    }

    /// Makes a host send what is for `lan`, or for all networks that it is not in, by this interface to the router
    /// whose interface `next_hop` is. The router's node gets it and sends it on.
    pub fn set_gateway(
        &mut self,
        host: HostId,
        lan: Option<LanId>,
        interface: InterfaceId,
        next_hop: InterfaceId,
    ) {
        self.topology.set_gateway(host, lan, interface, next_hop);
    }

    /// Gives an interface another address, now; false, and nothing is changed, if another interface has it. The host's node
    /// is not told.
    pub fn set_address(&mut self, interface: InterfaceId, address: IpAddr) -> bool {
        self.topology.set_address(interface, address)
    }

    /// Lets an interface receive what is sent to a multicast group in its network.
    pub fn join(&mut self, interface: InterfaceId, group: IpAddr) {
        self.topology.join(interface, group);
    }

    /// Schedules a change of the network.
    pub fn schedule(&mut self, at: Time, change: Change) {
        self.events.push(at.max(self.now), Event::Change(change));
    }

    /// Takes an interface down, now: nothing leaves it, nothing reaches it.
    pub fn take_down(&mut self, interface: InterfaceId, outage: Outage) {
        self.topology.interface_mut(interface).outage = Some(outage);
    }

    /// Takes an interface up, now.
    pub fn take_up(&mut self, interface: InterfaceId) {
        self.topology.interface_mut(interface).outage = None;
    }

    /// Sets the link from an interface anew, now.
    pub fn reconfigure(&mut self, interface: InterfaceId, link: LinkConfig) {
        self.topology.link_mut(interface).set_config(self.now, link);
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// A host's node.
    pub fn node(&self, host: HostId) -> &N {
        &self.hosts[host.0].node
    }

    /// A host's name.
    pub fn name(&self, host: HostId) -> &str {
        &self.hosts[host.0].name
    }

    /// Does something with a host's node, now. What it wants to send leaves when the run goes on.
    pub fn with_node<R>(&mut self, host: HostId, act: impl FnOnce(&mut N, Time) -> R) -> R {
        act(&mut self.hosts[host.0].node, self.now)
    }

    /// What happened on the link from this interface.
    pub fn link_stats(&self, interface: InterfaceId) -> &LinkStats {
        self.topology.link(interface).stats()
    }

    /// Bytes that wait on the link from this interface, what is just being sent included.
    pub fn queued_bytes(&self, interface: InterfaceId) -> usize {
        self.topology.link(interface).queued_bytes(self.now)
    }

    /// What happened on all links together.
    pub fn total_stats(&self) -> LinkStats {
        let mut total = LinkStats::default();
        self.topology.links().for_each(|link| total += *link.stats());
        total
    }

    /// Events and time-outs so far.
    pub fn events(&self) -> u64 {
        self.events_total
    }

    /// Datagrams on the way, and scheduled changes.
    pub fn pending_events(&self) -> usize {
        self.events.len()
    }

    /// Runs for so long in virtual time.
    pub fn run_for(&mut self, duration: Duration) -> Outcome {
        self.run_until(self.now + duration, |_| false)
    }

    /// Runs until `done` says so, asked after each instant, or until `limit`.
    pub fn run_until(&mut self, limit: Time, mut done: impl FnMut(&Self) -> bool) -> Outcome {
        for host in 0..self.hosts.len() {
            if let Err(end) = self.serve(HostId(host)) {
                return end;
            }
        }
        loop {
            if done(self) {
                return Outcome::Done;
            }
            let Some(next) = self.next_time() else { return Outcome::Idle };
            if next > limit {
                self.now = self.now.max(limit);
                return Outcome::TimeLimit;
            }
            if let Err(end) = self.advance(next) {
                return end;
            }
        }
    }

    /// Lets time pass up to `at` while nothing moves.
    ///
    /// # Panics
    /// If something would have happened before.
    pub fn pass_to(&mut self, at: Time) {
        assert!(self.next_time().is_none_or(|next| next >= at), "what happens before {at:?} is skipped");
        self.now = self.now.max(at);
    }

    fn next_time(&self) -> Option<Time> {
        let deadlines = self.hosts.iter().filter_map(|host| host.deadline);
        let next = deadlines.chain(self.events.next_time()).min()?;
        Some(next.max(self.now))
    }

    /// Does what is due at `next`: first all that arrives, as a driver drains its sockets before it
    /// looks at its timers, then the time-outs.
    fn advance(&mut self, next: Time) -> Result<(), Outcome> {
        if next > self.now {
            self.now = next;
            self.events_at_instant = 0;
        }
        let mut batch = None;
        while let Some(event) = self.events.pop_due(self.now) {
            let served = self.deliver(event);
            if let Some(ended) = batch.filter(|ended| served != Some(*ended)) {
                self.end_batch(ended)?;
            }
            batch = served;
            self.count(served.unwrap_or(HostId(0)))?;
        }
        if let Some(ended) = batch {
            self.end_batch(ended)?;
        }
        for host in (0..self.hosts.len()).map(HostId) {
            if self.hosts[host.0].deadline.is_some_and(|deadline| deadline <= self.now) {
                self.hosts[host.0].node.handle_timeout(self.now);
                self.count(host)?;
                self.serve(host)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, host: HostId) -> Result<(), Outcome> {
        self.events_at_instant += 1;
        self.events_total += 1;
        match () {
            () if self.events_at_instant > self.limits.per_instant => Err(Outcome::LiveLock { host }),
            () if self.events_total > self.limits.per_run => Err(Outcome::EventLimit),
            () => Ok(()),
        }
    }

    /// Carries out one event; the host whose node it touched.
    fn deliver(&mut self, event: Event) -> Option<HostId> {
        match event {
            Event::Arrival { interface, datagram } => {
                let receiver = self.topology.interface(interface);
                let host = receiver.host;
                if receiver.outage.is_some() {
                    self.topology.link_mut(interface).stats.down += 1;
                    self.show(host, Fate::Dropped(DropReason::Down), &datagram);
                    return None;
                }
                self.hand_over(host, datagram);
                Some(host)
            }
            Event::Loopback { host, datagram } => {
                self.hand_over(host, datagram);
                Some(host)
            }
            Event::Icmp { host, report } => {
                self.hosts[host.0].node.handle_unreachable(self.now, report);
                Some(host)
            }
            Event::Change(change) => {
                match change {
                    Change::Reconfigure(interface, link) => self.reconfigure(interface, link),
                    Change::Down(interface, outage) => self.take_down(interface, outage),
                    Change::Up(interface) => self.take_up(interface),
                    Change::Address(interface, address) => _ = self.set_address(interface, address),
                }
                None
            }
        }
    }

    fn hand_over(&mut self, host: HostId, datagram: Datagram) {
        self.show(host, Fate::Delivered, &datagram);
        self.hosts[host.0].node.handle_datagram(self.now, datagram);
    }

    fn end_batch(&mut self, host: HostId) -> Result<(), Outcome> {
        self.hosts[host.0].node.handle_batch_end(self.now);
        self.serve(host)
    }

    /// After a node was touched: sends what it has to send, asks for its deadline, and how it is.
    fn serve(&mut self, host: HostId) -> Result<(), Outcome> {
        let mut sent = 0;
        while let Some(datagram) = self.hosts[host.0].node.poll_transmit(self.now) {
            self.send(host, datagram);
            sent += 1;
            if sent > self.limits.per_step {
                return Err(Outcome::LiveLock { host });
            }
        }
        let served = &mut self.hosts[host.0];
        served.deadline = served.node.poll_timeout();
        served.node.check(self.now).map_err(|what| Outcome::Broken { host, what })
    }

    fn send(&mut self, host: HostId, mut datagram: Datagram) {
        let way_out = self.topology.way_out(host, datagram.source, datagram.destination);
        let Some(way_out) = way_out else {
            self.show(host, Fate::Dropped(DropReason::NoRoute), &datagram);
            return self.report(host, UnreachableReason::Host, Duration::ZERO, datagram);
        };
        let interface = self.topology.interface(way_out);
        if datagram.source.is_unspecified() {
            datagram.source = interface.address;
        }
        self.show(host, Fate::Sent, &datagram);
        let receivers = self.topology.receivers(way_out, datagram.destination);
        let is_own = |receiver: &InterfaceId| self.topology.interface(*receiver).host == host;
        if !datagram.destination.is_multicast() && receivers.iter().any(is_own) {
            return self.events.push(self.now, Event::Loopback { host, datagram });
        }
        let outage = self.topology.interface(way_out).outage;
        let link = self.topology.link_mut(way_out);
        let LinkConfig { delay, mtu, reports_too_big, .. } = *link.config();
        if let Some(outage) = outage {
            link.stats.down += 1;
            self.show(host, Fate::Dropped(DropReason::Down), &datagram);
            if outage == Outage::Reported {
                self.report(host, UnreachableReason::Host, delay, datagram);
            }
            return;
        }
        match link.carry(self.now, datagram.clone()) {
            Ok(arrivals) => {
                for (at, datagram) in arrivals {
                    for interface in &receivers {
                        let datagram = datagram.clone();
                        self.events.push(at, Event::Arrival { interface: *interface, datagram });
                    }
                }
            }
            Err(reason) => {
                self.show(host, Fate::Dropped(reason), &datagram);
                if reason == DropReason::TooBig && reports_too_big {
                    self.report(host, UnreachableReason::TooBig { mtu }, delay, datagram);
                }
            }
        }
    }

    /// ICMP to the sender: a router tells the host that the datagram came from.
    fn report(&mut self, host: HostId, reason: UnreachableReason, after: Duration, datagram: Datagram) {
        let host = self.topology.owner(datagram.source).unwrap_or(host);
        let report = Unreachable { reason, datagram };
        self.events.push(self.now + after, Event::Icmp { host, report });
    }

    fn show(&mut self, host: HostId, fate: Fate, datagram: &Datagram) {
        let observation = Observation { now: self.now, host, name: &self.hosts[host.0].name, fate, datagram };
        self.taps.iter_mut().for_each(|tap| tap(&observation));
    }
}

#[cfg(test)]
mod tests;
