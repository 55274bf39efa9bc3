//! Partial reliability between two associations (RFC 3758, RFC 7496).

use super::harness::{DELAY, Fate, Hop, Pair, Side, chunk, init};
use crate::association::{AssociationState, to_raw};
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::event::{AssociationId, Event};
use crate::extensions::Extensions;
use crate::message::SendOptions;
use crate::reliability::{Abandoned, Policy, Reliability};
use crate::wire::cause::Cause;
use crate::wire::chunk::{ChunkType, ErrorChunk, ForwardTsnChunk, InitChunk, InitKind};
use crate::wire::param::{Parameter, Parameters};
use bytes::Bytes;
use core::time::Duration;

const ONCE: Reliability = Reliability::Retransmissions(0);

fn without() -> AssociationConfig {
    AssociationConfig { extensions: Extensions::NONE, ..AssociationConfig::default() }
}

fn send_with(pair: &mut Pair, id: AssociationId, reliability: Reliability, payload: &[u8]) {
    let options = SendOptions { reliability: Some(reliability), ..SendOptions::default() };
    let (now, payload) = (pair.now, Bytes::copy_from_slice(payload));
    pair.a.endpoint.send(now, id, &options, payload).unwrap();
}

/// Drops A's first `count` packets with DATA.
fn drop_data(pair: &mut Pair, count: usize) {
    pair.drop_first(count, |hop| hop.from == Side::A && hop.has(ChunkType::DATA));
}

/// Messages that A was told have failed: whether some of them was sent.
fn failures(pair: &mut Pair) -> Vec<bool> {
    let events = core::mem::take(&mut pair.a.events);
    let failed = |event| if let Event::SendFailed(failure) = event { Some(failure.sent) } else { None };
    events.into_iter().filter_map(|(_, event)| failed(event)).collect()
}

fn forward_tsns(hops: &[Hop]) -> Vec<ForwardTsnChunk> {
    let chunks = hops.iter().flat_map(|hop| &hop.chunks);
    let forwards = chunks.filter(|chunk| chunk.chunk_type == ChunkType::FORWARD_TSN);
    forwards.map(|chunk| ForwardTsnChunk::parse(chunk).unwrap()).collect()
}

/// RFC 3758, 3.3.1 and 3.3.2; 4.2: both sides learn whether it is in use.
/// RFC 3758, 3.3.3.
#[test]
fn partial_reliability_is_used_if_both_sides_offer_it() {
    for (a, z, both) in [(true, true, true), (true, false, false), (false, true, false)] {
        let config = |on| if on { AssociationConfig::default() } else { without() };
        let mut pair = Pair::new();
        pair.listen(config(z));
        let id = pair.connect(config(a));
        pair.run_secs(1);
        let other = pair.z.id();
        assert_eq!(pair.association(Side::A, id).extensions().partial_reliability, both);
        assert_eq!(pair.association(Side::Z, other).extensions().partial_reliability, both);
    }
}

/// RFC 3758, 3.5 A5 and C3; 3.6: the stream goes on without the lost message, and the sender is told.
/// RFC 3758, 3.2.
#[test]
fn a_lost_message_is_skipped_and_the_next_ones_delivered() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    drop_data(&mut pair, 1);
    send_with(&mut pair, a, ONCE, b"lost");
    pair.run_for(DELAY);
    pair.send(Side::A, a, b"kept");
    pair.take_trace();
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z), ["kept"]);
    assert_eq!(failures(&mut pair), [true]);
    let whole = pair.association(Side::A, a).config().send_buffer;
    assert_eq!(pair.association(Side::A, a).send_space(), whole);
    let counted = pair.association(Side::A, a).abandoned(Some(0), Some(Policy::Retransmissions));
    assert_eq!(counted, Abandoned { unsent: 0, sent: 1 });
    assert_eq!(pair.association(Side::A, a).stats().forward_tsns_sent, 1);
    assert_eq!(pair.association(Side::Z, z).stats().forward_tsns_received, 1);
}

/// RFC 3758, 3.5 F2: FORWARD TSN stands before DATA in one packet.
#[test]
fn a_forward_tsn_is_bundled_with_data() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    drop_data(&mut pair, 1);
    send_with(&mut pair, a, ONCE, &[1; 1_000]);
    pair.drain();
    (0..3).for_each(|_| pair.send(Side::A, a, &[2; 1_000]));
    pair.run_for(Duration::from_millis(5));
    pair.take_trace();
    pair.run_secs(5);
    assert!(pair.trace.iter().any(|line| line.contains("FORWARD_TSN+DATA")), "{:#?}", pair.trace);
    assert_eq!(pair.read(Side::Z, z).len(), 3);
}

/// RFC 3758, 3.5 C5: a lost FORWARD TSN is sent again, and one that nobody answers ends the association
/// (RFC 9260, 8.1).
#[test]
fn a_lost_forward_tsn_is_sent_again() {
    for (lost, survives) in [(3, true), (usize::MAX, false)] {
        let mut pair = Pair::new();
        let (a, _) = pair.establish();
        let mut left = lost;
        pair.set_rule(move |hop| {
            let counts = hop.has(ChunkType::FORWARD_TSN) || hop.has(ChunkType::HEARTBEAT);
            let drop = hop.from == Side::A && (hop.has(ChunkType::DATA) || (counts && left > 0));
            left = left.saturating_sub(usize::from(drop && counts));
            if drop { Fate::Drop } else { Fate::Pass }
        });
        send_with(&mut pair, a, ONCE, b"lost");
        pair.run_secs(600);
        assert_eq!(pair.state(Side::A, a) == AssociationState::Established, survives);
        if survives {
            assert!(!pair.association(Side::A, a).has_unacknowledged());
            let forwards = forward_tsns(&pair.hops);
            assert!(forwards.len() > lost && forwards.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}

/// RFC 9260, 9.2, with RFC 3758, 3.5: the association ends once the peer has skipped what was given up.
#[test]
fn a_shutdown_waits_until_what_was_given_up_is_skipped() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    let mut left = 2;
    pair.set_rule(move |hop| {
        let drop = hop.from == Side::A
            && (hop.has(ChunkType::DATA) || (hop.has(ChunkType::FORWARD_TSN) && left > 0));
        left -= usize::from(drop && hop.has(ChunkType::FORWARD_TSN));
        if drop { Fate::Drop } else { Fate::Pass }
    });
    send_with(&mut pair, a, ONCE, b"lost");
    let now = pair.now;
    pair.a.endpoint.shutdown(now, a).unwrap();
    pair.run_for(Duration::from_millis(1_500));
    assert_eq!(pair.state(Side::A, a), AssociationState::ShutdownPending);
    pair.run_secs(60);
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
    assert!(pair.events(Side::A).contains(&"ShutdownComplete".to_string()));
}

/// RFC 9260, 9.2, with RFC 3758, 3.6: in SHUTDOWN-SENT a FORWARD TSN is answered as DATA is.
#[test]
fn a_peer_that_shuts_down_still_answers_a_forward_tsn() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish();
    pair.set_rule(|hop| {
        let drop = hop.from == Side::A && hop.has(ChunkType::DATA);
        if drop { Fate::Drop } else { Fate::Pass }
    });
    send_with(&mut pair, a, ONCE, b"lost");
    pair.drain();
    let now = pair.now;
    pair.z.endpoint.shutdown(now, z).unwrap();
    pair.run_for(Duration::from_millis(500));
    assert_eq!(pair.state(Side::A, a), AssociationState::ShutdownReceived);
    pair.run_for(Duration::from_millis(700));
    assert_eq!(pair.state(Side::A, a), AssociationState::Closed, "{:#?}", pair.trace);
}

/// RFC 3758, 3.3.1 and 3.3.2: who did not offer it neither sends nor processes FORWARD TSN, and returns an ERROR.
#[test]
fn without_partial_reliability_a_forward_tsn_is_unknown() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(without());
    let tag = pair.association(Side::Z, z).local_tag();
    pair.take_trace();
    pair.forge(Side::Z, tag, &[chunk(ChunkType::FORWARD_TSN, 0, &[0xFF; 4])]);
    pair.run_secs(1);
    assert_eq!(pair.trace, ["Z -> ERROR -> A"]);
    assert!(pair.events(Side::A).contains(&"error 6".to_string()));

    drop_data(&mut pair, 1);
    send_with(&mut pair, a, ONCE, b"all the same");
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z), ["all the same"]);
    assert!(forward_tsns(&pair.hops).is_empty());
}

/// RFC 3758, 3.3.2 and 3.3.3: a peer that reports Forward-TSN-Supported as unrecognized in its INIT ACK is sent each
/// message until it has it.
#[test]
fn a_peer_that_reports_the_parameter_gets_no_forward_tsn() {
    let mut pair = Pair::new();
    let a = pair.connect(AssociationConfig::default());
    pair.drain();
    pair.drop_in_flight();
    let unknown = Parameters::from_iter([Parameter::ForwardTsnSupported]);
    let mut answer = InitChunk::parse(&init(77, &[])).unwrap();
    answer.kind = InitKind::InitAck;
    answer.parameters = Parameters::from_iter([
        Parameter::StateCookie(Bytes::from_static(b"cookie")),
        Parameter::UnrecognizedParameter(unknown.0.clone()),
    ]);
    let tag = pair.association(Side::A, a).local_tag();
    pair.forge(Side::A, tag, &[to_raw(&answer)]);
    pair.forge(Side::A, tag, &[chunk(ChunkType::COOKIE_ACK, 0, &[])]);
    // Or, late, in an ERROR.
    let causes = Cause::UnrecognizedParameters(unknown).into();
    pair.forge(Side::A, tag, &[to_raw(&ErrorChunk { causes })]);
    pair.drain();
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    assert!(!pair.association(Side::A, a).extensions().partial_reliability);

    pair.set_rule(|_| Fate::Drop);
    pair.hops.clear();
    send_with(&mut pair, a, ONCE, b"again and again");
    pair.run_secs(10);
    assert!(pair.hops.iter().filter(|hop| hop.has(ChunkType::DATA)).count() > 3);
    assert!(forward_tsns(&pair.hops).is_empty() && failures(&mut pair).is_empty());
}

/// RFC 9260, 11.1.5: without partial reliability a lifetime ends at the first transmission.
/// RFC 3758, 4.1.
#[test]
fn without_partial_reliability_a_lifetime_is_for_the_first_transmission() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(without());
    drop_data(&mut pair, 1);
    send_with(&mut pair, a, Reliability::Timed(Duration::from_millis(100)), b"sent in time");
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z), ["sent in time"]);
}

/// RFC 3758, 3.6: chunks that break the format do no harm.
#[test]
fn a_forward_tsn_that_is_cut_short_is_discarded() {
    let mut pair = Pair::new();
    let (_, z) = pair.establish();
    let tag = pair.association(Side::Z, z).local_tag();
    for value in [&[0; 3][..], &[0; 5], &[0; 7]] {
        pair.forge(Side::Z, tag, &[chunk(ChunkType::FORWARD_TSN, 0, value)]);
    }
    pair.run_secs(1);
    assert_eq!(pair.state(Side::Z, z), AssociationState::Established);
    assert_eq!(pair.association(Side::Z, z).stats().forward_tsns_received, 0);
}

/// RFC 7496, 3.2: with the buffer full of messages that wait, an important one is taken all the same.
#[test]
fn an_important_message_finds_room() {
    let config = AssociationConfig { send_buffer: 20_000, ..AssociationConfig::default() };
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config);
    pair.set_rule(
        |hop| if hop.from == Side::A && hop.has(ChunkType::DATA) { Fate::Drop } else { Fate::Pass },
    );
    let now = pair.now;
    let low = SendOptions { reliability: Some(Reliability::Priority(7)), ..SendOptions::default() };
    while pair.a.endpoint.send(now, a, &low, Bytes::from_static(&[7; 1_000])).is_ok() {}
    pair.run_for(Duration::from_millis(100));
    send_with(&mut pair, a, Reliability::Priority(1), &[1; 1_000]);
    assert!(matches!(
        pair.a.endpoint.send(now, a, &low, Bytes::from_static(&[7; 1_000])),
        Err(SendError::WouldBlock { .. })
    ));
    pair.drain();
    assert_eq!(failures(&mut pair), [false]);
    pair.set_rule(|_| Fate::Pass);
    pair.run_secs(10);
    assert_eq!(pair.read(Side::Z, z).last().unwrap(), &[1; 1_000][..]);
}

/// DATA beside COOKIE ECHO that is given up before the association is up: the FORWARD TSN waits for COOKIE ACK
/// (RFC 9260, 5.1 C).
#[test]
fn what_is_given_up_during_the_set_up_is_told_once_the_association_is_up() {
    let mut pair = Pair::new();
    pair.listen(AssociationConfig::default());
    let a = pair.connect(AssociationConfig::default());
    send_with(&mut pair, a, ONCE, b"lost");
    pair.drop_first(2, |hop| hop.has(ChunkType::COOKIE_ECHO));
    pair.run_secs(30);
    let z = pair.z.id();
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    pair.send(Side::A, a, b"kept");
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z).last().unwrap(), "kept");
    assert!(!pair.association(Side::A, a).has_unacknowledged());
}

/// The user learns that all is done also if the last message was given up.
#[test]
fn the_sender_is_dry_once_its_last_message_is_given_up() {
    for (policy, sent) in [(ONCE, true), (Reliability::Timed(Duration::ZERO), false)] {
        let mut pair = Pair::new();
        let (a, _) = pair.establish();
        pair.set_rule(|hop| if hop.has(ChunkType::DATA) { Fate::Drop } else { Fate::Pass });
        send_with(&mut pair, a, policy, b"lost");
        pair.a.events.clear();
        pair.run_secs(5);
        let dry = pair.a.events.iter().filter(|(_, event)| matches!(event, Event::SenderDry));
        assert_eq!(dry.count(), 1);
        assert_eq!(failures(&mut pair), [sent]);
    }
}

fn interleaving() -> AssociationConfig {
    let extensions = Extensions { interleaving: true, partial_reliability: true, ..Extensions::NONE };
    AssociationConfig { extensions, ..AssociationConfig::default() }
}

/// RFC 8260, 2 and 2.3.1: with I-DATA the chunk is I-FORWARD-TSN.
#[test]
fn interleaved_messages_are_skipped_by_i_forward_tsn() {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(interleaving());
    pair.drop_first(1, |hop| hop.from == Side::A && hop.has(ChunkType::I_DATA));
    send_with(&mut pair, a, ONCE, b"lost");
    pair.run_for(DELAY);
    pair.send(Side::A, a, b"kept");
    pair.run_secs(5);
    assert_eq!(pair.read(Side::Z, z), ["kept"]);
    assert!(pair.hops.iter().any(|hop| hop.has(ChunkType::I_FORWARD_TSN)));
    assert!(forward_tsns(&pair.hops).is_empty());
    assert!(!pair.association(Side::A, a).has_unacknowledged());
}

/// RFC 8260, 2.3.1: FORWARD TSN where I-FORWARD-TSN was agreed on, and the other way round, ends the association.
#[test]
fn the_forward_tsn_that_does_not_go_with_the_data_ends_the_association() {
    for (config, chunk_type) in
        [(interleaving(), ChunkType::FORWARD_TSN), (AssociationConfig::default(), ChunkType::I_FORWARD_TSN)]
    {
        let mut pair = Pair::new();
        let (_, z) = pair.establish_with(config);
        let tag = pair.association(Side::Z, z).local_tag();
        pair.take_trace();
        pair.forge(Side::Z, tag, &[chunk(chunk_type, 0, &[0; 4])]);
        pair.run_secs(1);
        assert_eq!(pair.trace, ["Z -> ABORT -> A"]);
        assert_eq!(pair.state(Side::Z, z), AssociationState::Closed);
    }
}

/// RFC 8260, 2.3.1: FORWARD TSN goes with DATA, I-FORWARD-TSN with I-DATA. What a peer must have listed for messages to be
/// given up depends on the data in use, and not on what it lists besides. RFC 3758, 3.1, RFC 5061, 4.2.7: FORWARD TSN has
/// two ways to be listed.
#[test]
fn partial_reliability_is_what_goes_with_the_data_in_use() {
    const LISTS: [ChunkType; 3] = [ChunkType::FORWARD_TSN, ChunkType::I_DATA, ChunkType::I_FORWARD_TSN];
    for (case, we_interleave) in (0..16).flat_map(|case| [(case, false), (case, true)]) {
        let [forward_tsn, i_data, i_forward_tsn, parameter] = [0, 1, 2, 3].map(|bit| case >> bit & 1 != 0);
        let listed = LISTS.into_iter().zip([forward_tsn, i_data, i_forward_tsn]);
        let types = listed.filter_map(|(chunk_type, listed)| listed.then_some(chunk_type)).collect();
        let parameter = parameter.then_some(Parameter::ForwardTsnSupported);
        let offers = core::iter::once(Parameter::SupportedExtensions(types)).chain(parameter.clone());
        let extensions = extensions_with_peer(we_interleave, offers);
        let interleaving = we_interleave && i_data;
        let forwarding = if interleaving { i_forward_tsn } else { forward_tsn || parameter.is_some() };
        let expected = (interleaving, forwarding);
        assert_eq!((extensions.interleaving, extensions.partial_reliability), expected, "{case:04b}");
    }
}

/// What is in use with a peer whose INIT holds these parameters.
fn extensions_with_peer(we_interleave: bool, offers: impl Iterator<Item = Parameter>) -> Extensions {
    let mut pair = Pair::new();
    pair.listen(if we_interleave { interleaving() } else { AssociationConfig::default() });
    let mut offer = InitChunk::parse(&init(7, &[])).unwrap();
    offer.parameters = Parameters::from_iter(offers);
    pair.forge(Side::Z, 0, &[to_raw(&offer)]);
    pair.drain();
    let (cookie, tag) = pair.last_cookie();
    pair.forge(Side::Z, tag, &[cookie]);
    pair.drain();
    let z = pair.z.id();
    pair.association(Side::Z, z).extensions()
}

/// RFC 8260, 2.3.1: the INIT ACK of such a peer is read like its INIT.
#[test]
fn a_peer_without_i_forward_tsn_has_messages_given_up_where_we_do_not_interleave() {
    for (we_interleave, both) in [(false, true), (true, false)] {
        let mut pair = Pair::new();
        let a = pair.connect(if we_interleave { interleaving() } else { AssociationConfig::default() });
        pair.drain();
        let mut offer = InitChunk::parse(&init(7, &[])).unwrap();
        offer.kind = InitKind::InitAck;
        let types = [ChunkType::FORWARD_TSN, ChunkType::I_DATA].into_iter().collect();
        let cookie = Parameter::StateCookie(Bytes::from_static(b"cookie"));
        offer.parameters = Parameters::from_iter([Parameter::SupportedExtensions(types), cookie]);
        let tag = pair.association(Side::A, a).local_tag();
        pair.forge(Side::A, tag, &[to_raw(&offer)]);
        pair.drain();
        assert_eq!(pair.association(Side::A, a).extensions().partial_reliability, both);
    }
}
