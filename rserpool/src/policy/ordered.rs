//! Policies that sort elements by a key and go round robin among those with equal keys.
//!
//! Elements of equal key form a doubly linked list, in the order in which they were last selected (or joined, or got
//! their key). A tree holds the lists by key. So "the next n" is a walk from the front, and moving an element behind
//! its equals costs two links; no policy needs sequence numbers that could wrap.

use std::collections::BTreeMap;

use rand::rngs::StdRng;

use super::{Select, Slot, degraded_load, distance_penalty};
use crate::wire::{Policy, PolicyType};

/// Lower keys are selected first.
type Key = u128;

/// What an element's key is made of.
struct Entry {
    policy: Policy,
    /// Selections since the (re-)registration, or since it joined for Weighted Round Robin.
    selections: u64,
    /// Weighted Round Robin: the round in which the element joined.
    first_round: u64,
    /// The list that it is in; none for an element that must not be selected.
    key: Option<Key>,
    previous: Option<Slot>,
    next: Option<Slot>,
}

/// The ends of a list; both the same for a list of one.
struct List {
    head: Slot,
    tail: Slot,
}

/// See the module's documentation.
pub(crate) struct Ordered {
    policy_type: PolicyType,
    lists: BTreeMap<Key, List>,
    entries: Vec<Option<Entry>>,
}

impl Ordered {
    pub(super) fn new(policy_type: PolicyType) -> Option<Self> {
        key(policy_type, &Policy::new(policy_type).with(crate::wire::PolicyField::Weight, 1), 0, 0)?;
        Some(Self { policy_type, lists: BTreeMap::new(), entries: Vec::new() })
    }

    fn entry(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(slot)?.as_mut()
    }

    /// The Weighted Round Robin round that is being served.
    fn current_round(&self) -> u64 {
        self.lists.keys().next().map_or(0, |key| (key >> 32) as u64)
    }

    /// Puts an element behind its equals after its key may have changed. `to_back` also moves it when it has not.
    fn requeue(&mut self, slot: Slot, to_back: bool) {
        let policy_type = self.policy_type;
        let Some(entry) = self.entry(slot) else { return };
        let new_key = key(policy_type, &entry.policy, entry.selections, entry.first_round);
        let is_last = entry.next.is_none();
        if entry.key == new_key && (is_last || !to_back) {
            return;
        }
        self.unlink(slot);
        if let Some(new_key) = new_key {
            self.link(slot, new_key);
        }
    }

    fn link(&mut self, slot: Slot, key: Key) {
        let list = self.lists.entry(key);
        let mut previous = None;
        list.and_modify(|list| {
            previous = Some(list.tail);
            list.tail = slot;
        })
        .or_insert(List { head: slot, tail: slot });
        if let Some(before) = previous.and_then(|before| self.entry(before)) {
            before.next = Some(slot);
        }
        if let Some(entry) = self.entry(slot) {
            (entry.key, entry.previous, entry.next) = (Some(key), previous, None);
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let Some(entry) = self.entry(slot) else { return };
        let (key, previous, next) = (entry.key.take(), entry.previous.take(), entry.next.take());
        let Some(key) = key else { return };
        if let Some(before) = previous.and_then(|before| self.entry(before)) {
            before.next = next;
        }
        if let Some(after) = next.and_then(|after| self.entry(after)) {
            after.previous = previous;
        }
        match (previous, next, self.lists.get_mut(&key)) {
            (None, None, _) => drop(self.lists.remove(&key)),
            (None, Some(after), Some(list)) => list.head = after,
            (Some(before), None, Some(list)) => list.tail = before,
            _ => {}
        }
    }
}

impl Select for Ordered {
    fn insert(&mut self, slot: Slot, policy: &Policy) {
        if self.entries.len() <= slot {
            self.entries.resize_with(slot + 1, || None);
        }
        let first_round = self.current_round();
        let entry =
            Entry { policy: *policy, selections: 0, first_round, key: None, previous: None, next: None };
        self.entries[slot] = Some(entry);
        self.requeue(slot, true);
    }

    fn update(&mut self, slot: Slot, policy: &Policy) {
        let current_round = self.current_round();
        let weighted_round_robin = self.policy_type == PolicyType::WeightedRoundRobin;
        let Some(entry) = self.entry(slot) else { return };
        if !weighted_round_robin {
            entry.selections = 0;
        } else if entry.policy.weight != policy.weight {
            (entry.selections, entry.first_round) = (0, current_round);
        }
        entry.policy = *policy;
        self.requeue(slot, false);
    }

    fn remove(&mut self, slot: Slot) {
        self.unlink(slot);
        if let Some(entry) = self.entries.get_mut(slot) {
            *entry = None;
        }
    }

    fn select(&mut self, count: usize, increment: usize, _rng: &mut StdRng, picked: &mut Vec<Slot>) {
        let start = picked.len();
        for list in self.lists.values() {
            let mut next = Some(list.head);
            while let Some(slot) = next.filter(|_| picked.len() - start < count) {
                picked.push(slot);
                next = self.entries.get(slot).and_then(|entry| entry.as_ref()?.next);
            }
            if picked.len() - start == count {
                break;
            }
        }
        for &slot in picked[start..].iter().take(increment) {
            if let Some(entry) = self.entry(slot) {
                entry.selections += 1;
            }
            self.requeue(slot, true);
        }
    }
}

/// An element's key; none when it must not be selected, or when the policy is not of this family.
fn key(policy_type: PolicyType, policy: &Policy, selections: u64, first_round: u64) -> Option<Key> {
    Some(match policy_type {
        PolicyType::RoundRobin => 0,
        PolicyType::WeightedRoundRobin => weighted_turn(policy.weight, selections, first_round)?,
        // RFC 5356, 4.5.4: larger numbers mean higher priorities.
        PolicyType::Priority => Key::from(u32::MAX - policy.priority),
        PolicyType::LeastUsed => Key::from(policy.load),
        PolicyType::LeastUsedDegradation => degraded_load(policy, selections),
        PolicyType::PriorityLeastUsed => degraded_load(policy, 1),
        PolicyType::PriorityLeastUsedDegradation => degraded_load(policy, selections + 1),
        PolicyType::LeastUsedDpf => Key::from(policy.load) + distance_penalty(policy),
        PolicyType::LeastUsedDegradationDpf => degraded_load(policy, selections) + distance_penalty(policy),
        _ => return None,
    })
}

/// Weighted Round Robin: an element has as many turns in a round as its weight; who has most turns left is first,
/// which spreads the turns evenly (RFC 5356, 4.2.2). Weight 0 cannot serve (3.2).
fn weighted_turn(weight: u32, selections: u64, first_round: u64) -> Option<Key> {
    let weight = u64::from(weight);
    let round = first_round + selections.checked_div(weight)?;
    let turns_left = weight - selections % weight;
    Some((Key::from(round) << 32) | Key::from(u64::from(u32::MAX) - turns_left))
}
