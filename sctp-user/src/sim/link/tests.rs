use super::*;
use core::net::{IpAddr, Ipv4Addr};
use sctp_core::wire::{ChecksumPolicy, Packet};

fn datagram(len: usize) -> Datagram {
    Datagram {
        source: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        destination: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
        protocol: Protocol::Sctp,
        ecn: Ecn::NotCapable,
        fragment_to: None,
        payload: Bytes::from(vec![0; len]),
    }
}

fn link(config: LinkConfig) -> Link {
    Link::new(config, SimRng::new(1))
}

#[test]
fn a_clean_link_only_delays() {
    let mut link = link(LinkConfig::default());
    let arrivals = link.carry(Time::from_millis(5), datagram(100)).expect("carried");
    assert_eq!(arrivals.as_slice(), &[(Time::from_millis(6), datagram(100))]);
}

#[test]
fn the_rate_spaces_packets_and_a_full_queue_drops_them() {
    // 1,000 bytes at 8 Mbit/s take a millisecond; two of them fit the queue behind the one on the line.
    let mut link = link(LinkConfig {
        delay: Duration::ZERO,
        rate: Some(8_000_000),
        queue_bytes: 3_000,
        ..LinkConfig::default()
    });
    let at: Vec<_> =
        (0..5).map(|_| link.carry(Time::ZERO, datagram(980)).map(|copies| copies[0].0)).collect();
    let expected = [1, 2, 3].map(|millis| Ok(Time::from_millis(millis)));
    assert_eq!(at[..3], expected);
    assert_eq!(at[3..], [Err(DropReason::QueueFull), Err(DropReason::QueueFull)]);
    // A millisecond later there is room for one more.
    assert!(link.carry(Time::from_millis(1), datagram(980)).is_ok());
}

#[test]
fn what_exceeds_the_mtu_is_dropped() {
    let mut link = link(LinkConfig::default());
    assert!(link.carry(Time::ZERO, datagram(1_480)).is_ok());
    assert_eq!(link.carry(Time::ZERO, datagram(1_481)), Err(DropReason::TooBig));
}

#[test]
fn random_loss_has_the_rate_that_was_asked_for() {
    let mut link = link(LinkConfig { loss: Loss::Random(0.2), ..LinkConfig::default() });
    let lost = (0..10_000).filter(|_| link.carry(Time::ZERO, datagram(1)).is_err()).count();
    assert!((1_800..2_200).contains(&lost), "{lost} of 10,000 lost");
}

#[test]
fn bursts_last_as_long_as_was_asked_for() {
    let millis = Duration::from_millis;
    let loss = Loss::Bursts { good_for: millis(900), bad_for: millis(100), good: 0.0, bad: 1.0 };
    let mut link = link(LinkConfig { loss, ..LinkConfig::default() });
    let mut fate = |now| link.carry(Time::from_millis(now), datagram(1)).is_err();
    let fates: Vec<_> = (0..1_000_000).map(&mut fate).collect();
    let lost = fates.iter().filter(|lost| **lost).count();
    let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    assert!((80_000..120_000).contains(&lost), "{lost} of a million lost");
    assert!((80..120).contains(&(lost / bursts)), "{bursts} bursts");
    // A day later one in ten is lost, too: the state is drawn anew.
    let days = (2..1_002).filter(|day| fate(day * 86_400_000)).count();
    assert!((60..140).contains(&days), "{days} of a thousand days");
}

#[test]
fn jitter_keeps_the_order_and_reordering_breaks_it() {
    let jitter = LinkConfig { jitter: Duration::from_millis(10), ..LinkConfig::default() };
    let late =
        LinkConfig { reordering: 0.2, reorder_delay: Duration::from_millis(10), ..LinkConfig::default() };
    let in_order = |config: LinkConfig| {
        let mut link = link(config);
        let sent = (0..1_000).map(Time::from_millis);
        let at: Vec<_> = sent.map(|now| link.carry(now, datagram(1)).expect("carried")[0].0).collect();
        at.is_sorted()
    };
    assert!(in_order(jitter));
    assert!(!in_order(late));
}

#[test]
fn duplicates_arrive_and_at_most_one_copy_is_damaged() {
    let config = LinkConfig { duplication: 1.0, corruption: 1.0, ..LinkConfig::default() };
    let mut link = link(config);
    let arrivals = link.carry(Time::ZERO, datagram(100)).expect("carried");
    let intact = arrivals.iter().filter(|(_, copy)| *copy == datagram(100)).count();
    assert_eq!((arrivals.len(), intact), (2, 1));
}

#[test]
fn a_checksum_can_be_made_right_again() {
    let config =
        LinkConfig { corruption: 1.0, corrupted_checksum: CorruptedChecksum::Fixed, ..LinkConfig::default() };
    let mut link = link(config);
    let arrivals = link.carry(Time::ZERO, datagram(100)).expect("carried");
    assert_ne!(arrivals[0].1, datagram(100));
    assert!(Packet::parse(arrivals[0].1.payload.clone(), ChecksumPolicy::Crc32c).is_ok());
}

#[test]
fn a_long_queue_marks_what_is_capable_of_it() {
    // RFC 3168, 5
    let mut link =
        link(LinkConfig { rate: Some(8_000_000), ecn_threshold: Some(1_500), ..LinkConfig::default() });
    let mut carry =
        |ecn| link.carry(Time::ZERO, Datagram { ecn, ..datagram(980) }).expect("carried")[0].1.ecn;
    let ecn = [Ecn::Ect0, Ecn::Ect0, Ecn::Ect0, Ecn::NotCapable, Ecn::Ect1].map(&mut carry);
    let marked = Ecn::CongestionExperienced;
    assert_eq!(ecn, [Ecn::Ect0, Ecn::Ect0, marked, Ecn::NotCapable, marked]);
    assert_eq!(link.stats().marked, 2);
}

#[test]
fn what_waits_leaves_at_the_new_rate() {
    let slow = LinkConfig { rate: Some(8_000), queue_bytes: 1_000, ..LinkConfig::default() };
    let mut link = link(slow.clone());
    let now = Time::from_millis(0);
    link.carry(now, datagram(980)).expect("carried");
    link.set_config(now, LinkConfig { rate: Some(8_000_000), ..slow });
    assert_eq!(link.queued_bytes(now), 1_000);
    assert_eq!(link.queued_bytes(Time::from_millis(1)), 0);
    let arrivals = link.carry(Time::from_millis(2), datagram(980)).expect("there is room");
    assert_eq!(arrivals[0].0, Time::from_millis(1_001), "what left before at the old rate is not overtaken");
}

#[test]
fn routers_make_fragments_of_ipv4_and_none_of_ipv6() {
    let mut link = link(LinkConfig { mtu: 1_280, ..LinkConfig::default() });
    let fragmented = |destination: &str, to: usize| Datagram {
        destination: destination.parse().expect("an address"),
        fragment_to: Some(to),
        ..datagram(1_400)
    };
    assert!(link.carry(Time::ZERO, fragmented("10.0.0.2", 1_500)).is_ok());
    // RFC 8200, 5: only the sender cuts.
    assert_eq!(link.carry(Time::ZERO, fragmented("2001:db8::2", 1_500)), Err(DropReason::TooBig));
    assert!(link.carry(Time::ZERO, fragmented("2001:db8::2", 1_280)).is_ok());
}
