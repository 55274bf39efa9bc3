//! DATA and SACK, and the user's messages, between the wire and the two halves of the association
//! (RFC 9260, 6).

use super::sack_path::SackDetour;
use super::state::State;
use super::{Association, AssociationState, Context, Flow};
use crate::error::SendError;
use crate::event::{Event, LossReason, SignOfLife};
use crate::message::{Message, SendOptions};
use crate::path::{Path, PathId};
use crate::rx::{DataOutcome, Fragment, Receiver};
use crate::serial::Tsn;
use crate::time::Time;
use crate::tx::{AckedPath, SackError, SackOutcome};
use crate::wire::cause::Cause;
use crate::wire::chunk::{
    ChunkError, ChunkType, DataChunk, ErrorChunk, IDataChunk, NrSackChunk, RawChunk, SackChunk,
};
use bytes::Bytes;
use core::time::Duration;

impl Association {
    /// SEND (11.1.5); not once the association ends (4).
    /// RFC 9260, 9.2.
    pub(crate) fn send(&mut self, now: Time, options: &SendOptions, payload: Bytes) -> Result<(), SendError> {
        match self.state() {
            AssociationState::Closed => return Err(SendError::Closed),
            AssociationState::CookieWait | AssociationState::CookieEchoed | AssociationState::Established
                if !self.shutdown_requested => {}
            AssociationState::ShutdownReceived if self.awaits_last_sends() => {}
            _ => return Err(SendError::ShuttingDown),
        }
        let len = payload.len() as u64;
        let path = match options.path {
            Some(remote) => Some(self.paths.by_remote(remote).ok_or(SendError::UnknownAddress(remote))?.id),
            None => None,
        };
        let key = self.hold_key(options.auth_key)?;
        if self.config.disable_fragments {
            self.sender.check_uncut(options, payload.len(), &self.paths)?;
        }
        if self.sender.make_room(now, options, payload.len(), &mut self.paths) {
            self.tell_failures();
        }
        self.sender.enqueue(now, options, key, path, payload)?;
        self.last_activity = now;
        self.stats.messages_sent += 1;
        self.stats.bytes_sent += len;
        Ok(())
    }

    /// Whether the send buffer has room for a message of `len` bytes; if not, `Event::Writable` follows.
    pub(crate) fn has_room(&mut self, len: usize) -> bool {
        self.sender.has_room(len)
    }

    /// RECEIVE (11.1.7).
    pub(crate) fn receive(&mut self, now: Time) -> Option<Message> {
        let message = self.receiver.as_mut().and_then(|receiver| receiver.read(now));
        if let Some(message) = &message {
            self.stats.bytes_received += message.len() as u64;
            self.stats.messages_received += u64::from(message.end_of_record);
            self.stats.messages_reassembled += u64::from(message.end_of_record && message.payload.len() > 1);
        }
        self.readable_told &= self.is_readable();
        message
    }

    /// A DATA chunk (3.3.1 and 6.2), or an I-DATA chunk (RFC 8260, 2.2.3).
    pub(super) fn handle_data(&mut self, cx: &mut Context<'_>, chunk: RawChunk, source: PathId) -> Flow {
        // 6: in any other state it is discarded.
        let (true, Some(receiver)) = (self.state().takes_data(), self.receiver.as_mut()) else {
            return Flow::Continue;
        };
        if (chunk.chunk_type == ChunkType::I_DATA) != self.extensions.interleaving {
            return self.abort_for_wrong_data(source, chunk.chunk_type);
        }
        let data = match read_data(chunk) {
            Ok(data) => data,
            Err(ChunkError::NoUserData { tsn }) => return self.abort_for(source, Cause::NoUserData { tsn }),
            Err(_) => return Flow::Stop,
        };
        self.stats.data_chunks_received += 1;
        if self.data_source != source {
            self.data_source = source;
            self.sack_detour =
                SackDetour::settled_until(cx.now + self.paths.get(source).map_or(Duration::ZERO, Path::rto));
            if let Some(path) = self.paths.get(source) {
                receiver.handle_new_path(&path.parameters);
            }
        }
        let (unordered, tsn) = (data.is_unordered(), data.tsn());
        let is_next = tsn == receiver.cumulative_tsn().next();
        let outcome = receiver.handle_data(cx.now, data);
        if !is_next && outcome == DataOutcome::Accepted {
            self.stats.out_of_order_chunks_received += 1;
        }
        if outcome == DataOutcome::Accepted {
            self.note_ecn_data(tsn);
        }
        self.count_data(&outcome, unordered);
        self.act_on_data(cx, outcome, source)
    }

    /// RFC 8260, 2.2.3 and 2.3.1: DATA or FORWARD TSN where I-DATA was agreed on, or the other way round.
    pub(super) fn abort_for_wrong_data(&mut self, source: PathId, chunk_type: ChunkType) -> Flow {
        let text = format!("{chunk_type} is not what was agreed on for user messages");
        self.abort_for(source, Cause::ProtocolViolation(Bytes::from(text)))
    }

    fn count_data(&mut self, outcome: &DataOutcome, unordered: bool) {
        match outcome {
            DataOutcome::Accepted if unordered => self.stats.unordered_chunks_received += 1,
            DataOutcome::Accepted => self.stats.ordered_chunks_received += 1,
            DataOutcome::Duplicate => self.stats.duplicate_chunks_received += 1,
            DataOutcome::NoBuffer => self.stats.data_chunks_dropped += 1,
            DataOutcome::InvalidStream { .. } | DataOutcome::Violation(_) => {}
        }
    }

    fn act_on_data(&mut self, cx: &Context<'_>, outcome: DataOutcome, source: PathId) -> Flow {
        match outcome {
            DataOutcome::Accepted => self.last_activity = cx.now,
            DataOutcome::Duplicate => self.note_duplicate(cx.now),
            DataOutcome::NoBuffer => {}
            DataOutcome::InvalidStream { stream_id } => {
                let causes = Cause::InvalidStreamIdentifier { stream_id }.into();
                self.reply(self.confirmed(source), &ErrorChunk { causes });
            }
            DataOutcome::Violation(violation) => return self.abort_for_violation(source, violation),
        }
        Flow::Continue
    }

    /// A SACK chunk (6.2.1).
    pub(super) fn handle_sack(&mut self, cx: &mut Context<'_>, chunk: &RawChunk) -> Flow {
        if !self.state().takes_sack() {
            return Flow::Continue;
        }
        let Ok(sack) = SackChunk::parse(chunk) else { return Flow::Stop };
        self.count_sack(sack.gap_blocks.len());
        let outcome = self.sender.handle_sack(cx.now, &sack, &mut self.paths);
        self.act_on_ack(outcome)
    }

    /// An NR-SACK chunk (draft-tuexen-tsvwg-sctp-multipath, 4.4.2).
    pub(super) fn handle_nr_sack(&mut self, cx: &mut Context<'_>, chunk: &RawChunk) -> Flow {
        if !self.state().takes_sack() {
            return Flow::Continue;
        }
        let Ok(sack) = NrSackChunk::parse(chunk) else { return Flow::Stop };
        self.count_sack(sack.renegable_blocks.len() + sack.non_renegable_blocks.len());
        let outcome = self.sender.handle_nr_sack(cx.now, &sack, &mut self.paths);
        self.act_on_ack(outcome)
    }

    fn count_sack(&mut self, gap_blocks: usize) {
        self.stats.sacks_received += 1;
        self.stats.gap_blocks_received += gap_blocks as u64;
    }

    /// Whether SACKs may tell of several packets although there are gaps: the peer counts with it
    /// (draft-tuexen-tsvwg-sctp-multipath, 3.3). SACKs as such have no place for the number of packets.
    pub(super) fn acknowledges_on_several_paths(&self) -> bool {
        self.extensions.nr_sack && self.config.multipath.is_on()
    }

    /// The cumulative TSN ack of a SHUTDOWN chunk (9.2).
    pub(super) fn handle_cumulative_ack(&mut self, now: Time, cumulative_tsn_ack: Tsn) -> Flow {
        let outcome = self.sender.handle_cumulative_ack(now, cumulative_tsn_ack, &mut self.paths);
        self.act_on_ack(outcome)
    }

    fn act_on_ack(&mut self, outcome: Result<SackOutcome, SackError>) -> Flow {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // One that was overtaken by the response to a reset of TSNs (RFC 6525, 5.2.4) speaks of those before.
            Err(_) if self.reconfig.has_renumbered() => return Flow::Continue,
            Err(error) => {
                tracing::debug!(tag = self.tags.local, %error, "acknowledgement breaks the protocol");
                let text = Bytes::from(error.to_string());
                return self.abort_for(self.data_source, Cause::ProtocolViolation(text));
            }
        };
        if outcome.newly_acked_bytes > 0 || outcome.cumulative_advanced {
            // 8.1: MUST be reset each time DATA is acknowledged; what was abandoned counts no bytes.
            self.error_count = 0;
        }
        for &AckedPath { path, certain, largest } in &outcome.acked_paths {
            if let Some(path) = self.paths.get_mut(path) {
                path.mtu.on_acknowledged(largest);
            }
            // RFC 7829, 3.2, rules 9 and 10; an active path is credited either way (RFC 9260, 8.2).
            if certain || !self.paths.get(path).is_some_and(Path::is_failing) {
                self.note_path_works(path, SignOfLife::Acknowledgement);
            }
        }
        if outcome.became_empty {
            self.events.push_back(Event::SenderDry);
        }
        Flow::Continue
    }

    /// What remains to be done once all chunks of a packet are processed.
    pub(super) fn end_packet(&mut self, cx: &mut Context<'_>) {
        if self.is_closed() {
            return;
        }
        let had_data = self.receiver.as_mut().is_some_and(|receiver| receiver.end_of_packet(cx.now));
        self.end_ecn_packet();
        self.note_packet_while_ending(cx.now, had_data);
        self.tell_readable();
        self.follow_up(cx.now);
    }

    /// The driver has no more packets.
    pub(crate) fn end_batch(&mut self, now: Time) {
        if let Some(receiver) = &mut self.receiver {
            receiver.end_of_batch(now);
        }
    }

    /// Says once that there is something to read, until all of it has been read.
    pub(super) fn tell_readable(&mut self) {
        self.tell_aborted_deliveries();
        let is_readable = self.is_readable();
        if is_readable && !self.readable_told {
            self.events.push_back(Event::Readable);
        }
        // Pieces that nobody has read may also have been dropped.
        self.readable_told = is_readable;
    }

    fn tell_aborted_deliveries(&mut self) {
        while let Some(aborted) = self.receiver.as_mut().and_then(Receiver::poll_aborted) {
            self.events.push_back(Event::PartialDeliveryAborted(aborted));
        }
    }

    /// The association ends: what is missing of messages will not come (RFC 6458, 6.1.7).
    pub(super) fn end_deliveries(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.end_deliveries();
        }
        self.tell_readable();
    }

    /// What may follow from any change in the sending half.
    pub(crate) fn follow_up(&mut self, now: Time) {
        self.advance_reconfig(now);
        self.tell_sender();
        self.tell_free_keys();
        self.advance_shutdown(now);
    }

    /// T3-rtx of `path` expired (6.3.3).
    pub(super) fn handle_t3(&mut self, now: Time, path: PathId) {
        let flight_size = self.paths.get(path).map_or(0, |path| path.flight_size);
        let expiry = self.sender.handle_t3(now, path, &mut self.paths);
        if expiry.window_probe {
            // 6.1 A: the peer answers, with a closed window. What went unanswered before was not in a row.
            self.error_count = 0;
        } else if !(self.state().is_forming() || self.is_closed()) {
            // During the set-up T1 alone counts (Max.Init.Retransmits).
            self.note_mtu_time_out(now, path, flight_size);
            self.note_error(path, true);
        }
    }

    /// Whether a SACK is to be sent now, alone if need be, or with the SHUTDOWN that answers DATA (9.2).
    pub(crate) fn wants_sack(&self) -> bool {
        // A peer that has sent SHUTDOWN has no DATA to be acknowledged; once it has ended, a SACK would get ABORT.
        self.state().takes_data() && self.receiver.as_ref().is_some_and(Receiver::sack_wanted)
    }

    /// Whether a SACK may leave before the rest of a batch is taken in: not before COOKIE ACK (RFC 9260, 5.1), nor before the
    /// response to a reset of TSNs (RFC 6525, 5.2.4), without which it speaks of TSNs that the peer never sent.
    pub(crate) fn may_sack_early(&self) -> bool {
        self.wants_sack() && self.outbox.cookie_ack.is_none() && !self.outbox.has_reply(ChunkType::RE_CONFIG)
    }

    /// Autoclose is due then (RFC 6458, 8.1.8).
    pub(super) fn autoclose_at(&self) -> Option<Time> {
        let idle = self.config.autoclose.filter(|_| matches!(self.state, State::Established))?;
        Some(self.last_activity + idle)
    }

    /// Ends the association because the peer's data broke the protocol, or cannot be served.
    pub(super) fn abort_for_violation(&mut self, path: PathId, violation: crate::rx::Violation) -> Flow {
        self.abort_for(path, violation_cause(violation))
    }

    /// Ends the association because the peer broke the protocol.
    pub(super) fn abort_for(&mut self, path: PathId, cause: Cause) -> Flow {
        // RFC 4895, 6.3: who ends associations only on authenticated words does not end them for a malformed chunk.
        if self.is_forgeable(ChunkType::ABORT) {
            return Flow::Stop;
        }
        let code = cause.code().0;
        self.send_abort(self.confirmed(path), cause);
        self.lose(LossReason::ProtocolError { cause: code });
        Flow::Stop
    }
}

fn read_data(chunk: RawChunk) -> Result<Fragment, ChunkError> {
    match chunk.chunk_type {
        ChunkType::I_DATA => IDataChunk::parse(&chunk).map(Fragment::from),
        _ => DataChunk::from_raw(chunk).map(Fragment::from),
    }
}

fn violation_cause(violation: crate::rx::Violation) -> Cause {
    match violation.cause_code() {
        4 => Cause::OutOfResource,
        _ => Cause::ProtocolViolation(Bytes::from(violation.to_string())),
    }
}
