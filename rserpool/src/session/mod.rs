//! Sessions between a pool user and a pool (RFC 5351, 3): one association at a time to one element, with the ASAP
//! control channel (PPID 11) beside the data.
//!
//! The element sends its state as a *cookie* whenever it likes. The user's side keeps the newest one and, when the
//! element fails, connects to another element and echoes the cookie before anything else, so that the new element
//! goes on where the old one was.
//!
//! - [`PoolUser`](crate::pool_user::PoolUser) holds the user's side of any number of sessions;
//! - [`ServiceSessions`] holds the element's side of all its sessions.

mod service;
pub(crate) mod user;

pub use service::{ServiceConfig, ServiceEvent, ServiceSessions};
pub use user::{SendError, SessionEvent, SessionId};
