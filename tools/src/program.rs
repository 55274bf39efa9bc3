//! How the RSerPool programs begin and end.

use std::convert::Infallible;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rserpool::driver::{Error as DriverError, Session};
use rserpool::pool_user::ResolutionError;
use rserpool::session::SessionEvent;
use rserpool::transport::LostReason;
use rserpool::wire::PoolElement;

use crate::detach;
use crate::output::Output;
use crate::rsplib::{self, Clamped, Ignored};
use crate::signals::Signals;

/// Exit codes, for the help texts.
pub const EXIT_CODES: &str = "\
Exit codes: 0 ended as asked, also by SIGINT or SIGTERM; 1 failed, standard error says \
why; 2 wrong usage.";

/// For the help texts of clients that can be told how much is to be done.
pub const CLIENT_EXIT_CODES: &str = "\
Exit codes: 0 done, or ended by SIGINT or SIGTERM where no end was asked for; 1 failed, standard error says why; 2 wrong usage; \
130 ended by SIGINT or SIGTERM before all was done that was asked for.";

/// What ends a program with an exit code of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It was told what cannot be.
    #[error("{0}")]
    WrongUsage(String),
    /// A signal came before it had done what it was asked for.
    #[error("a signal has ended it before it was done")]
    Interrupted,
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::WrongUsage(_) => 2,
            Self::Interrupted => 130,
        }
    }
}

/// Reads the command line in GNU's and in RSPLIB's spelling; tells of options in `ignored` that have no effect. Of an option
/// that is there twice the last one counts, as with RSPLIB's programs.
pub fn parse<C: Parser>(ignored: Ignored<'_>) -> C {
    parse_these(std::env::args_os().collect(), ignored)
}

/// The same with another command line.
pub fn parse_these<C: Parser>(arguments: Vec<OsString>, ignored: Ignored<'_>) -> C {
    let (arguments, taken) = rsplib::arguments(arguments, ignored);
    for name in taken {
        warn(format_args!("-{name} has no effect"));
    }
    let matches = C::command().args_override_self(true).get_matches_from(arguments);
    C::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut C::command()).exit())
}

/// The command line, in which numbers out of these ranges are taken to the nearest that is possible, if they are in RSPLIB's spelling; tells
/// of it.
pub fn clamped_arguments(ranges: Clamped<'_>) -> Vec<OsString> {
    let (arguments, changes) = rsplib::clamp(std::env::args_os().collect(), ranges);
    for change in changes {
        warn(format_args!("{change}, the nearest that is possible"));
    }
    arguments
}

/// Runs a program, whose signals are held back, to its end.
pub fn run(name: &str, program: impl FnOnce(&Signals) -> Result<(), Box<dyn Error>>) -> ExitCode {
    run_detached(name, None, program)
}

/// The same in the background, if there is a file for the process's number: it has to [write](detach::PidFile::write) that once it has
/// started.
pub fn run_detached(
    name: &str,
    pid_file: Option<&Path>,
    program: impl FnOnce(&Signals) -> Result<(), Box<dyn Error>>,
) -> ExitCode {
    run_by_itself(name, pid_file, || program(&Signals::hold()?))
}

/// The same of a program that holds its signals back by itself.
pub fn run_by_itself(
    name: &str,
    pid_file: Option<&Path>,
    program: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> ExitCode {
    let result = match pid_file.map(detach::start).transpose() {
        Ok(Some(Some(code))) => return code,
        Ok(_) => program(),
        Err(error) => Err(error.into()),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    complain(format_args!("{name}: {error}"));
    error.downcast_ref().map_or(ExitCode::FAILURE, |failure: &Failure| ExitCode::from(failure.code()))
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

/// No time that a person gives is longer: a year.
const LONGEST: f64 = 31_536_000.0;
/// Threads are not for free.
const MOST_SESSIONS: usize = 10_000;
/// Longer handles make RSPLIB's programs abort.
const LONGEST_HANDLE: usize = 32;

/// A time in seconds, perhaps with a fraction.
///
/// # Errors
/// What is wrong with it.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds from 0 to {LONGEST} is needed")),
    }
}

/// A number above zero, such as 1e6.
///
/// # Errors
/// What is wrong with it.
pub fn positive(text: &str) -> Result<f64, String> {
    not_negative(text)
        .ok()
        .filter(|number| *number > 0.0)
        .ok_or_else(|| "a number above zero is needed, such as 1000000 or 1e6".into())
}

/// A number, zero or above, such as 1e6.
///
/// # Errors
/// What is wrong with it.
pub fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number >= 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number from zero on is needed, such as 1000000 or 1e6".into()),
    }
}

/// The name of a file, or none.
///
/// # Errors
/// None.
pub fn file(text: &str) -> Result<PathBuf, Infallible> {
    Ok(text.into())
}

/// A number from 0 to 1.
///
/// # Errors
/// What is wrong with it.
pub fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("a number from 0 to 1 is needed".into()),
    }
}

/// How many sessions, each of which takes a thread.
///
/// # Errors
/// What is wrong with it.
pub fn sessions(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(sessions @ 1..=MOST_SESSIONS) => Ok(sessions),
        _ => Err(format!("a number from 1 to {MOST_SESSIONS} is needed")),
    }
}

/// A pool handle.
///
/// # Errors
/// What is wrong with it.
pub fn pool_handle(text: &str) -> Result<String, String> {
    match text.len() {
        1..=LONGEST_HANDLE => Ok(text.into()),
        length => Err(format!("a pool handle has 1 to {LONGEST_HANDLE} bytes, this one has {length}")),
    }
}

/// Writes a line to standard output, whose reader may have gone, or read nothing until a signal comes.
///
/// # Errors
/// The system's.
pub fn say(line: impl Display) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(Output::PIECE, Output::new());
    writeln!(output, "{line}")?;
    output.flush()
}

/// Writes bytes to standard output, as [`say`] does.
///
/// # Errors
/// The system's.
pub fn pass_on(data: &[u8]) -> io::Result<()> {
    Output::new().write_all(data)
}

/// Writes a line to standard error. If that fails there is nobody left to tell.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a warning of the command line to standard error: not again where it is read anew [in the background](detach).
pub fn warn(line: impl Display) {
    if !detach::is_begun() {
        complain(format_args!("warning: {line}"));
    }
}

/// Waits until an element serves the session. None if a signal came first.
///
/// # Errors
/// Why none could be had within `patience`.
pub fn await_element(
    session: &Session,
    patience: Duration,
    signals: &Signals,
) -> Result<Option<PoolElement>, Box<dyn Error>> {
    let end = Instant::now() + patience;
    let mut refusal = describe_waiting(Some(&ResolutionError::TimedOut));
    while !signals.have_come()? {
        let now = Instant::now();
        match session.receive(Some(end.min(now + GLANCE))) {
            Ok(SessionEvent::Connected { element }) => return Ok(Some(*element)),
            Ok(SessionEvent::Waiting { error }) => refusal = describe_waiting(error.as_ref()),
            Err(DriverError::TimedOut) if now >= end => {
                return Err(match session.element() {
                    Some(element) => {
                        format!("pool element {} does not answer: does it run?", element.id).into()
                    }
                    None => refusal.into(),
                });
            }
            Ok(_) | Err(DriverError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Why a session has no element.
pub fn describe_waiting(error: Option<&ResolutionError>) -> String {
    error.map_or_else(
        || {
            "all known elements have failed: do they run, with addresses that can be reached from here?"
                .into()
        },
        ToString::to_string,
    )
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
        SessionEvent::Waiting { error } => format!("waiting: {}", describe_waiting(error.as_ref())),
        SessionEvent::BusinessCard(card) => {
            let elements: Vec<_> = card.elements.iter().map(|element| element.id).collect();
            format!("its business card: pool {}, {}", card.pool_handle, list(&elements))
        }
        SessionEvent::Data(message) => format!("a message of {} bytes", message.data.len()),
        _ => "something else happened".into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_finite_and_no_longer_than_a_year() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for wrong in ["-1", "nan", "inf", "1e300", "18446744073709551615", "x", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pool_handles_have_a_length_that_all_peers_bear() {
        assert!(pool_handle("EchoPool").is_ok());
        assert!(pool_handle("").is_err());
        assert!(pool_handle(&"x".repeat(32)).is_ok());
        assert!(pool_handle(&"x".repeat(33)).is_err());
    }
}
