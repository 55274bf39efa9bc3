//! What an NR-SACK says will be kept for good: chunks of messages that the reader has, or can have whatever comes
//! (draft-tuexen-tsvwg-sctp-multipath, 4.4.1, case 2).

use crate::serial::Tsn;
use crate::wire::chunk::GapBlock;
use smallvec::SmallVec;

/// Bound on the stretches: what is not noted may be taken back as far as the peer knows, which it may be in any case.
const MAX_SPANS: usize = 2_048;

/// TSNs of chunks that were handed to the reader, above the cumulative one.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// First and last TSN of each stretch; in order and apart from each other, but those of late.
    spans: Vec<(Tsn, Tsn)>,
}

impl Kept {
    /// A message with these TSNs went to the reader.
    pub(super) fn note(&mut self, first: Tsn, last: Tsn) {
        if let Some((_, end)) = self.spans.last_mut().filter(|(_, end)| end.next() == first) {
            *end = last;
        } else if self.spans.len() < MAX_SPANS {
            self.spans.push((first, last));
        }
    }

    /// TSNs are numbered anew.
    pub(super) fn clear(&mut self) {
        self.spans.clear();
    }

    /// Takes the gap blocks above `cumulative` apart: what may still be taken back, and what is kept. If that makes
    /// more than `max` blocks, all may be taken back.
    pub(super) fn divide(&mut self, cumulative: Tsn, blocks: &[GapBlock], max: usize) -> (Blocks, Blocks) {
        self.tidy(cumulative);
        let offset = |tsn: Tsn| u16::try_from(tsn.distance_from(cumulative)).unwrap_or(u16::MAX);
        let mut kept = self.spans.iter().map(|&(first, last)| (offset(first), offset(last))).peekable();
        let (mut renegable, mut non_renegable) = (Blocks::new(), Blocks::new());
        for block in blocks {
            let mut start = block.start;
            while kept.next_if(|&(_, last)| last < start).is_some() {}
            while let Some((first, last)) = kept.next_if(|&(_, last)| last <= block.end) {
                push(&mut renegable, start, first.saturating_sub(1));
                push(&mut non_renegable, first.max(start), last);
                start = last.saturating_add(1);
            }
            push(&mut renegable, start, block.end);
        }
        if renegable.len() + non_renegable.len() > max {
            return (blocks.into(), Blocks::new());
        }
        (renegable, non_renegable)
    }

    /// Forgets what is acknowledged cumulatively, and joins what touches.
    fn tidy(&mut self, cumulative: Tsn) {
        self.spans.retain_mut(|(first, last)| {
            *first = first.later(cumulative.next());
            cumulative.less_than(*last)
        });
        self.spans.sort_unstable_by_key(|(first, _)| first.distance_from(cumulative));
        self.spans.dedup_by(|(first, last), (_, end)| {
            let joined = end.next() == *first;
            if joined {
                *end = *last;
            }
            joined
        });
    }
}

/// Gap blocks.
type Blocks = SmallVec<[GapBlock; 4]>;

/// Appends a block, unless it is empty, and joins it to the one before where they touch.
fn push(blocks: &mut Blocks, start: u16, end: u16) {
    match blocks.last_mut() {
        _ if end < start => {}
        Some(last) if last.end.checked_add(1) == Some(start) => last.end = end,
        _ => blocks.push(GapBlock { start, end }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(blocks: &Blocks) -> Vec<(u16, u16)> {
        blocks.iter().map(|block| (block.start, block.end)).collect()
    }

    /// The example of section 4.3 of the draft, second case: 3 is acknowledged cumulatively; 5 to 8, 11 and 13 to 16
    /// have come; 5 to 8, 13 and 16 went to the reader.
    #[test]
    fn the_second_case_of_the_example_is_divided_as_the_draft_does() {
        let mut kept = Kept::default();
        for (first, last) in [(13, 13), (16, 16), (2, 3), (7, 8), (5, 6)] {
            kept.note(Tsn(first), Tsn(last));
        }
        let came = [(2, 5), (8, 8), (10, 13)].map(|(start, end)| GapBlock { start, end });
        let (renegable, non_renegable) = kept.divide(Tsn(3), &came, 5);
        assert_eq!(pairs(&renegable), [(8, 8), (11, 12)]);
        assert_eq!(pairs(&non_renegable), [(2, 5), (10, 10), (13, 13)]);
        let (renegable, non_renegable) = kept.divide(Tsn(3), &came, 4);
        assert_eq!((pairs(&renegable), pairs(&non_renegable)), (vec![(2, 5), (8, 8), (10, 13)], vec![]));
    }

    #[test]
    fn what_came_backwards_is_one_stretch_in_the_end_and_there_are_never_too_many() {
        let mut kept = Kept::default();
        (0..100).for_each(|i| kept.note(Tsn(u32::MAX).plus(110 - i), Tsn(u32::MAX).plus(110 - i)));
        let (renegable, non_renegable) = kept.divide(Tsn(u32::MAX), &[GapBlock { start: 5, end: 200 }], 9);
        assert_eq!((pairs(&renegable), pairs(&non_renegable)), (vec![(5, 10), (111, 200)], vec![(11, 110)]));
        assert_eq!(kept.spans.len(), 1);
        (0..10_000).for_each(|i| kept.note(Tsn(1_000 + 2 * i), Tsn(1_000 + 2 * i)));
        assert_eq!(kept.spans.len(), MAX_SPANS);
    }

    #[test]
    fn what_is_acknowledged_cumulatively_is_forgotten() {
        let mut kept = Kept::default();
        (0..100).for_each(|i| kept.note(Tsn(u32::MAX).plus(2 * i), Tsn(u32::MAX).plus(2 * i)));
        kept.divide(Tsn(u32::MAX).plus(150), &[], 9);
        assert_eq!(kept.spans.len(), 24);
    }
}
