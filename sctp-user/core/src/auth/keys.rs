//! Endpoint pair shared keys: byte strings that both sides know beforehand, each under a number
//! (RFC 4895, 6.1; RFC 6458, 8.3.3 to 8.3.5).

use bytes::Bytes;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a command about keys was refused. It changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key of this number.
    #[error("there is no shared key {0}")]
    Unknown(u16),
    /// Packets are sent with this key.
    #[error("shared key {0} is the active one")]
    Active(u16),
    /// Only keys that are deactivated can be activated no more, and only those can be deleted.
    #[error("shared key {0} is not deactivated")]
    NotDeactivated(u16),
    /// This key is deactivated.
    #[error("shared key {0} is deactivated")]
    Deactivated(u16),
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    secret: Bytes,
    deactivated: bool,
}

/// The shared keys of an endpoint or association, one of them active: what is sent is authenticated with it.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedKeys {
    keys: BTreeMap<u16, Key>,
    active: u16,
}

impl SharedKeys {
    /// The number of the active key.
    pub fn active(&self) -> u16 {
        self.active
    }

    /// Sets the key of this number, whether there is one or not (`SCTP_AUTH_KEY`). Empty: a null key.
    pub fn set(&mut self, id: u16, secret: Bytes) {
        self.keys.insert(id, Key { secret, deactivated: false });
    }

    /// What is sent from now on is authenticated with this key (`SCTP_AUTH_ACTIVE_KEY`).
    pub fn activate(&mut self, id: u16) -> Result<(), KeyError> {
        if self.key(id)?.deactivated {
            return Err(KeyError::Deactivated(id));
        }
        self.active = id;
        Ok(())
    }

    /// Nothing will be sent with this key any more; what comes with it is still taken (`SCTP_AUTH_DEACTIVATE_KEY`).
    pub fn deactivate(&mut self, id: u16) -> Result<(), KeyError> {
        if id == self.active {
            return Err(KeyError::Active(id));
        }
        self.keys.get_mut(&id).ok_or(KeyError::Unknown(id))?.deactivated = true;
        Ok(())
    }

    /// Forgets a key that is deactivated (`SCTP_AUTH_DELETE_KEY`).
    pub fn delete(&mut self, id: u16) -> Result<(), KeyError> {
        if id == self.active {
            return Err(KeyError::Active(id));
        }
        if !self.key(id)?.deactivated {
            return Err(KeyError::NotDeactivated(id));
        }
        self.keys.remove(&id);
        Ok(())
    }

    /// The secret of a key; `None` if there is no key of this number.
    pub(crate) fn secret(&self, id: u16) -> Option<&Bytes> {
        self.keys.get(&id).map(|key| &key.secret)
    }

    /// The numbers of the keys that are deactivated.
    pub(crate) fn deactivated(&self) -> impl Iterator<Item = u16> {
        self.keys.iter().filter(|(_, key)| key.deactivated).map(|(&id, _)| id)
    }

    fn key(&self, id: u16) -> Result<&Key, KeyError> {
        self.keys.get(&id).ok_or(KeyError::Unknown(id))
    }
}

/// One null key, number 0 (RFC 4895, 6.2).
impl Default for SharedKeys {
    /// RFC 4895, 6.2.
    fn default() -> Self {
        let key = Key { secret: Bytes::new(), deactivated: false };
        Self { keys: BTreeMap::from([(0, key)]), active: 0 }
    }
}

/// The numbers only: logs are no place for secrets.
impl core::fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let numbers: Vec<_> = self.keys.keys().collect();
        f.debug_struct("SharedKeys").field("keys", &numbers).field("active", &self.active).finish()
    }
}
