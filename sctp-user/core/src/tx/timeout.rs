//! Retransmission time-outs and failed paths (RFC 9260, 6.3.3 and 6.4.1).

use super::outstanding::Cause;
use super::sender::Sender;
use crate::path::{PathId, PathSet};
use crate::time::Time;
use smallvec::SmallVec;

/// What expired when T3-rtx did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct T3Expiry {
    /// The peer answers but has closed its window: the expiry is none of the errors that make a path
    /// inactive or end the association (RFC 9260, 6.1 A).
    pub window_probe: bool,
}

impl Sender {
    /// T3-rtx of `path` expired. What it had in flight is to be sent again, the first packet of it at
    /// once (6.3.3 E1 to E4). Counting the error is the association's, afterwards; see [`T3Expiry`].
    /// RFC 7496, 3.1.
    pub fn handle_t3(&mut self, now: Time, id: PathId, paths: &mut PathSet) -> T3Expiry {
        let window_probe = self.is_window_probe(id);
        let Some(path) = paths.get_mut(id) else { return T3Expiry::default() };
        path.t3_rtx = None;
        // RFC 3758, 3.5 A5
        let forwarded = self.expire_forward_tsn(id, paths);
        let Some(path) = paths.get_mut(id).filter(|path| path.flight_size > 0 || forwarded) else {
            return T3Expiry::default();
        };
        path.stats.t3_expiries += 1;
        self.stats.t3_expiries += 1;
        path.rtt.back_off();
        // "Zero window probing does not affect the calculation of cwnd" (6.1 A).
        if !window_probe {
            let pmdcs = path.pmdcs();
            path.congestion.on_timeout(now, pmdcs);
            path.slowed_down_at = self.outstanding.end();
            self.recovery.end_for(id);
        }
        let marked = self.outstanding.mark_path(id, Cause::TimedOut, paths);
        self.stats.t3_retransmits += u64::from(marked > 0);
        self.add_urgent(paths.for_retransmission(id));
        T3Expiry { window_probe }
    }

    /// Whether what is in flight on `path` does not fit the peer's window, and the peer has said so since
    /// it was sent.
    /// RFC 9260, 6.1.
    fn is_window_probe(&mut self, path: PathId) -> bool {
        let chunk = self.outstanding.first_in_flight(path).and_then(|first| self.outstanding.get(first));
        chunk.is_some_and(|chunk| {
            let closed = self.window.advertised() < chunk.payload_len();
            closed && self.window.sacked_at.is_some_and(|sacked_at| sacked_at >= chunk.sent_at)
        })
    }

    /// `path` became inactive: what was in flight there is to be sent elsewhere.
    pub fn handle_path_failed(&mut self, id: PathId, paths: &mut PathSet) {
        if self.end_flight(id, Cause::TimedOut, paths) > 0 {
            self.urgent.push(id);
        }
        self.handle_path_avoided(id, paths);
    }

    /// Nothing is in flight on `path` any more, a FORWARD TSN neither (RFC 3758, 3.5 A5); how many chunks were.
    fn end_flight(&mut self, id: PathId, cause: Cause, paths: &mut PathSet) -> usize {
        let marked = self.outstanding.mark_path(id, cause, paths);
        if self.expire_forward_tsn(id, paths)
            && let Some(path) = paths.get_mut(id)
        {
            path.t3_rtx = None;
        }
        marked
    }

    /// `path` is potentially failed: what must leave there at once is to leave elsewhere (RFC 7829, 3.2, rule 3 ii).
    pub fn handle_path_avoided(&mut self, id: PathId, paths: &PathSet) {
        if self.urgent.contains(&id) {
            self.urgent.retain(|urgent| *urgent != id);
            self.add_urgent(paths.for_retransmission(id));
        }
    }

    /// `path` is no more: its chunks count for `other` from now on, and those in flight are sent again.
    pub(crate) fn handle_path_removed(&mut self, id: PathId, other: PathId, paths: &mut PathSet) {
        let marked = self.outstanding.mark_path(id, Cause::TimedOut, paths);
        self.outstanding.reassign(id, other);
        if marked > 0 || self.urgent.contains(&id) {
            self.add_urgent(Some(other));
        }
        self.urgent.retain(|urgent| *urgent != id);
        self.move_forward_tsn(id, other);
    }

    /// The peer has thrown away all that is in flight, for a reason that says nothing of the network: it may be
    /// sent again the same way, without waiting for T3-rtx.
    pub fn handle_discarded(&mut self, paths: &mut PathSet) {
        let ids: SmallVec<[PathId; 4]> = paths.iter().map(|path| path.id).collect();
        for id in ids {
            self.end_flight(id, Cause::Missing, paths);
        }
    }

    /// One packet of retransmissions is to leave on `path` at once.
    pub(super) fn add_urgent(&mut self, path: Option<PathId>) {
        if let Some(path) = path.filter(|path| !self.urgent.contains(path)) {
            self.urgent.push(path);
        }
    }
}
