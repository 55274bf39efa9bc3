//! Options about authenticated chunks (RFC 4895; RFC 6458, 8.3.2 to 8.3.5).

use bytes::Bytes;
use sctp_core::auth::{ChunkTypes, HmacAlgorithm};
use sctp_core::wire::ChunkType;
use sctp_user::stack::Error;

use crate::Options;

impl Options<'_> {
    /// Takes chunks of this type only authenticated, on associations to come, which then offer authentication
    /// (`SCTP_AUTH_CHUNK`; 8.3.2). INIT, INIT ACK, SHUTDOWN COMPLETE and AUTH cannot be: false, and nothing is changed.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn add_auth_chunk(&self, chunk_type: ChunkType) -> Result<bool, Error> {
        if ChunkTypes::EXEMPT.contains(&chunk_type) {
            return Ok(false);
        }
        self.change(|config| {
            config.extensions.auth = true;
            config.auth.chunks.insert(chunk_type);
        })?;
        Ok(true)
    }

    /// Algorithms that peers of associations to come may use, the preferred one first (`SCTP_HMAC_IDENT`; 8.1.17).
    /// SHA-1 is among them in any case.
    ///
    /// # Errors
    /// See [`Options::change`].
    pub fn set_hmac_algorithms(&self, algorithms: &[HmacAlgorithm]) -> Result<(), Error> {
        self.change(|config| config.auth.hmacs = algorithms.iter().copied().collect())
    }

    /// Sets a shared key (`SCTP_AUTH_KEY`; 8.3.3); an empty one is a null key.
    ///
    /// # Errors
    /// [`Error::Command`], [`Error::NoAssociation`]; so for all options about keys.
    pub fn set_auth_key(&self, key: u16, secret: &[u8]) -> Result<(), Error> {
        let secret = Bytes::copy_from_slice(secret);
        self.socket().change_keys(self.association(), |keys| keys.set(key, secret.clone()))
    }

    /// Authenticates what is sent with this key (`SCTP_AUTH_ACTIVE_KEY`; 8.1.18), but for messages with a
    /// [key of their own](crate::SendInfo::auth_key).
    ///
    /// # Errors
    /// See [`Options::set_auth_key`].
    pub fn set_active_auth_key(&self, key: u16) -> Result<(), Error> {
        self.socket().change_keys(self.association(), |keys| keys.activate(key))
    }

    /// The key that what is sent is authenticated with (`SCTP_AUTH_ACTIVE_KEY`; 8.1.18): of the association, else of those to
    /// come and of a stream.
    ///
    /// # Errors
    /// [`Error::NoAssociation`]; [`Error::Closed`]. An association that offers no authentication is none.
    pub fn active_auth_key(&self) -> Result<u16, Error> {
        let Some(id) = self.association() else { return Ok(self.parameters()?.auth.keys.active()) };
        let active = self.socket().association(Some(id), |association| association.active_key())?;
        active.ok_or(Error::NoAssociation)
    }

    /// Sends no more messages with this key (`SCTP_AUTH_DEACTIVATE_KEY`; 8.3.4). Those that are on their way keep it:
    /// [`AuthenticationEvent::FreeKey`](crate::AuthenticationEvent::FreeKey) tells when the last of them is through.
    ///
    /// # Errors
    /// See [`Options::set_auth_key`].
    pub fn deactivate_auth_key(&self, key: u16) -> Result<(), Error> {
        self.socket().change_keys(self.association(), |keys| keys.deactivate(key))
    }

    /// Forgets a key that is deactivated and free (`SCTP_AUTH_DELETE_KEY`; 8.3.5).
    ///
    /// # Errors
    /// See [`Options::set_auth_key`].
    pub fn delete_auth_key(&self, key: u16) -> Result<(), Error> {
        self.socket().change_keys(self.association(), |keys| keys.delete(key))
    }

    /// Chunk types that the association takes only authenticated (`SCTP_LOCAL_AUTH_CHUNKS`; 8.2.4).
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::NoAssociation`].
    pub fn local_auth_chunks(&self) -> Result<ChunkTypes, Error> {
        self.socket().association(self.association(), |association| association.local_auth_chunks())
    }

    /// Chunk types that the peer takes only authenticated (`SCTP_PEER_AUTH_CHUNKS`; 8.2.3).
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::NoAssociation`].
    pub fn peer_auth_chunks(&self) -> Result<ChunkTypes, Error> {
        self.socket().association(self.association(), |association| association.peer_auth_chunks())
    }
}
