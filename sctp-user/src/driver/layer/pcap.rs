//! Records packets in the pcapng format, for Wireshark and tshark.
//!
//! Drivers see SCTP packets; a capture needs IP. So each packet gets the IP header (and UDP header) that
//! it has on the wire, as far as we know it (link type raw IP).

use std::{
    io::{self, BufWriter, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use etherparse::{IpEcn, IpNumber, Ipv4Header, Ipv6Header, UdpHeader};
use sctp_core::net::{Ecn, IpMarks, PathAddress};

use crate::driver::{
    Received, Sent, Transmit,
    header::{ip_dscp, ip_flow_label},
    outbox::runs,
    route::route_to,
};

// Block types and constants of pcapng (draft-ietf-opsawg-pcapng).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_RAW: u16 = 101;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const NANOSECONDS: u8 = 9;

const TTL: u8 = 64;

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It came.
    In,
    /// We sent it.
    Out,
}

/// What a packet's headers below SCTP say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Source and destination port of UDP encapsulation.
    pub udp: Option<(u16, u16)>,
    /// The ECN field.
    pub ecn: Ecn,
    /// What else the IP header says.
    pub marks: IpMarks,
}

/// Writes a pcapng file.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> PcapWriter<W> {
    /// Starts a file whose packets come from one interface of this name.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(out: W, interface: &str) -> io::Result<Self> {
        let mut writer = Self { out, block: Vec::new() };
        writer.write_block(SECTION_HEADER, |block| {
            block.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
            block.extend_from_slice(&1u16.to_le_bytes());
            block.extend_from_slice(&0u16.to_le_bytes());
            block.extend_from_slice(&u64::MAX.to_le_bytes()); // length of the section: not known
        })?;
        writer.write_block(INTERFACE_DESCRIPTION, |block| {
            block.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
            block.extend_from_slice(&[0; 6]); // reserved; packets are not cut
            push_option(block, IF_NAME, interface.as_bytes());
            push_option(block, IF_TSRESOL, &[NANOSECONDS]);
            push_option(block, 0, &[]);
        })?;
        Ok(writer)
    }

    /// Writes one SCTP packet. `at` is the time since the epoch.
    ///
    /// # Errors
    /// The writer's.
    pub fn packet(
        &mut self,
        at: Duration,
        direction: Direction,
        envelope: &Envelope,
        sctp: &[u8],
    ) -> io::Result<()> {
        let headers = headers(envelope, sctp);
        let len = (headers.len() + sctp.len()) as u32;
        let time = at.as_nanos() as u64;
        self.write_block(ENHANCED_PACKET, |block| {
            for field in [0, (time >> 32) as u32, time as u32, len, len] {
                block.extend_from_slice(&field.to_le_bytes());
            }
            block.extend_from_slice(&headers);
            block.extend_from_slice(sctp);
            pad(block);
            let flags: u32 = match direction {
                Direction::In => 1,
                Direction::Out => 2,
            };
            push_option(block, EPB_FLAGS, &flags.to_le_bytes());
            push_option(block, 0, &[]);
        })
    }

    /// Lets readers see what was written.
    ///
    /// # Errors
    /// The writer's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn write_block(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.block.clear();
        self.block.extend_from_slice(&kind.to_le_bytes());
        self.block.extend_from_slice(&[0; 4]);
        body(&mut self.block);
        let len = (self.block.len() as u32 + 4).to_le_bytes();
        self.block[4..8].copy_from_slice(&len);
        self.block.extend_from_slice(&len);
        self.out.write_all(&self.block)
    }
}

fn pad(block: &mut Vec<u8>) {
    block.resize(block.len().next_multiple_of(4), 0);
}

fn push_option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    block.extend_from_slice(&code.to_le_bytes());
    block.extend_from_slice(&(value.len() as u16).to_le_bytes());
    block.extend_from_slice(value);
    pad(block);
}

/// IP and UDP headers. Addresses of two families, and lengths that no packet has, give none.
fn headers(envelope: &Envelope, sctp: &[u8]) -> Vec<u8> {
    let (next, udp_len) = match envelope.udp {
        Some(_) => (IpNumber::UDP, UdpHeader::LEN),
        None => (IpNumber::SCTP, 0),
    };
    let Ok(len) = u16::try_from(sctp.len() + udp_len) else { return Vec::new() };
    let ecn = match envelope.ecn {
        Ecn::NotCapable => IpEcn::ZERO,
        Ecn::Ect1 => IpEcn::ONE,
        Ecn::Ect0 => IpEcn::TWO,
        Ecn::CongestionExperienced => IpEcn::THREE,
    };
    let hop_limit = if envelope.marks.hop_limit == 0 { TTL } else { envelope.marks.hop_limit };
    let (mut headers, udp) = match (envelope.source, envelope.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let Ok(mut ip) = Ipv4Header::new(len, hop_limit, next, source.octets(), destination.octets())
            else {
                return Vec::new();
            };
            ip.dscp = ip_dscp(envelope.marks.dscp);
            ip.ecn = ecn;
            ip.dont_fragment = true;
            ip.header_checksum = ip.calc_header_checksum();
            let udp = envelope.udp.map(|(from, to)| UdpHeader::with_ipv4_checksum(from, to, &ip, sctp));
            (ip.to_bytes().to_vec(), udp)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ip = Ipv6Header {
                traffic_class: envelope.marks.dscp | ecn.value(),
                flow_label: ip_flow_label(envelope.marks.flow_label),
                payload_length: len,
                next_header: next,
                hop_limit,
                source: source.octets(),
                destination: destination.octets(),
            };
            let udp = envelope.udp.map(|(from, to)| UdpHeader::with_ipv6_checksum(from, to, &ip, sctp));
            (ip.to_bytes().to_vec(), udp)
        }
        _ => return Vec::new(),
    };
    if let Some(Ok(udp)) = udp {
        headers.extend_from_slice(&udp.to_bytes());
    }
    headers
}

/// Records what a driver sends and receives.
pub struct Capture {
    writer: PcapWriter<BufWriter<Box<dyn Write + Send>>>,
    /// Our UDP port, where packets travel in UDP.
    udp_port: u16,
    failed: bool,
    unflushed: bool,
}

impl Capture {
    /// Records to `out`. `udp_port` is ours, of UDP encapsulation.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(out: impl Write + Send + 'static, udp_port: u16) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = Box::new(out);
        let mut writer = PcapWriter::new(BufWriter::new(out), "sctp")?;
        writer.flush()?;
        Ok(Self { writer, udp_port, failed: false, unflushed: false })
    }

    /// Records the part of a batch that left.
    pub(super) fn record_sent(&mut self, at: Duration, batch: &[Transmit], bytes: &[u8], sent: Sent) {
        for (index, (transmit, run)) in runs(batch, bytes).take(sent.transmits + 1).enumerate() {
            let count = if index < sent.transmits { usize::MAX } else { sent.segments };
            let envelope = self.envelope(&transmit.path, transmit.ecn, transmit.marks, Direction::Out);
            for packet in run.chunks(transmit.segment_size.max(1)).take(count) {
                self.record(at, Direction::Out, &envelope, packet);
            }
        }
    }

    /// Records what came. When nothing came there is time to write the file.
    pub(super) fn record_received(&mut self, at: Duration, packets: &[Received]) {
        for packet in packets {
            let envelope = self.envelope(&packet.path, packet.ecn, IpMarks::NONE, Direction::In);
            self.record(at, Direction::In, &envelope, &packet.datagram);
        }
        if packets.is_empty() {
            self.flush();
        }
    }

    /// Writes the file, as far as it is not written.
    pub(super) fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            let result = self.writer.flush();
            self.note(result);
        }
    }

    fn record(&mut self, at: Duration, direction: Direction, envelope: &Envelope, sctp: &[u8]) {
        if !self.failed {
            self.unflushed = true;
            let result = self.writer.packet(at, direction, envelope, sctp);
            self.note(result);
        }
    }

    /// A full disk ends the capture, not the associations.
    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failed = true;
            tracing::warn!(%error, "the capture ends here");
        }
    }

    fn envelope(&self, path: &PathAddress, ecn: Ecn, marks: IpMarks, direction: Direction) -> Envelope {
        let local = path.local.unwrap_or_else(|| local_address(path.remote));
        let udp = (path.remote_udp_port != 0).then_some((self.udp_port, path.remote_udp_port));
        match direction {
            Direction::Out => Envelope { source: local, destination: path.remote, udp, ecn, marks },
            Direction::In => Envelope {
                source: path.remote,
                destination: local,
                udp: udp.map(|(ours, theirs)| (theirs, ours)),
                ecn,
                marks,
            },
        }
    }
}

/// The source address that the host picks where a path does not say.
fn local_address(remote: IpAddr) -> IpAddr {
    let unknown: IpAddr =
        if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    route_to(None, remote).map_or(unknown, |route| route.source)
}
