//! The simulator's own random numbers.
//!
//! A number in a bug report ("seed 4711") must replay that run for years, whatever the versions of
//! the packages below; so the generator is written out here: SplitMix64, 64 bits of state, no use
//! for cryptography.

use core::time::Duration;

/// A deterministic generator, whose whole output follows from its seed.
#[derive(Clone, Debug)]
pub struct SimRng {
    seed: u64,
    state: u64,
}

impl SimRng {
    /// A generator for `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// A generator of its own for the part of the run called `label`: it follows from this one's
    /// seed, not from how many numbers were drawn, so that one part does not disturb another.
    #[must_use]
    pub const fn split(&self, label: u64) -> Self {
        Self::new(mix(self.seed ^ mix(label.wrapping_add(GOLDEN_GAMMA))))
    }

    /// Any 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// Evenly distributed in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias of this reduction is below bound / 2^64.
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Evenly distributed in `low..=high`; `low` if the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Between `low` and `high` so that each order of magnitude is equally likely; both at least 1.
    pub fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let (low_log, high_log) = ((low.max(1) as f64).ln(), (high.max(1) as f64).ln());
        let drawn = (low_log + (high_log - low_log) * self.unit()).exp().round();
        (drawn as u64).clamp(low, high.max(low))
    }

    /// Evenly distributed in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// Evenly distributed between the two durations.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(low), nanos(high)))
    }

    /// Exponentially distributed with this mean: how long until something happens that has no memory.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }

    /// 32 random bytes, to seed an endpoint.
    pub fn seed_bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.u64().to_le_bytes()));
        bytes
    }
}

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_in_every_build() {
        // First outputs of SplitMix64 for seed 1234567, as published with the algorithm.
        let mut rng = SimRng::new(1_234_567);
        assert_eq!(rng.u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_split_does_not_depend_on_what_was_drawn() {
        let mut rng = SimRng::new(9);
        let before = rng.split(3).u64();
        rng.u64();
        assert_eq!(rng.split(3).u64(), before);
        assert_ne!(rng.split(4).u64(), before);
    }

    #[test]
    fn ranges_are_kept() {
        let mut rng = SimRng::new(5);
        for _ in 0..1_000 {
            assert!((3..=5).contains(&rng.between(3, 5)));
            assert!((10..=200_000).contains(&rng.magnitude(10, 200_000)));
            assert!((0.0..1.0).contains(&rng.unit()));
        }
        assert_eq!(rng.below(0), 0);
        assert!(!rng.chance(0.0));
        assert!(rng.chance(1.0));
    }
}
