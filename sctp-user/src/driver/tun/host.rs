//! What a host does with IP packets, apart from SCTP (RFC 1122, RFC 8200): it takes those that are for it,
//! puts fragments together, answers echo requests, and tells senders what it cannot take.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::Range,
    time::{Duration, Instant},
};

use bytes::Bytes;
use etherparse::{IpNumber, Ipv6HeaderSlice};
use rustc_hash::FxHashMap;
use sctp_core::net::{Ecn, IpMarks, PathAddress};

use super::{
    icmp::{self, Kind, Message},
    packet::{Packet, Refusal},
    reassembly::Reassembly,
};
use crate::driver::{Problem, Received, Report, header::Header, icmp::QUOTE};

/// ICMP errors that we send in a second (RFC 4443, 2.4 f wants a limit).
const ERRORS_PER_SECOND: u32 = 100;
/// Echo requests that we answer in a second.
const ECHOES_PER_SECOND: u32 = 1000;
/// Peers whose path MTU is remembered.
const PEERS: usize = 1024;
/// After so long a path may carry more again (RFC 8201, 5.3: 5 minutes at least).
const PATH_MTU_LASTS: Duration = Duration::from_secs(300);
/// The smallest MTUs that are believed: what hosts must take at least (RFC 1122, 3.3.2), and what IPv6
/// links carry at least (RFC 8201, 4).
const LEAST_MTU_V4: usize = 576;
const LEAST_MTU_V6: usize = 1280;
/// Protocol number of IPv6 packets that carry nothing.
const NO_NEXT_HEADER: IpNumber = IpNumber(59);

/// A host's IP layer, without input and output.
#[derive(Debug)]
pub(super) struct Host {
    addresses: Vec<IpAddr>,
    reassembly: Reassembly,
    errors: Allowance,
    echoes: Allowance,
    path_mtus: FxHashMap<IpAddr, (usize, Instant)>,
    /// What it answered: headers and payloads that wait to leave.
    pub(super) answers: Vec<(Header, Vec<u8>)>,
}

/// What a packet was.
#[derive(Debug)]
pub(super) enum Arrived {
    /// An SCTP packet, at this place in what came.
    Sctp(PathAddress, Ecn, Range<usize>),
    /// An SCTP packet, put together from its fragments.
    Whole(Received),
    /// An ICMP error about a packet of ours.
    Report(Report),
    /// Nothing for SCTP.
    Nothing,
}

impl Host {
    pub(super) fn new(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            reassembly: Reassembly::default(),
            errors: Allowance::new(ERRORS_PER_SECOND),
            echoes: Allowance::new(ECHOES_PER_SECOND),
            path_mtus: FxHashMap::default(),
            answers: Vec::new(),
        }
    }

    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Our address for packets to `remote`.
    pub(super) fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        self.addresses.iter().find(|address| address.is_ipv4() == remote.is_ipv4()).copied()
    }

    /// Bytes of the largest IP packet that the way to `remote` is known to carry.
    pub(super) fn path_mtu(&self, now: Instant, remote: IpAddr) -> usize {
        match self.path_mtus.get(&remote) {
            Some(&(mtu, until)) if until > now => mtu,
            _ => usize::MAX,
        }
    }

    /// Takes one packet.
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8]) -> Arrived {
        let Some(packet) = self.read(now, bytes) else { return Arrived::Nothing };
        let Some(fragment) = packet.fragment else { return self.dispatch(now, packet, bytes) };
        let Some(whole) = self.reassembly.insert(now, packet, fragment, bytes) else {
            return Arrived::Nothing;
        };
        let whole = Bytes::from(whole);
        match self.read(now, &whole) {
            // A fragment of a fragment is nothing that a host sends.
            Some(packet) if packet.fragment.is_none() => match self.dispatch(now, packet, &whole) {
                Arrived::Sctp(path, ecn, range) => {
                    Arrived::Whole(Received { path, ecn, datagram: whole.slice(range) })
                }
                other => other,
            },
            _ => Arrived::Nothing,
        }
    }

    /// Gives up fragments whose rest does not come.
    pub(super) fn expire(&mut self, now: Instant) {
        for first in self.reassembly.expire(now) {
            if let Ok(packet) = Packet::read(&first) {
                let kind = Kind::reassembly_timeout(packet.source.is_ipv4());
                self.tell(now, packet.source, packet.destination, kind, &first);
            }
        }
    }

    fn read(&mut self, now: Instant, bytes: &[u8]) -> Option<Packet> {
        match Packet::read(bytes) {
            Ok(packet) => self.is_ours(packet.source, packet.destination).then_some(packet),
            Err(Refusal::Damaged) => None,
            Err(Refusal::ParameterProblem { code, pointer }) => {
                let header = Ipv6HeaderSlice::from_slice(bytes).ok()?;
                let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
                if self.is_ours(source, destination) {
                    self.tell(now, source, destination, Kind::parameter_problem(code, pointer), bytes);
                }
                None
            }
        }
    }

    /// RFC 1122, 3.2.1.3: silence for what is not for us, or not from a host.
    fn is_ours(&self, source: IpAddr, destination: IpAddr) -> bool {
        let is_no_host = match source {
            IpAddr::V4(v4) => v4 == Ipv4Addr::BROADCAST || v4.octets()[0] == 0 || v4.octets()[0] >= 240,
            IpAddr::V6(_) => false,
        };
        let is_host =
            !(is_no_host || source.is_unspecified() || source.is_loopback() || source.is_multicast());
        is_host && self.addresses.contains(&destination)
    }

    fn dispatch(&mut self, now: Instant, packet: Packet, bytes: &[u8]) -> Arrived {
        let v4 = packet.source.is_ipv4();
        let path = PathAddress { local: Some(packet.destination), remote: packet.source, remote_udp_port: 0 };
        match packet.protocol {
            IpNumber::SCTP => return Arrived::Sctp(path, packet.ecn, packet.payload),
            protocol if protocol == icmp::protocol(v4) => return self.take_icmp(now, &packet, bytes),
            NO_NEXT_HEADER if !v4 => return Arrived::Nothing,
            // RFC 1122, 3.2.2.1; RFC 4443, 3.1 and 3.4.
            IpNumber::UDP => self.refuse(now, &packet, Kind::port_unreachable(v4), bytes),
            _ => self.refuse(now, &packet, Kind::protocol_unreachable(v4, packet.protocol_at), bytes),
        }
        Arrived::Nothing
    }

    fn take_icmp(&mut self, now: Instant, packet: &Packet, bytes: &[u8]) -> Arrived {
        let Some(message) = Message::read(packet, bytes) else { return Arrived::Nothing };
        if let Some(reply) = message.echo_reply(packet.destination, packet.source) {
            if self.echoes.take(now) {
                self.answer(packet.destination, packet.source, reply);
            }
            return Arrived::Nothing;
        }
        match message.as_error() {
            Some((problem, quoted)) if self.addresses.contains(&quoted.source) => {
                if let Problem::PacketTooBig { mtu } = problem {
                    self.note_path_mtu(now, quoted.destination, mtu);
                }
                let (local, remote) = (Some(quoted.source), quoted.destination);
                let path = PathAddress { local, remote, remote_udp_port: 0 };
                let quoted = Bytes::copy_from_slice(&quoted.sctp[..quoted.sctp.len().min(QUOTE)]);
                Arrived::Report(Report { path, problem, quoted })
            }
            _ => Arrived::Nothing,
        }
    }

    /// Packets that may be cut are cut to this from now on: chunks that are numbered cannot become smaller.
    fn note_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: usize) {
        let mtu = match remote {
            IpAddr::V4(_) => mtu.max(LEAST_MTU_V4),
            // RFC 8201, 4: less is not believed.
            IpAddr::V6(_) => mtu.max(LEAST_MTU_V6),
        };
        if self.path_mtus.len() >= PEERS {
            self.path_mtus.clear();
        }
        let mtu = mtu.min(self.path_mtu(now, remote));
        self.path_mtus.insert(remote, (mtu, now + PATH_MTU_LASTS));
    }

    fn refuse(&mut self, now: Instant, packet: &Packet, kind: Kind, bytes: &[u8]) {
        self.tell(now, packet.source, packet.destination, kind, bytes);
    }

    /// Sends an ICMP error about a packet that came, unless that is one itself (RFC 1122, 3.2.2;
    /// RFC 4443, 2.4 e).
    fn tell(&mut self, now: Instant, source: IpAddr, destination: IpAddr, kind: Kind, packet: &[u8]) {
        if is_icmp_error(packet) || !self.errors.take(now) {
            return;
        }
        self.answer(destination, source, icmp::error(source, destination, kind, packet));
    }

    fn answer(&mut self, source: IpAddr, destination: IpAddr, message: Vec<u8>) {
        let protocol = icmp::protocol(source.is_ipv4());
        let (ecn, marks) = (Ecn::NotCapable, IpMarks::NONE);
        let header = Header { source, destination, protocol, ecn, marks, may_fragment: true };
        self.answers.push((header, message));
    }
}

fn is_icmp_error(bytes: &[u8]) -> bool {
    Packet::read(bytes).is_ok_and(|packet| {
        let v4 = packet.source.is_ipv4();
        let kind = bytes[packet.payload.clone()].first();
        packet.protocol == icmp::protocol(v4) && kind.is_none_or(|&kind| Message::is_error(v4, kind))
    })
}

/// So many in each second.
#[derive(Debug)]
struct Allowance {
    per_second: u32,
    left: u32,
    until: Option<Instant>,
}

impl Allowance {
    fn new(per_second: u32) -> Self {
        Self { per_second, left: 0, until: None }
    }

    fn take(&mut self, now: Instant) -> bool {
        if self.until.is_none_or(|until| until <= now) {
            self.left = self.per_second;
            self.until = Some(now + Duration::from_secs(1));
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests;
