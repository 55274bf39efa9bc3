//! systemd's units that belong to the programs.

use std::path::Path;
use std::process::Command;

use system_tests::{built, is_installed_or_skip};

/// Reads a unit whose programs are those that were built, and asks systemd what is wrong with it.
fn verify(unit: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools").join(unit);
    let text = std::fs::read_to_string(&source).expect("it is there");
    let name = source.file_stem().and_then(|name| name.to_str()).expect("a name");
    let program = built(name).display().to_string();
    let installed = format!("/usr/local/bin/{name}");
    assert!(text.contains(&installed), "{unit} starts another program");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(source.file_name().expect("a name"));
    std::fs::write(&file, text.replace(&installed, &program)).expect("room");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output();
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // What other units of this host are told is not about ours.
    assert!(output.status.success() && !said.contains(name), "{said}");
}

#[test]
fn systemd_finds_nothing_wrong_with_our_units() {
    if !is_installed_or_skip("systemd-analyze", "systemd") {
        return;
    }
    verify("sctpd/sctpd.service");
    verify("rspregistrar/rspregistrar.service");
}
