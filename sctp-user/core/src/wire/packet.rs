//! A received packet: common header, checksum, and the walk over its chunks (RFC 9260, 3).

use super::chunk::{Chunk, ChunkType, RawChunk};
use super::padding;
use super::read::Reader;
use bytes::{Buf, Bytes};
use core::fmt;

/// Bytes of the common header.
pub const COMMON_HEADER_LEN: usize = 12;
/// Bytes of type, flags and length in front of each chunk's value.
pub const CHUNK_HEADER_LEN: usize = 4;

/// Where the checksum lies in the common header.
pub(super) const CHECKSUM_AT: usize = 8;

/// The common header without its checksum (RFC 9260, 3.1).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+-------------------------------+
/// |          source port          |       destination port        |
/// +-------------------------------+-------------------------------+
/// |                       verification tag                        |
/// +---------------------------------------------------------------+
/// |                            checksum                           |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonHeader {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// The tag that the receiver chose for the association; 0 with an INIT chunk.
    pub verification_tag: u32,
}

impl CommonHeader {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.source_port.to_be_bytes());
        out.extend_from_slice(&self.destination_port.to_be_bytes());
        out.extend_from_slice(&self.verification_tag.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
    }
}

/// Who answers for a packet's integrity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumPolicy {
    /// The checksum field must hold the right CRC32c.
    Crc32c,
    /// The lower layer vouches for the packet (DTLS, memory, offload): the field is not read.
    Verified,
}

/// Why a datagram is no SCTP packet. Such packets are dropped in silence (RFC 9260, 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// There is not even a common header.
    #[error("{length} bytes are too few for the common header of {COMMON_HEADER_LEN}")]
    TooShort {
        /// Bytes of the datagram.
        length: usize,
    },
    /// The checksum field does not fit the packet.
    #[error("checksum {found:#010x}, but the packet's CRC32c is {expected:#010x}")]
    BadChecksum {
        /// The CRC32c of the packet.
        expected: u32,
        /// What the checksum field holds.
        found: u32,
    },
}

/// A chunk whose length cannot be right; nothing behind it can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkLengthError {
    /// Fewer than four bytes are left.
    #[error("{available} bytes left at the end of the packet: too few for a chunk header")]
    TruncatedHeader {
        /// Bytes left.
        available: usize,
    },
    /// The length does not count its own header, or points behind the packet's end.
    #[error("{chunk_type} chunk gives its length as {length}, with {available} bytes left")]
    BadLength {
        /// The chunk's type.
        chunk_type: ChunkType,
        /// What the length field says.
        length: u16,
        /// Bytes left, the header among them.
        available: usize,
    },
}

/// A packet whose common header is there and whose checksum is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The common header.
    pub header: CommonHeader,
    chunks: Bytes,
}

impl Packet {
    /// Reads the common header of `datagram` and checks the checksum as `policy` says.
    /// RFC 9260, 6.8.
    pub fn parse(datagram: Bytes, policy: ChecksumPolicy) -> Result<Self, PacketError> {
        let Some((header, found)) = read_header(&datagram) else {
            return Err(PacketError::TooShort { length: datagram.len() });
        };
        if policy == ChecksumPolicy::Crc32c {
            let expected = checksum(&datagram);
            if expected != found {
                return Err(PacketError::BadChecksum { expected, found });
            }
        }
        let mut chunks = datagram;
        chunks.advance(COMMON_HEADER_LEN);
        Ok(Self { header, chunks })
    }

    /// Header and first chunk type of a datagram whose checksum field is zero.
    pub(crate) fn without_checksum(datagram: &[u8]) -> Option<(CommonHeader, ChunkType)> {
        let (header, checksum) = read_header(datagram)?;
        let first = *datagram.get(COMMON_HEADER_LEN)?;
        (checksum == 0).then_some((header, ChunkType(first)))
    }

    /// Walks the chunks from the first on. Values do not hold the padding; the last chunk may lack
    /// it. The walk ends after the first error.
    pub fn chunks(&self) -> Chunks {
        Chunks { rest: self.chunks.clone() }
    }

    /// The first chunk's type, well-formed or not; `None` if there is no chunk.
    pub fn first_chunk_type(&self) -> Option<ChunkType> {
        self.chunks.first().copied().map(ChunkType)
    }
}

/// One line for the whole packet; with `{:#}` one line for each chunk, indented.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CommonHeader { source_port, destination_port, verification_tag } = self.header;
        write!(f, "{source_port} > {destination_port} tag={verification_tag:#010x}")?;
        let separator = if f.alternate() { "\n    " } else { " | " };
        self.chunks().try_for_each(|raw| {
            f.write_str(separator)?;
            match raw.map(Chunk::parse) {
                Ok(Ok(chunk)) => write!(f, "{chunk}"),
                Ok(Err(error)) => write!(f, "[{error}]"),
                Err(error) => write!(f, "[{error}]"),
            }
        })
    }
}

/// The common header and the checksum field of `packet`, if it is long enough.
fn read_header(packet: &[u8]) -> Option<(CommonHeader, u32)> {
    let mut fields = Reader::new(packet);
    let header = CommonHeader {
        source_port: fields.u16()?,
        destination_port: fields.u16()?,
        verification_tag: fields.u32()?,
    };
    Some((header, fields.u32()?))
}

/// Iterator over the chunks of a packet, made by [`Packet::chunks`].
#[derive(Clone, Debug)]
pub struct Chunks {
    rest: Bytes,
}

impl Chunks {
    /// The bytes behind the chunk that came last, with all padding: what an AUTH chunk covers
    /// besides itself (RFC 4895, 6.2).
    pub const fn rest(&self) -> &Bytes {
        &self.rest
    }

    fn take(&mut self) -> Result<RawChunk, ChunkLengthError> {
        let available = self.rest.len();
        let mut header = Reader::new(&self.rest);
        let (Some(chunk_type), Some(flags), Some(length)) = (header.u8(), header.u8(), header.u16()) else {
            return Err(ChunkLengthError::TruncatedHeader { available });
        };
        let chunk_type = ChunkType(chunk_type);
        let len = usize::from(length);
        if len < CHUNK_HEADER_LEN || len > available {
            return Err(ChunkLengthError::BadLength { chunk_type, length, available });
        }
        let mut value = self.rest.split_to(len);
        value.advance(CHUNK_HEADER_LEN);
        self.rest.advance(padding(len).min(self.rest.len()));
        Ok(RawChunk { chunk_type, flags, value })
    }
}

impl Iterator for Chunks {
    type Item = Result<RawChunk, ChunkLengthError>;

    /// RFC 9260, 3.2.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.take();
        if item.is_err() {
            self.rest = Bytes::new();
        }
        Some(item)
    }
}

impl core::iter::FusedIterator for Chunks {}

/// The CRC32c of a packet as its checksum field holds it, read in network byte order
/// (RFC 9260, 6.8 and Appendix A). The checksum field itself counts as zero, whatever it holds.
///
/// This is the one place where the stack computes a packet's checksum.
pub fn checksum(packet: &[u8]) -> u32 {
    let crc = match packet.split_first_chunk::<COMMON_HEADER_LEN>() {
        Some((header, chunks)) => {
            let mut header = *header;
            header[CHECKSUM_AT..].fill(0);
            crc32c::crc32c_append(crc32c::crc32c(&header), chunks)
        }
        None => crc32c::crc32c(packet),
    };
    as_sent(crc)
}

/// The same of a packet whose checksum field is zero, in one go.
pub(super) fn first_checksum(packet: &[u8]) -> u32 {
    as_sent(crc32c::crc32c(packet))
}

/// The CRC travels with its low byte first.
fn as_sent(crc: u32) -> u32 {
    crc.swap_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[u8]) -> Packet {
        let mut datagram = vec![0; COMMON_HEADER_LEN];
        datagram.extend_from_slice(chunks);
        Packet::parse(Bytes::from(datagram), ChecksumPolicy::Verified).unwrap()
    }

    #[test]
    fn a_datagram_shorter_than_the_common_header_is_no_packet() {
        let parse = |length| Packet::parse(Bytes::from(vec![0; length]), ChecksumPolicy::Verified);
        assert_eq!(parse(11), Err(PacketError::TooShort { length: 11 }));
        assert_eq!(parse(12).unwrap().first_chunk_type(), None);
    }

    /// RFC 9260, 6.8.
    #[test]
    fn one_flipped_bit_breaks_the_checksum() {
        let mut datagram = b"\x00\x01\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\x0b\x00\x00\x04".to_vec();
        let sum = checksum(&datagram);
        datagram[CHECKSUM_AT..12].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&datagram), sum, "the field itself does not count");
        assert!(Packet::parse(Bytes::from(datagram.clone()), ChecksumPolicy::Crc32c).is_ok());
        datagram[15] ^= 1;
        let error = Packet::parse(Bytes::from(datagram), ChecksumPolicy::Crc32c).unwrap_err();
        assert!(matches!(error, PacketError::BadChecksum { found, .. } if found == sum));
    }

    /// RFC 9260, 3.2: the length does not count the padding.
    #[test]
    fn padding_is_skipped_and_may_be_missing_at_the_end() {
        let packet = packet(b"\x01\x02\x00\x05a\x00\x00\x00\x03\x00\x00\x06bc");
        let values: Vec<_> = packet.chunks().map(|chunk| chunk.unwrap().value).collect();
        assert_eq!(values, [b"a".as_slice(), b"bc"]);
        assert_eq!(packet.first_chunk_type(), Some(ChunkType::INIT));
    }

    #[test]
    fn the_walk_ends_with_the_first_impossible_length() {
        let chunk_type = ChunkType::SACK;
        for (bytes, error) in [
            (b"\x03\x00\x00\x03".as_slice(), (3, 4)),
            (b"\x03\x00\x00\x05", (5, 4)),
            (b"\x03\x00\x00\x00\x03\x00\x00\x04", (0, 8)),
        ] {
            let (length, available) = error;
            let mut good_then_bad = b"\x0b\x00\x00\x04".to_vec();
            good_then_bad.extend_from_slice(bytes);
            let mut chunks = packet(&good_then_bad).chunks();
            assert_eq!(chunks.next().unwrap().unwrap().chunk_type, ChunkType::COOKIE_ACK);
            let error = ChunkLengthError::BadLength { chunk_type, length, available };
            assert_eq!(chunks.next(), Some(Err(error)));
            assert_eq!(chunks.next(), None);
        }
        let mut chunks = packet(b"\x03\x00\x00").chunks();
        assert_eq!(chunks.next(), Some(Err(ChunkLengthError::TruncatedHeader { available: 3 })));
    }

    #[test]
    fn a_packet_is_told_in_one_line_or_in_one_line_for_each_chunk() {
        let packet = packet(b"\x0b\0\0\x04\x0e\x01\0\x04\x3f\0\0\x06ab\0\0\x03\0\0\x05\0");
        let header = "0 > 0 tag=0x00000000";
        let sack = "[SACK chunk: 12 bytes needed, 1 there]";
        let chunks = ["COOKIE_ACK", "SHUTDOWN_COMPLETE T", "CHUNK_0x3f flags=0x00 len=2", sack];
        assert_eq!(packet.to_string(), format!("{header} | {}", chunks.join(" | ")));
        assert_eq!(format!("{packet:#}"), format!("{header}\n    {}", chunks.join("\n    ")));
    }

    /// RFC 4895, 6.2: the HMAC covers the chunks behind AUTH with their padding.
    #[test]
    fn the_rest_behind_a_chunk_keeps_its_padding() {
        let packet = packet(b"\x0f\0\0\x09\0\0\0\x01m\0\0\0\x0a\0\0\x05c\0\0\0");
        let mut chunks = packet.chunks();
        assert_eq!(chunks.next().unwrap().unwrap().chunk_type, ChunkType::AUTH);
        assert_eq!(chunks.rest().as_ref(), b"\x0a\0\0\x05c\0\0\0");
    }
}
