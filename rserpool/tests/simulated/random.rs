//! Random loss, deaths and returns: whatever happens, no reply is lost or doubled, nothing stalls, nothing piles up.

use std::time::Duration;

use sctp_user::sim::SimRng;

use crate::world::{Plan, REGISTRAR, SECOND, World, with_seeds};

const ELEMENTS: u8 = 4;
const REQUESTS: u64 = 1500;

#[derive(Clone, Copy, PartialEq)]
enum Health {
    Well,
    Unplugged,
    Killed,
}

/// Gives hosts their fates, the registrar its among them; at least one element is always well.
struct Fate {
    rng: SimRng,
    health: [Health; ELEMENTS as usize],
}

impl Fate {
    fn strike(&mut self, world: &mut World) {
        if self.rng.chance(0.1) {
            return world.restart(REGISTRAR);
        }
        let index = self.rng.below(ELEMENTS.into()) as usize;
        let number = 11 + index as u8;
        let well = self.health.iter().filter(|health| **health == Health::Well).count();
        let health = &mut self.health[index];
        *health = match *health {
            Health::Well if well == 1 => Health::Well,
            Health::Well if self.rng.chance(0.4) => {
                world.unplug(number);
                Health::Unplugged
            }
            Health::Well if self.rng.chance(0.5) => {
                world.kill(number);
                Health::Killed
            }
            Health::Well => {
                world.restart(number);
                Health::Well
            }
            Health::Unplugged => {
                // The machines' old associations may still be alive on one side, or on both.
                world.plug_in(number);
                Health::Well
            }
            Health::Killed => {
                world.restart(number);
                Health::Well
            }
        };
    }
}

fn run(seed: u64) {
    let mut rng = SimRng::new(seed).split(2);
    let loss = rng.unit() * 0.05;
    let mut world = World::new(Plan { loss, elements: ELEMENTS, requests: REQUESTS, ..Plan::new(seed) });
    let mut fate = Fate { rng, health: [Health::Well; ELEMENTS as usize] };
    let limit = world.now() + 60 * SECOND;
    while !world.pinger().is_done() {
        assert!(
            world.now() < limit,
            "stuck after {} replies: {:?}",
            world.pinger().replies,
            world.pinger().history
        );
        let pause = fate.rng.duration(Duration::from_millis(20), Duration::from_millis(800));
        world.run_for(pause);
        fate.strike(&mut world);
    }
    // The longest: a host vanishes when all requests are acknowledged and none is answered, so that heartbeats have to
    // notice.
    let gap = world.pinger().longest_gap;
    assert!(gap < 3 * SECOND, "no reply for {gap:?}: {:?}", world.pinger().history);
}

#[test]
fn random_deaths_and_returns_cost_no_reply() {
    with_seeds(1..=50, run);
}
