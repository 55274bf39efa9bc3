//! What the peer reports behind the first gap, and what is concluded from that.
//!
//! Gap blocks may come and go, and a peer may send them for no other end than to keep us busy. What that costs is
//! bounded: a SACK is read up to [`MAX_GAPS`] stretches; no more chunks are taken back than were sent, so that each that
//! leaves is acknowledged and taken back a few times at most; miss indications are counted for [`MAX_COUNTED`] chunks by
//! each SACK, from the lowest on, and not again for those that fast retransmit has had.

use super::{AckReport, ChunkState, MAX_OUTSTANDING_CHUNKS, Outstanding};
use crate::path::{PathId, PathSet};
use crate::steps;
use crate::time::Time;
use core::ops::Range;

/// Stretches of chunks that a SACK can report; our own receiver never has more. What lies behind them is not taken for
/// acknowledged.
pub(in crate::tx) const MAX_GAPS: usize = 2_048;

/// Chunks that one SACK can bring a miss indication to.
pub(in crate::tx) const MAX_COUNTED: usize = 4_096;

/// Chunks that the peer may take back although nothing was sent since.
const MAX_RENEGE_CREDIT: u64 = 2 * MAX_OUTSTANDING_CHUNKS as u64;

impl Outstanding {
    /// What lies before the `index`th gap block, or behind the last one: not gap-acknowledged.
    pub(in crate::tx) fn hole(&self, index: usize) -> Range<u64> {
        let start = match index.checked_sub(1) {
            None => self.first,
            Some(previous) => self.gaps.get(previous).map_or(self.end(), |gap| gap.end),
        };
        start..self.gaps.get(index).map_or(self.end(), |gap| gap.start)
    }

    /// Gap blocks of the last SACK.
    pub(in crate::tx) fn gap_count(&self) -> usize {
        self.gaps.len()
    }

    /// The end of the last gap block: what lies before it and is not acknowledged is reported missing.
    pub(in crate::tx) fn reported_end(&self) -> u64 {
        self.gaps.last().map_or(self.first, |gap| gap.end)
    }

    /// Counts `count` miss indications; whether there are three (6.7 and 7.2.4), or the chunk, which may be a
    /// retransmission, left its path before the time that `overtaken` has for it.
    pub(in crate::tx) fn count_misses(
        &mut self,
        position: u64,
        count: u8,
        overtaken: &[(PathId, Time)],
    ) -> bool {
        steps::count(1);
        let index = self.index(position);
        let Some(chunk) = index.and_then(|index| self.chunks.get_mut(index)) else { return false };
        match &mut chunk.state {
            ChunkState::InFlight { misses } => {
                *misses = misses.saturating_add(count);
                let is_overtaken =
                    || overtaken.iter().any(|&(path, time)| path == chunk.path && chunk.sent_at < time);
                (*misses >= 3 && !chunk.fast_retransmitted) || is_overtaken()
            }
            // RFC 3758, 3.5 F5: what was in flight when it was given up may still turn out to be lost.
            ChunkState::Abandoned { misses } => {
                let before = *misses;
                *misses = misses.saturating_add(count);
                before < 3 && *misses >= 3 && !chunk.fast_retransmitted
            }
            ChunkState::Marked(_) | ChunkState::GapAcked => false,
        }
    }

    /// The first chunk in flight on `path`.
    pub(in crate::tx) fn first_in_flight(&mut self, path: PathId) -> Option<u64> {
        if !self.has_in_flight() {
            return None;
        }
        let in_flight = |position: &u64| {
            self.get(*position).filter(|chunk| matches!(chunk.state, ChunkState::InFlight { .. }))
        };
        let is_on_path = |position: &u64| in_flight(position).is_some_and(|chunk| chunk.path == path);
        // Nearly always.
        if is_on_path(&self.first) {
            return Some(self.first);
        }
        let first = self.not_acked_from(self.flight_from).find(|position| in_flight(position).is_some())?;
        let first_on_path = self.not_acked_from(first).find(is_on_path);
        self.flight_from = first;
        first_on_path
    }

    /// Positions from `from` on that are in no gap block.
    fn not_acked_from(&self, from: u64) -> impl Iterator<Item = u64> {
        let behind = self.gaps.partition_point(|gap| gap.start <= from);
        let holes = (behind..=self.gaps.len()).map(|index| self.hole(index));
        holes.flat_map(move |hole| hole.start.max(from)..hole.end).inspect(|_| steps::count(1))
    }

    /// The first chunks between two positions that are missing below what the peer has; `max` of them at most.
    pub(in crate::tx) fn missing(&self, between: Range<u64>, max: usize) -> Option<Range<u64>> {
        let next = self.gaps.partition_point(|gap| gap.start <= between.start);
        self.gaps.get(next)?;
        let hole = self.hole(next);
        let start = hole.start.max(between.start);
        let end = hole.end.min(between.end).min(start + max as u64);
        (start < end).then_some(start..end)
    }

    /// Where counting miss indications begins: behind those chunks of which it is known what there is to know. But a
    /// retransmission, too, may turn out to be [overtaken](Self::count_misses).
    pub(in crate::tx) fn first_to_count(&mut self, retransmissions: bool) -> u64 {
        if retransmissions {
            return self.first;
        }
        let (mut from, mut left) = (self.misses_from.max(self.first), MAX_COUNTED);
        while let Some(missing) = self.missing(from..self.end(), left) {
            let counted = missing.clone().take_while(|&position| self.has_enough_misses(position)).count();
            steps::count(counted + 1);
            (from, left) = (missing.start + counted as u64, left - counted);
            if from < missing.end {
                break;
            }
        }
        self.misses_from = from;
        from
    }

    /// Whether one miss indication more for a missing chunk says nothing new.
    fn has_enough_misses(&self, position: u64) -> bool {
        self.get(position).is_some_and(|chunk| {
            chunk.fast_retransmitted || matches!(chunk.state, ChunkState::Abandoned { misses: 3.. })
        })
    }

    /// Forgets gap blocks that the cumulative acknowledgement has passed. One that it ends within is
    /// contradicted: by the acknowledgement the first chunk is missing. SHUTDOWN can do that, whose
    /// acknowledgement comes without gap blocks (9.2); the chunk must then be in flight, or no timer would run. Unless
    /// the peer has promised to keep it: then it was acknowledged already, and the acknowledgement is late.
    pub(super) fn trim_gaps(&mut self, paths: &mut PathSet, report: &mut AckReport) {
        let first = self.first;
        let passed = self.gaps.iter().take_while(|gap| gap.end <= first).count();
        self.gaps.drain(..passed);
        if let Some(end) = self.kept.first().filter(|kept| kept.start <= first).map(|kept| kept.end) {
            return self.acknowledge_up_to(end, paths, report);
        }
        let Some(gap) = self.gaps.first_mut().filter(|gap| gap.start <= first) else { return };
        gap.start = first + 1;
        if gap.is_empty() {
            self.gaps.remove(0);
        }
        self.renege(first, paths);
    }

    /// Puts the gap blocks of a new SACK in the place of those of the one before. Not if they take back more than has been
    /// sent for it: then false. Such a SACK is late, or its sender is up to no good; what is missing indeed comes to light
    /// by the cumulative TSN ack.
    /// RFC 9260, 6.2.1.
    pub(in crate::tx) fn replace_gaps(
        &mut self,
        new: Vec<Range<u64>>,
        paths: &mut PathSet,
        report: &mut AckReport,
    ) -> bool {
        if new.is_empty() && self.gaps.is_empty() {
            return true;
        }
        let old = core::mem::take(&mut self.gaps);
        if !self.pay_for_reneging(&old, &new) {
            self.gaps = old;
            return false;
        }
        differences(&new, &old).flatten().for_each(|position| self.gap_ack(position, paths, report));
        differences(&old, &new).flatten().for_each(|position| self.renege(position, paths));
        self.gaps = new;
        true
    }

    /// Whether so many chunks were sent that the peer may take back what is in `old` and not in `new`.
    fn pay_for_reneging(&mut self, old: &[Range<u64>], new: &[Range<u64>]) -> bool {
        let count: u64 = differences(old, new).map(|range| range.end - range.start).sum();
        if count == 0 {
            return true;
        }
        let sent = self.end() + self.sent_again;
        let reneged = self.reneged.max(sent.saturating_sub(MAX_RENEGE_CREDIT)) + count;
        let is_paid = reneged <= sent;
        if is_paid {
            self.reneged = reneged;
        }
        is_paid
    }

    fn gap_ack(&mut self, position: u64, paths: &mut PathSet, report: &mut AckReport) {
        steps::count(1);
        let Some(index) = self.index(position) else { return };
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let before = *chunk;
        if before.is_abandoned() {
            return;
        }
        chunk.state = ChunkState::GapAcked;
        self.settle(position, &before, paths, report);
    }

    /// The peer no longer has what it reported before: it counts as in flight, missed once (6.2.1 D iii), unless it
    /// was given up since.
    fn renege(&mut self, position: u64, paths: &mut PathSet) {
        steps::count(1);
        (self.misses_from, self.flight_from) =
            (self.misses_from.min(position), self.flight_from.min(position));
        let Some(index) = self.index(position) else { return };
        let Some(chunk) = self.chunks.get_mut(index).filter(|chunk| !chunk.is_abandoned()) else { return };
        chunk.state = ChunkState::InFlight { misses: 1 };
        let chunk = *chunk;
        self.join_flight(&chunk, paths);
    }
}

/// What is in `a` and not in `b`; both are ascending and disjoint.
pub(super) fn differences<'a>(
    a: &'a [Range<u64>],
    b: &'a [Range<u64>],
) -> impl Iterator<Item = Range<u64>> + 'a {
    let mut b = b.iter().peekable();
    let mut a = a.iter().cloned();
    let mut rest = 0..0;
    core::iter::from_fn(move || {
        loop {
            steps::count(1);
            if rest.is_empty() {
                rest = a.next()?;
            }
            while b.next_if(|other| other.end <= rest.start).is_some() {
                steps::count(1);
            }
            let (covered_from, covered_to) = b.peek().map_or((rest.end, rest.end), |o| (o.start, o.end));
            let difference = rest.start..covered_from.min(rest.end);
            rest.start = rest.start.max(covered_to);
            if !difference.is_empty() {
                return Some(difference);
            }
        }
    })
}
