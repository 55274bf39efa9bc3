//! Our requests: one at a time, from the command to its event (RFC 6525, 5.1 and 5.2.7).

use super::{Association, Few, MAX_LISTED};
use crate::association::AssociationState;
use crate::association::outbox::to_raw;
use crate::association::setup::rto;
use crate::error::ReconfigError;
use crate::event::{LossReason, ReconfigOutcome, SignOfLife};
use crate::path::PathId;
use crate::rx::Receiver;
use crate::stream_set::StreamSet;
use crate::time::Time;
use crate::wire::chunk::{RawChunk, ReConfigChunk};
use crate::wire::param::{
    AddStreams, IncomingReset, OutgoingReset, Parameter, Parameters, ReconfigResponse, StreamList,
};
use core::time::Duration;

/// TSNs are reset at most once in an IP maximum segment lifetime (5.1.4).
const MSL: Duration = Duration::from_secs(30);

/// A request of ours that is not finished.
#[derive(Debug)]
pub(in crate::association) struct OwnRequest {
    pub(super) ask: Ask,
    /// Exists once it was sent.
    sent: Option<Sent>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    ResetStreams { outgoing: Option<OutgoingStreams>, incoming: Option<StreamList> },
    ResetTsns,
    AddStreams { outgoing: u16, incoming: u16 },
}

/// Outgoing streams to be reset.
#[derive(Clone, Debug)]
pub(super) struct OutgoingStreams {
    /// None means all.
    pub(super) list: StreamList,
    /// The peer's incoming reset request that this one answers.
    pub(super) answers: Option<u32>,
}

/// A request on its way, under the Re-configuration timer.
#[derive(Debug)]
struct Sent {
    chunk: RawChunk,
    /// What was not answered yet, with its sequence number.
    unanswered: Few<(u32, Part)>,
    path: PathId,
    /// When the Re-configuration timer expires.
    timer: Time,
    /// Expiries in a row.
    expiries: u32,
    /// "In progress" was the last that was heard (5.2.7 H2).
    in_progress: bool,
}

/// A request parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    OutgoingReset,
    IncomingReset,
    TsnReset,
    AddOutgoing,
    AddIncoming,
}

impl Ask {
    /// The parameters, in the order of their sequence numbers.
    /// RFC 6525, 5.1.3, 5.1.4.
    fn parts(&self) -> Few<Part> {
        let [first, second] = match self {
            Self::ResetStreams { outgoing, incoming } => [
                outgoing.as_ref().map(|_| Part::OutgoingReset),
                incoming.as_ref().map(|_| Part::IncomingReset),
            ],
            Self::ResetTsns => [Some(Part::TsnReset), None],
            Self::AddStreams { outgoing, incoming } => {
                [(*outgoing > 0).then_some(Part::AddOutgoing), (*incoming > 0).then_some(Part::AddIncoming)]
            }
        };
        first.into_iter().chain(second).collect()
    }

    /// Whether data must be acknowledged before it is sent.
    fn pauses(&self) -> bool {
        matches!(self, Self::ResetTsns | Self::ResetStreams { outgoing: Some(_), .. })
    }
}

impl OwnRequest {
    /// When the Re-configuration timer expires, if it runs.
    pub(super) fn timer(&self) -> Option<Time> {
        self.sent.as_ref().map(|sent| sent.timer)
    }

    /// Whether the peer must make a request itself before this one is finished, so that ours cannot wait for its.
    pub(super) fn needs_request_of_peer(&self) -> bool {
        let needs = |part| matches!(part, Part::IncomingReset | Part::AddIncoming | Part::TsnReset);
        self.ask.parts().into_iter().any(needs)
    }

    /// The outgoing streams that it resets.
    pub(super) fn outgoing_reset(&self) -> Option<StreamSet> {
        match &self.ask {
            Ask::ResetStreams { outgoing: Some(outgoing), .. } => Some(StreamSet::of(&outgoing.list)),
            _ => None,
        }
    }

    /// The sequence number of a parameter that was sent and is not answered.
    pub(super) fn unanswered(&self, part: Part) -> Option<u32> {
        let sent = self.sent.as_ref()?;
        sent.unanswered.iter().find(|(_, unanswered)| *unanswered == part).map(|(sequence, _)| *sequence)
    }
}

impl Association {
    /// Resets streams: those that we send on, those of the peer, or both (6.3.2); an empty list means all.
    /// RFC 6525, 5.1.2, 5.1.3.
    pub(crate) fn reset_streams(
        &mut self,
        now: Time,
        outgoing: bool,
        incoming: bool,
        list: &[u16],
    ) -> Result<(), ReconfigError> {
        self.check_may_ask()?;
        let streams = StreamSet::of(list);
        let listed = streams.listed().len();
        if listed > MAX_LISTED {
            return Err(ReconfigError::TooManyListed { listed, max: MAX_LISTED });
        }
        let [out, inc] = [(outgoing, self.outbound_streams), (incoming, self.inbound_streams)];
        for streams_there in [out, inc].into_iter().filter(|(wanted, _)| *wanted).map(|(_, count)| count) {
            if let Some(stream_id) = streams.highest().filter(|&highest| highest >= streams_there) {
                return Err(ReconfigError::InvalidStream { stream_id, streams: streams_there });
            }
        }
        if !outgoing && !incoming {
            return Err(ReconfigError::Nothing);
        }
        let list: StreamList = streams.listed().into();
        let incoming = incoming.then(|| list.clone());
        let outgoing = outgoing.then_some(OutgoingStreams { list, answers: None });
        self.begin(Ask::ResetStreams { outgoing, incoming });
        self.advance_own(now);
        Ok(())
    }

    /// Resets the TSNs and all streams of both sides (6.3.3).
    pub(crate) fn reset_association(&mut self, now: Time) -> Result<(), ReconfigError> {
        self.check_may_ask()?;
        // 5.1.4.
        let wait = self.reconfig.tsns_reset_at.map_or(Duration::ZERO, |at| (at + MSL).since(now));
        if wait > Duration::ZERO {
            return Err(ReconfigError::TooSoon { wait });
        }
        self.reconfig.tsns_reset_at = Some(now);
        self.begin(Ask::ResetTsns);
        self.advance_own(now);
        Ok(())
    }

    /// Adds streams (6.3.4).
    /// RFC 6525, 5.1.5.
    pub(crate) fn add_streams(
        &mut self,
        now: Time,
        outgoing: u16,
        incoming: u16,
    ) -> Result<(), ReconfigError> {
        self.check_may_ask()?;
        let max_inbound = self.config.max_inbound_streams;
        for (streams, there, max) in
            [(outgoing, self.outbound_streams, u16::MAX), (incoming, self.inbound_streams, max_inbound)]
        {
            if streams > 0 && streams > max.saturating_sub(there) {
                return Err(ReconfigError::TooManyStreams { streams, max });
            }
        }
        if outgoing == 0 && incoming == 0 {
            return Err(ReconfigError::Nothing);
        }
        self.begin(Ask::AddStreams { outgoing, incoming });
        self.advance_own(now);
        Ok(())
    }

    /// RFC 6525, 5.1.1.
    fn check_may_ask(&self) -> Result<(), ReconfigError> {
        match self.state() {
            AssociationState::Closed => Err(ReconfigError::Closed),
            AssociationState::Established if !self.extensions.reconfig => Err(ReconfigError::NotSupported),
            AssociationState::Established if self.reconfig.is_busy() => Err(ReconfigError::InProgress),
            AssociationState::Established => Ok(()),
            _ => Err(ReconfigError::NotEstablished),
        }
    }

    /// Begins a request. It is sent once what was sent before is acknowledged.
    pub(super) fn begin(&mut self, ask: Ask) {
        match &ask {
            Ask::ResetStreams { outgoing: Some(outgoing), .. } => {
                self.sender.pause(StreamSet::of(&outgoing.list));
            }
            Ask::ResetTsns => self.sender.pause(StreamSet::All),
            _ => {}
        }
        self.reconfig.own = Some(OwnRequest { ask, sent: None });
    }

    /// Sends a request whose time has come.
    pub(super) fn advance_own(&mut self, now: Time) {
        if self.reconfig.own.as_ref().is_none_or(|own| own.sent.is_some()) {
            return;
        }
        if !self.can_ask() {
            // The end has come before it was sent.
            let own = self.reconfig.own.take();
            self.sender.resume(now);
            own.iter().for_each(|own| self.tell_failed(own));
        } else if self.is_ready_to_send() {
            self.send_request(now, None);
        }
    }

    /// Whether the request can be sent.
    pub(super) fn is_ready_to_send(&mut self) -> bool {
        let pauses = self.reconfig.own.as_ref().is_some_and(|own| own.ask.pauses());
        !pauses || self.sender.is_drained()
    }

    /// Sends the request, behind a response if one is given (3.1, 9), and starts the Re-configuration timer. The chunk.
    /// RFC 6525, 5.1.1, 5.1.2, 5.1.3, 5.1.4.
    pub(super) fn send_request(&mut self, now: Time, response: Option<ReconfigResponse>) -> Option<RawChunk> {
        let ask = self.reconfig.own.as_ref().map(|own| own.ask.clone())?;
        let mut unanswered = Few::new();
        let mut parameters: Few<Parameter> = response.map(Parameter::ReconfigResponse).into_iter().collect();
        for part in ask.parts() {
            let sequence = self.reconfig.next_request;
            self.reconfig.next_request = sequence.wrapping_add(1);
            unanswered.push((sequence, part));
            parameters.extend(self.parameter(&ask, part, sequence));
        }
        if matches!(ask, Ask::ResetTsns)
            && let Some(receiver) = &mut self.receiver
        {
            receiver.set_suspended(true);
        }
        let chunk = to_raw(&ReConfigChunk { parameters: Parameters::from_iter(parameters) });
        let path = self.data_path();
        self.outbox.push_own(path, &chunk);
        let timer = now + rto(&self.paths, path);
        let sent = Sent { chunk: chunk.clone(), unanswered, path, timer, expiries: 0, in_progress: false };
        self.reconfig.own = Some(OwnRequest { ask, sent: Some(sent) });
        Some(chunk)
    }

    /// RFC 6525, 5.1.2.
    fn parameter(&self, ask: &Ask, part: Part, request_sequence: u32) -> Option<Parameter> {
        Some(match (part, ask) {
            (Part::OutgoingReset, Ask::ResetStreams { outgoing: Some(outgoing), .. }) => {
                Parameter::OutgoingReset(OutgoingReset {
                    request_sequence,
                    response_sequence: outgoing.answers.unwrap_or(self.reconfig.peer.last_sequence()),
                    // A3.
                    last_assigned_tsn: self.sender.next_tsn().prev(),
                    streams: outgoing.list.clone(),
                })
            }
            (Part::IncomingReset, Ask::ResetStreams { incoming: Some(streams), .. }) => {
                Parameter::IncomingReset(IncomingReset { request_sequence, streams: streams.clone() })
            }
            (Part::TsnReset, _) => Parameter::SsnTsnReset(request_sequence),
            (Part::AddOutgoing, Ask::AddStreams { outgoing, .. }) => {
                Parameter::AddOutgoingStreams(AddStreams { request_sequence, new_streams: *outgoing })
            }
            (Part::AddIncoming, Ask::AddStreams { incoming, .. }) => {
                Parameter::AddIncomingStreams(AddStreams { request_sequence, new_streams: *incoming })
            }
            _ => return None,
        })
    }

    /// The Re-configuration timer expired (5.1.1, 5.2.7 H2).
    ///
    /// The thresholds are also the request's own: a peer that acknowledges data and answers heartbeats clears the
    /// association's counter (RFC 9260, 8.1) however often it passes over the request, and streams would wait for ever. Nor
    /// can the request be dropped: whether the peer has numbered the streams anew is not known.
    /// RFC 6525, 5.1.2, 5.1.3, 5.1.4.
    pub(in crate::association) fn handle_t_reconfig(&mut self, now: Time) {
        let Some(sent) = self.reconfig.own.as_mut().and_then(|own| own.sent.as_mut()) else { return };
        let failed = sent.path;
        let counts = !core::mem::take(&mut sent.in_progress);
        sent.expiries += 1;
        let too_many = sent.expiries > self.config.association_max_retrans;
        if counts {
            self.note_error(failed, true);
        }
        if counts && too_many {
            self.lose(LossReason::TimedOut);
        }
        if self.is_closed() {
            return;
        }
        let path = self.paths.for_retransmission(failed).unwrap_or(failed);
        let (rto, rto_max) = (rto(&self.paths, path), self.config.rto_max);
        let Some(sent) = self.reconfig.own.as_mut().and_then(|own| own.sent.as_mut()) else { return };
        let factor = 1_u32.checked_shl(sent.expiries).unwrap_or(u32::MAX);
        sent.timer = now + rto.saturating_mul(factor).min(rto_max.max(rto));
        sent.path = path;
        self.outbox.push_own(path, &sent.chunk);
    }

    /// A Re-configuration Response (5.2.7).
    pub(super) fn handle_response(&mut self, now: Time, response: &ReconfigResponse) {
        let in_progress = response.result == ReconfigResponse::IN_PROGRESS;
        let sent = self.reconfig.own.as_mut().and_then(|own| own.sent.as_mut());
        let Some(sent) = sent else { return };
        let sequence = response.response_sequence;
        let Some(index) = sent.unanswered.iter().position(|&(number, _)| number == sequence) else { return };
        let path = sent.path;
        (sent.expiries, sent.in_progress) = (0, in_progress);
        let part = if in_progress {
            sent.unanswered.get(index).copied()
        } else {
            Some(sent.unanswered.remove(index))
        };
        if in_progress {
            sent.timer = now + rto(&self.paths, path);
        }
        // The peer answers: what went unanswered before was not in a row.
        self.error_count = 0;
        self.note_path_works(path, SignOfLife::Acknowledgement);
        let Some((_, part)) = part else { return };
        if in_progress {
            self.note_in_progress(part);
        } else {
            self.conclude(now, part, response);
            self.forget_if_answered();
        }
    }

    /// The peer will do it later.
    fn note_in_progress(&mut self, part: Part) {
        if part == Part::TsnReset
            && let Some(receiver) = &mut self.receiver
        {
            // It waits for acknowledgements of what it sent before.
            receiver.set_suspended(false);
        }
    }

    /// A request of the peer's stands for the response to a parameter of ours (5.2.2 E1, 5.2.6).
    pub(super) fn acknowledge(&mut self, part: Part) {
        if let Some(sent) = self.reconfig.own.as_mut().and_then(|own| own.sent.as_mut()) {
            sent.unanswered.retain(|(_, unanswered)| *unanswered != part);
        }
        self.forget_if_answered();
    }

    /// H1: with the last answer the timer stops.
    fn forget_if_answered(&mut self) {
        self.reconfig.own.take_if(|own| own.sent.as_ref().is_some_and(|sent| sent.unanswered.is_empty()));
    }

    /// Acts on the answer to one parameter (5.2.7 H3 to H6).
    /// RFC 6525, 5.1.5.
    fn conclude(&mut self, now: Time, part: Part, response: &ReconfigResponse) {
        let Some(ask) = self.reconfig.own.as_ref().map(|own| own.ask.clone()) else { return };
        let outcome = outcome_of(response.result);
        let done = outcome == ReconfigOutcome::Done;
        match (part, ask) {
            (Part::OutgoingReset, Ask::ResetStreams { outgoing: Some(outgoing), .. }) => {
                if done {
                    self.sender.reset_paused(now)
                } else {
                    self.sender.resume(now)
                }
                self.tell_streams_reset(false, &outgoing.list, outcome);
            }
            (Part::IncomingReset, Ask::ResetStreams { incoming: Some(list), .. }) => match response.result {
                // Its own request is still to come, and tells of the reset.
                ReconfigResponse::PERFORMED => self.reconfig.expected.reset = Some(StreamSet::of(&list)),
                _ => self.tell_streams_reset(true, &list, outcome),
            },
            (Part::TsnReset, _) => self.conclude_tsn_reset(now, response),
            (Part::AddOutgoing, Ask::AddStreams { outgoing, .. }) => {
                if done {
                    self.outbound_streams = self.outbound_streams.saturating_add(outgoing);
                    self.sender.set_streams(self.outbound_streams);
                }
                self.tell_streams_changed(outcome);
            }
            (Part::AddIncoming, Ask::AddStreams { incoming, .. }) => match response.result {
                ReconfigResponse::PERFORMED => self.reconfig.expected.streams = Some(incoming),
                _ => self.tell_streams_changed(outcome),
            },
            _ => {}
        }
    }

    /// H5.
    fn conclude_tsn_reset(&mut self, now: Time, response: &ReconfigResponse) {
        let outcome = outcome_of(response.result);
        let next_tsns = response.next_tsns.filter(|_| outcome == ReconfigOutcome::Done);
        let Some((theirs, ours)) = next_tsns else {
            self.receiver.iter_mut().for_each(|receiver: &mut Receiver| receiver.set_suspended(false));
            self.sender.resume(now);
            // Success without TSNs is none.
            let outcome = if outcome == ReconfigOutcome::Done {
                ReconfigOutcome::Failed { result: Some(response.result) }
            } else {
                outcome
            };
            self.tell_association_reset(outcome);
            return;
        };
        self.renumber_tsns(now, ours, theirs);
        self.tell_association_reset(outcome);
    }

    /// Tells the user of a request that will get no answer.
    pub(super) fn tell_failed(&mut self, own: &OwnRequest) {
        let outcome = ReconfigOutcome::Failed { result: None };
        let unanswered =
            own.sent.as_ref().map(|sent| sent.unanswered.iter().map(|(_, part)| *part).collect());
        let parts: Few<Part> = unanswered.unwrap_or_else(|| own.ask.parts());
        for part in parts {
            match (part, &own.ask) {
                (Part::OutgoingReset, Ask::ResetStreams { outgoing: Some(outgoing), .. }) => {
                    self.tell_streams_reset(false, &outgoing.list, outcome);
                }
                (Part::IncomingReset, Ask::ResetStreams { incoming: Some(list), .. }) => {
                    self.tell_streams_reset(true, list, outcome);
                }
                (Part::TsnReset, _) => self.tell_association_reset(outcome),
                _ => self.tell_streams_changed(outcome),
            }
        }
    }
}

fn outcome_of(result: u32) -> ReconfigOutcome {
    match result {
        ReconfigResponse::NOTHING_TO_DO | ReconfigResponse::PERFORMED => ReconfigOutcome::Done,
        ReconfigResponse::DENIED => ReconfigOutcome::Denied,
        _ => ReconfigOutcome::Failed { result: Some(result) },
    }
}
