//! All programs report to the monitor of the environment (CSP). Addresses are 127.82.1.x.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rserpool::csp::{Group, StatusReport};
use support::Site;

mod support;

const PATIENCE: Duration = Duration::from_secs(120);

/// The next report from an address that is like this one.
fn hear(monitor: &UdpSocket, address: &str, is_it: impl Fn(&StatusReport) -> bool) {
    let place = format!(": {address}");
    let mut datagram = [0; 65_536];
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "no such report from {address}");
        let length = monitor.recv(&mut datagram).expect("a report");
        let report = StatusReport::parse(&datagram[..length]).expect("a report");
        if (report.is_final || report.location.contains(&place)) && is_it(&report) {
            return;
        }
    }
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn load_attacks_and_dumps_are_seen_by_a_monitor() {
    let site = Site { network: 82, test: 1 };
    let _registrar = site.registrar();
    let registrar = "-registrar=127.82.1.2:3863";
    for (host, program, arguments, status) in [
        (3, env!("CARGO_BIN_EXE_testregistrator"), &[registrar][..], "keeps what is registered"),
        (4, env!("CARGO_BIN_EXE_hrestest"), &[registrar, "-pause=100"], "resolutions"),
        (5, env!("CARGO_BIN_EXE_attacker"), &[registrar], "registrations"),
    ] {
        let monitor = monitor();
        let mut command = with_monitor(program, &monitor);
        let child = command.args(site.arguments(host, arguments)).spawn().expect("it starts");
        let child = Ended(child);
        let is_it = |report: &StatusReport| {
            report.sender.group() == Group::PoolUser
                && report.status.ends_with(status)
                && report.associations.len() == 1
                && report.interval == Duration::from_millis(250)
        };
        hear(&monitor, &format!("127.82.1.{host}"), is_it);
        kill(Pid::from_raw(child.0.id().cast_signed()), Signal::SIGTERM).expect("it runs");
        hear(&monitor, "", |report| report.is_final);
    }
}

fn monitor() -> UdpSocket {
    let monitor = UdpSocket::bind("127.82.1.1:0").expect("a port");
    monitor.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    monitor
}

/// More often than there are reports.
fn with_monitor(program: &str, monitor: &UdpSocket) -> Command {
    let mut command = Command::new(program);
    command.env("CSP_SERVER", monitor.local_addr().expect("it is bound").to_string());
    command.env("CSP_INTERVAL", "100").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_dump_is_seen_by_a_monitor() {
    let site = Site { network: 82, test: 2 };
    let _registrar = site.registrar();
    let monitor = monitor();
    let mut command = with_monitor(env!("CARGO_BIN_EXE_hsdump"), &monitor);
    let output = command.args(site.arguments(9, &["127.82.2.2"])).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    hear(&monitor, "127.82.2.9", |report| report.status == "fetches a handlespace");
    hear(&monitor, "", |report| report.is_final);
}

#[test]
fn a_monitor_listens_at_a_name_and_ignores_where_others_report_to() {
    let options = ["-localaddress=localhost:2961", "-cspserver=127.82.1.1", "-cspinterval=250", "--json"];
    let program = env!("CARGO_BIN_EXE_cspmonitor");
    let mut child = Command::new(program)
        .args(options)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut errors = std::io::BufReader::new(child.stderr.take().expect("its errors"));
    let _child = Ended(child);
    let mut line = String::new();
    while !line.contains("listening at 127.0.0.1:") && !line.contains("listening at [::1]:") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut errors, &mut line).expect("its errors");
        assert!(read > 0, "it does not listen");
    }
}
