//! A fast hash of identifiers and names that peers choose: without the key nobody can make them collide.

use std::hash::{BuildHasher, Hasher};

use rand::RngExt;
use rand::rngs::StdRng;

/// The secret key; the same for all tables of one handlespace.
#[derive(Clone, Copy)]
pub(super) struct KeyedHash {
    mask: u64,
    factor: u64,
}

impl KeyedHash {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        Self { mask: rng.random(), factor: rng.random::<u64>() | 1 }
    }
}

impl BuildHasher for KeyedHash {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { key: *self, state: 0 }
    }
}

/// One hash in the making.
pub(super) struct KeyedHasher {
    key: KeyedHash,
    state: u64,
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.write_u64(rest);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    /// Of a name: without it, one that ends in zeros would be as good as one without them.
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    /// The high half of the 128-bit product depends on every bit of the input and of the key.
    fn write_u64(&mut self, value: u64) {
        let mixed = (self.state.rotate_left(32) ^ value ^ self.key.mask) as u128;
        let product = mixed * u128::from(self.key.factor);
        self.state = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.state
    }
}
