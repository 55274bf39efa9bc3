//! Numbers streams and TSNs anew, and adds streams (RFC 6525).
//!
//! First the streams are paused: what was sent on them before leaves under the old numbers, what comes later waits. Once
//! the former is acknowledged the peer is asked; then the streams are [reset](Sender::reset_paused), or just
//! [go on](Sender::resume).

use super::sender::Sender;
use crate::serial::Tsn;
use crate::stream_set::StreamSet;
use crate::time::Time;

impl Sender {
    /// The TSN that the next new chunk gets.
    pub fn next_tsn(&self) -> Tsn {
        self.outstanding.tsn(self.outstanding.end())
    }

    /// Holds back messages for `streams` that come from now on (RFC 6525, 5.1.2 A1).
    pub fn pause(&mut self, streams: StreamSet) {
        self.queue.pause(streams);
        self.left_before_pause = None;
    }

    /// Holds back all messages but the rest of those that are partly sent (RFC 6525, 5.1.4 C2).
    pub fn pause_all_now(&mut self) {
        self.queue.pause_all_now();
        self.left_before_pause = None;
    }

    /// Whether all that was sent on the paused streams before the pause is acknowledged.
    pub fn is_drained(&mut self) -> bool {
        if self.left_before_pause.is_none() {
            self.left_before_pause = self.end_before_pause();
        }
        self.left_before_pause.is_some_and(|end| self.outstanding.first() >= end)
    }

    /// The position after the last chunk of the paused streams, once nothing more of them leaves.
    fn end_before_pause(&mut self) -> Option<u64> {
        if self.queue.waits_before_pause() {
            return None;
        }
        self.queue.paused().map(|streams| self.outstanding.end_of(streams))
    }

    /// Whether streams are paused.
    pub fn is_paused(&self) -> bool {
        self.queue.paused().is_some()
    }

    /// Messages that were held back leave.
    pub fn resume(&mut self, now: Time) {
        self.queue.resume();
        self.review_window(now);
    }

    /// The paused streams begin with 0 again, and go on (RFC 6525, 5.2.7 H4).
    pub fn reset_paused(&mut self, now: Time) {
        if let Some(streams) = self.queue.paused().cloned() {
            self.queue.reset(&streams);
        }
        self.resume(now);
    }

    /// All streams begin with 0 again, the TSNs with `next_tsn` (RFC 6525, 5.2.7 H5). Nothing may be outstanding.
    pub fn reset_tsns(&mut self, now: Time, next_tsn: Tsn) {
        self.outstanding.set_next_tsn(next_tsn);
        self.queue.reset(&StreamSet::All);
        self.resume(now);
    }

    /// Whether the next message on each of `streams` has the number 0.
    pub fn is_at_start(&self, streams: &StreamSet) -> bool {
        self.queue.is_at_start(streams)
    }

    /// There are so many outbound streams from now on (RFC 6525, 5.2.7 H6).
    pub fn set_streams(&mut self, streams: u16) {
        self.streams = streams;
    }
}
