//! `sctp-lab`: what it prints, and how it ends.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn lab(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sctp-lab")).args(arguments).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn scenario(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sctp-user/tests/scenarios").join(name);
    path.to_string_lossy().into_owned()
}

#[test]
fn a_scenario_is_shown_step_by_step_and_its_packets_are_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let pcap = folder.path().join("run.pcapng");
    let (code, said, _) = lab(&["--pcap", &pcap.to_string_lossy(), "--trace", &scenario("restart.scn")]);
    assert_eq!(code, Some(0), "{said}");
    for part in
        ["at 5s    restart a", "b: the peer has restarted", "COOKIE_ECHO", "all that was expected came true"]
    {
        assert!(said.contains(part), "{part}");
    }
    let recorded = fs::read(pcap).expect("a capture");
    assert!(recorded.len() > 10_000 && recorded.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
}

#[test]
fn what_does_not_come_true_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.scn");
    fs::write(&file, "network n\nhost a 10.0.0.1@n\nend 1s\nexpect a up\n").expect("a file");
    let file = file.to_string_lossy();
    let (code, said, _) = lab(&["--quiet", &file]);
    assert_eq!(
        (code, said.trim()),
        (Some(1), &*format!("{file}: FAILED: line 4: expect a up: it did not happen"))
    );
    let (code, said, _) = lab(&["--json", &file]);
    let outcome: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &outcome["passed"]), (Some(1), &false.into()));
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mistake.scn");
    fs::write(&file, "network n\nhosts a\n").expect("a file");
    let (code, _, errors) = lab(&[&file.to_string_lossy()]);
    assert_eq!(code, Some(1));
    assert_eq!(errors.trim(), format!("sctp-lab: {}: line 2: `hosts` is no statement", file.display()));
    assert_eq!(lab(&["/nonexistent.scn"]).0, Some(1));
    assert_eq!(lab(&[]).0, Some(2));
}

#[test]
fn help_and_the_language_are_told() {
    let (code, help, _) = lab(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
    let (code, language, _) = lab(&["--language"]);
    assert_eq!(code, Some(0));
    for word in ["network", "nat NAME inside", "expect HOST WHAT", "rebind NAT"] {
        assert!(language.contains(word), "{word}");
    }
}

#[test]
fn files_that_are_no_scenarios_are_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("binary.scn");
    fs::write(&file, b"title \xff\xfe\nend 1s\n").expect("a file");
    let (code, _, errors) = lab(&[&file.to_string_lossy()]);
    assert_eq!((code, errors.trim()), (Some(1), &*format!("sctp-lab: {}: it is no text", file.display())));
    let (code, _, errors) = lab(&["/dev/zero"]);
    assert_eq!((code, errors.trim()), (Some(1), "sctp-lab: /dev/zero: it is too long for a scenario"));
    let (code, _, errors) = lab(&["--pcap", "/dev/full", &scenario("restart.scn")]);
    assert!(code == Some(1) && errors.contains("cannot write packets"), "{errors}");
}

#[test]
fn a_file_whose_name_is_no_text_is_run_all_the_same() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff.scn"));
    fs::write(&file, "end 1s\n").expect("a file");
    let output =
        Command::new(env!("CARGO_BIN_EXE_sctp-lab")).arg("--json").arg(&file).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(outcome["passed"], true);
}
