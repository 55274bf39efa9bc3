//! freeDiameter: two peers of the Diameter protocol (RFC 6733), which prefers SCTP.

use nix::sys::signal::Signal;
use system_tests::{Program, is_installed_or_skip};
use tempfile::NamedTempFile;

use crate::{finish, hear, sctp_run, start};

/// What each is to do: no TLS, no TCP, and one peer.
fn configuration(name: &str, peer: &str, peer_address: &str) -> String {
    format!(
        r#"
Identity = "{name}.example";
Realm = "example";
SecPort = 0;
No_TCP;
No_IPv6;
TcTimer = 6;
ConnectPeer = "{peer}.example" {{ ConnectTo = "{peer_address}"; No_TLS; }};
"#
    )
}

fn peer(address: &str, configuration: &NamedTempFile) -> Program {
    let path = configuration.path().to_str().expect("a path in UTF-8");
    start(sctp_run(address), &["freeDiameterd", "-c", path])
}

#[test]
fn freediameter_s_peers_find_each_other() {
    if !is_installed_or_skip("freeDiameterd", "freediameterd") {
        return;
    }
    let configurations =
        [("one", "two", "127.0.22.3"), ("two", "one", "127.0.22.2")].map(|(name, peer, at)| {
            let file = NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), configuration(name, peer, at)).expect("it takes it");
            file
        });
    let mut one = peer("127.0.22.2", &configurations[0]);
    let mut two = peer("127.0.22.3", &configurations[1]);
    hear(&mut one, "-> 'STATE_OPEN'\t'two.example'");
    hear(&mut two, "-> 'STATE_OPEN'\t'one.example'");
    // It tells its peer before it goes (RFC 6733, 5.4).
    two.signal(Signal::SIGTERM);
    hear(&mut one, "'STATE_OPEN'\t->");
    finish(two);
}
