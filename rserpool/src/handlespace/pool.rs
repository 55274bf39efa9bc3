//! One pool: its elements, by identifier and in the order of its policy.

use std::collections::HashMap;

use rand::rngs::StdRng;
use slab::Slab;

use super::checksum::PeChecksum;
use super::keyed_hash::KeyedHash;
use super::{Element, RegistrationError};
use crate::policy::{Select, Selector, Slot};
use crate::wire::{Policy, PolicyType, PoolElement, Transport, TransportUse};
use crate::{PeId, PoolHandle};

/// A pool: elements that share policy, transport protocol and use of the control channel (RFC 5352, 3.1).
pub struct Pool<T> {
    handle: PoolHandle,
    policy: Policy,
    /// Of the first element, to compare with and to tell others.
    transport: Transport,
    elements: Slab<Element<T>>,
    by_id: HashMap<PeId, Slot, KeyedHash>,
    selector: Selector,
    pub(super) handle_checksum: PeChecksum,
}

impl<T> Pool<T> {
    /// A pool for `first` and others like it.
    pub(super) fn new(
        handle: PoolHandle,
        first: &PoolElement,
        hash: KeyedHash,
    ) -> Result<Self, RegistrationError> {
        let unknown = RegistrationError::UnknownPolicy { policy: first.policy };
        Ok(Self {
            policy: Policy::new(first.policy.policy_type),
            transport: first.user_transport.clone(),
            elements: Slab::new(),
            by_id: HashMap::with_hasher(hash),
            selector: Selector::new(first.policy.policy_type).ok_or(unknown)?,
            handle_checksum: PeChecksum::of_handle(&handle),
            handle,
        })
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
        self.elements.is_empty()
    }

    /// The elements, in no particular order.
    pub fn elements(&self) -> impl Iterator<Item = &Element<T>> {
        self.elements.iter().map(|(_, element)| element)
    }

    /// The first slot from `from` on that has an element.
    pub(super) fn next(&self, from: Slot) -> Option<Slot> {
        (from..self.elements.capacity()).find(|&slot| self.elements.contains(slot))
    }

    pub(super) fn find(&self, id: PeId) -> Option<Slot> {
        self.by_id.get(&id).copied()
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

    /// Adds an element whose identifier is not in the pool.
    pub(super) fn insert(&mut self, info: PoolElement, data: T) -> Slot {
        let (id, policy) = (info.id, info.policy);
        let slot = self.elements.insert(Element { info, data });
        self.by_id.insert(id, slot);
        self.selector.insert(slot, &policy);
        slot
    }

    pub(super) fn update(&mut self, slot: Slot, info: PoolElement) {
        if let Some(element) = self.elements.get_mut(slot) {
            element.info = info;
            self.selector.update(slot, &element.info.policy);
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Element<T>> {
        let element = self.elements.try_remove(slot)?;
        self.by_id.remove(&element.info.id);
        self.selector.remove(slot);
        Some(element)
    }

    pub(super) fn select(&mut self, count: usize, increment: usize, rng: &mut StdRng, out: &mut Vec<Slot>) {
        self.selector.select(count, increment, rng, out);
    }
}
