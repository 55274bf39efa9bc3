//! Bulk data between two of our own stacks, checksummed from end to end.

use std::time::Duration;

use system_tests::{Lab, PerfServer, is_root_or_skip, perf_result, run_perf_client, start_perf_client};

const LIMIT: Duration = Duration::from_secs(100);

/// `tests/long one-gib` moves sixteen times as much.
const BYTES: u64 = 64 << 20;

#[test]
fn sixty_four_mebibytes_arrive_over_raw_and_udp_loopback() {
    if !is_root_or_skip() {
        return;
    }
    let host = Lab::loopback();
    for transport in ["--raw", "--udp"] {
        let mut server = PerfServer::start(&host, &format!("{transport} --local 127.0.0.2"));
        let line = format!("127.0.0.2 --local 127.0.0.3 {transport} --size 65536 --bytes {BYTES}");
        let result = run_perf_client(&host, &line, LIMIT);
        assert_eq!((&result["verified"], &result["bytes"]), (&true.into(), &BYTES.into()), "{result}");
        assert!(server.next_count(LIMIT)["bytes"].as_u64() >= Some(BYTES));
    }
}

#[test]
fn an_association_over_ipv4_and_ipv6_outlives_the_failure_of_either_path() {
    if !is_root_or_skip() {
        return;
    }
    for transport in ["--raw", "--udp"] {
        for failing in [0, 1] {
            let lab = Lab::new(2, 1500);
            let surviving = 1 - failing;
            // The primary path is on the network that will fail: IPv4 on network 0, IPv6 on network 1.
            let addresses = |host: &system_tests::Host| match failing {
                0 => format!("{},{}", host.v4(0), host.v6(1)),
                _ => format!("{},{}", host.v6(1), host.v4(0)),
            };
            let _server = PerfServer::start(&lab.b, &format!("{transport} --local {}", addresses(&lab.b)));
            let line = format!(
                "{} --local {} {transport} --size 1444 --count 150000",
                addresses(&lab.b),
                addresses(&lab.a)
            );
            let client = start_perf_client(&lab.a, &line);
            lab.a.wait_until_sent(failing, 4 << 20);
            lab.b.set_link(failing, false);
            lab.a.wait_until_sent(surviving, 1 << 20);
            lab.b.set_link(failing, true);
            assert_eq!(perf_result(client, LIMIT)["verified"], true, "{transport}, network {failing}");
        }
    }
}
