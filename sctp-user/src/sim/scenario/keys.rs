//! Changes of shared keys in the midst of traffic (RFC 4895, 6.1; RFC 6458, 8.3).

use core::time::Duration;
use sctp_core::endpoint::Endpoint;
use sctp_core::event::AssociationId;
use sctp_core::time::Time;

/// A change of shared keys. What cannot be (there is no such key, it is deactivated, or no AUTH) is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// What is sent from now on is authenticated with this key.
    Activate(u16),
    /// Nothing will be sent with it any more.
    Deactivate(u16),
}

/// The changes that a side still has to make.
#[derive(Debug)]
pub(super) struct KeyPlan {
    /// When, counted from the moment that the sender may send; in order.
    items: std::vec::IntoIter<(Duration, KeyChange)>,
}

impl KeyPlan {
    pub(super) fn new(items: Vec<(Duration, KeyChange)>) -> Self {
        Self { items: items.into_iter() }
    }

    /// When the next change is due, for a side that may send since `since`.
    pub(super) fn next_at(&self, since: Option<Time>) -> Option<Time> {
        let (at, _) = self.items.as_slice().first()?;
        Some(since? + *at)
    }

    /// Makes the next change; how many were made.
    pub(super) fn work(&mut self, endpoint: &mut Endpoint, id: AssociationId) -> u64 {
        let Some((_, change)) = self.items.next() else { return 0 };
        let made = endpoint.change_keys(id, |keys| match change {
            KeyChange::Activate(key) => keys.activate(key),
            KeyChange::Deactivate(key) => keys.deactivate(key),
        });
        u64::from(made.is_ok())
    }
}
