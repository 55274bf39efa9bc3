//! Fragments in any order, hostile ones included.

use proptest::prelude::*;

use super::*;
use crate::driver::header::Header;

const V4: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
const V6: [&str; 2] = ["fd00::1", "fd00::2"];

/// The packets that carry `payload`, cut for `mtu`.
fn cut([from, to]: [&str; 2], payload: &[u8], mtu: usize, identification: u32, ecn: Ecn) -> Vec<Vec<u8>> {
    let header = Header {
        source: from.parse().unwrap(),
        destination: to.parse().unwrap(),
        protocol: IpNumber::SCTP,
        ecn,
        marks: sctp_core::net::IpMarks::NONE,
        may_fragment: true,
    };
    header
        .pieces(payload.len(), mtu, identification)
        .map(|(header, range)| [&header[..], &payload[range]].concat())
        .collect()
}

fn insert(reassembly: &mut Reassembly, now: Instant, bytes: &[u8]) -> Option<Vec<u8>> {
    let packet = Packet::read(bytes).unwrap();
    let fragment = packet.fragment.expect("a fragment");
    let whole = reassembly.insert(now, packet, fragment, bytes);
    assert_eq!(reassembly.held, reassembly.packets.iter().map(Partial::held).sum::<usize>());
    assert!(reassembly.held <= MOST_HELD && reassembly.packets.len() <= MOST_PACKETS);
    whole
}

proptest! {
    #[test]
    fn fragments_in_any_order_and_twice_make_the_packet_that_was_cut(
        payload in prop::collection::vec(any::<u8>(), 1500..9000),
        mtu in 600usize..1400,
        order in prop::collection::vec(any::<prop::sample::Index>(), 40),
        v4 in any::<bool>(),
    ) {
        // RFC 791, 3.2; RFC 8200, 4.5.
        let pieces = cut(if v4 { V4 } else { V6 }, &payload, mtu, 7, Ecn::Ect0);
        prop_assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() <= mtu));
        let (mut reassembly, now) = (Reassembly::default(), Instant::now());
        let shuffled = order.iter().map(|index| index.get(&pieces)).chain(&pieces);
        let whole = shuffled.into_iter().find_map(|piece| insert(&mut reassembly, now, piece)).unwrap();
        let packet = Packet::read(&whole).unwrap();
        prop_assert_eq!(packet.fragment, None);
        prop_assert_eq!((packet.protocol, packet.ecn), (IpNumber::SCTP, Ecn::Ect0));
        prop_assert_eq!(&whole[packet.payload], &payload[..]);
        prop_assert_eq!(reassembly.held, 0);
    }
}

#[test]
fn overlapping_fragments_spoil_their_packet() {
    // RFC 5722, 4: all fragments, those not yet received included, are dropped in silence.
    for hosts in [V4, V6] {
        let (now, mut reassembly) = (Instant::now(), Reassembly::default());
        let wide = cut(hosts, &[1; 2000], 1000, 9, Ecn::NotCapable);
        let narrow = cut(hosts, &[2; 2000], 800, 9, Ecn::NotCapable);
        assert_eq!(insert(&mut reassembly, now, &wide[0]), None);
        assert_eq!(insert(&mut reassembly, now, &narrow[1]), None, "it begins inside the first");
        assert_eq!(reassembly.held, 0);
        assert!(wide.iter().all(|piece| insert(&mut reassembly, now, piece).is_none()));
        assert_eq!(reassembly.expire(now + TIMEOUT), Vec::<Vec<u8>>::new(), "nobody is told");
        assert!(reassembly.packets.is_empty());
    }
}

#[test]
fn congestion_that_a_fragment_met_marks_the_packet() {
    // RFC 3168, 5.3.
    for hosts in [V4, V6] {
        let (now, mut reassembly) = (Instant::now(), Reassembly::default());
        let marked = cut(hosts, &[1; 2000], 1300, 9, Ecn::CongestionExperienced);
        let capable = cut(hosts, &[1; 2000], 1300, 9, Ecn::Ect0);
        insert(&mut reassembly, now, &capable[0]);
        let whole = insert(&mut reassembly, now, &marked[1]).unwrap();
        assert_eq!(Packet::read(&whole).unwrap().ecn, Ecn::CongestionExperienced);
        let plain = cut(hosts, &[1; 2000], 1300, 9, Ecn::NotCapable);
        insert(&mut reassembly, now, &plain[0]);
        assert_eq!(insert(&mut reassembly, now, &marked[1]), None, "marks that contradict each other");
    }
}

#[test]
fn a_packet_whose_rest_does_not_come_is_given_up_and_its_first_fragment_told() {
    // RFC 1122, 3.3.2; RFC 8200, 4.5.
    let (now, mut reassembly) = (Instant::now(), Reassembly::default());
    let (one, two) =
        (cut(V6, &[1; 3000], 1280, 1, Ecn::NotCapable), cut(V6, &[1; 3000], 1280, 2, Ecn::NotCapable));
    insert(&mut reassembly, now, &one[0]);
    insert(&mut reassembly, now, &two[1]);
    assert_eq!(reassembly.expire(now + TIMEOUT - Duration::from_nanos(1)), Vec::<Vec<u8>>::new());
    assert_eq!(reassembly.expire(now + TIMEOUT), [one[0].clone()], "of the other the first never came");
    assert!(reassembly.packets.is_empty() && reassembly.held == 0);
}

#[test]
fn a_flood_of_first_fragments_is_bounded_and_leaves_other_sources_room() {
    let (now, mut reassembly) = (Instant::now(), Reassembly::default());
    let good = cut(V4, &[1; 3000], 1500, 1, Ecn::NotCapable);
    insert(&mut reassembly, now, &good[0]);
    for identification in 0..5000 {
        let flood = cut(["10.0.0.99", V4[1]], &[2; 60000], 40000, identification, Ecn::NotCapable);
        insert(&mut reassembly, now, &flood[0]);
    }
    assert_eq!(reassembly.packets.len(), 1 + PER_SOURCE);
    assert_eq!(insert(&mut reassembly, now, &good[1]), None);
    assert!(insert(&mut reassembly, now, &good[2]).is_some(), "the other source's packet survived");
    for host in 0..1000u32 {
        let source = format!("10.9.{}.{}", host / 250, host % 250 + 1);
        insert(&mut reassembly, now, &cut([&source, V4[1]], &[2; 60000], 40000, 1, Ecn::NotCapable)[0]);
    }
    assert!(reassembly.held > MOST_HELD / 2);
}

#[test]
fn a_packet_of_too_many_or_of_contradicting_pieces_is_refused() {
    let (now, mut reassembly) = (Instant::now(), Reassembly::default());
    let tiny = cut(V4, &[1; 4000], 44, 1, Ecn::NotCapable);
    assert!(tiny.len() > MOST_PIECES);
    assert!(tiny.iter().all(|piece| insert(&mut reassembly, now, piece).is_none()));
    let (long, short) =
        (cut(V4, &[1; 3000], 1000, 2, Ecn::NotCapable), cut(V4, &[1; 1200], 1000, 2, Ecn::NotCapable));
    insert(&mut reassembly, now, &long[2]);
    insert(&mut reassembly, now, &short[1]);
    assert!(long.iter().all(|piece| insert(&mut reassembly, now, piece).is_none()), "two different ends");
}
