//! Which path data takes (RFC 9260, 6.4 and 6.4.1; RFC 7829, 3.2 and 4.1).
//!
//! Choosing a path changes nothing of it: neither its state nor its error counter.

use super::{Path, PathId, PathSet, PathState};

impl PathSet {
    /// The path for new data: the primary one if it is active, else another active one, else the one among those
    /// that are potentially failed that has the fewest errors (RFC 7829, 3.2, rules 3 i and 4).
    ///
    /// While none is left the sender keeps trying: in dormant state on the one with the fewest errors (RFC 7829, 4.1),
    /// and on the primary path that is not yet confirmed only if that is the one in use during the set-up.
    /// RFC 9260, 6.4, 6.4.1, 8.2.
    pub fn for_new_data(&self) -> Option<PathId> {
        let primary = self.primary();
        // The usual case, once for each packet.
        self.in_state(primary, PathState::Active)
            .or_else(|| self.next_in_state(primary, PathState::Active))
            .or_else(|| self.least_failed(self.from(primary), PathState::PotentiallyFailed))
            .or_else(|| self.least_failed(self.from(primary), PathState::Inactive))
            .or_else(|| self.in_state(primary, PathState::Unconfirmed))
    }

    /// The path for data that timed out on `last`: an active one other than `last` if there is one (6.4.1; RFC 7829,
    /// 3.2, rule 3 ii), else the failing one with the fewest errors; of those that have the same, the next after
    /// `last`.
    /// RFC 9260, 5.4; RFC 7829, 4.1.
    /// RFC 9260, 6.4.
    pub fn for_retransmission(&self, last: PathId) -> Option<PathId> {
        self.next_in_state(last, PathState::Active)
            .or_else(|| self.in_state(last, PathState::Active))
            .or_else(|| self.least_failed(self.after(last), PathState::PotentiallyFailed))
            .or_else(|| self.least_failed(self.after(last), PathState::Inactive))
            .or_else(|| self.for_new_data())
    }

    /// The path for a fast retransmission of data sent on `last`: the same one (6.4), if it is still active.
    pub fn for_fast_retransmission(&self, last: PathId) -> Option<PathId> {
        self.in_state(last, PathState::Active).or_else(|| self.for_new_data())
    }

    fn in_state(&self, id: PathId, state: PathState) -> Option<PathId> {
        self.get(id).filter(|path| path.state == state).map(|path| path.id)
    }

    /// The next path after `id` in `state`.
    /// RFC 9260, 5.4.
    fn next_in_state(&self, id: PathId, state: PathState) -> Option<PathId> {
        self.after(id).find(|path| path.state == state && path.id != id).map(|path| path.id)
    }

    /// The first of those with the fewest errors among `paths` in `state`.
    /// RFC 7829, 3.2, 4.1.
    fn least_failed<'a>(&self, paths: impl Iterator<Item = &'a Path>, state: PathState) -> Option<PathId> {
        paths.filter(|path| path.state == state).min_by_key(|path| path.error_count).map(|path| path.id)
    }

    /// All paths around the ring, `id` first.
    fn from(&self, id: PathId) -> impl Iterator<Item = &Path> {
        self.around(self.index(id).unwrap_or(0))
    }

    /// All paths around the ring, `id` last.
    fn after(&self, id: PathId) -> impl Iterator<Item = &Path> {
        self.around(self.index(id).map_or(0, |index| index + 1))
    }

    fn around(&self, first: usize) -> impl Iterator<Item = &Path> {
        let (head, tail) = self.paths.split_at(first.min(self.paths.len()));
        tail.iter().chain(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AssociationConfig;
    use crate::net::PathAddress;
    use PathState::{Active, Inactive, PotentiallyFailed, Unconfirmed};

    fn set(states: &[PathState]) -> PathSet {
        let mut paths = PathSet::default();
        for (i, &state) in (1..).zip(states) {
            let address = PathAddress::to([10, 0, 0, i].into());
            paths.add(address, state, 1_480, &AssociationConfig::default());
        }
        paths
    }

    /// RFC 9260, 8.2.
    #[test]
    fn new_data_takes_the_primary_path_or_another_active_one() {
        // RFC 9260, 6.4 and 6.4.1
        assert_eq!(set(&[Active, Active]).for_new_data(), Some(PathId(0)));
        assert_eq!(set(&[Inactive, Unconfirmed, Active]).for_new_data(), Some(PathId(2)));
        assert_eq!(set(&[Unconfirmed, Unconfirmed]).for_new_data(), Some(PathId(0)), "during the set-up");
        assert_eq!(set(&[Unconfirmed, Inactive]).for_new_data(), Some(PathId(1)), "5.4");
        assert_eq!(set(&[]).for_new_data(), None);
        let mut paths = set(&[Active, Active]);
        paths.set_primary(PathId(1));
        assert_eq!(paths.for_new_data(), Some(PathId(1)));
    }

    /// RFC 9260, 6.4.
    #[test]
    fn retransmissions_prefer_another_active_path() {
        // RFC 9260, 6.4.1
        assert_eq!(set(&[Active, Inactive, Active]).for_retransmission(PathId(0)), Some(PathId(2)));
        assert_eq!(set(&[Active, Inactive, Active]).for_retransmission(PathId(2)), Some(PathId(0)));
        assert_eq!(set(&[Active, Unconfirmed]).for_retransmission(PathId(0)), Some(PathId(0)));
        assert_eq!(set(&[Active, Active]).for_fast_retransmission(PathId(1)), Some(PathId(1)));
        assert_eq!(set(&[Active, Inactive]).for_fast_retransmission(PathId(1)), Some(PathId(0)));
    }

    #[test]
    fn failed_paths_take_turns_while_none_is_active() {
        // RFC 7829, 4.1
        let paths = set(&[Inactive, Inactive, Unconfirmed, Inactive]);
        let turns: Vec<_> = core::iter::successors(Some(PathId(0)), |&last| paths.for_retransmission(last))
            .map(|id| id.0)
            .take(5)
            .collect();
        assert_eq!(turns, [0, 1, 3, 0, 1]);
        assert_eq!(set(&[Inactive]).for_retransmission(PathId(0)), Some(PathId(0)));
    }

    /// Paths in these states, with so many errors.
    fn set_with_errors(paths: &[(PathState, u32)]) -> PathSet {
        let states: Vec<_> = paths.iter().map(|&(state, _)| state).collect();
        let mut set = set(&states);
        for (path, &(_, errors)) in set.iter_mut().zip(paths) {
            path.error_count = errors;
        }
        set
    }

    #[test]
    fn data_avoids_potentially_failed_paths_while_another_one_is_active() {
        // RFC 7829, 3.2, rule 3 i and ii
        assert_eq!(set(&[PotentiallyFailed, Active]).for_new_data(), Some(PathId(1)));
        assert_eq!(set(&[PotentiallyFailed, Unconfirmed, Active]).for_new_data(), Some(PathId(2)));
        assert_eq!(set(&[Active, PotentiallyFailed]).for_retransmission(PathId(0)), Some(PathId(0)));
        let paths = set(&[PotentiallyFailed, PotentiallyFailed, Active]);
        assert_eq!(paths.for_retransmission(PathId(0)), Some(PathId(2)));
        assert_eq!(paths.for_fast_retransmission(PathId(0)), Some(PathId(2)));
    }

    #[test]
    fn without_an_active_path_the_one_with_the_fewest_errors_carries_data() {
        // RFC 7829, 3.2, rule 4 i and ii: potentially failed before inactive.
        let paths = set_with_errors(&[(PotentiallyFailed, 3), (Inactive, 1), (PotentiallyFailed, 2)]);
        assert_eq!(paths.for_new_data(), Some(PathId(2)));
        assert_eq!(paths.for_retransmission(PathId(2)), Some(PathId(2)));
        let even = set_with_errors(&[(PotentiallyFailed, 2), (Inactive, 1), (PotentiallyFailed, 2)]);
        assert_eq!(even.for_new_data(), Some(PathId(0)), "the primary one among equals");
        assert_eq!(even.for_retransmission(PathId(0)), Some(PathId(2)), "another one than the last");
        assert_eq!(set(&[Unconfirmed, PotentiallyFailed]).for_new_data(), Some(PathId(1)));
        // 4.1, rules 1 and 3: dormant.
        let dormant = set_with_errors(&[(Inactive, 9), (Inactive, 7), (Inactive, 8)]);
        assert_eq!(dormant.for_new_data(), Some(PathId(1)));
        assert_eq!(dormant.for_retransmission(PathId(1)), Some(PathId(1)));
        // 3.2, rules 3 and 4; 4.1, rule 2: choosing does not change what is chosen.
        let after: Vec<_> = dormant.iter().map(|path| (path.state, path.error_count)).collect();
        assert_eq!(after, [(Inactive, 9), (Inactive, 7), (Inactive, 8)]);
    }
}
