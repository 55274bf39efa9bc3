//! A user of the CalcApp service.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use rserpool::driver::PoolUser;
use sctp_tools::csp::CspOptions;
use sctp_tools::logging::LogOptions;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::search::{self, SearchOptions};
use sctp_tools::services::calcapp::client::{Client, JobOptions};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;

const EXAMPLES: &str = "\
Examples:
  calcappclient                               a job every 15 s, to CalcAppPool
  calcappclient -jobinterval=2 -jobsize=1e6 -runtime=600 -vector=user.vec -scalar=user.sca
  calcappclient --registrar=192.0.2.1:3863 --count=10 --vector= --scalar=      writes no files

A job survives its element: the next one goes on from the last cookie, or from the beginning if there was none. A rejected job \
is offered to another element after a second.

Accepted without effect: -registrarconnectmaxtrials, -registrarrequestmaxtrials, -daemonpidfile.
";

/// Has jobs done by a pool, one after the other, and writes down how long each took. Ends at SIGINT or SIGTERM.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = program::pool_handle, default_value = "CalcAppPool")]
    poolhandle: String,
    #[command(flatten)]
    jobs: JobOptions,
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
    let ignored: Vec<_> = search::IGNORED.iter().chain(&["daemonpidfile"]).copied().collect();
    let cli: Cli = program::parse(&ignored);
    program::run("calcappclient", |signals| have_done(&cli, signals))
}

fn have_done(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.search.build_stack(&cli.transport)?;
    let client = Client::new(&cli.jobs)?;
    let user = Arc::new(PoolUser::start(&stack, cli.search.pool_user())?);
    let _reporter = cli.csp.report(&user)?;
    client.run(&user, &cli.poolhandle.as_str().into(), signals)
}
