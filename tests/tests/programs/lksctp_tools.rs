//! The programs of lksctp-tools.

use std::io::Write;

use system_tests::{Program, is_installed_or_skip};

use crate::{LIMIT, finish, hear, sctp_run, start, start_ready};

fn is_here() -> bool {
    is_installed_or_skip("sctp_test", "lksctp-tools")
}

#[test]
fn checksctp_finds_sctp() {
    if is_here() {
        assert_eq!(finish(start(sctp_run("127.0.16.2"), &["checksctp"])), "SCTP supported\n");
    }
}

/// The lengths of `sctp_test -c 4`, one after the other.
const LENGTHS: [u32; 10] = [1, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000, 20_000, 25_000, 32_768];

/// Client and server of `sctp_test`, ten unordered messages; both print what they sent and received, and the server what
/// tells it the `end`.
fn sctp_test(server_at: &str, client_at: &str, style: &[&str], end: &str) {
    if !is_here() {
        return;
    }
    let server = [&["sctp_test", "-H", server_at, "-P", "5400", "-l"], style].concat();
    let mut server = start_ready(sctp_run(server_at), &server, "Receiving packets");
    let to = ["-h", server_at, "-p", "5400", "-s", "-c", "4", "-x", "1"];
    let client = [&["sctp_test", "-H", client_at, "-P", "5401"], &to[..], style].concat();
    let sent = finish(start(sctp_run(client_at), &client));
    let sent_as: Vec<u64> = sent.lines().filter(|line| line.contains("SNDRCV(")).map(ppid).collect();
    assert_eq!(sent_as.len(), LENGTHS.len(), "{sent}");
    for (number, length) in LENGTHS.iter().enumerate() {
        assert!(sent.contains(&format!(" {length} bytes.")), "{sent}");
        hear(&mut server, &format!(" Data {length} bytes"));
        // It gives no room for control messages after a notification.
        if number > 0 {
            assert_eq!(ppid(&hear(&mut server, "SNDRCV(")), sent_as[number]);
        }
    }
    hear(&mut server, end);
}

/// The payload protocol identifier, a random one for each message, that a line tells.
fn ppid(line: &str) -> u64 {
    let (_, number) = line.split_once("ppid=").unwrap_or_else(|| panic!("{line}"));
    number.trim_end_matches(')').trim().parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn sctp_test_exchanges_messages_one_to_many() {
    sctp_test("127.0.16.3", "127.0.16.4", &[], "SHUTDOWN_COMPLETE");
}

#[test]
fn sctp_test_exchanges_messages_one_to_one() {
    sctp_test("127.0.16.5", "127.0.16.6", &["-T"], "No association is present now");
}

/// A server of `sctp_darn`, and a client that sends; with the client's standard input.
fn sctp_darn(server_at: &str, client_at: &str, more: &[&str]) -> (Program, Program) {
    let server = ["sctp_darn", "-H", server_at, "-P", "5402", "-l"];
    let server = start_ready(sctp_run(server_at), &server, "sctp_darn listening");
    let client = ["sctp_darn", "-H", client_at, "-P", "5403", "-h", server_at, "-p", "5402", "-s"];
    let client = start_ready(sctp_run(client_at), &[&client, more].concat(), "sctp_darn ready to send");
    (server, client)
}

#[test]
fn sctp_darn_sends_what_is_typed() {
    if !is_here() {
        return;
    }
    let (mut server, mut client) = sctp_darn("127.0.16.7", "127.0.16.8", &[]);
    let mut typed = client.take_stdin().expect("its standard input");
    for line in ["hello", "and good-bye"] {
        writeln!(typed, "{line}").expect("it reads");
        // It sends the end of the line as well.
        hear(&mut server, &format!("DATA({}):  {line}", line.len() + 2));
    }
    drop(typed);
    // Its exit code is the length of the last message; it shuts the association down.
    client.wait(LIMIT).expect("it ends");
    hear(&mut server, "SHUTDOWN_COMP");
}

#[test]
fn sctp_darn_obeys_commands() {
    if !is_here() {
        return;
    }
    let (mut server, mut client) = sctp_darn("127.0.16.9", "127.0.16.10", &["-I"]);
    let mut typed = client.take_stdin().expect("its standard input");
    writeln!(typed, "snd=5").expect("it reads");
    hear(&mut server, "DATA(5)");
    writeln!(typed, "primary=").expect("it reads");
    hear(&mut client, "127.0.16.9");
    writeln!(typed, "abort").expect("it reads");
    hear(&mut server, "COMM_LOST");
}

/// `sctp_status` goes on in a child, so it gets a process group, which `timeout` leads.
const IN_A_GROUP: [&str; 3] = ["timeout", "60", "sctp_status"];

#[test]
fn sctp_status_shows_associations() {
    if !is_here() {
        return;
    }
    let server = [&IN_A_GROUP[..], &["-H", "127.0.16.11", "-P", "5404", "-l", "-d", "2"]].concat();
    let server = start_ready(sctp_run("127.0.16.11"), &server, "accept(");
    let to = ["-h", "127.0.16.11", "-p", "5404", "-s", "-x", "1"];
    let client = [&IN_A_GROUP[..], &["-H", "127.0.16.12", "-P", "5405"], &to[..]].concat();
    let client = start(sctp_run("127.0.16.12"), &client);
    let mut both = [client, server];
    for program in &mut both {
        hear(program, "ESTABLISHED");
    }
    for program in both {
        program.kill_group();
        program.wait(LIMIT).expect("it ends");
    }
}
