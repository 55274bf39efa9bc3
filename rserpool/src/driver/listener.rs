//! An element whose sessions are accepted one by one, as connections are: for servers with a thread or a task for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use socketapi::{Stack, Time};

use super::Error;
use super::inbox::Inbox;
use super::network::{Flow, Network};
use super::one_to_many::time_of_day;
use super::pool_element::{PoolElement, PoolElementOptions, Serving};
use super::runner::{Engine, Machine, Runner};
use super::tasks::Tasks;
use crate::session::{BusinessCard, SendError, ServiceEvent, ServiceSessions};
use crate::transport::{AssociationId, Command, Peer, TransportEvent, UserMessage};

/// The sessions, and what they brought for each waiting call.
pub(super) struct Accepting {
    sessions: ServiceSessions,
    /// Of sessions that the application has, or may accept.
    events: Inbox<AssociationId, ServiceEvent>,
    acceptable: BTreeMap<AssociationId, Peer>,
}

/// What a task waits for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Accept,
    Session(AssociationId),
}

impl Accepting {
    /// Puts an event where it is waited for.
    fn sort(&mut self, event: ServiceEvent) -> Option<Topic> {
        let session = match &event {
            ServiceEvent::Started { session, peer } => {
                self.events.open(*session);
                self.acceptable.insert(*session, peer.clone());
                return Some(Topic::Accept);
            }
            ServiceEvent::Ended { session, .. } if self.acceptable.remove(session).is_some() => {
                self.events.close(*session);
                return None;
            }
            ServiceEvent::Ended { session, .. }
            | ServiceEvent::CookieEcho { session, .. }
            | ServiceEvent::CookieRejected { session, .. }
            | ServiceEvent::BusinessCard { session, .. }
            | ServiceEvent::Data { session, .. } => *session,
        };
        self.events.push(session, event).then_some(Topic::Session(session))
    }

    /// The next event of a session that the application has; an error if there will be none any more.
    fn take(&mut self, session: AssociationId) -> Option<Result<ServiceEvent, SendError>> {
        match self.events.pop(session) {
            Some(event) => Some(Ok(event)),
            None if self.sessions.contains(session) => None,
            None => Some(Err(SendError::UnknownSession)),
        }
    }

    /// Nobody accepts any more.
    pub(super) fn close(&mut self) {
        self.sessions.refuse_users();
        for (session, _) in std::mem::take(&mut self.acceptable) {
            self.sessions.abort(session);
            self.events.close(session);
        }
    }
}

impl Machine for Accepting {
    type Topic = Topic;

    fn handle_event(&mut self, event: TransportEvent, _now: Time) {
        self.sessions.set_time(time_of_day());
        self.sessions.handle_event(event);
    }

    fn poll_command(&mut self) -> Option<Command> {
        self.sessions.poll_command()
    }

    fn handle_own_events(&mut self, tasks: &mut Tasks<Topic>) {
        while let Some(event) = self.sessions.poll_event() {
            if let Some(topic) = self.sort(event) {
                tasks.wake(&topic);
            }
        }
    }

    fn poll_flow(&mut self) -> Option<Flow<AssociationId>> {
        self.events.poll_flow()
    }
}

impl Serving for Arc<Runner<Accepting>> {
    fn set_business_card(&self, card: BusinessCard) {
        self.with(|engine, _| engine.machine.sessions.set_business_card(card));
    }

    fn sessions(&self) -> usize {
        self.with(|engine, _| engine.machine.sessions.sessions().count())
    }
}

/// An element at work, whose sessions wait to be accepted. Dropping it ends the element and the sessions that nobody has accepted;
/// the others go on.
pub struct PoolListener {
    element: PoolElement,
    runner: Arc<Runner<Accepting>>,
}

impl PoolListener {
    /// Starts to listen, and to look for a registrar.
    ///
    /// # Errors
    /// As [`PoolElement::start`].
    pub fn bind(stack: &Stack, options: PoolElementOptions) -> Result<Self, Error> {
        let (element, runner) = PoolElement::with_server(stack, options, |sessions, network, _| {
            let runner = start(stack, sessions, network)?;
            Ok((Box::new(Arc::clone(&runner)) as Box<dyn Serving>, runner))
        })?;
        Ok(Self { element, runner })
    }

    /// Its membership in the pool.
    pub fn element(&self) -> &PoolElement {
        &self.element
    }

    /// The next session.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn accept(&self, deadline: Option<Instant>) -> Result<(AcceptedSession, Peer), Error> {
        self.runner.wait(deadline, |engine| accept(&self.runner, engine))
    }

    /// As [`PoolListener::accept`], for futures of one's own.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Result<(AcceptedSession, Peer), Error>> {
        self.runner.poll(context, Topic::Accept, |engine| accept(&self.runner, engine))
    }
}

/// Keeps sessions that are to be accepted.
pub(super) fn start(
    stack: &Stack,
    sessions: ServiceSessions,
    network: Network,
) -> Result<Arc<Runner<Accepting>>, Error> {
    let machine = Accepting { sessions, events: Inbox::new(), acceptable: BTreeMap::new() };
    Ok(Arc::new(Runner::start("pool listener", stack, machine, network)?))
}

/// The next session that nobody has accepted.
pub(super) fn accept(
    runner: &Arc<Runner<Accepting>>,
    engine: &mut Engine<Accepting>,
) -> Option<(AcceptedSession, Peer)> {
    let (id, peer) = engine.machine.acceptable.pop_first()?;
    Some((AcceptedSession { runner: Arc::clone(runner), id }, peer))
}

impl Drop for PoolListener {
    fn drop(&mut self) {
        self.runner.with(|engine, _| engine.machine.close());
    }
}

/// A session with a user. One thread may send while another receives. Dropping it ends it, after everything sent is delivered.
///
/// Whose events are not fetched makes its user wait, and nobody else: 256 KiB of them wait here, then the association's receive buffer
/// fills.
pub struct AcceptedSession {
    runner: Arc<Runner<Accepting>>,
    id: AssociationId,
}

impl AcceptedSession {
    /// Names the session.
    pub fn id(&self) -> AssociationId {
        self.id
    }

    /// The next message, or what else happened; [`ServiceEvent::Ended`] is the last. A [`ServiceEvent::CookieEcho`] comes before all
    /// messages, and is the state to go on from; after a [`ServiceEvent::CookieRejected`], [abort](Self::abort) or begin anew.
    ///
    /// # Errors
    /// [`SendError::UnknownSession`] in [`Error::Send`] after its end; [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the
    /// stack has failed.
    pub fn receive(&self, deadline: Option<Instant>) -> Result<ServiceEvent, Error> {
        Ok(self.runner.wait(deadline, |engine| engine.machine.take(self.id))??)
    }

    /// As [`AcceptedSession::receive`], for futures of one's own.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<ServiceEvent, Error>> {
        let topic = Topic::Session(self.id);
        self.runner.poll(context, topic, |engine| engine.machine.take(self.id)).map(|result| Ok(result??))
    }

    /// Sends a message; waits while the send buffer is full.
    ///
    /// # Errors
    /// In [`Error::Send`], [`SendError::UnknownSession`] after its end, or what makes a message one that cannot be sent
    /// ([`SendError::Empty`], `TooLong`, `NoSuchStream`, `ReservedPpid`).
    pub fn send(&self, message: &UserMessage) -> Result<(), Error> {
        self.send_until(message, None)
    }

    /// As [`AcceptedSession::send`], but waits until `deadline` only: a user who lives and does not read is waited for as long.
    ///
    /// # Errors
    /// Also [`Error::TimedOut`] at the deadline: the message is not sent.
    pub fn send_until(&self, message: &UserMessage, deadline: Option<Instant>) -> Result<(), Error> {
        self.send_unless(deadline, message, || false)
    }

    /// As [`AcceptedSession::receive`], but [`Error::Stopping`] instead of waiting if `stopping`; that is asked whenever anything
    /// happens.
    pub(super) fn receive_unless(
        &self,
        deadline: Option<Instant>,
        stopping: impl Fn() -> bool,
    ) -> Result<ServiceEvent, Error> {
        self.runner.wait(deadline, |engine| {
            let taken = engine.machine.take(self.id).map(|taken| taken.map_err(Error::from));
            taken.or_else(|| stopping().then_some(Err(Error::Stopping)))
        })?
    }

    /// As [`AcceptedSession::send`], with a deadline; as [`AcceptedSession::receive_unless`].
    pub(super) fn send_unless(
        &self,
        deadline: Option<Instant>,
        message: &UserMessage,
        stopping: impl Fn() -> bool,
    ) -> Result<(), Error> {
        self.runner.wait(deadline, |engine| {
            let sent = self.try_send(engine, message).map(|sent| sent.map_err(Error::from));
            sent.or_else(|| stopping().then_some(Err(Error::Stopping)))
        })?
    }

    /// As [`AcceptedSession::send`], for futures of one's own.
    pub fn poll_send(&self, context: &mut Context<'_>, message: &UserMessage) -> Poll<Result<(), Error>> {
        let topic = Topic::Session(self.id);
        let sent = self.runner.poll_room(context, topic, |engine| self.try_send(engine, message));
        sent.map(|result| Ok(result??))
    }

    fn try_send(
        &self,
        engine: &mut Engine<Accepting>,
        message: &UserMessage,
    ) -> Option<Result<(), SendError>> {
        // Where all has failed nothing leaves any more; the call tells why.
        if engine.has_failed() || engine.network.has_backlog(self.id) {
            return None;
        }
        match engine.machine.sessions.send(self.id, message.clone()) {
            Err(SendError::QueueFull) => None,
            result => Some(result),
        }
    }

    /// Gives the user the session's state, which goes to the next element if this one fails. A length that is a multiple of four
    /// suits RSPLIB. Does not wait: send the message that goes with it after it.
    ///
    /// # Errors
    /// [`SendError`] in [`Error::Send`]: `UnknownSession`, `QueueFull`, `NoControlChannel`, `CookieTooLong`.
    pub fn send_cookie(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        Ok(self.runner.with(|engine, _| engine.machine.sessions.send_cookie(self.id, cookie.into()))?)
    }

    /// Ends the session at once; the user turns to another element.
    pub fn abort(&self) {
        self.runner.with(|engine, _| engine.machine.sessions.abort(self.id));
    }
}

impl Drop for AcceptedSession {
    fn drop(&mut self) {
        self.runner.with(|engine, _| {
            engine.machine.sessions.close(self.id);
            engine.machine.events.close(self.id);
            // Nobody is left to take what a task has waited for.
            engine.tasks.wake(&Topic::Session(self.id));
        });
    }
}
