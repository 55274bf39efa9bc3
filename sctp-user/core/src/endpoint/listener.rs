//! Ports that are listened on.

use super::Endpoint;
use crate::config::AssociationConfig;
use crate::error::{CommandError, ListenError};
use crate::event::AssociationId;
use crate::extensions::Extensions;
use crate::path::Thresholds;
use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;

/// How a port is listened on.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Addresses that are bound; empty: all of the endpoint's.
    pub addresses: Vec<IpAddr>,
    /// `None` (one-to-many style): associations are up at once. `Some(n)` (one-to-one style): they
    /// wait for [`Endpoint::accept`]; a COOKIE ECHO that finds `n` of them waiting gets ABORT.
    pub backlog: Option<usize>,
    /// Parameters of the associations that come in.
    pub config: AssociationConfig,
}

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

impl Endpoint {
    /// Takes associations on `port` from now on.
    /// RFC 9260, 1.3.
    pub fn listen(&mut self, port: u16, options: ListenOptions) -> Result<(), ListenError> {
        if port == 0 {
            return Err(ListenError::InvalidPort);
        }
        if self.listeners.contains_key(&port) {
            return Err(ListenError::PortInUse(port));
        }
        Thresholds::of(&options.config).check()?;
        let options = ListenOptions { config: self.offerable(options.config), ..options };
        self.listeners.insert(port, Listener::new(options));
        Ok(())
    }

    /// Changes how many may wait on `port`, as [`ListenOptions::backlog`] has it; those that wait already stay.
    pub fn set_backlog(&mut self, port: u16, backlog: Option<usize>) {
        if let Some(listener) = self.listeners.get_mut(&port) {
            listener.backlog = backlog;
        }
    }

    /// Changes the parameters of associations that come in on `port` from now on; those that wait to be accepted keep theirs.
    /// A port that is not listened on has none.
    ///
    /// # Errors
    /// [`CommandError::Thresholds`]: they do not fit together, and nothing is changed.
    pub fn update_listener(
        &mut self,
        port: u16,
        change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<(), CommandError> {
        let Some(listener) = self.listeners.get(&port) else { return Ok(()) };
        let mut changed = AssociationConfig::clone(&listener.config);
        change(&mut changed);
        Thresholds::of(&changed).check()?;
        let changed = Arc::new(self.offerable(changed));
        if let Some(listener) = self.listeners.get_mut(&port) {
            listener.config = changed;
        }
        Ok(())
    }

    /// Takes no more associations on `port`; those that nobody has accepted are aborted.
    pub fn close_listener(&mut self, port: u16) {
        let Some(mut listener) = self.listeners.remove(&port) else { return };
        while let Some(id) = listener.accept() {
            self.release(id);
        }
    }

    /// The association that has waited longest on a port listened on with a backlog. One that has ended in the
    /// meantime waits on only if there is something to read of it; else it makes room for others, and is the
    /// caller's to [`release`](Self::release), as its last event says.
    pub fn accept(&mut self, port: u16) -> Option<AssociationId> {
        self.listeners.get_mut(&port)?.accept()
    }
}
