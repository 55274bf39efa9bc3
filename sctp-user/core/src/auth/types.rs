//! Sets of chunk types.

use crate::wire::chunk::ChunkType;

/// A set of chunk types.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ChunkTypes([u64; 4]);

impl ChunkTypes {
    /// Types that are never authenticated: they come before there are keys or after they are gone (RFC 4895, 3.2).
    pub const EXEMPT: [ChunkType; 4] =
        [ChunkType::INIT, ChunkType::INIT_ACK, ChunkType::SHUTDOWN_COMPLETE, ChunkType::AUTH];

    /// Adds a type.
    pub fn insert(&mut self, chunk_type: ChunkType) {
        if let Some(word) = self.0.get_mut(usize::from(chunk_type.0 >> 6)) {
            *word |= 1 << (chunk_type.0 & 63);
        }
    }

    /// Whether a type is in the set.
    pub fn contains(&self, chunk_type: ChunkType) -> bool {
        self.0.get(usize::from(chunk_type.0 >> 6)).is_some_and(|word| word >> (chunk_type.0 & 63) & 1 != 0)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All types of the set, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = ChunkType> {
        (0..=u8::MAX).map(ChunkType).filter(|&chunk_type| self.contains(chunk_type))
    }

    /// The set without those that must not be in it (RFC 4895, 3.2).
    pub(crate) fn without_exempt(self) -> Self {
        self.iter().filter(|chunk_type| !Self::EXEMPT.contains(chunk_type)).collect()
    }
}

impl FromIterator<ChunkType> for ChunkTypes {
    fn from_iter<I: IntoIterator<Item = ChunkType>>(types: I) -> Self {
        let mut set = Self::default();
        types.into_iter().for_each(|chunk_type| set.insert(chunk_type));
        set
    }
}

impl core::fmt::Debug for ChunkTypes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
