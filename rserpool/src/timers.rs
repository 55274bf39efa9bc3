//! Deadlines in the order in which they come.

use std::collections::BTreeSet;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::Time;

/// A set of running timers, each named by a key that we made ourselves.
pub(crate) struct Timers<K> {
    queue: BTreeSet<(Time, K)>,
    due: FxHashMap<K, Time>,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    pub(crate) fn new() -> Self {
        Self { queue: BTreeSet::new(), due: FxHashMap::default() }
    }

    /// Starts a timer, or restarts it.
    pub(crate) fn set(&mut self, key: K, due: Time) {
        self.clear(key);
        self.queue.insert((due, key));
        self.due.insert(key, due);
    }

    /// Stops a timer; nothing happens if it does not run.
    pub(crate) fn clear(&mut self, key: K) {
        if let Some(due) = self.due.remove(&key) {
            self.queue.remove(&(due, key));
        }
    }

    pub(crate) fn is_running(&self, key: K) -> bool {
        self.due.contains_key(&key)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.queue.first().map(|&(due, _)| due)
    }

    /// Takes out a timer that has run out.
    pub(crate) fn pop_expired(&mut self, now: Time) -> Option<K> {
        let &(due, key) = self.queue.first()?;
        if due > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_expire_in_the_order_of_their_deadlines_and_once() {
        let mut timers = Timers::new();
        timers.set('a', Time::from_millis(30));
        timers.set('b', Time::from_millis(20));
        timers.set('c', Time::from_millis(10));
        timers.set('b', Time::from_millis(40));
        timers.clear('c');
        assert_eq!((timers.next(), timers.is_running('c')), (Some(Time::from_millis(30)), false));
        assert_eq!(timers.pop_expired(Time::from_millis(29)), None);
        assert_eq!(timers.pop_expired(Time::from_millis(50)), Some('a'));
        assert_eq!(timers.pop_expired(Time::from_millis(50)), Some('b'));
        assert_eq!((timers.pop_expired(Time::from_millis(50)), timers.next()), (None, None));
    }
}
