//! TSNs that are reset on both sides (RFC 6525, 5.1.4 and 5.2.4).

use super::harness::{Fate, Pair, Side, chunk};
use super::reconfig_harness::willing;
use crate::association::AssociationState;
use crate::error::ReconfigError;
use crate::serial::Tsn;
use crate::wire::chunk::ChunkType;
use core::time::Duration;

/// RFC 6525, 5.1.4 C1 to C3, 5.2.4 G1, G2 and G5, 5.1.7 D3 and D4, 5.2.7 H5; Appendix A, fourth example.
#[test]
fn tsns_and_all_streams_are_reset_on_both_sides() {
    let (mut pair, a, z) = willing();
    for stream in [0, 1] {
        pair.send_on(Side::A, a, stream, "x");
        pair.send_on(Side::Z, z, stream, "x");
    }
    pair.run_secs(1);
    let [ours, theirs] =
        [(Side::A, a), (Side::Z, z)].map(|(side, id)| pair.association(side, id).sender.next_tsn());
    pair.reset_tsns(Side::A, a).unwrap();
    pair.send_on(Side::A, a, 1, "y");
    pair.run_secs(1);
    assert_eq!(pair.said(a, z), ["A: TSN#0", "Z: RESP#0=1 TSNs"]);
    let event = |local: Tsn, remote: Tsn| {
        format!("AssociationReset {{ local_tsn: {local}, remote_tsn: {remote}, outcome: Done }}")
    };
    assert_eq!(pair.events(Side::A), [event(ours.plus(1 << 31), theirs)]);
    assert_eq!(pair.events(Side::Z), [event(theirs, ours.plus(1 << 31))]);
    pair.send_on(Side::Z, z, 1, "y");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/0:0", "x/1:0", "y/1:0"]);
    assert_eq!(pair.read_numbered(Side::A, a), ["x/0:0", "x/1:0", "y/1:0"]);
    assert!(!pair.association(Side::A, a).has_unacknowledged());
}

/// RFC 6525, 5.2.4 G3: what the peer has on its way would count as acknowledged. It lets it arrive first.
/// RFC 6525, 5.1.4.
#[test]
fn nothing_is_lost_when_tsns_are_reset_in_the_midst_of_traffic() {
    for lost in 0..12 {
        let (mut pair, a, z) = willing();
        let send = |pair: &mut Pair, range: core::ops::Range<u8>| {
            for index in range {
                pair.send_on(Side::A, a, u16::from(index % 3), &format!("{index:03}").repeat(200));
                pair.send_on(Side::Z, z, u16::from(index % 3), &format!("{index:03}").repeat(200));
            }
        };
        send(&mut pair, 0..60);
        pair.run_for(Duration::from_millis(15));
        let mut count = 0;
        pair.set_rule(move |_| {
            count += 1;
            if count % 12 == lost { Fate::Drop } else { Fate::Pass }
        });
        pair.reset_tsns(Side::A, a).unwrap();
        send(&mut pair, 60..120);
        pair.run_secs(300);
        for (side, id) in [(Side::A, a), (Side::Z, z)] {
            assert_eq!(pair.state(side, id), AssociationState::Established);
            let got: Vec<_> = pair.read(side, id);
            for stream in 0..3 {
                let on_stream =
                    got.iter().map(|bytes| String::from_utf8_lossy(&bytes[..3]).parse::<u16>().unwrap());
                let indices: Vec<_> = on_stream.filter(|index| index % 3 == stream).collect();
                assert_eq!(
                    indices,
                    (0..120).filter(|index| index % 3 == stream).collect::<Vec<_>>(),
                    "{lost}"
                );
            }
            let events = pair.events(side);
            assert!(events.iter().any(|event| event.contains("AssociationReset") && event.contains("Done")));
        }
    }
}

/// RFC 6525, 5.2.4; RFC 9260, 6.2.1: an acknowledgement that comes later than the response speaks of TSNs that never were
/// sent, or so it seems.
#[test]
fn an_acknowledgement_from_before_a_reset_of_tsns_is_no_violation() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 0, "x");
    pair.run_secs(1);
    let late = pair.hops.iter().find(|hop| hop.from == Side::Z && hop.has(ChunkType::SACK)).unwrap().clone();
    pair.reset_tsns(Side::A, a).unwrap();
    pair.run_secs(1);
    pair.send_on(Side::A, a, 0, "y");
    pair.run_secs(1);
    pair.inject(Side::A, late.source, late.destination, late.bytes);
    pair.send_on(Side::A, a, 0, "z");
    pair.run_secs(1);
    assert_eq!(pair.read_numbered(Side::Z, z), ["x/0:0", "y/0:0", "z/0:1"]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    assert!(!pair.association(Side::A, a).has_unacknowledged());
}

/// RFC 6525, 5.2.4; RFC 9260, 6.2.1: a peer that gets the SACK before the response takes it for one of TSNs that it never sent, and
/// may end the association. So it does not leave first, even if a further packet comes in the same batch as the request.
#[test]
fn no_sack_overtakes_the_response_to_a_reset_of_tsns() {
    let (mut pair, a, z) = willing();
    pair.send_on(Side::A, a, 0, "x");
    pair.run_secs(1);
    pair.reset_tsns(Side::A, a).unwrap();
    pair.drain();
    let requests = pair.take_in_flight();
    assert!(requests.iter().any(|hop| hop.has(ChunkType::RE_CONFIG)));
    requests.iter().for_each(|hop| pair.deliver(hop));
    let before = pair.hops.len();
    let tag = pair.association(Side::Z, z).local_tag();
    pair.forge(Side::Z, tag, &[chunk(ChunkType::HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4])]);
    pair.drain();
    let first = pair.hops[before..].iter().find(|hop| hop.from == Side::Z).unwrap();
    assert!(first.has(ChunkType::RE_CONFIG), "{:?}", pair.take_trace());
    pair.run_secs(1);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
}

/// RFC 6525, 5.1.4: once in 30 seconds.
#[test]
fn tsns_are_not_reset_again_within_a_segments_life() {
    let (mut pair, a, _) = willing();
    pair.reset_tsns(Side::A, a).unwrap();
    pair.run_secs(10);
    assert_eq!(pair.reset_tsns(Side::A, a), Err(ReconfigError::TooSoon { wait: Duration::from_secs(20) }));
    pair.run_secs(20);
    assert_eq!(pair.reset_tsns(Side::A, a), Ok(()));
}
