//! Policies that sort elements by a key and go round robin among those with equal keys.
//!
//! Elements of equal key form a doubly linked list, in the order in which they were last selected (or joined, or got
//! their key). A tree holds the lists by key. So "the next n" is a walk from the front, and moving an element behind
//! its equals costs two links; no policy needs sequence numbers that could wrap. A list that has become empty stays until it is in
//! front of all others, or until there are more empty ones than slots: loads come again, and the tree changes less often.

use std::collections::BTreeMap;

use rand::rngs::StdRng;

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

/// In place of a slot: there is none.
const NONE: u32 = u32::MAX;
/// In place of the slot before: the element is in no list.
const UNLISTED: u32 = u32::MAX - 1;

/// An element in its list.
#[derive(Clone, Copy)]
struct Entry {
    /// Which list.
    key: Key,
    selections: u64,
    previous: u32,
    next: u32,
}

impl Entry {
    const EMPTY: Self = Self { key: 0, selections: 0, previous: UNLISTED, next: NONE };
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
    lists: BTreeMap<Key, List>,
    /// How many lists are empty.
    empty: usize,
    entries: Vec<Entry>,
}

impl<K: SortKey> Sorted<K> {
    /// No elements; `keys` says how to sort them.
    pub fn by(keys: K) -> Self {
        Self { keys, lists: BTreeMap::new(), empty: 0, entries: Vec::new() }
    }

    /// The first list that has elements; empty ones before it go.
    fn first(&mut self) -> Option<(Key, List)> {
        loop {
            let first = self.lists.first_entry()?;
            if first.get().head != NONE {
                return Some((*first.key(), *first.get()));
            }
            first.remove();
            self.empty -= 1;
        }
    }

    fn lowest(&mut self) -> Option<Key> {
        self.first().map(|(key, _)| key)
    }

    /// The element is worth `key` now: it goes behind those of the same worth, unless nothing has changed.
    fn put(&mut self, slot: Slot, key: Option<Key>) {
        let Some(entry) = self.entries.get(slot) else { return };
        let old = (entry.previous != UNLISTED).then_some(entry.key);
        if old != key {
            self.unlink(slot);
            self.link(slot, key);
        }
    }

    /// The element had its turn.
    fn advance(&mut self, slot: Slot, element: &wire::Policy) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        entry.selections = entry.selections.saturating_add(1);
        let key = self.keys.key(element, entry.selections);
        if key == Some(entry.key) && entry.previous != UNLISTED {
            self.move_back(slot);
        } else {
            self.put(slot, key);
        }
    }

    /// To the end of its list.
    fn move_back(&mut self, slot: Slot) {
        let Entry { key, previous, next, .. } = self.entries[slot];
        if next == NONE {
            return;
        }
        let Some(list) = self.lists.get_mut(&key) else { return };
        let tail = std::mem::replace(&mut list.tail, slot as u32);
        match self.entries.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => list.head = next,
        }
        self.entries[next as usize].previous = previous;
        self.entries[tail as usize].next = slot as u32;
        let entry = &mut self.entries[slot];
        (entry.previous, entry.next) = (tail, NONE);
    }

    fn link(&mut self, slot: Slot, key: Option<Key>) {
        let Some(key) = key else { return };
        let slot_number = slot as u32;
        let list = self.lists.entry(key).or_insert_with(|| {
            self.empty += 1;
            List { head: NONE, tail: NONE }
        });
        let previous = if list.head == NONE { NONE } else { list.tail };
        if previous == NONE {
            list.head = slot_number;
            self.empty -= 1;
        }
        list.tail = slot_number;
        if let Some(before) = self.entries.get_mut(previous as usize) {
            before.next = slot_number;
        }
        let entry = &mut self.entries[slot];
        (entry.key, entry.previous, entry.next) = (key, previous, NONE);
    }

    fn unlink(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot];
        let (key, previous, next) = (entry.key, entry.previous, entry.next);
        if previous == UNLISTED {
            return;
        }
        (entry.previous, entry.next) = (UNLISTED, NONE);
        if let Some(before) = self.entries.get_mut(previous as usize) {
            before.next = next;
        }
        if let Some(after) = self.entries.get_mut(next as usize) {
            after.previous = previous;
        }
        match (previous, next) {
            (NONE, NONE) => self.empty_list(key),
            (NONE, head) => self.change_list(key, |list| list.head = head),
            (tail, NONE) => self.change_list(key, |list| list.tail = tail),
            _ => {}
        }
    }

    fn empty_list(&mut self, key: Key) {
        self.change_list(key, |list| list.head = NONE);
        self.empty += 1;
        if self.empty > self.entries.len() {
            self.lists.retain(|_, list| list.head != NONE);
            self.empty = 0;
        }
    }

    fn change_list(&mut self, key: Key, change: impl FnOnce(&mut List)) {
        self.lists.get_mut(&key).map(change);
    }

    /// Takes elements from the front of a list until there are `wanted`.
    fn take(&self, list: List, wanted: usize, picked: &mut Vec<Slot>) {
        let mut next = list.head;
        while let Some(entry) = self.entries.get(next as usize).filter(|_| picked.len() < wanted) {
            picked.push(next as Slot);
            next = entry.next;
        }
    }
}

impl<K: SortKey> Selector for Sorted<K> {
    fn insert(&mut self, slot: Slot, element: &wire::Policy) {
        if self.entries.len() <= slot {
            self.entries.resize(slot + 1, Entry::EMPTY);
        }
        let lowest = self.lowest();
        let selections = self.keys.first_selections(element, lowest);
        self.entries[slot] = Entry { selections, ..Entry::EMPTY };
        self.link(slot, self.keys.key(element, selections));
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
        // Most answers come from the first list, which is found without walking through the tree.
        if let Some((_, list)) = self.first() {
            self.take(list, wanted, picked);
        }
        if picked.len() < wanted {
            let mut others = self.lists.values().skip(1);
            while let Some(list) = others.next().filter(|_| picked.len() < wanted) {
                self.take(*list, wanted, picked);
            }
        }
        for &slot in picked[start..].iter().take(increment) {
            if let Some(element) = elements.policy(slot) {
                self.advance(slot, element);
            }
        }
    }
}
