//! A terminal whose other end is a pool.

use std::error::Error;
use std::io::{self, BufRead, Read};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::driver::{PoolUser, Session};
use rserpool::session::SessionEvent;
use rserpool::transport::{LostReason, UserMessage};
use sctp_tools::csp::CspOptions;
use sctp_tools::dialect;
use sctp_tools::logging::LogOptions;
use sctp_tools::pool_user::UserOptions;
use sctp_tools::program::{self, EXIT_CODES};
use sctp_tools::search;
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;

const EXAMPLES: &str = "\
Examples:
  rspterminal                                 to the pool EchoPool
  rspterminal --poolhandle=DaytimePool --registrar=192.0.2.1:3863
  echo hello | rspterminal -registrar=127.0.0.2:3863 --udp --local 127.0.0.5

Each line is one message, in pieces of 64 KiB if it is longer. At the end of the input, replies are \
waited for as long as they keep coming (--linger), or until the element ends the session (daytime). What happens to the session is told on standard \
error. A line that was sent to an element that then failed is lost if the element had not passed it \
on: protocols that must not lose anything number their requests, as pingpongclient does.
";

/// Bytes of a message at most; longer lines are sent in pieces.
const LONGEST_MESSAGE: u64 = 65_536;

/// Sends lines of standard input to a pool, and writes the replies to standard output.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
struct Cli {
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = dialect::pool_handle, default_value = "EchoPool")]
    poolhandle: String,
    /// Payload protocol identifier of the messages
    #[arg(long, default_value_t = 0)]
    ppid: u32,
    /// How long to wait for an element at the start, seconds
    #[arg(long, value_name = "S", default_value = "30", value_parser = program::seconds)]
    patience: Duration,
    /// After the end of the input: end when nothing has come for so long, seconds
    #[arg(long, value_name = "S", default_value = "1", value_parser = program::seconds)]
    linger: Duration,
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
    program::run("rspterminal", |signals| talk(&cli, signals))
}

fn talk(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    let stack = cli.user.search.build_stack(&cli.transport)?;
    let user = Arc::new(PoolUser::start(&stack, cli.user.pool_user())?);
    let _reporter = cli.csp.report(&user)?;
    let session = Arc::new(user.open_session(cli.user.pool_handle(&cli.poolhandle)?));
    let Some(element) = program::await_element(&session, cli.patience, signals)? else { return Ok(()) };
    program::complain(format_args!("connected to {}", element.id));
    // What became of the input, once it is over.
    let input = Arc::new(OnceLock::new());
    let (sender, over) = (Arc::clone(&session), Arc::clone(&input));
    let ppid = cli.ppid;
    // It ends with the process if the input does not.
    std::thread::spawn(move || {
        // Nobody else sets it.
        let _ = over.set(send_lines(&sender, ppid).map_err(|error| error.to_string()));
    });
    let mut last = Instant::now();
    while !signals.have_come()? {
        match session.receive(Some(Instant::now() + program::GLANCE)) {
            Ok(event) => {
                let is_end =
                    matches!(event, SessionEvent::FailoverNecessary { reason: LostReason::Shutdown });
                show(event)?;
                last = Instant::now();
                if is_end && input.get().is_some() {
                    break;
                }
            }
            Err(rserpool::driver::Error::TimedOut) => {
                if input.get().is_some() && last.elapsed() >= cli.linger {
                    break;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    match input.get() {
        Some(Err(error)) => Err(error.as_str().into()),
        _ => Ok(()),
    }
}

fn send_lines(session: &Session, ppid: u32) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut input = io::stdin().lock();
    loop {
        // Bytes, not text: what is sent is what was read.
        let mut line = Vec::new();
        let read = input.by_ref().take(LONGEST_MESSAGE).read_until(b'\n', &mut line);
        if read.map_err(|error| format!("cannot read standard input: {error}"))? == 0 {
            return Ok(());
        }
        let message = UserMessage::new(ppid, line);
        while let Err(error) = session.send(&message) {
            match error {
                // A fail-over is under way.
                rserpool::driver::Error::Send(_) => std::thread::sleep(program::GLANCE),
                other => return Err(other.into()),
            }
        }
    }
}

fn show(event: SessionEvent) -> io::Result<()> {
    match event {
        SessionEvent::Data(message) => program::pass_on(&message.data),
        other => {
            program::complain(program::describe(&other));
            Ok(())
        }
    }
}
