//! What will happen when: the events of a simulation in the order of their times, those of the same
//! time in the order in which they were scheduled.

use core::cmp::{Ordering, Reverse};
use core::net::IpAddr;
use sctp_core::time::Time;
use std::collections::BinaryHeap;

use super::datagram::{Datagram, Unreachable};
use super::link::LinkConfig;
use super::topology::{HostId, InterfaceId, Outage};

/// Something that happens to the network itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The link from this interface works differently from now on.
    Reconfigure(InterfaceId, LinkConfig),
    /// Nothing leaves or reaches this interface any more.
    Down(InterfaceId, Outage),
    /// It works again.
    Up(InterfaceId),
    /// It has this address from now on; its node is not told.
    Address(InterfaceId, IpAddr),
}

#[derive(Debug)]
pub(super) enum Event {
    Arrival {
        interface: InterfaceId,
        datagram: Datagram,
    },
    /// A host's datagram to itself.
    Loopback {
        host: HostId,
        datagram: Datagram,
    },
    Icmp {
        host: HostId,
        report: Unreachable,
    },
    Change(Change),
}

#[derive(Debug, Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Reverse<Entry>>,
    scheduled: u64,
}

impl EventQueue {
    pub(super) fn push(&mut self, at: Time, event: Event) {
        self.heap.push(Reverse(Entry { at, number: self.scheduled, event }));
        self.scheduled += 1;
    }

    pub(super) fn next_time(&self) -> Option<Time> {
        self.heap.peek().map(|entry| entry.0.at)
    }

    /// The next event, if it is due by `now`.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Event> {
        if self.next_time()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.event)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[derive(Debug)]
struct Entry {
    at: Time,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
