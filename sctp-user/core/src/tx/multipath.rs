//! Data on several paths at once (draft-tuexen-tsvwg-sctp-multipath, 3, 5 and 6): which path new data takes, how the
//! paths share the peer's window, and what is done when a slow or lossy one holds all others up.
//!
//! The peer's window is one for all paths. A chunk that is late on one path keeps what overtook it on the others in the
//! receiver's buffer, until that is full and nothing moves. Three things prevent it: a path takes of the window only what
//! faster ones leave (buffer splitting); once the window is used up, what everything waits for is sent again on a path
//! that has room (chunk rescheduling); and the path that was to blame [rests](crate::path::Rest) for a while.

use super::outstanding::{AckReport, Cause, Chunk, ChunkState};
use super::sender::Sender;
use crate::multipath::Multipath;
use crate::path::{Path, PathId, PathSet};
use crate::time::Time;
use smallvec::SmallVec;

/// Growth of a window that grows by itself.
const FULL_GROWTH: u32 = 1_000;

impl Sender {
    /// A path on which new data may leave now.
    pub(super) fn path_for_new_data(&self, now: Time, paths: &PathSet) -> Option<PathId> {
        let may_send = |path: &&Path| path.may_send(now) && self.may_send_new(now, path.id, paths);
        if !self.settings.multipath.is_on() || !paths.iter().any(|path| is_ready(path, now)) {
            return paths.for_new_data().and_then(|id| paths.get(id)).filter(may_send).map(|path| path.id);
        }
        let ready = paths.iter().filter(|path| is_ready(path, now));
        let with_room = ready.filter(|path| may_send(path) && self.leaves_enough(now, path, paths));
        with_room.min_by_key(|path| slowness(path)).map(|path| path.id)
    }

    /// The path for a chunk that is to be sent again: one whose window has room, `preferred` if it has, else the fastest.
    /// `None`: with one path at a time it is as RFC 9260, 6.4 and 6.4.1 say.
    pub(super) fn path_for_lost(&self, preferred: Option<PathId>, paths: &PathSet) -> Option<PathId> {
        if !self.settings.multipath.is_on() {
            return None;
        }
        let active = paths.iter().filter(|path| path.is_active());
        let rank = |path: &&Path| {
            let is_full = path.flight_size >= path.congestion.cwnd();
            (is_full, preferred != Some(path.id), slowness(path))
        };
        active.min_by_key(rank).map(|path| path.id)
    }

    /// Whether the peer's window has room for another packet on `path` once the faster paths have filled theirs.
    fn leaves_enough(&self, now: Time, path: &Path, paths: &PathSet) -> bool {
        let faster = paths.iter().filter(|other| is_ready(other, now) && slowness(other) < slowness(path));
        let reserved: usize =
            faster.map(|other| other.congestion.cwnd().saturating_sub(other.flight_size)).sum();
        reserved == 0 || self.peer_rwnd() >= reserved.saturating_add(path.pmdcs())
    }

    /// To be called before a packet is filled: if nothing moves because chunks are late, they are sent again on the
    /// fastest path that has room, which would be idle otherwise.
    pub fn reschedule_blocking(&mut self, now: Time, paths: &mut PathSet) {
        self.reschedule_at = None;
        if !self.settings.multipath.is_on() || !self.is_blocked(now, paths) {
            return;
        }
        let Some((late_on, at)) = self.first_late(paths) else { return };
        let others = paths.iter().filter(|path| path.is_active() && path.id != late_on && path.may_send(now));
        let Some(other) = others.min_by_key(|path| slowness(path)) else { return };
        if now < at {
            self.reschedule_at = Some(at);
            return;
        }
        let (id, room) = (other.id, other.congestion.cwnd().saturating_sub(other.flight_size));
        for position in self.late_chunks(now, late_on, room, paths) {
            self.outstanding.mark(position, Cause::Late, paths);
        }
        self.keep_t3_for_forward_tsn(now, paths);
        self.add_urgent(Some(id));
        if let Some(path) = paths.get_mut(late_on) {
            path.give_rest(now);
        }
    }

    /// The path of the first chunk that the peer misses, and from when on that chunk is late.
    fn first_late(&self, paths: &PathSet) -> Option<(PathId, Time)> {
        let chunk = self.outstanding.get(self.missing().next()?)?;
        Some((chunk.path, late_from(chunk, paths)?))
    }

    /// What is late on one path, as much as goes into `room`, and the first one in any case.
    fn late_chunks(
        &self,
        now: Time,
        late_on: PathId,
        mut room: usize,
        paths: &PathSet,
    ) -> SmallVec<[u64; 8]> {
        let mut late = SmallVec::new();
        for position in self.missing() {
            let Some(chunk) = self.outstanding.get(position) else { break };
            if chunk.path != late_on || late_from(chunk, paths).is_none_or(|at| now < at) {
                continue;
            }
            if !late.is_empty() && chunk.wire_len() > room {
                break;
            }
            room = room.saturating_sub(chunk.wire_len());
            late.push(position);
        }
        late
    }

    /// What the peer misses below the highest that it has.
    fn missing(&self) -> impl Iterator<Item = u64> {
        (0..self.outstanding.gap_count().max(1)).flat_map(|hole| self.outstanding.hole(hole))
    }

    /// Nothing new can be sent, and something is outstanding: there is no data, or the peer's window is taken by what
    /// waits for an earlier chunk.
    fn is_blocked(&self, now: Time, paths: &PathSet) -> bool {
        self.outstanding.has_in_flight()
            && self.outstanding.first_marked().is_none()
            && self.wanted(now, self.largest_payload(paths)).is_none()
    }

    /// Whether a miss of the chunk at `position` counts: with several paths only if one that left later on the same
    /// path was acknowledged, for between paths chunks overtake each other all the time (3.1).
    pub(super) fn is_missed(&self, position: u64, report: &AckReport, cumulative_advanced: bool) -> bool {
        if !self.recovery.split {
            return true;
        }
        let Some(chunk) = self.outstanding.get(position) else { return false };
        let ack = report.paths.iter().find(|ack| ack.path == chunk.path);
        let overtaken =
            ack.is_some_and(|ack| position < ack.newly_acked_end && chunk.sent_at <= ack.newly_acked_sent_at);
        overtaken
            || (cumulative_advanced
                && ack.is_some()
                && self.recovery.holds(chunk.path)
                && chunk.retransmissions == 0)
    }

    /// Thousandths of the usual growth of each window in congestion avoidance, so that all together take no more
    /// than one on the best path would: the rule of RFC 6356, 3, which resource pooling for CMT builds on.
    pub(super) fn pooled_growth(&self, paths: &PathSet) -> Option<Pool> {
        (self.settings.multipath == Multipath::Pooled).then(|| Pool::of(paths)).flatten()
    }
}

/// What the coupling of windows needs to know of all paths together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    /// The largest cwnd / RTT^2 of a path.
    best: f64,
    /// The sum of cwnd / RTT.
    rate: f64,
}

impl Pool {
    fn of(paths: &PathSet) -> Option<Self> {
        let measured = || {
            let active = paths.iter().filter(|path| path.is_active());
            active.filter_map(|path| {
                Some((path.congestion.cwnd() as f64, path.rtt.srtt()?.as_secs_f64().max(1e-6)))
            })
        };
        let best = measured().map(|(cwnd, rtt)| cwnd / (rtt * rtt)).fold(0.0, f64::max);
        let rate: f64 = measured().map(|(cwnd, rtt)| cwnd / rtt).sum();
        (best > 0.0 && rate > 0.0).then_some(Self { best, rate })
    }

    /// Thousandths of the usual growth of a window of `cwnd` bytes.
    pub(super) fn growth(self, cwnd: usize) -> u32 {
        let share = self.best * cwnd as f64 / (self.rate * self.rate);
        // A whole packet at most; a little, so that no path is ever left for good.
        ((share * f64::from(FULL_GROWTH)) as u32).clamp(1, FULL_GROWTH)
    }
}

/// Whether the path is one of those that new data may take.
fn is_ready(path: &Path, now: Time) -> bool {
    path.is_active() && !path.rest.is_on(now)
}

/// From when on a chunk in flight is late: its acknowledgement would have had time enough to come.
fn late_from(chunk: &Chunk, paths: &PathSet) -> Option<Time> {
    let path = paths.get(chunk.path).filter(|_| matches!(chunk.state, ChunkState::InFlight { .. }))?;
    Some(chunk.sent_at + path.patience())
}

/// What paths are ranked by: how long each takes for a byte of its window, then the index.
fn slowness(path: &Path) -> (u64, u8) {
    let rtt = path.rtt.srtt().map_or(u64::MAX, |rtt| u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX));
    (rtt / (path.congestion.cwnd() as u64).max(1), path.id.0)
}
