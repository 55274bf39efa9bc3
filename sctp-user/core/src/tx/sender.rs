//! Ties queue, outstanding data, the peer's window and the paths together.

use super::forward::Forward;
use super::message::{MESSAGE_OVERHEAD, Options, OutgoingMessage};
use super::outstanding::Outstanding;
use super::recovery::FastRecovery;
use super::send_queue::SendQueue;
use super::window::PeerWindow;
use crate::auth::HeldKey;
use crate::config::AssociationConfig;
use crate::error::SendError;
use crate::event::SendFailure;
use crate::message::SendOptions;
use crate::multipath::Multipath;
use crate::path::{PathId, PathSet};
use crate::reliability::{AbandonedCounts, Reliability};
use crate::serial::Tsn;
use crate::time::Time;
use crate::wire::chunk::DataFlags;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// The sending half of one association.
///
/// Messages go in by `enqueue`. While [`next_path`](Self::next_path) names a path,
/// the association builds a packet for it and lets [`fill`](Self::fill) put DATA chunks into it.
/// Acknowledgements and time-outs come in by the `handle_*` methods.
#[derive(Debug)]
pub struct Sender {
    pub(super) settings: Settings,
    /// Outbound streams: those that we ask for, until the peer has answered.
    pub(super) streams: u16,
    /// INIT or INIT ACK has come: data may be sent.
    pub(super) peer_known: bool,
    pub(super) window: PeerWindow,
    /// Payload of the largest chunk, as of the last packet: what is longer is cut, and needs no larger window.
    pub(super) largest_chunk: usize,
    pub(super) queue: SendQueue,
    pub(super) outstanding: Outstanding,
    /// A message was given a path of its own: what waits is looked at for that.
    pub(super) has_own_paths: bool,
    /// Bytes of the send buffer in use.
    pub(super) used: usize,
    /// Bytes that a refused message asked for.
    pub(super) refused: Option<usize>,
    pub(super) failures: VecDeque<SendFailure>,
    /// Both sides have partial reliability: chunks may be abandoned.
    pub(super) partial_reliability: bool,
    pub(super) forward: Forward,
    /// What was given up so far.
    pub(super) abandoned: AbandonedCounts,
    pub(super) recovery: FastRecovery,
    /// When chunks on slow paths will be so late that they are sent again elsewhere.
    pub(super) reschedule_at: Option<Time>,
    /// Paths on which one packet of retransmissions leaves whatever cwnd says (6.3.3 E3; 7.2.4, 3).
    pub(super) urgent: SmallVec<[PathId; 2]>,
    /// No further messages come: what is there goes out without delay.
    pub(super) draining: bool,
    /// All that was to leave before the pause has left, at positions before this one.
    pub(super) left_before_pause: Option<u64>,
    pub(super) stats: SenderStats,
}

/// What the sender has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct SenderStats {
    /// DATA chunks in order of their stream, without those sent again.
    pub ordered_chunks: u64,
    /// DATA chunks with the U bit, without those sent again.
    pub unordered_chunks: u64,
    /// Messages that did not fit into one chunk.
    pub messages_fragmented: u64,
    /// DATA chunks sent again, on any path.
    pub retransmitted_chunks: u64,
    /// Expiries of T3-rtx, on any path.
    pub t3_expiries: u64,
    /// Those of them that let DATA be sent again.
    pub t3_retransmits: u64,
    /// Fast retransmits, on any path.
    pub fast_retransmits: u64,
}

/// What the sender needs of [`AssociationConfig`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) no_delay: bool,
    pub(super) fragmentation_point: usize,
    pub(super) reliability: Reliability,
    pub(super) multipath: Multipath,
    send_buffer: usize,
    max_message_size: usize,
}

impl Settings {
    fn new(config: &AssociationConfig) -> Self {
        Self {
            no_delay: config.no_delay,
            fragmentation_point: config.fragmentation_point,
            reliability: config.reliability,
            multipath: config.multipath,
            send_buffer: config.send_buffer,
            max_message_size: config.max_message_size,
        }
    }

    /// The longest message that can ever be accepted.
    fn max_message(&self) -> usize {
        // Offsets of chunks in a message have 32 bits.
        let limit = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
        self.max_message_size.min(limit)
    }
}

impl SenderStats {
    /// A chunk leaves for the first time.
    pub(super) fn count(&mut self, flags: DataFlags) {
        let chunks = if flags.unordered { &mut self.unordered_chunks } else { &mut self.ordered_chunks };
        *chunks += 1;
        self.messages_fragmented += u64::from(flags.begin && !flags.end);
    }
}

impl Sender {
    /// A sender whose first chunk will have `initial_tsn`. Messages may queue before the peer is known.
    pub fn new(config: &AssociationConfig, initial_tsn: Tsn) -> Self {
        Self {
            settings: Settings::new(config),
            streams: config.outbound_streams,
            peer_known: false,
            window: PeerWindow::new(config),
            largest_chunk: usize::MAX,
            queue: SendQueue::new(config),
            outstanding: Outstanding::new(initial_tsn),
            has_own_paths: false,
            used: 0,
            refused: None,
            failures: VecDeque::new(),
            partial_reliability: false,
            forward: Forward::default(),
            abandoned: AbandonedCounts::default(),
            reschedule_at: None,
            recovery: FastRecovery::new(config.multipath.is_on()),
            urgent: SmallVec::new(),
            draining: false,
            left_before_pause: None,
            stats: SenderStats::default(),
        }
    }

    /// The sender in the place of an earlier one, whose counters go on.
    pub fn counting_on(self, stats: SenderStats) -> Self {
        Self { stats, ..self }
    }

    /// Counters.
    pub fn stats(&self) -> &SenderStats {
        &self.stats
    }

    /// Takes over settings that were changed on a living association.
    pub fn update_config(&mut self, config: &AssociationConfig) {
        self.settings = Settings::new(config);
        self.recovery.split = config.multipath.is_on();
        self.window.update_config(config);
        self.queue.set_scheduler(config);
    }

    /// Whether both sides agreed to interleave messages: then all data is sent as I-DATA (RFC 8260, 2.2.1).
    pub fn set_interleaving(&mut self, interleaving: bool) {
        self.queue.set_interleaving(interleaving);
        self.outstanding.set_interleaving(interleaving);
    }

    /// INIT or INIT ACK has come: from now on data may be sent. Messages that wait for streams that
    /// the peer did not grant fail.
    pub fn set_peer(&mut self, a_rwnd: u32, outbound_streams: u16) {
        self.peer_known = true;
        self.streams = outbound_streams;
        self.window.advertise(a_rwnd);
        let without_stream = self.queue.take_without_stream(outbound_streams).into_iter();
        self.failures.extend(without_stream.map(|message| message.into_failure(false)));
    }

    /// Accepts a message, or a piece of one. A message larger than the send buffer is taken once nothing else is in it:
    /// its bytes are in memory already. `path` is the one to [`SendOptions::path`].
    pub(crate) fn enqueue(
        &mut self,
        now: Time,
        options: &SendOptions,
        key: Option<HeldKey>,
        path: Option<PathId>,
        payload: Bytes,
    ) -> Result<(), SendError> {
        self.check(options, payload.len())?;
        self.check_room(payload.len())?;
        let limit = self.limit(now, options);
        self.has_own_paths |= path.is_some();
        let message = OutgoingMessage { options: Options::new(options, path), limit, key, payload };
        self.used += message.cost();
        self.queue.push(message);
        self.review_window(now);
        Ok(())
    }

    /// Whether a message need not be cut (RFC 6458, 8.1.11).
    pub(crate) fn check_uncut(
        &self,
        options: &SendOptions,
        len: usize,
        paths: &PathSet,
    ) -> Result<(), SendError> {
        let max = self.largest_payload(paths);
        let len = len.saturating_add(self.queue.record_len(options.stream_id));
        if len > max { Err(SendError::TooLarge { len, max }) } else { Ok(()) }
    }

    /// Whether there can be such a message (RFC 9260, 5.1.1, 6.5).
    /// RFC 9260, 6.2.
    pub(super) fn check(&self, options: &SendOptions, len: usize) -> Result<(), SendError> {
        let max = self.settings.max_message();
        if len == 0 {
            return Err(SendError::Empty);
        }
        let whole = len.saturating_add(self.queue.record_len(options.stream_id));
        if whole > max {
            return Err(SendError::TooLarge { len: whole, max });
        }
        if options.stream_id >= self.streams {
            return Err(SendError::InvalidStream { stream_id: options.stream_id, streams: self.streams });
        }
        Ok(())
    }

    /// Whether a message of `len` bytes has room now. If not, [`take_writable`](Self::take_writable) says when it has.
    pub fn has_room(&mut self, len: usize) -> bool {
        self.check_room(len).is_ok()
    }

    fn check_room(&mut self, len: usize) -> Result<(), SendError> {
        let (free, needed) = (self.free(), len + MESSAGE_OVERHEAD);
        if needed > free && self.used > 0 {
            self.refused = Some(needed);
            return Err(SendError::WouldBlock { free });
        }
        Ok(())
    }

    /// No further messages will come (SHUTDOWN-PENDING, SHUTDOWN-RECEIVED): what is there goes out without waiting for
    /// more, and its last chunk asks to be acknowledged at once (RFC 9260, 6.1).
    pub fn set_draining(&mut self) {
        self.draining = true;
    }

    /// A message that was given up: by its [reliability](crate::reliability), or because its stream does not exist.
    pub fn poll_failure(&mut self) -> Option<SendFailure> {
        let failure = self.failures.pop_front()?;
        // Until now it counted, so that failures nobody asks for cannot pile up.
        self.used -= failure.payload.len() + MESSAGE_OVERHEAD;
        Some(failure)
    }

    /// The association is lost or restarted: every message that is not wholly acknowledged, in order.
    pub fn fail_all(&mut self, paths: &mut PathSet) -> Vec<SendFailure> {
        let mut failures: Vec<_> = self.failures.drain(..).collect();
        let sent = self.outstanding.drain_messages(paths).map(|sent| sent.message.into_failure(true));
        failures.extend(sent);
        failures.extend(self.queue.drain().map(|message| message.into_failure(false)));
        self.used = 0;
        self.recovery.clear();
        self.urgent.clear();
        self.forward.clear();
        self.window.stop_waiting();
        failures
    }

    /// Whether nothing is queued and nothing outstanding.
    pub fn is_empty(&self) -> bool {
        !self.has_unsent() && !self.has_outstanding()
    }

    /// Whether a message is handed over in pieces, and its end has not come.
    pub fn has_open_record(&self) -> bool {
        self.queue.has_open_record()
    }

    /// Whether chunks are not yet cumulatively acknowledged.
    pub fn has_outstanding(&self) -> bool {
        self.outstanding.len() > 0
    }

    /// Whether there is data that was never sent.
    pub fn has_unsent(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Chunks that are not yet cumulatively acknowledged.
    pub fn outstanding_chunks(&self) -> usize {
        self.outstanding.len()
    }

    /// Messages of which nothing was sent yet.
    pub fn queued_messages(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of the peer's receive window that are left.
    pub fn peer_rwnd(&self) -> usize {
        self.window.room(self.outstanding.in_flight_payload())
    }

    /// Bytes free in the send buffer. Each message takes its length and a fixed overhead; a chunk's
    /// bytes come free when it is cumulatively acknowledged.
    pub fn free(&self) -> usize {
        self.settings.send_buffer.saturating_sub(self.used)
    }

    /// Whether room came back for a message that was refused; says so once.
    pub fn take_writable(&mut self) -> bool {
        let free = self.free();
        let empty = self.used == 0;
        self.refused.take_if(|needed| *needed <= free || empty).is_some()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due: a lifetime ends, or a zero window probe
    /// may be sent. T3-rtx is in the paths.
    pub fn deadline(&self) -> Option<Time> {
        let expiry = self.queue.next_expiry();
        [expiry, self.window.probe_at, self.reschedule_at].into_iter().flatten().min()
    }

    /// Gives up messages whose lifetime is over before anything of them was sent (11.1.5). A probe
    /// that is due makes [`next_path`](Self::next_path) name a path.
    pub fn handle_timeout(&mut self, now: Time) {
        self.reschedule_at.take_if(|at| *at <= now);
        self.window.handle_timeout(now);
        self.abandon_expired(now);
        self.review_window(now);
    }

    /// Nothing may leave now. Where larger packets fit by now, the next chunk is larger, and may need to wait for the peer's
    /// window though a smaller one would not have.
    pub fn handle_nothing_left(&mut self, now: Time, paths: &PathSet) {
        let largest = self.largest_payload(paths);
        if core::mem::replace(&mut self.largest_chunk, largest) != largest {
            self.review_window(now);
        }
    }

    /// Decides whether data waits for the peer's window to open with nothing outstanding: then no
    /// acknowledgement will come by itself, and a probe must be sent (6.1 A).
    pub(super) fn review_window(&mut self, now: Time) {
        let next = self.next_message_len();
        let needed = next.map(|len| len.min(self.largest_chunk));
        let closed = self.peer_known && needed.is_some_and(|needed| needed > self.window.advertised());
        if closed && self.outstanding.len() == 0 {
            self.window.wait_to_probe(now);
        } else {
            self.window.stop_waiting();
        }
    }

    /// Bytes that are not in a chunk yet of the message whose turn it is.
    pub(super) fn next_message_len(&self) -> Option<usize> {
        self.queue.turn().map(|turn| turn.uncut)
    }

    /// Panics unless what is counted is what is there: for tests and debug builds.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self, paths: &PathSet) {
        self.outstanding.check(paths);
        self.queue.check();
        let failed: usize =
            self.failures.iter().map(|failure| failure.payload.len() + MESSAGE_OVERHEAD).sum();
        let counted = self.queue.counted_cost() + self.outstanding.counted_cost() + failed;
        assert_eq!(self.used, counted, "send buffer bytes in use");
        for path in paths.iter() {
            let timer = path.t3_rtx.is_some();
            let needed = path.flight_size > 0 || self.forward.is_in_flight_on(path.id);
            assert_eq!(timer, needed, "T3-rtx runs while data or FORWARD TSN is in flight on {:?}", path.id);
        }
        let stalled = self.has_outstanding() && !self.outstanding.has_in_flight();
        assert!(
            !stalled || self.outstanding.first_marked().is_some() || self.forward.is_waiting(),
            "outstanding data waits for something"
        );
    }

    /// What does not fit the peer's window, with nothing outstanding, waits for a probe (RFC 9260, 6.1 A).
    /// Holds once nothing may leave any more.
    #[cfg(any(test, debug_assertions))]
    pub fn check_probe(&self, paths: &PathSet) {
        let window = self.window.advertised();
        let needed = self.next_message_len().map(|len| len.min(self.largest_payload(paths)));
        let waits = needed.is_some_and(|needed| needed > window) && !self.window.worth_filling(window);
        let probes = !self.peer_known || self.outstanding.len() > 0 || self.window.waits_to_probe();
        assert!(probes || !waits, "{needed:?} bytes wait for a window of {window}, and for no probe");
    }
}
