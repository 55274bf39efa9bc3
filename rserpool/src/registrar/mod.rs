//! The registrar's ASAP side (RFC 5352, 3): elements register here, users resolve pools here.
//!
//! Feed it with [`TransportEvent`]s and the time, fetch [`Command`]s and [`RegistrarEvent`]s after each call. A peer
//! registrar's side (ENRP) plugs in at the events: each is a change of the handlespace that peers must hear of.

mod asap;
mod config;
mod liveness;
mod rate;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use config::{RegistrarConfig, RegistrarEvent, RegistrarStatistics, RemovalReason};

use crate::Time;
use crate::handlespace::{ElementKey, Handlespace};
use crate::timers::Timers;
use crate::transport::{AssociationId, Command, Io, Peer, TransportEvent};
use crate::wire::ASAP_PPID;
use rate::RateLimiter;

/// What a registrar remembers of an element.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    association: AssociationId,
    unreachable_reports: u32,
}

/// What a registrar remembers of an association.
struct Association {
    peer: Peer,
    elements: BTreeSet<ElementKey>,
    resolutions: RateLimiter,
    reports: RateLimiter,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Announce,
    KeepAlive(ElementKey),
    KeepAliveAck(ElementKey),
    Life(ElementKey),
    Idle(AssociationId),
}

/// Events that wait for the driver; more are forgotten and counted.
const MAX_EVENTS: usize = 10_000;

/// See the module's documentation.
pub struct Registrar {
    config: RegistrarConfig,
    io: Io,
    handlespace: Handlespace<Member>,
    associations: BTreeMap<AssociationId, Association>,
    timers: Timers<Timer>,
    events: VecDeque<RegistrarEvent>,
    statistics: RegistrarStatistics,
}

impl Registrar {
    /// A registrar that starts now. `seed` is the source of all its randomness.
    pub fn new(config: RegistrarConfig, seed: u64, now: Time) -> Self {
        let mut io = Io::new(seed);
        let handlespace = Handlespace::new(config.limits, &mut io.rng);
        let mut timers = Timers::new();
        if config.announce_interval.is_some() {
            timers.set(Timer::Announce, now);
        }
        Self {
            config,
            io,
            handlespace,
            associations: BTreeMap::new(),
            timers,
            events: VecDeque::new(),
            statistics: RegistrarStatistics::default(),
        }
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
            TransportEvent::Accepted { association, peer }
            | TransportEvent::Connected { association, peer } => {
                self.add_association(association, peer, now);
            }
            TransportEvent::Message { .. } if self.io.is_full() => self.statistics.ignored_when_full += 1,
            TransportEvent::Message { association, message } if message.ppid == ASAP_PPID => {
                self.restart_idle_timer(association, now);
                self.handle_asap(association, &message.data, now);
            }
            TransportEvent::Message { .. } => self.statistics.bad_messages += 1,
            TransportEvent::Lost { association, .. } => {
                self.drop_association(association, RemovalReason::AssociationLost);
            }
            TransportEvent::Announce { .. } => {}
        }
    }

    /// Time passed: call it at [`poll_timeout`](Self::poll_timeout), or any time.
    pub fn handle_timeout(&mut self, now: Time) {
        while !self.io.is_full() {
            let Some(timer) = self.timers.pop_expired(now) else { return };
            self.handle_timer(timer, now);
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

    /// The next change of the handlespace, until there is none.
    pub fn poll_event(&mut self) -> Option<RegistrarEvent> {
        self.events.pop_front()
    }

    fn add_association(&mut self, association: AssociationId, peer: Peer, now: Time) {
        if self.associations.len() >= self.config.max_associations {
            self.io.push(Command::Abort { association });
            return;
        }
        let state = Association {
            peer,
            elements: BTreeSet::new(),
            resolutions: RateLimiter::default(),
            reports: RateLimiter::default(),
        };
        self.associations.insert(association, state);
        self.restart_idle_timer(association, now);
    }

    fn restart_idle_timer(&mut self, association: AssociationId, now: Time) {
        if self.associations.contains_key(&association) {
            self.timers.set(Timer::Idle(association), now + self.config.autoclose);
        }
    }

    /// Forgets an association, and with it all elements that registered over it.
    fn drop_association(&mut self, association: AssociationId, reason: RemovalReason) {
        self.timers.clear(Timer::Idle(association));
        let Some(state) = self.associations.remove(&association) else { return };
        for key in state.elements {
            self.remove_element(key, reason);
        }
    }

    fn remove_element(&mut self, key: ElementKey, reason: RemovalReason) {
        for timer in [Timer::KeepAlive(key), Timer::KeepAliveAck(key), Timer::Life(key)] {
            self.timers.clear(timer);
        }
        let Some(pool_handle) = self.handlespace.pool_of(key).map(|pool| pool.handle().clone()) else {
            return;
        };
        let Some(element) = self.handlespace.remove(key) else { return };
        if let Some(state) = self.associations.get_mut(&element.data.association) {
            state.elements.remove(&key);
        }
        match reason {
            RemovalReason::Deregistered => self.statistics.deregistrations += 1,
            _ => self.statistics.removals += 1,
        }
        self.emit(RegistrarEvent::Removed { pool_handle, element: element.info, reason });
    }

    fn emit(&mut self, event: RegistrarEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.statistics.lost_events += 1;
        }
    }
}
