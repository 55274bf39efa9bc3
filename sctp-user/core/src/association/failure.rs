//! Error counters of paths and of the association (RFC 9260, 8.1 and 8.2).

use super::Association;
use crate::event::{Event, LossReason, PathChange};
use crate::path::{PathId, PathState};

impl Association {
    /// Something sent to `path` was not answered in time; `counts` if it counts for the association too.
    pub(super) fn note_error(&mut self, path: PathId, counts: bool) {
        if counts {
            self.error_count += 1;
        }
        self.note_path_error(path);
        if self.error_count > self.config.association_max_retrans {
            self.lose(LossReason::TimedOut);
        }
    }

    /// Increments a path's counter; past its limit the path becomes inactive.
    pub(super) fn note_path_error(&mut self, id: PathId) {
        let limit = self.config.path_max_retrans;
        let Some(path) = self.paths.get_mut(id) else { return };
        // 8.3: beyond the limit it no longer grows.
        if path.error_count > limit {
            return;
        }
        path.error_count += 1;
        if path.error_count <= limit {
            return;
        }
        path.stats.failures += 1;
        // An address that never was confirmed stays so: it must not carry data, whatever fails (5.4).
        if path.state == PathState::Active {
            path.state = PathState::Inactive;
        }
        self.tell_path(id, PathChange::Unreachable);
        self.sender.handle_path_failed(id, &mut self.paths);
    }

    /// Data or a HEARTBEAT sent to `path` was acknowledged.
    pub(super) fn note_path_works(&mut self, id: PathId) {
        let Some(path) = self.paths.get_mut(id) else { return };
        path.error_count = 0;
        if path.state == PathState::Inactive {
            path.state = PathState::Active;
            self.tell_path(id, PathChange::Available);
        }
    }

    /// NETWORK STATUS CHANGE (11.2.3).
    pub(super) fn tell_path(&mut self, id: PathId, change: PathChange) {
        if let Some(path) = self.paths.get(id) {
            tracing::debug!(tag = self.tags.local, remote = %path.address.remote, ?change, "path");
            self.events.push_back(Event::PathChanged { address: path.address, change });
        }
    }

    /// The path that data takes now.
    pub(super) fn data_path(&self) -> PathId {
        self.paths.for_new_data().unwrap_or(self.paths.primary())
    }

    /// Where a reply to a packet from `remote` goes (6.4).
    pub(super) fn reply_path(&self, remote: core::net::IpAddr) -> PathId {
        self.paths.by_remote(remote).map_or_else(|| self.data_path(), |path| self.confirmed(path.id))
    }

    /// `id`, or the path that data takes while `id` is not confirmed: an address that may be somebody else's
    /// gets no chunks but HEARTBEAT and HEARTBEAT ACK (5.4).
    pub(super) fn confirmed(&self, id: PathId) -> PathId {
        let confirmed = self.paths.get(id).is_some_and(|path| path.state != PathState::Unconfirmed);
        if confirmed { id } else { self.data_path() }
    }
}
