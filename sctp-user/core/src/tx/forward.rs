//! Tells the peer which TSNs it need not wait for: Advanced.Peer.Ack.Point and FORWARD TSN (RFC 3758, 3.5). Where
//! messages are interleaved it is I-FORWARD-TSN, which speaks of unordered messages, too (RFC 8260, 2.3.1).
//!
//! The ack point moves as soon as the chunk behind it is abandoned, and a FORWARD TSN goes out with the next packet;
//! nothing is put off (F3). It is sent again when T3-rtx of its path expires (C5), or when a round-trip time later a
//! SACK shows that the peer has not got it (C3).

use super::outstanding::Outstanding;
use super::sack::AckedPath;
use super::sender::Sender;
use crate::path::{Path, PathId, PathSet};
use crate::serial::{Mid, Ssn, Tsn};
use crate::time::Time;
use crate::wire::chunk::{ForwardTsnChunk, IForwardTsnChunk, SkippedMessage, SkippedStream};
use crate::wire::{CHUNK_HEADER_LEN, PacketBuilder};
use std::collections::BTreeMap;

/// How far the ack point may be ahead of the cumulative one. Receivers discard what lies further ahead than the TSNs
/// that they keep track of, of which 4,096 is what common ones have at least; and the stream sequence numbers that
/// are skipped stay comparable.
const MAX_AHEAD: u64 = 4_096;

/// Bytes of the chunk's value without streams; for each stream in FORWARD TSN; and in I-FORWARD-TSN.
const FIXED_LEN: usize = 4;
const STREAM_LEN: usize = 4;
const I_STREAM_LEN: usize = 8;

/// What the peer is to be told to skip.
#[derive(Debug, Default)]
pub(super) struct Forward {
    /// The position after Advanced.Peer.Ack.Point (A1). That of the cumulative TSN ack point or less: nothing is skipped.
    end: u64,
    /// The last message skipped of each stream, unordered ones apart, with the position of its last chunk (C4).
    streams: BTreeMap<(u16, bool), (Mid, u64)>,
    /// Where a FORWARD TSN is to be sent to now.
    due: Option<PathId>,
    /// One was sent there and T3-rtx runs for it.
    in_flight_on: Option<PathId>,
    sent_at: Time,
}

impl Forward {
    /// Moves the ack point over what was abandoned (C1, C2), as far as one packet with room for `max_streams` can tell
    /// (C4); whether it moved to where the peer is not yet.
    /// RFC 3758, 3.5.
    fn advance(&mut self, outstanding: &Outstanding, max_streams: usize) -> bool {
        let before = self.end;
        let first = outstanding.first();
        if self.end < first {
            self.end = first;
            self.streams.clear();
        } else if !self.streams.is_empty() {
            self.streams.retain(|_, (_, position)| *position >= first);
        }
        while self.end < first + MAX_AHEAD
            && let Some(skipped) = outstanding.skipped(self.end)
            // 3.2, 3.5: FORWARD TSN says nothing of unordered ones.
            && ((skipped.unordered && !outstanding.is_interleaving()) || self.list(skipped, max_streams))
        {
            self.end += 1;
        }
        self.end > before.max(first)
    }

    /// Enters the message of the chunk behind the ack point; false if there is no room.
    /// RFC 3758, 3.5.
    fn list(&mut self, skipped: SkippedMessage, max_streams: usize) -> bool {
        let SkippedMessage { stream_id, unordered, mid } = skipped;
        let key = (stream_id, unordered);
        let has_room = self.streams.len() < max_streams || self.streams.contains_key(&key);
        if has_room {
            self.streams.insert(key, (mid, self.end));
        }
        has_room
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.due.is_some() || self.in_flight_on.is_some()
    }

    /// Whether T3-rtx of this path runs for a FORWARD TSN.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn is_in_flight_on(&self, path: PathId) -> bool {
        self.in_flight_on == Some(path)
    }

    /// There is nobody to be told anything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Sender {
    /// Where a FORWARD TSN is to be sent to now.
    pub fn forward_path(&self) -> Option<PathId> {
        self.forward.due
    }

    /// Bytes of the value of the chunk that is to be sent.
    pub fn forward_tsn_len(&self) -> usize {
        FIXED_LEN + self.stream_len() * self.forward.streams.len()
    }

    /// Puts it into `packet`, which goes to `path`: T3-rtx runs for it (3.5 C5). False if it does not fit.
    /// RFC 8260, 2.3.1, 2.
    pub fn write_forward_tsn(
        &mut self,
        now: Time,
        path: PathId,
        paths: &mut PathSet,
        packet: &mut PacketBuilder<'_>,
    ) -> bool {
        let written = match self.outstanding.is_interleaving() {
            true => packet.push(&self.i_forward_tsn()),
            false => packet.push(&self.forward_tsn()),
        };
        if written.is_err() {
            return false;
        }
        self.forward.due = None;
        self.forward.sent_at = now;
        self.land_forward_tsn(paths);
        self.forward.in_flight_on = Some(path);
        self.keep_t3_for_forward_tsn(now, paths);
        true
    }

    fn forward_tsn(&self) -> ForwardTsnChunk {
        let streams = self.forward.streams.iter();
        let stream = |(&(stream_id, _), &(mid, _)): (&(u16, bool), &(Mid, u64))| SkippedStream {
            stream_id,
            ssn: Ssn::of_mid(mid),
        };
        ForwardTsnChunk { new_cumulative_tsn: self.ack_point(), streams: streams.map(stream).collect() }
    }

    fn i_forward_tsn(&self) -> IForwardTsnChunk {
        let streams = self.forward.streams.iter();
        let stream = |(&(stream_id, unordered), &(mid, _)): (&(u16, bool), &(Mid, u64))| SkippedMessage {
            stream_id,
            unordered,
            mid,
        };
        IForwardTsnChunk { new_cumulative_tsn: self.ack_point(), streams: streams.map(stream).collect() }
    }

    /// Advanced.Peer.Ack.Point.
    fn ack_point(&self) -> Tsn {
        self.outstanding.tsn(self.forward.end).prev()
    }

    fn stream_len(&self) -> usize {
        if self.outstanding.is_interleaving() { I_STREAM_LEN } else { STREAM_LEN }
    }

    /// Streams of which one chunk can tell that fits into a packet of any path (3.5 C4).
    fn max_streams(&self, paths: &PathSet) -> usize {
        let room = paths.iter().map(Path::pmdcs).min().unwrap_or(0);
        room.saturating_sub(CHUNK_HEADER_LEN + FIXED_LEN) / self.stream_len()
    }

    /// Whether the peer is to skip something of which it has not said that it did.
    fn is_forwarding(&self) -> bool {
        self.forward.end > self.outstanding.first()
    }

    /// The cumulative TSN ack point has moved, or chunks were abandoned (3.5 C1, C2 and A5). A FORWARD TSN goes to
    /// `path`, or with new data.
    pub(super) fn advance_ack_point(&mut self, now: Time, path: Option<PathId>, paths: &mut PathSet) {
        if self.forward.advance(&self.outstanding, self.max_streams(paths)) {
            self.send_forward_tsn(path.or_else(|| paths.for_new_data()));
        }
        if !self.is_forwarding() {
            self.forward.due = None;
            self.land_forward_tsn(paths);
        }
        self.keep_t3_for_forward_tsn(now, paths);
    }

    /// After the usual processing of an acknowledgement (3.5 A4). The path of the FORWARD TSN that it answers, if any.
    pub(super) fn acknowledge_forward_tsn(&mut self, now: Time, paths: &mut PathSet) -> Option<AckedPath> {
        let first = self.outstanding.first();
        if !self.forward.is_waiting() && self.outstanding.skipped(first).is_none() {
            return None;
        }
        let answered = self.forward.in_flight_on.filter(|_| first >= self.forward.end);
        self.advance_ack_point(now, None, paths);
        self.repeat_forward_tsn(now, paths);
        // The data may have come after all, by the way that it took.
        answered.map(|path| AckedPath { path, certain: false, largest: 0 })
    }

    /// C3: a FORWARD TSN that the peer should have got by now is sent again.
    /// RFC 3758, 3.5.
    fn repeat_forward_tsn(&mut self, now: Time, paths: &PathSet) {
        let path = self.forward.in_flight_on.and_then(|id| paths.get(id));
        // F2: not before a round-trip time is over.
        if path.is_some_and(|path| now - self.forward.sent_at >= path.rtt.srtt().unwrap_or(path.rto())) {
            self.send_forward_tsn(paths.for_new_data());
        }
    }

    /// T3-rtx of `path` expired, or it failed; what is skipped is told again elsewhere (6.4.1). Whether it ran
    /// for a FORWARD TSN.
    pub(super) fn expire_forward_tsn(&mut self, path: PathId, paths: &PathSet) -> bool {
        let was_in_flight = self.forward.in_flight_on.take_if(|id| *id == path).is_some();
        if self.is_forwarding() {
            self.send_forward_tsn(paths.for_retransmission(path));
        }
        was_in_flight
    }

    /// `path` is no more: what was to be told there, or was told in vain, goes to `other`.
    pub(super) fn move_forward_tsn(&mut self, path: PathId, other: PathId) {
        let was_in_flight = self.forward.in_flight_on.take_if(|id| *id == path).is_some();
        if was_in_flight || self.forward.due == Some(path) {
            self.forward.due = Some(other);
        }
    }

    fn send_forward_tsn(&mut self, path: Option<PathId>) {
        self.forward.due = path.or(self.forward.due);
    }

    /// No FORWARD TSN is on its way: the T3-rtx that ran for it alone stops.
    fn land_forward_tsn(&mut self, paths: &mut PathSet) {
        if let Some(path) = self.forward.in_flight_on.take().and_then(|id| paths.get_mut(id)) {
            path.t3_rtx.take_if(|_| path.flight_size == 0);
        }
    }

    /// T3-rtx stopped when the last chunk left the flight, but is still needed (3.5 C5).
    pub(super) fn keep_t3_for_forward_tsn(&self, now: Time, paths: &mut PathSet) {
        if let Some(path) = self.forward.in_flight_on.and_then(|id| paths.get_mut(id)) {
            path.start_t3(now);
        }
    }
}
