//! Programs that find each other by name. Addresses are 127.78.40.x, the DNS server's is 127.78.40.1.

use std::net::IpAddr;

use dns::DnsServer;
use support::Running;

#[path = "../../rserpool/tests/names/dns.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod dns;
mod support;

fn address(host: u8) -> IpAddr {
    [127, 78, 40, host].into()
}

/// A program on a host of its own, without multicast.
fn start(dns: &DnsServer, program: &str, host: u8, more: &[&str]) -> Running {
    let mut arguments = vec!["--udp".to_owned(), format!("--local={}", address(host))];
    arguments.push(format!("--dns-server={}", dns.address()));
    arguments.extend(
        ["-asapannounce=off", "--profile=fast"].iter().chain(more).map(|argument| (*argument).to_owned()),
    );
    Running::start(program, &arguments)
}

#[test]
fn registrars_and_servers_behind_one_name_find_each_other_without_multicast() {
    // As behind a headless service of Kubernetes.
    let dns = DnsServer::start([127, 78, 40, 1]);
    dns.set_addresses("registrars.test.", &[address(2), address(3)]);
    let registrar = |host, id: &str| {
        let options = ["-enrpannounce=off", "-peer=registrars.test", id];
        start(&dns, env!("CARGO_BIN_EXE_rspregistrar"), host, &options)
    };
    let (mut first, mut second) = (registrar(2, "-identifier=0x11"), registrar(3, "-identifier=0x22"));
    first.wait_for("registrar 0x00000022 found");
    second.wait_for("registrar 0x00000011 found");
    let options = ["-registrar=registrars.test", "-echo"];
    let mut server = start(&dns, env!("CARGO_BIN_EXE_rspserver"), 4, &options);
    server.wait_for("registered");
}
