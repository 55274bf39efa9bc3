//! Two endpoints, A and Z, and a network between them under virtual time.
//!
//! Each packet is parsed on its way, written down in the trace as `A -> INIT -> Z`, and meets the
//! test's own rule, which may drop it or let it pass twice. After each step the invariants of both
//! endpoints are checked.

use crate::association::{Association, AssociationState};
use crate::config::{AssociationConfig, EndpointConfig};
use crate::endpoint::{ConnectRequest, Endpoint, ListenOptions, ListenerId};
use crate::event::{AssociationId, Event, PathChange};
use crate::message::{Message, SendOptions};
use crate::net::{Ecn, IpMarks, PathAddress, Transmit};
use crate::path::mtu::MtuSearchConfig;
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::chunk::{ChunkType, InitChunk, InitKind, RawChunk};
use crate::wire::param::{ParameterType, Parameters};
use crate::wire::{ChecksumPolicy, CommonHeader, Packet, PacketBuilder};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::VecDeque;

/// Z listens here.
pub(crate) const PORT_Z: u16 = 9;
/// A connects from here.
pub(crate) const PORT_A: u16 = 7_000;
/// One way.
pub(crate) const DELAY: Duration = Duration::from_millis(10);
/// Steps after which a run counts as a live-lock.
const MAX_STEPS: usize = 200_000;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    Z,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        if self == Self::A { Self::Z } else { Self::A }
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    Drop,
    Twice,
    /// A router marks it, if it is capable of that (RFC 3168, 5).
    Mark,
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) from: Side,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) header: CommonHeader,
    pub(crate) chunks: Vec<RawChunk>,
    pub(crate) ecn: Ecn,
    pub(crate) marks: IpMarks,
    pub(crate) bytes: Bytes,
    /// Bytes of the IP packets that it is to be cut into.
    pub(crate) fragment_to: Option<usize>,
    /// The UDP port that it goes to, 0 for plain IP.
    pub(crate) udp_port: u16,
}

impl Hop {
    pub(crate) fn has(&self, chunk_type: ChunkType) -> bool {
        self.chunks.iter().any(|chunk| chunk.chunk_type == chunk_type)
    }
}

pub(crate) struct Host {
    pub(crate) endpoint: Endpoint,
    addresses: Vec<IpAddr>,
    pub(crate) events: Vec<(AssociationId, Event)>,
}

type Rule = Box<dyn FnMut(&Hop) -> Fate>;

pub(crate) struct Pair {
    pub(crate) now: Time,
    pub(crate) a: Host,
    pub(crate) z: Host,
    in_flight: VecDeque<(Time, Hop)>,
    rule: Rule,
    pub(crate) trace: Vec<String>,
    pub(crate) hops: Vec<Hop>,
    /// Packets a driver's call may carry.
    pub(crate) max_segments: usize,
    /// Path MTUs are searched for: off, so that probes stand in no other trace.
    pub(crate) mtu_search: Option<MtuSearchConfig>,
    /// UDP ports that packets of A and Z come from, 0 for plain IP.
    pub(crate) udp_ports: [u16; 2],
    /// A NAT in front of A has this address outside, and lets nothing in that comes to another one.
    pub(crate) outer: Option<IpAddr>,
    /// NATs in front of single addresses of A: what they are inside, and outside, with the UDP port there.
    pub(crate) nats: Vec<(IpAddr, IpAddr, u16)>,
    /// Packets may lack their checksum.
    zero_checksums: bool,
    unchecked: bool,
    /// Times that A was restarted: each life has randomness of its own.
    restarts: u8,
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Host {
    fn new(addresses: Vec<IpAddr>, seed: u8) -> Self {
        let config = EndpointConfig { local_addresses: addresses.clone(), ..EndpointConfig::default() };
        Self { endpoint: Endpoint::new(config, [seed; 32]), addresses, events: Vec::new() }
    }

    /// The only association, or the newest.
    pub(crate) fn id(&self) -> AssociationId {
        self.events.last().expect("an event names the association").0
    }
}

impl Pair {
    /// One address each.
    pub(crate) fn new() -> Self {
        Self::with_addresses(&["10.0.1.1"], &["10.0.1.2"])
    }

    /// Two addresses each, in two networks.
    pub(crate) fn multihomed() -> Self {
        Self::with_addresses(&["10.0.1.1", "10.0.2.1"], &["10.0.1.2", "10.0.2.2"])
    }

    pub(crate) fn with_addresses(a: &[&str], z: &[&str]) -> Self {
        let addresses = |texts: &[&str]| texts.iter().map(|text| ip(text)).collect();
        Self {
            now: Time::from_millis(1_000),
            a: Host::new(addresses(a), 1),
            z: Host::new(addresses(z), 2),
            in_flight: VecDeque::new(),
            rule: Box::new(|_| Fate::Pass),
            trace: Vec::new(),
            hops: Vec::new(),
            max_segments: 8,
            mtu_search: None,
            udp_ports: [0; 2],
            outer: None,
            nats: Vec::new(),
            zero_checksums: false,
            unchecked: false,
            restarts: 0,
        }
    }

    pub(crate) fn host(&mut self, side: Side) -> &mut Host {
        if side == Side::A { &mut self.a } else { &mut self.z }
    }

    pub(crate) fn set_rule(&mut self, rule: impl FnMut(&Hop) -> Fate + 'static) {
        self.rule = Box::new(rule);
    }

    /// Drops the first `count` packets of which `chosen` is true.
    pub(crate) fn drop_first(&mut self, count: usize, chosen: impl Fn(&Hop) -> bool + 'static) {
        let mut left = count;
        self.set_rule(move |hop| {
            if left > 0 && chosen(hop) {
                left -= 1;
                return Fate::Drop;
            }
            Fate::Pass
        });
    }

    pub(crate) fn listen(&mut self, config: AssociationConfig) -> ListenerId {
        let config = AssociationConfig { mtu_search: self.mtu_search, ..config };
        let options = ListenOptions { config, ..ListenOptions::default() };
        self.z.endpoint.listen(PORT_Z, options).unwrap()
    }

    pub(crate) fn connect(&mut self, config: AssociationConfig) -> AssociationId {
        let peers = vec![PathAddress::to(self.z.addresses[0])];
        self.connect_to(Side::A, peers, config)
    }

    pub(crate) fn connect_to(
        &mut self,
        side: Side,
        peers: Vec<PathAddress>,
        config: AssociationConfig,
    ) -> AssociationId {
        let (local_port, peer_port) = if side == Side::A { (PORT_A, PORT_Z) } else { (PORT_Z, PORT_A) };
        let config = AssociationConfig { mtu_search: self.mtu_search, ..config };
        let request = ConnectRequest { local_port, local_addresses: Vec::new(), peers, peer_port, config };
        let now = self.now;
        self.host(side).endpoint.connect(now, request).unwrap()
    }

    /// Both up, with the default parameters. The ids of A and Z.
    pub(crate) fn establish(&mut self) -> (AssociationId, AssociationId) {
        self.establish_with(AssociationConfig::default())
    }

    pub(crate) fn establish_with(&mut self, config: AssociationConfig) -> (AssociationId, AssociationId) {
        self.listen(config.clone());
        let a = self.connect(config);
        self.run_for(Duration::from_millis(200));
        assert_eq!(self.state(Side::A, a), AssociationState::Established);
        let z = self.z.id();
        assert_eq!(self.state(Side::Z, z), AssociationState::Established);
        (a, z)
    }

    pub(crate) fn association(&mut self, side: Side, id: AssociationId) -> &Association {
        self.host(side).endpoint.association(id).expect("the association is not released")
    }

    pub(crate) fn state(&mut self, side: Side, id: AssociationId) -> AssociationState {
        self.association(side, id).state()
    }

    pub(crate) fn send(&mut self, side: Side, id: AssociationId, payload: &[u8]) {
        let (now, payload) = (self.now, Bytes::copy_from_slice(payload));
        self.host(side).endpoint.send(now, id, &SendOptions::default(), payload).unwrap();
    }

    /// All messages that can be read now.
    pub(crate) fn read(&mut self, side: Side, id: AssociationId) -> Vec<Bytes> {
        let now = self.now;
        let endpoint = &mut self.host(side).endpoint;
        core::iter::from_fn(|| endpoint.receive(now, id)).map(Message::into_bytes).collect()
    }

    /// Runs until nothing moves and no timer is due before `duration` is over.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..MAX_STEPS {
            self.drain();
            match self.next_time() {
                Some(next) if next <= end => self.advance(next),
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("live-lock:\n{}", self.trace.join("\n"));
    }

    pub(crate) fn run_secs(&mut self, secs: u64) {
        self.run_for(Duration::from_secs(secs));
    }

    fn next_time(&self) -> Option<Time> {
        let arrival = self.in_flight.front().map(|&(at, _)| at);
        [arrival, self.a.endpoint.poll_timeout(), self.z.endpoint.poll_timeout()].into_iter().flatten().min()
    }

    fn advance(&mut self, next: Time) {
        self.now = self.now.max(next);
        while let Some((_, hop)) = self.in_flight.pop_front_if(|(at, _)| *at <= self.now) {
            self.deliver(&hop);
        }
        let now = self.now;
        for side in [Side::A, Side::Z] {
            let endpoint = &mut self.host(side).endpoint;
            endpoint.handle_batch_end(now);
            if endpoint.poll_timeout().is_some_and(|at| at <= now) {
                endpoint.handle_timeout(now);
            }
        }
    }

    pub(crate) fn deliver(&mut self, hop: &Hop) {
        self.inject_marked(hop.from.other(), hop.source, hop.destination, hop.ecn, hop.bytes.clone());
    }

    /// A datagram arrives at `side` now.
    pub(crate) fn inject(&mut self, side: Side, source: IpAddr, destination: IpAddr, bytes: Bytes) {
        self.inject_marked(side, source, destination, Ecn::NotCapable, bytes);
    }

    pub(crate) fn inject_marked(
        &mut self,
        side: Side,
        source: IpAddr,
        destination: IpAddr,
        ecn: Ecn,
        bytes: Bytes,
    ) {
        let now = self.now;
        let nat = self.nats.iter().find(|nat| side == Side::Z && nat.1 == source);
        let remote_udp_port = nat.map_or(self.udp_ports[side.other() as usize], |nat| nat.2);
        let path = PathAddress { local: Some(destination), remote: source, remote_udp_port };
        self.host(side).endpoint.handle_packet(now, path, ecn, bytes);
        self.check();
    }

    /// A hand-made packet of the other side arrives at `side` now, from its first address.
    pub(crate) fn forge(&mut self, side: Side, verification_tag: u32, chunks: &[RawChunk]) {
        let header = header_to(side, verification_tag);
        let bytes = packet(header, chunks);
        let (source, destination) = (self.address(side.other()), self.address(side));
        self.inject(side, source, destination, bytes);
    }

    pub(crate) fn address(&mut self, side: Side) -> IpAddr {
        self.host(side).addresses[0]
    }

    /// As [`run_for`](Self::run_for), without a look at the invariants of thousands after each step.
    pub(crate) fn run_unchecked(&mut self, duration: Duration) {
        self.unchecked = true;
        self.run_for(duration);
        self.unchecked = false;
    }

    /// One call of `poll_transmit`.
    pub(crate) fn transmit_once(&mut self, side: Side, max_segments: usize) {
        let (now, mut buffer) = (self.now, Vec::new());
        if let Some(transmit) = self.host(side).endpoint.poll_transmit(now, &mut buffer, max_segments) {
            for segment in buffer.chunks(transmit.segment_size) {
                self.launch(side, &transmit, Bytes::copy_from_slice(segment));
            }
        }
    }

    /// The next packet arrives, early or late.
    pub(crate) fn deliver_one(&mut self) {
        if let Some((_, hop)) = self.in_flight.pop_front() {
            self.deliver(&hop);
        }
    }

    /// Takes all packets and events out of both endpoints.
    pub(crate) fn drain(&mut self) {
        for side in [Side::A, Side::Z] {
            let mut buffer = Vec::new();
            let (now, max_segments) = (self.now, self.max_segments);
            loop {
                buffer.clear();
                let Some(transmit) = self.host(side).endpoint.poll_transmit(now, &mut buffer, max_segments)
                else {
                    break;
                };
                assert_eq!(transmit.len, buffer.len());
                assert!(buffer.len().div_ceil(transmit.segment_size) <= max_segments);
                for segment in buffer.chunks(transmit.segment_size) {
                    self.launch(side, &transmit, Bytes::copy_from_slice(segment));
                }
            }
            let host = self.host(side);
            while let Some(event) = host.endpoint.poll_event() {
                host.events.push(event);
            }
        }
        self.check();
    }

    fn launch(&mut self, from: Side, transmit: &Transmit, bytes: Bytes) {
        let (path, ecn, marks) = (transmit.path, transmit.ecn, transmit.marks);
        let policy = if self.zero_checksums { ChecksumPolicy::Verified } else { ChecksumPolicy::Crc32c };
        let packet = Packet::parse(bytes.clone(), policy).expect("we send valid packets");
        let chunks: Vec<_> = packet.chunks().map(|chunk| chunk.expect("we send valid chunks")).collect();
        let same_network = |address: &&IpAddr| address.to_string()[..6] == path.remote.to_string()[..6];
        let source = path.local.or_else(|| self.host(from).addresses.iter().find(same_network).copied());
        let source = source.unwrap_or_else(|| self.address(from));
        let (destination, header) = (transmit.path.remote, packet.header);
        let fragment_to = transmit.fragment_to;
        let udp_port = path.remote_udp_port;
        let mut hop =
            Hop { from, source, destination, header, chunks, ecn, marks, bytes, fragment_to, udp_port };
        let fate = if self.translate(&mut hop) { (self.rule)(&hop) } else { Fate::Drop };
        self.write_down(&hop, fate);
        let copies = match fate {
            Fate::Pass | Fate::Mark => 1,
            Fate::Drop => 0,
            Fate::Twice => 2,
        };
        if fate == Fate::Mark && hop.ecn == Ecn::Ect0 {
            hop.ecn = Ecn::CongestionExperienced;
        }
        for _ in 0..copies {
            self.in_flight.push_back((self.now + DELAY, hop.clone()));
        }
        self.hops.push(hop);
    }

    /// What the NAT does; false if it does not let the packet through.
    fn translate(&mut self, hop: &mut Hop) -> bool {
        if !self.nats.is_empty() {
            return self.translate_one(hop);
        }
        let Some(outer) = self.outer else { return true };
        let inner = self.address(Side::A);
        match hop.from {
            Side::A => hop.source = outer,
            Side::Z if hop.destination != outer => return false,
            Side::Z => hop.destination = inner,
        }
        true
    }

    fn translate_one(&self, hop: &mut Hop) -> bool {
        let is_it = |nat: &&(IpAddr, IpAddr, u16)| match hop.from {
            Side::A => nat.0 == hop.source,
            Side::Z => (nat.1, nat.2) == (hop.destination, hop.udp_port),
        };
        let Some(&(inside, outside, _)) = self.nats.iter().find(is_it) else { return false };
        match hop.from {
            Side::A => hop.source = outside,
            Side::Z => hop.destination = inside,
        }
        true
    }

    fn write_down(&mut self, hop: &Hop, fate: Fate) {
        let names: Vec<_> = hop.chunks.iter().map(|chunk| chunk.chunk_type.to_string()).collect();
        let lost = if fate == Fate::Drop { " /lost/" } else { "" };
        self.trace.push(format!("{:?} -> {}{lost} -> {:?}", hop.from, names.join("+"), hop.from.other()));
    }

    /// The trace so far; the next call begins behind it.
    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        core::mem::take(&mut self.trace)
    }

    fn check(&self) {
        if self.unchecked {
            return;
        }
        self.a.endpoint.check_invariants();
        self.z.endpoint.check_invariants();
    }

    /// The events of `side` so far, as short texts, without those that only wake the reader.
    pub(crate) fn events(&mut self, side: Side) -> Vec<String> {
        let events = core::mem::take(&mut self.host(side).events);
        events.into_iter().map(|(_, event)| short(&event)).filter(|text| !text.is_empty()).collect()
    }
}

fn short(event: &Event) -> String {
    match event {
        Event::CommunicationUp { .. } => "up".into(),
        Event::CommunicationLost { reason } => format!("lost: {reason:?}"),
        Event::PathChanged { address, change: PathChange::Available(_) } => {
            format!("{} Available", address.remote)
        }
        Event::PathChanged { address, change } => format!("{} {change:?}", address.remote),
        Event::RemoteError { cause, .. } => format!("error {cause}"),
        Event::SendFailed(failure) => format!("failed {}", failure.context),
        Event::Readable | Event::Writable | Event::SenderDry => String::new(),
        other => format!("{other:?}"),
    }
}

/// The bytes of a packet.
pub(crate) fn packet(header: CommonHeader, chunks: &[RawChunk]) -> Bytes {
    let mut buffer = Vec::new();
    let mut builder = PacketBuilder::new(&mut buffer, header, 65_535);
    chunks.iter().for_each(|chunk| builder.push(chunk).unwrap());
    builder.finish();
    buffer.into()
}

/// A chunk made by hand.
pub(crate) fn chunk(chunk_type: ChunkType, flags: u8, value: &[u8]) -> RawChunk {
    RawChunk { chunk_type, flags, value: Bytes::copy_from_slice(value) }
}

/// An INIT of the peer's with this initiate tag, and addresses listed.
pub(crate) fn init(initiate_tag: u32, addresses: &[&str]) -> RawChunk {
    let addresses = addresses.iter().map(|address| crate::association::address_parameter(ip(address)));
    crate::association::to_raw(&InitChunk {
        kind: InitKind::Init,
        initiate_tag,
        a_rwnd: 100_000,
        outbound_streams: 5,
        inbound_streams: 5,
        initial_tsn: Tsn(u32::MAX - 1),
        parameters: Parameters::from_iter(addresses),
    })
}

impl Pair {
    /// The cookie, and the tag that goes with it, in the last INIT ACK on the wire.
    pub(crate) fn last_cookie(&self) -> (RawChunk, u32) {
        let mut acks = self.hops.iter().flat_map(|hop| &hop.chunks);
        let ack = acks.rfind(|chunk| chunk.chunk_type == ChunkType::INIT_ACK).expect("an INIT ACK");
        let ack = InitChunk::parse(ack).unwrap();
        let cookie = ack.parameters.find(ParameterType::STATE_COOKIE).expect("a cookie").value;
        (RawChunk { chunk_type: ChunkType::COOKIE_ECHO, flags: 0, value: cookie }, ack.initiate_tag)
    }

    /// An INIT with this tag arrives at `side`; the COOKIE ECHO that would follow, and its packet's tag.
    pub(crate) fn cookie_for(&mut self, side: Side, initiate_tag: u32) -> (RawChunk, u32) {
        self.forge(side, 0, &[init(initiate_tag, &[])]);
        self.drain();
        self.last_cookie()
    }

    /// What is on its way is lost.
    pub(crate) fn drop_in_flight(&mut self) {
        self.in_flight.clear();
    }

    /// What is on its way, which does not arrive by itself any more.
    pub(crate) fn take_in_flight(&mut self) -> Vec<Hop> {
        core::mem::take(&mut self.in_flight).into_iter().map(|(_, hop)| hop).collect()
    }

    /// Makes Z anew, with cookies that live so long. To be called first.
    pub(crate) fn set_cookie_life(&mut self, valid_cookie_life: Duration) {
        let local_addresses = self.z.addresses.clone();
        let config = EndpointConfig { local_addresses, valid_cookie_life, ..EndpointConfig::default() };
        self.z.endpoint = Endpoint::new(config, [2; 32]);
    }

    /// Makes both anew, over a layer that finds damage by itself where that is true of A and of Z. To be called first.
    pub(crate) fn set_error_detection(&mut self, sides: [bool; 2]) {
        self.zero_checksums = true;
        for (side, alternate_error_detection) in [Side::A, Side::Z].into_iter().zip(sides) {
            let local_addresses = self.host(side).addresses.clone();
            let config =
                EndpointConfig { local_addresses, alternate_error_detection, ..EndpointConfig::default() };
            self.host(side).endpoint = Endpoint::new(config, [1 + side as u8; 32]);
        }
    }

    /// A crashes and comes back without memory, with these addresses.
    pub(crate) fn restart_a(&mut self, addresses: &[&str]) {
        self.a = Host::new(addresses.iter().map(|text| ip(text)).collect(), 3 + self.restarts);
        self.restarts += 1;
    }
}

/// The common header of a packet of the other side to `side`.
pub(crate) fn header_to(side: Side, verification_tag: u32) -> CommonHeader {
    let (source_port, destination_port) = if side == Side::Z { (PORT_A, PORT_Z) } else { (PORT_Z, PORT_A) };
    CommonHeader { source_port, destination_port, verification_tag }
}
