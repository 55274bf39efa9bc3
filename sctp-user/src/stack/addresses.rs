//! The addresses of a socket while it is in use (`sctp_bindx`; RFC 6458, 9.1; RFC 5061).

use std::net::IpAddr;

use sctp_core::error::CommandError;
use sctp_core::event::AssociationId;
use sctp_core::time::Time;

use super::error::Error;
use super::mailbox::SocketId;
use super::socket::Socket;
use super::state::State;

impl Socket {
    /// Adds an address, to associations to come and to those that the socket has, which tell their peers
    /// ([`Notification::LocalAddressChanged`](super::Notification::LocalAddressChanged)). Associations that cannot change theirs, as
    /// where the extension is not in use, keep what they have.
    ///
    /// # Errors
    /// [`Error::NotLocal`] if the stack has no such address; [`Error::Lease`]; [`Error::Command`] if the address cannot be added to
    /// any of the associations that can change theirs. Nothing is changed then.
    pub fn add_address(&self, address: IpAddr) -> Result<(), Error> {
        self.with(|state, now| state.add_address(now, self.id(), address))
    }

    /// Takes an address off, as [`Socket::add_address`] adds one. Associations that cannot do without it keep it.
    ///
    /// # Errors
    /// [`Error::Command`]: it is the last one, or none of the socket's.
    pub fn remove_address(&self, address: IpAddr) -> Result<(), Error> {
        self.with(|state, now| state.remove_address(now, self.id(), address))
    }

    /// Asks the peer to send to this address of ours if it can (`SCTP_SET_PEER_PRIMARY_ADDR`; RFC 6458, 8.3.1).
    ///
    /// # Errors
    /// [`Error::Command`]: the association does not use the extension, or has no such address.
    pub fn set_peer_primary(&self, id: Option<AssociationId>, address: IpAddr) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id(), id)?;
            Ok(state.engine.endpoint.set_peer_primary(now, id, address)?)
        })
    }

    /// Makes the address that our packets come from the only one that the peer knows (RFC 6951, 5.7).
    ///
    /// # Errors
    /// [`Error::Command`]: addresses are not hidden, or not to be changed.
    pub fn announce_source(&self, id: Option<AssociationId>) -> Result<(), Error> {
        self.with(|state, now| {
            let id = state.association_of(self.id(), id)?;
            Ok(state.engine.endpoint.announce_source(now, id)?)
        })
    }
}

/// Whether this is no reason not to change the socket: the association just keeps its addresses.
fn stays_as_it_is(error: CommandError) -> bool {
    use CommandError::{LastAddress, NotInUse, UnknownLocalAddress};
    matches!(error, NotInUse | UnknownLocalAddress(_) | LastAddress(_))
}

impl State {
    fn add_address(&mut self, now: Time, socket: SocketId, address: IpAddr) -> Result<(), Error> {
        if !self.engine.driver.is_ours(address) {
            return Err(Error::NotLocal(address));
        }
        let mailbox = self.mailbox(socket)?;
        // Of a wildcard it has all.
        let is_new = !mailbox.bound.includes(address);
        let binding = mailbox.binding.filter(|_| is_new);
        if let Some(binding) = binding {
            self.registry.ports.add(self.engine.driver.as_mut(), binding, address)?;
        }
        let before = self.mailbox(socket)?.bound.clone();
        self.mailbox(socket)?.bound.add(address);
        let added = self.rebind_listener(socket).and_then(|()| {
            self.on_each(socket, |state, id| state.engine.endpoint.add_local_address(now, id, address))
        });
        if added.is_err() {
            self.mailbox(socket)?.bound = before;
            // Cannot fail: it had these.
            let _ = self.rebind_listener(socket);
            binding.iter().for_each(|binding| self.registry.ports.remove(*binding, address));
        }
        added
    }

    fn remove_address(&mut self, now: Time, socket: SocketId, address: IpAddr) -> Result<(), Error> {
        let bound = &self.mailbox(socket)?.bound;
        if !bound.includes(address) {
            return Err(CommandError::UnknownLocalAddress(address).into());
        }
        if bound.addresses() == [address] {
            return Err(CommandError::LastAddress(address).into());
        }
        self.on_each(socket, |state, id| state.engine.endpoint.remove_local_address(now, id, address))?;
        let mailbox = self.mailbox(socket)?;
        mailbox.bound.remove(address);
        mailbox.bound_to_all = false;
        if let Some(binding) = mailbox.binding {
            self.registry.ports.remove(binding, address);
        }
        self.rebind_listener(socket)
    }

    fn rebind_listener(&mut self, socket: SocketId) -> Result<(), Error> {
        let mailbox = self.mailbox(socket)?;
        if let Some(listener) = mailbox.listener {
            let bound = mailbox.bound.clone();
            self.engine.endpoint.set_listener_addresses(listener, bound.addresses())?;
        }
        Ok(())
    }

    /// Does something to all associations of a socket that can change their addresses. It fails only if it does for all of these.
    fn on_each(
        &mut self,
        socket: SocketId,
        act: impl Fn(&mut Self, AssociationId) -> Result<(), CommandError>,
    ) -> Result<(), Error> {
        let results = self.associations(socket).into_iter().map(|id| act(self, id));
        let results: Vec<_> = results.filter(|result| !result.is_err_and(stays_as_it_is)).collect();
        match results.first() {
            Some(&Err(error)) if results.iter().all(Result::is_err) => Err(error.into()),
            _ => Ok(()),
        }
    }
}
