//! INIT and INIT ACK: they open an association (RFC 9260, 3.3.2 and 3.3.3).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! | type = 1 or 2 |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                         initiate tag                          |
//! +---------------------------------------------------------------+
//! |          advertised receiver window credit (a_rwnd)           |
//! +-------------------------------+-------------------------------+
//! |  number of outbound streams   |   number of inbound streams   |
//! +-------------------------------+-------------------------------+
//! |                          initial TSN                          |
//! +---------------------------------------------------------------+
//! |                          parameters                           |
//! ```

use super::{ChunkError, ChunkType, RawChunk};
use crate::serial::Tsn;
use crate::wire::builder::WriteChunk;
use crate::wire::param::Parameters;
use crate::wire::read::{Reader, tail};
use core::fmt;

/// Bytes of value in front of the parameters.
const FIXED_LEN: usize = 16;

/// Which of the two chunks it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitKind {
    /// INIT, the request.
    Init,
    /// INIT ACK, the answer; it must bring a state cookie.
    InitAck,
}

/// An INIT or INIT ACK chunk, as it was sent: a zero tag, no streams and the like are left to the
/// association, which knows the answer to them (RFC 9260, 3.3.2, 5.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitChunk {
    /// Which of the two.
    pub kind: InitKind,
    /// The tag that the sender wants to see in the packets to it; never 0 if it follows the RFC.
    pub initiate_tag: u32,
    /// Advertised receiver window credit, bytes; at least 1500 if the sender follows the RFC.
    pub a_rwnd: u32,
    /// Streams that the sender wants to send on.
    pub outbound_streams: u16,
    /// The most streams that the sender allows the peer to send on.
    pub inbound_streams: u16,
    /// The sender's first TSN.
    pub initial_tsn: Tsn,
    /// The rest.
    pub parameters: Parameters,
}

impl InitChunk {
    /// Reads the fixed fields; the parameters are left to be walked. The kind follows the type.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        Self::read(raw).ok_or_else(|| raw.too_short(FIXED_LEN))
    }

    /// RFC 9260, 3.3.2, 3.3.3.
    fn read(raw: &RawChunk) -> Option<Self> {
        let mut fields = Reader::new(&raw.value);
        let kind = if raw.chunk_type == ChunkType::INIT_ACK { InitKind::InitAck } else { InitKind::Init };
        Some(Self {
            kind,
            initiate_tag: fields.u32()?,
            a_rwnd: fields.u32()?,
            outbound_streams: fields.u16()?,
            inbound_streams: fields.u16()?,
            initial_tsn: Tsn(fields.u32()?),
            parameters: Parameters(tail(&raw.value, FIXED_LEN)),
        })
    }
}

impl WriteChunk for InitChunk {
    fn chunk_type(&self) -> ChunkType {
        match self.kind {
            InitKind::Init => ChunkType::INIT,
            InitKind::InitAck => ChunkType::INIT_ACK,
        }
    }

    fn value_len(&self) -> usize {
        FIXED_LEN + self.parameters.0.len()
    }

    /// RFC 9260, 3.3.2.1, 3.3.3.1.
    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.initiate_tag.to_be_bytes());
        out.extend_from_slice(&self.a_rwnd.to_be_bytes());
        out.extend_from_slice(&self.outbound_streams.to_be_bytes());
        out.extend_from_slice(&self.inbound_streams.to_be_bytes());
        out.extend_from_slice(&self.initial_tsn.0.to_be_bytes());
        out.extend_from_slice(&self.parameters.0);
    }
}

impl fmt::Display for InitChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tag={:#010x} a_rwnd={}", self.chunk_type(), self.initiate_tag, self.a_rwnd)?;
        write!(f, " os={} mis={}", self.outbound_streams, self.inbound_streams)?;
        write!(f, " tsn={}{}", self.initial_tsn, self.parameters)
    }
}
