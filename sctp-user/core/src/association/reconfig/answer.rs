//! The peer's requests (RFC 6525, 5.2.1 to 5.2.6).
//!
//! Each is answered once; when it comes again, the answer is. One that cannot be carried out yet is *deferred*: answered
//! by "In progress", looked at again after each step, and answered once more when it is done.

use super::parameters::Request;
use super::request::{Ask, OutgoingStreams, Part};
use super::{Association, Few, MAX_LISTED, Reconfig};
use crate::association::Flow;
use crate::association::outbox::to_raw;
use crate::event::ReconfigOutcome;
use crate::path::{Path, PathId};
use crate::serial::Tsn;
use crate::stream_set::StreamSet;
use crate::time::Time;
use crate::wire::chunk::{RawChunk, ReConfigChunk};
use crate::wire::param::{AddStreams, IncomingReset, OutgoingReset, Parameter, Parameters, ReconfigResponse};
use core::time::Duration;

/// An answer of no more bytes is given as often as the request comes. A larger one, which is a request of ours that lists
/// streams, at most once in an RTO: sooner no honest peer asks again, and a dishonest one could have it sent without end.
const SMALL_ANSWER: usize = 64;

/// What the peer has asked for.
#[derive(Debug)]
pub(in crate::association) struct PeerRequests {
    /// Number of its next request.
    next: u32,
    answered: Option<Answered>,
    deferred: Few<Request>,
}

/// What was said to the last chunk with requests.
#[derive(Debug)]
struct Answered {
    /// Number of its first request.
    first: u32,
    /// What was said last to each request that no request of ours answers.
    responses: Few<ReconfigResponse>,
    /// What is said when it comes again.
    chunk: RawChunk,
    /// When that was said last.
    said_at: Time,
}

impl Answered {
    /// One of its requests, deferred so far, has got this answer. The others keep theirs: it may have been lost.
    fn conclude(&mut self, answer: ReconfigResponse) {
        let deferred =
            self.responses.iter_mut().find(|said| said.response_sequence == answer.response_sequence);
        if let Some(said) = deferred {
            *said = answer;
        }
        self.chunk = to_raw(&responses_chunk(&self.responses));
    }
}

impl PeerRequests {
    pub(super) fn new(next: u32) -> Self {
        Self { next, answered: None, deferred: Few::new() }
    }

    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Number of its last request (5.1.2 A4).
    pub(super) fn last_sequence(&self) -> u32 {
        self.next.wrapping_sub(1)
    }

    /// Whether the requests are numbered as the next ones.
    fn expects(&self, requests: &[Request]) -> bool {
        let mut next = self.next;
        requests.iter().all(|request| {
            let fits = request.sequence() == next;
            next = next.wrapping_add(1);
            fits
        })
    }
}

impl Reconfig {
    /// Whether the user's next request must wait.
    pub(super) fn is_busy(&self) -> bool {
        let resets_tsns = |request: &Request| matches!(request, Request::TsnReset(_));
        self.own.is_some() || self.peer.deferred.iter().any(resets_tsns)
    }
}

/// What becomes of a request.
enum Verdict {
    /// It is answered by this result.
    Result(u32),
    /// TSNs were reset: our next TSN, and the peer's.
    TsnsReset(Tsn, Tsn),
    /// It is carried out later.
    Defer,
    /// The request that we have begun answers it.
    OwnRequest,
    /// What the peer sent contradicts itself.
    Violation(crate::rx::Violation),
}

impl Association {
    /// Requests in one chunk (5.2.1).
    /// RFC 6525, 5.1.1.
    pub(super) fn answer(&mut self, now: Time, requests: Few<Request>, source: PathId) -> Flow {
        // So that what is missing is sent again soon.
        if let Some(receiver) = &mut self.receiver {
            receiver.request_sack();
        }
        let Some(first) = requests.first().map(Request::sequence) else { return Flow::Continue };
        if let Some(answered) = self.reconfig.peer.answered.as_mut().filter(|said| said.first == first) {
            let rto = self.paths.get(source).map_or(Duration::ZERO, Path::rto);
            if answered.chunk.value.len() <= SMALL_ANSWER || now - answered.said_at >= rto {
                answered.said_at = now;
                let chunk = answered.chunk.clone();
                self.reply(source, &chunk);
            }
            return Flow::Continue;
        }
        let refusal = if !self.reconfig.peer.expects(&requests) {
            Some(ReconfigResponse::BAD_SEQUENCE_NUMBER)
        } else {
            let busy = self.reconfig.peer.has_deferred();
            busy.then_some(ReconfigResponse::REQUEST_IN_PROGRESS)
        };
        if let Some(result) = refusal {
            let responses: Few<_> = requests.iter().map(|request| response(request, result)).collect();
            self.reply(source, &responses_chunk(&responses));
            return Flow::Continue;
        }
        let count = u32::try_from(requests.len()).unwrap_or(0);
        self.reconfig.peer.next = self.reconfig.peer.next.wrapping_add(count);
        self.carry_out(now, first, requests, source)
    }

    /// RFC 6525, 5.2.1, 5.2.2, 5.2.3, 5.2.4.
    fn carry_out(&mut self, now: Time, first: u32, requests: Few<Request>, source: PathId) -> Flow {
        let mut responses = Few::new();
        let mut by_own_request = None;
        for request in requests {
            match self.judge(now, &request, false) {
                Verdict::Result(result) => responses.push(response(&request, result)),
                Verdict::TsnsReset(ours, theirs) => responses.push(tsns_response(&request, ours, theirs)),
                Verdict::Defer => {
                    responses.push(response(&request, ReconfigResponse::IN_PROGRESS));
                    self.reconfig.peer.deferred.push(request);
                }
                Verdict::OwnRequest => by_own_request = Some(request),
                Verdict::Violation(violation) => return self.abort_for_violation(source, violation),
            }
        }
        let bundled =
            by_own_request.and_then(|request| self.answer_by_request(now, &request, &mut responses));
        let chunk = bundled.unwrap_or_else(|| {
            let chunk = to_raw(&responses_chunk(&responses));
            self.reply(source, &chunk);
            chunk
        });
        self.reconfig.peer.answered = Some(Answered { first, responses, chunk, said_at: now });
        Flow::Continue
    }

    /// Sends the request that answers the peer's, with the other response if it may stand there (3.1). If it cannot be
    /// sent now, or not so, the peer is told to wait. The chunk that was sent.
    /// RFC 6525, 5.1.2.
    fn answer_by_request(
        &mut self,
        now: Time,
        request: &Request,
        responses: &mut Few<ReconfigResponse>,
    ) -> Option<RawChunk> {
        let fits = responses.is_empty() || matches!(request, Request::IncomingReset(_));
        if fits && self.is_ready_to_send() {
            return self.send_request(now, responses.first().copied());
        }
        responses.push(response(request, ReconfigResponse::IN_PROGRESS));
        None
    }

    /// Looks at deferred requests again.
    pub(super) fn answer_deferred(&mut self, now: Time) {
        for request in core::mem::take(&mut self.reconfig.peer.deferred) {
            let answer = match self.judge(now, &request, true) {
                Verdict::Result(result) => response(&request, result),
                Verdict::TsnsReset(ours, theirs) => tsns_response(&request, ours, theirs),
                Verdict::Defer => {
                    self.reconfig.peer.deferred.push(request);
                    continue;
                }
                Verdict::OwnRequest => continue,
                Verdict::Violation(violation) => {
                    self.abort_for_violation(self.data_path(), violation);
                    return;
                }
            };
            let chunk = to_raw(&responses_chunk(&[answer]));
            self.reply(self.data_path(), &chunk);
            if let Some(answered) = &mut self.reconfig.peer.answered {
                answered.conclude(answer);
            }
        }
    }

    /// Carries a request out, or says why not. `again`: it was deferred before.
    fn judge(&mut self, now: Time, request: &Request, again: bool) -> Verdict {
        match request {
            Request::OutgoingReset(reset) => self.judge_outgoing_reset(reset, again),
            Request::IncomingReset(reset) => self.judge_incoming_reset(reset),
            Request::TsnReset(_) => self.judge_tsn_reset(now, again),
            Request::AddOutgoing(add) => self.judge_add_outgoing(*add),
            Request::AddIncoming(add) => self.judge_add_incoming(*add),
        }
    }

    /// The peer resets streams that it sends on (5.2.2).
    /// RFC 6525, 5.2.1.
    fn judge_outgoing_reset(&mut self, reset: &OutgoingReset, again: bool) -> Verdict {
        let streams = StreamSet::of(&reset.streams);
        if !again && let Some(refusal) = self.refuse_outgoing_reset(reset, &streams) {
            return Verdict::Result(refusal);
        }
        let last = reset.last_assigned_tsn;
        let Some(receiver) = &mut self.receiver else { return Verdict::Result(ReconfigResponse::DENIED) };
        if !receiver.has_all_up_to(last) {
            if !again {
                receiver.defer_reset(streams, last);
            }
            return Verdict::Defer;
        }
        if let Err(violation) = receiver.reset_streams(&streams, last) {
            return Verdict::Violation(violation);
        }
        self.tell_streams_reset(true, &reset.streams, ReconfigOutcome::Done);
        Verdict::Result(ReconfigResponse::PERFORMED)
    }

    /// RFC 6525, 5.2.2.
    fn refuse_outgoing_reset(&mut self, reset: &OutgoingReset, streams: &StreamSet) -> Option<u32> {
        let answers = self.reconfig.own.as_ref().and_then(|own| own.unanswered(Part::IncomingReset));
        // E1. What we have asked for is not denied.
        let asked = answers == Some(reset.response_sequence)
            || self.reconfig.expected.reset.take_if(|expected| expected.covers(streams)).is_some();
        if !(asked || self.config.reconfig_permissions.reset_streams) || !self.can_ask() {
            return Some(ReconfigResponse::DENIED);
        }
        if streams.highest().is_some_and(|highest| highest >= self.inbound_streams) {
            return Some(ReconfigResponse::WRONG_SSN);
        }
        if answers == Some(reset.response_sequence) {
            self.acknowledge(Part::IncomingReset);
        }
        None
    }

    /// The peer asks us to reset streams that we send on (5.2.3).
    /// RFC 6525, 5.1.2.
    fn judge_incoming_reset(&mut self, reset: &IncomingReset) -> Verdict {
        let streams = StreamSet::of(&reset.streams);
        let permitted = self.config.reconfig_permissions.reset_streams && reset.streams.len() <= MAX_LISTED;
        if !permitted || !self.can_ask() {
            return Verdict::Result(ReconfigResponse::DENIED);
        }
        if streams.highest().is_some_and(|highest| highest >= self.outbound_streams) {
            return Verdict::Result(ReconfigResponse::WRONG_SSN);
        }
        let own_reset = self.reconfig.own.as_ref().and_then(|own| own.outgoing_reset());
        let nothing_to_do = match own_reset {
            Some(own_reset) => own_reset.covers(&streams),
            None => self.sender.is_at_start(&streams),
        };
        if nothing_to_do {
            return Verdict::Result(ReconfigResponse::NOTHING_TO_DO);
        }
        let answers = Some(reset.request_sequence);
        let outgoing = Some(OutgoingStreams { list: reset.streams.clone(), answers });
        self.ask_for_peer(Ask::ResetStreams { outgoing, incoming: None })
    }

    /// Begins a request on the peer's behalf, when there is none.
    /// RFC 6525, 5.2.3.
    fn ask_for_peer(&mut self, ask: Ask) -> Verdict {
        match &self.reconfig.own {
            None => {
                self.begin(ask);
                Verdict::OwnRequest
            }
            // The two would wait for each other.
            Some(own) if own.needs_request_of_peer() => {
                Verdict::Result(ReconfigResponse::REQUEST_IN_PROGRESS)
            }
            // 5.1.1: one at a time.
            Some(_) => Verdict::Defer,
        }
    }

    /// The peer asks for new TSNs on both sides (5.2.4). What we have sent is acknowledged first, or it would be lost.
    fn judge_tsn_reset(&mut self, now: Time, again: bool) -> Verdict {
        /// How far our TSNs jump if data could overtake the response: out of the window of a peer that has not got it.
        /// (G2: they SHOULD go on. But then such a peer could take new data for old.)
        const JUMP: u32 = 1 << 30;
        if !again {
            if !self.config.reconfig_permissions.reset_association || !self.can_ask() {
                return Verdict::Result(ReconfigResponse::DENIED);
            }
            if self.reconfig.own.is_some() {
                return Verdict::Result(ReconfigResponse::REQUEST_IN_PROGRESS);
            }
            self.sender.pause_all_now();
        }
        if !self.sender.is_drained() {
            return Verdict::Defer;
        }
        let Some(receiver) = &self.receiver else { return Verdict::Result(ReconfigResponse::DENIED) };
        // G1, G2.
        let theirs = receiver.cumulative_tsn().next().plus(1 << 31);
        let ours = self.sender.next_tsn().plus(if again { JUMP } else { 0 });
        self.renumber_tsns(now, ours, theirs);
        self.tell_association_reset(ReconfigOutcome::Done);
        Verdict::TsnsReset(ours, theirs)
    }

    /// The peer will send on more streams (5.2.5).
    fn judge_add_outgoing(&mut self, add: AddStreams) -> Verdict {
        let expected =
            self.reconfig.expected.streams.take_if(|streams| *streams == add.new_streams).is_some();
        let asked = expected || self.has_asked_for(add.new_streams);
        let permitted = asked || self.config.reconfig_permissions.add_streams;
        let limit = self.config.max_inbound_streams;
        if !permitted || !self.can_ask() || add.new_streams > limit.saturating_sub(self.inbound_streams) {
            return Verdict::Result(ReconfigResponse::DENIED);
        }
        if asked {
            self.acknowledge(Part::AddIncoming);
        }
        if add.new_streams == 0 {
            return Verdict::Result(ReconfigResponse::NOTHING_TO_DO);
        }
        self.inbound_streams = self.inbound_streams.saturating_add(add.new_streams);
        if let Some(receiver) = &mut self.receiver {
            receiver.set_streams(self.inbound_streams);
        }
        self.tell_streams_changed(ReconfigOutcome::Done);
        Verdict::Result(ReconfigResponse::PERFORMED)
    }

    /// Whether a request of ours for so many more inbound streams is on its way.
    fn has_asked_for(&self, streams: u16) -> bool {
        self.reconfig.own.as_ref().is_some_and(|own| {
            let asked = matches!(own.ask, Ask::AddStreams { incoming, .. } if incoming == streams);
            asked && own.unanswered(Part::AddIncoming).is_some()
        })
    }

    /// The peer asks us to add streams that we send on (5.2.6), for which the same limit holds (6.3.4).
    /// RFC 6525, 5.1.6.
    fn judge_add_incoming(&mut self, add: AddStreams) -> Verdict {
        let limit = self.config.max_inbound_streams;
        let permitted = self.config.reconfig_permissions.add_streams;
        if !permitted || !self.can_ask() || add.new_streams > limit.saturating_sub(self.outbound_streams) {
            return Verdict::Result(ReconfigResponse::DENIED);
        }
        if add.new_streams == 0 {
            return Verdict::Result(ReconfigResponse::NOTHING_TO_DO);
        }
        self.ask_for_peer(Ask::AddStreams { outgoing: add.new_streams, incoming: 0 })
    }
}

/// 5.1.7 D1, D2; the TSNs MUST NOT be there (D3, D4).
fn response(request: &Request, result: u32) -> ReconfigResponse {
    ReconfigResponse { response_sequence: request.sequence(), result, next_tsns: None }
}

/// D3, D4.
/// RFC 6525, 5.1.7, 5.2.4.
fn tsns_response(request: &Request, ours: Tsn, theirs: Tsn) -> ReconfigResponse {
    let result = ReconfigResponse::PERFORMED;
    ReconfigResponse { response_sequence: request.sequence(), result, next_tsns: Some((ours, theirs)) }
}

fn responses_chunk(responses: &[ReconfigResponse]) -> ReConfigChunk {
    let parameters = responses.iter().copied().map(Parameter::ReconfigResponse);
    ReConfigChunk { parameters: Parameters::from_iter(parameters) }
}
