//! SIP over SCTP (RFC 4168): kamailio between sipp's two ends.

use std::os::unix::process::CommandExt;
use std::path::Path;

use system_tests::{Program, is_installed_or_skip};

use crate::{finish, hear, sctp_run, start, start_ready};

/// Kamailio sends all that it gets on, over SCTP only. With more than one child it may change the order of answers.
const CONFIGURATION: &str = r#"
debug=2
log_stderror=yes
children=1
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

/// What is called: it does not say when it is ready, but its stack knows who listens.
const CALLEE: &str = "
sipp -sn uas -t s1 -i 127.0.21.3 -p 5060 -m 5 -nostdin &
until grep -qw 5060 /proc/net/sctp/eps; do sleep 0.1; done
echo listening
wait
";

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
    let mut callee = start_ready(sctp_run("127.0.21.3"), &["sh", "-c", CALLEE], "listening");
    let caller =
        ["sipp", "-sn", "uac", "-t", "s1", "-i", "127.0.21.4", "-m", "5", "-nostdin", "127.0.21.2:5060"];
    // It fails if a call does.
    finish(start(sctp_run("127.0.21.4"), &caller));
    hear(&mut callee, "Successful call        |        0                  |        5");
}
