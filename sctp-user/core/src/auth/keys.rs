//! Endpoint pair shared keys: byte strings that both sides know beforehand, each under a number
//! (RFC 4895, 6.1; RFC 6458, 8.3.3 to 8.3.5).

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
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
    /// Messages that are not through yet are sent with this key.
    #[error("messages are still to be sent with shared key {0}")]
    InUse(u16),
    /// There are [`SharedKeys::MOST`] keys already.
    #[error("there are {0} shared keys already: delete one first")]
    TooMany(usize),
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
    /// Keys that there may be. All of them are hashed anew when one changes, and each may have 65,535 bytes.
    pub const MOST: usize = 32;

    /// The number of the active key.
    pub fn active(&self) -> u16 {
        self.active
    }

    /// Sets the key of this number, whether there is one or not (`SCTP_AUTH_KEY`). Empty: a null key.
    pub fn set(&mut self, id: u16, secret: Bytes) -> Result<(), KeyError> {
        if self.keys.len() >= Self::MOST && !self.keys.contains_key(&id) {
            return Err(KeyError::TooMany(Self::MOST));
        }
        self.keys.insert(id, Key { secret, deactivated: false });
        Ok(())
    }

    /// What is sent from now on is authenticated with this key (`SCTP_AUTH_ACTIVE_KEY`).
    pub fn activate(&mut self, id: u16) -> Result<(), KeyError> {
        self.check(id)?;
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

    /// Whether a message may be sent with this key.
    pub(crate) fn check(&self, id: u16) -> Result<(), KeyError> {
        if self.key(id)?.deactivated { Err(KeyError::Deactivated(id)) } else { Ok(()) }
    }

    /// The numbers of all keys.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u16> {
        self.keys.keys().copied()
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

/// What a message has that is to be sent with a key of its own: as long as there is one, the key is in use.
#[derive(Clone, Debug)]
pub(crate) struct HeldKey(Arc<u16>);

impl HeldKey {
    /// The number of the key.
    pub(crate) fn id(&self) -> u16 {
        *self.0
    }
}

/// The keys that messages have been sent with, one entry each.
#[derive(Debug, Default)]
pub(crate) struct HeldKeys(Vec<HeldKey>);

impl HeldKeys {
    /// One more message is to be sent with this key.
    pub(crate) fn hold(&mut self, id: u16) -> HeldKey {
        if let Some(held) = self.0.iter().find(|held| held.id() == id) {
            return held.clone();
        }
        self.0.retain(|held| Arc::strong_count(&held.0) > 1);
        let held = HeldKey(Arc::new(id));
        self.0.push(held.clone());
        held
    }

    /// Whether a message has the key that is not through yet: neither acknowledged nor given up.
    pub(crate) fn is_held(&self, id: u16) -> bool {
        self.0.iter().any(|held| held.id() == id && Arc::strong_count(&held.0) > 1)
    }
}

/// The numbers only: logs are no place for secrets.
impl core::fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let numbers: Vec<_> = self.keys.keys().collect();
        f.debug_struct("SharedKeys").field("keys", &numbers).field("active", &self.active).finish()
    }
}
