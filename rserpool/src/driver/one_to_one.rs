//! A server that gives each session a thread, which may wait and compute.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Scope};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socketapi::Stack;

use super::Error;
use super::listener::{self, AcceptedSession, Accepting};
use super::load::{Load, Share};
use super::network::Network;
use super::pool_element::Serving;
use super::runner::Runner;
use crate::registrar::UserId;
use crate::session::{BusinessCard, ServiceEvent, ServiceSessions};
use crate::transport::{Peer, UserMessage};

/// What an element does for its users, with a thread for each session: it may wait, and compute. Meanwhile 256 KiB of messages wait
/// for it, and what fits into the association's receive buffer; then its user waits, and the others go on. If a method panics, its
/// session is aborted, and the others go on.
///
/// ```
/// use rserpool::driver::*;
/// use rserpool::transport::UserMessage;
///
/// /// Adds numbers up. The sum is the session's state.
/// struct Adder;
///
/// impl SessionService for Adder {
///     fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
///         let mut sum = 0u64;
///         session.set_load(0.25); // of four sessions at most
///         loop {
///             match session.receive(None)? {
///                 // Another element has served this user before: go on where that was.
///                 ServerEvent::CookieEcho(cookie) => match cookie[..].try_into() {
///                     Ok(bytes) => sum = u64::from_be_bytes(bytes),
///                     Err(_) => return session.abort(),
///                 },
///                 ServerEvent::Data(message) => {
///                     sum = sum.wrapping_add(message.data.len() as u64);
///                     session.send(UserMessage::new(0, sum.to_string()))?;
///                     session.send_cookie(sum.to_be_bytes().to_vec())?;
///                 }
///                 _ => {}
///             }
///         }
///     }
///
///     fn refuse(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
///         session.send(UserMessage::new(0, "too many users, try another element"))
///     }
/// }
///
/// fn serve(stack: &socketapi::Stack, options: PoolElementOptions) -> Result<PoolElement, Error> {
///     PoolElement::start_sessions(stack, options, 4, Adder)
/// }
/// ```
pub trait SessionService: Send + Sync + 'static {
    /// Serves a session. With `Ok` it is closed after everything is delivered; with an error it is aborted, so that the user
    /// turns to another element. When the element is dropped, [`receive`](ServerSession::receive) returns
    /// [`Error::Stopping`]; a service that computes for long asks [`is_stopping`](ServerSession::is_stopping) now and then,
    /// since the drop waits for it.
    ///
    /// # Errors
    /// Usually those of the session's calls.
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error>;

    /// Sessions that one user may have at the same time, so that others find some; a user is who comes from one IPv4 address, or
    /// from one /64 network of IPv6. By default there is no such limit.
    fn max_sessions_of_user(&self) -> usize {
        usize::MAX
    }

    /// A user has come while all sessions are taken, or as many as he may have; after this the session is closed, and the user turns
    /// to another element.
    /// This is for a message that says so, and must not wait: others cannot come meanwhile.
    ///
    /// # Errors
    /// Those of the session's calls.
    fn refuse(&self, _session: &mut ServerSession<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// What a session brings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// The last cookie of the element that served the user before; it comes before any message. Unless cookies are
    /// [signed](super::PoolElementOptions::cookies), check it: it went through the user's hands (RFC 5352, 3.8).
    CookieEcho(Bytes),
    /// A message.
    Data(UserMessage),
    /// The user is itself an element of a pool, and tells whom to turn to when it fails (RFC 5352, 3.9).
    BusinessCard(BusinessCard),
}

/// What all sessions of an element have in common.
struct House {
    load: Arc<Load>,
    is_stopping: AtomicBool,
}

impl House {
    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// A session, for the thread that serves it.
pub struct ServerSession<'a> {
    house: &'a House,
    session: AcceptedSession,
    peer: Peer,
    share: Share,
    /// How long a send may wait for the user, 30 s by default.
    pub send_timeout: Duration,
}

impl<'a> ServerSession<'a> {
    fn new(house: &'a House, (session, peer): (AcceptedSession, Peer)) -> Self {
        Self { house, session, peer, share: Share::default(), send_timeout: Duration::from_secs(30) }
    }

    /// The user.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether the element is about to be dropped.
    pub fn is_stopping(&self) -> bool {
        self.house.is_stopping()
    }

    /// The next message, or what else has come; waits for it until `deadline`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::SessionOver`]; [`Error::Stopping`]; [`Error::CookieRejected`] if cookies
    /// are signed, and the user has echoed another one: who calls again goes on without it.
    pub fn receive(&mut self, deadline: Option<Instant>) -> Result<ServerEvent, Error> {
        loop {
            return match self.session.receive_unless(deadline, || self.house.is_stopping())? {
                ServiceEvent::CookieEcho { cookie, .. } => Ok(ServerEvent::CookieEcho(cookie)),
                ServiceEvent::Data { message, .. } => Ok(ServerEvent::Data(message)),
                ServiceEvent::BusinessCard { pool_handle, elements, .. } => {
                    Ok(ServerEvent::BusinessCard(BusinessCard { pool_handle, elements }))
                }
                ServiceEvent::CookieRejected { error, .. } => Err(Error::CookieRejected(error)),
                ServiceEvent::Ended { reason, .. } => Err(Error::SessionOver { reason }),
                ServiceEvent::Started { .. } => continue,
            };
        }
    }

    /// Sends a message; waits while the send buffer is full.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if the user takes nothing for [`send_timeout`](Self::send_timeout); [`Error::Stopping`] instead of
    /// waiting, when the element is about to be dropped; [`Error::Send`] if the session is over, or the message may not be sent.
    pub fn send(&mut self, message: UserMessage) -> Result<(), Error> {
        let deadline = Instant::now().checked_add(self.send_timeout);
        self.session.send_unless(deadline, &message, || self.house.is_stopping())
    }

    /// Gives the user the session's state, which goes to the next element if this one fails. A length that is a
    /// multiple of four suits RSPLIB.
    ///
    /// # Errors
    /// [`Error::Send`].
    pub fn send_cookie(&mut self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.session.send_cookie(cookie)
    }

    /// Ends the session at once, for `return session.abort()`; the user turns to another element.
    ///
    /// # Errors
    /// None; the type is that of [`SessionService::serve`].
    pub fn abort(&mut self) -> Result<(), Error> {
        self.session.abort();
        Ok(())
    }

    /// Reports this session's share of the element's load, from 0 to 1. With a policy that has a load (Least Used and its kin)
    /// the registrar learns of the sum of all sessions' shares, if it changes by a hundredth or more.
    pub fn set_load(&mut self, load: f64) {
        self.house.load.change(&mut self.share, load);
    }
}

impl Drop for ServerSession<'_> {
    fn drop(&mut self) {
        self.set_load(0.0);
    }
}

/// The server: a thread that accepts, and those of the sessions.
struct OneToOne {
    house: Arc<House>,
    runner: Arc<Runner<Accepting>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts to serve.
pub(super) fn start(
    stack: &Stack,
    sessions: ServiceSessions,
    network: Network,
    load: &Arc<Load>,
    max_sessions: usize,
    service: impl SessionService,
) -> Result<Box<dyn Serving>, Error> {
    let runner = listener::start(stack, sessions, network)?;
    let house = Arc::new(House { load: Arc::clone(load), is_stopping: AtomicBool::new(false) });
    let reception =
        Reception { house: Arc::clone(&house), runner: Arc::clone(&runner), max_sessions, service };
    let thread = std::thread::Builder::new()
        .name("reception".into())
        .spawn(move || reception.run())
        .map_err(Error::system("start a thread"))?;
    Ok(Box::new(OneToOne { house, runner, thread: Some(thread) }))
}

impl Serving for OneToOne {
    fn set_business_card(&self, card: BusinessCard) {
        self.runner.set_business_card(card);
    }

    fn sessions(&self) -> usize {
        Serving::sessions(&self.runner)
    }

    fn stop(&mut self) {
        self.house.is_stopping.store(true, Ordering::Release);
        // All who wait look around.
        self.runner.with(|engine, _| engine.machine.close());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

impl Drop for OneToOne {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where users come.
struct Reception<S> {
    house: Arc<House>,
    runner: Arc<Runner<Accepting>>,
    max_sessions: usize,
    service: S,
}

impl<S: SessionService> Reception<S> {
    fn run(&self) {
        std::thread::scope(|scope| {
            if let Err(error) = self.receive_users(scope) {
                tracing::error!(%error, "no more users are served");
            }
        });
    }

    fn receive_users<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Result<(), Error> {
        let mut seats = Seats::default();
        while let Some(accepted) = self.next_user()? {
            let session = ServerSession::new(&self.house, accepted);
            let user = session.peer.addresses.first().map(|address| UserId::of(*address));
            match seats.take(user, self.max_sessions, self.service.max_sessions_of_user()) {
                Some(seat) => self.serve(scope, session, seat),
                None => self.refuse(session),
            }
        }
        Ok(())
    }

    /// None when the element is about to be dropped.
    fn next_user(&self) -> Result<Option<(AcceptedSession, Peer)>, Error> {
        self.runner.wait(None, |engine| {
            let accepted = listener::accept(&self.runner, engine).map(Some);
            accepted.or_else(|| self.house.is_stopping().then_some(None))
        })
    }

    fn refuse(&self, session: ServerSession<'_>) {
        tracing::info!(peer = ?session.peer, "refused: all sessions are taken, or the user has enough");
        attend(session, |session| self.service.refuse(session));
    }

    fn serve<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        session: ServerSession<'scope>,
        seat: Arc<()>,
    ) {
        let serve = move || {
            tracing::info!(peer = ?session.peer, "session begins");
            attend(session, |session| self.service.serve(session));
            drop(seat);
        };
        let thread = std::thread::Builder::new().name("session".into());
        if let Err(error) = thread.spawn_scoped(scope, serve) {
            // The session ends with what would have served it, and the user turns to another element.
            tracing::error!(%error, "no thread for a session");
        }
    }
}

/// Who has how many sessions: a clone for each.
#[derive(Default)]
struct Seats(BTreeMap<Option<UserId>, Arc<()>>);

impl Seats {
    /// A seat for a user, unless `all` are taken, or he has `most` of them.
    fn take(&mut self, user: Option<UserId>, all: usize, most: usize) -> Option<Arc<()>> {
        let taken = |seats: &Arc<()>| Arc::strong_count(seats) - 1;
        self.0.retain(|_, seats| taken(seats) > 0);
        let is_full = self.0.values().map(taken).sum::<usize>() >= all;
        let has_enough = self.0.get(&user).map_or(0, taken) >= most;
        (!is_full && !has_enough).then(|| Arc::clone(self.0.entry(user).or_default()))
    }
}

/// Lets the service have a session, and ends it. A panic costs this session only.
fn attend<'a>(
    mut session: ServerSession<'a>,
    serve: impl FnOnce(&mut ServerSession<'a>) -> Result<(), Error>,
) {
    match catch_unwind(AssertUnwindSafe(|| serve(&mut session))) {
        Ok(outcome) => finish(session, outcome),
        Err(_) => {
            tracing::error!(peer = ?session.peer, "the service has panicked: session given up");
            session.session.abort();
        }
    }
}

/// Closes a session in good order, or aborts it.
fn finish(session: ServerSession<'_>, outcome: Result<(), Error>) {
    match outcome {
        Ok(()) => tracing::info!(peer = ?session.peer, "session ends"),
        Err(error @ Error::SessionOver { .. }) => tracing::info!(%error, peer = ?session.peer),
        Err(error) => {
            tracing::info!(%error, peer = ?session.peer, "session given up");
            session.session.abort();
        }
    }
}
