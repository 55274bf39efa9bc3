//! Command lines of the programs: help, both spellings, errors that tell what to do.

use std::fs::File;
use std::process::{Command, Output};

const PROGRAMS: [&str; 5] = [
    env!("CARGO_BIN_EXE_rspregistrar"),
    env!("CARGO_BIN_EXE_rspserver"),
    env!("CARGO_BIN_EXE_rspterminal"),
    env!("CARGO_BIN_EXE_pingpongclient"),
    env!("CARGO_BIN_EXE_rsp-demo"),
];

fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output: Output = Command::new(program).args(arguments).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_program_explains_itself_with_examples_and_exit_codes() {
    for program in PROGRAMS {
        let (code, help, _) = run(program, &["--help"]);
        assert_eq!(code, Some(0), "{program}");
        for part in ["Examples:", "Exit codes:", "--udp", "--loss"] {
            assert!(help.contains(part), "{part} is missing in the help of {program}");
        }
    }
}

#[test]
fn every_program_of_sctp_does_so_too() {
    let perf = env!("CARGO_BIN_EXE_sctp-perf");
    for (program, arguments) in [
        (perf, &["--help"][..]),
        (perf, &["server", "--help"]),
        (perf, &["client", "--help"]),
        (env!("CARGO_BIN_EXE_sctp-run"), &["--help"]),
        (env!("CARGO_BIN_EXE_sctp-stat"), &["--help"]),
        (env!("CARGO_BIN_EXE_sctp-lab"), &["--help"]),
    ] {
        let (code, help, _) = run(program, arguments);
        assert_eq!(code, Some(0), "{program} {arguments:?}");
        for part in ["Examples:", "Exit codes:"] {
            assert!(help.contains(part), "{part} is missing in the help of {program} {arguments:?}");
        }
    }
}

/// It would never end: associations that are set up carry no payload.
#[test]
fn a_set_up_test_cannot_be_limited_by_bytes() {
    let arguments = ["client", "127.0.0.2", "--udp", "--test", "setup", "--bytes", "1"];
    let (code, _, errors) = run(env!("CARGO_BIN_EXE_sctp-perf"), &arguments);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.starts_with("error: --bytes cannot be used with --test setup"), "{errors}");
}

#[test]
fn unknown_options_and_values_out_of_range_are_wrong_usage_in_both_spellings() {
    for (program, arguments) in [
        (PROGRAMS[0], ["-serverannouncecycle=5"]),
        (PROGRAMS[0], ["--serverannouncecycle=5"]),
        (PROGRAMS[0], ["-nosuchoption"]),
        (PROGRAMS[0], ["-identifier=0"]),
        (PROGRAMS[1], ["-policy=Best"]),
        (PROGRAMS[1], ["-discard"]),
        (PROGRAMS[2], ["-registrar=192.0.2.1"]),
        (PROGRAMS[3], ["-interval=0"]),
        (PROGRAMS[1], ["-runtime=nan"]),
        (PROGRAMS[1], ["-poolhandle="]),
        (PROGRAMS[2], ["--patience=1e300"]),
        (PROGRAMS[2], ["--linger=-1"]),
        (PROGRAMS[4], ["--first-address=127.255.255.252"]),
    ] {
        let (code, _, errors) = run(program, &arguments);
        assert_eq!(code, Some(2), "{program} {arguments:?}: {errors}");
        assert!(errors.starts_with("error:"), "{errors}");
    }
}

#[test]
fn options_without_effect_are_named_and_do_not_stop_the_program() {
    let (code, _, errors) = run(PROGRAMS[0], &["-enrp=auto", "-peer=192.0.2.1", "--version"]);
    assert_eq!(code, Some(0));
    assert!(errors.contains("warning: -enrp has no effect yet"), "{errors}");
    assert!(errors.contains("warning: -peer has no effect yet"), "{errors}");
}

#[test]
fn an_address_of_another_host_is_named() {
    let (code, _, errors) = run(PROGRAMS[0], &["--udp", "--local=192.0.2.1", "-asapannounce=off"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("192.0.2.1 is not an address of this host"), "{errors}");
}

#[test]
fn an_output_that_takes_nothing_is_an_error_and_no_panic() {
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut command = Command::new(PROGRAMS[1]);
    command.args(["--udp=0", "--local=127.0.0.1", "--asapannounce=off"]).stdout(full);
    let output = command.output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.starts_with("rspserver: cannot write to standard output"), "{errors}");
}
