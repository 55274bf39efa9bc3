//! One association: its state machine (RFC 9260, 4), one file for each procedure.

mod stats;

pub use stats::AssociationStats;

use crate::path::PathSet;

/// The states of RFC 9260, 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssociationState {
    /// Ended, or never set up.
    Closed,
    /// INIT sent.
    CookieWait,
    /// COOKIE ECHO sent.
    CookieEchoed,
    /// Up.
    Established,
    /// The user asked for the end; data is still unacknowledged.
    ShutdownPending,
    /// SHUTDOWN sent.
    ShutdownSent,
    /// SHUTDOWN received; data is still unacknowledged.
    ShutdownReceived,
    /// SHUTDOWN ACK sent.
    ShutdownAckSent,
}

/// An association of an [`Endpoint`](crate::endpoint::Endpoint), to be looked at; the endpoint's
/// commands change it.
#[derive(Debug)]
pub struct Association {
    state: AssociationState,
    local_port: u16,
    peer_port: u16,
    paths: PathSet,
    stats: AssociationStats,
}

impl Association {
    /// Where it is in its life.
    pub fn state(&self) -> AssociationState {
        self.state
    }

    /// Our port.
    pub fn local_port(&self) -> u16 {
        self.local_port
    }

    /// The peer's port.
    pub fn peer_port(&self) -> u16 {
        self.peer_port
    }

    /// The peer's addresses with all that is known of each.
    pub fn paths(&self) -> &PathSet {
        &self.paths
    }

    /// Streams that we may send on; what we asked for until the peer has answered.
    pub fn outbound_streams(&self) -> u16 {
        0
    }

    /// Streams that the peer may send on; what we allow at most until it has said.
    pub fn inbound_streams(&self) -> u16 {
        0
    }

    /// Bytes free in the send buffer.
    pub fn send_space(&self) -> usize {
        0
    }

    /// Whether messages wait or are unacknowledged.
    pub fn has_unacknowledged(&self) -> bool {
        false
    }

    /// Counters.
    pub fn stats(&self) -> &AssociationStats {
        &self.stats
    }
}
