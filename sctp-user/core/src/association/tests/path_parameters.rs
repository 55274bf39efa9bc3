//! What is set for one path alone (RFC 6458, 8.1.12).

use super::harness::{Hop, Pair, Side, ip};
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::event::AssociationId;
use crate::net::{IpDefaults, IpMarks};
use crate::path::mtu::{MtuSearchConfig, MtuState};
use crate::path::{Path, PathParameters};
use crate::wire::chunk::ChunkType;
use core::time::Duration;

const FIRST: &str = "10.0.1.2";
const SECOND: &str = "10.0.2.2";

fn update(pair: &mut Pair, a: AssociationId, remote: &str, change: impl FnOnce(&mut PathParameters)) {
    pair.a.endpoint.update_path(a, ip(remote), change).unwrap();
}

fn path<'a>(pair: &'a mut Pair, a: AssociationId, remote: &str) -> &'a Path {
    pair.association(Side::A, a).paths().by_remote(ip(remote)).unwrap()
}

/// HEARTBEATs of A to each path from now on.
fn beats(pair: &mut Pair, secs: u64) -> [usize; 2] {
    pair.hops.clear();
    pair.run_secs(secs);
    [FIRST, SECOND].map(|remote| {
        let is_beat = |hop: &&Hop| hop.destination == ip(remote) && hop.has(ChunkType::HEARTBEAT);
        pair.hops.iter().filter(is_beat).count()
    })
}

#[test]
fn an_address_that_is_none_of_the_peers_has_no_parameters() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    let unknown = ip("10.9.9.9");
    let refused = pair.a.endpoint.update_path(a, unknown, |path| path.hb_interval = None);
    assert_eq!(refused, Err(CommandError::UnknownAddress(unknown)));
}

/// RFC 6458, 8.1.12: spp_hbinterval, SPP_HB_ENABLE and SPP_HB_DISABLE of one address; RFC 9260, 8.3.
#[test]
fn heartbeats_of_one_path_have_their_own_interval_or_are_off() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish();
    update(&mut pair, a, SECOND, |path| path.hb_interval = Some(Duration::from_secs(5)));
    // What was scheduled before still comes at its time.
    pair.run_secs(60);
    let [first, second] = beats(&mut pair, 300);
    assert!((8..=10).contains(&first) && (45..=55).contains(&second), "{first} {second}");
    update(&mut pair, a, SECOND, |path| path.hb_interval = None);
    let [first, second] = beats(&mut pair, 300);
    assert!((8..=10).contains(&first) && second == 0, "{first} {second}");
    // One that is turned on begins at once.
    update(&mut pair, a, SECOND, |path| path.hb_interval = Some(Duration::from_secs(600)));
    assert_eq!(beats(&mut pair, 1)[1], 1);
    // The empty address: what is changed of the association holds for all paths.
    pair.a.endpoint.update_config(a, |config| config.hb_interval = None).unwrap();
    assert_eq!(beats(&mut pair, 1_000), [0, 0]);
}

/// What is changed of the association beside it leaves a path's own parameters as they are.
#[test]
fn a_path_keeps_its_own_parameters_when_others_of_the_association_change() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish();
    update(&mut pair, a, SECOND, |path| path.hb_interval = None);
    pair.a.endpoint.update_config(a, |config| config.sack_delay = Duration::from_millis(50)).unwrap();
    let parameters = path(&mut pair, a, SECOND).parameters;
    assert_eq!((parameters.hb_interval, parameters.sack_delay), (None, Duration::from_millis(50)));
}

/// RFC 6458, 8.1.12: SPP_PMTUD_DISABLE with spp_pathmtu of one address, and back.
#[test]
fn one_path_has_a_fixed_mtu_while_that_of_the_other_is_searched_for() {
    let mut pair = Pair::multihomed();
    pair.mtu_search = Some(MtuSearchConfig { max_mtu: 1_500, ..MtuSearchConfig::default() });
    let (a, _) = pair.establish();
    pair.run_secs(5);
    assert_eq!([FIRST, SECOND].map(|remote| path(&mut pair, a, remote).max_packet_size), [1_480; 2]);
    update(&mut pair, a, SECOND, |path| (path.mtu_search, path.path_mtu) = (None, 1_000));
    pair.hops.clear();
    pair.send(Side::A, a, &[7; 20_000]);
    pair.run_secs(5);
    assert_eq!([FIRST, SECOND].map(|remote| path(&mut pair, a, remote).max_packet_size), [1_480, 980]);
    assert_eq!(path(&mut pair, a, SECOND).mtu.state(), MtuState::Disabled);
    let data = |hop: &&Hop| hop.from == Side::A && hop.has(ChunkType::DATA);
    let chunks = pair.hops.iter().filter(data).flat_map(|hop| &hop.chunks);
    let longest = chunks.map(|chunk| 4 + chunk.value.len()).max();
    assert_eq!(longest, Some(980 - 12), "a chunk can be sent again on each path (RFC 9260, 6.9)");
    update(&mut pair, a, SECOND, |path| path.mtu_search = Some(MtuSearchConfig::default()));
    pair.run_secs(5);
    assert!(path(&mut pair, a, SECOND).max_packet_size >= 1_480);
}

/// RFC 6458, 8.1.12: spp_sackdelay of one address holds for what comes from there.
#[test]
fn a_sack_waits_as_long_as_was_set_for_the_path_that_data_comes_on() {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish();
    // The first DATA is acknowledged at once (RFC 9260, 5.1).
    pair.send(Side::A, a, b"first");
    pair.run_secs(1);
    let delay = Duration::from_millis(450);
    pair.z.endpoint.update_path(z, ip("10.0.2.1"), |path| path.sack_delay = delay).unwrap();
    let waited = |pair: &mut Pair| {
        let begun = pair.now;
        pair.hops.clear();
        pair.send(Side::A, a, b"one packet");
        while !pair.hops.iter().any(|hop| hop.has(ChunkType::SACK)) {
            pair.run_for(Duration::from_millis(10));
        }
        let waited = pair.now - begun;
        pair.run_secs(1);
        waited
    };
    assert!(waited(&mut pair) < Duration::from_millis(250), "the default is 200 ms");
    pair.a.endpoint.set_primary(a, ip(SECOND)).unwrap();
    waited(&mut pair);
    let on_second = waited(&mut pair);
    assert!(on_second >= delay && on_second < delay + Duration::from_millis(50), "{on_second:?}");
    pair.z.endpoint.update_path(z, ip("10.0.2.1"), |path| path.sack_frequency = Some(1)).unwrap();
    assert!(waited(&mut pair) < Duration::from_millis(50), "SPP_SACKDELAY_DISABLE");
}

/// Marks of A's packets to each path, since the hops were cleared.
fn marks(pair: &Pair, remote: &str) -> Vec<IpMarks> {
    let mut marks: Vec<_> =
        pair.hops.iter().filter(|hop| hop.destination == ip(remote)).map(|hop| hop.marks).collect();
    marks.dedup();
    marks
}

/// RFC 6458, 8.1.12: spp_dscp and spp_ipv6_flowlabel; RFC 2474, 3: six bits; RFC 3168, 5: the others are ECN's.
#[test]
fn packets_have_the_dscp_of_their_path() {
    let mut pair = Pair::multihomed();
    let config = AssociationConfig { dscp: Some(0xbb), ..AssociationConfig::default() };
    let (a, z) = pair.establish_with(config);
    let ef = IpMarks { dscp: 0xb8, ..IpMarks::NONE };
    assert_eq!(marks(&pair, FIRST), [ef], "INIT, COOKIE ECHO");
    assert_eq!(marks(&pair, "10.0.1.1"), [ef], "INIT ACK and COOKIE ACK of a listener");
    update(&mut pair, a, SECOND, |path| (path.dscp, path.flow_label) = (Some(0x28), Some(0xff_1234)));
    pair.hops.clear();
    pair.send(Side::A, a, &[7; 20_000]);
    pair.a.endpoint.request_heartbeat(pair.now, a, ip(SECOND)).unwrap();
    pair.run_secs(1);
    assert_eq!(marks(&pair, FIRST), [ef]);
    assert_eq!(marks(&pair, SECOND), [IpMarks { dscp: 0x28, flow_label: 0xf_1234, hop_limit: 0 }]);
    pair.hops.clear();
    pair.z.endpoint.abort(pair.now, z, bytes::Bytes::new()).unwrap();
    pair.run_secs(1);
    assert_eq!(marks(&pair, "10.0.1.1"), [ef], "ABORT");
}

/// The options of a socket at the levels of IP (IP_TOS, IP_TTL) hold for what has no DSCP of its own.
#[test]
fn the_options_of_ip_hold_where_no_dscp_was_set() {
    let mut pair = Pair::multihomed();
    let ipv4 = IpDefaults { traffic_class: 0x13, hop_limit: 7 };
    let config = AssociationConfig { ipv4, ..AssociationConfig::default() };
    let (a, _) = pair.establish_with(config);
    assert_eq!(marks(&pair, FIRST), [IpMarks { dscp: 0x10, hop_limit: 7, flow_label: 0 }]);
    update(&mut pair, a, FIRST, |path| path.dscp = Some(0));
    pair.hops.clear();
    pair.send(Side::A, a, b"default forwarding, as it was asked for");
    pair.run_secs(1);
    assert_eq!(marks(&pair, FIRST), [IpMarks { dscp: 0, hop_limit: 7, flow_label: 0 }]);
}
