//! Rules of RFC 5061, one by one, that the [scenarios](super::asconf) do not show.

use super::asconf_harness::{
    add, answer, asconf, asconf_with, ask, delete, dynamic, first_sequence, locals, of_type, primary,
    refusal, refusals, remotes, signed, up, up_multihomed,
};
use super::harness::{Fate, Pair, Side, chunk, ip};
use crate::association::{AssociationState, to_raw};
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::event::AssociationId;
use crate::time::Time;
use crate::wire::ParametersBuilder;
use crate::wire::cause::{Cause, CauseCode};
use crate::wire::chunk::{AsconfChunk, AsconfKind, ChunkType, ErrorChunk, InitChunk, RawChunk};
use crate::wire::param::{Parameter, ParameterType, Parameters};
use bytes::Bytes;
use core::time::Duration;

fn t4(pair: &mut Pair, a: AssociationId) -> Option<Time> {
    pair.association(Side::A, a).asconf.as_ref().unwrap().deadline()
}

/// RFC 5061, 3 and 5.1 A2: from the initial TSN, one more for each, and 0 behind 2^32 - 1.
#[test]
fn sequence_numbers_begin_with_the_initial_tsn_and_wrap() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    for round in 0..10 {
        pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
        pair.run_secs(1);
        assert_eq!(remotes(&mut pair, Side::Z, z).len(), 2, "{round}");
        pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
        pair.run_secs(1);
        assert_eq!(remotes(&mut pair, Side::Z, z).len(), 1, "{round}");
    }
    let numbers: Vec<_> =
        of_type(&pair.hops, ChunkType::ASCONF).iter().map(|chunk| chunk.sequence_number).collect();
    let expected: Vec<_> = (0..20).map(|i| first.wrapping_add(i)).collect();
    assert_eq!(numbers, expected);
    assert!(numbers.contains(&u32::MAX) && numbers.contains(&0));
}

/// RFC 5061, 4.2.7: one Supported Extensions parameter, which lists ASCONF, ASCONF-ACK and AUTH.
#[test]
fn both_sides_list_the_chunks_that_they_support() {
    let mut pair = Pair::new();
    pair.establish_with(dynamic());
    for hop in &pair.hops[..2] {
        let parameters = InitChunk::parse(&hop.chunks[0]).unwrap().parameters;
        let all = parameters.iter().map(Result::unwrap);
        let listed: Vec<_> =
            all.filter(|raw| raw.param_type == ParameterType::SUPPORTED_EXTENSIONS).collect();
        assert_eq!(listed.len(), 1);
        for chunk_type in [ChunkType::ASCONF, ChunkType::ASCONF_ACK, ChunkType::AUTH] {
            assert!(listed[0].value.contains(&chunk_type.0));
        }
    }
}

/// RFC 5061, 4.1.1: who does not do ASCONF skips the chunk, reports it, and goes on.
#[test]
fn a_side_without_the_extension_reports_the_chunk_and_goes_on() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.hops.clear();
    let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]);
    pair.forge(Side::Z, tag, &[asconf(1, [add(1, "10.0.2.1")]), heartbeat]);
    pair.drain();
    let chunks: Vec<&RawChunk> = pair.hops.iter().flat_map(|hop| &hop.chunks).collect();
    let error = chunks.iter().find(|chunk| chunk.chunk_type == ChunkType::ERROR).unwrap();
    assert!(ErrorChunk::parse(error).causes.find(CauseCode::UNRECOGNIZED_CHUNK_TYPE).is_some());
    assert!(chunks.iter().any(|chunk| chunk.chunk_type == ChunkType::HEARTBEAT_ACK));
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 5061, 4.1.1: a host name, in front or among the requests, is ignored.
#[test]
fn host_names_are_ignored() {
    let (mut pair, a, z) = up();
    let name = || Parameter::HostNameAddress(Bytes::from_static(b"z.example\0"));
    let sequence_number = first_sequence(&mut pair, a);
    let parameters = Parameters::from_iter([name(), name(), add(1, "10.0.2.1")]);
    let request = to_raw(&AsconfChunk { kind: AsconfKind::Asconf, sequence_number, parameters });
    let (responses, _) = ask(&mut pair, a, &request, "10.0.1.1").unwrap();
    assert!(responses.is_empty());
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 4.2.2: neither do we ask for a multicast or broadcast address to be deleted, nor is it done.
#[test]
fn only_unicast_addresses_are_deleted() {
    let (mut pair, a, z) = up_multihomed();
    for address in ["224.0.0.1", "255.255.255.255"] {
        let refused = pair.a.endpoint.remove_local_address(pair.now, a, ip(address));
        assert_eq!(refused, Err(CommandError::UnknownLocalAddress(ip(address))));
    }
    let first = first_sequence(&mut pair, a);
    let (responses, _) =
        ask(&mut pair, a, &asconf(first, [delete(4, "255.255.255.255")]), "10.0.1.1").unwrap();
    assert_eq!(refusals(&responses), [(4, Some(CauseCode::UNRESOLVABLE_ADDRESS))]);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 5.2 V1: from the first request to the last.
#[test]
fn requests_are_processed_in_their_order() {
    let twice = |first, second| {
        let (mut pair, a, z) = up_multihomed();
        let number = first_sequence(&mut pair, a);
        ask(&mut pair, a, &asconf(number, [first, primary(2, "10.0.3.1"), second]), "10.0.1.1").unwrap();
        let paths = pair.association(Side::Z, z).paths();
        (paths.by_remote(ip("10.0.3.1")).is_some(), paths.iter().count())
    };
    assert_eq!(twice(add(1, "10.0.3.1"), delete(3, "10.0.3.1")), (false, 2));
    assert_eq!(twice(add(1, "10.0.3.1"), add(3, "10.0.4.1")), (true, 4));
    let (mut pair, a, z) = up_multihomed();
    // A has not asked, and would not know what to make of the answer.
    pair.set_rule(|hop| if hop.has(ChunkType::ASCONF_ACK) { Fate::Drop } else { Fate::Pass });
    let number = first_sequence(&mut pair, a);
    let requests = [delete(1, "10.0.2.1"), add(2, "10.0.2.1"), primary(3, "10.0.2.1")];
    let (responses, _) = ask(&mut pair, a, &asconf(number, requests), "10.0.1.1").unwrap();
    assert!(responses.is_empty(), "all granted");
    pair.run_secs(5);
    let paths = pair.association(Side::Z, z).paths();
    assert_eq!(paths.get(paths.primary()).unwrap().address.remote, ip("10.0.2.1"));
}

/// RFC 5061, 5.2 V4 and E7: what does not fit into one packet is done all the same, and its answer kept.
/// RFC 5061, 5.1.1.
#[test]
fn requests_whose_answers_do_not_fit_are_processed_and_their_answers_kept() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let unknown = |id: u8| Parameter::Unknown {
        param_type: ParameterType(0xd999),
        value: [&[0, 0, 0, id][..], &[7; 50]].concat().into(),
    };
    let requests: Vec<_> = (0..7_u8)
        .map(|i| {
            let padding = (0..4).map(|j| unknown(10 * i + j));
            asconf(first.wrapping_add(i.into()), padding.chain([add(99, &format!("10.0.3.{i}"))]))
        })
        .collect();
    let heartbeat = chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]);
    let bytes = signed(&mut pair, a, &[&requests[..], &[heartbeat]].concat());
    pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert_eq!(remotes(&mut pair, Side::Z, z).len(), 8, "all are processed");
    let acks = of_type(&pair.hops, ChunkType::ASCONF_ACK);
    assert!((1..7).contains(&acks.len()), "{}", acks.len());
    assert!(pair.hops.iter().all(|hop| hop.bytes.len() <= 1_500));
    for (request, number) in requests.iter().zip(0..) {
        pair.hops.clear();
        let bytes = signed(&mut pair, a, &[asconf(first.wrapping_add(99), []), request.clone()]);
        pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
        pair.drain();
        let again = of_type(&pair.hops, ChunkType::ASCONF_ACK);
        assert_eq!(again[0].sequence_number, first.wrapping_add(number), "from memory");
    }
}

/// RFC 5061, 5.1 A4 and A5, 5.1.1: T4 is the RTO; the answer stops it and clears the counters of errors.
#[test]
fn the_answer_stops_t4_and_clears_the_errors() {
    let (mut pair, a, _) = up();
    let now = pair.now;
    let no_heartbeats = |config: &mut AssociationConfig| {
        (config.hb_interval, config.potentially_failed_max_retrans) = (None, None);
    };
    pair.a.endpoint.update_config(a, no_heartbeats).unwrap();
    let rto = pair.association(Side::A, a).paths().iter().next().unwrap().rto();
    pair.drop_first(2, |hop| hop.has(ChunkType::ASCONF));
    pair.a.endpoint.add_local_address(now, a, ip("10.0.2.1")).unwrap();
    assert_eq!(t4(&mut pair, a), Some(now + rto));
    pair.run_for(rto + Duration::from_millis(1));
    assert_eq!(t4(&mut pair, a), Some(now + rto * 3), "doubled");
    let errors = |pair: &mut Pair| {
        let association = pair.association(Side::A, a);
        (association.error_count, association.paths().iter().next().unwrap().error_count)
    };
    assert_eq!(errors(&mut pair), (1, 1));
    pair.run_for(rto * 2 + Duration::from_millis(100));
    assert_eq!((errors(&mut pair), t4(&mut pair, a)), ((0, 0), None));
    pair.hops.clear();
    pair.run_secs(20);
    assert!(of_type(&pair.hops, ChunkType::ASCONF).is_empty());
}

/// RFC 5061, 5.1.1 C4: not before the association is up.
#[test]
fn nothing_is_asked_for_before_the_association_is_up() {
    let mut pair = Pair::new();
    pair.listen(dynamic());
    let a = pair.connect(dynamic());
    assert_eq!(pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")), Err(CommandError::NotInUse));
    pair.set_rule(|hop| if hop.has(ChunkType::COOKIE_ACK) { Fate::Drop } else { Fate::Pass });
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.state(Side::A, a), AssociationState::CookieEchoed);
    pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.drain();
    assert!(of_type(&pair.hops, ChunkType::ASCONF).is_empty());
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(10);
    assert_eq!(of_type(&pair.hops, ChunkType::ASCONF).len(), 1);
    assert_eq!(locals(&mut pair, Side::A, a), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 5.3 F3b: what is not understood is not asked for again.
#[test]
fn a_peer_that_does_not_understand_set_primary_is_not_asked_again() {
    let (mut pair, a, z) = up_multihomed();
    pair.a.endpoint.set_peer_primary(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.drain();
    pair.drop_in_flight();
    let mut tlv = ParametersBuilder::new();
    tlv.push(&primary(0, "10.0.2.1"));
    let refused = refusal(0, Cause::UnrecognizedParameters(tlv.finish()));
    let number = first_sequence(&mut pair, a);
    answer(&mut pair, z, number, [refused]);
    assert_eq!(pair.events(Side::A), ["LocalAddressChanged { address: 10.0.2.1, change: PrimaryRefused }"]);
    let again = pair.a.endpoint.set_peer_primary(pair.now, a, ip("10.0.2.1"));
    assert_eq!(again, Err(CommandError::NotInUse));
    assert!(pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.2.1")).is_ok());
}

/// RFC 5061, 5.3 F1: an address that is being added is no source until the answer has come.
#[test]
fn an_address_is_no_source_before_it_is_agreed_on() {
    let (mut pair, a, z) = up();
    pair.set_rule(|hop| if hop.has(ChunkType::ASCONF_ACK) { Fate::Drop } else { Fate::Pass });
    pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.send(Side::A, a, &[1; 20_000]);
    pair.run_secs(2);
    assert_eq!(pair.read(Side::Z, z)[0].len(), 20_000);
    assert_eq!(remotes(&mut pair, Side::Z, z).len(), 2);
    let from_a = pair.hops.iter().filter(|hop| hop.from == Side::A && !hop.has(ChunkType::HEARTBEAT_ACK));
    assert!(from_a.clone().all(|hop| hop.source == ip("10.0.1.1")));
    assert!(from_a.clone().any(|hop| hop.has(ChunkType::ASCONF)));
}

/// RFC 5061, 5.3: what comes to an address before the answer about it does is no more out of the blue, whether the
/// address comes (Figure 2) or goes (F4). Afterwards one that has gone is nobody's, at once (F4).
#[test]
fn data_that_overtakes_the_answer_is_taken() {
    for comes in [true, false] {
        let (mut pair, a, z) = up_multihomed();
        let address = if comes { ip("10.0.3.1") } else { ip("10.0.1.1") };
        pair.set_rule(|hop| if hop.has(ChunkType::ASCONF_ACK) { Fate::Drop } else { Fate::Pass });
        let (now, endpoint) = (pair.now, &mut pair.a.endpoint);
        if comes {
            endpoint.add_local_address(now, a, address)
        } else {
            endpoint.remove_local_address(now, a, address)
        }
        .unwrap();
        pair.drain();
        pair.send(Side::Z, z, b"early");
        pair.drain();
        let data = pair.hops.iter().rfind(|hop| hop.has(ChunkType::DATA)).unwrap().bytes.clone();
        pair.drop_in_flight();
        pair.hops.clear();
        pair.inject(Side::A, ip("10.0.1.2"), address, data.clone());
        pair.drain();
        assert!(!pair.hops.iter().any(|hop| hop.has(ChunkType::ABORT)));
        assert_eq!(pair.read(Side::A, a), ["early"]);
        pair.set_rule(|_| Fate::Pass);
        pair.run_secs(10);
        assert_eq!(locals(&mut pair, Side::A, a).contains(&address.to_string()), comes);
        pair.hops.clear();
        pair.inject(Side::A, ip("10.0.1.2"), address, data);
        pair.drain();
        assert_eq!(pair.hops.iter().any(|hop| hop.has(ChunkType::ABORT)), !comes);
        assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    }
}

/// RFC 5061, 5.3 F5: of several addresses one stays, and where the last one goes another comes before it in the chunk.
#[test]
fn there_is_always_an_address_left() {
    let (mut pair, a, z) = up_multihomed();
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.1.1")).unwrap();
    let last = pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.2.1"));
    assert_eq!(last, Err(CommandError::LastAddress(ip("10.0.2.1"))));
    pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.4.1")).unwrap();
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.run_secs(10);
    let sent: Vec<_> =
        of_type(&pair.hops, ChunkType::ASCONF).iter().map(|chunk| chunk.parameters.to_string()).collect();
    assert_eq!(
        sent,
        [
            " IPV4_ADDRESS=10.0.1.1 DELETE_IP_ADDRESS=10.0.1.1#0",
            " IPV4_ADDRESS=10.0.2.1 ADD_IP_ADDRESS=10.0.4.1#0 DELETE_IP_ADDRESS=10.0.2.1#1",
        ]
    );
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.4.1"]);
}

/// RFC 5061, 5.3.2: the packet's source comes first, whatever the address in front of the requests says.
#[test]
fn the_source_of_the_packet_goes_before_the_address_in_it() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let request = asconf_with(first, "10.0.99.1", [add(1, "10.0.2.1")]);
    let (responses, to) = ask(&mut pair, a, &request, "10.0.1.1").unwrap();
    assert_eq!((responses, to), (vec![], ip("10.0.1.1")));
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 6: without AUTH nothing of it is offered.
#[test]
fn the_extension_is_not_offered_without_auth() {
    let mut pair = Pair::new();
    let mut config = dynamic();
    config.extensions.auth = false;
    let (a, _) = pair.establish_with(AssociationConfig { ..config });
    let parameters = InitChunk::parse(&pair.hops[0].chunks[0]).unwrap().parameters;
    let listed = parameters.find(ParameterType::SUPPORTED_EXTENSIONS).map(|raw| raw.value);
    assert!(listed.is_none_or(|listed| !listed.contains(&ChunkType::ASCONF.0)));
    assert!(!pair.association(Side::A, a).extensions().asconf);
}
