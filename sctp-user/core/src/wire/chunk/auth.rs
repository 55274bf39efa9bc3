//! AUTH: authenticates the chunks behind it in the packet (RFC 4895, 5.1).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |   type = 15   |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |     shared key identifier     |        HMAC identifier        |
//! +-------------------------------+-------------------------------+
//! |                             HMAC                              |
//! ```

use super::{ChunkError, ChunkType, RawChunk};
use crate::wire::builder::WriteChunk;
use crate::wire::read::{Reader, tail};
use bytes::Bytes;
use core::fmt;

/// Bytes of value in front of the HMAC.
const FIXED_LEN: usize = 4;

/// An AUTH chunk. The HMAC also covers the chunks behind it, with their padding:
/// [`Chunks::rest`](crate::wire::Chunks::rest).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthChunk {
    /// Which of the endpoint pair's shared keys.
    pub shared_key_id: u16,
    /// Which algorithm.
    pub hmac_id: u16,
    /// The HMAC; as long as the algorithm says.
    pub hmac: Bytes,
}

impl AuthChunk {
    /// Reads the chunk.
    /// RFC 4895, 5.1.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        let mut fields = Reader::new(&raw.value);
        let (Some(shared_key_id), Some(hmac_id)) = (fields.u16(), fields.u16()) else {
            return Err(raw.too_short(FIXED_LEN));
        };
        Ok(Self { shared_key_id, hmac_id, hmac: tail(&raw.value, FIXED_LEN) })
    }
}

impl WriteChunk for AuthChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::AUTH
    }

    fn value_len(&self) -> usize {
        FIXED_LEN + self.hmac.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.shared_key_id.to_be_bytes());
        out.extend_from_slice(&self.hmac_id.to_be_bytes());
        out.extend_from_slice(&self.hmac);
    }
}

impl fmt::Display for AuthChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AUTH key={} hmac_id={} len={}", self.shared_key_id, self.hmac_id, self.hmac.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_format, assert_too_short};
    use super::*;
    use crate::wire::chunk::Chunk;

    /// RFC 4895, 5.1.
    #[test]
    fn the_hmac_is_the_rest() {
        let auth = AuthChunk { shared_key_id: 2, hmac_id: 1, hmac: Bytes::from_static(b"mac") };
        assert_format(&Chunk::Auth(auth), b"\x0f\0\0\x0b\0\x02\0\x01mac", "AUTH key=2 hmac_id=1 len=3");
        assert_too_short(ChunkType::AUTH, b"\0\0\0", 4);
    }
}
