//! The element's side of its sessions.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;

use super::cookie::{Progress, Taken};
use super::{BusinessCard, CookieError, CookieProtection, SendError};
use crate::transport::{AssociationId, Command, Io, LostReason, Peer, TransportEvent, UserMessage};
use crate::wire::{ASAP_PPID, AsapMessage, Format, PoolElement, TransportUse};
use crate::{PeId, PoolHandle};

/// Settings of an element's sessions.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Whether the sessions have a control channel, as registered. Without, PPID 11 is data like any other.
    pub transport_use: TransportUse,
    /// Sessions at a time; further ones are aborted.
    pub max_sessions: usize,
    /// How cookies are signed, and those of other elements checked. None: they are not, as RSPLIB's; then a user can say to an
    /// element what it likes.
    pub cookies: Option<CookieProtection>,
    /// What each user is told when its session begins (RFC 5352, 3.9).
    pub business_card: Option<BusinessCard>,
    /// The element that the card names at this host's addresses, whatever they come to be; none if it says where it stays.
    pub follows_host: Option<PeId>,
    /// The dialect on the wire.
    pub format: Format,
}

impl Default for ServiceConfig {
    /// With control channel, 10,000 sessions, cookies that are not signed: a key that only one element knows would be of no
    /// use.
    fn default() -> Self {
        Self {
            transport_use: TransportUse::DataAndControl,
            max_sessions: 10_000,
            cookies: None,
            business_card: None,
            follows_host: None,
            format: Format::default(),
        }
    }
}

/// What happened in a session; its association names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceEvent {
    /// A pool user has connected.
    Started {
        /// The new session.
        session: AssociationId,
        /// The user.
        peer: Peer,
    },
    /// The user was served by another element before; this is that element's last cookie. It comes before the
    /// session's data. Unless cookies are [signed](ServiceConfig::cookies), check it: it went through the user's hands
    /// (RFC 5352, 3.8).
    CookieEcho {
        /// The session.
        session: AssociationId,
        /// The cookie.
        cookie: Bytes,
    },
    /// The user has echoed a cookie that is not to be believed. Whatever state it has told, the session has none: it may begin
    /// anew, or be aborted, so that the user tries another element.
    CookieRejected {
        /// The session.
        session: AssociationId,
        /// What is wrong with it.
        error: CookieError,
    },
    /// The user is itself an element of a pool (RFC 5352, 3.9).
    BusinessCard {
        /// The session.
        session: AssociationId,
        /// The user's pool.
        pool_handle: PoolHandle,
        /// Elements to turn to, in this order.
        elements: Vec<PoolElement>,
    },
    /// The application's data.
    Data {
        /// The session.
        session: AssociationId,
        /// The message.
        message: UserMessage,
    },
    /// The session is over.
    Ended {
        /// The session.
        session: AssociationId,
        /// Why.
        reason: LostReason,
    },
}

/// Events that wait for the driver; a session whose event finds no room is aborted.
const MAX_EVENTS: usize = 100_000;

/// One session.
struct Session {
    /// Whether it has brought data or a cookie.
    has_begun: bool,
    progress: Progress,
}

/// All sessions of one element.
pub struct ServiceSessions {
    config: ServiceConfig,
    io: Io,
    sessions: BTreeMap<AssociationId, Session>,
    taken: Taken,
    /// The time of day, since 1970.
    time: Duration,
    events: VecDeque<ServiceEvent>,
}

impl ServiceSessions {
    /// No sessions yet. `seed` is the source of the numbers by which elements know sessions.
    pub fn new(config: ServiceConfig, seed: u64) -> Self {
        let (sessions, events) = (BTreeMap::new(), VecDeque::new());
        let (taken, time) = (Taken::default(), Duration::ZERO);
        Self { config, io: Io::new(seed), sessions, taken, time, events }
    }

    /// Tells the time of day, since 1970, by which signed cookies grow old.
    pub fn set_time(&mut self, time: Duration) {
        self.time = time;
    }

    /// The sessions that are up.
    pub fn sessions(&self) -> impl Iterator<Item = AssociationId> {
        self.sessions.keys().copied()
    }

    /// Whether this session is up.
    pub fn contains(&self, session: AssociationId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// No user is served any more that is not served now.
    pub fn refuse_users(&mut self) {
        self.config.max_sessions = 0;
    }

    /// Something happened on the network.
    pub fn handle_event(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Accepted { association, peer, .. }
            | TransportEvent::Connected { association, peer } => {
                self.start(association, peer);
            }
            TransportEvent::Message { association: session, message }
                if self.sessions.contains_key(&session) =>
            {
                if self.events.len() >= MAX_EVENTS {
                    self.abort(session);
                } else if self.has_control() && message.ppid == ASAP_PPID {
                    self.handle_control(session, &message.data);
                } else {
                    self.begin(session);
                    self.events.push_back(ServiceEvent::Data { session, message });
                }
            }
            TransportEvent::Lost { association: session, reason }
                if self.sessions.remove(&session).is_some() =>
            {
                self.events.push_back(ServiceEvent::Ended { session, reason });
            }
            TransportEvent::Moved { addresses, .. } => self.move_to(&addresses),
            TransportEvent::Message { .. }
            | TransportEvent::Undelivered { .. }
            | TransportEvent::Measured { .. }
            | TransportEvent::PeerMoved { .. }
            | TransportEvent::Resolved { .. }
            | TransportEvent::Lost { .. }
            | TransportEvent::Announce { .. } => {}
        }
    }

    fn start(&mut self, session: AssociationId, peer: Peer) {
        if self.sessions.len() >= self.config.max_sessions || self.events.len() >= MAX_EVENTS {
            self.io.push(Command::Abort { association: session });
            return;
        }
        let progress = Progress::new(self.io.rng.random());
        self.sessions.insert(session, Session { has_begun: false, progress });
        self.events.push_back(ServiceEvent::Started { session, peer });
        // RFC 5352, 3.9.
        if let Some(card) = self.config.business_card.clone().filter(|_| self.has_control()) {
            self.io.send_asap(session, &card.into(), &self.config.format);
        }
    }

    /// Whether this is the first that the session brings.
    fn begin(&mut self, session: AssociationId) -> bool {
        self.sessions
            .get_mut(&session)
            .is_some_and(|session| !std::mem::replace(&mut session.has_begun, true))
    }

    /// RFC 5352, 3.8: the first message of a session, or none; state that is told later is nobody's.
    fn handle_cookie_echo(&mut self, session: AssociationId, cookie: Bytes) {
        if !self.begin(session) {
            return tracing::debug!(?session, "a cookie echo that was not the first message: ignored");
        }
        let Some(protection) = &self.config.cookies else {
            return self.events.push_back(ServiceEvent::CookieEcho { session, cookie });
        };
        let opened = protection.open(&cookie, self.time);
        let believed =
            opened.and_then(|(progress, state)| self.taken.note(progress).map(|()| (progress, state)));
        let event = match believed {
            Ok((progress, cookie)) => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.progress = progress.taken_over();
                }
                ServiceEvent::CookieEcho { session, cookie }
            }
            Err(error) => ServiceEvent::CookieRejected { session, error },
        };
        self.events.push_back(event);
    }

    fn handle_control(&mut self, session: AssociationId, data: &[u8]) {
        match self.io.read_asap(session, data, &self.config.format) {
            Ok(AsapMessage::CookieEcho(cookie)) => self.handle_cookie_echo(session, cookie),
            Ok(AsapMessage::BusinessCard { pool_handle, elements, .. }) => {
                self.events.push_back(ServiceEvent::BusinessCard { session, pool_handle, elements });
            }
            Ok(message) => tracing::debug!(?message, "ignored on the control channel"),
            Err(_) => {}
        }
    }

    /// Whether sessions have a control channel.
    fn has_control(&self) -> bool {
        self.config.transport_use == TransportUse::DataAndControl
    }

    /// Sends data.
    pub fn send(&mut self, session: AssociationId, message: UserMessage) -> Result<(), SendError> {
        SendError::check(&message)?;
        self.check(session)?;
        // RFC 5352, 5: data has no place on the control channel.
        if message.ppid == ASAP_PPID && self.has_control() {
            return Err(SendError::ReservedPpid);
        }
        self.io.push(Command::Send { association: session, message });
        Ok(())
    }

    /// Gives the user the session's state, to replace the cookie that it has (RFC 5352, 3.8). It goes signed if cookies are;
    /// if not, a length that is a multiple of four suits RSPLIB.
    pub fn send_cookie(&mut self, session: AssociationId, cookie: Bytes) -> Result<(), SendError> {
        self.check(session)?;
        if !self.has_control() {
            return Err(SendError::NoControlChannel);
        }
        let mut cookie = cookie;
        if let (Some(protection), Some(state)) = (&self.config.cookies, self.sessions.get_mut(&session)) {
            state.progress.number = state.progress.number.saturating_add(1);
            cookie = protection.sign(state.progress, self.time, &cookie);
        }
        let length = cookie.len();
        let message = AsapMessage::Cookie(cookie).encode(&self.config.format);
        self.io.send_data(session, message.map_err(|_| SendError::CookieTooLong { length })?);
        Ok(())
    }

    /// Tells all users, and those who come, whom to turn to when this element fails (RFC 5352, 3.9).
    pub fn set_business_card(&mut self, card: BusinessCard) {
        if self.has_control() {
            let message = AsapMessage::from(card.clone());
            for session in self.sessions.keys() {
                self.io.send_asap(*session, &message, &self.config.format);
            }
        }
        self.config.business_card = Some(card);
    }

    /// The business card says where the element is now (applic-mobility draft).
    fn move_to(&mut self, addresses: &[IpAddr]) {
        let Some(mut card) = self.config.business_card.clone().filter(|_| !addresses.is_empty()) else {
            return;
        };
        let own = card.elements.iter_mut().find(|element| Some(element.id) == self.config.follows_host);
        if let Some(transport) = own.map(|own| &mut own.user_transport)
            && *transport.addresses != *addresses
        {
            transport.addresses = addresses.iter().copied().collect();
            self.set_business_card(card);
        }
    }

    fn check(&self, session: AssociationId) -> Result<(), SendError> {
        match self.sessions.contains_key(&session) {
            false => Err(SendError::UnknownSession),
            true if self.io.is_full() => Err(SendError::QueueFull),
            true => Ok(()),
        }
    }

    /// Ends a session after everything is delivered.
    pub fn close(&mut self, session: AssociationId) {
        if self.sessions.remove(&session).is_some() {
            self.io.push(Command::Shutdown { association: session });
        }
    }

    /// Ends a session at once; its user will turn to another element.
    pub fn abort(&mut self, session: AssociationId) {
        if self.sessions.remove(&session).is_some() {
            self.io.push(Command::Abort { association: session });
            self.events.push_back(ServiceEvent::Ended { session, reason: LostReason::Local });
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.io.poll()
    }

    /// The next event, until there is none.
    pub fn poll_event(&mut self) -> Option<ServiceEvent> {
        self.events.pop_front()
    }
}
