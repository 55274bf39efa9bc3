//! The user's side of a session: which element serves it, and what happens when the element fails.

use std::collections::VecDeque;

use bytes::Bytes;

use super::BusinessCard;
use crate::pool_user::{PoolUser, PoolUserEvent, Purpose, ResolutionError};
use crate::transport::{AssociationId, Command, LostReason, Peer, UserMessage};
use crate::wire::{ASAP_PPID, AsapMessage, PoolElement, Protocol, TransportUse};
use crate::{PeId, PoolHandle, Time};

/// Names a session of a [`PoolUser`]; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

/// Who sends again what a failed element has not got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Failover {
    /// The application: whatever the failed element had not answered. Nothing can be sent while no element is connected.
    #[default]
    ByHand,
    /// The session: what SCTP knows not to be delivered, or does not know to be, goes to the next element, in its order and behind the
    /// cookie; so does what is sent meanwhile.
    ///
    /// That is all that a session can know. What an element has acknowledged and not answered when it failed is lost unless the
    /// element had put it into its cookie, and what it has got without being able to acknowledge it goes to two elements. So
    /// requests should be such that asking twice does no harm, and who needs an answer to each of them waits for it no longer than
    /// it should take, or asks again after [`SessionEvent::FailoverComplete`]. Messages of a session that is
    /// [forced](PoolUser::force_failover) to leave its element are not sent again.
    Transparent,
}

/// What happened in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The first element is connected: send.
    Connected {
        /// The element.
        element: Box<PoolElement>,
    },
    /// The element failed. What it had not answered is not answered: send it again after `FailoverComplete`, unless the session
    /// [does](Failover::Transparent).
    FailoverNecessary {
        /// How its failure was noticed.
        reason: LostReason,
    },
    /// Another element is connected, and the newest cookie, if there was one, is ahead of whatever is sent now.
    FailoverComplete {
        /// The element.
        element: Box<PoolElement>,
        /// Whether a cookie was echoed. If not, the new element knows nothing of the session.
        has_cookie: bool,
    },
    /// No element could be had for now; the session keeps trying. Close it to stop that.
    Waiting {
        /// What the registrar said; none if it named only elements that have just failed.
        error: Option<ResolutionError>,
    },
    /// The element tells whom to turn to when it fails (RFC 5352, 3.9): these are tried first.
    BusinessCard(BusinessCard),
    /// The application's data.
    Data(UserMessage),
}

/// Why something cannot be sent in a session now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no such session (any more).
    #[error("no such session")]
    UnknownSession,
    /// No element is connected: wait for `Connected` or `FailoverComplete`, then send what is not answered.
    #[error("no element is connected: wait for the fail-over to complete")]
    NotConnected,
    /// The driver has not fetched the commands, or too much waits for the next element.
    #[error("too much waits to be sent: fetch commands, or wait for an element")]
    QueueFull,
    /// ASAP's payload protocol identifier is the control channel's, and no data's (RFC 5352, 5).
    #[error("payload protocol identifier 11 is the control channel's: take another one")]
    ReservedPpid,
    /// SCTP has no empty messages (RFC 9260, 3.3.1).
    #[error("SCTP has no empty messages")]
    Empty,
    /// No association takes it, see [`UserMessage::MAX_LEN`].
    #[error("a message of {length} bytes is too long: at most {}", UserMessage::MAX_LEN)]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// No association has this stream, see [`UserMessage::STREAMS`].
    #[error("there is no stream {stream}: the last one is {}", UserMessage::STREAMS - 1)]
    NoSuchStream {
        /// The stream.
        stream: u16,
    },
    /// It does not fit into a message of ASAP, which has 65,535 bytes at most.
    #[error("a cookie of {length} bytes does not fit into a message of ASAP")]
    CookieTooLong {
        /// Its length with the signature, in bytes.
        length: usize,
    },
    /// The pool is registered without control channel.
    #[error("the session has no control channel: register with \"data plus control\"")]
    NoControlChannel,
}

impl SendError {
    /// What keeps a message from being sent to anybody.
    pub(crate) fn check(message: &UserMessage) -> Result<(), Self> {
        match (message.data.len(), message.stream) {
            (0, _) => Err(Self::Empty),
            (length, _) if length > UserMessage::MAX_LEN => Err(Self::TooLong { length }),
            (_, stream) if stream >= UserMessage::STREAMS => Err(Self::NoSuchStream { stream }),
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Resolving,
    Connecting(AssociationId),
    Connected(AssociationId),
    Resting,
    /// It would look for the next element, but is held.
    Held,
}

/// One session.
pub(crate) struct Session {
    pool_handle: PoolHandle,
    state: State,
    element: Option<PoolElement>,
    /// Whether another element has named it, and not the registrar.
    is_recommended: bool,
    /// The newest cookie of whichever element served last.
    cookie: Option<Bytes>,
    /// Whom the element recommends.
    preferred: Vec<PoolElement>,
    /// Elements that failed since the last one that worked.
    failed: Vec<PeId>,
    was_connected: bool,
    /// When the element was connected.
    since: Time,
    /// The protocol of the last message that was sent.
    ppid: u32,
    failover: Failover,
    /// What waits for the next element.
    unsent: VecDeque<UserMessage>,
    /// Rests since an element has worked.
    rests: u32,
    /// See [`PoolUser::hold_session`].
    is_held: bool,
}

impl Session {
    /// RFC 5352, 3.9 BC2: whom the failed element recommends, as long as there are some who have not failed, too.
    fn next_preferred(&self) -> Option<PoolElement> {
        let is_left = |element: &&PoolElement| {
            matches!(element.user_transport.protocol, Protocol::Sctp(_)) && !self.failed.contains(&element.id)
        };
        self.preferred.iter().filter(|_| !self.failed.is_empty()).find(is_left).cloned()
    }

    /// RFC 5352, 5: PPID 11 is the control channel's, and the next element may have one.
    fn keep_for_next(&mut self, message: UserMessage, limit: usize) -> Result<(), SendError> {
        match self.failover {
            Failover::ByHand => return Err(SendError::NotConnected),
            Failover::Transparent if message.ppid == ASAP_PPID => return Err(SendError::ReservedPpid),
            Failover::Transparent if self.unsent.len() >= limit => return Err(SendError::QueueFull),
            Failover::Transparent => self.unsent.push_back(message),
        }
        Ok(())
    }

    /// Whether the element that serves it has a control channel.
    fn has_control(&self) -> bool {
        let element = self.element.as_ref();
        element.is_some_and(|element| element.user_transport.transport_use() == TransportUse::DataAndControl)
    }
}

/// Elements to remember as failed in one fail-over.
const MAX_FAILED: usize = 128;
/// Events that wait for the application before a session that brings more is failed over.
const MAX_EVENTS: usize = 100_000;

impl PoolUser {
    /// Opens a session with a pool; it goes on until [`close_session`](Self::close_session).
    pub fn open_session(&mut self, pool_handle: PoolHandle, now: Time) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        let session = Session {
            pool_handle,
            state: State::Resting,
            element: None,
            is_recommended: false,
            cookie: None,
            preferred: Vec::new(),
            failed: Vec::new(),
            was_connected: false,
            since: now,
            ppid: 0,
            failover: Failover::default(),
            unsent: VecDeque::new(),
            rests: 0,
            is_held: false,
        };
        self.sessions.insert(id, session);
        self.find_element(id, now);
        id
    }

    /// Ends a session, after everything is delivered.
    pub fn close_session(&mut self, id: SessionId) {
        self.session_timers.clear(id);
        let Some(session) = self.sessions.remove(&id) else { return };
        match session.state {
            State::Connected(association) => self.io.push(Command::Shutdown { association }),
            State::Connecting(association) => self.io.push(Command::Abort { association }),
            State::Resolving | State::Resting | State::Held => return,
        }
        self.by_association.retain(|_, owner| *owner != id);
    }

    /// Says who sends again what a failed element has not got, from now on.
    pub fn set_failover(&mut self, id: SessionId, failover: Failover) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.failover = failover;
        }
    }

    /// Sends data to the element that serves the session, or, if the fail-over is transparent, to the next one.
    pub fn send(&mut self, id: SessionId, message: UserMessage) -> Result<(), SendError> {
        SendError::check(&message)?;
        let session = self.sessions.get_mut(&id).ok_or(SendError::UnknownSession)?;
        let State::Connected(association) = session.state else {
            return session.keep_for_next(message, self.config.max_waiting_messages);
        };
        if self.io.is_full() {
            return Err(SendError::QueueFull);
        }
        // RFC 5352, 5: data has no place on the control channel.
        if message.ppid == ASAP_PPID && session.has_control() {
            return Err(SendError::ReservedPpid);
        }
        session.ppid = message.ppid;
        self.io.push(Command::Send { association, message });
        Ok(())
    }

    /// The association with the element that serves the session.
    pub fn association(&self, id: SessionId) -> Option<AssociationId> {
        match self.sessions.get(&id)?.state {
            State::Connected(association) => Some(association),
            _ => None,
        }
    }

    /// The element that serves the session, or is being connected.
    pub fn element(&self, id: SessionId) -> Option<&PoolElement> {
        self.sessions.get(&id)?.element.as_ref()
    }

    /// The elements that serve sessions now, since when, and the payload protocol that is spoken with them.
    pub fn serving(&self) -> impl Iterator<Item = (PeId, Time, u32)> {
        let is_served = |session: &&Session| matches!(session.state, State::Connected(_));
        let served = self.sessions.values().filter(is_served);
        served.filter_map(|session| Some((session.element.as_ref()?.id, session.since, session.ppid)))
    }

    /// Leaves the element, because the application sees that it does not do its work. With `unreachable`, the
    /// registrar is told (RFC 5352, 6.9.2).
    pub fn force_failover(&mut self, id: SessionId, unreachable: bool, now: Time) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (State::Connected(association) | State::Connecting(association)) = session.state else { return };
        self.io.push(Command::Abort { association });
        self.by_association.remove(&association);
        self.leave_element(id, LostReason::Local, unreachable, now);
    }

    /// Turns to no other element until the session is [released](Self::release_session): nobody fetches what the former ones have
    /// sent, and each could add to that as much as its association holds.
    pub fn hold_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.is_held = true;
        }
    }

    /// Looks for an element at the next [time-out](Self::handle_timeout), which is due at once, if that was held up.
    pub fn release_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.is_held = false;
        if session.state == State::Held {
            session.state = State::Resting;
            self.session_timers.set(id, Time::ZERO);
        }
    }

    /// Connects to the next element: one that is known and has not failed, else one that the registrar names.
    /// Asking for more elements than one pays here (RFC 5356, 5.1.3).
    fn find_element(&mut self, id: SessionId, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.is_held {
            session.state = State::Held;
            return;
        }
        let handle = session.pool_handle.clone();
        let may_use_cache = !session.failed.is_empty() || self.is_fresh(&handle, now);
        if may_use_cache && self.connect_to_next(id, now) {
            return;
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = State::Resolving;
        }
        self.request(handle, Purpose::Session(id), None, now);
    }

    /// Connects to an element out of the cache, if there is one that has not failed.
    fn connect_to_next(&mut self, id: SessionId, now: Time) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let preferred = session.next_preferred();
        session.is_recommended = preferred.is_some();
        let (pool_handle, failed) = (&session.pool_handle, &session.failed);
        let Some(element) = preferred.or_else(|| self.cache.pick_sctp(pool_handle, failed, &mut self.io.rng))
        else {
            return false;
        };
        let transport = &element.user_transport;
        let peer = Peer { addresses: transport.addresses.to_vec(), port: transport.port };
        let association = self.io.connect(peer);
        (session.state, session.element) = (State::Connecting(association), Some(element));
        self.by_association.insert(association, id);
        self.session_timers.set(id, now + self.config.connect_timeout);
        true
    }

    /// The registrar has answered a session's request.
    pub(crate) fn session_resolved(&mut self, id: SessionId, error: Option<ResolutionError>, now: Time) {
        let is_waiting = self.sessions.get(&id).is_some_and(|session| session.state == State::Resolving);
        if !is_waiting || (error.is_none() && self.connect_to_next(id, now)) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.state = State::Resting;
        session.failed.clear();
        let delay = self.config.retry_delay.saturating_mul(2u32.saturating_pow(session.rests));
        session.rests = session.rests.saturating_add(1);
        self.session_timers.set(id, now + delay.min(self.config.max_retry_delay));
        self.emit_session(id, SessionEvent::Waiting { error });
    }

    pub(crate) fn session_connected(&mut self, association: AssociationId, now: Time) {
        let Some(&id) = self.by_association.get(&association) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        (session.state, session.since) = (State::Connected(association), now);
        session.failed.clear();
        session.preferred.clear();
        self.session_timers.clear(id);
        let Some(element) = session.element.clone().map(Box::new) else { return };
        let is_first = !std::mem::replace(&mut session.was_connected, true);
        let has_control = session.has_control();
        let cookie = session.cookie.clone().filter(|_| has_control && !is_first);
        let has_cookie = cookie.is_some();
        // RFC 5352, 3.8: the cookie echo is the first message on the control channel.
        if let Some(cookie) = cookie {
            self.io.send_asap(association, &AsapMessage::CookieEcho(cookie), &self.config.format);
        }
        // RFC 5352, 3.9: a user that is an element, too, presents itself.
        if let Some(card) = self.config.business_card.clone().filter(|_| has_control) {
            self.io.send_asap(association, &card.into(), &self.config.format);
        }
        self.send_unsent(id, association);
        self.emit_session(
            id,
            match is_first {
                true => SessionEvent::Connected { element },
                false => SessionEvent::FailoverComplete { element, has_cookie },
            },
        );
    }

    fn send_unsent(&mut self, id: SessionId, association: AssociationId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        for message in session.unsent.drain(..) {
            self.io.push(Command::Send { association, message });
        }
    }

    /// The element that is about to be lost has not got a message, or perhaps not.
    pub(crate) fn session_undelivered(&mut self, association: AssociationId, message: UserMessage) {
        let session = self.by_association.get(&association).and_then(|id| self.sessions.get_mut(id));
        let Some(session) = session.filter(|session| session.failover == Failover::Transparent) else {
            return;
        };
        // The control channel says its own to the next element.
        if !session.has_control() || message.ppid != ASAP_PPID {
            session.unsent.push_back(message);
        }
    }

    pub(crate) fn session_lost(&mut self, association: AssociationId, reason: LostReason, now: Time) {
        if let Some(id) = self.by_association.remove(&association) {
            self.leave_element(id, reason, reason.is_of_peer(), now);
        }
    }

    /// A session's time to connect, or to rest, is over.
    pub(crate) fn session_timeout(&mut self, id: SessionId, now: Time) {
        match self.sessions.get(&id).map(|session| session.state) {
            Some(State::Connecting(association)) => {
                self.io.push(Command::Abort { association });
                self.session_lost(association, LostReason::TimedOut, now);
            }
            Some(State::Resting) => self.find_element(id, now),
            _ => {}
        }
    }

    fn leave_element(&mut self, id: SessionId, reason: LostReason, unreachable: bool, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let was_connected = matches!(session.state, State::Connected(_));
        // Some services never send anything: who has been there for long has worked as well.
        if was_connected && now >= session.since + self.config.max_retry_delay {
            session.rests = 0;
        }
        let handle = session.pool_handle.clone();
        session.state = State::Resting;
        let left = session.element.take();
        if session.failed.len() < MAX_FAILED {
            session.failed.extend(left.as_ref().map(|element| element.id));
        }
        let is_recommended = session.is_recommended;
        if was_connected {
            self.emit_session(id, SessionEvent::FailoverNecessary { reason });
        }
        // What an element says of another's address is no reason to have the registrar remove that.
        let is_known = |element: &PoolElement| {
            let known = self.cache.get(&handle, element.id);
            !is_recommended || known.is_some_and(|known| known.user_transport == element.user_transport)
        };
        if let Some(element) = left.filter(|element| unreachable && is_known(element)) {
            self.report(handle, element.id, now);
        }
        self.find_element(id, now);
    }

    /// Takes a message of a session. A message that finds no room costs the session its element: the application
    /// learns from the fail-over that replies are missing.
    pub(crate) fn session_message(&mut self, association: AssociationId, message: UserMessage, now: Time) {
        let Some(&id) = self.by_association.get(&association) else { return };
        if self.events.len() >= MAX_EVENTS {
            return self.force_failover(id, false, now);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.has_control() || message.ppid != ASAP_PPID {
            session.rests = 0;
            return self.emit_session(id, SessionEvent::Data(message));
        }
        match self.io.read_asap(association, &message.data, &self.config.format) {
            // RFC 5352, 3.8: the newest cookie replaces the older.
            Ok(AsapMessage::Cookie(cookie)) => session.cookie = Some(cookie),
            Ok(AsapMessage::BusinessCard { pool_handle, elements, .. }) => {
                self.take_business_card(id, BusinessCard { pool_handle, elements }, now);
            }
            Ok(message) => tracing::debug!(?message, "ignored on the control channel"),
            Err(_) => {}
        }
    }

    /// RFC 5352, 3.9 BC1 and BC2. An element has a say about its own pool only.
    fn take_business_card(&mut self, id: SessionId, card: BusinessCard, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if card.pool_handle == session.pool_handle {
            session.preferred = card.elements.iter().take(MAX_FAILED).cloned().collect();
            if !self.cache.knows(&card.pool_handle) && !self.is_asked(&card.pool_handle, Purpose::Cache) {
                self.request(card.pool_handle.clone(), Purpose::Cache, None, now);
            }
        }
        self.emit_session(id, SessionEvent::BusinessCard(card));
    }

    fn emit_session(&mut self, session: SessionId, event: SessionEvent) {
        self.events.push_back(PoolUserEvent::Session { session, event });
    }
}
