//! Registers many pool elements that serve nobody.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::PoolHandle;
use rserpool::wire::{ASAP_PPID, Policy, PolicyField};
use sctp_tools::csp::CspOptions;
use sctp_tools::load::{self, Lines, LoadError, LoadOptions, Registrations, Rest, Stop, resident_bytes};
use sctp_tools::logging::LogOptions;
use sctp_tools::policy;
use sctp_tools::program::{self, EXIT_CODES, Failure};
use sctp_tools::rsplib::{self, Clamped};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;
use sctp_tools::watched::Watched;
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  testregistrator -registrar=192.0.2.1:3863 -poolelements=100 -pools=1 -policy=LeastUsed      100 elements until Ctrl-C
  testregistrator -registrar=192.0.2.1:3863 -poolelements=1000000 -pools=1000 --outstanding=32 --runtime=0 --json
  testregistrator -registrar=192.0.2.1:3863 -poolelements=100000000 -pools=1000 --stop-p99=100 --stop-memory=8 \
--memory-of=$(pidof rspregistrar) --runtime=0

For more than 20,000 elements of an association, 200,000 of an address or 1,000,000 in all our registrar has to be told, for example
  rspregistrar --exempt=192.0.2.9 --max-elements=100000000      where 192.0.2.9 is the address of this program

It has failed when the registrar refuses an element, unless --stop-p99 or --stop-memory asks how many it bears. Elements are gone when this program is: a \
registrar notices by the end of their associations.
";

/// Registers pool elements with a registrar, as many as wanted or as it bears, tells how long that takes, and acknowledges
/// Keep-Alives until it ends.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    /// Pool elements altogether
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
    poolelements: u64,
    /// Pools, which get the elements in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pools: u32,
    /// Handle of the pool; of several pools, how the handles begin: X-0001, X-0002... By default TestPool-0001, TestPool-0002...
    #[arg(long, value_name = "X", alias = "pool-handle", value_parser = program::pool_handle)]
    poolhandle: Option<String>,
    /// Policy, by its name or its abbreviation (rr, wrr, rand, lu, lud...), with its numbers: without, weights are 1 and all others 0
    #[arg(long, value_name = "NAME[:NUMBER...]", value_parser = policy::parse_or_usual, default_value = "RoundRobin")]
    policy: Policy,
    /// Load of the elements, from 0 to 1, if their policy has it. In RSPLIB's spelling a whole number is parts of 2^32-1: -load=2147483648
    #[arg(long = "load", value_name = "SHARE", value_parser = policy::share)]
    load_share: Option<u32>,
    /// Load degradation of the elements, if their policy has it: as --load
    #[arg(long, value_name = "SHARE", value_parser = policy::share)]
    loaddeg: Option<u32>,
    /// Weight of the elements, if their policy has it
    #[arg(long, value_name = "N", value_parser = program::number)]
    weight: Option<u32>,
    /// Time between registrations, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    pause: u64,
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

/// As RSPLIB's program takes them.
const CLAMPED: Clamped<'_> =
    &[("poolelements", 1, 4_000_000_000), ("pools", 1, 1_000_000), ("weight", 1, 0xffff_ffff)];

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
    let arguments = rsplib::shares(program::clamped_arguments(CLAMPED), &["load", "loaddeg"]);
    let cli: Cli = program::parse_these(arguments, &load::ignored(&["fastbreak", "noderegistration"]));
    program::run("testregistrator", |signals| register(&cli, signals))
}

fn register(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.load.search.build_stack(&cli.transport)?;
    if let Some(process) = cli.memory_of.iter().find(|process| resident_bytes(**process) == 0) {
        return Err(format!("--memory-of: there is no process {process} that holds memory").into());
    }
    let memory = cli.stop_memory.map(|gib| (gib << 30, cli.memory_of.clone()));
    let time = cli.stop_time.map(|time| Instant::now() + time);
    let stop = Stop { p99: cli.stop_p99.map(Duration::from_millis), memory, time };
    let mut work = Registrations::new(cli.pools()?, cli.policy(), cli.poolelements, stop)
        .paced(Duration::from_millis(cli.pause));
    let watched = Watched::new(&stack, ASAP_PPID);
    let _reporter = cli.csp.report(&watched)?;
    let Some(mut lines) = Lines::connect(&stack, &cli.load, &watched, signals)? else { return Ok(()) };
    let start = Instant::now();
    let elapsed = match lines.run(&mut work, None, signals) {
        // It bears no more.
        Err(error @ (LoadError::Ended(_) | LoadError::Silent(_) | LoadError::Socket(_)))
            if cli.is_for_limits() =>
        {
            work.end_by(&error);
            return tell(cli, &work, start.elapsed());
        }
        elapsed => elapsed?,
    };
    tell(cli, &work, elapsed)?;
    if let Some(why) = work.refusal().filter(|_| !cli.is_for_limits()) {
        return Err(format!("the registrar refuses an element: {why}").into());
    }
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

    /// Handles of the pools.
    ///
    /// # Errors
    /// [`Failure::WrongUsage`] if the last one, which is the longest, is longer than peers bear.
    fn pools(&self) -> Result<Vec<PoolHandle>, Failure> {
        let begin = match (&self.poolhandle, self.pools) {
            (Some(handle), 1) => return Ok(vec![handle.as_str().into()]),
            (handle, _) => handle.as_deref().unwrap_or("TestPool"),
        };
        let handle = |number: u32| format!("{begin}-{number:04}");
        program::pool_handle(&handle(self.pools)).map_err(Failure::WrongUsage)?;
        Ok((1..=self.pools).map(|number| handle(number).as_str().into()).collect())
    }

    fn policy(&self) -> Policy {
        let numbers = [
            (PolicyField::Load, self.load_share),
            (PolicyField::Degradation, self.loaddeg),
            (PolicyField::Weight, self.weight),
        ];
        numbers
            .into_iter()
            .fold(self.policy, |policy, (field, number)| policy::with_number(policy, field, number))
    }
}
