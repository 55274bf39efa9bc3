//! ICMP messages of both versions (RFC 792, RFC 4443): reading and writing.

use std::net::IpAddr;

use etherparse::{IpNumber, checksum::Sum16BitWords};

use super::packet::{IPV6_HEADER, Packet};
use crate::driver::{Problem, icmp::problem};

/// Bytes of an ICMP message before what it carries.
const HEAD: usize = 8;
/// An error and its headers stay in what each host takes (RFC 1122, 3.2.2; RFC 4443, 2.4 c).
const QUOTE_V4: usize = 576 - 20 - HEAD;
const QUOTE_V6: usize = 1280 - IPV6_HEADER - HEAD;
/// Bytes of the fragment header of IPv6.
const FRAGMENT_HEADER: usize = 8;

/// Type and code of an error that a host sends, and what stands behind the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    kind: u8,
    code: u8,
    rest: u32,
}

impl Kind {
    /// Nobody listens on this port.
    pub(super) fn port_unreachable(v4: bool) -> Self {
        if v4 { Self { kind: 3, code: 3, rest: 0 } } else { Self { kind: 1, code: 4, rest: 0 } }
    }

    /// We have no such protocol; its number stands at `pointer`, which only IPv6 tells.
    pub(super) fn protocol_unreachable(v4: bool, pointer: usize) -> Self {
        match v4 {
            true => Self { kind: 3, code: 2, rest: 0 },
            false => Self::parameter_problem(1, u32::try_from(pointer).unwrap_or(u32::MAX)),
        }
    }

    /// Fragments did not come in time.
    pub(super) fn reassembly_timeout(v4: bool) -> Self {
        Self { kind: if v4 { 11 } else { 3 }, code: 1, rest: 0 }
    }

    /// A header of IPv6 is wrong.
    pub(super) fn parameter_problem(code: u8, pointer: u32) -> Self {
        Self { kind: 4, code, rest: pointer }
    }
}

/// What an ICMP message of ours carries, and to which protocol of IP it belongs.
pub(super) fn protocol(v4: bool) -> IpNumber {
    if v4 { IpNumber::ICMP } else { IpNumber::IPV6_ICMP }
}

/// An error about `packet`, from its destination to its source.
pub(super) fn error(source: IpAddr, destination: IpAddr, what: Kind, packet: &[u8]) -> Vec<u8> {
    let quote = if source.is_ipv4() { QUOTE_V4 } else { QUOTE_V6 };
    let mut message = vec![what.kind, what.code, 0, 0];
    message.extend_from_slice(&what.rest.to_be_bytes());
    message.extend_from_slice(&packet[..packet.len().min(quote)]);
    with_checksum(destination, source, message)
}

/// A message whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    v4: bool,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message that a packet carries; none if it is damaged.
    pub(super) fn read(packet: &Packet, bytes: &'a [u8]) -> Option<Self> {
        let bytes = &bytes[packet.payload.clone()];
        let intact = bytes.len() >= HEAD && checksum(packet.source, packet.destination, bytes) == [0, 0];
        intact.then_some(Self { v4: packet.source.is_ipv4(), bytes })
    }

    /// The answer to an echo request, with all of its data (RFC 1122, 3.2.2.6; RFC 4443, 4.2). `local` is
    /// the address that was asked.
    pub(super) fn echo_reply(&self, local: IpAddr, remote: IpAddr) -> Option<Vec<u8>> {
        let (request, reply) = if self.v4 { (8, 0) } else { (128, 129) };
        if self.bytes[..2] != [request, 0] {
            return None;
        }
        let mut message = self.bytes.to_vec();
        message[..4].copy_from_slice(&[reply, 0, 0, 0]);
        Some(with_checksum(local, remote, message))
    }

    /// Whether it is an error, which must never be answered by an error.
    pub(super) fn is_error(v4: bool, kind: u8) -> bool {
        if v4 { matches!(kind, 3..=5 | 11 | 12) } else { kind < 128 }
    }

    /// What an error says, and of which packet of ours that carried SCTP.
    pub(super) fn as_error(&self) -> Option<(Problem, Quoted<'a>)> {
        let (kind, code) = (self.bytes[0], self.bytes[1]);
        let is_error = if self.v4 { matches!(kind, 3 | 11 | 12) } else { matches!(kind, 1..=4) };
        let quoted = is_error.then(|| Quoted::read(&self.bytes[HEAD..]))??;
        let field = &self.bytes[4..HEAD];
        let mtu = match self.v4 {
            // RFC 1191, 4: the lower half.
            true => u32::from(u16::from_be_bytes([field[2], field[3]])),
            false => u32::from_be_bytes([field[0], field[1], field[2], field[3]]),
        };
        Some((problem(self.v4, kind, code, mtu as usize), quoted))
    }
}

/// The beginning of a packet that an error quotes, which carried SCTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// From the common header on.
    pub(super) sctp: &'a [u8],
}

impl<'a> Quoted<'a> {
    /// Reads as much as there is. Of fragments only the first has the common header.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::read_ipv4(bytes),
            6 => Self::read_ipv6(bytes),
            _ => None,
        }
    }

    fn read_ipv4(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<20>()?;
        let start = usize::from(header[0] & 0x0f) * 4;
        let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
        let is_ours = header[9] == IpNumber::SCTP.0 && offset == 0 && start >= header.len();
        is_ours.then_some(Self {
            source: IpAddr::from([header[12], header[13], header[14], header[15]]),
            destination: IpAddr::from([header[16], header[17], header[18], header[19]]),
            sctp: bytes.get(start..)?,
        })
    }

    fn read_ipv6(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<IPV6_HEADER>()?;
        let address = |at: usize| header.get(at..)?.first_chunk::<16>().copied().map(IpAddr::from);
        let (next, sctp) = match (header[6], rest.first_chunk::<FRAGMENT_HEADER>()) {
            // We send no other extension header.
            (44, Some(&[next, _, high, low, ..])) if u16::from_be_bytes([high, low]) & !7 == 0 => {
                (next, rest.get(FRAGMENT_HEADER..)?)
            }
            (next, _) => (next, rest),
        };
        let (source, destination) = (address(8)?, address(24)?);
        (next == IpNumber::SCTP.0).then_some(Self { source, destination, sctp })
    }
}

pub(super) fn with_checksum(source: IpAddr, destination: IpAddr, mut message: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(source, destination, &message);
    message[2..4].copy_from_slice(&checksum);
    message
}

/// The bytes of the checksum; zeros of a message that holds the right one. ICMPv6 covers the addresses
/// too (RFC 8200, 8.1).
fn checksum(source: IpAddr, destination: IpAddr, message: &[u8]) -> [u8; 2] {
    let sum = match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => Sum16BitWords::new()
            .add_16bytes(source.octets())
            .add_16bytes(destination.octets())
            .add_4bytes((message.len() as u32).to_be_bytes())
            .add_2bytes([0, IpNumber::IPV6_ICMP.0]),
        _ => Sum16BitWords::new(),
    };
    // The sum is in the machine's own byte order (RFC 1071, 2 B).
    sum.add_slice(message).ones_complement().to_ne_bytes()
}
