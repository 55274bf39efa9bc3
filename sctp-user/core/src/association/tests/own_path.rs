//! Messages that are sent to an address of their own (RFC 9260, 11.1.5 and 6.4; RFC 6458, 5.3.2: SCTP_ADDR_OVER).

use super::harness::{Fate, Hop, Pair, Side, ip};
use crate::config::{AssociationConfig, FragmentInterleave};
use crate::error::SendError;
use crate::event::AssociationId;
use crate::message::SendOptions;
use crate::multipath::Multipath;
use crate::path::PathState;
use crate::wire::chunk::{ChunkType, RawChunk};
use bytes::Bytes;

const FIRST: &str = "10.0.1.2";
const SECOND: &str = "10.0.2.2";

fn send_to(pair: &mut Pair, a: AssociationId, remote: &str, payload: &[u8]) -> Result<(), SendError> {
    let options = SendOptions { path: Some(ip(remote)), ..SendOptions::default() };
    pair.a.endpoint.send(pair.now, a, &options, Bytes::copy_from_slice(payload))
}

/// The first byte of the payload of each DATA chunk of A, and where the packet went to.
fn ways(pair: &Pair) -> Vec<(u8, String)> {
    let data = |hop: &Hop| -> Vec<RawChunk> {
        let is_data = |chunk: &&RawChunk| chunk.chunk_type == ChunkType::DATA;
        hop.chunks.iter().filter(is_data).cloned().collect()
    };
    let from_a = pair.hops.iter().filter(|hop| hop.from == Side::A);
    from_a
        .flat_map(|hop| data(hop).into_iter().map(|chunk| (chunk.value[12], hop.destination.to_string())))
        .collect()
}

fn established(config: AssociationConfig) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::multihomed();
    let (a, z) = pair.establish_with(config);
    pair.run_secs(2);
    pair.hops.clear();
    (pair, a, z)
}

#[test]
fn a_message_takes_the_path_that_it_was_given() {
    let (mut pair, a, z) = established(AssociationConfig { no_delay: true, ..AssociationConfig::default() });
    pair.send(Side::A, a, b"1");
    send_to(&mut pair, a, SECOND, b"2").unwrap();
    pair.send(Side::A, a, b"3");
    send_to(&mut pair, a, SECOND, b"4").unwrap();
    send_to(&mut pair, a, SECOND, b"5").unwrap();
    send_to(&mut pair, a, FIRST, b"6").unwrap();
    pair.run_secs(1);
    let expected =
        [(b'1', FIRST), (b'2', SECOND), (b'3', FIRST), (b'4', SECOND), (b'5', SECOND), (b'6', FIRST)];
    assert_eq!(ways(&pair), expected.map(|(byte, remote)| (byte, remote.to_owned())));
    assert_eq!(pair.read(Side::Z, z), ["1", "2", "3", "4", "5", "6"]);
    // 4 and 5 shared a packet.
    let packets = pair.hops.iter().filter(|hop| hop.from == Side::A && hop.has(ChunkType::DATA)).count();
    assert_eq!(packets, 5);
}

/// All fragments of one go there (RFC 9260, 6.9), whatever else shares the paths.
#[test]
fn a_message_in_fragments_takes_its_path_also_beside_multipath() {
    for multipath in [Multipath::Off, Multipath::Concurrent] {
        let (mut pair, a, z) = established(AssociationConfig {
            multipath,
            fragment_interleave: FragmentInterleave::Streams,
            ..AssociationConfig::default()
        });
        send_to(&mut pair, a, SECOND, &[2; 60_000]).unwrap();
        pair.send(Side::A, a, &[1; 3_000]);
        pair.run_secs(5);
        let astray = |way: &(u8, String)| way.0 == 2 && way.1 != SECOND;
        assert!(!ways(&pair).iter().any(astray), "{multipath:?}");
        let lengths: Vec<_> = pair.read(Side::Z, z).iter().map(Bytes::len).collect();
        assert_eq!(lengths, [60_000, 3_000], "{multipath:?}");
    }
}

/// RFC 9260, 6.4: what must be sent again chooses its path as usual; 6.4.1.
#[test]
fn what_is_lost_is_sent_again_elsewhere() {
    let (mut pair, a, z) = established(AssociationConfig::default());
    let dead = ip(SECOND);
    pair.set_rule(move |hop| if hop.destination == dead { Fate::Drop } else { Fate::Pass });
    send_to(&mut pair, a, SECOND, b"lost").unwrap();
    pair.run_secs(5);
    assert_eq!(ways(&pair), [(b'l', SECOND.to_owned()), (b'l', FIRST.to_owned())]);
    assert_eq!(pair.read(Side::Z, z), ["lost"]);
    // RFC 7829, 3.2, rule 3: the path is avoided from now on, also by what asks for it.
    let state = |pair: &mut Pair| pair.association(Side::A, a).paths().by_remote(dead).unwrap().state;
    assert_eq!(state(&mut pair), PathState::PotentiallyFailed);
    pair.hops.clear();
    send_to(&mut pair, a, SECOND, b"avoids").unwrap();
    pair.run_secs(1);
    assert_eq!(ways(&pair), [(b'a', FIRST.to_owned())]);
}

/// RFC 9260, 5.4: an address that is not confirmed carries no data.
#[test]
fn an_address_that_is_not_confirmed_gets_nothing() {
    let mut pair = Pair::multihomed();
    let unconfirmed = ip(SECOND);
    pair.set_rule(move |hop| if hop.destination == unconfirmed { Fate::Drop } else { Fate::Pass });
    let (a, z) = pair.establish();
    send_to(&mut pair, a, SECOND, b"usual").unwrap();
    pair.run_secs(1);
    assert_eq!(ways(&pair), [(b'u', FIRST.to_owned())]);
    assert_eq!(pair.read(Side::Z, z), ["usual"]);
}

#[test]
fn an_address_that_is_none_of_the_peers_is_refused() {
    let (mut pair, a, _) = established(AssociationConfig::default());
    assert_eq!(send_to(&mut pair, a, "10.9.9.9", b"x"), Err(SendError::UnknownAddress(ip("10.9.9.9"))));
    assert_eq!(pair.association(Side::A, a).stats().messages_sent, 0);
}
