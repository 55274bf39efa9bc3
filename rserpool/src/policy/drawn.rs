//! Policies that draw elements at random, each with its own chance.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Elements, Selector, Slot};
use crate::wire;

#[derive(Clone, Copy, Default)]
struct Entry {
    selections: u64,
    /// Its chance is this over the sum of all; nothing in a slot without an element.
    weight: u32,
}

/// Drawn at random, each element with a weight that a function of its numbers, and of how often it was selected since it
/// registered, gives it: its chance is its weight over the sum of all. Weight 0 is never drawn.
pub struct Drawn<W> {
    weigh: W,
    entries: Vec<Entry>,
    /// A Fenwick tree, so that drawing and changing a weight are logarithmic. `sums[i]`, from 1: the sum of the weights of the slots
    /// that the lowest set bit of `i` spans, up to slot i - 1.
    sums: Vec<u64>,
    total: u64,
}

impl<W: Fn(&wire::Policy, u64) -> u32> Drawn<W> {
    /// No elements; `weigh` gives them their weights.
    pub fn by(weigh: W) -> Self {
        Self { weigh, entries: Vec::new(), sums: vec![0], total: 0 }
    }

    fn grow(&mut self, slots: usize) {
        while self.entries.len() < slots {
            self.entries.push(Entry::default());
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

    fn set_weight(&mut self, slot: Slot, new: u32) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        let old = u64::from(std::mem::replace(&mut entry.weight, new));
        let new = u64::from(new);
        self.total = self.total - old + new;
        let mut index = slot + 1;
        while let Some(sum) = self.sums.get_mut(index) {
            *sum = *sum - old + new;
            index += lowest_bit(index);
        }
    }

    /// The element has been selected so often.
    fn set(&mut self, slot: Slot, element: &wire::Policy, selections: u64) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        entry.selections = selections;
        self.set_weight(slot, (self.weigh)(element, selections));
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

impl<W: Fn(&wire::Policy, u64) -> u32 + Send + Sync> Selector for Drawn<W> {
    fn insert(&mut self, slot: Slot, element: &wire::Policy) {
        self.grow(slot + 1);
        self.set(slot, element, 0);
    }

    fn update(&mut self, slot: Slot, _old: &wire::Policy, new: &wire::Policy) {
        self.set(slot, new, 0);
    }

    fn remove(&mut self, slot: Slot) {
        self.set_weight(slot, 0);
    }

    /// Draws without replacement (RFC 5356, 4.4.2): what is drawn weighs nothing until the answer is complete.
    fn select(
        &mut self,
        count: usize,
        increment: usize,
        elements: &dyn Elements,
        rng: &mut StdRng,
        picked: &mut Vec<Slot>,
    ) {
        let start = picked.len();
        while picked.len() - start < count && self.total > 0 {
            let slot = self.at(rng.random_range(0..self.total));
            self.set_weight(slot, 0);
            picked.push(slot);
        }
        for (nth, &slot) in picked[start..].iter().enumerate() {
            let Some(element) = elements.policy(slot) else { continue };
            let selections = self.entries[slot].selections;
            self.set(slot, element, selections.saturating_add((nth < increment).into()));
        }
    }
}

fn lowest_bit(index: usize) -> usize {
    index & index.wrapping_neg()
}
