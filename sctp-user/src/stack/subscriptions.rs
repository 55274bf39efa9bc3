//! Which notifications a socket is told (RFC 6458, 6.2).

use sctp_core::event::AssociationId;

use super::Socket;
use super::error::Error;
use super::mailbox::{Interest, SocketId, SocketKind};
use super::notification::{Notification, Notifications};
use super::registry::Change;
use super::state::State;

impl Socket {
    /// Chooses the notifications that are delivered, from now on: of all associations but those that have a
    /// [choice of their own](Socket::subscribe_to).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn subscribe(&self, notifications: Notifications) -> Result<(), Error> {
        self.with(|state, _| {
            let mailbox = state.mailbox(self.id())?;
            mailbox.subscribed = notifications;
            // A one-to-one socket and its association are one.
            let only = mailbox.association.filter(|_| mailbox.kind == SocketKind::OneToOne);
            if let Some(link) = only.and_then(|id| state.registry.links.get_mut(&id)) {
                link.subscribed = None;
            }
            Ok(())
        })
    }

    /// Chooses the notifications of one association.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn subscribe_to(&self, id: AssociationId, notifications: Notifications) -> Result<(), Error> {
        self.with(|state, _| {
            let id = state.association_of(self.id(), Some(id))?;
            let link = state.registry.links.get_mut(&id).ok_or(Error::NoAssociation)?;
            link.subscribed = Some(notifications);
            Ok(())
        })
    }

    /// Tells of associations that have nothing to send, which is due when somebody subscribes to that (RFC 6458, 6.1.9): of
    /// the one named, else of all.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn tell_sender_dry(&self, id: Option<AssociationId>) -> Result<(), Error> {
        self.with(|state, _| match id {
            Some(id) => {
                let id = state.association_of(self.id(), Some(id))?;
                state.tell_if_dry(self.id(), id)
            }
            None => {
                let all = state.associations(self.id());
                all.into_iter().try_for_each(|id| state.tell_if_dry(self.id(), id))
            }
        })
    }
}

impl State {
    fn tell_if_dry(&mut self, socket: SocketId, id: AssociationId) -> Result<(), Error> {
        if !self.association(id)?.has_unacknowledged() {
            let now = self.engine.endpoint.arrival();
            self.mailbox(socket)?.incoming.notify(now, id, Notification::SenderDry);
            self.tell(socket, Change::One(Interest::Read));
        }
        Ok(())
    }
}
