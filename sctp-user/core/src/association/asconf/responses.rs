//! What the peer asks of us (RFC 5061, 5.2 and 5.3).

use super::super::outbox::to_raw;
use super::super::{Association, Context, Flow, add_path};
use crate::endpoint::scope::Scope;
use crate::endpoint::{StatelessPacket, is_unicast};
use crate::event::PathChange;
use crate::net::PathAddress;
use crate::path::{PathId, PathState};
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::cause::{Cause, Causes};
use crate::wire::chunk::{AsconfChunk, AsconfKind, RawChunk};
use crate::wire::param::{
    AddressRequest, CauseIndication, Parameter, ParameterType, Parameters, ParametersBuilder, RawParameter,
};
use core::net::IpAddr;

/// Requests of one ASCONF that are looked at: many times of what an association can have of addresses.
const MAX_REQUESTS: usize = 64;
/// ASCONF-ACKs that are kept, in case that they are lost. A peer that keeps the rules has few outstanding.
const MAX_ANSWERS: usize = 8;
/// Bytes of responses that fit into a packet of any path, beside AUTH, header and sequence number (5.1.1 C5).
const MAX_RESPONSES: usize = 400;

/// The responses to the requests of one ASCONF.
#[derive(Default)]
struct Responses {
    row: ParametersBuilder,
    len: usize,
    /// A request failed: silence no longer means success (5.1 A7).
    failed: bool,
    /// An Add or Delete failed: so do all behind it (5.3 F11).
    refusing: bool,
}

impl Responses {
    /// Bytes of a refusal without its request, and of the request around an address.
    const SHORT: usize = 16;

    /// Whether the response to `request` fits in any case, and a short one behind it.
    /// RFC 5061, 5.1.1.
    fn has_room_for(&self, request: &RawParameter) -> bool {
        self.len + 12 + request.whole.len().next_multiple_of(4) + Self::SHORT <= MAX_RESPONSES
    }

    /// Under the request's own id (4.2.1, 4.2.2, 4.2.3, 4.2.4; 5.2 V3).
    fn push(&mut self, request: &RawParameter, outcome: Result<(), Cause>) {
        let correlation_id = request.value.first_chunk().copied().map_or(0, u32::from_be_bytes);
        let response = match outcome {
            Ok(()) if !self.failed => return,
            Ok(()) => Parameter::SuccessIndication(correlation_id),
            Err(cause) => {
                self.failed = true;
                let causes = Causes::from(cause);
                Parameter::CauseIndication(CauseIndication { correlation_id, causes })
            }
        };
        self.len += Parameters::from_iter([response.clone()]).0.len().next_multiple_of(4);
        self.row.push(&response);
    }
}

impl Association {
    /// ASCONF from `from`, authenticated (5.2 E1 to E7; 5.1.1 C3).
    pub(super) fn handle_asconf(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &RawChunk,
        from: PathAddress,
    ) -> Flow {
        let (Ok(chunk), Some(asconf)) = (AsconfChunk::parse(chunk), &mut self.asconf) else {
            return Flow::Continue;
        };
        let sequence = Tsn(chunk.sequence_number);
        let is_first = !core::mem::replace(&mut asconf.in_packet, true);
        let expected = asconf.peer_sequence.next();
        if sequence != expected {
            // E2. What lies ahead is stale or forged: E5.
            let answered = asconf.answers.iter().find(|(answered, _)| *answered == sequence);
            if let Some((_, answer)) = answered.cloned() {
                self.answer_asconf(from, &answer);
            }
            return Flow::Continue;
        }
        // E1: whoever sends the next one alone has got the answers before.
        if is_first {
            asconf.answers.clear();
        }
        let Some(parameters) = self.grant_all(cx, &chunk.parameters, from) else { return Flow::Continue };
        let answer = AsconfChunk { kind: AsconfKind::AsconfAck, sequence_number: sequence.0, parameters };
        let answer = to_raw(&answer);
        if let Some(asconf) = &mut self.asconf {
            asconf.peer_sequence = sequence;
            asconf.answers.push_back((sequence, answer.clone()));
            if asconf.answers.len() > MAX_ANSWERS {
                asconf.answers.pop_front();
            }
        }
        self.answer_asconf(from, &answer);
        Flow::Continue
    }

    /// 5.2 E6, 5.3.2: where the ASCONF came from, whether that address is one of the peer's by now or not.
    /// RFC 5061, 4.1.1.
    fn answer_asconf(&mut self, from: PathAddress, answer: &RawChunk) {
        if let Some(path) = self.paths.by_remote(from.remote) {
            return self.reply(path.id, answer);
        }
        let auth = self.authenticator().and_then(|auth| auth.for_lone(answer));
        let packet = StatelessPacket { auth, ..StatelessPacket::of(self.header(), answer.clone()) };
        self.farewell = Some(Box::new((from, packet)));
    }

    /// Does what the requests ask for, in their order (5.2 E4 V1, V2); `None` if the address in front of them is missing.
    fn grant_all(
        &mut self,
        cx: &mut Context<'_>,
        parameters: &Parameters,
        from: PathAddress,
    ) -> Option<Parameters> {
        let mut requests = parameters.iter().map_while(Result::ok);
        let lookup = requests.next()?.param_type;
        let is_address = matches!(lookup, ParameterType::IPV4_ADDRESS | ParameterType::IPV6_ADDRESS);
        // 4.1.1: it is mandatory; a host name in its place is ignored.
        if !is_address && lookup != ParameterType::HOST_NAME_ADDRESS {
            return None;
        }
        let mut responses = Responses::default();
        for (request, index) in requests.zip(0..) {
            if index >= MAX_REQUESTS || !responses.has_room_for(&request) {
                responses.push(&request, Err(Cause::ResourceShortage(bytes::Bytes::new())));
                break;
            }
            if !self.grant(cx, &request, from, &mut responses) {
                break;
            }
        }
        Some(responses.row.finish())
    }

    /// Does what one request asks for (4.2, 5.2 V2, 5.3 F11); false if those behind it are not to be looked at.
    fn grant(
        &mut self,
        cx: &mut Context<'_>,
        request: &RawParameter,
        from: PathAddress,
        responses: &mut Responses,
    ) -> bool {
        let outcome = match Parameter::parse(request) {
            Ok(Parameter::AddAddress(_) | Parameter::DeleteAddress(_)) if responses.refusing => {
                Err(Cause::ResourceShortage(request.whole.clone()))
            }
            Ok(Parameter::AddAddress(add)) => self.grant_add(cx.now, add, request, from),
            Ok(Parameter::DeleteAddress(delete)) => self.grant_delete(delete, request, from),
            Ok(Parameter::SetPrimaryAddress(primary)) => self.grant_primary(primary, request, from),
            Err(_) => Err(Cause::InvalidMandatoryParameter),
            Ok(Parameter::Unknown { param_type, .. }) => {
                let action = param_type.unrecognized_action();
                if action.reports() || !action.goes_on() {
                    let unrecognized = Parameters(request.whole.clone());
                    responses.push(request, Err(Cause::UnrecognizedParameters(unrecognized)));
                }
                return action.goes_on();
            }
            // 4.2: known, but not where it belongs.
            Ok(_) => return true,
        };
        let changes =
            matches!(request.param_type, ParameterType::ADD_IP_ADDRESS | ParameterType::DELETE_IP_ADDRESS);
        responses.refusing |= changes && outcome.is_err();
        responses.push(request, outcome);
        true
    }

    /// Add IP Address (4.2.1; 5.3 F1, F9, F14).
    fn grant_add(
        &mut self,
        now: Time,
        add: AddressRequest,
        request: &RawParameter,
        from: PathAddress,
    ) -> Result<(), Cause> {
        let remote = named(add, from);
        if !is_unicast(remote) || Scope::of(remote) < Scope::of(from.remote).min(Scope::Private) {
            return Err(unresolvable(request));
        }
        if self.paths.by_remote(remote).is_some() {
            return Ok(());
        }
        let address = PathAddress { local: None, remote, remote_udp_port: from.remote_udp_port };
        let sources = self.sources();
        add_path(&mut self.paths, &self.config, &sources, address, PathState::Unconfirmed);
        let added = self.paths.by_remote(remote).map(|path| path.id);
        let id = added.ok_or_else(|| Cause::ResourceShortage(request.whole.clone()))?;
        self.addresses_changed = true;
        self.tell_path(id, PathChange::Added);
        self.probe(now, id);
        Ok(())
    }

    /// Verifies a new path, HB.Max.Burst of them each RTO (RFC 9260, 5.4).
    fn probe(&mut self, now: Time, id: PathId) {
        let waiting = self.paths.iter().filter(|path| path.state == PathState::Unconfirmed && path.id != id);
        let turn = u32::try_from(waiting.count()).unwrap_or(0) / self.config.hb_max_burst.max(1);
        if let Some(path) = self.paths.get_mut(id) {
            path.heartbeat.next_at = Some(now + path.rto() * turn);
        }
    }

    /// Delete IP Address (4.2.2; 5.3 F7, F8, F13).
    fn grant_delete(
        &mut self,
        delete: AddressRequest,
        request: &RawParameter,
        from: PathAddress,
    ) -> Result<(), Cause> {
        let source = self.paths.by_remote(from.remote).map(|path| path.id);
        if delete.address.is_unspecified() {
            let source = source.ok_or_else(|| Cause::DeleteLastAddress(request.whole.clone()))?;
            let others: Vec<_> = self.paths.iter().map(|path| path.id).filter(|&id| id != source).collect();
            others.into_iter().for_each(|id| self.remove_path(id));
            return Ok(());
        }
        let named = self.paths.by_remote(named(delete, from));
        let id = named.map(|path| path.id).ok_or_else(|| unresolvable(request))?;
        if self.paths.iter().count() < 2 {
            return Err(Cause::DeleteLastAddress(request.whole.clone()));
        }
        if source == Some(id) {
            return Err(Cause::DeleteSourceAddress(request.whole.clone()));
        }
        self.remove_path(id);
        Ok(())
    }

    /// Set Primary Address (4.2.4, 5.4).
    fn grant_primary(
        &mut self,
        primary: AddressRequest,
        request: &RawParameter,
        from: PathAddress,
    ) -> Result<(), Cause> {
        if self.prefer(named(primary, from)) { Ok(()) } else { Err(unresolvable(request)) }
    }

    pub(super) fn make_primary(&mut self, id: PathId) {
        if self.paths.primary() != id && self.paths.set_primary(id) {
            self.tell_path(id, PathChange::MadePrimary);
        }
    }

    /// 5.3 F13: the address is the peer's no longer.
    fn remove_path(&mut self, id: PathId) {
        let Some(other) = self.paths.iter().map(|path| path.id).find(|&other| other != id) else { return };
        if let Some(path) = self.paths.get_mut(id) {
            // So that nothing is sent there any more.
            path.state = PathState::Inactive;
        }
        let other = self.other_path(id).unwrap_or(other);
        self.sender.handle_path_removed(id, other, &mut self.paths);
        self.leave_path(id);
        self.outbox.forget(id);
        self.tell_path(id, PathChange::Removed);
        self.paths.remove(id);
        self.addresses_changed = true;
        self.probe_after_removal();
    }
}

/// The address that is meant: a wildcard stands for the packet's source (4.2.1), an IPv4 address in the guise of IPv6 for
/// itself (RFC 9260, 3.3.2.1.2).
fn named(request: AddressRequest, from: PathAddress) -> IpAddr {
    if request.address.is_unspecified() { from.remote } else { request.address.to_canonical() }
}

/// The cause that names the address of `request`.
fn unresolvable(request: &RawParameter) -> Cause {
    const CORRELATION_LEN: usize = 4;
    let address = request.value.get(CORRELATION_LEN..).unwrap_or_default();
    Cause::UnresolvableAddress(request.value.slice_ref(address))
}
