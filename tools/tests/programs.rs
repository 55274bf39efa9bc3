//! Registrar, server and clients together, as separate processes over UDP encapsulation. Each test has loopback
//! addresses of its own.

use nix::sys::signal::Signal;

use support::Site;

mod support;

#[test]
fn a_terminal_talks_to_an_echo_pool() {
    let site = Site { network: 78, test: 1 };
    let registrar = site.registrar();
    let server = site.server(3, &["-echo", "-policy=LeastUsed"]);
    let output = site.client(env!("CARGO_BIN_EXE_rspterminal"), &["-poolhandle=EchoPool"], "one\ntwo\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\ntwo\n");
    assert!(output.status.success());
    let (ended_well, _) = server.end(Signal::SIGTERM);
    assert!(ended_well);
    let (ended_well, said) = registrar.end(Signal::SIGINT);
    assert!(ended_well);
    assert!(said.contains("EchoPool: 0x") && said.contains("(deregistered)"), "{said}");
}

#[test]
fn sessions_that_servers_break_off_lose_nothing() {
    let site = Site { network: 78, test: 2 };
    let _registrar = site.registrar();
    let arguments = ["-pingpong", "-poolhandle=P", "-pppfailureafter=7"];
    let _first = site.server(3, &arguments);
    let _second = site.server(4, &arguments);
    let arguments = ["-poolhandle=P", "-interval=2", "--count=30"];
    let output = site.client(env!("CARGO_BIN_EXE_pingpongclient"), &arguments, "");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("goes on from the cookie"), "{said}");
    // Duplicates are none of its business: what is sent after a fail-over, and before the client hears of it, is sent twice.
    assert!(said.contains("30 replies"), "{said}");
}

#[test]
fn an_unknown_pool_is_told_as_the_reason() {
    let site = Site { network: 78, test: 3 };
    let _registrar = site.registrar();
    let arguments = ["-poolhandle=Nobody", "--patience=1"];
    let output = site.client(env!("CARGO_BIN_EXE_pingpongclient"), &arguments, "");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("pingpongclient: the registrar refused"), "{errors}");
}

#[test]
fn a_missing_registrar_is_told_as_the_reason() {
    let site = Site { network: 78, test: 4 };
    let output = site.client(env!("CARGO_BIN_EXE_rspterminal"), &["--patience=1"], "");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("rspterminal: no registrar answered in time"), "{errors}");
}

#[test]
fn lines_may_be_binary_and_longer_than_a_message() {
    let site = Site { network: 78, test: 5 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-echo"]);
    let mut input = vec![0xff; 100_000];
    input.extend(b"\nno text: \xc3\x28\nwithout an end");
    let output = site.client(env!("CARGO_BIN_EXE_rspterminal"), &[], &input);
    assert!(output.status.success());
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
}

#[test]
fn a_server_that_no_registrar_lets_go_ends_well_all_the_same() {
    let site = Site { network: 78, test: 6 };
    // With the RFCs' timers it would wait for a registrar for a minute.
    let mut server = site.start(env!("CARGO_BIN_EXE_rspserver"), 3, &["-echo", "--profile=rfc"]);
    server.wait_for("serving at");
    let (ended_well, said) = server.end(Signal::SIGTERM);
    assert!(ended_well && said.contains("no registrar confirmed"), "{said}");
}
