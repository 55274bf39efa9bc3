//! When messages are given up (RFC 3758, 3.5 and 4.1; RFC 7496, 3; RFC 9260, 11.1.5).

use super::message::{Limit, MESSAGE_OVERHEAD, OutgoingMessage};
use super::sender::Sender;
use crate::message::SendOptions;
use crate::path::{PathId, PathSet};
use crate::reliability::{Abandoned, Policy};
use crate::time::Time;

impl Sender {
    /// Both sides have partial reliability: what was sent may be given up, too.
    pub fn set_partial_reliability(&mut self, in_use: bool) {
        self.partial_reliability = in_use;
    }

    /// Messages given up so far by `policy`, or by any; of one stream, or of all.
    pub fn abandoned(&self, stream_id: Option<u16>, policy: Option<Policy>) -> Abandoned {
        match stream_id {
            Some(stream_id) => self.abandoned.of_stream(stream_id, policy),
            None => self.abandoned.of_all(policy),
        }
    }

    /// Gives up what would have to be sent now but is past its lifetime or was sent again often enough. To be
    /// called before a packet is filled: then nothing of it leaves (RFC 3758, 4.1 TR3 and TR4; RFC 7496, 3.1).
    pub fn abandon_overdue(&mut self, now: Time, paths: &mut PathSet) {
        self.abandon_expired(now);
        if self.overdue(now).is_none() {
            return;
        }
        // Where the chunk would have gone, FORWARD TSN goes (RFC 9260, 6.4.1).
        let path = self.retransmission_path(paths);
        while let Some(slot) = self.overdue(now) {
            self.abandon_sent(slot, paths);
        }
        self.after_abandoning(now, path, paths);
    }

    /// A message that would have to be sent now, for the first time or again, and must not be; its place.
    /// RFC 3758, 3.3.2, 3.3.3, 3.5, 4.1, 3.4.
    /// RFC 7496, 3, 3.1.
    pub(super) fn overdue(&self, now: Time) -> Option<u32> {
        if !self.partial_reliability || !self.outstanding.has_limited() {
            return None;
        }
        let partial = || self.queue.turn()?.slot.filter(|&slot| self.outstanding.has_expired(slot, now));
        self.outstanding.overdue_marked(now).or_else(partial)
    }

    /// Gives up messages whose lifetime was over before anything of them was sent (RFC 9260, 11.1.5). What comes behind them
    /// may not fit the peer's window, though they did.
    /// RFC 3758, 4.1.
    pub(super) fn abandon_expired(&mut self, now: Time) {
        let failures = self.failures.len();
        while let Some(message) = self.queue.pop_expired(now) {
            self.abandon_unsent(message);
        }
        if self.failures.len() > failures {
            self.review_window(now);
        }
    }

    /// Gives up messages of a lower priority than a new one of `len` bytes, which has no room otherwise, if that makes
    /// enough room (RFC 7496, 3.2): first those of which nothing was sent, then those that wait to be sent again.
    /// Whether some were given up; the room is there once they are taken by [`poll_failure`](Self::poll_failure).
    pub fn make_room(&mut self, now: Time, options: &SendOptions, len: usize, paths: &mut PathSet) -> bool {
        let needed = len + MESSAGE_OVERHEAD;
        if needed <= self.free() || self.check(options, len).is_err() {
            return false;
        }
        let priority = self.limit(now, options).priority();
        let Some((unsent, sent)) = self.choose_below(priority, needed - self.free()) else { return false };
        for _ in 0..unsent {
            let Some(message) = self.queue.pop_below(priority) else { break };
            self.abandon_unsent(message);
        }
        for slot in sent {
            self.abandon_sent(slot, paths);
        }
        self.after_abandoning(now, None, paths);
        true
    }

    /// Messages below `priority` that take `missing` bytes together: how many of the queue, and which of those sent.
    fn choose_below(&self, priority: Option<u32>, missing: usize) -> Option<(usize, Vec<u32>)> {
        let mut sum = 0;
        let mut is_needed = |cost: usize| {
            let needed = sum < missing;
            sum += if needed { cost } else { 0 };
            needed
        };
        let unsent = self.queue.costs_below(priority).take_while(|&cost| is_needed(cost)).count();
        let sent = self.outstanding.messages_below(priority).take_while(|_| self.partial_reliability);
        let sent = sent.take_while(|&(_, cost)| is_needed(cost)).map(|(slot, _)| slot).collect();
        (sum >= missing).then_some((unsent, sent))
    }

    /// The limit of a message with these options.
    pub(super) fn limit(&self, now: Time, options: &SendOptions) -> Limit {
        Limit::new(now, options.reliability.unwrap_or(self.settings.reliability))
    }

    fn abandon_unsent(&mut self, message: OutgoingMessage) {
        if let Some(policy) = message.limit.policy() {
            self.abandoned.count(message.options.stream_id, policy, false);
        }
        self.failures.push_back(message.into_failure(false));
    }

    /// The failure holds the payload until it is taken.
    fn abandon_sent(&mut self, slot: u32, paths: &mut PathSet) {
        let Some(given_up) = self.outstanding.abandon(slot, paths) else { return };
        self.queue.abandon_partial(given_up.failure.stream_id, slot);
        if let Some(policy) = given_up.policy {
            self.abandoned.count(given_up.failure.stream_id, policy, true);
        }
        self.used = self.used - given_up.freed + given_up.failure.payload.len() + MESSAGE_OVERHEAD;
        self.failures.push_back(given_up.failure);
    }

    /// RFC 3758, 4.3.
    fn after_abandoning(&mut self, now: Time, path: Option<PathId>, paths: &mut PathSet) {
        if self.outstanding.first_marked().is_none() {
            self.urgent.clear();
        }
        self.advance_ack_point(now, path, paths);
        self.review_window(now);
    }
}
