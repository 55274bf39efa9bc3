//! Counters of endpoints and associations (RFC 3873).

use super::auth::demanding;
use super::harness::{Fate, Pair, Side, chunk, packet};
use crate::config::AssociationConfig;
use crate::endpoint::EndpointStats;
use crate::message::SendOptions;
use crate::wire::CommonHeader;
use crate::wire::chunk::ChunkType;
use bytes::Bytes;
use core::time::Duration;

fn stats(pair: &mut Pair, side: Side) -> EndpointStats {
    pair.host(side).endpoint.stats()
}

/// RFC 3873, 4: sctpStats. What one side counts as sent, the other counts as received.
#[test]
fn both_sides_count_the_same_chunks_packets_and_messages() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.send(Side::A, a, &[1; 10_000]);
    pair.send(Side::A, a, b"short");
    let unordered = SendOptions { unordered: true, ..SendOptions::default() };
    let now = pair.now;
    pair.host(Side::A).endpoint.send(now, a, &unordered, Bytes::from_static(b"unordered")).unwrap();
    pair.run_secs(1);
    assert_eq!(pair.read(Side::Z, z).len(), 3);
    let (sent, received) = (stats(&mut pair, Side::A), stats(&mut pair, Side::Z));
    assert_eq!((sent.curr_estab, sent.active_estabs, sent.passive_estabs), (1, 1, 0));
    assert_eq!((received.curr_estab, received.active_estabs, received.passive_estabs), (1, 0, 1));
    assert!(sent.associations.ordered_chunks_sent > 7, "{sent:?}");
    assert_eq!(
        (sent.associations.ordered_chunks_sent, sent.associations.unordered_chunks_sent),
        (received.associations.ordered_chunks_received, 1)
    );
    assert_eq!(received.associations.unordered_chunks_received, 1);
    assert_eq!((sent.associations.messages_fragmented, received.associations.messages_reassembled), (1, 1));
    assert_eq!((sent.out_sctp_packs, sent.in_sctp_packs), (received.in_sctp_packs, received.out_sctp_packs));
    assert_eq!(
        (sent.out_ctrl_chunks, sent.in_ctrl_chunks),
        (received.in_ctrl_chunks, received.out_ctrl_chunks)
    );
    let association = pair.association(Side::A, a).stats();
    assert_eq!((association.messages_sent, association.bytes_sent), (3, 10_014));
    assert_eq!(pair.association(Side::Z, z).stats().bytes_received, 10_014);
    assert!(association.established_at.is_some());
}

/// RFC 3873, 4: sctpInCtrlChunks; an AUTH chunk (RFC 4895) is one as any other.
#[test]
fn authentication_is_counted_once() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(demanding(&[ChunkType::DATA, ChunkType::HEARTBEAT]));
    pair.send(Side::A, a, &[1; 10_000]);
    pair.send(Side::Z, z, &[1; 10_000]);
    pair.run_secs(100);
    let (ours, theirs) = (stats(&mut pair, Side::A), stats(&mut pair, Side::Z));
    assert_eq!((ours.out_ctrl_chunks, ours.in_ctrl_chunks), (theirs.in_ctrl_chunks, theirs.out_ctrl_chunks));
}

/// RFC 3873, 4: sctpOutOrderChunks leaves retransmissions out, sctpInOrderChunks copies; sctpAssocRtxChunks.
#[test]
fn chunks_sent_again_and_copies_are_counted_apart() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    // The data arrives; its acknowledgement does not, so that it is sent again.
    pair.drop_first(1, |hop| hop.has(ChunkType::SACK));
    pair.send(Side::A, a, b"twice");
    pair.run_secs(5);
    let (sent, received) = (pair.association(Side::A, a).stats(), pair.association(Side::Z, z).stats());
    assert_eq!((sent.ordered_chunks_sent, sent.retransmitted_chunks, sent.t3_expiries), (1, 1, 1));
    assert_eq!((received.ordered_chunks_received, received.duplicate_chunks_received), (1, 1));
    assert_eq!(received.data_chunks_received, 2);
}

/// RFC 3873, 4: sctpShutdowns, sctpAborteds; what was counted outlives the association.
#[test]
fn ends_are_counted_by_their_kind_and_counters_outlive_their_association() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let now = pair.now;
    pair.host(Side::A).endpoint.shutdown(now, a).unwrap();
    pair.run_secs(1);
    let before = stats(&mut pair, Side::A);
    pair.host(Side::A).endpoint.release(a);
    pair.host(Side::Z).endpoint.release(z);
    assert_eq!(stats(&mut pair, Side::A), before);
    assert_eq!((before.curr_estab, before.shutdowns, before.aborteds), (0, 1, 0));
    let a = pair.connect(AssociationConfig::default());
    pair.run_secs(1);
    let now = pair.now;
    pair.host(Side::A).endpoint.abort(now, a, Bytes::new()).unwrap();
    pair.run_secs(1);
    for (side, active, passive) in [(Side::A, 2, 0), (Side::Z, 0, 2)] {
        let stats = stats(&mut pair, side);
        assert_eq!((stats.curr_estab, stats.shutdowns, stats.aborteds), (0, 1, 1), "{side:?}");
        assert_eq!((stats.active_estabs, stats.passive_estabs), (active, passive), "{side:?}");
    }
}

/// RFC 3873, 4: sctpOutOfBlues, sctpChecksumErrors.
#[test]
fn strays_and_damaged_packets_are_counted_and_only_as_what_they_are() {
    let mut pair = Pair::new();
    pair.establish();
    let before = stats(&mut pair, Side::Z);
    let (source, destination) = (pair.address(Side::A), pair.address(Side::Z));
    let header = CommonHeader { source_port: 1, destination_port: 2, verification_tag: 3 };
    let mut damaged = packet(header, &[chunk(ChunkType::COOKIE_ACK, 0, &[])]).to_vec();
    pair.inject(Side::Z, source, destination, Bytes::from(damaged.clone()));
    damaged[12] ^= 1;
    pair.inject(Side::Z, source, destination, Bytes::from(damaged));
    let after = stats(&mut pair, Side::Z);
    assert_eq!(after.out_of_blues - before.out_of_blues, 1);
    assert_eq!(after.checksum_errors - before.checksum_errors, 1);
    assert_eq!(after.in_sctp_packs - before.in_sctp_packs, 2);
}

/// RFC 3873, 4: sctpAssocT1expireds, sctpAssocT2expireds.
#[test]
fn expiries_of_t1_and_t2_are_counted() {
    let mut pair = Pair::new();
    let (mut inits, mut cookies) = (0, 0);
    pair.set_rule(move |hop| {
        inits += u32::from(hop.has(ChunkType::INIT));
        cookies += u32::from(hop.has(ChunkType::COOKIE_ECHO));
        let is_lost =
            hop.has(ChunkType::INIT) && inits <= 2 || hop.has(ChunkType::COOKIE_ECHO) && cookies == 1;
        if is_lost { Fate::Drop } else { Fate::Pass }
    });
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    pair.run_secs(20);
    let stats = pair.association(Side::A, a).stats();
    assert_eq!((stats.t1_init_expiries, stats.t1_cookie_expiries), (2, 1));
    pair.drop_first(1, |hop| hop.has(ChunkType::SHUTDOWN));
    let now = pair.now;
    pair.host(Side::A).endpoint.shutdown(now, a).unwrap();
    pair.run_secs(20);
    assert_eq!(pair.association(Side::A, a).stats().t2_expiries, 1);
}

/// RFC 9260, 6.3.3 and 7.2.4: DATA is sent again because T3-rtx expired, or because later DATA has come.
#[test]
fn retransmissions_are_counted_by_their_reason() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish_with(AssociationConfig { no_delay: true, ..AssociationConfig::default() });
    pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
    for payload in [b"lost", b"new1", b"new2", b"new3", b"new4"] {
        pair.send(Side::A, a, payload);
        pair.run_for(Duration::from_millis(30));
    }
    pair.run_secs(5);
    let so_far = stats(&mut pair, Side::A);
    assert_eq!(
        (
            so_far.associations.fast_retransmits,
            so_far.associations.t3_expiries,
            so_far.associations.t3_retransmits
        ),
        (1, 0, 0)
    );
    pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
    pair.send(Side::A, a, b"lost");
    pair.run_secs(5);
    let now = stats(&mut pair, Side::A);
    assert_eq!(
        (now.associations.fast_retransmits, now.associations.t3_expiries, now.associations.t3_retransmits),
        (1, 1, 1)
    );
}

/// RFC 9260, 6.2: the first DATA is acknowledged at once, the second when the delay is over.
#[test]
fn sacks_that_their_delay_let_leave_are_counted() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish();
    for payload in [b"first", b"alone"] {
        pair.send(Side::A, a, payload);
        pair.run_secs(1);
    }
    assert_eq!(stats(&mut pair, Side::Z).associations.sack_delay_expiries, 1);
}

/// RFC 6458, 8.1.8; RFC 9260, 9.2.
#[test]
fn ends_for_want_of_data_or_of_an_answer_are_counted() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let config = AssociationConfig {
        autoclose: Some(Duration::from_secs(3)),
        rto_max: Duration::from_secs(1),
        association_max_retrans: 100,
        ..AssociationConfig::default()
    };
    pair.connect(config);
    pair.run_secs(1);
    pair.set_rule(|hop| if hop.from == Side::Z { Fate::Drop } else { Fate::Pass });
    pair.run_secs(10);
    let stats = stats(&mut pair, Side::A);
    assert_eq!(
        (
            stats.associations.autoclose_expiries,
            stats.associations.t5_expiries,
            stats.associations.t2_expiries
        ),
        (1, 1, 4)
    );
}

/// What is dropped in silence: RFC 9260, 3.1, 5.1.5, 6.2, 8.5 and 8.5.1.
#[test]
fn what_is_discarded_is_counted() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let (source, destination) = (pair.address(Side::A), pair.address(Side::Z));
    let tag = pair.association(Side::Z, z).local_tag();
    let header = super::harness::header_to(Side::Z, tag);
    let stranger = |verification_tag| CommonHeader { verification_tag, ..header };
    let nothing = chunk(ChunkType::COOKIE_ACK, 0, &[]);
    let discarded = [
        packet(stranger(tag ^ 1), core::slice::from_ref(&nothing)),
        packet(stranger(0), &[nothing.clone(), nothing.clone()]),
        packet(stranger(tag), &[chunk(ChunkType::COOKIE_ECHO, 0, &[7; 100])]),
        packet(CommonHeader { source_port: 0, ..header }, &[nothing]),
        packet(header, &[]).slice(..8),
    ];
    let count = discarded.len() as u64;
    discarded.into_iter().for_each(|bytes| pair.inject(Side::Z, source, destination, bytes));
    assert_eq!(stats(&mut pair, Side::Z).discarded_packets, count);
    pair.drop_first(1, |hop| hop.has(ChunkType::SACK));
    pair.send(Side::A, a, b"twice");
    pair.run_secs(5);
    let stats = stats(&mut pair, Side::Z);
    assert_eq!((stats.associations.discarded_chunks(), stats.discarded_packets), (1, count));
}

/// What `SCTP_GET_ASSOC_STATS` has beside these: SACKs, their gap blocks, and DATA that came before what was missing.
#[test]
fn sacks_their_gaps_and_data_out_of_order_are_counted() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(AssociationConfig { no_delay: true, ..AssociationConfig::default() });
    pair.send(Side::A, a, b"in order");
    pair.run_secs(1);
    pair.drop_first(1, |hop| hop.has(ChunkType::DATA));
    for payload in [b"lost", b"new1", b"new2"] {
        pair.send(Side::A, a, payload);
        pair.run_for(Duration::from_millis(50));
    }
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z).len(), 4);
    let (ours, theirs) = (pair.association(Side::A, a).stats(), pair.association(Side::Z, z).stats());
    assert_eq!(theirs.out_of_order_chunks_received, 2);
    assert_eq!(ours.sacks_received, theirs.sacks_sent);
    assert_eq!(ours.gap_blocks_received, 2, "each of two SACKs told of one gap (RFC 9260, 6.7)");
}

/// `sas_maxrto`: since it was last asked for, with the path's address.
#[test]
fn the_largest_rto_is_that_since_it_was_last_asked_for() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish();
    pair.run_secs(5);
    let second = super::harness::ip("10.0.2.2");
    let first_rto = pair.a.endpoint.take_largest_rto(a).map(|(_, rto)| rto);
    assert_eq!(first_rto, Some(Duration::from_secs(1)), "RTO.Min, after measurements");
    assert_eq!(pair.a.endpoint.take_largest_rto(a), None, "nothing was computed since");
    pair.set_rule(move |hop| match hop.destination == second {
        true => super::harness::Fate::Drop,
        false => super::harness::Fate::Pass,
    });
    let now = pair.now;
    pair.a.endpoint.request_heartbeat(now, a, second).unwrap();
    pair.run_secs(2);
    // RFC 9260, 8.3 and 6.3.3, E2.
    assert_eq!(pair.a.endpoint.take_largest_rto(a), Some((second, Duration::from_secs(2))));
}
