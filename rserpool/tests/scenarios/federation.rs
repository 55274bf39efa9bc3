//! Ten registrars through random crashes, partitions and joins: in the end all know the same, and what they know is so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use rserpool::registrar::RegistrarEvent;
use rserpool::wire::Policy;
use rserpool::{RegistrarId, Time};

use crate::world::World;

const REGISTRARS: std::ops::RangeInclusive<u8> = 1..=10;
const ELEMENTS: std::ops::RangeInclusive<u8> = 101..=130;
const SECOND: Duration = Duration::from_secs(1);
/// PEER-HEARTBEAT-CYCLE of the profile, with its variation.
const HEARTBEAT: Duration = Duration::from_millis(282);
/// How long a registrar that answers may have answered without having been heard: it has just started, or has just been cut off.
const DOUBT: Duration = Duration::from_secs(2);

struct Federation {
    world: World,
    rng: StdRng,
    /// Since when a registrar has been reached by all.
    settled: BTreeMap<u8, Time>,
    looked_at: usize,
}

impl Federation {
    fn new(seed: u64) -> Self {
        let (world, rng) = (World::new(), StdRng::seed_from_u64(seed));
        let mut federation = Self { world, rng, settled: BTreeMap::new(), looked_at: 0 };
        REGISTRARS.for_each(|host| federation.start_registrar(host));
        ELEMENTS.for_each(|host| federation.start_element(host));
        federation
    }

    fn start_registrar(&mut self, host: u8) {
        let others: Vec<u8> = REGISTRARS.filter(|other| *other != host).collect();
        self.world.add_peer_registrar(host, &others);
        self.settled.insert(host, self.world.now);
    }

    fn start_element(&mut self, host: u8) {
        let known: Vec<u8> = REGISTRARS.sample(&mut self.rng, 4);
        self.world.add_element(host, &known, Policy::default());
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.world.now + span;
        while self.world.now < end {
            self.world.run_for(Duration::from_millis(10));
            self.check_takeovers();
        }
    }

    /// No registrar that answers is taken over.
    fn check_takeovers(&mut self) {
        let now = self.world.now;
        for (host, event) in &self.world.registrar_events[self.looked_at..] {
            let RegistrarEvent::TakenOver { target, by, .. } = event else { continue };
            let target = target.0 as u8;
            let is_long_here = self.settled.get(&target).is_some_and(|since| *since + DOUBT < now);
            let is_own = *by == RegistrarId((*host).into());
            assert!(!(is_own && is_long_here), "{host} takes {target} over, which answers");
        }
        self.looked_at = self.world.registrar_events.len();
    }

    fn disturb(&mut self) {
        let registrar = REGISTRARS.choose(&mut self.rng).expect("ten");
        let element = ELEMENTS.choose(&mut self.rng).expect("thirty");
        match self.rng.random_range(0..10) {
            0..=1 if self.world.is_well(registrar) => {
                self.world.kill(registrar);
                self.settled.remove(&registrar);
            }
            0..=3 if !self.world.is_well(registrar) => self.start_registrar(registrar),
            4 => self.world.kill(element),
            5 if !self.world.is_well(element) => self.start_element(element),
            6 => self.part(),
            7 => self.heal(),
            8 if self.world.is_well(registrar) => {
                self.world.freeze(registrar);
                self.settled.remove(&registrar);
            }
            _ => {}
        }
    }

    fn part(&mut self) {
        let hosts = REGISTRARS.chain(ELEMENTS);
        let islands: Vec<(u8, u8)> = hosts.map(|host| (host, self.rng.random_range(0..2))).collect();
        self.world.part(&islands);
        self.settled.clear();
    }

    fn heal(&mut self) {
        self.world.heal();
        let (world, now) = (&self.world, self.world.now);
        self.settled.extend(REGISTRARS.filter(|host| world.is_well(*host)).map(|host| (host, now)));
    }

    fn known_to(&mut self, host: u8) -> BTreeSet<(u32, u32)> {
        let space = self.world.registrar(host).handlespace();
        let elements = space.pools().flat_map(|pool| pool.elements());
        elements.map(|element| (element.info.id.0, element.info.home.0)).collect()
    }

    fn check(&mut self) {
        let live: Vec<u8> = REGISTRARS.filter(|host| self.world.is_well(*host)).collect();
        let elements: BTreeSet<u32> =
            ELEMENTS.filter(|host| self.world.is_well(*host)).map(u32::from).collect();
        for host in &live {
            let known = self.known_to(*host);
            let ids: BTreeSet<u32> = known.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, elements, "elements that {host} knows");
            assert!(known.iter().all(|(_, home)| live.contains(&(*home as u8))), "{host} knows {known:?}");
            assert_eq!(known, self.known_to(live[0]), "{host} and {} disagree", live[0]);
            self.check_homes(*host);
        }
    }

    /// Who is a home has the element's registration; and checksums are those of what is known.
    fn check_homes(&mut self, host: u8) {
        let known = self.known_to(host);
        let space = self.world.registrar(host).handlespace();
        for home in REGISTRARS.map(|home| RegistrarId(home.into())) {
            let count = known.iter().filter(|(_, of)| *of == home.0).count();
            assert_eq!(space.keys_of(home).count(), count);
        }
    }
}

fn run(seed: u64) {
    let mut federation = Federation::new(seed);
    federation.run_for(2 * SECOND);
    federation.check();
    for _ in 0..40 {
        federation.disturb();
        let pause = Duration::from_millis(federation.rng.random_range(10..600));
        federation.run_for(pause);
    }
    federation.heal();
    if !REGISTRARS.into_iter().any(|host| federation.world.is_well(host)) {
        federation.start_registrar(1);
    }
    // Dead elements and registrars have to be missed first.
    federation.run_for(4 * SECOND);
    federation.run_for(3 * HEARTBEAT);
    federation.check();
}

#[test]
fn whatever_happens_all_registrars_agree_in_the_end() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let seeds = match number("RSP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RSP_SEEDS").unwrap_or(20),
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "failed with seed {seed}; replay it with RSP_SEED={seed}");
    }
}
