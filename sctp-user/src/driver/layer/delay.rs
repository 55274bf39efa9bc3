//! A long way: packets of both directions arrive later.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

use crate::driver::{Inbox, Outbox, Received, Transmit};

/// Packets that are on the way in one direction at most; more get lost.
const MOST: usize = 20_000;

/// Packets that are on the way, and a timer that is readable when one arrives.
#[derive(Debug)]
pub(super) struct DelayLine {
    timer: TimerFd,
    outgoing: Way<(Transmit, Vec<u8>)>,
    incoming: Way<Received>,
}

/// One direction, in the order of arrival.
#[derive(Debug)]
struct Way<T> {
    packets: BTreeMap<(Instant, u64), T>,
    last: u64,
}

impl<T> Way<T> {
    fn new() -> Self {
        Self { packets: BTreeMap::new(), last: 0 }
    }

    fn push(&mut self, at: Instant, packet: T) {
        if self.packets.len() < MOST {
            self.last += 1;
            self.packets.insert((at, self.last), packet);
        }
    }

    /// The next one, if it has arrived.
    fn pop(&mut self, now: Instant) -> Option<T> {
        let next = self.packets.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }

    fn next(&self) -> Option<Instant> {
        self.packets.first_key_value().map(|((at, _), _)| *at)
    }
}

impl DelayLine {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        Ok(Self { timer, outgoing: Way::new(), incoming: Way::new() })
    }

    /// A packet leaves, and is on the way for so long.
    pub(super) fn send(&mut self, delay: Duration, transmit: Transmit, bytes: &[u8]) {
        self.outgoing.push(Instant::now() + delay, (transmit, bytes.to_vec()));
    }

    /// A packet has come, and arrives after so long.
    pub(super) fn receive(&mut self, delay: Duration, packet: Received) {
        self.incoming.push(Instant::now() + delay, packet);
    }

    /// Moves on what has arrived by now, and sets the timer for the rest.
    pub(super) fn arrive(&mut self, passed: &mut Outbox, inbox: Option<&mut Inbox>) {
        let now = Instant::now();
        while let Some((transmit, bytes)) = self.outgoing.pop(now) {
            passed.transmits.push(transmit);
            passed.bytes.extend(bytes);
        }
        if let Some(inbox) = inbox {
            inbox.packets.extend(std::iter::from_fn(|| self.incoming.pop(now)));
        }
        self.set_timer(now);
    }

    fn set_timer(&self, now: Instant) {
        let next = [self.outgoing.next(), self.incoming.next()].into_iter().flatten().min();
        // A timer of zero would never ring.
        let ring = |at: Instant| at.saturating_duration_since(now).max(Duration::from_micros(1));
        let set = match next {
            Some(at) => {
                let once = Expiration::OneShot(TimeSpec::from_duration(ring(at)));
                self.timer.set(once, TimerSetTimeFlags::empty())
            }
            None => self.timer.unset(),
        };
        if let Err(error) = set {
            tracing::error!(%error, "delayed packets may arrive late");
        }
    }
}

impl AsFd for DelayLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
