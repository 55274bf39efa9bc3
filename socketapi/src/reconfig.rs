//! Options about streams and TSNs that are numbered anew, and streams that are added (RFC 6525).

use sctp_core::config::ReconfigPermissions;
use sctp_core::endpoint::ResetDirections;
use sctp_user::stack::Error;

use crate::Options;

impl Options<'_> {
    /// Which re-configurations the peer may ask for (`SCTP_ENABLE_STREAM_RESET`; RFC 6525, 6.3.1): none by default.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_reconfig_permissions(&self, permissions: ReconfigPermissions) -> Result<(), Error> {
        self.change(|config| config.reconfig_permissions = permissions)
    }

    /// Which re-configurations the peer of an association to come may ask for; of a stream, its own.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn reconfig_permissions(&self) -> Result<ReconfigPermissions, Error> {
        Ok(self.parameters()?.reconfig_permissions)
    }

    /// Numbers the messages of streams from 0 on again; an empty list means all (`SCTP_RESET_STREAMS`; RFC 6525,
    /// 6.3.2). [`Notification::StreamsReset`](crate::Notification::StreamsReset) tells how it went.
    ///
    /// # Errors
    /// [`Error::Reconfig`] tells why it cannot be asked for now; [`Error::NotConnected`], [`Error::NoAssociation`].
    pub fn reset_streams(&self, directions: ResetDirections, streams: &[u16]) -> Result<(), Error> {
        self.socket().reset_streams(self.association(), directions, streams)
    }

    /// Numbers TSNs and all streams anew, once in 30 s (`SCTP_RESET_ASSOC`; RFC 6525, 6.3.3).
    /// [`Notification::AssociationReset`](crate::Notification::AssociationReset) tells how it went.
    ///
    /// # Errors
    /// As [`Options::reset_streams`].
    pub fn reset_association(&self) -> Result<(), Error> {
        self.socket().reset_association(self.association())
    }

    /// Adds streams that we send on, and streams of the peer's (`SCTP_ADD_STREAMS`; RFC 6525, 6.3.4).
    /// [`Notification::StreamsChanged`](crate::Notification::StreamsChanged) tells how it went.
    ///
    /// # Errors
    /// As [`Options::reset_streams`].
    pub fn add_streams(&self, outbound: u16, inbound: u16) -> Result<(), Error> {
        self.socket().add_streams(self.association(), outbound, inbound)
    }
}
