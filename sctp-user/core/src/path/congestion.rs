//! Congestion control of one path (RFC 9260, 7.2).

use crate::config::AssociationConfig;

/// Congestion state of one path.
#[derive(Clone, Debug)]
pub struct Congestion {
    cwnd: usize,
}

impl Congestion {
    /// The initial window: min(4 * MTU, max(2 * MTU, 4404)) (7.2.1).
    pub fn new(max_packet_size: usize, _config: &AssociationConfig) -> Self {
        Self { cwnd: (4 * max_packet_size).min((2 * max_packet_size).max(4_404)) }
    }

    /// Bytes that may be in flight on this path.
    pub fn cwnd(&self) -> usize {
        self.cwnd
    }
}
