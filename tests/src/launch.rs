//! Programs over our stack, each under a `sctp-run` of its own, so that each has a stack of its own.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use crate::{Host, Program, built};

/// Longer than any single step of a program takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// `sctp-run` over UDP on a loopback address; the program and its arguments are to be added.
pub fn sctp_run(address: &str) -> Command {
    let mut command = Command::new(built("sctp-run"));
    command.args(["--udp", "--local", address]);
    command
}

/// The same over raw IP, on a host of the test's, at one of its addresses.
///
/// # Panics
/// If the path of `sctp-run` is not UTF-8.
pub fn sctp_run_on(host: &Host, address: &str) -> Command {
    let mut command = host.command(built("sctp-run").to_str().expect("a path in UTF-8"));
    command.args(["--raw", "--local", address]);
    command
}

/// A program of ours, over raw IP at this address of a host.
///
/// # Panics
/// If it is not there, or cannot be started.
pub fn start_our_own(host: &Host, address: &str, program: &str, arguments: &[impl AsRef<OsStr>]) -> Program {
    let mut command = host.command(built(program).to_str().expect("a path in UTF-8"));
    command.args(["--raw", "--local", address]).args(arguments);
    Program::start(command)
}

/// Starts a program line by line: with a pipe for standard output, most would keep what they print until they end.
///
/// # Panics
/// If it cannot be started.
pub fn start(mut sctp_run: Command, program: &[impl AsRef<OsStr>]) -> Program {
    sctp_run.args(["stdbuf", "-oL"]).args(program);
    Program::start(sctp_run)
}

/// The same, once it says `ready`.
///
/// # Panics
/// As [`start`] and [`hear`].
pub fn start_ready(sctp_run: Command, program: &[impl AsRef<OsStr>], ready: &str) -> Program {
    let mut program = start(sctp_run, program);
    hear(&mut program, ready);
    program
}

/// Waits until a program prints a line that holds `text`, and returns the line.
///
/// # Panics
/// If it does not within [`LIMIT`].
pub fn hear(program: &mut Program, text: &str) -> String {
    program.wait_for(text, LIMIT).unwrap_or_else(|error| panic!("{error}"))
}

/// Waits for the end, which must be a good one; returns what was printed.
///
/// # Panics
/// If it is none, or does not come within [`LIMIT`].
pub fn finish(program: Program) -> String {
    let (status, output) = program.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    assert!(status.success(), "{status}: {output}");
    output
}
