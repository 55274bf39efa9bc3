//! What several paths at once carry, beside the best of them alone, on the simulated network:
//! `cargo run --release -p sctp-user --example sim_multipath -- --plots docs/multipath`.
//!
//! Prints a table; with `--plots` it draws throughput, windows and queues of each path over time.

mod cases;
#[path = "../plots/chart.rs"]
mod chart;
mod plot;
mod recording;

use cases::Case;
use clap::Parser;
use sctp_core::multipath::Multipath;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  sim_multipath                                   the table
  sim_multipath --case loss --seeds 10            some cases, with other accidents
  sim_multipath --plots docs/multipath            the plots of the documentation";

/// Bulk transfers over several simulated paths at once.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// Only the cases whose names contain this.
    #[arg(long, default_value = "")]
    case: String,
    /// Draw each case as an SVG file in this folder.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Megabytes of each transfer.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    megabytes: u16,
    /// Kilobytes of the receive buffer.
    #[arg(long, default_value_t = 4_096)]
    buffer: usize,
    /// Seeds tried: from 1 to this. The plots are of the last.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.plots {
        fs::create_dir_all(folder)?;
    }
    let all = cases::all();
    let chosen: Vec<_> = all.iter().filter(|case| case.name.contains(&arguments.case)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = all.iter().map(|case| case.name).collect();
        let names = names.join(", ");
        return Err(format!("no case has {:?} in its name; there are {names}", arguments.case).into());
    }
    println!("case       seed  Mbit/s alone  concurrent  pooled  times");
    for case in chosen {
        for seed in 1..=arguments.seeds {
            run(case, &arguments, seed)?;
        }
    }
    Ok(())
}

fn run(case: &Case, arguments: &Arguments, seed: u64) -> Result<(), Box<dyn Error>> {
    let transfer = |paths, multipath| {
        case.transfer(
            paths,
            multipath,
            usize::from(arguments.megabytes) * 1_000_000,
            arguments.buffer << 10,
            seed,
        )
    };
    let alone = transfer(&case.paths[..1], Multipath::Off)?;
    let concurrent = transfer(&case.paths, Multipath::Concurrent)?;
    let pooled = transfer(&case.paths, Multipath::Pooled)?;
    println!(
        "{:<10} {seed:>4} {:>13.1} {:>11.1} {:>7.1} {:>6.3}",
        case.name,
        alone.throughput(),
        concurrent.throughput(),
        pooled.throughput(),
        concurrent.throughput() / alone.throughput(),
    );
    if let Some(folder) = &arguments.plots {
        plot::draw(case.title, &concurrent, &folder.join(format!("{}.svg", case.name)))?;
    }
    Ok(())
}
