//! Packets of any kind to an endpoint in each of its states, after a handshake in good order.
//!
//! The input: a byte for the state and for what must be authenticated, one for the extensions, then packets, and between
//! them what the attacked endpoint's user asks for. A packet begins with a byte that says where it
//! comes from, which tag it has and how many chunks; a chunk is type, flags, length and value. What a peer knows that took part
//! in the handshake, a fuzzer need not guess: see `forging`.

use crate::forging::{Known, listen_in};
use crate::pair::{Flying, PORTS, Pair, extensions_of};
use bytes::Bytes;
use sctp_core::association::AssociationState;
use sctp_core::config::{AssociationConfig, ReconfigPermissions};
use sctp_core::endpoint::ResetDirections;
use sctp_core::message::SendOptions;
use sctp_core::net::PathAddress;
use sctp_core::reliability::Reliability;
use sctp_core::wire::chunk::{ChunkType, RawChunk};
use sctp_core::wire::{CommonHeader, PacketBuilder};
use std::net::IpAddr;

/// Who is attacked, and who helped to bring it there.
pub(crate) const TARGET: usize = 1;
const HELPER: usize = 0;

/// In place of a packet's first byte: the next byte says what the target's user asks for.
const ASK: u8 = 0xff;

/// Timers that may expire until an association whose peer is silent has ended.
const MAX_EXPIRIES: usize = 3_000;

/// Brings an endpoint into a state and feeds it. Panics if an invariant breaks.
pub fn endpoint_states(data: &[u8]) {
    let [state, extensions, packets @ ..] = data else { return };
    let mut config = AssociationConfig {
        receive_buffer: 20_000,
        max_message_size: 10_000,
        extensions: extensions_of(*extensions),
        reconfig_permissions: ReconfigPermissions {
            reset_streams: true,
            reset_association: true,
            add_streams: true,
        },
        ..AssociationConfig::default()
    };
    let demanded = [(8, ChunkType::DATA), (16, ChunkType::SACK), (32, ChunkType::RE_CONFIG)];
    config.auth.chunks = demanded.iter().filter(|(bit, _)| state & bit != 0).map(|&(_, one)| one).collect();
    let mut known = Known::default();
    let mut pair = bring_to(*state, &config, &mut known);
    pair.flying.clear();
    let mut rest = packets;
    while let Some((&head, tail)) = rest.split_first() {
        rest = tail;
        match tail.split_first() {
            Some((&what, tail)) if head == ASK => {
                ask_target(&mut pair, what);
                rest = tail;
            }
            _ => pair.deliver(next_packet(head, &mut rest, &known)),
        }
        pair.end_batch();
        listen_in(&pair, &mut known);
        pair.flying.clear();
        read_all(&mut pair);
    }
    outlive_the_silence(&mut pair);
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

/// The next packet of the input.
fn next_packet(head: u8, rest: &mut &[u8], known: &Known) -> Flying {
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
    let mut auth_at = None;
    for _ in 0..=(head >> 3 & 3) {
        let Some(chunk) = next_chunk(rest, known) else { break };
        let at = builder.len();
        if builder.push(&chunk).is_err() {
            break;
        }
        if auth_at.is_none() && chunk.chunk_type == ChunkType::AUTH {
            auth_at = Some(at);
        }
    }
    builder.finish_with_zero_checksum();
    if let Some(at) = auth_at {
        known.authenticate(&mut bytes[at..]);
    }
    let source: IpAddr = match head >> 5 {
        0..=4 => [10, 0, 1, 1].into(),
        5 | 6 => [10, 0, 2, 1].into(),
        _ => [10, 0, 3, 9].into(),
    };
    let path = PathAddress { local: Some([10, 0, 1, 2].into()), remote: source, remote_udp_port: 0 };
    Flying { to: TARGET, path, bytes: bytes.into() }
}

fn next_chunk(rest: &mut &[u8], known: &Known) -> Option<RawChunk> {
    let ([chunk_type, flags, len], tail) = rest.split_first_chunk()?;
    let (value, tail) = tail.split_at(usize::from(*len).min(tail.len()));
    *rest = tail;
    let chunk_type = ChunkType(*chunk_type);
    Some(RawChunk { chunk_type, flags: *flags, value: known.value_of(chunk_type, value) })
}

/// What the target's own user asks for.
fn ask_target(pair: &mut Pair, what: u8) {
    let (now, host) = (pair.now, &mut pair.hosts[TARGET]);
    let (Some(id), own) = (host.id, host.addresses.clone()) else { return };
    let endpoint = &mut host.endpoint;
    let amount = u16::from(what >> 4);
    // What is refused is refused.
    match what & 15 {
        0..4 => {
            let reliability = (amount & 1 != 0).then_some(Reliability::Retransmissions(0));
            let options = SendOptions { stream_id: amount % 3, reliability, ..SendOptions::default() };
            _ = endpoint.send(now, id, &options, Bytes::from(vec![7; 1 + 300 * usize::from(amount)])).is_ok();
        }
        4 => {
            _ = endpoint.reset_streams(
                now,
                id,
                ResetDirections { outgoing: true, incoming: false },
                &[amount],
            )
        }
        5 => _ = endpoint.reset_streams(now, id, ResetDirections { outgoing: false, incoming: true }, &[]),
        6 => _ = endpoint.reset_association(now, id),
        7 => _ = endpoint.add_streams(now, id, amount % 3, amount / 3),
        8 => _ = endpoint.remove_local_address(now, id, own[usize::from(amount & 1)]),
        9 => _ = endpoint.add_local_address(now, id, own[usize::from(amount & 1)]),
        10 => _ = endpoint.set_peer_primary(now, id, own[usize::from(amount & 1)]),
        _ => _ = pair.advance(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the target would reach nothing of ASCONF.
    #[test]
    fn what_the_input_wants_signed_is_taken() {
        let config = AssociationConfig { extensions: extensions_of(0xff), ..AssociationConfig::default() };
        let mut known = Known::default();
        let mut pair = bring_to(3, &config, &mut known);
        // Two chunks: AUTH, and ASCONF number 0 from 10.0.1.1, which adds 10.0.3.9.
        let lookup = [0, 0, 0, 0, 0, 5, 0, 8, 10, 0, 1, 1];
        let addition = [0xc0, 1, 0, 16, 0, 0, 0, 1, 0, 5, 0, 8, 10, 0, 3, 9];
        let input = [&[15, 0, 0, 193, 0, 28][..], &lookup, &addition].concat();
        let packet = next_packet(1 << 3, &mut &input[..], &known);
        pair.deliver(packet);
        let target = &pair.hosts[TARGET];
        let association = target.endpoint.association(target.id.expect("it is up")).expect("it lives");
        let added: IpAddr = [10, 0, 3, 9].into();
        assert!(association.paths().iter().any(|path| path.address.remote == added));
    }
}
