//! Ports that are listened on.

use super::ListenOptions;
use crate::config::AssociationConfig;
use crate::event::AssociationId;
use crate::extensions::Extensions;
use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;

/// A port that takes associations.
#[derive(Debug)]
pub(super) struct Listener {
    /// Addresses that are bound; empty: all.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) config: Arc<AssociationConfig>,
    backlog: Option<usize>,
    /// Associations that nobody has accepted yet.
    waiting: VecDeque<AssociationId>,
}

impl Listener {
    pub(super) fn new(options: ListenOptions) -> Self {
        let ListenOptions { addresses, backlog, config } = options;
        Self { addresses, config: Arc::new(config), backlog, waiting: VecDeque::new() }
    }

    /// The parameters of an association that was offered these extensions.
    pub(super) fn config_offering(&self, extensions: Extensions) -> Arc<AssociationConfig> {
        if self.config.extensions == extensions {
            return Arc::clone(&self.config);
        }
        Arc::new(AssociationConfig { extensions, ..AssociationConfig::clone(&self.config) })
    }

    /// Whether packets to `local` are meant.
    pub(super) fn serves(&self, local: Option<IpAddr>) -> bool {
        self.addresses.is_empty() || local.is_none_or(|local| self.addresses.contains(&local))
    }

    /// Whether one more association may wait.
    pub(super) fn has_room(&self) -> bool {
        self.backlog.is_none_or(|backlog| self.waiting.len() < backlog)
    }

    /// A new association: it waits if the port has a backlog.
    pub(super) fn admit(&mut self, id: AssociationId) {
        if self.backlog.is_some() {
            self.waiting.push_back(id);
        }
    }

    /// The one that has waited longest.
    pub(super) fn accept(&mut self) -> Option<AssociationId> {
        self.waiting.pop_front()
    }

    /// An association that nobody will accept any more.
    pub(super) fn forget(&mut self, id: AssociationId) {
        self.waiting.retain(|&waiting| waiting != id);
    }
}
