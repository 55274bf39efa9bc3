//! The chunks, one file each (RFC 9260, 3.3; extensions name their own RFC).

mod abort;
mod asconf;
mod auth;
mod cookie;
mod data;
mod ecn;
mod forward_tsn;
mod heartbeat;
mod i_data;
mod init;
mod nr_sack;
mod pad;
mod re_config;
mod sack;
mod shutdown;
mod typed;

#[cfg(test)]
pub(super) mod tests;

pub use abort::{AbortChunk, ErrorChunk};
pub use asconf::{AsconfChunk, AsconfKind};
pub use auth::AuthChunk;
pub use cookie::{CookieAckChunk, CookieEchoChunk};
pub use data::{DATA_HEADER_LEN, DataChunk, DataFlags, DataHeader};
pub use ecn::{EcnChunk, EcnKind};
pub use forward_tsn::{ForwardTsnChunk, IForwardTsnChunk, SkippedMessage, SkippedStream};
pub use heartbeat::{HeartbeatChunk, HeartbeatKind};
pub use i_data::{I_DATA_HEADER_LEN, IDataChunk, IDataHeader};
pub use init::{InitChunk, InitKind};
pub use nr_sack::NrSackChunk;
pub use pad::PadChunk;
pub use re_config::ReConfigChunk;
pub use sack::{GapBlock, SackChunk};
pub use shutdown::{ShutdownAckChunk, ShutdownChunk, ShutdownCompleteChunk};
pub use typed::Chunk;

use super::builder::WriteChunk;
use super::codes::{UnrecognizedAction, codes};
use super::packet::CHUNK_HEADER_LEN;
use crate::serial::Tsn;
use bytes::Bytes;
use core::fmt;

/// The T bit of ABORT and SHUTDOWN COMPLETE (RFC 9260, 8.5.1).
const T_BIT: u8 = 1;

/// The flags byte with the T bit set or not.
const fn t_bit(set: bool) -> u8 {
    if set { T_BIT } else { 0 }
}

codes! {
    /// A chunk type (RFC 9260, 3.2; the registry's names with underscores).
    ChunkType(u8), unnamed "CHUNK";
    /// User data (RFC 9260, 3.3.1).
    DATA = 0, "DATA";
    /// Opens an association (RFC 9260, 3.3.2).
    INIT = 1, "INIT";
    /// Answers INIT (RFC 9260, 3.3.3).
    INIT_ACK = 2, "INIT_ACK";
    /// Selective acknowledgement (RFC 9260, 3.3.4).
    SACK = 3, "SACK";
    /// Probes a path (RFC 9260, 3.3.5).
    HEARTBEAT = 4, "HEARTBEAT";
    /// Answers HEARTBEAT (RFC 9260, 3.3.6).
    HEARTBEAT_ACK = 5, "HEARTBEAT_ACK";
    /// Ends an association at once (RFC 9260, 3.3.7).
    ABORT = 6, "ABORT";
    /// Begins the graceful end (RFC 9260, 3.3.8).
    SHUTDOWN = 7, "SHUTDOWN";
    /// Answers SHUTDOWN (RFC 9260, 3.3.9).
    SHUTDOWN_ACK = 8, "SHUTDOWN_ACK";
    /// Reports an error (RFC 9260, 3.3.10).
    ERROR = 9, "ERROR";
    /// Returns the state cookie (RFC 9260, 3.3.11).
    COOKIE_ECHO = 10, "COOKIE_ECHO";
    /// Answers COOKIE ECHO (RFC 9260, 3.3.12).
    COOKIE_ACK = 11, "COOKIE_ACK";
    /// Explicit congestion notification echo (RFC 4960, Appendix A).
    ECNE = 12, "ECNE";
    /// Congestion window reduced (RFC 4960, Appendix A).
    CWR = 13, "CWR";
    /// Ends the graceful end (RFC 9260, 3.3.13).
    SHUTDOWN_COMPLETE = 14, "SHUTDOWN_COMPLETE";
    /// Authenticates the chunks behind it (RFC 4895, 4.1).
    AUTH = 15, "AUTH";
    /// Non-renegable SACK (draft-tuexen-tsvwg-sctp-multipath).
    NR_SACK = 16, "NR_SACK";
    /// User data whose messages may interleave (RFC 8260, 2.1).
    I_DATA = 64, "I_DATA";
    /// Acknowledges an address change (RFC 5061, 4.1.2).
    ASCONF_ACK = 0x80, "ASCONF_ACK";
    /// Resets or adds streams (RFC 6525, 3.1).
    RE_CONFIG = 130, "RE_CONFIG";
    /// Padding of a packet (RFC 4820, 3).
    PAD = 0x84, "PAD";
    /// Skips abandoned TSNs (RFC 3758, 3.2).
    FORWARD_TSN = 192, "FORWARD_TSN";
    /// Changes addresses (RFC 5061, 4.1.1).
    ASCONF = 0xc1, "ASCONF";
    /// FORWARD TSN for I-DATA (RFC 8260, 2.3.1).
    I_FORWARD_TSN = 194, "I_FORWARD_TSN";
}

impl ChunkType {
    /// What a receiver that does not know this type does with it.
    pub const fn unrecognized_action(self) -> UnrecognizedAction {
        UnrecognizedAction::from_upper_bits(self.0 >> 6)
    }
}

/// A chunk as it lies in the packet: type, flags and the uninterpreted value.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |     type      |     flags     |            length             |
/// +---------------+---------------+-------------------------------+
/// |                             value                             |
/// ```
///
/// The length counts header and value but no padding (RFC 9260, 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawChunk {
    /// The type.
    pub chunk_type: ChunkType,
    /// The flags.
    pub flags: u8,
    /// The value, without header and padding.
    pub value: Bytes,
}

impl RawChunk {
    /// The error for a value that has fewer than the `needed` bytes.
    fn too_short(&self, needed: usize) -> ChunkError {
        ChunkError::TooShort { chunk_type: self.chunk_type, needed, available: self.value.len() }
    }

    /// The chunk with its header, without padding: how an error cause quotes it
    /// (RFC 9260, 3.3.10.6). Copies the value.
    pub fn to_bytes(&self) -> Bytes {
        let length = u16::try_from(CHUNK_HEADER_LEN + self.value.len()).unwrap_or(u16::MAX);
        let [high, low] = length.to_be_bytes();
        [&[self.chunk_type.0, self.flags, high, low], self.value.as_ref()].concat().into()
    }
}

impl fmt::Display for RawChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flags={:#04x} len={}", self.chunk_type, self.flags, self.value.len())
    }
}

impl WriteChunk for RawChunk {
    fn chunk_type(&self) -> ChunkType {
        self.chunk_type
    }

    fn flags(&self) -> u8 {
        self.flags
    }

    fn value_len(&self) -> usize {
        self.value.len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.value);
    }
}

/// Why a chunk's value cannot be read as its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The value ends before its fields do.
    #[error("{chunk_type} chunk: {needed} bytes needed, {available} there")]
    TooShort {
        /// The chunk's type.
        chunk_type: ChunkType,
        /// Bytes of value that the fields ask for.
        needed: usize,
        /// Bytes of value that there are.
        available: usize,
    },
    /// A DATA or I-DATA chunk without user data: to be answered by an ABORT with the cause
    /// "No User Data" and this TSN (RFC 9260, 6.2).
    #[error("DATA chunk with TSN {tsn} carries no user data")]
    NoUserData {
        /// The chunk's TSN.
        tsn: Tsn,
    },
}
