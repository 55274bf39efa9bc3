//! Handle resolutions: sent one behind the other, answered in this order, sent again to the next registrar.

use super::{MAX_EVENTS, PoolUser, PoolUserEvent};
use crate::home::HomeEvent;
use crate::session::SessionId;
use crate::transport::{AssociationId, earliest};
use crate::wire::{AsapMessage, EncodeError, ErrorCause, Policy, PoolElement};
use crate::{PoolHandle, Time};

/// Names a resolution; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// Why a pool could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolutionError {
    /// The registrar refused; an unknown pool has the cause 9.
    #[error("the registrar refused: {}", ErrorCause::list(.0))]
    Refused(Vec<ErrorCause>),
    /// No registrar answered in time: check the registrars' addresses, or that their announces arrive.
    #[error("no registrar answered in time: check their addresses, or that their announces arrive")]
    TimedOut,
    /// No message can ask for this pool, or none that all peers survive.
    #[error(transparent)]
    Unspeakable(EncodeError),
    /// Too many resolutions wait.
    #[error("too many resolutions wait for an answer")]
    TooManyRequests,
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Application,
    Session(SessionId),
    /// Messages wait for it.
    Sending,
    /// The application is subscribed to the pool.
    Subscription,
    /// Only the cache.
    Cache,
}

/// A resolution that waits for its answer.
pub(super) struct Request {
    id: RequestId,
    pool_handle: PoolHandle,
    purpose: Purpose,
    /// How many elements are asked for, where it is not the usual number.
    items: Option<u32>,
    /// When it was sent to the present home registrar.
    sent: Option<Time>,
    /// Whether it was sent with the S bit.
    subscribes: bool,
    /// How often it was sent.
    tries: u32,
    expires: Time,
}

impl PoolUser {
    /// RFC 5352, 3.3 NR1 to NR4.
    pub(crate) fn request(
        &mut self,
        pool_handle: PoolHandle,
        purpose: Purpose,
        items: Option<u32>,
        now: Time,
    ) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let expires = now + self.config.resolution_timeout;
        let (sent, subscribes, tries) = (None, false, 0);
        let question =
            AsapMessage::HandleResolution { subscribe: false, pool_handle: pool_handle.clone(), items };
        let request = Request { id, pool_handle, purpose, items, sent, subscribes, tries, expires };
        if let Err(error) = question.encode(&self.config.format) {
            self.finish(request, Err(ResolutionError::Unspeakable(error)), now);
            return id;
        }
        if self.requests.len() >= self.config.max_requests {
            self.finish(request, Err(ResolutionError::TooManyRequests), now);
            return id;
        }
        self.requests.push_back(request);
        self.home.start(&mut self.io, now);
        self.send_requests(now);
        id
    }

    /// Whether somebody asks for a pool already, for this purpose.
    pub(crate) fn is_asked(&self, pool_handle: &PoolHandle, purpose: Purpose) -> bool {
        self.requests.iter().any(|request| request.purpose == purpose && request.pool_handle == *pool_handle)
    }

    pub(super) fn handle_home(&mut self, change: Option<HomeEvent>, now: Time) {
        match change {
            Some(HomeEvent::Found) => {
                self.subscribe_again(now);
                self.send_requests(now);
                self.flush_reports();
            }
            Some(HomeEvent::Lost) => {
                // What was asked must be asked again (RFC 5352, 3.7.1).
                self.requests.iter_mut().for_each(|request| request.sent = None);
                self.subscriptions.suspend();
                self.give_up_requests(now);
            }
            None => {}
        }
    }

    /// Sends the requests that the home registrar has not got yet, one behind the other.
    fn send_requests(&mut self, now: Time) {
        let Some(association) = self.home.association() else { return };
        let items = self.config.stale_cache.is_zero().then_some(self.config.items);
        for request in self.requests.iter_mut().filter(|request| request.sent.is_none()) {
            let pool_handle = request.pool_handle.clone();
            let subscribe = self.subscriptions.contains(&pool_handle);
            let items = request.items.or(items);
            let message = AsapMessage::HandleResolution { subscribe, pool_handle, items };
            self.io.send_asap(association, &message, &self.config.format);
            (request.sent, request.subscribes, request.tries) = (Some(now), subscribe, request.tries + 1);
        }
    }

    /// When the oldest request that was sent must be answered.
    fn answer_due(&self) -> Option<Time> {
        Some(self.requests.front()?.sent? + self.config.request_timeout)
    }

    pub(super) fn next_request_deadline(&self) -> Option<Time> {
        earliest(self.requests.front().map(|request| request.expires), self.answer_due())
    }

    pub(super) fn expire_requests(&mut self, now: Time) {
        while self.requests.front().is_some_and(|request| request.expires <= now) {
            if let Some(request) = self.requests.pop_front() {
                self.finish(request, Err(ResolutionError::TimedOut), now);
            }
        }
        // RFC 5352, 3.7.2: T1 has expired.
        if self.answer_due().is_some_and(|due| due <= now) {
            self.home.fail(&mut self.io, now);
            self.handle_home(Some(HomeEvent::Lost), now);
        }
    }

    /// RFC 5352, 3.7.2 and 7.3: MAX-REQUEST-RETRANSMIT.
    fn give_up_requests(&mut self, now: Time) {
        let Some(max) = self.config.max_request_retransmits else { return };
        while let Some(at) = self.requests.iter().position(|request| request.tries > max) {
            if let Some(request) = self.requests.remove(at) {
                self.finish(request, Err(ResolutionError::TimedOut), now);
            }
        }
    }

    pub(super) fn handle_asap(&mut self, association: AssociationId, data: &[u8], now: Time) {
        match self.io.read_asap(association, data, &self.config.format) {
            Ok(AsapMessage::HandleResolutionResponse {
                subscribed,
                pool_handle,
                policy,
                elements,
                errors,
            }) => {
                // RFC 5352, 2.2.6: a positive answer names at least one element.
                let is_positive = errors.is_empty() && !elements.is_empty();
                let result = if is_positive { Ok((policy, elements)) } else { Err(errors) };
                self.handle_response(&pool_handle, subscribed, result, now);
            }
            Ok(AsapMessage::Error(causes)) if self.events.len() < MAX_EVENTS => {
                self.emit(PoolUserEvent::ErrorReported(causes));
            }
            Ok(message) => tracing::debug!(?message, "ignored"),
            Err(_) => {}
        }
    }

    /// Answers come in the order of the requests; one that matches none is an update, or was not asked for.
    fn handle_response(
        &mut self,
        pool_handle: &PoolHandle,
        subscribed: bool,
        result: Result<(Option<Policy>, Vec<PoolElement>), Vec<ErrorCause>>,
        now: Time,
    ) {
        let matches = |request: &Request| request.sent.is_some() && request.pool_handle == *pool_handle;
        let request = self.requests.iter().position(matches).and_then(|at| self.requests.remove(at));
        if request.is_none() && !self.subscriptions.is_active(pool_handle) {
            return tracing::debug!(%pool_handle, "an answer that nobody asked for");
        }
        let result = match result {
            Ok((policy, elements)) => {
                self.cache.store(pool_handle, policy, &elements, now);
                Ok(elements)
            }
            Err(errors) => {
                self.cache.forget(pool_handle);
                Err(ResolutionError::Refused(errors))
            }
        };
        if request.as_ref().is_none_or(|request| request.subscribes) {
            self.note_update(pool_handle, subscribed, &result);
        }
        if let Some(request) = request {
            self.finish(request, result, now);
        }
    }

    fn finish(&mut self, request: Request, result: Result<Vec<PoolElement>, ResolutionError>, now: Time) {
        let Request { id, pool_handle, purpose, .. } = request;
        match (purpose, result) {
            (Purpose::Session(session), result) => self.session_resolved(session, result.err(), now),
            (Purpose::Sending, result) => self.sending_resolved(&pool_handle, result, now),
            (Purpose::Subscription, Err(error)) => self.end_subscription(&pool_handle, error),
            (Purpose::Application, result) => {
                self.emit(PoolUserEvent::Resolved { request: id, pool_handle, result });
            }
            (Purpose::Subscription | Purpose::Cache, _) => {}
        }
    }

    pub(super) fn emit(&mut self, event: PoolUserEvent) {
        self.events.push_back(event);
    }
}
