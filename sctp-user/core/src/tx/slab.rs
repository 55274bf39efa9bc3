//! Values with stable places that are used again.

/// See the module.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    /// Places without a value.
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value into a free place.
    #[inline]
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let free = self.free.pop();
        if let Some(place) = free.and_then(|free| self.places.get_mut(free as usize)) {
            *place = Some(value);
            return free.unwrap_or_default();
        }
        self.places.push(Some(value));
        // No more values than outstanding chunks, far below 2^32.
        (self.places.len() - 1) as u32
    }

    pub(super) fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// Drops a value.
    pub(super) fn remove(&mut self, place: u32) {
        if let Some(value) = self.places.get_mut(place as usize).filter(|value| value.is_some()) {
            *value = None;
            self.free.push(place);
        }
    }

    /// Takes all values out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.free.clear();
        self.places.drain(..).flatten()
    }

    /// Gives memory back, if there are no values, down to so many places.
    pub(super) fn shrink_to(&mut self, capacity: usize) {
        if self.free.len() == self.places.len() {
            self.free.clear();
            self.places.clear();
            self.free.shrink_to(capacity);
            self.places.shrink_to(capacity);
        }
    }

    /// The values.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_given_back() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        slab.remove(a);
        slab.remove(a);
        assert_eq!((slab.get(a), slab.get(b)), (None, Some(&'b')));
        assert_eq!((slab.insert('c'), slab.places.len()), (a, 2));
        slab.shrink_to(0);
        assert_eq!(slab.iter().count(), 2, "values stay");
        assert_eq!(slab.drain().count(), 2);
        slab.shrink_to(0);
        assert_eq!(slab.places.capacity(), 0);
    }
}
