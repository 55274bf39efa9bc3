//! What a host answers and what it leaves unanswered.

use super::*;

const V4: [&str; 2] = ["10.0.0.9", "10.0.0.1"];
const V6: [&str; 2] = ["fd00::9", "fd00::1"];

fn host() -> Host {
    Host::new(vec![V4[1].parse().unwrap(), V6[1].parse().unwrap()])
}

fn packet([from, to]: [&str; 2], protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (from.parse().unwrap(), to.parse().unwrap());
    let (ecn, marks) = (Ecn::Ect0, IpMarks::NONE);
    let header = Header { source, destination, protocol, ecn, marks, may_fragment: true };
    let (bytes, _) = header.pieces(payload.len(), 65_535, 0).next().unwrap();
    [&bytes, payload].concat()
}

/// An ICMP message whose checksum is right.
fn message(hosts: [&str; 2], kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let message = [&[kind, code, 0, 0][..], rest].concat();
    let [source, destination] = hosts.map(|host| host.parse().unwrap());
    packet(
        hosts,
        icmp::protocol(hosts == V4 || hosts[0].contains('.')),
        &icmp::with_checksum(source, destination, message),
    )
}

/// The one answer of the host to a packet: the ICMP message that it sends, checked for its checksum.
fn answer(host: &mut Host, bytes: &[u8]) -> Vec<u8> {
    assert!(matches!(host.receive(Instant::now(), bytes), Arrived::Nothing));
    let (header, message) = host.answers.pop().expect("an answer");
    assert!(host.answers.is_empty());
    let hosts = [header.source.to_string(), header.destination.to_string()];
    let whole = packet([&hosts[0], &hosts[1]], header.protocol, &message);
    assert!(Message::read(&Packet::read(&whole).unwrap(), &whole).is_some(), "the checksum is right");
    message
}

fn assert_silent(host: &mut Host, bytes: &[u8]) {
    assert!(matches!(host.receive(Instant::now(), bytes), Arrived::Nothing));
    assert_eq!(host.answers.len(), 0);
}

#[test]
fn sctp_is_delivered_with_its_path_and_mark() {
    for hosts in [V4, V6] {
        let bytes = packet(hosts, IpNumber::SCTP, b"sctp");
        let Arrived::Sctp(path, ecn, range) = host().receive(Instant::now(), &bytes) else {
            panic!("{hosts:?}")
        };
        assert_eq!((path.remote, path.local), (hosts[0].parse().unwrap(), Some(hosts[1].parse().unwrap())));
        assert_eq!((ecn, &bytes[range]), (Ecn::Ect0, &b"sctp"[..]));
    }
}

#[test]
fn echo_requests_are_answered_with_all_of_their_data() {
    // RFC 1122, 3.2.2.6; RFC 4443, 4.2.
    for (hosts, request, reply) in [(V4, 8, 0), (V6, 128, 129)] {
        let asked = message(hosts, request, 0, b"id+sand the data");
        let answered = answer(&mut host(), &asked);
        assert_eq!((answered[0], &answered[4..]), (reply, &b"id+sand the data"[..]));
        let mut damaged = asked;
        *damaged.last_mut().unwrap() ^= 1;
        assert_silent(&mut host(), &damaged);
    }
}

#[test]
fn other_protocols_are_refused_with_the_packet_quoted() {
    // RFC 1122, 3.2.2.1; RFC 4443, 3.1 and 3.4.
    for (hosts, protocol, kind) in [
        (V4, IpNumber::UDP, [3, 3, 0, 0, 0, 0]),
        (V4, IpNumber::TCP, [3, 2, 0, 0, 0, 0]),
        (V6, IpNumber::UDP, [1, 4, 0, 0, 0, 0]),
        (V6, IpNumber::TCP, [4, 1, 0, 0, 0, 6]),
    ] {
        let bytes = packet(hosts, protocol, &[7; 3000]);
        let refused = answer(&mut host(), &bytes);
        assert_eq!([&refused[..2], &refused[4..8]].concat(), kind);
        let quoted = &refused[8..];
        assert_eq!(*quoted, bytes[..quoted.len()]);
        // RFC 1122, 3.2.2: the header and 8 bytes at least; RFC 4443, 2.4 c: as much as 1280 bytes hold.
        assert_eq!(quoted.len(), if hosts == V4 { 576 - 28 } else { 1280 - 48 });
    }
}

#[test]
fn what_must_not_be_answered_is_not() {
    // RFC 1122, 3.2.2 and 3.2.1.3; RFC 4443, 2.4 e.
    for source in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"] {
        assert_silent(&mut host(), &packet([source, V4[1]], IpNumber::UDP, b"source is no host"));
    }
    for source in ["::", "::1", "ff02::1"] {
        assert_silent(&mut host(), &packet([source, V6[1]], IpNumber::UDP, b"source is no host"));
    }
    assert_silent(&mut host(), &packet([V4[0], "10.0.0.2"], IpNumber::UDP, b"not for us"));
    assert_silent(&mut host(), &packet([V6[0], "ff02::1"], IpNumber::UDP, b"for a group"));
    assert_silent(&mut host(), &packet(V6, NO_NEXT_HEADER, b"ignored"));
    // An option that is to be told, but in an ICMP error.
    assert_silent(&mut host(), &message(V4, 3, 3, &[0; 40]));
    assert_silent(&mut host(), &message(V6, 1, 4, &[0; 60]));
    assert_silent(&mut host(), &message(V6, 200, 0, &[0; 60]));
}

#[test]
fn an_option_that_must_be_understood_is_told_to_its_sender() {
    // RFC 8200, 4.2; RFC 4443, 3.4.
    let bytes = packet(V6, IpNumber::IPV6_DESTINATION_OPTIONS, &[132, 0, 0x80, 4, 0, 0, 0, 0]);
    let told = answer(&mut host(), &bytes);
    assert_eq!((&told[..2], &told[4..8], &told[8..]), (&[4, 2][..], &[0, 0, 0, 42][..], &bytes[..]));
}

#[test]
fn errors_about_our_packets_are_reported_and_others_are_not() {
    let sctp = b"\x13\x89\x00\x07tag.sum.";
    for (hosts, kind, code, rest, problem) in [
        (V4, 3, 2, [0; 4], Problem::ProtocolUnreachable),
        (V4, 3, 4, [0, 0, 5, 0], Problem::PacketTooBig { mtu: 1280 }),
        (V6, 4, 1, [0, 0, 0, 6], Problem::ProtocolUnreachable),
        (V6, 2, 0, [0, 0, 5, 0x14], Problem::PacketTooBig { mtu: 1300 }),
        (V6, 1, 0, [0; 4], Problem::NetUnreachable),
    ] {
        let [there, here] = hosts;
        let ours = packet([here, there], IpNumber::SCTP, sctp);
        let error = |quoted: &[u8]| message(hosts, kind, code, &[&rest, quoted].concat());
        let mut host = host();
        let Arrived::Report(report) = host.receive(Instant::now(), &error(&ours)) else {
            panic!("{problem:?}")
        };
        assert_eq!((report.problem, &report.quoted[..]), (problem, &sctp[..]));
        assert_eq!(report.path.local, Some(here.parse().unwrap()));
        assert_eq!(report.path.remote, there.parse::<IpAddr>().unwrap());
        assert_silent(&mut host, &error(&packet(["10.0.0.77", "10.0.0.9"], IpNumber::SCTP, sctp)));
        assert_silent(&mut host, &error(&packet([here, there], IpNumber::UDP, sctp)));
        assert_silent(&mut host, &error(&ours[..10]));
    }
}

#[test]
fn a_smaller_path_mtu_is_remembered_for_a_while_and_within_reason() {
    // RFC 8201, 4 and 5.3.
    let (mut host, now) = (host(), Instant::now());
    for (hosts, least) in [(V4, LEAST_MTU_V4), (V6, LEAST_MTU_V6)] {
        let peer = hosts[0].parse().unwrap();
        assert_eq!(host.path_mtu(now, peer), usize::MAX);
        host.note_path_mtu(now, peer, 1400);
        host.note_path_mtu(now, peer, 1450);
        assert_eq!(host.path_mtu(now, peer), 1400, "an error never raises it");
        host.note_path_mtu(now, peer, 68);
        assert_eq!(host.path_mtu(now, peer), least);
        assert_eq!(host.path_mtu(now + PATH_MTU_LASTS, peer), usize::MAX);
    }
    for peer in 0..5000u32 {
        host.note_path_mtu(now, Ipv4Addr::from(peer).into(), 1000);
    }
    assert!(host.path_mtus.len() <= PEERS);
}

#[test]
fn answers_are_limited() {
    // RFC 4443, 2.4 f.
    let (mut host, now) = (host(), Instant::now());
    let echo = message(V4, 8, 0, b"id+s");
    for _ in 0..5000 {
        host.receive(now, &packet(V6, IpNumber::UDP, b"no port"));
        host.receive(now, &echo);
    }
    assert_eq!(host.answers.len(), (ERRORS_PER_SECOND + ECHOES_PER_SECOND) as usize);
    host.answers.clear();
    host.receive(now + Duration::from_secs(1), &echo);
    assert_eq!(host.answers.len(), 1);
}

#[test]
fn a_packet_in_fragments_is_delivered_whole() {
    for hosts in [V4, V6] {
        let [source, destination] = hosts.map(|host| host.parse().unwrap());
        let payload: Vec<u8> = (0..9000u32).map(|byte| byte as u8).collect();
        let header = Header {
            source,
            destination,
            protocol: IpNumber::SCTP,
            ecn: Ecn::NotCapable,
            marks: IpMarks::NONE,
            may_fragment: true,
        };
        let mut host = host();
        let mut whole = None;
        for (header, range) in header.pieces(payload.len(), 1500, 3) {
            assert!(whole.is_none());
            match host.receive(Instant::now(), &[&header, &payload[range]].concat()) {
                Arrived::Whole(received) => whole = Some(received),
                other => assert!(matches!(other, Arrived::Nothing)),
            }
        }
        let received = whole.expect("all fragments came");
        assert_eq!((received.path.remote, &received.datagram[..]), (source, &payload[..]));
    }
}

#[test]
fn what_must_not_be_cut_says_so_and_does_not_leave_if_it_is_too_long() {
    // RFC 791, 3.1; RFC 8899, 3, item 2.
    let [source, destination] = V4.map(|host| host.parse().unwrap());
    for may_fragment in [false, true] {
        let (ecn, marks, protocol) = (Ecn::NotCapable, IpMarks::NONE, IpNumber::SCTP);
        let header = Header { source, destination, protocol, ecn, marks, may_fragment };
        let (bytes, _) = header.pieces(100, 1500, 7).next().unwrap();
        assert_eq!(bytes[6] & 0x40 == 0, may_fragment, "the DF bit");
        assert_eq!(header.pieces(3000, 1500, 7).count(), if may_fragment { 3 } else { 0 });
    }
}

#[test]
fn headers_have_the_marks_of_their_path() {
    // RFC 2474, 3; RFC 8200, 3 and 6; RFC 3168, 5: the ECN field is beside the DSCP.
    let marks = IpMarks { dscp: 0xb8, hop_limit: 9, flow_label: 0x1_2345 };
    let header = |hosts: [&str; 2]| {
        let [source, destination] = hosts.map(|host| host.parse().unwrap());
        let (ecn, protocol) = (Ecn::Ect0, IpNumber::SCTP);
        let header = Header { source, destination, protocol, ecn, marks, may_fragment: false };
        header.pieces(100, 1500, 7).next().unwrap().0
    };
    let ipv4 = header(V4);
    assert_eq!((ipv4[1], ipv4[8]), (0xba, 9));
    let ipv6 = header(V6);
    assert_eq!((&ipv6[..4], ipv6[7]), (&[0x6b, 0xa1, 0x23, 0x45][..], 9));
}
