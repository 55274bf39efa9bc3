//! Options about addresses that change (RFC 5061; RFC 6458, 8.3.1 and 9.1).

use std::net::IpAddr;

use sctp_user::stack::Error;

use crate::Options;

impl Options<'_> {
    /// Offers to change addresses on living associations to come (ASCONF), which needs authentication; off by default,
    /// as in Linux.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_address_changes(&self, on: bool) -> Result<(), Error> {
        self.change(|config| {
            config.extensions.asconf = on;
            config.extensions.auth |= on;
        })
    }

    /// What the upper layers of peers are told when associations to come are set up (`SCTP_ADAPTATION_LAYER`; 8.1.10).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_adaptation_layer(&self, indication: Option<u32>) -> Result<(), Error> {
        self.change(|config| config.adaptation_indication = indication)
    }

    /// Tells peers of addresses that the host gets and loses, on sockets that are bound to all addresses
    /// (`SCTP_AUTO_ASCONF`). The stack has to watch them:
    /// [`StackBuilder::watch_addresses`](crate::StackBuilder::watch_addresses).
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_auto_asconf(&self, on: bool) -> Result<(), Error> {
        self.change(|config| config.auto_asconf = on)
    }

    /// Keeps our addresses out of packets, for associations to come that go through a NAT (RFC 6951, 5.7): they begin with
    /// the one that packets come from. Where addresses may be [changed](Options::set_address_changes),
    /// [`add_address`](Options::add_address) adds another one that may be behind a NAT of its own, and the peer is told when a
    /// NAT's outer address changes.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_hidden_addresses(&self, hidden: bool) -> Result<(), Error> {
        self.change(|config| config.hide_addresses = hidden)
    }

    /// Tells the peer now that the address which our packets come from is the only one of ours, for programs that know of
    /// a change sooner than the stack can.
    ///
    /// # Errors
    /// [`Error::Command`]: addresses are not hidden, or not to be changed; [`Error::NotConnected`].
    pub fn announce_source(&self) -> Result<(), Error> {
        self.socket().announce_source(self.association())
    }

    /// Adds an address to the socket, for associations to come and for those that it has (`sctp_bindx` with
    /// `SCTP_BINDX_ADD_ADDR`). [`Notification::LocalAddressChanged`](crate::Notification::LocalAddressChanged) tells
    /// what a peer says. Associations that cannot change their addresses keep what they have.
    ///
    /// # Errors
    /// [`Error::NotLocal`]; [`Error::Command`] if none of the associations that can change theirs can take it.
    pub fn add_address(&self, address: IpAddr) -> Result<(), Error> {
        self.socket().add_address(address)
    }

    /// Takes an address off the socket (`sctp_bindx` with `SCTP_BINDX_REM_ADDR`), for associations to come and for those that it has,
    /// as [`add_address`](Options::add_address) adds one.
    ///
    /// # Errors
    /// [`Error::Command`]: it is the last one, or none of the socket's.
    pub fn remove_address(&self, address: IpAddr) -> Result<(), Error> {
        self.socket().remove_address(address)
    }

    /// Asks the peer to send to this address of ours if it can (`SCTP_SET_PEER_PRIMARY_ADDR`; 8.3.1).
    ///
    /// # Errors
    /// [`Error::Command`]: the association does not use the extension, or has no such address.
    pub fn set_peer_primary(&self, address: IpAddr) -> Result<(), Error> {
        self.socket().set_peer_primary(self.association(), address)
    }
}
