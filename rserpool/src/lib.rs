//! Reliable Server Pooling (RFC 5351 to 5356): ASAP, handlespace, policies, sessions.

pub mod handlespace;
mod home;
mod id;
mod policy;
pub mod pool_element;
mod profile;
pub mod registrar;
mod timers;
pub mod transport;
pub mod wire;

pub use home::HuntConfig;
pub use id::{PeId, PoolHandle, RegistrarId};
pub use profile::{Profile, SctpSettings};
pub use socketapi::Time;
