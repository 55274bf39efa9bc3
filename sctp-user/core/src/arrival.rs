//! In which order things came: messages, and what else the layer above is told of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The place of a message or an event among all of an endpoint's: what came later has a greater one. One queue for a socket, in
/// which messages and notifications keep their order (RFC 6458, 6), can so be made of what several associations hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(u64);

/// Gives out the places. An endpoint and its associations share one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Arc<AtomicU64>);

impl Arrivals {
    /// The place of what comes now.
    #[inline]
    pub(crate) fn next(&self) -> Arrival {
        // Only who holds the endpoint comes here, so that nothing is added between the two.
        let last = self.0.load(Ordering::Relaxed);
        self.0.store(last + 1, Ordering::Relaxed);
        Arrival(last + 1)
    }
}
