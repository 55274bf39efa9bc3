//! What an application may ask of the driver: too much, twice, at the same time, for ever, and to be left alone at once. Over real
//! sockets, at addresses that no other test uses.

use std::time::{Duration, Instant};

use rserpool::driver::{
    AcceptedSession, Error, PoolElement, PoolElementOptions, PoolListener, PoolUser, PoolUserOptions,
    Registrar, RegistrarOptions, Service, ServiceSession, Session, Subscription, Update,
};
use rserpool::pool_element::PoolElementEvent;
use rserpool::pool_user::{Destination, ResolutionError, SubscriptionState};
use rserpool::registrar::RegistrarConfig;
use rserpool::session::{SendError, ServiceConfig, ServiceSessions, SessionEvent};
use rserpool::transport::{AssociationId, Peer, Side, TransportEvent, UserMessage};
use rserpool::wire::{ASAP_PORT, EncodeError};
use rserpool::{PoolHandle, Profile, RegistrarId, SctpSettings};
use socketapi::{Stack, Transport};

const PROFILE: Profile = Profile::Rsplib;
const LIMIT: Duration = Duration::from_secs(20);
const POOL: &str = "Echo";

fn soon() -> Option<Instant> {
    Some(Instant::now() + LIMIT)
}

/// Quick, but not so quick that who does not get to run for a moment is taken for dead.
fn calm() -> SctpSettings {
    SctpSettings { association_max_retrans: 60, path_max_retrans: 60, ..Profile::Fast.sctp_settings() }
}

/// A registrar, and what users and elements need to be started.
struct Site {
    test: u8,
    registrars: Vec<Peer>,
    _registrar: Registrar,
}

impl Site {
    fn new(test: u8) -> Self {
        let stack = Self::stack_of(test, 2);
        let config = RegistrarConfig::new(RegistrarId(1), PROFILE);
        let registrar = Registrar::start(&stack, config, RegistrarOptions::new(calm())).expect("a registrar");
        let registrars = vec![Peer { addresses: stack.local_addresses(), port: ASAP_PORT }];
        Self { test, registrars, _registrar: registrar }
    }

    fn stack_of(test: u8, host: u8) -> Stack {
        let builder = Stack::builder().transport(Transport::Udp).address([127, 83, test, host]);
        builder.linger(LIMIT).build().expect("a stack")
    }

    fn stack(&self, host: u8) -> Stack {
        Self::stack_of(self.test, host)
    }

    fn options(&self, pool: PoolHandle) -> PoolElementOptions {
        let options = PoolElementOptions::new(pool, self.registrars.clone(), PROFILE);
        PoolElementOptions { sctp: calm(), ..options }
    }

    fn element(&self, host: u8) -> PoolElement {
        let element = PoolElement::start(&self.stack(host), self.options(POOL.into()), Echo);
        let element = element.expect("an element");
        assert_eq!(element.next_event(soon()).expect("an event"), PoolElementEvent::Registered);
        element
    }

    fn user(&self, host: u8) -> PoolUser {
        let options = PoolUserOptions::new(self.registrars.clone(), PROFILE);
        PoolUser::start(&self.stack(host), PoolUserOptions { sctp: calm(), ..options }).expect("a user")
    }
}

struct Echo;

impl Service for Echo {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        session.send(message).expect("there is room");
    }
}

fn of_length(length: usize) -> UserMessage {
    UserMessage::new(7, vec![1; length])
}

fn on_stream(stream: u16) -> UserMessage {
    UserMessage { stream, ..of_length(1) }
}

#[test]
fn a_message_comes_as_it_was_sent_or_is_refused() {
    let site = Site::new(101);
    let _element = site.element(3);
    let user = site.user(4);
    let session = user.open_session(POOL.into());
    // As long as it takes.
    session.wait_connected(Duration::MAX).expect("a connection");
    // Those that all but fill the receive buffer SCTP delivers in pieces.
    let longest = UserMessage::MAX_LEN;
    for message in
        [of_length(1), of_length(longest - 1), of_length(longest), on_stream(UserMessage::STREAMS - 1)]
    {
        session.send(&message).expect("it can be sent");
        assert!(session.recv_message(soon()).expect("an echo") == message, "{} bytes", message.data.len());
    }
    for (message, refusal) in [
        (of_length(0), SendError::Empty),
        (of_length(longest + 1), SendError::TooLong { length: longest + 1 }),
        (on_stream(UserMessage::STREAMS), SendError::NoSuchStream { stream: UserMessage::STREAMS }),
    ] {
        assert!(matches!(session.send(&message), Err(Error::Send(error)) if error == refusal), "{refusal}");
        let sent = user.send_to(Destination::Pool(POOL.into()), message, false);
        assert!(matches!(sent, Err(Error::Send(error)) if error == refusal), "{refusal}");
    }
}

#[test]
fn an_element_cannot_send_what_no_message_holds() {
    let mut sessions = ServiceSessions::new(ServiceConfig::default(), 1);
    let (session, side) = (AssociationId::Incoming(1), Side::Asap);
    let peer = Peer { addresses: vec![[127, 0, 0, 1].into()], port: 1 };
    sessions.handle_event(TransportEvent::Accepted { association: session, side, peer });
    assert_eq!(sessions.send(session, of_length(0)), Err(SendError::Empty));
    // A message of ASAP has a 16-bit length, in which two headers count (RFC 5354, 3.10 and 4).
    let cookie = |length| vec![0; length].into();
    assert_eq!(sessions.send_cookie(session, cookie(65_524)), Ok(()));
    assert_eq!(
        sessions.send_cookie(session, cookie(70_000)),
        Err(SendError::CookieTooLong { length: 70_000 })
    );
}

#[test]
fn a_pool_that_cannot_be_named_is_refused_at_once() {
    let site = Site::new(102);
    // RSPLIB aborts on it.
    let long: PoolHandle = PoolHandle::new([b'x'; 33]);
    let refusal = EncodeError::PoolHandleTooLong { length: 33 };
    let element = PoolElement::start(&site.stack(3), site.options(long.clone()), Echo);
    assert!(matches!(element, Err(Error::Format(error)) if error == refusal));
    let user = site.user(4);
    let refusal = ResolutionError::Unspeakable(refusal);
    let resolved = user.resolve(long.clone(), None);
    assert!(matches!(resolved, Err(Error::Resolution(error)) if error == refusal));
    let event = user.open_session(long).receive(soon()).expect("an event");
    assert_eq!(event, SessionEvent::Waiting { error: Some(refusal) });
}

#[test]
fn who_leaves_a_pool_hears_of_it_though_another_has_fetched_the_event() {
    let site = Site::new(103);
    let element = site.element(3);
    element.registration().begin_deregistration();
    let left = PoolElementEvent::Deregistered { confirmed: true };
    assert_eq!(element.next_event(soon()).expect("an event"), left);
    assert!(element.deregister(soon()).expect("it is over"));
}

#[test]
fn several_subscriptions_of_one_pool_hear_the_same() {
    let site = Site::new(104);
    let first_element = site.element(3);
    let user = site.user(4);
    let hears = |subscription: &Subscription, count| {
        let is_it = |update| matches!(update, Update::Elements(elements) if elements.len() == count);
        while !is_it(subscription.next(soon()).expect("an update")) {}
    };
    let first = user.subscribe(POOL.into());
    hears(&first, 1);
    let second = user.subscribe(POOL.into());
    hears(&second, 1);
    let _second_element = site.element(5);
    hears(&first, 2);
    drop(first);
    hears(&second, 2);
    assert!(first_element.deregister(soon()).expect("an answer"));
    hears(&second, 1);
    drop(second);
    // Nobody is left: the registrar has forgotten it, and is asked anew.
    let again = user.subscribe(POOL.into()).next(soon()).expect("an update");
    assert_eq!(again, Update::State(SubscriptionState::Accepted));
}

/// Sends until there is no room; how many messages.
fn fill(session: &AcceptedSession) -> u32 {
    let mut sent = 0;
    loop {
        match session.send_until(&UserMessage::new(100 + sent, vec![0; 20_000]), Some(Instant::now())) {
            Ok(()) => sent += 1,
            Err(Error::TimedOut) => return sent,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The numbers of messages up to the end of the session with an element.
fn drain(session: &Session) -> Vec<u32> {
    let events = std::iter::repeat_with(|| session.receive(soon()).expect("an event"));
    let part = events.take_while(|event| !matches!(event, SessionEvent::FailoverNecessary { .. }));
    let messages = part.filter_map(|event| match event {
        SessionEvent::Data(message) => Some(message.ppid - 100),
        _ => None,
    });
    messages.collect()
}

#[test]
fn all_that_was_sent_arrives_though_its_sender_is_dropped() {
    let site = Site::new(105);
    let listener = PoolListener::bind(&site.stack(3), site.options(POOL.into())).expect("an element");
    assert_eq!(listener.element().next_event(soon()).expect("an event"), PoolElementEvent::Registered);
    let user = site.user(4);
    let session = user.open_session(POOL.into());
    session.wait_connected(LIMIT).expect("a connection");
    let (served, _) = listener.accept(soon()).expect("a session");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| drain(&session));
        let sent = fill(&served);
        drop((served, listener));
        assert_eq!(reader.join().expect("no panic"), (0..sent).collect::<Vec<_>>());
    });
}

#[test]
fn times_may_be_longer_than_any_clock_goes() {
    let site = Site::new(106);
    let _element = site.element(3);
    let patient = |registrars: Vec<Peer>, host| {
        let mut options = PoolUserOptions::new(registrars, PROFILE);
        options.config.hunt.retry_delay = Duration::MAX;
        options.config.hunt.connect_timeout = Duration::MAX;
        options.config.resolution_timeout = Duration::from_millis(100);
        options.sctp.rto_max = Duration::MAX;
        PoolUser::start(&site.stack(host), options).expect("a user")
    };
    // RTO.Max counts when an association is shut down (RFC 9260, 9.2).
    let user = patient(site.registrars.clone(), 4);
    let session = user.open_session(POOL.into());
    session.wait_connected(LIMIT).expect("a connection");
    drop(session);
    assert_eq!(user.resolve(POOL.into(), soon()).expect("an answer").len(), 1);
    // Nobody is there, and it rests before it tries again.
    let nobody = vec![Peer { addresses: vec![[127, 83, 106, 9].into()], port: ASAP_PORT }];
    let answer = patient(nobody, 5).resolve(POOL.into(), soon());
    assert!(matches!(answer, Err(Error::Resolution(ResolutionError::TimedOut))), "{answer:?}");
}

#[test]
fn nothing_is_sent_over_a_stack_that_is_closed() {
    let site = Site::new(107);
    let _element = site.element(3);
    let at_user = site.stack(4);
    let options = PoolUserOptions::new(site.registrars.clone(), PROFILE);
    let user = PoolUser::start(&at_user, PoolUserOptions { sctp: calm(), ..options }).expect("a user");
    let session = user.open_session(POOL.into());
    session.wait_connected(LIMIT).expect("a connection");
    at_user.close();
    while session.receive(soon()).is_ok() {}
    assert!(matches!(session.send(&of_length(1)), Err(Error::Socket(_))));
}
