//! freeDiameter: two peers of the Diameter protocol (RFC 6733), which prefers SCTP.

use nix::sys::signal::Signal;
use system_tests::{Program, is_installed_or_skip};
use tempfile::NamedTempFile;

use crate::{LIMIT, hear, sctp_run, start};

/// freeDiameter 1.2.1 gives threads that wait at a queue 20 ms to leave it before it goes, over TCP as over SCTP: on a busy machine that is not
/// enough, and it aborts, having told its peer all.
const IMPATIENCE: &str = "fd_fifo_del: Assertion `++loops < 20' failed";

/// What each is to do: no TLS, no TCP, and one peer, which it tries again after so many seconds.
fn configuration(name: &str, peer: &str, peer_address: &str, again: u32) -> String {
    format!(
        r#"
Identity = "{name}.example";
Realm = "example";
SecPort = 0;
No_TCP;
No_IPv6;
TcTimer = {again};
ConnectPeer = "{peer}.example" {{ ConnectTo = "{peer_address}"; No_TLS; }};
"#
    )
}

fn peer(address: &str, configuration: &NamedTempFile) -> Program {
    let path = configuration.path().to_str().expect("a path in UTF-8");
    start(sctp_run(address), &["freeDiameterd", "-dd", "-c", path])
}

#[test]
fn freediameter_s_peers_find_each_other() {
    if !is_installed_or_skip("freeDiameterd", "freediameterd") {
        return;
    }
    let configurations = [
        // Who is there first is called, and calls nobody meanwhile: two connections at once would be one too many.
        configuration("one", "two", "127.0.22.3", 300),
        configuration("two", "one", "127.0.22.2", 6),
    ]
    .map(|text| {
        let file = NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("it takes it");
        file
    });
    let mut one = peer("127.0.22.2", &configurations[0]);
    hear(&mut one, "'STATE_WAITCNXACK'\t-> 'STATE_CLOSED'\t'two.example'");
    let mut two = peer("127.0.22.3", &configurations[1]);
    hear(&mut one, "-> 'STATE_OPEN'\t'two.example'");
    hear(&mut two, "-> 'STATE_OPEN'\t'one.example'");
    // It tells its peer before it goes (RFC 6733, 5.4).
    two.signal(Signal::SIGTERM);
    hear(&mut one, "'STATE_OPEN'\t->");
    let (status, output) = two.wait(LIMIT).expect("it ends");
    assert!(status.success() || output.contains(IMPATIENCE), "{status}: {output}");
}
