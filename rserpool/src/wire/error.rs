//! Why a message could not be read or written.

use bytes::Bytes;

use super::{CauseCode, ErrorCause, ParamType};

/// Why bytes are no message. [`report`](Self::report) tells whether the sender must hear of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A field or header does not fit in what is there.
    #[error("{what} is cut off")]
    Truncated {
        /// The field that was being read.
        what: &'static str,
    },
    /// A length field contradicts the data or the type that it describes.
    #[error("length {length} of {what} is wrong")]
    BadLength {
        /// What the length belongs to.
        what: &'static str,
        /// The length in the message.
        length: usize,
    },
    /// A parameter holds a value that RFC 5354 does not allow.
    #[error("parameter {param:?} holds an invalid value")]
    InvalidValue {
        /// The parameter's type.
        param: ParamType,
        /// The whole parameter, for the error cause.
        tlv: Bytes,
    },
    /// A Handle Update that neither adds nor deletes (RFC 5353, 2.4).
    #[error("update action {action} is unknown")]
    UnknownUpdateAction {
        /// The action.
        action: u16,
    },
    /// A mandatory parameter is missing.
    #[error("parameter {0:?} is missing")]
    MissingParameter(ParamType),
    /// The message type is unknown, and its upper bits do not ask for a report.
    #[error("message type {message_type} is unknown")]
    UnknownMessage {
        /// The message type.
        message_type: u8,
        /// The whole message.
        message: Bytes,
    },
    /// A parameter type is unknown and its upper bits (00 or 01) demand that the message be dropped.
    #[error("parameter type {param:?} is unknown")]
    UnknownParameter {
        /// The parameter's type.
        param: ParamType,
        /// The whole parameters that the sender must be told of: this one (01), and those before it that were to be skipped (11).
        reported: Vec<Bytes>,
    },
}

impl ParseError {
    /// The error causes that the sender of the message must get, if RFC 5354 (3 and 4) asks for some.
    pub fn report(&self) -> Vec<ErrorCause> {
        match self {
            // 01 in the upper bits: stop, discard and report.
            Self::UnknownMessage { message_type, message } if message_type >> 6 == 1 => {
                vec![ErrorCause::new(CauseCode::UNRECOGNIZED_MESSAGE, message.clone())]
            }
            Self::UnknownParameter { reported, .. } => {
                reported.iter().cloned().map(ErrorCause::unrecognized_parameter).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The same, met behind parameters that were skipped and are to be reported.
    pub(super) fn behind(self, mut skipped: Vec<Bytes>) -> Self {
        match self {
            Self::UnknownParameter { param, reported } => {
                skipped.extend(reported);
                Self::UnknownParameter { param, reported: skipped }
            }
            other => other,
        }
    }
}

/// Why a message cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// More than a 16-bit length can count.
    #[error("{length} bytes do not fit in one message: at most 65535")]
    TooLong {
        /// The length of the message or parameter, in bytes.
        length: usize,
    },
    /// RSPLIB would abort on it.
    #[error(
        "pool handle of {length} bytes: RSPLIB peers abort above 32; shorten it, or set long_pool_handles"
    )]
    PoolHandleTooLong {
        /// The handle's length, in bytes.
        length: usize,
    },
    /// RSPLIB cannot parse it.
    #[error("transport {param:?}: RSPLIB peers cannot parse it; set rare_transports where there are none")]
    RareTransport {
        /// The transport's parameter type.
        param: ParamType,
    },
}
