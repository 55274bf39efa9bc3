//! Files of statistics and action logs: what our registrar writes beside what RSPLIB's does, after the same.

use std::collections::BTreeSet;
use std::path::Path;

use nix::sys::signal::Signal;
use system_tests::{Host, LIMIT, Program, hear, look_until, start_our_own};

use super::rsplib::{REGISTRAR, echo, host_or_skip, registrar, server};

/// What a registrar has written.
struct Files {
    statistics: String,
    actions: String,
    scalar: String,
}

/// The options of a registrar that writes them here.
fn options(folder: &Path) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        "-identifier=0x11".into(),
        "-endpointkeepalivetransmissioninterval=500".into(),
        "-statsinterval=50".into(),
        format!("-statsfile={}", file("s.stats")),
        format!("-actionlogfile={}", file("a.log")),
        format!("-scalar={}", file("x.sca")),
        "-object=OBJ".into(),
    ]
}

/// An element of RSPLIB's registers, is asked whether it is there, is used, and leaves.
fn live(host: &Host, mut registrar: Program, registered: &str, is_asked: impl Fn(&mut Program)) {
    let server = server(host, "10.98.0.3", "-echo", "0xaa", &[REGISTRAR]);
    hear(&mut registrar, registered);
    echo(host, "10.98.0.4", REGISTRAR, "EchoPool");
    is_asked(&mut registrar);
    server.signal(Signal::SIGINT);
    server.wait(LIMIT).expect("it ends");
    registrar.signal(Signal::SIGINT);
    registrar.wait(LIMIT).expect("it ends");
}

fn read(folder: &Path) -> Files {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it has been written");
    Files { statistics: read("s.stats"), actions: read("a.log"), scalar: read("x.sca") }
}

fn theirs(host: &Host) -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(folder.path());
    // It is told at this level that elements answer.
    let options: Vec<_> = options.iter().map(String::as_str).chain(["-loglevel=6"]).collect();
    let program = registrar(host, REGISTRAR, "10.98.0.9", &options);
    live(host, program, "Successfully registered EchoPool", |registrar| {
        hear(registrar, "Got EndpointKeepAliveAck");
    });
    read(folder.path())
}

fn ours(host: &Host) -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(folder.path());
    let options: Vec<_> =
        options.iter().map(String::as_str).chain(["-asapannounce=off", "-enrp=off"]).collect();
    let program = start_our_own(host, REGISTRAR, "rspregistrar", &options);
    live(host, program, "EchoPool: 0x000000aa registered", |_| {
        look_until(LIMIT, || {
            let text = std::fs::read_to_string(folder.path().join("a.log")).expect("it is there");
            if text.contains("EndpointKeepAliveAck") { Ok(()) } else { Err(text) }
        });
    });
    read(folder.path())
}

/// What lines about elements and users have, but for number, times, and how many of them there are.
fn asap(actions: &str) -> BTreeSet<String> {
    let lines = actions.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let about = lines.filter(|columns| columns[4] == "\"ASAP\"");
    about.map(|columns| [&columns[3..9], &columns[10..]].concat().join(" ")).collect()
}

/// The text before the value in each line.
fn names(scalar: &str) -> Vec<&str> {
    scalar
        .lines()
        .skip(1)
        .map(|line| line.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end())
        .collect()
}

#[test]
fn our_registrar_s_statistics_and_actions_are_in_the_form_of_rsplib_s() {
    let Some(host) = host_or_skip() else { return };
    let (theirs, ours) = (theirs(&host), ours(&host));
    let header = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    assert_eq!(header(&ours.statistics), header(&theirs.statistics));
    let columns =
        |text: &str| text.lines().skip(1).map(|line| line.split(' ').count()).collect::<BTreeSet<_>>();
    assert_eq!(columns(&ours.statistics), columns(&theirs.statistics));
    assert_eq!(header(&ours.actions), header(&theirs.actions));
    assert_eq!(asap(&ours.actions), asap(&theirs.actions));
    assert_eq!(header(&ours.scalar), header(&theirs.scalar));
    assert_eq!(names(&ours.scalar), names(&theirs.scalar));
    let total = |scalar: &str, name: &str| {
        let line = scalar.lines().find(|line| line.contains(name)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {name} in {scalar}"))
    };
    for name in ["Total Deregistrations", "Total Failure Reports", "Total Handle Updates"] {
        assert_eq!(total(&ours.scalar, name), total(&theirs.scalar, name));
    }
}
