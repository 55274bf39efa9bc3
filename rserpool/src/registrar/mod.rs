//! A registrar: elements register here, users resolve pools here (ASAP: RFC 5352, 3), and registrars tell each other what they know
//! (ENRP: RFC 5353, 3).
//!
//! Feed it with [`TransportEvent`]s and the time, fetch [`Command`]s and [`RegistrarEvent`]s after each call.

mod access;
mod asap;
mod config;
mod distance;
mod enrp;
mod liveness;
mod moves;
mod operation;
mod subscriptions;
mod users;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

pub use access::{Access, AccessRule, AccessRuleError, IpNet, PoolPattern, Right, Source};
pub use config::{EnrpConfig, RegistrarConfig, RegistrarEvent, RegistrarStatistics, RemovalReason};
pub use enrp::PeerCounts;
pub use operation::{Rejections, Removals};
pub use users::{UserId, UserLimits};

use crate::handlespace::{ElementKey, Handlespace};
use crate::rate::RateLimiter;
use crate::timers::Timers;
use crate::transport::{AssociationId, Command, Io, LostReason, Peer, Side, TransportEvent};
use crate::wire::{ASAP_PPID, ENRP_PPID, UpdateAction};
use crate::{PoolHandle, RegistrarId, Time};
use enrp::{Enrp, EnrpTimer};
use subscriptions::Subscriptions;
use users::Users;

/// What a registrar remembers of an element.
#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    /// Its association with this registrar; none if it is another registrar's.
    association: Option<AssociationId>,
    /// Whether it has said so itself that this is its home, and not only we.
    is_confirmed: bool,
    /// How often it was asked for that since it was to be this registrar's.
    claims: u8,
    unreachable_reports: u32,
    /// The download of its home's table that brought it last.
    round: u32,
    /// Another registrar says that it is its own.
    contested_by: RegistrarId,
}

/// What a registrar remembers of an association.
struct Association {
    peer: Peer,
    /// The address that it was set up from, the only one that is known to be the peer's.
    from: IpAddr,
    /// None if it has no limits.
    user: Option<UserId>,
    /// Elements come over SCTP only (RFC 5352, 2.1).
    is_sctp: bool,
    is_up: bool,
    /// Since when, as long as the peer has not said anything.
    silent_since: Option<Time>,
    /// In milliseconds; zero until it is measured.
    distance: u32,
    elements: BTreeSet<ElementKey>,
    /// Pools of whose changes it is told.
    topics: BTreeSet<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Announce,
    KeepAlive(ElementKey),
    KeepAliveAck(ElementKey),
    Life(ElementKey),
    Idle(AssociationId),
    /// An association that this registrar opened is to be up.
    SetUp(AssociationId),
    /// Those who are subscribed to a pool are to be told that it has changed.
    Update(usize),
    Enrp(EnrpTimer),
}

/// Events that wait for the driver; more are forgotten and counted.
const MAX_EVENTS: usize = 10_000;
/// Timers that are handled before it is the turn of what has come. Where more Keep-Alives are due than can be sent, requests, and what answers
/// the Keep-Alives, are heard all the same: at least twice as many messages of these as timers run out (`driver/runner.rs`).
const MOST_TIMERS: usize = 32;

/// See the module's documentation.
pub struct Registrar {
    config: RegistrarConfig,
    io: Io,
    handlespace: Handlespace<Member>,
    associations: BTreeMap<AssociationId, Association>,
    /// Who is at an address and port.
    places: BTreeMap<(IpAddr, u16), AssociationId>,
    /// Associations whose peers have not said anything, the oldest first.
    silent: BTreeSet<(Time, AssociationId)>,
    users: Users,
    /// Rejections that are told.
    rejections: RateLimiter,
    enrp: Enrp,
    /// Other registrars that announce themselves, and when they were heard.
    announcers: BTreeMap<RegistrarId, Time>,
    subscriptions: Subscriptions,
    timers: Timers<Timer>,
    events: VecDeque<RegistrarEvent>,
    statistics: RegistrarStatistics,
}

impl Registrar {
    /// A registrar that starts now. `seed` is the source of all its randomness.
    pub fn new(config: RegistrarConfig, seed: u64, now: Time) -> Self {
        let mut io = Io::new(seed);
        let policies = config.policies.clone();
        let handlespace = Handlespace::new(config.limits, &mut io.rng).with_policies(policies);
        let mut registrar = Self {
            config,
            io,
            handlespace,
            associations: BTreeMap::new(),
            places: BTreeMap::new(),
            silent: BTreeSet::new(),
            users: Users::default(),
            rejections: RateLimiter::default(),
            enrp: Enrp::new(),
            announcers: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            timers: Timers::new(),
            events: VecDeque::new(),
            statistics: RegistrarStatistics::default(),
        };
        registrar.begin(now);
        registrar
    }

    /// Its settings.
    pub fn config(&self) -> &RegistrarConfig {
        &self.config
    }

    /// The pools and their elements.
    pub fn handlespace(&self) -> &Handlespace<Member> {
        &self.handlespace
    }

    /// What it has done so far.
    pub fn statistics(&self) -> &RegistrarStatistics {
        &self.statistics
    }

    /// Something happened on the network.
    pub fn handle_event(&mut self, event: TransportEvent, now: Time) {
        match event {
            TransportEvent::Accepted { association, side: Side::Enrp, peer } => {
                self.accept_enrp(association, peer, now);
            }
            // RFC 5353, 3.2.3: who has not learned the handlespace offers no service.
            TransportEvent::Accepted { association, .. } if !self.is_serving() => {
                self.io.push(Command::Abort { association });
            }
            TransportEvent::Accepted { association, side, peer } => {
                self.accept(association, side, peer, now);
            }
            TransportEvent::Connected { association, peer } => {
                self.timers.clear(Timer::SetUp(association));
                if !self.handle_enrp_connected(association, &peer, now) {
                    self.handle_element_connected(association, now);
                }
            }
            TransportEvent::Message { .. } if self.io.is_full() => self.statistics.ignored_when_full += 1,
            TransportEvent::Message { association, message } if message.ppid == ASAP_PPID => {
                self.handle_asap_data(association, &message.data, now);
            }
            TransportEvent::Message { association, message } if message.ppid == ENRP_PPID => {
                self.handle_enrp(association, &message.data, now);
            }
            TransportEvent::Message { .. } => self.statistics.bad_messages += 1,
            TransportEvent::Undelivered { .. } | TransportEvent::Moved { .. } => {}
            TransportEvent::PeerMoved { association, peer } => self.move_peer(association, peer),
            TransportEvent::Measured { association, round_trip } => {
                self.handle_measured(association, round_trip);
            }
            TransportEvent::Resolved { side: Side::Enrp, targets } => self.seek_named_peers(targets, now),
            // Elements and users come by themselves.
            TransportEvent::Resolved { .. } => {}
            TransportEvent::Lost { association, reason } => self.handle_lost(association, reason, now),
            TransportEvent::Announce { side: Side::Enrp, source, data } => {
                self.handle_enrp_datagram(source, &data, now);
            }
            TransportEvent::Announce { data, .. } => self.hear_announce(&data, now),
        }
        self.schedule_updates(now);
    }

    /// Time passed: call it at [`poll_timeout`](Self::poll_timeout), or any time. What more is due then is left for the next call.
    pub fn handle_timeout(&mut self, now: Time) {
        for _ in 0..MOST_TIMERS {
            if self.io.is_full() {
                return;
            }
            let Some(timer) = self.timers.pop_expired(now) else { return };
            self.handle_timer(timer, now);
            self.schedule_updates(now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The next thing to do, until there is none.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.io.poll()
    }

    /// Whether there is a change of the handlespace to fetch.
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next change of the handlespace, until there is none.
    pub fn poll_event(&mut self) -> Option<RegistrarEvent> {
        self.events.pop_front()
    }

    /// An element or a user has come.
    fn accept(&mut self, association: AssociationId, side: Side, peer: Peer, now: Time) {
        let is_welcome = peer.addresses.first().is_some_and(|&from| {
            self.config.access.admits(from) && self.user_at(from).is_none_or(|(_, has_room)| has_room)
        });
        if !is_welcome || !self.has_room_for_association() {
            self.statistics.refused_associations += 1;
            self.io.push(Command::Abort { association });
            return;
        }
        self.add_association(association, side, peer, true, now);
        self.expect_word(association, now);
    }

    /// Whether there is room for one more, if need be after who is silent for the longest time has gone.
    fn has_room_for_association(&mut self) -> bool {
        if self.associations.len() < self.config.max_associations {
            return true;
        }
        let Some(&(_, silent)) = self.silent.first() else { return false };
        self.forget_association(silent);
        self.statistics.refused_associations += 1;
        self.io.push(Command::Abort { association: silent });
        true
    }

    /// An association with a peer that has an address.
    fn add_association(
        &mut self,
        association: AssociationId,
        side: Side,
        peer: Peer,
        is_up: bool,
        now: Time,
    ) {
        let Some(&from) = peer.addresses.first() else { return };
        let is_sctp = side != Side::AsapTcp;
        // Ports of TCP say nothing about who is at a port of SCTP.
        if is_sctp {
            self.enter_place(association, &peer);
        }
        let user = self.user_at(from).map(|(id, _)| id);
        self.enter_user(user, now);
        let state = Association {
            peer,
            from,
            user,
            is_sctp,
            is_up,
            silent_since: None,
            distance: 0,
            elements: BTreeSet::new(),
            topics: BTreeSet::new(),
        };
        self.associations.insert(association, state);
        self.restart_idle_timer(association, now);
    }

    /// Who has come has something to say.
    fn expect_word(&mut self, association: AssociationId, now: Time) {
        if let Some(state) = self.associations.get_mut(&association) {
            state.silent_since = Some(now);
            self.silent.insert((now, association));
            let patience = self.config.user_limits.silence.min(self.config.autoclose);
            self.timers.set(Timer::Idle(association), now + patience);
        }
    }

    fn handle_asap_data(&mut self, association: AssociationId, data: &[u8], now: Time) {
        if let Some(state) = self.associations.get_mut(&association)
            && let Some(since) = state.silent_since.take()
        {
            self.silent.remove(&(since, association));
        }
        if self.is_message_allowed(association, data, now) {
            self.restart_idle_timer(association, now);
            self.handle_asap(association, data, now);
        } else {
            self.statistics.rate_limited += 1;
        }
    }

    /// Opens an association. It must be up soon, whatever the driver says of it, or not: nobody is connected to twice at once.
    fn connect(&mut self, side: Side, peer: Peer, now: Time) -> AssociationId {
        let association = self.io.connect_from(side, peer);
        self.timers.set(Timer::SetUp(association), now + self.config.connect_timeout);
        association
    }

    fn handle_lost(&mut self, association: AssociationId, reason: LostReason, now: Time) {
        self.timers.clear(Timer::SetUp(association));
        if !self.handle_enrp_lost(association, now) {
            // Silence says less than a refusal.
            if reason == LostReason::TimedOut {
                self.claim_again(association, now);
            }
            self.drop_association(association, RemovalReason::AssociationLost);
            self.claim_more(now);
        }
    }

    fn give_up_set_up(&mut self, association: AssociationId, now: Time) {
        self.io.push(Command::Abort { association });
        self.handle_lost(association, LostReason::TimedOut, now);
    }

    /// The association of who has come to us from one of these addresses.
    fn association_with(&self, place: &Peer) -> Option<AssociationId> {
        let mut addresses = place.addresses.iter();
        addresses.find_map(|address| self.places.get(&(address.to_canonical(), place.port)).copied())
    }

    /// Who has come to us is found where it is for sure: anybody may claim more addresses. Where we went to, somebody has told us.
    fn enter_place(&mut self, association: AssociationId, peer: &Peer) {
        if let (AssociationId::Incoming(_), Some(address)) = (association, peer.addresses.first()) {
            self.places.insert((address.to_canonical(), peer.port), association);
        }
    }

    fn leave_places(&mut self, association: AssociationId, peer: &Peer) {
        for address in &peer.addresses {
            let place = (address.to_canonical(), peer.port);
            if self.places.get(&place) == Some(&association) {
                self.places.remove(&place);
            }
        }
    }

    fn forget_association(&mut self, association: AssociationId) -> Option<Association> {
        self.timers.clear(Timer::Idle(association));
        self.timers.clear(Timer::SetUp(association));
        self.enrp.claims.forget(association);
        let state = self.associations.remove(&association)?;
        if let Some(since) = state.silent_since {
            self.silent.remove(&(since, association));
        }
        self.leave_user(state.user, state.elements.len());
        self.unsubscribe_all(association, &state.topics);
        self.leave_places(association, &state.peer);
        Some(state)
    }

    fn restart_idle_timer(&mut self, association: AssociationId, now: Time) {
        if self.associations.contains_key(&association) {
            self.timers.set(Timer::Idle(association), now + self.config.autoclose);
        }
    }

    /// Forgets an association, and with it all elements that registered over it.
    fn drop_association(&mut self, association: AssociationId, reason: RemovalReason) {
        let Some(state) = self.forget_association(association) else { return };
        for key in state.elements {
            match self.heir(key) {
                Some(home) => self.leave_to(key, home),
                None => self.remove_element(key, reason),
            }
        }
    }

    /// Whose an element is that does not speak to us any more, if it is somebody's.
    fn heir(&self, key: ElementKey) -> Option<RegistrarId> {
        let element = self.handlespace.get(key)?;
        let (home, other) = (element.info.home, element.data.contested_by);
        if home == self.config.id {
            Some(other).filter(|other| *other != RegistrarId::NONE)
        } else {
            Some(home)
        }
    }

    /// The name of an element's pool.
    fn handle_of(&self, key: ElementKey) -> Option<PoolHandle> {
        self.handlespace.pool_of(key).map(|pool| pool.handle().clone())
    }

    /// Removes an element that is ours, and tells peers.
    fn remove_element(&mut self, key: ElementKey, reason: RemovalReason) {
        let Some(pool_handle) = self.handle_of(key) else { return };
        self.detach(key, Member::default());
        let Some(element) = self.handlespace.remove(key) else { return };
        self.note_removal(key);
        match reason {
            RemovalReason::Deregistered => self.statistics.deregistrations += 1,
            _ => self.statistics.removals.count(reason),
        }
        self.note_change(&pool_handle);
        self.announce_element(UpdateAction::Delete, &pool_handle, &element.info);
        self.emit(RegistrarEvent::Removed { pool_handle, element: element.info, reason });
    }

    /// Removes an element of another registrar.
    fn forget_element(&mut self, key: ElementKey) {
        if let Some(pool_handle) = self.handle_of(key) {
            self.note_change(&pool_handle);
        }
        self.detach(key, Member::default());
        self.handlespace.remove(key);
        self.note_removal(key);
    }

    /// The element has nothing to do with an association of ours any more, nor is it to have.
    fn detach(&mut self, key: ElementKey, member: Member) {
        self.enrp.claims.withdraw(key);
        self.release(key, member);
    }

    /// The same of one that may be claimed later.
    fn release(&mut self, key: ElementKey, member: Member) {
        for timer in [Timer::KeepAlive(key), Timer::KeepAliveAck(key), Timer::Life(key)] {
            self.timers.clear(timer);
        }
        let Some(data) = self.handlespace.data_mut(key) else { return };
        let before = std::mem::replace(data, member).association;
        if let Some(before) = before
            && let Some(state) = self.associations.get_mut(&before)
            && state.elements.remove(&key)
        {
            self.discount_element(before);
        }
    }

    fn emit(&mut self, event: RegistrarEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.statistics.lost_events += 1;
        }
    }
}
