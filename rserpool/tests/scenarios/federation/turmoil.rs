//! Ten registrars, thirty elements, and whatever can happen to them.

use super::*;

const REGISTRARS: std::ops::RangeInclusive<u8> = 1..=10;
const ELEMENTS: std::ops::RangeInclusive<u8> = 101..=130;

fn disturb(federation: &mut Federation) {
    let registrar = REGISTRARS.choose(&mut federation.rng).expect("ten");
    let element = ELEMENTS.choose(&mut federation.rng).expect("thirty");
    let is_well = |host| federation.world.is_well(host);
    match federation.rng.random_range(0..12) {
        0..=1 if is_well(registrar) => federation.kill_registrar(registrar),
        0..=1 if federation.world.is_frozen(registrar) => federation.thaw_registrar(registrar),
        0..=3 if !is_well(registrar) => federation.start_registrar(registrar),
        4 => federation.world.kill(element),
        5 if !is_well(element) => federation.start_element(element),
        6 => federation.part(),
        7 => federation.heal(),
        8..=9 if is_well(registrar) => federation.freeze_registrar(registrar),
        10..=11 => federation.lie(),
        _ => {}
    }
}

fn run(seed: u64) {
    let mut federation = Federation::new(seed, REGISTRARS.collect(), ELEMENTS.collect());
    federation.run_for(2 * SECOND);
    federation.check();
    for _ in 0..40 {
        disturb(&mut federation);
        let pause = Duration::from_millis(federation.rng.random_range(10..600));
        federation.run_for(pause);
        federation.check_checksums();
    }
    federation.heal();
    if federation.live_registrars().is_empty() {
        federation.start_registrar(1);
    }
    // Dead elements and registrars have to be missed first.
    federation.run_for(4 * SECOND);
    federation.run_for(3 * HEARTBEAT);
    federation.check();
}

#[test]
fn whatever_happens_all_registrars_agree_in_the_end() {
    crate::seeds::try_all("turmoil", 20, run);
}
