//! COOKIE ECHO and COOKIE ACK: the second half of the handshake
//! (RFC 9260, 3.3.11 and 3.3.12).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |   type = 10   |   flags = 0   |            length             |  COOKIE ECHO
//! +---------------+---------------+-------------------------------+
//! |             the state cookie, as INIT ACK brought it          |
//! +---------------------------------------------------------------+
//! +---------------+---------------+-------------------------------+
//! |   type = 11   |   flags = 0   |          length = 4           |  COOKIE ACK
//! +---------------+---------------+-------------------------------+
//! ```

use super::{ChunkType, RawChunk};
use crate::wire::builder::WriteChunk;
use bytes::Bytes;
use core::fmt;

/// A COOKIE ECHO chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieEchoChunk {
    /// The state cookie.
    pub cookie: Bytes,
}

impl CookieEchoChunk {
    /// Reads the chunk.
    pub fn parse(raw: &RawChunk) -> Self {
        Self { cookie: raw.value.clone() }
    }
}

impl WriteChunk for CookieEchoChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::COOKIE_ECHO
    }

    fn value_len(&self) -> usize {
        self.cookie.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cookie);
    }
}

impl fmt::Display for CookieEchoChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "COOKIE_ECHO len={}", self.cookie.len())
    }
}

/// A COOKIE ACK chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CookieAckChunk;

impl WriteChunk for CookieAckChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::COOKIE_ACK
    }

    fn value_len(&self) -> usize {
        0
    }

    fn write_value(&self, _out: &mut Vec<u8>) {}
}

impl fmt::Display for CookieAckChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("COOKIE_ACK")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_format;
    use super::*;
    use crate::wire::chunk::Chunk;

    #[test]
    fn the_cookie_is_the_whole_value() {
        let echo = CookieEchoChunk { cookie: Bytes::from_static(b"cookie") };
        assert_format(&Chunk::CookieEcho(echo), b"\x0a\0\0\x0acookie", "COOKIE_ECHO len=6");
        assert_format(&Chunk::CookieAck(CookieAckChunk), b"\x0b\0\0\x04", "COOKIE_ACK");
    }
}
