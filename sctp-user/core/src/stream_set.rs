//! The streams that a reset is about (RFC 6525).

/// Some streams of one direction, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamSet {
    /// All, also those that are added later.
    All,
    /// These, in order and each once.
    Listed(Vec<u16>),
}

impl StreamSet {
    /// The set that a list stands for: an empty one means all streams (RFC 6525, 4.1).
    pub fn of(list: &[u16]) -> Self {
        if list.is_empty() {
            return Self::All;
        }
        let mut streams = list.to_vec();
        streams.sort_unstable();
        streams.dedup();
        Self::Listed(streams)
    }

    /// Whether `stream_id` is one of them.
    pub fn contains(&self, stream_id: u16) -> bool {
        match self {
            Self::All => true,
            Self::Listed(streams) => streams.binary_search(&stream_id).is_ok(),
        }
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Listed(_), Self::All) => false,
            (Self::Listed(_), Self::Listed(streams)) => streams.iter().all(|&stream| self.contains(stream)),
        }
    }

    /// The highest stream that is named.
    pub fn highest(&self) -> Option<u16> {
        match self {
            Self::All => None,
            Self::Listed(streams) => streams.last().copied(),
        }
    }

    /// The streams as they are listed, none for all.
    pub fn listed(&self) -> &[u16] {
        match self {
            Self::All => &[],
            Self::Listed(streams) => streams,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_means_all_streams() {
        // RFC 6525, 4.1 and 4.2
        let (all, two) = (StreamSet::of(&[]), StreamSet::of(&[9, 2, 9]));
        assert!(all.contains(77) && two.contains(9) && !two.contains(77));
        assert!(all.covers(&two) && all.covers(&all) && !two.covers(&all));
        assert!(two.covers(&StreamSet::of(&[2])) && !two.covers(&StreamSet::of(&[2, 3])));
        assert_eq!((two.listed(), two.highest(), all.highest()), (&[2, 9][..], Some(9), None));
    }
}
