//! The receiver against a simple model of it: which TSNs it says have come, and what it hands to the reader.
//!
//! The input is a row of pairs: how far from the TSN that is due the next DATA chunk lies, and its flags. The model keeps the
//! TSNs in a plain set and makes its acknowledgement by walking over it.

use bytes::Bytes;
use sctp_core::config::AssociationConfig;
use sctp_core::rx::{DataOutcome, Receiver};
use sctp_core::serial::{Ssn, Tsn};
use sctp_core::time::Time;
use sctp_core::wire::chunk::{DataChunk, DataFlags, GapBlock};
use std::collections::BTreeSet;
use std::time::Duration;

/// Near the wrap.
const INITIAL_TSN: Tsn = Tsn(u32::MAX - 20);

#[derive(Default)]
struct Model {
    /// Offsets from the initial TSN of what has come.
    came: BTreeSet<u32>,
}

impl Model {
    /// The offset of the first that has not come.
    fn due(&self) -> u32 {
        (0..).find(|offset| !self.came.contains(offset)).unwrap_or(0)
    }

    fn gap_blocks(&self) -> Vec<GapBlock> {
        let due = self.due();
        let mut blocks: Vec<GapBlock> = Vec::new();
        for offset in self.came.range(due..) {
            // Relative to the cumulative TSN, the one before `due`.
            let at = (offset - due + 1) as u16;
            match blocks.last_mut() {
                Some(last) if last.end + 1 == at => last.end = at,
                _ => blocks.push(GapBlock { start: at, end: at }),
            }
        }
        blocks
    }
}

/// Feeds both. Panics where they differ.
pub fn received_tsns(data: &[u8]) {
    let mut receiver = Receiver::new(&AssociationConfig::default(), INITIAL_TSN, 1);
    let mut model = Model::default();
    let mut now = Time::from_millis(1);
    for &[ahead, flags] in data.as_chunks().0.iter().take(500) {
        now += Duration::from_millis(u64::from(flags >> 4));
        let offset = (model.due() + u32::from(ahead)).saturating_sub(8);
        let outcome = receiver.handle_data(now, chunk(offset));
        let expected = if model.came.insert(offset) { DataOutcome::Accepted } else { DataOutcome::Duplicate };
        assert_eq!(outcome, expected, "TSN {offset} behind the first");
        receiver.end_of_packet(now);
        while let Some(message) = receiver.read(now) {
            assert!(model.came.contains(&message.tsn.distance_from(INITIAL_TSN)));
        }
        if flags & 1 != 0 {
            let sack = receiver.make_sack(now, 65_000);
            assert_eq!(sack.cumulative_tsn_ack, INITIAL_TSN.plus(model.due()).prev());
            assert_eq!(sack.gap_blocks.to_vec(), model.gap_blocks());
            assert!(!receiver.sack_wanted());
        }
        assert_eq!(receiver.has_gaps(), !model.gap_blocks().is_empty());
    }
}

/// A message of its own, unordered, so that it is delivered at once.
fn chunk(offset: u32) -> DataChunk {
    DataChunk {
        tsn: INITIAL_TSN.plus(offset),
        stream_id: 0,
        ssn: Ssn(0),
        ppid: offset,
        flags: DataFlags { unordered: true, begin: true, end: true, ..DataFlags::default() },
        payload: Bytes::from_static(b"x"),
    }
}
