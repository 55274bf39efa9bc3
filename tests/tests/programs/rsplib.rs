//! RSPLIB, the other implementation of RSerPool: all of its programs over our stack, over raw IP on a host of the test's.
//!
//! It wants addresses that are more than a loopback's, and tells its components' states over UDP.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use nix::sys::signal::Signal;
use rserpool::driver::{PoolUser, PoolUserOptions, Update};
use rserpool::pool_user::SubscriptionState;
use rserpool::wire::ASAP_PORT;
use rserpool::{PeId, Profile};
use socketapi::{Stack, Transport};
use system_tests::{
    Host, LIMIT, Lab, Program, finish, has_rsplib_or_skip, hear, look_until, registrar_command, sctp_run_on,
    server_command, start, start_our_own, start_ready, terminal_command,
};

/// The registrars' addresses.
pub(crate) const REGISTRAR: &str = "10.98.0.1";
pub(crate) const OTHER_REGISTRAR: &str = "10.98.0.2";

/// A host with an address for each program, if these can be run.
pub(crate) fn host_or_skip() -> Option<Host> {
    if !has_rsplib_or_skip() {
        return None;
    }
    let host = Lab::loopback();
    for number in 1..=9 {
        host.ip(&format!("addr add 10.98.0.{number}/24 dev lo"));
    }
    Some(host)
}

/// A registrar with a peer, ready for pool elements, and perhaps with more options.
pub(crate) fn registrar(host: &Host, address: &str, peer: &str, more: &[&str]) -> Program {
    let program = registrar_command(address, peer, more);
    start_ready(sctp_run_on(host, address), &program, "Registrar started")
}

/// What shows the states that registrars tell over UDP.
pub(crate) fn monitor(host: &Host, address: &str) -> Program {
    let mut command = host.command("stdbuf");
    command.args(["-oL", "cspmonitor", &format!("-localaddress={address}:2960"), "-updateinterval=250"]);
    Program::start(command)
}

/// A pool element with a service and an identifier; it takes one of the registrars, whichever answers first.
pub(crate) fn server(
    host: &Host,
    address: &str,
    service: &str,
    identifier: &str,
    registrars: &[&str],
) -> Program {
    start(sctp_run_on(host, address), &server_command(service, identifier, registrars))
}

/// A line to a pool, and back from a pool element, by what a registrar says.
pub(crate) fn echo(host: &Host, address: &str, registrar: &str, pool: &str) {
    let mut terminal = start(sctp_run_on(host, address), &terminal_command(registrar, pool));
    let mut typed = terminal.take_stdin().expect("its standard input");
    std::io::Write::write_all(&mut typed, b"hello\n").expect("it reads");
    let answer = hear(&mut terminal, "from PE $");
    assert!(answer.contains("hello"), "{answer}");
}

#[test]
fn rsplib_s_registrar_survives_in_its_peer() {
    let Some(host) = host_or_skip() else { return };
    let registrars = [(REGISTRAR, OTHER_REGISTRAR), (OTHER_REGISTRAR, REGISTRAR)]
        .map(|(address, peer)| (address, registrar(&host, address, peer, &[])));
    let mut server = server(&host, "10.98.0.3", "-echo", "0xec40", &[REGISTRAR, OTHER_REGISTRAR]);
    // ENRP tells the one that was not asked.
    let [first, other] = registrars.map(|(address, mut registrar)| {
        hear(&mut registrar, "Successfully registered EchoPool/$0000ec40");
        (address, registrar)
    });
    let was_asked = first.1.output().contains("Registration request for EchoPool");
    let (home, other) = if was_asked { (first, other) } else { (other, first) };
    echo(&host, "10.98.0.4", home.0, "EchoPool");
    home.1.signal(Signal::SIGKILL);
    hear(&mut server, "Disconnected from registrar");
    hear(&mut server, "Connected to registrar");
    echo(&host, "10.98.0.5", other.0, "EchoPool");
}

/// Which pool element answers a client of the ping-pong service next.
pub(crate) fn answering(client: &mut Program) -> String {
    element_in(&hear(client, "Ack #"))
}

/// Which pool element a client of the ping-pong service has in a line about an answer.
pub(crate) fn element_in(line: &str) -> String {
    let (_, rest) = line.split_once("from PE $").unwrap_or_else(|| panic!("{line}"));
    rest.split(' ').next().unwrap_or_else(|| panic!("{line}")).to_owned()
}

/// What a registrar tells a program that poses as its peer, once that holds all of `awaited`.
pub(crate) fn dump(host: &Host, address: &str, registrar: &str, awaited: &[&str]) -> String {
    let program = ["hsdump", &format!("{registrar}:9901"), "-logcolor=off"];
    look_until(LIMIT, || {
        let output = finish(start(sctp_run_on(host, address), &program));
        if awaited.iter().all(|text| output.contains(text)) { Ok(output) } else { Err(output) }
    })
}

#[test]
fn rsplib_s_client_fails_over_to_another_pool_element() {
    let Some(host) = host_or_skip() else { return };
    let mut registrar = registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]);
    let elements = [("00000044", "10.98.0.3", "0x44"), ("00000055", "10.98.0.4", "0x55")].map(
        |(name, address, identifier)| (name, server(&host, address, "-pingpong", identifier, &[REGISTRAR])),
    );
    for _ in &elements {
        hear(&mut registrar, "Successfully registered PingPongPool");
    }
    let at = format!("-registrar={REGISTRAR}:3863");
    let client = ["pingpongclient", &at, "-interval=50"];
    let client = start(sctp_run_on(&host, "10.98.0.5"), &client);
    fails_over(client, &elements);
}

/// A client's element dies, and another one goes on where that was.
fn fails_over(mut client: Program, elements: &[(&str, Program)]) {
    // A cookie follows each answer, and is there before the next one.
    hear(&mut client, "Ack #1 ");
    let before = answering(&mut client);
    let (_, element) = elements.iter().find(|(name, _)| *name == before).expect("it is one of them");
    element.signal(Signal::SIGKILL);
    // The state came along in a cookie (RFC 5352, 2.2.11).
    hear(&mut client, "RSERPOOL_FAILOVER_NECESSARY, cookie=yes");
    hear(&mut client, "RSERPOOL_FAILOVER_COMPLETE");
    assert_ne!(answering(&mut client), before);
}

#[test]
fn rsplib_s_tools_show_the_handlespace() {
    let Some(host) = host_or_skip() else { return };
    let mut monitor = monitor(&host, "10.98.0.9");
    let reports = ["-identifier=0x11110001", "-cspserver=10.98.0.9:2960", "-cspinterval=250"];
    let mut registrar = registrar(&host, REGISTRAR, OTHER_REGISTRAR, &reports);
    let _server = server(&host, "10.98.0.3", "-echo", "0xec40", &[REGISTRAR]);
    hear(&mut registrar, "Successfully registered EchoPool");

    let state = hear(&mut monitor, "PEs in 1 Pool");
    assert!(state.contains("PR $11110001") && state.contains("10.98.0.1:3863"), "{state}");

    let dump = dump(&host, "10.98.0.4", REGISTRAR, &["EchoPool"]);
    assert!(dump.contains("$0000ec40") && dump.contains("home=$11110001"), "{dump}");
}

/// A program of ours at this address, which knows its registrars beforehand.
pub(crate) fn our_own(host: &Host, address: &str, program: &str, arguments: &[&str]) -> Program {
    let arguments: Vec<_> = ["-asapannounce=off"].iter().chain(arguments).collect();
    start_our_own(host, address, program, &arguments)
}

#[test]
fn our_registrar_and_rsplib_s_know_the_same_and_ours_takes_over() {
    let Some(host) = host_or_skip() else { return };
    let peer = format!("-peer={OTHER_REGISTRAR}");
    let mut ours = our_own(&host, REGISTRAR, "rspregistrar", &["-identifier=0x11", &peer]);
    hear(&mut ours, "serving");
    let their_options = ["-identifier=0x22", "-peerheartbeatcycle=1000"];
    let mut theirs = registrar(&host, OTHER_REGISTRAR, REGISTRAR, &their_options);
    hear(&mut ours, "registrar 0x00000022 found");

    let at = format!("-registrar={REGISTRAR}:3863");
    let _element = our_own(&host, "10.98.0.3", "rspserver", &["-echo", "-identifier=0xaaaa", &at]);
    let _their_element = server(&host, "10.98.0.4", "-echo", "0xbbbb", &[OTHER_REGISTRAR]);
    hear(&mut ours, "EchoPool: 0x0000aaaa registered");
    hear(&mut theirs, "Successfully registered EchoPool/$0000bbbb");
    // RFC 5353, 3.3.1: each has told the other.
    for at in [REGISTRAR, OTHER_REGISTRAR] {
        dump(
            &host,
            "10.98.0.5",
            at,
            &["#0001: $0000aaaa", "#0002: $0000bbbb", "home=$00000011", "home=$00000022"],
        );
    }

    theirs.signal(Signal::SIGKILL);
    // RFC 5353, 3.5: their element is ours now, and has said so.
    hear(&mut ours, "registrar 0x00000022 is gone: 0x00000011 has taken 1 elements over");
    let dump = dump(&host, "10.98.0.5", REGISTRAR, &["#0001: $0000aaaa", "#0002: $0000bbbb"]);
    assert!(!dump.contains("home=$00000022"), "{dump}");
    echo(&host, "10.98.0.6", REGISTRAR, "EchoPool");
}

#[test]
fn rsplib_s_client_carries_signed_cookies_between_our_elements_and_survives_their_business_cards() {
    let Some(host) = host_or_skip() else { return };
    let mut registrar = registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]);
    let keys = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(keys.path(), "known to both elements, and to nobody else\n").expect("room");
    let key_file = format!("--cookie-key-file={}", keys.path().display());
    let at = format!("-registrar={REGISTRAR}:3863");
    let elements = [("00000044", "10.98.0.3", "0x44"), ("00000055", "10.98.0.4", "0x55")].map(
        |(name, address, identifier)| {
            let identifier = format!("-identifier={identifier}");
            let arguments = ["-pingpong", &identifier, &at, &key_file];
            (name, our_own(&host, address, "rspserver", &arguments))
        },
    );
    for _ in &elements {
        hear(&mut registrar, "Successfully registered PingPongPool");
    }
    let client = ["pingpongclient", &at, "-interval=50"];
    let client = start(sctp_run_on(&host, "10.98.0.5"), &client);
    // RFC 5352, 3.9: its session begins with a business card. 3.8: the other element checks the cookie; if it did not believe it, it would
    // abort the session.
    fails_over(client, &elements);
}

/// RSPLIB's registrar knows no dynamic updates: it answers, tells no more, and serves on.
#[test]
fn our_user_subscribes_in_vain_at_rsplib_s_registrar() {
    let Some(host) = host_or_skip() else { return };
    let mut registrar = registrar(&host, REGISTRAR, OTHER_REGISTRAR, &[]);
    let _element = server(&host, "10.98.0.3", "-echo", "0x44", &[REGISTRAR]);
    hear(&mut registrar, "Successfully registered EchoPool/$00000044");

    let user = pool_user(&host, "10.98.0.4", REGISTRAR);
    let subscription = user.subscribe("EchoPool".into());
    // RFC 5352, 2.2.6: without the A bit no updates follow; what was asked for comes.
    let next = || subscription.next(Some(Instant::now() + LIMIT)).expect("an answer");
    assert!(matches!(next(), Update::State(SubscriptionState::Refused)));
    let Update::Elements(elements) = next() else { panic!("elements were awaited") };
    assert_eq!(elements.iter().map(|element| element.id).collect::<Vec<_>>(), [PeId(0x44)]);

    let _other = server(&host, "10.98.0.5", "-echo", "0x55", &[REGISTRAR]);
    hear(&mut registrar, "Successfully registered EchoPool/$00000055");
    let there = user.resolve("EchoPool".into(), Some(Instant::now() + LIMIT)).expect("an answer");
    // The answer is all that came.
    assert!(matches!(next(), Update::Elements(elements) if elements == there && there.len() == 2));
    let silence = subscription.next(Some(Instant::now()));
    assert!(matches!(silence, Err(rserpool::driver::Error::TimedOut)), "{silence:?}");
}

/// A user of ours in this process that knows a registrar.
fn pool_user(host: &Host, address: &str, registrar: &str) -> PoolUser {
    let [address, registrar] = [address, registrar].map(|at| at.parse::<IpAddr>().expect("an address"));
    let registrar = SocketAddr::new(registrar, ASAP_PORT);
    host.inside(|| {
        let stack = Stack::builder().transport(Transport::Raw).addresses([address]).build().expect("a stack");
        PoolUser::start(&stack, PoolUserOptions::new(vec![registrar.into()], Profile::Rsplib))
            .expect("a user")
    })
}
