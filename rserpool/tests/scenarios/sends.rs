//! The services to the upper layer (RFC 5352, 6): messages to pools and elements, the cache, failure reports.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rserpool::pool_user::{
    Destination, ElementHandle, PoolUserConfig, PoolUserEvent, ResolutionError, SendId, UndeliveredReason,
};
use rserpool::session::SendError;
use rserpool::transport::{AssociationId, LostReason, TransportEvent, UserMessage};
use rserpool::wire::{ASAP_PPID, AsapMessage, CauseCode, Policy, PolicyField, PolicyType, PoolElement};
use rserpool::{PeId, Rate};

use crate::pools::{resolve, small_world};
use crate::stranger::FORMAT;
use crate::world::{ASAP_PORT, POOL, World};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(20);

fn world_with(change: impl FnOnce(&mut PoolUserConfig)) -> World {
    let mut world = small_world(Policy::default());
    world.add_user(21, &[1], change);
    world
}

fn text(text: &'static str) -> UserMessage {
    UserMessage::new(33, Bytes::from_static(text.as_bytes()))
}

fn send(world: &mut World, destination: Destination, failover: bool) -> SendId {
    world.with_user(21, |user, now| user.send_to(destination, text("hello"), failover, now)).expect("room")
}

fn pool() -> Destination {
    Destination::Pool(POOL.into())
}

fn handle(id: u32) -> ElementHandle {
    ElementHandle { pool_handle: POOL.into(), pe_id: PeId(id) }
}

/// To whom messages went.
fn sent(world: &World) -> Vec<(SendId, u32)> {
    let sent = world.user_events.iter().filter_map(|event| match event {
        PoolUserEvent::Sent { send, element } => Some((*send, element.pe_id.0)),
        _ => None,
    });
    sent.collect()
}

/// Who has answered, and how often.
fn answers(world: &World) -> BTreeMap<u32, usize> {
    let mut answers = BTreeMap::new();
    for event in &world.user_events {
        if let PoolUserEvent::Received { element, message } = event {
            assert_eq!(message.data[8..], *b"hello");
            *answers.entry(element.pe_id.0).or_insert(0) += 1;
        }
    }
    answers
}

fn undelivered(world: &World) -> Vec<(SendId, UndeliveredReason)> {
    let failures = world.user_events.iter().filter_map(|event| match event {
        PoolUserEvent::Undelivered { send, message, reason, .. } => {
            assert_eq!(message.data[..], *b"hello", "the message comes back");
            Some((*send, reason.clone()))
        }
        _ => None,
    });
    failures.collect()
}

#[test]
fn messages_to_a_pool_wait_for_one_resolution_and_go_round() {
    // RFC 5352, 6.5.1, 6.5.2.1, 6.6 and 6.8.1.
    let mut world = world_with(|_| {});
    let ids: Vec<_> = (0..6).map(|_| send(&mut world, pool(), true)).collect();
    world.run_for(SOON);
    assert_eq!(world.registrar(1).statistics().resolutions, 1);
    let sent = sent(&world);
    assert_eq!(
        sent.iter().map(|(id, _)| *id).collect::<std::collections::BTreeSet<_>>(),
        ids.into_iter().collect()
    );
    assert_eq!(answers(&world), BTreeMap::from([(11, 2), (12, 2), (13, 2)]));
}

#[test]
fn a_cached_pool_needs_no_registrar_until_it_is_purged_or_stale() {
    // RFC 5352, 3.3 C1 to C4, 4, 6.4, 6.8.2 and 6.9.1.
    let mut world = world_with(|config| config.stale_cache = SECOND);
    resolve(&mut world).expect("the pool is there");
    assert_eq!(world.with_user(21, |user, now| user.cached(&POOL.into(), now)).expect("fresh").len(), 3);
    send(&mut world, pool(), true);
    world.run_for(SOON);
    assert_eq!(world.registrar(1).statistics().resolutions, 1);
    world.with_user(21, |user, _| user.purge(&POOL.into()));
    assert_eq!(world.with_user(21, |user, now| user.cached(&POOL.into(), now)), None);
    send(&mut world, pool(), true);
    world.run_for(2 * SECOND);
    assert_eq!(world.registrar(1).statistics().resolutions, 2);
    send(&mut world, pool(), true);
    world.run_for(SOON);
    assert_eq!(world.registrar(1).statistics().resolutions, 3);
    assert_eq!(answers(&world).values().sum::<usize>(), 3);
}

#[test]
fn the_last_element_gets_the_next_message_too() {
    // RFC 5352, 6.5.5: ASAP_SEND_TO_LAST.
    let mut world = world_with(|_| {});
    send(&mut world, Destination::Last(POOL.into()), true);
    world.run_for(SOON);
    let first = sent(&world)[0].1;
    for _ in 0..5 {
        send(&mut world, Destination::Last(POOL.into()), true);
        world.run_for(SOON);
    }
    assert_eq!(answers(&world), BTreeMap::from([(first, 6)]));
}

#[test]
fn an_element_handle_names_one_element() {
    // RFC 5352, 6.5.3.
    let mut world = world_with(|_| {});
    for _ in 0..3 {
        send(&mut world, Destination::Element(handle(12)), false);
        world.run_for(SOON);
    }
    assert_eq!(answers(&world), BTreeMap::from([(12, 3)]));
    let id = send(&mut world, Destination::Element(handle(99)), false);
    world.run_for(SOON);
    assert_eq!(undelivered(&world), [(id, UndeliveredReason::UnknownElement)]);
}

#[test]
fn all_elements_get_a_copy_and_the_sender_only_if_it_wants() {
    // RFC 5352, 6.5.5: ASAP_SEND_TO_ALL, ASAP_SEND_TO_SELF. More elements than one asks for usually: all (3.3).
    for (to_self, count) in [(false, 7), (true, 8)] {
        let mut world = world_with(|config| config.own_element = Some(handle(11)));
        (14..=18).for_each(|host| world.add_element(host, &[1], Policy::default()));
        world.run_for(SECOND);
        let id = send(&mut world, Destination::All { pool_handle: POOL.into(), to_self }, true);
        world.run_for(SOON);
        assert!(sent(&world).iter().all(|(send, _)| *send == id));
        let answers = answers(&world);
        assert_eq!((answers.len(), answers.contains_key(&11)), (count, to_self));
        assert!(answers.values().all(|count| *count == 1));
    }
}

#[test]
fn a_message_goes_to_another_element_if_the_chosen_ones_cannot_be_reached() {
    // RFC 5352, 6.5.5: ASAP_SEND_FAILOVER; 3.5 and 6.9: the registrar is told. RFC 5356, 5.1.3 and 5.3.3: it has named more than one.
    let mut world = world_with(|config| config.stale_cache = 100 * SECOND);
    resolve(&mut world).expect("the pool is there");
    (11..=12).for_each(|host| world.kill(host));
    for _ in 0..3 {
        send(&mut world, pool(), true);
    }
    world.run_for(SECOND);
    assert_eq!(answers(&world), BTreeMap::from([(13, 3)]));
    assert_eq!(undelivered(&world), []);
    let statistics = world.registrar(1).statistics();
    assert_eq!((statistics.unreachable_reports, statistics.resolutions), (2, 1), "each once");
}

#[test]
fn without_fail_over_the_message_comes_back() {
    // RFC 5352, 6.5.5: ASAP_SEND_NO_FAILOVER; 6.7.
    let mut world = world_with(|config| config.stale_cache = 100 * SECOND);
    resolve(&mut world).expect("the pool is there");
    world.kill(12);
    let id = send(&mut world, Destination::Element(handle(12)), false);
    world.run_for(SECOND);
    assert_eq!(undelivered(&world), [(id, UndeliveredReason::Unreachable(LostReason::Aborted))]);
}

#[test]
fn what_an_element_had_not_got_when_it_died_goes_to_another() {
    // RFC 5352, 6.5.5, where the transport gives back what is not acknowledged.
    let mut world = world_with(|_| {});
    send(&mut world, Destination::Last(POOL.into()), true);
    world.run_for(SOON);
    let first = sent(&world)[0].1;
    let id = send(&mut world, Destination::Last(POOL.into()), true);
    world.kill(first as u8);
    world.run_for(SECOND);
    let to: Vec<_> = sent(&world).into_iter().filter(|(send, _)| *send == id).map(|(_, to)| to).collect();
    assert_eq!((to.len(), to[0]), (2, first));
    assert_ne!(to[1], first);
    assert_eq!(answers(&world).values().sum::<usize>(), 2);
}

#[test]
fn a_pool_with_no_element_left_gives_every_message_back() {
    let mut world = world_with(|config| config.stale_cache = 100 * SECOND);
    resolve(&mut world).expect("the pool is there");
    (11..=13).for_each(|host| world.kill(host));
    let ids: Vec<_> = (0..5).map(|_| send(&mut world, pool(), true)).collect();
    world.run_for(SECOND);
    let failed = undelivered(&world);
    assert_eq!(failed.len(), ids.len());
    for (_, reason) in failed {
        let UndeliveredReason::Resolution(ResolutionError::Refused(causes)) = reason else {
            panic!("{reason:?}")
        };
        assert_eq!(causes[0].code, CauseCode::UNKNOWN_POOL_HANDLE);
    }
}

#[test]
fn idle_associations_are_closed_and_others_have_a_limit() {
    let mut world = world_with(|config| (config.max_channels, config.channel_idle) = (2, SECOND));
    let id = send(&mut world, Destination::All { pool_handle: POOL.into(), to_self: false }, false);
    world.run_for(SOON);
    assert_eq!(undelivered(&world), [(id, UndeliveredReason::TooManyChannels)]);
    world.run_for(2 * SECOND);
    world.user_events.clear();
    send(&mut world, Destination::Element(handle(11)), false);
    send(&mut world, Destination::Element(handle(12)), false);
    world.run_for(SOON);
    assert_eq!(answers(&world), BTreeMap::from([(11, 1), (12, 1)]));
}

#[test]
fn messages_that_wait_have_a_limit() {
    let mut world = World::new();
    world.add_user(21, &[], |config| config.max_waiting_messages = 3);
    for _ in 0..3 {
        send(&mut world, pool(), true);
    }
    let fourth = world.with_user(21, |user, now| user.send_to(pool(), text("hello"), true, now));
    assert_eq!(fourth, Err(SendError::QueueFull));
    world.run_for(10 * SECOND);
    assert_eq!(undelivered(&world).len(), 3, "no registrar, no pool");
}

#[test]
fn data_has_no_place_on_the_control_channel() {
    // RFC 5352, 5.
    let mut world = world_with(|_| {});
    let message = UserMessage::new(ASAP_PPID, "hello");
    let id = world.with_user(21, |user, now| user.send_to(pool(), message.clone(), true, now)).expect("room");
    world.run_for(SOON);
    assert_eq!(undelivered(&world), [(id, UndeliveredReason::ReservedPpid)]);
    let session = world.with_user(21, |user, now| user.open_session(POOL.into(), now));
    world.run_for(SOON);
    assert_eq!(world.with_user(21, |user, _| user.send(session, message)), Err(SendError::ReservedPpid));
}

/// Reports that the registrar got.
fn reports(world: &World) -> usize {
    let is_report = |(_, to, message): &&(_, _, UserMessage)| {
        *to == (1, ASAP_PORT)
            && matches!(
                AsapMessage::parse(&message.data, &FORMAT).map(|parsed| parsed.message),
                Ok(AsapMessage::EndpointUnreachable { .. })
            )
    };
    world.sent.iter().filter(is_report).count()
}

#[test]
fn a_failure_is_reported_once_however_many_sessions_notice_it() {
    // RFC 5352, 3.5 and 9.2, threat 8.
    let mut world = World::new();
    world.add_registrar(1);
    world.add_element(11, &[1], Policy::default());
    world.add_user(21, &[1], |_| {});
    world.run_for(SECOND);
    for _ in 0..20 {
        world.with_user(21, |user, now| user.open_session(POOL.into(), now));
    }
    world.run_for(SOON);
    world.kill(11);
    world.run_for(Duration::from_millis(40));
    assert_eq!(reports(&world), 1);
}

#[test]
fn only_what_says_that_the_element_is_unreachable_is_reported() {
    // RFC 5352, 3.5. A user with IPv6 only must not have elements with IPv4 only removed.
    for (reason, expected) in
        [(LostReason::Local, 0), (LostReason::Shutdown, 0), (LostReason::Unreachable, 1)]
    {
        let mut world = World::new();
        world.add_registrar(1);
        world.add_element(11, &[1], Policy::default());
        world.add_user(21, &[1], |_| {});
        world.run_for(SECOND);
        world.with_user(21, |user, now| user.open_session(POOL.into(), now));
        world.run_for(SOON);
        world.with_user(21, |user, now| {
            // The registrar's and the element's.
            for association in (0..2).map(AssociationId::Outgoing) {
                user.handle_event(TransportEvent::Lost { association, reason }, now);
            }
        });
        world.run_for(SECOND);
        assert_eq!(reports(&world), expected, "{reason:?}");
    }
}

#[test]
fn only_elements_that_the_user_was_given_are_reported_and_not_too_many() {
    // RFC 5352, 3.5, 6.9.2 and 9.2.
    let mut world =
        world_with(|config| (config.max_report_rate, config.items) = (Rate::per_second(2.0), 100));
    let report = |world: &mut World, id| {
        world.with_user(21, |user, now| user.report_unreachable(POOL.into(), PeId(id), now))
    };
    assert!(!report(&mut world, 11), "it was not given to the user");
    resolve(&mut world).expect("the pool is there");
    assert!(report(&mut world, 11));
    assert!(!report(&mut world, 11), "once each time");
    assert!(report(&mut world, 12));
    assert!(!report(&mut world, 13), "the third within a second");
    world.run_for(SOON);
    assert_eq!(reports(&world), 2);
}

#[test]
fn a_request_is_sent_again_so_often_and_then_given_up() {
    // RFC 5352, 3.3, 3.7.2 and 7.3: MAX-REQUEST-RETRANSMIT.
    let mut world = World::new();
    let mute = (1, ASAP_PORT);
    world.add_stranger(mute);
    world.add_user(21, &[1], |config| config.max_request_retransmits = Some(2));
    let start = world.now;
    world.with_user(21, |user, now| user.resolve(POOL.into(), now));
    world.run_until_done(5 * SECOND, |world| !world.user_events.is_empty());
    assert!(world.now - start < 2 * SECOND, "three times T1");
    assert!(matches!(
        world.user_events.pop_front(),
        Some(PoolUserEvent::Resolved { result: Err(ResolutionError::TimedOut), .. })
    ));
    let asked = world.told(mute);
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn what_the_registrar_does_not_understand_the_application_hears() {
    // RFC 5352, 4: ASAP_ERROR.
    let causes = vec![rserpool::wire::ErrorCause::bare(CauseCode::UNRECOGNIZED_MESSAGE)];
    let mut world = World::new();
    let registrar = (1, ASAP_PORT);
    world.add_stranger(registrar);
    world.add_user(21, &[1], |_| {});
    world.with_user(21, |user, now| user.resolve(POOL.into(), now));
    world.run_for(SOON);
    let association = world.accepted(registrar);
    world.say(registrar, association, &AsapMessage::Error(causes.clone()));
    assert_eq!(world.user_events.pop_front(), Some(PoolUserEvent::ErrorReported(causes)));
}

/// A user whose registrar is a stranger, to which it has put a question.
fn asking_world() -> World {
    let mut world = World::new();
    world.add_stranger((1, ASAP_PORT));
    world.add_user(21, &[1], |config| config.stale_cache = 100 * SECOND);
    world.with_user(21, |user, now| user.resolve(POOL.into(), now));
    world.run_for(SOON);
    world
}

/// The stranger's answer.
fn answer(world: &mut World, policy: Option<Policy>, elements: Vec<PoolElement>) {
    let (subscribed, pool_handle, errors) = (false, POOL.into(), Vec::new());
    let message = AsapMessage::HandleResolutionResponse { subscribed, pool_handle, policy, elements, errors };
    let association = world.accepted((1, ASAP_PORT));
    world.say((1, ASAP_PORT), association, &message);
}

fn element(host: u8, policy: Policy) -> PoolElement {
    World::element_config(host, &[], policy).description()
}

#[test]
fn the_pools_policy_counts_and_not_its_elements() {
    // RFC 5352, 2.2.6; without a policy it is Round Robin, from the first on (RFC 5356, 4.1.3).
    let priority = |value| Policy::new(PolicyType::Priority).with(PolicyField::Priority, value);
    for overall in [None, Some(Policy::new(PolicyType::RoundRobin))] {
        let mut world = asking_world();
        answer(&mut world, overall, vec![element(11, priority(1)), element(12, priority(99))]);
        let pick = |world: &mut World| world.with_user(21, |user, now| user.pick(&POOL.into(), now));
        let picked: Vec<_> = (0..4).map(|_| pick(&mut world).expect("fresh").id.0).collect();
        assert_eq!(picked, [11, 12, 11, 12]);
    }
}

#[test]
fn of_a_pool_by_priority_the_element_with_the_highest_one_is_taken() {
    // RFC 5356, 4.5.3.
    let priority = |value| Policy::new(PolicyType::Priority).with(PolicyField::Priority, value);
    let mut world = asking_world();
    let elements = vec![element(11, priority(1)), element(12, priority(99)), element(13, priority(5))];
    answer(&mut world, Some(priority(99)), elements);
    let pick = |world: &mut World| world.with_user(21, |user, now| user.pick(&POOL.into(), now));
    let picked: Vec<_> = (0..3).map(|_| pick(&mut world).expect("fresh").id.0).collect();
    assert_eq!(picked, [12; 3]);
}

#[test]
fn an_answer_with_neither_elements_nor_error_is_negative() {
    // RFC 5352, 2.2.6: at least one element in a positive answer.
    let mut world = asking_world();
    answer(&mut world, None, Vec::new());
    assert!(matches!(
        world.user_events.pop_front(),
        Some(PoolUserEvent::Resolved { result: Err(ResolutionError::Refused(causes)), .. }) if causes.is_empty()
    ));
}

#[test]
fn an_answer_ends_the_waiting() {
    // RFC 5352, 3.3: T1, here 200 ms.
    let mut world = asking_world();
    answer(&mut world, None, vec![element(11, Policy::default())]);
    world.run_for(3 * SECOND);
    assert_eq!(world.user_events.len(), 1);
    assert_eq!((world.attempts.len(), world.told((1, ASAP_PORT)).len()), (1, 1));
}

#[test]
fn a_positive_answer_has_the_pools_policy_and_elements_and_a_negative_one_neither() {
    // RFC 5352, 2.2.6 and 3.3.
    let mut world = small_world(Policy::least_used(3));
    let (place, association) = world.stranger_at_registrar(31);
    let mut ask = |pool: &str| {
        let (subscribe, pool_handle, items) = (false, pool.into(), None);
        world.say(place, association, &AsapMessage::HandleResolution { subscribe, pool_handle, items });
        match world.told(place).pop() {
            Some(AsapMessage::HandleResolutionResponse { policy, elements, errors, .. }) => {
                (policy.map(|policy| policy.policy_type), elements.len(), errors.len())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(POOL), (Some(PolicyType::LeastUsed), 3, 0));
    assert_eq!(ask("no such pool"), (None, 0, 1));
}
