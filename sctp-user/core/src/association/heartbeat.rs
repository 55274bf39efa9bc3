//! HEARTBEAT: verifies addresses and watches over idle ones (RFC 9260, 5.4 and 8.3), and over those that are potentially
//! failed, each RTO (RFC 7829, 3.2).
//!
//! A path's timer (`Heartbeat::next_at`) has two meanings. While a HEARTBEAT is unanswered it is the
//! end of the RTO in which the answer must come; else it is the time of the next HEARTBEAT.

use super::{Association, Context, Flow};
use crate::error::CommandError;
use crate::event::{PathChange, SignOfLife};
use crate::path::{Path, PathId, PathState};
use crate::rng::Random;
use crate::time::Time;
use crate::wire::chunk::{HeartbeatChunk, RawChunk};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;

/// Bytes of our Heartbeat Info: nonce and path index.
const INFO_LEN: usize = 9;

impl Association {
    /// Entering ESTABLISHED: probes unconfirmed paths, HB.Max.Burst of them each RTO, and starts the
    /// timers of the others.
    /// RFC 9260, 5.4.
    pub(super) fn start_heartbeats(&mut self, cx: &mut Context<'_>) {
        let burst = self.config.hb_max_burst.max(1);
        let first_turn = u32::from(!self.config.probes_at_once);
        let mut probed = 0;
        for path in self.paths.iter_mut() {
            path.heartbeat.pending = None;
            path.heartbeat.next_at = match path.state {
                PathState::Unconfirmed => {
                    probed += 1;
                    Some(cx.now + path.rto() * (first_turn + (probed - 1) / burst))
                }
                _ => path.parameters.hb_interval.map(|interval| cx.now + period(path, interval, cx.random)),
            };
        }
    }

    /// HB.interval of a path may have been changed, on or off. One that was turned on begins at once.
    pub(super) fn reschedule_heartbeats(&mut self) {
        if !self.state().sends_heartbeats() {
            return;
        }
        let idle = |path: &&mut Path| path.heartbeat.pending.is_none() && !path.sourceless;
        for path in self.paths.iter_mut().filter(idle) {
            let confirmed = path.state != PathState::Unconfirmed;
            let on = path.parameters.hb_interval.is_some();
            match path.heartbeat.next_at {
                None if on => path.heartbeat.next_at = Some(Time::ZERO),
                Some(_) if !on && confirmed => path.heartbeat.next_at = None,
                _ => {}
            }
        }
    }

    /// The heartbeat timer of `id` expired.
    /// RFC 9260, 3.3.5, 8.3.
    pub(super) fn handle_heartbeat_timer(&mut self, cx: &mut Context<'_>, id: PathId) {
        let Some(path) = self.paths.get_mut(id) else { return };
        path.heartbeat.next_at = None;
        if !self.state.name().sends_heartbeats() || path.sourceless {
            return;
        }
        if let Some((_, sent_at)) = path.heartbeat.pending.take() {
            self.note_unanswered(cx, id, sent_at);
        } else if let Some(later) = self.idle_from(cx, id) {
            self.schedule_heartbeat(id, Some(later));
        } else {
            self.send_heartbeat(cx, id);
        }
    }

    /// No answer within the RTO to what was sent at `sent_at` (8.3; 5.4 for unconfirmed paths).
    fn note_unanswered(&mut self, cx: &mut Context<'_>, id: PathId, sent_at: Time) {
        let in_use = self.data_path() == id;
        let Some(path) = self.paths.get_mut(id) else { return };
        // RFC 7829, 3.2, rule 6: T3-rtx of data sent beside it says the same, and counts already.
        let has_data = path.last_data_sent.is_some_and(|data_sent_at| data_sent_at >= sent_at);
        if !(path.state == PathState::PotentiallyFailed && has_data) {
            path.rtt.back_off();
            let unconfirmed = path.state == PathState::Unconfirmed;
            // 8.1: only on the path that data takes. 5.4: never while probing, unless there is no other path left:
            // the peer may have deleted the one that was verified (RFC 5061), and be gone.
            self.note_error(id, in_use && (!unconfirmed || self.asconf.is_some()));
        }
        if self.is_closed() {
            return;
        }
        match self.paths.get(id).and_then(|path| path.parameters.hb_interval) {
            interval if self.is_probed(id, interval.is_some()) => self.send_heartbeat(cx, id),
            // The RTO of the period has passed already.
            Some(interval) => {
                self.schedule_heartbeat(id, Some(cx.now + interval + self.jitter(cx.random, id)))
            }
            None => {}
        }
    }

    /// Whether a HEARTBEAT follows an unanswered one at once: to verify the address (5.4), or to find out about a path
    /// that is potentially failed, where heartbeats are `on` (RFC 7829, 3.2, rules 5 and 6).
    fn is_probed(&self, id: PathId, on: bool) -> bool {
        self.paths.get(id).is_some_and(|path| match path.state {
            // Where no other address is verified either, the association stands still until this one is.
            PathState::Unconfirmed => {
                path.error_count <= path.thresholds.path_max_retrans || !self.has_verified_path()
            }
            PathState::PotentiallyFailed => on,
            PathState::Active | PathState::Inactive => false,
        })
    }

    fn has_verified_path(&self) -> bool {
        self.paths.iter().any(|path| path.state != PathState::Unconfirmed)
    }

    /// The peer deleted an address. If none is left that is verified (RFC 5061, 5.3 F14), the others are probed at once.
    pub(super) fn probe_after_removal(&mut self) {
        if self.has_verified_path() {
            return;
        }
        for path in self.paths.iter_mut().filter(|path| path.heartbeat.pending.is_none()) {
            path.heartbeat.next_at = Some(Time::ZERO);
        }
    }

    /// When the path will have been idle for a heartbeat period, if data was sent there since; `None`
    /// if it is idle now.
    fn idle_from(&self, cx: &mut Context<'_>, id: PathId) -> Option<Time> {
        let path = self.paths.get(id).filter(|path| path.state == PathState::Active)?;
        let interval = path.parameters.hb_interval?;
        let busy_until = path.last_data_sent? + interval + path.rto();
        (busy_until > cx.now).then(|| busy_until + self.jitter(cx.random, id))
    }

    fn jitter(&self, random: &mut Random, id: PathId) -> Duration {
        self.paths.get(id).map_or(Duration::ZERO, |path| below(path.rto() / 2, random))
    }

    fn schedule_heartbeat(&mut self, id: PathId, at: Option<Time>) {
        if let Some(path) = self.paths.get_mut(id) {
            path.heartbeat.next_at = at;
        }
    }

    /// Queues a HEARTBEAT to `id`; its answer must come within the RTO.
    fn send_heartbeat(&mut self, cx: &mut Context<'_>, id: PathId) {
        let Some(path) = self.paths.get_mut(id) else { return };
        let nonce = cx.random.u64();
        path.heartbeat.pending = Some((nonce, cx.now));
        path.heartbeat.next_at = Some(cx.now + path.rto());
        path.stats.heartbeats_sent += 1;
        self.outbox.push_own(id, &HeartbeatChunk::request(info(nonce, id)));
    }

    /// REQUEST HEARTBEAT (11.1.10).
    pub(crate) fn request_heartbeat(
        &mut self,
        cx: &mut Context<'_>,
        remote: IpAddr,
    ) -> Result<(), CommandError> {
        let id = self.paths.by_remote(remote).ok_or(CommandError::UnknownAddress(remote))?.id;
        let pending = self.paths.get(id).is_some_and(|path| path.heartbeat.pending.is_some());
        if !self.state().sends_heartbeats() {
            return Err(CommandError::Closed);
        }
        // One that is under way will answer as well.
        let sourceless = self.paths.get(id).is_some_and(|path| path.sourceless);
        if !pending && !sourceless {
            self.send_heartbeat(cx, id);
        }
        Ok(())
    }

    /// HEARTBEAT: returned unchanged to where it came from (8.3).
    /// RFC 9260, 3.3.6, 6.4.
    pub(super) fn handle_heartbeat(&mut self, chunk: &RawChunk, source: PathId) -> Flow {
        if self.state().answers_heartbeats() {
            self.reply(source, &HeartbeatChunk::parse(chunk).into_ack());
        }
        Flow::Continue
    }

    /// HEARTBEAT ACK (8.3, 5.4).
    /// RFC 9260, 3.3.5.
    pub(super) fn handle_heartbeat_ack(&mut self, cx: &mut Context<'_>, chunk: &RawChunk) -> Flow {
        let Some(info) = HeartbeatChunk::parse(chunk).info() else { return Flow::Continue };
        self.take_probe_answer(cx.now, &info);
        let Some((nonce, id)) = read_info(&info) else { return Flow::Continue };
        let Some(path) = self.paths.get_mut(id) else { return Flow::Continue };
        let Some((_, sent_at)) = path.heartbeat.pending.filter(|&(expected, _)| expected == nonce) else {
            return Flow::Continue;
        };
        path.rtt.measure(sent_at, cx.now);
        path.heartbeat.pending = None;
        let interval = path.parameters.hb_interval;
        path.heartbeat.next_at = interval.map(|interval| cx.now + period(path, interval, cx.random));
        if path.state == PathState::Unconfirmed {
            path.state = PathState::Active;
            self.start_mtu_search(id);
            self.tell_path(id, PathChange::Confirmed);
            self.honour_wanted_primary(id);
        }
        self.note_answer(id);
        Flow::Continue
    }

    /// A HEARTBEAT to `id` was answered.
    /// RFC 9260, 8.3.
    pub(super) fn note_answer(&mut self, id: PathId) {
        self.note_path_works(id, SignOfLife::Heartbeat);
        // 8.1: with data outstanding the counter MAY stay, so that a path that carries HEARTBEATs but no
        // DATA does not keep a dead association alive.
        if !self.sender.has_outstanding() {
            self.error_count = 0;
        }
    }
}

/// RTO + HB.interval, with a jitter of +/- 50 % of the RTO (8.3).
fn period(path: &Path, interval: Duration, random: &mut Random) -> Duration {
    interval + path.rto() / 2 + below(path.rto(), random)
}

fn below(bound: Duration, random: &mut Random) -> Duration {
    Duration::from_nanos(random.below(u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX)))
}

fn info(nonce: u64, id: PathId) -> Bytes {
    let mut info = Vec::with_capacity(INFO_LEN);
    info.extend_from_slice(&nonce.to_be_bytes());
    info.push(id.0);
    info.into()
}

fn read_info(info: &[u8]) -> Option<(u64, PathId)> {
    let (nonce, rest) = info.split_first_chunk()?;
    match rest {
        &[id] => Some((u64::from_be_bytes(*nonce), PathId(id))),
        _ => None,
    }
}
