//! Registrars that are known by name: UDP encapsulation on loopback addresses, and a DNS server, that no other test uses.

mod dns;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dns::DnsServer;
use rserpool::driver::{
    Error, NameOptions, PoolElementOptions, PoolUser, PoolUserOptions, Registrar, RegistrarOptions,
    Registration,
};
use rserpool::pool_element::PoolElementEvent;
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};
use rserpool::transport::Peer;
use rserpool::wire::{ASAP_PORT, ENRP_PORT, Transport as UserTransport, TransportUse};
use rserpool::{Profile, RegistrarId, RegistrarName};
use socketapi::{Stack, Transport};

const PROFILE: Profile = Profile::Fast;
const LIMIT: Duration = Duration::from_secs(20);

/// The network of one test: 127.79.`test`.x, where host 1 is the DNS server.
struct Site {
    test: u8,
    dns: DnsServer,
}

impl Site {
    fn new(test: u8) -> Self {
        Self { test, dns: DnsServer::start([127, 79, test, 1]) }
    }

    fn address(&self, host: u8) -> IpAddr {
        [127, 79, self.test, host].into()
    }

    fn stack(&self, host: u8) -> Stack {
        let builder = Stack::builder().transport(Transport::Udp).address(self.address(host));
        builder.linger(Duration::ZERO).build().expect("a stack")
    }

    /// `registrars.test` stands for these hosts.
    fn name(&self, hosts: &[u8]) {
        let addresses: Vec<IpAddr> = hosts.iter().map(|host| self.address(*host)).collect();
        self.dns.set_addresses("registrars.test.", &addresses);
    }

    fn options(&self) -> NameOptions {
        let quick = Duration::from_millis(100);
        NameOptions { servers: vec![self.dns.address()], min_life: quick, max_life: quick, pause: quick / 4 }
    }

    fn registrar(&self, stack: &Stack, id: u32, port: u16, knows: &[&str]) -> Registrar {
        let mut config = RegistrarConfig::new(RegistrarId(id), PROFILE);
        config.enrp.names = names(knows, ENRP_PORT);
        let mut options = RegistrarOptions::new(PROFILE.sctp_settings());
        (options.port, options.names) = (port, self.options());
        options.enrp_port = Some(ENRP_PORT);
        Registrar::start(stack, config, options).expect("a registrar")
    }

    fn element(&self, stack: &Stack, registrars: Vec<Peer>, known_names: &[&str]) -> Registration {
        let mut options = PoolElementOptions::new("Pool".into(), registrars, PROFILE);
        options.config.hunt.names = names(known_names, ASAP_PORT);
        options.names = self.options();
        let transport = UserTransport::sctp(7, stack.local_addresses(), TransportUse::DataOnly);
        Registration::start(stack, &options, transport).expect("an element")
    }
}

fn names(all: &[&str], port: u16) -> Vec<RegistrarName> {
    all.iter().map(|name| RegistrarName::parse(name, port).expect("a name")).collect()
}

fn await_event(registrar: &Registrar, is_it: impl Fn(&RegistrarEvent) -> bool) {
    while !is_it(&registrar.next_event(Some(Instant::now() + LIMIT)).expect("an event")) {}
}

fn await_registration(element: &Registration) {
    let is_it = |event| event == PoolElementEvent::Registered;
    while !is_it(element.next_event(Some(Instant::now() + LIMIT)).expect("an event")) {}
}

fn elements(registrar: &Registrar) -> usize {
    registrar.inspect(|registrar| registrar.handlespace().pools().map(|pool| pool.elements().count()).sum())
}

#[test]
fn an_element_moves_to_the_registrar_that_the_name_stands_for_now() {
    // RFC 5352, 3.6.
    let site = Site::new(21);
    let (at_first, at_second, at_element) = (site.stack(2), site.stack(3), site.stack(4));
    let first = site.registrar(&at_first, 1, ASAP_PORT, &[]);
    site.name(&[2]);
    let element = site.element(&at_element, Vec::new(), &["registrars.test"]);
    await_registration(&element);
    assert_eq!(elements(&first), 1);

    // Who is no longer named is not left.
    site.name(&[3]);
    let asked = site.dns.questions();
    let start = Instant::now();
    while site.dns.questions() < asked + 6 {
        assert!(start.elapsed() < LIMIT, "the name is not resolved again");
        std::thread::yield_now();
    }
    assert_eq!(elements(&first), 1);

    let second = site.registrar(&at_second, 2, ASAP_PORT, &[]);
    drop(first);
    at_first.close();
    await_registration(&element);
    assert_eq!(elements(&second), 1);
}

#[test]
fn a_user_is_told_where_the_registrar_is_that_it_found() {
    let site = Site::new(25);
    let (at_registrar, at_user) = (site.stack(2), site.stack(3));
    site.name(&[2]);
    let mut options = PoolUserOptions::new(Vec::new(), PROFILE);
    options.config.hunt.names = names(&["registrars.test"], ASAP_PORT);
    options.names = site.options();
    let user = PoolUser::start(&at_user, options).expect("a user");
    let in_vain = user.find_registrar(Some(Instant::now()));
    assert!(matches!(in_vain, Err(Error::TimedOut)), "{in_vain:?}");
    let _registrar = site.registrar(&at_registrar, 1, ASAP_PORT, &[]);
    let found = user.find_registrar(Some(Instant::now() + LIMIT)).expect("a registrar");
    assert_eq!(found, Peer { addresses: vec![site.address(2)], port: ASAP_PORT });
}

#[test]
fn registrars_find_those_that_come_later_by_their_common_name_and_not_themselves() {
    // RFC 5353, 3.2.2.1; as behind a headless service.
    let site = Site::new(22);
    let (at_first, at_second, at_element) = (site.stack(2), site.stack(3), site.stack(4));
    site.name(&[2]);
    let first = site.registrar(&at_first, 1, ASAP_PORT, &["registrars.test"]);
    await_event(&first, |event| matches!(event, RegistrarEvent::Serving));
    let address = Peer { addresses: vec![site.address(2)], port: ASAP_PORT };
    let element = site.element(&at_element, vec![address], &[]);
    await_registration(&element);

    site.name(&[2, 3]);
    let second = site.registrar(&at_second, 2, ASAP_PORT, &["registrars.test"]);
    await_event(&second, |event| matches!(event, RegistrarEvent::Serving));
    await_event(&first, |event| matches!(event, RegistrarEvent::PeerFound(RegistrarId(2))));
    assert_eq!(elements(&second), 1, "the second learns from the first before it serves");
    let peers = |registrar: &Registrar| registrar.inspect(|registrar| registrar.peers().collect::<Vec<_>>());
    assert_eq!((peers(&first), peers(&second)), (vec![RegistrarId(2)], vec![RegistrarId(1)]));
}

#[test]
fn the_first_of_two_registrars_finds_the_second_by_name_only() {
    // The second knows nobody.
    let site = Site::new(23);
    let (at_first, at_second) = (site.stack(2), site.stack(3));
    site.name(&[2]);
    let first = site.registrar(&at_first, 1, ASAP_PORT, &["registrars.test"]);
    await_event(&first, |event| matches!(event, RegistrarEvent::Serving));
    let second = site.registrar(&at_second, 2, ASAP_PORT, &[]);
    site.name(&[2, 3]);
    await_event(&first, |event| matches!(event, RegistrarEvent::PeerFound(RegistrarId(2))));
    await_event(&second, |event| matches!(event, RegistrarEvent::PeerFound(RegistrarId(1))));
}

#[test]
fn a_service_leads_to_the_registrar_that_it_prefers_and_to_another_if_that_is_gone() {
    // RFC 2782.
    let site = Site::new(24);
    let (at_first, at_second, at_element) = (site.stack(2), site.stack(3), site.stack(4));
    site.dns.set_addresses("a.test.", &[site.address(2)]);
    site.dns.set_addresses("b.test.", &[site.address(3)]);
    site.dns.break_name("c.test.");
    let targets = [(20, 0, 4000, "a.test."), (10, 0, 4001, "b.test."), (5, 0, 4002, "c.test.")];
    site.dns.set_service("_asap-sctp._sctp.test.", &targets);
    let first = site.registrar(&at_first, 1, 4000, &[]);
    let second = site.registrar(&at_second, 2, 4001, &[]);
    let element = site.element(&at_element, Vec::new(), &["_asap-sctp._sctp.test"]);
    await_registration(&element);
    assert_eq!((elements(&first), elements(&second)), (0, 1));
    drop(second);
    at_second.close();
    await_registration(&element);
    assert_eq!(elements(&first), 1);
}

#[test]
fn names_that_cannot_be_resolved_yet_and_addresses_go_together() {
    let site = Site::new(25);
    let (at_registrar, at_element, at_user) = (site.stack(2), site.stack(4), site.stack(5));
    site.dns.set_failing(true);
    // RFC 5353, 3.2.2: it looks for others, and then serves alone.
    let registrar = site.registrar(&at_registrar, 1, ASAP_PORT, &["registrars.test"]);
    await_event(&registrar, |event| matches!(event, RegistrarEvent::Serving));
    let address = Peer { addresses: vec![site.address(2)], port: ASAP_PORT };
    let element = site.element(&at_element, vec![address], &["registrars.test"]);
    await_registration(&element);
    let mut options = PoolUserOptions::new(Vec::new(), PROFILE);
    (options.config.hunt.names, options.names) = (names(&["registrars.test"], ASAP_PORT), site.options());
    let user = PoolUser::start(&at_user, options).expect("a user");
    let resolution = std::thread::scope(|scope| {
        let resolution = scope.spawn(|| user.resolve("Pool".into(), Some(Instant::now() + LIMIT)));
        let asked = site.dns.questions();
        while site.dns.questions() < asked + 4 {
            std::thread::yield_now();
        }
        site.name(&[2]);
        site.dns.set_failing(false);
        resolution.join().expect("no panic")
    });
    assert_eq!(resolution.expect("an element").len(), 1);
}
