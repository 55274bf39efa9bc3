//! An element whose sessions are accepted, for tasks.

use std::future::poll_fn;

use bytes::Bytes;
use socketapi::Stack;
use tokio::task::coop::cooperative;

use crate::driver::{
    AcceptedSession as BlockingSession, Error, PoolElement, PoolElementOptions, PoolListener as Blocking,
};
use crate::pool_element::PoolElementEvent;
use crate::session::{SendError, ServiceEvent};
use crate::transport::{AssociationId, Peer, UserMessage};

/// An element at work: [`PoolListener`](crate::driver::PoolListener) with calls that wait as tasks do. Dropping it ends the element
/// and the sessions that nobody has accepted; the others go on.
pub struct PoolListener {
    blocking: Blocking,
}

impl From<Blocking> for PoolListener {
    fn from(blocking: Blocking) -> Self {
        Self { blocking }
    }
}

impl PoolListener {
    /// Starts to listen, and to look for a registrar.
    ///
    /// # Errors
    /// As [`PoolElement::start`].
    pub fn bind(stack: &Stack, options: PoolElementOptions) -> Result<Self, Error> {
        Blocking::bind(stack, options).map(Self::from)
    }

    /// The next session.
    ///
    /// # Errors
    /// [`Error::Socket`] when the stack has failed.
    pub async fn accept(&self) -> Result<(AcceptedSession, Peer), Error> {
        let (blocking, peer) = cooperative(poll_fn(|context| self.blocking.poll_accept(context))).await?;
        Ok((AcceptedSession { blocking }, peer))
    }

    /// What happens to the registration.
    ///
    /// # Errors
    /// [`Error::Socket`] when the stack has failed.
    pub async fn next_event(&self) -> Result<PoolElementEvent, Error> {
        let registration = self.element().registration();
        cooperative(poll_fn(|context| registration.poll_next_event(context))).await
    }

    /// Leaves the pool; sessions go on. Whether a registrar has confirmed it. Dropped before that is known, it goes on.
    ///
    /// # Errors
    /// [`Error::Socket`] when the stack has failed.
    pub async fn deregister(&self) -> Result<bool, Error> {
        let registration = self.element().registration();
        registration.begin_deregistration();
        cooperative(poll_fn(|context| registration.poll_deregistered(context))).await
    }

    /// Its membership in the pool, for what does not wait.
    pub fn element(&self) -> &PoolElement {
        self.blocking.element()
    }
}

/// A session with a user: [`AcceptedSession`](crate::driver::AcceptedSession) with calls that wait as tasks do. Dropping it ends it,
/// after everything sent is delivered.
///
/// Whose events are not fetched makes its user wait, and nobody else: 256 KiB of them wait here, then the association's receive buffer
/// fills.
pub struct AcceptedSession {
    blocking: BlockingSession,
}

impl AcceptedSession {
    /// Names the session.
    pub fn id(&self) -> AssociationId {
        self.blocking.id()
    }

    /// The next message, or what else happened; [`ServiceEvent::Ended`] is the last. A [`ServiceEvent::CookieEcho`] comes before all
    /// messages, and is the state to go on from; after a [`ServiceEvent::CookieRejected`], [abort](Self::abort) or begin anew.
    ///
    /// # Errors
    /// [`SendError::UnknownSession`] in [`Error::Send`] after its end; [`Error::Socket`] when the stack has failed.
    pub async fn receive(&self) -> Result<ServiceEvent, Error> {
        cooperative(poll_fn(|context| self.blocking.poll_receive(context))).await
    }

    /// The next message, or none after its end; cookies and whatever else happens are passed over.
    ///
    /// # Errors
    /// [`Error::Socket`] when the stack has failed.
    pub async fn recv_message(&self) -> Result<Option<UserMessage>, Error> {
        loop {
            match self.receive().await {
                Ok(ServiceEvent::Data { message, .. }) => return Ok(Some(message)),
                Ok(_) => {}
                Err(Error::Send(SendError::UnknownSession)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a message; waits while the send buffer is full.
    ///
    /// # Errors
    /// In [`Error::Send`], [`SendError::UnknownSession`] after its end, or what makes a message one that cannot be sent
    /// ([`SendError::Empty`], `TooLong`, `NoSuchStream`, `ReservedPpid`).
    pub async fn send(&self, message: &UserMessage) -> Result<(), Error> {
        cooperative(poll_fn(|context| self.blocking.poll_send(context, message))).await
    }

    /// Gives the user the session's state, which goes to the next element if this one fails. A length that is a multiple of four
    /// suits RSPLIB. Does not wait: send the message that goes with it after it.
    ///
    /// # Errors
    /// [`SendError`] in [`Error::Send`]: `UnknownSession`, `QueueFull`, `NoControlChannel`, `CookieTooLong`.
    pub fn send_cookie(&self, cookie: impl Into<Bytes>) -> Result<(), Error> {
        self.blocking.send_cookie(cookie)
    }

    /// Ends the session at once; the user turns to another element.
    pub fn abort(&self) {
        self.blocking.abort();
    }
}
