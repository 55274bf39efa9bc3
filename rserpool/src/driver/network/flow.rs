//! Associations whose messages are not wanted for the moment: their peers have to wait, and no others do.

use super::Network;
use crate::transport::AssociationId;

/// Whether messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) enum Flow<K> {
    /// No more of this for now.
    Pause(K),
    /// Again of this.
    Resume(K),
}

impl Network {
    /// Reads the messages of an association, or leaves them in its receive buffer. What was sent before its end comes all the same,
    /// with the end.
    pub(in crate::driver) fn control(&mut self, flow: Flow<AssociationId>) {
        let (association, pauses) = match flow {
            Flow::Pause(association) => (association, true),
            Flow::Resume(association) => (association, false),
        };
        let Some(link) = self.links.get_mut(&association) else { return };
        // What is closing is read to its end, since its peer cannot close before (RFC 9260, 9.2).
        let is_paused = pauses && !link.is_closing;
        if std::mem::replace(&mut link.is_paused, is_paused) == is_paused {
            return;
        }
        let socket = &self.sockets[link.socket].socket;
        let done = if is_paused { socket.pause_reading(link.id) } else { socket.resume_reading(link.id) };
        if let Err(error) = done {
            tracing::debug!(%error, ?flow, "the association has ended");
        }
    }
}
