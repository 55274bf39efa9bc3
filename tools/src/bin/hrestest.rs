//! Resolves a pool's handle, again and again.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::wire::ASAP_PPID;
use sctp_tools::csp::CspOptions;
use sctp_tools::load::{self, Intervals, Lines, LoadOptions, Resolutions, Run};
use sctp_tools::logging::LogOptions;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;
use sctp_tools::watched::Watched;

const EXAMPLES: &str = "\
Examples:
  hrestest -registrar=192.0.2.1:3863 -poolhandle=EchoPool -pause=500         prints who is selected
  hrestest -registrar=192.0.2.1:3863 --outstanding=32 --associations=100 --runtime=10 --json      measures a registrar
  hrestest -pause=500 -statsfile=FILE -statsinterval=1000      asks a registrar that announces itself, or that is named by -asapannounce

It has failed if no request has brought an element. Registrars may limit resolutions and reports (-maxhrrate, -maxeurate, and their limits for each user): what they refuse is counted.
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
    /// Time between requests, milliseconds. With 0 there is none, and runs are not printed unless --printresults says so
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
    /// Print a line for each request, whatever the pause: its number, how long it took, and the elements
    #[arg(long, overrides_with = "quiet")]
    printresults: bool,
    /// Print the summary only
    #[arg(long, overrides_with = "printresults")]
    quiet: bool,
    /// Write lines to this file, as RSPLIB does, with the first answer, the first one of each interval after that, and in the end: its number,
    /// seconds since 1970 and since the start, elements that were brought until then, and requests that brought none
    #[arg(long, value_name = "FILE")]
    statsfile: Option<PathBuf>,
    /// Length of these intervals, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    statsinterval: u64,
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
    let arguments = program::clamped_arguments(&[("statsinterval", 10, 3_600_000)]);
    let cli: Cli = program::parse_these(arguments, &load::ignored(&[]));
    program::run("hrestest", |signals| resolve(&cli, signals))
}

fn resolve(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.load.search.build_stack(&cli.transport)?;
    let create = |path| File::create(path).map(|file| (path, file)).map_err(unwritable(path));
    let file = cli.statsfile.as_deref().map(create).transpose()?;
    let watched = Watched::new(&stack, ASAP_PPID);
    let _reporter = cli.csp.report(&watched)?;
    let Some(mut lines) = Lines::connect(&stack, &cli.load, &watched, signals)? else { return Ok(()) };
    let interval = Duration::from_millis(cli.statsinterval);
    let mut file = file.map(|(path, file)| Statistics::begin(path, file, interval)).transpose()?;
    let tell = |run: Run| {
        file.as_mut().map_or(Ok(()), |file| file.note(&run))?;
        match cli.prints_runs() {
            true => program::say(&run).map_err(|error| error.to_string()),
            false => Ok(()),
        }
    };
    let items = (cli.items > 0).then_some(cli.items);
    let mut work = Resolutions::new(cli.poolhandle.as_str().into(), items, tell)
        .paced(Duration::from_millis(cli.pause), (cli.maxruns > 0).then_some(cli.maxruns))
        .reporting(cli.reportunreachableprobability);
    let end = cli.runtime.map(|runtime| Instant::now() + runtime);
    let begin = Instant::now();
    let ran = lines.run(&mut work, end, signals);
    let summary = work.times().summary(begin.elapsed());
    if let Some(error) = work.failure() {
        return Err(error.into());
    }
    let refusal = work.refusal().map(str::to_owned);
    let written = file.map_or(Ok(()), Statistics::finish);
    // However it has ended, what was measured until then is told.
    match cli.json {
        true => program::say(serde_json::to_string(&summary)?)?,
        false => program::say(summary)?,
    }
    ran?;
    written?;
    match refusal {
        Some(why) if !signals.have_come()? => Err(format!("no request has brought an element: {why}").into()),
        _ => Ok(()),
    }
}

impl Cli {
    fn prints_runs(&self) -> bool {
        (self.pause > 0 || self.printresults) && !self.quiet && !self.json
    }
}

/// The file of intervals.
struct Statistics<'a> {
    path: &'a Path,
    intervals: Intervals<BufWriter<File>>,
}

impl<'a> Statistics<'a> {
    fn begin(path: &'a Path, file: File, interval: Duration) -> Result<Self, String> {
        let intervals = Intervals::begin(BufWriter::new(file), interval, Instant::now());
        Ok(Self { path, intervals: intervals.map_err(unwritable(path))? })
    }

    fn note(&mut self, run: &Run) -> Result<(), String> {
        self.intervals.note(run.brought(), Instant::now()).map_err(unwritable(self.path))
    }

    fn finish(mut self) -> Result<(), String> {
        self.intervals.finish(Instant::now()).map_err(unwritable(self.path))
    }
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> String {
    |error| format!("cannot write {}: {error}", path.display())
}
