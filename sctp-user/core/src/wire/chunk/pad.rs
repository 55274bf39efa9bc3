//! PAD: fills a packet up, for path MTU probes (RFC 4820, 3).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  type = 0x84  |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                  zeros, without meaning                       |
//! ```

use super::{ChunkType, RawChunk};
use crate::wire::builder::WriteChunk;
use core::fmt;

/// A PAD chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PadChunk {
    /// Bytes of padding data behind the chunk header.
    pub len: usize,
}

impl PadChunk {
    /// Reads the chunk; what the padding holds is ignored.
    pub const fn parse(raw: &RawChunk) -> Self {
        Self { len: raw.value.len() }
    }
}

impl WriteChunk for PadChunk {
    /// RFC 4820, 3.
    fn chunk_type(&self) -> ChunkType {
        ChunkType::PAD
    }

    fn value_len(&self) -> usize {
        self.len
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.len, 0);
    }
}

impl fmt::Display for PadChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PAD len={}", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_format;
    use super::*;
    use crate::wire::chunk::Chunk;

    #[test]
    fn padding_data_is_zero() {
        assert_format(&Chunk::Pad(PadChunk { len: 3 }), b"\x84\0\0\x07\0\0\0", "PAD len=3");
    }
}
