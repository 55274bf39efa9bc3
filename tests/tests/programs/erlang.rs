//! Debian's Erlang, whose `gen_sctp` loads the C library of SCTP when it first opens a socket.

use std::path::Path;

use system_tests::is_installed_or_skip;

use crate::{finish, sctp_run, start, start_ready};

/// The command for `gen_sctp.erl`.
fn gen_sctp(role: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/gen_sctp.erl");
    let program = program.to_str().expect("a path in UTF-8");
    ["escript", program, role, "127.0.20.2", "127.0.20.3", "5000"].map(str::to_owned).into()
}

#[test]
fn erlang_uses_a_one_to_many_socket_and_peels_off() {
    if !is_installed_or_skip("escript", "erlang-base") {
        return;
    }
    let server = start_ready(sctp_run("127.0.20.2,127.0.20.3"), &gen_sctp("serve"), "serving");
    let client = finish(start(sctp_run("127.0.20.4"), &gen_sctp("call")));
    assert_eq!(client, "1 bytes\n1000 bytes\n50000 bytes\ncalled\n");
    assert_eq!(finish(server), "serving\nserved\n");
}
