//! DATA: one message or one fragment of it (RFC 9260, 3.3.1; the I bit is RFC 7053's).
//!
//! ```text
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |   type = 0    |  res  |I|U|B|E|            length             |
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |                              TSN                              |
//! +-------------------------------+-------------------------------+
//! |       stream identifier       |    stream sequence number     |
//! +-------------------------------+-------------------------------+
//! |                  payload protocol identifier                  |
//! +---------------------------------------------------------------+
//! |                           user data                           |
//! ```

use super::{ChunkError, ChunkType, RawChunk};
use crate::serial::{Ssn, Tsn};
use crate::wire::builder::WriteChunk;
use crate::wire::read::Reader;
use bytes::{Buf, Bytes};
use core::fmt;

/// Bytes of value in front of the user data.
pub const DATA_HEADER_LEN: usize = 12;

/// The flags of DATA and I-DATA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataFlags {
    /// I: the sender asks for a SACK at once (RFC 7053).
    pub immediate: bool,
    /// U: deliver without regard to the stream's order.
    pub unordered: bool,
    /// B: first fragment of a message.
    pub begin: bool,
    /// E: last fragment of a message.
    pub end: bool,
}

impl DataFlags {
    const IMMEDIATE: u8 = 0x08;
    const UNORDERED: u8 = 0x04;
    const BEGIN: u8 = 0x02;
    const END: u8 = 0x01;

    /// An ordered message that fits into one chunk: B and E.
    pub const WHOLE_MESSAGE: Self = Self { immediate: false, unordered: false, begin: true, end: true };

    /// Reads the flags byte; the reserved bits are ignored.
    /// RFC 9260, 15.2.
    pub const fn from_bits(bits: u8) -> Self {
        Self {
            immediate: bits & Self::IMMEDIATE != 0,
            unordered: bits & Self::UNORDERED != 0,
            begin: bits & Self::BEGIN != 0,
            end: bits & Self::END != 0,
        }
    }

    /// The flags byte.
    pub fn bits(self) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bit(self.immediate, Self::IMMEDIATE)
            | bit(self.unordered, Self::UNORDERED)
            | bit(self.begin, Self::BEGIN)
            | bit(self.end, Self::END)
    }
}

impl fmt::Display for DataFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(self.immediate, "I"), (self.unordered, "U"), (self.begin, "B"), (self.end, "E")];
        letters.iter().filter(|(set, _)| *set).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// The fields of a DATA chunk in front of its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// Transmission sequence number.
    pub tsn: Tsn,
    /// Stream identifier.
    pub stream_id: u16,
    /// Stream sequence number; without meaning when unordered.
    pub ssn: Ssn,
    /// Payload protocol identifier: the applications' own affair.
    pub ppid: u32,
    /// The flags.
    pub flags: DataFlags,
}

impl DataHeader {
    pub(in crate::wire) fn to_bytes(self) -> [u8; DATA_HEADER_LEN] {
        let [t0, t1, t2, t3] = self.tsn.0.to_be_bytes();
        let [i0, i1] = self.stream_id.to_be_bytes();
        let [s0, s1] = self.ssn.0.to_be_bytes();
        let [p0, p1, p2, p3] = self.ppid.to_be_bytes();
        [t0, t1, t2, t3, i0, i1, s0, s1, p0, p1, p2, p3]
    }

    fn read(raw: &RawChunk) -> Option<Self> {
        let mut fields = Reader::new(&raw.value);
        Some(Self {
            tsn: Tsn(fields.u32()?),
            stream_id: fields.u16()?,
            ssn: Ssn(fields.u16()?),
            ppid: fields.u32()?,
            flags: DataFlags::from_bits(raw.flags),
        })
    }
}

/// A DATA chunk. The payload shares the memory of the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChunk {
    /// Transmission sequence number.
    pub tsn: Tsn,
    /// Stream identifier.
    pub stream_id: u16,
    /// Stream sequence number; without meaning when unordered.
    pub ssn: Ssn,
    /// Payload protocol identifier: the applications' own affair.
    pub ppid: u32,
    /// The flags.
    pub flags: DataFlags,
    /// The user data, never empty in a parsed chunk.
    pub payload: Bytes,
}

impl DataChunk {
    /// Reads the chunk. A chunk without user data is an error that carries its TSN.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        Self::from_raw(raw.clone())
    }

    /// As [`parse`](Self::parse), but the payload takes over the chunk's hold on the datagram.
    #[inline]
    pub fn from_raw(raw: RawChunk) -> Result<Self, ChunkError> {
        let header = DataHeader::read(&raw).ok_or_else(|| raw.too_short(DATA_HEADER_LEN))?;
        let DataHeader { tsn, stream_id, ssn, ppid, flags } = header;
        let mut payload = raw.value;
        payload.advance(DATA_HEADER_LEN);
        if payload.is_empty() {
            return Err(ChunkError::NoUserData { tsn });
        }
        Ok(Self { tsn, stream_id, ssn, ppid, flags, payload })
    }

    /// All but the payload.
    pub const fn header(&self) -> DataHeader {
        let Self { tsn, stream_id, ssn, ppid, flags, .. } = *self;
        DataHeader { tsn, stream_id, ssn, ppid, flags }
    }
}

impl WriteChunk for DataChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::DATA
    }

    fn flags(&self) -> u8 {
        self.flags.bits()
    }

    fn value_len(&self) -> usize {
        DATA_HEADER_LEN + self.payload.len()
    }

    /// RFC 9260, 3, 3.3.1.
    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header().to_bytes());
        out.extend_from_slice(&self.payload);
    }
}

impl fmt::Display for DataChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tsn, stream_id, ssn, ppid, flags, payload } = self;
        let len = payload.len();
        write!(f, "DATA tsn={tsn} sid={stream_id} ssn={ssn} ppid={ppid} flags={flags} len={len}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(flags: u8, value: &'static [u8]) -> RawChunk {
        RawChunk { chunk_type: ChunkType::DATA, flags, value: Bytes::from_static(value) }
    }

    /// RFC 9260, 3, 3.3.1.
    #[test]
    fn a_data_chunk_is_read_field_by_field() {
        let value = b"\xff\xff\xff\xff\x00\x05\x00\x06\x00\x00\x00\x0bhi";
        let chunk = DataChunk::parse(&raw(0x0b, value)).unwrap();
        assert_eq!(chunk.to_string(), "DATA tsn=4294967295 sid=5 ssn=6 ppid=11 flags=IBE len=2");
        let mut written = Vec::new();
        chunk.write_value(&mut written);
        assert_eq!(written, value);
    }

    #[test]
    fn the_payload_shares_the_memory_of_the_chunk() {
        let raw = raw(3, b"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00payload");
        let chunk = DataChunk::parse(&raw).unwrap();
        assert_eq!(chunk.payload.as_ptr(), raw.value.slice(DATA_HEADER_LEN..).as_ptr());
    }

    /// RFC 9260, 6.2: the answer to a DATA chunk without user data names its TSN.
    #[test]
    fn a_chunk_without_user_data_reports_its_tsn() {
        let empty = raw(3, b"\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00");
        assert_eq!(DataChunk::parse(&empty), Err(ChunkError::NoUserData { tsn: Tsn(7) }));
        let short = raw(3, b"\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00");
        assert!(matches!(DataChunk::parse(&short), Err(ChunkError::TooShort { available: 11, .. })));
    }

    /// RFC 9260, 15.2.
    #[test]
    fn flags_that_nobody_knows_are_ignored() {
        assert_eq!(DataFlags::from_bits(0xf3), DataFlags::WHOLE_MESSAGE);
        assert_eq!(DataFlags::from_bits(0xf3).bits(), 3, "and sent as 0");
    }

    #[test]
    fn flags_keep_their_bits() {
        for bits in 0..=0x0f {
            assert_eq!(DataFlags::from_bits(bits).bits(), bits);
        }
        assert_eq!(DataFlags::from_bits(0xf0), DataFlags::default(), "reserved bits are ignored");
    }
}
