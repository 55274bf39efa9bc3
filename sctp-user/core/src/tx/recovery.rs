//! Fast recovery (RFC 9260, 7.2.4): of the association, or, where data is on several paths at once, of each path, since
//! a loss on one says nothing of the others (draft-tuexen-tsvwg-sctp-multipath, 3.1).

use crate::path::PathId;
use smallvec::SmallVec;

/// Who is in fast recovery, and up to where.
#[derive(Debug)]
pub(super) struct FastRecovery {
    /// Each path has its own.
    pub(super) split: bool,
    /// Paths on which chunks were missing, and the position up to which all must be acknowledged.
    ends: SmallVec<[(PathId, u64); 1]>,
    /// Bytes that have arrived by the number of SACKs, but of which these had no room to tell.
    untold: usize,
}

impl FastRecovery {
    /// Nobody is in fast recovery; `split`: each path has its own.
    pub(super) fn new(split: bool) -> Self {
        Self { split, ends: SmallVec::new(), untold: 0 }
    }

    /// Whether `path` is in fast recovery.
    pub(super) fn holds(&self, path: PathId) -> bool {
        if self.split { self.ends.iter().any(|&(id, _)| id == path) } else { !self.ends.is_empty() }
    }

    /// Whether any is.
    pub(super) fn holds_any(&self) -> bool {
        !self.ends.is_empty()
    }

    /// A path that is.
    pub(super) fn path(&self) -> Option<PathId> {
        self.ends.first().map(|&(path, _)| path)
    }

    /// Chunks on `path` are missing. It stays in fast recovery until all before `end` are acknowledged.
    pub(super) fn enter(&mut self, path: PathId, end: u64) {
        self.ends.push((path, end));
    }

    /// All before `first` is acknowledged (6.2.1 D iv).
    pub(super) fn leave_up_to(&mut self, first: u64) {
        self.ends.retain(|&mut (_, end)| end > first);
        if self.ends.is_empty() {
            self.untold = 0;
        }
    }

    /// T3-rtx of `path` expired: after a time-out the window grows by slow start again (7.2.1), which fast recovery
    /// would forbid.
    pub(super) fn end_for(&mut self, path: PathId) {
        let split = self.split;
        self.ends.retain(|&mut (id, _)| split && id != path);
        self.untold = 0;
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
    }

    /// A SACK came, for a packet of `pmdcs` bytes (7.2.4: where there is a hole there is one for each), and told of
    /// `acked` bytes. `full`: it has as many gap blocks as fit, so there may be more to tell (6.2).
    pub(super) fn count_untold(&mut self, full: bool, pmdcs: usize, acked: usize) {
        let counts = full && !self.split && self.holds_any();
        self.untold = if counts { (self.untold + pmdcs).saturating_sub(acked) } else { 0 };
    }

    /// What is in flight of `outstanding` bytes, as far as retransmissions are concerned: had they to wait until there is
    /// told of enough, there would be no more SACKs to tell it before T3-rtx expires.
    pub(super) fn flight(&self, outstanding: usize) -> usize {
        outstanding.saturating_sub(self.untold).max(outstanding.min(1))
    }
}
