//! Programs that find each other by name. Addresses are 127.78.40.x, the DNS server's is 127.78.40.1.

use std::net::IpAddr;
use std::process::Command;

use dns::DnsServer;
use support::Running;

#[path = "../../rserpool/tests/names/dns.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod dns;
mod support;

/// What a program says, with a registrar behind a name.
fn run(dns: &DnsServer, program: &str, more: &[&str]) -> String {
    let arguments = arguments(dns, 9, more);
    let output = Command::new(program).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn who_asks_one_registrar_finds_it_by_name() {
    let dns = DnsServer::start([127, 78, 40, 11]);
    // Nobody answers at the first of them.
    dns.set_addresses("registrars.test.", &[address(13), address(12)]);
    let alone = [&FAST[..], &["-enrpannounce=off"]].concat();
    let mut registrar = start(&dns, env!("CARGO_BIN_EXE_rspregistrar"), 12, &alone);
    registrar.wait_for("registrar 0x");
    let name = "-registrar=registrars.test";
    let program = env!("CARGO_BIN_EXE_testregistrator");
    let mut elements = start(&dns, program, 10, &[name, "--profile=fast", "-poolelements=3"]);
    elements.wait_for("3 answers");
    let arguments =
        [name, "--profile=fast", "-poolhandle=TestPool-0001", "-maxruns=1", "-items=9", "-printresults"];
    let said = run(&dns, env!("CARGO_BIN_EXE_hrestest"), &arguments);
    assert_eq!(said.matches("0x").count(), 3, "{said}");
    let said =
        run(&dns, env!("CARGO_BIN_EXE_attacker"), &[name, "--profile=fast", "--rate=10", "--duration=3"]);
    assert!(said.contains("1 of 1 came up"), "{said}");
    let said = run(&dns, env!("CARGO_BIN_EXE_hsdump"), &["registrars.test", "--patience=2"]);
    assert!(said.contains("TestPool-0001: 3 elements"), "{said}");
}

fn address(host: u8) -> IpAddr {
    [127, 78, 40, host].into()
}

fn arguments(dns: &DnsServer, host: u8, more: &[&str]) -> Vec<String> {
    let mut arguments = vec!["--udp".to_owned(), format!("--local={}", address(host))];
    arguments.push(format!("--dns-server={}", dns.address()));
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    arguments
}

/// A program on a host of its own.
fn start(dns: &DnsServer, program: &str, host: u8, more: &[&str]) -> Running {
    Running::start(program, &arguments(dns, host, more))
}

/// Without multicast.
const FAST: [&str; 2] = ["-asapannounce=off", "--profile=fast"];

#[test]
fn registrars_and_servers_behind_one_name_find_each_other_without_multicast() {
    // As behind a headless service of Kubernetes.
    let dns = DnsServer::start([127, 78, 40, 1]);
    dns.set_addresses("registrars.test.", &[address(2), address(3)]);
    let registrar = |host, id: &str| {
        let options = [&FAST[..], &["-enrpannounce=off", "-peer=registrars.test", id]].concat();
        start(&dns, env!("CARGO_BIN_EXE_rspregistrar"), host, &options)
    };
    let (mut first, mut second) = (registrar(2, "-identifier=0x11"), registrar(3, "-identifier=0x22"));
    first.wait_for("registrar 0x00000022 found");
    second.wait_for("registrar 0x00000011 found");
    let options = [&FAST[..], &["-registrar=registrars.test", "-echo"]].concat();
    let mut server = start(&dns, env!("CARGO_BIN_EXE_rspserver"), 4, &options);
    server.wait_for("registered");
}
