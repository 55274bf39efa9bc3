//! Any error cause with its value read.

use super::{CauseCode, RawCause};
use crate::serial::Tsn;
use crate::wire::param::{ParameterType, Parameters};
use crate::wire::read::Reader;
use crate::wire::tlv;
use bytes::Bytes;
use core::fmt;
use smallvec::SmallVec;

/// A cause whose value cannot be read as its code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} cause has a value of {value_len} bytes, which does not fit its code")]
pub struct CauseError {
    /// The code.
    pub code: CauseCode,
    /// Bytes of value.
    pub value_len: usize,
}

/// An error cause of any code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// DATA on a stream that does not exist.
    InvalidStreamIdentifier {
        /// The stream.
        stream_id: u16,
    },
    /// INIT or INIT ACK lack these parameters.
    MissingMandatoryParameter(SmallVec<[ParameterType; 2]>),
    /// The state cookie has expired.
    StaleCookie {
        /// How long ago, microseconds; 0 if the sender does not say.
        staleness_us: u32,
    },
    /// The sender is out of resource.
    OutOfResource,
    /// The whole address parameter that the sender cannot resolve.
    UnresolvableAddress(Bytes),
    /// The whole chunk that the sender does not know.
    UnrecognizedChunkType(Bytes),
    /// A mandatory parameter, or a fixed field, has an invalid value.
    InvalidMandatoryParameter,
    /// The parameters of INIT ACK that the sender does not know.
    UnrecognizedParameters(Parameters),
    /// A DATA chunk without user data.
    NoUserData {
        /// The chunk's TSN.
        tsn: Tsn,
    },
    /// COOKIE ECHO came in SHUTDOWN-ACK-SENT state.
    CookieReceivedWhileShuttingDown,
    /// A restart that brought these address parameters.
    RestartWithNewAddresses(Parameters),
    /// The upper layer aborts, and gives this reason.
    UserInitiatedAbort(Bytes),
    /// A protocol violation, with additional information.
    ProtocolViolation(Bytes),
    /// A request to delete the last address: the request's whole parameter.
    DeleteLastAddress(Bytes),
    /// A request is refused for lack of resources: the request's whole parameter.
    ResourceShortage(Bytes),
    /// A request to delete the packet's source address: the request's whole parameter.
    DeleteSourceAddress(Bytes),
    /// An ASCONF-ACK that nothing asked for.
    IllegalAsconfAck,
    /// A request is not allowed: the request's whole parameter.
    NoAuthorization(Bytes),
    /// An AUTH chunk with an algorithm that the sender does not support.
    UnsupportedHmacIdentifier {
        /// The algorithm's identifier.
        hmac_id: u16,
    },
    /// A code that this codec does not know.
    Unknown(RawCause),
}

impl Cause {
    /// Reads a cause as its code says.
    pub fn parse(raw: &RawCause) -> Result<Self, CauseError> {
        Self::read(raw).ok_or(CauseError { code: raw.code, value_len: raw.value.len() })
    }

    fn read(raw: &RawCause) -> Option<Self> {
        let value = raw.value.clone();
        let mut fields = Reader::new(&raw.value);
        Some(match raw.code {
            CauseCode::INVALID_STREAM_IDENTIFIER => {
                Self::InvalidStreamIdentifier { stream_id: fields.u16()? }
            }
            CauseCode::MISSING_MANDATORY_PARAMETER => {
                let count = fields.u32()?;
                let types = (0..count).map(|_| fields.u16().map(ParameterType));
                Self::MissingMandatoryParameter(types.collect::<Option<_>>()?)
            }
            CauseCode::STALE_COOKIE => Self::StaleCookie { staleness_us: fields.u32()? },
            CauseCode::OUT_OF_RESOURCE => Self::OutOfResource,
            CauseCode::UNRESOLVABLE_ADDRESS => Self::UnresolvableAddress(value),
            CauseCode::UNRECOGNIZED_CHUNK_TYPE => Self::UnrecognizedChunkType(value),
            CauseCode::INVALID_MANDATORY_PARAMETER => Self::InvalidMandatoryParameter,
            CauseCode::UNRECOGNIZED_PARAMETERS => Self::UnrecognizedParameters(Parameters(value)),
            CauseCode::NO_USER_DATA => Self::NoUserData { tsn: Tsn(fields.u32()?) },
            CauseCode::COOKIE_RECEIVED_WHILE_SHUTTING_DOWN => Self::CookieReceivedWhileShuttingDown,
            CauseCode::RESTART_WITH_NEW_ADDRESSES => Self::RestartWithNewAddresses(Parameters(value)),
            CauseCode::USER_INITIATED_ABORT => Self::UserInitiatedAbort(value),
            CauseCode::PROTOCOL_VIOLATION => Self::ProtocolViolation(value),
            CauseCode::DELETE_LAST_ADDRESS => Self::DeleteLastAddress(value),
            CauseCode::RESOURCE_SHORTAGE => Self::ResourceShortage(value),
            CauseCode::DELETE_SOURCE_ADDRESS => Self::DeleteSourceAddress(value),
            CauseCode::ILLEGAL_ASCONF_ACK => Self::IllegalAsconfAck,
            CauseCode::NO_AUTHORIZATION => Self::NoAuthorization(value),
            CauseCode::UNSUPPORTED_HMAC_IDENTIFIER => {
                Self::UnsupportedHmacIdentifier { hmac_id: fields.u16()? }
            }
            _ => Self::Unknown(raw.clone()),
        })
    }

    /// The code.
    pub const fn code(&self) -> CauseCode {
        match self {
            Self::InvalidStreamIdentifier { .. } => CauseCode::INVALID_STREAM_IDENTIFIER,
            Self::MissingMandatoryParameter(_) => CauseCode::MISSING_MANDATORY_PARAMETER,
            Self::StaleCookie { .. } => CauseCode::STALE_COOKIE,
            Self::OutOfResource => CauseCode::OUT_OF_RESOURCE,
            Self::UnresolvableAddress(_) => CauseCode::UNRESOLVABLE_ADDRESS,
            Self::UnrecognizedChunkType(_) => CauseCode::UNRECOGNIZED_CHUNK_TYPE,
            Self::InvalidMandatoryParameter => CauseCode::INVALID_MANDATORY_PARAMETER,
            Self::UnrecognizedParameters(_) => CauseCode::UNRECOGNIZED_PARAMETERS,
            Self::NoUserData { .. } => CauseCode::NO_USER_DATA,
            Self::CookieReceivedWhileShuttingDown => CauseCode::COOKIE_RECEIVED_WHILE_SHUTTING_DOWN,
            Self::RestartWithNewAddresses(_) => CauseCode::RESTART_WITH_NEW_ADDRESSES,
            Self::UserInitiatedAbort(_) => CauseCode::USER_INITIATED_ABORT,
            Self::ProtocolViolation(_) => CauseCode::PROTOCOL_VIOLATION,
            Self::DeleteLastAddress(_) => CauseCode::DELETE_LAST_ADDRESS,
            Self::ResourceShortage(_) => CauseCode::RESOURCE_SHORTAGE,
            Self::DeleteSourceAddress(_) => CauseCode::DELETE_SOURCE_ADDRESS,
            Self::IllegalAsconfAck => CauseCode::ILLEGAL_ASCONF_ACK,
            Self::NoAuthorization(_) => CauseCode::NO_AUTHORIZATION,
            Self::UnsupportedHmacIdentifier { .. } => CauseCode::UNSUPPORTED_HMAC_IDENTIFIER,
            Self::Unknown(raw) => raw.code,
        }
    }

    /// Appends the cause to the row of causes in `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        tlv::append(out, 0, self.code().0, |out| self.write_value(out));
    }

    /// RFC 4895, 4.1.
    fn write_value(&self, out: &mut Vec<u8>) {
        match self {
            Self::InvalidStreamIdentifier { stream_id } => {
                out.extend_from_slice(&stream_id.to_be_bytes());
                out.extend_from_slice(&[0; 2]);
            }
            Self::MissingMandatoryParameter(types) => {
                let count = u32::try_from(types.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&count.to_be_bytes());
                types.iter().for_each(|param_type| out.extend_from_slice(&param_type.0.to_be_bytes()));
            }
            Self::StaleCookie { staleness_us: number } | Self::NoUserData { tsn: Tsn(number) } => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::UnsupportedHmacIdentifier { hmac_id } => out.extend_from_slice(&hmac_id.to_be_bytes()),
            Self::UnrecognizedParameters(parameters) | Self::RestartWithNewAddresses(parameters) => {
                out.extend_from_slice(&parameters.0);
            }
            Self::UnresolvableAddress(value)
            | Self::UnrecognizedChunkType(value)
            | Self::UserInitiatedAbort(value)
            | Self::ProtocolViolation(value)
            | Self::DeleteLastAddress(value)
            | Self::ResourceShortage(value)
            | Self::DeleteSourceAddress(value)
            | Self::NoAuthorization(value)
            | Self::Unknown(RawCause { value, .. }) => out.extend_from_slice(value),
            Self::OutOfResource
            | Self::InvalidMandatoryParameter
            | Self::CookieReceivedWhileShuttingDown
            | Self::IllegalAsconfAck => {}
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.code();
        match self {
            Self::InvalidStreamIdentifier { stream_id: number } => write!(f, "{name}={number}"),
            Self::UnsupportedHmacIdentifier { hmac_id } => write!(f, "{name}={hmac_id}"),
            Self::MissingMandatoryParameter(types) => write!(f, "{name}={types:?}"),
            Self::StaleCookie { staleness_us } => write!(f, "{name}={staleness_us}us"),
            Self::NoUserData { tsn } => write!(f, "{name}={tsn}"),
            Self::UnrecognizedParameters(parameters) | Self::RestartWithNewAddresses(parameters) => {
                // The types alone: a parameter may hold causes, and a peer could nest them deep.
                let types = parameters.iter().map_while(Result::ok).map(|parameter| parameter.param_type);
                write!(f, "{name}={:?}", types.collect::<SmallVec<[_; 4]>>())
            }
            Self::UserInitiatedAbort(value) | Self::ProtocolViolation(value) => {
                write!(f, "{name}=\"{}\"", value.escape_ascii())
            }
            Self::UnresolvableAddress(value)
            | Self::UnrecognizedChunkType(value)
            | Self::DeleteLastAddress(value)
            | Self::ResourceShortage(value)
            | Self::DeleteSourceAddress(value)
            | Self::NoAuthorization(value)
            | Self::Unknown(RawCause { value, .. }) => write!(f, "{name}={}_bytes", value.len()),
            Self::OutOfResource
            | Self::InvalidMandatoryParameter
            | Self::CookieReceivedWhileShuttingDown
            | Self::IllegalAsconfAck => write!(f, "{name}"),
        }
    }
}
