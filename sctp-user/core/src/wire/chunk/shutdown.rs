//! SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE: the graceful end
//! (RFC 9260, 3.3.8, 3.3.9 and 3.3.13).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |   type = 7    |   flags = 0   |          length = 8           |  SHUTDOWN
//! +---------------+---------------+-------------------------------+
//! |                      cumulative TSN ack                       |
//! +---------------------------------------------------------------+
//! +---------------+---------------+-------------------------------+
//! |   type = 8    |   flags = 0   |          length = 4           |  SHUTDOWN ACK
//! +---------------+-------------+-+-------------------------------+
//! |   type = 14   |     res     |T|          length = 4           |  SHUTDOWN COMPLETE
//! +---------------+-------------+-+-------------------------------+
//! ```

use super::{ChunkError, ChunkType, RawChunk, T_BIT, t_bit};
use crate::serial::Tsn;
use crate::wire::builder::WriteChunk;
use crate::wire::read::Reader;
use core::fmt;

/// A SHUTDOWN chunk: its sender has nothing more to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownChunk {
    /// The last TSN before the first gap. Gaps are reported by a SACK beside this chunk.
    pub cumulative_tsn_ack: Tsn,
}

impl ShutdownChunk {
    /// Reads the chunk.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        let cumulative_tsn_ack = Reader::new(&raw.value).u32().map(Tsn).ok_or_else(|| raw.too_short(4))?;
        Ok(Self { cumulative_tsn_ack })
    }
}

impl WriteChunk for ShutdownChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SHUTDOWN
    }

    fn value_len(&self) -> usize {
        4
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cumulative_tsn_ack.0.to_be_bytes());
    }
}

impl fmt::Display for ShutdownChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHUTDOWN cum_ack={}", self.cumulative_tsn_ack)
    }
}

/// A SHUTDOWN ACK chunk: the other side has nothing more to send either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownAckChunk;

impl WriteChunk for ShutdownAckChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SHUTDOWN_ACK
    }

    fn value_len(&self) -> usize {
        0
    }

    fn write_value(&self, _out: &mut Vec<u8>) {}
}

impl fmt::Display for ShutdownAckChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHUTDOWN_ACK")
    }
}

/// A SHUTDOWN COMPLETE chunk: the association is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownCompleteChunk {
    /// The T bit: the packet's verification tag is the receiver's own, sent back, because the
    /// sender knows no association (RFC 9260, 8.5.1).
    pub tbit: bool,
}

impl ShutdownCompleteChunk {
    /// Reads the chunk.
    pub const fn parse(raw: &RawChunk) -> Self {
        Self { tbit: raw.flags & T_BIT != 0 }
    }
}

impl WriteChunk for ShutdownCompleteChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::SHUTDOWN_COMPLETE
    }

    fn flags(&self) -> u8 {
        t_bit(self.tbit)
    }

    fn value_len(&self) -> usize {
        0
    }

    fn write_value(&self, _out: &mut Vec<u8>) {}
}

impl fmt::Display for ShutdownCompleteChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tbit { "SHUTDOWN_COMPLETE T" } else { "SHUTDOWN_COMPLETE" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_format, assert_too_short};
    use super::*;
    use crate::wire::chunk::Chunk;

    #[test]
    fn the_three_chunks_of_the_graceful_end() {
        let shutdown = ShutdownChunk { cumulative_tsn_ack: Tsn(u32::MAX) };
        let bytes = b"\x07\0\0\x08\xff\xff\xff\xff";
        assert_format(&Chunk::Shutdown(shutdown), bytes, "SHUTDOWN cum_ack=4294967295");
        assert_format(&Chunk::ShutdownAck(ShutdownAckChunk), b"\x08\0\0\x04", "SHUTDOWN_ACK");
        let complete = ShutdownCompleteChunk { tbit: true };
        assert_format(&Chunk::ShutdownComplete(complete), b"\x0e\x01\0\x04", "SHUTDOWN_COMPLETE T");
        assert_too_short(ChunkType::SHUTDOWN, b"\0\0\0", 4);
    }
}
