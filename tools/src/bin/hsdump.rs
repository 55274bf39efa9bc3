//! Prints a registrar's handlespace.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rserpool::wire::ENRP_PPID;
use rserpool::{Profile, RegistrarId};
use sctp_tools::csp::CspOptions;
use sctp_tools::dump::{self, Dump, DumpError, Json, Request, Tree};
use sctp_tools::federation;
use sctp_tools::location::{DnsOptions, Location};
use sctp_tools::logging::LogOptions;
use sctp_tools::program;
use sctp_tools::transport::TransportOptions;
use sctp_tools::watched::Watched;
use socketapi::Stack;

const EXAMPLES: &str = "\
Examples:
  hsdump 192.0.2.1:9901                       what the registrar knows
  hsdump 192.0.2.1 --own                      only elements whose home it is
  hsdump 127.0.0.2 --udp --local 127.0.0.5 --json | jq '.pools[].handle'

It poses as another registrar, since only those get a handlespace (RFC 5353, 3.2.3), and says that it has no elements and is gone again: \
registrars of this project forget it at once. RSPLIB's keeps it among its peers until it has been silent for some ten seconds, then asks the others whether to take \
its elements over, of which there are none. If another registrar fails in that time, RSPLIB's waits in vain for this one to agree to its \
takeover: look at RSPLIB's registrars when all are well, and not again and again.

Exit codes: 0 all is printed; 1 failed, standard error says why; 2 wrong usage.
";

/// Prints all pools and pool elements that a registrar knows, by asking it as another registrar would (ENRP).
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    /// The registrar's ENRP side: ADDRESS, ADDRESS:PORT (by default 9901), or several addresses with commas between them; or a name, NAME
    /// or NAME:PORT, or a service with SRV records, of which the first registrar that answers is asked
    #[arg(value_name = "A[:P],...|NAME", default_value = "127.0.0.1:9901", value_parser = federation::known)]
    registrar: Location,
    #[command(flatten)]
    dns: DnsOptions,
    /// Only the elements that the registrar itself owns
    #[arg(long)]
    own: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Identifier to pose with, decimal or 0x...; random by default
    #[arg(long, value_name = "ID", value_parser = program::number)]
    identifier: Option<u32>,
    /// How long to wait for each answer, seconds
    #[arg(long, value_name = "S", default_value = "5", value_parser = program::seconds)]
    patience: Duration,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

fn main() -> ExitCode {
    let cli: Cli = program::parse(&[]);
    match dump(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            program::complain(format_args!("hsdump: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn dump(cli: &Cli) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.transport.build_stack()?;
    let id = RegistrarId(cli.identifier.unwrap_or_else(|| rand::random_range(1..=u32::MAX)));
    let request = Request { id, own_only: cli.own, patience: cli.patience };
    let dump = fetch(cli, &stack, &request)?;
    match cli.json {
        true => program::say(serde_json::to_string(&Json::from(&dump))?)?,
        false => program::say(Tree(&dump))?,
    }
    Ok(())
}

/// Of several registrars with one name the first that can be asked will do.
fn fetch(cli: &Cli, stack: &Stack, request: &Request) -> Result<Dump, Box<dyn Error>> {
    let watched = Watched::new(stack, ENRP_PPID);
    watched.say("fetches a handlespace", 1);
    let _reporter = cli.csp.report(&watched)?;
    let mut failure = None;
    for registrar in cli.registrar.look_up(&cli.dns.names(Profile::Rsplib))? {
        match dump::fetch(stack, &registrar, request) {
            Err(error @ (DumpError::Socket(_) | DumpError::Silent(_))) => failure = Some(error),
            result => return Ok(result?),
        }
    }
    Err(failure.map_or_else(|| "the name stands for nobody".into(), Into::into))
}
