//! What the peer has given up on: FORWARD TSN (RFC 3758, 3.6) and I-FORWARD-TSN (RFC 8260, 2.3.1).

use super::reassembly::Neighbours;
use super::receiver::{Fragments, Receiver};
use super::run::Fragment;
use crate::serial::{Mid, Tsn};
use crate::wire::chunk::{ForwardTsnChunk, IForwardTsnChunk, SkippedMessage, SkippedStream};

impl Receiver {
    /// Takes a FORWARD TSN in. One that does not move the cumulative TSN, because it is old or leads too far ahead, is
    /// answered at once.
    /// RFC 3758, 3.2.
    pub fn handle_forward_tsn(&mut self, forward: &ForwardTsnChunk) {
        let tsn = forward.new_cumulative_tsn;
        if !self.move_to(tsn) {
            return;
        }
        if let Fragments::ByTsn(reassembly) = &mut self.reassembly {
            let dropped = reassembly.skip(tsn);
            self.abort_deliveries(dropped);
        }
        for &SkippedStream { stream_id, ssn } in &forward.streams {
            self.streams.skip(stream_id, Mid(ssn.0.into()));
        }
    }

    /// The same for I-FORWARD-TSN.
    pub fn handle_i_forward_tsn(&mut self, forward: &IForwardTsnChunk) {
        if !self.move_to(forward.new_cumulative_tsn) {
            return;
        }
        for &SkippedMessage { stream_id, unordered, mid } in &forward.streams {
            if let Fragments::ByFsn(interleaved) = &mut self.reassembly {
                let dropped = interleaved.skip(stream_id, unordered, mid);
                self.abort_deliveries(dropped);
            }
            if !unordered {
                self.streams.skip(stream_id, mid);
            }
        }
    }

    /// Moves the cumulative TSN to `tsn` and over what had arrived behind it; whether it moved.
    /// RFC 3758, 3.6.
    fn move_to(&mut self, tsn: Tsn) -> bool {
        // An answer that nothing has moved would bring the next FORWARD TSN at once, for as long as TSNs are suspended.
        if self.suspended {
            return false;
        }
        self.packet.data = true;
        self.packet.gaps |= self.map.has_gaps();
        let moved = self.map.forward(tsn);
        self.packet.accepted |= moved;
        self.packet.duplicate |= !moved;
        self.packet.gaps |= self.map.has_gaps();
        moved
    }

    /// Whether this fragment is of a message that was skipped in part, and can only be thrown away.
    pub(super) fn is_orphan(&mut self, fragment: &Fragment, neighbours: Neighbours) -> bool {
        match &mut self.reassembly {
            Fragments::ByTsn(reassembly) => {
                let is_orphan = reassembly.is_orphan(fragment, neighbours);
                if is_orphan {
                    let dropped = reassembly.skip(fragment.head.tsn);
                    self.abort_deliveries(dropped);
                }
                is_orphan
            }
            Fragments::ByFsn(interleaved) => {
                interleaved.has_skipped && self.streams.has_passed(&fragment.head)
            }
        }
    }
}
