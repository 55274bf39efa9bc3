//! What the core knows of the network below it: addresses and the ECN field.

use core::net::IpAddr;

/// The addresses of a packet below SCTP: where it leaves from and where it goes to.
///
/// On input `local` is the address that the packet was sent to. On output `None` leaves the
/// choice of the source address to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathAddress {
    /// Our address.
    pub local: Option<IpAddr>,
    /// The peer's address.
    pub remote: IpAddr,
    /// The peer's UDP port, where packets travel in UDP (RFC 6951); 0 where they do not.
    pub remote_udp_port: u16,
}

impl PathAddress {
    /// A path to `remote` over plain IP, from whichever address the host picks.
    pub const fn to(remote: IpAddr) -> Self {
        Self { local: None, remote, remote_udp_port: 0 }
    }
}

/// The ECN field of an IP header (RFC 3168, 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ecn {
    /// The sender's transport does not do ECN.
    #[default]
    NotCapable,
    /// ECN-capable, codepoint ECT(0).
    Ect0,
    /// ECN-capable, codepoint ECT(1).
    Ect1,
    /// A router saw congestion.
    CongestionExperienced,
}

/// A run of packets of one path that leaves in one call: all of `segment_size` bytes, but the
/// last one may be shorter. The bytes themselves lie in the buffer that the caller lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where they go.
    pub path: PathAddress,
    /// How to mark them.
    pub ecn: Ecn,
    /// They are larger than the path is known to carry, and IP is to cut them: into IP packets of at most so many bytes,
    /// which is what it is known to carry (RFC 9260, 6.9). `None`: they must not be fragmented, neither on the way nor here, so
    /// that the path MTU can be found (RFC 8899, 3, item 2).
    pub fragment_to: Option<usize>,
    /// Bytes of each packet but the last.
    pub segment_size: usize,
    /// Bytes of all packets together.
    pub len: usize,
}
