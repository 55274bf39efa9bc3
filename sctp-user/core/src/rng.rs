//! Randomness, injected: the owner of the endpoint brings the seed.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// A cryptographic generator, seeded by the endpoint's owner: from the operating system in
/// production, from a number in tests. Verification tags, initial TSNs, nonces and keys come from it.
#[derive(Debug)]
pub struct Random(StdRng);

impl Random {
    /// A generator whose whole output follows from `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }

    /// Any 32 bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Any 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A verification tag: not zero (RFC 9260, 5.3.1).
    /// RFC 9260, 3.3.3, 5.1.
    pub fn verification_tag(&mut self) -> u32 {
        self.0.random_range(1..=u32::MAX)
    }

    /// Evenly distributed in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.random_range(0..bound) }
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9260, 3.3.3, 5.1, 5.3.1.
    #[test]
    fn verification_tags_are_never_zero() {
        let mut random = Random::new([7; 32]);
        assert!((0..100_000).all(|_| random.verification_tag() != 0));
    }
}
