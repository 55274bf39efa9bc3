//! The component status protocol (CSP): registrars, pool elements and pool users tell a monitor how they are, in one UDP datagram
//! each time. It is RSPLIB's, and in no RFC.
//!
//! A report is 288 bytes and 24 for each association, big-endian. Anybody can send one: what it says is not to be trusted, and its
//! texts are not to be shown as they are (see [`StatusReport::location`]).

use std::fmt;
use std::time::Duration;

use crate::{PeId, RegistrarId};

/// The UDP port of a monitor.
pub const CSP_PORT: u16 = 2960;
/// Associations in one report at most, so that it fits in a datagram.
pub const MAX_ASSOCIATIONS: usize = 2048;

const REPORT: u8 = 1;
const FINAL: u8 = 1;
const VERSION: u32 = 0x0200;
/// Bytes of a text on the wire, with the zero behind it.
const TEXT_LEN: usize = 128;
const FIXED_LEN: usize = 288;
const ASSOCIATION_LEN: usize = 24;
/// Stands for no workload.
const NO_WORKLOAD: u16 = 0xffff;
const FULL_WORKLOAD: u16 = 0xfffe;
const OBJECT_BITS: u32 = 56;

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// A registrar.
    Registrar,
    /// A pool element.
    PoolElement,
    /// A pool user.
    PoolUser,
    /// Something else.
    Other(u8),
}

impl Group {
    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Registrar,
            2 => Self::PoolElement,
            3 => Self::PoolUser,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Registrar => 1,
            Self::PoolElement => 2,
            Self::PoolUser => 3,
            Self::Other(other) => other,
        }
    }
}

/// Names a component: its group, and a number of 56 bits in the group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(u64);

impl ComponentId {
    /// The component of this number; its bits above the 56th are cut off. 0 is one that is not known by name.
    pub fn new(group: Group, object: u64) -> Self {
        let object = object & ((1 << OBJECT_BITS) - 1);
        Self(u64::from(group.number()) << OBJECT_BITS | object)
    }

    /// What it is.
    pub fn group(self) -> Group {
        Group::from_number((self.0 >> OBJECT_BITS) as u8)
    }

    /// Its number in its group.
    pub fn object(self) -> u64 {
        self.0 & ((1 << OBJECT_BITS) - 1)
    }
}

impl From<RegistrarId> for ComponentId {
    fn from(id: RegistrarId) -> Self {
        Self::new(Group::Registrar, id.0.into())
    }
}

impl From<PeId> for ComponentId {
    fn from(id: PeId) -> Self {
        Self::new(Group::PoolElement, id.0.into())
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.object();
        match self.group() {
            Group::Registrar => write!(f, "PR {object:#010x}"),
            Group::PoolElement => write!(f, "PE {object:#010x}"),
            Group::PoolUser => write!(f, "PU {object:#016x}"),
            Group::Other(group) => write!(f, "group {group} {object:#016x}"),
        }
    }
}

impl fmt::Debug for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How busy a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload(u16);

impl Workload {
    /// A fraction from 0 to 1; what is beyond is taken for 0 or 1.
    pub fn from_fraction(fraction: f64) -> Self {
        Self((fraction.clamp(0.0, 1.0) * f64::from(FULL_WORKLOAD)).round() as u16)
    }

    /// From 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(FULL_WORKLOAD)
    }
}

/// An association of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentAssociation {
    /// Who is at the other end.
    pub receiver: ComponentId,
    /// How long it has been up, to the microsecond; none if that is not known.
    pub duration: Option<Duration>,
    /// Of no known meaning.
    pub flags: u16,
    /// The IP protocol: 132 for SCTP.
    pub protocol: u16,
    /// The payload protocol.
    pub ppid: u32,
}

/// How a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// Whose report it is.
    pub sender: ComponentId,
    /// The component ends: it is the last report.
    pub is_final: bool,
    /// From the component's first report to this one, to the microsecond.
    pub age: Duration,
    /// The next report comes after so long: up to 71 minutes, to the microsecond.
    pub interval: Duration,
    /// Where it is. On the wire 127 bytes at most; what does not fit is cut off. From others it may hold anything, control characters
    /// too.
    pub location: String,
    /// What it says of itself; likewise.
    pub status: String,
    /// How busy it is, if it knows.
    pub workload: Option<Workload>,
    /// Its associations, of which the first [`MAX_ASSOCIATIONS`] are sent.
    pub associations: Vec<ComponentAssociation>,
}

/// Why bytes are no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// No report is so short.
    #[error("{length} bytes are too few for a report: it has {FIXED_LEN} at least")]
    Truncated {
        /// What has come, in bytes.
        length: usize,
    },
    /// Another message, or none of CSP.
    #[error("message type {message_type} is unknown: a report has {REPORT}")]
    UnknownType {
        /// The message type.
        message_type: u8,
    },
    /// Another version of the protocol.
    #[error("version {version:#06x} is unknown: {VERSION:#06x} is known")]
    UnknownVersion {
        /// The version.
        version: u32,
    },
    /// The lengths that it tells, and that it has, contradict each other.
    #[error("it says {told} bytes and {associations} associations, and has {length} bytes")]
    BadLength {
        /// The length that it tells, in bytes.
        told: usize,
        /// The associations that it tells.
        associations: usize,
        /// What has come, in bytes.
        length: usize,
    },
    /// More than fit in a datagram.
    #[error("{associations} associations are too many: {MAX_ASSOCIATIONS} are taken")]
    TooMany {
        /// The associations that it tells.
        associations: usize,
    },
}

impl StatusReport {
    /// Parses one datagram.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(datagram: &[u8]) -> Result<Self, ReportError> {
        let length = datagram.len();
        let (fixed, rest) =
            datagram.split_first_chunk::<FIXED_LEN>().ok_or(ReportError::Truncated { length })?;
        let mut fields = Fields { rest: fixed };
        let [message_type, flags, a, b] = fields.array();
        let told = usize::from(u16::from_be_bytes([a, b]));
        let version = fields.u32();
        if message_type != REPORT {
            return Err(ReportError::UnknownType { message_type });
        }
        if version != VERSION {
            return Err(ReportError::UnknownVersion { version });
        }
        let mut report = Self {
            sender: ComponentId(fields.u64()),
            is_final: flags & FINAL != 0,
            age: Duration::from_micros(fields.u64()),
            interval: Duration::from_micros(fields.u32().into()),
            location: fields.text(),
            status: fields.text(),
            workload: Some(fields.u16()).filter(|load| *load != NO_WORKLOAD).map(Workload),
            associations: Vec::new(),
        };
        let associations = usize::from(fields.u16());
        if associations > MAX_ASSOCIATIONS {
            return Err(ReportError::TooMany { associations });
        }
        if told != length || rest.len() != associations * ASSOCIATION_LEN {
            return Err(ReportError::BadLength { told, associations, length });
        }
        report.associations = rest.chunks_exact(ASSOCIATION_LEN).map(ComponentAssociation::parse).collect();
        Ok(report)
    }

    /// The datagram to send.
    pub fn encode(&self) -> Vec<u8> {
        let associations = self.associations.get(..MAX_ASSOCIATIONS).unwrap_or(&self.associations);
        let length = FIXED_LEN + associations.len() * ASSOCIATION_LEN;
        let mut datagram = Vec::with_capacity(length);
        datagram.extend([REPORT, u8::from(self.is_final) * FINAL]);
        datagram.extend((length as u16).to_be_bytes());
        datagram.extend(VERSION.to_be_bytes());
        datagram.extend(self.sender.0.to_be_bytes());
        datagram.extend(micros(self.age).to_be_bytes());
        let interval = u32::try_from(self.interval.as_micros()).unwrap_or(u32::MAX);
        datagram.extend(interval.to_be_bytes());
        write_text(&mut datagram, &self.location);
        write_text(&mut datagram, &self.status);
        datagram.extend(self.workload.map_or(NO_WORKLOAD, |workload| workload.0).to_be_bytes());
        datagram.extend((associations.len() as u16).to_be_bytes());
        associations.iter().for_each(|association| association.write(&mut datagram));
        datagram
    }
}

/// Stands for an unknown time on the wire.
const UNKNOWN_DURATION: u64 = u64::MAX;

impl ComponentAssociation {
    fn parse(bytes: &[u8]) -> Self {
        let mut fields = Fields { rest: bytes };
        Self {
            receiver: ComponentId(fields.u64()),
            duration: Some(fields.u64())
                .filter(|micros| *micros != UNKNOWN_DURATION)
                .map(Duration::from_micros),
            flags: fields.u16(),
            protocol: fields.u16(),
            ppid: fields.u32(),
        }
    }

    fn write(&self, datagram: &mut Vec<u8>) {
        datagram.extend(self.receiver.0.to_be_bytes());
        datagram.extend(self.duration.map_or(UNKNOWN_DURATION, micros).to_be_bytes());
        datagram.extend(self.flags.to_be_bytes());
        datagram.extend(self.protocol.to_be_bytes());
        datagram.extend(self.ppid.to_be_bytes());
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(UNKNOWN_DURATION)
}

/// Zeros follow, one at least, since RSPLIB takes a text for a string of C.
fn write_text(datagram: &mut Vec<u8>, text: &str) {
    let end = datagram.len() + TEXT_LEN;
    let fits = text.floor_char_boundary(TEXT_LEN - 1);
    // A text of C ends at its first zero.
    datagram.extend(text[..fits].bytes().take_while(|byte| *byte != 0));
    datagram.resize(end, 0);
}

/// Fields one after the other, of bytes that were counted before: what is missing all the same reads as zeros.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.rest.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.rest = rest;
        *taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    fn text(&mut self) -> String {
        let bytes: [u8; TEXT_LEN] = self.array();
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

#[cfg(test)]
mod tests;
