//! Parameters: the optional, variable part of INIT, HEARTBEAT, RE-CONFIG and ASCONF
//! (RFC 9260, 3.2.1 and 3.3.2.1).
//!
//! ```text
//! +-------------------------------+-------------------------------+
//! |             type              |  length, with these 4 bytes   |
//! +-------------------------------+-------------------------------+
//! |                  value, padded to four bytes                  |
//! ```

mod asconf;
mod re_config;
mod typed;

#[cfg(test)]
mod tests;

pub use asconf::{AddressRequest, CauseIndication};
pub use re_config::{AddStreams, IncomingReset, OutgoingReset, ReconfigResponse, StreamList};
pub use typed::{Parameter, ParameterError};

use super::codes::{UnrecognizedAction, codes};
use super::tlv::{self, Tlv, TlvLengthError, Tlvs};
use bytes::Bytes;
use core::fmt;

/// A parameter whose length cannot be right.
pub type ParameterLengthError = TlvLengthError;

codes! {
    /// A parameter type (RFC 9260, 3.2.1).
    ParameterType(u16), unnamed "PARAMETER";
    /// Heartbeat Info (RFC 9260, 3.3.5).
    HEARTBEAT_INFO = 1, "HEARTBEAT_INFO";
    /// IPv4 Address (RFC 9260, 3.3.2.1.1).
    IPV4_ADDRESS = 5, "IPV4_ADDRESS";
    /// IPv6 Address (RFC 9260, 3.3.2.1.2).
    IPV6_ADDRESS = 6, "IPV6_ADDRESS";
    /// State Cookie (RFC 9260, 3.3.3.1.1).
    STATE_COOKIE = 7, "STATE_COOKIE";
    /// Unrecognized Parameter (RFC 9260, 3.3.3.1.2).
    UNRECOGNIZED_PARAMETER = 8, "UNRECOGNIZED_PARAMETER";
    /// Cookie Preservative (RFC 9260, 3.3.2.1.3).
    COOKIE_PRESERVATIVE = 9, "COOKIE_PRESERVATIVE";
    /// Host Name Address, which nobody may send any more (RFC 9260, 3.3.2.1.4).
    HOST_NAME_ADDRESS = 11, "HOST_NAME_ADDRESS";
    /// Supported Address Types (RFC 9260, 3.3.2.1.5).
    SUPPORTED_ADDRESS_TYPES = 12, "SUPPORTED_ADDRESS_TYPES";
    /// Outgoing SSN Reset Request (RFC 6525, 4.1).
    OUTGOING_SSN_RESET_REQUEST = 13, "OUTGOING_SSN_RESET_REQUEST";
    /// Incoming SSN Reset Request (RFC 6525, 4.2).
    INCOMING_SSN_RESET_REQUEST = 14, "INCOMING_SSN_RESET_REQUEST";
    /// SSN/TSN Reset Request (RFC 6525, 4.3).
    SSN_TSN_RESET_REQUEST = 15, "SSN_TSN_RESET_REQUEST";
    /// Re-configuration Response (RFC 6525, 4.4).
    RECONFIG_RESPONSE = 16, "RECONFIG_RESPONSE";
    /// Add Outgoing Streams Request (RFC 6525, 4.5).
    ADD_OUTGOING_STREAMS_REQUEST = 17, "ADD_OUTGOING_STREAMS_REQUEST";
    /// Add Incoming Streams Request (RFC 6525, 4.6).
    ADD_INCOMING_STREAMS_REQUEST = 18, "ADD_INCOMING_STREAMS_REQUEST";
    /// ECN Capable (RFC 4960, Appendix A).
    ECN_CAPABLE = 0x8000, "ECN_CAPABLE";
    /// Zero Checksum Acceptable (RFC 9653, 4).
    ZERO_CHECKSUM_ACCEPTABLE = 0x8001, "ZERO_CHECKSUM_ACCEPTABLE";
    /// Random (RFC 4895, 3.1).
    RANDOM = 0x8002, "RANDOM";
    /// Chunk List (RFC 4895, 3.2).
    CHUNK_LIST = 0x8003, "CHUNK_LIST";
    /// Requested HMAC Algorithm (RFC 4895, 3.3).
    REQUESTED_HMAC_ALGORITHM = 0x8004, "REQUESTED_HMAC_ALGORITHM";
    /// Padding (RFC 4820, 4).
    PAD = 0x8005, "PAD";
    /// Supported Extensions (RFC 5061, 4.2.7).
    SUPPORTED_EXTENSIONS = 0x8008, "SUPPORTED_EXTENSIONS";
    /// Forward TSN Supported (RFC 3758, 3.1).
    FORWARD_TSN_SUPPORTED = 0xc000, "FORWARD_TSN_SUPPORTED";
    /// Add IP Address (RFC 5061, 4.2.1).
    ADD_IP_ADDRESS = 0xc001, "ADD_IP_ADDRESS";
    /// Delete IP Address (RFC 5061, 4.2.2).
    DELETE_IP_ADDRESS = 0xc002, "DELETE_IP_ADDRESS";
    /// Error Cause Indication (RFC 5061, 4.2.3).
    ERROR_CAUSE_INDICATION = 0xc003, "ERROR_CAUSE_INDICATION";
    /// Set Primary Address (RFC 5061, 4.2.4).
    SET_PRIMARY_ADDRESS = 0xc004, "SET_PRIMARY_ADDRESS";
    /// Success Indication (RFC 5061, 4.2.5).
    SUCCESS_INDICATION = 0xc005, "SUCCESS_INDICATION";
    /// Adaptation Layer Indication (RFC 5061, 4.2.6).
    ADAPTATION_LAYER_INDICATION = 0xc006, "ADAPTATION_LAYER_INDICATION";
}

impl ParameterType {
    /// What a receiver that does not know this type does with it.
    pub const fn unrecognized_action(self) -> UnrecognizedAction {
        UnrecognizedAction::from_upper_bits((self.0 >> 14) as u8)
    }
}

/// A parameter as it lies in the chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawParameter {
    /// The type.
    pub param_type: ParameterType,
    /// The value, without header and padding.
    pub value: Bytes,
    /// Header and value without padding, to echo it in a report.
    pub whole: Bytes,
}

impl From<Tlv> for RawParameter {
    fn from(tlv: Tlv) -> Self {
        Self { param_type: ParameterType(tlv.code), value: tlv.value, whole: tlv.whole }
    }
}

/// A row of parameters, walked lazily.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(pub Bytes);

impl Parameters {
    /// Walks the parameters. The last one may lack its padding; the walk ends after an error.
    pub fn iter(&self) -> impl Iterator<Item = Result<RawParameter, ParameterLengthError>> + use<> {
        Tlvs::new(self.0.clone()).map(|item| item.map(RawParameter::from))
    }

    /// The first parameter of this type before any that is malformed.
    pub fn find(&self, param_type: ParameterType) -> Option<RawParameter> {
        self.iter().map_while(Result::ok).find(|parameter| parameter.param_type == param_type)
    }
}

impl FromIterator<Parameter> for Parameters {
    fn from_iter<I: IntoIterator<Item = Parameter>>(parameters: I) -> Self {
        let mut builder = ParametersBuilder::new();
        parameters.into_iter().for_each(|parameter| _ = builder.push(&parameter));
        builder.finish()
    }
}

/// Writes a row of parameters, each padded but the last (RFC 9260, 3.2).
#[derive(Clone, Debug, Default)]
pub struct ParametersBuilder {
    bytes: Vec<u8>,
}

impl ParametersBuilder {
    /// Starts an empty row.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a parameter.
    /// RFC 9260, 3.2.1.
    pub fn push(&mut self, parameter: &Parameter) -> &mut Self {
        parameter.write(&mut self.bytes, 0);
        self
    }

    /// Appends a parameter of any type.
    pub fn push_value(&mut self, param_type: ParameterType, value: &[u8]) -> &mut Self {
        tlv::append(&mut self.bytes, 0, param_type.0, |out| out.extend_from_slice(value));
        self
    }

    /// The row.
    pub fn finish(self) -> Parameters {
        Parameters(Bytes::from(self.bytes))
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|item| match item.map(|raw| Parameter::parse(&raw)) {
            Ok(Ok(parameter)) => write!(f, " {parameter}"),
            Ok(Err(error)) => write!(f, " [{error}]"),
            Err(error) => write!(f, " [{error}]"),
        })
    }
}
