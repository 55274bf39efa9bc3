//! The receiver: DATA chunks in; messages and SACKs out.

use super::account::Account;
use super::interleaved::Interleaved;
use super::reassembly::{Neighbours, Reassembly};
use super::run::{Dropped, Fragment, Run};
use super::sack::{PacketNotes, SackTimer};
use super::streams::InboundStreams;
use super::tsn_map::{self, TsnMap};
use super::window::Window;
use super::{DataOutcome, Violation};
use crate::arrival::{Arrival, Arrivals};
use crate::config::AssociationConfig;
use crate::event::AbortedDelivery;
use crate::message::Message;
use crate::path::PathParameters;
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::chunk::{NrSackChunk, SackChunk};
use smallvec::SmallVec;

/// Bytes of a SACK chunk without gap blocks and duplicates (RFC 9260, 3.3.4).
const SACK_LEN: usize = 16;
/// Bytes of such an NR-SACK chunk.
const NR_SACK_LEN: usize = 20;
/// Bytes of a gap block, or of a duplicate TSN.
const SACK_ENTRY_LEN: usize = 4;

/// The receiving half of an association.
///
/// For each packet: [`begin_packet`](Self::begin_packet), [`handle_data`](Self::handle_data) per DATA chunk, then
/// [`end_of_packet`](Self::end_of_packet), then look at [`sack_wanted`](Self::sack_wanted): a SACK that is put off until
/// the end of a batch of packets acknowledges them all at once, which slows a sender whose window grows with each SACK.
#[derive(Debug)]
pub struct Receiver {
    pub(super) map: TsnMap,
    pub(super) sack: SackTimer,
    window: Window,
    pub(super) account: Account,
    pub(super) reassembly: Fragments,
    pub(super) streams: InboundStreams,
    pub(super) packet: PacketNotes,
    /// Messages are delivered in pieces from so many bytes on.
    partial_delivery_point: usize,
    /// New DATA is dropped: it may be numbered by TSNs not known yet (RFC 6525, 5.1.4).
    pub(super) suspended: bool,
}

/// Fragments that wait for others.
#[derive(Debug)]
pub(super) enum Fragments {
    /// Of DATA, numbered by TSNs.
    ByTsn(Reassembly),
    /// Of I-DATA, numbered by FSNs.
    ByFsn(Interleaved),
}

impl Fragments {
    fn set_max_message_size(&mut self, max_message_size: usize) {
        match self {
            Self::ByTsn(reassembly) => reassembly.set_max_message_size(max_message_size),
            Self::ByFsn(interleaved) => interleaved.set_max_message_size(max_message_size),
        }
    }

    /// Drops all.
    pub(super) fn clear(&mut self) -> Dropped {
        match self {
            Self::ByTsn(reassembly) => reassembly.clear(),
            Self::ByFsn(interleaved) => interleaved.clear(),
        }
    }
}

impl Receiver {
    /// A receiver that has seen nothing: `peer_initial_tsn` is what INIT or INIT ACK said,
    /// `inbound_streams` what both sides agreed on.
    pub fn new(config: &AssociationConfig, peer_initial_tsn: Tsn, inbound_streams: u16) -> Self {
        let mut receiver = Self {
            map: TsnMap::new(peer_initial_tsn),
            sack: SackTimer::new(config),
            window: Window::new(config),
            account: Account::new(config.receive_buffer),
            reassembly: Fragments::ByTsn(Reassembly::new(peer_initial_tsn, config.max_message_size)),
            streams: InboundStreams::new(inbound_streams),
            packet: PacketNotes::default(),
            partial_delivery_point: usize::MAX,
            suspended: false,
        };
        receiver.update_config(config);
        receiver
    }

    /// Takes over settings that were changed on a living association; a buffer only if it is larger than before.
    /// RFC 9260, 3.3.2, 3.3.3.
    pub fn update_config(&mut self, config: &AssociationConfig) {
        self.partial_delivery_point = config.partial_delivery_point.unwrap_or(usize::MAX);
        self.streams.set_fragment_interleave(config.fragment_interleave);
        self.time_sacks(&PathParameters::of(config));
        self.reassembly.set_max_message_size(config.max_message_size);
        if self.account.grow(config.receive_buffer) {
            self.window.suit(config.receive_buffer, config);
            self.tell_window();
        }
    }

    /// The peer may give up on messages that it has begun to send (RFC 3758).
    pub fn allow_giving_up(&mut self) {
        if let Fragments::ByTsn(reassembly) = &mut self.reassembly {
            reassembly.set_gives_up();
        }
    }

    /// Both sides have agreed to interleave messages: what comes is I-DATA (RFC 8260, 2.2.1).
    #[must_use]
    pub fn interleaved(mut self, config: &AssociationConfig) -> Self {
        self.reassembly = Fragments::ByFsn(Interleaved::new(config.max_message_size));
        self.streams.set_interleaving();
        self
    }

    /// Messages are numbered by these from now on.
    #[must_use]
    pub(crate) fn numbered_by(mut self, arrivals: &Arrivals) -> Self {
        self.streams.set_arrivals(arrivals.clone());
        self
    }

    /// The receiver in the place of this one, whose peer has restarted (5.2.4, A). What was complete had been
    /// acknowledged and can still be read; it counts on, so that no number of restarts gets past the bounds.
    pub fn restart(
        mut self,
        config: &AssociationConfig,
        peer_initial_tsn: Tsn,
        inbound_streams: u16,
    ) -> Self {
        let next = Self::new(config, peer_initial_tsn, inbound_streams);
        let mut next = next.numbered_by(self.streams.arrivals());
        self.end_deliveries();
        let (ready, aborted) = self.streams.into_ready();
        for held in ready {
            next.account.charge(held.charge);
            next.streams.keep(held);
        }
        next.streams.keep_aborted(aborted);
        next
    }

    /// Nothing more comes: what is not complete is thrown away.
    pub fn end_deliveries(&mut self) {
        let dropped = self.reassembly.clear();
        self.abort_deliveries(dropped);
    }

    /// Parts of messages were thrown away: those that were delivered in pieces end here.
    pub(super) fn abort_deliveries(&mut self, dropped: Dropped) {
        self.account.release(dropped.charge);
        if !dropped.open.is_empty() {
            let unread = self.streams.abort(dropped.open);
            self.account.release(unread);
        }
    }

    /// A message of which pieces were read and the rest will not come; each is told once (RFC 6458, 6.1.7).
    pub fn poll_aborted(&mut self) -> Option<AbortedDelivery> {
        self.streams.take_aborted()
    }

    /// The next chunks are of a packet of so many bytes, which payloads that are kept as they came keep in memory.
    pub fn begin_packet(&mut self, len: usize) {
        self.packet.len = len;
    }

    /// Takes a DATA or I-DATA chunk in.
    /// RFC 8260, 2.1.
    pub fn handle_data(&mut self, _now: Time, data: impl Into<Fragment>) -> DataOutcome {
        let data = data.into();
        self.packet.data = true;
        self.packet.immediate |= data.flags.immediate;
        self.packet.gaps |= self.map.has_gaps();
        let outcome = match self.map.classify(data.head.tsn) {
            tsn_map::Arrival::Duplicate => self.note_duplicate(data.head.tsn),
            tsn_map::Arrival::Beyond => self.drop_chunk(),
            _ if self.suspended => self.drop_chunk(),
            arrival => self.handle_new(data, arrival),
        };
        self.packet.gaps |= self.map.has_gaps();
        outcome
    }

    /// After the last chunk of a packet: decides whether to acknowledge now or later. Whether there was anything that is
    /// acknowledged: DATA, or FORWARD TSN like it (RFC 3758, 3.6).
    pub fn end_of_packet(&mut self, now: Time) -> bool {
        let notes = core::mem::take(&mut self.packet);
        let had_data = notes.data;
        if had_data {
            self.sack.end_of_packet(now, notes);
        }
        had_data
    }

    /// No more packets are waiting right now.
    pub fn end_of_batch(&mut self, _now: Time) {
        self.sack.end_of_batch();
    }

    /// The peer's DATA comes over another path than before: acknowledge every second packet again.
    pub fn handle_new_path(&mut self, parameters: &PathParameters) {
        self.sack.stop_stretching();
        self.time_sacks(parameters);
    }

    /// How long SACKs may wait is what was set for the path that data comes on.
    pub fn time_sacks(&mut self, parameters: &PathParameters) {
        self.sack.set_timing(parameters);
    }

    /// Whether a SACK is to be sent now, alone if need be.
    pub fn sack_wanted(&self) -> bool {
        self.sack.is_wanted()
    }

    /// Whether there is something to acknowledge: a SACK goes along with DATA that leaves (RFC 9260, 6.1).
    pub fn sack_pending(&self) -> bool {
        self.sack.is_pending()
    }

    /// Makes the SACK chunk, of at most `max_len` bytes (16 at least), its header included; with that
    /// everything is acknowledged.
    /// RFC 9260, 6.2, 6.7.
    pub fn make_sack(&mut self, _now: Time, max_len: usize) -> SackChunk {
        self.sack.reset();
        let room = max_len.saturating_sub(SACK_LEN) / SACK_ENTRY_LEN;
        let gap_blocks = self.map.gap_blocks(room);
        let duplicates = self.map.take_duplicates(room - gap_blocks.len());
        let a_rwnd = self.window.advertise(self.account.advertised(), !self.is_readable());
        SackChunk { cumulative_tsn_ack: self.map.cumulative(), a_rwnd, gap_blocks, duplicates }
    }

    /// NR-SACKs will be made, with what goes to the reader from now on as kept.
    pub fn note_kept(&mut self) {
        self.streams.note_kept();
    }

    /// The same as an NR-SACK; `max_len` is 20 at least.
    pub fn make_nr_sack(&mut self, now: Time, max_len: usize) -> NrSackChunk {
        let packets = self.sack.packets_unacked();
        let max_len = max_len.saturating_sub(NR_SACK_LEN - SACK_LEN);
        let SackChunk { cumulative_tsn_ack, a_rwnd, gap_blocks, duplicates } = self.make_sack(now, max_len);
        let room = (max_len.saturating_sub(SACK_LEN) / SACK_ENTRY_LEN).saturating_sub(duplicates.len());
        let (renegable_blocks, non_renegable_blocks) = match self.streams.kept_mut() {
            Some(kept) => kept.divide(cumulative_tsn_ack, &gap_blocks, room),
            None => (gap_blocks, SmallVec::new()),
        };
        NrSackChunk {
            cumulative_tsn_ack,
            a_rwnd,
            renegable_blocks,
            non_renegable_blocks,
            duplicates,
            packets,
        }
    }

    /// When a SACK is due although no further packet came.
    pub fn sack_deadline(&self) -> Option<Time> {
        self.sack.deadline()
    }

    /// The deadline may have passed; whether it has.
    pub fn handle_sack_timeout(&mut self, now: Time) -> bool {
        self.sack.handle_timeout(now)
    }

    /// From now on each packet with DATA is answered at once (SHUTDOWN-SENT; RFC 9260, 9.2).
    pub fn request_immediate_sack(&mut self) {
        self.sack.answer_every_packet();
    }

    /// The peer's data comes on several paths at once, where packets overtake each other: a gap alone is no reason to
    /// acknowledge without delay (draft-tuexen-tsvwg-sctp-multipath, 3.3).
    pub fn let_gaps_wait(&mut self) {
        self.sack.let_gaps_wait();
    }

    /// The last TSN before the first that is missing.
    pub fn cumulative_tsn(&self) -> Tsn {
        self.map.cumulative()
    }

    /// Whether TSNs above the cumulative one arrived: SHUTDOWN alone cannot acknowledge them (9.2).
    pub fn has_gaps(&self) -> bool {
        self.map.has_gaps()
    }

    /// Takes the next message, or piece of one, and frees what it held.
    pub fn read(&mut self, _now: Time) -> Option<Message> {
        let held = self.streams.read()?;
        self.account.release(held.charge);
        self.relieve();
        self.tell_window();
        Some(held.message)
    }

    /// The peer is to hear of a window that has grown much.
    fn tell_window(&mut self) {
        if self.window.needs_update(self.account.advertised(), !self.is_readable()) {
            self.sack.request();
        }
    }

    /// Whether a message waits for the reader.
    pub fn is_readable(&self) -> bool {
        self.next_arrival().is_some()
    }

    /// When the message came that [`read`](Self::read) has.
    pub fn next_arrival(&self) -> Option<Arrival> {
        self.streams.next_arrival()
    }

    /// Bytes of user data that there is room for.
    pub fn a_rwnd(&self) -> u32 {
        u32::try_from(self.account.advertised()).unwrap_or(u32::MAX)
    }

    /// Memory that received data holds: payloads and bookkeeping. Never above
    /// [`max_held_bytes`](Self::max_held_bytes).
    pub fn held_bytes(&self) -> usize {
        self.account.held()
    }

    /// Bound on [`held_bytes`](Self::held_bytes): twice the receive buffer for new data and its bookkeeping,
    /// and as much as the buffer (64 KiB at least) as a reserve to fill holes.
    pub fn max_held_bytes(&self) -> usize {
        self.account.limit()
    }

    /// RFC 3758, 3.6.
    fn note_duplicate(&mut self, tsn: Tsn) -> DataOutcome {
        self.packet.duplicate = true;
        self.map.note_duplicate(tsn);
        DataOutcome::Duplicate
    }

    /// RFC 9260, 6.2.
    fn drop_chunk(&mut self) -> DataOutcome {
        self.packet.dropped = true;
        DataOutcome::NoBuffer
    }

    /// RFC 9260, 6.5.
    fn handle_new(&mut self, data: Fragment, arrival: tsn_map::Arrival) -> DataOutcome {
        let tsn = data.head.tsn;
        if !self.streams.has(data.head.stream_id) {
            self.packet.accepted = true;
            self.map.insert(tsn);
            return DataOutcome::InvalidStream { stream_id: data.head.stream_id };
        }
        if !self.has_room(data.payload.len(), arrival) {
            return self.refuse(tsn);
        }
        self.packet.accepted = true;
        let (before, after) = (self.map.contains(tsn.prev()), self.map.contains(tsn.next()));
        self.map.insert(tsn);
        self.window.shrink(data.payload.len());
        match self.store(data, Neighbours { before, after }) {
            Ok(()) => DataOutcome::Accepted,
            Err(violation) => DataOutcome::Violation(violation),
        }
    }

    /// 6.2: with a window of 0, what is above all that came is dropped; what fills a hole is taken.
    fn has_room(&self, payload: usize, arrival: tsn_map::Arrival) -> bool {
        match arrival {
            tsn_map::Arrival::FillIn => self.account.has_reserve(payload),
            _ => self.account.window() > 0,
        }
    }

    /// Refuses a chunk for want of room. If it is the very next one and there is nothing to read, then
    /// nothing will ever make room: that must not end in a silent stall.
    fn refuse(&mut self, tsn: Tsn) -> DataOutcome {
        if tsn == self.map.cumulative().next() && !self.is_readable() {
            return DataOutcome::Violation(Violation::BufferExhausted { held: self.held_bytes() });
        }
        self.drop_chunk()
    }

    fn store(&mut self, mut data: Fragment, neighbours: Neighbours) -> Result<(), Violation> {
        if self.is_orphan(&data, neighbours) {
            return Ok(());
        }
        let (payload, charge) = self.account.take_in(data.payload, self.packet.len);
        data.payload = payload;
        let (point, cumulative) = (self.partial_delivery_point, self.map.cumulative());
        let streams = &mut self.streams;
        let whole = match &mut self.reassembly {
            Fragments::ByTsn(reassembly) => {
                let opens =
                    |run: &Run| run.len() >= point && is_front(run, cumulative) && streams.is_next(&run.head);
                reassembly.insert(data, charge, neighbours, opens)?
            }
            Fragments::ByFsn(interleaved) => {
                let opens = |run: &Run| run.len() >= point && run.begin && streams.is_next(&run.head);
                interleaved.insert(data, charge, opens)?
            }
        };
        if let Some(held) = whole {
            let stream_id = held.message.stream_id;
            match held.is_piece {
                true => self.streams.deliver_piece(held),
                false => self.streams.deliver(held)?,
            }
            self.note_turn(stream_id);
        }
        self.relieve();
        self.drop_cut_off();
        Ok(())
    }

    /// It may be the turn of another message of this stream.
    #[inline]
    pub(super) fn note_turn(&mut self, stream_id: u16) {
        if let Fragments::ByFsn(interleaved) = &mut self.reassembly
            && !interleaved.is_empty()
            && self.streams.has(stream_id)
        {
            interleaved.note_turn(stream_id, self.streams.next_mid(stream_id));
        }
    }

    /// If nothing can be read, and the peer has no window left to complete a message, then messages are delivered in
    /// pieces (RFC 9260, 6.9).
    #[inline]
    pub(super) fn relieve(&mut self) {
        if is_stuck(&self.account, &self.window, &self.streams) {
            self.begin_pieces();
        }
    }

    fn begin_pieces(&mut self) {
        let cumulative = self.map.cumulative();
        let streams = &mut self.streams;
        let pieces: SmallVec<[_; 1]> = match &mut self.reassembly {
            Fragments::ByTsn(reassembly) => {
                let opens = |run: &Run| is_front(run, cumulative) && streams.is_next(&run.head);
                reassembly.open(opens).into_iter().collect()
            }
            Fragments::ByFsn(interleaved) => interleaved.open(|run| streams.is_next(&run.head)).into(),
        };
        pieces.into_iter().for_each(|piece| self.streams.deliver_piece(piece));
    }
}

/// Whether the peer has no window left to speak of, and nothing can be read that would open it.
fn is_stuck(account: &Account, window: &Window, streams: &InboundStreams) -> bool {
    streams.next_arrival().is_none() && account.advertised() < window.step()
}

/// Whether all that was sent before this part of a message has come: then the message need not wait for others, nor
/// others, which follow it, for room.
fn is_front(run: &Run, cumulative: Tsn) -> bool {
    run.begin && run.head.tsn.at_most(cumulative)
}
