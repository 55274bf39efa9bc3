//! A user of the CalcApp service.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use rserpool::driver::PoolUser;
use sctp_tools::csp::CspOptions;
use sctp_tools::detach::PidFile;
use sctp_tools::dialect;
use sctp_tools::logging::LogOptions;
use sctp_tools::pool_user::UserOptions;
use sctp_tools::program::{self, CLIENT_EXIT_CODES};
use sctp_tools::rsplib::Clamped;
use sctp_tools::search;
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

Accepted without effect: -registrarconnectmaxtrials (a registrar is sought as long as one is needed).
";

/// What RSPLIB's calcappclient takes to the nearest number that it can use.
const CLAMPED: Clamped<'_> =
    &[("keepalivetimeoutinterval", 100, 3_600_000), ("keepalivetransmissioninterval", 100, 3_600_000)];

/// Has jobs done by a pool, one after the other, and writes down how long each took. Ends at SIGINT or SIGTERM.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{CLIENT_EXIT_CODES}"))]
struct Cli {
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = dialect::pool_handle, default_value = "CalcAppPool")]
    poolhandle: String,
    #[command(flatten)]
    jobs: JobOptions,
    /// Go on in the background, once it has started, and write the process's number to this file
    #[arg(long, value_name = "FILE")]
    daemonpidfile: Option<PathBuf>,
    #[command(flatten)]
    user: UserOptions,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

fn main() -> ExitCode {
    let cli: Cli = program::parse_these(program::clamped_arguments(CLAMPED), search::IGNORED);
    program::run_detached("calcappclient", cli.daemonpidfile.as_deref(), |signals| have_done(&cli, signals))
}

fn have_done(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.user.search.build_stack(&cli.transport)?;
    let client = Client::new(&cli.jobs)?;
    let user = Arc::new(PoolUser::start(&stack, cli.user.pool_user())?);
    let _reporter = cli.csp.report(&user)?;
    let pool_handle = cli.user.pool_handle(&cli.poolhandle)?;
    let _pid_file = cli.daemonpidfile.as_deref().map(PidFile::write).transpose()?;
    client.run(&user, &pool_handle, signals)
}
