//! Identifiers of RSerPool: pool elements, registrars and pools.

use std::fmt;
use std::sync::Arc;

/// Identifies a pool element within its pool; the element picks it at random (RFC 5352, 3.1 R2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeId(pub u32);

/// Identifies a registrar (ENRP server). Zero means "none" or "all" (RFC 5353, 2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RegistrarId(pub u32);

impl RegistrarId {
    /// No registrar, or every registrar when it stands for a receiver.
    pub const NONE: Self = Self(0);
}

impl fmt::Debug for PeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PE-{:08x}", self.0)
    }
}

impl fmt::Display for PeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl fmt::Debug for RegistrarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PR-{:08x}", self.0)
    }
}

impl fmt::Display for RegistrarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

/// The name of a pool: any bytes (RFC 5354, 3.9). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolHandle(Arc<[u8]>);

impl PoolHandle {
    /// The longest handle that the deployed reference implementation survives, in bytes. Longer ones are understood, but elements
    /// register with them, and peers are told of them, only when [`Format::long_pool_handles`](crate::wire::Format) says so.
    pub const MAX_INTEROPERABLE_LEN: usize = 32;

    /// A handle of these bytes.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().into())
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for PoolHandle {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for PoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
