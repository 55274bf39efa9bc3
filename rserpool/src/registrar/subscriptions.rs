//! Dynamic updates (RFC 5352, 2.2.5): who asked for them is told when a pool changes. Changes that come fast are told together,
//! to some users at a time. The last request of a user says what it wants: one without the S bit ends its subscription, as do
//! the ends of its association and of the pool.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use slab::Slab;

use super::{Registrar, Timer};
use crate::transport::AssociationId;
use crate::wire::PoolElement;
use crate::{PoolHandle, Time};

/// A pool to which somebody is subscribed.
struct Topic {
    pool_handle: PoolHandle,
    /// How many elements each subscriber wants to know of.
    subscribers: BTreeMap<AssociationId, Option<u32>>,
    /// Who was told last, in a round that has not come to its end.
    told: Option<AssociationId>,
    /// The pool has changed since the round began.
    has_changed: bool,
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Subscriptions {
    by_pool: BTreeMap<PoolHandle, usize>,
    topics: Slab<Topic>,
    /// Topics whose pools have changed just now.
    changed: Vec<usize>,
}

/// Subscribers that are told at once.
const BATCH: usize = 100;
/// Batches of one `update_delay`.
const BATCHES: u32 = 10;

impl Registrar {
    /// A pool has changed in a way that its users can see.
    pub(super) fn note_change(&mut self, pool_handle: &PoolHandle) {
        if let Some(topic) = self.subscriptions.by_pool.get(pool_handle)
            && self.subscriptions.changed.last() != Some(topic)
        {
            self.subscriptions.changed.push(*topic);
        }
    }

    /// Whether an element's users would see a difference.
    pub(super) fn is_news(&self, pool_handle: &PoolHandle, element: &PoolElement) -> bool {
        let known = self.handlespace.find(pool_handle, element.id).and_then(|key| self.handlespace.get(key));
        known.is_none_or(|known| {
            known.info.user_transport != element.user_transport || known.info.policy != element.policy
        })
    }

    /// After each event: those who are to be told of it are told soon.
    pub(super) fn schedule_updates(&mut self, now: Time) {
        for topic in std::mem::take(&mut self.subscriptions.changed) {
            let Some(state) = self.subscriptions.topics.get_mut(topic) else { continue };
            if self.timers.is_running(Timer::Update(topic)) {
                state.has_changed = true;
            } else {
                let due = now + self.vary(self.config.update_delay, 500);
                self.timers.set(Timer::Update(topic), due);
            }
        }
    }

    /// What an association wants to know of a pool that there is. Whether it is told of changes.
    pub(super) fn subscribe(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        items: Option<u32>,
    ) -> bool {
        let limit = self.config.max_subscriptions;
        let Some(state) = self.associations.get_mut(&association) else { return false };
        let known = self.subscriptions.by_pool.get(pool_handle).copied();
        if known.is_none_or(|topic| !state.topics.contains(&topic)) && state.topics.len() >= limit {
            return false;
        }
        let topic = known.unwrap_or_else(|| self.subscriptions.add(pool_handle));
        state.topics.insert(topic);
        if let Some(topic) = self.subscriptions.topics.get_mut(topic) {
            topic.subscribers.insert(association, items);
        }
        true
    }

    pub(super) fn unsubscribe(&mut self, association: AssociationId, pool_handle: &PoolHandle) {
        let Some(&topic) = self.subscriptions.by_pool.get(pool_handle) else { return };
        if let Some(state) = self.associations.get_mut(&association) {
            state.topics.remove(&topic);
        }
        self.remove_subscriber(topic, association);
    }

    pub(super) fn unsubscribe_all<'a>(
        &mut self,
        association: AssociationId,
        topics: impl IntoIterator<Item = &'a usize>,
    ) {
        topics.into_iter().for_each(|topic| self.remove_subscriber(*topic, association));
    }

    fn remove_subscriber(&mut self, topic: usize, association: AssociationId) {
        let Some(state) = self.subscriptions.topics.get_mut(topic) else { return };
        state.subscribers.remove(&association);
        if state.subscribers.is_empty() {
            self.subscriptions.by_pool.remove(&state.pool_handle);
            self.subscriptions.topics.remove(topic);
            self.timers.clear(Timer::Update(topic));
        }
    }

    /// Tells the next subscribers of the pool how it is now.
    pub(super) fn send_updates(&mut self, topic: usize, now: Time) {
        let Some(state) = self.subscriptions.topics.get_mut(topic) else { return };
        if state.told.is_none() {
            state.has_changed = false;
        }
        let above = (state.told.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let next = state.subscribers.range(above).map(|(id, items)| (*id, *items));
        let batch: Vec<(AssociationId, Option<u32>)> = next.take(BATCH).collect();
        state.told = batch.last().map(|(id, _)| *id).filter(|_| batch.len() == BATCH);
        let (has_more, has_changed) = (state.told.is_some(), state.has_changed);
        let pool_handle = state.pool_handle.clone();
        if has_more || has_changed {
            let delay = self.vary(self.config.update_delay, 500);
            let delay = if has_more { delay / BATCHES } else { delay };
            self.timers.set(Timer::Update(topic), now + delay);
        }
        self.tell(&pool_handle, batch);
    }

    fn tell(&mut self, pool_handle: &PoolHandle, subscribers: Vec<(AssociationId, Option<u32>)>) {
        let mut messages: BTreeMap<Option<u32>, Option<Bytes>> = BTreeMap::new();
        let is_there = self.handlespace.pool(pool_handle).is_some();
        for (association, items) in subscribers {
            let message = messages.entry(items).or_insert_with(|| self.update_message(pool_handle, items));
            if let Some(data) = message {
                self.io.send_data(association, data.clone());
                self.statistics.dynamic_updates += 1;
            }
            // RFC 5352, 2.2.5: only when the pool exists are there updates.
            if !is_there {
                self.unsubscribe(association, pool_handle);
            }
        }
    }
}

impl Subscriptions {
    fn add(&mut self, pool_handle: &PoolHandle) -> usize {
        let (pool_handle, subscribers) = (pool_handle.clone(), BTreeMap::new());
        let topic = Topic { pool_handle: pool_handle.clone(), subscribers, told: None, has_changed: false };
        let topic = self.topics.insert(topic);
        self.by_pool.insert(pool_handle, topic);
        topic
    }
}
