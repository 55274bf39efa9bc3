//! The graceful end: SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE, T2 and T5 (RFC 9260, 9.2).

use super::setup::rto;
use super::state::{Ending, LastSends, State};
use super::{Association, AssociationState, Context, Flow};
use crate::event::{Event, LossReason};
use crate::path::PathId;
use crate::time::Time;
use crate::wire::cause::Cause;
use crate::wire::chunk::{RawChunk, ShutdownChunk, ShutdownCompleteChunk};
use bytes::Bytes;
use core::net::IpAddr;

/// T5-shutdown-guard is so many times RTO.Max.
const GUARD_FACTOR: u32 = 5;

impl Association {
    /// The SHUTDOWN primitive. What is queued is delivered first.
    /// RFC 9260, 9.2.
    pub(crate) fn shutdown(&mut self, now: Time) {
        match self.state() {
            AssociationState::CookieWait | AssociationState::CookieEchoed => self.shutdown_requested = true,
            AssociationState::Established if self.sender.has_open_record() => self.abort_open_record(),
            AssociationState::Established => {
                self.set_state(State::ShutdownPending);
                self.sender.set_draining();
                self.advance_shutdown(now);
            }
            // No SHUTDOWN may be sent then, but it says that nothing more comes.
            AssociationState::ShutdownReceived => self.finish_sending(now),
            // It is under way.
            _ => {}
        }
    }

    /// What the user was given before the SHUTDOWN came has been handed over: the peer may get its SHUTDOWN ACK.
    /// RFC 9260, 9.2.
    pub(crate) fn finish_sending(&mut self, now: Time) {
        if !self.awaits_last_sends() {
            return;
        }
        if self.sender.has_open_record() {
            return self.abort_open_record();
        }
        self.set_state(State::ShutdownReceived(LastSends::Over));
        self.sender.set_draining();
        self.advance_shutdown(now);
    }

    /// The user has not said whether it has handed over everything. The peer's T5-shutdown-guard expires about now, so that
    /// nobody gains by a longer wait.
    /// RFC 9260, 9.2.
    pub(super) fn handle_end_of_last_sends(&mut self, now: Time) {
        tracing::debug!(tag = self.tags.local, "the user has not said that it has sent everything");
        self.finish_sending(now);
    }

    /// The end of a message that is handed over in pieces can no longer come: the peer must not take for a good order
    /// what cuts it off.
    fn abort_open_record(&mut self) {
        self.abort(Bytes::from_static(b"the end of a message is missing"));
    }

    /// Entering ESTABLISHED with a SHUTDOWN primitive from before.
    pub(super) fn resume_shutdown(&mut self, now: Time) {
        if core::mem::take(&mut self.shutdown_requested) {
            self.shutdown(now);
        }
    }

    /// Goes on once all data is acknowledged.
    /// RFC 9260, 3.3.8, 4, 9.2.
    pub(super) fn advance_shutdown(&mut self, now: Time) {
        if !self.sender.is_empty() {
            return;
        }
        match self.state {
            State::ShutdownPending => {
                if let Some(receiver) = &mut self.receiver {
                    receiver.request_immediate_sack();
                }
                let ending = self.new_ending(now, self.data_path());
                self.set_state(State::ShutdownSent(ending));
            }
            State::ShutdownReceived(LastSends::Over) => self.acknowledge_shutdown(now, self.data_path()),
            _ => {}
        }
    }

    /// T2, and T5 if it is not running.
    /// RFC 9260, 9.2.
    fn new_ending(&self, now: Time, path: PathId) -> Ending {
        let guard = self
            .state
            .ending()
            .map_or(now + self.config.rto_max.saturating_mul(GUARD_FACTOR), |ending| ending.guard);
        Ending { t2: now + rto(&self.paths, path), guard, attempts: 0, path, due: true }
    }

    /// Sends SHUTDOWN ACK and enters SHUTDOWN-ACK-SENT.
    /// RFC 9260, 3.3.9, 9.2.
    fn acknowledge_shutdown(&mut self, now: Time, path: PathId) {
        let ending = self.new_ending(now, path);
        self.set_state(State::ShutdownAckSent(ending));
    }

    /// SHUTDOWN.
    /// RFC 9260, 9.2.
    pub(super) fn handle_shutdown(&mut self, cx: &mut Context<'_>, chunk: &RawChunk, source: PathId) -> Flow {
        let Ok(shutdown) = ShutdownChunk::parse(chunk) else { return Flow::Stop };
        if self.state().is_forming() {
            return Flow::Continue;
        }
        if self.handle_cumulative_ack(cx.now, shutdown.cumulative_tsn_ack) == Flow::Stop {
            return Flow::Stop;
        }
        match self.state() {
            AssociationState::Established if self.config.awaits_last_sends => {
                let until = cx.now + self.config.rto_max.saturating_mul(GUARD_FACTOR);
                self.set_state(State::ShutdownReceived(LastSends::AwaitedUntil(until)));
                self.events.push_back(Event::ShutdownReceived);
            }
            AssociationState::Established if self.sender.has_open_record() => {
                self.abort_open_record();
                return Flow::Stop;
            }
            AssociationState::Established | AssociationState::ShutdownPending => {
                self.set_state(State::ShutdownReceived(LastSends::Over));
                self.sender.set_draining();
                self.events.push_back(Event::ShutdownReceived);
            }
            AssociationState::ShutdownSent => self.acknowledge_shutdown(cx.now, source),
            AssociationState::ShutdownAckSent => self.repeat_ending(source),
            _ => {}
        }
        Flow::Continue
    }

    /// SHUTDOWN ACK: the end, for which SHUTDOWN COMPLETE stands.
    /// RFC 9260, 3.3.13, 8.5.1, 9.2.
    pub(super) fn handle_shutdown_ack(&mut self, source: PathId) -> Flow {
        if self.state.ending().is_some() {
            self.say_farewell(source, self.tags.peer, &ShutdownCompleteChunk { tbit: false });
            self.close(Event::ShutdownComplete);
        }
        Flow::Continue
    }

    /// SHUTDOWN COMPLETE: the end, in SHUTDOWN-ACK-SENT only.
    /// RFC 9260, 8.5.1, 9.2.
    pub(super) fn handle_shutdown_complete(&mut self) -> Flow {
        if matches!(self.state, State::ShutdownAckSent(_)) {
            self.close(Event::ShutdownComplete);
        }
        Flow::Continue
    }

    /// In SHUTDOWN-SENT any packet shows that the peer is there, and each packet with DATA is answered by
    /// SHUTDOWN. T2 starts again only with the latter: HEARTBEATs that come more often than T2 expires
    /// would else put off for ever the repetition of a SHUTDOWN that was lost.
    /// RFC 9260, 9.2.
    pub(super) fn note_packet_while_ending(&mut self, now: Time, had_data: bool) {
        let path = self.sack_path();
        let rto = rto(&self.paths, path);
        let State::ShutdownSent(ending) = &mut self.state else { return };
        ending.attempts = 0;
        if had_data {
            ending.t2 = now + rto;
            ending.due = true;
            ending.path = path;
        }
    }

    /// T2-shutdown expired.
    /// RFC 9260, 9.2.
    pub(super) fn handle_t2(&mut self, now: Time) {
        let limit = self.config.association_max_retrans;
        let Some(ending) = self.state.ending_mut() else { return };
        self.stats.t2_expiries += 1;
        ending.attempts += 1;
        if ending.attempts > limit {
            self.lose(LossReason::TimedOut);
            return;
        }
        let failed = ending.path;
        if let Some(path) = self.paths.get_mut(failed) {
            path.rtt.back_off();
        }
        let next = self.paths.for_retransmission(failed).unwrap_or(failed);
        let rto = rto(&self.paths, next);
        if let Some(ending) = self.state.ending_mut() {
            ending.path = next;
            ending.due = true;
            ending.t2 = now + rto;
        }
    }

    /// T5-shutdown-guard expired: ABORT.
    /// RFC 9260, 9.2.
    pub(super) fn handle_t5(&mut self) {
        self.stats.t5_expiries += 1;
        let reason = Bytes::from_static(b"T5-shutdown-guard expired");
        self.send_abort(self.data_path(), Cause::ProtocolViolation(reason));
        self.lose(LossReason::TimedOut);
    }

    /// Sends SHUTDOWN or SHUTDOWN ACK once more; timers stay as they are.
    fn repeat_ending(&mut self, path: PathId) {
        if let Some(ending) = self.state.ending_mut() {
            ending.due = true;
            ending.path = path;
        }
    }

    /// A peer that has restarted does not know that we wait for SHUTDOWN COMPLETE: tells it again,
    /// where it spoke from. That path.
    pub(super) fn repeat_shutdown_ack(&mut self, remote: IpAddr) -> PathId {
        let path = self.reply_path(remote);
        self.repeat_ending(path);
        path
    }
}
