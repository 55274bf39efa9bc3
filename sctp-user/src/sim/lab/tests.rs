//! The language, and what its nodes do.

use super::{Lab, ParseError, Report, Script};

const TWO_HOSTS: &str = "network one\nhost a 10.1.0.1@one\nhost b 10.1.0.2@one\nlisten b 7\n";

fn run(text: &str) -> Report {
    Lab::new(text.parse().unwrap_or_else(|error: ParseError| panic!("{error}"))).run()
}

#[test]
fn mistakes_are_told_with_their_line_and_reason() {
    for (text, line, what) in [
        ("network one\nhots a", 2, "`hots` is no statement"),
        ("network one\nnetwork one", 2, "there is a network `one` already"),
        ("network one delay 5", 1, "a time such as 200ms is needed, not `5`"),
        ("network one loss 101%", 1, "100% is the largest probability"),
        ("network one rate 0mbit", 1, "a rate of nothing carries nothing: take the link down"),
        ("network one delay", 1, "a time such as 200ms is missing at the end of the line"),
        ("host a 10.1.0.1@nowhere", 1, "there is no network `nowhere`"),
        ("host a", 1, "ADDRESS@NETWORK is needed"),
        ("network n\nhost a 10.1@n", 2, "`10.1` is no address"),
        ("network n\nhost a 10.0.0.1@n\nhost b 10.0.0.1@n", 3, "10.0.0.1 is an address of `a` already"),
        ("network n\nrouter r 10.0.0.1@n\nlisten r 7", 3, "`r` is no host"),
        ("network n\nhost a 10.0.0.1@n\nat 1s connect a to b 7", 3, "there is no node `b`"),
        ("network n\nhost a 10.0.0.1@n\nat 1s rebind a", 3, "`a` is no NAT"),
        ("network n\nhost a 10.0.0.1@n\nat 1s shutdown a now", 3, "nothing can follow before `now`"),
        ("network n\nnetwork m\nhost a 10.0.0.1@n\nat 1s down a m", 4, "`a` is not in `m`"),
        ("network n\nhost a 10.0.0.1@n\nexpect a happy", 3, "`happy` cannot be expected"),
        ("network n\nnetwork m\nhost a 10.0.0.1@n\nlink a m loss 1%", 4, "`a` is not in `m`"),
        ("network n\nhost a 10.0.0.1@n\nlink a n", 3, "a setting is missing at the end of the line"),
        ("network n\nhost a 10.0.0.1@n\nlisten a 7\nlisten a 7", 4, "`a` listens on 7 already"),
        ("network n\nhost a 10.0.0.1@n udp 0", 2, "a number from 1 to 65535 is needed, not `0`"),
        ("network n mtu 67", 1, "68 bytes are the least MTU"),
        (
            "network n\nhost a 10.0.0.1@n\nat 1s send a 1 messages of 3",
            3,
            "a message has its number in it: 4 bytes at least",
        ),
        ("network n\nhost a 10.0.0.1@n\nexpect a gap below 1s by 2s", 3, "nothing can follow before `by`"),
        ("network n\nhost a 10.0.0.1@n\nexpect a up at 2s", 3, "nothing can follow before `at`"),
        (
            "network n\nhost a 10.0.0.1@n\nhost b 10.0.0.2@n\nroute a via b",
            4,
            "`b` is a host, and sends nothing on",
        ),
        (
            "network n\nhost a 10.0.0.1@n\nrouter r fd00::1@n\nroute a via r",
            4,
            "the two nodes have no network, or no family of addresses, in common",
        ),
        ("seed 5\n\n", 2, "no `end TIME` says how long it takes"),
    ] {
        let error = text.parse::<Script>().unwrap_err();
        assert_eq!((error.line, &error.what[..]), (line, what), "{text}");
    }
}

#[test]
fn no_line_makes_the_parser_fail() {
    use proptest::prelude::*;
    let words = prop::sample::select(vec![
        "network",
        "host",
        "at",
        "expect",
        "link",
        "n",
        "a",
        "10.0.0.1@n",
        "1s",
        "9e999s",
        "-1s",
        "é%",
        "5%",
        "send",
        "messages",
        "of",
        "99999999999k",
        "to",
        "via",
        "route",
        "end",
        "nat",
        "inside",
        "#",
    ]);
    let lines = prop::collection::vec(prop::collection::vec(words, 0..8), 0..6);
    proptest!(|(lines in lines)| {
        let text: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        let _ = text.join("\n").parse::<Script>();
    });
}

#[test]
fn what_is_expected_and_does_not_come_true_is_a_failure_with_its_line() {
    let text = format!(
        "{TWO_HOSTS}at 0s connect a to b 7\nat 1s send a 3 messages of 100\nend 5s\n\
         expect b delivered 4\nexpect a lost\nexpect a primary 10.1.0.9 at 2s\nexpect b delivered 3 by 2s\n"
    );
    let report = run(&text);
    assert_eq!(
        report.failures,
        [
            "line 10: expect a primary 10.1.0.9 at 2s: it is Some(10.1.0.2)",
            "line 8: expect b delivered 4: 3 were",
            "line 9: expect a lost: it did not happen",
        ]
    );
}

#[test]
fn the_same_text_gives_the_same_run() {
    let text = format!(
        "{TWO_HOSTS}seed 9\nlink a one loss 10%\nat 0s connect a to b 7\n\
         at 1s send a 50 messages of 5k every 10ms\nend 60s\nexpect b delivered 50\n"
    );
    let report = run(&text);
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(report, run(&text));
}

#[test]
fn a_nat_lets_out_and_answers_in_and_nobody_else() {
    let text = "
        network home
        network world
        network far
        host in 192.168.0.2@home udp
        nat box inside 192.168.0.1@home outside 203.0.113.1@world timeout 30s
        router r 203.0.113.2@world 198.51.100.1@far
        host out 198.51.100.2@far udp
        route in via box
        route box via r
        route out via r
        listen out 7
        at 0s connect in to out 7
        at 1s send in 20 messages of 20k
        at 2s send out 5 messages of 20k
        end 20s
        expect in up by 1s
        expect out delivered 20
        expect in delivered 5
        expect in not lost
    ";
    assert_eq!(run(text).failures, [""; 0]);
    // Nobody outside gets in before somebody inside has asked.
    let text = text.replace("connect in to out 7", "connect out to in 7").replace("listen out", "listen in");
    let report = run(&text);
    assert!(report.failures.iter().any(|failure| failure.contains("expect in up")), "{report:?}");
}

#[test]
fn a_nat_gets_only_addresses_that_nobody_has() {
    let text = "
        network home
        network world
        host in 192.168.0.2@home udp
        nat box inside 192.168.0.1@home outside 203.0.113.1@world
        nat second inside 192.168.0.9@home outside 203.0.113.9@world
        end 5s
    ";
    let error = |line: &str| format!("{text}{line}").parse::<Script>().unwrap_err().what;
    assert_eq!(error("at 1s rebind box to 203.0.113.9"), "203.0.113.9 is another node's address");
    assert_eq!(error("at 1s rebind box to 2001:db8::1"), "2001:db8::1 is not of the family of 203.0.113.1");
    assert!(error("at 1s rebind box to").contains("an address is missing"));
    let both = "at 1s rebind box to 203.0.113.3\nat 2s rebind second to 203.0.113.3";
    assert_eq!(run(&format!("{text}{both}")).failures, ["203.0.113.3 is another NAT's address"]);
    let back = "at 1s rebind box to 203.0.113.3\nat 2s rebind box to 203.0.113.1";
    assert_eq!(run(&format!("{text}{back}")).failures, [""; 0]);
}

#[test]
fn nothing_can_be_wanted_after_the_end() {
    for (line, when) in [("at 9s abort a", "9s"), ("expect a up by 5001ms", "5.001s")] {
        let error = format!("{TWO_HOSTS}{line}\nend 5s\n").parse::<Script>().unwrap_err();
        assert_eq!(error.what, format!("{when} is after the end of the run, 5s"));
        assert_eq!(error.line, TWO_HOSTS.lines().count() + 1);
    }
    let empty = "".parse::<Script>().unwrap_err();
    assert_eq!(empty.to_string(), "line 1: no `end TIME` says how long it takes");
}

#[test]
fn what_cannot_be_done_is_said_by_names() {
    let mixed =
        "network n\nhost a 10.0.0.1@n\nhost b fd00::1@n\nlisten b 7\nat 0s connect a to b 7\nend 5s\n";
    assert_eq!(run(mixed).failures, ["a has no address of the families that b has"]);
    let text =
        format!("{TWO_HOSTS}at 0s connect a to b 7\nat 1s send a 1 messages of 9 on stream 77\nend 5s\n");
    let failures = run(&text).failures;
    assert!(failures[0].contains(": a: a message was refused: stream 77 does not exist"), "{failures:?}");
}
