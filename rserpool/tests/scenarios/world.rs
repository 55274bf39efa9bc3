//! A network of machines in memory, under virtual time: registrars, pool elements with a ping service, pool users.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rserpool::pool_element::{PoolElement, PoolElementConfig, PoolElementEvent};
use rserpool::pool_user::{PoolUser, PoolUserConfig, PoolUserEvent};
use rserpool::registrar::{Registrar, RegistrarConfig, RegistrarEvent};
use rserpool::session::{SendError, ServiceConfig, ServiceEvent, ServiceSessions};
use rserpool::transport::{AssociationId, Command, LostReason, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{Policy, Transport, TransportUse};
use rserpool::{HuntConfig, PeId, Profile, RegistrarId, Time};

use crate::stranger::Stranger;

pub(crate) const ASAP_PORT: u16 = 3863;
pub(crate) const ENRP_PORT: u16 = 9901;
pub(crate) const SERVICE_PORT: u16 = 7000;
pub(crate) const POOL: &str = "PingPongPool";
const DELAY: Duration = Duration::from_millis(1);
/// How long SCTP takes to give up a silent peer, in the `Fast` profile.
const GIVE_UP: Duration = Duration::from_millis(360);

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
    Element(Box<PoolElement>),
    Service { sessions: Box<ServiceSessions>, counters: BTreeMap<AssociationId, u64> },
    User(Box<PoolUser>),
    Stranger(Stranger),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Frozen,
    Dead,
}

struct Link {
    ends: [(Place, AssociationId); 2],
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

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) nodes: BTreeMap<Place, Node>,
    health: BTreeMap<u8, Health>,
    /// Hosts of different islands do not reach each other.
    islands: BTreeMap<u8, u8>,
    queue: BTreeMap<(Time, u64), Happening>,
    sequence: u64,
    links: Vec<Link>,
    pub(crate) registrar_events: Vec<(u8, RegistrarEvent)>,
    pub(crate) element_events: Vec<(u8, PoolElementEvent)>,
    pub(crate) user_events: VecDeque<PoolUserEvent>,
    /// What services told beside sessions and their messages.
    pub(crate) service_events: Vec<(u8, ServiceEvent)>,
    /// Every message that was sent: from, to, PPID and bytes.
    pub(crate) sent: Vec<(Place, Place, UserMessage)>,
    /// Every attempt to connect: when, from where, to where.
    pub(crate) attempts: Vec<(Time, Place, Place)>,
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
            links: Vec::new(),
            registrar_events: Vec::new(),
            element_events: Vec::new(),
            user_events: VecDeque::new(),
            service_events: Vec::new(),
            sent: Vec::new(),
            attempts: Vec::new(),
        }
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
            change(config);
            config.enrp.transport = Some(Transport::sctp(ENRP_PORT, [address(host)], TransportUse::DataOnly));
            config.enrp.peers =
                peers.iter().map(|peer| SocketAddr::new(address(*peer), ENRP_PORT).into()).collect();
        });
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
        self.add((host, ASAP_PORT), Node::User(Box::new(PoolUser::new(config, host.into()))));
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
        let is_between = |link: &&Link| {
            let hosts = link.ends.map(|(place, _)| place);
            hosts.contains(&(from, ENRP_PORT)) && hosts.contains(&(to, ENRP_PORT))
        };
        let link = self.links.iter().find(is_between).expect("they are linked");
        let (place, association) = *link.ends.iter().find(|(place, _)| place.0 == to).expect("one end");
        self.later(place, TransportEvent::Message { association, message });
    }

    /// SIGKILL: the kernel, or the stack that stays, aborts the associations.
    pub(crate) fn kill(&mut self, host: u8) {
        self.health.insert(host, Health::Dead);
        for index in (0..self.links.len()).rev() {
            if self.links[index].ends.iter().any(|(place, _)| place.0 == host) {
                self.unlink(index, host, LostReason::Aborted);
            }
        }
    }

    /// SIGSTOP: nothing is answered any more.
    pub(crate) fn freeze(&mut self, host: u8) {
        self.health.insert(host, Health::Frozen);
        let gives_up = self.now + GIVE_UP;
        for link in &mut self.links {
            if link.ends.iter().any(|(place, _)| place.0 == host) {
                link.gave_up_at = Some(gives_up);
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
        let frozen: Vec<u8> =
            self.health.iter().filter(|(_, it)| **it != Health::Well).map(|it| *it.0).collect();
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            if !link.ends.iter().any(|(place, _)| frozen.contains(&place.0)) {
                link.gave_up_at = None;
            }
            for (place, event) in std::mem::take(&mut link.held) {
                self.later(place, event);
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
        let well = self.nodes.iter().filter(|(place, _)| self.is_well(place.0));
        let nodes = well.filter_map(|(_, node)| match node {
            Node::Registrar(registrar) => registrar.poll_timeout(),
            Node::Element(element) => element.poll_timeout(),
            Node::User(user) => user.poll_timeout(),
            Node::Service { .. } | Node::Stranger(_) => None,
        });
        queue.into_iter().chain(links).chain(nodes).min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
            let happening = entry.remove();
            self.happen(happening);
        }
        while let Some(index) = self.links.iter().position(|link| link.gave_up_at.is_some_and(|at| at <= now))
        {
            let frozen = self.links[index].ends.iter().find(|(place, _)| !self.is_well(place.0));
            let host = frozen.map_or(0, |(place, _)| place.0);
            self.unlink(index, host, LostReason::TimedOut);
        }
        let places: Vec<_> = self.nodes.keys().copied().filter(|place| self.is_well(place.0)).collect();
        for place in places {
            match self.nodes.get_mut(&place) {
                Some(Node::Registrar(registrar)) => registrar.handle_timeout(now),
                Some(Node::Element(element)) => element.handle_timeout(now),
                Some(Node::User(user)) => user.handle_timeout(now),
                _ => {}
            }
            self.drain(place);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event(place, event) => self.deliver(place, event),
            Happening::Arrival { from, association, to } => match self.health.get(&to.0) {
                _ if !self.are_together(from.0, to.0) => {
                    let reason = LostReason::TimedOut;
                    self.much_later(from, TransportEvent::Lost { association, reason });
                }
                Some(Health::Well) if self.nodes.contains_key(&machine_at(to)) => {
                    self.link(from, association, to);
                }
                Some(Health::Frozen) => {}
                _ => {
                    let reason = LostReason::Aborted;
                    self.later(from, TransportEvent::Lost { association, reason });
                }
            },
        }
    }

    fn link(&mut self, from: Place, association: AssociationId, to: Place) {
        self.sequence += 1;
        let incoming = AssociationId::Incoming(self.sequence);
        let ends = [(from, association), (to, incoming)];
        self.links.push(Link { ends, gave_up_at: None, held: Vec::new() });
        let peer = |place: Place| Peer { addresses: vec![address(place.0)], port: place.1 };
        let side = side_of(to);
        // Before whatever the other side says.
        self.later(from, TransportEvent::Connected { association, peer: peer(to) });
        self.deliver(to, TransportEvent::Accepted { association: incoming, side, peer: peer(from) });
    }

    /// Ends a link; the end that is not on `host` hears of it.
    fn unlink(&mut self, index: usize, host: u8, reason: LostReason) {
        let link = self.links.remove(index);
        for (place, association) in link.ends {
            if place.0 != host {
                self.give_back(place, association, &link.ends);
                self.later(place, TransportEvent::Lost { association, reason });
            }
        }
    }

    /// What one end has sent and the other has not got is not delivered.
    fn give_back(&mut self, place: Place, association: AssociationId, ends: &[(Place, AssociationId); 2]) {
        let other = if ends[0] == (place, association) { ends[1] } else { ends[0] };
        let lost: Vec<UserMessage> = self
            .queue
            .values()
            .filter_map(|happening| match happening {
                Happening::Event(to, TransportEvent::Message { association, message })
                    if (*to, *association) == other =>
                {
                    Some(message.clone())
                }
                _ => None,
            })
            .collect();
        for message in lost {
            self.later(place, TransportEvent::Undelivered { association, message });
        }
    }

    fn later(&mut self, place: Place, event: TransportEvent) {
        self.schedule(Happening::Event(place, event));
    }

    /// After the time-out of a set-up.
    fn much_later(&mut self, place: Place, event: TransportEvent) {
        self.sequence += 1;
        self.queue.insert((self.now + GIVE_UP, self.sequence), Happening::Event(place, event));
    }

    fn schedule(&mut self, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + DELAY, self.sequence), happening);
    }

    fn deliver(&mut self, place: Place, event: TransportEvent) {
        let place = machine_at(place);
        if !self.is_well(place.0) {
            return;
        }
        let now = self.now;
        match self.nodes.get_mut(&place) {
            Some(Node::Registrar(registrar)) => registrar.handle_event(event, now),
            Some(Node::Element(element)) => element.handle_event(event, now),
            Some(Node::User(user)) => user.handle_event(event, now),
            Some(Node::Service { sessions, counters }) => {
                sessions.handle_event(event);
                let events = serve(sessions, counters);
                self.service_events.extend(events.into_iter().map(|event| (place.0, event)));
            }
            Some(Node::Stranger(stranger)) => stranger.handle_event(event),
            None => {}
        }
        self.drain(place);
    }

    /// The driver loop: fetches events and commands of one machine.
    pub(crate) fn drain(&mut self, place: Place) {
        loop {
            let command = match self.nodes.get_mut(&place) {
                Some(Node::Registrar(registrar)) => {
                    let events = std::iter::from_fn(|| registrar.poll_event());
                    self.registrar_events.extend(events.map(|event| (place.0, event)));
                    registrar.poll_command()
                }
                Some(Node::Element(element)) => {
                    let events = std::iter::from_fn(|| element.poll_event());
                    self.element_events.extend(events.map(|event| (place.0, event)));
                    element.poll_command()
                }
                Some(Node::User(user)) => {
                    self.user_events.extend(std::iter::from_fn(|| user.poll_event()));
                    user.poll_command()
                }
                Some(Node::Service { sessions, .. }) => sessions.poll_command(),
                Some(Node::Stranger(stranger)) => stranger.commands.pop_front(),
                None => None,
            };
            let Some(command) = command else { return };
            self.execute(place, command);
        }
    }

    fn execute(&mut self, place: Place, command: Command) {
        match command {
            Command::Connect { association, side, peer } => {
                let IpAddr::V4(v4) = peer.addresses[0] else { panic!("IPv4 world") };
                let to = (v4.octets()[3], peer.port);
                let from = if side == Side::Enrp { (place.0, ENRP_PORT) } else { place };
                self.attempts.push((self.now, from, to));
                self.schedule(Happening::Arrival { from, association, to });
            }
            Command::Send { association, message } => {
                let Some((index, from, (to, id))) = self.find_link(place, association) else { return };
                self.sent.push((from, to, message.clone()));
                let event = TransportEvent::Message { association: id, message };
                if self.are_together(from.0, to.0) {
                    self.later(to, event);
                } else {
                    self.links[index].held.push((to, event));
                }
            }
            Command::Shutdown { association } => self.cut(place, association, LostReason::Shutdown),
            Command::Abort { association } => self.cut(place, association, LostReason::Aborted),
            Command::Announce { side, data } => {
                let port = if side == Side::Enrp { ENRP_PORT } else { ASAP_PORT };
                let source = SocketAddr::new(address(place.0), port);
                let hears = |to: &Place| to.1 == ASAP_PORT && self.are_together(place.0, to.0);
                let places: Vec<_> = self.nodes.keys().copied().filter(hears).collect();
                for to in places {
                    self.later(to, TransportEvent::Announce { side, source, data: data.clone() });
                }
            }
        }
    }

    /// A machine's link of this name: its index, the machine's end of it, and the other end.
    fn find_link(
        &self,
        place: Place,
        association: AssociationId,
    ) -> Option<(usize, Place, (Place, AssociationId))> {
        let is_ours = |end: &(Place, AssociationId)| (machine_at(end.0), end.1) == (place, association);
        self.links.iter().enumerate().find_map(|(index, link)| match link.ends {
            [a, b] if is_ours(&a) => Some((index, a.0, b)),
            [a, b] if is_ours(&b) => Some((index, b.0, a)),
            _ => None,
        })
    }

    fn cut(&mut self, place: Place, association: AssociationId, reason: LostReason) {
        let Some((index, from, (to, association))) = self.find_link(place, association) else { return };
        self.links.remove(index);
        if self.are_together(from.0, to.0) {
            self.later(to, TransportEvent::Lost { association, reason });
        } else {
            self.much_later(to, TransportEvent::Lost { association, reason: LostReason::TimedOut });
        }
    }

    /// The identifiers of elements: their host numbers.
    pub(crate) fn hosts_of(&self, elements: &[rserpool::wire::PoolElement]) -> Vec<u32> {
        elements.iter().map(|element| element.id.0).collect()
    }
}

/// The service: each message is answered with how many the session has had; the count is the cookie. What it has no use for
/// is given back.
fn serve(sessions: &mut ServiceSessions, counters: &mut BTreeMap<AssociationId, u64>) -> Vec<ServiceEvent> {
    let mut others = Vec::new();
    while let Some(event) = sessions.poll_event() {
        match event {
            ServiceEvent::Started { session, .. } => drop(counters.insert(session, 0)),
            ServiceEvent::CookieEcho { session, cookie } => {
                let count: [u8; 8] = cookie[..].try_into().expect("our own cookie");
                counters.insert(session, u64::from_be_bytes(count));
            }
            ServiceEvent::Data { session, message } => {
                let count = counters.get_mut(&session).expect("known session");
                *count += 1;
                let state = Bytes::copy_from_slice(&count.to_be_bytes());
                let reply = [&state[..], &message.data[..]].concat();
                // Before the reply: whoever sees the reply has the cookie that goes with it.
                match sessions.send_cookie(session, state) {
                    Ok(()) | Err(SendError::NoControlChannel) => {}
                    Err(error) => panic!("{error}"),
                }
                sessions.send(session, UserMessage::new(33, reply)).expect("session is up");
            }
            ServiceEvent::Ended { session, .. } => drop(counters.remove(&session)),
            ServiceEvent::CookieRejected { session, .. } => {
                sessions.abort(session);
                others.push(event);
            }
            other => others.push(other),
        }
    }
    others
}
