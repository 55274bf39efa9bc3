//! Those who watch RSPLIB's components and ours: status reports (CSP) and dumps of handlespaces, each side's by the other's programs.

use std::time::Instant;

use nix::sys::signal::Signal;
use system_tests::{
    Capture, Host, LIMIT, Program, built, count_packets, finish, has_judge_or_skip, hear, look_until,
    packet_fields, packets_judged_malformed, sctp_run_on, start, start_our_own,
};

use crate::rsplib::{host_or_skip, monitor, our_own, registrar, server};

/// Where all report to.
const REPORTS: [&str; 2] = ["-cspserver=10.98.0.9", "-cspinterval=250"];

/// Our monitor, whose standard output is no terminal.
fn our_monitor(host: &Host, address: &str) -> Program {
    let mut command = host.command(built("cspmonitor").to_str().expect("a path in UTF-8"));
    command.args([&format!("-localaddress={address}"), "-purgeinterval=2000"]);
    let mut monitor = Program::start(command);
    hear(&mut monitor, "listening at 10.98.0.9:2960");
    monitor
}

/// What a monitor shows must hold all of this in one line, some time.
fn sees(monitor: &mut Program, words: &[&str]) {
    let end = Instant::now() + LIMIT;
    while let Some(line) = monitor.next_line(end) {
        if words.iter().all(|word| line.contains(word)) {
            return;
        }
    }
    panic!("{words:?} was not in a line of:\n{}", monitor.output());
}

#[test]
fn rsplib_s_monitor_and_tshark_understand_our_reports() {
    let Some(host) = host_or_skip() else { return };
    if !has_judge_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let capture = Capture::start_filtered(&host, "lo", &folder.path().join("csp.pcap"), "udp port 2960");
    let mut monitor = monitor(&host, "10.98.0.9");
    let with = |more: &[&'static str]| [more, &REPORTS].concat();
    let _other = our_own(&host, "10.98.0.2", "rspregistrar", &with(&["-identifier=0x22", "-peer=10.98.0.1"]));
    let mut ours =
        our_own(&host, "10.98.0.1", "rspregistrar", &with(&["-identifier=0x11", "-peer=10.98.0.2"]));
    hear(&mut ours, "registrar 0x00000022 found");
    let at = "-registrar=10.98.0.1:3863";
    let element = ["-pingpong", "-identifier=0x33", at, "-policy=LeastUsed"];
    let _element = our_own(&host, "10.98.0.3", "rspserver", &with(&element));
    hear(&mut ours, "PingPongPool: 0x00000033 registered");
    let client = our_own(&host, "10.98.0.4", "pingpongclient", &with(&[at, "-interval=100"]));
    sees(&mut monitor, &["PR $00000022 [", ": 10.98.0.2:3863]", "1[0] PEs in 1 Pool, 1 Peer", "A=1"]);
    sees(&mut monitor, &["PE $00000033 [", ": 10.98.0.3:", "1 Session", "L=  0%"]);
    sees(&mut monitor, &["PU $", ": 10.98.0.4]", "1 Session", "A=2"]);
    client.signal(Signal::SIGTERM);
    finish(client);
    sees(&mut monitor, &["0 PUs"]);

    // Who the registrar is it says with its first Keep-Alive (RFC 5352, 2.2.7).
    let file = capture.finish_after(
        "componentstatusprotocol.message_sender_id == 0x0200000000000033 and \
         componentstatusprotocol.componentassociation_receiver_id == 0x0100000000000011",
    );
    assert_eq!(packets_judged_malformed(&file).1, [""; 0]);
    assert!(count_packets(&file, "componentstatusprotocol.message_final_bit == 1") > 0);
    let fields = ["receiver_id", "protocolid", "ppid"]
        .map(|field| format!("componentstatusprotocol.componentassociation_{field}"));
    let fields: [&str; 3] = std::array::from_fn(|index| &fields[index][..]);
    let of = |sender: &str, peer: &str, ppid: &str| {
        let reports =
            packet_fields(&file, &format!("componentstatusprotocol.message_sender_id == {sender}"), fields);
        let is_there = |[ids, protocols, ppids]: &[Vec<String>; 3]| {
            let at = ids.iter().position(|id| id == peer);
            at.is_some_and(|at| protocols[at] == "132" && ppids[at] == ppid)
        };
        assert!(reports.iter().any(is_there), "{sender}: {reports:?}");
    };
    of("0x0100000000000022", "0x0100000000000011", "12");
    of("0x0200000000000033", "0x0100000000000011", "11");
    let to_element =
        packet_fields(&file, "componentstatusprotocol.message_sender_id >= 0x0300000000000000", fields);
    let spoken = |[ids, _, ppids]: &[Vec<String>; 3]| {
        ids.iter().position(|id| id == "0x0200000000000033").is_some_and(|at| ppids[at] == "33")
    };
    assert!(to_element.iter().any(spoken), "{to_element:?}");
}

#[test]
fn our_monitor_understands_rsplib_s_reports() {
    let Some(host) = host_or_skip() else { return };
    let mut monitor = our_monitor(&host, "10.98.0.9");
    let reports = ["-cspserver=10.98.0.9:2960", REPORTS[1]];
    let mut theirs =
        registrar(&host, "10.98.0.1", "10.98.0.2", &["-identifier=0x11", reports[0], reports[1]]);
    sees(&mut monitor, &["PR 0x00000011 [", ": 10.98.0.1:3863]", "\"0[0] PEs in 0 Pools, 1 Peer\""]);
    let at = "-registrar=10.98.0.1:3863";
    let element = ["rspserver", "-pingpong", "-identifier=0x33", at, reports[0], reports[1]];
    let _element = start(sctp_run_on(&host, "10.98.0.3"), &element);
    hear(&mut theirs, "Successfully registered PingPongPool");
    let client = start(sctp_run_on(&host, "10.98.0.4"), &["pingpongclient", at, reports[0], reports[1]]);
    sees(&mut monitor, &["PR 0x00000011 [", "\"1[1] PEs in 1 Pool, 1 Peer\""]);
    sees(&mut monitor, &["PU 0x", ": 10.98.0.4] \"1 Session\"", "PE 0x00000033 by ping-pong"]);
    client.signal(Signal::SIGINT);
    sees(&mut monitor, &["PU 0x", "has ended"]);
    drop(theirs);
    sees(&mut monitor, &["PR 0x00000011", "is silent"]);
}

/// What our program prints of a registrar, once it holds all of `awaited`.
fn our_dump(host: &Host, registrar: &str, options: &[&str], awaited: &[&str]) -> String {
    let arguments: Vec<_> = [registrar].iter().chain(options).copied().collect();
    look_until(LIMIT, || {
        let output = finish(start_our_own(host, "10.98.0.8", "hsdump", &arguments));
        if awaited.iter().all(|text| output.contains(text)) { Ok(output) } else { Err(output) }
    })
}

/// RFC 5353, 3.2.3: an element in each Handle Table Response, so that the second comes with a continuation.
#[test]
fn our_hsdump_shows_what_our_registrar_and_rsplib_s_know_in_parts() {
    let Some(host) = host_or_skip() else { return };
    let (part, peer) = ("-maxelementsperhtrequest=1", "-peer=10.98.0.2");
    let mut ours = our_own(&host, "10.98.0.1", "rspregistrar", &["-identifier=0x11", part, peer]);
    hear(&mut ours, "serving");
    let mut theirs = registrar(&host, "10.98.0.2", "10.98.0.1", &["-identifier=0x22", part]);
    hear(&mut ours, "registrar 0x00000022 found");
    let _element = our_own(
        &host,
        "10.98.0.3",
        "rspserver",
        &["-echo", "-identifier=0xaaaa", "-registrar=10.98.0.1:3863"],
    );
    let _their_element = server(&host, "10.98.0.4", "-echo", "0xbbbb", &["10.98.0.2"]);
    hear(&mut ours, "EchoPool: 0x0000aaaa registered");
    hear(&mut theirs, "Successfully registered EchoPool/$0000bbbb");
    for (at, id) in [("10.98.0.1", "0x00000011"), ("10.98.0.2:9901", "0x00000022")] {
        let head = format!("registrar {id}: 1 pools, 2 elements");
        our_dump(
            &host,
            at,
            &[],
            &[&head, "EchoPool: 2 elements", "0x0000aaaa  home 0x00000011", "0x0000bbbb  home 0x00000022"],
        );
    }
    let own = our_dump(&host, "10.98.0.1", &["--own", "--json"], &["\"id\":\"0x0000aaaa\""]);
    assert!(!own.contains("0x0000bbbb"), "{own}");
}
