//! Several registrars: what one knows all know, and who is gone is taken over (RFC 5353).

use std::collections::BTreeSet;
use std::time::Duration;

use rserpool::policy::{self, Policies};
use rserpool::pool_element::PoolElementEvent;
use rserpool::pool_user::PoolUserEvent;
use rserpool::registrar::{RegistrarConfig, RegistrarEvent};
use rserpool::transport::UserMessage;
use rserpool::wire::{CauseCode, ENRP_PPID, EnrpBody, EnrpMessage, Format, Policy, PolicyType, UpdateAction};
use rserpool::{PeId, RegistrarId};

use crate::world::{POOL, World};

const SECOND: Duration = Duration::from_secs(1);

/// Registrars on hosts 1 to `count`, each of which knows all that were there before.
fn registrars(count: u8) -> World {
    let mut world = World::new();
    for host in 1..=count {
        let known: Vec<u8> = (1..host).collect();
        world.add_peer_registrar(host, &known);
        world.run_until_done(SECOND, |world| world.registrar(host).is_serving());
    }
    world
}

/// The elements that a registrar knows, each with its home.
fn known_to(world: &mut World, host: u8) -> BTreeSet<(u32, u32)> {
    let pools = world.registrar(host).handlespace().pools();
    let elements = pools.flat_map(|pool| pool.elements());
    elements.map(|element| (element.info.id.0, element.info.home.0)).collect()
}

fn all_know_the_same(world: &mut World, hosts: &[u8], elements: usize) -> bool {
    let known: Vec<_> = hosts.iter().map(|host| known_to(world, *host)).collect();
    known.iter().all(|one| *one == known[0]) && known[0].len() == elements
}

/// Registrars on hosts 1 and so on, and elements on hosts from 11 on, each of which knows all registrars.
fn pool(count: u8, elements: u8) -> World {
    let mut world = registrars(count);
    let all: Vec<u8> = (1..=count).collect();
    (11..11 + elements).for_each(|host| world.add_element(host, &all, Policy::default()));
    world.run_until_done(2 * SECOND, |world| all_know_the_same(world, &all, elements.into()));
    world
}

/// A policy that not every registrar knows.
struct Own;

const OWN: u32 = 0xb000_4711;

impl policy::Policy for Own {
    fn policy_type(&self) -> PolicyType {
        PolicyType::from_number(OWN)
    }

    fn selector(&self) -> Box<dyn policy::Selector> {
        Box::new(policy::Sorted::by(|element: &Policy, _| Some(element.number(1).into())))
    }
}

#[test]
fn a_policy_that_only_one_registrar_knows_comes_through_the_others_unharmed() {
    let mut world = World::new();
    let know = |config: &mut RegistrarConfig| config.policies = Policies::default().with(Own);
    world.add_peer_registrar_with(1, &[], know);
    world.add_peer_registrar_with(2, &[1], |_| {});
    world.run_until_done(SECOND, |world| world.registrar(2).is_serving());
    for (host, numbers) in [(11, [1, 9]), (12, [2, 8])] {
        world.add_element(host, &[1], Policy::own(OWN, numbers));
    }
    world.run_until_done(SECOND, |world| all_know_the_same(world, &[1, 2], 2));
    let pool = POOL.into();
    for registrar in [1, 2] {
        let space = world.registrar(registrar).handlespace();
        let policy = |id| space.find(&pool, PeId(id)).and_then(|key| Some(space.get(key)?.info.policy));
        assert_eq!([11, 12].map(policy), [[1, 9], [2, 8]].map(|numbers| Some(Policy::own(OWN, numbers))));
    }
    // Who learns it from a registrar that does not know it selects by it as well.
    world.add_peer_registrar_with(3, &[2], know);
    world.run_until_done(SECOND, |world| all_know_the_same(world, &[1, 3], 2));
    world.add_user(21, &[3], |_| {});
    world.with_user(21, |user, now| user.resolve(pool, now));
    world.run_until_done(SECOND, |world| !world.user_events.is_empty());
    let Some(PoolUserEvent::Resolved { result: Ok(elements), .. }) = world.user_events.pop_front() else {
        panic!("not resolved")
    };
    assert_eq!(world.hosts_of(&elements), [12, 11]);
}

#[test]
fn an_element_with_a_policy_that_its_registrar_does_not_know_is_rejected() {
    // RFC 5354, 3.12.4.
    let mut world = registrars(1);
    world.add_element(11, &[1], Policy::own(OWN, [1]));
    world.run_for(SECOND);
    let code = world.element_events.iter().find_map(|(_, event)| match event {
        PoolElementEvent::Rejected(causes) => Some(causes[0].code),
        _ => None,
    });
    assert_eq!((code, world.registrar(1).handlespace().len()), (Some(CauseCode::INVALID_VALUES), 0));
}

fn enrp_sent(world: &World) -> Vec<EnrpMessage> {
    let enrp = world.sent.iter().filter(|(_, _, message)| message.ppid == ENRP_PPID);
    enrp.map(|(_, _, message)| EnrpMessage::parse(&message.data, &Format::default()).unwrap().message)
        .collect()
}

fn takeovers(world: &World) -> Vec<(u8, u32, u32)> {
    let takeover = |(host, event): &(u8, _)| match event {
        RegistrarEvent::TakenOver { target, by, .. } => Some((*host, target.0, by.0)),
        _ => None,
    };
    world.registrar_events.iter().filter_map(takeover).collect()
}

#[test]
fn a_registrar_that_starts_learns_peers_and_handlespace_from_another() {
    // RFC 5353, 3.2.2.2 and 3.2.3.
    let mut world = pool(2, 5);
    world.add_peer_registrar(3, &[1]);
    world.run_until_done(SECOND, |world| world.registrar(3).is_serving());
    assert!(all_know_the_same(&mut world, &[1, 2, 3], 5));
    assert_eq!(world.registrar(3).peers().collect::<Vec<_>>(), [RegistrarId(1), RegistrarId(2)]);
}

#[test]
fn a_table_that_does_not_fit_in_one_message_comes_in_parts() {
    // RFC 5353, 3.2.3, step 2: the M flag.
    let mut world = pool(1, 60);
    world.add_peer_registrar(2, &[1]);
    world.run_until_done(SECOND, |world| world.registrar(2).is_serving());
    assert!(all_know_the_same(&mut world, &[1, 2], 60));
    let parts = enrp_sent(&world).into_iter().filter_map(|message| match message.body {
        EnrpBody::HandleTableResponse { more, .. } => Some(more),
        _ => None,
    });
    let parts: Vec<bool> = parts.collect();
    assert!(parts.len() > 2 && parts.iter().rev().skip(1).all(|more| *more) && !parts[parts.len() - 1]);
    let tables = world.sent.iter().filter(|(_, _, message)| message.ppid == ENRP_PPID);
    assert!(tables.map(|(_, _, message)| message.data.len()).max().unwrap() <= 1400);
}

#[test]
fn what_one_registrar_learns_or_loses_all_hear_of() {
    // RFC 5353, 3.3.1 and 3.3.2.
    let mut world = pool(3, 4);
    world.with_element(11, |element, now| element.deregister(now));
    world.kill(12);
    world.run_until_done(SECOND, |world| all_know_the_same(world, &[1, 2, 3], 2));
}

#[test]
fn the_elements_of_a_registrar_that_has_gone_get_another_home() {
    // RFC 5353, 3.5 and 3.5.2.
    for count in 2..=4 {
        let mut world = pool(count, 12);
        world.registrar_events.clear();
        world.kill(1);
        let rest: Vec<u8> = (2..=count).collect();
        let took = world.run_until_done(3 * SECOND, |world| {
            let owners: BTreeSet<u32> = known_to(world, 2).iter().map(|(_, home)| *home).collect();
            !owners.contains(&1) && all_know_the_same(world, &rest, 12)
        });
        assert!(took < SECOND, "{took:?}");
        world.run_for(3 * SECOND);
        assert!(all_know_the_same(&mut world, &rest, 12), "they have stayed");
        let by: BTreeSet<u32> = takeovers(&world)
            .iter()
            .map(|(_, target, by)| {
                assert_eq!(*target, 1);
                *by
            })
            .collect();
        assert_eq!(by.len(), 1, "one has won: {:?}", takeovers(&world));
    }
}

/// Registrars 1 and 2, and an element of the first, which knows no other; the first has gone, and is being taken over.
fn orphan(meanwhile: impl FnOnce(&mut World)) -> World {
    let mut world = registrars(2);
    world.add_element(11, &[1], Policy::default());
    world.run_until_done(2 * SECOND, |world| known_to(world, 2) == [(11, 1)].into());
    world.kill(1);
    meanwhile(&mut world);
    world.run_until_done(3 * SECOND, |world| !takeovers(world).is_empty());
    world
}

fn is_removed(world: &World) -> bool {
    world.registrar_events.iter().any(|(_, it)| matches!(it, RegistrarEvent::Removed { .. }))
}

/// How often the second registrar has connected to the element.
fn claims(world: &World) -> usize {
    world.attempts.iter().filter(|(_, from, to)| (from.0, to.0) == (2, 11)).count()
}

/// The element belongs to the second registrar soon, by its claim or since it has found there by itself, and was there all the time.
#[track_caller]
fn assert_claimed(world: &mut World) {
    let is_told = |(host, it): &_| (*host, it) == (11, &PoolElementEvent::HomeChanged(RegistrarId(2)));
    let has_come = |(host, it): &_| *host == 2 && matches!(it, RegistrarEvent::Registered { .. });
    world.run_until_done(2 * SECOND, |world| {
        world.element_events.iter().any(is_told) || world.registrar_events.iter().any(has_come)
    });
    world.set_delay(2, 11, Duration::from_millis(1));
    world.run_for(2 * SECOND);
    assert!(!is_removed(world));
    assert_eq!(known_to(world, 2), [(11, 2)].into());
}

/// RFC 5353, 3.5.2.
#[test]
fn an_element_that_is_claimed_and_answers_late_keeps_its_place() {
    // Longer there and back than an answer may take.
    let mut world = orphan(|world| world.set_delay(2, 11, Duration::from_millis(300)));
    assert_claimed(&mut world);
}

#[test]
fn an_element_that_is_claimed_while_it_cannot_be_reached_keeps_its_place() {
    for outage in [200, 500, 1200, 1600] {
        let mut world = orphan(|world| world.part(&[(11, 1)]));
        world.run_for(Duration::from_millis(outage));
        world.heal();
        assert_claimed(&mut world);
    }
}

#[test]
fn an_element_that_is_claimed_and_stops_for_a_while_keeps_its_place() {
    let mut world = orphan(|world| world.set_delay(2, 11, Duration::from_millis(100)));
    world.freeze(11);
    world.run_for(Duration::from_millis(450));
    world.thaw(11);
    assert_claimed(&mut world);
}

#[test]
fn an_element_that_is_claimed_and_never_answers_is_asked_three_times_and_who_refuses_once() {
    let mut world = orphan(|world| world.part(&[(11, 1)]));
    world.run_until_done(4 * SECOND, |world| is_removed(world));
    assert_eq!(claims(&world), 3);
    let mut world = orphan(|world| world.kill(11));
    world.run_until_done(SECOND, |world| is_removed(world));
    assert_eq!(claims(&world), 1);
}

#[test]
fn two_registrars_that_die_together_orphan_nobody() {
    let mut world = pool(4, 12);
    world.kill(1);
    world.kill(2);
    world.run_until_done(3 * SECOND, |world| {
        let owners: BTreeSet<u32> = known_to(world, 3).iter().map(|(_, home)| *home).collect();
        owners.is_subset(&[3, 4].into()) && all_know_the_same(world, &[3, 4], 12)
    });
}

#[test]
fn a_frozen_registrar_is_taken_over_and_one_that_only_hesitates_is_not() {
    // RFC 5353, 3.4.3.
    let mut world = pool(3, 6);
    world.registrar_events.clear();
    world.run_for(5 * SECOND);
    assert_eq!(takeovers(&world), []);
    world.freeze(3);
    world.run_until_done(3 * SECOND, |world| !takeovers(world).is_empty());
    world.run_for(SECOND);
    assert!(all_know_the_same(&mut world, &[1, 2], 6));
}

#[test]
fn a_registrar_that_says_nothing_unless_it_is_asked_is_not_taken_over() {
    // RFC 5353, 3.4.3.
    let mut world = registrars(2);
    world.add_peer_registrar_with(3, &[1, 2], |config| config.enrp.heartbeat_cycle = 60 * SECOND);
    world.run_until_done(SECOND, |world| world.registrar(3).is_serving());
    world.run_for(10 * SECOND);
    let begun = |(_, event): &&(u8, RegistrarEvent)| matches!(event, RegistrarEvent::TakeoverBegun { .. });
    assert_eq!(world.registrar_events.iter().find(begun), None);
    assert_eq!(world.registrar(1).peers().count(), 2);
}

#[test]
fn a_network_that_was_parted_agrees_again() {
    let mut world = pool(3, 9);
    // Element 11 is with registrar 1 alone; whoever was its home.
    world.part(&[(1, 1), (11, 1), (12, 1)]);
    world.run_for(5 * SECOND);
    assert_eq!(known_to(&mut world, 1).len(), 2);
    assert_eq!(known_to(&mut world, 2).len(), 7);
    world.heal();
    world.run_until_done(5 * SECOND, |world| all_know_the_same(world, &[1, 2, 3], 9));
    world.run_for(3 * SECOND);
    assert!(all_know_the_same(&mut world, &[1, 2, 3], 9));
}

#[test]
fn an_element_is_only_removed_on_the_word_of_its_home() {
    let mut world = pool(2, 4);
    let (id, home) =
        *known_to(&mut world, 1).iter().find(|(_, home)| *home == 1).expect("one of registrar 1's");
    let element = |world: &mut World| {
        let pools = world.registrar(1).handlespace().pools();
        pools.flat_map(|pool| pool.elements()).find(|it| it.info.id.0 == id).map(|it| it.info.clone())
    };
    let body = EnrpBody::HandleUpdate {
        action: UpdateAction::Delete,
        takeover_suggested: false,
        pool_handle: POOL.into(),
        element: element(&mut world).unwrap(),
    };
    let lie = EnrpMessage { sender: RegistrarId(2), receiver: RegistrarId(0), body };
    world.say_as(2, 1, UserMessage::new(ENRP_PPID, lie.encode(&Format::default()).unwrap()));
    world.run_for(SECOND);
    assert!(element(&mut world).is_some_and(|it| it.home.0 == home));
    assert!(all_know_the_same(&mut world, &[1, 2], 4));
}

/// `hsdump` leaves so, when it has got its table.
#[test]
fn who_says_that_it_has_taken_itself_over_is_forgotten_at_once_if_it_has_no_elements() {
    let leave = |world: &mut World| {
        let farewell = EnrpBody::TakeoverServer { target: RegistrarId(2) };
        let message = EnrpMessage { sender: RegistrarId(2), receiver: RegistrarId(0), body: farewell };
        world.say_as(2, 1, UserMessage::new(ENRP_PPID, message.encode(&Format::default()).unwrap()));
    };
    let mut world = registrars(2);
    leave(&mut world);
    world.run_until_done(SECOND, |world| world.registrar(1).peers().count() == 0);
    // It was a lie, and it comes again.
    world.run_until_done(2 * SECOND, |world| world.registrar(1).peers().count() == 1);

    let mut world = pool(2, 4);
    leave(&mut world);
    for _ in 0..100 {
        world.run_for(SECOND / 100);
        assert_eq!(world.registrar(1).peers().count(), 1);
    }
    assert!(all_know_the_same(&mut world, &[1, 2], 4) && takeovers(&world).is_empty());
}
