//! Reliable Server Pooling (RFC 5351 to 5356): ASAP, handlespace, policies, sessions.

mod id;
pub mod wire;

pub use id::{PeId, PoolHandle, RegistrarId};
pub use socketapi::Time;
