//! Unordered messages that the peer has given up on, and of which fragments may still come: nothing else tells that they
//! will never be complete (RFC 8260, 2.3.1). Of ordered ones the turn is over.

use super::run::Head;
use super::tsn_map::MAX_SPAN;
use crate::serial::{Mid, Tsn};
use crate::stream_set::StreamSet;
use std::collections::BTreeMap;

/// Streams that are remembered at most. On others a late fragment is held until the association ends.
const MAX_STREAMS: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SkippedUnordered {
    /// The last one of each stream.
    last: BTreeMap<u16, Mid>,
    /// Nothing behind this TSN had been sent when they were given up.
    until: Tsn,
}

impl SkippedUnordered {
    /// The peer gave up on those of a stream up to `mid`; the cumulative TSN is now this one.
    pub(super) fn note(&mut self, stream_id: u16, mid: Mid, cumulative: Tsn) {
        self.until = cumulative.plus(MAX_SPAN);
        if self.last.len() < MAX_STREAMS || self.last.contains_key(&stream_id) {
            self.last.insert(stream_id, mid);
        }
    }

    /// Whether this fragment is of one of them.
    pub(super) fn holds(&mut self, head: &Head, cumulative: Tsn) -> bool {
        if self.until.less_than(cumulative) {
            self.last.clear();
        }
        self.last.get(&head.stream_id).is_some_and(|last| last.distance_from(head.mid) <= MAX_SPAN)
    }

    /// These streams count from 0 again.
    pub(super) fn forget(&mut self, streams: &StreamSet) {
        match streams {
            StreamSet::All => self.last.clear(),
            StreamSet::Listed(streams) => streams.iter().for_each(|stream| _ = self.last.remove(stream)),
        }
    }
}
