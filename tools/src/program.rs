//! How the RSerPool programs begin and end.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rserpool::session::SessionEvent;
use rserpool::transport::LostReason;

use crate::rsplib::{self, Ignored};
use crate::signals::Signals;

/// Exit codes, for the help texts.
pub const EXIT_CODES: &str = "\
Exit codes: 0 ended as asked, also by SIGINT or SIGTERM; 1 failed, standard error says why; 2 wrong usage.";

/// Reads the command line in GNU's and in RSPLIB's spelling; tells of options in `ignored` that have no effect.
pub fn parse<C: Parser>(ignored: Ignored<'_>) -> C {
    let (arguments, taken) = rsplib::arguments(std::env::args_os(), ignored);
    for name in taken {
        eprintln!("warning: -{name} has no effect yet");
    }
    C::parse_from(arguments)
}

/// Runs a program, whose signals are held back, to its end.
pub fn run(name: &str, program: impl FnOnce(&Signals) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let result = Signals::hold().map_err(Into::into).and_then(|signals| program(&signals));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long a program waits for something before it looks for signals.
pub const GLANCE: Duration = Duration::from_millis(100);

/// A number, decimal or with 0x.
///
/// # Errors
/// What is wrong with it.
pub fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a number from 0 to 4294967295, or 0x0 to 0xffffffff, is needed".into())
}

/// Items with commas between them.
pub fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

/// What happened in a session, in words.
pub fn describe(event: &SessionEvent) -> String {
    match event {
        SessionEvent::Connected { element } => format!("connected to {}", element.id),
        SessionEvent::FailoverNecessary { reason } => format!("the element failed: {}", signal(*reason)),
        SessionEvent::FailoverComplete { element, has_cookie: true } => {
            format!("another element goes on from the cookie: {}", element.id)
        }
        SessionEvent::FailoverComplete { element, .. } => {
            format!("another element starts anew: {}", element.id)
        }
        SessionEvent::Waiting { error: Some(error) } => format!("waiting: {error}"),
        SessionEvent::Waiting { error: None } => "waiting: all known elements have failed".into(),
        other => format!("{other:?}"),
    }
}

/// The signal of the network that ended an association.
pub fn signal(reason: LostReason) -> &'static str {
    match reason {
        LostReason::Shutdown => "SHUTDOWN",
        LostReason::Aborted => "ABORT",
        LostReason::TimedOut => "time-out",
        LostReason::Unreachable => "ICMP",
        _ => "given up here",
    }
}
