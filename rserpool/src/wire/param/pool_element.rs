//! Pool Element and Server Information parameters (RFC 5354, 3.10 and 3.11).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::{ParamType, Transport, skip_unknown};
use crate::wire::tlv::{Reader, Tlv, Writer};
use crate::wire::{EncodeError, Format, LifeUnit, ParseError, Policy};
use crate::{PeId, PoolHandle, RegistrarId};

/// How long a registration is valid: milliseconds, or for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(u32);

impl Life {
    /// Valid until deregistration.
    pub const INFINITE: Self = Self(u32::MAX);

    /// Valid for `millis` milliseconds; the largest number is [`INFINITE`](Self::INFINITE).
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// How long, or none for ever.
    pub fn duration(self) -> Option<Duration> {
        (self != Self::INFINITE).then(|| Duration::from_millis(self.0.into()))
    }

    fn from_wire(value: u32, unit: LifeUnit) -> Self {
        match unit {
            LifeUnit::Milliseconds => Self(value),
            // RFC 5354, 3.10: signed; -1 is infinite, and nothing else below zero has a meaning.
            LifeUnit::Seconds if value > i32::MAX as u32 => Self::INFINITE,
            LifeUnit::Seconds => Self(value.saturating_mul(1000).min(u32::MAX - 1)),
        }
    }

    fn to_wire(self, unit: LifeUnit) -> u32 {
        match unit {
            LifeUnit::Seconds if self != Self::INFINITE => self.0.div_ceil(1000),
            _ => self.0,
        }
    }
}

impl From<Duration> for Life {
    /// The duration in milliseconds; what does not fit is the longest finite life (49 days).
    fn from(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX - 1).min(u32::MAX - 1))
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.duration() {
            Some(duration) => write!(f, "{duration:?}"),
            None => f.write_str("infinite"),
        }
    }
}

/// A pool element as the wire describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolElement {
    /// Its identifier in the pool.
    pub id: PeId,
    /// Its home registrar; [`RegistrarId::NONE`] in a registration.
    pub home: RegistrarId,
    /// How long this registration is valid.
    pub life: Life,
    /// Where it serves its users.
    pub user_transport: Transport,
    /// How to select it. A message may leave it out, which means Round Robin (RFC 5352, 2.2.6).
    pub policy: Policy,
    /// Where registrars reach its ASAP endpoint; its home fills it in (RFC 5352, 3.1 rule 4), for other registrars.
    pub asap_transport: Option<Transport>,
}

impl PoolElement {
    pub(super) fn parse(
        tlv: Tlv<'_>,
        format: &Format,
        unrecognized: &mut Vec<Bytes>,
    ) -> Result<Self, ParseError> {
        let mut reader = Reader::new(tlv.value);
        let id = PeId(reader.u32("PE identifier")?);
        let home = RegistrarId(reader.u32("home registrar")?);
        let life = Life::from_wire(reader.u32("registration life")?, format.life_unit);
        let mut policy = Policy::default();
        let mut transports = Vec::new();
        while let Some(item) = reader.tlv("pool element")? {
            match item.param() {
                ParamType::POLICY => policy = Policy::parse(item)?,
                transport if transport.is_transport() => {
                    transports.push(Transport::parse(item, unrecognized)?)
                }
                _ => skip_unknown(item, unrecognized)?,
            }
        }
        let mut transports = transports.into_iter();
        let user_transport = transports.next().ok_or_else(|| tlv.invalid_value())?;
        Ok(Self { id, home, life, user_transport, policy, asap_transport: transports.next() })
    }

    /// Bytes that it takes in a message, if it can be written.
    pub(crate) fn wire_len(&self, format: &Format) -> Result<usize, EncodeError> {
        let mut writer = Writer::items(format);
        self.write(&mut writer);
        writer.finish_items().map(|bytes| bytes.len())
    }

    pub(in crate::wire) fn write(&self, writer: &mut Writer<'_>) {
        writer.param(ParamType::POOL_ELEMENT, |w| {
            let life = self.life.to_wire(w.format().life_unit);
            w.u32(self.id.0).u32(self.home.0).u32(life);
            self.user_transport.write(w);
            self.policy.write(w);
            if let Some(asap) = &self.asap_transport {
                asap.write(w);
            }
        });
    }
}

/// A pool with some of its elements (RFC 5353, 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolEntry {
    /// The pool's name.
    pub handle: PoolHandle,
    /// Elements of it.
    pub elements: Vec<PoolElement>,
}

impl PoolEntry {
    /// Bytes that the name of a pool takes in a message, if it can be written.
    pub(crate) fn handle_len(handle: &PoolHandle, format: &Format) -> Result<usize, EncodeError> {
        let mut writer = Writer::items(format);
        writer.pool_handle(handle);
        writer.finish_items().map(|bytes| bytes.len())
    }

    pub(super) fn new(handle: PoolHandle) -> Self {
        Self { handle, elements: Vec::new() }
    }
}

/// A registrar and where its ENRP side is reached (RFC 5354, 3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInformation {
    /// The registrar.
    pub id: RegistrarId,
    /// Its ENRP endpoint.
    pub transport: Transport,
}

impl ServerInformation {
    pub(super) fn parse(tlv: Tlv<'_>, unrecognized: &mut Vec<Bytes>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(tlv.value);
        let id = RegistrarId(reader.u32("server identifier")?);
        let mut transport = None;
        while let Some(item) = reader.tlv("server information")? {
            if item.param().is_transport() {
                transport.get_or_insert(Transport::parse(item, unrecognized)?);
            } else {
                skip_unknown(item, unrecognized)?;
            }
        }
        let transport = transport.ok_or_else(|| tlv.invalid_value())?;
        Ok(Self { id, transport })
    }

    pub(in crate::wire) fn write(&self, writer: &mut Writer<'_>) {
        writer.param(ParamType::SERVER_INFORMATION, |w| {
            w.u32(self.id.0);
            self.transport.write(w);
        });
    }
}
