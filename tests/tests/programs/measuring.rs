//! Programs that measure: iperf3, netperfmeter, qperf, stress-ng.

use std::process::Command;

use system_tests::{built, is_installed_or_skip};

use crate::{finish, hear, sctp_run, start, start_ready};

fn iperf3(server_at: &str, client_at: &str, options: &[&str]) {
    if !is_installed_or_skip("iperf3", "iperf3") {
        return;
    }
    let server = ["iperf3", "--forceflush", "-s", "-1", "-p", "5301", "-B", server_at];
    let server = start_ready(sctp_run(server_at), &server, "Server listening");
    let client = [&["iperf3", "-c", server_at, "-p", "5301", "--sctp", "-n", "20M"], options].concat();
    assert!(finish(start(sctp_run(client_at), &client)).contains("iperf Done"));
    finish(server);
}

#[test]
fn iperf3_measures_both_ways() {
    iperf3("127.0.11.2", "127.0.11.3", &[]);
    iperf3("127.0.11.4", "127.0.11.5", &["-R"]);
}

#[test]
fn iperf3_measures_several_associations_at_once() {
    iperf3("127.0.11.6", "127.0.11.7", &["-P", "2"]);
}

/// How many bytes netperfmeter counted below a heading of its closing report.
fn bytes_below(report: &str, heading: &str) -> u64 {
    let (_, below) = report.rsplit_once(heading).unwrap_or_else(|| panic!("no {heading}: {report}"));
    let line = below.lines().find(|line| line.contains("* Bytes:")).unwrap_or_else(|| panic!("{report}"));
    line.split_whitespace().nth(2).and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn netperfmeter_measures_both_directions_at_once() {
    if !is_installed_or_skip("netperfmeter", "netperfmeter") {
        return;
    }
    // Its control connection is SCTP as well, on the port above.
    let server = ["netperfmeter", "9000"];
    let mut server = start_ready(sctp_run("127.0.15.2"), &server, "Accepting TCP/UDP/SCTP connections");
    let flow = "const20:const1400:const20:const1400";
    let client = ["netperfmeter", "127.0.15.2:9000", "-runtime=2", "-sctp", flow];
    let report = finish(start(sctp_run("127.0.15.3"), &client));
    // 20 frames of 1,400 bytes per second, for about two seconds; a busy machine makes fewer.
    for heading in ["- Transmission:", "- Reception:"] {
        let bytes = bytes_below(&report, heading);
        assert!(bytes >= 1_400 && bytes.is_multiple_of(1_400), "{heading} {bytes}");
    }
    hear(&mut server, "Starting measurement");
}

#[test]
fn qperf_measures_latency_and_bandwidth() {
    if !is_installed_or_skip("qperf", "qperf") {
        return;
    }
    // What to measure, and what came out, it tells its server over TCP, at this port.
    let _server = start(sctp_run("127.0.23.2"), &["qperf", "-lp", "19865"]);
    let client = ["qperf", "127.0.23.2", "-lp", "19865", "-ws", "60", "-t", "1", "sctp_lat", "sctp_bw"];
    let report = finish(start(sctp_run("127.0.23.3"), &client));
    assert!(report.contains("latency  =") && report.contains("bw  ="), "{report}");
}

#[test]
fn stress_ng_s_clients_come_and_go_with_each_scheduler() {
    if !is_installed_or_skip("stress-ng", "stress-ng") {
        return;
    }
    for (scheduler, udp) in [("fcfs", "--udp=9905"), ("prio", "--udp=9906"), ("rr", "--udp=9907")] {
        // It knows no address but this one.
        let mut sctp_run = Command::new(built("sctp-run"));
        sctp_run.args([udp, "--local", "127.0.0.1"]);
        let stress = ["stress-ng", "--sctp", "2", "--sctp-ops", "300", "--sctp-sched", scheduler];
        let report = finish(start(sctp_run, &stress));
        assert!(report.contains("successful run completed"), "{report}");
    }
}
