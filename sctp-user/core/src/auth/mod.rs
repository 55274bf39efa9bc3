//! Authenticated chunks (RFC 4895): what each side offers, the keys, and the codes made with them.
//!
//! | file | holds |
//! |---|---|
//! | `types` | sets of chunk types |
//! | `keys` | the endpoint pair's shared keys (3, 6.1; RFC 6458, 8.3) |
//! | `offer` | RANDOM, CHUNKS and HMAC-ALGO, and the key vectors made of them (3, 6.1) |
//! | `code` | HMACs (6.2) |
//!
//! What an association does with them is in `association/auth.rs`; [`PacketBuilder`](crate::wire::PacketBuilder) puts the
//! AUTH chunk into packets.

mod code;
mod keys;
mod offer;
#[cfg(test)]
mod tests;
mod types;

pub use code::{Authenticator, HmacAlgorithm};
pub use keys::{KeyError, SharedKeys};
pub use types::ChunkTypes;

pub(crate) use code::Code;
pub(crate) use keys::{HeldKey, HeldKeys};
pub(crate) use offer::{AuthAgreement, AuthOffer, AuthParameters};

use crate::wire::chunk::ChunkType;
use smallvec::{SmallVec, smallvec};

/// What an endpoint says of AUTH, where [`Extensions::auth`](crate::extensions::Extensions::auth) is on.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Chunk types that are taken only authenticated (`SCTP_AUTH_CHUNK`). ASCONF and ASCONF-ACK are among them in any
    /// case (RFC 5061, 4.1); INIT, INIT ACK, SHUTDOWN COMPLETE and AUTH never are (RFC 4895, 3.2).
    pub chunks: ChunkTypes,
    /// Algorithms that we take, the preferred one first (`SCTP_HMAC_IDENT`). SHA-1 is offered whether it is here or
    /// not (6.1).
    pub hmacs: SmallVec<[HmacAlgorithm; 2]>,
    /// The shared keys to begin with.
    pub keys: SharedKeys,
}

impl AuthConfig {
    /// The chunk types to list (RFC 4895, 3.2; RFC 5061, 4.1.1 and 4.1.2).
    pub(crate) fn listed(&self, asconf: bool) -> ChunkTypes {
        let mut chunks = self.chunks;
        if asconf {
            chunks.insert(ChunkType::ASCONF);
            chunks.insert(ChunkType::ASCONF_ACK);
        }
        chunks.without_exempt()
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            chunks: ChunkTypes::default(),
            hmacs: smallvec![HmacAlgorithm::Sha256, HmacAlgorithm::Sha1],
            keys: SharedKeys::default(),
        }
    }
}
