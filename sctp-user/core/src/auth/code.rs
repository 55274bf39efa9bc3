//! The codes: HMACs (RFC 2104) over an AUTH chunk and what stands behind it (RFC 4895, 6.2).

use super::ChunkTypes;
use crate::wire::chunk::{AuthChunk, ChunkType, RawChunk};
use crate::wire::{CHUNK_HEADER_LEN, WriteChunk};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use smallvec::SmallVec;

/// An algorithm that we know (3.3, Table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// The one that everybody must support.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl HmacAlgorithm {
    /// The algorithm with this HMAC identifier.
    /// RFC 4895, 3.3.
    pub const fn of(identifier: u16) -> Option<Self> {
        match identifier {
            1 => Some(Self::Sha1),
            3 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Its HMAC identifier.
    pub const fn identifier(self) -> u16 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 3,
        }
    }

    /// Bytes of a code.
    pub const fn code_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// An algorithm under a key, made ready once.
#[derive(Clone)]
pub(crate) enum Code {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl Code {
    pub(crate) fn new(algorithm: HmacAlgorithm, key: &[u8]) -> Option<Self> {
        match algorithm {
            HmacAlgorithm::Sha1 => Hmac::new_from_slice(key).ok().map(Self::Sha1),
            HmacAlgorithm::Sha256 => Hmac::new_from_slice(key).ok().map(Self::Sha256),
        }
    }

    /// The code over `parts`, one behind the other.
    pub(super) fn over(&self, parts: &[&[u8]]) -> SmallVec<[u8; 32]> {
        match self {
            Self::Sha1(mac) => SmallVec::from_slice(&fed(mac, parts).finalize().into_bytes()),
            Self::Sha256(mac) => SmallVec::from_slice(&fed(mac, parts).finalize().into_bytes()),
        }
    }

    /// Whether `auth` authenticates `rest`, which stands behind it. The time it takes tells nothing of the code.
    /// RFC 4895, 6.3, 6.2.
    pub(crate) fn verifies(&self, auth: &RawChunk, rest: &[u8]) -> bool {
        const FIXED: usize = CHUNK_HEADER_LEN + 4;
        let Some((fixed, code)) = auth.value.split_at_checked(4) else { return false };
        let Ok(len) = u16::try_from(FIXED + code.len()) else { return false };
        let [high, low] = len.to_be_bytes();
        let header = [auth.chunk_type.0, auth.flags, high, low];
        const ZEROS: [u8; 32] = [0; 32];
        let Some(zeros) = ZEROS.get(..code.len()) else { return false };
        let parts: [&[u8]; 4] = [&header, fixed, zeros, rest];
        match self {
            Self::Sha1(mac) => fed(mac, &parts).verify_slice(code).is_ok(),
            Self::Sha256(mac) => fed(mac, &parts).verify_slice(code).is_ok(),
        }
    }
}

fn fed<M: Mac + Clone>(mac: &M, parts: &[&[u8]]) -> M {
    let mut mac = mac.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// Without the key.
impl core::fmt::Debug for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Code")
    }
}

/// Authenticates what is sent: which chunk types, and how.
#[derive(Debug)]
pub struct Authenticator {
    /// Types that the peer takes only authenticated.
    chunks: ChunkTypes,
    algorithm: HmacAlgorithm,
    /// The number of the active shared key, and the code under it.
    active: (u16, Code),
    /// Those of the others, with which single messages may be sent (RFC 6458, 5.3.8).
    others: Vec<(u16, Code)>,
    /// Room for the AUTH chunk is kept in all packets.
    reserves: bool,
}

impl Authenticator {
    pub(crate) fn new(
        chunks: ChunkTypes,
        algorithm: HmacAlgorithm,
        active: (u16, Code),
        others: Vec<(u16, Code)>,
    ) -> Self {
        const FITTED: [ChunkType; 5] =
            [ChunkType::DATA, ChunkType::I_DATA, ChunkType::SACK, ChunkType::NR_SACK, ChunkType::PAD];
        let reserves = FITTED.iter().any(|&chunk_type| chunks.contains(chunk_type));
        Self { chunks, algorithm, active, others, reserves }
    }

    /// The key that is meant: the active one, unless another one is named that there is.
    pub(crate) fn key(&self, named: Option<u16>) -> u16 {
        named.map_or(self.active.0, |named| self.under(named).0)
    }

    /// A key and the code under it.
    fn under(&self, key: u16) -> &(u16, Code) {
        self.others.iter().find(|other| other.0 == key).unwrap_or(&self.active)
    }

    /// Whether chunks of this type must stand behind an AUTH chunk.
    pub(crate) fn covers(&self, chunk_type: ChunkType) -> bool {
        self.chunks.contains(chunk_type)
    }

    /// Whether chunks that are cut to the room that a packet has are among those: then the AUTH chunk has to be
    /// reckoned with in every packet.
    pub(crate) const fn reserves(&self) -> bool {
        self.reserves
    }

    /// Bytes of the AUTH chunk.
    pub(crate) const fn chunk_len(&self) -> usize {
        CHUNK_HEADER_LEN + 4 + self.algorithm.code_len()
    }

    /// An AUTH chunk whose code, under this key, is still zero (Figure 6).
    pub(crate) fn blank(&self, key: u16) -> AuthChunk {
        AuthChunk {
            shared_key_id: self.under(key).0,
            hmac_id: self.algorithm.identifier(),
            hmac: Bytes::from_static(&[0; 32]).slice(..self.algorithm.code_len()),
        }
    }

    /// Fills in the code of the blank AUTH chunk that `chunks` begin with (RFC 4895, 6.2).
    pub(crate) fn fill_in(&self, key: u16, chunks: &mut [u8]) {
        let code = self.under(key).1.over(&[chunks]);
        let field = chunks.get_mut(CHUNK_HEADER_LEN + 4..).and_then(|rest| rest.get_mut(..code.len()));
        if let Some(field) = field {
            field.copy_from_slice(&code);
        }
    }

    /// The AUTH chunk in front of a packet's only other chunk, if that one needs it.
    pub(crate) fn for_lone(&self, chunk: &RawChunk) -> Option<AuthChunk> {
        if !self.covers(chunk.chunk_type) {
            return None;
        }
        let (key, code) = &self.active;
        let mut auth = self.blank(*key);
        let mut bytes = Vec::new();
        write_whole(&auth, &mut bytes);
        write_whole(chunk, &mut bytes);
        auth.hmac = Bytes::copy_from_slice(&code.over(&[&bytes]));
        Some(auth)
    }
}

/// A chunk with header and padding.
fn write_whole(chunk: &impl WriteChunk, out: &mut Vec<u8>) {
    let len = u16::try_from(CHUNK_HEADER_LEN + chunk.value_len()).unwrap_or(u16::MAX);
    let [high, low] = len.to_be_bytes();
    out.extend_from_slice(&[chunk.chunk_type().0, chunk.flags(), high, low]);
    chunk.write_value(out);
    out.resize(out.len().next_multiple_of(4), 0);
}
