//! Finds the association of a packet by (local port, peer port, peer address); of several, by the local address.
//!
//! The verification tag is the association's to check. A peer chooses its port and, within what it
//! can route, its address: so the table is hashed with a secret key, and nobody can aim at one bucket.

use super::slots::Slot;
use crate::rng::Random;
use core::hash::{BuildHasher, Hash, Hasher};
use core::net::IpAddr;
use std::collections::VecDeque;
use std::hash::DefaultHasher;

/// What names the association of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerKey {
    pub(super) local_port: u16,
    pub(super) peer_port: u16,
    pub(super) peer_address: IpAddr,
}

/// What names the association of an ASCONF that comes from a new address and names none (RFC 5061, 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TagKey {
    pub(super) local_port: u16,
    pub(super) peer_port: u16,
    /// Ours.
    pub(super) local_tag: u32,
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
pub(super) struct KeyedState([u64; 2]);

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
///
/// Two associations may claim one key. Either they are of sockets with the same port on different addresses: then the address
/// that a packet was sent to tells whose it is. Or a peer's INIT ACK lists an address that another association of the socket
/// has already: the first keeps it, and when it is gone the next one gets it, since its packets would be out of the
/// blue otherwise and be answered with ABORT.
#[derive(Debug)]
pub(super) struct Demux {
    slots: KeyedMap<PeerKey, Slot>,
    /// Only of associations that change addresses.
    tags: KeyedMap<TagKey, Slot>,
    /// Those who came second. Nearly always empty.
    claims: KeyedMap<PeerKey, VecDeque<Slot>>,
    /// What was found last, and our address: packets come in runs.
    last: Option<(PeerKey, Option<IpAddr>, Slot)>,
}

impl Demux {
    pub(super) fn new(random: &mut Random) -> Self {
        let keyed = KeyedState([random.u64(), random.u64()]);
        let (slots, tags) = (KeyedMap::with_hasher(keyed.clone()), KeyedMap::with_hasher(keyed.clone()));
        Self { slots, tags, claims: KeyedMap::with_hasher(keyed), last: None }
    }

    /// The secret, for others who are not to be aimed at.
    pub(super) fn keyed(&self) -> KeyedState {
        self.slots.hasher().clone()
    }

    fn find(&self, key: &PeerKey) -> Option<Slot> {
        self.slots.get(key).copied()
    }

    /// All that claim a key, the first first.
    pub(super) fn claimants<'a>(&'a self, key: &PeerKey) -> impl Iterator<Item = Slot> + use<'a> {
        let first = self.find(key);
        // One that came second is there only behind a first one.
        let others = first.filter(|_| !self.claims.is_empty()).and_then(|_| self.claims.get(key));
        first.into_iter().chain(others.into_iter().flatten().copied())
    }

    pub(super) fn find_tag(&self, key: &TagKey) -> Option<Slot> {
        self.tags.get(key).copied()
    }

    /// Tags are random: of two that are the same the first is found.
    pub(super) fn insert_tag(&mut self, key: TagKey, slot: Slot) {
        self.tags.entry(key).or_insert(slot);
    }

    pub(super) fn remove_tag(&mut self, key: &TagKey, slot: Slot) {
        if self.find_tag(key) == Some(slot) {
            self.tags.remove(key);
        }
    }

    /// The claimant for which a packet to `local` is: the one that has the address as `is_at` says, else the first. This is done
    /// for each packet, and most come from the same peer as the one before.
    pub(super) fn find_for_packet(
        &mut self,
        key: &PeerKey,
        local: Option<IpAddr>,
        is_at: impl Fn(Slot) -> bool,
    ) -> Option<Slot> {
        if let Some((.., slot)) = self.last.filter(|(last, to, _)| last == key && *to == local) {
            return Some(slot);
        }
        let found = self.claimants(key).find(|slot| is_at(*slot)).or_else(|| self.find(key))?;
        self.last = Some((*key, local, found));
        Some(found)
    }

    /// The addresses that some association is bound to have changed.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
    }

    /// Enters `slot` under `key`, behind another one that is there already.
    pub(super) fn insert(&mut self, key: PeerKey, slot: Slot) {
        self.last = None;
        if *self.slots.entry(key).or_insert(slot) != slot {
            self.claims.entry(key).or_default().push_back(slot);
        }
    }

    /// Removes `slot` from `key`; if it was the one, the next that claims the key takes its place.
    pub(super) fn remove(&mut self, key: &PeerKey, slot: Slot) {
        let holds = self.find(key) == Some(slot);
        let claims = self.claims.get_mut(key);
        self.last = None;
        if holds {
            match claims.and_then(VecDeque::pop_front) {
                Some(next) => _ = self.slots.insert(*key, next),
                None => _ = self.slots.remove(key),
            }
        } else if let Some(claims) = claims {
            claims.retain(|claim| *claim != slot);
        }
        if self.claims.get(key).is_some_and(VecDeque::is_empty) {
            self.claims.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_the_next_who_claims_it_when_the_first_is_gone() {
        // RFC 9260, 8.4: only what belongs to no association is out of the blue.
        let mut demux = Demux::new(&mut Random::new([1; 32]));
        let key = PeerKey { local_port: 1, peer_port: 2, peer_address: [10, 0, 0, 1].into() };
        let other = PeerKey { local_port: 3, ..key };
        (1..=4).for_each(|slot| demux.insert(key, Slot(slot)));
        demux.insert(other, Slot(2));
        let found = |demux: &mut Demux, key| demux.find_for_packet(key, None, |_| true);
        assert_eq!(found(&mut demux, &key), Some(Slot(1)));
        demux.remove(&key, Slot(2));
        assert_eq!((found(&mut demux, &key), found(&mut demux, &other)), (Some(Slot(1)), Some(Slot(2))));
        demux.remove(&key, Slot(1));
        assert_eq!(found(&mut demux, &key), Some(Slot(3)));
        (3..=4).for_each(|slot| demux.remove(&key, Slot(slot)));
        assert_eq!(found(&mut demux, &key), None);
    }

    /// RFC 9260, 1.3.
    #[test]
    fn of_two_with_one_peer_the_address_of_ours_tells() {
        let mut demux = Demux::new(&mut Random::new([1; 32]));
        let key = PeerKey { local_port: 1, peer_port: 2, peer_address: [10, 0, 0, 1].into() };
        (1..=2).for_each(|slot| demux.insert(key, Slot(slot)));
        let mut to = |last: u8| {
            let local = Some([10, 0, 0, last].into());
            demux.find_for_packet(&key, local, |slot| slot.0 == u32::from(last))
        };
        assert_eq!([1, 2, 2, 1].map(&mut to), [1, 2, 2, 1].map(|slot| Some(Slot(slot))));
        assert_eq!(to(3), Some(Slot(1)), "one that has just gone: its packets are under way still");
    }
}
