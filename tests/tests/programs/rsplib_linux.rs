//! RSPLIB's programs on a Linux kernel with SCTP, and the same ones over our stack: one system of both.

use system_tests::{
    Host, Lab, Program, has_rsplib_or_skip, hear, is_installed_or_skip, registrar_command, sctp_run_on,
    server_command, start, start_ready, terminal_command,
};

use crate::linux::{LINUX, Linux};
use crate::rsplib::{answering, dump, echo, element_in, monitor};

/// Our registrar's address: that of the host in multicast, by which registrars find each other.
const OURS: &str = "10.77.0.1";
/// Registrars look for others for 1 s, tell them of themselves every 0.5 s, and the monitor every 0.25 s.
const QUICK: [&str; 4] = [
    "-mentordiscoverytimeout=1000",
    "-peerheartbeatcycle=500",
    "-cspserver=10.77.0.19:2960",
    "-cspinterval=250",
];

/// Our host, with an address for each program, and Linux beside it, if the programs can be run.
fn network_or_skip() -> Option<(Host, Linux)> {
    if !has_rsplib_or_skip() || !is_installed_or_skip("/usr/bin/linux.uml", "user-mode-linux") {
        return None;
    }
    let host = Lab::switches(1, 1500);
    for number in 11..=19 {
        host.ip(&format!("addr add 10.77.0.{number}/24 dev lan0"));
    }
    let linux = Linux::boot(&host);
    Some((host, linux))
}

fn start_registrar(host: &Host) -> Program {
    start_ready(sctp_run_on(host, OURS), &registrar_command(OURS, LINUX, &QUICK), "The registrar is ready")
}

fn start_registrar_on(linux: &mut Linux) {
    linux.start("registrar", "", &registrar_command(LINUX, OURS, &QUICK));
    linux.hear("registrar", "The registrar is ready");
}

/// A pool element that takes one of the registrars, whichever answers first.
fn element(service: &str, identifier: &str, pool: &str) -> Vec<String> {
    let mut command = server_command(service, identifier, &[LINUX, OURS]);
    command.push(format!("-poolhandle={pool}"));
    command
}

/// A line from Linux to a pool, and back from a pool element, by what a registrar says.
fn echo_from(linux: &mut Linux, registrar: &str, pool: &str) {
    linux.start("terminal", "hello", &terminal_command(registrar, pool));
    let answer = linux.hear("terminal", "from PE $");
    assert!(answer.contains("hello"), "{answer}");
    linux.kill("terminal");
}

#[test]
fn rsplib_here_and_rsplib_on_linux_are_one_system() {
    let Some((host, mut linux)) = network_or_skip() else { return };
    let mut monitor = monitor(&host, "10.77.0.19");
    start_registrar_on(&mut linux);
    let mut server = start(sctp_run_on(&host, "10.77.0.11"), &element("-echo", "0xec40", "Here"));
    linux.start("server", "", &element("-echo", "0xec41", "There"));
    for _ in ["Here", "There"] {
        linux.hear("registrar", "Successfully registered");
    }
    for pool in ["Here", "There"] {
        echo(&host, "10.77.0.12", LINUX, pool);
    }

    // ENRP tells the second registrar of both.
    let registrar = start_registrar(&host);
    dump(&host, "10.77.0.13", OURS, &["Here", "$0000ec40", "There", "$0000ec41"]);
    linux.start("hsdump", "", &["hsdump".into(), format!("{OURS}:9901"), "-logcolor=off".into()]);
    for identifier in ["$0000ec40", "$0000ec41"] {
        linux.hear("hsdump", identifier);
    }
    for address in [LINUX, OURS] {
        hear(&mut monitor, &format!("{address}:3863"));
    }
    linux.kill("registrar");
    hear(&mut server, "Connected to registrar");
    linux.hear("server", "Connected to registrar");
    echo(&host, "10.77.0.14", OURS, "There");
    echo_from(&mut linux, OURS, "Here");

    // And back.
    start_registrar_on(&mut linux);
    dump(&host, "10.77.0.15", LINUX, &["Here", "$0000ec40", "There", "$0000ec41"]);
    drop(registrar);
    hear(&mut server, "Connected to registrar");
    linux.hear("server", "Connected to registrar");
    echo(&host, "10.77.0.16", LINUX, "There");
    echo_from(&mut linux, LINUX, "Here");
}

/// Two pool elements of the ping-pong service, one here and one on Linux. Either can be killed and started anew.
struct Elements<'a> {
    host: &'a Host,
    linux: &'a mut Linux,
    here: Option<Program>,
}

/// Their identifiers, as a client tells them.
const HERE: &str = "00000044";
const THERE: &str = "00000055";

impl Elements<'_> {
    /// Starts the one with this identifier, and waits until the registrar on Linux has it.
    fn start(&mut self, identifier: &str) {
        let command = element("-pingpong", &format!("0x{identifier}"), "PingPongPool");
        if identifier == HERE {
            self.here = Some(start(sctp_run_on(self.host, "10.77.0.11"), &command));
        } else {
            self.linux.start("server", "", &command);
        }
        self.linux.hear("registrar", &format!("Successfully registered PingPongPool/${identifier}"));
    }

    fn kill(&mut self, identifier: &str) {
        if identifier == HERE {
            self.here = None;
        } else {
            self.linux.kill("server");
        }
    }
}

#[test]
fn rsplib_s_client_fails_over_between_here_and_linux() {
    let Some((host, mut linux)) = network_or_skip() else { return };
    start_registrar_on(&mut linux);
    let mut elements = Elements { host: &host, linux: &mut linux, here: None };
    elements.start(HERE);
    elements.start(THERE);
    let command = ["pingpongclient".into(), format!("-registrar={LINUX}:3863"), "-interval=50".into()];
    let mut client = start(sctp_run_on(&host, "10.77.0.12"), &command);
    // A cookie follows each answer, and is there before the next one.
    hear(&mut client, "Ack #1 ");
    let first = answering(&mut client);
    let second = if first == HERE { THERE } else { HERE };
    let mut fail_over = |from: &str, to: &str| {
        elements.kill(from);
        // The state came along in a cookie (RFC 5352, 2.2.11).
        hear(&mut client, "RSERPOOL_FAILOVER_NECESSARY, cookie=yes");
        hear(&mut client, "RSERPOOL_FAILOVER_COMPLETE");
        assert_eq!(answering(&mut client), to);
        elements.start(from);
    };
    fail_over(&first, second);
    fail_over(second, &first);

    elements.linux.start("client", "", &command);
    elements.linux.hear("client", "Ack #1 ");
    let first = element_in(&elements.linux.hear("client", "Ack #"));
    elements.kill(&first);
    elements.linux.hear("client", "RSERPOOL_FAILOVER_COMPLETE");
    assert_ne!(element_in(&elements.linux.hear("client", "Ack #")), first);
}
