//! Round-trip time and retransmission time-out (RFC 9260, 6.3.1).

use crate::config::AssociationConfig;
use core::time::Duration;

/// RTT state of one path.
#[derive(Clone, Copy, Debug)]
pub struct RttEstimator {
    rto: Duration,
}

impl RttEstimator {
    /// Before any measurement: RTO.Initial (C1).
    pub fn new(config: &AssociationConfig) -> Self {
        Self { rto: config.rto_initial }
    }

    /// The present RTO, between RTO.Min and RTO.Max.
    pub fn rto(&self) -> Duration {
        self.rto
    }
}
