//! Osmocom's programs of the telephone network: osmo-stp, a signalling gateway, and what talks through it.

use system_tests::{Program, is_installed_or_skip};
use tempfile::TempDir;

use crate::python::python;
use crate::{finish, hear, sctp_run, start};

/// What a program logs, and where its console is.
fn basics(address: &str, logged: &str) -> String {
    format!(
        "
log stderr
 logging filter all 1
 logging color 0
 logging level set-all notice
 logging level {logged} debug
line vty
 no login
 bind {address}
"
    )
}

/// A gateway at this address only, for programs over SCTP.
fn gateway(address: &str) -> String {
    let basics = basics(address, "lss7");
    format!(
        "{basics}
cs7 instance 0
 xua rkm routing-key-allocation dynamic-permitted
 listen m3ua 2905
  local-ip {address}
  accept-asp-connections dynamic-permitted
 listen sua 14001
  local-ip {address}
  accept-asp-connections dynamic-permitted
"
    )
}

/// A network's base station controller or switching centre, with a point code, as a client of a gateway.
fn client(address: &str, gateway: &str, logged: &str, point_code: &str) -> String {
    let basics = basics(address, logged);
    format!(
        "{basics}
ctrl
 bind {address}
network
 network country code 1
 mobile network code 1
cs7 instance 0
 point-code {point_code}
 asp asp 2905 0 m3ua
  remote-ip {gateway}
  local-ip {address}
  role asp
  sctp-role client
"
    )
}

/// Starts one of them in a folder of its own, which is to live as long: they write there.
fn osmo(program: &str, address: &str, configuration: &str) -> (Program, TempDir) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    std::fs::write(folder.path().join("osmo.cfg"), configuration).expect("it takes it");
    let mut sctp_run = sctp_run(address);
    sctp_run.current_dir(&folder);
    (start(sctp_run, &[program, "-c", "osmo.cfg"]), folder)
}

#[test]
fn osmo_stp_serves_m3ua_and_sua() {
    if !is_installed_or_skip("osmo-stp", "osmo-stp") {
        return;
    }
    let (mut gateway, _folder) = osmo("osmo-stp", "127.0.17.2", &gateway("127.0.17.2"));
    hear(&mut gateway, "Available via telnet");

    let m3ua = finish(start(sctp_run("127.0.17.3"), &python("m3ua_asps.py", &["127.0.17.2", "m3ua"])));
    assert!(m3ua.contains("carried from 23 to 42") && m3ua.ends_with("done\n"), "{m3ua}");
    hear(&mut gateway, "New m3ua connection accepted");

    let sua = finish(start(sctp_run("127.0.17.4"), &python("m3ua_asps.py", &["127.0.17.2", "sua"])));
    assert!(sua.ends_with("done\n"), "{sua}");
    hear(&mut gateway, "New sua connection accepted");
}

#[test]
fn osmo_bsc_and_osmo_msc_talk_through_osmo_stp() {
    let programs = ["osmo-stp", "osmo-msc", "osmo-bsc"];
    if !programs.iter().all(|program| is_installed_or_skip(program, program)) {
        return;
    }
    const GATEWAY: &str = "127.0.24.2";
    let (mut gateway, _folder) = osmo("osmo-stp", GATEWAY, &gateway(GATEWAY));
    hear(&mut gateway, "Available via telnet");
    let centre = client("127.0.24.3", GATEWAY, "bssap", "0.23.1") + "hlr\n remote-ip 127.0.24.3\n";
    let (mut centre, _folder) = osmo("osmo-msc", "127.0.24.3", &centre);
    // Its base stations would come by TCP.
    let of_controller = "e1_input\n ipa bind 127.0.24.4\ncs7 instance 0\n sccp-address msc\n  routing-indicator PC\n  point-code 0.23.1\nmsc 0\n msc-addr msc\n";
    let controller = client("127.0.24.4", GATEWAY, "msc", "0.23.3") + of_controller;
    let (mut controller, _folder) = osmo("osmo-bsc", "127.0.24.4", &controller);
    // The controller says that it has started; over SCCP, M3UA, SCTP.
    hear(&mut centre, "Sent RESET ACKNOWLEDGE");
    hear(&mut controller, "RESET ACK from MSC");
}
