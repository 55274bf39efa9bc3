//! Selection of pool elements (RFC 5356): each pool has a [`Selector`], which keeps the pool's elements in the order, or with the
//! chances, that the pool's [`Policy`] gives them, so that an answer costs little however large the pool is.
//!
//! | selector | for policies that | of them |
//! | --- | --- | --- |
//! | [`Sorted`] | sort elements by a key, and go round robin among those with equal keys | RR, WRR, PRIO, LU, LUD, PLU… |
//! | [`Drawn`] | draw elements at random, each with a weight of its own | WRAND, RLU… |
//! | your own | want something else | RAND, whose elements all have the same chance |
//!
//! All policies of RFC 5356, of RSPLIB and of the delay draft are there, one line each in `builtin.rs`. Registrars and users may know more: a [`Policy`]
//! is added to their [`Policies`]. Here is one that prefers the cheapest element, and that does not select elements which cost too
//! much. The price is its one number, which each element says when it registers:
//!
//! ```
//! use rserpool::handlespace::{Handlespace, Limits};
//! use rserpool::policy::{Policies, Policy, Selector, Sorted};
//! use rserpool::registrar::{Registrar, RegistrarConfig};
//! use rserpool::wire::{self, PolicyType};
//! use rserpool::{PoolHandle, Profile, RegistrarId, Time};
//!
//! const CHEAPEST: u32 = 0xb000_4711;
//!
//! struct Cheapest {
//!     limit: u32,
//! }
//!
//! impl Policy for Cheapest {
//!     fn policy_type(&self) -> PolicyType {
//!         PolicyType::from_number(CHEAPEST)
//!     }
//!
//!     fn selector(&self) -> Box<dyn Selector> {
//!         let limit = self.limit;
//!         Box::new(Sorted::by(move |element: &wire::Policy, _selections| {
//!             let price = element.number(0);
//!             (price <= limit).then_some(price.into())
//!         }))
//!     }
//! }
//!
//! // A registrar that knows it, and what an element says that registers for 5.
//! let mut config = RegistrarConfig::new(RegistrarId(1), Profile::Rsplib);
//! config.policies = Policies::default().with(Cheapest { limit: 100 });
//! let registrar = Registrar::new(config, 4711, Time::ZERO);
//! let for_five = wire::Policy::own(CHEAPEST, [5]);
//! # // What the registrar's handlespace does with it.
//! # use rand::{SeedableRng, rngs::StdRng};
//! # use rserpool::wire::{Life, PoolElement, Transport, TransportUse};
//! # let (rng, pool) = (&mut StdRng::seed_from_u64(1), PoolHandle::from("Pool"));
//! # let mut space = Handlespace::new(Limits::default(), rng).with_policies(registrar.config().policies.clone());
//! # let user_transport = Transport::sctp(7, ["10.0.0.1".parse().unwrap()], TransportUse::DataOnly);
//! # let mut register = |id, policy| {
//! #     let (id, home, life) = (rserpool::PeId(id), RegistrarId(1), Life::INFINITE);
//! #     let user_transport = user_transport.clone();
//! #     space.register(&pool, PoolElement { id, home, life, user_transport, policy, asap_transport: None }, || ()).unwrap().key
//! # };
//! # let (nine, five) = (register(1, wire::Policy::own(CHEAPEST, [9])), register(2, for_five));
//! # register(3, wire::Policy::own(CHEAPEST, [101]));
//! # let mut selected = Vec::new();
//! # space.select(&pool, 3, None, rng, &mut selected);
//! # assert_eq!(selected, [five, nine]);
//! ```
//!
//! Whoever does not know a policy carries it unchanged, and selects round robin. A registrar does not take registrations with it
//! from elements, though, only what other registrars tell of theirs.

mod builtin;
mod drawn;
mod sorted;
#[cfg(test)]
mod tests;
mod uniform;

use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;

use crate::wire::{self, PolicyType};

pub use drawn::Drawn;
pub use sorted::{Key, SortKey, Sorted};

/// The index of an element in its pool: small numbers that are used again.
pub type Slot = usize;

/// A pool member selection policy. See the [module](self).
///
/// This is the rule; what one element says of itself in it is a [`wire::Policy`].
pub trait Policy: Send + Sync + 'static {
    /// Its number on the wire.
    fn policy_type(&self) -> PolicyType;

    /// What selects the elements of one pool; empty.
    fn selector(&self) -> Box<dyn Selector>;

    /// Which of the elements' numbers is the distance in milliseconds, if one is: registrars measure it.
    fn distance(&self) -> Option<usize> {
        None
    }
}

/// The elements of one pool, ready to be selected.
///
/// Elements are known by slots. What a slot's element says of itself is shown when it changes, and there to be asked for
/// ([`Elements`]); its numbers come from anybody, so no value of them may be taken for granted, nor how many there are.
pub trait Selector: Send + Sync {
    /// An element joins.
    fn insert(&mut self, slot: Slot, element: &wire::Policy);

    /// An element registered again, perhaps with other numbers. This resets its degradation (RFC 5356, 5.2.2).
    fn update(&mut self, slot: Slot, old: &wire::Policy, new: &wire::Policy);

    /// An element leaves.
    fn remove(&mut self, slot: Slot);

    /// Appends up to `count` different elements to `picked`, best first, and moves the counters of the first
    /// `increment` of them: their turn in a round robin, their degradation.
    fn select(
        &mut self,
        count: usize,
        increment: usize,
        elements: &dyn Elements,
        rng: &mut StdRng,
        picked: &mut Vec<Slot>,
    );
}

/// What the elements of a pool say of themselves.
pub trait Elements {
    /// By slot; none if there is no element.
    fn policy(&self, slot: Slot) -> Option<&wire::Policy>;
}

/// The policies that a registrar or a pool user knows: those of `builtin.rs`, and what is [added](Self::with).
#[derive(Clone, Default)]
pub struct Policies {
    own: Vec<Arc<dyn Policy>>,
}

impl Policies {
    /// These, and another one. It takes the place of one with the same number.
    #[must_use]
    pub fn with(mut self, policy: impl Policy) -> Self {
        self.own.retain(|other| other.policy_type() != policy.policy_type());
        self.own.push(Arc::new(policy));
        self
    }

    /// The policy with this number; none if it is not known.
    pub fn get(&self, policy_type: PolicyType) -> Option<&dyn Policy> {
        let own = self.own.iter().find(|policy| policy.policy_type() == policy_type);
        own.map(|policy| &**policy).or_else(|| builtin::find(policy_type))
    }

    /// An empty pool's selector. A policy that is not known is served round robin.
    pub(crate) fn selector(&self, policy_type: PolicyType) -> Box<dyn Selector> {
        self.get(policy_type).map_or_else(builtin::round_robin, |policy| policy.selector())
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own.iter().map(|policy| policy.policy_type());
        f.debug_tuple("Policies").field(&own.collect::<Vec<_>>()).finish()
    }
}

impl PartialEq for Policies {
    /// Whether they are the same policies, and not only some with the same numbers.
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.own.iter().zip(&other.own);
        self.own.len() == other.own.len() && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl Eq for Policies {}
