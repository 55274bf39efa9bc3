//! Addresses that change on a living association (RFC 5061).

use super::auth::demanding;
use super::harness::{Fate, Hop, Pair, Side, header_to, ip};
use crate::association::{AssociationState, to_raw};
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::event::AssociationId;
use crate::path::PathState;
use crate::wire::cause::{Cause, CauseCode};
use crate::wire::chunk::{AsconfChunk, AsconfKind, ChunkType, ErrorChunk, RawChunk};
use crate::wire::param::{AddressRequest, CauseIndication, Parameter, ParameterType, Parameters};
use crate::wire::{Causes, PacketBuilder, ParametersBuilder};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use proptest::prelude::*;
use std::sync::Arc;

/// Both extensions on.
pub(super) fn dynamic() -> AssociationConfig {
    let mut config = demanding(&[]);
    config.extensions.asconf = true;
    config
}

/// Both up, with one address each, and events and packets so far forgotten. A has got 10.0.2.1 as well, though the
/// association does not know it yet.
pub(super) fn up() -> (Pair, AssociationId, AssociationId) {
    forget(Pair::new())
}

pub(super) fn up_multihomed() -> (Pair, AssociationId, AssociationId) {
    forget(Pair::multihomed())
}

fn forget(mut pair: Pair) -> (Pair, AssociationId, AssociationId) {
    let (a, z) = pair.establish_with(dynamic());
    pair.events(Side::A);
    pair.events(Side::Z);
    pair.hops.clear();
    pair.take_trace();
    (pair, a, z)
}

pub(super) fn remotes(pair: &mut Pair, side: Side, id: AssociationId) -> Vec<String> {
    pair.association(side, id).paths().iter().map(|path| path.address.remote.to_string()).collect()
}

pub(super) fn locals(pair: &mut Pair, side: Side, id: AssociationId) -> Vec<String> {
    pair.association(side, id).local_addresses().iter().map(ToString::to_string).collect()
}

/// A packet of A's to Z with these chunks, authenticated.
pub(super) fn signed(pair: &mut Pair, a: AssociationId, chunks: &[RawChunk]) -> Bytes {
    let association = pair.association(Side::A, a);
    let header = header_to(Side::Z, association.peer_tag());
    let authenticator = Arc::clone(association.authenticator().unwrap());
    let mut buffer = Vec::new();
    let mut builder = PacketBuilder::new(&mut buffer, header, 65_535);
    builder.authenticate(authenticator);
    chunks.iter().for_each(|chunk| builder.push(chunk).unwrap());
    builder.finish();
    buffer.into()
}

pub(super) fn asconf(sequence_number: u32, requests: impl IntoIterator<Item = Parameter>) -> RawChunk {
    asconf_with(sequence_number, "10.0.1.1", requests)
}

pub(super) fn asconf_with(
    sequence_number: u32,
    lookup: &str,
    requests: impl IntoIterator<Item = Parameter>,
) -> RawChunk {
    let parameters = core::iter::once(Parameter::address(ip(lookup))).chain(requests);
    let parameters = Parameters::from_iter(parameters);
    to_raw(&AsconfChunk { kind: AsconfKind::Asconf, sequence_number, parameters })
}

pub(super) fn add(correlation_id: u32, address: &str) -> Parameter {
    Parameter::AddAddress(AddressRequest { correlation_id, address: ip(address) })
}

pub(super) fn delete(correlation_id: u32, address: &str) -> Parameter {
    Parameter::DeleteAddress(AddressRequest { correlation_id, address: ip(address) })
}

pub(super) fn primary(correlation_id: u32, address: &str) -> Parameter {
    Parameter::SetPrimaryAddress(AddressRequest { correlation_id, address: ip(address) })
}

/// The number of A's next ASCONF: its initial TSN, while it has sent none (RFC 5061, 5.1 A2).
pub(super) fn first_sequence(pair: &mut Pair, a: AssociationId) -> u32 {
    pair.association(Side::A, a).local_initial_tsn.0
}

/// Sends Z an ASCONF of A's making from `source`; the responses in the ASCONF-ACK, and where it went.
pub(super) fn ask(
    pair: &mut Pair,
    a: AssociationId,
    chunk: &RawChunk,
    source: &str,
) -> Option<(Vec<Parameter>, IpAddr)> {
    pair.hops.clear();
    let bytes = signed(pair, a, core::slice::from_ref(chunk));
    pair.inject(Side::Z, ip(source), ip("10.0.1.2"), bytes);
    pair.drain();
    let acks = |hop: &Hop| hop.chunks.iter().find(|chunk| chunk.chunk_type == ChunkType::ASCONF_ACK).cloned();
    let (hop, ack) = pair.hops.iter().find_map(|hop| acks(hop).map(|ack| (hop, ack)))?;
    assert_eq!(hop.chunks[0].chunk_type, ChunkType::AUTH, "RFC 5061, 4.1.2");
    let ack = AsconfChunk::parse(&ack).unwrap();
    assert_eq!(Some(ack.sequence_number), AsconfChunk::parse(chunk).map(|it| it.sequence_number).ok());
    let responses = ack.parameters.iter().map(|raw| Parameter::parse(&raw.unwrap()).unwrap());
    Some((responses.collect(), hop.destination))
}

/// Correlation ids and causes of refusals; `None` where success is indicated.
pub(super) fn refusals(responses: &[Parameter]) -> Vec<(u32, Option<CauseCode>)> {
    let refusal = |response: &Parameter| match response {
        Parameter::CauseIndication(CauseIndication { correlation_id, causes }) => {
            (*correlation_id, Some(causes.iter().next().unwrap().unwrap().code))
        }
        Parameter::SuccessIndication(correlation_id) => (*correlation_id, None),
        other => panic!("{other}"),
    };
    responses.iter().map(refusal).collect()
}

/// RFC 5061, 4.1.1, 4.1.2, 4.2.1, 4.2.7, 5.1: ASCONF and its answer, authenticated; the new address is verified (5.3 F14) and then used.
#[test]
fn an_address_that_is_added_is_verified_and_used() {
    let (mut pair, a, z) = up();
    pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.run_secs(2);
    assert_eq!(
        pair.take_trace(),
        [
            "A -> AUTH+ASCONF -> Z",
            "Z -> HEARTBEAT -> A",
            "Z -> AUTH+ASCONF_ACK -> A",
            "A -> HEARTBEAT_ACK -> Z",
        ]
    );
    assert_eq!(pair.events(Side::A), ["LocalAddressChanged { address: 10.0.2.1, change: Added }"]);
    assert_eq!(pair.events(Side::Z), ["10.0.2.1 Added", "10.0.2.1 Confirmed"]);
    assert_eq!(locals(&mut pair, Side::A, a), ["10.0.1.1", "10.0.2.1"]);
    pair.set_rule(|hop| if hop.destination == ip("10.0.1.1") { Fate::Drop } else { Fate::Pass });
    pair.send(Side::Z, z, b"another way");
    pair.run_secs(30);
    assert_eq!(pair.read(Side::A, a), ["another way"]);
    assert!(pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).is_ok(), "nothing to do");
    assert_eq!(
        pair.a.endpoint.add_local_address(pair.now, a, ip("224.0.0.1")),
        Err(CommandError::NotUnicast(ip("224.0.0.1")))
    );
}

/// RFC 5061, 5.3 F4, F6, F13: nothing leaves from the address that goes, not even the request; afterwards it is nobody's.
#[test]
fn an_address_that_is_deleted_is_no_source_and_no_destination() {
    let (mut pair, a, z) = up_multihomed();
    pair.send(Side::Z, z, &[1; 50_000]);
    pair.run_for(Duration::from_millis(15));
    pair.hops.clear();
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.1.1")).unwrap();
    pair.run_secs(5);
    let mut from_a = pair.hops.iter().filter(|hop| hop.from == Side::A);
    assert!(from_a.all(|hop| hop.source == ip("10.0.2.1")));
    assert_eq!(pair.events(Side::A), ["LocalAddressChanged { address: 10.0.1.1, change: Removed }"]);
    assert_eq!(pair.events(Side::Z), ["10.0.2.1 MadePrimary", "10.0.1.1 Removed"]);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.2.1"]);
    assert_eq!(pair.read(Side::A, a)[0].len(), 50_000, "what was in flight comes another way");
    let bytes = signed(&mut pair, a, &[super::harness::chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4])]);
    pair.hops.clear();
    pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::ABORT), "F13: out of the blue");
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 5061, 4.1.1, 5.3.2: the only address changes. The request leaves from the new one and names the old one, and nothing
/// else leaves until it is answered (5.3 F1, F4).
#[test]
fn the_only_address_can_be_replaced() {
    let (mut pair, a, z) = up();
    pair.send(Side::Z, z, &[7; 20_000]);
    pair.run_for(Duration::from_millis(15));
    pair.hops.clear();
    let now = pair.now;
    // In one step, as the host's change would be told.
    pair.a.endpoint.update_config(a, |config| config.auto_asconf = true).unwrap();
    pair.a.endpoint.set_local_addresses(now, vec![ip("10.0.2.1")]);
    pair.drop_first(1, |hop| hop.has(ChunkType::ASCONF));
    pair.run_secs(10);
    let from_a: Vec<_> = pair.hops.iter().filter(|hop| hop.from == Side::A).collect();
    assert!(from_a.iter().all(|hop| hop.source == ip("10.0.2.1")));
    let answered = pair.hops.iter().position(|hop| hop.has(ChunkType::ASCONF_ACK)).unwrap();
    let before = pair.hops[..answered].iter().filter(|hop| hop.from == Side::A);
    assert!(before.clone().count() == 2 && before.clone().all(|hop| hop.has(ChunkType::ASCONF)), "F1");
    let request =
        before.clone().next().unwrap().chunks.iter().find(|chunk| chunk.chunk_type == ChunkType::ASCONF);
    let request = AsconfChunk::parse(request.unwrap()).unwrap();
    let lookup = Parameter::parse(&request.parameters.iter().next().unwrap().unwrap()).unwrap();
    assert_eq!(lookup.as_address(), Some(ip("10.0.1.1")));
    assert_eq!(pair.hops[answered].destination, ip("10.0.2.1"), "5.3.2: to the packet's source");
    assert_eq!(pair.read(Side::A, a)[0].len(), 20_000);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.2.1"]);
    assert_eq!(locals(&mut pair, Side::A, a), ["10.0.2.1"]);
}

/// RFC 5061, 5.3 F14: although the old address is gone, nothing but HEARTBEAT goes to the new one before it is verified.
#[test]
fn a_replaced_address_gets_no_data_before_it_is_verified() {
    let (mut pair, a, z) = up();
    let now = pair.now;
    pair.a.endpoint.update_config(a, |config| config.auto_asconf = true).unwrap();
    pair.a.endpoint.set_local_addresses(now, vec![ip("10.0.2.1")]);
    pair.set_rule(|hop| if hop.has(ChunkType::HEARTBEAT_ACK) { Fate::Drop } else { Fate::Pass });
    pair.run_for(Duration::from_millis(500));
    pair.send(Side::Z, z, b"not yet");
    pair.z.endpoint.shutdown(pair.now, z).unwrap();
    pair.run_secs(20);
    let allowed = [ChunkType::AUTH, ChunkType::ASCONF_ACK, ChunkType::HEARTBEAT];
    let to_new = pair.hops.iter().filter(|hop| hop.destination == ip("10.0.2.1"));
    assert!(to_new.clone().flat_map(|hop| &hop.chunks).all(|chunk| allowed.contains(&chunk.chunk_type)));
    assert!(to_new.clone().any(|hop| hop.has(ChunkType::HEARTBEAT)));
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(60);
    assert_eq!(pair.read(Side::A, a), ["not yet"]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// RFC 5061, 5.3 F14; RFC 9260, 5.4: an address that was given up before it was ever verified is probed again, each RTO,
/// once it is all that the peer has left.
#[test]
fn the_last_address_is_probed_until_it_is_verified() {
    let mut pair = Pair::multihomed();
    pair.set_rule(|hop| if hop.destination == ip("10.0.2.1") { Fate::Drop } else { Fate::Pass });
    let (a, z) = pair.establish_with(AssociationConfig { path_max_retrans: 0, ..dynamic() });
    pair.run_secs(10);
    assert!(pair.events(Side::Z).iter().any(|event| event.contains("10.0.2.1 Unreachable")));
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.1.1")).unwrap();
    pair.run_secs(2);
    pair.set_rule(|_| Fate::Pass);
    pair.send(Side::Z, z, b"there");
    pair.run_secs(10);
    assert_eq!(pair.read(Side::A, a), ["there"]);
}

/// A peer that goes to an address that never answers is found out in the end (RFC 9260, 8.1).
#[test]
fn a_peer_that_vanished_behind_an_unverified_address_is_given_up() {
    let (mut pair, a, z) = up();
    let now = pair.now;
    pair.a.endpoint.update_config(a, |config| config.auto_asconf = true).unwrap();
    pair.a.endpoint.set_local_addresses(now, vec![ip("10.0.2.1")]);
    pair.set_rule(|hop| if hop.destination == ip("10.0.2.1") { Fate::Drop } else { Fate::Pass });
    pair.send(Side::Z, z, b"in vain");
    pair.run_secs(2_000);
    assert_eq!(pair.events(Side::Z).last().unwrap(), "lost: TimedOut");
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
}

/// RFC 5061, 4.1.1, 5.1 T4, B1 to B5, 5.5: sent again unchanged, on another path, with doubled RTO; lost ASCONF-ACKs come from
/// memory (5.2 E2).
#[test]
fn lost_requests_and_answers_are_repeated() {
    for lost in [ChunkType::ASCONF, ChunkType::ASCONF_ACK] {
        let (mut pair, a, z) = up_multihomed();
        pair.drop_first(2, move |hop| hop.has(lost));
        pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
        pair.run_secs(20);
        let asconfs = pair.hops.iter().filter(|hop| hop.has(ChunkType::ASCONF));
        let chunk =
            |hop: &Hop| hop.chunks.iter().find(|chunk| chunk.chunk_type == ChunkType::ASCONF).cloned();
        let sent: Vec<_> = asconfs.clone().map(chunk).collect();
        assert!(sent.len() == 3 && sent.iter().all(|chunk| *chunk == sent[0]), "B4: {lost}");
        let to: Vec<_> = asconfs.map(|hop| hop.destination).collect();
        assert_ne!(to[0], to[1], "B4: an alternate destination");
        assert_eq!(pair.events(Side::Z), ["10.0.2.1 Removed"], "done once");
        assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
        assert_eq!(locals(&mut pair, Side::A, a), ["10.0.1.1"]);
    }
}

/// RFC 5061, 5.1 B2: the association's error counter has the last word.
#[test]
fn a_peer_that_never_answers_ends_the_association() {
    let (mut pair, a, _) = up();
    pair.set_rule(|hop| if hop.has(ChunkType::ASCONF_ACK) { Fate::Drop } else { Fate::Pass });
    pair.a.endpoint.update_config(a, |config| config.hb_interval = None).unwrap();
    pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.run_secs(1_000);
    assert_eq!(pair.events(Side::A).last().unwrap(), "lost: TimedOut");
    let sent = pair.hops.iter().filter(|hop| hop.has(ChunkType::ASCONF)).count();
    assert_eq!(sent, 1 + AssociationConfig::default().association_max_retrans as usize);
}

/// RFC 5061, 4.1.1, 5.1.1 C1 and 5.1 A3: one outstanding; what comes meanwhile waits for the next one, and all of it goes into it.
#[test]
fn one_request_is_outstanding_at_a_time() {
    let (mut pair, a, z) = up();
    for address in ["10.0.2.1", "10.0.3.1", "10.0.4.1"] {
        pair.a.endpoint.add_local_address(pair.now, a, ip(address)).unwrap();
    }
    // What is taken back before it was sent is never sent.
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.3.1")).unwrap();
    pair.a.endpoint.set_peer_primary(pair.now, a, ip("10.0.4.1")).unwrap();
    pair.drain();
    assert_eq!(pair.hops.len(), 1);
    pair.run_secs(5);
    let chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let asconfs = chunks.filter(|chunk| chunk.chunk_type == ChunkType::ASCONF);
    let text: Vec<_> =
        asconfs.map(|chunk| AsconfChunk::parse(chunk).unwrap().parameters.to_string()).collect();
    assert_eq!(
        text,
        [
            " IPV4_ADDRESS=10.0.1.1 ADD_IP_ADDRESS=10.0.2.1#0",
            " IPV4_ADDRESS=10.0.1.1 ADD_IP_ADDRESS=10.0.4.1#0 SET_PRIMARY_ADDRESS=10.0.4.1#1",
        ]
    );
    let paths = pair.association(Side::Z, z).paths();
    // RFC 5061, 5.4, once it was verified.
    assert_eq!(paths.get(paths.primary()).unwrap().address.remote, ip("10.0.4.1"));
}

/// RFC 5061, 5.3 F5: the last address cannot be deleted; 5.4 and RFC 6458, 8.3.1: only a local address can be made primary.
#[test]
fn commands_that_cannot_be_right_are_refused() {
    let (mut pair, a, z) = up();
    let (now, endpoint) = (pair.now, &mut pair.a.endpoint);
    let (only, other) = (ip("10.0.1.1"), ip("10.0.9.9"));
    assert_eq!(endpoint.remove_local_address(now, a, only), Err(CommandError::LastAddress(only)));
    assert_eq!(endpoint.remove_local_address(now, a, other), Err(CommandError::UnknownLocalAddress(other)));
    assert_eq!(endpoint.set_peer_primary(now, a, other), Err(CommandError::UnknownLocalAddress(other)));
    let added: Vec<_> = (0..40).map(|i| endpoint.add_local_address(now, a, [10, 1, 1, i].into())).collect();
    assert_eq!(added[39], Err(CommandError::TooManyChanges(32)));
    pair.run_secs(30);
    assert!(remotes(&mut pair, Side::Z, z).len() <= 16, "bounded state");
    let mut plain = Pair::new();
    let (a, _) = plain.establish();
    let refused = plain.a.endpoint.add_local_address(plain.now, a, ip("10.0.2.1"));
    assert_eq!(refused, Err(CommandError::NotInUse));
}

/// RFC 5061, 4.2.1, 4.2.2, 4.2.3, 4.2.4, 4.3; 5.2 V3, E6; 5.3 F7, F8, F11: what is refused, with which cause, and that the rest behind it is refused too.
#[test]
fn requests_that_must_be_refused_are() {
    let last = Some(CauseCode::DELETE_LAST_ADDRESS);
    let source = Some(CauseCode::DELETE_SOURCE_ADDRESS);
    let shortage = Some(CauseCode::RESOURCE_SHORTAGE);
    let unresolvable = Some(CauseCode::UNRESOLVABLE_ADDRESS);
    type Refusals = Vec<(u32, Option<CauseCode>)>;
    let cases: [(Vec<Parameter>, Refusals, &[&str]); 9] = [
        (vec![delete(9, "10.0.1.1")], vec![(9, last)], &["10.0.1.1"]),
        (vec![add(1, "10.0.2.1"), delete(2, "10.0.1.1")], vec![(2, source)], &["10.0.1.1", "10.0.2.1"]),
        (
            vec![delete(1, "10.9.9.9"), add(2, "10.0.2.1")],
            vec![(1, unresolvable), (2, shortage)],
            &["10.0.1.1"],
        ),
        (vec![add(3, "224.0.0.1")], vec![(3, unresolvable)], &["10.0.1.1"]),
        (vec![add(3, "255.255.255.255")], vec![(3, unresolvable)], &["10.0.1.1"]),
        (vec![add(3, "127.0.0.1")], vec![(3, unresolvable)], &["10.0.1.1"]),
        (vec![add(3, "2001:db8::1")], vec![(3, shortage)], &["10.0.1.1"]),
        (
            vec![primary(4, "10.9.9.9"), add(5, "10.0.2.1")],
            vec![(4, unresolvable), (5, None)],
            &["10.0.1.1", "10.0.2.1"],
        ),
        (vec![add(1, "10.0.1.1")], vec![], &["10.0.1.1"]),
    ];
    for (requests, expected, left) in cases {
        let (mut pair, a, z) = up();
        let first = first_sequence(&mut pair, a);
        let (responses, to) = ask(&mut pair, a, &asconf(first, requests.clone()), "10.0.1.1").unwrap();
        assert_eq!((refusals(&responses), to), (expected, ip("10.0.1.1")), "{requests:?}");
        assert_eq!(remotes(&mut pair, Side::Z, z), left, "{requests:?}");
        if let Some(Parameter::CauseIndication(CauseIndication { causes, .. })) = responses.first()
            && let Some(cause) = causes.find(CauseCode::DELETE_LAST_ADDRESS)
        {
            let tlv = Parameters::from_iter(requests).0;
            assert_eq!(cause.value, tlv, "4.3.1: the request itself");
        }
    }
}

/// RFC 5061, 5.3 F9 and F11: no more addresses than can be held.
#[test]
fn more_addresses_than_can_be_held_are_refused() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let text = |i: u32| format!("10.1.1.{i}");
    let requests = (0..20).map(|i| add(i, &text(i))).chain([delete(20, "10.1.1.1")]);
    let (responses, _) = ask(&mut pair, a, &asconf(first, requests), "10.0.1.1").unwrap();
    assert_eq!(remotes(&mut pair, Side::Z, z).len(), 16);
    let refused: Vec<_> = (15..21).map(|id| (id, Some(CauseCode::RESOURCE_SHORTAGE))).collect();
    assert_eq!(refusals(&responses), refused);
}

/// RFC 5061, 4.2.1, 4.2.2 and 4.2.4: a wildcard stands for the packet's source.
#[test]
fn wildcards_stand_for_the_source_of_the_packet() {
    let (mut pair, a, z) = up_multihomed();
    let first = first_sequence(&mut pair, a);
    let requests = [add(1, "0.0.0.0"), primary(2, "0.0.0.0")];
    let (responses, to) = ask(&mut pair, a, &asconf(first, requests), "10.0.3.1").unwrap();
    assert_eq!((responses, to), (vec![], ip("10.0.3.1")), "5.2 D2: found by the address in it");
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1", "10.0.3.1"]);
    let (responses, _) =
        ask(&mut pair, a, &asconf(first.wrapping_add(1), [delete(3, "0.0.0.0")]), "10.0.1.1").unwrap();
    assert!(responses.is_empty());
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
}

/// RFC 5061, 5.2 E1 to E5, 5.1.1 C3: numbers.
#[test]
fn only_the_next_request_is_processed_and_the_last_answers_are_kept() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let next = |i: u32| first.wrapping_add(i);
    assert!(ask(&mut pair, a, &asconf(next(1), [add(1, "10.0.2.1")]), "10.0.1.1").is_none(), "E5: ahead");
    let one = asconf(first, [delete(7, "10.0.1.1")]);
    let answer = ask(&mut pair, a, &one, "10.0.1.1");
    assert!(answer.is_some());
    assert_eq!(ask(&mut pair, a, &one, "10.0.1.1"), answer, "E2: from memory");
    let two = asconf(next(1), [add(8, "10.0.2.1")]);
    // E1-ext, E3, C3: both in one packet, both answered, in order.
    let bytes = signed(&mut pair, a, &[one.clone(), two.clone()]);
    pair.hops.clear();
    pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    let chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
    let acks = chunks.filter(|chunk| chunk.chunk_type == ChunkType::ASCONF_ACK);
    let numbers: Vec<_> = acks.map(|ack| AsconfChunk::parse(ack).unwrap().sequence_number).collect();
    assert_eq!(numbers, [first, next(1)]);
    assert!(ask(&mut pair, a, &asconf(next(2), []), "10.0.1.1").is_some());
    assert!(ask(&mut pair, a, &one, "10.0.1.1").is_none(), "E1: forgotten");
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 4.1.1, 4.1.2, 5.2 D5: without AUTH it is discarded in silence, with all behind it.
#[test]
fn a_request_that_is_not_authenticated_is_discarded_with_all_behind_it() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let tag = pair.association(Side::Z, z).local_tag();
    let heartbeat = super::harness::chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4]);
    pair.forge(Side::Z, tag, &[asconf(first, [add(1, "10.0.2.1")]), heartbeat]);
    // RFC 5062, 3: nor from elsewhere.
    let bytes = super::harness::packet(header_to(Side::Z, tag), &[asconf(first, [add(1, "0.0.0.0")])]);
    pair.inject(Side::Z, ip("10.0.66.6"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
    assert!(pair.hops.is_empty());
    let ack = to_raw(&AsconfChunk {
        kind: AsconfKind::AsconfAck,
        sequence_number: first.wrapping_add(9),
        parameters: Parameters::default(),
    });
    pair.forge(Side::Z, tag, &[ack]);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 5061, 4.1.1, 5.2 D3 and D4: a wrong tag, and addresses that name no association.
#[test]
fn a_request_from_afar_needs_the_tag_and_a_known_address() {
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let unknown = asconf_with(first, "10.0.99.1", [add(1, "10.0.2.1")]);
    let bytes = signed(&mut pair, a, &[unknown]);
    pair.inject(Side::Z, ip("10.0.2.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::ABORT), "out of the blue");
    pair.hops.clear();
    let bytes = super::harness::packet(header_to(Side::Z, 1), &[asconf(first, [add(1, "10.0.2.1")])]);
    pair.inject(Side::Z, ip("10.0.2.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert!(pair.hops.is_empty());
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
}

/// RFC 5061, 5.3 F0, 4.3.4: an answer to what was not asked ends the association, an old one does not.
#[test]
fn an_answer_to_nothing_is_illegal() {
    for (ahead, state) in [
        (0, AssociationState::Closed),
        (5, AssociationState::Closed),
        (u32::MAX, AssociationState::Established),
    ] {
        let (mut pair, a, z) = up();
        let sequence_number = pair.association(Side::Z, z).local_initial_tsn.0.wrapping_add(ahead);
        let kind = AsconfKind::AsconfAck;
        let ack = to_raw(&AsconfChunk { kind, sequence_number, parameters: Parameters::default() });
        let bytes = signed(&mut pair, a, &[ack]);
        pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
        pair.drain();
        assert_eq!(pair.state(Side::Z, z), state);
        if state == AssociationState::Closed {
            let cause = Causes(pair.hops[0].chunks[0].value.clone()).iter().next().unwrap().unwrap();
            assert_eq!(cause.code, CauseCode::ILLEGAL_ASCONF_ACK);
        }
    }
}

/// Answers A's request for 10.0.2.1 and 10.0.3.1 with these responses; A's addresses afterwards.
fn after_responses(
    responses: impl IntoIterator<Item = Parameter>,
) -> (Vec<String>, Vec<String>, Pair, AssociationId) {
    let (mut pair, a, z) = up();
    let now = pair.now;
    pair.a.endpoint.update_config(a, |config| config.auto_asconf = true).unwrap();
    pair.a.endpoint.set_local_addresses(now, vec![ip("10.0.1.1"), ip("10.0.2.1"), ip("10.0.3.1")]);
    pair.drain();
    pair.drop_in_flight();
    let ack = AsconfChunk {
        kind: AsconfKind::AsconfAck,
        sequence_number: first_sequence(&mut pair, a),
        parameters: Parameters::from_iter(responses),
    };
    let association = pair.association(Side::Z, z);
    let header = header_to(Side::A, association.peer_tag());
    let authenticator = Arc::clone(association.authenticator().unwrap());
    let mut buffer = Vec::new();
    let mut builder = PacketBuilder::new(&mut buffer, header, 1_500);
    builder.authenticate(authenticator);
    builder.push(&ack).unwrap();
    builder.finish();
    pair.inject(Side::A, ip("10.0.1.2"), ip("10.0.1.1"), buffer.into());
    pair.drain();
    let events = pair.events(Side::A);
    (locals(&mut pair, Side::A, a), events, pair, a)
}

fn refusal(correlation_id: u32, cause: Cause) -> Parameter {
    Parameter::CauseIndication(CauseIndication { correlation_id, causes: cause.into() })
}

/// RFC 5061, 5.1 A6 to A8, 5.3 F10: silence is success before the first failure, failure behind it.
#[test]
fn responses_are_read_as_the_rules_have_it() {
    let shortage = || Cause::ResourceShortage(Bytes::new());
    assert_eq!(after_responses([]).0, ["10.0.1.1", "10.0.2.1", "10.0.3.1"]);
    assert_eq!(after_responses([refusal(0, shortage())]).0, ["10.0.1.1"]);
    assert_eq!(after_responses([refusal(1, shortage())]).0, ["10.0.1.1", "10.0.2.1"]);
    let both = [refusal(0, shortage()), Parameter::SuccessIndication(1)];
    let (left, events, ..) = after_responses(both);
    assert_eq!(left, ["10.0.1.1", "10.0.3.1"]);
    let told = |address, change| format!("LocalAddressChanged {{ address: {address}, change: {change} }}");
    assert_eq!(events, [told("10.0.2.1", "AdditionRefused"), told("10.0.3.1", "Added")]);
    assert_eq!(after_responses([refusal(99, shortage())]).0.len(), 3, "of no request");
}

/// RFC 5061, 5.3 F3a: what is not understood is not asked for again.
#[test]
fn a_peer_that_does_not_understand_additions_is_not_asked_again() {
    let mut tlv = ParametersBuilder::new();
    tlv.push(&add(0, "10.0.2.1"));
    let (left, _, mut pair, a) = after_responses([refusal(0, Cause::UnrecognizedParameters(tlv.finish()))]);
    assert_eq!(left, ["10.0.1.1"]);
    let again = pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1"));
    assert_eq!(again, Err(CommandError::NotInUse));
    assert!(pair.a.endpoint.set_peer_primary(pair.now, a, ip("10.0.1.1")).is_ok());
}

/// RFC 5061, 4.1.1, 5.1 A9, 5.1.1: an ERROR about the chunk itself stops it all.
#[test]
fn a_peer_that_does_not_recognize_asconf_is_not_asked_again() {
    let (mut pair, a, _) = up();
    pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.drain();
    pair.drop_in_flight();
    pair.hops.clear();
    let causes = Cause::UnrecognizedChunkType(Bytes::from_static(&[0xc1, 0, 0, 4])).into();
    let tag = pair.association(Side::A, a).local_tag();
    pair.forge(Side::A, tag, &[to_raw(&ErrorChunk { causes })]);
    pair.run_secs(20);
    assert!(!pair.hops.iter().any(|hop| hop.has(ChunkType::ASCONF)), "T4 is stopped");
    let refused = "LocalAddressChanged { address: 10.0.2.1, change: AdditionRefused }";
    assert_eq!(pair.events(Side::A), [refused, "error 6"]);
    assert!(pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).is_err());
}

/// RFC 5061, 5.2 V2: unknown requests are reported as their types ask for; what is known but misplaced is ignored (4.2,
/// 4.2.6).
#[test]
fn unknown_requests_are_reported() {
    let unknown = |param_type, correlation: u8| Parameter::Unknown {
        param_type: ParameterType(param_type),
        value: Bytes::copy_from_slice(&[0, 0, 0, correlation]),
    };
    let unrecognized = Some(CauseCode::UNRECOGNIZED_PARAMETERS);
    let (mut pair, a, z) = up();
    let first = first_sequence(&mut pair, a);
    let requests = [
        Parameter::AdaptationLayerIndication(5),
        Parameter::SuccessIndication(6),
        unknown(0x9999, 1),
        unknown(0xd999, 2),
        add(3, "10.0.2.1"),
        unknown(0x4999, 4),
        add(5, "10.0.3.1"),
    ];
    let (responses, _) = ask(&mut pair, a, &asconf(first, requests), "10.0.1.1").unwrap();
    assert_eq!(refusals(&responses), [(2, unrecognized), (3, None), (4, unrecognized)]);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 4.1.1: the address in front is mandatory.
#[test]
fn a_request_without_the_address_in_front_is_discarded() {
    let (mut pair, a, z) = up();
    let sequence_number = first_sequence(&mut pair, a);
    let parameters = Parameters::from_iter([add(1, "10.0.2.1")]);
    let chunk = to_raw(&AsconfChunk { kind: AsconfKind::Asconf, sequence_number, parameters });
    assert!(ask(&mut pair, a, &chunk, "10.0.1.1").is_none());
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
}

/// RFC 5061, 5.3 F4 and 5.3.1: while an address goes, an ABORT to it is ignored; afterwards packets to it are out of the blue.
#[test]
fn an_abort_to_an_address_that_goes_is_ignored() {
    let (mut pair, a, z) = up_multihomed();
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.1.1")).unwrap();
    pair.drain();
    pair.drop_in_flight();
    let tag = pair.association(Side::Z, z).local_tag();
    let abort = super::harness::chunk(ChunkType::ABORT, 1, &[]);
    let bytes = super::harness::packet(header_to(Side::A, tag), &[abort]);
    pair.inject(Side::A, ip("10.0.1.2"), ip("10.0.1.1"), bytes.clone());
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    pair.run_secs(10);
    assert_eq!(locals(&mut pair, Side::A, a), ["10.0.2.1"]);
    pair.inject(Side::A, ip("10.0.1.2"), ip("10.0.2.1"), bytes);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed, "to the other one it is not ignored");
}

/// RFC 5061, 5.1.1 C4: in SHUTDOWN-SENT and SHUTDOWN-RECEIVED too, but not afterwards.
#[test]
fn addresses_can_change_during_the_shutdown() {
    let (mut pair, a, z) = up();
    pair.send(Side::Z, z, &[1; 200_000]);
    pair.run_for(Duration::from_millis(25));
    pair.a.endpoint.shutdown(pair.now, a).unwrap();
    pair.run_for(Duration::from_millis(15));
    let states = (pair.state(Side::A, a), pair.state(Side::Z, z));
    assert_eq!(states, (AssociationState::ShutdownSent, AssociationState::ShutdownReceived));
    pair.a.endpoint.add_local_address(pair.now, a, ip("10.0.2.1")).unwrap();
    pair.z.endpoint.add_local_address(pair.now, z, ip("10.0.2.2")).unwrap();
    pair.run_secs(60);
    assert!(pair.events(Side::Z).contains(&"10.0.2.1 Added".to_owned()));
    assert!(pair.events(Side::A).contains(&"10.0.2.2 Added".to_owned()));
    assert_eq!(pair.read(Side::A, a)[0].len(), 200_000);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
}

/// A peer that restarts is told again what it has forgotten.
#[test]
fn what_was_not_finished_before_a_restart_is_asked_for_again() {
    let (mut pair, _, z) = up();
    pair.set_rule(|hop| if hop.has(ChunkType::ASCONF) { Fate::Drop } else { Fate::Pass });
    pair.z.endpoint.add_local_address(pair.now, z, ip("10.0.2.2")).unwrap();
    pair.drain();
    pair.set_rule(|_| Fate::Pass);
    pair.restart_a(&["10.0.1.1"]);
    let a = pair.connect(dynamic());
    pair.run_secs(10);
    assert_eq!(remotes(&mut pair, Side::A, a), ["10.0.1.2", "10.0.2.2"]);
    assert_eq!(locals(&mut pair, Side::Z, z), ["10.0.1.2", "10.0.2.2"]);
}

/// RFC 5062, 2 and 4: a flood of requests, or one with thousands of them, brings no flood of answers or probes.
#[test]
fn floods_of_requests_are_answered_within_bounds() {
    let (mut pair, a, _) = up();
    let first = first_sequence(&mut pair, a);
    let thousands = (0..2_000).map(|i| add(i, &format!("10.7.{}.{}", i >> 8, i & 255)));
    let (responses, _) = ask(&mut pair, a, &asconf(first, thousands), "10.0.1.1").unwrap();
    assert!(responses.len() < 20);
    assert!(pair.hops.iter().all(|hop| hop.bytes.len() <= 508), "RFC 5061, 5.1.1 C5");
    pair.hops.clear();
    for i in 1..200_u32 {
        let victim = format!("10.8.0.{}", i & 255);
        let other = format!("10.7.0.{}", 0);
        let chunk = asconf(first.wrapping_add(i), [delete(1, &other), add(2, &victim)]);
        let bytes = signed(&mut pair, a, &[chunk]);
        pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
        pair.drain();
    }
    pair.run_secs(2);
    let probes = pair.hops.iter().filter(|hop| hop.has(ChunkType::HEARTBEAT)).count();
    assert!(probes < 40, "{probes}");
}

/// RFC 5061, 5.2 D2: nor does a packet that names thousands of associations cost thousands of look-ups; it is out of
/// the blue.
#[test]
fn a_packet_of_nothing_but_requests_from_afar_is_out_of_the_blue() {
    let (mut pair, a, z) = up();
    let chunks: Vec<_> = (0..500).map(|i| asconf_with(i, "10.0.99.1", [])).collect();
    let bytes = signed(&mut pair, a, &chunks);
    pair.inject(Side::Z, ip("10.0.66.6"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert_eq!(pair.hops.len(), 1);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// An address of another family comes and goes: its paths wait for a source, and nothing leaves there meanwhile.
#[test]
fn paths_of_a_family_without_own_addresses_carry_nothing() {
    let mut pair = Pair::with_addresses(&["10.0.1.1", "2001:db8:1::1"], &["10.0.1.2", "2001:db8:1::2"]);
    let (a, z) = pair.establish_with(dynamic());
    pair.a.endpoint.remove_local_address(pair.now, a, ip("2001:db8:1::1")).unwrap();
    pair.hops.clear();
    pair.send(Side::A, a, b"old way");
    pair.run_secs(100);
    assert!(!pair.hops.iter().any(|hop| hop.from == Side::A && hop.destination.is_ipv6()));
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"]);
    pair.a.endpoint.add_local_address(pair.now, a, ip("2001:db8:1::9")).unwrap();
    pair.run_secs(5);
    assert!(pair.association(Side::A, a).paths().iter().all(|path| path.state == PathState::Active));
    assert_eq!(pair.read(Side::Z, z), ["old way"]);
}

/// What the host gets and loses is told only where the user has said so, and only of addresses that suit the peer.
#[test]
fn addresses_of_the_host_are_followed_on_demand() {
    let (mut pair, a, z) = up();
    let now = pair.now;
    let host = || ["10.0.1.1", "10.0.2.1", "127.0.0.1", "fe80::1"].map(ip).to_vec();
    pair.a.endpoint.set_local_addresses(now, host());
    pair.run_secs(1);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1"], "auto_asconf is off");
    pair.a.endpoint.update_config(a, |config| config.auto_asconf = true).unwrap();
    pair.a.endpoint.set_local_addresses(pair.now, host());
    pair.run_secs(5);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
    pair.a.endpoint.set_local_addresses(pair.now, Vec::new());
    pair.run_secs(5);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"], "the last ones stay");
    pair.a.endpoint.set_local_addresses(pair.now, vec![ip("10.0.5.1")]);
    pair.run_secs(10);
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.5.1"]);
}

/// RFC 5061, 4.2.6: the upper layers' own affair, in INIT and INIT ACK; told as it came.
#[test]
fn adaptation_indications_are_passed_on() {
    let mut pair = Pair::new();
    let with =
        |indication| AssociationConfig { adaptation_indication: indication, ..AssociationConfig::default() };
    pair.listen(with(Some(5)));
    pair.connect(with(Some(u32::MAX)));
    pair.run_secs(1);
    assert_eq!(pair.events(Side::A), ["up", "AdaptationIndication(5)"]);
    assert_eq!(pair.events(Side::Z), ["up", "AdaptationIndication(4294967295)"]);
}

/// RFC 5061, 5.4: a request for the primary address in INIT is followed once the address is confirmed; one for an
/// address that is none of the peer's is not.
#[test]
fn an_init_may_ask_for_a_primary_address() {
    for (wish, primary) in [("10.0.2.1", "10.0.2.1"), ("192.0.2.9", "10.0.1.1")] {
        let mut pair = Pair::multihomed();
        pair.listen(dynamic());
        pair.connect(dynamic());
        pair.drain();
        // The INIT of A with one more parameter.
        let init = pair.hops[0].chunks[0].clone();
        pair.drop_in_flight();
        let mut init = crate::wire::chunk::InitChunk::parse(&init).unwrap();
        let more = self::primary(0, wish);
        let mut row = ParametersBuilder::new();
        init.parameters
            .iter()
            .map(Result::unwrap)
            .for_each(|raw| _ = row.push_value(raw.param_type, &raw.value));
        row.push(&more);
        init.parameters = row.finish();
        pair.forge(Side::Z, 0, &[to_raw(&init)]);
        pair.run_secs(5);
        let z = pair.z.id();
        let paths = pair.association(Side::Z, z).paths();
        assert_eq!(paths.get(paths.primary()).unwrap().address.remote, ip(primary));
        assert!(pair.events(Side::A).iter().all(|event| !event.starts_with("error")), "it is recognized");
    }
}

fn any_request() -> impl Strategy<Value = Parameter> {
    let address = (0..6_u8).prop_map(|i| format!("10.0.{i}.1")).boxed();
    prop_oneof![
        (any::<u32>(), address.clone()).prop_map(|(id, address)| add(id, &address)),
        (any::<u32>(), address.clone()).prop_map(|(id, address)| delete(id, &address)),
        (any::<u32>(), address).prop_map(|(id, address)| primary(id, &address)),
        (any::<u16>(), prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(param_type, value)| {
            Parameter::Unknown { param_type: ParameterType(param_type), value: value.into() }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an authenticated peer asks for, an address is left, state stays bounded, and data still comes through.
    #[test]
    fn whatever_is_asked_the_association_lives(
        rounds in prop::collection::vec(prop::collection::vec(any_request(), 0..8), 1..12),
    ) {
        let (mut pair, a, z) = up();
        // A has sent none of this, and would not know what to make of the answers.
        pair.set_rule(|hop| if hop.has(ChunkType::ASCONF_ACK) { Fate::Drop } else { Fate::Pass });
        let first = first_sequence(&mut pair, a);
        for (requests, i) in rounds.into_iter().zip(0..) {
            pair.send(Side::Z, z, &[i as u8; 3_000]);
            let chunk = asconf(first.wrapping_add(i), requests);
            let bytes = signed(&mut pair, a, &[chunk]);
            pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
            pair.run_for(Duration::from_millis(30));
            prop_assert!((1..=16).contains(&remotes(&mut pair, Side::Z, z).len()));
        }
        prop_assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
        pair.send(Side::A, a, b"still here");
        pair.run_secs(1);
        prop_assert_eq!(pair.read(Side::Z, z), ["still here"]);
    }

    /// Both sides change addresses all the time while messages go both ways: nothing is lost, and in the end both know
    /// the same.
    #[test]
    fn messages_survive_any_changes(
        changes in prop::collection::vec((any::<bool>(), 0..5_u8, 0..3_u8, 1..400_u64), 1..25),
        lose in 0..8_usize,
    ) {
        let (mut pair, a, z) = up();
        let mut count = 0;
        pair.set_rule(move |_| {
            count += 1;
            if lose > 0 && count % (lose + 3) == 0 { Fate::Drop } else { Fate::Pass }
        });
        let mut sent = 0_u8;
        for (at_a, network, kind, wait) in changes {
            let (side, id, host) = if at_a { (Side::A, a, 1) } else { (Side::Z, z, 2) };
            let (now, address) = (pair.now, IpAddr::from([10, 0, network, host]));
            let endpoint = &mut pair.host(side).endpoint;
            // Some cannot be: the last address, an unknown one.
            let _ = match kind {
                0 => endpoint.add_local_address(now, id, address),
                1 => endpoint.remove_local_address(now, id, address),
                _ => endpoint.set_peer_primary(now, id, address),
            };
            pair.send(side, id, &[sent; 2_000]);
            sent += 1;
            pair.run_for(Duration::from_millis(wait));
        }
        pair.set_rule(|_| Fate::Pass);
        pair.run_secs(300);
        let received = pair.read(Side::A, a).len() + pair.read(Side::Z, z).len();
        prop_assert_eq!(received, usize::from(sent));
        for (one, id, other, peer) in [(Side::A, a, Side::Z, z), (Side::Z, z, Side::A, a)] {
            let (mut ours, mut theirs) = (locals(&mut pair, one, id), remotes(&mut pair, other, peer));
            ours.sort();
            theirs.sort();
            prop_assert_eq!(ours, theirs);
        }
    }
}
