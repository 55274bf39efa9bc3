//! The machines with their applications: a service that counts requests, and a user who sends them and keeps books.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rserpool::pool_element::{PoolElement, PoolElementEvent};
use rserpool::pool_user::{PoolUser, PoolUserEvent};
use rserpool::registrar::Registrar;
use rserpool::session::{ServiceConfig, ServiceEvent, ServiceSessions, SessionEvent, SessionId};
use rserpool::transport::{AssociationId, Command, TransportEvent, UserMessage};
use rserpool::{PoolHandle, Time};

/// Requests that may be unanswered.
pub(crate) const WINDOW: usize = 10;
/// Between requests: 200 in a second.
const INTERVAL: Duration = Duration::from_millis(5);
const PPID: u32 = 33;

/// A machine and its application.
pub(crate) enum Role {
    Registrar(Box<Registrar>),
    Element(Box<Element>),
    Service(Box<Service>),
    User(Box<Pinger>),
}

impl Role {
    pub(crate) fn handle_event(&mut self, event: TransportEvent, now: Time) {
        match self {
            Self::Registrar(registrar) => registrar.handle_event(event, now),
            Self::Element(element) => element.machine.handle_event(event, now),
            Self::Service(service) => service.sessions.handle_event(event),
            Self::User(pinger) => pinger.user.handle_event(event, now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        match self {
            Self::Registrar(registrar) => registrar.handle_timeout(now),
            Self::Element(element) => element.machine.handle_timeout(now),
            Self::Service(_) => {}
            Self::User(pinger) => pinger.user.handle_timeout(now),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Registrar(registrar) => registrar.poll_timeout(),
            Self::Element(element) => element.machine.poll_timeout(),
            Self::Service(_) => None,
            Self::User(pinger) => pinger.poll_timeout(),
        }
    }

    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        match self {
            Self::Registrar(registrar) => registrar.poll_command(),
            Self::Element(element) => element.machine.poll_command(),
            Self::Service(service) => service.sessions.poll_command(),
            Self::User(pinger) => pinger.user.poll_command(),
        }
    }

    /// The application's turn.
    pub(crate) fn work(&mut self, now: Time) {
        match self {
            Self::Registrar(registrar) => while registrar.poll_event().is_some() {},
            Self::Element(element) => {
                element.events.extend(std::iter::from_fn(|| element.machine.poll_event()))
            }
            Self::Service(service) => service.work(),
            Self::User(pinger) => pinger.work(now),
        }
    }

    /// What the application found wrong.
    pub(crate) fn fault(&self) -> Option<&str> {
        match self {
            Self::Registrar(_) | Self::Element(_) => None,
            Self::Service(service) => service.fault.as_deref(),
            Self::User(pinger) => pinger.fault.as_deref(),
        }
    }
}

/// An element's registration.
pub(crate) struct Element {
    pub(crate) machine: PoolElement,
    pub(crate) events: Vec<PoolElementEvent>,
}

/// What a service knows of a session.
#[derive(Default)]
struct Progress {
    /// The last request that was done; this is the cookie.
    done: u64,
    has_data: bool,
}

/// Does numbered requests, each once: what an element before has done, as the cookie says, is only answered again.
pub(crate) struct Service {
    sessions: ServiceSessions,
    progress: BTreeMap<AssociationId, Progress>,
    /// Sessions that were taken over.
    pub(crate) cookie_echoes: u64,
    fault: Option<String>,
}

impl Service {
    pub(crate) fn new() -> Self {
        let sessions = ServiceSessions::new(ServiceConfig::default(), 0);
        Self { sessions, progress: BTreeMap::new(), cookie_echoes: 0, fault: None }
    }

    fn work(&mut self) {
        while let Some(event) = self.sessions.poll_event() {
            if let Err(fault) = self.handle(event) {
                self.fault.get_or_insert(fault);
            }
        }
    }

    fn handle(&mut self, event: ServiceEvent) -> Result<(), String> {
        match event {
            ServiceEvent::Started { session, .. } => {
                self.progress.insert(session, Progress::default());
            }
            ServiceEvent::CookieEcho { session, cookie } => {
                let progress = self.progress.get_mut(&session).ok_or("cookie echo without session")?;
                if std::mem::replace(&mut progress.done, number(&cookie)?) != 0 || progress.has_data {
                    return Err("the cookie echo was not the first message".into());
                }
                self.cookie_echoes += 1;
            }
            ServiceEvent::Data { session, message } => self.serve(session, number(&message.data)?)?,
            ServiceEvent::Ended { session, .. } => drop(self.progress.remove(&session)),
            other => return Err(format!("unexpected: {other:?}")),
        }
        Ok(())
    }

    fn serve(&mut self, session: AssociationId, request: u64) -> Result<(), String> {
        let progress = self.progress.get_mut(&session).ok_or("data without session")?;
        progress.has_data = true;
        if request > progress.done + 1 {
            return Err(format!(
                "request {request} came after {}: state or requests got lost",
                progress.done
            ));
        }
        progress.done = progress.done.max(request);
        let cookie = Bytes::copy_from_slice(&progress.done.to_be_bytes());
        let reply = UserMessage::new(PPID, request.to_be_bytes().to_vec());
        // The cookie goes before the reply: whoever sees the reply has the cookie that goes with it.
        let sent =
            self.sessions.send_cookie(session, cookie).and_then(|()| self.sessions.send(session, reply));
        sent.map_err(|error| format!("cannot reply: {error}"))
    }
}

fn number(data: &[u8]) -> Result<u64, String> {
    data.try_into().map(u64::from_be_bytes).map_err(|_| format!("not a number: {data:02x?}"))
}

/// A user who sends numbered requests in one session, and after a fail-over again those that were not answered.
pub(crate) struct Pinger {
    user: PoolUser,
    session: SessionId,
    is_connected: bool,
    next: u64,
    goal: u64,
    outstanding: VecDeque<u64>,
    /// When the next request is to be sent.
    due: Time,
    pub(crate) replies: u64,
    last_reply: Time,
    /// The longest time from one reply to the next.
    pub(crate) longest_gap: Duration,
    /// What happened in the session, but for replies.
    pub(crate) history: Vec<(Time, SessionEvent)>,
    fault: Option<String>,
}

impl Pinger {
    /// One that sends requests from 1 to `goal`.
    pub(crate) fn new(mut user: PoolUser, pool: PoolHandle, goal: u64, now: Time) -> Self {
        let session = user.open_session(pool, now);
        Self {
            user,
            session,
            is_connected: false,
            next: 1,
            goal,
            outstanding: VecDeque::new(),
            due: now,
            replies: 0,
            last_reply: now,
            longest_gap: Duration::ZERO,
            history: Vec::new(),
            fault: None,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.replies == self.goal
    }

    /// The number of the element that serves.
    pub(crate) fn element(&self) -> Option<u32> {
        self.user.element(self.session).map(|element| element.id.0)
    }

    /// How many elements failed.
    pub(crate) fn failovers(&self) -> usize {
        let failed = |(_, event): &&_| matches!(event, SessionEvent::FailoverNecessary { .. });
        self.history.iter().filter(failed).count()
    }

    fn may_send(&self) -> bool {
        self.is_connected && self.outstanding.len() < WINDOW && self.next <= self.goal
    }

    fn poll_timeout(&self) -> Option<Time> {
        let due = self.may_send().then_some(self.due);
        due.into_iter().chain(self.user.poll_timeout()).min()
    }

    fn work(&mut self, now: Time) {
        while let Some(event) = self.user.poll_event() {
            match event {
                PoolUserEvent::Session { event: SessionEvent::Data(message), .. } => {
                    self.take_reply(&message, now)
                }
                PoolUserEvent::Session { event, .. } => self.handle(event, now),
                other => drop(self.fault.get_or_insert(format!("unexpected: {other:?}"))),
            }
        }
        while self.may_send() && self.due <= now {
            self.outstanding.push_back(self.next);
            self.send(self.next);
            self.next += 1;
            self.due += INTERVAL;
        }
    }

    fn handle(&mut self, event: SessionEvent, now: Time) {
        match event {
            SessionEvent::Connected { .. } => {
                self.is_connected = true;
                (self.due, self.last_reply) = (now, now);
            }
            SessionEvent::FailoverNecessary { .. } => self.is_connected = false,
            SessionEvent::FailoverComplete { .. } => {
                self.is_connected = true;
                self.outstanding.clone().into_iter().for_each(|request| self.send(request));
            }
            _ => {}
        }
        self.history.push((now, event));
    }

    fn send(&mut self, request: u64) {
        let message = UserMessage::new(PPID, request.to_be_bytes().to_vec());
        if let Err(error) = self.user.send(self.session, message) {
            self.fault.get_or_insert(format!("cannot send: {error}"));
        }
    }

    /// Each reply once, in the order of the requests.
    fn take_reply(&mut self, message: &UserMessage, now: Time) {
        let expected = self.outstanding.pop_front();
        let reply = number(&message.data).ok();
        if expected.is_none() || reply != expected {
            self.fault.get_or_insert(format!("reply {reply:?}, expected {expected:?}"));
        }
        self.replies += 1;
        self.longest_gap = self.longest_gap.max(now - self.last_reply);
        self.last_reply = now;
    }
}
