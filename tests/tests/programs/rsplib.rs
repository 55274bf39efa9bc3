//! RSPLIB, the other implementation of RSerPool: all of its programs over our stack, over raw IP on a host of the test's.
//!
//! It wants addresses that are more than a loopback's, and tells its components' states over UDP.

use nix::sys::signal::Signal;
use system_tests::{Host, Lab, Program, is_installed_or_skip, is_root_or_skip, look_until};

use crate::{LIMIT, finish, hear, sctp_run_on, start, start_ready};

/// The registrars' addresses.
const REGISTRAR: &str = "10.98.0.1";
const OTHER_REGISTRAR: &str = "10.98.0.2";

/// A host with an address for each program, if these can be run.
fn host_or_skip() -> Option<Host> {
    let programs =
        [("rspregistrar", "rsplib-registrar"), ("hsdump", "rsplib-tools"), ("rspserver", "rsplib-services")];
    if !is_root_or_skip() || !programs.iter().all(|(program, package)| is_installed_or_skip(program, package))
    {
        return None;
    }
    let host = Lab::loopback();
    for number in 1..=9 {
        host.ip(&format!("addr add 10.98.0.{number}/24 dev lo"));
    }
    Some(host)
}

/// A registrar with a peer, ready for pool elements, and perhaps with more options.
fn registrar(host: &Host, address: &str, peer: &str, more: &[&str]) -> Program {
    let options =
        [format!("-asap={address}:3863"), format!("-enrp={address}:9901"), format!("-peer={peer}:9901")];
    let mut program = vec!["rspregistrar", "-loglevel=5", "-logcolor=off"];
    program.extend(options.iter().map(String::as_str).chain(more.iter().copied()));
    start_ready(sctp_run_on(host, address), &program, "Registrar started")
}

/// A pool element with a service and an identifier; it takes one of the registrars, whichever answers first.
fn server(host: &Host, address: &str, service: &str, identifier: &str, registrars: &[&str]) -> Program {
    let mut options = vec![format!("-identifier={identifier}")];
    options.extend(registrars.iter().map(|at| format!("-registrar={at}:3863")));
    let mut program = vec!["rspserver", service, "-loglevel=4", "-logcolor=off"];
    program.extend(options.iter().map(String::as_str));
    start(sctp_run_on(host, address), &program)
}

/// A line to the pool, and back from a pool element, by what a registrar says.
fn echo(host: &Host, address: &str, registrar: &str) {
    let registrar = format!("-registrar={registrar}:3863");
    let mut terminal =
        start(sctp_run_on(host, address), &["rspterminal", &registrar, "-poolhandle=EchoPool"]);
    let mut typed = terminal.take_stdin().expect("its standard input");
    std::io::Write::write_all(&mut typed, b"hello\n").expect("it reads");
    let answer = hear(&mut terminal, "from PE $");
    assert!(answer.contains("hello"), "{answer}");
}

#[test]
fn rsplib_s_registrar_survives_in_its_peer() {
    let Some(host) = host_or_skip() else { return };
    let registrars = [(REGISTRAR, OTHER_REGISTRAR), (OTHER_REGISTRAR, REGISTRAR)]
        .map(|(address, peer)| (address, registrar(&host, address, peer, &[])));
    let mut server = server(&host, "10.98.0.3", "-echo", "0xec40", &[REGISTRAR, OTHER_REGISTRAR]);
    // ENRP tells the one that was not asked.
    let [first, other] = registrars.map(|(address, mut registrar)| {
        hear(&mut registrar, "Successfully registered EchoPool/$0000ec40");
        (address, registrar)
    });
    let was_asked = first.1.output().contains("Registration request for EchoPool");
    let (home, other) = if was_asked { (first, other) } else { (other, first) };
    echo(&host, "10.98.0.4", home.0);
    home.1.signal(Signal::SIGKILL);
    hear(&mut server, "Disconnected from registrar");
    hear(&mut server, "Connected to registrar");
    echo(&host, "10.98.0.5", other.0);
}

/// Which pool element answers a client of the ping-pong service next.
fn answering(client: &mut Program) -> String {
    let line = hear(client, "Ack #");
    let (_, rest) = line.split_once("from PE $").unwrap_or_else(|| panic!("{line}"));
    rest.split(' ').next().unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn rsplib_s_client_fails_over_to_another_pool_element() {
    let Some(host) = host_or_skip() else { return };
    let mut registrar = registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]);
    let elements = [("00000044", "10.98.0.3", "0x44"), ("00000055", "10.98.0.4", "0x55")].map(
        |(name, address, identifier)| (name, server(&host, address, "-pingpong", identifier, &[REGISTRAR])),
    );
    for _ in &elements {
        hear(&mut registrar, "Successfully registered PingPongPool");
    }
    let at = format!("-registrar={REGISTRAR}:3863");
    let client = ["pingpongclient", &at, "-interval=50"];
    let mut client = start(sctp_run_on(&host, "10.98.0.5"), &client);
    // A cookie follows each answer, and is there before the next one.
    hear(&mut client, "Ack #1 ");
    let before = answering(&mut client);
    let (_, element) = elements.iter().find(|(name, _)| *name == before).expect("it is one of them");
    element.signal(Signal::SIGKILL);
    // The state came along in a cookie (RFC 5352, 2.2.11).
    hear(&mut client, "RSERPOOL_FAILOVER_NECESSARY, cookie=yes");
    hear(&mut client, "RSERPOOL_FAILOVER_COMPLETE");
    assert_ne!(answering(&mut client), before);
}

#[test]
fn rsplib_s_tools_show_the_handlespace() {
    let Some(host) = host_or_skip() else { return };
    let mut monitor = host.command("stdbuf");
    monitor.args(["-oL", "cspmonitor", "-localaddress=10.98.0.9:2960", "-updateinterval=250"]);
    let mut monitor = Program::start(monitor);
    let reports = ["-identifier=0x11110001", "-cspserver=10.98.0.9:2960", "-cspinterval=250"];
    let mut registrar = registrar(&host, REGISTRAR, OTHER_REGISTRAR, &reports);
    let _server = server(&host, "10.98.0.3", "-echo", "0xec40", &[REGISTRAR]);
    hear(&mut registrar, "Successfully registered EchoPool");

    let state = hear(&mut monitor, "PEs in 1 Pool");
    assert!(state.contains("PR $11110001") && state.contains("10.98.0.1:3863"), "{state}");

    // It poses as a registrar's peer, and asks for the handlespace by ENRP.
    let dump = [&format!("{REGISTRAR}:9901")[..], "-logcolor=off"];
    let dump = look_until(LIMIT, || {
        let program = [&["hsdump"][..], &dump].concat();
        let output = finish(start(sctp_run_on(&host, "10.98.0.4"), &program));
        if output.contains("EchoPool") { Ok(output) } else { Err(output) }
    });
    assert!(dump.contains("$0000ec40") && dump.contains("home=$11110001"), "{dump}");
}
