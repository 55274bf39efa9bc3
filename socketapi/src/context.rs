//! Numbers that come back with received messages (`SCTP_CONTEXT`; RFC 6458, 8.1.25).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::AssociationId;

/// The numbers of a socket's associations. Where none is set, reads take no lock for it.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    of_all: AtomicU32,
    has_own: AtomicBool,
    own: Mutex<FxHashMap<AssociationId, u32>>,
}

impl Contexts {
    pub(crate) fn get(&self, association: AssociationId) -> u32 {
        let own = || self.own.lock().get(&association).copied();
        let own = self.has_own.load(Ordering::Relaxed).then(own).flatten();
        own.unwrap_or_else(|| self.of_all())
    }

    pub(crate) fn of_all(&self) -> u32 {
        self.of_all.load(Ordering::Relaxed)
    }

    pub(crate) fn set_all(&self, context: u32) {
        self.of_all.store(context, Ordering::Relaxed);
    }

    /// Sets that of one association. Those that are not among the `living` are forgotten.
    pub(crate) fn set(&self, association: AssociationId, context: u32, living: &[AssociationId]) {
        let mut own = self.own.lock();
        own.retain(|id, _| living.contains(id));
        own.insert(association, context);
        self.has_own.store(true, Ordering::Relaxed);
    }
}
