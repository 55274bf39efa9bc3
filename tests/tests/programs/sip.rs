//! SIP over SCTP (RFC 4168): kamailio between sipp's two ends.

use std::os::unix::process::CommandExt;
use std::path::Path;

use system_tests::{Program, is_installed_or_skip, look_until};

use crate::{LIMIT, hear, sctp_run, start};

/// Kamailio sends all that it gets on, over SCTP only.
const CONFIGURATION: &str = r#"
debug=2
log_stderror=yes
children=2
disable_tcp=yes
enable_sctp=yes
loadmodule "sctp.so"
loadmodule "pv.so"
loadmodule "tm.so"
listen=sctp:127.0.21.2:5060
request_route {
  $du = "sip:127.0.21.3:5060;transport=sctp";
  t_relay();
}
"#;

/// Ends with all of its processes.
struct Kamailio(Program);

impl Drop for Kamailio {
    fn drop(&mut self) {
        self.0.kill_group();
    }
}

/// Five calls from `address` to the proxy; how they went.
fn calls(address: &str) -> Result<String, String> {
    let caller = ["sipp", "-sn", "uac", "-t", "s1", "-i", address, "-m", "5", "-nostdin", "127.0.21.2:5060"];
    let caller = start(sctp_run(address), &caller);
    let (status, output) = caller.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    if status.success() { Ok(output) } else { Err(output) }
}

#[test]
fn kamailio_carries_calls_of_sipp() {
    let proxy = is_installed_or_skip("kamailio", "kamailio and kamailio-sctp-modules");
    if !proxy || !is_installed_or_skip("sipp", "sip-tester") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let configuration = folder.path().join("kamailio.cfg");
    std::fs::write(&configuration, CONFIGURATION).expect("it takes it");
    let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let [folder, configuration] = [folder.path(), &configuration].map(path);
    let kamailio = ["kamailio", "-DD", "-E", "-f", &configuration, "-Y", &folder];
    let mut launcher = sctp_run("127.0.21.2");
    launcher.process_group(0);
    let mut kamailio = Kamailio(start(launcher, &kamailio));
    hear(&mut kamailio.0, "sctp_init_sock(): sctp: socket");
    let callee = ["sipp", "-sn", "uas", "-t", "s1", "-i", "127.0.21.3", "-p", "5060", "-m", "5", "-nostdin"];
    let mut callee = start(sctp_run("127.0.21.3"), &callee);
    // Calls fail until the callee is there, and it does not tell.
    look_until(LIMIT, || calls("127.0.21.4"));
    hear(&mut callee, "Successful call        |        0                  |        5");
}
