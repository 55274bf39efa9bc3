//! The timers of an association: when the next one expires, and what then is done.

use super::state::{LastSends, State};
use super::{Association, Context};
use crate::path::PathId;
use crate::rx::Receiver;
use crate::time::Time;
use smallvec::SmallVec;

impl Association {
    /// The earliest deadline of all timers that run.
    pub(crate) fn deadline(&self) -> Option<Time> {
        if self.is_closed() {
            return None;
        }
        let mut earliest: Option<Time> = None;
        let mut consider = |timer: Option<Time>| {
            if timer.is_some() && (earliest.is_none() || timer < earliest) {
                earliest = timer;
            }
        };
        for path in self.paths.iter() {
            consider(path.t3_rtx);
            consider(path.heartbeat.next_at);
            consider(path.mtu.timer());
            consider(path.congestion.deadline());
        }
        consider(self.state.deadline());
        consider(self.asconf.as_ref().and_then(|asconf| asconf.deadline()));
        consider(self.receiver.as_ref().and_then(Receiver::sack_deadline));
        consider(self.sender.deadline());
        consider(self.autoclose_at());
        consider(self.reconfig_at());
        earliest
    }

    /// Those of them that sending a message may bring forward.
    pub(crate) fn sending_deadline(&self) -> Option<Time> {
        self.sender.deadline()
    }

    /// Acts on all deadlines that are due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        // T3 goes before T1: what it marks for retransmission leaves beside the next COOKIE ECHO.
        for path in self.due_paths(|path| path.t3_rtx, now) {
            tracing::trace!(tag = self.tags.local, path = path.0, "T3-rtx");
            self.handle_t3(now, path);
        }
        self.handle_state_timers(now);
        self.handle_address_timer(now);
        // An ended association acts no more, whichever timer ended it.
        if self.is_closed() {
            return;
        }
        for path in self.due_paths(|path| path.heartbeat.next_at, now) {
            self.handle_heartbeat_timer(cx, path);
        }
        if self.is_closed() {
            return;
        }
        self.announce_after_silence(now);
        for path in self.due_paths(|path| path.mtu.timer(), now) {
            self.handle_mtu_timer(cx, path);
        }
        if let Some(receiver) = &mut self.receiver {
            self.stats.sack_delay_expiries += u64::from(receiver.handle_sack_timeout(now));
        }
        self.sender.handle_timeout(now);
        self.paths.iter_mut().for_each(|path| path.congestion.handle_timeout(now));
        if self.reconfig_at().is_some_and(|at| at <= now) {
            self.handle_t_reconfig(now);
        }
        if self.is_closed() {
            return;
        }
        if self.autoclose_at().is_some_and(|at| at <= now) {
            self.stats.autoclose_expiries += 1;
            self.shutdown(now);
        }
        self.follow_up(now);
    }

    fn handle_state_timers(&mut self, now: Time) {
        let (mut t1, mut t2, mut t5) = (false, false, false);
        if let Some(setup) = self.state.setup_mut() {
            t1 = setup.t1 <= now;
        }
        if let Some(ending) = self.state.ending() {
            t5 = ending.guard <= now;
            t2 = ending.t2 <= now;
        }
        if let State::ShutdownReceived(LastSends::AwaitedUntil(until)) = self.state
            && until <= now
        {
            self.handle_end_of_last_sends(now);
        }
        match () {
            () if t1 => self.handle_t1(now),
            () if t5 => self.handle_t5(),
            () if t2 => self.handle_t2(now),
            () => {}
        }
    }

    /// The Re-configuration timer expires then (RFC 6525, 5.1.1). After SHUTDOWN nothing waits for an answer.
    fn reconfig_at(&self) -> Option<Time> {
        self.reconfig.deadline().filter(|_| self.state().sends_data())
    }

    fn due_paths(
        &self,
        timer: impl Fn(&crate::path::Path) -> Option<Time>,
        now: Time,
    ) -> SmallVec<[PathId; 4]> {
        let due = self.paths.iter().filter(|path| timer(path).is_some_and(|at| at <= now));
        due.map(|path| path.id).collect()
    }
}
