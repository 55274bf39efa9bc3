//! The element's side of its sessions.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::SendError;
use crate::PoolHandle;
use crate::transport::{AssociationId, Command, Io, LostReason, Peer, TransportEvent, UserMessage};
use crate::wire::{ASAP_PPID, AsapMessage, Format, PoolElement, TransportUse};

/// Settings of an element's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Whether the sessions have a control channel, as registered. Without, PPID 11 is data like any other.
    pub transport_use: TransportUse,
    /// Sessions at a time; further ones are aborted.
    pub max_sessions: usize,
    /// The dialect on the wire.
    pub format: Format,
}

impl Default for ServiceConfig {
    /// With control channel, 10,000 sessions.
    fn default() -> Self {
        Self { transport_use: TransportUse::DataAndControl, max_sessions: 10_000, format: Format::default() }
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
    /// session's data. Check it: it went through the user's hands (RFC 5352, 3.8).
    CookieEcho {
        /// The session.
        session: AssociationId,
        /// The cookie.
        cookie: Bytes,
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

/// All sessions of one element.
pub struct ServiceSessions {
    config: ServiceConfig,
    io: Io,
    sessions: BTreeSet<AssociationId>,
    events: VecDeque<ServiceEvent>,
}

impl ServiceSessions {
    /// No sessions yet.
    pub fn new(config: ServiceConfig) -> Self {
        Self { config, io: Io::new(0), sessions: BTreeSet::new(), events: VecDeque::new() }
    }

    /// The sessions that are up.
    pub fn sessions(&self) -> impl Iterator<Item = AssociationId> {
        self.sessions.iter().copied()
    }

    /// Something happened on the network.
    pub fn handle_event(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Accepted { association, peer, .. }
            | TransportEvent::Connected { association, peer } => {
                self.start(association, peer);
            }
            TransportEvent::Message { association: session, message } if self.sessions.contains(&session) => {
                if self.events.len() >= MAX_EVENTS {
                    self.abort(session);
                } else if self.has_control() && message.ppid == ASAP_PPID {
                    self.handle_control(session, &message.data);
                } else {
                    self.events.push_back(ServiceEvent::Data { session, message });
                }
            }
            TransportEvent::Lost { association: session, reason } if self.sessions.remove(&session) => {
                self.events.push_back(ServiceEvent::Ended { session, reason });
            }
            TransportEvent::Message { .. }
            | TransportEvent::Undelivered { .. }
            | TransportEvent::Lost { .. }
            | TransportEvent::Announce { .. } => {}
        }
    }

    fn start(&mut self, session: AssociationId, peer: Peer) {
        if self.sessions.len() >= self.config.max_sessions || self.events.len() >= MAX_EVENTS {
            self.io.push(Command::Abort { association: session });
            return;
        }
        self.sessions.insert(session);
        self.events.push_back(ServiceEvent::Started { session, peer });
    }

    fn handle_control(&mut self, session: AssociationId, data: &[u8]) {
        match self.io.read_asap(session, data, &self.config.format) {
            Some(AsapMessage::CookieEcho(cookie)) => {
                self.events.push_back(ServiceEvent::CookieEcho { session, cookie });
            }
            Some(AsapMessage::BusinessCard { pool_handle, elements, .. }) => {
                self.events.push_back(ServiceEvent::BusinessCard { session, pool_handle, elements });
            }
            Some(message) => tracing::debug!(?message, "ignored on the control channel"),
            None => {}
        }
    }

    /// Whether sessions have a control channel.
    fn has_control(&self) -> bool {
        self.config.transport_use == TransportUse::DataAndControl
    }

    /// Sends data.
    pub fn send(&mut self, session: AssociationId, message: UserMessage) -> Result<(), SendError> {
        self.check(session)?;
        // RFC 5352, 5: data has no place on the control channel.
        if message.ppid == ASAP_PPID && self.has_control() {
            return Err(SendError::ReservedPpid);
        }
        self.io.push(Command::Send { association: session, message });
        Ok(())
    }

    /// Gives the user the session's state, to replace the cookie that it has (RFC 5352, 3.8). RSPLIB reads only
    /// cookies whose length is a multiple of four.
    pub fn send_cookie(&mut self, session: AssociationId, cookie: Bytes) -> Result<(), SendError> {
        self.send_control(session, &AsapMessage::Cookie(cookie))
    }

    /// Tells the user whom to turn to when this element fails (RFC 5352, 3.9).
    pub fn send_business_card(
        &mut self,
        session: AssociationId,
        pool_handle: PoolHandle,
        elements: Vec<PoolElement>,
    ) -> Result<(), SendError> {
        self.send_control(session, &AsapMessage::BusinessCard { pool_handle, policy: None, elements })
    }

    fn send_control(&mut self, session: AssociationId, message: &AsapMessage) -> Result<(), SendError> {
        self.check(session)?;
        if !self.has_control() {
            return Err(SendError::NoControlChannel);
        }
        self.io.send_asap(session, message, &self.config.format);
        Ok(())
    }

    fn check(&self, session: AssociationId) -> Result<(), SendError> {
        match self.sessions.contains(&session) {
            false => Err(SendError::UnknownSession),
            true if self.io.is_full() => Err(SendError::QueueFull),
            true => Ok(()),
        }
    }

    /// Ends a session after everything is delivered.
    pub fn close(&mut self, session: AssociationId) {
        if self.sessions.remove(&session) {
            self.io.push(Command::Shutdown { association: session });
        }
    }

    /// Ends a session at once; its user will turn to another element.
    pub fn abort(&mut self, session: AssociationId) {
        if self.sessions.remove(&session) {
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
