//! `sctp-perf` as client and server on a host of a lab.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::{Host, Program, built, hear};

/// A running `sctp-perf server`.
#[derive(Debug)]
pub struct PerfServer {
    /// The process.
    pub program: Program,
}

impl PerfServer {
    /// Starts a server with these words as further arguments, and waits until it listens.
    ///
    /// # Panics
    /// If that takes longer than [`LIMIT`](crate::LIMIT).
    pub fn start(host: &Host, arguments: &str) -> Self {
        let mut program = Program::start(perf(host, "server", arguments));
        hear(&mut program, "listening");
        Self { program }
    }

    /// What it counted on the next association that ends.
    ///
    /// # Panics
    /// If none ends in good order within `limit`.
    pub fn next_count(&mut self, limit: Duration) -> Value {
        let line = self.program.wait_for("\"bytes\"", limit).unwrap_or_else(|error| panic!("{error}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// The resident memory of its process, KiB.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn resident_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).expect("the server lives");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a living process has VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("VmRSS is a number")
    }
}

/// Starts `sctp-perf client` with these words as further arguments.
pub fn start_perf_client(host: &Host, arguments: &str) -> Program {
    Program::start(perf(host, "client", arguments))
}

/// The result that a client prints, when it has ended well.
///
/// # Panics
/// If it fails, or takes longer than `limit`.
pub fn perf_result(client: Program, limit: Duration) -> Value {
    let (status, output) = client.wait(limit).unwrap_or_else(|error| panic!("{error}"));
    assert!(status.success(), "sctp-perf failed: {output}");
    let line =
        output.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no result in: {output}"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Runs `sctp-perf client` to its end.
///
/// # Panics
/// As [`perf_result`].
pub fn run_perf_client(host: &Host, arguments: &str, limit: Duration) -> Value {
    perf_result(start_perf_client(host, arguments), limit)
}

fn perf(host: &Host, role: &str, arguments: &str) -> Command {
    let mut command = host.command(&built("sctp-perf").to_string_lossy());
    command.args([role, "--json"]).args(arguments.split_whitespace());
    command
}
