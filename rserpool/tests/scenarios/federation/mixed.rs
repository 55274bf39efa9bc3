//! Registrars that behave as RSPLIB's among ours, with larger and with smaller identifiers.

use super::*;
use crate::world::Act;

/// Ours, and those that behave as RSPLIB's, each by its identifier.
fn federation(seed: u64, ours: &[u8], rsplib: &[u8]) -> Federation {
    let registrars = [ours, rsplib].concat();
    let mut federation =
        Federation::mixed(seed, registrars, (101..=108).collect(), rsplib.iter().copied().collect(), true);
    federation.run_for(3 * SECOND);
    federation.check();
    federation
}

/// Whether no element has a home that is gone, and all survivors know all elements.
fn is_healed(federation: &Federation) -> bool {
    let live = federation.live_registrars();
    live.iter().all(|host| {
        let known = federation.world.known_to(*host);
        known.len() == federation.elements.len()
            && known.iter().all(|element| live.contains(&(element.home.0 as u8)))
    })
}

/// How long it takes until the elements of registrars that freeze together have other homes.
fn time_to_heal(federation: &mut Federation, victims: &[u8]) -> Duration {
    victims.iter().for_each(|victim| federation.freeze_registrar(*victim));
    let start = federation.world.now;
    while !is_healed(federation) {
        federation.run_for(TICK);
        assert!(federation.world.now - start < 10 * SECOND, "the elements of {victims:?} are orphaned");
    }
    let took = federation.world.now - start;
    federation.run_for(3 * SECOND);
    federation.check();
    took
}

#[test]
fn one_of_ours_takes_the_only_other_one_over_whatever_it_is() {
    for (ours, rsplib) in [(1, 2), (2, 1)] {
        let took = time_to_heal(&mut federation(0, &[ours], &[rsplib]), &[rsplib]);
        assert!(took < SECOND, "{took:?}");
    }
}

#[test]
fn an_arbitration_between_one_of_ours_and_one_of_rsplibs_comes_to_an_end() {
    // RFC 5353, 3.5.1, has the larger identifier win, RSPLIB the smaller one: both yield, or both insist.
    for (ours, rsplib, victim) in [(1, 2, 3), (2, 1, 3), (2, 3, 1), (3, 2, 1), (1, 3, 2), (3, 1, 2)] {
        let mut federation = federation(0, &[ours, victim], &[rsplib]);
        wait_for_word(&mut federation, victim);
        let took = time_to_heal(&mut federation, &[victim]);
        // 360 ms until associations time out, 300 ms for an answer; and the patience of ours with one that does not yield, 250 ms.
        let limit = Duration::from_millis(if ours < rsplib { 750 } else { 1000 });
        assert!(took < limit, "{ours} of ours and {rsplib} of RSPLIB's: {took:?}");
        assert_eq!(takers(&federation), [ours.min(rsplib)], "{ours} of ours and {rsplib} of RSPLIB's");
    }
}

/// Until a registrar has just been heard: so all notice its end by their associations, in the same instant.
fn wait_for_word(federation: &mut Federation, of: u8) {
    let says = |act: &Act| act.host == of && matches!(act.deed, Deed::Says(_));
    while !federation.world.acts.iter().any(says) {
        federation.judge();
        federation.world.run_for(TICK);
    }
    federation.run_for(TICK);
}

/// Who has taken elements over. As no Takeover Server of RSPLIB's arrives, ours take the rest over later: nothing.
fn takers(federation: &Federation) -> Vec<u8> {
    let own = federation.world.registrar_events.iter().filter_map(|(host, event)| match event {
        RegistrarEvent::TakenOver { by, elements: 1.., .. } if by.0 == u32::from(*host) => Some(*host),
        _ => None,
    });
    let theirs = federation.rsplib.iter().copied();
    let theirs = theirs.flat_map(|host| vec![host; federation.world.takeovers_of_rsplib(host)]);
    own.chain(theirs).collect()
}

#[test]
fn two_that_die_together_orphan_nobody_whoever_survives() {
    for (ours, rsplib) in [(1, 2), (2, 1)] {
        for victims in [[3, 4], [4, 5], [5, 6]] {
            let took = time_to_heal(&mut federation(0, &[ours, 3, 4], &[rsplib, 5, 6]), &victims);
            assert!(took < 3 * SECOND, "{ours} of ours, {rsplib} of RSPLIB's, {victims:?} die: {took:?}");
        }
    }
}

/// One or two that die together, so that one of ours survives: RSPLIB's would never take over the only other one, nor two of them
/// that are gone.
fn choose_victims(federation: &mut Federation) -> Vec<u8> {
    let live = federation.live_registrars();
    let ours = live.iter().copied().filter(|host| !federation.rsplib.contains(host));
    let survivor = ours.choose(&mut federation.rng).expect("all live");
    let count = federation.rng.random_range(1..=2);
    live.into_iter().filter(|host| *host != survivor).sample(&mut federation.rng, count)
}

fn run(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let count = rng.random_range(2..=6);
    let mut ids: Vec<u8> = (1..=count).collect();
    let others = usize::from(rng.random_range(1..count));
    let rsplib = (1..=count).sample(&mut rng, others);
    ids.retain(|id| !rsplib.contains(id));
    let mut federation = federation(seed, &ids, &rsplib);
    for _ in 0..3 {
        let dead = choose_victims(&mut federation);
        federation.strike(&dead);
        federation.run_for(6 * SECOND);
        federation.check();
        for host in dead {
            federation.start_registrar(host);
        }
        federation.run_for(4 * SECOND + 3 * HEARTBEAT);
        federation.check();
    }
}

#[test]
fn registrars_of_both_kinds_agree_in_the_end() {
    crate::seeds::try_all("mixed", 20, run);
}
