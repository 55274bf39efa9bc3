//! Error causes (RFC 5354, 3.12).

use std::fmt;

use bytes::Bytes;

use super::tlv::{Reader, Writer};
use super::{Format, ParamType, ParseError, Policy, PoolElement, Transport};
use crate::PoolHandle;

/// The kind of an error cause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CauseCode(pub u16);

macro_rules! cause_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)+) => {
        impl CauseCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)+

            /// What it means, in a few words; none for numbers that we do not know.
            pub const fn description(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)+
                    _ => None,
                }
            }
        }
    };
}

cause_codes! {
    /// RFC 5354, 3.12.1.
    UNSPECIFIED = 0x0, "unspecified error";
    /// RFC 5354, 3.12.2; carries the parameter.
    UNRECOGNIZED_PARAMETER = 0x1, "unrecognized parameter";
    /// RFC 5354, 3.12.3; carries the message.
    UNRECOGNIZED_MESSAGE = 0x2, "unrecognized message";
    /// RFC 5354, 3.12.4; carries the parameter.
    INVALID_VALUES = 0x3, "invalid values";
    /// RFC 5354, 3.12.5.
    NON_UNIQUE_PE_ID = 0x4, "pool element identifier in use";
    /// RFC 5354, 3.12.6; carries the pool's policy.
    INCONSISTENT_POLICY = 0x5, "policy differs from the pool's";
    /// RFC 5354, 3.12.7.
    LACK_OF_RESOURCES = 0x6, "lack of resources";
    /// RFC 5354, 3.12.8; carries the pool's transport.
    INCONSISTENT_TRANSPORT_TYPE = 0x7, "transport differs from the pool's";
    /// RFC 5354, 3.12.9.
    INCONSISTENT_CONTROL_USE = 0x8, "use of the control channel differs from the pool's";
    /// RFC 5354, 3.12.11.
    UNKNOWN_POOL_HANDLE = 0x9, "unknown pool handle";
    /// RFC 5354, 3.12.10.
    SECURITY = 0xa, "rejected for security reasons";
    /// RSPLIB.
    RSPLIB_INVALID_MESSAGE = 0x10, "invalid message";
    /// RSPLIB.
    RSPLIB_INVALID_VALUE = 0x11, "invalid value";
    /// RSPLIB.
    RSPLIB_INVALID_ID = 0xf000, "invalid identifier";
    /// RSPLIB.
    RSPLIB_OWN_ID = 0xf001, "the registrar's own identifier";
    /// RSPLIB.
    RSPLIB_DUPLICATE_ID = 0xf002, "duplicate identifier";
    /// RSPLIB.
    RSPLIB_INVALID_POLICY = 0xf003, "invalid policy";
    /// RSPLIB.
    RSPLIB_INVALID_POOL_HANDLE = 0xf004, "invalid pool handle";
    /// RSPLIB.
    RSPLIB_INVALID_ADDRESSES = 0xf005, "invalid addresses";
    /// RSPLIB.
    RSPLIB_INVALID_REGISTRAR = 0xf006, "invalid registrar";
    /// RSPLIB.
    RSPLIB_NO_USABLE_ASAP_ADDRESSES = 0xf007, "no usable ASAP addresses";
    /// RSPLIB.
    RSPLIB_NO_USABLE_USER_ADDRESSES = 0xf008, "no usable user addresses";
}

impl fmt::Debug for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x} ({})", self.0, self.description().unwrap_or("unknown"))
    }
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.description() {
            Some(description) => f.write_str(description),
            None => write!(f, "error cause 0x{:x}", self.0),
        }
    }
}

/// One error cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCause {
    /// What went wrong.
    pub code: CauseCode,
    /// Details whose form depends on the code; often empty.
    pub info: Bytes,
}

impl ErrorCause {
    /// A cause with its details.
    pub const fn new(code: CauseCode, info: Bytes) -> Self {
        Self { code, info }
    }

    /// A cause without details.
    pub const fn bare(code: CauseCode) -> Self {
        Self::new(code, Bytes::new())
    }

    /// "Unrecognized Parameter", with all of it (RFC 5354, 3.12.2).
    pub fn unrecognized_parameter(parameter: Bytes) -> Self {
        Self::new(CauseCode::UNRECOGNIZED_PARAMETER, parameter)
    }

    /// Causes in words, for people.
    pub fn list(causes: &[Self]) -> String {
        match causes {
            [] => "no cause was given".into(),
            causes => causes.iter().map(|cause| cause.code.to_string()).collect::<Vec<_>>().join(", "),
        }
    }

    /// "Inconsistent Pool Policy", with the policy that the pool has (RFC 5354, 3.12.6).
    pub fn inconsistent_policy(pool_policy: &Policy) -> Self {
        Self::with_item(CauseCode::INCONSISTENT_POLICY, |w| pool_policy.write(w))
    }

    /// "Inconsistent Transport Type", with a transport of the pool's kind (RFC 5354, 3.12.8).
    pub fn inconsistent_transport(pool_transport: &Transport) -> Self {
        Self::with_item(CauseCode::INCONSISTENT_TRANSPORT_TYPE, |w| pool_transport.write(w))
    }

    /// "Invalid Values", with the offending pool handle (RFC 5354, 3.12.4).
    pub fn invalid_pool_handle(handle: &PoolHandle) -> Self {
        Self::with_item(CauseCode::INVALID_VALUES, |w| {
            w.pool_handle(handle);
        })
    }

    /// "Invalid Values", with the offending element (RFC 5354, 3.12.4).
    pub fn invalid_element(element: &PoolElement) -> Self {
        Self::with_item(CauseCode::INVALID_VALUES, |w| element.write(w))
    }

    /// "Invalid Values", with the offending policy (RFC 5354, 3.12.4).
    pub fn invalid_policy(policy: &Policy) -> Self {
        Self::with_item(CauseCode::INVALID_VALUES, |w| policy.write(w))
    }

    /// "Invalid Values", with the offending transport (RFC 5354, 3.12.4).
    pub fn invalid_transport(transport: &Transport) -> Self {
        Self::with_item(CauseCode::INVALID_VALUES, |w| transport.write(w))
    }

    fn with_item(code: CauseCode, write: impl FnOnce(&mut Writer<'_>)) -> Self {
        // What the peer sent itself it understands.
        let format = Format { rare_transports: true, long_pool_handles: true, ..Format::default() };
        let mut writer = Writer::items(&format);
        write(&mut writer);
        // Details that do not fit in a parameter are left out: the code alone is still right.
        Self::new(code, writer.finish_items().unwrap_or_default())
    }

    pub(super) fn parse_all(value: &[u8]) -> Result<Vec<Self>, ParseError> {
        let mut reader = Reader::new(value);
        let mut causes = Vec::new();
        while let Some(tlv) = reader.tlv("error cause")? {
            causes.push(Self::new(CauseCode(tlv.kind), Bytes::copy_from_slice(tlv.value)));
        }
        Ok(causes)
    }

    /// Writes an Operation Error parameter with all `causes`.
    pub(super) fn write_all(causes: &[Self], writer: &mut Writer<'_>) {
        writer.param(ParamType::OPERATION_ERROR, |w| {
            for cause in causes {
                w.tlv(cause.code.0, |w| {
                    w.bytes(&cause.info);
                });
            }
        });
    }
}
