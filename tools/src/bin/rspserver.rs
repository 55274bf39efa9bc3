//! A pool element with one of RSPLIB's services.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::driver::{Error as DriverError, PoolElement, PoolElementOptions};
use rserpool::pool_element::PoolElementEvent;
use rserpool::session::{CookieKey, CookieProtection};
use rserpool::wire::ErrorCause;
use sctp_tools::csp::CspOptions;
use sctp_tools::detach::PidFile;
use sctp_tools::logging::LogOptions;
use sctp_tools::outages::OutageOptions;
use sctp_tools::pool_element::ElementOptions;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::services::choice::{ServiceFlags, ServiceOptions, Work};
use sctp_tools::signals::Signals;
use sctp_tools::transport::{self, TransportOptions};
use sctp_tools::{dialect, rsplib, search};
use socketapi::Stack;

const EXAMPLES: &str = "\
Examples:
  rspserver --echo                            finds a registrar by its announces
  rspserver --pingpong --registrar=192.0.2.1:3863 --policy=WeightedRoundRobin:2
  rspserver --echo --udp --local 127.0.0.3 --registrar=127.0.0.2:3863 --asapannounce=off
  rspserver --pingpong --cookie-key-file=/etc/rserpool/MyPool.key      cookies that users cannot change
  rspserver --calcapp --unsigned-cookies      where all users are trusted, or elements of RSPLIB's are in the pool
  rspserver -pingpong -poolhandle=MyPool -pppfailureafter=10      as RSPLIB spells options

-scripting runs whatever users send: as an unprivileged user, in a directory that is removed afterwards, with bounds of time and room \
(--ssmaxruntime, --ssmaxsize), and only what is signed if --sskeyring says so; all of the script's process group is ended with it. Scripts of one server can read and change each other's files, and \
processes that leave the group live on: who needs more puts the server into a container.

A session of -chargen, -pingpong, -fractal and -scripting has a thread of its own; users that come when all are taken are sent away, and turn \
to another element.

Accepted without effect: -registrarconnectmaxtrials (a registrar is sought until there is one), -sstrustdb, -ssverbose.
";

/// A year, in milliseconds.
const LONGEST_RUNTIME: u64 = 31_536_000_000;

/// What RSPLIB's rspserver takes to the nearest number that it can use.
const CLAMPED: rsplib::Clamped<'_> = &[
    ("rereginterval", 10, 1_400_000_000),
    ("capcapacity", 1, i64::MAX),
    ("capcookiemaxcalculations", 1, i64::MAX),
    ("capkeepalivetimeoutinterval", 100, 3_600_000),
    ("capkeepalivetransmissioninterval", 100, 3_600_000),
    ("capmaxjobs", 1, 10_000),
    ("fgpcookiemaxpackets", 1, u32::MAX as i64),
    ("fgpcookiemaxtime", 100, 3_600_000),
    ("fgpdatamaxtime", 100, 3_600_000),
    ("fgptransmittimeout", 1, 3_600_000),
    ("sscachemaxentries", 1, 10_000),
    ("sscachemaxsize", 128, 1 << 40),
    ("ssmaxthreads", 1, 10_000),
];

/// A pool element: a server in a pool, which pool users reach by the pool's handle. Ends at SIGINT or SIGTERM, and
/// leaves its pool before.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    #[command(flatten)]
    service: ServiceFlags,
    /// Handle of the pool; by default EchoPool, DiscardPool and so on, as the service says
    #[arg(long, alias = "pool-handle", value_parser = dialect::pool_handle)]
    poolhandle: Option<String>,
    /// SCTP port of the service, 0 for any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// End after so many milliseconds; 0: go on
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=LONGEST_RUNTIME))]
    runtime: u64,
    /// Go on in the background, once it has started, and write the process's number to this file
    #[arg(long, value_name = "FILE")]
    daemonpidfile: Option<PathBuf>,
    /// Say nothing of what happens
    #[arg(long)]
    quiet: bool,
    /// Sign cookies, and take none that are not signed: a file that all elements of the pool have, with a key of 16 or more
    /// random bytes on a line (openssl rand -hex 32). The first signs, others are accepted too. Without, cookies are not
    /// signed, as RSPLIB's: there is no key that elements of several hosts have by themselves
    #[arg(long, value_name = "FILE")]
    cookie_key_file: Option<PathBuf>,
    /// Cookies are not to be signed: say nothing of it
    #[arg(long, conflicts_with = "cookie_key_file")]
    unsigned_cookies: bool,
    /// Take no signed cookies that are older, seconds
    #[arg(long, value_name = "S", value_parser = program::seconds, requires = "cookie_key_file")]
    cookie_max_age: Option<Duration>,
    #[command(flatten)]
    element: ElementOptions,
    #[command(flatten)]
    options: ServiceOptions,
    #[command(flatten)]
    outages: OutageOptions,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

fn main() -> ExitCode {
    let ignored: Vec<_> = search::IGNORED.iter().chain(&["sstrustdb", "ssverbose"]).copied().collect();
    let arguments = rsplib::split_local(program::clamped_arguments(CLAMPED));
    let cli: Cli = program::parse_these(arguments, &ignored);
    program::run_detached("rspserver", cli.daemonpidfile.as_deref(), |signals| serve(&cli, signals))
}

fn serve(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.element.search.build_stack(&cli.transport)?;
    let work = cli.service.prepare(&cli.options)?;
    if work.gives_cookies() && cli.cookie_key_file.is_none() && !cli.unsigned_cookies {
        program::complain(
            "warning: cookies are not signed, so users can change them: see --cookie-key-file, or say --unsigned-cookies",
        );
    }
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
    let end = (cli.runtime > 0).then(|| Instant::now() + Duration::from_millis(cli.runtime));
    let mut pid_file = None;
    loop {
        let gone = cli.outages.next_uptime().map(|uptime| Instant::now() + uptime);
        let until = end.into_iter().chain(gone).min();
        if live(cli, work, stack, signals, until, &mut pid_file)? || until == end {
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
    pid_file: &mut Option<PidFile>,
) -> Result<bool, Box<dyn Error>> {
    let options = element_options(cli)?;
    let pause = options.config.reregistration_interval;
    let element = Arc::new(work.start(stack, options)?);
    let _reporter = cli.csp.report(&element)?;
    cli.say(format_args!(
        "serving at {}, {}; looking for a registrar",
        program::list(&element.local_addrs()),
        transport::carrier(stack)
    ))?;
    if let (None, Some(file)) = (&pid_file, &cli.daemonpidfile) {
        *pid_file = Some(PidFile::write(file)?);
    }
    let is_told = watch(cli, &element, pause, signals, end)?;
    // It gives up by itself.
    if !element.deregister(None)? {
        cli.say("no registrar confirmed the deregistration")?;
    }
    Ok(is_told)
}

/// Tells what happens to the registration until the end, or a signal; who has given up tries again after a pause. Whether a signal has come.
fn watch(
    cli: &Cli,
    element: &PoolElement,
    pause: Duration,
    signals: &Signals,
    end: Option<Instant>,
) -> Result<bool, Box<dyn Error>> {
    let (mut is_told, mut next_try) = (false, None);
    while !is_told && end.is_none_or(|end| Instant::now() < end) {
        is_told = signals.have_come()?;
        match element.next_event(Some(Instant::now() + program::GLANCE)) {
            Ok(event) => {
                if let PoolElementEvent::GaveUp { .. } = event {
                    next_try = Some(Instant::now() + pause);
                }
                cli.say(describe(&event))?;
            }
            Err(DriverError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        if next_try.is_some_and(|due| due <= Instant::now()) {
            next_try = None;
            element.registration().register_again();
        }
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
    let mut options = cli.element.pool_element(handle, cli.service.policy(&cli.options))?;
    options.cookies = cookie_protection(cli, handle)?;
    options.port = cli.port;
    Ok(options)
}
