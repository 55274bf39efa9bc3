//! What carries SCTP packets below the protocol: raw IP, UDP encapsulation, a TUN interface, memory.
//!
//! A [`Driver`] moves whole batches, so that the calls through the trait object cost nothing for
//! each packet. It never blocks: the runtime polls [`Driver::descriptors`] and calls again.
//! What goes wrong for one destination (no route, too big, ICMP) is a [`Report`], not an error:
//! the other associations of the stack go on.

use std::{io, net::IpAddr, ops::RangeInclusive, os::fd::BorrowedFd};

use bytes::Bytes;
use sctp_core::net::{Ecn, PathAddress};

pub mod layer;
pub mod mem;
pub mod raw;
pub mod route;
pub mod tun;
pub mod udp;

mod buffer;
mod header;
mod host;
mod icmp;
mod outbox;
pub(crate) mod pool;
pub(crate) mod sys;

pub use outbox::{Outbox, Sent};
pub use sctp_core::net::{IpMarks, Transmit};
pub use sys::option::{readable_bytes, unread_by_peer};
pub use sys::unix::{Heard, hear};

/// Ports that a driver without a broker picks for sockets that did not bind one (the range of Linux).
pub const EPHEMERAL_PORTS: RangeInclusive<u16> = 32768..=60999;

/// Carries SCTP packets of one stack.
pub trait Driver: Send {
    /// Sends what lies in `bytes`: the packets of the first transmit, then those of the next one.
    ///
    /// Never blocks: when the socket is full, [`Sent`] tells how far it came. A transmit that fails
    /// for its destination alone counts as sent and leaves a [`Report`]. Prefer [`Outbox::flush`].
    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent;

    /// Reads one batch, without blocking, and appends it to `inbox`. ICMP errors come in the same call.
    ///
    /// # Errors
    /// Only what ends the driver, such as a closed descriptor.
    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()>;

    /// What to poll: readable or in error (an ICMP message) means that [`Driver::receive`] has work,
    /// writable that [`Driver::send`] has room again. They stay the same as long as the driver lives.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// Packets that one [`Transmit`] should hold at most, so that they leave in one system call.
    fn max_segments(&self) -> usize;

    /// The largest IP packet, in bytes, that the first link towards the peer carries.
    fn mtu(&self, path: &PathAddress) -> usize;

    /// Bytes of each IP packet that are not SCTP: the IP header, and the UDP header if there is one.
    fn overhead(&self, remote: IpAddr) -> usize;

    /// Who finds damaged packets. Only a driver whose packets no middlebox sees as SCTP may say anything but
    /// [`ErrorDetection::Crc32c`] (RFC 9653, 3): never raw IP, UDP or TUN.
    fn error_detection(&self) -> ErrorDetection {
        ErrorDetection::Crc32c
    }

    /// Our addresses on which packets can arrive.
    fn local_addresses(&self) -> Vec<IpAddr>;

    /// Whether `address` is one of ours, also where it is not listed.
    fn is_ours(&self, address: IpAddr) -> bool {
        self.local_addresses().contains(&address)
    }

    /// Our address for packets to `remote`: by default what the host's routes say.
    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        route::route_to(None, remote).ok().map(|route| route.source)
    }

    /// Whether packets from one of `ours` can leave for `remote`, as far as is known.
    fn has_route(&self, _ours: &[IpAddr], _remote: IpAddr) -> bool {
        true
    }

    /// Reserves an SCTP port on these addresses; the unspecified one stands for all of ours of its family, none for all.
    ///
    /// # Errors
    /// [`LeaseError::Taken`] if another stack of this host has it.
    fn lease_port(&mut self, _port: u16, _addresses: &[IpAddr]) -> Result<(), LeaseError> {
        Ok(())
    }

    /// Gives back what [`Driver::lease_port`] reserved.
    fn release_port(&mut self, _port: u16, _addresses: &[IpAddr]) {}

    /// Reserves a block of ports for sockets that did not bind one. Each call may give another block.
    ///
    /// # Errors
    /// [`LeaseError::Exhausted`] if the other stacks of this host hold all blocks.
    fn lease_ephemeral_ports(&mut self) -> Result<RangeInclusive<u16>, LeaseError> {
        Ok(EPHEMERAL_PORTS)
    }

    /// The stack is closed: writes down what was kept for later.
    fn flush_records(&mut self) {}
}

/// Who finds damaged packets (RFC 9653 lets a lower layer do it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDetection {
    /// SCTP's own checksum, in each packet.
    Crc32c,
    /// The driver finds damage at least as well, or cannot damage packets: associations may agree to leave the checksum
    /// out.
    Driver,
}

/// One SCTP packet as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// From where it came, and to which of our addresses.
    pub path: PathAddress,
    /// The ECN field of its IP header.
    pub ecn: Ecn,
    /// The packet, from the SCTP common header on.
    pub datagram: Bytes,
}

/// What a call of [`Driver::receive`] found. The caller empties it; its room is used again.
#[derive(Debug, Default)]
pub struct Inbox {
    /// SCTP packets, in order of arrival for each path.
    pub packets: Vec<Received>,
    /// What happened to packets that we sent.
    pub reports: Vec<Report>,
    /// All of our addresses, if they have changed.
    pub addresses: Option<Vec<IpAddr>>,
}

impl Inbox {
    /// Nothing has come.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.reports.is_empty() && self.addresses.is_none()
    }
}

/// What became of a packet that we sent: an ICMP message, or a refusal of our own host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The path of the packet that failed. The local address may be missing.
    pub path: PathAddress,
    /// What happened.
    pub problem: Problem,
    /// The first bytes of the SCTP packet, common header first, as far as they came back (RFC 9260, 10
    /// wants ports and tag compared). Our own host's refusals have them too.
    pub quoted: Bytes,
}

/// Why a packet did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No route to the network.
    NetUnreachable,
    /// The network is there, the host is not.
    HostUnreachable,
    /// The host has no SCTP (RFC 9260, 10: treat as an ABORT when the tag fits).
    ProtocolUnreachable,
    /// Nobody listens on the peer's UDP encapsulation port.
    PortUnreachable,
    /// A filter on the way forbids it.
    Prohibited,
    /// Some link carries only IP packets of `mtu` bytes; 0 if it does not say.
    PacketTooBig {
        /// Bytes of the IP packet, headers included.
        mtu: usize,
    },
    /// Another ICMP message.
    Other {
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
    /// Our own host refused to send.
    SendFailed {
        /// The system's error number.
        errno: i32,
    },
}

/// Why a driver cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Raw sockets need a privilege.
    #[error("raw sockets need CAP_NET_RAW: run as root, or use UDP encapsulation (--udp)")]
    NeedsNetRaw,
    /// Making an interface needs a privilege.
    #[error("a TUN interface needs CAP_NET_ADMIN: run as root, or use UDP encapsulation (--udp)")]
    NeedsNetAdmin,
    /// The kernel would answer our packets with ABORT.
    #[error(
        "the kernel of this host speaks SCTP itself and would abort our associations: \
         use UDP encapsulation (--udp) or a TUN interface (--tun), or unload the kernel's module `sctp`"
    )]
    KernelHasSctp,
    /// Another stack has the encapsulation port.
    #[error(
        "UDP port {port} on {address} is taken: another SCTP stack (or another program) uses it; \
         use another address or another port"
    )]
    PortTaken {
        /// Our address.
        address: IpAddr,
        /// The UDP port.
        port: u16,
    },
    /// The address is not one of ours.
    #[error("{address} is not an address of this host: `ip address` lists those that are")]
    NotLocal {
        /// The address.
        address: IpAddr,
    },
    /// It means another host on each interface.
    #[error("{address} is a link-local address, which a stack cannot be reached by: name another one")]
    LinkLocal {
        /// The address.
        address: IpAddr,
    },
    /// A stack on a TUN interface is a host of its own.
    #[error("{address} belongs to this host already: a stack on a TUN interface needs an address of its own")]
    NotOurs {
        /// The address.
        address: IpAddr,
    },
    /// Two interfaces with the same network would take each other's packets.
    #[error(
        "the network of {address} is that of another interface, on which this host is {side}: \
         a stack on a TUN interface needs a network of its own"
    )]
    NetworkTaken {
        /// The stack's address.
        address: IpAddr,
        /// The address that the kernel would get there, and has already.
        side: IpAddr,
    },
    /// A driver without addresses reaches nobody.
    #[error("no local address: name one, or bring an interface up (`ip link set lo up` for loopback)")]
    NoAddress,
    /// A UDP driver has one socket for each address, so that sources are right.
    #[error("the wildcard {address} cannot be bound: name the local addresses one by one")]
    Wildcard {
        /// The wildcard address.
        address: IpAddr,
    },
    /// An address that no TUN interface can have.
    #[error(transparent)]
    TunAddress(#[from] tun::TunAddressError),
    /// The ports of this host cannot be shared.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Anything else of the system.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Another stack of this host has it.
    #[error("SCTP port {port} is taken by process {pid}: stop it, or use another port")]
    Taken {
        /// The port.
        port: u16,
        /// Who has it.
        pid: i32,
    },
    /// All ephemeral ports are out.
    #[error("the other SCTP stacks of this host hold all ephemeral ports")]
    Exhausted,
    /// One stack wants more ports than a kernel filter can name.
    #[error("this stack holds {0} separate ports or blocks, more than one raw socket can filter")]
    TooMany(usize),
    /// The stacks of this host cannot agree.
    #[error("cannot share the SCTP ports of this host with its other stacks: {0}")]
    Broker(String),
}
