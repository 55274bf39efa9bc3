//! Programs that are hosts of their own on TUN interfaces, with the kernel as their router.

use std::time::Duration;

use system_tests::{
    Capture, Host, Lab, PerfServer, count_packets, has_judge_or_skip, packets_judged_malformed,
    run_perf_client,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// A host that routes between its TUN interfaces.
fn router() -> Host {
    let host = Lab::loopback();
    let script = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
    assert!(host.command("sh").args(["-c", script]).status().expect("sh runs").success());
    host
}

#[test]
fn programs_meet_over_both_families_and_tshark_finds_nothing_wrong() {
    if !has_judge_or_skip() {
        return;
    }
    let (router, folder) = (router(), TempDir::new().unwrap());
    let mut server = PerfServer::start(&router, "--tun 10.8.1.2/24,fd08:1::2/64");
    for remote in ["10.8.1.2", "fd08:1::2"] {
        let file = folder.path().join("tun.pcap");
        let capture = Capture::start(&router, "tun0", &file);
        // The server's interface carries 1,500 bytes: the client's first large packets are cut.
        let line = format!("{remote} --tun 10.8.2.2/24,fd08:2::2/64 --tun-mtu 4000 --size 50000 --count 200");
        assert_eq!(run_perf_client(&router, &line, LIMIT)["verified"], true);
        let file = capture.finish_after("sctp.chunk_type == 14");
        let (seen, wrong) = packets_judged_malformed(&file);
        assert!(seen > 1000 && wrong.is_empty(), "{seen} packets, wrong are {wrong:#?}");
        assert_eq!(server.next_count(LIMIT)["bytes"], 10_000_000);
        let too_big = "icmp.code == 4 or icmpv6.type == 2";
        assert_eq!(count_packets(&file, too_big), 0, "the router says so on the client's side");
    }
}
