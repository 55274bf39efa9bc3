//! FORWARD TSN and I-FORWARD-TSN: the sender has given up on some TSNs
//! (RFC 3758, 3.2; RFC 8260, 2.3.1).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |type=192 or 194|   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                    new cumulative TSN                         |
//! +-------------------------------+-------------------------------+
//! |       stream identifier       |    stream sequence number     |  FORWARD TSN, each stream
//! +-------------------------------+-----------------------------+-+
//! |       stream identifier       |          reserved           |U|  I-FORWARD-TSN, each stream
//! +-------------------------------+-----------------------------+-+
//! |                      message identifier                       |
//! ```

use super::{ChunkError, ChunkType, RawChunk};
use crate::serial::{Mid, Ssn, Tsn};
use crate::wire::builder::WriteChunk;
use crate::wire::read::Reader;
use core::fmt;
use smallvec::SmallVec;

/// Bytes of value in front of the streams.
const FIXED_LEN: usize = 4;

/// A stream in a FORWARD TSN chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedStream {
    /// Stream identifier.
    pub stream_id: u16,
    /// The last ordered message that is skipped.
    pub ssn: Ssn,
}

/// A FORWARD TSN chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardTsnChunk {
    /// All TSNs up to this one count as arrived.
    pub new_cumulative_tsn: Tsn,
    /// Where ordered messages are skipped.
    pub streams: SmallVec<[SkippedStream; 4]>,
}

impl ForwardTsnChunk {
    /// Reads the chunk. A value that ends within a stream's entry is too short.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        let (new_cumulative_tsn, streams) = read(raw, |[i0, i1, s0, s1]| SkippedStream {
            stream_id: u16::from_be_bytes([i0, i1]),
            ssn: Ssn(u16::from_be_bytes([s0, s1])),
        })?;
        Ok(Self { new_cumulative_tsn, streams })
    }
}

/// Reads the TSN and the streams' entries of `N` bytes each.
fn read<T, const N: usize>(
    raw: &RawChunk,
    entry: impl Fn([u8; N]) -> T,
) -> Result<(Tsn, SmallVec<[T; 4]>), ChunkError>
where
    [T; 4]: smallvec::Array<Item = T>,
{
    let mut fields = Reader::new(&raw.value);
    let tsn = fields.u32().map(Tsn).ok_or_else(|| raw.too_short(FIXED_LEN))?;
    let entries = raw.value.len().saturating_sub(FIXED_LEN);
    if !entries.is_multiple_of(N) {
        return Err(raw.too_short(FIXED_LEN + entries.next_multiple_of(N)));
    }
    Ok((tsn, core::iter::from_fn(|| fields.array().map(&entry)).collect()))
}

impl WriteChunk for ForwardTsnChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::FORWARD_TSN
    }

    fn value_len(&self) -> usize {
        FIXED_LEN + 4 * self.streams.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.new_cumulative_tsn.0.to_be_bytes());
        for SkippedStream { stream_id, ssn } in &self.streams {
            out.extend_from_slice(&stream_id.to_be_bytes());
            out.extend_from_slice(&ssn.0.to_be_bytes());
        }
    }
}

impl fmt::Display for ForwardTsnChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FORWARD_TSN tsn={}", self.new_cumulative_tsn)?;
        self.streams.iter().try_for_each(|stream| write!(f, " sid={} ssn={}", stream.stream_id, stream.ssn))
    }
}

/// A stream in an I-FORWARD-TSN chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedMessage {
    /// Stream identifier.
    pub stream_id: u16,
    /// Whether the unordered messages are meant.
    pub unordered: bool,
    /// The last message that is skipped.
    pub mid: Mid,
}

/// An I-FORWARD-TSN chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IForwardTsnChunk {
    /// All TSNs up to this one count as arrived.
    pub new_cumulative_tsn: Tsn,
    /// Where messages are skipped.
    pub streams: SmallVec<[SkippedMessage; 4]>,
}

impl IForwardTsnChunk {
    const UNORDERED: u16 = 1;

    /// Reads the chunk. A value that ends within a stream's entry is too short.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        let (new_cumulative_tsn, streams) = read(raw, |[i0, i1, f0, f1, m0, m1, m2, m3]| SkippedMessage {
            stream_id: u16::from_be_bytes([i0, i1]),
            unordered: u16::from_be_bytes([f0, f1]) & Self::UNORDERED != 0,
            mid: Mid(u32::from_be_bytes([m0, m1, m2, m3])),
        })?;
        Ok(Self { new_cumulative_tsn, streams })
    }
}

impl WriteChunk for IForwardTsnChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::I_FORWARD_TSN
    }

    fn value_len(&self) -> usize {
        FIXED_LEN + 8 * self.streams.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.new_cumulative_tsn.0.to_be_bytes());
        for SkippedMessage { stream_id, unordered, mid } in &self.streams {
            let flags = if *unordered { Self::UNORDERED } else { 0 };
            out.extend_from_slice(&stream_id.to_be_bytes());
            out.extend_from_slice(&flags.to_be_bytes());
            out.extend_from_slice(&mid.0.to_be_bytes());
        }
    }
}

impl fmt::Display for IForwardTsnChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I_FORWARD_TSN tsn={}", self.new_cumulative_tsn)?;
        self.streams.iter().try_for_each(|SkippedMessage { stream_id, unordered, mid }| {
            let order = if *unordered { " U" } else { "" };
            write!(f, " sid={stream_id} mid={mid}{order}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_format, assert_too_short};
    use super::*;
    use crate::wire::chunk::Chunk;
    use smallvec::smallvec;

    #[test]
    fn forward_tsn_lists_streams_with_their_sequence_numbers() {
        let streams = smallvec![SkippedStream { stream_id: 2, ssn: Ssn(u16::MAX) }];
        let chunk = ForwardTsnChunk { new_cumulative_tsn: Tsn(1), streams };
        let bytes = b"\xc0\0\0\x0c\0\0\0\x01\0\x02\xff\xff";
        assert_format(&Chunk::ForwardTsn(chunk), bytes, "FORWARD_TSN tsn=1 sid=2 ssn=65535");
        assert_too_short(ChunkType::FORWARD_TSN, b"\0\0\0", 4);
        assert_too_short(ChunkType::FORWARD_TSN, b"\0\0\0\x01\0", 8);
    }

    #[test]
    fn i_forward_tsn_lists_streams_with_their_message_identifiers() {
        let streams = smallvec![SkippedMessage { stream_id: 2, unordered: true, mid: Mid(3) }];
        let chunk = IForwardTsnChunk { new_cumulative_tsn: Tsn(1), streams };
        let bytes = b"\xc2\0\0\x10\0\0\0\x01\0\x02\0\x01\0\0\0\x03";
        assert_format(&Chunk::IForwardTsn(chunk), bytes, "I_FORWARD_TSN tsn=1 sid=2 mid=3 U");
        assert_too_short(ChunkType::I_FORWARD_TSN, b"\0\0\0\x01\0\x02\0\x01\0\0\0", 12);
    }

    /// RFC 8260, 2.3.1: what is reserved is sent as 0, and not looked at.
    #[test]
    fn reserved_bits_of_i_forward_tsn_are_zero_and_ignored() {
        let value = bytes::Bytes::from_static(b"\0\0\0\x01\0\x02\xff\xfe\0\0\0\x03");
        let raw = RawChunk { chunk_type: ChunkType::I_FORWARD_TSN, flags: 0xff, value };
        let chunk = IForwardTsnChunk::parse(&raw).unwrap();
        let streams = smallvec![SkippedMessage { stream_id: 2, unordered: false, mid: Mid(3) }];
        assert_eq!(chunk, IForwardTsnChunk { new_cumulative_tsn: Tsn(1), streams });
        let mut written = Vec::new();
        chunk.write_value(&mut written);
        assert_eq!((chunk.flags(), &written[6..8]), (0, &[0, 0][..]));
    }
}
