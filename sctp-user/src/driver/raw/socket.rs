//! One raw socket of protocol 132, for one address family.

use std::{
    io::{self, ErrorKind, IoSliceMut},
    net::IpAddr,
    ops::Range,
};

use bytes::{Bytes, BytesMut};
use nix::sys::socket::{setsockopt, sockopt};
use sctp_core::net::{Ecn, PathAddress};
use smallvec::SmallVec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::filter;
use crate::driver::{
    OpenError, Received, Report,
    buffer::enlarge_receive_buffer,
    icmp::{self, is_icmp},
    pool::Pool,
    sys::{
        control::ecn_of,
        message::{self, BATCH, Incoming, Outgoing},
        option,
    },
};

/// The protocol number of SCTP in IP headers.
pub(crate) const IPPROTO_SCTP: i32 = 132;

/// Room for a packet of an Ethernet path.
const SMALL_SLOT: usize = 2048;
/// Room for any packet.
const LARGE_SLOT: usize = 65536;
/// Bytes of one receive buffer: a batch of small slots, or two large ones.
pub(crate) const BUFFER: usize = BATCH * SMALL_SLOT;
/// Buffers of one read of large packets.
const LARGE_BUFFERS: usize = 4;
/// After so many reads without a large packet the slots become small again.
const STAY_LARGE: u32 = 256;
/// How often one call is tried again after ICMP errors of other packets.
const RETRIES: usize = 8;

/// A raw socket that is not bound: the kernel would answer "protocol unreachable" for all packets to
/// our other addresses, and that aborts associations.
#[derive(Debug)]
pub(crate) struct RawSocket {
    pub(crate) socket: Socket,
    v4: bool,
    /// Reads left with large slots.
    large: u32,
    /// What small slots have no room for. Pages that are not used do not exist.
    spill: Vec<u8>,
    /// What came with the packets of a read; kept, because clearing it costs as much as a small read.
    incoming: Vec<Incoming>,
}

impl RawSocket {
    /// Opens a socket that receives nothing until [`RawSocket::set_filter`].
    pub(crate) fn open(v4: bool, receive_buffer: usize) -> Result<Self, OpenError> {
        let socket = open_deaf(v4)?;
        set_up(&socket, v4).map_err(OpenError::system("set up a raw socket"))?;
        enlarge_receive_buffer(&socket, receive_buffer);
        Ok(Self {
            socket,
            v4,
            large: 0,
            spill: vec![0; BATCH * LARGE_SLOT],
            incoming: vec![Incoming::NONE; BATCH],
        })
    }

    pub(crate) fn is_v4(&self) -> bool {
        self.v4
    }

    pub(crate) fn set_filter(&self, program: &[SockFilter]) -> io::Result<()> {
        self.socket.attach_filter(program)
    }

    /// Hands packets to the kernel and returns how many are gone, at least one. The first one may be
    /// lost: `refused` then gets the system's error number. `None` means that the socket is full.
    pub(crate) fn send(
        &self,
        packets: &[Outgoing<'_>],
        refused: &mut Option<i32>,
        report: &mut dyn FnMut(Report),
    ) -> Option<usize> {
        let mut retried = false;
        loop {
            let error = match message::send(&self.socket, packets) {
                Ok(count) => return Some(count.max(1)),
                Err(error) => error,
            };
            match error.raw_os_error() {
                Some(libc::EAGAIN) => return None,
                // The queue of the device is full: the packet is lost as if on the way.
                Some(libc::ENOBUFS) => return Some(1),
                // An ICMP error of an earlier packet, perhaps another stack's, fails one call.
                _ if is_icmp(&error) && !retried => {
                    retried = true;
                    icmp::drain(&self.socket, None, false, &mut *report);
                }
                errno => {
                    *refused = Some(errno.unwrap_or(0));
                    return Some(1);
                }
            }
        }
    }

    /// Reads one batch.
    pub(crate) fn receive(
        &mut self,
        pool: &mut Pool,
        deliver: &mut dyn FnMut(Received),
        report: &mut dyn FnMut(Report),
    ) -> io::Result<()> {
        let (slot, count) = if self.large > 0 { (LARGE_SLOT, LARGE_BUFFERS) } else { (SMALL_SLOT, 1) };
        let mut buffers: SmallVec<[BytesMut; LARGE_BUFFERS]> = (0..count).map(|_| pool.take()).collect();
        let mut incoming = std::mem::take(&mut self.incoming);
        let received = self.read(&mut buffers, slot, &mut incoming, report);
        let packets = &incoming[..*received.as_ref().unwrap_or(&0)];
        let longest = packets.iter().map(|packet| packet.len).max().unwrap_or(0);
        self.large = if longest > SMALL_SLOT { STAY_LARGE } else { self.large.saturating_sub(1) };
        let slots = BUFFER / slot;
        let mut first = 0;
        for buffer in buffers {
            let here = &packets[first.min(packets.len())..packets.len().min(first + slots)];
            if here.is_empty() {
                pool.put(buffer);
            } else {
                self.hand_over(pool, buffer, here, first, slot, deliver);
            }
            first += slots;
        }
        self.incoming = incoming;
        received.map(|_| ())
    }

    fn read(
        &mut self,
        buffers: &mut [BytesMut],
        slot: usize,
        incoming: &mut [Incoming],
        report: &mut dyn FnMut(Report),
    ) -> io::Result<usize> {
        let mut slots: SmallVec<[[IoSliceMut<'_>; 2]; BATCH]> = buffers
            .iter_mut()
            .flat_map(|buffer| buffer.chunks_exact_mut(slot))
            .zip(self.spill.chunks_exact_mut(LARGE_SLOT))
            .map(|(slot, spill)| [IoSliceMut::new(slot), IoSliceMut::new(spill)])
            .collect();
        for _ in 0..RETRIES {
            match message::receive(&self.socket, &mut slots, incoming) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    icmp::drain(&self.socket, None, false, &mut *report);
                    return Ok(0);
                }
                Err(error) if is_icmp(&error) => {
                    icmp::drain(&self.socket, None, false, &mut *report);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }

    /// Delivers the packets of one buffer. `first` is the number of its first slot.
    fn hand_over(
        &self,
        pool: &mut Pool,
        buffer: BytesMut,
        packets: &[Incoming],
        first: usize,
        slot: usize,
        deliver: &mut dyn FnMut(Received),
    ) {
        if packets.iter().any(|packet| packet.len > slot) {
            for (index, (packet, inside)) in packets.iter().zip(buffer.chunks_exact(slot)).enumerate() {
                let spill = &self.spill[(first + index) * LARGE_SLOT..][..packet.len.saturating_sub(slot)];
                self.deliver_spilled(packet, &inside[..packet.len.min(slot)], spill, deliver);
            }
            pool.put(buffer);
            return;
        }
        let mut spans: SmallVec<[Range<usize>; BATCH]> = SmallVec::new();
        let mut heads: SmallVec<[(PathAddress, Ecn); BATCH]> = SmallVec::new();
        for (index, packet) in packets.iter().enumerate() {
            let at = index * slot;
            if let Some((head, payload)) = self.read_head(packet, &buffer[at..at + packet.len]) {
                spans.push(at + payload.start..at + payload.end);
                heads.push(head);
            }
        }
        pool.deliver(buffer, &spans, |index, datagram| {
            let (path, ecn) = heads[index];
            deliver(Received { path, ecn, datagram });
        });
    }

    /// Puts a packet together that its slot had no room for.
    fn deliver_spilled(
        &self,
        packet: &Incoming,
        inside: &[u8],
        spill: &[u8],
        deliver: &mut dyn FnMut(Received),
    ) {
        let whole = Bytes::from([inside, spill].concat());
        if let Some(((path, ecn), payload)) = self.read_head(packet, &whole) {
            deliver(Received { path, ecn, datagram: whole.slice(payload) });
        }
    }

    /// Addresses and ECN of a packet, and where SCTP lies in it.
    fn read_head(&self, packet: &Incoming, bytes: &[u8]) -> Option<((PathAddress, Ecn), Range<usize>)> {
        let remote = packet.source?;
        let (local, ecn, payload) = if self.v4 {
            read_ipv4(bytes)?
        } else {
            let (local, ecn) = packet.destination();
            (local, ecn, 0..packet.len)
        };
        Some(((PathAddress { local, remote, remote_udp_port: 0 }, ecn), payload))
    }
}

/// A raw socket whose filter lets nothing through.
///
/// It has a use of its own. Linux answers "protocol unreachable" to each packet for which it finds no raw socket with
/// room, and the peer takes that as an ABORT (RFC 9260, 10, ICMP8): when the receive buffer overflows, a loss becomes the
/// end of the association. A socket that never holds a packet always has room, and the kernel asks its filter only after it
/// has counted the packet as delivered.
pub(crate) fn open_deaf(v4: bool) -> Result<Socket, OpenError> {
    let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket =
        Socket::new(domain, Type::RAW, Some(Protocol::from(IPPROTO_SCTP))).map_err(|source| match source
            .kind()
        {
            ErrorKind::PermissionDenied => OpenError::NeedsNetRaw,
            _ => OpenError::System { what: "open a raw socket", source },
        })?;
    deafen(&socket).map_err(OpenError::system("set up a raw socket"))?;
    Ok(socket)
}

/// Sets the filter; the packets that came before it are thrown away.
fn deafen(socket: &Socket) -> io::Result<()> {
    socket.attach_filter(&filter::nothing())?;
    socket.set_nonblocking(true)?;
    drain(socket);
    Ok(())
}

/// Options of the socket (RFC 8899, 4.5).
/// RFC 8899, 5.
fn set_up(socket: &Socket, v4: bool) -> io::Result<()> {
    // PROBE: never fragment, and do not let the kernel's own idea of the path MTU stop our search.
    if v4 {
        option::set_int(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
        // For the addresses of ICMP errors; packets bring their own IP header.
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        option::set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
        setsockopt(socket, sockopt::Ipv6DontFrag, &true)?;
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        socket.set_recv_tclass_v6(true)?;
    }
    Ok(())
}

fn drain(socket: &Socket) {
    // One byte is enough: the rest of a packet that is read in part goes with it.
    let mut byte = [std::mem::MaybeUninit::uninit()];
    while socket.recv_from(&mut byte).is_ok() {}
}

/// Destination, ECN field and payload of an IPv4 packet, as far as it lies in `bytes`.
fn read_ipv4(bytes: &[u8]) -> Option<(Option<IpAddr>, Ecn, Range<usize>)> {
    let header = bytes.first_chunk::<20>()?;
    let start = usize::from(header[0] & 0x0f) * 4;
    // With segmentation offload the length field may be 0: then all that came is the packet.
    let total = match u16::from_be_bytes([header[2], header[3]]) {
        0 => bytes.len(),
        total => usize::from(total).min(bytes.len()),
    };
    if start < header.len() || start > total {
        return None;
    }
    let destination = IpAddr::from([header[16], header[17], header[18], header[19]]);
    Some((Some(destination), ecn_of(header[1]), start..total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ipv4_header_is_cut_off_with_its_options() {
        let mut packet = vec![0; 40];
        packet[0] = 0x46;
        packet[1] = 0x03;
        packet[3] = 36;
        packet[16..20].copy_from_slice(&[10, 1, 2, 3]);
        let (destination, ecn, payload) = read_ipv4(&packet).unwrap();
        assert_eq!(destination, Some([10, 1, 2, 3].into()));
        assert_eq!(ecn, Ecn::CongestionExperienced);
        assert_eq!(payload, 24..36);
    }

    #[test]
    fn impossible_ipv4_headers_are_no_packets() {
        for (first, total) in [(0x44, 40), (0x4f, 40), (0x45, 19)] {
            let mut packet = vec![0; 40];
            packet[0] = first;
            packet[3] = total;
            assert_eq!(read_ipv4(&packet), None, "{first:#x} {total}");
        }
        assert_eq!(read_ipv4(&[0x45; 19]), None);
    }
}
