//! ECNE and CWR: explicit congestion notification (RFC 4960, Appendix A; RFC 9260 keeps the
//! types and defines nothing).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |type = 12 or 13|   flags = 0   |          length = 8           |
//! +---------------+---------------+-------------------------------+
//! |                          lowest TSN                           |
//! +---------------------------------------------------------------+
//! ```

use super::{ChunkError, ChunkType, RawChunk};
use crate::serial::Tsn;
use crate::wire::builder::WriteChunk;
use crate::wire::read::Reader;
use core::fmt;

/// Which of the two chunks it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcnKind {
    /// ECNE: a packet arrived with Congestion Experienced.
    Echo,
    /// The same with the number of marked packets behind the TSN (draft-stewart-tsvwg-sctpecn; here always 1). usrsctp reads
    /// no other one, and nothing that follows in the packet of one that it does not read. To be written only: one that is
    /// read is an [`Echo`](Self::Echo).
    CountingEcho,
    /// CWR: the sender has reduced its window.
    WindowReduced,
}

/// An ECNE or CWR chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcnChunk {
    /// Which of the two.
    pub kind: EcnKind,
    /// The lowest TSN in the marked packet.
    pub lowest_tsn: Tsn,
}

impl EcnChunk {
    /// Reads the chunk; the kind follows the type.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        let kind = if raw.chunk_type == ChunkType::CWR { EcnKind::WindowReduced } else { EcnKind::Echo };
        let lowest_tsn = Reader::new(&raw.value).u32().map(Tsn).ok_or_else(|| raw.too_short(4))?;
        Ok(Self { kind, lowest_tsn })
    }
}

impl WriteChunk for EcnChunk {
    fn chunk_type(&self) -> ChunkType {
        match self.kind {
            EcnKind::Echo | EcnKind::CountingEcho => ChunkType::ECNE,
            EcnKind::WindowReduced => ChunkType::CWR,
        }
    }

    fn value_len(&self) -> usize {
        if self.kind == EcnKind::CountingEcho { 8 } else { 4 }
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lowest_tsn.0.to_be_bytes());
        if self.kind == EcnKind::CountingEcho {
            out.extend_from_slice(&1_u32.to_be_bytes());
        }
    }
}

impl fmt::Display for EcnChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lowest_tsn={}", self.chunk_type(), self.lowest_tsn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_format, assert_too_short};
    use super::*;
    use crate::wire::chunk::Chunk;

    #[test]
    fn both_chunks_name_the_lowest_tsn() {
        let lowest_tsn = Tsn(5);
        let echo = EcnChunk { kind: EcnKind::Echo, lowest_tsn };
        assert_format(&Chunk::Ecn(echo), b"\x0c\0\0\x08\0\0\0\x05", "ECNE lowest_tsn=5");
        let reduced = EcnChunk { kind: EcnKind::WindowReduced, lowest_tsn };
        assert_format(&Chunk::Ecn(reduced), b"\x0d\0\0\x08\0\0\0\x05", "CWR lowest_tsn=5");
        let mut counting = Vec::new();
        EcnChunk { kind: EcnKind::CountingEcho, lowest_tsn }.write_value(&mut counting);
        let raw = RawChunk { chunk_type: ChunkType::ECNE, flags: 0, value: counting.into() };
        assert_eq!(raw.value[..], *b"\0\0\0\x05\0\0\0\x01");
        assert_eq!(EcnChunk::parse(&raw), Ok(echo));
        assert_too_short(ChunkType::CWR, b"\0\0\0", 4);
    }
}
