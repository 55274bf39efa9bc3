//! What the peer says it will never give back (NR-SACK; draft-tuexen-tsvwg-sctp-multipath, 4.4.2): a message that it
//! keeps wholly needs not be kept here.

use super::gaps::{MAX_GAPS, differences};
use super::{Chunk, Outstanding};
use bytes::Bytes;
use core::ops::Range;

impl Outstanding {
    /// The peer keeps what lies in `ranges`, ascending and disjoint, for good. Returns bytes of send buffer that came
    /// free. If that makes too many stretches, it may as well take them back. Chunks count as acknowledged only once they are reported in gap blocks too; see
    /// [`with_kept`](Self::with_kept).
    pub(in crate::tx) fn keep(&mut self, ranges: &[Range<u64>]) -> usize {
        let all = union(&self.kept, ranges);
        if all.len() > MAX_GAPS {
            return 0;
        }
        let old = core::mem::replace(&mut self.kept, all);
        differences(ranges, &old).flatten().map(|position| self.keep_chunk(position)).sum()
    }

    /// Gap blocks, and with them all that the peer has said it keeps, whether it repeats that or not.
    pub(in crate::tx) fn with_kept(&self, gaps: Vec<Range<u64>>) -> Vec<Range<u64>> {
        if self.kept.is_empty() {
            return gaps;
        }
        let mut all = union(&gaps, &self.kept);
        // What is kept may have moved the ack point further than the SACK did; the first chunk is in no gap block.
        let first = self.first;
        all.retain_mut(|range| {
            range.start = range.start.max(first + 1);
            !range.is_empty()
        });
        all
    }

    /// Whether the peer keeps the chunk at `position`.
    pub(super) fn is_kept(&self, position: u64) -> bool {
        let behind = self.kept.partition_point(|range| range.end <= position);
        self.kept.get(behind).is_some_and(|range| range.start <= position)
    }

    /// Forgets what the cumulative acknowledgement has passed.
    pub(super) fn trim_kept(&mut self) {
        let first = self.first;
        self.kept.retain_mut(|range| {
            range.start = range.start.max(first);
            !range.is_empty()
        });
    }

    /// A chunk of a message that has others was acknowledged cumulatively; bytes that come free beside its own.
    pub(super) fn settle_part(&mut self, position: u64, chunk: &Chunk) -> usize {
        if self.is_kept(position) {
            return 0;
        }
        if let Some(message) = self.messages.get_mut(chunk.message) {
            message.settled += chunk.payload_len();
        }
        self.release_delivered(chunk.message)
    }

    fn keep_chunk(&mut self, position: u64) -> usize {
        let Some(chunk) = self.get(position).copied() else { return 0 };
        let Some(message) = self.messages.get_mut(chunk.message) else { return 0 };
        message.settled += chunk.payload_len();
        self.release_delivered(chunk.message)
    }

    /// Lets the payload of a message go that the peer has for good; bytes that come free by that.
    pub(super) fn release_delivered(&mut self, slot: u32) -> usize {
        let Some(message) = self.messages.get_mut(slot) else { return 0 };
        let whole = message.message.payload.len();
        if message.is_abandoned() || whole == 0 || message.settled < whole {
            return 0;
        }
        message.message.payload = Bytes::new();
        let (limit, number, positions) = (message.message.limit, message.number, message.positions.clone());
        self.forget_limit(slot, limit, number);
        let mut freed = 0;
        for position in positions.start.max(self.first)..positions.end {
            let index = self.index(position);
            let Some(chunk) = index.and_then(|index| self.chunks.get_mut(index)) else { continue };
            if chunk.message == slot {
                freed += chunk.payload_len();
                chunk.len = 0;
            }
        }
        freed
    }
}

/// The union of two rows of ascending, disjoint ranges.
fn union(a: &[Range<u64>], b: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut all: Vec<_> = a.iter().chain(b).cloned().collect();
    // Stable: what is two rows in order is merged, not sorted.
    all.sort_by_key(|range| range.start);
    all.dedup_by(|next, previous| {
        let joined = next.start <= previous.end;
        if joined {
            previous.end = previous.end.max(next.end);
        }
        joined
    });
    all
}
