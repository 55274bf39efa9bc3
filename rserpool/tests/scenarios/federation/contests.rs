//! Many registrars notice a death in the same instant, and some of them cannot hear all others.

use super::*;

/// Who dies in the same instant; at least one registrar survives.
fn choose_victims(federation: &mut Federation) -> Vec<u8> {
    let live = federation.live_registrars();
    let most = (live.len() - 1).min(3);
    let count = federation.rng.random_range(1..=most);
    live.into_iter().sample(&mut federation.rng, count)
}

/// RFC 5353, 3.5.1: of those that have noticed it in the same instant the largest identifier wins.
fn expect_winner(federation: &mut Federation, victims: &[u8]) {
    let before = federation.world.registrar_events.len();
    federation.run_for(SECOND);
    let winner = *federation.live_registrars().iter().max().expect("a survivor");
    let mut taken: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (host, event) in &federation.world.registrar_events[before..] {
        if let RegistrarEvent::TakenOver { target, by, .. } = event
            && by.0 == u32::from(*host)
        {
            taken.entry(target.0 as u8).or_default().push(*host);
        }
    }
    for victim in victims {
        assert_eq!(taken.get(victim), Some(&vec![winner]), "who takes {victim} over");
    }
}

/// A part of the survivors does not hear the others, for a while that ends in the midst of it.
fn split_votes(federation: &mut Federation) {
    federation.part();
    let pause = Duration::from_millis(federation.rng.random_range(0..1500));
    federation.run_for(pause);
    federation.heal();
    federation.run_for(SECOND);
}

fn revive(federation: &mut Federation, victims: Vec<u8>) {
    for victim in victims {
        if federation.world.is_frozen(victim) && federation.rng.random() {
            federation.thaw_registrar(victim);
        } else {
            federation.start_registrar(victim);
        }
    }
}

fn run(seed: u64) {
    let registrars = (1..=2 + (seed % 9) as u8).collect();
    let mut federation = Federation::mixed(seed, registrars, (101..=112).collect(), BTreeSet::new(), true);
    federation.run_for(3 * SECOND);
    federation.check();
    for _ in 0..3 {
        let victims = choose_victims(&mut federation);
        federation.strike(&victims);
        if federation.rng.random_bool(0.4) {
            split_votes(&mut federation);
        } else if federation.world.is_even() {
            expect_winner(&mut federation, &victims);
        }
        federation.run_for(2 * SECOND);
        revive(&mut federation, victims);
        federation.run_for(4 * SECOND + 3 * HEARTBEAT);
        federation.check();
    }
}

/// RFC 5353, 3.5.1; each registrar is held to it by the observer.
#[test]
fn of_many_that_take_the_same_one_over_the_largest_wins() {
    crate::seeds::try_all("contests", 20, run);
}
