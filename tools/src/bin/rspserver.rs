//! A pool element with one of RSPLIB's services.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::PeId;
use rserpool::driver::{Error as DriverError, PoolElementOptions};
use rserpool::pool_element::PoolElementEvent;
use rserpool::session::{CookieKey, CookieProtection};
use rserpool::wire::{ErrorCause, Policy};
use sctp_tools::csp::CspOptions;
use sctp_tools::logging::LogOptions;
use sctp_tools::outages::OutageOptions;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::search::SearchOptions;
use sctp_tools::services::choice::{ServiceFlags, ServiceOptions, Work};
use sctp_tools::signals::Signals;
use sctp_tools::transport::{self, TransportOptions};
use sctp_tools::{policy, rsplib, search};
use socketapi::Stack;

const EXAMPLES: &str = "\
Examples:
  rspserver --echo                            finds a registrar by its announces
  rspserver --pingpong --registrar=192.0.2.1:3863 --policy=WeightedRoundRobin:2
  rspserver --echo --udp --local 127.0.0.3 --registrar=127.0.0.2:3863 --asapannounce=off
  rspserver --pingpong --cookie-key-file=/etc/rserpool/MyPool.key      cookies that users cannot change
  rspserver -pingpong -poolhandle=MyPool -pppfailureafter=10      as RSPLIB spells options

-scripting runs whatever users send: as an unprivileged user, in a directory that is removed afterwards, with bounds of time and room \
(--ssmaxruntime, --ssmaxsize), and only what is signed if --sskeyring says so; all of the script's process group is ended with it. Scripts of one server can read and change each other's files, and \
processes that leave the group live on: who needs more puts the server into a container.

A session of -chargen, -pingpong, -fractal and -scripting has a thread of its own; users that come when all are taken are sent away, and turn \
to another element.

Accepted without effect: -registrarconnectmaxtrials, -registrarrequestmaxtrials, -daemonpidfile, -sstrustdb, -ssverbose.
";

/// A pool element: a server in a pool, which pool users reach by the pool's handle. Ends at SIGINT or SIGTERM, and
/// leaves its pool before.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    #[command(flatten)]
    service: ServiceFlags,
    /// Handle of the pool; by default EchoPool, DiscardPool and so on, as the service says
    #[arg(long, alias = "pool-handle", value_parser = program::pool_handle)]
    poolhandle: Option<String>,
    /// Identifier of this element, decimal or 0x...; random by default
    #[arg(long, value_name = "ID", value_parser = program::number)]
    identifier: Option<u32>,
    /// Policy of the pool, with its numbers: RoundRobin, Random, LeastUsed, WeightedRoundRobin:WEIGHT,
    /// Priority:PRIORITY, LeastUsedDegradation:SHARE... RoundRobin by default; for -scripting LeastUsedDegradation, with the share
    /// of a session
    #[arg(long, value_parser = policy::parse)]
    policy: Option<Policy>,
    /// Time between renewals of the registration, milliseconds; it lives three times as long. By default as the
    /// profile says
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=1_400_000_000))]
    rereginterval: Option<u64>,
    /// SCTP port of the service, 0 for any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// End after so many seconds; 0: go on
    #[arg(long, value_name = "S", value_parser = program::seconds)]
    runtime: Option<Duration>,
    /// Say nothing of what happens
    #[arg(long)]
    quiet: bool,
    /// Sign cookies, and take none that are not signed: a file that all elements of the pool have, with a key of 16 or more
    /// random bytes on a line (openssl rand -hex 32). The first signs, others are accepted too. Without, cookies are not
    /// signed, as RSPLIB's
    #[arg(long, value_name = "FILE")]
    cookie_key_file: Option<PathBuf>,
    /// Take no signed cookies that are older, seconds
    #[arg(long, value_name = "S", value_parser = program::seconds, requires = "cookie_key_file")]
    cookie_max_age: Option<Duration>,
    #[command(flatten)]
    options: ServiceOptions,
    #[command(flatten)]
    outages: OutageOptions,
    #[command(flatten)]
    search: SearchOptions,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

fn main() -> ExitCode {
    let ignored: Vec<_> =
        search::IGNORED.iter().chain(&["daemonpidfile", "sstrustdb", "ssverbose"]).copied().collect();
    let arguments = rsplib::split_local(std::env::args_os().collect());
    let cli: Cli = program::parse_these(arguments, &ignored);
    program::run("rspserver", |signals| serve(&cli, signals))
}

fn serve(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.search.build_stack(&cli.transport)?;
    let work = cli.service.prepare(&cli.options)?;
    let lived = live_on(cli, &work, &stack, signals);
    let written = match &work {
        Work::CalcApp(options, record) => record.lock().write_totals(options),
        _ => Ok(()),
    };
    match (lived, written) {
        (Err(error), Err(unwritten)) => Err(format!("{error}; {unwritten}").into()),
        (lived, written) => lived.and(written.map_err(Into::into)),
    }
}

/// Goes on until a signal or the time ends it: without a failure test, one life.
fn live_on(cli: &Cli, work: &Work, stack: &Stack, signals: &Signals) -> Result<(), Box<dyn Error>> {
    let end = cli.runtime.filter(|runtime| !runtime.is_zero()).map(|runtime| Instant::now() + runtime);
    loop {
        let gone = cli.outages.next_uptime().map(|uptime| Instant::now() + uptime);
        let until = end.into_iter().chain(gone).min();
        if live(cli, work, stack, signals, until)? || until == end {
            return Ok(());
        }
        let downtime = cli.outages.next_downtime();
        cli.say(format_args!("away for {:.3} s", downtime.as_secs_f64()))?;
        if signals.wait(Some(downtime))? {
            return Ok(());
        }
    }
}

/// One life of the element. Whether a signal ended it.
fn live(
    cli: &Cli,
    work: &Work,
    stack: &Stack,
    signals: &Signals,
    end: Option<Instant>,
) -> Result<bool, Box<dyn Error>> {
    let element = Arc::new(work.start(stack, element_options(cli)?)?);
    let _reporter = cli.csp.report(&element)?;
    cli.say(format_args!(
        "serving at {}, {}; looking for a registrar",
        program::list(&element.local_addrs()),
        transport::carrier(stack)
    ))?;
    let mut is_told = false;
    while !is_told && end.is_none_or(|end| Instant::now() < end) {
        is_told = signals.have_come()?;
        match element.next_event(Some(Instant::now() + program::GLANCE)) {
            Ok(event) => cli.say(describe(&event))?,
            Err(DriverError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match element.deregister(Some(Instant::now() + Duration::from_secs(5))) {
        Ok(true) => {}
        Ok(false) | Err(DriverError::TimedOut) => cli.say("no registrar confirmed the deregistration")?,
        Err(error) => return Err(error.into()),
    }
    Ok(is_told)
}

impl Cli {
    fn say(&self, line: impl Display) -> io::Result<()> {
        if self.quiet { Ok(()) } else { program::say(line) }
    }
}

/// What happened to the registration, in words.
fn describe(event: &PoolElementEvent) -> String {
    match event {
        PoolElementEvent::Registered => "registered".into(),
        PoolElementEvent::Rejected(causes) => {
            format!("the registrar rejects this element: {}", ErrorCause::list(causes))
        }
        PoolElementEvent::RegistrarLost => "the registrar is lost; looking for another one".into(),
        PoolElementEvent::HomeChanged(registrar) => format!("registrar {registrar} has taken over"),
        PoolElementEvent::GaveUp { attempts } => {
            format!("no registrar has answered {attempts} registrations")
        }
        PoolElementEvent::ErrorReported(causes) => {
            format!("a registrar reports: {}", ErrorCause::list(causes))
        }
        PoolElementEvent::Deregistered { .. } => "deregistered".into(),
        _ => "something else happened to the registration".into(),
    }
}

/// The keys of a file, for the cookies of a pool.
fn cookie_protection(cli: &Cli, pool_handle: &str) -> Result<Option<CookieProtection>, Box<dyn Error>> {
    let Some(path) = &cli.cookie_key_file else { return Ok(None) };
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Result<Vec<_>, _> = lines.map(|line| CookieKey::new(line.as_bytes())).collect();
    let mut keys = keys.map_err(|error| format!("{name}: {error}"))?.into_iter();
    let first = keys.next().ok_or_else(|| format!("{name} has no key: try openssl rand -hex 32 > {name}"))?;
    let mut protection = CookieProtection::new(pool_handle.into(), first);
    keys.for_each(|key| protection.accept(key));
    protection.max_age = cli.cookie_max_age.or(protection.max_age);
    Ok(Some(protection))
}

fn element_options(cli: &Cli) -> Result<PoolElementOptions, Box<dyn Error>> {
    let handle = cli.poolhandle.as_deref().unwrap_or(cli.service.pool_handle());
    let mut options = PoolElementOptions::new(handle.into(), Vec::new(), cli.search.profile());
    options.cookies = cookie_protection(cli, handle)?;
    cli.search.forbid_tcp()?;
    options.hunt = cli.search.hunt();
    options.sctp = cli.search.sctp();
    options.names = cli.search.names();
    options.announce = cli.search.asapannounce.0;
    options.policy = cli.policy.unwrap_or_else(|| cli.service.policy(&cli.options));
    options.port = cli.port;
    options.reregistration_interval = cli.rereginterval.map(Duration::from_millis);
    options.id = cli.identifier.map_or(options.id, PeId);
    Ok(options)
}
