//! usrsctp's example programs (Debian's `libusrsctp-examples`) as peers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::{Host, Program, is_installed_or_skip, is_root_or_skip};

const FOLDER: &str = "/usr/lib/usrsctp";

/// Whether the tests with usrsctp can run here; says SKIPPED if not.
pub fn has_usrsctp_or_skip() -> bool {
    is_root_or_skip()
        && is_installed_or_skip(&format!("{FOLDER}/tsctp"), "libusrsctp-examples")
        && is_installed_or_skip("gcc", "gcc")
}

/// One of usrsctp's programs, started on a host, with the library's debug output switched off.
pub fn start_usrsctp(host: &Host, program: &str, arguments: &[&str]) -> Program {
    let mut command = host.command(&format!("{FOLDER}/{program}"));
    command.args(arguments).env("LD_PRELOAD", shim());
    Program::start(command)
}

/// The same, once its socket listens.
///
/// # Panics
/// If that takes longer than 10 s.
pub fn start_usrsctp_server(host: &Host, program: &str, arguments: &[&str]) -> Program {
    let mut server = start_usrsctp(host, program, arguments);
    server.wait_for("usrsctp listens", Duration::from_secs(10)).unwrap_or_else(|error| panic!("{error}"));
    server
}

/// The library to preload, compiled once in each test process.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = SHIM.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let library = folder.path().join("shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/usrsctp-shim.c");
        let status =
            Command::new("gcc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).status();
        assert!(status.expect("gcc runs").success(), "{source} cannot be compiled");
        (folder, library)
    });
    library
}
