//! Packets out: associations take turns, and equal-size packets of one path leave together.

use super::Endpoint;
use super::out_of_the_blue::StatelessPacket;
use super::slots::Slot;
use crate::association::{BASE_PACKET_SIZE, PacketKind, Written, headers_len};
use crate::net::{Ecn, PathAddress, Transmit};
use crate::time::Time;
use crate::wire::PacketBuilder;

/// Stateless answers that may wait; further ones are dropped, as if the network had lost them.
const MAX_STATELESS: usize = 1_024;
/// Bytes of a batch at most: what one UDP datagram of a segmentation offload can hold.
const MAX_BATCH: usize = 65_000;

/// A packet that was built for a batch that it does not fit into: it begins the next one.
#[derive(Debug)]
pub(super) struct Carried {
    slot: Slot,
    packet: Written,
}

impl Endpoint {
    pub(super) fn push_stateless(&mut self, to: PathAddress, packet: StatelessPacket) {
        if self.stateless.len() < MAX_STATELESS {
            self.stateless.push_back((to, packet));
        }
    }

    pub(super) fn next_batch(
        &mut self,
        now: Time,
        buffer: &mut Vec<u8>,
        max_segments: usize,
    ) -> Option<Transmit> {
        if let Some(Carried { slot, packet }) = self.carried.take() {
            buffer.extend_from_slice(&self.carried_bytes);
            return Some(self.extend_batch(now, slot, packet, buffer, max_segments));
        }
        if let Some(transmit) = self.early_sacks.take_run(buffer, max_segments) {
            return Some(transmit);
        }
        if let Some(transmit) = self.write_stateless(buffer) {
            return Some(transmit);
        }
        while let Some(slot) = self.ready.pop_front() {
            let Some(entry) = self.slots.get_mut(slot) else { continue };
            entry.ready = false;
            match entry.association.write_packet(now, buffer) {
                Some(first) => return Some(self.extend_batch(now, slot, first, buffer, max_segments)),
                None => self.note_changes(slot),
            }
        }
        None
    }

    fn write_stateless(&mut self, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let (path, StatelessPacket { marks, header, auth, chunk }) = self.stateless.pop_front()?;
        let mut packet = PacketBuilder::new(buffer, header, usize::MAX);
        // A chunk that we made is not longer than a chunk can be.
        auth.iter().for_each(|auth| _ = packet.push(auth));
        let _ = packet.push(&chunk);
        self.counters.stateless_sent += 1;
        self.counters.control_chunks_sent += packet.control_chunks();
        // RFC 9653, 5.2, rule 1 b: whoever gets it has agreed to nothing.
        let len = packet.finish();
        // Its size is that of what it holds, whatever the path carries.
        let fragment_to = (len > BASE_PACKET_SIZE).then_some(BASE_PACKET_SIZE + headers_len(&path));
        Some(Transmit { path, ecn: Ecn::NotCapable, marks, fragment_to, segment_size: len, len })
    }

    /// Appends further packets of the same association while they go the same way, marked alike, and are not longer;
    /// a shorter one ends the batch.
    fn extend_batch(
        &mut self,
        now: Time,
        slot: Slot,
        first: Written,
        buffer: &mut Vec<u8>,
        max_segments: usize,
    ) -> Transmit {
        let segment_size = first.len;
        let mut transmit = Transmit {
            path: first.address,
            ecn: first.ecn,
            marks: first.marks,
            fragment_to: match first.kind {
                PacketKind::Oversize { fits } => Some(fits as usize + headers_len(&first.address)),
                PacketKind::Fitting | PacketKind::Probe => None,
            },
            segment_size,
            len: first.len,
        };
        let alone = first.kind != PacketKind::Fitting;
        let mut room = if alone { 0 } else { max_segments.saturating_sub(1) };
        let mut dry = false;
        while room > 0
            && transmit.len.is_multiple_of(segment_size)
            && transmit.len + segment_size <= MAX_BATCH
        {
            let start = buffer.len();
            let Some(next) = self.write_next(now, slot, buffer) else {
                dry = true;
                break;
            };
            let joins = next.kind == PacketKind::Fitting && next.len <= segment_size;
            if (next.address, next.ecn) != (first.address, first.ecn) || !joins {
                self.carry(slot, next, buffer, start);
                break;
            }
            transmit.len += next.len;
            room -= 1;
        }
        if dry {
            self.note_changes(slot);
        } else {
            self.settle(slot);
        }
        transmit
    }

    fn write_next(&mut self, now: Time, slot: Slot, buffer: &mut Vec<u8>) -> Option<Written> {
        let entry = self.slots.get_mut(slot)?;
        entry.association.write_packet(now, buffer)
    }

    /// Keeps the packet that starts at `start` for the next batch.
    fn carry(&mut self, slot: Slot, packet: Written, buffer: &mut Vec<u8>, start: usize) {
        self.carried_bytes.clear();
        self.carried_bytes.extend_from_slice(buffer.get(start..).unwrap_or_default());
        buffer.truncate(start);
        self.carried = Some(Carried { slot, packet });
    }
}
