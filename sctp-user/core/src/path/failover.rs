//! Which path data takes (RFC 9260, 6.4 and 6.4.1).

use super::{PathId, PathSet, PathState};

impl PathSet {
    /// The path for new data: the primary one if it is active, else another active one.
    ///
    /// While no path is active the sender keeps trying: on the primary path if it is not yet confirmed
    /// (the one in use during the set-up), else in dormant state on the primary or another failed one.
    pub fn for_new_data(&self) -> Option<PathId> {
        let primary = self.primary();
        self.in_state(primary, PathState::Active)
            .or_else(|| self.next_in_state(primary, PathState::Active))
            .or_else(|| self.in_state(primary, PathState::Unconfirmed))
            .or_else(|| self.in_state(primary, PathState::Inactive))
            .or_else(|| self.next_in_state(primary, PathState::Inactive))
    }

    /// The path for data that timed out on `last`: an active one other than `last` if there is one
    /// (6.4.1). While no path is active, the failed ones take turns.
    pub fn for_retransmission(&self, last: PathId) -> Option<PathId> {
        self.next_in_state(last, PathState::Active)
            .or_else(|| self.in_state(last, PathState::Active))
            .or_else(|| self.next_in_state(last, PathState::Inactive))
            .or_else(|| self.for_new_data())
    }

    /// The path for a fast retransmission of data sent on `last`: the same one (6.4), if it is still active.
    pub fn for_fast_retransmission(&self, last: PathId) -> Option<PathId> {
        self.in_state(last, PathState::Active).or_else(|| self.for_new_data())
    }

    fn in_state(&self, id: PathId, state: PathState) -> Option<PathId> {
        self.get(id).filter(|path| path.state == state).map(|path| path.id)
    }

    /// The next path after `id` in `state`, around the ring.
    fn next_in_state(&self, id: PathId, state: PathState) -> Option<PathId> {
        let after = usize::from(id.0) + 1;
        let (head, tail) = self.paths.split_at(after.min(self.paths.len()));
        tail.iter().chain(head).find(|path| path.state == state && path.id != id).map(|path| path.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AssociationConfig;
    use crate::net::PathAddress;
    use PathState::{Active, Inactive, Unconfirmed};

    fn set(states: &[PathState]) -> PathSet {
        let mut paths = PathSet::default();
        for (i, &state) in (1..).zip(states) {
            let address = PathAddress::to([10, 0, 0, i].into());
            paths.add(address, state, 1_480, &AssociationConfig::default());
        }
        paths
    }

    #[test]
    fn new_data_takes_the_primary_path_or_another_active_one() {
        // RFC 9260, 6.4 and 6.4.1
        assert_eq!(set(&[Active, Active]).for_new_data(), Some(PathId(0)));
        assert_eq!(set(&[Inactive, Unconfirmed, Active]).for_new_data(), Some(PathId(2)));
        assert_eq!(set(&[Unconfirmed, Unconfirmed]).for_new_data(), Some(PathId(0)), "during the set-up");
        assert_eq!(set(&[]).for_new_data(), None);
        let mut paths = set(&[Active, Active]);
        paths.set_primary(PathId(1));
        assert_eq!(paths.for_new_data(), Some(PathId(1)));
    }

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
        let paths = set(&[Inactive, Inactive, Unconfirmed, Inactive]);
        let turns: Vec<_> = core::iter::successors(Some(PathId(0)), |&last| paths.for_retransmission(last))
            .map(|id| id.0)
            .take(5)
            .collect();
        assert_eq!(turns, [0, 1, 3, 0, 1]);
        assert_eq!(set(&[Inactive]).for_retransmission(PathId(0)), Some(PathId(0)));
    }
}
