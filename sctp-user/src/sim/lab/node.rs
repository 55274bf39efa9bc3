//! The nodes of a scenario: hosts, routers, NATs.

use core::net::IpAddr;
use core::time::Duration;
use sctp_core::time::Time;
use std::collections::VecDeque;

use super::application::LabApplication;
use crate::sim::datagram::{Datagram, Unreachable};
use crate::sim::endpoint_node::EndpointNode;
use crate::sim::node::Node;
use crate::sim::translator::Translator;

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

/// A [`Translator`] on the way between two networks.
pub(super) struct Nat {
    /// Its own address inside.
    inside: IpAddr,
    /// Addresses that it had outside.
    former: Vec<IpAddr>,
    translator: Translator,
    ready: VecDeque<Datagram>,
}

impl Nat {
    pub(super) fn new(inside: IpAddr, outside: IpAddr, timeout: Duration) -> Self {
        let translator = Translator::new(outside, timeout);
        Self { inside, former: Vec::new(), translator, ready: VecDeque::new() }
    }

    /// Forgets all mappings: what is sent next gets a new port, and perhaps a new address.
    pub(super) fn rebind(&mut self, to: Option<IpAddr>) {
        if let Some(address) = to {
            self.former.push(self.translator.outside());
            self.former.retain(|former| *former != address);
            self.translator.move_to(address);
        }
        self.translator.rebind();
    }
}

impl Node for Nat {
    fn handle_datagram(&mut self, now: Time, datagram: Datagram) {
        match datagram.destination {
            // What nobody inside asked for is dropped in silence.
            destination if destination == self.translator.outside() => {
                self.ready.extend(self.translator.inward(now, datagram));
            }
            destination if destination == self.inside || self.former.contains(&destination) => {}
            _ => self.ready.push_back(self.translator.outward(now, datagram)),
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
