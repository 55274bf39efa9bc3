//! An SCTP endpoint with its application, as a node of the network: the driver loop of the simulator.

use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use sctp_core::endpoint::{Endpoint, UnreachableKind};
use sctp_core::event::{AssociationId, Event};
use sctp_core::net::PathAddress;
use sctp_core::time::Time;
use std::collections::VecDeque;

use super::datagram::{Datagram, Protocol, Unreachable, UnreachableReason};
use super::node::Node;
use super::translator::Translator;

/// Packets that one call may build; a driver with segmentation offload asks for more than one too.
const MAX_SEGMENTS: usize = 8;
/// Events that one step hands to the application; more would be a live-lock, which the network finds.
const MAX_EVENTS: usize = 10_000;

/// What uses an endpoint. It may command the endpoint in each call.
pub trait Application {
    /// The endpoint has news.
    fn handle_event(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId, event: Event);

    /// The application's own deadline has come.
    fn handle_timeout(&mut self, now: Time, endpoint: &mut Endpoint);

    /// The application's own deadline.
    fn poll_timeout(&self) -> Option<Time>;

    /// Whether all is as it should be; see [`Node::check`].
    ///
    /// # Errors
    /// What is not, in words.
    fn check(&self, _now: Time, _endpoint: &Endpoint) -> Result<(), String> {
        Ok(())
    }
}

/// An endpoint and its application.
#[derive(Debug)]
pub struct EndpointNode<A> {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What uses it.
    pub application: A,
    /// Our UDP port as others see it, if SCTP travels in UDP (RFC 6951).
    udp_port: Option<u16>,
    /// NATs that all goes through: the first one, but for what another one has the source of.
    pub translators: Vec<Translator>,
    buffer: Vec<u8>,
    ready: VecDeque<Datagram>,
}

impl<A: Application> EndpointNode<A> {
    /// A node that speaks SCTP as such, or in UDP from `udp_port`.
    pub fn new(endpoint: Endpoint, application: A, udp_port: Option<u16>) -> Self {
        let (buffer, ready) = (Vec::new(), VecDeque::new());
        Self { endpoint, application, udp_port, translators: Vec::new(), buffer, ready }
    }

    /// A NAT in front of the node binds another port: packets come from there, and what is sent to the one before is lost.
    pub fn rebind(&mut self, udp_port: u16) {
        self.udp_port = Some(udp_port);
    }

    /// `None` if no NAT lets it in.
    fn translated_inward(&mut self, now: Time, datagram: Datagram) -> Option<Datagram> {
        if self.translators.is_empty() {
            return Some(datagram);
        }
        let mut copies =
            self.translators.iter_mut().map(|translator| translator.inward(now, datagram.clone()));
        copies.find_map(|translated| translated)
    }

    fn hand_out_events(&mut self, now: Time) {
        for _ in 0..MAX_EVENTS {
            let Some((id, event)) = self.endpoint.poll_event() else { return };
            self.application.handle_event(now, &mut self.endpoint, id, event);
        }
    }

    /// Cuts the next run of packets into datagrams; false if there is none.
    fn collect_packets(&mut self, now: Time) -> bool {
        self.buffer.clear();
        let Some(transmit) = self.endpoint.poll_transmit(now, &mut self.buffer, MAX_SEGMENTS) else {
            return false;
        };
        let protocol = self.udp_port.map_or(Protocol::Sctp, |source_port| Protocol::Udp {
            source_port,
            destination_port: transmit.path.remote_udp_port,
        });
        let source = transmit.path.local.unwrap_or_else(|| unspecified(transmit.path.remote));
        for packet in self.buffer[..transmit.len].chunks(transmit.segment_size.max(1)) {
            let datagram = Datagram {
                source,
                destination: transmit.path.remote,
                protocol,
                ecn: transmit.ecn,
                fragment_to: transmit.fragment_to,
                payload: Bytes::copy_from_slice(packet),
            };
            self.ready.push_back(outward(&mut self.translators, now, datagram));
        }
        true
    }
}

impl<A: Application> Node for EndpointNode<A> {
    fn handle_datagram(&mut self, now: Time, datagram: Datagram) {
        let Some(datagram) = self.translated_inward(now, datagram) else { return };
        let remote_udp_port = match (self.udp_port, datagram.protocol) {
            (None, Protocol::Sctp) => 0,
            (Some(port), Protocol::Udp { source_port, destination_port }) if port == destination_port => {
                source_port
            }
            _ => return,
        };
        let path =
            PathAddress { local: Some(datagram.destination), remote: datagram.source, remote_udp_port };
        self.endpoint.handle_packet(now, path, datagram.ecn, datagram.payload);
    }

    fn handle_batch_end(&mut self, now: Time) {
        self.endpoint.handle_batch_end(now);
    }

    fn handle_unreachable(&mut self, now: Time, mut report: Unreachable) {
        let source = report.datagram.source;
        let own = self.translators.iter().position(|translator| translator.outside() == source);
        if let Some(translator) = self.translators.get_mut(own.unwrap_or(0)) {
            let Some(translated) = translator.report(now, report) else { return };
            report = translated;
        }
        let Unreachable { reason, datagram } = report;
        let remote_udp_port = match datagram.protocol {
            Protocol::Sctp => 0,
            Protocol::Udp { destination_port, .. } => destination_port,
        };
        let path =
            PathAddress { local: Some(datagram.source), remote: datagram.destination, remote_udp_port };
        let kind = match reason {
            UnreachableReason::Host => UnreachableKind::Destination,
            UnreachableReason::TooBig { mtu } => {
                UnreachableKind::PacketTooBig { mtu: u32::try_from(mtu).unwrap_or(u32::MAX) }
            }
        };
        self.endpoint.handle_unreachable(now, path, kind, &datagram.payload);
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.endpoint.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.endpoint.handle_timeout(now);
        }
        if self.application.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.application.handle_timeout(now, &mut self.endpoint);
        }
    }

    /// Packets go before events: an answer to a packet does not wait for the application.
    fn poll_transmit(&mut self, now: Time) -> Option<Datagram> {
        if self.ready.is_empty() && !self.collect_packets(now) {
            self.hand_out_events(now);
            self.collect_packets(now);
        }
        self.ready.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        [self.endpoint.poll_timeout(), self.application.poll_timeout()].into_iter().flatten().min()
    }

    fn check(&self, now: Time) -> Result<(), String> {
        self.application.check(now, &self.endpoint)
    }
}

/// What becomes of a datagram that goes out.
fn outward(translators: &mut [Translator], now: Time, datagram: Datagram) -> Datagram {
    let own = translators.iter().position(|translator| translator.is_of(datagram.source));
    match translators.get_mut(own.unwrap_or(0)) {
        Some(translator) => translator.outward(now, datagram),
        None => datagram,
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}
