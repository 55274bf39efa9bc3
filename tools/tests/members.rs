//! What pool elements and users are told, and what they do then, as separate processes over UDP encapsulation. Addresses are
//! 127.81.101.x to 127.81.109.x.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Running, Site, await_some};

mod support;

const SERVER: &str = env!("CARGO_BIN_EXE_rspserver");
const TERMINAL: &str = env!("CARGO_BIN_EXE_rspterminal");
const CALCAPP_CLIENT: &str = env!("CARGO_BIN_EXE_calcappclient");
const PING_CLIENT: &str = env!("CARGO_BIN_EXE_pingpongclient");

fn signal(process: u32, signal: Signal) {
    kill(Pid::from_raw(process.cast_signed()), signal).expect("it runs");
}

fn start(program: &str, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Its exit code once it ends by itself, and what it has said on standard error.
fn end_of(mut child: Child) -> (Option<i32>, String) {
    let mut errors = child.stderr.take().expect("its errors");
    let status = await_some(|| child.try_wait().expect("a child"), "it does not end");
    let mut said = String::new();
    errors.read_to_string(&mut said).expect("its errors");
    (status.code(), said)
}

fn run(program: &str, arguments: &[String]) -> (Option<i32>, String) {
    end_of(start(program, arguments))
}

/// Whether the process holds SIGTERM back, and will look whether it has come.
fn is_careful(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("Linux tells");
    let blocked = u64::from_str_radix(blocked.trim(), 16).expect("a mask");
    blocked & 1 << (Signal::SIGTERM as u32 - 1) != 0
}

#[test]
fn a_server_that_is_not_answered_pauses_and_registers_again() {
    let site = Site { network: 81, test: 101 };
    let registrar = site.registrar();
    // So that SCTP is more patient than ASAP.
    let patience = ["--profile=rsplib", "-registrarrequesttimeout=300", "-registrarrequestmaxtrials=1"];
    let mut server = site.server(3, &[&["-echo", "-rereginterval=500"], &patience[..]].concat());
    signal(registrar.id(), Signal::SIGSTOP);
    server.wait_for("no registrar has answered 1 registrations");
    signal(registrar.id(), Signal::SIGCONT);
    server.wait_for("registered");
}

#[test]
fn a_server_runs_for_milliseconds_as_rsplibs() {
    let site = Site { network: 81, test: 102 };
    // As seconds they would be half an hour.
    let (code, errors) = run(SERVER, &site.member_arguments(3, &["-echo", "-runtime=2000"]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn a_server_whose_cookies_are_not_signed_says_so_unless_it_is_told_to_have_such() {
    let site = Site { network: 81, test: 103 };
    let warns = |options: &[&str]| {
        let options = [options, &["-runtime=1", "-capvector=", "-capscalar="]].concat();
        let (code, errors) = run(SERVER, &site.member_arguments(3, &options));
        assert_eq!(code, Some(0), "{errors}");
        errors.contains("warning: cookies are not signed")
    };
    assert!(warns(&["-pingpong"]) && warns(&["-fractal"]) && warns(&["-calcapp"]));
    assert!(!warns(&["-echo"]) && !warns(&["-pingpong", "--unsigned-cookies"]));
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, "0123456789abcdef\n").expect("room");
    assert!(!warns(&["-pingpong", &format!("--cookie-key-file={}", key.display())]));
}

#[test]
fn servers_and_users_go_on_in_the_background_with_their_number_in_a_file() {
    let site = Site { network: 81, test: 104 };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pid");
    let option = format!("-daemonpidfile={}", file.display());
    for (program, host, more) in
        [(SERVER, 3, ["-echo", "-port=7"]), (CALCAPP_CLIENT, 9, ["-vector=", "-scalar="])]
    {
        let arguments = |option: &str| site.member_arguments(host, &[&more[..], &[option]].concat());
        // Nothing of it holds standard error any longer: this returns.
        let (code, errors) = run(program, &arguments(&option));
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        signal(process_of(&file), Signal::SIGTERM);
        await_some(|| (!file.exists()).then_some(()), "the file goes with it");
        let (code, errors) = run(program, &arguments("-daemonpidfile=/nonexistent/pid"));
        assert_eq!(code, Some(1), "who has started it hears of its failure");
        assert!(errors.contains(": cannot write /nonexistent/pid"), "{errors}");
    }
}

fn process_of(file: &Path) -> u32 {
    let text = fs::read_to_string(file).expect("it has been written");
    text.trim().parse().expect("a number")
}

#[test]
fn who_is_told_to_end_before_all_is_done_says_so_by_its_code() {
    let site = Site { network: 81, test: 105 };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("input"), "a package").expect("room");
    let (input, output) = (format!("-input={}", at("input")), format!("-output={}", at("output")));
    let (scripting, fractal) = (env!("CARGO_BIN_EXE_scriptingclient"), env!("CARGO_BIN_EXE_fractalpooluser"));
    let (count, endless) = ("--count=1", "--patience=3600");
    for (program, options, code) in [
        (scripting, &[&*input, &*output][..], 130),
        (PING_CLIENT, &[endless, count], 130),
        (PING_CLIENT, &[endless], 0),
        (fractal, &[endless, count], 130),
        (fractal, &[endless], 0),
        (CALCAPP_CLIENT, &["-vector=", "-scalar=", count], 130),
        (CALCAPP_CLIENT, &["-vector=", "-scalar="], 0),
    ] {
        // Nobody is there who could do it.
        let child = start(program, &site.member_arguments(9, options));
        await_some(|| is_careful(child.id()).then_some(()), "it looks for signals");
        signal(child.id(), Signal::SIGTERM);
        let (ended, errors) = end_of(child);
        assert_eq!(ended, Some(code), "{program} {options:?}: {errors}");
    }
}

#[test]
fn pool_handles_may_be_long_where_all_are_told_so() {
    let site = Site { network: 81, test: 106 };
    let options = ["-asapannounce=off", "--profile=fast", "--long-pool-handles"];
    let mut registrar = Running::start(env!("CARGO_BIN_EXE_rspregistrar"), &site.arguments(2, &options));
    registrar.wait_for("registrar 0x");
    let handle = format!("-poolhandle={}", "x".repeat(33));
    for program in [SERVER, TERMINAL] {
        let (code, errors) = run(program, &site.member_arguments(3, &[&handle]));
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains("see --long-pool-handles"), "{errors}");
    }
    let _server = site.server(3, &["-echo", &handle, "--long-pool-handles"]);
    let output = site.client(TERMINAL, &[&handle, "--long-pool-handles"], "one\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\n");
}

#[test]
fn lives_are_in_seconds_for_who_is_told_so() {
    let site = Site { network: 81, test: 108 };
    let mut registrar = site.registrar();
    // So many seconds, which the registrar takes for milliseconds.
    let _server =
        site.server(3, &["-echo", "-rereginterval=5000", "--registration-life=15000", "--life-in-seconds"]);
    registrar.wait_for("(its registration was not renewed)");
}

#[test]
fn elements_do_not_look_for_registrars_over_tcp() {
    let site = Site { network: 81, test: 107 };
    let (code, errors) = run(SERVER, &site.member_arguments(3, &["-registrar=tcp:127.81.107.2"]));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("only clients may speak TCP"), "{errors}");
}
