//! Programs end when they are told to, and when nobody listens to them; their exit codes say how. Addresses are 127.84.x.x.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Running, Site, await_some};

mod support;

/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Its exit code, and what it has said on standard error.
fn end_of(mut child: Child) -> (Option<i32>, String) {
    let mut waiting = Some(&mut child);
    let status = await_some(
        || waiting.as_mut().and_then(|child| child.try_wait().expect("a child")),
        "it does not end",
    );
    let mut said = String::new();
    if let Some(mut errors) = child.stderr.take() {
        errors.read_to_string(&mut said).expect("its errors");
    }
    (status.code(), said)
}

fn tell_to_end(child: &Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
}

/// A pipe whose reader reads nothing.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let set = |flags| fcntl(writer.as_fd(), FcntlArg::F_SETFL(flags)).expect("flags");
    set(OFlag::O_NONBLOCK);
    while (&writer).write(&[b'x'; 4_096]).is_ok() {}
    set(OFlag::empty());
    (reader, writer)
}

#[test]
fn a_reader_who_reads_nothing_does_not_keep_a_program_from_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_reader, writer) = full_pipe();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fractalpooluser"));
    command.args(["--here", "-width=1", "-height=1"]);
    command.arg(format!("-imagestorageprefix={}/", folder.path().display()));
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
    // Next it says so.
    await_some(|| folder.path().join("000001.png").exists().then_some(()), "a picture");
    tell_to_end(&child);
    let (code, errors) = end_of(child);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("nobody reads it, and a signal has come"), "{errors}");
}

#[test]
fn who_cannot_complain_says_by_its_code_that_it_has_failed() {
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_hsdump"), &["--udp", "--local=203.0.113.1"][..]),
        (env!("CARGO_BIN_EXE_rspserver"), &["--udp", "--local=203.0.113.1", "-daemonpidfile=x"]),
    ] {
        let full = File::options().write(true).open("/dev/full").expect("Linux has it");
        let child = Command::new(program).args(arguments).stderr(full).spawn().expect("it starts");
        assert_eq!(end_of(child).0, Some(1), "{program}");
    }
}

#[test]
fn input_that_cannot_be_read_is_an_error() {
    let site = Site { network: 84, test: 3 };
    let _registrar = site.registrar();
    let _server = site.server(3, &["-echo"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rspterminal"));
    command.args(site.member_arguments(9, &["--linger=0"])).stdin(File::open("/").expect("a directory"));
    let (code, errors) = end_of(command.stderr(Stdio::piped()).spawn().expect("it starts"));
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("rspterminal: cannot read standard input: "), "{errors}");
}

/// To load the registrar of a site.
fn load(site: &Site, more: &[&str]) -> Vec<String> {
    let Site { network, test } = site;
    let registrar = format!("-registrar=127.{network}.{test}.2:3863");
    site.arguments(9, &[&[&*registrar], more].concat())
}

#[test]
fn load_ends_when_nobody_hears_what_comes_of_it() {
    let site = Site { network: 84, test: 4 };
    let _registrar = site.registrar();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hrestest"));
    command.args(load(&site, &["-pause=1"])).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    let (code, errors) = end_of(child);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("hrestest: cannot write to standard output: "), "{errors}");
}

#[test]
fn what_was_measured_until_the_registrar_ended_is_told() {
    let site = Site { network: 84, test: 10 };
    let registrar = site.registrar();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hrestest"));
    command.args(load(&site, &["-pause=1"])).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut said = String::new();
    output.read_line(&mut said).expect("a run");
    // It says a line for each answer, which somebody has to read.
    let reader = std::thread::spawn(move || output.read_to_string(&mut said).map(|_| said));
    registrar.end(Signal::SIGTERM);
    let said = reader.join().expect("no panic").expect("its output");
    let (code, errors) = end_of(child);
    assert_eq!(code, Some(1), "{errors}");
    assert!(said.lines().last().is_some_and(|line| line.contains(" answers in ")), "{said}");
}

/// How it ends that is told to while it registers elements, which are gone then. What it says, at the end only, goes to `output`.
fn end_of_who_registers(site: &Site, output: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut registrar = site.registrar();
    let mut command = Command::new(env!("CARGO_BIN_EXE_testregistrator"));
    command.args(load(site, &["-poolelements=4000000"])).stdout(output).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    registrar.wait_for("TestPool-0001: ");
    // It says a line for each of them, which somebody has to read.
    let reader = std::thread::spawn(move || registrar.wait_for("(its association ended)"));
    tell_to_end(&child);
    let end = end_of(child);
    reader.join().expect("they are gone");
    end
}

#[test]
fn who_is_told_to_end_while_it_registers_elements_does_not_stay_with_them() {
    let (code, errors) = end_of_who_registers(&Site { network: 84, test: 5 }, Stdio::null());
    assert_eq!(code, Some(0), "{errors}");
}

#[test]
fn one_signal_is_enough_for_who_has_taken_it_before_it_speaks_to_nobody() {
    let (_reader, writer) = full_pipe();
    let (code, errors) = end_of_who_registers(&Site { network: 84, test: 8 }, writer);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("nobody reads it, and a signal has come"), "{errors}");
}

#[test]
fn who_has_no_room_for_its_totals_says_so() {
    let site = Site { network: 84, test: 9 };
    let registrar = site.arguments(2, &["-asapannounce=off", "--profile=fast", "--scalar=/dev/full"]);
    let server = site.member_arguments(3, &["-calcapp", "--capvector=", "--capscalar=/dev/full"]);
    for (program, arguments, begins) in [
        (env!("CARGO_BIN_EXE_rspregistrar"), registrar, "registrar 0x"),
        (env!("CARGO_BIN_EXE_rspserver"), server, "serving at"),
    ] {
        let mut command = Command::new(program);
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its output");
        assert!(line.contains(begins), "{line}");
        tell_to_end(&child);
        let (code, errors) = end_of(child);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("cannot write /dev/full: "), "{errors}");
    }
}

#[test]
fn a_registrar_that_says_nothing_is_waited_for_until_the_time_is_over_or_a_signal_comes() {
    let site = Site { network: 84, test: 6 };
    let silent = UdpSocket::bind("127.84.6.2:9899").expect("an address of our own");
    silent.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let start = |patience: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hrestest"));
        command.args(load(&site, &[patience])).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let child = start("--patience=3600");
    silent.recv(&mut [0; 2_048]).expect("an attempt");
    tell_to_end(&child);
    assert_eq!(end_of(child), (Some(0), String::new()));
    let (code, errors) = end_of(start("--patience=0.3"));
    assert_eq!((code, errors.as_str()), (Some(1), "hrestest: the registrar has not answered for 300ms\n"));
}

#[test]
fn hsdump_leaves_no_peer_behind() {
    let site = Site { network: 84, test: 7 };
    let options = ["-asapannounce=off", "-enrpannounce=off", "--profile=fast", "--metrics=127.84.7.2:9464"];
    let arguments = site.arguments(2, &options);
    let mut registrar = Running::start(env!("CARGO_BIN_EXE_rspregistrar"), &arguments);
    registrar.wait_for("serving");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hsdump"));
    let output = command.args(site.arguments(9, &["127.84.7.2"])).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    let peers = || {
        let mut stream = TcpStream::connect("127.84.7.2:9464").expect("it listens");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("it listens");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("it answers");
        let lines = page.lines().filter(|line| line.starts_with("rspregistrar_peers{"));
        let counts: Vec<_> = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).collect();
        assert_eq!(counts.len(), 4, "{page}");
        counts.iter().sum::<u64>()
    };
    await_some(|| (peers() == 0).then_some(()), "it is forgotten");
    let (ended_well, said) = registrar.end(Signal::SIGTERM);
    assert!(ended_well && said.contains(" found") && !said.contains("is silent"), "{said}");
}
