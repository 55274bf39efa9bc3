//! Messages to pools, one by one, without a session (RFC 5352, 6.5): to one element, to the last one again, to all, or to a
//! pool element handle.

use std::collections::{BTreeMap, VecDeque};

use super::requests::{Purpose, ResolutionError};
use super::{MAX_EVENTS, PoolUser, PoolUserEvent};
use crate::session::SendError;
use crate::timers::Timers;
use crate::transport::{AssociationId, Command, LostReason, Peer, UserMessage};
use crate::wire::{ASAP_PPID, PoolElement, Protocol, TransportUse};
use crate::{PeId, PoolHandle, Time};

/// A pool element handle: names one element (RFC 5352, 6.5.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementHandle {
    /// Its pool.
    pub pool_handle: PoolHandle,
    /// Its identifier there.
    pub pe_id: PeId,
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An element of the pool, as its policy chooses.
    Pool(PoolHandle),
    /// The element of the pool that got the last message to it (ASAP_SEND_TO_LAST); if there was none, as its policy chooses.
    Last(PoolHandle),
    /// Every element of the pool (ASAP_SEND_TO_ALL), a copy each: all that the registrar names in one answer, which is no more than its
    /// [`max_items`](crate::registrar::RegistrarConfig::max_items), 128 unless it is set otherwise.
    All {
        /// The pool.
        pool_handle: PoolHandle,
        /// Also to the element that this user is, see [`PoolUserConfig::own_element`](super::PoolUserConfig)
        /// (ASAP_SEND_TO_SELF).
        to_self: bool,
    },
    /// This element.
    Element(ElementHandle),
}

impl Destination {
    fn pool_handle(&self) -> &PoolHandle {
        match self {
            Self::Pool(pool_handle) | Self::Last(pool_handle) | Self::All { pool_handle, .. } => pool_handle,
            Self::Element(element) => &element.pool_handle,
        }
    }
}

/// Names a message of [`PoolUser::send_to`]; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(u64);

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UndeliveredReason {
    /// The pool could not be resolved.
    #[error(transparent)]
    Resolution(ResolutionError),
    /// The element failed, and with fail-over every other one that is known, too.
    #[error("the element cannot be reached")]
    Unreachable(LostReason),
    /// The pool has no such element.
    #[error("the pool has no such element")]
    UnknownElement,
    /// Its transport is not SCTP.
    #[error("the element does not serve over SCTP")]
    NotSctp,
    /// All associations that may be are in use.
    #[error("too many associations with elements: raise max_channels")]
    TooManyChannels,
    /// The element's control channel carries ASAP, and nothing else may (RFC 5352, 5).
    #[error("payload protocol identifier 11 is the control channel's")]
    ReservedPpid,
}

/// A message with what is to be done with it.
#[derive(Clone)]
struct Job {
    send: SendId,
    message: UserMessage,
    /// ASAP_SEND_FAILOVER.
    failover: bool,
    /// Elements that have failed it.
    tried: Vec<PeId>,
}

/// An association with an element.
struct Channel {
    element: PoolElement,
    handle: ElementHandle,
    is_up: bool,
    /// Waits for the association, or came back from it.
    queue: VecDeque<Job>,
    /// Has been sent, and may come back.
    unconfirmed: VecDeque<Job>,
}

/// Messages on their way with one element that can be sent to another one if it fails.
const MAX_UNCONFIRMED: usize = 256;

/// Pools of which the last element is remembered.
const MAX_LAST: usize = 1000;

/// What is being sent.
pub(super) struct Channels {
    by_association: BTreeMap<AssociationId, Channel>,
    by_element: BTreeMap<ElementHandle, AssociationId>,
    /// Messages whose pools are being resolved.
    waiting: BTreeMap<PoolHandle, VecDeque<(Destination, Job)>>,
    /// Who got the last message to a pool.
    last: BTreeMap<PoolHandle, PeId>,
    /// How long an association may take to come up, or be idle.
    timers: Timers<AssociationId>,
    next_send: u64,
}

impl Channels {
    pub(super) fn new() -> Self {
        Self {
            by_association: BTreeMap::new(),
            by_element: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last: BTreeMap::new(),
            timers: Timers::new(),
            next_send: 0,
        }
    }

    pub(super) fn contains(&self, association: AssociationId) -> bool {
        self.by_association.contains_key(&association)
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    fn note_last(&mut self, element: &ElementHandle) {
        if self.last.len() >= MAX_LAST && !self.last.contains_key(&element.pool_handle) {
            self.last.pop_first();
        }
        self.last.insert(element.pool_handle.clone(), element.pe_id);
    }

    fn waiting_messages(&self) -> usize {
        let in_channels = self.by_association.values().map(|channel| channel.queue.len());
        in_channels.chain(self.waiting.values().map(VecDeque::len)).sum()
    }
}

impl PoolUser {
    /// Sends a message (RFC 5352, 6.5); [`PoolUserEvent::Sent`] tells to whom it goes, or [`PoolUserEvent::Undelivered`] why it
    /// does not. With `failover` it goes to another element of the pool if the one chosen fails before it has acknowledged the
    /// message; it may then arrive twice, and is lost if the element fails later.
    ///
    /// # Errors
    /// [`SendError::QueueFull`] if too many messages wait for elements, or for the driver; what makes a message one that cannot be sent
    /// at all ([`SendError::Empty`], `TooLong`, `NoSuchStream`).
    pub fn send_to(
        &mut self,
        destination: Destination,
        message: UserMessage,
        failover: bool,
        now: Time,
    ) -> Result<SendId, SendError> {
        SendError::check(&message)?;
        if self.io.is_full() || self.channels.waiting_messages() >= self.config.max_waiting_messages {
            return Err(SendError::QueueFull);
        }
        let send = SendId(self.channels.next_send);
        self.channels.next_send += 1;
        self.route(destination, Job { send, message, failover, tried: Vec::new() }, now);
        Ok(send)
    }

    /// Finds the element that a message is for, in what is known or at the registrar.
    fn route(&mut self, destination: Destination, job: Job, now: Time) {
        let is_fresh = self.is_fresh(destination.pool_handle(), now);
        match &destination {
            Destination::Element(handle) => {
                if let Some(element) = self.known_element(handle) {
                    self.refresh(&handle.pool_handle, now);
                    return self.dispatch(handle.pool_handle.clone(), element, job, now);
                }
            }
            Destination::Last(pool_handle) => {
                let handle = self
                    .channels
                    .last
                    .get(pool_handle)
                    .map(|pe_id| ElementHandle { pool_handle: pool_handle.clone(), pe_id: *pe_id });
                return match handle {
                    Some(handle) => self.route(Destination::Element(handle), job, now),
                    None => self.route(Destination::Pool(pool_handle.clone()), job, now),
                };
            }
            Destination::Pool(pool_handle) if is_fresh || !job.tried.is_empty() => {
                if let Some(element) = self.cache.pick_sctp(pool_handle, &job.tried, &mut self.io.rng) {
                    return self.dispatch(pool_handle.clone(), element, job, now);
                }
            }
            Destination::Pool(_) | Destination::All { .. } => {}
        }
        self.resolve_and_send(destination, job, now);
    }

    /// Holds the message until the pool is resolved (RFC 5352, 6.5.1).
    fn resolve_and_send(&mut self, destination: Destination, job: Job, now: Time) {
        let pool_handle = destination.pool_handle().clone();
        // Who must know all elements asks anew.
        let wants_all = matches!(destination, Destination::All { .. } | Destination::Element(_));
        let is_asked = self.is_asked(&pool_handle, Purpose::Sending);
        self.channels.waiting.entry(pool_handle.clone()).or_default().push_back((destination, job));
        if wants_all || !is_asked {
            let items = wants_all.then_some(u32::MAX);
            self.request(pool_handle, Purpose::Sending, items, now);
        }
    }

    fn known_element(&self, handle: &ElementHandle) -> Option<PoolElement> {
        let channel =
            self.channels.by_element.get(handle).and_then(|id| self.channels.by_association.get(id));
        let in_use = channel.map(|channel| &channel.element);
        in_use.or_else(|| self.cache.get(&handle.pool_handle, handle.pe_id)).cloned()
    }

    /// RFC 5352, 6.5.3 B: an old cache entry is renewed beside the sending.
    fn refresh(&mut self, pool_handle: &PoolHandle, now: Time) {
        let is_cached = !self.config.stale_cache.is_zero();
        if is_cached && !self.is_fresh(pool_handle, now) && !self.is_asked(pool_handle, Purpose::Cache) {
            self.request(pool_handle.clone(), Purpose::Cache, None, now);
        }
    }

    /// The pool of waiting messages is resolved, or cannot be.
    pub(super) fn sending_resolved(
        &mut self,
        pool_handle: &PoolHandle,
        result: Result<Vec<PoolElement>, ResolutionError>,
        now: Time,
    ) {
        // Another request of the pool is on the way, for more elements.
        if self.is_asked(pool_handle, Purpose::Sending) {
            return;
        }
        let waiting = self.channels.waiting.remove(pool_handle).unwrap_or_default();
        for (destination, job) in waiting {
            match &result {
                Ok(elements) => self.send_resolved(destination, job, elements, now),
                Err(error) => {
                    let reason = UndeliveredReason::Resolution(error.clone());
                    self.fail_job(None, job, reason);
                }
            }
        }
    }

    fn send_resolved(&mut self, destination: Destination, job: Job, elements: &[PoolElement], now: Time) {
        match destination {
            Destination::Pool(pool_handle) | Destination::Last(pool_handle) => {
                match self.cache.pick_sctp(&pool_handle, &job.tried, &mut self.io.rng) {
                    Some(element) => self.dispatch(pool_handle, element, job, now),
                    None if job.tried.is_empty() => self.fail_job(None, job, UndeliveredReason::NotSctp),
                    None => {
                        self.fail_job(None, job, UndeliveredReason::Unreachable(LostReason::Unreachable));
                    }
                }
            }
            Destination::Element(handle) => {
                match elements.iter().find(|element| element.id == handle.pe_id) {
                    Some(element) => self.dispatch(handle.pool_handle, element.clone(), job, now),
                    None if job.failover => self.route(Destination::Pool(handle.pool_handle), job, now),
                    None => self.fail_job(Some(handle), job, UndeliveredReason::UnknownElement),
                }
            }
            Destination::All { pool_handle, to_self } => {
                for element in elements {
                    let handle = ElementHandle { pool_handle: pool_handle.clone(), pe_id: element.id };
                    if to_self || self.config.own_element.as_ref() != Some(&handle) {
                        let copy = Job { failover: false, ..job.clone() };
                        self.dispatch(pool_handle.clone(), element.clone(), copy, now);
                    }
                }
            }
        }
    }

    /// Sends a message to an element, over the association that there is, or a new one.
    fn dispatch(&mut self, pool_handle: PoolHandle, element: PoolElement, job: Job, now: Time) {
        let handle = ElementHandle { pool_handle, pe_id: element.id };
        let transport = &element.user_transport;
        if !matches!(transport.protocol, Protocol::Sctp(_)) {
            return self.fail_job(Some(handle), job, UndeliveredReason::NotSctp);
        }
        if job.message.ppid == ASAP_PPID && transport.transport_use() == TransportUse::DataAndControl {
            return self.fail_job(Some(handle), job, UndeliveredReason::ReservedPpid);
        }
        let Some(association) = self.channel_to(&handle, element, now) else {
            return self.fail_job(Some(handle), job, UndeliveredReason::TooManyChannels);
        };
        if let Some(channel) = self.channels.by_association.get_mut(&association) {
            channel.queue.push_back(job);
        }
        self.send_queued(association, now);
    }

    /// The association with an element; a new one if there is none, and room.
    fn channel_to(
        &mut self,
        handle: &ElementHandle,
        element: PoolElement,
        now: Time,
    ) -> Option<AssociationId> {
        if let Some(association) = self.channels.by_element.get(handle) {
            return Some(*association);
        }
        if self.channels.by_association.len() >= self.config.max_channels {
            return None;
        }
        let transport = &element.user_transport;
        let peer = Peer { addresses: transport.addresses.to_vec(), port: transport.port };
        let association = self.io.connect(peer);
        let (handle, is_up) = (handle.clone(), false);
        let (queue, unconfirmed) = (VecDeque::new(), VecDeque::new());
        self.channels.by_element.insert(handle.clone(), association);
        let channel = Channel { element, handle, is_up, queue, unconfirmed };
        self.channels.by_association.insert(association, channel);
        self.channels.timers.set(association, now + self.config.connect_timeout);
        Some(association)
    }

    /// Hands over what waits for an association that is up.
    fn send_queued(&mut self, association: AssociationId, now: Time) {
        let Some(channel) = self.channels.by_association.get_mut(&association).filter(|it| it.is_up) else {
            return;
        };
        while let Some(job) = channel.queue.pop_front() {
            self.io.push(Command::Send { association, message: job.message.clone() });
            let (send, element) = (job.send, channel.handle.clone());
            self.events.push_back(PoolUserEvent::Sent { send, element });
            if channel.unconfirmed.len() == MAX_UNCONFIRMED {
                channel.unconfirmed.pop_front();
            }
            channel.unconfirmed.push_back(job);
        }
        let handle = channel.handle.clone();
        self.channels.note_last(&handle);
        self.channels.timers.set(association, now + self.config.channel_idle);
    }

    pub(super) fn channel_connected(&mut self, association: AssociationId, now: Time) {
        if let Some(channel) = self.channels.by_association.get_mut(&association) {
            channel.is_up = true;
            self.send_queued(association, now);
        }
    }

    /// A message comes back from an association that is about to be lost.
    pub(super) fn channel_undelivered(&mut self, association: AssociationId, message: UserMessage) {
        let Some(channel) = self.channels.by_association.get_mut(&association) else { return };
        // Of equal messages, the last ones are those that are not acknowledged.
        let at = channel.unconfirmed.iter().rposition(|job| job.message == message);
        channel.queue.extend(at.and_then(|at| channel.unconfirmed.remove(at)));
    }

    pub(super) fn channel_lost(&mut self, association: AssociationId, reason: LostReason, now: Time) {
        self.channels.timers.clear(association);
        let Some(channel) = self.channels.by_association.remove(&association) else { return };
        let Channel { handle, queue, .. } = channel;
        self.channels.by_element.remove(&handle);
        if reason.is_of_peer() {
            self.report(handle.pool_handle.clone(), handle.pe_id, now);
        }
        for mut job in queue {
            // RFC 5352, 6.5.5.
            if job.failover {
                job.tried.push(handle.pe_id);
                self.route(Destination::Pool(handle.pool_handle.clone()), job, now);
            } else {
                self.fail_job(Some(handle.clone()), job, UndeliveredReason::Unreachable(reason));
            }
        }
    }

    /// Takes a message of an element; one that finds no room costs the association.
    pub(super) fn channel_message(&mut self, association: AssociationId, message: UserMessage, now: Time) {
        let Some(channel) = self.channels.by_association.get(&association) else { return };
        let has_control = channel.element.user_transport.transport_use() == TransportUse::DataAndControl;
        if has_control && message.ppid == ASAP_PPID {
            // Cookies and business cards belong to sessions.
            return;
        }
        let element = channel.handle.clone();
        if self.events.len() >= MAX_EVENTS {
            self.io.push(Command::Abort { association });
            return self.channel_lost(association, LostReason::Local, now);
        }
        self.emit(PoolUserEvent::Received { element, message });
        self.channels.timers.set(association, now + self.config.channel_idle);
    }

    /// Associations that do not come up fail; those that nobody uses are closed.
    pub(super) fn channel_timeouts(&mut self, now: Time) {
        while let Some(association) = self.channels.timers.pop_expired(now) {
            match self.channels.by_association.get(&association) {
                Some(channel) if channel.is_up => {
                    self.channels.by_element.remove(&channel.handle);
                    self.channels.by_association.remove(&association);
                    self.io.push(Command::Shutdown { association });
                }
                Some(_) => {
                    self.io.push(Command::Abort { association });
                    self.channel_lost(association, LostReason::TimedOut, now);
                }
                None => {}
            }
        }
    }

    fn fail_job(&mut self, element: Option<ElementHandle>, job: Job, reason: UndeliveredReason) {
        let Job { send, message, .. } = job;
        self.emit(PoolUserEvent::Undelivered { send, element, message, reason });
    }
}
