//! What a registrar lets strangers do, and how much of it (RFC 5352, 9.2; RFC 5355, 2).

use std::time::Duration;

use rserpool::registrar::{RegistrarConfig, RemovalReason, UserLimits};
use rserpool::transport::AssociationId;
use rserpool::wire::{AsapMessage, CauseCode, Life, Policy};
use rserpool::{PeId, Rate};

use crate::memberships::{description, register};
use crate::pools::{removals, resolve};
use crate::world::{ASAP_PORT, POOL, Place, World};

const SECOND: Duration = Duration::from_secs(1);

type Stranger = (Place, AssociationId);

/// A registrar on host 1 whose own network is that of hosts 0 to 31.
fn guarded(rules: &[&str]) -> World {
    let mut world = World::new();
    world.add_registrar_with(1, |config| guard(config, rules));
    world
}

fn guard(config: &mut RegistrarConfig, rules: &[&str]) {
    config.access.own_networks = Some(vec!["10.0.0.0/27".parse().unwrap()]);
    config.access.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
}

fn limited(change: impl FnOnce(&mut UserLimits)) -> World {
    let mut world = World::new();
    world.add_registrar_with(1, |config| change(&mut config.user_limits));
    world
}

/// Resolves the pool for a stranger; the causes of a rejection.
fn ask(world: &mut World, (place, association): Stranger) -> Result<(), Vec<CauseCode>> {
    let (subscribe, items) = (false, None);
    world.say(
        place,
        association,
        &AsapMessage::HandleResolution { subscribe, pool_handle: POOL.into(), items },
    );
    match &world.told(place)[..] {
        [AsapMessage::HandleResolutionResponse { elements, errors, .. }] => {
            assert_eq!(elements.is_empty(), !errors.is_empty());
            let causes: Vec<_> = errors.iter().map(|cause| cause.code).collect();
            if causes.is_empty() { Ok(()) } else { Err(causes) }
        }
        other => panic!("one response was expected: {other:?}"),
    }
}

fn report(world: &mut World, (place, association): Stranger, id: u32) {
    let (pool_handle, pe_id) = (POOL.into(), PeId(id));
    world.say(place, association, &AsapMessage::EndpointUnreachable { pool_handle, pe_id });
}

#[test]
fn who_is_not_of_an_own_network_does_not_register_and_resolves() {
    // RFC 5354, 3.12.10.
    let mut world = guarded(&[]);
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND);
    let stranger = world.stranger_at_registrar(41);
    assert_eq!(register(&mut world, stranger, description(41, |_| {})), Err(vec![CauseCode::SECURITY]));
    assert_eq!(ask(&mut world, stranger), Ok(()));
    assert_eq!(world.registrar(1).handlespace().len(), 1);
    assert_eq!(world.registrar(1).statistics().forbidden, 1);
}

#[test]
fn rules_let_in_and_keep_out() {
    let mut world = guarded(&[
        "deny resolve from 10.0.0.42",
        "allow register from 10.0.0.40/30 pool Ping*",
        "deny report from 10.0.0.41",
    ]);
    let [let_in, kept_out] = [41, 42].map(|host| world.stranger_at_registrar(host));
    assert_eq!(register(&mut world, let_in, description(41, |_| {})), Ok(()));
    assert_eq!(ask(&mut world, kept_out), Err(vec![CauseCode::SECURITY]));
    let other = AsapMessage::Registration { pool_handle: "Other".into(), element: description(41, |_| {}) };
    world.say(let_in.0, let_in.1, &other);
    (0..3).for_each(|_| report(&mut world, let_in, 41));
    assert_eq!(world.registrar(1).handlespace().len(), 1, "neither another pool nor by report");
    (0..3).for_each(|_| report(&mut world, kept_out, 41));
    assert_eq!(removals(&world), [(41, RemovalReason::ReportedUnreachable)]);
}

#[test]
fn who_may_do_nothing_is_not_even_heard() {
    let mut world = guarded(&["deny all from 10.0.0.41"]);
    let (place, _) = world.stranger_at_registrar(41);
    world.run_for(SECOND / 10);
    assert!(!world.are_linked(place.0, 1));
    assert_eq!(world.registrar(1).statistics().refused_associations, 1);
}

#[test]
fn a_registrar_is_one_of_an_own_network_or_a_known_one() {
    let mut world = World::new();
    world.add_peer_registrar_with(1, &[42], |config| guard(config, &[]));
    for host in [2, 42, 43] {
        world.add_peer_registrar(host, &[1]);
    }
    world.run_for(5 * SECOND);
    let peers: Vec<u32> = world.registrar(1).peers().map(|id| id.0).collect();
    assert_eq!(peers, [2, 42]);
    assert!(!world.are_linked(1, 43));
}

#[test]
fn a_registrar_of_which_a_peer_has_told_is_believed_to_be_one() {
    let mut world = World::new();
    world.add_peer_registrar(2, &[]);
    world.add_peer_registrar(43, &[2]);
    world.run_for(2 * SECOND);
    world.add_peer_registrar_with(1, &[2], |config| guard(config, &[]));
    world.run_for(2 * SECOND);
    world.kill(43);
    world.add_peer_registrar(43, &[1]);
    world.run_for(2 * SECOND);
    assert_eq!(world.registrar(1).peers().map(|id| id.0).collect::<Vec<_>>(), [2, 43]);
    assert!(world.are_linked(1, 43));
}

#[test]
fn an_element_that_was_taken_over_stays_wherever_it_is() {
    // RFC 5353, 3.5.2: who lets it in is its first home.
    let mut world = World::new();
    world.add_peer_registrar_with(1, &[2], |config| guard(config, &[]));
    world.add_peer_registrar(2, &[1]);
    world.run_for(2 * SECOND);
    world.add_element(41, &[2], Policy::default());
    world.run_until_done(SECOND, |world| world.registrar(1).handlespace().len() == 1);
    world.kill(2);
    world.run_for(10 * SECOND);
    assert_eq!(world.registrar(1).handlespace().len(), 1);
    assert!(world.registrar(1).statistics().reregistrations > 0);
}

#[test]
fn resolutions_of_all_associations_of_a_user_count_and_others_are_served() {
    let mut world = limited(|limits| limits.resolution_rate = Rate::per_second(5.0));
    world.add_element(11, &[1], Policy::default());
    world.add_user(21, &[1], |_| {});
    world.run_for(SECOND);
    let first = world.stranger_at_registrar(31);
    let others: Vec<_> = (0..9).map(|_| world.connect(first.0, (1, ASAP_PORT))).collect();
    let all = others.into_iter().map(|association| (first.0, association)).chain([first]);
    let served = all.filter(|&one| ask(&mut world, one) == Ok(())).count();
    assert_eq!(served, 5);
    assert!(resolve(&mut world).is_ok());
    world.run_for(SECOND);
    assert_eq!(ask(&mut world, first), Ok(()));
}

#[test]
fn a_user_that_comes_again_is_not_a_new_one() {
    let mut world = limited(|limits| limits.resolution_rate = Rate::per_second(2.0));
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND);
    let served = |world: &mut World| {
        let stranger = world.stranger_at_registrar(31);
        ask(world, stranger) == Ok(())
    };
    assert_eq!([(); 4].map(|()| served(&mut world)), [true, true, false, false]);
}

#[test]
fn one_user_alone_does_not_get_an_element_removed_faster_than_the_rate() {
    let reports = |rate| {
        let mut world = limited(|limits| limits.report_rate = rate);
        world.add_element(11, &[1], Policy::default());
        world.run_for(SECOND / 2);
        let first = world.stranger_at_registrar(31);
        let more = [(); 4].map(|()| (first.0, world.connect(first.0, (1, ASAP_PORT))));
        more.iter().for_each(|&stranger| report(&mut world, stranger, 11));
        removals(&world).len()
    };
    assert_eq!((reports(None), reports(Rate::per_second(0.1))), (1, 0));
}

#[test]
fn what_exceeds_the_rate_of_registrations_is_lost_and_comes_again() {
    let mut world = limited(|limits| limits.registration_rate = Rate::per_second(5.0));
    let (place, association) = world.stranger_at_registrar(31);
    for id in 0..8 {
        let element = description(31, |element| element.id = PeId(id));
        world.say(place, association, &AsapMessage::Registration { pool_handle: POOL.into(), element });
    }
    assert_eq!(world.registrar(1).handlespace().len(), 5);
    assert_eq!(world.registrar(1).statistics().rate_limited, 3);
    world.run_for(SECOND / 5);
    world.told(place);
    let late = description(31, |element| element.id = PeId(7));
    assert_eq!(register(&mut world, (place, association), late), Ok(()));
}

#[test]
fn messages_over_the_rate_are_not_even_read() {
    let mut world = limited(|limits| limits.message_rate = Rate::per_second(3.0));
    let (place, association) = world.stranger_at_registrar(31);
    (0..10).for_each(|_| world.say_bytes(place, association, vec![1, 0, 0]));
    assert_eq!(world.registrar(1).statistics().bad_messages, 3);
    assert_eq!(world.registrar(1).statistics().rate_limited, 7);
}

#[test]
fn a_user_has_so_many_elements_and_pools_and_more_when_some_are_gone() {
    let mut world = limited(|limits| {
        (limits.elements_of_association, limits.elements, limits.pools) = (2, 3, 2);
    });
    let first = world.stranger_at_registrar(31);
    let second = (first.0, world.connect(first.0, (1, ASAP_PORT)));
    let registers = |world: &mut World, stranger: Stranger, pool: &str, id: u32| {
        let element = description(31, |element| element.id = PeId(id));
        world.say(stranger.0, stranger.1, &AsapMessage::Registration { pool_handle: pool.into(), element });
        match &world.told(stranger.0)[..] {
            [AsapMessage::RegistrationResponse { rejected, errors, .. }] => {
                assert!(errors.iter().all(|cause| cause.code == CauseCode::LACK_OF_RESOURCES));
                !rejected
            }
            other => panic!("one response was expected: {other:?}"),
        }
    };
    assert!(registers(&mut world, first, "A", 1) && registers(&mut world, first, "B", 1));
    assert!(!registers(&mut world, first, "A", 2), "two elements of one association");
    assert!(registers(&mut world, first, "A", 1), "it is there already");
    assert!(!registers(&mut world, second, "C", 1), "two pools of one user");
    assert!(registers(&mut world, second, "A", 3));
    assert!(!registers(&mut world, second, "A", 4), "three elements of one user");
    let gone = AsapMessage::Deregistration { pool_handle: "B".into(), pe_id: PeId(1) };
    world.say(first.0, first.1, &gone);
    world.told(first.0);
    assert!(registers(&mut world, second, "C", 1));
}

#[test]
fn elements_that_go_with_their_association_do_not_count_any_more() {
    let mut world = limited(|limits| (limits.elements, limits.pools) = (1, 1));
    for _ in 0..3 {
        let stranger = world.stranger_at_registrar(31);
        assert_eq!(register(&mut world, stranger, description(31, |_| {})), Ok(()));
        world.kill(31);
        world.run_for(SECOND / 10);
    }
    let stranger = world.stranger_at_registrar(31);
    let short = description(31, |element| element.life = Life::from_millis(100));
    assert_eq!(register(&mut world, stranger, short), Ok(()));
    world.run_for(SECOND / 5);
    world.told(stranger.0);
    assert_eq!(register(&mut world, stranger, description(31, |_| {})), Ok(()));
}

#[test]
fn a_user_has_so_many_associations_and_an_exempt_one_as_many_as_it_likes() {
    let mut world = limited(|limits| {
        (limits.associations, limits.exempt) =
            (3, vec!["10.0.0.32".parse::<std::net::IpAddr>().unwrap().into()]);
    });
    for (host, expected) in [(31, 3), (32, 6)] {
        let (place, _) = world.stranger_at_registrar(host);
        (0..5).for_each(|_| _ = world.connect(place, (1, ASAP_PORT)));
        assert_eq!(world.count_links(host, 1), expected);
    }
}

#[test]
fn who_says_nothing_is_closed() {
    let mut world = limited(|limits| limits.silence = SECOND);
    let (silent, _) = world.stranger_at_registrar(31);
    let talker = world.stranger_at_registrar(32);
    assert!(ask(&mut world, talker).is_err());
    world.run_for(2 * SECOND);
    assert_eq!((world.are_linked(silent.0, 1), world.are_linked(talker.0.0, 1)), (false, true));
}

#[test]
fn when_there_are_too_many_associations_the_oldest_silent_one_makes_room() {
    let mut world = World::new();
    world.add_registrar_with(1, |config| config.max_associations = 4);
    world.add_element(11, &[1], Policy::default());
    world.run_for(SECOND / 2);
    (31..41).for_each(|host| _ = world.stranger_at_registrar(host));
    world.add_user(21, &[1], |_| {});
    assert!(resolve(&mut world).is_ok());
    let left: Vec<u8> = (31..41).filter(|&host| world.are_linked(host, 1)).collect();
    assert_eq!(left, [39, 40]);
    assert!(world.are_linked(11, 1) && removals(&world).is_empty());
}
