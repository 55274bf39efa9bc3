//! How fast the handlespace is, and how much memory an element takes: what `benches/handlespace` puts beside RSPLIB's
//! (`benches/programs/handlespace.c` does the same, operation by operation).
//!
//! Usage: `handlespace_speed POLICY-TYPE POOLS ELEMENTS ROUNDS`. Prints million operations per second of CPU time:
//! register, re-register, select, deregister; then the bytes of memory that an element takes.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rserpool::handlespace::{Handlespace, Limits};
use rserpool::wire::{Life, Policy, PolicyField, PolicyType, PoolElement, Transport, TransportUse};
use rserpool::{PeId, PoolHandle, RegistrarId};

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let &[policy, pools, elements, rounds] = &numbers[..] else {
        eprintln!("usage: handlespace_speed POLICY-TYPE POOLS ELEMENTS ROUNDS, all decimal");
        std::process::exit(2);
    };
    let mut bench = Bench::new(PolicyType::from_number(policy as u32), pools, elements);
    (0..rounds).for_each(|_| bench.round());
    let [register, register_again, select, deregister] =
        bench.times.map(|(count, time)| count as f64 / time.as_secs_f64() / 1e6);
    println!("{register} {register_again} {select} {deregister} {}", bench.memory.unwrap_or_default());
}

struct Bench {
    rng: StdRng,
    pools: Vec<PoolHandle>,
    elements: usize,
    /// What registers; its identifier and its load change.
    element: PoolElement,
    /// Which of the policy's numbers is the load.
    load: usize,
    draws: u64,
    times: [(usize, Duration); 4],
    memory: Option<usize>,
}

impl Bench {
    fn new(policy_type: PolicyType, pools: usize, elements: usize) -> Self {
        let transport = |port| Transport::sctp(port, [IpAddr::from([10, 0, 0, 1])], TransportUse::DataOnly);
        let policy =
            policy_type.fields().iter().fold(Policy::new(policy_type), |it, &field| it.with(field, 1));
        let element = PoolElement {
            id: PeId(0),
            home: RegistrarId(1),
            life: Life::from_millis(300_000),
            user_transport: transport(7),
            policy,
            asap_transport: Some(transport(3863)),
        };
        let pools = (0..pools).map(|pool| PoolHandle::from(&*format!("Pool{pool}"))).collect();
        let rng = StdRng::seed_from_u64(1);
        let load = policy_type.fields().iter().position(|field| *field == PolicyField::Load);
        let load = load.unwrap_or(Policy::MAX_NUMBERS);
        Self { rng, pools, elements, element, load, draws: 1, times: Default::default(), memory: None }
    }

    /// splitmix64: the same numbers as in the other program, and nearly for nothing.
    fn draw(&mut self) -> u64 {
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.draws ^ (self.draws >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn round(&mut self) {
        let limits = Limits { elements: self.elements, ..Limits::default() };
        let mut space = Handlespace::new(limits, &mut self.rng);
        let mut ids: Vec<u32> = (0..self.elements).map(|_| self.draw() as u32).collect();
        let before = resident();
        self.register_all(0, &mut space, &ids);
        self.memory.get_or_insert((resident() - before) / self.elements);
        ids.shuffle(&mut self.rng);
        self.register_all(1, &mut space, &ids);
        self.select(&mut space, &ids);
        ids.shuffle(&mut self.rng);
        self.deregister_all(&mut space, &ids);
    }

    fn pool(&self, id: u32) -> &PoolHandle {
        &self.pools[id as usize % self.pools.len()]
    }

    fn register_all(&mut self, column: usize, space: &mut Handlespace<()>, ids: &[u32]) {
        let start = cpu();
        for &id in ids {
            self.element.id = PeId(id);
            let load = self.draw() % 100 * 10_000;
            self.element.policy = self.element.policy.with_number(self.load, load as u32);
            let registered = space.register(self.pool(id), self.element.clone(), || ());
            black_box(registered.expect("the handlespace has room"));
        }
        self.note(column, ids.len(), start);
    }

    fn select(&mut self, space: &mut Handlespace<()>, ids: &[u32]) {
        let (count, mut out) = (ids.len().max(10_000), Vec::new());
        let start = cpu();
        for &id in ids.iter().cycle().take(count) {
            out.clear();
            let pool = &self.pools[id as usize % self.pools.len()];
            space.select(pool, 1, None, &mut self.rng, &mut out);
            black_box(&out);
        }
        self.note(2, count, start);
    }

    fn deregister_all(&mut self, space: &mut Handlespace<()>, ids: &[u32]) {
        let start = cpu();
        for &id in ids {
            let key = space.find(self.pool(id), PeId(id));
            black_box(key.and_then(|key| space.remove(key)));
        }
        self.note(3, ids.len(), start);
        assert!(space.is_empty(), "some elements were not found");
    }

    fn note(&mut self, column: usize, count: usize, start: Duration) {
        let (operations, time) = &mut self.times[column];
        *operations += count;
        *time += cpu() - start;
    }
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock").into()
}

/// Bytes of memory in use.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux's /proc");
    text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).map_or(0, |pages: usize| pages * 4096)
}
