//! The demo as users run it: each test on loopback addresses of its own, over UDP encapsulation.

use std::process::{Command, Output};

use serde_json::Value;

fn demo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsp-demo"));
    command.args(arguments).output().expect("the demo starts")
}

fn report(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no report ({error}): {errors}"))
}

#[test]
fn a_killed_and_a_frozen_element_lose_nothing() {
    let output = demo(&["--udp", "--first-address=127.77.1.2", "--duration=3", "--json"]);
    let report = report(&output);
    // How long a fail-over takes depends on how busy this machine is: here it counts that nothing is lost.
    assert_eq!(report["replies"], report["requests"], "{report}");
    assert!(report["requests"].as_u64() > Some(50), "{report}");
    for nothing in ["gaps", "duplicates", "unanswered"] {
        assert_eq!(report[nothing], 0, "{report}");
    }
    let failovers = report["failovers"].as_array().expect("a list");
    let fault =
        |fault: &str| failovers.iter().find(|failover| failover["fault"] == fault).expect("a fail-over");
    assert_eq!(fault("SIGKILL")["signal"], "ICMP", "{report}");
    assert_eq!(fault("SIGSTOP")["signal"], "time-out", "{report}");
    assert!(failovers.iter().all(|failover| failover["has_cookie"] == true), "{report}");
    assert!(failovers.iter().all(|failover| failover["took_ms"].is_f64()), "{report}");
    assert_eq!(report["transport"], "udp");
    assert_eq!(output.status.success(), report["passed"] == true);
}

#[test]
fn people_see_who_served_when() {
    let output = demo(&["--udp", "--first-address=127.77.2.2", "--duration=2", "--no-faults"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    for part in
        ["UDP encapsulation", "registrar  127.77.2.2", "user       127.77.2.6", "replies    ", "seconds"]
    {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "colours are for terminals");
}

#[test]
fn packets_are_lost_on_purpose_and_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("demo.pcapng");
    let pcap = format!("--pcap={}", file.display());
    let arguments =
        ["--udp", "--first-address=127.77.3.2", "--duration=2", "--no-faults", "--loss=1", "--json", &pcap];
    let report = report(&demo(&arguments));
    assert_eq!((&report["loss_percent"], &report["gaps"]), (&Value::from(1.0), &Value::from(0)), "{report}");
    let recorded = std::fs::read(&file).expect("a capture");
    assert_eq!(recorded.get(..4), Some(&[0x0a, 0x0d, 0x0d, 0x0a][..]));
}

#[test]
fn an_address_that_another_stack_uses_is_named() {
    let taken = std::net::UdpSocket::bind("127.77.4.2:9899").expect("a free address");
    let output = demo(&["--udp", "--first-address=127.77.4.2", "--duration=2"]);
    drop(taken);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("UDP port 9899 on 127.77.4.2 is taken"), "{errors}");
    assert!(errors.contains("rsp-demo: the registrar ended"), "{errors}");
}

#[test]
fn wrong_options_are_refused_with_the_reason() {
    for (arguments, reason) in [
        (&["--duration=1"][..], "from 2 to 86400"),
        (&["--raw", "--udp"], "cannot be used with"),
        (&["--loss=200"], "from 0 to 100"),
    ] {
        let output = demo(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(errors.contains(reason), "{errors}");
    }
}
