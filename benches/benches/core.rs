//! Two endpoints back to back in memory: messages, set-up, and a deep send queue.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sctp_benches::{Pair, Wiring};

/// Bytes that one measured step moves.
const STEP: usize = 4 << 20;

fn transfer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transfer");
    for (mtu, size) in [(1_500, 64), (1_500, 1_444), (1_500, 65_536), (65_536, 64), (65_536, 65_500)] {
        let mut wiring = Wiring::with_mtu(mtu);
        wiring.config.no_delay = true;
        let mut pair = Pair::new(wiring);
        let ids = pair.connect();
        let payload = Bytes::from(vec![0x5a; size]);
        let messages = (STEP / size) as u64;
        pair.transfer(ids, &payload, messages);
        group.throughput(Throughput::Elements(messages));
        group.bench_function(format!("{size} bytes, MTU {mtu}"), |b| {
            b.iter(|| pair.transfer(ids, &payload, messages));
        });
    }
}

/// The work for a message must not depend on how many wait before it.
fn deep_queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("400 KB of 64-byte messages queued");
    let messages = 400_000 / 64;
    group.throughput(Throughput::Elements(messages));
    group.bench_function("queue, send, read", |b| {
        let mut wiring = Wiring::with_mtu(1_500);
        wiring.config.send_buffer = 4 << 20;
        wiring.config.no_delay = true;
        let mut pair = Pair::new(wiring);
        let ids = pair.connect();
        let payload = Bytes::from(vec![0x5a; 64]);
        b.iter(|| {
            (0..messages).for_each(|_| assert!(pair.send(ids, &payload), "the buffer is larger"));
            let mut received = 0;
            while received < messages {
                pair.exchange();
                received += pair.read(ids);
            }
        });
    });
}

fn set_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("association");
    let mut pair = Pair::new(Wiring::default());
    group.throughput(Throughput::Elements(1));
    group.bench_function("set up and abort", |b| {
        b.iter(|| {
            let ids = pair.connect();
            pair.end(ids);
        });
    });
}

criterion_group!(benches, transfer, deep_queue, set_up);
criterion_main!(benches);
