//! Policies that sort elements by a key and go round robin among those with equal keys.
//!
//! Elements of equal key form a doubly linked list, in the order in which they were last selected (or joined, or got
//! their key). A tree finds the lists by key. So "the next n" is a walk from the front, and moving an element behind
//! its equals costs two links; no policy needs sequence numbers that could wrap. A list that has become empty stays until it is in
//! front of all others, or until there are more empty ones than slots: loads come again, and the tree changes less often.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use slab::Slab;

use super::{Elements, Selector, Slot};
use crate::wire;

/// Lower keys are selected first.
pub type Key = u128;

/// What an element's key is. Any function from an element's numbers, and how often it was selected, to a key is one.
pub trait SortKey: Send + Sync {
    /// The key of an element that has been selected so often since it registered; none if it must not be selected.
    fn key(&self, element: &wire::Policy, selections: u64) -> Option<Key>;

    /// The selections that an element begins with in a pool with this lowest key.
    fn first_selections(&self, _element: &wire::Policy, _lowest: Option<Key>) -> u64 {
        0
    }

    /// The selections that an element goes on with when it registers again; none to begin anew.
    fn kept_selections(&self, _selections: u64, _old: &wire::Policy, _new: &wire::Policy) -> Option<u64> {
        None
    }
}

impl<F: Fn(&wire::Policy, u64) -> Option<Key> + Send + Sync> SortKey for F {
    fn key(&self, element: &wire::Policy, selections: u64) -> Option<Key> {
        self(element, selections)
    }
}

/// All the same: round robin.
pub(super) fn equals(_element: &wire::Policy, _selections: u64) -> Option<Key> {
    Some(0)
}

/// Weighted Round Robin: an element has as many turns in a round as its weight; who has most turns left is first,
/// which spreads the turns evenly (RFC 5356, 4.2.2). Weight 0 cannot serve (3.2).
pub(super) struct Turns;

impl SortKey for Turns {
    fn key(&self, element: &wire::Policy, selections: u64) -> Option<Key> {
        let weight = u64::from(element.number(0));
        let round = selections.checked_div(weight)?;
        let turns_left = weight - selections % weight;
        Some((Key::from(round) << 32) | Key::from(u64::from(u32::MAX) - turns_left))
    }

    /// An element joins in the round that is being served.
    fn first_selections(&self, element: &wire::Policy, lowest: Option<Key>) -> u64 {
        let round = lowest.map_or(0, |key| (key >> 32) as u64);
        round.saturating_mul(element.number(0).into())
    }

    /// Registering again does not give back the turns that an element has had.
    fn kept_selections(&self, selections: u64, old: &wire::Policy, new: &wire::Policy) -> Option<u64> {
        (old.number(0) == new.number(0)).then_some(selections)
    }
}

/// In place of a slot or of a list: there is none.
const NONE: u32 = u32::MAX;

/// An element in its list.
#[derive(Clone, Copy)]
struct Entry {
    selections: u64,
    /// Which list.
    list: u32,
    previous: u32,
    next: u32,
}

impl Entry {
    fn unlisted(selections: u64) -> Self {
        Self { selections, list: NONE, previous: NONE, next: NONE }
    }
}

/// The ends of a list; both the same for a list of one, no head in an empty one.
#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

/// Sorted by a key. See [`SortKey`].
pub struct Sorted<K> {
    keys: K,
    by_key: BTreeMap<Key, u32>,
    lists: Slab<List>,
    /// How many lists are empty.
    empty: usize,
    entries: Vec<Entry>,
}

impl<K: SortKey> Sorted<K> {
    /// No elements; `keys` says how to sort them.
    pub fn by(keys: K) -> Self {
        Self { keys, by_key: BTreeMap::new(), lists: Slab::new(), empty: 0, entries: Vec::new() }
    }

    /// The key of the first list that has elements, and which one that is; empty ones before it go.
    fn first(&mut self) -> Option<(Key, u32)> {
        loop {
            let first = self.by_key.first_entry()?;
            if self.lists.get(*first.get() as usize)?.head != NONE {
                return Some((*first.key(), *first.get()));
            }
            self.lists.remove(first.remove() as usize);
            self.empty -= 1;
        }
    }

    fn lowest(&mut self) -> Option<Key> {
        self.first().map(|(key, _)| key)
    }

    /// The list of a key; none for no key.
    fn list_of(&mut self, key: Option<Key>) -> u32 {
        let Some(key) = key else { return NONE };
        *self.by_key.entry(key).or_insert_with(|| {
            self.empty += 1;
            self.lists.insert(List { head: NONE, tail: NONE }) as u32
        })
    }

    /// The element is worth `key` now: it goes behind those of the same worth, unless nothing has changed.
    fn put(&mut self, slot: Slot, key: Option<Key>) {
        let list = self.list_of(key);
        if self.entries[slot].list != list {
            self.unlink(slot);
            self.link(slot, list);
            self.tidy();
        }
    }

    /// The element had its turn. Most often it stays in the first list, `front`, which need not be looked for.
    fn advance(&mut self, slot: Slot, element: &wire::Policy, front: (Key, u32)) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        entry.selections = entry.selections.saturating_add(1);
        let key = self.keys.key(element, entry.selections);
        let list = if key == Some(front.0) { front.1 } else { self.list_of(key) };
        let is_last = self.entries[slot].next == NONE;
        if !is_last || self.entries[slot].list != list {
            self.unlink(slot);
            self.link(slot, list);
        }
    }

    fn link(&mut self, slot: Slot, list: u32) {
        let Some(ends) = self.lists.get_mut(list as usize) else { return };
        let entry = &mut self.entries[slot];
        (entry.list, entry.next) = (list, NONE);
        if ends.head == NONE {
            self.empty -= 1;
            ends.head = slot as u32;
            entry.previous = NONE;
        } else {
            entry.previous = ends.tail;
            self.entries[ends.tail as usize].next = slot as u32;
        }
        ends.tail = slot as u32;
    }

    fn unlink(&mut self, slot: Slot) {
        let Entry { list, previous, next, selections } = self.entries[slot];
        let Some(ends) = self.lists.get_mut(list as usize) else { return };
        self.entries[slot] = Entry::unlisted(selections);
        match self.entries.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => ends.head = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(after) => after.previous = previous,
            None => ends.tail = previous,
        }
        self.empty += usize::from(ends.head == NONE);
    }

    /// Empty lists go, once there are more of them than slots.
    fn tidy(&mut self) {
        if self.empty > self.entries.len() {
            self.by_key.retain(|_, list| self.lists[*list as usize].head != NONE);
            self.lists.retain(|_, list| list.head != NONE);
            self.empty = 0;
        }
    }

    /// Takes elements from the front of a list until there are `wanted`.
    fn take(&self, list: u32, wanted: usize, picked: &mut Vec<Slot>) {
        let mut next = self.lists.get(list as usize).map_or(NONE, |list| list.head);
        while let Some(entry) = self.entries.get(next as usize).filter(|_| picked.len() < wanted) {
            picked.push(next as Slot);
            next = entry.next;
        }
    }
}

impl<K: SortKey> Selector for Sorted<K> {
    fn insert(&mut self, slot: Slot, element: &wire::Policy) {
        if self.entries.len() <= slot {
            self.entries.resize(slot + 1, Entry::unlisted(0));
        }
        let lowest = self.lowest();
        let selections = self.keys.first_selections(element, lowest);
        self.entries[slot] = Entry::unlisted(selections);
        self.put(slot, self.keys.key(element, selections));
    }

    fn update(&mut self, slot: Slot, old: &wire::Policy, new: &wire::Policy) {
        let Some(entry) = self.entries.get(slot) else { return };
        let kept = self.keys.kept_selections(entry.selections, old, new);
        let lowest = self.lowest();
        let selections = kept.unwrap_or_else(|| self.keys.first_selections(new, lowest));
        self.entries[slot].selections = selections;
        self.put(slot, self.keys.key(new, selections));
    }

    fn remove(&mut self, slot: Slot) {
        if slot < self.entries.len() {
            self.unlink(slot);
            self.tidy();
        }
    }

    fn select(
        &mut self,
        count: usize,
        increment: usize,
        elements: &dyn Elements,
        _rng: &mut StdRng,
        picked: &mut Vec<Slot>,
    ) {
        let start = picked.len();
        let wanted = start.saturating_add(count);
        let Some(front) = self.first() else { return };
        self.take(front.1, wanted, picked);
        // Most answers come from the first list, without a walk through the tree.
        if picked.len() < wanted {
            let mut others = self.by_key.values().skip(1);
            while let Some(list) = others.next().filter(|_| picked.len() < wanted) {
                self.take(*list, wanted, picked);
            }
        }
        for &slot in picked[start..].iter().take(increment) {
            if let Some(element) = elements.policy(slot) {
                self.advance(slot, element, front);
            }
        }
        self.tidy();
    }
}
