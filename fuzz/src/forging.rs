//! What a peer knows that took part in a handshake: tags, numbers in use, the cookie, the key of AUTH.

use crate::endpoint_states::TARGET;
use crate::pair::Pair;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sctp_core::wire::chunk::{ChunkType, InitChunk, RawChunk};
use sctp_core::wire::param::{ParameterType, Parameters};
use sctp_core::wire::{ChecksumPolicy, Packet};
use sha2::Sha256;

/// An AUTH chunk's value: the key 0, HMAC identifier 3 (SHA-256), and room for the code.
const UNSIGNED: [u8; 36] = {
    let mut value = [0; 36];
    value[3] = 3;
    value
};
/// Where the code begins in the chunk.
const CODE_AT: usize = 8;

/// What was learned; of the target first, then of its peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) tags: [u32; 2],
    /// The initial TSNs, from which the other numbers start as well.
    tsns: [u32; 2],
    cookie: Bytes,
    heartbeat: Bytes,
    /// RANDOM, CHUNKS and HMAC-ALGO of each (RFC 4895, 6.1).
    key_vectors: [Vec<u8>; 2],
}

/// Learns from what is on its way.
pub(crate) fn listen_in(pair: &Pair, known: &mut Known) {
    for flying in &pair.flying {
        let Ok(packet) = Packet::parse(flying.bytes.clone(), ChecksumPolicy::Verified) else { continue };
        let sender = usize::from(flying.to == TARGET);
        for chunk in packet.chunks().map_while(Result::ok) {
            known.learn(&chunk, sender);
        }
    }
}

impl Known {
    fn learn(&mut self, chunk: &RawChunk, sender: usize) {
        match chunk.chunk_type {
            ChunkType::INIT | ChunkType::INIT_ACK => {
                let Ok(init) = InitChunk::parse(chunk) else { return };
                (self.tags[sender], self.tsns[sender]) = (init.initiate_tag, init.initial_tsn.0);
                self.key_vectors[sender] = key_vector(&init.parameters);
                if let Some(cookie) = init.parameters.find(ParameterType::STATE_COOKIE) {
                    self.cookie = cookie.value;
                }
            }
            ChunkType::HEARTBEAT if sender == 0 => self.heartbeat = chunk.value.clone(),
            _ => {}
        }
    }

    /// A chunk's value: numbers become relative to those in use, an empty COOKIE ECHO, HEARTBEAT ACK or AUTH is filled.
    pub(crate) fn value_of(&self, chunk_type: ChunkType, value: &[u8]) -> Bytes {
        let [target, peer] = self.tsns;
        match chunk_type {
            ChunkType::COOKIE_ECHO if value.is_empty() => self.cookie.clone(),
            ChunkType::HEARTBEAT_ACK if value.is_empty() => self.heartbeat.clone(),
            ChunkType::AUTH if value.is_empty() => Bytes::from_static(&UNSIGNED),
            // The peer counts these with its own numbers …
            ChunkType::DATA
            | ChunkType::I_DATA
            | ChunkType::FORWARD_TSN
            | ChunkType::I_FORWARD_TSN
            | ChunkType::CWR
            | ChunkType::ASCONF => relative(value, &[peer]),
            // … and answers the target's by these.
            ChunkType::SACK | ChunkType::NR_SACK | ChunkType::SHUTDOWN => {
                relative(value, &[target.wrapping_sub(1)])
            }
            ChunkType::ECNE | ChunkType::ASCONF_ACK => relative(value, &[target]),
            ChunkType::RE_CONFIG => self.renumber(value),
            _ => Bytes::copy_from_slice(value),
        }
    }

    /// Requests are counted by their sender, and responses name the target's (RFC 6525, 4).
    fn renumber(&self, value: &[u8]) -> Bytes {
        let [target, peer] = self.tsns;
        let mut row = Vec::new();
        for parameter in Parameters(Bytes::copy_from_slice(value)).iter().map_while(Result::ok) {
            let bases: &[u32] = match parameter.param_type {
                ParameterType::OUTGOING_SSN_RESET_REQUEST => &[peer, target, peer],
                ParameterType::RECONFIG_RESPONSE => &[target],
                _ => &[peer],
            };
            row.extend_from_slice(&parameter.whole[..4]);
            row.extend_from_slice(&relative(&parameter.value, bases));
            row.resize(row.len().next_multiple_of(4), 0);
        }
        row.into()
    }

    /// Puts the right code into the AUTH chunk at the beginning of `chunks`, if it has the room (RFC 4895, 6.2).
    pub(crate) fn authenticate(&self, chunks: &mut [u8]) {
        if chunks.get(4..CODE_AT + 32) != Some(&UNSIGNED[..]) {
            return;
        }
        let [a, b] = &self.key_vectors;
        let (small, large) = if (a.len(), a) <= (b.len(), b) { (a, b) } else { (b, a) };
        let mut mac = Hmac::<Sha256>::new_from_slice(&[&small[..], large].concat()).expect("any key will do");
        mac.update(chunks);
        chunks[CODE_AT..CODE_AT + 32].copy_from_slice(&mac.finalize().into_bytes());
    }
}

fn key_vector(parameters: &Parameters) -> Vec<u8> {
    let parts = [ParameterType::RANDOM, ParameterType::CHUNK_LIST, ParameterType::REQUESTED_HMAC_ALGORITHM];
    parts.into_iter().filter_map(|part| parameters.find(part)).flat_map(|found| found.whole).collect()
}

/// `value` with `bases` added to the numbers that it begins with.
fn relative(value: &[u8], bases: &[u32]) -> Bytes {
    let mut value = value.to_vec();
    for (number, base) in value.as_chunks_mut().0.iter_mut().zip(bases) {
        *number = u32::from_be_bytes(*number).wrapping_add(*base).to_be_bytes();
    }
    value.into()
}
