//! Re-configurations that a side asks for in the midst of its traffic (RFC 6525).

use core::time::Duration;
use sctp_core::endpoint::{Endpoint, ResetDirections};
use sctp_core::error::ReconfigError;
use sctp_core::event::{AssociationId, Event, ReconfigOutcome};
use sctp_core::time::Time;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reconfiguration {
    /// Streams are numbered anew; an empty list means all.
    ResetStreams(ResetDirections, Vec<u16>),
    /// TSNs and all streams are numbered anew.
    ResetAssociation,
    /// There are so many more streams to the peer, and from it.
    AddStreams(u16, u16),
}

/// After so long a request is tried again that came while another was in progress.
const AGAIN: Duration = Duration::from_millis(500);

/// What a side still has to ask for.
#[derive(Debug)]
pub(super) struct Agenda {
    /// When, counted from the moment that the sender may send; in order.
    items: std::vec::IntoIter<(Duration, Reconfiguration)>,
    again_at: Option<Time>,
}

impl Agenda {
    pub(super) fn new(items: Vec<(Duration, Reconfiguration)>) -> Self {
        Self { items: items.into_iter(), again_at: None }
    }

    /// When the next request is due, for a side that may send since `since`.
    pub(super) fn next_at(&self, since: Option<Time>) -> Option<Time> {
        let (at, _) = self.items.as_slice().first()?;
        Some((since? + *at).max(self.again_at.unwrap_or(Time::ZERO)))
    }

    /// Asks for the next one; how often something was asked.
    pub(super) fn work(&mut self, now: Time, endpoint: &mut Endpoint, id: AssociationId) -> u64 {
        let Some((_, item)) = self.items.as_slice().first() else { return 0 };
        let asked = match item {
            Reconfiguration::ResetStreams(directions, streams) => {
                endpoint.reset_streams(now, id, *directions, streams)
            }
            Reconfiguration::ResetAssociation => endpoint.reset_association(now, id),
            Reconfiguration::AddStreams(outbound, inbound) => {
                endpoint.add_streams(now, id, *outbound, *inbound)
            }
        };
        match asked {
            Err(ReconfigError::InProgress | ReconfigError::NotEstablished) => {
                self.again_at = Some(now + AGAIN)
            }
            _ => _ = self.items.next(),
        }
        u64::from(asked.is_ok())
    }
}

/// What became of re-configurations, on the side that hears of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconfigStats {
    /// Requests of its own.
    pub asked: u64,
    /// Streams reset, both sides' requests.
    pub streams_reset: u64,
    /// TSNs reset.
    pub associations_reset: u64,
    /// Streams added.
    pub streams_added: u64,
    /// Denied or failed.
    pub refused: u64,
}

impl ReconfigStats {
    pub(super) fn note(&mut self, event: &Event) {
        let (Event::StreamsReset { outcome, .. }
        | Event::AssociationReset { outcome, .. }
        | Event::StreamsChanged { outcome, .. }) = event
        else {
            return;
        };
        let counter = match event {
            _ if *outcome != ReconfigOutcome::Done => &mut self.refused,
            Event::StreamsReset { .. } => &mut self.streams_reset,
            Event::AssociationReset { .. } => &mut self.associations_reset,
            _ => &mut self.streams_added,
        };
        *counter += 1;
    }
}

impl core::ops::AddAssign for ReconfigStats {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.streams_reset += other.streams_reset;
        self.associations_reset += other.associations_reset;
        self.streams_added += other.streams_added;
        self.refused += other.refused;
    }
}
