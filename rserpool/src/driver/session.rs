//! A pool user's sessions over real sockets.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Error;
use super::pool_user::{Sorted, Topic};
use super::runner::{Engine, Runner};
use crate::pool_user::ResolutionError;
use crate::session::{Failover, SendError, SessionEvent, SessionId};
use crate::transport::UserMessage;
use crate::wire::PoolElement;

/// A session with a pool. One thread may send while another receives. Dropping it ends it, after everything sent is
/// delivered; but what waits for the next element, because the fail-over is transparent, is forgotten. Whose events are not fetched makes its element wait, and nobody else: 256 KiB of them wait here, then the association's
/// receive buffer fills. If the element fails then, what is in that buffer comes as well, and the session turns to the next element once
/// half of the 256 KiB are free again.
pub struct Session {
    runner: Arc<Runner<Sorted>>,
    id: SessionId,
}

impl Session {
    pub(super) fn new(runner: Arc<Runner<Sorted>>, id: SessionId) -> Self {
        Self { runner, id }
    }

    /// Says who sends again what a failed element has not got; [by hand](Failover::ByHand) by default.
    pub fn set_failover(&self, failover: Failover) {
        self.runner.with(|engine, _| engine.machine.machine.set_failover(self.id, failover));
    }

    /// Sends a message to the element that serves the session; waits while the send buffer is full. If the fail-over is
    /// [transparent](Failover::Transparent), the message may wait for the next element, and the call waits if too many do.
    /// An element that answers reads no more of who does not read its answers: receive meanwhile, or give a deadline.
    ///
    /// # Errors
    /// In [`Error::Send`], [`SendError::NotConnected`] during a fail-over by hand: receive until it is complete, then send what was not
    /// answered; and what makes a message one that cannot be sent to anybody ([`SendError::Empty`], `TooLong`, `NoSuchStream`,
    /// `ReservedPpid`).
    pub fn send(&self, message: &UserMessage) -> Result<(), Error> {
        self.send_until(message, None)
    }

    /// As [`Session::send`], but waits until `deadline` only.
    ///
    /// # Errors
    /// Also [`Error::TimedOut`] at the deadline: the message is not sent.
    pub fn send_until(&self, message: &UserMessage, deadline: Option<Instant>) -> Result<(), Error> {
        Ok(self.runner.wait(deadline, |engine| self.try_send(engine, message))??)
    }

    /// As [`Session::send`], for futures of one's own.
    pub fn poll_send(&self, context: &mut Context<'_>, message: &UserMessage) -> Poll<Result<(), Error>> {
        let topic = Topic::Session(self.id);
        let sent = self.runner.poll_room(context, topic, |engine| self.try_send(engine, message));
        sent.map(|result| Ok(result??))
    }

    fn try_send(&self, engine: &mut Engine<Sorted>, message: &UserMessage) -> Option<Result<(), SendError>> {
        // Nothing leaves any more; the call tells why.
        if engine.has_failed() {
            return None;
        }
        let machine = &mut engine.machine.machine;
        if machine.association(self.id).is_some_and(|association| engine.network.has_backlog(association)) {
            return None;
        }
        match machine.send(self.id, message.clone()) {
            Err(SendError::QueueFull) => None,
            result => Some(result),
        }
    }

    /// The next message, or what else happened.
    ///
    /// # Errors
    /// [`Error::TimedOut`] at the deadline; [`Error::Socket`] when the stack has failed.
    pub fn receive(&self, deadline: Option<Instant>) -> Result<SessionEvent, Error> {
        self.runner.wait(deadline, |engine| self.take(engine))
    }

    /// As [`Session::receive`], for futures of one's own.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<SessionEvent, Error>> {
        self.runner.poll(context, Topic::Session(self.id), |engine| self.take(engine))
    }

    fn take(&self, engine: &mut Engine<Sorted>) -> Option<SessionEvent> {
        engine.machine.sessions.pop(self.id)
    }

    /// The next message. Whatever else happens is passed over, fail-overs as well, so this is for a session whose fail-over is
    /// [transparent](Failover::Transparent); while no element is to be had, it goes on waiting.
    ///
    /// # Errors
    /// As [`Session::receive`].
    pub fn recv_message(&self, deadline: Option<Instant>) -> Result<UserMessage, Error> {
        loop {
            if let SessionEvent::Data(message) = self.receive(deadline)? {
                return Ok(message);
            }
        }
    }

    /// Waits until the first element is connected, and for a pool to get its first element. To be called before anything is received:
    /// what else comes is passed over.
    ///
    /// # Errors
    /// After `timeout`, [`Error::Resolution`] if the pool does not exist or no registrar answers, [`Error::TimedOut`] if its elements do
    /// not; [`Error::Socket`] when the stack has failed.
    pub fn wait_connected(&self, timeout: Duration) -> Result<PoolElement, Error> {
        // What is too far away for the clock never comes.
        let deadline = Instant::now().checked_add(timeout);
        let mut refusal = Some(ResolutionError::TimedOut);
        loop {
            match self.receive(deadline) {
                Ok(SessionEvent::Connected { element }) => return Ok(*element),
                Ok(SessionEvent::Waiting { error }) => refusal = error,
                Ok(_) => {}
                Err(Error::TimedOut) if self.element().is_none() => {
                    return Err(refusal.map_or(Error::TimedOut, Error::from));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The element that serves the session, or is being connected.
    pub fn element(&self) -> Option<PoolElement> {
        self.runner.with(|engine, _| engine.machine.machine.element(self.id).cloned())
    }

    /// Leaves the element because it does not do its work. With `unreachable`, the registrar is told.
    pub fn force_failover(&self, unreachable: bool) {
        self.runner.with(|engine, now| engine.machine.machine.force_failover(self.id, unreachable, now));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.runner.with(|engine, _| {
            engine.machine.machine.close_session(self.id);
            engine.machine.sessions.close(self.id);
            engine.tasks.wake(&Topic::Session(self.id));
        });
    }
}
