//! A user of the ping-pong service.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::driver::PoolUser;
use rserpool::session::SessionEvent;
use sctp_tools::csp::CspOptions;
use sctp_tools::dialect;
use sctp_tools::logging::LogOptions;
use sctp_tools::pinger::{Pinger, Reply};
use sctp_tools::pool_user::UserOptions;
use sctp_tools::program::{self, CLIENT_EXIT_CODES, Failure};
use sctp_tools::search;
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;

const EXAMPLES: &str = "\
Examples:
  pingpongclient                              one Ping every half second, to PingPongPool
  pingpongclient --registrar=192.0.2.1:3863 --interval=100 --count=50
  pingpongclient -poolhandle=MyPool -registrar=127.0.0.2:3863 --udp --local 127.0.0.5

Requests that an element had not answered when it failed are sent again to the next one.
";

/// Sends numbered Pings to a pool, and reports gaps in the numbers of the replies. Ends at SIGINT or SIGTERM, with a
/// summary.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{CLIENT_EXIT_CODES}"))]
struct Cli {
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = dialect::pool_handle, default_value = "PingPongPool")]
    poolhandle: String,
    /// Time between Pings, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// End after so many replies
    #[arg(long, value_name = "REPLIES")]
    count: Option<u64>,
    /// Requests that may wait for their replies at a time
    #[arg(long, value_name = "REQUESTS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    outstanding: u16,
    /// How long to wait for an element at the start, seconds
    #[arg(long, value_name = "S", default_value = "30", value_parser = program::seconds)]
    patience: Duration,
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
    let cli: Cli = program::parse(search::IGNORED);
    program::run("pingpongclient", |signals| ping(&cli, signals))
}

fn ping(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.user.search.build_stack(&cli.transport)?;
    let user = Arc::new(PoolUser::start(&stack, cli.user.pool_user())?);
    let _reporter = cli.csp.report(&user)?;
    let session = user.open_session(cli.user.pool_handle(&cli.poolhandle)?);
    let Some(element) = program::await_element(&session, cli.patience, signals)? else {
        return cli.end_after(0);
    };
    program::say(format_args!("connected to {}", element.id))?;
    let mut pinger = Pinger::new(Duration::from_millis(cli.interval), cli.outstanding.into());
    while !signals.have_come()? && cli.count.is_none_or(|count| pinger.counts.replies < count) {
        pinger.send_due(&session)?;
        let glance = Instant::now() + program::GLANCE;
        match session.receive(Some(pinger.next_send().map_or(glance, |due| due.min(glance)))) {
            Ok(SessionEvent::Data(message)) => {
                if let Some(reply) = pinger.handle_reply(message) {
                    tell(&reply)?;
                }
            }
            Ok(event) => {
                program::say(program::describe(&event))?;
                pinger.handle_event(&event, &session)?;
            }
            Err(rserpool::driver::Error::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    program::say(pinger.counts)?;
    cli.end_after(pinger.counts.replies)
}

impl Cli {
    /// How it ends after so many replies.
    fn end_after(&self, replies: u64) -> Result<(), Box<dyn Error>> {
        if self.count.is_some_and(|count| replies < count) {
            Err(Failure::Interrupted.into())
        } else {
            Ok(())
        }
    }
}

fn tell(reply: &Reply) -> io::Result<()> {
    let gap = match reply.gap {
        0 => String::new(),
        gap => format!("  GAP: {gap} replies missing"),
    };
    let Reply { number, message, after, .. } = reply;
    program::say(format_args!("reply {number} to request {message} after {after:.1?}{gap}"))
}
