//! The handlespace: which pools there are, and which elements each has (RFC 5351, 2.1).
//!
//! A registrar keeps all pools in one [`Handlespace`]; a pool user keeps what it has resolved in another. Elements
//! are found by pool and identifier, selected by the pool's policy, and summed up per home registrar. `T` is what
//! the owner of the handlespace wants to remember of each element.

mod checksum;
mod keyed_hash;
mod pieces;
mod pool;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use rand::rngs::StdRng;
use slab::Slab;

pub use checksum::PeChecksum;
pub use pool::Pool;

use crate::policy::{Policies, Slot};
use crate::wire::{CauseCode, ErrorCause, Policy, PoolElement, Protocol, Transport};
use crate::{PeId, PoolHandle, RegistrarId};
use keyed_hash::KeyedHash;
use pool::Change;

/// An element and what its owner keeps with it.
#[derive(Clone, Debug)]
pub struct Element<T> {
    /// What the wire says of it.
    pub info: PoolElement,
    /// The owner's own.
    pub data: T,
}

/// Finds an element in no time. Valid until the element is removed; then it may come to mean another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementKey {
    pool: u32,
    slot: u32,
}

impl ElementKey {
    /// Limits keep both far below 2^32.
    fn new(pool: usize, slot: Slot) -> Self {
        Self { pool: pool as u32, slot: slot as u32 }
    }

    pub(crate) fn pool(self) -> usize {
        self.pool as usize
    }

    fn slot(self) -> Slot {
        self.slot as usize
    }

    /// Elements of one pool have consecutive numbers.
    pub(crate) fn number(self) -> usize {
        self.pool().wrapping_add(self.slot())
    }
}

/// What one registrar owns.
#[derive(Default)]
struct Estate {
    checksum: PeChecksum,
    /// The pools that know which of their elements are its own.
    pools: BTreeSet<usize>,
}

/// How much a handlespace may hold. What would exceed a limit is rejected for lack of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pools.
    pub pools: usize,
    /// Elements of all pools together.
    pub elements: usize,
    /// Addresses in an element's user transport.
    pub addresses: usize,
}

impl Default for Limits {
    /// 10,000 pools, 1,000,000 elements, 32 addresses each.
    fn default() -> Self {
        Self { pools: 10_000, elements: 1_000_000, addresses: 32 }
    }
}

impl Limits {
    fn possible(self) -> Self {
        Self { elements: self.elements.min(MAX_ELEMENTS), ..self }
    }
}

/// However high the limit is: slots are 32 bits, of which the policies need some values.
const MAX_ELEMENTS: usize = u32::MAX as usize - 2;

/// Why an element may not join, or may not change as it wants to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// Not the pool's policy.
    #[error("the pool's policy is {}", pool.policy_type)]
    PolicyDiffers {
        /// The pool's policy.
        pool: Policy,
    },
    /// Not the pool's transport protocol.
    #[error("the pool's transport protocol is {:?}", pool.protocol)]
    TransportDiffers {
        /// A transport of the pool's kind.
        pool: Transport,
    },
    /// With a control channel in a pool without, or the other way round.
    #[error("the pool's use of the control channel is another")]
    ControlUseDiffers,
    /// The registrar cannot select by this policy.
    #[error("{} is unknown", policy.policy_type)]
    UnknownPolicy {
        /// The element's policy.
        policy: Policy,
    },
    /// The transport has no usable address.
    #[error("no usable address in {transport:?}")]
    NoUsableAddress {
        /// The element's transport.
        transport: Transport,
    },
    /// A transport that may not be registered: without port, see [`Format::rare_transports`](crate::wire::Format), and RFC 5354, 3.3
    /// to 3.7 for the number of its addresses.
    #[error("{transport:?} may not be registered here")]
    TransportRefused {
        /// The element's transport.
        transport: Transport,
    },
    /// Something that has no meaning.
    #[error("{what} is refused")]
    InvalidValue {
        /// What.
        what: &'static str,
        /// What the element is told: with the parameter that holds it (RFC 5354, 3.12.4).
        cause: ErrorCause,
    },
    /// Another element of the pool has this identifier.
    #[error("{pe_id} is another element's")]
    IdInUse {
        /// The identifier.
        pe_id: PeId,
    },
    /// ASAP between elements and registrars is over SCTP (RFC 5352, 2.1).
    #[error("elements register over SCTP only")]
    NotOverSctp,
    /// The registrar's access rules do not allow it.
    #[error("the access rules do not let {from} register here")]
    Forbidden {
        /// Where the element comes from.
        from: IpAddr,
    },
    /// A limit is reached.
    #[error("there may not be more than {limit} {what}")]
    Full {
        /// Of what there are too many.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

impl RegistrationError {
    /// The error cause that tells the element (RFC 5354, 3.12).
    pub fn cause(&self) -> ErrorCause {
        match self {
            Self::PolicyDiffers { pool } => ErrorCause::inconsistent_policy(pool),
            Self::TransportDiffers { pool } => ErrorCause::inconsistent_transport(pool),
            Self::ControlUseDiffers => ErrorCause::bare(CauseCode::INCONSISTENT_CONTROL_USE),
            Self::UnknownPolicy { policy } => ErrorCause::invalid_policy(policy),
            Self::NoUsableAddress { transport } | Self::TransportRefused { transport } => {
                ErrorCause::invalid_transport(transport)
            }
            Self::InvalidValue { cause, .. } => cause.clone(),
            Self::IdInUse { .. } => ErrorCause::bare(CauseCode::NON_UNIQUE_PE_ID),
            Self::Forbidden { .. } | Self::NotOverSctp => ErrorCause::bare(CauseCode::SECURITY),
            Self::Full { .. } => ErrorCause::bare(CauseCode::LACK_OF_RESOURCES),
        }
    }
}

/// What [`Handlespace::register`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The element.
    pub key: ElementKey,
    /// Whether it was unknown before.
    pub is_new: bool,
}

/// See the module's documentation.
pub struct Handlespace<T> {
    limits: Limits,
    policies: Policies,
    pools: Slab<Pool<T>>,
    by_handle: HashMap<PoolHandle, usize, KeyedHash>,
    elements: usize,
    /// None is empty.
    estates: BTreeMap<RegistrarId, Estate>,
    hash: KeyedHash,
    selected: Vec<usize>,
}

impl<T> Handlespace<T> {
    /// An empty handlespace; `rng` seeds its hash tables.
    pub fn new(limits: Limits, rng: &mut StdRng) -> Self {
        let hash = KeyedHash::new(rng);
        Self {
            limits: limits.possible(),
            policies: Policies::default(),
            pools: Slab::new(),
            by_handle: HashMap::with_hasher(hash),
            elements: 0,
            estates: BTreeMap::new(),
            hash,
            selected: Vec::new(),
        }
    }

    /// With these policies, and not only the usual ones.
    #[must_use]
    pub fn with_policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// Takes other limits. What is there stays, even if it is more.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits.possible();
    }

    /// Number of elements in all pools.
    pub fn len(&self) -> usize {
        self.elements
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.elements == 0
    }

    /// The pools, in no particular order.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = &Pool<T>> {
        self.pools.iter().map(|(_, pool)| pool)
    }

    /// The pool of this name.
    pub fn pool(&self, handle: &PoolHandle) -> Option<&Pool<T>> {
        self.pools.get(*self.by_handle.get(handle)?)
    }

    /// The number of the pool of this name, as in the keys of its elements.
    pub(crate) fn number_of(&self, handle: &PoolHandle) -> Option<usize> {
        self.by_handle.get(handle).copied()
    }

    /// The pool that an element is in.
    pub fn pool_of(&self, key: ElementKey) -> Option<&Pool<T>> {
        self.pools.get(key.pool())
    }

    /// The element with this identifier.
    pub fn find(&self, handle: &PoolHandle, id: PeId) -> Option<ElementKey> {
        let pool = *self.by_handle.get(handle)?;
        let slot = self.pools.get(pool)?.find(id)?;
        Some(ElementKey::new(pool, slot))
    }

    /// An element.
    pub fn get(&self, key: ElementKey) -> Option<&Element<T>> {
        self.pools.get(key.pool())?.get(key.slot())
    }

    /// What is kept with an element.
    pub fn data_mut(&mut self, key: ElementKey) -> Option<&mut T> {
        self.pools.get_mut(key.pool())?.get_mut(key.slot()).map(|element| &mut element.data)
    }

    /// The registrars that own elements.
    pub fn homes(&self) -> impl Iterator<Item = RegistrarId> {
        self.estates.keys().copied()
    }

    /// How many elements a registrar owns.
    pub fn count_of(&self, home: RegistrarId) -> usize {
        let pools = self.estates.get(&home).into_iter().flat_map(|estate| &estate.pools);
        pools.filter_map(|pool| self.pools.get(*pool)).map(|pool| pool.count_of(home)).sum()
    }

    /// The elements that a registrar owns.
    pub fn keys_of(&self, home: RegistrarId) -> impl Iterator<Item = ElementKey> {
        let next = move |after| self.next(Some(home), Some(after));
        std::iter::successors(self.next(Some(home), None), move |key| next(*key))
    }

    /// The element that follows `after`, of those that `home` owns, or of all. Who walks on from key to key meets each element
    /// that is there all the time once, the elements of a pool one after the other.
    pub fn next(&self, home: Option<RegistrarId>, after: Option<ElementKey>) -> Option<ElementKey> {
        let (first, slot) = after.map_or((0, 0), |after| (after.pool(), after.slot() + 1));
        let in_pool =
            |pool: usize, from| Some(ElementKey::new(pool, self.pools.get(pool)?.next(home, from)?));
        let in_first = in_pool(first, slot);
        in_first.or_else(|| match home {
            Some(home) => {
                self.estates.get(&home)?.pools.range(first + 1..).find_map(|pool| in_pool(*pool, 0))
            }
            None => (first + 1..self.pools.capacity()).find_map(|pool| in_pool(pool, 0)),
        })
    }

    /// The checksum over the elements that a registrar owns.
    pub fn checksum(&self, home: RegistrarId) -> PeChecksum {
        self.estates.get(&home).map(|estate| estate.checksum).unwrap_or_default()
    }

    /// Another registrar is the element's home from now on (RFC 5353, 3.5.2).
    pub fn set_home(&mut self, key: ElementKey, home: RegistrarId) {
        let Some(pool) = self.pools.get_mut(key.pool()) else { return };
        let of_handle = pool.handle_checksum;
        let Some(element) = pool.get_mut(key.slot()) else { return };
        let contribution = of_handle.with_id(element.info.id);
        let before = std::mem::replace(&mut element.info.home, home);
        self.change_home(key, Some(before), home, contribution);
    }

    fn change_home(
        &mut self,
        key: ElementKey,
        from: Option<RegistrarId>,
        to: RegistrarId,
        contribution: PeChecksum,
    ) {
        if from != Some(to) {
            from.iter().for_each(|from| self.disown(*from, key, contribution));
            self.own(to, key, contribution);
        }
    }

    /// Adds an element, or replaces what is known of it (RFC 5352, 3.1 rules 1 to 3). `data` makes what is kept with
    /// a new element; a known one keeps its own.
    pub fn register(
        &mut self,
        handle: &PoolHandle,
        info: PoolElement,
        data: impl FnOnce() -> T,
    ) -> Result<Registered, RegistrationError> {
        self.check_addresses(&info.user_transport)?;
        let pool = match self.by_handle.get(handle) {
            Some(&pool) => pool,
            None => self.add_pool(handle, &info)?,
        };
        let members = &mut self.pools[pool];
        members.check(&info)?;
        let contribution = members.handle_checksum.with_id(info.id);
        let (home, has_room) = (info.home, self.elements < self.limits.elements);
        let limit = self.limits.elements;
        let change = members.register(info, has_room, data);
        let full = || RegistrationError::Full { what: "elements", limit };
        let (slot, before) = match change.ok_or_else(full)? {
            Change::Added(slot) => (slot, None),
            Change::Replaced(slot, home) => (slot, Some(home)),
        };
        let key = ElementKey::new(pool, slot);
        self.elements += usize::from(before.is_none());
        self.change_home(key, before, home, contribution);
        Ok(Registered { key, is_new: before.is_none() })
    }

    fn check_addresses(&self, transport: &Transport) -> Result<(), RegistrationError> {
        let limit = self.limits.addresses;
        if transport.addresses.len() > limit {
            return Err(RegistrationError::Full { what: "addresses of an element", limit });
        }
        if transport.addresses.is_empty() && !matches!(transport.protocol, Protocol::Opaque(_)) {
            return Err(RegistrationError::NoUsableAddress { transport: transport.clone() });
        }
        Ok(())
    }

    fn add_pool(&mut self, handle: &PoolHandle, first: &PoolElement) -> Result<usize, RegistrationError> {
        let limits = [
            ("pools", self.pools.len(), self.limits.pools),
            ("elements", self.elements, self.limits.elements),
        ];
        for (what, count, limit) in limits {
            if count >= limit {
                return Err(RegistrationError::Full { what, limit });
            }
        }
        let selector = self.policies.selector(first.policy.policy_type);
        let pool = self.pools.insert(Pool::new(handle.clone(), first, selector, self.hash));
        self.by_handle.insert(handle.clone(), pool);
        Ok(pool)
    }

    fn own(&mut self, home: RegistrarId, key: ElementKey, contribution: PeChecksum) {
        let Some(pool) = self.pools.get_mut(key.pool()) else { return };
        let estate = self.estates.entry(home).or_default();
        estate.checksum.add(contribution);
        if pool.own(home, key.slot()) {
            estate.pools.insert(key.pool());
        }
    }

    fn disown(&mut self, home: RegistrarId, key: ElementKey, contribution: PeChecksum) {
        let Some(pool) = self.pools.get_mut(key.pool()) else { return };
        let Some(estate) = self.estates.get_mut(&home) else { return };
        estate.checksum.subtract(contribution);
        if pool.disown(home, key.slot()) {
            estate.pools.remove(&key.pool());
            if estate.pools.is_empty() {
                self.estates.remove(&home);
            }
        }
    }

    /// Removes an element, and its pool if it was the last (RFC 5352, 3.2).
    pub fn remove(&mut self, key: ElementKey) -> Option<Element<T>> {
        let pool = self.pools.get_mut(key.pool())?;
        let element = pool.remove(key.slot())?;
        let (contribution, is_empty) = (pool.handle_checksum.with_id(element.info.id), pool.is_empty());
        self.disown(element.info.home, key, contribution);
        if is_empty {
            let pool = self.pools.remove(key.pool());
            self.by_handle.remove(pool.handle());
        }
        self.elements -= 1;
        Some(element)
    }

    /// Selects up to `count` elements by the pool's policy, best first, into `out`; nothing if there is no such pool.
    /// `increment` elements have their counters moved; none for one, so that the answers to several requests start with different
    /// elements (RFC 5356, 4.1.2).
    pub fn select(
        &mut self,
        handle: &PoolHandle,
        count: usize,
        increment: Option<usize>,
        rng: &mut StdRng,
        out: &mut Vec<ElementKey>,
    ) {
        let Some(&index) = self.by_handle.get(handle) else { return };
        let Some(pool) = self.pools.get_mut(index) else { return };
        self.selected.clear();
        pool.select(count, increment.unwrap_or(1), rng, &mut self.selected);
        out.extend(self.selected.iter().map(|&slot| ElementKey::new(index, slot)));
    }
}
