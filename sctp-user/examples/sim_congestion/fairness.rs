//! BBR beside one flow of RFC 9260, on links of many kinds without random loss: who gets how much, and what waits.

use super::Arguments;
use core::ops::Range;
use core::time::Duration;
use sctp_core::path::congestion::CongestionControl::{Bbr, Rfc9260};
use sctp_user::sim::flows::{Experiment, Recording};
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

const RTTS_MS: [u64; 3] = [20, 50, 100];
/// In bandwidth-delay products.
const QUEUES: [f64; 3] = [0.5, 1.0, 2.0];
/// Which of the two comes first, and seconds until the other one does.
const STARTS: [(&str, [f64; 2]); 3] =
    [("together", [0.0, 0.0]), ("BBR first", [3.0, 0.0]), ("RFC 9260 first", [0.0, 3.0])];

/// Runs them all, and prints a line for each.
pub(crate) fn run_all(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    println!(
        "  Mbit/s   ms  queue  start            BBR  both  mean queue  longest  RFC 9260: again  T3-rtx"
    );
    for &rate in &arguments.rates {
        for rtt_ms in RTTS_MS {
            for queue in QUEUES {
                for (name, begins_at) in STARTS {
                    let label = format!("{rate:>8} {rtt_ms:>4} {queue:>6} {name:<14}");
                    if label.contains(&arguments.scenario) {
                        run(&label, &experiment(rate, rtt_ms, queue, begins_at, arguments), arguments)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn experiment(rate: u64, rtt_ms: u64, queue: f64, begins_at: [f64; 2], arguments: &Arguments) -> Experiment {
    let rtt = Duration::from_millis(rtt_ms);
    let mut experiment = Experiment::new(rate * 1_000_000, rtt, queue, &[Rfc9260, Bbr]);
    for (flow, begins_at) in experiment.flows.iter_mut().zip(begins_at) {
        flow.begins_at = Duration::from_secs_f64(begins_at);
    }
    (experiment.seed, experiment.duration) = (arguments.seed, Duration::from_secs(arguments.seconds));
    experiment
}

fn run(label: &str, experiment: &Experiment, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let recording = experiment.run().map_err(|outcome| format!("{label}: {outcome:?}"))?;
    print_row(label, experiment, &recording, 10.0..experiment.duration.as_secs_f64());
    if let Some(folder) = &arguments.csv {
        let file = label.split_whitespace().collect::<Vec<_>>().join("-") + ".csv";
        recording.write_csv(BufWriter::new(File::create(folder.join(file))?))?;
    }
    Ok(())
}

fn print_row(label: &str, experiment: &Experiment, recording: &Recording, span: Range<f64>) {
    let both = recording.goodput(0, span.clone()) + recording.goodput(1, span.clone());
    let capacity = experiment.bottleneck.rate.unwrap_or(0) as f64 * 1_452.0 / 1_500.0;
    let last = recording.flows[0].last().copied().unwrap_or_default();
    println!(
        "{label} {:>5.0}% {:>4.0}% {:>11.2} {:>8.2} {:>16} {:>7}",
        recording.share(1, span.clone()) * 100.0,
        both / capacity * 100.0,
        recording.mean_queue(span.clone()) / experiment.bdp(),
        recording.longest_queue(span) as f64 / experiment.bdp(),
        last.retransmitted,
        last.t3_expiries,
    );
}
