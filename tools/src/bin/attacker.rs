//! Attacks a registrar.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rserpool::transport::Peer;
use rserpool::wire::{ASAP_PPID, Policy, PolicyField};
use sctp_tools::attack::{Attack, Kind, NOWHERE, Plan};
use sctp_tools::csp::CspOptions;
use sctp_tools::load;
use sctp_tools::logging::LogOptions;
use sctp_tools::policy;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::search::SearchOptions;
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;
use sctp_tools::watched::Watched;

const EXAMPLES: &str = "\
Examples:
  attacker --registrar=192.0.2.1:3863 --type=handleresolution --rate=1000 --duration=10
  attacker --registrar=192.0.2.1:3863 --type=report --rate=100       until SIGINT: do elements disappear?
  attacker --registrar=192.0.2.1:3863 --type=registration --rate=500 --pools=100 --associations=10
  attacker --registrar=192.0.2.1:3863 --type=association --rate=200 --associations=5000
  attacker -type=handleresolution -interval=0.01 -registrar=127.0.0.2:3863 --udp --local 127.0.0.5      100 each second

It has failed if no association has come up. What helps against it: rspregistrar --help, \"Options of protection\".
";

/// Attacks a registrar, to see whether its users are served all the same. For registrars and networks of your own: an attack is felt by
/// all who use the registrar, and its traffic by all on the way. So it has to be named: who announces himself is not attacked. Ends at
/// SIGINT or SIGTERM, and tells what was achieved.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
#[command(mut_arg("registrar", |registrar| registrar.required(true)))]
struct Cli {
    /// What to ask for
    #[arg(long = "type", value_enum, default_value_t = Kind::Registration)]
    kind: Kind,
    /// Time between messages (or new associations), seconds, perhaps with a fraction
    #[arg(long, value_name = "S", default_value = "1", value_parser = interval, conflicts_with = "rate")]
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
    /// Different elements that are registered, again and again; by default a new one each time, or if --identifier names one, that
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    identities: Option<u32>,
    /// Identifier of the first element that is registered, decimal or 0x...; those of others follow. Random by default
    #[arg(long, value_name = "ID", value_parser = program::number)]
    identifier: Option<u32>,
    /// SCTP port where elements that are registered are said to be
    #[arg(long, value_name = "PORT", default_value_t = NOWHERE, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// How likely it is that an element which a handle resolution brought is reported as unreachable, from 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = program::probability)]
    reportunreachableprobability: f64,
    /// Elements to ask for in a handle resolution; 0: as many as the registrar likes
    #[arg(long, value_name = "N", default_value_t = 0)]
    items: u32,
    /// Policy of the elements that are registered
    #[arg(long, value_name = "NAME[:NUMBER...]", default_value = "RoundRobin", value_parser = policy::parse)]
    policy: Policy,
    /// Load degradation of these elements, from 0 to 1, if their policy has it
    #[arg(long, value_name = "SHARE", value_parser = policy::share)]
    loaddegoverride: Option<u32>,
    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = program::seconds)]
    duration: Option<Duration>,
    #[command(flatten)]
    search: SearchOptions,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

/// How long a registrar may take to be found by its name.
const PATIENCE: Duration = Duration::from_secs(30);

fn interval(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.000_001..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.000001 to 3600 is needed".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("a number per second from 0.001 to 1000000 is needed".into()),
    }
}

impl Cli {
    fn plan(&self, registrar: Peer) -> Plan {
        Plan {
            kind: self.kind,
            registrar,
            sctp: self.search.sctp(),
            rate: self.rate.unwrap_or(1.0 / self.interval),
            associations: self.associations.into(),
            spread: self.spread,
            pool_handle: self.poolhandle.clone(),
            pools: self.pools,
            identities: self.identities.or(self.identifier.map(|_| 1)),
            identifier: self.identifier.unwrap_or_else(rand::random),
            port: self.port,
            items: self.items,
            reported: self.reportunreachableprobability,
            policy: policy::with_number(self.policy, PolicyField::Degradation, self.loaddegoverride),
            duration: self.duration,
        }
    }
}

fn main() -> ExitCode {
    // It waits for no answer in any case.
    let cli: Cli = program::parse(&load::ignored(&["dontwait"]));
    program::run("attacker", |signals| attack(&cli, signals))
}

fn attack(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.search.builder(&cli.transport)?.linger(Duration::ZERO).build()?;
    let watched = Watched::new(&stack, ASAP_PPID);
    let _reporter = cli.csp.report(&watched)?;
    watched.say("looks for the registrar", 0);
    let Some(registrar) = cli.search.find(&stack, PATIENCE, signals)? else { return Ok(()) };
    let tally = Attack::new(&stack, &cli.plan(registrar), &watched).run(signals)?;
    program::say(&tally)?;
    match tally.up {
        0 if !signals.have_come()? => Err("no association has come up: is a registrar there?".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(more: &[&str]) -> Plan {
        let cli = Cli::try_parse_from(["attacker", "--registrar=192.0.2.1"].iter().chain(more)).unwrap();
        cli.plan("192.0.2.1:3863".parse::<std::net::SocketAddr>().unwrap().into())
    }

    #[test]
    fn an_interval_is_in_seconds_as_with_rsplib_s() {
        let usual = plan(&[]);
        assert_eq!((usual.rate, usual.kind), (1.0, Kind::Registration));
        assert!((plan(&["--interval=0.01"]).rate - 100.0).abs() < 1e-6);
        assert!((plan(&["--rate=30"]).rate - 30.0).abs() < 1e-6);
        assert!(interval("0").is_err() && interval("3601").is_err() && interval("x").is_err());
    }

    #[test]
    fn an_element_that_is_named_is_registered_again_and_again() {
        let (named, unnamed) = (plan(&["--identifier=0xabc", "--port=4711"]), plan(&["--rto-min=77"]));
        assert_eq!((named.identifier, named.identities, named.port), (0xabc, Some(1), 4711));
        assert_eq!((unnamed.identities, unnamed.sctp.rto_min), (None, Duration::from_millis(77)));
    }

    #[test]
    fn degradation_is_overridden() {
        let plan = plan(&["--policy=LeastUsedDegradation:0.1", "--loaddegoverride=0.5"]);
        assert_eq!(plan.policy.field(PolicyField::Degradation), policy::share("0.5").unwrap());
    }
}
