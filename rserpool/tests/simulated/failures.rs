//! Hosts that vanish, die, or start anew, under load and loss.

use std::time::Duration;

use rserpool::session::SessionEvent;
use rserpool::transport::LostReason;

use crate::world::{Plan, REGISTRAR, SECOND, World, with_seeds};

/// A world at work.
fn running(seed: u64) -> World {
    let mut world = World::new(Plan::new(seed));
    world.run_until(2 * SECOND, |world| world.registered() == 3 && world.pinger().replies > 100);
    world
}

/// The session goes on with another element, which knows from the cookie where the first one was. (That replies are
/// neither lost nor doubled, and that the cookie echo comes first, is checked with each message.)
#[track_caller]
fn assert_taken_over(world: &mut World, first: u8) {
    let second = world.serving();
    assert_ne!(second, first);
    let replies = world.pinger().replies;
    world.run_until(2 * SECOND, |world| world.pinger().replies > replies + 100);
    assert_eq!((world.cookie_echoes(second), world.pinger().failovers()), (1, 1));
}

fn reason(world: &World) -> Option<LostReason> {
    world.pinger().history.iter().find_map(|(_, event)| match event {
        SessionEvent::FailoverNecessary { reason } => Some(*reason),
        _ => None,
    })
}

#[test]
fn a_host_that_vanishes_silently_is_left_within_half_a_second() {
    with_seeds(1..=20, |seed| {
        let mut world = running(seed);
        let first = world.serving();
        world.unplug(first);
        let took = world.run_until_failover();
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert_eq!(reason(&world), Some(LostReason::TimedOut));
        assert_taken_over(&mut world, first);
    });
}

#[test]
fn heartbeats_notice_that_the_host_of_an_idle_session_has_vanished() {
    // RFC 9260, 8.3: with nothing to send there is nothing that could time out.
    with_seeds(1..=20, |seed| {
        let mut world = World::new(Plan { requests: 100, ..Plan::new(seed) });
        world.run_until(2 * SECOND, |world| world.pinger().is_done());
        let first = world.serving();
        world.unplug(first);
        let took = world.run_until_failover();
        assert!(took < Duration::from_millis(1800), "{took:?}");
        assert_ne!(world.serving(), first);
    });
}

#[test]
fn a_host_that_routers_report_unreachable_is_left_sooner() {
    // RFC 9260, 10 ICMP9: each report counts as an error of the path; only time-outs end the association.
    with_seeds(1..=20, |seed| {
        let mut silent = running(seed);
        silent.unplug(silent.serving());
        let mut world = running(seed);
        let first = world.serving();
        world.unplug_with_reports(first);
        let (took, silence) = (world.run_until_failover(), silent.run_until_failover());
        assert!(took < silence, "{took:?} with reports, {silence:?} without");
        assert_taken_over(&mut world, first);
    });
}

#[test]
fn an_element_that_is_killed_is_left_at_once() {
    with_seeds(1..=20, |seed| {
        let mut world = running(seed);
        let first = world.serving();
        world.kill(first);
        let took = world.run_until_failover();
        assert!(took < Duration::from_millis(150), "{took:?}");
        assert_eq!(reason(&world), Some(LostReason::Aborted));
        assert_taken_over(&mut world, first);
    });
}

#[test]
fn a_host_that_starts_anew_is_left_at_once_and_comes_back_to_the_pool() {
    with_seeds(1..=20, |seed| {
        let mut world = running(seed);
        let first = world.serving();
        world.restart(first);
        // RFC 9260, 8.4 (8): ABORT answers packets of associations that it knows nothing of.
        let took = world.run_until_failover();
        assert!(took < Duration::from_millis(150), "{took:?}");
        assert_eq!(reason(&world), Some(LostReason::Aborted));
        world.run_until(2 * SECOND, |world| {
            world.registered() == 3 && world.element_of(first).machine.is_registered()
        });
    });
}

#[test]
fn elements_come_back_to_a_registrar_that_starts_anew_and_users_go_on() {
    with_seeds(1..=10, |seed| {
        let mut world = running(seed);
        world.restart(REGISTRAR);
        assert_eq!(world.registered(), 0);
        world.run_until(3 * SECOND, |world| world.registered() == 3);
        assert_eq!(world.pinger().failovers(), 0, "sessions do not depend on the registrar");
        assert!(world.pinger().longest_gap < Duration::from_millis(200), "{:?}", world.pinger().longest_gap);
        // And the registrar is of use again.
        let first = world.serving();
        world.kill(first);
        world.run_until_failover();
        assert_taken_over(&mut world, first);
        world.run_until(2 * SECOND, |world| world.registered() == 2);
    });
}
