//! The parameters of ASCONF and ASCONF-ACK (RFC 5061, 4.2). Each request has a correlation id of
//! its sender's choice; the response names it.

use super::{Parameter, RawParameter};
use crate::wire::cause::Causes;
use crate::wire::read::{Reader, tail};
use crate::wire::tlv::Tlvs;
use bytes::Bytes;
use core::net::IpAddr;

/// Bytes of value in front of the address or the causes.
const CORRELATION_LEN: usize = 4;

/// A request about an address: add it, delete it, or make it the primary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRequest {
    /// The request's correlation id.
    pub correlation_id: u32,
    /// The address; unspecified stands for the packet's source (RFC 5061, 4.2.1 and 4.2.2).
    pub address: IpAddr,
}

impl AddressRequest {
    pub(super) fn read(value: &Bytes) -> Option<Self> {
        let correlation_id = Reader::new(value).u32()?;
        let address = Tlvs::new(tail(value, CORRELATION_LEN)).next()?.ok()?;
        let address = Parameter::parse(&RawParameter::from(address)).ok()?.as_address()?;
        Some(Self { correlation_id, address })
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.correlation_id.to_be_bytes());
        let start = out.len();
        Parameter::address(self.address).write(out, start);
    }
}

/// Error Cause Indication (RFC 5061, 4.2.3): a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseIndication {
    /// The request's correlation id.
    pub correlation_id: u32,
    /// Why.
    pub causes: Causes,
}

impl CauseIndication {
    pub(super) fn read(value: &Bytes) -> Option<Self> {
        let correlation_id = Reader::new(value).u32()?;
        Some(Self { correlation_id, causes: Causes(tail(value, CORRELATION_LEN)) })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.correlation_id.to_be_bytes());
        out.extend_from_slice(&self.causes.0);
    }
}
