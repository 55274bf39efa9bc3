//! Debian's Java, whose module `jdk.sctp` has channels of its own for SCTP.

use std::path::Path;

use system_tests::is_installed_or_skip;

use crate::{finish, sctp_run, start, start_ready};

/// The command for `SctpChannels.java`, which is compiled as it is run.
fn channels(role: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/SctpChannels.java");
    let program = program.to_str().expect("a path in UTF-8");
    ["java", program, role, "127.0.19.2", "127.0.19.3", "5000"].map(str::to_owned).into()
}

#[test]
fn java_uses_channels_of_both_styles() {
    // Without a compiler, `java` runs no source.
    if !is_installed_or_skip("javac", "openjdk-17-jdk-headless") {
        return;
    }
    let server = start_ready(sctp_run("127.0.19.2,127.0.19.3"), &channels("serve"), "serving");
    let client = finish(start(sctp_run("127.0.19.4"), &channels("call")));
    let told = ["client: COMM_UP", "client: SHUTDOWN"];
    let expected = [told[0], told[1], "one-to-one", told[0], told[1], "one-to-many"];
    assert_eq!(client.lines().collect::<Vec<_>>(), expected);
    let server = finish(server);
    let expected = ["serving", "server: COMM_UP", "server: shutdown", "many: COMM_UP", "branch: shutdown"];
    assert_eq!(server.lines().collect::<Vec<_>>(), expected);
}
