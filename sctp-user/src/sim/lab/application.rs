//! What runs on a host of a scenario: it sends what it is told to, and writes down what happens.

use bytes::Bytes;
use core::time::Duration;
use rustc_hash::{FxHashMap, FxHashSet};
use sctp_core::association::AssociationState;
use sctp_core::endpoint::Endpoint;
use sctp_core::error::SendError;
use sctp_core::event::{AssociationId, Event};
use sctp_core::message::{Message, SendOptions};
use sctp_core::time::Time;

use super::script::Order;
use crate::sim::endpoint_node::Application;

/// A stream of an association, or its messages without order.
type Lane = (AssociationId, u16, bool);

/// The application of a host.
#[derive(Debug, Default)]
pub(super) struct LabApplication {
    /// The association that the host uses: the newest one that has not ended.
    pub(super) association: Option<AssociationId>,
    orders: Vec<Pending>,
    blocked: bool,
    next_number: FxHashMap<Lane, u32>,
    seen: FxHashMap<Lane, FxHashSet<u32>>,
    pub(super) facts: Facts,
}

#[derive(Debug)]
struct Pending {
    order: Order,
    next_at: Time,
}

/// What happened on a host, through all its lives.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) up: Vec<Time>,
    pub(super) ended: Vec<Time>,
    pub(super) lost: Vec<Time>,
    pub(super) restarted: Vec<Time>,
    pub(super) delivered: Vec<Time>,
    pub(super) longest_gap: Duration,
    /// Chunks that associations of the past sent again.
    pub(super) again: u64,
    /// For the timeline.
    pub(super) news: Vec<(Time, String)>,
    /// What must never happen.
    pub(super) fault: Option<String>,
}

impl LabApplication {
    /// The host has begun an association.
    pub(super) fn begin(&mut self, id: AssociationId) {
        self.association = Some(id);
        self.blocked = false;
    }

    pub(super) fn order(&mut self, now: Time, order: Order) {
        self.orders.push(Pending { order, next_at: now });
    }

    /// Sends what is due.
    pub(super) fn send(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Some(id) = self.association else { return };
        let mut orders = core::mem::take(&mut self.orders);
        for pending in &mut orders {
            while !self.blocked && pending.order.count > 0 && pending.next_at <= now {
                if !self.send_one(now, endpoint, id, &pending.order) {
                    break;
                }
                pending.order.count -= 1;
                pending.next_at += pending.order.every;
            }
        }
        orders.retain(|pending| pending.order.count > 0);
        self.orders = orders;
    }

    fn send_one(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId, order: &Order) -> bool {
        let options =
            SendOptions { stream_id: order.stream_id, unordered: order.unordered, ..SendOptions::default() };
        let number = self.next_number.entry((id, order.stream_id, order.unordered)).or_default();
        match endpoint.send(now, id, &options, payload(*number, order.size)) {
            Ok(()) => {
                *number += 1;
                true
            }
            Err(SendError::WouldBlock { .. }) => {
                self.blocked = true;
                false
            }
            // It ends: what is left waits for the next association.
            Err(SendError::Closed | SendError::ShuttingDown) => false,
            Err(error) => {
                self.blame(format!("a message was refused: {error}"));
                false
            }
        }
    }

    fn read(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId) {
        while let Some(message) = endpoint.receive(now, id) {
            if let Some(last) = self.facts.delivered.last() {
                self.facts.longest_gap = self.facts.longest_gap.max(now - *last);
            }
            self.facts.delivered.push(now);
            self.check_message(id, message);
        }
    }

    /// Messages come whole and once, and in their order.
    fn check_message(&mut self, id: AssociationId, message: Message) {
        let lane = (id, message.stream_id, message.unordered);
        let bytes = message.into_bytes();
        let number = bytes.first_chunk().map(|number| u32::from_be_bytes(*number));
        let Some(number) = number.filter(|number| bytes == payload(*number, bytes.len())) else {
            return self.blame(format!("a message of {} bytes came damaged", bytes.len()));
        };
        let seen = self.seen.entry(lane).or_default();
        let in_order = lane.2 || number as usize == seen.len();
        if !in_order || !seen.insert(number) {
            self.blame(format!("message {number} of stream {} came twice or out of order", lane.1));
        }
    }

    fn blame(&mut self, what: String) {
        self.facts.fault.get_or_insert(what);
    }

    fn end(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId) {
        self.read(now, endpoint, id);
        self.facts.again += retransmitted(endpoint, id);
        if self.association == Some(id) {
            self.association = None;
        }
        endpoint.release(id);
    }

    fn tell(&mut self, now: Time, news: impl Into<String>) {
        self.facts.news.push((now, news.into()));
    }
}

/// Its number, and bytes that follow from it.
fn payload(number: u32, size: usize) -> Bytes {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((4..size).map(|at| (at as u32).wrapping_mul(31).wrapping_add(number) as u8));
    bytes.into()
}

/// Chunks that an association has sent again.
pub(super) fn retransmitted(endpoint: &Endpoint, id: AssociationId) -> u64 {
    endpoint.association(id).map_or(0, |association| association.stats().retransmitted_chunks)
}

impl Application for LabApplication {
    fn handle_event(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId, event: Event) {
        match event {
            Event::CommunicationUp { outbound_streams, inbound_streams, .. } => {
                self.begin(id);
                self.facts.up.push(now);
                self.tell(now, format!("up, streams {outbound_streams} out {inbound_streams} in"));
            }
            Event::CommunicationLost { reason } => {
                self.facts.lost.push(now);
                self.tell(now, format!("lost: {reason:?}"));
                self.end(now, endpoint, id);
            }
            Event::ShutdownComplete => {
                self.facts.ended.push(now);
                self.tell(now, "ended in good order");
                self.end(now, endpoint, id);
            }
            Event::Restart => {
                self.seen.retain(|lane, _| lane.0 != id);
                self.next_number.retain(|lane, _| lane.0 != id);
                self.blocked = false;
                self.facts.restarted.push(now);
                self.tell(now, "the peer has restarted");
            }
            Event::Readable => self.read(now, endpoint, id),
            Event::Writable => self.blocked = false,
            Event::PathChanged { address, change } => {
                self.tell(now, format!("path {}: {change:?}", address.remote));
            }
            _ => {}
        }
        self.send(now, endpoint);
    }

    fn handle_timeout(&mut self, now: Time, endpoint: &mut Endpoint) {
        self.send(now, endpoint);
        // What could not go now does not make the clock stand still.
        let forming = self.association.and_then(|id| endpoint.association(id)).is_some_and(|association| {
            matches!(
                association.state(),
                AssociationState::ShutdownReceived | AssociationState::ShutdownAckSent
            )
        });
        self.blocked |= forming || self.poll_timeout().is_some_and(|at| at <= now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        if self.blocked || self.association.is_none() {
            return None;
        }
        self.orders.iter().map(|pending| pending.next_at).min()
    }

    fn check(&self, _now: Time, endpoint: &Endpoint) -> Result<(), String> {
        #[cfg(debug_assertions)]
        endpoint.check_invariants();
        let _ = endpoint;
        self.facts.fault.clone().map_or(Ok(()), Err)
    }
}
