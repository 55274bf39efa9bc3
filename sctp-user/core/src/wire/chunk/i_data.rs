//! I-DATA: DATA whose messages may interleave (RFC 8260, 2.1).
//!
//! ```text
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |   type = 64   |  res  |I|U|B|E|            length             |
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |                              TSN                              |
//! +-------------------------------+-------------------------------+
//! |       stream identifier       |           reserved            |
//! +-------------------------------+-------------------------------+
//! |                      message identifier                       |
//! +---------------------------------------------------------------+
//! | B set: payload protocol identifier; else: fragment seq number |
//! +---------------------------------------------------------------+
//! |                           user data                           |
//! ```

use super::{ChunkError, ChunkType, DataFlags, RawChunk};
use crate::serial::{Fsn, Mid, Tsn};
use crate::wire::builder::WriteChunk;
use crate::wire::read::{Reader, tail};
use bytes::Bytes;
use core::fmt;

/// Bytes of value in front of the user data.
pub const I_DATA_HEADER_LEN: usize = 16;

/// The fields of an I-DATA chunk in front of its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IDataHeader {
    /// Transmission sequence number.
    pub tsn: Tsn,
    /// Stream identifier.
    pub stream_id: u16,
    /// Message identifier; ordered and unordered messages count apart.
    pub mid: Mid,
    /// In a first fragment the payload protocol identifier, in the others their number.
    pub ppid_or_fsn: u32,
    /// The flags, of the same meaning as DATA's.
    pub flags: DataFlags,
}

impl IDataHeader {
    /// The payload protocol identifier, which only the first fragment carries.
    pub const fn ppid(&self) -> Option<u32> {
        if self.flags.begin { Some(self.ppid_or_fsn) } else { None }
    }

    /// The fragment's number in its message: 0 for the first one.
    pub const fn fsn(&self) -> Fsn {
        if self.flags.begin { Fsn(0) } else { Fsn(self.ppid_or_fsn) }
    }

    pub(in crate::wire) fn to_bytes(self) -> [u8; I_DATA_HEADER_LEN] {
        let [t0, t1, t2, t3] = self.tsn.0.to_be_bytes();
        let [i0, i1] = self.stream_id.to_be_bytes();
        let [m0, m1, m2, m3] = self.mid.0.to_be_bytes();
        let [p0, p1, p2, p3] = self.ppid_or_fsn.to_be_bytes();
        [t0, t1, t2, t3, i0, i1, 0, 0, m0, m1, m2, m3, p0, p1, p2, p3]
    }

    fn read(raw: &RawChunk) -> Option<Self> {
        let mut fields = Reader::new(&raw.value);
        let tsn = Tsn(fields.u32()?);
        let (stream_id, _reserved) = (fields.u16()?, fields.u16()?);
        let mid = Mid(fields.u32()?);
        let ppid_or_fsn = fields.u32()?;
        Some(Self { tsn, stream_id, mid, ppid_or_fsn, flags: DataFlags::from_bits(raw.flags) })
    }
}

/// An I-DATA chunk. The payload shares the memory of the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IDataChunk {
    /// All but the payload.
    pub header: IDataHeader,
    /// The user data, never empty in a parsed chunk.
    pub payload: Bytes,
}

impl IDataChunk {
    /// Reads the chunk. A chunk without user data is an error that carries its TSN.
    /// RFC 8260, 2.1.
    pub fn parse(raw: &RawChunk) -> Result<Self, ChunkError> {
        let header = IDataHeader::read(raw).ok_or_else(|| raw.too_short(I_DATA_HEADER_LEN))?;
        let payload = tail(&raw.value, I_DATA_HEADER_LEN);
        if payload.is_empty() {
            return Err(ChunkError::NoUserData { tsn: header.tsn });
        }
        Ok(Self { header, payload })
    }
}

impl WriteChunk for IDataChunk {
    fn chunk_type(&self) -> ChunkType {
        ChunkType::I_DATA
    }

    fn flags(&self) -> u8 {
        self.header.flags.bits()
    }

    fn value_len(&self) -> usize {
        I_DATA_HEADER_LEN + self.payload.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header.to_bytes());
        out.extend_from_slice(&self.payload);
    }
}

impl fmt::Display for IDataChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IDataHeader { tsn, stream_id, mid, flags, .. } = self.header;
        write!(f, "I_DATA tsn={tsn} sid={stream_id} mid={mid} fsn={}", self.header.fsn())?;
        if let Some(ppid) = self.header.ppid() {
            write!(f, " ppid={ppid}")?;
        }
        write!(f, " flags={flags} len={}", self.payload.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_format, assert_too_short};
    use super::*;
    use crate::wire::chunk::Chunk;

    /// RFC 8260, 2.1: one field holds the PPID or the FSN.
    #[test]
    fn the_b_bit_decides_between_ppid_and_fsn() {
        let flags = DataFlags { begin: true, ..DataFlags::default() };
        let header = IDataHeader { tsn: Tsn(1), stream_id: 2, mid: Mid(3), ppid_or_fsn: 4, flags };
        let first = IDataChunk { header, payload: Bytes::from_static(b"a") };
        let bytes = b"\x40\x02\0\x15\0\0\0\x01\0\x02\0\0\0\0\0\x03\0\0\0\x04a";
        let text = "I_DATA tsn=1 sid=2 mid=3 fsn=0 ppid=4 flags=B len=1";
        assert_format(&Chunk::IData(first.clone()), bytes, text);
        let header = IDataHeader { flags: DataFlags { end: true, ..DataFlags::default() }, ..header };
        let bytes = b"\x40\x01\0\x15\0\0\0\x01\0\x02\0\0\0\0\0\x03\0\0\0\x04a";
        let text = "I_DATA tsn=1 sid=2 mid=3 fsn=4 flags=E len=1";
        assert_format(&Chunk::IData(IDataChunk { header, ..first }), bytes, text);
    }

    /// RFC 8260, 2.1: what is reserved is sent as 0, and not looked at.
    #[test]
    fn reserved_bits_are_zero_and_ignored() {
        let value = Bytes::from_static(b"\0\0\0\x01\0\x02\xff\xff\0\0\0\x03\0\0\0\x04a");
        let raw = RawChunk { chunk_type: ChunkType::I_DATA, flags: 0xf0 | 2, value };
        let chunk = IDataChunk::parse(&raw).unwrap();
        let flags = DataFlags { begin: true, ..DataFlags::default() };
        let header = IDataHeader { tsn: Tsn(1), stream_id: 2, mid: Mid(3), ppid_or_fsn: 4, flags };
        assert_eq!(chunk.header, header);
        let mut written = Vec::new();
        chunk.write_value(&mut written);
        assert_eq!((chunk.flags(), &written[6..8]), (2, &[0, 0][..]));
    }

    #[test]
    fn a_chunk_without_user_data_reports_its_tsn() {
        let value = Bytes::from_static(b"\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0");
        let raw = RawChunk { chunk_type: ChunkType::I_DATA, flags: 3, value };
        assert_eq!(IDataChunk::parse(&raw), Err(ChunkError::NoUserData { tsn: Tsn(7) }));
        assert_too_short(ChunkType::I_DATA, &[0; 15], 16);
    }
}
