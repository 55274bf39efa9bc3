//! Waiting as a task does, under any executor: futures, and `poll_*` for those who make futures of their own.
//!
//! Each attempt is made under the lock of the stack, and either does the whole or nothing. So a call that is dropped
//! while it waits has done nothing: no message is lost or sent by it. All who wait for the same are woken together, and
//! who finds nothing waits again; so nobody misses a turn that was another's and was given up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use sctp_core::event::AssociationId;
use sctp_core::message::SendOptions;
use sctp_core::time::Time;
use smallvec::SmallVec;

use super::Socket;
use super::calls::{Delivery, Next};
use super::error::Error;
use super::mailbox::{End, Interest, SocketId};
use super::state::{How, State, Target};

/// Tasks that wait for the same of one socket by `poll_*` at most. Calls that were given up leave theirs behind, since
/// nobody says so: past the bound the oldest is woken, and if it still waits, it comes back.
const MOST_TASKS: usize = 1_024;

impl Socket {
    /// As [`Socket::receive`], for tasks: when nothing is there, the task is woken when something may be.
    pub fn poll_receive(
        &self,
        context: &mut Context<'_>,
        limit: usize,
    ) -> Poll<Result<Option<Delivery>, Error>> {
        self.poll(context, Interest::Read, |state, now| state.receive(now, self.id(), limit))
    }

    /// For tasks: what [`Socket::receive`] would find. Messages are left where they are, so that they count against a_rwnd
    /// (RFC 9260, 6.2); notifications are taken. Ready and errors are as there.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<Next>, Error>> {
        self.poll(context, Interest::Read, |state, _| state.next(self.id()))
    }

    /// As [`Socket::accept`], for tasks.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Result<Self, Error>> {
        let accepted = self.poll(context, Interest::Read, |state, _| state.accept(self.id()));
        accepted.map_ok(|id| Self::new(self.stack().clone(), id))
    }

    /// As [`Socket::send`], for tasks.
    pub fn poll_send(
        &self,
        context: &mut Context<'_>,
        id: Option<AssociationId>,
        options: &SendOptions,
        payload: &Bytes,
    ) -> Poll<Result<(), Error>> {
        self.poll(context, Interest::Write, |state, now| {
            let id = state.association_of(self.id(), id)?;
            state.send(now, id, options, payload)
        })
    }

    /// For tasks: whether the send buffer of an association has room for a message of `len` bytes. Ready also when the
    /// association has ended, which a send then tells.
    pub fn poll_room(
        &self,
        context: &mut Context<'_>,
        id: AssociationId,
        len: usize,
    ) -> Poll<Result<(), Error>> {
        self.poll(context, Interest::Write, |state, _| {
            let has_room = state.has_ended(id) || state.engine.endpoint.has_room(id, len);
            if has_room { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
    }

    /// As [`Socket::wait_connected`], for tasks.
    pub fn poll_connected(&self, context: &mut Context<'_>, id: AssociationId) -> Poll<Result<(), Error>> {
        self.poll(context, Interest::Write, |state, _| state.connected(self.id(), id))
    }

    /// As [`Socket::wait_ended`], for tasks.
    pub fn poll_ended(&self, context: &mut Context<'_>, id: AssociationId) -> Poll<Result<End, Error>> {
        self.poll(context, Interest::Read, |state, _| state.poll_end(id))
    }

    /// For tasks: ready when the peer's SHUTDOWN has come, and the association [waits](sctp_core::association::Association::awaits_last_sends) for its
    /// [last sends](Socket::finish_sending); pending for ever where it does not. `id` may be `None` on a one-to-one socket.
    pub fn poll_last_sends(
        &self,
        context: &mut Context<'_>,
        id: Option<AssociationId>,
    ) -> Poll<Result<(), Error>> {
        self.poll(context, Interest::Read, |state, _| {
            let id = state.association_of(self.id(), id)?;
            let awaits = state.association(id)?.awaits_last_sends();
            if awaits { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
    }

    fn poll<T>(
        &self,
        context: &mut Context<'_>,
        interest: Interest,
        attempt: impl FnOnce(&mut State, Time) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        self.with(|state, now| {
            state.check_open()?;
            let outcome = attempt(state, now);
            if outcome.is_pending() {
                state.register_task(self.id(), interest, context.waker());
            }
            outcome
        })
    }

    /// As [`Socket::receive`], as long as it takes. Dropped, it has taken nothing.
    ///
    /// # Errors
    /// Those of [`Socket::receive`].
    pub fn receive_async(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Delivery>, Error>> + Send + '_ {
        self.waiting(Interest::Read, move |state, now| state.receive(now, self.id(), limit))
    }

    /// As [`Socket::peek`], as long as it takes.
    ///
    /// # Errors
    /// Those of [`Socket::peek`].
    pub fn peek_async(&self) -> impl Future<Output = Result<Option<Delivery>, Error>> + Send + '_ {
        self.waiting(Interest::Read, |state, now| state.peek(now, self.id()))
    }

    /// As [`Socket::accept`], as long as it takes. Dropped, it has taken no association.
    ///
    /// # Errors
    /// Those of [`Socket::accept`].
    pub fn accept_async(&self) -> impl Future<Output = Result<Self, Error>> + Send + '_ {
        // The socket is made in the same step as the association is taken: it cannot get lost in between.
        self.waiting(Interest::Read, |state, _| {
            state.accept(self.id()).map_ok(|id| Self::new(self.stack().clone(), id))
        })
    }

    /// As [`Socket::send`], as long as it takes. Dropped before it is done, it has sent nothing.
    ///
    /// # Errors
    /// Those of [`Socket::send`].
    pub fn send_async(
        &self,
        id: Option<AssociationId>,
        options: SendOptions,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        self.waiting(Interest::Write, move |state, now| {
            let id = state.association_of(self.id(), id)?;
            state.send(now, id, &options, &payload)
        })
    }

    /// As [`Socket::wait_connected`], as long as it takes. Dropped, the set-up goes on.
    ///
    /// # Errors
    /// Those of [`Socket::wait_connected`].
    pub fn connected_async(&self, id: AssociationId) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        self.waiting(Interest::Write, move |state, _| state.connected(self.id(), id))
    }

    /// As [`Socket::wait_ended`], as long as it takes.
    ///
    /// # Errors
    /// Those of [`Socket::wait_ended`].
    pub fn ended_async(&self, id: AssociationId) -> impl Future<Output = Result<End, Error>> + Send + '_ {
        self.waiting(Interest::Read, move |state, _| state.poll_end(id))
    }

    fn waiting<T, F>(&self, interest: Interest, attempt: F) -> Waiting<'_, F>
    where
        F: FnMut(&mut State, Time) -> Poll<Result<T, Error>>,
    {
        Waiting { socket: self, interest, attempt, place: None }
    }
}

/// A call that waits as a task. It has a place among the waiters of its own, which it gives back: so any number may wait.
struct Waiting<'a, F> {
    socket: &'a Socket,
    interest: Interest,
    attempt: F,
    place: Option<Place>,
}

/// Where a call is entered. Once it was told, the key may be another's: the number tells.
#[derive(Clone, Copy)]
struct Place {
    key: usize,
    number: u64,
}

// Nothing in it is pinned.
impl<F> Unpin for Waiting<'_, F> {}

impl<T, F> Future for Waiting<'_, F>
where
    F: FnMut(&mut State, Time) -> Poll<Result<T, Error>>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, interest, attempt, place } = self.get_mut();
        // A waker may own its task: the one that is not needed any more is dropped when the lock is free.
        let (outcome, _unused) = socket.with(|state, now| {
            let outcome = match state.check_open() {
                Ok(()) => attempt(state, now),
                Err(error) => Poll::Ready(Err(error)),
            };
            let unused = if outcome.is_pending() {
                state.enter(place, socket.id(), *interest, context.waker())
            } else {
                place.take().and_then(|place| state.leave(place))
            };
            (outcome, unused)
        });
        outcome
    }
}

impl<F> Drop for Waiting<'_, F> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let _unused = self.socket.with(|state, _| state.leave(place));
        }
    }
}

impl State {
    pub(super) fn poll_end(&self, id: AssociationId) -> Poll<Result<End, Error>> {
        self.ended(id).map_or(Poll::Pending, |end| Poll::Ready(Ok(end)))
    }

    /// Enters a call, or changes whom it wakes. Returns the waker that it had.
    fn enter(
        &mut self,
        place: &mut Option<Place>,
        socket: SocketId,
        interest: Interest,
        waker: &Waker,
    ) -> Option<Waker> {
        if let Some(place) = place
            && let Some(waiter) = self.waiters.get_mut(place.key).filter(|it| it.number == place.number)
        {
            return match &mut waiter.how {
                How::Task(known) if !known.will_wake(waker) => Some(std::mem::replace(known, waker.clone())),
                _ => None,
            };
        }
        let key = self.attach_waiter(Target::Socket(socket), interest, How::Task(waker.clone()));
        *place = Some(Place { key, number: self.waiters[key].number });
        None
    }

    fn leave(&mut self, place: Place) -> Option<Waker> {
        let waiter = self.waiters.get(place.key).filter(|waiter| waiter.number == place.number)?;
        self.detach_waiter(waiter.target, place.key);
        match self.waiters.remove(place.key).how {
            How::Task(waker) => Some(waker),
            How::Follower(_) | How::Leader => None,
        }
    }

    /// Wakes this task when something changes for `socket`.
    fn register_task(&mut self, socket: SocketId, interest: Interest, waker: &Waker) {
        let Ok(mailbox) = self.mailbox(socket) else { return };
        let keys = mailbox.waiters.clone();
        let is_task = |how: &How| matches!(how, How::Task(_));
        let tasks: SmallVec<[usize; 2]> = keys
            .into_iter()
            .filter(|key| {
                self.waiters.get(*key).is_some_and(|it| it.interest == interest && is_task(&it.how))
            })
            .collect();
        let is_known =
            |key: &usize| matches!(&self.waiters[*key].how, How::Task(known) if known.will_wake(waker));
        if tasks.iter().any(is_known) {
            return;
        }
        if tasks.len() >= MOST_TASKS {
            self.tell_waiter(tasks[0]);
        }
        self.attach_waiter(Target::Socket(socket), interest, How::Task(waker.clone()));
    }
}
