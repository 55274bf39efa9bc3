//! Messages that are sent with shared keys of their own (`SCTP_AUTHINFO`; RFC 6458, 5.3.8), and what becomes of keys that
//! are given up meanwhile (8.3.4, 8.3.5).

use super::auth::demanding;
use super::harness::{Fate, Hop, Pair, Side};
use crate::auth::KeyError;
use crate::config::AssociationConfig;
use crate::error::{CommandError, SendError};
use crate::event::AssociationId;
use crate::message::SendOptions;
use crate::reliability::Reliability;
use crate::wire::chunk::{AuthChunk, ChunkType, DataChunk, IDataChunk};
use bytes::Bytes;
use core::time::Duration;

/// The null key is the active one; there are 1 and 2 besides.
fn config(chunks: &[ChunkType]) -> AssociationConfig {
    let mut config = demanding(chunks);
    config.auth.keys.set(1, Bytes::from_static(b"first")).unwrap();
    config.auth.keys.set(2, Bytes::from_static(b"second")).unwrap();
    config
}

/// Both up, with events and packets so far forgotten.
fn up(config: AssociationConfig) -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(AssociationConfig { no_delay: true, ..config });
    pair.hops.clear();
    pair.events(Side::A);
    pair.events(Side::Z);
    (pair, a, z)
}

fn send(pair: &mut Pair, a: AssociationId, auth_key: Option<u16>, payload: Vec<u8>) -> Result<(), SendError> {
    let options = SendOptions { auth_key, ..SendOptions::default() };
    pair.a.endpoint.send(pair.now, a, &options, payload.into())
}

/// Sends messages that consist of the numbers of their keys.
fn send_all(pair: &mut Pair, a: AssociationId, keys: &[u16], len: usize) {
    for &key in keys {
        send(pair, a, (key > 0).then_some(key), vec![key as u8; len]).unwrap();
    }
}

/// The key of a packet's AUTH chunk.
fn key_of(hop: &Hop) -> Option<u16> {
    let auth = hop.chunks.iter().find(|chunk| chunk.chunk_type == ChunkType::AUTH)?;
    Some(AuthChunk::parse(auth).unwrap().shared_key_id)
}

/// What A's packets with user data hold: the key of each, and the first bytes of the payloads.
fn packets(pair: &Pair) -> Vec<(Option<u16>, Vec<u16>)> {
    let payloads = |hop: &Hop| {
        let payload = hop.chunks.iter().filter_map(|chunk| match chunk.chunk_type {
            ChunkType::DATA => Some(DataChunk::parse(chunk).unwrap().payload),
            ChunkType::I_DATA => Some(IDataChunk::parse(chunk).unwrap().payload),
            _ => None,
        });
        payload.map(|payload| payload[0].into()).collect::<Vec<_>>()
    };
    let from_a = pair.hops.iter().filter(|hop| hop.from == Side::A);
    from_a.map(|hop| (key_of(hop), payloads(hop))).filter(|(_, payloads)| !payloads.is_empty()).collect()
}

/// RFC 6458, 5.3.8: what is to be authenticated with different keys is not bundled. RFC 4895, 5.1, 6.2: one AUTH chunk in a
/// packet, and with it one key.
#[test]
fn messages_under_different_keys_do_not_share_a_packet() {
    for interleaving in [false, true] {
        let mut config = config(&[ChunkType::DATA, ChunkType::I_DATA]);
        config.extensions.interleaving = interleaving;
        let (mut pair, a, z) = up(config);
        send_all(&mut pair, a, &[1, 1, 0, 0, 2, 1], 10);
        pair.run_secs(1);
        let expected = [(Some(1), vec![1, 1]), (Some(0), vec![0, 0]), (Some(2), vec![2]), (Some(1), vec![1])];
        assert_eq!(packets(&pair), expected);
        assert_eq!(pair.read(Side::Z, z).len(), 6);
    }
}

/// RFC 6458, 5.3.8: a message that names no key has the one that is active when it leaves (8.1.18).
#[test]
fn a_message_without_a_key_has_the_active_one() {
    let (mut pair, a, _) = up(config(&[ChunkType::DATA]));
    pair.a.endpoint.change_keys(a, |keys| keys.activate(2)).unwrap();
    send_all(&mut pair, a, &[0, 2, 1], 10);
    pair.run_secs(1);
    assert_eq!(packets(&pair), [(Some(2), vec![0, 2]), (Some(1), vec![1])]);
}

/// RFC 4895, 6.2: only what the peer has listed need be authenticated: where DATA is not, keys keep nothing apart.
#[test]
fn where_data_is_not_authenticated_keys_keep_nothing_apart() {
    let (mut pair, a, z) = up(config(&[ChunkType::SACK]));
    send_all(&mut pair, a, &[1, 2, 0], 10);
    pair.run_secs(1);
    assert_eq!(packets(&pair), [(None, vec![1, 2, 0])]);
    assert_eq!(pair.read(Side::Z, z).len(), 3);
}

/// RFC 6458, 5.3.8: sent again, a message has its own key still; its pieces, too. Whatever is lost, no packet has data under two
/// keys.
#[test]
fn every_chunk_of_a_message_leaves_under_its_key_however_often() {
    let (mut pair, a, z) = up(config(&[ChunkType::DATA]));
    let mut count = 0;
    pair.set_rule(move |_| {
        count += 1;
        if count % 4 == 0 { Fate::Drop } else { Fate::Pass }
    });
    for round in 0..20 {
        send_all(&mut pair, a, &[1, 0, 2, 2, 1], 300 + 400 * (round % 6));
        pair.run_for(Duration::from_millis(30));
    }
    pair.run_secs(60);
    let keys: Vec<_> = pair.read(Side::Z, z).iter().map(|message| message[0]).collect();
    assert_eq!(keys, [1, 0, 2, 2, 1].repeat(20));
    let packets = packets(&pair);
    assert!(packets.iter().all(|(key, payloads)| payloads.iter().all(|payload| Some(*payload) == *key)));
    assert!(packets.iter().map(|(_, payloads)| payloads.len()).sum::<usize>() > 120, "some were sent again");
}

/// RFC 9260, 6.1: a SACK rides along with data also where both must be authenticated, and the data has a key of its own.
#[test]
fn a_sack_rides_along_under_the_key_of_the_data() {
    let (mut pair, a, z) = up(config(&[ChunkType::DATA, ChunkType::SACK]));
    for _ in 0..2 {
        // The second one is not acknowledged at once.
        pair.run_secs(1);
        pair.hops.clear();
        pair.send(Side::Z, z, b"acknowledge me");
        pair.run_for(Duration::from_millis(15));
    }
    send_all(&mut pair, a, &[2], 10);
    pair.drain();
    let from_a: Vec<_> = pair.hops.iter().filter(|hop| hop.from == Side::A).collect();
    assert_eq!(from_a.len(), 1);
    assert!(from_a[0].has(ChunkType::SACK) && from_a[0].has(ChunkType::DATA));
    assert_eq!(key_of(from_a[0]), Some(2));
}

/// RFC 6458, 5.3.8: nothing is sent with a key that is not there, or that the application has given up (8.3.4).
#[test]
fn a_message_with_a_key_that_cannot_be_used_is_refused() {
    let (mut pair, a, _) = up(config(&[ChunkType::DATA]));
    pair.a.endpoint.change_keys(a, |keys| keys.deactivate(2)).unwrap();
    for (key, error) in [(2, KeyError::Deactivated(2)), (9, KeyError::Unknown(9))] {
        assert_eq!(send(&mut pair, a, Some(key), vec![1]), Err(SendError::Key(error)));
    }
    let (mut plain, a, _) = up(AssociationConfig::default());
    assert_eq!(send(&mut plain, a, Some(0), vec![1]), Err(SendError::NotAuthenticated));
}

fn events(pair: &mut Pair) -> Vec<String> {
    let mut events = pair.events(Side::A);
    events.retain(|event| event.contains("Key"));
    events
}

/// RFC 6458, 8.3.4 and 6.1.8: a key is free when no message is to be sent with it any more, and not deleted before (8.3.5).
#[test]
fn a_key_is_in_use_until_the_last_message_is_through() {
    let (mut pair, a, z) = up(config(&[ChunkType::DATA]));
    send_all(&mut pair, a, &[2, 2, 1], 3_000);
    pair.a.endpoint.change_keys(a, |keys| keys.deactivate(2)).unwrap();
    let refused = pair.a.endpoint.change_keys(a, |keys| keys.delete(2));
    assert_eq!(refused, Err(CommandError::Key(KeyError::InUse(2))));
    pair.drop_first(1, |hop| hop.from == Side::A && key_of(hop) == Some(2));
    pair.run_for(Duration::from_millis(25));
    assert_eq!(events(&mut pair), [] as [&str; 0]);
    pair.run_secs(10);
    assert_eq!(events(&mut pair), ["Authentication(FreeKey(2))"]);
    assert_eq!(pair.read(Side::Z, z).len(), 3);
    pair.a.endpoint.change_keys(a, |keys| keys.delete(2)).unwrap();
    // What is not in use is free at once.
    pair.a.endpoint.change_keys(a, |keys| keys.deactivate(1)).unwrap();
    pair.drain();
    assert_eq!(events(&mut pair), ["Authentication(FreeKey(1))"]);
}

/// RFC 6458, 6.1.8: nobody is told that a key is free that is in use again.
#[test]
fn a_key_that_is_set_anew_meanwhile_is_not_told_to_be_free() {
    let (mut pair, a, _) = up(config(&[ChunkType::DATA]));
    send_all(&mut pair, a, &[2], 10);
    pair.a.endpoint.change_keys(a, |keys| keys.deactivate(2)).unwrap();
    let again = |keys: &mut crate::auth::SharedKeys| keys.set(2, Bytes::from_static(b"second"));
    pair.a.endpoint.change_keys(a, again).unwrap();
    pair.run_secs(2);
    assert_eq!(events(&mut pair), [] as [&str; 0]);
}

/// RFC 6458, 6.1.8; RFC 3758, 3.5: a message that is given up uses its key no longer.
#[test]
fn a_message_that_is_given_up_frees_its_key() {
    let (mut pair, a, _) = up(AssociationConfig {
        extensions: crate::extensions::Extensions {
            partial_reliability: true,
            ..config(&[ChunkType::DATA]).extensions
        },
        ..config(&[ChunkType::DATA])
    });
    pair.set_rule(|hop| if hop.has(ChunkType::DATA) { Fate::Drop } else { Fate::Pass });
    let reliability = Some(Reliability::Timed(Duration::from_millis(100)));
    let options = SendOptions { auth_key: Some(1), reliability, ..SendOptions::default() };
    pair.a.endpoint.send(pair.now, a, &options, Bytes::from_static(b"lost")).unwrap();
    pair.drain();
    pair.a.endpoint.change_keys(a, |keys| keys.deactivate(1)).unwrap();
    pair.run_secs(10);
    assert_eq!(events(&mut pair), ["Authentication(FreeKey(1))"]);
}

/// RFC 6458, 5.3.8, 8.1.26: a message handed over in pieces is one message, and has one key: as long as its end is missing.
#[test]
fn the_pieces_of_a_message_have_the_key_of_the_first() {
    let (mut pair, a, z) = up(config(&[ChunkType::DATA]));
    let first = SendOptions { auth_key: Some(2), more: true, ..SendOptions::default() };
    pair.a.endpoint.send(pair.now, a, &first, vec![2; 10].into()).unwrap();
    pair.run_secs(1);
    pair.a.endpoint.change_keys(a, |keys| keys.deactivate(2)).unwrap();
    pair.run_secs(1);
    assert_eq!(events(&mut pair), [] as [&str; 0]);
    send(&mut pair, a, None, vec![2; 10]).unwrap();
    pair.run_secs(1);
    assert_eq!(events(&mut pair), ["Authentication(FreeKey(2))"]);
    assert_eq!(packets(&pair), [(Some(2), vec![2]), (Some(2), vec![2])]);
    assert_eq!(pair.read(Side::Z, z).concat(), vec![2; 20]);
}

/// RFC 6458, 6.1.8: the first use of a key is told, and not each change of keys from packet to packet.
#[test]
fn keys_that_take_turns_are_told_once() {
    let (mut pair, a, _) = up(config(&[ChunkType::DATA]));
    for _ in 0..5 {
        send_all(&mut pair, a, &[1, 2, 0], 10);
        pair.run_secs(1);
    }
    let told = ["Authentication(NewKey(1))", "Authentication(NewKey(2))"];
    assert_eq!(pair.events(Side::Z), told);
}
