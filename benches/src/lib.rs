//! Benches: codec, core, loopback. What they share: two endpoints in memory.
//!
//! [`Pair`] is two endpoints and a wire without loss between them, in one thread, under virtual
//! time: what is measured is the protocol's own work and nothing of an operating system.

use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions};
use sctp_core::error::SendError;
use sctp_core::event::{AssociationId, Event};
use sctp_core::message::SendOptions;
use sctp_core::net::{Ecn, PathAddress};
use sctp_core::time::Time;
use std::collections::VecDeque;

/// The port that Z listens on.
pub const PORT: u16 = 9;
/// How long a wire without delay takes.
const TICK: Duration = Duration::from_micros(1);
/// Steps without any progress after which a transfer counts as stuck.
const MAX_IDLE_STEPS: usize = 100_000;

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    A,
    Z,
}

/// A run of packets on its way.
struct Run {
    arrives: Time,
    to: Side,
    /// As its receiver sees it.
    path: PathAddress,
    segment_size: usize,
    bytes: Bytes,
}

/// What passed over the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct WireStats {
    /// Runs of packets, each of which would be one system call with segmentation offload.
    pub runs: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes of SCTP packets.
    pub bytes: u64,
}

/// How a [`Pair`] is wired.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// Parameters of the associations of both sides.
    pub config: AssociationConfig,
    /// Time from one host to the other.
    pub delay: Duration,
    /// Packets in a run at most.
    pub max_segments: usize,
    /// Whether packets carry a checksum.
    pub checksum: bool,
    /// One of so many packets is lost; 0: none.
    pub loss: u64,
    /// Addresses of each host.
    pub paths: u8,
}

impl Default for Wiring {
    fn default() -> Self {
        Self {
            config: AssociationConfig::default(),
            delay: Duration::ZERO,
            max_segments: 64,
            checksum: true,
            loss: 0,
            paths: 1,
        }
    }
}

impl Wiring {
    /// The default parameters on a path of this MTU.
    pub fn with_mtu(path_mtu: usize) -> Self {
        // The wire takes packets of any size, so a search would find another MTU.
        let config = AssociationConfig { path_mtu, mtu_search: None, ..AssociationConfig::default() };
        Self { config, ..Self::default() }
    }
}

/// Receive buffers that are used again once nobody holds a packet of theirs, as a driver has them.
#[derive(Default)]
struct Pool {
    lent: VecDeque<BytesMut>,
}

impl Pool {
    const BUFFER: usize = 65_536;

    /// The copy that a kernel would make.
    fn copy(&mut self, datagram: &[u8]) -> Bytes {
        let free = self.lent.pop_front_if(|buffer| buffer.try_reclaim(Self::BUFFER));
        let mut buffer = free.unwrap_or_else(|| BytesMut::with_capacity(Self::BUFFER));
        buffer.extend_from_slice(datagram);
        let filled = buffer.split().freeze();
        self.lent.push_back(buffer);
        filled
    }
}

/// One host.
struct Host {
    endpoint: Endpoint,
    /// The association that came up last.
    newest: Option<AssociationId>,
    sent: WireStats,
}

/// The ids of one association at A and at Z.
pub type Ids = (AssociationId, AssociationId);

/// Two endpoints and the wire between them; A connects to Z.
pub struct Pair {
    now: Time,
    /// A and Z.
    hosts: [Host; 2],
    wiring: Wiring,
    in_flight: VecDeque<Run>,
    buffer: Vec<u8>,
    pool: Pool,
    /// Ports that A has connected from.
    connected: u16,
    /// Packets that have come to the end of the wire.
    carried: u64,
}

impl Pair {
    /// Two endpoints without associations.
    pub fn new(wiring: Wiring) -> Self {
        let host = |side| {
            let local_addresses = (0..wiring.paths).map(|path| address(side, path)).collect();
            let config = EndpointConfig {
                local_addresses,
                alternate_error_detection: !wiring.checksum,
                ..EndpointConfig::default()
            };
            let endpoint = Endpoint::new(config, [side as u8 + 1; 32]);
            Host { endpoint, newest: None, sent: WireStats::default() }
        };
        let mut hosts = [host(Side::A), host(Side::Z)];
        let options = ListenOptions { config: wiring.config.clone(), ..ListenOptions::default() };
        hosts[Side::Z as usize].endpoint.listen(PORT, options).expect("nobody listens yet");
        Self {
            now: Time::from_millis(1_000),
            hosts,
            wiring,
            in_flight: VecDeque::new(),
            buffer: Vec::new(),
            pool: Pool::default(),
            connected: 0,
            carried: 0,
        }
    }

    /// The endpoint that connects and sends.
    pub fn sender(&mut self) -> &mut Endpoint {
        &mut self.hosts[Side::A as usize].endpoint
    }

    /// The endpoint that listens and reads.
    pub fn receiver(&mut self) -> &mut Endpoint {
        &mut self.hosts[Side::Z as usize].endpoint
    }

    /// What A sent and what Z sent.
    pub fn wire_stats(&self) -> [WireStats; 2] {
        [self.hosts[0].sent, self.hosts[1].sent]
    }

    /// The time that has passed for the hosts.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Sets up an association from a new port.
    pub fn connect(&mut self) -> Ids {
        self.connected = self.connected.wrapping_add(1).max(1);
        let request = ConnectRequest {
            local_port: self.connected,
            local_addresses: Vec::new(),
            peers: (0..self.wiring.paths).map(|path| PathAddress::to(address(Side::Z, path))).collect(),
            peer_port: PORT,
            config: self.wiring.config.clone(),
        };
        let now = self.now;
        self.sender().connect(now, request).expect("the port is free");
        for host in &mut self.hosts {
            host.newest = None;
        }
        loop {
            self.exchange();
            if let [Some(a), Some(z)] = [self.hosts[0].newest, self.hosts[1].newest] {
                return (a, z);
            }
        }
    }

    /// Aborts an association of A's and forgets it on both sides.
    pub fn end(&mut self, (a, z): Ids) {
        self.sender().release(a);
        self.exchange();
        self.receiver().release(z);
    }

    /// Moves `messages` messages from A to Z, as many at a time as the send buffer takes.
    pub fn transfer(&mut self, ids: Ids, payload: &Bytes, messages: u64) {
        let (mut sent, mut received, mut idle_steps) = (0, 0, 0);
        while received < messages {
            while sent < messages && self.send(ids, payload) {
                sent += 1;
            }
            let before = received;
            self.exchange();
            received += self.read(ids);
            idle_steps = if received > before { 0 } else { idle_steps + 1 };
            assert!(idle_steps < MAX_IDLE_STEPS, "stuck after {received} messages at {:?}", self.now);
        }
    }

    /// Queues one message at A; false if the send buffer is full.
    pub fn send(&mut self, (a, _): Ids, payload: &Bytes) -> bool {
        let now = self.now;
        match self.sender().send(now, a, &SendOptions::default(), payload.clone()) {
            Ok(()) => true,
            Err(SendError::WouldBlock { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Takes all messages that Z has; how many.
    pub fn read(&mut self, (_, z): Ids) -> u64 {
        let now = self.now;
        let mut count = 0;
        while let Some(message) = self.receiver().receive(now, z) {
            drop(message);
            count += 1;
        }
        count
    }

    /// One step: both hosts send what they may, time passes to the next arrival or deadline, and one of
    /// them takes a batch in of what has arrived by then, as drivers do.
    pub fn exchange(&mut self) {
        self.launch(Side::A);
        self.launch(Side::Z);
        self.advance();
        let (mut woken, mut packets) = (None, 0);
        while packets < self.wiring.max_segments
            && let Some(run) = self
                .in_flight
                .pop_front_if(|run| run.arrives <= self.now && woken.is_none_or(|woken| run.to == woken))
        {
            woken = Some(run.to);
            packets += run.bytes.len().div_ceil(run.segment_size);
            self.deliver(run);
        }
        for (host, side) in self.hosts.iter_mut().zip([Side::A, Side::Z]) {
            host.finish_step(self.now, woken == Some(side));
        }
    }

    fn launch(&mut self, from: Side) {
        let host = &mut self.hosts[from as usize];
        let to = if from == Side::A { Side::Z } else { Side::A };
        let arrives = self.now + self.wiring.delay.max(TICK);
        while let Some(transmit) =
            host.endpoint.poll_transmit(self.now, &mut self.buffer, self.wiring.max_segments)
        {
            host.sent.runs += 1;
            host.sent.packets += transmit.len.div_ceil(transmit.segment_size) as u64;
            host.sent.bytes += transmit.len as u64;
            let bytes = self.pool.copy(&self.buffer);
            self.buffer.clear();
            let source = transmit.path.local.unwrap_or(address(from, 0));
            let path = PathAddress { local: Some(transmit.path.remote), ..PathAddress::to(source) };
            self.in_flight.push_back(Run { arrives, to, path, segment_size: transmit.segment_size, bytes });
        }
    }

    /// To the next arrival or deadline.
    fn advance(&mut self) {
        let arrival = self.in_flight.front().map(|run| run.arrives);
        let deadlines = self.hosts.iter().map(|host| host.endpoint.poll_timeout());
        let next = deadlines.chain([arrival]).flatten().min();
        self.now = next.unwrap_or(self.now + TICK).max(self.now);
    }

    fn deliver(&mut self, run: Run) {
        let endpoint = &mut self.hosts[run.to as usize].endpoint;
        let mut rest = run.bytes;
        while !rest.is_empty() {
            let packet = rest.split_to(run.segment_size.min(rest.len()));
            self.carried += 1;
            if self.wiring.loss == 0 || !self.carried.is_multiple_of(self.wiring.loss) {
                endpoint.handle_packet(self.now, run.path, Ecn::NotCapable, packet);
            }
        }
    }
}

impl Host {
    fn finish_step(&mut self, now: Time, woken: bool) {
        if woken {
            self.endpoint.handle_batch_end(now);
        }
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        while let Some((id, event)) = self.endpoint.poll_event() {
            if matches!(event, Event::CommunicationUp { .. }) {
                self.newest = Some(id);
            }
        }
    }
}

fn address(side: Side, path: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, path, side as u8 + 1).into()
}
