//! Two endpoints and a faulty network, driven by arbitrary commands. Whatever happens: of each stream, what is read is a
//! beginning of what was sent, in order; and once the network is good again everything arrives, or the association is
//! reported lost.

use crate::pair::{Flying, Host, Pair};
use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use sctp_core::association::AssociationState;
use sctp_core::config::AssociationConfig;
use sctp_core::endpoint::{Endpoint, UnreachableKind};
use sctp_core::event::{AssociationId, Event};
use sctp_core::message::SendOptions;
use sctp_core::net::PathAddress;
use sctp_core::time::Time;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// Streams that are used.
const STREAMS: usize = 3;
/// Commands of one input at most.
const MAX_COMMANDS: usize = 200;
/// Deadlines until all must have come, the network being good.
const MAX_DEADLINES: usize = 20_000;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Command {
    Send { side: bool, stream: u8, len: u16, unordered: bool },
    Read { side: bool, messages: u8 },
    Deliver { which: u8 },
    Drop { which: u8 },
    Duplicate { which: u8 },
    Wait { millis: u16 },
    Deadline,
    Beat { side: bool, address: bool },
    SetPrimary { side: bool, address: bool },
    Unreachable { which: u8, kind: u8 },
    Shutdown { side: bool },
}

/// One direction's books: what is on its way in each stream, ordered and unordered.
#[derive(Default)]
struct Books {
    ordered: [VecDeque<Bytes>; STREAMS],
    unordered: Vec<Bytes>,
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
}

impl Run {
    fn new(input: &mut Unstructured<'_>) -> Self {
        let mut config = |_| AssociationConfig {
            receive_buffer: 3_000 + usize::from(u16::arbitrary(input).unwrap_or(0)),
            send_buffer: 100_000,
            max_message_size: 3_000,
            no_delay: bool::arbitrary(input).unwrap_or(false),
            max_burst: u32::from(u8::arbitrary(input).unwrap_or(4) % 9),
            ..AssociationConfig::default()
        };
        let (client, server) = (config(0), config(1));
        let mut pair = Pair::new();
        pair.listen(1, server);
        pair.connect(0, client);
        pair.exchange();
        Self { pair, books: Default::default(), number: 0 }
    }

    fn apply(&mut self, command: Command) {
        match command {
            Command::Send { side, stream, len, unordered } => self.send(side.into(), stream, len, unordered),
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
            Command::Beat { side, address } => self.on_path(side, address, |endpoint, now, id, to| {
                _ = endpoint.request_heartbeat(now, id, to);
            }),
            Command::SetPrimary { side, address } => self.on_path(side, address, |endpoint, _, id, to| {
                _ = endpoint.set_primary(id, to);
            }),
            Command::Unreachable { which, kind } => self.unreachable(which, kind),
            Command::Shutdown { side } => {
                let host = &mut self.pair.hosts[usize::from(side)];
                if let Some(id) = host.id {
                    _ = host.endpoint.shutdown(self.pair.now, id);
                }
            }
        }
        self.pair.drain();
    }

    /// Sends a message, unless the endpoint has no room or is at its end.
    fn send(&mut self, side: usize, stream: u8, len: u16, unordered: bool) {
        let Some(id) = self.pair.hosts[side].id else { return };
        self.number += 1;
        let mut payload = self.number.to_be_bytes().to_vec();
        payload.resize(4 + usize::from(len % 2_900), self.number as u8);
        let payload = Bytes::from(payload);
        let stream = usize::from(stream) % STREAMS;
        let options = SendOptions { stream_id: stream as u16, unordered, ..SendOptions::default() };
        if self.pair.hosts[side].endpoint.send(self.pair.now, id, &options, payload.clone()).is_ok() {
            match unordered {
                true => self.books[side].unordered.push(payload),
                false => self.books[side].ordered[stream].push_back(payload),
            }
        }
    }

    fn read(&mut self, side: usize, messages: usize) {
        let host = &mut self.pair.hosts[side];
        let (Some(id), books) = (host.id, &mut self.books[1 - side]) else { return };
        for _ in 0..messages {
            let Some(message) = host.endpoint.receive(self.pair.now, id) else { break };
            let (stream, unordered) = (usize::from(message.stream_id), message.unordered);
            let payload = message.into_bytes();
            if unordered {
                let at = books.unordered.iter().position(|sent| *sent == payload);
                books.unordered.swap_remove(at.expect("what is read was sent, and not read before"));
            } else {
                let next = books.ordered.get_mut(stream).and_then(VecDeque::pop_front);
                assert_eq!(next, Some(payload), "the next message of stream {stream}");
            }
        }
    }

    /// Takes a packet off the network.
    fn take(&mut self, which: u8) -> Option<Flying> {
        let count = self.pair.flying.len().max(1);
        self.pair.flying.remove(usize::from(which) % count)
    }

    fn on_path(
        &mut self,
        side: bool,
        address: bool,
        act: impl FnOnce(&mut Endpoint, Time, AssociationId, IpAddr),
    ) {
        let to = self.pair.hosts[usize::from(!side)].addresses[usize::from(address)];
        let host = &mut self.pair.hosts[usize::from(side)];
        if let Some(id) = host.id {
            act(&mut host.endpoint, self.pair.now, id, to);
        }
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
            self.pair.drain();
            if self.pair.flying.is_empty() && (self.is_settled() || !self.pair.advance()) {
                break;
            }
        }
        assert!(self.is_settled(), "the network is good, and something is still on its way");
    }

    /// Everything that was sent was read, or the association was lost and said so.
    fn is_settled(&self) -> bool {
        let lost =
            |host: &Host| host.events.iter().any(|event| matches!(event, Event::CommunicationLost { .. }));
        let empty =
            |books: &Books| books.unordered.is_empty() && books.ordered.iter().all(VecDeque::is_empty);
        let closed = (0..2).any(|side| self.pair.state(side) == Some(AssociationState::Closed));
        self.books.iter().all(empty) || (closed && self.pair.hosts.iter().any(lost))
    }
}
