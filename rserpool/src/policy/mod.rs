//! Selection of pool elements (RFC 5356): one [`Selector`] per pool keeps the pool's elements in the order, or with
//! the chances, that the pool's policy gives them, so that an answer costs little however large the pool is.
//!
//! There are three families, one file each; a new policy is a line in the family that it belongs to:
//!
//! | family | policies |
//! | --- | --- |
//! | [`ordered`] | sorted by a key, round robin among equals: RR, WRR, PRIO, LU, LUD, PLU… |
//! | [`uniform`] | every element with the same chance: RAND |
//! | [`weighted`] | an element's chance is its weight, or the load it has left: WRAND, RLU… |

mod ordered;
#[cfg(test)]
mod tests;
mod uniform;
mod weighted;

use rand::rngs::StdRng;

use crate::wire::{Policy, PolicyType};

/// The index of an element in its pool: small numbers that are used again.
pub(crate) type Slot = usize;

/// What every family can do.
pub(crate) trait Select {
    /// An element joins.
    fn insert(&mut self, slot: Slot, policy: &Policy);
    /// An element registered again, perhaps with other numbers. This resets its degradation (RFC 5356, 5.2.2).
    fn update(&mut self, slot: Slot, policy: &Policy);
    /// An element leaves.
    fn remove(&mut self, slot: Slot);
    /// Appends up to `count` different elements to `picked`, best first, and moves the counters of the first
    /// `increment` of them: their turn in a round robin, their degradation.
    fn select(&mut self, count: usize, increment: usize, rng: &mut StdRng, picked: &mut Vec<Slot>);
}

/// The elements of one pool, ready to be selected by its policy.
pub(crate) enum Selector {
    Ordered(ordered::Ordered),
    Uniform(uniform::Uniform),
    Weighted(weighted::Weighted),
}

impl Selector {
    /// An empty pool's selector; none for a policy that we do not know.
    pub(crate) fn new(policy_type: PolicyType) -> Option<Self> {
        if policy_type == PolicyType::Random {
            return Some(Self::Uniform(uniform::Uniform::default()));
        }
        let weighted = weighted::Weighted::new(policy_type).map(Self::Weighted);
        weighted.or_else(|| ordered::Ordered::new(policy_type).map(Self::Ordered))
    }

    fn family(&mut self) -> &mut dyn Select {
        match self {
            Self::Ordered(ordered) => ordered,
            Self::Uniform(uniform) => uniform,
            Self::Weighted(weighted) => weighted,
        }
    }
}

impl Select for Selector {
    fn insert(&mut self, slot: Slot, policy: &Policy) {
        self.family().insert(slot, policy);
    }

    fn update(&mut self, slot: Slot, policy: &Policy) {
        self.family().update(slot, policy);
    }

    fn remove(&mut self, slot: Slot) {
        self.family().remove(slot);
    }

    fn select(&mut self, count: usize, increment: usize, rng: &mut StdRng, picked: &mut Vec<Slot>) {
        self.family().select(count, increment, rng, picked);
    }
}

/// How many elements of an answer have their counters moved when no setting says otherwise. One, so that the answers
/// to several requests start with different elements (RFC 5356, 4.1.2); drawing at random has no counters.
pub(crate) fn default_increment(policy_type: PolicyType) -> usize {
    match policy_type {
        PolicyType::Random | PolicyType::WeightedRandom => 0,
        _ => 1,
    }
}

/// The load with the degradation of `times` more users added (RFC 5356, 5.2.2).
fn degraded_load(policy: &Policy, times: u64) -> u128 {
    u128::from(policy.load) + u128::from(policy.degradation) * u128::from(times)
}

/// What an element's distance adds to its load: the penalty factor is a fraction of 2^32 of full load per millisecond.
fn distance_penalty(policy: &Policy) -> u128 {
    u128::from(policy.distance) * u128::from(policy.dpf)
}
