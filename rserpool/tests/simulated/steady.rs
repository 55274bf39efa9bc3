//! A network that loses datagrams, but no host.

use std::time::Duration;

use rserpool::pool_element::PoolElementEvent;
use rserpool::session::SessionEvent;

use crate::roles::WINDOW;
use crate::world::{Plan, SECOND, World, with_seeds};

#[test]
fn a_minute_of_requests_over_lossy_links_has_each_reply_once_and_no_fail_over() {
    with_seeds(1..=2, |seed| {
        let mut world = World::new(Plan::new(seed));
        world.run_until(SECOND, |world| world.pinger().replies > 0);
        world.run_for(60 * SECOND);
        let pinger = world.pinger();
        // 200 in a second; what a retransmission holds up is made up for at once.
        let expected = 12_000 - WINDOW as u64;
        assert!(pinger.replies >= expected, "{} replies, expected {expected}", pinger.replies);
        assert!(
            matches!(pinger.history[..], [.., (_, SessionEvent::Connected { .. })]),
            "{:?}",
            pinger.history
        );
        assert_eq!((pinger.failovers(), world.registered()), (0, 3));
        for number in 11..=13 {
            assert_eq!(world.element_of(number).events, [PoolElementEvent::Registered], "host {number}");
        }
    });
}

#[test]
fn a_seed_replays_its_run() {
    let run = |seed| {
        let mut world = World::new(Plan { loss: 0.1, ..Plan::new(seed) });
        world.run_for(2 * SECOND);
        (world.pinger().replies, world.pinger().longest_gap, world.pinger().history.clone())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn announces_are_enough_to_find_the_registrar() {
    // RFC 5352, 3.6.
    with_seeds(1..=5, |seed| {
        let mut world = World::new(Plan { by_announces: true, ..Plan::new(seed) });
        world.run_until(2 * SECOND, |world| world.registered() == 3);
        world.run_until(2 * SECOND, |world| world.pinger().replies > 0);
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.pinger().failovers(), 0);
        assert!(world.pinger().replies > 900, "{} replies", world.pinger().replies);
    });
}
