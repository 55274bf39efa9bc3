//! tshark as the judge of what our stack sends.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{
    Capture, Lab, PerfServer, chunk_types, count_packets, has_judge_or_skip, packets_judged_malformed,
    run_perf_client, start_perf_client,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

// Chunk types, RFC 9260, 3.2.
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// At least `packets`, and nothing wrong with any.
fn assert_well_formed(file: &Path, packets: usize) {
    let (seen, wrong) = packets_judged_malformed(file);
    assert!(seen >= packets, "only {seen} SCTP packets were captured");
    assert!(
        wrong.is_empty(),
        "{} of {seen} packets are wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
}

#[test]
fn handshake_data_and_shutdown_come_in_their_order_over_raw_ip_and_udp() {
    if !has_judge_or_skip() {
        return;
    }
    // In UDP one packet at a time: on a veth, tshark would see several packets in one segmentation offload.
    for (transport, size) in [("--raw", 9000), ("--udp", 100)] {
        let (lab, folder) = (Lab::new(1, 1500), TempDir::new().unwrap());
        for (local, remote) in [(lab.a.v4(0), lab.b.v4(0)), (lab.a.v6(0), lab.b.v6(0))] {
            let capture = Capture::start(&lab.a, "n0", &folder.path().join("wire.pcap"));
            let _server = PerfServer::start(&lab.b, &format!("{transport} --local {remote}"));
            let line =
                format!("{remote} --local {local} {transport} --test latency --size {size} --count 20");
            run_perf_client(&lab.a, &line, LIMIT);
            let file = capture.finish_after("sctp.chunk_type == 14");
            assert_well_formed(&file, 40);
            let chunks = chunk_types(&file);
            // One that was sent again because the other host was busy for a second counts once.
            let mut first: Vec<_> = chunks.iter().take(8).map(|types| types[0]).collect();
            first.dedup();
            first.truncate(4);
            assert_eq!(first, [INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK], "RFC 9260, 5.1");
            let last: Vec<_> =
                chunks[chunks.len() - 3..].iter().map(|types| types[types.len() - 1]).collect();
            assert_eq!(last, [SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_COMPLETE], "RFC 9260, 9.2");
        }
    }
}

#[test]
fn packets_stay_well_formed_under_loss_and_retransmission() {
    if !has_judge_or_skip() {
        return;
    }
    let (lab, folder) = (Lab::new(1, 1500), TempDir::new().unwrap());
    let (local, remote) = (lab.a.v4(0), lab.b.v4(0));
    let capture = Capture::start(&lab.a, "n0", &folder.path().join("loss.pcap"));
    let _server = PerfServer::start(&lab.b, &format!("--raw --loss 3 --local {remote}"));
    let line = format!("{remote} --local {local} --raw --loss 1 --size 700 --count 5000");
    let result = run_perf_client(&lab.a, &line, LIMIT);
    assert_eq!(result["verified"], true, "{result}");
    let file = capture.finish_after("sctp.chunk_type == 7");
    assert_well_formed(&file, 2500);
    assert!(count_packets(&file, "sctp.retransmission") > 0, "3 % of the packets were lost");
    assert!(count_packets(&file, "sctp.sack_number_of_gap_blocks > 0") > 0, "gaps are reported");
}

#[test]
fn an_abort_is_well_formed_whether_a_port_is_closed_or_its_process_was_killed() {
    if !has_judge_or_skip() {
        return;
    }
    let (lab, folder) = (Lab::new(1, 1500), TempDir::new().unwrap());
    let (local, remote) = (lab.a.v4(0), lab.b.v4(0));
    let capture = Capture::start(&lab.a, "n0", &folder.path().join("abort.pcap"));
    // The client's host keeps a broker that speaks for the killed client.
    let _broker = PerfServer::start(&lab.a, &format!("--raw --port 6000 --local {local}"));
    let mut server = PerfServer::start(&lab.b, &format!("--raw --local {remote}"));
    let closed = start_perf_client(&lab.a, &format!("{remote} --local {local} --raw --port 4999 --count 1"));
    let (status, output) = closed.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    assert!(!status.success(), "nobody listens there: {output}");
    let killed = start_perf_client(&lab.a, &format!("{remote} --local {local} --raw --time 30"));
    lab.a.wait_until_sent(0, 1 << 20);
    killed.signal(Signal::SIGKILL);
    server.program.wait_for("an association ended", LIMIT).unwrap_or_else(|error| panic!("{error}"));
    let file = capture.finish_after(&format!("sctp.chunk_type == 6 and ip.src == {local}"));
    assert_well_formed(&file, 100);
    assert_eq!(
        count_packets(&file, &format!("sctp.chunk_type == 6 and ip.src == {remote}")),
        1,
        "to the INIT"
    );
}

#[test]
fn heartbeats_on_a_second_network_are_well_formed_and_answered() {
    if !has_judge_or_skip() {
        return;
    }
    let (lab, folder) = (Lab::new(2, 1500), TempDir::new().unwrap());
    let both = |host: &system_tests::Host| format!("{},{}", host.v4(0), host.v6(1));
    let capture = Capture::start(&lab.a, "n1", &folder.path().join("heartbeat.pcap"));
    let _server = PerfServer::start(&lab.b, &format!("--raw --local {}", both(&lab.b)));
    // The client is told one address only: those that it was told count as confirmed without a heartbeat.
    let line = format!("{} --local {} --raw --time 1", lab.b.v4(0), both(&lab.a));
    run_perf_client(&lab.a, &line, LIMIT);
    let file = capture.finish_after("sctp.chunk_type == 5");
    assert_well_formed(&file, 2);
    // RFC 9260, 5.4: each side confirms the other's second address.
    assert!(count_packets(&file, "sctp.chunk_type == 4") >= 2);
}

#[test]
fn bulk_data_in_udp_is_well_formed_as_both_sides_record_it() {
    if !has_judge_or_skip() {
        return;
    }
    // The stacks' own captures, which hold packets as they were before any segmentation offload.
    let (lab, folder) = (Lab::new(1, 1500), TempDir::new().unwrap());
    let (sent, received) = (folder.path().join("sent.pcapng"), folder.path().join("received.pcapng"));
    let remote = lab.b.v4(0);
    let mut server =
        PerfServer::start(&lab.b, &format!("--udp --local {remote} --pcap {}", received.display()));
    let line =
        format!("{remote} --local {} --udp --size 65536 --count 50 --pcap {}", lab.a.v4(0), sent.display());
    assert_eq!(run_perf_client(&lab.a, &line, LIMIT)["verified"], true);
    server.next_count(LIMIT);
    server.program.signal(Signal::SIGTERM);
    server.program.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    assert_well_formed(&sent, 1000);
    assert_well_formed(&received, 1000);
}
