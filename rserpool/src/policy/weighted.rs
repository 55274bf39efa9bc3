//! Policies that draw elements at random, each with its own chance.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Select, Slot, degraded_load};
use crate::wire::{Policy, PolicyType};

#[derive(Clone, Copy)]
struct Entry {
    policy: Policy,
    selections: u64,
    /// Its chance is this over the sum of all.
    weight: u64,
}

/// Weights by slot, with a Fenwick tree over them: drawing and changing a weight are logarithmic.
pub(crate) struct Weighted {
    policy_type: PolicyType,
    entries: Vec<Option<Entry>>,
    /// `sums[i]`, from 1: the sum of the weights of the slots that the lowest set bit of `i` spans, up to slot i - 1.
    sums: Vec<u64>,
    total: u64,
}

impl Weighted {
    pub(super) fn new(policy_type: PolicyType) -> Option<Self> {
        weight(policy_type, &Policy::new(policy_type), 0)?;
        Some(Self { policy_type, entries: Vec::new(), sums: vec![0], total: 0 })
    }

    fn grow(&mut self, slots: usize) {
        while self.entries.len() < slots {
            self.entries.push(None);
            let index = self.entries.len();
            let mut below = index - 1;
            let start = index - lowest_bit(index);
            let mut sum = 0;
            while below > start {
                sum += self.sums[below];
                below -= lowest_bit(below);
            }
            self.sums.push(sum);
        }
    }

    fn set_weight(&mut self, slot: Slot, new: u64) {
        let Some(Some(entry)) = self.entries.get_mut(slot) else { return };
        let old = std::mem::replace(&mut entry.weight, new);
        self.total = self.total - old + new;
        let mut index = slot + 1;
        while let Some(sum) = self.sums.get_mut(index) {
            *sum = *sum - old + new;
            index += lowest_bit(index);
        }
    }

    fn weigh(&mut self, slot: Slot) {
        if let Some(Some(entry)) = self.entries.get(slot) {
            let new = weight(self.policy_type, &entry.policy, entry.selections).unwrap_or(0);
            self.set_weight(slot, new);
        }
    }

    /// The slot in whose share of the total `point` falls.
    fn at(&self, mut point: u64) -> Slot {
        let mut index = 0;
        let mut step = self.sums.len().next_power_of_two();
        while step > 0 {
            if let Some(&sum) = self.sums.get(index + step).filter(|&&sum| sum <= point) {
                index += step;
                point -= sum;
            }
            step /= 2;
        }
        index
    }
}

impl Select for Weighted {
    fn insert(&mut self, slot: Slot, policy: &Policy) {
        self.grow(slot + 1);
        self.entries[slot] = Some(Entry { policy: *policy, selections: 0, weight: 0 });
        self.weigh(slot);
    }

    fn update(&mut self, slot: Slot, policy: &Policy) {
        if let Some(Some(entry)) = self.entries.get_mut(slot) {
            (entry.policy, entry.selections) = (*policy, 0);
            self.weigh(slot);
        }
    }

    fn remove(&mut self, slot: Slot) {
        self.set_weight(slot, 0);
        if let Some(entry) = self.entries.get_mut(slot) {
            *entry = None;
        }
    }

    /// Draws without replacement (RFC 5356, 4.4.2): what is drawn weighs nothing until the answer is complete.
    fn select(&mut self, count: usize, increment: usize, rng: &mut StdRng, picked: &mut Vec<Slot>) {
        let start = picked.len();
        while picked.len() - start < count && self.total > 0 {
            let slot = self.at(rng.random_range(0..self.total));
            self.set_weight(slot, 0);
            picked.push(slot);
        }
        for (nth, &slot) in picked[start..].iter().enumerate() {
            if let Some(Some(entry)) = self.entries.get_mut(slot) {
                entry.selections += u64::from(nth < increment);
            }
            self.weigh(slot);
        }
    }
}

fn lowest_bit(index: usize) -> usize {
    index & index.wrapping_neg()
}

/// An element's share of the chances; none when the policy is not of this family.
fn weight(policy_type: PolicyType, policy: &Policy, selections: u64) -> Option<u64> {
    Some(match policy_type {
        // RFC 5356, 3.2: weight 0 cannot serve.
        PolicyType::WeightedRandom => policy.weight.into(),
        PolicyType::WeightedRandomDpf => distant_weight(policy),
        PolicyType::RandomizedLeastUsed => unused(degraded_load(policy, 0)),
        PolicyType::RandomizedPriorityLeastUsed => unused(degraded_load(policy, 1)),
        PolicyType::RandomizedLeastUsedDegradation => unused(degraded_load(policy, selections)),
        PolicyType::RandomizedPriorityLeastUsedDegradation => unused(degraded_load(policy, selections + 1)),
        _ => return None,
    })
}

/// RFC 5356, 5.4.2: 0xffffffff - load; but a pool whose elements are all full still has elements.
fn unused(load: u128) -> u64 {
    u64::from(u32::MAX).saturating_sub(u64::try_from(load).unwrap_or(u64::MAX)).max(1)
}

/// The weight less what the distance costs; distance alone never excludes an element.
fn distant_weight(policy: &Policy) -> u64 {
    let penalty = (u64::from(policy.distance) * u64::from(policy.dpf)) >> 32;
    u64::from(policy.weight).saturating_sub(penalty).max(u64::from(policy.weight.min(1)))
}
