//! Any parameter with its value read.

use super::{
    AddStreams, AddressRequest, CauseIndication, IncomingReset, OutgoingReset, ParameterType, RawParameter,
    ReconfigResponse,
};
use crate::wire::chunk::ChunkType;
use crate::wire::read::Reader;
use crate::wire::tlv;
use bytes::Bytes;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smallvec::SmallVec;

/// A parameter whose value cannot be read as its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{param_type} parameter has a value of {value_len} bytes, which does not fit its type")]
pub struct ParameterError {
    /// The type.
    pub param_type: ParameterType,
    /// Bytes of value.
    pub value_len: usize,
}

/// A parameter of any type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parameter {
    /// Heartbeat Info: its sender's own affair.
    HeartbeatInfo(Bytes),
    /// IPv4 Address.
    Ipv4Address(Ipv4Addr),
    /// IPv6 Address.
    Ipv6Address(Ipv6Addr),
    /// State Cookie.
    StateCookie(Bytes),
    /// Unrecognized Parameter: the whole of one that the sender does not know.
    UnrecognizedParameter(Bytes),
    /// Cookie Preservative: how much longer the cookie should live, milliseconds.
    CookiePreservative(u32),
    /// Host Name Address; to be answered by an ABORT (RFC 9260, 5.1.2).
    HostNameAddress(Bytes),
    /// Supported Address Types.
    SupportedAddressTypes(SmallVec<[ParameterType; 4]>),
    /// Outgoing SSN Reset Request.
    OutgoingReset(OutgoingReset),
    /// Incoming SSN Reset Request.
    IncomingReset(IncomingReset),
    /// SSN/TSN Reset Request with its sequence number.
    SsnTsnReset(u32),
    /// Re-configuration Response.
    ReconfigResponse(ReconfigResponse),
    /// Add Outgoing Streams Request.
    AddOutgoingStreams(AddStreams),
    /// Add Incoming Streams Request.
    AddIncomingStreams(AddStreams),
    /// ECN Capable.
    EcnCapable,
    /// Zero Checksum Acceptable, with the error detection method's identifier.
    ZeroChecksumAcceptable(u32),
    /// Random: half of what the AUTH keys are made from.
    Random(Bytes),
    /// Chunk List: the chunk types that the sender wants to receive authenticated.
    ChunkList(SmallVec<[ChunkType; 8]>),
    /// Requested HMAC Algorithm: identifiers, the preferred one first.
    HmacAlgorithms(SmallVec<[u16; 4]>),
    /// Padding of so many bytes.
    Pad(usize),
    /// Supported Extensions: the chunk types that the sender understands.
    SupportedExtensions(SmallVec<[ChunkType; 8]>),
    /// Forward TSN Supported.
    ForwardTsnSupported,
    /// Add IP Address.
    AddAddress(AddressRequest),
    /// Delete IP Address.
    DeleteAddress(AddressRequest),
    /// Error Cause Indication.
    CauseIndication(CauseIndication),
    /// Set Primary Address.
    SetPrimaryAddress(AddressRequest),
    /// Success Indication, with the request's correlation id.
    SuccessIndication(u32),
    /// Adaptation Layer Indication: the upper layers' own affair.
    AdaptationLayerIndication(u32),
    /// A type that this codec does not know: see [`ParameterType::unrecognized_action`].
    Unknown {
        /// The type.
        param_type: ParameterType,
        /// The value.
        value: Bytes,
    },
}

impl Parameter {
    /// The address parameter for `address`.
    pub const fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4Address(address),
            IpAddr::V6(address) => Self::Ipv6Address(address),
        }
    }

    /// The address, if this is an address parameter.
    pub const fn as_address(&self) -> Option<IpAddr> {
        match self {
            Self::Ipv4Address(address) => Some(IpAddr::V4(*address)),
            Self::Ipv6Address(address) => Some(IpAddr::V6(*address)),
            _ => None,
        }
    }

    /// Reads a parameter as its type says.
    pub fn parse(raw: &RawParameter) -> Result<Self, ParameterError> {
        let error = ParameterError { param_type: raw.param_type, value_len: raw.value.len() };
        Self::read(raw).ok_or(error)
    }

    fn read(raw: &RawParameter) -> Option<Self> {
        let value = &raw.value;
        Some(match raw.param_type {
            ParameterType::HEARTBEAT_INFO => Self::HeartbeatInfo(value.clone()),
            ParameterType::IPV4_ADDRESS => Self::Ipv4Address(exact(value)?.into()),
            ParameterType::IPV6_ADDRESS => Self::Ipv6Address(exact(value)?.into()),
            ParameterType::STATE_COOKIE => Self::StateCookie(value.clone()),
            ParameterType::UNRECOGNIZED_PARAMETER => Self::UnrecognizedParameter(value.clone()),
            ParameterType::COOKIE_PRESERVATIVE => Self::CookiePreservative(number(value)?),
            ParameterType::HOST_NAME_ADDRESS => Self::HostNameAddress(value.clone()),
            ParameterType::SUPPORTED_ADDRESS_TYPES => {
                Self::SupportedAddressTypes(numbers(value)?.map(ParameterType).collect())
            }
            ParameterType::ECN_CAPABLE => Self::EcnCapable,
            ParameterType::ZERO_CHECKSUM_ACCEPTABLE => Self::ZeroChecksumAcceptable(number(value)?),
            ParameterType::RANDOM => Self::Random(value.clone()),
            ParameterType::CHUNK_LIST => Self::ChunkList(value.iter().copied().map(ChunkType).collect()),
            ParameterType::REQUESTED_HMAC_ALGORITHM => Self::HmacAlgorithms(numbers(value)?.collect()),
            ParameterType::PAD => Self::Pad(value.len()),
            ParameterType::SUPPORTED_EXTENSIONS => {
                Self::SupportedExtensions(value.iter().copied().map(ChunkType).collect())
            }
            ParameterType::FORWARD_TSN_SUPPORTED => Self::ForwardTsnSupported,
            ParameterType::ADAPTATION_LAYER_INDICATION => Self::AdaptationLayerIndication(number(value)?),
            _ => return Self::read_request(raw),
        })
    }

    /// The parameters of RE-CONFIG and ASCONF.
    fn read_request(raw: &RawParameter) -> Option<Self> {
        let value = &raw.value;
        Some(match raw.param_type {
            ParameterType::OUTGOING_SSN_RESET_REQUEST => Self::OutgoingReset(OutgoingReset::read(value)?),
            ParameterType::INCOMING_SSN_RESET_REQUEST => Self::IncomingReset(IncomingReset::read(value)?),
            ParameterType::SSN_TSN_RESET_REQUEST => Self::SsnTsnReset(number(value)?),
            ParameterType::RECONFIG_RESPONSE => Self::ReconfigResponse(ReconfigResponse::read(value)?),
            ParameterType::ADD_OUTGOING_STREAMS_REQUEST => Self::AddOutgoingStreams(AddStreams::read(value)?),
            ParameterType::ADD_INCOMING_STREAMS_REQUEST => Self::AddIncomingStreams(AddStreams::read(value)?),
            ParameterType::ADD_IP_ADDRESS => Self::AddAddress(AddressRequest::read(value)?),
            ParameterType::DELETE_IP_ADDRESS => Self::DeleteAddress(AddressRequest::read(value)?),
            ParameterType::SET_PRIMARY_ADDRESS => Self::SetPrimaryAddress(AddressRequest::read(value)?),
            ParameterType::ERROR_CAUSE_INDICATION => Self::CauseIndication(CauseIndication::read(value)?),
            ParameterType::SUCCESS_INDICATION => Self::SuccessIndication(number(value)?),
            param_type => Self::Unknown { param_type, value: value.clone() },
        })
    }

    /// The type.
    pub const fn param_type(&self) -> ParameterType {
        match self {
            Self::HeartbeatInfo(_) => ParameterType::HEARTBEAT_INFO,
            Self::Ipv4Address(_) => ParameterType::IPV4_ADDRESS,
            Self::Ipv6Address(_) => ParameterType::IPV6_ADDRESS,
            Self::StateCookie(_) => ParameterType::STATE_COOKIE,
            Self::UnrecognizedParameter(_) => ParameterType::UNRECOGNIZED_PARAMETER,
            Self::CookiePreservative(_) => ParameterType::COOKIE_PRESERVATIVE,
            Self::HostNameAddress(_) => ParameterType::HOST_NAME_ADDRESS,
            Self::SupportedAddressTypes(_) => ParameterType::SUPPORTED_ADDRESS_TYPES,
            Self::OutgoingReset(_) => ParameterType::OUTGOING_SSN_RESET_REQUEST,
            Self::IncomingReset(_) => ParameterType::INCOMING_SSN_RESET_REQUEST,
            Self::SsnTsnReset(_) => ParameterType::SSN_TSN_RESET_REQUEST,
            Self::ReconfigResponse(_) => ParameterType::RECONFIG_RESPONSE,
            Self::AddOutgoingStreams(_) => ParameterType::ADD_OUTGOING_STREAMS_REQUEST,
            Self::AddIncomingStreams(_) => ParameterType::ADD_INCOMING_STREAMS_REQUEST,
            Self::EcnCapable => ParameterType::ECN_CAPABLE,
            Self::ZeroChecksumAcceptable(_) => ParameterType::ZERO_CHECKSUM_ACCEPTABLE,
            Self::Random(_) => ParameterType::RANDOM,
            Self::ChunkList(_) => ParameterType::CHUNK_LIST,
            Self::HmacAlgorithms(_) => ParameterType::REQUESTED_HMAC_ALGORITHM,
            Self::Pad(_) => ParameterType::PAD,
            Self::SupportedExtensions(_) => ParameterType::SUPPORTED_EXTENSIONS,
            Self::ForwardTsnSupported => ParameterType::FORWARD_TSN_SUPPORTED,
            Self::AddAddress(_) => ParameterType::ADD_IP_ADDRESS,
            Self::DeleteAddress(_) => ParameterType::DELETE_IP_ADDRESS,
            Self::CauseIndication(_) => ParameterType::ERROR_CAUSE_INDICATION,
            Self::SetPrimaryAddress(_) => ParameterType::SET_PRIMARY_ADDRESS,
            Self::SuccessIndication(_) => ParameterType::SUCCESS_INDICATION,
            Self::AdaptationLayerIndication(_) => ParameterType::ADAPTATION_LAYER_INDICATION,
            Self::Unknown { param_type, .. } => *param_type,
        }
    }

    /// Appends the parameter to the row that starts at `start` in `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>, start: usize) {
        tlv::append(out, start, self.param_type().0, |out| self.write_value(out));
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ipv4Address(address) => out.extend_from_slice(&address.octets()),
            Self::Ipv6Address(address) => out.extend_from_slice(&address.octets()),
            Self::HeartbeatInfo(value)
            | Self::StateCookie(value)
            | Self::UnrecognizedParameter(value)
            | Self::HostNameAddress(value)
            | Self::Random(value)
            | Self::Unknown { value, .. } => out.extend_from_slice(value),
            Self::CookiePreservative(number)
            | Self::SsnTsnReset(number)
            | Self::ZeroChecksumAcceptable(number)
            | Self::SuccessIndication(number)
            | Self::AdaptationLayerIndication(number) => out.extend_from_slice(&number.to_be_bytes()),
            Self::SupportedAddressTypes(types) => {
                types.iter().for_each(|param_type| out.extend_from_slice(&param_type.0.to_be_bytes()));
            }
            Self::HmacAlgorithms(ids) => ids.iter().for_each(|id| out.extend_from_slice(&id.to_be_bytes())),
            Self::ChunkList(types) | Self::SupportedExtensions(types) => {
                out.extend(types.iter().map(|chunk_type| chunk_type.0));
            }
            Self::OutgoingReset(request) => request.write(out),
            Self::IncomingReset(request) => request.write(out),
            Self::ReconfigResponse(response) => response.write(out),
            Self::AddOutgoingStreams(request) | Self::AddIncomingStreams(request) => request.write(out),
            Self::AddAddress(request) | Self::DeleteAddress(request) | Self::SetPrimaryAddress(request) => {
                request.write(out);
            }
            Self::CauseIndication(indication) => indication.write(out),
            Self::Pad(len) => out.resize(out.len() + len, 0),
            Self::EcnCapable | Self::ForwardTsnSupported => {}
        }
    }
}

/// A value of exactly `N` bytes.
fn exact<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

/// A value that is one 32-bit number.
fn number(value: &[u8]) -> Option<u32> {
    exact(value).map(u32::from_be_bytes)
}

/// A value that is a list of 16-bit numbers.
fn numbers(value: &Bytes) -> Option<impl Iterator<Item = u16>> {
    let mut fields = Reader::new(value);
    value.len().is_multiple_of(2).then(|| core::iter::from_fn(move || fields.u16()))
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.param_type();
        match self {
            Self::Ipv4Address(address) => write!(f, "{name}={address}"),
            Self::Ipv6Address(address) => write!(f, "{name}={address}"),
            Self::HeartbeatInfo(value)
            | Self::StateCookie(value)
            | Self::UnrecognizedParameter(value)
            | Self::HostNameAddress(value)
            | Self::Random(value)
            | Self::Unknown { value, .. } => write!(f, "{name}={}_bytes", value.len()),
            Self::Pad(len) => write!(f, "{name}={len}_bytes"),
            Self::CookiePreservative(ms) => write!(f, "{name}={ms}ms"),
            Self::SsnTsnReset(number) | Self::SuccessIndication(number) => write!(f, "{name}#{number}"),
            Self::ZeroChecksumAcceptable(number) | Self::AdaptationLayerIndication(number) => {
                write!(f, "{name}={number}")
            }
            Self::SupportedAddressTypes(types) => write!(f, "{name}={types:?}"),
            Self::HmacAlgorithms(ids) => write!(f, "{name}={ids:?}"),
            Self::ChunkList(types) | Self::SupportedExtensions(types) => write!(f, "{name}={types:?}"),
            Self::OutgoingReset(request) => {
                let OutgoingReset { request_sequence, response_sequence, last_assigned_tsn, streams } =
                    request;
                write!(f, "{name}={streams:?}#{request_sequence} answers={response_sequence}")?;
                write!(f, " last_tsn={last_assigned_tsn}")
            }
            Self::IncomingReset(request) => {
                write!(f, "{name}={:?}#{}", request.streams, request.request_sequence)
            }
            Self::ReconfigResponse(response) => {
                write!(f, "{name}={}#{}", response.result, response.response_sequence)
            }
            Self::AddOutgoingStreams(request) | Self::AddIncomingStreams(request) => {
                write!(f, "{name}={}#{}", request.new_streams, request.request_sequence)
            }
            Self::AddAddress(request) | Self::DeleteAddress(request) | Self::SetPrimaryAddress(request) => {
                write!(f, "{name}={}#{}", request.address, request.correlation_id)
            }
            Self::CauseIndication(indication) => {
                write!(f, "{name}#{}{}", indication.correlation_id, indication.causes)
            }
            Self::EcnCapable | Self::ForwardTsnSupported => write!(f, "{name}"),
        }
    }
}
