//! SACKs that leave although further packets of their batch are not yet taken in.
//!
//! A sender's window grows with each SACK that it gets (RFC 9260, 7.2.1), and by no more than one
//! packet for each. Were a batch of received packets taken in as a whole and then acknowledged once, a
//! window would grow by one packet in a round trip instead of doubling. So a SACK that is wanted is
//! written before the next packet comes; without gap blocks they are all of one size, and leave in
//! one run.

use crate::association::Written;
use crate::net::Transmit;
use std::collections::VecDeque;

/// SACKs that may wait; past that one SACK stands for several.
const MAX_EARLY_SACKS: usize = 256;

/// Packets that are ready to leave.
#[derive(Debug, Default)]
pub(super) struct EarlySacks {
    packets: VecDeque<Written>,
    /// Their bytes, one behind the other, and before them those of packets that left already.
    bytes: Vec<u8>,
    taken: usize,
}

impl EarlySacks {
    pub(super) fn has_room(&self) -> bool {
        self.packets.len() < MAX_EARLY_SACKS
    }

    /// Takes what `write` appends to the buffer that it is given.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<Written>) {
        self.packets.extend(write(&mut self.bytes));
    }

    /// Moves the first packet and those like it behind it to `buffer`.
    pub(super) fn take_run(&mut self, buffer: &mut Vec<u8>, max_segments: usize) -> Option<Transmit> {
        let &first = self.packets.front()?;
        let alike = self.packets.iter().take(max_segments.max(1)).take_while(|&packet| *packet == first);
        let count = alike.count();
        let end = self.taken + count * first.len;
        buffer.extend_from_slice(self.bytes.get(self.taken..end).unwrap_or_default());
        self.packets.drain(..count);
        self.taken = end;
        if self.packets.is_empty() {
            self.bytes.clear();
            self.taken = 0;
        }
        let len = count * first.len;
        Some(Transmit {
            path: first.address,
            ecn: first.ecn,
            marks: first.marks,
            fragment_to: None,
            segment_size: first.len,
            len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::association::PacketKind;
    use crate::net::{Ecn, IpMarks, PathAddress};

    fn push(sacks: &mut EarlySacks, host: u8, bytes: &[u8]) {
        let address = PathAddress::to([10, 0, 0, host].into());
        sacks.push(|buffer| {
            buffer.extend_from_slice(bytes);
            let (ecn, marks) = (Ecn::NotCapable, IpMarks::NONE);
            Some(Written { address, ecn, marks, len: bytes.len(), kind: PacketKind::Fitting })
        });
    }

    #[test]
    fn packets_of_one_size_to_one_address_leave_in_one_run() {
        let mut sacks = EarlySacks::default();
        for (host, bytes) in [(1, "aa"), (1, "bb"), (1, "cc"), (1, "ddd"), (2, "eee")] {
            push(&mut sacks, host, bytes.as_bytes());
        }
        let mut runs = Vec::new();
        loop {
            let mut buffer = Vec::new();
            let Some(run) = sacks.take_run(&mut buffer, 2) else { break };
            assert_eq!(run.len, buffer.len());
            runs.push((run.segment_size, String::from_utf8(buffer).unwrap()));
        }
        assert_eq!(runs, [(2, "aabb".into()), (2, "cc".into()), (3, "ddd".into()), (3, "eee".into())]);
        assert!(sacks.bytes.is_empty());
    }
}
