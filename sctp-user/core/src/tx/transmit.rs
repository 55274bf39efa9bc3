//! Fills packets with DATA chunks (RFC 9260, 6.1, 6.9 and 6.10).

use super::message::{header_len, may_join};
use super::outstanding::{Cause, ChunkState, MAX_OUTSTANDING_CHUNKS};
use super::sender::Sender;
use crate::path::{Path, PathId, PathSet, PathState};
use crate::time::Time;
use crate::wire::{COMMON_HEADER_LEN, PacketBuilder};

/// What is left of a packet is filled with part of a longer message only if that part is not tiny.
const MIN_FRAGMENT: usize = 256;

/// What [`Sender::fill`] put into a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// DATA chunks.
    pub chunks: usize,
    /// All of them are new, and within the peer's window: routers may mark the packet (RFC 3168, 6.1.5 and 6.1.6).
    pub ecn_capable: bool,
}

/// A new chunk that the peer may get.
pub(super) struct Wanted {
    /// Bytes of payload.
    payload: usize,
    /// It does not fit the peer's window: a zero window probe (6.1 A).
    probe: bool,
}

impl Sender {
    /// A path on which a packet with DATA may leave now.
    /// RFC 9260, 5, 6.1.
    pub fn next_path(&self, now: Time, paths: &PathSet) -> Option<PathId> {
        if !self.peer_known {
            return None;
        }
        let may_retransmit = |id: &PathId| paths.get(*id).is_some_and(|path| self.may_retransmit(now, path));
        self.urgent_path()
            .or_else(|| self.retransmission_path(paths).filter(may_retransmit))
            .or_else(|| self.path_for_new_data(now, paths))
    }

    /// Bytes of packet that the next chunk on `path` needs: the path's own limit, unless the path MTU
    /// fell below the size of a chunk that must be sent again. That one goes alone and is fragmented by
    /// IP, since a chunk cannot be cut again (6.9).
    /// RFC 9260, 6.10.
    pub fn packet_size(&self, path: PathId, paths: &PathSet) -> usize {
        let (usual, reserved) = paths.get(path).map_or((0, 0), |path| (path.max_packet_size, path.reserved));
        let marked = self.outstanding.first_marked().and_then(|position| self.outstanding.get(position));
        let chunk = marked.filter(|_| self.retransmits_on(path, paths));
        chunk.map_or(usual, |chunk| usual.max(COMMON_HEADER_LEN + reserved + chunk.wire_len()))
    }

    /// Puts DATA chunks for `path` into `packet`: first those to be sent again, then new ones, in the
    /// order of TSNs. Starts T3-rtx. There are none if no chunk may go or none fits into what other chunks have left
    /// of the packet. (RFC 9260, 6.1.)
    /// RFC 9260, 7.2.4.
    pub fn fill(
        &mut self,
        now: Time,
        id: PathId,
        paths: &mut PathSet,
        packet: &mut PacketBuilder<'_>,
    ) -> Filled {
        let Some(path) = paths.get_mut(id) else { return Filled::default() };
        let (idle, pmdcs) = (path.idle_rtos(now), path.pmdcs());
        let (may_send, alone_in_flight) = (path.may_send(now), path.flight_size == 0);
        let room_before = packet.len();
        let mut count = 0;
        let may_retransmit = |path: &Path| self.is_urgent(id) || self.may_retransmit(now, path);
        if self.retransmits_on(id, paths) && paths.get(id).is_some_and(may_retransmit) {
            count += self.fill_again(now, id, paths, packet);
        }
        let ecn_capable = count == 0 && self.peer_rwnd() > 0;
        // RFC 8260, 3.3: what leaves for the first time may be of another stream.
        let alone = count > 0 && self.queue.keeps_streams_apart();
        if may_send && self.peer_known && !alone {
            count += self.fill_new(now, id, paths, packet, count > 0);
        }
        if count > 0 {
            let sent = packet.len() - room_before;
            self.finish_packet(now, id, sent, (idle, pmdcs), paths);
            if let Some(path) = paths.get_mut(id) {
                path.mtu.on_sent(packet.len(), alone_in_flight);
            }
        }
        Filled { chunks: count, ecn_capable: ecn_capable && count > 0 }
    }

    /// RFC 9260, 6.1.
    fn finish_packet(
        &mut self,
        now: Time,
        id: PathId,
        sent: usize,
        (idle, pmdcs): (u32, usize),
        paths: &mut PathSet,
    ) {
        if let Some(path) = paths.get_mut(id) {
            path.congestion.on_idle(now, idle, pmdcs);
            path.congestion.on_sent(now, sent, path.flight_size, pmdcs);
            path.last_data_sent = Some(now);
            path.start_t3(now);
        }
        self.review_window(now);
    }

    /// The shared key of the message whose turn it is, if it has one of its own.
    fn next_key(&self) -> Option<u16> {
        self.queue.turn().and_then(|turn| turn.key)
    }

    /// Has the packet take the key of the data that [`fill`](Self::fill) will begin with: so control chunks come in front of it
    /// that need one too.
    pub fn choose_key(&self, id: PathId, paths: &PathSet, packet: &mut PacketBuilder<'_>) {
        let again = self.outstanding.first_marked().filter(|_| self.retransmits_on(id, paths));
        let key = match again.and_then(|position| self.outstanding.fragment(position)) {
            Some(fragment) => fragment.key,
            None => self.next_key(),
        };
        may_join(key, self.outstanding.is_interleaving(), packet);
    }

    /// The path that the message whose turn it is was given.
    #[inline]
    fn own_path(&self) -> Option<PathId> {
        if self.has_own_paths { self.find_own_path() } else { None }
    }

    #[cold]
    fn find_own_path(&self) -> Option<PathId> {
        match self.queue.turn()?.slot {
            Some(slot) => self.outstanding.path_of(slot),
            None => self.queue.path_of_next(),
        }
    }

    /// The same, while it is active (RFC 9260, 11.1.5).
    #[inline]
    pub(super) fn asked_path<'a>(&self, paths: &'a PathSet) -> Option<&'a Path> {
        let id = self.own_path()?;
        paths.get(id).filter(|path| path.is_active())
    }

    /// The path on which a packet of retransmissions must leave at once.
    fn urgent_path(&self) -> Option<PathId> {
        self.outstanding.first_marked().and_then(|_| self.urgent.first().copied())
    }

    fn is_urgent(&self, id: PathId) -> bool {
        self.outstanding.first_marked().is_some() && self.urgent.contains(&id)
    }

    /// Where the first marked chunk is to go (6.4, 6.4.1).
    pub(super) fn retransmission_path(&self, paths: &PathSet) -> Option<PathId> {
        let chunk = self.outstanding.get(self.outstanding.first_marked()?)?;
        match chunk.state {
            ChunkState::Marked(Cause::TimedOut | Cause::Late) => {
                self.path_for_lost(chunk.path, true, paths).or_else(|| paths.for_retransmission(chunk.path))
            }
            _ => self
                .path_for_lost(chunk.path, false, paths)
                .or_else(|| paths.for_fast_retransmission(chunk.path)),
        }
    }

    /// Whether congestion control lets a packet of retransmissions leave (6.1 C).
    fn may_retransmit(&self, now: Time, path: &Path) -> bool {
        path.may_send_beside(now, self.recovery.flight(path.flight_size))
    }

    fn retransmits_on(&self, id: PathId, paths: &PathSet) -> bool {
        self.is_urgent(id) || self.retransmission_path(paths) == Some(id)
    }

    /// Sends marked chunks again, lowest TSN first, as many as fit (6.3.3 E3; 7.2.4, 3).
    /// RFC 9260, 6.10.
    fn fill_again(
        &mut self,
        now: Time,
        id: PathId,
        paths: &mut PathSet,
        packet: &mut PacketBuilder<'_>,
    ) -> usize {
        let earliest = self.outstanding.first_in_flight(id);
        let mut count = 0;
        let mut stream_id = None;
        while let Some(position) = self.outstanding.first_marked() {
            // What is overdue is given up before the next packet (RFC 3758, 4.1 TR4).
            if self.overdue(now).is_some() {
                break;
            }
            let Some(mut fragment) = self.outstanding.fragment(position) else { break };
            // Much may wait for it at the peer (RFC 7053, 5.1).
            fragment.flags.immediate |= self.settings.multipath.is_on();
            if !fragment.may_join(self.outstanding.is_interleaving(), packet) {
                break;
            }
            let other_stream = *stream_id.get_or_insert(fragment.stream_id) != fragment.stream_id;
            if (other_stream && self.queue.keeps_streams_apart())
                || fragment.write(self.outstanding.is_interleaving(), packet).is_err()
            {
                break;
            }
            self.outstanding.retransmit(position, id, now, paths);
            let Some(path) = paths.get_mut(id) else { break };
            path.retransmitted_at = Some(now);
            path.stats.retransmitted_chunks += 1;
            self.stats.retransmitted_chunks += 1;
            // RFC 9260, 6.1: restarted if the earliest outstanding chunk of that address is sent again.
            if count == 0 && earliest.is_none_or(|earliest| position < earliest) {
                path.restart_t3(now);
            }
            count += 1;
        }
        if count > 0 {
            self.urgent.retain(|urgent| *urgent != id);
        }
        if self.outstanding.first_marked().is_none() {
            self.urgent.clear();
        }
        count
    }

    /// Sends new chunks while the packet has room (6.1 A, E). `bundled`: the packet has DATA already.
    /// RFC 9260, 6.9; RFC 8260, 2.1, 2.2.2.
    fn fill_new(
        &mut self,
        now: Time,
        id: PathId,
        paths: &mut PathSet,
        packet: &mut PacketBuilder<'_>,
        bundled: bool,
    ) -> usize {
        if !bundled && !self.may_send_new(now, id, paths) {
            return 0;
        }
        let asked = self.own_path();
        if self.asked_path(paths).is_some_and(|path| path.id != id) {
            return 0;
        }
        let largest = self.largest_payload(paths);
        self.largest_chunk = largest;
        let mut count = 0;
        while self.outstanding.len() < MAX_OUTSTANDING_CHUNKS && self.overdue(now).is_none() {
            let Some(Wanted { payload, probe }) = self.wanted(now, largest) else { break };
            if !may_join(self.next_key(), self.outstanding.is_interleaving(), packet) {
                break;
            }
            let room = packet.remaining().saturating_sub(self.header_len());
            let Some(len) = self.fit(payload, room, largest) else { break };
            if !self.send_new(now, id, len, paths, packet) {
                break;
            }
            count += 1;
            if probe {
                self.window.probed();
                break;
            }
            self.window.opened();
            if self.queue.packet_is_full() || self.own_path() != asked {
                break;
            }
        }
        self.queue.end_packet();
        count
    }

    /// The next new chunk as the message and the peer's window want it; `None` if there is no message
    /// or the window is too small (6.1 A).
    pub(super) fn wanted(&self, now: Time, largest: usize) -> Option<Wanted> {
        let payload = self.next_message_len()?.min(largest);
        let window = self.peer_rwnd();
        if payload <= window {
            return Some(Wanted { payload, probe: false });
        }
        if self.window.worth_filling(window) {
            return Some(Wanted { payload: window, probe: false });
        }
        let probe = self.outstanding.len() == 0 && self.window.probe_due(now);
        probe.then_some(Wanted { payload, probe })
    }

    /// How much of `wanted` goes into `room`: all, or, of a message that must be cut in any case, what
    /// fits, in whole words.
    /// RFC 9260, 6.9.
    fn fit(&self, wanted: usize, room: usize, largest: usize) -> Option<usize> {
        if wanted <= room {
            return Some(wanted);
        }
        let must_be_cut = self.next_message_len().is_some_and(|len| len > largest);
        let part = room & !3;
        (must_be_cut && part >= MIN_FRAGMENT.min(largest)).then_some(part)
    }

    /// Writes the next `len` bytes of the message whose turn it is, with the next TSN (RFC 8260, 2.2.2).
    fn send_new(
        &mut self,
        now: Time,
        id: PathId,
        len: usize,
        paths: &mut PathSet,
        packet: &mut PacketBuilder<'_>,
    ) -> bool {
        let cut = self.queue.cut(len, |message| self.outstanding.begin_message(message));
        let Some((slot, fsn)) = cut else { return false };
        let Some(position) = self.outstanding.cut(slot, fsn, len, id, now, paths) else { return false };
        let at_once = self.wants_sack_at_once();
        let Some(mut fragment) = self.outstanding.fragment(position) else { return false };
        fragment.flags.immediate |= at_once;
        self.stats.count(fragment.flags);
        let written = fragment.write(self.outstanding.is_interleaving(), packet);
        debug_assert!(written.is_ok(), "the room was measured before");
        true
    }

    /// Whether the chunk just cut should be acknowledged without delay, since something waits for that: the end of the
    /// association, a reset of streams, a writer whose buffer is full, or data that the peer's window holds back (RFC 7053,
    /// 4.2 and 5.1). Not so when it fills the congestion window: in a transfer that uses its window each packet does, and each would cost a SACK.
    fn wants_sack_at_once(&self) -> bool {
        let rwnd = self.peer_rwnd();
        match self.next_message_len() {
            None => self.draining || self.refused.is_some() || self.is_paused(),
            Some(len) => len > rwnd && !self.window.worth_filling(rwnd),
        }
    }

    /// Bytes of a chunk in front of its payload.
    fn header_len(&self) -> usize {
        header_len(self.outstanding.is_interleaving())
    }

    /// Whether new data may go, as far as the peer's window, the number of chunks and Nagle's algorithm
    /// are concerned.
    /// RFC 9260, 6.1, 1.6.
    pub(super) fn may_send_new(&self, now: Time, id: PathId, paths: &PathSet) -> bool {
        self.outstanding.len() < MAX_OUTSTANDING_CHUNKS
            && self.wanted(now, self.largest_payload(paths)).is_some()
            && !self.waits_for_more(id, paths)
    }

    /// Nagle's algorithm: while data is in flight, less than a packet's worth waits for more. The end
    /// of a message that was cut does not wait, and nothing does while the send buffer is full: then no more can come
    /// (a packet may be larger than the buffer, as on loopback; RFC 1122, 4.2.3.4 sends then too).
    fn waits_for_more(&self, id: PathId, paths: &PathSet) -> bool {
        let full = paths.get(id).map_or(0, Path::pmdcs);
        !self.settings.no_delay
            && !self.draining
            && self.refused.is_none()
            && self.outstanding.has_in_flight()
            && self.queue.turn().is_some_and(|turn| turn.slot.is_none())
            && self.queue.chunk_bytes() < full
    }

    /// Payload of the largest chunk: AMDCS, so that the chunk can be sent again on any path (6.9).
    /// RFC 9260, 6, 7.3.
    pub(crate) fn largest_payload(&self, paths: &PathSet) -> usize {
        // A path that is not confirmed carries no data; its size is not known yet.
        let usable = paths.iter().filter(|path| path.state != PathState::Unconfirmed);
        let amdcs = usable.map(Path::pmdcs).min().or_else(|| paths.iter().map(Path::pmdcs).min());
        let amdcs = amdcs.unwrap_or(0);
        let payload = amdcs.saturating_sub(self.header_len()).max(4);
        match self.settings.fragmentation_point {
            0 => payload,
            point => payload.min(point),
        }
    }
}
