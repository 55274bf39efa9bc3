//! Addresses that change on a living association (RFC 5061).

use super::asconf_harness::{
    add, answer, dynamic, first_sequence, locals, of_type, primary, refusal, remotes, signed, up,
    up_multihomed,
};
use super::harness::{Fate, Hop, Pair, Side, chunk, header_to, ip, packet};
use crate::association::{AssociationState, to_raw};
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::event::AssociationId;
use crate::path::PathState;
use crate::wire::cause::{Cause, CauseCode};
use crate::wire::chunk::{AsconfChunk, AsconfKind, ChunkType, ErrorChunk, InitChunk};
use crate::wire::param::{Parameter, Parameters};
use crate::wire::{Causes, ParametersBuilder};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;
use proptest::prelude::*;

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
    let bytes = signed(&mut pair, a, &[chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 4])]);
    pair.hops.clear();
    pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), bytes);
    pair.drain();
    assert!(pair.hops[0].has(ChunkType::ABORT), "F13: out of the blue");
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
}

/// RFC 5061, 4.1.1, 5.3.2: the only address changes. The request leaves from the new one and names the old one, and nothing
/// else leaves until it is answered (5.3 F1, F4).
/// RFC 5061, 5.2.
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
    let requests = of_type(&pair.hops[..answered], ChunkType::ASCONF);
    let lookup = Parameter::parse(&requests[0].parameters.iter().next().unwrap().unwrap()).unwrap();
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
        assert_eq!(pair.association(Side::A, a).stats().t4_expiries, 2);
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
    let text: Vec<_> =
        of_type(&pair.hops, ChunkType::ASCONF).iter().map(|chunk| chunk.parameters.to_string()).collect();
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
    let number = first_sequence(&mut pair, a);
    answer(&mut pair, z, number, responses);
    let events = pair.events(Side::A);
    (locals(&mut pair, Side::A, a), events, pair, a)
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

/// RFC 5061, 5.3 F4 and 5.3.1: while an address goes, an ABORT to it is ignored; afterwards packets to it are out of the blue.
#[test]
fn an_abort_to_an_address_that_goes_is_ignored() {
    let (mut pair, a, z) = up_multihomed();
    pair.a.endpoint.remove_local_address(pair.now, a, ip("10.0.1.1")).unwrap();
    pair.drain();
    pair.drop_in_flight();
    let tag = pair.association(Side::Z, z).local_tag();
    let abort = chunk(ChunkType::ABORT, 1, &[]);
    let bytes = packet(header_to(Side::A, tag), &[abort]);
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

/// RFC 5061, 5.1.1 C1: nor does what was taken back meanwhile come before what took it back.
#[test]
fn a_deletion_that_was_taken_back_before_a_restart_is_not_asked_for_again() {
    let (mut pair, _, z) = up_multihomed();
    pair.set_rule(|hop| if hop.has(ChunkType::ASCONF) { Fate::Drop } else { Fate::Pass });
    pair.z.endpoint.remove_local_address(pair.now, z, ip("10.0.2.2")).unwrap();
    pair.drain();
    pair.z.endpoint.add_local_address(pair.now, z, ip("10.0.2.2")).unwrap();
    pair.set_rule(|_| Fate::Pass);
    pair.restart_a(&["10.0.1.1", "10.0.2.1"]);
    let a = pair.connect(dynamic());
    pair.run_secs(10);
    assert_eq!(remotes(&mut pair, Side::A, a), ["10.0.1.2", "10.0.2.2"]);
    assert_eq!(locals(&mut pair, Side::Z, z), ["10.0.1.2", "10.0.2.2"]);
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

/// RFC 5061, 5.1.1 C4: what changes during the set-up is told once the association is up.
#[test]
fn addresses_that_the_host_gets_during_the_set_up_are_told_afterwards() {
    let mut pair = Pair::new();
    let config = AssociationConfig { auto_asconf: true, ..dynamic() };
    pair.listen(config.clone());
    pair.connect(config);
    pair.drain();
    pair.a.endpoint.set_local_addresses(pair.now, vec![ip("10.0.1.1"), ip("10.0.2.1")]);
    pair.run_secs(5);
    let z = pair.z.id();
    assert_eq!(remotes(&mut pair, Side::Z, z), ["10.0.1.1", "10.0.2.1"]);
}

/// RFC 5061, 4.2.6: the upper layers' own affair, in INIT and INIT ACK; told as it came.
/// RFC 5061, 6.
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
    for (wish, followed) in [("10.0.2.1", "10.0.2.1"), ("192.0.2.9", "10.0.1.1")] {
        let mut pair = Pair::multihomed();
        pair.listen(dynamic());
        pair.connect(dynamic());
        pair.drain();
        // The INIT of A with one more parameter.
        let init = pair.hops[0].chunks[0].clone();
        pair.drop_in_flight();
        let mut init = InitChunk::parse(&init).unwrap();
        let more = primary(0, wish);
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
        assert_eq!(paths.get(paths.primary()).unwrap().address.remote, ip(followed));
        assert!(pair.events(Side::A).iter().all(|event| !event.starts_with("error")), "it is recognized");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

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
