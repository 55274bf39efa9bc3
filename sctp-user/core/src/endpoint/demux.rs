//! Finds the association of a packet by (local port, peer port, peer address).
//!
//! The verification tag is the association's to check. A peer chooses its port and, within what it
//! can route, its address: so the table is hashed with a secret key, and nobody can aim at one bucket.

use super::slots::Slot;
use crate::rng::Random;
use core::hash::{BuildHasher, Hash, Hasher};
use core::net::IpAddr;
use std::hash::DefaultHasher;

/// What names the association of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerKey {
    pub(super) local_port: u16,
    pub(super) peer_port: u16,
    pub(super) peer_address: IpAddr,
}

/// As few words as will do: this is done for each packet.
impl Hash for PeerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u32::from(self.local_port) << 16 | u32::from(self.peer_port);
        match self.peer_address {
            IpAddr::V4(address) => state.write_u64(u64::from(ports) << 32 | u64::from(address.to_bits())),
            IpAddr::V6(address) => {
                state.write_u32(ports);
                state.write_u128(address.to_bits());
            }
        }
    }
}

/// SipHash with a secret in front of the key.
#[derive(Clone, Debug)]
struct KeyedState([u64; 2]);

impl BuildHasher for KeyedState {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        self.0.iter().for_each(|&word| hasher.write_u64(word));
        hasher
    }
}

#[expect(clippy::disallowed_types, reason = "the hasher is keyed from the endpoint's own randomness")]
type KeyedMap<K, V> = std::collections::HashMap<K, V, KeyedState>;

/// The table.
#[derive(Debug)]
pub(super) struct Demux {
    slots: KeyedMap<PeerKey, Slot>,
}

impl Demux {
    pub(super) fn new(random: &mut Random) -> Self {
        Self { slots: KeyedMap::with_hasher(KeyedState([random.u64(), random.u64()])) }
    }

    pub(super) fn find(&self, key: &PeerKey) -> Option<Slot> {
        self.slots.get(key).copied()
    }

    /// Enters `slot` under `key` unless another one is there already.
    pub(super) fn insert(&mut self, key: PeerKey, slot: Slot) {
        self.slots.entry(key).or_insert(slot);
    }

    /// Removes `key` if it leads to `slot`.
    pub(super) fn remove(&mut self, key: &PeerKey, slot: Slot) {
        if self.find(key) == Some(slot) {
            self.slots.remove(key);
        }
    }
}
