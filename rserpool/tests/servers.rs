//! The server frameworks over real sockets: a thread for each session, timers, load. Addresses that no other test uses.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rserpool::driver::{
    Error, PoolElement, PoolElementOptions, PoolUser, PoolUserOptions, Registrar, RegistrarOptions,
    ServerEvent, ServerSession, Service, ServiceSession, Session, SessionService, Sessions,
};
use rserpool::registrar::{RegistrarConfig, RegistrarEvent, RemovalReason};
use rserpool::session::{CookieKey, CookieProtection, SessionEvent};
use rserpool::transport::{AssociationId, Peer, UserMessage};
use rserpool::wire::{ASAP_PORT, Policy, PolicyField};
use rserpool::{PeId, Profile, RegistrarId};
use socketapi::{Stack, Transport};

const PROFILE: Profile = Profile::Fast;
const LIMIT: Duration = Duration::from_secs(20);
const POOL: &str = "Servers";

fn soon() -> Option<Instant> {
    Some(Instant::now() + LIMIT)
}

/// A registrar, and what users and elements need to be started.
struct Site {
    test: u8,
    profile: Profile,
    registrar: Registrar,
    registrars: Vec<Peer>,
}

impl Site {
    fn new(test: u8) -> Self {
        Self::with(test, PROFILE)
    }

    fn with(test: u8, profile: Profile) -> Self {
        let stack = Self::stack_at(test, 2);
        let config = RegistrarConfig::new(RegistrarId(1), profile);
        let registrar = Registrar::start(&stack, config, RegistrarOptions::new(profile.sctp_settings()));
        let registrars = vec![Peer { addresses: stack.local_addresses(), port: ASAP_PORT }];
        Self { test, profile, registrar: registrar.expect("a registrar"), registrars }
    }

    fn stack_at(test: u8, host: u8) -> Stack {
        let builder = Stack::builder().transport(Transport::Udp).address([127, 80, test, host]);
        builder.linger(Duration::from_secs(2)).build().expect("a stack")
    }

    fn options(&self, id: u32) -> PoolElementOptions {
        let mut options = PoolElementOptions::new(POOL.into(), self.registrars.clone(), self.profile);
        options.config.policy = Policy::least_used(0);
        options.config.id = PeId(id);
        options
    }

    fn element(&self, host: u8, sessions: usize, service: impl SessionService) -> PoolElement {
        let stack = Self::stack_at(self.test, host);
        let started = PoolElement::start_sessions(&stack, self.options(host.into()), sessions, service);
        let element = started.expect("an element");
        element.next_event(soon()).expect("a registration");
        element
    }

    fn user(&self, host: u8) -> PoolUser {
        let stack = Self::stack_at(self.test, host);
        PoolUser::start(&stack, PoolUserOptions::new(self.registrars.clone(), self.profile)).expect("a user")
    }

    /// The load of an element, as the registrar knows it.
    fn load(&self, id: u32) -> Option<u32> {
        self.registrar.inspect(|registrar| {
            let mut elements = registrar.handlespace().pools().flat_map(|pool| pool.elements());
            elements
                .find(|element| element.info.id == PeId(id))
                .map(|found| found.info.policy.field(PolicyField::Load))
        })
    }

    fn await_load(&self, id: u32, is_it: impl Fn(u32) -> bool) {
        let end = Instant::now() + LIMIT;
        while !self.load(id).is_some_and(&is_it) {
            assert!(Instant::now() < end, "the load is {:?}", self.load(id));
            let _ = self.registrar.next_event(Some(Instant::now() + Duration::from_millis(20)));
        }
    }
}

fn open(user: &PoolUser) -> Session {
    let session = user.open_session(POOL.into());
    session.wait_connected(LIMIT).expect("a connection");
    session
}

fn next(session: &Session) -> SessionEvent {
    loop {
        match session.receive(soon()).expect("an event") {
            SessionEvent::BusinessCard(_) => {}
            event => return event,
        }
    }
}

fn ask(session: &Session) -> u8 {
    session.send(&UserMessage::new(7, "?")).expect("it is connected");
    match next(session) {
        SessionEvent::Data(message) => message.data[0],
        other => panic!("a reply was expected, not {other:?}"),
    }
}

/// Answers each message with how many the session has had, also before a fail-over. The count is given to the user when the
/// element stops, and only then.
struct Counter;

impl SessionService for Counter {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        let mut count = 0;
        session.set_load(0.5);
        loop {
            match session.receive(None) {
                Ok(ServerEvent::CookieEcho(cookie)) => count = cookie[0],
                Ok(ServerEvent::Data(_)) => {
                    count += 1;
                    session.send(UserMessage::new(7, vec![count]))?;
                }
                Ok(_) => {}
                Err(Error::Stopping) => {
                    session.send_cookie(vec![count, 0, 0, 0])?;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn refuse(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        session.send(UserMessage::new(7, vec![255]))
    }
}

#[test]
fn a_session_s_thread_keeps_its_state_and_gives_it_away_when_the_element_stops() {
    let site = Site::new(1);
    let mut elements = [site.element(3, 4, Counter), site.element(4, 4, Counter)].map(Some);
    let user = site.user(5);
    let session = user.open_session(POOL.into());
    let first = session.wait_connected(LIMIT).expect("a connection");
    assert_eq!([ask(&session), ask(&session)], [1, 2]);
    // It waits for the next message: the drop does not wait for that.
    elements[first.id.0 as usize - 3] = None;
    assert!(matches!(next(&session), SessionEvent::FailoverNecessary { .. }));
    let SessionEvent::FailoverComplete { element, has_cookie: true } = next(&session) else {
        panic!("a fail-over with a cookie was expected");
    };
    assert_ne!(element.id, first.id);
    assert_eq!(ask(&session), 3);
}

#[test]
fn who_comes_when_all_sessions_are_taken_is_told_and_the_load_is_the_sum_of_the_sessions() {
    let site = Site::new(2);
    let _element = site.element(3, 2, Counter);
    assert_eq!(site.load(3), Some(0));
    let user = site.user(5);
    let sessions = [open(&user), open(&user)];
    assert_eq!([ask(&sessions[0]), ask(&sessions[1])], [1, 1]);
    site.await_load(3, |load| load >= u32::MAX - 1);
    let third = open(&user);
    assert!(matches!(next(&third), SessionEvent::Data(message) if message.data[0] == 255));
    assert!(matches!(next(&third), SessionEvent::FailoverNecessary { .. }));
    drop(third);
    drop(sessions);
    // The seats are free again once their threads have ended.
    site.await_load(3, |load| load == 0);
    let session = open(&user);
    assert_eq!(ask(&session), 1);
}

/// As [`Counter`], for two sessions of each user.
struct Shared;

impl SessionService for Shared {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        Counter.serve(session)
    }

    fn max_sessions_of_user(&self) -> usize {
        2
    }

    fn refuse(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        Counter.refuse(session)
    }
}

#[test]
fn one_user_leaves_sessions_to_others() {
    let site = Site::new(8);
    let _element = site.element(3, 3, Shared);
    let (greedy, other) = (site.user(5), site.user(6));
    let sessions = [open(&greedy), open(&greedy)];
    assert_eq!([ask(&sessions[0]), ask(&sessions[1])], [1, 1]);
    let third = open(&greedy);
    assert!(matches!(next(&third), SessionEvent::Data(message) if message.data[0] == 255));
    drop(third);
    assert_eq!(ask(&open(&other)), 1);
}

/// Echoes; but of a session that begins with a message of this length nothing more is read as long as the sender lives.
struct Deaf(parking_lot::Mutex<Receiver<()>>);

const FLOOD: usize = 10_000;

impl SessionService for Deaf {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        loop {
            let ServerEvent::Data(message) = session.receive(None)? else { continue };
            if message.data.len() == FLOOD {
                let _ = self.0.lock().recv();
            }
            session.send(message)?;
        }
    }
}

/// RFC 9260, 6.2: the window is the association's.
#[test]
fn a_session_that_is_not_read_makes_its_user_wait_and_nobody_else() {
    /// Far more than all buffers take.
    const MESSAGES: u32 = 1_000;
    /// More than the sender's buffer: the flood has come. How much more is taken depends on what the receive buffer holds beside data.
    const ENOUGH: u32 = 120;
    // Nobody is given up because the machine is busy.
    let site = Site::with(3, Profile::Rsplib);
    let (release, waits): (Sender<()>, _) = channel();
    let element = site.element(3, 2, Deaf(parking_lot::Mutex::new(waits)));
    let (flooder, other) = (site.user(5), site.user(6));
    let (flood, session) = (open(&flooder), open(&other));
    let sent = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for number in 0..MESSAGES {
                flood.send(&UserMessage::new(100 + number, vec![0; FLOOD])).expect("the session goes on");
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        while sent.load(Ordering::Relaxed) < ENOUGH && !sender.is_finished() {
            assert_eq!(ask(&session), b'?');
        }
        (0..1000).for_each(|_| assert_eq!(ask(&session), b'?'));
        assert!(sent.load(Ordering::Relaxed) < MESSAGES / 2, "who does not read holds too much");
        drop(release);
        let echo = || flood.recv_message(soon()).expect("an echo");
        (0..MESSAGES).for_each(|number| assert_eq!(echo().ppid, 100 + number));
    });
    assert_eq!(element.sessions(), 2);
}

#[test]
fn a_signed_cookie_may_be_echoed_again_as_long_as_there_is_no_newer_one() {
    let site = Site::new(4);
    let key = CookieKey::new(b"known to the elements of the pool").expect("long enough");
    let start = |host: u8| {
        let mut options = site.options(host.into());
        options.cookies = Some(CookieProtection::new(POOL.into(), key.clone()));
        let stack = Site::stack_at(4, host);
        let element = PoolElement::start_sessions(&stack, options, 4, Counter).expect("an element");
        element.next_event(soon()).expect("a registration");
        element
    };
    let first = start(3);
    let user = site.user(5);
    let session = open(&user);
    assert_eq!([ask(&session), ask(&session)], [1, 2]);
    let _second = start(4);
    drop(first);
    assert!(matches!(next(&session), SessionEvent::FailoverNecessary { .. }));
    assert!(matches!(next(&session), SessionEvent::FailoverComplete { has_cookie: true, .. }));
    assert_eq!(ask(&session), 3);
    // The element has given no newer one: the user echoes the same cookie again, and that is its right.
    session.force_failover(false);
    assert!(matches!(next(&session), SessionEvent::FailoverNecessary { .. }));
    while !matches!(next(&session), SessionEvent::FailoverComplete { has_cookie: true, .. }) {}
    assert_eq!(ask(&session), 3);
}

/// Sends each user a message whenever its time has come, and says that it is half loaded.
#[derive(Default)]
struct Clock {
    users: Vec<AssociationId>,
    due: Option<Instant>,
    ticks: u8,
}

impl Service for Clock {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, _message: UserMessage) {
        self.users.push(session.id());
        self.due = Some(Instant::now() + Duration::from_millis(5));
        session.set_load(0.5);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    fn on_timeout(&mut self, sessions: &mut Sessions<'_>) {
        self.ticks += 1;
        for id in &self.users {
            sessions.session(*id).send(UserMessage::new(0, vec![self.ticks])).expect("it is there");
        }
        self.due = (self.ticks < 3).then(|| Instant::now() + Duration::from_millis(5));
    }

    fn on_stop(&mut self, sessions: &mut Sessions<'_>) {
        for id in &self.users {
            sessions.session(*id).send(UserMessage::new(0, vec![99])).expect("it is there");
        }
    }
}

#[test]
fn a_service_of_many_sessions_has_timers_a_load_and_last_words() {
    let site = Site::new(5);
    let element = PoolElement::start(&Site::stack_at(5, 3), site.options(3), Clock::default());
    let element = element.expect("an element");
    element.next_event(soon()).expect("a registration");
    let user = site.user(5);
    let session = open(&user);
    assert_eq!(ask(&session), 1);
    let data = || match next(&session) {
        SessionEvent::Data(message) => message.data[0],
        other => panic!("a tick was expected, not {other:?}"),
    };
    assert_eq!([data(), data()], [2, 3]);
    site.await_load(3, |load| load == u32::MAX / 2);
    drop(element);
    assert_eq!(data(), 99);
}

/// Does not survive a message.
struct Fragile;

impl Service for Fragile {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        panic!("on purpose: {} of {:?}", message.data.len(), session.id());
    }
}

impl SessionService for Fragile {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        match session.receive(None)? {
            ServerEvent::Data(message) if message.data == "panic" => panic!("on purpose"),
            _ => session.send(UserMessage::new(0, vec![1])),
        }
    }

    fn refuse(&self, _session: &mut ServerSession<'_>) -> Result<(), Error> {
        panic!("on purpose")
    }
}

#[test]
fn a_panic_of_one_session_s_thread_or_of_a_refusal_costs_that_session_only() {
    // A panic that is reported keeps a processor busy for a while: nobody is given up meanwhile.
    let site = Site::with(7, Profile::Rsplib);
    let _element = site.element(3, 2, Fragile);
    let user = site.user(5);
    let (session, beside) = (open(&user), open(&user));
    for _ in 0..2 {
        let refused = user.open_session(POOL.into());
        let mut events = std::iter::repeat_with(|| next(&refused));
        let event = events.find(|event| !matches!(event, SessionEvent::Connected { .. }));
        assert!(matches!(event, Some(SessionEvent::FailoverNecessary { .. })), "{event:?}");
    }
    session.send(&UserMessage::new(0, "panic")).expect("it is connected");
    assert!(matches!(next(&session), SessionEvent::FailoverNecessary { .. }));
    assert_eq!(ask(&beside), 1);
}

#[test]
fn an_element_whose_service_panics_leaves_the_pool_its_users_and_its_application_hears_why() {
    let site = Site::new(6);
    let element = PoolElement::start(&Site::stack_at(6, 3), site.options(3), Fragile).expect("an element");
    element.next_event(soon()).expect("a registration");
    let user = site.user(5);
    let (session, beside) = (open(&user), open(&user));
    session.send(&UserMessage::new(0, "?")).expect("it is connected");
    for users in [&session, &beside] {
        assert!(matches!(next(users), SessionEvent::FailoverNecessary { .. }));
    }
    let reason =
        std::iter::repeat_with(|| site.registrar.next_event(soon()).expect("a removal")).find_map(|event| {
            if let RegistrarEvent::Removed { reason, .. } = event { Some(reason) } else { None }
        });
    assert_eq!(reason, Some(RemovalReason::Deregistered));
    let heard = std::iter::repeat_with(|| element.next_event(soon())).find_map(Result::err);
    assert!(matches!(heard, Some(Error::ServicePanicked)), "{heard:?}");
    assert_eq!(element.sessions(), 0);
}
