//! Parameters (RFC 5354, 3): their types, and the walk that sorts a message's parameters.

mod addresses;
mod pool_element;
mod transport;

use std::fmt;

use bytes::Bytes;

pub use addresses::Addresses;
pub use pool_element::{Life, PoolElement, PoolEntry, ServerInformation};
pub use transport::{Protocol, Transport, TransportUse};

use super::tlv::{Reader, Tlv};
use super::{ErrorCause, Format, ParseError, Policy};
use crate::{PeId, PoolHandle};

/// The type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamType(pub u16);

macro_rules! param_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)+) => {
        impl ParamType {
            $($(#[$doc])* pub const $name: Self = Self($code);)+
        }

        impl fmt::Debug for ParamType {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(stringify!($name)),)+
                    Self(unknown) => write!(f, "0x{unknown:04x}"),
                }
            }
        }
    };
}

param_types! {
    /// RFC 5354, 3.1.
    IPV4_ADDRESS = 0x1;
    /// RFC 5354, 3.2.
    IPV6_ADDRESS = 0x2;
    /// RFC 5354, 3.3.
    DCCP_TRANSPORT = 0x3;
    /// RFC 5354, 3.4.
    SCTP_TRANSPORT = 0x4;
    /// RFC 5354, 3.5.
    TCP_TRANSPORT = 0x5;
    /// RFC 5354, 3.6.
    UDP_TRANSPORT = 0x6;
    /// RFC 5354, 3.7.
    UDP_LITE_TRANSPORT = 0x7;
    /// RFC 5354, 3.8.
    POLICY = 0x8;
    /// RFC 5354, 3.9.
    POOL_HANDLE = 0x9;
    /// RFC 5354, 3.10.
    POOL_ELEMENT = 0xa;
    /// RFC 5354, 3.11.
    SERVER_INFORMATION = 0xb;
    /// RFC 5354, 3.12.
    OPERATION_ERROR = 0xc;
    /// RFC 5354, 3.13.
    COOKIE = 0xd;
    /// RFC 5354, 3.14.
    PE_ID = 0xe;
    /// RFC 5354, 3.15.
    PE_CHECKSUM = 0xf;
    /// RFC 5354, 3.16.
    OPAQUE_TRANSPORT = 0x10;
    /// Handle Resolution Option (asap-hropt draft, 2).
    HANDLE_RESOLUTION_OPTION = 0x803f;
}

impl ParamType {
    pub(super) fn is_transport(self) -> bool {
        matches!(
            self,
            Self::DCCP_TRANSPORT
                | Self::SCTP_TRANSPORT
                | Self::TCP_TRANSPORT
                | Self::UDP_TRANSPORT
                | Self::UDP_LITE_TRANSPORT
                | Self::OPAQUE_TRANSPORT
        )
    }
}

/// What the RFC says to do with a parameter of unknown type, by the two upper bits of the type (RFC 5354, 3).
fn skip_unknown(tlv: Tlv<'_>, unrecognized: &mut Vec<Bytes>) -> Result<(), ParseError> {
    match tlv.kind >> 14 {
        0b10 => {}
        0b11 => unrecognized.push(tlv.to_bytes()),
        0b01 => {
            return Err(ParseError::UnknownParameter { param: tlv.param(), reported: vec![tlv.to_bytes()] });
        }
        _ => return Err(ParseError::UnknownParameter { param: tlv.param(), reported: Vec::new() }),
    }
    Ok(())
}

/// The parameters of one message, sorted by type. What a message has no use for is ignored.
#[derive(Default)]
pub(super) struct Params {
    /// Pool handles, each with the elements that follow it.
    pools: Vec<PoolEntry>,
    pub(super) policy: Option<Policy>,
    pub(super) transports: Vec<Transport>,
    pub(super) servers: Vec<ServerInformation>,
    pub(super) errors: Vec<ErrorCause>,
    pub(super) cookie: Option<Bytes>,
    pub(super) pe_id: Option<PeId>,
    pub(super) checksum: Option<u16>,
    pub(super) items: Option<u32>,
    pub(super) unrecognized: Vec<Bytes>,
}

impl Params {
    pub(super) fn parse(mut reader: Reader<'_>, format: &Format) -> Result<Self, ParseError> {
        let mut params = Self::default();
        while let Some(tlv) = reader.tlv("parameter")? {
            if let Err(error) = params.add(tlv, format) {
                return Err(error.behind(params.unrecognized));
            }
        }
        Ok(params)
    }

    fn add(&mut self, tlv: Tlv<'_>, format: &Format) -> Result<(), ParseError> {
        let mut value = Reader::new(tlv.value);
        match tlv.param() {
            ParamType::POOL_HANDLE => self.pools.push(PoolEntry::new(PoolHandle::new(tlv.value))),
            ParamType::POOL_ELEMENT => {
                let element = PoolElement::parse(tlv, format, &mut self.unrecognized)?;
                let pool = self.pools.last_mut();
                pool.ok_or(ParseError::MissingParameter(ParamType::POOL_HANDLE))?.elements.push(element);
            }
            ParamType::POLICY => self.policy = Some(Policy::parse(tlv)?),
            ParamType::SERVER_INFORMATION => {
                self.servers.push(ServerInformation::parse(tlv, &mut self.unrecognized)?);
            }
            ParamType::OPERATION_ERROR => self.errors.extend(ErrorCause::parse_all(tlv.value)?),
            ParamType::COOKIE => self.cookie = Some(Bytes::copy_from_slice(tlv.value)),
            ParamType::PE_ID => self.pe_id = Some(PeId(value.u32("PE identifier")?)),
            ParamType::PE_CHECKSUM => self.checksum = Some(value.u16("PE checksum")?),
            ParamType::HANDLE_RESOLUTION_OPTION => self.items = Some(value.u32("items")?),
            transport if transport.is_transport() => {
                self.transports.push(Transport::parse(tlv, &mut self.unrecognized)?);
            }
            ParamType::IPV4_ADDRESS | ParamType::IPV6_ADDRESS => {}
            _ => skip_unknown(tlv, &mut self.unrecognized)?,
        }
        Ok(())
    }

    pub(super) fn pools(&mut self) -> Vec<PoolEntry> {
        std::mem::take(&mut self.pools)
    }

    /// The one pool that the message is about.
    pub(super) fn pool(&mut self) -> Result<PoolEntry, ParseError> {
        let missing = ParseError::MissingParameter(ParamType::POOL_HANDLE);
        self.pools().into_iter().next().ok_or(missing)
    }

    pub(super) fn pool_handle(&mut self) -> Result<PoolHandle, ParseError> {
        self.pool().map(|pool| pool.handle)
    }

    pub(super) fn pe_id(&self) -> Result<PeId, ParseError> {
        self.pe_id.ok_or(ParseError::MissingParameter(ParamType::PE_ID))
    }

    pub(super) fn cookie(&mut self) -> Result<Bytes, ParseError> {
        self.cookie.take().ok_or(ParseError::MissingParameter(ParamType::COOKIE))
    }
}

impl PoolEntry {
    /// The one element that the message is about.
    pub(super) fn single(self) -> Result<(PoolHandle, PoolElement), ParseError> {
        let missing = ParseError::MissingParameter(ParamType::POOL_ELEMENT);
        let element = self.elements.into_iter().next().ok_or(missing)?;
        Ok((self.handle, element))
    }
}
