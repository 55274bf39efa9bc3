//! What stands in INIT and INIT ACK, where they go, and which addresses they bring (RFC 9260, 3.3.2, 3.3.3, 5.1).

use super::harness::{Fate, PORT_Z, Pair, Side, chunk, header_to, init, ip, packet};
use crate::association::{AssociationState, initial_tsn, to_raw};
use crate::config::AssociationConfig;
use crate::endpoint::ListenOptions;
use crate::net::PathAddress;
use crate::rng::Random;
use crate::serial::Ssn;
use crate::wire::chunk::{ChunkType, DataChunk, DataFlags, InitChunk, RawChunk};
use crate::wire::param::ParameterType;
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;

/// The INIT and INIT ACK of a set-up.
fn offers(pair: &mut Pair, config: AssociationConfig) -> Vec<InitChunk> {
    pair.establish_with(config);
    let chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let offers = chunks.filter(|chunk| matches!(chunk.chunk_type, ChunkType::INIT | ChunkType::INIT_ACK));
    let offers: Vec<_> = offers.map(|chunk| InitChunk::parse(chunk).unwrap()).collect();
    assert_eq!(offers.len(), 2);
    offers
}

/// What the peer's INIT with these parameters makes of its addresses.
fn peers_of(pair: &mut Pair, source: &str, init: RawChunk) -> Vec<IpAddr> {
    let (from, to) = (ip(source), pair.address(Side::Z));
    pair.inject(Side::Z, from, to, packet(header_to(Side::Z, 0), &[init]));
    pair.drain();
    let (cookie, tag) = pair.last_cookie();
    pair.inject(Side::Z, from, to, packet(header_to(Side::Z, tag), &[cookie]));
    pair.drain();
    let z = pair.z.id();
    pair.association(Side::Z, z).paths().iter().map(|path| path.address.remote).collect()
}

/// RFC 9260, 3.3.2, 3.3.2.1.2, 3.3.2.1.4, 3.3.3, 3.3.3.1.
#[test]
fn no_init_of_ours_holds_what_is_forbidden() {
    // The least that can be asked for.
    let config = AssociationConfig {
        receive_buffer: 100,
        outbound_streams: 0,
        max_inbound_streams: 0,
        ..AssociationConfig::default()
    };
    let mut pair = Pair::with_addresses(&["10.0.1.1", "::ffff:10.0.2.1"], &["10.0.1.2", "::ffff:10.0.2.2"]);
    for offer in offers(&mut pair, config) {
        assert!(offer.a_rwnd >= 1_500 && offer.outbound_streams > 0 && offer.inbound_streams > 0);
        assert_ne!(offer.initiate_tag, 0);
        assert!(offer.parameters.find(ParameterType::HOST_NAME_ADDRESS).is_none());
        for parameter in offer.parameters.iter().map(Result::unwrap) {
            let mapped = parameter.value.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
            assert!(!mapped, "an IPv4 address goes into a parameter for IPv4");
            if parameter.param_type == ParameterType::SUPPORTED_ADDRESS_TYPES {
                let host_name = ParameterType::HOST_NAME_ADDRESS.0.to_be_bytes();
                assert!(parameter.value.chunks(2).all(|listed| listed != host_name));
            }
        }
    }
}

/// RFC 9260, 3.3.2.
#[test]
fn each_parameter_stands_once_in_an_init() {
    for offer in offers(&mut Pair::multihomed(), AssociationConfig::default()) {
        let mut seen = BTreeSet::new();
        for parameter in offer.parameters.iter().map(Result::unwrap) {
            let is_address =
                matches!(parameter.param_type, ParameterType::IPV4_ADDRESS | ParameterType::IPV6_ADDRESS);
            assert!(seen.insert(parameter.param_type.0) || is_address, "{}", parameter.param_type);
        }
    }
}

/// RFC 9260, 3.3.2.1.5.
#[test]
fn host_names_among_the_address_types_are_ignored() {
    for (listed, ipv6) in [(5, false), (6, true)] {
        let mut pair = Pair::new();
        pair.listen(AssociationConfig::default());
        let types = [0, 12, 0, 8, 0, 11, 0, listed];
        let value = [&init(7, &[]).value[..], &types].concat();
        assert_eq!(peers_of(&mut pair, "10.0.1.1", chunk(ChunkType::INIT, 0, &value)), [ip("10.0.1.1")]);
        let z = pair.z.id();
        let capabilities = pair.association(Side::Z, z).capabilities();
        // It speaks IPv4, whatever it lists.
        assert_eq!((capabilities.ipv4, capabilities.ipv6), (true, ipv6));
    }
}

/// RFC 9260, 3.3.2.1.2, 5.1.2.
#[test]
fn a_peer_that_lists_no_address_has_the_one_that_it_speaks_from() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    assert_eq!(peers_of(&mut pair, "10.0.1.77", init(7, &[])), [ip("10.0.1.77")]);
}

/// RFC 9260, 5.1.2 C: both, the listed ones and the source.
#[test]
fn a_peers_addresses_are_those_that_it_lists_and_the_one_that_it_speaks_from() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let listed = init(7, &["10.0.1.5", "10.0.1.6"]);
    assert_eq!(peers_of(&mut pair, "10.0.1.1", listed), ["10.0.1.1", "10.0.1.5", "10.0.1.6"].map(ip));
}

/// RFC 9260, 3.3.2.1.2: nobody may list an IPv4 address as one of IPv6. Where somebody does, it is the same address, and no
/// way around what is refused of IPv4.
#[test]
fn ipv4_addresses_in_the_guise_of_ipv6_are_those_of_ipv4() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let guise = |address: [u8; 4]| [&[0, 6, 0, 20][..], &[0; 10], &[0xff; 2], &address].concat();
    let listed = [[10, 0, 1, 1], [10, 0, 1, 5], [224, 0, 0, 1], [255; 4], [127, 0, 0, 1]].map(guise).concat();
    let value = [&init(7, &[]).value[..], &listed].concat();
    let init = chunk(ChunkType::INIT, 0, &value);
    assert_eq!(peers_of(&mut pair, "10.0.1.1", init), ["10.0.1.1", "10.0.1.5"].map(ip));
}

/// RFC 9260, 5.1: the same of what the user names.
#[test]
fn who_connects_to_an_ipv4_address_in_the_guise_of_ipv6_reaches_it() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let peers = vec![PathAddress::to(ip("::ffff:10.0.1.2"))];
    let a = pair.connect_to(Side::A, peers, AssociationConfig::default());
    pair.run_secs(1);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

/// RFC 9260, 5.1.2 and 8.4: of a peer with more addresses than we hold a packet may come from one that we do not know. Its tag
/// says whose it is; the answer goes to an address that is known, and is no ABORT.
#[test]
fn an_address_of_the_peers_that_is_not_held_is_the_peers_all_the_same() {
    let many: Vec<_> = (1..=20).map(|i| format!("10.0.1.1{i:02}")).collect();
    let addresses: Vec<_> = many.iter().map(String::as_str).collect();
    for (count, known) in [(20, true), (17, true), (16, false)] {
        let mut pair = Pair::with_addresses(&addresses[..count], &["10.0.1.2"]);
        let (a, z) = pair.establish();
        assert_eq!(pair.association(Side::Z, z).paths().iter().count(), 16);
        let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]);
        let tag = pair.association(Side::Z, z).local_tag();
        for (tag, known) in [(tag, known), (tag ^ 1, false)] {
            pair.hops.clear();
            let bytes = packet(header_to(Side::Z, tag), core::slice::from_ref(&heartbeat));
            pair.inject(Side::Z, ip("10.0.1.120"), ip("10.0.1.2"), bytes);
            pair.drain();
            pair.drop_in_flight();
            let [answer] = &pair.hops[..] else { panic!("one answer") };
            assert_eq!(answer.has(ChunkType::HEARTBEAT_ACK), known, "{count}");
            assert_eq!(answer.has(ChunkType::ABORT), !known, "{count}");
            assert_eq!(answer.destination == ip("10.0.1.120"), !known, "{count}");
        }
        assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    }
}

/// RFC 9260, 5.1.2: data from such an address is delivered and acknowledged, on both sides.
#[test]
fn data_from_an_address_that_is_not_held_arrives() {
    let many: Vec<_> = (1..=17).map(|i| format!("10.0.1.1{i:02}")).collect();
    let addresses: Vec<_> = many.iter().map(String::as_str).collect();
    let (few, many) = (&["10.0.1.2"][..], &addresses[..]);
    for (side, a, z) in [(Side::A, many, few), (Side::Z, few, many)] {
        let mut pair = Pair::with_addresses(a, z);
        let (a, z) = pair.establish();
        let (from, to) = if side == Side::A { (a, z) } else { (z, a) };
        let (sender, receiver) = (pair.association(side, from), side.other());
        let data = DataChunk {
            tsn: sender.sender.next_tsn(),
            stream_id: 0,
            ssn: Ssn(0),
            ppid: 0,
            flags: DataFlags { begin: true, end: true, ..DataFlags::default() },
            payload: Bytes::from_static(b"x"),
        };
        let tag = pair.association(receiver, to).local_tag();
        let bytes = packet(header_to(receiver, tag), &[to_raw(&data)]);
        pair.hops.clear();
        pair.inject(receiver, ip("10.0.1.117"), ip("10.0.1.2"), bytes);
        pair.drain();
        assert_eq!(pair.read(receiver, to), ["x"]);
        assert!(pair.hops.iter().any(|hop| hop.has(ChunkType::SACK) && hop.destination != ip("10.0.1.117")));
        pair.drop_in_flight();
    }
}

/// RFC 9260, 5.1.2: whoever has more addresses than an INIT of the base size can list sends a larger one.
#[test]
fn an_init_that_lists_many_addresses_leaves_in_a_large_packet() {
    let many: Vec<_> = (0..200).map(|i| format!("2001:db8::{i}")).collect();
    let addresses: Vec<_> = core::iter::once("10.0.1.1").chain(many.iter().map(String::as_str)).collect();
    let mut pair = Pair::with_addresses(&addresses, &["10.0.1.2"]);
    pair.establish();
    let init = &pair.hops[0];
    assert!(init.has(ChunkType::INIT) && init.fragment_to == Some(1_500) && init.bytes.len() > 4_000);
}

/// RFC 9260, 5.1.2.
#[test]
fn an_association_of_one_family_uses_the_peers_addresses_of_that_family() {
    let mut pair = Pair::new();
    let options = ListenOptions { addresses: vec![ip("10.0.1.2")], ..ListenOptions::default() };
    pair.z.endpoint.listen(PORT_Z, options).unwrap();
    let listed = init(7, &["10.0.1.5", "2001:db8::5", "10.0.1.6"]);
    assert_eq!(peers_of(&mut pair, "10.0.1.1", listed), ["10.0.1.1", "10.0.1.5", "10.0.1.6"].map(ip));
}

/// RFC 9260, 5.1, 5.1.2, 5.2.1.
#[test]
fn an_init_ack_goes_where_the_init_came_from() {
    let mut pair = Pair::multihomed();
    pair.listen(AssociationConfig::default());
    let (second, to) = (ip("10.0.2.1"), ip("10.0.2.2"));
    pair.inject(Side::Z, second, to, packet(header_to(Side::Z, 0), &[init(7, &["10.0.1.1"])]));
    pair.drain();
    let answer = &pair.hops[0];
    assert!(answer.has(ChunkType::INIT_ACK));
    assert_eq!((answer.source, answer.destination), (to, second));
}

/// RFC 9260, 5.1.2 D.
#[test]
fn an_init_belongs_to_the_association_of_any_address_that_it_lists() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tags = (pair.association(Side::Z, z).local_tag(), pair.association(Side::Z, z).peer_tag());
    pair.hops.clear();
    let (from, to) = (ip("10.0.1.66"), pair.address(Side::Z));
    // From elsewhere, but it lists the peer's address: a restart with a new address, which is refused.
    pair.inject(Side::Z, from, to, packet(header_to(Side::Z, 0), &[init(7, &["10.0.1.1"])]));
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::ABORT));
    let association = pair.association(Side::Z, z);
    assert_eq!((association.local_tag(), association.peer_tag()), tags);
}

/// RFC 9260, 5.1.4.
#[test]
fn cookie_echo_is_sent_max_init_retransmits_times_again() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    pair.set_rule(|hop| if hop.has(ChunkType::COOKIE_ECHO) { Fate::Drop } else { Fate::Pass });
    let config = AssociationConfig { max_init_retransmits: 3, ..AssociationConfig::default() };
    let a = pair.connect(config);
    pair.run_secs(500);
    let echoes = pair.hops.iter().filter(|hop| hop.has(ChunkType::COOKIE_ECHO)).count();
    assert_eq!(echoes, 4);
    assert_eq!(pair.events(Side::A), ["lost: SetupTimedOut"]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
}

/// RFC 9260, 5.4: a COOKIE ECHO beside a HEARTBEAT could go there, ours goes to confirmed addresses only.
#[test]
fn cookie_echoes_go_to_confirmed_addresses_only() {
    let mut pair = Pair::multihomed();
    pair.listen(AssociationConfig::default());
    pair.set_rule(|hop| if hop.has(ChunkType::COOKIE_ECHO) { Fate::Drop } else { Fate::Pass });
    pair.connect(AssociationConfig::default());
    pair.run_secs(500);
    let mut echoes = pair.hops.iter().filter(|hop| hop.has(ChunkType::COOKIE_ECHO)).peekable();
    assert!(echoes.peek().is_some());
    assert!(echoes.all(|hop| hop.destination == ip("10.0.1.2")), "10.0.2.2 was named by INIT ACK only");
}

/// RFC 9260, 5.4: the same of COOKIE ACK. The COOKIE ECHO comes from an address that the INIT only listed.
#[test]
fn cookie_acks_go_to_confirmed_addresses_only() {
    let mut pair = Pair::multihomed();
    pair.listen(AssociationConfig::default());
    let (first, second, to) = (ip("10.0.1.1"), ip("10.0.2.1"), ip("10.0.2.2"));
    pair.inject(Side::Z, first, ip("10.0.1.2"), packet(header_to(Side::Z, 0), &[init(7, &["10.0.2.1"])]));
    pair.drain();
    let (cookie, tag) = pair.last_cookie();
    pair.inject(Side::Z, second, to, packet(header_to(Side::Z, tag), &[cookie]));
    pair.drain();
    let ack = pair.hops.iter().find(|hop| hop.has(ChunkType::COOKIE_ACK)).expect("a COOKIE ACK");
    assert_eq!(ack.destination, first);
}

/// RFC 9260, 5.2.1, rule 1: in COOKIE-WAIT the INIT ACK goes to addresses that the user named, and to no others.
#[test]
fn an_init_in_cookie_wait_is_answered_at_addresses_of_the_user_only() {
    let mut pair = Pair::multihomed();
    let peers = vec![PathAddress::to(ip("10.0.1.1"))];
    pair.connect_to(Side::Z, peers, AssociationConfig::default());
    pair.drain();
    pair.drop_in_flight();
    pair.hops.clear();
    let others = packet(header_to(Side::Z, 0), &[init(7, &["10.0.1.1"])]);
    pair.inject(Side::Z, ip("10.0.2.1"), ip("10.0.2.2"), others);
    pair.drain();
    assert!(pair.hops.is_empty());
    pair.forge(Side::Z, 0, &[init(7, &[])]);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::INIT_ACK));
}

/// RFC 9260, 3.3.2, 3.3.3: flags that nobody has defined yet.
#[test]
fn flags_of_init_and_init_ack_are_zero_and_ignored() {
    let mut pair = Pair::new();
    pair.establish();
    let offers = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let offers = offers.filter(|chunk| matches!(chunk.chunk_type, ChunkType::INIT | ChunkType::INIT_ACK));
    assert!(offers.inspect(|chunk| assert_eq!(chunk.flags, 0)).count() == 2);
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let mut with_flags = init(7, &[]);
    with_flags.flags = 0xff;
    pair.forge(Side::Z, 0, &[with_flags.clone()]);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::INIT_ACK));
    let a = pair.connect(AssociationConfig::default());
    pair.drain();
    pair.hops.clear();
    let cookie = [0, 7, 0, 8, 1, 2, 3, 4];
    let tag = pair.association(Side::A, a).local_tag();
    let value = [&with_flags.value[..], &cookie].concat();
    pair.forge(Side::A, tag, &[chunk(ChunkType::INIT_ACK, 0xff, &value)]);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::COOKIE_ECHO));
}

/// RFC 9260, 3.3.2, 3.3.3. In tests of this crate all of them lie near the wrap, so they differ in four bits.
#[test]
fn initial_tsns_are_random() {
    let mut random = Random::new([3; 32]);
    let drawn: BTreeSet<_> = (0..1_000).map(|_| initial_tsn(&mut random).0).collect();
    assert_eq!(drawn.len(), 16);
}

/// RFC 9260, 5.1: retransmissions use all addresses of the peer, and the time-out of one says nothing of the others.
#[test]
fn inits_take_all_addresses_in_turn_each_with_its_own_time_out() {
    let mut pair = Pair::multihomed();
    let (first, second) = (ip("10.0.1.2"), ip("10.0.2.2"));
    pair.set_rule(|_| Fate::Drop);
    let config = AssociationConfig { max_init_retransmits: 4, ..AssociationConfig::default() };
    let begun = pair.now;
    pair.connect_to(Side::A, vec![PathAddress::to(first), PathAddress::to(second)], config);
    let mut sent = Vec::new();
    for at in [0, 1, 2, 4, 6] {
        pair.run_for(begun + Duration::from_secs(at) - pair.now);
        sent.push(pair.hops.last().expect("an INIT").destination);
        assert_eq!(pair.hops.len(), sent.len(), "after {at} s");
    }
    assert_eq!(sent, [first, second, first, second, first]);
}

/// RFC 9260, 5.1.2: who lists one family and uses the other one can do both, and hears of no error.
#[test]
fn a_family_that_the_peer_uses_is_supported_whether_listed_or_not() {
    for listed in [5, 6] {
        let mut pair = Pair::new();
        pair.listen(AssociationConfig::default());
        let types = [0, 12, 0, 6, 0, listed, 0, 0];
        let value = [&init(7, &["2001:db8::5"]).value[..], &types].concat();
        let init = chunk(ChunkType::INIT, 0, &value);
        assert_eq!(peers_of(&mut pair, "10.0.1.1", init), [ip("10.0.1.1"), ip("2001:db8::5")]);
        let z = pair.z.id();
        let capabilities = pair.association(Side::Z, z).capabilities();
        assert!(capabilities.ipv4 && capabilities.ipv6);
        assert!(pair.hops.iter().all(|hop| !hop.has(ChunkType::ERROR) && !hop.has(ChunkType::ABORT)));
    }
}
