//! The formats on the wire (RFC 9260, 3, and the chunk types of the extensions).
//!
//! A packet is a common header and a row of chunks; many chunks end in a row of parameters or
//! error causes. All of them are type, length, value, padded to four bytes.
//!
//! Reading is lazy and total: [`Packet::parse`] checks the common header and the checksum,
//! [`Packet::chunks`] walks the chunks one by one (so that the good ones before a bad one count),
//! and each typed chunk is made from a [`RawChunk`] by its `parse`. No input panics, and payloads
//! are slices of the datagram. Parsers report what was sent; whether a value is acceptable (a zero
//! tag, unordered gap blocks) is for the association to decide.
//!
//! Writing goes through [`PacketBuilder`], at the end of a buffer that the caller owns.
//!
//! | folder | holds |
//! |---|---|
//! | [`chunk`] | one file for each chunk: diagram, parse, write, text |
//! | [`param`] | the parameters of INIT, HEARTBEAT, RE-CONFIG and ASCONF |
//! | [`cause`] | the error causes of ERROR and ABORT |

mod builder;
mod codes;
mod packet;
mod read;
mod tlv;

pub mod cause;
pub mod chunk;
pub mod param;

pub use builder::{NoRoom, PacketBuilder, WriteChunk};
pub use cause::{Cause, CauseCode, Causes, RawCause};
pub use chunk::{Chunk, ChunkError, ChunkType, RawChunk};
pub use codes::UnrecognizedAction;
pub use packet::{
    CHUNK_HEADER_LEN, COMMON_HEADER_LEN, ChecksumPolicy, ChunkLengthError, Chunks, CommonHeader, Packet,
    PacketError, checksum,
};
pub use param::{Parameter, ParameterType, Parameters, ParametersBuilder, RawParameter};
pub use tlv::TlvLengthError;

/// Bytes of padding behind `len` bytes, up to the next multiple of four (RFC 9260, 3.2).
pub(crate) const fn padding(len: usize) -> usize {
    len.wrapping_neg() % 4
}
