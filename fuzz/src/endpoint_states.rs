//! Packets of any kind to an endpoint in each of its states, after a handshake in good order.
//!
//! The input: a byte for the state, one for the extensions, then packets. A packet begins with a byte that says where it
//! comes from, which tag it has and how many chunks; a chunk is type, flags, length and value. So that a
//! fuzzer need not guess numbers of 32 bits, TSNs are relative to the ones in use, and an empty COOKIE ECHO or HEARTBEAT
//! ACK is filled with what the endpoint itself sent last.

use crate::pair::{Flying, PORTS, Pair};
use bytes::Bytes;
use sctp_core::association::AssociationState;
use sctp_core::config::AssociationConfig;
use sctp_core::extensions::Extensions;
use sctp_core::message::SendOptions;
use sctp_core::net::PathAddress;
use sctp_core::wire::chunk::{ChunkType, InitChunk, RawChunk};
use sctp_core::wire::param::ParameterType;
use sctp_core::wire::{ChecksumPolicy, CommonHeader, Packet, PacketBuilder};
use std::net::IpAddr;

/// Who is attacked, and who helped to bring it there.
const TARGET: usize = 1;
const HELPER: usize = 0;

/// Timers that may expire until an association whose peer is silent has ended.
const MAX_EXPIRIES: usize = 3_000;

/// What the packets of the handshake told.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The target's tag, and the peer's.
    tags: [u32; 2],
    /// The initial TSNs of the target and of the peer.
    tsns: [u32; 2],
    cookie: Bytes,
    heartbeat: Bytes,
}

/// Brings an endpoint into a state and feeds it. Panics if an invariant breaks.
pub fn endpoint_states(data: &[u8]) {
    let [state, extensions, packets @ ..] = data else { return };
    let config = AssociationConfig {
        receive_buffer: 20_000,
        max_message_size: 10_000,
        extensions: extensions_of(*extensions),
        ..AssociationConfig::default()
    };
    let mut known = Known::default();
    let mut pair = bring_to(*state, &config, &mut known);
    pair.flying.clear();
    let mut rest = packets;
    while let Some(packet) = next_packet(&mut rest, &known) {
        pair.deliver(packet);
        pair.end_batch();
        listen_in(&pair, &mut known);
        pair.flying.clear();
        read_all(&mut pair);
    }
    outlive_the_silence(&mut pair);
}

/// Each bit switches one on.
fn extensions_of(bits: u8) -> Extensions {
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

/// The target in the state that `number` names.
fn bring_to(number: u8, config: &AssociationConfig, known: &mut Known) -> Pair {
    let mut pair = Pair::new();
    let target_connects = matches!(number % 8, 1 | 2);
    let listener = if target_connects { HELPER } else { TARGET };
    pair.listen(listener, config.clone());
    if number.is_multiple_of(8) {
        return pair;
    }
    pair.connect(1 - listener, config.clone());
    listen_in(&pair, known);
    // INIT; INIT ACK; COOKIE ECHO; COOKIE ACK and what follows.
    let packets_let_through = match number % 8 {
        1 => 0,
        2 => 2,
        _ => 100,
    };
    for _ in 0..packets_let_through {
        let Some(packet) = pair.flying.pop_front() else { break };
        pair.deliver(packet);
        pair.end_batch();
        listen_in(&pair, known);
    }
    end_partly(&mut pair, number % 8);
    pair
}

/// Moves an established association on towards its end.
fn end_partly(pair: &mut Pair, number: u8) {
    let (Some(helper), Some(target)) = (pair.hosts[HELPER].id, pair.hosts[TARGET].id) else { return };
    let now = pair.now;
    if matches!(number, 4 | 6) {
        // What is never acknowledged keeps SHUTDOWN waiting.
        let payload = Bytes::from_static(&[7; 3_000]);
        pair.hosts[TARGET]
            .endpoint
            .send(now, target, &SendOptions::default(), payload)
            .expect("there is room");
        pair.drain();
        pair.flying.clear();
    }
    if matches!(number, 4 | 5) {
        pair.hosts[TARGET].endpoint.shutdown(now, target).expect("it is up");
    }
    if matches!(number, 6 | 7) {
        pair.hosts[HELPER].endpoint.shutdown(now, helper).expect("it is up");
        pair.drain();
        while let Some(packet) = pair.flying.pop_front().filter(|packet| packet.to == TARGET) {
            pair.deliver(packet);
        }
    }
    pair.drain();
    let expected = match number {
        3 => AssociationState::Established,
        4 => AssociationState::ShutdownPending,
        5 => AssociationState::ShutdownSent,
        6 => AssociationState::ShutdownReceived,
        7 => AssociationState::ShutdownAckSent,
        _ => return,
    };
    assert_eq!(pair.state(TARGET), Some(expected));
}

/// Learns from what is on its way.
fn listen_in(pair: &Pair, known: &mut Known) {
    for flying in &pair.flying {
        let Ok(packet) = Packet::parse(flying.bytes.clone(), ChecksumPolicy::Verified) else { continue };
        let sender = usize::from(flying.to == TARGET);
        for chunk in packet.chunks().map_while(Result::ok) {
            learn(&chunk, sender, known);
        }
    }
}

/// `sender`: 0 for the target, 1 for its peer.
fn learn(chunk: &RawChunk, sender: usize, known: &mut Known) {
    match chunk.chunk_type {
        ChunkType::INIT | ChunkType::INIT_ACK => {
            let Ok(init) = InitChunk::parse(chunk) else { return };
            (known.tags[sender], known.tsns[sender]) = (init.initiate_tag, init.initial_tsn.0);
            if let Some(cookie) = init.parameters.find(ParameterType::STATE_COOKIE) {
                known.cookie = cookie.value;
            }
        }
        ChunkType::HEARTBEAT if sender == 0 => known.heartbeat = chunk.value.clone(),
        _ => {}
    }
}

/// The next packet of the input.
fn next_packet(rest: &mut &[u8], known: &Known) -> Option<Flying> {
    let (&head, tail) = rest.split_first()?;
    *rest = tail;
    let verification_tag = match head & 7 {
        0..=4 => known.tags[0],
        5 => known.tags[1],
        6 => 0,
        _ => 0x1234_5678,
    };
    let header =
        CommonHeader { source_port: PORTS[HELPER], destination_port: PORTS[TARGET], verification_tag };
    let mut bytes = Vec::new();
    let mut builder = PacketBuilder::new(&mut bytes, header, 65_000);
    for _ in 0..=(head >> 3 & 3) {
        let Some(chunk) = next_chunk(rest, known) else { break };
        if builder.push(&chunk).is_err() {
            break;
        }
    }
    builder.finish_with_zero_checksum();
    let source: IpAddr = match head >> 5 {
        0..=4 => [10, 0, 1, 1].into(),
        5 | 6 => [10, 0, 2, 1].into(),
        _ => [10, 0, 3, 9].into(),
    };
    let path = PathAddress { local: Some([10, 0, 1, 2].into()), remote: source, remote_udp_port: 0 };
    Some(Flying { to: TARGET, path, bytes: bytes.into() })
}

fn next_chunk(rest: &mut &[u8], known: &Known) -> Option<RawChunk> {
    let ([chunk_type, flags, len], tail) = rest.split_first_chunk()?;
    let (value, tail) = tail.split_at(usize::from(*len).min(tail.len()));
    *rest = tail;
    let chunk_type = ChunkType(*chunk_type);
    let value = match chunk_type {
        ChunkType::COOKIE_ECHO if value.is_empty() => known.cookie.clone(),
        ChunkType::HEARTBEAT_ACK if value.is_empty() => known.heartbeat.clone(),
        // The peer counts these with its own TSNs …
        ChunkType::DATA | ChunkType::I_DATA | ChunkType::FORWARD_TSN | ChunkType::I_FORWARD_TSN => {
            relative(value, known.tsns[1])
        }
        ChunkType::ASCONF | ChunkType::ASCONF_ACK => relative(value, known.tsns[1]),
        // … and acknowledges the target's by these.
        ChunkType::SACK | ChunkType::NR_SACK | ChunkType::SHUTDOWN => {
            relative(value, known.tsns[0].wrapping_sub(1))
        }
        _ => Bytes::copy_from_slice(value),
    };
    Some(RawChunk { chunk_type, flags: *flags, value })
}

/// `value` with `base` added to the number that it begins with.
fn relative(value: &[u8], base: u32) -> Bytes {
    let Some((number, rest)) = value.split_first_chunk() else { return Bytes::copy_from_slice(value) };
    let number = u32::from_be_bytes(*number).wrapping_add(base);
    [&number.to_be_bytes(), rest].concat().into()
}

fn read_all(pair: &mut Pair) {
    let now = pair.now;
    let host = &mut pair.hosts[TARGET];
    if let Some(id) = host.id {
        while host.endpoint.receive(now, id).is_some() {}
    }
}

/// From now on nothing is answered: the association ends by its own timers, as RFC 9260, 8.1 has it.
fn outlive_the_silence(pair: &mut Pair) {
    for _ in 0..MAX_EXPIRIES {
        pair.flying.clear();
        let ended = matches!(pair.state(TARGET), None | Some(AssociationState::Closed));
        if ended || !pair.advance() {
            break;
        }
    }
    let state = pair.state(TARGET);
    assert!(matches!(state, None | Some(AssociationState::Closed)), "{state:?} lasts for ever");
}
