//! What we ask of the peer (RFC 5061, 5.1 and 5.3).

use super::super::setup::rto;
use super::super::{Association, Flow};
use super::further::{Way, wildcard_like};
use super::{Asconf, Change};
use crate::endpoint::{is_unicast, scope};
use crate::error::CommandError;
use crate::event::{Event, LocalAddressChange, LossReason, SignOfLife};
use crate::path::PathId;
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::PacketBuilder;
use crate::wire::cause::{Cause, CauseCode, Causes};
use crate::wire::chunk::{AsconfChunk, AsconfKind, ChunkType, RawChunk};
use crate::wire::param::{AddressRequest, Parameter, ParameterType, Parameters};
use bytes::Bytes;
use core::net::IpAddr;

/// Changes in one ASCONF: so many fit into a packet of any path, beside AUTH (5.1.1 C5).
const MAX_CHANGES: usize = 12;
/// Changes that may wait.
const MAX_WAITING: usize = 32;

/// An ASCONF that is not acknowledged yet. It stays as it is, whatever comes (5.1 B4).
#[derive(Debug)]
pub(super) struct Outstanding {
    chunk: AsconfChunk,
    /// What it asks for; a request's correlation id is its index.
    pub(super) changes: Vec<Change>,
    pub(super) path: PathId,
    /// It leaves from an address of its own.
    pub(super) way: Option<Way>,
    /// It is to be sent now.
    pub(super) due: bool,
    pub(super) t4: Time,
}

impl Asconf {
    /// Queues a change, if there is room.
    pub(super) fn queue(&mut self, change: Change) -> Result<(), CommandError> {
        let is_new = |waiting: &Change| *waiting != change && Some(*waiting) != change.contrary();
        if self.waiting.len() >= MAX_WAITING && self.waiting.iter().all(is_new) {
            return Err(CommandError::TooManyChanges(MAX_WAITING));
        }
        self.wait_with(change);
        Ok(())
    }

    /// A change waits from now on; one that it takes back goes instead.
    pub(super) fn wait_with(&mut self, change: Change) {
        let contrary = change.contrary();
        let takes_back = self.waiting.iter().any(|&waiting| Some(waiting) == contrary);
        self.waiting.retain(|&waiting| waiting != change && Some(waiting) != contrary);
        if !takes_back {
            self.waiting.push(change);
        }
    }

    /// Takes the next changes: additions first, so that there is always an address (5.3 F5), then what may want them
    /// (5.4), then deletions.
    fn take_changes(&mut self) -> Vec<Change> {
        let (no_addresses, no_primary) = (self.no_addresses, self.no_primary);
        self.waiting.retain(|change| match change {
            Change::SetPrimary(_) => !no_primary,
            _ => !no_addresses,
        });
        let rank = |change: &Change| match change {
            Change::Add(_) | Change::AddSource(_) | Change::AddFrom(_) => 0,
            Change::SetPrimary(_) => 1,
            Change::Delete(_) | Change::DeleteOthers(_) => 2,
        };
        if let Some(change) = self.take_addition_from() {
            return vec![change];
        }
        self.waiting.sort_by_key(rank);
        self.waiting.drain(..self.waiting.len().min(MAX_CHANGES)).collect()
    }
}

impl Association {
    /// Our addresses as they will be once all changes are made.
    pub(in super::super) fn coming_addresses(&self) -> Vec<IpAddr> {
        let mut addresses = self.local_addresses.clone();
        let Some(asconf) = &self.asconf else { return addresses };
        for change in asconf.asked().chain(asconf.waiting.iter().copied()) {
            match change {
                Change::Add(address) | Change::AddFrom(address) if !addresses.contains(&address) => {
                    addresses.push(address);
                }
                Change::Delete(address) => addresses.retain(|&other| other != address),
                _ => {}
            }
        }
        addresses
    }

    /// Adds an address of ours; nothing is to be done if it is there.
    pub(crate) fn add_local_address(&mut self, now: Time, address: IpAddr) -> Result<(), CommandError> {
        // 4.2.1.
        if !is_unicast(address) {
            return Err(CommandError::NotUnicast(address));
        }
        let hidden = self.config.hide_addresses;
        let change = if hidden { Change::AddFrom(address) } else { Change::Add(address) };
        self.change(now, change, !self.coming_addresses().contains(&address))?;
        self.bound.add(address);
        Ok(())
    }

    /// Takes an address of ours off.
    /// RFC 5061, 4.2.2.
    pub(crate) fn remove_local_address(&mut self, now: Time, address: IpAddr) -> Result<(), CommandError> {
        let coming = self.coming_addresses();
        if self.names_addresses() && !coming.contains(&address) {
            return Err(CommandError::UnknownLocalAddress(address));
        }
        // 5.3 F5.
        if self.names_addresses() && coming.len() < 2 {
            return Err(CommandError::LastAddress(address));
        }
        self.change(now, Change::Delete(address), true)?;
        self.bound.remove(address);
        Ok(())
    }

    /// Asks the peer to send to `address`.
    pub(crate) fn set_peer_primary(&mut self, now: Time, address: IpAddr) -> Result<(), CommandError> {
        // 5.4: only one that is, or by then will be, part of the association.
        if self.names_addresses() && !self.coming_addresses().contains(&address) {
            return Err(CommandError::UnknownLocalAddress(address));
        }
        self.change(now, Change::SetPrimary(address), true)
    }

    /// Whether addresses of ours can be named in requests. What a NAT would have to translate cannot (RFC 6951, 5.7).
    fn names_addresses(&self) -> bool {
        self.asconf.is_some() && !self.config.hide_addresses
    }

    /// Asks the peer for a change, now or after those before it. RFC 6951, 3.2, 5.7.
    fn change(&mut self, now: Time, change: Change, needed: bool) -> Result<(), CommandError> {
        let asconf = self.asconf.as_mut().ok_or(CommandError::NotInUse)?;
        let refused = match change {
            Change::SetPrimary(_) => asconf.no_primary,
            _ => asconf.no_addresses,
        };
        // 5.1 A9, 5.3 F3a and F3b.
        let unnamed = matches!(change, Change::AddFrom(_));
        if refused || (self.config.hide_addresses && !unnamed) {
            return Err(CommandError::NotInUse);
        }
        if needed {
            asconf.queue(change)?;
            self.ask_next(now);
        }
        Ok(())
    }

    /// Whether our addresses are those of the host, whatever they are.
    fn follows_host(&self) -> bool {
        self.asconf.is_some() && self.config.auto_asconf && self.bound.is_wildcard() && !self.is_closed()
    }

    /// The host has these addresses now: see [`follow_addresses`](Self::follow_addresses).
    pub(crate) fn follow_host(&mut self, now: Time, host: &[IpAddr]) {
        if self.follows_host() {
            self.follow_addresses(now, &self.bound.resolve(host));
        }
    }

    /// Our addresses are to be those of `ours` that the peer can use. The last one of an association stays until there is
    /// another one.
    pub(crate) fn follow_addresses(&mut self, now: Time, ours: &[IpAddr]) {
        let Some(primary) = self.paths.get(self.paths.primary()).map(|path| path.address.remote) else {
            return;
        };
        let wanted: Vec<_> = scope::suitable(ours, primary).collect();
        let coming = self.coming_addresses();
        let Some(asconf) = &mut self.asconf else { return };
        if wanted.is_empty() || asconf.no_addresses || self.config.hide_addresses {
            return;
        }
        let added = wanted.iter().filter(|address| !coming.contains(address)).map(|&new| Change::Add(new));
        let gone = coming.iter().filter(|address| !wanted.contains(address)).map(|&old| Change::Delete(old));
        for change in added.chain(gone) {
            // What does not fit is found again the next time.
            let _ = asconf.queue(change);
        }
        self.ask_next(now);
    }

    /// Sends the next ASCONF if none is outstanding (3, 5.1 A1 to A4, 5.1.1 C1).
    pub(super) fn ask_next(&mut self, now: Time) {
        let allowed = self.state().changes_addresses();
        let Some(asconf) = &mut self.asconf else { return };
        if !allowed || asconf.outstanding.is_some() {
            return;
        }
        let changes = asconf.take_changes();
        if changes.is_empty() {
            return;
        }
        let way = Way::of(&changes);
        let sequence = asconf.next_sequence;
        asconf.next_sequence = sequence.next();
        // 5.3: what comes to an address that is being added is not out of the blue.
        asconf.retired.retain(|&retired| !changes.contains(&Change::Add(retired)));
        let path = changes.iter().find_map(|change| match *change {
            Change::AddFrom(address) => self.path_from(address),
            _ => None,
        });
        let path = path.unwrap_or_else(|| self.data_path());
        let parameters = core::iter::once(Parameter::address(self.lookup_address(path)));
        let parameters = Parameters::from_iter(parameters.chain(requests(&changes)));
        let chunk = AsconfChunk { kind: AsconfKind::Asconf, sequence_number: sequence.0, parameters };
        let t4 = now + rto(&self.paths, path);
        if let Some(asconf) = &mut self.asconf {
            asconf.outstanding = Some(Outstanding { chunk, changes, path, way, due: true, t4 });
        }
        self.choose_sources();
    }

    /// The address by which the peer finds the association even if it does not know the packet's source (4.1.1, 5.3.2);
    /// the wildcard has it look for our tag (RFC 6951, 5.7).
    fn lookup_address(&self, path: PathId) -> IpAddr {
        let wildcard = self.wildcard_for(path);
        if self.config.hide_addresses {
            return wildcard;
        }
        let path = self.paths.get(path).map(|path| path.address);
        let source = path.and_then(|path| path.local).filter(|local| self.local_addresses.contains(local));
        source.or(self.local_addresses.first().copied()).unwrap_or(wildcard)
    }

    pub(in super::super) fn write_asconf(&mut self, id: PathId, packet: &mut PacketBuilder<'_>) {
        let outstanding = self.asconf.as_mut().and_then(|asconf| asconf.outstanding.as_mut());
        if let Some(outstanding) = outstanding.filter(|outstanding| outstanding.due && outstanding.path == id)
        {
            outstanding.due = packet.push(&outstanding.chunk).is_err();
        }
    }

    /// T4 expired, if it has (5.1 B1 to B5); what was sent stays as it was (5.5).
    pub(in super::super) fn handle_address_timer(&mut self, now: Time) {
        let outstanding = self.asconf.as_ref().and_then(|asconf| asconf.outstanding.as_ref());
        let Some(failed) = outstanding.filter(|outstanding| outstanding.t4 <= now).map(|it| it.path) else {
            return;
        };
        if self.is_closed() {
            return;
        }
        self.stats.t4_expiries += 1;
        if self.try_way_again(now) {
            return;
        }
        if let Some(path) = self.paths.get_mut(failed) {
            path.rtt.back_off();
        }
        self.note_error(failed, self.counts_unanswered_asconf());
        if !self.state().changes_addresses() {
            // C4: SHUTDOWN ACK has been sent, and ends this as well.
            if let Some(asconf) = &mut self.asconf {
                asconf.outstanding = None;
            }
            return;
        }
        if self.is_disowned() {
            return self.lose(LossReason::PeerAborted { cause: None, value: Bytes::new() });
        }
        let next = self.paths.for_retransmission(failed).unwrap_or(failed);
        let t4 = now + rto(&self.paths, next);
        if let Some(outstanding) = self.asconf.as_mut().and_then(|asconf| asconf.outstanding.as_mut()) {
            (outstanding.path, outstanding.due, outstanding.t4) = (next, true, t4);
        }
    }

    /// ASCONF-ACK (5.1 A5 to A8, 5.3 F0).
    pub(super) fn handle_asconf_ack(&mut self, now: Time, chunk: &RawChunk, source: PathId) -> Flow {
        let (Ok(ack), Some(asconf)) = (AsconfChunk::parse(chunk), &mut self.asconf) else {
            return Flow::Continue;
        };
        let sequence = Tsn(ack.sequence_number);
        let answered = |outstanding: &mut Outstanding| outstanding.chunk.sequence_number == sequence.0;
        let Some(outstanding) = asconf.outstanding.take_if(answered) else {
            let illegal = asconf.outstanding.is_none() && asconf.next_sequence.at_most(sequence);
            return if illegal { self.abort_for(source, Cause::IllegalAsconfAck) } else { Flow::Continue };
        };
        self.error_count = 0;
        self.note_path_works(outstanding.path, SignOfLife::Acknowledgement);
        let given_up = outstanding.way.is_some_and(|way| way.is_given_up());
        let mut verdicts = verdicts(&outstanding, &ack.parameters);
        if given_up {
            verdicts.fill(Verdict::Refused);
        }
        for (&change, &verdict) in outstanding.changes.iter().zip(&verdicts) {
            self.finish(change, verdict);
            if matches!(change, Change::DeleteOthers(_)) && verdict == Verdict::Granted {
                self.add_others_again(outstanding.path);
            }
        }
        self.choose_sources();
        self.ask_next(now);
        Flow::Continue
    }

    fn finish(&mut self, change: Change, verdict: Verdict) {
        let Some(asconf) = &mut self.asconf else { return };
        if verdict == Verdict::NotUnderstood {
            match change {
                Change::SetPrimary(_) => asconf.no_primary = true,
                _ => asconf.no_addresses = true,
            }
        }
        if let Change::AddSource(_) = change {
            let whereabouts = core::mem::take(&mut asconf.whereabouts);
            if verdict == Verdict::Granted && whereabouts.was_unknown() {
                // What left from there was discarded, and need not wait for T3-rtx.
                self.sender.handle_discarded(&mut self.paths);
            }
        }
        let (address, told) = match (change, verdict == Verdict::Granted) {
            (Change::Add(address), true) => {
                self.local_addresses.push(address);
                (address, LocalAddressChange::Added)
            }
            (Change::Delete(address), true) => {
                self.local_addresses.retain(|&local| local != address);
                asconf.retire(address);
                (address, LocalAddressChange::Removed)
            }
            (Change::AddFrom(address), true) => {
                self.local_addresses.push(address);
                self.spread_sources(address);
                (address, LocalAddressChange::Added)
            }
            (Change::SetPrimary(_) | Change::AddSource(_) | Change::DeleteOthers(_), true) => return,
            // F10: not part of the association.
            (Change::Add(address) | Change::AddSource(address) | Change::AddFrom(address), false) => {
                (address, LocalAddressChange::AdditionRefused)
            }
            (Change::Delete(address) | Change::DeleteOthers(address), false) => {
                (address, LocalAddressChange::RemovalRefused)
            }
            (Change::SetPrimary(address), false) => (address, LocalAddressChange::PrimaryRefused),
        };
        self.events.push_back(Event::LocalAddressChanged { address, change: told });
    }

    /// The peer did not recognize a chunk of ours. If it was an ASCONF, there will be none any more (4.1.1, 5.1 A9,
    /// 5.1.1).
    pub(in super::super) fn handle_unrecognized_by_peer(&mut self, chunk: &[u8]) {
        let forged = self.is_forgeable(ChunkType::ERROR);
        let Some(asconf) = &mut self.asconf else { return };
        if forged || chunk.first() != Some(&ChunkType::ASCONF.0) {
            return;
        }
        (asconf.no_addresses, asconf.no_primary) = (true, true);
        let refused: Vec<_> = asconf.asked().chain(asconf.waiting.iter().copied()).collect();
        asconf.waiting.clear();
        asconf.outstanding = None;
        refused.into_iter().for_each(|change| self.finish(change, Verdict::Refused));
        self.choose_sources();
    }
}

/// The requests for these changes, each under an id of its own (5.1 A1).
fn requests(changes: &[Change]) -> impl Iterator<Item = Parameter> {
    changes.iter().zip(0..).map(|(&change, correlation_id)| match change {
        Change::AddFrom(address) => {
            Parameter::AddAddress(AddressRequest { correlation_id, address: wildcard_like(address) })
        }
        Change::Add(address) | Change::AddSource(address) => {
            Parameter::AddAddress(AddressRequest { correlation_id, address })
        }
        Change::Delete(address) | Change::DeleteOthers(address) => {
            Parameter::DeleteAddress(AddressRequest { correlation_id, address })
        }
        Change::SetPrimary(address) => {
            Parameter::SetPrimaryAddress(AddressRequest { correlation_id, address })
        }
    })
}

/// What the peer says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Granted,
    Refused,
    /// It does not know this kind of request.
    NotUnderstood,
}

/// 5.1 A6 to A8: silence means success before the first failure, and failure behind it.
fn verdicts(outstanding: &Outstanding, responses: &Parameters) -> Vec<Verdict> {
    let mut said = vec![None; outstanding.changes.len()];
    for parameter in responses.iter().map_while(Result::ok) {
        let (correlation_id, verdict) = match Parameter::parse(&parameter) {
            Ok(Parameter::SuccessIndication(correlation_id)) => (correlation_id, Verdict::Granted),
            Ok(Parameter::CauseIndication(indication)) => {
                (indication.correlation_id, refusal(&indication.causes))
            }
            _ => continue,
        };
        let place = usize::try_from(correlation_id).ok().and_then(|index| said.get_mut(index));
        place.into_iter().for_each(|place| *place = Some(verdict));
    }
    let mut otherwise = Verdict::Granted;
    let verdict = said.into_iter().map(|said| {
        let verdict = said.unwrap_or(otherwise);
        if verdict != Verdict::Granted {
            otherwise = Verdict::Refused;
        }
        verdict
    });
    verdict.collect()
}

fn refusal(causes: &Causes) -> Verdict {
    let unrecognized = causes.find(CauseCode::UNRECOGNIZED_PARAMETERS).is_some_and(|cause| {
        let ours = [
            ParameterType::ADD_IP_ADDRESS,
            ParameterType::DELETE_IP_ADDRESS,
            ParameterType::SET_PRIMARY_ADDRESS,
        ];
        ours.iter().any(|&param_type| Parameters(cause.value.clone()).find(param_type).is_some())
    });
    if unrecognized { Verdict::NotUnderstood } else { Verdict::Refused }
}
