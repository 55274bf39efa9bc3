//! Moves a bounded number of bytes between two endpoints in memory and prints what a message costs:
//! a small program to put under `perf record` or `valgrind --tool=callgrind`.
//!
//! ```text
//! cargo run --release -p sctp-benches --example core_throughput -- --size 1444 --mtu 1500 --megabytes 512
//! ```
//!
//! What an extension costs shows with it and without: `--ecn`, `--auth` (of DATA), `--i-data`, `--nr-sack`, `--multipath`
//! (with `--paths 2`), `--cubic`, `--bbr`, each 0 or 1. `--loss N` loses each Nth packet.
//!
//! Times are those that this thread was on a CPU, of the fastest of ten parts: on a machine that is
//! shared, wall-clock times say more about the others. With `--delay-us` the virtual time tells how
//! well the window is used.

use bytes::Bytes;
use sctp_benches::{Pair, Wiring};
use sctp_core::config::AssociationConfig;
use sctp_core::multipath::Multipath;
use sctp_core::path::congestion::CongestionControl;
use sctp_core::wire::chunk::ChunkType;
use std::time::Duration;

/// Parts that are timed one by one, unless `--parts` says otherwise.
const PARTS: usize = 10;

/// What the command line may name.
const OPTIONS: [&str; 20] = [
    "--size",
    "--megabytes",
    "--mtu",
    "--delay-us",
    "--segments",
    "--checksum",
    "--loss",
    "--paths",
    "--sack-frequency",
    "--max-burst",
    "--receive-buffer",
    "--send-buffer",
    "--parts",
    "--ecn",
    "--auth",
    "--i-data",
    "--nr-sack",
    "--multipath",
    "--cubic",
    "--bbr",
];

fn main() {
    refuse_unknown_options();
    let size = option("--size", 1_444);
    let megabytes = option("--megabytes", 512);
    let mut wiring = Wiring::with_mtu(option("--mtu", 1_500));
    wiring.delay = Duration::from_micros(option("--delay-us", 0) as u64);
    wiring.max_segments = option("--segments", wiring.max_segments);
    wiring.checksum = option("--checksum", 1) != 0;
    wiring.loss = option("--loss", 0) as u64;
    wiring.paths = option("--paths", 1) as u8;
    let config = &mut wiring.config;
    config.sack_frequency = match option("--sack-frequency", 0) {
        0 => None,
        packets => Some(packets as u32),
    };
    // Else the last message of each part would wait for a SACK that waits for its time-out.
    config.no_delay = true;
    config.max_burst = option("--max-burst", config.max_burst as usize) as u32;
    config.receive_buffer = option("--receive-buffer", config.receive_buffer);
    config.send_buffer = option("--send-buffer", config.send_buffer);
    choose_extensions(config);
    let parts = option("--parts", PARTS);
    let messages = ((megabytes << 20) / size / parts + 1) as u64;

    let mut pair = Pair::new(wiring);
    let ids = pair.connect();
    let payload = Bytes::from(vec![0x5a; size]);
    let virtual_begin = pair.now();
    let times = (0..parts).map(|_| {
        let begin = time_on_cpu();
        pair.transfer(ids, &payload, messages);
        time_on_cpu() - begin
    });
    let fastest = times.min().unwrap_or_default();
    report(&pair, fastest, pair.now() - virtual_begin, messages, (size, parts));
}

fn choose_extensions(config: &mut AssociationConfig) {
    let switch = |name, default: bool| option(name, default.into()) != 0;
    let extensions = &mut config.extensions;
    extensions.ecn = switch("--ecn", extensions.ecn);
    extensions.auth = switch("--auth", extensions.auth);
    extensions.interleaving = switch("--i-data", extensions.interleaving);
    extensions.nr_sack = switch("--nr-sack", extensions.nr_sack);
    if extensions.auth {
        config.auth.chunks.insert(ChunkType::DATA);
    }
    if switch("--multipath", config.multipath.is_on()) {
        config.multipath = Multipath::Concurrent;
    }
    if switch("--cubic", false) {
        config.congestion_control = CongestionControl::Cubic;
    }
    if switch("--bbr", false) {
        config.congestion_control = CongestionControl::Bbr;
    }
}

fn report(
    pair: &Pair,
    fastest: Duration,
    virtual_time: Duration,
    messages: u64,
    (size, parts): (usize, usize),
) {
    let bits = (messages * size as u64 * 8) as f64;
    let [forth, back] = pair.wire_stats();
    println!(
        "{size} bytes: {:.2} Gbit/s, {:.1} ns a message, {:.1} packets a run, {:.2} packets a SACK; {:.1} virtual Mbit/s",
        bits / fastest.as_secs_f64() / 1e9,
        fastest.as_secs_f64() * 1e9 / messages as f64,
        forth.packets as f64 / forth.runs as f64,
        forth.packets as f64 / back.packets as f64,
        bits * parts as f64 / virtual_time.as_secs_f64() / 1e6,
    );
}

/// How long this process has been on a CPU: the first field of Linux's schedstat.
fn time_on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("this example needs Linux");
    let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.expect("schedstat begins with nanoseconds"))
}

/// A measurement without what was asked for would be a wrong one.
fn refuse_unknown_options() {
    let mut names = std::env::args().skip(1).step_by(2);
    if let Some(name) = names.find(|name| !OPTIONS.contains(&&name[..])) {
        eprintln!("core_throughput: no option {name}; each takes a number: {}", OPTIONS.join(" "));
        std::process::exit(2);
    }
}

/// The number behind `name` on the command line.
fn option(name: &str, default: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} needs a number")))
}
