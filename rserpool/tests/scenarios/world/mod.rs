//! A network of machines in memory, under virtual time: registrars, pool elements with a ping service, pool users.

mod network;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rserpool::pool_element::{PoolElement, PoolElementConfig, PoolElementEvent};
use rserpool::pool_user::{PoolUser, PoolUserConfig, PoolUserEvent};
use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::session::{SendError, ServiceConfig, ServiceEvent, ServiceSessions};
use rserpool::transport::{AssociationId, Command, LostReason, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{ENRP_PPID, Policy, Transport, TransportUse};
use rserpool::{HuntConfig, PeId, Profile, RegistrarId, Time};

use crate::rsplib::RsplibRegistrar;
use crate::stranger::Stranger;

pub(crate) const ASAP_PORT: u16 = 3863;
pub(crate) const ENRP_PORT: u16 = 9901;
pub(crate) const SERVICE_PORT: u16 = 7000;
pub(crate) const POOL: &str = "PingPongPool";
const DELAY: Duration = Duration::from_millis(1);
/// How long SCTP takes to give up a silent peer, in the `Fast` profile.
const GIVE_UP: Duration = Duration::from_millis(360);
/// How long it takes to give up the set-up of an association: Max.Init.Retransmits is 8.
const SET_UP: Duration = Duration::from_millis(860);

/// One endpoint: a host number and a port.
pub(crate) type Place = (u8, u16);

/// The machine at a place: a registrar has two endpoints.
fn machine_at(place: Place) -> Place {
    if place.1 == ENRP_PORT { (place.0, ASAP_PORT) } else { place }
}

fn side_of(place: Place) -> Side {
    if place.1 == ENRP_PORT { Side::Enrp } else { Side::Asap }
}

pub(crate) fn address(host: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, host])
}

pub(crate) enum Node {
    Registrar(Box<Registrar>),
    Rsplib(Box<RsplibRegistrar>),
    Element(Box<PoolElement>),
    Service { sessions: Box<ServiceSessions>, counters: BTreeMap<AssociationId, u64> },
    User(Box<PoolUser>),
    Stranger(Stranger),
}

impl Node {
    fn next_wake_up(&self) -> Option<Time> {
        match self {
            Self::Registrar(registrar) => registrar.poll_timeout(),
            Self::Rsplib(registrar) => registrar.poll_timeout(),
            Self::Element(element) => element.poll_timeout(),
            Self::User(user) => user.poll_timeout(),
            Self::Service { .. } | Self::Stranger(_) => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Frozen,
    Dead,
}

struct Link {
    ends: [(Place, AssociationId); 2],
    /// How long a message takes.
    delay: Duration,
    gave_up_at: Option<Time>,
    /// What was sent while the ends were apart.
    held: Vec<(Place, TransportEvent)>,
}

enum Happening {
    Event(Place, TransportEvent),
    /// A connection attempt arrives.
    Arrival {
        from: Place,
        association: AssociationId,
        to: Place,
    },
}

/// What a registrar does, as far as others are concerned.
pub(crate) enum Deed {
    /// It says an ENRP message.
    Says(Bytes),
    /// It hears one.
    Hears(Bytes),
    /// It begins to take another one over.
    Begins(RegistrarId),
    /// It has taken another one over.
    TakesOver(RegistrarId),
}

/// A deed of the registrar on a host.
pub(crate) struct Act {
    pub(crate) at: Time,
    pub(crate) host: u8,
    pub(crate) deed: Deed,
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) nodes: BTreeMap<Place, Node>,
    health: BTreeMap<u8, Health>,
    /// Hosts of different islands do not reach each other.
    islands: BTreeMap<u8, u8>,
    queue: BTreeMap<(Time, u64), Happening>,
    sequence: u64,
    /// When each node wants to be woken.
    alarms: BTreeSet<(Time, Place)>,
    alarm_at: BTreeMap<Place, Time>,
    links: Vec<Link>,
    /// Ends of links that their machine has closed: it hears nothing on them any more.
    closed: BTreeSet<(Place, AssociationId)>,
    /// What has happened to frozen hosts.
    missed: BTreeMap<u8, Vec<(Place, TransportEvent)>>,
    /// Where each link's delay comes from, if not all are the same.
    delays: Option<StdRng>,
    /// The delays of links between two hosts, the smaller number first, that are as they are.
    set_delays: BTreeMap<(u8, u8), Duration>,
    pub(crate) registrar_events: Vec<(u8, RegistrarEvent)>,
    pub(crate) element_events: Vec<(u8, PoolElementEvent)>,
    pub(crate) user_events: VecDeque<PoolUserEvent>,
    /// What services told beside sessions and their messages.
    pub(crate) service_events: Vec<(u8, ServiceEvent)>,
    /// Every message that was sent: from, to, PPID and bytes.
    pub(crate) sent: Vec<(Place, Place, UserMessage)>,
    /// Every attempt to connect: when, from where, to where.
    pub(crate) attempts: Vec<(Time, Place, Place)>,
    /// What registrars have done, in this order.
    pub(crate) acts: Vec<Act>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: Time::from_millis(1000),
            nodes: BTreeMap::new(),
            health: BTreeMap::new(),
            islands: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            alarms: BTreeSet::new(),
            alarm_at: BTreeMap::new(),
            links: Vec::new(),
            closed: BTreeSet::new(),
            missed: BTreeMap::new(),
            delays: None,
            set_delays: BTreeMap::new(),
            registrar_events: Vec::new(),
            element_events: Vec::new(),
            user_events: VecDeque::new(),
            service_events: Vec::new(),
            sent: Vec::new(),
            attempts: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// A network in which some links are longer than others.
    pub(crate) fn with_uneven_delays(seed: u64) -> Self {
        Self { delays: Some(StdRng::seed_from_u64(seed)), ..Self::new() }
    }

    /// Whether all links are equally long.
    pub(crate) fn is_even(&self) -> bool {
        self.delays.is_none()
    }

    /// Messages between two hosts take so long from now on.
    pub(crate) fn set_delay(&mut self, a: u8, b: u8, delay: Duration) {
        let hosts = (a.min(b), a.max(b));
        self.set_delays.insert(hosts, delay);
        let joins = |link: &&mut Link| {
            let [(one, _), (other, _)] = link.ends;
            hosts == (one.0.min(other.0), one.0.max(other.0))
        };
        self.links.iter_mut().filter(joins).for_each(|link| link.delay = delay);
    }

    fn draw_delay(&mut self, from: Place, to: Place) -> Duration {
        if let Some(delay) = self.set_delays.get(&(from.0.min(to.0), from.0.max(to.0))) {
            return *delay;
        }
        self.delays.as_mut().map_or(DELAY, |rng| DELAY * rng.random_range(1..=4))
    }

    pub(crate) fn hunt(registrars: &[u8]) -> HuntConfig {
        let peer = |&host: &u8| Peer { addresses: vec![address(host)], port: ASAP_PORT };
        HuntConfig::new(registrars.iter().map(peer).collect(), Profile::Fast)
    }

    pub(crate) fn add_registrar(&mut self, host: u8) {
        self.add_registrar_with(host, |_| {});
    }

    pub(crate) fn add_registrar_with(&mut self, host: u8, change: impl FnOnce(&mut RegistrarConfig)) {
        let mut config = RegistrarConfig::new(RegistrarId(host.into()), Profile::Fast);
        change(&mut config);
        self.boot(host);
        let registrar = Registrar::new(config, host.into(), self.now);
        self.add((host, ASAP_PORT), Node::Registrar(Box::new(registrar)));
    }

    /// A registrar that knows others beforehand.
    pub(crate) fn add_peer_registrar(&mut self, host: u8, peers: &[u8]) {
        self.add_peer_registrar_with(host, peers, |_| {});
    }

    pub(crate) fn add_peer_registrar_with(
        &mut self,
        host: u8,
        peers: &[u8],
        change: impl FnOnce(&mut RegistrarConfig),
    ) {
        self.add_registrar_with(host, |config| {
            config.enrp.transport = Some(Transport::sctp(ENRP_PORT, [address(host)], TransportUse::DataOnly));
            config.enrp.peers =
                peers.iter().map(|peer| SocketAddr::new(address(*peer), ENRP_PORT).into()).collect();
            change(config);
        });
    }

    /// One that behaves as RSPLIB's.
    pub(crate) fn add_rsplib_registrar(&mut self, host: u8, peers: &[u8], is_hasty: bool) {
        let place = |host: u8| SocketAddr::new(address(host), ENRP_PORT).into();
        let known = peers.iter().map(|peer| place(*peer)).collect();
        self.boot(host);
        let registrar =
            RsplibRegistrar::new(RegistrarId(host.into()), place(host), known, is_hasty, self.now);
        self.add((host, ASAP_PORT), Node::Rsplib(Box::new(registrar)));
    }

    pub(crate) fn element_config(host: u8, registrars: &[u8], policy: Policy) -> PoolElementConfig {
        let transport = Transport::sctp(SERVICE_PORT, [address(host)], TransportUse::DataAndControl);
        let hunt = Self::hunt(registrars);
        PoolElementConfig::new(POOL.into(), PeId(host.into()), policy, transport, hunt, Profile::Fast)
    }

    pub(crate) fn add_element(&mut self, host: u8, registrars: &[u8], policy: Policy) {
        self.add_element_with(host, Self::element_config(host, registrars, policy));
    }

    pub(crate) fn add_element_with(&mut self, host: u8, config: PoolElementConfig) {
        self.boot(host);
        let element = PoolElement::new(config, host.into(), self.now);
        self.add((host, ASAP_PORT), Node::Element(Box::new(element)));
        self.set_service(host, ServiceConfig::default());
    }

    /// Gives an element's service, which has no session yet, other settings.
    pub(crate) fn set_service(&mut self, host: u8, config: ServiceConfig) {
        let sessions = Box::new(ServiceSessions::new(config, host.into()));
        self.add((host, SERVICE_PORT), Node::Service { sessions, counters: BTreeMap::new() });
    }

    /// Has an element's service do something.
    pub(crate) fn with_service(&mut self, host: u8, act: impl FnOnce(&mut ServiceSessions)) {
        match self.nodes.get_mut(&(host, SERVICE_PORT)) {
            Some(Node::Service { sessions, .. }) => act(sessions),
            _ => panic!("no service on host {host}"),
        }
        self.drain((host, SERVICE_PORT));
    }

    pub(crate) fn add_user(&mut self, host: u8, registrars: &[u8], change: impl FnOnce(&mut PoolUserConfig)) {
        let mut config = PoolUserConfig::new(Self::hunt(registrars), Profile::Fast);
        change(&mut config);
        self.boot(host);
        self.add((host, ASAP_PORT), Node::User(Box::new(PoolUser::new(config, host.into()))));
    }

    /// A host starts, maybe anew: nothing is left of its former life.
    fn boot(&mut self, host: u8) {
        self.kill(host);
        self.closed.retain(|(place, _)| place.0 != host);
        self.queue.retain(|_, it| !matches!(it, Happening::Event(place, _) if place.0 == host));
    }

    pub(crate) fn add(&mut self, place: Place, node: Node) {
        self.health.insert(place.0, Health::Well);
        self.nodes.insert(place, node);
        self.drain(place);
    }

    pub(crate) fn registrar(&mut self, host: u8) -> &mut Registrar {
        match self.nodes.get_mut(&(host, ASAP_PORT)) {
            Some(Node::Registrar(registrar)) => registrar,
            _ => panic!("no registrar on host {host}"),
        }
    }

    /// One of ours, to look at; none if another one is there.
    pub(crate) fn registrar_at(&self, host: u8) -> Option<&Registrar> {
        match self.nodes.get(&(host, ASAP_PORT)) {
            Some(Node::Registrar(registrar)) => Some(registrar),
            _ => None,
        }
    }

    /// How many registrars one that behaves as RSPLIB's has taken over.
    pub(crate) fn takeovers_of_rsplib(&self, host: u8) -> usize {
        match self.nodes.get(&(host, ASAP_PORT)) {
            Some(Node::Rsplib(registrar)) => registrar.takeovers,
            _ => panic!("none of RSPLIB's on host {host}"),
        }
    }

    /// The elements that a registrar knows.
    pub(crate) fn known_to(&self, host: u8) -> Vec<rserpool::wire::PoolElement> {
        match self.nodes.get(&(host, ASAP_PORT)) {
            Some(Node::Registrar(registrar)) => {
                let elements = registrar.handlespace().pools().flat_map(|pool| pool.elements());
                elements.map(|element| element.info.clone()).collect()
            }
            Some(Node::Rsplib(registrar)) => registrar.elements().cloned().collect(),
            _ => panic!("no registrar on host {host}"),
        }
    }

    /// Has a pool element do something.
    pub(crate) fn with_element(&mut self, host: u8, act: impl FnOnce(&mut PoolElement, Time)) {
        let Some(Node::Element(element)) = self.nodes.get_mut(&(host, ASAP_PORT)) else {
            panic!("no element")
        };
        act(element, self.now);
        self.drain((host, ASAP_PORT));
    }

    /// Has a pool user do something.
    pub(crate) fn with_user<R>(&mut self, host: u8, act: impl FnOnce(&mut PoolUser, Time) -> R) -> R {
        let Some(Node::User(user)) = self.nodes.get_mut(&(host, ASAP_PORT)) else { panic!("no user") };
        let result = act(user, self.now);
        self.drain((host, ASAP_PORT));
        result
    }

    /// Has a registrar's host say something to another's ENRP side that the registrar itself would not.
    pub(crate) fn say_as(&mut self, from: u8, to: u8, message: UserMessage) {
        let link = self.link_between(from, to).expect("they are linked");
        let (place, association) = *link.ends.iter().find(|(place, _)| place.0 == to).expect("one end");
        self.after(link.delay, place, TransportEvent::Message { association, message });
    }

    fn links_between(&self, a: u8, b: u8) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| {
            let hosts = link.ends.map(|(place, _)| place.0);
            hosts == [a, b] || hosts == [b, a]
        })
    }

    fn link_between(&self, a: u8, b: u8) -> Option<&Link> {
        self.links_between(a, b).next()
    }

    /// How many associations two hosts have.
    pub(crate) fn count_links(&self, a: u8, b: u8) -> usize {
        self.links_between(a, b).count()
    }

    /// Whether two hosts have an association.
    pub(crate) fn are_linked(&self, a: u8, b: u8) -> bool {
        self.link_between(a, b).is_some()
    }

    /// SIGKILL: the kernel, or the stack that stays, aborts the associations.
    pub(crate) fn kill(&mut self, host: u8) {
        self.health.insert(host, Health::Dead);
        self.missed.remove(&host);
        for index in (0..self.links.len()).rev() {
            if self.links[index].ends.iter().any(|(place, _)| place.0 == host) {
                self.unlink(index, host, LostReason::Aborted);
            }
        }
    }

    /// SIGSTOP: nothing is answered any more.
    pub(crate) fn freeze(&mut self, host: u8) {
        self.health.insert(host, Health::Frozen);
        self.missed.insert(host, Vec::new());
        let gives_up = self.now + GIVE_UP;
        for link in &mut self.links {
            if link.ends.iter().any(|(place, _)| place.0 == host) {
                link.gave_up_at = Some(gives_up);
            }
        }
    }

    /// SIGCONT: what has come meanwhile is heard, unless the sender has given up.
    pub(crate) fn thaw(&mut self, host: u8) {
        self.health.insert(host, Health::Well);
        self.hold_links();
        for (place, event) in self.missed.remove(&host).unwrap_or_default() {
            let is_void = match event {
                TransportEvent::Message { association, .. } => {
                    self.find_link(machine_at(place), association).is_none()
                }
                _ => false,
            };
            if !is_void {
                self.deliver(place, event);
            }
        }
    }

    /// Parts the network: hosts of different islands do not reach each other; who is not named is on island 0.
    pub(crate) fn part(&mut self, islands: &[(u8, u8)]) {
        self.islands = islands.iter().copied().collect();
        let gives_up = self.now + GIVE_UP;
        for index in 0..self.links.len() {
            let [(a, _), (b, _)] = self.links[index].ends;
            if !self.are_together(a.0, b.0) {
                self.links[index].gave_up_at.get_or_insert(gives_up);
            }
        }
    }

    /// The network is whole again; what was sent meanwhile on associations that have held arrives.
    pub(crate) fn heal(&mut self) {
        self.islands.clear();
        self.hold_links();
        for index in 0..self.links.len() {
            let delay = self.links[index].delay;
            for (place, event) in std::mem::take(&mut self.links[index].held) {
                self.after(delay, place, event);
            }
        }
    }

    /// Who hears the other end again does not give up.
    fn hold_links(&mut self) {
        for index in 0..self.links.len() {
            let [(a, _), (b, _)] = self.links[index].ends;
            if self.is_well(a.0) && self.is_well(b.0) && self.are_together(a.0, b.0) {
                self.links[index].gave_up_at = None;
            }
        }
    }

    fn are_together(&self, a: u8, b: u8) -> bool {
        let island = |host| self.islands.get(&host).copied().unwrap_or(0);
        island(a) == island(b)
    }

    /// Whether a host works.
    pub(crate) fn is_well(&self, host: u8) -> bool {
        self.health.get(&host) == Some(&Health::Well)
    }

    /// Whether a host may go on one day.
    pub(crate) fn is_frozen(&self, host: u8) -> bool {
        self.health.get(&host) == Some(&Health::Frozen)
    }

    /// Runs until `span` has passed.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Runs until `done`; the time that it took. Panics after `limit`.
    #[track_caller]
    pub(crate) fn run_until_done(
        &mut self,
        limit: Duration,
        done: impl FnMut(&mut Self) -> bool,
    ) -> Duration {
        let start = self.now;
        assert!(self.run_until(start + limit, done), "not within {limit:?}");
        self.now - start
    }

    fn run_until(&mut self, end: Time, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        for _ in 0..1_000_000 {
            if done(self) {
                return true;
            }
            let Some(next) = self.next_wake_up().filter(|&next| next <= end) else { return false };
            self.now = self.now.max(next);
            self.step();
        }
        panic!("live-lock: a million steps up to {:?}", self.now);
    }

    fn next_wake_up(&self) -> Option<Time> {
        let queue = self.queue.keys().next().map(|&(at, _)| at);
        let links = self.links.iter().filter_map(|link| link.gave_up_at);
        let nodes = self.alarms.iter().find(|(_, place)| self.is_well(place.0)).map(|(at, _)| *at);
        queue.into_iter().chain(links).chain(nodes).min()
    }

    /// The identifiers of elements: their host numbers.
    pub(crate) fn hosts_of(&self, elements: &[rserpool::wire::PoolElement]) -> Vec<u32> {
        elements.iter().map(|element| element.id.0).collect()
    }
}
