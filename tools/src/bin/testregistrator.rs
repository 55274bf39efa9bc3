//! Registers many pool elements that serve nobody.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::PoolHandle;
use rserpool::wire::Policy;
use sctp_tools::csp::CspOptions;
use sctp_tools::load::{Lines, LoadOptions, Registrations, Rest, Stop, resident_bytes};
use sctp_tools::logging::LogOptions;
use sctp_tools::policy;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  testregistrator -registrar=192.0.2.1:3863 -poolelements=100 -pools=1 -policy=LeastUsed      100 elements until Ctrl-C
  testregistrator -registrar=192.0.2.1:3863 -poolelements=1000000 -pools=1000 --outstanding=32 --runtime=0 --json
  testregistrator -registrar=192.0.2.1:3863 -poolelements=100000000 -pools=1000 --stop-p99=100 --stop-memory=8 \
--memory-of=$(pidof rspregistrar) --runtime=0

Elements are gone when this program is: a registrar notices by the end of their associations.
";

/// Registers pool elements with a registrar, as many as wanted or as it bears, tells how long that takes, and acknowledges
/// Keep-Alives until it ends.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    /// Pool elements altogether
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
    poolelements: u64,
    /// Pools, which get the elements in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pools: u32,
    /// How the pools' handles begin: a number follows, if there are several
    #[arg(long, alias = "pool-handle", value_parser = program::pool_handle, default_value = "TestPool")]
    poolhandle: String,
    /// Policy, with its numbers
    #[arg(long, value_parser = policy::parse, default_value = "RoundRobin")]
    policy: Policy,
    /// Stop when the p99 of 10,000 registrations in a row is longer, milliseconds, or when the registrar bears no more: it does not
    /// answer, or an association with it is lost
    #[arg(long, value_name = "MS")]
    stop_p99: Option<u64>,
    /// Stop when the processes of --memory-of hold more, GiB
    #[arg(long, value_name = "GIB", requires = "memory_of", value_parser = clap::value_parser!(u64).range(..=1 << 20))]
    stop_memory: Option<u64>,
    /// Stop when so many seconds are over
    #[arg(long, value_name = "S", value_parser = program::seconds)]
    stop_time: Option<Duration>,
    /// The registrar's processes, on this host: what they hold in the end is told
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    memory_of: Vec<u32>,
    /// Keep the elements registered for so many seconds; by default until SIGINT or SIGTERM
    #[arg(long, value_name = "S", value_parser = program::seconds)]
    runtime: Option<Duration>,
    /// Print the summary as a JSON object
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

#[derive(Serialize)]
struct Outcome<'a> {
    #[serde(flatten)]
    summary: sctp_tools::load::Summary,
    last_p99_us: u128,
    held_bytes: u64,
    end: Option<&'a str>,
    refusal: Option<&'a str>,
}

fn main() -> ExitCode {
    let cli: Cli = program::parse(&[]);
    program::run("testregistrator", |signals| register(&cli, signals))
}

fn register(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.transport.build_stack()?;
    if let Some(process) = cli.memory_of.iter().find(|process| resident_bytes(**process) == 0) {
        return Err(format!("--memory-of: there is no process {process} that holds memory").into());
    }
    let memory = cli.stop_memory.map(|gib| (gib << 30, cli.memory_of.clone()));
    let time = cli.stop_time.map(|time| Instant::now() + time);
    let stop = Stop { p99: cli.stop_p99.map(Duration::from_millis), memory, time };
    let mut work = Registrations::new(cli.pools(), cli.policy, cli.poolelements, stop);
    let Some(mut lines) = Lines::connect(&stack, &cli.load, signals)? else { return Ok(()) };
    let _reporter = cli.csp.report(lines.watched())?;
    let start = Instant::now();
    let elapsed = match lines.run(&mut work, None, signals) {
        // It bears no more.
        Err(error) if cli.is_for_limits() => {
            work.end_by(&error);
            return tell(cli, &work, start.elapsed());
        }
        elapsed => elapsed?,
    };
    tell(cli, &work, elapsed)?;
    let until = cli.runtime.map(|runtime| Instant::now() + runtime);
    lines.run(&mut Rest { until }, None, signals)?;
    Ok(())
}

fn tell(cli: &Cli, work: &Registrations, elapsed: Duration) -> Result<(), Box<dyn Error>> {
    let (end, refusal) = (work.end(), work.refusal());
    let summary = work.times().summary(elapsed);
    if cli.json {
        let held_bytes = cli.memory_of.iter().map(|process| resident_bytes(*process)).sum();
        let outcome = Outcome { summary, last_p99_us: work.last_p99().as_micros(), held_bytes, end, refusal };
        return Ok(program::say(serde_json::to_string(&outcome)?)?);
    }
    program::say(&summary)?;
    for why in end.iter().chain(&refusal) {
        program::say(format_args!("stopped: {why}"))?;
    }
    Ok(())
}

impl Cli {
    /// Whether it is to be found out how many elements the registrar bears.
    fn is_for_limits(&self) -> bool {
        self.stop_p99.is_some() || self.stop_memory.is_some()
    }

    fn pools(&self) -> Vec<PoolHandle> {
        match self.pools {
            1 => vec![self.poolhandle.as_str().into()],
            many => {
                (1..=many).map(|number| PoolHandle::from(&*format!("{}-{number}", self.poolhandle))).collect()
            }
        }
    }
}
