use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::driver::{Outbox, Problem};

fn open(address: [u8; 4]) -> UdpDriver {
    UdpDriver::open(&UdpConfig { port: 0, ..UdpConfig::new([address.into()]) }).unwrap()
}

fn path_to(driver: &UdpDriver) -> PathAddress {
    PathAddress { remote_udp_port: driver.port(), ..PathAddress::to(driver.local_addresses()[0]) }
}

/// Reads until `enough`, waiting on the driver's descriptors.
fn receive_until(driver: &mut UdpDriver, inbox: &mut Inbox, enough: impl Fn(&Inbox) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !enough(inbox) {
        assert!(Instant::now() < deadline, "nothing came: {inbox:?}");
        let descriptors = driver.descriptors();
        let mut polled: Vec<_> =
            descriptors.iter().map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN)).collect();
        poll(&mut polled, PollTimeout::from(1000u16)).unwrap();
        driver.receive(inbox).unwrap();
    }
}

fn send(driver: &mut UdpDriver, transmits: &[Transmit], bytes: &[u8]) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut outbox = Outbox { transmits: transmits.to_vec(), bytes: bytes.to_vec() };
    assert!(outbox.flush(driver, &mut reports), "room for a small batch");
    reports
}

#[test]
fn runs_leave_with_offload_and_arrive_as_packets_with_their_ecn() {
    // RFC 6951, 5.3
    let (mut a, mut b) = (open([127, 0, 0, 1]), open([127, 0, 0, 2]));
    let path = path_to(&b);
    let bytes: Vec<u8> = (0..50_000u32).map(|value| (value / 1000) as u8).collect();
    let transmits = [
        Transmit {
            path,
            ecn: Ecn::Ect0,
            marks: IpMarks::NONE,
            fragment_to: None,
            segment_size: 1000,
            len: 39_500,
        },
        Transmit {
            path,
            ecn: Ecn::NotCapable,
            marks: IpMarks::NONE,
            fragment_to: None,
            segment_size: 10_500,
            len: 10_500,
        },
    ];
    assert_eq!(send(&mut a, &transmits, &bytes), []);
    let mut inbox = Inbox::default();
    receive_until(&mut b, &mut inbox, |inbox| inbox.packets.len() >= 41);
    let lengths: Vec<usize> = inbox.packets.iter().map(|packet| packet.datagram.len()).collect();
    assert_eq!(lengths, [vec![1000; 39], vec![500, 10_500]].concat());
    let whole: Vec<Bytes> = inbox.packets.iter().map(|packet| packet.datagram.clone()).collect();
    assert_eq!(whole.concat(), bytes);
    assert!(inbox.packets[..40].iter().all(|packet| packet.ecn == Ecn::Ect0));
    assert_eq!(inbox.packets[40].ecn, Ecn::NotCapable);
    let back = inbox.packets[0].path;
    assert_eq!(back.local, Some([127, 0, 0, 2].into()));
    assert_eq!(back.remote, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(back.remote_udp_port, a.port(), "answers go to the port it came from");
}

/// RFC 3168, 5: all four codepoints, of which routers write the last one.
/// RFC 6951, 5.8.
#[test]
fn the_ecn_field_travels_over_both_families() {
    let has_v6 = UdpSocket::bind("[::1]:0").is_ok();
    let addresses = [Some(IpAddr::from([127, 0, 0, 1])), has_v6.then(|| "::1".parse().unwrap())];
    for address in addresses.into_iter().flatten() {
        let open = || UdpDriver::open(&UdpConfig { port: 0, ..UdpConfig::new([address]) }).unwrap();
        let (mut a, mut b) = (open(), open());
        let path = path_to(&b);
        for ecn in [Ecn::NotCapable, Ecn::Ect0, Ecn::Ect1, Ecn::CongestionExperienced] {
            let transmit =
                Transmit { path, ecn, marks: IpMarks::NONE, fragment_to: None, segment_size: 6, len: 6 };
            assert_eq!(send(&mut a, &[transmit], b"marked"), []);
            let mut inbox = Inbox::default();
            receive_until(&mut b, &mut inbox, |inbox| !inbox.packets.is_empty());
            assert_eq!(inbox.packets[0].ecn, ecn);
        }
    }
}

#[test]
fn the_second_stack_on_an_address_is_told_why() {
    let first = open([127, 0, 0, 3]);
    let config = UdpConfig { port: first.port(), ..UdpConfig::new([[127, 0, 0, 3].into()]) };
    let error = UdpDriver::open(&config).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(&format!("UDP port {} on 127.0.0.3 is taken", first.port())), "{message}");
    assert!(message.contains("use another address or another port"), "{message}");
    let other = UdpConfig { addresses: vec![[127, 0, 0, 4].into()], ..config };
    assert!(UdpDriver::open(&other).is_ok(), "the port is free on another address");
}

#[test]
fn wildcards_and_foreign_addresses_are_refused() {
    let open = |address: &str| UdpDriver::open(&UdpConfig::new([address.parse().unwrap()])).unwrap_err();
    assert!(matches!(open("0.0.0.0"), OpenError::Wildcard { .. }));
    assert!(matches!(open("::"), OpenError::Wildcard { .. }));
    assert!(matches!(open("192.0.2.1"), OpenError::NotLocal { .. }));
    assert!(matches!(UdpDriver::open(&UdpConfig::new([])).unwrap_err(), OpenError::NoAddress));
}

#[test]
fn port_unreachable_comes_with_the_packet_it_is_about() {
    let mut driver = open([127, 0, 0, 1]);
    let closed = UdpSocket::bind("127.0.0.5:0").unwrap().local_addr().unwrap();
    let path = PathAddress {
        local: Some([127, 0, 0, 1].into()),
        remote: closed.ip(),
        remote_udp_port: closed.port(),
    };
    let transmit = Transmit {
        path,
        ecn: Ecn::NotCapable,
        marks: IpMarks::NONE,
        fragment_to: None,
        segment_size: 12,
        len: 12,
    };
    assert_eq!(send(&mut driver, &[transmit], b"ports & tag."), []);
    let mut inbox = Inbox::default();
    receive_until(&mut driver, &mut inbox, |inbox| !inbox.reports.is_empty());
    let quoted = Bytes::from_static(b"ports & tag.");
    assert_eq!(inbox.reports, [Report { path, problem: Problem::PortUnreachable, quoted }]);
}

#[test]
fn one_bad_destination_does_not_stop_the_others() {
    let (mut a, mut b) = (open([127, 0, 0, 1]), open([127, 0, 0, 2]));
    let good = path_to(&b);
    let foreign = PathAddress { local: Some([192, 0, 2, 9].into()), ..good };
    let run = |path, len| Transmit {
        path,
        ecn: Ecn::NotCapable,
        marks: IpMarks::NONE,
        fragment_to: None,
        segment_size: len,
        len,
    };
    let nowhere = PathAddress { remote_udp_port: 0, ..good };
    let segments = a.max_segments();
    let reports = send(&mut a, &[run(foreign, 4), run(nowhere, 4), run(good, 4)], b"lostalsogood");
    let failed: Vec<_> = reports.iter().map(|report| (report.path, &report.quoted[..])).collect();
    assert_eq!(failed, [(foreign, &b"lost"[..]), (nowhere, b"also")]);
    assert_eq!(a.max_segments(), segments, "and segmentation offload stays on");
    let mut inbox = Inbox::default();
    receive_until(&mut b, &mut inbox, |inbox| !inbox.packets.is_empty());
    assert_eq!(inbox.packets[0].datagram, "good");
}
