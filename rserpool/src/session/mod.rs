//! Sessions between a pool user and a pool (RFC 5351, 3): one association at a time to one element, with the ASAP
//! control channel (PPID 11) beside the data.
//!
//! The element sends its state as a *cookie* whenever it likes. The user's side keeps the newest one and, when the
//! element fails, connects to another element and echoes the cookie before anything else, so that the new element
//! goes on where the old one was.
//!
//! - [`PoolUser`](crate::pool_user::PoolUser) holds the user's side of any number of sessions;
//! - [`ServiceSessions`] holds the element's side of all its sessions.

mod cookie;
mod service;
pub(crate) mod user;

use crate::PoolHandle;
use crate::wire::{AsapMessage, PoolElement};

pub use cookie::{CookieError, CookieKey, CookieProtection, KeyTooShort};
pub use service::{ServiceConfig, ServiceEvent, ServiceSessions};
pub use user::{Failover, SendError, SessionEvent, SessionId};

/// Who one is, and whom to turn to when one fails (RFC 5352, 3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessCard {
    /// The pool that one belongs to.
    pub pool_handle: PoolHandle,
    /// Elements of it, in the order in which they should be tried; at least one.
    pub elements: Vec<PoolElement>,
}

impl From<BusinessCard> for AsapMessage {
    /// In the RFC's form, without policy.
    fn from(BusinessCard { pool_handle, elements }: BusinessCard) -> Self {
        Self::BusinessCard { pool_handle, policy: None, elements }
    }
}
