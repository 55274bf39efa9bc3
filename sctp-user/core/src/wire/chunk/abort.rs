//! ABORT and ERROR: both report causes (RFC 9260, 3.3.7 and 3.3.10).
//!
//! ```text
//! +---------------+-------------+-+-------------------------------+
//! | type = 6 or 9 |     res     |T|            length             |
//! +---------------+-------------+-+-------------------------------+
//! |                 error causes: none or more for ABORT          |
//! ```

use super::{ChunkType, RawChunk, T_BIT, t_bit};
use crate::wire::builder::WriteChunk;
use crate::wire::cause::Causes;
use core::fmt;

/// An ABORT chunk: the association ends at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbortChunk {
    /// The T bit: the packet's verification tag is the receiver's own, sent back, because the
    /// sender knows no association (RFC 9260, 8.5.1).
    pub tbit: bool,
    /// Why.
    pub causes: Causes,
}

impl AbortChunk {
    /// Reads the chunk; the causes are left to be walked.
    pub fn parse(raw: &RawChunk) -> Self {
        Self { tbit: raw.flags & T_BIT != 0, causes: Causes(raw.value.clone()) }
    }
}

impl WriteChunk for AbortChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::ABORT
    }

    fn flags(&self) -> u8 {
        t_bit(self.tbit)
    }

    fn value_len(&self) -> usize {
        self.causes.0.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.causes.0);
    }
}

impl fmt::Display for AbortChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tbit = if self.tbit { " T" } else { "" };
        write!(f, "ABORT{tbit}{}", self.causes)
    }
}

/// An ERROR chunk: something went wrong, the association goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorChunk {
    /// What went wrong.
    pub causes: Causes,
}

impl ErrorChunk {
    /// Reads the chunk; the causes are left to be walked.
    pub fn parse(raw: &RawChunk) -> Self {
        Self { causes: Causes(raw.value.clone()) }
    }
}

impl WriteChunk for ErrorChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::ERROR
    }

    fn value_len(&self) -> usize {
        self.causes.0.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.causes.0);
    }
}

impl fmt::Display for ErrorChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR{}", self.causes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_format;
    use super::*;
    use crate::wire::cause::Cause;
    use crate::wire::chunk::Chunk;

    #[test]
    fn an_abort_keeps_its_t_bit_and_its_causes() {
        let causes = Causes::from_iter([Cause::StaleCookie { staleness_us: 9 }, Cause::OutOfResource]);
        let abort = AbortChunk { tbit: true, causes };
        let bytes = b"\x06\x01\0\x10\0\x03\0\x08\0\0\0\x09\0\x04\0\x04";
        assert_format(&Chunk::Abort(abort), bytes, "ABORT T STALE_COOKIE=9us OUT_OF_RESOURCE");
        assert_format(&Chunk::Abort(AbortChunk::default()), b"\x06\0\0\x04", "ABORT");
    }

    #[test]
    fn an_error_lists_its_causes() {
        let causes = Causes::from_iter([Cause::InvalidStreamIdentifier { stream_id: 7 }]);
        let bytes = b"\x09\0\0\x0c\0\x01\0\x08\0\x07\0\0";
        assert_format(&Chunk::Error(ErrorChunk { causes }), bytes, "ERROR INVALID_STREAM_IDENTIFIER=7");
    }
}
