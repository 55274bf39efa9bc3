//! Takes in acknowledgements (RFC 9260, 6.2.1) and reports of missing chunks (7.2.4).

use super::outstanding::{AckReport, Cause, MAX_COUNTED, MAX_GAPS, PathAck};
use super::sender::Sender;
use crate::path::congestion::Acknowledged;
use crate::path::{PathId, PathSet};
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::chunk::{GapBlock, NrSackChunk, SackChunk};
use core::ops::Range;
use smallvec::SmallVec;

/// What a SACK brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SackOutcome {
    /// Bytes of user data that it acknowledged for the first time.
    pub newly_acked_bytes: usize,
    /// It moved the cumulative TSN ack point.
    pub cumulative_advanced: bool,
    /// Paths to which data that it newly acknowledged was last sent: their error counters, and the
    /// association's, are reset (RFC 9260, 8.1 and 8.2).
    pub acked_paths: SmallVec<[AckedPath; 2]>,
    /// Nothing is queued or outstanding any longer, and before there was.
    pub became_empty: bool,
    /// It was older than one that came before, and was ignored (6.2.1 D i).
    pub old: bool,
}

/// A path to which acknowledged data was last sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckedPath {
    /// Which.
    pub path: PathId,
    /// Some of the data was sent nowhere else (RFC 7829, 3.2, rule 10).
    pub certain: bool,
    /// The largest chunk among it, bytes of wire: a packet of at least that size got through.
    pub largest: usize,
}

/// The peer acknowledged what was never sent: a protocol violation (RFC 9260, 3.3.10.13), or an
/// attempt to make us send faster than the network can bear (optimistic acknowledgement).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SackError {
    /// The cumulative TSN ack is too high.
    #[error("cumulative TSN ack {cumulative_tsn_ack}, but the highest TSN sent is {highest_sent}")]
    CumulativeNotSent {
        /// What the peer acknowledged.
        cumulative_tsn_ack: Tsn,
        /// The last TSN that we used.
        highest_sent: Tsn,
    },
    /// A gap block ends too high.
    #[error("a gap block ends at TSN {tsn}, but the highest TSN sent is {highest_sent}")]
    GapNotSent {
        /// Where the block ends.
        tsn: Tsn,
        /// The last TSN that we used.
        highest_sent: Tsn,
    },
}

impl AckedPath {
    fn of(ack: &PathAck) -> Self {
        Self { path: ack.path, certain: ack.certain, largest: ack.largest }
    }
}

/// What a SACK or NR-SACK says.
struct Said<'a> {
    cumulative_tsn_ack: Tsn,
    a_rwnd: u32,
    /// Blocks of what has arrived behind the cumulative TSN ack.
    blocks: &'a [GapBlock],
    /// Those of them that the peer will never take back.
    kept: &'a [GapBlock],
    packets: u8,
}

/// What a SACK or NR-SACK reports behind the cumulative TSN ack.
struct Gaps {
    /// What has arrived.
    all: Vec<Range<u64>>,
    /// What of it the peer will never take back.
    kept: Vec<Range<u64>>,
    /// Packets that it acknowledges together, as far as the peer says so.
    packets: u8,
}

/// How many misses an acknowledgement of several packets is for the chunk at `position`: if all that it newly
/// acknowledges left behind it on one path, as many as there are packets
/// (draft-tuexen-tsvwg-sctp-multipath, 3.3).
fn misses_of(position: u64, packets: u8, report: &AckReport) -> u8 {
    let behind = report.paths.len() == 1 && report.newly_acked_start.is_some_and(|start| position < start);
    if behind { packets } else { 1 }
}

/// A path's flight before the SACK, for congestion control.
type Flights = SmallVec<[usize; 4]>;

impl Sender {
    /// Takes in a SACK. Old ones change nothing; gap blocks may come in any order and overlap.
    pub fn handle_sack(
        &mut self,
        now: Time,
        sack: &SackChunk,
        paths: &mut PathSet,
    ) -> Result<SackOutcome, SackError> {
        let SackChunk { cumulative_tsn_ack, a_rwnd, ref gap_blocks, .. } = *sack;
        let said = Said { cumulative_tsn_ack, a_rwnd, blocks: gap_blocks, kept: &[], packets: 1 };
        self.take_in(now, &said, paths)
    }

    /// Takes in an NR-SACK: as a SACK, and what it says will be kept for good needs not be kept here
    /// (draft-tuexen-tsvwg-sctp-multipath, 4.4.2).
    pub fn handle_nr_sack(
        &mut self,
        now: Time,
        sack: &NrSackChunk,
        paths: &mut PathSet,
    ) -> Result<SackOutcome, SackError> {
        let both: SmallVec<[GapBlock; 8]> =
            sack.renegable_blocks.iter().chain(&sack.non_renegable_blocks).copied().collect();
        let NrSackChunk { cumulative_tsn_ack, a_rwnd, ref non_renegable_blocks, packets, .. } = *sack;
        let kept = non_renegable_blocks;
        let said = Said { cumulative_tsn_ack, a_rwnd, blocks: &both, kept, packets: packets.max(1) };
        self.take_in(now, &said, paths)
    }

    fn take_in(&mut self, now: Time, said: &Said<'_>, paths: &mut PathSet) -> Result<SackOutcome, SackError> {
        let Some(new_first) = self.locate(said.cumulative_tsn_ack)? else {
            return Ok(SackOutcome { old: true, ..SackOutcome::default() });
        };
        let all = self.gap_ranges(new_first, said.blocks)?;
        let mut kept = self.gap_ranges(new_first, said.kept)?;
        let end = all.last().map_or(0, |last| last.end);
        kept.retain(|range| range.end <= end);
        let gaps = Gaps { all, kept, packets: said.packets };
        let was_closed = self.window.advertised();
        self.window.advertise(said.a_rwnd);
        let outcome = self.acknowledge(now, new_first, Some(gaps), paths);
        self.retransmit_dropped_probe(was_closed, paths);
        self.window.sacked_at = Some(now);
        if let Some(path) = paths.for_new_data().and_then(|id| paths.get(id)) {
            self.window.set_rto(path.rto());
        }
        self.review_window(now);
        Ok(outcome)
    }

    /// Takes in a cumulative TSN ack that comes without gap blocks and window: SHUTDOWN has one (9.2).
    /// RFC 9260, 3.3.8.
    pub fn handle_cumulative_ack(
        &mut self,
        now: Time,
        cumulative_tsn_ack: Tsn,
        paths: &mut PathSet,
    ) -> Result<SackOutcome, SackError> {
        let Some(new_first) = self.locate(cumulative_tsn_ack)? else {
            return Ok(SackOutcome { old: true, ..SackOutcome::default() });
        };
        let outcome = self.acknowledge(now, new_first, None, paths);
        // A peer that has sent SHUTDOWN may answer DATA with SHUTDOWN alone (9.2). It says nothing of a window,
        // but shows that the peer is there: what does not fit into the one last heard of is still a probe (6.1 A).
        self.window.sacked_at = Some(now);
        self.review_window(now);
        Ok(outcome)
    }

    /// The position after `cumulative_tsn_ack`; `None` if it lies before the cumulative TSN ack point.
    /// RFC 9260, 12.4, 5.1; RFC 3758, 3.5.
    fn locate(&self, cumulative_tsn_ack: Tsn) -> Result<Option<u64>, SackError> {
        let first = self.outstanding.first();
        let ack_point = self.outstanding.tsn(first).prev();
        let advance = cumulative_tsn_ack.distance_from(ack_point);
        if usize::try_from(advance).is_ok_and(|advance| advance <= self.outstanding.len()) {
            return Ok(Some(first + u64::from(advance)));
        }
        if cumulative_tsn_ack.less_than(ack_point) {
            return Ok(None);
        }
        Err(SackError::CumulativeNotSent { cumulative_tsn_ack, highest_sent: self.highest_sent() })
    }

    fn highest_sent(&self) -> Tsn {
        self.outstanding.tsn(self.outstanding.end()).prev()
    }

    /// The gap blocks as ascending, disjoint ranges of positions. Blocks that end before they start
    /// say nothing, and none can hold the TSN after the cumulative TSN ack (3.3.4). What lies behind many is left out.
    fn gap_ranges(&self, new_first: u64, blocks: &[GapBlock]) -> Result<Vec<Range<u64>>, SackError> {
        let end = self.outstanding.end();
        let range = |block: &GapBlock| {
            let start = new_first + u64::from(block.start.max(2)) - 1;
            start..new_first + u64::from(block.end)
        };
        let mut ranges: Vec<_> = blocks.iter().map(range).filter(|range| !range.is_empty()).collect();
        if let Some(range) = ranges.iter().find(|range| range.end > end) {
            let tsn = self.outstanding.tsn(range.end).prev();
            return Err(SackError::GapNotSent { tsn, highest_sent: self.highest_sent() });
        }
        if !ranges.is_sorted_by_key(|range| range.start) {
            ranges.sort_unstable_by_key(|range| range.start);
        }
        ranges.dedup_by(|next, previous| {
            let joined = next.start <= previous.end;
            if joined {
                previous.end = previous.end.max(next.end);
            }
            joined
        });
        ranges.truncate(MAX_GAPS);
        Ok(ranges)
    }

    /// RFC 9260, 7.2.4.
    fn acknowledge(
        &mut self,
        now: Time,
        new_first: u64,
        gaps: Option<Gaps>,
        paths: &mut PathSet,
    ) -> SackOutcome {
        let was_empty = self.is_empty();
        let cumulative_advanced = new_first > self.outstanding.first();
        let flights: Flights = paths.iter().map(|path| path.flight_size).collect();
        let packets = gaps.as_ref().map(|gaps| gaps.packets);

        let mut report = AckReport::default();
        self.outstanding.acknowledge_up_to(new_first, paths, &mut report);
        if let Some(gaps) = gaps {
            let all = self.outstanding.with_kept(gaps.all);
            let replaced = self.outstanding.replace_gaps(all, paths, &mut report);
            if replaced && !gaps.kept.is_empty() {
                report.freed += self.outstanding.keep(&gaps.kept);
            }
        }
        self.used -= report.freed;
        self.measure_rtt(now, &report, paths);
        self.update_windows(now, &flights, &report, paths);
        // RFC 9260, 6.2.1 D iv
        self.recovery.leave_up_to(new_first);
        if let Some(packets) = packets {
            self.count_misses(now, cumulative_advanced, packets, &report, paths);
            self.count_untold(&report, paths);
        }
        if self.outstanding.first_marked().is_none() {
            self.urgent.clear();
        }
        self.update_timers(now, &report, paths);
        let forwarded = self.acknowledge_forward_tsn(now, paths);
        SackOutcome {
            newly_acked_bytes: report.payload,
            cumulative_advanced,
            acked_paths: report.paths.iter().map(AckedPath::of).chain(forwarded).collect(),
            became_empty: !was_empty && self.is_empty(),
            old: false,
        }
    }

    /// RFC 9260, 6.3.1 C4 and C5: from a chunk that was sent once, and after the last retransmission.
    fn measure_rtt(&self, now: Time, report: &AckReport, paths: &mut PathSet) {
        for ack in &report.paths {
            let Some(sent_at) = ack.sent_once_at else { continue };
            let path = paths.get_mut(ack.path);
            // What another path has lost is sent again on this one all the time: that does not make it doubtful when
            // something was answered that was sent only once.
            let certain = |again| self.recovery.split || sent_at >= again;
            let path = path.filter(|path| path.retransmitted_at.is_none_or(certain));
            if let Some(path) = path {
                path.rtt.measure(sent_at, now);
            }
        }
    }

    /// Tells congestion control of each path what was acknowledged (7.2.1, 7.2.2).
    fn update_windows(&self, now: Time, flights: &[usize], report: &AckReport, paths: &mut PathSet) {
        let data_waits = self.has_unsent() || self.outstanding.first_marked().is_some();
        let rwnd = self.peer_rwnd();
        let all_acked = self.outstanding.len() == 0;
        let pool = self.pooled_growth(paths);
        for (path, &flight_before) in paths.iter_mut().zip(flights) {
            let acked = report.paths.iter().find(|ack| ack.path == path.id);
            let ack = Acknowledged {
                now,
                bytes: acked.map_or(0, |ack| ack.bytes),
                flight_before,
                flight_after: path.flight_size,
                rwnd,
                data_waits: data_waits && !path.rest.is_on(now),
                growth: pool.map(|pool| pool.growth(path.congestion.cwnd())),
                in_fast_recovery: self.recovery.holds(path.id),
                latest: acked.and_then(|ack| ack.latest),
                ..Acknowledged::default()
            };
            let pmdcs = path.pmdcs();
            path.congestion.on_ack(ack, pmdcs);
            if all_acked {
                path.congestion.on_all_acked();
            }
        }
    }

    /// Miss indications by the HTNA algorithm (7.2.4): chunks below the highest newly acknowledged
    /// one, or all that are reported missing if the SACK advanced the ack point in fast recovery.
    /// RFC 9260, 6.7.
    fn count_misses(
        &mut self,
        now: Time,
        cumulative_advanced: bool,
        packets: u8,
        report: &AckReport,
        paths: &mut PathSet,
    ) {
        if self.outstanding.gap_count() == 0 {
            return;
        }
        let all_reported = cumulative_advanced && self.recovery.holds_any();
        let end = if all_reported { self.outstanding.reported_end() } else { report.newly_acked_end };
        let overtaken = overtaken(now, self.recovery.split, report, paths);
        let mut lost: SmallVec<[u64; 8]> = SmallVec::new();
        let (mut next, mut left) = (self.outstanding.first_to_count(!overtaken.is_empty()), MAX_COUNTED);
        while let Some(missing) = self.outstanding.missing(next..end, left) {
            (next, left) = (missing.end, left.saturating_sub(missing.clone().count()));
            for position in missing {
                let missed = self.is_missed(position, report, cumulative_advanced);
                let count = misses_of(position, packets, report);
                if missed && self.outstanding.count_misses(position, count, &overtaken) {
                    lost.push(position);
                }
            }
        }
        if !lost.is_empty() {
            self.fast_retransmit(now, &lost, paths);
        }
    }

    /// RFC 9260, 6.2: a SACK tells of as many gaps as fit into a packet.
    fn count_untold(&mut self, report: &AckReport, paths: &PathSet) {
        let Some(path) = self.recovery.path().and_then(|id| paths.get(id)) else { return };
        let acked = report.paths.iter().map(|ack| ack.bytes).sum();
        // Half of it at least: other chunks and duplicates take room, and the peer's packets may be smaller.
        let full = self.outstanding.gap_count() * GapBlock::LEN >= path.pmdcs() / 2;
        self.recovery.count_untold(full, path.pmdcs(), acked);
    }

    /// RFC 9260, 7.2.4, 1 to 6. The packet itself leaves with the next `fill`.
    fn fast_retransmit(&mut self, now: Time, lost: &[u64], paths: &mut PathSet) {
        let mut hit: SmallVec<[PathId; 2]> = SmallVec::new();
        for &position in lost {
            let Some(chunk) = self.outstanding.get(position) else { continue };
            if !hit.contains(&chunk.path) {
                hit.push(chunk.path);
            }
            if let Some(path) = paths.get_mut(chunk.path) {
                path.congestion.on_lost(now, chunk.wire_len());
            }
            self.outstanding.mark(position, Cause::Missing, paths);
        }
        hit.retain(|&mut id| !self.recovery.holds(id));
        for id in hit {
            self.recovery.enter(id, self.outstanding.end());
            if let Some(path) = paths.get_mut(id) {
                let pmdcs = path.pmdcs();
                path.congestion.on_fast_retransmit(now, pmdcs);
                path.slowed_down_at = self.outstanding.end();
                path.stats.fast_retransmits += 1;
            }
            self.stats.fast_retransmits += 1;
            let again_on = self.path_for_lost(id, false, paths);
            self.add_urgent(again_on.or_else(|| paths.for_fast_retransmission(id)));
        }
    }

    /// RFC 9260, 6.3.2 R3 and R4. (R2: the timer stops as the last chunk leaves the flight.)
    fn update_timers(&mut self, now: Time, report: &AckReport, paths: &mut PathSet) {
        for path in paths.iter_mut() {
            if path.flight_size == 0 {
                continue;
            }
            let acked = report.paths.iter().find(|ack| ack.path == path.id);
            let earliest_acked = acked.and_then(|ack| ack.lowest_in_flight).is_some_and(|lowest| {
                self.outstanding.first_in_flight(path.id).is_none_or(|first| lowest < first)
            });
            if earliest_acked {
                path.restart_t3(now);
            }
            path.start_t3(now);
        }
    }

    /// The peer's window was too small for a chunk, a SACK has said so since the chunk left, and now the
    /// window has room: the peer has dropped the chunk. It is sent again at once, since T3-rtx may
    /// have backed off for long while the window was closed.
    fn retransmit_dropped_probe(&mut self, was_advertised: usize, paths: &mut PathSet) {
        let first = self.outstanding.first();
        let (Some(chunk), Some(sacked_at)) = (self.outstanding.get(first), self.window.sacked_at) else {
            return;
        };
        let len = chunk.payload_len();
        let dropped = was_advertised < len && chunk.sent_at < sacked_at;
        if dropped && self.window.advertised() >= len {
            self.outstanding.mark(first, Cause::Missing, paths);
        }
    }
}

/// For each path the time before which all that left there and did not arrive is lost: something that left a good deal
/// later has arrived. Where the controller wants to know, or where there are several paths (`split`).
fn overtaken(now: Time, split: bool, report: &AckReport, paths: &PathSet) -> SmallVec<[(PathId, Time); 2]> {
    let overtaken_on = |ack: &PathAck| {
        let path = paths.get(ack.path).filter(|path| split || path.congestion.retransmits_repeatedly())?;
        let (latest, srtt) = (ack.latest?, path.rtt.srtt()?);
        // What comes back sooner is the acknowledgement of an earlier copy; one that took another path may come any time.
        let is_this_copy = !latest.retransmitted || (!split && now - latest.at >= srtt / 2);
        // By a quarter of a round trip packets may be reordered.
        let reordering = u64::try_from((srtt / 4).as_nanos()).ok()?;
        let before = latest.at.as_nanos().checked_sub(reordering).filter(|_| is_this_copy)?;
        Some((ack.path, Time::from_nanos(before)))
    };
    report.paths.iter().filter_map(overtaken_on).collect()
}
