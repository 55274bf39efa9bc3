//! A pool user (RFC 5352, 3.3 and 3.5): resolves pool handles at a registrar, remembers the answers, reports elements
//! that do not answer, and holds [sessions](crate::session) with pools.

mod cache;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cache::Cache;

use crate::handlespace::Limits;
use crate::home::{Home, HomeEvent, HuntConfig};
use crate::session::user::Session;
use crate::session::{SessionEvent, SessionId};
use crate::timers::Timers;
use crate::transport::{AssociationId, Command, Io, TransportEvent, earliest};
use crate::wire::{ASAP_PPID, AsapMessage, ErrorCause, Format, Policy, PoolElement};
use crate::{PeId, PoolHandle, Profile, Time};

/// Settings of a pool user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUserConfig {
    /// How to find a registrar.
    pub hunt: HuntConfig,
    /// The dialect on the wire.
    pub format: Format,
    /// How many elements to ask for (0x803f option). Only asked when answers are not cached, as RSPLIB does.
    pub items: u32,
    /// How long an answer serves again (stale.cache.value); zero: each resolution asks the registrar.
    pub stale_cache: Duration,
    /// How long to wait for an answer before turning to another registrar (T1).
    pub request_timeout: Duration,
    /// How long a resolution may take, with finding registrars and all.
    pub resolution_timeout: Duration,
    /// Requests that may wait for an answer; further ones fail at once.
    pub max_requests: usize,
    /// How much to remember.
    pub cache_limits: Limits,
    /// How long connecting to an element may take.
    pub connect_timeout: Duration,
    /// How long a session rests when no element is to be had.
    pub retry_delay: Duration,
}

impl PoolUserConfig {
    /// The profile's settings.
    pub fn new(hunt: HuntConfig, profile: Profile) -> Self {
        Self {
            hunt,
            format: Format::default(),
            items: 3,
            stale_cache: Duration::ZERO,
            request_timeout: profile.millis(15_000, 3000, 200),
            resolution_timeout: profile.millis(45_000, 30_000, 5000),
            max_requests: 1024,
            cache_limits: Limits { pools: 1000, elements: 10_000, addresses: 32 },
            connect_timeout: profile.millis(15_000, 5000, 200),
            retry_delay: profile.millis(2000, 500, 50),
        }
    }
}

/// Names a resolution; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// Why a pool could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolutionError {
    /// The registrar refused; an unknown pool has the cause 9.
    #[error("the registrar refused: {}", ErrorCause::list(.0))]
    Refused(Vec<ErrorCause>),
    /// No registrar answered in time: check the registrars' addresses, or that their announces arrive.
    #[error("no registrar answered in time: check their addresses, or that their announces arrive")]
    TimedOut,
    /// Too many resolutions wait.
    #[error("too many resolutions wait for an answer")]
    TooManyRequests,
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
    /// Something happened in a session.
    Session {
        /// Which.
        session: SessionId,
        /// What.
        event: SessionEvent,
    },
}

/// A resolution that waits for its answer.
struct Request {
    id: RequestId,
    pool_handle: PoolHandle,
    session: Option<SessionId>,
    /// When it was sent to the present home registrar.
    sent: Option<Time>,
    expires: Time,
}

/// Reports that wait for a registrar; of more, the oldest are forgotten.
const MAX_REPORTS: usize = 64;

/// See the module's documentation.
pub struct PoolUser {
    pub(crate) config: PoolUserConfig,
    pub(crate) io: Io,
    home: Home,
    pub(crate) cache: Cache,
    requests: VecDeque<Request>,
    next_request: u64,
    reports: VecDeque<(PoolHandle, PeId)>,
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
            home: Home::new(config.hunt.clone(), config.format),
            cache: Cache::new(config.cache_limits, config.stale_cache, &mut io.rng),
            config,
            io,
            requests: VecDeque::new(),
            next_request: 0,
            reports: VecDeque::new(),
            events: VecDeque::new(),
            sessions: BTreeMap::new(),
            next_session: 0,
            by_association: BTreeMap::new(),
            session_timers: Timers::new(),
        }
    }

    /// Asks for elements of a pool; [`PoolUserEvent::Resolved`] brings them. [`pick`](Self::pick) needs no registrar
    /// while the answer is fresh.
    pub fn resolve(&mut self, pool_handle: PoolHandle, now: Time) -> RequestId {
        self.request(pool_handle, None, now)
    }

    /// The next element by the pool's policy out of an answer that is still fresh (RFC 5352, 3.3 C4).
    pub fn pick(&mut self, pool_handle: &PoolHandle, now: Time) -> Option<PoolElement> {
        match self.cache.is_fresh(pool_handle, now) {
            true => self.cache.pick(pool_handle, &[], &mut self.io.rng),
            false => None,
        }
    }

    /// Tells the registrar that an element does not answer, and does not use it again (RFC 5352, 3.5). Report each
    /// failure once.
    pub fn report_unreachable(&mut self, pool_handle: PoolHandle, pe_id: PeId) {
        self.cache.remove(&pool_handle, pe_id);
        if self.reports.len() == MAX_REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back((pool_handle, pe_id));
        self.flush();
    }

    /// Something happened on the network.
    pub fn handle_event(&mut self, event: TransportEvent, now: Time) {
        match event {
            TransportEvent::Connected { association, .. } => {
                self.session_connected(association);
                let change = self.home.handle_connected(association, &mut self.io, now);
                self.handle_home(change, now);
            }
            TransportEvent::Lost { association, reason } => {
                self.session_lost(association, reason, now);
                let change = self.home.handle_lost(association, &mut self.io, now);
                self.handle_home(change, now);
            }
            TransportEvent::Message { association, message } => {
                if self.home.association() != Some(association) {
                    self.session_message(association, message, now);
                } else if message.ppid == ASAP_PPID {
                    self.handle_asap(&message.data, now);
                }
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
        while self.requests.front().is_some_and(|request| request.expires <= now) {
            if let Some(request) = self.requests.pop_front() {
                self.finish(request, Err(ResolutionError::TimedOut), now);
            }
        }
        // RFC 5352, 3.7.2: T1 has expired.
        if self.answer_due().is_some_and(|due| due <= now) {
            self.home.fail(&mut self.io, now);
            self.handle_home(Some(HomeEvent::Lost), now);
        }
        while let Some(session) = self.session_timers.pop_expired(now) {
            self.session_timeout(session, now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Time> {
        let expires = self.requests.front().map(|request| request.expires);
        let requests = earliest(expires, self.answer_due());
        earliest(earliest(requests, self.home.poll_timeout()), self.session_timers.next())
    }

    /// The next thing to do, until there is none.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.io.poll()
    }

    /// The next event, until there is none. Fetch events after each call: they carry the sessions' data.
    pub fn poll_event(&mut self) -> Option<PoolUserEvent> {
        self.events.pop_front()
    }

    /// When the oldest request that was sent must be answered.
    fn answer_due(&self) -> Option<Time> {
        Some(self.requests.front()?.sent? + self.config.request_timeout)
    }

    /// RFC 5352, 3.3 NR1 to NR4.
    pub(crate) fn request(
        &mut self,
        pool_handle: PoolHandle,
        session: Option<SessionId>,
        now: Time,
    ) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let expires = now + self.config.resolution_timeout;
        let request = Request { id, pool_handle, session, sent: None, expires };
        if self.requests.len() >= self.config.max_requests {
            self.finish(request, Err(ResolutionError::TooManyRequests), now);
            return id;
        }
        self.requests.push_back(request);
        self.home.start(&mut self.io, now);
        self.send_requests(now);
        id
    }

    fn handle_home(&mut self, change: Option<HomeEvent>, now: Time) {
        match change {
            Some(HomeEvent::Found) => {
                self.send_requests(now);
                self.flush();
            }
            // What was asked must be asked again (RFC 5352, 3.7.1).
            Some(HomeEvent::Lost) => self.requests.iter_mut().for_each(|request| request.sent = None),
            None => {}
        }
    }

    /// Sends the requests that the home registrar has not got yet, one behind the other.
    fn send_requests(&mut self, now: Time) {
        let Some(association) = self.home.association() else { return };
        let items = self.config.stale_cache.is_zero().then_some(self.config.items);
        for request in self.requests.iter_mut().filter(|request| request.sent.is_none()) {
            let pool_handle = request.pool_handle.clone();
            let message = AsapMessage::HandleResolution { subscribe: false, pool_handle, items };
            self.io.send_asap(association, &message, &self.config.format);
            request.sent = Some(now);
        }
    }

    fn flush(&mut self) {
        let Some(association) = self.home.association() else { return };
        for (pool_handle, pe_id) in self.reports.drain(..) {
            let message = AsapMessage::EndpointUnreachable { pool_handle, pe_id };
            self.io.send_asap(association, &message, &self.config.format);
        }
    }

    fn handle_asap(&mut self, data: &[u8], now: Time) {
        match AsapMessage::parse(data, &self.config.format).map(|parsed| parsed.message) {
            Ok(AsapMessage::HandleResolutionResponse { pool_handle, policy, elements, errors, .. }) => {
                let result = if errors.is_empty() { Ok((policy, elements)) } else { Err(errors) };
                self.handle_response(&pool_handle, result, now);
            }
            Ok(message) => tracing::debug!(?message, "ignored"),
            Err(error) => tracing::debug!(%error, "bad ASAP message"),
        }
    }

    /// Answers come in the order of the requests; one that matches none was not asked for.
    fn handle_response(
        &mut self,
        pool_handle: &PoolHandle,
        result: Result<(Option<Policy>, Vec<PoolElement>), Vec<ErrorCause>>,
        now: Time,
    ) {
        let matches = |request: &Request| request.sent.is_some() && request.pool_handle == *pool_handle;
        let Some(at) = self.requests.iter().position(matches) else { return };
        let Some(request) = self.requests.remove(at) else { return };
        let result = match result {
            Ok((policy, elements)) => {
                self.cache.store(pool_handle, policy, &elements, now);
                Ok(elements)
            }
            Err(errors) => {
                self.cache.forget(pool_handle);
                Err(ResolutionError::Refused(errors))
            }
        };
        self.finish(request, result, now);
    }

    fn finish(&mut self, request: Request, result: Result<Vec<PoolElement>, ResolutionError>, now: Time) {
        let Request { id, pool_handle, session, .. } = request;
        match session {
            Some(session) => self.session_resolved(session, result.err(), now),
            None => self.events.push_back(PoolUserEvent::Resolved { request: id, pool_handle, result }),
        }
    }
}
