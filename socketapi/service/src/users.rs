//! What each user holds, and may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sctp_core::config::AssociationConfig;
use sctp_user::statistics::UserReport;

/// What one user may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sockets, up to [`Limits::MOST_SOCKETS`]; ENOBUFS beyond.
    pub sockets: usize,
    /// Associations, until the stack has forgotten them: also those that wait to be accepted, or outlive their socket. Beyond,
    /// programs that begin one get ENOMEM, as where a kernel has no memory for it; what a peer begins is aborted.
    pub associations: usize,
    /// Control connections, one for each thread that calls; closed at once beyond.
    pub connections: usize,
    /// Bytes of the send and receive buffers of associations, as they are when these begin. Once half of it is used, these
    /// buffers are no larger than [`Limits::SMALL_BUFFER`] each, so that many associations have room; ENOMEM beyond.
    pub buffer_bytes: usize,
}

impl Limits {
    /// No user has more sockets, whatever the limit.
    pub const MOST_SOCKETS: usize = 1 << 16;
    /// Bytes of a buffer where a user has many associations.
    pub const SMALL_BUFFER: usize = 64 << 10;

    /// For a service that has one user, whose own it is: what the host gives.
    pub const NONE: Self = Self {
        sockets: Self::MOST_SOCKETS,
        associations: usize::MAX,
        connections: usize::MAX,
        buffer_bytes: usize::MAX,
    };

    /// Makes the buffers of an association smaller, if its user has so many bytes of them that more are to be left for others.
    pub(crate) fn suit_buffers(&self, held: usize, config: &mut AssociationConfig) {
        let with_it = held.saturating_add(config.send_buffer).saturating_add(config.receive_buffer);
        if with_it > self.buffer_bytes / 2 {
            config.send_buffer = config.send_buffer.min(Self::SMALL_BUFFER);
            config.receive_buffer = config.receive_buffer.min(Self::SMALL_BUFFER);
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { sockets: 16_384, associations: 16_384, connections: 1_024, buffer_bytes: 4 << 30 }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Socket,
    Association,
    Connection,
    BufferBytes,
}

impl Limits {
    fn of(&self, resource: Resource) -> usize {
        match resource {
            Resource::Socket => self.sockets,
            Resource::Association => self.associations,
            Resource::Connection => self.connections,
            Resource::BufferBytes => self.buffer_bytes,
        }
    }
}

/// Users of whom only refusals are known are forgotten when there are more than so many of them.
const MOST_IDLE: usize = 1_024;

/// The accounts of all users.
#[derive(Debug, Default)]
pub(crate) struct Users {
    accounts: Mutex<FxHashMap<u32, Arc<Account>>>,
}

#[derive(Debug, Default)]
struct Account {
    held: [AtomicUsize; 4],
    refused: AtomicU64,
}

/// So much of something that a user holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    account: Arc<Account>,
    resource: Resource,
    amount: usize,
}

impl Users {
    /// So much more for `user`; `None`, which is counted, if that is beyond its limit.
    pub(crate) fn take(&self, user: u32, limits: &Limits, resource: Resource, amount: usize) -> Option<Held> {
        let account = self.account(user);
        let held = account.of(resource).fetch_add(amount, Ordering::Relaxed).saturating_add(amount);
        // From here on it gives back what was added.
        let taken = Held { account, resource, amount };
        if held > limits.of(resource) {
            taken.account.refused.fetch_add(1, Ordering::Relaxed);
            tracing::info!(user, ?resource, limit = limits.of(resource), "a user is at a limit");
            return None;
        }
        Some(taken)
    }

    /// What a user holds of buffers.
    pub(crate) fn buffer_bytes(&self, user: u32) -> usize {
        self.account(user).of(Resource::BufferBytes).load(Ordering::Relaxed)
    }

    /// Counts a refusal for another reason.
    pub(crate) fn refuse(&self, user: u32) {
        self.account(user).refused.fetch_add(1, Ordering::Relaxed);
    }

    /// All users that hold or held something, in order.
    pub(crate) fn report(&self) -> Vec<UserReport> {
        let mut reports: Vec<_> =
            self.accounts.lock().iter().map(|(user, account)| account.report(*user)).collect();
        reports.sort_by_key(|report| report.user);
        reports
    }

    fn account(&self, user: u32) -> Arc<Account> {
        let mut accounts = self.accounts.lock();
        if accounts.len() > MOST_IDLE && !accounts.contains_key(&user) {
            accounts.retain(|_, account| Arc::strong_count(account) > 1);
        }
        Arc::clone(accounts.entry(user).or_default())
    }
}

impl Account {
    fn of(&self, resource: Resource) -> &AtomicUsize {
        let [sockets, associations, connections, bytes] = &self.held;
        match resource {
            Resource::Socket => sockets,
            Resource::Association => associations,
            Resource::Connection => connections,
            Resource::BufferBytes => bytes,
        }
    }

    fn report(&self, user: u32) -> UserReport {
        let held = |resource| self.of(resource).load(Ordering::Relaxed);
        UserReport {
            user,
            sockets: held(Resource::Socket),
            associations: held(Resource::Association),
            connections: held(Resource::Connection),
            buffer_bytes: held(Resource::BufferBytes),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.of(self.resource).fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { sockets: 2, associations: 1, connections: 1, buffer_bytes: 1_000 };

    fn report(users: &Users, user: u32) -> UserReport {
        users.report().into_iter().find(|report| report.user == user).unwrap()
    }

    #[test]
    fn each_user_has_its_own_limit_and_what_is_dropped_is_given_back() {
        let users = Users::default();
        let take = |user| users.take(user, &LIMITS, Resource::Socket, 1);
        let held = (take(7), take(7));
        assert!(held.0.is_some() && held.1.is_some() && take(7).is_none());
        assert!(take(8).is_some());
        assert_eq!((report(&users, 7).sockets, report(&users, 7).refused), (2, 1));
        drop(held);
        assert_eq!(report(&users, 7).sockets, 0);
        assert!(take(7).is_some());
    }

    #[test]
    fn amounts_are_counted_and_an_absurd_one_does_not_overflow() {
        let users = Users::default();
        let take = |amount| users.take(7, &LIMITS, Resource::BufferBytes, amount);
        let held = take(600);
        assert!(held.is_some() && take(401).is_none() && take(usize::MAX).is_none());
        assert!(take(400).is_some());
        assert_eq!(report(&users, 7).buffer_bytes, 600);
    }

    /// What a user of the defaults can count on.
    #[test]
    fn ten_thousand_associations_have_room_by_default() {
        let (limits, default) = (Limits::default(), sctp_abi::defaults());
        let (mut held, mut associations) = (0, 0);
        loop {
            let mut config = default.clone();
            limits.suit_buffers(held, &mut config);
            held += config.send_buffer + config.receive_buffer;
            if held > limits.buffer_bytes {
                break;
            }
            associations += 1;
            assert!(associations > 1_000 || config.send_buffer == default.send_buffer);
        }
        assert!(associations >= limits.associations && limits.associations >= 10_000, "{associations}");
    }

    #[test]
    fn users_that_hold_nothing_are_forgotten_when_there_are_too_many() {
        let users = Users::default();
        let held = users.take(1, &LIMITS, Resource::Connection, 1);
        (2..3_000).for_each(|user| users.refuse(user));
        assert!(users.report().len() <= MOST_IDLE + 1);
        assert_eq!(report(&users, 1).connections, 1);
        drop(held);
    }
}
