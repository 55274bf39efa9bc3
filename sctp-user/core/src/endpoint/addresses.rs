//! Commands about our own addresses and keys (RFC 5061; RFC 6458, 8.3 and 9.1).

use super::{Bound, Endpoint, ListenerId};
use crate::auth::{KeyError, SharedKeys};
use crate::error::{CommandError, ListenError};
use crate::event::AssociationId;
use crate::time::Time;
use core::net::IpAddr;

impl Endpoint {
    /// Replaces the addresses of this host. New associations use them; those that are there and follow the host
    /// ([`auto_asconf`](crate::config::AssociationConfig::auto_asconf)) tell their peers.
    pub fn set_local_addresses(&mut self, now: Time, addresses: Vec<IpAddr>) {
        self.config.local_addresses = addresses;
        for slot in self.slots.all() {
            let Some(entry) = self.slots.get_mut(slot) else { continue };
            entry.association.follow_host(now, &self.config.local_addresses);
            self.settle(slot);
        }
    }

    /// Adds an address of ours to a living association (RFC 5061; `sctp_bindx`). It is used once the peer has agreed:
    /// [`Event::LocalAddressChanged`](crate::event::Event::LocalAddressChanged). Where addresses are
    /// [hidden](crate::config::AssociationConfig::hide_addresses), the request leaves from there and names none, so that it may
    /// come from behind a NAT (RFC 6951, 5.7).
    pub fn add_local_address(
        &mut self,
        now: Time,
        id: AssociationId,
        address: IpAddr,
    ) -> Result<(), CommandError> {
        self.demux.forget_last();
        self.command(id, |association, _| association.add_local_address(now, address))
    }

    /// Takes an address of ours off a living association (RFC 5061; `sctp_bindx`). Nothing leaves from it any more.
    pub fn remove_local_address(
        &mut self,
        now: Time,
        id: AssociationId,
        address: IpAddr,
    ) -> Result<(), CommandError> {
        self.demux.forget_last();
        self.command(id, |association, _| association.remove_local_address(now, address))
    }

    /// Tells the peer where our packets come from: a NAT on the way may have given us another outer address (RFC 6951, 5.7).
    /// It becomes the only one of ours that the peer knows.
    ///
    /// # Errors
    /// [`CommandError::NotInUse`]: addresses are not hidden
    /// ([`hide_addresses`](crate::config::AssociationConfig::hide_addresses)), or not to be changed.
    pub fn announce_source(&mut self, now: Time, id: AssociationId) -> Result<(), CommandError> {
        self.command(id, |association, _| association.announce_source(now))
    }

    /// Asks the peer to send to `address` of ours if it can (RFC 5061, 5.4; `SCTP_SET_PEER_PRIMARY_ADDR`).
    pub fn set_peer_primary(
        &mut self,
        now: Time,
        id: AssociationId,
        address: IpAddr,
    ) -> Result<(), CommandError> {
        self.command(id, |association, _| association.set_peer_primary(now, address))
    }

    /// Replaces the addresses that somebody listens on, as [`ListenOptions::addresses`](super::ListenOptions) has them.
    ///
    /// # Errors
    /// [`ListenError::PortInUse`]: another one listens on one of them. Nothing is changed then.
    pub fn set_listener_addresses(
        &mut self,
        id: ListenerId,
        addresses: &[IpAddr],
    ) -> Result<(), ListenError> {
        self.listeners.rebind(id, Bound::new(addresses))
    }

    /// Changes the shared keys of a living association (RFC 6458, 8.3.3 to 8.3.5); those of future ones are in their
    /// [configuration](crate::config::AssociationConfig::auth).
    pub fn change_keys(
        &mut self,
        id: AssociationId,
        change: impl FnOnce(&mut SharedKeys) -> Result<(), KeyError>,
    ) -> Result<(), CommandError> {
        self.command(id, |association, _| association.change_keys(change))
    }
}
