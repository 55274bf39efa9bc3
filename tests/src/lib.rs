//! What the tests of the whole need: networks of their own, programs under a time limit, tshark as judge.
//!
//! Everything here is made by the test and undone when it ends: namespaces ([`Lab`]), processes ([`Program`]).
//! A test that cannot run on this machine says so with [`skip`].

mod compile;
mod harness;
mod lab;
mod launch;
mod patience;
mod perf;
mod program;
mod rsplib;
mod tshark;
mod usrsctp;

pub use compile::Programs;
pub use harness::{Options, Run};
pub use lab::{Host, Lab};
pub use launch::{LIMIT, finish, hear, sctp_run, sctp_run_on, start, start_our_own, start_ready};
pub use patience::{look_every, look_until, wait_until};
pub use perf::{PerfServer, perf_result, run_perf_client, start_perf_client};
pub use program::{Program, ProgramError, built, built_as, built_for_musl};
pub use rsplib::{has_rsplib_or_skip, registrar_command, server_command, terminal_command};
pub use tshark::{
    Capture, chunk_types, count_packets, has_judge_or_skip, packet_fields, packets_judged_malformed,
    source_ports,
};
pub use usrsctp::{has_usrsctp_or_skip, start_usrsctp, start_usrsctp_server};

/// Says that a test cannot run here, and why; `tests/run --ci` counts it as a failure.
pub fn skip(why: &str) {
    println!("SKIPPED: {why}");
}

/// Whether this process may make namespaces and raw sockets; says SKIPPED if not.
pub fn is_root_or_skip() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("needs root, to make network namespaces");
    }
    root
}

/// Whether `program` is installed; says SKIPPED if not, with the package that holds it.
pub fn is_installed_or_skip(program: &str, package: &str) -> bool {
    let found = if program.contains('/') {
        std::path::Path::new(program).exists()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).exists())
    };
    if !found {
        skip(&format!("{program} is missing: install the package {package}"));
    }
    found
}
