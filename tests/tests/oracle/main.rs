//! Each behaviour of the sockets API against an oracle: the C programs of `tests/oracle`, run on a Linux kernel with SCTP
//! and, unmodified, on our stack, must print the same facts. What Linux prints is recorded in `tests/oracle/linux`; where
//! ours may differ, and by which clause of which RFC, is in `tests/oracle/differences.toml`.
//!
//! With `ORACLE_RECORD=1` what Linux prints is recorded anew.

mod compare;
mod differences;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use system_tests::{Host, Lab, Program, built, is_installed_or_skip, is_root_or_skip};
use tempfile::TempDir;

use compare::{Hunk, hunks};

/// Longer than all cases take on a busy machine.
const LIMIT: Duration = Duration::from_secs(420);
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oracle");
/// The addresses that the programs are told: hosts 1 to 4 of it.
const PREFIX: &str = "127.0.0";
/// Warnings about what the cases do on purpose: wrong pointers, fields given twice, results that only are facts.
const NOT_WARNED_OF: [&str; 5] = [
    "-Wno-nonnull",
    "-Wno-override-init",
    "-Wno-stringop-overflow",
    "-Wno-stringop-overread",
    "-Wno-unused-result",
];

/// The facts that a run stated, by family.
type Facts = BTreeMap<String, Vec<String>>;

/// The families of cases: the C sources but what they share.
fn families() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(SOURCES)
        .expect("the cases are there")
        .map(|entry| entry.expect("a directory can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "c"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .filter(|name| name != "oracle")
        .collect();
    names.sort();
    names
}

/// The programs, compiled once in each test process.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let shared = folder.path().join("oracle.o");
        compile(&["-c", "-o"], &shared, &[&source("oracle")]);
        for family in families() {
            compile(&["-o"], &folder.path().join(&family), &[&source(&family), &shared]);
        }
        folder
    });
    folder.path()
}

fn source(name: &str) -> PathBuf {
    Path::new(SOURCES).join(name).with_extension("c")
}

fn compile(mode: &[&str], output: &Path, inputs: &[&Path]) {
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-O1", "-Wall", "-Werror"])
        .args(NOT_WARNED_OF)
        .args(mode)
        .arg(output)
        .args(inputs);
    cc.args(["-lsctp", "-lpthread"]);
    assert!(cc.status().expect("cc runs").success(), "{cc:?}");
}

/// A shell's command that runs one program after the other.
fn all_programs() -> String {
    let folder = programs().display();
    families().iter().map(|family| format!("{folder}/{family} {PREFIX}; ")).collect()
}

/// Makes the hosts of [`PREFIX`] addresses of the loopback interface, not only reachable there.
fn addresses() -> String {
    (2..=4).map(|host| format!("ip addr add {PREFIX}.{host}/8 dev lo; ")).collect()
}

fn run(command: Command) -> Facts {
    let program = Program::start(command);
    let (status, output) = program.wait(LIMIT).expect("the programs end");
    assert!(status.success(), "{status}: {output}");
    let mut facts = Facts::new();
    for line in output.lines() {
        let (family, fact) = line.split_once('.').unwrap_or_else(|| panic!("no fact: {line}"));
        facts.entry(family.to_owned()).or_default().push(fact.to_owned());
    }
    facts
}

/// All facts of a Linux kernel.
fn run_linux() -> Facts {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/kernel-sctp-peer"));
    // Interleaving and address configuration cannot be had by options alone. Paths of 1,500 bytes, as with us.
    command.args(["--sysctl", "net.sctp.intl_enable=1", "--sysctl", "net.sctp.addip_noauth_enable=1"]);
    command.args(["--", "sh", "-c", &format!("ip link set lo mtu 1500; {}{}", addresses(), all_programs())]);
    run(command)
}

/// All facts of ours.
fn run_ours(host: &Host) -> Facts {
    let shell = host.command("sh").args(["-c", &addresses()]).status().expect("sh runs");
    assert!(shell.success(), "addresses cannot be added");
    let mut command = host.command(&built("sctp-run").to_string_lossy());
    let local: String = (1..=4).map(|host| format!("{PREFIX}.{host},")).collect();
    command.args(["--udp", "--local", &format!("{local}::1"), "sh", "-c", &all_programs()]);
    run(command)
}

fn record_of(family: &str) -> PathBuf {
    Path::new(SOURCES).join("linux").join(family).with_extension("txt")
}

/// What Linux said when it was recorded.
fn recorded() -> Facts {
    let read = |family: String| {
        let text = std::fs::read_to_string(record_of(&family))
            .unwrap_or_else(|error| panic!("{family}: {error}; record it with ORACLE_RECORD=1"));
        (family, text.lines().map(str::to_owned).collect())
    };
    families().into_iter().map(read).collect()
}

fn record(facts: &Facts) {
    for (family, lines) in facts {
        std::fs::write(record_of(family), lines.join("\n") + "\n").expect("it can be written");
    }
}

fn can_run() -> bool {
    is_root_or_skip()
        && is_installed_or_skip("cc", "gcc")
        && is_installed_or_skip("/usr/include/netinet/sctp.h", "libsctp-dev")
}

/// All that two runs differ in, by family and case.
fn compared(linux: &Facts, ours: &Facts) -> Vec<Hunk> {
    let none = Vec::new();
    families()
        .iter()
        .flat_map(|family| {
            let [linux, ours] = [linux, ours].map(|facts| facts.get(family).unwrap_or(&none));
            hunks(family, linux, ours)
        })
        .collect()
}

#[test]
fn linux_says_what_was_recorded() {
    if !can_run() || !is_installed_or_skip("/usr/bin/linux.uml", "user-mode-linux") {
        return;
    }
    let facts = run_linux();
    if std::env::var_os("ORACLE_RECORD").is_some() {
        record(&facts);
    }
    let hunks = compared(&facts, &recorded());
    assert!(hunks.is_empty(), "Linux now (-), recorded (+):\n{}", compare::text(&hunks));
}

#[test]
fn we_say_what_linux_says() {
    if !can_run() {
        return;
    }
    let linux = recorded();
    let ours = run_ours(&Lab::loopback());
    let count: usize = linux.values().map(Vec::len).sum();
    let verdict = differences::judge(&compared(&linux, &ours));
    println!(
        "{count} facts compared; {} differ with a reason, {} are wrong",
        verdict.justified, verdict.open
    );
    assert!(verdict.errors.is_empty(), "Linux (-), ours (+):\n{}", verdict.errors.join("\n"));
}
