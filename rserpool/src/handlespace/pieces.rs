//! Values by number, kept piece by piece.

/// How many a full piece holds.
const PIECE: usize = 64;

/// Values under small numbers that are used again. It grows by whole pieces, so that no value is moved and little room waits for values
/// to come, however many pools grow side by side.
pub(super) struct Pieces<T> {
    /// All full but the last one.
    pieces: Vec<Vec<Option<T>>>,
    /// Numbers in use before.
    free: Vec<u32>,
    len: usize,
}

impl<T> Pieces<T> {
    pub(super) fn new() -> Self {
        Self { pieces: Vec::new(), free: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All numbers in use are below this one.
    pub(super) fn end(&self) -> usize {
        self.len + self.free.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.pieces.get(number / PIECE)?.get(number % PIECE)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.pieces.get_mut(number / PIECE)?.get_mut(number % PIECE)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten().flatten()
    }

    /// The number that the next value gets.
    pub(super) fn vacant(&self) -> usize {
        self.free.last().map_or(self.end(), |&number| number as usize)
    }

    pub(super) fn insert(&mut self, value: T) {
        let number = self.vacant();
        self.free.pop();
        self.len += 1;
        if number == self.pieces.len() * PIECE {
            // The first one grows as it is needed, since most pools are small.
            self.pieces.push(Vec::with_capacity(if number == 0 { 0 } else { PIECE }));
        }
        let piece = &mut self.pieces[number / PIECE];
        match piece.get_mut(number % PIECE) {
            Some(vacant) => *vacant = Some(value),
            None => piece.push(Some(value)),
        }
    }

    pub(super) fn remove(&mut self, number: usize) -> Option<T> {
        let value = self.pieces.get_mut(number / PIECE)?.get_mut(number % PIECE)?.take()?;
        self.free.push(number as u32);
        self.len -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0..200usize, 0..3), 0..600)) {
            let (mut pieces, mut simple) = (Pieces::new(), BTreeMap::new());
            for (step, (number, kind)) in steps.into_iter().enumerate() {
                if kind == 0 {
                    prop_assert_eq!(pieces.remove(number), simple.remove(&number));
                } else {
                    prop_assert!(simple.insert(pieces.vacant(), step).is_none());
                    pieces.insert(step);
                }
            }
            prop_assert_eq!(pieces.len(), simple.len());
            prop_assert!(pieces.iter().eq(simple.values()));
            prop_assert!((0..=pieces.end()).all(|number| pieces.get(number) == simple.get(&number)));
            prop_assert!(simple.keys().all(|number| *number < pieces.end()));
        }
    }
}
