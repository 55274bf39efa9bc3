//! Two endpoints and the packets between them, for targets that drive the whole state machine.

use bytes::Bytes;
use sctp_core::association::AssociationState;
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions};
use sctp_core::event::{AssociationId, Event};
use sctp_core::extensions::Extensions;
use sctp_core::net::{Ecn, PathAddress};
use sctp_core::time::Time;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Packets that one turn of an endpoint may send; more would be an amplifier or a loop.
const MAX_PACKETS_A_TURN: usize = 4_096;

/// An endpoint and what it said.
pub(crate) struct Host {
    pub(crate) endpoint: Endpoint,
    /// Its addresses, the first one in the network that both share.
    pub(crate) addresses: Vec<IpAddr>,
    /// Its newest association.
    pub(crate) id: Option<AssociationId>,
    /// Events since they were last taken.
    pub(crate) events: Vec<Event>,
}

/// A packet on its way.
#[derive(Clone)]
pub(crate) struct Flying {
    pub(crate) to: usize,
    pub(crate) path: PathAddress,
    pub(crate) bytes: Bytes,
}

/// Host 0, host 1, and what is between them. Nothing moves by itself.
pub(crate) struct Pair {
    pub(crate) now: Time,
    pub(crate) hosts: [Host; 2],
    pub(crate) flying: VecDeque<Flying>,
}

/// Ports of both hosts.
pub(crate) const PORTS: [u16; 2] = [7_000, 9];

impl Pair {
    /// Two hosts with two addresses each; checksums are left out, so that a fuzzer need not guess them.
    pub(crate) fn new() -> Self {
        Self { now: Time::from_millis(1_000), hosts: [host(1), host(2)], flying: VecDeque::new() }
    }

    /// Host `side` takes associations.
    pub(crate) fn listen(&mut self, side: usize, config: AssociationConfig) {
        let options = ListenOptions { config, ..ListenOptions::default() };
        self.hosts[side].endpoint.listen(PORTS[side], options).expect("the port is free");
    }

    /// Host `side` begins an association with the other one.
    pub(crate) fn connect(&mut self, side: usize, config: AssociationConfig) {
        let request = ConnectRequest {
            local_port: PORTS[side],
            local_addresses: Vec::new(),
            peers: vec![PathAddress::to(self.hosts[1 - side].addresses[0])],
            peer_port: PORTS[1 - side],
            config,
        };
        let id = self.hosts[side].endpoint.connect(self.now, request).expect("the request is right");
        self.hosts[side].id = Some(id);
        self.drain();
    }

    /// Takes packets and events out of both.
    pub(crate) fn drain(&mut self) {
        for side in 0..2 {
            let (host, mut buffer, mut packets) = (&mut self.hosts[side], Vec::new(), 0);
            while let Some(transmit) = host.endpoint.poll_transmit(self.now, &mut buffer, 16) {
                for packet in buffer.chunks(transmit.segment_size) {
                    let local = Some(transmit.path.remote);
                    let source = transmit.path.local.unwrap_or(host.addresses[0]);
                    let path = PathAddress { local, remote: source, remote_udp_port: 0 };
                    let bytes = Bytes::copy_from_slice(packet);
                    self.flying.push_back(Flying { to: 1 - side, path, bytes });
                    packets += 1;
                }
                assert!(packets <= MAX_PACKETS_A_TURN, "one turn makes no flood");
                buffer.clear();
            }
            while let Some((id, event)) = host.endpoint.poll_event() {
                host.id = Some(id);
                host.events.push(event);
            }
        }
        self.check();
    }

    /// A packet arrives.
    pub(crate) fn deliver(&mut self, packet: Flying) {
        let endpoint = &mut self.hosts[packet.to].endpoint;
        endpoint.handle_packet(self.now, packet.path, Ecn::NotCapable, packet.bytes);
        self.check();
    }

    /// The batch of packets is at its end; what is due is done.
    pub(crate) fn end_batch(&mut self) {
        for host in &mut self.hosts {
            host.endpoint.handle_batch_end(self.now);
            if host.endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                host.endpoint.handle_timeout(self.now);
            }
        }
        self.drain();
    }

    /// Everything on its way arrives, and what it brings about, until nothing moves.
    pub(crate) fn exchange(&mut self) {
        for _ in 0..10_000 {
            let Some(packet) = self.flying.pop_front() else { return };
            self.deliver(packet);
            self.end_batch();
        }
        panic!("packets go to and fro without end");
    }

    /// Time passes until the next deadline; false if there is none.
    pub(crate) fn advance(&mut self) -> bool {
        let deadlines = self.hosts.iter().filter_map(|host| host.endpoint.poll_timeout());
        let Some(next) = deadlines.min() else { return false };
        self.now = self.now.max(next);
        self.end_batch();
        true
    }

    /// The state of the newest association of host `side`.
    pub(crate) fn state(&self, side: usize) -> Option<AssociationState> {
        let host = &self.hosts[side];
        host.endpoint.association(host.id?).map(|association| association.state())
    }

    fn check(&self) {
        for host in &self.hosts {
            #[cfg(debug_assertions)]
            host.endpoint.check_invariants();
            if let Some(association) = host.id.and_then(|id| host.endpoint.association(id)) {
                let limit = 3 * association.config().receive_buffer + (1 << 17);
                assert!(association.held_bytes() <= limit, "received data holds more than its bound");
            }
        }
    }
}

/// Each bit switches one on.
pub(crate) fn extensions_of(bits: u8) -> Extensions {
    let bit = |index: u8| bits >> index & 1 != 0;
    Extensions {
        ecn: bit(0),
        partial_reliability: bit(1),
        reconfig: bit(2),
        auth: bit(3),
        asconf: bit(4),
        interleaving: bit(5),
        nr_sack: bit(6),
        zero_checksum: bit(7),
    }
}

fn host(number: u8) -> Host {
    let addresses: Vec<IpAddr> = [[10, 0, 1, number], [10, 0, 2, number]].map(IpAddr::from).to_vec();
    let config = EndpointConfig {
        local_addresses: addresses.clone(),
        alternate_error_detection: true,
        ..EndpointConfig::default()
    };
    let endpoint = Endpoint::new(config, [number; 32]);
    Host { endpoint, addresses, id: None, events: Vec::new() }
}
