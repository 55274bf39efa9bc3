use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::*;

#[path = "../../../tests/names/dns.rs"]
mod dns;

use dns::DnsServer;

const LIMIT: Duration = Duration::from_secs(20);

fn start(server: &DnsServer, names: &[&str]) -> Names {
    let names = names.iter().map(|name| RegistrarName::parse(name, 3863).expect("a name")).collect();
    let options = NameOptions {
        servers: vec![server.address()],
        min_life: Duration::from_millis(20),
        max_life: Duration::from_millis(50),
        pause: Duration::from_millis(5),
    };
    Names::start(Side::Asap, names, options).expect("a thread")
}

/// Waits until the names stand for these: priority, weight, addresses, port.
fn await_targets(names: &Names, expected: &[(u16, u16, &[&str], u16)]) {
    let peer = |addresses: &[&str], port| Peer {
        addresses: addresses.iter().map(|address| address.parse().expect("an address")).collect(),
        port,
    };
    let target = |&(priority, weight, addresses, port): &(u16, u16, &[&str], u16)| Target {
        priority,
        weight,
        peer: peer(addresses, port),
    };
    let expected: Vec<Target> = expected.iter().map(target).collect();
    let (start, mut last) = (Instant::now(), None);
    loop {
        match names.receive() {
            Some(TransportEvent::Resolved { targets, .. }) if targets == expected => return,
            None => std::thread::sleep(Duration::from_millis(2)),
            other => last = other,
        }
        assert!(start.elapsed() < LIMIT, "{last:?} instead of {expected:?}");
    }
}

/// Waits for so many more questions, and does something meanwhile.
fn await_questions(server: &DnsServer, count: usize, meanwhile: impl Fn()) {
    let (start, asked) = (Instant::now(), server.questions());
    while server.questions() < asked + count {
        assert!(start.elapsed() < LIMIT, "it does not ask again");
        meanwhile();
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn addresses(all: &[&str]) -> Vec<IpAddr> {
    all.iter().map(|address| address.parse().expect("an address")).collect()
}

#[test]
fn each_address_of_a_host_is_a_registrar() {
    let server = DnsServer::start([127, 79, 20, 1]);
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]));
    let names = start(&server, &["registrars.test.:4000"]);
    await_targets(
        &names,
        &[(0, 0, &["192.0.2.1"], 4000), (0, 0, &["192.0.2.2"], 4000), (0, 0, &["2001:db8::1"], 4000)],
    );
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.3"]));
    await_targets(&names, &[(0, 0, &["192.0.2.3"], 4000)]);
}

#[test]
fn each_target_of_a_service_is_a_registrar_with_all_its_addresses() {
    // RFC 2782.
    let server = DnsServer::start([127, 79, 20, 2]);
    server.set_addresses("a.test.", &addresses(&["192.0.2.1", "2001:db8::1"]));
    server.set_addresses("b.test.", &addresses(&["192.0.2.2"]));
    let service = "_asap-sctp._sctp.test.";
    server.set_service(
        service,
        &[(20, 7, 3863, "a.test."), (10, 0, 4000, "b.test."), (5, 0, 1, "missing.test.")],
    );
    let names = start(&server, &[service]);
    await_targets(&names, &[(10, 0, &["192.0.2.2"], 4000), (20, 7, &["192.0.2.1", "2001:db8::1"], 3863)]);
    // There is no such service.
    server.set_service(service, &[(0, 0, 0, ".")]);
    await_targets(&names, &[]);
}

#[test]
fn who_asks_once_gets_all_that_a_name_stands_for_best_first() {
    let server = DnsServer::start([127, 79, 20, 7]);
    let options = NameOptions { servers: vec![server.address()], ..NameOptions::new(Profile::Fast) };
    let resolve = |name: &str| {
        let found = options.resolve(&RegistrarName::parse(name, 9901).expect("a name"));
        found.map_err(|error| error.to_string())
    };
    let at = |address: &str, port| Peer { addresses: addresses(&[address]), port };
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.2", "192.0.2.1"]));
    assert_eq!(resolve("registrars.test."), Ok(vec![at("192.0.2.2", 9901), at("192.0.2.1", 9901)]));
    server.set_addresses("a.test.", &addresses(&["192.0.2.1"]));
    server.set_addresses("b.test.", &addresses(&["192.0.2.2"]));
    let service = "_enrp-sctp._sctp.test.";
    server.set_service(service, &[(2, 0, 7, "a.test."), (1, 0, 8, "b.test.")]);
    assert_eq!(resolve(service), Ok(vec![at("192.0.2.2", 8), at("192.0.2.1", 7)]));
    let service = "_enrp-sctp._sctp.other.test.";
    server.set_service(service, &[(1, 0, 7, "a.test."), (1, 100, 8, "b.test.")]);
    assert_eq!(resolve(service), Ok(vec![at("192.0.2.2", 8), at("192.0.2.1", 7)]));
    let error = resolve("missing.test.").expect_err("nobody has it");
    assert!(error.starts_with("cannot find missing.test.:9901: there is no such name"), "{error}");
    server.set_failing(true);
    assert!(resolve("registrars.test.").is_err());
}

#[test]
fn a_target_that_cannot_be_resolved_keeps_nobody_from_the_others_and_what_is_known_of_it_stays() {
    let server = DnsServer::start([127, 79, 20, 5]);
    let service = "_asap-sctp._sctp.test.";
    server.set_addresses("a.test.", &addresses(&["192.0.2.1"]));
    server.set_addresses("b.test.", &addresses(&["192.0.2.2"]));
    server.break_name("never.test.");
    server.set_service(service, &[(1, 0, 1, "never.test."), (2, 0, 2, "a.test."), (3, 0, 3, "b.test.")]);
    let names = start(&server, &[service]);
    await_targets(&names, &[(2, 0, &["192.0.2.1"], 2), (3, 0, &["192.0.2.2"], 3)]);
    server.break_name("a.test.");
    server.set_addresses("b.test.", &addresses(&["192.0.2.4"]));
    await_targets(&names, &[(2, 0, &["192.0.2.1"], 2), (3, 0, &["192.0.2.4"], 3)]);
    // A host that is no longer named is forgotten.
    server.set_service(service, &[(1, 0, 1, "never.test."), (3, 0, 3, "b.test.")]);
    await_targets(&names, &[(3, 0, &["192.0.2.4"], 3)]);
}

#[test]
fn what_is_known_of_a_family_stays_while_the_server_fails_for_it() {
    let server = DnsServer::start([127, 79, 20, 6]);
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.1", "2001:db8::1"]));
    let names = start(&server, &["registrars.test."]);
    await_targets(&names, &[(0, 0, &["192.0.2.1"], 3863), (0, 0, &["2001:db8::1"], 3863)]);
    server.break_family("registrars.test.", RecordType::AAAA);
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.2"]));
    await_targets(&names, &[(0, 0, &["192.0.2.2"], 3863), (0, 0, &["2001:db8::1"], 3863)]);
}

#[test]
fn what_is_known_stays_while_a_server_fails_and_goes_when_it_says_so() {
    let server = DnsServer::start([127, 79, 20, 3]);
    server.set_failing(true);
    let names = start(&server, &["registrars.test.", "missing.test."]);
    await_questions(&server, 20, || assert_eq!(names.receive(), None));
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.1"]));
    server.set_failing(false);
    await_targets(&names, &[(0, 0, &["192.0.2.1"], 3863)]);
    server.set_failing(true);
    await_questions(&server, 20, || {
        if let Some(TransportEvent::Resolved { targets, .. }) = names.receive() {
            assert_eq!(targets.len(), 1);
        }
    });
    server.set_addresses("registrars.test.", &[]);
    server.set_failing(false);
    await_targets(&names, &[]);
}

#[test]
fn a_wish_is_granted_before_the_answer_is_old_and_many_at_once() {
    let server = DnsServer::start([127, 79, 20, 4]);
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.1"]));
    let names = vec![RegistrarName::parse("registrars.test.", 3863).expect("a name")];
    let hour = Duration::from_secs(3600);
    let options = NameOptions {
        servers: vec![server.address()],
        min_life: hour,
        max_life: hour,
        pause: Duration::from_millis(200),
    };
    let names = Names::start(Side::Asap, names, options).expect("a thread");
    await_targets(&names, &[(0, 0, &["192.0.2.1"], 3863)]);
    let asked = server.questions();
    server.set_addresses("registrars.test.", &addresses(&["192.0.2.2"]));
    (0..100).for_each(|_| names.wish());
    await_targets(&names, &[(0, 0, &["192.0.2.2"], 3863)]);
    // A and AAAA, once.
    assert_eq!(server.questions(), asked + 2);
}
