//! `sctp-stat` beside `sctp-perf`: what it lists is what the programs did.

use std::io::{BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

const PERF: &str = env!("CARGO_BIN_EXE_sctp-perf");
/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that listens.
fn server(address: &str) -> Running {
    let mut command = Command::new(PERF);
    command.args(["server", "--udp", "--local", address]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Running(command.spawn().expect("the server starts"));
    let said = BufReader::new(server.0.stderr.take().expect("its output"));
    assert!(said.lines().map_while(Result::ok).any(|line| line.starts_with("listening")));
    server
}

fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(PERF);
    command.arg("client").args(arguments).args(["--udp", "--json"]);
    command
}

fn stat(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sctp-stat")).args(arguments).output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What is listed of the one stack of a process.
fn stack_of(process: &Running, arguments: &[&str]) -> Value {
    let pid = process.0.id().to_string();
    let (_, text) = stat(&[&["--json", "--pid", &pid], arguments].concat());
    serde_json::from_str(text.trim()).unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

#[test]
fn associations_are_listed_from_both_sides_while_data_flows() {
    let server = server("127.77.1.2");
    let mut command = client(&["127.77.1.2", "--local", "127.77.1.3", "--time", "60", "--size", "1000"]);
    let client = Running(command.stdout(Stdio::null()).spawn().expect("the client starts"));
    let end = Instant::now() + PATIENCE;
    // The receiver is looked at first: the sender's figures then are not below its own.
    let (received, sent) = loop {
        let (received, sent) = (stack_of(&server, &[]), stack_of(&client, &[]));
        if number(&received["associations"][0]["counters"]["bytes_received"]) > 1_000_000 {
            break (received, sent);
        }
        assert!(Instant::now() < end, "{received}");
    };
    assert_eq!((&received["program"], &received["stack"]["transport"]), (&"sctp-perf".into(), &"udp".into()));
    assert_eq!(received["endpoints"][0]["port"], 5001);
    let (ours, theirs) = (&sent["associations"][0], &received["associations"][0]);
    assert_eq!((&ours["state"], &theirs["state"]), (&"ESTABLISHED".into(), &"ESTABLISHED".into()));
    assert_eq!((&ours["inbound"], &theirs["inbound"]), (&false.into(), &true.into()));
    assert_eq!((&ours["local_port"], &ours["remote_port"]), (&theirs["remote_port"], &theirs["local_port"]));
    assert_eq!((&ours["primary"], &theirs["primary"]), (&"127.77.1.2".into(), &"127.77.1.3".into()));
    for (sent, received) in [
        ("bytes_sent", "bytes_received"),
        ("messages_sent", "messages_received"),
        ("packets_sent", "packets_received"),
        ("ordered_chunks_sent", "ordered_chunks_received"),
    ] {
        let (sent, received) = (number(&ours["counters"][sent]), number(&theirs["counters"][received]));
        assert!(sent >= received && received > 0, "{sent} {received}");
    }
    let path = &ours["paths"][0];
    assert_eq!(
        (&path["primary"], &path["state"], &path["udp_port"]),
        (&true.into(), &"active".into(), &9899.into())
    );
    assert!(number(&path["srtt_us"]) > 0 && number(&path["rto_us"]) >= 1_000_000, "{path}");
    assert!(number(&path["cwnd"]) > 0 && number(&path["packets_sent"]) > 0, "{path}");

    // Filters, and the form for people.
    assert_eq!(stack_of(&client, &["--state", "closed"])["associations"], Value::Array(Vec::new()));
    assert_eq!(stack_of(&client, &["--peer", "127.77.1.9"])["associations"], Value::Array(Vec::new()));
    let port = ours["local_port"].to_string();
    assert_eq!(stack_of(&server, &["--port", &port])["associations"].as_array().map(Vec::len), Some(1));
    let (code, text) = stat(&["--pid", &server.0.id().to_string(), "--counters"]);
    assert_eq!(code, Some(0));
    for part in
        ["sctp-perf (", "LISTEN", "ESTABLISHED", "*127.77.1.2 -> 127.77.1.3 active", "sctpCurrEstab", " 1\n"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_general_statistics_are_what_sctp_perf_counted() {
    let server = server("127.77.2.2");
    let arguments = ["127.77.2.2", "--local", "127.77.2.3", "--count", "3000", "--size", "5000"];
    let output = client(&arguments).output().expect("the client starts");
    let result: Value = serde_json::from_slice(&output.stdout).expect("a result");
    assert_eq!(result["verified"], true, "{result}");
    let end = Instant::now() + PATIENCE;
    let statistics = loop {
        let statistics = stack_of(&server, &[])["stack"]["statistics"].clone();
        if statistics["sctpShutdowns"] == 1 {
            break statistics;
        }
        assert!(Instant::now() < end, "{statistics}");
    };
    assert_eq!((&statistics["sctpPassiveEstabs"], &statistics["sctpCurrEstab"]), (&1.into(), &0.into()));
    assert_eq!((&statistics["sctpAborteds"], &statistics["sctpChecksumErrors"]), (&0.into(), &0.into()));
    let chunks = number(&statistics["sctpInOrderChunks"]);
    // The loopback's packets hold each of them in one chunk; perf's own few messages come on top.
    assert!((3000..3010).contains(&chunks), "{statistics}");
    assert!(number(&statistics["sctpInSCTPPacks"]) > 0 && number(&statistics["sctpOutSCTPPacks"]) > 0);
}

#[test]
fn who_does_not_want_to_be_seen_is_not_and_nobody_to_be_seen_is_failure() {
    let arguments = ["127.77.3.9", "--local", "127.77.3.3", "--no-statistics"];
    let client =
        Running(client(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let (code, text) = stat(&["--json", "--pid", &client.0.id().to_string()]);
    assert_eq!((code, text.trim()), (Some(1), ""));
}

/// `sctp-stat | head`
#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let server = server("127.77.5.2");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sctp-stat"));
    command.args(["--pid", &server.0.id().to_string()]).stdout(writer);
    let output = command.output().expect("it starts");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn another_user_is_told_nothing() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: needs root, to be somebody else");
        return;
    }
    let server = server("127.77.4.2");
    let pid = server.0.id().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sctp-stat"));
    command.args(["--pid", &pid]).uid(65_534).gid(65_534);
    match command.output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1));
            assert!(errors.contains(&format!("sctp-stat/{pid}/")), "{errors}");
            assert!(output.stdout.trim_ascii().is_empty());
        }
        Err(error) => println!("SKIPPED: nobody may not run the program ({error})"),
    }
}

#[test]
fn help_has_examples_and_wrong_usage_is_told_apart() {
    let (code, help) = stat(&["--help"]);
    assert_eq!(code, Some(0));
    for part in ["Examples:", "Exit codes:", "--watch", "--troubled", "--json"] {
        assert!(help.contains(part), "{part}");
    }
    assert_eq!(stat(&["--state", "ASLEEP"]).0, Some(2));
    assert_eq!(stat(&["--watch=0"]).0, Some(2), "a processor would do nothing else");
}

/// Any user can take a name like a stack's, or one that is no text.
#[test]
fn neighbours_of_ill_will_neither_hide_stacks_nor_keep_us_waiting() {
    let test = || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            return println!("SKIPPED: cannot make a network namespace ({error}): run as root");
        }
        let bind = |name: &[u8]| {
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).expect("a name")).expect("a socket")
        };
        let (_no_text, _silent) = (bind(b"\xff\xfe"), bind(b"sctp-stat/1/silent"));
        let (binary, slow) = (bind(b"sctp-stat/1/binary"), bind(b"sctp-stat/1/slow"));
        std::thread::spawn(move || {
            let (mut reader, _) = binary.accept().expect("a reader");
            reader.write_all(b"\xff\n[[[[[[\n{}\n").expect("it is read");
        });
        std::thread::spawn(move || {
            let (mut reader, _) = slow.accept().expect("a reader");
            while reader.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let start = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_sctp-stat")).output().expect("it starts");
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]));
        let errors = String::from_utf8_lossy(&output.stderr);
        for line in [
            "cannot read sctp-stat/1/silent: timed out",
            "sctp-stat/1/binary does not tell of a stack",
            "cannot read sctp-stat/1/slow: timed out",
        ] {
            assert!(errors.contains(line), "{line}: {errors}");
        }
    };
    std::thread::spawn(test).join().expect("the test passes");
}
