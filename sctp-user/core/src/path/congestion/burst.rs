//! Max.Burst (RFC 9260, 6.1 D): how much leaves beyond that which a SACK acknowledged.

use super::controller::Acknowledged;
use crate::config::AssociationConfig;

/// What may still leave before the next acknowledgement.
#[derive(Debug)]
pub(super) struct BurstCredit {
    /// Packets that one event may send beyond what it acknowledged; 0: no limit (RFC 6458, 8.1.24).
    max_burst: usize,
    /// Bytes.
    pub(super) credit: usize,
}

impl BurstCredit {
    pub(super) fn new(pmdcs: usize, config: &AssociationConfig) -> Self {
        let mut burst = Self { max_burst: 0, credit: 0 };
        burst.set_max_burst(config);
        burst.reset(pmdcs);
        burst
    }

    /// Takes over Max.Burst when it is changed on a living association.
    pub(super) fn set_max_burst(&mut self, config: &AssociationConfig) {
        self.max_burst = usize::try_from(config.max_burst).unwrap_or(0);
    }

    /// Whether nothing may leave before the next acknowledgement.
    pub(super) fn is_used_up(&self) -> bool {
        self.credit == 0
    }

    /// Bytes of a burst that no acknowledgement has paid for.
    fn allowance(&self, pmdcs: usize) -> usize {
        if self.max_burst == 0 { usize::MAX } else { self.max_burst.saturating_mul(pmdcs) }
    }

    pub(super) fn reset(&mut self, pmdcs: usize) {
        self.credit = self.allowance(pmdcs);
    }

    /// RFC 9260, 6.1.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    /// A SACK was taken in: a peer that acknowledges eight packets at once gets eight and Max.Burst more.
    ///
    /// Credit adds up over SACKs that come before the sender has its turn, as if it had had one after
    /// each: else a flight that must catch up with a window far larger would grow by Max.Burst in a round
    /// trip. It adds up only as far as the windows could use it: a peer's window that opens after a while
    /// sees a burst, not a flood.
    /// RFC 9260, 6.1.
    pub(super) fn refill(&mut self, ack: &Acknowledged, cwnd: usize, pmdcs: usize) {
        let allowance = self.allowance(pmdcs);
        self.credit = if ack.data_waits {
            let usable = cwnd.saturating_sub(ack.flight_after).min(ack.rwnd);
            let unused = if self.credit > allowance { self.credit } else { 0 };
            let turn = if ack.bytes > 0 || unused == 0 { allowance } else { 0 };
            let credit = unused.saturating_add(turn).saturating_add(ack.bytes);
            credit.min(allowance.max(usable))
        } else {
            allowance
        };
    }
}
