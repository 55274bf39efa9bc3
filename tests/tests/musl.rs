//! Programs for musl, as in Alpine Linux, beside programs for glibc.
//!
//! The shim for musl needs Rust's library for musl, which not every machine has (`rustup target add
//! x86_64-unknown-linux-musl`): where it is there, `tests/run` builds that shim and runs the tests that are ignored here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use system_tests::{Program, Programs, built, built_for_musl};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// `sctp-run` as it is installed, with its shims beside it.
struct Installed {
    folder: TempDir,
}

impl Installed {
    fn with(shims: &[(&Path, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::copy(built("sctp-run"), folder.path().join("sctp-run")).expect("a copy");
        for (shim, name) in shims {
            std::fs::copy(shim, folder.path().join(name)).expect("a copy");
        }
        Self { folder }
    }

    fn with_both() -> Self {
        let (glibc, musl) = (built("libsctp_preload.so"), built_for_musl("libsctp_preload.so"));
        Self::with(&[(&glibc, "libsctp_preload.so"), (&musl, "libsctp_preload-musl.so")])
    }

    fn start(&self, local: &str, program: PathBuf, arguments: &[&str]) -> Program {
        let mut command = Command::new(self.folder.path().join("sctp-run"));
        command.args(["--udp", "--local", local]).arg(program).args(arguments);
        Program::start(command)
    }
}

/// Waits for the end, which must be a good one; returns what was printed.
fn finish(program: Program) -> String {
    let (status, output) = program.wait(LIMIT).expect("it ends");
    assert!(status.success(), "{status}: {output}");
    output
}

#[test]
fn without_a_shim_for_musl_its_programs_are_refused_with_what_to_do() {
    let Some(programs) = Programs::compile_for_musl(&["echo_client"]) else { return };
    let installed = Installed::with(&[(&built("libsctp_preload.so"), "libsctp_preload.so")]);
    let client = installed.start("127.0.95.2", programs.path("echo_client"), &["127.0.95.2", "5000", "1"]);
    let (status, output) = client.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(126), "{output}");
    for alternative in ["--seccomp", "libsctp_preload-musl.so", "--target x86_64-unknown-linux-musl"] {
        assert!(output.contains(alternative), "{alternative} is missing: {output}");
    }
}

/// A server and a client of these names, each for one of the C libraries, and the other way round. They are told the server's
/// address between these words.
fn talk(names: [&str; 2], words: [(&str, &[&str]); 2], addresses: [[&str; 2]; 2], said: &str) {
    let (Some(glibc), Some(musl)) = (Programs::compile(&names), Programs::compile_for_musl(&names)) else {
        return;
    };
    let installed = Installed::with_both();
    for ([of_server, of_client], [at, from]) in [[&glibc, &musl], [&musl, &glibc]].into_iter().zip(addresses)
    {
        let arguments = words.map(|(first, rest)| {
            let first = (!first.is_empty()).then_some(first);
            first.into_iter().chain([at]).chain(rest.iter().copied()).collect::<Vec<_>>()
        });
        let mut server = installed.start(at, of_server.path(names[0]), &arguments[0]);
        server.wait_for("listening", LIMIT).expect("it listens");
        let client = installed.start(from, of_client.path(names[1]), &arguments[1]);
        assert!(finish(client).contains(said));
        finish(server);
    }
}

#[test]
#[ignore = "needs the shim for musl"]
fn a_stream_is_echoed_between_the_c_libraries() {
    talk(
        ["echo_server", "echo_client"],
        [("", &["5000", "epoll", "1"]), ("", &["5000", "40"])],
        [["127.0.95.3", "127.0.95.4"], ["127.0.95.5", "127.0.95.6"]],
        "echoed 40 messages",
    );
}

#[test]
#[ignore = "needs the shim for musl"]
fn one_to_many_messages_and_what_is_told_of_them_go_between_the_c_libraries() {
    talk(
        ["echo_many", "echo_many"],
        [("server", &["5000", "40"]), ("client", &["5000", "40"])],
        [["127.0.95.7", "127.0.95.8"], ["127.0.95.9", "127.0.95.10"]],
        "0 failures",
    );
}

#[test]
#[ignore = "needs the shim for musl"]
fn programs_for_musl_do_what_those_for_glibc_do() {
    let names = ["socket_many", "socket_cancel", "socket_shared"];
    let Some(programs) = Programs::compile_for_musl(&names) else { return };
    let installed = Installed::with_both();
    for (name, address) in names.into_iter().zip(["127.0.95.11", "127.0.95.12", "127.0.95.13"]) {
        assert_eq!(
            finish(installed.start(address, programs.path(name), &[address])),
            "0 failures\n",
            "{name}"
        );
    }
}
