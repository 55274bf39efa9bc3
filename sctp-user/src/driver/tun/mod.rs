//! SCTP over IP on a TUN interface: the stack is a host with addresses of its own, and the kernel its router.
//!
//! What the kernel does for raw sockets is done here: IP headers, fragments, ICMP. So the stack works beside
//! a kernel that speaks SCTP itself, and shares no ports with other stacks. A TUN interface has no neighbours
//! to resolve: what is written to it is routed.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use bytes::BytesMut;
use etherparse::IpNumber;
use sctp_core::net::{Ecn, PathAddress};
use smallvec::SmallVec;

use super::{
    Driver, Inbox, OpenError, Problem, Received, Report, Sent, Transmit, header::Header, icmp::refusal,
    outbox::runs, pool::Pool, route,
};

mod host;
mod icmp;
mod interface;
mod netlink;
mod packet;
mod reassembly;

pub use interface::{TunAddress, TunAddressError};

use host::{Arrived, Host};
use interface::Interface;

/// The MTU of a TUN interface when nothing else is said: that of Ethernet.
const DEFAULT_MTU: usize = 1500;
/// The MTUs that an interface can have: IPv6 wants 1280 at least, IP packets end at 65,535.
const MTUS: std::ops::RangeInclusive<usize> = 1280..=65_535;
/// Bytes of one receive buffer, as far as one packet of the interface's MTU fits.
const BUFFER: usize = 64 << 10;

/// How to open a [`TunDriver`].
#[derive(Clone, Debug)]
pub struct TunConfig {
    /// Our addresses, none of which the kernel has.
    pub addresses: Vec<TunAddress>,
    /// The interface's name; empty lets the kernel pick one. `%d` in it becomes a number.
    pub name: String,
    /// Bytes of IP packet that the interface carries, from 1280 to 65,535.
    pub mtu: usize,
    /// Bytes of receive buffers that packets may hold before packets are copied instead.
    pub held: usize,
}

impl TunConfig {
    /// These addresses on an interface of any name, with the MTU of Ethernet.
    pub fn new(addresses: impl Into<Vec<TunAddress>>) -> Self {
        Self { addresses: addresses.into(), name: String::new(), mtu: DEFAULT_MTU, held: 4 << 20 }
    }
}

/// Carries SCTP over a TUN interface. The interface goes with it.
#[derive(Debug)]
pub struct TunDriver {
    interface: Interface,
    host: Host,
    pool: Pool,
    mtu: usize,
    /// The identification of the packet that is cut next.
    identification: u32,
}

impl TunDriver {
    /// Makes the interface, in the network namespace of this thread: it is up, the kernel routes our addresses
    /// to it, and has an address itself in each of our networks that has room ([`TunAddress::host_side`]).
    ///
    /// # Errors
    /// [`OpenError::NeedsNetAdmin`], [`OpenError::NoAddress`], [`OpenError::NotOurs`],
    /// [`OpenError::NetworkTaken`].
    pub fn open(config: &TunConfig) -> Result<Self, OpenError> {
        if config.addresses.is_empty() {
            return Err(OpenError::NoAddress);
        }
        if !MTUS.contains(&config.mtu) {
            let source = io::Error::new(ErrorKind::InvalidInput, "it has to be from 1280 to 65535");
            return Err(OpenError::System { what: "use this MTU", source });
        }
        let interface = Interface::open(&config.name, config.mtu, &config.addresses)?;
        let addresses = config.addresses.iter().map(TunAddress::address).collect();
        Ok(Self {
            interface,
            host: Host::new(addresses),
            pool: Pool::new(BUFFER.max(config.mtu), config.held),
            mtu: config.mtu,
            identification: rand::random(),
        })
    }

    /// The name of the interface.
    pub fn interface(&self) -> &str {
        self.interface.name()
    }

    /// Writes one packet, in fragments of at most `limit` bytes if it may be cut and is too long for that, for the
    /// interface, or for its path as a router said. False means that the interface has no room.
    fn write(&mut self, now: Instant, header: Header, payload: &[u8], limit: usize) -> io::Result<bool> {
        // A probe for a larger path MTU must try what a router once refused.
        let path_mtu =
            if header.may_fragment { self.host.path_mtu(now, header.destination) } else { self.mtu };
        let mtu = self.mtu.min(path_mtu).min(limit);
        self.identification = self.identification.wrapping_add(1);
        let mut pieces = header.pieces(payload.len(), mtu, self.identification).peekable();
        if pieces.peek().is_none() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        for (header, range) in pieces {
            match self.interface.write(&header, &payload[range]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                // The kernel has no memory: the packet is lost as if on the way.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends one packet of a transmit. False means that the interface has no room.
    fn send_packet(
        &mut self,
        now: Instant,
        transmit: &Transmit,
        packet: &[u8],
        reports: &mut Vec<Report>,
    ) -> bool {
        let path = &transmit.path;
        let local = path.local.or_else(|| self.host.source_for(path.remote));
        let source = local.filter(|local| {
            self.host.addresses().contains(local) && local.is_ipv4() == path.remote.is_ipv4()
        });
        let Some(source) = source else {
            reports.push(refusal(path, packet, libc::EADDRNOTAVAIL));
            return true;
        };
        let header = Header {
            source,
            destination: path.remote,
            protocol: IpNumber::SCTP,
            ecn: transmit.ecn,
            marks: transmit.marks,
            may_fragment: transmit.fragment_to.is_some(),
        };
        match self.write(now, header, packet, transmit.fragment_to.unwrap_or(usize::MAX)) {
            Ok(has_room) => has_room,
            Err(error) => {
                let mut report = refusal(path, packet, error.raw_os_error().unwrap_or(0));
                if let Problem::PacketTooBig { mtu } = &mut report.problem {
                    *mtu = self.mtu;
                }
                reports.push(report);
                true
            }
        }
    }

    /// Takes the packets of one buffer, each at the beginning of its slot.
    fn take(&mut self, now: Instant, buffer: BytesMut, packets: &[Range<usize>], inbox: &mut Inbox) {
        let mut spans: SmallVec<[Range<usize>; 64]> = SmallVec::new();
        let mut heads: SmallVec<[(PathAddress, Ecn); 64]> = SmallVec::new();
        for packet in packets {
            match self.host.receive(now, &buffer[packet.clone()]) {
                Arrived::Sctp(path, ecn, range) => {
                    spans.push(packet.start + range.start..packet.start + range.end);
                    heads.push((path, ecn));
                }
                // Those of the same buffer come behind it: the network may have done that as well.
                Arrived::Whole(received) => inbox.packets.push(received),
                Arrived::Report(report) => inbox.reports.push(report),
                Arrived::Nothing => {}
            }
        }
        self.pool.deliver(buffer, &spans, |index, datagram| {
            let (path, ecn) = heads[index];
            inbox.packets.push(Received { path, ecn, datagram });
        });
    }

    /// Sends what the host answered. What the interface has no room for is lost.
    fn answer(&mut self, now: Instant) {
        for (header, message) in std::mem::take(&mut self.host.answers) {
            if let Err(error) = self.write(now, header, &message, usize::MAX) {
                tracing::debug!(%error, "an ICMP message was not sent");
            }
        }
    }
}

impl Driver for TunDriver {
    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        let (mut sent, now) = (Sent::default(), Instant::now());
        for (transmit, run) in runs(batch, bytes) {
            for packet in run.chunks(transmit.segment_size.max(1)) {
                if !self.send_packet(now, transmit, packet, reports) {
                    return sent;
                }
                sent.segments += 1;
            }
            sent = Sent { transmits: sent.transmits + 1, segments: 0 };
        }
        sent
    }

    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        let now = Instant::now();
        self.host.expire(now);
        let mut buffer = self.pool.take();
        let mut packets: SmallVec<[Range<usize>; 64]> = SmallVec::new();
        let mut at = 0;
        while at + self.mtu <= buffer.len() {
            match self.interface.read(&mut buffer[at..at + self.mtu]) {
                Ok(len) => {
                    packets.push(at..at + len);
                    at += len;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if packets.is_empty() {
            self.pool.put(buffer);
        } else {
            self.take(now, buffer, &packets, inbox);
        }
        self.answer(now);
        Ok(())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.interface.as_fd()]
    }

    fn max_segments(&self) -> usize {
        64
    }

    fn mtu(&self, _path: &PathAddress) -> usize {
        self.mtu
    }

    fn overhead(&self, remote: IpAddr) -> usize {
        route::ip_header(remote)
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        self.host.addresses().to_vec()
    }

    fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.host.source_for(remote)
    }
}
