//! Congestion marks, from the router to the window (RFC 4960, Appendix A; RFC 3168).

use super::asconf_harness::{add, asconf, dynamic, first_sequence, signed};
use super::harness::{Fate, Hop, Pair, Side, chunk, ip};
use crate::association::{AssociationState, to_raw};
use crate::config::AssociationConfig;
use crate::event::AssociationId;
use crate::extensions::Extensions;
use crate::net::Ecn;
use crate::path::Path;
use crate::serial::{Ssn, Tsn};
use crate::wire::chunk::{ChunkType, DataChunk, DataFlags, EcnChunk, InitChunk, RawChunk};
use crate::wire::param::ParameterType;
use bytes::Bytes;
use core::time::Duration;

/// Sooner than an RTO, after which the window would shrink by itself.
const SOON: Duration = Duration::from_millis(800);

fn config(ecn: bool) -> AssociationConfig {
    let extensions = Extensions { ecn, ..Extensions::NONE };
    // Whole windows leave at once.
    AssociationConfig { extensions, max_burst: 0, no_delay: true, ..AssociationConfig::default() }
}

fn capable() -> (Pair, AssociationId, AssociationId) {
    let mut pair = Pair::new();
    let (a, z) = pair.establish_with(config(true));
    pair.hops.clear();
    (pair, a, z)
}

impl Pair {
    fn primary(&mut self, side: Side, id: AssociationId) -> &Path {
        let paths = self.association(side, id).paths();
        paths.get(paths.primary()).unwrap()
    }

    /// Marks the first `count` packets with DATA.
    fn mark_first(&mut self, count: usize) {
        let mut left = count;
        self.set_rule(move |hop| {
            let marks = left > 0 && hop.has(ChunkType::DATA);
            left -= usize::from(marks);
            if marks { Fate::Mark } else { Fate::Pass }
        });
    }

    /// The lowest TSNs in ECNE or CWR chunks of `side` on the wire.
    fn ecn_chunks(&self, side: Side, chunk_type: ChunkType) -> Vec<Tsn> {
        let chunks = self.hops.iter().filter(|hop| hop.from == side).flat_map(|hop| &hop.chunks);
        let chunks = chunks.filter(|chunk| chunk.chunk_type == chunk_type);
        chunks.map(|chunk| EcnChunk::parse(chunk).unwrap().lowest_tsn).collect()
    }
}

fn tsns(hop: &Hop) -> Vec<Tsn> {
    let data = hop.chunks.iter().filter(|chunk| chunk.chunk_type == ChunkType::DATA);
    data.map(|chunk| DataChunk::parse(chunk).unwrap().tsn).collect()
}

/// RFC 4960, Appendix A: ECN is offered in INIT and INIT ACK.
#[test]
fn both_sides_announce_ecn() {
    let mut pair = Pair::new();
    pair.establish();
    let offers = |chunk_type| {
        let mut chunks = pair.hops.iter().flat_map(|hop| &hop.chunks);
        let chunk = chunks.find(|chunk| chunk.chunk_type == chunk_type).unwrap();
        InitChunk::parse(chunk).unwrap().parameters.find(ParameterType::ECN_CAPABLE).is_some()
    };
    assert!(offers(ChunkType::INIT) && offers(ChunkType::INIT_ACK));
}

/// RFC 3168, 6.1.1, 6.1.4 and 6.1.5: new DATA may be marked; the set-up, acknowledgements and what is sent again may not.
#[test]
fn only_packets_with_new_data_are_ecn_capable() {
    let mut pair = Pair::new();
    let (a, _) = pair.establish_with(config(true));
    pair.drop_first(2, |hop| hop.has(ChunkType::DATA));
    (0..20).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_secs(5);
    let mut seen: Vec<Tsn> = Vec::new();
    let mut again = 0;
    for hop in &pair.hops {
        let tsns = tsns(hop);
        let new = !tsns.is_empty() && tsns.iter().all(|tsn| !seen.contains(tsn));
        again += usize::from(!new && !tsns.is_empty());
        assert_eq!(hop.ecn == Ecn::Ect0, new, "{:?}", hop.chunks);
        seen.extend(tsns);
    }
    assert!(again >= 2, "what was lost was sent again");
}

/// RFC 4960, Appendix A: nothing is capable, and no mark echoed, unless both sides are.
#[test]
fn without_the_peers_offer_there_is_no_ecn() {
    for (ours, theirs) in [(true, false), (false, true)] {
        let mut pair = Pair::new();
        pair.listen(config(theirs));
        let a = pair.connect(config(ours));
        pair.run_secs(1);
        pair.set_rule(|_| Fate::Mark);
        (0..20).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
        pair.run_secs(2);
        assert!(pair.hops.iter().all(|hop| hop.ecn == Ecn::NotCapable && !hop.has(ChunkType::ECNE)));
    }
}

/// RFC 4960, Appendix A: CE, ECNE with the lowest TSN of the packet, a smaller window, CWR with the same TSN, silence.
#[test]
fn a_mark_halves_the_window_once_and_is_no_longer_echoed() {
    let (mut pair, a, z) = capable();
    (0..40).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_for(SOON);
    let before = pair.primary(Side::A, a).congestion.cwnd();
    pair.hops.clear();
    pair.mark_first(1);
    (0..3).for_each(|_| pair.send(Side::A, a, &[2; 600]));
    (0..20).for_each(|_| pair.send(Side::A, a, &[2; 1_400]));
    pair.run_secs(2);
    let first = tsns(&pair.hops[0]);
    assert!(first.len() >= 2, "several chunks in the marked packet");
    let echoes = pair.ecn_chunks(Side::Z, ChunkType::ECNE);
    assert!(!echoes.is_empty() && echoes.iter().all(|tsn| *tsn == first[0]));
    assert_eq!(pair.ecn_chunks(Side::A, ChunkType::CWR), echoes, "each is answered");
    let path = pair.primary(Side::A, a);
    assert_eq!((path.stats.ecn_reductions, path.stats.retransmitted_chunks), (1, 0));
    let pmdcs = path.pmdcs();
    assert_eq!(path.congestion.ssthresh(), (before / 2).max(4 * pmdcs));
    assert!(path.congestion.cwnd() < before);
    pair.hops.clear();
    pair.send(Side::A, a, b"more");
    pair.run_secs(1);
    assert!(pair.ecn_chunks(Side::Z, ChunkType::ECNE).is_empty(), "CWR has silenced it");
    assert_eq!(pair.association(Side::Z, z).stats().congestion_marks_received, 1);
    assert_eq!(pair.read(Side::Z, z).len(), 64);
}

/// RFC 3168, 6.1.3: every acknowledgement echoes the mark until the sender has heard of it.
#[test]
fn an_echo_or_a_cwr_that_is_lost_is_sent_again() {
    for (lost, limit) in [(ChunkType::ECNE, 1), (ChunkType::CWR, 3)] {
        let (mut pair, a, z) = capable();
        let (mut marked, mut dropped) = (false, 0);
        pair.set_rule(move |hop| match () {
            () if !core::mem::replace(&mut marked, true) => Fate::Mark,
            () if dropped < limit && hop.has(lost) => {
                dropped += 1;
                Fate::Drop
            }
            () => Fate::Pass,
        });
        for _ in 0..12 {
            (0..4).for_each(|_| pair.send(Side::A, a, &[3; 1_400]));
            pair.run_secs(2);
        }
        assert_eq!(pair.primary(Side::A, a).stats.ecn_reductions, 1, "{lost}");
        pair.hops.clear();
        (0..4).for_each(|_| pair.send(Side::A, a, &[3; 1_400]));
        pair.run_secs(2);
        assert!(pair.ecn_chunks(Side::Z, ChunkType::ECNE).is_empty());
        assert_eq!(pair.read(Side::Z, z).len(), 52);
    }
}

/// usrsctp reads nothing behind an ECNE of RFC 4960, Appendix A: its SACK is lost with it.
#[test]
fn a_peer_that_reads_another_form_of_ecne_only_hears_of_marks_too() {
    let (mut pair, a, z) = capable();
    let mut marked = false;
    let is_short = |chunk: &RawChunk| chunk.chunk_type == ChunkType::ECNE && chunk.value.len() == 4;
    pair.set_rule(move |hop| match () {
        () if !core::mem::replace(&mut marked, true) => Fate::Mark,
        () if hop.chunks.iter().any(is_short) => Fate::Drop,
        () => Fate::Pass,
    });
    (0..40).for_each(|_| pair.send(Side::A, a, &[3; 1_400]));
    pair.run_secs(1);
    let path = pair.primary(Side::A, a);
    assert_eq!((path.stats.ecn_reductions, path.stats.t3_expiries), (1, 0));
    assert_eq!(pair.read(Side::Z, z).len(), 40);
    pair.hops.clear();
    pair.send(Side::A, a, b"more");
    pair.run_secs(1);
    assert!(pair.ecn_chunks(Side::Z, ChunkType::ECNE).is_empty(), "CWR has silenced it");
}

/// RFC 3168, 6.1.2: once for each window of data, however many of its packets were marked.
#[test]
fn a_window_full_of_marks_slows_the_sender_down_once() {
    let (mut pair, a, _) = capable();
    (0..60).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_for(SOON);
    let window = pair.primary(Side::A, a).congestion.cwnd() / 1_500;
    assert!(window > 8);
    pair.mark_first(window);
    (0..window).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_secs(3);
    assert_eq!(pair.primary(Side::A, a).stats.ecn_reductions, 1);
    pair.mark_first(1);
    (0..2).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_secs(3);
    assert_eq!(pair.primary(Side::A, a).stats.ecn_reductions, 2, "the next window");
}

/// RFC 3168, 6.1.2: a loss and a mark in the same window are one congestion.
#[test]
fn a_mark_in_a_window_that_lost_a_packet_too_changes_nothing_more() {
    let (mut pair, a, z) = capable();
    (0..60).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_for(SOON);
    let mut count = 0;
    // The mark comes behind the third report of the loss.
    pair.set_rule(move |hop| {
        count += usize::from(hop.has(ChunkType::DATA));
        match count {
            1 if hop.from == Side::A => Fate::Drop,
            8 if hop.from == Side::A => Fate::Mark,
            _ => Fate::Pass,
        }
    });
    (0..10).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_secs(3);
    let stats = pair.primary(Side::A, a).stats;
    assert_eq!((stats.fast_retransmits, stats.ecn_reductions), (1, 0));
    assert!(!pair.ecn_chunks(Side::A, ChunkType::CWR).is_empty(), "it is silenced all the same");
    assert_eq!(pair.read(Side::Z, z).len(), 70);
}

/// The path that a marked packet took slows down, and no other.
#[test]
fn each_path_answers_for_its_own_marks() {
    let mut pair = Pair::multihomed();
    let (a, _) = pair.establish_with(config(true));
    pair.run_secs(60);
    let second = super::harness::ip("10.0.2.2");
    pair.a.endpoint.set_primary(a, second).unwrap();
    (0..30).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.mark_first(1);
    pair.run_secs(3);
    let reductions: Vec<_> = {
        let paths = pair.association(Side::A, a).paths();
        paths.iter().map(|path| (path.address.remote == second, path.stats.ecn_reductions)).collect()
    };
    assert_eq!(reductions, [(false, 0), (true, 1)]);
}

/// What was never sent was never marked; an old echo is of a window that was answered long ago.
#[test]
fn forged_echoes_slow_nobody_down_more_than_once() {
    let (mut pair, a, z) = capable();
    (0..30).for_each(|_| pair.send(Side::A, a, &[1; 1_400]));
    pair.run_secs(3);
    let tag = pair.association(Side::A, a).local_tag();
    let next = pair.association(Side::A, a).sender.next_tsn();
    let echo = |tsn: Tsn| chunk(ChunkType::ECNE, 0, &tsn.0.to_be_bytes());
    for tsn in [next, next.plus(5), next.plus(1 << 31), next.plus(3 << 30)] {
        pair.forge(Side::A, tag, &[echo(tsn)]);
    }
    assert_eq!(pair.primary(Side::A, a).stats.ecn_reductions, 0);
    let many: Vec<_> = (1..100).map(|back| echo(next.plus(0_u32.wrapping_sub(back)))).collect();
    pair.hops.clear();
    pair.forge(Side::A, tag, &many);
    pair.drain();
    assert_eq!(pair.primary(Side::A, a).stats.ecn_reductions, 1);
    assert!(pair.hops.len() <= 1, "one packet of answers to one packet");
    pair.forge(Side::A, tag, &[chunk(ChunkType::ECNE, 0, &[1, 2]), chunk(ChunkType::CWR, 0, &[])]);
    assert_eq!(pair.state(Side::A, a), AssociationState::Established);
    pair.send(Side::Z, z, b"alive");
    pair.run_secs(1);
    assert_eq!(pair.read(Side::A, a), ["alive"]);
}

/// RFC 4960, Appendix A: the mark is that of the packet, wherever it came from (RFC 5061, 5.2 D2).
#[test]
fn a_mark_on_a_packet_from_a_new_address_is_echoed_and_is_not_taken_for_one_on_the_next() {
    let mut pair = Pair::multihomed();
    let mut config = dynamic();
    config.extensions.ecn = true;
    let (a, _) = pair.establish_with(config);
    let (first, next) = (first_sequence(&mut pair, a), pair.association(Side::A, a).sender.next_tsn());
    let data = |offset| {
        let payload = Bytes::from_static(b"marked?");
        let flags = DataFlags { begin: true, end: true, unordered: true, ..DataFlags::default() };
        to_raw(&DataChunk { tsn: next.plus(offset), stream_id: 0, ssn: Ssn(0), ppid: 0, flags, payload })
    };
    pair.hops.clear();
    for (offset, source, ecn) in [(0, "10.0.3.1", Ecn::CongestionExperienced), (1, "10.0.4.1", Ecn::Ect0)] {
        let request = asconf(first.wrapping_add(offset), [add(1, "0.0.0.0")]);
        let bytes = signed(&mut pair, a, &[request, data(offset)]);
        pair.inject_marked(Side::Z, ip(source), ip("10.0.1.2"), ecn, bytes);
    }
    pair.run_for(SOON);
    assert!(
        pair.ecn_chunks(Side::Z, ChunkType::ECNE).iter().all(|lowest| *lowest == next),
        "the first alone"
    );
    assert!(!pair.ecn_chunks(Side::Z, ChunkType::ECNE).is_empty());
}
