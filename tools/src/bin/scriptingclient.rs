//! A user of the scripting service.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use rserpool::driver::PoolUser;
use sctp_tools::csp::CspOptions;
use sctp_tools::dialect;
use sctp_tools::logging::LogOptions;
use sctp_tools::pool_user::UserOptions;
use sctp_tools::program::{self, CLIENT_EXIT_CODES};
use sctp_tools::rsplib::Clamped;
use sctp_tools::search;
use sctp_tools::services::scripting::client::{Client, WorkOptions};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;

const EXAMPLES: &str = "\
Examples:
  tar czf work.tar.gz ssrun data
  scriptingclient -input=work.tar.gz -output=result.tar.gz
  scriptingclient -input=work.tar.gz -output=result.tar.gz -environment=simulator.tar.gz -runid=run17

The script ssrun is called with the names of its output file and of the environment (or nothing), in a directory of its own with what \
was in the package. Another element is tried if one fails, or the script does (-maxretry).

Accepted without effect: -registrarconnectmaxtrials (a registrar is sought as long as one is needed).
";

/// What RSPLIB's scriptingclient takes to the nearest number that it can use.
const CLAMPED: Clamped<'_> = &[("maxretry", 1, u32::MAX as i64), ("retrydelay", 100, 3_600_000)];

/// Has a script run by a pool. Ends when the output is there, or at SIGINT or SIGTERM.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{CLIENT_EXIT_CODES}"))]
struct Cli {
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = dialect::pool_handle, default_value = "ScriptingPool")]
    poolhandle: String,
    #[command(flatten)]
    work: WorkOptions,
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
    program::run("scriptingclient", |signals| have_run(&cli, signals))
}

fn have_run(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let client = Client::new(&cli.work, signals)?;
    let stack = cli.user.search.build_stack(&cli.transport)?;
    let user = Arc::new(PoolUser::start(&stack, cli.user.pool_user())?);
    let _reporter = cli.csp.report(&user)?;
    client.run(&user, &cli.user.pool_handle(&cli.poolhandle)?)
}
