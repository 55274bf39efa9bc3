//! `rspregistrar` as its operators see it. Addresses are 127.79.x.x.

use nix::sys::signal::Signal;

use support::Running;

mod support;

/// A registrar at this address, alone, with more options.
fn start(address: &str, more: &[&str]) -> Running {
    let mut arguments = vec!["--udp".to_owned(), format!("--local={address}")];
    arguments.extend(["-asapannounce=off", "-enrpannounce=off", "--profile=fast"].map(str::to_owned));
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Running::start(env!("CARGO_BIN_EXE_rspregistrar"), &arguments)
}

#[test]
fn of_an_option_that_is_there_twice_the_last_counts() {
    let mut registrar = start("127.79.0.2", &["-identifier=0x11", "-autoclosetimeout=5", "-identifier=0x22"]);
    registrar.wait_for("registrar 0x00000022 on 127.79.0.2");
}

/// RSPLIB rounds it up to a second, and waits five.
#[test]
fn a_registrar_without_a_mentor_waits_no_longer_than_it_is_told() {
    let begin = std::time::Instant::now();
    let mut registrar = start("127.79.0.3", &["-peer=127.79.0.4:9901", "-mentorhuntinterval=100"]);
    registrar.wait_for("serving");
    assert!(begin.elapsed() < std::time::Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn a_registrar_in_a_failure_test_goes_and_comes_back_until_it_is_told_to_end() {
    let mut registrar = start("127.79.0.5", &["-uptime=0.1", "-downtime=0.05"]);
    for _ in 0..2 {
        registrar.wait_for("registrar 0x");
        registrar.wait_for("away for ");
    }
    let (ended_well, _) = registrar.end(Signal::SIGINT);
    assert!(ended_well);
}
