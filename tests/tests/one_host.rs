//! Several stacks of one host share raw IP, and the broker of their ports may die.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{
    Capture, Host, Lab, PerfServer, Program, count_packets, has_judge_or_skip, is_installed_or_skip,
    perf_result, run_perf_client, start_perf_client, wait_until,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);
const BROKER: &str = "@sctp-user/port-broker";

/// A third process with a raw socket for SCTP, which is none of our stacks and answers nothing.
fn start_stranger(host: &Host) -> Program {
    let mut command = host.command("python3");
    let text = "import socket, sys\n\
                raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)\n\
                print('stranger is open', flush=True)\n\
                sys.stdin.read()";
    command.args(["-c", text]);
    let mut stranger = Program::start(command);
    stranger.wait_for("stranger is open", LIMIT).unwrap_or_else(|error| panic!("{error}"));
    stranger
}

/// Connects to a port that nobody has; returns how many INITs went out, and how many ABORTs came back.
fn inits_and_aborts(lab: &Lab, port: u16, folder: &Path) -> (usize, usize) {
    // Only what begins with INIT or ABORT, after 20 bytes of IP and 12 of common header.
    let filter = "proto 132 and (ip[32] = 1 or ip[32] = 6)";
    let capture = Capture::start_filtered(&lab.a, "n0", &folder.join("init.pcap"), filter);
    let line = format!("{} --local {} --raw --port {port} --count 1", lab.b.v4(0), lab.a.v4(0));
    let (status, output) =
        start_perf_client(&lab.a, &line).wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    assert!(!status.success(), "nobody has port {port}: {output}");
    let abort = format!("sctp.chunk_type == 6 and sctp.srcport == {port}");
    let file = capture.finish_after(&abort);
    let inits = count_packets(&file, &format!("sctp.chunk_type == 1 and sctp.dstport == {port}"));
    (inits, count_packets(&file, &abort))
}

fn wait_for_broker(host: &Host) {
    let is_listening = |mut command: Command| {
        let sockets = command.arg("/proc/net/unix").output().expect("cat runs").stdout;
        // The fourth field holds the flag "accepts connections".
        String::from_utf8_lossy(&sockets)
            .lines()
            .any(|line| line.contains(BROKER) && line.contains(" 00010000 "))
    };
    wait_until(LIMIT, "no broker", || is_listening(host.command("cat")));
}

#[test]
fn stacks_and_strangers_share_a_host_and_a_killed_broker_is_replaced() {
    if !has_judge_or_skip() || !is_installed_or_skip("python3", "python3") {
        return;
    }
    let (lab, folder) = (Lab::new(1, 1500), TempDir::new().unwrap());
    let (local, remote) = (lab.a.v4(0), lab.b.v4(0));
    let broker = PerfServer::start(&lab.b, &format!("--raw --local {remote} --port 5001"));
    let _other = PerfServer::start(&lab.b, &format!("--raw --local {remote} --port 5002"));
    let _stranger = start_stranger(&lab.b);

    let capture = Capture::start(&lab.a, "n0", &folder.path().join("shared.pcap"));
    let transfers = [5001, 5002].map(|port| {
        start_perf_client(&lab.a, &format!("{remote} --local {local} --raw --port {port} --count 3000"))
    });
    for transfer in transfers {
        assert_eq!(perf_result(transfer, LIMIT)["verified"], true);
    }
    let file = capture.finish_after("sctp.chunk_type == 14 and sctp.port == 5001");
    assert_eq!(count_packets(&file, "sctp.chunk_type == 6"), 0, "ABORT for another stack's port");

    assert_eq!(inits_and_aborts(&lab, 5003, folder.path()), (1, 1));

    let transfer = start_perf_client(&lab.a, &format!("{remote} --local {local} --raw --port 5002 --time 6"));
    lab.a.wait_until_sent(0, 1 << 20);
    broker.program.signal(Signal::SIGKILL);
    broker.program.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    wait_for_broker(&lab.b);
    // A new broker first lets the surviving stacks renew their leases, so an INIT may have to be repeated.
    assert_eq!(inits_and_aborts(&lab, 5003, folder.path()).1, 1, "the new broker answers");
    // Port 5001 was the killed one's; now it is nobody's.
    assert_eq!(inits_and_aborts(&lab, 5001, folder.path()), (1, 1));
    assert_eq!(perf_result(transfer, LIMIT)["verified"], true, "the association outlives the broker");
    let line = format!("{remote} --local {local} --raw --port 5002 --count 10");
    assert_eq!(run_perf_client(&lab.a, &line, LIMIT)["verified"], true, "and new ones come");
}
