//! What the core knows of the network below it: addresses, and the fields of IP headers that it fills in.

use crate::config::AssociationConfig;
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

/// What the IP headers of packets say beside addresses and ECN field. Zero leaves a field to the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IpMarks {
    /// The traffic class without its ECN field: the DSCP is in the upper six bits (RFC 2474, 3), the lower two are 0.
    pub dscp: u8,
    /// TTL, or hop limit.
    pub hop_limit: u8,
    /// Flow label, 20 bits, of IPv6 packets only (RFC 8200, 6).
    pub flow_label: u32,
}

impl IpMarks {
    /// All is left to the host.
    pub const NONE: Self = Self { dscp: 0, hop_limit: 0, flow_label: 0 };
}

/// What the headers of one version of IP say where nothing was set for the path: the options of a socket at the levels of IP
/// and IPv6 (`IP_TOS`, `IP_TTL`; RFC 3542, 6.3 and 6.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IpDefaults {
    /// Type of service or traffic class; the two lowest bits do not count (RFC 3168, 5).
    pub traffic_class: u8,
    /// TTL or hop limit; 0: the host's.
    pub hop_limit: u8,
}

impl IpDefaults {
    /// Those for packets to `remote`.
    pub(crate) fn of(config: &AssociationConfig, remote: IpAddr) -> Self {
        if remote.is_ipv4() { config.ipv4 } else { config.ipv6 }
    }
}

/// A run of packets of one path that leaves in one call: all of `segment_size` bytes, but the
/// last one may be shorter. The bytes themselves lie in the buffer that the caller lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where they go.
    pub path: PathAddress,
    /// How to mark them.
    pub ecn: Ecn,
    /// What else their headers say.
    pub marks: IpMarks,
    /// They are larger than the path is known to carry, and IP is to cut them: into IP packets of at most so many bytes,
    /// which is what it is known to carry (RFC 9260, 6.9). `None`: they must not be fragmented, neither on the way nor here, so
    /// that the path MTU can be found (RFC 8899, 3, item 2).
    pub fragment_to: Option<usize>,
    /// Bytes of each packet but the last.
    pub segment_size: usize,
    /// Bytes of all packets together.
    pub len: usize,
}
