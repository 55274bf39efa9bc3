//! A server whose sessions are all served by one value and one thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use socketapi::{Stack, Time};

use super::Error;
use super::load::{Load, Share};
use super::network::Network;
use super::pool_element::Serving;
use super::runner::{Machine, Runner};
use super::tasks::Tasks;
use crate::session::{BusinessCard, CookieError, SendError, ServiceEvent, ServiceSessions};
use crate::transport::{AssociationId, Command, LostReason, Peer, TransportEvent, UserMessage};

/// What an element does for its users. One value serves all sessions; it is called by one thread, and should not wait: meanwhile nothing
/// leaves its stack, so who waits there for the network does so in vain. For services that do wait, or compute, see
/// [`SessionService`](super::SessionService).
///
/// A user who does not read what is sent to him is not read either, once 256 KiB wait for him; what is sent to him without being asked for
/// has other bounds, at which the session is aborted.
///
/// If one of its methods panics, it is not called again, since it may be in any state: its sessions are aborted, so that the users
/// turn to other elements, and the element leaves the pool, which calls that wait for the registration hear as
/// [`Error::ServicePanicked`].
pub trait Service: Send + 'static {
    /// A user has connected.
    fn on_start(&mut self, _session: &mut ServiceSession<'_>, _peer: &Peer) {}

    /// A message has come.
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage);

    /// The user was served by another element before: this is that element's last cookie, and comes before any
    /// message. Unless cookies are [signed](super::PoolElementOptions::cookies), check it: it went through the user's hands.
    fn on_cookie_echo(&mut self, _session: &mut ServiceSession<'_>, _cookie: Bytes) {}

    /// The user has echoed a cookie that is not to be believed. By default the session is aborted, and the user tries another
    /// element; who does not abort it goes on without the state that the user expects.
    fn on_cookie_rejected(&mut self, session: &mut ServiceSession<'_>, error: CookieError) {
        tracing::warn!(%error, "cookie rejected");
        session.abort();
    }

    /// The user is itself an element of a pool, and tells whom to turn to when it fails.
    fn on_business_card(&mut self, _session: &mut ServiceSession<'_>, _card: BusinessCard) {}

    /// The session is over.
    fn on_end(&mut self, _sessions: &mut Sessions<'_>, _session: AssociationId, _reason: LostReason) {}

    /// When [`on_timeout`](Self::on_timeout) is to be called. Asked after each other call; `None` for not at all.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// The time that [`next_timeout`](Self::next_timeout) named has come; it is to name a later one from now on.
    fn on_timeout(&mut self, _sessions: &mut Sessions<'_>) {}

    /// The element is about to be dropped: send last cookies.
    fn on_stop(&mut self, _sessions: &mut Sessions<'_>) {}
}

/// All sessions of a service.
pub struct Sessions<'a> {
    sessions: &'a mut ServiceSessions,
    load: &'a mut ElementLoad,
}

impl Sessions<'_> {
    /// The session with this name, whether or not it is there (any more): what is sent tells.
    pub fn session(&mut self, id: AssociationId) -> ServiceSession<'_> {
        ServiceSession { sessions: self.sessions, load: self.load, id }
    }

    /// Reports the element's load, see [`ServiceSession::set_load`].
    pub fn set_load(&mut self, load: f64) {
        self.load.set(load);
    }
}

/// What a service can do with a session.
pub struct ServiceSession<'a> {
    sessions: &'a mut ServiceSessions,
    load: &'a mut ElementLoad,
    id: AssociationId,
}

impl ServiceSession<'_> {
    /// Names the session, for what the service remembers of it.
    pub fn id(&self) -> AssociationId {
        self.id
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`SendError::UnknownSession`] if it is closed; [`SendError::QueueFull`] if one call has sent 4,096 messages; what makes a message
    /// one that cannot be sent ([`SendError::Empty`], `TooLong`, `NoSuchStream`, `ReservedPpid`).
    pub fn send(&mut self, message: UserMessage) -> Result<(), SendError> {
        self.sessions.send(self.id, message)
    }

    /// Gives the user the session's state, which goes to the next element if this one fails. A length that is a
    /// multiple of four suits RSPLIB.
    ///
    /// # Errors
    /// [`SendError`]: `UnknownSession`, `QueueFull`, `NoControlChannel`, `CookieTooLong`.
    pub fn send_cookie(&mut self, cookie: impl Into<Bytes>) -> Result<(), SendError> {
        self.sessions.send_cookie(self.id, cookie.into())
    }

    /// Ends the session after everything is delivered.
    pub fn close(&mut self) {
        self.sessions.close(self.id);
    }

    /// Ends the session at once; the user turns to another element.
    pub fn abort(&mut self) {
        self.sessions.abort(self.id);
    }

    /// Reports how loaded the *element* is, from 0 to 1. With a policy that has a load (Least Used and its kin) the registrar
    /// learns of it, if it changes by a hundredth or more.
    pub fn set_load(&mut self, load: f64) {
        self.load.set(load);
    }
}

/// The one share of an element's load.
struct ElementLoad {
    load: Arc<Load>,
    share: Share,
}

impl ElementLoad {
    fn set(&mut self, load: f64) {
        self.load.change(&mut self.share, load);
    }
}

/// The sessions with the service behind them.
struct Server<S> {
    stack: Stack,
    sessions: ServiceSessions,
    service: S,
    /// What the service named last.
    next_timeout: Option<Instant>,
    has_panicked: bool,
    load: ElementLoad,
}

impl<S: Service> Machine for Server<S> {
    type Topic = ();

    fn handle_event(&mut self, event: TransportEvent, _now: Time) {
        self.sessions.set_time(time_of_day());
        self.sessions.handle_event(event);
    }

    fn handle_timeout(&mut self, _now: Time) {
        self.call(S::on_timeout);
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.next_timeout.map(|due| self.stack.time_at(due))
    }

    fn poll_command(&mut self) -> Option<Command> {
        self.sessions.poll_command()
    }

    fn handle_own_events(&mut self, _tasks: &mut Tasks<()>) {
        while let Some(event) = self.sessions.poll_event() {
            self.tell(event);
        }
    }
}

impl<S: Service> Server<S> {
    /// Calls the service, unless it has panicked before.
    fn call(&mut self, call: impl FnOnce(&mut S, &mut Sessions<'_>)) {
        if self.has_panicked {
            return;
        }
        let Self { service, sessions, load, .. } = self;
        let call = || {
            call(service, &mut Sessions { sessions, load });
            service.next_timeout()
        };
        // After a panic it is not used any more.
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(next_timeout) => self.next_timeout = next_timeout,
            Err(_) => self.give_up(),
        }
    }

    /// The service has panicked, which the panic hook has reported: no user is served here any more.
    fn give_up(&mut self) {
        tracing::error!(
            "the service has panicked: its users are turned away, and the element leaves the pool"
        );
        (self.has_panicked, self.next_timeout) = (true, None);
        self.sessions.refuse_users();
        let all: Vec<_> = self.sessions.sessions().collect();
        all.into_iter().for_each(|session| self.sessions.abort(session));
        self.load.load.leave();
    }

    fn tell(&mut self, event: ServiceEvent) {
        self.call(|service, all| match event {
            ServiceEvent::Started { session, peer } => service.on_start(&mut all.session(session), &peer),
            ServiceEvent::CookieEcho { session, cookie } => {
                service.on_cookie_echo(&mut all.session(session), cookie)
            }
            ServiceEvent::Data { session, message } => service.on_message(&mut all.session(session), message),
            ServiceEvent::Ended { session, reason } => service.on_end(all, session, reason),
            ServiceEvent::CookieRejected { session, error } => {
                service.on_cookie_rejected(&mut all.session(session), error);
            }
            ServiceEvent::BusinessCard { session, pool_handle, elements } => {
                service.on_business_card(&mut all.session(session), BusinessCard { pool_handle, elements });
            }
        });
    }
}

/// Since 1970; by it signed cookies grow old.
pub(super) fn time_of_day() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Starts to serve.
pub(super) fn start(
    stack: &Stack,
    sessions: ServiceSessions,
    mut network: Network,
    load: &Arc<Load>,
    service: impl Service,
) -> Result<Box<dyn Serving>, Error> {
    network.await_readers();
    let load = ElementLoad { load: Arc::clone(load), share: Share::default() };
    let next_timeout = service.next_timeout();
    let (stack_of_time, has_panicked) = (stack.clone(), false);
    let server = Server { stack: stack_of_time, sessions, service, next_timeout, has_panicked, load };
    Ok(Box::new(Runner::start("pool element", stack, server, network)?))
}

impl<S: Service> Serving for Runner<Server<S>> {
    fn set_business_card(&self, card: BusinessCard) {
        self.with(|engine, _| engine.machine.sessions.set_business_card(card));
    }

    fn sessions(&self) -> usize {
        self.with(|engine, _| engine.machine.sessions.sessions().count())
    }

    fn stop(&mut self) {
        self.with(|engine, _| engine.machine.call(S::on_stop));
    }
}
