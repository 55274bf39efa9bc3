//! Random: every element has the same chance (RFC 5356, 4.3).

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Select, Slot};
use crate::wire::Policy;

/// The elements in one dense array, in no particular order.
#[derive(Default)]
pub(crate) struct Uniform {
    slots: Vec<Slot>,
    /// By slot: where it is in `slots`.
    positions: Vec<usize>,
}

impl Uniform {
    fn swap(&mut self, a: usize, b: usize) {
        self.slots.swap(a, b);
        for position in [a, b] {
            self.positions[self.slots[position]] = position;
        }
    }
}

impl Select for Uniform {
    fn insert(&mut self, slot: Slot, _policy: &Policy) {
        if self.positions.len() <= slot {
            self.positions.resize(slot + 1, usize::MAX);
        }
        self.positions[slot] = self.slots.len();
        self.slots.push(slot);
    }

    fn update(&mut self, _slot: Slot, _policy: &Policy) {}

    fn remove(&mut self, slot: Slot) {
        let Some(&position) = self.positions.get(slot) else { return };
        if position < self.slots.len() {
            self.swap(position, self.slots.len() - 1);
            self.slots.pop();
            self.positions[slot] = usize::MAX;
        }
    }

    /// The start of a Fisher-Yates shuffle: no element twice (RFC 5356, 4.3.2), every order equally likely.
    fn select(&mut self, count: usize, _increment: usize, rng: &mut StdRng, picked: &mut Vec<Slot>) {
        for front in 0..count.min(self.slots.len()) {
            let drawn = rng.random_range(front..self.slots.len());
            self.swap(front, drawn);
            picked.push(self.slots[front]);
        }
    }
}
