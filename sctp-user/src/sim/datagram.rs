//! What travels over the simulated network: IP datagrams without their header bytes.

use bytes::Bytes;
use core::net::IpAddr;
use sctp_core::net::Ecn;

/// A datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where it comes from; unspecified (`0.0.0.0`, `::`) when sent: the host puts in the address of
    /// the interface that it leaves by.
    pub source: IpAddr,
    /// Where it goes to; a multicast address reaches all who joined the group.
    pub destination: IpAddr,
    /// What it carries.
    pub protocol: Protocol,
    /// ECN field of the IP header.
    pub ecn: Ecn,
    /// Its sender cuts it into fragments of so many bytes, and routers may cut them further; else it is dropped where it
    /// does not fit (DF).
    pub fragment_to: Option<usize>,
    /// What follows the IP header, or the UDP header.
    pub payload: Bytes,
}

/// The protocol above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SCTP as such: protocol 132.
    Sctp,
    /// UDP: encapsulated SCTP, or announces of a registrar.
    Udp {
        /// Port of the sender.
        source_port: u16,
        /// Port that it is meant for.
        destination_port: u16,
    },
}

impl Datagram {
    /// Bytes on the wire: payload, UDP header if any, IP header without options.
    pub fn wire_len(&self) -> usize {
        let ip_header = if self.destination.is_ipv4() { 20 } else { 40 };
        let udp_header = if matches!(self.protocol, Protocol::Udp { .. }) { 8 } else { 0 };
        self.payload.len() + udp_header + ip_header
    }
}

/// What an ICMP message tells the sender of a datagram that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Why.
    pub reason: UnreachableReason,
    /// The datagram that it is about.
    pub datagram: Datagram,
}

/// Why a datagram could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreachableReason {
    /// A link is down, or nobody has that address.
    Host,
    /// It does not fit the next link and must not be fragmented.
    TooBig {
        /// Largest datagram that fits, IP header included.
        mtu: usize,
    },
}
