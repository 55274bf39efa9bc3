//! Dynamic updates: the S and A bits (RFC 5352, 2.2.5 and 2.2.6).

use std::time::Duration;

use rserpool::pool_user::{PoolUserEvent, ResolutionError, SubscriptionState};
use rserpool::transport::AssociationId;
use rserpool::wire::{AsapMessage, CauseCode, Policy};
use rserpool::{PeId, PoolHandle};

use crate::pools::{resolve, small_world};
use crate::world::{ASAP_PORT, POOL, Place, World};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than it takes from a change to the update.
const SOON: Duration = Duration::from_millis(60);

/// What the user heard of subscriptions: the elements of each update.
fn updates(world: &mut World) -> Vec<Vec<u32>> {
    let events: Vec<_> = world.user_events.drain(..).collect();
    let elements = events.iter().filter_map(|event| match event {
        PoolUserEvent::Updated { elements, .. } => {
            let mut ids = world.hosts_of(elements);
            ids.sort_unstable();
            Some(ids)
        }
        _ => None,
    });
    elements.collect()
}

fn states(world: &mut World) -> Vec<SubscriptionState> {
    let states = world.user_events.drain(..).filter_map(|event| match event {
        PoolUserEvent::Subscription { state, .. } => Some(state),
        _ => None,
    });
    states.collect()
}

/// A small world whose user is subscribed to the pool.
fn subscribed_world() -> World {
    let mut world = small_world(Policy::least_used(0));
    world.add_user(21, &[1], |config| config.items = 100);
    world.with_user(21, |user, now| user.subscribe(POOL.into(), now));
    world.run_for(SOON);
    world
}

#[test]
fn a_subscriber_hears_of_elements_that_come_change_and_go() {
    let mut world = subscribed_world();
    assert_eq!(updates(&mut world), [[11, 12, 13]]);
    world.add_element(14, &[1], Policy::least_used(0));
    world.run_for(2 * SOON);
    assert_eq!(updates(&mut world), [[11, 12, 13, 14]]);
    world.kill(11);
    world.run_for(SOON);
    assert_eq!(updates(&mut world), [[12, 13, 14]]);
    world.with_element(12, |element, now| element.set_policy(Policy::least_used(77), now));
    world.run_for(SOON);
    assert_eq!(updates(&mut world), [[12, 13, 14]]);
    // The cache is as new as the last update, whatever its stale time: here that is zero.
    let known = world.with_user(21, |user, now| user.cached(&POOL.into(), now)).expect("kept fresh");
    let load = |id| known.iter().find(|element| element.id == PeId(id)).map(|element| element.policy);
    assert_eq!((load(11), load(12)), (None, Some(Policy::least_used(77))));
}

#[test]
fn renewals_that_change_nothing_are_no_news() {
    let mut world = subscribed_world();
    updates(&mut world);
    world.run_for(10 * SECOND);
    assert!(world.registrar(1).statistics().reregistrations > 10);
    assert_eq!(updates(&mut world), Vec::<Vec<u32>>::new());
}

#[test]
fn changes_that_come_fast_are_told_together() {
    let mut world = subscribed_world();
    updates(&mut world);
    for load in 1..=100 {
        world.with_element(12, |element, now| element.set_policy(Policy::least_used(load), now));
        world.run_for(Duration::from_millis(3));
    }
    world.run_for(SOON);
    let count = updates(&mut world).len();
    assert!((5..=40).contains(&count), "300 ms, one each 10 to 30 ms: {count}");
}

#[test]
fn elements_of_other_registrars_are_news_too() {
    let mut world = World::new();
    world.add_peer_registrar(1, &[2]);
    world.add_peer_registrar(2, &[1]);
    world.run_for(SECOND);
    world.add_element(11, &[1], Policy::default());
    world.add_user(21, &[1], |_| {});
    world.run_for(SECOND);
    world.with_user(21, |user, now| user.subscribe(POOL.into(), now));
    world.run_for(SOON);
    updates(&mut world);
    world.add_element(12, &[2], Policy::default());
    world.run_for(2 * SOON);
    assert_eq!(updates(&mut world), [[11, 12]]);
    world.with_element(12, |element, now| element.deregister(now));
    world.run_for(SOON);
    assert_eq!(updates(&mut world), [[11]]);
}

#[test]
fn updates_select_nobody() {
    let mut world = small_world(Policy::default());
    world.add_stranger((31, ASAP_PORT));
    let association = world.connect((31, ASAP_PORT), (1, ASAP_PORT));
    assert!(ask(&mut world, ((31, ASAP_PORT), association), POOL, true).0);
    let first: Vec<_> = (0..3).map(|_| resolve(&mut world).unwrap()[0]).collect();
    for load in 0..3 {
        world.add_element(14 + load, &[1], Policy::default());
        world.run_for(SOON);
    }
    assert!(world.registrar(1).statistics().dynamic_updates >= 3);
    // The round goes on as if nothing had been.
    let next: Vec<_> = (0..3).map(|_| resolve(&mut world).unwrap()[0]).collect();
    assert_eq!(next, first);
}

/// Resolves for a stranger: the A bit, and whether the answer is positive.
fn ask(
    world: &mut World,
    (place, association): (Place, AssociationId),
    pool: &str,
    subscribe: bool,
) -> (bool, bool) {
    let (pool_handle, items) = (PoolHandle::from(pool), None);
    world.say(place, association, &AsapMessage::HandleResolution { subscribe, pool_handle, items });
    match &world.told(place)[..] {
        [.., AsapMessage::HandleResolutionResponse { subscribed, errors, .. }] => {
            (*subscribed, errors.is_empty())
        }
        other => panic!("an answer was expected: {other:?}"),
    }
}

/// The answers that nobody asked for.
fn unsolicited(world: &mut World, place: Place) -> Vec<(bool, bool)> {
    let told = world.told(place).into_iter();
    let answers = told.map(|message| match message {
        AsapMessage::HandleResolutionResponse { subscribed, errors, .. } => (subscribed, errors.is_empty()),
        other => panic!("{other:?}"),
    });
    answers.collect()
}

#[test]
fn who_does_not_ask_for_updates_gets_none() {
    // RSPLIB's users take anything for the answer to their next request.
    let mut world = small_world(Policy::default());
    let stranger = world.stranger_at_registrar(31);
    assert_eq!(ask(&mut world, stranger, POOL, false), (false, true));
    world.kill(11);
    world.run_for(SECOND);
    assert_eq!(unsolicited(&mut world, stranger.0), []);
}

#[test]
fn the_last_request_says_whether_updates_are_wanted() {
    let mut world = small_world(Policy::default());
    let stranger = world.stranger_at_registrar(31);
    assert_eq!(ask(&mut world, stranger, POOL, true), (true, true));
    world.kill(11);
    world.run_for(SOON);
    assert_eq!(unsolicited(&mut world, stranger.0), [(true, true)]);
    assert_eq!(ask(&mut world, stranger, POOL, false), (false, true));
    world.kill(12);
    world.run_for(SOON);
    assert_eq!(unsolicited(&mut world, stranger.0), []);
}

#[test]
fn a_pool_that_is_not_there_has_no_updates_also_when_it_comes() {
    // RFC 5352, 2.2.5.
    let mut world = World::new();
    world.add_registrar(1);
    let stranger = world.stranger_at_registrar(31);
    assert_eq!(ask(&mut world, stranger, POOL, true), (false, false));
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND);
    assert_eq!(unsolicited(&mut world, stranger.0), []);
}

#[test]
fn a_pool_that_vanishes_ends_its_subscriptions() {
    let mut world = subscribed_world();
    world.user_events.clear();
    (11..=13).for_each(|host| world.kill(host));
    world.run_for(SOON);
    let ended = states(&mut world);
    let [SubscriptionState::Ended(ResolutionError::Refused(causes))] = &ended[..] else {
        panic!("{ended:?}")
    };
    assert_eq!(causes[0].code, CauseCode::UNKNOWN_POOL_HANDLE);
    assert_eq!(world.with_user(21, |user, now| user.cached(&POOL.into(), now)), None);
    world.add_element(14, &[1], Policy::least_used(0));
    world.run_for(SECOND);
    assert_eq!(updates(&mut world), Vec::<Vec<u32>>::new());
}

#[test]
fn one_association_has_so_many_subscriptions_and_no_more() {
    let mut world = World::new();
    world.add_registrar_with(1, |config| config.max_subscriptions = 2);
    for host in 11..=13 {
        let mut config = World::element_config(host, &[1], Policy::default());
        config.pool_handle = format!("Pool{host}").as_str().into();
        world.add_element_with(host, config);
    }
    world.run_for(SECOND);
    let stranger = world.stranger_at_registrar(31);
    let accepted = |world: &mut World, pool, subscribe| ask(world, stranger, pool, subscribe).0;
    assert!(accepted(&mut world, "Pool11", true) && accepted(&mut world, "Pool12", true));
    assert!(!accepted(&mut world, "Pool13", true));
    assert!(accepted(&mut world, "Pool12", true), "again is not more");
    assert!(!accepted(&mut world, "Pool11", false));
    assert!(accepted(&mut world, "Pool13", true));
}

#[test]
fn a_registrar_that_knows_no_updates_refuses_them() {
    let mut world = World::new();
    world.add_registrar_with(1, |config| config.max_subscriptions = 0);
    world.add_element(11, &[1], Policy::default());
    world.add_user(21, &[1], |_| {});
    world.run_for(SECOND);
    world.with_user(21, |user, now| user.subscribe(POOL.into(), now));
    world.run_for(SOON);
    assert_eq!(states(&mut world), [SubscriptionState::Refused]);
}

#[test]
fn nobody_is_told_who_has_gone() {
    let mut world = small_world(Policy::default());
    let stranger = world.stranger_at_registrar(31);
    assert!(ask(&mut world, stranger, POOL, true).0);
    world.kill(31);
    world.run_for(SOON);
    world.kill(11);
    world.run_for(SECOND);
    assert_eq!(world.registrar(1).statistics().dynamic_updates, 0);
}

#[test]
fn a_subscription_is_made_anew_with_the_next_registrar() {
    // RFC 5352, 2.2.5: registrars do not tell each other of them.
    let mut world = World::new();
    world.add_peer_registrar(1, &[2]);
    world.add_peer_registrar(2, &[1]);
    world.run_for(SECOND);
    (11..=12).for_each(|host| world.add_element(host, &[1], Policy::default()));
    world.add_user(21, &[1], |_| {});
    world.run_for(SECOND);
    world.with_user(21, |user, now| user.subscribe(POOL.into(), now));
    world.run_for(SOON);
    assert_eq!(states(&mut world), [SubscriptionState::Accepted]);
    let is_home = |host: &u8| world.registrar(*host).statistics().resolutions > 0;
    let home = (1..=2).find(is_home).expect("one of them was asked");
    world.kill(home);
    world.run_for(3 * SECOND);
    assert!(states(&mut world).contains(&SubscriptionState::Accepted));
    world.kill(11);
    world.run_for(SOON);
    assert_eq!(updates(&mut world), [[12]]);
}

#[test]
fn all_of_many_subscribers_are_told() {
    let mut world = small_world(Policy::default());
    let strangers: Vec<_> = (0..250).map(|number| (31, 10_000 + number)).collect();
    for &place in &strangers {
        world.add_stranger(place);
        let association = world.connect(place, (1, ASAP_PORT));
        assert!(ask(&mut world, (place, association), POOL, true).0);
    }
    world.kill(11);
    world.run_for(2 * SOON);
    for place in strangers {
        assert_eq!(unsolicited(&mut world, place), [(true, true)], "{place:?}");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let mut world = World::new();
    let registrar = (1, ASAP_PORT);
    world.add_stranger(registrar);
    world.add_user(21, &[1], |config| config.stale_cache = 100 * SECOND);
    let asked = world.with_user(21, |user, now| user.resolve("Pool".into(), now));
    world.run_for(SOON);
    let (subscribed, policy, errors) = (true, None, Vec::new());
    let element = |id| rserpool::wire::PoolElement {
        id: PeId(id),
        home: rserpool::RegistrarId(1),
        life: rserpool::wire::Life::INFINITE,
        user_transport: World::element_config(11, &[], Policy::default()).user_transport,
        policy: Policy::default(),
        asap_transport: None,
    };
    let mut association = None;
    for (pool, id) in [("Evil", 1), ("Pool", 2), ("Pool", 3)] {
        let (pool_handle, elements, errors) = (pool.into(), vec![element(id)], errors.clone());
        let message =
            AsapMessage::HandleResolutionResponse { subscribed, pool_handle, policy, elements, errors };
        let association = association.get_or_insert_with(|| world.accepted(registrar));
        world.say(registrar, *association, &message);
    }
    let resolved: Vec<_> = world.user_events.drain(..).collect();
    assert!(
        matches!(&resolved[..], [PoolUserEvent::Resolved { request, result: Ok(elements), .. }]
            if *request == asked && elements[0].id == PeId(2)),
        "{resolved:?}"
    );
    let cached =
        |world: &mut World, pool: &str| world.with_user(21, |user, now| user.cached(&pool.into(), now));
    assert_eq!(cached(&mut world, "Evil"), None);
    assert_eq!(cached(&mut world, "Pool").expect("fresh")[0].id, PeId(2));
}
