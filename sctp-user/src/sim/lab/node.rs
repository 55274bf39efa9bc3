//! The nodes of a scenario: hosts, routers, NATs.

use core::net::IpAddr;
use core::time::Duration;
use rustc_hash::FxHashMap;
use sctp_core::time::Time;
use std::collections::VecDeque;

use super::application::LabApplication;
use crate::sim::datagram::{Datagram, Protocol, Unreachable};
use crate::sim::endpoint_node::EndpointNode;
use crate::sim::node::Node;

/// A node of any kind.
pub(super) enum LabNode {
    Host(Box<EndpointNode<LabApplication>>),
    Router(Router),
    Nat(Nat),
}

impl LabNode {
    fn inner(&mut self) -> &mut dyn Node {
        match self {
            Self::Host(host) => host.as_mut(),
            Self::Router(router) => router,
            Self::Nat(nat) => nat,
        }
    }

    pub(super) fn host(&self) -> Option<&EndpointNode<LabApplication>> {
        match self {
            Self::Host(host) => Some(host),
            _ => None,
        }
    }

    pub(super) fn host_mut(&mut self) -> Option<&mut EndpointNode<LabApplication>> {
        match self {
            Self::Host(host) => Some(host),
            _ => None,
        }
    }
}

impl Node for LabNode {
    fn handle_datagram(&mut self, now: Time, datagram: Datagram) {
        self.inner().handle_datagram(now, datagram);
    }

    fn handle_batch_end(&mut self, now: Time) {
        self.inner().handle_batch_end(now);
    }

    fn handle_unreachable(&mut self, now: Time, report: Unreachable) {
        self.inner().handle_unreachable(now, report);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.inner().handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Time) -> Option<Datagram> {
        self.inner().poll_transmit(now)
    }

    fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Host(host) => host.poll_timeout(),
            Self::Router(_) | Self::Nat(_) => None,
        }
    }

    fn check(&self, now: Time) -> Result<(), String> {
        match self {
            Self::Host(host) => host.check(now),
            Self::Router(_) | Self::Nat(_) => Ok(()),
        }
    }
}

/// Sends on what is not for it. Queues, rates and losses are those of its links.
pub(super) struct Router {
    addresses: Vec<IpAddr>,
    ready: VecDeque<Datagram>,
}

impl Router {
    pub(super) fn new(addresses: Vec<IpAddr>) -> Self {
        Self { addresses, ready: VecDeque::new() }
    }
}

impl Node for Router {
    fn handle_datagram(&mut self, _now: Time, datagram: Datagram) {
        if !self.addresses.contains(&datagram.destination) {
            self.ready.push_back(datagram);
        }
    }

    fn handle_timeout(&mut self, _now: Time) {}

    fn poll_transmit(&mut self, _now: Time) -> Option<Datagram> {
        self.ready.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        None
    }
}

/// A network address translator for UDP: an address and port inside has one port outside, whoever the peer is,
/// until it has sent nothing for a while (RFC 4787, 4.1 and 4.3). Of plain SCTP, whose ports no NAT can change
/// without a new checksum, it maps the address of the one host inside that spoke last.
pub(super) struct Nat {
    inside: IpAddr,
    outside: IpAddr,
    /// Addresses that it had outside.
    former: Vec<IpAddr>,
    timeout: Duration,
    mappings: FxHashMap<(IpAddr, u16), Mapping>,
    next_port: u16,
    plain: Option<IpAddr>,
    ready: VecDeque<Datagram>,
}

struct Mapping {
    port: u16,
    used: Time,
}

/// The first port that is given out.
const FIRST_PORT: u16 = 20_000;

impl Nat {
    pub(super) fn new(inside: IpAddr, outside: IpAddr, timeout: Duration) -> Self {
        let (mappings, ready) = (FxHashMap::default(), VecDeque::new());
        let former = Vec::new();
        Self { inside, outside, former, timeout, mappings, next_port: FIRST_PORT, plain: None, ready }
    }

    /// Forgets all mappings: what is sent next gets a new port, and perhaps a new address.
    pub(super) fn rebind(&mut self, to: Option<IpAddr>) {
        if let Some(address) = to {
            self.former.push(core::mem::replace(&mut self.outside, address));
            self.former.retain(|former| *former != address);
        }
        self.mappings.clear();
        self.plain = None;
    }

    fn outward(&mut self, now: Time, mut datagram: Datagram) {
        match &mut datagram.protocol {
            Protocol::Sctp => self.plain = Some(datagram.source),
            Protocol::Udp { source_port, .. } => {
                let key = (datagram.source, *source_port);
                let timeout = self.timeout;
                if self.mappings.get(&key).is_none_or(|mapping| now.since(mapping.used) > timeout) {
                    self.mappings.insert(key, Mapping { port: self.next_port, used: now });
                    self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
                }
                if let Some(mapping) = self.mappings.get_mut(&key) {
                    mapping.used = now;
                    *source_port = mapping.port;
                }
            }
        }
        datagram.source = self.outside;
        self.ready.push_back(datagram);
    }

    fn inward(&mut self, now: Time, mut datagram: Datagram) {
        let timeout = self.timeout;
        let to = match &mut datagram.protocol {
            Protocol::Sctp => self.plain,
            Protocol::Udp { destination_port, .. } => {
                let is_it = |mapping: &Mapping| {
                    mapping.port == *destination_port && now.since(mapping.used) <= timeout
                };
                let found = self.mappings.iter().find(|(_, mapping)| is_it(mapping)).map(|(key, _)| *key);
                found.map(|(address, port)| {
                    *destination_port = port;
                    address
                })
            }
        };
        // What nobody inside asked for is dropped in silence.
        if let Some(address) = to {
            datagram.destination = address;
            self.ready.push_back(datagram);
        }
    }
}

impl Node for Nat {
    fn handle_datagram(&mut self, now: Time, datagram: Datagram) {
        match datagram.destination {
            destination if destination == self.outside => self.inward(now, datagram),
            destination if destination == self.inside || self.former.contains(&destination) => {}
            _ => self.outward(now, datagram),
        }
    }

    fn handle_timeout(&mut self, _now: Time) {}

    fn poll_transmit(&mut self, _now: Time) -> Option<Datagram> {
        self.ready.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        None
    }
}
