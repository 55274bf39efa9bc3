//! What the peer has given up on: FORWARD TSN (RFC 3758, 3.6) and I-FORWARD-TSN (RFC 8260, 2.3.1).

use super::reassembly::Neighbours;
use super::receiver::{Fragments, Receiver};
use super::run::{Dropped, Fragment, Run};
use super::tsn_map::MAX_SPAN;
use crate::serial::{Mid, Tsn};
use crate::wire::chunk::{ForwardTsnChunk, IForwardTsnChunk, SkippedMessage, SkippedStream};

impl Receiver {
    /// Takes a FORWARD TSN in. One that does not move the cumulative TSN, because it is old or leads too far ahead, is
    /// answered at once. All the same it may tell of a message given up of which no TSN is missing: what was not sent of it
    /// has none.
    /// RFC 3758, 3.2 and 3.6.
    pub fn handle_forward_tsn(&mut self, forward: &ForwardTsnChunk) {
        let tsn = forward.new_cumulative_tsn;
        if !self.move_to(tsn) && !self.stops_at(tsn) {
            return;
        }
        if let Fragments::ByTsn(reassembly) = &mut self.reassembly {
            let dropped = reassembly.skip(tsn);
            self.abort_deliveries(dropped);
        }
        for &SkippedStream { stream_id, ssn } in &forward.streams {
            self.streams.skip(stream_id, Mid(ssn.0.into()));
        }
        self.drop_cut_off();
        self.relieve();
    }

    /// The same for I-FORWARD-TSN.
    pub fn handle_i_forward_tsn(&mut self, forward: &IForwardTsnChunk) {
        let tsn = forward.new_cumulative_tsn;
        let moved = self.move_to(tsn);
        // One that is too old to be told from a new one says nothing.
        if !moved && (self.suspended || self.map.cumulative().distance_from(tsn) > MAX_SPAN) {
            return;
        }
        let mut dropped = Dropped::default();
        for &SkippedMessage { stream_id, unordered, mid } in &forward.streams {
            if let Fragments::ByFsn(interleaved) = &mut self.reassembly {
                if !moved && !interleaved.holds(stream_id, unordered, mid, tsn) {
                    continue;
                }
                interleaved.skip(stream_id, unordered, mid, &mut dropped);
            }
            match unordered {
                true => self.streams.skip_unordered(stream_id, mid, self.map.cumulative()),
                false => self.streams.skip(stream_id, mid),
            }
            self.note_turn(stream_id);
        }
        self.abort_deliveries(dropped);
        self.relieve();
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

    /// Whether all has come up to `tsn`, the last one that was sent of a message without an end.
    fn stops_at(&mut self, tsn: Tsn) -> bool {
        let Fragments::ByTsn(reassembly) = &mut self.reassembly else { return false };
        !self.suspended && tsn == self.map.cumulative() && reassembly.stops_at(tsn)
    }

    /// Drops the parts of messages behind which others began, once it is their turn: nothing else tells of them if the
    /// FORWARD TSN is lost, for no TSN is missing.
    /// RFC 3758, 3.6.
    #[inline]
    pub(super) fn drop_cut_off(&mut self) {
        let cumulative = self.map.cumulative();
        while let Fragments::ByTsn(reassembly) = &mut self.reassembly
            && let Some(run) = reassembly.take_cut_off(cumulative)
        {
            self.drop_part(run);
        }
    }

    fn drop_part(&mut self, run: Run) {
        let head = run.head;
        self.abort_deliveries(Dropped::of(core::iter::once(run)));
        if !head.unordered && self.streams.is_next(&head) {
            self.streams.skip(head.stream_id, head.mid);
        }
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
                interleaved.has_skipped && self.streams.has_passed(&fragment.head, self.map.cumulative())
            }
        }
    }
}
