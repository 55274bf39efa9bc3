//! Answers to ASAP messages.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Member, Registrar, RegistrarEvent, RemovalReason, Right, Timer};
use crate::handlespace::{ElementKey, RegistrationError};
use crate::transport::AssociationId;
use crate::wire::{
    Addresses, AsapMessage, CauseCode, EncodeError, ErrorCause, Format, ParseError, PoolElement, Protocol,
    Transport, UpdateAction,
};
use crate::{AddressScope, PeId, PoolHandle, Rate, Time};

/// Rejections that are told in a second; all are counted.
const MAX_REJECTIONS: f64 = 100.0;

impl Registrar {
    pub(super) fn handle_asap(&mut self, association: AssociationId, data: &[u8], now: Time) {
        if !self.associations.contains_key(&association) {
            return;
        }
        let message = match self.io.read_asap(association, data, &self.config.format) {
            Ok(message) => message,
            Err(error) => {
                self.statistics.bad_messages += 1;
                return self.reject_unreadable(association, error, data, now);
            }
        };
        match message {
            AsapMessage::Registration { pool_handle, element } => {
                self.handle_registration(association, pool_handle, element, now);
            }
            AsapMessage::Deregistration { pool_handle, pe_id } => {
                self.handle_deregistration(association, pool_handle, pe_id);
            }
            AsapMessage::HandleResolution { subscribe, pool_handle, items } => {
                self.handle_resolution(association, subscribe, pool_handle, items, now);
            }
            AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id } => {
                self.handle_keep_alive_ack(association, &pool_handle, pe_id, now);
            }
            AsapMessage::EndpointUnreachable { pool_handle, pe_id } => {
                self.handle_unreachable(association, &pool_handle, pe_id, now);
            }
            AsapMessage::Error(causes) => {
                self.statistics.errors_reported += 1;
                tracing::debug!(causes = ErrorCause::list(&causes), ?association, "a peer reports");
            }
            _ => self.statistics.bad_messages += 1,
        }
    }

    pub(super) fn send(&mut self, association: AssociationId, message: &AsapMessage) {
        let format = self.asap_format();
        self.io.send_asap(association, message, &format);
    }

    /// Elements and users are told of the pools that they have named themselves, however long the names are.
    fn asap_format(&self) -> Format {
        Format { long_pool_handles: true, ..self.config.format }
    }

    /// RFC 5352, 3.1.
    fn handle_registration(
        &mut self,
        association: AssociationId,
        pool_handle: PoolHandle,
        element: PoolElement,
        now: Time,
    ) {
        let pe_id = element.id;
        let result = self.register(association, &pool_handle, element, now);
        self.answer_registration(association, pool_handle, pe_id, result, now);
    }

    /// RFC 5352, 3.1 rule 5: who says something that cannot be is told so, if that much can be read.
    fn reject_unreadable(&mut self, association: AssociationId, error: ParseError, data: &[u8], now: Time) {
        if let ParseError::InvalidValue { tlv, .. } = error
            && let Some((pool_handle, pe_id)) = AsapMessage::registrant(data)
        {
            let cause = ErrorCause::new(CauseCode::INVALID_VALUES, tlv);
            let result = Err(RegistrationError::InvalidValue { what: "a parameter", cause });
            self.answer_registration(association, pool_handle, pe_id, result, now);
        }
    }

    fn answer_registration(
        &mut self,
        association: AssociationId,
        pool_handle: PoolHandle,
        pe_id: PeId,
        result: Result<(), RegistrationError>,
        now: Time,
    ) {
        let errors = match result {
            Ok(()) => Vec::new(),
            Err(error) => {
                self.statistics.rejections.count(&error);
                let cause = error.cause();
                // Who is rejected again and again does not crowd out what others do.
                if self.rejections.allows(Rate::per_second(MAX_REJECTIONS), now) {
                    self.emit(RegistrarEvent::Rejected { pool_handle: pool_handle.clone(), pe_id, error });
                }
                vec![cause]
            }
        };
        let rejected = !errors.is_empty();
        self.send(association, &AsapMessage::RegistrationResponse { rejected, pool_handle, pe_id, errors });
    }

    fn register(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        mut element: PoolElement,
        now: Time,
    ) -> Result<(), RegistrationError> {
        // RFC 5352, 2.1.
        if self.associations.get(&association).is_some_and(|state| !state.is_sctp) {
            return Err(RegistrationError::NotOverSctp);
        }
        self.check_access(association, pool_handle)?;
        self.check_room(association, pool_handle, element.id)?;
        self.check_values(pool_handle, &element)?;
        self.complete(association, &mut element)?;
        self.check_identity(association, pool_handle, &element)?;
        self.set_distance(association, &mut element);
        let is_news = self.is_news(pool_handle, &element);
        let info = element.clone();
        let member = Member { association: Some(association), is_confirmed: true, ..Member::default() };
        let registered = self.handlespace.register(pool_handle, info, || member)?;
        if is_news {
            self.note_change(pool_handle);
        }
        let key = registered.key;
        self.attach(key, association, member);
        if registered.is_new && self.handlespace.pool_of(key).is_some_and(|pool| pool.len() == 1) {
            self.note_founder(association, key);
        }
        self.expect_keep_alive(key, now);
        self.expect_renewal(key, now);
        self.announce_element(UpdateAction::Add, pool_handle, &element);
        match registered.is_new {
            true => self.statistics.registrations += 1,
            false => self.statistics.reregistrations += 1,
        }
        let is_new = registered.is_new;
        self.emit(RegistrarEvent::Registered { pool_handle: pool_handle.clone(), element, is_new });
        Ok(())
    }

    /// Elements that we have gone to ourselves are those that peers have let in.
    fn check_access(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
    ) -> Result<(), RegistrationError> {
        if matches!(association, AssociationId::Outgoing(_))
            || self.is_permitted(association, Right::Register, pool_handle)
        {
            return Ok(());
        }
        let from = self.associations.get(&association).map(|state| state.from);
        Err(RegistrationError::Forbidden { from: from.unwrap_or(IpAddr::from([0, 0, 0, 0])) })
    }

    /// What no registration may say (RFC 5352, 3.1 rule 5).
    fn check_values(&self, pool_handle: &PoolHandle, element: &PoolElement) -> Result<(), RegistrationError> {
        let transport = &element.user_transport;
        let is_single = matches!(transport.protocol, Protocol::Sctp(_)) || transport.addresses.len() <= 1;
        let is_nowhere = transport.port == 0 && !matches!(transport.protocol, Protocol::Opaque(_));
        let invalid = |what, cause| Err(RegistrationError::InvalidValue { what, cause });
        if pool_handle.as_bytes().is_empty() {
            return invalid("an empty pool handle", ErrorCause::invalid_pool_handle(pool_handle));
        }
        // No other registrar could be told of it.
        if pool_handle.as_bytes().len() > PoolHandle::MAX_INTEROPERABLE_LEN
            && !self.config.format.long_pool_handles
        {
            return invalid("a long pool handle", ErrorCause::invalid_pool_handle(pool_handle));
        }
        if element.life.duration() == Some(Duration::ZERO) {
            return invalid("a registration life of zero", ErrorCause::invalid_element(element));
        }
        // RFC 5354, 3.3 and 3.5 to 3.7: one address.
        if !is_single || is_nowhere || !self.config.format.allows(&transport.protocol) {
            return Err(RegistrationError::TransportRefused { transport: transport.clone() });
        }
        if self.config.policies.get(element.policy.policy_type).is_none() {
            return Err(RegistrationError::UnknownPolicy { policy: element.policy });
        }
        Ok(())
    }

    /// Fills in what the home registrar knows better than the element: who the home is, the ASAP transport
    /// (RFC 5352, 3.1 rule 4), and which of the element's addresses are really its own (2.2.1: those of the
    /// association) and known far enough.
    fn complete(
        &self,
        association: AssociationId,
        element: &mut PoolElement,
    ) -> Result<(), RegistrationError> {
        let Some(state) = self.associations.get(&association) else { return Ok(()) };
        let peer = &state.peer;
        element.home = self.config.id;
        element.asap_transport = Some(peer.as_sctp());
        let transport = &mut element.user_transport;
        if matches!(transport.protocol, Protocol::Opaque(_)) {
            return Ok(());
        }
        let offered = transport.clone();
        transport.addresses.retain(|address| peer.has_address(*address));
        self.keep_far_addresses(&mut transport.addresses);
        if transport.addresses.is_empty() {
            return Err(RegistrationError::NoUsableAddress { transport: offered });
        }
        Ok(())
    }

    /// Leaves out what is of no use to users on other hosts.
    fn keep_far_addresses(&self, addresses: &mut Addresses) {
        let is_within =
            |address: &IpAddr, least| AddressScope::of(*address).is_some_and(|scope| scope >= least);
        match self.config.min_address_scope {
            Some(least) => addresses.retain(|address| is_within(address, least)),
            None if addresses.iter().any(|address| is_within(address, AddressScope::SiteLocal)) => {
                addresses.retain(|address| is_within(address, AddressScope::SiteLocal));
            }
            None => {}
        }
    }

    /// An identifier belongs to who registered it: another endpoint that comes with it over another association
    /// is another element (RFC 5354, 3.12.5). The same endpoint may come again over a new association, and the same element
    /// from a new endpoint.
    fn check_identity(
        &self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        element: &PoolElement,
    ) -> Result<(), RegistrationError> {
        let Some(key) = self.handlespace.find(pool_handle, element.id) else { return Ok(()) };
        let known = self.handlespace.get(key).map(|known| &known.info.user_transport);
        match known == Some(&element.user_transport) || self.speaks_for(association, key) {
            true => Ok(()),
            false => Err(RegistrationError::IdInUse { pe_id: element.id }),
        }
    }

    /// Notes that the element now belongs to this association.
    pub(super) fn attach(&mut self, key: ElementKey, association: AssociationId, member: Member) {
        self.detach(key, member);
        if let Some(state) = self.associations.get_mut(&association) {
            state.elements.insert(key);
            self.count_element(association);
        }
    }

    /// RFC 5352, 3.2. An element that we do not know is as good as deregistered.
    fn handle_deregistration(&mut self, association: AssociationId, pool_handle: PoolHandle, pe_id: PeId) {
        let mut errors = Vec::new();
        if let Some(key) = self.handlespace.find(&pool_handle, pe_id) {
            if self.speaks_for(association, key) {
                self.own_to_remove(key);
                self.remove_element(key, RemovalReason::Deregistered);
            } else {
                // RFC 5352, 2.2.2: an element may deregister only itself.
                self.statistics.refused_deregistrations += 1;
                errors.push(ErrorCause::bare(CauseCode::SECURITY));
            }
        }
        self.send(association, &AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors });
    }

    /// An element of another registrar, which it cannot reach, leaves through us: peers believe that only its home.
    fn own_to_remove(&mut self, key: ElementKey) {
        if self.handlespace.get(key).is_some_and(|element| element.info.home != self.config.id) {
            self.handlespace.set_home(key, self.config.id);
            self.announce_key(key);
        }
    }

    /// Whether an association is the element's own: that of its registration, or another one with the same endpoint, as its
    /// registration has it (RFC 5352, 3.1 rule 4). Only the address where the peer is for sure counts: it may claim any others.
    fn speaks_for(&self, association: AssociationId, key: ElementKey) -> bool {
        let Some(element) = self.handlespace.get(key) else { return false };
        let Some(state) = self.associations.get(&association) else { return false };
        let certain = state.peer.addresses.first().map(IpAddr::to_canonical);
        let is_there = |asap: &Transport| {
            state.is_sctp
                && asap.port == state.peer.port
                && asap.addresses.iter().any(|address| Some(address.to_canonical()) == certain)
        };
        element.data.association == Some(association)
            || element.info.asap_transport.as_ref().is_some_and(is_there)
    }

    /// RFC 5352, 3.3, with the number of items of the asap-hropt draft.
    fn handle_resolution(
        &mut self,
        association: AssociationId,
        subscribe: bool,
        pool_handle: PoolHandle,
        items: Option<u32>,
        now: Time,
    ) {
        let answer = match self.why_not_resolve(association, &pool_handle, now) {
            Some(cause) => Err(cause),
            None => self.resolve(&pool_handle, items, self.config.increment),
        };
        let is_found = answer.is_ok();
        match is_found {
            true => self.statistics.resolutions += 1,
            false => self.statistics.failed_resolutions += 1,
        }
        let subscribed = subscribe && is_found && self.subscribe(association, &pool_handle, items);
        if !subscribed {
            self.unsubscribe(association, &pool_handle);
        }
        if let Some(data) = self.resolution_response(&pool_handle, answer, subscribed) {
            self.io.send_data(association, data);
        }
    }

    /// Why a user is not told of a pool, even if there is one.
    fn why_not_resolve(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        now: Time,
    ) -> Option<CauseCode> {
        if !self.is_permitted(association, Right::Resolve, pool_handle) {
            return Some(CauseCode::SECURITY);
        }
        if self.is_resolution_allowed(association, pool_handle, now) {
            return None;
        }
        self.statistics.rate_limited += 1;
        // As RSPLIB's registrar has it.
        Some(CauseCode::UNKNOWN_POOL_HANDLE)
    }

    /// Whether the access rules let a peer do something at a pool.
    fn is_permitted(&mut self, association: AssociationId, right: Right, pool_handle: &PoolHandle) -> bool {
        let Some(state) = self.associations.get(&association) else { return false };
        let is_permitted = self.config.access.allows(right, state.from, Some(pool_handle));
        self.statistics.forbidden += u64::from(!is_permitted);
        is_permitted
    }

    /// What subscribers are told of a pool as it is now. Nobody is selected by that.
    pub(super) fn update_message(&mut self, pool_handle: &PoolHandle, items: Option<u32>) -> Option<Bytes> {
        let answer = self.resolve(pool_handle, items, Some(0));
        let subscribed = answer.is_ok();
        self.resolution_response(pool_handle, answer, subscribed)
    }

    /// An answer. One that does not fit in a message is cut: the best elements are in front.
    fn resolution_response(
        &self,
        pool_handle: &PoolHandle,
        answer: Result<Vec<PoolElement>, CauseCode>,
        subscribed: bool,
    ) -> Option<Bytes> {
        let (elements, errors) = match answer {
            Ok(elements) => (elements, Vec::new()),
            Err(cause) => (Vec::new(), vec![ErrorCause::bare(cause)]),
        };
        let pool = self.handlespace.pool(pool_handle).filter(|_| errors.is_empty());
        let policy = pool.map(|pool| pool.policy());
        let pool_handle = pool_handle.clone();
        let mut message =
            AsapMessage::HandleResolutionResponse { subscribed, pool_handle, policy, elements, errors };
        loop {
            match (message.encode(&self.asap_format()), &mut message) {
                (Ok(data), _) => return Some(data),
                (
                    Err(EncodeError::TooLong { .. }),
                    AsapMessage::HandleResolutionResponse { elements, .. },
                ) if elements.len() > 1 => elements.truncate(elements.len() / 2),
                (Err(error), _) => {
                    tracing::warn!(%error, "handle resolution not answered");
                    return None;
                }
            }
        }
    }

    /// Selects elements of a pool, one at least, and moves the counters of so many.
    fn resolve(
        &mut self,
        pool_handle: &PoolHandle,
        items: Option<u32>,
        increment: Option<usize>,
    ) -> Result<Vec<PoolElement>, CauseCode> {
        // asap-hropt draft, 2: 0 means the registrar's default.
        let wanted = match items {
            None | Some(0) => self.config.default_items,
            Some(items) => usize::try_from(items).unwrap_or(usize::MAX),
        };
        let items = wanted.min(self.config.max_items);
        let mut keys = Vec::new();
        self.handlespace.select(pool_handle, items, increment, &mut self.io.rng, &mut keys);
        let elements = keys.into_iter().filter_map(|key| {
            let info = &self.handlespace.get(key)?.info;
            // A peer may have told of transports that users here cannot read of. The ASAP transport is for registrars.
            let is_readable = self.config.format.allows(&info.user_transport.protocol);
            is_readable.then(|| PoolElement { asap_transport: None, ..info.clone() })
        });
        let elements: Vec<PoolElement> = elements.collect();
        if elements.is_empty() { Err(CauseCode::UNKNOWN_POOL_HANDLE) } else { Ok(elements) }
    }

    /// RFC 5352, 3.5: ask the element at once; and the last of too many reports removes it.
    fn handle_unreachable(
        &mut self,
        association: AssociationId,
        pool_handle: &PoolHandle,
        pe_id: PeId,
        now: Time,
    ) {
        if !self.is_permitted(association, Right::Report, pool_handle) {
            return;
        }
        let key = self.handlespace.find(pool_handle, pe_id);
        if key.is_some_and(|key| !self.is_report_allowed(association, key, now)) {
            self.statistics.rate_limited += 1;
            return;
        }
        self.statistics.unreachable_reports += 1;
        // The home registrar decides, of which its own users tell it.
        let is_ours = |key: &ElementKey| {
            self.handlespace.get(*key).is_some_and(|element| element.info.home == self.config.id)
        };
        let Some(key) = key.filter(is_ours) else { return };
        let Some(member) = self.handlespace.data_mut(key) else { return };
        member.unreachable_reports += 1;
        if member.unreachable_reports >= self.config.max_bad_pe_reports {
            self.remove_element(key, RemovalReason::ReportedUnreachable);
        } else if !self.timers.is_running(Timer::KeepAliveAck(key)) {
            self.send_keep_alive(key, now);
        }
    }
}
