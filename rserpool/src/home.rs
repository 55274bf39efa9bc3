//! Finding a home registrar and staying with it (RFC 5352, 3.6): common to pool elements and pool users.
//!
//! A hunt connects to up to three registrars at once, in random order (but see [`Target`]), and settles for the first in this order that
//! answers in time. Who fails is replaced by the next; when nobody is left, the hunt rests and starts again.
//!
//! Names of registrars are resolved by the driver, which is asked to do it again with each round of a hunt.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::transport::{AssociationId, Command, Io, Peer, Side, Target, earliest};
use crate::wire::{ASAP_PORT, AsapMessage, Format, Protocol, Transport};
use crate::{AddressScope, Profile, RegistrarId, RegistrarName, Time};

/// Settings of the hunt for a registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HuntConfig {
    /// Registrars that are known beforehand.
    pub registrars: Vec<Peer>,
    /// Names that stand for more of them.
    pub names: Vec<RegistrarName>,
    /// Whether to learn registrars from announces.
    pub use_announces: bool,
    /// How many registrars to learn from announces: anybody can send them (RFC 5352, 9.2).
    pub max_learned: usize,
    /// How long an announce is valid (T7).
    pub announce_life: Duration,
    /// How many registrars to connect to at once; no more than three (RFC 5352, 3.6 SH1).
    pub parallel_connects: usize,
    /// How long a round of connecting may last (T5); doubles with each round that brings nobody.
    pub connect_timeout: Duration,
    /// How long to wait for a second registrar to choose from once the first has answered.
    pub choice_delay: Duration,
    /// How long to rest when all have refused; doubles each time.
    pub retry_delay: Duration,
    /// What `connect_timeout` and `retry_delay` grow to (RETRAN.max).
    pub max_retry_delay: Duration,
}

impl HuntConfig {
    /// The profile's settings, with these registrars.
    pub fn new(registrars: Vec<Peer>, profile: Profile) -> Self {
        Self {
            registrars,
            names: Vec::new(),
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

/// Registrars that speak TCP, which only users may (RFC 5352, 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TcpHunt {
    /// Those that are known beforehand.
    pub registrars: Vec<SocketAddr>,
    /// Names that stand for more of them; each address is one.
    pub names: Vec<RegistrarName>,
    /// Whether to take the TCP transports of announces as well, where announces are heard (RFC 5352, 2.2.10).
    pub use_announces: bool,
}

impl TcpHunt {
    /// Whether TCP is not wanted at all.
    pub fn is_empty(&self) -> bool {
        self.registrars.is_empty() && self.names.is_empty() && !self.use_announces
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

/// A registrar that may become the home.
#[derive(Clone)]
struct Candidate {
    side: Side,
    target: Target,
}

impl Candidate {
    /// One that was not found by its name.
    fn new(side: Side, peer: Peer) -> Self {
        Self { side, target: Target::at(peer) }
    }

    fn priority(&self) -> u16 {
        self.target.priority
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.side, &self.target.peer) == (other.side, &other.target.peer)
    }

    fn is_among<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> bool {
        others.into_iter().any(|other| self.is_same(other))
    }
}

/// A registrar that an announce named.
struct Learned {
    id: RegistrarId,
    candidate: Candidate,
    /// Who said so.
    source: IpAddr,
    expires: Time,
}

/// RFC 5352, 3.6 SH1: an endpoint must not set up more associations at once.
const MAX_PARALLEL: usize = 3;
/// Registrars that the announces of one address may name.
const MAX_PER_SOURCE: usize = 8;
/// Addresses of a registrar that an announce may name; more are forgotten.
const MAX_ADDRESSES: usize = 16;
/// Registrars that names may stand for, on each side.
const MAX_NAMED: usize = 256;

struct Attempt {
    association: AssociationId,
    candidate: Candidate,
    connected: bool,
}

enum State {
    /// Not wanted yet, or no longer.
    Idle,
    Hunting {
        attempts: Vec<Attempt>,
        untried: VecDeque<Candidate>,
        round_ends: Time,
        choose_at: Option<Time>,
    },
    Resting {
        until: Time,
    },
    Home {
        association: AssociationId,
        candidate: Option<Candidate>,
        since: Time,
    },
}

/// The link to the home registrar.
pub(crate) struct Home {
    config: HuntConfig,
    over_tcp: TcpHunt,
    format: Format,
    learned: Vec<Learned>,
    /// What names stand for.
    by_name: Vec<Candidate>,
    state: State,
    /// Who has said last that it is the registrar of an association.
    named: Option<(AssociationId, RegistrarId)>,
    /// Who failed last, to be tried last.
    avoided: Vec<Candidate>,
    /// T5 of the next round.
    round_timeout: Duration,
    retry_delay: Duration,
}

impl Home {
    pub(crate) fn new(config: HuntConfig, over_tcp: TcpHunt, format: Format) -> Self {
        let (round_timeout, retry_delay) = (config.connect_timeout, config.retry_delay);
        Self {
            config,
            over_tcp,
            format,
            learned: Vec::new(),
            by_name: Vec::new(),
            state: State::Idle,
            named: None,
            avoided: Vec::new(),
            round_timeout,
            retry_delay,
        }
    }

    /// The association with the home registrar, while there is one.
    pub(crate) fn association(&self) -> Option<AssociationId> {
        match self.state {
            State::Home { association, .. } => Some(association),
            _ => None,
        }
    }

    /// Where the home registrar is; none if it came to us.
    pub(crate) fn place(&self) -> Option<&Peer> {
        let State::Home { candidate, .. } = &self.state else { return None };
        candidate.as_ref().map(|candidate| &candidate.target.peer)
    }

    /// The home registrar, and since when it is that. Until it has said who it is, it is [`RegistrarId::NONE`].
    pub(crate) fn registrar(&self) -> Option<(RegistrarId, Time)> {
        let State::Home { association, candidate, since } = &self.state else { return None };
        let named = self.named.filter(|(by, _)| by == association).map(|(_, id)| id);
        let is_it = |learned: &&Learned| learned.candidate.is_among(candidate);
        let announced = || self.learned.iter().find(is_it);
        let id = named.or_else(|| announced().map(|learned| learned.id));
        Some((id.unwrap_or(RegistrarId::NONE), *since))
    }

    /// A registrar says who it is.
    pub(crate) fn note_name(&mut self, association: AssociationId, id: RegistrarId) {
        self.named = Some((association, id));
    }

    /// Whether a peer is at an address of a registrar that is known.
    pub(crate) fn knows(&self, peer: &Peer, now: Time) -> bool {
        let learned = self.learned.iter().filter(|learned| learned.expires > now);
        let found = learned.map(|learned| &learned.candidate).chain(&self.by_name);
        let mut known = self.config.registrars.iter().chain(found.map(|candidate| &candidate.target.peer));
        known.any(|registrar| registrar.addresses.iter().any(|address| peer.has_address(*address)))
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
    pub(crate) fn adopt(&mut self, association: AssociationId, io: &mut Io, now: Time) {
        self.close(io);
        self.state = State::Home { association, candidate: None, since: now };
    }

    /// Closes every association and stops hunting.
    pub(crate) fn close(&mut self, io: &mut Io) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Home { association, .. } => io.push(Command::Shutdown { association }),
            State::Hunting { attempts, .. } => drop_attempts(attempts, io),
            State::Idle | State::Resting { .. } => {}
        }
    }

    /// Who to try, in random order; who failed last comes last, and before that who is less preferred.
    fn candidates(&mut self, io: &mut Io, now: Time) -> VecDeque<Candidate> {
        self.learned.retain(|learned| learned.expires > now);
        let over_sctp = self.config.registrars.iter().map(|peer| Candidate::new(Side::Asap, peer.clone()));
        let over_tcp = self.over_tcp.registrars.iter();
        let over_tcp = over_tcp.map(|address| Candidate::new(Side::AsapTcp, Peer::from(*address)));
        let learned = self.learned.iter().map(|learned| &learned.candidate);
        let mut all: Vec<Candidate> = Vec::new();
        for candidate in over_sctp.chain(over_tcp).chain(learned.chain(&self.by_name).cloned()) {
            if !candidate.is_among(&all) {
                all.push(candidate);
            }
        }
        shuffle_by_weight(&mut all, &mut io.rng);
        // RFC 5352, 3.6 SH5.2: a different set, if there is one.
        all.sort_by_key(|candidate| (candidate.is_among(&self.avoided), candidate.priority()));
        all.into()
    }

    fn hunt(&mut self, io: &mut Io, now: Time) {
        if !self.config.names.is_empty() {
            io.push(Command::Resolve { side: Side::Asap });
        }
        if !self.over_tcp.names.is_empty() {
            io.push(Command::Resolve { side: Side::AsapTcp });
        }
        let untried = self.candidates(io, now);
        let round_ends = now + self.round_timeout;
        self.state = State::Hunting { attempts: Vec::new(), untried, round_ends, choose_at: None };
        self.connect_more(io);
    }

    fn connect_more(&mut self, io: &mut Io) {
        let State::Hunting { attempts, untried, .. } = &mut self.state else { return };
        while attempts.len() < self.config.parallel_connects.clamp(1, MAX_PARALLEL) {
            // RFC 2782: who is preferred is tried before the others.
            let is_next = |next: &mut Candidate| {
                attempts.iter().all(|attempt| attempt.candidate.priority() >= next.priority())
            };
            let Some(candidate) = untried.pop_front_if(is_next) else { return };
            let association = io.connect_from(candidate.side, candidate.target.peer.clone());
            attempts.push(Attempt { association, candidate, connected: false });
        }
    }

    fn lose(&mut self, io: &mut Io, now: Time) {
        if let State::Home { candidate, .. } = &mut self.state {
            self.avoided = candidate.take().into_iter().collect();
        }
        self.hunt(io, now);
    }

    /// Nobody is left to try.
    fn rest(&mut self, now: Time) {
        self.avoided.clear();
        self.state = State::Resting { until: now + self.retry_delay };
        self.retry_delay = self.doubled(self.retry_delay);
    }

    /// T5 has expired: others get a chance, and more time (RFC 5352, 3.6 SH5).
    fn begin_next_round(&mut self, tried: Vec<Candidate>, io: &mut Io, now: Time) {
        self.avoided = tried;
        self.round_timeout = self.doubled(self.round_timeout);
        self.hunt(io, now);
    }

    fn doubled(&self, timeout: Duration) -> Duration {
        timeout.saturating_mul(2).min(self.config.max_retry_delay.max(timeout))
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
        // The first in the order of chance; but who is preferred may have become known later.
        let best = connected.into_iter().min_by_key(|&index| attempts[index].candidate.priority());
        let Some(best) = best else {
            if all_answered && untried.is_empty() {
                self.rest(now);
            } else if round_is_over {
                let attempts = std::mem::take(attempts);
                let tried = attempts.iter().map(|attempt| attempt.candidate.clone()).collect();
                drop_attempts(attempts, io);
                self.begin_next_round(tried, io, now);
            }
            return None;
        };
        if !all_answered && choose_at.is_none_or(|at| at > now) && !round_is_over {
            return None;
        }
        let chosen = attempts.swap_remove(best);
        drop_attempts(std::mem::take(attempts), io);
        let (association, candidate) = (chosen.association, Some(chosen.candidate));
        self.state = State::Home { association, candidate, since: now };
        self.avoided.clear();
        // RFC 5352, 3.6 SH3.
        (self.round_timeout, self.retry_delay) = (self.config.connect_timeout, self.config.retry_delay);
        Some(HomeEvent::Found)
    }

    /// RFC 5352, 3.6: an announce names the registrar's transports, or means the datagram's source.
    pub(crate) fn handle_announce(&mut self, source: SocketAddr, data: &[u8], io: &mut Io, now: Time) {
        if !self.config.use_announces {
            return;
        }
        let Ok(parsed) = AsapMessage::parse(data, &self.format) else { return };
        let AsapMessage::ServerAnnounce { registrar, transports } = parsed.message else { return };
        for candidate in announced(source, &transports, self.over_tcp.use_announces) {
            if self.learn(registrar, candidate.clone(), source.ip(), now) {
                self.use_learned(candidate, io, now);
            }
        }
    }

    /// Notes a registrar; whether it is new. Anybody can send announces: there is a limit for all, and one for each
    /// sender.
    fn learn(&mut self, id: RegistrarId, candidate: Candidate, source: IpAddr, now: Time) -> bool {
        let expires = now + self.config.announce_life;
        self.learned.retain(|learned| learned.expires > now);
        let is_it = |known: &&mut Learned| known.id == id && known.candidate.is_same(&candidate);
        if let Some(known) = self.learned.iter_mut().find(is_it) {
            known.expires = expires;
            return false;
        }
        let of_source = self.learned.iter().filter(|learned| learned.source == source).count();
        let has_room = self.learned.len() < self.config.max_learned && of_source < MAX_PER_SOURCE;
        if has_room {
            self.learned.push(Learned { id, candidate, source, expires });
        }
        has_room
    }

    /// What the names stand for now. A home that is not among them any more stays home as long as it lives.
    pub(crate) fn handle_resolved(&mut self, side: Side, targets: Vec<Target>, io: &mut Io, now: Time) {
        let before = std::mem::take(&mut self.by_name);
        let (before, of_others): (Vec<_>, _) = before.into_iter().partition(|named| named.side == side);
        self.by_name = of_others;
        self.by_name
            .extend(targets.into_iter().flat_map(|target| candidates_at(side, target)).take(MAX_NAMED));
        let newcomers: Vec<Candidate> = self
            .by_name
            .iter()
            .filter(|named| named.side == side && !named.is_among(&before))
            .cloned()
            .collect();
        for newcomer in newcomers {
            self.use_learned(newcomer, io, now);
        }
    }

    /// A hunt that knew too few tries the newcomer at once.
    fn use_learned(&mut self, newcomer: Candidate, io: &mut Io, now: Time) {
        match &mut self.state {
            State::Hunting { attempts, untried, .. } => {
                let under_way = attempts.iter().map(|attempt| &attempt.candidate);
                if !newcomer.is_among(untried.iter().chain(under_way)) {
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

/// The registrars that an announce means. Without transports it is its sender: at its port, as RSPLIB has it, or at the
/// port of IANA (RFC 5352, 3.6).
fn announced(source: SocketAddr, transports: &[Transport], takes_tcp: bool) -> Vec<Candidate> {
    if transports.is_empty() {
        let mut ports = vec![source.port(), ASAP_PORT];
        ports.retain(|port| *port != 0);
        ports.dedup();
        let at = |port| Candidate::new(Side::Asap, SocketAddr::new(source.ip(), port).into());
        return ports.into_iter().map(at).collect();
    }
    let side = |transport: &Transport| match transport.protocol {
        Protocol::Sctp(_) => Some(Side::Asap),
        Protocol::Tcp if takes_tcp => Some(Side::AsapTcp),
        _ => None,
    };
    let candidates = transports.iter().filter(|transport| transport.port != 0).filter_map(|transport| {
        let usable =
            transport.addresses.iter().copied().filter(|address| AddressScope::of(*address).is_some());
        let peer = Peer { addresses: usable.take(MAX_ADDRESSES).collect(), port: transport.port };
        Some(candidates_at(side(transport)?, Target::at(peer)))
    });
    candidates.flatten().filter(|candidate| !candidate.target.peer.addresses.is_empty()).collect()
}

/// Over TCP each of the addresses is one, since a connection has no more.
fn candidates_at(side: Side, target: Target) -> Vec<Candidate> {
    if side != Side::AsapTcp {
        return vec![Candidate { side, target }];
    }
    let at = |address: &IpAddr| {
        let peer = Peer { addresses: vec![*address], port: target.peer.port };
        Candidate { side, target: Target { peer, ..target } }
    };
    target.peer.addresses.iter().map(at).collect()
}

/// The order in which RFC 2782 has candidates of the same priority tried: each place goes to one of those that are left, by their
/// weights.
fn shuffle_by_weight(candidates: &mut [Candidate], rng: &mut StdRng) {
    candidates.shuffle(rng);
    // Who draws 0 is to meet those without weight.
    candidates.sort_by_key(|candidate| candidate.target.weight > 0);
    for place in 0..candidates.len() {
        let rest = &mut candidates[place..];
        let weight = |candidate: &Candidate| u64::from(candidate.target.weight);
        let total: u64 = rest.iter().map(weight).sum();
        let drawn = rng.random_range(0..=total);
        let mut sum = 0;
        let chosen = rest.iter().position(|candidate| {
            sum += weight(candidate);
            sum >= drawn
        });
        rest[..=chosen.unwrap_or(0)].rotate_right(1);
    }
}

fn drop_attempts(attempts: Vec<Attempt>, io: &mut Io) {
    for Attempt { association, connected, .. } in attempts {
        io.push(if connected { Command::Shutdown { association } } else { Command::Abort { association } });
    }
}
