//! The search for path MTUs (RFC 8899, 6.2): probes of HEARTBEAT and PAD, and what is learned from them.
//!
//! The search itself is in [`path::mtu`](crate::path::mtu). A probe is no heartbeat: it is sent whatever congestion and
//! flow control say, it is not repeated as such, and one that gets lost is an error of nobody (6.2.1.2).

use super::bundle::{PacketKind, Written};
use super::{Association, Context};
use crate::auth::Authenticator;
#[cfg(doc)]
use crate::config::AssociationConfig;
use crate::net::{Ecn, PathAddress};
use crate::path::mtu::{Limits, MtuSearch};
use crate::path::{PathId, PathParameters, PathState};
use crate::time::Time;
use crate::wire::chunk::{ChunkType, HeartbeatChunk, PadChunk};
use crate::wire::{CHUNK_HEADER_LEN, PacketBuilder};
use core::time::Duration;
use std::sync::Arc;

/// The longest IP packet without jumbograms. A longer SCTP packet could hold a DATA chunk that its 16-bit length
/// cannot describe, and a message that fits into such a chunk alone would never leave.
const MAX_IP_PACKET: usize = 65_535;

/// What each IPv4 host takes (576 bytes) without the largest headers; no path is asked to carry less.
pub(super) const MIN_PACKET_SIZE: usize = 508;

/// What an IPv4 path is expected to carry (RFC 8899, 5.1.2: BASE_PLPMTU).
pub(crate) const BASE_PACKET_SIZE: usize = 1_200;

/// What each IPv6 path carries (RFC 8200, 5).
const MIN_IPV6_MTU: usize = 1_280;

/// A probe that is to leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    path: PathId,
    size: usize,
    nonce: u64,
}

/// Bytes of the IP header, and of the UDP header if there is one.
pub(crate) fn headers_len(address: &PathAddress) -> usize {
    const UDP_HEADER: usize = 8;
    let ip_header = if address.remote.is_ipv4() { 20 } else { 40 };
    let udp_header = if address.remote_udp_port == 0 { 0 } else { UDP_HEADER };
    ip_header + udp_header
}

/// Largest SCTP packet to `address` until more is known, a multiple of four: what the path MTU leaves, and no more than
/// the base size where the MTU is yet to be searched for. `limit`: [`AssociationConfig::max_packet_size`].
pub(super) fn packet_size(parameters: &PathParameters, limit: usize, address: &PathAddress) -> usize {
    let size = fitting(limit, address, parameters.path_mtu).max(MIN_PACKET_SIZE) & !3;
    limits(parameters, limit, address).map_or(size, |limits| size.min(limits.base))
}

/// Bytes of SCTP in an IP packet of `mtu` bytes, as far as the user allows.
fn fitting(limit: usize, address: &PathAddress, mtu: usize) -> usize {
    let limit = if limit == 0 { usize::MAX } else { limit };
    mtu.min(MAX_IP_PACKET).saturating_sub(headers_len(address)).min(limit)
}

/// Between which sizes to search; `None` where there is nothing to search for.
fn limits(parameters: &PathParameters, limit: usize, address: &PathAddress) -> Option<Limits> {
    let search = parameters.mtu_search.filter(|_| !address.remote.is_loopback())?;
    let max = fitting(limit, address, search.max_mtu).max(MIN_PACKET_SIZE) & !3;
    let least_ipv6 = MIN_IPV6_MTU - headers_len(address);
    let (min, base) = match address.remote.is_ipv4() {
        true => (MIN_PACKET_SIZE, BASE_PACKET_SIZE),
        false => (least_ipv6, least_ipv6),
    };
    Some(Limits { min: min.min(max), base: base.min(max), max, headers: headers_len(address) })
}

impl Association {
    /// The association is up (RFC 8899, 6.2.1.1), or the rules have changed: each path that answers is searched.
    /// RFC 9260, 7.3.
    pub(super) fn start_mtu_searches(&mut self) {
        let ids: smallvec::SmallVec<[PathId; 4]> = self.paths.iter().map(|path| path.id).collect();
        ids.into_iter().for_each(|id| self.start_mtu_search(id));
    }

    /// The path answers: its MTU is searched for, from the base size up.
    pub(super) fn start_mtu_search(&mut self, id: PathId) {
        let up = self.state().sends_heartbeats();
        let limit = self.config.max_packet_size;
        let Some(path) = self.paths.get_mut(id).filter(|path| up && path.state == PathState::Active) else {
            return;
        };
        let limits = limits(&path.parameters, limit, &path.address);
        if let (Some(limits), Some(config)) = (limits, path.parameters.mtu_search) {
            path.mtu = MtuSearch::start(limits, config);
            self.take_over_size(id);
        }
    }

    /// RFC 8899, 3.
    fn take_over_size(&mut self, id: PathId) {
        let Some(path) = self.paths.get_mut(id) else { return };
        if let Some(size) = path.mtu.packet_size().filter(|&size| size != path.max_packet_size) {
            tracing::debug!(tag = self.tags.local, remote = %path.address.remote, size, "packet size");
            path.max_packet_size = size;
        }
    }

    /// The timer of the search on `id` expired.
    pub(super) fn handle_mtu_timer(&mut self, cx: &mut Context<'_>, id: PathId) {
        let up = self.state().sends_heartbeats();
        let Some(path) = self.paths.get_mut(id) else { return };
        match path.state {
            _ if !up => path.mtu.stop(),
            PathState::Active => {
                let (nonce, idle) = (cx.random.u64(), path.mtu.is_idle(path.last_data_sent));
                if let Some(size) = path.mtu.on_timer(cx.now, nonce, idle) {
                    self.probes.push(Probe { path: id, size, nonce });
                }
            }
            // What gets lost now says nothing of sizes.
            _ => path.mtu.postpone(cx.now + path.rtt.rto()),
        }
        self.take_over_size(id);
    }

    /// Appends the next probe to `buffer`, alone in its packet.
    /// RFC 8899, 3, 4.1, 6.2.
    pub(super) fn write_probe(&mut self, buffer: &mut Vec<u8>) -> Option<Written> {
        let Probe { path: id, size, nonce } = self.probes.pop()?;
        // RFC 5061, 5.3 F1 and F4: not from an address that is no source.
        let blocked = self.only_asconf_leaves();
        let path = self.paths.get_mut(id).filter(|path| !path.sourceless && !blocked)?;
        path.stats.mtu_probes_sent += 1;
        let (address, marks) = (path.address, path.marks);
        let mut packet = PacketBuilder::new(buffer, self.header(), size);
        // Else room would be kept for an AUTH chunk that does not come, and the probe would be that much too short.
        let covers =
            |auth: &&Arc<Authenticator>| auth.covers(ChunkType::HEARTBEAT) || auth.covers(ChunkType::PAD);
        if let Some(authenticator) = self.authenticator().filter(covers) {
            packet.authenticate(Arc::clone(authenticator));
        }
        packet.push(&HeartbeatChunk::request(probe_info(nonce, id, size))).ok()?;
        packet.push(&PadChunk { len: packet.remaining().saturating_sub(CHUNK_HEADER_LEN) }).ok()?;
        let controls = packet.control_chunks();
        let len = super::bundle::finish(packet, self.extensions.zero_checksum)?;
        self.count_packet(id, controls);
        Some(Written { address, ecn: Ecn::NotCapable, marks, len, kind: PacketKind::Probe })
    }

    /// A HEARTBEAT ACK with this info came: perhaps of a probe, which also shows that the path works (6.2.1.2).
    /// RFC 8899, 3.
    pub(super) fn take_probe_answer(&mut self, now: Time, info: &[u8]) {
        let Some((nonce, id)) = read_probe_info(info) else { return };
        let Some(path) = self.paths.get_mut(id) else { return };
        if path.mtu.on_answer(now, nonce) {
            self.take_over_size(id);
            self.note_answer(id);
        }
    }

    /// A validated message says that packets to `id` may have `size` bytes (6.2.1.4).
    /// RFC 8899, 6.2.2.4.
    pub(super) fn guide_mtu_search(&mut self, now: Time, id: PathId, size: usize) {
        let Some(path) = self.paths.get_mut(id) else { return };
        let rtt = path.rtt.srtt().unwrap_or(Duration::ZERO);
        if path.mtu.on_too_big(now, size, rtt) {
            self.take_over_size(id);
        }
    }

    /// T3-rtx of `id` expired, with so many bytes in flight: full packets may no longer fit (4.3).
    pub(super) fn note_mtu_time_out(&mut self, now: Time, id: PathId, flight_size: usize) {
        let Some(path) = self.paths.get_mut(id) else { return };
        if path.mtu.on_time_out(now, flight_size) {
            path.stats.black_holes += 1;
            self.take_over_size(id);
        }
    }
}

/// Heartbeat Info of a probe: longer than that of a heartbeat, so that neither is taken for the other.
fn probe_info(nonce: u64, id: PathId, size: usize) -> bytes::Bytes {
    let size = u16::try_from(size).unwrap_or(u16::MAX);
    [&nonce.to_be_bytes()[..], &[id.0], &size.to_be_bytes()].concat().into()
}

fn read_probe_info(info: &[u8]) -> Option<(u64, PathId)> {
    match info.split_first_chunk()? {
        (nonce, &[id, _, _]) => Some((u64::from_be_bytes(*nonce), PathId(id))),
        _ => None,
    }
}
