//! Transport parameters: where and how an endpoint is reached (RFC 5354, 3.1 to 3.7 and 3.16).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use super::{Addresses, ParamType, skip_unknown};
use crate::wire::ParseError;
use crate::wire::tlv::{Reader, Tlv, Writer};

/// What an SCTP transport carries (RFC 5354, 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TransportUse {
    /// The application's data only.
    #[default]
    DataOnly,
    /// Data, and the ASAP control channel of the session layer beside it.
    DataAndControl,
}

/// A transport protocol with what belongs to it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SCTP; the only one that may have a control channel, and several addresses.
    Sctp(TransportUse),
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite. RSPLIB cannot parse it.
    UdpLite,
    /// DCCP. RSPLIB cannot parse it.
    Dccp {
        /// The service code.
        service_code: u32,
    },
    /// Something that only the application understands (RFC 5354, 3.16); it has neither port nor addresses. RSPLIB
    /// cannot parse it.
    Opaque(Box<[u8]>),
}

impl Protocol {
    fn param(&self) -> ParamType {
        match self {
            Self::Sctp(_) => ParamType::SCTP_TRANSPORT,
            Self::Tcp => ParamType::TCP_TRANSPORT,
            Self::Udp => ParamType::UDP_TRANSPORT,
            Self::UdpLite => ParamType::UDP_LITE_TRANSPORT,
            Self::Dccp { .. } => ParamType::DCCP_TRANSPORT,
            Self::Opaque(_) => ParamType::OPAQUE_TRANSPORT,
        }
    }

    /// Whether RSPLIB cannot parse it.
    pub fn is_rare(&self) -> bool {
        matches!(self, Self::UdpLite | Self::Dccp { .. } | Self::Opaque(_))
    }

    /// Whether both are the same transport protocol, whatever they carry.
    pub fn same_kind(&self, other: &Self) -> bool {
        self.param() == other.param()
    }
}

/// A transport address: protocol, port and at least one IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// The addresses; RFC 5354 allows more than one for SCTP only.
    pub addresses: Addresses,
}

impl Transport {
    /// SCTP at these addresses.
    pub fn sctp(port: u16, addresses: impl IntoIterator<Item = IpAddr>, transport_use: TransportUse) -> Self {
        Self { protocol: Protocol::Sctp(transport_use), port, addresses: addresses.into_iter().collect() }
    }

    /// What an SCTP transport carries; every other protocol carries data only (RFC 5354, 3.3 to 3.7).
    pub fn transport_use(&self) -> TransportUse {
        match self.protocol {
            Protocol::Sctp(transport_use) => transport_use,
            _ => TransportUse::DataOnly,
        }
    }

    pub(in crate::wire) fn parse(tlv: Tlv<'_>, unrecognized: &mut Vec<Bytes>) -> Result<Self, ParseError> {
        let param = tlv.param();
        if param == ParamType::OPAQUE_TRANSPORT {
            let protocol = Protocol::Opaque(tlv.value.into());
            return Ok(Self { protocol, port: 0, addresses: Addresses::default() });
        }
        let mut reader = Reader::new(tlv.value);
        let port = reader.u16("port")?;
        let usage = reader.u16("transport use")?;
        let protocol = match param {
            ParamType::SCTP_TRANSPORT => Protocol::Sctp(match usage {
                0 => TransportUse::DataOnly,
                1 => TransportUse::DataAndControl,
                _ => return Err(tlv.invalid_value()),
            }),
            ParamType::TCP_TRANSPORT => Protocol::Tcp,
            ParamType::UDP_TRANSPORT => Protocol::Udp,
            ParamType::UDP_LITE_TRANSPORT => Protocol::UdpLite,
            ParamType::DCCP_TRANSPORT => Protocol::Dccp { service_code: reader.u32("service code")? },
            _ => return Err(tlv.invalid_value()),
        };
        let addresses = parse_addresses(reader, unrecognized)?;
        if addresses.is_empty() {
            return Err(tlv.invalid_value());
        }
        Ok(Self { protocol, port, addresses })
    }

    pub(in crate::wire) fn write(&self, writer: &mut Writer<'_>) {
        if !writer.format().allows(&self.protocol) {
            writer.rare_transport(self.protocol.param());
        }
        writer.param(self.protocol.param(), |w| {
            if let Protocol::Opaque(data) = &self.protocol {
                w.bytes(data);
                return;
            }
            w.u16(self.port).u16(self.transport_use() as u16);
            if let Protocol::Dccp { service_code } = self.protocol {
                w.u32(service_code);
            }
            for address in self.addresses.iter() {
                write_address(address, w);
            }
        });
    }
}

/// The addresses in a transport parameter.
fn parse_addresses(mut reader: Reader<'_>, unrecognized: &mut Vec<Bytes>) -> Result<Addresses, ParseError> {
    let items = std::iter::from_fn(|| reader.tlv("address").transpose());
    items.filter_map(|item| item.and_then(|item| parse_address(item, unrecognized)).transpose()).collect()
}

fn parse_address(tlv: Tlv<'_>, unrecognized: &mut Vec<Bytes>) -> Result<Option<IpAddr>, ParseError> {
    let mut value = Reader::new(tlv.value);
    let address = match tlv.param() {
        ParamType::IPV4_ADDRESS => Ipv4Addr::from(value.array::<4>("IPv4 address")?).into(),
        ParamType::IPV6_ADDRESS => Ipv6Addr::from(value.array::<16>("IPv6 address")?).into(),
        _ => return skip_unknown(tlv, unrecognized).map(|()| None),
    };
    if value.is_empty() { Ok(Some(address)) } else { Err(tlv.invalid_value()) }
}

fn write_address(address: &IpAddr, writer: &mut Writer<'_>) {
    match address {
        IpAddr::V4(v4) => writer.param(ParamType::IPV4_ADDRESS, |w| {
            w.bytes(&v4.octets());
        }),
        IpAddr::V6(v6) => writer.param(ParamType::IPV6_ADDRESS, |w| {
            w.bytes(&v6.octets());
        }),
    };
}
