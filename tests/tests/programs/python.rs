//! Debian's Python, whose module `socket` knows SCTP by its number only.

use std::path::Path;

use system_tests::is_installed_or_skip;

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
