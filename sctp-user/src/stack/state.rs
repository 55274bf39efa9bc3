//! Everything that the lock of a stack guards.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Waker;

use parking_lot::Condvar;
use rustc_hash::FxHashMap;
use sctp_core::config::AssociationConfig;
use sctp_core::rng::Random;
use sctp_core::time::Time;
use slab::Slab;

use super::bell::Bell;
use super::engine::Engine;
use super::error::Error;
use super::mailbox::{Interest, SocketId};
use super::poller::Watch;
use super::registry::{Change, Registry};

/// Somebody who waits for a socket.
pub(super) struct Waiter {
    /// Never used again, as keys of the slab are.
    pub(super) number: u64,
    pub(super) target: Target,
    pub(super) interest: Interest,
    pub(super) how: How,
    /// Told already, but not yet back.
    pub(super) told: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Socket(SocketId),
    Poller(u64),
}

/// How to tell.
pub(super) enum How {
    /// A thread that follows.
    Follower(Arc<Condvar>),
    /// The thread that leads: it sleeps on the driver's descriptors.
    Leader,
    /// A task.
    Task(Waker),
}

/// Who polls the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    Nobody,
    /// A thread inside a call.
    Caller,
    /// The stack's own thread.
    Background,
}

/// What the stack's own thread does while it does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Background {
    /// It looks again soon.
    Ticking,
    /// It sleeps until a leader leaves without a successor.
    Asleep,
}

/// Bookkeeping of leadership.
pub(super) struct Lead {
    pub(super) leader: Leader,
    /// The leader sleeps until then at the latest ...
    pub(super) asleep_until: Option<Time>,
    /// ... and would wake when the driver has room.
    pub(super) polls_room: bool,
    /// The time that the last sleep was set to end at. Later sleeps keep it while it has not passed: a
    /// timer that is armed again and again (T3-rtx) then does not wake the leader each time.
    pub(super) programmed: Time,
    /// Times that a caller ceased to lead: how the background thread sees that callers are active.
    pub(super) departures: u64,
    /// When the network was last read.
    pub(super) looked_at: Time,
    pub(super) background: Background,
    pub(super) bell: Bell,
    pub(super) background_bell: Bell,
}

/// How far a stack is from its end.
#[derive(Clone, Debug)]
pub(super) enum Life {
    Open,
    /// The last handle is gone: associations may end in good order until then.
    Closing(Time),
    Closed,
    Failed(Arc<io::Error>),
}

/// Everything that the lock of a stack guards.
pub(super) struct State {
    pub(super) engine: Engine,
    pub(super) registry: Registry,
    pub(super) lead: Lead,
    pub(super) waiters: Slab<Waiter>,
    /// Those of them that are followers, one of which is told when the lead is free: tasks may be many, and whoever leaves
    /// must not look at all of them.
    pub(super) followers: BTreeSet<usize>,
    pub(super) next_waiter: u64,
    pub(super) watches: FxHashMap<u64, Watch>,
    pub(super) next_watch: u64,
    /// Tasks to wake once the lock is free: no foreign code runs under it.
    pub(super) wakes: Vec<Waker>,
    pub(super) life: Life,
    pub(super) random: Random,
    /// The addresses that the stack was built for; none: all of the host's.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) defaults: AssociationConfig,
    pub(super) remote_udp_port: u16,
    /// How many hold packets back.
    pub(super) gatherings: usize,
}

impl State {
    /// Why nothing can be done any more, if so.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        match &self.life {
            Life::Open => Ok(()),
            Life::Closing(_) | Life::Closed => Err(Error::StackClosed),
            Life::Failed(error) => Err(Error::Driver(Arc::clone(error))),
        }
    }

    /// Reads a batch, acts on deadlines, sends and tells. True if anything was done.
    pub(super) fn turn(&mut self, now: Time) -> bool {
        self.lead.looked_at = now;
        let received = match self.engine.receive(now) {
            Ok(received) => received,
            Err(error) => {
                tracing::error!(%error, "the driver failed");
                self.end(Life::Failed(Arc::new(error)));
                return false;
            }
        };
        let busy = received || self.engine.is_blocked() || self.engine.is_unfinished();
        if busy {
            self.settle(now);
        }
        received || self.engine.is_unfinished()
    }

    /// Takes all output of the core: events to their sockets, packets to the driver.
    pub(super) fn settle(&mut self, now: Time) {
        self.route_events(now);
        if self.gatherings == 0 {
            self.engine.transmit(now);
            self.route_events(now);
        }
    }

    fn route_events(&mut self, now: Time) {
        while let Some((id, arrival, event)) = self.engine.endpoint.poll_arrived_event() {
            if let Some((socket, change)) = self.registry.route(&mut self.engine, now, id, (arrival, event)) {
                self.tell(socket, change);
            }
        }
    }

    /// Wakes who waits for this socket.
    pub(super) fn tell(&mut self, socket: SocketId, change: Change) {
        let Some(mailbox) = self.registry.sockets.get_mut(&socket) else { return };
        let pollers = mailbox.pollers.clone();
        let mut waiters = std::mem::take(&mut mailbox.waiters);
        waiters.retain(|key| !self.concerns(*key, change) || self.call(*key));
        if let Some(mailbox) = self.registry.sockets.get_mut(&socket) {
            mailbox.waiters = waiters;
        }
        for poller in pollers {
            self.mark_dirty(poller, socket);
        }
    }

    fn concerns(&self, key: usize, change: Change) -> bool {
        let waiter = self.waiters.get(key);
        waiter.is_some_and(|waiter| change == Change::Both || change == Change::One(waiter.interest))
    }

    pub(super) fn tell_waiter(&mut self, key: usize) {
        let Some(target) = self.waiters.get(key).map(|waiter| waiter.target) else { return };
        if !self.call(key) {
            self.detach_waiter(target, key);
        }
    }

    /// Tells one. A thread stays among the waiters until it leaves by itself; a task is gone: false.
    fn call(&mut self, key: usize) -> bool {
        let Some(waiter) = self.waiters.get_mut(key) else { return false };
        match &waiter.how {
            How::Follower(condvar) => {
                if !std::mem::replace(&mut waiter.told, true) {
                    condvar.notify_one();
                }
            }
            How::Leader => {
                if self.lead.asleep_until.is_some() {
                    self.lead.bell.ring();
                }
            }
            How::Task(_) => {
                if let How::Task(waker) = self.waiters.remove(key).how {
                    self.wakes.push(waker);
                }
                return false;
            }
        }
        true
    }

    /// Enters a waiter in its target's list.
    pub(super) fn attach_waiter(&mut self, target: Target, interest: Interest, how: How) -> usize {
        self.next_waiter += 1;
        let follows = matches!(how, How::Follower(_));
        let key =
            self.waiters.insert(Waiter { number: self.next_waiter, target, interest, how, told: false });
        if follows {
            self.followers.insert(key);
        }
        match target {
            Target::Socket(socket) => {
                if let Some(mailbox) = self.registry.sockets.get_mut(&socket) {
                    mailbox.waiters.push(key);
                }
            }
            Target::Poller(poller) => {
                if let Some(watch) = self.watches.get_mut(&poller) {
                    watch.waiters.push(key);
                }
            }
        }
        key
    }

    pub(super) fn remove_waiter(&mut self, key: usize) {
        if let Some(waiter) = self.waiters.try_remove(key) {
            self.followers.remove(&key);
            self.detach_waiter(waiter.target, key);
        }
    }

    pub(super) fn detach_waiter(&mut self, target: Target, key: usize) {
        match target {
            Target::Socket(socket) => {
                if let Some(mailbox) = self.registry.sockets.get_mut(&socket) {
                    mailbox.waiters.retain(|waiter| *waiter != key);
                }
            }
            Target::Poller(poller) => {
                if let Some(watch) = self.watches.get_mut(&poller) {
                    watch.waiters.retain(|waiter| *waiter != key);
                }
            }
        }
    }

    /// Closes a socket and wakes all who wait for it.
    pub(super) fn close_socket(&mut self, now: Time, socket: SocketId) {
        let Some(mailbox) = self.registry.close(&mut self.engine, now, socket) else { return };
        for key in mailbox.waiters {
            self.tell_waiter(key);
        }
        for poller in mailbox.pollers {
            self.forget_watched(poller, socket);
        }
    }

    /// Lets no call go on: all waiters wake and fail.
    pub(super) fn end(&mut self, life: Life) {
        self.life = life;
        let keys: Vec<usize> = self.waiters.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.tell_waiter(key));
        let watches: Vec<u64> = self.watches.keys().copied().collect();
        watches.into_iter().for_each(|watch| self.ring_watch(watch));
    }

    /// When the leader has to wake at the latest.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let end = match self.life {
            Life::Closing(end) => Some(end),
            _ => None,
        };
        let timer = self.engine.endpoint.poll_timeout();
        end.into_iter().chain(timer).min()
    }
}
