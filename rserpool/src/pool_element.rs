//! A pool element (RFC 5352, 3.1, 3.2, 3.4): registers with a registrar, keeps the registration alive, and moves to
//! another registrar when its home fails.
//!
//! One machine is one element of one pool. It speaks ASAP only: the sessions with pool users run over other
//! associations, see [`ServiceSessions`](crate::session::ServiceSessions).

mod resolutions;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use resolutions::Resolutions;

use crate::home::{Home, HomeEvent, HuntConfig, TcpHunt};
use crate::pool_user::ResolutionError;
use crate::timers::Timers;
use crate::transport::{AssociationId, Command, Io, Peer, TransportEvent, earliest};
use crate::wire::{
    ASAP_PPID, AsapMessage, EncodeError, ErrorCause, Format, Life, Policy, PoolElement as Description,
    Protocol, Transport,
};
use crate::{PeId, PoolHandle, Profile, RegistrarId, Time};

/// Settings of a pool element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolElementConfig {
    /// The pool to join.
    pub pool_handle: PoolHandle,
    /// Its identifier: a good random number (RFC 5352, 3.1 R2.2).
    pub id: PeId,
    /// How to select it.
    pub policy: Policy,
    /// Where it serves.
    pub user_transport: Transport,
    /// Whether an SCTP server's addresses are those of this host, whatever it gets and loses.
    pub follows_host: bool,
    /// How long a registration is valid.
    pub life: Life,
    /// When to renew it (T4); sooner if its life is short: 20 s before its end, or after half of it.
    pub reregistration_interval: Duration,
    /// How long to wait for the registrar's answers (T2, T3, and T1 of an element's own resolutions).
    pub request_timeout: Duration,
    /// After how many registrations without an answer, one after the other, to give up (MAX-REG-ATTEMPT): see
    /// [`PoolElementEvent::GaveUp`]. None: never, as suits a server that nobody watches.
    pub max_registration_attempts: Option<u32>,
    /// How long leaving the pool may take, with finding another registrar and all.
    pub deregistration_timeout: Duration,
    /// Whether only registrars that are configured, or have announced themselves, may make themselves the home (RFC 5352,
    /// 3.4). By default whoever reaches the element may, as the RFC has it: where strangers do, and registrars are configured,
    /// set this, and no announces.
    pub adopt_known_only: bool,
    /// How to find a registrar.
    pub hunt: HuntConfig,
    /// The dialect on the wire.
    pub format: Format,
}

impl PoolElementConfig {
    /// The profile's settings. The registration lives three times as long as the interval between renewals.
    pub fn new(
        pool_handle: PoolHandle,
        id: PeId,
        policy: Policy,
        user_transport: Transport,
        hunt: HuntConfig,
        profile: Profile,
    ) -> Self {
        let reregistration_interval = profile.millis(600_000, 30_000, 1000);
        Self {
            pool_handle,
            id,
            policy,
            user_transport,
            follows_host: false,
            life: Life::from(reregistration_interval * 3),
            reregistration_interval,
            request_timeout: profile.millis(30_000, 3000, 400),
            max_registration_attempts: None,
            deregistration_timeout: profile.millis(60_000, 4000, 1000),
            adopt_known_only: false,
            hunt,
            format: Format::default(),
        }
    }

    /// Renews the registration so often; it lives three times as long.
    pub fn renew_every(&mut self, interval: Duration) {
        self.reregistration_interval = interval;
        self.life = interval.saturating_mul(3).into();
    }

    /// Whether it can be registered.
    ///
    /// # Errors
    /// [`EncodeError`]: no message can say it, or none that all peers survive.
    pub fn check(&self) -> Result<(), EncodeError> {
        let (pool_handle, element) = (self.pool_handle.clone(), self.description());
        AsapMessage::Registration { pool_handle, element }.encode(&self.format).map(|_| ())
    }

    /// The element as the wire describes it (RFC 5352, 2.2.1 and 3.1 R2).
    pub fn description(&self) -> Description {
        Description {
            id: self.id,
            home: RegistrarId::NONE,
            life: self.life,
            user_transport: self.user_transport.clone(),
            policy: self.policy,
            asap_transport: None,
        }
    }

    /// RFC 5352, 3.1 and 7.1: T4 is over before the registration's life is.
    fn renewal_interval(&self) -> Duration {
        let Some(life) = self.life.duration() else { return self.reregistration_interval };
        let latest = life.saturating_sub(Duration::from_secs(20)).max(life / 2);
        self.reregistration_interval.min(latest)
    }
}

/// What a pool element tells its application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolElementEvent {
    /// The registrar has accepted a registration: the first one with this registrar, or one after a rejection.
    Registered,
    /// The registrar refuses. Nothing more happens until the policy changes, or the application corrects what is wrong and
    /// says [`register_again`](PoolElement::register_again) (RFC 5352, 3.1).
    Rejected(Vec<ErrorCause>),
    /// No registrar answers registrations, and no more are sent until [`register_again`](PoolElement::register_again).
    GaveUp {
        /// How many registrations were not answered.
        attempts: u32,
    },
    /// The home registrar failed; another one is sought.
    RegistrarLost,
    /// Another registrar has made itself the home (RFC 5352, 3.4).
    HomeChanged(RegistrarId),
    /// A resolution is done, see [`PoolElement::resolve`].
    Resolved {
        /// The pool.
        pool_handle: PoolHandle,
        /// Elements, best first, or why there are none.
        result: Result<Vec<Description>, ResolutionError>,
    },
    /// A registrar did not understand something (ASAP_ERROR; RFC 5352, 2.2.14).
    ErrorReported(Vec<ErrorCause>),
    /// Deregistered, or gave up trying to: the element is done.
    Deregistered {
        /// Whether a registrar confirmed it.
        confirmed: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Looks for a registrar.
    Hunting,
    /// Waits for the answer to a registration. `again`: the policy has changed since.
    Registering {
        again: bool,
        renewal: bool,
    },
    Registered,
    /// Rejected, or without any answer: waits for the application.
    Suspended,
    Deregistering,
    Done {
        confirmed: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// T2 and T3.
    Request,
    /// T4.
    Reregister,
    /// Leaving the pool has taken long enough.
    Leave,
    /// T1.
    Resolution,
}

/// Associations that registrars may open to us. The oldest makes room for a further one: who comes has something to say at once.
const MAX_INCOMING: usize = 64;
/// Events that wait for the driver; of more, the oldest are forgotten.
const MAX_EVENTS: usize = 1000;

/// See the module's documentation.
pub struct PoolElement {
    config: PoolElementConfig,
    io: Io,
    home: Home,
    phase: Phase,
    timers: Timers<Timer>,
    /// Registrations since the last one that was answered, or since a registrar has made itself the home.
    attempts: u32,
    resolutions: Resolutions,
    incoming: BTreeMap<AssociationId, Peer>,
    events: VecDeque<PoolElementEvent>,
}

impl PoolElement {
    /// An element that starts to look for a registrar now.
    pub fn new(config: PoolElementConfig, seed: u64, now: Time) -> Self {
        let mut io = Io::new(seed);
        let mut home = Home::new(config.hunt.clone(), TcpHunt::default(), config.format);
        home.start(&mut io, now);
        Self {
            config,
            io,
            home,
            phase: Phase::Hunting,
            timers: Timers::new(),
            attempts: 0,
            resolutions: Resolutions::default(),
            incoming: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Its settings.
    pub fn config(&self) -> &PoolElementConfig {
        &self.config
    }

    /// Whether a registrar has it in its handlespace, as far as we know.
    pub fn is_registered(&self) -> bool {
        matches!(self.phase, Phase::Registered | Phase::Registering { renewal: true, .. })
    }

    /// Its home registrar, and since when it is that; [`RegistrarId::NONE`] until that has said who it is.
    pub fn home(&self) -> Option<(RegistrarId, Time)> {
        self.home.registrar()
    }

    /// Changes the policy's numbers, such as the load, and tells the registrar. Changes that come faster than the
    /// registrar's answers are sent together.
    pub fn set_policy(&mut self, policy: Policy, now: Time) {
        if self.config.policy == policy {
            return;
        }
        self.config.policy = policy;
        self.renew(now);
    }

    /// Tells the registrar where it serves now (applic-mobility draft).
    fn move_to(&mut self, addresses: &[IpAddr], now: Time) {
        let transport = &mut self.config.user_transport;
        let follows = self.config.follows_host && matches!(transport.protocol, Protocol::Sctp(_));
        if follows && !addresses.is_empty() && transport.addresses[..] != *addresses {
            transport.addresses = addresses.iter().copied().collect();
            self.renew(now);
        }
    }

    /// Registers what has changed.
    fn renew(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Registered => self.register(now),
            Phase::Suspended => self.register_again(now),
            Phase::Registering { again, .. } => *again = true,
            Phase::Hunting | Phase::Deregistering | Phase::Done { .. } => {}
        }
    }

    /// Tries again after [`Rejected`](PoolElementEvent::Rejected) or [`GaveUp`](PoolElementEvent::GaveUp).
    pub fn register_again(&mut self, now: Time) {
        if self.phase != Phase::Suspended {
            return;
        }
        self.phase = Phase::Hunting;
        self.attempts = 0;
        match self.home.association() {
            Some(_) => self.register(now),
            None => self.home.start(&mut self.io, now),
        }
    }

    /// Leaves the pool. Go on driving the machine until [`PoolElementEvent::Deregistered`].
    pub fn deregister(&mut self, now: Time) {
        match self.phase {
            Phase::Deregistering | Phase::Done { .. } => return,
            Phase::Suspended if self.home.association().is_none() => return self.finish(false),
            _ => self.phase = Phase::Deregistering,
        }
        self.timers.clear(Timer::Reregister);
        self.timers.clear(Timer::Request);
        self.timers.set(Timer::Leave, now + self.config.deregistration_timeout);
        self.send_deregistration(now);
    }

    /// Whether a registrar has confirmed that it has left the pool; none as long as it has not left.
    pub fn deregistered(&self) -> Option<bool> {
        match self.phase {
            Phase::Done { confirmed } => Some(confirmed),
            _ => None,
        }
    }

    /// RFC 5352, 3.2 D1 to D4; without a registrar, as soon as there is one again.
    fn send_deregistration(&mut self, now: Time) {
        let Some(association) = self.home.association() else { return };
        let (pool_handle, pe_id) = (self.config.pool_handle.clone(), self.config.id);
        self.send(association, &AsapMessage::Deregistration { pool_handle, pe_id });
        self.timers.set(Timer::Request, now + self.config.request_timeout);
    }

    /// Something happened on the network.
    pub fn handle_event(&mut self, event: TransportEvent, now: Time) {
        match event {
            TransportEvent::Accepted { association, peer, .. } => self.accept(association, peer),
            TransportEvent::Connected { association, .. } => {
                let change = self.home.handle_connected(association, &mut self.io, now);
                self.handle_home(change, now);
            }
            TransportEvent::Lost { association, .. } => {
                self.incoming.remove(&association);
                if self.deregistered().is_none() {
                    let change = self.home.handle_lost(association, &mut self.io, now);
                    self.handle_home(change, now);
                }
            }
            TransportEvent::Message { association, message } => {
                if message.ppid != ASAP_PPID {
                    self.turn_away(association);
                } else if !self.io.is_full() {
                    self.handle_asap(association, &message.data, now);
                }
            }
            // What is lost with its registrar is sent anew to the next (RFC 5352, 3.7.1).
            TransportEvent::Undelivered { .. }
            | TransportEvent::Measured { .. }
            | TransportEvent::PeerMoved { .. } => {}
            TransportEvent::Moved { addresses, .. } => self.move_to(&addresses, now),
            TransportEvent::Resolved { side, targets } => {
                self.home.handle_resolved(side, targets, &mut self.io, now);
            }
            TransportEvent::Announce { source, data, .. } => {
                self.home.handle_announce(source, &data, &mut self.io, now);
            }
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Time) {
        let change = self.home.handle_timeout(&mut self.io, now);
        self.handle_home(change, now);
        while let Some(timer) = self.timers.pop_expired(now) {
            match timer {
                Timer::Reregister => self.register(now),
                Timer::Leave => self.finish(false),
                Timer::Resolution if !self.resolution_timed_out(now) => {}
                // RFC 5352, 3.1 and 3.2: no answer (T2, T3), so hunt for another registrar.
                Timer::Request | Timer::Resolution => {
                    self.home.fail(&mut self.io, now);
                    self.handle_home(Some(HomeEvent::Lost), now);
                }
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Time> {
        earliest(self.timers.next(), self.home.poll_timeout())
    }

    /// The next thing to do, until there is none.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.io.poll()
    }

    /// The next event, until there is none.
    pub fn poll_event(&mut self) -> Option<PoolElementEvent> {
        self.events.pop_front()
    }

    fn accept(&mut self, association: AssociationId, peer: Peer) {
        if self.deregistered().is_some() {
            return self.io.push(Command::Abort { association });
        }
        if self.incoming.len() == MAX_INCOMING
            && let Some((oldest, _)) = self.incoming.pop_first()
        {
            self.io.push(Command::Abort { association: oldest });
        }
        self.incoming.insert(association, peer);
    }

    /// A user that takes this port for a server's, as that of an element which was here before, is to look for another one.
    fn turn_away(&mut self, association: AssociationId) {
        if self.home.association() != Some(association) && self.incoming.remove(&association).is_some() {
            self.io.push(Command::Abort { association });
        }
    }

    fn handle_home(&mut self, change: Option<HomeEvent>, now: Time) {
        if change == Some(HomeEvent::Lost) {
            self.suspend_resolutions();
        }
        match (change, self.phase) {
            (Some(HomeEvent::Found), Phase::Deregistering) => self.send_deregistration(now),
            (Some(HomeEvent::Found), _) => self.register(now),
            (Some(HomeEvent::Lost), Phase::Deregistering) => self.timers.clear(Timer::Request),
            // RFC 5352, 3.1: no other registrar is asked before the error is corrected.
            (Some(HomeEvent::Lost), Phase::Suspended) => self.home.close(&mut self.io),
            (Some(HomeEvent::Lost), _) => {
                self.phase = Phase::Hunting;
                self.timers.clear(Timer::Request);
                self.timers.clear(Timer::Reregister);
                self.emit(PoolElementEvent::RegistrarLost);
                self.give_up_after_too_many();
            }
            (None, _) => {}
        }
        if change == Some(HomeEvent::Found) {
            self.send_resolutions(now);
        }
    }

    /// RFC 5352, 3.1 and 7.3: MAX-REG-ATTEMPT.
    fn give_up_after_too_many(&mut self) {
        let attempts = self.attempts;
        if self.config.max_registration_attempts.is_some_and(|max| attempts >= max) {
            self.phase = Phase::Suspended;
            self.home.close(&mut self.io);
            self.emit(PoolElementEvent::GaveUp { attempts });
        }
    }

    /// RFC 5352, 3.1 R2 to R4.
    fn register(&mut self, now: Time) {
        let Some(association) = self.home.association() else { return };
        let element = self.config.description();
        let pool_handle = self.config.pool_handle.clone();
        self.send(association, &AsapMessage::Registration { pool_handle, element });
        self.attempts = self.attempts.saturating_add(1);
        self.phase = Phase::Registering { again: false, renewal: self.is_registered() };
        self.timers.clear(Timer::Reregister);
        self.timers.set(Timer::Request, now + self.config.request_timeout);
    }

    fn send(&mut self, association: AssociationId, message: &AsapMessage) {
        self.io.send_asap(association, message, &self.config.format);
    }

    fn handle_asap(&mut self, association: AssociationId, data: &[u8], now: Time) {
        let is_home = self.home.association() == Some(association);
        if !is_home && !self.incoming.contains_key(&association) {
            return;
        }
        let Ok(message) = self.io.read_asap(association, data, &self.config.format) else { return };
        match message {
            AsapMessage::EndpointKeepAlive { new_home, registrar, pool_handle, pe_id } => {
                let is_mine = pe_id.is_none_or(|pe_id| pe_id == self.config.id);
                // RFC 5352, 3.4 KA1: discard what is for another pool.
                let is_ours = is_mine && pool_handle == self.config.pool_handle;
                if is_ours && self.deregistered().is_none() {
                    self.home.note_name(association, registrar);
                    self.handle_keep_alive(association, new_home.then_some(registrar), now);
                }
            }
            AsapMessage::RegistrationResponse { rejected, pool_handle, pe_id, errors }
                if is_home && self.is_me(&pool_handle, pe_id) =>
            {
                self.handle_registration_response(rejected, errors, now);
            }
            AsapMessage::DeregistrationResponse { pool_handle, pe_id, errors }
                if is_home && self.is_me(&pool_handle, pe_id) =>
            {
                match self.phase {
                    Phase::Deregistering => self.finish(errors.is_empty()),
                    // RFC 5352, 3.2: the registration's life ran out, but we still serve.
                    Phase::Registered => self.register(now),
                    _ => {}
                }
            }
            AsapMessage::HandleResolutionResponse { pool_handle, elements, errors, .. } if is_home => {
                self.handle_resolution_response(pool_handle, elements, errors);
            }
            AsapMessage::Error(causes) => self.emit(PoolElementEvent::ErrorReported(causes)),
            message => tracing::debug!(?message, "ignored"),
        }
    }

    fn is_me(&self, pool_handle: &PoolHandle, pe_id: PeId) -> bool {
        *pool_handle == self.config.pool_handle && pe_id == self.config.id
    }

    fn handle_registration_response(&mut self, rejected: bool, errors: Vec<ErrorCause>, now: Time) {
        let Phase::Registering { again, renewal } = self.phase else { return };
        self.timers.clear(Timer::Request);
        self.attempts = 0;
        self.phase = if rejected { Phase::Suspended } else { Phase::Registered };
        if rejected {
            self.emit(PoolElementEvent::Rejected(errors));
        } else {
            if !errors.is_empty() {
                // RFC 5352, 2.2.3.
                tracing::warn!(causes = ErrorCause::list(&errors), "registered, but the registrar warns");
            }
            self.timers.set(Timer::Reregister, now + self.config.renewal_interval());
            if !renewal {
                self.emit(PoolElementEvent::Registered);
            }
        }
        if again {
            self.register(now);
        }
    }

    /// RFC 5352, 3.4 KA2.
    fn handle_keep_alive(&mut self, association: AssociationId, new_home: Option<RegistrarId>, now: Time) {
        let (pool_handle, pe_id) = (self.config.pool_handle.clone(), self.config.id);
        self.send(association, &AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id });
        let may_adopt = self.home.association() != Some(association) && self.may_adopt(association, now);
        let Some(registrar) = new_home.filter(|_| may_adopt) else { return };
        self.home.adopt(association, &mut self.io, now);
        // It is the home's from now on: when it is given up, nobody says that it is gone.
        self.incoming.remove(&association);
        self.attempts = 0;
        self.timers.clear(Timer::Request);
        self.emit(PoolElementEvent::HomeChanged(registrar));
        match self.phase {
            Phase::Deregistering => self.send_deregistration(now),
            // What the old home has not answered, or what has changed since it was lost, the new one may not know.
            Phase::Registering { .. } | Phase::Hunting => self.register(now),
            // RFC 5352, 3.1: it is the application's turn all the same.
            Phase::Suspended => {}
            _ => {
                self.phase = Phase::Registered;
                self.timers.set(Timer::Reregister, now + self.config.renewal_interval());
            }
        }
        self.suspend_resolutions();
        self.send_resolutions(now);
    }

    fn may_adopt(&self, association: AssociationId, now: Time) -> bool {
        let is_known = |peer: &Peer| self.home.knows(peer, now);
        !self.config.adopt_known_only || self.incoming.get(&association).is_some_and(is_known)
    }

    fn finish(&mut self, confirmed: bool) {
        self.phase = Phase::Done { confirmed };
        self.home.close(&mut self.io);
        for timer in [Timer::Request, Timer::Reregister, Timer::Leave, Timer::Resolution] {
            self.timers.clear(timer);
        }
        self.emit(PoolElementEvent::Deregistered { confirmed });
    }

    fn emit(&mut self, event: PoolElementEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
