//! The driver for tasks, and sessions that are accepted, over real sockets.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use rserpool::driver::tokio::{AcceptedSession, PoolListener, PoolUser, Session};
use rserpool::driver::{self, PoolElementOptions, PoolUserOptions, Registrar, RegistrarOptions, Update};
use rserpool::pool_element::PoolElementEvent;
use rserpool::pool_user::SubscriptionState;
use rserpool::registrar::RegistrarConfig;
use rserpool::session::{Failover, ServiceEvent, SessionEvent};
use rserpool::transport::{LostReason, Peer, UserMessage};
use rserpool::wire::ASAP_PORT;
use rserpool::{Profile, RegistrarId, SctpSettings};
use socketapi::{Stack, Transport};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PROFILE: Profile = Profile::Rsplib;
const LIMIT: Duration = Duration::from_secs(20);

fn stack(test: u8, host: u8) -> Stack {
    let builder = Stack::builder().transport(Transport::Udp).address([127, 79, test, host]);
    builder.linger(Duration::ZERO).build().expect("a stack")
}

/// Quick, but not so quick that who does not get to run for a moment is taken for dead.
fn calm() -> SctpSettings {
    SctpSettings { association_max_retrans: 60, path_max_retrans: 60, ..Profile::Fast.sctp_settings() }
}

fn registrar(stack: &Stack) -> (Registrar, Vec<Peer>) {
    let config = RegistrarConfig::new(RegistrarId(1), PROFILE);
    let registrar = Registrar::start(stack, config, RegistrarOptions::new(calm()));
    let peer = Peer { addresses: stack.local_addresses(), port: ASAP_PORT };
    (registrar.expect("a registrar"), vec![peer])
}

fn options(registrars: &[Peer]) -> PoolElementOptions {
    let options = PoolElementOptions::new("Counters".into(), registrars.to_vec(), PROFILE);
    PoolElementOptions { sctp: calm(), ..options }
}

fn user(stack: &Stack, registrars: &[Peer]) -> PoolUser {
    let options = PoolUserOptions::new(registrars.to_vec(), PROFILE);
    PoolUser::start(stack, PoolUserOptions { sctp: calm(), ..options }).expect("a user")
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("in time")
}

/// Answers each message with its number in the session, also in the parts that other elements served.
async fn count(session: AcceptedSession) {
    let mut count = 0;
    loop {
        match session.receive().await.expect("an event") {
            ServiceEvent::CookieEcho { cookie, .. } => count = cookie[0],
            ServiceEvent::Data { .. } => {
                count += 1;
                session.send_cookie(vec![count, 0, 0, 0]).expect("the session is up");
                session.send(&UserMessage::new(7, vec![count])).await.expect("the session is up");
            }
            ServiceEvent::Ended { .. } => return,
            _ => {}
        }
    }
}

/// An element at work, with a task for each session.
async fn counter(stack: &Stack, registrars: &[Peer]) {
    let listener = PoolListener::bind(stack, options(registrars)).expect("an element");
    assert_eq!(in_time(listener.next_event()).await.expect("an event"), PoolElementEvent::Registered);
    tokio::spawn(async move {
        while let Ok((session, _)) = listener.accept().await {
            tokio::spawn(count(session));
        }
    });
}

async fn ask(session: &Session) -> u8 {
    in_time(session.send(&UserMessage::new(7, "?"))).await.expect("it is taken");
    in_time(session.recv_message()).await.expect("a reply").data[0]
}

#[tokio::test]
async fn a_transparent_session_counts_on_when_its_element_is_gone() {
    let (at_registrar, at_user) = (stack(20, 2), stack(20, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    let hosts = [stack(20, 3), stack(20, 4)];
    for host in &hosts {
        counter(host, &registrars).await;
    }
    let user = user(&at_user, &registrars);
    let session = user.open_session("Counters".into());
    session.set_failover(Failover::Transparent);
    assert_eq!([ask(&session).await, ask(&session).await], [1, 2]);
    let first = session.element().expect("it has answered").user_transport.addresses;
    let serves = |host: &&Stack| first.iter().all(|address| host.local_addresses().contains(address));
    hosts.iter().find(serves).expect("one of the two").close();
    assert_eq!([ask(&session).await, ask(&session).await], [3, 4]);
}

/// An element that serves one session; what it accepts.
async fn acceptor(stack: &Stack, registrars: &[Peer]) -> JoinHandle<AcceptedSession> {
    let listener = PoolListener::bind(stack, options(registrars)).expect("an element");
    assert_eq!(in_time(listener.next_event()).await.expect("an event"), PoolElementEvent::Registered);
    tokio::spawn(async move { listener.accept().await.expect("a session").0 })
}

/// More than notifications of another kind may wait.
#[tokio::test]
async fn thousands_of_messages_that_an_element_has_not_got_go_to_the_next_in_their_order() {
    let (at_registrar, at_user) = (stack(60, 2), stack(60, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    let user = user(&at_user, &registrars);
    let (at_first, at_next) = (stack(60, 3), stack(60, 4));
    let first = acceptor(&at_first, &registrars).await;
    let session = user.open_session("Counters".into());
    session.set_failover(Failover::Transparent);
    in_time(session.wait_connected()).await.expect("a connection");
    let unread = in_time(first).await.expect("no panic");
    let numbered = |number: u32| UserMessage::new(7, number.to_be_bytes().to_vec());
    let mut sent = 0;
    // Longer than what was lost is sent again: all is full then.
    while let Ok(taken) = timeout(Duration::from_secs(3), session.send(&numbered(sent))).await {
        taken.expect("there is an element");
        sent += 1;
    }
    let next = acceptor(&at_next, &registrars).await;
    unread.abort();
    at_first.close();
    let next = in_time(next).await.expect("no panic");
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(sent - 1)) {
        if let ServiceEvent::Data { message, .. } = in_time(next.receive()).await.expect("an event") {
            numbers.push(u32::from_be_bytes(message.data[..].try_into().expect("a number")));
        }
    }
    assert!(numbers.len() > 2_000, "{} of {sent}", numbers.len());
    assert_eq!(numbers, (numbers[0]..sent).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hundred_tasks_have_a_session_each_and_none_gets_anothers_replies() {
    let (at_registrar, at_element, at_user) = (stack(21, 2), stack(21, 3), stack(21, 4));
    let (_registrar, registrars) = registrar(&at_registrar);
    counter(&at_element, &registrars).await;
    let user = user(&at_user, &registrars);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let session = user.open_session("Counters".into());
            tokio::spawn(async move {
                in_time(session.wait_connected()).await.expect("a connection");
                [ask(&session).await, ask(&session).await]
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), [1, 2]);
    }
}

#[tokio::test]
async fn calls_that_are_given_up_lose_nothing() {
    let (at_registrar, at_element, at_user) = (stack(22, 2), stack(22, 3), stack(22, 4));
    let (_registrar, registrars) = registrar(&at_registrar);
    let user = user(&at_user, &registrars);
    let moment = Duration::from_millis(5);
    // Given up, unless the answer has come already.
    let given_up = timeout(Duration::ZERO, user.resolve("Nobody".into())).await;
    assert!(given_up.is_err() || given_up.is_ok_and(|answer| answer.is_err()));
    assert!(in_time(user.resolve("Nobody".into())).await.is_err(), "there is no such pool");
    let listener = PoolListener::bind(&at_element, options(&registrars)).expect("an element");
    assert!(timeout(moment, listener.accept()).await.is_err(), "nobody comes");
    in_time(listener.next_event()).await.expect("a registration");
    let session = user.open_session("Counters".into());
    in_time(session.wait_connected()).await.expect("a connection");
    let (served, _) = in_time(listener.accept()).await.expect("a session");
    assert!(timeout(moment, served.recv_message()).await.is_err(), "nothing was sent");
    for number in 0..50 {
        // Each is given up again and again until it brings something.
        in_time(session.send(&UserMessage::new(7, vec![number]))).await.expect("connected");
        let message = loop {
            if let Ok(message) = timeout(Duration::from_micros(50), served.recv_message()).await {
                break message.expect("an event").expect("it goes on");
            }
        };
        assert_eq!(message.data[..], [number]);
    }
    drop(session);
    assert_eq!(in_time(served.recv_message()).await.expect("the end is no error"), None);
    assert!(in_time(listener.deregister()).await.expect("an answer"));
}

#[tokio::test]
async fn a_subscription_wakes_its_task() {
    // RFC 5352, 2.2.5.
    let (at_registrar, at_first, at_second, at_user) =
        (stack(23, 2), stack(23, 3), stack(23, 4), stack(23, 5));
    let (_registrar, registrars) = registrar(&at_registrar);
    counter(&at_first, &registrars).await;
    let user = user(&at_user, &registrars);
    let subscription = user.subscribe("Counters".into());
    let first = in_time(subscription.next()).await.expect("an update");
    assert_eq!(first, Update::State(SubscriptionState::Accepted));
    let task = tokio::spawn(async move {
        loop {
            match in_time(subscription.next()).await.expect("an update") {
                Update::Elements(elements) if elements.len() == 2 => return,
                Update::Elements(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    counter(&at_second, &registrars).await;
    task.await.expect("no panic");
    assert_eq!(in_time(user.resolve("Counters".into())).await.expect("they are there").len(), 2);
}

/// One session for a blocking user, accepted.
fn pair(test: u8) -> ([Stack; 3], Registrar, driver::PoolListener, driver::Session, driver::AcceptedSession) {
    let hosts = [stack(test, 2), stack(test, 3), stack(test, 4)];
    let (registrar, registrars) = registrar(&hosts[0]);
    let listener = driver::PoolListener::bind(&hosts[1], options(&registrars)).expect("an element");
    let user = driver::PoolUser::start(&hosts[2], PoolUserOptions::new(registrars, PROFILE)).expect("a user");
    let session = user.open_session("Counters".into());
    session.wait_connected(LIMIT).expect("a connection");
    let (served, _) = listener.accept(Some(Instant::now() + LIMIT)).expect("a session");
    (hosts, registrar, listener, session, served)
}

#[test]
fn what_was_sent_before_the_end_of_a_session_that_is_not_read_comes_before_the_end() {
    /// A little more than waits at the session: how much the receive buffer takes depends on what it holds beside data.
    const MESSAGES: u32 = 250;
    let (_hosts, _registrar, listener, session, served) = pair(24);
    (0..MESSAGES).for_each(|number| {
        session.send(&UserMessage::new(100 + number, vec![0; 1000])).expect("connected");
    });
    drop(session);
    let deadline = Instant::now() + LIMIT;
    while listener.element().sessions() > 0 {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::yield_now();
    }
    let mut numbers = 100..;
    let end = loop {
        match served.receive(Some(deadline)).expect("an event") {
            ServiceEvent::Data { message, .. } => assert_eq!(Some(message.ppid), numbers.next()),
            ServiceEvent::Ended { reason, .. } => break reason,
            _ => {}
        }
    };
    assert_eq!((end, numbers.start), (LostReason::Shutdown, 100 + MESSAGES));
}

#[test]
fn a_session_that_is_not_read_turns_to_no_other_element_until_it_is() {
    const PART: usize = 1 << 12;
    /// With what the send buffer (1 MiB) may hold still, a little more than waits at the session.
    const BYTES: usize = (5 << 18) + 4 * PART;
    let hosts = [2, 3, 4, 5].map(|host| stack(26, host));
    let (_registrar, registrars) = registrar(&hosts[0]);
    let listeners = [&hosts[1], &hosts[2]].map(|host| {
        let listener = driver::PoolListener::bind(host, options(&registrars)).expect("an element");
        let registered = listener.element().next_event(Some(Instant::now() + LIMIT));
        assert_eq!(registered.expect("an event"), PoolElementEvent::Registered);
        listener
    });
    let user = driver::PoolUser::start(&hosts[3], PoolUserOptions::new(registrars, PROFILE)).expect("a user");
    let session = user.open_session("Counters".into());
    session.wait_connected(LIMIT).expect("a connection");
    let deadline = Instant::now() + LIMIT;
    let soon = || Some(Instant::now() + Duration::from_millis(10));
    let (served, _) = loop {
        assert!(Instant::now() < deadline, "nobody has the session");
        if let Some(accepted) = listeners.iter().find_map(|listener| listener.accept(soon()).ok()) {
            break accepted;
        }
    };
    (0..BYTES / PART).for_each(|_| served.send(&UserMessage::new(7, vec![0; PART])).expect("there is room"));
    served.abort();
    while session.element().is_some() {
        assert!(Instant::now() < deadline, "it goes on to fill what nobody fetches");
        std::thread::yield_now();
    }
    let mut events = std::iter::repeat_with(|| session.receive(Some(deadline)).expect("an event"))
        .skip_while(|event| matches!(event, SessionEvent::Data(_) | SessionEvent::BusinessCard(_)));
    assert!(matches!(events.next(), Some(SessionEvent::FailoverNecessary { .. })));
    assert!(matches!(events.next(), Some(SessionEvent::FailoverComplete { .. })));
}

#[test]
fn accepted_sessions_go_on_when_nobody_accepts_any_more() {
    let (_hosts, _registrar, listener, session, served) = pair(25);
    drop(listener);
    session.send(&UserMessage::new(7, "?")).expect("connected");
    let message = loop {
        if let ServiceEvent::Data { message, .. } =
            served.receive(Some(Instant::now() + LIMIT)).expect("an event")
        {
            break message;
        }
    };
    served.send(&message).expect("the session is up");
    assert_eq!(session.recv_message(Some(Instant::now() + LIMIT)).expect("a reply").data, message.data);
}

/// A task that does nothing when it is woken.
struct Idler;

impl Wake for Idler {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn nothing_is_left_of_tasks_that_have_given_up() {
    let at_user = stack(29, 2);
    // Nobody answers.
    let registrars = vec![Peer { addresses: vec![[127, 79, 29, 3].into()], port: ASAP_PORT }];
    let user = user(&at_user, &registrars);
    let idler = Arc::new(Idler);
    let waker = Waker::from(Arc::clone(&idler));
    let mut context = Context::from_waker(&waker);
    let (session, subscription) = (user.open_session("Nobody".into()), user.subscribe("Nothing".into()));
    assert!(pin!(user.resolve("Nothing".into())).poll(&mut context).is_pending());
    assert!(pin!(session.wait_connected()).poll(&mut context).is_pending());
    assert!(pin!(subscription.next()).poll(&mut context).is_pending());
    drop((session, subscription, waker));
    assert_eq!(Arc::strong_count(&idler), 1);
}
