//! A pool user over real sockets.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use rustc_hash::FxHashMap;
use socketapi::{Stack, Time};

use super::Error;
use super::inbox::Inbox;
use super::multicast::AnnounceReceiver;
use super::names::NameOptions;
use super::network::{Binding, Flow, Network};
use super::runner::{Engine, Machine, Runner};
use super::session::Session;
use super::tasks::Tasks;
use crate::csp::{ComponentId, Group};
use crate::pool_user::{
    self, Destination, PoolUserConfig, PoolUserEvent, RequestId, ResolutionError, SendId, SubscriptionState,
};
use crate::session::{SessionEvent, SessionId};
use crate::transport::{AssociationId, Command, Peer, Side, TransportEvent, UserMessage};
use crate::wire::{ErrorCause, PoolElement};
use crate::{HuntConfig, PeId, PoolHandle, Profile, SctpSettings};

/// How a pool user finds registrars and elements.
#[derive(Clone, Debug)]
pub struct PoolUserOptions {
    /// Our addresses; none for all of the stack's.
    pub addresses: Vec<IpAddr>,
    /// How to resolve pools.
    pub config: PoolUserConfig,
    /// The group where announces of registrars are heard; none not to listen.
    pub announce: Option<SocketAddr>,
    /// How registrars' names are resolved.
    pub names: NameOptions,
    /// Parameters of its associations.
    pub sctp: SctpSettings,
}

impl PoolUserOptions {
    /// A user who knows these registrars, and does not listen to announces.
    pub fn new(registrars: Vec<Peer>, profile: Profile) -> Self {
        let config = PoolUserConfig::new(HuntConfig::new(registrars, profile), profile);
        let (names, sctp) = (NameOptions::new(profile), profile.sctp_settings());
        Self { addresses: Vec::new(), config, announce: None, names, sctp }
    }
}

pub(super) type Elements = Result<Vec<PoolElement>, ResolutionError>;

/// The machine, and what it brought for each waiting call.
pub(super) struct Sorted {
    pub(super) machine: pool_user::PoolUser,
    pub(super) sessions: Inbox<SessionId, SessionEvent>,
    /// Of resolutions that somebody waits for.
    resolved: FxHashMap<RequestId, Option<Elements>>,
    subscriptions: BTreeMap<u64, Updates>,
    /// Of messages without a session.
    messages: VecDeque<PoolUserEvent>,
}

/// What waits for one subscription.
struct Updates {
    pool_handle: PoolHandle,
    waiting: VecDeque<Update>,
}

/// What a task waits for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Session(SessionId),
    Resolution(RequestId),
    Pool(PoolHandle),
    Messages,
}

impl Sorted {
    /// An update of a pool, for all who are subscribed; who does not fetch them gets the newest.
    fn update(&mut self, pool_handle: PoolHandle, update: &Update) -> Topic {
        for updates in self.subscriptions.values_mut().filter(|updates| updates.pool_handle == pool_handle) {
            if updates.waiting.len() >= MAX_UPDATES {
                updates.waiting.pop_front();
            }
            updates.waiting.push_back(update.clone());
        }
        Topic::Pool(pool_handle)
    }

    /// Another subscription; the registrar is asked anew, so that it begins with what there is.
    fn subscribe(&mut self, pool_handle: PoolHandle, now: Time) -> u64 {
        let id = self.subscriptions.last_key_value().map_or(0, |(last, _)| last + 1);
        self.machine.subscribe(pool_handle.clone(), now);
        self.subscriptions.insert(id, Updates { pool_handle, waiting: VecDeque::new() });
        id
    }

    /// The registrar is told when it was the last one of its pool.
    fn unsubscribe(&mut self, id: u64, now: Time) {
        let Some(Updates { pool_handle, .. }) = self.subscriptions.remove(&id) else { return };
        if self.subscriptions.values().all(|updates| updates.pool_handle != pool_handle) {
            self.machine.unsubscribe(&pool_handle, now);
        }
    }

    /// Puts an event where it is waited for.
    fn sort(&mut self, event: PoolUserEvent) -> Option<Topic> {
        Some(match event {
            PoolUserEvent::Session { session, event } => {
                return self.sessions.push(session, event).then_some(Topic::Session(session));
            }
            PoolUserEvent::Resolved { request, result, .. } => {
                *self.resolved.get_mut(&request)? = Some(result);
                Topic::Resolution(request)
            }
            PoolUserEvent::Updated { pool_handle, elements } => {
                self.update(pool_handle, &Update::Elements(elements))
            }
            PoolUserEvent::Subscription { pool_handle, state } => {
                self.update(pool_handle, &Update::State(state))
            }
            PoolUserEvent::ErrorReported(causes) => {
                tracing::warn!(causes = ErrorCause::list(&causes), "the registrar reports");
                return None;
            }
            event => {
                self.messages.push_back(event);
                Topic::Messages
            }
        })
    }
}

/// Events of messages without a session that may wait for the application; with more, peers have to wait.
const MAX_MESSAGES: usize = 1000;
/// Updates of a pool that wait for the application; of more, the oldest are forgotten.
const MAX_UPDATES: usize = 16;

/// What happened to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The pool's elements, best first: all that the registrar tells of.
    Elements(Vec<PoolElement>),
    /// Whether updates come.
    State(SubscriptionState),
}

impl Machine for Sorted {
    type Topic = Topic;

    fn handle_event(&mut self, event: TransportEvent, now: Time) {
        self.machine.handle_event(event, now);
    }

    fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }

    fn poll_command(&mut self) -> Option<Command> {
        self.machine.poll_command()
    }

    fn handle_own_events(&mut self, tasks: &mut Tasks<Topic>) {
        while let Some(event) = self.machine.poll_event() {
            if let Some(topic) = self.sort(event) {
                tasks.wake(&topic);
            }
        }
    }

    fn poll_flow(&mut self) -> Option<Flow<AssociationId>> {
        let machine = &mut self.machine;
        // Of a session without an association there is nothing to be read.
        std::iter::from_fn(|| self.sessions.poll_flow()).find_map(|flow| match flow {
            Flow::Pause(session) => {
                machine.hold_session(session);
                machine.association(session).map(Flow::Pause)
            }
            Flow::Resume(session) => {
                machine.release_session(session);
                machine.association(session).map(Flow::Resume)
            }
        })
    }

    fn has_room(&self) -> bool {
        self.messages.len() < MAX_MESSAGES
    }
}

/// Uses pools: resolves their handles, and opens sessions with them. Clones share everything.
#[derive(Clone)]
pub struct PoolUser {
    runner: Arc<Runner<Sorted>>,
    /// Its name for monitors: random, nobody else knows pool users by name.
    pub(super) component: ComponentId,
}

impl PoolUser {
    /// A pool user; it looks for a registrar once it needs one.
    ///
    /// # Errors
    /// [`Error::Socket`]; [`Error::System`] if announces cannot be heard.
    pub fn start(stack: &Stack, options: PoolUserOptions) -> Result<Self, Error> {
        let binding = Binding {
            side: Side::Asap,
            addresses: options.addresses.clone(),
            port: 0,
            listen: false,
            config: options.sctp.association_config(),
        };
        let mut network = Network::open(stack, binding)?;
        let addresses = options.addresses;
        if let Some(group) = options.announce {
            network.receivers.push(AnnounceReceiver::open(Side::Asap, group)?);
        }
        network.resolve(Side::Asap, &options.config.hunt.names, &options.names)?;
        if !options.config.over_tcp.is_empty() {
            network.use_tcp(addresses)?;
            network.resolve(Side::AsapTcp, &options.config.over_tcp.names, &options.names)?;
        }
        let machine = Sorted {
            machine: pool_user::PoolUser::new(options.config, rand::random()),
            sessions: Inbox::new(),
            resolved: FxHashMap::default(),
            subscriptions: BTreeMap::new(),
            messages: VecDeque::new(),
        };
        let component = ComponentId::new(Group::PoolUser, rand::random());
        Ok(Self { runner: Arc::new(Runner::start("pool user", stack, machine, network)?), component })
    }

    /// Looks at its machine, at its addresses, and at the time.
    pub(super) fn look<T>(&self, look: impl FnOnce(&pool_user::PoolUser, Vec<SocketAddr>, Time) -> T) -> T {
        self.runner.with(|engine, now| look(&engine.machine.machine, engine.network.places(Side::Asap), now))
    }

    /// Waits until there is a registrar to ask: where it is.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn find_registrar(&self, deadline: Option<Instant>) -> Result<Peer, Error> {
        self.runner.with(|engine, now| engine.machine.machine.find_registrar(now));
        self.runner.wait(deadline, |engine| engine.machine.machine.registrar().cloned())
    }

    /// Elements of a pool, best first.
    ///
    /// # Errors
    /// [`Error::Resolution`] says why there are none; [`Error::TimedOut`].
    pub fn resolve(
        &self,
        pool_handle: PoolHandle,
        deadline: Option<Instant>,
    ) -> Result<Vec<PoolElement>, Error> {
        let question = self.ask(pool_handle);
        Ok(self.runner.wait(deadline, |engine| question.answer(engine))??)
    }

    pub(super) fn ask(&self, pool_handle: PoolHandle) -> Question {
        let request = self.runner.with(|engine, now| {
            let request = engine.machine.machine.resolve(pool_handle, now);
            engine.machine.resolved.insert(request, None);
            request
        });
        Question { runner: Arc::clone(&self.runner), request }
    }

    /// What is known of a pool, if that is fresh: see [`PoolUserConfig::stale_cache`].
    pub fn cached(&self, pool_handle: &PoolHandle) -> Option<Vec<PoolElement>> {
        self.runner.with(|engine, now| engine.machine.machine.cached(pool_handle, now))
    }

    /// Forgets what is known of a pool.
    pub fn purge(&self, pool_handle: &PoolHandle) {
        self.runner.with(|engine, _| engine.machine.machine.purge(pool_handle));
    }

    /// Tells the registrar that an element does not answer; whether it is told, see
    /// [`report_unreachable`](pool_user::PoolUser::report_unreachable).
    pub fn report_unreachable(&self, pool_handle: PoolHandle, pe_id: PeId) -> bool {
        self.runner.with(|engine, now| engine.machine.machine.report_unreachable(pool_handle, pe_id, now))
    }

    /// Asks the registrar to tell of each change of a pool, until the subscription is dropped. Where there are several of one pool, all
    /// hear the same.
    pub fn subscribe(&self, pool_handle: PoolHandle) -> Subscription {
        let id = self.runner.with(|engine, now| engine.machine.subscribe(pool_handle.clone(), now));
        Subscription { runner: Arc::clone(&self.runner), id, pool_handle }
    }

    /// Sends a message to a pool without a session, see [`send_to`](pool_user::PoolUser::send_to). Who sends so fetches what
    /// [`next_message_event`](Self::next_message_event) brings: when 1,000 such events wait, nothing more is read of the network, for
    /// sessions neither.
    ///
    /// # Errors
    /// [`SendError`](crate::session::SendError) in [`Error::Send`]: `QueueFull`, `Empty`, `TooLong`, `NoSuchStream`.
    pub fn send_to(
        &self,
        destination: Destination,
        message: UserMessage,
        failover: bool,
    ) -> Result<SendId, Error> {
        let send =
            |machine: &mut pool_user::PoolUser, now| machine.send_to(destination, message, failover, now);
        Ok(self.runner.with(|engine, now| send(&mut engine.machine.machine, now))?)
    }

    /// What has become of messages without a session, and messages of elements outside of sessions:
    /// [`Sent`](PoolUserEvent::Sent), [`Undelivered`](PoolUserEvent::Undelivered), [`Received`](PoolUserEvent::Received).
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn next_message_event(&self, deadline: Option<Instant>) -> Result<PoolUserEvent, Error> {
        self.runner.wait(deadline, |engine| engine.machine.messages.pop_front())
    }

    /// As [`PoolUser::next_message_event`], for futures of one's own.
    pub fn poll_message_event(&self, context: &mut Context<'_>) -> Poll<Result<PoolUserEvent, Error>> {
        self.runner.poll(context, Topic::Messages, |engine| engine.machine.messages.pop_front())
    }

    /// Opens a session with a pool. It finds an element by itself, and another one whenever that fails.
    pub fn open_session(&self, pool_handle: PoolHandle) -> Session {
        let id = self.runner.with(|engine, now| {
            let id = engine.machine.machine.open_session(pool_handle, now);
            engine.machine.sessions.open(id);
            id
        });
        Session::new(Arc::clone(&self.runner), id)
    }
}

/// A resolution that somebody waits for; dropped, its answer is only remembered.
pub(super) struct Question {
    runner: Arc<Runner<Sorted>>,
    request: RequestId,
}

impl Question {
    fn answer(&self, engine: &mut Engine<Sorted>) -> Option<Elements> {
        engine.machine.resolved.get_mut(&self.request)?.take()
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Elements, Error>> {
        self.runner.poll(context, Topic::Resolution(self.request), |engine| self.answer(engine))
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.runner.with(|engine, _| {
            engine.machine.resolved.remove(&self.request);
            // Nobody is left to take what a task has waited for.
            engine.tasks.wake(&Topic::Resolution(self.request));
        });
    }
}

/// Updates of a pool. Dropping it ends them.
pub struct Subscription {
    runner: Arc<Runner<Sorted>>,
    id: u64,
    pool_handle: PoolHandle,
}

impl Subscription {
    /// The next update. After [`SubscriptionState::Ended`] there is none: subscribe again when the pool may be there.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn next(&self, deadline: Option<Instant>) -> Result<Update, Error> {
        self.runner.wait(deadline, |engine| self.take(engine))
    }

    /// As [`Subscription::next`], for futures of one's own.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Update, Error>> {
        self.runner.poll(context, Topic::Pool(self.pool_handle.clone()), |engine| self.take(engine))
    }

    fn take(&self, engine: &mut Engine<Sorted>) -> Option<Update> {
        engine.machine.subscriptions.get_mut(&self.id)?.waiting.pop_front()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.runner.with(|engine, now| {
            engine.machine.unsubscribe(self.id, now);
            engine.tasks.wake(&Topic::Pool(self.pool_handle.clone()));
        });
    }
}
