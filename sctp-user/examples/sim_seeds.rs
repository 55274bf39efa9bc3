//! The long run of random scenarios: `cargo run --profile simulation -p sctp-user --example sim_seeds -- --seeds 10000`.
//!
//! Prints the failing seeds, and sums of what happened. The exit code is 0 only if no seed failed and
//! all kinds of trouble that the run is about did occur. The profile `simulation` is `release` with the assertions of
//! debug builds: only there the core's own invariants are checked after each step.

use clap::Parser;
use sctp_user::sim::scenario::{Report, Scenario};
use sctp_user::sim::{SimCapture, trace};
use std::fs::File;
use std::io::{self, BufWriter};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  sim_seeds --seeds 100000 --jobs 8               which seeds fail
  sim_seeds --first 100000 --seeds 100000         further ones
  sim_seeds --seed 4711 --trace --pcap run.pcapng one of them, packet by packet

Exit codes: 0 no seed failed and, but for --basic, all that the run is about did happen; 1 else; 2 wrong usage. What the core holds true after
each step is checked where debug assertions are on: cargo run --profile simulation -p sctp-user --example sim_seeds";

/// Random scenarios on the simulated network: two paths of which one fails, loss, duplication,
/// reordering, corruption.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// Seeds to try.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only this seed.
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Without marks, NATs, packets without checksum, changes of keys, messages in pieces: as seeds were drawn first.
    #[arg(long)]
    basic: bool,
    /// Print every packet of the run, and the plan (with --seed).
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Write the packets of the run to this pcapng file (with --seed).
    #[arg(long, requires = "seed", value_name = "FILE")]
    pcap: Option<PathBuf>,
}

impl Arguments {
    fn scenario(&self, seed: u64) -> Scenario {
        if self.basic { Scenario::basic(seed) } else { Scenario::random(seed) }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => replay(seed, &arguments).unwrap_or_else(|error| {
            eprintln!("cannot write the capture: {error}");
            ExitCode::FAILURE
        }),
        None => run_many(&arguments),
    }
}

fn replay(seed: u64, arguments: &Arguments) -> io::Result<ExitCode> {
    let mut run = arguments.scenario(seed).start();
    if arguments.trace {
        println!("{:#?}", run.scenario());
        run.network.add_tap(trace(|line| println!("{line}")));
    }
    let file = arguments.pcap.as_ref().map(File::create).transpose()?;
    let capture = file.map(|file| SimCapture::new(BufWriter::new(file))).transpose()?;
    if let Some(capture) = &capture {
        run.network.add_tap(capture.tap());
    }
    let result = run.finish();
    capture.map_or(Ok(()), SimCapture::finish)?;
    Ok(match result {
        Ok(report) => {
            println!("{report:#?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    })
}

fn run_many(arguments: &Arguments) -> ExitCode {
    let started = Instant::now();
    let (total, failures) = try_seeds(arguments);
    let basic = if arguments.basic { " --basic" } else { "" };
    for (seed, failure) in &failures {
        println!("{failure}  replay with: --seed {seed} --trace{basic}");
    }
    print_sums(&total);
    println!(
        "{} of {} seeds failed; {:.1} s of real time, peak memory {} KiB",
        failures.len(),
        arguments.seeds,
        started.elapsed().as_secs_f64(),
        peak_memory_kib().map_or_else(|| "?".to_owned(), |kib| kib.to_string()),
    );
    // The first plans lack some of it.
    let needed = trouble(&total).into_iter().chain(total.features.iter()).filter(|_| !arguments.basic);
    let missing: Vec<_> = needed.filter(|(_, count)| *count == 0).map(|(what, _)| what).collect();
    if !missing.is_empty() {
        println!("nothing of this happened, so nothing of it was tested: {}", missing.join(", "));
    }
    if failures.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The sums, and which seeds failed and why.
fn try_seeds(arguments: &Arguments) -> (Report, Vec<(u64, String)>) {
    let next = AtomicU64::new(0);
    let work = || {
        let (mut total, mut failures) = (Report::default(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= arguments.seeds {
                return (total, failures);
            }
            let seed = arguments.first.wrapping_add(index);
            // What the core holds true is asserted: a seed that breaks it fails alone.
            match catch_unwind(|| arguments.scenario(seed).run()) {
                Ok(Ok(report)) => total += report,
                Ok(Err(failure)) => {
                    eprintln!("seed {seed} failed");
                    failures.push((seed, failure.to_string()));
                }
                Err(_) => {
                    eprintln!("seed {seed} panicked");
                    failures.push((seed, format!("seed {seed} panicked: its message stands above\n")));
                }
            }
            if (index + 1).is_multiple_of(1_000) {
                eprintln!("{} seeds", index + 1);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let (mut total, mut failures) = (Report::default(), Vec::new());
        for worker in workers {
            let (report, failed) = worker.join().expect("a worker takes in what panics");
            total += report;
            failures.extend(failed);
        }
        failures.sort();
        (total, failures)
    })
}

/// What must have happened at least once.
fn trouble(total: &Report) -> [(&'static str, u64); 30] {
    [
        ("T3 expiries", total.peers.t3_expiries),
        ("fast retransmits", total.peers.fast_retransmits),
        ("fail-overs", total.peers.path_failures),
        ("returned paths", total.peers.path_returns),
        ("zero windows", total.wire.zero_windows),
        ("duplicate TSNs", total.wire.duplicate_tsns),
        ("reordered packets", total.links.reordered),
        ("damaged packets", total.links.corrupted),
        ("messages given up unsent", total.peers.given_up_unsent),
        ("messages given up after sending", total.peers.given_up_sent),
        ("FORWARD TSNs", total.peers.forward_tsns),
        ("stream resets", total.peers.reconfigs.streams_reset),
        ("TSN resets", total.peers.reconfigs.associations_reset),
        ("additions of streams", total.peers.reconfigs.streams_added),
        ("re-configurations refused", total.peers.reconfigs.refused),
        ("RE-CONFIG chunks", total.wire.re_configs),
        ("ASCONF chunks", total.wire.asconfs),
        ("packets with AUTH", total.wire.authenticated),
        ("changes of keys", total.peers.key_changes),
        ("I-DATA chunks", total.wire.i_data),
        ("NR-SACK chunks", total.wire.nr_sacks),
        ("packets capable of ECN", total.wire.ecn_capable),
        ("packets that routers marked", total.links.marked),
        ("ECNE chunks", total.wire.ecn_echoes),
        ("CWR chunks", total.wire.ecn_answers),
        ("packets without checksum", total.wire.zero_checksums),
        ("probes for path MTUs", total.wire.mtu_probes),
        ("other ports after a NAT", total.rebindings),
        ("messages sent in pieces", total.peers.in_pieces),
        ("potentially failed paths", total.peers.path_doubts),
    ]
}

fn print_sums(total: &Report) {
    let rest = [
        ("runs", total.runs),
        ("messages sent", total.messages_sent),
        ("messages delivered", total.messages_delivered),
        ("messages reported as failed", total.messages_failed),
        ("associations lost (per side)", total.associations_lost),
        ("changes of addresses", total.peers.moves),
        ("restarts seen", total.peers.restarts),
        ("DATA chunks sent again", total.peers.retransmitted_chunks),
        ("DATA chunks without buffer", total.peers.dropped_chunks),
        ("sends refused (buffer full)", total.peers.refused_sends),
        ("packets", total.wire.packets),
        ("packets lost", total.links.lost),
        ("packets dropped by full queues", total.links.queue_full),
        ("packets dropped on dead links", total.links.down),
        ("packets duplicated", total.links.duplicated),
        ("events", total.events),
        ("virtual hours", total.virtual_time.as_secs() / 3_600),
    ];
    println!("What happened:");
    for (what, count) in trouble(total).into_iter().chain(rest) {
        println!("{count:>14}  {what}");
    }
    println!("Runs with a feature in use:");
    for (what, count) in total.features.iter() {
        println!("{count:>14}  {what}");
    }
}

/// The largest resident set of this process, where the system tells (Linux).
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
