//! Finding a home registrar and staying with it (RFC 5352, 3.6): common to pool elements and pool users.
//!
//! A hunt connects to up to three registrars at once, from a random place in the list of those it knows, and picks
//! one of those that answer. Who fails is replaced by the next; when nobody is left, the hunt rests and starts again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;

use crate::transport::{AssociationId, Command, Io, Peer, earliest};
use crate::wire::{ASAP_PORT, AsapMessage, Format, Protocol};
use crate::{Profile, RegistrarId, Time};

/// Settings of the hunt for a registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HuntConfig {
    /// Registrars that are known beforehand.
    pub registrars: Vec<Peer>,
    /// Whether to learn registrars from announces.
    pub use_announces: bool,
    /// How many registrars to learn from announces: anybody can send them (RFC 5352, 9.2).
    pub max_learned: usize,
    /// How long an announce is valid (T7).
    pub announce_life: Duration,
    /// How many registrars to connect to at once; RFC 5352, 3.6 SH1 allows three.
    pub parallel_connects: usize,
    /// How long a round of connecting may last (T5).
    pub connect_timeout: Duration,
    /// How long to wait for a second registrar to choose from once the first has answered.
    pub choice_delay: Duration,
    /// How long to rest before the next round; doubles with each round that fails.
    pub retry_delay: Duration,
    /// What `retry_delay` grows to (RETRAN.max).
    pub max_retry_delay: Duration,
}

impl HuntConfig {
    /// The profile's settings, with these registrars.
    pub fn new(registrars: Vec<Peer>, profile: Profile) -> Self {
        Self {
            registrars,
            use_announces: true,
            max_learned: 64,
            announce_life: profile.millis(5000, 5000, 2000),
            parallel_connects: 3,
            connect_timeout: profile.millis(10_000, 7500, 400),
            choice_delay: profile.millis(100, 100, 0),
            retry_delay: profile.millis(1000, 500, 50),
            max_retry_delay: profile.millis(60_000, 10_000, 500),
        }
    }
}

/// What became of the link to the registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HomeEvent {
    /// There is a home registrar now: send requests.
    Found,
    /// The home registrar is lost, and the hunt is on.
    Lost,
}

/// A registrar that an announce named.
struct Learned {
    id: RegistrarId,
    peer: Peer,
    expires: Time,
}

struct Attempt {
    association: AssociationId,
    peer: Peer,
    connected: bool,
}

enum State {
    /// Not wanted yet, or no longer.
    Idle,
    Hunting {
        attempts: Vec<Attempt>,
        untried: VecDeque<Peer>,
        round_ends: Time,
        choose_at: Option<Time>,
    },
    Resting {
        until: Time,
    },
    Home {
        association: AssociationId,
        peer: Option<Peer>,
    },
}

/// The link to the home registrar.
pub(crate) struct Home {
    config: HuntConfig,
    format: Format,
    learned: Vec<Learned>,
    state: State,
    /// Who failed last, to be tried last.
    failed: Option<Peer>,
    retry_delay: Duration,
}

impl Home {
    pub(crate) fn new(config: HuntConfig, format: Format) -> Self {
        let retry_delay = config.retry_delay;
        Self { config, format, learned: Vec::new(), state: State::Idle, failed: None, retry_delay }
    }

    /// The association with the home registrar, while there is one.
    pub(crate) fn association(&self) -> Option<AssociationId> {
        match self.state {
            State::Home { association, .. } => Some(association),
            _ => None,
        }
    }

    /// Starts the hunt, unless it is on or over.
    pub(crate) fn start(&mut self, io: &mut Io, now: Time) {
        if matches!(self.state, State::Idle) {
            self.hunt(io, now);
        }
    }

    /// Gives up the home registrar, which does not do its work, and hunts for another.
    pub(crate) fn fail(&mut self, io: &mut Io, now: Time) {
        if let Some(association) = self.association() {
            io.push(Command::Abort { association });
            self.lose(io, now);
        }
    }

    /// Takes a registrar that came to us as home (RFC 5352, 3.4 KA2.4).
    pub(crate) fn adopt(&mut self, association: AssociationId, io: &mut Io) {
        self.close(io);
        self.state = State::Home { association, peer: None };
    }

    /// Closes every association and stops hunting.
    pub(crate) fn close(&mut self, io: &mut Io) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Home { association, .. } => io.push(Command::Shutdown { association }),
            State::Hunting { attempts, .. } => drop_attempts(attempts, io),
            State::Idle | State::Resting { .. } => {}
        }
    }

    /// Who to try, from a random place on; who failed last comes last.
    fn candidates(&mut self, io: &mut Io, now: Time) -> VecDeque<Peer> {
        self.learned.retain(|learned| learned.expires > now);
        let mut peers: VecDeque<_> = self.config.registrars.iter().cloned().collect();
        for learned in &self.learned {
            if !peers.contains(&learned.peer) {
                peers.push_back(learned.peer.clone());
            }
        }
        if !peers.is_empty() {
            peers.rotate_left(io.rng.random_range(0..peers.len()));
        }
        if let Some(at) = peers.iter().position(|peer| Some(peer) == self.failed.as_ref()) {
            let failed = peers.remove(at);
            peers.extend(failed);
        }
        peers
    }

    fn hunt(&mut self, io: &mut Io, now: Time) {
        let untried = self.candidates(io, now);
        let round_ends = now + self.config.connect_timeout;
        self.state = State::Hunting { attempts: Vec::new(), untried, round_ends, choose_at: None };
        self.connect_more(io);
    }

    fn connect_more(&mut self, io: &mut Io) {
        let State::Hunting { attempts, untried, .. } = &mut self.state else { return };
        while attempts.len() < self.config.parallel_connects {
            let Some(peer) = untried.pop_front() else { return };
            let association = io.connect(peer.clone());
            attempts.push(Attempt { association, peer, connected: false });
        }
    }

    fn lose(&mut self, io: &mut Io, now: Time) {
        if let State::Home { peer, .. } = &mut self.state {
            self.failed = peer.take();
        }
        self.hunt(io, now);
    }

    fn rest(&mut self, now: Time) {
        self.state = State::Resting { until: now + self.retry_delay };
        // RFC 5352, 3.6 SH5.1: double it, up to RETRAN.max.
        self.retry_delay = (self.retry_delay * 2).min(self.config.max_retry_delay);
    }

    pub(crate) fn handle_connected(
        &mut self,
        id: AssociationId,
        io: &mut Io,
        now: Time,
    ) -> Option<HomeEvent> {
        let State::Hunting { attempts, choose_at, .. } = &mut self.state else { return None };
        attempts.iter_mut().find(|attempt| attempt.association == id)?.connected = true;
        choose_at.get_or_insert(now + self.config.choice_delay);
        self.choose_when_ready(io, now)
    }

    /// An association ended; one of ours or not.
    pub(crate) fn handle_lost(&mut self, id: AssociationId, io: &mut Io, now: Time) -> Option<HomeEvent> {
        match &mut self.state {
            State::Home { association, .. } if *association == id => {
                self.lose(io, now);
                Some(HomeEvent::Lost)
            }
            State::Hunting { attempts, .. } => {
                attempts.retain(|attempt| attempt.association != id);
                self.connect_more(io);
                self.choose_when_ready(io, now)
            }
            _ => None,
        }
    }

    /// Settles once the time to choose has come, or nobody is left to wait for; rests when all have failed.
    fn choose_when_ready(&mut self, io: &mut Io, now: Time) -> Option<HomeEvent> {
        let State::Hunting { attempts, choose_at, untried, round_ends } = &mut self.state else {
            return None;
        };
        let connected: Vec<_> = (0..attempts.len()).filter(|&index| attempts[index].connected).collect();
        let all_answered = connected.len() == attempts.len();
        let round_is_over = now >= *round_ends;
        if connected.is_empty() {
            let failed = all_answered && untried.is_empty();
            if failed || round_is_over {
                drop_attempts(std::mem::take(attempts), io);
                self.rest(now);
            }
            return None;
        }
        if !all_answered && choose_at.is_none_or(|at| at > now) && !round_is_over {
            return None;
        }
        let chosen = attempts.swap_remove(connected[io.rng.random_range(0..connected.len())]);
        drop_attempts(std::mem::take(attempts), io);
        self.state = State::Home { association: chosen.association, peer: Some(chosen.peer) };
        self.retry_delay = self.config.retry_delay;
        Some(HomeEvent::Found)
    }

    /// RFC 5352, 3.6: an announce names the registrar's transports, or means the datagram's source.
    pub(crate) fn handle_announce(&mut self, source: SocketAddr, data: &[u8], io: &mut Io, now: Time) {
        if !self.config.use_announces {
            return;
        }
        let Ok(parsed) = AsapMessage::parse(data, &self.format) else { return };
        let AsapMessage::ServerAnnounce { registrar, transports } = parsed.message else { return };
        let sctp = transports.into_iter().find(|transport| matches!(transport.protocol, Protocol::Sctp(_)));
        let port = if source.port() == 0 { ASAP_PORT } else { source.port() };
        let peer = match sctp {
            Some(transport) => Peer { addresses: transport.addresses.into_vec(), port: transport.port },
            None => Peer { addresses: vec![source.ip()], port },
        };
        if self.learn(registrar, peer, now) {
            self.use_learned(io, now);
        }
    }

    /// Notes a registrar; whether it is new.
    fn learn(&mut self, id: RegistrarId, peer: Peer, now: Time) -> bool {
        let expires = now + self.config.announce_life;
        self.learned.retain(|learned| learned.expires > now);
        if let Some(known) = self.learned.iter_mut().find(|known| known.id == id && known.peer == peer) {
            known.expires = expires;
            return false;
        }
        let has_room = self.learned.len() < self.config.max_learned;
        if has_room {
            self.learned.push(Learned { id, peer, expires });
        }
        has_room
    }

    /// A hunt that knew too few tries the newcomer at once.
    fn use_learned(&mut self, io: &mut Io, now: Time) {
        let Some(newcomer) = self.learned.last().map(|learned| learned.peer.clone()) else { return };
        match &mut self.state {
            State::Hunting { attempts, untried, .. } => {
                if !untried.contains(&newcomer) && !attempts.iter().any(|attempt| attempt.peer == newcomer) {
                    untried.push_back(newcomer);
                    self.connect_more(io);
                }
            }
            State::Resting { .. } => self.hunt(io, now),
            State::Idle | State::Home { .. } => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self, io: &mut Io, now: Time) -> Option<HomeEvent> {
        match &self.state {
            State::Resting { until } if *until <= now => {
                self.hunt(io, now);
                None
            }
            State::Hunting { .. } => self.choose_when_ready(io, now),
            _ => None,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Resting { until } => Some(*until),
            State::Hunting { round_ends, choose_at, .. } => earliest(Some(*round_ends), *choose_at),
            State::Idle | State::Home { .. } => None,
        }
    }
}

fn drop_attempts(attempts: Vec<Attempt>, io: &mut Io) {
    for Attempt { association, connected, .. } in attempts {
        io.push(if connected { Command::Shutdown { association } } else { Command::Abort { association } });
    }
}
