//! Runs a scenario with many seeds: those from RSP_FIRST (0) up to RSP_SEEDS, or the one that RSP_SEED names, in RSP_JOBS (1) threads.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Panics if a seed does, and says which: after all have been tried.
pub(crate) fn try_all(what: &str, seeds: u64, run: fn(u64)) {
    let seeds = match number("RSP_SEED") {
        Some(seed) => seed..seed + 1,
        None => number("RSP_FIRST").unwrap_or(0)..number("RSP_SEEDS").unwrap_or(seeds),
    };
    let (next, failed, started) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()), Instant::now());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if catch_unwind(|| run(seed)).is_err() {
                eprintln!("{what}: seed {seed} failed; replay it with RSP_SEED={seed}");
                failed.lock().expect("nobody panics with it").push(seed);
            }
            if (seed + 1).is_multiple_of(1000) {
                let tried = seed + 1 - seeds.start;
                eprintln!("{what}: {tried} seeds up to {seed} in {:.0} s", started.elapsed().as_secs_f64());
            }
        }
    };
    std::thread::scope(|scope| {
        (0..number("RSP_JOBS").unwrap_or(1).max(1)).for_each(|_| drop(scope.spawn(work)));
    });
    let mut failed = failed.into_inner().expect("nobody panics with it");
    failed.sort_unstable();
    assert!(
        failed.is_empty(),
        "{what}: {} of {} seeds failed: {failed:?}",
        failed.len(),
        seeds.end - seeds.start
    );
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}
