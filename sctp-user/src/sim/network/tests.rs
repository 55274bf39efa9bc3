use super::*;
use crate::sim::{Loss, Protocol};
use bytes::Bytes;
use core::net::Ipv4Addr;
use sctp_core::net::Ecn;
use std::collections::VecDeque;

const LAN: LanId = LanId(1);

/// Answers each datagram with the same payload; can begin one exchange itself, once or at each time-out.
#[derive(Default)]
struct Echo {
    outgoing: VecDeque<Datagram>,
    received: Vec<(Time, Datagram)>,
    reports: Vec<Unreachable>,
    batches: usize,
    wake_at: Option<Time>,
    answers: bool,
}

impl Node for Echo {
    fn handle_datagram(&mut self, now: Time, datagram: Datagram) {
        if self.answers {
            let (source, destination) = (datagram.destination, datagram.source);
            self.outgoing.push_back(Datagram { source, destination, ..datagram.clone() });
        }
        self.received.push((now, datagram));
    }

    fn handle_batch_end(&mut self, _now: Time) {
        self.batches += 1;
    }

    fn handle_unreachable(&mut self, _now: Time, report: Unreachable) {
        self.reports.push(report);
    }

    fn handle_timeout(&mut self, _now: Time) {}

    fn poll_transmit(&mut self, _now: Time) -> Option<Datagram> {
        self.outgoing.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.wake_at
    }

    fn check(&self, _now: Time) -> Result<(), String> {
        if self.received.len() > 100 { Err("too much".to_owned()) } else { Ok(()) }
    }
}

fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

fn datagram(to: IpAddr, payload: &'static [u8]) -> Datagram {
    Datagram {
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        destination: to,
        protocol: Protocol::Udp { source_port: 9, destination_port: 9 },
        ecn: Ecn::NotCapable,
        fragment_to: None,
        payload: Bytes::from_static(payload),
    }
}

/// Two hosts on one network, a asker and an answerer.
fn pair(link: &LinkConfig) -> (Network<Echo>, [HostId; 2], [InterfaceId; 2]) {
    let mut network = Network::new(7);
    let hosts =
        ["a", "b"].map(|name| network.add_host(name, Echo { answers: name == "b", ..Echo::default() }));
    let attach = |index: usize| network.attach(hosts[index], LAN, address(index as u8 + 1), link.clone());
    let interfaces = [0, 1].map(attach);
    (network, hosts, interfaces)
}

fn ask(network: &mut Network<Echo>, host: HostId, datagram: Datagram) {
    network.with_node(host, |node, _| node.outgoing.push_back(datagram));
}

#[test]
fn a_question_and_its_answer_take_a_round_trip() {
    let (mut network, [a, _], _) = pair(&LinkConfig::default());
    ask(&mut network, a, datagram(address(2), b"hello"));
    assert_eq!(network.run_for(Duration::from_secs(1)), Outcome::Idle);
    let (at, answer) = &network.node(a).received[0];
    assert_eq!(*at, Time::from_millis(2));
    assert_eq!((answer.source, answer.destination), (address(2), address(1)));
}

#[test]
fn what_arrives_at_one_instant_is_one_batch() {
    let (mut network, [a, b], _) = pair(&LinkConfig::default());
    ask(&mut network, a, datagram(address(2), b"1"));
    ask(&mut network, a, datagram(address(2), b"2"));
    network.run_for(Duration::from_secs(1));
    assert_eq!((network.node(b).received.len(), network.node(b).batches), (2, 1));
}

#[test]
fn a_silent_outage_swallows_and_a_reported_one_tells() {
    let (mut network, [a, b], [out, _]) = pair(&LinkConfig::default());
    network.take_down(out, Outage::Silent);
    network.schedule(Time::from_millis(10), Change::Down(out, Outage::Reported));
    network.schedule(Time::from_millis(20), Change::Up(out));
    for at in [0, 15, 25] {
        network.run_until(Time::from_millis(at), |_| false);
        ask(&mut network, a, datagram(address(2), b"x"));
    }
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.node(b).received.len(), 1);
    let reasons: Vec<_> = network.node(a).reports.iter().map(|report| report.reason).collect();
    assert_eq!(reasons, [UnreachableReason::Host]);
    assert_eq!(network.link_stats(out).down, 2);
}

#[test]
fn nothing_reaches_an_interface_that_is_down() {
    let (mut network, [a, b], [_, into]) = pair(&LinkConfig::default());
    network.take_down(into, Outage::Silent);
    ask(&mut network, a, datagram(address(2), b"x"));
    network.run_for(Duration::from_secs(1));
    assert!(network.node(b).received.is_empty());
}

#[test]
fn an_address_of_nobody_and_a_packet_too_large_are_reported() {
    let (mut network, [a, _], _) = pair(&LinkConfig { mtu: 28, ..LinkConfig::default() });
    ask(&mut network, a, datagram(address(9), b""));
    ask(&mut network, a, datagram(address(2), b"1"));
    network.run_for(Duration::from_secs(1));
    let reasons: Vec<_> = network.node(a).reports.iter().map(|report| report.reason).collect();
    assert_eq!(reasons, [UnreachableReason::Host, UnreachableReason::TooBig { mtu: 28 }]);
}

#[test]
fn a_multicast_datagram_reaches_those_who_joined() {
    let (mut network, [a, b], [_, joined]) = pair(&LinkConfig::default());
    let c = network.add_host("c", Echo::default());
    network.attach(c, LAN, address(3), LinkConfig::default());
    let group = IpAddr::V4(Ipv4Addr::new(239, 0, 0, 1));
    network.join(joined, group);
    network.with_node(b, |node, _| node.answers = false);
    ask(&mut network, a, datagram(group, b"announce"));
    network.run_for(Duration::from_secs(1));
    assert_eq!((network.node(b).received.len(), network.node(c).received.len()), (1, 0));
}

#[test]
fn a_multicast_datagram_reaches_another_interface_of_its_host_and_others_too() {
    let (mut network, [a, b], [_, joined]) = pair(&LinkConfig::default());
    let second = network.attach(a, LAN, address(3), LinkConfig::default());
    let group = IpAddr::V4(Ipv4Addr::new(239, 0, 0, 1));
    network.join(joined, group);
    network.join(second, group);
    network.with_node(b, |node, _| node.answers = false);
    ask(&mut network, a, datagram(group, b"announce"));
    network.run_for(Duration::from_secs(1));
    assert_eq!([a, b].map(|host| network.node(host).received.len()), [1, 1]);
}

#[test]
fn a_route_can_send_the_answer_another_way() {
    let (mut network, [a, b], [_, direct]) = pair(&LinkConfig::default());
    let detour = network.attach(
        b,
        LanId(2),
        address(20),
        LinkConfig { delay: Duration::from_millis(9), ..LinkConfig::default() },
    );
    network.set_route(b, address(1), detour);
    ask(&mut network, a, datagram(address(2), b"x"));
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.node(a).received[0].0, Time::from_millis(10));
    assert_eq!(network.link_stats(direct).offered, 0);
}

#[test]
fn a_host_reaches_its_own_address_without_a_link() {
    let (mut network, [a, _], [out, _]) = pair(&LinkConfig::default());
    ask(&mut network, a, datagram(address(1), b"me"));
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.node(a).received.len(), 1);
    assert_eq!(network.link_stats(out).offered, 0);
}

#[test]
fn a_node_that_never_rests_is_a_live_lock_and_not_a_hang() {
    let (mut network, [a, _], _) = pair(&LinkConfig::default());
    network.with_node(a, |node, now| node.wake_at = Some(now));
    assert_eq!(network.run_for(Duration::from_secs(1)), Outcome::LiveLock { host: a });
}

#[test]
fn an_endless_exchange_ends_at_a_limit_or_when_a_node_complains() {
    let (mut network, [a, b], _) = pair(&LinkConfig::default());
    network.with_node(a, |node, _| node.answers = true);
    network.set_limits(Limits { per_run: 50, ..Limits::default() });
    ask(&mut network, a, datagram(address(2), b"x"));
    assert_eq!(network.run_for(Duration::from_secs(60)), Outcome::EventLimit);
    network.set_limits(Limits::default());
    let complaint = Outcome::Broken { host: b, what: "too much".to_owned() };
    assert_eq!(network.run_for(Duration::from_secs(60)), complaint);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed: u64| {
        let mut network = Network::new(seed);
        let hosts = ["a", "b"].map(|name| network.add_host(name, Echo { answers: true, ..Echo::default() }));
        let link = LinkConfig {
            loss: Loss::Random(0.02),
            duplication: 0.02,
            reordering: 0.3,
            jitter: Duration::from_millis(3),
            ..LinkConfig::default()
        };
        hosts.iter().zip(1..).for_each(|(host, last)| {
            network.attach(*host, LAN, address(last), link.clone());
        });
        ask(&mut network, hosts[0], datagram(address(2), b"x"));
        network.run_until(Time::from_millis(10_000), |network| network.node(hosts[0]).received.len() > 40);
        network.node(hosts[0]).received.iter().map(|(at, _)| *at).collect::<Vec<_>>()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
