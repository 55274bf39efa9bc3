//! Which chunks go into the next packet (RFC 9260, 6.10).

use super::Association;
use super::state::State;
use crate::net::{Ecn, IpMarks, PathAddress};
use crate::path::PathId;
use crate::rx::Receiver;
use crate::time::Time;
use crate::wire::chunk::{ChunkType, CookieAckChunk, CookieEchoChunk, ShutdownAckChunk, ShutdownChunk};
use crate::wire::{CHUNK_HEADER_LEN, COMMON_HEADER_LEN, CommonHeader, PacketBuilder, WriteChunk};
use std::sync::Arc;

/// The longest SCTP packet that IPv4 and IPv6, with UDP between, can carry.
const MAX_LONE_PACKET: usize = 65_535 - 40 - 8;

/// A packet at the end of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) address: PathAddress,
    pub(crate) ecn: Ecn,
    pub(crate) marks: IpMarks,
    pub(crate) len: usize,
    pub(crate) kind: PacketKind,
}

/// What a packet's size means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketKind {
    /// It fits the path.
    Fitting,
    /// It finds out whether it fits (RFC 8899, 4.1): it goes alone, since it may be refused.
    Probe,
    /// It does not fit, and cannot be cut: IP is to fragment it into packets that have what does.
    Oversize {
        /// SCTP bytes that fit.
        fits: u32,
    },
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug)]
struct Destination {
    path: PathId,
    /// DATA may go along. (The set-up, where some goes with COOKIE ECHO, does not ask.)
    carries_data: bool,
}

impl Association {
    /// Appends one packet to `buffer`, if there is something to send now.
    pub(crate) fn write_packet(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<Written> {
        // Messages may have outlived their time while packets were filled; then nothing may be left.
        if !self.is_closed() {
            self.sender.abandon_overdue(now, &mut self.paths);
            self.sender.reschedule(now, &mut self.paths);
            self.follow_up(now);
        }
        // 5.1: the peer is to hear first that the association is up.
        while self.outbox.cookie_ack.is_none() && !self.probes.is_empty() {
            // One that may not leave any more counts as lost.
            if let Some(written) = self.write_probe(buffer) {
                return Some(written);
            }
        }
        // A destination may turn out to have nothing that fits, which then was dropped: on to the next.
        while let Some(destination) = self.destination(now) {
            let dropped = self.stats.replies_dropped;
            let written = self.write_packet_to(now, destination, buffer);
            if written.is_some() {
                return written;
            }
            if self.stats.replies_dropped == dropped {
                break;
            }
        }
        self.sender.handle_nothing_left(now, &self.paths);
        None
    }

    fn write_packet_to(
        &mut self,
        now: Time,
        destination: Destination,
        buffer: &mut Vec<u8>,
    ) -> Option<Written> {
        let id = destination.path;
        let path = self.paths.get(id)?;
        let (mut address, marks, fits) = (path.address, path.marks, path.max_packet_size);
        let asconf_from = self.source_of_asconf(id);
        address.local = asconf_from.or(address.local);
        let size = fits.max(self.lone_packet_size(id));
        let mut packet = PacketBuilder::new(buffer, self.header_in_state(), size);
        if let Some(authenticator) = self.authenticator() {
            packet.authenticate(Arc::clone(authenticator));
            if destination.carries_data {
                self.sender.choose_key(id, &self.paths, &mut packet);
            }
        }
        self.ecn.leaves_as = Ecn::NotCapable;
        match &self.state {
            State::Closed => return None,
            State::CookieWait(_) => self.write_init(now, &mut packet),
            State::CookieEchoed(..) => self.write_cookie_echo(now, id, &mut packet),
            // RFC 5061, 5.3 F1: nothing else.
            _ if asconf_from.is_some() => self.write_asconf(id, &mut packet),
            _ => self.write_chunks(now, destination, &mut packet),
        }
        let controls = packet.control_chunks();
        let len = finish(packet, self.extensions.zero_checksum)?;
        self.count_packet(id, controls);
        let kind = match len > fits {
            true => PacketKind::Oversize { fits: u32::try_from(fits).unwrap_or(u32::MAX) },
            false => PacketKind::Fitting,
        };
        Some(Written { address, ecn: self.ecn.leaves_as, marks, len, kind })
    }

    /// The packet that holds just the control chunk that must come next. One larger than a packet of the path
    /// goes alone, and IP fragments it: chunks other than DATA cannot be cut, and without INIT and COOKIE ECHO there
    /// is no association (5.1 A and C), nor may a report or a HEARTBEAT ACK leave out what it returns (3.3.10.6, 3.3.6).
    fn lone_packet_size(&self, id: PathId) -> usize {
        let (chunk_type, value_len) = match &self.state {
            State::CookieWait(setup) => {
                (ChunkType::INIT, self.init_chunk(setup.life_span_increment).value_len())
            }
            State::CookieEchoed(_, cookie) => (ChunkType::COOKIE_ECHO, cookie.len()),
            _ if self.outbox.cookie_ack == Some(id) => return 0,
            _ => match self.outbox.peek(id) {
                Some(chunk) => (chunk.chunk_type, chunk.value.len()),
                None if self.forward_path() == Some(id) => {
                    (ChunkType::FORWARD_TSN, self.sender.forward_tsn_len())
                }
                None => (ChunkType::PAD, 0),
            },
        };
        let auth = self.authenticator().filter(|auth| auth.covers(chunk_type) || auth.reserves());
        let auth_len = auth.map_or(0, |auth| auth.chunk_len());
        let size = COMMON_HEADER_LEN + auth_len + CHUNK_HEADER_LEN + value_len.next_multiple_of(4);
        if size <= MAX_LONE_PACKET { size } else { 0 }
    }

    /// Appends a packet with nothing but a SACK to `buffer`, if one is wanted.
    pub(crate) fn write_sack_packet(&mut self, now: Time, buffer: &mut Vec<u8>) -> Option<Written> {
        if self.only_asconf_leaves() {
            return None;
        }
        let id = self.sack_path();
        let path = self.paths.get(id)?;
        let (address, marks, size) = (path.address, path.marks, path.max_packet_size);
        let mut packet = PacketBuilder::new(buffer, self.header(), size);
        if let Some(authenticator) = self.authenticator() {
            packet.authenticate(Arc::clone(authenticator));
        }
        self.write_sack(now, id, false, &mut packet);
        let controls = packet.control_chunks();
        let len = finish(packet, self.extensions.zero_checksum)?;
        self.count_packet(id, controls);
        Some(Written { address, ecn: Ecn::NotCapable, marks, len, kind: PacketKind::Fitting })
    }

    /// 8.5.1 A: the packet with INIT has the tag 0.
    /// RFC 9260, 12.3, 3.1.
    fn header_in_state(&self) -> CommonHeader {
        let header = self.header();
        match self.state {
            State::CookieWait(_) => CommonHeader { verification_tag: 0, ..header },
            _ => header,
        }
    }

    pub(super) fn count_packet(&mut self, id: PathId, controls: u64) {
        self.stats.packets_sent += 1;
        self.stats.control_chunks_sent += controls;
        if let Some(path) = self.paths.get_mut(id) {
            path.stats.packets_sent += 1;
        }
    }

    /// Where the next packet goes; `None` if there is nothing to send.
    fn destination(&self, now: Time) -> Option<Destination> {
        match &self.state {
            // 5.1 C: until COOKIE ACK comes, nothing but COOKIE ECHO and what is bundled with it.
            State::CookieWait(setup) | State::CookieEchoed(setup, _) => {
                setup.due.then_some(Destination { path: setup.path, carries_data: false })
            }
            State::Closed => None,
            _ => {
                let data = self.next_data_path(now);
                let path = self.control_path().or(data.filter(|_| !self.only_asconf_leaves()))?;
                Some(Destination { path, carries_data: data == Some(path) })
            }
        }
    }

    /// Where the next packet goes for the sake of what is not DATA.
    fn control_path(&self) -> Option<PathId> {
        let asconf = self.asconf.as_ref().and_then(|asconf| asconf.due_on());
        if self.only_asconf_leaves() {
            return asconf;
        }
        let ending = self.state.ending().filter(|ending| ending.due).map(|ending| ending.path);
        asconf
            .or_else(|| self.outbox.next_path())
            .or_else(|| ending.filter(|&id| self.is_verified(id)))
            .or_else(|| self.wants_sack().then(|| self.sack_path()).filter(|&id| self.is_verified(id)))
            .or_else(|| self.forward_path())
    }

    fn forward_path(&self) -> Option<PathId> {
        self.sender.forward_path().filter(|&id| self.state().sends_data() && self.is_verified(id))
    }

    fn next_data_path(&self, now: Time) -> Option<PathId> {
        if !self.state().sends_data() {
            return None;
        }
        self.sender.next_path(now, &self.paths).filter(|&id| self.is_verified(id))
    }

    /// RFC 9260, 3, 5.1, 6.10.
    fn write_init(&mut self, now: Time, packet: &mut PacketBuilder<'_>) {
        let Some(setup) = self.state.setup_mut() else { return };
        setup.due = false;
        setup.sent_at = now;
        let increment = setup.life_span_increment;
        // One that does not fit into any packet lists thousands of addresses: it times out.
        let _ = packet.push(&self.init_chunk(increment));
    }

    /// COOKIE ECHO first, then ERROR about INIT ACK, then DATA (5.1 C, 3.2.2).
    /// RFC 9260, 3.3.11, 3.3.3.
    fn write_cookie_echo(&mut self, now: Time, id: PathId, packet: &mut PacketBuilder<'_>) {
        let State::CookieEchoed(setup, cookie) = &mut self.state else { return };
        setup.due = false;
        setup.sent_at = now;
        // A packet that the path does not carry must not keep the association from coming up.
        let alone = setup.attempts > 1;
        let chunk = CookieEchoChunk { cookie: cookie.clone() };
        if packet.push(&chunk).is_err() {
            return;
        }
        self.write_controls(id, packet);
        if !alone {
            self.write_data(now, id, packet);
        }
    }

    /// Control chunks first, DATA last (6.10); SHUTDOWN and SHUTDOWN ACK have no DATA beside them.
    /// RFC 9260, 3.3.12, 5.1, 5.1.5, 6, 6.1.
    fn write_chunks(&mut self, now: Time, destination: Destination, packet: &mut PacketBuilder<'_>) {
        let Destination { path: id, carries_data } = destination;
        if self.outbox.cookie_ack == Some(id) {
            self.outbox.cookie_ack = None;
            let _ = packet.push(&CookieAckChunk);
        }
        self.write_asconf(id, packet);
        self.write_controls(id, packet);
        self.write_sack(now, id, carries_data, packet);
        self.write_ending(id, packet);
        self.write_forward_tsn(now, id, packet);
        if carries_data {
            self.write_data(now, id, packet);
        }
    }

    fn write_controls(&mut self, id: PathId, packet: &mut PacketBuilder<'_>) {
        let verified = self.is_verified(id);
        while let Some(chunk) = self.outbox.peek(id) {
            let allowed = verified || verifies(chunk.chunk_type);
            let pushed = allowed && packet.push(chunk).is_ok();
            if allowed && !pushed && !packet.is_empty() {
                break;
            }
            // What is longer than any packet can be, or may not go there: it is sent again if it is important.
            self.stats.replies_dropped += u64::from(!pushed);
            self.outbox.pop(id);
        }
    }

    /// A SACK that is due, or one that may ride along with DATA (6.1).
    fn write_sack(&mut self, now: Time, id: PathId, carries_data: bool, packet: &mut PacketBuilder<'_>) {
        // 16 of a SACK, 20 of an NR-SACK.
        const LONGEST: usize = 20;
        let wanted = self.wants_sack() || (carries_data && self.has_pending_sack());
        if !wanted || self.sack_path() != id || !self.is_verified(id) || packet.remaining() < LONGEST {
            return;
        }
        self.write_ecn_echo(packet);
        let Some(receiver) = self.receiver.as_mut().filter(|_| packet.remaining() >= LONGEST) else {
            return;
        };
        // Where both sides have it, NR-SACK takes the place of SACK (draft-tuexen-tsvwg-sctp-multipath, 4.1).
        let pushed = if self.extensions.nr_sack {
            packet.push(&receiver.make_nr_sack(now, packet.remaining()))
        } else {
            packet.push(&receiver.make_sack(now, packet.remaining()))
        };
        if pushed.is_ok() {
            self.stats.sacks_sent += 1;
        }
    }

    /// FORWARD TSN, before any DATA (RFC 3758, 3.5 F2).
    fn write_forward_tsn(&mut self, now: Time, id: PathId, packet: &mut PacketBuilder<'_>) {
        if self.forward_path() == Some(id) && self.sender.write_forward_tsn(now, id, &mut self.paths, packet)
        {
            self.stats.forward_tsns_sent += 1;
        }
    }

    fn has_pending_sack(&self) -> bool {
        self.receiver.as_ref().is_some_and(Receiver::sack_pending)
    }

    /// RFC 9260, 6.2.
    fn write_ending(&mut self, id: PathId, packet: &mut PacketBuilder<'_>) {
        let acknowledges = matches!(self.state, State::ShutdownAckSent(_));
        let cumulative_tsn_ack = self.receiver.as_ref().map(Receiver::cumulative_tsn).unwrap_or_default();
        let verified = self.is_verified(id);
        let ending = self.state.ending_mut().filter(|ending| ending.due && ending.path == id && verified);
        let Some(ending) = ending else { return };
        let pushed = if acknowledges {
            packet.push(&ShutdownAckChunk)
        } else {
            packet.push(&ShutdownChunk { cumulative_tsn_ack })
        };
        ending.due = pushed.is_err();
    }

    fn write_data(&mut self, now: Time, id: PathId, packet: &mut PacketBuilder<'_>) {
        if packet.is_empty() {
            packet.enlarge(self.sender.packet_size(id, &self.paths));
        }
        let filled = self.sender.fill(now, id, &mut self.paths, packet);
        if filled.chunks > 0 {
            self.last_activity = now;
        }
        // The set-up must not depend on routers that know ECN (RFC 3168, 6.1.1).
        if filled.ecn_capable && self.extensions.ecn && self.state().sends_data() {
            self.ecn.leaves_as = Ecn::Ect0;
        }
    }
}

/// What may go to an address that is not verified, because it belongs to the verification (RFC 5061, 5.3 F1).
fn verifies(chunk_type: ChunkType) -> bool {
    matches!(chunk_type, ChunkType::HEARTBEAT | ChunkType::HEARTBEAT_ACK | ChunkType::ASCONF_ACK)
}

/// The length of the finished packet, without a checksum where both sides agreed to that; one without chunks is taken
/// back.
/// RFC 6951, 5.3.
pub(super) fn finish(packet: PacketBuilder<'_>, zero_checksum: bool) -> Option<usize> {
    match packet.is_empty() {
        true => None,
        false if zero_checksum && !packet.needs_checksum() => Some(packet.finish_with_zero_checksum()),
        false => Some(packet.finish()),
    }
}
