//! Debian's Python, whose module `socket` knows SCTP by its number only.

use std::path::Path;
use std::process::Command;

use system_tests::{built, is_installed_or_skip};

use crate::{finish, sctp_run, start};

/// Debian's, whatever else there is.
const PYTHON: &str = "/usr/bin/python3";

/// The command for a program of `tests/programs`.
pub(crate) fn python(name: &str, arguments: &[&str]) -> Vec<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name);
    let program = program.to_str().expect("a path in UTF-8");
    [PYTHON, program].iter().chain(arguments).map(|word| (*word).to_owned()).collect()
}

#[test]
fn python_uses_sockets_of_both_styles() {
    if is_installed_or_skip(PYTHON, "python3") {
        let output = finish(start(sctp_run("127.0.18.2"), &python("sctp_sockets.py", &["127.0.18.2"])));
        assert_eq!(output, "one-to-one\none-to-many\n");
    }
}

/// Python's own tests of `sendmsg`, `recvmsg` and `recvmsg_into`, which it has for SCTP, too. They take 127.0.0.1.
#[test]
fn pythons_own_tests_of_sctp_pass() {
    let tests = "/usr/lib/python3.11/test/test_socket.py";
    if is_installed_or_skip(tests, "libpython3.11-testsuite") {
        let mut sctp_run = Command::new(built("sctp-run"));
        sctp_run.args(["--udp=9897", "--local", "127.0.0.1"]);
        let output = finish(start(sctp_run, &[PYTHON, "-m", "test", "-v", "test_socket", "-m", "*SCTP*"]));
        assert!(output.contains("Ran 42 tests") && output.contains("\nOK\n"), "{output}");
    }
}
