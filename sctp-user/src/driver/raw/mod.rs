//! SCTP straight over IP, protocol number 132, through raw sockets.
//!
//! A raw socket hears every SCTP packet of its network namespace. So each stack sets a kernel filter
//! for the ports that it leased, and drops what is for another stack's address.

use std::{
    io,
    net::IpAddr,
    ops::RangeInclusive,
    os::fd::{AsFd, BorrowedFd},
};

use sctp_core::endpoint::Bound;
use sctp_core::net::PathAddress;
use smallvec::SmallVec;
use socket2::Socket;

use super::{
    Driver, EPHEMERAL_PORTS, Inbox, LeaseError, OpenError, Report, Sent, Transmit,
    host::AddressWatch,
    icmp,
    outbox::runs,
    pool::Pool,
    route,
    sys::message::{BATCH, Outgoing},
};

pub(crate) mod filter;
mod fragments;
pub(crate) mod ports;
pub(crate) mod socket;

use crate::broker::{self, Lease, LeaseKeeper};
use fragments::Fragmenter;
use ports::PortSet;
use socket::RawSocket;

/// How to open a [`RawDriver`].
#[derive(Clone, Debug)]
pub struct RawConfig {
    /// Our addresses; none means all that the host has, also those that it gets later.
    pub addresses: Vec<IpAddr>,
    /// Bytes that the kernel shall hold for us.
    pub receive_buffer: usize,
    /// Bytes of receive buffers that packets may hold before packets are copied instead.
    pub held: usize,
    /// Open even if the kernel has SCTP, which then answers our peers too (a firewall may prevent it).
    pub beside_kernel: bool,
    /// Share the ports with the other stacks of the host, which takes two threads. Without it, nobody
    /// keeps two stacks from the same port, and nobody answers packets to ports without a stack.
    pub share: bool,
    /// Should this stack become the one that answers packets to ports without a stack (the broker of
    /// the host), whether it does. Say no where SCTP programs of another kind use raw sockets too.
    pub answer_out_of_the_blue: bool,
    /// Watch the host's addresses, where no addresses are given, and tell of changes ([`Inbox::addresses`]). Costs a
    /// system call each time that there is nothing to receive.
    pub watch_addresses: bool,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            receive_buffer: 8 << 20,
            held: 4 << 20,
            beside_kernel: false,
            share: true,
            answer_out_of_the_blue: true,
            watch_addresses: false,
        }
    }
}

/// Carries SCTP straight over IP.
///
/// A thread (two in the stack that is the broker) holds its leases: open it after a fork, not before.
#[derive(Debug)]
pub struct RawDriver {
    v4: Option<RawSocket>,
    v6: Option<RawSocket>,
    /// Keep the kernel from answering our peers when a receive buffer is full ([`socket::open_deaf`]).
    _doorstops: Vec<Socket>,
    fragmenter: Fragmenter,
    pool: Pool,
    addresses: Vec<IpAddr>,
    /// The host's when this was opened, for when they cannot be listed: without a descriptor left.
    found: Vec<IpAddr>,
    ports: PortSet,
    /// Holds our ports against the other stacks of the host.
    keeper: Option<LeaseKeeper>,
    watch: Option<AddressWatch>,
}

impl RawDriver {
    /// Opens the sockets; nothing is received before a port is leased.
    ///
    /// # Errors
    /// [`OpenError::NeedsNetRaw`] without the privilege, [`OpenError::KernelHasSctp`],
    /// [`OpenError::Lease`] if the other stacks of the host do not let us share.
    pub fn open(config: &RawConfig) -> Result<Self, OpenError> {
        if !config.beside_kernel && route::kernel_has_sctp() {
            return Err(OpenError::KernelHasSctp);
        }
        let wants = |v4: bool| {
            config.addresses.is_empty() || config.addresses.iter().any(|address| address.is_ipv4() == v4)
        };
        let v4 = wants(true).then(|| RawSocket::open(true, config.receive_buffer)).transpose()?;
        let v6 = match wants(false).then(|| RawSocket::open(false, config.receive_buffer)).transpose() {
            // A host without IPv6 is fine as long as nobody asked for an IPv6 address.
            Err(OpenError::System { source, .. })
                if config.addresses.is_empty() && source.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
            {
                None
            }
            v6 => v6?,
        };
        let families = [&v4, &v6].into_iter().flatten().map(RawSocket::is_v4);
        let doorstops = families.map(socket::open_deaf).collect::<Result<_, _>>()?;
        let fragmenter = Fragmenter::open(v4.is_some(), v6.is_some())?;
        let answer = config.answer_out_of_the_blue.then_some(broker::answer as broker::Answer);
        let keeper = config.share.then(|| LeaseKeeper::start(answer)).transpose()?;
        let watched = config.watch_addresses && config.addresses.is_empty();
        let watch = watched.then(AddressWatch::open).transpose();
        let watch = watch.map_err(OpenError::system("watch the addresses of this host"))?;
        Ok(Self {
            watch,
            v4,
            v6,
            _doorstops: doorstops,
            fragmenter,
            pool: Pool::new(socket::BUFFER, config.held),
            addresses: config.addresses.clone(),
            found: route::local_addresses().map_err(OpenError::system("list the addresses of this host"))?,
            ports: PortSet::default(),
            keeper,
        })
    }

    /// What a port means: one lease for each address asked for; of a wildcard, for each of the stack's, or for all of the host's.
    fn leases(&self, port: u16, asked: &[IpAddr]) -> Vec<Lease> {
        let asked = Bound::new(asked);
        let addresses = match self.addresses.as_slice() {
            [] => asked.places().collect(),
            own => asked.resolve(own),
        };
        addresses.into_iter().map(|address| Lease { address: Some(address), ports: port..=port }).collect()
    }

    fn take(&mut self, lease: &Lease) -> Result<(), LeaseError> {
        if let Some(keeper) = &self.keeper {
            keeper.lease(lease.clone())?;
        }
        self.ports.insert(lease.clone());
        Ok(())
    }

    fn give_back(&mut self, lease: &Lease) {
        self.ports.remove(lease);
        if let Some(keeper) = &self.keeper {
            keeper.release(lease.clone());
        }
    }

    /// Stops hearing ports that another stack took while the host had no broker.
    fn drop_lost(&mut self) {
        let lost = self.keeper.as_ref().map(LeaseKeeper::take_lost).unwrap_or_default();
        if lost.is_empty() {
            return;
        }
        for lease in &lost {
            self.ports.remove(lease);
        }
        if let Err(error) = self.set_filters() {
            tracing::warn!(%error, "the old kernel filter stays");
        }
    }

    fn set_filters(&self) -> Result<(), LeaseError> {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            let ranges = self.ports.ranges(socket.is_v4());
            if ranges.len() > filter::MOST_RANGES {
                return Err(LeaseError::TooMany(ranges.len()));
            }
            let program = filter::by_port(socket.is_v4(), &ranges);
            socket
                .set_filter(&program)
                .map_err(|error| LeaseError::Broker(format!("cannot set a kernel filter: {error}")))?;
        }
        Ok(())
    }
}

impl Driver for RawDriver {
    fn send(&mut self, batch: &[Transmit], bytes: &[u8], reports: &mut Vec<Report>) -> Sent {
        let mut sent = Sent::default();
        let mut queue = packets(batch, bytes).peekable();
        let mut group: SmallVec<[Packet<'_>; BATCH]> = SmallVec::new();
        while let Some(first) = queue.peek() {
            if let Some(limit) = first.transmit.fragment_to {
                if !send_in_fragments(&mut self.fragmenter, first, limit, &mut sent, reports) {
                    return sent;
                }
                queue.next();
                continue;
            }
            let v4 = first.outgoing.destination.is_ipv4();
            let alike = |next: &Packet<'_>| {
                next.outgoing.destination.is_ipv4() == v4 && next.transmit.fragment_to.is_none()
            };
            group.clear();
            while group.len() < BATCH
                && let Some(packet) = queue.next_if(alike)
            {
                group.push(packet);
            }
            let socket = if v4 { &self.v4 } else { &self.v6 };
            if !send_group(socket.as_ref(), &self.ports, &group, &mut sent, reports) {
                return sent;
            }
        }
        Sent { transmits: batch.len(), segments: 0 }
    }

    fn receive(&mut self, inbox: &mut Inbox) -> io::Result<()> {
        self.drop_lost();
        let Inbox { packets, reports, addresses: changed } = inbox;
        let ports = &self.ports;
        let addresses = &self.addresses;
        let filter_is_enough = addresses.is_empty() && !ports.is_per_address();
        for socket in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            let mut deliver = |received: super::Received| {
                if filter_is_enough || is_ours(addresses, ports, &received) {
                    packets.push(received);
                }
            };
            let mut report = |report: Report| {
                if concerns_us(ports, &report) {
                    reports.push(report);
                }
            };
            socket.receive(&mut self.pool, &mut deliver, &mut report)?;
        }
        // Where packets flow the news can wait.
        if let Some(watch) = self.watch.as_mut().filter(|_| packets.is_empty()) {
            *changed = watch.poll();
        }
        Ok(())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let sockets = [&self.v4, &self.v6].into_iter().flatten().map(|socket| socket.socket.as_fd());
        sockets.chain(self.watch.as_ref().map(AsFd::as_fd)).collect()
    }

    fn max_segments(&self) -> usize {
        BATCH
    }

    fn mtu(&self, path: &PathAddress) -> usize {
        route::mtu_or_default(path)
    }

    fn overhead(&self, remote: IpAddr) -> usize {
        route::ip_header(remote)
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        if let Some(watch) = &self.watch {
            return watch.known().to_vec();
        }
        if self.addresses.is_empty() {
            return route::local_addresses().unwrap_or_else(|_| self.found.clone());
        }
        self.addresses.clone()
    }

    /// On all addresses of the host, those are ours that the kernel takes for its own, as all of 127/8.
    fn is_ours(&self, address: IpAddr) -> bool {
        let of_host =
            || self.addresses.is_empty() && !route::is_link_local(address) && route::is_local(address);
        self.local_addresses().contains(&address) || of_host()
    }

    fn has_route(&self, ours: &[IpAddr], remote: IpAddr) -> bool {
        route::leads_to(ours, remote)
    }

    fn lease_port(&mut self, port: u16, addresses: &[IpAddr]) -> Result<(), LeaseError> {
        let wanted = self.leases(port, addresses);
        for (index, lease) in wanted.iter().enumerate() {
            if let Err(error) = self.take(lease) {
                // All addresses or none.
                wanted[..index].iter().for_each(|lease| self.give_back(lease));
                return Err(error);
            }
        }
        self.set_filters().inspect_err(|_| wanted.iter().for_each(|lease| self.give_back(lease)))
    }

    fn release_port(&mut self, port: u16, addresses: &[IpAddr]) {
        for lease in self.leases(port, addresses) {
            self.give_back(&lease);
        }
        if let Err(error) = self.set_filters() {
            tracing::warn!(%error, "the old kernel filter stays");
        }
    }

    fn lease_ephemeral_ports(&mut self) -> Result<RangeInclusive<u16>, LeaseError> {
        let block = match &self.keeper {
            Some(keeper) => keeper.lease_block()?,
            None => Lease { address: None, ports: EPHEMERAL_PORTS },
        };
        self.ports.insert(block.clone());
        if let Err(error) = self.set_filters() {
            self.give_back(&block);
            return Err(error);
        }
        Ok(block.ports)
    }
}

/// A packet of a batch, and whether its run ends with it.
struct Packet<'a> {
    outgoing: Outgoing<'a>,
    transmit: &'a Transmit,
    last: bool,
}

fn packets<'a>(batch: &'a [Transmit], bytes: &'a [u8]) -> impl Iterator<Item = Packet<'a>> {
    runs(batch, bytes).flat_map(|(transmit, run)| {
        let mut segments = run.chunks(transmit.segment_size.max(1)).peekable();
        std::iter::from_fn(move || {
            let bytes = segments.next()?;
            let outgoing = Outgoing {
                source: transmit.path.local,
                ecn: transmit.ecn,
                marks: transmit.marks,
                ..Outgoing::to(transmit.path.remote, 0, bytes)
            };
            Some(Packet { outgoing, transmit, last: segments.peek().is_none() })
        })
    })
}

fn count(sent: &mut Sent, packet: &Packet<'_>) {
    *sent = match packet.last {
        true => Sent { transmits: sent.transmits + 1, segments: 0 },
        false => Sent { segments: sent.segments + 1, ..*sent },
    };
}

/// Sends a packet that is larger than its path carries. False means that the socket is full.
fn send_in_fragments(
    fragmenter: &mut Fragmenter,
    packet: &Packet<'_>,
    limit: usize,
    sent: &mut Sent,
    reports: &mut Vec<Report>,
) -> bool {
    let bytes = packet.outgoing.bytes;
    match fragmenter.send(packet.transmit, bytes, limit) {
        Ok(false) => return false,
        Ok(true) => {}
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(0);
            reports.push(icmp::refusal(&packet.transmit.path, bytes, errno));
        }
    }
    count(sent, packet);
    true
}

/// Sends packets of one family. False means that the socket is full.
fn send_group(
    socket: Option<&RawSocket>,
    ports: &PortSet,
    group: &[Packet<'_>],
    sent: &mut Sent,
    reports: &mut Vec<Report>,
) -> bool {
    let outgoing: SmallVec<[Outgoing<'_>; BATCH]> = group.iter().map(|packet| packet.outgoing).collect();
    let mut at = 0;
    while at < group.len() {
        let mut refused = None;
        let gone = match socket {
            Some(socket) => socket.send(&outgoing[at..], &mut refused, &mut |report| {
                if concerns_us(ports, &report) {
                    reports.push(report);
                }
            }),
            None => {
                refused = Some(libc::EAFNOSUPPORT);
                Some(1)
            }
        };
        let Some(gone) = gone else { return false };
        if let Some(errno) = refused {
            reports.push(icmp::refusal(&group[at].transmit.path, outgoing[at].bytes, errno));
        }
        for packet in &group[at..at + gone] {
            count(sent, packet);
        }
        at += gone;
    }
    true
}

/// Whether a packet is for an address that we use and that we leased its port on.
fn is_ours(addresses: &[IpAddr], ports: &PortSet, received: &super::Received) -> bool {
    let local = received.path.local;
    let uses_address = addresses.is_empty() || local.is_none_or(|local| addresses.contains(&local));
    let port = received.datagram.get(2..4).map(|port| u16::from_be_bytes([port[0], port[1]]));
    uses_address && port.is_some_and(|port| ports.covers(local, port))
}

/// Whether an ICMP error quotes a packet of ours: all raw sockets of the host get it. The core compares
/// the tag too.
fn concerns_us(ports: &PortSet, report: &Report) -> bool {
    report.quoted.first_chunk().is_some_and(|&port| ports.covers(report.path.local, u16::from_be_bytes(port)))
}
