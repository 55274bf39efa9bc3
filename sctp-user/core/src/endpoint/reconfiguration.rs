//! Streams and TSNs that are numbered anew, and streams that are added (RFC 6525).

use super::Endpoint;
use crate::association::Association;
use crate::error::ReconfigError;
use crate::event::AssociationId;
use crate::time::Time;

/// Which streams [`Endpoint::reset_streams`] resets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetDirections {
    /// Streams that we send on.
    pub outgoing: bool,
    /// Streams that the peer sends on.
    pub incoming: bool,
}

impl Endpoint {
    /// Numbers the messages of streams from 0 on again: of those that we send on, of the peer's, or of both; an empty
    /// list means all (RFC 6525, 6.3.2). What was sent before still arrives under the old numbers, what is sent after
    /// waits until the peer has agreed. [`StreamsReset`](crate::event::Event::StreamsReset) follows, for each direction.
    ///
    /// # Errors
    /// Nothing is done then.
    pub fn reset_streams(
        &mut self,
        now: Time,
        id: AssociationId,
        directions: ResetDirections,
        streams: &[u16],
    ) -> Result<(), ReconfigError> {
        let ResetDirections { outgoing, incoming } = directions;
        self.reconfigure(id, |association| association.reset_streams(now, outgoing, incoming, streams))
    }

    /// Numbers TSNs, and the messages of all streams both ways, anew (RFC 6525, 6.3.3); at most once in 30 s. What we
    /// sent before arrives first; what the peer has on its way may get lost, if it is not careful.
    /// [`AssociationReset`](crate::event::Event::AssociationReset) follows.
    ///
    /// # Errors
    /// Nothing is done then.
    pub fn reset_association(&mut self, now: Time, id: AssociationId) -> Result<(), ReconfigError> {
        self.reconfigure(id, |association| association.reset_association(now))
    }

    /// Adds streams that we send on, and streams of the peer's (RFC 6525, 6.3.4). [`StreamsChanged`](crate::event::Event::StreamsChanged) follows, for
    /// each direction.
    ///
    /// # Errors
    /// Nothing is done then.
    pub fn add_streams(
        &mut self,
        now: Time,
        id: AssociationId,
        outbound: u16,
        inbound: u16,
    ) -> Result<(), ReconfigError> {
        self.reconfigure(id, |association| association.add_streams(now, outbound, inbound))
    }

    fn reconfigure(
        &mut self,
        id: AssociationId,
        act: impl FnOnce(&mut Association) -> Result<(), ReconfigError>,
    ) -> Result<(), ReconfigError> {
        let slot = self.slots.find(id).ok_or(ReconfigError::Closed)?;
        let entry = self.slots.get_mut(slot).ok_or(ReconfigError::Closed)?;
        act(&mut entry.association)?;
        self.settle(slot);
        Ok(())
    }
}
