//! The driver over real sockets: UDP encapsulation on loopback addresses that no other test uses.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rserpool::driver::{
    PoolElement, PoolElementOptions, PoolUser, PoolUserOptions, Registrar, RegistrarOptions, Registration,
    Service, ServiceSession, Session, Update,
};
use rserpool::pool_element::PoolElementEvent;
use rserpool::pool_user::{Destination, PoolUserEvent, SubscriptionState};
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};
use rserpool::session::{CookieKey, CookieProtection, SessionEvent};
use rserpool::transport::{Peer, UserMessage};
use rserpool::wire::{self, ASAP_PORT, ENRP_PORT, Policy, PolicyField, PolicyType};
use rserpool::{Profile, RegistrarId};
use socketapi::{Bytes, SctpListener, Stack, Transport};

const PROFILE: Profile = Profile::Fast;
const LIMIT: Duration = Duration::from_secs(20);

/// Answers each message with how many it has answered, also before a fail-over.
#[derive(Default)]
struct Counter {
    count: u8,
}

impl Service for Counter {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, _message: UserMessage) {
        self.count += 1;
        // In this order, who has the reply has the cookie too.
        session.send_cookie(vec![self.count, 0, 0, 0]).expect("the session is up");
        session.send(UserMessage::new(7, vec![self.count])).expect("the session is up");
    }

    fn on_cookie_echo(&mut self, _session: &mut ServiceSession<'_>, cookie: Bytes) {
        self.count = cookie[0];
    }
}

fn stack(test: u8, host: u8) -> Stack {
    let builder = Stack::builder().transport(Transport::Udp).address([127, 79, test, host]);
    builder.linger(Duration::ZERO).build().expect("a stack")
}

fn registrar(stack: &Stack) -> (Registrar, Vec<Peer>) {
    let config = RegistrarConfig::new(RegistrarId(1), PROFILE);
    let registrar = Registrar::start(stack, config, RegistrarOptions::new(PROFILE.sctp_settings()));
    let peer = Peer { addresses: stack.local_addresses(), port: ASAP_PORT };
    (registrar.expect("a registrar"), vec![peer])
}

/// A registrar that knows another one.
fn registrar_beside(stack: &Stack, id: u32, other: &Stack) -> Registrar {
    let mut config = RegistrarConfig::new(RegistrarId(id), PROFILE);
    config.enrp.peers = vec![Peer { addresses: other.local_addresses(), port: ENRP_PORT }];
    let mut options = RegistrarOptions::new(PROFILE.sctp_settings());
    options.enrp_port = Some(ENRP_PORT);
    Registrar::start(stack, config, options).expect("a registrar")
}

/// Waits until a registrar tells what is looked for.
fn await_event(registrar: &Registrar, is_it: impl Fn(&RegistrarEvent) -> bool) {
    while !is_it(&registrar.next_event(Some(Instant::now() + LIMIT)).expect("an event")) {}
}

fn element(stack: &Stack, registrars: &[Peer]) -> PoolElement {
    let options = PoolElementOptions::new("Counters".into(), registrars.to_vec(), PROFILE);
    let element = PoolElement::start(stack, options, Counter::default()).expect("an element");
    element.next_event(Some(Instant::now() + LIMIT)).expect("a registration");
    element
}

fn user(stack: &Stack, registrars: &[Peer]) -> PoolUser {
    PoolUser::start(stack, PoolUserOptions::new(registrars.to_vec(), PROFILE)).expect("a user")
}

fn next(session: &Session) -> SessionEvent {
    session.receive(Some(Instant::now() + LIMIT)).expect("an event")
}

fn ask(session: &Session) -> u8 {
    session.send(&UserMessage::new(7, "?")).expect("it is connected");
    loop {
        match next(session) {
            SessionEvent::Data(message) => return message.data[0],
            SessionEvent::BusinessCard(_) => {}
            other => panic!("a reply was expected, not {other:?}"),
        }
    }
}

#[test]
fn two_sessions_of_one_user_with_one_element_have_an_association_each() {
    let (at_registrar, at_element, at_user) = (stack(1, 2), stack(1, 3), stack(1, 4));
    let (registrar, registrars) = registrar(&at_registrar);
    let element = element(&at_element, &registrars);
    // RFC 5352, 3.1 R1: it registers from all addresses at which it serves.
    let (serves, registers) = registrar.inspect(|registrar| {
        let pools = registrar.handlespace().pools();
        let element = pools.flat_map(|pool| pool.elements()).next().expect("it is registered").info.clone();
        (
            element.user_transport.addresses,
            element.asap_transport.expect("its registrar fills it in").addresses,
        )
    });
    assert!(serves.iter().all(|address| registers.contains(address)), "{serves:?} {registers:?}");
    let user = user(&at_user, &registrars);
    let sessions = [user.open_session("Counters".into()), user.open_session("Counters".into())];
    for session in &sessions {
        session.wait_connected(LIMIT).expect("a connection");
    }
    assert_eq!([ask(&sessions[0]), ask(&sessions[1]), ask(&sessions[0])], [1, 2, 3]);
    assert!(element.deregister(Some(Instant::now() + LIMIT)).expect("an answer"));
    assert!(user.resolve("Counters".into(), Some(Instant::now() + LIMIT)).is_err(), "the pool is empty");
}

#[test]
fn a_session_goes_on_from_its_cookie_when_its_element_is_gone() {
    let (at_registrar, at_user) = (stack(2, 2), stack(2, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    let mut hosts = Vec::new();
    for host in [3, 4] {
        let stack = stack(2, host);
        hosts.push((element(&stack, &registrars), stack));
    }
    let user = user(&at_user, &registrars);
    let session = user.open_session("Counters".into());
    let first = session.wait_connected(LIMIT).expect("a connection");
    assert_eq!([ask(&session), ask(&session)], [1, 2]);
    let serves = |(_, stack): &&(PoolElement, Stack)| {
        first.user_transport.addresses.iter().all(|address| stack.local_addresses().contains(address))
    };
    hosts.iter().find(serves).expect("one of the two").1.close();
    assert!(matches!(next(&session), SessionEvent::FailoverNecessary { .. }));
    let SessionEvent::FailoverComplete { element, has_cookie: true } = next(&session) else {
        panic!("a fail-over with a cookie was expected");
    };
    assert_ne!(element.id, first.id);
    assert_eq!(ask(&session), 3);
}

#[test]
fn a_registrar_takes_the_elements_of_another_over_that_has_gone() {
    let (first_host, second_host, at_element) = (stack(3, 2), stack(3, 3), stack(3, 4));
    let first = registrar_beside(&first_host, 1, &second_host);
    let second = registrar_beside(&second_host, 2, &first_host);
    await_event(&second, |event| matches!(event, RegistrarEvent::Serving));
    let element = element(&at_element, &[Peer { addresses: first_host.local_addresses(), port: ASAP_PORT }]);
    let homes = |registrar: &Registrar| {
        registrar.inspect(|registrar| {
            let pools = registrar.handlespace().pools();
            pools.flat_map(|pool| pool.elements()).map(|element| element.info.home).collect::<Vec<_>>()
        })
    };
    assert_eq!(homes(&first), [RegistrarId(1)]);
    drop(first);
    first_host.close();
    await_event(&second, |event| matches!(event, RegistrarEvent::TakenOver { elements: 1, .. }));
    assert_eq!(homes(&second), [RegistrarId(2)]);
    let is_home = |event: PoolElementEvent| event == PoolElementEvent::HomeChanged(RegistrarId(2));
    while !is_home(element.next_event(Some(Instant::now() + LIMIT)).expect("a new home")) {}
    assert_eq!(homes(&second), [RegistrarId(2)]);
}

#[test]
fn a_message_without_a_session_goes_to_all_elements_and_each_answers() {
    // RFC 5352, 6.5.5: ASAP_SEND_TO_ALL.
    let (at_registrar, at_first, at_second, at_user) = (stack(4, 2), stack(4, 3), stack(4, 4), stack(4, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    let _elements = [element(&at_first, &registrars), element(&at_second, &registrars)];
    let user = user(&at_user, &registrars);
    let to_all = Destination::All { pool_handle: "Counters".into(), to_self: false };
    user.send_to(to_all, UserMessage::new(7, "?"), false).expect("room");
    let mut answers = Vec::new();
    while answers.len() < 2 {
        match user.next_message_event(Some(Instant::now() + LIMIT)).expect("an event") {
            PoolUserEvent::Received { element, message } => answers.push((element.pe_id, message.data[0])),
            PoolUserEvent::Sent { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_ne!(answers[0].0, answers[1].0);
    assert_eq!([answers[0].1, answers[1].1], [1, 1]);
}

#[test]
fn a_subscriber_hears_of_an_element_that_comes_and_goes() {
    // RFC 5352, 2.2.5.
    let (at_registrar, at_first, at_second, at_user) = (stack(5, 2), stack(5, 3), stack(5, 4), stack(5, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    let _first = element(&at_first, &registrars);
    let user = user(&at_user, &registrars);
    let subscription = user.subscribe("Counters".into());
    let next = || subscription.next(Some(Instant::now() + LIMIT)).expect("an update");
    assert_eq!(next(), Update::State(SubscriptionState::Accepted));
    let count = |update| match update {
        Update::Elements(elements) => elements.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(next()), 1);
    let second = element(&at_second, &registrars);
    assert_eq!(count(next()), 2);
    assert!(second.deregister(Some(Instant::now() + LIMIT)).expect("an answer"));
    assert_eq!(count(next()), 1);
}

#[test]
fn signed_cookies_carry_a_session_on_and_elements_present_themselves() {
    // RFC 5352, 3.8 and 3.9.
    let (at_registrar, at_user) = (stack(6, 2), stack(6, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    let mut hosts = Vec::new();
    for host in [3, 4] {
        let stack = stack(6, host);
        let mut options = PoolElementOptions::new("Counters".into(), registrars.clone(), PROFILE);
        let key = CookieKey::new(b"known to the elements only").expect("long enough");
        options.cookies = Some(CookieProtection::new("Counters".into(), key));
        let element = PoolElement::start(&stack, options, Counter::default()).expect("an element");
        element.next_event(Some(Instant::now() + LIMIT)).expect("a registration");
        hosts.push((element, stack));
    }
    let user = user(&at_user, &registrars);
    let session = user.open_session("Counters".into());
    let first = session.wait_connected(LIMIT).expect("a connection");
    let SessionEvent::BusinessCard(card) = next(&session) else { panic!("a card was expected") };
    assert_eq!((card.pool_handle, card.elements[0].id), ("Counters".into(), first.id));
    assert_eq!([ask(&session), ask(&session)], [1, 2]);
    let serves = |(_, stack): &&(PoolElement, Stack)| {
        first.user_transport.addresses.iter().all(|address| stack.local_addresses().contains(address))
    };
    hosts.iter().find(serves).expect("one of the two").1.close();
    assert!(matches!(next(&session), SessionEvent::FailoverNecessary { .. }));
    assert!(matches!(next(&session), SessionEvent::FailoverComplete { has_cookie: true, .. }));
    assert!(matches!(next(&session), SessionEvent::BusinessCard(_)));
    assert_eq!(ask(&session), 3);
}

#[test]
fn a_server_of_another_transport_is_registered_and_found() {
    // RFC 5354, 3.5.
    let (at_registrar, at_server, at_user) = (stack(7, 2), stack(7, 3), stack(7, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    let options = PoolElementOptions::new("Web".into(), registrars.clone(), PROFILE);
    let addresses = at_server.local_addresses().into();
    let transport = wire::Transport { protocol: wire::Protocol::Tcp, port: 80, addresses };
    let registration = Registration::start(&at_server, &options, transport.clone());
    let registration = registration.expect("a registration");
    let registered = registration.next_event(Some(Instant::now() + LIMIT)).expect("an event");
    assert_eq!(registered, PoolElementEvent::Registered);
    let user = user(&at_user, &registrars);
    let found = user.resolve("Web".into(), Some(Instant::now() + LIMIT)).expect("it is there");
    assert_eq!(found[0].user_transport, transport);
    assert!(registration.deregister(Some(Instant::now() + LIMIT)).expect("an answer"));
}

/// Where a stack listens for SCTP in UDP (RFC 6951).
const ENCAPSULATION: u16 = 9899;

/// Relays datagrams, each of which takes so long, between who sends to one address and who listens at another.
fn relay(test: u8, [near, far, target]: [u8; 3], delay: Duration) {
    let place = move |host, port| SocketAddr::from(([127, 79, test, host], port));
    let bind = |host, port| {
        let socket = UdpSocket::bind(place(host, port)).expect("an address of our own");
        socket.set_read_timeout(Some(LIMIT)).expect("a time-out");
        Arc::new(socket)
    };
    let (near, far, client) = (bind(near, ENCAPSULATION), bind(far, 0), Arc::new(Mutex::new(None)));
    let (there, back) = ((near.clone(), far.clone(), client.clone()), (far, near, client));
    let carry = move |from: &UdpSocket, on: &dyn Fn(&[u8], SocketAddr)| {
        let mut buffer = [0; 65_536];
        while let Ok((length, source)) = from.recv_from(&mut buffer) {
            std::thread::sleep(delay);
            on(&buffer[..length], source);
        }
    };
    std::thread::spawn(move || {
        let (from, to, client) = there;
        carry(&from, &|data, source| {
            *client.lock().expect("nobody panics") = Some(source);
            to.send_to(data, place(target, ENCAPSULATION)).expect("loopback");
        });
    });
    std::thread::spawn(move || {
        let (from, to, client) = back;
        carry(&from, &|data, _| {
            let client = client.lock().expect("nobody panics").expect("it answers somebody");
            to.send_to(data, client).expect("loopback");
        });
    });
}

#[test]
fn a_registrar_measures_how_far_an_element_is() {
    // Delay draft, 2.1.
    let (at_registrar, at_element) = (stack(8, 2), stack(8, 3));
    let mut config = RegistrarConfig::new(RegistrarId(1), PROFILE);
    config.distance_step = Duration::from_millis(1);
    let registrar = Registrar::start(&at_registrar, config, RegistrarOptions::new(PROFILE.sctp_settings()));
    let registrar = registrar.expect("a registrar");
    // At the element's address: what registers must come from where it serves.
    relay(8, [4, 3, 2], Duration::from_millis(20));
    let relay = Peer { addresses: vec![[127, 79, 8, 4].into()], port: ASAP_PORT };
    let mut options = PoolElementOptions::new("Counters".into(), vec![relay], PROFILE);
    options.config.policy = Policy::new(PolicyType::LeastUsedDpf);
    let _element = PoolElement::start(&at_element, options, Counter::default()).expect("an element");
    let distance = || {
        registrar.inspect(|registrar| {
            let mut elements = registrar.handlespace().pools().flat_map(|pool| pool.elements());
            elements.next().map(|element| element.info.policy.field(PolicyField::Distance))
        })
    };
    let start = Instant::now();
    while distance().is_none_or(|distance| distance < 20) {
        assert!(start.elapsed() < LIMIT, "the distance is {:?} ms, and must be 20 at least", distance());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_element_is_as_patient_as_it_is_told() {
    // RFC 5352, 3.1 and 7.3: MAX-REG-ATTEMPT.
    let (at_registrar, at_element) = (stack(9, 2), stack(9, 3));
    let at = SocketAddr::new(at_registrar.local_addresses()[0], ASAP_PORT);
    let _answers_nobody = SctpListener::bind(&at_registrar, at).expect("a listener");
    let mut options = PoolElementOptions::new("Counters".into(), vec![at.into()], PROFILE);
    options.config.max_registration_attempts = Some(2);
    let element = PoolElement::start(&at_element, options, Counter::default()).expect("an element");
    let next = || element.next_event(Some(Instant::now() + LIMIT)).expect("an event");
    let events = [next(), next(), next()];
    let lost = PoolElementEvent::RegistrarLost;
    assert_eq!(events, [lost.clone(), lost, PoolElementEvent::GaveUp { attempts: 2 }]);
}
