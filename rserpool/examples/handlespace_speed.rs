//! How fast the handlespace is: million operations per second for register, re-register, select and deregister, one
//! pool, one thread. Run with `--release`.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rserpool::handlespace::{Handlespace, Limits};
use rserpool::wire::{Life, Policy, PolicyField, PolicyType, PoolElement, Transport, TransportUse};
use rserpool::{PeId, PoolHandle, RegistrarId};

fn elements(count: usize, policy_type: PolicyType, rng: &mut StdRng) -> Vec<PoolElement> {
    let element = |id| PoolElement {
        id,
        home: RegistrarId(1),
        life: Life::INFINITE,
        user_transport: Transport::sctp(7, [IpAddr::from([10, 0, 0, 1])], TransportUse::DataOnly),
        policy: policy_type.fields().iter().fold(Policy::new(policy_type), |policy, &field| {
            let value = if field == PolicyField::Load { id.0 % 100 } else { 1 };
            policy.with(field, value)
        }),
        asap_transport: None,
    };
    (0..count).map(|_| element(PeId(rng.random()))).collect()
}

fn timed(operations: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    operations as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn main() {
    println!(
        "policy, elements: register / re-register / select / deregister (million per second, best of 5)"
    );
    for policy_type in [PolicyType::RoundRobin, PolicyType::Random, PolicyType::LeastUsed] {
        for count in [100, 1_000, 10_000, 50_000] {
            let runs: Vec<_> = (0..5).map(|seed| run(policy_type, count, seed)).collect();
            let best = |column: usize| runs.iter().map(|run| run[column]).fold(0.0, f64::max);
            println!(
                "{policy_type}, {count}: {:.2} / {:.2} / {:.2} / {:.2}",
                best(0),
                best(1),
                best(2),
                best(3)
            );
        }
    }
}

fn run(policy_type: PolicyType, count: usize, seed: u64) -> [f64; 4] {
    let mut rng = StdRng::seed_from_u64(seed);
    let elements = elements(count, policy_type, &mut rng);
    let handle = PoolHandle::from("SpeedPool");
    let mut space = Handlespace::new(Limits::default(), &mut rng);
    let mut keys = Vec::new();
    let (first, again) = (elements.clone(), elements.clone());
    let register = timed(count, || {
        for element in first {
            keys.push(space.register(&handle, element, || ()).expect("room").key);
        }
    });
    let register_again = timed(count, || {
        for element in again {
            black_box(space.register(&handle, element, || ()).expect("known"));
        }
    });
    let selections = count.max(10_000);
    let select = timed(selections, || {
        let mut out = Vec::new();
        for _ in 0..selections {
            out.clear();
            space.select(&handle, 1, None, &mut rng, &mut out);
            black_box(&out);
        }
    });
    let deregister = timed(count, || {
        keys.iter().for_each(|&key| drop(space.remove(key)));
    });
    [register, register_again, select, deregister]
}
