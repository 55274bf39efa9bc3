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
        "-poolhandle=TestPool-0002",
        "-items=128",
        "--associations=3",
        "--outstanding=2",
        "--runtime=6",
        "--json",
    ];
    let summary = json(&run(program, 1, 4, &arguments));
    assert!(summary["answers"].as_u64() > Some(100) && summary["refused"] == 0, "{summary}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("statistics");
    let statistics = format!("-statsfile={}", file.display());
    let arguments = ["-poolhandle=TestPool-0002", "-items=30", "-maxruns=2", "-printresults", &statistics];
    let output = run(program, 1, 5, &arguments);
    let (file, said) =
        (std::fs::read_to_string(file).expect("a file"), String::from_utf8_lossy(&output.stdout));
    assert_eq!(said.lines().filter(|line| line.matches("0x").count() == 30).count(), 2, "{said}");
    let (header, lines) = file.split_once('\n').expect("a header");
    assert_eq!(header, "AbsTime RelTime Success Failure");
    let totals = lines.lines().last().and_then(|line| line.split_once("   ")?.1.split_once("   "));
    assert_eq!(totals.map(|(_, totals)| totals), Some("60 0"), "{file}");

    let (ended_well, _) = elements.end(Signal::SIGTERM);
    assert!(ended_well);
}

#[test]
fn reports_of_unreachable_elements_reach_the_registrar() {
    let mut registrar = registrar(2, &["-maxbadpereports=1"]);
    let program = env!("CARGO_BIN_EXE_testregistrator");
    let mut elements = Running::start(program, &load(2, 3, &["-poolelements=1"]));
    elements.wait_for("1 answers");
    let arguments = ["-poolhandle=TestPool-0001", "-maxruns=1", "-reportunreachableprobability=1"];
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
fn a_pause_is_no_silence_of_the_registrar() {
    let _registrar = registrar(6, &[]);
    let program = env!("CARGO_BIN_EXE_testregistrator");
    let mut elements = Running::start(program, &load(6, 3, &["-poolhandle=EchoPool", "-poolelements=1"]));
    elements.wait_for("1 answers");
    let arguments = ["-maxruns=2", "-pause=5000", "--patience=4", "--json"];
    assert_eq!(json(&run(env!("CARGO_BIN_EXE_hrestest"), 6, 4, &arguments))["answers"], 2);
}

/// Code and errors of a program that is expected to fail.
fn failure(output: &Output) -> (Option<i32>, std::borrow::Cow<'_, str>) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_run_that_failed_says_so_by_its_code() {
    let _registrar = registrar(7, &["--max-association-elements=5"]);
    let registrations = |more: &[&str]| {
        let arguments = [&["-poolelements=9", "--runtime=0"], more].concat();
        run(env!("CARGO_BIN_EXE_testregistrator"), 7, 3, &arguments)
    };
    let refused = registrations(&[]);
    assert_eq!(
        failure(&refused),
        (Some(1), "testregistrator: the registrar refuses an element: lack of resources\n".into())
    );
    // Here it is asked how many there can be.
    let limit = json(&registrations(&["--stop-p99=3600000", "--json"]));
    assert_eq!((&limit["answers"], &limit["refused"]), (&6.into(), &1.into()));

    let nobody = run(env!("CARGO_BIN_EXE_hrestest"), 7, 4, &["-poolhandle=Nobody", "-maxruns=2"]);
    assert_eq!(
        failure(&nobody),
        (Some(1), "hrestest: no request has brought an element: unknown pool handle\n".into())
    );
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("2 answers"), "{nobody:?}");

    let nowhere = ["-registrar=127.78.47.9:3863", "--duration=0.3", "--rate=100"];
    let program = env!("CARGO_BIN_EXE_attacker");
    let output = Command::new(program).args(arguments(7, 5, &nowhere)).output().expect("it runs");
    assert_eq!(
        failure(&output),
        (Some(1), "attacker: no association has come up: is a registrar there?\n".into())
    );
}

#[test]
fn an_attacker_reports_what_it_resolves_and_registers_where_it_is_told() {
    let mut registrar = registrar(8, &["-maxbadpereports=1"]);
    let program = env!("CARGO_BIN_EXE_attacker");
    let element =
        ["-interval=0.01", "-identifier=0xabc", "--identities=1", "-port=4711", "-loaddegoverride=0.5"];
    let attacker = Running::start(program, &load(8, 3, &[&element[..], &["-policy=lud:0.1"]].concat()));
    registrar.wait_for("EchoPool: 0x00000abc registered");
    let arguments = ["-type=handleresolution", "-interval=0.1", "-reportunreachableprobability=1"];
    let other = Running::start(program, &load(8, 4, &arguments));
    registrar.wait_for("removed (users reported it as unreachable)");
    for (attacker, words) in
        [(attacker, ["registrations", "granted"]), (other, ["handle resolutions", "reported as unreachable"])]
    {
        let (has_ended_well, said) = attacker.end(Signal::SIGTERM);
        assert!(has_ended_well && words.iter().all(|word| said.contains(word)), "{said}");
    }
}

/// Those of RSPLIB's manuals that all its elements and users have.
const COMMON: &str = "-asapannounce=239.0.0.50:3863 -registrarannouncetimeout=5000 -registrarconnecttimeout=1500 \
    -registrarconnectmaxtrials=3 -registrarrequesttimeout=1500 -registrarresponsetimeout=1500 -registrarrequestmaxtrials=3 \
    -logfile=/dev/null -logappend=/dev/null -loglevel=3 -logcolor=yes -cspserver=127.0.0.1:2960 -cspinterval=100 -disable-ipv6";

#[test]
fn every_option_of_rsplib_s_test_programs_is_taken() {
    let resolutions = "-poolhandle=X -items=3 -pause=0 -maxruns=1 -quiet -printresults -statsfile=/dev/null -statsinterval=100 \
        -reportunreachableprobability=0.5 --patience=0";
    let registrations = "-poolelements=1 -pools=2 -policy=wrr -pause=1 -load=0.5 -loaddeg=0.1 -weight=7 -fastbreak -noderegistration \
        --patience=0";
    let attack = "-type=registration -interval=0.1 -port=1 -identifier=1 -dontwait -loaddegoverride=0.1 -reportunreachableprobability=0.1 \
        --duration=0.1";
    for (program, own) in [
        (env!("CARGO_BIN_EXE_hrestest"), resolutions),
        (env!("CARGO_BIN_EXE_testregistrator"), registrations),
        (env!("CARGO_BIN_EXE_attacker"), attack),
    ] {
        let options: Vec<_> = COMMON.split_whitespace().chain(own.split_whitespace()).collect();
        let output = run(program, 9, 3, &options);
        let (code, errors) = failure(&output);
        // There is nobody, which is another thing than wrong usage.
        assert_eq!(code, Some(1), "{program}: {errors}");
        let reasons =
            ["does a registrar listen there?", "the registrar has not answered", "is a registrar there?"];
        assert!(reasons.iter().any(|reason| errors.contains(reason)), "{program}: {errors}");
    }
}

#[test]
fn nobody_is_attacked_who_was_not_named() {
    let program = env!("CARGO_BIN_EXE_attacker");
    let output = Command::new(program).args(["-asapannounce=auto"]).output().expect("it runs");
    let (code, errors) = failure(&output);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("--registrar"), "{errors}");
}
