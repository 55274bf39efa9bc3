//! ASAP and ENRP on the wire: RFC 5352, 5353, 5354 and 5356, and the dialect that RSPLIB speaks.
//!
//! A message is an 8-bit type, 8 flags, a 16-bit length and a list of parameters (type, length, value, padded to
//! four bytes). [`AsapMessage`] and [`EnrpMessage`] are whole messages; [`Policy`], [`PoolElement`], [`Transport`]…
//! are what their parameters hold.
//!
//! Parsers are total and accept the RFCs' form and RSPLIB's form of every message. Writers send the form that both
//! understand; where there is none, RSPLIB's, because that is what is deployed:
//!
//! - the message length counts the padding of the last parameter (RFC 5354, 4 says it should not);
//! - the registration life counts milliseconds, not seconds ([`LifeUnit`] chooses);
//! - an Endpoint Keep-Alive may name its element.
//!
//! Parameters that we do not know are treated by the two upper bits of their type (RFC 5354, 3), see [`ParseError`]
//! and [`Parsed::unrecognized`].

mod asap;
mod cause;
mod enrp;
mod error;
mod param;
mod policy;
mod stream;
mod tlv;

pub use asap::AsapMessage;
pub use cause::{CauseCode, ErrorCause};
pub use enrp::{EnrpBody, EnrpMessage, UpdateAction};
pub use error::{EncodeError, ParseError};
pub use param::{
    Addresses, Life, ParamType, PoolElement, PoolEntry, Protocol, ServerInformation, Transport, TransportUse,
};
pub use policy::{Policy, PolicyField, PolicyType};
pub use stream::{MessageStream, StreamError, to_stream};

use bytes::Bytes;

/// SCTP payload protocol identifier of ASAP (RFC 5352, 8.3).
pub const ASAP_PPID: u32 = 11;
/// SCTP payload protocol identifier of ENRP (RFC 5353, 6.3).
pub const ENRP_PPID: u32 = 12;
/// Port of a registrar's ASAP side, SCTP, TCP and UDP (RFC 5352, 8.2).
pub const ASAP_PORT: u16 = 3863;
/// Port of a registrar's ENRP side (RFC 5353, 6.2).
pub const ENRP_PORT: u16 = 9901;

/// What peers must agree on beforehand because the wire does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Format {
    /// The unit of a registration life.
    pub life_unit: LifeUnit,
    /// Send pool handles of more than [`PoolHandle::MAX_INTEROPERABLE_LEN`](crate::PoolHandle) bytes, and let elements register with
    /// them: RSPLIB aborts when it meets one, so only set this where no RSPLIB listens.
    pub long_pool_handles: bool,
    /// Send, and let elements register, DCCP, UDP-Lite and opaque transports: RSPLIB cannot parse them, so only set this
    /// where no RSPLIB listens.
    pub rare_transports: bool,
}

impl Format {
    /// Whether transports of this protocol are sent.
    pub(crate) fn allows(&self, protocol: &Protocol) -> bool {
        self.rare_transports || !protocol.is_rare()
    }
}

/// The unit of a registration life on the wire. It cannot be told from the value, so it is never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LifeUnit {
    /// Unsigned milliseconds, 0xffffffff is infinite: RSPLIB and Wireshark.
    #[default]
    Milliseconds,
    /// Signed seconds, -1 is infinite: RFC 5354, 3.10 to the letter.
    Seconds,
}

/// A parsed message, and the parameters in it that we skipped but must report to the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<M> {
    /// The message.
    pub message: M,
    /// Whole parameters of unknown types whose upper bits are 11 (RFC 5354, 3): each goes back in an "Unrecognized
    /// Parameter" cause.
    pub unrecognized: Vec<Bytes>,
}

#[cfg(test)]
mod tests;
