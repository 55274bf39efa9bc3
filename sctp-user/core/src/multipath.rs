//! Data on several paths at once (draft-tuexen-tsvwg-sctp-multipath).

/// Which paths new data takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Multipath {
    /// The primary path, and another one only when it fails (RFC 9260, 6.4).
    #[default]
    Off,
    /// Concurrent multipath transfer: all active paths, each with a congestion window of its own (section 3 of the
    /// draft). Right for paths that share no bottleneck.
    Concurrent,
    /// The same with resource pooling (section 6): the windows grow together, so that over a bottleneck that the paths
    /// share the association takes about as much as one on a single path. With [`CongestionControl`]s other than that
    /// of RFC 9260 it is as `Concurrent`.
    ///
    /// [`CongestionControl`]: crate::path::congestion::CongestionControl
    Pooled,
}

impl Multipath {
    /// Whether several paths carry new data at the same time.
    pub const fn is_on(self) -> bool {
        !matches!(self, Self::Off)
    }
}
