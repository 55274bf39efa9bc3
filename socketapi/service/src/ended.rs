//! What is kept of sockets whose associations have ended, while programs hold their descriptors still.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use crate::guests::Guests;

/// Sockets by their numbers. When their descriptors are closed nobody says, so the oldest of a user go when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    sockets: FxHashMap<u64, Rest>,
    /// Those of each user, in the order of their ends.
    order: FxHashMap<u32, VecDeque<u64>>,
}

/// What is left of one.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) user: u32,
    pub(crate) guests: Guests,
    /// The pending error, 0 for none.
    pub(crate) error: i32,
    /// The address that it had.
    pub(crate) local: Option<SocketAddr>,
    /// Who the peer was: messages may wait that came from it.
    pub(crate) peer: Option<SocketAddr>,
}

impl Ended {
    /// Keeps what is left of a socket, and of no more than `most` of its user.
    pub(crate) fn keep(&mut self, number: u64, rest: Rest, most: usize) {
        let order = self.order.entry(rest.user).or_default();
        order.push_back(number);
        self.sockets.insert(number, rest);
        for oldest in order.drain(..order.len().saturating_sub(most)) {
            self.sockets.remove(&oldest);
        }
    }

    /// The pending error, once.
    pub(crate) fn take_error(&mut self, user: u32, number: u64) -> i32 {
        let rest = self.sockets.get_mut(&number).filter(|rest| rest.is_of(user));
        rest.map_or(0, |rest| std::mem::take(&mut rest.error))
    }

    pub(crate) fn local(&self, user: u32, number: u64) -> Option<SocketAddr> {
        self.sockets.get(&number).filter(|rest| rest.is_of(user))?.local
    }

    pub(crate) fn peer(&self, user: u32, number: u64) -> Option<SocketAddr> {
        self.sockets.get(&number).filter(|rest| rest.is_of(user))?.peer
    }
}

impl Rest {
    /// As it was while it lived.
    fn is_of(&self, user: u32) -> bool {
        self.user == user || user == 0 || self.guests.has(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests::Identity;

    const RESET: i32 = libc::ECONNRESET;

    fn rest(user: u32) -> Rest {
        let guests = Guests::new(Identity::of(std::fs::File::open("/dev/null").unwrap()).unwrap());
        let [local, peer] = [7, 8].map(|port| Some(SocketAddr::from(([127, 0, 0, 1], port))));
        Rest { user, guests, error: RESET, local, peer }
    }

    #[test]
    fn an_error_is_told_once_and_the_address_as_often_as_it_is_asked_for() {
        let mut ended = Ended::default();
        ended.keep(20, rest(7), 10);
        assert_eq!((ended.take_error(7, 20), ended.take_error(7, 20)), (RESET, 0));
        assert_eq!((ended.local(7, 20), ended.local(7, 20)), (rest(7).local, rest(7).local));
        assert_eq!(ended.peer(7, 20), rest(7).peer);
        assert_eq!((ended.local(7, 21), ended.peer(8, 20)), (None, None));
    }

    #[test]
    fn an_error_is_its_user_s_alone() {
        let mut ended = Ended::default();
        ended.keep(20, rest(7), 10);
        assert_eq!((ended.take_error(8, 20), ended.local(8, 20)), (0, None));
        assert_eq!(ended.take_error(0, 20), RESET);
    }

    #[test]
    fn the_oldest_of_a_user_go_when_there_are_too_many_and_those_of_others_stay() {
        let mut ended = Ended::default();
        ended.keep(19, rest(8), 3);
        (20..2_000).for_each(|number| ended.keep(number, rest(7), 3));
        assert_eq!((ended.sockets.len(), ended.order[&7].len()), (4, 3));
        assert_eq!([1_996, 1_997, 1_999].map(|number| ended.take_error(7, number)), [0, RESET, RESET]);
        assert_eq!(ended.take_error(8, 19), RESET);
    }
}
