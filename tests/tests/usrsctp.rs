//! Against usrsctp's example programs, unmodified, in both directions, over raw IP and UDP (RFC 6951).

use std::io::Write;
use std::time::Duration;

use system_tests::{
    Lab, PerfServer, Program, has_usrsctp_or_skip, run_perf_client, start_perf_client, start_usrsctp,
    start_usrsctp_server,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Sizes of messages, and how many of each: one byte, small, a full packet, and one that must be fragmented.
const SIZES: [(u64, u64); 4] = [(1, 2000), (64, 2000), (1444, 2000), (65536, 100)];

/// What tsctp as server printed of its next association: bytes and messages.
fn tsctp_count(server: &mut Program, size: u64) -> (u64, u64) {
    let line = server.wait_for(&format!("{size}, "), LIMIT).unwrap_or_else(|error| panic!("{error}"));
    let fields: Vec<_> = line.split(", ").collect();
    (fields[3].parse().unwrap(), fields[1].parse().unwrap())
}

/// Runs tsctp as client to its end, and checks that it sent `count` messages.
fn run_tsctp_client(lab: &Lab, arguments: &str, size: u64, count: u64) {
    let arguments = format!("-l {size} -n {count} {arguments}");
    let client = start_usrsctp(&lab.a, "tsctp", &arguments.split_whitespace().collect::<Vec<_>>());
    let (status, output) = client.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    assert!(status.success(), "{output}");
    assert!(output.contains(&format!("Sending of {count} messages of length {size} took")), "{output}");
}

#[test]
fn requests_of_any_size_come_back_from_its_echo_server_over_ipv4_and_ipv6() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(1, 1500);
    let _server = start_usrsctp_server(&lab.b, "echo_server", &["9899", "9899"]);
    // That server reads 4,096 bytes at a time and sends each piece back as a message.
    for (size, count) in [(1, 50), (64, 50), (1444, 5), (4096, 5)] {
        for (local, remote) in [(lab.a.v4(0), lab.b.v4(0)), (lab.a.v6(0), lab.b.v6(0))] {
            let line = format!(
                "{remote} --local {local} --udp --port 7 --test latency --size {size} --count {count}"
            );
            let result = run_perf_client(&lab.a, &line, LIMIT);
            assert_eq!(result["count"], count, "{line}");
        }
    }
}

#[test]
fn its_discard_server_receives_every_byte_that_we_send() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(1, 1500);
    for (size, count) in [(1, 500), (64, 500), (1444, 500), (65536, 50)] {
        let server = start_usrsctp_server(&lab.b, "discard_server", &["9899", "9899"]);
        let (remote, local) = (lab.b.v4(0), lab.a.v4(0));
        let line = format!("{remote} --local {local} --udp --port 9 --foreign --size {size} --count {count}");
        run_perf_client(&lab.a, &line, LIMIT);
        assert_eq!(discarded_bytes(server, size * count), size * count, "messages of {size}");
    }
}

/// The bytes that a discard server says it received, from its start to the line with which `all` are there.
fn discarded_bytes(mut server: Program, all: u64) -> u64 {
    let mut sum = 0;
    while sum < all {
        let line = server.wait_for("Msg of length", LIMIT).unwrap_or_else(|error| panic!("{error}"));
        sum += line.split(' ').nth(3).and_then(|length| length.parse::<u64>().ok()).unwrap();
    }
    sum
}

#[test]
fn its_tsctp_server_counts_what_we_sent_over_raw_ip_and_udp() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(1, 1500);
    let mut server = start_usrsctp_server(&lab.b, "tsctp", &[]);
    let (local, remote) = (lab.a.v4(0), lab.b.v4(0));
    for transport in ["--raw", "--udp"] {
        for (size, count) in SIZES {
            let line =
                format!("{remote} --local {local} {transport} --foreign --size {size} --count {count}");
            run_perf_client(&lab.a, &line, LIMIT);
            assert_eq!(tsctp_count(&mut server, size), (size * count, count), "{line}");
        }
    }
}

#[test]
fn its_tsctp_client_sends_to_us_ordered_and_unordered_over_raw_ip_and_udp() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(1, 1500);
    let remote = lab.b.v4(0);
    for (ours, theirs) in [("--raw", ""), ("--udp", "-U 9899")] {
        let mut server = PerfServer::start(&lab.b, &format!("{ours} --local {remote}"));
        for order in ["", "-u"] {
            for (size, count) in SIZES {
                run_tsctp_client(&lab, &format!("{order} {theirs} {remote}"), size, count);
                let counted = server.next_count(LIMIT);
                assert_eq!(counted["bytes"], size * count, "{ours} {order}: {counted}");
                assert_eq!(counted["messages"], count, "{ours} {order}: {counted}");
            }
        }
    }
}

#[test]
fn nothing_is_missing_in_either_direction_although_packets_are_lost() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(1, 1500);
    let (local, remote) = (lab.a.v4(0), lab.b.v4(0));
    {
        let mut server = start_usrsctp_server(&lab.b, "tsctp", &[]);
        let line = format!("{remote} --local {local} --udp --loss 2 --foreign --size 1444 --count 3000");
        run_perf_client(&lab.a, &line, LIMIT);
        assert_eq!(tsctp_count(&mut server, 1444), (1444 * 3000, 3000));
    }
    let mut server = PerfServer::start(&lab.b, &format!("--udp --loss 2 --local {remote}"));
    run_tsctp_client(&lab, &format!("-U 9899 {remote}"), 1444, 3000);
    let counted = server.next_count(LIMIT);
    assert_eq!((&counted["bytes"], &counted["messages"]), (&(1444 * 3000).into(), &3000.into()));
}

#[test]
fn lines_that_its_client_sends_come_back_from_our_echo_server() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(1, 1500);
    for remote in [lab.b.v4(0), lab.b.v6(0)] {
        let mut server = PerfServer::start(&lab.b, &format!("--udp --echo --port 7 --local {remote}"));
        let mut client = start_usrsctp(&lab.a, "client", &[&remote, "7", "0", "9899", "9899"]);
        client.wait_for("SCTP_COMM_UP", LIMIT).unwrap_or_else(|error| panic!("{error}"));
        let mut input = client.take_stdin().expect("its input is a pipe");
        for text in ["hello", "how are you?", "with \t bytes \u{e9}\u{4e16}"] {
            writeln!(input, "{text}").unwrap();
            let line = client.wait_for(text, LIMIT).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(line, text);
        }
        drop(input);
        let counted = server.next_count(LIMIT);
        assert_eq!((&counted["messages"], &counted["replies"]), (&3.into(), &3.into()), "{counted}");
        client.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_transfer_to_multihomed_usrsctp_goes_on_while_one_network_is_down() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(2, 1500);
    let mut server = start_usrsctp_server(&lab.b, "tsctp", &[]);
    let (remote, local) = (both(&lab.b), both(&lab.a));
    let line = format!("{remote} --local {local} --udp --foreign --size 1444 --count 200000");
    let client = start_perf_client(&lab.a, &line);
    lab.a.wait_until_sent(0, 10 << 20);
    lab.a.set_link(0, false);
    lab.a.wait_until_sent(1, 1 << 20);
    lab.a.set_link(0, true);
    system_tests::perf_result(client, LIMIT);
    assert_eq!(tsctp_count(&mut server, 1444), (1444 * 200_000, 200_000));
}

#[test]
fn a_transfer_from_multihomed_usrsctp_goes_on_while_one_network_is_down() {
    if !has_usrsctp_or_skip() {
        return;
    }
    let lab = Lab::new(2, 1500);
    let mut server = PerfServer::start(&lab.b, &format!("--udp --local {}", both(&lab.b)));
    let (remote, count) = (lab.b.v4(0), "200000");
    let client = start_usrsctp(&lab.a, "tsctp", &["-l", "1444", "-n", count, "-U", "9899", &remote]);
    lab.a.wait_until_sent(0, 10 << 20);
    // On our host: usrsctp stays with a network whose own interface is gone, however long that lasts.
    lab.b.set_link(0, false);
    // usrsctp moves over only what it sends again, while the primary path counts its errors.
    lab.a.wait_until_sent(1, 10_000);
    lab.b.set_link(0, true);
    let counted = server.next_count(LIMIT);
    assert_eq!((&counted["bytes"], &counted["messages"]), (&(1444 * 200_000).into(), &200_000.into()));
    client.wait(LIMIT).unwrap_or_else(|error| panic!("{error}"));
}

fn both(host: &system_tests::Host) -> String {
    format!("{},{}", host.v4(0), host.v4(1))
}
