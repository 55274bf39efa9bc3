//! A NAT in front of A that gives it another outer address in the middle of an association (RFC 6951, 5.7).

use super::asconf_harness::{add, asconf_with, dynamic, of_type, remotes, signed};
use super::harness::{Fate, Pair, Side, header_to, ip, packet};
use crate::association::AssociationState;
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::event::AssociationId;
use crate::wire::chunk::ChunkType;
use crate::wire::param::Parameter;
use core::time::Duration;

const FIRST: &str = "192.0.2.1";
const SECOND: &str = "192.0.2.9";

fn hidden() -> AssociationConfig {
    AssociationConfig { hide_addresses: true, ..dynamic() }
}

/// Both up; A is behind a NAT.
fn behind_nat(config: AssociationConfig) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::new();
    pair.outer = Some(ip(FIRST));
    let (a, z) = pair.establish_with(config);
    assert_eq!(remotes(&mut pair, Side::Z, z), [FIRST]);
    pair.hops.clear();
    (pair, a, z)
}

fn lost(pair: &mut Pair) -> Vec<String> {
    let mut events = pair.events(Side::A);
    events.retain(|event| event.starts_with("lost"));
    events
}

/// RFC 6951, 3.2 and 5.7: an ABORT with the T bit is taken as a sign that the address has changed. RFC 5061, 4.2.1 and 4.2.2:
/// wildcards, and nothing else.
#[test]
fn a_new_outer_address_is_announced_and_no_message_is_lost() {
    let (mut pair, a, z) = behind_nat(hidden());
    pair.outer = Some(ip(SECOND));
    for message in [b"one", b"two"] {
        pair.send(Side::A, a, message);
        pair.send(Side::Z, z, message);
    }
    pair.run_secs(10);
    assert_eq!(pair.read(Side::Z, z), ["one", "two"]);
    assert_eq!(pair.read(Side::A, a), ["one", "two"]);
    assert_eq!(remotes(&mut pair, Side::Z, z), [SECOND]);
    assert_eq!(lost(&mut pair), [] as [&str; 0]);
    let asked = of_type(&pair.hops, ChunkType::ASCONF);
    assert_eq!(asked.len(), 1);
    let parameters: Vec<_> =
        asked[0].parameters.iter().map(|raw| Parameter::parse(&raw.unwrap()).unwrap()).collect();
    let address = |parameter: &Parameter| match parameter {
        Parameter::AddAddress(request) | Parameter::DeleteAddress(request) => request.address,
        other => other.as_address().unwrap(),
    };
    assert!(parameters.iter().all(|parameter| address(parameter).is_unspecified()), "{parameters:?}");
    // RFC 5061, 5.3 F5.
    assert!(matches!(parameters[1..], [Parameter::AddAddress(_), Parameter::DeleteAddress(_)]));
}

/// RFC 5061, 5.3 F1: until the peer knows the address, nothing else leaves from it.
#[test]
fn once_the_peer_has_said_that_it_knows_nobody_only_the_announcement_leaves() {
    let (mut pair, a, _) = behind_nat(hidden());
    pair.outer = Some(ip(SECOND));
    pair.set_rule(|hop| if hop.has(ChunkType::ASCONF) { Fate::Drop } else { Fate::Pass });
    pair.send(Side::A, a, b"before");
    pair.run_for(Duration::from_millis(25));
    pair.hops.clear();
    pair.send(Side::A, a, b"meanwhile");
    pair.run_secs(20);
    let others = pair.hops.iter().filter(|hop| hop.from == Side::A && !hop.has(ChunkType::ASCONF));
    assert_eq!(others.count(), 0);
}

/// RFC 9260, 8.4: the peer really knows no association.
#[test]
fn an_association_that_the_peer_has_forgotten_ends_all_the_same() {
    let (mut pair, a, z) = behind_nat(hidden());
    pair.set_rule(|hop| {
        if hop.has(ChunkType::ABORT) && hop.chunks[0].flags == 0 { Fate::Drop } else { Fate::Pass }
    });
    pair.z.endpoint.release(z);
    pair.send(Side::A, a, b"anybody there?");
    pair.run_secs(1);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    pair.run_secs(9);
    assert_eq!(lost(&mut pair), ["lost: PeerAborted { cause: None, value: b\"\" }"]);
}

#[test]
fn without_hidden_addresses_that_may_be_changed_such_an_abort_is_the_end() {
    let plain = AssociationConfig { hide_addresses: true, ..AssociationConfig::default() };
    for config in [plain, dynamic()] {
        let (mut pair, a, _) = behind_nat(config);
        let now = pair.now;
        assert_eq!(pair.a.endpoint.announce_source(now, a), Err(CommandError::NotInUse));
        pair.outer = Some(ip(SECOND));
        pair.send(Side::A, a, b"anybody there?");
        pair.run_secs(1);
        assert_eq!(lost(&mut pair).len(), 1);
    }
}

/// RFC 9260, 8.3 and 9.2: the peer, which still has data to send, verifies the new address by a HEARTBEAT, although SHUTDOWN
/// came from there already.
#[test]
fn an_outer_address_that_changes_during_a_shutdown_does_not_keep_it_from_its_end() {
    let (mut pair, a, z) = behind_nat(hidden());
    pair.set_rule(
        |hop| if hop.from == Side::Z && hop.has(ChunkType::DATA) { Fate::Drop } else { Fate::Pass },
    );
    pair.send(Side::Z, z, b"late");
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.state(Side::A, a), AssociationState::ShutdownSent);
    pair.outer = Some(ip(SECOND));
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(60);
    assert_eq!(pair.read(Side::A, a), ["late"]);
    assert!(pair.events(Side::A).contains(&"ShutdownComplete".to_owned()));
}

/// The peer's ABORT may not get through.
#[test]
fn a_path_that_falls_silent_has_the_address_announced() {
    let (mut pair, a, z) = behind_nat(hidden());
    pair.set_rule(|hop| if hop.has(ChunkType::ABORT) { Fate::Drop } else { Fate::Pass });
    pair.outer = Some(ip(SECOND));
    pair.send(Side::A, a, b"still here");
    pair.run_secs(10);
    assert_eq!(pair.read(Side::Z, z), ["still here"]);
    assert_eq!(remotes(&mut pair, Side::Z, z), [SECOND]);
}

/// RFC 5061, 5.1 B1: what T3-rtx counts already does not count twice.
#[test]
fn a_silent_peer_is_given_up_no_sooner_for_being_asked() {
    let [asking, silent] = [hidden(), AssociationConfig::default()].map(|config| {
        let (mut pair, a, _) = behind_nat(AssociationConfig { hb_interval: None, ..config });
        pair.set_rule(|_| Fate::Drop);
        pair.send(Side::A, a, b"hello?");
        let start = pair.now;
        while pair.state(Side::A, a) != AssociationState::Closed {
            pair.run_secs(1);
        }
        pair.now.since(start).as_secs()
    });
    assert!(asking >= silent && silent > 60, "{asking} s, {silent} s");
}

#[test]
fn the_user_may_have_it_announced_before_anything_is_lost() {
    let (mut pair, a, z) = behind_nat(hidden());
    pair.outer = Some(ip(SECOND));
    let now = pair.now;
    pair.a.endpoint.announce_source(now, a).unwrap();
    pair.a.endpoint.announce_source(now, a).unwrap();
    pair.run_secs(1);
    assert_eq!(remotes(&mut pair, Side::Z, z), [SECOND]);
    assert_eq!(of_type(&pair.hops, ChunkType::ASCONF).len(), 1);
    pair.send(Side::Z, z, b"there you are");
    pair.run_secs(1);
    assert_eq!(pair.read(Side::A, a), ["there you are"]);
}

/// RFC 5061, 4.1.1: found by other information in the packet, the tag. 5.2 D4 and D5: it must be right, and the request
/// authenticated.
#[test]
fn a_request_that_names_nothing_is_found_by_its_tag_and_must_be_authentic() {
    let (mut pair, a, z) = behind_nat(hidden());
    let request =
        asconf_with(pair.association(Side::A, a).local_initial_tsn.0, "0.0.0.0", [add(1, "0.0.0.0")]);
    let tag = pair.association(Side::Z, z).local_tag();
    let unsigned = packet(header_to(Side::Z, tag), core::slice::from_ref(&request));
    let elsewhere = packet(header_to(Side::Z, tag ^ 1), core::slice::from_ref(&request));
    for (bytes, answered) in [(unsigned, 0), (elsewhere, 1)] {
        pair.hops.clear();
        pair.outer = None;
        pair.inject(Side::Z, ip("198.51.100.6"), ip("10.0.1.2"), bytes);
        pair.drain();
        assert_eq!(pair.hops.iter().filter(|hop| hop.has(ChunkType::ABORT)).count(), answered, "8.4");
        assert_eq!(remotes(&mut pair, Side::Z, z), [FIRST]);
    }
    let bytes = signed(&mut pair, a, &[request]);
    pair.inject(Side::Z, ip(SECOND), ip("10.0.1.2"), bytes);
    assert_eq!(remotes(&mut pair, Side::Z, z), [FIRST, SECOND]);
}
