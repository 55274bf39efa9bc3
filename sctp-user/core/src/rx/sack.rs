//! When to acknowledge (RFC 9260, 6.2 and 6.7).
//!
//! Every second packet and at the latest after the SACK delay; at once when the sender needs to know:
//! the association's first DATA, gaps, duplicates, dropped chunks, the I bit, a shutdown.
//!
//! **Stretching.** A sender's window grows with the SACKs that it gets, so every second packet is the rule
//! at first and after a gap, an idle time or a new path. Where `sack_frequency` allows for more, and only
//! once many batches in a row were longer than it, a SACK goes out every `sack_frequency` packets or
//! at the end of the batch, whichever is first. At the end of a batch never more than one packet waits.
//!
//! Whoever drives this asks [`is_wanted`](SackTimer::is_wanted) after each packet, not only after a batch:
//! many packets between two questions are one SACK, whatever was decided here.

use core::time::Duration;

use crate::config::AssociationConfig;
use crate::path::PathParameters;
use crate::time::Time;

/// SACK.Delay must not be configured to more (RFC 9260, 6.2).
const MAX_SACK_DELAY: Duration = Duration::from_millis(500);

/// Packets that RFC 9260, 6.2 lets wait for one SACK.
const EVERY_SECOND_PACKET: u32 = AssociationConfig::SACK_FREQUENCY;

/// Batches in a row that were longer than the stretch, before it is used: by then the sender's window
/// has grown to what the path or our buffer allows (its growth is what every second SACK is for).
pub(super) const LONG_BATCHES_TO_STRETCH: u32 = 64;

/// What the chunks of the packet in work said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PacketNotes {
    /// Bytes of it, as far as known.
    pub(super) len: usize,
    /// It held DATA.
    pub(super) data: bool,
    /// Some of it was new and taken.
    pub(super) accepted: bool,
    /// Some of it came before.
    pub(super) duplicate: bool,
    /// Some of it was dropped, for want of room.
    pub(super) dropped: bool,
    /// The I bit was set.
    pub(super) immediate: bool,
    /// There were gaps before it, or are now.
    pub(super) gaps: bool,
}

impl PacketNotes {
    /// Whether the packet by itself asks for a SACK without delay; `gaps_wait`: not for gaps.
    /// RFC 9260, 7.2.4.
    /// RFC 7053, 5.2.
    fn is_urgent(self, gaps_wait: bool) -> bool {
        // 6.2: a packet with duplicates only, or with a chunk that was dropped, or with the I bit; 6.7: gaps.
        (self.gaps && !gaps_wait) || self.dropped || self.immediate || (self.duplicate && !self.accepted)
    }
}

/// Decides when a SACK goes out.
#[derive(Debug)]
pub(super) struct SackTimer {
    delay: Duration,
    frequency: u32,
    every_packet: bool,
    /// The peer's data comes on several paths at once, so gaps are no sign of loss
    /// (draft-tuexen-tsvwg-sctp-multipath, 3.3).
    gaps_wait: bool,
    wanted: bool,
    deadline: Option<Time>,
    packets_unacked: u32,
    batch_packets: u32,
    long_batches: u32,
    last_data: Option<Time>,
}

impl SackTimer {
    /// RFC 9260, 6.2.
    pub(super) fn new(config: &AssociationConfig) -> Self {
        let (delay, frequency) = timing(&PathParameters::of(config));
        Self {
            delay,
            frequency,
            every_packet: false,
            gaps_wait: false,
            wanted: false,
            deadline: None,
            packets_unacked: 0,
            batch_packets: 0,
            long_batches: 0,
            last_data: None,
        }
    }

    /// Takes over settings that were changed. What waits already waits on.
    pub(super) fn set_timing(&mut self, parameters: &PathParameters) {
        (self.delay, self.frequency) = timing(parameters);
    }

    /// A packet with DATA has been taken in.
    /// RFC 9260, 6.2, 5.1.5.
    pub(super) fn end_of_packet(&mut self, now: Time, notes: PacketNotes) {
        // 5.1: the first DATA of an association is acknowledged at once.
        let first = self.last_data.is_none();
        let idle = self.last_data.is_some_and(|last| now - last > self.delay);
        self.last_data = Some(now);
        self.packets_unacked = self.packets_unacked.saturating_add(1);
        self.batch_packets = self.batch_packets.saturating_add(1);
        if idle || notes.gaps || notes.dropped {
            self.stop_stretching();
        }
        if first
            || self.every_packet
            || notes.is_urgent(self.gaps_wait)
            || self.packets_unacked >= self.limit()
        {
            self.request();
        } else if self.deadline.is_none() {
            self.deadline = Some(now + self.delay);
        }
    }

    /// No more packets are waiting.
    pub(super) fn end_of_batch(&mut self) {
        if self.packets_unacked >= EVERY_SECOND_PACKET {
            self.request();
        }
        match core::mem::take(&mut self.batch_packets) {
            0 => {}
            packets if packets > self.frequency => self.long_batches = self.long_batches.saturating_add(1),
            _ => self.long_batches = 0,
        }
    }

    /// The peer's data comes another way: its window there begins small.
    pub(super) fn stop_stretching(&mut self) {
        self.long_batches = 0;
    }

    /// From now on every packet with DATA is answered at once.
    /// RFC 9260, 4.
    pub(super) fn answer_every_packet(&mut self) {
        self.every_packet = true;
        if self.packets_unacked > 0 {
            self.request();
        }
    }

    /// From now on gaps alone are no reason for a SACK without delay.
    pub(super) fn let_gaps_wait(&mut self) {
        self.gaps_wait = true;
    }

    /// A SACK is to go out now.
    pub(super) fn request(&mut self) {
        self.wanted = true;
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Something is there to acknowledge: a packet that leaves anyway takes the SACK along (6.1).
    pub(super) fn is_pending(&self) -> bool {
        self.wanted || self.packets_unacked > 0
    }

    /// Packets with DATA since the last SACK, up to 255.
    pub(super) fn packets_unacked(&self) -> u8 {
        u8::try_from(self.packets_unacked).unwrap_or(u8::MAX)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Whether the delay is over.
    pub(super) fn handle_timeout(&mut self, now: Time) -> bool {
        let is_over = self.deadline.take_if(|deadline| *deadline <= now).is_some();
        if is_over {
            self.stop_stretching();
            self.request();
        }
        is_over
    }

    /// A SACK has been made.
    /// RFC 9260, 6.2.
    pub(super) fn reset(&mut self) {
        self.wanted = false;
        self.deadline = None;
        self.packets_unacked = 0;
    }

    /// Packets that may wait for one SACK now.
    /// RFC 9260, 6.2.
    fn limit(&self) -> u32 {
        if self.long_batches >= LONG_BATCHES_TO_STRETCH {
            self.frequency
        } else {
            self.frequency.min(EVERY_SECOND_PACKET)
        }
    }
}

/// How long, and for how many packets, a SACK may wait.
fn timing(parameters: &PathParameters) -> (Duration, u32) {
    let frequency = parameters.sack_frequency.unwrap_or(AssociationConfig::STRETCHED_SACK_FREQUENCY);
    (parameters.sack_delay.min(MAX_SACK_DELAY), frequency.max(1))
}
