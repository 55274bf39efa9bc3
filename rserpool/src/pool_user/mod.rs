//! A pool user (RFC 5352, 3.3 and 3.5): resolves pool handles at a registrar, remembers the answers, reports elements
//! that do not answer, and holds [sessions](crate::session) with pools.
//!
//! The services of RFC 5352, 6:
//!
//! | | |
//! |---|---|
//! | cache populate (6.3), translation (6.9.1) | [`resolve`](PoolUser::resolve), [`cached`](PoolUser::cached) |
//! | cache purge (6.4) | [`purge`](PoolUser::purge) |
//! | data send (6.5): to one, the last, all, a pool element handle | [`send_to`](PoolUser::send_to) |
//! | data received (6.6) | [`PoolUserEvent::Received`] |
//! | error report (6.7) | [`PoolUserEvent::Undelivered`], [`PoolUserEvent::ErrorReported`] |
//! | transport failure (6.9.2) | [`report_unreachable`](PoolUser::report_unreachable) |
//! | dynamic updates (2.2.5) | [`subscribe`](PoolUser::subscribe) |

mod cache;
mod reports;
mod requests;
mod sending;
mod subscriptions;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use requests::{RequestId, ResolutionError};
pub use sending::{Destination, ElementHandle, SendId, UndeliveredReason};
pub use subscriptions::SubscriptionState;

use cache::Cache;
use reports::Reports;
pub(crate) use requests::Purpose;
use requests::Request;
use sending::Channels;
use subscriptions::Subscriptions;

use crate::handlespace::Limits;
use crate::home::{Home, HuntConfig, TcpHunt};
use crate::policy::Policies;
use crate::session::user::Session;
use crate::session::{BusinessCard, SessionEvent, SessionId};
use crate::timers::Timers;
use crate::transport::{AssociationId, Command, Io, Peer, TransportEvent, UserMessage, earliest};
use crate::wire::{ASAP_PPID, ErrorCause, Format, PoolElement};
use crate::{PoolHandle, Profile, Rate, RegistrarId, Time};

/// Settings of a pool user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUserConfig {
    /// How to find a registrar.
    pub hunt: HuntConfig,
    /// Registrars to be asked over TCP. Sessions with elements are over SCTP in any case.
    pub over_tcp: TcpHunt,
    /// The dialect on the wire.
    pub format: Format,
    /// How many elements to ask for (0x803f option). Only asked when answers are not cached, as RSPLIB does.
    pub items: u32,
    /// How long an answer serves again (stale.cache.value); zero: each resolution asks the registrar.
    pub stale_cache: Duration,
    /// How long to wait for an answer before turning to another registrar (T1).
    pub request_timeout: Duration,
    /// How often a request that is not answered is sent again (MAX-REQUEST-RETRANSMIT). None: until `resolution_timeout`.
    pub max_request_retransmits: Option<u32>,
    /// How long a resolution may take, with finding registrars and all.
    pub resolution_timeout: Duration,
    /// Requests that may wait for an answer; further ones fail at once.
    pub max_requests: usize,
    /// How much to remember.
    pub cache_limits: Limits,
    /// The policies that it can select by, out of what it remembers.
    pub policies: Policies,
    /// How long connecting to an element may take.
    pub connect_timeout: Duration,
    /// How long a session rests when no element is to be had; twice as long each time, until an element has sent something,
    /// or has been there for `max_retry_delay`.
    pub retry_delay: Duration,
    /// What `retry_delay` grows to.
    pub max_retry_delay: Duration,
    /// Endpoint Unreachable reports per second; more are not sent (RFC 5352, 9.2). None: no limit.
    pub max_report_rate: Option<Rate>,
    /// For how long an element that was reported is not reported again: all associations with it tell the same.
    pub report_interval: Duration,
    /// Messages of [`send_to`](PoolUser::send_to) that may wait for an element.
    pub max_waiting_messages: usize,
    /// Associations for [`send_to`](PoolUser::send_to).
    pub max_channels: usize,
    /// How long such an association stays when nothing is sent or received.
    pub channel_idle: Duration,
    /// The element that this user is, too: [`Destination::All`] leaves it out.
    pub own_element: Option<ElementHandle>,
    /// What elements are told when a session begins, if this user is an element, too (RFC 5352, 3.9).
    pub business_card: Option<BusinessCard>,
}

impl PoolUserConfig {
    /// The profile's settings.
    pub fn new(hunt: HuntConfig, profile: Profile) -> Self {
        Self {
            hunt,
            over_tcp: TcpHunt::default(),
            format: Format::default(),
            items: 3,
            stale_cache: Duration::ZERO,
            request_timeout: profile.millis(15_000, 3000, 200),
            max_request_retransmits: if profile == Profile::Rfc { Some(2) } else { None },
            resolution_timeout: profile.millis(45_000, 30_000, 5000),
            max_requests: 1024,
            cache_limits: Limits { pools: 1000, elements: 10_000, addresses: 32 },
            policies: Policies::default(),
            connect_timeout: profile.millis(15_000, 5000, 200),
            retry_delay: profile.millis(2000, 500, 50),
            max_report_rate: Rate::per_second(10.0),
            max_retry_delay: profile.millis(60_000, 10_000, 500),
            report_interval: profile.millis(10_000, 1000, 50),
            max_waiting_messages: 1000,
            max_channels: 256,
            channel_idle: Duration::from_secs(30),
            own_element: None,
            business_card: None,
        }
    }
}

/// What a pool user tells its application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolUserEvent {
    /// A resolution is done.
    Resolved {
        /// Which.
        request: RequestId,
        /// The pool.
        pool_handle: PoolHandle,
        /// Elements, best first, or why there are none.
        result: Result<Vec<PoolElement>, ResolutionError>,
    },
    /// A pool to which the user is subscribed has changed, or is known for the first time.
    Updated {
        /// The pool.
        pool_handle: PoolHandle,
        /// Its elements, best first, as many as are asked for.
        elements: Vec<PoolElement>,
    },
    /// What the registrar makes of a subscription.
    Subscription {
        /// The pool.
        pool_handle: PoolHandle,
        /// Whether updates come.
        state: SubscriptionState,
    },
    /// A message of [`PoolUser::send_to`] is on its way.
    Sent {
        /// Which.
        send: SendId,
        /// To whom: maybe not to whom it was first meant for, after a fail-over.
        element: ElementHandle,
    },
    /// A message of [`PoolUser::send_to`] was not delivered, or perhaps not (RFC 5352, 6.7).
    Undelivered {
        /// Which.
        send: SendId,
        /// To whom it was to go; none if no element could be had.
        element: Option<ElementHandle>,
        /// The message.
        message: UserMessage,
        /// Why.
        reason: UndeliveredReason,
    },
    /// An element has sent a message on an association of [`PoolUser::send_to`] (RFC 5352, 6.6).
    Received {
        /// The element.
        element: ElementHandle,
        /// Its message.
        message: UserMessage,
    },
    /// The registrar did not understand something (ASAP_ERROR; RFC 5352, 2.2.14).
    ErrorReported(Vec<ErrorCause>),
    /// Something happened in a session.
    Session {
        /// Which.
        session: SessionId,
        /// What.
        event: SessionEvent,
    },
}

/// Events that wait for the application; what a peer sends beyond that costs it the association.
const MAX_EVENTS: usize = 100_000;

/// See the module's documentation.
pub struct PoolUser {
    pub(crate) config: PoolUserConfig,
    pub(crate) io: Io,
    home: Home,
    pub(crate) cache: Cache,
    requests: VecDeque<Request>,
    next_request: u64,
    reports: Reports,
    subscriptions: Subscriptions,
    channels: Channels,
    pub(crate) events: VecDeque<PoolUserEvent>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) next_session: u64,
    pub(crate) by_association: BTreeMap<AssociationId, SessionId>,
    pub(crate) session_timers: Timers<SessionId>,
}

impl PoolUser {
    /// A pool user; it looks for a registrar once it needs one.
    pub fn new(config: PoolUserConfig, seed: u64) -> Self {
        let mut io = Io::new(seed);
        Self {
            home: Home::new(config.hunt.clone(), config.over_tcp.clone(), config.format),
            cache: Cache::new(config.cache_limits, config.policies.clone(), config.stale_cache, &mut io.rng),
            reports: Reports::new(),
            subscriptions: Subscriptions::new(),
            channels: Channels::new(),
            config,
            io,
            requests: VecDeque::new(),
            next_request: 0,
            events: VecDeque::new(),
            sessions: BTreeMap::new(),
            next_session: 0,
            by_association: BTreeMap::new(),
            session_timers: Timers::new(),
        }
    }

    /// Asks for elements of a pool; [`PoolUserEvent::Resolved`] brings them, and they are remembered (RFC 5352, 6.3).
    /// [`pick`](Self::pick) and [`cached`](Self::cached) need no registrar while the answer is fresh.
    pub fn resolve(&mut self, pool_handle: PoolHandle, now: Time) -> RequestId {
        self.request(pool_handle, Purpose::Application, None, now)
    }

    /// The next element by the pool's policy out of an answer that is still fresh (RFC 5352, 3.3 C4).
    pub fn pick(&mut self, pool_handle: &PoolHandle, now: Time) -> Option<PoolElement> {
        match self.is_fresh(pool_handle, now) {
            true => self.cache.pick(pool_handle, &[], &mut self.io.rng),
            false => None,
        }
    }

    /// What is known of a pool, if that is still fresh (RFC 5352, 6.9.1).
    pub fn cached(&self, pool_handle: &PoolHandle, now: Time) -> Option<Vec<PoolElement>> {
        self.is_fresh(pool_handle, now).then(|| self.cache.elements(pool_handle))
    }

    /// Forgets what is known of a pool (RFC 5352, 6.4).
    pub fn purge(&mut self, pool_handle: &PoolHandle) {
        self.cache.forget(pool_handle);
    }

    /// Whether what is known of a pool counts: it is not old, or updates keep it new.
    pub(crate) fn is_fresh(&self, pool_handle: &PoolHandle, now: Time) -> bool {
        self.cache.is_fresh(pool_handle, now)
            || (self.subscriptions.is_active(pool_handle) && self.cache.knows(pool_handle))
    }

    /// Looks for a registrar, before there is anything to ask; [`registrar`](Self::registrar) says where it is once it is found.
    pub fn find_registrar(&mut self, now: Time) {
        self.home.start(&mut self.io, now);
    }

    /// Where the registrar is that it asks.
    pub fn registrar(&self) -> Option<&Peer> {
        self.home.place()
    }

    /// The registrar that it asks, and since when; [`RegistrarId::NONE`] unless an announce has told who it is.
    pub fn home(&self) -> Option<(RegistrarId, Time)> {
        self.home.registrar()
    }

    /// Something happened on the network.
    pub fn handle_event(&mut self, event: TransportEvent, now: Time) {
        match event {
            TransportEvent::Connected { association, .. } => {
                self.session_connected(association, now);
                self.channel_connected(association, now);
                let change = self.home.handle_connected(association, &mut self.io, now);
                self.handle_home(change, now);
            }
            TransportEvent::Lost { association, reason } => {
                self.session_lost(association, reason, now);
                self.channel_lost(association, reason, now);
                let change = self.home.handle_lost(association, &mut self.io, now);
                self.handle_home(change, now);
            }
            TransportEvent::Message { association, message } => {
                if self.home.association() == Some(association) {
                    if message.ppid == ASAP_PPID {
                        self.handle_asap(association, &message.data, now);
                    }
                } else if self.channels.contains(association) {
                    self.channel_message(association, message, now);
                } else {
                    self.session_message(association, message, now);
                }
            }
            TransportEvent::Undelivered { association, message } => {
                if self.channels.contains(association) {
                    self.channel_undelivered(association, message);
                } else {
                    self.session_undelivered(association, message);
                }
            }
            TransportEvent::Measured { .. }
            | TransportEvent::PeerMoved { .. }
            | TransportEvent::Moved { .. } => {}
            TransportEvent::Resolved { side, targets } => {
                self.home.handle_resolved(side, targets, &mut self.io, now);
            }
            TransportEvent::Announce { source, data, .. } => {
                self.home.handle_announce(source, &data, &mut self.io, now);
            }
            TransportEvent::Accepted { association, .. } => self.io.push(Command::Abort { association }),
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Time) {
        let change = self.home.handle_timeout(&mut self.io, now);
        self.handle_home(change, now);
        self.expire_requests(now);
        self.channel_timeouts(now);
        while let Some(session) = self.session_timers.pop_expired(now) {
            self.session_timeout(session, now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Time> {
        let deadlines = [
            self.next_request_deadline(),
            self.home.poll_timeout(),
            self.session_timers.next(),
            self.channels.next_deadline(),
        ];
        deadlines.into_iter().fold(None, earliest)
    }

    /// The next thing to do, until there is none.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.io.poll()
    }

    /// The next event, until there is none. Fetch events after each call: they carry the sessions' data.
    pub fn poll_event(&mut self) -> Option<PoolUserEvent> {
        self.events.pop_front()
    }
}
