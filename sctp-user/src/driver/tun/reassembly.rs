//! Putting IP packets together from their fragments (RFC 791, RFC 8200, 4.5), within bounds.
//!
//! Anybody can send fragments whose rest never comes. So there are limits to the packets of one source, to
//! all of them and to their memory: past a limit the oldest goes. Fragments that overlap spoil their packet
//! (RFC 5722, for IPv4 too).

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, Instant},
};

use etherparse::{IpNumber, checksum::Sum16BitWords};
use sctp_core::net::Ecn;

use super::packet::{Fragment, IPV6_HEADER, Packet};
use crate::driver::sys::control::ecn_bits;

/// How long the rest of a packet is waited for (RFC 8200, 4.5; RFC 1122, 3.3.2 allows 60 to 120 s).
const TIMEOUT: Duration = Duration::from_secs(60);
/// Packets of one source that are put together at the same time.
const PER_SOURCE: usize = 16;
/// Packets of all sources.
const MOST_PACKETS: usize = 256;
/// Fragments of one packet: enough for the longest at the smallest MTU of IPv4 in use (576).
const MOST_PIECES: usize = 128;
/// Bytes that all fragments may hold together, bookkeeping included.
const MOST_HELD: usize = 4 << 20;
/// What a fragment costs besides its bytes.
const PIECE_OVERHEAD: usize = 64;

/// Packets of which some fragments have come, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    packets: VecDeque<Partial>,
    held: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    /// IPv4 numbers the packets of each protocol separately.
    protocol: Option<IpNumber>,
}

#[derive(Debug)]
struct Partial {
    key: Key,
    until: Instant,
    /// In order of their offsets, without overlap.
    pieces: Vec<Piece>,
    /// Bytes of the whole payload, once the last fragment has come.
    total: Option<usize>,
    /// It can never be completed: its fragments are dropped as they come.
    spoilt: bool,
}

#[derive(Debug)]
struct Piece {
    packet: Packet,
    fragment: Fragment,
    /// The fragment as it came.
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> usize {
        self.fragment.offset + self.packet.payload.len()
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[self.packet.payload.clone()]
    }

    fn cost(&self) -> usize {
        self.bytes.len() + PIECE_OVERHEAD
    }
}

impl Reassembly {
    /// Takes a fragment; gives the whole packet if that was the last one missing.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        packet: Packet,
        fragment: Fragment,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        if packet.payload.is_empty() {
            return None;
        }
        let is_v4 = packet.source.is_ipv4();
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            identification: fragment.identification,
            protocol: is_v4.then_some(packet.protocol),
        };
        let bytes = bytes[..packet.payload.end].to_vec();
        let piece = Piece { packet, fragment, bytes };
        self.make_room(&key, piece.cost());
        let index = self.packets.iter().position(|partial| partial.key == key).unwrap_or_else(|| {
            self.packets.push_back(Partial::new(key, now + TIMEOUT));
            self.packets.len() - 1
        });
        let partial = &mut self.packets[index];
        let before = partial.held();
        partial.insert(piece);
        self.held = self.held + partial.held() - before;
        if !partial.is_complete() {
            return None;
        }
        let whole = partial.whole();
        self.remove(index);
        whole
    }

    /// Forgets packets whose rest has not come in time. Gives the first fragments of those, as far as
    /// they came: their senders are told.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut first = Vec::new();
        while self.packets.front().is_some_and(|partial| partial.until <= now) {
            let Some(mut partial) = self.remove(0) else { break };
            if partial.pieces.first().is_some_and(|piece| piece.fragment.offset == 0) {
                first.push(partial.pieces.swap_remove(0).bytes);
            }
        }
        first
    }

    fn make_room(&mut self, key: &Key, cost: usize) {
        let is_new = !self.packets.iter().any(|partial| partial.key == *key);
        let same_source = |partial: &Partial| partial.key.source == key.source;
        if is_new && self.packets.iter().filter(|partial| same_source(partial)).count() >= PER_SOURCE {
            let oldest = self.packets.iter().position(same_source).unwrap_or(0);
            self.remove(oldest);
        }
        while self.held + cost > MOST_HELD || (is_new && self.packets.len() >= MOST_PACKETS) {
            if self.remove(0).is_none() {
                break;
            }
        }
    }

    fn remove(&mut self, index: usize) -> Option<Partial> {
        let partial = self.packets.remove(index)?;
        self.held -= partial.held();
        Some(partial)
    }
}

impl Partial {
    fn new(key: Key, until: Instant) -> Self {
        Self { key, until, pieces: Vec::new(), total: None, spoilt: false }
    }

    fn held(&self) -> usize {
        self.pieces.iter().map(Piece::cost).sum()
    }

    fn insert(&mut self, piece: Piece) {
        if self.spoilt {
            return;
        }
        let at = self.pieces.partition_point(|other| other.fragment.offset < piece.fragment.offset);
        if self.pieces.get(at).is_some_and(|other| is_duplicate(other, &piece)) {
            return;
        }
        let total = if piece.fragment.more { self.total } else { Some(piece.end()) };
        let overlaps_before = at > 0 && self.pieces[at - 1].end() > piece.fragment.offset;
        let overlaps_next = self.pieces.get(at).is_some_and(|next| next.fragment.offset < piece.end());
        let furthest = self.pieces.last().map_or(0, Piece::end).max(piece.end());
        let ends_twice = self.total.is_some_and(|known| total != Some(known));
        let beyond_the_end = total.is_some_and(|total| furthest > total);
        if overlaps_before
            || overlaps_next
            || ends_twice
            || beyond_the_end
            || self.pieces.len() >= MOST_PIECES
        {
            // RFC 5722, 4: with all of its fragments, those to come included.
            self.spoilt = true;
            self.pieces = Vec::new();
            return;
        }
        self.total = total;
        self.pieces.insert(at, piece);
    }

    fn is_complete(&self) -> bool {
        let have: usize = self.pieces.iter().map(|piece| piece.packet.payload.len()).sum();
        self.total == Some(have)
    }

    /// The packet as it was before it was cut.
    fn whole(&self) -> Option<Vec<u8>> {
        let first = self.pieces.first()?;
        let headers = first.fragment.headers;
        let ecn = self.ecn()?;
        let mut whole = first.bytes[..headers].to_vec();
        self.pieces.iter().for_each(|piece| whole.extend_from_slice(piece.payload()));
        if self.key.source.is_ipv4() {
            let len = u16::try_from(whole.len()).ok()?;
            whole[1] = whole[1] & !0b11 | ecn;
            whole[2..4].copy_from_slice(&len.to_be_bytes());
            whole[6..8].fill(0);
            whole[10..12].fill(0);
            let checksum = Sum16BitWords::new().add_slice(&whole[..headers]).ones_complement();
            // The sum is in the machine's own byte order (RFC 1071, 2 B).
            whole[10..12].copy_from_slice(&checksum.to_ne_bytes());
        } else {
            let len = u16::try_from(whole.len() - IPV6_HEADER).ok()?;
            whole[1] = whole[1] & !0b11_0000 | ecn << 4;
            whole[4..6].copy_from_slice(&len.to_be_bytes());
            whole[first.packet.protocol_at] = first.packet.protocol.0;
        }
        Some(whole)
    }

    /// RFC 3168, 5.3: congestion that one fragment met has met the packet; none if marks contradict.
    fn ecn(&self) -> Option<u8> {
        let has = |ecn: Ecn| self.pieces.iter().any(|piece| piece.packet.ecn == ecn);
        match (has(Ecn::CongestionExperienced), has(Ecn::NotCapable)) {
            (true, true) => None,
            (true, false) => Some(ecn_bits(Ecn::CongestionExperienced)),
            (false, _) => self.pieces.first().map(|piece| ecn_bits(piece.packet.ecn)),
        }
    }
}

/// RFC 8200, 4.5 lets exact copies be ignored.
fn is_duplicate(one: &Piece, other: &Piece) -> bool {
    one.fragment == other.fragment && one.payload() == other.payload()
}

#[cfg(test)]
mod tests;
