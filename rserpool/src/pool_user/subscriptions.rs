//! Dynamic updates (RFC 5352, 2.2.5 and 2.2.6): the registrar tells when a pool changes. Only who asks for them gets any, so
//! registrars that know nothing of them are no trouble, and neither are users.

use std::collections::BTreeMap;

use super::requests::{Purpose, ResolutionError};
use super::{MAX_EVENTS, PoolUser, PoolUserEvent};
use crate::wire::PoolElement;
use crate::{PoolHandle, Time};

/// What has become of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// The registrar sends updates from now on (A bit).
    Accepted,
    /// The registrar sends none: it does not know how, or has too many subscribers. The next one may.
    Refused,
    /// The pool is not there, or no registrar: subscribe again when it may be.
    Ended(ResolutionError),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Active,
    Refused,
}

pub(super) struct Subscriptions {
    pools: BTreeMap<PoolHandle, State>,
}

impl Subscriptions {
    pub(super) fn new() -> Self {
        Self { pools: BTreeMap::new() }
    }

    pub(super) fn contains(&self, pool_handle: &PoolHandle) -> bool {
        self.pools.contains_key(pool_handle)
    }

    pub(super) fn is_active(&self, pool_handle: &PoolHandle) -> bool {
        self.pools.get(pool_handle) == Some(&State::Active)
    }

    /// The registrar is lost: the next one knows nothing of them (RFC 5352, 2.2.5).
    pub(super) fn suspend(&mut self) {
        self.pools.values_mut().for_each(|state| *state = State::Asked);
    }
}

impl PoolUser {
    /// Asks the registrar to tell of each change of a pool: [`PoolUserEvent::Updated`], and what is remembered of the pool is
    /// always fresh. It is asked again when another registrar becomes home.
    pub fn subscribe(&mut self, pool_handle: PoolHandle, now: Time) {
        self.subscriptions.pools.insert(pool_handle.clone(), State::Asked);
        self.request(pool_handle, Purpose::Subscription, None, now);
    }

    /// Wants no updates of a pool any more.
    pub fn unsubscribe(&mut self, pool_handle: &PoolHandle, now: Time) {
        // The last request says what is wanted: one without the S bit ends them.
        let before = self.subscriptions.pools.remove(pool_handle);
        if before.is_some_and(|state| state != State::Refused) {
            self.request(pool_handle.clone(), Purpose::Cache, None, now);
        }
    }

    /// A new home registrar must be asked anew.
    pub(super) fn subscribe_again(&mut self, now: Time) {
        let pools: Vec<PoolHandle> = self.subscriptions.pools.keys().cloned().collect();
        for pool_handle in pools {
            if !self.is_asked(&pool_handle, Purpose::Subscription) {
                self.request(pool_handle, Purpose::Subscription, None, now);
            }
        }
    }

    /// An update, or an answer that says whether updates follow.
    pub(super) fn note_update(
        &mut self,
        pool_handle: &PoolHandle,
        subscribed: bool,
        result: &Result<Vec<PoolElement>, ResolutionError>,
    ) {
        let Some(state) = self.subscriptions.pools.get_mut(pool_handle) else { return };
        let elements = match result {
            Ok(elements) => elements.clone(),
            Err(error) => return self.end_subscription(pool_handle, error.clone()),
        };
        let new_state = if subscribed { State::Active } else { State::Refused };
        if std::mem::replace(state, new_state) != new_state {
            let state = if subscribed { SubscriptionState::Accepted } else { SubscriptionState::Refused };
            self.emit(PoolUserEvent::Subscription { pool_handle: pool_handle.clone(), state });
        }
        // A registrar that tells faster than the application listens is cut short.
        if self.events.len() < MAX_EVENTS {
            self.emit(PoolUserEvent::Updated { pool_handle: pool_handle.clone(), elements });
        }
    }

    /// RFC 5352, 2.2.5: after a negative answer no updates come.
    pub(super) fn end_subscription(&mut self, pool_handle: &PoolHandle, error: ResolutionError) {
        if self.subscriptions.pools.remove(pool_handle).is_some() {
            let state = SubscriptionState::Ended(error);
            self.emit(PoolUserEvent::Subscription { pool_handle: pool_handle.clone(), state });
        }
    }
}
