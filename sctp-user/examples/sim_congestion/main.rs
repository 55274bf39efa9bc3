//! What each algorithm of congestion control makes of a path, on the simulated network:
//! `cargo run --release -p sctp-user --example sim_congestion -- --plots docs/congestion`.
//!
//! Prints a table; with `--plots` it draws windows, queues and throughput over time, with `--csv` it writes the numbers.

#[path = "../plots/chart.rs"]
mod chart;
mod fairness;
mod plot;
mod scenarios;

use clap::Parser;
use scenarios::Scenario;
use sctp_core::path::congestion::CongestionControl;
use sctp_user::sim::flows::Recording;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::Instant;

/// The algorithms, and what they are called.
const CONTROLS: [(&str, CongestionControl); 3] = [
    ("RFC 9260", CongestionControl::Rfc9260),
    ("CUBIC", CongestionControl::Cubic),
    ("BBR", CongestionControl::Bbr),
];

const EXAMPLES: &str = "\
Examples:
  sim_congestion                                  the table
  sim_congestion --scenario shared --csv /tmp     two scenarios, with their samples
  sim_congestion --plots docs/congestion          the plots of the documentation";

/// Bulk transfers over one simulated bottleneck, with each algorithm of congestion control.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// Only the scenarios whose names contain this.
    #[arg(long, default_value = "")]
    scenario: String,
    /// Draw each scenario as an SVG file in this folder.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Write the samples of each run as a CSV file in this folder.
    #[arg(long, value_name = "FOLDER")]
    csv: Option<PathBuf>,
    /// Fixes all accidents.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instead: BBR beside RFC 9260 on links of many kinds.
    #[arg(long)]
    fairness: bool,
    /// With `--fairness`, only these rates.
    #[arg(long, value_name = "MBIT", value_delimiter = ',', default_value = "10,50,100,300,1000")]
    rates: Vec<u64>,
    /// With `--fairness`, seconds of each run.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    for folder in [&arguments.plots, &arguments.csv].into_iter().flatten() {
        fs::create_dir_all(folder)?;
    }
    if arguments.fairness {
        return fairness::run_all(&arguments);
    }
    let all = scenarios::all();
    let chosen: Vec<_> = all.iter().filter(|it| it.name.contains(&arguments.scenario)).collect();
    if chosen.is_empty() {
        let names = all.map(|scenario| scenario.name).join(", ");
        return Err(format!("no scenario has {:?} in its name; there are {names}", arguments.scenario).into());
    }
    println!("scenario      algorithm    Mbit/s  share  queue (BDP)  sent again  T3-rtx");
    chosen.into_iter().try_for_each(|scenario| run(scenario, &arguments))
}

fn run(scenario: &Scenario, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut recordings = Vec::new();
    for (name, control) in &CONTROLS {
        let began = Instant::now();
        let experiment = scenario.experiment(control, arguments.seed);
        let recording = experiment.run().map_err(|outcome| format!("{}: {outcome:?}", scenario.name))?;
        print_row(scenario, name, &recording, experiment.bdp());
        eprintln!("({:.1} s)", began.elapsed().as_secs_f64());
        if let Some(folder) = &arguments.csv {
            let file = format!("{}-{}.csv", scenario.name, name.to_lowercase().replace(' ', ""));
            recording.write_csv(BufWriter::new(File::create(folder.join(file))?))?;
        }
        recordings.push((*name, recording));
    }
    if let Some(folder) = &arguments.plots {
        plot::draw(scenario, &recordings, &folder.join(format!("{}.svg", scenario.name)))?;
    }
    Ok(())
}

/// The numbers of the flow under test, which comes last; once it has had time to find its rate.
fn print_row(scenario: &Scenario, control: &str, recording: &Recording, bdp: f64) {
    let span = scenario.settled();
    let flow = recording.flows.len() - 1;
    let last = recording.flows[flow].last().copied().unwrap_or_default();
    println!(
        "{:<13} {:<10} {:>8.1} {:>5.0}% {:>12.2} {:>11} {:>7}",
        scenario.name,
        control,
        recording.goodput(flow, span.clone()) / 1e6,
        recording.share(flow, span.clone()) * 100.0,
        recording.mean_queue(span) / bdp,
        last.retransmitted,
        last.t3_expiries,
    );
}
