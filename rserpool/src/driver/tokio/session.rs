//! Sessions with pools, for tasks.

use std::future::poll_fn;

use tokio::task::coop::cooperative;

use crate::driver::{Error, Session as Blocking};
use crate::session::{Failover, SessionEvent};
use crate::transport::UserMessage;
use crate::wire::PoolElement;

/// A session with a pool: [`Session`](crate::driver::Session) with calls that wait as tasks do. One task may send while another
/// receives. Dropping it ends it, after everything sent is delivered.
pub struct Session {
    blocking: Blocking,
}

impl From<Blocking> for Session {
    fn from(blocking: Blocking) -> Self {
        Self { blocking }
    }
}

impl Session {
    /// Says who sends again what a failed element has not got; [by hand](Failover::ByHand) by default.
    pub fn set_failover(&self, failover: Failover) {
        self.blocking.set_failover(failover);
    }

    /// Waits until the first element is connected. To be called before anything is received: what else comes is passed over. Unlike the
    /// blocking call, which has a deadline, it does not wait for a pool to get its first element.
    ///
    /// # Errors
    /// [`Error::Resolution`] if the pool does not exist or no registrar answers: the session keeps trying, and so may the caller.
    pub async fn wait_connected(&self) -> Result<PoolElement, Error> {
        loop {
            match self.receive().await? {
                SessionEvent::Connected { element } => return Ok(*element),
                SessionEvent::Waiting { error: Some(error) } => return Err(error.into()),
                _ => {}
            }
        }
    }

    /// Sends a message to the element that serves the session; waits while the send buffer is full, and, if the fail-over is
    /// [transparent](Failover::Transparent), while too much waits for the next element.
    ///
    /// # Errors
    /// As [`Session::send`](Blocking::send).
    pub async fn send(&self, message: &UserMessage) -> Result<(), Error> {
        cooperative(poll_fn(|context| self.blocking.poll_send(context, message))).await
    }

    /// The next message, or what else happened.
    ///
    /// # Errors
    /// [`Error::Socket`] when the stack has failed.
    pub async fn receive(&self) -> Result<SessionEvent, Error> {
        cooperative(poll_fn(|context| self.blocking.poll_receive(context))).await
    }

    /// The next message. Whatever else happens is passed over, fail-overs as well, so this is for a session whose fail-over is
    /// [transparent](Failover::Transparent); while no element is to be had, it goes on waiting.
    ///
    /// # Errors
    /// As [`Session::receive`].
    pub async fn recv_message(&self) -> Result<UserMessage, Error> {
        loop {
            if let SessionEvent::Data(message) = self.receive().await? {
                return Ok(message);
            }
        }
    }

    /// The element that serves the session, or is being connected.
    pub fn element(&self) -> Option<PoolElement> {
        self.blocking.element()
    }

    /// Leaves the element because it does not do its work. With `unreachable`, the registrar is told.
    pub fn force_failover(&self, unreachable: bool) {
        self.blocking.force_failover(unreachable);
    }
}
