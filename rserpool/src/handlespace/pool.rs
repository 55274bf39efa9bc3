//! One pool: its elements, by identifier and in the order of its policy.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rand::rngs::StdRng;

use super::checksum::PeChecksum;
use super::keyed_hash::KeyedHash;
use super::pieces::Pieces;
use super::slots::SlotSet;
use super::{Element, RegistrationError};
use crate::policy::{Elements, Selector, Slot};
use crate::wire::{Policy, PolicyType, PoolElement, Transport, TransportUse};
use crate::{PeId, PoolHandle, RegistrarId};

/// What [`Pool::register`] did.
pub(super) enum Change {
    /// A new element.
    Added(Slot),
    /// One that was known, and whose home this was.
    Replaced(Slot, RegistrarId),
}

impl<T> Elements for Pieces<Element<T>> {
    fn policy(&self, slot: Slot) -> Option<&Policy> {
        self.get(slot).map(|element| &element.info.policy)
    }
}

/// A pool: elements that share policy, transport protocol and use of the control channel (RFC 5352, 3.1).
pub struct Pool<T> {
    handle: PoolHandle,
    policy: Policy,
    /// Of the first element, to compare with and to tell others.
    transport: Transport,
    /// By slot.
    elements: Pieces<Element<T>>,
    /// Slots; narrow, as there are so many.
    by_id: HashMap<PeId, u32, KeyedHash>,
    selector: Box<dyn Selector>,
    /// Whose they are, a set for each registrar that has some.
    owners: Vec<(RegistrarId, SlotSet)>,
    pub(super) handle_checksum: PeChecksum,
}

impl<T> Pool<T> {
    /// A pool for `first` and others like it.
    pub(super) fn new(
        handle: PoolHandle,
        first: &PoolElement,
        selector: Box<dyn Selector>,
        hash: KeyedHash,
    ) -> Self {
        Self {
            policy: Policy::new(first.policy.policy_type),
            transport: first.user_transport.clone(),
            elements: Pieces::new(),
            by_id: HashMap::with_hasher(hash),
            selector,
            owners: Vec::new(),
            handle_checksum: PeChecksum::of_handle(&handle),
            handle,
        }
    }

    /// The pool's name.
    pub fn handle(&self) -> &PoolHandle {
        &self.handle
    }

    /// The policy that all elements have, without an element's numbers.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The policy's type.
    pub fn policy_type(&self) -> PolicyType {
        self.policy.policy_type
    }

    /// Whether the elements of this pool have a control channel.
    pub fn transport_use(&self) -> TransportUse {
        self.transport.transport_use()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether the pool has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, in no particular order.
    pub fn elements(&self) -> impl Iterator<Item = &Element<T>> {
        self.elements.iter()
    }

    /// The first slot from `from` on that has an element, of those that `home` owns, or of all.
    pub(super) fn next(&self, home: Option<RegistrarId>, from: Slot) -> Option<Slot> {
        match home {
            Some(home) => self.owners.iter().find(|(owner, _)| *owner == home)?.1.next(from),
            None => (from..self.elements.end()).find(|&slot| self.elements.get(slot).is_some()),
        }
    }

    /// How many elements are this registrar's.
    pub(super) fn count_of(&self, home: RegistrarId) -> usize {
        self.owners.iter().find(|(owner, _)| *owner == home).map_or(0, |(_, slots)| slots.len())
    }

    /// The element in the slot is this registrar's from now on. Whether it is its first here.
    pub(super) fn own(&mut self, home: RegistrarId, slot: Slot) -> bool {
        if let Some((_, slots)) = self.owners.iter_mut().find(|(owner, _)| *owner == home) {
            slots.insert(slot);
            return false;
        }
        let mut slots = SlotSet::default();
        slots.insert(slot);
        self.owners.push((home, slots));
        true
    }

    /// It is not this registrar's any more. Whether it was its last here.
    pub(super) fn disown(&mut self, home: RegistrarId, slot: Slot) -> bool {
        let Some(index) = self.owners.iter().position(|(owner, _)| *owner == home) else { return false };
        let slots = &mut self.owners[index].1;
        slots.remove(slot);
        let was_last = slots.is_empty();
        if was_last {
            self.owners.swap_remove(index);
        }
        was_last
    }

    pub(super) fn find(&self, id: PeId) -> Option<Slot> {
        self.by_id.get(&id).map(|&slot| slot as Slot)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Element<T>> {
        self.elements.get(slot)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Element<T>> {
        self.elements.get_mut(slot)
    }

    /// The tests of RFC 5352, 3.1 rule 2, which re-registrations must pass as well (rule 3).
    pub(super) fn check(&self, element: &PoolElement) -> Result<(), RegistrationError> {
        if element.policy.policy_type != self.policy.policy_type {
            return Err(RegistrationError::PolicyDiffers { pool: self.policy });
        }
        if !element.user_transport.protocol.same_kind(&self.transport.protocol) {
            return Err(RegistrationError::TransportDiffers { pool: self.transport.clone() });
        }
        if element.user_transport.transport_use() != self.transport.transport_use() {
            return Err(RegistrationError::ControlUseDiffers);
        }
        Ok(())
    }

    /// Adds an element, or replaces what is known of it; none if it is a new one and there is no room.
    pub(super) fn register(
        &mut self,
        info: PoolElement,
        has_room: bool,
        data: impl FnOnce() -> T,
    ) -> Option<Change> {
        match self.by_id.entry(info.id) {
            Entry::Occupied(entry) => {
                let slot = *entry.get() as Slot;
                let element = self.elements.get_mut(slot)?;
                self.selector.update(slot, &element.info.policy, &info.policy);
                let home = element.info.home;
                element.info = info;
                Some(Change::Replaced(slot, home))
            }
            Entry::Vacant(entry) if has_room => {
                let slot = self.elements.vacant();
                self.selector.insert(slot, &info.policy);
                self.elements.insert(Element { info, data: data() });
                entry.insert(slot as u32);
                Some(Change::Added(slot))
            }
            Entry::Vacant(_) => None,
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Element<T>> {
        let element = self.elements.remove(slot)?;
        self.by_id.remove(&element.info.id);
        self.selector.remove(slot);
        Some(element)
    }

    pub(super) fn select(&mut self, count: usize, increment: usize, rng: &mut StdRng, out: &mut Vec<Slot>) {
        self.selector.select(count, increment, &self.elements, rng, out);
    }
}
