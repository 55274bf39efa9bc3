//! SACK: what has arrived, and how much more may be sent (RFC 9260, 3.3.4).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |   type = 3    |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                      cumulative TSN ack                       |
//! +---------------------------------------------------------------+
//! |          advertised receiver window credit (a_rwnd)           |
//! +-------------------------------+-------------------------------+
//! |  number of gap ack blocks, N  |  number of duplicate TSNs, M  |
//! +-------------------------------+-------------------------------+
//! |  gap ack block 1 start        |  gap ack block 1 end          |   N times
//! +-------------------------------+-------------------------------+
//! |                        duplicate TSN 1                        |   M times
//! ```

use super::{ChunkError, ChunkType, RawChunk};
use crate::serial::Tsn;
use crate::wire::builder::WriteChunk;
use crate::wire::read::Reader;
use core::fmt;
use smallvec::SmallVec;

/// Bytes of value in front of the first gap block.
const FIXED_LEN: usize = 12;

/// A run of TSNs that have arrived, as offsets from the cumulative TSN ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapBlock {
    /// Offset of the first TSN of the run.
    pub start: u16,
    /// Offset of the last TSN of the run.
    pub end: u16,
}

impl GapBlock {
    pub(crate) const LEN: usize = 4;

    pub(super) fn read(fields: &mut Reader<'_>) -> Option<Self> {
        Some(Self { start: fields.u16()?, end: fields.u16()? })
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.start.to_be_bytes());
        out.extend_from_slice(&self.end.to_be_bytes());
    }
}

impl fmt::Display for GapBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// Whether each block starts behind the one before it and does not end before it starts.
pub(super) fn are_ordered(blocks: &[GapBlock]) -> bool {
    let mut previous_end = 0;
    blocks.iter().all(|block| {
        let ordered = block.start > previous_end && block.start <= block.end;
        previous_end = block.end;
        ordered
    })
}

/// A SACK chunk, as it was sent: see [`has_ordered_gap_blocks`](Self::has_ordered_gap_blocks).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SackChunk {
    /// The last TSN before the first gap.
    pub cumulative_tsn_ack: Tsn,
    /// Advertised receiver window credit, bytes.
    pub a_rwnd: u32,
    /// What has arrived behind the first gap.
    pub gap_blocks: SmallVec<[GapBlock; 4]>,
    /// TSNs that arrived more than once since the last SACK.
    pub duplicates: SmallVec<[Tsn; 2]>,
}

impl SackChunk {
    /// Reads the chunk; bytes behind the last duplicate TSN are ignored.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        Self::read(&raw.value).ok_or_else(|| raw.too_short(Self::needed_len(&raw.value)))
    }

    fn read(value: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(value);
        let cumulative_tsn_ack = Tsn(fields.u32()?);
        let a_rwnd = fields.u32()?;
        let (gap_count, duplicate_count) = (fields.u16()?, fields.u16()?);
        let gap_blocks = (0..gap_count).map(|_| GapBlock::read(&mut fields)).collect::<Option<_>>()?;
        let duplicates = (0..duplicate_count).map(|_| fields.u32().map(Tsn)).collect::<Option<_>>()?;
        Some(Self { cumulative_tsn_ack, a_rwnd, gap_blocks, duplicates })
    }

    /// Bytes of value that the two counts ask for.
    fn needed_len(value: &[u8]) -> usize {
        let counts = value.first_chunk::<FIXED_LEN>().map_or(0, |&[.., g0, g1, d0, d1]| {
            usize::from(u16::from_be_bytes([g0, g1])) + usize::from(u16::from_be_bytes([d0, d1]))
        });
        FIXED_LEN + 4 * counts
    }

    /// Whether each gap block lies behind the one before it and does not end before it starts.
    /// What a receiver of a SACK reads from blocks that do not is undefined.
    pub fn has_ordered_gap_blocks(&self) -> bool {
        are_ordered(&self.gap_blocks)
    }
}

impl WriteChunk for SackChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SACK
    }

    fn value_len(&self) -> usize {
        FIXED_LEN + GapBlock::LEN * self.gap_blocks.len() + 4 * self.duplicates.len()
    }

    /// RFC 9260, 3.3.4.
    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cumulative_tsn_ack.0.to_be_bytes());
        out.extend_from_slice(&self.a_rwnd.to_be_bytes());
        write_count(out, self.gap_blocks.len());
        write_count(out, self.duplicates.len());
        self.gap_blocks.iter().for_each(|block| block.write(out));
        self.duplicates.iter().for_each(|tsn| out.extend_from_slice(&tsn.0.to_be_bytes()));
    }
}

/// A chunk with more elements than the count can say is longer than the builder accepts.
pub(super) fn write_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

impl fmt::Display for SackChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SACK cum_ack={} a_rwnd={}", self.cumulative_tsn_ack, self.a_rwnd)?;
        write_list(f, "gaps", &self.gap_blocks)?;
        write_list(f, "dups", &self.duplicates)
    }
}

/// Writes ` name=a,b,c`, or nothing for an empty list.
pub(super) fn write_list(f: &mut fmt::Formatter<'_>, name: &str, items: &[impl fmt::Display]) -> fmt::Result {
    let mut separator = format_args!(" {name}=");
    for item in items {
        write!(f, "{separator}{item}")?;
        separator = format_args!(",");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use smallvec::smallvec;

    fn raw(value: Vec<u8>) -> RawChunk {
        RawChunk { chunk_type: ChunkType::SACK, flags: 0, value: Bytes::from(value) }
    }

    fn sample() -> SackChunk {
        SackChunk {
            cumulative_tsn_ack: Tsn(u32::MAX),
            a_rwnd: 65_536,
            gap_blocks: smallvec![GapBlock { start: 2, end: 3 }, GapBlock { start: 5, end: 5 }],
            duplicates: smallvec![Tsn(u32::MAX - 1)],
        }
    }

    /// RFC 9260, 3.3.4.
    #[test]
    fn a_sack_comes_back_as_it_was_written() {
        let mut value = Vec::new();
        sample().write_value(&mut value);
        assert_eq!(value.len(), sample().value_len());
        assert_eq!(SackChunk::parse(&raw(value)), Ok(sample()));
        let text = "SACK cum_ack=4294967295 a_rwnd=65536 gaps=2-3,5-5 dups=4294967294";
        assert_eq!(sample().to_string(), text);
    }

    #[test]
    fn counts_beyond_the_end_are_an_error_that_says_how_much_is_missing() {
        let mut value = Vec::new();
        sample().write_value(&mut value);
        value.pop();
        let error = SackChunk::parse(&raw(value)).unwrap_err();
        assert_eq!(error, ChunkError::TooShort { chunk_type: ChunkType::SACK, needed: 24, available: 23 });
        assert!(SackChunk::parse(&raw(vec![0; 11])).is_err());
    }

    #[test]
    fn gap_blocks_must_be_in_order_and_apart() {
        let with = |blocks: &[(u16, u16)]| SackChunk {
            gap_blocks: blocks.iter().map(|&(start, end)| GapBlock { start, end }).collect(),
            ..sample()
        };
        assert!(with(&[]).has_ordered_gap_blocks());
        assert!(with(&[(2, 2), (4, u16::MAX)]).has_ordered_gap_blocks());
        assert!(!with(&[(0, 3)]).has_ordered_gap_blocks(), "offset 0 is the cumulative TSN ack");
        assert!(!with(&[(3, 2)]).has_ordered_gap_blocks());
        assert!(!with(&[(2, 4), (4, 6)]).has_ordered_gap_blocks());
        assert!(!with(&[(7, 9), (2, 4)]).has_ordered_gap_blocks());
    }
}
