//! Random: every element has the same chance (RFC 5356, 4.3).

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Elements, Selector, Slot};
use crate::wire;

/// In place of a position: the slot has no element.
const NOWHERE: u32 = u32::MAX;

/// The elements in one dense array, in no particular order.
#[derive(Default)]
pub(super) struct Uniform {
    slots: Vec<u32>,
    /// By slot: where it is in `slots`.
    positions: Vec<u32>,
}

impl Uniform {
    fn swap(&mut self, a: usize, b: usize) {
        self.slots.swap(a, b);
        for position in [a, b] {
            self.positions[self.slots[position] as usize] = position as u32;
        }
    }
}

impl Selector for Uniform {
    fn insert(&mut self, slot: Slot, _element: &wire::Policy) {
        if self.positions.len() <= slot {
            self.positions.resize(slot + 1, NOWHERE);
        }
        self.positions[slot] = self.slots.len() as u32;
        self.slots.push(slot as u32);
    }

    fn update(&mut self, _slot: Slot, _old: &wire::Policy, _new: &wire::Policy) {}

    fn remove(&mut self, slot: Slot) {
        let Some(&position) = self.positions.get(slot).filter(|&&position| position != NOWHERE) else {
            return;
        };
        self.swap(position as usize, self.slots.len() - 1);
        self.slots.pop();
        self.positions[slot] = NOWHERE;
    }

    /// The start of a Fisher-Yates shuffle: no element twice (RFC 5356, 4.3.2), every order equally likely.
    fn select(
        &mut self,
        count: usize,
        _increment: usize,
        _elements: &dyn Elements,
        rng: &mut StdRng,
        picked: &mut Vec<Slot>,
    ) {
        for front in 0..count.min(self.slots.len()) {
            let drawn = rng.random_range(front..self.slots.len());
            self.swap(front, drawn);
            picked.push(self.slots[front] as Slot);
        }
    }
}
