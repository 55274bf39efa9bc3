//! SCTP in UDP (RFC 6951): works without privileges and through NATs; segmentation offload makes it
//! the fastest way too.
//!
//! One socket for each local address, never the wildcard: so each packet leaves from the address of its
//! path, and two stacks share a host by taking an address each. Binding the port is the lease: the
//! second stack on the same address fails.

use std::{
    io::{self, ErrorKind, IoSliceMut},
    net::{IpAddr, SocketAddr},
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
};

use bytes::BytesMut;
use quinn_udp::{EcnCodepoint, RecvMeta, UdpSockRef, UdpSocketState};
use rustc_hash::FxHashMap;
use sctp_core::net::{Ecn, IpMarks, PathAddress};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Driver, Inbox, OpenError, Received, Report, Sent, Transmit,
    buffer::enlarge_receive_buffer,
    icmp::{self, is_icmp},
    outbox::runs,
    pool::Pool,
    route::{is_link_local, route_to},
    sys::{
        message::{self, Outgoing},
        option,
    },
};

/// The IANA port of SCTP in UDP (RFC 6951, 4).
pub const ENCAPSULATION_PORT: u16 = 9899;

/// A receive buffer holds what one GRO read can bring.
const BUFFER: usize = 65536;
/// Buffers for one read.
const BUFFERS: usize = 8;
/// UDP payload of one `sendmsg`, whatever the number of segments.
const LARGEST_RUN: usize = 65507;
/// Bytes of the UDP header.
const UDP_HEADER: usize = 8;
/// Routes remembered; a host with more peers asks the kernel again.
const ROUTES: usize = 1024;
/// How often one read is tried again after ICMP errors.
const RETRIES: usize = 8;

/// How to open a [`UdpDriver`].
#[derive(Clone, Debug)]
pub struct UdpConfig {
    /// Our addresses, each bound on its own.
    pub addresses: Vec<IpAddr>,
    /// Our encapsulation port; 0 lets the host pick one (then it must be told to the peer).
    pub port: u16,
    /// Bytes that the kernel shall hold for us, for each address.
    pub receive_buffer: usize,
    /// Bytes of receive buffers that packets may hold before packets are copied instead.
    pub held: usize,
}

impl UdpConfig {
    /// The standard port on the given addresses.
    pub fn new(addresses: impl Into<Vec<IpAddr>>) -> Self {
        Self { addresses: addresses.into(), port: ENCAPSULATION_PORT, receive_buffer: 8 << 20, held: 4 << 20 }
    }
}

/// Carries SCTP in UDP.
#[derive(Debug)]
pub struct UdpDriver {
    ports: Vec<Port>,
    pool: Pool,
    /// Which of our sockets reaches a peer, where the path does not say.
    routes: FxHashMap<IpAddr, usize>,
}

/// One of our addresses.
#[derive(Debug)]
struct Port {
    socket: Socket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl UdpDriver {
    /// Binds the encapsulation port on each address.
    ///
    /// # Errors
    /// [`OpenError::PortTaken`] if another stack has it, [`OpenError::NotLocal`],
    /// [`OpenError::Wildcard`], [`OpenError::NoAddress`].
    pub fn open(config: &UdpConfig) -> Result<Self, OpenError> {
        if config.addresses.is_empty() {
            return Err(OpenError::NoAddress);
        }
        let mut ports = Vec::new();
        for &address in &config.addresses {
            // A port that the host picked for the first address is used on the others too.
            let port = ports.first().map_or(config.port, |first: &Port| first.local.port());
            ports.push(Port::open(SocketAddr::new(address, port), config.receive_buffer)?);
        }
        Ok(Self { ports, pool: Pool::new(BUFFER, config.held), routes: FxHashMap::default() })
    }

    /// The UDP port that the stack bound.
    pub fn port(&self) -> u16 {
        self.ports.first().map_or(0, |port| port.local.port())
    }

    fn port_for(&mut self, path: &PathAddress) -> Option<usize> {
        if let Some(local) = path.local {
            return self.ports.iter().position(|port| port.local.ip() == local);
        }
        if let Some(&index) = self.routes.get(&path.remote) {
            return Some(index);
        }
        let source = route_to(None, path.remote).ok().map(|route| route.source);
        let same_family = |port: &Port| port.local.is_ipv4() == path.remote.is_ipv4();
        let index = self
            .ports
            .iter()
            .position(|port| Some(port.local.ip()) == source)
            .or_else(|| self.ports.iter().position(same_family))?;
        if self.routes.len() >= ROUTES {
            self.routes.clear();
        }
        self.routes.insert(path.remote, index);
        Some(index)
    }
}

impl Driver for UdpDriver {
    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        let mut sent = Sent::default();
        for (transmit, run) in runs(batch, bytes) {
            let segments = match self.port_for(&transmit.path) {
                _ if !is_sendable(&transmit.path) => {
                    reports.push(icmp::refusal(&transmit.path, run, libc::EINVAL));
                    Ok(())
                }
                Some(index) => self.ports[index].send(transmit, run, reports),
                None => {
                    reports.push(icmp::refusal(&transmit.path, run, libc::EADDRNOTAVAIL));
                    Ok(())
                }
            };
            if let Err(segments) = segments {
                sent.segments = segments;
                return sent;
            }
            sent.transmits += 1;
        }
        sent
    }

    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        for port in &self.ports {
            port.receive(&mut self.pool, inbox)?;
        }
        Ok(())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.ports.iter().map(|port| port.socket.as_fd()).collect()
    }

    fn max_segments(&self) -> usize {
        self.ports.iter().map(|port| port.state.max_gso_segments()).min().unwrap_or(1)
    }

    fn mtu(&self, path: &PathAddress) -> usize {
        super::route::mtu_or_default(path)
    }

    fn overhead(&self, remote: IpAddr) -> usize {
        super::route::ip_header(remote) + UDP_HEADER
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        self.ports.iter().map(|port| port.local.ip()).collect()
    }

    fn has_route(&self, ours: &[IpAddr], remote: IpAddr) -> bool {
        super::route::leads_to(ours, remote)
    }
}

impl Port {
    fn open(local: SocketAddr, receive_buffer: usize) -> Result<Self, OpenError> {
        if local.ip().is_unspecified() {
            return Err(OpenError::Wildcard { address: local.ip() });
        }
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))
            .map_err(OpenError::system("open a UDP socket"))?;
        if local.is_ipv6() {
            socket.set_only_v6(true).map_err(OpenError::system("restrict a socket to IPv6"))?;
        }
        socket.bind(&local.into()).map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => OpenError::PortTaken { address: local.ip(), port: local.port() },
            ErrorKind::AddrNotAvailable => OpenError::NotLocal { address: local.ip() },
            ErrorKind::PermissionDenied => {
                OpenError::System { what: "bind this UDP port (below 1024 it takes root)", source }
            }
            _ => OpenError::System { what: "bind a UDP port", source },
        })?;
        enlarge_receive_buffer(&socket, receive_buffer);
        let set_up = OpenError::system("set up a UDP socket");
        let state = UdpSocketState::new((&socket).into()).and_then(|state| {
            state.enable_transport_errors((&socket).into())?;
            // quinn-udp 0.6 asks for time stamps, for which its control buffer is too small: of packets
            // that GRO joined, the ECN field would be cut off.
            option::set_int(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 0)?;
            let local = socket.local_addr()?.as_socket().unwrap_or(local);
            Ok((state, local))
        });
        let (state, local) = state.map_err(set_up)?;
        Ok(Self { socket, state, local })
    }

    /// Sends a run in as few calls as segmentation offload allows.
    /// Err tells how many of its packets left before the socket was full.
    fn send(&self, transmit: &Transmit, run: &[u8], reports: &mut Vec<Report>) -> Result<(), usize> {
        let segment = transmit.segment_size.max(1);
        let mut at = 0;
        let mut most = self.state.max_gso_segments();
        while at < run.len() {
            let segments = most.min(LARGEST_RUN / segment).max(1);
            let contents = &run[at..run.len().min(at + segments * segment)];
            let mut result = self.send_once(transmit, contents);
            if result.as_ref().is_err_and(is_icmp) {
                // An ICMP error of an earlier packet, perhaps of another peer, fails one call.
                self.drain_errors(|report| reports.push(report));
                result = self.send_once(transmit, contents);
            }
            match result {
                Ok(()) => at += contents.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(at / segment),
                // quinn-udp just turned offload off: send again, packet by packet.
                Err(_) if segments > self.state.max_gso_segments() => most = self.state.max_gso_segments(),
                // There is none, and quinn-udp has not seen it.
                Err(_) if segments > 1 && transmit.marks != IpMarks::NONE => most = 1,
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(0);
                    reports.push(icmp::refusal(&transmit.path, contents, errno));
                    at += contents.len();
                }
            }
        }
        Ok(())
    }

    fn send_once(&self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        if transmit.fragment_to.is_some() {
            let send = || self.hand_over(transmit, contents);
            return option::with_fragmentation(&self.socket, self.local.is_ipv4(), send);
        }
        self.hand_over(transmit, contents)
    }

    /// RFC 6951, 5.3, 5.8.
    fn hand_over(&self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        if transmit.marks != IpMarks::NONE {
            return self.hand_over_marked(transmit, contents);
        }
        let outgoing = quinn_udp::Transmit {
            destination: SocketAddr::new(transmit.path.remote, transmit.path.remote_udp_port),
            ecn: match transmit.ecn {
                Ecn::NotCapable => None,
                Ecn::Ect0 => Some(EcnCodepoint::Ect0),
                Ecn::Ect1 => Some(EcnCodepoint::Ect1),
                Ecn::CongestionExperienced => Some(EcnCodepoint::Ce),
            },
            contents,
            segment_size: Some(transmit.segment_size),
            src_ip: None,
        };
        self.state.try_send(UdpSockRef::from(&self.socket), &outgoing)
    }

    /// quinn-udp can mark the ECN field only.
    fn hand_over_marked(&self, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
        let segment_size = u16::try_from(transmit.segment_size).ok();
        let PathAddress { remote, remote_udp_port, .. } = transmit.path;
        let outgoing = Outgoing {
            ecn: transmit.ecn,
            marks: transmit.marks,
            segment_size: segment_size.filter(|&size| contents.len() > usize::from(size)),
            ..Outgoing::to(remote, remote_udp_port, contents)
        };
        message::send(&self.socket, &[outgoing]).map(|_| ())
    }

    fn drain_errors(&self, report: impl FnMut(Report)) {
        icmp::drain(&self.socket, Some(self.local.ip()), true, report);
    }

    fn receive(&self, pool: &mut Pool, inbox: &mut Inbox) -> io::Result<()> {
        let mut buffers: [BytesMut; BUFFERS] = std::array::from_fn(|_| pool.take());
        let mut metas = [RecvMeta::default(); BUFFERS];
        let received = self.read(&mut buffers, &mut metas, inbox);
        let count = *received.as_ref().unwrap_or(&0);
        for (index, (buffer, meta)) in buffers.into_iter().zip(&metas).enumerate() {
            if index >= count {
                pool.put(buffer);
                continue;
            }
            let path = PathAddress {
                local: meta.dst_ip.or(Some(self.local.ip())),
                remote: meta.addr.ip().to_canonical(),
                remote_udp_port: meta.addr.port(),
            };
            let ecn = ecn_of(meta.ecn);
            pool.deliver(buffer, &spans(meta), |_, datagram| {
                inbox.packets.push(Received { path, ecn, datagram });
            });
        }
        received.map(|_| ())
    }

    fn read(
        &self,
        buffers: &mut [BytesMut; BUFFERS],
        metas: &mut [RecvMeta; BUFFERS],
        inbox: &mut Inbox,
    ) -> io::Result<usize> {
        let mut slices = buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
        for _ in 0..RETRIES {
            match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, metas) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // A queued ICMP error makes the socket readable too.
                    self.drain_errors(|report| inbox.reports.push(report));
                    return Ok(0);
                }
                Err(error) if is_icmp(&error) => self.drain_errors(|report| inbox.reports.push(report)),
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }
}

/// Whether the kernel will take the destination. If it answered EINVAL, quinn-udp would take that for
/// a lack of segmentation offload, and do without for all peers from then on.
fn is_sendable(path: &PathAddress) -> bool {
    path.remote_udp_port != 0 && !is_link_local(path.remote)
}

fn ecn_of(codepoint: Option<EcnCodepoint>) -> Ecn {
    match codepoint {
        None => Ecn::NotCapable,
        Some(EcnCodepoint::Ect0) => Ecn::Ect0,
        Some(EcnCodepoint::Ect1) => Ecn::Ect1,
        Some(EcnCodepoint::Ce) => Ecn::CongestionExperienced,
    }
}

/// Where the packets lie that GRO put together.
fn spans(meta: &RecvMeta) -> smallvec::SmallVec<[Range<usize>; 64]> {
    let stride = meta.stride.max(1);
    (0..meta.len).step_by(stride).map(|at| at..meta.len.min(at + stride)).collect()
}

#[cfg(test)]
mod tests;
