//! Error causes: what ERROR and ABORT report (RFC 9260, 3.3.10).
//!
//! ```text
//! +-------------------------------+-------------------------------+
//! |          cause code           |  length, with these 4 bytes   |
//! +-------------------------------+-------------------------------+
//! |          cause-specific, padded to four bytes                 |
//! ```

mod typed;

#[cfg(test)]
mod tests;

pub use typed::{Cause, CauseError};

use super::codes::codes;
use super::tlv::{Tlv, TlvLengthError, Tlvs};
use bytes::Bytes;
use core::fmt;

/// An error cause whose length cannot be right.
pub type CauseLengthError = TlvLengthError;

codes! {
    /// A cause code (RFC 9260, 3.3.10).
    CauseCode(u16), unnamed "CAUSE";
    /// Invalid Stream Identifier (RFC 9260, 3.3.10.1).
    INVALID_STREAM_IDENTIFIER = 1, "INVALID_STREAM_IDENTIFIER";
    /// Missing Mandatory Parameter (RFC 9260, 3.3.10.2).
    MISSING_MANDATORY_PARAMETER = 2, "MISSING_MANDATORY_PARAMETER";
    /// Stale Cookie (RFC 9260, 3.3.10.3).
    STALE_COOKIE = 3, "STALE_COOKIE";
    /// Out of Resource (RFC 9260, 3.3.10.4).
    OUT_OF_RESOURCE = 4, "OUT_OF_RESOURCE";
    /// Unresolvable Address (RFC 9260, 3.3.10.5).
    UNRESOLVABLE_ADDRESS = 5, "UNRESOLVABLE_ADDRESS";
    /// Unrecognized Chunk Type (RFC 9260, 3.3.10.6).
    UNRECOGNIZED_CHUNK_TYPE = 6, "UNRECOGNIZED_CHUNK_TYPE";
    /// Invalid Mandatory Parameter (RFC 9260, 3.3.10.7).
    INVALID_MANDATORY_PARAMETER = 7, "INVALID_MANDATORY_PARAMETER";
    /// Unrecognized Parameters (RFC 9260, 3.3.10.8).
    UNRECOGNIZED_PARAMETERS = 8, "UNRECOGNIZED_PARAMETERS";
    /// No User Data (RFC 9260, 3.3.10.9).
    NO_USER_DATA = 9, "NO_USER_DATA";
    /// Cookie Received While Shutting Down (RFC 9260, 3.3.10.10).
    COOKIE_RECEIVED_WHILE_SHUTTING_DOWN = 10, "COOKIE_RECEIVED_WHILE_SHUTTING_DOWN";
    /// Restart of an Association with New Addresses (RFC 9260, 3.3.10.11).
    RESTART_WITH_NEW_ADDRESSES = 11, "RESTART_WITH_NEW_ADDRESSES";
    /// User-Initiated Abort (RFC 9260, 3.3.10.12).
    USER_INITIATED_ABORT = 12, "USER_INITIATED_ABORT";
    /// Protocol Violation (RFC 9260, 3.3.10.13).
    PROTOCOL_VIOLATION = 13, "PROTOCOL_VIOLATION";
    /// Request to Delete Last Remaining IP Address (RFC 5061, 4.3.1).
    DELETE_LAST_ADDRESS = 0x00a0, "DELETE_LAST_ADDRESS";
    /// Operation Refused Due to Resource Shortage (RFC 5061, 4.3.2).
    RESOURCE_SHORTAGE = 0x00a1, "RESOURCE_SHORTAGE";
    /// Request to Delete Source IP Address (RFC 5061, 4.3.3).
    DELETE_SOURCE_ADDRESS = 0x00a2, "DELETE_SOURCE_ADDRESS";
    /// Association Aborted Due to Illegal ASCONF-ACK (RFC 5061, 4.3.4).
    ILLEGAL_ASCONF_ACK = 0x00a3, "ILLEGAL_ASCONF_ACK";
    /// Request Refused - No Authorization (RFC 5061, 4.3.5).
    NO_AUTHORIZATION = 0x00a4, "NO_AUTHORIZATION";
    /// Unsupported HMAC Identifier (RFC 4895, 4).
    UNSUPPORTED_HMAC_IDENTIFIER = 0x0105, "UNSUPPORTED_HMAC_IDENTIFIER";
}

/// An error cause as it lies in the chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCause {
    /// The code.
    pub code: CauseCode,
    /// What stands behind code and length, without padding.
    pub value: Bytes,
}

impl From<Tlv> for RawCause {
    fn from(tlv: Tlv) -> Self {
        Self { code: CauseCode(tlv.code), value: tlv.value }
    }
}

/// A row of error causes, walked lazily.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes(pub Bytes);

impl Causes {
    /// Walks the causes. The last one may lack its padding; the walk ends after an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<RawCause, CauseLengthError>> + use<> {
        Tlvs::new(self.0.clone()).map(|item| item.map(RawCause::from))
    }

    /// The first cause of this code before any that is malformed.
    pub fn find(&self, code: CauseCode) -> Option<RawCause> {
        self.iter().map_while(Result::ok).find(|cause| cause.code == code)
    }
}

impl FromIterator<Cause> for Causes {
    fn from_iter<I: IntoIterator<Item = Cause>>(causes: I) -> Self {
        let mut bytes = Vec::new();
        causes.into_iter().for_each(|cause| cause.write(&mut bytes));
        Self(Bytes::from(bytes))
    }
}

impl From<Cause> for Causes {
    fn from(cause: Cause) -> Self {
        Self::from_iter([cause])
    }
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|item| match item.map(|raw| Cause::parse(&raw)) {
            Ok(Ok(cause)) => write!(f, " {cause}"),
            Ok(Err(error)) => write!(f, " [{error}]"),
            Err(error) => write!(f, " [{error}]"),
        })
    }
}
