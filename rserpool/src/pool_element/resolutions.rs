//! An element resolves pools, its own for example, over the association of its registration (RFC 5352, 3.3 NR3).

use std::collections::VecDeque;

use super::{PoolElement, PoolElementEvent, Timer};
use crate::pool_user::ResolutionError;
use crate::transport::earliest;
use crate::wire::{AsapMessage, ErrorCause, PoolElement as Description};
use crate::{PoolHandle, Time};

/// A resolution that waits for its answer.
struct Resolution {
    pool_handle: PoolHandle,
    items: Option<u32>,
    /// When it was sent to the present home registrar.
    sent: Option<Time>,
    expires: Time,
}

#[derive(Default)]
pub(super) struct Resolutions {
    waiting: VecDeque<Resolution>,
}

/// Resolutions that may wait for an answer.
const MAX_WAITING: usize = 64;
/// How many time-outs of a request a resolution may take, with finding registrars and all.
const PATIENCE: u32 = 3;

impl PoolElement {
    /// Asks for so many elements of a pool (asap-hropt draft; none for the registrar's default):
    /// [`PoolElementEvent::Resolved`] brings them. False if too many wait.
    pub fn resolve(&mut self, pool_handle: PoolHandle, items: Option<u32>, now: Time) -> bool {
        if self.resolutions.waiting.len() >= MAX_WAITING {
            return false;
        }
        let question =
            AsapMessage::HandleResolution { subscribe: false, pool_handle: pool_handle.clone(), items };
        if let Err(error) = question.encode(&self.config.format) {
            let result = Err(ResolutionError::Unspeakable(error));
            self.emit(PoolElementEvent::Resolved { pool_handle, result });
            return true;
        }
        let expires = now + self.config.request_timeout.saturating_mul(PATIENCE);
        self.resolutions.waiting.push_back(Resolution { pool_handle, items, sent: None, expires });
        self.send_resolutions(now);
        true
    }

    /// Sends what the home registrar has not got yet, over the association of the registration (RFC 5352, 3.3 NR3).
    pub(super) fn send_resolutions(&mut self, now: Time) {
        if let Some(association) = self.home.association() {
            for resolution in self.resolutions.waiting.iter_mut().filter(|it| it.sent.is_none()) {
                let (subscribe, pool_handle) = (false, resolution.pool_handle.clone());
                let message =
                    AsapMessage::HandleResolution { subscribe, pool_handle, items: resolution.items };
                self.io.send_asap(association, &message, &self.config.format);
                resolution.sent = Some(now);
            }
        }
        self.expect_answer();
    }

    /// Starts T1 for the oldest, or stops it.
    fn expect_answer(&mut self) {
        let oldest = self.resolutions.waiting.front();
        let answer = oldest.and_then(|oldest| Some(oldest.sent? + self.config.request_timeout));
        match earliest(oldest.map(|oldest| oldest.expires), answer) {
            Some(due) => self.timers.set(Timer::Resolution, due),
            None => self.timers.clear(Timer::Resolution),
        }
    }

    /// The registrar is lost: the next one is asked again (RFC 5352, 3.7.1).
    pub(super) fn suspend_resolutions(&mut self) {
        self.resolutions.waiting.iter_mut().for_each(|resolution| resolution.sent = None);
        self.expect_answer();
    }

    /// Whether the registrar has not answered in time.
    pub(super) fn resolution_timed_out(&mut self, now: Time) -> bool {
        while let Some(oldest) = self.resolutions.waiting.pop_front_if(|oldest| oldest.expires <= now) {
            let (pool_handle, result) = (oldest.pool_handle, Err(ResolutionError::TimedOut));
            self.emit(PoolElementEvent::Resolved { pool_handle, result });
        }
        let is_late =
            |oldest: &Resolution| oldest.sent.is_some_and(|sent| sent + self.config.request_timeout <= now);
        let is_silent = self.resolutions.waiting.front().is_some_and(is_late);
        self.expect_answer();
        is_silent
    }

    /// Answers come in the order of the requests.
    pub(super) fn handle_resolution_response(
        &mut self,
        pool_handle: PoolHandle,
        elements: Vec<Description>,
        errors: Vec<ErrorCause>,
    ) {
        let matches = |it: &Resolution| it.sent.is_some() && it.pool_handle == pool_handle;
        let Some(at) = self.resolutions.waiting.iter().position(matches) else { return };
        self.resolutions.waiting.remove(at);
        // RFC 5352, 2.2.6: a positive answer names at least one element.
        let is_positive = errors.is_empty() && !elements.is_empty();
        let result = if is_positive { Ok(elements) } else { Err(ResolutionError::Refused(errors)) };
        self.emit(PoolElementEvent::Resolved { pool_handle, result });
        self.expect_answer();
    }
}
