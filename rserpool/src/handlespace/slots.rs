//! Which of a pool's elements a registrar owns.

use crate::policy::Slot;

const BITS: usize = u64::BITS as usize;

/// A set of slots, a bit each.
#[derive(Default)]
pub(super) struct SlotSet {
    words: Vec<u64>,
    count: usize,
}

impl SlotSet {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        if self.words.len() <= slot / BITS {
            self.words.resize(slot / BITS + 1, 0);
        }
        let (word, bit) = (&mut self.words[slot / BITS], 1 << (slot % BITS));
        self.count += usize::from(*word & bit == 0);
        *word |= bit;
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        let Some(word) = self.words.get_mut(slot / BITS) else { return };
        let bit = 1 << (slot % BITS);
        self.count -= usize::from(*word & bit != 0);
        *word &= !bit;
    }

    /// The first slot from `from` on that is in the set.
    pub(super) fn next(&self, from: Slot) -> Option<Slot> {
        let first = from / BITS;
        let rest = self.words.get(first)? & (u64::MAX << (from % BITS));
        let others = self.words.iter().enumerate().skip(first + 1).map(|(index, word)| (index, *word));
        let mut words = std::iter::once((first, rest)).chain(others);
        let (index, word) = words.find(|(_, word)| *word != 0)?;
        Some(index * BITS + word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(steps in proptest::collection::vec((0..300usize, any::<bool>()), 0..200), from in 0..400usize) {
            let (mut set, mut simple) = (SlotSet::default(), BTreeSet::new());
            for (slot, is_there) in steps {
                match is_there {
                    true => { set.insert(slot); simple.insert(slot) }
                    false => { set.remove(slot); simple.remove(&slot) }
                };
            }
            prop_assert_eq!(set.next(from), simple.range(from..).next().copied());
            prop_assert_eq!((set.len(), set.is_empty()), (simple.len(), simple.is_empty()));
        }
    }
}
