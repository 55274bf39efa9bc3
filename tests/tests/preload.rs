//! Unmodified C programs over our stack: `sctp-run`, the preload shim and the shared stack, whole.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{Host, Lab, Program, Programs, built, is_root_or_skip};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Where both ends run, and over what.
enum Network {
    /// UDP encapsulation on loopback addresses, separated by commas.
    Udp(&'static str),
    /// Raw IP on a host of its own.
    Raw(Host),
}

impl Network {
    /// `sctp-run` with the options for this network; the program's arguments are to be added.
    fn sctp_run(&self) -> Command {
        let program = built("sctp-run");
        match self {
            Self::Udp(address) => {
                let mut command = Command::new(program);
                command.args(["--udp", "--local", address]);
                command
            }
            Self::Raw(host) => {
                let mut command = host.command(program.to_str().expect("a path in UTF-8"));
                command.arg("--raw");
                command
            }
        }
    }

    fn start(&self, program: &Path, arguments: &[&str]) -> Program {
        let mut command = self.sctp_run();
        command.arg(program).args(arguments);
        Program::start(command)
    }
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

/// A server and its clients, one after the other, each with a stack of its own. Over UDP each needs an address of its
/// own: the stack of a client that has left may still be ending its association.
fn echo(mode: &str, server_at: &Network, clients_at: [&Network; 2], address: &str) {
    let Some(programs) = Programs::compile(&["echo_server", "echo_client"]) else { return };
    let server = listening(server_at.start(&programs.path("echo_server"), &[address, "5000", mode, "2"]));
    for client_at in clients_at {
        let client = client_at.start(&programs.path("echo_client"), &[address, "5000", "40"]);
        assert!(finish(client).contains("echoed 40 messages with port 5000"));
    }
    assert!(finish(server).contains("done"));
}

#[test]
fn a_server_that_forks_and_its_clients_run_over_udp() {
    echo(
        "fork",
        &Network::Udp("127.0.2.2"),
        [&Network::Udp("127.0.2.3"), &Network::Udp("127.0.2.4")],
        "127.0.2.2",
    );
}

#[test]
fn a_server_with_epoll_and_its_clients_run_over_udp() {
    echo(
        "epoll",
        &Network::Udp("127.0.3.2"),
        [&Network::Udp("127.0.3.3"), &Network::Udp("127.0.3.4")],
        "127.0.3.2",
    );
}

#[test]
fn servers_and_clients_in_one_namespace_share_it_over_raw_ip() {
    if is_root_or_skip() {
        let network = Network::Raw(Lab::loopback());
        echo("fork", &network, [&network; 2], "127.0.0.1");
        echo("epoll", &network, [&network; 2], "127.0.0.1");
    }
}

#[test]
fn two_hosts_talk_over_raw_ip() {
    if is_root_or_skip() {
        let Lab { a, b } = Lab::new(1, 1_500);
        let address = a.v4(0);
        let client_at = Network::Raw(b);
        echo("epoll", &Network::Raw(a), [&client_at; 2], &address);
    }
}

#[test]
fn a_client_that_nobody_listens_for_is_refused() {
    let Some(programs) = Programs::compile(&["echo_client"]) else { return };
    let client = Network::Udp("127.0.4.2").start(&programs.path("echo_client"), &["127.0.4.2", "5000", "1"]);
    let (status, output) = client.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(3), "{output}");
}

#[test]
fn a_client_learns_that_its_server_was_killed() {
    let Some(programs) = Programs::compile(&["echo_server", "echo_client"]) else { return };
    let arguments = ["127.0.5.2", "5000", "epoll", "1"];
    let mut server = listening(Network::Udp("127.0.5.2").start(&programs.path("echo_server"), &arguments));
    // More messages than can be echoed before the kill.
    let arguments = ["127.0.5.2", "5000", "100000000"];
    let client = Network::Udp("127.0.5.3").start(&programs.path("echo_client"), &arguments);
    server.wait_for("connection", LIMIT).expect("the client is there");
    server.signal(Signal::SIGKILL);
    let (status, output) = client.wait(LIMIT).expect("it ends");
    // End of file, or a reset, while it reads; EPIPE while it writes.
    assert!(
        status.code() == Some(1) || status.signal() == Some(Signal::SIGPIPE as i32),
        "{status}: {output}"
    );
}

#[test]
fn an_exec_d_program_goes_on_with_the_descriptor_and_reads_records_in_pieces() {
    let Some(programs) = Programs::compile(&["accept_exec", "echo_reader", "echo_client"]) else { return };
    let reader = programs.path("echo_reader");
    let arguments = ["127.0.6.2", "5000", reader.to_str().expect("a path in UTF-8")];
    let server = listening(Network::Udp("127.0.6.2").start(&programs.path("accept_exec"), &arguments));
    let client = Network::Udp("127.0.6.3").start(&programs.path("echo_client"), &["127.0.6.2", "5000", "20"]);
    finish(client);
    finish(server);
}

#[test]
fn closing_with_unread_data_aborts_the_association() {
    let Some(programs) = Programs::compile(&["accept_exec", "echo_reader", "echo_client"]) else { return };
    let reader = programs.path("echo_reader");
    let arguments = ["127.0.7.2", "5000", reader.to_str().expect("a path in UTF-8"), "leave"];
    let server = listening(Network::Udp("127.0.7.2").start(&programs.path("accept_exec"), &arguments));
    let client =
        Network::Udp("127.0.7.3").start(&programs.path("echo_client"), &["127.0.7.2", "5000", "1000"]);
    finish(server);
    let (status, output) = client.wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains("Connection reset by peer"), "{output}");
}

/// Runs a program that does everything in one process, and counts what is not as it should be.
fn without_failures(name: &str, address: &'static str) {
    let Some(programs) = Programs::compile(&[name]) else { return };
    let program = Network::Udp(address).start(&programs.path(name), &[address]);
    assert_eq!(finish(program), "0 failures\n");
}

#[test]
fn every_call_that_reads_or_writes_does_it() {
    without_failures("socket_data", "127.0.90.2");
}

#[test]
fn messages_are_sent_and_received_with_all_that_comes_beside_them() {
    without_failures("socket_many", "127.0.91.2");
}

#[test]
fn threads_and_processes_share_sockets() {
    without_failures("socket_shared", "127.0.93.2");
}

/// SO_REUSEPORT, as Linux has it.
#[test]
fn processes_divide_what_comes_to_one_port() {
    without_failures("listeners", "127.0.93.3");
}

#[test]
fn programs_that_close_whatever_is_open_make_sockets_still() {
    let Some(programs) = Programs::compile(&["daemon"]) else { return };
    let program = Network::Udp("127.0.94.4").start(&programs.path("daemon"), &["close", "127.0.94.4"]);
    assert_eq!(finish(program), "0 failures\n");
}

#[test]
fn daemons_whose_parent_has_ended_make_sockets_still() {
    let Some(programs) = Programs::compile(&["daemon"]) else { return };
    let mut program = Network::Udp("127.0.94.5").start(&programs.path("daemon"), &["fork", "127.0.94.5"]);
    program.wait_for("0 failures", LIMIT).expect("the daemon says so");
}

#[test]
fn threads_are_cancelled_in_every_call_that_waits() {
    without_failures("socket_cancel", "127.0.94.2");
}

#[test]
fn threads_are_cancelled_while_they_wait_for_a_set_up() {
    let Some(programs) = Programs::compile(&["socket_cancel"]) else { return };
    let mut command = Network::Udp("127.0.94.6").sctp_run();
    command.args(["--loss", "100"]).arg(programs.path("socket_cancel")).args(["127.0.94.6", "silent"]);
    assert_eq!(finish(Program::start(command)), "0 failures\n");
}

#[test]
fn a_call_that_waits_is_not_disturbed_by_what_other_threads_do() {
    without_failures("socket_threads", "127.0.94.7");
}

#[test]
fn a_set_up_is_waited_for_though_its_number_is_another_file_s() {
    let Some(programs) = Programs::compile(&["socket_threads"]) else { return };
    let mut command = Network::Udp("127.0.94.8").sctp_run();
    command.args(["--loss", "100"]).arg(programs.path("socket_threads")).args(["127.0.94.8", "silent"]);
    assert_eq!(finish(Program::start(command)), "0 failures\n");
}

/// RFC 6458, 8.1.29.
#[test]
fn messages_that_came_before_a_subscription_are_told_of_as_later_ones() {
    let Some(programs) = Programs::compile(&["supervised"]) else { return };
    let arguments = ["early", "127.0.60.92", "5000"];
    let program = Network::Udp("127.0.60.92").start(&programs.path("supervised"), &arguments);
    assert_eq!(finish(program), "passed\n");
}

#[test]
fn the_files_of_sctp_are_there_below_proc() {
    without_failures("proc_files", "127.0.92.2");
}

fn options(network: &Network) {
    let Some(programs) = Programs::compile(&["socket_options"]) else { return };
    let program = network.start(&programs.path("socket_options"), &["127.0.9.2", "127.0.9.3"]);
    assert!(finish(program).ends_with("0 failures\n"));
}

#[test]
fn options_are_set_and_read_and_begin_associations_over_udp() {
    options(&Network::Udp("127.0.9.2,127.0.9.3"));
}

#[test]
fn options_are_set_and_read_and_begin_associations_over_raw_ip() {
    if is_root_or_skip() {
        let host = Lab::loopback();
        for address in ["127.0.9.2/8", "127.0.9.3/8"] {
            host.ip(&format!("addr add {address} dev lo"));
        }
        options(&Network::Raw(host));
    }
}

#[test]
fn a_set_up_is_waited_for_as_long_as_the_program_says() {
    let Some(programs) = Programs::compile(&["socket_options"]) else { return };
    let mut command = Network::Udp("127.0.10.2").sctp_run();
    command.args(["--loss", "100"]).arg(programs.path("socket_options"));
    command.args(["127.0.10.2", "127.0.10.3", "silent"]);
    assert!(finish(Program::start(command)).ends_with("0 failures\n"));
}

#[test]
fn programs_without_sctp_are_as_ever() {
    let program = Network::Udp("127.0.8.2").start(Path::new("sh"), &["-c", "ls -d / | cat; exit 7"]);
    let (status, output) = program.wait(LIMIT).expect("it ends");
    assert_eq!((status.code(), output.as_str()), (Some(7), "/\n"));
}

#[test]
fn a_missing_shim_is_named_with_what_to_do() {
    let mut command = Command::new(built("sctp-run"));
    command.args(["--preload", "/nonexistent/shim.so", "true"]);
    let (status, output) = Program::start(command).wait(LIMIT).expect("it ends");
    assert_eq!(status.code(), Some(126));
    assert!(output.contains("/nonexistent/shim.so") && output.contains("cargo build"), "{output}");
}
