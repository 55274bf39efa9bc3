//! Policies for which it matters how far an element is (delay draft).

use std::time::Duration;

use rserpool::PeId;
use rserpool::wire::{Policy, PolicyField, PolicyType};

use crate::pools::resolve_by;
use crate::world::{POOL, World};

const SECOND: Duration = Duration::from_secs(1);

/// Least Used with a distance penalty of 1/1000 of full load for each millisecond; the element claims to be far.
fn policy(load_percent: u32) -> Policy {
    let load = u32::MAX / 100 * load_percent;
    let policy = Policy::new(PolicyType::LeastUsedDpf).with(PolicyField::Load, load);
    policy.with(PolicyField::Dpf, u32::MAX / 1000).with(PolicyField::Distance, 4711)
}

fn delay(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How far an element is for a registrar.
fn distance(world: &mut World, registrar: u8, element: u32) -> Option<u32> {
    let space = world.registrar(registrar).handlespace();
    let key = space.find(&POOL.into(), PeId(element))?;
    Some(space.get(key)?.info.policy.field(PolicyField::Distance))
}

/// A registrar, and elements on hosts 11 and so on, this far from it in milliseconds and with these loads.
fn pool(elements: &[(u64, u32)]) -> World {
    let mut world = World::new();
    world.add_registrar(1);
    for (host, (millis, load)) in (11..).zip(elements) {
        world.set_delay(1, host, delay(*millis));
        world.add_element(host, &[1], policy(*load));
    }
    world.run_until_done(5 * SECOND, |world| world.registrar(1).handlespace().len() == elements.len());
    world
}

/// The order of the elements for a user of this registrar.
fn order(world: &mut World, user: u8, registrar: u8) -> Vec<u32> {
    world.add_user(user, &[registrar], |_| {});
    resolve_by(world, user).expect("elements")
}

#[test]
fn the_near_element_is_preferred_and_distances_are_measured_not_believed() {
    let mut world = pool(&[(120, 10), (20, 10), (70, 10)]);
    // Multiples of 50 ms (delay draft, 2.1).
    let far = [100, 0, 50].map(Some);
    world.run_until_done(SECOND, |world| [11, 12, 13].map(|id| distance(world, 1, id)) == far);
    assert_eq!(order(&mut world, 21, 1), [12, 13, 11]);
}

#[test]
fn a_far_element_is_preferred_when_the_near_ones_are_busy_enough() {
    // 100 ms are worth 10 % of load.
    let mut world = pool(&[(100, 10), (0, 19), (0, 21)]);
    world.run_until_done(SECOND, |world| distance(world, 1, 11) == Some(100));
    assert_eq!(order(&mut world, 21, 1), [12, 11, 13]);
}

#[test]
fn an_element_that_has_become_far_is_so_for_all_without_registering_again() {
    let mut world = pool(&[(0, 10), (0, 11)]);
    assert_eq!(order(&mut world, 21, 1), [11, 12]);
    world.set_delay(1, 11, delay(150));
    // Keep-alives are measured, too.
    world.run_until_done(SECOND, |world| distance(world, 1, 11) == Some(150));
    assert_eq!(order(&mut world, 22, 1), [12, 11]);
}

#[test]
fn registrars_add_their_distance_from_the_home() {
    // Delay draft, 2.2.
    let mut world = World::new();
    world.set_delay(1, 2, delay(90));
    world.add_peer_registrar(1, &[]);
    world.add_peer_registrar(2, &[1]);
    world.run_until_done(2 * SECOND, |world| world.registrar(2).is_serving());
    // Both have measured the way to the other.
    world.run_for(SECOND);
    for (host, home) in [(11, 1), (12, 2)] {
        world.set_delay(home, host, delay(60));
        world.add_element(host, &[home], policy(10));
    }
    for (registrar, expected) in [(1, [50, 150]), (2, [150, 50])] {
        let expected = expected.map(Some);
        world.run_until_done(SECOND, |world| [11, 12].map(|id| distance(world, registrar, id)) == expected);
    }
    assert_eq!(order(&mut world, 21, 1), [11, 12]);
    assert_eq!(order(&mut world, 22, 2), [12, 11]);
}

#[test]
fn who_takes_an_element_over_measures_anew() {
    let mut world = World::new();
    world.add_peer_registrar(1, &[]);
    world.add_peer_registrar(2, &[1]);
    world.run_until_done(SECOND, |world| world.registrar(2).is_serving());
    world.set_delay(2, 11, delay(110));
    world.add_element(11, &[1, 2], policy(10));
    world.run_until_done(SECOND, |world| distance(world, 2, 11) == Some(0));
    world.kill(1);
    world.run_until_done(5 * SECOND, |world| distance(world, 2, 11) == Some(100));
}
