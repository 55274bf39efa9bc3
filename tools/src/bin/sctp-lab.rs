//! Runs scenarios on a simulated network.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use sctp_tools::program;
use sctp_user::sim::lab::{LANGUAGE, Lab, Report, Script};
use sctp_user::sim::{SimCapture, trace};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  sctp-lab sctp-user/tests/scenarios/restart.scn
  sctp-lab --pcap run.pcapng --trace satellite.scn     every packet, for Wireshark and as text
  sctp-lab --seed 7 --quiet *.scn                      with other accidents; only what failed
  sctp-lab --language                                  how scenarios are written

Exit codes: 0 all that was expected came true; 1 something did not, or a file cannot be read; 2 wrong usage.";

/// Runs scenarios under virtual time: hosts, networks, routers and NATs, what applications do and what goes wrong when,
/// and what is expected of it. Prints what happened.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// Files with scenarios
    #[arg(required_unless_present = "language")]
    files: Vec<PathBuf>,
    /// Write every packet to this file, in the pcapng format, under virtual time
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Print every packet
    #[arg(long)]
    trace: bool,
    /// What accidents follow from, instead of what the scenario says
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Print only what did not come true
    #[arg(long, conflicts_with = "trace")]
    quiet: bool,
    /// One JSON object a line, for each scenario
    #[arg(long, conflicts_with_all = ["quiet", "trace"])]
    json: bool,
    /// Print how scenarios are written
    #[arg(long)]
    language: bool,
}

/// No scenario is longer, bytes.
const LONGEST: u64 = 16 << 20;

/// A scenario that was run.
#[derive(Serialize)]
struct Outcome<'a> {
    file: &'a str,
    title: &'a str,
    passed: bool,
    timeline: &'a [String],
    failures: &'a [String],
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.language {
        return code(program::say(LANGUAGE.trim_end()).map(|()| true).map_err(Into::into));
    }
    if cli.pcap.is_some() && cli.files.len() > 1 {
        eprintln!("error: --pcap takes the packets of one scenario");
        return ExitCode::from(2);
    }
    let mut all = ExitCode::SUCCESS;
    for file in &cli.files {
        let passed = run(&cli, file).map_err(|error| format!("{}: {error}", file.display()).into());
        if code(passed) == ExitCode::FAILURE {
            all = ExitCode::FAILURE;
        }
    }
    all
}

fn code(passed: Result<bool, Box<dyn Error>>) -> ExitCode {
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sctp-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all that was expected came true.
fn run(cli: &Cli, file: &Path) -> Result<bool, Box<dyn Error>> {
    let mut script: Script = read(file)?.parse()?;
    script.seed = cli.seed.unwrap_or(script.seed);
    let title = script.title.clone();
    let mut lab = Lab::new(script);
    if cli.trace {
        lab.add_tap(trace(|line| {
            // Whoever reads may have gone; the exit code tells all the same.
            let _ = program::say(line);
        }));
    }
    let create = cli.pcap.as_ref().map(|pcap| {
        let create = File::create(pcap);
        create.map_err(|error| format!("cannot write {}: {error}", pcap.display()))
    });
    let capture = create.transpose()?.map(|out| SimCapture::new(BufWriter::new(out))).transpose()?;
    if let Some(capture) = &capture {
        lab.add_tap(capture.tap());
    }
    let report = lab.run();
    capture.map_or(Ok(()), SimCapture::finish).map_err(|error| format!("cannot write packets: {error}"))?;
    show(cli, file, &title, &report)?;
    Ok(report.failures.is_empty())
}

fn read(file: &Path) -> Result<String, Box<dyn Error>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LONGEST).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == LONGEST {
        return Err("it is too long for a scenario".into());
    }
    String::from_utf8(bytes).map_err(|_| "it is no text".into())
}

fn show(cli: &Cli, file: &Path, title: &str, report: &Report) -> Result<(), Box<dyn Error>> {
    let Report { timeline, failures } = report;
    let passed = failures.is_empty();
    if cli.json {
        let outcome = Outcome { file: &file.to_string_lossy(), title, passed, timeline, failures };
        return Ok(program::say(serde_json::to_string(&outcome)?)?);
    }
    if !cli.quiet {
        program::say(format_args!("{}: {title}", file.display()))?;
        timeline.iter().try_for_each(program::say)?;
    }
    for failure in failures {
        program::say(format_args!("{}: FAILED: {failure}", file.display()))?;
    }
    if !cli.quiet && passed {
        program::say(format_args!("{}: all that was expected came true", file.display()))?;
    }
    Ok(())
}
