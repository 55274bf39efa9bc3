//! Which TSNs have arrived (RFC 9260, 3.3.4 and 6.7).
//!
//! Everything up to the cumulative TSN is in; what lies above is kept as runs, which are exactly the
//! gap blocks of the next SACK: writing it costs what it reports, not what is in flight. A TSN that
//! extends the last run, the usual one behind a loss, is entered in constant time.

use smallvec::SmallVec;
use std::collections::VecDeque;

use crate::serial::Tsn;
use crate::wire::chunk::GapBlock;

/// How far above the cumulative TSN one may lie. Gap blocks reach 65,535; half of that also keeps the
/// stream sequence numbers within reach less than half of their space apart, so that a late SSN can
/// never be taken for an early one.
pub(super) const MAX_SPAN: u32 = 32_767;

/// Bound on the runs; a TSN that would need one more is dropped. A SACK of 1,500 bytes reports 360.
pub(super) const MAX_RUNS: usize = 2_048;

/// Bound on the duplicates remembered for one SACK.
pub(super) const MAX_DUPLICATES: usize = 32;

/// TSNs without a hole; first and last are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: Tsn,
    last: Tsn,
}

/// What the map knows of a TSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// New, and above all that came so far.
    Highest,
    /// New, and below something that came already.
    FillIn,
    /// Came before.
    Duplicate,
    /// New, but more than the map can hold.
    Beyond,
}

/// The TSNs that have arrived.
#[derive(Debug)]
pub(super) struct TsnMap {
    cumulative: Tsn,
    /// In order, apart from each other and from `cumulative`.
    runs: VecDeque<Run>,
    duplicates: SmallVec<[Tsn; 2]>,
}

impl TsnMap {
    /// Nothing has arrived yet: the cumulative TSN is the one before the peer's initial TSN (3.3.4).
    pub(super) fn new(peer_initial_tsn: Tsn) -> Self {
        Self { cumulative: peer_initial_tsn.prev(), runs: VecDeque::new(), duplicates: SmallVec::new() }
    }

    /// The last TSN before the first hole.
    pub(super) fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    /// Whether something above the cumulative TSN arrived.
    pub(super) fn has_gaps(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether this TSN arrived.
    pub(super) fn contains(&self, tsn: Tsn) -> bool {
        tsn.at_most(self.cumulative)
            || self.runs.get(self.run_at_or_above(tsn)).is_some_and(|run| run.first.at_most(tsn))
    }

    /// What entering this TSN would be.
    #[inline]
    pub(super) fn classify(&self, tsn: Tsn) -> Arrival {
        if tsn.at_most(self.cumulative) {
            return Arrival::Duplicate;
        }
        if tsn.distance_from(self.cumulative) > MAX_SPAN {
            return Arrival::Beyond;
        }
        let index = self.run_at_or_above(tsn);
        let above = self.runs.get(index);
        if above.is_some_and(|run| run.first.at_most(tsn)) {
            Arrival::Duplicate
        } else if self.runs.len() >= MAX_RUNS && !self.touches(index, tsn) {
            Arrival::Beyond
        } else if above.is_some() {
            Arrival::FillIn
        } else {
            Arrival::Highest
        }
    }

    /// Enters a TSN that [`classify`](Self::classify) called new.
    #[inline]
    pub(super) fn insert(&mut self, tsn: Tsn) {
        debug_assert!(matches!(self.classify(tsn), Arrival::Highest | Arrival::FillIn));
        if tsn != self.cumulative.next() {
            return self.insert_above_hole(tsn);
        }
        self.cumulative = tsn;
        if self.runs.front().is_some_and(|run| run.first == tsn.next())
            && let Some(run) = self.runs.pop_front()
        {
            self.cumulative = run.last;
        }
    }

    /// The peer gives up on all up to `tsn`: they count as arrived, and what had arrived behind them with them
    /// (RFC 3758, 3.6). False if `tsn` is none to move to: not ahead, or further than the map can hold.
    pub(super) fn forward(&mut self, tsn: Tsn) -> bool {
        if tsn.at_most(self.cumulative) || tsn.distance_from(self.cumulative) > MAX_SPAN {
            return false;
        }
        self.cumulative = tsn;
        while let Some(run) = self.runs.pop_front_if(|run| run.first.at_most(tsn.next())) {
            self.cumulative = self.cumulative.later(run.last);
        }
        true
    }

    /// Remembers a duplicate for the next SACK. A TSN is listed as often as it came again (3.3.4).
    /// RFC 9260, 6.2.
    pub(super) fn note_duplicate(&mut self, tsn: Tsn) {
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    /// The first `max` gap blocks, from the lowest TSNs on (6.7).
    /// RFC 9260, 3.3.4.
    pub(super) fn gap_blocks(&self, max: usize) -> SmallVec<[GapBlock; 4]> {
        let offset = |tsn: Tsn| u16::try_from(tsn.distance_from(self.cumulative)).unwrap_or(u16::MAX);
        let block = |run: &Run| GapBlock { start: offset(run.first), end: offset(run.last) };
        self.runs.iter().take(max).map(block).collect()
    }

    /// Takes the duplicates; those past the first `max` stay unreported.
    pub(super) fn take_duplicates(&mut self, max: usize) -> SmallVec<[Tsn; 2]> {
        let mut duplicates = core::mem::take(&mut self.duplicates);
        duplicates.truncate(max);
        duplicates
    }

    /// Index of the first run that ends at `tsn` or above it.
    fn run_at_or_above(&self, tsn: Tsn) -> usize {
        match self.runs.back() {
            Some(run) if !run.last.less_than(tsn) => self.runs.partition_point(|run| run.last.less_than(tsn)),
            _ => self.runs.len(),
        }
    }

    /// Whether a TSN in the hole before run `index` needs no run of its own.
    fn touches(&self, index: usize, tsn: Tsn) -> bool {
        tsn == self.cumulative.next() || self.ends_before(index, tsn) || self.starts_after(index, tsn)
    }

    fn ends_before(&self, index: usize, tsn: Tsn) -> bool {
        index.checked_sub(1).and_then(|below| self.runs.get(below)).is_some_and(|run| run.last.next() == tsn)
    }

    fn starts_after(&self, index: usize, tsn: Tsn) -> bool {
        self.runs.get(index).is_some_and(|run| run.first == tsn.next())
    }

    fn insert_above_hole(&mut self, tsn: Tsn) {
        let index = self.run_at_or_above(tsn);
        match (self.ends_before(index, tsn), self.starts_after(index, tsn)) {
            (false, false) => self.runs.insert(index, Run { first: tsn, last: tsn }),
            (false, true) => self.runs[index].first = tsn,
            (true, false) => self.runs[index - 1].last = tsn,
            (true, true) => {
                self.runs[index - 1].last = self.runs[index].last;
                self.runs.remove(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn map_with(initial: u32, offsets: &[u32]) -> TsnMap {
        let mut map = TsnMap::new(Tsn(initial));
        offsets.iter().for_each(|&offset| map.insert(Tsn(initial).plus(offset)));
        map
    }

    fn blocks(map: &TsnMap) -> Vec<(u16, u16)> {
        map.gap_blocks(usize::MAX).iter().map(|block| (block.start, block.end)).collect()
    }

    /// The example of RFC 9260, 3.3.4, moved over the wrap: 10 to 12, 14, 15 and 17 have arrived.
    #[test]
    fn gap_blocks_describe_the_example_of_the_rfc() {
        let map = map_with(u32::MAX - 1, &[0, 1, 2, 4, 5, 7]);
        assert_eq!(map.cumulative(), Tsn(0));
        assert_eq!(blocks(&map), [(2, 3), (5, 5)]);
    }

    #[test]
    fn filling_the_first_hole_moves_the_cumulative_tsn_over_the_run_behind_it() {
        let mut map = map_with(u32::MAX - 1, &[1, 2, 4]);
        assert!(map.has_gaps());
        map.insert(Tsn(u32::MAX - 1));
        assert_eq!(map.cumulative(), Tsn(0));
        assert_eq!(blocks(&map), [(2, 2)]);
    }

    /// RFC 9260, 6.7: as many as fit, from the lowest TSN on.
    #[test]
    fn gap_blocks_are_cut_from_the_top() {
        let map = map_with(1, &[2, 4, 6]);
        assert_eq!(map.gap_blocks(2).iter().map(|block| block.start).collect::<Vec<_>>(), [3, 5]);
    }

    /// The example of RFC 3758, 3.6, moved over the wrap: 102 received, 103 missing, 104 and 105 received, 106 missing,
    /// 107 received; the new cumulative TSN is 103.
    #[test]
    fn a_skipped_tsn_counts_as_arrived_and_so_does_what_came_behind_it() {
        let mut map = map_with(u32::MAX, &[0, 2, 3, 5]);
        assert!(map.forward(Tsn(0)));
        assert_eq!(map.cumulative(), Tsn(2));
        assert_eq!(blocks(&map), [(2, 2)]);
        assert_eq!(map.classify(Tsn(0)), Arrival::Duplicate);
        assert_eq!(map.classify(Tsn(3)), Arrival::FillIn);
    }

    /// RFC 3758, 3.6: an old one changes nothing; nor does one that no honest peer sends.
    #[test]
    fn the_map_moves_ahead_only_and_not_further_than_its_span() {
        let mut map = map_with(1, &[0, 2]);
        for tsn in [Tsn(0), Tsn(1), Tsn(1).plus(MAX_SPAN + 1), Tsn(1 << 31)] {
            assert!(!map.forward(tsn));
        }
        assert_eq!((map.cumulative(), blocks(&map)), (Tsn(1), vec![(2, 2)]));
        assert!(map.forward(Tsn(1).plus(MAX_SPAN)));
        assert!(!map.has_gaps());
    }

    /// RFC 9260, 3.3.4: a TSN that came three times is listed twice, and only in one SACK.
    /// RFC 9260, 6.2.
    #[test]
    fn duplicates_are_listed_each_time_they_come_and_once_reported_forgotten() {
        let mut map = map_with(1, &[0]);
        map.note_duplicate(Tsn(1));
        map.note_duplicate(Tsn(1));
        assert_eq!(map.take_duplicates(9).as_slice(), [Tsn(1), Tsn(1)]);
        assert!(map.take_duplicates(9).is_empty());
        (0..1_000).for_each(|_| map.note_duplicate(Tsn(1)));
        assert_eq!(map.take_duplicates(usize::MAX).len(), MAX_DUPLICATES);
    }

    #[test]
    fn a_tsn_further_away_than_the_span_is_refused() {
        let map = TsnMap::new(Tsn(0));
        assert_eq!(map.classify(Tsn(MAX_SPAN - 1)), Arrival::Highest);
        assert_eq!(map.classify(Tsn(MAX_SPAN)), Arrival::Beyond);
        assert_eq!(map.classify(Tsn(u32::MAX / 2 - 1)), Arrival::Beyond);
        assert_eq!(map.classify(Tsn(u32::MAX / 2 + 1)), Arrival::Duplicate);
    }

    #[test]
    fn a_map_full_of_holes_still_takes_what_needs_no_further_run() {
        let runs = u32::try_from(MAX_RUNS).unwrap();
        let mut map = map_with(0, &(1..=runs).map(|index| 2 * index).collect::<Vec<_>>());
        assert_eq!(map.classify(Tsn(2 * runs + 2)), Arrival::Beyond);
        assert_eq!(map.classify(Tsn(2 * runs + 1)), Arrival::Highest);
        assert_eq!(map.classify(Tsn(5)), Arrival::FillIn);
        assert_eq!(map.classify(Tsn(0)), Arrival::FillIn, "the next TSN in order is always taken");
        map.insert(Tsn(0));
        map.insert(Tsn(1));
        assert_eq!(map.cumulative(), Tsn(2));
    }

    proptest! {
        /// RFC 9260, 6.2, 3.3.4.
        #[test]
        fn the_map_agrees_with_a_set_of_unwrapped_numbers(
            start in (u32::MAX - 80)..=u32::MAX,
            offsets in prop::collection::vec(0u64..120, 0..300),
        ) {
            let mut map = TsnMap::new(Tsn(start));
            let mut model = BTreeSet::new();
            let mut next = 0; // lowest offset that is missing in the model
            for offset in offsets {
                let tsn = Tsn(start).plus(offset as u32);
                let expected = match model.last() {
                    _ if model.contains(&offset) => Arrival::Duplicate,
                    Some(&last) if last > offset => Arrival::FillIn,
                    _ => Arrival::Highest,
                };
                prop_assert_eq!(map.classify(tsn), expected);
                if model.insert(offset) {
                    map.insert(tsn);
                }
                while model.contains(&next) {
                    next += 1;
                }
                prop_assert_eq!(map.cumulative(), Tsn(start).plus(next as u32).prev());
                let reported: Vec<u64> =
                    blocks(&map).iter().flat_map(|&(first, last)| first..=last).map(|gap| next + u64::from(gap) - 1).collect();
                prop_assert_eq!(reported, model.range(next..).copied().collect::<Vec<_>>());
                prop_assert!(blocks(&map).windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "blocks are isolated");
                prop_assert!((0..120).all(|o| map.contains(Tsn(start).plus(o as u32)) == model.contains(&o)));
            }
        }
    }
}
