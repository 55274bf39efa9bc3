//! The C library: programs that are linked with it, as an installation has it, by themselves and under valgrind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use system_tests::{Host, Lab, Program, built, built_as, is_installed_or_skip, is_root_or_skip};

/// Longer than anything here takes on a busy machine, under valgrind too.
const LIMIT: Duration = Duration::from_secs(300);

/// The profile of the library that valgrind looks at: optimized code tests values before it knows whether they are any, to
/// no harm, which valgrind cannot see.
const MEMCHECK: &str = "memcheck";

/// The library, installed for a test, for each way to run.
struct Library {
    folder: tempfile::TempDir,
}

impl Library {
    /// `None`, and SKIPPED, without what programs are built with.
    fn install() -> Option<Self> {
        let tools = [("cc", "gcc"), ("pkg-config", "pkg-config"), ("valgrind", "valgrind")];
        if !tools.iter().all(|(program, package)| is_installed_or_skip(program, package)) {
            return None;
        }
        let library = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        for (run, mode) in [(Run::Alone, "debug"), (Run::Valgrind, MEMCHECK)] {
            let installed = Command::new(root().join("socketapi/capi/install"))
                .arg("--prefix")
                .arg(library.prefix(run))
                .arg("--from")
                .arg(built_as(mode, "libsctp_capi.so"))
                .status();
            assert!(installed.expect("it runs").success());
        }
        Some(library)
    }

    fn prefix(&self, run: Run) -> PathBuf {
        match run {
            Run::Alone => self.folder.path().to_owned(),
            Run::Valgrind => self.folder.path().join(MEMCHECK),
        }
    }

    fn lib(&self, run: Run) -> PathBuf {
        self.prefix(run).join("lib")
    }

    /// What pkg-config says, word by word.
    fn flags(&self, of: &str) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", self.lib(Run::Alone).join("pkgconfig")).args([of, "sctp_user"]);
        let output = command.output().expect("pkg-config runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles a program as a user of the library does.
    fn compile(&self, source: &Path) -> PathBuf {
        let program = self.folder.path().join(source.file_stem().expect("a file"));
        let mut compiler = Command::new("cc");
        compiler.args(["-g", "-O1", "-Wall", "-Wextra", "-Werror"]).args(self.flags("--cflags")).arg(source);
        compiler.args(self.flags("--libs")).arg("-o").arg(&program);
        assert!(compiler.status().expect("cc runs").success(), "{}", source.display());
        program
    }

    /// A program of `socketapi/capi/tests`.
    fn test_program(&self, name: &str) -> PathBuf {
        self.compile(&root().join("socketapi/capi/tests").join(name).with_extension("c"))
    }

    fn start(&self, run: Run, program: &Path, local: &str, arguments: &[&str]) -> Program {
        let mut command = run.command(program);
        command.args(arguments).env("LD_LIBRARY_PATH", self.lib(run));
        command.env("SCTP_USER_TRANSPORT", "udp").env("SCTP_USER_LOCAL", local);
        Program::start(command)
    }
}

/// How a program runs.
#[derive(Clone, Copy)]
enum Run {
    Alone,
    Valgrind,
}

impl Run {
    fn command(self, program: &Path) -> Command {
        match self {
            Self::Alone => Command::new(program),
            Self::Valgrind => {
                let mut command = Command::new("valgrind");
                // "Possibly lost" is what an inner pointer keeps, as Rust's counted ones are. No suppressions.
                command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
                command.args([
                    "--show-leak-kinds=definite,indirect",
                    "--errors-for-leak-kinds=definite,indirect",
                ]);
                // A child after `fork` has the memory of threads that it has not, which counts as lost.
                command.arg("--child-silent-after-fork=yes").arg(program);
                command
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Waits for the end, which must be a good one; returns what was printed.
fn finish(program: Program) -> String {
    let (status, output) = program.wait(LIMIT).expect("it ends");
    assert!(status.success(), "{status}: {output}");
    output
}

/// Runs a program that has both ends in it, alone and under valgrind.
fn both_ways(name: &str, local: &str, arguments: &[&str]) {
    let Some(library) = Library::install() else { return };
    let program = library.test_program(name);
    for run in [Run::Alone, Run::Valgrind] {
        assert_eq!(finish(library.start(run, &program, local, arguments)), "done\n");
    }
}

// RFC 6458, 3, 6 and 9.2
#[test]
fn one_to_many_sockets_with_notifications_and_peel_off() {
    both_ways("many", "127.0.61.2", &["127.0.61.2"]);
}

// RFC 6458, 9.12 and 9.13
#[test]
fn messages_of_several_pieces_with_every_kind_of_information() {
    both_ways("vectors", "127.0.61.3", &["127.0.61.3"]);
}

// RFC 6458, 9.1 to 9.6 and 9.9
#[test]
fn sockets_with_several_addresses() {
    both_ways("addresses", "127.0.61.4,127.0.61.5", &["127.0.61.4", "127.0.61.5"]);
}

#[test]
fn programs_of_socketapi() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    both_ways("ext", "127.0.61.6", &["127.0.61.6", file.to_str().expect("UTF-8")]);
}

// What becomes of a stack in the process when the program closes all numbers, forks, and has a stack no more.
#[test]
fn programs_that_close_all_descriptors_and_children_keep_their_stack() {
    both_ways("life", "127.0.61.7", &["127.0.61.7"]);
}

/// Each worker would have a stack of its own, and uses that of the socket.
#[test]
fn workers_that_were_forked_before_the_first_socket_use_the_one_that_they_are_given() {
    both_ways("prefork", "127.0.61.8", &["127.0.61.8"]);
    if !is_root_or_skip() {
        return;
    }
    let Some(library) = Library::install() else { return };
    let program = library.test_program("prefork");
    let started = library.start(Run::Alone, &program, "127.0.61.9", &["127.0.61.9", "nobody"]);
    assert_eq!(finish(started), "done\n");
}

#[test]
fn who_waits_for_room_gets_it_though_another_is_refused_all_the_time() {
    let Some(library) = Library::install() else { return };
    let started = library.start(Run::Alone, &library.test_program("room"), "127.0.61.10", &["127.0.61.10"]);
    assert_eq!(finish(started), "done\n");
}

fn echo(run: Run, server_at: &str, clients_at: [&str; 2]) {
    let Some(library) = Library::install() else { return };
    let program = library.test_program("echo");
    let mut server = library.start(run, &program, server_at, &["server", server_at, "5000", "2"]);
    let line = server.wait_for("listening", LIMIT).expect("it listens");
    assert_eq!(line, "listening: SCTP over UDP encapsulation, port 9899, in this process");
    for client_at in clients_at {
        let client = library.start(run, &program, client_at, &["client", server_at, "5000"]);
        assert_eq!(finish(client), "echoed\n");
    }
    // 20 that are echoed, and 200 that the client did not wait for.
    assert_eq!(finish(server).matches("220 messages").count(), 2);
}

#[test]
fn a_server_that_forks_gets_all_that_was_written_before_its_clients_left() {
    echo(Run::Alone, "127.0.62.2", ["127.0.62.3", "127.0.62.4"]);
    echo(Run::Valgrind, "127.0.62.5", ["127.0.62.6", "127.0.62.7"]);
}

/// The workers of many servers.
#[test]
fn a_child_that_gives_up_its_privileges_is_served_by_its_parents_stack() {
    if !is_root_or_skip() {
        return;
    }
    let Some(library) = Library::install() else { return };
    let program = library.compile(&root().join("tests/programs/drop_privileges.c"));
    let started = library.start(Run::Alone, &program, "127.0.59.2", &["127.0.59.2", "5000", "child"]);
    assert_eq!(finish(started), "went on\n");
}

#[test]
fn the_example_of_the_documentation_runs() {
    let Some(library) = Library::install() else { return };
    let text = std::fs::read_to_string(root().join("docs/c-library.md")).expect("the documentation");
    let example = text.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let source = library.folder.path().join("example.c");
    std::fs::write(&source, example).expect("written");
    let program = library.compile(&source);
    let mut server = library.start(Run::Alone, &program, "127.0.63.2", &["server", "127.0.63.2", "5000"]);
    server.wait_for("listening", LIMIT).expect("it listens");
    let client = library.start(Run::Alone, &program, "127.0.63.3", &["client", "127.0.63.2", "5000"]);
    assert_eq!(finish(client), "hello on stream 1, protocol 7\n");
    assert!(finish(server).ends_with("hello on stream 1, protocol 7\n"));
}

#[test]
fn a_program_that_has_no_stack_says_why() {
    let Some(library) = Library::install() else { return };
    let program = library.test_program("echo");
    let mut first = library.start(Run::Alone, &program, "127.0.64.2", &["server", "127.0.64.2", "5000", "1"]);
    first.wait_for("listening", LIMIT).expect("it listens");
    for (local, why) in
        [("127.0.64.2", "is taken"), ("127.0.64", "SCTP_USER_LOCAL: 127.0.64 is not an IP address")]
    {
        let second = library.start(Run::Alone, &program, local, &["client", "127.0.64.2", "5000"]);
        let (status, output) = second.wait(LIMIT).expect("it ends");
        assert!(
            !status.success() && output.starts_with("cannot use SCTP: ") && output.contains(why),
            "{output}"
        );
        assert!(output.contains(&format!("errno {}", Errno::ENETDOWN as i32)), "{output}");
    }
}

/// Server and client on a host of their own, told nothing; returns what the server uses.
fn echo_in(host: &Host) -> Option<String> {
    let library = Library::install()?;
    let program = library.test_program("echo");
    let start = |arguments: &[&str]| {
        let mut command = host.command(program.to_str().expect("UTF-8"));
        command.args(arguments).env("LD_LIBRARY_PATH", library.lib(Run::Alone));
        Program::start(command)
    };
    let mut server = start(&["server", "127.0.0.1", "5000", "1"]);
    let line = server.wait_for("listening", LIMIT).expect("it listens");
    assert_eq!(finish(start(&["client", "127.0.0.1", "5000"])), "echoed\n");
    assert!(finish(server).contains("220 messages"));
    line.strip_prefix("listening: ").map(str::to_owned)
}

#[test]
fn programs_of_one_host_share_it_over_raw_ip() {
    if is_root_or_skip() {
        let uses = echo_in(&Lab::loopback());
        assert!(uses.is_none_or(|uses| uses == "SCTP over raw IP, in this process"));
    }
}

#[test]
fn sctpd_is_used_where_it_runs() {
    if is_root_or_skip() {
        let host = Lab::loopback();
        let mut command = host.command(built("sctpd").to_str().expect("UTF-8"));
        command.args(["--udp", "--local", "127.0.0.1", "--set", "log=info"]);
        let mut daemon = Program::start(command);
        daemon.wait_for("serving", LIMIT).expect("it serves");
        let uses = echo_in(&host);
        assert!(uses.is_none_or(|uses| uses == format!("sctpd, process {}", daemon.id())));
    }
}

#[test]
fn under_sctp_run_the_library_uses_the_stack_that_is_there() {
    let Some(library) = Library::install() else { return };
    let program = library.test_program("echo");
    let start = |address: &str, arguments: &[&str]| {
        let mut command = Command::new(built("sctp-run"));
        command.args(["--udp", "--local", address]).arg(&program).args(arguments);
        command.env("LD_LIBRARY_PATH", library.lib(Run::Alone));
        Program::start(command)
    };
    let mut server = start("127.0.65.2", &["server", "127.0.65.2", "5000", "1"]);
    let line = server.wait_for("listening", LIMIT).expect("it listens");
    assert!(line.starts_with("listening: the service sctp-run/"), "{line}");
    assert_eq!(finish(start("127.0.65.3", &["client", "127.0.65.2", "5000"])), "echoed\n");
    assert!(finish(server).contains("220 messages"));
}
