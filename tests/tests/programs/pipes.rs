//! Programs that carry bytes between SCTP and other things: socat, ncat, gensiot; and programs of TCP with `withsctp`.

use std::io::Write;
use std::process::Command;

use system_tests::{Program, built, is_installed_or_skip};

use crate::{finish, hear, sctp_run, start, start_ready};

/// Says a line to a client and waits for the answer, then lets it end.
fn say(mut client: Program, line: &str, answer: &str) {
    let mut stdin = client.take_stdin().expect("its standard input");
    writeln!(stdin, "{line}").expect("it listens");
    hear(&mut client, answer);
    drop(stdin);
    finish(client);
}

#[test]
fn socat_forks_for_each_connection() {
    if !is_installed_or_skip("socat", "socat") {
        return;
    }
    let server = ["socat", "-d", "-d", "SCTP-LISTEN:5302,bind=127.0.12.2,fork,reuseaddr", "PIPE"];
    let _server = start_ready(sctp_run("127.0.12.2"), &server, "listening on");
    for address in ["127.0.12.3", "127.0.12.4"] {
        let client = ["socat", "-", "SCTP-CONNECT:127.0.12.2:5302"];
        say(start(sctp_run(address), &client), "hello", "hello");
    }
}

#[test]
fn ncat_serves_a_command() {
    if !is_installed_or_skip("ncat", "ncat") {
        return;
    }
    let server = ["ncat", "-v", "--sctp", "-l", "127.0.13.2", "5303", "-c", "read line; echo heard $line"];
    let _server = start_ready(sctp_run("127.0.13.2"), &server, "Listening on");
    let client = ["ncat", "--sctp", "127.0.13.2", "5303"];
    say(start(sctp_run("127.0.13.3"), &client), "hello", "heard hello");
}

/// Its server has two addresses, and serves one client after the other.
#[test]
fn gensiot_echoes_over_two_addresses() {
    if !is_installed_or_skip("gensiot", "gensio-bin") {
        return;
    }
    let both = "sctp(instreams=5,ostreams=7),127.0.25.2,5306,127.0.25.3,5306";
    let server = ["gensiot", "-i", "echo", "--server", "-a", "-p", both];
    let _server = start_ready(sctp_run("127.0.25.2,127.0.25.3"), &server, "127.0.25.3,5306");
    for address in ["127.0.25.4", "127.0.25.5"] {
        let client = ["gensiot", "sctp,127.0.25.2,5306"];
        say(start(sctp_run(address), &client), "hello", "hello");
    }
}

/// `withsctp` sets LD_PRELOAD anew, so no shim stays; but what it makes of TCP sockets reaches the kernel, and `--seccomp`.
fn sctp_run_seccomp(address: &str) -> Command {
    let mut command = Command::new(built("sctp-run"));
    command.args(["--seccomp", "--udp", "--local", address]);
    command
}

#[test]
fn withsctp_makes_programs_of_tcp_ours_with_seccomp() {
    if !is_installed_or_skip("withsctp", "lksctp-tools") || !is_installed_or_skip("socat", "socat") {
        return;
    }
    let server = ["withsctp", "socat", "-d", "-d", "TCP-LISTEN:5304,bind=127.0.14.2", "PIPE"];
    let server = start_ready(sctp_run_seccomp("127.0.14.2"), &server, "listening on");
    let client = ["withsctp", "socat", "-", "TCP-CONNECT:127.0.14.2:5304"];
    say(start(sctp_run_seccomp("127.0.14.3"), &client), "hello", "hello");
    finish(server);
}

#[test]
fn withsctp_sends_no_sctp_of_its_own_to_the_shim() {
    if !is_installed_or_skip("withsctp", "lksctp-tools") || has_kernel_sctp() {
        return;
    }
    let (status, output) =
        start(sctp_run("127.0.14.4"), &["withsctp", "true"]).wait(crate::LIMIT).expect("it ends");
    assert_eq!((status.code(), output.trim()), (Some(1), "checksctp: Protocol not supported"));
}

/// With the kernel's own SCTP `withsctp` is content with that.
fn has_kernel_sctp() -> bool {
    std::path::Path::new("/proc/sys/net/sctp").exists()
}
