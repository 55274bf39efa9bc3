//! Load on a registrar, as separate processes over UDP encapsulation, on loopback addresses of the tests' own: 127.78.4`test`.x.

use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::Value;

use support::Running;

mod support;

fn registrar(test: u8, more: &[&str]) -> Running {
    let mut arguments = arguments(test, 2, &["-asapannounce=off", "-enrp=off"]);
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    let mut registrar = Running::start(env!("CARGO_BIN_EXE_rspregistrar"), &arguments);
    registrar.wait_for("registrar 0x");
    registrar
}

/// At a host's address.
fn arguments(test: u8, host: u8, more: &[&str]) -> Vec<String> {
    let local = format!("--local=127.78.4{test}.{host}");
    ["--udp", &local].iter().chain(more).map(|argument| (*argument).to_owned()).collect()
}

/// The same, to load the registrar.
fn load(test: u8, host: u8, more: &[&str]) -> Vec<String> {
    let at = format!("-registrar=127.78.4{test}.2:3863");
    arguments(test, host, &[&[&*at], more].concat())
}

/// Runs one of our load programs to its end.
fn run(program: &str, test: u8, host: u8, more: &[&str]) -> Output {
    Command::new(program).args(load(test, host, more)).output().expect("it runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn elements_stay_registered_while_they_are_resolved() {
    let _registrar = registrar(
        1,
        &["-endpointkeepalivetransmissioninterval=300", "-endpointkeepalivetimeoutinterval=5000"],
    );
    let program = env!("CARGO_BIN_EXE_testregistrator");
    let arguments = [
        "-poolelements=90",
        "-pools=3",
        "-policy=LeastUsed",
        "--associations=2",
        "--outstanding=4",
        "--json",
    ];
    let mut elements = Running::start(program, &load(1, 3, &arguments));
    let registered: Value = serde_json::from_str(&elements.wait_for("answers")).expect("JSON");
    assert_eq!((&registered["answers"], &registered["refused"]), (&90.into(), &0.into()));

    let program = env!("CARGO_BIN_EXE_hrestest");
    // Longer than elements live whose Keep-Alives nobody acknowledges.
    let arguments = [
        "-poolhandle=TestPool-2",
        "-items=128",
        "--associations=3",
        "--outstanding=2",
        "--runtime=6",
        "--json",
    ];
    let summary = json(&run(program, 1, 4, &arguments));
    assert!(summary["answers"].as_u64() > Some(100) && summary["refused"] == 0, "{summary}");
    assert!(summary["p50_us"].as_u64() <= summary["p99_us"].as_u64());

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("statistics");
    let statistics = format!("-statsfile={}", file.display());
    let arguments = ["-poolhandle=TestPool-2", "-items=30", "-maxruns=2", "-pause=1", &statistics];
    let output = run(program, 1, 5, &arguments);
    let (lines, said) =
        (std::fs::read_to_string(file).expect("a file"), String::from_utf8_lossy(&output.stdout));
    assert_eq!((lines.lines().count(), said.lines().count()), (2, 3), "{lines}{said}");
    assert!(lines.lines().all(|line| line.matches("0x").count() == 30), "{lines}");

    let (ended_well, _) = elements.end(Signal::SIGTERM);
    assert!(ended_well);
}

#[test]
fn reports_of_unreachable_elements_reach_the_registrar() {
    let mut registrar = registrar(2, &["-maxbadpereports=1"]);
    let program = env!("CARGO_BIN_EXE_testregistrator");
    let mut elements = Running::start(program, &load(2, 3, &["-poolelements=1"]));
    elements.wait_for("1 answers");
    let arguments = ["-poolhandle=TestPool", "-maxruns=1", "-reportunreachableprobability=1"];
    let output = run(env!("CARGO_BIN_EXE_hrestest"), 2, 4, &arguments);
    assert!(output.status.success(), "{output:?}");
    registrar.wait_for("removed (users reported it as unreachable)");
}

#[test]
fn it_is_told_when_enough_are_registered() {
    // Keep-Alives to thousands of elements each quarter of a second are more than this is about.
    let registrar = registrar(3, &["-endpointkeepalivetransmissioninterval=300000"]);
    let memory = format!("--memory-of={}", registrar.id());
    let arguments =
        ["-poolelements=20000", "--outstanding=16", "--stop-memory=0", &memory, "--runtime=0", "--json"];
    let summary = json(&run(env!("CARGO_BIN_EXE_testregistrator"), 3, 3, &arguments));
    assert!(summary["end"].as_str().is_some_and(|end| end.starts_with("the registrar holds")), "{summary}");
    assert!(summary["answers"].as_u64() < Some(20_000), "{summary}");
}

#[test]
fn who_is_not_there_is_told() {
    let arguments = ["--patience=0.2", "-maxruns=1"];
    let output = run(env!("CARGO_BIN_EXE_hrestest"), 4, 3, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("does a registrar listen there?"), "{errors}");
}

#[test]
fn a_pause_is_no_silence_of_the_registrar_and_the_file_is_whole() {
    let _registrar = registrar(6, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("runs");
    let statistics = format!("-statsfile={}", file.display());
    let output = run(
        env!("CARGO_BIN_EXE_hrestest"),
        6,
        3,
        &["-maxruns=2", "-pause=5000", "--patience=4", &statistics, "--json"],
    );
    assert_eq!(json(&output)["answers"], 2);
    let text = std::fs::read_to_string(&file).expect("it was written");
    assert_eq!(text.lines().count(), 2, "{text}");
}
