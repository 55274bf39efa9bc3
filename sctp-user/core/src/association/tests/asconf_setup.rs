//! Addresses of ours that come and go while an association is being set up, or set up anew (RFC 9260, 5.1; RFC 5061).

use super::asconf_harness::{dynamic, locals, of_type, remotes};
use super::harness::{PORT_Z, Pair, Side, ip};
use crate::config::AssociationConfig;
use crate::endpoint::ListenOptions;
use crate::event::AssociationId;
use crate::extensions::Extensions;
use crate::wire::chunk::ChunkType;
use core::net::IpAddr;
use core::time::Duration;

const OLD: &str = "10.0.1.2";
const NEW: &str = "10.0.2.2";

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| ip(text)).collect()
}

/// Until Z has sent its INIT ACK, and from there until it has read the COOKIE ECHO.
const TO_INIT_ACK: Duration = Duration::from_millis(15);
const TO_COOKIE_ECHO: Duration = Duration::from_millis(20);

/// A pair whose Z has `before` when it sends INIT ACK and `after` when COOKIE ECHO comes; bound to them, or following
/// the host.
fn changed_meanwhile(
    config: &AssociationConfig,
    bound: bool,
    before: &[&str],
    after: &[&str],
) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::with_addresses(&["10.0.1.1", "10.0.2.1"], before);
    let bindings = if bound { addresses(before) } else { Vec::new() };
    let options = ListenOptions { addresses: bindings, config: config.clone(), ..ListenOptions::default() };
    let listener = pair.z.endpoint.listen(PORT_Z, options).unwrap();
    let a = pair.connect(config.clone());
    pair.run_for(TO_INIT_ACK);
    pair.z.endpoint.set_local_addresses(pair.now, addresses(after));
    if bound {
        pair.z.endpoint.set_listener_addresses(listener, &addresses(after)).unwrap();
    }
    pair.run_for(TO_COOKIE_ECHO);
    let z = pair.z.id();
    (pair, a, z)
}

fn following() -> AssociationConfig {
    AssociationConfig { auto_asconf: true, ..dynamic() }
}

/// RFC 9260, 5.1.2 C: the peer knows the addresses that the INIT ACK listed, and no others. RFC 5061, 4.2.1, 5.3 F1: what has
/// come since is asked for, and no packet leaves from there before that is granted.
#[test]
fn an_address_that_came_after_the_init_ack_is_added_once_the_association_is_up() {
    for (config, bound) in [(following(), false), (dynamic(), true)] {
        let (mut pair, a, z) = changed_meanwhile(&config, bound, &[OLD], &[OLD, NEW]);
        assert_eq!(locals(&mut pair, Side::Z, z), [OLD]);
        assert_eq!(remotes(&mut pair, Side::A, a), [OLD]);
        assert!(pair.hops.iter().all(|hop| hop.source != ip(NEW)));
        pair.run_secs(2);
        assert_eq!(of_type(&pair.hops, ChunkType::ASCONF).len(), 1);
        assert_eq!(locals(&mut pair, Side::Z, z), [OLD, NEW]);
        assert_eq!(remotes(&mut pair, Side::A, a), [OLD, NEW]);
    }
}

/// RFC 5061, 4.2.2.
#[test]
fn an_address_that_went_after_the_init_ack_is_taken_off_once_the_association_is_up() {
    for (config, bound) in [(following(), false), (dynamic(), true)] {
        let (mut pair, a, z) = changed_meanwhile(&config, bound, &[OLD, NEW], &[OLD]);
        assert_eq!(remotes(&mut pair, Side::A, a), [OLD, NEW]);
        pair.run_secs(2);
        assert_eq!(locals(&mut pair, Side::Z, z), [OLD]);
        assert_eq!(remotes(&mut pair, Side::A, a), [OLD]);
    }
}

/// RFC 5061, 4.2.7: nobody is asked who does not know how to answer. RFC 6951, 5.7: hidden addresses are in no packet.
#[test]
fn where_addresses_are_not_changed_those_of_the_init_ack_stay() {
    let plain = AssociationConfig { extensions: Extensions::NONE, ..AssociationConfig::default() };
    let hidden = AssociationConfig { hide_addresses: true, ..following() };
    for (config, bound) in [(&plain, false), (&plain, true), (&hidden, false), (&hidden, true)] {
        let (mut pair, a, z) = changed_meanwhile(config, bound, &[OLD], &[OLD, NEW]);
        pair.run_secs(2);
        assert_eq!(locals(&mut pair, Side::Z, z), [OLD]);
        assert_eq!(remotes(&mut pair, Side::A, a), [OLD]);
        assert!(of_type(&pair.hops, ChunkType::ASCONF).is_empty());
    }
}

/// The host follows nobody unless the user says so, and is bound to nothing.
#[test]
fn an_address_that_nobody_asked_for_is_not_added() {
    let (mut pair, a, z) = changed_meanwhile(&dynamic(), false, &[OLD], &[OLD, NEW]);
    pair.run_secs(2);
    assert_eq!(locals(&mut pair, Side::Z, z), [OLD]);
    assert_eq!(remotes(&mut pair, Side::A, a), [OLD]);
}

/// RFC 9260, 5.2.4 A: a peer that restarts knows the addresses of the INIT ACK that it got, and not those that its former
/// self granted after that.
#[test]
fn what_changes_while_the_peer_restarts_is_asked_for_again() {
    let (mut pair, a, z) = changed_meanwhile(&dynamic(), false, &[OLD], &[OLD]);
    pair.z.endpoint.add_local_address(pair.now, z, ip(NEW)).unwrap();
    // The grant of the former self is on its way when its successor begins.
    pair.run_for(TO_INIT_ACK);
    assert_eq!(remotes(&mut pair, Side::A, a), [OLD, NEW]);
    pair.restart_a(&["10.0.1.1", "10.0.2.1"]);
    let (now, granted) = (pair.now, pair.take_in_flight());
    let a = pair.connect(dynamic());
    pair.run_for(TO_INIT_ACK);
    assert!(now < pair.now && locals(&mut pair, Side::Z, z) == [OLD]);
    granted.iter().for_each(|hop| pair.deliver(hop));
    assert_eq!(locals(&mut pair, Side::Z, z), [OLD, NEW]);
    pair.run_for(TO_COOKIE_ECHO);
    assert_eq!(remotes(&mut pair, Side::A, a), [OLD]);
    assert_eq!(locals(&mut pair, Side::Z, z), [OLD]);
    pair.run_secs(2);
    assert_eq!(remotes(&mut pair, Side::A, a), [OLD, NEW]);
    assert_eq!(locals(&mut pair, Side::Z, z), [OLD, NEW]);
}
