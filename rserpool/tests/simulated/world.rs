//! The network with its hosts, by number: registrar 1, elements from 11 on, the user 21.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::catch_unwind;
use std::time::Duration;

use rserpool::driver::ANNOUNCE_GROUP;
use rserpool::pool_element::{PoolElement, PoolElementConfig};
use rserpool::pool_user::{PoolUser, PoolUserConfig};
use rserpool::registrar::{Registrar, RegistrarConfig};
use rserpool::session::SessionEvent;
use rserpool::transport::Peer;
use rserpool::wire::{ASAP_PORT, Policy, Transport, TransportUse};
use rserpool::{HuntConfig, PeId, Profile, RegistrarId, Time};
use sctp_user::sim::{HostId, InterfaceId, LanId, LinkConfig, Loss, Network, Outage, Outcome, SimRng};

use crate::adapter::{Port, SimHost};
use crate::roles::{Element, Pinger, Role, Service};

pub(crate) const REGISTRAR: u8 = 1;
pub(crate) const USER: u8 = 21;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
const SERVICE_PORT: u16 = 7000;
const OTHER_PORT: u16 = 5000;
const POOL: &str = "PingPongPool";
const LAN: LanId = LanId(0);

/// How a world is set up.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Probability that a datagram is lost.
    pub(crate) loss: f64,
    /// Elements, from 11 on.
    pub(crate) elements: u8,
    /// Whether the registrar has to be found by its announces.
    pub(crate) by_announces: bool,
    /// How many requests the user sends.
    pub(crate) requests: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, loss: 0.01, elements: 3, by_announces: false, requests: u64::MAX }
    }
}

struct Place {
    host: HostId,
    interface: InterfaceId,
    /// How often it was started.
    starts: u32,
    /// Where the user's packets to it leave by: a router of its own, that may report it unreachable.
    router: Option<InterfaceId>,
}

pub(crate) struct World {
    network: Network<SimHost>,
    plan: Plan,
    rng: SimRng,
    places: BTreeMap<u8, Place>,
}

fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let rng = SimRng::new(plan.seed).split(1);
        let mut world = Self { network: Network::new(plan.seed), plan, rng, places: BTreeMap::new() };
        let elements = 11..11 + plan.elements;
        for number in [REGISTRAR].into_iter().chain(elements.clone()).chain([USER]) {
            let node = world.host(number, 0);
            let host = world.network.add_host(&format!("host {number}"), node);
            let interface = world.network.attach(host, LAN, address(number), world.link());
            world.network.join(interface, ANNOUNCE_GROUP.ip());
            world.places.insert(number, Place { host, interface, starts: 1, router: None });
        }
        elements.for_each(|number| world.add_router(number));
        world
    }

    fn add_router(&mut self, number: u8) {
        let user = self.places[&USER].host;
        let router = self.network.attach(user, LanId(number.into()), [10, 1, 0, number].into(), self.link());
        self.network.set_route(user, address(number), router);
        self.places.get_mut(&number).expect("just added").router = Some(router);
    }

    fn link(&self) -> LinkConfig {
        LinkConfig {
            delay: Duration::from_millis(5),
            loss: Loss::Random(self.plan.loss),
            ..LinkConfig::default()
        }
    }

    /// A host with fresh machines.
    fn host(&mut self, number: u8, starts: u32) -> SimHost {
        let now = self.network.now();
        let ports = match number {
            REGISTRAR => vec![self.registrar(now)],
            USER => vec![self.user(now)],
            _ => vec![self.element(number, starts, now), Self::service()],
        };
        SimHost::new(address(number), ports, self.rng.seed_bytes(), now)
    }

    fn registrar(&mut self, now: Time) -> Port {
        let config = RegistrarConfig::new(RegistrarId(1), Profile::Fast);
        let role = Role::Registrar(Box::new(Registrar::new(config, self.rng.u64(), now)));
        Port { number: ASAP_PORT, listens: true, role }
    }

    fn element(&mut self, number: u8, starts: u32, now: Time) -> Port {
        let transport = Transport::sctp(SERVICE_PORT, [address(number)], TransportUse::DataAndControl);
        // Each start has an identifier of its own; its last byte is the host's number.
        let id = PeId(starts << 8 | u32::from(number));
        let policy = Policy::default();
        let config = PoolElementConfig::new(POOL.into(), id, policy, transport, self.hunt(), Profile::Fast);
        let machine = PoolElement::new(config, self.rng.u64(), now);
        let role = Role::Element(Box::new(Element { machine, events: Vec::new() }));
        Port { number: OTHER_PORT, listens: true, role }
    }

    fn service() -> Port {
        Port { number: SERVICE_PORT, listens: true, role: Role::Service(Box::new(Service::new())) }
    }

    fn user(&mut self, now: Time) -> Port {
        let config = PoolUserConfig::new(self.hunt(), Profile::Fast);
        let user = PoolUser::new(config, self.rng.u64());
        let role = Role::User(Box::new(Pinger::new(user, POOL.into(), self.plan.requests, now)));
        Port { number: OTHER_PORT, listens: false, role }
    }

    fn hunt(&self) -> HuntConfig {
        let known = Peer { addresses: vec![address(REGISTRAR)], port: ASAP_PORT };
        let registrars = if self.plan.by_announces { Vec::new() } else { vec![known] };
        HuntConfig { use_announces: self.plan.by_announces, ..HuntConfig::new(registrars, Profile::Fast) }
    }

    pub(crate) fn now(&self) -> Time {
        self.network.now()
    }

    fn ports(&self, number: u8) -> &[Port] {
        self.network.node(self.places[&number].host).ports()
    }

    pub(crate) fn pinger(&self) -> &Pinger {
        match &self.ports(USER)[0].role {
            Role::User(pinger) => pinger,
            _ => unreachable!("the user has one port"),
        }
    }

    /// How many elements are registered.
    pub(crate) fn registered(&self) -> usize {
        match self.ports(REGISTRAR).first().map(|port| &port.role) {
            Some(Role::Registrar(registrar)) => registrar.handlespace().len(),
            _ => 0,
        }
    }

    /// An element's registration, while the element is alive.
    pub(crate) fn element_of(&self, number: u8) -> &Element {
        match &self.ports(number)[0].role {
            Role::Element(element) => element,
            _ => unreachable!("an element's first port is its registration"),
        }
    }

    /// Sessions that an element has taken over from others.
    pub(crate) fn cookie_echoes(&self, number: u8) -> u64 {
        match &self.ports(number)[1].role {
            Role::Service(service) => service.cookie_echoes,
            _ => unreachable!("an element's second port is its service"),
        }
    }

    /// The host of the element that serves.
    #[track_caller]
    pub(crate) fn serving(&self) -> u8 {
        self.pinger().element().expect("an element serves").to_be_bytes()[3]
    }

    #[track_caller]
    pub(crate) fn run_for(&mut self, span: Duration) {
        assert_eq!(self.network.run_for(span), Outcome::TimeLimit);
    }

    /// Runs until `done`; the time that it took.
    #[track_caller]
    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now();
        while !done(self) {
            assert!(self.now() - start < limit, "not within {limit:?}: {:?}", self.pinger().history);
            self.run_for(Duration::from_millis(1));
        }
        self.now() - start
    }

    /// Until the next fail-over is complete; the time that it took.
    #[track_caller]
    pub(crate) fn run_until_failover(&mut self) -> Duration {
        let known = self.pinger().history.len();
        let is_complete =
            |(_, event): &(Time, SessionEvent)| matches!(event, SessionEvent::FailoverComplete { .. });
        self.run_until(2 * SECOND, |world| world.pinger().history[known..].iter().any(is_complete))
    }

    /// A cut cable: nothing comes back.
    pub(crate) fn unplug(&mut self, number: u8) {
        self.network.take_down(self.places[&number].interface, Outage::Silent);
    }

    /// The cable is mended.
    pub(crate) fn plug_in(&mut self, number: u8) {
        self.network.take_up(self.places[&number].interface);
    }

    /// A cut cable behind a router: it reports the host unreachable to the user.
    pub(crate) fn unplug_with_reports(&mut self, number: u8) {
        self.unplug(number);
        let router = self.places[&number].router.expect("elements are behind routers");
        self.network.take_down(router, Outage::Reported);
    }

    /// All programs of a host are killed; its stack aborts their associations.
    pub(crate) fn kill(&mut self, number: u8) {
        self.network.with_node(self.places[&number].host, |node, _| node.kill());
    }

    /// A host has started anew, without memory. What comes for its old associations is answered with ABORT.
    pub(crate) fn restart(&mut self, number: u8) {
        let place = self.places.get_mut(&number).expect("a host");
        let (host, starts) = (place.host, place.starts);
        place.starts += 1;
        let fresh = self.host(number, starts);
        self.network.with_node(host, |node, _| *node = fresh);
    }
}

/// Runs a test with each seed, or with that of `RSP_SEED`.
pub(crate) fn with_seeds(seeds: std::ops::RangeInclusive<u64>, run: fn(u64)) {
    let seeds = match std::env::var("RSP_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..=seed).expect("RSP_SEED is a number"),
        Err(_) => seeds,
    };
    for seed in seeds {
        let result = catch_unwind(|| run(seed));
        assert!(result.is_ok(), "failed with seed {seed}; replay it with RSP_SEED={seed}");
    }
}
