//! `rspregistrar` as its operators see it. Addresses are 127.79.x.x and 127.83.x.x.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Running, await_some};

mod support;

const REGISTRAR: &str = env!("CARGO_BIN_EXE_rspregistrar");
/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A registrar at this address, alone, with more options.
fn start(address: &str, more: &[&str]) -> Running {
    let mut arguments = vec!["--udp".to_owned(), format!("--local={address}")];
    arguments.extend(["-asapannounce=off", "-enrpannounce=off", "--profile=fast"].map(str::to_owned));
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Running::start(REGISTRAR, &arguments)
}

#[test]
fn of_an_option_that_is_there_twice_the_last_counts() {
    let mut registrar = start("127.79.0.2", &["-identifier=0x11", "-autoclosetimeout=5", "-identifier=0x22"]);
    registrar.wait_for("registrar 0x00000022 on 127.79.0.2");
}

#[test]
fn two_registrars_with_one_identifier_are_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    // Who is connected to hears the other's identifier first.
    let _second = start("127.79.0.21", &["-identifier=7", &format!("-logfile={}", log.display())]);
    let _first = start("127.79.0.20", &["-identifier=7", "-peer=127.79.0.21"]);
    let told = || fs::read_to_string(&log).is_ok_and(|log| log.contains("has this registrar's identifier"));
    await_some(|| told().then_some(()), "a warning");
}

/// RSPLIB rounds it up to a second, and waits five.
#[test]
fn a_registrar_without_a_mentor_waits_no_longer_than_it_is_told() {
    let _silent = UdpSocket::bind("127.79.0.4:9899").expect("the port of UDP encapsulation");
    let options = ["-peer=127.79.0.4:9901", "--profile=rsplib", "-mentorhuntinterval=100"];
    let mut registrar = start("127.79.0.3", &options);
    registrar.wait_for("registrar 0x");
    // Not before: how long a program takes to start is the machine's affair.
    let begin = Instant::now();
    registrar.wait_for("serving");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
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

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output: Output = Command::new(REGISTRAR).args(arguments).output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_configuration_is_checked_without_a_start_and_what_is_wrong_is_told_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("r.toml");
    let check = |text: &str, more: &[&str]| {
        fs::write(&file, text).expect("room");
        let name = file.to_str().expect("a path in UTF-8");
        let (code, errors) = run(&[&["--check-config", "--config", name][..], more].concat());
        (code, errors.replace(name, "FILE"))
    };
    assert_eq!(
        check("maxhresitems = 5\npeer = [\"192.0.2.1\", \"192.0.2.2:9901\"]\n", &[]),
        (Some(0), String::new())
    );
    for (text, expected) in [
        ("maxhresitems = 5\nmaxhritems = 5\n", "FILE, line 2: unknown key `maxhritems`"),
        ("maxhresitems = 129\n", "FILE, line 1: invalid value '129'"),
        ("[limits]\n", "FILE, line 1: unknown key `limits`"),
        ("asap = \"192.0.2.1:0\"\n", "FILE, line 1: invalid value '192.0.2.1:0'"),
        ("udp = true\nraw = true\n", "FILE: "),
    ] {
        let (code, errors) = check(text, &[]);
        assert_eq!(code, Some(2), "{text}: {errors}");
        assert!(errors.starts_with(&format!("rspregistrar: {expected}")), "{text}: {errors}");
    }
    // What is good by itself, and does not go together: the start says the same.
    for (text, expected) in [
        ("disable-ipv6 = true\nlocal = [\"::1\"]\n", "--local ::1 is not possible with --disable-ipv6"),
        (
            "local = [\"127.83.0.2\"]\nasap = \"127.83.0.3\"\n",
            "--asap: 127.83.0.3 is none of this program's addresses",
        ),
        ("local = [\"127.83.0.2\"]\nasap = \"127.83.0.2:9901\"\n", "--asap and --enrp need different ports"),
    ] {
        let checked = check(text, &[]);
        assert_eq!(checked.0, Some(2), "{text}: {checked:?}");
        assert!(checked.1.starts_with(&format!("rspregistrar: {expected}")), "{text}: {checked:?}");
        assert_eq!(run(&["--config", file.to_str().expect("a path in UTF-8")]), checked);
    }
    for (variable, value) in [("CSP_SERVER", "192.0.2.1,192.0.2.2"), ("CSP_INTERVAL", "soon")] {
        let mut command = Command::new(REGISTRAR);
        command.env("CSP_SERVER", "192.0.2.1").env(variable, value);
        let output = command.args(["--check-config"]).output().expect("it starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(
            errors.starts_with(&format!("rspregistrar: the environment's {variable}={value}")),
            "{errors}"
        );
    }
    // The command line goes before, also in RSPLIB's spelling.
    assert_eq!(check("raw = true\n", &["-udp=9899"]).0, Some(0));
    let (code, errors) = run(&["--config=/nonexistent/r.toml"]);
    assert_eq!(code, Some(2));
    assert!(errors.starts_with("rspregistrar: cannot read /nonexistent/r.toml: "), "{errors}");
}

/// The options of RSPLIB's registrar are all known.
#[test]
fn every_option_of_rsplib_s_registrar_is_taken() {
    let options = "-identifier=1 -asap=auto -enrp=auto -asapannounce=auto -enrpannounce=auto -peer=192.0.2.1:9901 -disable-ipv6 -quiet \
        -daemonpidfile=/tmp/x -autoclosetimeout=300 -serverannouncecycle=1000 -endpointkeepalivetransmissioninterval=5000 \
        -endpointkeepalivetimeoutinterval=5000 -maxbadpereports=3 -maxincrement=0 -maxhresitems=3 -minaddressscope=sitelocal \
        -distancestep=50 -maxhrrate=-1 -maxeurate=-1 -peerheartbeatcycle=2444 -peermaxtimelastheard=5000 -peermaxtimenoresponse=5000 \
        -mentordiscoverytimeout=5000 -mentorhuntinterval=5000 -takeoverexpiryinterval=5000 -maxelementsperhtrequest=128 \
        -supporttakeoversuggestion -statsfile=/tmp/x -statsinterval=1000 -actionlogfile=/tmp/x -scalar=/tmp/x -object=X -uptime=5 -downtime=1 \
        -announcettl=30 -cspserver=192.0.2.1:2960 -cspinterval=250 -loglevel=5 -logfile=/tmp/x -logcolor=off -logquiet";
    // The others have the values of its manual's examples, or are older names.
    let more = "-enrp=1.2.3.4:9901,[2000::1:2:3],9.8.7.6 -asap=1.2.3.4:3863,9.8.7.6 -enrpmulticast=239.0.0.1:9901 -peer=192.0.2.1";
    for options in [
        options,
        more,
        "-asapannounce=none -enrpannounce=OFF -identifier=0 -maxhrrate=0 -maxeurate=0 -loglevel=12",
    ] {
        let options: Vec<_> = options.split_whitespace().chain(["--check-config"]).collect();
        assert_eq!(run(&options), (Some(0), String::new()));
    }
}

#[test]
fn what_rsplib_s_registrar_clamps_is_clamped_and_told_in_its_spelling_only() {
    let (code, errors) =
        run(&["-maxhresitems=500", "-distancestep=0", "-maxbadpereports=3", "--check-config"]);
    let warning = |change: &str| format!("warning: {change}, the nearest that is possible\n");
    let expected =
        ["-maxhresitems=500 is taken as 128", "-distancestep=0 is taken as 1"].map(warning).concat();
    assert_eq!((code, errors), (Some(0), expected));
    assert_eq!(run(&["--maxhresitems=500", "--check-config"]).0, Some(2));
}

/// A page of a registrar's, whole.
fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// An element at this address, registered.
fn element(address: &str, registrar: &str) -> Running {
    let arguments =
        ["-echo", "-poolhandle=P", "--udp", "-asapannounce=off", "--profile=fast", "-rereginterval=200"];
    let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
    arguments.extend([format!("--local={address}"), format!("-registrar={registrar}:3863")]);
    let mut element = Running::start(env!("CARGO_BIN_EXE_rspserver"), &arguments);
    element.wait_for("registered");
    element
}

#[test]
fn probes_and_metrics_tell_how_it_is() {
    let at = "127.79.0.6:9464";
    let metrics = format!("--metrics={at}");
    let ask = |path| get(at, path).expect("an answer");
    // Its mentor never answers: it is alive and does not serve.
    let _silent = UdpSocket::bind("127.79.0.7:9899").expect("the port of UDP encapsulation");
    let learning = ["-peer=127.79.0.7:9901", "-mentordiscoverytimeout=3600000", &metrics];
    let mut registrar = start("127.79.0.6", &learning);
    registrar.wait_for("registrar 0x");
    assert!(ask("/readyz").starts_with("HTTP/1.1 503 "), "it serves already");
    assert!(ask("/healthz").starts_with("HTTP/1.1 200 "));
    registrar.end(Signal::SIGTERM);
    let mut registrar = start("127.79.0.6", &[&metrics]);
    registrar.wait_for("serving");
    assert!(ask("/readyz").starts_with("HTTP/1.1 200 "));
    let _element = element("127.79.0.8", "127.79.0.6");
    let is_told = |page: &str| {
        let sample = |name: &str, value: &str| page.lines().any(|line| line == format!("{name} {value}"));
        sample("rspregistrar_pools", "1")
            && sample("rspregistrar_pool_elements{home=\"this\"}", "1")
            && sample("rspregistrar_requests_total{request=\"registration\",result=\"new\"}", "1")
            && !sample("rspregistrar_requests_total{request=\"registration\",result=\"renewed\"}", "0")
            && !sample("rspregistrar_keep_alive_acks_total", "0")
    };
    let page = await_some(|| Some(ask("/metrics")).filter(|page| is_told(page)), "the element's numbers");
    assert!(page.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{page}");
    assert!(ask("/elsewhere").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_port_of_metrics_that_is_taken_is_named() {
    let listener = std::net::TcpListener::bind("127.79.0.9:0").expect("a port");
    let at = listener.local_addr().expect("its address");
    let (code, errors) = run(&["--udp", "--local=127.79.0.9", &format!("--metrics={at}")]);
    assert_eq!(code, Some(1));
    assert!(errors.starts_with(&format!("rspregistrar: --metrics: cannot listen at {at}")), "{errors}");
}

#[test]
fn statistics_are_in_files_at_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let options = [
        format!("-statsfile={}", file("s.stats")),
        "-statsinterval=10".into(),
        format!("-actionlogfile={}", file("a.log")),
        format!("-scalar={}", file("x.sca")),
        "-object=OBJ".into(),
    ];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let registrar = start("127.79.0.10", &options);
    let element = element("127.79.0.11", "127.79.0.10");
    let read = |name: &str| fs::read_to_string(file(name)).expect("it is there");
    // Lines come at once.
    await_some(
        || read("a.log").contains("\"EndpointKeepAliveAck\" \"InTime\"").then_some(()),
        "an answer in the log",
    );
    let (ended_well, _) = element.end(Signal::SIGTERM);
    assert!(ended_well);
    let (ended_well, said) = registrar.end(Signal::SIGINT);
    assert!(ended_well, "{said}");
    let log = read("a.log");
    for action in [
        "\"Recv\" \"ASAP\" \"Registration\" \"Requested\"",
        "\"Send\" \"ASAP\" \"Deregistration\" \"Requested\"",
    ] {
        assert!(log.contains(action), "{log}");
    }
    let statistics = read("s.stats");
    assert!(statistics.lines().any(|line| line.contains("   0 1 1 1   1 0 0 0 0 0 0 ")), "{statistics}");
    let scalar = read("x.sca");
    assert!(
        scalar.contains("scalar \"OBJ\" \"Registrar Total Deregistrations\"             1\n"),
        "{scalar}"
    );
}

#[test]
fn a_reload_before_it_serves_does_not_say_that_it_does_and_names_of_peers_need_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let manager = UnixDatagram::bind(path("notify")).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    fs::write(path("r.toml"), "peer = [\"127.79.0.15\"]\n").expect("room");
    // The other one is silent, and it is looked for longer than the test takes.
    let _silent = UdpSocket::bind("127.79.0.15:9899").expect("an address of our own");
    let mut command = Command::new(REGISTRAR);
    command.args(["--udp", "--local=127.79.0.16", "-asapannounce=off", "-enrpannounce=off"]);
    command.args(["-mentordiscoverytimeout=3600000", "-loglevel=5", "--config"]).arg(path("r.toml"));
    command.env("NOTIFY_SOCKET", path("notify")).stdout(Stdio::null());
    let child = command.stderr(fs::File::create(path("log")).expect("a file")).spawn();
    let mut child = child.expect("it starts");
    let signal = |signal| kill(Pid::from_raw(child.id().cast_signed()), signal).expect("it runs");
    let mut said = String::new();
    let mut hear = |text: &str| {
        while !said.contains(text) {
            let mut buffer = [0; 4_096];
            let len = manager.recv(&mut buffer).expect("it says something");
            said.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
    };
    hear("STATUS=looking for other registrars");
    let peers = "maxhresitems = 2\npeer = [\"127.79.0.15\", \"registrars.test\"]\n";
    fs::write(path("r.toml"), peers).expect("room");
    signal(Signal::SIGHUP);
    let log = || fs::read_to_string(path("log")).expect("it is there");
    await_some(|| log().contains("the configuration was read again").then_some(()), "a reload");
    assert!(log().contains("needs a restart options=\"peer (names)\""), "{}", log());
    assert!(log().contains("was read again changed=\"maxhresitems\""), "{}", log());
    signal(Signal::SIGTERM);
    hear("STOPPING=1");
    assert_eq!(child.wait().expect("its end").code(), Some(0));
    assert!(!said.contains("READY=1") && !said.contains("RELOADING=1"), "{said}");
}

#[test]
fn a_reload_that_would_end_its_life_with_others_leaves_it_its_peers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, log) = (folder.path().join("r.toml"), folder.path().join("log"));
    let peer = "peer = [\"127.83.0.8\"]\nloglevel = 5\n";
    fs::write(&file, peer).expect("room");
    let options = [format!("--config={}", file.display()), format!("-logfile={}", log.display())];
    let mut registrar = start("127.83.0.7", &[&options[0], &options[1]]);
    registrar.wait_for("serving");
    fs::write(&file, format!("{peer}enrp = \"off\"\n")).expect("room");
    kill(Pid::from_raw(registrar.id().cast_signed()), Signal::SIGHUP).expect("it runs");
    let told = || fs::read_to_string(&log).is_ok_and(|log| log.contains("needs a restart options=\"enrp\""));
    await_some(|| told().then_some(()), "it says so");
    // Who knows nobody is sought by who knows it.
    let _peer = start("127.83.0.8", &["-identifier=7"]);
    registrar.wait_for("registrar 0x00000007 found");
}

#[test]
fn a_reload_from_what_is_no_file_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, pipe, log) =
        (folder.path().join("r.toml"), folder.path().join("pipe"), folder.path().join("log"));
    fs::write(&file, "maxhresitems = 2\n").expect("room");
    let options = [format!("--config={}", file.display()), format!("-logfile={}", log.display())];
    let mut registrar = start("127.83.0.6", &[&options[0], &options[1]]);
    registrar.wait_for("serving");
    // Nobody ever writes to it.
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    fs::rename(&pipe, &file).expect("in its place");
    kill(Pid::from_raw(registrar.id().cast_signed()), Signal::SIGHUP).expect("it runs");
    let told = || fs::read_to_string(&log).is_ok_and(|log| log.contains("it is no file"));
    await_some(|| told().then_some(()), "it says so");
    let (ended_well, said) = registrar.end(Signal::SIGTERM);
    assert!(ended_well, "{said}");
}

#[test]
fn a_registrar_whose_standard_output_nobody_reads_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("r.toml"), "loglevel = 5\n").expect("room");
    let option = |option: &str, name: &str| format!("{option}={}", path(name).display());
    let options =
        [option("--config", "r.toml"), option("-logfile", "log"), option("-actionlogfile", "actions")];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let mut registrar = start("127.83.0.4", &options);
    registrar.wait_for("serving");
    // More lines than a pipe takes.
    let load =
        ["--udp", "--local=127.83.0.5", "-registrar=127.83.0.4:3863", "-poolelements=2000", "--runtime=0"];
    let load = Command::new(env!("CARGO_BIN_EXE_testregistrator")).args(load).output().expect("it starts");
    assert!(load.status.success(), "{load:?}");
    let read = |name: &str| fs::read_to_string(path(name)).expect("it is there");
    let all_are_gone = || read("actions").matches("\"Disconnect\"").count() == 2000;
    await_some(|| all_are_gone().then_some(()), "it goes on to say that elements are gone");
    kill(Pid::from_raw(registrar.id().cast_signed()), Signal::SIGHUP).expect("it runs");
    await_some(|| read("log").contains("was read again").then_some(()), "it reads its configuration again");
    let (ended_well, said) = registrar.end(Signal::SIGTERM);
    assert!(ended_well && said.matches(" registered at ").count() == 2000, "{said}");
}

#[test]
fn what_a_reload_has_changed_holds_in_the_next_life_of_a_failure_test() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("r.toml");
    fs::write(&file, "uptime = 0.5\n").expect("room");
    let mut registrar = start("127.79.0.17", &[&format!("--config={}", file.display())]);
    registrar.wait_for("serving");
    fs::write(&file, "uptime = 0.5\naccess = [\"deny register\"]\n").expect("room");
    kill(Pid::from_raw(registrar.id().cast_signed()), Signal::SIGHUP).expect("it runs");
    // It is looked for before each of them.
    for _ in 0..2 {
        registrar.wait_for("away for");
    }
    registrar.wait_for("serving");
    let arguments = ["--udp", "--local=127.79.0.18", "-asapannounce=off", "--profile=fast", "-echo"];
    let arguments = arguments.iter().chain(&["-registrar=127.79.0.17:3863", "-runtime=30000"]);
    let arguments: Vec<_> = arguments.map(|argument| (*argument).to_owned()).collect();
    let mut server = Running::start(env!("CARGO_BIN_EXE_rspserver"), &arguments);
    server.wait_for("the registrar rejects this element");
}

#[test]
fn the_service_manager_is_told_when_it_serves_and_reloads_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, file) = (folder.path().join("notify"), folder.path().join("r.toml"));
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let hear = |text: &str| {
        let mut all = String::new();
        while !all.contains(text) {
            let mut buffer = [0; 4_096];
            let len = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{text}: {error}; {all}"));
            all.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
        all
    };
    fs::write(&file, "maxhresitems = 1\nloglevel = 5\nannouncettl = 5\n").expect("room");
    let mut command = Command::new(REGISTRAR);
    command.args([
        "--udp",
        "--local=127.79.0.12",
        "-asapannounce=off",
        "-enrpannounce=off",
        "-peer=127.79.0.13",
    ]);
    command.args(["-mentordiscoverytimeout=100", "--config"]).arg(&file);
    // Half a second: it says so every quarter.
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "500000");
    let log = folder.path().join("log");
    let child = command.stdout(Stdio::null()).stderr(fs::File::create(&log).expect("a file")).spawn();
    let mut child = child.expect("it starts");
    let signal = |signal| kill(Pid::from_raw(child.id().cast_signed()), signal).expect("it runs");
    assert!(!hear("STATUS=looking for other registrars").contains("READY=1"));
    assert!(hear("READY=1").contains("serves over UDP"));
    hear("WATCHDOG=1");
    let reload = |text: &str| {
        fs::write(&file, text).expect("room");
        signal(Signal::SIGHUP);
        assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
        hear("READY=1");
        fs::read_to_string(&log).expect("it is there")
    };
    let said = reload("maxhresitems = 2\nloglevel = 5\nannouncettl = 6\n");
    assert!(said.contains("needs a restart options=\"announcettl\""), "{said}");
    assert!(said.contains("read again changed=\"maxhresitems\""), "{said}");
    let said = reload("maxhresitems = 0\n");
    assert!(
        said.contains("not taken, all stays as it was") && said.contains("line 1: invalid value '0'"),
        "{said}"
    );
    // The log is quiet from now on; what was wrong did not end it.
    let before = reload("loglevel = 0\n").len();
    assert_eq!(reload("loglevel = 0\nannouncettl = 7\n").len(), before);
    signal(Signal::SIGTERM);
    hear("STOPPING=1");
    assert_eq!(child.wait().expect("its end").code(), Some(0));
}

/// The number in a file, once the process of that number is there.
fn process_of(file: &Path) -> i32 {
    let text = fs::read_to_string(file).expect("it has been written");
    text.trim().parse().expect("a number")
}

#[test]
fn it_goes_on_in_the_background_with_its_number_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pid");
    let option = format!("-daemonpidfile={}", file.display());
    let options = ["--udp", "--local=127.79.0.14", "-asapannounce=off", "-enrpannounce=off", &option];
    // Nothing of it holds standard output or error any longer: this returns.
    assert_eq!(run(&options), (Some(0), String::new()));
    let process = process_of(&file);
    let (code, errors) = run(&options);
    assert_eq!(code, Some(1), "two at one address");
    assert!(errors.starts_with("rspregistrar: UDP port 9899 on 127.79.0.14 is taken"), "{errors}");
    assert_eq!(process_of(&file), process, "the file is still the first one's");
    kill(Pid::from_raw(process), Signal::SIGTERM).expect("it runs");
    await_some(|| (!file.exists()).then_some(()), "the file goes with it");
    let (code, errors) = run(&[&options[..4], &["-daemonpidfile=/nonexistent/pid"]].concat());
    assert_eq!(code, Some(1));
    assert!(errors.starts_with("rspregistrar: cannot write /nonexistent/pid"), "{errors}");
    // What is read there never ends.
    let (code, errors) = run(&[&options[..4], &["-daemonpidfile=/dev/full"]].concat());
    assert_eq!(code, Some(1));
    assert!(errors.starts_with("rspregistrar: cannot write /dev/full"), "{errors}");
}

#[test]
fn without_ipv6_it_is_at_addresses_of_ipv4_only() {
    // Over UDP at any free port: that of encapsulation may be taken somewhere.
    let arguments = ["--udp=0", "-disable-ipv6", "-asapannounce=off", "-enrpannounce=off"].map(str::to_owned);
    let mut registrar = Running::start(REGISTRAR, &arguments);
    let line = registrar.wait_for("registrar 0x");
    assert!(line.contains("127.0.0.1") && !line.contains("::"), "{line}");
    let (code, errors) = run(&["--udp=0", "--local=::1", "-disable-ipv6"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("--local ::1 is not possible with --disable-ipv6"), "{errors}");
}
