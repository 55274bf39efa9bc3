//! Data on several paths at once (draft-tuexen-tsvwg-sctp-multipath, 3, 5 and 6): which path new data takes, how the
//! paths share the peer's window, and what is done when a slow or lossy one holds all others up.
//!
//! The peer's window is one for all paths. A chunk that is late on one path keeps what overtook it on the others in the
//! receiver's buffer, until that is full and nothing moves. So
//!
//! - a path gets new data only if the window holds what faster ones send until its answer comes (buffer splitting);
//! - what a path has lost goes to the fastest one that has room; that something which left later has arrived there
//!   shows the loss, of a retransmission too;
//! - what a path is silent about for too long is sent again on another one, as is what a slower path would bring later,
//!   once there is nothing else to send (chunk rescheduling);
//! - a path that is silent, or has held others up, [rests](crate::path::Rest) for a while.

use super::outstanding::{AckReport, Cause, ChunkState, PathAck};
use super::sender::Sender;
use crate::multipath::Multipath;
use crate::path::{Path, PathId, PathSet};
use crate::time::Time;
use core::time::Duration;
use smallvec::SmallVec;

/// Growth of a window that grows by itself.
const FULL_GROWTH: u32 = 1_000;
/// How long a peer may put off a SACK, usually (RFC 9260, 6.2).
const SACK_DELAY: Duration = Duration::from_millis(200);
/// A chunk that was sent again so often waits for T3-rtx where it is: each move starts that anew on the other path, and
/// a peer that is silent on all of them would never be found out (RFC 9260, 8.1 and 8.2).
const MAX_MOVES: u16 = 3;

impl Sender {
    /// A path on which new data may leave now.
    pub(super) fn path_for_new_data(&self, now: Time, paths: &PathSet) -> Option<PathId> {
        let may_send = |path: &&Path| path.may_send(now) && self.may_send_new(now, path.id, paths);
        if let Some(path) = self.asked_path(paths) {
            return Some(path).filter(may_send).map(|path| path.id);
        }
        if !self.settings.multipath.is_on() || !paths.iter().any(|path| is_ready(path, now)) {
            return paths.for_new_data().and_then(|id| paths.get(id)).filter(may_send).map(|path| path.id);
        }
        let ready = paths.iter().filter(|path| is_ready(path, now));
        let with_room = ready.filter(|path| may_send(path) && self.leaves_enough(now, path, paths));
        with_room.min_by_key(|path| slowness(path)).map(|path| path.id)
    }

    /// The path for a chunk that is to be sent again and was on `last`: the fastest whose window has room, another one
    /// if `elsewhere`; none on which it would take much longer than to wait for room. `None`: with one path at a time it
    /// is as RFC 9260, 6.4 and 6.4.1 say.
    pub(super) fn path_for_lost(&self, last: PathId, elsewhere: bool, paths: &PathSet) -> Option<PathId> {
        if !self.settings.multipath.is_on() {
            return None;
        }
        let active = || paths.iter().filter(|path| path.is_active());
        let soonest = active().map(Path::answer_time).min()?;
        let rank = |path: &&Path| {
            let is_full = path.flight_size >= path.congestion.cwnd();
            let is_distant = path.answer_time() > 2 * soonest;
            (elsewhere && path.id == last, is_distant, is_full, slowness(path))
        };
        active().min_by_key(rank).map(|path| path.id)
    }

    /// Whether the peer's window has room for another packet on `path`, beside what the faster paths may send now, and
    /// for all that they send until its answer comes: that waits for it at the receiver.
    fn leaves_enough(&self, now: Time, path: &Path, paths: &PathSet) -> bool {
        let faster = || paths.iter().filter(|other| is_ready(other, now) && slowness(other) < slowness(path));
        let at_once: usize =
            faster().map(|other| other.congestion.cwnd().saturating_sub(other.flight_size)).sum();
        let meanwhile: usize = faster().map(|other| sent_during(path.answer_time() * 3 / 2, other)).sum();
        let beside = path.flight_size + path.pmdcs();
        (at_once == 0 || self.peer_rwnd() >= at_once.saturating_add(path.pmdcs()))
            && (meanwhile == 0 || self.window.largest() >= meanwhile.saturating_add(beside))
    }

    /// To be called before a packet is filled: what everything waits for is sent again on the fastest path that has
    /// room, if it is late where it is, or if nothing new can be sent and it will come sooner.
    pub fn reschedule(&mut self, now: Time, paths: &mut PathSet) {
        self.reschedule_at = None;
        if !self.settings.multipath.is_on() {
            return;
        }
        if self.has_unsent() {
            self.reschedule_at = paths.iter().filter_map(|path| path.rest.end(now)).min();
        }
        let Some(first) = self.missing().next().and_then(|first| self.outstanding.get(first)) else {
            return;
        };
        let Some(from) = paths.get(first.path) else { return };
        let others = paths.iter().filter(|path| path.is_active() && path.id != from.id && path.may_send(now));
        let Some(to) = others.min_by_key(|path| slowness(path)) else { return };
        let is_blocked = self.wanted(now, self.largest_payload(paths)).is_none();
        // Nothing will be left of the peer's window before an answer comes.
        let is_nearly_blocked = is_blocked || self.peer_rwnd() < to.congestion.cwnd();
        // The fastest path is not to blame, whatever its queue.
        let helps = is_nearly_blocked && slowness(to) < slowness(from);
        let due = Due::of(from, to, helps);
        let silent_at = first.sent_at + due.silent_after;
        let again_at = first.sent_at + due.again_after;
        let moves = self.chunks_to_move(now, from, to, due);
        let (from, to) = (from.id, to.id);
        if moves.is_empty() {
            let again_at = Some(again_at).filter(|at| *at > now);
            self.reschedule_at = self.reschedule_at.into_iter().chain(again_at).min();
            return;
        }
        for position in moves {
            self.outstanding.mark(position, Cause::Late, paths);
        }
        self.keep_t3_for_forward_tsn(now, paths);
        self.add_urgent(Some(to));
        if silent_at <= now {
            self.fall_silent(now, from, paths);
        } else if self.has_unsent() {
            self.note_hold_up(now, from, paths);
        }
    }

    /// Chunks in flight on `from` that are due and that `to` has room for.
    fn chunks_to_move(&self, now: Time, from: &Path, to: &Path, due: Due) -> SmallVec<[u64; 8]> {
        let mut room = to.congestion.cwnd().saturating_sub(to.flight_size);
        let mut moves = SmallVec::new();
        for position in self.missing() {
            let Some(chunk) = self.outstanding.get(position) else { break };
            let waits =
                chunk.retransmissions >= MAX_MOVES || !matches!(chunk.state, ChunkState::InFlight { .. });
            if chunk.path != from.id || waits {
                continue;
            }
            if due.is_due(now - chunk.sent_at) {
                let Some(left) = room.checked_sub(chunk.wire_len()) else { break };
                room = left;
                moves.push(position);
            } else if due.slower_before.is_none() {
                break;
            }
        }
        moves
    }

    /// Nothing is heard of what was sent on `id`, as when T3-rtx expires, only sooner: the data has another path to
    /// take.
    fn fall_silent(&mut self, now: Time, id: PathId, paths: &mut PathSet) {
        let Some(path) = paths.get_mut(id) else { return };
        path.give_rest(now);
        let pmdcs = path.pmdcs();
        path.congestion.on_timeout(now, pmdcs);
        path.slowed_down_at = self.outstanding.end();
        self.recovery.end_for(id);
    }

    /// All others wait for what was sent on `id`: less is to be in flight there, and nothing for a while.
    fn note_hold_up(&mut self, now: Time, id: PathId, paths: &mut PathSet) {
        let first = self.outstanding.first();
        let Some(path) = paths.get_mut(id) else { return };
        path.give_rest(now);
        if first >= path.slowed_down_at {
            let pmdcs = path.pmdcs();
            path.congestion.on_fast_retransmit(now, pmdcs);
            path.slowed_down_at = self.outstanding.end();
        }
    }

    /// What the peer misses below the highest that it has.
    fn missing(&self) -> impl Iterator<Item = u64> {
        (0..self.outstanding.gap_count().max(1)).flat_map(|hole| self.outstanding.hole(hole))
    }

    /// Whether a miss of the chunk at `position` counts: with several paths only if one that left later on the same
    /// path was acknowledged, for between paths chunks overtake each other all the time (3.1).
    pub(super) fn is_missed(&self, position: u64, report: &AckReport, cumulative_advanced: bool) -> bool {
        let Some(chunk) = self.outstanding.get(position) else { return false };
        let ack = report.paths.iter().find(|ack| ack.path == chunk.path);
        if !self.recovery.split {
            // What was sent again after a time-out is not missing because a SACK tells at last of what had arrived
            // long before: a SACK with many gaps has no room for all (RFC 9260, 6.2).
            let left_later = |ack: &PathAck| ack.latest.is_some_and(|latest| latest.at >= chunk.sent_at);
            return chunk.retransmissions == 0 || ack.is_none_or(left_later);
        }
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

/// When a chunk is sent again on another path, by the time since it left.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// So long after: its path is silent.
    silent_after: Duration,
    /// So long after: it is late. The same, or sooner if nothing else is to be sent.
    again_after: Duration,
    /// Earlier than this: it will not come as soon as over the other path.
    slower_before: Option<Duration>,
}

impl Due {
    /// `blocked`: nothing else is to be sent.
    fn of(from: &Path, to: &Path, blocked: bool) -> Self {
        // The peer may put off the acknowledgement of one packet (as in RFC 8985, 7.2).
        let is_alone = from.flight_size <= from.pmdcs();
        let silent_after = from.patience() + if is_alone { SACK_DELAY } else { Duration::ZERO };
        let answer = from.answer_time();
        let again_after = if blocked { answer * 5 / 4 + from.rtt.rttvar() } else { silent_after };
        let slower_before = answer.checked_sub(to.answer_time() * 3 / 2).filter(|_| blocked);
        Self { silent_after, again_after: again_after.min(silent_after), slower_before }
    }

    fn is_due(self, age: Duration) -> bool {
        age >= self.again_after || self.slower_before.is_some_and(|before| age < before)
    }
}

/// Whether the path is one of those that new data may take.
fn is_ready(path: &Path, now: Time) -> bool {
    path.is_active() && !path.rest.is_on(now)
}

/// Bytes that `path` sends in `time` if nothing but its window limits it, a whole window at least.
fn sent_during(time: Duration, path: &Path) -> usize {
    let rounds = time.as_secs_f64() / path.answer_time().as_secs_f64().max(1e-6);
    (path.congestion.cwnd() as f64 * rounds.max(1.0)) as usize
}

/// What paths are ranked by: how long each takes for a byte of its window, then the index.
fn slowness(path: &Path) -> (u64, u8) {
    let rtt = path.rtt.srtt().map_or(u64::MAX, |rtt| u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX));
    (rtt / (path.congestion.cwnd() as u64).max(1), path.id.0)
}
