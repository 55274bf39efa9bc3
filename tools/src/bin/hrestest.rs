//! Resolves a pool's handle, again and again.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sctp_tools::csp::CspOptions;
use sctp_tools::load::{Lines, LoadOptions, Resolutions, Run};
use sctp_tools::logging::LogOptions;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;

const EXAMPLES: &str = "\
Examples:
  hrestest -registrar=192.0.2.1:3863 -poolhandle=EchoPool -pause=500         prints who is selected
  hrestest -registrar=192.0.2.1:3863 --outstanding=32 --associations=100 --runtime=10 --json      measures a registrar

Registrars may limit resolutions and reports (-maxhrrate, -maxeurate, and their limits for each user): what they refuse is counted.
";

/// Asks a registrar for elements of a pool, again and again, and tells how long that takes. Ends at SIGINT or SIGTERM, with a summary.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = program::pool_handle, default_value = "EchoPool")]
    poolhandle: String,
    /// Elements to ask for; 0 for as many as the registrar tells by itself
    #[arg(long, value_name = "N", default_value_t = 0)]
    items: u32,
    /// Time between requests, milliseconds. With 0 there is none, and runs are not printed
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    pause: u64,
    /// End after so many requests; 0 for none
    #[arg(long, value_name = "N", default_value_t = 0)]
    maxruns: u64,
    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = program::seconds)]
    runtime: Option<Duration>,
    /// How likely it is that an element which a request brought is reported as unreachable, from 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = program::probability)]
    reportunreachableprobability: f64,
    /// Write a line for each request to this file: its number, how long it took, and the elements
    #[arg(long, value_name = "FILE")]
    statsfile: Option<PathBuf>,
    /// Print the summary as a JSON object, and nothing else
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    load: LoadOptions,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

fn main() -> ExitCode {
    let cli: Cli = program::parse(&[]);
    program::run("hrestest", |signals| resolve(&cli, signals))
}

fn resolve(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.transport.build_stack()?;
    let mut file = cli.statsfile.as_deref().map(Statistics::create).transpose()?;
    let tell = |run: Run| {
        file.as_mut().map_or(Ok(()), |file| file.write(&run))?;
        match cli.pause > 0 && !cli.json {
            true => program::say(&run).map_err(|error| error.to_string()),
            false => Ok(()),
        }
    };
    let items = (cli.items > 0).then_some(cli.items);
    let mut work = Resolutions::new(cli.poolhandle.as_str().into(), items, tell)
        .paced(Duration::from_millis(cli.pause), (cli.maxruns > 0).then_some(cli.maxruns))
        .reporting(cli.reportunreachableprobability);
    let Some(mut lines) = Lines::connect(&stack, &cli.load, signals)? else { return Ok(()) };
    let _reporter = cli.csp.report(lines.watched())?;
    let end = cli.runtime.map(|runtime| Instant::now() + runtime);
    let begin = Instant::now();
    let ran = lines.run(&mut work, end, signals);
    let summary = work.times().summary(begin.elapsed());
    if let Some(error) = work.failure() {
        return Err(error.into());
    }
    let written = file.as_mut().map_or(Ok(()), Statistics::flush);
    // However it has ended, what was measured until then is told.
    match cli.json {
        true => program::say(serde_json::to_string(&summary)?)?,
        false => program::say(summary)?,
    }
    ran?;
    Ok(written?)
}

/// The file of runs.
struct Statistics<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

impl<'a> Statistics<'a> {
    fn create(path: &'a Path) -> Result<Self, String> {
        let file = File::create(path).map_err(unwritable(path))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    fn write(&mut self, run: &Run) -> Result<(), String> {
        writeln!(self.file, "{run}").map_err(unwritable(self.path))
    }

    /// What is left in memory goes to the file.
    fn flush(&mut self) -> Result<(), String> {
        self.file.flush().map_err(unwritable(self.path))
    }
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> String {
    |error| format!("cannot write {}: {error}", path.display())
}
