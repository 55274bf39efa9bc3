//! Messages that are interleaved (RFC 8260, 2).

use super::harness::{Fate, PORT_A, Pair, Side, chunk, header_to, init, ip, packet};
use crate::config::{AssociationConfig, ReconfigPermissions, StreamScheduler};
use crate::endpoint::ResetDirections;
use crate::event::AssociationId;
use crate::extensions::Extensions;
use crate::message::SendOptions;
use crate::wire::CommonHeader;
use crate::wire::chunk::{ChunkType, IDataChunk, InitChunk, RawChunk};
use crate::wire::param::ParameterType;
use bytes::Bytes;
use core::time::Duration;

fn config(interleaving: bool) -> AssociationConfig {
    let extensions = Extensions { interleaving, ..Extensions::NONE };
    AssociationConfig { extensions, scheduler: StreamScheduler::RoundRobin, ..AssociationConfig::default() }
}

fn send(pair: &mut Pair, id: AssociationId, stream_id: u16, payload: Vec<u8>) {
    let (now, options) = (pair.now, SendOptions { stream_id, ..SendOptions::default() });
    pair.a.endpoint.send(now, id, &options, payload.into()).unwrap();
}

fn uses(pair: &Pair, chunk_type: ChunkType) -> bool {
    pair.hops.iter().any(|hop| hop.has(chunk_type))
}

/// RFC 8260, 2.2.1: I-DATA for all user messages if both sides offered it, else DATA for all.
#[test]
fn i_data_is_used_if_both_sides_offer_it() {
    for (a_offers, z_offers) in [(true, true), (true, false), (false, true)] {
        let mut pair = Pair::new();
        pair.listen(config(z_offers));
        let a = pair.connect(config(a_offers));
        pair.run_secs(1);
        let z = pair.z.id();
        pair.send(Side::A, a, b"up");
        pair.send(Side::Z, z, &[7; 5_000]);
        pair.run_secs(1);
        assert_eq!(pair.read(Side::Z, z), ["up"]);
        assert_eq!(pair.read(Side::A, a), [Bytes::from(vec![7; 5_000])]);
        let both = a_offers && z_offers;
        assert_eq!((uses(&pair, ChunkType::I_DATA), uses(&pair, ChunkType::DATA)), (both, !both));
        assert_eq!(pair.association(Side::A, a).extensions().interleaving, both);
    }
}

/// RFC 8260, 1.1 and 2.2.2: the head of a long message is no longer in the way of other streams.
#[test]
fn a_short_message_overtakes_a_long_one_of_another_stream() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config(true));
    let long: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
    send(&mut pair, a, 0, long.clone());
    pair.run_for(Duration::from_millis(25));
    send(&mut pair, a, 1, b"short".to_vec());
    pair.run_secs(5);
    let got = pair.read(Side::Z, z);
    assert!(got.len() == 2 && got[0] == "short" && got[1] == long);
}

#[test]
fn losses_and_duplicates_do_not_show_where_messages_are_interleaved() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config(true));
    let mut count = 0_u32;
    pair.set_rule(move |_| {
        count += 1;
        match count % 7 {
            0 => Fate::Drop,
            1 => Fate::Twice,
            _ => Fate::Pass,
        }
    });
    for index in 0..40_u8 {
        send(&mut pair, a, u16::from(index % 4), vec![index; 100 + 400 * usize::from(index)]);
    }
    pair.run_secs(120);
    let got = pair.read(Side::Z, z);
    assert_eq!(got.len(), 40);
    for stream_id in 0..4 {
        let of_stream = got.iter().map(|message| message[0]).filter(|index| index % 4 == stream_id);
        assert!(of_stream.is_sorted());
    }
    assert!(got.iter().all(|message| message.len() == 100 + 400 * usize::from(message[0])));
}

/// RFC 8260, 2.2.1, 2.2.3: DATA where I-DATA was agreed on, and I-DATA where it was not: ABORT.
#[test]
fn the_chunk_that_was_not_agreed_on_ends_the_association() {
    for (interleaving, wrong) in [
        (true, chunk(ChunkType::DATA, 3, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        (false, chunk(ChunkType::I_DATA, 3, &[0; 17])),
    ] {
        let mut pair = Pair::new();
        let (_, z) = pair.establish_with(config(interleaving));
        let tag = pair.association(Side::Z, z).local_tag();
        pair.hops.clear();
        pair.forge(Side::Z, tag, &[wrong]);
        pair.drain();
        assert_eq!(pair.hops[0].chunks[0].chunk_type, ChunkType::ABORT);
        assert_eq!(pair.hops[0].chunks[0].value[..2], [0, 13]);
        assert_eq!(pair.events(Side::Z), ["up", "lost: ProtocolError { cause: 13 }"]);
    }
}

/// RFC 8260, 2.2.1: nobody gets interleaved messages who has not asked for them.
#[test]
fn interleaving_is_not_offered_unless_the_user_asks_for_it() {
    let asked = AssociationConfig {
        extensions: Extensions { interleaving: true, ..Extensions::default() },
        ..config(true)
    };
    for (config, offered) in [(AssociationConfig::default(), false), (asked, true)] {
        let mut pair = Pair::new();
        let (a, _) = pair.establish_with(config);
        for set_up in &pair.hops[..2] {
            let parameters = InitChunk::parse(&set_up.chunks[0]).unwrap().parameters;
            let listed = parameters.find(ParameterType::SUPPORTED_EXTENSIONS).unwrap().value;
            assert_eq!(listed.contains(&ChunkType::I_DATA.0), offered);
        }
        assert_eq!(pair.association(Side::A, a).extensions().interleaving, offered);
    }
}

/// RFC 8260, 2: associations with I-DATA and with DATA live side by side on one endpoint.
#[test]
fn associations_with_and_without_i_data_coexist() {
    let mut pair = Pair::new();
    let (a, interleaved) = pair.establish_with(config(true));
    let header =
        |verification_tag| CommonHeader { source_port: PORT_A + 1, ..header_to(Side::Z, verification_tag) };
    let knock = |pair: &mut Pair, tag, chunks: &[RawChunk]| {
        pair.inject(Side::Z, ip("10.0.1.1"), ip("10.0.1.2"), packet(header(tag), chunks));
        pair.drain();
    };
    knock(&mut pair, 0, &[init(77, &[])]);
    let (cookie, tag) = pair.last_cookie();
    let data = chunk(ChunkType::DATA, 3, &[0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, b'o', b'l', b'd']);
    knock(&mut pair, tag, &[cookie, data]);
    let plain = pair.z.id();
    assert_ne!(plain, interleaved);
    assert_eq!(pair.read(Side::Z, plain), ["old"]);
    pair.hops.clear();
    pair.send(Side::Z, plain, b"DATA");
    pair.send(Side::Z, interleaved, b"I-DATA");
    pair.send(Side::A, a, b"new");
    pair.run_for(Duration::from_millis(50));
    for hop in &pair.hops {
        let (absent, to_plain) = (!hop.has(ChunkType::DATA), hop.header.destination_port == PORT_A + 1);
        assert!(if to_plain { !hop.has(ChunkType::I_DATA) } else { absent });
    }
    assert!(uses(&pair, ChunkType::DATA) && uses(&pair, ChunkType::I_DATA));
    assert_eq!(
        (pair.read(Side::A, a), pair.read(Side::Z, interleaved)),
        (vec!["I-DATA".into()], vec!["new".into()])
    );
}

/// RFC 8260, 2.3.2 and 2 with RFC 6525: a reset of a stream sets both of its counters to 0, on either side.
#[test]
fn a_stream_reset_sets_both_message_counters_to_zero() {
    let extensions = Extensions { interleaving: true, reconfig: true, ..Extensions::NONE };
    let mut pair = Pair::new();
    let reconfig_permissions = ReconfigPermissions::ALL;
    let (a, z) = pair.establish_with(AssociationConfig { extensions, reconfig_permissions, ..config(true) });
    let numbers = |pair: &mut Pair| {
        pair.hops.clear();
        for unordered in [false, true, false, true] {
            let (now, options) =
                (pair.now, SendOptions { stream_id: 1, unordered, ..SendOptions::default() });
            pair.a.endpoint.send(now, a, &options, Bytes::from_static(b"x")).unwrap();
        }
        pair.run_secs(1);
        let chunks = pair.hops.iter().filter(|hop| hop.from == Side::A).flat_map(|hop| &hop.chunks);
        let data = chunks.filter(|chunk| chunk.chunk_type == ChunkType::I_DATA);
        let headers = data.map(|chunk| IDataChunk::parse(chunk).unwrap().header);
        headers.map(|header| (header.flags.unordered, header.mid.0)).collect::<Vec<_>>()
    };
    let first = [(false, 0), (true, 0), (false, 1), (true, 1)];
    assert_eq!(numbers(&mut pair), first);
    assert_eq!(numbers(&mut pair), first.map(|(unordered, mid)| (unordered, mid + 2)));
    let outgoing = ResetDirections { outgoing: true, incoming: false };
    pair.a.endpoint.reset_streams(pair.now, a, outgoing, &[1]).unwrap();
    pair.run_secs(1);
    assert_eq!(numbers(&mut pair), first);
    assert_eq!(pair.read(Side::Z, z).len(), 12, "the receiver expects 0, too");
}

/// RFC 8260, 2.1 and RFC 9260, 5.2.4 A: a restarted peer counts its messages from 0 again, and what is agreed on is
/// agreed on anew.
#[test]
fn a_restarted_peer_may_agree_on_something_else() {
    for again in [true, false] {
        let mut pair = Pair::new();
        let (a, z) = pair.establish_with(config(true));
        send(&mut pair, a, 0, b"before".to_vec());
        pair.run_secs(1);
        pair.restart_a(&["10.0.1.1"]);
        let a = pair.connect(config(again));
        pair.run_secs(2);
        pair.hops.clear();
        send(&mut pair, a, 0, b"after".to_vec());
        pair.run_secs(1);
        assert_eq!(pair.read(Side::Z, z), ["before", "after"]);
        assert_eq!(uses(&pair, ChunkType::I_DATA), again);
    }
}

/// RFC 9260, 6.9: buffers a thousand times smaller than the message, in one send and in pieces, with DATA and I-DATA.
#[test]
fn a_message_of_64_megabytes_passes_through_buffers_of_64_kilobytes() {
    const LEN: usize = 64 << 20;
    const BUFFER: usize = 64 << 10;
    for interleaving in [false, true] {
        let mut pair = Pair::new();
        let base = config(interleaving);
        let config = AssociationConfig {
            send_buffer: BUFFER,
            receive_buffer: BUFFER,
            max_message_size: LEN,
            path_mtu: 9_000,
            ..base
        };
        let (a, z) = pair.establish_with(config);
        let mut got = 0;
        let mut sent = 0;
        if interleaving {
            send(&mut pair, a, 0, vec![7; LEN]);
            sent = LEN;
        }
        while got < LEN {
            let now = pair.now;
            while sent < LEN {
                let more = sent + BUFFER / 4 < LEN;
                let options = SendOptions { more, ..SendOptions::default() };
                if pair.a.endpoint.send(now, a, &options, vec![7; BUFFER / 4].into()).is_err() {
                    break;
                }
                sent += BUFFER / 4;
            }
            pair.run_unchecked(Duration::from_millis(10));
            assert!(pair.association(Side::Z, z).held_bytes() <= 4 * BUFFER);
            pair.hops.clear();
            while let Some(piece) = pair.z.endpoint.receive(now, z) {
                got += piece.len();
                assert!(piece.payload.iter().all(|bytes| bytes.iter().all(|byte| *byte == 7)));
                assert_eq!(piece.end_of_record, got == LEN);
            }
            pair.drain();
        }
        assert_eq!(got, LEN);
    }
}

/// What is left of a message cannot be sent any more: the peer must not take it for a good end.
#[test]
fn a_shutdown_within_a_message_in_pieces_is_an_abort() {
    for peer_begins in [false, true] {
        let mut pair = Pair::new();
        let (a, z) = pair.establish_with(config(false));
        let (now, options) = (pair.now, SendOptions { more: true, ..SendOptions::default() });
        pair.a.endpoint.send(now, a, &options, Bytes::from_static(b"begun")).unwrap();
        pair.run_secs(1);
        let (side, id) = if peer_begins { (Side::Z, z) } else { (Side::A, a) };
        let now = pair.now;
        pair.host(side).endpoint.shutdown(now, id).unwrap();
        pair.run_secs(1);
        let events = pair.events(Side::Z);
        assert!(events.last().is_some_and(|event| event.contains("PeerAborted")), "{events:?}");
    }
}
