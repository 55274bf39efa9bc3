//! Reads the packets of a run on the wire, independently of what the endpoints say of themselves.

use sctp_core::wire::chunk::SackChunk;
use sctp_core::wire::{ChecksumPolicy, ChunkType, Packet};

use crate::sim::datagram::Datagram;
use crate::sim::tap::{Fate, Observation};

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireStats {
    /// Packets sent.
    pub packets: u64,
    /// Packets sent that our own parser does not accept: must stay 0.
    pub malformed: u64,
    /// SACKs that close the window (`a_rwnd` 0).
    pub zero_windows: u64,
    /// TSNs that SACKs reported as duplicates.
    pub duplicate_tsns: u64,
    /// SACKs with gap blocks.
    pub gap_sacks: u64,
    /// ABORT chunks.
    pub aborts: u64,
}

impl core::ops::AddAssign for WireStats {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.malformed += other.malformed;
        self.zero_windows += other.zero_windows;
        self.duplicate_tsns += other.duplicate_tsns;
        self.gap_sacks += other.gap_sacks;
        self.aborts += other.aborts;
    }
}

impl WireStats {
    pub(super) fn watch(&mut self, observation: &Observation<'_>) {
        if observation.fate != Fate::Sent {
            return;
        }
        self.packets += 1;
        if self.read(observation.datagram).is_none() {
            self.malformed += 1;
        }
    }

    /// The receiver checks the checksum; here it would only cost time.
    fn read(&mut self, datagram: &Datagram) -> Option<()> {
        let packet = Packet::parse(datagram.payload.clone(), ChecksumPolicy::Verified).ok()?;
        for chunk in packet.chunks() {
            let chunk = chunk.ok()?;
            match chunk.chunk_type {
                ChunkType::SACK => self.read_sack(&SackChunk::parse(&chunk).ok()?),
                ChunkType::ABORT => self.aborts += 1,
                _ => {}
            }
        }
        Some(())
    }

    fn read_sack(&mut self, sack: &SackChunk) {
        self.zero_windows += u64::from(sack.a_rwnd == 0);
        self.duplicate_tsns += sack.duplicates.len() as u64;
        self.gap_sacks += u64::from(!sack.gap_blocks.is_empty());
    }
}
