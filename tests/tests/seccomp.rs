//! Programs that make their system calls without a C library over our stack: `sctp-run --seccomp`, whole.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{Program, built, is_installed_or_skip};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Where Debian's Go packages are.
const GO_PACKAGES: &str = "/usr/share/gocode";

/// The programs under test, compiled for this test.
struct Programs {
    folder: tempfile::TempDir,
}

impl Programs {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn source(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name)
    }

    /// Compiles, without shared libraries. `None`, and SKIPPED, without this C compiler.
    fn compile(&self, compiler: &str, package: &str, name: &str) -> Option<PathBuf> {
        if !is_installed_or_skip(compiler, package) {
            return None;
        }
        let program = self.folder.path().join(format!("{name}-{compiler}"));
        let mut command = Command::new(compiler);
        command.args(["-O2", "-static", "-o"]).arg(&program).arg(Self::source(name).with_extension("c"));
        assert!(command.status().expect("the compiler runs").success(), "{name}");
        Some(program)
    }

    /// Compiles a Go program; it makes its system calls by itself. `None`, and SKIPPED, without Go or its SCTP package.
    fn compile_go(&self, name: &str) -> Option<PathBuf> {
        let package = format!("{GO_PACKAGES}/src/github.com/ishidawataru/sctp/sctp.go");
        let is_there = is_installed_or_skip("go", "golang-go")
            && is_installed_or_skip(&package, "golang-github-ishidawataru-sctp-dev");
        if !is_there {
            return None;
        }
        let program = self.folder.path().join(name);
        let mut command = Command::new("go");
        command.args(["build", "-o"]).arg(&program).arg(Self::source("go").join(name).with_extension("go"));
        command.envs([("GO111MODULE", "off"), ("GOPATH", GO_PACKAGES), ("CGO_ENABLED", "0")]);
        command.env("GOCACHE", self.folder.path().join("cache"));
        assert!(command.status().expect("go runs").success(), "{name}");
        Some(program)
    }
}

fn start(local: &str, program: &Path, arguments: &[&str]) -> Program {
    let mut command = Command::new(built("sctp-run"));
    command.args(["--udp", "--local", local, "--seccomp"]).arg(program).args(arguments);
    Program::start(command)
}

/// Waits for the end, which must be a good one; returns what was printed.
fn finish(program: Program) -> String {
    let (status, output) = program.wait(LIMIT).expect("it ends");
    assert!(status.success(), "{status}: {output}");
    output
}

fn listening(mut server: Program) -> Program {
    server.wait_for("listening", LIMIT).expect("it listens");
    server
}

#[test]
fn programs_in_go_exchange_messages_with_streams_and_protocol_identifiers() {
    let programs = Programs::new();
    let Some(messages) = programs.compile_go("messages") else { return };
    let server = listening(start("127.0.60.2", &messages, &["server", "127.0.60.2", "5000", "3"]));
    let client = |local, kind| start(local, &messages, &[kind, "127.0.60.2", "5000", "40"]);
    let clients = ["127.0.60.3", "127.0.60.4"].map(|local| client(local, "client"));
    // Its socket does not wait, and edge-triggered epoll tells when it can go on.
    assert!(finish(client("127.0.60.5", "poller")).contains("polled 40 messages"));
    for client in clients {
        assert!(finish(client).contains("exchanged 40 messages with 127.0.60.2:5000"));
    }
    assert!(finish(server).contains("done"));
}

#[test]
fn static_programs_of_both_c_libraries_fork_and_wait_with_epoll() {
    let programs = Programs::new();
    let compile = |name| {
        Some([programs.compile("gcc", "gcc", name)?, programs.compile("musl-gcc", "musl-tools", name)?])
    };
    let (Some(servers), Some(clients)) = (compile("echo_server"), compile("echo_client")) else { return };
    let mut hosts = (12..).map(|host| format!("127.0.60.{host}"));
    for (server, client) in servers.iter().zip(clients.iter().rev()) {
        for mode in ["fork", "epoll"] {
            let [at, from] = [(); 2].map(|()| hosts.next().expect("an address"));
            let server = listening(start(&at, server, &[&at, "5000", mode, "1"]));
            let client = start(&from, client, &[&at, "5000", "40"]);
            assert!(finish(client).contains("echoed 40 messages with port 5000"));
            finish(server);
        }
    }
}

#[test]
fn an_exec_d_program_goes_on_with_the_descriptor() {
    let programs = Programs::new();
    let compile = |name| programs.compile("gcc", "gcc", name);
    let all = [compile("accept_exec"), compile("echo_reader"), compile("echo_client")];
    let [Some(acceptor), Some(reader), Some(client)] = all else { return };
    let reader = reader.to_str().expect("a path in UTF-8");
    let server = listening(start("127.0.60.22", &acceptor, &["127.0.60.22", "5000", reader]));
    finish(start("127.0.60.23", &client, &["127.0.60.22", "5000", "20"]));
    finish(server);
}

/// Runs a program that checks all it does; its last line says how that went.
fn passes(local: &str, name: &str, arguments: &[&str], last: &str) {
    let programs = Programs::new();
    let Some(program) = programs.compile("gcc", "gcc", name) else { return };
    let output = finish(start(local, &program, arguments));
    assert!(output.ends_with(last), "{output}");
}

#[test]
fn signals_interrupt_calls_that_wait_as_sigaction_said() {
    passes("127.0.60.32", "supervised", &["signals", "127.0.60.32", "5000"], "passed\n");
}

#[test]
fn copies_of_a_descriptor_are_the_same_socket_wherever_they_are() {
    passes("127.0.60.33", "supervised", &["copies", "127.0.60.33", "5000"], "passed\n");
}

#[test]
fn descriptors_have_numbers_below_the_limit_of_the_program() {
    passes("127.0.60.34", "supervised", &["limit", "127.0.60.34", "5000"], "passed\n");
}

#[test]
fn wrong_pointers_and_sizes_fail_and_hurt_nobody() {
    passes("127.0.60.36", "supervised", &["wrong", "127.0.60.36", "5000"], "passed\n");
}

/// What is tested of the shim holds without it.
#[test]
fn all_calls_and_options_do_in_static_programs_what_they_do_in_others() {
    passes("127.0.60.52", "socket_data", &["127.0.60.52", "supervised"], "0 failures\n");
    passes("127.0.60.53", "socket_many", &["127.0.60.53"], "0 failures\n");
    passes("127.0.60.54", "socket_shared", &["127.0.60.54"], "0 failures\n");
    let addresses = ["127.0.60.55", "127.0.60.56"];
    passes("127.0.60.55,127.0.60.56", "socket_options", &addresses, "0 failures\n");
}

/// RFC 6458, 8.1.29.
#[test]
fn messages_that_came_before_a_subscription_are_told_of_as_later_ones() {
    passes("127.0.60.57", "supervised", &["early", "127.0.60.57", "5000"], "passed\n");
}

#[test]
fn a_program_keeps_its_process_and_a_signal_ends_it_in_a_call_that_waits() {
    let programs = Programs::new();
    let Some(program) = programs.compile("gcc", "gcc", "supervised") else { return };
    let mut program = start("127.0.60.35", &program, &["end", "127.0.60.35", "5000"]);
    let line = program.wait_for("pid ", LIMIT).expect("it starts");
    assert_eq!(line, format!("pid {}", program.id()));
    program.signal(Signal::SIGTERM);
    let (status, output) = program.wait(LIMIT).expect("it ends");
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32), "{output}");
}

#[test]
fn a_second_supervisor_is_refused_with_what_to_do() {
    let within = built("sctp-run");
    let arguments = ["--udp", "--local", "127.0.60.43", "--seccomp", "true"];
    let (status, output) = start("127.0.60.42", &within, &arguments).wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(126), "{output}");
    assert!(output.contains("do not nest --seccomp"), "{output}");
}
