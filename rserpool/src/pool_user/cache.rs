//! What a pool user has resolved (RFC 5352, 3.3 C1 to C4).

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;

use crate::handlespace::{Handlespace, Limits};
use crate::policy::Policies;
use crate::wire::{Policy, PolicyField, PoolElement, Protocol};
use crate::{PeId, PoolHandle, Time};

/// Pools, each with the elements of the registrar's last answer.
pub(crate) struct Cache {
    handlespace: Handlespace<()>,
    resolved: BTreeMap<PoolHandle, Time>,
    stale_after: Duration,
    max_pools: usize,
}

impl Cache {
    pub(super) fn new(limits: Limits, policies: Policies, stale_after: Duration, rng: &mut StdRng) -> Self {
        let handlespace = Handlespace::new(limits, rng).with_policies(policies);
        Self { handlespace, resolved: BTreeMap::new(), stale_after, max_pools: limits.pools }
    }

    /// Whether the pool was resolved less than the stale-cache value ago.
    pub(crate) fn is_fresh(&self, handle: &PoolHandle, now: Time) -> bool {
        let at = self.resolved.get(handle);
        at.is_some_and(|&at| now - at < self.stale_after) && self.handlespace.pool(handle).is_some()
    }

    /// Whether anything is known of the pool, fresh or not.
    pub(crate) fn knows(&self, handle: &PoolHandle) -> bool {
        self.handlespace.pool(handle).is_some()
    }

    pub(super) fn contains(&self, handle: &PoolHandle, id: PeId) -> bool {
        self.handlespace.find(handle, id).is_some()
    }

    pub(crate) fn get(&self, handle: &PoolHandle, id: PeId) -> Option<&PoolElement> {
        Some(&self.handlespace.get(self.handlespace.find(handle, id)?)?.info)
    }

    pub(super) fn elements(&self, handle: &PoolHandle) -> Vec<PoolElement> {
        let elements = self.handlespace.pool(handle).into_iter().flat_map(|pool| pool.elements());
        elements.map(|element| element.info.clone()).collect()
    }

    /// Replaces what is known of a pool by a registrar's answer. The overall policy counts, not the elements' own
    /// (RFC 5352, 2.2.6).
    pub(super) fn store(
        &mut self,
        handle: &PoolHandle,
        policy: Option<Policy>,
        elements: &[PoolElement],
        now: Time,
    ) {
        self.forget(handle);
        if self.resolved.len() >= self.max_pools {
            self.forget_oldest();
        }
        let overall = policy.unwrap_or_default().policy_type;
        for element in elements {
            let mut element = element.clone();
            if element.policy.policy_type != overall {
                element.policy = Policy::new(overall).with(PolicyField::Weight, 1);
            }
            if let Err(error) = self.handlespace.register(handle, element, || ()) {
                tracing::debug!(%error, "element of an answer not cached");
            }
        }
        self.resolved.insert(handle.clone(), now);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.resolved.iter().min_by_key(|(_, at)| **at).map(|(handle, _)| handle.clone());
        oldest.iter().for_each(|handle| self.forget(handle));
    }

    pub(super) fn forget(&mut self, handle: &PoolHandle) {
        self.resolved.remove(handle);
        let pool = self.handlespace.pool(handle);
        let ids: Vec<_> = pool.into_iter().flat_map(|pool| pool.elements()).map(|e| e.info.id).collect();
        ids.into_iter().for_each(|id| self.remove(handle, id));
    }

    pub(crate) fn remove(&mut self, handle: &PoolHandle, id: PeId) {
        if let Some(key) = self.handlespace.find(handle, id) {
            self.handlespace.remove(key);
        }
    }

    /// The next element by the pool's policy, but none of `failed`.
    pub(crate) fn pick(
        &mut self,
        handle: &PoolHandle,
        failed: &[PeId],
        rng: &mut StdRng,
    ) -> Option<PoolElement> {
        let mut keys = Vec::new();
        self.handlespace.select(handle, failed.len() + 1, None, rng, &mut keys);
        let elements = keys.into_iter().filter_map(|key| self.handlespace.get(key));
        elements.map(|element| &element.info).find(|info| !failed.contains(&info.id)).cloned()
    }

    /// The same, but only elements that speak SCTP; the others are forgotten.
    pub(crate) fn pick_sctp(
        &mut self,
        handle: &PoolHandle,
        failed: &[PeId],
        rng: &mut StdRng,
    ) -> Option<PoolElement> {
        loop {
            let element = self.pick(handle, failed, rng)?;
            if matches!(element.user_transport.protocol, Protocol::Sctp(_)) {
                return Some(element);
            }
            self.remove(handle, element.id);
        }
    }
}
