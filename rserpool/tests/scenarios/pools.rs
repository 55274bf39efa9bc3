//! Registration, resolution, keep-alive, announces.

use std::collections::BTreeMap;
use std::time::Duration;

use rserpool::pool_element::PoolElementEvent;
use rserpool::pool_user::{PoolUserEvent, ResolutionError};
use rserpool::registrar::{RegistrarEvent, RemovalReason};
use rserpool::transport::{Peer, Side};
use rserpool::wire::{CauseCode, Policy, PolicyType};
use rserpool::{PeId, Rate, Time};

use crate::world::{ASAP_PORT, POOL, World, address};

const SECOND: Duration = Duration::from_secs(1);

/// A registrar on host 1, three elements on hosts 11 to 13, a user on host 21.
pub(crate) fn small_world(policy: Policy) -> World {
    let mut world = World::new();
    world.add_registrar(1);
    (11..=13).for_each(|host| world.add_element(host, &[1], policy));
    world.add_user(21, &[1], |_| {});
    world.run_until_done(SECOND, |world| world.registrar(1).handlespace().len() == 3);
    world
}

/// Resolves the pool; the identifiers in the answer.
pub(crate) fn resolve(world: &mut World) -> Result<Vec<u32>, ResolutionError> {
    resolve_by(world, 21)
}

pub(crate) fn resolve_by(world: &mut World, user: u8) -> Result<Vec<u32>, ResolutionError> {
    world.user_events.clear();
    world.with_user(user, |user, now| user.resolve(POOL.into(), now));
    world.run_until_done(10 * SECOND, |world| !world.user_events.is_empty());
    match world.user_events.pop_front() {
        Some(PoolUserEvent::Resolved { result, .. }) => result.map(|elements| world.hosts_of(&elements)),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn removals(world: &World) -> Vec<(u32, RemovalReason)> {
    let removal = |(_, event): &(u8, _)| match event {
        RegistrarEvent::Removed { element, reason, .. } => Some((element.id.0, *reason)),
        _ => None,
    };
    world.registrar_events.iter().filter_map(removal).collect()
}

#[test]
fn elements_register_and_a_user_resolves_them_in_turns() {
    let mut world = small_world(Policy::default());
    let registered = |(_, event): &&(u8, PoolElementEvent)| *event == PoolElementEvent::Registered;
    world.run_for(SECOND);
    assert_eq!(world.element_events.iter().filter(registered).count(), 3);
    let first: Vec<_> = (0..30).map(|_| resolve(&mut world).unwrap()[0]).collect();
    let shares = first.iter().fold(BTreeMap::new(), |mut shares: BTreeMap<_, _>, id| {
        *shares.entry(*id).or_insert(0) += 1;
        shares
    });
    assert_eq!(shares, BTreeMap::from([(11, 10), (12, 10), (13, 10)]));
}

#[test]
fn the_least_loaded_element_is_named_first_and_loads_may_change() {
    // RFC 5352, 3.1 rule 3.
    let mut world = small_world(Policy::least_used(50));
    world.with_element(12, |element, now| element.set_policy(Policy::least_used(10), now));
    world.run_for(SECOND / 10);
    assert_eq!(resolve(&mut world).unwrap()[0], 12);
    world.with_element(12, |element, now| element.set_policy(Policy::least_used(90), now));
    world.with_element(13, |element, now| element.set_policy(Policy::least_used(20), now));
    world.run_for(SECOND / 10);
    let ids = resolve(&mut world).unwrap();
    assert_eq!((ids[0], ids[2]), (13, 12));
}

#[test]
fn an_unknown_pool_is_refused_with_the_rfcs_cause() {
    // RFC 5352, 3.3.
    let mut world = World::new();
    world.add_registrar(1);
    world.add_user(21, &[1], |_| {});
    let Err(ResolutionError::Refused(causes)) = resolve(&mut world) else { panic!("must be refused") };
    assert_eq!(causes[0].code, CauseCode::UNKNOWN_POOL_HANDLE);
}

#[test]
fn registrations_are_renewed_and_elements_stay_alive() {
    let mut world = small_world(Policy::default());
    world.run_for(20 * SECOND);
    let statistics = *world.registrar(1).statistics();
    assert_eq!(removals(&world), []);
    assert!(statistics.reregistrations >= 3 * 15, "{statistics:?}");
    assert!(statistics.keep_alive_acks >= 3 * 40, "{statistics:?}");
}

#[test]
fn a_killed_element_is_removed_at_once_and_a_frozen_one_after_a_missing_ack() {
    // RFC 5352, 3.5.
    let mut world = small_world(Policy::default());
    world.kill(11);
    world.run_until_done(SECOND / 10, |world| removals(world).len() == 1);
    assert_eq!(removals(&world), [(11, RemovalReason::AssociationLost)]);
    world.freeze(12);
    world.run_until_done(SECOND, |world| removals(world).len() == 2);
    assert_eq!(removals(&world)[1].0, 12);
    assert_eq!(resolve(&mut world).unwrap(), [13]);
}

#[test]
fn an_element_that_leaves_is_gone_and_its_machine_is_done() {
    let mut world = small_world(Policy::default());
    world.with_element(11, |element, now| element.deregister(now));
    world.run_for(SECOND);
    assert_eq!(removals(&world), [(11, RemovalReason::Deregistered)]);
    assert_eq!(world.element_events.last(), Some(&(11, PoolElementEvent::Deregistered { confirmed: true })));
    world.with_element(11, |element, _| assert_eq!(element.poll_timeout(), None));
}

#[test]
fn an_element_of_another_policy_is_rejected_until_it_gives_in() {
    let mut world = small_world(Policy::default());
    world.add_element(14, &[1], Policy::least_used(1));
    world.run_for(5 * SECOND);
    let rejections = world.element_events.iter().filter_map(|(host, event)| match event {
        PoolElementEvent::Rejected(causes) => Some((*host, causes[0].code)),
        _ => None,
    });
    assert_eq!(rejections.collect::<Vec<_>>(), [(14, CauseCode::INCONSISTENT_POLICY)]);
    world.with_element(14, |element, now| element.set_policy(Policy::default(), now));
    world.run_until_done(SECOND, |world| world.registrar(1).handlespace().len() == 4);
}

#[test]
fn registrars_are_found_by_their_announces() {
    let mut world = World::new();
    world.add_element(11, &[], Policy::default());
    world.add_user(21, &[], |_| {});
    world.run_for(SECOND);
    world.add_registrar(1);
    world.run_until_done(SECOND, |world| world.registrar(1).handlespace().len() == 1);
    assert_eq!(resolve(&mut world).unwrap(), [11]);
}

#[test]
fn when_the_registrar_dies_elements_and_users_turn_to_another() {
    // RFC 5352, 3.1 and 3.6.
    let mut world = small_world(Policy::default());
    assert_eq!(resolve(&mut world).unwrap().len(), 3);
    world.add_registrar(2);
    world.run_for(SECOND);
    world.kill(1);
    world.run_until_done(2 * SECOND, |world| world.registrar(2).handlespace().len() == 3);
    assert_eq!(resolve(&mut world).unwrap().len(), 3);
}

#[test]
fn a_frozen_registrar_is_left_for_another() {
    // RFC 5352, 3.3, 3.7.1 and 3.7.2.
    let mut world = World::new();
    (1..=2).for_each(|host| world.add_registrar(host));
    world.add_element(11, &[1, 2], Policy::default());
    world.add_user(21, &[1, 2], |_| {});
    world.run_for(SECOND);
    let home = if world.registrar(1).handlespace().is_empty() { 2 } else { 1 };
    world.freeze(home);
    world.run_until_done(3 * SECOND, |world| world.registrar(3 - home).handlespace().len() == 1);
    assert_eq!(resolve(&mut world).unwrap(), [11]);
}

#[test]
fn without_any_registrar_a_resolution_times_out() {
    let mut world = World::new();
    world.add_user(21, &[1], |_| {});
    assert_eq!(resolve(&mut world).unwrap_err(), ResolutionError::TimedOut);
}

#[test]
fn the_third_report_removes_an_element_that_still_answers() {
    // RFC 5352, 3.5: MAX-BAD-PE-REPORT; 4.
    let mut world = small_world(Policy::default());
    resolve(&mut world).unwrap();
    let keep_alives = world.registrar(1).statistics().keep_alives;
    for reports in 1..=3 {
        assert_eq!(removals(&world), [], "after {} reports", reports - 1);
        assert!(world.with_user(21, |user, now| user.report_unreachable(POOL.into(), PeId(12), now)));
        world.run_for(Duration::from_millis(60));
        resolve(&mut world).unwrap();
    }
    assert_eq!(removals(&world), [(12, RemovalReason::ReportedUnreachable)]);
    assert!(world.registrar(1).statistics().keep_alives > keep_alives, "it is asked at once");
}

#[test]
fn a_fresh_answer_serves_again_and_a_stale_one_does_not() {
    // RFC 5352, 3.3 C1 to C4.
    let mut world = small_world(Policy::default());
    world.add_user(21, &[1], |config| config.stale_cache = Duration::from_secs(2));
    let pick = |world: &mut World| world.with_user(21, |user, now: Time| user.pick(&POOL.into(), now));
    assert_eq!(pick(&mut world), None);
    resolve(&mut world).unwrap();
    let asked = world.registrar(1).statistics().resolutions;
    let picks: Vec<_> = (0..6).map(|_| pick(&mut world).expect("fresh").id.0).collect();
    assert_eq!(picks[..3], picks[3..], "round robin goes round");
    assert_eq!(world.registrar(1).statistics().resolutions, asked);
    world.run_for(3 * SECOND);
    assert_eq!(pick(&mut world), None);
}

#[test]
fn requests_are_pipelined_and_answered_in_order() {
    let mut world = small_world(Policy::new(PolicyType::RoundRobin));
    let requests: Vec<_> = (0..20)
        .map(|number| {
            let handle = if number % 2 == 0 { POOL } else { "no such pool" };
            world.with_user(21, |user, now| user.resolve(handle.into(), now))
        })
        .collect();
    world.run_for(SECOND);
    let answers = world.user_events.iter().map(|event| match event {
        PoolUserEvent::Resolved { request, result, .. } => (*request, result.is_ok()),
        other => panic!("{other:?}"),
    });
    let answers: Vec<_> = answers.collect();
    let expected = requests.into_iter().enumerate().map(|(number, request)| (request, number % 2 == 0));
    assert_eq!(answers, expected.collect::<Vec<_>>());
}

#[test]
fn resolutions_and_reports_over_the_limit_are_refused() {
    // RFC 5352, 9.2.
    let mut world = World::new();
    world.add_registrar_with(1, |config| config.user_limits.resolution_rate = Rate::per_second(5.0));
    world.add_element(11, &[1], Policy::default());
    world.add_user(21, &[1], |_| {});
    world.run_for(SECOND);
    for _ in 0..10 {
        world.with_user(21, |user, now| user.resolve(POOL.into(), now));
    }
    world.run_for(SECOND / 10);
    assert_eq!(world.registrar(1).statistics().rate_limited, 5);
}

#[test]
fn a_registrar_that_takes_an_element_over_becomes_its_home() {
    // RFC 5352, 3.4 KA2.4.
    use rserpool::transport::{AssociationId, TransportEvent, UserMessage};
    use rserpool::wire::{ASAP_PPID, AsapMessage, Format};
    let mut world = small_world(Policy::default());
    let association = AssociationId::Incoming(1_000_000);
    let peer = Peer { addresses: vec![address(2)], port: ASAP_PORT };
    let (registrar, pool_handle) = (rserpool::RegistrarId(2), POOL.into());
    let message = AsapMessage::EndpointKeepAlive { new_home: true, registrar, pool_handle, pe_id: None };
    let data = message.encode(&Format::default()).unwrap();
    world.with_element(11, |element, now| {
        element.handle_event(TransportEvent::Accepted { association, side: Side::Asap, peer }, now);
        let message = UserMessage::new(ASAP_PPID, data);
        element.handle_event(TransportEvent::Message { association, message }, now);
    });
    assert_eq!(world.element_events.last(), Some(&(11, PoolElementEvent::HomeChanged(registrar))));
}
