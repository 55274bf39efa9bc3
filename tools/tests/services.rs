//! The services of `rspserver` with their clients, as separate processes over UDP encapsulation. Addresses are 127.81.x.x.

use nix::sys::signal::Signal;

use support::Site;

mod support;

const TERMINAL: &str = env!("CARGO_BIN_EXE_rspterminal");

#[test]
fn the_time_of_day_is_told_to_each_who_comes() {
    let site = Site { network: 81, test: 1 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-daytime"]);
    // The element ends the session then, and the terminal with it.
    let output = site.client(TERMINAL, &["-poolhandle=DaytimePool"], "");
    let said = String::from_utf8_lossy(&output.stdout);
    let first = said.lines().next().expect("a line");
    let (day, time) = first.rsplit_once(' ').expect("date and time");
    assert!(day.contains("day, ") && day.contains("-20") && time.matches(':').count() == 2, "{said}");
}

#[test]
fn what_is_discarded_is_not_answered() {
    let site = Site { network: 81, test: 2 };
    let _registrar = site.registrar();
    let server = site.server(3, &["-discard", "-loglevel=7"]);
    let output = site.client(TERMINAL, &["-poolhandle=DiscardPool", "--linger=0.1"], "nothing\n");
    assert!(output.status.success() && output.stdout.is_empty());
    let (ended_well, _) = server.end(Signal::SIGTERM);
    assert!(ended_well);
}

#[test]
fn characters_come_as_fast_as_they_are_read_until_the_server_ends() {
    let site = Site { network: 81, test: 3 };
    let registrar = site.registrar();
    let server = site.server(3, &["-chargen"]);
    let mut reader = site.start(TERMINAL, 9, &["-poolhandle=CharGenPool", "--linger=3600"]);
    for first in ["!\"#$%&'()*+", "ABCDEFGHIJK", "abcdefghijk"] {
        reader.wait_for(first);
    }
    let (ended_well, _) = server.end(Signal::SIGTERM);
    assert!(ended_well);
    drop((reader, registrar));
}

#[test]
fn a_server_that_comes_and_goes_leaves_its_pool_each_time() {
    let site = Site { network: 81, test: 4 };
    let mut registrar = site.registrar();
    let _server = site.server(3, &["-echo", "-uptime=0.2", "-downtime=0.05"]);
    for _ in 0..3 {
        registrar.wait_for("EchoPool: 0x");
        registrar.wait_for("(deregistered)");
    }
}
