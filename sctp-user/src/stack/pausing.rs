//! Leaving the messages of one association unread, while its socket reads those of the others.

use sctp_core::event::AssociationId;

use super::Socket;
use super::error::Error;
use super::mailbox::{Interest, SocketId, SocketKind};
use super::registry::Change;
use super::state::State;

impl Socket {
    /// Leaves the messages of an association where they are until [`Socket::resume_reading`]: they fill its receive buffer, so that
    /// its peer has to wait (RFC 9260, 6.2), and count for nothing among what this socket has to read. The rest of a message of
    /// which a part was read comes all the same, and so do notifications, before messages that came earlier; but the end of the
    /// association, or its restart, ends the pause, and is told after its messages as ever. Only for one-to-many sockets: any other is
    /// simply not read.
    ///
    /// # Errors
    /// [`Error::NoAssociation`], [`Error::NotOneToMany`].
    pub fn pause_reading(&self, id: AssociationId) -> Result<(), Error> {
        self.with(|state, _| state.pause_reading(self.id(), id))
    }

    /// Reads the messages of an association again, if that was paused.
    ///
    /// # Errors
    /// [`Error::NoAssociation`].
    pub fn resume_reading(&self, id: AssociationId) -> Result<(), Error> {
        self.with(|state, _| state.resume_reading(self.id(), id))
    }

    /// Ends an association in good order, for who wants no more messages of it: should the socket be closed before the association has
    /// ended, what nobody has read is thrown away. Without this call the association would be aborted then, so that its peer learns
    /// that data was lost, and might not get what was sent to it.
    ///
    /// # Errors
    /// As [`Socket::shutdown`].
    pub fn leave(&self, id: AssociationId) -> Result<(), Error> {
        self.with(|state, now| {
            state.association_of(self.id(), Some(id))?;
            state.shutdown(now, id)?;
            state.registry.links.get_mut(&id).ok_or(Error::NoAssociation)?.is_left = true;
            Ok(())
        })
    }
}

impl State {
    fn pause_reading(&mut self, socket: SocketId, id: AssociationId) -> Result<(), Error> {
        self.association_of(socket, Some(id))?;
        let mailbox = self.registry.sockets.get_mut(&socket).ok_or(Error::Closed)?;
        // A SHUTDOWN would be the end of file, before the messages.
        if mailbox.kind != SocketKind::OneToMany {
            return Err(Error::NotOneToMany);
        }
        let link = self.registry.links.get_mut(&id).ok_or(Error::NoAssociation)?;
        if link.end.is_some() || mailbox.incoming.tells_restart(id) {
            return Ok(());
        }
        link.paused = true;
        if !mailbox.incoming.is_in_part(id) {
            mailbox.incoming.remove(id);
            link.queued = false;
        }
        Ok(())
    }

    pub(super) fn resume_reading(&mut self, socket: SocketId, id: AssociationId) -> Result<(), Error> {
        self.association_of(socket, Some(id))?;
        let link = self.registry.links.get_mut(&id).ok_or(Error::NoAssociation)?;
        if std::mem::take(&mut link.paused) && !link.queued && self.queue(socket, id) {
            self.tell(socket, Change::One(Interest::Read));
        }
        Ok(())
    }
}
