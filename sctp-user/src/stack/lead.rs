//! Leader and followers: which thread reads the network.
//!
//! Whoever waits in a call leads if nobody else does: it sleeps on the driver's descriptors, reads a
//! batch, runs the core, and returns when its own socket has what it waits for. Others follow: they
//! sleep on a condition variable of their own and are woken for their own socket, or to lead.
//!
//! The stack's own thread leads only when no caller is inside. A caller that leaves with its message
//! is usually back within microseconds, so the thread does not take over at once: while callers come and
//! go it looks only every [`TICK`], serves what has come by then, and leads when a whole tick
//! passed without a caller. So a receiver in a loop causes no wake-up for each message. A sender in a loop
//! whose buffer is never full would leave acknowledgements to that tick: so a sender reads the network on
//! its way out when nobody has for [`LOOK`], which costs less than a wake-up of the thread would.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use parking_lot::{Condvar, Mutex, MutexGuard};
use sctp_core::time::Time;
use smallvec::SmallVec;

use super::clock::Clock;
use super::error::Error;
use super::mailbox::Interest;
use super::state::{Background, How, Leader, Life, State, Target};

/// How often the background thread looks while callers come and go.
const TICK: Duration = Duration::from_millis(2);
/// A sender looks for acknowledgements when nobody has read the network for so long.
const LOOK: Duration = Duration::from_micros(200);
/// Batches that a call which may not wait reads at most, in search of something for itself.
const LOOKS_WITHOUT_PATIENCE: u32 = 16;
/// No sleep is longer, so that no clock overflows.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// A stack, as its handles and its thread share it.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) clock: Clock,
    /// What the leader polls: copies of the driver's descriptors, so that it needs no lock to sleep.
    descriptors: Vec<OwnedFd>,
    bell: OwnedFd,
    background_bell: OwnedFd,
    /// Wakes the background thread out of [`Background::Asleep`].
    background: Condvar,
}

/// What a sleep was ended by, if not by time.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    /// The driver: something has come, or there is room.
    network: bool,
    /// What was slept beside is readable.
    other: bool,
}

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all: [`Error::WouldBlock`].
    None,
    /// Until then, a time of the stack's clock: [`Error::TimedOut`].
    Until(Time),
    /// As long as it takes.
    Forever,
}

impl Patience {
    /// Whether a call that has read `looks` batches for others may read one more.
    fn check_busy(self, now: Time, looks: u32) -> Result<(), Error> {
        match self {
            Self::None if looks < LOOKS_WITHOUT_PATIENCE => Ok(()),
            _ => self.check(now),
        }
    }

    fn check(self, now: Time) -> Result<(), Error> {
        match self {
            Self::None => Err(Error::WouldBlock),
            Self::Until(deadline) if deadline <= now => Err(Error::TimedOut),
            Self::Until(_) | Self::Forever => Ok(()),
        }
    }

    fn deadline(self) -> Option<Time> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::None | Self::Forever => None,
        }
    }
}

thread_local! {
    /// A thread waits in one call at a time.
    static CONDVAR: Arc<Condvar> = Arc::default();
}

impl Shared {
    pub(super) fn new(state: State, clock: Clock) -> std::io::Result<Self> {
        let driver = state.engine.driver.descriptors();
        let descriptors = driver.iter().map(|fd| fd.try_clone_to_owned()).collect::<Result<_, _>>()?;
        drop(driver);
        let bell = state.lead.bell.as_fd().try_clone_to_owned()?;
        let background_bell = state.lead.background_bell.as_fd().try_clone_to_owned()?;
        Ok(Self {
            state: Mutex::new(state),
            clock,
            descriptors,
            bell,
            background_bell,
            background: Condvar::new(),
        })
    }

    /// Does one thing that does not wait.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State, Time) -> T) -> T {
        let mut guard = self.state.lock();
        let now = self.clock.now();
        let result = act(&mut guard, now);
        guard.settle(now);
        self.alert_leader(&mut guard);
        release(guard);
        result
    }

    /// Looks at something. Whoever changes anything settles it, so that there is nothing else to do.
    pub(super) fn see<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock())
    }

    /// Tries `attempt` until it succeeds or `patience` ends; leads or follows in between.
    pub(super) fn wait<T>(
        &self,
        target: Target,
        interest: Interest,
        patience: Patience,
        mut attempt: impl FnMut(&mut State, Time) -> Poll<Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut call = Call { shared: self, waiter: None, leads: false };
        let mut guard = self.state.lock();
        // Nothing came when last looked: sleep before looking again.
        let mut dry = false;
        let mut looks = 0;
        let result = loop {
            let now = self.clock.now();
            if let Err(error) = guard.check_open() {
                break Err(error);
            }
            let outcome = attempt(&mut guard, now);
            guard.settle(now);
            if let Poll::Ready(result) = outcome {
                if interest == Interest::Write && guard.is_look_due(now) {
                    guard.turn(now);
                }
                break result;
            }
            // What has come already is worth a look, also in a call that may not wait; but not for ever, if all of
            // it is for others.
            if !dry && (call.leads || guard.lead.leader != Leader::Caller) {
                if looks > 0
                    && let Err(error) = patience.check_busy(now, looks)
                {
                    break Err(error);
                }
                looks += 1;
                dry = !guard.turn(now);
                if !dry {
                    self.breathe(&mut guard);
                    continue;
                }
            }
            if let Err(error) = patience.check(now) {
                break Err(error);
            }
            call.wait_once(&mut guard, target, interest, now, patience.deadline());
            dry = false;
        };
        call.leave(guard);
        result
    }

    /// Reads what has come, as far as a call that may not wait does, and acts on what is due.
    pub(super) fn look(&self) {
        // Mostly nothing has: that is one question to the kernel, however many sockets the driver has.
        let has_come = self.poll(Leader::Nobody, Duration::ZERO, false, None).network;
        self.with(|state, now| {
            if has_come || state.is_due(now) {
                state.turn_until_dry(now);
            }
        });
    }

    /// Serves the network until `other` is readable, which is the answer, or tasks were woken: for who waits for other things,
    /// too, and is woken by tasks' wakers. Those that other threads wake are to make `other` readable. Where another caller leads
    /// already, it only waits.
    pub(super) fn lead_until(&self, other: BorrowedFd<'_>) -> Result<bool, Error> {
        let mut call = Call { shared: self, waiter: None, leads: false };
        let mut guard = self.state.lock();
        let result = loop {
            if let Err(error) = guard.check_open() {
                break Err(error);
            }
            if !call.leads && guard.lead.leader == Leader::Caller {
                MutexGuard::unlocked(&mut guard, || wait_for(other));
                break Ok(true);
            }
            // Nobody is woken for a task of the caller's own while it sleeps.
            if !guard.wakes.is_empty() {
                break Ok(false);
            }
            call.lead(&mut guard);
            let ready = self.sleep_beside(&mut guard, Leader::Caller, self.clock.now(), None, Some(other));
            let now = self.clock.now();
            if ready.network || guard.is_due(now) {
                // What stays on this host follows at once, and is there before anybody is told of its beginning.
                guard.turn_until_dry(now);
            }
            if ready.other || !guard.wakes.is_empty() {
                break Ok(ready.other);
            }
        };
        call.leave(guard);
        result
    }

    /// Sleeps until a descriptor is ready, the bell rings or `until` comes. The lock is free meanwhile.
    fn sleep(&self, guard: &mut MutexGuard<'_, State>, role: Leader, now: Time, until: Option<Time>) {
        self.sleep_beside(guard, role, now, until, None);
    }

    /// As [`sleep`](Self::sleep), and until `other` is readable.
    fn sleep_beside(
        &self,
        guard: &mut MutexGuard<'_, State>,
        role: Leader,
        now: Time,
        until: Option<Time>,
        other: Option<BorrowedFd<'_>>,
    ) -> Ready {
        let deadline = guard.plan_sleep(now, until);
        let room = guard.engine.is_blocked();
        let timeout = if guard.engine.is_unfinished() { Duration::ZERO } else { deadline.since(now) };
        let wakes = std::mem::take(&mut guard.wakes);
        let ready = MutexGuard::unlocked(guard, || {
            wake(wakes);
            self.poll(role, timeout, room, other)
        });
        if guard.lead.leader == role {
            guard.lead.asleep_until = None;
        }
        match role {
            Leader::Background => guard.lead.background_bell.hush(),
            _ => guard.lead.bell.hush(),
        }
        ready
    }

    /// What is ready, or is so before the time is over.
    fn poll(&self, role: Leader, timeout: Duration, room: bool, other: Option<BorrowedFd<'_>>) -> Ready {
        let flags = if room { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let bell = if role == Leader::Background { &self.background_bell } else { &self.bell };
        let mut polled: SmallVec<[PollFd<'_>; 8]> =
            self.descriptors.iter().map(|fd| PollFd::new(fd.as_fd(), flags)).collect();
        polled.push(PollFd::new(bell.as_fd(), PollFlags::POLLIN));
        polled.extend(other.map(|other| PollFd::new(other, PollFlags::POLLIN)));
        // An interrupted or failed poll is a wake-up without a reason: the caller looks again.
        if ppoll(&mut polled, Some(TimeSpec::from_duration(timeout)), None).is_err() {
            return Ready::default();
        }
        let is_ready = |polled: &PollFd<'_>| polled.any() == Some(true);
        Ready {
            network: polled.iter().take(self.descriptors.len()).any(is_ready),
            other: other.is_some() && polled.last().is_some_and(is_ready),
        }
    }

    /// Wakes a sleeping leader that would wake too late for what has changed.
    fn alert_leader(&self, state: &mut State) {
        let Some(asleep_until) = state.lead.asleep_until else { return };
        let late = state.next_deadline().is_some_and(|deadline| deadline < asleep_until);
        let room = state.engine.is_blocked() && !state.lead.polls_room;
        if late || room || state.engine.is_unfinished() {
            match state.lead.leader {
                Leader::Background => state.lead.background_bell.ring(),
                _ => state.lead.bell.ring(),
            }
        }
    }

    /// Gives the leadership to a follower, else to the background thread.
    fn hand_over(&self, state: &mut State) {
        state.lead.leader = Leader::Nobody;
        state.lead.departures += 1;
        let follower = state.followers.first().copied();
        if let Some(key) = follower {
            state.tell_waiter(key);
        } else if state.lead.background == Background::Asleep {
            state.lead.background = Background::Ticking;
            self.background.notify_one();
        }
    }

    /// The background thread's life.
    pub(super) fn run_background(&self) {
        let mut guard = self.state.lock();
        let mut seen = guard.lead.departures;
        while !guard.is_over(self.clock.now()) {
            let now = self.clock.now();
            let quiet = std::mem::replace(&mut seen, guard.lead.departures) == guard.lead.departures;
            match guard.lead.leader {
                Leader::Caller if quiet => {
                    guard.lead.background = Background::Asleep;
                    self.background.wait(&mut guard);
                    guard.lead.background = Background::Ticking;
                }
                Leader::Caller => self.tick(&mut guard),
                Leader::Nobody if !quiet => {
                    guard.turn(now);
                    self.tick(&mut guard);
                }
                Leader::Nobody | Leader::Background => {
                    guard.lead.leader = Leader::Background;
                    if !guard.turn(now) && !guard.is_over(now) {
                        self.sleep(&mut guard, Leader::Background, now, None);
                    } else {
                        self.breathe(&mut guard);
                    }
                }
            }
        }
        let now = self.clock.now();
        guard.finish(now);
        release(guard);
    }

    fn tick(&self, guard: &mut MutexGuard<'_, State>) {
        self.breathe(guard);
        self.background.wait_for(guard, TICK);
    }

    /// Lets others have the lock, and wakes tasks meanwhile.
    fn breathe(&self, guard: &mut MutexGuard<'_, State>) {
        let wakes = std::mem::take(&mut guard.wakes);
        if wakes.is_empty() {
            MutexGuard::bump(guard);
        } else {
            MutexGuard::unlocked(guard, || wake(wakes));
        }
    }

    /// Wakes whoever leads, and the background thread, because the stack's life has changed.
    pub(super) fn wake_all(&self) {
        let mut guard = self.state.lock();
        guard.lead.bell.ring();
        guard.lead.background_bell.ring();
        guard.lead.background = Background::Ticking;
        self.background.notify_one();
        release(guard);
    }
}

fn wait_for(fd: BorrowedFd<'_>) {
    // An interrupted or failed poll is a wake-up without a reason: the caller looks again.
    let _ = ppoll(&mut [PollFd::new(fd, PollFlags::POLLIN)], None, None);
}

/// Frees the lock, then wakes the tasks.
fn release(mut guard: MutexGuard<'_, State>) {
    let wakes = std::mem::take(&mut guard.wakes);
    drop(guard);
    wake(wakes);
}

/// Wakes tasks. A waker that panics must not take the thread with it that reads the network for all.
fn wake(wakes: Vec<Waker>) {
    for waker in wakes {
        // The panic hook has told.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// One waiting call of a caller.
struct Call<'a> {
    shared: &'a Shared,
    waiter: Option<usize>,
    leads: bool,
}

impl Call<'_> {
    fn wait_once(
        &mut self,
        guard: &mut MutexGuard<'_, State>,
        target: Target,
        interest: Interest,
        now: Time,
        deadline: Option<Time>,
    ) {
        if !self.leads && guard.lead.leader != Leader::Caller {
            self.take_lead(guard, target, interest);
        }
        if self.leads {
            self.shared.sleep(guard, Leader::Caller, now, deadline);
            // What woke us: read it at once.
            let now = self.shared.clock.now();
            guard.turn(now);
        } else {
            self.follow(guard, target, interest, deadline);
        }
    }

    fn lead(&mut self, state: &mut State) {
        if state.lead.leader == Leader::Background {
            // It notices that it does not lead any more.
            state.lead.background_bell.ring();
            state.lead.asleep_until = None;
        }
        state.lead.leader = Leader::Caller;
        self.leads = true;
    }

    fn take_lead(&mut self, state: &mut State, target: Target, interest: Interest) {
        if let Some(key) = self.waiter.take() {
            state.remove_waiter(key);
        }
        self.lead(state);
        self.waiter = Some(state.attach_waiter(target, interest, How::Leader));
    }

    fn follow(
        &mut self,
        guard: &mut MutexGuard<'_, State>,
        target: Target,
        interest: Interest,
        deadline: Option<Time>,
    ) {
        let condvar = CONDVAR.with(Arc::clone);
        let key = *self.waiter.get_or_insert_with(|| {
            guard.attach_waiter(target, interest, How::Follower(Arc::clone(&condvar)))
        });
        self.shared.alert_leader(guard);
        let wakes = std::mem::take(&mut guard.wakes);
        if !wakes.is_empty() {
            MutexGuard::unlocked(guard, || wake(wakes));
        }
        let told = guard.waiters.get(key).is_none_or(|waiter| waiter.told);
        if !told {
            match deadline.and_then(|deadline| self.shared.clock.instant(deadline)) {
                Some(instant) => drop(condvar.wait_until(guard, instant)),
                None => condvar.wait(guard),
            }
        }
        if let Some(waiter) = guard.waiters.get_mut(key) {
            waiter.told = false;
        }
    }

    fn leave(self, mut guard: MutexGuard<'_, State>) {
        if let Some(key) = self.waiter {
            guard.remove_waiter(key);
        }
        if self.leads || guard.lead.leader == Leader::Nobody {
            self.shared.hand_over(&mut guard);
        } else {
            self.shared.alert_leader(&mut guard);
        }
        release(guard);
    }
}

impl State {
    /// Fixes when the sleep that begins now ends at the latest.
    fn plan_sleep(&mut self, now: Time, until: Option<Time>) -> Time {
        let timer = self.next_deadline().unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP);
        if self.lead.programmed <= now || timer < self.lead.programmed {
            self.lead.programmed = timer;
        }
        let deadline = until.map_or(self.lead.programmed, |until| until.min(self.lead.programmed));
        self.lead.asleep_until = Some(deadline);
        self.lead.polls_room = self.engine.is_blocked();
        deadline
    }

    /// Whether nobody reads the network, and has not for a while.
    fn is_look_due(&self, now: Time) -> bool {
        self.lead.leader == Leader::Nobody && now.since(self.lead.looked_at) >= LOOK
    }

    /// As far as a call goes that may not wait.
    fn turn_until_dry(&mut self, now: Time) {
        let _dry = (0..LOOKS_WITHOUT_PATIENCE).find(|_| !self.turn(now));
    }

    /// Whether a turn has something to do, even if nothing has come.
    fn is_due(&self, now: Time) -> bool {
        self.engine.is_unfinished() || self.next_deadline().is_some_and(|deadline| deadline <= now)
    }

    fn is_over(&self, now: Time) -> bool {
        match self.life {
            Life::Open => false,
            Life::Closing(end) => end <= now || self.registry.orphans == 0,
            Life::Closed | Life::Failed(_) => true,
        }
    }

    /// Aborts what is left when the time to close is over.
    fn finish(&mut self, now: Time) {
        self.registry.abort_all(&mut self.engine, now);
        self.engine.transmit(now);
        if !matches!(self.life, Life::Failed(_)) {
            self.end(Life::Closed);
        }
    }
}
