//! Shared keys (RFC 6458, 8.3.3 to 8.3.5; RFC 4895).

use sctp_core::auth::{KeyError, SharedKeys};
use sctp_core::error::CommandError;
use sctp_core::event::AssociationId;

use super::error::Error;
use super::mailbox::SocketId;
use super::socket::Socket;
use super::state::State;

impl Socket {
    /// Changes shared keys: of the association named, else of those to come and of the socket's only one.
    ///
    /// # Errors
    /// [`Error::Command`] tells which key cannot be changed so; [`Error::NoAssociation`].
    pub fn change_keys(
        &self,
        id: Option<AssociationId>,
        change: impl Fn(&mut SharedKeys) -> Result<(), KeyError>,
    ) -> Result<(), Error> {
        self.with(|state, _| state.change_keys(self.id(), id, change))
    }
}

impl State {
    fn change_keys(
        &mut self,
        socket: SocketId,
        id: Option<AssociationId>,
        change: impl Fn(&mut SharedKeys) -> Result<(), KeyError>,
    ) -> Result<(), Error> {
        if let Some(id) = id {
            let id = self.association_of(socket, Some(id))?;
            return Ok(self.engine.endpoint.change_keys(id, change)?);
        }
        let mailbox = self.mailbox(socket)?;
        change(&mut mailbox.config.auth.keys).map_err(CommandError::from)?;
        // A one-to-one socket and its association are one (RFC 6458, 8.3.3).
        if let Some(id) = mailbox.association {
            return Ok(self.engine.endpoint.change_keys(id, change)?);
        }
        if let Some(listener) = mailbox.listener {
            let keys = mailbox.config.auth.keys.clone();
            self.engine.endpoint.update_listener(listener, |config| config.auth.keys = keys)?;
        }
        Ok(())
    }
}
