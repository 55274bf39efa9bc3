//! Two endpoints and a faulty network, driven by arbitrary commands, with any extensions. Whatever happens: of each
//! stream, what is read is a beginning of what was sent, in order, but for messages that might be given up; once the network
//! is good again everything arrives or has failed, or the association is reported lost; and neither side blames the other.

use crate::books::{Books, STREAMS};
use crate::pair::{Flying, Pair, extensions_of};
use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use sctp_core::association::AssociationState;
use sctp_core::config::{AssociationConfig, ReconfigPermissions, StreamScheduler};
use sctp_core::endpoint::{Endpoint, ResetDirections, UnreachableKind};
use sctp_core::event::{AssociationId, Event, LossReason};
use sctp_core::message::SendOptions;
use sctp_core::net::PathAddress;
use sctp_core::reliability::Reliability;
use sctp_core::time::Time;
use sctp_core::wire::chunk::ChunkType;
use std::net::IpAddr;
use std::time::Duration;

/// Commands of one input at most.
const MAX_COMMANDS: usize = 200;
/// Deadlines until all must have come, the network being good.
const MAX_DEADLINES: usize = 20_000;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Command {
    Send { side: bool, stream: u8, len: u16, unordered: bool, policy: u8, limit: u8 },
    Read { side: bool, messages: u8 },
    Deliver { which: u8 },
    Drop { which: u8 },
    Duplicate { which: u8 },
    Wait { millis: u16 },
    Deadline,
    Beat { side: bool, address: bool },
    SetPrimary { side: bool, address: bool },
    Unreachable { which: u8, kind: u8 },
    Shutdown { side: bool, sure: u8 },
    ResetStreams { side: bool, directions: u8, streams: u8 },
    ResetAssociation { side: bool },
    AddStreams { side: bool, outbound: u8, inbound: u8 },
    AddAddress { side: bool, address: bool },
    RemoveAddress { side: bool, address: bool },
    PreferAddress { side: bool, address: bool },
    ChangeKey { side: bool, key: u8 },
}

/// Runs the commands that `data` holds. Panics if a promise breaks.
pub fn two_endpoints(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut run = Run::new(&mut input);
    for _ in 0..MAX_COMMANDS {
        let Ok(command) = Command::arbitrary(&mut input) else { break };
        run.apply(command);
        if input.is_empty() {
            break;
        }
    }
    run.finish();
}

struct Run {
    pair: Pair,
    /// What host 0 and host 1 sent and the other has not read.
    books: [Books; 2],
    number: u32,
    lost: bool,
}

impl Run {
    fn new(input: &mut Unstructured<'_>) -> Self {
        let (client, server) = (config(input), config(input));
        let mut pair = Pair::new();
        pair.listen(1, server);
        pair.connect(0, client);
        pair.exchange();
        let mut run = Self { pair, books: Default::default(), number: 0, lost: false };
        run.drain();
        run
    }

    fn apply(&mut self, command: Command) {
        match command {
            Command::Send { side, stream, len, unordered, policy, limit } => {
                self.send(side.into(), stream, len, unordered, reliability(policy, limit));
            }
            Command::Read { side, messages } => self.read(side.into(), messages.into()),
            Command::Deliver { which } => {
                if let Some(packet) = self.take(which) {
                    self.pair.deliver(packet);
                    self.pair.end_batch();
                }
            }
            Command::Drop { which } => _ = self.take(which),
            Command::Duplicate { which } => {
                let copy = self.take(which);
                self.pair.flying.extend(copy.into_iter().flat_map(|packet| [packet.clone(), packet]));
            }
            Command::Wait { millis } => {
                self.pair.now += Duration::from_millis(u64::from(millis));
                self.pair.end_batch();
            }
            Command::Deadline => _ = self.pair.advance(),
            Command::Unreachable { which, kind } => self.unreachable(which, kind),
            other => self.ask(other),
        }
        self.drain();
    }

    /// What an application asks of its association, granted or not.
    fn ask(&mut self, command: Command) {
        match command {
            Command::Beat { side, address } => self.on_path(side, address, |endpoint, now, id, to| {
                _ = endpoint.request_heartbeat(now, id, to);
            }),
            Command::SetPrimary { side, address } => self.on_path(side, address, |endpoint, _, id, to| {
                _ = endpoint.set_primary(id, to);
            }),
            Command::Shutdown { side, sure: 0..32 } => self.on(side, |endpoint, now, id| {
                _ = endpoint.shutdown(now, id);
            }),
            Command::ResetStreams { side, directions, streams } => self.on(side, |endpoint, now, id| {
                let directions =
                    ResetDirections { outgoing: directions & 1 != 0, incoming: directions & 2 != 0 };
                let listed: Vec<u16> = (0..4).filter(|stream| streams >> stream & 1 != 0).collect();
                _ = endpoint.reset_streams(now, id, directions, &listed);
            }),
            Command::ResetAssociation { side } => self.on(side, |endpoint, now, id| {
                _ = endpoint.reset_association(now, id);
            }),
            Command::AddStreams { side, outbound, inbound } => self.on(side, |endpoint, now, id| {
                _ = endpoint.add_streams(now, id, (outbound % 4).into(), (inbound % 4).into());
            }),
            Command::AddAddress { side, address } => self.on_own(side, address, |endpoint, now, id, own| {
                _ = endpoint.add_local_address(now, id, own);
            }),
            Command::RemoveAddress { side, address } => {
                self.on_own(side, address, |endpoint, now, id, own| {
                    _ = endpoint.remove_local_address(now, id, own);
                })
            }
            Command::PreferAddress { side, address } => {
                self.on_own(side, address, |endpoint, now, id, own| {
                    _ = endpoint.set_peer_primary(now, id, own);
                })
            }
            Command::ChangeKey { side, key } => self.change_key(side, u16::from(key % 3)),
            _ => {}
        }
    }

    /// Both sides learn a key, then one of them begins to use it.
    fn change_key(&mut self, side: bool, key: u16) {
        for host in [!side, side] {
            self.on(host, |endpoint, _, id| {
                _ = endpoint.change_keys(id, |keys| {
                    keys.set(key, Bytes::from(vec![key as u8; 5]))?;
                    if host == side { keys.activate(key) } else { Ok(()) }
                });
            });
        }
    }

    /// Takes packets and events out of both.
    fn drain(&mut self) {
        self.pair.drain();
        for side in 0..2 {
            for event in std::mem::take(&mut self.pair.hosts[side].events) {
                match event {
                    Event::SendFailed(failure) => self.books[side].failed(&failure),
                    Event::PartialDeliveryAborted(aborted) => {
                        self.books[1 - side].ends_early(aborted.stream_id, aborted.unordered, aborted.mid.0);
                    }
                    Event::CommunicationLost { reason } => {
                        let blamed = matches!(reason, LossReason::ProtocolError { .. });
                        assert!(!blamed, "both keep to the protocol: {reason:?}");
                        self.lost = true;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Sends a message, unless the endpoint has no room or is at its end.
    fn send(&mut self, side: usize, stream: u8, len: u16, unordered: bool, reliability: Reliability) {
        let Some(id) = self.pair.hosts[side].id else { return };
        self.number += 1;
        let number = self.number;
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(4 + usize::from(len % 2_900), number as u8);
        let payload = Bytes::from(payload);
        let stream = usize::from(stream) % STREAMS;
        let options = SendOptions {
            stream_id: stream as u16,
            unordered,
            context: number,
            reliability: Some(reliability),
            ..SendOptions::default()
        };
        if self.pair.hosts[side].endpoint.send(self.pair.now, id, &options, payload.clone()).is_ok() {
            self.books[side].sent(number, stream, unordered, reliability != Reliability::Full, payload);
        }
    }

    fn read(&mut self, side: usize, messages: usize) {
        let host = &mut self.pair.hosts[side];
        let (Some(id), books) = (host.id, &mut self.books[1 - side]) else { return };
        for _ in 0..messages {
            let Some(message) = host.endpoint.receive(self.pair.now, id) else { break };
            books.read(message);
        }
    }

    /// Takes a packet off the network.
    fn take(&mut self, which: u8) -> Option<Flying> {
        let count = self.pair.flying.len().max(1);
        self.pair.flying.remove(usize::from(which) % count)
    }

    fn on(&mut self, side: bool, act: impl FnOnce(&mut Endpoint, Time, AssociationId)) {
        let host = &mut self.pair.hosts[usize::from(side)];
        if let Some(id) = host.id {
            act(&mut host.endpoint, self.pair.now, id);
        }
    }

    /// With an address of the other side.
    fn on_path(
        &mut self,
        side: bool,
        address: bool,
        act: impl FnOnce(&mut Endpoint, Time, AssociationId, IpAddr),
    ) {
        let to = self.pair.hosts[usize::from(!side)].addresses[usize::from(address)];
        self.on(side, |endpoint, now, id| act(endpoint, now, id, to));
    }

    /// With an address of its own.
    fn on_own(
        &mut self,
        side: bool,
        address: bool,
        act: impl FnOnce(&mut Endpoint, Time, AssociationId, IpAddr),
    ) {
        let own = self.pair.hosts[usize::from(side)].addresses[usize::from(address)];
        self.on(side, |endpoint, now, id| act(endpoint, now, id, own));
    }

    /// An ICMP message about a packet on its way. "Protocol unreachable" would end the association.
    fn unreachable(&mut self, which: u8, kind: u8) {
        let Some(packet) = self.take(which) else { return };
        let kind = match kind % 3 {
            0 => UnreachableKind::Destination,
            1 => UnreachableKind::Port,
            _ => UnreachableKind::PacketTooBig { mtu: 576 + u32::from(kind) },
        };
        let (Some(to), from) = (packet.path.local, packet.path.remote) else { return };
        let path = PathAddress { local: Some(from), remote: to, remote_udp_port: 0 };
        let sender = &mut self.pair.hosts[1 - packet.to].endpoint;
        sender.handle_unreachable(self.pair.now, path, kind, &packet.bytes);
    }

    /// The network is good from now on, and both read all.
    fn finish(mut self) {
        for _ in 0..MAX_DEADLINES {
            self.pair.exchange();
            (0..2).for_each(|side| self.read(side, usize::MAX));
            self.drain();
            if self.pair.flying.is_empty() && (self.is_settled() || !self.pair.advance()) {
                break;
            }
        }
        assert!(self.is_settled(), "the network is good, and something is still on its way");
    }

    /// Everything that was sent was read or has failed, or the association was lost and said so.
    fn is_settled(&self) -> bool {
        let closed = (0..2).any(|side| self.pair.state(side) == Some(AssociationState::Closed));
        self.books.iter().all(Books::balance) || (closed && self.lost)
    }
}

fn config(input: &mut Unstructured<'_>) -> AssociationConfig {
    let mut byte = || u8::arbitrary(input).unwrap_or(0);
    let extensions = extensions_of(byte());
    let listed =
        [ChunkType::DATA, ChunkType::I_DATA, ChunkType::SACK, ChunkType::RE_CONFIG, ChunkType::SHUTDOWN];
    let mut config = AssociationConfig {
        // Where messages are interleaved, one of each kind and stream may be half there.
        receive_buffer: if extensions.interleaving { 40_000 } else { 3_000 } + 256 * usize::from(byte()),
        send_buffer: 100_000,
        max_message_size: 3_000,
        no_delay: byte() & 1 != 0,
        max_burst: u32::from(byte() % 9),
        extensions,
        scheduler: StreamScheduler::ALL[usize::from(byte()) % StreamScheduler::ALL.len()],
        reconfig_permissions: ReconfigPermissions {
            reset_streams: true,
            reset_association: true,
            add_streams: true,
        },
        ..AssociationConfig::default()
    };
    let demands = byte();
    config.partial_delivery_point = (demands & 64 != 0).then_some(500);
    config.auth.chunks =
        (0..).zip(listed).filter(|(bit, _)| demands >> bit & 1 != 0).map(|(_, one)| one).collect();
    config
}

/// Half of the messages must arrive.
fn reliability(policy: u8, limit: u8) -> Reliability {
    match policy % 6 {
        0 => Reliability::Timed(Duration::from_millis(10 * u64::from(limit))),
        1 => Reliability::Retransmissions((limit % 4).into()),
        2 => Reliability::Priority((limit % 4).into()),
        _ => Reliability::Full,
    }
}
