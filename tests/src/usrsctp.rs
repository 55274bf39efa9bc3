//! usrsctp's example programs (Debian's `libusrsctp-examples`) as peers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Host, Program, hear, is_installed_or_skip, is_root_or_skip};

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
/// If that takes longer than [`LIMIT`](crate::LIMIT).
pub fn start_usrsctp_server(host: &Host, program: &str, arguments: &[&str]) -> Program {
    let mut server = start_usrsctp(host, program, arguments);
    hear(&mut server, "usrsctp listens");
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
