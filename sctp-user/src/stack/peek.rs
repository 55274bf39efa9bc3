//! Looking at what comes next without taking it (`MSG_PEEK`, and `SCTP_NXTINFO` of RFC 6458, 5.3.6).

use std::task::{Poll, ready};

use sctp_core::time::Time;

use super::Socket;
use super::calls::Delivery;
use super::error::Error;
use super::lead::Patience;
use super::mailbox::{Interest, SocketId};
use super::state::State;

impl Socket {
    /// What [`Socket::receive`] would bring, all that there is of it. It stays the next.
    ///
    /// # Errors
    /// Those of [`Socket::receive`].
    pub fn peek(&self, patience: Patience) -> Result<Option<Delivery>, Error> {
        self.wait(Interest::Read, patience, |state, now| state.peek(now, self.id()))
    }
}

impl State {
    pub(super) fn peek(&mut self, now: Time, socket: SocketId) -> Poll<Result<Option<Delivery>, Error>> {
        let next = ready!(self.receive(now, socket, usize::MAX))?;
        let mailbox = self.mailbox(socket)?;
        match next.clone() {
            // As if an earlier read had left all of it.
            Some(Delivery::Message { association, message, .. }) => {
                mailbox.unread = Some((association, message));
            }
            Some(Delivery::Notification { association, notification }) => {
                mailbox.incoming.put_first(association, notification);
            }
            None => {}
        }
        Poll::Ready(Ok(next))
    }
}
