//! Reports of elements that do not answer (RFC 5352, 3.5), and their limits (9.2): each failure once, and not too many.

use std::collections::VecDeque;

use super::PoolUser;
use crate::rate::RateLimiter;
use crate::wire::AsapMessage;
use crate::{PeId, PoolHandle, Time};

/// Reports that wait for a registrar; of more, the oldest are forgotten.
const MAX_WAITING: usize = 64;
/// Reports that are remembered, so as not to repeat them.
const MAX_RECENT: usize = 256;

pub(super) struct Reports {
    waiting: VecDeque<(PoolHandle, PeId)>,
    recent: VecDeque<(Time, PoolHandle, PeId)>,
    limiter: RateLimiter,
}

impl Reports {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), recent: VecDeque::new(), limiter: RateLimiter::default() }
    }
}

impl PoolUser {
    /// Tells the registrar that an element does not answer, and does not use it again (RFC 5352, 6.9.2). Whether it is told:
    /// it is not of elements that the user has not got from an answer since the last report (3.5), nor of too many.
    pub fn report_unreachable(&mut self, pool_handle: PoolHandle, pe_id: PeId, now: Time) -> bool {
        self.cache.contains(&pool_handle, pe_id) && self.report(pool_handle, pe_id, now)
    }

    /// The same of an element to which there was an association.
    pub(crate) fn report(&mut self, pool_handle: PoolHandle, pe_id: PeId, now: Time) -> bool {
        self.cache.remove(&pool_handle, pe_id);
        let since = self.config.report_interval;
        self.reports.recent.retain(|(at, _, _)| now - *at < since);
        let is_repeated =
            self.reports.recent.iter().any(|(_, pool, id)| *pool == pool_handle && *id == pe_id);
        if is_repeated || !self.reports.limiter.allows(self.config.max_report_rate, now) {
            return false;
        }
        if self.reports.recent.len() == MAX_RECENT {
            self.reports.recent.pop_front();
        }
        self.reports.recent.push_back((now, pool_handle.clone(), pe_id));
        if self.reports.waiting.len() == MAX_WAITING {
            self.reports.waiting.pop_front();
        }
        self.reports.waiting.push_back((pool_handle, pe_id));
        self.flush_reports();
        true
    }

    pub(super) fn flush_reports(&mut self) {
        let Some(association) = self.home.association() else { return };
        for (pool_handle, pe_id) in self.reports.waiting.drain(..) {
            let message = AsapMessage::EndpointUnreachable { pool_handle, pe_id };
            self.io.send_asap(association, &message, &self.config.format);
        }
    }
}
