//! Reliable Server Pooling (RFC 5351 to 5356): ASAP, handlespace, policies, sessions.

pub mod handlespace;
mod id;
mod policy;
pub mod wire;

pub use id::{PeId, PoolHandle, RegistrarId};
pub use socketapi::Time;
