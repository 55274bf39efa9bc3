//! NR-SACK: a SACK that also says what it will never take back
//! (draft-tuexen-tsvwg-sctp-multipath, 3.2.2).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |   type = 16   |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                      cumulative TSN ack                       |
//! +---------------------------------------------------------------+
//! |          advertised receiver window credit (a_rwnd)           |
//! +-------------------------------+-------------------------------+
//! | number of renegable blocks, N | number of non-renegable, M    |
//! +-------------------------------+-------------------------------+
//! |  number of duplicate TSNs, X  |           reserved            |
//! +-------------------------------+-------------------------------+
//! |  N renegable gap ack blocks, M non-renegable, X duplicate TSNs |
//! ```

use super::sack::{GapBlock, write_count, write_list};
use super::{ChunkError, ChunkType, RawChunk};
use crate::serial::Tsn;
use crate::wire::builder::WriteChunk;
use crate::wire::read::Reader;
use core::fmt;
use smallvec::SmallVec;

/// Bytes of value in front of the first gap block.
const FIXED_LEN: usize = 16;

/// The bits of the flags that tell how many packets are acknowledged.
const PACKETS: u8 = 3;

/// An NR-SACK chunk, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NrSackChunk {
    /// The last TSN before the first gap.
    pub cumulative_tsn_ack: Tsn,
    /// Advertised receiver window credit, bytes.
    pub a_rwnd: u32,
    /// What has arrived and may still be dropped.
    pub renegable_blocks: SmallVec<[GapBlock; 4]>,
    /// What has arrived and will be kept.
    pub non_renegable_blocks: SmallVec<[GapBlock; 4]>,
    /// TSNs that arrived more than once.
    pub duplicates: SmallVec<[Tsn; 2]>,
    /// Packets with DATA that it acknowledges together, in the lower two bits of the flags (section 3.3 of the draft,
    /// which leaves the place open); three also stands for more, 0 is not told.
    pub packets: u8,
}

impl NrSackChunk {
    /// Reads the chunk; bytes behind the last duplicate TSN are ignored.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        Self::read(raw.flags, &raw.value).ok_or_else(|| raw.too_short(Self::needed_len(&raw.value)))
    }

    fn read(flags: u8, value: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(value);
        let cumulative_tsn_ack = Tsn(fields.u32()?);
        let a_rwnd = fields.u32()?;
        let (renegable_count, non_renegable_count) = (fields.u16()?, fields.u16()?);
        let (duplicate_count, _reserved) = (fields.u16()?, fields.u16()?);
        let mut blocks = |count| (0..count).map(|_| GapBlock::read(&mut fields)).collect::<Option<_>>();
        let renegable_blocks = blocks(renegable_count)?;
        let non_renegable_blocks = blocks(non_renegable_count)?;
        let duplicates = (0..duplicate_count).map(|_| fields.u32().map(Tsn)).collect::<Option<_>>()?;
        Some(Self {
            cumulative_tsn_ack,
            a_rwnd,
            renegable_blocks,
            non_renegable_blocks,
            duplicates,
            packets: flags & PACKETS,
        })
    }

    /// Bytes of value that the three counts ask for.
    fn needed_len(value: &[u8]) -> usize {
        let counts = value.first_chunk::<FIXED_LEN>().map_or(0, |&[.., r0, r1, n0, n1, d0, d1, _, _]| {
            [[r0, r1], [n0, n1], [d0, d1]]
                .into_iter()
                .map(|count| usize::from(u16::from_be_bytes(count)))
                .sum()
        });
        FIXED_LEN + 4 * counts
    }
}

impl WriteChunk for NrSackChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::NR_SACK
    }

    fn flags(&self) -> u8 {
        self.packets.min(PACKETS)
    }

    fn value_len(&self) -> usize {
        let blocks = self.renegable_blocks.len() + self.non_renegable_blocks.len();
        FIXED_LEN + GapBlock::LEN * blocks + 4 * self.duplicates.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cumulative_tsn_ack.0.to_be_bytes());
        out.extend_from_slice(&self.a_rwnd.to_be_bytes());
        write_count(out, self.renegable_blocks.len());
        write_count(out, self.non_renegable_blocks.len());
        write_count(out, self.duplicates.len());
        out.extend_from_slice(&[0; 2]);
        let blocks = self.renegable_blocks.iter().chain(&self.non_renegable_blocks);
        blocks.for_each(|block| block.write(out));
        self.duplicates.iter().for_each(|tsn| out.extend_from_slice(&tsn.0.to_be_bytes()));
    }
}

impl fmt::Display for NrSackChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NR_SACK cum_ack={} a_rwnd={}", self.cumulative_tsn_ack, self.a_rwnd)?;
        write_list(f, "gaps", &self.renegable_blocks)?;
        write_list(f, "nr_gaps", &self.non_renegable_blocks)?;
        write_list(f, "dups", &self.duplicates)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_format, assert_too_short};
    use super::*;
    use crate::wire::chunk::Chunk;
    use smallvec::smallvec;

    #[test]
    fn renegable_and_other_blocks_are_kept_apart() {
        let chunk = NrSackChunk {
            cumulative_tsn_ack: Tsn(1),
            a_rwnd: 2,
            renegable_blocks: smallvec![GapBlock { start: 3, end: 4 }],
            non_renegable_blocks: smallvec![GapBlock { start: 5, end: 6 }],
            duplicates: smallvec![Tsn(7)],
            packets: 2,
        };
        let bytes =
            b"\x10\x02\0\x20\0\0\0\x01\0\0\0\x02\0\x01\0\x01\0\x01\0\0\0\x03\0\x04\0\x05\0\x06\0\0\0\x07";
        assert_format(&Chunk::NrSack(chunk), bytes, "NR_SACK cum_ack=1 a_rwnd=2 gaps=3-4 nr_gaps=5-6 dups=7");
        assert_too_short(ChunkType::NR_SACK, &[0; 15], 16);
        assert_too_short(ChunkType::NR_SACK, b"\0\0\0\x01\0\0\0\x02\0\x01\0\x01\0\x01\0\0\0\x03\0\x04", 28);
    }
}
