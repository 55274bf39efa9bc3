//! Sessions: cookies and fail-over.

use std::time::Duration;

use rserpool::pool_user::{PoolUserConfig, PoolUserEvent};
use rserpool::session::{Failover, SendError, SessionEvent, SessionId};
use rserpool::transport::{LostReason, UserMessage};
use rserpool::wire::{ASAP_PPID, Policy};

use crate::world::{ASAP_PORT, POOL, SERVICE_PORT, World};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Client {
    pub(crate) world: World,
    pub(crate) session: SessionId,
    /// Requests sent, and replies taken.
    sent: u64,
    pub(crate) replies: Vec<u64>,
    pub(crate) events: Vec<SessionEvent>,
}

impl Client {
    fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// With another user, and other elements.
    pub(crate) fn with(
        change_user: impl FnOnce(&mut PoolUserConfig),
        change_elements: impl FnOnce(&mut World),
    ) -> Self {
        let mut world = World::new();
        world.add_registrar(1);
        (11..=13).for_each(|host| world.add_element(host, &[1], Policy::default()));
        change_elements(&mut world);
        world.add_user(21, &[1], change_user);
        world.run_until_done(SECOND, |world| world.registrar(1).handlespace().len() == 3);
        let session = world.with_user(21, |user, now| user.open_session(POOL.into(), now));
        let mut client = Self { world, session, sent: 0, replies: Vec::new(), events: Vec::new() };
        client.wait(SECOND, |event| matches!(event, SessionEvent::Connected { .. }));
        client
    }

    pub(crate) fn host(&mut self) -> u8 {
        let session = self.session;
        let id = self.world.with_user(21, |user, _| user.element(session).map(|element| element.id.0));
        id.expect("an element serves") as u8
    }

    /// Takes over what the session has brought.
    pub(crate) fn take_events(&mut self) {
        for event in self.world.user_events.drain(..) {
            let PoolUserEvent::Session { event, .. } = event else { panic!("{event:?}") };
            match event {
                SessionEvent::Data(message) => {
                    let count: [u8; 8] = message.data[..8].try_into().expect("a count");
                    self.replies.push(u64::from_be_bytes(count));
                }
                other => self.events.push(other),
            }
        }
    }

    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration, is_wanted: impl Fn(&SessionEvent) -> bool) -> Duration {
        let (start, end) = (self.world.now, self.world.now + limit);
        self.events.clear();
        while !self.events.iter().any(&is_wanted) {
            assert!(self.world.now < end, "not within {limit:?}: {:?}", self.events);
            self.world.run_for(Duration::from_millis(1));
            self.take_events();
        }
        self.world.now - start
    }

    pub(crate) fn send(&mut self) -> Result<(), SendError> {
        let (session, number) = (self.session, self.sent);
        let message = UserMessage::new(33, number.to_be_bytes().to_vec());
        self.world.with_user(21, |user, _| user.send(session, message))?;
        self.sent += 1;
        Ok(())
    }

    pub(crate) fn ping(&mut self) {
        self.send().expect("connected");
        self.world.run_for(Duration::from_millis(5));
        self.take_events();
    }
}

pub(crate) fn is_complete(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::FailoverComplete { .. })
}

#[test]
fn a_session_survives_its_element_with_nothing_but_the_cookie() {
    let mut client = Client::new();
    (0..10).for_each(|_| client.ping());
    let first = client.host();
    client.world.kill(first);
    let took = client.wait(SECOND, is_complete);
    assert!(took < Duration::from_millis(50), "{took:?}");
    assert!(matches!(client.events[0], SessionEvent::FailoverNecessary { reason: LostReason::Aborted }));
    assert!(matches!(client.events[1], SessionEvent::FailoverComplete { has_cookie: true, .. }));
    assert_ne!(client.host(), first);
    (0..10).for_each(|_| client.ping());
    assert_eq!(client.replies, (1..=20).collect::<Vec<_>>());
}

#[test]
fn the_cookie_echo_is_the_first_message_that_the_new_element_gets() {
    // RFC 5352, 3.8 and 5.
    let mut client = Client::new();
    client.ping();
    let first = client.host();
    client.world.kill(first);
    client.wait(SECOND, is_complete);
    client.ping();
    let second = (client.host(), SERVICE_PORT);
    let received: Vec<_> = client.world.sent.iter().filter(|(_, to, _)| *to == second).collect();
    assert_eq!((received[0].2.ppid, received[0].2.data[0]), (ASAP_PPID, 12));
    assert_eq!(received[1].2.ppid, 33);
}

#[test]
fn a_frozen_element_is_left_within_half_a_second() {
    let mut client = Client::new();
    (0..3).for_each(|_| client.ping());
    let frozen = client.host();
    client.world.freeze(frozen);
    let took = client.wait(SECOND, is_complete);
    assert!(took < Duration::from_millis(500), "{took:?}");
    client.ping();
    assert_eq!(client.replies, [1, 2, 3, 4]);
}

#[test]
fn two_frozen_elements_in_a_row_are_left_for_the_third() {
    let mut client = Client::new();
    client.ping();
    let healthy = client.host() % 3 + 11;
    (11..=13).filter(|&host| host != healthy).for_each(|host| client.world.freeze(host));
    client.wait(3 * SECOND, is_complete);
    assert_eq!(client.host(), healthy);
    client.ping();
    assert_eq!(client.replies, [1, 2]);
}

#[test]
fn nothing_can_be_sent_between_failure_and_completion() {
    let mut client = Client::new();
    client.ping();
    let first = client.host();
    client.world.kill(first);
    client.wait(SECOND, |event| matches!(event, SessionEvent::FailoverNecessary { .. }));
    assert_eq!(client.send(), Err(SendError::NotConnected));
    client.wait(SECOND, is_complete);
    assert_eq!(client.send(), Ok(()));
}

#[test]
fn a_transparent_fail_over_takes_along_what_was_not_delivered_and_what_is_sent_meanwhile() {
    // RFC 5352, 6.5.2, for a session.
    let mut client = Client::new();
    let (first, session) = (client.host(), client.session);
    client.world.with_user(21, |user, _| user.set_failover(session, Failover::Transparent));
    client.ping();
    (0..3).for_each(|_| client.send().expect("connected"));
    client.world.kill(first);
    client.wait(SECOND, |event| matches!(event, SessionEvent::FailoverNecessary { .. }));
    (0..3).for_each(|_| client.send().expect("room"));
    client.wait(SECOND, is_complete);
    client.world.run_for(SECOND);
    client.take_events();
    let second = (client.host(), SERVICE_PORT);
    let received = client.world.sent.iter().filter(|(_, to, message)| *to == second && message.ppid == 33);
    let numbers: Vec<_> = received.map(|(_, _, message)| message.data[7]).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6], "each once and in order");
    assert_eq!(client.replies, (1..=7).collect::<Vec<_>>(), "behind the cookie");
}

#[test]
fn what_waits_for_the_next_element_is_bounded_and_no_control_message() {
    let mut client = Client::with(|config| config.max_waiting_messages = 2, |_| {});
    let (first, session) = (client.host(), client.session);
    client.world.with_user(21, |user, _| user.set_failover(session, Failover::Transparent));
    client.world.kill(first);
    client.wait(SECOND, |event| matches!(event, SessionEvent::FailoverNecessary { .. }));
    let control = UserMessage::new(ASAP_PPID, "?");
    let refused = client.world.with_user(21, |user, _| user.send(session, control));
    assert_eq!(refused, Err(SendError::ReservedPpid));
    assert_eq!([client.send(), client.send(), client.send()], [Ok(()), Ok(()), Err(SendError::QueueFull)]);
}

#[test]
fn the_application_can_leave_an_element_that_does_not_do_its_work() {
    let mut client = Client::new();
    client.ping();
    let (first, session) = (client.host(), client.session);
    client.world.with_user(21, |user, now| user.force_failover(session, true, now));
    client.wait(SECOND, is_complete);
    assert_ne!(client.host(), first);
    assert_eq!(client.world.registrar(1).statistics().unreachable_reports, 1);
}

#[test]
fn with_all_elements_dead_a_session_waits_until_one_returns() {
    let mut client = Client::new();
    client.ping();
    (11..=13).for_each(|host| client.world.kill(host));
    client.wait(SECOND, |event| matches!(event, SessionEvent::Waiting { .. }));
    client.world.run_for(5 * SECOND);
    client.take_events();
    client.world.add_element(14, &[1], Policy::default());
    client.wait(SECOND, is_complete);
    assert_eq!(client.host(), 14);
    client.ping();
    assert_eq!(client.replies, [1, 2]);
}

#[test]
fn who_finds_an_empty_pool_asks_less_and_less_often() {
    let mut client = Client::new();
    client.ping();
    (11..=13).for_each(|host| client.world.kill(host));
    client.wait(SECOND, |event| matches!(event, SessionEvent::Waiting { .. }));
    client.events.clear();
    client.world.run_for(10 * SECOND);
    client.take_events();
    let rests = client.events.iter().filter(|event| matches!(event, SessionEvent::Waiting { .. })).count();
    // 50 ms, twice that, and so on, to 500 ms; not 200 times.
    assert!((15..30).contains(&rests), "{rests} times");
}

#[test]
fn an_element_that_never_says_anything_has_worked_when_it_was_there_for_long() {
    let mut client = Client::new();
    (11..=13).for_each(|host| client.world.kill(host));
    client.world.run_for(10 * SECOND);
    client.world.add_element(14, &[1], Policy::default());
    client.wait(SECOND, is_complete);
    client.world.run_for(SECOND);
    client.world.kill(14);
    client.wait(SECOND, |event| matches!(event, SessionEvent::Waiting { .. }));
    client.events.clear();
    client.world.run_for(SECOND);
    client.take_events();
    let rests = client.events.iter().filter(|event| matches!(event, SessionEvent::Waiting { .. })).count();
    // After 50 ms again, not after 500 ms.
    assert!(rests >= 4, "{rests} times");
}

#[test]
fn registrar_and_element_may_die_together() {
    let mut client = Client::new();
    client.ping();
    let first = client.host();
    client.world.kill(1);
    client.world.kill(first);
    client.wait(SECOND, is_complete);
    client.ping();
    assert_eq!(client.replies, [1, 2]);
}

#[test]
fn a_closed_session_is_silent() {
    let mut client = Client::new();
    client.ping();
    let session = client.session;
    client.world.with_user(21, |user, _| user.close_session(session));
    assert_eq!(client.send(), Err(SendError::UnknownSession));
    client.events.clear();
    client.world.run_for(SECOND);
    client.take_events();
    assert_eq!(client.events, []);
}

#[test]
fn a_user_that_takes_an_elements_asap_port_for_a_servers_is_turned_away() {
    // It may be the port of a server that was there before: nobody would ever answer.
    let mut world = World::new();
    world.add_registrar(1);
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND);
    let user = (21, 4000);
    world.add_stranger(user);
    let association = world.connect(user, (11, ASAP_PORT));
    assert!(!world.has_lost(user, association));
    world.say_data(user, association, UserMessage::new(0, &b"anybody there?"[..]));
    assert!(world.has_lost(user, association));
    assert_eq!(world.registrar(1).handlespace().len(), 1, "the element stays what it is");
}
