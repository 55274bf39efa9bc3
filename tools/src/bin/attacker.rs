//! Attacks a registrar.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rserpool::transport::Peer;
use rserpool::wire::Policy;
use sctp_tools::attack::{Attack, Kind, Plan};
use sctp_tools::location;
use sctp_tools::logging::LogOptions;
use sctp_tools::policy;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;

const EXAMPLES: &str = "\
Examples:
  attacker --registrar=192.0.2.1:3863 --type=handleresolution --rate=1000 --duration=10
  attacker --registrar=192.0.2.1:3863 --type=report --rate=100       until SIGINT: do elements disappear?
  attacker --registrar=192.0.2.1:3863 --type=registration --rate=500 --pools=100 --associations=10
  attacker --registrar=192.0.2.1:3863 --type=association --rate=200 --associations=5000
  attacker -type=handleresolution -interval=10 -registrar=127.0.0.2:3863 --udp --local 127.0.0.5

What helps against it: rspregistrar --help, \"Options of protection\".
";

/// Attacks a registrar, to see whether its users are served all the same. For registrars and networks of your own: an attack is felt by
/// all who use the registrar, and its traffic by all on the way. Ends at SIGINT or SIGTERM, and tells what was achieved.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    /// The registrar, with all its addresses: ADDRESS:PORT,ADDRESS...
    #[arg(long, value_name = "A[:P],...", value_parser = location::registrar)]
    registrar: Peer,
    /// What to ask for
    #[arg(long = "type", value_enum, default_value_t = Kind::HandleResolution)]
    kind: Kind,
    /// Time between messages (or new associations), milliseconds, perhaps with a fraction
    #[arg(long, value_name = "MS", default_value = "100", value_parser = interval, conflicts_with = "rate")]
    interval: f64,
    /// Messages (or new associations) per second, up to 1,000,000, instead of an interval
    #[arg(long, value_name = "1/S", value_parser = rate)]
    rate: Option<f64>,
    /// Associations at a time, up to 10,000; messages go over one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    associations: u16,
    /// Open each association from one of the local addresses only, the next one each time: each is another user
    #[arg(long)]
    spread: bool,
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = program::pool_handle, default_value = "EchoPool")]
    poolhandle: String,
    /// Pools; with more than one, a number follows the handle
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pools: u32,
    /// Different elements that are registered, again and again; a new one each time by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    identities: Option<u32>,
    /// Elements to ask for in a handle resolution; 0: as many as the registrar likes
    #[arg(long, value_name = "N", default_value_t = 0)]
    items: u32,
    /// Policy of the elements that are registered
    #[arg(long, value_name = "NAME[:NUMBER...]", default_value = "RoundRobin", value_parser = policy::parse)]
    policy: Policy,
    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = program::seconds)]
    duration: Option<Duration>,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    log: LogOptions,
}

/// Options that RSPLIB's programs have in common, and that have no use here.
const IGNORED: &[&str] = &[
    "asapannounce",
    "registrarannouncetimeout",
    "registrarconnecttimeout",
    "registrarconnectmaxtrials",
    "registrarrequesttimeout",
    "registrarresponsetimeout",
    "registrarrequestmaxtrials",
    "cspserver",
    "cspinterval",
];

fn interval(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(millis) if (0.001..=3_600_000.0).contains(&millis) => Ok(millis),
        _ => Err("a number of milliseconds from 0.001 to 3600000 is needed".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("a number per second from 0.001 to 1000000 is needed".into()),
    }
}

impl Cli {
    fn plan(&self) -> Plan {
        Plan {
            kind: self.kind,
            registrar: self.registrar.clone(),
            rate: self.rate.unwrap_or(1000.0 / self.interval),
            associations: self.associations.into(),
            spread: self.spread,
            pool_handle: self.poolhandle.clone(),
            pools: self.pools,
            identities: self.identities,
            items: self.items,
            policy: self.policy,
            duration: self.duration,
        }
    }
}

fn main() -> ExitCode {
    let cli: Cli = program::parse(IGNORED);
    program::run("attacker", |signals| attack(&cli, signals))
}

fn attack(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.transport.builder()?.linger(Duration::ZERO).build()?;
    let tally = Attack::new(&stack, &cli.plan()).run(signals)?;
    Ok(program::say(tally)?)
}
