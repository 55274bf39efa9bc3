//! From I-DATA chunks to messages (RFC 8260, 2.2.3).
//!
//! Fragments say themselves which message they are of, and where in it they belong; TSNs say nothing of that. What
//! waits here are [runs](Run) of one message, as in [`reassembly`](super::reassembly), only that fragments of one
//! message need not come in a row.
//!
//! An FSN wraps after 2^32 fragments, of a byte at least each. The limit on a message is lower than that,
//! so that FSNs are plain numbers here.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::Violation;
use super::account::Charge;
use super::run::{Dropped, Fragment, Held, Run};
use super::streams::mid_ranges;
use crate::serial::{Mid, Tsn};
use crate::steps;
use crate::stream_set::StreamSet;

/// Names a message: stream, unordered, MID. The order of keys means nothing.
type MessageKey = (u16, bool, u32);

/// Fragments that wait for others.
#[derive(Debug)]
pub(super) struct Interleaved {
    /// By message and FSN of the first fragment.
    runs: BTreeMap<(MessageKey, u32), Run>,
    max_message_size: usize,
    /// Messages whose first fragment has come, or whose turn, since they were last asked whether they are to be handed over
    /// as they come: each is asked once, not with each further fragment.
    unasked: BTreeSet<MessageKey>,
    /// Messages were [skipped](Self::skip): what is late is no violation.
    pub(super) has_skipped: bool,
}

impl Interleaved {
    pub(super) fn new(max_message_size: usize) -> Self {
        let mut interleaved =
            Self { runs: BTreeMap::new(), max_message_size: 0, unasked: BTreeSet::new(), has_skipped: false };
        interleaved.set_max_message_size(max_message_size);
        interleaved
    }

    /// Longer messages end the association from now on.
    pub(super) fn set_max_message_size(&mut self, max_message_size: usize) {
        self.max_message_size = max_message_size.min(u32::MAX as usize);
    }

    /// Takes a chunk whose TSN is new; gives the message that it completes, or a piece of one that is
    /// handed over as it comes. `opens` says whether a message is to be from now on.
    /// RFC 8260, 2.2.3.
    pub(super) fn insert(
        &mut self,
        fragment: Fragment,
        charge: Charge,
        mut opens: impl FnMut(&Run) -> bool,
    ) -> Result<Option<Held>, Violation> {
        let (flags, fsn) = (fragment.flags, fragment.fsn.0);
        if flags.begin && flags.end && self.runs.is_empty() {
            return Held::whole(fragment, charge, self.max_message_size).map(Some);
        }
        self.check_limit(&fragment)?;
        let head = fragment.head;
        let message = (head.stream_id, head.unordered, head.mid.0);
        let before = self.run_before(message, fsn);
        let after = self.run_after(message, fsn);
        self.check_neighbours(&fragment, before, after)?;
        let later =
            after.filter(|&after| after == fsn + 1).and_then(|after| self.runs.remove(&(message, after)));
        let joins =
            |first: &u32| self.runs.get(&(message, *first)).is_some_and(|run| run.last + 1 == u64::from(fsn));
        let key = (message, before.filter(joins).unwrap_or(fsn));
        let run = match self.runs.entry(key) {
            Entry::Occupied(earlier) => {
                let run = earlier.into_mut();
                run.push(fsn.into(), fragment, charge);
                run
            }
            Entry::Vacant(place) => place.insert(Run::new(fsn.into(), fragment, charge)),
        };
        if let Some(later) = later {
            run.append(later);
        }
        run.check_size(self.max_message_size)?;
        if run.is_complete() {
            self.unasked.remove(&message);
            return Ok(self.runs.remove(&key).map(Run::into_held));
        }
        if flags.begin {
            self.unasked.insert(message);
        }
        Ok(if run.is_open() || opens(run) { run.take_piece() } else { None })
    }

    /// The peer gives up on the messages of a stream up to `mid`: throws away what has come of them (RFC 8260, 2.3.1), and
    /// adds it to `dropped`.
    pub(super) fn skip(&mut self, stream_id: u16, unordered: bool, mid: Mid, dropped: &mut Dropped) {
        self.has_skipped = true;
        for mids in mid_ranges(Mid(mid.0.wrapping_add(1 << 31)), mid) {
            let keys =
                ((stream_id, unordered, *mids.start()), 0)..=((stream_id, unordered, *mids.end()), u32::MAX);
            for ((message, _), run) in self.runs.extract_if(keys, |_, _| true) {
                self.unasked.remove(&message);
                dropped.add(&run);
            }
        }
    }

    /// Whether a part of this message waits that was sent up to `tsn`. Fragments are sent in the order of their numbers, so
    /// the first one tells.
    pub(super) fn holds(&self, stream_id: u16, unordered: bool, mid: Mid, tsn: Tsn) -> bool {
        let message = (stream_id, unordered, mid.0);
        let first = self.runs.range((message, 0)..=(message, u32::MAX)).next();
        first.is_some_and(|(_, run)| run.head.tsn.at_most(tsn))
    }

    /// Begins to hand over the messages that `opens` agrees to, of those that were not asked yet.
    pub(super) fn open(&mut self, mut opens: impl FnMut(&Run) -> bool) -> Vec<Held> {
        let unasked = core::mem::take(&mut self.unasked).into_iter();
        let mut piece_of = |message| {
            steps::count(1);
            let run = self.runs.get_mut(&(message, 0)).filter(|run| !run.is_open() && opens(run))?;
            run.take_piece()
        };
        unasked.filter_map(&mut piece_of).collect()
    }

    /// It is the turn of this message of a stream.
    pub(super) fn note_turn(&mut self, stream_id: u16, mid: Mid) {
        let message = (stream_id, false, mid.0);
        if self.runs.contains_key(&(message, 0)) {
            self.unasked.insert(message);
        }
    }

    /// It may be the turn of any message of these streams.
    pub(super) fn note_turns(&mut self, streams: &StreamSet) {
        let messages = self.runs.keys().map(|&(message, _)| message);
        self.unasked.extend(messages.filter(|&(stream_id, ..)| streams.contains(stream_id)));
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Drops all fragments that wait.
    pub(super) fn clear(&mut self) -> Dropped {
        self.unasked.clear();
        Dropped::of(core::mem::take(&mut self.runs).into_values())
    }

    /// FSN of the first fragment of the run of `message` that begins at `fsn` or before it, and is nearest to it.
    fn run_before(&self, message: MessageKey, fsn: u32) -> Option<u32> {
        let (&(_, first), _) = self.runs.range((message, 0)..=(message, fsn)).next_back()?;
        Some(first)
    }

    /// The same behind `fsn`.
    fn run_after(&self, message: MessageKey, fsn: u32) -> Option<u32> {
        let behind = (Bound::Excluded((message, fsn)), Bound::Included((message, u32::MAX)));
        let (&(_, first), _) = self.runs.range(behind).next()?;
        Some(first)
    }

    /// A fragment for each byte at least: this one lies beyond the limit.
    fn check_limit(&self, fragment: &Fragment) -> Result<(), Violation> {
        let (len, max) = (fragment.fsn.0 as usize, self.max_message_size);
        if len < max {
            return Ok(());
        }
        Err(Violation::MessageTooLarge { stream_id: fragment.head.stream_id, len, max })
    }

    /// No FSN comes twice, none lies behind the E bit, and B goes with the first one only.
    fn check_neighbours(
        &self,
        fragment: &Fragment,
        before: Option<u32>,
        after: Option<u32>,
    ) -> Result<(), Violation> {
        let (head, flags, fsn) = (fragment.head, fragment.flags, fragment.fsn);
        let message = (head.stream_id, head.unordered, head.mid.0);
        let before = before.and_then(|first| self.runs.get(&(message, first)));
        let fits = flags.begin == (fsn.0 == 0)
            && before.is_none_or(|run| !run.end && run.last < u64::from(fsn.0))
            && !(flags.end && after.is_some());
        let violation = Violation::BadInterleavedFragment { stream_id: head.stream_id, mid: head.mid, fsn };
        if fits { Ok(()) } else { Err(violation) }
    }
}
