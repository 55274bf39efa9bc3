//! What one user may ask of a registrar. A user is who comes from one address, whatever associations it opens: its port costs it
//! nothing, its address it has to be reachable at.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;
use std::time::Duration;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::Registrar;
use crate::handlespace::{ElementKey, RegistrationError};
use crate::rate::RateLimiter;
use crate::transport::AssociationId;
use crate::{PeId, PoolHandle, Rate, Time};

/// What one user may do: who comes from one IPv4 address, or from one /64 network of IPv6. What exceeds a quantity is refused; what
/// exceeds a rate is ignored, unless another answer is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLimits {
    /// Associations at the same time; further ones are aborted.
    pub associations: usize,
    /// Elements registered at the same time; further ones are rejected for lack of resources.
    pub elements: usize,
    /// Elements of one association.
    pub elements_of_association: usize,
    /// Pools that there are because this user was the first to register in them.
    pub pools: usize,
    /// Messages of any kind. What exceeds it is not even parsed. None: no limit.
    pub message_rate: Option<Rate>,
    /// Registrations, also renewals; the element sends one again when it gets no answer. None: no limit.
    pub registration_rate: Option<Rate>,
    /// Handle resolutions of a pool; more are answered "unknown pool" (`-maxhrrate` of RSPLIB). None: no limit.
    pub resolution_rate: Option<Rate>,
    /// Reports that an element is unreachable (`-maxeurate` of RSPLIB; RFC 5352, 9.2). None: no limit.
    pub report_rate: Option<Rate>,
    /// When to close an association that has not said anything yet.
    pub silence: Duration,
    /// Users from here have no limits: a network behind one address, for example.
    pub exempt: Vec<IpNet>,
}

impl Default for UserLimits {
    /// Quantities that leave something to others, no rates.
    fn default() -> Self {
        Self {
            associations: 10_000,
            elements: 200_000,
            elements_of_association: 20_000,
            pools: 2000,
            message_rate: None,
            registration_rate: None,
            resolution_rate: None,
            report_rate: None,
            silence: Duration::from_secs(60),
            exempt: Vec::new(),
        }
    }
}

/// The type of an ASAP_REGISTRATION (RFC 5352, 2.2), the first byte of the message.
const REGISTRATION: u8 = 1;

/// Names a user: an IPv4 address, or a /64 network of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(IpAddr);

impl UserId {
    /// Who comes from there. A host of IPv6 has all the addresses of its network.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
            v4 => v4,
        })
    }
}

/// Pools, or elements, share this many limiters of one user: enough that few of them meet.
const BUCKETS: usize = 64;

/// Limiters for things with numbers. They take no memory until they are used.
#[derive(Default)]
struct Buckets(Option<Box<[RateLimiter; BUCKETS]>>);

impl Buckets {
    fn allow(&mut self, number: usize, rate: Option<Rate>, now: Time) -> bool {
        let Some(rate) = rate else { return true };
        let buckets = self.0.get_or_insert_with(|| Box::new([RateLimiter::default(); BUCKETS]));
        buckets[number % BUCKETS].allows(Some(rate), now)
    }

    fn are_at_rest(&self, now: Time) -> bool {
        self.0.iter().flat_map(|buckets| buckets.iter()).all(|limiter| limiter.is_at_rest(now))
    }
}

/// What is remembered of a user.
#[derive(Default)]
struct User {
    associations: usize,
    elements: usize,
    pools: usize,
    messages: RateLimiter,
    registrations: RateLimiter,
    resolutions: Buckets,
    reports: Buckets,
}

impl User {
    /// Whether it may be forgotten: if it comes again it finds everything as a newcomer does.
    fn is_at_rest(&self, now: Time) -> bool {
        self.associations == 0
            && self.pools == 0
            && [self.messages, self.registrations].iter().all(|limiter| limiter.is_at_rest(now))
            && self.resolutions.are_at_rest(now)
            && self.reports.are_at_rest(now)
    }
}

/// The users that have associations, or whose requests are not forgotten yet.
#[derive(Default)]
pub(super) struct Users {
    known: BTreeMap<UserId, User>,
    /// Who was looked at last.
    swept: Option<UserId>,
    /// Who has made a pool.
    founders: FxHashMap<usize, UserId>,
}

impl Users {
    /// A user has one association more. Each looks whether two others can be forgotten, so that there are no more of them than
    /// there have to be.
    fn enter(&mut self, id: UserId, now: Time) {
        self.sweep(now);
        self.sweep(now);
        self.known.entry(id).or_default().associations += 1;
    }

    fn sweep(&mut self, now: Time) {
        let from = self.swept.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.known.range((from, Bound::Unbounded)).next();
        self.swept = next.map(|(id, _)| *id);
        if let Some((&id, user)) = next
            && user.is_at_rest(now)
        {
            self.known.remove(&id);
        }
    }

    fn leave(&mut self, id: UserId, elements: usize) {
        if let Some(user) = self.known.get_mut(&id) {
            user.associations = user.associations.saturating_sub(1);
            user.elements = user.elements.saturating_sub(elements);
        }
    }

    /// A user has made a pool.
    fn found(&mut self, id: UserId, pool: usize) {
        if let Some(user) = self.known.get_mut(&id) {
            user.pools += 1;
            self.founders.insert(pool, id);
        }
    }

    /// A pool is empty, and gone.
    fn close(&mut self, pool: usize) {
        let founder = self.founders.remove(&pool);
        if let Some(user) = founder.and_then(|founder| self.known.get_mut(&founder)) {
            user.pools = user.pools.saturating_sub(1);
        }
    }
}

impl Registrar {
    /// The user at an address, and whether it may have one association more. None for users without limits.
    pub(super) fn user_at(&self, address: IpAddr) -> Option<(UserId, bool)> {
        let limits = &self.config.user_limits;
        let address = address.to_canonical();
        if limits.exempt.iter().any(|network| network.contains(&address)) {
            return None;
        }
        let id = UserId::of(address);
        let associations = self.users.known.get(&id).map_or(0, |user| user.associations);
        Some((id, associations < limits.associations))
    }

    pub(super) fn enter_user(&mut self, id: Option<UserId>, now: Time) {
        if let Some(id) = id {
            self.users.enter(id, now);
        }
    }

    /// An association of a user has ended, and so many elements with it.
    pub(super) fn leave_user(&mut self, id: Option<UserId>, elements: usize) {
        if let Some(id) = id {
            self.users.leave(id, elements);
        }
    }

    fn user_of(&mut self, association: AssociationId) -> Option<&mut User> {
        let id = self.associations.get(&association)?.user?;
        self.users.known.get_mut(&id)
    }

    /// Whether a message is within its sender's rates, as far as can be told without parsing it.
    pub(super) fn is_message_allowed(&mut self, association: AssociationId, data: &[u8], now: Time) -> bool {
        let UserLimits { message_rate, registration_rate, .. } = self.config.user_limits;
        if message_rate.is_none() && registration_rate.is_none() {
            return true;
        }
        let Some(user) = self.user_of(association) else { return true };
        let is_registration = data.first() == Some(&REGISTRATION);
        user.messages.allows(message_rate, now)
            && (!is_registration || user.registrations.allows(registration_rate, now))
    }

    /// Whether one more resolution of a pool is within the limit.
    pub(super) fn is_resolution_allowed(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        now: Time,
    ) -> bool {
        let rate = self.config.user_limits.resolution_rate;
        if rate.is_none() {
            return true;
        }
        // A pool that does not exist costs no more than a refusal.
        let Some(pool) = self.handlespace.number_of(pool_handle) else { return true };
        self.user_of(association).is_none_or(|user| user.resolutions.allow(pool, rate, now))
    }

    /// Whether one more report of an element is within the limit.
    pub(super) fn is_report_allowed(
        &mut self,
        association: AssociationId,
        key: ElementKey,
        now: Time,
    ) -> bool {
        let rate = self.config.user_limits.report_rate;
        let number = key.number();
        self.user_of(association).is_none_or(|user| user.reports.allow(number, rate, now))
    }

    /// Whether an association's user may have one element more, and one pool more if there is none of this name.
    pub(super) fn check_room(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        pe_id: PeId,
    ) -> Result<(), RegistrationError> {
        if self.handlespace.find(pool_handle, pe_id).is_some() {
            return Ok(());
        }
        let Some(state) = self.associations.get(&association) else { return Ok(()) };
        let Some(user) = state.user.and_then(|id| self.users.known.get(&id)) else { return Ok(()) };
        let is_new_pool = self.handlespace.number_of(pool_handle).is_none();
        let limits = &self.config.user_limits;
        let counts = [
            ("elements of one association", state.elements.len(), limits.elements_of_association),
            ("elements of one user", user.elements, limits.elements),
            ("pools of one user", if is_new_pool { user.pools } else { 0 }, limits.pools),
        ];
        match counts.into_iter().find(|(_, count, limit)| count >= limit) {
            Some((what, _, limit)) => Err(RegistrationError::Full { what, limit }),
            None => Ok(()),
        }
    }

    /// An element belongs to an association now.
    pub(super) fn count_element(&mut self, association: AssociationId) {
        if let Some(user) = self.user_of(association) {
            user.elements += 1;
        }
    }

    /// An element does not belong to an association any more.
    pub(super) fn discount_element(&mut self, association: AssociationId) {
        if let Some(user) = self.user_of(association) {
            user.elements = user.elements.saturating_sub(1);
        }
    }

    /// An element is the first of its pool.
    pub(super) fn note_founder(&mut self, association: AssociationId, key: ElementKey) {
        if let Some(id) = self.associations.get(&association).and_then(|state| state.user) {
            self.users.found(id, key.pool());
        }
    }

    /// An element has been removed, maybe the last of its pool.
    pub(super) fn note_removal(&mut self, key: ElementKey) {
        if self.handlespace.pool_of(key).is_none() {
            self.users.close(key.pool());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u32) -> UserId {
        UserId::of(IpAddr::V4(number.into()))
    }

    #[test]
    fn a_user_is_an_address_of_ipv4_or_a_network_of_ipv6() {
        let id = |text: &str| UserId::of(text.parse().unwrap());
        assert_eq!(id("192.0.2.1"), id("::ffff:192.0.2.1"));
        assert_ne!(id("192.0.2.1"), id("192.0.2.2"));
        assert_eq!(id("2001:db8:0:1::1"), id("2001:db8:0:1:ffff::9"));
        assert_ne!(id("2001:db8:0:1::1"), id("2001:db8:0:2::1"));
    }

    #[test]
    fn users_that_come_once_are_forgotten_and_those_with_something_left_are_not() {
        let mut users = Users::default();
        let rate = Rate::per_second(1.0);
        users.enter(user(1), Time::ZERO);
        users.enter(user(2), Time::ZERO);
        users.found(user(2), 7);
        users.leave(user(2), 0);
        for number in 100..10_000 {
            let now = Time::from_millis(u64::from(number) * 10);
            users.enter(user(number), now);
            let state = users.known.get_mut(&user(number)).expect("it is there");
            assert!(
                state.resolutions.allow(3, rate, now) && !state.resolutions.allow(3 + BUCKETS, rate, now)
            );
            users.leave(user(number), 0);
        }
        // A hundred of them come in the second in which what they did matters.
        assert!(users.known.len() < 400, "{}", users.known.len());
        assert!(users.known.contains_key(&user(1)) && users.known.contains_key(&user(2)));
        users.close(7);
        (10_000..10_400).for_each(|number| users.enter(user(number), Time::from_millis(200_000)));
        assert!(!users.known.contains_key(&user(2)));
    }
}
