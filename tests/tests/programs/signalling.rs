//! osmo-stp: a signalling gateway of the telephone network.

use std::io::Write;

use system_tests::is_installed_or_skip;

use crate::python::python;
use crate::{finish, hear, sctp_run, start, start_ready};

/// It listens at this address only, for programs over SCTP and for its own console.
const CONFIGURATION: &str = "
log stderr
 logging filter all 1
 logging color 0
 logging level set-all notice
 logging level lss7 debug
line vty
 no login
 bind 127.0.17.2
cs7 instance 0
 xua rkm routing-key-allocation dynamic-permitted
 listen m3ua 2905
  local-ip 127.0.17.2
  accept-asp-connections dynamic-permitted
 listen sua 14001
  local-ip 127.0.17.2
  accept-asp-connections dynamic-permitted
";

#[test]
fn osmo_stp_serves_m3ua_and_sua() {
    if !is_installed_or_skip("osmo-stp", "osmo-stp") {
        return;
    }
    let mut configuration = tempfile::NamedTempFile::new().expect("a temporary file");
    configuration.write_all(CONFIGURATION.as_bytes()).expect("it takes it");
    let path = configuration.path().to_str().expect("a path in UTF-8");
    let gateway = ["osmo-stp", "-c", path];
    let mut gateway = start_ready(sctp_run("127.0.17.2"), &gateway, "Available via telnet");

    let m3ua = finish(start(sctp_run("127.0.17.3"), &python("m3ua_asps.py", &["127.0.17.2", "m3ua"])));
    assert!(m3ua.contains("carried from 23 to 42") && m3ua.ends_with("done\n"), "{m3ua}");
    hear(&mut gateway, "New m3ua connection accepted");

    let sua = finish(start(sctp_run("127.0.17.4"), &python("m3ua_asps.py", &["127.0.17.2", "sua"])));
    assert!(sua.ends_with("done\n"), "{sua}");
    hear(&mut gateway, "New sua connection accepted");
}
