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

const SCTPD: &str = env!("CARGO_BIN_EXE_sctpd");
const SCTP_RUN: &str = env!("CARGO_BIN_EXE_sctp-run");

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
        (SCTPD, &["--help"]),
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
        (PROGRAMS[0], ["-serverannouncecycle=x"]),
        (PROGRAMS[0], ["--serverannouncecycle=5"]),
        (PROGRAMS[0], ["-nosuchoption"]),
        (PROGRAMS[0], ["-identifier=x"]),
        (PROGRAMS[1], ["-policy=Best"]),
        (PROGRAMS[1], ["-nosuchservice"]),
        (PROGRAMS[2], ["-registrar=192.0.2.1:0"]),
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
    let (code, _, errors) = run(PROGRAMS[1], &["-registrarconnectmaxtrials=1", "--version"]);
    assert_eq!(code, Some(0));
    assert!(errors.contains("warning: -registrarconnectmaxtrials has no effect"), "{errors}");
}

#[test]
fn values_that_rsplib_raises_are_raised_in_its_spelling_and_refused_otherwise() {
    let [server, calcapp, scripting] =
        [PROGRAMS[1], env!("CARGO_BIN_EXE_calcappclient"), env!("CARGO_BIN_EXE_scriptingclient")];
    for (program, option, taken) in [
        (server, "rereginterval=0", "10"),
        (server, "capmaxjobs=0", "1"),
        (server, "capcapacity=0", "1"),
        (server, "capcookiemaxcalculations=0", "1"),
        (server, "capkeepalivetransmissioninterval=99", "100"),
        (server, "capkeepalivetimeoutinterval=0", "100"),
        (server, "fgpcookiemaxtime=0", "100"),
        (server, "fgpdatamaxtime=0", "100"),
        (server, "fgpcookiemaxpackets=0", "1"),
        (server, "fgptransmittimeout=0", "1"),
        (server, "ssmaxthreads=0", "1"),
        (server, "sscachemaxentries=0", "1"),
        (server, "sscachemaxsize=1", "128"),
        (calcapp, "keepalivetransmissioninterval=1", "100"),
        (calcapp, "keepalivetimeoutinterval=1", "100"),
        (scripting, "maxretry=0", "1"),
        (scripting, "retrydelay=10", "100"),
    ] {
        let (code, _, errors) = run(program, &[&format!("-{option}"), "--version"]);
        assert_eq!(code, Some(0), "{errors}");
        let warning = format!("warning: -{option} is taken as {taken}, the nearest that is possible\n");
        assert_eq!(errors, warning);
        assert_eq!(run(program, &[&format!("--{option}"), "--version"]).0, Some(2), "{option}");
    }
    assert_eq!(run(calcapp, &["-jobsize=0", "--version"]).0, Some(0));
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

#[test]
fn a_picture_for_which_there_is_no_room_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_fractalpooluser");
    let prefix = folder.path().join("picture-");
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec {program} --here --count=1 -imagestorageprefix={}",
        prefix.display()
    );
    let (code, said, errors) = run("/bin/sh", &["-c", &script]);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{errors}");
    let beginning = format!("fractalpooluser: cannot write {}000001.png: ", prefix.display());
    assert!(errors.starts_with(&beginning), "{errors}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

/// A configuration of this text.
fn configured(text: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("it is ours");
    let mut command = Command::new(SCTPD);
    command.arg("--config").arg(file.path()).args(arguments).env("SCTPD_LIMITS_CONNECTIONS", "77");
    let output = command.output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let (code, output, errors) = configured("log = \"info\"\n", &["--check-config"]);
    assert_eq!((code, output.as_str(), errors.as_str()), (Some(0), "", ""));
    for (text, part) in [
        ("log = \"info\"\n[limits]\nsocket = 9\n", "line 3: unknown field `socket`"),
        ("[transport]\nkind = \"tun\"\n", "transport.tun"),
        ("access.users = [\"no-such-user\"]\n", "this host has no user no-such-user"),
    ] {
        let (code, _, errors) = configured(text, &["--check-config"]);
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.starts_with("sctpd: ") && errors.contains(part), "{errors}");
    }
    let (code, _, errors) = run(SCTPD, &["--config", "/nonexistent/sctpd.toml", "--check-config"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("cannot read /nonexistent/sctpd.toml"), "{errors}");
}

#[test]
fn the_configuration_that_holds_is_printed_and_can_be_read_again() {
    let arguments = ["--udp=9001", "--local", "127.0.0.1", "--set", "limits.sockets=3", "--print-config"];
    let (code, printed, errors) = configured("limits.sockets = 4\nstop_ms = 5\n", &arguments);
    assert_eq!(code, Some(0), "{errors}");
    for line in
        ["stop_ms = 5", "udp_port = 9001", "local = [\"127.0.0.1\"]", "sockets = 3", "connections = 77"]
    {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert_eq!(configured(&printed, &["--print-config"]).1, printed);
}

#[test]
fn where_no_sctpd_runs_the_status_says_so() {
    let (code, output, errors) = run(SCTPD, &["--status", "--set", "name=sctp-user/test-of-nobody"]);
    assert_eq!((code, output.as_str()), (Some(3), ""));
    assert!(errors.contains("no sctpd runs"), "{errors}");
    let (code, _, errors) =
        run(SCTP_RUN, &["--service", "sctp-user/test-of-nobody", "--preload", SCTPD, "true"]);
    assert_eq!(code, Some(126));
    assert!(errors.contains("no sctpd runs"), "{errors}");
}

#[test]
fn sctpd_refuses_what_excludes_each_other() {
    for arguments in [&["--check-config", "--status"][..], &["--json"], &["--raw", "--udp"]] {
        assert_eq!(run(SCTPD, arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn impairments_are_named_when_they_are_none() {
    let (code, _, errors) = run(SCTP_RUN, &["--udp", "--impair", "latency=5ms", "true"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("`latency=5ms` is no impairment") && errors.contains("delay=20ms"), "{errors}");
}

/// 64 bytes of an ELF header without segments: static, whatever it does.
#[test]
fn a_program_that_no_shim_gets_into_is_refused() {
    let header = std::fs::read(SCTPD).expect("it is built")[..64].to_vec();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("static");
    // No program headers, no sections.
    let mut header = header;
    header[32..48].fill(0);
    header[56..64].fill(0);
    std::fs::write(&file, header).expect("it is ours");
    let path = file.to_str().expect("a path in UTF-8");
    let (code, _, errors) = run(SCTP_RUN, &["--preload", SCTPD, path]);
    assert_eq!(code, Some(126));
    assert!(errors.contains("is statically linked"), "{errors}");
}

/// The stack of a program lives on while it has associations; a file that is no shim is enough to see that.
#[test]
fn who_has_the_port_is_named_with_the_cure() {
    let socket = std::net::UdpSocket::bind("127.77.9.2:0").expect("a port");
    let udp = format!("--udp={}", socket.local_addr().expect("an address").port());
    let (code, _, errors) = run(SCTP_RUN, &["--preload", SCTPD, &udp, "--local", "127.77.9.2", "true"]);
    assert_eq!(code, Some(126));
    let process = format!("(process {})", std::process::id());
    assert!(errors.contains(&process) && errors.contains("an sctpd is shared by all programs"), "{errors}");
}
