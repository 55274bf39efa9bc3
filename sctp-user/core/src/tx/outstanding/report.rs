//! What a SACK changed.

use super::{Chunk, ChunkState};
use crate::path::PathId;
use crate::path::congestion::LastSent;
use crate::time::Time;
use smallvec::SmallVec;

/// What a SACK newly acknowledged on one path.
#[derive(Debug)]
pub(in crate::tx) struct PathAck {
    pub(in crate::tx) path: PathId,
    /// Bytes of chunks, whether they were in flight or marked.
    pub(in crate::tx) bytes: usize,
    /// Some of it was sent to this address only, and so shows that it works (RFC 7829, 3.2, rules 9 and 10).
    pub(in crate::tx) certain: bool,
    /// Bytes of the largest chunk.
    pub(in crate::tx) largest: usize,
    /// The lowest position among those that were in flight.
    pub(in crate::tx) lowest_in_flight: Option<u64>,
    /// When the first one left that was sent only once.
    pub(in crate::tx) sent_once_at: Option<Time>,
    /// When the one that left last did.
    pub(in crate::tx) latest: Option<LastSent>,
    /// The position after the highest one.
    pub(in crate::tx) newly_acked_end: u64,
    /// When that one left.
    pub(in crate::tx) newly_acked_sent_at: Time,
}

/// What a SACK changed.
#[derive(Debug, Default)]
pub(in crate::tx) struct AckReport {
    pub(in crate::tx) paths: SmallVec<[PathAck; 2]>,
    /// The position after the highest newly acknowledged one (HTNA; 7.2.4).
    pub(in crate::tx) newly_acked_end: u64,
    /// The lowest newly acknowledged position.
    pub(in crate::tx) newly_acked_start: Option<u64>,
    /// Bytes of payload newly acknowledged.
    pub(in crate::tx) payload: usize,
    /// Bytes of send buffer that came free.
    pub(in crate::tx) freed: usize,
}

impl AckReport {
    pub(super) fn add(&mut self, position: u64, chunk: &Chunk) {
        let path = chunk.path;
        let index = self.paths.iter().position(|ack| ack.path == path).unwrap_or_else(|| {
            self.paths.push(PathAck {
                path,
                bytes: 0,
                certain: false,
                largest: 0,
                lowest_in_flight: None,
                sent_once_at: None,
                latest: None,
                newly_acked_end: 0,
                newly_acked_sent_at: Time::ZERO,
            });
            self.paths.len() - 1
        });
        self.newly_acked_end = self.newly_acked_end.max(position + 1);
        self.newly_acked_start = Some(self.newly_acked_start.map_or(position, |start| start.min(position)));
        self.payload += chunk.payload_len();
        let Some(ack) = self.paths.get_mut(index) else { return };
        ack.bytes += chunk.wire_len();
        if position >= ack.newly_acked_end {
            (ack.newly_acked_end, ack.newly_acked_sent_at) = (position + 1, chunk.sent_at);
        }
        ack.certain |= !chunk.several_paths;
        ack.largest = ack.largest.max(chunk.wire_len());
        if matches!(chunk.state, ChunkState::InFlight { .. }) {
            ack.lowest_in_flight = Some(ack.lowest_in_flight.map_or(position, |lowest| lowest.min(position)));
        }
        if chunk.retransmissions == 0 && ack.sent_once_at.is_none() {
            ack.sent_once_at = Some(chunk.sent_at);
        }
        if ack.latest.is_none_or(|latest| latest.at < chunk.sent_at) {
            ack.latest = Some(LastSent { at: chunk.sent_at, retransmitted: chunk.retransmissions > 0 });
        }
    }
}
