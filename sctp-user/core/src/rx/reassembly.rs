//! From DATA chunks to messages (RFC 9260, 6.9).
//!
//! The fragments of a message have TSNs in a row, so what waits here are [runs](Run): stretches of one message
//! without a hole, that grow at both ends and merge. In order there is one run, and each fragment is
//! appended to it. Knows no SACK, and of streams only that a message belongs to one; I-DATA (RFC 8260),
//! whose fragments are numbered apart from the TSNs, has [a type of its own](super::interleaved) beside this one.
//!
//! Fragments that contradict each other end the association: see [`Violation`]. Payload protocol identifiers
//! may differ between fragments, no rule says otherwise: the first one's counts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Violation;
use super::account::Charge;
use super::run::{Dropped, Fragment, Head, Held, Run};
use crate::serial::Tsn;
use crate::wire::chunk::DataFlags;

/// Turns TSNs near each other into numbers that do not wrap, so that runs can be sorted.
#[derive(Debug)]
struct Unwrapper {
    last: (Tsn, u64),
}

impl Unwrapper {
    /// Begins at `tsn`, far enough from 0 that the numbers of earlier TSNs do not wrap.
    fn at(tsn: Tsn) -> Self {
        Self { last: (tsn, 1 << 40) }
    }

    /// The number of `tsn`, which lies within half of the number space of the one before.
    fn unwrap(&mut self, tsn: Tsn) -> u64 {
        let (last_tsn, last) = self.last;
        let step = tsn.distance_from(last_tsn).cast_signed();
        self.last = (tsn, last.wrapping_add_signed(step.into()));
        self.last.1
    }
}

/// Whether the neighbours of a TSN have arrived: a fragment next to them must fit to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours {
    pub(super) before: bool,
    pub(super) after: bool,
}

/// Fragments that wait for others.
#[derive(Debug)]
pub(super) struct Reassembly {
    /// By the unwrapped TSN of the first fragment.
    runs: BTreeMap<u64, Run>,
    unwrapper: Unwrapper,
    max_message_size: usize,
    /// The peer gave up on all up to this TSN, or what came behind it went with it: a fragment next to it that is no
    /// beginning has lost its own.
    skipped_to: Option<Tsn>,
    /// The peer may give up on messages: one may begin behind another that has no end.
    gives_up: bool,
    /// One did: what waits may [be cut off](Self::take_cut_off).
    has_cut_off: bool,
}

impl Reassembly {
    pub(super) fn new(peer_initial_tsn: Tsn, max_message_size: usize) -> Self {
        let unwrapper = Unwrapper::at(peer_initial_tsn);
        Self {
            runs: BTreeMap::new(),
            unwrapper,
            max_message_size,
            skipped_to: None,
            gives_up: false,
            has_cut_off: false,
        }
    }

    /// Longer messages end the association from now on.
    pub(super) fn set_max_message_size(&mut self, max_message_size: usize) {
        self.max_message_size = max_message_size;
    }

    /// The peer may give up on messages that it has begun to send.
    pub(super) fn set_gives_up(&mut self) {
        self.gives_up = true;
    }

    /// Takes a chunk whose TSN is new; gives the message that it completes, or a piece of one that is
    /// handed over as it comes. `opens` says whether a message is to be from now on.
    /// RFC 9260, 6, 6.9.
    #[inline]
    pub(super) fn insert(
        &mut self,
        fragment: Fragment,
        charge: Charge,
        neighbours: Neighbours,
        opens: impl FnMut(&Run) -> bool,
    ) -> Result<Option<Held>, Violation> {
        if self.runs.is_empty() && fragment.flags.begin && fragment.flags.end {
            return Held::whole(fragment, charge, self.max_message_size).map(Some);
        }
        self.insert_fragment(fragment, charge, neighbours, opens)
    }

    fn insert_fragment(
        &mut self,
        fragment: Fragment,
        charge: Charge,
        neighbours: Neighbours,
        mut opens: impl FnMut(&Run) -> bool,
    ) -> Result<Option<Held>, Violation> {
        let (head, flags) = (fragment.head, fragment.flags);
        if self.runs.is_empty() {
            // Whole messages pass by without a number: the last one can be far behind.
            self.unwrapper = Unwrapper::at(head.tsn);
        }
        let number = self.unwrapper.unwrap(head.tsn);
        let before = self.run_before(number);
        let after = self.runs.get(&number.wrapping_add(1)).map(|run| (run.head, run.begin));
        self.has_cut_off |= self.check_before(&head, flags, before, neighbours.before)?;
        self.has_cut_off |= self.check_after(&head, flags, after, neighbours.after)?;
        let later = match after {
            Some((_, false)) => self.runs.remove(&number.wrapping_add(1)),
            _ => None,
        };
        let key = before.filter(|_| !flags.begin).unwrap_or(number);
        let run = match self.runs.entry(key) {
            Entry::Occupied(earlier) => {
                let run = earlier.into_mut();
                run.push(number, fragment, charge);
                run
            }
            Entry::Vacant(place) => place.insert(Run::new(number, fragment, charge)),
        };
        if let Some(later) = later {
            run.append(later);
        }
        run.check_size(self.max_message_size)?;
        if run.is_complete() {
            return Ok(self.runs.remove(&key).map(|run| {
                // Only what is handed over whole is sure to be handed over.
                Held { last_tsn: Some(run.last_tsn(key)).filter(|_| !run.is_open()), ..run.into_held() }
            }));
        }
        Ok(if run.is_open() || opens(run) { run.take_piece() } else { None })
    }

    /// Begins to hand over the first message of those that are not complete, if `opens` agrees.
    pub(super) fn open(&mut self, mut opens: impl FnMut(&Run) -> bool) -> Option<Held> {
        let (_, run) = self.runs.iter_mut().next()?;
        if opens(run) { run.take_piece() } else { None }
    }

    /// Drops all fragments that wait.
    pub(super) fn clear(&mut self) -> Dropped {
        self.skipped_to = None;
        Dropped::of(core::mem::take(&mut self.runs).into_values())
    }

    /// The peer gives up on all up to `tsn`: throws away the parts of messages that miss some of it (RFC 3758,
    /// 3.6), and the one that stops at `tsn`, which is always of a message given up (3.5 C2).
    pub(super) fn skip(&mut self, tsn: Tsn) -> Dropped {
        self.skipped_to = Some(tsn);
        if self.runs.is_empty() {
            return Dropped::default();
        }
        let last = self.unwrapper.unwrap(tsn);
        let is_given_up = |run: &Run| !run.begin || run.last <= last;
        let reached: Vec<_> = self
            .runs
            .extract_if(..=last.wrapping_add(1), |_, run| is_given_up(run))
            .map(|(_, run)| run)
            .collect();
        // What was sent of a message up to here goes with it.
        let beyond = reached.last().map_or(0, |run| run.last.saturating_sub(last));
        self.skipped_to = Some(tsn.plus(beyond as u32));
        Dropped::of(reached.into_iter())
    }

    /// Whether a message that has no end yet has come up to `tsn`.
    pub(super) fn stops_at(&mut self, tsn: Tsn) -> bool {
        if self.runs.is_empty() {
            return false;
        }
        let last = self.unwrapper.unwrap(tsn);
        self.runs.range(..=last).next_back().is_some_and(|(_, run)| !run.end && run.last == last)
    }

    /// Takes out the first part of a message that can have no end: all up to `cumulative` has come, and with it something
    /// else right behind that part. The FORWARD TSN that told of it was lost, or is late (RFC 3758, 3.6).
    #[inline]
    pub(super) fn take_cut_off(&mut self, cumulative: Tsn) -> Option<Run> {
        if !self.has_cut_off {
            return None;
        }
        let last = self.unwrapper.unwrap(cumulative);
        let cut_off = self.runs.first_entry().filter(|run| run.get().last < last).map(|run| run.remove());
        self.has_cut_off = !self.runs.is_empty();
        cut_off
    }

    /// Whether this fragment belongs to a message whose beginning was [skipped](Self::skip): it can only be thrown away.
    pub(super) fn is_orphan(&self, fragment: &Fragment, neighbours: Neighbours) -> bool {
        let before = fragment.head.tsn.prev();
        let ends_before = |(&first, run): (&u64, &Run)| run.last_tsn(first) == before;
        neighbours.before
            && !fragment.flags.begin
            && self.skipped_to == Some(before)
            && !self.runs.first_key_value().is_some_and(ends_before)
    }

    /// Key of the run that ends right before `number`.
    fn run_before(&self, number: u64) -> Option<u64> {
        let (&key, run) = self.runs.range(..number).next_back()?;
        (run.last.wrapping_add(1) == number).then_some(key)
    }

    /// Whether what came before is cut off by this.
    fn check_before(
        &self,
        head: &Head,
        flags: DataFlags,
        before: Option<u64>,
        arrived: bool,
    ) -> Result<bool, Violation> {
        let before = before.and_then(|key| self.runs.get(&key));
        match before {
            Some(run) if !run.end && flags.begin && self.gives_up => return Ok(true),
            // What came before is unfinished: this must go on with it.
            Some(run) if !run.end && !flags.begin && run.head.is_same_message(head) => {}
            // It is finished, or was never a fragment: this must begin.
            Some(run) if run.end && flags.begin => {}
            None if flags.begin || !arrived => {}
            _ => return Err(Violation::BadFragment { tsn: head.tsn }),
        }
        Ok(false)
    }

    /// Whether this is cut off by the next fragment. `after`: what that said, and whether it begins a message.
    fn check_after(
        &self,
        head: &Head,
        flags: DataFlags,
        after: Option<(Head, bool)>,
        arrived: bool,
    ) -> Result<bool, Violation> {
        match after {
            Some((_, true)) | None if flags.end => {}
            None if !arrived => {}
            Some((_, true)) | None if self.gives_up => return Ok(true),
            Some((after, false)) if !flags.end && head.is_same_message(&after) => {}
            _ => return Err(Violation::BadFragment { tsn: head.tsn }),
        }
        Ok(false)
    }
}
