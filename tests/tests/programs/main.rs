//! Debian's programs that know SCTP, unmodified, over our stack: `docs/programs.md` lists them.
//!
//! Each program that is started is under a `sctp-run` of its own, so that each end has a stack of its own.

mod diameter;
mod erlang;
mod java;
mod linux;
mod lksctp_tools;
mod measuring;
mod pipes;
mod python;
mod rsplib;
mod rsplib_linux;
mod signalling;
mod sip;

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use system_tests::{Host, Program, built};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// `sctp-run` over UDP on a loopback address; the program and its arguments are to be added.
fn sctp_run(address: &str) -> Command {
    let mut command = Command::new(built("sctp-run"));
    command.args(["--udp", "--local", address]);
    command
}

/// The same over raw IP, on a host of the test's, at one of its addresses.
fn sctp_run_on(host: &Host, address: &str) -> Command {
    let mut command = host.command(built("sctp-run").to_str().expect("a path in UTF-8"));
    command.args(["--raw", "--local", address]);
    command
}

/// Starts a program line by line: with a pipe for standard output, most would keep what they print until they end.
fn start(mut sctp_run: Command, program: &[impl AsRef<OsStr>]) -> Program {
    sctp_run.args(["stdbuf", "-oL"]).args(program);
    Program::start(sctp_run)
}

/// The same, once it says `ready`.
fn start_ready(sctp_run: Command, program: &[impl AsRef<OsStr>], ready: &str) -> Program {
    let mut program = start(sctp_run, program);
    hear(&mut program, ready);
    program
}

/// Waits until a program prints a line that holds `text`, and returns the line.
fn hear(program: &mut Program, text: &str) -> String {
    program.wait_for(text, LIMIT).unwrap_or_else(|error| panic!("{error}"))
}

/// Waits for the end, which must be a good one; returns what was printed.
fn finish(program: Program) -> String {
    let (status, output) = program.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    assert!(status.success(), "{status}: {output}");
    output
}
